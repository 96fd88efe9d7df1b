//! Jobs whose end somebody waits for.

use hashbrown::HashTable;

use crate::{id::Ulid, slab::Slot, state::StateKind};

/// How a job that was watched has ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Which job it is, also if another of the same given id has come after it.
    pub ulid: Ulid,
    /// What it is now, completed or dead; `None` if it was removed unfinished.
    pub state: Option<StateKind>,
    /// The result of a completed job, what went wrong last of a dead one, if there is any.
    pub result: Option<Box<[u8]>>,
}

/// Which jobs are watched, and what has become of them. No part of the queue's logical state: the
/// host asks for it and takes it, and a copy of the queue has nobody watching.
#[derive(Debug, Default)]
pub struct Watch {
    // No set of the standard library: it would draw its key from the system. Slots are not for clients to
    // choose.
    jobs: HashTable<Slot>,
    endings: Vec<Ending>,
}

impl Clone for Watch {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Watch {
    /// Begins to watch a job. O(1).
    pub fn begin(&mut self, slot: Slot) {
        let is_it = |watched: &Slot| *watched == slot;
        self.jobs.entry(hash_of(&slot), is_it, hash_of).or_insert(slot);
    }

    /// Whether no job is watched. O(1).
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Ceases to watch a job; false if nobody did. O(1).
    pub fn end(&mut self, slot: Slot) -> bool {
        let found = self.jobs.find_entry(hash_of(&slot), |watched| *watched == slot);
        let is_watched = found.map(|entry| entry.remove()).is_ok();
        if is_watched && self.jobs.is_empty() {
            self.jobs = HashTable::new();
        }
        is_watched
    }

    /// Notes what has become of a job that was watched.
    pub fn note(&mut self, ending: Ending) {
        self.endings.push(ending);
    }

    /// Whether something has become of one since this was asked last.
    pub fn has_endings(&self) -> bool {
        !self.endings.is_empty()
    }

    /// What has become of jobs since this was asked last, in that order.
    pub fn take(&mut self) -> Vec<Ending> {
        std::mem::take(&mut self.endings)
    }
}

fn hash_of(slot: &Slot) -> u64 {
    u64::from(slot.0).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
