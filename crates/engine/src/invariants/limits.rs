//! What must hold of limits, of those who wait for them, and of the turns of groups.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::ensure;
use crate::{
    limits::{Chore, ClassKey, Limit, LimitKey},
    state::State,
    Queue,
};

/// By how much jobs count against a limit, by where they are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Count {
    jobs: u64,
    held: u64,
    claimed: u64,
}

impl Queue {
    pub(super) fn check_limits(&self) -> Result<(), String> {
        ensure(self.limits.freed.is_empty(), || "a free place was forgotten".into())?;
        self.check_counts()?;
        self.check_classes()?;
        self.check_rooms()
    }

    fn check_counts(&self) -> Result<(), String> {
        let mut counts: HashMap<LimitKey, Count> = HashMap::new();
        let mut parked = 0;
        for (_, job) in self.jobs.iter() {
            let needs = self.needs_of(job);
            let named = self.terms_of(job).limits().count();
            let found = needs.as_ref().map_or(0, |needs| needs.uses.len());
            ensure(named == found, || format!("a limit of {job:?} is not known"))?;
            let is_parked = matches!(job.state(), State::Ready { parked: true, .. });
            parked += usize::from(is_parked);
            for (key, weight) in needs.into_iter().flat_map(|needs| needs.uses) {
                let count = counts.entry(key).or_default();
                count.jobs += 1;
                match job.state() {
                    State::Leased { .. } => count.held += u64::from(weight),
                    State::Ready { parked: false, .. } => count.claimed += u64::from(weight),
                    _ => {}
                }
            }
        }
        ensure(parked == self.limits.parked, || {
            format!("{} parked, {parked}", self.limits.parked)
        })?;
        for (key, limit) in self.limits.iter() {
            let counted = counts.remove(&key).unwrap_or_default();
            let kept = Count { jobs: limit.jobs, held: limit.held, claimed: limit.claimed };
            ensure(counted == kept, || format!("{:?}: {kept:?}, {counted:?}", limit.id))?;
            ensure(limit.jobs > 0 || limit.refill.is_some(), || format!("{:?} idle", limit.id))?;
        }
        ensure(counts.is_empty(), || "a limit is missing".into())
    }

    fn check_classes(&self) -> Result<(), String> {
        let mut parked = 0;
        for ((key, priority), list) in self.limits.lines() {
            let class = self.limits.class(key).ok_or("a line without a class")?;
            ensure(list.len() > 0, || format!("nobody waits in {class:?}"))?;
            let mut since = None;
            for slot in list.iter(&self.jobs) {
                let job = &self.jobs[slot];
                let needs = self.needs_of(job);
                let fits = matches!(job.state(), State::Ready { parked: true, .. })
                    && needs.as_ref() == Some(&class.needs)
                    && self.terms_of(job).priority == priority;
                ensure(fits, || format!("{job:?} in {class:?}"))?;
                ensure(since <= job.state().since(), || format!("{job:?} is too early"))?;
                since = job.state().since();
                parked += 1;
            }
            let first = class.lists.first().and_then(|(_, list)| list.first());
            let first = first.map(|slot| &self.jobs[slot]).ok_or("a class of nobody")?;
            let standing = (
                self.terms_of(first).priority,
                first.state().since().unwrap_or_default(),
                first.seq(),
            );
            ensure(class.standing == standing, || format!("{class:?} is not {standing:?}"))?;
        }
        ensure(parked == self.limits.parked, || format!("{parked} in classes"))
    }

    fn check_rooms(&self) -> Result<(), String> {
        let classes: HashSet<u32> = self.limits.lines().map(|((key, _), _)| key.0).collect();
        let mut waiting = HashSet::new();
        let mut waited = BTreeSet::new();
        for (key, limit) in self.limits.iter() {
            let (mut len, mut jobs) = (0, 0);
            for class in limit.room.iter() {
                len += 1;
                jobs += self.limits.class(class).map_or(0, |class| class.len());
                let at = self.limits.class(class).map(|class| class.at);
                ensure(at == Some(key), || format!("a class in the room of {:?}", limit.id))?;
                ensure(waiting.insert(class.0), || "a class in two rooms".into())?;
            }
            ensure(jobs == limit.waiting, || format!("{jobs} wait for {:?}", limit.id))?;
            ensure(len == limit.room.len(), || format!("the room of {:?}", limit.id))?;
            if len > 0 {
                waited.insert(limit.id.clone());
            }
            self.check_limit(key, limit)?;
        }
        ensure(waiting == classes, || "a class is in no room".into())?;
        ensure(waited == self.limits.waited, || "others are waited for".into())
    }

    /// No limit gives more than it has, and no free place is kept from one who waits for it.
    fn check_limit(&self, key: LimitKey, limit: &Limit) -> Result<(), String> {
        let is_seen_to = |chore: &Chore| {
            let (Chore::Seat(id) | Chore::Revoke(id)) = chore;
            *id == limit.id
        };
        if self.limits.chores.iter().any(is_seen_to) {
            return Ok(());
        }
        let permits = self.limits.permits_of(&limit.id);
        if let Some(most) = permits.concurrency {
            let fits = limit.held + limit.claimed <= u64::from(most);
            let is_alone = limit.claimed == 0 || self.is_one_alone(key, limit);
            ensure(fits || is_alone, || format!("{:?} gives more than {most}", limit.id))?;
        }
        if let Some(rate) = permits.rate {
            let fits = limit.claimed <= limit.bucket.tokens(rate, self.clock);
            let is_alone = limit.claimed == 0 || limit.claimed > u64::from(rate.tokens);
            ensure(fits || is_alone, || format!("{:?} gives more tokens than it has", limit.id))?;
        }
        let Some(ClassKey(first)) = limit.room.first() else { return Ok(()) };
        let class = self.limits.class(ClassKey(first)).ok_or("no class")?;
        let weight = class.needs.uses.iter().find(|(used, _)| *used == key).map_or(0, |it| it.1);
        let has_room = self.limits.has_room(limit, weight, self.clock);
        let is_due = limit.refill.is_some_and(|at| at <= self.clock);
        ensure(!has_room || is_due, || format!("{:?} has room for {class:?}", limit.id))?;
        // One that lacks a place besides is looked at when that comes back.
        let is_place_free = permits.concurrency.is_none_or(|most| {
            let held = limit.held + limit.claimed;
            held == 0 || held + u64::from(weight) <= u64::from(most)
        });
        let at = self.limits.has_room_at(limit, weight, self.clock);
        if let Some(at) = at.filter(|_| is_place_free) {
            let is_looked_at = limit.refill.is_some_and(|refill| refill <= at);
            ensure(is_looked_at, || format!("{:?} is looked at too late", limit.id))?;
        }
        Ok(())
    }

    /// Whether all that is claimed of a limit is claimed by one job, which needs more than there is.
    fn is_one_alone(&self, key: LimitKey, limit: &Limit) -> bool {
        let claims = |slot| {
            let needs = self.needs_of(&self.jobs[slot]);
            needs.is_some_and(|needs| needs.uses.iter().any(|(used, _)| *used == key))
        };
        limit.held == 0 && self.ready.iter(&self.jobs).filter(|slot| claims(*slot)).count() == 1
    }
}
