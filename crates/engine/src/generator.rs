//! The queue's own source of randomness, for ids and jitter.
//!
//! SplitMix64 (Steele, Lea, Flood 2014): one word of state, which is part of the snapshot, so a
//! replica draws the same numbers as its primary. Not for secrets: ids are names, not passwords.

/// A deterministic generator of 64-bit numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Generator(u64);

impl Generator {
    /// Starts from `seed`, or goes on from a state that [`state`](Self::state) told.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The whole state.
    #[must_use]
    pub fn state(self) -> u64 {
        self.0
    }

    /// Draws the next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Draws a number below `bound`, which is not zero.
    pub fn draw_below(&mut self, bound: u64) -> u64 {
        // Multiply and shift: the bias is below 2^-32 for the small bounds used here.
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }
}
