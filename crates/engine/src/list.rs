//! Lists of jobs in the order they came, linked through the jobs themselves.

use crate::{
    job::Job,
    slab::{Slab, Slot},
};

/// A job's neighbors in the one list it is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Links {
    prev: Slot,
    next: Slot,
}

impl Links {
    /// In no list.
    pub const NONE: Self = Self { prev: Slot::NONE, next: Slot::NONE };
}

/// A first-in first-out list. A job is in at most one.
#[derive(Clone, Copy, Debug)]
pub struct List {
    head: Slot,
    tail: Slot,
    len: usize,
}

impl Default for List {
    fn default() -> Self {
        Self { head: Slot::NONE, tail: Slot::NONE, len: 0 }
    }
}

impl List {
    /// The first job.
    #[must_use]
    pub fn first(&self) -> Option<Slot> {
        (self.head != Slot::NONE).then_some(self.head)
    }

    /// The last job.
    #[must_use]
    pub fn last(&self) -> Option<Slot> {
        (self.tail != Slot::NONE).then_some(self.tail)
    }

    /// How many jobs are in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds a job behind all others. O(1).
    pub fn push_back(&mut self, jobs: &mut Slab<Job>, slot: Slot) {
        jobs[slot].links = Links { prev: self.tail, next: Slot::NONE };
        match self.tail {
            Slot::NONE => self.head = slot,
            tail => jobs[tail].links.next = slot,
        }
        self.tail = slot;
        self.len += 1;
    }

    /// Adds a job before all others. O(1).
    pub fn push_front(&mut self, jobs: &mut Slab<Job>, slot: Slot) {
        jobs[slot].links = Links { prev: Slot::NONE, next: self.head };
        match self.head {
            Slot::NONE => self.tail = slot,
            head => jobs[head].links.prev = slot,
        }
        self.head = slot;
        self.len += 1;
    }

    /// Takes a job out that is in this list. O(1).
    pub fn remove(&mut self, jobs: &mut Slab<Job>, slot: Slot) {
        let Links { prev, next } = std::mem::replace(&mut jobs[slot].links, Links::NONE);
        match prev {
            Slot::NONE => self.head = next,
            prev => jobs[prev].links.next = next,
        }
        match next {
            Slot::NONE => self.tail = prev,
            next => jobs[next].links.prev = prev,
        }
        self.len -= 1;
    }

    /// All jobs in order.
    pub fn iter<'a>(&self, jobs: &'a Slab<Job>) -> impl Iterator<Item = Slot> + 'a {
        std::iter::successors(self.first(), |&slot| {
            let next = jobs[slot].links.next;
            (next != Slot::NONE).then_some(next)
        })
    }
}
