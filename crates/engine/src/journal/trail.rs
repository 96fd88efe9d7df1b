//! The last changes of a job, kept with it.

use crate::{slab::Slot, state::StateKind, time::UnixMillis, u48::U48, Job, Queue};

use super::{Cause, States};

/// How many of its last changes a job can keep.
pub const TRAIL_MAX: u8 = 16;

/// Bytes of a change beside the worker's name: when, why, the states, and how long the name is.
const STEP_BYTES: usize = 9;

/// One change of a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step<'a> {
    /// When, by the queue's clock.
    pub at: UnixMillis,
    /// Why.
    pub cause: Cause,
    /// The state it was in; none if it was not there.
    pub from: Option<StateKind>,
    /// The state it is in since.
    pub to: Option<StateKind>,
    /// Who holds it, or did; empty where nobody is involved who gave a name.
    pub worker: &'a [u8],
}

/// Takes the first change off a packed trail. `None` if there is no more, or what follows is none.
fn split(packed: &[u8]) -> Option<(Step<'_>, &[u8])> {
    let (step, rest) = packed.split_first_chunk::<STEP_BYTES>()?;
    let [a, b, c, d, e, f, cause, states, len] = *step;
    let (worker, rest) = rest.split_at_checked(usize::from(len))?;
    let (from, to) = States::from_byte(states)?.pair();
    let at = UnixMillis(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]));
    let cause = *Cause::ALL.get(usize::from(cause))?;
    Some((Step { at, cause, from, to, worker }, rest))
}

fn iter(mut packed: &[u8]) -> impl Iterator<Item = Step<'_>> {
    std::iter::from_fn(move || {
        let (step, rest) = split(packed)?;
        packed = rest;
        Some(step)
    })
}

/// Whether these are the changes of a job by `now`, in order and at least one.
pub(crate) fn is_valid(packed: &[u8], now: UnixMillis) -> bool {
    let steps = || iter(packed);
    let bytes: usize = steps().map(|step| STEP_BYTES + step.worker.len()).sum();
    let is_of_job = |step: Step<'_>| !step.cause.is_of_queue() && step.to.is_some();
    !packed.is_empty()
        && bytes == packed.len()
        && steps().count() <= usize::from(TRAIL_MAX)
        && steps().map(|step| step.at).is_sorted()
        && steps().all(|step| step.at <= now)
        && steps().all(is_of_job)
}

impl Job {
    /// Its last changes, as many as its queue keeps, the first of them first.
    pub fn trail(&self) -> impl Iterator<Item = Step<'_>> {
        iter(self.packed_trail().unwrap_or_default())
    }

    pub(crate) fn packed_trail(&self) -> Option<&[u8]> {
        self.extra.as_ref()?.trail.as_deref()
    }
}

impl Queue {
    /// Adds a change to those of a job, and lets go of the first ones that are too many.
    pub(super) fn lengthen_trail(
        &mut self,
        slot: Slot,
        cause: Cause,
        states: States,
        worker: &[u8],
    ) {
        let kept = self.jobs[slot].packed_trail().unwrap_or_default();
        let surplus = (iter(kept).count() + 1).saturating_sub(usize::from(self.config.trail));
        let mut rest = kept;
        for _ in 0..surplus {
            rest = split(rest).map_or(&[], |(_, rest)| rest);
        }
        let worker = &worker[..worker.len().min(usize::from(u8::MAX))];
        let at = U48::new(self.clock.0).get().to_le_bytes();
        let mut trail = Vec::with_capacity(rest.len() + STEP_BYTES + worker.len());
        trail.extend(rest);
        trail.extend(&at[..6]);
        trail.extend([cause as u8, states.byte(), worker.len() as u8]);
        trail.extend(worker);
        self.journal.trails += usize::from(kept.is_empty());
        self.change_extra(slot, |extra| extra.trail = Some(trail.into()));
    }

    /// Lets go of the changes of a job that goes, or where none are kept any more.
    pub(super) fn end_trail(&mut self, slot: Slot) {
        if self.jobs[slot].packed_trail().is_some() {
            self.change_extra(slot, |extra| extra.trail = None);
            self.journal.trails -= 1;
            self.journal.set_kept(&self.config);
        }
    }
}
