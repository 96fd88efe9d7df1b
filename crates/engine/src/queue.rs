//! A queue: its jobs, their indexes, and the one door through which a job moves.

use std::{
    borrow::Cow,
    cell::Cell,
    collections::VecDeque,
    hash::{Hash, Hasher},
};

use siphasher::sip::SipHasher13;

use crate::{
    batches::Batches,
    bonds::Bonds,
    config::Config,
    counters::Counters,
    crew::Heard,
    gates::Gates,
    generator::Generator,
    id::{JobId, JobRef, Token, Ulid},
    index::IdIndex,
    interner::{Interner, Key},
    job::{Extra, Job},
    journal::{Cause, Journal, Move},
    limits::{GroupKey, Limits},
    list::{Links, List},
    messages::Messages,
    numbers::Numbers,
    operation::{Holder, Revival},
    outsiders::Outsiders,
    parents::{End as Fate, Family},
    pause::Pauses,
    ready::{End, Rank, Ready},
    schedules::Schedules,
    slab::{Slab, Slot},
    state::{Event, State, StateKind},
    subscriptions::Subscriptions,
    terms::Terms,
    time::{Millis, UnixMillis},
    timeline::Timeline,
    u48::U48,
    unique::Locks,
    uses::LimitName,
    watch::{Ending, Watch},
};

/// What a drained queue may keep for the terms of jobs to come, in bytes.
const DRAINED_TERMS_BYTES_MAX: usize = 1024;

/// A job queue. [`choose`](Self::choose) decides what comes of a request and changes nothing;
/// [`apply`](Self::apply) changes and decides nothing. Two queues that applied the same operations
/// are equal, by [`digest`](Self::digest).
///
/// Invariant: a job is in exactly the indexes that its state asks for; see
/// [`check_invariants`](Self::check_invariants).
#[derive(Clone, Debug)]
pub struct Queue {
    pub(crate) clock: UnixMillis,
    pub(crate) generator: Generator,
    pub(crate) last_ulid: Ulid,
    pub(crate) jobs_published: u64,
    pub(crate) tokens_granted: u64,
    pub(crate) config: Config,
    pub(crate) numbers: Numbers,

    pub(crate) jobs: Slab<Job>,
    pub(crate) ids: IdIndex,
    // What given ids are hashed with, so that a client cannot choose ids that collide. No part of
    // the logical state: a reloaded queue has another one.
    pub(crate) hash_key: u64,
    // How many jobs have an id that a client gave; without any, look-ups skip them.
    pub(crate) given_ids: usize,
    pub(crate) terms: Interner<Terms>,
    // The terms of a job published without options; one use of them is the queue's own.
    pub(crate) default_terms: Key,
    pub(crate) holders: Interner<Holder>,

    pub(crate) limits: Limits,
    pub(crate) ready: Ready,
    pub(crate) delayed: Timeline,
    pub(crate) leased: Timeline,
    pub(crate) held: List,
    pub(crate) gathering: List,
    // Held, gathering and ready jobs that will expire or be overdue.
    pub(crate) expiring: Timeline,
    pub(crate) completed: List,
    // Completed jobs that are not kept for ever.
    pub(crate) retained: Timeline,
    pub(crate) dead: List,
    pub(crate) locks: Locks,
    pub(crate) pauses: Pauses,
    pub(crate) gates: Gates,
    pub(crate) family: Family,
    pub(crate) batches: Batches,
    pub(crate) outsiders: Outsiders,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) schedules: Schedules,
    // What operators asked of many jobs at once, worked through by ticks.
    pub(crate) tasks: VecDeque<Task>,
    pub(crate) heap_bytes: usize,
    // When a tick next has work, once that was asked: several times a command, and it is only by an
    // operation that it changes.
    pub(crate) known_due: Cell<Option<UnixMillis>>,
    // When somebody last used the queue, or it became empty.
    pub(crate) idle_since: UnixMillis,
    pub(crate) watch: Watch,
    pub(crate) bonds: Bonds,
    pub(crate) messages: Messages,
    pub(crate) heard: Heard,
    pub(crate) journal: Journal,
}

/// What time brings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timed {
    /// A job's instant has come, or the end of its lease, of its life or of its retention.
    Job(Slot),
    /// Tokens of a limit have come back.
    Refill,
    /// A batch forms, of which this job came first.
    Batch(Slot),
    /// The lock that a job holds frees itself.
    LockEnd(Slot),
    /// The lease of a notice lapses.
    NoticeLapse,
    /// A pause is over.
    PauseEnd,
    /// A schedule comes round.
    Schedule(u64),
}

/// Work on many jobs that is done in slices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Task {
    /// Make this many more delayed jobs ready, the soonest first.
    Kick { left: u64 },
    /// Bring this many more dead jobs back, the longest dead first.
    Respawn { left: u64, revival: Revival },
    /// Send this many more jobs of a state to the dead, those first that would leave it first.
    Bury { state: StateKind, left: u64 },
    /// Remove this many more jobs of a state, those first that would leave it first.
    Purge { state: StateKind, left: u64 },
    /// Remove the longest dead until there are no more than the queue keeps.
    Prune,
}

/// Counts end here, which only a stored form that was made up can come near: beyond it, none would
/// be read. Places in publish order are among them, of which the time index keeps 48 bits.
pub(crate) const COUNT_MAX: u64 = (1 << 47) - 1;

/// Tokens end here, in the same way.
pub(crate) const TOKEN_MAX: u64 = (1 << 62) - 1;

impl Queue {
    /// An empty queue whose randomness starts from `seed`. Its clock stands at the beginning of
    /// time until the first tick.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let config = Config::default();
        let mut terms = Interner::default();
        let default_terms = intern_terms(&mut terms, config.defaults.as_ref());
        Self {
            clock: UnixMillis(0),
            generator: Generator::new(seed),
            last_ulid: Ulid::ZERO,
            jobs_published: 0,
            tokens_granted: 0,
            config,
            numbers: Numbers::default(),
            jobs: Slab::default(),
            ids: IdIndex::default(),
            hash_key: seed,
            given_ids: 0,
            terms,
            default_terms,
            holders: Interner::default(),
            limits: Limits::default(),
            ready: Ready::default(),
            delayed: Timeline::default(),
            leased: Timeline::default(),
            held: List::default(),
            gathering: List::default(),
            expiring: Timeline::default(),
            completed: List::default(),
            retained: Timeline::default(),
            dead: List::default(),
            locks: Locks::default(),
            pauses: Pauses::default(),
            gates: Gates::default(),
            family: Family::default(),
            batches: Batches::default(),
            outsiders: Outsiders::default(),
            subscriptions: Subscriptions::default(),
            schedules: Schedules::default(),
            tasks: VecDeque::new(),
            heap_bytes: 0,
            known_due: Cell::new(None),
            idle_since: UnixMillis(0),
            watch: Watch::default(),
            bonds: Bonds::default(),
            messages: Messages::default(),
            heard: Heard::default(),
            journal: Journal::default(),
        }
    }

    /// The queue's own time: that of its last tick.
    #[must_use]
    pub fn clock(&self) -> UnixMillis {
        self.clock
    }

    /// When a tick next has work; not after the clock if it has some now. O(1).
    #[must_use]
    pub fn next_due(&self) -> Option<UnixMillis> {
        let due = self.due();
        (due < Timeline::NEVER_DUE).then_some(due)
    }

    /// The same; [`Timeline::NEVER_DUE`] if it never has.
    #[inline]
    pub(crate) fn due(&self) -> UnixMillis {
        self.known_due.get().unwrap_or_else(|| self.look_up_due())
    }

    #[inline(never)]
    fn look_up_due(&self) -> UnixMillis {
        let due = self.due_at();
        self.known_due.set(Some(due));
        due
    }

    /// The same in the middle of an operation.
    pub(crate) fn due_at(&self) -> UnixMillis {
        let is_told = self.family.tells() || self.gates.are_opening() || self.batches.are_stale();
        if is_told || !self.tasks.is_empty() || !self.limits.chores.is_empty() {
            return self.clock;
        }
        let held = self.delayed.first_due().min(self.leased.first_due());
        let kept = self.expiring.first_due().min(self.retained.first_due());
        let mut due = held.min(kept).min(self.limits.first_refill());
        // What most queues do not have.
        if !self.config.dead_age.is_zero() {
            due = self.first_too_old().map_or(due, |(at, _, _)| due.min(at));
        }
        if self.limits.whole.rate.is_some() && self.ready.len() > 0 {
            due = self.limits.queue_refill(self.clock).map_or(due, |at| due.min(at));
        }
        if !self.batches.is_empty() {
            due = self.batches.first_due().map_or(due, |(at, _)| due.min(at));
        }
        if !self.locks.is_empty() {
            due = self.locks.first_end().map_or(due, |(at, _)| due.min(at));
        }
        if !self.subscriptions.is_empty() {
            due = self.subscriptions.first_lapse().map_or(due, |at| due.min(at));
        }
        if !self.schedules.is_empty() {
            due = match self.schedules.first_due() {
                _ if self.schedules.need_plans() => return self.clock,
                Some((at, _)) => due.min(at),
                None => due,
            };
        }
        if self.pauses != Pauses::default() {
            due = self.pauses.next_end().map_or(due, |at| due.min(at));
        }
        due
    }

    /// When tokens of a limit come back for which a job waits, if any. O(1).
    #[must_use]
    pub fn next_refill(&self) -> Option<UnixMillis> {
        let at = self.limits.first_refill();
        (at != Timeline::NEVER_DUE).then_some(at)
    }

    /// How many limits are still to be seen to that have changed while jobs counted against them.
    #[must_use]
    pub fn chores_left(&self) -> usize {
        self.limits.chores.len()
    }

    /// What is paused, and until when.
    #[must_use]
    pub fn pauses(&self) -> &Pauses {
        &self.pauses
    }

    /// Whether a consumer could be given a job now. O(1).
    #[must_use]
    #[inline]
    pub fn hands_out(&self) -> bool {
        self.ready.len() > 0 && self.pauses.consuming.is_none() && self.room_in_queue() > 0
    }

    /// How many more jobs the queue as a whole may hand out. O(1).
    #[inline]
    pub(crate) fn room_in_queue(&self) -> usize {
        self.limits.room_in_queue(self.leased.len(), self.clock)
    }

    /// When the queue has been empty and unused for long enough that it should be removed, if ever:
    /// a pause is to be kept, an open gate, notices, a schedule, and what is on its way to other queues.
    /// To remove it is up to the host. O(1).
    #[must_use]
    pub fn idle_ends(&self) -> Option<UnixMillis> {
        let span = self.config.idle_expire;
        if span.is_zero() {
            return None;
        }
        let is_idle = self.is_empty()
            && self.pauses == Pauses::default()
            && self.gates.are_closed()
            && self.schedules.is_empty()
            && self.outsiders.is_unused()
            && self.subscriptions.is_empty();
        is_idle.then(|| self.idle_since.after(span))
    }

    /// Whether a tick at `now` has work. O(1).
    #[must_use]
    #[inline]
    pub fn is_due(&self, now: UnixMillis) -> bool {
        let due = self.due();
        due <= now.max(self.clock) && due < Timeline::NEVER_DUE
    }

    /// How many jobs are in a state. O(1).
    #[must_use]
    pub fn len_of(&self, state: StateKind) -> usize {
        match state {
            StateKind::Delayed => self.delayed.len(),
            StateKind::Held => self.held.len(),
            StateKind::Gathering => self.gathering.len(),
            StateKind::Ready => self.ready.len() + self.limits.parked,
            StateKind::Leased => self.leased.len(),
            StateKind::Completed => self.completed.len(),
            StateKind::Dead => self.dead.len(),
        }
    }

    /// How many jobs of a group there are in all states. O(1).
    #[must_use]
    pub fn len_of_group(&self, group: &[u8]) -> u64 {
        let key = self.limits.find(LimitName::Group(group), self.hash_key);
        key.and_then(|key| self.limits.get(key)).map_or(0, |limit| limit.jobs)
    }

    /// How many jobs there are in all states. O(1).
    #[must_use]
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether the queue holds no job at all. O(1).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Since when the job that has been ready longest is so. O(1).
    #[must_use]
    pub fn oldest_ready(&self) -> Option<UnixMillis> {
        let parked = self.limits.heads.first().map(|(since, _, _)| since);
        sooner(self.ready.oldest(&self.jobs), parked)
    }

    /// How many jobs are still to be worked through by what operators asked of many at once.
    /// O(tasks).
    #[must_use]
    pub fn tasks_left(&self) -> u64 {
        let left = self.tasks.iter().map(|task| match *task {
            Task::Kick { left }
            | Task::Respawn { left, .. }
            | Task::Bury { left, .. }
            | Task::Purge { left, .. } => left,
            Task::Prune => self.too_many_dead(),
        });
        left.fold(0, u64::saturating_add)
    }

    /// Begins to watch an unfinished job, until it is completed, dead or removed. O(1).
    pub fn watch(&mut self, slot: Slot) {
        self.watch.begin(slot);
    }

    /// Whether a watched job has ended since that was asked last. O(1).
    #[must_use]
    #[inline]
    pub fn has_endings(&self) -> bool {
        self.watch.has_endings()
    }

    /// What has become of watched jobs since this was asked last. They are watched no longer.
    pub fn take_endings(&mut self) -> Vec<Ending> {
        self.watch.take()
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.numbers.counts
    }

    /// Bytes of memory held, about. O(n) with n limits, and groups and batch keys with settings of their
    /// own.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.config.bytes()
            + self.jobs.bytes()
            + self.ids.bytes()
            + self.terms.bytes()
            + self.holders.bytes()
            + self.ready.bytes()
            + self.limits.bytes()
            + self.delayed.bytes()
            + self.leased.bytes()
            + self.expiring.bytes()
            + self.retained.bytes()
            + self.locks.bytes()
            + self.gates.bytes()
            + self.family.bytes()
            + self.batches.bytes()
            + self.outsiders.bytes()
            + self.subscriptions.bytes()
            + self.heard.bytes()
            + self.numbers.bytes()
            + self.journal.bytes()
            + self.schedules.bytes()
            + self.heap_bytes
    }

    /// The job in a slot that an outcome or a look-up named.
    ///
    /// # Panics
    /// If the job has been removed since.
    #[must_use]
    pub fn job(&self, slot: Slot) -> &Job {
        &self.jobs[slot]
    }

    /// The job that a reference means: with a receipt, only while its lease holds. O(1).
    #[must_use]
    pub fn find(&self, job: &JobRef<'_>) -> Option<Slot> {
        let slot = match job.ulid {
            Some(ulid) => self.find_ulid(ulid, || job.id().into()),
            None => self.find_given(job.id()),
        }?;
        match (job.token, self.jobs[slot].state()) {
            (None, _) => Some(slot),
            (Some(named), State::Leased { token, .. }) if named == token => Some(slot),
            _ => None,
        }
    }

    /// The same, if it is leased.
    #[must_use]
    pub fn find_leased(&self, job: &JobRef<'_>) -> Option<Slot> {
        self.find(job).filter(|&slot| matches!(self.jobs[slot].state(), State::Leased { .. }))
    }

    /// The job of this id, whoever gave it. O(1).
    #[must_use]
    pub fn find_id(&self, id: &str) -> Option<Slot> {
        match Ulid::parse(id.as_bytes()) {
            Some(ulid) => self.find_ulid(ulid, || id.into()),
            None => self.find_given(id),
        }
    }

    /// The same for an id in the form of those that a queue makes; `text` writes it, which is rarely
    /// needed.
    pub(crate) fn find_ulid<'a>(
        &self,
        ulid: Ulid,
        text: impl FnOnce() -> Cow<'a, str>,
    ) -> Option<Slot> {
        let made = self.locate(JobId::Made(ulid));
        if made.is_some() || self.given_ids == 0 {
            return made;
        }
        self.find_given(&text())
    }

    fn find_given(&self, id: &str) -> Option<Slot> {
        if self.given_ids == 0 {
            return None;
        }
        self.locate(JobId::Given(id))
    }

    /// The job of exactly this id, made or given. O(1).
    #[must_use]
    pub fn locate(&self, id: JobId<'_>) -> Option<Slot> {
        self.ids.find(hash_of(id, self.hash_key), |slot| self.jobs[slot].id() == id)
    }

    /// When an unfinished job expires, if ever.
    #[must_use]
    pub fn expires_at(&self, job: &Job) -> Option<UnixMillis> {
        if let Some(at) = job.extra.as_ref().and_then(|extra| extra.expires_at) {
            return Some(at);
        }
        let ttl = self.terms.get(job.terms).ttl;
        (!ttl.is_zero()).then(|| job.ulid.millis().after(ttl))
    }

    /// When an unfinished job's life ends in any case: it expires, or its deadline passes.
    #[must_use]
    pub fn ends_at(&self, job: &Job) -> Option<UnixMillis> {
        sooner(self.expires_at(job), job.deadline())
    }

    /// On what terms a job is worked.
    #[must_use]
    pub fn terms_of(&self, job: &Job) -> &Terms {
        self.terms.get(job.terms)
    }

    /// Who holds a leased job.
    #[must_use]
    pub fn holder_of(&self, job: &Job) -> Option<&Holder> {
        match job.state() {
            State::Leased { holder, .. } => Some(self.holders.get(holder)),
            _ => None,
        }
    }

    /// What time brings next, and when. Of what happens at the same instant, jobs move first, in
    /// publish order, then pauses end, and schedules come round last.
    pub(crate) fn first_event(&self) -> Option<(UnixMillis, Timed)> {
        let jobs = self.first_due().map(|(at, _, slot)| (at, Timed::Job(slot)));
        let refill = Some((self.limits.first_refill(), Timed::Refill));
        let refill = refill.filter(|(at, _)| *at != Timeline::NEVER_DUE);
        let batch = self.batches.first_due().map(|(at, slot)| (at, Timed::Batch(slot)));
        let lock = self.locks.first_end().map(|(at, slot)| (at, Timed::LockEnd(slot)));
        let notice = self.subscriptions.first_lapse().map(|at| (at, Timed::NoticeLapse));
        let pause = self.pauses.next_end().map(|at| (at, Timed::PauseEnd));
        let schedule = self.schedules.first_due().map(|(at, number)| (at, Timed::Schedule(number)));
        // In this order: the first of equals comes first.
        let works = earlier(earlier(earlier(jobs, refill), batch), lock);
        earlier(earlier(works, earlier(notice, pause)), schedule)
    }

    /// The earliest transition of a job: its instant, its place among equals, the job.
    fn first_due(&self) -> Option<(UnixMillis, u64, Slot)> {
        let living =
            sooner(sooner(self.delayed.first(), self.leased.first()), self.expiring.first());
        sooner(living, sooner(self.retained.first(), self.first_too_old()))
    }

    /// The longest dead job, and when it has been dead for long enough.
    fn first_too_old(&self) -> Option<(UnixMillis, u64, Slot)> {
        if self.config.dead_age.is_zero() {
            return None;
        }
        let slot = self.dead.first()?;
        let job = &self.jobs[slot];
        match job.state() {
            State::Dead { since } => Some((since.after(self.config.dead_age), job.seq(), slot)),
            _ => None,
        }
    }

    /// The job that would leave a state first.
    pub(crate) fn first_of(&self, state: StateKind) -> Option<Slot> {
        match state {
            StateKind::Delayed => self.delayed.first().map(|(_, _, slot)| slot),
            StateKind::Held => self.held.first(),
            StateKind::Gathering => self.gathering.first(),
            StateKind::Ready => self.ready.iter(&self.jobs).next().or_else(|| self.parked().next()),
            StateKind::Leased => self.leased.first().map(|(_, _, slot)| slot),
            StateKind::Completed => self.completed.first(),
            StateKind::Dead => self.dead.first(),
        }
    }

    /// Adds a job in its first state.
    pub(crate) fn admit(&mut self, job: Job) -> Slot {
        let slot = self.register(job);
        if self.journal.is_kept() {
            self.tell_published(slot);
        }
        self.enter(slot, End::Tail);
        if !self.limits.freed.is_empty() {
            self.seat_freed();
        }
        slot
    }

    /// Adds a job in the state in which it was stored; where it is parked, by which of the limits that
    /// it needs. `None` if it cannot be.
    pub(crate) fn admit_again(&mut self, job: Job, parked: Option<usize>) -> Option<Slot> {
        let state = job.state();
        if job.packed_trail().is_some() {
            self.journal.add_trail();
        }
        let slot = self.register(job);
        let State::Ready { .. } = state else {
            self.enter(slot, End::Tail);
            return Some(slot);
        };
        let job = &self.jobs[slot];
        let (ends_at, seq) = (self.ends_at(job), job.seq());
        match parked {
            Some(blocker) if !self.park_again(slot, blocker) => return None,
            Some(_) => {}
            None => self.take_seat_again(slot),
        }
        if let Some(at) = ends_at {
            self.expiring.insert(at, seq, slot);
        }
        Some(slot)
    }

    fn register(&mut self, job: Job) -> Slot {
        self.heap_bytes += job.heap_bytes();
        self.given_ids += usize::from(job.given().is_some());
        if let State::Leased { holder, .. } = job.state() {
            self.holders.retain(holder);
        }
        self.terms.retain(job.terms);
        if self.terms.get(job.terms).is_bound() {
            self.enroll(&job);
        }
        let key = self.hash_key;
        let (hash, is_locked) = (hash_of(job.id(), key), job.lock().is_some());
        let slot = self.jobs.insert(job);
        let jobs = &self.jobs;
        self.ids.insert(hash, slot, |slot| hash_of(jobs[slot].id(), key));
        if is_locked {
            self.locks.enter(slot, jobs, key);
        }
        slot
    }

    /// The one door: moves a job as an event asks. False, and nothing is changed, if its state
    /// does not allow it.
    #[inline]
    pub(crate) fn shift(&mut self, slot: Slot, step: impl Into<Move>) -> bool {
        self.shift_by(slot, step.into())
    }

    fn shift_by(&mut self, slot: Slot, Move { event, cause }: Move) -> bool {
        let before = self.jobs[slot].state();
        let Some(state) = before.after(event, self.clock) else { return false };
        if matches!(before, State::Leased { .. }) && !matches!(state, State::Leased { .. }) {
            // Whatever gives it back: a job that was cancelled does not wait again.
            if !state.kind().is_final() && self.jobs[slot].is_cancelled() {
                self.end_cancelled_alone(slot);
                return true;
            }
            if self.messages.are_kept() && self.is_held_by_name(before) {
                self.note_end(slot);
            }
            self.note_run_time(slot);
        }
        // A lease that goes on is no news.
        if self.journal.is_kept() && !matches!(event, Event::Touch { .. }) {
            self.tell_move(slot, cause, Some(state));
        }
        if state.kind().is_final() && !self.batches.is_empty() {
            self.step_down(slot);
        }
        let lock_ends = if self.locks.is_empty() { None } else { self.jobs[slot].lock_ends() };
        // Retained before it is released: a touch keeps the holder.
        if let State::Leased { holder, .. } = state {
            self.holders.retain(holder);
        }
        if !self.bonds.is_empty() {
            self.loosen(slot, matches!(event, Event::Touch { .. }));
        }
        self.leave(slot);
        let job = &mut self.jobs[slot];
        job.state = state.into();
        match state {
            State::Delayed { until } => job.due = U48::new(until.0),
            State::Ready { since, .. } if event != Event::Wake => job.due = U48::new(since.0),
            State::Leased { .. } if !matches!(event, Event::Touch { .. }) => {
                job.links = Links::since(self.clock);
            }
            _ => {}
        }
        self.enter(slot, if event == Event::Release { End::Head } else { End::Tail });
        if let Some(at) = lock_ends {
            self.follow_with_lock(slot, at);
        }
        if state.kind().is_final() && self.may_be_awaited(slot) {
            let result = self.jobs[slot].outcome().map(Vec::from);
            self.note_ending(slot, Some(state.kind()), result.as_deref());
        }
        if !self.schedules.is_empty() && before.kind().is_final() != state.kind().is_final() {
            self.note_run(slot, state.kind().is_final());
        }
        if !self.limits.freed.is_empty() {
            self.seat_freed();
        }
        match state {
            State::Completed { .. } => self.tell_of(slot, Fate::Completed),
            State::Dead { .. } => self.tell_of(slot, Fate::Died),
            _ => {}
        }
        true
    }

    /// Whether there is somebody with a name to be told of the end of a lease.
    #[inline]
    fn is_held_by_name(&self, state: State) -> bool {
        matches!(state, State::Leased { holder, .. } if !self.holders.get(holder).worker.is_empty())
    }

    /// Removes a job because it is finished, and not kept; with this result, if not with its own.
    pub(crate) fn remove_completed(&mut self, slot: Slot, result: Option<&[u8]>, cause: Cause) {
        self.tell_of_removal(slot, Fate::Completed, result);
        self.take_out(slot, cause);
    }

    /// Removes a job from the queue.
    pub(crate) fn remove(&mut self, slot: Slot, cause: Cause) {
        self.tell_of_removal(slot, Fate::Removed, None);
        self.take_out(slot, cause);
    }

    /// Tells those who wait for the end of a job that is about to be removed.
    #[inline]
    fn tell_of_removal(&mut self, slot: Slot, how: Fate, result: Option<&[u8]>) {
        if self.may_be_awaited(slot) {
            let state = (how == Fate::Completed).then_some(StateKind::Completed);
            let result = state.and(result.or(self.jobs[slot].result())).map(Vec::from);
            self.note_ending(slot, state, result.as_deref());
            self.tell_of(slot, how);
        }
    }

    /// Whether somebody could wait for the end of a job: whoever does not watch is noted among what few jobs
    /// have.
    #[inline]
    fn may_be_awaited(&self, slot: Slot) -> bool {
        !self.watch.is_empty() || self.jobs[slot].extra.is_some()
    }

    /// Notes for whoever watches a job or subscribed to it what has become of it.
    fn note_ending(&mut self, slot: Slot, state: Option<StateKind>, result: Option<&[u8]>) {
        if self.watch.end(slot) {
            let ulid = self.jobs[slot].ulid;
            self.watch.note(Ending { ulid, state, result: result.map(Into::into) });
        }
        if self.has_subscribers(slot) {
            self.note_for_subscribers(slot, state, result);
        }
    }

    /// Takes a job out of which everybody has been told who waits for it.
    fn take_out(&mut self, slot: Slot, cause: Cause) {
        if self.journal.is_kept() {
            self.tell_move(slot, cause, None);
        }
        if !self.bonds.is_empty() {
            self.loosen(slot, false);
        }
        let state = self.jobs[slot].state();
        if matches!(state, State::Leased { .. }) {
            if self.messages.are_kept() && self.is_held_by_name(state) {
                self.note_end(slot);
            }
            self.note_run_time(slot);
        }
        if !self.schedules.is_empty() && !state.kind().is_final() {
            self.note_run(slot, true);
        }
        if !self.batches.is_empty() {
            self.step_down(slot);
        }
        self.leave(slot);
        let (jobs, key) = (&self.jobs, self.hash_key);
        if !self.locks.is_empty() {
            self.locks.leave(slot, jobs, key);
        }
        let hash = |slot| hash_of(jobs[slot].id(), key);
        self.ids.remove(hash(slot), slot, hash);
        let Some(job) = self.jobs.remove(slot) else { return };
        self.heap_bytes -= job.heap_bytes();
        self.given_ids -= usize::from(job.given().is_some());
        if self.is_bound(job.terms) {
            self.dismiss(&job);
        }
        self.terms.release(job.terms);
        if !self.limits.freed.is_empty() {
            self.seat_freed();
        }
        let seq = job.seq();
        let parents = job.extra.and_then(|extra| extra.parents);
        if let Some(parents) = parents.filter(|parents| parents.left() > 0) {
            self.family.forget(seq, slot, parents);
        }
        if self.is_empty() {
            self.idle_since = self.clock;
            if !self.family.is_unused() {
                self.family.drain();
            }
            if self.terms.bytes() > DRAINED_TERMS_BYTES_MAX {
                self.terms = Interner::default();
                self.numbers.types.forget_terms();
                self.default_terms = intern_terms(&mut self.terms, self.config.defaults.as_ref());
            }
        }
    }

    /// Changes what few jobs have, and keeps the books. Not while an index depends on it.
    pub(crate) fn change_extra(&mut self, slot: Slot, change: impl FnOnce(&mut Extra)) {
        let job = &mut self.jobs[slot];
        self.heap_bytes -= job.heap_bytes();
        change(job.extra.get_or_insert_default());
        if job.extra.as_deref() == Some(&Extra::default()) {
            job.extra = None;
        }
        self.heap_bytes += job.heap_bytes();
    }

    /// Gives a job another body, and keeps the books.
    pub(crate) fn replace_body(&mut self, slot: Slot, body: &[u8]) {
        let job = &mut self.jobs[slot];
        self.heap_bytes = self.heap_bytes - job.body.len() + body.len();
        job.body = body.into();
    }

    /// Finds or keeps terms and counts one use.
    pub(crate) fn intern_terms(&mut self, terms: Terms<&[u8]>) -> Key {
        let key = intern_terms(&mut self.terms, terms);
        self.numbers.types.link(key, terms.job_type);
        key
    }

    /// Takes the terms of jobs to come from the configuration.
    pub(crate) fn renew_default_terms(&mut self) {
        let terms = intern_terms(&mut self.terms, self.config.defaults.as_ref());
        self.numbers.types.link(terms, &self.config.defaults.job_type);
        self.terms.release(std::mem::replace(&mut self.default_terms, terms));
    }

    /// Finds or keeps a holder and counts one use.
    pub(crate) fn intern_holder(&mut self, holder: &Holder<&[u8]>) -> Key {
        self.holders.intern(holder, |kept, asked| kept.as_ref() == **asked, Holder::to_owned)
    }

    /// Whether so many jobs can still be published: they need places and ids.
    pub(crate) fn has_room_for(&self, jobs: usize) -> bool {
        let has_ids = self.last_ulid.millis() < self.clock || self.last_ulid.has_room();
        has_ids && jobs as u64 <= COUNT_MAX - self.jobs_published
    }

    /// How many leases can still be granted.
    pub(crate) fn tokens_left(&self) -> usize {
        usize::try_from(TOKEN_MAX - self.tokens_granted).unwrap_or(usize::MAX)
    }

    /// Names the next delivery.
    pub(crate) fn grant_token(&mut self) -> Token {
        self.tokens_granted += 1;
        Token(self.tokens_granted)
    }

    /// How long a lease of this job to this holder lasts.
    pub(crate) fn ttr_for(&self, job: &Job, holder: Key) -> Millis {
        let wished = self.holders.get(holder).ttr;
        if wished.is_zero() {
            self.terms.get(job.terms).ttr
        } else {
            wished
        }
    }

    /// Gives a job other terms and another end of life where it is. It keeps its place in line
    /// unless its priority changes.
    pub(crate) fn rewrite(&mut self, slot: Slot, terms: &Terms, expires_at: Option<UnixMillis>) {
        let terms = self.intern_terms(terms.as_ref());
        let job = &self.jobs[slot];
        let keeps_place = match job.state() {
            State::Ready { .. } => {
                self.terms.get(job.terms).priority == self.terms.get(terms).priority
            }
            State::Held { .. }
            | State::Gathering { .. }
            | State::Completed { .. }
            | State::Dead { .. } => true,
            State::Delayed { .. } | State::Leased { .. } => false,
        };
        let mortal = |queue: &Self| {
            let job = &queue.jobs[slot];
            let is_listed = matches!(
                job.state(),
                State::Held { .. } | State::Gathering { .. } | State::Ready { .. }
            );
            queue.ends_at(job).filter(|_| is_listed).map(|at| (at, job.seq()))
        };
        if !keeps_place {
            // Leaving releases the holder, and entering does not retain it.
            if let State::Leased { holder, .. } = job.state() {
                self.holders.retain(holder);
            }
            self.leave(slot);
        } else if let Some((at, seq)) = mortal(self) {
            self.expiring.remove(at, seq, slot);
        }
        let before = std::mem::replace(&mut self.jobs[slot].terms, terms);
        self.terms.release(before);
        self.change_extra(slot, |extra| extra.expires_at = expires_at);
        if !keeps_place {
            // It joins another line, and counts from then on, as any that joins one.
            let job = &mut self.jobs[slot];
            if matches!(job.state(), State::Ready { .. }) {
                job.state = State::Ready { since: self.clock, parked: false }.into();
            }
            self.enter(slot, End::Tail);
        } else if let Some((at, seq)) = mortal(self) {
            self.expiring.insert(at, seq, slot);
        }
        if !self.limits.freed.is_empty() {
            self.seat_freed();
        }
    }

    fn leave(&mut self, slot: Slot) {
        let job = &self.jobs[slot];
        let seq = job.seq();
        let ends_at = self.ends_at(job);
        let by = |at: UnixMillis| ends_at.map_or(at, |ends_at| at.min(ends_at));
        match job.state() {
            State::Delayed { until } => {
                self.delayed.remove(by(until), seq, slot);
            }
            State::Held { .. } => {
                self.gates.release(&self.terms.get(job.terms).when, seq, slot);
                self.held.remove(&mut self.jobs, slot);
                if let Some(at) = ends_at {
                    self.expiring.remove(at, seq, slot);
                }
            }
            State::Gathering { batch, .. } => {
                self.gathering.remove(&mut self.jobs, slot);
                self.part_from_batch(batch, slot);
                if let Some(at) = ends_at {
                    self.expiring.remove(at, seq, slot);
                }
            }
            State::Ready { .. } => {
                let terms = self.terms.get(job.terms);
                if terms.is_bound() {
                    self.stand_up(slot);
                } else {
                    let rank = Rank { priority: terms.priority, group: GroupKey::NONE };
                    self.ready.remove(&mut self.jobs, rank, slot);
                }
                if let Some(at) = ends_at {
                    self.expiring.remove(at, seq, slot);
                }
            }
            State::Leased { deadline, holder, .. } => {
                self.leased.remove(by(deadline), seq, slot);
                self.holders.release(holder);
                if self.is_bound(self.jobs[slot].terms) {
                    self.let_go(slot);
                }
            }
            State::Completed { until, .. } => {
                self.completed.remove(&mut self.jobs, slot);
                if until != UnixMillis::NEVER {
                    self.retained.remove(until, seq, slot);
                }
            }
            State::Dead { .. } => self.dead.remove(&mut self.jobs, slot),
        }
    }

    fn enter(&mut self, slot: Slot, end: End) {
        let job = &self.jobs[slot];
        let seq = job.seq();
        let ends_at = self.ends_at(job);
        let by = |at: UnixMillis| ends_at.map_or(at, |ends_at| at.min(ends_at));
        match job.state() {
            State::Delayed { until } => self.delayed.insert(by(until), seq, slot),
            State::Held { .. } => {
                self.gates.hold(&self.terms.get(job.terms).when, seq, slot);
                self.held.push_back(&mut self.jobs, slot);
                if let Some(at) = ends_at {
                    self.expiring.insert(at, seq, slot);
                }
            }
            State::Gathering { batch, .. } => {
                self.gathering.push_back(&mut self.jobs, slot);
                self.join_batch(batch, slot);
                if let Some(at) = ends_at {
                    self.expiring.insert(at, seq, slot);
                }
            }
            State::Ready { .. } => {
                let terms = self.terms.get(job.terms);
                if terms.is_bound() {
                    self.sit_down(slot, end);
                } else {
                    let rank = Rank { priority: terms.priority, group: GroupKey::NONE };
                    self.ready.insert(&mut self.jobs, rank, slot, end);
                }
                if let Some(at) = ends_at {
                    self.expiring.insert(at, seq, slot);
                }
            }
            State::Leased { deadline, .. } => {
                let is_bound = self.is_bound(job.terms);
                self.leased.insert(by(deadline), seq, slot);
                if is_bound {
                    self.hold(slot);
                }
            }
            State::Completed { until, .. } => {
                self.completed.push_back(&mut self.jobs, slot);
                if until != UnixMillis::NEVER {
                    self.retained.insert(until, seq, slot);
                }
            }
            State::Dead { .. } => self.dead.push_back(&mut self.jobs, slot),
        }
    }
}

/// The lesser of what there is. Not by an iterator: this is asked several times a command.
fn sooner<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// What comes first of what there is, and the first of equals.
fn earlier<T>(a: Option<(UnixMillis, T)>, b: Option<(UnixMillis, T)>) -> Option<(UnixMillis, T)> {
    match (a, b) {
        (Some(a), Some(b)) if b.0 < a.0 => Some(b),
        (a, b) => a.or(b),
    }
}

pub(crate) fn intern_terms(terms: &mut Interner<Terms>, wanted: Terms<&[u8]>) -> Key {
    terms.intern(wanted, |kept, asked| kept.as_ref() == *asked, |asked| asked.to_owned())
}

/// Spreads ids over the index; equal ids alike. Given ones are hashed with care, since a client
/// chooses them.
pub(crate) fn hash_of(id: JobId<'_>, key: u64) -> u64 {
    match id {
        JobId::Made(ulid) => ulid.spread(),
        JobId::Given(text) => {
            let mut hasher = SipHasher13::new_with_keys(key, 0);
            match Ulid::parse(text.as_bytes()) {
                Some(ulid) => ulid.hash(&mut hasher),
                None => text.hash(&mut hasher),
            }
            hasher.finish()
        }
    }
}
