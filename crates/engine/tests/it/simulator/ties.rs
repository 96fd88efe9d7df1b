//! Leases that are bound to connections, and connections that close.

use std::collections::{BTreeMap, BTreeSet};

use jobq_engine::{Bond, JobRef, Millis, Outcome, Owner, Queue, State, Touched};

use crate::{
    command::{Answer, Command},
    support::named,
};

/// What is known of bonds by those who have made them.
#[derive(Default)]
pub struct Ties {
    next_owner: Owner,
    /// To what the next leases are bound.
    pub asked: Option<(Owner, Millis)>,
    /// All leases that were bound, by their receipts.
    bound: BTreeMap<String, (Owner, Millis)>,
    /// Connections that have closed, and when.
    closed: BTreeMap<Owner, u64>,
}

impl Ties {
    pub fn new_owner(&mut self) -> Owner {
        self.next_owner += 1;
        self.next_owner
    }

    /// Binds what was delivered just now, if that was asked for.
    pub fn bind(&mut self, queue: &mut Queue, jobs: &[(String, u64)]) -> bool {
        let Some((owner, grace)) = self.asked.take() else { return false };
        for (id, token) in jobs {
            let slot = queue.find_id(id).expect("just delivered");
            let State::Leased { token: held, .. } = queue.job(slot).state() else { panic!("{id}") };
            assert_eq!(held.0, *token);
            queue.bind(owner, Bond { slot, token: held, grace });
            self.bound.insert(format!("{id}@{token}"), (owner, grace));
        }
        !jobs.is_empty()
    }

    /// A connection closes, by the clock of the server.
    pub fn close(&mut self, queue: &mut Queue, owner: Owner, now: u64) {
        queue.orphan(owner);
        self.closed.insert(owner, now);
    }

    /// Leases of connections that have closed, and whose grace is over.
    pub fn over(&self, queue: &Queue, now: u64) -> Vec<String> {
        let of = |(owner, closed): (&Owner, &u64)| {
            let (owner, closed) = (*owner, *closed);
            let bonds = queue.bound_to(owner);
            bonds.filter(move |bond| closed + bond.grace.0 <= now).map(|bond| receipt(queue, &bond))
        };
        self.closed.iter().flat_map(of).collect()
    }

    /// A bond lasts exactly as long as its lease, unless that is extended when its connection has
    /// closed. Tells whether it was.
    pub fn look(&mut self, queue: &mut Queue, command: &Command, told: &Answer) -> bool {
        let holds = |receipt: &String| queue.find(&named(receipt)).is_some();
        let mut is_saved = false;
        if let (Command::Touch { jobs, .. }, Answer::Other(Outcome::Touched(told))) =
            (command, told)
        {
            let is_extended = |told: &Touched| matches!(told, Touched::Until(_));
            for (receipt, _) in jobs.iter().zip(told).filter(|(_, told)| is_extended(told)) {
                let owner = self.bound.get(receipt).map(|(owner, _)| *owner);
                if owner.is_some_and(|owner| self.closed.contains_key(&owner)) {
                    self.bound.remove(receipt);
                    is_saved = true;
                }
            }
        }
        self.bound.retain(|receipt, _| holds(receipt));
        let told: BTreeSet<_> = queue
            .owners()
            .flat_map(|owner| queue.bound_to(owner).map(move |bond| (owner, bond)))
            .map(|(owner, bond)| (receipt(queue, &bond), (owner, bond.grace)))
            .collect();
        let known = self.bound.iter().map(|(receipt, bond)| (receipt.clone(), *bond));
        assert_eq!(told, known.collect(), "what is bound, after {command:?}");
        for owner in queue.take_unbound() {
            assert!(queue.bound_to(owner).next().is_none(), "{owner} has something bound to it");
            self.closed.remove(&owner);
        }
        is_saved
    }

    /// The server is another, and nobody is connected to it yet.
    pub fn forget(&mut self) {
        self.asked = None;
        self.bound.clear();
        self.closed.clear();
    }
}

fn receipt(queue: &Queue, bond: &Bond) -> String {
    let id = queue.job(bond.slot).id();
    let receipt = format!("{id}@{}", bond.token.0);
    assert!(JobRef::parse(receipt.as_bytes()).is_some(), "{receipt}");
    receipt
}
