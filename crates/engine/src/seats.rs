//! Who stands in line, and who waits for a place of a limit.

use smallvec::SmallVec;

use crate::{
    bucket::Bucket,
    interner::Key,
    job::Job,
    limits::{
        Chore, ClassKey, GroupKey, Limit, LimitId, LimitKey, Needs, Permits, Standing, EACH_GROUP,
        WHOLE_QUEUE,
    },
    list::List,
    operation::Outcome,
    ready::{join_line, part_from_line, End, Rank},
    slab::Slot,
    state::State,
    terms::Terms,
    time::UnixMillis,
    uses::{self, LimitName},
    Queue,
};

/// Classes that one freed place looks at before the rest is left to the next ticks.
const SEATS_MAX: u32 = 64;

/// Jobs of lower priority that one may push out of the line.
const VICTIMS_MAX: usize = 8;

/// A limit that is set, as clients are told.
#[derive(Clone, Copy, Debug)]
pub struct LimitSet<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// What it permits.
    pub permits: Permits,
    /// By how much the jobs count that are held.
    pub held: Option<u64>,
    /// How many jobs wait in its room.
    pub waiting: Option<u64>,
    /// How many tokens are left.
    pub tokens: Option<u64>,
}

impl Terms {
    /// Whether a job on these terms counts against a limit, be it only its group's.
    pub(crate) fn is_bound(&self) -> bool {
        !self.group.is_empty() || !self.uses.is_empty()
    }

    /// The limits that such a job counts against, its group's first.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (LimitName<'_>, u32)> {
        let group = (!self.group.is_empty()).then_some((LimitName::Group(&self.group), 1));
        group.into_iter().chain(uses::iter(&self.uses).map(|wanted| (wanted.limit, wanted.weight)))
    }
}

impl Queue {
    /// Counts a new job against its limits.
    pub(crate) fn enroll(&mut self, job: &Job) {
        let terms = self.terms.get(job.terms);
        for (name, _) in terms.limits() {
            let weight = match name {
                LimitName::Group(name) => self.config.group_weight(name),
                _ => 1,
            };
            let key = self.limits.find_or_make(name, weight, self.hash_key);
            if let Some(limit) = self.limits.get_mut(key) {
                limit.jobs += 1;
                if limit.jobs == 1 {
                    // It may have stayed only until its bucket is full.
                    self.limits.look_at(key, None);
                }
            }
        }
    }

    /// Ceases to count a job that is about to be gone.
    pub(crate) fn dismiss(&mut self, job: &Job) {
        let terms = self.terms.get(job.terms);
        for (name, _) in terms.limits() {
            let Some(key) = self.limits.find(name, self.hash_key) else { continue };
            if let Some(limit) = self.limits.get_mut(key) {
                limit.jobs -= 1;
                if limit.jobs == 0 {
                    self.limits.forget_if_idle(key, self.clock, self.hash_key);
                }
            }
        }
    }

    /// Whether the jobs on these terms, of which there are some, count against a limit.
    #[inline]
    pub(crate) fn is_bound(&self, terms: Key) -> bool {
        !self.limits.are_none() && self.terms.get(terms).is_bound()
    }

    /// What a job needs, if it needs anything.
    pub(crate) fn needs_of(&self, job: &Job) -> Option<Needs> {
        let terms = self.terms.get(job.terms);
        if !terms.is_bound() {
            return None;
        }
        let find = |name| self.limits.find(name, self.hash_key);
        let found = terms.limits().filter_map(|(name, weight)| Some((find(name)?, weight)));
        let uses: SmallVec<[_; 2]> = found.collect();
        let is_grouped = !terms.group.is_empty();
        let group = uses.first().filter(|_| is_grouped).map_or(GroupKey::NONE, |(key, _)| *key);
        Some(Needs { group, uses })
    }

    fn rank(&self, job: &Job, needs: Option<&Needs>) -> Rank {
        let group = needs.map_or(GroupKey::NONE, |needs| needs.group);
        Rank { priority: self.terms.get(job.terms).priority, group }
    }

    /// The place in the order of service of a job that stands in line.
    pub(crate) fn rank_of(&self, job: &Job) -> Rank {
        self.rank(job, self.needs_of(job).as_ref())
    }

    /// Has a ready job stand in line, or wait if a limit has no place for it.
    pub(crate) fn sit_down(&mut self, slot: Slot, end: End) {
        let Some(needs) = self.needs_of(&self.jobs[slot]) else {
            let rank = self.rank(&self.jobs[slot], None);
            return self.ready.insert(&mut self.jobs, rank, slot, end);
        };
        let job = &self.jobs[slot];
        let priority = self.rank(job, None).priority;
        let standing = (priority, job.state().since().unwrap_or_default(), job.seq());
        // Not before others like it, also where they began to wait in this very millisecond.
        let before = self.limits.class_with(&needs);
        let before = before.filter(|class| end == End::Tail && class.standing.0 <= priority);
        if let Some(at) = before.map(|class| class.at) {
            return self.park(slot, needs, at, end);
        }
        let goes_first =
            |_, limit: &Limit| end == End::Head || stands_before(standing, limit, self);
        match self.blocker(&needs, goes_first) {
            Some(blocker) if !self.displace_for(&needs, priority) => {
                self.park(slot, needs, blocker, end);
            }
            _ => self.take_seat(slot, &needs, end),
        }
    }

    /// Has a job stand in line as it did when it was stored.
    pub(crate) fn take_seat_again(&mut self, slot: Slot) {
        match self.needs_of(&self.jobs[slot]) {
            Some(needs) => self.take_seat(slot, &needs, End::Tail),
            None => self.sit_down(slot, End::Tail),
        }
    }

    /// Has a job wait as it did when it was stored: in the room of the limit of this place among its
    /// needs. False if it has none there.
    pub(crate) fn park_again(&mut self, slot: Slot, place: usize) -> bool {
        let Some(needs) = self.needs_of(&self.jobs[slot]) else { return false };
        let Some(&(blocker, _)) = needs.uses.get(place) else { return false };
        self.park(slot, needs, blocker, End::Tail);
        true
    }

    /// The place of the limit that holds a waiting job up, among those that it needs.
    pub(crate) fn parked_at(&self, job: &Job) -> Option<usize> {
        let needs = self.needs_of(job)?;
        let class = self.limits.class_with(&needs)?;
        needs.uses.iter().position(|(key, _)| *key == class.at)
    }

    /// The jobs that wait for a place, in the order in which they are stored: limit by limit, each
    /// class in the order in which it waits, and in it by priority.
    pub(crate) fn parked(&self) -> impl Iterator<Item = Slot> + '_ {
        let find = |id: &LimitId| self.limits.find(id.name(), self.hash_key);
        let limits = self.limits.waited.iter().filter_map(move |id| self.limits.get(find(id)?));
        let classes = limits.flat_map(|limit| limit.room.iter());
        let lists = classes.filter_map(|key| self.limits.class(key)).flat_map(|it| &it.lists);
        lists.flat_map(|(_, list)| list.iter(&self.jobs))
    }

    /// The limit that holds a ready job up, and how much of it is taken: one of its own before that of
    /// the whole queue. O(limits of the job).
    #[must_use]
    pub fn held_up_by(&self, job: &Job) -> Option<(LimitName<'_>, u64)> {
        let State::Ready { parked, .. } = job.state() else { return None };
        if !parked {
            let whole = (LimitName::Named(WHOLE_QUEUE), self.leased.len() as u64);
            return (self.room_in_queue() == 0).then_some(whole);
        }
        let class = self.limits.class_with(&self.needs_of(job)?)?;
        let limit = self.limits.get(class.at)?;
        Some((limit.id.name(), limit.held + limit.claimed))
    }

    /// Takes a ready job out of the line, or out of those who wait.
    pub(crate) fn stand_up(&mut self, slot: Slot) {
        let needs = self.needs_of(&self.jobs[slot]);
        let is_parked = matches!(self.jobs[slot].state(), State::Ready { parked: true, .. });
        if let Some(needs) = needs.as_ref().filter(|_| is_parked) {
            // Those behind it may fit where it did not.
            let at = self.limits.class_with(needs).map(|class| class.at);
            self.limits.freed.extend(at);
            return self.unpark(slot, needs);
        }
        let rank = self.rank(&self.jobs[slot], needs.as_ref());
        self.ready.remove(&mut self.jobs, rank, slot);
        let Some(needs) = needs else { return };
        let seq = self.jobs[slot].seq();
        for &(key, weight) in &needs.uses {
            let Some(limit) = self.limits.get_mut(key) else { continue };
            limit.claimed -= u64::from(weight);
            if key != needs.group {
                limit.claimants.remove(by_priority(rank.priority), seq, slot);
            }
            self.limits.freed.push(key);
        }
    }

    /// Counts a job among those that are held.
    pub(crate) fn hold(&mut self, slot: Slot) {
        let Some(needs) = self.needs_of(&self.jobs[slot]) else { return };
        for &(key, weight) in &needs.uses {
            if let Some(limit) = self.limits.get_mut(key) {
                limit.held += u64::from(weight);
            }
        }
    }

    /// Ceases to count it among them.
    pub(crate) fn let_go(&mut self, slot: Slot) {
        let Some(needs) = self.needs_of(&self.jobs[slot]) else { return };
        for &(key, weight) in &needs.uses {
            if let Some(limit) = self.limits.get_mut(key) {
                limit.held -= u64::from(weight);
                self.limits.freed.push(key);
            }
        }
    }

    /// Whether the delivery of a job costs tokens or a turn.
    pub(crate) fn is_charged(&self, slot: Slot) -> bool {
        self.ready.has_groups()
            || self.limits.whole.rate.is_some()
            || self.is_bound(self.jobs[slot].terms)
    }

    /// Takes the tokens that the delivery of a job costs, and counts its group as served.
    pub(crate) fn charge(&mut self, slot: Slot) {
        if let Some(rate) = self.limits.whole.rate {
            self.limits.whole_bucket.take(rate, self.clock, 1);
        }
        let needs = self.needs_of(&self.jobs[slot]);
        let rank = self.rank(&self.jobs[slot], needs.as_ref());
        self.ready.serve(rank, self.limits.weight_of(rank.group));
        for (key, weight) in needs.into_iter().flat_map(|needs| needs.uses) {
            let Some(limit) = self.limits.get(key) else { continue };
            if let Some(rate) = self.limits.permits_of(&limit.id).rate {
                if let Some(limit) = self.limits.get_mut(key) {
                    limit.bucket.take(rate, self.clock, weight);
                }
            }
        }
    }

    /// Gives places that have become free in this step to those who wait for them.
    pub(crate) fn seat_freed(&mut self) {
        let mut left = SEATS_MAX;
        while !self.limits.freed.is_empty() {
            let freed = std::mem::take(&mut self.limits.freed);
            for key in freed {
                if !self.seat(key, &mut left) {
                    let id = self.limits.get(key).map(|limit| Chore::Seat(limit.id.clone()));
                    self.add_chores(id);
                }
            }
        }
    }

    pub(crate) fn add_chores(&mut self, chores: impl IntoIterator<Item = Chore>) {
        for chore in chores {
            if !self.limits.chores.contains(&chore) {
                self.limits.chores.push_back(chore);
            }
        }
    }

    /// Says what a limit permits. Those that wait for it, or have too much of it, are seen to in
    /// slices. O(log n), and O(n) with n groups for what holds for each.
    pub(crate) fn set_limit(&mut self, name: &[u8], permits: Option<Permits>) -> Outcome {
        let value = permits.unwrap_or_default();
        let was_set = match name {
            WHOLE_QUEUE => std::mem::replace(&mut self.limits.whole, value) != Permits::default(),
            EACH_GROUP => {
                std::mem::replace(&mut self.limits.each_group, value) != Permits::default()
            }
            _ => match permits {
                Some(permits) => self.limits.permits.insert(name.into(), permits).is_some(),
                None => self.limits.permits.remove(name).is_some(),
            },
        };
        if value.rate.is_none() {
            self.limits.fill_buckets(name);
        }
        let keys: Vec<LimitKey> = match name {
            WHOLE_QUEUE => Vec::new(),
            EACH_GROUP => self.groups_to_see_to(),
            _ => self.limits.find(LimitName::Named(name), self.hash_key).into_iter().collect(),
        };
        for key in keys {
            let Some(limit) = self.limits.get(key) else { continue };
            let id = limit.id.clone();
            let has_too_many = self.has_too_many(limit);
            if limit.room.len() > 0 {
                self.add_chores([Chore::Seat(id.clone())]);
            }
            if has_too_many {
                self.add_chores([Chore::Revoke(id)]);
            }
            self.limits.forget_if_idle(key, self.clock, self.hash_key);
        }
        match permits {
            Some(_) => Outcome::Configured,
            None => Outcome::Done(u64::from(was_set)),
        }
    }

    /// The groups in whose rooms somebody waits, or of which too many stand in line, by their names.
    fn groups_to_see_to(&self) -> Vec<LimitKey> {
        let groups = self.limits.iter().filter(|(_, limit)| {
            let is_group = matches!(limit.id, LimitId::Group(_));
            is_group && (limit.room.len() > 0 || limit.jobs == 0 || self.has_too_many(limit))
        });
        let mut groups: Vec<_> = groups.map(|(key, limit)| (&limit.id, key)).collect();
        groups.sort_unstable_by_key(|(id, _)| *id);
        groups.into_iter().map(|(_, key)| key).collect()
    }

    /// Whether more of a limit is taken by those in line than there is for them.
    fn has_too_many(&self, limit: &Limit) -> bool {
        let permits = self.limits.permits_of(&limit.id);
        let most = permits.concurrency.map_or(u64::MAX, u64::from);
        let tokens = |rate| limit.bucket.tokens(rate, self.clock);
        let tokens = permits.rate.map_or(u64::MAX, tokens);
        limit.claimed > 0 && (limit.held + limit.claimed > most || limit.claimed > tokens)
    }

    /// Whether a job in line may be taken though too many stand there since a limit was lowered.
    pub(crate) fn is_permitted(&self, job: &Job) -> bool {
        let Some(needs) = self.needs_of(job) else { return true };
        needs.uses.iter().all(|&(key, weight)| {
            let limit = self.limits.get(key);
            limit.is_none_or(|limit| self.limits.has_room_beside(limit, 0, weight, self.clock))
        })
    }

    /// Does a piece of what is left to do after a limit was changed. False if nothing is.
    pub(crate) fn work_on_chore(&mut self) -> bool {
        let Some(chore) = self.limits.chores.front().cloned() else { return false };
        let (Chore::Seat(id) | Chore::Revoke(id)) = &chore;
        let key = self.limits.find(id.name(), self.hash_key);
        let is_done = match (&chore, key) {
            (Chore::Seat(_), Some(key)) => self.seat(key, &mut 1),
            (Chore::Revoke(_), Some(key)) => !self.revoke_one(key),
            (_, None) => true,
        };
        if is_done {
            self.limits.chores.pop_front();
        }
        self.seat_freed();
        true
    }

    /// Looks at a limit whose bucket has tokens again.
    pub(crate) fn refill(&mut self) {
        let Some(key) = self.limits.pop_refill(self.hash_key) else { return };
        self.limits.freed.push(key);
        self.seat_freed();
        self.limits.forget_if_idle(key, self.clock, self.hash_key);
    }

    /// Gives free places of a limit to those who wait for them, in up to `left` steps. False if that
    /// did not do.
    fn seat(&mut self, key: LimitKey, left: &mut u32) -> bool {
        loop {
            let Some(limit) = self.limits.get(key) else { return true };
            let Some(class) = limit.room.first() else {
                self.limits.forget_if_idle(key, self.clock, self.hash_key);
                return true;
            };
            if *left == 0 {
                return false;
            }
            let Some((needs, slot, standing)) = self.first_waiting(class) else { return true };
            let stands_first =
                |at, limit: &Limit| at == key || stands_before(standing, limit, self);
            match self.blocker(&needs, stands_first) {
                None => {
                    *left -= 1;
                    let weight = self.limits.weight_of(needs.group);
                    if let Some(limit) = self.limits.get_mut(key) {
                        limit.room.serve(standing.0, needs.group, weight);
                    }
                    self.unpark(slot, &needs);
                    self.take_seat(slot, &needs, End::Tail);
                }
                Some(blocker) if blocker == key => {
                    let weight = weight_in(&needs, key);
                    let limit = self.limits.get(key);
                    let at = limit.and_then(|it| self.limits.has_room_at(it, weight, self.clock));
                    self.limits.look_at(key, at);
                    return true;
                }
                Some(blocker) => {
                    *left -= 1;
                    self.limits.leave_room(class);
                    self.limits.enter_room(class, blocker, standing, End::Tail);
                    self.await_refill(blocker, &needs);
                }
            }
        }
    }

    /// Sees to it that a limit is looked at when it has tokens for jobs like this one.
    fn await_refill(&mut self, key: LimitKey, needs: &Needs) {
        let Some(limit) = self.limits.get(key) else { return };
        let at = self.limits.has_room_at(limit, weight_in(needs, key), self.clock);
        if let Some(at) = at.filter(|at| limit.refill.is_none_or(|known| *at < known)) {
            self.limits.look_at(key, Some(at));
        }
    }

    /// The first limit that has no place for a job with these needs, or one for which others wait
    /// before whom it does not go.
    fn blocker(
        &self,
        needs: &Needs,
        goes_first: impl Fn(LimitKey, &Limit) -> bool,
    ) -> Option<LimitKey> {
        let lacks = |&&(key, weight): &&(LimitKey, u32)| {
            let Some(limit) = self.limits.get(key) else { return false };
            !goes_first(key, limit) || !self.limits.has_room(limit, weight, self.clock)
        };
        needs.uses.iter().find(lacks).map(|(key, _)| *key)
    }

    fn take_seat(&mut self, slot: Slot, needs: &Needs, end: End) {
        let job = &mut self.jobs[slot];
        let seq = job.seq();
        if let State::Ready { since, .. } = job.state() {
            job.state = State::Ready { since, parked: false }.into();
        }
        let rank = self.rank(&self.jobs[slot], Some(needs));
        for &(key, weight) in &needs.uses {
            let Some(limit) = self.limits.get_mut(key) else { continue };
            limit.claimed += u64::from(weight);
            if key != needs.group {
                limit.claimants.insert(by_priority(rank.priority), seq, slot);
            }
        }
        self.ready.insert(&mut self.jobs, rank, slot, end);
    }

    /// Makes place for a job among those in line that have a lower priority, if they have enough of
    /// it; those wait then, before all others like them.
    fn displace_for(&mut self, needs: &Needs, priority: i8) -> bool {
        let Some(victims) = self.victims_for(needs, priority) else { return false };
        for slot in victims {
            let Some(needs_of_victim) = self.needs_of(&self.jobs[slot]) else { continue };
            let mut keys = needs_of_victim.uses.iter().map(|(key, _)| *key);
            let Some(blocker) = keys.find(|key| weight_in(needs, *key) > 0) else { continue };
            self.stand_up(slot);
            self.park(slot, needs_of_victim, blocker, End::Head);
        }
        true
    }

    fn victims_for(&self, needs: &Needs, priority: i8) -> Option<SmallVec<[Slot; 2]>> {
        let mut victims: SmallVec<[Slot; 2]> = SmallVec::new();
        for &(key, weight) in &needs.uses {
            let limit = self.limits.get(key)?;
            if waits_before(limit, priority) {
                return None;
            }
            let mut claimed = limit.claimed;
            let mut lower: SmallVec<[Slot; 2]> = SmallVec::new();
            if key == needs.group {
                lower.extend(self.ready.last_behind(priority, key));
            } else {
                let worse = limit.claimants.iter_before(None);
                let worse = worse.take_while(|(at, _, _)| *at > by_priority(priority));
                lower.extend(worse.map(|(_, _, slot)| slot).take(VICTIMS_MAX));
            }
            for slot in lower {
                if self.limits.has_room_beside(limit, claimed, weight, self.clock) {
                    break;
                }
                claimed -= u64::from(weight_in(&self.needs_of(&self.jobs[slot])?, key));
                if !victims.contains(&slot) {
                    victims.push(slot);
                }
            }
            if !self.limits.has_room_beside(limit, claimed, weight, self.clock) {
                return None;
            }
        }
        Some(victims)
    }

    /// Takes its place from the last in line of those that count against a limit, if they are too
    /// many. False if they are not.
    fn revoke_one(&mut self, key: LimitKey) -> bool {
        let Some(limit) = self.limits.get(key) else { return false };
        let last = match limit.id {
            LimitId::Group(_) => self.ready.last_behind(i8::MIN, key),
            _ => limit.claimants.iter_before(None).map(|(_, _, slot)| slot).next(),
        };
        let Some(slot) = last else { return false };
        let Some(needs) = self.needs_of(&self.jobs[slot]) else { return false };
        let weight = weight_in(&needs, key);
        // What the last one has beside all others, nobody has too much of.
        let others = limit.claimed - u64::from(weight);
        if self.limits.has_room_beside(limit, others, weight, self.clock) {
            return false;
        }
        self.stand_up(slot);
        self.park(slot, needs, key, End::Head);
        true
    }

    /// The needs of a class, its first job, and where that has it stand.
    fn first_waiting(&self, class: ClassKey) -> Option<(Needs, Slot, Standing)> {
        let class = self.limits.class(class)?;
        let (_, list) = class.lists.first()?;
        Some((class.needs.clone(), list.first()?, class.standing))
    }

    /// Has a ready job wait, in its class.
    fn park(&mut self, slot: Slot, needs: Needs, blocker: LimitKey, end: End) {
        let priority = self.rank(&self.jobs[slot], None).priority;
        let known = self.limits.class_of(&needs);
        let key = known.unwrap_or_else(|| self.limits.make_class(needs.clone(), blocker));
        let job = &mut self.jobs[slot];
        if let State::Ready { since, .. } = job.state() {
            job.state = State::Ready { since, parked: true }.into();
        }
        let Some(class) = self.limits.class_mut(key) else { return };
        let at = class.lists.partition_point(|(other, _)| *other < priority);
        if class.lists.get(at).is_none_or(|(other, _)| *other != priority) {
            class.lists.insert(at, (priority, List::default()));
        }
        let mut list = class.lists[at].1;
        join_line(&mut list, &mut self.limits.heads, &mut self.jobs, slot, end);
        if let Some(class) = self.limits.class_mut(key) {
            class.lists[at].1 = list;
        }
        self.limits.parked += 1;
        if known.is_some() {
            self.count_waiting(key, 1);
            // It may be its first job now, which another limit holds up than the class until now.
            let at = self.limits.class(key).map(|class| class.at);
            self.limits.freed.extend(at.filter(|at| *at != blocker));
        }
        self.stand_in_room(key, known.is_none().then_some(blocker), end);
        self.await_refill(blocker, &needs);
    }

    fn unpark(&mut self, slot: Slot, needs: &Needs) {
        let Some(key) = self.limits.class_of(needs) else { return };
        let priority = self.rank(&self.jobs[slot], None).priority;
        let Some(class) = self.limits.class(key) else { return };
        let at = class.lists.partition_point(|(other, _)| *other < priority);
        let mut list = class.lists[at].1;
        part_from_line(&mut list, &mut self.limits.heads, &mut self.jobs, slot);
        if let Some(class) = self.limits.class_mut(key) {
            if list.len() == 0 {
                class.lists.remove(at);
            } else {
                class.lists[at].1 = list;
            }
        }
        self.limits.parked -= 1;
        self.count_waiting(key, -1);
        self.stand_in_room(key, None, End::Tail);
    }

    /// Counts one more or less of a class in the room where it is.
    fn count_waiting(&mut self, key: ClassKey, change: i64) {
        let at = self.limits.class(key).map(|class| class.at);
        if let Some(limit) = at.and_then(|at| self.limits.get_mut(at)) {
            limit.waiting = limit.waiting.saturating_add_signed(change);
        }
    }

    /// The limits that are set, in the order of their names: those of the whole queue and of each
    /// group come first. O(n).
    #[must_use]
    pub fn limits_set(&self) -> Vec<LimitSet<'_>> {
        let whole = self.limits.whole;
        let tokens = whole.rate.map(|rate| self.limits.whole_bucket.tokens(rate, self.clock));
        let (held, waiting) = (Some(self.leased.len() as u64), Some(0));
        let whole = LimitSet { name: WHOLE_QUEUE, permits: whole, held, waiting, tokens };
        let each = self.limits.each_group;
        let each =
            LimitSet { name: EACH_GROUP, permits: each, held: None, waiting: None, tokens: None };
        let named = self.limits.permits.iter().map(|(name, permits)| {
            let key = self.limits.find(LimitName::Named(name), self.hash_key);
            let limit = key.and_then(|key| self.limits.get(key));
            let bucket = limit.map_or(Bucket::default(), |limit| limit.bucket);
            LimitSet {
                name,
                permits: *permits,
                held: Some(limit.map_or(0, |limit| limit.held)),
                waiting: Some(limit.map_or(0, |limit| limit.waiting)),
                tokens: permits.rate.map(|rate| bucket.tokens(rate, self.clock)),
            }
        });
        let is_set = |it: &LimitSet<'_>| it.permits != Permits::default();
        [whole, each].into_iter().filter(is_set).chain(named).collect()
    }

    /// Has a class stand in its room by what is its first job now, or nowhere if it has none; a class
    /// that is new, in the room of this limit.
    fn stand_in_room(&mut self, key: ClassKey, new_at: Option<LimitKey>, end: End) {
        let Some(class) = self.limits.class(key) else { return };
        let first =
            class.lists.first().and_then(|(priority, list)| Some((*priority, list.first()?)));
        let Some((priority, slot)) = first else {
            self.limits.leave_room(key);
            return self.limits.forget_class(key);
        };
        let job = &self.jobs[slot];
        let standing = (priority, job.state().since().unwrap_or_default(), job.seq());
        match new_at {
            Some(at) => self.limits.enter_room(key, at, standing, end),
            None if standing == class.standing => {}
            None => self.limits.move_in_room(key, standing, end),
        }
    }
}

/// Whether others wait for a place of a limit that a job of this priority does not go before.
fn waits_before(limit: &Limit, priority: i8) -> bool {
    limit.room.priority().is_some_and(|waiting| waiting <= priority)
}

/// Whether nobody waits for a place of a limit who does so for longer than one who stands so.
fn stands_before(standing: Standing, limit: &Limit, queue: &Queue) -> bool {
    let first = limit.room.first().and_then(|class| queue.limits.class(class));
    first.is_none_or(|first| standing <= first.standing)
}

/// By how much a job with these needs counts against a limit.
fn weight_in(needs: &Needs, key: LimitKey) -> u32 {
    needs.uses.iter().find(|(used, _)| *used == key).map_or(0, |(_, weight)| *weight)
}

/// Priorities as a timeline orders them, lowest number first.
fn by_priority(priority: i8) -> UnixMillis {
    UnixMillis((i64::from(priority) - i64::from(i8::MIN)) as u64)
}
