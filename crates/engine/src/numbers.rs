//! What a queue knows of its past: how much happened, how long it took, and when.
//!
//! All of it is counted in passing, and is part of the state: equal on replicas and after a restart.
//! Of a batch that is delivered together, the lease counts once among the times, as that of the job
//! that leads it.

mod by_type;
mod histogram;
mod history;
mod sparse;

pub use by_type::{TypeNumbers, Types, TYPES_MAX};
pub use histogram::Histogram;
pub(crate) use history::History;
pub use history::{Grain, Row, SUMMARY};

use crate::{
    counters::Counters,
    interner::Key,
    slab::Slot,
    state::StateKind,
    time::{Millis, UnixMillis},
    Queue,
};

/// A span in a job's life that is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Time {
    /// From when a job became ready until it was taken.
    Wait,
    /// From when a job was taken until its lease ended, however it did.
    Run,
    /// From when a delayed job was due until the server came to it.
    Lateness,
    /// From when a job was published until it was taken, unless a delivery has spent a try before.
    PublishToTake,
    /// From when a job was published until it was finished, by an ack or with a result.
    PublishToAck,
}

impl Time {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Wait, Self::Run, Self::Lateness, Self::PublishToTake, Self::PublishToAck];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Run => "run",
            Self::Lateness => "lateness",
            Self::PublishToTake => "publish-to-take",
            Self::PublishToAck => "publish-to-ack",
        }
    }
}

/// How long it took.
#[derive(Clone, Debug, Default)]
pub struct Times([Histogram; 5]);

impl Times {
    /// Of which span.
    #[must_use]
    pub fn of(&self, time: Time) -> &Histogram {
        &self.0[time as usize]
    }

    #[inline]
    fn of_mut(&mut self, time: Time) -> &mut Histogram {
        &mut self.0[time as usize]
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(Histogram::bytes).sum()
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        self.0.iter().for_each(|histogram| histogram.write(bytes));
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let mut it = Self::default();
        for histogram in &mut it.0 {
            *histogram = Histogram::read(bytes)?;
        }
        Some(it)
    }
}

/// The numbers of a queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    pub counts: Counters,
    pub times: Times,
    pub types: Types,
    pub history: History,
}

impl Numbers {
    /// Heap bytes. O(1).
    pub fn bytes(&self) -> usize {
        self.times.bytes() + self.types.bytes() + self.history.bytes()
    }

    /// Everything but the queue's own counts, for its stored form.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        self.times.write(bytes);
        self.types.write(bytes);
        self.history.write(bytes);
    }

    /// What was written, with the counts of the queue and its clock. `None` if it cannot be.
    pub fn read(mut bytes: &[u8], counts: Counters, clock: UnixMillis) -> Option<Self> {
        let bytes = &mut bytes;
        let (times, types) = (Times::read(bytes)?, Types::read(bytes)?);
        let history = History::read(bytes, clock, counts.summary())?;
        bytes.is_empty().then_some(Self { counts, times, types, history })
    }
}

/// What is still to come of a state, by when: each in less than this, and what is later.
pub const DUE_SPANS: [(&str, Millis); 6] = [
    ("1s", Millis::from_secs(1)),
    ("10s", Millis::from_secs(10)),
    ("1m", Millis::from_secs(60)),
    ("10m", Millis::from_secs(600)),
    ("1h", Millis::from_secs(3_600)),
    ("1d", Millis::from_secs(86_400)),
];

impl Queue {
    /// Counts what happens to a job.
    #[inline]
    pub(crate) fn count(&mut self, slot: Slot, of: impl Fn(&mut Counters) -> &mut u64) {
        self.count_with(self.jobs[slot].terms, of);
    }

    /// The same for a job with these terms.
    #[inline]
    pub(crate) fn count_with(&mut self, terms: Key, of: impl Fn(&mut Counters) -> &mut u64) {
        *of(&mut self.numbers.counts) += 1;
        // The terms of a job without options, which has no type.
        if terms != self.default_terms {
            if let Some(counts) = self.numbers.types.counts(terms) {
                *of(counts) += 1;
            }
        }
    }

    /// Counts how long something took with a job of these terms.
    #[inline]
    pub(crate) fn note_time(&mut self, terms: Key, time: Time, since: UnixMillis) {
        self.numbers.times.of_mut(time).note(since, self.clock);
        if terms != self.default_terms {
            self.numbers.types.note(terms, time, since, self.clock);
        }
    }

    /// Counts how long a job was held whose lease is about to end.
    #[inline]
    pub(crate) fn note_run_time(&mut self, slot: Slot) {
        let job = &self.jobs[slot];
        self.note_time(job.terms, Time::Run, job.links.instant());
    }

    /// Counts what happens to a job of these terms, and how long it took to come to that.
    #[inline]
    pub(crate) fn count_and_note(
        &mut self,
        terms: Key,
        of: impl Fn(&mut Counters) -> &mut u64,
        time: Time,
        since: UnixMillis,
    ) {
        *of(&mut self.numbers.counts) += 1;
        self.numbers.times.of_mut(time).note(since, self.clock);
        if terms != self.default_terms {
            if let Some(counts) = self.numbers.types.counts(terms) {
                *of(counts) += 1;
            }
            self.numbers.types.note(terms, time, since, self.clock);
        }
    }

    /// Begins another minute, if the clock says so.
    #[inline]
    pub(crate) fn turn_history(&mut self) {
        if self.numbers.history.is_over(self.clock) {
            self.numbers.history.turn(self.clock, self.numbers.counts.summary());
        }
    }

    /// How long it took.
    #[must_use]
    pub fn times(&self) -> &Times {
        &self.numbers.times
    }

    /// What is known of the jobs of each type.
    #[must_use]
    pub fn types(&self) -> &Types {
        &self.numbers.types
    }

    /// What happened when, the oldest first; `now` is where the queue's own clock may be behind.
    #[must_use]
    pub fn history(&self, grain: Grain, now: UnixMillis) -> Vec<Row> {
        let counts = self.numbers.counts.summary();
        self.numbers.history.rows(grain, self.clock.max(now), counts)
    }

    /// How many of the delayed or leased jobs are due within each of [`DUE_SPANS`], and later: their
    /// instant comes, the lease or the life ends. A step for each 20 to 60 jobs of that state.
    #[must_use]
    pub fn due_by(&self, state: StateKind, now: UnixMillis) -> [u64; DUE_SPANS.len() + 1] {
        let timeline = match state {
            StateKind::Delayed => &self.delayed,
            StateKind::Leased => &self.leased,
            _ => return Default::default(),
        };
        let now = self.clock.max(now);
        timeline.count_by(DUE_SPANS.map(|(_, span)| now.after(span)))
    }

    /// Part of [`check_invariants`](Self::check_invariants).
    pub(crate) fn check_numbers(&self) -> Result<(), String> {
        self.numbers.types.check()?;
        let is_linked = |(_, job): (Slot, &crate::Job)| {
            self.numbers.types.is_linked(job.terms, &self.terms_of(job).job_type)
        };
        if !self.jobs.iter().all(is_linked) {
            return Err("a job is counted under another type".into());
        }
        if self.numbers.history.is_over(self.clock) {
            return Err(format!("the minute is over: {:?}", self.numbers.history));
        }
        Ok(())
    }
}
