//! The integers of the protocol: their names, units and limits, each declared once.

use std::fmt;

use jobq_engine::{Millis, UnixMillis, PRIORITIES, SCHEDULES_MAX};

use crate::error::{shown, BadArguments, ErrorWord};

/// The values that an integer may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Range {
    /// What an error calls it: the word before it, or its own name.
    pub name: &'static str,
    /// The least value.
    pub min: i128,
    /// The greatest value.
    pub max: i128,
    /// What is counted; empty for a bare number.
    pub unit: &'static str,
}

const SPAN_MAX: i128 = Millis::MAX.0 as i128;

/// The wait before a job may be taken.
pub const DELAY: Range = Range::millis("DELAY", 0);
/// The instant at which a job may be taken.
pub const AT: Range = Range {
    name: "AT",
    min: 0,
    max: UnixMillis::MAX.0 as i128,
    unit: "milliseconds since the epoch",
};
/// The instant at which an unfinished job is dead.
pub const DEADLINE: Range = AT.called("DEADLINE");
/// How long a finished job is kept; not at all with 0.
pub const RETAIN: Range = Range { unit: "milliseconds or FOREVER", ..Range::millis("RETAIN", 0) };
/// How many names and values follow.
pub const HEADERS: Range = Range::count("HEADERS", 1, 1_000, "pairs");
/// The time to live; 0 for ever.
pub const TTL: Range = Range::millis("TTL", 0);
/// The time to run, which is how long a lease lasts.
pub const TTR: Range = Range::millis("TTR", 1);
/// How far the work on a job has come: whatever its worker counts, exact in every client.
pub const PROGRESS: Range = Range::count("PROGRESS", 0, (1 << 53) - 1, "");
/// The deliveries before a failing job is dead.
pub const TRIES: Range = Range::count("TRIES", 1, u32::MAX as i128, "");
/// The order of service.
pub const PRIORITY: Range =
    Range::count("PRIORITY", *PRIORITIES.start() as i128, *PRIORITIES.end() as i128, "");
/// By how much jobs may count against a limit that are held at a time.
pub const CONCURRENCY: Range = Range::count("CONCURRENCY", 1, u32::MAX as i128, "");
/// By how much those that are taken in a time.
pub const RATE: Range = Range::count("RATE", 1, u32::MAX as i128, "");
/// In how long a time.
pub const PER: Range = Range::millis("PER", 1);
/// How many jobs one waits for.
pub const PARENTS: Range = Range::count("AFTER", 1, 1_000_000, "ids");
/// How far the points of a schedule's grid are from each other.
pub const EVERY: Range = Range::millis("EVERY", 1);
/// A point of that grid.
pub const FROM: Range = AT.called("FROM");
/// How long a schedule waits when its run has ended.
pub const SCHEDULE_AFTER: Range = Range::millis("AFTER", 1);
/// How many schedules replace those that there are.
pub const SCHEDULES: Range = Range::count("REPLACE", 0, SCHEDULES_MAX as i128, "schedules");
/// How many arguments one of them has.
pub const SCHEDULE_LEN: Range = Range::count("len", 4, 1_000_000, "arguments");
/// How many places of a limit a job takes.
pub const USE: Range = Range::count("weight", 1, u32::MAX as i128, "");
/// How long after a job is due the lock of its key lasts.
pub const LOCK: Range = Range::millis("FOR", 1);
/// How long a consumer waits; 0 for ever.
pub const BLOCK: Range = Range::millis("BLOCK", 0);
/// How long a publisher waits for the end of its job; 0 for ever.
pub const WAIT: Range = Range::millis("WAIT", 0);
/// How many jobs a consumer waits for.
pub const MIN: Range = Range::count("MIN", 1, COUNT.max, "jobs");
/// How long a consumer waits for more jobs once there is one.
pub const LINGER: Range = Range::millis("LINGER", 1);
/// How long a lease outlives the connection that it is bound to.
pub const GRACE: Range = Range::millis("grace", 0);
/// How many jobs one reply may carry.
pub const COUNT: Range = Range::count("COUNT", 1, 10_000, "jobs");
/// How many notices one reply may carry.
pub const NOTICES: Range = Range::count("COUNT", 1, 1_000, "notices");
/// How many names of queues a page looks at.
pub const NAMES: Range = Range::count("COUNT", 1, 10_000, "names");
/// How many workers a page tells of.
pub const WORKERS: Range = Range::count("COUNT", 1, 1_000, "workers");
/// The number of a process.
pub const PID: Range = Range::count("PID", 0, i64::MAX as i128, "");
/// How many labels and values follow.
pub const LABELS: Range = Range::count("LABELS", 1, 32, "pairs");
/// By how much a queue's clock is set ahead.
pub const ADVANCE: Range = Range::millis("ADVANCE", 1);
/// How many commands are refused.
pub const REFUSE: Range = Range::count("REFUSE", 0, u32::MAX as i128, "commands");
/// How many rows of a history are told.
pub const ROWS: Range = Range::count("COUNT", 1, 90, "rows");
/// How many events one reply may carry.
pub const EVENTS: Range = Range::count("COUNT", 1, 10_000, "events");
/// The number of the last event that is known.
pub const SINCE: Range = Range { unit: "or $", ..Range::count("SINCE", 0, i64::MAX as i128, "") };
/// How long ago a job was published, at least.
pub const MIN_AGE: Range = Range::millis("MINAGE", 0);
/// How long ago a job was published, at most.
pub const MAX_AGE: Range = Range::millis("MAXAGE", 0);
/// How many jobs an operator may move at once.
pub const MOVED: Range = Range::count("COUNT", 1, i64::MAX as i128, "jobs");
/// How long a pause lasts.
pub const PAUSE: Range = Range::millis("FOR", 1);
/// How often a job was changed, and once more.
pub const VERSION: Range = Range::count("IFVERSION", 1, i64::MAX as i128, "");
/// The share of a queue among several.
pub const WEIGHT: Range = Range::count("WEIGHTS", 1, 1_000, "");
/// How many bodies follow; the server takes no more arguments than this anyway.
pub const BODIES: Range = Range::count("n", 1, i32::MAX as i128, "bodies");
/// What the tokens of a new term are above.
pub const TOKENS: Range = Range::count("tokens", 0, (1 << 62) - 1, "");
/// The time to run of a recorded lease; 0 for each job's own.
pub const LEASE_TTR: Range = Range::millis("ttr", 0);

impl Range {
    /// A span of at least `min` milliseconds.
    pub const fn millis(name: &'static str, min: i128) -> Self {
        Self { name, min, max: SPAN_MAX, unit: "milliseconds" }
    }

    /// So many of something.
    pub const fn count(name: &'static str, min: i128, max: i128, unit: &'static str) -> Self {
        Self { name, min, max, unit }
    }

    /// The same range under another name.
    #[must_use]
    pub const fn called(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Reads a strict decimal within the range: digits, and a minus where negatives are meant.
    pub fn read<T: TryFrom<i128>>(&self, text: &[u8]) -> Result<T, BadArguments> {
        decimal(text)
            .filter(|value| (self.min..=self.max).contains(value))
            .and_then(|value| T::try_from(value).ok())
            .ok_or_else(|| self.refusal(text))
    }

    fn refusal(&self, text: &[u8]) -> BadArguments {
        let message = format!("{} is {self}, not {}", self.name, shown(text));
        BadArguments { word: ErrorWord::Range, message }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)?;
        if !self.unit.is_empty() {
            write!(f, " {}", self.unit)?;
        }
        Ok(())
    }
}

/// Reads a decimal. `str::parse` alone would also take a plus sign.
fn decimal(text: &[u8]) -> Option<i128> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
