//! Leases that are bound, beside a list of all that were: a bond lasts exactly as long as its lease.

use std::collections::{BTreeMap, BTreeSet};

use jobq_engine::{Bond, Leases, Millis, Owner, Queue};

use super::reference::{Model, Place};

/// All bonds there ever were, by token.
#[derive(Default)]
pub struct Bonds {
    owners: BTreeMap<u64, Owner>,
    // Those of whom a lease was bound and has not ended, as the queue has told by now.
    busy: BTreeSet<Owner>,
}

impl Bonds {
    /// Binds two of three leases, to some owners.
    pub fn bind(&mut self, queue: &mut Queue, leased: &Leases) {
        for &(slot, token) in leased.iter().filter(|(_, token)| token.0 % 3 > 0) {
            let owner = token.0 % 5;
            queue.bind(owner, Bond { slot, token, grace: Millis(token.0 % 7) });
            self.owners.insert(token.0, owner);
            self.busy.insert(owner);
        }
    }

    /// Says what differs.
    pub fn compare(&mut self, queue: &mut Queue, model: &Model) -> Result<(), String> {
        let bond = |job: &super::reference::Job| match job.place {
            Place::Leased { token, .. } => Some((*self.owners.get(&token)?, token)),
            _ => None,
        };
        let expected: BTreeSet<_> = model.jobs.iter().filter_map(bond).collect();
        let of = |owner| queue.bound_to(owner).map(move |bond| (owner, bond.token.0));
        let told: Vec<_> = queue.owners().flat_map(of).collect();
        let expected: Vec<_> = expected.into_iter().collect();
        if told != expected {
            return Err(format!("bonds: engine {told:?}, model {expected:?}"));
        }
        let still: BTreeSet<_> = expected.iter().map(|(owner, _)| *owner).collect();
        let free: BTreeSet<_> = queue.take_unbound().into_iter().collect();
        let expected: BTreeSet<_> = self.busy.difference(&still).copied().collect();
        if free != expected {
            return Err(format!("who is free: engine {free:?}, model {expected:?}"));
        }
        self.busy = still;
        Ok(())
    }
}
