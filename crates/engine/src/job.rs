//! A job as its queue keeps it.

use crate::{
    id::{JobId, Ulid},
    interner::Key,
    list::Links,
    state::State,
    time::UnixMillis,
};

/// One job. Small on purpose: a queue may hold ten million. What few jobs have is in [`Extra`],
/// what many share is in the queue's terms.
#[derive(Clone, Debug)]
pub struct Job {
    /// Made for every job, also for one whose client gave it another id: it says when the job was
    /// published.
    pub ulid: Ulid,
    /// The place in publish order, which breaks ties.
    pub seq: u64,
    /// What the client published; never looked into.
    pub body: Box<[u8]>,
    /// Where the job is.
    pub state: State,
    /// Its neighbors while it is ready or dead.
    pub links: Links,
    /// Its terms, in the queue's interner.
    pub terms: Key,
    /// Leases that counted.
    pub deliveries: u32,
    /// Attempts that failed: nacks and lapses.
    pub failures: u32,
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
    /// What went wrong last.
    pub error: Option<Box<[u8]>>,
    /// How often the job was changed in place.
    pub updates: u64,
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

    /// What went wrong last.
    #[must_use]
    pub fn error(&self) -> Option<&[u8]> {
        self.extra.as_ref()?.error.as_deref()
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
                + extra.error.as_ref().map_or(0, |error| error.len())
        });
        self.body.len() + extra
    }
}
