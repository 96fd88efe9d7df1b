//! Cycles that go round many keys: each that is named is given a job and relieved of one.

use std::io::Result;

use crate::wire::Wire;

/// `JQ.PUBLISH`, `JQ.CONSUME`, `JQ.ACK`.
pub fn queues(wire: &mut Wire, queues: &[&str], body: &[u8]) -> Result<()> {
    queues.iter().for_each(|queue| wire.add(&[b"JQ.PUBLISH", queue.as_bytes(), body]));
    wire.flush()?;
    wire.skip(queues.len())?;
    queues.iter().for_each(|queue| wire.add(&[b"JQ.CONSUME", queue.as_bytes()]));
    wire.flush()?;
    let taken = queues.iter().map(|_| wire.read()).collect::<Result<Vec<_>>>()?;
    for (queue, job) in queues.iter().zip(&taken) {
        wire.add(&[b"JQ.ACK", queue.as_bytes(), job.at(&[0, 1])?]);
    }
    wire.flush()?;
    wire.skip(queues.len())
}

/// `LPUSH`, `LMOVE`, `LREM`.
pub fn lists(wire: &mut Wire, lists: &[&str], body: &[u8]) -> Result<()> {
    let taken: Vec<_> = lists.iter().map(|list| format!("{list}:taken")).collect();
    lists.iter().for_each(|list| wire.add(&[b"LPUSH", list.as_bytes(), body]));
    wire.flush()?;
    wire.skip(lists.len())?;
    for (list, taken) in lists.iter().zip(&taken) {
        wire.add(&[b"LMOVE", list.as_bytes(), taken.as_bytes(), b"RIGHT", b"LEFT"]);
    }
    wire.flush()?;
    wire.skip(lists.len())?;
    taken.iter().for_each(|taken| wire.add(&[b"LREM", taken.as_bytes(), b"-1", body]));
    wire.flush()?;
    wire.skip(lists.len())
}
