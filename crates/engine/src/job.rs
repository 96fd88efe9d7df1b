//! A job as its queue keeps it.

use crate::{
    batches::BatchKey,
    headers::Headers,
    id::{JobId, Ulid},
    interner::Key,
    list::Links,
    parents::Parents,
    schedules::Run,
    state::{PackedState, State},
    subscriptions::Targets,
    time::UnixMillis,
    u48::U48,
    unique::Lock,
};

/// One job. Small on purpose: a queue may hold ten million. What few jobs have is in [`Extra`],
/// what many share is in the queue's terms.
#[derive(Clone, Debug)]
pub struct Job {
    /// Made for every job, also for one whose client gave it another id: it says when the job was
    /// published.
    pub ulid: Ulid,
    /// The place in publish order, which breaks ties.
    pub(crate) seq: U48,
    /// When it was last meant to be ready, in milliseconds since the epoch: as it was published or
    /// put off, and not when the server came to it.
    pub(crate) due: U48,
    /// What the client published; never looked into.
    pub body: Box<[u8]>,
    /// Where the job is.
    pub(crate) state: PackedState,
    /// Its neighbors while it is in a list; since when, while it is leased.
    pub links: Links,
    /// Its terms, in the queue's interner.
    pub terms: Key,
    /// Leases that counted.
    pub deliveries: u32,
    /// What few jobs have.
    pub extra: Option<Box<Extra>>,
}

/// What few jobs have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extra {
    /// The id that the client gave.
    pub given: Option<Box<str>>,
    /// An end of life that does not follow from publishing and terms.
    pub expires_at: Option<UnixMillis>,
    /// When the job is dead if it is not finished by then.
    pub deadline: Option<UnixMillis>,
    /// Named values that the client published with it.
    pub headers: Option<Headers>,
    /// What went wrong last.
    pub error: Option<Box<[u8]>>,
    /// Attempts that failed: nacks and lapses.
    pub failures: u32,
    /// When an attempt last failed.
    pub failed_at: Option<UnixMillis>,
    /// What came of the work, or has so far.
    pub result: Option<Box<[u8]>>,
    /// How often the job was changed in place.
    pub updates: u64,
    /// Whether it was cancelled while it was leased.
    pub cancelled: bool,
    /// The lock of a unique key that the job holds.
    pub lock: Option<Box<Lock>>,
    /// How often it was given back by a release that counts.
    pub releases: u32,
    /// Jobs that it waits for.
    pub parents: Option<Box<Parents>>,
    /// Whether jobs wait for it, or did.
    pub is_followed: bool,
    /// The batch that it leads.
    pub leads: Option<BatchKey>,
    /// How far the work on it has come, as its holder says.
    pub progress: Option<u64>,
    /// Who is to be told when it ends; not empty.
    pub subscribers: Option<Box<Targets>>,
    /// Its last changes, packed, if the queue keeps them.
    pub trail: Option<Box<[u8]>>,
    /// Which schedule it is a run of.
    pub run: Option<Box<Run>>,
}

impl Job {
    /// The id by which clients know the job.
    #[must_use]
    pub fn id(&self) -> JobId<'_> {
        match self.given() {
            Some(given) => JobId::Given(given),
            None => JobId::Made(self.ulid),
        }
    }

    /// The id that the client gave, if it did.
    #[must_use]
    pub fn given(&self) -> Option<&str> {
        self.extra.as_ref()?.given.as_deref()
    }

    /// Its place in publish order, which breaks ties.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq.get()
    }

    /// When it was last meant to be ready: as it was published or put off, and not when the server
    /// came to it.
    #[must_use]
    pub fn due(&self) -> UnixMillis {
        UnixMillis(self.due.get())
    }

    /// Where the job is.
    #[must_use]
    #[inline]
    pub fn state(&self) -> State {
        self.state.into()
    }

    /// Since when it is leased, if it is.
    #[must_use]
    pub fn leased_since(&self) -> Option<UnixMillis> {
        matches!(self.state(), State::Leased { .. }).then(|| self.links.instant())
    }

    /// When the job is dead if it is not finished by then.
    #[must_use]
    pub fn deadline(&self) -> Option<UnixMillis> {
        self.extra.as_ref()?.deadline
    }

    /// Named values that the client published with it.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let headers = self.extra.as_ref().and_then(|extra| extra.headers.as_ref());
        headers.into_iter().flat_map(Headers::iter)
    }

    /// What came of the work, or has so far, as its last holder to say so said.
    #[must_use]
    pub fn result(&self) -> Option<&[u8]> {
        self.extra.as_ref()?.result.as_deref()
    }

    /// What is told beside its state: what went wrong last with a dead one, and of all others what has
    /// come of the work.
    #[must_use]
    pub fn outcome(&self) -> Option<&[u8]> {
        match self.state() {
            State::Dead { .. } => self.error(),
            _ => self.result(),
        }
    }

    /// What went wrong last.
    #[must_use]
    pub fn error(&self) -> Option<&[u8]> {
        self.extra.as_ref()?.error.as_deref()
    }

    /// Attempts that failed: nacks and lapses.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.extra.as_ref().map_or(0, |extra| extra.failures)
    }

    /// When an attempt last failed: was nacked, lapsed, or met the deadline.
    #[must_use]
    pub fn failed_at(&self) -> Option<UnixMillis> {
        self.extra.as_ref()?.failed_at
    }

    /// How often it was given back by a release that counts.
    #[must_use]
    pub fn releases(&self) -> u32 {
        self.extra.as_ref().map_or(0, |extra| extra.releases)
    }

    /// How far the work on it has come, as its last holder to say so said.
    #[must_use]
    pub fn progress(&self) -> Option<u64> {
        self.extra.as_ref()?.progress
    }

    /// The jobs that it waits for, or did.
    #[must_use]
    pub fn parents(&self) -> Option<&Parents> {
        self.extra.as_ref()?.parents.as_deref()
    }

    /// Whether jobs wait for it, or did: then they are told of its end.
    #[must_use]
    pub(crate) fn is_followed(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.is_followed)
    }

    /// Grows with each change in place; a new job has version 1.
    #[must_use]
    pub fn version(&self) -> u64 {
        1 + self.extra.as_ref().map_or(0, |extra| extra.updates)
    }

    /// Heap bytes beside the job itself.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let extra = self.extra.as_ref().map_or(0, |extra| {
            size_of::<Extra>()
                + extra.given.as_ref().map_or(0, |given| given.len())
                + extra.headers.as_ref().map_or(0, |headers| headers.as_bytes().len())
                + extra.error.as_ref().map_or(0, |error| error.len())
                + extra.result.as_ref().map_or(0, |result| result.len())
                + extra.lock.as_ref().map_or(0, |lock| size_of::<Lock>() + lock.key.len())
                + extra.parents.as_ref().map_or(0, |parents| parents.bytes())
                + extra.subscribers.as_ref().map_or(0, |kept| size_of::<Targets>() + kept.bytes())
                + extra.trail.as_ref().map_or(0, |trail| trail.len())
                + extra.run.as_ref().map_or(0, |run| size_of::<Run>() + run.name.len())
        });
        self.body.len() + extra
    }
}
