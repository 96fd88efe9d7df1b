//! The order of service: priority, then first come, first served.

use crate::{
    job::Job,
    list::List,
    slab::{Slab, Slot},
};

/// Which end of its lane a job joins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// It was taken and given back without blame: next to be served.
    Head,
    /// Its turn comes after those that wait already.
    Tail,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    priority: i8,
    jobs: List,
}

/// The ready jobs. Invariant: lanes ascend by priority, and none is empty.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    // At most 41, nearly always one: a search is a look.
    lanes: Vec<Lane>,
    len: usize,
}

impl Ready {
    /// Adds a job. O(1).
    pub fn insert(&mut self, jobs: &mut Slab<Job>, priority: i8, slot: Slot, end: End) {
        let at = self.lanes.partition_point(|lane| lane.priority < priority);
        if self.lanes.get(at).is_none_or(|lane| lane.priority != priority) {
            self.lanes.insert(at, Lane { priority, jobs: List::default() });
        }
        let lane = &mut self.lanes[at].jobs;
        match end {
            End::Head => lane.push_front(jobs, slot),
            End::Tail => lane.push_back(jobs, slot),
        }
        self.len += 1;
    }

    /// Takes a job out that is in. O(1).
    pub fn remove(&mut self, jobs: &mut Slab<Job>, priority: i8, slot: Slot) {
        let at = self.lanes.partition_point(|lane| lane.priority < priority);
        let lane = &mut self.lanes[at].jobs;
        lane.remove(jobs, slot);
        if lane.len() == 0 {
            self.lanes.remove(at);
        }
        self.len -= 1;
    }

    /// How many jobs may be taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// All jobs in the order they would be served.
    pub fn iter<'a>(&'a self, jobs: &'a Slab<Job>) -> impl Iterator<Item = Slot> + 'a {
        self.lanes.iter().flat_map(|lane| lane.jobs.iter(jobs))
    }

    /// Heap bytes held. O(1).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lanes.capacity() * size_of::<Lane>()
    }
}
