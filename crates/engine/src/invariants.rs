//! What must hold after every step, checked from scratch.

mod limits;

use std::collections::{HashMap, HashSet};

use crate::{
    interner::{Interner, Shared},
    job::Job,
    queue::hash_of,
    state::{State, StateKind},
    time::UnixMillis,
    Queue,
};

impl Queue {
    /// Recounts everything that is kept twice. O(n log n): for tests.
    ///
    /// # Errors
    /// A sentence that says what does not hold.
    pub fn check_invariants(&self) -> Result<(), String> {
        let (known, due) = (self.due(), self.due_at());
        if known != due {
            return Err(format!("work is due at {due:?}, and not at {known:?}"));
        }
        self.check_membership()?;
        self.check_order()?;
        self.check_jobs()?;
        self.check_limits()?;
        self.check_locks()?;
        self.check_gates()?;
        self.check_batches()?;
        self.check_families()?;
        self.check_outsiders()?;
        self.check_subscribers_of_jobs()?;
        self.check_numbers()?;
        self.check_journal()?;
        self.check_schedule_book()?;
        self.check_sums()
    }

    /// Whether a job was not delivered more often than so many tries allow: who can be taken has
    /// one left, and who was taken has spent one, unless it was for free. The dead start anew.
    pub(crate) fn fits(&self, job: &Job, tries: u32) -> bool {
        match job.state() {
            State::Gathering { .. } if self.goes_with_lease(job) => job.deliveries <= tries,
            State::Delayed { .. }
            | State::Held { .. }
            | State::Gathering { .. }
            | State::Ready { .. } => job.deliveries < tries,
            State::Leased { holder, .. } if self.holders.get(holder).counted => {
                (1..=tries).contains(&job.deliveries)
            }
            State::Leased { .. } => job.deliveries < tries,
            State::Completed { .. } | State::Dead { .. } => tries > 0,
        }
    }

    fn check_subscribers_of_jobs(&self) -> Result<(), String> {
        for (_, job) in self.jobs.iter() {
            let kept = job.extra.as_ref().and_then(|extra| extra.subscribers.as_ref());
            let is_final = job.state().kind().is_final();
            ensure(kept.is_none_or(|kept| kept.are_sound() && !is_final), || {
                format!("subscribers of {job:?}")
            })?;
        }
        self.subscriptions.check()
    }

    fn check_membership(&self) -> Result<(), String> {
        let mut counts = HashMap::new();
        for (slot, job) in self.jobs.iter() {
            *counts.entry(job.state().kind()).or_insert(0) += 1;
            let found = self.ids.find(hash_of(job.id(), self.hash_key), |at| at == slot);
            ensure(found == Some(slot), || format!("{} is not in the id index", job.id()))?;
        }
        for state in StateKind::ALL {
            let counted = counts.get(&state).copied().unwrap_or(0);
            ensure(self.len_of(state) == counted, || {
                format!("{} {} jobs, {counted} counted", self.len_of(state), state.name())
            })?;
        }
        ensure(self.ids.len() == self.jobs.len(), || "the id index has others".into())
    }

    fn check_order(&self) -> Result<(), String> {
        let mut walked = 0;
        let mut heads = Vec::new();
        for ((priority, place), list) in self.ready.lines() {
            ensure(list.len() > 0, || format!("an empty line of priority {priority}"))?;
            let mut last = None;
            for slot in list.iter(&self.jobs) {
                let job = &self.jobs[slot];
                let (rank, since) = (self.rank_of(job), job.state().since());
                let fits = matches!(job.state(), State::Ready { parked: false, .. })
                    && rank.priority == priority
                    && self.ready.place_of(rank) == Some(place);
                ensure(fits, || format!("{job:?} in the line of priority {priority}"))?;
                ensure(since >= last, || format!("{job:?} after {last:?}"))?;
                last = since;
                walked += 1;
            }
            heads.extend(list.first().and_then(|slot| self.jobs[slot].state().since()));
        }
        ensure(walked == self.ready.len(), || "a ready lane is broken".into())?;
        let in_turn: Vec<_> = self.ready.iter(&self.jobs).collect();
        ensure(in_turn.len() == walked, || "somebody has no turn".into())?;
        let oldest = heads.into_iter().min();
        ensure(self.ready.oldest(&self.jobs) == oldest, || format!("{oldest:?} is the oldest"))?;

        let timelines = [
            (&self.delayed, StateKind::Delayed),
            (&self.leased, StateKind::Leased),
            (&self.expiring, StateKind::Ready),
            (&self.retained, StateKind::Completed),
        ];
        for (timeline, kind) in timelines {
            for (at, seq, slot) in timeline.iter_after(None) {
                let job = &self.jobs[slot];
                let end = self.ends_at(job).filter(|_| !job.state().kind().is_final());
                let due = match job.state() {
                    State::Delayed { until } | State::Completed { until, .. } => Some(until),
                    State::Leased { deadline, .. } => Some(deadline),
                    State::Held { .. }
                    | State::Gathering { .. }
                    | State::Ready { .. }
                    | State::Dead { .. } => None,
                };
                let expected = due.into_iter().chain(end).min();
                // The held, the gathering and the ready share theirs.
                let fits = match job.state() {
                    State::Held { .. } | State::Gathering { .. } => kind == StateKind::Ready,
                    state => state.kind() == kind,
                };
                ensure(fits && job.seq() == seq && expected == Some(at), || {
                    format!("{job:?} in the {} timeline at {at}", kind.name())
                })?;
            }
        }
        let mortal = |(_, job): &(_, &Job)| {
            matches!(
                job.state(),
                State::Held { .. } | State::Gathering { .. } | State::Ready { .. }
            ) && self.ends_at(job).is_some()
        };
        ensure(self.expiring.len() == self.jobs.iter().filter(mortal).count(), || {
            "a held, gathering or ready job whose life ends is not in its timeline".into()
        })?;
        let kept_for_a_time = |(_, job): &(_, &Job)| match job.state() {
            State::Completed { until, .. } => until != UnixMillis::NEVER,
            _ => false,
        };
        ensure(self.retained.len() == self.jobs.iter().filter(kept_for_a_time).count(), || {
            "a completed job is not in its timeline".into()
        })?;

        let lists = [
            (&self.held, StateKind::Held),
            (&self.gathering, StateKind::Gathering),
            (&self.completed, StateKind::Completed),
            (&self.dead, StateKind::Dead),
        ];
        for (list, kind) in lists {
            let states: Vec<_> = list.iter(&self.jobs).map(|at| self.jobs[at].state()).collect();
            let name = kind.name();
            ensure(states.len() == list.len(), || format!("the {name} list is broken"))?;
            let fits = states.iter().all(|state| state.kind() == kind);
            ensure(fits, || format!("others among the {name}"))?;
            let sorted = states.is_sorted_by_key(|state| state.since());
            ensure(sorted, || format!("the {name} are not by age"))?;
        }
        ensure(!self.has_too_many_dead() || self.prunes(), || "too many dead".into())
    }

    fn check_jobs(&self) -> Result<(), String> {
        let mut tokens = HashSet::new();
        let mut places = HashSet::new();
        for (_, job) in self.jobs.iter() {
            ensure(self.fits(job, self.terms_of(job).tries), || {
                format!("tries and deliveries of {job:?}")
            })?;
            let waits = job.state().waits();
            ensure(!(waits && job.is_cancelled()), || format!("cancelled, and waits: {job:?}"))?;
            ensure(places.insert(job.seq()), || format!("not alone in its place: {job:?}"))?;
            ensure(job.ulid <= self.last_ulid, || format!("from the future: {job:?}"))?;
            ensure(job.seq() <= self.jobs_published, || format!("from the future: {job:?}"))?;
            if let State::Leased { token, .. } = job.state() {
                ensure(tokens.insert(token), || format!("a token twice: {job:?}"))?;
                ensure(token.0 <= self.tokens_granted, || format!("never granted: {job:?}"))?;
            }
        }
        Ok(())
    }

    fn check_locks(&self) -> Result<(), String> {
        let mut holders = 0;
        let mut ends = Vec::new();
        for (slot, job) in self.jobs.iter() {
            let Some(lock) = job.lock() else { continue };
            holders += 1;
            let found = self.locks.find(&lock.key, &self.jobs, self.hash_key);
            ensure(found == Some(slot), || format!("another has the lock of {job:?}"))?;
            ensure(job.may_hold(lock), || format!("its lock should be free: {job:?}"))?;
            let at = job.lock_ends().filter(|&at| at != UnixMillis::NEVER);
            ends.extend(at.map(|at| (at, job.seq(), slot)));
        }
        ensure(self.locks.len() == holders, || "somebody has a lock without a job".into())?;
        ends.sort_unstable();
        ensure(self.locks.ends().eq(ends), || "locks do not end as the jobs say".into())
    }

    fn check_sums(&self) -> Result<(), String> {
        let heap: usize = self.jobs.iter().map(|(_, job)| job.heap_bytes()).sum();
        ensure(heap == self.heap_bytes, || format!("{} bytes, {heap} counted", self.heap_bytes))?;
        let given = self.jobs.iter().filter(|(_, job)| job.given().is_some()).count();
        ensure(given == self.given_ids, || format!("{} given ids, {given}", self.given_ids))?;
        ensure(self.leases_are_sound(), || "a lease from a time to come".into())?;
        ensure(self.bonds_hold(), || format!("a bond without its lease: {:?}", self.bonds))?;

        let mut terms = HashMap::from([(self.default_terms, 1)]);
        let mut holders = HashMap::new();
        for (_, job) in self.jobs.iter() {
            *terms.entry(job.terms).or_insert(0) += 1;
            if let State::Leased { holder, .. } = job.state() {
                *holders.entry(holder).or_insert(0) += 1;
            }
        }
        ensure(uses(&self.terms) == terms, || "terms are miscounted".into())?;
        ensure(uses(&self.holders) == holders, || "holders are miscounted".into())
    }
}

fn uses<T: Shared>(interner: &Interner<T>) -> HashMap<crate::interner::Key, u32> {
    interner.uses().collect()
}

fn ensure(holds: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(complaint())
    }
}
