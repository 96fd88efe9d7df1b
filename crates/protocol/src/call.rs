//! What an argument vector can mean, in the engine's own types. The queue's key is not part of it,
//! except where there can be several.

use jobq_engine::{
    Change, Consume, Holder, JobRef, Listing, Millis, Publish, Revival, Setting, Side, StateKind,
    UnixMillis, Verdict, Which,
};

use crate::settings::SettingSpec;

/// A command that was understood.
#[derive(Clone, Debug)]
pub enum Call<'a> {
    /// `JQ.PUBLISH` and `JQ.MPUBLISH`.
    Publish {
        /// What to add.
        publish: Publish<'a>,
        /// Whether the answer is a list of ids, however many there are.
        many: bool,
    },
    /// `JQ.CONSUME`.
    Consume(ConsumeCall<'a>),
    /// `JQ.PEEK`.
    Peek {
        /// At most so many jobs; at least 1.
        count: u32,
    },
    /// `JQ.ACK`, `JQ.FULFILL`, `JQ.NACK`, `JQ.RELEASE`, and `JQ.BURY` of jobs that are named.
    Settle {
        /// At least one.
        jobs: Vec<JobRef<'a>>,
        /// Which of the five.
        verdict: Verdict<'a>,
    },
    /// `JQ.BURY ALL`; all jobs of a state are the first `u64::MAX` of them.
    BuryAll {
        /// In which state the jobs are, delayed or ready.
        state: StateKind,
        /// At most so many.
        count: u64,
    },
    /// `JQ.TOUCH`.
    Touch {
        /// At least one.
        jobs: Vec<JobRef<'a>>,
        /// The new lease, if not as long as the old one.
        ttr: Option<Millis>,
    },
    /// `JQ.UPDATE`, of at least one thing beside the version.
    Update {
        /// Which job.
        job: JobRef<'a>,
        /// What is to be another.
        change: Change<'a>,
    },
    /// `JQ.KICK`; all delayed jobs are the first `u64::MAX` of them.
    Kick(Which<'a>),
    /// `JQ.RESPAWN`; all dead jobs are the first `u64::MAX` of them.
    Respawn {
        /// Which jobs.
        which: Which<'a>,
        /// On what terms.
        revival: Revival,
    },
    /// `JQ.DELETE`, of at least one job.
    Delete(Vec<JobRef<'a>>),
    /// `JQ.PURGE`; all jobs of a state are the first `u64::MAX` of them.
    Purge {
        /// In which state the jobs are.
        state: StateKind,
        /// At most so many.
        count: u64,
    },
    /// `JQ.PAUSE`.
    Pause {
        /// Which way is closed.
        side: Side,
        /// For how long; zero until it is resumed.
        span: Millis,
    },
    /// `JQ.RESUME`.
    Resume,
    /// `JQ.JOB`.
    Job(JobRef<'a>),
    /// `JQ.LIST`.
    List(Listing<'a>),
    /// `JQ.RESULT`.
    Result {
        /// Which job.
        job: JobRef<'a>,
        /// How long to wait for its end: `None` not at all, zero for ever.
        block: Option<Millis>,
    },
    /// `JQ.LEN`, in one state or in all.
    Len(Option<StateKind>),
    /// `JQ.STATS`.
    Stats,
    /// `JQ.CONFIG GET`, of one setting or of all.
    ConfigGet(Option<&'static SettingSpec>),
    /// `JQ.CONFIG SET`, of at least one setting, each once.
    ConfigSet(Vec<Setting>),
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
    /// `JQ.DEBUG`.
    Debug(DebugCall),
    /// `JQ.TICK`.
    Tick {
        /// The queue's clock from now on.
        now: UnixMillis,
        /// How many due transitions to work through.
        budget: u32,
        /// The start of the generator, if this is the first step of a queue or of a term.
        seed: Option<u64>,
        /// What the tokens are above, if this is the first step of a term.
        tokens: Option<u64>,
    },
    /// `JQ.LEASE`.
    Lease {
        /// Who takes the jobs.
        holder: Holder<&'a [u8]>,
        /// The jobs, at least one.
        jobs: Vec<JobRef<'a>>,
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
    /// Whether everything known of a job is told with it.
    pub details: bool,
    /// A share for each queue, in their order; empty if the order itself decides.
    pub weights: Vec<u32>,
    /// The keys, each once, at least one.
    pub queues: Vec<&'a [u8]>,
}

/// What `JQ.DEBUG` can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DebugCall {
    /// Panic, to see that it is caught.
    Panic,
}
