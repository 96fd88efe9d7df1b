//! Every reason to say no. A refusal changes nothing.

use std::fmt;

/// Why a request was refused. The word that clients match is spelled where replies are written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// A job of that id exists in some state.
    Duplicate(String),
    /// The job would expire before it is due.
    ExpiresBeforeDue,
    /// The body is longer than the queue takes, in bytes.
    TooBig {
        /// How long it is.
        body: u64,
        /// How long it may be.
        max: u64,
    },
    /// The queue holds as many jobs as it may.
    Full {
        /// How many that is.
        max: u64,
    },
    /// A recorded decision does not fit this state: the log and the state are not of one history.
    Diverged(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(id) => write!(f, "{id}"),
            Self::ExpiresBeforeDue => f.write_str("TTL ends before the job is due"),
            Self::TooBig { body, max } => {
                write!(f, "the body has {body} bytes, the queue takes {max}")
            }
            Self::Full { max } => write!(f, "the queue holds its {max} jobs"),
            Self::Diverged(why) => f.write_str(why),
        }
    }
}
