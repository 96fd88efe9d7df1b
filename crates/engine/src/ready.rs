//! The order of service: priority, then first come, first served.

use crate::{
    job::Job,
    list::List,
    slab::{Slab, Slot},
    state::State,
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

/// The ready jobs. Invariant: lanes ascend by priority, none is empty, and in each the jobs ascend
/// by the instant since when they are ready.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    // At most 41, nearly always one: a search is a look.
    lanes: Vec<Lane>,
    len: usize,
}

impl Ready {
    /// Adds a ready job. So that its lane goes on ascending, one that joins the tail counts as ready
    /// no earlier than the job before it, and one that joins the head no later than the one behind
    /// it. O(1).
    pub fn insert(&mut self, jobs: &mut Slab<Job>, priority: i8, slot: Slot, end: End) {
        let at = self.lanes.partition_point(|lane| lane.priority < priority);
        if self.lanes.get(at).is_none_or(|lane| lane.priority != priority) {
            self.lanes.insert(at, Lane { priority, jobs: List::default() });
        }
        let lane = &mut self.lanes[at].jobs;
        let neighbor = match end {
            End::Head => lane.first(),
            End::Tail => lane.last(),
        };
        let beside = neighbor.and_then(|neighbor| jobs[neighbor].state().since());
        let job = &mut jobs[slot];
        if let (State::Ready { since }, Some(beside)) = (job.state(), beside) {
            let since = match end {
                End::Head => beside.min(since),
                End::Tail => beside.max(since),
            };
            job.state = State::Ready { since }.into();
        }
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

    /// The first job of each priority.
    pub fn firsts(&self) -> impl Iterator<Item = Slot> + '_ {
        self.lanes.iter().filter_map(|lane| lane.jobs.first())
    }

    /// Shows the jobs in the order they would be served, for as long as `goes_on` says so. For the
    /// way of every consume: the loops of [`iter`](Self::iter) would be inside out.
    pub fn visit(&self, jobs: &Slab<Job>, mut goes_on: impl FnMut(Slot) -> bool) {
        for lane in &self.lanes {
            let mut next = lane.jobs.first();
            while let Some(slot) = next {
                if !goes_on(slot) {
                    return;
                }
                next = jobs[slot].links.next();
            }
        }
    }

    /// All jobs in the order they would be served.
    pub fn iter<'a>(&'a self, jobs: &'a Slab<Job>) -> impl Iterator<Item = Slot> + 'a {
        self.lanes.iter().flat_map(|lane| lane.jobs.iter(jobs))
    }

    /// Walks through the lanes from `priority` on, and in that lane only through what follows
    /// `after`, which is in it, or through everything.
    pub fn iter_after<'a>(
        &'a self,
        jobs: &'a Slab<Job>,
        priority: i8,
        after: Option<Slot>,
    ) -> impl Iterator<Item = Slot> + 'a {
        let begin = self.lanes.partition_point(|lane| lane.priority < priority);
        self.lanes[begin..].iter().flat_map(move |lane| {
            lane.jobs.iter_after(jobs, after.filter(|_| lane.priority == priority))
        })
    }

    /// Walks backwards through the lanes from `priority` on, and in that lane only through what
    /// precedes `before`, which is in it, or through everything.
    pub fn iter_before<'a>(
        &'a self,
        jobs: &'a Slab<Job>,
        priority: i8,
        before: Option<Slot>,
    ) -> impl Iterator<Item = Slot> + 'a {
        let end = self.lanes.partition_point(|lane| lane.priority <= priority);
        self.lanes[..end].iter().rev().flat_map(move |lane| {
            lane.jobs.iter_before(jobs, before.filter(|_| lane.priority == priority))
        })
    }

    /// Heap bytes held. O(1).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lanes.capacity() * size_of::<Lane>()
    }
}
