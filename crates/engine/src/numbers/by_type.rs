//! The same numbers for the jobs of each type.

use super::{sparse, Time, Times};
use crate::{counters::Counters, interner::Key, queue::COUNT_MAX, time::UnixMillis};

/// So many types are counted by name, those that came first. All others are counted together.
pub const TYPES_MAX: usize = 256;

/// What is known of the jobs of one type.
#[derive(Clone, Debug, Default)]
pub struct TypeNumbers {
    // Empty for all types that came when there was no place left.
    name: Box<[u8]>,
    /// What has happened to them.
    pub counts: Counters,
    /// How long it took.
    pub times: Times,
}

impl TypeNumbers {
    /// The name; `None` for all types together that have no place of their own.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        (!self.name.is_empty()).then_some(&self.name)
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        sparse::write_one(bytes, self.name.len() as u64);
        bytes.extend(&self.name);
        let counts = self.counts.named().map(|(_, count)| count.min(COUNT_MAX));
        sparse::write(bytes, counts.into_iter());
        self.times.write(bytes);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let len = sparse::read_one(bytes)?;
        let name = sparse::take(bytes, len)?.into();
        let mut counts = Counters::default().named().map(|(_, count)| count);
        sparse::read(bytes, counts.len(), |at, count| {
            counts[at] = count;
            count <= COUNT_MAX
        })?;
        Some(Self { name, counts: Counters::from_counts(counts), times: Times::read(bytes)? })
    }
}

/// The types of a queue; nothing as long as there is none.
#[derive(Clone, Debug, Default)]
pub struct Types(Option<Box<Table>>);

/// Invariant: the first entry is that of the others, and `order` has all by their names.
#[derive(Clone, Debug)]
struct Table {
    entries: Vec<TypeNumbers>,
    order: Vec<u16>,
    // The entry of jobs with these terms, by the number of their key.
    of_terms: Vec<u16>,
    // Of names and histograms.
    bytes: usize,
}

/// The entry of the types that have none of their own.
const OTHERS: u16 = 0;
/// The entry of jobs that have no type.
const NO_TYPE: u16 = u16::MAX;

impl Default for Table {
    fn default() -> Self {
        let entries = vec![TypeNumbers::default()];
        Self { entries, order: vec![OTHERS], of_terms: Vec::new(), bytes: 0 }
    }
}

impl Table {
    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.order.binary_search_by(|&at| (*self.entries[usize::from(at)].name).cmp(name))
    }

    fn is_full(&self) -> bool {
        self.entries.len() > TYPES_MAX
    }

    /// Adds an entry at its place in the order.
    fn add(&mut self, entry: TypeNumbers, place: usize) -> u16 {
        let at = self.entries.len() as u16;
        self.bytes += entry.name.len() + entry.times.bytes();
        self.order.insert(place, at);
        self.entries.push(entry);
        at
    }

    /// The entry of a type, which is made if need be.
    fn entry(&mut self, name: &[u8]) -> u16 {
        match self.find(name) {
            Ok(place) => self.order[place],
            Err(_) if self.is_full() => OTHERS,
            Err(place) => self.add(TypeNumbers { name: name.into(), ..Default::default() }, place),
        }
    }
}

impl Types {
    /// Has jobs with these terms counted under this type; under none if it is empty. Whenever a key
    /// begins to stand for terms, as it may have stood for others.
    pub(crate) fn link(&mut self, terms: Key, name: &[u8]) {
        if name.is_empty() && self.0.is_none() {
            return;
        }
        let table = self.0.get_or_insert_default();
        let of_terms = |table: &Table| table.of_terms.get(terms.index()).copied();
        let entry = match of_terms(table) {
            _ if name.is_empty() => NO_TYPE,
            // Most publish what they did before.
            Some(at) if table.entries.get(usize::from(at)).is_some_and(|it| *it.name == *name) => {
                return;
            }
            _ => table.entry(name),
        };
        if table.of_terms.len() <= terms.index() {
            table.of_terms.resize(terms.index() + 1, NO_TYPE);
        }
        table.of_terms[terms.index()] = entry;
    }

    /// Forgets which terms are of which type, as all of them are gone.
    pub(crate) fn forget_terms(&mut self) {
        if let Some(table) = &mut self.0 {
            table.of_terms = Vec::new();
        }
    }

    /// The counts of jobs with these terms, if they have a type.
    pub(crate) fn counts(&mut self, terms: Key) -> Option<&mut Counters> {
        let table = self.0.as_mut()?;
        let at = *table.of_terms.get(terms.index())?;
        table.entries.get_mut(usize::from(at)).map(|entry| &mut entry.counts)
    }

    /// Counts a span of a job with these terms, if they have a type.
    pub(crate) fn note(&mut self, terms: Key, time: Time, since: UnixMillis, now: UnixMillis) {
        let Some(table) = &mut self.0 else { return };
        let Some(&at) = table.of_terms.get(terms.index()) else { return };
        if let Some(entry) = table.entries.get_mut(usize::from(at)) {
            let histogram = entry.times.of_mut(time);
            let before = histogram.bytes();
            histogram.note(since, now);
            table.bytes += histogram.bytes() - before;
        }
    }

    /// How many types are counted by name.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |table| table.entries.len() - 1)
    }

    /// Whether no job has had a type so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a stored job can be of this type: it is counted, or there was no place for it.
    pub(crate) fn can_have(&self, name: &[u8]) -> bool {
        let is_known = |table: &Table| table.is_full() || table.find(name).is_ok();
        name.is_empty() || self.0.as_deref().is_some_and(is_known)
    }

    /// What is known of a type.
    pub fn get(&self, name: &[u8]) -> Option<&TypeNumbers> {
        let table = self.0.as_ref()?;
        let place = table.find(name).ok().filter(|_| !name.is_empty())?;
        table.entries.get(usize::from(table.order[place]))
    }

    /// All types by their names, and behind them those that have no place, if there are any.
    pub fn iter(&self) -> impl Iterator<Item = &TypeNumbers> {
        let named = self.named();
        let others = self.0.as_ref().map(|table| &table.entries[usize::from(OTHERS)]);
        named.chain(others.filter(|others| others.counts != Counters::default()))
    }

    fn named(&self) -> impl Iterator<Item = &TypeNumbers> {
        let tables = self.0.iter();
        tables.flat_map(|it| it.order[1..].iter().map(|&at| &it.entries[usize::from(at)]))
    }

    /// Heap bytes. O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |table| {
            size_of::<Table>()
                + table.entries.capacity() * size_of::<TypeNumbers>()
                + (table.order.capacity() + table.of_terms.capacity()) * size_of::<u16>()
                + table.bytes
        })
    }

    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        sparse::write_one(bytes, self.0.as_ref().map_or(0, |table| table.entries.len() as u64));
        for entry in self.0.iter().map(|table| &table.entries[usize::from(OTHERS)]) {
            entry.write(bytes);
        }
        self.named().for_each(|entry| entry.write(bytes));
    }

    /// What was written. `None` if no queue has such types.
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let count = sparse::read_one(bytes)?;
        if count == 0 {
            return Some(Self::default());
        }
        let others = TypeNumbers::read(bytes)?;
        if count == 1 || count > TYPES_MAX as u64 + 1 || !others.name.is_empty() {
            return None;
        }
        let bytes_of_others = others.times.bytes();
        let mut table = Table { entries: vec![others], bytes: bytes_of_others, ..Table::default() };
        for place in 1..count as usize {
            let entry = TypeNumbers::read(bytes)?;
            if table.find(&entry.name) != Err(place) {
                return None;
            }
            table.add(entry, place);
        }
        let others = &table.entries[usize::from(OTHERS)];
        let is_used = others.counts != Counters::default()
            || Time::ALL.iter().any(|&time| others.times.of(time).count() > 0);
        let is_right = table.is_full() || !is_used;
        is_right.then(|| Self(Some(Box::new(table))))
    }

    /// Part of [`check_invariants`](crate::Queue::check_invariants).
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(table) = self.0.as_deref() else { return Ok(()) };
        let bytes_of = |entry: &TypeNumbers| entry.name.len() + entry.times.bytes();
        let bytes: usize = table.entries.iter().map(bytes_of).sum();
        let names = || table.order.iter().map(|&at| &table.entries[usize::from(at)].name);
        let is_sorted = names().is_sorted_by(|a, b| a < b) && names().len() == table.entries.len();
        if bytes != table.bytes || !is_sorted || table.entries.len() > TYPES_MAX + 1 {
            return Err(format!("types {table:?}, of {bytes} bytes"));
        }
        Ok(())
    }

    /// Whether jobs with these terms are counted under their type.
    pub(crate) fn is_linked(&self, terms: Key, name: &[u8]) -> bool {
        let Some(table) = self.0.as_deref() else { return name.is_empty() };
        let at = table.of_terms.get(terms.index()).copied().unwrap_or(NO_TYPE);
        match table.entries.get(usize::from(at)) {
            None => name.is_empty(),
            Some(_) if at == OTHERS => !name.is_empty() && table.find(name).is_err(),
            Some(entry) => *entry.name == *name,
        }
    }
}
