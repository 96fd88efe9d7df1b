//! Producers and workers that go on whatever happens, and write down all that they are told.

use std::{
    collections::VecDeque,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        Arc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rand::{rngs::StdRng, seq::IndexedRandom, Rng, SeedableRng};

use super::{
    caller::{is_refusal, Call, Caller, Place},
    history::{successor_of, Done, Fact, History, Receipt, Way, What},
};
use crate::support::{wait_for, Reply};

const PRODUCERS: usize = 2;
const WORKERS: usize = 4;
/// With so many jobs ready in a queue, producers hold back.
const READY_MAX: i64 = 200;
/// A worker goes on with the oldest of its deliveries that were put aside when there are more.
const ASLEEP_MAX: usize = 4;
/// After so many jobs producers look how many are ready.
const LOOK_EVERY: usize = 10;
const AN_HOUR: u64 = 3_600_000;
/// How often a job may be tried that comes behind another.
const SUCCESSORS_TRIES: usize = 4;

/// Clients at work on some queues.
pub struct Crew {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Notes>>,
}

struct Shared {
    place: Place,
    queues: Vec<String>,
    /// How many replicas have to have what is worth a `WAIT`. None waits with zero.
    replicas: usize,
    stop: AtomicBool,
    finished: AtomicUsize,
}

#[derive(Default)]
struct Notes {
    facts: Vec<Fact>,
    requests: usize,
    unanswered: usize,
}

impl Crew {
    /// Begins to work on `queues`, at `place`. Every other request is followed by a `WAIT` for so
    /// many replicas, if there are any.
    pub fn start(place: Place, queues: &[&str], replicas: usize, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            place,
            queues: queues.iter().map(ToString::to_string).collect(),
            replicas,
            stop: AtomicBool::new(false),
            finished: AtomicUsize::new(0),
        });
        let client = |number: usize| {
            let shared = Arc::clone(&shared);
            // No two crews of a test have the same seed.
            let name = format!("{seed}-{number}");
            let random = StdRng::seed_from_u64(seed * 100 + number as u64);
            std::thread::spawn(move || {
                let person = Person::new(&shared, name, random);
                if number < PRODUCERS {
                    person.produce()
                } else {
                    person.work()
                }
            })
        };
        let clients = (0..PRODUCERS + WORKERS).map(client).collect();
        Self { shared, clients }
    }

    /// Where new connections go.
    pub fn place(&self) -> &Place {
        &self.shared.place
    }

    /// Waits until so many more jobs have been finished.
    pub fn do_some_work(&self, jobs: usize) {
        let finished = || self.shared.finished.load(Ordering::SeqCst);
        let enough = finished() + jobs;
        wait_for("some work", || {
            let broke = self.clients.iter().any(JoinHandle::is_finished);
            assert!(!broke, "a client gave up");
            (finished() >= enough).then_some(())
        });
    }

    /// Has all clients stop after their last request, and collects what they know.
    pub fn stop(mut self) -> History {
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut history = History::default();
        for client in std::mem::take(&mut self.clients) {
            let notes = client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            history.facts.extend(notes.facts);
            history.requests += notes.requests;
            history.unanswered += notes.unanswered;
        }
        history
    }
}

impl Drop for Crew {
    /// A test that fails leaves nobody at work.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

struct Person<'a> {
    shared: &'a Shared,
    name: String,
    random: StdRng,
    caller: Caller<'a>,
    notes: Notes,
    /// Deliveries that were put aside.
    asleep: VecDeque<(String, String, Receipt)>,
    jobs: usize,
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(ToString::to_string).collect()
}

impl<'a> Person<'a> {
    fn new(shared: &'a Shared, name: String, random: StdRng) -> Self {
        let caller = Caller::new(&shared.place, &shared.stop);
        Self {
            shared,
            name,
            random,
            caller,
            notes: Notes::default(),
            asleep: VecDeque::new(),
            jobs: 0,
        }
    }

    fn produce(mut self) -> Notes {
        while !self.caller.is_over() {
            if self.jobs % LOOK_EVERY == 0 && self.is_ahead() {
                std::thread::park_timeout(Duration::from_millis(1));
                continue;
            }
            self.publish();
        }
        self.notes
    }

    /// Whether workers cannot keep up.
    fn is_ahead(&mut self) -> bool {
        let queue = self.queue();
        let call = self.call(&words(&["JQ.LEN", &queue, "ready"]));
        call.and_then(|call| call.reply).is_some_and(|reply| match reply {
            Reply::Int(ready) => ready > READY_MAX,
            Reply::Error(line) if is_refusal(&line) => true,
            other => panic!("{other:?} to JQ.LEN"),
        })
    }

    /// Publishes a job, again and again until an answer comes if its id makes that harmless.
    fn publish(&mut self) {
        self.jobs += 1;
        let name = format!("{}-{}", self.name, self.jobs);
        let queue = self.queue();
        let delay =
            if self.random.random_ratio(1, 4) { self.random.random_range(1..80) } else { 0 };
        let tries = self.random.random_range(2..6);
        let has_id = self.random.random_ratio(2, 3);
        let mut options = words(&["TRIES", &tries.to_string(), "DELAY", &delay.to_string()]);
        if self.random.random_ratio(1, 4) {
            options.extend(words(&["PRIORITY", &self.random.random_range(-2..3).to_string()]));
        }
        if self.random.random_ratio(1, 6) {
            options.extend(words(&["TYPE", "mail", "HEADERS", "1", "trace", &name]));
        }
        if has_id {
            options.extend(words(&["ID", &name]));
        }
        let mut unanswered: Vec<String> = Vec::new();
        for attempt in 1.. {
            // Each attempt would be a job of its own.
            let body = format!("{name}.{attempt}");
            let line = words(&["JQ.PUBLISH", &queue, &body]);
            let line = [line, options.clone()].concat();
            let Some(call) = self.call(&line) else { return };
            let (body, done) = match (&call.reply, &unanswered[..]) {
                (None, _) => (&body, Done::Maybe),
                (Some(Reply::Bulk(_)), _) => (&body, Done::Yes),
                (Some(Reply::Error(line)), _) if is_refusal(line) => (&body, Done::No),
                (Some(Reply::Error(line)), [earlier]) if is_duplicate(line) => (earlier, Done::Yes),
                // One of them got through, nobody can tell which.
                (Some(Reply::Error(line)), [_, ..]) if is_duplicate(line) => return,
                (other, _) => panic!("{other:?} to {line:?}"),
            };
            self.note(&call, &queue, body, What::Publish { delay, tries, done });
            if done == Done::Yes || (done == Done::Maybe && !has_id) || self.caller.is_over() {
                return;
            }
            if done == Done::Maybe {
                unanswered.push(body.clone());
            }
        }
    }

    fn work(mut self) -> Notes {
        while !self.caller.is_over() {
            for (queue, job, receipt) in self.consume() {
                self.settle(&queue, &job, &receipt);
            }
            if self.asleep.len() > ASLEEP_MAX {
                self.wake_up();
            }
        }
        self.notes
    }

    fn consume(&mut self) -> Vec<(String, String, Receipt)> {
        let ttr = self.random.random_range(40..400);
        let block = self.random.random_range(1..200);
        let count = self.random.random_range(1..5);
        let first = self.random.random_range(0..self.shared.queues.len());
        let mut line = words(&["JQ.CONSUME", &self.shared.queues[first], "COUNT"]);
        line.extend([count, ttr, block].map(|n: u64| n.to_string()));
        line.insert(4, "TTR".into());
        line.insert(6, "BLOCK".into());
        line.extend(words(&["WORKER", &self.name]));
        if self.shared.queues.len() > 1 && self.random.random_ratio(3, 4) {
            let others = self.shared.queues.iter().enumerate().filter(|(place, _)| *place != first);
            line.push("ALSO".into());
            line.extend(others.map(|(_, queue)| queue.clone()));
        }
        let Some(call) = self.call(&line) else { return Vec::new() };
        let jobs = match &call.reply {
            Some(Reply::Array(jobs)) => jobs,
            None | Some(Reply::Null | Reply::NullArray) => return Vec::new(),
            Some(Reply::Error(line)) if is_refusal(line) => return Vec::new(),
            other => panic!("{other:?} to {line:?}"),
        };
        let taken = jobs.iter().map(|job| {
            let [queue, receipt, job] = job.items() else { panic!("not a delivery: {job:?}") };
            (queue.text(), job.text(), Receipt::parse(&receipt.text()))
        });
        let taken: Vec<_> = taken.collect();
        for (queue, job, receipt) in &taken {
            self.note(&call, queue, job, What::Deliver { receipt: receipt.clone(), ttr });
        }
        taken
    }

    /// Goes on with a delivery during which it slept: mostly its lease has ended long ago.
    fn wake_up(&mut self) {
        if let Some((queue, job, receipt)) = self.asleep.pop_front() {
            let ways = [Way::Ack, Way::Chain, Way::Fulfill, Way::Nack(5), Way::Release, Way::Touch];
            let way = *ways.choose(&mut self.random).unwrap_or(&Way::Ack);
            self.say(&queue, &job, &receipt, way);
        }
    }

    /// Does with a delivery what workers do, the clumsy and the dying ones too.
    fn settle(&mut self, queue: &str, job: &str, receipt: &Receipt) {
        match self.random.random_range(0..100) {
            0..40 => self.say(queue, job, receipt, Way::Ack),
            40..55 => self.say(queue, job, receipt, Way::Chain),
            55..62 => {
                self.say(queue, job, receipt, Way::Touch);
                self.say(queue, job, receipt, Way::Ack);
            }
            62..70 => self.say(queue, job, receipt, Way::Fulfill),
            70..78 => {
                let wait = *[0, 5, 40].choose(&mut self.random).unwrap_or(&0);
                self.say(queue, job, receipt, Way::Nack(wait));
            }
            78..84 => self.say(queue, job, receipt, Way::Release),
            84..87 => self.say(queue, job, receipt, Way::Bury),
            87..91 => {
                // Says it twice, as one that had no answer may.
                let way = *[Way::Ack, Way::Chain].choose(&mut self.random).unwrap_or(&Way::Ack);
                self.say(queue, job, receipt, way);
                self.say(queue, job, receipt, way);
            }
            91..97 => self.asleep.push_back((queue.into(), job.into(), receipt.clone())),
            // Says nothing: the lease lapses.
            _ => {}
        }
    }

    fn say(&mut self, queue: &str, job: &str, receipt: &Receipt, way: Way) {
        let written = receipt.to_string();
        let (to, next) = (self.queue_behind(receipt), successor_of(queue, receipt));
        let line = match way {
            Way::Ack => words(&["JQ.ACK", queue, &written]),
            Way::Chain => {
                let tries = SUCCESSORS_TRIES.to_string();
                words(&["JQ.ACK", queue, &written, "THEN", &to, &next, "TRIES", &tries])
            }
            Way::Fulfill => {
                let (result, retain) = (result_of(job), AN_HOUR.to_string());
                words(&["JQ.FULFILL", queue, &written, &result, "RETAIN", &retain])
            }
            Way::Nack(wait) => words(&["JQ.NACK", queue, &written, "DELAY", &wait.to_string()]),
            Way::Release => words(&["JQ.RELEASE", queue, &written]),
            Way::Bury => words(&["JQ.BURY", queue, &written]),
            Way::Touch => words(&["JQ.TOUCH", queue, &written]),
        };
        let Some(call) = self.call(&line) else { return };
        let done = match &call.reply {
            None => Done::Maybe,
            Some(Reply::Int(1)) => Done::Yes,
            Some(Reply::Int(0)) => Done::No,
            Some(Reply::Bulk(_)) if way == Way::Chain => Done::Yes,
            Some(Reply::Null) if way == Way::Chain => Done::No,
            // A touch is told until when the lease holds now.
            Some(Reply::Array(ends)) if way == Way::Touch => {
                if ends[0].is_nothing() {
                    Done::No
                } else {
                    Done::Yes
                }
            }
            Some(Reply::Error(line)) if is_refusal(line) => Done::No,
            other => panic!("{other:?} to {line:?}"),
        };
        if done == Done::Yes && way.finishes() {
            self.shared.finished.fetch_add(1, Ordering::SeqCst);
        }
        self.note(&call, queue, job, What::Settle { way, receipt: receipt.clone(), done });
        if way == Way::Chain {
            let published = What::Publish { delay: 0, tries: SUCCESSORS_TRIES, done };
            self.note(&call, &to, &next, published);
        }
    }

    /// Where the job goes that is published with the end of a delivery: always to the same queue, so
    /// that it can be said again.
    fn queue_behind(&self, receipt: &Receipt) -> String {
        let queues = &self.shared.queues;
        queues[(receipt.token % queues.len() as u64) as usize].clone()
    }

    fn call(&mut self, line: &[String]) -> Option<Call> {
        let call = self.caller.call(line)?;
        let is_refused = matches!(&call.reply, Some(Reply::Error(line)) if is_refusal(line));
        self.notes.requests += usize::from(!is_refused);
        if is_refused {
            // As clients do, and others on this machine have to get on too.
            std::thread::park_timeout(Duration::from_millis(1));
        }
        self.notes.unanswered += usize::from(call.reply.is_none());
        Some(call)
    }

    fn note(&mut self, call: &Call, queue: &str, job: &str, what: What) {
        let waits = call.answered.is_some()
            && self.shared.replicas > 0
            && !matches!(what, What::Deliver { .. })
            && self.random.random_bool(0.5);
        let confirmed = waits && self.caller.is_replicated(self.shared.replicas);
        self.notes.facts.push(Fact {
            job: job.into(),
            queue: queue.into(),
            server: call.server,
            sent: call.sent,
            answered: call.answered,
            confirmed,
            what,
        });
    }

    fn queue(&mut self) -> String {
        self.shared.queues.choose(&mut self.random).cloned().unwrap_or_default()
    }
}

fn is_duplicate(line: &str) -> bool {
    line.starts_with("DUPLICATE ")
}

/// What a job is fulfilled with.
pub fn result_of(job: &str) -> String {
    format!("result of {job}")
}

/// Takes all that is left on a server, into the history.
pub fn drain(history: &mut History, port: u16, queues: &[&str]) {
    history.drained_from = Some(Instant::now());
    let place = Place::at(port);
    let stop = AtomicBool::new(false);
    let mut caller = Caller::new(&place, &stop);
    let mut ask = |line: &str| {
        caller.call(&words(&line.split(' ').collect::<Vec<_>>())).expect("a server that is up")
    };
    for queue in queues {
        wait_for("the queue to be empty", || {
            ask(&format!("JQ.RESPAWN {queue} ALL"));
            ask(&format!("JQ.KICK {queue} ALL"));
            let call = ask(&format!("JQ.CONSUME {queue} COUNT 1000 TTR {AN_HOUR}"));
            if let Some(Reply::Array(jobs)) = &call.reply {
                take(history, &call, jobs);
                let receipts: Vec<_> = jobs.iter().map(|job| job.items()[1].text()).collect();
                let acked = ask(&format!("JQ.ACK {queue} {}", receipts.join(" ")));
                assert_eq!(acked.reply, Some(Reply::Int(jobs.len() as i64)));
            }
            // In the order in which jobs go on by themselves: none slips from behind to before.
            let mut states = ["leased", "delayed", "ready", "dead"].into_iter();
            let mut len = |state: &str| ask(&format!("JQ.LEN {queue} {state}")).reply;
            states.all(|state| len(state) == Some(Reply::Int(0))).then_some(())
        });
        let fulfilled = |fact: &&Fact| {
            let is = matches!(&fact.what, What::Settle { way: Way::Fulfill, done, .. } if *done != Done::No);
            is && fact.queue == *queue
        };
        let mut kept = Vec::new();
        for fact in history.facts.iter().filter(fulfilled) {
            let What::Settle { receipt, .. } = &fact.what else { continue };
            let told = ask(&format!("JQ.RESULT {queue} {}", receipt.id));
            if let Some(Reply::Array(told)) = told.reply {
                let is_kept =
                    told[0].text() == "completed" && told[1].text() == result_of(&fact.job);
                kept.extend(is_kept.then(|| fact.job.clone()));
            }
        }
        history.results.extend(kept);
    }
}

fn take(history: &mut History, call: &Call, jobs: &[Reply]) {
    for job in jobs {
        let [queue, receipt, job] = job.items() else { panic!("not a delivery: {job:?}") };
        history.facts.push(Fact {
            job: job.text(),
            queue: queue.text(),
            server: call.server,
            sent: call.sent,
            answered: call.answered,
            confirmed: false,
            what: What::Deliver { receipt: Receipt::parse(&receipt.text()), ttr: AN_HOUR },
        });
    }
}
