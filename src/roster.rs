//! Which workers there are: whoever gave a name, when and where it was heard of, what it says of itself
//! and what is wished of it.
//!
//! What a worker holds is in the queues. Here is only where to look: a hint, which may name queues in
//! which it holds nothing any more, but misses none. So what is told is looked at before, and a worker
//! of whom nothing was heard for a while is forgotten when it turns out to hold nothing.
//!
//! Nothing here calls the server.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound::{Excluded, Included, Unbounded},
};

use jobq_engine::{Millis, UnixMillis};
use jobq_protocol::WorkerWish;

/// A queue by database and name.
type Place = (i32, Box<[u8]>);

/// How long a worker is remembered that holds nothing and is not heard of.
pub const KEPT: Millis = Millis::from_secs(600);

/// Workers and places that one step of a sweep looks at.
const STEP_MAX: usize = 256;

/// How long after one sweep the next begins.
const SWEEP_EVERY: Millis = Millis::from_secs(10);

/// Names with their values.
pub type Labels = Vec<(Box<[u8]>, Box<[u8]>)>;

/// What a worker says of itself.
#[derive(Clone, Debug, Default)]
pub struct Card {
    /// The database in which it said so last.
    pub db: i32,
    /// The machine that it runs on.
    pub host: Option<Box<[u8]>>,
    /// The number of its process.
    pub pid: Option<u64>,
    /// What else.
    pub labels: Labels,
}

/// What is known of a worker beside what it holds.
#[derive(Clone, Debug, Default)]
pub struct Worker {
    /// Since when this server knows of it by itself.
    pub since: Option<UnixMillis>,
    /// When it was heard of last.
    pub seen: Option<UnixMillis>,
    /// The connection over which it was heard of last.
    pub latest: Option<u64>,
    /// The open connections that have its name.
    pub connections: BTreeSet<u64>,
    /// What it says of itself.
    pub card: Option<Box<Card>>,
    /// What is wished of it.
    pub wish: Option<WorkerWish>,
    // Queues in which it may hold something, by database, and when it last asked for some there.
    places: BTreeMap<i32, BTreeMap<Box<[u8]>, UnixMillis>>,
}

impl Worker {
    /// The queues of a database in which it may hold something, and when it last asked for jobs there;
    /// the beginning of time if this server has not heard it ask.
    pub fn places(&self, db: i32) -> impl Iterator<Item = (&[u8], UnixMillis)> + '_ {
        self.places.get(&db).into_iter().flatten().map(|(queue, seen)| (&**queue, *seen))
    }

    /// Whether there is no queue at all in which it may hold something.
    pub fn is_nowhere(&self) -> bool {
        self.places.is_empty()
    }

    /// When it last asked for jobs of a queue, if it may hold some there.
    pub fn place(&self, db: i32, queue: &[u8]) -> Option<UnixMillis> {
        self.places.get(&db)?.get(queue).copied()
    }

    fn visit(&mut self, db: i32, queue: &[u8], now: UnixMillis) {
        let places = self.places.entry(db).or_default();
        match places.get_mut(queue) {
            Some(seen) => *seen = now.max(*seen),
            None => drop(places.insert(queue.into(), now)),
        }
    }

    fn leave(&mut self, (db, queue): &Place) {
        let Some(places) = self.places.get_mut(db) else { return };
        places.remove(queue);
        if places.is_empty() {
            self.places.remove(db);
        }
    }

    /// Whether it was heard of not long ago.
    pub fn is_recent(&self, now: UnixMillis) -> bool {
        self.seen.is_some_and(|seen| seen.after(KEPT) > now)
    }

    /// Where it may hold something in any database, behind one of these places.
    fn places_behind<'a>(
        &'a self,
        behind: Option<&'a Place>,
    ) -> impl Iterator<Item = (i32, &'a [u8], UnixMillis)> {
        let from = behind.map_or(i32::MIN, |(db, _)| *db);
        self.places.range(from..).flat_map(move |(&db, queues)| {
            let start = match behind {
                Some((at, queue)) if *at == db => Excluded(&**queue),
                _ => Unbounded,
            };
            let queues = queues.range::<[u8], _>((start, Unbounded));
            queues.map(move |(queue, seen)| (db, &**queue, *seen))
        })
    }

    fn is_at_one_place(&self) -> bool {
        self.places.len() == 1 && self.places.values().all(|queues| queues.len() == 1)
    }
}

/// All workers that are known.
#[derive(Default)]
pub struct Roster {
    workers: BTreeMap<Box<[u8]>, Worker>,
    connections: HashMap<u64, Box<[u8]>>,
    // Where the sweep goes on: with a worker, or with what is behind this of its places.
    swept: Option<(Box<[u8]>, Option<Place>)>,
    is_sweeping: bool,
    sweeps_at: UnixMillis,
}

/// How a step of a sweep ends.
#[derive(Debug, Eq, PartialEq)]
pub enum Swept {
    /// The sweep is over.
    All,
    /// It goes on.
    Some,
    /// It goes on, and this worker may hold something in this queue, or be gone from there:
    /// [`leave`](Roster::leave) if it is.
    Doubt(Box<[u8]>, Place),
}

impl Roster {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// A worker names itself in a command, over this connection if there is one, and asks for jobs of
    /// these queues. Tells what is wished of it. O(log w) with w workers.
    pub fn see(
        &mut self,
        name: &[u8],
        now: UnixMillis,
        connection: Option<u64>,
        (db, queues): (i32, &[&[u8]]),
    ) -> Option<WorkerWish> {
        let worker = self.find(name);
        worker.since.get_or_insert(now);
        worker.seen = Some(now);
        worker.latest = connection.or(worker.latest);
        for queue in queues {
            worker.visit(db, queue, now);
        }
        worker.wish
    }

    /// A worker that is known was heard of.
    pub fn hear(&mut self, name: &[u8], now: UnixMillis) {
        if let Some(worker) = self.workers.get_mut(name) {
            worker.since.get_or_insert(now);
            worker.seen = Some(now);
        }
    }

    /// A worker holds something in a queue.
    pub fn note(&mut self, name: &[u8], db: i32, queue: &[u8]) {
        self.find(name).visit(db, queue, UnixMillis(0));
    }

    fn find(&mut self, name: &[u8]) -> &mut Worker {
        self.workers.entry(name.into()).or_default()
    }

    /// A connection takes a name. Tells what is wished of the worker.
    pub fn set(
        &mut self,
        name: &[u8],
        now: UnixMillis,
        connection: u64,
        card: Card,
    ) -> Option<WorkerWish> {
        self.rename(connection, name);
        let wish = self.see(name, now, Some(connection), (card.db, &[]));
        let worker = self.find(name);
        worker.connections.insert(connection);
        worker.card = Some(Box::new(card));
        wish
    }

    /// A connection has another name from now on. What was said over it goes with the one that it had.
    fn rename(&mut self, connection: u64, name: &[u8]) {
        let Some(before) = self.connections.insert(connection, name.into()) else { return };
        if *before == *name {
            return;
        }
        if let Some(worker) = self.workers.get_mut(&before) {
            worker.connections.remove(&connection);
            if worker.connections.is_empty() {
                worker.card = None;
            }
        }
    }

    /// A connection has closed.
    pub fn close(&mut self, connection: u64) {
        if self.connections.is_empty() {
            return;
        }
        let Some(name) = self.connections.remove(&connection) else { return };
        if let Some(worker) = self.workers.get_mut(&name) {
            worker.connections.remove(&connection);
        }
    }

    /// Whether any connection has a name.
    pub fn names_any(&self) -> bool {
        !self.connections.is_empty()
    }

    /// The name that a connection has taken.
    pub fn name_of(&self, connection: u64) -> Option<&[u8]> {
        self.connections.get(&connection).map(|name| &**name)
    }

    /// Wishes something of a worker. Tells what was wished before, or `None` if it is not known.
    pub fn wish(&mut self, name: &[u8], wish: Option<WorkerWish>) -> Option<Option<WorkerWish>> {
        let worker = self.workers.get_mut(name)?;
        Some(std::mem::replace(&mut worker.wish, wish))
    }

    /// The workers behind `after` in the order of their names.
    pub fn list(&self, after: Option<&[u8]>) -> impl Iterator<Item = (&[u8], &Worker)> + '_ {
        let start = after.map_or(Unbounded, Excluded);
        let behind = self.workers.range::<[u8], _>((start, Unbounded));
        behind.map(|(name, worker)| (&**name, worker))
    }

    /// Follows the keys of two databases that were swapped.
    pub fn swap(&mut self, a: i32, b: i32) {
        for worker in self.workers.values_mut() {
            let (of_a, of_b) = (worker.places.remove(&a), worker.places.remove(&b));
            worker.places.extend(of_a.map(|places| (b, places)));
            worker.places.extend(of_b.map(|places| (a, places)));
        }
    }

    /// This server decides no longer: what it has heard of workers, and what was wished of them here, is
    /// known to those who decide from now on, or to nobody.
    pub fn step_down(&mut self) {
        for worker in self.workers.values_mut() {
            (worker.since, worker.seen, worker.latest, worker.wish) = Default::default();
        }
    }

    /// Begins a sweep for those that can be forgotten if it is time for one, and tells whether one goes
    /// on.
    pub fn begin_sweep(&mut self, now: UnixMillis) -> bool {
        if !self.is_sweeping && !self.workers.is_empty() && self.sweeps_at <= now {
            self.is_sweeping = true;
            self.sweeps_at = now.after(SWEEP_EVERY);
        }
        self.is_sweeping
    }

    /// Whether a sweep goes on.
    pub fn is_sweeping(&self) -> bool {
        self.is_sweeping
    }

    /// Takes a step of the sweep: forgets workers that are gone, up to the first place where one may hold
    /// something though it was not heard of there for a while. `waits` tells whether a worker waits for
    /// jobs. O(1), but for O(log w) with w workers.
    pub fn sweep(&mut self, now: UnixMillis, waits: impl Fn(&[u8]) -> bool) -> Swept {
        let mark = self.swept.take();
        let start = mark.as_ref().map_or(Unbounded, |(name, _)| Included(&**name));
        let mut behind = mark.as_ref().and_then(|(_, place)| place.as_ref());
        let (mut gone, mut looked, mut swept) = (Vec::new(), 0, Swept::All);
        'all: for (name, worker) in self.workers.range::<[u8], _>((start, Unbounded)) {
            if looked >= STEP_MAX {
                (self.swept, swept) = (Some((name.clone(), None)), Swept::Some);
                break;
            }
            looked += 1;
            // Who was heard of is still told of by the last place that it was at.
            let keeps_place = worker.is_recent(now) && worker.is_at_one_place();
            for (db, queue, seen) in worker.places_behind(behind.take()) {
                looked += 1;
                let is_doubted = seen.after(KEPT) <= now && !keeps_place;
                if is_doubted || looked >= STEP_MAX {
                    let place: Place = (db, queue.into());
                    self.swept = Some((name.clone(), Some(place.clone())));
                    swept =
                        if is_doubted { Swept::Doubt(name.clone(), place) } else { Swept::Some };
                    break 'all;
                }
            }
            let is_idle = worker.is_nowhere() && worker.connections.is_empty();
            if is_idle && !worker.is_recent(now) && !waits(name) {
                gone.push(name.clone());
            }
        }
        for name in gone {
            self.workers.remove(&name);
        }
        self.is_sweeping = swept != Swept::All;
        swept
    }

    /// A worker holds nothing in a queue; there it was not heard of for a while.
    pub fn leave(&mut self, name: &[u8], place: &Place) {
        if let Some(worker) = self.workers.get_mut(name) {
            worker.leave(place);
        }
    }
}

#[cfg(test)]
#[path = "roster/tests.rs"]
mod tests;
