//! The first stored form. Frozen: its bytes are in every RDB and AOF of version 0.1.
//!
//! bincode is not self-describing, so a field can neither be added nor moved here.

mod distant;
mod events;
mod limits;
mod notices;
mod schedules;

pub use events::{read_events, write_event};
pub use limits::Unfinished;
pub use notices::{read_notices, write_notice};

use self::{
    distant::{DistantV1, EffectV1, OutsiderV1},
    schedules::{RunV1, ScheduleV1},
};
use std::collections::BTreeMap;

use bincode::Options;
use serde::{Deserialize, Serialize};

use super::Corrupt;
use crate::{
    batches::{Pace, BATCH_JOBS_MAX, BATCH_KEY_BYTES_MAX},
    config::{Config, WhenExpired, WhenLapsed},
    counters::Counters,
    gates,
    generator::Generator,
    headers::Headers,
    id::{self, Token, Ulid},
    interner::Key,
    job::{Extra, Job},
    journal::trail,
    list::{Links, List},
    numbers::Numbers,
    operation::{Holder, Revival},
    parents::{End, Ended, Parents},
    pause::Pauses,
    queue::{Task, COUNT_MAX, TOKEN_MAX},
    retain::Retain,
    slab::Slot,
    state::{State, StateKind},
    terms::{Terms, GROUP_BYTES_MAX, PRIORITIES},
    time::{Millis, UnixMillis},
    u48::U48,
    unique::{Lock, LockEnd, Until, UNIQUE_BYTES_MAX},
    uses, Backoff, Queue, ERROR_BYTES_MAX,
};

/// How many jobs are in each state, in the order of [`StateKind::ALL`].
type Lengths = [u64; 7];

/// What follows the description of a queue.
pub struct Expected {
    lengths: Lengths,
    notices: u64,
}

impl Expected {
    /// Whether all jobs are there.
    pub fn has_jobs(&self, queue: &Queue) -> bool {
        StateKind::ALL.map(|state| queue.len_of(state) as u64) == self.lengths
    }

    /// Whether everything is there.
    pub fn is_met(&self, queue: &Queue) -> bool {
        self.has_jobs(queue) && queue.notices() as u64 == self.notices
    }
}

/// An instant beyond this is none: nobody can name one.
const INSTANT_MAX: u64 = UnixMillis::MAX.0 + Millis::MAX.0;

#[derive(Serialize, Deserialize)]
struct QueueV1<'a> {
    clock: u64,
    generator: u64,
    last_ulid: [u64; 2],
    jobs_published: u64,
    tokens_granted: u64,
    #[serde(borrow)]
    defaults: TermsV1<'a>,
    max_len: u64,
    max_body: u64,
    dead_max: u64,
    dead_age: u64,
    buries_expired: bool,
    backs_off_lapsed: bool,
    publishing_paused: Option<u64>,
    consuming_paused: Option<u64>,
    idle_expire: u64,
    bind_counts: bool,
    releases_max: u32,
    idle_since: u64,
    counters: [u64; 21],
    tasks: Vec<TaskV1>,
    /// The names of the open gates, in order.
    #[serde(borrow)]
    open_gates: Vec<&'a serde_bytes::Bytes>,
    /// The gates whose jobs are being looked at, and the place that each has come to.
    #[serde(borrow)]
    opening: Vec<(&'a serde_bytes::Bytes, u64)>,
    #[serde(borrow)]
    ended: Vec<EndedV1<'a>>,
    lengths: Lengths,
    group_max_len: u64,
    #[serde(borrow)]
    group_weights: Vec<(&'a serde_bytes::Bytes, u32)>,
    #[serde(borrow)]
    limits: LimitsV1<'a>,
    /// How many jobs of other queues have ever followed one of this.
    outsiders_made: u64,
    #[serde(borrow)]
    outbox: Vec<EffectV1<'a>>,
    notices_made: u64,
    /// How many follow the jobs.
    notices: u64,
    pace: PaceV1,
    /// What some keys have of their own.
    #[serde(borrow)]
    paces: Vec<(&'a serde_bytes::Bytes, PaceV1)>,
    /// The key up to which batches follow settings that have changed.
    #[serde(with = "serde_bytes")]
    stale_after: Option<&'a [u8]>,
    events: u32,
    trail: u8,
    events_made: u64,
    /// How many events follow, in frames of their own before the jobs.
    events_kept: u32,
    /// How many schedules there have ever been.
    schedules_made: u64,
    #[serde(borrow)]
    schedules: Vec<ScheduleV1<'a>>,
    /// How long things took, what happened to the jobs of each type, and what happened when.
    #[serde(with = "serde_bytes")]
    numbers: &'a [u8],
}

#[derive(Serialize, Deserialize, Clone, Copy)]
struct PaceV1 {
    size: u32,
    delay: u64,
    grace: u64,
}

#[derive(Serialize, Deserialize)]
struct LimitsV1<'a> {
    /// What is set, by the names that clients know.
    #[serde(borrow)]
    permits: Vec<(&'a serde_bytes::Bytes, PermitsV1)>,
    whole_bucket: BucketV1,
    /// Buckets that are not full.
    #[serde(borrow)]
    buckets: Vec<(LimitIdV1<'a>, BucketV1)>,
    #[serde(borrow)]
    chores: Vec<ChoreV1<'a>>,
    /// When buckets are looked at.
    #[serde(borrow)]
    refills: Vec<(u64, LimitIdV1<'a>)>,
    /// Turns that have begun: in the line of a priority, and in those of the room of a limit.
    turns: Vec<(i8, u32)>,
    #[serde(borrow)]
    turns_in_rooms: Vec<(LimitIdV1<'a>, i8, u32)>,
}

#[derive(Serialize, Deserialize)]
struct PermitsV1 {
    concurrency: Option<u32>,
    rate: Option<(u32, u64)>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
struct BucketV1 {
    /// A number of 128 bits, its lower half first.
    full_at: [u64; 2],
    fractions: u32,
}

#[derive(Serialize, Deserialize)]
enum LimitIdV1<'a> {
    Named(#[serde(with = "serde_bytes", borrow)] &'a [u8]),
    Mutex(#[serde(with = "serde_bytes", borrow)] &'a [u8]),
    Group(#[serde(with = "serde_bytes", borrow)] &'a [u8]),
}

#[derive(Serialize, Deserialize)]
enum ChoreV1<'a> {
    Seat(#[serde(borrow)] LimitIdV1<'a>),
    Revoke(#[serde(borrow)] LimitIdV1<'a>),
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq)]
struct TermsV1<'a> {
    tries: u32,
    ttr: u64,
    ttl: u64,
    backoff: BackoffV1,
    /// Left out for ever.
    retain: Option<u64>,
    priority: i8,
    #[serde(with = "serde_bytes")]
    job_type: &'a [u8],
    #[serde(with = "serde_bytes")]
    group: &'a [u8],
    #[serde(with = "serde_bytes")]
    uses: &'a [u8],
    #[serde(with = "serde_bytes")]
    when: &'a [u8],
    #[serde(with = "serde_bytes")]
    batch: &'a [u8],
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq)]
enum BackoffV1 {
    None,
    Fixed(u64),
    Exponential(u64, u64),
    Polynomial,
}

#[derive(Serialize, Deserialize)]
enum TaskV1 {
    Kick { left: u64 },
    Respawn { left: u64, tries: Option<u32>, ttl: Option<u64>, delay: u64 },
    Bury { state: u8, left: u64 },
    Purge { state: u8, left: u64 },
    Prune,
}

#[derive(Serialize, Deserialize)]
struct JobV1<'a> {
    ulid: [u64; 2],
    seq: u64,
    #[serde(borrow)]
    state: StateV1<'a>,
    /// Left out if they are those of the job before in the frame.
    #[serde(borrow)]
    terms: Option<TermsV1<'a>>,
    deliveries: u32,
    failures: u32,
    due: u64,
    given: Option<&'a str>,
    expires_at: Option<u64>,
    deadline: Option<u64>,
    updates: u64,
    cancelled: bool,
    releases: u32,
    progress: Option<u64>,
    #[serde(borrow)]
    subscribers: Option<notices::TargetsV1<'a>>,
    #[serde(borrow)]
    parents: Option<ParentsV1<'a>>,
    is_leader: bool,
    /// Whether others wait for it, and who does so in other queues.
    #[serde(borrow)]
    outsiders: Option<Vec<OutsiderV1<'a>>>,
    #[serde(with = "serde_bytes")]
    headers: Option<&'a [u8]>,
    #[serde(with = "serde_bytes")]
    error: Option<&'a [u8]>,
    failed_at: Option<u64>,
    #[serde(with = "serde_bytes")]
    result: Option<&'a [u8]>,
    /// Its last changes, as they are kept.
    #[serde(with = "serde_bytes")]
    trail: Option<&'a [u8]>,
    #[serde(borrow)]
    run: Option<RunV1<'a>>,
    #[serde(borrow)]
    lock: Option<LockV1<'a>>,
    #[serde(with = "serde_bytes")]
    body: &'a [u8],
}

/// A job that has ended, and not all are told who wait for it.
#[derive(Serialize, Deserialize)]
struct EndedV1<'a> {
    parent: [u64; 2],
    given: Option<&'a str>,
    how: u8,
    upto: u64,
    told: (u64, u64),
    /// The same for those in other queues.
    distant: (u64, u64),
    /// Who they are, if the job can never come back.
    #[serde(borrow)]
    outsiders: Vec<OutsiderV1<'a>>,
}

#[derive(Serialize, Deserialize, Clone)]
struct ParentsV1<'a> {
    if_dead: u8,
    #[serde(with = "serde_bytes")]
    done: &'a [u8],
    #[serde(with = "serde_bytes")]
    names: &'a [u8],
    #[serde(borrow)]
    distant: Option<DistantV1<'a>>,
}

#[derive(Serialize, Deserialize)]
struct LockV1<'a> {
    #[serde(with = "serde_bytes")]
    key: &'a [u8],
    until: UntilV1,
    end: LockEndV1,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum UntilV1 {
    Gone,
    Done,
    Start,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum LockEndV1 {
    Never,
    AfterDue(u64),
    At(u64),
}

#[derive(Serialize, Deserialize)]
enum StateV1<'a> {
    Delayed {
        until: u64,
    },
    Held {
        since: u64,
    },
    Ready {
        since: u64,
    },
    Leased {
        token: u64,
        deadline: u64,
        #[serde(with = "serde_bytes", borrow)]
        worker: &'a [u8],
        ttr: u64,
        counted: bool,
        /// Since when.
        taken: u64,
    },
    Completed {
        since: u64,
        /// Left out for ever.
        until: Option<u64>,
    },
    Dead {
        since: u64,
    },
    /// Ready, but for a place of a limit: that of this place among those that the job needs.
    Parked {
        since: u64,
        blocker: u8,
    },
    Gathering {
        since: u64,
        /// The id of the one that leads the batch, if it has formed.
        leader: Option<&'a str>,
        /// When it will form, if by time.
        fires: Option<u64>,
    },
}

fn codec() -> impl Options {
    // Fixed-width integers: what bincode 2 calls its legacy form reads them too.
    bincode::DefaultOptions::new().with_fixint_encoding().reject_trailing_bytes()
}

fn write_record(frame: &mut Vec<u8>, record: &impl Serialize) {
    let start = frame.len();
    frame.extend([0; 4]);
    codec().serialize_into(&mut *frame, record).expect("writing to memory cannot fail");
    let len = (frame.len() - start - 4) as u32;
    frame[start..start + 4].copy_from_slice(&len.to_le_bytes());
}

fn read_record<'a, R: Deserialize<'a>>(records: &mut &'a [u8]) -> Result<R, Corrupt> {
    let (len, rest) = records.split_first_chunk::<4>().ok_or(Corrupt::Record)?;
    let len = u32::from_le_bytes(*len) as usize;
    if len > rest.len() {
        return Err(Corrupt::Record);
    }
    let (record, rest) = rest.split_at(len);
    *records = rest;
    codec().deserialize(record).map_err(|_| Corrupt::Record)
}

pub fn write_queue(frame: &mut Vec<u8>, queue: &Queue) {
    let mut numbers = Vec::new();
    queue.numbers.write(&mut numbers);
    let counters = queue.numbers.counts.named().map(|(_, count)| count.min(COUNT_MAX));
    let record = QueueV1 {
        clock: queue.clock.0,
        generator: queue.generator.state(),
        last_ulid: words(queue.last_ulid),
        jobs_published: queue.jobs_published,
        tokens_granted: queue.tokens_granted,
        defaults: (&queue.config.defaults).into(),
        max_len: queue.config.max_len,
        max_body: queue.config.max_body,
        dead_max: queue.config.dead_max,
        dead_age: queue.config.dead_age.0,
        buries_expired: queue.config.expired == WhenExpired::Bury,
        backs_off_lapsed: queue.config.lapse == WhenLapsed::Backoff,
        publishing_paused: queue.pauses.publishing.map(|until| until.0),
        consuming_paused: queue.pauses.consuming.map(|until| until.0),
        idle_expire: queue.config.idle_expire.0,
        bind_counts: queue.config.bind_counts,
        releases_max: queue.config.releases_max,
        idle_since: queue.idle_since.0,
        counters,
        tasks: queue.tasks.iter().map(TaskV1::from).collect(),
        open_gates: (queue.gates.iter())
            .filter(|gate| gate.is_open)
            .map(|gate| gate.name.into())
            .collect(),
        opening: queue.gates.opening().map(|(name, at)| (name.into(), at)).collect(),
        ended: queue.family.ended().map(|ended| EndedV1::new(queue, ended)).collect(),
        lengths: StateKind::ALL.map(|state| queue.len_of(state) as u64),
        group_max_len: queue.config.group_max_len,
        group_weights: (queue.config.group_weights.iter())
            .map(|(group, weight)| (serde_bytes::Bytes::new(group), *weight))
            .collect(),
        limits: limits::write(queue),
        outsiders_made: queue.outsiders.made(),
        outbox: distant::effects(&queue.outsiders),
        notices_made: queue.subscriptions.made(),
        notices: queue.notices() as u64,
        pace: queue.config.pace.into(),
        paces: (queue.config.paces.iter())
            .map(|(key, pace)| (serde_bytes::Bytes::new(key), (*pace).into()))
            .collect(),
        stale_after: queue.batches.stale_after(),
        events: queue.config.events,
        trail: queue.config.trail,
        events_made: queue.events_made(),
        events_kept: queue.events_kept() as u32,
        schedules_made: queue.schedules.made(),
        schedules: schedules::write(queue),
        numbers: &numbers,
    };
    write_record(frame, &record);
}

pub fn read_queue(mut records: &[u8]) -> Result<(Queue, Expected, Unfinished), Corrupt> {
    let record: QueueV1<'_> = read_record(&mut records)?;
    if !records.is_empty() {
        return Err(Corrupt::Record);
    }
    let mut queue = Queue::new(record.generator);
    queue.clock = past(record.clock, UnixMillis::MAX)?;
    queue.last_ulid = ulid(record.last_ulid);
    if queue.last_ulid.millis() > queue.clock {
        return Err(Corrupt::Value("last id"));
    }
    queue.generator = Generator::new(record.generator);
    queue.jobs_published = small(record.jobs_published)?;
    queue.tokens_granted = token(record.tokens_granted)?;
    queue.config = Config {
        defaults: record.defaults.check()?.to_owned(),
        max_len: record.max_len,
        max_body: record.max_body,
        dead_max: record.dead_max,
        dead_age: span(record.dead_age)?,
        expired: if record.buries_expired { WhenExpired::Bury } else { WhenExpired::Drop },
        lapse: if record.backs_off_lapsed { WhenLapsed::Backoff } else { WhenLapsed::Ready },
        idle_expire: span(record.idle_expire)?,
        group_max_len: record.group_max_len,
        group_weights: limits::weights(&record.group_weights)?,
        bind_counts: record.bind_counts,
        releases_max: record.releases_max,
        pace: record.pace.check()?,
        paces: paces(&record.paces)?,
        events: record.events,
        trail: record.trail,
    };
    queue.idle_since = past(record.idle_since, queue.clock)?;
    queue.pauses = Pauses {
        publishing: record.publishing_paused.map(pause).transpose()?,
        consuming: record.consuming_paused.map(pause).transpose()?,
    };
    queue.renew_default_terms();
    if !queue.config.defaults.job_type.is_empty() {
        return Err(Corrupt::Value("type of jobs without one"));
    }
    let events_kept = events::begin(&record, &mut queue)?;
    for count in record.counters {
        small(count)?;
    }
    let counts = Counters::from_counts(record.counters);
    queue.numbers = Numbers::read(record.numbers, counts, queue.clock)
        .ok_or(Corrupt::Value("numbers of the past"))?;
    for task in record.tasks {
        queue.tasks.push_back(task.check()?);
    }
    read_gates(&record.open_gates, &record.opening, &mut queue)?;
    queue.outsiders.begin(small(record.outsiders_made)?);
    for stored in record.ended {
        let ended = stored.check(&queue)?;
        if !stored.outsiders.is_empty() {
            if ended.how == End::Died {
                return Err(Corrupt::Value("outsiders of a job"));
            }
            distant::read_outsiders(&stored.outsiders, ended.parent, &mut queue)?;
        }
        queue.family.note(ended);
    }
    distant::read_effects(&record.outbox, &mut queue)?;
    queue.subscriptions.begin(small(record.notices_made)?);
    queue.schedules.begin(small(record.schedules_made)?);
    schedules::read(&record.schedules, &mut queue)?;
    let mut unfinished = limits::read(&record.limits, &mut queue)?;
    unfinished.stale_after = record.stale_after.map(Into::into);
    unfinished.events = events_kept;
    Ok((queue, Expected { lengths: record.lengths, notices: record.notices }, unfinished))
}

/// Writes jobs one after the other, and the terms only where they change.
#[derive(Default)]
pub struct JobWriter {
    terms: Option<Key>,
}

impl JobWriter {
    pub fn write(&mut self, frame: &mut Vec<u8>, queue: &Queue, slot: Slot) {
        let job = queue.job(slot);
        let terms = (self.terms != Some(job.terms)).then(|| queue.terms_of(job).into());
        self.terms = Some(job.terms);
        let leader = queue.leader_of(job).map(|leader| leader.id().to_string());
        let state = match job.state() {
            State::Delayed { until } => StateV1::Delayed { until: until.0 },
            State::Held { since } => StateV1::Held { since: since.0 },
            State::Gathering { since, .. } => StateV1::Gathering {
                since: since.0,
                leader: leader.as_deref(),
                fires: queue.batch_fires(job).map(|at| at.0),
            },
            State::Ready { since, parked: false } => StateV1::Ready { since: since.0 },
            State::Ready { since, parked: true } => {
                let blocker = queue.parked_at(job).unwrap_or_default();
                StateV1::Parked { since: since.0, blocker: blocker as u8 }
            }
            State::Leased { token, deadline, holder } => {
                let holder = queue.holders.get(holder);
                StateV1::Leased {
                    token: token.0,
                    deadline: deadline.0,
                    worker: &holder.worker,
                    ttr: holder.ttr.0,
                    counted: holder.counted,
                    taken: job.leased_since().unwrap_or_default().0,
                }
            }
            State::Completed { since, until } => StateV1::Completed {
                since: since.0,
                until: (until != UnixMillis::NEVER).then_some(until.0),
            },
            State::Dead { since } => StateV1::Dead { since: since.0 },
        };
        let record = JobV1 {
            ulid: words(job.ulid),
            seq: job.seq(),
            state,
            terms,
            deliveries: job.deliveries,
            failures: job.failures(),
            due: job.due().0,
            given: job.given(),
            expires_at: job.extra.as_ref().and_then(|extra| extra.expires_at).map(|at| at.0),
            deadline: job.deadline().map(|at| at.0),
            updates: job.version() - 1,
            cancelled: job.is_cancelled(),
            releases: job.releases(),
            progress: job.progress(),
            subscribers: Some(job.subscribers())
                .filter(|all| !all.is_empty())
                .map(notices::targets),
            parents: job.parents().map(|parents| {
                let (if_dead, done, names, distant) = parents.stored();
                ParentsV1 { if_dead, done, names, distant: distant.map(DistantV1::from) }
            }),
            is_leader: job.is_leader(),
            outsiders: job.is_followed().then(|| distant::outsiders_of(queue, job.ulid)),
            headers: job
                .extra
                .as_ref()
                .and_then(|extra| extra.headers.as_ref())
                .map(Headers::as_bytes),
            error: job.error(),
            failed_at: job.failed_at().map(|at| at.0),
            result: job.result(),
            lock: job.lock().map(LockV1::from),
            trail: job.packed_trail(),
            run: job.run().map(RunV1::from),
            body: &job.body,
        };
        write_record(frame, &record);
    }
}

pub fn read_jobs(mut records: &[u8], queue: &mut Queue) -> Result<(), Corrupt> {
    if records.is_empty() {
        return Err(Corrupt::Record);
    }
    let mut terms = None;
    while !records.is_empty() {
        let record: JobV1<'_> = read_record(&mut records)?;
        if let Some(changed) = record.terms {
            terms = Some(changed.check()?);
        }
        let terms = terms.ok_or(Corrupt::Value("terms"))?;
        read_job(&record, terms, queue)?;
    }
    Ok(())
}

fn read_job(record: &JobV1<'_>, terms: Terms<&[u8]>, queue: &mut Queue) -> Result<(), Corrupt> {
    let ulid = ulid(record.ulid);
    if ulid > queue.last_ulid || record.seq == 0 || record.seq > queue.jobs_published {
        return Err(Corrupt::Value("place in publish order"));
    }
    if record.error.is_some_and(|error| error.len() > ERROR_BYTES_MAX) {
        return Err(Corrupt::Value("error text"));
    }
    let known = match record.given {
        Some(given) if !id::is_valid(given.as_bytes()) => return Err(Corrupt::Value("id")),
        Some(given) => queue.find_id(given),
        None => queue.find_ulid(ulid, || ulid.to_string().into()),
    };
    if known.is_some() {
        return Err(Corrupt::Value("id, which is there twice"));
    }
    let headers =
        record.headers.map(|bytes| Headers::from_bytes(bytes).ok_or(Corrupt::Value("headers")));
    let expires_at = record.expires_at.map(instant).transpose()?;
    let waits = matches!(
        record.state,
        StateV1::Delayed { .. }
            | StateV1::Held { .. }
            | StateV1::Ready { .. }
            | StateV1::Parked { .. }
            | StateV1::Gathering { .. }
    );
    if record.cancelled && waits {
        return Err(Corrupt::Value("mark of a cancel"));
    }
    if record.trail.is_some_and(|trail| !trail::is_valid(trail, queue.clock)) {
        return Err(Corrupt::Value("trail"));
    }
    let parents = record.parents.as_ref().map(ParentsV1::check).transpose()?;
    if !queue.numbers.types.can_have(terms.job_type) {
        return Err(Corrupt::Value("type of a job"));
    }
    let (mut holder, mut links) = (None, Links::NONE);
    let state = match record.state {
        StateV1::Delayed { until } => State::Delayed { until: instant(until)? },
        StateV1::Held { .. } if terms.when.is_empty() && parents.is_none() => {
            return Err(Corrupt::Value("held job that waits for nothing"));
        }
        StateV1::Held { since } => State::Held { since: after_last(since, &queue.held, queue)? },
        StateV1::Gathering { since, leader, .. } => State::Gathering {
            since: after_last(since, &queue.gathering, queue)?,
            batch: queue.batch_again(terms.batch, leader).ok_or(Corrupt::Value("batch"))?,
        },
        StateV1::Ready { since } => {
            State::Ready { since: past(since, queue.clock)?, parked: false }
        }
        StateV1::Parked { since, .. } => {
            State::Ready { since: past(since, queue.clock)?, parked: true }
        }
        StateV1::Completed { since, until } => State::Completed {
            since: after_last(since, &queue.completed, queue)?,
            until: until.map_or(Ok(UnixMillis::NEVER), instant)?,
        },
        StateV1::Dead { since } => State::Dead { since: after_last(since, &queue.dead, queue)? },
        StateV1::Leased { token, deadline, worker, ttr, counted, taken } => {
            if token == 0 || token > queue.tokens_granted {
                return Err(Corrupt::Value("token"));
            }
            let deadline = instant(deadline)?;
            links = Links::since(past(taken, queue.clock)?);
            let key = queue.intern_holder(&Holder { worker, ttr: span(ttr)?, counted });
            holder = Some(key);
            State::Leased { token: Token(token), deadline, holder: key }
        }
    };
    let subscribers = record.subscribers.as_deref().map(notices::read_targets);
    if subscribers.is_some() && state.kind().is_final() {
        return Err(Corrupt::Value("subscribers of a job that has ended"));
    }
    let extra = Extra {
        given: record.given.map(Into::into),
        expires_at,
        deadline: record.deadline.map(instant).transpose()?,
        headers: headers.transpose()?,
        error: record.error.map(Into::into),
        failures: record.failures,
        failed_at: record.failed_at.map(|at| past(at, queue.clock)).transpose()?,
        result: record.result.map(Into::into),
        updates: small(record.updates)?,
        cancelled: record.cancelled,
        lock: record.lock.as_ref().map(LockV1::check).transpose()?.map(Box::new),
        releases: record.releases,
        progress: record.progress,
        subscribers: subscribers.transpose()?.map(Box::new),
        parents,
        is_followed: record.outsiders.is_some(),
        leads: None,
        trail: record.trail.map(Into::into),
        run: record.run.as_ref().map(|run| run.check(queue)).transpose()?,
    };
    let terms = queue.intern_terms(terms);
    let job = Job {
        ulid,
        seq: U48::new(record.seq),
        due: U48::new(instant(record.due)?.0),
        body: record.body.into(),
        state: state.into(),
        links,
        terms,
        deliveries: record.deliveries,
        extra: (extra != Extra::default()).then(|| Box::new(extra)),
    };
    if !queue.fits(&job, queue.terms_of(&job).tries) {
        return Err(Corrupt::Value("number of deliveries"));
    }
    if job.lock().is_some_and(|lock| !job.may_hold(lock) || queue.has_lock(&lock.key)) {
        return Err(Corrupt::Value("lock"));
    }
    if let Some(outsiders) = record.outsiders.as_ref().filter(|outsiders| !outsiders.is_empty()) {
        if matches!(record.state, StateV1::Completed { .. }) {
            return Err(Corrupt::Value("outsiders of a job"));
        }
        distant::read_outsiders(outsiders, ulid, queue)?;
    }
    let parked = match record.state {
        StateV1::Parked { blocker, .. } => Some(usize::from(blocker)),
        _ => None,
    };
    let slot = queue.admit_again(job, parked).ok_or(Corrupt::Value("limit that holds a job up"))?;
    if queue.jobs[slot].state() != state {
        return Err(Corrupt::Value("order of the ready"));
    }
    if record.run.is_some() && !state.kind().is_final() {
        queue.note_run(slot, false);
    }
    if record.is_leader && !queue.lead_again(slot) {
        return Err(Corrupt::Value("batch"));
    }
    if let (State::Gathering { batch, .. }, StateV1::Gathering { leader: None, fires, .. }) =
        (state, &record.state)
    {
        // As it was, though the settings may be others by now.
        queue.arm(batch, fires.map(instant).transpose()?);
    }
    queue.terms.release(terms);
    if let Some(holder) = holder {
        queue.holders.release(holder);
    }
    Ok(())
}

impl From<Until> for UntilV1 {
    fn from(until: Until) -> Self {
        match until {
            Until::Gone => Self::Gone,
            Until::Done => Self::Done,
            Until::Start => Self::Start,
        }
    }
}

impl From<UntilV1> for Until {
    fn from(until: UntilV1) -> Self {
        match until {
            UntilV1::Gone => Self::Gone,
            UntilV1::Done => Self::Done,
            UntilV1::Start => Self::Start,
        }
    }
}

impl<'a> From<&'a Lock> for LockV1<'a> {
    fn from(lock: &'a Lock) -> Self {
        let until = lock.until.into();
        let end = match lock.end {
            LockEnd::Never => LockEndV1::Never,
            LockEnd::AfterDue(lasts) => LockEndV1::AfterDue(lasts.0),
            LockEnd::At(at) => LockEndV1::At(at.0),
        };
        Self { key: &lock.key, until, end }
    }
}

impl LockV1<'_> {
    fn check(&self) -> Result<Lock, Corrupt> {
        if !(1..=UNIQUE_BYTES_MAX).contains(&self.key.len()) {
            return Err(Corrupt::Value("unique key"));
        }
        let until = self.until.into();
        let end = match self.end {
            LockEndV1::Never => LockEnd::Never,
            LockEndV1::AfterDue(0) => return Err(Corrupt::Value("span")),
            LockEndV1::AfterDue(lasts) => LockEnd::AfterDue(span(lasts)?),
            // So long after an instant that may itself be a span away.
            LockEndV1::At(at) if at <= INSTANT_MAX + Millis::MAX.0 => LockEnd::At(UnixMillis(at)),
            LockEndV1::At(_) => return Err(Corrupt::Value("instant")),
        };
        Ok(Lock { key: self.key.into(), until, end })
    }
}

fn read_gates(
    open: &[&serde_bytes::Bytes],
    opening: &[(&serde_bytes::Bytes, u64)],
    queue: &mut Queue,
) -> Result<(), Corrupt> {
    let ascends = open.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascends || !open.iter().all(|name| gates::is_name(name)) {
        return Err(Corrupt::Value("gates"));
    }
    for name in open {
        queue.gates.open(name);
    }
    for (name, looked_at) in opening {
        if *looked_at > queue.jobs_published || !queue.gates.go_on_opening(name, *looked_at) {
            return Err(Corrupt::Value("opening of a gate"));
        }
    }
    Ok(())
}

impl From<Pace> for PaceV1 {
    fn from(Pace { size, delay, grace }: Pace) -> Self {
        Self { size, delay: delay.0, grace: grace.0 }
    }
}

impl PaceV1 {
    fn check(self) -> Result<Pace, Corrupt> {
        let Self { size, delay, grace } = self;
        if size > BATCH_JOBS_MAX {
            return Err(Corrupt::Value("size of a batch"));
        }
        Ok(Pace { size, delay: span(delay)?, grace: span(grace)? })
    }
}

/// What keys of batches have of their own: in order, and never nothing.
fn paces(stored: &[(&serde_bytes::Bytes, PaceV1)]) -> Result<BTreeMap<Box<[u8]>, Pace>, Corrupt> {
    let ascends = stored.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let read = |(key, pace): &(&serde_bytes::Bytes, PaceV1)| {
        let pace = pace.check()?;
        let is_valid = (1..=BATCH_KEY_BYTES_MAX).contains(&key.len()) && pace != Pace::default();
        is_valid.then(|| (Box::from(&***key), pace)).ok_or(Corrupt::Value("settings of a batch"))
    };
    ascends.then_some(()).ok_or(Corrupt::Value("settings of a batch"))?;
    stored.iter().map(read).collect()
}

impl From<Backoff> for BackoffV1 {
    fn from(backoff: Backoff) -> Self {
        match backoff {
            Backoff::None => Self::None,
            Backoff::Fixed(wait) => Self::Fixed(wait.0),
            Backoff::Exponential { base, max } => Self::Exponential(base.0, max.0),
            Backoff::Polynomial => Self::Polynomial,
        }
    }
}

impl BackoffV1 {
    fn check(self) -> Result<Backoff, Corrupt> {
        Ok(match self {
            Self::None => Backoff::None,
            Self::Fixed(wait) => Backoff::Fixed(span(wait)?),
            Self::Exponential(base, max) => {
                Backoff::Exponential { base: span(base)?, max: span(max)? }
            }
            Self::Polynomial => Backoff::Polynomial,
        })
    }
}

impl<'a> From<&'a Terms> for TermsV1<'a> {
    fn from(terms: &'a Terms) -> Self {
        Self {
            tries: terms.tries,
            ttr: terms.ttr.0,
            ttl: terms.ttl.0,
            backoff: terms.backoff.into(),
            retain: match terms.retain {
                Retain::For(span) => Some(span.0),
                Retain::Forever => None,
            },
            priority: terms.priority,
            job_type: &terms.job_type,
            group: &terms.group,
            uses: &terms.uses,
            when: &terms.when,
            batch: &terms.batch,
        }
    }
}

impl<'a> TermsV1<'a> {
    fn check(self) -> Result<Terms<&'a [u8]>, Corrupt> {
        let backoff = self.backoff.check()?;
        if self.tries == 0 || self.ttr == 0 || !PRIORITIES.contains(&self.priority) {
            return Err(Corrupt::Value("terms"));
        }
        if self.group.len() > GROUP_BYTES_MAX || !uses::is_valid(self.uses) {
            return Err(Corrupt::Value("group or limits"));
        }
        if !gates::is_valid(self.when) {
            return Err(Corrupt::Value("gates"));
        }
        if self.batch.len() > BATCH_KEY_BYTES_MAX {
            return Err(Corrupt::Value("batch"));
        }
        Ok(Terms {
            tries: self.tries,
            ttr: span(self.ttr)?,
            ttl: span(self.ttl)?,
            backoff,
            retain: self.retain.map_or(Ok(Retain::Forever), |ms| span(ms).map(Retain::For))?,
            priority: self.priority,
            job_type: self.job_type,
            group: self.group,
            uses: self.uses,
            when: self.when,
            batch: self.batch,
        })
    }
}

impl ParentsV1<'_> {
    fn check(&self) -> Result<Box<Parents>, Corrupt> {
        let distant = self.distant.as_ref().map(DistantV1::check).transpose()?;
        let parents = Parents::from_stored(self.if_dead, self.done, self.names, distant);
        parents.map(Box::new).ok_or(Corrupt::Value("parents"))
    }
}

impl<'a> EndedV1<'a> {
    fn new(queue: &'a Queue, ended: &'a Ended) -> Self {
        let outsiders = match ended.how {
            // They are stored with the job, which may come back.
            End::Died => Vec::new(),
            End::Completed | End::Removed => distant::outsiders_of(queue, ended.parent),
        };
        Self {
            parent: words(ended.parent),
            given: ended.given.as_deref(),
            how: ended.how as u8,
            upto: ended.upto,
            told: ended.told,
            distant: (ended.upto_distant, ended.told_distant),
            outsiders,
        }
    }

    fn check(&self, queue: &Queue) -> Result<Ended, Corrupt> {
        let (seq, at) = self.told;
        let is_valid = self.given.is_none_or(|given| id::is_valid(given.as_bytes()));
        let how = End::ALL.get(usize::from(self.how)).filter(|_| is_valid);
        let Some(&how) = how.filter(|_| self.upto.max(seq) <= queue.jobs_published) else {
            return Err(Corrupt::Value("end of a job"));
        };
        Ok(Ended {
            parent: ulid(self.parent),
            given: self.given.map(Into::into),
            how,
            upto: self.upto,
            told: (seq, small(at)?),
            upto_distant: past_number(self.distant.0, queue)?,
            told_distant: past_number(self.distant.1, queue)?,
        })
    }
}

impl From<&Task> for TaskV1 {
    fn from(task: &Task) -> Self {
        match *task {
            Task::Kick { left } => Self::Kick { left },
            Task::Respawn { left, revival } => Self::Respawn {
                left,
                tries: revival.tries,
                ttl: revival.ttl.map(|ttl| ttl.0),
                delay: revival.delay.0,
            },
            Task::Bury { state, left } => {
                Self::Bury { state: number_of(&StateKind::ALL, &state), left }
            }
            Task::Purge { state, left } => {
                Self::Purge { state: number_of(&StateKind::ALL, &state), left }
            }
            Task::Prune => Self::Prune,
        }
    }
}

impl TaskV1 {
    fn check(self) -> Result<Task, Corrupt> {
        match self {
            Self::Kick { left: 0 }
            | Self::Respawn { left: 0, .. }
            | Self::Bury { left: 0, .. }
            | Self::Purge { left: 0, .. } => Err(Corrupt::Value("task")),
            Self::Respawn { tries: Some(0), .. } => Err(Corrupt::Value("task")),
            Self::Kick { left } => Ok(Task::Kick { left }),
            Self::Bury { state, left } => match kind(state)? {
                // In any other state a job could stay where it is, and the task would not end.
                state @ (StateKind::Delayed
                | StateKind::Held
                | StateKind::Gathering
                | StateKind::Ready) => Ok(Task::Bury { state, left }),
                _ => Err(Corrupt::Value("task")),
            },
            Self::Purge { state, left } => Ok(Task::Purge { state: kind(state)?, left }),
            Self::Prune => Ok(Task::Prune),
            Self::Respawn { left, tries, ttl, delay } => {
                let ttl = ttl.map(span).transpose()?;
                Ok(Task::Respawn { left, revival: Revival { tries, ttl, delay: span(delay)? } })
            }
        }
    }
}

fn instant(ms: u64) -> Result<UnixMillis, Corrupt> {
    (ms <= INSTANT_MAX).then_some(UnixMillis(ms)).ok_or(Corrupt::Value("instant"))
}

/// The end of a pause, which may be never.
fn pause(ms: u64) -> Result<UnixMillis, Corrupt> {
    match UnixMillis(ms) {
        UnixMillis::NEVER => Ok(UnixMillis::NEVER),
        _ => instant(ms),
    }
}

/// The place of a value in the list of all that there are.
fn number_of<T: PartialEq>(all: &[T], value: &T) -> u8 {
    all.iter().position(|other| other == value).expect("all are listed") as u8
}

/// The state of such a place.
fn kind(number: u8) -> Result<StateKind, Corrupt> {
    StateKind::ALL.get(usize::from(number)).copied().ok_or(Corrupt::Value("state"))
}

/// An instant that has come, and not before that of the last job in a list.
fn after_last(ms: u64, list: &List, queue: &Queue) -> Result<UnixMillis, Corrupt> {
    let last = list.last().and_then(|slot| queue.jobs[slot].state().since());
    match past(ms, queue.clock)? {
        since if last.is_some_and(|last| since < last) => {
            Err(Corrupt::Value("order of the finished"))
        }
        since => Ok(since),
    }
}

/// An instant that has come.
fn past(ms: u64, now: UnixMillis) -> Result<UnixMillis, Corrupt> {
    (ms <= now.0).then_some(UnixMillis(ms)).ok_or(Corrupt::Value("instant"))
}

fn span(ms: u64) -> Result<Millis, Corrupt> {
    (ms <= Millis::MAX.0).then_some(Millis(ms)).ok_or(Corrupt::Value("span"))
}

/// A count that a queue can come to.
fn small(count: u64) -> Result<u64, Corrupt> {
    (count <= COUNT_MAX).then_some(count).ok_or(Corrupt::Value("count"))
}

/// The number of an outsider that there has been.
fn past_number(number: u64, queue: &Queue) -> Result<u64, Corrupt> {
    (number <= queue.outsiders.made()).then_some(number).ok_or(Corrupt::Value("count"))
}

/// A token that a queue can come to.
fn token(count: u64) -> Result<u64, Corrupt> {
    (count <= TOKEN_MAX).then_some(count).ok_or(Corrupt::Value("count"))
}

fn words(ulid: Ulid) -> [u64; 2] {
    let bits = ulid.to_bits();
    [(bits >> 64) as u64, bits as u64]
}

fn ulid([high, low]: [u64; 2]) -> Ulid {
    Ulid::from_bits(u128::from(high) << 64 | u128::from(low))
}
