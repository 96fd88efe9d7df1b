//! What schedules do: they come round, are told what to do, and make runs.

use std::sync::Arc;

use smallvec::smallvec;

use super::{
    Done, Missed, NewSchedule, Overlap, Plan, Run, Schedule, ScheduleOrder, Template, Timing, Why,
    MISSED_AFTER,
};
use crate::{
    id::JobId,
    job::Job,
    journal::Cause,
    operation::{Due, Outcome},
    refusal::Refusal,
    slab::Slot,
    state::State,
    time::{Millis, UnixMillis},
    Queue,
};

/// A run that is to be made.
#[derive(Clone, Copy)]
struct Wanted {
    schedule: u64,
    occurrence: UnixMillis,
    /// How long after now it may be taken, beside its own delay.
    wait: Millis,
    is_by_hand: bool,
}

impl Queue {
    /// Does what a client asks of the schedules.
    pub(crate) fn order_schedule(&mut self, order: &ScheduleOrder<'_>) -> Result<Outcome, Refusal> {
        let changed = |is_changed: bool| Ok(Outcome::Done(is_changed.into()));
        match order {
            ScheduleOrder::Set(new) => self.set_schedule(new),
            ScheduleOrder::Replace(all) => self.replace_schedules(all),
            ScheduleOrder::Delete(name) => {
                let number = self.schedules.find(name);
                return changed(number.is_some_and(|number| self.remove_schedule(number)));
            }
            ScheduleOrder::Pause(name) => {
                return changed(self.turn_schedule(name, |schedule, _| schedule.pause()));
            }
            ScheduleOrder::Resume(name) => {
                return changed(self.turn_schedule(name, Schedule::resume));
            }
            ScheduleOrder::Run(name) => return self.run_by_hand(name),
        }
        Ok(Outcome::Configured)
    }

    fn set_schedule(&mut self, new: &NewSchedule<'_>) {
        let now = self.clock;
        let Some(number) = self.schedules.find(new.name) else {
            let number = self.schedules.next_number();
            return self.schedules.insert(Schedule::new(number, new, now));
        };
        let is_same = |schedule: &Schedule| {
            schedule.timing.as_ref() == new.timing && *schedule.job == Template::of(&new.job)
        };
        // It waits with what was said before.
        let stale =
            self.waiting_run(number).filter(|_| !self.schedules.get(number).is_some_and(is_same));
        self.schedules.renew(number, |schedule| schedule.renew(new, now));
        if let Some(slot) = stale {
            self.count(slot, |counts| &mut counts.replaced);
            self.remove(slot, Cause::Replaced);
        }
    }

    /// Removes a schedule, and with it the run that would only come to do what it says.
    fn remove_schedule(&mut self, number: u64) -> bool {
        let waits = self.waiting_run(number);
        let is_removed = self.schedules.remove(number);
        if let Some(slot) = waits {
            self.count(slot, |counts| &mut counts.deleted);
            self.remove(slot, Cause::Deleted);
        }
        is_removed
    }

    /// The run of one that follows its own end, while that is delayed and nobody has had it yet.
    fn waiting_run(&self, number: u64) -> Option<Slot> {
        let schedule = self.schedules.get(number)?;
        let slot = self.locate(JobId::Made(schedule.last_job?))?;
        let job = &self.jobs[slot];
        let waits = matches!(schedule.timing, Timing::After(_))
            && job.run().is_some_and(|run| run.schedule == number)
            && job.deliveries == 0
            && matches!(job.state(), State::Delayed { .. });
        waits.then_some(slot)
    }

    fn replace_schedules(&mut self, all: &[NewSchedule<'_>]) {
        let mut names: Vec<&[u8]> = all.iter().map(|new| new.name).collect();
        names.sort_unstable();
        let is_left_out = |schedule: &&Schedule| names.binary_search(&&*schedule.name).is_err();
        let gone = self.schedules.by_number().filter(is_left_out);
        let gone: Vec<u64> = gone.map(|schedule| schedule.number).collect();
        gone.into_iter().for_each(|number| {
            self.remove_schedule(number);
        });
        all.iter().for_each(|new| self.set_schedule(new));
    }

    /// Stops one of this name, or lets it go on. Tells whether that changes it.
    fn turn_schedule(
        &mut self,
        name: &[u8],
        turn: impl FnOnce(&mut Schedule, UnixMillis) -> bool,
    ) -> bool {
        let now = self.clock;
        let Some(number) = self.schedules.find(name) else { return false };
        self.schedules.change(number, |schedule| turn(schedule, now)).unwrap_or(false)
    }

    /// Refuses a run that there cannot be now.
    pub(crate) fn check_run(&self, name: &[u8]) -> Result<(), Refusal> {
        let schedule = self.schedule(name).ok_or(Refusal::NoSuchSchedule)?;
        if matches!(schedule.timing, Timing::After(_)) && schedule.unfinished > 0 {
            let waits = self.waiting_run(schedule.number).is_some();
            return if waits { Ok(()) } else { Err(Refusal::RunUnfinished) };
        }
        self.check_publish(&schedule.job.publish(), &[])
    }

    fn run_by_hand(&mut self, name: &[u8]) -> Result<Outcome, Refusal> {
        self.check_run(name)?;
        let schedule = self.schedules.find(name).ok_or(Refusal::NoSuchSchedule)?;
        if let Some(slot) = self.waiting_run(schedule) {
            self.kick_one(slot);
            return Ok(Outcome::Published(smallvec![slot]));
        }
        let is_by_hand = true;
        let wanted = Wanted { schedule, occurrence: self.clock, wait: Millis::ZERO, is_by_hand };
        self.publish_run(wanted)
    }

    /// Takes over when a schedule comes next.
    pub(crate) fn plan_schedule(&mut self, plan: &Plan) -> Result<Outcome, Refusal> {
        let ascends = |last: UnixMillis| {
            let passed = plan.passed.map(|(_, at)| at);
            let known = [passed, plan.next, plan.then];
            let known: Vec<_> = std::iter::once(last).chain(known.into_iter().flatten()).collect();
            known.windows(2).all(|pair| pair[0] < pair[1])
        };
        let is_whole = (plan.next.is_some() || plan.then.is_none())
            && plan.passed.is_none_or(|(count, at)| count > 0 && at <= self.clock);
        let fits = self
            .schedules
            .get(plan.schedule)
            .is_some_and(|schedule| schedule.is_unplanned() && is_whole && ascends(schedule.last));
        if !fits {
            return Err(Refusal::Diverged("a schedule cannot be planned so"));
        }
        self.schedules.change(plan.schedule, |schedule| {
            if let Some((count, at)) = plan.passed {
                schedule.note(at, Done::Missed, count);
                schedule.last = at;
            }
            (schedule.next, schedule.then) = (plan.next, plan.then);
            schedule.is_over = plan.next.is_none();
        });
        Ok(Outcome::Configured)
    }

    /// The instant of a schedule has come: a run is made, or what its policies say instead.
    pub(crate) fn come_round(&mut self, number: u64) {
        let now = self.clock;
        let Some(Some((occurrence, is_retry))) =
            self.schedules.change(number, |schedule| schedule.take_occurrence(now))
        else {
            return;
        };
        if !is_retry {
            return self.meet(number, occurrence);
        }
        let wanted = Wanted { schedule: number, occurrence, wait: Millis::ZERO, is_by_hand: false };
        self.make_run(wanted);
    }

    /// Makes a run unless one is unfinished that it may not meet.
    fn meet(&mut self, number: u64, occurrence: UnixMillis) {
        let Some(schedule) = self.schedules.get(number) else { return };
        if schedule.unfinished == 0 || schedule.overlap == Overlap::Allow {
            let wait = Millis::ZERO;
            self.make_run(Wanted { schedule: number, occurrence, wait, is_by_hand: false });
            return;
        }
        self.schedules.change(number, |schedule| {
            if schedule.overlap == Overlap::Queue && schedule.queued.is_none() {
                schedule.queued = Some(occurrence);
            } else {
                schedule.note(occurrence, Done::Skipped, 1);
            }
        });
    }

    /// Makes the runs for which only the end of others was missing.
    #[inline]
    pub(crate) fn make_owed_runs(&mut self) {
        while let Some(number) = self.schedules.first_owed() {
            self.make_owed_run(number);
        }
    }

    #[cold]
    fn make_owed_run(&mut self, number: u64) {
        let now = self.clock;
        let owed = self.schedules.change(number, |schedule| match schedule.timing {
            Timing::After(span) => (now.after(span), span),
            _ => (schedule.queued.take().unwrap_or(now), Millis::ZERO),
        });
        let Some((occurrence, wait)) = owed else { return };
        self.make_run(Wanted { schedule: number, occurrence, wait, is_by_hand: false });
    }

    /// Makes a run if the queue takes it. If not, that is noted, and nothing else stops.
    fn make_run(&mut self, wanted: Wanted) {
        let Err(refusal) = self.publish_run(wanted) else { return };
        let now = self.clock;
        self.schedules.change(wanted.schedule, |schedule| {
            schedule.note(wanted.occurrence, Done::Refused(Why::of(&refusal)), 1);
            schedule.try_again(now);
        });
    }

    fn publish_run(&mut self, wanted: Wanted) -> Result<Outcome, Refusal> {
        let Wanted { schedule: number, occurrence, wait, is_by_hand } = wanted;
        let schedule = self.schedules.get(number).ok_or(Refusal::NoSuchSchedule)?;
        let template = Arc::clone(&schedule.job);
        let run = Run { schedule: number, name: schedule.name.clone(), occurrence };
        let mut publish = template.publish();
        if !wait.is_zero() {
            publish.due = Due::In(Millis(wait.0 + template.delay.0));
            // It is there before its time, and its life begins when that has come.
            let ttl = publish.wishes.ttl.unwrap_or(self.config.defaults.ttl);
            if !ttl.is_zero() {
                publish.wishes.ttl = Some(Millis(wait.0 + ttl.0).min(Millis::MAX));
            }
        }
        self.check_publish(&publish, &[])?;
        let outcome = self.publish(&publish)?;
        let Outcome::Published(slots) = &outcome else {
            return Err(Refusal::Diverged("a run is a job of its own"));
        };
        let Some(&slot) = slots.first() else {
            return Err(Refusal::Diverged("a run is a job"));
        };
        self.change_extra(slot, |extra| extra.run = Some(Box::new(run)));
        let job = self.jobs[slot].ulid;
        let done = if is_by_hand { Done::ByHand(job) } else { Done::Run(job) };
        self.schedules.change(number, |schedule| {
            schedule.begin_run();
            schedule.note(occurrence, done, 1);
        });
        Ok(outcome)
    }

    /// Counts a job for its schedule, if it is a run of one: it ends, or begins anew.
    #[cold]
    pub(crate) fn note_run(&mut self, slot: Slot, ends: bool) {
        let Some(number) = self.jobs[slot].run().map(|run| run.schedule) else { return };
        self.schedules.change(number, |schedule| match ends {
            true => schedule.unfinished = schedule.unfinished.saturating_sub(1),
            false => schedule.begin_run(),
        });
    }
}

impl Schedule {
    /// Goes on behind what is due, and tells which occurrence is to run, if one is, and whether it is one
    /// that was refused before.
    fn take_occurrence(&mut self, now: UnixMillis) -> Option<(UnixMillis, bool)> {
        let next = self.next.take()?;
        let then = self.then.take();
        let occurrence = match self.timing {
            Timing::After(_) => return Some((next, true)),
            Timing::Every { span, .. } => {
                let passed = match self.missed {
                    Missed::All => 0,
                    Missed::None | Missed::One => now.since(next).0 / span.0,
                };
                let last = |steps: u64| UnixMillis(next.0 + steps * span.0);
                if passed > 0 {
                    self.note(last(passed - 1), Done::Missed, passed);
                }
                self.next = Some(last(passed + 1));
                last(passed)
            }
            Timing::Cron { .. } => {
                self.is_over = then.is_none();
                if self.missed != Missed::All && then.is_some_and(|then| then <= now) {
                    self.note(next, Done::Missed, 1);
                    self.last = next;
                    return None;
                }
                next
            }
        };
        self.last = occurrence;
        if self.missed == Missed::None && now.since(occurrence) > MISSED_AFTER {
            self.note(occurrence, Done::Missed, 1);
            return None;
        }
        Some((occurrence, false))
    }

    /// A run is to be done, a new one or one that was brought back. One that goes on when its run ends need
    /// not try again then.
    fn begin_run(&mut self) {
        self.unfinished += 1;
        if matches!(self.timing, Timing::After(_)) {
            self.next = None;
        }
    }

    /// Has one that goes on when its run ends try again, since there is none.
    fn try_again(&mut self, now: UnixMillis) {
        if let Timing::After(span) = self.timing {
            self.next = Some(now.after(span));
        }
    }
}

impl Job {
    /// Which schedule it is a run of.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        self.extra.as_ref()?.run.as_deref()
    }
}
