//! The states of a job, the events that move it, and the only list of legal moves.
//!
//! ```text
//!  publish ──► delayed ──due, kick──► ready ──lease──► leased ──ack──► completed ──► (gone)
//!                 ▲  ├─► held ──free───▲ ▲               │ │
//!                 │  └─► gathering ────┤ │               │ │
//!                 │                    │ └─release,lapse─┤ │
//!                 └────────────────────┼─────retry───────┘ │
//!                                   respawn                │ bury
//!                                      └────── dead ◄──────┘
//! ```
//!
//! Whether a failed attempt is retried or the job is dead is decided before this point, from its
//! counters alone; so is whether a job that would be ready is held, from what it waits for:
//! decisions up, movement down.

mod packed;

use crate::{batches::BatchKey, id::Token, interner::Key, time::UnixMillis};

pub(crate) use packed::PackedState;

/// Where a job is, and the facts that hold only there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Waits for an instant.
    Delayed {
        /// When it becomes ready.
        until: UnixMillis,
    },
    /// Waits for something other than an instant.
    Held {
        /// Since when.
        since: UnixMillis,
    },
    /// Waits to be delivered with others, or goes where the one of them goes that leads them.
    Gathering {
        /// Since when.
        since: UnixMillis,
        /// With whom.
        batch: BatchKey,
    },
    /// May be taken.
    Ready {
        /// When it became ready.
        since: UnixMillis,
        /// Whether a limit that it counts against has no place for it: then it stands in no line.
        parked: bool,
    },
    /// Held by one consumer.
    Leased {
        /// Names this delivery.
        token: Token,
        /// When the lease lapses.
        deadline: UnixMillis,
        /// Whose lease it is.
        holder: Key,
    },
    /// Finished, and kept with its result for a while.
    Completed {
        /// When it was finished.
        since: UnixMillis,
        /// Until when it is kept; [`UnixMillis::NEVER`] until somebody removes it.
        until: UnixMillis,
    },
    /// Given up until it is respawned.
    Dead {
        /// When it died.
        since: UnixMillis,
    },
}

/// The states without their facts, as clients name them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum StateKind {
    /// See [`State::Delayed`].
    Delayed,
    /// See [`State::Held`].
    Held,
    /// See [`State::Gathering`].
    Gathering,
    /// See [`State::Ready`].
    Ready,
    /// See [`State::Leased`].
    Leased,
    /// See [`State::Completed`].
    Completed,
    /// See [`State::Dead`].
    Dead,
}

impl StateKind {
    /// All of them, in the order of a job's life.
    pub const ALL: [Self; 7] = [
        Self::Delayed,
        Self::Held,
        Self::Gathering,
        Self::Ready,
        Self::Leased,
        Self::Completed,
        Self::Dead,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Delayed => "delayed",
            Self::Held => "held",
            Self::Gathering => "gathering",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Completed => "completed",
            Self::Dead => "dead",
        }
    }

    /// Whether nothing happens to a job any more unless somebody wants it to.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Dead)
    }
}

/// What can happen to a job that stays in the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// Its instant has come.
    Wake,
    /// An operator makes it ready, by a kick or an update: before its instant, or without what it
    /// waits for.
    Kick,
    /// It would be ready, and something is missing that it waits for.
    Hold,
    /// What it waits for is there.
    Free,
    /// It would be ready, and is to be delivered with others.
    Gather {
        /// With whom.
        batch: BatchKey,
    },
    /// An operator gives it another instant.
    Reschedule {
        /// When it becomes ready.
        until: UnixMillis,
    },
    /// A consumer takes it.
    Lease {
        /// Names the delivery.
        token: Token,
        /// When the lease lapses.
        deadline: UnixMillis,
        /// Who takes it.
        holder: Key,
    },
    /// Its holder goes on.
    Touch {
        /// When the lease lapses now.
        deadline: UnixMillis,
    },
    /// Its holder gives it back without blame.
    Release,
    /// Its holder went silent, and it has tries left.
    Lapse,
    /// It waits for its next attempt, or its holder wants it later.
    Postpone {
        /// When it becomes ready.
        until: UnixMillis,
    },
    /// It failed with tries left, and its backoff is no wait at all.
    Retry,
    /// It is done, and is kept for a while.
    Complete {
        /// Until when.
        until: UnixMillis,
    },
    /// Its tries are used up or its deadline has passed, or somebody says that it can never work.
    Bury,
    /// An operator brings it back.
    Respawn,
    /// An operator brings it back, to be ready later.
    RespawnLater {
        /// When it becomes ready.
        until: UnixMillis,
    },
}

impl State {
    /// The state's name.
    #[must_use]
    pub fn kind(self) -> StateKind {
        match self {
            Self::Delayed { .. } => StateKind::Delayed,
            Self::Held { .. } => StateKind::Held,
            Self::Gathering { .. } => StateKind::Gathering,
            Self::Ready { .. } => StateKind::Ready,
            Self::Leased { .. } => StateKind::Leased,
            Self::Completed { .. } => StateKind::Completed,
            Self::Dead { .. } => StateKind::Dead,
        }
    }

    /// Whether it is to be done, and nobody holds it.
    #[must_use]
    pub fn waits(self) -> bool {
        !matches!(self, Self::Leased { .. } | Self::Completed { .. } | Self::Dead { .. })
    }

    /// When a delayed job becomes ready.
    #[must_use]
    pub fn until(self) -> Option<UnixMillis> {
        match self {
            Self::Delayed { until } => Some(until),
            _ => None,
        }
    }

    /// Since when a job is held, gathering, ready, completed or dead.
    #[must_use]
    pub fn since(self) -> Option<UnixMillis> {
        match self {
            Self::Held { since }
            | Self::Gathering { since, .. }
            | Self::Ready { since, .. }
            | Self::Completed { since, .. }
            | Self::Dead { since } => Some(since),
            Self::Delayed { .. } | Self::Leased { .. } => None,
        }
    }

    /// The only list of legal moves; a pair that is absent here is none. `now` is the queue's
    /// clock.
    #[must_use]
    pub fn after(self, event: Event, now: UnixMillis) -> Option<Self> {
        use Event as E;
        use State::{Completed, Dead, Delayed, Gathering, Held, Leased, Ready};
        match (self, event) {
            (Delayed { .. }, E::Wake | E::Kick) => Some(Ready { since: now, parked: false }),
            (Held { .. } | Gathering { .. }, E::Free | E::Kick) => {
                Some(Ready { since: now, parked: false })
            }
            (Delayed { .. } | Gathering { .. } | Leased { .. } | Dead { .. }, E::Hold) => {
                Some(Held { since: now })
            }
            (Delayed { .. } | Held { .. } | Leased { .. } | Dead { .. }, E::Gather { batch }) => {
                Some(Gathering { since: now, batch })
            }
            (
                Delayed { .. } | Held { .. } | Gathering { .. } | Ready { .. },
                E::Reschedule { until },
            ) => Some(Delayed { until }),
            (Delayed { .. } | Held { .. } | Gathering { .. } | Ready { .. }, E::Bury) => {
                Some(Dead { since: now })
            }
            (Ready { parked: false, .. }, E::Lease { token, deadline, holder }) => {
                Some(Leased { token, deadline, holder })
            }
            (Leased { token, holder, .. }, E::Touch { deadline }) => {
                Some(Leased { token, deadline, holder })
            }
            (Leased { .. }, E::Release | E::Lapse | E::Retry) => {
                Some(Ready { since: now, parked: false })
            }
            (Leased { .. }, E::Postpone { until }) => Some(Delayed { until }),
            (Leased { .. }, E::Bury) => Some(Dead { since: now }),
            (
                Delayed { .. }
                | Held { .. }
                | Gathering { .. }
                | Ready { .. }
                | Leased { .. }
                | Dead { .. },
                E::Complete { until },
            ) => Some(Completed { since: now, until }),
            (Dead { .. }, E::Respawn) => Some(Ready { since: now, parked: false }),
            (Dead { .. }, E::RespawnLater { until }) => Some(Delayed { until }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
