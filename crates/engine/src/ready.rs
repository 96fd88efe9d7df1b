//! The order of service: priority, then the groups in turn, then first come, first served.

use std::collections::VecDeque;

use crate::{
    job::Job,
    limits::GroupKey,
    list::List,
    slab::{Slab, Slot},
    state::State,
    timeline::Timeline,
    turns::Turns,
    UnixMillis,
};

pub use crate::turns::End;

/// What a job is to those who order the ready.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rank {
    /// Lower is sooner.
    pub priority: i8,
    /// Whose job it is; [`GroupKey::NONE`] if nobody's.
    pub group: GroupKey,
}

#[derive(Clone, Debug)]
struct Lane {
    priority: i8,
    line: Line,
}

/// Who waits in a lane.
#[derive(Clone, Debug)]
enum Line {
    /// Jobs of no group.
    Single(List),
    /// Jobs of several groups, or of one. The ungrouped among them are served like a group.
    Shared(Box<Turns<List>>),
}

/// The jobs that may be taken now. Invariant: lanes ascend by priority, none is empty, and in each
/// the jobs of a group ascend by the instant since when they are ready.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    // At most 41, nearly always one: a search is a look.
    lanes: Vec<Lane>,
    len: usize,
    /// The first job of each group of the lanes that are shared, by since when it is ready.
    heads: Timeline,
    shared_bytes: usize,
}

impl Ready {
    /// Adds a ready job. So that its line goes on ascending, one that joins the tail counts as ready
    /// no earlier than the job before it, and one that joins the head no later than the one behind
    /// it. O(1), and with groups O(log n).
    #[inline]
    pub fn insert(&mut self, jobs: &mut Slab<Job>, rank: Rank, slot: Slot, end: End) {
        if let Some(list) = self.only_list(rank) {
            join(list, jobs, slot, end);
            self.len += 1;
            return;
        }
        self.insert_among(jobs, rank, slot, end);
    }

    /// The one line that there is in most queues, if it is that of jobs like this one.
    #[inline]
    fn only_list(&mut self, rank: Rank) -> Option<&mut List> {
        match &mut self.lanes[..] {
            [Lane { priority, line: Line::Single(list) }]
                if *priority == rank.priority && rank.group == GroupKey::NONE =>
            {
                Some(list)
            }
            _ => None,
        }
    }

    fn insert_among(&mut self, jobs: &mut Slab<Job>, rank: Rank, slot: Slot, end: End) {
        let Rank { priority, group } = rank;
        let at = self.lanes.partition_point(|lane| lane.priority < priority);
        if self.lanes.get(at).is_none_or(|lane| lane.priority != priority) {
            self.lanes.insert(at, Lane { priority, line: Line::Single(List::default()) });
        }
        self.len += 1;
        let line = &mut self.lanes[at].line;
        match line {
            Line::Single(list) if group == GroupKey::NONE => return join(list, jobs, slot, end),
            Line::Single(list) => {
                let mut turns = Turns::default();
                if list.len() > 0 {
                    note_head(&mut self.heads, jobs, None, list.first());
                    turns.join(GroupKey::NONE, End::Tail, *list);
                }
                self.shared_bytes += size_of_val(&turns) + turns.bytes();
                *line = Line::Shared(Box::new(turns));
            }
            Line::Shared(_) => {}
        }
        let Line::Shared(turns) = line else { return };
        let bytes = turns.bytes();
        if turns.get(group).is_none() {
            turns.join(group, end, List::default());
        }
        if let Some(list) = turns.get_mut(group) {
            join_line(list, &mut self.heads, jobs, slot, end);
        }
        self.shared_bytes = self.shared_bytes + turns.bytes() - bytes;
    }

    /// Takes a job out that is in. O(1), and with groups O(log n).
    #[inline]
    pub fn remove(&mut self, jobs: &mut Slab<Job>, rank: Rank, slot: Slot) {
        if let Some(list) = self.only_list(rank).filter(|list| list.len() > 1) {
            list.remove(jobs, slot);
            self.len -= 1;
            return;
        }
        self.remove_among(jobs, rank, slot);
    }

    fn remove_among(&mut self, jobs: &mut Slab<Job>, rank: Rank, slot: Slot) {
        let Rank { priority, group } = rank;
        let at = self.lanes.partition_point(|lane| lane.priority < priority);
        let line = &mut self.lanes[at].line;
        self.len -= 1;
        let is_empty = match line {
            Line::Single(list) => {
                list.remove(jobs, slot);
                list.len() == 0
            }
            Line::Shared(turns) => {
                let bytes = turns.bytes();
                if let Some(list) = turns.get_mut(group) {
                    part_from_line(list, &mut self.heads, jobs, slot);
                    if list.len() == 0 {
                        turns.leave(group);
                    }
                }
                self.shared_bytes = self.shared_bytes + turns.bytes() - bytes;
                turns.len() == 0
            }
        };
        if is_empty {
            if let Line::Shared(turns) = &self.lanes[at].line {
                self.shared_bytes -= size_of_val(&**turns) + turns.bytes();
            }
            self.lanes.remove(at);
        }
    }

    /// Counts that a job, which is in, is taken: its group has been served, and counts as served so
    /// often as it weighs before the next one's turn. O(1).
    pub fn serve(&mut self, rank: Rank, weight: u32) {
        if let Some(turns) = self.turns_mut(rank.priority) {
            turns.serve(rank.group, weight);
        }
    }

    /// Whether groups take turns somewhere.
    #[must_use]
    pub fn has_groups(&self) -> bool {
        self.heads.len() > 0
    }

    /// How many jobs may be taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Since when the job that has been in longest is ready. O(1).
    #[must_use]
    pub fn oldest(&self, jobs: &Slab<Job>) -> Option<UnixMillis> {
        let single = |lane: &Lane| match &lane.line {
            Line::Single(list) => jobs[list.first()?].state().since(),
            Line::Shared(_) => None,
        };
        let heads = self.heads.first().map(|(since, _, _)| since);
        self.lanes.iter().filter_map(single).chain(heads).min()
    }

    /// Shows the jobs in the order they would be served, for as long as `goes_on` says so, where
    /// groups weigh as `weight` says. For the way of every consume: O(1) for each.
    pub fn visit(
        &self,
        jobs: &Slab<Job>,
        weight: impl Fn(GroupKey) -> u32,
        mut goes_on: impl FnMut(Slot) -> bool,
    ) {
        for lane in &self.lanes {
            match &lane.line {
                Line::Single(list) => {
                    let mut next = list.first();
                    while let Some(slot) = next {
                        if !goes_on(slot) {
                            return;
                        }
                        next = jobs[slot].links.next();
                    }
                }
                Line::Shared(turns) => {
                    if !visit_in_turn(turns, jobs, &weight, &mut goes_on) {
                        return;
                    }
                }
            }
        }
    }

    /// All jobs: by priority, the groups in the order of their turns, and each group's jobs in the
    /// order they would be served.
    pub fn iter<'a>(&'a self, jobs: &'a Slab<Job>) -> impl Iterator<Item = Slot> + 'a {
        self.lanes.iter().flat_map(|lane| lane.lists()).flat_map(|list| list.iter(jobs))
    }

    /// How often the group whose turn it is has been served in it, where it is more than never.
    pub fn served(&self) -> impl Iterator<Item = (i8, u32)> + '_ {
        let served = |lane: &Lane| match &lane.line {
            Line::Shared(turns) => (lane.priority, turns.served()),
            Line::Single(_) => (lane.priority, 0),
        };
        self.lanes.iter().map(served).filter(|(_, served)| *served > 0)
    }

    /// Says so, as it was stored.
    pub fn set_served(&mut self, priority: i8, served: u32) -> bool {
        let turns = self.turns_mut(priority);
        turns.map(|turns| turns.set_served(served)).is_some()
    }

    /// The last job of a group, in the last lane behind `priority` where it has one.
    pub fn last_behind(&self, priority: i8, group: GroupKey) -> Option<Slot> {
        let behind = self.lanes.iter().rev().take_while(|lane| lane.priority > priority);
        behind.filter_map(|lane| lane.list(group)?.last()).next()
    }

    /// The place of a job's line in its lane, which it keeps for as long as it is not empty.
    pub fn place_of(&self, rank: Rank) -> Option<u32> {
        let lane = self.lane(rank.priority)?;
        match &lane.line {
            Line::Single(_) => Some(crate::turns::UNGROUPED),
            Line::Shared(turns) => turns.place_of(rank.group),
        }
    }

    /// The lines by priority and, within one, by their places.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = ((i8, u32), &List)> {
        self.lanes.iter().flat_map(Lane::by_place)
    }

    /// Heap bytes held. O(1).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lanes.capacity() * size_of::<Lane>() + self.shared_bytes + self.heads.bytes()
    }

    fn lane(&self, priority: i8) -> Option<&Lane> {
        let at = self.lanes.partition_point(|lane| lane.priority < priority);
        self.lanes.get(at).filter(|lane| lane.priority == priority)
    }

    fn turns_mut(&mut self, priority: i8) -> Option<&mut Turns<List>> {
        let at = self.lanes.partition_point(|lane| lane.priority < priority);
        match &mut self.lanes.get_mut(at).filter(|lane| lane.priority == priority)?.line {
            Line::Shared(turns) => Some(turns),
            Line::Single(_) => None,
        }
    }
}

impl Lane {
    /// The lists of a lane in the order of their turns.
    fn lists(&self) -> impl Iterator<Item = &List> {
        let (single, turns) = match &self.line {
            Line::Single(list) => (Some(list), None),
            Line::Shared(turns) => (None, Some(turns)),
        };
        single.into_iter().chain(turns.into_iter().flat_map(|turns| turns.iter().map(|(_, l)| l)))
    }

    /// The same by their places.
    fn by_place(&self) -> impl DoubleEndedIterator<Item = ((i8, u32), &List)> {
        let (single, turns) = match &self.line {
            Line::Single(list) => (Some((crate::turns::UNGROUPED, list)), None),
            Line::Shared(turns) => (None, Some(turns)),
        };
        let shared = turns.into_iter().flat_map(|turns| turns.by_place());
        single.into_iter().chain(shared).map(|(place, list)| ((self.priority, place), list))
    }

    fn list(&self, group: GroupKey) -> Option<&List> {
        match &self.line {
            Line::Single(list) => Some(list).filter(|_| group == GroupKey::NONE),
            Line::Shared(turns) => turns.get(group),
        }
    }
}

/// Shows the jobs of several groups as they would be served. False if it was told to stop.
fn visit_in_turn(
    turns: &Turns<List>,
    jobs: &Slab<Job>,
    weight: &impl Fn(GroupKey) -> u32,
    goes_on: &mut dyn FnMut(Slot) -> bool,
) -> bool {
    // Groups that have had a turn and have more.
    let mut again = VecDeque::new();
    let mut ring = turns.iter().map(|(group, list)| (group, list.first()));
    let mut served = turns.served();
    while let Some((group, first)) = ring.next().or_else(|| again.pop_front()) {
        let mut next = first;
        for _ in served..weight(group).max(served + 1) {
            let Some(slot) = next else { break };
            if !goes_on(slot) {
                return false;
            }
            next = jobs[slot].links.next();
        }
        served = 0;
        if next.is_some() {
            again.push_back((group, next));
        }
    }
    true
}

/// Adds a ready job to a line whose first job is kept among the heads.
pub fn join_line(
    list: &mut List,
    heads: &mut Timeline,
    jobs: &mut Slab<Job>,
    slot: Slot,
    end: End,
) {
    let before = list.first();
    join(list, jobs, slot, end);
    note_head(heads, jobs, before, list.first());
}

/// Takes a job out of such a line.
pub fn part_from_line(list: &mut List, heads: &mut Timeline, jobs: &mut Slab<Job>, slot: Slot) {
    // Before it is out: its place among the heads is found by what it is now.
    let is_head = list.first() == Some(slot);
    if is_head {
        note_head(heads, jobs, Some(slot), None);
    }
    list.remove(jobs, slot);
    if is_head {
        note_head(heads, jobs, None, list.first());
    }
}

/// Adds a ready job to a line. So that the line goes on ascending, it counts as ready no earlier than
/// the job before it, or no later than the one behind it.
#[inline]
fn join(list: &mut List, jobs: &mut Slab<Job>, slot: Slot, end: End) {
    let neighbor = match end {
        End::Head => list.first(),
        End::Tail => list.last(),
    };
    let beside = neighbor.and_then(|neighbor| jobs[neighbor].state().since());
    let job = &mut jobs[slot];
    if let (State::Ready { since, parked }, Some(beside)) = (job.state(), beside) {
        let is_out_of_order = match end {
            End::Head => beside < since,
            End::Tail => beside > since,
        };
        if is_out_of_order {
            job.state = State::Ready { since: beside, parked }.into();
        }
    }
    match end {
        End::Head => list.push_front(jobs, slot),
        End::Tail => list.push_back(jobs, slot),
    }
}

/// Keeps the first jobs of lines by since when they are ready.
fn note_head(heads: &mut Timeline, jobs: &Slab<Job>, before: Option<Slot>, after: Option<Slot>) {
    if before == after {
        return;
    }
    let key = |slot: Slot| (jobs[slot].state().since().unwrap_or_default(), jobs[slot].seq());
    if let Some(slot) = before {
        let (since, seq) = key(slot);
        heads.remove(since, seq, slot);
    }
    if let Some(slot) = after {
        let (since, seq) = key(slot);
        heads.insert(since, seq, slot);
    }
}
