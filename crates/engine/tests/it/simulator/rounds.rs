//! Schedules, as one who looks on counts them: each occurrence runs once, or it is told what else became
//! of it, through every crash and promotion.

use std::collections::{BTreeMap, HashMap};

use jobq_engine::{Listing, Millis, Missed, Overlap, Queue, StateKind, Timing, Ulid, UnixMillis};

use crate::{
    command::{Command, Draft},
    schedules::{next_of, Entry, Order},
};

const EVERY: u64 = 1_700;
const CRON: &[u8] = b"2300";

/// Schedules that are always there: their names and what is said of them.
const KEPT: [(&[u8], u64, Overlap, Missed); 6] = [
    (b"every, all", EVERY, Overlap::Allow, Missed::All),
    (b"every, one", EVERY, Overlap::Skip, Missed::One),
    (b"every, none", EVERY, Overlap::Queue, Missed::None),
    (b"cron, all", 0, Overlap::Allow, Missed::All),
    (b"cron, one", 0, Overlap::Skip, Missed::One),
    (b"cron, none", 0, Overlap::Queue, Missed::None),
];

/// One that follows its own end.
const FOLLOWS: &[u8] = b"after";

/// What was seen of them.
#[derive(Default)]
pub struct Rounds {
    /// The job that ran for an occurrence, and the record by which it was there.
    runs: HashMap<(Vec<u8>, u64), (Ulid, u64)>,
    /// Since when each is counted.
    begun: BTreeMap<&'static [u8], u64>,
}

impl Rounds {
    /// An order by which a schedule is there that should be.
    pub fn missing(&mut self, queue: &Queue) -> Option<Command> {
        let all = KEPT.iter().map(|(name, ..)| *name).chain([FOLLOWS]);
        let name = all.into_iter().find(|name| queue.schedule(name).is_none())?;
        self.begun.insert(name, queue.clock().0);
        let (timing, overlap, missed) = match KEPT.iter().find(|(kept, ..)| *kept == name) {
            None => (Timing::After(Millis(900)), Overlap::Allow, Missed::One),
            Some((_, 0, overlap, missed)) => {
                (Timing::Cron { expression: CRON, zone: &b""[..] }, *overlap, *missed)
            }
            Some((_, span, overlap, missed)) => {
                let from = Some(UnixMillis(13));
                (Timing::Every { span: Millis(*span), from }, *overlap, *missed)
            }
        };
        let entry = Entry { name, timing, overlap, missed, job: Draft::plain(b"tick") };
        Some(Command::Schedule(Order::Set(entry)))
    }

    /// Looks at what there is after a record.
    pub fn look(&mut self, queue: &Queue, record: u64) {
        for state in StateKind::ALL {
            for slot in queue.list(&Listing::of(state, usize::MAX)).jobs {
                let job = queue.job(slot);
                let Some(run) = job.run() else { continue };
                let Some((_, span, ..)) = KEPT.iter().find(|(name, ..)| **name == *run.name) else {
                    continue;
                };
                let at = run.occurrence;
                assert!(at <= queue.clock(), "{run:?} is early");
                let is_point = match span {
                    0 => next_of(CRON, UnixMillis(at.0 - 1)) == Some(at),
                    span => at.0 % span == 13,
                };
                assert!(is_point, "{run:?} is at no point of its grid");
                let key = (run.name.to_vec(), at.0);
                let (ulid, _) = *self.runs.entry(key).or_insert((job.ulid, record));
                assert_eq!(ulid, job.ulid, "{run:?} runs twice");
            }
        }
        for (name, span, overlap, _) in KEPT {
            self.count(queue, name, span, overlap);
        }
        if let Some(schedule) = queue.schedule(FOLLOWS) {
            let goes_on = schedule.unfinished() > 0 || queue.next_run(schedule).is_some();
            assert!(goes_on, "nothing follows: {schedule:?}");
        }
    }

    /// Of each point of the grid that has gone by, it is known what became of it.
    fn count(&self, queue: &Queue, name: &'static [u8], span: u64, overlap: Overlap) {
        let Some(schedule) = queue.schedule(name) else { return };
        let Some(next) = queue.next_run(schedule) else { return };
        let begun = self.begun[name];
        let points = |instant: u64| match span {
            0 => instant / 2_300,
            span => (instant - 13) / span,
        };
        let gone_by = points(next.0 - 1) - points(begun);
        let counts = schedule.counts();
        let told = counts.runs + counts.skipped + counts.missed + counts.refused;
        let waiting = u64::from(overlap == Overlap::Queue);
        assert!(
            (gone_by - waiting.min(gone_by)..=gone_by).contains(&told),
            "of {gone_by} occurrences {told} are told: {schedule:?}"
        );
    }

    /// The world goes on from an earlier record.
    pub fn come_back_at(&mut self, record: u64) {
        self.runs.retain(|_, (_, seen)| *seen <= record);
    }

    /// How many runs were seen.
    pub fn seen(&self) -> usize {
        self.runs.len()
    }
}
