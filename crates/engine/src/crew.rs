//! Who holds how many leases: of each worker that gave its name, a list of what it holds, in the order
//! in which it was taken.
//!
//! The lists are linked through the leased jobs, which are in no other list, and follow from the jobs'
//! states. So since when a lease of theirs holds is in a table here, and with one of somebody without a
//! name in the place of its links.

use hashbrown::HashTable;

use crate::{
    id::Token,
    interner::Key,
    job::Job,
    list::{Links, List},
    slab::{Slab, Slot},
    state::State,
    time::UnixMillis,
    Queue,
};

/// What a table that holds nothing may keep, in bytes.
const EMPTY_BYTES_MAX: usize = 1024;

/// The leases of workers that gave their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crew {
    // By the number of the holder; empty for one without a name.
    lists: Vec<List>,
    since: HashTable<(Slot, UnixMillis)>,
    leases: usize,
    // The worker that was heard of last since somebody asked, and whether there was one.
    heard: Vec<u8>,
    has_heard: bool,
}

/// What a worker holds, on equal terms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Holding<'a> {
    /// The worker's name.
    pub worker: &'a [u8],
    /// How many leases.
    pub leases: usize,
    /// The job whose lease was granted first.
    pub oldest: Slot,
    /// The token of its delivery.
    pub token: Token,
    /// Since when, if that is known.
    pub since: Option<UnixMillis>,
}

impl Crew {
    fn list(&self, holder: Key) -> Option<&List> {
        self.lists.get(holder.index()).filter(|list| list.len() > 0)
    }

    fn join(&mut self, jobs: &mut Slab<Job>, holder: Key, slot: Slot) {
        if self.lists.len() <= holder.index() {
            self.lists.resize_with(holder.index() + 1, List::default);
        }
        self.lists[holder.index()].push_back(jobs, slot);
        self.leases += 1;
    }

    fn begin(&mut self, slot: Slot, now: UnixMillis) {
        self.since.insert_unique(spread(slot), (slot, now), |(slot, _)| spread(*slot));
    }

    fn since(&self, slot: Slot) -> Option<UnixMillis> {
        self.since.find(spread(slot), |(at, _)| *at == slot).map(|(_, since)| *since)
    }

    fn part(&mut self, jobs: &mut Slab<Job>, holder: Key, slot: Slot) {
        self.lists[holder.index()].remove(jobs, slot);
        self.leases -= 1;
        if let Ok(found) = self.since.find_entry(spread(slot), |(at, _)| *at == slot) {
            found.remove();
        }
        if self.leases == 0 && self.bytes() > EMPTY_BYTES_MAX {
            (self.lists, self.since) = Default::default();
        }
    }

    /// Heap bytes held, about.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.lists.capacity() * size_of::<List>()
            + self.since.allocation_size()
            + self.heard.capacity()
    }
}

/// Spreads slots over a table.
fn spread(slot: Slot) -> u64 {
    u64::from(slot.0).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Queue {
    /// What the workers hold that gave their names, in no order that may matter. One that takes jobs on
    /// several terms comes once for each. O(1) for each, and for each place that another has left.
    pub fn holdings(&self) -> impl Iterator<Item = Holding<'_>> + '_ {
        self.holders.uses().filter_map(|(holder, _)| {
            let crew = self.crew.as_ref()?;
            let list = crew.list(holder)?;
            let (worker, oldest) = (&*self.holders.get(holder).worker, list.first()?);
            let State::Leased { token, .. } = self.jobs[oldest].state() else { return None };
            Some(Holding { worker, leases: list.len(), oldest, token, since: crew.since(oldest) })
        })
    }

    /// Whether a worker that gave its name was heard of since that was asked last: it has extended or
    /// ended a lease by its receipt. O(1).
    #[must_use]
    #[inline]
    pub fn has_heard(&self) -> bool {
        self.crew.as_ref().is_some_and(|crew| crew.has_heard)
    }

    /// Which worker that was; of several, the last.
    pub fn heard_of(&mut self) -> &[u8] {
        let Some(crew) = self.crew.as_mut() else { return b"" };
        crew.has_heard = false;
        &crew.heard
    }

    /// A lease begins.
    #[inline]
    pub(crate) fn join_crew(&mut self, slot: Slot, holder: Key, now: UnixMillis) {
        if self.holders.get(holder).worker.is_empty() {
            self.jobs[slot].links = Links::since(now);
        } else {
            let crew = self.crew.get_or_insert_default();
            crew.join(&mut self.jobs, holder, slot);
            crew.begin(slot, now);
        }
    }

    /// Since when a lease of this holder holds. O(1).
    #[inline]
    pub(crate) fn taken(&self, slot: Slot, holder: Key) -> UnixMillis {
        if self.holders.get(holder).worker.is_empty() {
            return self.jobs[slot].links.instant();
        }
        self.crew.as_ref().and_then(|crew| crew.since(slot)).unwrap_or(self.clock)
    }

    /// Since when a job is leased, if it is. O(1).
    #[must_use]
    pub fn leased_since(&self, slot: Slot) -> Option<UnixMillis> {
        match self.jobs[slot].state() {
            State::Leased { holder, .. } => Some(self.taken(slot, holder)),
            _ => None,
        }
    }

    /// A lease is about to end.
    #[inline]
    pub(crate) fn leave_crew(&mut self, slot: Slot, holder: Key) {
        if self.holders.get(holder).worker.is_empty() {
            self.jobs[slot].links = Links::NONE;
        } else if let Some(crew) = self.crew.as_mut() {
            crew.part(&mut self.jobs, holder, slot);
        }
    }

    /// Somebody has a receipt and uses it: it is the worker that was given it.
    #[inline]
    pub(crate) fn hear_of(&mut self, slot: Slot) {
        let Some(crew) = self.crew.as_mut().filter(|_| self.notices.are_heard()) else { return };
        let State::Leased { holder, .. } = self.jobs[slot].state() else { return };
        if crew.list(holder).is_some() {
            crew.heard.clear();
            crew.heard.extend_from_slice(&self.holders.get(holder).worker);
            crew.has_heard = true;
        }
    }

    /// Brings the leases of a queue that is loaded, each with its beginning in the place of its links, into their lists.
    /// O(n log n) with n of them.
    pub(crate) fn muster(&mut self) {
        let lease = |(slot, job): (Slot, &Job)| match job.state() {
            State::Leased { token, holder, .. } => Some((token, holder, slot)),
            _ => None,
        };
        let named = |key: &Key| !self.holders.get(*key).worker.is_empty();
        let mut leases: Vec<_> = self.jobs.iter().filter_map(lease).collect();
        leases.retain(|(_, holder, _)| named(holder));
        leases.sort_unstable_by_key(|(token, ..)| *token);
        for (_, holder, slot) in leases {
            let since = self.jobs[slot].links.instant();
            self.jobs[slot].links = Links::NONE;
            self.join_crew(slot, holder, since);
        }
    }

    /// Whether each worker's list has what it holds, in order.
    pub(crate) fn crew_is_sound(&self) -> bool {
        let nobody = Crew::default();
        let crew = self.crew.as_deref().unwrap_or(&nobody);
        let (mut leases, mut known) = (0, 0);
        let sound = self.holders.uses().all(|(holder, uses)| {
            let list = crew.lists.get(holder.index()).copied().unwrap_or_default();
            let held = list.iter(&self.jobs).filter_map(|slot| match self.jobs[slot].state() {
                State::Leased { token, holder: of, .. } if of == holder => Some((token, slot)),
                _ => None,
            });
            let held: Vec<_> = held.collect();
            leases += held.len();
            known += held.iter().filter(|(_, slot)| crew.since(*slot).is_some()).count();
            let expected =
                if self.holders.get(holder).worker.is_empty() { 0 } else { uses as usize };
            (list.len(), held.len()) == (expected, expected) && held.is_sorted_by(|a, b| a.0 < b.0)
        });
        sound && leases == crew.leases && known == crew.since.len()
    }
}
