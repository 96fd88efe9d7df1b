//! Who holds how many leases, and which worker was heard of: both as the leases themselves tell it.

use crate::{id::Token, slab::Slot, state::State, time::UnixMillis, Queue};

/// The worker that was heard of since somebody asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    // Kept from one to the next, and with it the room that it has.
    worker: Vec<u8>,
    is_news: bool,
}

impl Heard {
    /// Heap bytes held.
    pub fn bytes(&self) -> usize {
        self.worker.capacity()
    }
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
    /// Since when.
    pub since: UnixMillis,
}

impl Queue {
    /// The workers that hold something and gave their names, in no order that may matter. One that takes
    /// jobs on several terms comes once for each. O(w) with w of them.
    pub fn crew(&self) -> impl Iterator<Item = &[u8]> {
        let workers = self.holders.uses().map(|(holder, _)| &*self.holders.get(holder).worker);
        workers.filter(|worker| !worker.is_empty())
    }

    /// What they hold. O(n) with n leases: no order by worker is kept, which each lease would pay for.
    #[must_use]
    pub fn holdings(&self) -> Vec<Holding<'_>> {
        let mut found: Vec<Option<Holding<'_>>> = Vec::new();
        for oldest in self.leased.iter_after(None).map(|(_, _, slot)| slot) {
            let State::Leased { token, holder, .. } = self.jobs[oldest].state() else { continue };
            let worker = &*self.holders.get(holder).worker;
            if worker.is_empty() {
                continue;
            }
            let since = self.jobs[oldest].links.instant();
            let new = Holding { worker, leases: 0, oldest, token, since };
            if found.len() <= holder.index() {
                found.resize(holder.index() + 1, None);
            }
            let held = found[holder.index()].get_or_insert(new);
            let leases = held.leases + 1;
            if token < held.token {
                *held = new;
            }
            held.leases = leases;
        }
        found.into_iter().flatten().collect()
    }

    /// Whether a worker that gave its name was heard of since that was asked last: it has extended or
    /// ended a lease by its receipt. O(1).
    #[must_use]
    #[inline]
    pub fn has_heard(&self) -> bool {
        self.heard.is_news
    }

    /// Which worker that was; of several, the first.
    pub fn heard_of(&mut self) -> &[u8] {
        self.heard.is_news = false;
        &self.heard.worker
    }

    /// Somebody has a receipt and uses it: it is the worker that was given it.
    #[inline]
    pub(crate) fn hear_of(&mut self, slot: Slot) {
        if self.heard.is_news || !self.messages.are_heard() {
            return;
        }
        let State::Leased { holder, .. } = self.jobs[slot].state() else { return };
        let worker = &self.holders.get(holder).worker;
        if worker.is_empty() {
            return;
        }
        self.heard.is_news = true;
        self.heard.worker.clear();
        self.heard.worker.extend_from_slice(worker);
    }

    /// Whether the leases tell since when they hold.
    pub(crate) fn leases_are_sound(&self) -> bool {
        let mut leases = self.jobs.iter().filter_map(|(_, job)| job.leased_since());
        leases.all(|since| since <= self.clock)
    }
}
