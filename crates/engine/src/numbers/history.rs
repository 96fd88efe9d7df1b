//! What happened when: counts by the minute, the hour and the day, as UTC has them.
//!
//! It costs a job nothing: a row is the difference of two sums, taken when a tick leaves a minute.

use super::sparse;
use crate::{counters::Counters, queue::COUNT_MAX, time::UnixMillis};

/// How long the rows of a history are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grain {
    /// One for each minute of the last hour.
    Minutes,
    /// One for each hour of the last two days.
    Hours,
    /// One for each day of the last ninety.
    Days,
}

impl Grain {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minutes, Self::Hours, Self::Days];

    /// The word on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minutes => "MINUTES",
            Self::Hours => "HOURS",
            Self::Days => "DAYS",
        }
    }

    /// How many rows are kept, the current one included.
    #[must_use]
    pub fn rows(self) -> u32 {
        match self {
            Self::Minutes => 60,
            Self::Hours => 48,
            Self::Days => 90,
        }
    }

    /// How many minutes a row tells of.
    fn minutes(self) -> u32 {
        match self {
            Self::Minutes => 1,
            Self::Hours => 60,
            Self::Days => 24 * 60,
        }
    }

    /// Whether a row is kept when it is `now`, both in units of the grain.
    fn keeps(self, at: u32, now: u32) -> bool {
        now.saturating_sub(at) < self.rows()
    }
}

const MINUTE_MS: u64 = 60_000;

/// The counts that sum up what goes on, with their names on the wire: those of a row.
pub const SUMMARY: [&str; ROW_COUNTS] =
    ["published", "delivered", "finished", "nacked", "released", "lapsed", "expired", "died"];

const ROW_COUNTS: usize = 8;

type Counts = [u64; ROW_COUNTS];

/// What happened within a minute, an hour or a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// When it began.
    pub since: UnixMillis,
    counts: Counts,
}

impl Row {
    /// Each count with its name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); ROW_COUNTS] {
        std::array::from_fn(|at| (SUMMARY[at], self.counts[at]))
    }
}

impl Counters {
    /// What a history tells of; in the order of [`SUMMARY`].
    #[must_use]
    #[inline]
    pub fn summary(&self) -> [u64; SUMMARY.len()] {
        let finished = self.acked.saturating_add(self.fulfilled);
        let Self { published, delivered, nacked, released, lapsed, expired, died, .. } = *self;
        [published, delivered, finished, nacked, released, lapsed, expired, died]
    }
}

/// The rows of a queue. Those without a count are left out. Invariant: all rows are of minutes before
/// the open one or of it, in their order, and within what their grain keeps as of then.
#[derive(Clone, Debug)]
pub struct History {
    // When the open minute is over, in milliseconds since the epoch.
    ends: u64,
    // The minute since the epoch of which the counts are in no row yet.
    open: u32,
    // The sums with which it began.
    base: Counts,
    rows: [Rows; 3],
}

impl Default for History {
    /// That of a queue whose clock stands at the beginning of time.
    fn default() -> Self {
        Self { ends: MINUTE_MS, open: 0, base: Counts::default(), rows: Default::default() }
    }
}

impl History {
    /// Whether the minute is over, by the queue's own clock.
    #[inline]
    pub(crate) fn is_over(&self, now: UnixMillis) -> bool {
        now.0 >= self.ends
    }

    /// Puts what was counted in the open minute into rows, and begins another; drops what is too old.
    pub(crate) fn turn(&mut self, now: UnixMillis, sums: Counts) {
        let counts = difference(&sums, &self.base);
        let minute = minute_of(now);
        for (rows, grain) in self.rows.iter_mut().zip(Grain::ALL) {
            if counts != Counts::default() {
                rows.add(self.open / grain.minutes(), &counts);
            }
            rows.drop_old(grain, minute / grain.minutes());
        }
        self.begin(now);
        self.base = sums;
    }

    fn begin(&mut self, now: UnixMillis) {
        self.open = minute_of(now);
        self.ends = (u64::from(self.open) + 1) * MINUTE_MS;
    }

    /// The rows there are, the oldest first, those of the open minute included.
    pub(crate) fn rows(&self, grain: Grain, now: UnixMillis, sums: Counts) -> Vec<Row> {
        let mut rows = self.rows[grain as usize].clone();
        let counts = difference(&sums, &self.base);
        if counts != Counts::default() {
            rows.add(self.open / grain.minutes(), &counts);
        }
        let now = minute_of(now) / grain.minutes();
        let length = u64::from(grain.minutes()) * MINUTE_MS;
        let row = |(at, counts)| Row { since: UnixMillis(u64::from(at) * length), counts };
        rows.iter().filter(|(at, _)| grain.keeps(*at, now)).map(row).collect()
    }

    /// Heap bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.iter().map(|rows| rows.bytes.capacity()).sum()
    }

    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        sparse::write(bytes, self.base.iter().map(|sum| *sum.min(&COUNT_MAX)));
        for rows in &self.rows {
            sparse::write_one(bytes, rows.bytes.len() as u64);
            bytes.extend(&rows.bytes);
        }
    }

    /// What was written. `None` if no queue with these sums has such a history at such a time.
    pub(crate) fn read(bytes: &mut &[u8], now: UnixMillis, sums: Counts) -> Option<Self> {
        let mut it = Self::default();
        it.begin(now);
        let base = &mut it.base;
        sparse::read(bytes, ROW_COUNTS, |at, count| {
            base[at] = count;
            count <= sums[at]
        })?;
        for (rows, grain) in it.rows.iter_mut().zip(Grain::ALL) {
            let len = sparse::read_one(bytes)?;
            *rows = Rows::read(sparse::take(bytes, len)?, grain, it.open / grain.minutes())?;
        }
        Some(it)
    }
}

fn minute_of(now: UnixMillis) -> u32 {
    u32::try_from(now.0 / MINUTE_MS).unwrap_or(u32::MAX)
}

fn difference(sums: &Counts, base: &Counts) -> Counts {
    std::array::from_fn(|at| sums[at].saturating_sub(base[at]))
}

/// Rows as they are stored: the number of the minute, hour or day in four bytes, and the counts.
#[derive(Clone, Debug, Default)]
struct Rows {
    bytes: Vec<u8>,
    // Where the last row begins; nothing where there is none.
    last: usize,
}

impl Rows {
    fn iter(&self) -> impl Iterator<Item = (u32, Counts)> + '_ {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || read_row(&mut rest))
    }

    /// Adds counts to the last row, if it is that one, or to a new one behind.
    fn add(&mut self, at: u32, more: &Counts) {
        let mut counts = *more;
        match read_row(&mut &self.bytes[self.last..]) {
            Some((last, before)) if last == at => {
                self.bytes.truncate(self.last);
                let sum = |at: usize| counts[at].saturating_add(before[at]).min(COUNT_MAX);
                counts = std::array::from_fn(sum);
            }
            _ => self.last = self.bytes.len(),
        }
        self.bytes.extend(at.to_le_bytes());
        sparse::write(&mut self.bytes, counts.into_iter());
    }

    fn drop_old(&mut self, grain: Grain, now: u32) {
        let mut rest = &self.bytes[..];
        let mut kept = rest;
        while read_row(&mut rest).is_some_and(|(at, _)| !grain.keeps(at, now)) {
            kept = rest;
        }
        let dropped = self.bytes.len() - kept.len();
        if dropped > 0 {
            self.bytes.drain(..dropped);
            self.last = self.last.saturating_sub(dropped);
            self.bytes.shrink_to(2 * self.bytes.len());
        }
    }

    fn read(bytes: &[u8], grain: Grain, now: u32) -> Option<Self> {
        let (mut rest, mut last, mut before) = (bytes, 0, None);
        while !rest.is_empty() {
            last = bytes.len() - rest.len();
            let (at, counts) = read_row(&mut rest)?;
            let follows = before.is_none_or(|before| at > before) && at <= now;
            let is_row = counts != Counts::default() && counts.iter().all(|&it| it <= COUNT_MAX);
            if !follows || !is_row || !grain.keeps(at, now) {
                return None;
            }
            before = Some(at);
        }
        Some(Self { bytes: bytes.into(), last })
    }
}

fn read_row(bytes: &mut &[u8]) -> Option<(u32, Counts)> {
    let (at, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    let mut counts = Counts::default();
    sparse::read(bytes, ROW_COUNTS, |at, count| {
        counts[at] = count;
        true
    })?;
    Some((u32::from_le_bytes(*at), counts))
}
