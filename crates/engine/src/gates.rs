//! Gates: what jobs wait for that is decided outside, each a name that is open or closed.
//!
//! A gate is a level, not a signal: it is looked at whenever a job would become ready, and a job that
//! is ready already is not called back. A job that waits is listed at every gate that it names, so
//! whoever opens one has only those jobs to look at, and that is done in slices.
//!
//! What a job waits for is in its terms, packed: for each clause a count of names, and for each name
//! its length and its bytes. All clauses have to hold, and one name of each. Names and clauses are in
//! order, so equal conditions are equal bytes, however they were written.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    job::Job,
    journal::Move,
    slab::Slot,
    state::{Event, State},
    time::UnixMillis,
    timeline::Timeline,
    Queue,
};

/// The longest name of a gate, in bytes.
pub const GATE_NAME_BYTES_MAX: usize = 64;

/// Clauses that one job may have at most.
pub const CLAUSES_MAX: usize = 16;

/// Names that one clause may have at most.
pub const ALTERNATIVES_MAX: usize = 16;

/// What stands between the names of a clause, and so in none.
pub const OR: u8 = b'|';

/// Whether a gate may have this name: 1 to 64 bytes without `|`.
#[must_use]
pub fn is_name(name: &[u8]) -> bool {
    (1..=GATE_NAME_BYTES_MAX).contains(&name.len()) && !name.contains(&OR)
}

/// Packs clauses, each a list of alternatives. O(n log n).
#[must_use]
pub fn pack(clauses: &[Vec<&[u8]>]) -> Vec<u8> {
    let mut sorted = clauses.to_vec();
    for names in &mut sorted {
        names.sort_unstable();
        names.dedup();
    }
    sorted.sort_unstable();
    sorted.dedup();
    let mut packed = Vec::new();
    for names in sorted {
        packed.push(names.len() as u8);
        for name in names {
            packed.push(name.len() as u8);
            packed.extend(name);
        }
    }
    packed
}

/// The clauses that were packed, in order.
pub fn clauses(packed: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let mut rest = packed;
    std::iter::from_fn(move || split(&mut rest))
}

/// Whether this is what [`pack`] could have made of clauses that a job may have.
#[must_use]
pub fn is_valid(packed: &[u8]) -> bool {
    let clauses: Vec<_> = clauses(packed).take(CLAUSES_MAX + 1).collect();
    let is_valid = |names: &Vec<&[u8]>| {
        (1..=ALTERNATIVES_MAX).contains(&names.len()) && names.iter().all(|name| is_name(name))
    };
    clauses.len() <= CLAUSES_MAX && clauses.iter().all(is_valid) && pack(&clauses) == packed
}

fn split<'a>(rest: &mut &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let (&names, mut after) = rest.split_first()?;
    let mut clause = Vec::with_capacity(names.into());
    for _ in 0..names {
        let (&len, behind) = after.split_first()?;
        let (name, behind) = behind.split_at_checked(len.into())?;
        clause.push(name);
        after = behind;
    }
    *rest = after;
    Some(clause)
}

/// Every name once.
fn names(packed: &[u8]) -> Vec<&[u8]> {
    let mut names: Vec<_> = clauses(packed).flatten().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A gate as operators see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GateView<'a> {
    /// What it is called.
    pub name: &'a [u8],
    /// Whether jobs pass.
    pub is_open: bool,
    /// How many held jobs name it, be it that or something else which they wait for.
    pub held: usize,
}

/// Instants play no part among the jobs at a gate: publish order is all.
const NO_INSTANT: UnixMillis = UnixMillis(0);

#[derive(Clone, Debug, Default)]
struct Gate {
    is_open: bool,
    // The held jobs that name it, in publish order.
    held: Timeline,
}

/// The gates of a queue: those that are open, and those that held jobs name. All others are closed,
/// and take no memory.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    // Sorted, so that nothing depends on how names are hashed.
    gates: BTreeMap<Box<[u8]>, Gate>,
    // Gates that were opened and whose jobs are yet to be looked at, each with the place in publish
    // order that the look has come to.
    opening: VecDeque<(Box<[u8]>, u64)>,
    bytes: usize,
}

impl Clone for Gates {
    /// Copies the gates, but not the unused room that they have.
    fn clone(&self) -> Self {
        let (gates, opening) = (self.gates.clone(), self.opening.clone());
        let bytes = gates.iter().map(|(name, gate)| bytes_of(name, gate)).sum();
        Self { gates, opening, bytes }
    }
}

impl Gates {
    /// Opens a gate; false if it is open. Its jobs are looked at later. O(log n) with n gates.
    pub fn open(&mut self, name: &[u8]) -> bool {
        if self.is_open(name) {
            return false;
        }
        self.change(name, |gate| gate.is_open = true);
        if self.gates.get(name).is_some_and(|gate| gate.held.len() > 0) {
            self.opening.push_back((name.into(), 0));
        }
        true
    }

    /// Closes a gate, also to those of its jobs that were not looked at yet; false if it is closed.
    /// O(log n) with n gates, and the number of those that are being opened.
    pub fn close(&mut self, name: &[u8]) -> bool {
        if !self.is_open(name) {
            return false;
        }
        self.opening.retain(|(opening, _)| **opening != *name);
        self.change(name, |gate| gate.is_open = false);
        true
    }

    fn is_open(&self, name: &[u8]) -> bool {
        self.gates.get(name).is_some_and(|gate| gate.is_open)
    }

    /// Whether packed clauses hold. O(names log n) with n gates.
    pub fn are_met(&self, packed: &[u8]) -> bool {
        packed.is_empty() || self.missing(packed).next().is_none()
    }

    /// The packed clauses that do not hold, by their names.
    pub fn missing<'a>(&'a self, packed: &'a [u8]) -> impl Iterator<Item = Vec<&'a [u8]>> + 'a {
        clauses(packed).filter(|names| !names.iter().any(|name| self.is_open(name)))
    }

    /// Lists a held job at the gates that it names. O(names log n).
    pub fn hold(&mut self, packed: &[u8], seq: u64, slot: Slot) {
        for name in names(packed) {
            self.change(name, |gate| gate.held.insert(NO_INSTANT, seq, slot));
        }
    }

    /// Takes a job off the lists that is held no longer. O(names log n).
    pub fn release(&mut self, packed: &[u8], seq: u64, slot: Slot) {
        for name in names(packed) {
            self.change(name, |gate| {
                gate.held.remove(NO_INSTANT, seq, slot);
            });
        }
    }

    /// Whether a gate was opened and not all of its jobs are looked at yet.
    pub fn are_opening(&self) -> bool {
        !self.opening.is_empty()
    }

    /// The next job to be looked at, of the gate that was opened first. `None` where there is no more
    /// at that gate: then it is done with. O(log n).
    pub fn look(&mut self) -> Option<Slot> {
        let (name, looked_at) = self.opening.front_mut()?;
        let gate = self.gates.get(name);
        let next =
            gate.and_then(|gate| gate.held.iter_after(Some((NO_INSTANT, *looked_at))).next());
        if let Some((_, seq, slot)) = next {
            *looked_at = seq;
            return Some(slot);
        }
        self.opening.pop_front();
        None
    }

    /// All gates by their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = GateView<'_>> {
        self.gates.iter().map(|(name, gate)| GateView {
            name,
            is_open: gate.is_open,
            held: gate.held.len(),
        })
    }

    /// The gates that are being opened, and the place in publish order that each has come to.
    pub fn opening(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.opening.iter().map(|(name, looked_at)| (&**name, *looked_at))
    }

    /// Goes on opening a gate as a stored form says. False if it is not open, or being opened.
    pub fn go_on_opening(&mut self, name: &[u8], looked_at: u64) -> bool {
        let is_new = self.is_open(name) && self.opening().all(|(opening, _)| opening != name);
        if is_new {
            self.opening.push_back((name.into(), looked_at));
        }
        is_new
    }

    /// Whether no gate is open and none is waited for.
    pub fn are_closed(&self) -> bool {
        self.gates.is_empty()
    }

    /// Heap bytes held. O(1).
    pub fn bytes(&self) -> usize {
        self.bytes + self.opening.capacity() * size_of::<(Box<[u8]>, u64)>()
    }

    /// Changes a gate, which need not be there before, and forgets it if it is closed and nobody
    /// waits for it.
    fn change(&mut self, name: &[u8], change: impl FnOnce(&mut Gate)) {
        if !self.gates.contains_key(name) {
            self.bytes += bytes_of(name, &Gate::default());
            self.gates.insert(name.into(), Gate::default());
        }
        let Some(gate) = self.gates.get_mut(name) else { return };
        self.bytes -= bytes_of(name, gate);
        change(gate);
        self.bytes += bytes_of(name, gate);
        if !gate.is_open && gate.held.len() == 0 {
            self.bytes -= bytes_of(name, gate);
            self.gates.remove(name);
        }
        if self.gates.is_empty() {
            self.opening = VecDeque::new();
        }
    }
}

impl Queue {
    /// The gates that are open, and those that held jobs name, in the order of their names.
    pub fn gates(&self) -> impl ExactSizeIterator<Item = GateView<'_>> {
        self.gates.iter()
    }

    /// The clauses of a job's `WHEN` that do not hold now, each as its names: one of each has to be
    /// opened. O(names log n) with n gates.
    pub fn missing_gates<'a>(&'a self, job: &Job) -> impl Iterator<Item = Vec<&'a [u8]>> + 'a {
        self.gates.missing(&self.terms.get(job.terms).when)
    }

    /// Moves a job as an event asks; but one that would be ready is held where something is missing
    /// that it waits for, and gathers where it is to be delivered with others.
    #[inline]
    pub(crate) fn proceed(&mut self, slot: Slot, step: impl Into<Move>) -> bool {
        self.proceed_by(slot, step.into())
    }

    fn proceed_by(&mut self, slot: Slot, step: Move) -> bool {
        let would_be_ready = matches!(
            step.event,
            Event::Wake
                | Event::Kick
                | Event::Free
                | Event::Release
                | Event::Lapse
                | Event::Retry
                | Event::Respawn
        );
        if would_be_ready && !self.is_complete(slot) {
            self.shift(slot, Event::Hold.by(step.cause))
        } else if would_be_ready && self.gathers(slot) {
            self.gather(slot, step.cause)
        } else {
            self.shift(slot, step)
        }
    }

    /// Makes a held job ready if it has all that it waits for.
    pub(crate) fn free(&mut self, slot: Slot) {
        if matches!(self.jobs[slot].state(), State::Held { .. }) && self.is_complete(slot) {
            self.proceed(slot, Event::Free);
        }
    }

    /// Whether a job has all that it waits for, other than an instant.
    pub(crate) fn is_complete(&self, slot: Slot) -> bool {
        let job = &self.jobs[slot];
        self.parents_left(job) == 0 && self.gates.are_met(&self.terms.get(job.terms).when)
    }

    /// Part of [`check_invariants`](Queue::check_invariants).
    pub(crate) fn check_gates(&self) -> Result<(), String> {
        let mut held: BTreeMap<&[u8], Vec<(u64, Slot)>> = BTreeMap::new();
        for slot in self.held.iter(&self.jobs) {
            let job = &self.jobs[slot];
            let when = &self.terms.get(job.terms).when;
            if !self.is_rightly_held(slot) {
                return Err(format!("held without need: {job:?}"));
            }
            for name in names(when) {
                held.entry(name).or_default().push((job.seq(), slot));
            }
        }
        for (name, gate) in &self.gates.gates {
            let mut expected = held.remove(&**name).unwrap_or_default();
            expected.sort_unstable_by_key(|(seq, _)| *seq);
            let listed = gate.held.iter_after(None).map(|(_, seq, slot)| (seq, slot));
            if !listed.eq(expected) {
                return Err(format!("other jobs than those held at gate {name:?}"));
            }
            if !gate.is_open && gate.held.len() == 0 {
                return Err(format!("nobody needs gate {name:?}"));
            }
        }
        if !held.is_empty() {
            return Err(format!("no gate for {held:?}"));
        }
        if !self.gates.opening().all(|(name, _)| self.gates.is_open(name)) {
            return Err("a closed gate is being opened".into());
        }
        let counted: usize = self.gates.gates.iter().map(|(name, gate)| bytes_of(name, gate)).sum();
        if counted != self.gates.bytes {
            return Err(format!("{} bytes of gates, {counted} counted", self.gates.bytes));
        }
        Ok(())
    }

    /// Whether a held job misses something, or is yet to be looked at.
    pub(crate) fn is_rightly_held(&self, slot: Slot) -> bool {
        let job = &self.jobs[slot];
        let wanted = names(&self.terms.get(job.terms).when);
        let is_ahead = |(name, at): (&[u8], u64)| at < job.seq() && wanted.contains(&name);
        !self.is_complete(slot) || self.gates.opening().any(is_ahead)
    }

    /// Opens or closes gates, and tells how many were not so.
    pub(crate) fn turn_gates(&mut self, opens: bool, names: &[&[u8]]) -> u64 {
        let turn = |name: &&&[u8]| match opens {
            true => self.gates.open(name),
            false => self.gates.close(name),
        };
        names.iter().filter(turn).count() as u64
    }

    /// Looks at the next job of a gate that was opened, and frees it if it may go. False if no gate is
    /// being opened.
    pub(crate) fn look_at_gate(&mut self) -> bool {
        if !self.gates.are_opening() {
            return false;
        }
        self.gates.look().into_iter().for_each(|slot| self.free(slot));
        true
    }
}

/// What a gate takes, about: a map's nodes are not full.
fn bytes_of(name: &[u8], gate: &Gate) -> usize {
    size_of::<(Box<[u8]>, Gate)>() + name.len() + gate.held.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_conditions_are_equal_bytes_and_come_back_in_order() {
        let [a, b, c] = [&b"a"[..], b"b", b"c"];
        let packed = pack(&[vec![c, b], vec![a], vec![b, c, b]]);
        assert_eq!(packed, pack(&[vec![a], vec![b, c]]));
        assert_eq!(clauses(&packed).collect::<Vec<_>>(), [vec![a], vec![b, c]]);
        assert!(is_valid(&packed) && is_valid(b""));
        assert_eq!(names(&pack(&[vec![c, b], vec![b]])), [b, c]);
        let first = pack(&[vec![a]]).len();
        for len in 1..packed.len() {
            assert_eq!(is_valid(&packed[..len]), len == first, "{len} bytes");
        }
    }

    #[test]
    fn what_no_job_can_wait_for_is_not_valid() {
        assert!(!is_valid(&pack(&[vec![b""]])), "no name");
        assert!(!is_valid(&pack(&[vec![b"a|b"]])), "two names in one");
        assert!(!is_valid(&pack(&[vec![&[b'a'; 65][..]]])), "too long a name");
        assert!(!is_valid(&[0]), "a clause without names");
        assert!(!is_valid(&[2, 1, b'b', 1, b'a']), "names out of order");
        assert!(!is_valid(&[1, 1, b'b', 1, 1, b'a']), "clauses out of order");
        let numbers: Vec<_> = (0..17u8).map(|n| [n]).collect();
        let names: Vec<&[u8]> = numbers.iter().map(|name| &name[..]).collect();
        assert!(!is_valid(&pack(std::slice::from_ref(&names))), "too many names");
        let clauses: Vec<_> = names.iter().map(|&name| vec![name]).collect();
        assert!(!is_valid(&pack(&clauses)), "too many clauses");
        assert!(is_valid(&pack(&clauses[..16])) && is_valid(&pack(&[names[..16].to_vec()])));
    }

    #[test]
    fn a_gate_that_is_closed_and_not_waited_for_takes_no_memory() {
        let (mut gates, when) = (Gates::default(), pack(&[vec![b"a", b"b"], vec![b"b"]]));
        for n in 1..200 {
            gates.hold(&when, n, Slot(n as u32));
        }
        assert_eq!(gates.iter().map(|gate| gate.held).collect::<Vec<_>>(), [199, 199]);
        assert!(gates.open(b"b") && !gates.open(b"b"));
        for n in 1..200 {
            assert_eq!(gates.look(), Some(Slot(n)));
            gates.release(&when, n.into(), Slot(n));
        }
        assert_eq!(gates.iter().map(|gate| gate.name).collect::<Vec<_>>(), [b"b"]);
        assert!(gates.are_opening());
        assert_eq!(gates.look(), None);
        assert!(!gates.are_opening());
        assert!(gates.close(b"b") && !gates.close(b"b"));
        assert!(gates.are_closed());
        assert_eq!(gates.bytes(), 0);
    }
}
