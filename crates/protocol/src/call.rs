//! What an argument vector can mean, in the engine's own types. The queue's key is not part of it,
//! except where there can be several.

use jobq_engine::{Action, Consume, Grain, JobRef, Listing, Millis, Publish, StateKind};

use smallvec::SmallVec;

use crate::{settings::SettingName, steps::Step};

/// `JQ.EVENTS`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EventsCall {
    /// Which events.
    pub since: Since,
    /// At most so many; at least 1.
    pub count: usize,
    /// How long to wait for one if there is none: `None` not at all, zero for ever.
    pub block: Option<Millis>,
}

/// Where to begin to read events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Since {
    /// With the first that is kept.
    Oldest,
    /// Behind the one of this number.
    Number(u64),
    /// With the next one.
    Now,
}

/// A command that was understood.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "it is acted on at once, and never kept")]
pub enum Call<'a> {
    /// Something is to be done without a decision about it. Lists of jobs, bodies and settings are
    /// never empty, and each setting is named once. All jobs of a state are the first `u64::MAX` of
    /// them.
    Act(Action<'a>),
    /// `JQ.PUBLISH` or `JQ.MPUBLISH` with `BLOCK`.
    PublishOrWait {
        /// What is to be published, when there is room.
        publish: Publish<'a>,
        /// How long to wait for room; zero for ever.
        span: Millis,
        /// Where in the argument vector the word `BLOCK` is, with its value behind it. Without them it
        /// asks for the same and does not wait.
        place: usize,
    },
    /// `JQ.CALL`.
    PublishAndWait {
        /// What is to be published.
        publish: Publish<'a>,
        /// How long to wait for its result; zero for ever.
        span: Millis,
        /// Where in the argument vector the word `WAIT` is, with its value behind it. Without them, and
        /// as a `JQ.PUBLISH`, it asks for the same and does not wait.
        place: usize,
    },
    /// `JQ.ACK` with `THEN`.
    Chain {
        /// Whose lease ends.
        done: JobRef<'a>,
        /// The key of the queue to which the successor goes; may be that of `done`.
        to: &'a [u8],
        /// The successor: one body, which replaces no job and waits for none of another queue.
        next: Box<Publish<'a>>,
    },
    /// `JQ.CONSUME`.
    Consume(ConsumeCall<'a>),
    /// `JQ.PEEK`.
    Peek {
        /// At most so many jobs; at least 1.
        count: u32,
    },
    /// `JQ.JOB`.
    Job(JobRef<'a>),
    /// `JQ.JOB` with `TRACE`.
    Trace(JobRef<'a>),
    /// `JQ.EVENTS`.
    Events(EventsCall),
    /// `JQ.LIST`.
    List(Listing<'a>),
    /// `JQ.RESULT`.
    Result {
        /// Which job.
        job: JobRef<'a>,
        /// How long to wait for its end: `None` not at all, zero for ever.
        block: Option<Millis>,
    },
    /// `JQ.NOTICES`.
    Notices {
        /// At most so many; at least 1.
        count: u32,
        /// How long the leases last; as long as jobs are leased if not named.
        ttr: Option<Millis>,
        /// How long to wait for one: `None` not at all, zero for ever.
        block: Option<Millis>,
    },
    /// `JQ.LEN`, in one state or in all.
    Len(Option<StateKind>),
    /// `JQ.STATS`.
    Stats(StatsView<'a>),
    /// `JQ.GATE LIST`.
    Gates,
    /// `JQ.BATCH LIST`.
    Batches,
    /// `JQ.CONFIG GET`, of one setting or of all.
    ConfigGet(Option<SettingName<'a>>),
    /// `JQ.LIMIT LIST`.
    Limits,
    /// `JQ.SCHEDULE LIST`.
    Schedules,
    /// `JQ.SCHEDULE GET`, of this name.
    Schedule(&'a [u8]),
    /// `JQ.DIGEST`.
    Digest,
    /// `JQ.QUEUES`.
    Queues {
        /// Only names that match; a pattern as in `KEYS`.
        pattern: Option<&'a [u8]>,
        /// The last name that the page before looked at.
        after: Option<&'a [u8]>,
        /// How many names to look at; at least 1.
        count: usize,
    },
    /// `JQ.TOUCH` by one who gives a name, and wants to know what is wished of it.
    TouchAs {
        /// The same without a name.
        action: Action<'a>,
        /// Who it is.
        worker: &'a [u8],
    },
    /// `JQ.WORKERS`.
    Workers {
        /// Of one queue, or of all.
        queue: Option<&'a [u8]>,
        /// The last name of the page before.
        after: Option<&'a [u8]>,
        /// At most so many workers; at least 1.
        count: usize,
    },
    /// `JQ.WORKER`.
    Worker(WorkerCall<'a>),
    /// `JQ.DEBUG`.
    Debug(DebugCall),
    /// `JQ.APPLY`.
    Apply {
        /// What was done, at least one step.
        steps: Vec<Step<'a>>,
        /// What the step that stands for a command means; there if such a step is, and then once.
        asked: Option<Action<'a>>,
        /// What the same command means for another queue.
        beside: Option<Box<(&'a [u8], Action<'a>)>>,
    },
    /// `JQ.LOAD`.
    Load {
        /// A piece of a queue's stored form.
        frame: &'a [u8],
    },
}

/// A wish to take jobs of one queue or of several.
#[derive(Clone, Debug)]
pub struct ConsumeCall<'a> {
    /// How many jobs, and who takes them.
    pub consume: Consume<'a>,
    /// How long to wait for a job: `None` not at all, zero for ever.
    pub block: Option<Millis>,
    /// For how many jobs to wait, where it may wait.
    pub gather: Option<Gather>,
    /// How long the leases outlive the connection, where they are bound to it.
    pub bind: Option<Millis>,
    /// Whether everything known of a job is told with it.
    pub details: bool,
    /// A share for each queue, in their order; empty if the order itself decides.
    pub weights: Vec<u32>,
    /// The keys, each once, at least one.
    pub queues: SmallVec<[&'a [u8]; 1]>,
}

/// How a consumer that may wait waits for several jobs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gather {
    /// Until there are so many; from 1 to as many as it takes.
    pub min: u32,
    /// But no longer than this once there is one for it.
    pub linger: Millis,
}

/// What `JQ.STATS` tells of a queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StatsView<'a> {
    /// How many jobs it holds, and what has happened to them.
    Queue,
    /// What has happened to the jobs of a type, and how long it took.
    Type {
        /// Its name.
        name: &'a [u8],
        /// Whether the buckets of the times are told too.
        buckets: bool,
    },
    /// The same of all types.
    Types {
        /// See above.
        buckets: bool,
    },
    /// How long it took.
    Times {
        /// See above.
        buckets: bool,
    },
    /// What happened when.
    History {
        /// By the minute, the hour or the day.
        grain: Grain,
        /// At most so many rows, the latest.
        count: usize,
    },
    /// When something becomes due.
    Due,
}

/// What can be said of a worker.
#[derive(Clone, Debug)]
pub enum WorkerCall<'a> {
    /// It says itself who it is.
    Set {
        /// Its name.
        name: &'a [u8],
        /// The machine that it runs on.
        host: Option<&'a [u8]>,
        /// Its number there.
        pid: Option<u64>,
        /// What else it says of itself.
        labels: Vec<(&'a [u8], &'a [u8])>,
    },
    /// Somebody wishes something of it, or nothing any more.
    Wish {
        /// Its name.
        name: &'a [u8],
        /// What.
        wish: Option<WorkerWish>,
    },
}

/// What may be wished of a worker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WorkerWish {
    /// To take no more jobs.
    Quiet,
    /// To take no more jobs, and to end when it is done with those that it has.
    Stop,
}

impl WorkerWish {
    /// The word on the wire; the one that is pushed is the same in lower case.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Quiet => "QUIET",
            Self::Stop => "STOP",
        }
    }
}

/// What `JQ.DEBUG` can do beside what is an action.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DebugCall {
    /// Panic, to see that it is caught.
    Panic {
        /// Behind the answer, and not before.
        is_answered: bool,
    },
    /// Set the queue's clock ahead.
    Advance(Millis),
    /// Refuse the next commands that settle jobs; none any more with 0.
    Refuse(u32),
}
