//! Which queue has work when: the index behind the one timer.
//!
//! It is a hint. An entry may be too early, or name a key that is gone, which costs one look. It is
//! never too late: every path on which a queue's next instant can move forward files it anew. An
//! entry that has become too early is left alone, since correcting it at each ack would cost more
//! than the look.

use std::collections::{btree_map, BTreeMap};

use jobq_engine::UnixMillis;

/// An entry: when, in which database, under which name.
pub type Entry = (UnixMillis, i32, Box<[u8]>);

/// Queues by the instant at which a tick has work.
#[derive(Default)]
pub struct Schedule {
    // How many values are filed like this. `RESTORE` and `COPY` over a queue bring the new value
    // before the old one loses the name, and both may have work at the same instant.
    entries: BTreeMap<Entry, u32>,
}

impl Schedule {
    /// Files a queue. O(log n).
    pub fn insert(&mut self, at: UnixMillis, db: i32, name: &[u8]) {
        *self.entries.entry((at, db, name.into())).or_default() += 1;
    }

    /// Takes an entry out, if it is there. O(log n).
    pub fn remove(&mut self, at: UnixMillis, db: i32, name: &[u8]) {
        if let btree_map::Entry::Occupied(mut values) = self.entries.entry((at, db, name.into())) {
            *values.get_mut() -= 1;
            if *values.get() == 0 {
                values.remove();
            }
        }
    }

    /// When the first queue has work.
    pub fn first(&self) -> Option<UnixMillis> {
        self.entries.first_key_value().map(|((at, _, _), _)| *at)
    }

    /// Takes out the first entry that is due. O(log n).
    pub fn pop_due(&mut self, now: UnixMillis) -> Option<Entry> {
        (self.first()? <= now).then(|| self.entries.pop_first()).flatten().map(|(entry, _)| entry)
    }

    /// Forgets a database, or all of them.
    pub fn clear(&mut self, db: Option<i32>) {
        match db {
            None => self.entries.clear(),
            Some(db) => self.entries.retain(|entry, _| entry.1 != db),
        }
    }

    /// Follows the keys of two databases that were swapped. O(n).
    pub fn swap(&mut self, a: i32, b: i32) {
        let swapped = |db| match db {
            _ if db == a => b,
            _ if db == b => a,
            _ => db,
        };
        let entries = std::mem::take(&mut self.entries);
        let moved = |((at, db, name), values)| ((at, swapped(db), name), values);
        self.entries = entries.into_iter().map(moved).collect();
    }

    /// How many queues are filed.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
