//! Which queues there are, by database and name: what `JQ.QUEUES` tells without a look through the
//! whole keyspace.
//!
//! It is a hint. It may hold names that are gone: the server throws some values away that it has
//! just loaded, such as those whose time is over, and says so to nobody. So what is told is looked
//! at before. But it never misses a queue: whatever brings a value to a name lists it, and only the
//! loss of that name takes it out.
//!
//! Nothing here calls the server.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

/// The names of queues.
#[derive(Default)]
pub struct Names {
    // And how many values are listed like this. `RESTORE` and `COPY` over a queue bring the new
    // value before the old one loses the name.
    databases: BTreeMap<i32, BTreeMap<Box<[u8]>, u32>>,
}

/// A part of the names of a database.
#[derive(Debug, Eq, PartialEq)]
pub struct Page {
    /// In the order of their bytes.
    pub names: Vec<Box<[u8]>>,
    /// Whether there are more behind the last one.
    pub goes_on: bool,
}

impl Names {
    /// Lists a value under its name. O(log n).
    pub fn insert(&mut self, db: i32, name: &[u8]) {
        let names = self.databases.entry(db).or_default();
        match names.get_mut(name) {
            Some(values) => *values += 1,
            None => drop(names.insert(name.into(), 1)),
        }
    }

    /// A value that is listed loses its name. O(log n).
    pub fn remove(&mut self, db: i32, name: &[u8]) {
        let Some(names) = self.databases.get_mut(&db) else { return };
        let Some(values) = names.get_mut(name) else { return };
        *values -= 1;
        if *values == 0 {
            names.remove(name);
        }
    }

    /// Takes out a name that no queue has. O(log n).
    pub fn forget(&mut self, db: i32, name: &[u8]) {
        if let Some(names) = self.databases.get_mut(&db) {
            names.remove(name);
        }
    }

    /// Forgets a database, or all of them, and tells what there was.
    pub fn clear(&mut self, db: Option<i32>) -> impl Iterator<Item = (i32, Box<[u8]>)> {
        let gone = match db {
            None => std::mem::take(&mut self.databases),
            Some(db) => self.databases.remove_entry(&db).into_iter().collect(),
        };
        gone.into_iter().flat_map(|(db, names)| names.into_keys().map(move |name| (db, name)))
    }

    /// The names of one database that another does not have. O(n log n).
    pub fn only_in(&self, db: i32, other: i32) -> Vec<Box<[u8]>> {
        let others = self.databases.get(&other);
        let has = |name: &[u8]| others.is_some_and(|others| others.contains_key(name));
        let names = self.databases.get(&db).into_iter().flat_map(BTreeMap::keys);
        names.filter(|name| !has(name)).cloned().collect()
    }

    /// Follows the keys of two databases that were swapped.
    pub fn swap(&mut self, a: i32, b: i32) {
        let (first, second) = (self.databases.remove(&a), self.databases.remove(&b));
        self.databases.extend(first.map(|names| (b, names)));
        self.databases.extend(second.map(|names| (a, names)));
    }

    /// The next names of a database, at most `count`: those behind `after`, or the first ones.
    /// O(log n) and O(1) for each name.
    pub fn list(&self, db: i32, after: Option<&[u8]>, count: usize) -> Page {
        let Some(names) = self.databases.get(&db) else {
            return Page { names: Vec::new(), goes_on: false };
        };
        let start = after.map_or(Unbounded, Excluded);
        let mut rest = names.range::<[u8], _>((start, Unbounded)).map(|(name, _)| name);
        let names = rest.by_ref().take(count).cloned().collect();
        Page { names, goes_on: rest.next().is_some() }
    }

    /// How many names there are in all databases.
    pub fn len(&self) -> usize {
        self.databases.values().map(BTreeMap::len).sum()
    }
}
