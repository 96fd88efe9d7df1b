//! Jobs in the order of the instants at which something must happen to them.
//!
//! A B+tree over entries packed into one integer each: due in 48 bits, publish order in 48, slot
//! in 32, so that the order of integers is the order of service. Leaves are sorted vectors that
//! grow and shrink by a few keys at a time, hence a short timeline is small and a long one costs
//! 16 to 24 bytes an entry. Every step touches one path and at most one neighbor of each node on
//! it: a million entries due in the same millisecond are a million equal steps.
//!
//! The order in which entries come out depends on the entries alone, but the shape of the tree
//! depends on its history: it must not reach a digest or a snapshot.

use std::{mem::replace, slice};

use crate::{slab::Slot, time::UnixMillis};

/// Keys in a leaf at most: a kilobyte, within which moving keys is cheaper than finding them.
const LEAF_MAX: usize = 64;
/// Children of an inner node at most.
const FANOUT: usize = 64;
/// Items by which a node's vector grows. Eight keys are 128 bytes, the distance between the
/// allocator's size classes there, so finer steps would save nothing.
const GROWTH: usize = 8;
/// Room for items that a node may keep unused. More than [`GROWTH`], or a leaf whose length goes
/// up and down would be reallocated each time.
const SLACK: usize = 3 * GROWTH;

/// An ordered set of (due, seq, slot). Invariants: all leaves are equally deep, none but the root
/// is empty, and `bytes` is what the vectors of all nodes have room for.
#[derive(Debug)]
pub struct Timeline {
    root: Node,
    // The least key, above all keys if there is none: it is asked for several times a command.
    first: u128,
    len: usize,
    bytes: usize,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { root: Node::Leaf(Vec::new()), first: NO_KEY, len: 0, bytes: 0 }
    }
}

impl Clone for Timeline {
    /// Copies the entries, but not the unused room beside them.
    fn clone(&self) -> Self {
        let root = self.root.clone();
        let bytes = root.bytes();
        Self { root, first: self.first, len: self.len, bytes }
    }
}

impl Timeline {
    /// Later than any entry is due.
    pub const NEVER_DUE: UnixMillis = UnixMillis(BITS_48);

    /// Inserts an entry that is not there yet. `due` and `seq` are below 2^48. O(log n).
    pub fn insert(&mut self, due: UnixMillis, seq: u64, slot: Slot) {
        let key = pack(due, seq, slot);
        let right = self.root.insert(key, &mut self.bytes);
        self.first = self.first.min(key);
        self.len += 1;
        if let Some(right) = right {
            let left = replace(&mut self.root, Node::Leaf(Vec::new()));
            self.root = Node::Inner(vec![Child { low: 0, node: left }, right]);
            self.bytes += self.root.own_bytes();
        }
    }

    /// Removes an entry known exactly; false if it is not there. O(log n).
    pub fn remove(&mut self, due: UnixMillis, seq: u64, slot: Slot) -> bool {
        let key = pack(due, seq, slot);
        let removed = self.root.remove(key, &mut self.bytes);
        if removed {
            self.len -= 1;
            self.lower_root();
            if key == self.first {
                self.first = self.root.first();
            }
        }
        removed
    }

    /// The earliest entry, of equals the first published. O(1).
    #[must_use]
    pub fn first(&self) -> Option<(UnixMillis, u64, Slot)> {
        (self.first != NO_KEY).then(|| unpack(self.first))
    }

    /// The instant of the earliest entry; [`NEVER_DUE`](Self::NEVER_DUE) if there is none. Not an
    /// option: the least of several is asked for several times a command. O(1).
    #[must_use]
    pub fn first_due(&self) -> UnixMillis {
        unpack(self.first).0
    }

    /// Walks in order through what follows (due, seq), or through everything. O(log n) to begin
    /// with, and constant for each entry.
    pub fn iter_after(
        &self,
        after: Option<(UnixMillis, u64)>,
    ) -> impl Iterator<Item = (UnixMillis, u64, Slot)> + '_ {
        let cut = after.map_or(0, |(due, seq)| pack(due, seq, Slot::NONE));
        Keys::<false>::from(&self.root, cut).map(unpack)
    }

    /// Walks backwards through what precedes (due, seq), or through everything. O(log n) to begin
    /// with, and constant for each entry.
    pub fn iter_before(
        &self,
        before: Option<(UnixMillis, u64)>,
    ) -> impl Iterator<Item = (UnixMillis, u64, Slot)> + '_ {
        let cut = before.map_or(u128::MAX, |(due, seq)| pack(due, seq, Slot(0)));
        Keys::<true>::from(&self.root, cut).map(unpack)
    }

    /// How many entries are due before each of these instants, which ascend, and not before the one
    /// before it; and how many after the last. Leaves between two of them are not looked into: O(n)
    /// with a step for each leaf, which has 16 to 64 entries.
    pub fn count_by<const N: usize, const M: usize>(&self, instants: [UnixMillis; N]) -> [u64; M] {
        let mut counts = [0; M];
        self.root.count_by((0, NO_KEY), &instants.map(|at| pack(at, 0, Slot(0))), &mut counts);
        counts
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes held on the heap.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes an only child the root, as often as need be.
    fn lower_root(&mut self) {
        while let Node::Inner(children) = &mut self.root {
            if children.len() > 1 {
                break;
            }
            let only = children.pop().map_or(Node::Leaf(Vec::new()), |child| child.node);
            self.bytes -= replace(&mut self.root, only).own_bytes();
        }
    }
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<u128>),
    Inner(Vec<Child>),
}

/// No key below `node` is less than `low`, which means nothing in a first child: that one takes
/// whatever is less than the second's.
#[derive(Clone, Debug)]
struct Child {
    low: u128,
    node: Node,
}

impl Node {
    /// Inserts below this node; returns its right part if it had to be split.
    fn insert(&mut self, key: u128, bytes: &mut usize) -> Option<Child> {
        match self {
            Node::Leaf(keys) => {
                let at = match keys.last() {
                    Some(last) if *last > key => count_before(keys, |other| *other < key),
                    _ => keys.len(),
                };
                debug_assert!(keys.get(at) != Some(&key), "{:?} is there already", unpack(key));
                let right = insert_or_split(keys, at, key, LEAF_MAX, bytes)?;
                Some(Child { low: right[0], node: Node::Leaf(right) })
            }
            Node::Inner(children) => {
                let at = child_for(children, key);
                let split_off = children[at].node.insert(key, bytes)?;
                let right = insert_or_split(children, at + 1, split_off, FANOUT, bytes)?;
                Some(Child { low: right[0].low, node: Node::Inner(right) })
            }
        }
    }

    /// Counts the keys, which are in these bounds, before each cut and after the one before it.
    fn count_by(&self, (low, end): (u128, u128), cuts: &[u128], counts: &mut [u64]) {
        let cuts_before = |key: u128| cuts.iter().filter(|cut| **cut <= key).count();
        let at = cuts_before(low);
        if at == cuts_before(end - 1) {
            counts[at] += self.count();
            return;
        }
        match self {
            Node::Leaf(keys) => keys.iter().for_each(|key| counts[cuts_before(*key)] += 1),
            Node::Inner(children) => {
                for (n, child) in children.iter().enumerate() {
                    let low = if n == 0 { low } else { child.low };
                    let end = children.get(n + 1).map_or(end, |next| next.low);
                    child.node.count_by((low, end), cuts, counts);
                }
            }
        }
    }

    /// How many keys there are. A step for each leaf.
    fn count(&self) -> u64 {
        match self {
            Node::Leaf(keys) => keys.len() as u64,
            Node::Inner(children) => children.iter().map(|child| child.node.count()).sum(),
        }
    }

    /// The least key.
    fn first(&self) -> u128 {
        let mut node = self;
        loop {
            match node {
                Node::Inner(children) => node = &children[0].node,
                Node::Leaf(keys) => return keys.first().copied().unwrap_or(NO_KEY),
            }
        }
    }

    fn remove(&mut self, key: u128, bytes: &mut usize) -> bool {
        match self {
            Node::Leaf(keys) => {
                // What falls due, and most of what is acked, comes first.
                let at = match keys.first() {
                    Some(first) if *first == key => 0,
                    _ => count_before(keys, |other| *other < key),
                };
                if keys.get(at) != Some(&key) {
                    return false;
                }
                take(keys, at, bytes);
                true
            }
            Node::Inner(children) => {
                let at = child_for(children, key);
                let removed = children[at].node.remove(key, bytes);
                if removed {
                    tidy(children, at, bytes);
                }
                removed
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Node::Leaf(keys) => keys.len(),
            Node::Inner(children) => children.len(),
        }
    }

    fn len_max(&self) -> usize {
        match self {
            Node::Leaf(_) => LEAF_MAX,
            Node::Inner(_) => FANOUT,
        }
    }

    /// Bytes of the node's vector, without what lies below.
    fn own_bytes(&self) -> usize {
        match self {
            Node::Leaf(keys) => bytes_of(keys),
            Node::Inner(children) => bytes_of(children),
        }
    }

    /// Bytes of the node and of all below it, counted. O(n).
    fn bytes(&self) -> usize {
        let below = match self {
            Node::Leaf(_) => 0,
            Node::Inner(children) => children.iter().map(|child| child.node.bytes()).sum(),
        };
        self.own_bytes() + below
    }
}

fn child_for(children: &[Child], key: u128) -> usize {
    let later = &children[1..];
    // Most keys belong at one of the edges: what is newest, and what is due.
    match later {
        [.., last] if last.low <= key => later.len(),
        [second, ..] if key < second.low => 0,
        _ => count_before(later, |child| child.low <= key),
    }
}

/// As `partition_point`, but without branches that are guessed wrong every other time.
fn count_before<T>(sorted: &[T], before: impl Fn(&T) -> bool) -> usize {
    let (mut from, mut len) = (0, sorted.len());
    while len > 1 {
        let half = len / 2;
        from += half * usize::from(before(&sorted[from + half - 1]));
        len -= half;
    }
    from + usize::from(len == 1 && before(&sorted[from]))
}

/// Inserts into a node's vector; returns the right part if that was full.
fn insert_or_split<T>(
    items: &mut Vec<T>,
    at: usize,
    item: T,
    len_max: usize,
    bytes: &mut usize,
) -> Option<Vec<T>> {
    if items.len() < len_max {
        reserve(items, 1, bytes);
        items.insert(at, item);
        return None;
    }
    // Due times that only grow append for ever: what they leave behind stays full, not half full.
    let appended = at == len_max;
    let mut right = items.split_off(if appended { len_max } else { len_max / 2 });
    *bytes += bytes_of(&right);
    if appended || at > items.len() {
        reserve(&mut right, 1, bytes);
        right.insert(at - items.len(), item);
    } else {
        items.insert(at, item);
    }
    shrink(items, bytes);
    Some(right)
}

fn take<T>(items: &mut Vec<T>, at: usize, bytes: &mut usize) -> T {
    let item = items.remove(at);
    shrink(items, bytes);
    item
}

fn reserve<T>(items: &mut Vec<T>, more: usize, bytes: &mut usize) {
    let needed = items.len() + more;
    if needed > items.capacity() {
        *bytes -= bytes_of(items);
        items.reserve_exact(needed.next_multiple_of(GROWTH) - items.len());
        *bytes += bytes_of(items);
    }
}

fn shrink<T>(items: &mut Vec<T>, bytes: &mut usize) {
    if items.capacity() - items.len() > SLACK {
        *bytes -= bytes_of(items);
        items.shrink_to((items.len() + 1).next_multiple_of(GROWTH));
        *bytes += bytes_of(items);
    }
}

#[allow(clippy::ptr_arg, reason = "a slice does not know what room it has")]
fn bytes_of<T>(items: &Vec<T>) -> usize {
    items.capacity() * size_of::<T>()
}

/// Drops a child that has become empty; joins one that has become small with a neighbor, if the
/// two leave room for keys to come. A small child beside a large one stays: the pair is not sparse.
fn tidy(children: &mut Vec<Child>, at: usize, bytes: &mut usize) {
    let node = &children[at].node;
    let (len, len_max) = (node.len(), node.len_max());
    if len == 0 {
        *bytes -= take(children, at, bytes).node.own_bytes();
        return;
    }
    if len > len_max / 4 {
        return;
    }
    let fits_with = |neighbor: usize| {
        children.get(neighbor).is_some_and(|other| len + other.node.len() <= len_max / 4 * 3)
    };
    if fits_with(at + 1) {
        join(children, at, bytes);
    } else if at > 0 && fits_with(at - 1) {
        join(children, at - 1, bytes);
    }
}

/// Moves everything below the right neighbor of `left` into `left`.
fn join(children: &mut Vec<Child>, left: usize, bytes: &mut usize) {
    let right = take(children, left + 1, bytes);
    *bytes -= right.node.own_bytes();
    match (&mut children[left].node, right.node) {
        (Node::Leaf(keys), Node::Leaf(mut more)) => {
            reserve(keys, more.len(), bytes);
            keys.append(&mut more);
        }
        (Node::Inner(below), Node::Inner(mut more)) => {
            // As a first child it had no bound of its own.
            more[0].low = right.low;
            reserve(below, more.len(), bytes);
            below.append(&mut more);
        }
        _ => unreachable!("all leaves are equally deep"),
    }
}

/// Walks the leaves in order, or backwards; `path` holds what is still to be visited, deepest last.
struct Keys<'a, const BACK: bool> {
    path: Vec<slice::Iter<'a, Child>>,
    leaf: slice::Iter<'a, u128>,
}

impl<'a, const BACK: bool> Keys<'a, BACK> {
    /// Begins with the first key that is not less than `cut`; backwards, with the last that is.
    fn from(mut node: &'a Node, cut: u128) -> Self {
        let mut path = Vec::new();
        loop {
            match node {
                Node::Inner(children) => {
                    let at = child_for(children, cut);
                    let later = if BACK { &children[..at] } else { &children[at + 1..] };
                    path.push(later.iter());
                    node = &children[at].node;
                }
                Node::Leaf(keys) => {
                    let at = count_before(keys, |key| *key < cut);
                    let leaf = if BACK { &keys[..at] } else { &keys[at..] };
                    return Self { path, leaf: leaf.iter() };
                }
            }
        }
    }

    fn step<T>(items: &mut slice::Iter<'a, T>) -> Option<&'a T> {
        if BACK {
            items.next_back()
        } else {
            items.next()
        }
    }
}

impl<const BACK: bool> Iterator for Keys<'_, BACK> {
    type Item = u128;

    fn next(&mut self) -> Option<u128> {
        loop {
            if let Some(&key) = Self::step(&mut self.leaf) {
                return Some(key);
            }
            match Self::step(self.path.last_mut()?) {
                Some(Child { node: Node::Leaf(keys), .. }) => self.leaf = keys.iter(),
                Some(Child { node: Node::Inner(children), .. }) => self.path.push(children.iter()),
                None => drop(self.path.pop()),
            }
        }
    }
}

const BITS_48: u64 = (1 << 48) - 1;

/// No slot is the last there could be, so no key is this one.
const NO_KEY: u128 = u128::MAX;

fn pack(due: UnixMillis, seq: u64, slot: Slot) -> u128 {
    debug_assert!(due.0 <= BITS_48 && seq <= BITS_48, "{due:?} or {seq} does not fit in 48 bits");
    u128::from(due.0) << 80 | u128::from(seq) << 32 | u128::from(slot.0)
}

#[allow(clippy::cast_possible_truncation, reason = "each part is cut out of the whole")]
fn unpack(key: u128) -> (UnixMillis, u64, Slot) {
    (UnixMillis((key >> 80) as u64), (key >> 32) as u64 & BITS_48, Slot(key as u32))
}

#[cfg(test)]
mod tests;
