//! Lists of jobs in the order they came, linked through the jobs themselves.

use crate::{
    job::Job,
    slab::{Slab, Slot},
    time::UnixMillis,
};

/// A job's neighbors in the one list it is in. One that is leased is in none, and keeps here since when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Links {
    prev: Slot,
    next: Slot,
}

impl Links {
    /// In no list.
    pub const NONE: Self = Self { prev: Slot::NONE, next: Slot::NONE };

    /// In no list, and since when: in the words of a job that is leased.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "each half is cut out of the whole")]
    #[inline]
    pub fn since(at: UnixMillis) -> Self {
        Self { prev: Slot(at.0 as u32), next: Slot((at.0 >> 32) as u32) }
    }

    /// The instant that was put there by [`since`](Self::since).
    #[must_use]
    #[inline]
    pub fn instant(self) -> UnixMillis {
        UnixMillis(u64::from(self.next.0) << 32 | u64::from(self.prev.0))
    }

    /// The job behind this one.
    #[must_use]
    pub fn next(self) -> Option<Slot> {
        some(self.next)
    }
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
        some(self.head)
    }

    /// The last job.
    #[must_use]
    pub fn last(&self) -> Option<Slot> {
        some(self.tail)
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
        self.iter_after(jobs, None)
    }

    /// Walks in order through what follows a job that is in this list, or through everything.
    pub fn iter_after<'a>(
        &self,
        jobs: &'a Slab<Job>,
        after: Option<Slot>,
    ) -> impl Iterator<Item = Slot> + 'a {
        let next = |slot: Slot| jobs[slot].links.next();
        std::iter::successors(after.map_or(self.first(), next), move |&slot| next(slot))
    }

    /// Walks backwards through what precedes a job that is in this list, or through everything.
    pub fn iter_before<'a>(
        &self,
        jobs: &'a Slab<Job>,
        before: Option<Slot>,
    ) -> impl Iterator<Item = Slot> + 'a {
        let prev = |slot: Slot| some(jobs[slot].links.prev);
        std::iter::successors(before.map_or(self.last(), prev), move |&slot| prev(slot))
    }
}

fn some(slot: Slot) -> Option<Slot> {
    (slot != Slot::NONE).then_some(slot)
}
