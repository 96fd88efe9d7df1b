//! Looking through the jobs of a state, a page at a time, while the queue goes on.
//!
//! A page ends with a job, its anchor, and the next one begins behind it. Jobs that wait for an
//! instant have a place of their own in a timeline, which is found again even if the anchor has
//! left. The others stand in lists in the order of the instants since when they do. If the anchor
//! has left its list, the walk begins anew and passes over what is from before its instant.

use std::fmt;

use crate::{
    glob,
    limits::ClassKey,
    list::List,
    slab::Slot,
    state::{State, StateKind},
    time::{Millis, UnixMillis},
    timeline::Timeline,
    Queue,
};

/// Jobs that a page may look at, wanted or not: about a millisecond of work.
const LISTED_STEPS_MAX: usize = 10_000;

/// How many bytes of a pattern, times those of an error, are compared in the time of one such look.
const MATCHED_IN_STEP: usize = 512;

/// The longest pattern of an error, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;

/// Which jobs to look at.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// The state they are in.
    pub state: StateKind,
    /// From the last to the first, where the first is the one that would leave the state first.
    pub reverse: bool,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// At most so many; at least 1.
    pub count: usize,
    /// Only those of this type.
    pub job_type: Option<&'a [u8]>,
    /// Only those of this group.
    pub group: Option<&'a [u8]>,
    /// Only those of this batch key.
    pub batch: Option<&'a [u8]>,
    /// Only those whose last error is of this form.
    pub error: Option<&'a [u8]>,
    /// Only those that this worker holds.
    pub worker: Option<&'a [u8]>,
    /// Only those published at least so long ago, by the queue's clock.
    pub min_age: Option<Millis>,
    /// Only those published at most so long ago.
    pub max_age: Option<Millis>,
}

/// Where a page ended: the place of the last job that was looked at. Good for listing the same
/// state in the same direction; anywhere else it leads to some page or other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cursor {
    // The instant that orders the job: when time moves it, or since when it is in its list.
    at: UnixMillis,
    seq: u64,
    slot: Slot,
    // Where the line is in which the job stands, if it is ready.
    line: Line,
    // The walk passes over jobs of the lane until it comes to this instant. It is `at` unless the
    // walk has begun anew and is not there yet.
    sought: UnixMillis,
}

/// A line of ready jobs. These come first that may be taken, and then those that wait for a place of a
/// limit.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
struct Line {
    // One more than the class of those who wait.
    room: u32,
    priority: i8,
    // Whose line it is among those of a priority.
    place: u32,
}

impl Listing<'_> {
    /// The first jobs of a state, whatever they are.
    #[must_use]
    pub fn of(state: StateKind, count: usize) -> Self {
        Self {
            state,
            reverse: false,
            after: None,
            count,
            job_type: None,
            group: None,
            batch: None,
            error: None,
            worker: None,
            min_age: None,
            max_age: None,
        }
    }
}

impl Cursor {
    /// Reads what [`Display`](fmt::Display) writes; `None` if it is none.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "numbers with more bits are refused")]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.split('-');
        let mut number = |bits: u32| parts.next()?.parse().ok().filter(|n: &u64| n >> bits == 0);
        let cursor = Self {
            at: UnixMillis(number(48)?),
            seq: number(48)?,
            slot: Slot(number(32)? as u32),
            line: Line {
                room: number(32)? as u32,
                priority: i8::from_ne_bytes([number(8)? as u8]),
                place: number(32)? as u32,
            },
            sought: UnixMillis(number(48)?),
        };
        parts.next().is_none().then_some(cursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, seq, slot, line: Line { room, priority, place }, sought } = self;
        // Without a sign, which would look like what separates the parts.
        let [priority] = priority.to_ne_bytes();
        write!(f, "{at}-{seq}-{}-{room}-{priority}-{place}-{sought}", slot.0)
    }
}

/// Some of the jobs that were asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// The jobs, in order; possibly none though more follow.
    pub jobs: Vec<Slot>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Queue {
    /// Some of the jobs of a state: delayed and leased ones in the order in which time moves them,
    /// ready ones in the order of service, held, gathering, completed and dead ones in the order they came.
    /// O(log n + steps), where a step is a look at a job, and there are ten thousand at most. To compare
    /// a long error counts as several.
    ///
    /// Who goes on from page to page meets each job at least once that is in the state all the
    /// while and keeps its place there; and exactly once if no job that a page ended with leaves.
    /// Delayed and leased ones are met exactly once in any case. A job that a page ended with and
    /// that has left and come back as of the same instant is taken for one that stayed: others of
    /// that instant may then be missed.
    #[must_use]
    pub fn list(&self, listing: &Listing<'_>) -> Page {
        let mut walk = self.walk(listing);
        let (mut jobs, mut last) = (Vec::new(), None);
        let mut steps = LISTED_STEPS_MAX;
        for mut place in walk.by_ref() {
            if let Some(after) = listing.after.filter(|after| after.line == place.line) {
                place.sought = if listing.reverse {
                    place.at.min(after.sought)
                } else {
                    place.at.max(after.sought)
                };
            }
            last = Some(place);
            if place.sought == place.at && self.is_wanted(place.slot, listing) {
                jobs.push(place.slot);
            }
            steps = steps.saturating_sub(self.steps_at(place.slot, listing));
            if steps == 0 || jobs.len() >= listing.count {
                break;
            }
        }
        Page { jobs, next: last.filter(|_| walk.next().is_some()) }
    }

    /// What there is to look at: all that follows the anchor, or, if that has left its list, the
    /// whole of it.
    fn walk(&self, listing: &Listing<'_>) -> Box<dyn Iterator<Item = Cursor> + '_> {
        let (jobs, anchor) = (&self.jobs, self.anchor(listing));
        let line = listing.after.map(|after| after.line);
        let place = |slot| self.place_in_list(slot);
        match (listing.state, listing.reverse) {
            (StateKind::Delayed, _) => walk_timeline(&self.delayed, listing),
            (StateKind::Leased, _) => walk_timeline(&self.leased, listing),
            (StateKind::Held, false) => {
                Box::new(self.held.iter_after(jobs, anchor).filter_map(place))
            }
            (StateKind::Held, true) => {
                Box::new(self.held.iter_before(jobs, anchor).filter_map(place))
            }
            (StateKind::Gathering, false) => {
                Box::new(self.gathering.iter_after(jobs, anchor).filter_map(place))
            }
            (StateKind::Gathering, true) => {
                Box::new(self.gathering.iter_before(jobs, anchor).filter_map(place))
            }
            (StateKind::Ready, false) => {
                let from = line.unwrap_or(Line { priority: i8::MIN, ..Line::default() });
                let lines = self.ready.lines().map(in_line).chain(self.limits.lines().map(in_room));
                let lines = lines.filter(move |(line, _)| *line >= from);
                Box::new(
                    lines
                        .flat_map(move |(line, list)| {
                            list.iter_after(jobs, anchor.filter(|_| line == from))
                        })
                        .filter_map(place),
                )
            }
            (StateKind::Ready, true) => {
                let end = Line { room: u32::MAX, priority: i8::MAX, place: u32::MAX };
                let from = line.unwrap_or(end);
                let waiting = self.limits.lines().rev().map(in_room);
                let lines = waiting.chain(self.ready.lines().rev().map(in_line));
                let lines = lines.filter(move |(line, _)| *line <= from);
                Box::new(
                    lines
                        .flat_map(move |(line, list)| {
                            list.iter_before(jobs, anchor.filter(|_| line == from))
                        })
                        .filter_map(place),
                )
            }
            (StateKind::Completed, false) => {
                Box::new(self.completed.iter_after(jobs, anchor).filter_map(place))
            }
            (StateKind::Completed, true) => {
                Box::new(self.completed.iter_before(jobs, anchor).filter_map(place))
            }
            (StateKind::Dead, false) => {
                Box::new(self.dead.iter_after(jobs, anchor).filter_map(place))
            }
            (StateKind::Dead, true) => {
                Box::new(self.dead.iter_before(jobs, anchor).filter_map(place))
            }
        }
    }

    /// The job that the page before ended with, if it is where it was.
    fn anchor(&self, listing: &Listing<'_>) -> Option<Slot> {
        let after = listing.after?;
        let place = self.place_in_list(after.slot)?;
        let stays = place == Cursor { sought: after.at, ..after };
        let fits = self.jobs[after.slot].state().kind() == listing.state;
        (stays && fits).then_some(after.slot)
    }

    /// The place of a job that is held, gathering, ready, completed or dead.
    fn place_in_list(&self, slot: Slot) -> Option<Cursor> {
        let job = self.jobs.get(slot)?;
        let at = job.state().since()?;
        let line = match job.state() {
            State::Ready { parked: true, .. } => {
                let class = self.limits.class_of(&self.needs_of(job)?)?;
                Line { room: class.0 + 1, priority: self.terms_of(job).priority, place: 0 }
            }
            State::Ready { parked: false, .. } => {
                let rank = self.rank_of(job);
                Line { room: 0, priority: rank.priority, place: self.ready.place_of(rank)? }
            }
            _ => Line::default(),
        };
        Some(Cursor { at, seq: job.seq(), slot, line, sought: at })
    }

    /// What a look at a job counts: more where a pattern may have to be tried at each byte of a long error.
    fn steps_at(&self, slot: Slot, listing: &Listing<'_>) -> usize {
        let Some(pattern) = listing.error else { return 1 };
        1 + pattern.len() * self.jobs[slot].error().map_or(0, <[u8]>::len) / MATCHED_IN_STEP
    }

    fn is_wanted(&self, slot: Slot, listing: &Listing<'_>) -> bool {
        let job = &self.jobs[slot];
        let age = self.clock.since(job.ulid.millis());
        let terms = self.terms_of(job);
        listing.job_type.is_none_or(|name| *terms.job_type == *name)
            && listing.group.is_none_or(|name| *terms.group == *name)
            && listing.batch.is_none_or(|name| *terms.batch == *name)
            && listing.worker.is_none_or(|name| {
                self.holder_of(job).is_some_and(|holder| *holder.worker == *name)
            })
            && listing.min_age.is_none_or(|min| age >= min)
            && listing.max_age.is_none_or(|max| age <= max)
            && listing
                .error
                .is_none_or(|form| job.error().is_some_and(|it| glob::matches(form, it)))
    }
}

fn in_line(((priority, place), list): ((i8, u32), &List)) -> (Line, &List) {
    (Line { room: 0, priority, place }, list)
}

fn in_room(((class, priority), list): ((ClassKey, i8), &List)) -> (Line, &List) {
    (Line { room: class.0 + 1, priority, place: 0 }, list)
}

fn walk_timeline<'a>(
    timeline: &'a Timeline,
    listing: &Listing<'_>,
) -> Box<dyn Iterator<Item = Cursor> + 'a> {
    let key = listing.after.map(|after| (after.at, after.seq));
    let place = |(at, seq, slot)| Cursor { at, seq, slot, line: Line::default(), sought: at };
    if listing.reverse {
        Box::new(timeline.iter_before(key).map(place))
    } else {
        Box::new(timeline.iter_after(key).map(place))
    }
}
