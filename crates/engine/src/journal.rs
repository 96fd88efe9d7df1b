//! What happens to jobs, for those who want to know: a ring of the latest events of a queue, the
//! last changes of a job itself, and words for who listens now.
//!
//! An event tells of a change of a job and of its cause. It is written where the change is made, by
//! the door through which every job moves, so none is told that did not happen and none is left out. A
//! lease that is extended is no change of state, and is not told: heartbeats would push out all else.

pub(crate) mod trail;

use std::collections::VecDeque;

use crate::{
    config::Config,
    id::{JobId, Ulid},
    interner::{Interner, Key, Shared},
    job::Job,
    queue::COUNT_MAX,
    slab::Slot,
    state::{Event, State, StateKind},
    time::UnixMillis,
    u48::U48,
    Queue,
};

pub use trail::{Step, TRAIL_MAX};

/// How many events a queue can be told to keep.
pub const EVENTS_MAX: u32 = 1_000_000;

/// Why a job changes, or what happens to its queue. A closed set: each has one word on the wire.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Cause {
    /// It was added.
    Published,
    /// Its instant has come.
    Due,
    /// An operator made it ready before that.
    Kicked,
    /// What it waited for is there.
    Freed,
    /// It leads its batch now, in place of all of it.
    Leads,
    /// It was changed in place.
    Updated,
    /// Another with its unique key was published, and it took what that one brought.
    Renewed,
    /// A consumer took it, alone or as one of a batch.
    Leased,
    /// Its holder gave it back without blame.
    Released,
    /// Its holder said that the attempt failed.
    Nacked,
    /// Its holder went silent.
    Lapsed,
    /// Its holder is done with it.
    Acked,
    /// Somebody gave its result.
    Fulfilled,
    /// Somebody said that it can never work.
    Buried,
    /// Its time to live is over.
    Expired,
    /// Its deadline has passed.
    Overdue,
    /// A job that it waited for died, or was removed.
    Orphaned,
    /// An operator brought it back.
    Respawned,
    /// Somebody cancelled it: it is gone, or marked where it is leased.
    Cancelled,
    /// Somebody removed it.
    Deleted,
    /// Another was published in its place.
    Replaced,
    /// An operator removed all of its state.
    Purged,
    /// It was dead for too long, or one of too many.
    Pruned,
    /// It was kept for long enough.
    Retired,
    /// A way into or out of the queue was closed.
    Paused,
    /// Both ways are open, or one is again.
    Resumed,
    /// The queue has other settings.
    Configured,
}

impl Cause {
    /// All of them, those of jobs first, in the order of a job's life.
    pub const ALL: [Self; 27] = [
        Self::Published,
        Self::Due,
        Self::Kicked,
        Self::Freed,
        Self::Leads,
        Self::Updated,
        Self::Renewed,
        Self::Leased,
        Self::Released,
        Self::Nacked,
        Self::Lapsed,
        Self::Acked,
        Self::Fulfilled,
        Self::Buried,
        Self::Expired,
        Self::Overdue,
        Self::Orphaned,
        Self::Respawned,
        Self::Cancelled,
        Self::Deleted,
        Self::Replaced,
        Self::Purged,
        Self::Pruned,
        Self::Retired,
        Self::Paused,
        Self::Resumed,
        Self::Configured,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Due => "due",
            Self::Kicked => "kicked",
            Self::Freed => "freed",
            Self::Leads => "leads",
            Self::Updated => "updated",
            Self::Renewed => "renewed",
            Self::Leased => "leased",
            Self::Released => "released",
            Self::Nacked => "nacked",
            Self::Lapsed => "lapsed",
            Self::Acked => "acked",
            Self::Fulfilled => "fulfilled",
            Self::Buried => "buried",
            Self::Expired => "expired",
            Self::Overdue => "overdue",
            Self::Orphaned => "orphaned",
            Self::Respawned => "respawned",
            Self::Cancelled => "cancelled",
            Self::Deleted => "deleted",
            Self::Replaced => "replaced",
            Self::Purged => "purged",
            Self::Pruned => "pruned",
            Self::Retired => "retired",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Configured => "configured",
        }
    }

    /// Whether it is about the queue itself and no job of it.
    #[must_use]
    pub fn is_of_queue(self) -> bool {
        matches!(self, Self::Paused | Self::Resumed | Self::Configured)
    }
}

/// An event of the state machine, and why it happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub event: Event,
    pub cause: Cause,
}

impl Event {
    /// The same for a reason that it does not tell itself.
    pub(crate) fn by(self, cause: Cause) -> Move {
        Move { event: self, cause }
    }
}

impl From<Event> for Move {
    fn from(event: Event) -> Self {
        let cause = match event {
            Event::Wake => Cause::Due,
            Event::Kick => Cause::Kicked,
            Event::Hold | Event::Free | Event::Gather { .. } => Cause::Freed,
            Event::Reschedule { .. } => Cause::Updated,
            Event::Lease { .. } | Event::Touch { .. } => Cause::Leased,
            Event::Release => Cause::Released,
            Event::Lapse => Cause::Lapsed,
            Event::Postpone { .. } | Event::Retry => Cause::Nacked,
            Event::Complete { .. } => Cause::Acked,
            Event::Bury => Cause::Buried,
            Event::Respawn | Event::RespawnLater { .. } => Cause::Respawned,
        };
        Self { event, cause }
    }
}

/// One event of a queue, as it is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Happening<'a> {
    /// Grows by one with each event of the queue, from 1.
    pub number: u64,
    /// When, by the queue's clock.
    pub at: UnixMillis,
    /// Why.
    pub cause: Cause,
    /// Which job; none if it is about the queue.
    pub job: Option<JobId<'a>>,
    /// The state it was in; none if it was not there.
    pub from: Option<StateKind>,
    /// The state it is in since; none if it is gone.
    pub to: Option<StateKind>,
    /// Who holds it, or did; empty where nobody is involved who gave a name.
    pub worker: &'a [u8],
}

/// An event as it is kept.
#[derive(Clone, Copy, Debug)]
struct Record {
    // The id that the client gave, and the worker's name; empty if there is none.
    given: Key,
    worker: Key,
    made: [u8; 16],
    at: U48,
    cause: Cause,
    states: States,
}

/// What an event costs beside the names in it, which are kept once.
const _: () = assert!(size_of::<Record>() == 32);

/// Two states in a byte; one more number for none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct States(u8);

impl States {
    const NONE: u8 = StateKind::ALL.len() as u8;

    pub fn new(from: Option<StateKind>, to: Option<StateKind>) -> Self {
        let number = |state: Option<StateKind>| state.map_or(Self::NONE, |state| state as u8);
        Self(number(from) << 4 | number(to))
    }

    /// `None` if a number is none of a state.
    pub fn from_byte(byte: u8) -> Option<Self> {
        (byte >> 4 <= Self::NONE && byte & 15 <= Self::NONE).then_some(Self(byte))
    }

    pub fn byte(self) -> u8 {
        self.0
    }

    pub fn pair(self) -> (Option<StateKind>, Option<StateKind>) {
        let state = |number: u8| StateKind::ALL.get(usize::from(number)).copied();
        (state(self.0 >> 4), state(self.0 & 15))
    }
}

/// What a queue remembers of what has happened in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    // Whether a change has to be looked at: one test where nobody wants to know.
    is_kept: bool,
    is_heard: bool,
    // How many events there have been; those between one ring and the next count as one.
    made: u64,
    ring: Option<Box<Ring>>,
    // How many jobs have a trail: they lose it one by one where none are kept any more.
    trails: usize,
    heard: Vec<Cause>,
}

#[derive(Clone, Debug)]
struct Ring {
    records: VecDeque<Record>,
    names: Interner<Name>,
    // Bytes of these.
    // The empty one.
    nobody: Key,
    salt: u64,
}

/// A worker's name or a given id. Hashed behind a number that clients do not know: so they cannot
/// choose names that collide.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Name {
    salt: u64,
    text: Box<[u8]>,
}

impl Shared for Name {
    fn heap_bytes(&self) -> usize {
        self.text.len()
    }
}

fn intern(names: &mut Interner<Name>, salt: u64, text: &[u8]) -> Key {
    names.intern(
        (salt, text),
        |kept, (_, text)| *kept.text == **text,
        |(salt, text)| Name { salt, text: text.into() },
    )
}

impl Ring {
    fn new(salt: u64) -> Self {
        let mut names = Interner::default();
        let nobody = intern(&mut names, salt, b"");
        Self { records: VecDeque::new(), names, nobody, salt }
    }

    fn name(&mut self, name: &[u8]) -> Key {
        if name.is_empty() {
            return self.nobody;
        }
        intern(&mut self.names, self.salt, name)
    }

    fn forget(&mut self, name: Key) {
        if name != self.nobody {
            self.names.release(name);
        }
    }

    fn push(&mut self, happening: &Happening<'_>) {
        let (made, given) = match happening.job {
            Some(JobId::Made(ulid)) => (ulid, &b""[..]),
            Some(JobId::Given(given)) => (Ulid::ZERO, given.as_bytes()),
            None => (Ulid::ZERO, &b""[..]),
        };
        let record = Record {
            given: self.name(given),
            worker: self.name(happening.worker),
            made: made.to_bits().to_le_bytes(),
            at: U48::new(happening.at.0),
            cause: happening.cause,
            states: States::new(happening.from, happening.to),
        };
        self.records.push_back(record);
    }

    fn shrink_to(&mut self, size: usize) {
        while self.records.len() > size {
            let Some(record) = self.records.pop_front() else { return };
            self.forget(record.given);
            self.forget(record.worker);
        }
    }

    /// The same with the latest alone, and with no more memory than they need.
    fn latest(&self, size: usize) -> Self {
        let mut ring = Self::new(self.salt);
        ring.records.reserve_exact(size);
        let latest = self.records.range(self.records.len() - size..);
        latest.for_each(|record| ring.push(&self.show(0, record)));
        ring
    }

    fn show(&self, number: u64, record: &Record) -> Happening<'_> {
        let (from, to) = record.states.pair();
        let given = &*self.names.get(record.given).text;
        let job = match std::str::from_utf8(given) {
            _ if record.cause.is_of_queue() => None,
            Ok(given) if !given.is_empty() => Some(JobId::Given(given)),
            _ => Some(JobId::Made(Ulid::from_bits(u128::from_le_bytes(record.made)))),
        };
        Happening {
            number,
            at: UnixMillis(record.at.get()),
            cause: record.cause,
            job,
            from,
            to,
            worker: &self.names.get(record.worker).text,
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.records.capacity() * size_of::<Record>() + self.names.bytes()
    }
}

impl Journal {
    /// Whether a change has to be told of.
    #[inline]
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Follows settings that have changed. O(n) with n events, if fewer are kept.
    pub fn follow(&mut self, config: &Config, salt: u64) {
        match (&mut self.ring, config.events as usize) {
            (_, 0) => self.ring = None,
            (Some(ring), size) if ring.records.len() > size => **ring = ring.latest(size),
            (Some(_), _) => {}
            (None, _) => {
                self.ring = Some(Box::new(Ring::new(salt)));
                // For all that nobody kept meanwhile: who has read before has missed something.
                self.made = COUNT_MAX.min(self.made + u64::from(self.made > 0));
            }
        }
        self.set_kept(config);
    }

    fn set_kept(&mut self, config: &Config) {
        self.is_kept = self.is_heard || config.events > 0 || config.trail > 0 || self.trails > 0;
    }

    /// Notes that a job is stored with a trail.
    pub fn add_trail(&mut self) {
        self.trails += 1;
        self.is_kept = true;
    }

    /// Heap bytes held, about.
    pub fn bytes(&self) -> usize {
        self.ring.as_ref().map_or(0, |ring| ring.bytes())
    }

    /// How many events there have been.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.ring.as_ref().map_or(0, |ring| ring.records.len())
    }

    /// Begins the reading of a stored form in which so many events have been.
    pub fn begin(&mut self, made: u64) {
        self.made = made;
    }

    /// Notes an event, as far as somebody wants it, and lets go of the first of more than `size`.
    fn push(&mut self, happening: &Happening<'_>, size: u32) {
        if let Some(ring) = &mut self.ring {
            ring.shrink_to((size as usize).saturating_sub(1));
            ring.push(happening);
            self.made = COUNT_MAX.min(self.made + 1);
        }
        if self.is_heard {
            self.heard.push(happening.cause);
        }
    }

    /// Adds an event that is stored, behind those that are; its number is told by its place.
    pub fn push_again(&mut self, happening: &Happening<'_>) {
        if let Some(ring) = &mut self.ring {
            ring.push(happening);
        }
    }

    fn last_at(&self) -> Option<UnixMillis> {
        let record = self.ring.as_ref()?.records.back()?;
        Some(UnixMillis(record.at.get()))
    }

    fn iter_after(&self, number: u64) -> impl Iterator<Item = Happening<'_>> {
        let first = self.made - self.len() as u64;
        let skipped = number.saturating_sub(first);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(self.len());
        self.ring.iter().flat_map(move |ring| {
            let numbers = first + skipped as u64 + 1..;
            let records = ring.records.range(skipped..).zip(numbers);
            records.map(|(record, number)| ring.show(number, record))
        })
    }
}

impl Queue {
    /// The number of the last event: how many there have been while the queue kept them, and one for
    /// each time that it did not for a while.
    #[must_use]
    pub fn events_made(&self) -> u64 {
        self.journal.made()
    }

    /// How many of them are kept.
    #[must_use]
    pub fn events_kept(&self) -> usize {
        self.journal.len()
    }

    /// The kept events behind this number, in order. O(1) to begin.
    pub fn events_after(&self, number: u64) -> impl Iterator<Item = Happening<'_>> {
        self.journal.iter_after(number)
    }

    /// When the last event that is kept happened.
    pub(crate) fn last_event_at(&self) -> Option<UnixMillis> {
        self.journal.last_at()
    }

    /// Says whether somebody listens: then what changes is noted until it is taken.
    #[inline]
    pub fn hear_changes(&mut self, is_heard: bool) {
        if is_heard != self.journal.is_heard {
            self.journal.is_heard = is_heard;
            self.journal.set_kept(&self.config);
        }
    }

    /// What has changed since this was asked last, if somebody listens: the causes in their order.
    pub fn take_changes(&mut self) -> Vec<Cause> {
        std::mem::take(&mut self.journal.heard)
    }

    /// Tells that a job moves, or goes. Before it does: it is told of as it is.
    #[cold]
    pub(crate) fn tell_move(&mut self, slot: Slot, cause: Cause, to: Option<State>) {
        let from = Some(self.jobs[slot].state().kind());
        self.tell(slot, cause, from, to);
    }

    /// Tells that something happens to a job where it is.
    #[inline]
    pub(crate) fn tell_in_place(&mut self, slot: Slot, cause: Cause) {
        if self.journal.is_kept() {
            let state = self.jobs[slot].state();
            self.tell(slot, cause, Some(state.kind()), Some(state));
        }
    }

    /// Tells that a job was added.
    #[cold]
    pub(crate) fn tell_published(&mut self, slot: Slot) {
        let state = self.jobs[slot].state();
        self.tell(slot, Cause::Published, None, Some(state));
    }

    /// Tells something of the queue itself.
    pub(crate) fn tell_of_queue(&mut self, cause: Cause) {
        if self.journal.is_kept() {
            let happening = Happening {
                number: 0,
                at: self.clock,
                cause,
                job: None,
                from: None,
                to: None,
                worker: b"",
            };
            self.journal.push(&happening, self.config.events);
        }
    }

    #[cold]
    fn tell(&mut self, slot: Slot, cause: Cause, from: Option<StateKind>, to: Option<State>) {
        let holder = |state: Option<State>| match state {
            Some(State::Leased { holder, .. }) => Some(holder),
            _ => None,
        };
        let job = &self.jobs[slot];
        // Those who go with a lease are held by whoever has that.
        let leader = self.leader_of(job).map(Job::state);
        let holder = holder(to).or_else(|| holder(Some(job.state()))).or_else(|| holder(leader));
        let happening = Happening {
            number: 0,
            at: self.clock,
            cause,
            job: Some(job.id()),
            from,
            to: to.map(State::kind),
            worker: holder.map_or(&b""[..], |key| &self.holders.get(key).worker),
        };
        self.journal.push(&happening, self.config.events);
        if self.config.trail > 0 && to.is_some() {
            let worker = happening.worker.to_vec();
            self.lengthen_trail(slot, cause, States::new(from, to.map(State::kind)), &worker);
        } else if self.journal.trails > 0 {
            self.end_trail(slot);
        }
    }

    /// Part of [`check_invariants`](Queue::check_invariants).
    pub(crate) fn check_journal(&self) -> Result<(), String> {
        let (journal, config) = (&self.journal, &self.config);
        let trails = self.jobs.iter().filter(|(_, job)| job.packed_trail().is_some()).count();
        let is_kept = journal.is_heard || config.events > 0 || config.trail > 0 || trails > 0;
        let fits = journal.trails == trails
            && journal.len() <= config.events as usize
            && journal.len() as u64 <= journal.made
            && journal.ring.is_some() == (config.events > 0)
            && journal.is_kept == is_kept;
        if !fits {
            let kept = journal.len();
            let of = (journal.made, journal.trails);
            return Err(format!(
                "{kept} events and {trails} trails are kept of {of:?}: {config:?}"
            ));
        }
        let Some(ring) = &journal.ring else { return Ok(()) };
        let named = |record: &Record| [record.given, record.worker];
        let mut names: Vec<Key> = ring.records.iter().flat_map(named).collect();
        names.retain(|&name| name != ring.nobody);
        let uses: u32 = ring.names.uses().map(|(_, uses)| uses).sum();
        if uses as usize != names.len() + 1 {
            return Err(format!("{uses} uses of names in events"));
        }
        let ages = ring.records.iter().map(|record| record.at.get());
        if !ages.is_sorted() || self.last_event_at() > Some(self.clock) {
            return Err("events are not in order".into());
        }
        Ok(())
    }
}
