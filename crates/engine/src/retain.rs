//! How long a finished job is kept.

use std::fmt;

use crate::time::{Millis, UnixMillis};

/// How long a finished job is kept with its result.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Retain {
    /// So long; with zero it is gone at once.
    For(Millis),
    /// Until somebody removes it.
    Forever,
}

impl Retain {
    /// Not at all.
    pub const NONE: Self = Self::For(Millis::ZERO);

    /// Until when a job that is finished at `now` is kept; `None` if it is not.
    #[must_use]
    pub fn until(self, now: UnixMillis) -> Option<UnixMillis> {
        match self {
            Self::NONE => None,
            Self::For(span) => Some(now.after(span)),
            Self::Forever => Some(UnixMillis::NEVER),
        }
    }
}

impl fmt::Display for Retain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(span) => span.fmt(f),
            Self::Forever => f.write_str("forever"),
        }
    }
}
