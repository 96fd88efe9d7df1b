//! Instants and spans, never bare integers.
//!
//! Both are whole milliseconds. The ranges are small enough that an instant plus a few spans still
//! fits the 48 bits which the time index keeps of it.

use std::fmt;

/// An instant: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixMillis(pub u64);

/// A span of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Millis(pub u64);

impl UnixMillis {
    /// The last millisecond of the year 9999, the latest instant a client may name.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// An instant that no clock reaches.
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `span` later.
    #[must_use]
    pub fn after(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl Millis {
    /// No time at all. In a configuration it means "none".
    pub const ZERO: Self = Self(0);

    /// One hundred years, the longest span a client may name.
    pub const MAX: Self = Self(3_155_760_000_000);

    /// A span of whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1000)
    }

    /// Tells whether this is no time at all.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
