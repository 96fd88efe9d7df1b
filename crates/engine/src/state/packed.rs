//! A state as a job keeps it, without the padding that eight-byte words would bring.

use std::fmt;

use super::State;
use crate::{batches::BatchKey, id::Token, interner::Key, time::UnixMillis, u48::U48};

/// A [`State`] in 20 bytes instead of 24.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum PackedState {
    Delayed { until: Word },
    Held { since: Word },
    Gathering { since: Word, batch: u32 },
    Ready { since: Word, parked: bool },
    Leased { token: Word, deadline: U48, holder: Key },
    // Of the two only the end can be never, which is no number of 48 bits.
    Completed { since: U48, until: Word },
    Dead { since: Word },
}

/// Eight bytes that need no more alignment than the rest.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Word([u32; 2]);

impl Word {
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "each half is cut out of the whole")]
    fn new(n: u64) -> Self {
        Self([n as u32, (n >> 32) as u32])
    }

    #[inline]
    fn get(self) -> u64 {
        let [low, high] = self.0.map(u64::from);
        high << 32 | low
    }
}

impl From<State> for PackedState {
    #[inline]
    fn from(state: State) -> Self {
        match state {
            State::Delayed { until } => Self::Delayed { until: Word::new(until.0) },
            State::Held { since } => Self::Held { since: Word::new(since.0) },
            State::Gathering { since, batch } => {
                Self::Gathering { since: Word::new(since.0), batch: batch.0 }
            }
            State::Ready { since, parked } => Self::Ready { since: Word::new(since.0), parked },
            State::Leased { token, deadline, holder } => {
                Self::Leased { token: Word::new(token.0), deadline: U48::new(deadline.0), holder }
            }
            State::Completed { since, until } => {
                Self::Completed { since: U48::new(since.0), until: Word::new(until.0) }
            }
            State::Dead { since } => Self::Dead { since: Word::new(since.0) },
        }
    }
}

impl From<PackedState> for State {
    #[inline]
    fn from(packed: PackedState) -> Self {
        let instant = |word: Word| UnixMillis(word.get());
        match packed {
            PackedState::Delayed { until } => Self::Delayed { until: instant(until) },
            PackedState::Held { since } => Self::Held { since: instant(since) },
            PackedState::Gathering { since, batch } => {
                Self::Gathering { since: instant(since), batch: BatchKey(batch) }
            }
            PackedState::Ready { since, parked } => Self::Ready { since: instant(since), parked },
            PackedState::Leased { token, deadline, holder } => {
                let deadline = UnixMillis(deadline.get());
                Self::Leased { token: Token(token.get()), deadline, holder }
            }
            PackedState::Completed { since, until } => {
                Self::Completed { since: UnixMillis(since.get()), until: instant(until) }
            }
            PackedState::Dead { since } => Self::Dead { since: instant(since) },
        }
    }
}

impl fmt::Debug for PackedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        State::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interner::Interner;

    #[test]
    fn a_state_takes_20_bytes_and_comes_back_as_it_was() {
        assert_eq!((size_of::<PackedState>(), align_of::<PackedState>()), (20, 4));
        let mut holders = Interner::<Box<[u8]>>::default();
        let keys = [&b"a"[..], b"b"];
        let keys = keys.map(|name| holders.intern(name, |a, b| **a == **b, Into::into));
        let farthest = UnixMillis((1 << 48) - 1);
        let mixed = UnixMillis(0x0123_4567_89AB);
        for at in [UnixMillis(0), UnixMillis(1), mixed, UnixMillis::MAX, farthest] {
            comes_back(State::Delayed { until: at });
            comes_back(State::Held { since: at });
            for batch in [0, 1, u32::MAX] {
                comes_back(State::Gathering { since: at, batch: BatchKey(batch) });
            }
            comes_back(State::Ready { since: at, parked: false });
            comes_back(State::Ready { since: at, parked: true });
            comes_back(State::Dead { since: at });
            for until in [UnixMillis(0), mixed, farthest, UnixMillis::NEVER] {
                comes_back(State::Completed { since: at, until });
            }
            for holder in keys {
                for token in [0, 1, 0x0123_4567_89AB_CDEF, u64::MAX] {
                    comes_back(State::Leased { token: Token(token), deadline: at, holder });
                }
            }
        }
    }

    fn comes_back(state: State) {
        assert_eq!(State::from(PackedState::from(state)), state);
    }
}
