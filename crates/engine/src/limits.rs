//! Limits: how many of the jobs that count against one may be held at a time, how many may be taken
//! in a time, and who waits for a place.
//!
//! A ready job that uses limits takes its places as it joins the line, so that whatever stands in
//! line may be taken; one for which there is no place is *parked*. Jobs with the same limits wait
//! together, as a class, in the room of the one limit that holds them up: so a limit that gets a
//! place looks at a few classes, and not at a crowd of jobs. In a room the groups have their turns
//! as in the line itself.
//!
//! This is what is kept of limits; who takes a place and when is in [`seats`](crate::seats).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;
use std::hash::{Hash, Hasher};

use crate::{
    bucket::{Bucket, Rate},
    list::List,
    slab::Slot,
    time::UnixMillis,
    timeline::Timeline,
    turns::{End, Turns},
    uses::LimitName,
};

/// Names a limit that jobs count against, for as long as any does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LimitKey(pub(crate) u32);

impl LimitKey {
    /// No limit.
    pub const NONE: Self = Self(u32::MAX);
}

/// A group is known by its limit, which it has whether or not anybody has set it.
pub type GroupKey = LimitKey;

/// The name under which clients set what holds for the whole queue.
pub const WHOLE_QUEUE: &[u8] = b"*";
/// The name under which they set what holds for each group by itself.
pub const EACH_GROUP: &[u8] = b"group:*";

/// What a limit permits; anything, if neither is named.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Permits {
    /// By how much jobs may count that are held at a time; at least 1.
    pub concurrency: Option<u32>,
    /// By how much those that are taken in a time.
    pub rate: Option<Rate>,
}

/// The name of a limit with bytes of its own.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LimitId {
    /// See [`LimitName::Named`].
    Named(Box<[u8]>),
    /// See [`LimitName::Mutex`].
    Mutex(Box<[u8]>),
    /// See [`LimitName::Group`].
    Group(Box<[u8]>),
}

impl Room {
    fn bytes(&self) -> usize {
        let lanes = self.lanes.iter().map(|(_, turns)| turns.bytes());
        self.lanes.capacity() * size_of::<(i8, Turns<Timeline>)>() + lanes.sum::<usize>()
    }
}

impl LimitId {
    /// The same without bytes of its own.
    #[must_use]
    pub fn name(&self) -> LimitName<'_> {
        match self {
            Self::Named(name) => LimitName::Named(name),
            Self::Mutex(name) => LimitName::Mutex(name),
            Self::Group(name) => LimitName::Group(name),
        }
    }
}

impl From<LimitName<'_>> for LimitId {
    fn from(name: LimitName<'_>) -> Self {
        match name {
            LimitName::Named(name) => Self::Named(name.into()),
            LimitName::Mutex(name) => Self::Mutex(name.into()),
            LimitName::Group(name) => Self::Group(name.into()),
        }
    }
}

/// What a job needs: the limits that it counts against and by how much, its group's among them.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Needs {
    /// Its group.
    pub group: GroupKey,
    /// In the order in which they are looked at.
    pub uses: SmallVec<[(LimitKey, u32); 2]>,
}

/// A limit that jobs count against.
#[derive(Clone, Debug)]
pub struct Limit {
    pub id: LimitId,
    /// How many jobs count against it, whatever their states.
    pub jobs: u64,
    /// By how much those do that are held.
    pub held: u64,
    /// By how much those do that stand in line.
    pub claimed: u64,
    pub bucket: Bucket,
    /// When its bucket is looked at next.
    pub refill: Option<UnixMillis>,
    /// Those that stand in line, by their priority; not of a group, whose line tells.
    pub claimants: Timeline,
    pub room: Room,
    /// How many jobs wait in the room.
    pub waiting: u64,
    /// How many jobs are served in a turn, of a group.
    pub weight: u32,
}

/// Those that wait for a place of one limit. Invariant: lanes ascend by priority, and none is empty.
#[derive(Clone, Debug, Default)]
pub struct Room {
    lanes: Vec<(i8, Turns<Timeline>)>,
    len: usize,
}

/// Where a class stands in a room: the priority, the instant and the place of its first job.
pub type Standing = (i8, UnixMillis, u64);

/// Jobs that wait with the same needs.
#[derive(Clone, Debug)]
pub struct Class {
    pub needs: Needs,
    /// By priority. Invariant: ascending, and no list is empty.
    pub lists: SmallVec<[(i8, List); 1]>,
    /// In whose room it waits, and where.
    pub at: LimitKey,
    pub standing: Standing,
}

/// Names a class for as long as a job of it waits.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ClassKey(pub u32);

/// What is left to do after a limit was changed, in slices.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Chore {
    /// Give its free places to those who wait.
    Seat(LimitId),
    /// Take places from those who stand in line, for as long as there are too many.
    Revoke(LimitId),
}

/// All limits of a queue.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// What clients have set, by the names they know.
    pub permits: BTreeMap<Box<[u8]>, Permits>,
    /// What is set for the whole queue, and for each group.
    pub whole: Permits,
    pub whole_bucket: Bucket,
    pub each_group: Permits,
    limits: Vec<Option<Limit>>,
    vacant: Vec<u32>,
    by_name: HashTable<u32>,
    classes: Vec<Option<Class>>,
    vacant_classes: Vec<u32>,
    by_needs: HashTable<u32>,
    /// Limits with somebody in their room. Ordered by name: by it, they are gone through.
    pub waited: BTreeSet<LimitId>,
    /// When buckets are to be looked at.
    refills: BTreeSet<(UnixMillis, LimitId)>,
    /// Limits that have got a place in this step.
    pub freed: SmallVec<[LimitKey; 2]>,
    pub chores: VecDeque<Chore>,
    /// How many jobs wait.
    pub parked: usize,
    /// The first job of each list of a class, by since when it is ready.
    pub heads: Timeline,
}

impl Limits {
    /// What a limit permits.
    pub fn permits_of(&self, id: &LimitId) -> Permits {
        match id {
            LimitId::Named(name) => self.permits.get(name).copied().unwrap_or_default(),
            LimitId::Mutex(_) => Permits { concurrency: Some(1), rate: None },
            LimitId::Group(_) => self.each_group,
        }
    }

    /// The limit of this name, if a job counts against it. O(1).
    pub fn find(&self, name: LimitName<'_>, hash_key: u64) -> Option<LimitKey> {
        let is_it =
            |&at: &u32| self.limits[at as usize].as_ref().is_some_and(|l| l.id.name() == name);
        self.by_name.find(hash_of(&name, hash_key), is_it).map(|&at| LimitKey(at))
    }

    /// The same, made if there is none.
    pub fn find_or_make(&mut self, name: LimitName<'_>, weight: u32, hash_key: u64) -> LimitKey {
        if let Some(key) = self.find(name, hash_key) {
            return key;
        }
        let limit = Limit {
            id: name.into(),
            jobs: 0,
            held: 0,
            claimed: 0,
            bucket: Bucket::default(),
            refill: None,
            claimants: Timeline::default(),
            room: Room::default(),
            waiting: 0,
            weight,
        };
        let at = put(&mut self.limits, &mut self.vacant, limit);
        let limits = &self.limits;
        self.by_name.insert_unique(hash_of(&name, hash_key), at, |&at| {
            limits[at as usize].as_ref().map_or(0, |limit| hash_of(&limit.id.name(), hash_key))
        });
        LimitKey(at)
    }

    /// Forgets a limit against which nothing counts any more, once its bucket is full.
    pub fn forget_if_idle(&mut self, key: LimitKey, now: UnixMillis, hash_key: u64) {
        let Some(limit) = self.get(key).filter(|limit| limit.jobs == 0) else { return };
        if let Some(rate) = self.permits_of(&limit.id).rate {
            if !limit.bucket.is_full(rate, now) {
                let full_at = limit.bucket.has_at(rate, u64::from(rate.tokens));
                return self.look_at(key, Some(full_at));
            }
        }
        self.look_at(key, None);
        let Some(limit) = self.limits[key.0 as usize].take() else { return };
        let hash = hash_of(&limit.id.name(), hash_key);
        if let Ok(found) = self.by_name.find_entry(hash, |&at| at == key.0) {
            found.remove();
        }
        self.vacant.push(key.0);
        if self.by_name.is_empty() && self.limits.len() > EMPTY_ENTRIES_MAX {
            (self.limits, self.vacant) = (Vec::new(), Vec::new());
            self.by_name = HashTable::new();
        }
    }

    /// Whether no job counts against any limit, as in most queues.
    #[inline]
    pub fn are_none(&self) -> bool {
        self.by_name.is_empty()
    }

    /// A limit.
    pub fn get(&self, key: LimitKey) -> Option<&Limit> {
        self.limits.get(key.0 as usize)?.as_ref()
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: LimitKey) -> Option<&mut Limit> {
        self.limits.get_mut(key.0 as usize)?.as_mut()
    }

    /// All limits that jobs count against, in no order that may matter.
    pub fn iter(&self) -> impl Iterator<Item = (LimitKey, &Limit)> {
        let limits = self.limits.iter().enumerate();
        limits.filter_map(|(at, limit)| Some((LimitKey(at as u32), limit.as_ref()?)))
    }

    /// Forgets what was taken from a limit that has no rate any more: without one it is not stored, and
    /// a later rate must not find it here and be without it in a copy.
    pub fn fill_buckets(&mut self, name: &[u8]) {
        let is_meant = |id: &LimitId| match id {
            LimitId::Named(named) => **named == *name,
            LimitId::Group(_) => name == EACH_GROUP,
            LimitId::Mutex(_) => false,
        };
        let meant = self.limits.iter_mut().flatten().filter(|limit| is_meant(&limit.id));
        meant.for_each(|limit| limit.bucket = Bucket::default());
    }

    /// How many jobs of a group are served in a turn.
    pub fn weight_of(&self, group: GroupKey) -> u32 {
        self.get(group).map_or(1, |limit| limit.weight)
    }

    /// When the next bucket is to be looked at; [`Timeline::NEVER_DUE`] if none is. O(1).
    pub fn first_refill(&self) -> UnixMillis {
        self.refills.first().map_or(Timeline::NEVER_DUE, |(at, _)| *at)
    }

    /// When buckets are looked at, in order.
    pub fn refills(&self) -> impl Iterator<Item = &(UnixMillis, LimitId)> {
        self.refills.iter()
    }

    /// Has no bucket looked at any more.
    pub fn look_at_none(&mut self) {
        self.refills.clear();
        self.limits.iter_mut().flatten().for_each(|limit| limit.refill = None);
    }

    /// Takes out the limit whose bucket is to be looked at next.
    pub fn pop_refill(&mut self, hash_key: u64) -> Option<LimitKey> {
        let (_, id) = self.refills.pop_first()?;
        let key = self.find(id.name(), hash_key)?;
        if let Some(limit) = self.get_mut(key) {
            limit.refill = None;
        }
        Some(key)
    }

    /// Has a bucket looked at then, and not at another instant.
    pub fn look_at(&mut self, key: LimitKey, at: Option<UnixMillis>) {
        let Some(limit) = self.limits.get_mut(key.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        if limit.refill == at {
            return;
        }
        if let Some(before) = std::mem::replace(&mut limit.refill, at) {
            self.refills.remove(&(before, limit.id.clone()));
        }
        self.refills.extend(at.map(|at| (at, limit.id.clone())));
    }

    /// Whether a limit has a place for so much, beside those that stand in line already: that is up
    /// to them. More than it ever has, it gives to one alone.
    pub fn has_room(&self, limit: &Limit, weight: u32, now: UnixMillis) -> bool {
        self.has_room_beside(limit, limit.claimed, weight, now)
    }

    /// The same with other claims than there are.
    pub fn has_room_beside(
        &self,
        limit: &Limit,
        claimed: u64,
        weight: u32,
        now: UnixMillis,
    ) -> bool {
        let permits = self.permits_of(&limit.id);
        let weight = u64::from(weight);
        let is_alone = limit.held + claimed == 0;
        let fits = |most: u32| limit.held + claimed + weight <= u64::from(most) || is_alone;
        permits.concurrency.is_none_or(fits)
            && permits.rate.is_none_or(|rate| {
                let alone = weight.min(u64::from(rate.tokens));
                let wanted = if claimed == 0 { alone } else { claimed + weight };
                limit.bucket.tokens(rate, now) >= wanted
            })
    }

    /// When a limit will have a place by the coming back of tokens alone, if ever.
    pub fn has_room_at(&self, limit: &Limit, weight: u32, now: UnixMillis) -> Option<UnixMillis> {
        let rate = self.permits_of(&limit.id).rate?;
        let wanted = limit.claimed + u64::from(weight);
        let reachable = wanted <= u64::from(rate.tokens) || limit.claimed == 0;
        let at = limit.bucket.has_at(rate, wanted);
        (reachable && at > now).then_some(at)
    }

    /// How much more may be held and taken of the whole queue, of which so much is held.
    #[inline]
    pub fn room_in_queue(&self, held: usize, now: UnixMillis) -> usize {
        if self.whole.concurrency.is_none() && self.whole.rate.is_none() {
            return usize::MAX;
        }
        let most = self.whole.concurrency.map_or(usize::MAX, |most| most as usize);
        let tokens = self.whole.rate.map_or(u64::MAX, |rate| self.whole_bucket.tokens(rate, now));
        most.saturating_sub(held).min(usize::try_from(tokens).unwrap_or(usize::MAX))
    }

    /// When tokens come back of which there are none.
    pub fn queue_refill(&self, now: UnixMillis) -> Option<UnixMillis> {
        let rate = self.whole.rate.filter(|rate| self.whole_bucket.tokens(*rate, now) == 0)?;
        Some(self.whole_bucket.has_at(rate, 1))
    }

    /// The class of jobs with these needs that wait, if any do. O(1).
    pub fn class_of(&self, needs: &Needs) -> Option<ClassKey> {
        let is_it =
            |&at: &u32| self.classes[at as usize].as_ref().is_some_and(|c| c.needs == *needs);
        self.by_needs.find(hash_of(needs, 0), is_it).map(|&at| ClassKey(at))
    }

    /// The same itself.
    pub fn class_with(&self, needs: &Needs) -> Option<&Class> {
        self.class(self.class_of(needs)?)
    }

    /// Makes a class, for jobs that are about to wait.
    pub fn make_class(&mut self, needs: Needs, at: LimitKey) -> ClassKey {
        let hash = hash_of(&needs, 0);
        let standing = (i8::MAX, UnixMillis(0), 0);
        let class = Class { needs, lists: SmallVec::new(), at, standing };
        let key = put(&mut self.classes, &mut self.vacant_classes, class);
        let classes = &self.classes;
        self.by_needs.insert_unique(hash, key, |&at| {
            classes[at as usize].as_ref().map_or(0, |class| hash_of(&class.needs, 0))
        });
        ClassKey(key)
    }

    /// Forgets a class of which nobody waits any more, and that is in no room.
    pub fn forget_class(&mut self, key: ClassKey) {
        let Some(class) = self.classes.get_mut(key.0 as usize).and_then(Option::take) else {
            return;
        };
        if let Ok(found) = self.by_needs.find_entry(hash_of(&class.needs, 0), |&at| at == key.0) {
            found.remove();
        }
        self.vacant_classes.push(key.0);
        if self.by_needs.is_empty() && self.classes.len() > EMPTY_ENTRIES_MAX {
            (self.classes, self.vacant_classes) = (Vec::new(), Vec::new());
            self.by_needs = HashTable::new();
        }
    }

    /// A class.
    pub fn class(&self, key: ClassKey) -> Option<&Class> {
        self.classes.get(key.0 as usize)?.as_ref()
    }

    /// The same, to be changed.
    pub fn class_mut(&mut self, key: ClassKey) -> Option<&mut Class> {
        self.classes.get_mut(key.0 as usize)?.as_mut()
    }

    /// All lines of jobs that wait, by the places of their classes, which these keep for as long as
    /// somebody waits, and by priority.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = ((ClassKey, i8), &List)> {
        let classes = self.classes.iter().enumerate();
        classes.flat_map(|(at, class)| {
            let lists = class.iter().flat_map(|class| &class.lists);
            lists.map(move |(priority, list)| ((ClassKey(at as u32), *priority), list))
        })
    }

    /// Has a class wait in the room of a limit, as a group's one that joins at this end.
    pub fn enter_room(&mut self, key: ClassKey, at: LimitKey, standing: Standing, end: End) {
        let Some(class) = self.classes.get_mut(key.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        (class.at, class.standing) = (at, standing);
        let len = class.len();
        let group = class.needs.group;
        let Some(limit) = self.limits.get_mut(at.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        if limit.room.len == 0 {
            self.waited.insert(limit.id.clone());
        }
        limit.room.insert(group, key, standing, end);
        limit.waiting += len;
    }

    /// Has a class stand elsewhere in the room where it waits. Its group keeps its turn.
    pub fn move_in_room(&mut self, key: ClassKey, standing: Standing, end: End) {
        let Some(class) = self.classes.get_mut(key.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        let before = std::mem::replace(&mut class.standing, standing);
        let (at, group) = (class.at, class.needs.group);
        if let Some(limit) = self.get_mut(at) {
            limit.room.insert(group, key, standing, end);
            limit.room.remove(group, key, before);
        }
    }

    /// Has a class leave the room where it waits.
    pub fn leave_room(&mut self, key: ClassKey) {
        let Some(class) = self.class(key) else { return };
        let (at, standing, group) = (class.at, class.standing, class.needs.group);
        let len = class.len();
        let Some(limit) = self.limits.get_mut(at.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        limit.room.remove(group, key, standing);
        limit.waiting -= len;
        if limit.room.len == 0 {
            self.waited.remove(&limit.id);
        }
    }

    /// Heap bytes held, about. O(n) with n limits.
    pub fn bytes(&self) -> usize {
        let heap_bytes = |limit: &Limit| {
            limit.id.name().as_bytes().len() + limit.claimants.bytes() + limit.room.bytes()
        };
        self.permits.keys().map(|name| name.len() + PERMITS_BYTES).sum::<usize>()
            + self.limits.iter().flatten().map(heap_bytes).sum::<usize>()
            + self.limits.capacity() * size_of::<Option<Limit>>()
            + self.by_name.allocation_size()
            + self.classes.capacity() * size_of::<Option<Class>>()
            + self.by_needs.allocation_size()
            + (self.vacant.capacity() + self.vacant_classes.capacity()) * size_of::<u32>()
            + self.heads.bytes()
            + self.chores.capacity() * size_of::<Chore>()
    }
}

/// What an entry of a tree takes beside its name, about.
const PERMITS_BYTES: usize = 64;

/// What a table that holds nothing may keep, in entries.
const EMPTY_ENTRIES_MAX: usize = 2;

impl Class {
    /// How many jobs wait.
    pub fn len(&self) -> u64 {
        self.lists.iter().map(|(_, list)| list.len() as u64).sum()
    }
}

impl Room {
    /// How many classes wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The best priority of those that wait.
    pub fn priority(&self) -> Option<i8> {
        self.lanes.first().map(|(priority, _)| *priority)
    }

    /// The class that gets the next place.
    pub fn first(&self) -> Option<ClassKey> {
        let (_, turns) = self.lanes.first()?;
        let (_, classes) = turns.first()?;
        classes.first().map(|(_, _, key)| ClassKey(key.0))
    }

    /// All classes, in the order in which they wait.
    pub fn iter(&self) -> impl Iterator<Item = ClassKey> + '_ {
        let groups = self.lanes.iter().flat_map(|(_, turns)| turns.iter());
        groups.flat_map(|(_, classes)| classes.iter_after(None)).map(|(_, _, key)| ClassKey(key.0))
    }

    /// How often the group whose turn it is has been served in it, where it is more than never.
    pub fn served(&self) -> impl Iterator<Item = (i8, u32)> + '_ {
        let served = self.lanes.iter().map(|(priority, turns)| (*priority, turns.served()));
        served.filter(|(_, served)| *served > 0)
    }

    /// Says so, as it was stored.
    pub fn set_served(&mut self, priority: i8, served: u32) -> bool {
        let turns = self.lane_mut(priority);
        turns.map(|turns| turns.set_served(served)).is_some()
    }

    /// Counts that a group has been served, which is in.
    pub fn serve(&mut self, priority: i8, group: GroupKey, weight: u32) {
        if let Some(turns) = self.lane_mut(priority) {
            turns.serve(group, weight);
        }
    }

    fn lane_mut(&mut self, priority: i8) -> Option<&mut Turns<Timeline>> {
        let at = self.lanes.binary_search_by_key(&priority, |(priority, _)| *priority).ok()?;
        Some(&mut self.lanes[at].1)
    }

    fn insert(&mut self, group: GroupKey, key: ClassKey, standing: Standing, end: End) {
        let (priority, since, seq) = standing;
        let at = self.lanes.partition_point(|(other, _)| *other < priority);
        if self.lanes.get(at).is_none_or(|(other, _)| *other != priority) {
            self.lanes.insert(at, (priority, Turns::default()));
        }
        let turns = &mut self.lanes[at].1;
        if turns.get(group).is_none() {
            turns.join(group, end, Timeline::default());
        }
        if let Some(classes) = turns.get_mut(group) {
            classes.insert(since, seq, Slot(key.0));
        }
        self.len += 1;
    }

    fn remove(&mut self, group: GroupKey, key: ClassKey, standing: Standing) {
        let (priority, since, seq) = standing;
        let at = self.lanes.partition_point(|(other, _)| *other < priority);
        let Some((_, turns)) = self.lanes.get_mut(at) else { return };
        let Some(classes) = turns.get_mut(group) else { return };
        if classes.remove(since, seq, Slot(key.0)) {
            self.len -= 1;
        }
        if classes.len() == 0 {
            turns.leave(group);
        }
        if turns.len() == 0 {
            self.lanes.remove(at);
        }
    }
}

fn put<T>(entries: &mut Vec<Option<T>>, vacant: &mut Vec<u32>, value: T) -> u32 {
    let at = vacant.pop().unwrap_or_else(|| {
        entries.push(None);
        entries.len() as u32 - 1
    });
    entries[at as usize] = Some(value);
    at
}

fn hash_of(value: &impl Hash, key: u64) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(key, 1);
    value.hash(&mut hasher);
    hasher.finish()
}
