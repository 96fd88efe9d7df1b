//! On what terms a job is worked. Most jobs of a queue share theirs, so they are kept once.

use crate::{interner::Shared, retain::Retain, time::Millis, Backoff};

/// The lowest number, which is served first, and the highest.
pub const PRIORITIES: std::ops::RangeInclusive<i8> = -20..=20;

/// The longest name of a group, in bytes.
pub const GROUP_BYTES_MAX: usize = 256;

/// The options of a job that do not depend on when it was published.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Terms<B = Box<[u8]>> {
    /// Deliveries before a failing job is dead; at least 1.
    pub tries: u32,
    /// How long a lease lasts unless the consumer says otherwise; at least 1 ms.
    pub ttr: Millis,
    /// How long after publishing an unfinished job expires; zero for never.
    pub ttl: Millis,
    /// How long a nacked job waits.
    pub backoff: Backoff,
    /// How long a finished job is kept with its result.
    pub retain: Retain,
    /// Order of service, lower is sooner.
    pub priority: i8,
    /// What sort of work it is, in the publisher's words; empty if none was named.
    pub job_type: B,
    /// Whose work it is, for a fair share; empty if nobody's.
    pub group: B,
    /// Which limits it counts against, as [`uses`](crate::uses) packs them; empty if none.
    pub uses: B,
    /// Which gates it waits for, as [`gates`](crate::gates) packs them; empty if none.
    pub when: B,
    /// With which jobs it is delivered: those of the same key; empty if by itself.
    pub batch: B,
}

impl Terms {
    /// The same without a copy of the type.
    #[must_use]
    pub fn as_ref(&self) -> Terms<&[u8]> {
        let Self { tries, ttr, ttl, backoff, retain, priority, ref job_type, .. } = *self;
        let [group, uses, when, batch] =
            [&self.group, &self.uses, &self.when, &self.batch].map(|bytes| &**bytes);
        Terms { tries, ttr, ttl, backoff, retain, priority, job_type, group, uses, when, batch }
    }
}

impl Shared for Terms {
    fn heap_bytes(&self) -> usize {
        [&self.job_type, &self.group, &self.uses, &self.when, &self.batch]
            .map(|it| it.len())
            .iter()
            .sum()
    }
}

impl Terms<&[u8]> {
    /// The same with a type of its own.
    #[must_use]
    pub fn to_owned(&self) -> Terms {
        let Self { tries, ttr, ttl, backoff, retain, priority, .. } = *self;
        let [job_type, group, uses, when, batch] =
            [self.job_type, self.group, self.uses, self.when, self.batch].map(Into::into);
        Terms { tries, ttr, ttl, backoff, retain, priority, job_type, group, uses, when, batch }
    }
}

/// What a publisher said; the queue's defaults fill in the rest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wishes<'a> {
    /// See [`Terms::tries`].
    pub tries: Option<u32>,
    /// See [`Terms::ttr`].
    pub ttr: Option<Millis>,
    /// See [`Terms::ttl`].
    pub ttl: Option<Millis>,
    /// See [`Terms::backoff`].
    pub backoff: Option<Backoff>,
    /// See [`Terms::retain`].
    pub retain: Option<Retain>,
    /// See [`Terms::priority`].
    pub priority: Option<i8>,
    /// See [`Terms::job_type`].
    pub job_type: Option<&'a [u8]>,
    /// See [`Terms::group`].
    pub group: Option<&'a [u8]>,
}

impl<'a> Wishes<'a> {
    /// The terms that come of these wishes; a wish wins over a default.
    #[must_use]
    pub fn over(&self, defaults: &'a Terms) -> Terms<&'a [u8]> {
        Terms {
            tries: self.tries.unwrap_or(defaults.tries),
            ttr: self.ttr.unwrap_or(defaults.ttr),
            ttl: self.ttl.unwrap_or(defaults.ttl),
            backoff: self.backoff.unwrap_or(defaults.backoff),
            retain: self.retain.unwrap_or(defaults.retain),
            priority: self.priority.unwrap_or(defaults.priority),
            job_type: self.job_type.unwrap_or(&defaults.job_type),
            group: self.group.unwrap_or(&defaults.group),
            uses: &defaults.uses,
            when: &defaults.when,
            batch: &defaults.batch,
        }
    }
}
