//! From an id to the slot of its job.
//!
//! A hash table that grows as a whole would hold everybody up for a second at ten million jobs.
//! This one is linear hashing (Litwin 1980) over small tables: it grows and shrinks by one table
//! at a time, so no step touches more than a few thousand entries.

use hashbrown::HashTable;

use crate::slab::Slot;

/// Entries a table holds on average before another is split off.
const ENTRIES_PER_TABLE: usize = 4096;

/// A table with room for no more than this keeps it when it is emptied: a queue through which few jobs go
/// would grow and shrink all the time. 128 places of five bytes.
const KEPT_ENTRIES: usize = 112;

/// Slots by a hash that the owner computes from the job in the slot.
#[derive(Clone, Debug)]
pub struct IdIndex {
    tables: Vec<HashTable<Slot>>,
    len: usize,
    table_bytes: usize,
}

impl Default for IdIndex {
    fn default() -> Self {
        Self { tables: vec![HashTable::new()], len: 0, table_bytes: 0 }
    }
}

impl IdIndex {
    /// The slot with this hash that `is` recognizes. O(1).
    #[must_use]
    pub fn find(&self, hash: u64, is: impl Fn(Slot) -> bool) -> Option<Slot> {
        self.tables[self.table_of(hash)].find(hash, |&slot| is(slot)).copied()
    }

    /// Adds a slot that is not in yet. `hash_of` gives the hash of any slot that is in. O(1),
    /// within a bounded step.
    pub fn insert(&mut self, hash: u64, slot: Slot, hash_of: impl Fn(Slot) -> u64) {
        let at = self.table_of(hash);
        self.change(at, |table| {
            table.insert_unique(hash, slot, |&slot| hash_of(slot));
        });
        self.len += 1;
        if self.len > self.tables.len() * ENTRIES_PER_TABLE {
            self.split(&hash_of);
        }
    }

    /// Takes a slot out. O(1), within a bounded step.
    pub fn remove(&mut self, hash: u64, slot: Slot, hash_of: impl Fn(Slot) -> u64) {
        let at = self.table_of(hash);
        let Ok(entry) = self.tables[at].find_entry(hash, |&held| held == slot) else { return };
        entry.remove();
        self.len -= 1;
        if self.tables.len() > 1 && self.len < self.tables.len() * ENTRIES_PER_TABLE / 4 {
            self.merge(&hash_of);
        }
        let at = at.min(self.tables.len() - 1);
        let table = &self.tables[at];
        if table.capacity() > KEPT_ENTRIES && table.len() < table.capacity() / 8 {
            self.change(at, |table| table.shrink_to(table.len() * 2, |&slot| hash_of(slot)));
        } else if table.is_empty() && table.capacity() < table.num_buckets() / 8 * 7 {
            // Some places are marked as left, and would make it grow in the end. (To clear it would leave
            // the marks of one that is empty.)
            drop(self.tables[at].drain());
        }
    }

    /// How many slots are in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Heap bytes held. O(1).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table_bytes + self.tables.capacity() * size_of::<HashTable<Slot>>()
    }

    fn table_of(&self, hash: u64) -> usize {
        let tables = self.tables.len();
        let half = floor_power_of_two(tables);
        // hashbrown uses the lowest and the highest bits; the table is chosen by those between.
        let bits = (hash >> 24) as usize;
        let at = bits & (2 * half - 1);
        if at < tables {
            at
        } else {
            bits & (half - 1)
        }
    }

    fn split(&mut self, hash_of: &impl Fn(Slot) -> u64) {
        let source = self.tables.len() - floor_power_of_two(self.tables.len());
        self.tables.push(HashTable::new());
        self.redistribute(source, hash_of);
    }

    fn merge(&mut self, hash_of: &impl Fn(Slot) -> u64) {
        let Some(last) = self.tables.pop() else { return };
        self.table_bytes -= last.allocation_size();
        if self.tables.len() < self.tables.capacity() / 4 {
            self.tables.shrink_to(self.tables.len() * 2);
        }
        for slot in last {
            let hash = hash_of(slot);
            let at = self.table_of(hash);
            self.change(at, |table| {
                table.insert_unique(hash, slot, |&slot| hash_of(slot));
            });
        }
    }

    fn redistribute(&mut self, source: usize, hash_of: &impl Fn(Slot) -> u64) {
        let moved = std::mem::take(&mut self.tables[source]);
        self.table_bytes -= moved.allocation_size();
        for slot in moved {
            let hash = hash_of(slot);
            let at = self.table_of(hash);
            self.change(at, |table| {
                table.insert_unique(hash, slot, |&slot| hash_of(slot));
            });
        }
    }

    fn change(&mut self, at: usize, change: impl FnOnce(&mut HashTable<Slot>)) {
        let table = &mut self.tables[at];
        let before = table.allocation_size();
        change(table);
        self.table_bytes = self.table_bytes + table.allocation_size() - before;
    }
}

fn floor_power_of_two(n: usize) -> usize {
    1 << n.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(slot: Slot) -> u64 {
        u64::from(slot.0).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17)
    }

    #[test]
    fn a_table_that_is_emptied_again_and_again_does_not_grow() {
        // All in one place, so that many leave a mark behind.
        let crowded = |_| 0;
        let mut index = IdIndex::default();
        let mut round = || {
            (0..64).for_each(|n| index.insert(0, Slot(n), crowded));
            (0..64).for_each(|n| index.remove(0, Slot(n), crowded));
            index.tables[0].capacity()
        };
        let rounds: Vec<_> = (0..100).map(|_| round()).collect();
        assert_eq!(rounds, [KEPT_ENTRIES; 100]);
    }

    #[test]
    fn every_slot_is_found_while_the_index_grows_and_shrinks() {
        let mut index = IdIndex::default();
        for n in 0..50_000 {
            index.insert(hash(Slot(n)), Slot(n), hash);
        }
        assert!(index.tables.len() > 8);
        for n in 0..50_000 {
            assert_eq!(index.find(hash(Slot(n)), |slot| slot == Slot(n)), Some(Slot(n)));
        }
        let full = index.bytes();
        for n in 0..49_990 {
            index.remove(hash(Slot(n)), Slot(n), hash);
        }
        assert_eq!(index.len(), 10);
        assert_eq!(index.tables.len(), 1);
        assert!(index.bytes() < full / 50, "{} of {full}", index.bytes());
        for n in 0..50_000 {
            let found = index.find(hash(Slot(n)), |slot| slot == Slot(n));
            assert_eq!(found.is_some(), n >= 49_990);
        }
        let held: usize = index.tables.iter().map(HashTable::allocation_size).sum();
        assert_eq!(index.table_bytes, held);
    }
}
