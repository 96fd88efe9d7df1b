//! A world in which everything goes wrong that can: requests and replies are lost and repeated,
//! workers vanish, clocks stand still and jump, the replica lags and is promoted, the primary
//! crashes at any record and comes back from its log or from a snapshot and what follows it, whole
//! or without its end.
//!
//! After every step: what vanished from the queue vanished for a reason, no job is delivered too
//! early or too often, at most one receipt of a job holds, no limit gives more than it has, no group is
//! passed over twice, a schedule runs once for each occurrence, a bond lasts as long as its lease, and the queue is sound. Wherever two copies are
//! of the same history, they are equal.
//!
//! `JOBQ_SEED=7` runs one world, `JOBQ_SEEDS=1000` as many, `JOBQ_STEPS=1000000` for so long.

mod messengers; // subscribers, and those who tell them
mod rounds; // schedules, as one who looks on counts them
mod shares; // limits and turns, as one who looks on counts them
mod ties; // leases that are bound to connections

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jobq_engine::{
    Backoff, BatchOrder, Change, Due, Haste, Holder, Listing, Millis, Notice, Outcome, Owner,
    Queue, Refusal, Retain, Revival, Setting, Side, StateKind, UnixMillis, Verdict, WhenExpired,
    WhenLapsed, Wishes,
};

use crate::{
    command::{perform, Answer, Chosen, Command, Draft},
    replay::{any_batch, any_conditions, any_gates, any_group, any_limit, GATES},
    schedules::{any_order, plans, Order},
    support::{for_seeds, load, named, number, Dice},
};
use messengers::Messengers;
use rounds::Rounds;
use shares::{Shares, Standing};
use ties::Ties;

const SEEDS: u64 = 40;
const STEPS: u64 = 2_500;

/// Beyond this many jobs, producers rest.
const JOBS_MAX: usize = 30;

/// As the module has it: tokens of a new term begin at its instant times this power of two.
const TOKENS_PER_MILLI_BITS: u32 = 10;

/// What an emptied queue may keep: the room of its tables, which is about the same after 2,500 steps and
/// after 20,000, and what it remembers: up to 10 KB of numbers and 5 KB of events.
const DRAINED_BYTES_MAX: usize = 26_624;

/// Records that a crash may lose where the log is not written through.
const LOST_RECORDS_MAX: u64 = 12;

#[test]
fn whatever_goes_wrong_nothing_is_lost_and_all_copies_agree() {
    let steps = number("JOBQ_STEPS").unwrap_or(STEPS);
    let totals = for_seeds(SEEDS, |seed| World::new(seed).run(steps));
    let mut met = Tally::default();
    totals.iter().flatten().for_each(|(what, times)| *met.entry(what).or_default() += times);
    println!("{} worlds: {met:#?}", totals.len());
    if totals.len() as u64 >= SEEDS {
        for what in EVENTS {
            assert!(met.contains_key(what), "{what} did not happen in {} worlds", totals.len());
        }
    }
}

/// How often something happened.
type Tally = BTreeMap<&'static str, u64>;

/// What has to happen in some world, or the simulation shows less than it says.
const EVENTS: [&str; 36] = [
    "request lost",
    "reply lost",
    "publish repeated",
    "duplicate merged",
    "duplicate refused",
    "settlement repeated",
    "worker vanished",
    "stale receipt refused",
    "clock stood",
    "clock jumped back",
    "clock jumped ahead",
    "restart from the log",
    "restart from a snapshot and the log",
    "restart without the log's end",
    "log rewritten",
    "replica reloaded",
    "replica promoted",
    "replica promoted while it lagged",
    "acknowledged publish lost with the log's end",
    "job expired",
    "job died",
    "job cancelled that waited",
    "job cancelled that was leased",
    "job held",
    "job waited for a limit",
    "limit full",
    "group waited for its turn",
    "lease bound",
    "lease ended with its connection",
    "lease touched though its connection is gone",
    "job chained",
    "subscriber told",
    "notice told again",
    "schedule planned",
    "schedule changed",
    "run seen",
];

/// What a producer wants done until it is told that it was.
#[derive(Default)]
struct Producer {
    pending: Option<Draft>,
}

/// What a worker believes that it holds.
#[derive(Default)]
struct Worker {
    // What its connection is to the server, if it has one.
    connection: Option<Owner>,
    receipts: Vec<String>,
    pending: Option<Command>,
}

struct World {
    seed: u64,
    dice: Dice,
    // What the server's clock shows.
    clock: u64,
    // The latest that it has ever shown.
    latest_clock: u64,
    primary: Queue,
    replica: Queue,
    // A snapshot at some record, and all records since.
    base: Vec<Vec<u8>>,
    log: Vec<Command>,
    log_begins: u64,
    replica_applied: u64,
    producers: Vec<Producer>,
    workers: Vec<Worker>,
    // Publishes that were acknowledged, by the record that holds them.
    acknowledged: HashMap<String, u64>,
    // Deliveries that counted, as the workers count them.
    deliveries: HashMap<String, u32>,
    // Receipts that were ever given, by what clients know: also those whose lease was lost with the
    // log's end.
    issued: HashSet<String>,
    // The latest receipt of each job.
    latest: HashMap<String, String>,
    ids_drawn: u64,
    shares: Shares,
    ties: Ties,
    messengers: Messengers,
    rounds: Rounds,
    met: Tally,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with JOBQ_SEED={} at record {}", self.seed, self.records());
        }
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let queue = Queue::new(seed);
        Self {
            seed,
            dice: Dice(seed),
            clock: 1_763_700_000_000,
            latest_clock: 1_763_700_000_000,
            primary: queue.clone(),
            replica: queue.clone(),
            base: queue.frames().collect(),
            log: Vec::new(),
            log_begins: 0,
            replica_applied: 0,
            producers: (0..3).map(|_| Producer::default()).collect(),
            workers: (0..4).map(|_| Worker::default()).collect(),
            acknowledged: HashMap::new(),
            deliveries: HashMap::new(),
            issued: HashSet::new(),
            latest: HashMap::new(),
            ids_drawn: 0,
            shares: Shares::default(),
            ties: Ties::default(),
            messengers: Messengers::default(),
            rounds: Rounds::default(),
            met: Tally::new(),
        }
    }

    fn run(mut self, steps: u64) -> Tally {
        for _ in 0..steps {
            self.step();
        }
        self.come_to_rest();
        std::mem::take(&mut self.met)
    }

    fn met(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    /// How many records were written in all.
    fn records(&self) -> u64 {
        self.log_begins + self.log.len() as u64
    }

    fn step(&mut self) {
        self.forget_the_gone();
        if self.primary.clock() == UnixMillis(0) {
            // A server tells the time before anything else.
            self.tick(0);
        }
        while let Some(set) = self.rounds.missing(&self.primary) {
            self.serve(&set).expect("nothing to refuse");
        }
        match self.dice.below(100) {
            0..14 => self.time_passes(),
            14..44 => self.producer_acts(),
            44..82 => self.worker_acts(),
            82..84 => self.messenger_acts(),
            84..86 => self.operator_acts(),
            86..94 => self.replica_catches_up(),
            94..96 => self.timer_turns(),
            96..97 => self.log_is_rewritten(),
            97..98 => self.replica_is_reloaded(),
            98..99 => self.primary_crashes(),
            _ => self.replica_is_promoted(),
        }
    }

    /// Forgets what is known of jobs that are long gone, or a long run would go through all of them.
    fn forget_the_gone(&mut self) {
        let most = 4 * JOBS_MAX;
        let lives = |id: &String| self.primary.find_id(id).is_some();
        if self.acknowledged.len() > most {
            self.acknowledged.retain(|id, _| lives(id));
        }
        if self.latest.len() > most {
            self.latest.retain(|id, _| lives(id));
        }
        if self.deliveries.len() > most {
            self.deliveries.retain(|id, _| lives(id));
        }
    }

    fn time_passes(&mut self) {
        match self.dice.below(40) {
            0 => {
                self.clock -= self.dice.below(20_000);
                self.met("clock jumped back");
            }
            1 => {
                self.clock += self.dice.below(90_000);
                self.met("clock jumped ahead");
            }
            2..8 => self.met("clock stood"),
            _ => self.clock += self.dice.below(40),
        }
        self.latest_clock = self.latest_clock.max(self.clock);
        if self.dice.one_in(3) {
            self.end_with_connections();
        }
    }

    fn timer_turns(&mut self) {
        let budget = self.dice.pick(&[1, 3, 128]);
        self.tick(budget);
        self.end_with_connections();
    }

    /// Settles leases that end with connections, as the timer does.
    fn end_with_connections(&mut self) {
        let jobs = self.ties.over(&self.primary, self.clock);
        if jobs.is_empty() {
            return;
        }
        self.tick(128);
        let verdict = match self.primary.config().bind_counts {
            true => Verdict::Nack { delay: Some(Millis::ZERO), error: Some(b"connection closed") },
            false => Verdict::Release { delay: Millis::ZERO, counted: false },
        };
        let settle = Command::Settle { jobs, verdict };
        let told = self.serve(&settle).expect("nothing to refuse");
        if told != Answer::Other(Outcome::Done(0)) {
            self.met("lease ended with its connection");
        }
        assert!(self.ties.over(&self.primary, self.clock).is_empty(), "they hold still");
    }

    /// The connection of a worker closes. It may go on with another.
    fn disconnect(&mut self, at: usize) {
        if let Some(owner) = self.workers[at].connection.take() {
            self.ties.close(&mut self.primary, owner, self.clock);
        }
    }

    fn producer_acts(&mut self) {
        let at = self.dice.below(self.producers.len() as u64) as usize;
        let draft = match self.producers[at].pending.take() {
            Some(draft) => {
                self.met("publish repeated");
                draft
            }
            None if self.primary.len() >= JOBS_MAX => return,
            None => self.any_draft(),
        };
        let id = draft.id.clone().expect("each has an id");
        let replaces_is_gone = |world: &Self| {
            draft.replaces.as_ref().is_some_and(|id| world.primary.find_id(id).is_none())
        };
        match self.send(&Command::Publish(draft.clone())) {
            None => self.producers[at].pending = Some(draft),
            // The id of the job itself, or of the one that stands for it.
            Some(Ok(Answer::Ids(ids))) => {
                if ids[0] != id {
                    self.met("duplicate merged");
                }
                self.acknowledged.insert(ids[0].clone(), self.records());
            }
            Some(Ok(told)) => panic!("{told:?}"),
            // An earlier attempt got through, and only its reply was lost.
            Some(Err(Refusal::Duplicate(other))) if other == id => {
                self.acknowledged.insert(id, self.records());
            }
            Some(Err(Refusal::Duplicate(_))) => self.met("duplicate refused"),
            Some(Err(Refusal::NoSuchJob)) => assert!(replaces_is_gone(self)),
            Some(Err(_)) => {}
        }
    }

    fn any_draft(&mut self) -> Draft {
        self.ids_drawn += 1;
        let dice = &mut self.dice;
        let now = UnixMillis(self.clock);
        let wishes = Wishes {
            tries: dice.maybe(50, |dice| 1 + dice.below(4) as u32),
            ttr: dice.maybe(70, |dice| Millis(1 + dice.below(400))),
            ttl: dice.maybe(20, |dice| Millis(500 + dice.below(3_000))),
            backoff: dice.maybe(70, |dice| Backoff::Fixed(Millis(dice.below(100)))),
            retain: dice.maybe(30, |dice| Retain::For(Millis(dice.below(500)))),
            priority: dice.maybe(20, |dice| dice.below(5) as i8 - 2),
            job_type: None,
            group: any_group(dice),
        };
        let due = if dice.one_in(4) { Due::In(Millis(dice.below(400))) } else { Due::Now };
        let deadline = dice.maybe(10, |dice| now.after(Millis(500 + dice.below(3_000))));
        let known: Vec<_> =
            self.acknowledged.keys().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let after = match dice.below(8) {
            0 if !known.is_empty() => vec![dice.pick(&known)],
            _ => Vec::new(),
        };
        let replaces =
            dice.maybe(5, |dice| (!known.is_empty()).then(|| dice.pick(&known))).flatten();
        Draft {
            bodies: vec![b"work".to_vec()],
            id: Some(format!("job-{}", self.ids_drawn)),
            due,
            deadline,
            headers: Vec::new(),
            replaces,
            wishes,
            conditions: any_conditions(dice),
            after,
            distant: Vec::new(),
        }
    }

    fn worker_acts(&mut self) {
        let at = self.dice.below(self.workers.len() as u64) as usize;
        if self.dice.one_in(30) {
            return self.disconnect(at);
        }
        if self.dice.one_in(60) {
            self.disconnect(at);
            self.workers[at] = Worker::default();
            return self.met("worker vanished");
        }
        if let Some(command) = self.workers[at].pending.take() {
            self.met("settlement repeated");
            return self.settle(at, command);
        }
        if self.workers[at].receipts.is_empty() || self.dice.one_in(6) {
            let holder = Holder {
                worker: format!("w{at}").into_bytes().into(),
                ttr: self.dice.maybe(20, |dice| Millis(1 + dice.below(500))).unwrap_or_default(),
                counted: !self.dice.one_in(10),
            };
            let count = self.dice.pick(&[1, 1, 1, 4]);
            if self.dice.one_in(3) {
                let owner = self.workers[at].connection;
                let owner = owner.unwrap_or_else(|| self.ties.new_owner());
                self.workers[at].connection = Some(owner);
                self.ties.asked = Some((owner, Millis(self.dice.pick(&[0, 0, 50, 400]))));
            }
            // A reply that is lost is a delivery that nobody knows of: its lease has to lapse.
            if let Some(Ok(Answer::Deliveries(jobs))) =
                self.send(&Command::Consume { count, holder })
            {
                let receipts = jobs.iter().map(|(id, token)| format!("{id}@{token}"));
                self.workers[at].receipts.extend(receipts);
            }
            return;
        }
        let receipt = self.dice.below(self.workers[at].receipts.len() as u64) as usize;
        let receipt = self.workers[at].receipts[receipt].clone();
        if self.dice.one_in(12) && self.primary.len() < JOBS_MAX {
            let next = Draft { replaces: None, ..self.any_draft() };
            return self.settle(at, Command::Chain { done: receipt, next });
        }
        let dice = &mut self.dice;
        let verdict = match dice.below(14) {
            0..5 => Verdict::Ack,
            5..7 => Verdict::Fulfill {
                result: b"42",
                retain: dice.maybe(40, |_| Retain::For(Millis(300))),
            },
            7..9 => {
                Verdict::Nack { delay: dice.maybe(40, |dice| Millis(dice.below(200))), error: None }
            }
            9 => Verdict::Release { delay: Millis(dice.below(2) * 50), counted: !dice.one_in(4) },
            10 => Verdict::Bury { error: Some(b"no use") },
            _ => {
                let touch =
                    Command::Touch { jobs: vec![receipt], ttr: None, progress: None, result: None };
                drop(self.send(&touch));
                return;
            }
        };
        self.settle(at, Command::Settle { jobs: vec![receipt], verdict });
    }

    /// Settles one delivery, and again if no reply comes.
    fn settle(&mut self, at: usize, command: Command) {
        let receipt = match &command {
            Command::Settle { jobs, .. } => jobs[0].clone(),
            Command::Chain { done, .. } => done.clone(),
            other => panic!("{other:?}"),
        };
        let held = self.primary.find(&named(&receipt)).is_some();
        match self.send(&command) {
            None => self.workers[at].pending = Some(command),
            Some(Ok(Answer::Other(Outcome::Done(done)))) => {
                self.workers[at].receipts.retain(|other| *other != receipt);
                if done == 0 {
                    self.met("stale receipt refused");
                }
                // The lease may have lapsed in the tick before, but never come back.
                assert!(held || done == 0, "{receipt} settled what it does not hold");
            }
            Some(Ok(Answer::Ids(next))) => {
                self.workers[at].receipts.retain(|other| *other != receipt);
                match next.first() {
                    None => self.met("stale receipt refused"),
                    Some(next) => {
                        assert!(held, "{receipt} is followed, and did not hold");
                        assert!(self.primary.find(&named(&receipt)).is_none(), "{receipt} holds");
                        self.acknowledged.insert(next.clone(), self.records());
                        self.met("job chained");
                    }
                }
            }
            // The successor is not taken, and the lease goes on.
            Some(Err(_)) if matches!(command, Command::Chain { .. }) => {}
            Some(other) => panic!("{other:?} to {command:?}"),
        }
    }

    /// Somebody subscribes, or takes a notice, or says who was told.
    fn messenger_acts(&mut self) {
        match self.dice.below(4) {
            0..2 => {
                let known: BTreeSet<_> = self.acknowledged.keys().cloned().collect();
                if known.is_empty() {
                    return;
                }
                let job = self.dice.pick(&known.into_iter().collect::<Vec<_>>());
                let target = self.messengers.new_target();
                let subscribe = Command::Subscribe { job, targets: vec![target.clone()] };
                if let Some(Ok(Answer::Other(Outcome::Done(1)))) = self.send(&subscribe) {
                    self.messengers.subscribed(target, self.records());
                }
            }
            2 => {
                let ttr = Some(Millis(1 + self.dice.below(300)));
                let count = self.dice.pick(&[1, 3]);
                if let Some(Ok(taken)) = self.send(&Command::TakeNotices { count, ttr }) {
                    self.take(&taken);
                }
            }
            _ => {
                let partly = self.dice.one_in(3);
                let Some(report) = self.messengers.next_report(partly) else { return };
                match self.send(&report) {
                    Some(Ok(Answer::Other(Outcome::CrossedOff(Some(_))))) => {
                        self.messengers.reported(&report, self.records());
                        self.met("subscriber told");
                    }
                    _ => self.met("notice told again"),
                }
            }
        }
    }

    fn take(&mut self, taken: &Answer) {
        for receipt in messengers::receipts(taken) {
            let told = |(_, notice): (u64, &Notice)| {
                let named =
                    notice.receipt().is_some_and(|name| name.as_bytes() == receipt.as_bytes());
                named.then(|| notice.targets.iter().map(|target| target.to_vec()).collect())
            };
            let targets: Vec<Vec<u8>> =
                self.primary.all_notices().find_map(told).expect("just taken");
            self.messengers.took(receipt, targets);
        }
    }

    fn operator_acts(&mut self) {
        let dice = &mut self.dice;
        let any = |dice: &mut Dice| Chosen::First(dice.pick(&[1, 3, u64::MAX]));
        let state = dice.pick(&StateKind::ALL);
        let command = match dice.below(44) {
            0..4 => Command::Kick(any(dice)),
            4..12 => {
                let tries = dice.maybe(50, |dice| 1 + dice.below(3) as u32);
                Command::Respawn {
                    chosen: any(dice),
                    revival: Revival { tries, ..Revival::default() },
                }
            }
            12 => Command::Purge { state, count: 1 },
            13 => Command::BuryAll { state: StateKind::Ready, count: 2 },
            14..17 => Command::Pause { side: Side::Out, span: Millis(1 + dice.below(100)) },
            17 => Command::Resume,
            38.. => {
                let now = self.clock;
                let order = any_order(dice, now, &mut |_| Draft::plain(b"round"));
                if matches!(order, Order::Replace(_)) {
                    return;
                }
                self.met("schedule changed");
                Command::Schedule(order)
            }
            28..33 => any_gates(dice),
            33..35 => any_batch(dice),
            35..38 => any_limit(dice),
            18..20 => {
                let Some(id) = self.latest.keys().min().cloned() else { return };
                let change = Change { priority: Some(-1), ..Change::default() };
                Command::Update { job: id, change }
            }
            24 => {
                let known: BTreeSet<_> = self.latest.keys().cloned().collect();
                let jobs = known.into_iter().filter(|_| dice.one_in(2)).collect();
                Command::Hasten { jobs, haste: dice.pick(&Haste::ALL) }
            }
            20..24 => {
                let known: BTreeSet<_> = self.latest.keys().cloned().collect();
                if known.is_empty() {
                    return;
                }
                Command::Cancel(dice.pick(&known.into_iter().collect::<Vec<_>>()))
            }
            _ => Command::Configure(vec![dice.pick(&[
                Setting::DeadMax(0),
                Setting::DeadMax(4),
                Setting::DeadAge(Millis(5_000)),
                Setting::DeadAge(Millis(0)),
                Setting::Expired(WhenExpired::Bury),
                Setting::Expired(WhenExpired::Drop),
                Setting::Lapse(WhenLapsed::Backoff),
                Setting::Lapse(WhenLapsed::Ready),
                Setting::Retain(Retain::For(Millis(100))),
                Setting::Retain(Retain::NONE),
                Setting::ReleasesMax(2),
                Setting::ReleasesMax(0),
                Setting::Events(0),
                Setting::Events(100),
                Setting::Trail(0),
                Setting::Trail(16),
                Setting::BindCounts(true),
                Setting::BindCounts(false),
                Setting::GroupWeight { group: b"acme".as_slice().into(), weight: 3 },
                Setting::GroupWeight { group: b"acme".as_slice().into(), weight: 1 },
            ])]),
        };
        drop(self.send(&command));
    }

    /// Sends a request: `None` if no reply comes, whether or not the server got it.
    fn send(&mut self, command: &Command) -> Option<Result<Answer, Refusal>> {
        if self.dice.one_in(12) {
            self.met("request lost");
            self.ties.asked = None;
            return None;
        }
        self.tick(128);
        let reply = self.serve(command);
        if self.dice.one_in(12) {
            self.met("reply lost");
            return None;
        }
        Some(reply)
    }

    fn tick(&mut self, budget: u32) {
        let command = Command::Tick { now: self.clock, budget };
        let told = self.serve(&command).expect("a tick is not refused");
        let Answer::Other(Outcome::Ticked(done)) = told else { panic!("{told:?}") };
        let now = UnixMillis(self.clock);
        let plans = plans(&self.primary);
        let is_due = plans.is_empty() && self.primary.is_due(now);
        assert!(done >= budget || !is_due, "a tick leaves what is due");
        for plan in plans {
            self.serve(&plan).expect("it is awaited");
            self.met("schedule planned");
        }
    }

    /// The primary does what it is asked, writes it down, and is looked at.
    fn serve(&mut self, command: &Command) -> Result<Answer, Refusal> {
        let before = Sight::of(&self.primary);
        let standing = Standing::of(&self.primary);
        let digest = self.primary.digest();
        let (told, logged) = match perform(&mut self.primary, command) {
            Ok((told, logged)) => (Ok(told), logged),
            Err(refusal) => (Err(refusal), None),
        };
        match logged {
            Some(logged) => self.log.push(logged),
            None => assert_eq!(self.primary.digest(), digest, "{command:?} is not in the log"),
        }
        let record = self.records();
        let seen = self.rounds.seen();
        self.rounds.look(&self.primary, record);
        if self.rounds.seen() > seen {
            self.met("run seen");
        }
        if let Ok(told) = &told {
            self.look(command, told, &before);
            let seen = self.shares.look(&self.primary, command, told, &standing);
            seen.into_iter().for_each(|what| self.met(what));
            if let Answer::Deliveries(jobs) = told {
                if self.ties.bind(&mut self.primary, jobs) {
                    self.met("lease bound");
                }
            }
            if self.ties.look(&mut self.primary, command, told) {
                self.met("lease touched though its connection is gone");
            }
        }
        told
    }

    /// Looks at what a step has done to each job.
    fn look(&mut self, command: &Command, told: &Answer, before: &Sight) {
        let queue = &self.primary;
        queue.check_invariants().unwrap_or_else(|broken| panic!("{broken}, after {command:?}"));
        let after = Sight::of(queue);
        for (id, job) in &before.jobs {
            if !after.jobs.contains_key(id) || after.jobs[id].ulid != job.ulid {
                assert!(explains(queue, command, id, job), "{id} vanished: {job:?}, {command:?}");
            }
        }
        if let Answer::Deliveries(deliveries) = told {
            for (id, token) in deliveries {
                let job = &before.jobs[id];
                assert_eq!(job.state, StateKind::Ready, "{id} was not to be had");
                assert!(job.due <= queue.clock(), "{id} is delivered before it is due");
                let Command::Consume { holder, .. } = command else { panic!("{command:?}") };
                let leader = queue.job(queue.find_id(id).expect("just delivered"));
                let others = queue.followers(leader).map(|slot| queue.job(slot));
                for job in std::iter::once(leader).chain(others) {
                    let id = job.id().to_string();
                    let count = self.deliveries.entry(id.clone()).or_default();
                    *count += u32::from(holder.counted);
                    let tries = queue.terms_of(job).tries;
                    assert!(*count <= tries, "{id} is delivered {count} times of {tries}");
                }
                let receipt = format!("{id}@{token}");
                assert!(self.issued.insert(receipt.clone()), "{receipt} is given twice");
                if let Some(earlier) = self.latest.insert(id.clone(), receipt) {
                    assert!(queue.find(&named(&earlier)).is_none(), "{earlier} holds as well");
                }
            }
        }
        // What is back to be tried anew, or given back, has its deliveries taken off.
        let counters = queue.counters();
        let (expired, died, cancelled) = (counters.expired, counters.died, counters.cancelled);
        for (id, job) in &after.jobs {
            let earlier = before.jobs.get(id);
            if job.deliveries < earlier.map_or(u32::MAX, |earlier| earlier.deliveries) {
                self.deliveries.insert(id.clone(), job.deliveries);
            }
        }
        if expired > before.expired {
            self.met("job expired");
        }
        if died > before.died {
            self.met("job died");
        }
        if cancelled > before.cancelled {
            let waited = matches!(command, Command::Cancel(_));
            self.met(match waited {
                true => "job cancelled that waited",
                false => "job cancelled that was leased",
            });
        }
        if self.primary.len_of(StateKind::Held) > 0 {
            self.met("job held");
        }
    }

    fn replica_catches_up(&mut self) {
        let behind = self.records() - self.replica_applied;
        let records = if self.dice.one_in(2) { behind } else { self.dice.below(behind + 1) };
        for _ in 0..records {
            let at = (self.replica_applied - self.log_begins) as usize;
            apply(&mut self.replica, &self.log[at]);
            self.replica_applied += 1;
        }
        if self.replica_applied == self.records() {
            assert_eq!(self.replica.digest(), self.primary.digest(), "the replica");
        }
    }

    fn replica_is_reloaded(&mut self) {
        self.met("replica reloaded");
        let digest = self.replica.digest();
        self.replica = reload(&self.replica);
        assert_eq!(self.replica.digest(), digest);
    }

    fn log_is_rewritten(&mut self) {
        // The replica would have to be synchronized anew if it were behind.
        let behind = self.records() - self.replica_applied;
        if behind > 0 {
            return;
        }
        self.met("log rewritten");
        self.log_begins = self.records();
        self.log.clear();
        self.base = self.primary.frames().collect();
    }

    fn primary_crashes(&mut self) {
        let digest = self.primary.digest();
        let lost = if self.dice.one_in(3) { self.dice.below(LOST_RECORDS_MAX) } else { 0 };
        let lost = lost.min(self.log.len() as u64);
        let kept = self.records() - lost;
        let whole = self.recovered(kept);
        self.met(match (lost, self.log_begins) {
            (0, 0) => "restart from the log",
            (0, _) => "restart from a snapshot and the log",
            _ => "restart without the log's end",
        });
        if lost == 0 {
            assert_eq!(whole.digest(), digest, "what comes back");
        }
        self.come_back_at(kept, whole);
        // A replica that is ahead of what came back is synchronized anew.
        if self.replica_applied > kept {
            self.replica = reload(&self.primary);
            self.replica_applied = self.records();
        }
    }

    fn replica_is_promoted(&mut self) {
        let kept = self.replica_applied;
        let lags = kept < self.records();
        self.met(if lags { "replica promoted while it lagged" } else { "replica promoted" });
        // The old primary comes back as its replica, and learns everything anew.
        let promoted = std::mem::replace(&mut self.replica, Queue::new(0));
        self.come_back_at(kept, promoted);
        self.replica = reload(&self.primary);
        self.replica_applied = self.records();
    }

    /// What the snapshot and the log up to a record make of a new server.
    fn recovered(&self, records: u64) -> Queue {
        let mut queue = load(&self.base).expect("a snapshot is whole");
        for command in &self.log[..(records - self.log_begins) as usize] {
            apply(&mut queue, command);
        }
        queue
    }

    /// The world goes on from an earlier record: what came later has not happened, though clients
    /// may think so.
    fn come_back_at(&mut self, records: u64, queue: Queue) {
        self.log.truncate((records - self.log_begins) as usize);
        self.rounds.come_back_at(records);
        let promised = self.acknowledged.len();
        self.acknowledged.retain(|_, record| *record <= records);
        if self.acknowledged.len() < promised {
            self.met("acknowledged publish lost with the log's end");
        }
        self.messengers.forget_after(records);
        let is_lossy = queue.digest() != self.primary.digest();
        self.primary = queue;
        self.ties.forget();
        self.workers.iter_mut().for_each(|worker| worker.connection = None);
        let jobs = Sight::of(&self.primary).jobs;
        self.deliveries = jobs.into_iter().map(|(id, job)| (id, job.deliveries)).collect();
        if is_lossy {
            self.latest.clear();
            self.shares.forget();
        }
        // To come back takes time, and a clock that is right again: then no token is given twice.
        self.latest_clock += 1;
        self.clock = self.latest_clock;
        self.tick(1);
        let tokens = self.latest_clock << TOKENS_PER_MILLI_BITS;
        let term = Command::Term { seed: self.dice.roll(), tokens };
        self.serve(&term).expect("a term is not refused");
    }

    /// Nothing goes wrong any more: then everything gets done, and nothing is left.
    fn come_to_rest(&mut self) {
        self.serve(&Command::Resume).expect("nothing to refuse");
        assert!(self.rounds.seen() > 0, "nothing has run");
        let none = Command::Schedule(Order::Replace(Vec::new()));
        self.serve(&none).expect("nothing to refuse");
        let names = GATES.to_vec();
        self.serve(&Command::Gate { opens: true, names: names.clone() }).expect("no refusal");
        for _ in 0..1_000 {
            self.clock += 700_000_000;
            self.tick(u32::MAX);
            let revival = Revival { tries: Some(3), ..Revival::default() };
            let respawn = Command::Respawn { chosen: Chosen::First(u64::MAX), revival };
            self.serve(&respawn).expect("nothing to refuse");
            self.tick(u32::MAX);
            // What is held for want of a job that is gone.
            let held: Vec<_> = self.held();
            self.serve(&Command::Kick(Chosen::Ids(held))).expect("nothing to refuse");
            let holder =
                Holder { worker: b"last".as_slice().into(), ttr: Millis(1_000), counted: true };
            let consume = Command::Consume { count: 1_000, holder };
            let told = self.serve(&consume).expect("nothing to refuse");
            let Answer::Deliveries(jobs) = told else { panic!("{told:?}") };
            let jobs = jobs.iter().map(|(id, token)| format!("{id}@{token}")).collect();
            let ack = Command::Settle { jobs, verdict: Verdict::Ack };
            self.serve(&ack).expect("nothing to refuse");
            let take = Command::TakeNotices { count: 1_000, ttr: None };
            let taken = self.serve(&take).expect("nothing to refuse");
            self.take(&taken);
            while let Some(report) = self.messengers.next_report(false) {
                if let Ok(Answer::Other(Outcome::CrossedOff(Some(_)))) = self.serve(&report) {
                    self.messengers.reported(&report, self.records());
                }
            }
            if self.primary.is_empty() && self.primary.notices() == 0 {
                break;
            }
        }
        self.messengers.check_all_told();
        assert!(self.primary.is_empty(), "{} jobs are left", self.primary.len());
        self.serve(&Command::Gate { opens: false, names }).expect("nothing to refuse");
        let kept = self.primary.bytes();
        assert!(kept < DRAINED_BYTES_MAX, "an empty queue keeps {kept} bytes");
        self.replica_catches_up_wholly();
        assert_eq!(self.recovered(self.records()).digest(), self.primary.digest());
    }

    fn held(&self) -> Vec<String> {
        let listing = Listing::of(StateKind::Held, JOBS_MAX);
        let held = self.primary.list(&listing).jobs.into_iter();
        held.map(|slot| self.primary.job(slot).id().to_string()).collect()
    }

    fn replica_catches_up_wholly(&mut self) {
        while self.replica_applied < self.records() {
            self.replica_catches_up();
        }
    }
}

fn apply(queue: &mut Queue, command: &Command) {
    let operation = command.operation(queue).expect("from the log");
    queue.apply(operation).unwrap_or_else(|no| panic!("{command:?}: {no}"));
}

fn reload(queue: &Queue) -> Queue {
    load(&queue.frames().collect::<Vec<_>>()).expect("as it was stored")
}

/// What can be seen of a queue.
struct Sight {
    jobs: BTreeMap<String, Seen>,
    expired: u64,
    died: u64,
    cancelled: u64,
}

#[derive(Debug)]
struct Seen {
    ulid: jobq_engine::Ulid,
    state: StateKind,
    receipt: Option<String>,
    /// The job with which it goes, and the receipt of that.
    leader: Option<(String, Option<String>)>,
    due: UnixMillis,
    ends_at: Option<UnixMillis>,
    kept_until: Option<UnixMillis>,
    is_kept: bool,
    is_cancelled: bool,
    deliveries: u32,
    is_run: bool,
}

impl Sight {
    fn of(queue: &Queue) -> Self {
        let mut jobs = BTreeMap::new();
        for state in StateKind::ALL {
            let listing = Listing::of(state, usize::MAX);
            for slot in queue.list(&listing).jobs {
                let job = queue.job(slot);
                let receipt = |job: &jobq_engine::Job| match job.state() {
                    jobq_engine::State::Leased { token, .. } => {
                        Some(format!("{}@{}", job.id(), token.0))
                    }
                    _ => None,
                };
                let kept_until = match job.state() {
                    jobq_engine::State::Completed { until, .. } => Some(until),
                    _ => None,
                };
                let leader = queue.leader_of(job);
                let leader = leader.map(|leader| (leader.id().to_string(), receipt(leader)));
                let seen = Seen {
                    ulid: job.ulid,
                    state,
                    receipt: receipt(job),
                    leader,
                    due: job.due(),
                    ends_at: queue.ends_at(job),
                    kept_until,
                    is_kept: queue.terms_of(job).retain != Retain::NONE,
                    is_cancelled: job.is_cancelled(),
                    deliveries: job.deliveries,
                    is_run: job.run().is_some(),
                };
                jobs.insert(job.id().to_string(), seen);
            }
        }
        assert_eq!(jobs.len(), queue.len(), "every job is in a list, once");
        let counters = queue.counters();
        let (expired, died, cancelled) = (counters.expired, counters.died, counters.cancelled);
        Self { jobs, expired, died, cancelled }
    }
}

/// Whether a command may have removed a job.
fn explains(queue: &Queue, command: &Command, id: &str, job: &Seen) -> bool {
    let names = |name: &String| name == id || Some(name) == job.receipt.as_ref();
    let leads = |name: &String| {
        let leader = job.leader.as_ref();
        leader.is_some_and(|(id, receipt)| name == id || Some(name) == receipt.as_ref())
    };
    let is_held = job.state == StateKind::Leased
        || job.leader.as_ref().is_some_and(|(_, receipt)| receipt.is_some());
    let now = queue.clock();
    match command {
        Command::Settle { jobs, verdict } => {
            let dies = matches!(verdict, Verdict::Ack | Verdict::Fulfill { .. });
            let is_unwanted = job.is_cancelled
                && matches!(verdict, Verdict::Nack { .. } | Verdict::Release { .. });
            // By the others of which it was one of the first to die.
            let is_one_of_many = jobs.len() > 1 && jobs.iter().any(names);
            let pushed_out =
                (job.state == StateKind::Dead || is_one_of_many) && queue.config().dead_max > 0;
            let kept = match verdict {
                Verdict::Fulfill { retain: Some(retain), .. } => *retain != Retain::NONE,
                _ => job.is_kept,
            };
            // One of a batch may be pushed out by another of it.
            let is_crowded = queue.config().dead_max > 0 && job.leader.is_some();
            pushed_out
                || (is_unwanted || dies && !kept) && jobs.iter().any(names)
                || (is_crowded || dies && !kept) && jobs.iter().any(leads)
        }
        // The run of one that follows its own end, while it waits for the first time.
        Command::Schedule(Order::Set(_) | Order::Replace(_) | Order::Delete(_)) => {
            job.is_run && job.state == StateKind::Delayed && job.deliveries == 0
        }
        Command::Chain { done, .. } => !job.is_kept && (names(done) || leads(done)),
        // As what a tick would bring, but only to some.
        Command::Hasten { haste: Haste::Lapse, jobs } => {
            let is_crowded = queue.config().dead_max > 0;
            let is_meant = jobs.iter().any(|job| names(job) || leads(job));
            job.is_cancelled && is_held && is_meant
                || is_crowded && (job.state == StateKind::Dead || is_held && is_meant)
        }
        Command::Publish(draft) => draft.replaces.as_ref().is_some_and(names),
        Command::Delete(jobs) => jobs.iter().any(names),
        Command::Cancel(name) => names(name) && job.state != StateKind::Leased,
        Command::Batch { order, .. } => {
            let crowds = *order == BatchOrder::Bury && queue.config().dead_max > 0;
            job.state == StateKind::Gathering && (*order == BatchOrder::Delete || crowds)
                || job.state == StateKind::Dead && crowds
        }
        // A large purge goes on in ticks.
        Command::Tick { .. } => {
            let is_over = |at: Option<UnixMillis>| at.is_some_and(|at| at <= now);
            let config = queue.config();
            let prunes = config.dead_max > 0 || !config.dead_age.is_zero();
            let dies = job.state == StateKind::Dead || is_over(job.ends_at) || is_held;
            is_over(job.ends_at) && job.state != StateKind::Dead
                || is_over(job.kept_until)
                || job.is_cancelled && job.state == StateKind::Leased
                || prunes && dies
                || queue.counters().purged > 0
        }
        _ => false,
    }
}
