//! Which structure should hold the instants at which waiting jobs fall due?
//!
//! Every candidate keeps the same entries (due, seq, slot) and must hand them out in the same
//! order; [`verify`] holds them to it before anything is timed. The workloads then ask what the
//! engine asks: a lease taken and acked alone or beside many others, a delayed job replaced at
//! random, a page of a listing, and a storm in which everything falls due at once. Each lease and
//! each delayed job includes a look at what is due by now, as each of the engine's commands does.
//!
//! `cargo bench --bench time_index` measures everything at ten thousand resident entries.
//! `cargo bench --bench time_index -- CANDIDATE WORKLOAD RESIDENT PAIRS` measures one thing; either
//! name may be `all`. Instructions are counted from outside, as the difference of two runs that
//! differ only in PAIRS; the candidate `none` does nothing and so tells what the harness costs.
//!
//! Entries travel as one packed integer: due in 48 bits, seq in 48, slot in 32. Its order is the
//! order wanted, and a comparison costs two instructions.

// A benchmark has to read a clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
// See `Held`.
#![allow(unexpected_cfgs)]
// Keys are cut apart on purpose, and figures are rounded anyway.
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]

use std::collections::{BTreeSet, VecDeque};
use std::hint::black_box;
use std::mem;
use std::ops::Bound::{Excluded, Unbounded};
use std::slice;
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&str> =
        args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    if names.is_empty() {
        verify();
        // `cargo test --all-targets` runs benches too, without this flag: the order is worth
        // checking there, the timing is not.
        if !args.iter().any(|arg| arg == "--bench") {
            return;
        }
    }
    let name = |at: usize| names.get(at).copied().unwrap_or("all");
    let number = |at: usize, default: usize| {
        names.get(at).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let plan = Plan {
        workload: name(1),
        resident: number(2, 10_000),
        pairs: number(3, 1_000_000),
        // One round when counting instructions, so that the figure is of the pairs asked for.
        rounds: if names.len() > 3 { 1 } else { 5 },
    };
    println!("| candidate | workload | entries | ns | longest step, µs | bytes an entry | as jemalloc rounds |");
    println!("|---|---|--:|--:|--:|--:|--:|");
    for candidate in CANDIDATES {
        if name(0) == "all" || name(0) == candidate.name {
            (candidate.measure)(candidate.name, &plan);
        }
    }
}

struct Candidate {
    name: &'static str,
    measure: fn(&str, &Plan),
    script: fn(u64) -> Vec<u128>,
}

const CANDIDATES: &[Candidate] = &[
    candidate::<Nothing>("none"),
    candidate::<TupleSet>("set-tuple"),
    candidate::<PackedSet>("set-u128"),
    candidate::<Heap>("heap4"),
    candidate::<Wheel>("wheel"),
    candidate::<Tree<32>>("tree32"),
    candidate::<Tree<64>>("tree64"),
];

const fn candidate<T: TimeIndex>(name: &'static str) -> Candidate {
    Candidate { name, measure: measure::<T>, script: script::<T> }
}

/// What the engine needs of an index over time. No two entries share a slot.
trait TimeIndex: Default {
    fn insert(&mut self, key: u128);
    /// Removes an entry known exactly; false if it is not there.
    fn remove(&mut self, key: u128) -> bool;
    fn first(&self) -> Option<u128>;
    /// Takes the first entry if it is due.
    fn pop_due(&mut self, now: u64) -> Option<u128>;
    /// Appends to `page` the `count` entries that follow `key`, in order.
    fn page_after(&self, key: u128, count: usize, page: &mut Vec<u128>);
}

fn pack(due: u64, seq: u64, slot: u32) -> u128 {
    u128::from(due) << 80 | u128::from(seq) << 32 | u128::from(slot)
}

fn unpack(key: u128) -> (u64, u64, u32) {
    (due_of(key), (key >> 32) as u64 & 0xffff_ffff_ffff, slot_of(key) as u32)
}

fn due_of(key: u128) -> u64 {
    (key >> 80) as u64
}

fn slot_of(key: u128) -> usize {
    key as u32 as usize
}

// ---- 0. nothing: the cost of the harness ----

#[derive(Default)]
struct Nothing;

impl TimeIndex for Nothing {
    fn insert(&mut self, key: u128) {
        black_box(key);
    }
    fn remove(&mut self, key: u128) -> bool {
        black_box(key);
        true
    }
    fn first(&self) -> Option<u128> {
        None
    }
    fn pop_due(&mut self, _: u64) -> Option<u128> {
        None
    }
    fn page_after(&self, _: u128, _: usize, _: &mut Vec<u128>) {}
}

// ---- 1. the standard library's B-tree ----

#[derive(Default)]
struct TupleSet(BTreeSet<(u64, u64, u32)>);

impl TimeIndex for TupleSet {
    fn insert(&mut self, key: u128) {
        self.0.insert(unpack(key));
    }
    fn remove(&mut self, key: u128) -> bool {
        self.0.remove(&unpack(key))
    }
    fn first(&self) -> Option<u128> {
        self.0.first().map(|&(due, seq, slot)| pack(due, seq, slot))
    }
    fn pop_due(&mut self, now: u64) -> Option<u128> {
        if self.0.first()?.0 > now {
            return None;
        }
        self.0.pop_first().map(|(due, seq, slot)| pack(due, seq, slot))
    }
    fn page_after(&self, key: u128, count: usize, page: &mut Vec<u128>) {
        let rest = self.0.range((Excluded(unpack(key)), Unbounded));
        page.extend(rest.take(count).map(|&(due, seq, slot)| pack(due, seq, slot)));
    }
}

#[derive(Default)]
struct PackedSet(BTreeSet<u128>);

impl TimeIndex for PackedSet {
    fn insert(&mut self, key: u128) {
        self.0.insert(key);
    }
    fn remove(&mut self, key: u128) -> bool {
        self.0.remove(&key)
    }
    fn first(&self) -> Option<u128> {
        self.0.first().copied()
    }
    fn pop_due(&mut self, now: u64) -> Option<u128> {
        if due_of(*self.0.first()?) > now {
            return None;
        }
        self.0.pop_first()
    }
    fn page_after(&self, key: u128, count: usize, page: &mut Vec<u128>) {
        page.extend(self.0.range((Excluded(key), Unbounded)).take(count));
    }
}

// ---- 2. a 4-ary heap that knows where each slot's entry is ----

/// Pops in a canonical order, but lies in memory as its history left it, and cannot list in order
/// without looking at every entry. Either array moves as a whole when it grows.
#[derive(Default)]
struct Heap {
    keys: Vec<u128>,
    at: Vec<u32>,
}

impl Heap {
    fn place(&mut self, at: usize, key: u128) {
        self.keys[at] = key;
        self.at[slot_of(key)] = at as u32;
    }

    fn sift_up(&mut self, mut at: usize, key: u128) {
        while at > 0 {
            let parent = (at - 1) / 4;
            if self.keys[parent] < key {
                break;
            }
            self.place(at, self.keys[parent]);
            at = parent;
        }
        self.place(at, key);
    }

    fn sift_down(&mut self, mut at: usize, key: u128) {
        loop {
            let children = at * 4 + 1..(at * 4 + 5).min(self.keys.len());
            let Some(least) = children.min_by_key(|&child| self.keys[child]) else { break };
            if key < self.keys[least] {
                break;
            }
            self.place(at, self.keys[least]);
            at = least;
        }
        self.place(at, key);
    }

    fn remove_at(&mut self, at: usize) {
        let last = self.keys.pop().expect("the caller found an entry");
        if at == self.keys.len() {
            return;
        }
        if at > 0 && last < self.keys[(at - 1) / 4] {
            self.sift_up(at, last);
        } else {
            self.sift_down(at, last);
        }
    }
}

impl TimeIndex for Heap {
    fn insert(&mut self, key: u128) {
        if self.at.len() <= slot_of(key) {
            self.at.resize(slot_of(key) + 1, 0);
        }
        self.keys.push(key);
        self.sift_up(self.keys.len() - 1, key);
    }
    fn remove(&mut self, key: u128) -> bool {
        let at = self.at.get(slot_of(key)).map_or(0, |&at| at as usize);
        if self.keys.get(at) != Some(&key) {
            return false;
        }
        self.remove_at(at);
        true
    }
    fn first(&self) -> Option<u128> {
        self.keys.first().copied()
    }
    fn pop_due(&mut self, now: u64) -> Option<u128> {
        let first = self.first().filter(|&key| due_of(key) <= now)?;
        self.remove_at(0);
        Some(first)
    }
    fn page_after(&self, key: u128, count: usize, page: &mut Vec<u128>) {
        page_by_scan(self.keys.iter().copied(), key, count, page);
    }
}

/// All that an unordered structure can do to list a page: look at everything it holds.
fn page_by_scan(keys: impl Iterator<Item = u128>, after: u128, count: usize, page: &mut Vec<u128>) {
    let mut rest: Vec<u128> = keys.filter(|&key| key > after).collect();
    if count < rest.len() {
        rest.select_nth_unstable(count);
        rest.truncate(count);
    }
    rest.sort_unstable();
    page.append(&mut rest);
}

// ---- 3. a hierarchical timing wheel ----

const LEVELS: usize = 8;
const NONE: u32 = u32::MAX;

/// The key as two halves, since a whole one would be padded to 32 bytes by its alignment.
#[derive(Clone, Copy)]
struct Link {
    high: u64,
    low: u64,
    prev: u32,
    next: u32,
}

impl Link {
    const FREE: Self = Self { high: 0, low: 0, prev: NONE, next: NONE };

    fn key(&self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }
}

/// Eight levels of 64 lists, threaded through an array by slot; an entry lies on the level of the
/// highest base-64 digit in which its due time differs from `elapsed`.
///
/// Work in one step has no bound, in two places. Entries that share a millisecond share a list
/// and must be sorted by seq when it is drained: a million jobs due at once are one step. Long
/// before that, a list of a higher level is handed down as a whole: jobs delayed by up to an hour
/// lie in fourteen lists of four minutes each. Cutting either into slices means remembering half
/// done work, which every other operation would then have to know of. Nor is there a bound to
/// `first`, which must look through the list that is next.
struct Wheel {
    links: Vec<Link>,
    heads: Vec<[u32; 64]>,
    occupied: [u64; LEVELS],
    elapsed: u64,
    /// Entries no later than `elapsed`, in order.
    due: VecDeque<u128>,
}

impl Default for Wheel {
    fn default() -> Self {
        let heads = vec![[NONE; 64]; LEVELS];
        Self { links: Vec::new(), heads, occupied: [0; LEVELS], elapsed: 0, due: VecDeque::new() }
    }
}

impl Wheel {
    fn place_of(&self, due: u64) -> (usize, usize) {
        let highest_bit = 63 - (self.elapsed ^ due | 1).leading_zeros() as usize;
        let level = highest_bit / 6;
        (level, (due >> (6 * level)) as usize % 64)
    }

    fn link(&mut self, key: u128) {
        let (level, place) = self.place_of(due_of(key));
        let slot = slot_of(key);
        let next = mem::replace(&mut self.heads[level][place], slot as u32);
        self.links[slot] = Link { high: (key >> 64) as u64, low: key as u64, prev: NONE, next };
        if next != NONE {
            self.links[next as usize].prev = slot as u32;
        }
        self.occupied[level] |= 1 << place;
    }

    fn unlink(&mut self, key: u128) {
        let Link { prev, next, .. } = mem::replace(&mut self.links[slot_of(key)], Link::FREE);
        if next != NONE {
            self.links[next as usize].prev = prev;
        }
        if prev != NONE {
            self.links[prev as usize].next = next;
            return;
        }
        let (level, place) = self.place_of(due_of(key));
        self.heads[level][place] = next;
        if next == NONE {
            self.occupied[level] &= !(1 << place);
        }
    }

    /// Where the earliest entries past `elapsed` lie, and when their list begins.
    fn next_list(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|&bits| bits != 0)?;
        let place = self.occupied[level].trailing_zeros() as usize;
        let above = self.elapsed >> (6 * level + 6) << 6;
        Some((level, place, (above | place as u64) << (6 * level)))
    }

    fn list(&self, level: usize, place: usize) -> impl Iterator<Item = u128> + '_ {
        let mut at = self.heads[level][place];
        std::iter::from_fn(move || {
            let link = self.links.get(at as usize)?;
            at = link.next;
            Some(link.key())
        })
    }

    /// Turns to the next list if it begins by `now`, until something is due.
    fn advance(&mut self, now: u64) {
        while self.due.is_empty() {
            let next = self.next_list().filter(|&(_, _, begins)| begins <= now);
            let Some((level, place, begins)) = next else {
                self.elapsed = self.elapsed.max(now);
                return;
            };
            self.elapsed = begins;
            let mut at = mem::replace(&mut self.heads[level][place], NONE);
            self.occupied[level] &= !(1 << place);
            while at != NONE {
                let link = self.links[at as usize];
                let key = link.key();
                if due_of(key) == begins {
                    self.due.push_back(key);
                } else {
                    self.link(key);
                }
                at = link.next;
            }
            self.due.make_contiguous().sort_unstable();
        }
    }
}

impl TimeIndex for Wheel {
    fn insert(&mut self, key: u128) {
        if due_of(key) <= self.elapsed {
            let at = self.due.partition_point(|&other| other < key);
            self.due.insert(at, key);
            return;
        }
        if self.links.len() <= slot_of(key) {
            self.links.resize(slot_of(key) + 1, Link::FREE);
        }
        self.link(key);
    }
    fn remove(&mut self, key: u128) -> bool {
        if due_of(key) <= self.elapsed {
            let found = self.due.binary_search(&key);
            return found.map(|at| self.due.remove(at)).is_ok();
        }
        let found = self.links.get(slot_of(key)).is_some_and(|link| link.key() == key);
        if found {
            self.unlink(key);
        }
        found
    }
    fn first(&self) -> Option<u128> {
        let in_wheel = || {
            let (level, place, _) = self.next_list()?;
            self.list(level, place).min()
        };
        self.due.front().copied().or_else(in_wheel)
    }
    fn pop_due(&mut self, now: u64) -> Option<u128> {
        self.advance(now);
        if due_of(*self.due.front()?) > now {
            return None;
        }
        self.due.pop_front()
    }
    fn page_after(&self, key: u128, count: usize, page: &mut Vec<u128>) {
        let lists = (0..LEVELS * 64).flat_map(|at| self.list(at / 64, at % 64));
        page_by_scan(self.due.iter().copied().chain(lists), key, count, page);
    }
}

// ---- 4. a B+tree of our own ----

/// Children of an inner node at most.
const FANOUT: usize = 64;
/// Keys by which a leaf grows. Eight are 128 bytes, the step between allocation sizes here.
const GROWTH: usize = 8;
/// Room for keys that a leaf keeps at most.
const SLACK: usize = 3 * GROWTH;

/// A B+tree whose leaves are sorted vectors of up to `LEAF` keys.
struct Tree<const LEAF: usize> {
    root: Node,
}

enum Node {
    Leaf(Vec<u128>),
    Inner(Vec<Child>),
}

/// No key below `node` is less than `low`, which means nothing in a first child: that one takes
/// all that is less than the second's.
struct Child {
    low: u128,
    node: Node,
}

impl<const LEAF: usize> Default for Tree<LEAF> {
    fn default() -> Self {
        Self { root: Node::Leaf(Vec::new()) }
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

/// As `partition_point`, whose branches are guessed wrong every other time.
fn count_before<T>(sorted: &[T], before: impl Fn(&T) -> bool) -> usize {
    let (mut from, mut len) = (0, sorted.len());
    while len > 1 {
        let half = len / 2;
        from += half * usize::from(before(&sorted[from + half - 1]));
        len -= half;
    }
    from + usize::from(len == 1 && before(&sorted[from]))
}

impl Node {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(keys) => keys.len(),
            Node::Inner(children) => children.len(),
        }
    }

    /// Inserts below this node; returns the right part if the node had to be split.
    fn insert<const LEAF: usize>(&mut self, key: u128) -> Option<Child> {
        match self {
            Node::Leaf(keys) => insert_in_leaf::<LEAF>(keys, key),
            Node::Inner(children) => {
                let at = child_for(children, key);
                let right = children[at].node.insert::<LEAF>(key)?;
                insert_child(children, at + 1, right)
            }
        }
    }

    fn remove<const LEAF: usize>(&mut self, key: u128) -> bool {
        match self {
            Node::Leaf(keys) => remove_from_leaf(keys, key),
            Node::Inner(children) => {
                let at = child_for(children, key);
                let removed = children[at].node.remove::<LEAF>(key);
                if removed {
                    tidy_child::<LEAF>(children, at);
                }
                removed
            }
        }
    }
}

fn insert_in_leaf<const LEAF: usize>(keys: &mut Vec<u128>, key: u128) -> Option<Child> {
    let at = match keys.last() {
        Some(last) if *last > key => count_before(keys, |other| *other < key),
        _ => keys.len(),
    };
    if keys.len() < LEAF {
        reserve(keys, 1);
        keys.insert(at, key);
        return None;
    }
    // Due times that only grow append for ever: a leaf left behind full is never half empty.
    let mut right = keys.split_off(if at == LEAF { LEAF } else { LEAF / 2 });
    if at <= keys.len() && at < LEAF {
        keys.insert(at, key);
    } else {
        reserve(&mut right, 1);
        right.insert(at - keys.len(), key);
    }
    shrink(keys);
    Some(Child { low: right[0], node: Node::Leaf(right) })
}

fn reserve(keys: &mut Vec<u128>, more: usize) {
    let needed = keys.len() + more;
    if needed > keys.capacity() {
        keys.reserve_exact(needed.next_multiple_of(GROWTH) - keys.len());
    }
}

fn shrink(keys: &mut Vec<u128>) {
    if keys.capacity() - keys.len() > SLACK {
        keys.shrink_to((keys.len() + 1).next_multiple_of(GROWTH));
    }
}

fn remove_from_leaf(keys: &mut Vec<u128>, key: u128) -> bool {
    // What is popped, and most of what is acked, comes first.
    let at = match keys.first() {
        Some(first) if *first == key => 0,
        _ => count_before(keys, |other| *other < key),
    };
    if keys.get(at) != Some(&key) {
        return false;
    }
    keys.remove(at);
    shrink(keys);
    true
}

fn insert_child(children: &mut Vec<Child>, at: usize, child: Child) -> Option<Child> {
    if children.len() < FANOUT {
        children.insert(at, child);
        return None;
    }
    let mut right = children.split_off(if at == FANOUT { FANOUT } else { FANOUT / 2 });
    if at <= children.len() && at < FANOUT {
        children.insert(at, child);
    } else {
        right.insert(at - children.len(), child);
    }
    Some(Child { low: right[0].low, node: Node::Inner(right) })
}

/// Drops the child if it is empty; joins it with a neighbor if they have become small.
fn tidy_child<const LEAF: usize>(children: &mut Vec<Child>, at: usize) {
    let len = children[at].node.len();
    if len == 0 {
        children.remove(at);
        return;
    }
    let most = if matches!(children[at].node, Node::Leaf(_)) { LEAF } else { FANOUT };
    if len > most / 4 {
        return;
    }
    let fits = |left: usize| {
        let pair = children.get(left..left + 2);
        pair.is_some_and(|pair| pair[0].node.len() + pair[1].node.len() <= most / 4 * 3)
    };
    if fits(at) {
        join(children, at);
    } else if at > 0 && fits(at - 1) {
        join(children, at - 1);
    }
}

fn join(children: &mut Vec<Child>, left: usize) {
    let right = children.remove(left + 1);
    match (&mut children[left].node, right.node) {
        (Node::Leaf(keys), Node::Leaf(mut more)) => {
            reserve(keys, more.len());
            keys.append(&mut more);
        }
        (Node::Inner(below), Node::Inner(mut more)) => {
            // As a first child it had no bound of its own.
            more[0].low = right.low;
            below.append(&mut more);
        }
        _ => unreachable!("all leaves are equally deep"),
    }
}

impl<const LEAF: usize> TimeIndex for Tree<LEAF> {
    fn insert(&mut self, key: u128) {
        if let Some(right) = self.root.insert::<LEAF>(key) {
            let left = mem::replace(&mut self.root, Node::Inner(Vec::new()));
            self.root = Node::Inner(vec![Child { low: 0, node: left }, right]);
        }
    }
    fn remove(&mut self, key: u128) -> bool {
        let removed = self.root.remove::<LEAF>(key);
        if removed {
            while let Node::Inner(children) = &mut self.root {
                if children.len() > 1 {
                    break;
                }
                self.root = children.pop().map_or(Node::Leaf(Vec::new()), |only| only.node);
            }
        }
        removed
    }
    fn first(&self) -> Option<u128> {
        let mut node = &self.root;
        while let Node::Inner(children) = node {
            node = &children[0].node;
        }
        let Node::Leaf(keys) = node else { return None };
        keys.first().copied()
    }
    fn pop_due(&mut self, now: u64) -> Option<u128> {
        let first = self.first().filter(|&key| due_of(key) <= now)?;
        assert!(self.remove(first), "the first entry can be found");
        Some(first)
    }
    fn page_after(&self, key: u128, count: usize, page: &mut Vec<u128>) {
        page.extend(Entries::after(&self.root, key).take(count));
    }
}

/// Walks the leaves in order; `path` holds what is still to be visited, deepest last.
struct Entries<'a> {
    path: Vec<slice::Iter<'a, Child>>,
    leaf: slice::Iter<'a, u128>,
}

impl<'a> Entries<'a> {
    fn after(mut node: &'a Node, key: u128) -> Self {
        let mut path = Vec::new();
        loop {
            match node {
                Node::Inner(children) => {
                    let at = child_for(children, key);
                    path.push(children[at + 1..].iter());
                    node = &children[at].node;
                }
                Node::Leaf(keys) => {
                    let at = keys.partition_point(|other| *other <= key);
                    return Self { path, leaf: keys[at..].iter() };
                }
            }
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = u128;

    fn next(&mut self) -> Option<u128> {
        loop {
            if let Some(&key) = self.leaf.next() {
                return Some(key);
            }
            match self.path.last_mut()?.next() {
                Some(Child { node: Node::Leaf(keys), .. }) => self.leaf = keys.iter(),
                Some(Child { node: Node::Inner(children), .. }) => self.path.push(children.iter()),
                None => drop(self.path.pop()),
            }
        }
    }
}

// ---- workloads ----

/// Any instant would do; this one has as many digits as a real one.
const START: u64 = 1_760_000_000_000;
const HOUR: u64 = 3_600_000;
const TTR: u64 = 30_000;
const IN_FLIGHT: usize = 64;

struct Plan<'a> {
    workload: &'a str,
    resident: usize,
    pairs: usize,
    rounds: usize,
}

/// What is in the index before the pairs are timed, and where they land in it.
#[derive(Clone, Copy, PartialEq)]
enum Resident {
    /// Leases granted earlier: each new one is the last to fall due.
    Earlier,
    /// Delayed jobs over the coming hour: each new lease falls due among them.
    Around,
}

fn measure<T: TimeIndex>(name: &str, plan: &Plan) {
    let wanted = |workload| plan.workload == "all" || plan.workload == workload;
    let alone = Plan { resident: 0, ..*plan };
    if wanted("lease-alone") {
        lease::<T>(name, "lease-alone", &alone, Resident::Earlier, false);
    }
    if wanted("lease-alone-fifo") {
        lease::<T>(name, "lease-alone-fifo", &alone, Resident::Earlier, true);
    }
    if wanted("lease-edge") {
        lease::<T>(name, "lease-edge", plan, Resident::Earlier, false);
    }
    if wanted("lease-amid") {
        lease::<T>(name, "lease-amid", plan, Resident::Around, false);
    }
    if wanted("delayed") {
        delayed::<T>(name, plan);
    }
    if wanted("storm") {
        storm::<T>(name, "storm", plan, Resident::Around);
    }
    if wanted("storm-tied") {
        storm::<T>(name, "storm-tied", plan, Resident::Earlier);
    }
}

/// (a) A lease begins and an earlier one is acked, 64 being in flight: in order, or at random.
fn lease<T: TimeIndex>(name: &str, workload: &str, plan: &Plan, resident: Resident, fifo: bool) {
    let mut seq = plan.resident as u64;
    let slot_of_flight = |flight: usize| (plan.resident + flight) as u32;
    let mut flights: Vec<u128> = (0..IN_FLIGHT)
        .map(|flight| pack(START + TTR, seq + flight as u64, slot_of_flight(flight)))
        .collect();
    seq += IN_FLIGHT as u64;
    let before = Held::now();
    let mut index = T::default();
    index.pop_due(START);
    for key in residents(plan.resident, resident) {
        index.insert(key);
    }
    flights.iter().for_each(|&key| index.insert(key));
    let held = before.until_now();
    let mut random = Random(7);
    let rounds = (0..plan.rounds).map(|_| {
        let begun = Instant::now();
        for pair in 0..plan.pairs {
            let flight = if fifo { pair } else { random.next() as usize } % IN_FLIGHT;
            // A million pairs a second; the engine asks what is due before each command.
            let now = START + seq / 1000 % (TTR / 3);
            black_box(index.pop_due(now));
            let key = pack(now + TTR, seq, slot_of_flight(flight));
            assert!(index.remove(mem::replace(&mut flights[flight], key)));
            index.insert(key);
            seq += 1;
        }
        begun.elapsed().as_nanos() as f64 / plan.pairs as f64
    });
    let ns = median(rounds.collect());
    report(name, workload, plan.resident + IN_FLIGHT, Some(ns), None, held);
}

/// (b) A job delayed at random within the hour goes, another comes.
fn delayed<T: TimeIndex>(name: &str, plan: &Plan) {
    let mut keys = residents(plan.resident, Resident::Around);
    let before = Held::now();
    let mut index = T::default();
    index.pop_due(START);
    keys.iter().for_each(|&key| index.insert(key));
    let mut random = Random(11);
    let mut seq = plan.resident as u64;
    let rounds = (0..plan.rounds).map(|_| {
        let begun = Instant::now();
        for _ in 0..plan.pairs {
            let slot = random.below(plan.resident as u64) as usize;
            let key = pack(START + TTR / 3 + random.below(HOUR), seq, slot as u32);
            black_box(index.pop_due(START));
            assert!(index.remove(mem::replace(&mut keys[slot], key)));
            index.insert(key);
            seq += 1;
        }
        begun.elapsed().as_nanos() as f64 / plan.pairs as f64
    });
    let ns = median(rounds.collect());
    report(name, "delayed", plan.resident, Some(ns), None, before.until_now());

    // A page of a listing, from somewhere in the middle.
    let pages = if plan.resident > 100_000 { 5 } else { 1_000 };
    let rounds = (0..plan.rounds).map(|_| {
        let mut page = Vec::new();
        let begun = Instant::now();
        for _ in 0..pages {
            page.clear();
            index.page_after(pack(START + random.below(HOUR), 0, 0), 100, &mut page);
            black_box(&page);
        }
        begun.elapsed().as_nanos() as f64 / pages as f64
    });
    let ns = median(rounds.collect());
    report(name, "page of 100", plan.resident, Some(ns), None, before.until_now());

    // What remains once all but every 64th are gone, in no order.
    let mut left = plan.resident;
    for (slot, &key) in keys.iter().enumerate() {
        if slot % 64 != 0 {
            assert!(index.remove(key));
            left -= 1;
        }
    }
    report(name, "thinned to 1/64", left, None, None, before.until_now());
}

/// (c) Everything is due: all of it is popped, in order.
fn storm<T: TimeIndex>(name: &str, workload: &str, plan: &Plan, resident: Resident) {
    let mut keys = residents(plan.resident, resident);
    if resident == Resident::Earlier {
        keys = (0..plan.resident).map(|at| pack(START + TTR, at as u64, at as u32)).collect();
    }
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    let now = START + 2 * HOUR;
    let mut longest = f64::INFINITY;
    let mut held = Held::default();
    let mut round = |timed_singly: bool| {
        let before = Held::now();
        let mut index = T::default();
        index.pop_due(START);
        keys.iter().for_each(|&key| index.insert(key));
        held = before.until_now();
        if timed_singly {
            let mut worst = 0;
            for _ in 0..keys.len() {
                let begun = Instant::now();
                black_box(index.pop_due(now));
                worst = worst.max(begun.elapsed().as_nanos());
            }
            // Of several rounds the quietest: the others were interrupted by something else.
            longest = longest.min(worst as f64);
            return 0.0;
        }
        let begun = Instant::now();
        for &expected in &sorted {
            let popped = index.pop_due(now);
            assert!(popped.is_none_or(|key| key == expected), "{name} pops out of order");
        }
        let ns = begun.elapsed().as_nanos() as f64 / keys.len() as f64;
        assert!(index.pop_due(u64::MAX).is_none(), "{name} holds more than was put in");
        ns
    };
    let ns = median((0..plan.rounds).map(|_| round(false)).collect());
    for _ in 0..plan.rounds.min(3) {
        round(true);
    }
    report(name, workload, plan.resident, Some(ns), Some(longest / 1000.0), held);
}

/// The entries of slots 0, 1, 2 and so on, published in that order.
fn residents(count: usize, resident: Resident) -> Vec<u128> {
    let mut random = Random(3);
    let due = |at: u64| match resident {
        // Nothing is due before the pairs end, at the latest after a third of the TTR.
        Resident::Earlier => START + TTR / 3 + at * (TTR / 2) / count as u64,
        Resident::Around => START + TTR / 3 + random.below(HOUR),
    };
    let mut due = due;
    (0..count as u64).map(|at| pack(due(at), at, at as u32)).collect()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn report(
    name: &str,
    workload: &str,
    entries: usize,
    ns: Option<f64>,
    longest_us: Option<f64>,
    held: Held,
) {
    let figure =
        |figure: Option<f64>| figure.map_or(String::new(), |figure| format!("{figure:.1}"));
    let each = |bytes: usize| figure(cfg!(count_bytes).then_some(bytes as f64 / entries as f64));
    let (asked, given) = (each(held.asked), each(held.given));
    let (ns, longest_us) = (figure(ns), figure(longest_us));
    println!("| {name} | {workload} | {entries} | {ns} | {longest_us} | {asked} | {given} |");
}

/// SplitMix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

// ---- agreement ----

/// Runs the same script over every candidate and compares all they answered.
fn verify() {
    for seed in 0..8 {
        let expected = script::<PackedSet>(seed);
        for candidate in CANDIDATES.iter().filter(|candidate| candidate.name != "none") {
            assert!((candidate.script)(seed) == expected, "{} differs", candidate.name);
        }
    }
}

/// Inserts, removals, pops and pages at random, with many ties; returns every answer.
fn script<T: TimeIndex>(seed: u64) -> Vec<u128> {
    let mut random = Random(seed);
    let mut index = T::default();
    let mut live: Vec<Option<u128>> = vec![None; 20_000];
    let mut answers = Vec::new();
    let mut now = START;
    // From a few milliseconds with hundreds of ties each to the better part of an hour.
    let span = 4 << (2 * seed).min(18);
    for step in 0..200_000u64 {
        // Three seasons: growth, balance, decline.
        let inserts = [70, 45, 20][step as usize / 20_000 % 3];
        let slot = random.below(live.len() as u64) as usize;
        match (random.below(100), live[slot]) {
            (dice, None) if dice < inserts => {
                let key = pack(now - 2 + random.below(span), step, slot as u32);
                live[slot] = Some(key);
                index.insert(key);
            }
            (99, _) => {
                now += random.below(span / 64 + 2);
                while let Some(key) = index.pop_due(now) {
                    live[slot_of(key)] = None;
                    answers.push(key);
                }
                answers.extend(index.first());
            }
            (98, _) if step % 16 == 0 => {
                let from = pack(now + random.below(span), random.below(step + 1), 0);
                index.page_after(from, 20, &mut answers);
            }
            (dice, Some(key)) if dice >= inserts => {
                live[slot] = None;
                answers.push(u128::from(index.remove(key)));
                answers.push(u128::from(index.remove(key)));
            }
            _ => {}
        }
    }
    while let Some(key) = index.pop_due(u64::MAX >> 16) {
        answers.push(key);
    }
    answers
}

// ---- memory ----

/// Bytes held: as asked for, and as the classes of jemalloc, the server's allocator, round them.
///
/// They are counted only if built with `RUSTFLAGS="--cfg count_bytes"`: a global allocator cannot
/// be written without `unsafe`, which this package may forbid, and no timing depends on it.
#[derive(Clone, Copy, Default)]
struct Held {
    asked: usize,
    given: usize,
}

impl Held {
    fn now() -> Self {
        #[cfg(count_bytes)]
        return counting::held();
        #[cfg(not(count_bytes))]
        Self::default()
    }

    /// What is held more than at `self`.
    fn until_now(self) -> Self {
        let now = Self::now();
        Self { asked: now.asked - self.asked, given: now.given - self.given }
    }
}

#[cfg(count_bytes)]
#[allow(unsafe_code)]
mod counting {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::Held;

    static ASKED: AtomicUsize = AtomicUsize::new(0);
    static GIVEN: AtomicUsize = AtomicUsize::new(0);

    pub fn held() -> Held {
        Held { asked: ASKED.load(Relaxed), given: GIVEN.load(Relaxed) }
    }

    /// Loads and stores instead of additions: there is one thread, and a locked instruction would
    /// weigh on the candidates that allocate.
    fn count(more: usize, less: usize) {
        ASKED.store(ASKED.load(Relaxed) + more - less, Relaxed);
        GIVEN.store(GIVEN.load(Relaxed) + jemalloc_class(more) - jemalloc_class(less), Relaxed);
    }

    /// Steps of 16 bytes up to 128, from there on four to each doubling.
    fn jemalloc_class(bytes: usize) -> usize {
        let step = if bytes <= 128 { 16 } else { (bytes - 1).next_power_of_two() / 8 };
        bytes.next_multiple_of(step)
    }

    struct Counting;

    #[global_allocator]
    static COUNTING: Counting = Counting;

    // SAFETY: every call goes to the system's allocator unchanged.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            count(layout.size(), 0);
            // SAFETY: the caller keeps to the same contract.
            unsafe { System.alloc(layout) }
        }
        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            count(0, layout.size());
            // SAFETY: as above.
            unsafe { System.dealloc(at, layout) }
        }
        unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            count(size, layout.size());
            // SAFETY: as above.
            unsafe { System.realloc(at, layout, size) }
        }
    }
}
