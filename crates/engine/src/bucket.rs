//! A token bucket without rounding.

use crate::time::{Millis, UnixMillis};

/// So many tokens in so much time. As many may be taken at once, and they come back one by one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// How many; at least 1.
    pub tokens: u32,
    /// In how long; at least 1 ms.
    pub per: Millis,
}

/// How full a bucket is: by the instant at which it will be, in fractions of a millisecond of which
/// there are as many as the rate has tokens. In these, a token takes a whole number of them to come
/// back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bucket {
    full_at: u128,
    fractions: u32,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { full_at: 0, fractions: 1 }
    }
}

impl Bucket {
    /// A bucket as it was stored.
    #[must_use]
    pub fn new(full_at: u128, fractions: u32) -> Option<Self> {
        let farthest = u128::from(UnixMillis::MAX.0 + Millis::MAX.0) * u128::from(fractions);
        (fractions > 0 && full_at <= farthest).then_some(Self { full_at, fractions })
    }

    /// What is stored of it.
    #[must_use]
    pub fn parts(self) -> (u128, u32) {
        (self.full_at, self.fractions)
    }

    /// How many tokens are in.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "there are at most as many as the rate has")]
    pub fn tokens(self, rate: Rate, now: UnixMillis) -> u64 {
        let capacity = u128::from(rate.tokens) * per_token(rate);
        (capacity.saturating_sub(self.missing(rate, now)) / per_token(rate)) as u64
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_full(self, rate: Rate, now: UnixMillis) -> bool {
        self.missing(rate, now) == 0
    }

    /// Takes tokens out, also more than are in: then it takes longer until there are any. It never
    /// takes longer than a lifetime.
    pub fn take(&mut self, rate: Rate, now: UnixMillis, tokens: u32) {
        let farthest = u128::from(now.after(Millis::MAX).0) * u128::from(rate.tokens);
        let begins = self.scaled(rate).max(fractions(rate, now));
        self.full_at = (begins + u128::from(tokens) * per_token(rate)).min(farthest);
        self.fractions = rate.tokens;
    }

    /// When so many tokens are in, of those that it can hold; all, if it cannot.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "it is full within a lifetime")]
    pub fn has_at(self, rate: Rate, tokens: u64) -> UnixMillis {
        let spare = u64::from(rate.tokens).saturating_sub(tokens);
        let at = self.scaled(rate).saturating_sub(u128::from(spare) * per_token(rate));
        UnixMillis(at.div_ceil(u128::from(rate.tokens)) as u64)
    }

    fn missing(self, rate: Rate, now: UnixMillis) -> u128 {
        self.scaled(rate).saturating_sub(fractions(rate, now))
    }

    /// By another rate it is full at the same instant, or in the first fraction behind it.
    fn scaled(self, rate: Rate) -> u128 {
        if rate.tokens == self.fractions {
            return self.full_at;
        }
        let wanted = u128::from(rate.tokens);
        // In whole milliseconds first: the product of both would not fit.
        let (whole, rest) =
            (self.full_at / u128::from(self.fractions), self.full_at % u128::from(self.fractions));
        whole * wanted + (rest * wanted).div_ceil(u128::from(self.fractions))
    }
}

/// How long a token takes to come back, in fractions.
fn per_token(rate: Rate) -> u128 {
    u128::from(rate.per.0)
}

fn fractions(rate: Rate, now: UnixMillis) -> u128 {
    u128::from(now.0) * u128::from(rate.tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE_IN_TEN: Rate = Rate { tokens: 3, per: Millis(10) };

    #[test]
    fn tokens_come_back_exactly_when_they_are_due() {
        let mut bucket = Bucket::default();
        let at = |ms: u64| UnixMillis(1_000 + ms);
        assert_eq!(bucket.tokens(THREE_IN_TEN, at(0)), 3);
        for left in [2, 1, 0] {
            bucket.take(THREE_IN_TEN, at(0), 1);
            assert_eq!(bucket.tokens(THREE_IN_TEN, at(0)), left);
        }
        // A third of ten milliseconds each: 3.33, 6.67 and 10.
        for (tokens, ms) in [(1, 4), (2, 7), (3, 10)] {
            assert_eq!(bucket.has_at(THREE_IN_TEN, tokens), at(ms));
            assert_eq!(bucket.tokens(THREE_IN_TEN, at(ms - 1)), tokens - 1);
            assert_eq!(bucket.tokens(THREE_IN_TEN, at(ms)), tokens);
        }
        assert!(!bucket.is_full(THREE_IN_TEN, at(9)) && bucket.is_full(THREE_IN_TEN, at(10)));
    }

    #[test]
    fn however_they_are_taken_no_more_are_than_the_rate_gives() {
        let mut bucket = Bucket::default();
        let mut taken = 0;
        for ms in 0..100_000 {
            let now = UnixMillis(5_000 + ms);
            while bucket.tokens(THREE_IN_TEN, now) > 0 {
                bucket.take(THREE_IN_TEN, now, 1);
                taken += 1;
            }
        }
        // Those that were in, and three for each ten milliseconds since.
        assert_eq!(taken, 3 + 99_999 * 3 / 10);
    }

    #[test]
    fn a_debt_is_paid_back_and_another_rate_goes_on_from_it() {
        let now = UnixMillis(1_000);
        let mut bucket = Bucket::default();
        bucket.take(THREE_IN_TEN, now, 6);
        assert_eq!(bucket.tokens(THREE_IN_TEN, now), 0);
        assert_eq!(bucket.has_at(THREE_IN_TEN, 1), UnixMillis(1_014));
        assert_eq!(bucket.has_at(THREE_IN_TEN, 99), UnixMillis(1_020), "as many as it holds");
        let hundred = Rate { tokens: 100, per: Millis(20) };
        assert_eq!(bucket.tokens(hundred, now), 0);
        assert_eq!(bucket.tokens(hundred, UnixMillis(1_010)), 50);
        assert_eq!(bucket.has_at(hundred, 100), UnixMillis(1_020));
    }

    #[test]
    fn the_largest_numbers_fit() {
        let rate = Rate { tokens: u32::MAX, per: Millis::MAX };
        let mut bucket = Bucket::default();
        bucket.take(rate, UnixMillis::MAX, u32::MAX);
        bucket.take(rate, UnixMillis::MAX, u32::MAX);
        assert_eq!(bucket.tokens(rate, UnixMillis::MAX), 0);
        let full = UnixMillis::MAX.after(Millis::MAX);
        assert_eq!(bucket.has_at(rate, u64::from(u32::MAX)), full);
        let (full_at, fractions) = bucket.parts();
        assert_eq!(Bucket::new(full_at, fractions), Some(bucket));
        assert_eq!(Bucket::new(full_at, 0), None);
        assert_eq!(Bucket::new(full_at + 1, fractions), None);
        assert_eq!(bucket.tokens(THREE_IN_TEN, full), 3);
    }
}
