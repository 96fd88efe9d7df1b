//! Changes: what an operation does. Nothing here decides, so a replica that applies the same
//! operations comes to the same state.

use crate::{
    id::{JobRef, Ulid},
    interner::Key,
    job::{Extra, Job},
    operation::{Due, Lease, Operation, Outcome, Publish, Revival, Verdict, Which},
    queue::Task,
    refusal::Refusal,
    slab::Slot,
    state::{Event, State},
    time::{Millis, UnixMillis},
    Queue,
};

/// What is kept of a worker's error text, in bytes.
pub const ERROR_BYTES_MAX: usize = 4096;

impl Queue {
    /// Applies an operation. O(log n) for each job it names.
    ///
    /// # Errors
    /// A [`Refusal`], and nothing is changed. After a [`choose`](Self::choose) on the same state
    /// there is none; a log that is not of this state's history can meet one.
    pub fn apply(&mut self, operation: Operation<'_>) -> Result<Outcome, Refusal> {
        match operation {
            Operation::Tick { now, budget } => Ok(Outcome::Ticked(self.tick(now, budget))),
            Operation::Publish(publish) => self.publish(&publish),
            Operation::Lease(lease) => self.lease(&lease),
            Operation::Settle { jobs, verdict } => Ok(Outcome::Done(self.settle(&jobs, verdict))),
            Operation::Touch { jobs, ttr } => Ok(Outcome::Touched(self.touch(&jobs, ttr))),
            Operation::Kick(which) => Ok(Outcome::Done(self.kick(which))),
            Operation::Respawn { which, revival } => {
                Ok(Outcome::Done(self.respawn(which, revival)))
            }
            Operation::Delete(jobs) => Ok(Outcome::Done(self.delete(&jobs))),
            Operation::Configure(settings) => {
                settings.into_iter().for_each(|setting| self.config.set(setting));
                let defaults = self.intern_terms(self.config.defaults);
                self.terms.release(std::mem::replace(&mut self.default_terms, defaults));
                Ok(Outcome::Configured)
            }
        }
    }

    fn tick(&mut self, now: UnixMillis, budget: u32) -> u32 {
        self.clock = self.clock.max(now);
        (0..budget).take_while(|_| self.step()).count() as u32
    }

    /// Works through one due transition, or one job of a task. False if there is nothing due.
    fn step(&mut self) -> bool {
        match self.first_due() {
            Some((at, _, slot)) if at <= self.clock => {
                self.come_due(slot, at);
                true
            }
            _ => self.work_on_task(),
        }
    }

    fn come_due(&mut self, slot: Slot, due: UnixMillis) {
        let job = &self.jobs[slot];
        // By its own instant and not by the clock: what became of a job does not depend on how
        // late the tick is.
        if self.expires_at(job).is_some_and(|at| at <= due) {
            self.counters.expired += 1;
            self.remove(slot);
            return;
        }
        match job.state {
            State::Delayed { .. } => {
                self.shift(slot, Event::Wake);
            }
            State::Leased { .. } => {
                self.counters.lapsed += 1;
                self.fail(slot, Event::Lapse);
            }
            State::Ready { .. } | State::Dead { .. } => {}
        }
    }

    fn work_on_task(&mut self) -> bool {
        let Some(task) = self.tasks.front_mut() else { return false };
        let (left, slot) = match task {
            Task::Kick { left } => (left, self.delayed.first().map(|(_, _, slot)| slot)),
            Task::Respawn { left, .. } => (left, self.dead.first()),
        };
        *left -= 1;
        let (is_last, task) = (*left == 0 || slot.is_none(), *task);
        if is_last {
            self.tasks.pop_front();
        }
        match (task, slot) {
            (Task::Kick { .. }, Some(slot)) => self.kick_one(slot),
            (Task::Respawn { revival, .. }, Some(slot)) => self.respawn_one(slot, revival),
            (_, None) => {}
        }
        true
    }

    fn publish(&mut self, publish: &Publish<'_>) -> Result<Outcome, Refusal> {
        self.check_id(publish)?;
        let until = match publish.due {
            Due::Now => self.clock,
            Due::In(delay) => self.clock.after(delay),
            Due::At(at) => at,
        };
        let state = if until > self.clock {
            State::Delayed { until }
        } else {
            State::Ready { since: self.clock }
        };
        let terms = if publish.wishes == Default::default() {
            self.terms.retain(self.default_terms);
            self.default_terms
        } else {
            self.intern_terms(publish.wishes.over(&self.config.defaults))
        };
        let given =
            publish.id.map(|id| Box::new(Extra { given: Some(id.into()), ..Extra::default() }));
        let bodies = publish.bodies.as_slice();
        let slots = bodies.iter().map(|body| self.publish_one(body, state, terms, given.clone()));
        let slots = slots.collect();
        self.terms.release(terms);
        Ok(Outcome::Published(slots))
    }

    fn publish_one(
        &mut self,
        body: &[u8],
        state: State,
        terms: Key,
        extra: Option<Box<Extra>>,
    ) -> Slot {
        let ulid = self.make_ulid();
        self.jobs_published += 1;
        self.counters.published += 1;
        self.admit(Job {
            ulid,
            seq: self.jobs_published,
            body: body.into(),
            state,
            links: crate::list::Links::NONE,
            terms,
            deliveries: 0,
            failures: 0,
            extra,
        })
    }

    fn make_ulid(&mut self) -> Ulid {
        loop {
            self.last_ulid = Ulid::next(self.last_ulid, self.clock, &mut self.generator);
            // Only an id that a client gave can be in the way, and only by intent.
            if self.given_ids == 0 || self.find_id(&self.last_ulid.to_string()).is_none() {
                return self.last_ulid;
            }
        }
    }

    fn lease(&mut self, lease: &Lease<'_>) -> Result<Outcome, Refusal> {
        let ready = |slot: &Slot| {
            self.jobs.get(*slot).is_some_and(|job| matches!(job.state, State::Ready { .. }))
        };
        if !lease.jobs.iter().all(ready) {
            return Err(Refusal::Diverged("a job to be leased is not ready"));
        }
        let holder = self.intern_holder(&lease.holder);
        let mut leased = Vec::with_capacity(lease.jobs.len());
        for &slot in &lease.jobs {
            let deadline = self.clock.after(self.ttr_for(&self.jobs[slot], holder));
            let token = self.grant_token();
            if self.shift(slot, Event::Lease { token, deadline, holder }) {
                self.counters.delivered += 1;
                self.jobs[slot].deliveries += u32::from(lease.holder.counted);
                leased.push((slot, token));
            }
        }
        self.holders.release(holder);
        Ok(Outcome::Leased(leased))
    }

    fn settle(&mut self, jobs: &[JobRef<'_>], verdict: Verdict<'_>) -> u64 {
        let settle = |queue: &mut Self, slot| queue.settle_one(slot, verdict);
        if matches!(verdict, Verdict::Release { .. }) {
            // The last one first: each goes to the head, and there they keep the order named.
            self.each(jobs.iter().rev(), settle)
        } else {
            self.each(jobs, settle)
        }
    }

    fn settle_one(&mut self, slot: Slot, verdict: Verdict<'_>) -> bool {
        let job = &self.jobs[slot];
        let State::Leased { holder, .. } = job.state else {
            // A job that nobody holds can be buried by whoever knows its id.
            let Verdict::Bury { error } = verdict else { return false };
            return self.bury(slot, error);
        };
        match verdict {
            Verdict::Ack => {
                self.counters.acked += 1;
                self.remove(slot);
            }
            Verdict::Nack { delay, error } => {
                self.counters.nacked += 1;
                self.keep_error(slot, error);
                let job = &self.jobs[slot];
                let backoff = self.terms.get(job.terms).backoff;
                let failures = job.failures;
                let wait = delay.unwrap_or_else(|| backoff.wait(failures, &mut self.generator));
                let retry = self.postponed(wait, Event::Retry);
                self.fail(slot, retry);
            }
            Verdict::Release { delay } => {
                self.counters.released += 1;
                let counted = self.holders.get(holder).counted;
                let job = &mut self.jobs[slot];
                job.deliveries = job.deliveries.saturating_sub(u32::from(counted));
                let back = self.postponed(delay, Event::Release);
                self.shift(slot, back);
            }
            Verdict::Bury { error } => return self.bury(slot, error),
        }
        true
    }

    fn bury(&mut self, slot: Slot, error: Option<&[u8]>) -> bool {
        let buried = self.shift(slot, Event::Bury);
        if buried {
            self.counters.buried += 1;
            self.counters.died += 1;
            self.keep_error(slot, error);
        }
        buried
    }

    /// Ends a failed attempt: as `otherwise` says, or in death when the tries are used up.
    fn fail(&mut self, slot: Slot, otherwise: Event) {
        let job = &mut self.jobs[slot];
        job.failures = job.failures.saturating_add(1);
        if job.deliveries >= self.terms.get(job.terms).tries {
            self.counters.died += 1;
            self.shift(slot, Event::Bury);
        } else {
            self.shift(slot, otherwise);
        }
    }

    fn postponed(&self, wait: Millis, at_once: Event) -> Event {
        if wait.is_zero() {
            at_once
        } else {
            Event::Postpone { until: self.clock.after(wait) }
        }
    }

    fn keep_error(&mut self, slot: Slot, error: Option<&[u8]>) {
        if let Some(error) = error {
            let kept = &error[..error.len().min(ERROR_BYTES_MAX)];
            self.change_extra(slot, |extra| extra.error = Some(kept.into()));
        }
    }

    fn touch(&mut self, jobs: &[JobRef<'_>], ttr: Option<Millis>) -> Vec<Option<UnixMillis>> {
        jobs.iter().map(|job| self.touch_one(self.find(job)?, ttr)).collect()
    }

    fn touch_one(&mut self, slot: Slot, ttr: Option<Millis>) -> Option<UnixMillis> {
        let job = &self.jobs[slot];
        let State::Leased { holder, .. } = job.state else { return None };
        let deadline = self.clock.after(ttr.unwrap_or_else(|| self.ttr_for(job, holder)));
        self.counters.touched += 1;
        self.shift(slot, Event::Touch { deadline }).then_some(deadline)
    }

    fn kick(&mut self, which: Which<'_>) -> u64 {
        match which {
            Which::First(count) => {
                let promised = self.promised(|task| matches!(task, Task::Kick { .. }));
                let left = count.min((self.delayed.len() as u64).saturating_sub(promised));
                self.begin((left > 0).then_some(Task::Kick { left }));
                left
            }
            Which::Ids(jobs) => self.each(&jobs, |queue, slot| {
                let delayed = matches!(queue.jobs[slot].state, State::Delayed { .. });
                if delayed {
                    queue.kick_one(slot);
                }
                delayed
            }),
        }
    }

    fn kick_one(&mut self, slot: Slot) {
        self.counters.kicked += 1;
        self.shift(slot, Event::Kick);
    }

    fn respawn(&mut self, which: Which<'_>, revival: Revival) -> u64 {
        match which {
            Which::First(count) => {
                let promised = self.promised(|task| matches!(task, Task::Respawn { .. }));
                let left = count.min((self.dead.len() as u64).saturating_sub(promised));
                self.begin((left > 0).then_some(Task::Respawn { left, revival }));
                left
            }
            Which::Ids(jobs) => self.each(&jobs, |queue, slot| {
                let dead = matches!(queue.jobs[slot].state, State::Dead { .. });
                if dead {
                    queue.respawn_one(slot, revival);
                }
                dead
            }),
        }
    }

    fn respawn_one(&mut self, slot: Slot, revival: Revival) {
        self.counters.respawned += 1;
        let mut terms = *self.terms.get(self.jobs[slot].terms);
        terms.tries = revival.tries.unwrap_or(terms.tries);
        terms.ttl = Millis::ZERO;
        let terms = self.intern_terms(terms);
        let job = &mut self.jobs[slot];
        self.terms.release(std::mem::replace(&mut job.terms, terms));
        job.deliveries = 0;
        job.failures = 0;
        let lives_until = revival.ttl.filter(|ttl| !ttl.is_zero()).map(|ttl| self.clock.after(ttl));
        if job.extra.is_some() || lives_until.is_some() {
            self.change_extra(slot, |extra| extra.expires_at = lives_until);
        }
        let event = if revival.delay.is_zero() {
            Event::Respawn
        } else {
            Event::RespawnLater { until: self.clock.after(revival.delay) }
        };
        self.shift(slot, event);
    }

    fn delete(&mut self, jobs: &[JobRef<'_>]) -> u64 {
        self.each(jobs, |queue, slot| {
            queue.counters.deleted += 1;
            queue.remove(slot);
            true
        })
    }

    /// How many jobs earlier tasks of a kind will still take. O(tasks).
    fn promised(&self, is_kind: impl Fn(&Task) -> bool) -> u64 {
        let left = self.tasks.iter().filter(|task| is_kind(task)).map(|task| match *task {
            Task::Kick { left } | Task::Respawn { left, .. } => left,
        });
        left.fold(0, u64::saturating_add)
    }

    fn begin(&mut self, task: Option<Task>) {
        self.tasks.extend(task);
    }

    fn each<'j>(
        &mut self,
        jobs: impl IntoIterator<Item = &'j JobRef<'j>>,
        mut act: impl FnMut(&mut Self, Slot) -> bool,
    ) -> u64 {
        let act = |job: &&JobRef<'_>| self.find(job).is_some_and(|slot| act(self, slot));
        jobs.into_iter().filter(act).count() as u64
    }
}
