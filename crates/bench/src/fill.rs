//! Many jobs, list elements or stream entries at once, to measure beside them.

use std::{collections::VecDeque, io::Result, thread, time::Duration};

use crate::{clock, wire::Wire};

/// How many jobs go into one command.
const PIECE: usize = 1_000;

/// Bodies of one length.
pub struct Bodies {
    text: Vec<u8>,
    bytes: usize,
    at: usize,
}

impl Bodies {
    /// Bodies of so many bytes that no compression finds a pattern in.
    pub fn new(bytes: usize) -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut noise = Vec::with_capacity(1 << 20);
        while noise.len() < 1 << 20 {
            // Xorshift: the same bodies in every run.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            noise.extend(state.to_le_bytes());
        }
        Self { text: noise, bytes, at: 0 }
    }

    /// Bodies that are all the same, for what finds its elements by them.
    pub fn alike(bytes: usize) -> Self {
        Self { text: vec![b'x'; bytes], bytes, at: 0 }
    }

    /// So many bodies.
    fn next(&mut self, count: usize) -> Vec<&[u8]> {
        let slots = self.text.len() / self.bytes;
        let from = self.at;
        self.at = (from + count) % slots;
        (from..from + count).map(|at| &self.text[at % slots * self.bytes..][..self.bytes]).collect()
    }
}

/// Publishes jobs on these terms.
pub fn publish(
    wire: &mut Wire,
    queue: &str,
    jobs: usize,
    bodies: &mut Bodies,
    terms: &[&str],
) -> Result<()> {
    in_pieces(wire, jobs, |wire, _, count| {
        let text = count.to_string();
        let mut command = vec![&b"JQ.MPUBLISH"[..], queue.as_bytes(), text.as_bytes()];
        command.extend(bodies.next(count));
        command.extend(terms.iter().map(|term| term.as_bytes()));
        wire.add(&command);
        1
    })
}

/// Publishes jobs on these terms, with ids of their publisher's, 16 bytes long.
pub fn publish_named(
    wire: &mut Wire,
    queue: &str,
    jobs: usize,
    bodies: &mut Bodies,
    terms: &[&str],
) -> Result<()> {
    publish_each(wire, queue, jobs, bodies, |n| {
        let id = ["ID".to_string(), format!("order:{n:010}")].into_iter();
        id.chain(terms.iter().map(|term| term.to_string())).collect()
    })
}

/// Publishes jobs, each on terms of its own by its number.
pub fn publish_each(
    wire: &mut Wire,
    queue: &str,
    jobs: usize,
    bodies: &mut Bodies,
    terms: impl Fn(usize) -> Vec<String>,
) -> Result<()> {
    in_pieces(wire, jobs, |wire, from, count| {
        for (at, body) in bodies.next(count).into_iter().enumerate() {
            let terms = terms(from + at);
            let mut command = vec![&b"JQ.PUBLISH"[..], queue.as_bytes(), body];
            command.extend(terms.iter().map(|term| term.as_bytes()));
            wire.add(&command);
        }
        count
    })
}

/// Leases ready jobs until an instant, in milliseconds since the epoch.
pub fn lease(wire: &mut Wire, queue: &str, jobs: usize, until: f64) -> Result<()> {
    in_pieces(wire, jobs, |wire, _, count| {
        let left = clock::now().map_or(1.0, |now| (until - now).max(1.0));
        let (count, ttr) = (count.to_string(), format!("{left:.0}"));
        wire.add(&[
            b"JQ.CONSUME",
            queue.as_bytes(),
            b"COUNT",
            count.as_bytes(),
            b"TTR",
            ttr.as_bytes(),
        ]);
        1
    })
}

/// Makes all ready jobs dead, and waits until they are.
pub fn bury(wire: &mut Wire, queue: &str) -> Result<()> {
    wire.call(&format!("JQ.BURY {queue} ALL ready"))?;
    settle(wire, queue, "tasks-left")
}

/// Consumes and acknowledges ready jobs.
pub fn drain(wire: &mut Wire, queue: &str, jobs: usize) -> Result<()> {
    for _ in 0..jobs.div_ceil(PIECE) {
        let reply = wire.call(&format!("JQ.CONSUME {queue} COUNT {PIECE}"))?;
        let mut ack = vec![&b"JQ.ACK"[..], queue.as_bytes()];
        for at in 0..reply.len() {
            ack.push(reply.at(&[at, 1])?);
        }
        wire.add(&ack);
        wire.flush()?;
        wire.skip(1)?;
    }
    Ok(())
}

/// Acknowledges all leased jobs, by their bare ids.
pub fn acknowledge(wire: &mut Wire, queue: &str) -> Result<()> {
    loop {
        let page = wire.call(&format!("JQ.LIST {queue} leased COUNT {PIECE}"))?;
        let mut ack = vec![&b"JQ.ACK"[..], queue.as_bytes()];
        // The first field of a job is its id.
        ack.extend((0..PIECE).map_while(|at| page.at(&[1, at, 1]).ok()));
        if ack.len() == 2 {
            return Ok(());
        }
        wire.add(&ack);
        wire.flush()?;
        wire.skip(1)?;
    }
}

/// Adds elements to a list.
pub fn push(wire: &mut Wire, list: &str, elements: usize, bodies: &mut Bodies) -> Result<()> {
    in_pieces(wire, elements, |wire, _, count| {
        let mut command = vec![&b"LPUSH"[..], list.as_bytes()];
        command.extend(bodies.next(count));
        wire.add(&command);
        1
    })
}

/// Adds entries to a stream, each a body under a name of one byte.
pub fn add(wire: &mut Wire, stream: &str, entries: usize, bodies: &mut Bodies) -> Result<()> {
    in_pieces(wire, entries, |wire, _, count| {
        for body in bodies.next(count) {
            wire.add(&[b"XADD", stream.as_bytes(), b"*", b"b", body]);
        }
        count
    })
}

/// Waits until a statistic of a queue is nought.
pub fn settle(wire: &mut Wire, queue: &str, field: &str) -> Result<()> {
    loop {
        let stats = wire.call(&format!("JQ.STATS {queue}"))?;
        for at in (0..stats.len()).step_by(2) {
            if stats.at(&[at])? == field.as_bytes() && stats.at(&[at + 1])? == b"0" {
                return Ok(());
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sends commands for so many jobs, a piece at a time and some pieces ahead of the answers. `add`
/// is told where a piece begins and how many jobs are in it, and tells how many answers there are.
fn in_pieces(
    wire: &mut Wire,
    jobs: usize,
    mut add: impl FnMut(&mut Wire, usize, usize) -> usize,
) -> Result<()> {
    let mut answers = VecDeque::new();
    for from in (0..jobs).step_by(PIECE) {
        answers.push_back(add(wire, from, PIECE.min(jobs - from)));
        wire.flush()?;
        if answers.len() > 3 {
            wire.skip(answers.pop_front().unwrap_or(0))?;
        }
    }
    wire.skip(answers.into_iter().sum())
}
