//! Leases that are bound to something of the host's, which ends them when it goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
};

use crate::{id::Token, slab::Slot, state::State, time::Millis, Queue};

/// What a lease is bound to: a number that only the host understands, as that of a connection.
pub type Owner = u64;

/// A lease that is bound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bond {
    /// The job.
    pub slot: Slot,
    /// Which of its deliveries.
    pub token: Token,
    /// How long the lease outlives its owner, if it lasts so long.
    pub grace: Millis,
}

/// Which leases are bound to whom. No part of the queue's logical state: the host binds them and asks
/// for them, and in a copy of the queue, or in one that is loaded, none is bound.
#[derive(Debug, Default)]
pub struct Bonds {
    owners: BTreeMap<Token, Owner>,
    leases: BTreeMap<(Owner, Token), (Slot, Millis)>,
    // Owners that have gone, and whose leases have some grace left.
    gone: BTreeSet<Owner>,
    // Owners of whom a lease was bound and is not any more, each once in a row.
    loosened: Vec<Owner>,
}

impl Clone for Bonds {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Bonds {
    /// Binds a lease that holds, to this owner alone. O(log n) with n leases bound.
    pub fn bind(&mut self, owner: Owner, bond: Bond) {
        self.end(bond.token);
        self.owners.insert(bond.token, owner);
        self.leases.insert((owner, bond.token), (bond.slot, bond.grace));
    }

    /// Forgets a lease, if it was bound. O(log n) with n leases bound.
    pub fn end(&mut self, token: Token) {
        let Some(owner) = self.owners.remove(&token) else { return };
        self.leases.remove(&(owner, token));
        if self.loosened.last() != Some(&owner) {
            self.loosened.push(owner);
        }
    }

    /// The leases that are bound to an owner, in the order of their deliveries.
    pub fn of(&self, owner: Owner) -> impl DoubleEndedIterator<Item = Bond> + '_ {
        let all = (owner, Token(0))..=(owner, Token(u64::MAX));
        let leases = self.leases.range(all);
        leases.map(|(&(_, token), &(slot, grace))| Bond { slot, token, grace })
    }

    /// Those to whom a lease is bound, each once.
    pub fn owners(&self) -> impl Iterator<Item = Owner> + '_ {
        let first = self.leases.keys().next();
        std::iter::successors(first, |(owner, _)| {
            let behind = (Excluded((*owner, Token(u64::MAX))), Unbounded);
            self.leases.range(behind).next().map(|(key, _)| key)
        })
        .map(|(owner, _)| *owner)
    }

    /// Whether no lease is bound.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Those to whom no lease is bound any more, since this was asked last.
    pub fn take_free(&mut self) -> Vec<Owner> {
        let mut free = std::mem::take(&mut self.loosened);
        free.retain(|&owner| self.of(owner).next().is_none());
        for owner in &free {
            self.gone.remove(owner);
        }
        free
    }
}

impl Queue {
    /// Binds a lease to whom the host says, for as long as it holds. Does nothing if it does not hold.
    /// O(log n) with n leases bound.
    pub fn bind(&mut self, owner: Owner, bond: Bond) {
        let job = self.jobs.get(bond.slot);
        let holds = |state| matches!(state, State::Leased { token, .. } if token == bond.token);
        if job.is_some_and(|job| holds(job.state())) {
            self.bonds.bind(owner, bond);
        }
    }

    /// The leases that are bound to an owner and hold, in the order of their deliveries.
    pub fn bound_to(&self, owner: Owner) -> impl DoubleEndedIterator<Item = Bond> + '_ {
        self.bonds.of(owner)
    }

    /// Those to whom a lease is bound that holds, each once. O(log n) for each, with n leases bound.
    pub fn owners(&self) -> impl Iterator<Item = Owner> + '_ {
        self.bonds.owners()
    }

    /// Notes that an owner has gone. Its leases hold on for their grace, and one that is touched
    /// meanwhile is bound no longer: somebody is there who works on it. O(log n) with n such owners.
    pub fn orphan(&mut self, owner: Owner) {
        if self.bonds.of(owner).next().is_some() {
            self.bonds.gone.insert(owner);
        }
    }

    /// Whether there may be such as [`take_unbound`](Self::take_unbound) tells of. O(1).
    #[must_use]
    #[inline]
    pub fn has_unbound(&self) -> bool {
        !self.bonds.loosened.is_empty()
    }

    /// Those who had a lease bound to them that has ended since this was asked last, and have none
    /// any more.
    pub fn take_unbound(&mut self) -> Vec<Owner> {
        self.bonds.take_free()
    }

    /// Notes that the lease of a job, if there is one, is about to end, or to be extended.
    pub(crate) fn loosen(&mut self, slot: Slot, is_extended: bool) {
        let State::Leased { token, .. } = self.jobs[slot].state() else { return };
        let Some(owner) = self.bonds.owners.get(&token) else { return };
        if !is_extended || self.bonds.gone.contains(owner) {
            self.bonds.end(token);
        }
    }

    /// Whether every bond is that of a lease that holds.
    pub(crate) fn bonds_hold(&self) -> bool {
        self.bonds.leases.iter().all(|(&(owner, token), &(slot, _))| {
            let state = self.jobs.get(slot).map(|job| job.state());
            self.bonds.owners.get(&token) == Some(&owner)
                && matches!(state, Some(State::Leased { token: held, .. }) if held == token)
        }) && self.bonds.owners.len() == self.bonds.leases.len()
    }
}
