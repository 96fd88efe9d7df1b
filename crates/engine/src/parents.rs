//! Jobs that wait for other jobs, their parents, to be completed.
//!
//! A child keeps the names of its parents and which of them are done. Beside that the queue lists the
//! children of each job that is waited for, under the number that was made for that job: another one
//! of the same given id is no parent. The list can be rebuilt from the children, so it is stored
//! nowhere, and a child that goes leaves its places there for later.
//!
//! A parent that ends only notes so. Its children are told one by one, by steps of ticks, so a fan-out
//! is as cheap as the work that it makes possible, and nothing recurses: a child that dies of its
//! parent's death notes its own end in turn.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    distant::{Distant, DistantParents},
    id::{is_valid, JobId, JobRef, Ulid},
    job::Job,
    journal::Cause,
    outbox::Told,
    outsiders::Outsiders,
    slab::{Slab, Slot},
    state::State,
    time::UnixMillis,
    timeline::Timeline,
    Queue,
};

/// What becomes of a job when one that it waits for dies, or is removed before it is completed.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum IfDead {
    /// It goes on waiting.
    #[default]
    Hold,
    /// That counts as completed.
    Run,
    /// It dies as well, unless it is past waiting.
    Bury,
}

impl IfDead {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hold, Self::Run, Self::Bury];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Run => "run",
            Self::Bury => "bury",
        }
    }
}

/// The jobs that a job waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parents {
    if_dead: IfDead,
    left: u32,
    // A bit for each, set when it is done.
    done: Box<[u8]>,
    // For each of this queue the length of its given id, or zero, that id, and the number that was made
    // for it, or zero where it was not in the queue any more.
    names: Box<[u8]>,
    // Those of other queues, which come behind.
    distant: Option<Box<DistantParents>>,
}

/// One of the jobs that a job waits for.
#[derive(Clone, Copy, Debug)]
pub struct Parent<'a> {
    /// The queue that it is in, if that is another one.
    pub queue: Option<&'a [u8]>,
    /// The id by which it was named.
    pub id: JobId<'a>,
    /// Whether nothing of it is waited for any more.
    pub is_done: bool,
    // What its own queue has told last, where that is another one.
    told: Option<End>,
    // What was made for it: zero if it was not there, or is not in this queue.
    ulid: Ulid,
}

/// What has become of a parent, as far as its children are concerned.
#[derive(Clone, Copy, Debug)]
pub enum ParentState<'q> {
    /// It is in the queue.
    There(&'q Job),
    /// It is gone, and counts as completed.
    Finished,
    /// It was removed before it was completed.
    Gone,
    /// It is in another queue, which has told nothing of it yet.
    Elsewhere,
    /// It is in another queue, and has died there. It may have come back since.
    Died,
}

const ULID_BYTES: usize = 16;

impl Parents {
    fn new(if_dead: IfDead, parents: &[Found<'_>], distant: &[Distant<'_>]) -> Self {
        let mut names = Vec::new();
        let mut done = vec![0; (parents.len() + distant.len()).div_ceil(8)];
        for (at, parent) in parents.iter().enumerate() {
            let given = match parent.id {
                JobId::Made(_) => "",
                JobId::Given(text) => text,
            };
            names.push(given.len() as u8);
            names.extend(given.as_bytes());
            names.extend(parent.ulid.to_bits().to_le_bytes());
            done[at / 8] |= u8::from(parent.waits_at.is_none()) << (at % 8);
        }
        for (at, parent) in (parents.len()..).zip(distant) {
            done[at / 8] |= u8::from(!parent.waits) << (at % 8);
        }
        let near = parents.iter().filter(|parent| parent.waits_at.is_some()).count();
        let left = (near + distant.iter().filter(|parent| parent.waits).count()) as u32;
        let distant = DistantParents::new(parents.len(), distant);
        Self { if_dead, left, done: done.into(), names: names.into(), distant }
    }

    /// What was stored; `None` if no job can have that.
    pub(crate) fn from_stored(
        if_dead: u8,
        done: &[u8],
        names: &[u8],
        distant: Option<DistantParents>,
    ) -> Option<Self> {
        let if_dead = *IfDead::ALL.get(usize::from(if_dead))?;
        let mut parents =
            Self { if_dead, left: 0, done: done.into(), names: names.into(), distant: None };
        let (mut len, mut bytes) = (0usize, 0usize);
        for parent in parents.near() {
            let given = match parent.id {
                JobId::Made(_) => 0,
                JobId::Given(text) if is_valid(text.as_bytes()) => text.len(),
                JobId::Given(_) => return None,
            };
            bytes += 1 + given + ULID_BYTES;
            len += 1;
        }
        if bytes != names.len() {
            return None;
        }
        if let Some(mut distant) = distant {
            let is_done = |at| parents.is_done(at);
            if !distant.settle(len, is_done) {
                return None;
            }
            len += distant.len();
            parents.distant = Some(Box::new(distant));
        }
        let ones: u32 = done.iter().map(|byte| byte.count_ones()).sum();
        let unused = done.last().map_or(0, |last| u32::from(*last) >> (1 + (len.max(1) - 1) % 8));
        if len == 0 || done.len() != len.div_ceil(8) || unused != 0 {
            return None;
        }
        parents.left = u32::try_from(len).ok()? - ones;
        Some(parents)
    }

    /// As it is stored: what becomes of the job, who is done, the names, and those of other queues.
    pub(crate) fn stored(&self) -> (u8, &[u8], &[u8], Option<&DistantParents>) {
        (self.if_dead as u8, &self.done, &self.names, self.distant.as_deref())
    }

    /// How many are yet to be done.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left
    }

    /// What becomes of the job when one of them dies.
    #[must_use]
    pub fn if_dead(&self) -> IfDead {
        self.if_dead
    }

    /// All of them: those of this queue, in the order in which they were named, and then those of others.
    pub fn iter(&self) -> impl Iterator<Item = Parent<'_>> {
        let distant = self.distant.iter().flat_map(|distant| distant.iter());
        let distant = distant.map(|(at, queue, id, told)| Parent {
            queue: Some(queue),
            id,
            is_done: self.is_done(at),
            told,
            ulid: Ulid::ZERO,
        });
        self.near().chain(distant)
    }

    /// Those of this queue.
    fn near(&self) -> impl Iterator<Item = Parent<'_>> {
        let mut rest = &*self.names;
        (0..).map_while(move |at| {
            let (&len, behind) = rest.split_first()?;
            let (given, behind) = behind.split_at_checked(len.into())?;
            let (ulid, behind) = behind.split_first_chunk::<ULID_BYTES>()?;
            let ulid = Ulid::from_bits(u128::from_le_bytes(*ulid));
            rest = behind;
            let id = match given {
                [] => JobId::Made(ulid),
                // What is no text is no valid id either.
                text => JobId::Given(std::str::from_utf8(text).unwrap_or_default()),
            };
            Some(Parent { queue: None, id, is_done: self.is_done(at), told: None, ulid })
        })
    }

    fn is_done(&self, at: usize) -> bool {
        self.done.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    }

    /// Notes that one is done. False if it was.
    fn finish(&mut self, at: usize) -> bool {
        let is_new = !self.is_done(at) && at / 8 < self.done.len();
        if is_new {
            self.done[at / 8] |= 1 << (at % 8);
            self.left -= 1;
        }
        is_new
    }

    /// Those of this queue that are not done, each with its place.
    fn missing(&self) -> impl Iterator<Item = (usize, Parent<'_>)> {
        self.near().enumerate().filter(|(_, parent)| !parent.is_done)
    }

    /// Heap bytes, with those of the value itself, which is in a box.
    pub(crate) fn bytes(&self) -> usize {
        let distant = self.distant.as_ref().map_or(0, |distant| distant.bytes());
        size_of::<Self>() + self.done.len() + self.names.len() + distant
    }
}

/// A parent as a new child finds it.
pub(crate) struct Found<'a> {
    id: JobId<'a>,
    ulid: Ulid,
    // Where it is, unless it is done.
    waits_at: Option<Slot>,
}

impl Found<'_> {
    /// Where it is, unless it is done.
    pub fn waits_at(&self) -> Option<Slot> {
        self.waits_at
    }
}

/// How a job ended that others wait for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// It is completed.
    Completed,
    /// It is dead, and may come back.
    Died,
    /// It was removed before it was completed.
    Removed,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Completed, Self::Died, Self::Removed];
}

/// An end of which not all children are told yet.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub parent: Ulid,
    /// The id that the parent was given, if it was.
    pub given: Option<Box<str>>,
    pub how: End,
    /// Children published later are not concerned.
    pub upto: u64,
    /// Who was told last: its place in publish order, and that of the parent among its own.
    pub told: (u64, u64),
    /// Who follows from another queue and came later than this one is not concerned.
    pub upto_distant: u64,
    /// Which of those was told last.
    pub told_distant: u64,
}

/// Who is told next of an end.
enum Whom {
    /// A child in this queue, by which place among its parents.
    Child(Slot, usize, Ended),
    /// One of another queue, to which an effect is on its way now.
    Distant,
}

/// A place among a child's parents beyond all that there are.
const BEYOND: u64 = (1 << 47) - 1;

/// Links of removed children that are taken away at a time.
const STALE_BUDGET: usize = 64;

/// Who waits for whom.
#[derive(Debug, Default)]
pub(crate) struct Family {
    // For each job that is waited for its children, by their places in publish order, and for each
    // child the place of the job among its parents.
    children: BTreeMap<Ulid, Timeline>,
    ended: VecDeque<Ended>,
    // Children that are gone and still listed, no part of the logical state.
    stale: Vec<Stale>,
    bytes: usize,
}

/// A child that is gone, and how many of its places were given up.
#[derive(Debug)]
struct Stale {
    seq: u64,
    slot: Slot,
    parents: Box<Parents>,
    // Where to go on in the names, and at which of them that is.
    at: (usize, usize),
}

impl Clone for Family {
    /// Without what is left of the gone, and without unused room.
    fn clone(&self) -> Self {
        let mut copy = Self { ended: self.ended.clone(), ..Self::default() };
        copy.children.clone_from(&self.children);
        for stale in &self.stale {
            for (at, parent) in stale.parents.missing() {
                copy.unlink(parent.ulid, stale.seq, at, stale.slot);
            }
        }
        copy.bytes = copy.children.values().map(bytes_of).sum();
        copy
    }
}

impl Family {
    /// Lists a child. O(log n).
    fn link(&mut self, parent: Ulid, seq: u64, at: usize, slot: Slot) {
        let children = self.children.entry(parent).or_default();
        let before = if children.len() == 0 { 0 } else { bytes_of(children) };
        children.insert(UnixMillis(seq), at as u64, slot);
        self.bytes = self.bytes - before + bytes_of(children);
    }

    /// Takes a child off the list. O(log n).
    fn unlink(&mut self, parent: Ulid, seq: u64, at: usize, slot: Slot) {
        let Some(children) = self.children.get_mut(&parent) else { return };
        let before = bytes_of(children);
        children.remove(UnixMillis(seq), at as u64, slot);
        let after = if children.len() == 0 { 0 } else { bytes_of(children) };
        self.bytes = (self.bytes + after).saturating_sub(before);
        if after == 0 {
            self.children.remove(&parent);
        }
    }

    /// Forgets all children of a job.
    fn drop_children(&mut self, parent: Ulid) {
        if let Some(children) = self.children.remove(&parent) {
            self.bytes -= bytes_of(&children);
        }
    }

    /// Begins to take the places of a child away that is gone.
    pub fn forget(&mut self, seq: u64, slot: Slot, parents: Box<Parents>) {
        self.stale.push(Stale { seq, slot, parents, at: (0, 0) });
        self.clean();
    }

    /// Goes on with that. O(log n), however many are left.
    pub fn clean(&mut self) {
        for _ in 0..STALE_BUDGET {
            let Some(mut stale) = self.stale.pop() else { return };
            let (offset, at) = stale.at;
            let Some(&len) = stale.parents.names.get(offset) else { continue };
            let end = offset + 1 + usize::from(len) + ULID_BYTES;
            if let Some(ulid) = stale.parents.names[..end].last_chunk() {
                if !stale.parents.is_done(at) {
                    let parent = Ulid::from_bits(u128::from_le_bytes(*ulid));
                    self.unlink(parent, stale.seq, at, stale.slot);
                }
            }
            stale.at = (end, at + 1);
            self.stale.push(stale);
        }
    }

    /// Gives back the memory of an empty queue.
    pub fn drain(&mut self) {
        *self = Self { ended: std::mem::take(&mut self.ended), ..Self::default() };
    }

    /// Whether there is nothing to keep.
    pub fn is_unused(&self) -> bool {
        self.children.is_empty() && self.stale.is_empty()
    }

    /// Whether somebody is yet to be told of an end.
    pub fn tells(&self) -> bool {
        !self.ended.is_empty()
    }

    /// The ends of which not all are told, in their order.
    pub fn ended(&self) -> impl ExactSizeIterator<Item = &Ended> {
        self.ended.iter()
    }

    /// Notes an end.
    pub fn note(&mut self, ended: Ended) {
        self.ended.push_back(ended);
    }

    /// Whom to tell next, and of what. `None` if all are told.
    fn next(&mut self, jobs: &Slab<Job>, outsiders: &mut Outsiders) -> Option<Whom> {
        loop {
            let ended = self.ended.front_mut()?;
            let (seq, at) = ended.told;
            let children = self.children.get(&ended.parent);
            let next =
                children.and_then(|list| list.iter_after(Some((UnixMillis(seq), at))).next());
            match next {
                Some((UnixMillis(seq), at, slot)) if seq <= ended.upto => {
                    ended.told = (seq, at);
                    // Not one that is gone, nor another in its place.
                    if jobs.get(slot).is_some_and(|job| job.seq() == seq) {
                        return Some(Whom::Child(slot, at as usize, ended.clone()));
                    }
                }
                _ if outsiders.tell(ended) => return Some(Whom::Distant),
                _ => {
                    let (parent, how) = (ended.parent, ended.how);
                    self.ended.pop_front();
                    if how != End::Died {
                        self.drop_children(parent);
                    }
                    if self.ended.is_empty() {
                        self.ended = VecDeque::new();
                    }
                }
            }
        }
    }

    /// Heap bytes held, about. O(stale children).
    pub fn bytes(&self) -> usize {
        let stale: usize = self.stale.iter().map(|stale| stale.parents.bytes()).sum();
        self.bytes
            + stale
            + self.stale.capacity() * size_of::<Stale>()
            + self.ended.capacity() * size_of::<Ended>()
    }
}

/// What a list of children takes, about: a map's nodes are not full.
fn bytes_of(children: &Timeline) -> usize {
    size_of::<(Ulid, Timeline)>() + children.bytes()
}

impl Queue {
    /// How many of the jobs that a job waits for are yet to be completed. O(1).
    #[must_use]
    pub fn parents_left(&self, job: &Job) -> u32 {
        job.parents().map_or(0, Parents::left)
    }

    /// What has become of one of a job's parents. O(1).
    #[must_use]
    pub fn parent_state(&self, parent: &Parent<'_>) -> ParentState<'_> {
        if parent.queue.is_some() {
            return match parent.told {
                _ if parent.is_done => ParentState::Finished,
                Some(End::Died) => ParentState::Died,
                Some(End::Removed) => ParentState::Gone,
                Some(End::Completed) | None => ParentState::Elsewhere,
            };
        }
        match self.locate(parent.id).map(|slot| &self.jobs[slot]) {
            Some(job) if job.ulid == parent.ulid => ParentState::There(job),
            _ if parent.is_done => ParentState::Finished,
            _ => ParentState::Gone,
        }
    }

    /// Looks up the jobs that a new one waits for. O(parents).
    pub(crate) fn find_parents<'a>(&'a self, named: &[JobRef<'a>]) -> Vec<Found<'a>> {
        let found = |name: &JobRef<'a>| {
            let slot = self.find(&name.bare());
            let job = slot.map(|slot| &self.jobs[slot]);
            let id = match (job, name.ulid) {
                (Some(job), _) => job.id(),
                (None, Some(ulid)) => JobId::Made(ulid),
                (None, None) => JobId::Given(name.id()),
            };
            let is_done = |job: &Job| matches!(job.state(), State::Completed { .. });
            Found {
                id,
                // One that is gone is remembered by its name alone.
                ulid: job.map(|job| job.ulid).or(name.ulid).unwrap_or(Ulid::ZERO),
                waits_at: slot.filter(|_| !job.is_some_and(is_done)),
            }
        };
        named.iter().map(found).collect()
    }

    /// What a child of these keeps of them.
    pub(crate) fn new_parents(
        if_dead: IfDead,
        found: &[Found<'_>],
        distant: &[Distant<'_>],
    ) -> Option<Box<Parents>> {
        let is_any = !found.is_empty() || !distant.is_empty();
        is_any.then(|| Box::new(Parents::new(if_dead, found, distant)))
    }

    /// Lists new jobs at their parents, which are where they were found. Of those that are dead
    /// already the new jobs are told like of any death.
    pub(crate) fn follow(&mut self, slots: &[Slot], waits_at: &[Option<Slot>], if_dead: IfDead) {
        let before = self.jobs_published - slots.len() as u64;
        for (at, parent) in waits_at.iter().enumerate() {
            let Some(parent) = *parent else { continue };
            let ulid = self.jobs[parent].ulid;
            for &slot in slots {
                self.family.link(ulid, self.jobs[slot].seq(), at, slot);
            }
            if !self.jobs[parent].is_followed() {
                self.change_extra(parent, |extra| extra.is_followed = true);
            }
            if if_dead != IfDead::Hold && matches!(self.jobs[parent].state(), State::Dead { .. }) {
                let distant = self.outsiders.made();
                self.note_ended(parent, End::Died, (before, BEYOND), (distant, distant));
            }
        }
    }

    /// Notes that a job has ended, if others wait for it.
    #[inline]
    pub(crate) fn tell_of(&mut self, slot: Slot, how: End) {
        if self.jobs[slot].is_followed() {
            self.tell_those_who_wait(slot, how);
        }
    }

    #[cold]
    fn tell_those_who_wait(&mut self, slot: Slot, how: End) {
        if how == End::Completed {
            self.change_extra(slot, |extra| extra.is_followed = false);
        }
        self.note_ended(slot, how, (0, 0), (self.outsiders.made(), 0));
    }

    /// Tells of a death that was before only those of other queues who have followed since then.
    pub(crate) fn note_old_death(&mut self, slot: Slot, before: u64) {
        let told = (self.jobs_published, BEYOND);
        let upto_distant = self.outsiders.made();
        self.note_ended(slot, End::Died, told, (upto_distant, before));
    }

    fn note_ended(&mut self, slot: Slot, how: End, told: (u64, u64), distant: (u64, u64)) {
        let job = &self.jobs[slot];
        let (parent, given) = (job.ulid, job.given().map(Into::into));
        let upto = self.jobs_published;
        let (upto_distant, told_distant) = distant;
        let ended = Ended { parent, given, how, upto, told, upto_distant, told_distant };
        self.family.note(ended);
    }

    /// Tells the next job of the end of one that it waits for. False if all are told. O(log n).
    pub(crate) fn tell_next(&mut self) -> bool {
        let (slot, at, ended) = match self.family.next(&self.jobs, &mut self.outsiders) {
            None => return false,
            Some(Whom::Distant) => return true,
            Some(Whom::Child(slot, at, ended)) => (slot, at, ended),
        };
        let Some(parents) = self.jobs[slot].parents() else { return true };
        match (ended.how, parents.if_dead) {
            (End::Completed, _) | (_, IfDead::Run) => self.finish_parent(slot, at, &ended),
            (_, IfDead::Hold) => {}
            (_, IfDead::Bury) => {
                let id = ended.given.as_deref().map_or(JobId::Made(ended.parent), JobId::Given);
                self.follow_in_death(slot, id.text().as_bytes(), ended.how);
            }
        }
        true
    }

    /// Tells a job of the end of one of another queue that it waits for. False if that changes nothing:
    /// it is another job by now, or was told before.
    pub(crate) fn be_told(&mut self, told: &Told<'_>) -> bool {
        let (child, at) = (&told.child, told.at as usize);
        let Some(slot) = self.locate(child.id()) else { return false };
        let job = &mut self.jobs[slot];
        if job.ulid != child.ulid {
            return false;
        }
        let Some(parents) = job.extra.as_mut().and_then(|extra| extra.parents.as_mut()) else {
            return false;
        };
        if parents.is_done(at) {
            return false;
        }
        let if_dead = parents.if_dead;
        let Some(distant) = parents.distant.as_mut() else { return false };
        let Some(is_news) = distant.note(at, told.how) else { return false };
        match (told.how, if_dead) {
            (End::Completed, _) | (_, IfDead::Run) => {
                parents.finish(at);
                self.free(slot);
                true
            }
            (_, IfDead::Hold) => is_news,
            (_, IfDead::Bury) => {
                let name = parents.distant.as_ref().and_then(|distant| distant.name(at));
                self.follow_in_death(slot, &name.unwrap_or_default(), told.how) || is_news
            }
        }
    }

    fn finish_parent(&mut self, slot: Slot, at: usize, ended: &Ended) {
        let job = &mut self.jobs[slot];
        let seq = job.seq();
        let Some(parents) = job.extra.as_mut().and_then(|extra| extra.parents.as_mut()) else {
            return;
        };
        if !parents.finish(at) {
            return;
        }
        if ended.how == End::Died {
            // The list stays for others, since the parent may come back.
            self.family.unlink(ended.parent, seq, at, slot);
        }
        self.free(slot);
    }

    /// False if the job is past waiting.
    fn follow_in_death(&mut self, slot: Slot, parent: &[u8], how: End) -> bool {
        if !matches!(self.jobs[slot].state(), State::Delayed { .. } | State::Held { .. }) {
            return false;
        }
        let fate: &[u8] = if how == End::Died { b"died" } else { b"was removed" };
        let error = [b"parent ", parent, b" ", fate].concat();
        self.keep_error(slot, Some(&error));
        self.die(slot, Cause::Orphaned)
    }

    /// Lists all children at their parents, as a stored form has them. `Err` if they cannot be so.
    pub(crate) fn link_families(&mut self) -> Result<(), ()> {
        let links = self.links()?;
        for (parent, seq, at, slot) in links {
            self.family.link(parent, seq, at, slot);
        }
        Ok(())
    }

    /// Every place that a child has to have at a parent: as long as the parent is there, or its end
    /// is being told. `Err` if a parent does not know that it is waited for.
    fn links(&self) -> Result<Vec<(Ulid, u64, usize, Slot)>, ()> {
        let mut links = Vec::new();
        // What died alone is there, or has been removed since.
        let ended = self.family.ended().filter(|ended| ended.how != End::Died);
        let mut ended: Vec<_> = ended.map(|ended| ended.parent).collect();
        ended.sort_unstable();
        for (slot, job) in self.jobs.iter() {
            for (at, parent) in job.parents().into_iter().flat_map(Parents::missing) {
                let is_living = match self.parent_state(&parent) {
                    ParentState::There(job) if job.is_followed() => true,
                    ParentState::There(job) if !matches!(job.state(), State::Completed { .. }) => {
                        return Err(());
                    }
                    _ => false,
                };
                if is_living || ended.binary_search(&parent.ulid).is_ok() {
                    links.push((parent.ulid, job.seq(), at, slot));
                }
            }
        }
        Ok(links)
    }

    /// Part of [`check_invariants`](Queue::check_invariants).
    pub(crate) fn check_families(&self) -> Result<(), String> {
        let mut expected =
            self.links().map_err(|()| "a parent that does not know it".to_owned())?;
        let mut listed = Vec::new();
        // A copy has none of those that are gone.
        for (parent, children) in &self.family.clone().children {
            for (seq, at, slot) in children.iter_after(None) {
                let child = self.jobs.get(slot).filter(|job| job.seq() == seq.0);
                let is_done = child.and_then(Job::parents).map(|them| them.is_done(at as usize));
                // Who was told, and may be gone since, is listed until all are told.
                let is_told = is_done.unwrap_or(true)
                    && self.family.ended().any(|ended| ended.parent == *parent);
                if !is_told {
                    listed.push((*parent, seq.0, at as usize, slot));
                }
            }
        }
        expected.sort_unstable();
        listed.sort_unstable();
        if expected != listed {
            return Err(format!("children {listed:?}, and not {expected:?}"));
        }
        let counted: usize = self.family.children.values().map(bytes_of).sum();
        if counted != self.family.bytes {
            return Err(format!("{} bytes of children, {counted} counted", self.family.bytes));
        }
        Ok(())
    }
}
