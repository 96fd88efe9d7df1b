//! How often something took how long, in little memory and with a known error.

use super::sparse;
use crate::{
    queue::COUNT_MAX,
    time::{Millis, UnixMillis},
};

/// Into so many steps each power of two is divided, as a power of two itself.
const STEP_BITS: u32 = 3;

/// So many steps there are for all spans of 48 bits, the longest that two instants can be apart.
const STEPS: usize = ((48 - STEP_BITS as usize) << STEP_BITS) + (1 << STEP_BITS);

/// Steps by which the memory of a histogram grows.
const GROWTH: usize = 8;

/// Up to here each millisecond has a step of its own.
const EXACT: u64 = 2 << STEP_BITS;

/// A count of spans by their length. Up to 15 ms each millisecond has a step of its own; above that
/// each power of two has eight of equal width, so what is told of a step is less than 6% off.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    // As many as the longest span needs, or none.
    steps: Vec<u64>,
    // Of the spans that are longer than the exact steps tell.
    sum: u64,
    max: u64,
}

impl Histogram {
    /// Counts the span from one instant to another. O(1), and in a handful of instructions where it is
    /// short, as it is on a queue through which very many jobs go.
    #[inline]
    pub(crate) fn note(&mut self, since: UnixMillis, now: UnixMillis) {
        let span = now.since(since).0;
        match self.steps.get_mut(span as usize) {
            Some(count) if span < EXACT => *count += 1,
            _ => self.note_long(span),
        }
    }

    /// The same for a span that has no step of its own, or none yet.
    #[inline(never)]
    fn note_long(&mut self, span: u64) {
        let at = step_of(span);
        match self.steps.get_mut(at) {
            Some(count) => *count += 1,
            None => return self.grow(span),
        }
        self.sum = self.sum.saturating_add(span);
        self.max = self.max.max(span);
    }

    #[cold]
    fn grow(&mut self, span: u64) {
        let at = step_of(span).min(STEPS - 1);
        if at >= self.steps.len() {
            let len = (at + 1).next_multiple_of(GROWTH);
            self.steps.reserve_exact(len - self.steps.len());
            self.steps.resize(len, 0);
        }
        self.steps[at] += 1;
        if span >= EXACT {
            self.sum = self.sum.saturating_add(span);
            self.max = self.max.max(span);
        }
    }

    fn exact(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        (0..EXACT).zip(self.steps.iter().take(EXACT as usize).copied())
    }

    /// How many spans were counted. Like all that is asked of it, O(steps): there are 368 at most.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.steps.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// All spans together, in milliseconds.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let add =
            |sum: u64, (span, count): (u64, u64)| sum.saturating_add(span.saturating_mul(count));
        self.exact().fold(self.sum, add)
    }

    /// The longest span; zero if there is none.
    #[must_use]
    pub fn max(&self) -> Millis {
        let longest = |max: u64, (span, count)| if count > 0 { max.max(span) } else { max };
        Millis(self.exact().fold(self.max, longest))
    }

    /// The span that so many of a thousand do not exceed, less than 6% off; `None` if there is no
    /// span at all.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> Option<Millis> {
        let count = u128::from(self.count());
        let rank = (count * u128::from(per_mille.min(1000))).div_ceil(1000).max(1);
        let mut passed = 0;
        let at = self.steps.iter().position(|&count| {
            passed += u128::from(count);
            passed >= rank
        })?;
        let (low, high) = bounds(at);
        // Of all that is between the two, what is the same part off from either.
        let middle = if low == 0 {
            0
        } else {
            2 * u128::from(low) * u128::from(high) / u128::from(low + high)
        };
        Some(Millis((middle as u64).min(self.max().0)))
    }

    /// How many spans there are of which length: of each step in which there are some the longest span,
    /// and how many were counted in it. The steps are the same in all histograms.
    pub fn buckets(&self) -> impl Iterator<Item = (Millis, u64)> + '_ {
        let counts = self.steps.iter().enumerate().filter(|(_, &count)| count > 0);
        counts.map(|(at, &count)| (Millis(bounds(at).1), count))
    }

    /// Heap bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.steps.capacity() * size_of::<u64>()
    }

    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        sparse::write_one(bytes, self.sum);
        sparse::write_one(bytes, self.max);
        sparse::write(bytes, self.steps.iter().copied());
    }

    /// What was written. `None` if no histogram is like that.
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (sum, max) = (sparse::read_one(bytes)?, sparse::read_one(bytes)?);
        let mut it = Self { steps: Vec::new(), sum, max };
        let mut last = None;
        sparse::read(bytes, STEPS, |at, count| {
            let len = (at + 1).next_multiple_of(GROWTH);
            it.steps.resize(len.max(it.steps.len()), 0);
            it.steps[at] = count;
            last = Some(at);
            count <= COUNT_MAX
        })?;
        it.steps.shrink_to_fit();
        let is_right = match last {
            Some(last) if last as u64 >= EXACT => sum >= max && step_of(max) == last,
            _ => sum == 0 && max == 0,
        };
        is_right.then_some(it)
    }
}

#[inline]
fn step_of(ms: u64) -> usize {
    // The lowest steps are as wide as those of the first power of two that is divided.
    let shift = u64::BITS - 1 - STEP_BITS - (ms | 1 << STEP_BITS).leading_zeros();
    ((shift as usize) << STEP_BITS) + (ms >> shift) as usize
}

/// The shortest and the longest span of a step.
fn bounds(at: usize) -> (u64, u64) {
    let shift = (at >> STEP_BITS).saturating_sub(1);
    let low = ((at - (shift << STEP_BITS)) as u64) << shift;
    (low, low + (1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_span_is_in_the_step_that_holds_it_and_steps_follow_each_other() {
        let mut next = 0;
        for at in 0..STEPS {
            let (low, high) = bounds(at);
            assert_eq!(low, next, "step {at}");
            assert_eq!((step_of(low), step_of(high)), (at, at));
            assert!(low < 16 || (high - low) * 17 < low * 3, "{low} to {high}");
            next = high + 1;
        }
        assert_eq!(next, 1 << 48);
    }

    #[test]
    fn a_span_beyond_all_steps_is_in_the_last() {
        let mut histogram = Histogram::default();
        histogram.note(UnixMillis(0), UnixMillis::NEVER);
        histogram.note(UnixMillis(0), UnixMillis::NEVER);
        assert_eq!((histogram.count(), histogram.sum()), (2, u64::MAX));
        assert!(histogram.bytes() <= STEPS * 8);
    }
}
