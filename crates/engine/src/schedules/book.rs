//! The schedules of a queue, and which of them is next. One door changes a schedule, so that its place
//! follows from what it is.

use std::collections::{BTreeMap, BTreeSet};

use super::Schedule;
use crate::time::UnixMillis;

/// What the book keeps of a schedule beside it and its name, about, in bytes: two entries for its number,
/// and one for what it waits for.
pub(super) const FILED_BYTES: usize = size_of::<(u64, Box<[u8]>, u64, UnixMillis, u64)>();

/// All schedules of a queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedules {
    // How many there have ever been: a number is given once.
    made: u64,
    book: Option<Box<Book>>,
}

#[derive(Clone, Debug, Default)]
struct Book {
    schedules: BTreeMap<u64, Schedule>,
    names: BTreeMap<Box<[u8]>, u64>,
    due: BTreeSet<(UnixMillis, u64)>,
    unplanned: BTreeSet<u64>,
    owed: BTreeSet<u64>,
    bytes: usize,
}

/// Where a schedule stands beside its name.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Place {
    due: Option<UnixMillis>,
    is_unplanned: bool,
    is_owed: bool,
}

impl Place {
    fn of(schedule: &Schedule) -> Self {
        let (is_unplanned, is_owed) = (schedule.is_unplanned(), schedule.is_owed());
        Self { due: schedule.next, is_unplanned, is_owed }
    }
}

impl Book {
    fn file(&mut self, number: u64, place: Place) {
        self.due.extend(place.due.map(|at| (at, number)));
        self.unplanned.extend(place.is_unplanned.then_some(number));
        self.owed.extend(place.is_owed.then_some(number));
    }

    fn unfile(&mut self, number: u64, place: Place) {
        if let Some(at) = place.due {
            self.due.remove(&(at, number));
        }
        self.unplanned.remove(&number);
        self.owed.remove(&number);
    }
}

impl Schedules {
    /// Whether there are none, as in most queues.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.book.is_none()
    }

    pub fn len(&self) -> usize {
        self.book.as_ref().map_or(0, |book| book.schedules.len())
    }

    /// How many there have ever been.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Starts to count behind so many.
    pub fn begin(&mut self, made: u64) {
        self.made = made;
    }

    /// Heap bytes held, about. O(1).
    pub fn bytes(&self) -> usize {
        self.book.as_ref().map_or(0, |_| size_of::<Book>()) + self.filed_bytes()
    }

    /// What the schedules take of them, each for itself. O(1).
    pub fn filed_bytes(&self) -> usize {
        self.book.as_ref().map_or(0, |book| book.bytes)
    }

    /// A number that no schedule has had.
    pub fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// The schedule of a name. O(log n).
    pub fn find(&self, name: &[u8]) -> Option<u64> {
        self.book.as_ref()?.names.get(name).copied()
    }

    pub fn get(&self, number: u64) -> Option<&Schedule> {
        self.book.as_ref()?.schedules.get(&number)
    }

    /// In the order of their names.
    pub fn by_name(&self) -> impl Iterator<Item = &Schedule> {
        let book = self.book.iter();
        book.flat_map(|book| book.names.values().filter_map(|number| book.schedules.get(number)))
    }

    /// In the order of their numbers.
    pub fn by_number(&self) -> impl Iterator<Item = &Schedule> {
        self.book.iter().flat_map(|book| book.schedules.values())
    }

    /// Those of which is not known when they come next.
    pub fn unplanned(&self) -> impl Iterator<Item = &Schedule> {
        let book = self.book.iter();
        book.flat_map(|book| book.unplanned.iter().filter_map(|number| book.schedules.get(number)))
    }

    /// Whether there is one of which is not known when it comes next. O(1).
    pub fn need_plans(&self) -> bool {
        self.book.as_ref().is_some_and(|book| !book.unplanned.is_empty())
    }

    /// The one that is due first, of equals the one that was set first. O(log n).
    pub fn first_due(&self) -> Option<(UnixMillis, u64)> {
        self.book.as_ref()?.due.first().copied()
    }

    /// One of which a run has to be made at once.
    #[inline]
    pub fn first_owed(&self) -> Option<u64> {
        self.book.as_ref()?.owed.first().copied()
    }

    /// Adds one. O(log n).
    pub fn insert(&mut self, schedule: Schedule) {
        let book = self.book.get_or_insert_default();
        let (number, place) = (schedule.number, Place::of(&schedule));
        book.bytes += schedule.bytes();
        book.names.insert(schedule.name.clone(), number);
        book.schedules.insert(number, schedule);
        book.file(number, place);
    }

    /// Removes one. O(log n).
    pub fn remove(&mut self, number: u64) -> bool {
        let Some(book) = &mut self.book else { return false };
        let Some(schedule) = book.schedules.remove(&number) else { return false };
        book.names.remove(&schedule.name);
        book.unfile(number, Place::of(&schedule));
        book.bytes -= schedule.bytes();
        if book.schedules.is_empty() {
            self.book = None;
        }
        true
    }

    /// The one door: changes a schedule, and has its place follow. O(log n).
    pub fn change<R>(&mut self, number: u64, change: impl FnOnce(&mut Schedule) -> R) -> Option<R> {
        let book = self.book.as_mut()?;
        let schedule = book.schedules.get_mut(&number)?;
        let place = Place::of(schedule);
        let result = change(schedule);
        let now = Place::of(schedule);
        if now != place {
            book.unfile(number, place);
            book.file(number, now);
        }
        Some(result)
    }

    /// The same where what a client has set is changed, and with it how much there is. O(log n).
    pub fn renew(&mut self, number: u64, renew: impl FnOnce(&mut Schedule)) {
        let bytes = |it: &Self| it.get(number).map_or(0, Schedule::bytes);
        let before = bytes(self);
        self.change(number, renew);
        let after = bytes(self);
        if let Some(book) = &mut self.book {
            book.bytes = book.bytes - before + after;
        }
    }

    /// Part of [`check_invariants`](crate::Queue::check_invariants).
    pub fn check(&self) -> Result<(), String> {
        let Some(book) = &self.book else { return Ok(()) };
        let mut again = Book::default();
        for (&number, schedule) in &book.schedules {
            let is_known = number == schedule.number && (1..=self.made).contains(&number);
            if !is_known || book.names.get(&schedule.name) != Some(&number) {
                return Err(format!("a schedule of another number or name: {schedule:?}"));
            }
            again.bytes += schedule.bytes();
            again.file(number, Place::of(schedule));
        }
        let is_same = (&again.due, &again.unplanned, &again.owed, again.bytes)
            == (&book.due, &book.unplanned, &book.owed, book.bytes);
        let is_whole = book.names.len() == book.schedules.len() && !book.schedules.is_empty();
        (is_same && is_whole).then_some(()).ok_or_else(|| format!("not as counted anew: {book:?}"))
    }
}
