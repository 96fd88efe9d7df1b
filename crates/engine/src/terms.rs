//! On what terms a job is worked. Most jobs of a queue share theirs, so they are kept once.

use crate::{time::Millis, Backoff};

/// The lowest number, which is served first, and the highest.
pub const PRIORITIES: std::ops::RangeInclusive<i8> = -20..=20;

/// The options of a job that do not depend on when it was published.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Terms {
    /// Deliveries before a failing job is dead; at least 1.
    pub tries: u32,
    /// How long a lease lasts unless the consumer says otherwise; at least 1 ms.
    pub ttr: Millis,
    /// How long after publishing an unfinished job expires; zero for never.
    pub ttl: Millis,
    /// How long a nacked job waits.
    pub backoff: Backoff,
    /// Order of service, lower is sooner.
    pub priority: i8,
}

/// What a publisher said; the queue's defaults fill in the rest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wishes {
    /// See [`Terms::tries`].
    pub tries: Option<u32>,
    /// See [`Terms::ttr`].
    pub ttr: Option<Millis>,
    /// See [`Terms::ttl`].
    pub ttl: Option<Millis>,
    /// See [`Terms::backoff`].
    pub backoff: Option<Backoff>,
    /// See [`Terms::priority`].
    pub priority: Option<i8>,
}

impl Wishes {
    /// The terms that come of these wishes; a wish wins over a default.
    #[must_use]
    pub fn over(&self, defaults: &Terms) -> Terms {
        Terms {
            tries: self.tries.unwrap_or(defaults.tries),
            ttr: self.ttr.unwrap_or(defaults.ttr),
            ttl: self.ttl.unwrap_or(defaults.ttl),
            backoff: self.backoff.unwrap_or(defaults.backoff),
            priority: self.priority.unwrap_or(defaults.priority),
        }
    }
}
