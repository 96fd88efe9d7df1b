//! Unique keys: as long as a job holds the lock of one, no other job is published with it.
//!
//! A lock belongs to the job that took it, which keeps it among its own; here is how it is found by
//! its key, and when it ends by itself. A queue in which nobody holds one pays a null pointer for
//! it, and a job without one nothing.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use crate::{
    headers::Headers,
    index::IdIndex,
    job::Job,
    journal::Cause,
    operation::{Outcome, Publish},
    queue::COUNT_MAX,
    refusal::Refusal,
    slab::{Slab, Slot},
    state::{Event, State, StateKind},
    time::{Millis, UnixMillis},
    timeline::Timeline,
    u48::U48,
    Queue,
};

/// The longest unique key, in bytes.
pub const UNIQUE_BYTES_MAX: usize = 256;

/// What a publisher says of a job of which there must not be two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unique<'a> {
    /// What no other job may have meanwhile: 1 to [`UNIQUE_BYTES_MAX`] bytes.
    pub key: &'a [u8],
    /// How long after the job is due its lock lasts; zero for as long as it needs.
    pub lasts: Millis,
    /// What frees the lock besides.
    pub until: Until,
    /// What becomes of this publish if another job holds the lock.
    pub otherwise: Otherwise,
}

impl<'a> Unique<'a> {
    /// A key of which nothing else is said.
    #[must_use]
    pub fn new(key: &'a [u8]) -> Self {
        let (until, otherwise) = Default::default();
        Self { key, lasts: Millis::ZERO, until, otherwise }
    }
}

/// What frees a lock besides success, the removal of its job, and its time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Until {
    /// Nothing: a dead job keeps it, so that it can be brought back without a twin.
    #[default]
    Gone,
    /// The job's death.
    Done,
    /// Its first delivery, or its death before that.
    Start,
}

impl Until {
    /// Whether a job that has come into this state holds its lock no more.
    pub(crate) fn is_over(self, state: StateKind) -> bool {
        match state {
            StateKind::Completed => true,
            StateKind::Dead => self != Self::Gone,
            StateKind::Leased => self == Self::Start,
            StateKind::Delayed | StateKind::Held | StateKind::Gathering | StateKind::Ready => false,
        }
    }
}

/// What becomes of a publish whose key another job holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Otherwise {
    /// It is refused.
    #[default]
    Reject,
    /// The other job stands for it.
    Return,
    /// The other job, if it waits, gets what this one would have had.
    Replace,
}

/// A lock, as the job that holds it keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lock {
    /// What no other job may have.
    pub key: Box<[u8]>,
    /// What frees it besides success, removal and time.
    pub until: Until,
    /// When it frees itself.
    pub end: LockEnd,
}

/// When a lock frees itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LockEnd {
    /// Never.
    Never,
    /// So long after its job is due, and it goes along when that is put off: nobody has taken the
    /// job since it was published, or published again.
    AfterDue(Millis),
    /// At this instant, whatever becomes of the job.
    At(UnixMillis),
}

impl Lock {
    pub(crate) fn new(unique: &Unique<'_>) -> Self {
        Self { key: unique.key.into(), until: unique.until, end: LockEnd::of(unique.lasts) }
    }
}

impl LockEnd {
    fn of(lasts: Millis) -> Self {
        if lasts.is_zero() {
            Self::Never
        } else {
            Self::AfterDue(lasts)
        }
    }
}

impl Job {
    /// The lock that the job holds.
    #[must_use]
    pub fn lock(&self) -> Option<&Lock> {
        self.extra.as_ref()?.lock.as_deref()
    }

    /// When the lock that it holds frees itself; [`UnixMillis::NEVER`] if not by time.
    #[must_use]
    pub fn lock_ends(&self) -> Option<UnixMillis> {
        Some(match self.lock()?.end {
            LockEnd::Never => UnixMillis::NEVER,
            LockEnd::AfterDue(lasts) => self.due().after(lasts),
            LockEnd::At(at) => at,
        })
    }

    /// Whether a job in this state can hold such a lock.
    pub(crate) fn may_hold(&self, lock: &Lock) -> bool {
        let state = self.state().kind();
        let goes_along = matches!(lock.end, LockEnd::AfterDue(_));
        !lock.until.is_over(state) && (state != StateKind::Leased || !goes_along)
    }
}

/// Who holds which key, and whose lock frees itself next. Nothing while nobody holds one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks(Option<Box<Tables>>);

#[derive(Clone, Debug, Default)]
struct Tables {
    by_key: IdIndex,
    ends: Timeline,
}

impl Locks {
    /// Whether nobody holds one, as in most queues.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |tables| tables.by_key.len())
    }

    /// Heap bytes held, but for what the jobs keep. O(1).
    pub fn bytes(&self) -> usize {
        let of =
            |tables: &Tables| tables.by_key.bytes() + tables.ends.bytes() + size_of::<Tables>();
        self.0.as_deref().map_or(0, of)
    }

    /// The lock that frees itself next, of equals that of the job published first. O(1).
    #[inline]
    pub fn first_end(&self) -> Option<(UnixMillis, Slot)> {
        self.0.as_ref()?.ends.first().map(|(at, _, slot)| (at, slot))
    }

    /// The job that has a key, though its time may be over. O(1).
    pub fn find(&self, key: &[u8], jobs: &Slab<Job>, secret: u64) -> Option<Slot> {
        let is = |slot: Slot| jobs[slot].lock().is_some_and(|lock| *lock.key == *key);
        self.0.as_ref()?.by_key.find(hash_of(key, secret), is)
    }

    /// Every lock that frees itself, in order.
    pub fn ends(&self) -> impl Iterator<Item = (UnixMillis, u64, Slot)> + '_ {
        self.0.iter().flat_map(|tables| tables.ends.iter_after(None))
    }

    /// Notes the lock of a job, if it holds one: the only one of its key. O(log n).
    pub fn enter(&mut self, slot: Slot, jobs: &Slab<Job>, secret: u64) {
        let job = &jobs[slot];
        let Some(lock) = job.lock() else { return };
        let tables = self.0.get_or_insert_default();
        tables.by_key.insert(hash_of(&lock.key, secret), slot, hasher(jobs, secret));
        self.retime(None, job.lock_ends(), job.seq(), slot);
    }

    /// Forgets the lock of a job, which it still has, if it does. O(log n).
    pub fn leave(&mut self, slot: Slot, jobs: &Slab<Job>, secret: u64) {
        let job = &jobs[slot];
        let Some(lock) = job.lock() else { return };
        self.retime(job.lock_ends(), None, job.seq(), slot);
        let Some(tables) = &mut self.0 else { return };
        tables.by_key.remove(hash_of(&lock.key, secret), slot, hasher(jobs, secret));
        if tables.by_key.len() == 0 {
            self.0 = None;
        }
    }

    /// Has the lock of a job free itself at another instant. O(log n).
    pub fn retime(
        &mut self,
        before: Option<UnixMillis>,
        after: Option<UnixMillis>,
        seq: u64,
        slot: Slot,
    ) {
        let Some(tables) = self.0.as_mut().filter(|_| before != after) else { return };
        let is_timed = |at: &UnixMillis| *at != UnixMillis::NEVER;
        if let Some(at) = before.filter(is_timed) {
            tables.ends.remove(at, seq, slot);
        }
        if let Some(at) = after.filter(is_timed) {
            tables.ends.insert(at, seq, slot);
        }
    }
}

/// A client chooses the keys, so they are hashed with what it does not know. Not as ids are: one
/// text may be both.
fn hash_of(key: &[u8], secret: u64) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(secret, 1);
    key.hash(&mut hasher);
    hasher.finish()
}

fn hasher(jobs: &Slab<Job>, secret: u64) -> impl Fn(Slot) -> u64 + '_ {
    move |slot| jobs[slot].lock().map_or(0, |lock| hash_of(&lock.key, secret))
}

impl Queue {
    /// How many locks are held. O(1).
    #[must_use]
    pub fn locks_held(&self) -> usize {
        self.locks.len()
    }

    /// The job that holds the lock of a key. O(1).
    #[must_use]
    #[inline]
    pub fn lock_holder(&self, key: &[u8]) -> Option<Slot> {
        // Over is over, though no tick has come to it.
        let holds = |slot: &Slot| self.jobs[*slot].lock_ends().is_some_and(|at| at > self.clock);
        self.locks.find(key, &self.jobs, self.hash_key).filter(holds)
    }

    /// Whether some job has the lock of a key, be its time over or not. O(1).
    pub(crate) fn has_lock(&self, key: &[u8]) -> bool {
        self.locks.find(key, &self.jobs, self.hash_key).is_some()
    }

    /// The job that holds the key of a publish: not the one that is replaced, which hands it over.
    /// `None` also where there is no job to be replaced, which is another reason to refuse.
    #[inline]
    pub(crate) fn duplicate_of(&self, publish: &Publish<'_>) -> Option<Slot> {
        let holder = self.lock_holder(publish.unique()?.key)?;
        match &publish.replaces {
            Some(job) => self.find(job).map(|replaced| (replaced != holder).then_some(holder))?,
            None => Some(holder),
        }
    }

    /// Decides whether a publish is granted whose key another job holds.
    #[cold]
    pub(crate) fn check_duplicate(
        &self,
        publish: &Publish<'_>,
        holder: Slot,
    ) -> Result<(), Refusal> {
        let job = &self.jobs[holder];
        match publish.unique().map(|unique| unique.otherwise).unwrap_or_default() {
            Otherwise::Return => Ok(()),
            Otherwise::Replace if job.state().waits() && !self.goes_with_lease(job) => {
                let due = publish.due.after(self.clock);
                if self.expires_at(job).is_some_and(|at| at < due) {
                    return Err(Refusal::ExpiresBeforeDue);
                }
                if job.deadline().is_some_and(|at| at < due) {
                    return Err(Refusal::OverdueBeforeDue);
                }
                Ok(())
            }
            Otherwise::Reject | Otherwise::Replace => Err(Refusal::Duplicate(job.id().to_string())),
        }
    }

    /// Ends a publish whose key another job holds.
    #[cold]
    pub(crate) fn end_in_duplicate(
        &mut self,
        publish: &Publish<'_>,
        holder: Slot,
    ) -> Result<Outcome, Refusal> {
        self.check_duplicate(publish, holder)?;
        match (publish.unique(), publish.bodies.as_slice()) {
            (Some(unique), [body, ..]) if unique.otherwise == Otherwise::Replace => {
                self.debounce(publish, unique, body, holder);
                Ok(Outcome::Renewed(holder))
            }
            _ => Ok(Outcome::Held(holder)),
        }
    }

    /// Gives a job that waits what another with its key would have had: its body, its headers, its
    /// instant, and a lock from then on.
    fn debounce(&mut self, publish: &Publish<'_>, unique: &Unique<'_>, body: &[u8], slot: Slot) {
        self.count(slot, |counts| &mut counts.updated);
        self.replace_body(slot, body);
        self.change_extra(slot, |extra| {
            extra.headers = Headers::new(&publish.headers);
            extra.updates = COUNT_MAX.min(extra.updates + 1);
        });
        let until = publish.due.after(self.clock);
        let now = self.clock;
        if until > now {
            self.shift(slot, Event::Reschedule { until }.by(Cause::Renewed));
        } else if matches!(self.jobs[slot].state(), State::Delayed { .. }) {
            self.proceed(slot, Event::Kick.by(Cause::Renewed));
        } else {
            self.tell_in_place(slot, Cause::Renewed);
        }
        self.change_lock(slot, |job| {
            if until <= now {
                // Held or ready already, it keeps its place, and is meant to be ready as of now.
                job.due = U48::new(now.0);
            }
            if let Some(lock) = lock_of(job) {
                lock.until = unique.until;
                lock.end = LockEnd::of(unique.lasts);
            }
        });
    }

    /// Frees a key whose time is over though no tick has come to it.
    pub(crate) fn free_key(&mut self, key: &[u8]) {
        if let Some(slot) = self.locks.find(key, &self.jobs, self.hash_key) {
            self.unlock(slot);
        }
    }

    /// Frees the lock of a job, which goes on without.
    pub(crate) fn unlock(&mut self, slot: Slot) {
        self.locks.leave(slot, &self.jobs, self.hash_key);
        self.change_extra(slot, |extra| extra.lock = None);
    }

    /// Has the lock of a job, which would have ended `before`, follow it into another state.
    pub(crate) fn follow_with_lock(&mut self, slot: Slot, before: UnixMillis) {
        let job = &mut self.jobs[slot];
        let state = job.state().kind();
        let Some(lock) = lock_of(job) else { return };
        if state == StateKind::Leased && matches!(lock.end, LockEnd::AfterDue(_)) {
            lock.end = LockEnd::At(before);
        }
        let is_over = lock.until.is_over(state);
        let (after, seq) = (job.lock_ends(), job.seq());
        self.locks.retime(Some(before), after, seq, slot);
        if is_over {
            self.unlock(slot);
        }
    }

    /// Changes the lock of a job, or what it depends on.
    fn change_lock(&mut self, slot: Slot, change: impl FnOnce(&mut Job)) {
        let job = &mut self.jobs[slot];
        let before = job.lock_ends();
        change(job);
        let (after, seq) = (job.lock_ends(), job.seq());
        self.locks.retime(before, after, seq, slot);
    }
}

fn lock_of(job: &mut Job) -> Option<&mut Lock> {
    job.extra.as_mut()?.lock.as_deref_mut()
}
