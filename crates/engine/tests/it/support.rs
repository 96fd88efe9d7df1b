//! Drives a queue as clients do: with requests, ids and receipts.

use jobq_engine::{
    Action, Backoff, BatchOrder, Bodies, Cancelled, Change, Child, Conditions, Consume, Corrupt,
    Distant, Due, Follow, Holder, IfDead, Job, JobRef, JobRefs, Leases, LimitName, Loader, Millis,
    Operation, Otherwise, Outcome, Publish, Queue, Refusal, Request, Retain, Revival, Setting,
    Side, Slot, StateKind, Token, Touched, Unique, UnixMillis, Until, Use, Verdict, Which, Wishes,
};

/// When every story begins.
pub const START: u64 = 1_000_000;

/// Up to this many jobs, a queue is checked after every step.
const CHECKED_JOBS_MAX: usize = 300;

/// What a consumer gets.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: String,
    pub receipt: String,
    pub token: Token,
    pub body: String,
}

/// A job to be published.
#[derive(Clone)]
pub struct Draft<'a> {
    body: &'a str,
    id: Option<&'a str>,
    due: Due,
    deadline: Option<UnixMillis>,
    headers: &'a [(&'a [u8], &'a [u8])],
    replaces: Option<&'a str>,
    wishes: Wishes<'a>,
    conditions: Conditions<'a>,
}

/// A job with this body and no options.
pub fn job(body: &str) -> Draft<'_> {
    Draft {
        body,
        id: None,
        due: Due::Now,
        deadline: None,
        headers: &[],
        replaces: None,
        wishes: Wishes::default(),
        conditions: Conditions::default(),
    }
}

impl<'a> Draft<'a> {
    pub fn id(mut self, id: &'a str) -> Self {
        self.id = Some(id);
        self
    }

    pub fn delay(mut self, ms: u64) -> Self {
        self.due = Due::In(Millis(ms));
        self
    }

    pub fn at(mut self, unix_ms: u64) -> Self {
        self.due = Due::At(UnixMillis(unix_ms));
        self
    }

    pub fn deadline(mut self, unix_ms: u64) -> Self {
        self.deadline = Some(UnixMillis(unix_ms));
        self
    }

    pub fn headers(mut self, headers: &'a [(&'a [u8], &'a [u8])]) -> Self {
        self.headers = headers;
        self
    }

    pub fn replaces(mut self, id: &'a str) -> Self {
        self.replaces = Some(id);
        self
    }

    pub fn job_type(mut self, name: &'a str) -> Self {
        self.wishes.job_type = Some(name.as_bytes());
        self
    }

    pub fn retain(mut self, retain: Retain) -> Self {
        self.wishes.retain = Some(retain);
        self
    }

    pub fn ttl(mut self, ms: u64) -> Self {
        self.wishes.ttl = Some(Millis(ms));
        self
    }

    pub fn ttr(mut self, ms: u64) -> Self {
        self.wishes.ttr = Some(Millis(ms));
        self
    }

    pub fn tries(mut self, tries: u32) -> Self {
        self.wishes.tries = Some(tries);
        self
    }

    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.wishes.backoff = Some(backoff);
        self
    }

    pub fn priority(mut self, priority: i8) -> Self {
        self.wishes.priority = Some(priority);
        self
    }

    pub fn group(mut self, name: &'a str) -> Self {
        self.wishes.group = Some(name.as_bytes());
        self
    }

    pub fn uses(mut self, limit: &'a str, weight: u32) -> Self {
        let limit = LimitName::Named(limit.as_bytes());
        self.conditions.uses.push(Use { limit, weight });
        self
    }

    pub fn mutex(mut self, name: &'a str) -> Self {
        let limit = LimitName::Mutex(name.as_bytes());
        self.conditions.uses.push(Use { limit, weight: 1 });
        self
    }

    pub fn unique(mut self, key: &'a str) -> Self {
        self.conditions.unique = Some(Unique::new(key.as_bytes()));
        self
    }

    /// For so long its lock lasts.
    pub fn lasts(self, ms: u64) -> Self {
        self.with_lock(|unique| unique.lasts = Millis(ms))
    }

    pub fn until(self, until: Until) -> Self {
        self.with_lock(|unique| unique.until = until)
    }

    pub fn otherwise(self, otherwise: Otherwise) -> Self {
        self.with_lock(|unique| unique.otherwise = otherwise)
    }

    fn with_lock(mut self, change: impl FnOnce(&mut Unique<'a>)) -> Self {
        change(self.conditions.unique.as_mut().expect("it has a key"));
        self
    }

    /// Waits for one of these gates, with `|` between them.
    pub fn when(mut self, gates: &'a str) -> Self {
        self.conditions.when.push(gates.split('|').map(str::as_bytes).collect());
        self
    }

    /// Waits for these jobs.
    pub fn after(mut self, jobs: &[&'a str], if_dead: IfDead) -> Self {
        self.conditions.after.extend(jobs.iter().map(|name| named(name)));
        self.conditions.if_dead = if_dead;
        self
    }

    /// Is delivered with others of this key.
    pub fn batch(mut self, key: &'a str) -> Self {
        self.conditions.batch = key.as_bytes();
        self
    }

    /// Waits for a job of another queue, unless that has said that it is not to be waited for.
    pub fn distant(mut self, queue: &'a str, id: &'a str, waits: bool) -> Self {
        let queue = queue.as_bytes();
        self.conditions.distant.push(Distant { queue, job: named(id), waits });
        self
    }

    pub fn if_dead(mut self, if_dead: IfDead) -> Self {
        self.conditions.if_dead = if_dead;
        self
    }

    pub fn action(self) -> Action<'a> {
        Action::Publish(self.publish())
    }

    pub fn publish(self) -> Publish<'a> {
        Publish {
            bodies: Bodies::One(self.body.as_bytes()),
            id: self.id,
            due: self.due,
            deadline: self.deadline,
            headers: self.headers.to_vec(),
            replaces: self.replaces.map(named),
            wishes: self.wishes,
            conditions: Some(self.conditions.into()),
        }
    }
}

/// An id or a receipt as a client writes it.
pub fn named(text: &str) -> JobRef<'_> {
    JobRef::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text:?} names no job"))
}

pub fn all_named<'a>(texts: &[&'a str]) -> JobRefs<'a> {
    texts.iter().map(|text| named(text)).collect()
}

/// A consumer without a name or wishes.
pub const ANYONE: Holder<&[u8]> = Holder { worker: b"", ttr: Millis::ZERO, counted: true };

/// A consumer whose deliveries spend no tries.
pub const FREE: Holder<&[u8]> = Holder { counted: false, ..ANYONE };

pub const NACK: Verdict<'_> = Verdict::Nack { delay: None, error: None };
pub const RELEASE: Verdict<'_> = Verdict::Release { delay: Millis::ZERO, counted: true };
pub const BURY: Verdict<'_> = Verdict::Bury { error: None };

/// A queue at [`START`], and what clients ask of it.
pub struct Driver {
    pub queue: Queue,
}

impl Driver {
    pub fn new() -> Self {
        let mut driver = Self { queue: Queue::new(42) };
        driver.tick_to(START, 0);
        driver
    }

    /// Decides and applies. Checks each time that the queue is sound, and that nothing is changed
    /// by a refusal or by what the log leaves out.
    pub fn ask<'a>(&mut self, request: impl Into<Request<'a>>) -> Result<Option<Outcome>, Refusal> {
        let checked = self.queue.len() <= CHECKED_JOBS_MAX;
        let before = checked.then(|| self.queue.digest());
        let answer = match self.queue.choose(request) {
            Ok(Some(operation)) => self.queue.apply(operation).map(Some),
            Ok(None) => Ok(None),
            Err(refusal) => Err(refusal),
        };
        if let Some(before) = before {
            if !matches!(&answer, Ok(Some(outcome)) if outcome.is_change()) {
                assert_eq!(self.queue.digest(), before, "{answer:?} changed something");
            }
            self.check();
        }
        answer
    }

    pub fn check(&self) {
        self.queue.check_invariants().unwrap_or_else(|broken| panic!("{broken}"));
    }

    fn count(&mut self, action: Action<'_>) -> u64 {
        match self.ask(action) {
            Ok(Some(Outcome::Done(count))) => count,
            other => panic!("{other:?} is no count"),
        }
    }

    pub fn configure(&mut self, settings: &[Setting]) {
        let answer = self.ask(Action::Configure(settings.to_vec()));
        assert_eq!(answer, Ok(Some(Outcome::Configured)));
    }

    /// Publishes, and tells the id.
    pub fn publish(&mut self, draft: Draft<'_>) -> String {
        self.try_publish(draft).unwrap_or_else(|refusal| panic!("refused: {refusal}"))
    }

    pub fn try_publish(&mut self, draft: Draft<'_>) -> Result<String, Refusal> {
        match self.ask(draft.action())? {
            Some(Outcome::Published(slots)) => Ok(self.queue.job(slots[0]).id().to_string()),
            Some(Outcome::Held(slot) | Outcome::Renewed(slot)) => {
                Ok(self.queue.job(slot).id().to_string())
            }
            other => panic!("{other:?} is no publish"),
        }
    }

    pub fn publish_all(&mut self, bodies: &[&str]) -> Vec<String> {
        bodies.iter().map(|body| self.publish(job(body))).collect()
    }

    /// Takes the next job, which has to be there.
    pub fn consume(&mut self) -> Delivery {
        self.consume_as(ANYONE, 1).pop().expect("a job is ready")
    }

    pub fn consume_as(&mut self, holder: Holder<&[u8]>, count: u32) -> Vec<Delivery> {
        let leased = match self.ask(Request::Consume(Consume { count, holder })) {
            Ok(None) => Leases::new(),
            Ok(Some(Outcome::Leased(leased))) => leased,
            other => panic!("{other:?} is no lease"),
        };
        leased.into_iter().map(|(slot, token)| self.delivery(slot, token)).collect()
    }

    /// Jobs of another queue begin to wait for one of this, which is at that place among those that
    /// they wait for.
    pub fn follow(&mut self, queue: &str, children: &[Child<'_>], parent: &str, at: u32) {
        let parent = self.job(parent).id().to_string();
        let found = self.find(&parent).expect("it is there");
        let id = found
            .given()
            .map_or(jobq_engine::JobId::Made(found.ulid), |_| jobq_engine::JobId::Given(&parent));
        let (queue, children) = (queue.as_bytes(), children.to_vec());
        let follow = Follow { queue, children, parents: vec![(id, at)] };
        assert_eq!(self.queue.apply(Operation::Follow(follow)), Ok(Outcome::Done(1)));
        self.check();
    }

    fn delivery(&self, slot: Slot, token: Token) -> Delivery {
        let job = self.queue.job(slot);
        let id = job.id().to_string();
        Delivery { receipt: format!("{id}@{}", token.0), id, token, body: text(&job.body) }
    }

    pub fn settle(&mut self, names: &[&str], verdict: Verdict<'_>) -> u64 {
        self.count(Action::Settle { jobs: all_named(names), verdict })
    }

    pub fn ack(&mut self, name: &str) -> u64 {
        self.settle(&[name], Verdict::Ack)
    }

    /// Acks a job with one that comes next, and tells the id of that.
    pub fn chain(&mut self, done: &str, next: Draft<'_>) -> Result<Option<String>, Refusal> {
        let action = Action::Chain { done: named(done), publish: next.publish().into() };
        match self.ask(action)? {
            Some(Outcome::Chained(next)) => {
                Ok(next.map(|slot| self.queue.job(slot).id().to_string()))
            }
            other => panic!("{other:?} is no end of a lease"),
        }
    }

    pub fn nack(&mut self, name: &str) -> u64 {
        self.settle(&[name], NACK)
    }

    pub fn release(&mut self, name: &str) -> u64 {
        self.settle(&[name], RELEASE)
    }

    pub fn fulfill(&mut self, name: &str, result: &str, retain: Option<Retain>) -> u64 {
        self.settle(&[name], Verdict::Fulfill { result: result.as_bytes(), retain })
    }

    pub fn bury_all(&mut self, state: StateKind, count: u64) -> u64 {
        self.count(Action::BuryAll { state, count })
    }

    pub fn bury(&mut self, name: &str) -> u64 {
        self.settle(&[name], BURY)
    }

    /// The new deadline, if the lease still holds.
    pub fn touch(&mut self, name: &str, ttr: Option<u64>) -> Option<u64> {
        let jobs = vec![named(name)];
        match self.ask(Action::Touch {
            jobs: jobs.into(),
            ttr: ttr.map(Millis),
            progress: None,
            result: None,
        }) {
            Ok(Some(Outcome::Touched(leases))) => match leases[0] {
                Touched::Until(deadline) => Some(deadline.0),
                Touched::Lost => None,
                Touched::Cancelled => panic!("{name} was cancelled"),
            },
            other => panic!("{other:?} is no touch"),
        }
    }

    /// What the cancel came to.
    pub fn cancel(&mut self, name: &str) -> Option<Cancelled> {
        match self.ask(Action::Cancel(named(name))) {
            Ok(Some(Outcome::Cancelled(done))) => done,
            other => panic!("{other:?} is no cancel"),
        }
    }

    pub fn kick_first(&mut self, count: u64) -> u64 {
        self.count(Action::Kick(Which::First(count)))
    }

    pub fn kick(&mut self, names: &[&str]) -> u64 {
        self.count(Action::Kick(Which::Ids(all_named(names))))
    }

    pub fn respawn_first(&mut self, count: u64, revival: Revival) -> u64 {
        self.count(Action::Respawn { which: Which::First(count), revival })
    }

    pub fn respawn(&mut self, names: &[&str], revival: Revival) -> u64 {
        self.count(Action::Respawn { which: Which::Ids(all_named(names)), revival })
    }

    pub fn delete(&mut self, names: &[&str]) -> u64 {
        self.count(Action::Delete(all_named(names)))
    }

    pub fn purge(&mut self, state: StateKind, count: u64) -> u64 {
        self.count(Action::Purge { state, count })
    }

    /// The version that the job has now, `None` if it has another than was expected.
    pub fn update(&mut self, name: &str, change: Change<'_>) -> Result<Option<u64>, Refusal> {
        match self.ask(Action::Update { job: named(name), change })? {
            Some(Outcome::Updated(version)) => Ok(version),
            other => panic!("{other:?} is no update"),
        }
    }

    /// How many of these gates were not open.
    pub fn open(&mut self, gates: &[&str]) -> u64 {
        let names = gates.iter().map(|name| name.as_bytes()).collect();
        self.count(Action::Gate { opens: true, names })
    }

    /// How many of these gates were not closed.
    pub fn close(&mut self, gates: &[&str]) -> u64 {
        let names = gates.iter().map(|name| name.as_bytes()).collect();
        self.count(Action::Gate { opens: false, names })
    }

    /// Does something to the jobs that gather under a key, and tells how many there are.
    pub fn order_batch(&mut self, key: &str, order: BatchOrder) -> u64 {
        self.count(Action::Batch { key: key.as_bytes(), order })
    }

    /// Pauses for so many milliseconds, or with zero until it is resumed.
    pub fn pause(&mut self, side: Side, ms: u64) {
        let answer = self.ask(Action::Pause { side, span: Millis(ms) });
        assert_eq!(answer, Ok(Some(Outcome::Configured)));
    }

    pub fn resume(&mut self) {
        assert_eq!(self.ask(Action::Resume), Ok(Some(Outcome::Configured)));
    }

    /// Lets time pass, and everything happen that it brings.
    pub fn pass(&mut self, ms: u64) {
        self.tick_to(self.now() + ms, u32::MAX);
    }

    /// Sets the clock, and tells how many of at most `budget` transitions were due.
    pub fn tick_to(&mut self, unix_ms: u64, budget: u32) -> u32 {
        let tick = Operation::Tick { now: UnixMillis(unix_ms), budget };
        let Ok(Outcome::Ticked(done)) = self.queue.apply(tick) else { panic!("no tick") };
        if self.queue.len() <= CHECKED_JOBS_MAX {
            self.check();
        }
        done
    }

    pub fn now(&self) -> u64 {
        self.queue.clock().0
    }

    /// The job that an id or a receipt means.
    pub fn find(&self, name: &str) -> Option<&Job> {
        self.queue.find(&named(name)).map(|slot| self.queue.job(slot))
    }

    pub fn job(&self, name: &str) -> &Job {
        self.find(name).unwrap_or_else(|| panic!("no job {name}"))
    }

    /// The job's state, `None` if it is gone.
    pub fn state(&self, id: &str) -> Option<StateKind> {
        self.find(id).map(|job| job.state().kind())
    }

    /// The bodies of the ready jobs in the order of service.
    pub fn line(&self) -> Vec<String> {
        let line = self.queue.peek(usize::MAX);
        line.into_iter().map(|slot| text(&self.queue.job(slot).body)).collect()
    }

    /// Puts a new job into a state by the shortest way, and tells its id.
    pub fn publish_into(&mut self, state: StateKind, id: &str) -> String {
        let draft = job(id).id(id);
        match state {
            StateKind::Delayed => self.publish(draft.delay(1_000)),
            StateKind::Held => self.publish(draft.when("shut")),
            StateKind::Gathering => self.publish(draft.batch("all")),
            StateKind::Ready => self.publish(draft),
            StateKind::Leased => {
                // Before all others, so that it is the one to be taken.
                self.publish(draft.priority(-20));
                let taken = self.consume().id;
                assert_eq!(taken, id);
                taken
            }
            StateKind::Completed => {
                let id = self.publish(draft.retain(Retain::Forever));
                assert_eq!(self.fulfill(&id, "done", None), 1);
                id
            }
            StateKind::Dead => {
                let id = self.publish(draft);
                self.bury(&id);
                id
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The queue that its frames describe.
pub fn reloaded(queue: &Queue) -> Queue {
    load(&queue.frames().collect::<Vec<_>>()).unwrap_or_else(|corrupt| panic!("{corrupt}"))
}

pub fn load(frames: &[Vec<u8>]) -> Result<Queue, Corrupt> {
    let (first, rest) = frames.split_first().ok_or(Corrupt::Incomplete)?;
    let mut loader = Loader::new(first)?;
    rest.iter().try_for_each(|frame| loader.push(frame))?;
    loader.finish()
}

/// A source of choices that are the same for the same seed (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    /// Something with this `chance` in a hundred.
    pub fn maybe<T>(&mut self, chance: u64, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(100) < chance).then(|| make(self))
    }
}

/// A number in the environment.
pub fn number(name: &str) -> Option<u64> {
    let text: String = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// Runs something for each of `few` seeds, on all cores, and tells what came of them. `JOBQ_SEED`
/// is the only seed to run, or with `JOBQ_SEEDS` the first of so many.
pub fn for_seeds<T: Send>(few: u64, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let (first, several) = (number("JOBQ_SEED"), number("JOBQ_SEEDS"));
    let many = several.unwrap_or(if first.is_some() { 1 } else { few });
    let first = first.unwrap_or(0);
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    std::thread::scope(|scope| {
        let run = &run;
        let work = |worker: u64| {
            let mine = (first..first + many).filter(move |seed| seed % workers == worker);
            scope.spawn(move || mine.map(run).collect::<Vec<_>>())
        };
        let threads: Vec<_> = (0..workers).map(work).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("all seeds hold")).collect()
    })
}
