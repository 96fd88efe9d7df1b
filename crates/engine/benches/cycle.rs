//! What the steps of a job's life cost, in instructions: fixed workloads without a clock.
//!
//! `scripts/instructions` runs one section at a time under callgrind, which counts within
//! [`counted`] only. Without valgrind
//!
//!     cargo bench --package jobq-engine --bench cycle [-- SECTION]
//!
//! plays the sections, and prints for how many jobs each has counted its steps.

use jobq_engine::{
    Action, Bodies, Consume, Due, Holder, JobRef, Millis, Name, Operation, Outcome, Publish, Queue,
    Request, Slot, StateKind, Token, UnixMillis, Verdict,
};

/// When every workload begins.
const START: UnixMillis = UnixMillis(1_700_000_000_000);
const BODY: &[u8] = &[b'x'; 128];
/// Longer than a workload lasts that does not wait: a millisecond a job.
const A_WHILE: Millis = Millis(10_000);
const AN_HOUR: Millis = Millis(3_600_000);

/// Jobs of a workload: steps that come up once in hundreds of jobs, such as a table that grows, get
/// their share.
const JOBS: usize = 8_192;
/// Jobs before those that are counted, so that a queue is no longer new.
const FIRST: usize = 64;
/// Jobs that have nothing to do with those that are counted.
const BESIDE: usize = 100_000;
/// Of workers, so that leases end at many instants.
const TTRS: usize = 64;
/// Due transitions a tick, as in the module.
const TICK_BUDGET: u32 = 128;

/// What a client or the host does, that can be counted.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Publish,
    Consume,
    Settle,
    Tick,
    Find,
}

/// One figure: its name, where it begins, which steps are counted, and what is done for [`JOBS`]
/// jobs.
type Section = (&'static str, fn() -> World, &'static [Step], fn(&mut World));

const CYCLE: &[Step] = &[Step::Publish, Step::Consume, Step::Settle];

const SECTIONS: [Section; 15] = [
    ("publish", World::new, &[Step::Publish], |world| world.cycles(1)),
    ("consume", World::new, &[Step::Consume], |world| world.cycles(1)),
    ("ack", World::new, &[Step::Settle], |world| world.cycles(1)),
    ("publish-64", World::new, &[Step::Publish], |world| world.cycles(64)),
    ("consume-64", World::new, &[Step::Consume], |world| world.cycles(64)),
    ("ack-64", World::new, &[Step::Settle], |world| world.cycles(64)),
    ("cycle-beside-ready", World::beside_ready, CYCLE, |world| world.cycles(1)),
    ("cycle-beside-delayed", World::beside_delayed, CYCLE, |world| world.cycles(1)),
    ("cycle-beside-leased", World::beside_leased, CYCLE, |world| world.cycles(1)),
    ("find", World::beside_ready, &[Step::Find], World::look_ups),
    ("idle-tick", World::new, &[Step::Tick], |world| world.cycles(1)),
    ("publish-delayed", World::new, &[Step::Publish], World::delays),
    ("wake", World::new, &[Step::Tick], World::delays),
    ("lapse", World::new, &[Step::Tick], World::lapses),
    ("nack", World::new, &[Step::Settle], World::failures),
];

fn main() {
    let asked = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    for (name, begin, steps, workload) in SECTIONS {
        if asked.as_ref().is_none_or(|asked| asked == name) {
            let mut world = begin();
            world.counts = steps;
            workload(&mut world);
            println!("{name} {JOBS}");
        }
    }
}

/// Where callgrind counts. Never inlined, so that it is found.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// A queue, and what its clients have in their hands.
struct World {
    queue: Queue,
    taken: Vec<(Slot, Token)>,
    /// Which steps are counted from now on.
    counts: &'static [Step],
}

impl World {
    /// An empty queue that is no longer new.
    fn new() -> Self {
        let mut world = Self { queue: Queue::new(42), taken: Vec::new(), counts: &[] };
        world.tick(START);
        (0..FIRST).for_each(|_| world.cycle(1));
        world
    }

    fn beside_ready() -> Self {
        let mut world = Self::new();
        (0..BESIDE).for_each(|_| world.publish(1, Due::Now));
        world
    }

    fn beside_delayed() -> Self {
        let mut world = Self::new();
        (0..BESIDE).for_each(|n| world.publish(1, Due::In(scattered(n))));
        world
    }

    fn beside_leased() -> Self {
        let mut world = Self::new();
        for n in 0..BESIDE {
            world.publish(1, Due::Now);
            world.consume(1, scattered(n % TTRS));
        }
        world
    }

    /// Publishes, takes and acknowledges, `batch` jobs a command, each batch in a millisecond of
    /// its own.
    fn cycles(&mut self, batch: usize) {
        for _ in 0..JOBS / batch {
            self.pass(Millis(1));
            self.cycle(batch);
        }
    }

    fn cycle(&mut self, batch: usize) {
        self.publish(batch, Due::Now);
        self.consume(batch, Millis::ZERO);
        self.settle(Verdict::Ack);
    }

    /// Delayed jobs, and the ticks at which they become ready.
    fn delays(&mut self) {
        (0..JOBS).for_each(|n| self.publish(1, Due::In(scattered(n))));
        self.pass(AN_HOUR);
        assert_eq!(self.queue.len_of(StateKind::Ready), JOBS);
    }

    /// Leases that nobody ends, and the ticks at which they lapse.
    fn lapses(&mut self) {
        (0..JOBS).for_each(|_| self.publish(1, Due::Now));
        (0..JOBS).for_each(|n| self.consume(1, scattered(n % TTRS)));
        self.pass(AN_HOUR);
        assert_eq!(self.queue.len_of(StateKind::Ready), JOBS);
    }

    /// Tries that fail, and are put off by the backoff.
    fn failures(&mut self) {
        for _ in 0..JOBS {
            self.publish(1, Due::Now);
            self.consume(1, Millis::ZERO);
            self.settle(Verdict::Nack { delay: None, error: None });
        }
        assert_eq!(self.queue.len_of(StateKind::Delayed), JOBS);
    }

    /// Looks for jobs by their ids, not in the order in which they came.
    fn look_ups(&mut self) {
        let line = self.queue.peek(BESIDE);
        for n in 0..JOBS {
            let slot = line[scattered(n).0 as usize % line.len()];
            let id = self.queue.job(slot).id().text();
            let job = named(&id);
            let found = self.step(Step::Find, |queue| queue.find(&job));
            assert_eq!(found, Some(slot));
        }
    }

    fn publish(&mut self, batch: usize, due: Due) {
        let bodies = if batch == 1 { Bodies::One(BODY) } else { Bodies::Many(vec![BODY; batch]) };
        let publish = Publish { due, ..Publish::new(bodies) };
        let publish = Action::Publish(publish);
        self.step(Step::Publish, |queue| act(queue, &publish));
    }

    fn consume(&mut self, batch: usize, ttr: Millis) {
        let holder = Holder { worker: &b"worker"[..], ttr, counted: true };
        let consume = Consume { count: batch as u32, holder };
        let outcome = self.step(Step::Consume, |queue| take(queue, consume));
        let Some(Outcome::Leased(leased)) = outcome else { panic!("{outcome:?} is no lease") };
        assert_eq!(leased.len(), batch);
        self.taken.clear();
        self.taken.extend(leased);
    }

    /// Ends all leases that were taken last.
    fn settle(&mut self, verdict: Verdict<'_>) {
        let receipt_of = |&(slot, token): &(Slot, Token)| self.queue.job(slot).id().receipt(token);
        let receipts: Vec<_> = self.taken.iter().map(receipt_of).collect();
        let jobs = receipts.iter().map(named).collect();
        let settle = Action::Settle { jobs, verdict };
        self.step(Step::Settle, |queue| act(queue, &settle));
    }

    fn pass(&mut self, span: Millis) {
        self.tick(self.queue.clock().after(span));
    }

    /// Lets everything happen that is due by `now`.
    fn tick(&mut self, now: UnixMillis) {
        let tick = Operation::Tick { now, budget: TICK_BUDGET };
        self.step(Step::Tick, |queue| {
            while queue.apply(tick.clone()) == Ok(Outcome::Ticked(TICK_BUDGET)) {}
        });
    }

    fn step<T>(&mut self, step: Step, work: impl FnOnce(&mut Queue) -> T) -> T {
        if self.counts.contains(&step) {
            counted(|| work(&mut self.queue))
        } else {
            work(&mut self.queue)
        }
    }
}

fn take(queue: &mut Queue, consume: Consume<'_>) -> Option<Outcome> {
    let operation = queue.choose(Request::Consume(consume)).expect("nothing is refused")?;
    Some(queue.apply(operation).expect("what was chosen can be applied"))
}

fn act(queue: &mut Queue, action: &Action<'_>) -> Outcome {
    queue.check(action).expect("nothing is refused");
    queue.act(action).expect("what was checked can be done")
}

fn named(name: &Name) -> JobRef<'_> {
    JobRef::parse(name.as_bytes()).expect("a name that the queue has made")
}

/// Spans from a while to an hour, the same in every run and in no order.
fn scattered(n: usize) -> Millis {
    let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Millis(A_WHILE.0 + mixed % (AN_HOUR.0 - A_WHILE.0))
}
