//! Groups that are served in turn, each as often as it weighs before the next one.
//!
//! A ring of what the groups have. A group joins behind all others when it gets something, and
//! leaves when it has nothing any more, so one that is idle costs nothing.

use hashbrown::HashTable;

use crate::limits::GroupKey;

/// At which end of a line something joins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Next to be served.
    Head,
    /// Its turn comes after those that wait already.
    Tail,
}

/// What a table that holds nothing may keep, in entries.
const EMPTY_ENTRIES_MAX: usize = 8;

const NONE: u32 = u32::MAX;

/// The place of what belongs to no group. It is always the same, so that a walk from place to place
/// finds it where it was.
pub const UNGROUPED: u32 = 0;

#[derive(Clone, Debug)]
struct Entry<C> {
    group: GroupKey,
    content: C,
    prev: u32,
    next: u32,
}

/// A ring of groups with what they have. Invariant: whoever is in has something; that is up to the
/// user, who adds and removes groups.
#[derive(Clone, Debug)]
pub struct Turns<C> {
    entries: Vec<Option<Entry<C>>>,
    vacant: Vec<u32>,
    by_group: HashTable<u32>,
    head: u32,
    tail: u32,
    len: usize,
    /// How often the group whose turn it is has been served in this turn.
    served: u32,
}

impl<C> Default for Turns<C> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            vacant: Vec::new(),
            by_group: HashTable::new(),
            head: NONE,
            tail: NONE,
            len: 0,
            served: 0,
        }
    }
}

impl<C> Turns<C> {
    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The place of a group. O(1).
    pub fn place_of(&self, group: GroupKey) -> Option<u32> {
        if group == GroupKey::NONE {
            return self.entries.first()?.as_ref().map(|_| UNGROUPED);
        }
        let is_it = |&at: &u32| self.entry(at).is_some_and(|entry| entry.group == group);
        self.by_group.find(spread(group), is_it).copied()
    }

    /// What a group has. O(1).
    pub fn get(&self, group: GroupKey) -> Option<&C> {
        self.entry(self.place_of(group)?).map(|entry| &entry.content)
    }

    /// The same, to be changed. O(1).
    pub fn get_mut(&mut self, group: GroupKey) -> Option<&mut C> {
        let place = self.place_of(group)?;
        self.entries[place as usize].as_mut().map(|entry| &mut entry.content)
    }

    /// The group whose turn it is, and what it has.
    pub fn first(&self) -> Option<(GroupKey, &C)> {
        self.entry(self.head).map(|entry| (entry.group, &entry.content))
    }

    /// How often the group whose turn it is has been served in this turn.
    pub fn served(&self) -> u32 {
        self.served
    }

    /// Says how often it has, as it was stored. One that is not in turn has not begun.
    pub fn set_served(&mut self, served: u32) {
        self.served = served;
    }

    /// Adds a group that is not in, with nothing yet. One that joins the head has its whole turn
    /// before it. O(1).
    pub fn join(&mut self, group: GroupKey, end: End, content: C) {
        let place = self.free_place(group);
        let (prev, next) = match end {
            End::Head => (NONE, self.head),
            End::Tail => (self.tail, NONE),
        };
        self.entries[place as usize] = Some(Entry { group, content, prev, next });
        self.link(place, prev, next);
        if self.head == place {
            self.served = 0;
        }
        self.len += 1;
        if group != GroupKey::NONE {
            let entries = &self.entries;
            self.by_group.insert_unique(spread(group), place, |&at| {
                entries[at as usize].as_ref().map_or(0, |entry| spread(entry.group))
            });
        }
    }

    /// Takes a group out that is in. O(1).
    pub fn leave(&mut self, group: GroupKey) -> Option<C> {
        let place = self.place_of(group)?;
        if group != GroupKey::NONE {
            let found = self.by_group.find_entry(spread(group), |&at| at == place);
            found.ok()?.remove();
            self.vacant.push(place);
        }
        self.unlink(place);
        self.len -= 1;
        let entry = self.entries[place as usize].take()?;
        if self.len == 0 && self.entries.len() > EMPTY_ENTRIES_MAX {
            *self = Self::default();
        }
        Some(entry.content)
    }

    /// Counts that a group that is in has been served. At the end of its turn it goes behind all
    /// others, and so it does if it was not its turn. O(1).
    pub fn serve(&mut self, group: GroupKey, weight: u32) {
        let Some(place) = self.place_of(group) else { return };
        if place == self.head {
            self.served += 1;
            if self.served < weight {
                return;
            }
        }
        self.move_to_tail(place);
    }

    /// The groups with what they have, in the order of their turns.
    pub fn iter(&self) -> impl Iterator<Item = (GroupKey, &C)> {
        let entry = |at: u32| self.entry(at);
        let first = entry(self.head);
        let entries = std::iter::successors(first, move |before| entry(before.next));
        entries.map(|entry| (entry.group, &entry.content))
    }

    /// What groups have, by their places, which they keep for as long as they are in.
    pub fn by_place(&self) -> impl DoubleEndedIterator<Item = (u32, &C)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(at, entry)| entry.as_ref().map(|entry| (at as u32, &entry.content)))
    }

    /// Heap bytes held, without those of what the groups have. O(1).
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Option<Entry<C>>>()
            + self.vacant.capacity() * size_of::<u32>()
            + self.by_group.allocation_size()
    }

    fn entry(&self, place: u32) -> Option<&Entry<C>> {
        self.entries.get(place as usize)?.as_ref()
    }

    fn free_place(&mut self, group: GroupKey) -> u32 {
        if self.entries.is_empty() {
            self.entries.push(None);
        }
        if group == GroupKey::NONE {
            return UNGROUPED;
        }
        self.vacant.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        })
    }

    fn move_to_tail(&mut self, place: u32) {
        self.unlink(place);
        let prev = self.tail;
        if let Some(entry) = self.entries[place as usize].as_mut() {
            (entry.prev, entry.next) = (prev, NONE);
        }
        self.link(place, prev, NONE);
    }

    fn link(&mut self, place: u32, prev: u32, next: u32) {
        match self.entries.get_mut(prev as usize).and_then(Option::as_mut) {
            Some(prev) => prev.next = place,
            None => self.head = place,
        }
        match self.entries.get_mut(next as usize).and_then(Option::as_mut) {
            Some(next) => next.prev = place,
            None => self.tail = place,
        }
    }

    fn unlink(&mut self, place: u32) {
        let Some(entry) = self.entry(place) else { return };
        let (prev, next) = (entry.prev, entry.next);
        match self.entries.get_mut(prev as usize).and_then(Option::as_mut) {
            Some(prev) => prev.next = next,
            None => {
                self.head = next;
                self.served = 0;
            }
        }
        match self.entries.get_mut(next as usize).and_then(Option::as_mut) {
            Some(next) => next.prev = prev,
            None => self.tail = prev,
        }
    }
}

fn spread(group: GroupKey) -> u64 {
    u64::from(group.0).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LimitKey;

    fn order(turns: &Turns<char>) -> String {
        turns.iter().map(|(_, name)| *name).collect()
    }

    #[test]
    fn groups_are_served_in_turn_as_often_as_they_weigh() {
        let mut turns = Turns::default();
        for (key, name) in [(1, 'a'), (2, 'b'), (3, 'c')] {
            turns.join(LimitKey(key), End::Tail, name);
        }
        let mut served = String::new();
        for _ in 0..8 {
            let (group, name) = turns.first().expect("it is somebody's turn");
            served.push(*name);
            let weight = if *name == 'b' { 2 } else { 1 };
            turns.serve(group, weight);
        }
        assert_eq!(served, "abbcabbc");
        turns.serve(LimitKey(3), 5);
        assert_eq!(order(&turns), "abc", "who is served out of turn has had it");
        turns.serve(LimitKey(2), 5);
        assert_eq!(order(&turns), "acb");
    }

    #[test]
    fn whoever_leaves_makes_room_and_ends_its_turn() {
        let mut turns = Turns::default();
        turns.join(GroupKey::NONE, End::Tail, '-');
        turns.join(LimitKey(7), End::Tail, 'a');
        turns.join(LimitKey(8), End::Tail, 'b');
        turns.serve(GroupKey::NONE, 2);
        assert_eq!((turns.served(), order(&turns)), (1, "-ab".into()));
        assert_eq!(turns.leave(GroupKey::NONE), Some('-'));
        assert_eq!((turns.served(), order(&turns)), (0, "ab".into()));
        turns.join(LimitKey(9), End::Head, 'c');
        turns.join(GroupKey::NONE, End::Tail, '-');
        assert_eq!(order(&turns), "cab-");
        assert_eq!(turns.leave(LimitKey(7)), Some('a'));
        assert_eq!(turns.place_of(GroupKey::NONE), Some(UNGROUPED));
        assert_eq!((order(&turns), turns.len()), ("cb-".into(), 3));
        assert_eq!(turns.get(LimitKey(7)), None);
    }

    #[test]
    fn very_many_that_have_left_leave_nothing() {
        let mut turns = Turns::default();
        (0..10_000).for_each(|key| turns.join(LimitKey(key), End::Tail, 'a'));
        assert!(turns.bytes() > 10_000);
        (0..10_000).for_each(|key| assert!(turns.leave(LimitKey(key)).is_some()));
        assert_eq!((turns.len(), turns.bytes()), (0, 0));
    }
}
