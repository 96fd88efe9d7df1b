//! The error words: the only place that spells them. Clients match the word, which is the first of
//! an error reply; the text after it may improve.

use std::fmt;

use jobq_engine::{Refusal, Why};

/// The longest piece of a client's text that an error repeats, in bytes.
pub const SHOWN_BYTES_MAX: usize = 64;

/// The first word of an error reply.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorWord {
    /// The arguments do not make a command.
    Syntax,
    /// A value is not among those that its word takes.
    Range,
    /// The id is taken.
    Duplicate,
    /// The body with its headers, or the result, is too long.
    TooBig,
    /// The queue holds all that it may.
    Full,
    /// A test wants it refused.
    Refused,
    /// The queue takes no jobs for now.
    Paused,
    /// There is no such job.
    NoSuchJob,
    /// The job is not in a state for this.
    WrongState,
    /// The key is no queue.
    WrongType,
    /// The command is not for this client.
    NoPerm,
    /// What was recorded does not fit what is there.
    Corrupt,
    /// JobQ failed.
    Internal,
    /// This server takes no writes.
    ReadOnly,
    /// The server has no memory left for it.
    Oom,
    /// Queues that are named have different slots of a cluster.
    CrossSlot,
    /// A queue that is named is on its way to another node of a cluster.
    TryAgain,
}

impl ErrorWord {
    /// All of them, in the order in which a client is likely to meet them.
    pub const ALL: [Self; 17] = [
        Self::Syntax,
        Self::Range,
        Self::Duplicate,
        Self::TooBig,
        Self::Full,
        Self::Paused,
        Self::NoSuchJob,
        Self::WrongState,
        Self::Refused,
        Self::WrongType,
        Self::NoPerm,
        Self::ReadOnly,
        Self::Oom,
        Self::CrossSlot,
        Self::TryAgain,
        Self::Internal,
        Self::Corrupt,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Syntax => "SYNTAX",
            Self::Range => "RANGE",
            Self::Duplicate => "DUPLICATE",
            Self::TooBig => "TOOBIG",
            Self::Full => "FULL",
            Self::Paused => "PAUSED",
            Self::Refused => "REFUSED",
            Self::NoSuchJob => "NOSUCHJOB",
            Self::WrongState => "WRONGSTATE",
            Self::WrongType => "WRONGTYPE",
            Self::NoPerm => "NOPERM",
            Self::Corrupt => "CORRUPT",
            Self::Internal => "INTERNAL",
            Self::ReadOnly => "READONLY",
            Self::Oom => "OOM",
            Self::CrossSlot => "CROSSSLOT",
            Self::TryAgain => "TRYAGAIN",
        }
    }

    /// When it appears, as a sentence.
    #[must_use]
    pub const fn when(self) -> &'static str {
        match self {
            Self::Syntax => {
                "The arguments do not make a command: a word is unknown, misplaced, given twice or \
                 without its value. The usage line follows."
            }
            Self::Range => {
                "A value is not among those that its word takes. The permitted ones follow."
            }
            Self::Duplicate => {
                "A job of the given id exists in the queue, in some state, or a job holds the unique \
                 key. Its id follows."
            }
            Self::TooBig => {
                "A body with its headers, or a result, is longer than the queue's `maxbody`."
            }
            Self::Full => "The queue would hold more jobs than its `maxlen`, or more schedules than it may.",
            Self::Paused => "Publishing to the queue is paused.",
            Self::Refused => "`JQ.DEBUG … REFUSE` has asked for it, in a test.",
            Self::NoSuchJob => {
                "No job has the id, or the lease that the receipt names has ended; or no schedule has the name."
            }
            Self::WrongState => {
                "The job is in a state in which this cannot be done to it, which follows; or the queue keeps \
                 no events; or a run of a schedule is unfinished."
            }
            Self::WrongType => "The key holds something that is not a queue.",
            Self::NoPerm => {
                "The command is internal, or for tests only, or would bind a lease where there is no \
                 connection, or the server's access control list forbids it."
            }
            Self::ReadOnly => "A write was sent to a replica.",
            Self::Oom => {
                "The server is at its `maxmemory` and refuses commands that add jobs or may \
                 make them larger; the server's own error."
            }
            Self::CrossSlot => {
                "Queues that a command names have different hash slots of a cluster; also the server's own error."
            }
            Self::TryAgain => {
                "A queue that a command names is on its way from one node of a cluster to another; also the \
                 server's own error."
            }
            Self::Internal => {
                "A defect of JobQ was caught, now or earlier in this queue, which takes no writes \
                 until it is loaded again. The server's log says where."
            }
            Self::Corrupt => {
                "A recorded step does not fit the queue: the log and the data are not of one \
                 history. Only internal commands answer this."
            }
        }
    }

    /// Whether any command may answer it. Reads never answer [`ErrorWord::ReadOnly`].
    #[must_use]
    pub const fn is_common(self) -> bool {
        use ErrorWord::{Internal, NoPerm, Range, ReadOnly, Syntax, WrongType};
        matches!(self, Syntax | Range | WrongType | NoPerm | ReadOnly | Internal)
    }

    /// The word for what kept a run of a schedule away.
    #[must_use]
    pub const fn of_why(why: Why) -> Self {
        match why {
            Why::Duplicate => Self::Duplicate,
            Why::TooBig => Self::TooBig,
            Why::Full => Self::Full,
            Why::Paused => Self::Paused,
            Why::Range => Self::Range,
        }
    }

    /// The word for a refusal of the engine, and the text after it.
    #[must_use]
    pub fn of(refusal: &Refusal) -> (Self, String) {
        let word = match refusal {
            Refusal::Duplicate(_) => Self::Duplicate,
            Refusal::ExpiresBeforeDue | Refusal::OverdueBeforeDue | Refusal::TooFewTries { .. } => {
                Self::Range
            }
            Refusal::TooBig { .. } => Self::TooBig,
            Refusal::Full { .. }
            | Refusal::GroupFull { .. }
            | Refusal::TooManySchedules
            | Refusal::TooManySubscribers { .. } => Self::Full,
            Refusal::Paused => Self::Paused,
            Refusal::NoSuchJob | Refusal::NoSuchSchedule => Self::NoSuchJob,
            Refusal::WrongState(_) | Refusal::RunUnfinished => Self::WrongState,
            Refusal::Diverged(_) => Self::Corrupt,
        };
        (word, refusal.to_string())
    }
}

/// Why an argument vector is no command. Displayed, it is the error line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BadArguments {
    /// [`ErrorWord::Syntax`] or [`ErrorWord::Range`].
    pub word: ErrorWord,
    /// What is wrong, without line breaks or other control characters.
    pub message: String,
}

impl fmt::Display for BadArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.word.word(), self.message)
    }
}

impl std::error::Error for BadArguments {}

/// Quotes a client's text so that it fits an error line: printable, and not longer than
/// [`SHOWN_BYTES_MAX`] between the quotes.
pub fn shown(text: &[u8]) -> String {
    let mut quoted = String::from("'");
    for &byte in text {
        let escaped = byte.escape_ascii();
        if quoted.len() + escaped.len() > SHOWN_BYTES_MAX + 1 {
            quoted.push_str("'...");
            return quoted;
        }
        quoted.extend(escaped.map(char::from));
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests;
