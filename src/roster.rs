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
    ops::Bound::{Excluded, Unbounded},
};

use jobq_engine::{Millis, UnixMillis};
use jobq_protocol::WorkerWish;

/// A queue by database and name.
type Place = (i32, Box<[u8]>);

/// How long a worker is remembered that holds nothing and is not heard of.
pub const KEPT: Millis = Millis::from_secs(600);

/// Workers that one sweep looks at, and queues that it then has to be looked at in.
const SWEEP_MAX: usize = 1024;
const SWEEP_PLACES_MAX: usize = 256;

/// How often a part of the roster is swept.
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

    fn is_recent(&self, now: UnixMillis) -> bool {
        self.seen.is_some_and(|seen| seen.after(KEPT) > now)
    }
}

/// All workers that are known.
#[derive(Default)]
pub struct Roster {
    workers: BTreeMap<Box<[u8]>, Worker>,
    connections: HashMap<u64, Box<[u8]>>,
    // Where the next sweep goes on, and when.
    swept: Option<Box<[u8]>>,
    sweeps_at: UnixMillis,
}

/// Queues in which workers may hold something, of whom nothing was heard there for a while.
pub type Doubts = BTreeMap<Place, Vec<Box<[u8]>>>;

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
        if !self.workers.contains_key(name) {
            self.workers.insert(name.into(), Worker::default());
        }
        self.workers.get_mut(name).expect("it was put there")
    }

    /// A connection takes a name. Tells what is wished of the worker.
    pub fn set(
        &mut self,
        name: &[u8],
        now: UnixMillis,
        connection: u64,
        card: Card,
    ) -> Option<WorkerWish> {
        self.close(connection);
        self.connections.insert(connection, name.into());
        let wish = self.see(name, now, Some(connection), (card.db, &[]));
        let worker = self.find(name);
        worker.connections.insert(connection);
        worker.card = Some(Box::new(card));
        wish
    }

    /// A connection has closed, or has the name no longer.
    pub fn close(&mut self, connection: u64) {
        if self.connections.is_empty() {
            return;
        }
        let Some(name) = self.connections.remove(&connection) else { return };
        if let Some(worker) = self.workers.get_mut(&name) {
            worker.connections.remove(&connection);
        }
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

    /// Whether it is time to look for those that can be forgotten.
    pub fn is_sweep_due(&mut self, now: UnixMillis) -> bool {
        let is_due = !self.workers.is_empty() && self.sweeps_at <= now;
        if is_due {
            self.sweeps_at = now.after(SWEEP_EVERY);
        }
        is_due
    }

    /// Forgets some of those that are gone, and tells in which queues others have to be looked for
    /// first. `waits` tells whether a worker waits for jobs.
    pub fn sweep(&mut self, now: UnixMillis, waits: impl Fn(&[u8]) -> bool) -> Doubts {
        let mut doubts = Doubts::new();
        let mut gone = Vec::new();
        let (mut looked, mut places) = (0, 0);
        let mut last = None;
        for (name, worker) in self.list(self.swept.as_deref()) {
            looked += 1;
            last = Some(name.to_vec());
            if !waits(name) {
                for (&db, queues) in &worker.places {
                    for (queue, _) in queues.iter().filter(|(_, seen)| seen.after(KEPT) <= now) {
                        doubts.entry((db, queue.clone())).or_default().push(name.into());
                        places += 1;
                    }
                }
                let is_idle = worker.is_nowhere() && worker.connections.is_empty();
                if is_idle && !worker.is_recent(now) {
                    gone.push(name.to_vec());
                }
            }
            if looked == SWEEP_MAX || places >= SWEEP_PLACES_MAX {
                break;
            }
        }
        let goes_on = looked == SWEEP_MAX || places >= SWEEP_PLACES_MAX;
        self.swept = last.filter(|_| goes_on).map(Into::into);
        for name in gone {
            self.workers.remove(&*name);
        }
        doubts
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
