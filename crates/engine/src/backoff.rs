//! How long a failed job waits before its next attempt.

use std::fmt;

use crate::{generator::Generator, time::Millis};

/// The rule by which a nacked job is delayed. `n` is the number of failures before this one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Backoff {
    /// Ready again at once, at the tail.
    None,
    /// The same wait each time.
    Fixed(Millis),
    /// `base · 2^n`, at most `max`.
    Exponential {
        /// The first wait.
        base: Millis,
        /// The longest wait.
        max: Millis,
    },
    /// `n⁴ + 15 + random(0..=29)·(n+1)` seconds: Sidekiq's curve, which asynq took over.
    Polynomial,
}

impl Backoff {
    /// Draws the wait of a job that had failed `n` times before.
    pub fn wait(self, n: u32, generator: &mut Generator) -> Millis {
        let wait = match self {
            Self::None => Millis::ZERO,
            Self::Fixed(wait) => wait,
            Self::Exponential { base, max } => {
                let factor = 1u64.checked_shl(n.min(63)).unwrap_or(u64::MAX);
                Millis(base.0.saturating_mul(factor)).min(max)
            }
            Self::Polynomial => {
                let n = u64::from(n);
                let jitter = generator.draw_below(30).saturating_mul(n + 1);
                let secs = n.saturating_pow(4).saturating_add(15).saturating_add(jitter);
                Millis(secs.saturating_mul(1000))
            }
        };
        wait.min(Millis::MAX)
    }

    /// Reads `none`, `fixed:<ms>`, `exp:<base-ms>:<max-ms>` or `poly`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
        let mut parts = text.split(':');
        let rule = match (parts.next()?, parts.next(), parts.next()) {
            ("none", None, _) => Self::None,
            ("poly", None, _) => Self::Polynomial,
            ("fixed", Some(wait), None) => Self::Fixed(span(wait)?),
            ("exp", Some(base), Some(max)) => {
                Self::Exponential { base: span(base)?, max: span(max)? }
            }
            _ => return None,
        };
        parts.next().is_none().then_some(rule)
    }
}

fn span(text: &str) -> Option<Millis> {
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    let span = Millis(digits.then(|| text.parse().ok()).flatten()?);
    (span <= Millis::MAX).then_some(span)
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Fixed(wait) => write!(f, "fixed:{wait}"),
            Self::Exponential { base, max } => write!(f, "exp:{base}:{max}"),
            Self::Polynomial => f.write_str("poly"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_survives_being_written_and_read() {
        for text in ["none", "fixed:250", "exp:1000:60000", "poly"] {
            let rule = Backoff::parse(text.as_bytes()).unwrap();
            assert_eq!(rule.to_string(), text);
        }
        for bad in ["", "fixed", "fixed:", "fixed:-1", "exp:1", "exp:1:2:3", "poly:1", "linear"] {
            assert_eq!(Backoff::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn exponential_waits_double_up_to_the_cap() {
        let rule = Backoff::Exponential { base: Millis(100), max: Millis(1_000) };
        let mut generator = Generator::new(0);
        let waits: Vec<_> = (0..6).map(|n| rule.wait(n, &mut generator).0).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(rule.wait(u32::MAX, &mut generator), Millis(1_000));
    }

    #[test]
    fn polynomial_waits_stay_within_the_published_bounds() {
        let mut generator = Generator::new(0);
        for n in 0..25u64 {
            let base = n.pow(4) + 15;
            for _ in 0..100 {
                let secs = Backoff::Polynomial.wait(n as u32, &mut generator).0 / 1000;
                assert!((base..=base + 29 * (n + 1)).contains(&secs), "n={n}: {secs}");
            }
        }
        assert_eq!(Backoff::Polynomial.wait(u32::MAX, &mut generator), Millis::MAX);
    }
}
