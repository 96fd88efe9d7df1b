//! What time would bring to a job, brought now: so that nobody has to wait for it in a test.

use crate::{
    journal::Cause,
    operation::JobRefs,
    slab::Slot,
    state::{Event, State},
    Queue,
};

/// What is not waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Haste {
    /// The end of a lease that nobody settles.
    Lapse,
    /// The instant at which a job that is delayed, or waits for its next attempt, becomes ready.
    Due,
}

impl Haste {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Lapse, Self::Due];
}

impl Queue {
    /// Has what is named come to these jobs as if it were time, and tells to how many it came. A job
    /// that waits for nothing of the kind stays as it is. O(log n) for each job.
    pub(crate) fn hasten(&mut self, jobs: &JobRefs<'_>, haste: Haste) -> u64 {
        let mut done = 0;
        for job in jobs {
            done += u64::from(self.find(job).is_some_and(|slot| self.hasten_one(slot, haste)));
        }
        done
    }

    fn hasten_one(&mut self, slot: Slot, haste: Haste) -> bool {
        match (haste, self.jobs[slot].state()) {
            (Haste::Lapse, State::Leased { .. }) => self.lapse(slot),
            // Not a wake: the instant at which it was to become ready never was.
            (Haste::Due, State::Delayed { .. }) => {
                self.proceed(slot, Event::Kick.by(Cause::Due));
            }
            _ => return false,
        }
        true
    }
}
