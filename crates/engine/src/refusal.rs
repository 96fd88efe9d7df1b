//! Every reason to say no. A refusal changes nothing.

use std::fmt;

use crate::{
    schedules::{SCHEDULES_BYTES_MAX, SCHEDULES_MAX},
    state::StateKind,
};

/// Why a request was refused. The word that clients match is spelled where replies are written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// A job of that id exists in some state.
    Duplicate(String),
    /// The job would expire before it is due.
    ExpiresBeforeDue,
    /// The job's deadline would pass before it is due.
    OverdueBeforeDue,
    /// The body with its headers, or the result, is longer than the queue takes, in bytes.
    TooBig {
        /// How long it is.
        bytes: u64,
        /// How long it may be.
        max: u64,
    },
    /// The queue holds as many jobs as it may.
    Full {
        /// How many that is.
        max: u64,
    },
    /// The queue holds as many jobs of the group as it may.
    GroupFull {
        /// How many that is.
        max: u64,
    },
    /// The job would have more subscribers than it may.
    TooManySubscribers {
        /// How many it may have.
        max: usize,
    },
    /// The queue takes no jobs for now.
    Paused,
    /// There is no such job, or the lease that the receipt names has ended.
    NoSuchJob,
    /// There is no such schedule.
    NoSuchSchedule,
    /// A run of the schedule is unfinished, and the next one follows it.
    RunUnfinished,
    /// The queue has as many schedules as it may, or they would take too much room.
    TooManySchedules,
    /// The job is not in a state for this.
    WrongState(StateKind),
    /// The job would have no try left, or fewer than it has used.
    TooFewTries {
        /// Deliveries so far.
        deliveries: u32,
    },
    /// A recorded decision does not fit this state: the log and the state are not of one history.
    Diverged(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(id) => write!(f, "{id}"),
            Self::ExpiresBeforeDue => f.write_str("TTL ends before the job is due"),
            Self::OverdueBeforeDue => f.write_str("DEADLINE is before the job is due"),
            Self::TooBig { bytes, max } => {
                write!(f, "there are {bytes} bytes, the queue takes {max}")
            }
            Self::Full { max } => write!(f, "the queue holds its {max} jobs"),
            Self::GroupFull { max } => write!(f, "the queue holds its {max} jobs of the group"),
            Self::TooManySubscribers { max } => write!(f, "a job has at most {max} subscribers"),
            Self::Paused => f.write_str("publishing to the queue is paused"),
            Self::NoSuchJob => f.write_str("there is no such job, or its lease has ended"),
            Self::NoSuchSchedule => f.write_str("there is no such schedule"),
            Self::RunUnfinished => f.write_str("a run of the schedule is unfinished"),
            Self::TooManySchedules => write!(
                f,
                "a queue has at most {SCHEDULES_MAX} schedules of {SCHEDULES_BYTES_MAX} bytes in all"
            ),
            Self::WrongState(state) => write!(f, "the job is {}", state.name()),
            Self::TooFewTries { deliveries } => {
                write!(f, "TRIES leaves none: the job was delivered {deliveries} times")
            }
            Self::Diverged(why) => f.write_str(why),
        }
    }
}
