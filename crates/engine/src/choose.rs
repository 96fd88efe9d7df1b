//! Decisions: what comes of a request. Nothing here changes the queue.

use crate::{
    id::JobRef,
    operation::{Action, Change, Consume, Lease, Operation, Publish, Request, Revival, Verdict},
    queue::COUNT_MAX,
    refusal::Refusal,
    retain::Retain,
    slab::{Slot, Slots},
    state::State,
    Queue,
};

/// Ready jobs that a choice may pass over because their life is over and no tick came to them yet.
const PASSED_OVER_MAX: usize = 1000;

impl Queue {
    /// Decides what comes of a request at the queue's own time. `None` if there is nothing to do.
    ///
    /// # Errors
    /// A [`Refusal`] where the request cannot be granted.
    pub fn choose<'a>(
        &self,
        request: impl Into<Request<'a>>,
    ) -> Result<Option<Operation<'a>>, Refusal> {
        let action = match request.into() {
            Request::Consume(consume) => {
                return Ok(self.choose_lease(&consume).map(Operation::Lease));
            }
            Request::Act(action) => action,
        };
        self.check(&action)?;
        Ok(Some(Operation::Act(action)))
    }

    /// Decides whether an action is granted: then it is its own operation.
    ///
    /// # Errors
    /// As [`choose`](Self::choose).
    pub fn check(&self, action: &Action<'_>) -> Result<(), Refusal> {
        match action {
            Action::Publish(publish) => self.check_publish(publish, &[]),
            Action::Chain { done, publish } => match self.find_leased(done) {
                Some(slot) => self.check_publish(publish, &self.ending_with(slot)),
                None => Ok(()),
            },
            Action::Settle { verdict: Verdict::Fulfill { result, .. }, .. }
            | Action::Touch { result: Some(result), .. } => self.check_size(result.len()),
            Action::Subscribe { job, targets } => self.check_subscribers(job, targets),
            Action::Respawn { revival, .. } => check_revival(revival),
            Action::Update { job, change } => self.check_change(job, change),
            Action::Schedule(order) => self.check_schedules(order),
            _ => Ok(()),
        }
    }

    /// The jobs that the next consume of this size would take, in order. O(count).
    #[must_use]
    pub fn peek(&self, count: usize) -> Slots {
        let wanted = count.min(self.ready.len()).min(self.tokens_left()).min(self.room_in_queue());
        // While places are being taken back, one by one: each may be the last there is.
        let wanted = if self.limits.chores.is_empty() { wanted } else { wanted.min(1) };
        if wanted == 0 || !self.hands_out() {
            return Slots::new();
        }
        let mut chosen = Slots::with_capacity(wanted);
        let mut left = wanted + PASSED_OVER_MAX;
        let weight = |group| self.limits.weight_of(group);
        self.ready.visit(&self.jobs, weight, |slot| {
            if self.is_takeable(slot) {
                chosen.push(slot);
            }
            left -= 1;
            chosen.len() < wanted && left > 0
        });
        chosen
    }

    /// Whether the next consume could take so many jobs. O(1) while fewer are ready, else O(count).
    #[must_use]
    pub fn hands_out_at_least(&self, count: usize) -> bool {
        self.hands_out() && self.ready.len() >= count && self.peek(count).len() >= count
    }

    fn is_takeable(&self, slot: Slot) -> bool {
        let job = &self.jobs[slot];
        self.ends_at(job).is_none_or(|at| at > self.clock)
            && (self.limits.chores.is_empty() || self.is_permitted(job))
    }

    fn choose_lease<'a>(&self, consume: &Consume<'a>) -> Option<Lease<'a>> {
        let jobs = self.peek(consume.count as usize);
        (!jobs.is_empty()).then(|| Lease { holder: consume.holder.clone(), jobs })
    }

    /// Decides whether a publish is granted; behind the success of jobs that are `done` by then.
    pub(crate) fn check_publish(
        &self,
        publish: &Publish<'_>,
        done: &[Slot],
    ) -> Result<(), Refusal> {
        if self.pauses.publishing.is_some() {
            return Err(Refusal::Paused);
        }
        let bodies = publish.bodies.as_slice();
        let headers = bytes_of(publish.headers.iter().copied());
        bodies.iter().try_for_each(|body| self.check_size(headers + body.len()))?;
        // Each job has headers of its own: what is sent once must not become much more than that.
        self.check_size(headers.saturating_mul(bodies.len()))?;
        let ttl = publish.wishes.ttl.unwrap_or(self.config.defaults.ttl);
        let due = publish.due.after(self.clock);
        if !ttl.is_zero() && ttl < due.since(self.clock) {
            return Err(Refusal::ExpiresBeforeDue);
        }
        if publish.deadline.is_some_and(|deadline| deadline < due) {
            return Err(Refusal::OverdueBeforeDue);
        }
        if let Some(conditions) = &publish.conditions {
            self.check_parents(&conditions.after)?;
        }
        // Whoever is done holds no key any more.
        if let Some(holder) = self.duplicate_of(publish).filter(|holder| !done.contains(holder)) {
            return self.check_duplicate(publish, holder);
        }
        // Of those that are done, the ones that are not kept leave; or the one that is replaced.
        let leaves = |slot: &&Slot| self.terms_of(self.job(**slot)).retain == Retain::NONE;
        let left = || done.iter().filter(leaves).copied();
        let replaced = self.check_names(publish, |slot| left().any(|gone| gone == slot))?;
        let gone = || left().chain(replaced);
        let others = self.len() - gone().count();
        let max = self.config.max_len;
        if max > 0 && (others + bodies.len()) as u64 > max {
            return Err(Refusal::Full { max });
        }
        self.check_group(publish, gone)?;
        if !self.has_room_for(bodies.len()) {
            return Err(Refusal::Full { max: COUNT_MAX });
        }
        Ok(())
    }

    /// Refuses a job that the queue would never take, whatever is in it.
    pub(crate) fn check_template(&self, publish: &Publish<'_>) -> Result<(), Refusal> {
        let body = publish.bodies.as_slice().first().map_or(0, |body| body.len());
        self.check_size(bytes_of(publish.headers.iter().copied()) + body)?;
        let ttl = publish.wishes.ttl.unwrap_or_default();
        let waits = publish.due.after(self.clock).since(self.clock);
        if !ttl.is_zero() && ttl < waits {
            return Err(Refusal::ExpiresBeforeDue);
        }
        Ok(())
    }

    fn check_group<G: Iterator<Item = Slot>>(
        &self,
        publish: &Publish<'_>,
        gone: impl Fn() -> G,
    ) -> Result<(), Refusal> {
        let max = self.config.group_max_len;
        let Some(group) = publish.wishes.group.filter(|group| max > 0 && !group.is_empty()) else {
            return Ok(());
        };
        let is_of_group = |slot: &Slot| *self.terms_of(self.job(*slot)).group == *group;
        let others = self.len_of_group(group) - gone().filter(is_of_group).count() as u64;
        if others + publish.bodies.as_slice().len() as u64 > max {
            return Err(Refusal::GroupFull { max });
        }
        Ok(())
    }

    /// Whether a publish that is refused because the queue is full may be granted when others have
    /// left: not where it would be alone too much.
    #[must_use]
    pub fn may_have_room_for(&self, publish: &Publish<'_>) -> bool {
        let jobs = publish.bodies.as_slice().len();
        jobs as u64 <= self.config.max_len && self.has_room_for(jobs)
    }

    /// Refuses the names of jobs that cannot have been there.
    pub(crate) fn check_parents(&self, parents: &[JobRef<'_>]) -> Result<(), Refusal> {
        let is_to_come = |name: &&JobRef<'_>| name.ulid.is_some_and(|ulid| ulid > self.last_ulid);
        let is_there = |name: &JobRef<'_>| self.find(&name.bare()).is_some();
        let known = parents.iter().filter(is_to_come).all(is_there);
        known.then_some(()).ok_or(Refusal::NoSuchJob)
    }

    fn check_size(&self, bytes: usize) -> Result<(), Refusal> {
        let (bytes, max) = (bytes as u64, self.config.max_body);
        if max > 0 && bytes > max {
            return Err(Refusal::TooBig { bytes, max });
        }
        Ok(())
    }

    fn check_change(&self, job: &JobRef<'_>, change: &Change<'_>) -> Result<(), Refusal> {
        let job = self.job(self.find(job).ok_or(Refusal::NoSuchJob)?);
        if change.if_version.is_some_and(|version| version != job.version()) {
            // Nothing will be changed, so nothing can be wrong with it.
            return Ok(());
        }
        let headers = bytes_of(job.headers());
        change.body.map_or(Ok(()), |body| self.check_size(headers + body.len()))?;
        let waits = job.state().waits();
        let is_completed = matches!(job.state(), State::Completed { .. });
        if is_completed || change.due.is_some() && !waits {
            return Err(Refusal::WrongState(job.state().kind()));
        }
        // One of a batch that is held goes, and has to be delivered once more.
        let leaves = change.due.is_some() && self.goes_with_lease(job);
        let tries = change.tries.or(leaves.then(|| self.terms_of(job).tries));
        let is_enough = |tries| if leaves { job.deliveries < tries } else { self.fits(job, tries) };
        if tries.is_some_and(|tries| !is_enough(tries)) {
            return Err(Refusal::TooFewTries { deliveries: job.deliveries });
        }
        let expires_at = match change.ttl {
            Some(ttl) => (!ttl.is_zero()).then(|| self.clock.after(ttl)),
            None => self.expires_at(job),
        };
        let until = match change.due {
            Some(due) => Some(due.after(self.clock)),
            None => job.state().until(),
        };
        if change.due.is_some()
            && job.deadline().is_some_and(|end| until.is_some_and(|at| end < at))
        {
            return Err(Refusal::OverdueBeforeDue);
        }
        match (until, expires_at) {
            (Some(until), Some(end)) if end < until && (change.due, change.ttl) != (None, None) => {
                Err(Refusal::ExpiresBeforeDue)
            }
            _ => Ok(()),
        }
    }

    /// The job to be replaced, if one is named. Refuses an id that a job has, in any state and
    /// whoever gave it, unless it is this one's, or of one that is gone by then.
    #[inline]
    pub(crate) fn check_names(
        &self,
        publish: &Publish<'_>,
        is_gone: impl Fn(Slot) -> bool,
    ) -> Result<Option<Slot>, Refusal> {
        let replaced = match &publish.replaces {
            Some(job) => Some(self.find(job).ok_or(Refusal::NoSuchJob)?),
            None => None,
        };
        match publish.id.and_then(|id| self.find_id(id)) {
            Some(slot) if Some(slot) != replaced && !is_gone(slot) => {
                Err(Refusal::Duplicate(publish.id.unwrap_or_default().to_owned()))
            }
            _ => Ok(replaced),
        }
    }
}

fn check_revival(revival: &Revival) -> Result<(), Refusal> {
    match revival.ttl {
        Some(ttl) if !ttl.is_zero() && ttl < revival.delay => Err(Refusal::ExpiresBeforeDue),
        _ => Ok(()),
    }
}

/// What headers count against the longest body.
fn bytes_of<'h>(headers: impl Iterator<Item = (&'h [u8], &'h [u8])>) -> usize {
    headers.map(|(name, value)| name.len() + value.len()).sum()
}
