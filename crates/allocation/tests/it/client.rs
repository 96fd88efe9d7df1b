//! A queue, what clients ask of it, and how many allocations each request takes.

use jobq_allocation::allocations_of;
use jobq_engine::{
    Action, Bodies, Consume, Due, Holder, JobRef, Millis, Operation, Outcome, Publish, Queue,
    Request, Setting, Slot, Token, UnixMillis, Verdict,
};

pub const BODY: &[u8] = &[b'x'; 128];
pub const AN_HOUR: Millis = Millis(3_600_000);

/// A queue, and the leases that were granted last.
pub struct Client {
    pub queue: Queue,
    taken: Vec<(Slot, Token)>,
}

impl Client {
    pub fn new() -> Self {
        let mut queue = Queue::new(42);
        let tick = Operation::Tick { now: UnixMillis(1_700_000_000_000), budget: 0 };
        queue.apply(tick).expect("a tick is never refused");
        Self { queue, taken: Vec::new() }
    }

    /// Publishes `jobs` in one request. Tells how many allocations it took, as do all of these.
    pub fn publish(&mut self, jobs: usize, due: Due) -> usize {
        let bodies = if jobs == 1 { Bodies::One(BODY) } else { Bodies::Many(vec![BODY; jobs]) };
        self.publish_on(Publish { due, ..Publish::new(bodies) })
    }

    /// Publishes on terms of one's own.
    pub fn publish_on(&mut self, publish: Publish<'_>) -> usize {
        self.act(&Action::Publish(publish))
    }

    /// Has a group served twice in a turn.
    pub fn weigh(&mut self, group: &[u8]) -> usize {
        let setting = Setting::GroupWeight { group: group.into(), weight: 2 };
        self.act(&Action::Configure(vec![setting]))
    }

    /// Takes `jobs`, which have to be there.
    pub fn consume(&mut self, jobs: usize, ttr: Millis) -> usize {
        self.consume_as(b"worker", jobs, ttr)
    }

    /// The same in the name of a worker.
    pub fn consume_as(&mut self, worker: &[u8], jobs: usize, ttr: Millis) -> usize {
        let holder = Holder { worker, ttr, counted: true };
        let consume = Consume { count: jobs as u32, holder };
        let (outcome, allocations) = allocations_of(|| {
            let chosen = self.queue.choose(Request::Consume(consume)).expect("nothing is refused");
            let lease = chosen.expect("there is something to take");
            self.queue.apply(lease).expect("what was chosen can be applied")
        });
        let Outcome::Leased(leased) = outcome else { panic!("{outcome:?} is no lease") };
        assert_eq!(leased.len(), jobs);
        self.taken = leased.to_vec();
        allocations
    }

    /// Ends the leases that were granted last.
    pub fn settle(&mut self, verdict: Verdict<'_>) -> usize {
        let receipt_of = |&(slot, token): &(Slot, Token)| self.queue.job(slot).id().receipt(token);
        let receipts: Vec<_> = self.taken.iter().map(receipt_of).collect();
        let named = |receipt| JobRef::parse(receipt).expect("a receipt of the queue's own");
        let jobs = receipts.iter().map(|receipt| named(receipt.as_bytes())).collect();
        let settle = Action::Settle { jobs, verdict };
        self.act(&settle)
    }

    /// Lets time pass, and `due` transitions happen.
    pub fn pass(&mut self, span: Millis, due: u32) -> usize {
        let tick = Operation::Tick { now: self.queue.clock().after(span), budget: u32::MAX };
        let (outcome, allocations) = allocations_of(|| self.queue.apply(tick));
        assert_eq!(outcome, Ok(Outcome::Ticked(due)));
        allocations
    }

    fn act(&mut self, action: &Action<'_>) -> usize {
        let (_, allocations) = allocations_of(|| {
            self.queue.check(action).expect("nothing is refused");
            self.queue.act(action).expect("what was checked can be done")
        });
        allocations
    }
}
