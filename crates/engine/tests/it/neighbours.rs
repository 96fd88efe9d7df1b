//! Several queues whose jobs wait for each other, and come after each other, with a host that does what
//! a server does: it asks the parents' queues before it publishes a child, has them followed, and
//! carries effects from one queue to the other; it acks in one queue as it publishes in another. The
//! log of all is one; it may end anywhere, and then everything is made anew of what is left.
//!
//! `JOBQ_SEED=7` runs one history, `JOBQ_SEEDS=1000` as many.

use std::collections::{BTreeMap, HashMap, HashSet};

use jobq_engine::{
    Action, Conditions, Due, Holder, IfDead, Job, Millis, Outcome, Parents, Queue, Refusal, Retain,
    Revival, StateKind, UnixMillis, Verdict, Wishes,
};

use crate::{
    command::{perform, Answer, Chosen, Command, Draft, Kin},
    support::{for_seeds, named, reloaded, Dice, START},
};

/// What a log has whole or not at all: commands, each with its queue. Several only where one stands
/// for all of them.
type Record = Vec<(&'static str, Command)>;

/// Queues by their names, and all that was done to them.
pub struct Neighbours {
    pub queues: BTreeMap<&'static str, Queue>,
    log: Vec<Record>,
    pub now: u64,
}

/// A job that waits for these, each of a queue and by its id.
pub fn child(id: &str, if_dead: IfDead, parents: &[(&str, &str)]) -> Draft {
    let conditions = Conditions { if_dead, ..Conditions::default() };
    let distant = |(queue, id): &(&str, &str)| (queue.to_string(), id.to_string(), false);
    Draft {
        bodies: vec![id.into()],
        id: Some(id.into()),
        due: Due::Now,
        deadline: None,
        headers: Vec::new(),
        replaces: None,
        wishes: Wishes { retain: Some(Retain::Forever), ..Wishes::default() },
        conditions,
        after: Vec::new(),
        distant: parents.iter().map(distant).collect(),
    }
}

impl Neighbours {
    pub fn new(names: &[&'static str]) -> Self {
        let queue = |(seed, &name): (u64, _)| (name, Queue::new(seed));
        let queues = (1..).zip(names).map(queue).collect();
        let mut neighbours = Self { queues, log: Vec::new(), now: START };
        neighbours.tick_all(0);
        neighbours
    }

    pub fn get(&self, name: &str) -> &Queue {
        &self.queues[name]
    }

    pub fn job(&self, name: &str, id: &str) -> &Job {
        let slot = self.get(name).find_id(id).unwrap_or_else(|| panic!("no job {id} in {name}"));
        self.get(name).job(slot)
    }

    pub fn state(&self, name: &str, id: &str) -> Option<StateKind> {
        let slot = self.get(name).find_id(id)?;
        Some(self.get(name).job(slot).state().kind())
    }

    /// Has something done, and keeps it in the log.
    pub fn perform(&mut self, name: &str, command: &Command) -> Result<Answer, Refusal> {
        let (&name, _) = self.queues.get_key_value(name).expect("a queue");
        let queue = self.queues.get_mut(name).expect("a queue");
        let (answer, logged) = perform(queue, command)?;
        queue.check_invariants().unwrap_or_else(|broken| panic!("{broken}, after {command:?}"));
        self.log.extend(logged.map(|logged| vec![(name, logged)]));
        Ok(answer)
    }

    pub fn settle(&mut self, name: &str, id: &str, verdict: Verdict<'static>) {
        let settle = Command::Settle { jobs: vec![id.into()], verdict };
        self.perform(name, &settle).expect("nothing to refuse");
    }

    /// Finishes a job that nobody holds.
    pub fn fulfill(&mut self, name: &str, id: &str) {
        self.settle(name, id, Verdict::Fulfill { result: b"42", retain: None });
    }

    /// Asks the queues of its parents, publishes a job, and has it followed. What says that it is
    /// followed comes first in the log: a job that waits is never one that nobody will tell.
    pub fn publish(&mut self, name: &str, mut draft: Draft) -> Result<String, Refusal> {
        for (queue, id, waits) in &mut draft.distant {
            let there = self.queues.get(queue.as_str());
            let awaited = there.map(|there| there.awaited(&named(id))).transpose()?;
            *waits = awaited.flatten().is_some();
        }
        let before = self.log.len();
        let Answer::Ids(ids) = self.perform(name, &Command::Publish(draft.clone()))? else {
            panic!("no publish")
        };
        let published = self.log.split_off(before);
        let kin = |id: &String| {
            let job = self.job(name, id);
            Kin { ulid: job.ulid, given: job.given().map(Into::into) }
        };
        let children: Vec<_> = ids.iter().map(kin).collect();
        for (at, (queue, id, waits)) in (draft.after.len()..).zip(&draft.distant) {
            if *waits {
                let parents = vec![(id.clone(), at as u32)];
                let (name, children) = (name.to_owned(), children.clone());
                let follow = Command::Follow { queue: name, children, parents };
                self.perform(queue, &follow).expect("it was there");
            }
        }
        self.log.extend(published);
        Ok(ids[0].clone())
    }

    /// Acks a job and publishes the next in another queue, `meanwhile` after both were asked whether
    /// they would. False if the lease does not hold. Who repeats the ack publishes too, so it is one
    /// record, whatever the queues have to do before.
    pub fn chain(
        &mut self,
        from: &str,
        done: &str,
        to: &str,
        next: Draft,
        meanwhile: Millis,
    ) -> Result<bool, Refusal> {
        self.tick(from, 100);
        if self.get(from).find_leased(&named(done)).is_none() {
            return Ok(false);
        }
        self.tick(to, 100);
        self.get(to).check(&Action::Publish(next.publish()))?;
        self.now += meanwhile.0;
        self.tick(from, 100);
        let before = self.log.len();
        let ack = Command::Settle { jobs: vec![done.into()], verdict: Verdict::Ack };
        if self.perform(from, &ack)? != Answer::Other(Outcome::Done(1)) {
            return Ok(false);
        }
        self.perform(to, &Command::Publish(next)).expect("it was asked");
        let both = self.log.split_off(before).concat();
        self.log.push(both);
        Ok(true)
    }

    /// Carries some effects from a queue to those that they are for.
    pub fn deliver(&mut self, name: &str, max: usize) -> usize {
        let outbox = self.get(name).outbox().take(max);
        let effects: Vec<_> = outbox
            .map(|(queue, told)| {
                let given = told.child.given.map(Into::into);
                let child = Kin { ulid: told.child.ulid, given };
                let queue = String::from_utf8(queue.to_vec()).expect("a name");
                (queue, Command::Told { child, at: told.at, how: told.how })
            })
            .collect();
        for (queue, told) in &effects {
            if self.queues.contains_key(queue.as_str()) {
                self.perform(queue, told).expect("never refused");
            }
        }
        let delivered = Command::Delivered { effects: effects.len() as u64 };
        self.perform(name, &delivered).expect("never refused");
        effects.len()
    }

    fn tick(&mut self, name: &str, budget: u32) {
        self.perform(name, &Command::Tick { now: self.now, budget }).expect("never refused");
    }

    pub fn tick_all(&mut self, budget: u32) {
        for name in self.queues.keys().copied().collect::<Vec<_>>() {
            self.tick(name, budget);
        }
    }

    /// Lets time pass, and does all that there is to do.
    pub fn pass(&mut self, ms: u64) {
        self.now += ms;
        loop {
            self.tick_all(100);
            let names: Vec<_> = self.queues.keys().copied().collect();
            let delivered: usize = names.iter().map(|name| self.deliver(name, 100)).sum();
            let is_due = |queue: &Queue| queue.is_due(UnixMillis(self.now));
            if delivered == 0 && !self.queues.values().any(is_due) {
                return;
            }
        }
    }

    /// What is left of all queues if the log ends before its last so many records.
    fn torn(&self, lost: usize) -> Self {
        let names: Vec<_> = self.queues.keys().copied().collect();
        let queue = |(seed, name): (u64, _)| (name, Queue::new(seed));
        let mut queues: BTreeMap<_, _> = (1..).zip(names).map(queue).collect();
        let log = self.log[..self.log.len() - lost].to_vec();
        for (name, command) in log.iter().flatten() {
            let queue = queues.get_mut(name).expect("a queue");
            let operation = command.operation(queue).expect("from the log");
            queue.apply(operation).expect("a log fits its own history");
        }
        Self { queues, log, now: self.now }
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];

struct History {
    dice: Dice,
    neighbours: Neighbours,
    made: u64,
    // Those that were dead and came back, so that who runs without them is done with them.
    revived: HashSet<String>,
    told: [u64; 3],
    /// Each delivery: the queue, the job and its receipt.
    taken: Vec<(&'static str, String, String)>,
    chains: Vec<Chain>,
    chained: [u64; 4],
    seed: u64,
}

/// An attempt to ack a job with another that comes next, whatever became of it.
struct Chain {
    from: &'static str,
    done: String,
    to: &'static str,
    next: String,
}

impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with JOBQ_SEED={}", self.seed);
        }
    }
}

impl History {
    fn new(seed: u64) -> Self {
        let neighbours = Neighbours::new(&NAMES);
        Self {
            dice: Dice(seed),
            neighbours,
            made: 0,
            revived: HashSet::new(),
            told: [0; 3],
            taken: Vec::new(),
            chains: Vec::new(),
            chained: [0; 4],
            seed,
        }
    }

    fn run(&mut self) {
        for _ in 0..400 {
            self.step();
            if self.dice.one_in(20) {
                self.neighbours.pass(0);
                self.check();
            }
            if self.dice.one_in(25) {
                self.crash();
                self.check_chains();
            }
            if self.dice.one_in(25) {
                let name = self.dice.pick(&NAMES);
                let copy = reloaded(self.neighbours.get(name));
                assert_eq!(copy.digest(), self.neighbours.get(name).digest());
                self.neighbours.queues.insert(name, copy);
            }
        }
        self.neighbours.pass(1_000);
        self.check();
        self.check_chains();
        let again = self.neighbours.torn(0);
        for name in NAMES {
            assert_eq!(again.get(name).digest(), self.neighbours.get(name).digest(), "{name}");
        }
    }

    /// Everything is made anew of the log, which may lack its end, and another server decides.
    fn crash(&mut self) {
        let lost = self.dice.pick(&[0, 1, 1, 2, 3, 5, 8]).min(self.neighbours.log.len());
        let before = self.successors().len();
        self.neighbours = self.neighbours.torn(lost);
        self.chained[3] += (before - self.successors().len()) as u64;
        self.neighbours.tick_all(0);
        for name in NAMES {
            let term = Command::Term { seed: self.dice.roll(), tokens: 0 };
            self.neighbours.perform(name, &term).expect("never refused");
        }
    }

    fn step(&mut self) {
        let name = self.dice.pick(&NAMES);
        self.neighbours.now += self.dice.below(3);
        let tick = Command::Tick { now: self.neighbours.now, budget: self.dice.below(4) as u32 };
        self.neighbours.perform(name, &tick).expect("never refused");
        match self.dice.below(14) {
            0..4 => self.publish(name),
            4..7 => self.end(name),
            7..9 => self.take(name),
            9..11 => self.chain(),
            11..13 => {
                let max = self.dice.below(4) as usize;
                self.neighbours.deliver(name, max);
            }
            _ => self.revive(name),
        }
    }

    fn publish(&mut self, name: &'static str) {
        self.made += 1;
        let id = format!("job-{}", self.made);
        let mut parents = Vec::new();
        for _ in 0..self.dice.pick(&[0, 0, 1, 1, 2, 3]) {
            let other = self.dice.pick(&NAMES);
            // Nearly all of those that there were, many of which are gone.
            let parent = format!("job-{}", 1 + self.dice.below(self.made));
            if other != name {
                parents.push((other, parent));
            }
        }
        let parents: Vec<_> = parents.iter().map(|(queue, id)| (*queue, id.as_str())).collect();
        let mut draft = child(&id, self.dice.pick(&IfDead::ALL), &parents);
        if self.dice.one_in(4) {
            draft.due = Due::In(Millis(self.dice.below(20)));
        }
        self.neighbours.publish(name, draft).expect("nothing to refuse");
    }

    /// Ends an unfinished job in some way.
    fn end(&mut self, name: &str) {
        let Some(id) = self.any(name, |kind| !kind.is_final()) else { return };
        match self.dice.below(4) {
            0..2 => self.neighbours.fulfill(name, &id),
            2 => self.neighbours.settle(name, &id, Verdict::Bury { error: None }),
            _ => {
                let delete = Command::Delete(vec![id]);
                self.neighbours.perform(name, &delete).expect("nothing to refuse");
            }
        }
    }

    fn take(&mut self, name: &'static str) {
        let ttr = Millis(self.dice.pick(&[2, 20, 1_000]));
        let holder = Holder { worker: Box::default(), ttr, counted: true };
        let take = Command::Consume { count: 2, holder };
        let answer = self.neighbours.perform(name, &take).expect("nothing to refuse");
        let Answer::Deliveries(jobs) = answer else { panic!("{answer:?}") };
        let jobs = jobs.into_iter().map(|(id, token)| {
            let receipt = format!("{id}@{token}");
            (name, id, receipt)
        });
        self.taken.extend(jobs);
    }

    /// Acks one of the last deliveries, be it over, chained or lost, with a job that comes next.
    fn chain(&mut self) {
        let last = self.taken.len().saturating_sub(6);
        if self.taken.is_empty() {
            return;
        }
        let (from, done, receipt) = self.dice.pick(&self.taken[last..]);
        let others: Vec<_> = NAMES.into_iter().filter(|name| *name != from).collect();
        let to = self.dice.pick(&others);
        let taken = if self.dice.one_in(6) { self.any(to, |_| true) } else { None };
        let next = taken.clone().unwrap_or_else(|| format!("next-{}", self.chains.len()));
        let draft = child(&next, IfDead::Hold, &[]);
        let meanwhile = Millis(self.dice.pick(&[0, 0, 1, 2]));
        match (self.neighbours.chain(from, &receipt, to, draft, meanwhile), taken) {
            (Ok(is_chained), None) => {
                self.chained[usize::from(is_chained)] += 1;
                self.chains.push(Chain { from, done, to, next });
                // Here the end of the log is of most interest.
                if self.dice.one_in(4) {
                    self.crash();
                }
                self.check_chains();
            }
            (Ok(false), Some(_)) => {}
            (Err(Refusal::Duplicate(_)), Some(_)) => {
                let lease = self.neighbours.get(from).find_leased(&named(&receipt));
                assert!(lease.is_some(), "{receipt} of {from}");
                self.chained[2] += 1;
            }
            other => panic!("{other:?}, of {receipt} in {from}"),
        }
    }

    /// The chains whose successors are there.
    fn successors(&self) -> Vec<&Chain> {
        let is_there = |chain: &&Chain| self.neighbours.state(chain.to, &chain.next).is_some();
        self.chains.iter().filter(is_there).collect()
    }

    /// Checks that each job has one successor if it was acked, and none otherwise. Nothing else acks,
    /// and neither acked jobs nor successors are removed.
    fn check_chains(&self) {
        let mut successors: HashMap<_, u32> = HashMap::new();
        for chain in self.successors() {
            *successors.entry((chain.from, &chain.done)).or_default() += 1;
        }
        for Chain { from, done, .. } in &self.chains {
            let is_completed = self.neighbours.state(from, done) == Some(StateKind::Completed);
            let is_acked = is_completed && self.neighbours.job(from, done).result().is_none();
            let found = successors.get(&(*from, done)).copied().unwrap_or_default();
            assert_eq!(found, u32::from(is_acked), "of {done} in {from}");
        }
    }

    /// Brings a job back that waits for none: one that does would wait, and not be buried, again.
    fn revive(&mut self, name: &str) {
        let Some(id) = self.any(name, |kind| kind == StateKind::Dead) else { return };
        if self.neighbours.job(name, &id).parents().is_some() {
            return;
        }
        self.revived.insert(id.clone());
        let (chosen, revival) = (Chosen::Ids(vec![id]), Revival::default());
        let respawn = Command::Respawn { chosen, revival };
        self.neighbours.perform(name, &respawn).expect("nothing to refuse");
    }

    fn any(&mut self, name: &str, fits: impl Fn(StateKind) -> bool) -> Option<String> {
        let ids = (1..=self.made).map(|n| format!("job-{n}"));
        let neighbours = &self.neighbours;
        let ids: Vec<_> = ids.filter(|id| neighbours.state(name, id).is_some_and(&fits)).collect();
        (!ids.is_empty()).then(|| self.dice.pick(&ids))
    }

    /// Checks of every job that all it was told is true, and all that is true was told.
    fn check(&mut self) {
        let ids: Vec<_> = (1..=self.made).map(|n| format!("job-{n}")).collect();
        for name in NAMES {
            assert_eq!(self.neighbours.get(name).outbox_len(), 0);
            let all = ids.iter().filter(|id| self.neighbours.state(name, id).is_some());
            for id in all {
                let job = self.neighbours.job(name, id);
                let Some(parents) = job.parents() else { continue };
                let state = job.state().kind();
                let waits = matches!(state, StateKind::Delayed | StateKind::Held);
                for parent in parents.iter() {
                    let queue = std::str::from_utf8(parent.queue.expect("elsewhere"));
                    let other = parent.id.to_string();
                    let end = self.neighbours.state(queue.expect("a name"), &other);
                    let context = || format!("{id} in {name}, of {other}: {end:?}, {job:?}");
                    match (end, parents.if_dead()) {
                        (Some(StateKind::Completed), _) => {
                            // Unless it was dead before it could be told.
                            assert!(parent.is_done || state == StateKind::Dead, "{}", context());
                            self.told[0] += 1;
                        }
                        // Done before it was there, or removed since.
                        (None, _) if parent.is_done => self.told[1] += 1,
                        (None | Some(StateKind::Dead), IfDead::Run) => {
                            assert!(parent.is_done, "{}", context());
                        }
                        (None | Some(StateKind::Dead), IfDead::Bury) => {
                            assert!(!waits, "{}", context());
                            self.told[2] += 1;
                        }
                        (None | Some(StateKind::Dead), IfDead::Hold) => {
                            assert!(!parent.is_done, "{}", context());
                        }
                        (Some(_), if_dead) => {
                            let ran = if_dead == IfDead::Run && self.revived.contains(&other);
                            assert!(!parent.is_done || ran, "{}", context());
                        }
                    }
                }
                if state == StateKind::Held {
                    assert!(parents.left() > 0, "{job:?}");
                } else if matches!(state, StateKind::Ready | StateKind::Leased) {
                    assert_eq!(job.parents().map(Parents::left), Some(0), "{job:?}");
                }
            }
        }
    }
}

#[test]
fn wherever_the_log_ends_each_end_is_told_nothing_else_is_and_each_ack_has_its_successor() {
    let histories = for_seeds(60, |seed| {
        let mut history = History::new(seed);
        history.run();
        (history.told, history.chained)
    });
    for (at, what) in ["completed", "done and gone", "died"].into_iter().enumerate() {
        let happened = histories.iter().any(|(told, _)| told[at] > 0);
        assert!(happened, "nobody was told of one that {what}");
    }
    for (at, what) in ["left alone", "done", "refused", "lost"].into_iter().enumerate() {
        assert!(histories.iter().any(|(_, chained)| chained[at] > 0), "no chain was {what}");
    }
}
