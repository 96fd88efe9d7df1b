//! Jobs whose end somebody waits for.

use std::collections::BTreeSet;

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
    // No hash table: it would draw its key from the system, and keep its room when it is empty.
    jobs: BTreeSet<Slot>,
    endings: Vec<Ending>,
}

impl Clone for Watch {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Watch {
    /// Begins to watch a job. O(log n) with n jobs watched.
    pub fn begin(&mut self, slot: Slot) {
        self.jobs.insert(slot);
    }

    /// Whether no job is watched. O(1).
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Ceases to watch a job; false if nobody did. O(log n) with n jobs watched, O(1) with none.
    pub fn end(&mut self, slot: Slot) -> bool {
        self.jobs.remove(&slot)
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
