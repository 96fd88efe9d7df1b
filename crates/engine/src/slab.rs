//! Where jobs live: chunks of slots, so that growing never moves a large queue and draining gives
//! memory back.

use std::ops::{Index, IndexMut};

use smallvec::SmallVec;

/// Names a place in a [`Slab`]. It is no part of the queue's logical state: a replica may keep the
/// same job elsewhere.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Slot(pub(crate) u32);

impl Slot {
    /// No slot: the end of a list.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// A list of jobs, on the stack while it is short.
pub type Slots = SmallVec<[Slot; 4]>;

const CHUNK_BITS: u32 = 10;
/// Jobs take 88 bytes each, and so many of them 80 KiB: allocators would round 1024 up to 96.
const CHUNK_SLOTS: usize = 930;
/// A chunk grows by so many slots at most.
const GROWTH_MAX: usize = CHUNK_SLOTS.div_ceil(4);

/// An emptied chunk keeps this many slots, so that a small queue does not allocate at each job.
const KEPT_SLOTS: usize = 16;

#[derive(Clone, Debug)]
struct Chunk<T> {
    slots: Vec<Option<T>>,
    vacant: Vec<u16>,
}

impl<T> Chunk<T> {
    fn is_full(&self) -> bool {
        self.vacant.is_empty() && self.slots.len() == CHUNK_SLOTS
    }

    fn is_empty(&self) -> bool {
        self.vacant.len() == self.slots.len()
    }

    fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Option<T>>() + self.vacant.capacity() * size_of::<u16>()
    }
}

/// A growing array of values with stable places.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    // Chunks with room, the one in use last.
    roomy: Vec<u32>,
    len: usize,
    chunk_bytes: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), roomy: Vec::new(), len: 0, chunk_bytes: 0 }
    }
}

impl<T> Slab<T> {
    /// Puts a value somewhere. O(1); at most one chunk moves.
    pub fn insert(&mut self, value: T) -> Slot {
        let at = self.roomy.last().copied().unwrap_or_else(|| {
            let at = self.chunks.len() as u32;
            self.chunks.push(Chunk { slots: Vec::new(), vacant: Vec::new() });
            self.roomy.push(at);
            at
        });
        let chunk = &mut self.chunks[at as usize];
        let offset = if let Some(offset) = chunk.vacant.pop() {
            chunk.slots[usize::from(offset)] = Some(value);
            u32::from(offset)
        } else {
            let grows = chunk.slots.len() == chunk.slots.capacity();
            if grows {
                let before = chunk.bytes();
                chunk.slots.reserve_exact(growth(chunk.slots.len()));
                self.chunk_bytes += chunk.bytes() - before;
            }
            chunk.slots.push(Some(value));
            chunk.slots.len() as u32 - 1
        };
        if chunk.is_full() {
            self.roomy.pop();
        }
        self.len += 1;
        Slot(at << CHUNK_BITS | offset)
    }

    /// Takes a value out. O(1).
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let (at, offset) = split(slot);
        let chunk = self.chunks.get_mut(at)?;
        let was_full = chunk.is_full();
        let value = chunk.slots.get_mut(offset)?.take()?;
        let before = chunk.bytes();
        chunk.vacant.push(offset as u16);
        if chunk.is_empty() {
            chunk.slots.clear();
            chunk.slots.shrink_to(KEPT_SLOTS);
            chunk.vacant.clear();
            chunk.vacant.shrink_to(KEPT_SLOTS);
        }
        self.chunk_bytes = self.chunk_bytes + chunk.bytes() - before;
        self.len -= 1;
        if was_full {
            self.roomy.push(at as u32);
        }
        if self.len == 0 && self.chunks.len() > 1 {
            *self = Self::default();
        }
        Some(value)
    }

    /// The value in a slot, if there is one.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        let (at, offset) = split(slot);
        self.chunks.get(at)?.slots.get(offset)?.as_ref()
    }

    /// The value in a slot, if there is one, to be changed.
    #[must_use]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let (at, offset) = split(slot);
        self.chunks.get_mut(at)?.slots.get_mut(offset)?.as_mut()
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Every value with its slot, in no order that may matter.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        self.chunks.iter().enumerate().flat_map(|(at, chunk)| {
            chunk.slots.iter().enumerate().filter_map(move |(offset, value)| {
                let slot = Slot((at as u32) << CHUNK_BITS | offset as u32);
                value.as_ref().map(|value| (slot, value))
            })
        })
    }

    /// Heap bytes held. O(1).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunk_bytes
            + self.chunks.capacity() * size_of::<Chunk<T>>()
            + self.roomy.capacity() * size_of::<u32>()
    }
}

/// How much room a full chunk of so many slots gets.
fn growth(slots: usize) -> usize {
    slots.clamp(4, GROWTH_MAX).min(CHUNK_SLOTS - slots)
}

fn split(slot: Slot) -> (usize, usize) {
    ((slot.0 >> CHUNK_BITS) as usize, slot.0 as usize & ((1 << CHUNK_BITS) - 1))
}

impl<T> Index<Slot> for Slab<T> {
    type Output = T;

    /// # Panics
    /// If nothing is there: the engine's indexes name only slots in use.
    fn index(&self, slot: Slot) -> &T {
        self.get(slot).expect("an indexed slot is in use")
    }
}

impl<T> IndexMut<Slot> for Slab<T> {
    /// # Panics
    /// If nothing is there.
    fn index_mut(&mut self, slot: Slot) -> &mut T {
        let (at, offset) = split(slot);
        self.chunks[at].slots[offset].as_mut().expect("an indexed slot is in use")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_where_they_are_while_others_come_and_go() {
        let mut slab = Slab::default();
        let kept: Vec<_> = (0..5_000).map(|n| (slab.insert(n), n)).collect();
        for (slot, _) in kept.iter().step_by(2) {
            assert!(slab.remove(*slot).is_some());
            assert!(slab.remove(*slot).is_none(), "removed once only");
        }
        let more: Vec<_> = (0..1_000).map(|n| (slab.insert(n), n)).collect();
        for (slot, n) in kept.iter().skip(1).step_by(2).chain(&more) {
            assert_eq!(slab[*slot], *n);
        }
        assert_eq!(slab.len(), 3_500);
        assert_eq!(slab.iter().count(), 3_500);
    }

    #[test]
    fn a_drained_slab_gives_its_memory_back() {
        let mut slab = Slab::default();
        let slots: Vec<_> = (0..100_000u64).map(|n| slab.insert(n)).collect();
        let full = slab.bytes();
        for slot in &slots[..99_000] {
            slab.remove(*slot);
        }
        assert!(slab.bytes() < full / 10, "{} of {full}", slab.bytes());
        for slot in &slots[99_000..] {
            slab.remove(*slot);
        }
        assert!(slab.bytes() < 1_000, "{}", slab.bytes());
    }

    #[test]
    fn bytes_are_counted_as_they_are_held() {
        let mut slab = Slab::default();
        let mut slots = Vec::new();
        for n in 0..3_000u64 {
            slots.push(slab.insert(n));
            if n % 3 == 0 {
                slab.remove(slots.swap_remove(n as usize / 7 % slots.len()));
            }
            let held: usize = slab.chunks.iter().map(Chunk::bytes).sum();
            assert_eq!(slab.chunk_bytes, held);
        }
    }
}
