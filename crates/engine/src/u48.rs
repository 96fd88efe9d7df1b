//! Six bytes for a number that never needs eight: instants and places in publish order.

use std::fmt;

/// A number below 2^48.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct U48([u16; 3]);

impl U48 {
    /// The number. What is above 2^48 is cut off, and in tests a panic.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "each part is cut out of the whole")]
    #[inline]
    pub fn new(n: u64) -> Self {
        debug_assert!(n < 1 << 48, "{n} does not fit in 48 bits");
        Self([n as u16, (n >> 16) as u16, (n >> 32) as u16])
    }

    /// The number.
    #[must_use]
    #[inline]
    pub fn get(self) -> u64 {
        let [low, middle, high] = self.0.map(u64::from);
        high << 32 | middle << 16 | low
    }
}

impl fmt::Debug for U48 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
