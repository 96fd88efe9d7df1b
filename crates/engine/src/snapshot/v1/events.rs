//! Events that a queue keeps.

use serde::{Deserialize, Serialize};

use super::{past, read_record, small, ulid, words, write_record, QueueV1};
use crate::{
    id::{self, JobId, Ulid},
    journal::{Cause, Happening, States, EVENTS_MAX, TRAIL_MAX},
    snapshot::Corrupt,
    Queue,
};

#[derive(Serialize, Deserialize)]
struct EventV1<'a> {
    at: u64,
    cause: u8,
    states: u8,
    /// Zero where the job had a given id, or there is none.
    made: [u64; 2],
    #[serde(borrow)]
    given: Option<&'a str>,
    #[serde(with = "serde_bytes")]
    worker: &'a [u8],
}

/// The longest name of a worker that any command takes, in bytes.
const WORKER_BYTES_MAX: usize = 256;

pub fn write_event(frame: &mut Vec<u8>, event: &Happening<'_>) {
    let (made, given) = match event.job {
        Some(JobId::Made(ulid)) => (ulid, None),
        Some(JobId::Given(given)) => (Ulid::ZERO, Some(given)),
        None => (Ulid::ZERO, None),
    };
    let record = EventV1 {
        at: event.at.0,
        cause: event.cause as u8,
        states: States::new(event.from, event.to).byte(),
        made: words(made),
        given,
        worker: event.worker,
    };
    write_record(frame, &record);
}

/// Reads what the description of a queue says of its events, and how many follow.
pub(super) fn begin(record: &QueueV1<'_>, queue: &mut Queue) -> Result<u32, Corrupt> {
    let made = small(record.events_made)?;
    let is_valid = record.events <= EVENTS_MAX
        && record.trail <= TRAIL_MAX
        && record.events_kept <= record.events
        && u64::from(record.events_kept) <= made;
    if !is_valid {
        return Err(Corrupt::Value("events"));
    }
    queue.journal.follow(&queue.config, queue.hash_key);
    queue.journal.begin(made);
    Ok(record.events_kept)
}

/// Reads a frame of events, of which `left` are to come.
pub fn read_events(mut records: &[u8], queue: &mut Queue, left: &mut u32) -> Result<(), Corrupt> {
    if records.is_empty() {
        return Err(Corrupt::Record);
    }
    while !records.is_empty() {
        let record: EventV1<'_> = read_record(&mut records)?;
        *left = left.checked_sub(1).ok_or(Corrupt::Incomplete)?;
        read_event(&record, queue)?;
    }
    Ok(())
}

fn read_event(record: &EventV1<'_>, queue: &mut Queue) -> Result<(), Corrupt> {
    const BAD: Corrupt = Corrupt::Value("event");
    let at = past(record.at, queue.clock)?;
    let cause = *Cause::ALL.get(usize::from(record.cause)).ok_or(BAD)?;
    let (from, to) = States::from_byte(record.states).ok_or(BAD)?.pair();
    let made = ulid(record.made);
    let job = match record.given {
        _ if cause.is_of_queue() => None,
        Some(given) if id::is_valid(given.as_bytes()) => Some(JobId::Given(given)),
        Some(_) => return Err(BAD),
        None => Some(JobId::Made(made)),
    };
    let is_exact = match job {
        None => record.given.is_none() && made == Ulid::ZERO && (from, to) == (None, None),
        Some(JobId::Given(_)) => made == Ulid::ZERO,
        Some(JobId::Made(_)) => made <= queue.last_ulid,
    };
    let is_in_order = queue.last_event_at().is_none_or(|last| last <= at);
    if !is_exact || !is_in_order || record.worker.len() > WORKER_BYTES_MAX {
        return Err(BAD);
    }
    let worker = record.worker;
    queue.journal.push_again(&Happening { number: 0, at, cause, job, from, to, worker });
    Ok(())
}
