//! Jobs ordered by the instant at which something must happen to them.

use std::collections::BTreeSet;

use crate::{slab::Slot, time::UnixMillis};

/// Jobs by instant; equal instants in publish order, so the order is the same on every node.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    entries: BTreeSet<(UnixMillis, u64, Slot)>,
}

impl Timeline {
    /// Adds a job that is not in yet. O(log n).
    pub fn insert(&mut self, at: UnixMillis, seq: u64, slot: Slot) {
        self.entries.insert((at, seq, slot));
    }

    /// Takes a job out, and tells whether it was in. O(log n).
    pub fn remove(&mut self, at: UnixMillis, seq: u64, slot: Slot) -> bool {
        self.entries.remove(&(at, seq, slot))
    }

    /// The earliest entry: its instant, its place among equals, and the job. O(log n).
    #[must_use]
    pub fn first(&self) -> Option<(UnixMillis, u64, Slot)> {
        self.entries.first().copied()
    }

    /// All entries, earliest first.
    pub fn iter(&self) -> impl Iterator<Item = (UnixMillis, u64, Slot)> + '_ {
        self.entries.iter().copied()
    }

    /// How many jobs are in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Heap bytes held, about. O(1).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries.len() * 40
    }
}
