//! Values that many jobs share, kept once and counted.

use std::hash::{Hash, Hasher};

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

/// What a table that holds nothing may keep, in bytes.
const EMPTY_BYTES_MAX: usize = 384;

/// Names a value of one [`Interner`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Key(u32);

impl Key {
    /// Its number: the least that is free is given next, so there are few gaps.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is kept once.
pub trait Shared: Eq + Hash {
    /// Heap bytes that it holds, but for what the allocator adds.
    fn heap_bytes(&self) -> usize;
}

impl Shared for Box<[u8]> {
    fn heap_bytes(&self) -> usize {
        self.len()
    }
}

/// A set of counted values. A value is forgotten when its last use is released, and its key is
/// then given to another. Keys are no part of the queue's logical state.
#[derive(Clone, Debug)]
pub struct Interner<T> {
    entries: Vec<Option<(T, u32)>>,
    vacant: Vec<u32>,
    by_value: HashTable<u32>,
    // Workers repeat themselves; looking here first saves the hash.
    latest: u32,
    // What the values themselves hold.
    heap_bytes: usize,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            vacant: Vec::new(),
            by_value: HashTable::new(),
            latest: 0,
            heap_bytes: 0,
        }
    }
}

impl<T: Shared> Interner<T> {
    /// Finds or keeps a value and counts one use of it. `probe` hashes like the value that
    /// `make` makes of it, and `same` compares the two.
    pub fn intern<Q: Hash>(
        &mut self,
        probe: Q,
        same: impl Fn(&T, &Q) -> bool,
        make: impl FnOnce(Q) -> T,
    ) -> Key {
        if let Some(Some((value, uses))) = self.entries.get_mut(self.latest as usize) {
            if same(value, &probe) {
                *uses += 1;
                return Key(self.latest);
            }
        }
        let entries = &self.entries;
        let held = |at: u32| entries[at as usize].as_ref();
        let hash = hash_of(&probe);
        let found = self
            .by_value
            .find(hash, |&at| held(at).is_some_and(|(value, _)| same(value, &probe)))
            .copied();
        let at = found.unwrap_or_else(|| {
            let at = self.vacant.pop().unwrap_or(self.entries.len() as u32);
            if at as usize == self.entries.len() {
                self.entries.push(None);
            }
            let value = make(probe);
            self.heap_bytes += value.heap_bytes();
            self.entries[at as usize] = Some((value, 0));
            let entries = &self.entries;
            self.by_value.insert_unique(hash, at, |&at| {
                entries[at as usize].as_ref().map_or(0, |(value, _)| hash_of(value))
            });
            at
        });
        self.latest = at;
        self.retain(Key(at));
        Key(at)
    }

    /// Counts one more use.
    pub fn retain(&mut self, key: Key) {
        if let Some((_, uses)) = self.entries[key.0 as usize].as_mut() {
            *uses += 1;
        }
    }

    /// Takes back one use.
    pub fn release(&mut self, key: Key) {
        let entry = &mut self.entries[key.0 as usize];
        let Some((value, uses)) = entry.as_mut() else { return };
        *uses -= 1;
        if *uses > 0 {
            return;
        }
        let hash = hash_of(value);
        self.heap_bytes -= value.heap_bytes();
        if let Ok(found) = self.by_value.find_entry(hash, |&at| at == key.0) {
            found.remove();
        }
        *entry = None;
        self.vacant.push(key.0);
        // A drained queue gives its memory back, but does not allocate again with each job.
        if self.by_value.is_empty() && self.bytes() > EMPTY_BYTES_MAX {
            *self = Self::default();
        }
    }

    /// The value of a key that is in use.
    #[must_use]
    pub fn get(&self, key: Key) -> &T {
        let (value, _) = self.entries[key.0 as usize].as_ref().expect("a key in use has a value");
        value
    }

    /// Each value with its uses, in no order that may matter.
    pub fn uses(&self) -> impl Iterator<Item = (Key, u32)> + '_ {
        let used = |(at, entry): (usize, &Option<(T, u32)>)| {
            entry.as_ref().map(|(_, uses)| (Key(at as u32), *uses))
        };
        self.entries.iter().enumerate().filter_map(used)
    }

    /// Heap bytes held, about. O(1).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Option<(T, u32)>>()
            + self.vacant.capacity() * size_of::<u32>()
            + self.by_value.allocation_size()
            + self.heap_bytes
    }
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = SipHasher13::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intern(names: &mut Interner<Box<[u8]>>, name: &str) -> Key {
        names.intern(name.as_bytes(), |a, b| **a == **b, Into::into)
    }

    #[test]
    fn equal_values_share_a_key_until_the_last_use_is_released() {
        let mut names = Interner::default();
        let a = intern(&mut names, "a");
        let b = intern(&mut names, "b");
        assert_ne!(a, b);
        assert_eq!(intern(&mut names, "a"), a);

        names.release(a);
        assert_eq!(&**names.get(a), b"a");
        names.release(a);
        assert_eq!(names.uses().collect::<Vec<_>>(), [(b, 1)]);
        assert_eq!(intern(&mut names, "c"), a, "a forgotten value's key is used again");
        assert_eq!(&**names.get(a), b"c");
    }

    #[test]
    fn an_emptied_table_gives_its_memory_back() {
        let mut names = Interner::default();
        let keys: Vec<_> = (0..1_000).map(|n| intern(&mut names, &n.to_string())).collect();
        assert!(names.bytes() > 1_000);
        assert_eq!(names.heap_bytes, 10 + 90 * 2 + 900 * 3);
        keys.into_iter().for_each(|key| names.release(key));
        assert_eq!(names.bytes(), 0);

        // But a few are worth keeping.
        for _ in 0..2 {
            let key = intern(&mut names, "a");
            names.release(key);
            assert!((1..=EMPTY_BYTES_MAX).contains(&names.bytes()));
        }
    }
}
