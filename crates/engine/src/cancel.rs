//! Jobs that are not wanted any more. One that waits is removed; one that is leased cannot be taken
//! from its holder, so it is marked, and whoever holds it learns of that when it touches the lease.

use crate::{id::JobRef, job::Job, journal::Cause, slab::Slot, state::State, Queue};

/// What a cancel came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cancelled {
    /// The job waited, and is removed.
    Removed,
    /// The job is leased, and marked: it will not be tried again.
    Marked,
    /// The same, and nothing is changed: it was marked before.
    MarkedBefore,
}

impl Job {
    /// Whether the job was cancelled while it was leased. The mark stays when the lease is over, for
    /// as long as the job does; a respawn takes it off.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.cancelled)
    }
}

impl Queue {
    /// Cancels a job that waits or is leased. `None` if it is finished, or not there. O(log n).
    pub(crate) fn cancel(&mut self, job: &JobRef<'_>) -> Option<Cancelled> {
        let slot = self.find(job)?;
        match self.jobs[slot].state() {
            State::Completed { .. } | State::Dead { .. } => None,
            State::Leased { .. } if self.jobs[slot].is_cancelled() => Some(Cancelled::MarkedBefore),
            State::Leased { .. } => {
                self.change_extra(slot, |extra| extra.cancelled = true);
                self.note_cancel(slot);
                self.tell_in_place(slot, Cause::Cancelled);
                Some(Cancelled::Marked)
            }
            State::Delayed { .. }
            | State::Held { .. }
            | State::Gathering { .. }
            | State::Ready { .. } => {
                self.end_cancelled(slot);
                Some(Cancelled::Removed)
            }
        }
    }

    /// Removes a job because it was cancelled.
    pub(crate) fn end_cancelled(&mut self, slot: Slot) {
        self.count(slot, |counts| &mut counts.cancelled);
        self.remove(slot, Cause::Cancelled);
    }
}
