//! Leases that end with the connection they were taken over: `JQ.CONSUME … BIND`.
//!
//! Which leases are bound is noted in the queue, which knows when one ends in any other way. Here is
//! only which connections have some in which queues. When a connection closes, nothing is done but to
//! note that: the timer settles the leases, with a command for the log that anyone could have sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jobq_engine::{Owner, UnixMillis};

use crate::{
    keyspace,
    registry::{self, Place},
    server::{Context, Text},
    stored::Stored,
    visit::{self, GivenBack},
};

/// Leases that one step settles; the timer goes on from there.
pub const STEP_MAX: usize = 128;

/// How it stands with the leases of a connection in a queue.
#[derive(Clone, Copy, Default)]
struct Pair {
    /// When the connection closed, if it has.
    closed: Option<UnixMillis>,
    /// When to look at them next.
    due: Option<UnixMillis>,
}

/// Which connections have leases bound to them, in which queues.
#[derive(Default)]
pub struct Bonds {
    pairs: BTreeMap<(Owner, Place), Pair>,
    owners: HashMap<Place, BTreeSet<Owner>>,
    due: BTreeSet<(UnixMillis, Owner, Place)>,
}

impl Bonds {
    /// How many there are, a connection once for each of its queues.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// A lease of this queue is bound to a connection.
    pub fn bind(&mut self, owner: Owner, place: Place) {
        self.owners.entry(place.clone()).or_default().insert(owner);
        self.pairs.entry((owner, place)).or_default();
    }

    /// A connection has closed. False if no lease is bound to it.
    pub fn close(&mut self, owner: Owner, now: UnixMillis) -> bool {
        let places = self.places_of(owner);
        for place in &places {
            self.close_one(owner, place, now);
            self.look_at(owner, place, UnixMillis(0));
        }
        !places.is_empty()
    }

    /// No lease of this queue is bound to the connection any more.
    fn forget(&mut self, owner: Owner, place: &Place) {
        let key = (owner, place.clone());
        if let Some(due) = self.pairs.remove(&key).and_then(|pair| pair.due) {
            self.due.remove(&(due, key.0, key.1));
        }
        if let Some(owners) = self.owners.get_mut(place) {
            owners.remove(&owner);
            if owners.is_empty() {
                self.owners.remove(place);
            }
        }
    }

    /// A queue has lost its name.
    pub fn leave(&mut self, db: i32, queue: &[u8]) {
        if self.owners.is_empty() {
            return;
        }
        let place = (db, queue.into());
        for owner in self.owners.get(&place).cloned().unwrap_or_default() {
            self.forget(owner, &place);
        }
    }

    /// A queue has got a name, and brings leases with it that are bound. Whether the connections are
    /// still there has to be seen.
    pub fn adopt(&mut self, place: &Place, owners: impl Iterator<Item = Owner>) {
        for owner in owners {
            self.bind(owner, place.clone());
            self.look_at(owner, place, UnixMillis(0));
        }
    }

    /// All queues of a database, or of all, are gone.
    pub fn clear(&mut self, db: Option<i32>) {
        self.move_all(|at| db.is_some_and(|db| at != db).then_some(at));
    }

    /// Two databases have changed places.
    pub fn swap(&mut self, a: i32, b: i32) {
        self.move_all(|at| {
            Some(match at {
                _ if at == a => b,
                _ if at == b => a,
                _ => at,
            })
        });
    }

    /// When there is something to do next; the beginning of time for at once.
    pub fn first_due(&self) -> Option<UnixMillis> {
        self.due.first().map(|(at, ..)| *at)
    }

    /// A connection in whose queue there is something to do, and when it closed, if that is known.
    fn pop_due(&mut self, now: UnixMillis) -> Option<(Owner, Place, Option<UnixMillis>)> {
        if self.first_due()? > now {
            return None;
        }
        let (_, owner, place) = self.due.pop_first()?;
        let key = (owner, place);
        let pair = self.pairs.get_mut(&key)?;
        pair.due = None;
        Some((owner, key.1, pair.closed))
    }

    fn close_one(&mut self, owner: Owner, place: &Place, now: UnixMillis) {
        if let Some(pair) = self.pairs.get_mut(&(owner, place.clone())) {
            pair.closed.get_or_insert(now);
        }
    }

    /// Has the timer look at the leases of a connection in a queue, if there are any left.
    fn look_at(&mut self, owner: Owner, place: &Place, at: UnixMillis) {
        let Some(pair) = self.pairs.get_mut(&(owner, place.clone())) else { return };
        if let Some(before) = pair.due.replace(at) {
            self.due.remove(&(before, owner, place.clone()));
        }
        self.due.insert((at, owner, place.clone()));
    }

    fn places_of(&self, owner: Owner) -> Vec<Place> {
        let first = (owner, (i32::MIN, Box::default()));
        let keys = self.pairs.range(first..).map(|(key, _)| key);
        keys.take_while(|key| key.0 == owner).map(|key| key.1.clone()).collect()
    }

    /// Files everything under the database that `to` says, or forgets it.
    fn move_all(&mut self, to: impl Fn(i32) -> Option<i32>) {
        let before = std::mem::take(self);
        for ((owner, (db, name)), pair) in before.pairs {
            let Some(db) = to(db) else { continue };
            let place = (db, name);
            self.owners.entry(place.clone()).or_default().insert(owner);
            self.due.extend(pair.due.map(|at| (at, owner, place.clone())));
            self.pairs.insert((owner, place), pair);
        }
    }
}

/// Forgets those of whom no lease is bound in a queue any more.
#[inline]
pub fn forget_unbound(place: (i32, &[u8]), stored: &mut Stored) {
    if stored.queue.has_unbound() {
        forget_those(place, stored.queue.take_unbound());
    }
}

#[cold]
fn forget_those(place: (i32, &[u8]), owners: Vec<Owner>) {
    let place = (place.0, place.1.into());
    registry::with(|registry| {
        owners.into_iter().for_each(|owner| registry.bonds.forget(owner, &place));
    });
}

/// Settles some of the leases that end with a connection that has closed. False if there are none.
pub fn settle_some(context: Context, now: UnixMillis) -> bool {
    let due = registry::with(|registry| registry.bonds.pop_due(now));
    let Some((owner, place, closed)) = due else { return false };
    let next = match closed {
        None if context.is_connected(owner) => return true,
        // What it was answered may not have been written yet: if it cannot be, that goes back by itself.
        _ if registry::with(|registry| registry.waiters.is_answering(owner)) => {
            Some(UnixMillis(now.0 + 1))
        }
        closed => settle(context, now, owner, &place, closed.unwrap_or(now)),
    };
    registry::with(|registry| match next {
        Some(at) => {
            registry.bonds.close_one(owner, &place, closed.unwrap_or(now));
            registry.bonds.look_at(owner, &place, at);
        }
        None => registry.bonds.forget(owner, &place),
    });
    true
}

/// Settles some of the leases of a connection that are over by now. Tells when to come again.
fn settle(
    context: Context,
    now: UnixMillis,
    owner: Owner,
    place: &Place,
    closed: UnixMillis,
) -> Option<UnixMillis> {
    context.select_db(place.0);
    let name = Text::new(&place.1);
    let orphans = keyspace::orphans(context, name.raw(), owner, |grace| closed.after(grace), now);
    let orphans = orphans.ok()??;
    if !orphans.over.is_empty() {
        let how = if orphans.counts { GivenBack::Failed } else { GivenBack::Blameless };
        let settled = visit::settle_for_us(context, &name, &orphans.over, how);
        // Where they cannot be settled, they lapse.
        let jobs = settled.ok()?;
        registry::with(|registry| registry.stats.unbound += jobs);
    }
    orphans.next
}
