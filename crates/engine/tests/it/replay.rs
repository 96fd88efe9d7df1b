//! Random histories. A primary decides and applies; a replica applies what the primary logged, as
//! text and nothing else; now and then one of them is replaced by its own snapshot; and the whole
//! log is replayed at the end. All of them must agree at every step.
//!
//! `JOBQ_SEED=7` runs one history, `JOBQ_SEEDS=1000` as many.

use std::collections::HashSet;

use jobq_engine::{
    Action, Backoff, BatchOrder, Bodies, Change, Conditions, Digest, Due, Haste, Holder, IfDead,
    LimitName, Millis, Otherwise, Outcome, ParentEnd, Permits, Publish, Queue, Rate, Refusal,
    Retain, Revival, Setting, Side, StateKind, Unique, UnixMillis, Until, Use, Verdict,
    WhenExpired, WhenLapsed, Wishes,
};

use crate::{
    command::{answer, perform, reason, Answer, Chosen, Command, Draft, Kin, REFUSALS},
    fold::Fold,
    schedules::{any_order, plans},
    support::{for_seeds, named, reloaded, Dice},
};

const SEEDS: u64 = 50;
const STEPS: usize = 3_000;

/// Beyond this many jobs, histories stop publishing.
const JOBS_MAX: usize = 40;

pub const GIVEN_IDS: [&str; 7] = [
    "a",
    "A",
    "b",
    "mail:42",
    "01arz3ndektsv4rrffq69g5fav",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "7zzzzzzzzzzzzzzzzzzzzzzzzz",
];

#[test]
fn primary_replica_log_and_snapshot_agree_after_every_step() {
    for_seeds(SEEDS, |seed| History::new(seed).run());
}

/// That of a log that is not of the queue's history, one that takes very many, and one that is rare.
const UNMET: [&str; 3] = ["diverged", "too many schedules", "run unfinished"];

#[test]
fn histories_meet_every_kind_of_event() {
    let mut histories: Vec<_> = (0..6).map(History::new).collect();
    histories.iter_mut().for_each(History::run);
    let last: Vec<_> = histories.iter().map(|history| history.primary.counters().named()).collect();
    for (at, (name, _)) in last[0].into_iter().enumerate() {
        assert!(last.iter().any(|counters| counters[at].1 > 0), "nothing was {name}");
    }
    assert!(histories.iter().any(|history| history.buried > 0), "nothing expired was kept");
    let followed = histories.iter().map(|history| history.fold.followed);
    assert!(followed.sum::<u64>() > 1_000, "events were hardly kept");
    // All but the one of a log that is not of the queue's history.
    for word in REFUSALS.iter().filter(|word| !UNMET.contains(*word)) {
        let is_met = histories.iter().any(|history| history.refused.contains(word));
        assert!(is_met, "nothing was refused as {word}");
    }
}

struct History {
    seed: u64,
    dice: Dice,
    now: u64,
    primary: Queue,
    replica: Queue,
    digest: Digest,
    log: Vec<Command>,
    // What clients remember.
    ids: Vec<String>,
    receipts: Vec<String>,
    spent: HashSet<String>,
    last_token: u64,
    // Of the expired, those that the queue kept, and so of the finished.
    buried: u64,
    completed: u64,
    refused: HashSet<&'static str>,
    fold: Fold,
}

impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with JOBQ_SEED={} after {} logged", self.seed, self.log.len());
        }
    }
}

impl History {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            dice: Dice(seed),
            now: 1_763_700_000_000,
            primary: Queue::new(seed),
            replica: Queue::new(seed),
            digest: Queue::new(seed).digest(),
            log: Vec::new(),
            ids: Vec::new(),
            receipts: Vec::new(),
            spent: HashSet::new(),
            last_token: 0,
            buried: 0,
            completed: 0,
            refused: HashSet::new(),
            fold: Fold::default(),
        }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        let mut replayed = Queue::new(self.seed);
        for command in &self.log {
            let operation = command.operation(&replayed).expect("from the log");
            replayed.apply(operation).expect("a log fits its own history");
        }
        assert_eq!(replayed.digest(), self.primary.digest(), "the log replayed");
    }

    fn step(&mut self) {
        let command = self.any_command();
        let before = self.digest;
        let expired = self.primary.counters().expired;
        let completed = self.primary.len_of(StateKind::Completed);
        match perform(&mut self.primary, &command) {
            Ok((told, Some(logged))) => {
                let operation = logged.operation(&self.replica).expect("from the log");
                let outcome = self.replica.apply(operation).expect("the primary's decision");
                assert_eq!(answer(&self.replica, outcome), told, "{command:?}");
                self.log.push(logged);
                self.remember(&command, &told);
            }
            Ok((told, None)) => {
                assert_eq!(self.primary.digest(), before, "{command:?} is not in the log");
                self.remember(&command, &told);
            }
            Err(refusal) => {
                assert_eq!(self.primary.digest(), before, "{command:?}: {refusal}");
                let diverged = matches!(refusal, Refusal::Diverged(_));
                assert!(!diverged, "{refusal}, though it was chosen");
                self.refused.insert(reason(&refusal));
            }
        }
        if let Command::Settle { verdict: Verdict::Ack | Verdict::Fulfill { .. }, .. }
        | Command::Chain { .. } = command
        {
            self.completed += (self.primary.len_of(StateKind::Completed) - completed) as u64;
        }
        if self.primary.config().expired == WhenExpired::Bury {
            self.buried += self.primary.counters().expired - expired;
        }
        self.check(&command);
        if self.dice.one_in(30) {
            let queue = if self.dice.one_in(2) { &mut self.primary } else { &mut self.replica };
            *queue = reloaded(queue);
            self.check(&command);
        }
    }

    fn check(&mut self, command: &Command) {
        for queue in [&self.primary, &self.replica] {
            if let Err(broken) = queue.check_invariants() {
                panic!("{broken}, after {command:?}");
            }
            let counters = queue.counters();
            let removed =
                counters.deleted + counters.cancelled + counters.replaced + counters.purged;
            let outlived = counters.pruned + counters.retired;
            let finished = counters.acked + counters.fulfilled - self.completed;
            let ended = finished + counters.expired - self.buried + removed + outlived;
            assert_eq!(counters.published - ended, queue.len() as u64, "none is lost");
            if let Some(job) = queue.peek(1).pop() {
                assert_eq!(queue.pauses().consuming, None, "nothing is handed out");
                assert_eq!(queue.job(job).state().kind(), StateKind::Ready);
            }
        }
        self.fold.follow(&self.primary);
        self.digest = self.primary.digest();
        assert_eq!(self.digest, self.replica.digest(), "after {command:?}");
        assert_eq!(self.primary.next_due(), self.replica.next_due(), "after {command:?}");
        assert_eq!(self.primary.idle_ends(), self.replica.idle_ends(), "after {command:?}");
    }

    /// Remembers as a client does, and checks what a client may rely on.
    fn remember(&mut self, command: &Command, told: &Answer) {
        match (command, told) {
            // The lease did not hold.
            (Command::Chain { .. }, Answer::Ids(ids)) if ids.is_empty() => {}
            (_, Answer::Ids(ids)) => {
                if let Command::Chain { done, .. } = command {
                    assert!(!self.spent.contains(done), "a spent receipt acts no more");
                    self.spent.extend(done.contains('@').then(|| done.clone()));
                }
                assert_eq!(self.primary.pauses().publishing, None, "nothing is taken in");
                self.ids.extend_from_slice(ids);
            }
            (_, Answer::Deliveries(deliveries)) => {
                for (id, token) in deliveries {
                    assert!(*token > self.last_token, "tokens grow");
                    self.last_token = *token;
                    self.receipts.push(format!("{id}@{token}"));
                }
            }
            (Command::Settle { jobs, .. } | Command::Delete(jobs), Answer::Other(done)) => {
                if jobs.iter().all(|name| self.spent.contains(name)) {
                    assert_eq!(*done, Outcome::Done(0), "a spent receipt acts no more");
                }
                if *done == Outcome::Done(jobs.len() as u64) {
                    let receipts = jobs.iter().filter(|name| name.contains('@'));
                    self.spent.extend(receipts.cloned());
                }
            }
            (_, Answer::Notices(receipts)) => self.receipts.extend_from_slice(receipts),
            (Command::Update { job, change }, Answer::Other(Outcome::Updated(told))) => {
                let slot = self.primary.find(&named(job)).expect("an update removes nothing");
                let version = self.primary.job(slot).version();
                match (told, change.if_version) {
                    (Some(told), None) => assert_eq!(*told, version),
                    (Some(told), Some(expected)) => {
                        assert_eq!((*told, version), (version, expected + 1))
                    }
                    (None, expected) => assert!(expected.is_some_and(|other| other != version)),
                }
            }
            _ => {}
        }
        let forgotten = self.ids.len().saturating_sub(2 * JOBS_MAX);
        self.ids.drain(..forgotten);
        let forgotten = self.receipts.len().saturating_sub(30);
        self.receipts.drain(..forgotten);
    }

    fn any_command(&mut self) -> Command {
        // The host may come late with what a calendar says.
        if self.dice.one_in(3) {
            if let Some(plan) = plans(&self.primary).pop() {
                return plan;
            }
        }
        let crowded = self.primary.len() >= JOBS_MAX;
        match self.dice.below(100) {
            0..20 => self.any_tick(),
            20..22 if !crowded => self.any_chain(),
            20..45 if !crowded => self.any_publish(),
            20..60 => {
                let count = self.dice.pick(&[1, 1, 1, 2, 3, 10]);
                Command::Consume { count, holder: any_holder(&mut self.dice) }
            }
            60..82 => {
                let (jobs, verdict) = (self.any_names(), any_verdict(&mut self.dice));
                Command::Settle { jobs, verdict }
            }
            82..85 => {
                let ttr = self.dice.maybe(50, |dice| Millis(1 + dice.below(500)));
                let progress = self.dice.maybe(30, |dice| dice.below(100));
                let result = self.dice.maybe(30, |dice| dice.pick(&[&b""[..], b"so far"]));
                Command::Touch { jobs: self.any_names(), ttr, progress, result }
            }
            85 if self.dice.one_in(2) => {
                let jobs = self.any_names();
                Command::Hasten { jobs, haste: self.dice.pick(&Haste::ALL) }
            }
            85..87 => Command::Kick(self.any_choice()),
            87..91 => {
                let chosen = self.any_choice();
                let dice = &mut self.dice;
                let revival = Revival {
                    tries: dice.maybe(40, |dice| 1 + dice.below(4) as u32),
                    ttl: dice.maybe(40, any_span),
                    delay: dice.maybe(40, any_span).unwrap_or_default(),
                };
                Command::Respawn { chosen, revival }
            }
            91 if self.dice.one_in(2) => Command::Delete(self.any_names()),
            91 => self.any_news(),
            92 if self.dice.one_in(2) => self.any_order(),
            92 if self.dice.one_in(3) => Command::Cancel(self.any_name()),
            92 => Command::Cancel(self.any_living()),
            93..95 => self.any_intervention(),
            95..98 => Command::Update { job: self.any_living(), change: self.any_change() },
            _ if self.dice.one_in(2) => any_limit(&mut self.dice),
            _ => Command::Configure(any_settings(&mut self.dice)),
        }
    }

    /// What an operator does to the queue as a whole.
    fn any_intervention(&mut self) -> Command {
        let dice = &mut self.dice;
        match dice.below(15) {
            11.. => {
                let name = self.any_name();
                any_subscription(&mut self.dice, name)
            }
            9.. => any_batch(dice),
            6.. => any_gates(dice),
            0 => {
                let state = dice.pick(&StateKind::ALL);
                Command::Purge { state, count: dice.pick(&[0, 1, 2, 5, u64::MAX]) }
            }
            1 => {
                let state = dice.pick(&WAITING);
                Command::BuryAll { state, count: dice.pick(&[0, 1, 2, 5]) }
            }
            2..4 => {
                let side = dice.pick(&[Side::In, Side::Out, Side::Both]);
                Command::Pause { side, span: any_span(dice) }
            }
            _ => Command::Resume,
        }
    }

    fn any_change(&mut self) -> Change<'static> {
        let now = self.now;
        let dice = &mut self.dice;
        let bodies = [b"".as_slice(), b"new", b"a body that is longer"];
        Change {
            body: dice.maybe(40, |dice| dice.pick(&bodies)),
            due: dice.maybe(20, |dice| match dice.below(3) {
                0 => Due::In(any_span(dice)),
                1 => Due::At(UnixMillis(now + 100 - dice.below(200))),
                _ => Due::Now,
            }),
            priority: dice.maybe(30, |dice| dice.below(41) as i8 - 20),
            ttl: dice.maybe(30, any_span),
            tries: dice.maybe(40, |dice| dice.pick(&[1, 1, 2, 3, 4])),
            if_version: dice.maybe(30, |dice| 1 + dice.below(3)),
        }
    }

    fn any_tick(&mut self) -> Command {
        let dice = &mut self.dice;
        if dice.one_in(200) {
            return Command::Term { seed: dice.roll(), tokens: dice.below(1_000_000) };
        }
        let step = match dice.below(20) {
            0 => 600_000,
            1..4 => dice.below(20_000),
            _ => dice.below(60),
        };
        self.now += step;
        let back = if dice.one_in(10) { dice.below(5_000) } else { 0 };
        let budget = dice.pick(&[0, 1, 2, 5, 100, 100, 100]);
        Command::Tick { now: self.now - back, budget }
    }

    /// The end of a job with one that comes next; the draft may be of any publish.
    fn any_chain(&mut self) -> Command {
        let Command::Publish(mut next) = self.any_publish() else { unreachable!() };
        next.bodies.resize(1, b"next".to_vec());
        next.replaces = None;
        Command::Chain { done: self.any_name(), next }
    }

    fn any_publish(&mut self) -> Command {
        let id = if self.dice.one_in(4) { Some(self.any_given_id()) } else { None };
        let dice = &mut self.dice;
        let count = if id.is_none() && dice.one_in(4) { dice.below(4) } else { 1 };
        let body = |dice: &mut Dice| vec![b'x'; dice.below(20) as usize];
        let wishes = Wishes {
            tries: dice.maybe(30, |dice| 1 + dice.below(3) as u32),
            ttr: dice.maybe(30, |dice| Millis(1 + dice.below(300))),
            ttl: dice.maybe(30, any_span),
            backoff: dice.maybe(30, any_backoff),
            retain: dice.maybe(30, any_retain),
            priority: dice.maybe(30, |dice| dice.below(41) as i8 - 20),
            job_type: dice.maybe(30, |dice| dice.pick(&[b"mail".as_slice(), b"", b"fax"])),
            group: any_group(dice),
        };
        let due = match dice.below(10) {
            0..3 => Due::In(any_span(dice)),
            3 => Due::At(UnixMillis(self.now + 100 - dice.below(200))),
            _ => Due::Now,
        };
        let wishes = if dice.one_in(2) { wishes } else { Wishes::default() };
        let bodies = (0..count).map(|_| body(dice)).collect();
        let now = UnixMillis(self.now);
        let deadline = dice.maybe(20, any_span).map(|span| now.after(span));
        let headers: &[(&[u8], &[u8])] = &[(b"trace", b"1"), (b"", b"\0")];
        let headers = headers[..dice.pick(&[0, 0, 0, 1, 2])].to_vec();
        let replaces =
            if count > 0 && self.dice.one_in(10) { Some(self.any_living()) } else { None };
        let mut conditions = any_conditions(&mut self.dice);
        conditions.unique = conditions.unique.filter(|_| count == 1);
        let after = self.any_parents();
        let distant = self.any_distant();
        Command::Publish(Draft {
            bodies,
            id,
            due,
            deadline,
            headers,
            replaces,
            wishes,
            conditions,
            after,
            distant,
        })
    }

    /// Something about schedules.
    fn any_order(&mut self) -> Command {
        let Command::Publish(draft) = self.any_publish() else { panic!("no publish") };
        let now = self.now;
        Command::Schedule(any_order(&mut self.dice, now, &mut |_| draft.clone()))
    }

    /// Ids of jobs to wait for: mostly none, and mostly of jobs that are there.
    fn any_parents(&mut self) -> Vec<String> {
        let count = self.dice.pick(&[0, 0, 0, 0, 0, 1, 1, 3]);
        let bare = |name: String| name.split('@').next().unwrap_or_default().to_owned();
        (0..count).map(|_| bare(self.any_living())).collect()
    }

    /// Names of jobs of other queues, and whether these said that they are to be waited for.
    fn any_distant(&mut self) -> Vec<(String, String, bool)> {
        let dice = &mut self.dice;
        let count = dice.pick(&[0, 0, 0, 0, 0, 0, 1, 2]);
        let one = |dice: &mut Dice| {
            let queue = dice.pick(&["other", "third"]).to_owned();
            (queue, dice.pick(&GIVEN_IDS).to_owned(), !dice.one_in(4))
        };
        (0..count).map(|_| one(dice)).collect()
    }

    /// What other queues say to this one, or what was delivered to them.
    fn any_news(&mut self) -> Command {
        let queue = &self.primary;
        let living = self.ids.iter().filter_map(|id| Some(queue.job(queue.find_id(id)?)));
        let living: Vec<_> = living.collect();
        let unfinished = living.iter().filter(|job| job.state().kind() != StateKind::Completed);
        let unfinished: Vec<_> = unfinished.map(|job| job.id().to_string()).collect();
        let dice = &mut self.dice;
        match dice.below(6) {
            0..3 if !unfinished.is_empty() => {
                let parents = (0..1 + dice.below(2)).map(|at| (dice.pick(&unfinished), at as u32));
                let parents = parents.collect();
                let ulid = queue.job(queue.find_id(&unfinished[0]).expect("it is there")).ulid;
                let given = dice.maybe(50, |dice| dice.pick(&GIVEN_IDS).to_owned());
                let children = vec![Kin { ulid, given }; 1 + dice.below(2) as usize];
                Command::Follow { queue: dice.pick(&["other", "third"]).into(), children, parents }
            }
            0..5 if !living.is_empty() => {
                let waiting: Vec<_> =
                    living.iter().copied().filter(|job| queue.parents_left(job) > 0).collect();
                let job = if waiting.is_empty() { dice.pick(&living) } else { dice.pick(&waiting) };
                let child = Kin { ulid: job.ulid, given: job.given().map(Into::into) };
                let (at, how) = (dice.below(5) as u32, dice.pick(&ParentEnd::ALL));
                Command::Told { child, at, how }
            }
            _ => Command::Delivered { effects: dice.pick(&[0, 1, 2, 100]) },
        }
    }

    /// An id that may be new, taken, made, or about to be made.
    fn any_given_id(&mut self) -> String {
        match self.dice.below(8) {
            0 if !self.ids.is_empty() => self.dice.pick(&self.ids).to_lowercase(),
            1 => {
                // A publish with an id draws one in vain, so the next but one is foreseen.
                let mut foresight = self.primary.clone();
                let once = Publish::new(Bodies::Many(vec![b"", b""]));
                let made = foresight.apply(Action::Publish(once)).expect("no id, no refusal");
                let Answer::Ids(ids) = answer(&foresight, made) else { panic!("no ids") };
                ids[1].to_lowercase()
            }
            _ => self.dice.pick(&GIVEN_IDS).to_owned(),
        }
    }

    /// Receipts that hold, that are stale or spent, bare ids, and names of nothing.
    fn any_names(&mut self) -> Vec<String> {
        let count = self.dice.pick(&[1, 1, 1, 2, 5]);
        (0..count).map(|_| self.any_name()).collect()
    }

    fn any_name(&mut self) -> String {
        match self.dice.below(10) {
            0..5 if !self.receipts.is_empty() => {
                // The latest are likely to hold still.
                let from = self.receipts.len().saturating_sub(6);
                self.dice.pick(&self.receipts[from..])
            }
            5 if !self.receipts.is_empty() => self.dice.pick(&self.receipts),
            6 => format!("{}@{}", self.dice.pick(&GIVEN_IDS), self.dice.below(50)),
            7 => self.dice.pick(&GIVEN_IDS).to_owned(),
            8 if !self.ids.is_empty() => self.dice.pick(&self.ids).to_lowercase(),
            _ if !self.ids.is_empty() => self.dice.pick(&self.ids),
            _ => "nothing".to_owned(),
        }
    }

    /// Mostly the id of a job that is there.
    fn any_living(&mut self) -> String {
        let is_there = |id: &&String| self.primary.find_id(id).is_some();
        let living: Vec<_> = self.ids.iter().filter(is_there).cloned().collect();
        if living.is_empty() || self.dice.one_in(4) {
            return self.any_name();
        }
        self.dice.pick(&living)
    }

    fn any_choice(&mut self) -> Chosen {
        if self.dice.one_in(2) {
            Chosen::First(self.dice.pick(&[0, 1, 2, 5, u64::MAX]))
        } else {
            Chosen::Ids((0..3).map(|_| self.any_name()).collect())
        }
    }
}

pub fn any_span(dice: &mut Dice) -> Millis {
    Millis(match dice.below(10) {
        0 => 0,
        1 => dice.below(1_000_000),
        _ => dice.below(300),
    })
}

pub fn any_retain(dice: &mut Dice) -> Retain {
    dice.pick(&[
        Retain::NONE,
        Retain::For(Millis(100)),
        Retain::For(Millis(5_000)),
        Retain::Forever,
    ])
}

pub fn any_backoff(dice: &mut Dice) -> Backoff {
    match dice.below(4) {
        0 => Backoff::None,
        1 => Backoff::Fixed(any_span(dice)),
        2 => Backoff::Exponential { base: any_span(dice), max: any_span(dice) },
        _ => Backoff::Polynomial,
    }
}

pub fn any_holder(dice: &mut Dice) -> Holder {
    Holder {
        worker: dice.pick(&[b"".as_slice(), b"w1", b"w2", b"a worker with a longer name"]).into(),
        ttr: dice.maybe(40, |dice| Millis(1 + dice.below(300))).unwrap_or_default(),
        counted: !dice.one_in(5),
    }
}

pub fn any_verdict(dice: &mut Dice) -> Verdict<'static> {
    let error = dice.pick(&[None, None, Some(b"".as_slice()), Some(b"no route to host")]);
    match dice.below(12) {
        0..2 => {
            let result = dice.pick(&[b"".as_slice(), b"42", b"a result that is rather long"]);
            Verdict::Fulfill { result, retain: dice.maybe(50, any_retain) }
        }
        2..6 => Verdict::Ack,
        6..9 => Verdict::Nack { delay: dice.maybe(50, any_span), error },
        9..11 => {
            let delay = dice.maybe(30, any_span).unwrap_or_default();
            Verdict::Release { delay, counted: !dice.one_in(4) }
        }
        _ => Verdict::Bury { error },
    }
}

/// The states in which jobs wait.
pub const WAITING: [StateKind; 4] =
    [StateKind::Delayed, StateKind::Held, StateKind::Gathering, StateKind::Ready];

/// What subscribers of this job, or those who tell them, do.
pub fn any_subscription(dice: &mut Dice, name: String) -> Command {
    let count = 1 + dice.below(3);
    let target = |_| dice.pick(&[&b"a"[..], b"b", b"\0\xff", b""]).to_vec();
    let targets = (0..count).map(target).collect();
    match dice.below(8) {
        0..3 => Command::Subscribe { job: name, targets },
        3 => Command::Unsubscribe { job: name, targets: Some(targets) },
        4 if dice.one_in(3) => Command::Unsubscribe { job: name, targets: None },
        4..6 => {
            let ttr = dice.maybe(50, |dice| Millis(1 + dice.below(300)));
            Command::TakeNotices { count: 1 + dice.below(3) as u32, ttr }
        }
        _ => Command::CrossOff { receipt: name, targets },
    }
}

/// Does something to those who gather under some key.
pub fn any_batch(dice: &mut Dice) -> Command {
    let key = dice.pick(&[b"x".as_slice(), b"y", b"nobody's"]);
    Command::Batch { key, order: dice.pick(&BatchOrder::ALL) }
}

/// Gates, the last of which no job waits for.
pub const GATES: [&[u8]; 4] = [b"night", b"paid", b"disk", b"nobody's"];

/// Opens or closes some gates.
pub fn any_gates(dice: &mut Dice) -> Command {
    let names = (0..1 + dice.below(3)).map(|_| dice.pick(&GATES)).collect();
    Command::Gate { opens: dice.below(5) > 1, names }
}

/// Some group, or none.
pub fn any_group(dice: &mut Dice) -> Option<&'static [u8]> {
    dice.maybe(50, |dice| dice.pick(&[b"acme".as_slice(), b"bolt", b""]))
}

/// Some limit that is set, or set no longer.
pub fn any_limit(dice: &mut Dice) -> Command {
    let names: [&[u8]; 6] = [b"disk", b"net", b"disk", b"net", b"*", b"group:*"];
    let concurrency = dice.maybe(60, |dice| 1 + dice.below(4) as u32);
    let rate = dice.maybe(40, |dice| Rate {
        tokens: 1 + dice.below(4) as u32,
        per: Millis(1 + dice.below(300)),
    });
    let permits = (!dice.one_in(4)).then_some(Permits { concurrency, rate });
    Command::Limit { name: dice.pick(&names), permits }
}

/// One of few keys, so that they meet; mostly none.
pub fn any_unique(dice: &mut Dice) -> Option<Unique<'static>> {
    dice.maybe(20, |dice| Unique {
        key: dice.pick(&[b"a".as_slice(), b"A", b"invoice 7"]),
        lasts: dice.maybe(50, any_span).unwrap_or_default(),
        until: dice.pick(&[Until::Gone, Until::Done, Until::Start]),
        otherwise: dice.pick(&[Otherwise::Reject, Otherwise::Return, Otherwise::Replace]),
    })
}

/// What a job may need beside its turn: mostly nothing.
pub fn any_conditions(dice: &mut Dice) -> Conditions<'static> {
    let limits = [LimitName::Named(b"disk"), LimitName::Named(b"net"), LimitName::Mutex(b"disk")];
    let mut uses = Vec::new();
    for limit in limits {
        let weight = match limit {
            LimitName::Named(_) => 1 + dice.below(2) as u32,
            _ => 1,
        };
        uses.extend(dice.maybe(8, |_| Use { limit, weight }));
    }
    let mut when = Vec::new();
    for _ in 0..dice.pick(&[0, 0, 0, 0, 0, 0, 1, 2]) {
        when.push((0..1 + dice.below(2)).map(|_| dice.pick(&GATES[..3])).collect());
    }
    let if_dead = dice.pick(&IfDead::ALL);
    let batch = dice.maybe(30, |dice| dice.pick(&[b"x".as_slice(), b"x", b"y"]));
    let batch = batch.unwrap_or_default();
    Conditions { batch, uses, unique: any_unique(dice), when, if_dead, ..Conditions::default() }
}

/// Some key of a batch, mostly none.
fn any_key(dice: &mut Dice) -> Option<Box<[u8]>> {
    dice.maybe(30, |dice| dice.pick(&[b"x".as_slice(), b"y"]).into())
}

fn any_pace(dice: &mut Dice) -> Millis {
    dice.pick(&[Millis(0), Millis(1), Millis(20), Millis(300), Millis(60_000)])
}

pub fn any_settings(dice: &mut Dice) -> Vec<Setting> {
    let one = |dice: &mut Dice| match dice.below(21) {
        19 => Setting::Events(dice.pick(&[0, 1, 5, 100, 1_000, 1_000])),
        20 => Setting::Trail(dice.pick(&[0, 1, 2, 16])),
        16 => Setting::BatchSize { key: any_key(dice), jobs: dice.pick(&[0, 1, 2, 3, 3, 4]) },
        17 => Setting::BatchDelay { key: any_key(dice), span: any_pace(dice) },
        18 => Setting::BatchGrace { key: any_key(dice), span: any_pace(dice) },
        0 => Setting::Tries(1 + dice.below(4) as u32),
        1 => Setting::Ttr(Millis(1 + dice.below(500))),
        2 => Setting::Ttl(any_span(dice)),
        3 => Setting::Backoff(any_backoff(dice)),
        4 => Setting::Priority(dice.below(41) as i8 - 20),
        5 => Setting::MaxLen(dice.pick(&[0, 0, 10, 40])),
        6 => Setting::DeadMax(dice.pick(&[0, 0, 1, 3, 10])),
        7 => Setting::DeadAge(dice.pick(&[Millis(0), Millis(0), Millis(1), Millis(5_000)])),
        8 => Setting::Expired(dice.pick(&[WhenExpired::Drop, WhenExpired::Bury])),
        9 => Setting::Lapse(dice.pick(&[WhenLapsed::Ready, WhenLapsed::Backoff])),
        10 => Setting::Retain(any_retain(dice)),
        11 => match any_span(dice) {
            span if span.0 % 2 == 0 => Setting::IdleExpire(span),
            span => Setting::BindCounts(span.0 % 4 == 1),
        },
        12 => Setting::GroupMaxLen(dice.pick(&[0, 1, 2])),
        13 => {
            let group = dice.pick(&[b"acme".as_slice(), b"bolt"]).into();
            Setting::GroupWeight { group, weight: 1 + dice.below(3) as u32 }
        }
        14 => Setting::ReleasesMax(dice.pick(&[0, 0, 1, 2])),
        _ => Setting::MaxBody(dice.pick(&[0, 0, 10, 1_000])),
    };
    (0..1 + dice.below(3)).map(|_| one(dice)).collect()
}
