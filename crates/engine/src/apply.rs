//! Changes: what an operation does. Nothing here decides, so a replica that applies the same
//! operations comes to the same state.

use crate::{
    config::{Setting, WhenExpired, WhenLapsed},
    gates,
    generator::Generator,
    headers::Headers,
    id::{JobRef, Ulid},
    interner::Key,
    job::{Extra, Job},
    journal::{Cause, Move},
    list::Links,
    numbers::Time,
    operation::{
        Action, Change, Conditions, Lease, Leases, Operation, Outcome, Publish, Revival, Touched,
        Verdict, Which,
    },
    parents::{Found, Parents},
    pause::Pauses,
    queue::{intern_terms, Task, Timed, COUNT_MAX},
    refusal::Refusal,
    retain::Retain,
    slab::{Slot, Slots},
    state::{Event, State, StateKind},
    terms::Terms,
    time::{Millis, UnixMillis},
    u48::U48,
    unique::Lock,
    uses::{self, LimitName},
    Queue,
};

/// What is kept of a worker's error text, in bytes.
pub const ERROR_BYTES_MAX: usize = 4096;

/// What went wrong where a job is given back once more than it may be.
const RELEASED_TOO_OFTEN: &[u8] = b"released too often";

impl Queue {
    /// Applies an operation. O(log n) for each job it names.
    ///
    /// # Errors
    /// A [`Refusal`], and nothing is changed. After a [`choose`](Self::choose) on the same state
    /// there is none; a log that is not of this state's history can meet one.
    pub fn apply<'a>(&mut self, operation: impl Into<Operation<'a>>) -> Result<Outcome, Refusal> {
        self.known_due.set(None);
        let outcome = match operation.into() {
            Operation::Tick { now, budget } => {
                return Ok(Outcome::Ticked(self.tick(now, budget)));
            }
            Operation::Term { seed, tokens } => {
                self.generator = Generator::new(seed);
                self.tokens_granted = self.tokens_granted.max(tokens);
                return Ok(Outcome::Configured);
            }
            Operation::Lease(lease) => self.lease(&lease)?,
            Operation::Follow(follow) => self.be_followed(&follow)?,
            Operation::Plan(plan) => return self.plan_schedule(&plan),
            Operation::Told(told) => Outcome::Done(self.be_told(&told).into()),
            Operation::Delivered { effects } => {
                return Ok(Outcome::Done(self.outsiders.drop_effects(effects)));
            }
            Operation::Act(action) => return self.act(&action),
        };
        self.note_use(&outcome);
        Ok(outcome)
    }

    /// Applies an action, which is its own operation. By reference: it may be large, and most are
    /// done at once.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn act(&mut self, action: &Action<'_>) -> Result<Outcome, Refusal> {
        self.known_due.set(None);
        let outcome = match action {
            Action::Publish(publish) => self.publish(publish)?,
            Action::Settle { jobs, verdict } => Outcome::Done(self.settle(jobs, *verdict)),
            Action::Chain { done, publish } => self.chain(done, publish)?,
            Action::Touch { jobs, ttr, progress, result } => {
                Outcome::Touched(self.touch(jobs, *ttr, *progress, *result))
            }
            Action::Kick(which) => Outcome::Done(self.kick(which)),
            Action::Respawn { which, revival } => Outcome::Done(self.respawn(which, *revival)),
            Action::Delete(jobs) => Outcome::Done(self.delete(jobs)),
            Action::BuryAll { state, count } => Outcome::Done(self.bury_all(*state, *count)),
            Action::Purge { state, count } => Outcome::Done(self.purge(*state, *count)),
            Action::Update { job, change } => self.update(job, change)?,
            Action::Pause { side, span } => {
                self.pauses.close(*side, self.clock, *span);
                self.tell_of_queue(Cause::Paused);
                Outcome::Configured
            }
            Action::Resume => {
                if self.pauses != Pauses::default() {
                    self.tell_of_queue(Cause::Resumed);
                }
                self.pauses = Pauses::default();
                Outcome::Configured
            }
            Action::Gate { opens, names } => Outcome::Done(self.turn_gates(*opens, names)),
            Action::Batch { key, order } => Outcome::Done(self.order_batch(key, *order)),
            Action::Configure(settings) => {
                settings.iter().for_each(|setting| self.configure(setting));
                self.tell_of_queue(Cause::Configured);
                let prunes = self.has_too_many_dead() && !self.prunes();
                self.begin(prunes.then_some(Task::Prune));
                self.renew_default_terms();
                Outcome::Configured
            }
            Action::Limit { name, permits } => self.set_limit(name, *permits),
            Action::Cancel(job) => Outcome::Cancelled(self.cancel(job)),
            Action::Subscribe { job, targets } => self.subscribe(job, targets)?,
            Action::Unsubscribe { job, targets } => {
                Outcome::Done(self.unsubscribe(job, targets.as_deref()))
            }
            Action::TakeNotices { count, ttr } => self.take_notices(*count, *ttr),
            Action::CrossOff { receipt, targets } => {
                Outcome::CrossedOff(self.cross_off(receipt, targets))
            }
            Action::Hasten { jobs, haste } => Outcome::Done(self.hasten(jobs, *haste)),
            Action::Schedule(order) => self.order_schedule(order)?,
        };
        self.note_use(&outcome);
        Ok(outcome)
    }

    fn configure(&mut self, setting: &Setting) {
        self.config.set(setting);
        match setting {
            Setting::GroupWeight { group, weight } => {
                let found = self.limits.find(LimitName::Group(group), self.hash_key);
                if let Some(limit) = found.and_then(|key| self.limits.get_mut(key)) {
                    limit.weight = *weight;
                }
            }
            Setting::BatchSize { .. } | Setting::BatchDelay { .. } | Setting::BatchGrace { .. } => {
                self.batches.mark_stale(b"");
            }
            Setting::Events(_) | Setting::Trail(_) => {
                self.journal.follow(&self.config, self.hash_key);
            }
            _ => {}
        }
    }

    fn note_use(&mut self, outcome: &Outcome) {
        if !self.schedules.is_empty() {
            self.make_owed_runs();
        }
        if outcome.is_change() {
            self.idle_since = self.clock;
        }
    }

    fn tick(&mut self, now: UnixMillis, budget: u32) -> u32 {
        self.clock = self.clock.max(now);
        self.turn_history();
        self.family.clean();
        let mut done = 0;
        while done < budget {
            match self.step() {
                0 => break,
                jobs => done += jobs,
            }
            if !self.schedules.is_empty() {
                self.make_owed_runs();
            }
        }
        done
    }

    /// Works through one due transition, or one job of a task, and tells how many jobs that
    /// concerned; 0 if nothing is due.
    fn step(&mut self) -> u32 {
        if self.due_at() > self.clock {
            return 0;
        }
        match self.first_event().filter(|(at, _)| *at <= self.clock) {
            Some((at, Timed::Job(slot))) => {
                let jobs = self.jobs_with(slot);
                self.come_due(slot, at);
                return jobs;
            }
            Some((_, Timed::Batch(slot))) => self.fire_first(slot),
            Some((_, Timed::Refill)) => self.refill(),
            Some((_, Timed::LockEnd(slot))) => self.unlock(slot),
            Some((_, Timed::NoticeLapse)) => self.lapse_notice(),
            Some((at, Timed::PauseEnd)) => {
                self.pauses.end_due(at);
                self.tell_of_queue(Cause::Resumed);
            }
            Some((_, Timed::Schedule(number))) => self.come_round(number),
            None => {
                let is_done = self.tell_next()
                    || self.look_at_gate()
                    || self.follow_settings()
                    || self.work_on_task()
                    || self.work_on_chore();
                return is_done.into();
            }
        }
        1
    }

    fn come_due(&mut self, slot: Slot, due: UnixMillis) {
        let job = &self.jobs[slot];
        // By its own instant and not by the clock: what became of a job does not depend on how
        // late the tick is.
        let is_over = |at: Option<UnixMillis>| at.is_some_and(|at| at <= due);
        let is_unfinished = !job.state().kind().is_final();
        if is_unfinished && is_over(self.expires_at(job)) {
            self.count(slot, |counts| &mut counts.expired);
            match self.config.expired {
                WhenExpired::Drop => self.remove(slot, Cause::Expired),
                WhenExpired::Bury => {
                    self.die(slot, Cause::Expired);
                }
            }
            return;
        }
        if is_unfinished && is_over(job.deadline()) {
            if matches!(job.state(), State::Leased { .. }) {
                self.count_failure(slot);
            }
            self.count(slot, |counts| &mut counts.overdue);
            self.die(slot, Cause::Overdue);
            return;
        }
        match job.state() {
            State::Delayed { until } => {
                self.note_time(job.terms, Time::Lateness, until);
                self.proceed(slot, Event::Wake);
            }
            State::Leased { .. } => self.lapse(slot),
            State::Completed { .. } => {
                self.count(slot, |counts| &mut counts.retired);
                self.remove(slot, Cause::Retired);
            }
            State::Dead { .. } => self.prune_one(slot),
            State::Held { .. } | State::Gathering { .. } | State::Ready { .. } => {}
        }
    }

    /// Ends the lease of a job of whose holder nothing was heard in time.
    pub(crate) fn lapse(&mut self, slot: Slot) {
        self.count(slot, |counts| &mut counts.lapsed);
        if !self.batches.is_empty() {
            self.lapse_followers(slot);
        }
        let then = match self.config.lapse {
            WhenLapsed::Ready => Event::Lapse,
            WhenLapsed::Backoff => self.backed_off(slot),
        };
        self.fail(slot, then.by(Cause::Lapsed));
    }

    fn work_on_task(&mut self) -> bool {
        let Some(&task) = self.tasks.front() else { return false };
        let slot = match task {
            Task::Kick { .. } => self.first_of(StateKind::Delayed),
            Task::Respawn { .. } => self.first_of(StateKind::Dead),
            Task::Bury { state, .. } | Task::Purge { state, .. } => self.first_of(state),
            Task::Prune => self.dead.first().filter(|_| self.has_too_many_dead()),
        };
        let goes_on = match self.tasks.front_mut() {
            Some(
                Task::Kick { left }
                | Task::Respawn { left, .. }
                | Task::Bury { left, .. }
                | Task::Purge { left, .. },
            ) => {
                *left -= 1;
                *left > 0
            }
            Some(Task::Prune) => self.dead.len() as u64 > self.config.dead_max.saturating_add(1),
            None => false,
        };
        if !goes_on || slot.is_none() {
            self.tasks.pop_front();
        }
        let Some(slot) = slot else { return true };
        match task {
            Task::Kick { .. } => self.kick_one(slot),
            Task::Respawn { revival, .. } => self.respawn_one(slot, revival),
            Task::Bury { .. } => {
                self.bury(slot, None);
            }
            Task::Purge { .. } => {
                self.count(slot, |counts| &mut counts.purged);
                self.remove(slot, Cause::Purged);
            }
            Task::Prune => self.prune_one(slot),
        }
        true
    }

    pub(crate) fn has_too_many_dead(&self) -> bool {
        self.too_many_dead() > 0
    }

    /// How many dead jobs there are beyond those that the queue keeps.
    pub(crate) fn too_many_dead(&self) -> u64 {
        match self.config.dead_max {
            0 => 0,
            max => (self.dead.len() as u64).saturating_sub(max),
        }
    }

    /// Whether the dead that are too many are a task. O(tasks).
    pub(crate) fn prunes(&self) -> bool {
        self.tasks.contains(&Task::Prune)
    }

    fn prune_one(&mut self, slot: Slot) {
        self.count(slot, |counts| &mut counts.pruned);
        self.remove(slot, Cause::Pruned);
    }

    pub(crate) fn publish(&mut self, publish: &Publish<'_>) -> Result<Outcome, Refusal> {
        if let Some(holder) = self.duplicate_of(publish) {
            return self.end_in_duplicate(publish, holder);
        }
        let replaced = self.check_names(publish, |_| false)?;
        if publish.bodies.as_slice().is_empty() {
            return Ok(Outcome::Published(Slots::new()));
        }
        if let Some(slot) = replaced {
            self.count(slot, |counts| &mut counts.replaced);
            self.name_receipt(publish.replaces.as_ref().and_then(|job| job.token));
            self.remove(slot, Cause::Replaced);
            self.name_receipt(None);
        }
        if let Some(unique) = publish.unique() {
            self.free_key(unique.key);
        }
        let until = publish.due.after(self.clock);
        let needs = publish.conditions.as_deref();
        let batch = needs.map_or(&b""[..], |needs| needs.batch);
        let Needed { uses, when, parents, waits_at } =
            needs.map_or_else(Needed::default, |needs| self.needed(needs));
        let is_complete = |queue: &Self| {
            batch.is_empty()
                && queue.gates.are_met(&when)
                && parents.as_ref().is_none_or(|it| it.left() == 0)
        };
        let state = if until > self.clock {
            State::Delayed { until }
        } else if needs.is_none() || is_complete(self) {
            State::Ready { since: self.clock, parked: false }
        } else {
            State::Held { since: self.clock }
        };
        let is_usual = uses.is_empty() && when.is_empty() && batch.is_empty();
        let terms = if publish.wishes == Default::default() && is_usual {
            self.terms.retain(self.default_terms);
            self.default_terms
        } else {
            let terms = publish.wishes.over(&self.config.defaults);
            let terms = Terms { uses: &uses[..], when: &when[..], batch, ..terms };
            let key = intern_terms(&mut self.terms, terms);
            self.numbers.types.link(key, terms.job_type);
            key
        };
        let bodies = publish.bodies.as_slice();
        let extra = || extra(publish, &parents);
        let slots = bodies.iter().map(|body| self.publish_one(body, state, terms, extra()));
        let slots: Slots = slots.collect();
        if let Some(needs) = needs {
            self.follow(&slots, &waits_at, needs.if_dead);
        }
        if !batch.is_empty() {
            // Where nothing else is missing, they were held for that alone.
            slots.iter().for_each(|&slot| self.free(slot));
        }
        self.terms.release(terms);
        Ok(Outcome::Published(slots))
    }

    fn needed(&self, needs: &Conditions<'_>) -> Needed {
        let found = self.find_parents(&needs.after);
        Needed {
            uses: uses::pack(&needs.uses),
            when: gates::pack(&needs.when),
            parents: Self::new_parents(needs.if_dead, &found, &needs.distant),
            waits_at: found.iter().map(Found::waits_at).collect(),
        }
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
        self.count_with(terms, |counts| &mut counts.published);
        self.admit(Job {
            ulid,
            seq: U48::new(self.jobs_published),
            due: U48::new(state.until().unwrap_or(self.clock).0),
            body: body.into(),
            state: state.into(),
            links: Links::NONE,
            terms,
            deliveries: 0,
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
        let in_line_since = |job: &Job| match job.state() {
            State::Ready { since, parked: false } => Some(since),
            _ => None,
        };
        let is_in_line = |slot| self.jobs.get(slot).and_then(in_line_since).is_some();
        if !lease.jobs.iter().copied().all(is_in_line) {
            return Err(Refusal::Diverged("a job to be leased is not ready"));
        }
        if lease.jobs.len() > self.tokens_left() {
            return Err(Refusal::Diverged("no token is left for a lease"));
        }
        let holder = self.intern_holder(&lease.holder);
        let mut leased = Leases::with_capacity(lease.jobs.len());
        for &slot in &lease.jobs {
            let job = &self.jobs[slot];
            // A log may name a job twice.
            let Some(since) = in_line_since(job) else { continue };
            let deadline = self.lease_end(job, self.ttr_for(job, holder));
            let (is_urgent, terms) = (job.deadline().is_some(), job.terms);
            let (is_first, published) = (job.deliveries == 0, job.ulid.millis());
            let token = self.grant_token();
            if self.is_charged(slot) {
                self.charge(slot);
            }
            if self.shift(slot, Event::Lease { token, deadline, holder }) {
                self.count_and_note(terms, |counts| &mut counts.delivered, Time::Wait, since);
                if is_first {
                    self.note_time(terms, Time::PublishToTake, published);
                }
                let job = &mut self.jobs[slot];
                job.deliveries += u32::from(lease.holder.counted);
                if !self.batches.is_empty() {
                    self.deliver_followers(slot, lease.holder.counted);
                }
                leased.push((slot, token));
                if is_urgent {
                    self.warn(slot, true);
                }
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
        let is_leased = matches!(job.state(), State::Leased { .. });
        // A job that nobody holds can be buried or fulfilled by whoever knows its id.
        if !is_leased && !matches!(verdict, Verdict::Bury { .. } | Verdict::Fulfill { .. }) {
            return false;
        }
        if !self.batches.is_empty() {
            self.settle_followers(slot, verdict);
        }
        match verdict {
            Verdict::Ack => self.acknowledge(slot),
            Verdict::Fulfill { result, retain } => return self.fulfill(slot, result, retain),
            Verdict::Nack { delay, error } => {
                self.count(slot, |counts| &mut counts.nacked);
                self.keep_error(slot, error);
                let retry = match delay {
                    Some(wait) => self.postponed(wait, Event::Retry),
                    None => self.backed_off(slot),
                };
                self.fail(slot, retry.by(Cause::Nacked));
            }
            Verdict::Release { delay, counted: counts } => {
                self.count(slot, |counts| &mut counts.released);
                let back = self.postponed(delay, Event::Release).by(Cause::Released);
                if self.is_released_too_often(slot, counts) {
                    self.die_alone(slot, back);
                    return true;
                }
                let job = &self.jobs[slot];
                let State::Leased { holder, .. } = job.state() else { return false };
                let counted = self.holders.get(holder).counted;
                let job = &mut self.jobs[slot];
                job.deliveries = job.deliveries.saturating_sub(u32::from(counted));
                self.proceed(slot, back);
            }
            Verdict::Bury { error } => return self.bury(slot, error),
        }
        true
    }

    /// Ends a lease because its work is done, and publishes what comes next.
    fn chain(&mut self, done: &JobRef<'_>, publish: &Publish<'_>) -> Result<Outcome, Refusal> {
        let Some(slot) = self.find_leased(done) else {
            return Ok(Outcome::Chained(None));
        };
        // Before the lease ends: a log that is not of this state's history changes nothing.
        self.check_publish(publish, &self.ending_with(slot))?;
        self.settle(std::slice::from_ref(done), Verdict::Ack);
        Ok(Outcome::Chained(match self.publish(publish)? {
            Outcome::Published(jobs) => jobs.first().copied(),
            Outcome::Held(slot) | Outcome::Renewed(slot) => Some(slot),
            _ => None,
        }))
    }

    /// Ends the lease of a job whose work is done.
    pub(crate) fn acknowledge(&mut self, slot: Slot) {
        let job = &self.jobs[slot];
        let (terms, published) = (job.terms, job.ulid.millis());
        self.count_and_note(terms, |counts| &mut counts.acked, Time::PublishToAck, published);
        match self.terms.get(terms).retain.until(self.clock) {
            Some(until) => {
                self.shift(slot, Event::Complete { until });
            }
            None => self.remove_completed(slot, None, Cause::Acked),
        }
    }

    /// Counts a release that counts; but a job that was released as often as the queue permits is to
    /// die instead. One that is cancelled goes anyway.
    pub(crate) fn is_released_too_often(&mut self, slot: Slot, counts: bool) -> bool {
        let (releases, max) = (self.jobs[slot].releases(), self.config.releases_max);
        if !counts || self.jobs[slot].is_cancelled() {
            return false;
        }
        if max > 0 && releases >= max {
            self.keep_error(slot, Some(RELEASED_TOO_OFTEN));
            return true;
        }
        self.change_extra(slot, |extra| extra.releases = releases.saturating_add(1));
        false
    }

    /// Finishes a job with a result, unless it has one.
    pub(crate) fn fulfill(&mut self, slot: Slot, result: &[u8], retain: Option<Retain>) -> bool {
        let job = &self.jobs[slot];
        if matches!(job.state(), State::Completed { .. }) {
            return false;
        }
        let (terms, published) = (job.terms, job.ulid.millis());
        self.count_and_note(terms, |counts| &mut counts.fulfilled, Time::PublishToAck, published);
        let retain = retain.unwrap_or(self.terms.get(terms).retain);
        match retain.until(self.clock) {
            Some(until) => {
                self.change_extra(slot, |extra| extra.result = Some(result.into()));
                self.shift(slot, Event::Complete { until }.by(Cause::Fulfilled));
            }
            None => self.remove_completed(slot, Some(result), Cause::Fulfilled),
        }
        true
    }

    pub(crate) fn bury(&mut self, slot: Slot, error: Option<&[u8]>) -> bool {
        if self.jobs[slot].state().kind().is_final() {
            return false;
        }
        self.count(slot, |counts| &mut counts.buried);
        self.keep_error(slot, error);
        self.die(slot, Cause::Buried)
    }

    /// Sends a job to the dead, and the longest dead away if that is one too many.
    pub(crate) fn die(&mut self, slot: Slot, cause: Cause) -> bool {
        let died = self.shift(slot, Event::Bury.by(cause));
        if died {
            self.count(slot, |counts| &mut counts.died);
        }
        // Only the one that this one pushes out; where the queue was told to keep fewer, that is a
        // task.
        if self.has_too_many_dead() && !self.prunes() {
            self.dead.first().into_iter().for_each(|slot| self.prune_one(slot));
        }
        died
    }

    /// Ends a failed attempt: as `otherwise` says, or in death when the tries are used up.
    fn fail(&mut self, slot: Slot, otherwise: Move) {
        if !self.batches.is_empty() {
            self.fail_followers(slot, otherwise.cause);
        }
        if self.jobs[slot].is_cancelled() {
            return self.end_cancelled_alone(slot);
        }
        self.count_failure(slot);
        let job = &self.jobs[slot];
        if job.deliveries >= self.terms.get(job.terms).tries {
            self.die_alone(slot, otherwise);
        } else {
            self.proceed(slot, otherwise);
        }
    }

    pub(crate) fn count_failure(&mut self, slot: Slot) {
        let now = self.clock;
        self.change_extra(slot, |extra| {
            extra.failures = extra.failures.saturating_add(1);
            extra.failed_at = Some(now);
        });
    }

    /// How a failed job goes on by its own backoff.
    fn backed_off(&mut self, slot: Slot) -> Event {
        let job = &self.jobs[slot];
        let (backoff, failures) = (self.terms.get(job.terms).backoff, job.failures());
        let wait = backoff.wait(failures, &mut self.generator);
        self.postponed(wait, Event::Retry)
    }

    fn postponed(&self, wait: Millis, at_once: Event) -> Event {
        if wait.is_zero() {
            at_once
        } else {
            Event::Postpone { until: self.clock.after(wait) }
        }
    }

    pub(crate) fn keep_error(&mut self, slot: Slot, error: Option<&[u8]>) {
        if let Some(error) = error {
            let kept = &error[..error.len().min(ERROR_BYTES_MAX)];
            self.change_extra(slot, |extra| extra.error = Some(kept.into()));
        }
    }

    fn touch(
        &mut self,
        jobs: &[JobRef<'_>],
        ttr: Option<Millis>,
        progress: Option<u64>,
        result: Option<&[u8]>,
    ) -> Vec<Touched> {
        let mut touch = |job: &JobRef<'_>| {
            let Some(slot) = self.find(job) else { return self.touch_notice(job, ttr) };
            if job.token.is_some() {
                self.hear_of(slot);
            }
            self.touch_one(slot, ttr, progress, result)
        };
        jobs.iter().map(&mut touch).collect()
    }

    fn touch_one(
        &mut self,
        slot: Slot,
        ttr: Option<Millis>,
        progress: Option<u64>,
        result: Option<&[u8]>,
    ) -> Touched {
        let job = &self.jobs[slot];
        let State::Leased { holder, .. } = job.state() else { return Touched::Lost };
        if job.is_cancelled() {
            return Touched::Cancelled;
        }
        let deadline = self.lease_end(job, ttr.unwrap_or_else(|| self.ttr_for(job, holder)));
        self.count(slot, |counts| &mut counts.touched);
        if progress.is_some() {
            self.change_extra(slot, |extra| extra.progress = progress);
        }
        if let Some(result) = result {
            self.change_extra(slot, |extra| extra.result = Some(result.into()));
        }
        self.shift(slot, Event::Touch { deadline });
        self.warn(slot, false);
        Touched::Until(deadline)
    }

    /// When a lease that lasts so long from now ends: never after the job's own deadline.
    fn lease_end(&self, job: &Job, ttr: Millis) -> UnixMillis {
        let end = self.clock.after(ttr);
        job.deadline().map_or(end, |deadline| end.min(deadline))
    }

    fn kick(&mut self, which: &Which<'_>) -> u64 {
        match which {
            Which::First(count) => {
                let left = self.unpromised(StateKind::Delayed).min(*count);
                self.begin((left > 0).then_some(Task::Kick { left }));
                left
            }
            Which::Ids(jobs) => self.each(jobs, |queue, slot| {
                match queue.jobs[slot].state() {
                    State::Delayed { .. } => queue.kick_one(slot),
                    // By its name: whoever says so knows what it waits for.
                    State::Held { .. } | State::Gathering { .. }
                        if !queue.goes_with_lease(&queue.jobs[slot]) =>
                    {
                        queue.count(slot, |counts| &mut counts.kicked);
                        queue.shift(slot, Event::Kick);
                    }
                    _ => return false,
                }
                true
            }),
        }
    }

    pub(crate) fn kick_one(&mut self, slot: Slot) {
        self.count(slot, |counts| &mut counts.kicked);
        self.proceed(slot, Event::Kick);
    }

    fn respawn(&mut self, which: &Which<'_>, revival: Revival) -> u64 {
        match which {
            Which::First(count) => {
                let left = self.unpromised(StateKind::Dead).min(*count);
                self.begin((left > 0).then_some(Task::Respawn { left, revival }));
                left
            }
            Which::Ids(jobs) => self.each(jobs, |queue, slot| {
                let dead = matches!(queue.jobs[slot].state(), State::Dead { .. });
                if dead {
                    queue.respawn_one(slot, revival);
                }
                dead
            }),
        }
    }

    fn respawn_one(&mut self, slot: Slot, revival: Revival) {
        self.count(slot, |counts| &mut counts.respawned);
        let terms = self.terms.get(self.jobs[slot].terms).clone();
        let tries = revival.tries.unwrap_or(terms.tries);
        let terms = Terms { tries, ttl: Millis::ZERO, ..terms.as_ref() };
        let terms = self.intern_terms(terms);
        let job = &mut self.jobs[slot];
        self.terms.release(std::mem::replace(&mut job.terms, terms));
        job.deliveries = 0;
        let lives_until = revival.ttl.filter(|ttl| !ttl.is_zero()).map(|ttl| self.clock.after(ttl));
        if job.extra.is_some() || lives_until.is_some() {
            self.change_extra(slot, |extra| {
                extra.failures = 0;
                extra.releases = 0;
                extra.expires_at = lives_until;
                extra.deadline = None;
                extra.cancelled = false;
            });
        }
        let event = if revival.delay.is_zero() {
            Event::Respawn
        } else {
            Event::RespawnLater { until: self.clock.after(revival.delay) }
        };
        self.proceed(slot, event.by(Cause::Respawned));
    }

    fn bury_all(&mut self, state: StateKind, count: u64) -> u64 {
        let left = count.min(self.unpromised(state));
        self.begin((left > 0).then_some(Task::Bury { state, left }));
        left
    }

    fn purge(&mut self, state: StateKind, count: u64) -> u64 {
        let left = count.min(self.unpromised(state));
        self.begin((left > 0).then_some(Task::Purge { state, left }));
        left
    }

    fn update(&mut self, job: &JobRef<'_>, change: &Change<'_>) -> Result<Outcome, Refusal> {
        let slot = self.find(job).ok_or(Refusal::Diverged("there is no such job"))?;
        let job = &self.jobs[slot];
        if change.if_version.is_some_and(|version| version != job.version()) {
            return Ok(Outcome::Updated(None));
        }
        let mut terms = self.terms.get(job.terms).clone();
        terms.priority = change.priority.unwrap_or(terms.priority);
        terms.tries = change.tries.unwrap_or(terms.tries);
        let mut expires_at = job.extra.as_ref().and_then(|extra| extra.expires_at);
        if let Some(ttl) = change.ttl {
            terms.ttl = Millis::ZERO;
            expires_at = (!ttl.is_zero()).then(|| self.clock.after(ttl));
        }
        self.count(slot, |counts| &mut counts.updated);
        self.rewrite(slot, &terms, expires_at);
        self.change_extra(slot, |extra| extra.updates = COUNT_MAX.min(extra.updates + 1));
        if let Some(body) = change.body {
            self.replace_body(slot, body);
        }
        if let Some(due) = change.due {
            let until = due.after(self.clock);
            if until > self.clock {
                self.shift(slot, Event::Reschedule { until });
            } else if matches!(self.jobs[slot].state(), State::Delayed { .. }) {
                self.proceed(slot, Event::Kick.by(Cause::Updated));
            } else {
                self.tell_in_place(slot, Cause::Updated);
            }
            // A held, gathering or ready job that is due now stays where it is.
        } else {
            self.tell_in_place(slot, Cause::Updated);
        }
        Ok(Outcome::Updated(Some(self.jobs[slot].version())))
    }

    fn delete(&mut self, jobs: &[JobRef<'_>]) -> u64 {
        self.each(jobs, |queue, slot| {
            queue.count(slot, |counts| &mut counts.deleted);
            queue.remove(slot, Cause::Deleted);
            true
        })
    }

    /// How many jobs of a state earlier tasks will leave there. O(tasks).
    fn unpromised(&self, state: StateKind) -> u64 {
        let jobs = self.len_of(state) as u64;
        self.tasks.iter().fold(jobs, |jobs, task| match *task {
            Task::Kick { left } if state == StateKind::Delayed => jobs.saturating_sub(left),
            Task::Respawn { left, .. } if state == StateKind::Dead => jobs.saturating_sub(left),
            Task::Bury { state: from, left } | Task::Purge { state: from, left }
                if state == from =>
            {
                jobs.saturating_sub(left)
            }
            Task::Prune if state == StateKind::Dead && self.config.dead_max > 0 => {
                jobs.min(self.config.dead_max)
            }
            _ => jobs,
        })
    }

    fn begin(&mut self, task: Option<Task>) {
        self.tasks.extend(task);
    }

    fn each<'j, 'r: 'j>(
        &mut self,
        jobs: impl IntoIterator<Item = &'j JobRef<'r>>,
        mut act: impl FnMut(&mut Self, Slot) -> bool,
    ) -> u64 {
        let act = |job: &&JobRef<'_>| {
            self.find(job).is_some_and(|slot| {
                self.name_receipt(job.token);
                if job.token.is_some() {
                    self.hear_of(slot);
                }
                act(self, slot)
            })
        };
        let done = jobs.into_iter().filter(act).count() as u64;
        self.name_receipt(None);
        done
    }
}

/// What few new jobs have. Made for each one: to make it once and copy it would cost a single job,
/// which is the usual case, every allocation twice.
fn extra(publish: &Publish<'_>, parents: &Option<Box<Parents>>) -> Option<Box<Extra>> {
    let unique = publish.unique();
    let has_none = publish.id.is_none() && publish.deadline.is_none() && unique.is_none();
    if has_none && publish.headers.is_empty() && parents.is_none() {
        return None;
    }
    Some(Box::new(Extra {
        given: publish.id.map(Into::into),
        deadline: publish.deadline,
        headers: Headers::new(&publish.headers),
        lock: unique.map(|unique| Box::new(Lock::new(unique))),
        parents: parents.clone(),
        ..Extra::default()
    }))
}

/// What new jobs need beside their turn, in the form in which it is kept.
#[derive(Default)]
struct Needed {
    uses: Vec<u8>,
    when: Vec<u8>,
    parents: Option<Box<Parents>>,
    /// Where among the living they wait, parent by parent.
    waits_at: Vec<Option<Slot>>,
}
