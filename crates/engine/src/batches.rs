//! Jobs that are delivered together.
//!
//! Jobs of one key gather until they are many enough, the first of them has waited for long enough,
//! or no other has come for long enough. Then the batch forms, and the one that came first leads it:
//! it goes on like any job, and the others go with it. They stay in the state `gathering` and stand in
//! no line. What ends an attempt ends it for all of them, each by its own tries. Who leaves otherwise
//! leaves alone, and where that is the leader, the next one leads.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    job::Job,
    journal::{Cause, Move},
    operation::Verdict,
    slab::{Slab, Slot, Slots},
    state::{Event, State, StateKind},
    time::{Millis, UnixMillis},
    timeline::Timeline,
    Queue,
};

/// The longest key of a batch, in bytes.
pub const BATCH_KEY_BYTES_MAX: usize = 256;

/// The most jobs that a batch can have: what one settlement or one lapse may have to work through.
pub const BATCH_JOBS_MAX: u32 = 1000;

/// What makes the jobs of a key a batch. Zero stands for none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pace {
    /// So many jobs; never more than [`BATCH_JOBS_MAX`].
    pub size: u32,
    /// So long after the first of them came.
    pub delay: Millis,
    /// So long after the last of them came.
    pub grace: Millis,
}

impl Pace {
    /// How many jobs are a batch at once.
    #[must_use]
    pub fn jobs(self) -> usize {
        match self.size {
            0 => BATCH_JOBS_MAX as usize,
            size => size as usize,
        }
    }

    /// When jobs of which the first and the last came at these instants are a batch, if ever. With
    /// nothing to wait for, a job is one by itself.
    fn fires(self, first: UnixMillis, last: UnixMillis) -> Option<UnixMillis> {
        if self == Self::default() {
            return Some(first);
        }
        let spans = [(first, self.delay), (last, self.grace)].into_iter();
        spans.filter(|(_, span)| !span.is_zero()).map(|(since, span)| since.after(span)).min()
    }

    /// The same, with what another says in place of what this one says nothing of.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let span = |own: Millis, other| if own.is_zero() { other } else { own };
        Self {
            size: if self.size == 0 { other.size } else { self.size },
            delay: span(self.delay, other.delay),
            grace: span(self.grace, other.grace),
        }
    }
}

/// What is to become of the jobs that gather under a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BatchOrder {
    /// They are a batch now.
    Fire,
    /// Each may be taken by itself.
    Run,
    /// They are dead.
    Bury,
    /// They are removed.
    Delete,
}

impl BatchOrder {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fire, Self::Run, Self::Bury, Self::Delete];

    /// The word on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fire => "FIRE",
            Self::Run => "RUN",
            Self::Bury => "BURY",
            Self::Delete => "DELETE",
        }
    }
}

/// Jobs that gather, as operators see them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BatchView<'a> {
    /// Under which key.
    pub key: &'a [u8],
    /// How many there are.
    pub jobs: usize,
    /// Since when the first of them waits.
    pub since: UnixMillis,
    /// When they will be a batch, however few they are; `None` if not by time.
    pub fires: Option<UnixMillis>,
}

/// Names a batch of one queue. No part of the queue's logical state.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct BatchKey(pub(crate) u32);

#[derive(Clone, Debug)]
struct Batch {
    key: Box<[u8]>,
    // Nobody while the jobs gather.
    leader: Option<Slot>,
    // The others, in the order they came.
    members: VecDeque<Slot>,
    fires: Option<UnixMillis>,
}

/// The batches of a queue. Nothing while no job is of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batches(Option<Box<Tables>>);

#[derive(Clone, Debug, Default)]
struct Tables {
    batches: Slab<Batch>,
    // Those that have not formed. Sorted, so that nothing depends on how keys are hashed.
    open: BTreeMap<Box<[u8]>, BatchKey>,
    // When they form by time, by the places of their first jobs.
    due: Timeline,
    // The settings have changed, and the batches with keys beyond this are yet to follow.
    stale_after: Option<Box<[u8]>>,
    bytes: usize,
}

impl Batches {
    /// Whether no job is of a batch, as in most queues.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Heap bytes held, about. O(1).
    pub fn bytes(&self) -> usize {
        let of = |tables: &Tables| {
            size_of::<Tables>() + tables.batches.bytes() + tables.due.bytes() + tables.bytes
        };
        self.0.as_deref().map_or(0, of)
    }

    /// The batch that forms next, by its first job, and when. O(1).
    #[inline]
    pub fn first_due(&self) -> Option<(UnixMillis, Slot)> {
        self.0.as_ref()?.due.first().map(|(at, _, slot)| (at, slot))
    }

    /// Whether settings have changed and not all batches follow them yet.
    #[inline]
    pub fn are_stale(&self) -> bool {
        self.0.as_ref().is_some_and(|tables| tables.stale_after.is_some())
    }

    /// The key up to which batches follow the settings, where not all do.
    pub fn stale_after(&self) -> Option<&[u8]> {
        self.0.as_ref()?.stale_after.as_deref()
    }

    /// Has batches with keys beyond this follow the settings, step by step. False where there are none.
    pub fn mark_stale(&mut self, after: &[u8]) -> bool {
        let Some(tables) = self.0.as_mut().filter(|tables| !tables.open.is_empty()) else {
            return false;
        };
        tables.stale_after = Some(after.into());
        true
    }

    /// The next batch that is to follow the settings. `None` when all do.
    fn next_stale(&mut self) -> Option<BatchKey> {
        use std::ops::Bound::{Excluded, Unbounded};
        let tables = self.0.as_mut()?;
        let after = tables.stale_after.take()?;
        let next = tables.open.range::<[u8], _>((Excluded(&*after), Unbounded)).next();
        let (key, &batch) = next?;
        tables.stale_after = Some(key.clone());
        Some(batch)
    }

    /// The batch that gathers under a key.
    fn find(&self, key: &[u8]) -> Option<BatchKey> {
        self.0.as_ref()?.open.get(key).copied()
    }

    /// The same, which is new if there is none.
    pub fn open(&mut self, key: &[u8]) -> BatchKey {
        if let Some(batch) = self.find(key) {
            return batch;
        }
        let batch = self.add(key, None);
        let tables = self.0.get_or_insert_default();
        tables.open.insert(key.into(), batch);
        batch
    }

    /// A batch of its own.
    pub fn add(&mut self, key: &[u8], leader: Option<Slot>) -> BatchKey {
        let tables = self.0.get_or_insert_default();
        tables.bytes += bytes_of(key);
        let batch = Batch { key: key.into(), leader, members: VecDeque::new(), fires: None };
        BatchKey(tables.batches.insert(batch).0)
    }

    fn get(&self, batch: BatchKey) -> Option<&Batch> {
        self.0.as_ref()?.batches.get(Slot(batch.0))
    }

    fn get_mut(&mut self, batch: BatchKey) -> Option<&mut Batch> {
        self.0.as_mut()?.batches.get_mut(Slot(batch.0))
    }

    /// Who leads a batch that has formed.
    pub fn leader(&self, batch: BatchKey) -> Option<Slot> {
        self.get(batch)?.leader
    }

    /// Those of a batch that do not lead it, in the order they came.
    pub fn members(&self, batch: BatchKey) -> impl ExactSizeIterator<Item = Slot> + '_ {
        static NOBODY: VecDeque<Slot> = VecDeque::new();
        self.get(batch).map_or(&NOBODY, |batch| &batch.members).iter().copied()
    }

    /// Adds a job behind the others.
    fn join(&mut self, batch: BatchKey, slot: Slot) {
        let Some(tables) = &mut self.0 else { return };
        if let Some(batch) = tables.batches.get_mut(Slot(batch.0)) {
            batch.members.push_back(slot);
            tables.bytes += size_of::<Slot>();
        }
    }

    /// Takes a job out that does not lead.
    fn part(&mut self, batch: BatchKey, slot: Slot) {
        let Some(tables) = &mut self.0 else { return };
        let Some(members) = tables.batches.get_mut(Slot(batch.0)).map(|it| &mut it.members) else {
            return;
        };
        if let Some(at) = members.iter().position(|&member| member == slot) {
            members.remove(at);
            tables.bytes -= size_of::<Slot>();
        }
    }

    /// Takes an open batch off the books, where it has formed or is empty.
    fn close(&mut self, batch: BatchKey) {
        let Some(tables) = &mut self.0 else { return };
        if let Some(batch) = tables.batches.get(Slot(batch.0)) {
            tables.open.remove(&batch.key);
            if tables.open.is_empty() {
                tables.stale_after = None;
            }
        }
    }

    /// Forgets a batch that nobody is of.
    fn forget(&mut self, batch: BatchKey) {
        let Some(tables) = &mut self.0 else { return };
        if let Some(batch) = tables.batches.remove(Slot(batch.0)) {
            tables.bytes -= bytes_of(&batch.key);
        }
        if tables.batches.len() == 0 {
            self.0 = None;
        }
    }

    /// The open ones in the order of their keys.
    fn iter_open(&self) -> impl ExactSizeIterator<Item = (&[u8], BatchKey)> {
        static NONE: BTreeMap<Box<[u8]>, BatchKey> = BTreeMap::new();
        let open = self.0.as_ref().map_or(&NONE, |tables| &tables.open);
        open.iter().map(|(key, batch)| (&**key, *batch))
    }
}

/// What a batch takes beside its place and its jobs, about.
fn bytes_of(key: &[u8]) -> usize {
    2 * key.len() + size_of::<(Box<[u8]>, BatchKey)>()
}

impl Job {
    /// The batch that it leads.
    #[must_use]
    pub(crate) fn leads(&self) -> Option<BatchKey> {
        self.extra.as_ref()?.leads
    }

    /// Whether it stands for a batch: who takes it takes the whole.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leads().is_some()
    }
}

impl Queue {
    /// The jobs that gather, in the order of their keys.
    pub fn batches(&self) -> impl ExactSizeIterator<Item = BatchView<'_>> {
        let since = |batch: &Batch| {
            let first = batch.members.front();
            first.and_then(|&slot| self.jobs[slot].state().since()).unwrap_or(self.clock)
        };
        self.batches.iter_open().map(move |(key, batch)| {
            let batch = self.batches.get(batch);
            BatchView {
                key,
                jobs: batch.map_or(0, |batch| batch.members.len()),
                since: batch.map_or(self.clock, since),
                fires: batch.and_then(|batch| batch.fires),
            }
        })
    }

    /// The other jobs of the batch that a job leads, in the order they came; none if it leads none.
    pub fn followers(&self, job: &Job) -> impl ExactSizeIterator<Item = Slot> + '_ {
        // No batch has a number of all ones: a queue would be full of them.
        self.batches.members(job.leads().unwrap_or(BatchKey(u32::MAX)))
    }

    /// How many jobs are moved with one, itself among them.
    #[inline]
    pub(crate) fn jobs_with(&self, slot: Slot) -> u32 {
        if self.batches.is_empty() {
            return 1;
        }
        1 + self.followers(&self.jobs[slot]).len() as u32
    }

    /// A job and those whose leases end with its own.
    pub(crate) fn ending_with(&self, slot: Slot) -> Slots {
        [slot].into_iter().chain(self.followers(&self.jobs[slot])).collect()
    }

    /// The job with which one goes that is gathering and whose batch has formed.
    #[must_use]
    pub fn leader_of(&self, job: &Job) -> Option<&Job> {
        let State::Gathering { batch, .. } = job.state() else { return None };
        self.batches.leader(batch).map(|slot| &self.jobs[slot])
    }

    /// When the jobs with which one gathers will be a batch, if by time.
    #[must_use]
    pub fn batch_fires(&self, job: &Job) -> Option<UnixMillis> {
        let State::Gathering { batch, .. } = job.state() else { return None };
        self.batches.get(batch)?.fires
    }

    /// Whether somebody holds the batch that a job is of without leading it.
    pub(crate) fn goes_with_lease(&self, job: &Job) -> bool {
        self.leader_of(job).is_some_and(|leader| leader.state().kind() == StateKind::Leased)
    }

    /// Whether a job would gather instead of being ready.
    pub(crate) fn gathers(&self, slot: Slot) -> bool {
        let job = &self.jobs[slot];
        !self.terms.get(job.terms).batch.is_empty() && !job.is_leader()
    }

    /// Has a job gather with others of its key, and forms their batch if they are enough.
    pub(crate) fn gather(&mut self, slot: Slot, cause: Cause) -> bool {
        let key = &self.terms.get(self.jobs[slot].terms).batch;
        let size = self.config.pace_of(key).jobs();
        let batch = self.batches.open(key);
        let is_done = self.shift(slot, Event::Gather { batch }.by(cause));
        let jobs = self.batches.members(batch).len();
        match jobs {
            // It was cancelled, and is gone.
            0 => self.give_up(batch),
            _ if jobs >= size => self.fire(batch),
            _ => {}
        }
        is_done
    }

    /// Forgets an open batch that nobody is of.
    fn give_up(&mut self, batch: BatchKey) {
        self.batches.close(batch);
        self.batches.forget(batch);
    }

    /// Forms the batch whose time has come, by its first job.
    pub(crate) fn fire_first(&mut self, slot: Slot) {
        if let State::Gathering { batch, .. } = self.jobs[slot].state() {
            self.fire(batch);
        }
    }

    /// Makes a batch of those who came first. The others go on gathering, unless they are enough again:
    /// where the settings have changed.
    fn fire(&mut self, batch: BatchKey) {
        let Some(key) = self.batches.get(batch).map(|batch| batch.key.clone()) else { return };
        let size = self.config.pace_of(&key).jobs();
        loop {
            let formed = self.split(batch, &key, size);
            self.hand_on(formed, Event::Free);
            if formed == batch || self.batches.members(batch).len() < size {
                return;
            }
        }
    }

    /// Takes so many jobs from those who gather, the first ones, and all if there are no more.
    fn split(&mut self, batch: BatchKey, key: &[u8], size: usize) -> BatchKey {
        self.disarm(batch);
        if self.batches.members(batch).len() <= size {
            self.batches.close(batch);
            return batch;
        }
        let first: Slots = self.batches.members(batch).take(size).collect();
        let formed = self.batches.add(key, None);
        for slot in first {
            let State::Gathering { since, .. } = self.jobs[slot].state() else { continue };
            self.batches.part(batch, slot);
            self.jobs[slot].state = State::Gathering { since, batch: formed }.into();
            self.batches.join(formed, slot);
        }
        self.rearm(batch);
        formed
    }

    /// Has the first of those lead a batch who do not, and move as an event asks. Without any, there
    /// is no batch any more.
    fn hand_on(&mut self, batch: BatchKey, then: Event) {
        let Some(heir) = self.batches.members(batch).next() else {
            return self.batches.forget(batch);
        };
        if let Some(batch) = self.batches.get_mut(batch) {
            batch.leader = Some(heir);
        }
        self.change_extra(heir, |extra| extra.leads = Some(batch));
        self.proceed(heir, then.by(Cause::Leads));
    }

    /// Has the next one lead in place of a job that is about to leave its batch where that is. Those
    /// who are leased with it are given back without blame.
    pub(crate) fn step_down(&mut self, slot: Slot) {
        let Some(batch) = self.resign(slot) else { return };
        let job = &self.jobs[slot];
        let then = job.state().until().map_or(Event::Free, |until| Event::Reschedule { until });
        if self.holder_of(job).is_some_and(|holder| holder.counted) {
            let members: Slots = self.batches.members(batch).collect();
            for slot in members {
                let job = &mut self.jobs[slot];
                job.deliveries = job.deliveries.saturating_sub(1);
            }
        }
        self.hand_on(batch, then);
    }

    /// Takes the lead from a job that is about to leave its batch.
    fn resign(&mut self, slot: Slot) -> Option<BatchKey> {
        let batch = self.jobs[slot].leads()?;
        self.change_extra(slot, |extra| extra.leads = None);
        Some(batch)
    }

    /// Removes a job from a lease because it was cancelled. Those who went with it have been given back
    /// by now, or have failed.
    pub(crate) fn end_cancelled_alone(&mut self, slot: Slot) {
        let batch = self.resign(slot);
        self.end_cancelled(slot);
        if let Some(batch) = batch {
            self.hand_on(batch, Event::Free);
        }
    }

    /// Sends a job to the dead whose tries are used up. Those who went with it go on as it would have.
    pub(crate) fn die_alone(&mut self, slot: Slot, otherwise: Move) {
        let batch = self.resign(slot);
        self.die(slot, otherwise.cause);
        let Some(batch) = batch else { return };
        let then = match otherwise.event {
            Event::Postpone { until } => Event::Reschedule { until },
            _ => Event::Free,
        };
        self.hand_on(batch, then);
    }

    /// Part of entering the state: a job joins the others.
    pub(crate) fn join_batch(&mut self, batch: BatchKey, slot: Slot) {
        self.disarm(batch);
        self.batches.join(batch, slot);
        self.rearm(batch);
    }

    /// Part of leaving the state.
    pub(crate) fn part_from_batch(&mut self, batch: BatchKey, slot: Slot) {
        self.disarm(batch);
        self.batches.part(batch, slot);
        let is_open = self.batches.leader(batch).is_none();
        if is_open && self.batches.members(batch).len() == 0 {
            self.give_up(batch);
        } else if is_open {
            self.rearm(batch);
        }
    }

    /// Has an open batch form by time when it should.
    fn rearm(&mut self, batch: BatchKey) {
        let Some(it) = self.batches.get(batch).filter(|it| it.leader.is_none()) else { return };
        let fires = self.fires_by(self.config.pace_of(&it.key), it);
        self.arm(batch, fires);
    }

    fn fires_by(&self, pace: Pace, batch: &Batch) -> Option<UnixMillis> {
        let since = |slot: Option<&Slot>| slot.and_then(|slot| self.jobs[*slot].state().since());
        pace.fires(since(batch.members.front())?, since(batch.members.back())?)
    }

    /// Has an open batch form at an instant.
    pub(crate) fn arm(&mut self, batch: BatchKey, fires: Option<UnixMillis>) {
        self.disarm(batch);
        let Some(tables) = &mut self.batches.0 else { return };
        let Some(it) = tables.batches.get_mut(Slot(batch.0)) else { return };
        it.fires = fires;
        if let (Some(at), Some(&first)) = (fires, it.members.front()) {
            tables.due.insert(at, self.jobs[first].seq(), first);
        }
    }

    fn disarm(&mut self, batch: BatchKey) {
        let Some(tables) = &mut self.batches.0 else { return };
        let Some(it) = tables.batches.get_mut(Slot(batch.0)) else { return };
        if let (Some(at), Some(&first)) = (it.fires.take(), it.members.front()) {
            tables.due.remove(at, self.jobs[first].seq(), first);
        }
    }

    /// Has the next batch follow settings that have changed. False if all do.
    pub(crate) fn follow_settings(&mut self) -> bool {
        if !self.batches.are_stale() {
            return false;
        }
        if let Some(batch) = self.batches.next_stale() {
            self.rearm(batch);
            let it = self.batches.get(batch);
            if it.is_some_and(|it| it.members.len() >= self.config.pace_of(&it.key).jobs()) {
                self.fire(batch);
            }
        }
        true
    }

    /// Does something to all jobs that gather under a key, and tells how many there were.
    pub(crate) fn order_batch(&mut self, key: &[u8], order: BatchOrder) -> u64 {
        let Some(batch) = self.batches.find(key) else { return 0 };
        let jobs: Slots = self.batches.members(batch).collect();
        if order == BatchOrder::Fire {
            self.fire(batch);
            return jobs.len() as u64;
        }
        for &slot in &jobs {
            match order {
                BatchOrder::Fire => {}
                BatchOrder::Run => {
                    self.count(slot, |counts| &mut counts.kicked);
                    self.shift(slot, Event::Kick);
                }
                BatchOrder::Bury => {
                    self.bury(slot, None);
                }
                BatchOrder::Delete => {
                    self.count(slot, |counts| &mut counts.deleted);
                    self.remove(slot, Cause::Deleted);
                }
            }
        }
        jobs.len() as u64
    }

    /// Counts a delivery for those who go with a job that was taken.
    pub(crate) fn deliver_followers(&mut self, slot: Slot, counted: bool) {
        let followers: Slots = self.followers(&self.jobs[slot]).collect();
        for slot in followers {
            self.count(slot, |counts| &mut counts.delivered);
            self.jobs[slot].deliveries += u32::from(counted);
            self.tell_in_place(slot, Cause::Leased);
            if self.jobs[slot].lock().is_some_and(|lock| lock.until.is_over(StateKind::Leased)) {
                self.unlock(slot);
            }
        }
    }

    /// Ends the lease of those who go with a job, as its own is about to be ended.
    pub(crate) fn settle_followers(&mut self, slot: Slot, verdict: Verdict<'_>) {
        let counted = self.holder_of(&self.jobs[slot]).is_some_and(|holder| holder.counted);
        let followers: Slots = self.followers(&self.jobs[slot]).collect();
        for slot in followers {
            match verdict {
                Verdict::Ack => self.acknowledge(slot),
                Verdict::Fulfill { result, retain } => {
                    self.fulfill(slot, result, retain);
                }
                Verdict::Bury { error } => {
                    self.bury(slot, error);
                }
                // The rest of it is done where any attempt fails.
                Verdict::Nack { error, .. } => {
                    self.count(slot, |counts| &mut counts.nacked);
                    self.keep_error(slot, error);
                }
                Verdict::Release { counted: counts, .. } => {
                    self.count(slot, |counts| &mut counts.released);
                    if self.is_released_too_often(slot, counts) {
                        self.die(slot, Cause::Released);
                        continue;
                    }
                    let job = &mut self.jobs[slot];
                    job.deliveries = job.deliveries.saturating_sub(u32::from(counted));
                    self.tell_in_place(slot, Cause::Released);
                }
            }
        }
    }

    /// Counts the lapse of a lease for those who go with a job.
    pub(crate) fn lapse_followers(&mut self, slot: Slot) {
        let followers: Slots = self.followers(&self.jobs[slot]).collect();
        for slot in followers {
            self.count(slot, |counts| &mut counts.lapsed);
        }
    }

    /// Counts the failure of those who go with a job whose attempt fails: they are dead where that
    /// was their last.
    pub(crate) fn fail_followers(&mut self, slot: Slot, cause: Cause) {
        let followers: Slots = self.followers(&self.jobs[slot]).collect();
        for slot in followers {
            self.count_failure(slot);
            let job = &self.jobs[slot];
            if job.deliveries >= self.terms.get(job.terms).tries {
                self.die(slot, cause);
            } else {
                self.tell_in_place(slot, cause);
            }
        }
    }

    /// The batch of a job as a stored form has it: that of its leader, or the one that gathers.
    /// `None` if there is no such one, or no place in it.
    pub(crate) fn batch_again(&mut self, key: &[u8], leader: Option<&str>) -> Option<BatchKey> {
        let batch = match leader {
            Some(id) => self.jobs[self.find_id(id)?].leads()?,
            None => self.batches.open(key),
        };
        let it = self.batches.get(batch)?;
        let has_place = it.members.len() + usize::from(leader.is_some()) < BATCH_JOBS_MAX as usize;
        (!key.is_empty() && *it.key == *key && has_place).then_some(batch)
    }

    /// Has a job lead a batch as a stored form has it. False if it cannot.
    pub(crate) fn lead_again(&mut self, slot: Slot) -> bool {
        let job = &self.jobs[slot];
        let key = &self.terms.get(job.terms).batch;
        let state = job.state().kind();
        if key.is_empty() || state.is_final() || state == StateKind::Gathering {
            return false;
        }
        let batch = self.batches.add(key, Some(slot));
        self.change_extra(slot, |extra| extra.leads = Some(batch));
        true
    }

    /// Ends the reading of a stored form. False if jobs do not gather as the settings say.
    pub(crate) fn batches_again(&mut self, stale_after: Option<&[u8]>) -> bool {
        if let Some(after) = stale_after {
            return self.batches.mark_stale(after);
        }
        let is_right = |(key, batch)| {
            let pace = self.config.pace_of(key);
            let is_small = self.batches.members(batch).len() < pace.jobs();
            let it = self.batches.get(batch);
            is_small && it.is_some_and(|it| it.fires == self.fires_by(pace, it))
        };
        self.batches.iter_open().all(is_right)
    }

    /// Part of [`check_invariants`](Queue::check_invariants).
    pub(crate) fn check_batches(&self) -> Result<(), String> {
        let mut members: BTreeMap<u32, Vec<Slot>> = BTreeMap::new();
        for slot in self.gathering.iter(&self.jobs) {
            let State::Gathering { batch, .. } = self.jobs[slot].state() else { continue };
            members.entry(batch.0).or_default().push(slot);
        }
        for (slot, job) in self.jobs.iter() {
            let Some(batch) = job.leads() else { continue };
            let is_unfinished = !job.state().kind().is_final();
            let is_leader = self.batches.leader(batch) == Some(slot);
            if !is_unfinished || !is_leader || job.state().kind() == StateKind::Gathering {
                return Err(format!("leads no batch: {job:?}"));
            }
            members.entry(batch.0).or_default();
        }
        let Some(tables) = &self.batches.0 else {
            return members.is_empty().then_some(()).ok_or("jobs without a batch".into());
        };
        let (mut due, mut open, mut bytes) = (Vec::new(), 0, 0);
        for (at, batch) in tables.batches.iter() {
            let expected = members.remove(&at.0).unwrap_or_default();
            if !batch.members.iter().eq(&expected) {
                return Err(format!("other jobs than {expected:?} in {batch:?}"));
            }
            bytes += bytes_of(&batch.key) + expected.len() * size_of::<Slot>();
            let of_key = |&slot: &Slot| self.terms_of(&self.jobs[slot]).batch == batch.key;
            if !expected.iter().chain(&batch.leader).all(of_key) {
                return Err(format!("jobs of another key in {batch:?}"));
            }
            if batch.leader.is_some() {
                continue;
            }
            open += 1;
            let pace = self.config.pace_of(&batch.key);
            let is_enough = expected.len() >= pace.jobs() && tables.stale_after.is_none();
            let is_listed = tables.open.get(&batch.key) == Some(&BatchKey(at.0));
            if expected.is_empty() || is_enough || !is_listed {
                return Err(format!("does not gather: {batch:?}"));
            }
            let fires = self.fires_by(pace, batch);
            if batch.fires != fires && tables.stale_after.is_none() {
                return Err(format!("should form at {fires:?}: {batch:?}"));
            }
            due.extend(batch.fires.map(|at| (at, self.jobs[expected[0]].seq(), expected[0])));
        }
        due.sort_unstable();
        let fits = members.is_empty() && open == tables.open.len() && bytes == tables.bytes;
        if !fits || !tables.due.iter_after(None).eq(due) {
            return Err(format!("batches {tables:?}, and {members:?} beside them"));
        }
        Ok(())
    }
}
