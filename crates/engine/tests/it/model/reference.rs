//! A queue as the documentation tells it: a list of jobs that is searched from end to end for
//! everything. Written from `docs/`, never from the engine, and as slow as it likes.
//!
//! Where the documentation is silent, it does as the engine does, and says "unwritten".
//!
//! What chance decides, it cannot know: the ids that a queue makes, its tokens, and the random part
//! of a wait. It leaves them open, and takes what the engine drew if the documentation allows it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    batches::Gathering,
    notices::Notice,
    schedules::Schedule,
    turns::{self, Limits},
};
use jobq_engine::{
    uses, Action, Backoff, Cancelled, Change, Conditions, Counters, Due, Haste, Holder, IfDead,
    JobRef, Otherwise, Publish, Refusal, Retain, Revival, Setting, Side, StateKind, Touched,
    Unique, UnixMillis, Until, Verdict, WhenExpired, WhenLapsed, Which, Wishes,
};

use crate::schedules::Order;

pub const NEVER: u64 = u64::MAX;

/// One hundred years, which no wait exceeds.
const SPAN_MAX: u64 = 3_155_760_000_000;

const ERROR_BYTES_MAX: usize = 4_096;

/// In milliseconds.
pub const DAY: u64 = 86_400_000;

/// A job and all that is known of it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The place in publish order.
    pub seq: u64,
    /// Empty until the engine has made it.
    pub id: String,
    pub published: u64,
    pub due: u64,
    pub body: Vec<u8>,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub tries: u32,
    pub ttr: u64,
    pub backoff: Backoff,
    pub retain: Retain,
    pub priority: i8,
    pub job_type: Vec<u8>,
    pub group: Vec<u8>,
    /// As the engine packs them.
    pub uses: Vec<u8>,
    pub lock: Option<Lock>,
    pub expires: Option<u64>,
    pub deadline: Option<u64>,
    pub deliveries: u32,
    pub failures: u32,
    pub failed_at: Option<u64>,
    pub error: Option<Vec<u8>>,
    pub result: Option<Vec<u8>>,
    pub version: u64,
    pub cancelled: bool,
    pub releases: u32,
    pub progress: Option<u64>,
    pub subscribers: Vec<Vec<u8>>,
    /// The gates that it waits for: of each clause one, and all in order.
    pub when: BTreeSet<BTreeSet<Vec<u8>>>,
    parents: Vec<Parent>,
    if_dead: IfDead,
    /// Whether others wait for it, or did.
    is_followed: bool,
    pub batch: Vec<u8>,
    /// Whether it stands for a batch.
    pub leads: bool,
    pub place: Place,
    /// The random wait that the job is in, until the engine says which.
    pub draw: Option<Draw>,
    pub watched: bool,
    /// Of which schedule it is a run, and for when.
    pub run: Option<(u64, u64)>,
}

/// What keeps others with the same key out.
#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    pub key: Vec<u8>,
    pub until: Until,
    /// How long after the job is due it ends; 0 for never.
    pub lasts: u64,
    /// When it ends, whatever becomes of the job: it was taken once.
    pub fixed: Option<u64>,
}

impl Lock {
    fn of(unique: &Unique<'_>) -> Self {
        let Unique { key, lasts, until, otherwise: _ } = *unique;
        Self { key: key.to_vec(), until, lasts: lasts.0, fixed: None }
    }

    pub fn end(&self, due: u64) -> u64 {
        let own = if self.lasts > 0 { due + self.lasts } else { NEVER };
        self.fixed.unwrap_or(own)
    }
}

/// A job that another waits for.
#[derive(Clone, Debug)]
struct Parent {
    name: String,
    /// Its place in publish order, if it was there.
    seq: Option<u64>,
    is_done: bool,
    /// Whether the child is told of its end.
    is_listed: bool,
}

/// The end of a job that others wait for.
#[derive(Clone, Debug)]
struct Ended {
    parent: u64,
    name: String,
    how: Fate,
    /// The last job in publish order that is concerned.
    upto: u64,
    /// Who was told last, and of which of its parents.
    told: (u64, usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Completed,
    Died,
    Removed,
}

impl Job {
    /// Whether it has a last error, and that begins like this where a star ends it.
    pub fn has_error_like(&self, form: &[u8]) -> bool {
        let begin = form.strip_suffix(b"*").expect("a beginning and a star");
        self.error.as_ref().is_some_and(|error| error.starts_with(begin))
    }

    pub fn is_held_by(&self, worker: &[u8]) -> bool {
        matches!(&self.place, Place::Leased { holder, .. } if *holder.worker == *worker)
    }

    pub fn parents_left(&self) -> u32 {
        self.parents.iter().filter(|parent| !parent.is_done).count() as u32
    }
}

/// Where a job is. A turn orders the jobs of a state by when they came there.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    Delayed {
        until: u64,
    },
    Held {
        since: u64,
        turn: i64,
    },
    Gathering {
        since: u64,
        turn: i64,
        /// The place in publish order of the one who leads the batch that it has become.
        with: Option<u64>,
    },
    Ready {
        since: u64,
        turn: i64,
    },
    /// The token is zero until the engine has granted it.
    Leased {
        token: u64,
        until: u64,
        holder: Holder,
    },
    Completed {
        since: u64,
        until: u64,
        turn: i64,
    },
    Dead {
        since: u64,
        turn: i64,
    },
}

impl Place {
    pub fn kind(&self) -> StateKind {
        match self {
            Self::Delayed { .. } => StateKind::Delayed,
            Self::Held { .. } => StateKind::Held,
            Self::Gathering { .. } => StateKind::Gathering,
            Self::Ready { .. } => StateKind::Ready,
            Self::Leased { .. } => StateKind::Leased,
            Self::Completed { .. } => StateKind::Completed,
            Self::Dead { .. } => StateKind::Dead,
        }
    }
}

/// `n⁴ + 15 + random(0..29)·(n+1)` seconds from an instant, after `n` failures.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    pub from: u64,
    pub failures: u32,
}

impl Draw {
    /// The instants at which such a wait may end.
    fn ends(self) -> impl Iterator<Item = u64> {
        let n = u64::from(self.failures);
        let wait = move |random| (n.pow(4) + 15 + random * (n + 1)) * 1_000;
        (0..30).map(move |random| self.from + wait(random).min(SPAN_MAX))
    }
}

/// What an operation answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Ticked(u32),
    /// The places in publish order of jobs whose ids the engine has to tell.
    Published(Vec<u64>),
    /// Ids.
    Leased(Vec<String>),
    Done(u64),
    Touched(Vec<Touched>),
    Updated(Option<u64>),
    Configured,
    Cancelled(Option<Cancelled>),
    /// The id of the job that holds the key already.
    Held(String),
    /// The same, and it has been changed.
    Renewed(String),
    /// What was answered to the publish behind a lease that held.
    Chained(Option<Box<Reply>>),
    /// The numbers of notices.
    Noticed(Vec<u64>),
    CrossedOff(Option<u64>),
}

/// How a job ended that somebody waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    pub id: String,
    pub state: Option<StateKind>,
    pub result: Option<Vec<u8>>,
}

/// The answer, or every reason to refuse.
pub type Answer = Result<Reply, Vec<Refusal>>;

/// A queue's own configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    pub tries: u32,
    pub ttr: u64,
    pub ttl: u64,
    pub backoff: Backoff,
    pub retain: Retain,
    pub priority: i8,
    pub max_len: u64,
    pub max_body: u64,
    pub dead_max: u64,
    pub dead_age: u64,
    pub expired: WhenExpired,
    pub lapse: WhenLapsed,
    pub idle_expire: u64,
    pub group_max_len: u64,
    pub group_weights: BTreeMap<Box<[u8]>, u32>,
    pub bind_counts: bool,
    pub releases_max: u32,
    pub events: u32,
    pub trail: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tries: 25,
            ttr: 60_000,
            ttl: 0,
            backoff: Backoff::Polynomial,
            retain: Retain::NONE,
            priority: 0,
            max_len: 0,
            max_body: 16_777_216,
            dead_max: 0,
            dead_age: 0,
            expired: WhenExpired::Drop,
            lapse: WhenLapsed::Ready,
            idle_expire: 0,
            group_max_len: 0,
            group_weights: BTreeMap::new(),
            bind_counts: false,
            releases_max: 0,
            events: 0,
            trail: 0,
        }
    }
}

impl Settings {
    fn set(&mut self, setting: &Setting) {
        match setting.clone() {
            Setting::Tries(tries) => self.tries = tries,
            Setting::Ttr(ttr) => self.ttr = ttr.0,
            Setting::Ttl(ttl) => self.ttl = ttl.0,
            Setting::Backoff(backoff) => self.backoff = backoff,
            Setting::Retain(retain) => self.retain = retain,
            Setting::Priority(priority) => self.priority = priority,
            Setting::MaxLen(jobs) => self.max_len = jobs,
            Setting::MaxBody(bytes) => self.max_body = bytes,
            Setting::DeadMax(jobs) => self.dead_max = jobs,
            Setting::DeadAge(age) => self.dead_age = age.0,
            Setting::Expired(then) => self.expired = then,
            Setting::Lapse(then) => self.lapse = then,
            Setting::IdleExpire(span) => self.idle_expire = span.0,
            Setting::GroupMaxLen(jobs) => self.group_max_len = jobs,
            Setting::GroupWeight { group, weight: 1 } => drop(self.group_weights.remove(&group)),
            Setting::GroupWeight { group, weight } => {
                self.group_weights.insert(group, weight);
            }
            Setting::BindCounts(counts) => self.bind_counts = counts,
            Setting::ReleasesMax(releases) => self.releases_max = releases,
            Setting::BatchSize { .. } | Setting::BatchDelay { .. } | Setting::BatchGrace { .. } => {
            }
            Setting::Events(events) => self.events = events,
            Setting::Trail(changes) => self.trail = changes,
        }
    }

    pub fn too_big(&self, bytes: usize) -> Option<Refusal> {
        let (bytes, max) = (bytes as u64, self.max_body);
        (max > 0 && bytes > max).then_some(Refusal::TooBig { bytes, max })
    }
}

/// What an operator asked of many jobs, and how many are left.
#[derive(Clone, Debug)]
struct Task {
    work: Work,
    left: u64,
}

#[derive(Clone, Copy, Debug)]
enum Work {
    Kick,
    Respawn(Revival),
    Bury(StateKind),
    Purge(StateKind),
    /// Remove the dead that are too many, however many that are by then.
    Prune,
}

/// What time brings.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Transition {
    Forms,
    LockEnds,
    NoticeLapses,
    PauseEnds,
    ComesRound,
    Expires,
    Overdue,
    Lapses,
    Wakes,
    Retires,
    Ages,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub clock: u64,
    pub jobs: Vec<Job>,
    pub settings: Settings,
    pub counters: Counters,
    pub by_type: BTreeMap<Vec<u8>, Counters>,
    /// How often it was counted, and how long it took together.
    pub waits: (u64, u64),
    pub lateness: (u64, u64),
    pub to_take: (u64, u64),
    pub to_ack: (u64, u64),
    /// How many jobs were finished on each day.
    pub finished: BTreeMap<u64, u64>,
    pub publishing_paused: Option<u64>,
    pub consuming_paused: Option<u64>,
    open_gates: BTreeSet<Vec<u8>>,
    ended: Vec<Ended>,
    last_publish: u64,
    /// Gates that were opened, and the last job at each that was looked at.
    opening: Vec<(Vec<u8>, u64)>,
    tasks: Vec<Task>,
    published: u64,
    last_made: String,
    pub last_token: u64,
    last_turn: i64,
    first_turn: i64,
    used: u64,
    pub endings: Vec<Ending>,
    pub limits: Limits,
    pub gathering: Gathering,
    /// The job whose success a publish comes behind, in one step.
    just_done: Option<String>,
    pub notices: Vec<Notice>,
    pub notices_made: u64,
    pub schedules: Vec<Schedule>,
    pub schedules_made: u64,
    /// What is about to be asked of schedules.
    pub asked: Option<Order>,
    /// The ready job that a task meets next, where only the engine knows.
    pub victim: Option<String>,
}

/// Whether two ids are one: in either case if they have the form of a ULID, else to the letter.
pub fn is_same_id(a: &str, b: &str) -> bool {
    a == b || is_ulid(a) && a.eq_ignore_ascii_case(b)
}

fn is_ulid(text: &str) -> bool {
    let is_digit = |c: char| "0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(c.to_ascii_uppercase());
    text.len() == 26 && text.chars().all(is_digit) && text.chars().next() <= Some('7')
}

impl Model {
    // What can be looked at.

    pub fn len_of(&self, state: StateKind) -> usize {
        self.jobs.iter().filter(|job| job.place.kind() == state).count()
    }

    pub fn find_id(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| is_same_id(&job.id, id))
    }

    pub fn find_seq(&self, seq: u64) -> Option<&Job> {
        self.jobs.iter().find(|job| job.seq == seq)
    }

    /// The job that is meant: with a receipt, only while that very lease holds.
    pub fn find(&self, name: &JobRef<'_>) -> Option<&Job> {
        let job = self.find_id(name.id())?;
        match name.token {
            None => Some(job),
            Some(named) => match job.place {
                Place::Leased { token, .. } if token == named.0 => Some(job),
                _ => None,
            },
        }
    }

    /// The jobs of a state, those first that would leave it first.
    pub fn in_order(&self, state: StateKind) -> Vec<&Job> {
        let mut jobs: Vec<_> = self.jobs.iter().filter(|job| job.place.kind() == state).collect();
        jobs.sort_by_key(|job| match job.place {
            // Unwritten: where a life ends before, the job leaves then.
            Place::Delayed { until } | Place::Leased { until, .. } => {
                (0, until.min(end_of(job)), 0, job.seq)
            }
            Place::Ready { turn, .. } => (job.priority, 0, turn, 0),
            Place::Held { turn, .. }
            | Place::Gathering { turn, .. }
            | Place::Completed { turn, .. }
            | Place::Dead { turn, .. } => (0, 0, turn, 0),
        });
        jobs
    }

    /// The ids of those that the next consumers get, in order.
    pub fn peek(&self) -> Vec<String> {
        if self.consuming_paused.is_some() {
            return Vec::new();
        }
        let ready = self.in_order(StateKind::Ready).into_iter();
        ready.filter(|job| !self.is_over(job)).map(|job| job.id.clone()).collect()
    }

    /// Whether the life of a ready job is over, though no tick has come to it.
    pub fn has_overdue(&self) -> bool {
        self.in_order(StateKind::Ready).into_iter().any(|job| self.is_over(job))
    }

    /// Whether the job's life is over, though no tick has come to it.
    fn is_over(&self, job: &Job) -> bool {
        end_of(job) <= self.clock
    }

    pub fn next_due(&self) -> Option<u64> {
        if self.schedules.iter().any(Schedule::is_unplanned) {
            return Some(self.clock);
        }
        let is_stale = self.gathering.is_stale();
        let works = !self.tasks.is_empty() || !self.opening.is_empty() || is_stale;
        if works || !self.ended.is_empty() {
            return Some(self.clock);
        }
        self.next_transition().map(|(at, ..)| at)
    }

    pub fn tasks_left(&self) -> u64 {
        let left = |task: &Task| match task.work {
            Work::Prune => self.dead_too_many(),
            _ => task.left,
        };
        self.tasks.iter().map(left).fold(0, u64::saturating_add)
    }

    pub fn idle_ends(&self) -> Option<u64> {
        let span = self.settings.idle_expire;
        let pauses = self.publishing_paused.is_some() || self.consuming_paused.is_some();
        let is_shut = self.open_gates.is_empty();
        let is_empty = self.jobs.is_empty() && self.notices.is_empty() && self.schedules.is_empty();
        (is_empty && !pauses && is_shut && span > 0).then(|| self.used + span)
    }

    pub fn oldest_ready(&self) -> Option<u64> {
        self.jobs.iter().filter_map(since).min()
    }

    // What the engine decides by chance.

    pub fn watch(&mut self, id: &str) {
        let job = self.jobs.iter_mut().find(|job| is_same_id(&job.id, id));
        job.expect("it was published").watched = true;
    }

    /// Names a job as the engine did, if that is an id it may have made.
    pub fn adopt_id(&mut self, seq: u64, id: &str) -> Result<(), String> {
        if !self.jobs.iter().any(|job| job.seq == seq && job.id.is_empty()) {
            return Ok(());
        }
        if !is_ulid(id) || id.to_ascii_uppercase() != id {
            return Err(format!("{id} is no id that a queue makes"));
        }
        if self.find_id(id).is_some() {
            return Err(format!("{id} was made, and is taken"));
        }
        if *id <= *self.last_made {
            return Err(format!("{id} does not follow {}", self.last_made));
        }
        id.clone_into(&mut self.last_made);
        id.clone_into(&mut self.job(seq).id);
        Ok(())
    }

    /// Names a delivery as the engine did, if that is later than all before.
    pub fn adopt_token(&mut self, id: &str, granted: u64) -> Result<(), String> {
        if granted <= self.last_token {
            return Err(format!("token {granted} does not follow {}", self.last_token));
        }
        self.last_token = granted;
        let job = self.jobs.iter_mut().find(|job| job.id == id).expect("it is leased");
        if let Place::Leased { token, .. } = &mut job.place {
            *token = granted;
        }
        Ok(())
    }

    /// The jobs in a wait that is not known yet.
    pub fn drawn(&self) -> Vec<String> {
        self.jobs.iter().filter(|job| job.draw.is_some()).map(|job| job.id.clone()).collect()
    }

    /// Lets a job wait as the engine says, if the rule may have drawn that.
    pub fn adopt_wait(&mut self, id: &str, end: u64) -> Result<(), String> {
        let job = self.jobs.iter_mut().find(|job| job.id == id).expect("it waits");
        let draw = job.draw.take().expect("it waits for so long as was drawn");
        if !draw.ends().any(|drawn| drawn == end) {
            return Err(format!("{id} waits until {end}, which {draw:?} cannot draw"));
        }
        job.due = end;
        job.place = Place::Delayed { until: end };
        Ok(())
    }

    // Unique keys.

    pub fn locks(&self) -> usize {
        self.jobs.iter().filter(|job| job.lock.is_some()).count()
    }

    /// The job that keeps others with this key out.
    fn holder(&self, key: &[u8]) -> Option<&Job> {
        self.jobs.iter().find(|job| {
            job.lock.as_ref().is_some_and(|lock| lock.key == key && lock.end(job.due) > self.clock)
        })
    }

    pub fn free_if(&mut self, seq: u64, is_over: impl FnOnce(Until) -> bool) {
        let job = self.job(seq);
        job.lock = job.lock.take().filter(|lock| !is_over(lock.until));
    }

    /// What becomes of a publish whose key that job holds.
    fn meet(&mut self, seq: u64, unique: &Unique<'_>, publish: &Publish<'_>) -> Answer {
        let now = self.clock;
        let job = self.job(seq).clone();
        match unique.otherwise {
            Otherwise::Return => return Ok(Reply::Held(job.id)),
            Otherwise::Replace => {}
            Otherwise::Reject => return Err(vec![Refusal::Duplicate(job.id)]),
        }
        let is_taken = job.place.kind().is_final() || job.place.kind() == StateKind::Leased;
        if is_taken || self.is_in_leased_batch(&job) {
            return Err(vec![Refusal::Duplicate(job.id)]);
        }
        let due = instant(publish.due, now);
        let reasons: Vec<_> = self.ends_before(due, job.expires, job.deadline).collect();
        if !reasons.is_empty() {
            return Err(reasons);
        }
        self.count(seq, |counts| &mut counts.updated);
        let was_delayed = job.place.kind() == StateKind::Delayed;
        let job = self.job(seq);
        job.version += 1;
        job.body = publish.bodies.as_slice()[0].to_vec();
        job.headers = copied(&publish.headers);
        job.lock = Some(Lock::of(unique));
        job.due = due;
        let id = job.id.clone();
        if due > now {
            self.delay(seq, due);
        } else if was_delayed {
            self.become_ready(seq);
        }
        Ok(Reply::Renewed(id))
    }

    // What moves a job.

    /// Counts what happens to a job.
    pub fn count(&mut self, seq: u64, of: fn(&mut Counters) -> &mut u64) {
        *of(&mut self.counters) += 1;
        let (job_type, age) =
            (self.job(seq).job_type.clone(), self.clock - self.job(seq).published);
        let before = self.counters.acked + self.counters.fulfilled;
        if before > self.to_ack.0 {
            self.to_ack = (before, self.to_ack.1 + age);
            *self.finished.entry(self.clock / DAY).or_default() += 1;
        }
        if !job_type.is_empty() {
            *of(self.by_type.entry(job_type).or_default()) += 1;
        }
    }

    pub fn job(&mut self, seq: u64) -> &mut Job {
        self.jobs.iter_mut().find(|job| job.seq == seq).expect("it is there")
    }

    pub fn tail(&mut self) -> i64 {
        self.last_turn += 1;
        self.last_turn
    }

    fn ready_at_tail(&mut self, seq: u64) {
        let (since, turn) = (self.clock, self.tail());
        self.job(seq).place = Place::Ready { since, turn };
    }

    /// Whether of each clause a gate is open.
    fn may_go(&self, job: &Job) -> bool {
        let is_open = |name: &Vec<u8>| self.open_gates.contains(name);
        job.parents_left() == 0 && job.when.iter().all(|names| names.iter().any(is_open))
    }

    /// Whether it would be ready, and not held or gathering.
    fn goes_to_line(&self, seq: u64) -> bool {
        let job = self.find_seq(seq).expect("it is there");
        self.may_go(job) && (job.batch.is_empty() || job.leads)
    }

    /// Ready at the tail, unless it has to wait for a gate, or for others.
    fn become_ready(&mut self, seq: u64) {
        if self.goes_to_line(seq) {
            self.ready_at_tail(seq);
        } else if self.may_go(self.find_seq(seq).expect("it is there")) {
            self.gather(seq);
        } else {
            let (since, turn) = (self.clock, self.tail());
            self.job(seq).place = Place::Held { since, turn };
        }
    }

    /// The same for one that is due as of now: unwritten, that is said of what is ready only.
    pub fn become_ready_now(&mut self, seq: u64) {
        self.become_ready(seq);
        let now = self.clock;
        let job = self.job(seq);
        if matches!(job.place, Place::Ready { .. }) {
            job.due = now;
        }
    }

    /// Ready, whatever it waits for.
    pub fn ready_now(&mut self, seq: u64) {
        let now = self.clock;
        self.job(seq).due = now;
        self.ready_at_tail(seq);
    }

    /// The clauses that do not hold.
    pub fn missing(&self, job: &Job) -> Vec<Vec<Vec<u8>>> {
        let is_missing = |names: &&BTreeSet<Vec<u8>>| names.is_disjoint(&self.open_gates);
        job.when.iter().filter(is_missing).map(|names| names.iter().cloned().collect()).collect()
    }

    /// All gates that are open or named by a held job: their names, whether they are open, and how
    /// many held jobs name them.
    pub fn gates(&self) -> Vec<(Vec<u8>, bool, usize)> {
        let held = self.jobs.iter().filter(|job| job.place.kind() == StateKind::Held);
        let names = |job: &Job| job.when.iter().flatten().cloned().collect::<BTreeSet<_>>();
        let named: Vec<_> = held.flat_map(names).collect();
        let all: BTreeSet<_> = named.iter().chain(&self.open_gates).cloned().collect();
        let count = |name: &Vec<u8>| named.iter().filter(|other| *other == name).count();
        let gate = |name: Vec<u8>| (name.clone(), self.open_gates.contains(&name), count(&name));
        all.into_iter().map(gate).collect()
    }

    /// The jobs that one waits for: their names, whether they are done, and still there.
    pub fn parents(&self, job: &Job) -> Vec<(String, bool, bool)> {
        let is_there = |parent: &Parent| parent.seq.is_some_and(|seq| self.find_seq(seq).is_some());
        let parents = job.parents.iter();
        parents.map(|parent| (parent.name.clone(), parent.is_done, is_there(parent))).collect()
    }

    /// The jobs that a new one waits for. One that was never there is not waited for.
    fn look_up(&self, names: &[JobRef<'_>]) -> Vec<Parent> {
        let parent = |name: &JobRef<'_>| {
            let job = self.find_id(name.id());
            let waits = job.is_some_and(|job| job.place.kind() != StateKind::Completed);
            let text = match job {
                Some(job) => job.id.clone(),
                None if is_ulid(name.id()) => name.id().to_ascii_uppercase(),
                None => name.id().to_owned(),
            };
            Parent { name: text, seq: job.map(|job| job.seq), is_done: !waits, is_listed: waits }
        };
        names.iter().map(parent).collect()
    }

    /// Whether this is the form of an id that the queue is yet to make.
    fn is_to_come(&self, name: &JobRef<'_>) -> bool {
        if !is_ulid(name.id()) || self.find_id(name.id()).is_some() {
            return false;
        }
        let digit = |c: char| "0123456789ABCDEFGHJKMNPQRSTVWXYZ".find(c.to_ascii_uppercase());
        let digits = name.id()[..10].chars().filter_map(digit);
        let made_at = digits.fold(0u64, |ms, digit| ms << 5 | digit as u64);
        made_at > self.last_publish
            || made_at == self.last_publish && name.id().to_ascii_uppercase() > self.last_made
    }

    /// Notes that a job has ended which others wait for.
    fn note_end(&mut self, seq: u64, how: Fate, told: (u64, usize)) {
        let upto = self.published;
        let name = self.job(seq).id.clone();
        self.ended.push(Ended { parent: seq, name, how, upto, told });
    }

    fn tell_of(&mut self, seq: u64, how: Fate) {
        if self.job(seq).is_followed {
            self.job(seq).is_followed = how != Fate::Completed;
            self.note_end(seq, how, (0, 0));
        }
    }

    /// Tells the next job of the end of one that it waits for. False if all know.
    fn tell_next(&mut self) -> bool {
        while let Some(ended) = self.ended.first().cloned() {
            let places = |job: &Job| {
                let seq = job.seq;
                let is_it = |parent: &Parent| parent.is_listed && parent.seq == Some(ended.parent);
                let parents = job.parents.clone().into_iter().enumerate();
                parents.filter(move |(_, it)| is_it(it)).map(move |(at, _)| (seq, at)).collect()
            };
            let children: Vec<Vec<(u64, usize)>> = self.jobs.iter().map(places).collect();
            let children = children.into_iter().flatten();
            let mut concerned = children.filter(|it| *it > ended.told && it.0 <= ended.upto);
            if let Some((seq, at)) = concerned.by_ref().min() {
                self.ended[0].told = (seq, at);
                self.tell(seq, at, &ended);
                return true;
            }
            self.ended.remove(0);
            if ended.how != Fate::Died {
                let parents = self.jobs.iter_mut().flat_map(|job| &mut job.parents);
                let its = parents.filter(|parent| parent.seq == Some(ended.parent));
                its.for_each(|parent| parent.is_listed = false);
            }
        }
        false
    }

    fn tell(&mut self, seq: u64, at: usize, ended: &Ended) {
        let job = self.job(seq);
        match (ended.how, job.if_dead) {
            (Fate::Completed, _) | (_, IfDead::Run) => {
                let was_done = std::mem::replace(&mut job.parents[at].is_done, true);
                if ended.how == Fate::Died {
                    job.parents[at].is_listed = false;
                }
                let job = self.find_seq(seq).expect("it is there").clone();
                let is_held = job.place.kind() == StateKind::Held;
                if !was_done && is_held && self.may_go(&job) {
                    self.become_ready_now(seq);
                }
            }
            (_, IfDead::Hold) => {}
            (_, IfDead::Bury) => {
                if matches!(job.place, Place::Delayed { .. } | Place::Held { .. }) {
                    let fate = if ended.how == Fate::Died { "died" } else { "was removed" };
                    job.error = Some(format!("parent {} {fate}", ended.name).into_bytes());
                    self.die(seq);
                }
            }
        }
    }

    /// Opens or closes a gate. False if it is so already.
    fn turn_gate(&mut self, name: &[u8], opens: bool) -> bool {
        if !opens {
            self.opening.retain(|(opening, _)| opening != name);
            return self.open_gates.remove(name);
        }
        let is_waited_for = self.gates().iter().any(|(gate, _, held)| gate == name && *held > 0);
        let turned = self.open_gates.insert(name.to_vec());
        if turned && is_waited_for {
            self.opening.push((name.to_vec(), 0));
        }
        turned
    }

    /// Looks at the next job that waits for the gate which was opened first.
    fn look_at_gate(&mut self) -> bool {
        let Some((name, looked_at)) = self.opening.first().cloned() else { return false };
        let waits = |job: &&Job| {
            let names = job.when.iter().flatten();
            job.place.kind() == StateKind::Held && names.into_iter().any(|other| *other == name)
        };
        let waiting = self.jobs.iter().filter(waits).filter(|job| job.seq > looked_at);
        match waiting.min_by_key(|job| job.seq).cloned() {
            Some(job) => {
                self.opening[0].1 = job.seq;
                if self.may_go(&job) {
                    self.become_ready_now(job.seq);
                }
            }
            // Unwritten: to learn that there is none is a step.
            None => drop(self.opening.remove(0)),
        }
        true
    }

    /// Ready after all others of its priority, as from now on.
    fn move_to_tail(&mut self, seq: u64) {
        if matches!(self.job(seq).place, Place::Ready { .. }) {
            self.ready_at_tail(seq);
        }
    }

    /// Ready before all others of its priority, and for as long as they.
    fn ready_at_head(&mut self, seq: u64) {
        self.first_turn -= 1;
        let (turn, priority) = (self.first_turn, self.job(seq).priority);
        let group = self.job(seq).group.clone();
        let of_line = |job: &&Job| job.priority == priority && job.group == group;
        let since = self.jobs.iter().filter(of_line).filter_map(since).min().unwrap_or(self.clock);
        self.job(seq).place = Place::Ready { since, turn };
    }

    pub fn delay(&mut self, seq: u64, until: u64) {
        let job = self.job(seq);
        job.due = until;
        job.place = Place::Delayed { until };
    }

    pub fn remove(&mut self, seq: u64) {
        self.inform(seq, None, None);
        self.tell_of(seq, Fate::Removed);
        let job = self.job(seq).clone();
        let before = job.place.clone();
        if job.watched {
            self.endings.push(Ending { id: job.id, state: None, result: None });
        }
        self.jobs.retain(|job| job.seq != seq);
        self.succeed(seq, &before);
    }

    /// Finishes a job, and keeps it if it is to be.
    pub fn complete(&mut self, seq: u64, result: Option<&[u8]>, retain: Option<Retain>) {
        let (since, turn) = (self.clock, self.tail());
        self.inform(seq, Some(StateKind::Completed), result);
        let job = self.job(seq);
        job.lock = None;
        job.result = result.map(<[u8]>::to_vec);
        let ending = Ending {
            id: job.id.clone(),
            state: Some(StateKind::Completed),
            result: job.result.clone(),
        };
        let watched = std::mem::take(&mut job.watched);
        self.tell_of(seq, Fate::Completed);
        let job = self.job(seq);
        let until = match retain.unwrap_or(job.retain) {
            Retain::Forever => Some(NEVER),
            Retain::For(span) => (span.0 > 0).then(|| since + span.0),
        };
        match until {
            Some(until) => {
                let before = job.place.clone();
                job.place = Place::Completed { since, until, turn };
                if std::mem::take(&mut job.leads) {
                    self.succeed(seq, &before);
                }
            }
            None => self.remove(seq),
        }
        if watched {
            self.endings.push(ending);
        }
    }

    pub fn die(&mut self, seq: u64) {
        self.count(seq, |counts| &mut counts.died);
        let error = self.job(seq).error.clone();
        self.inform(seq, Some(StateKind::Dead), error.as_deref());
        self.free_if(seq, |until| until != Until::Gone);
        let (since, turn) = (self.clock, self.tail());
        let job = self.job(seq);
        let before = job.place.clone();
        job.place = Place::Dead { since, turn };
        let led = std::mem::take(&mut job.leads);
        if std::mem::take(&mut job.watched) {
            let id = job.id.clone();
            self.endings.push(Ending { id, state: Some(StateKind::Dead), result: error });
        }
        if led {
            self.succeed(seq, &before);
        }
        self.tell_of(seq, Fate::Died);
        // Unwritten: while the dead that are too many go in slices, this one waits to be among them.
        if self.dead_too_many() > 0 && !self.prunes() {
            self.prune_longest_dead();
        }
    }

    fn prunes(&self) -> bool {
        self.tasks.iter().any(|task| matches!(task.work, Work::Prune))
    }

    fn prune_longest_dead(&mut self) {
        let longest = self.in_order(StateKind::Dead)[0].seq;
        self.count(longest, |counts| &mut counts.pruned);
        self.remove(longest);
    }

    fn dead_too_many(&self) -> u64 {
        let (dead, max) = (self.len_of(StateKind::Dead) as u64, self.settings.dead_max);
        if max == 0 {
            0
        } else {
            dead.saturating_sub(max)
        }
    }

    /// An attempt has failed. The job is dead if that was its last, else it waits, if `waits`.
    fn fail(&mut self, seq: u64, wait: Wait) {
        // Unwritten: the wait of a lapsed job begins when the tick comes to it, not at its deadline.
        let now = self.clock;
        self.fail_followers(seq);
        if self.job(seq).cancelled {
            return self.remove_cancelled(seq);
        }
        let job = self.job(seq);
        let failures = job.failures;
        job.failures += 1;
        job.failed_at = Some(now);
        if job.deliveries >= job.tries {
            return self.die_alone(seq, failures, wait);
        }
        let backoff = job.backoff;
        self.wait(seq, backoff, failures, wait, now);
    }

    /// Waits for the next attempt, after so many failures before.
    pub fn wait(&mut self, seq: u64, backoff: Backoff, failures: u32, wait: Wait, now: u64) {
        let job = self.job(seq);
        let span = match wait {
            Wait::Span(span) => span,
            Wait::Backoff => match backoff {
                Backoff::None => 0,
                Backoff::Fixed(span) => span.0,
                Backoff::Exponential { base, max } => {
                    let factor = 2u128.pow(failures.min(64));
                    (u128::from(base.0) * factor).min(u128::from(max.0)) as u64
                }
                Backoff::Polynomial => {
                    job.draw = Some(Draw { from: now, failures });
                    job.place = Place::Delayed { until: NEVER };
                    return;
                }
            },
        };
        if span == 0 {
            // Unwritten: what is ready other than by coming due, is due as of now.
            self.become_ready_now(seq);
        } else {
            self.delay(seq, now + span);
        }
    }

    // What time does.

    pub fn set_clock(&mut self, now: u64) {
        self.clock = self.clock.max(now);
    }

    /// The first transition to come: by its instant, then by publish order.
    /// The ends of locks come behind all that moves jobs at their instant, and those of pauses last.
    fn next_transition(&self) -> Option<(u64, u64, Transition)> {
        let mut all = Vec::new();
        let pauses = [self.publishing_paused, self.consuming_paused];
        for until in pauses.into_iter().flatten().filter(|&until| until != NEVER) {
            all.push((until, 4, u64::MAX, Transition::PauseEnds));
        }
        let lapse = self.next_lapse();
        all.extend(lapse.map(|(at, number)| (at, 3, number, Transition::NoticeLapses)));
        let round = self.next_round();
        all.extend(round.map(|(at, number)| (at, 5, number, Transition::ComesRound)));
        all.extend(self.next_batch().map(|(at, first)| (at, 1, first, Transition::Forms)));
        let longest_dead = self.in_order(StateKind::Dead).first().map(|job| job.seq);
        for job in &self.jobs {
            if let Some(end) = job.lock.as_ref().map(|lock| lock.end(job.due)) {
                all.extend((end < NEVER).then_some((end, 2, job.seq, Transition::LockEnds)));
            }
            let mut at = |instant, transition| all.push((instant, 0, job.seq, transition));
            match job.place {
                Place::Delayed { until } => at(until, Transition::Wakes),
                Place::Held { .. } | Place::Gathering { .. } | Place::Ready { .. } => {}
                Place::Leased { until, .. } => at(until, Transition::Lapses),
                Place::Completed { until, .. } if until == NEVER => {}
                Place::Completed { until, .. } => at(until, Transition::Retires),
                Place::Dead { since, .. } => {
                    let is_longest = Some(job.seq) == longest_dead;
                    if is_longest && self.settings.dead_age > 0 {
                        at(since + self.settings.dead_age, Transition::Ages);
                    }
                }
            }
            if !job.place.kind().is_final() {
                job.expires.into_iter().for_each(|end| at(end, Transition::Expires));
                job.deadline.into_iter().for_each(|end| at(end, Transition::Overdue));
            }
        }
        all.into_iter().min().map(|(at, _, seq, transition)| (at, seq, transition))
    }

    /// When something next happens by itself, if it does by now, and whether that is to a job.
    pub fn due(&self) -> Option<(u64, bool)> {
        let (at, _, transition) = self.next_transition()?;
        use Transition::{ComesRound, Forms, LockEnds, NoticeLapses, PauseEnds};
        let is_job =
            !matches!(transition, ComesRound | Forms | LockEnds | NoticeLapses | PauseEnds);
        (at <= self.clock).then_some((at, is_job))
    }

    /// Whether a step has something to do.
    pub fn has_step(&self) -> bool {
        let is_stale = self.gathering.is_stale();
        let works = !self.tasks.is_empty() || !self.opening.is_empty() || is_stale;
        self.due().is_some() || works || self.clone().tell_next()
    }

    /// Forgets ends that all are told of.
    pub fn forget_told(&mut self) {
        let told = self.tell_next();
        assert!(!told, "somebody is yet to be told");
    }

    /// Works through one thing that is due, or one job of a task, and tells how many jobs that
    /// concerns; 0 if there is nothing.
    pub fn step(&mut self) -> u32 {
        let was_empty = self.jobs.is_empty();
        let done = match self.next_transition() {
            Some((at, seq, transition)) if at <= self.clock => {
                let is_of_job = self.due().is_some_and(|(_, is_job)| is_job);
                let others = if is_of_job { self.followers(seq).len() } else { 0 };
                self.happen(at, seq, transition);
                1 + others as u32
            }
            _ => {
                let works = self.tell_next() || self.look_at_gate() || self.follow_settings();
                u32::from(works || self.work())
            }
        };
        self.make_owed_runs();
        self.rearm();
        if !was_empty && self.jobs.is_empty() {
            self.used = self.clock;
        }
        done
    }

    fn happen(&mut self, at: u64, seq: u64, transition: Transition) {
        match transition {
            Transition::PauseEnds => {
                self.publishing_paused = self.publishing_paused.filter(|&until| until > at);
                self.consuming_paused = self.consuming_paused.filter(|&until| until > at);
            }
            Transition::Forms => {
                let key = self.job(seq).batch.clone();
                self.fire(&key);
            }
            Transition::LockEnds => self.free_if(seq, |_| true),
            Transition::Wakes => {
                self.lateness = (self.lateness.0 + 1, self.lateness.1 + self.clock - at);
                self.become_ready(seq);
            }
            Transition::NoticeLapses => self.lapse_notice(seq),
            Transition::ComesRound => self.come_round(seq),
            Transition::Lapses => self.lapse(seq),
            Transition::Expires => {
                self.count(seq, |counts| &mut counts.expired);
                match self.settings.expired {
                    WhenExpired::Drop => self.remove(seq),
                    WhenExpired::Bury => self.die(seq),
                }
            }
            Transition::Overdue => {
                self.count(seq, |counts| &mut counts.overdue);
                let now = self.clock;
                let job = self.job(seq);
                if matches!(job.place, Place::Leased { .. }) {
                    job.failures += 1;
                    job.failed_at = Some(now);
                }
                self.die(seq);
            }
            Transition::Retires => {
                self.count(seq, |counts| &mut counts.retired);
                self.remove(seq);
            }
            Transition::Ages => {
                self.count(seq, |counts| &mut counts.pruned);
                self.remove(seq);
            }
        }
    }

    /// Works through one job of what operators asked for first.
    fn work(&mut self) -> bool {
        if let Some(task) = self.tasks.first_mut() {
            let left = task.left;
            task.left = left.saturating_sub(1);
            let work = task.work;
            let state = self.state_of(work);
            let victim = self.victim.as_deref().and_then(|id| self.find_id(id));
            let first = || self.in_order(state).into_iter().next();
            let next = victim.filter(|_| state == StateKind::Ready).or_else(first);
            let next = next.map(|job| job.seq);
            let has_work = match work {
                Work::Prune => self.dead_too_many() > 0,
                _ => left > 0,
            };
            if let Some(seq) = next.filter(|_| has_work) {
                match work {
                    Work::Kick => self.kick(seq),
                    Work::Respawn(revival) => self.respawn(seq, revival),
                    Work::Bury(_) => self.bury(seq),
                    Work::Purge(_) => {
                        self.count(seq, |counts| &mut counts.purged);
                        self.remove(seq);
                    }
                    Work::Prune => self.prune_longest_dead(),
                }
                self.forget_finished_task();
                return true;
            }
            // Its jobs have left by themselves. Unwritten: to learn that is a step.
            self.tasks.remove(0);
            return true;
        }
        false
    }

    fn forget_finished_task(&mut self) {
        let Some(task) = self.tasks.first() else { return };
        let finished = match task.work {
            Work::Prune => self.dead_too_many() == 0,
            _ => task.left == 0,
        };
        if finished {
            self.tasks.remove(0);
        }
    }

    fn state_of(&self, work: Work) -> StateKind {
        match work {
            Work::Kick => StateKind::Delayed,
            Work::Respawn(_) | Work::Prune => StateKind::Dead,
            Work::Bury(state) | Work::Purge(state) => state,
        }
    }

    /// Begins a task for as many jobs as there are and nobody else has promised.
    fn begin(&mut self, work: Work, count: u64) -> u64 {
        let state = self.state_of(work);
        let same = self.tasks.iter().filter(|task| self.state_of(task.work) == state);
        let unpromised = same.fold(self.len_of(state) as u64, |jobs, task| match task.work {
            Work::Prune if self.settings.dead_max == 0 => jobs,
            Work::Prune => jobs.min(self.settings.dead_max),
            _ => jobs.saturating_sub(task.left),
        });
        let left = count.min(unpromised);
        if left > 0 {
            self.tasks.push(Task { work, left });
        }
        left
    }

    fn lapse(&mut self, seq: u64) {
        for seq in self.followers(seq).into_iter().chain([seq]) {
            self.count(seq, |counts| &mut counts.lapsed);
        }
        let wait = match self.settings.lapse {
            WhenLapsed::Ready => Wait::Span(0),
            WhenLapsed::Backoff => Wait::Backoff,
        };
        self.fail(seq, wait);
    }

    pub fn kick(&mut self, seq: u64) {
        self.count(seq, |counts| &mut counts.kicked);
        match self.job(seq).place {
            Place::Held { .. } | Place::Gathering { .. } => self.ready_now(seq),
            _ => self.become_ready_now(seq),
        }
    }

    pub fn bury(&mut self, seq: u64) {
        self.count(seq, |counts| &mut counts.buried);
        self.die(seq);
    }

    fn respawn(&mut self, seq: u64, revival: Revival) {
        let Revival { tries, ttl, delay } = revival;
        self.count(seq, |counts| &mut counts.respawned);
        let now = self.clock;
        let job = self.job(seq);
        (job.deliveries, job.failures) = (0, 0);
        job.tries = tries.unwrap_or(job.tries);
        job.expires = ttl.filter(|ttl| ttl.0 > 0).map(|ttl| now + ttl.0);
        job.releases = 0;
        job.deadline = None;
        job.cancelled = false;
        if delay.0 > 0 {
            self.delay(seq, now + delay.0);
        } else {
            self.become_ready_now(seq);
        }
        self.begin_run(seq);
    }

    /// Another server decides from now on: tokens go on behind all that were granted before.
    pub fn begin_term(&mut self, tokens: u64) -> Answer {
        self.last_token = self.last_token.max(tokens);
        Ok(Reply::Configured)
    }

    // What clients do.

    /// Leases exactly these jobs, unless one of them is not ready.
    pub fn lease(&mut self, ids: &[String], to: &Holder) -> Answer {
        let (mut leased, mut used) = (Vec::new(), Vec::new());
        for id in ids {
            let job = self.find_id(id).expect("the engine has named it");
            if !matches!(job.place, Place::Ready { .. }) {
                return Err(vec![Refusal::Diverged("")]);
            }
        }
        for id in ids {
            let (now, seq) = (self.clock, self.find_id(id).expect("as before").seq);
            let job = self.job(seq);
            if matches!(job.place, Place::Leased { .. }) {
                continue;
            }
            let ttr = if to.ttr.0 > 0 { to.ttr.0 } else { job.ttr };
            let until = (now + ttr).min(job.deadline.unwrap_or(NEVER));
            let uses = turns::uses_of(job);
            let Place::Ready { since, .. } = job.place else { unreachable!("it was checked") };
            job.place = Place::Leased { token: 0, until, holder: to.clone() };
            let due = job.due;
            if let Some(lock) = job.lock.as_mut().filter(|lock| lock.end(due) < NEVER) {
                lock.fixed = Some(lock.end(due));
            }
            let (is_first, published) = (job.deliveries == 0, job.published);
            job.deliveries += u32::from(to.counted);
            self.count(seq, |counts| &mut counts.delivered);
            if is_first {
                self.to_take = (self.to_take.0 + 1, self.to_take.1 + now - published);
            }
            self.waits = (self.waits.0 + 1, self.waits.1 + now - since);
            self.limits.take(&uses, now);
            used.extend(uses);
            self.free_if(seq, |until| until == Until::Start);
            self.deliver_followers(seq, to.counted);
            leased.push(id.clone());
        }
        self.limits.check(&self.jobs, &used, self.clock);
        self.use_if(!leased.is_empty());
        Ok(Reply::Leased(leased))
    }

    fn use_if(&mut self, changed: bool) {
        if changed {
            self.used = self.clock;
        }
    }

    pub fn act(&mut self, action: &Action<'_>) -> Answer {
        let answer = match action {
            Action::Publish(publish) => self.publish(publish),
            Action::Settle { jobs, verdict } => self.settle(jobs, *verdict),
            Action::Subscribe { job, targets } => self.subscribe(job, targets),
            Action::Unsubscribe { job, targets } => {
                Ok(Reply::Done(self.unsubscribe(job, targets.as_deref())))
            }
            Action::TakeNotices { count, ttr } => {
                Ok(Reply::Noticed(self.take_notices(*count, ttr.map(|ttr| ttr.0))))
            }
            Action::CrossOff { receipt, targets } => {
                Ok(Reply::CrossedOff(self.cross_off(receipt, targets)))
            }
            Action::Chain { done, publish } => self.chain(done, publish),
            Action::Touch { jobs, ttr, progress, result } => {
                let len = result.map_or(0, <[u8]>::len);
                if let Some(refusal) = self.settings.too_big(len).filter(|_| result.is_some()) {
                    return Err(vec![refusal]);
                }
                let touch = |name| self.touch(name, ttr.map(|ttr| ttr.0), *progress, *result);
                Ok(Reply::Touched(jobs.iter().map(touch).collect()))
            }
            Action::Kick(Which::First(count)) => Ok(Reply::Done(self.begin(Work::Kick, *count))),
            Action::Kick(Which::Ids(names)) => {
                // What somebody holds together with others stays with them.
                let is_held = |job: &Job| self.is_in_leased_batch(job);
                let is_free = |name: &&JobRef<'_>| !self.find(name).is_some_and(is_held);
                let names: Vec<_> = names.iter().filter(is_free).copied().collect();
                let states = [StateKind::Delayed, StateKind::Held, StateKind::Gathering];
                Ok(Reply::Done(self.each(&names, &states, Self::kick)))
            }
            Action::Respawn { which, revival } => {
                if revival.ttl.is_some_and(|ttl| ttl.0 > 0 && ttl < revival.delay) {
                    return Err(vec![Refusal::ExpiresBeforeDue]);
                }
                Ok(Reply::Done(match which {
                    Which::First(count) => self.begin(Work::Respawn(*revival), *count),
                    Which::Ids(names) => self.each(names, &[StateKind::Dead], |model, seq| {
                        model.respawn(seq, *revival);
                    }),
                }))
            }
            Action::Delete(names) => {
                Ok(Reply::Done(self.each(names, &StateKind::ALL, |model, seq| {
                    model.count(seq, |counts| &mut counts.deleted);
                    model.remove(seq);
                })))
            }
            Action::Cancel(name) => Ok(Reply::Cancelled(self.cancel(name))),
            Action::Hasten { jobs, haste: Haste::Lapse } => {
                Ok(Reply::Done(self.each(jobs, &[StateKind::Leased], Self::lapse)))
            }
            Action::Hasten { jobs, haste: Haste::Due } => {
                Ok(Reply::Done(self.each(jobs, &[StateKind::Delayed], Self::become_ready_now)))
            }
            Action::BuryAll { state, count } => {
                Ok(Reply::Done(self.begin(Work::Bury(*state), *count)))
            }
            Action::Purge { state, count } => {
                Ok(Reply::Done(self.begin(Work::Purge(*state), *count)))
            }
            Action::Update { job, change } => self.update(job, change),
            Action::Pause { side, span } => {
                let until = Some(if span.0 == 0 { NEVER } else { self.clock + span.0 });
                if let Side::In | Side::Both = side {
                    self.publishing_paused = until;
                }
                if let Side::Out | Side::Both = side {
                    self.consuming_paused = until;
                }
                Ok(Reply::Configured)
            }
            Action::Limit { name, permits } => Ok(self.limits.set(name, *permits, self.clock)),
            Action::Resume => {
                (self.publishing_paused, self.consuming_paused) = (None, None);
                Ok(Reply::Configured)
            }
            Action::Gate { opens, names } => {
                let turned = names.iter().filter(|name| self.turn_gate(name, *opens));
                Ok(Reply::Done(turned.count() as u64))
            }
            Action::Schedule(_) => {
                let order = self.asked.take().expect("what was asked");
                self.order(&order)
            }
            Action::Batch { key, order } => Ok(Reply::Done(self.order_batch(key, *order))),
            Action::Configure(settings) => {
                settings.iter().for_each(|setting| self.settings.set(setting));
                settings.iter().for_each(|setting| self.gathering.set(setting));
                if self.dead_too_many() > 0 && !self.prunes() {
                    self.tasks.push(Task { work: Work::Prune, left: 0 });
                }
                Ok(Reply::Configured)
            }
        };
        let changed = match answer.as_ref() {
            Err(_) => false,
            Ok(Reply::Done(jobs)) => *jobs > 0,
            Ok(Reply::Touched(leases)) => {
                leases.iter().any(|lease| matches!(lease, Touched::Until(_)))
            }
            Ok(Reply::Cancelled(done)) => done.is_some_and(|done| done != Cancelled::MarkedBefore),
            Ok(Reply::Updated(version)) => version.is_some(),
            Ok(Reply::Chained(next)) => next.is_some(),
            Ok(Reply::Noticed(notices)) => !notices.is_empty(),
            Ok(Reply::CrossedOff(targets)) => targets.is_some(),
            Ok(_) => true,
        };
        self.make_owed_runs();
        self.use_if(changed);
        self.rearm();
        answer
    }

    /// Does something to each job that is named and in one of these states.
    fn each(
        &mut self,
        names: &[JobRef<'_>],
        states: &[StateKind],
        mut act: impl FnMut(&mut Self, u64),
    ) -> u64 {
        let mut done = 0;
        for name in names {
            let fits = |job: &&Job| states.contains(&job.place.kind());
            if let Some(seq) = self.find(name).filter(fits).map(|job| job.seq) {
                act(self, seq);
                done += 1;
            }
        }
        done
    }

    pub fn publish(&mut self, publish: &Publish<'_>) -> Answer {
        let Publish { bodies, id, due, deadline, headers, replaces, wishes, conditions } = publish;
        let Wishes { tries, ttr, ttl, backoff, retain, priority, job_type, group } = *wishes;
        let Conditions { uses, unique, when, after, if_dead, batch, distant: _ } =
            conditions.as_deref().cloned().unwrap_or_default();
        let clause = |names: Vec<&[u8]>| names.into_iter().map(<[u8]>::to_vec).collect();
        let when: BTreeSet<BTreeSet<Vec<u8>>> = when.into_iter().map(clause).collect();
        let (now, bodies) = (self.clock, bodies.as_slice());
        let due = instant(*due, now);
        let ttl = ttl.map_or(self.settings.ttl, |ttl| ttl.0);
        let expires = (ttl > 0).then(|| now + ttl);
        let deadline = deadline.map(|at| at.0);
        let header_bytes: usize =
            headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let replaced = replaces.map(|name| self.find(&name).map(|job| job.seq));

        let mut reasons = Vec::new();
        if self.publishing_paused.is_some() {
            reasons.push(Refusal::Paused);
        }
        if replaced == Some(None) {
            reasons.push(Refusal::NoSuchJob);
        }
        let replaced = replaced.flatten();
        let duplicate = unique.and_then(|unique| Some((self.holder(unique.key)?.seq, unique)));
        let duplicate = duplicate.filter(|(holder, _)| Some(*holder) != replaced);
        let is_done = |name: &JobRef<'_>| {
            self.just_done.as_ref().is_some_and(|done| is_same_id(done, name.id()))
        };
        if after.iter().any(|name| self.is_to_come(name) && !is_done(name)) {
            reasons.push(Refusal::NoSuchJob);
        }
        if let Some(id) = *id {
            if self.find_id(id).is_some_and(|job| Some(job.seq) != replaced) {
                reasons.push(Refusal::Duplicate(id.to_owned()));
            }
        }
        reasons.extend(self.ends_before(due, expires, deadline));
        reasons.extend(
            bodies.iter().filter_map(|body| self.settings.too_big(body.len() + header_bytes)),
        );
        reasons.extend(self.settings.too_big(header_bytes * bodies.len()));
        let len = self.jobs.len() + bodies.len() - usize::from(replaced.is_some());
        let max = self.settings.max_len;
        if max > 0 && len as u64 > max {
            reasons.push(Refusal::Full { max });
        }
        let max = self.settings.group_max_len;
        if let Some(group) = group.filter(|group| max > 0 && !group.is_empty()) {
            let others = |job: &&Job| *job.group == *group && Some(job.seq) != replaced;
            let len = self.jobs.iter().filter(others).count() + bodies.len();
            if len as u64 > max {
                reasons.push(Refusal::GroupFull { max });
            }
        }
        if let Some((holder, unique)) = duplicate {
            // Neither an id nor room is needed for what is not added.
            reasons.retain(|reason| !needs_room(reason));
            if reasons.is_empty() {
                return self.meet(holder, &unique, publish);
            }
            if unique.otherwise == Otherwise::Reject {
                reasons.push(Refusal::Duplicate(self.job(holder).id.clone()));
            }
        }
        if !reasons.is_empty() {
            return Err(reasons);
        }

        if let Some(unique) = unique {
            // Its time is over, though nothing came to it.
            let over = |job: &Job| job.lock.as_ref().is_some_and(|lock| lock.key == unique.key);
            let over = self.jobs.iter().find(|job| over(job)).map(|job| job.seq);
            over.into_iter().for_each(|seq| self.free_if(seq, |_| true));
        }
        if let Some(replaced) = replaced {
            self.count(replaced, |counts| &mut counts.replaced);
            self.remove(replaced);
        }
        let parents = self.look_up(&after);
        let before = self.published;
        self.last_publish = now;
        let mut published = Vec::new();
        for body in bodies {
            self.published += 1;
            let seq = self.published;
            self.jobs.push(Job {
                seq,
                id: id.unwrap_or_default().to_owned(),
                published: now,
                due,
                body: body.to_vec(),
                headers: copied(headers),
                tries: tries.unwrap_or(self.settings.tries),
                ttr: ttr.map_or(self.settings.ttr, |ttr| ttr.0),
                backoff: backoff.unwrap_or(self.settings.backoff),
                retain: retain.unwrap_or(self.settings.retain),
                priority: priority.unwrap_or(self.settings.priority),
                job_type: job_type.unwrap_or_default().to_vec(),
                group: group.unwrap_or_default().to_vec(),
                uses: uses::pack(&uses),
                lock: unique.as_ref().map(Lock::of),
                expires,
                deadline,
                deliveries: 0,
                failures: 0,
                failed_at: None,
                error: None,
                result: None,
                version: 1,
                cancelled: false,
                releases: 0,
                progress: None,
                subscribers: Vec::new(),
                when: when.clone(),
                parents: parents.clone(),
                if_dead,
                is_followed: false,
                batch: batch.to_vec(),
                leads: false,
                place: Place::Delayed { until: due },
                draw: None,
                watched: false,
                run: None,
            });
            self.count(seq, |counts| &mut counts.published);
            published.push(seq);
        }
        for parent in parents.iter().filter(|parent| parent.is_listed) {
            let seq = parent.seq.expect("it is there");
            let parent = self.job(seq);
            parent.is_followed = true;
            if parent.place.kind() == StateKind::Dead && if_dead != IfDead::Hold {
                self.note_end(seq, Fate::Died, (before, usize::MAX));
            }
        }
        for &seq in published.iter().filter(|_| due == now) {
            self.become_ready(seq);
        }
        Ok(Reply::Published(published))
    }

    /// Why a job that is due then cannot be accepted, if its life ends before.
    fn ends_before(
        &self,
        due: u64,
        expires: Option<u64>,
        deadline: Option<u64>,
    ) -> impl Iterator<Item = Refusal> {
        let expired = expires.filter(|&end| end < due).map(|_| Refusal::ExpiresBeforeDue);
        let overdue = deadline.filter(|&end| end < due).map(|_| Refusal::OverdueBeforeDue);
        expired.into_iter().chain(overdue)
    }

    fn settle(&mut self, names: &[JobRef<'_>], verdict: Verdict<'_>) -> Answer {
        use StateKind::{Dead, Delayed, Gathering, Held, Leased, Ready};
        let kept = |error: &[u8]| error[..error.len().min(ERROR_BYTES_MAX)].to_vec();
        let done = match verdict {
            Verdict::Ack => self.each(names, &[Leased], |model, seq| {
                model.settle_followers(seq, verdict);
                model.count(seq, |counts| &mut counts.acked);
                let result = model.job(seq).result.clone();
                model.complete(seq, result.as_deref(), None);
            }),
            Verdict::Fulfill { result, retain } => {
                if let Some(refusal) = self.settings.too_big(result.len()) {
                    return Err(vec![refusal]);
                }
                let unfinished = [Delayed, Held, Gathering, Ready, Leased, Dead];
                self.each(names, &unfinished, |model, seq| {
                    model.settle_followers(seq, verdict);
                    model.count(seq, |counts| &mut counts.fulfilled);
                    model.complete(seq, Some(result), retain);
                })
            }
            Verdict::Nack { delay, error } => self.each(names, &[Leased], |model, seq| {
                model.settle_followers(seq, verdict);
                model.count(seq, |counts| &mut counts.nacked);
                if let Some(error) = error {
                    model.job(seq).error = Some(kept(error));
                }
                model.fail(seq, delay.map_or(Wait::Backoff, |delay| Wait::Span(delay.0)));
            }),
            Verdict::Release { delay, counted } => {
                let mut names = names.to_vec();
                if delay.0 == 0 {
                    // Each goes before all others, so that the first named is first in the end.
                    names.reverse();
                }
                self.each(&names, &[Leased], |model, seq| {
                    model.settle_followers(seq, verdict);
                    model.count(seq, |counts| &mut counts.released);
                    if model.job(seq).cancelled {
                        return model.remove_cancelled(seq);
                    }
                    let (now, max) = (model.clock, model.settings.releases_max);
                    let job = model.job(seq);
                    if counted && max > 0 && job.releases >= max {
                        job.error = Some(b"released too often".to_vec());
                        return model.die_alone(seq, 0, Wait::Span(delay.0));
                    }
                    job.releases += u32::from(counted);
                    let job = model.job(seq);
                    if matches!(&job.place, Place::Leased { holder, .. } if holder.counted) {
                        job.deliveries -= 1;
                    }
                    if delay.0 > 0 {
                        model.delay(seq, now + delay.0);
                    } else if model.goes_to_line(seq) {
                        model.job(seq).due = now;
                        model.ready_at_head(seq);
                    } else {
                        model.become_ready(seq);
                    }
                })
            }
            Verdict::Bury { error } => {
                self.each(names, &[Delayed, Held, Gathering, Ready, Leased], |model, seq| {
                    model.settle_followers(seq, verdict);
                    if let Some(error) = error {
                        model.job(seq).error = Some(kept(error));
                    }
                    model.bury(seq);
                })
            }
        };
        Ok(Reply::Done(done))
    }

    /// Not wanted any more: gone if it waits, marked if somebody holds it.
    fn cancel(&mut self, name: &JobRef<'_>) -> Option<Cancelled> {
        let seq = self.find(name)?.seq;
        let job = self.job(seq);
        match job.place {
            Place::Completed { .. } | Place::Dead { .. } => None,
            Place::Leased { .. } if job.cancelled => Some(Cancelled::MarkedBefore),
            Place::Leased { .. } => {
                job.cancelled = true;
                Some(Cancelled::Marked)
            }
            Place::Delayed { .. }
            | Place::Held { .. }
            | Place::Gathering { .. }
            | Place::Ready { .. } => {
                self.remove_cancelled(seq);
                Some(Cancelled::Removed)
            }
        }
    }

    /// Those who went with it while it was leased have been given back by now, or have failed.
    fn remove_cancelled(&mut self, seq: u64) {
        self.count(seq, |counts| &mut counts.cancelled);
        if let Place::Leased { holder, .. } = &mut self.job(seq).place {
            holder.counted = false;
        }
        self.remove(seq);
    }

    /// Both, or nothing at all: tried where it does no harm.
    fn chain(&mut self, done: &JobRef<'_>, publish: &Publish<'_>) -> Answer {
        let mut tried = self.clone();
        tried.just_done = self.find(done).map(|job| job.id.clone());
        if tried.settle(std::slice::from_ref(done), Verdict::Ack) != Ok(Reply::Done(1)) {
            return Ok(Reply::Chained(None));
        }
        let next = tried.publish(publish)?;
        tried.just_done = None;
        *self = tried;
        Ok(Reply::Chained(Some(Box::new(next))))
    }

    fn touch(
        &mut self,
        name: &JobRef<'_>,
        ttr: Option<u64>,
        progress: Option<u64>,
        result: Option<&[u8]>,
    ) -> Touched {
        let Some(seq) = self.find(name).map(|job| job.seq) else {
            return self.touch_notice(name, ttr);
        };
        let now = self.clock;
        let job = self.job(seq);
        let latest = job.deadline.unwrap_or(NEVER);
        let Place::Leased { until, holder, .. } = &mut job.place else { return Touched::Lost };
        if job.cancelled {
            return Touched::Cancelled;
        }
        let own = if holder.ttr.0 > 0 { holder.ttr.0 } else { job.ttr };
        *until = (now + ttr.unwrap_or(own)).min(latest);
        let until = *until;
        job.progress = progress.or(job.progress);
        if let Some(result) = result {
            job.result = Some(result.to_vec());
        }
        self.count(seq, |counts| &mut counts.touched);
        Touched::Until(UnixMillis(until))
    }

    fn update(&mut self, name: &JobRef<'_>, change: &Change<'_>) -> Answer {
        let now = self.clock;
        let Change { body, due, priority, ttl, tries, if_version } = change;
        let Some(job) = self.find(name).cloned() else { return Err(vec![Refusal::NoSuchJob]) };
        let state = job.place.kind();
        if if_version.is_some_and(|version| version != job.version) {
            return Ok(Reply::Updated(None));
        }

        let waits = !state.is_final() && state != StateKind::Leased;
        let mut reasons = Vec::new();
        if state == StateKind::Completed || due.is_some() && !waits {
            reasons.push(Refusal::WrongState(state));
        }
        if let Some(body) = body {
            let headers = job.headers.iter().map(|(name, value)| name.len() + value.len());
            reasons.extend(self.settings.too_big(body.len() + headers.sum::<usize>()));
        }
        let expires = match ttl {
            None => job.expires,
            Some(ttl) => (ttl.0 > 0).then(|| now + ttl.0),
        };
        let instant = due.map(|due| instant(due, now));
        if waits && (due.is_some() || ttl.is_some()) {
            let until = match job.place {
                Place::Delayed { until } => until,
                // Due already, whatever ends now.
                _ => 0,
            };
            // Unwritten: who says nothing of the instant does not break the deadline.
            let deadline = job.deadline.filter(|_| due.is_some());
            reasons.extend(self.ends_before(instant.unwrap_or(until), expires, deadline));
        }
        let leaves = due.is_some() && self.is_in_leased_batch(&job);
        if let Some(tries) = tries.or(leaves.then_some(job.tries)) {
            let needed = match &job.place {
                Place::Gathering { .. } if self.is_in_leased_batch(&job) && !leaves => {
                    job.deliveries
                }
                Place::Delayed { .. }
                | Place::Held { .. }
                | Place::Gathering { .. }
                | Place::Ready { .. } => job.deliveries + 1,
                Place::Leased { holder, .. } if !holder.counted => job.deliveries + 1,
                Place::Leased { .. } => job.deliveries,
                Place::Completed { .. } | Place::Dead { .. } => 0,
            };
            if tries < needed {
                reasons.push(Refusal::TooFewTries { deliveries: job.deliveries });
            }
        }
        if !reasons.is_empty() {
            return Err(reasons);
        }

        let seq = job.seq;
        let job = self.job(seq);
        job.version += 1;
        job.expires = expires;
        if let Some(body) = body {
            job.body = body.to_vec();
        }
        if let Some(tries) = *tries {
            job.tries = tries;
        }
        let moves_lane = priority.is_some_and(|priority| priority != job.priority);
        if let Some(priority) = *priority {
            job.priority = priority;
        }
        if moves_lane {
            self.move_to_tail(seq);
        }
        if let Some(instant) = instant {
            if instant > now {
                self.delay(seq, instant);
            } else if state == StateKind::Delayed {
                self.become_ready_now(seq);
            }
        }
        self.count(seq, |counts| &mut counts.updated);
        Ok(Reply::Updated(Some(self.job(seq).version)))
    }
}

/// The wait of a job that failed.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    Span(u64),
    Backoff,
}

/// Whether only a job that is added can be refused for this: it needs room and a name.
fn needs_room(reason: &Refusal) -> bool {
    matches!(reason, Refusal::Full { .. } | Refusal::GroupFull { .. } | Refusal::Duplicate(_))
}

fn copied(headers: &[(&[u8], &[u8])]) -> Vec<(Vec<u8>, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// When the job's life ends in any case.
fn end_of(job: &Job) -> u64 {
    job.expires.unwrap_or(NEVER).min(job.deadline.unwrap_or(NEVER))
}

/// Since when a job is ready, if it is.
fn since(job: &Job) -> Option<u64> {
    match job.place {
        Place::Ready { since, .. } => Some(since),
        _ => None,
    }
}

fn instant(due: Due, now: u64) -> u64 {
    match due {
        Due::Now => now,
        Due::In(span) => now + span.0,
        Due::At(at) => at.0.max(now),
    }
}
