//! What can be asked of a queue, and what it answers.
//!
//! A [`Request`] is what a client wants. [`Queue::choose`](crate::Queue::choose) decides what comes
//! of it: an [`Operation`], which is what the log records and every replica applies. Only a consume
//! and the amount of work of a tick are decisions; every other request is an [`Action`], and that is
//! its own operation.

use smallvec::SmallVec;

use crate::{
    batches::BatchOrder,
    cancel::Cancelled,
    config::Setting,
    distant::Distant,
    hasten::Haste,
    id::{JobRef, Token},
    interner::Shared,
    limits::Permits,
    outbox::Told,
    outsiders::Follow,
    parents::IfDead,
    retain::Retain,
    schedules::{Plan, ScheduleOrder},
    slab::{Slot, Slots},
    state::StateKind,
    terms::Wishes,
    time::{Millis, UnixMillis},
    unique::Unique,
    uses::Use,
};

/// When a job may first be taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Due {
    /// At once.
    #[default]
    Now,
    /// This long from now.
    In(Millis),
    /// At this instant; one that has passed means at once.
    At(UnixMillis),
}

impl Due {
    /// The instant that is meant, for a clock that shows `now`; not before that.
    #[must_use]
    pub fn after(self, now: UnixMillis) -> UnixMillis {
        match self {
            Self::Now => now,
            Self::In(delay) => now.after(delay),
            Self::At(at) => at.max(now),
        }
    }
}

/// Jobs to be published on the same terms.
#[derive(Clone, Debug)]
pub struct Publish<'a> {
    /// What the jobs carry, one body a job.
    pub bodies: Bodies<'a>,
    /// An id of the client's own; with one body only.
    pub id: Option<&'a str>,
    /// When the jobs may first be taken.
    pub due: Due,
    /// When the jobs are dead if they are not finished by then.
    pub deadline: Option<UnixMillis>,
    /// Named values beside the body, each name once.
    pub headers: Vec<(&'a [u8], &'a [u8])>,
    /// A job that these come in place of.
    pub replaces: Option<JobRef<'a>>,
    /// Options that were named.
    pub wishes: Wishes<'a>,
    /// What they need beside their turn, which most do not. Not by value: it would be moved about
    /// with each publish.
    pub conditions: Option<Box<Conditions<'a>>>,
}

/// What a job needs beside its turn before it may be taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions<'a> {
    /// Limits that it counts against, each once.
    pub uses: Vec<Use<'a>>,
    /// A key whose lock it takes; with one body only.
    pub unique: Option<Unique<'a>>,
    /// Gates that it waits for: of each clause one has to be open.
    pub when: Vec<Vec<&'a [u8]>>,
    /// Jobs that it waits for, by their bare ids. One that is not in the queue is taken for done.
    pub after: Vec<JobRef<'a>>,
    /// Jobs of other queues that it waits for.
    pub distant: Vec<Distant<'a>>,
    /// What becomes of it when one of them dies.
    pub if_dead: IfDead,
    /// With which jobs it is delivered, those of the same key; empty if by itself.
    pub batch: &'a [u8],
}

impl<'a> Publish<'a> {
    /// Jobs without options, due at once.
    #[must_use]
    pub fn new(bodies: Bodies<'a>) -> Self {
        Self {
            bodies,
            id: None,
            due: Due::Now,
            deadline: None,
            headers: Vec::new(),
            replaces: None,
            wishes: Wishes::default(),
            conditions: None,
        }
    }

    /// The jobs of other queues that it waits for.
    #[must_use]
    pub fn distant(&self) -> &[Distant<'a>] {
        self.conditions.as_ref().map_or(&[], |conditions| &conditions.distant)
    }

    /// The key whose lock it takes.
    #[must_use]
    #[inline]
    pub fn unique(&self) -> Option<&Unique<'a>> {
        self.conditions.as_ref()?.unique.as_ref()
    }
}

/// One body or several.
#[derive(Clone, Debug)]
pub enum Bodies<'a> {
    /// The usual case, without a list.
    One(&'a [u8]),
    /// Several, in order.
    Many(Vec<&'a [u8]>),
}

impl<'a> Bodies<'a> {
    /// The bodies in order.
    pub fn as_slice(&self) -> &[&'a [u8]] {
        match self {
            Self::One(body) => std::slice::from_ref(body),
            Self::Many(bodies) => bodies,
        }
    }
}

/// Who takes jobs, and how. Kept once for all leases that a worker holds.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Holder<B = Box<[u8]>> {
    /// The worker's name; empty if it gave none.
    pub worker: B,
    /// How long the lease lasts; zero for as long as each job's own terms say.
    pub ttr: Millis,
    /// Whether the delivery spends a try.
    pub counted: bool,
}

impl Holder {
    /// The same without a copy of the name.
    #[must_use]
    pub fn as_ref(&self) -> Holder<&[u8]> {
        Holder { worker: &self.worker, ttr: self.ttr, counted: self.counted }
    }
}

impl Shared for Holder {
    fn heap_bytes(&self) -> usize {
        self.worker.len()
    }
}

impl Holder<&[u8]> {
    /// The same with a name of its own.
    #[must_use]
    pub fn to_owned(&self) -> Holder {
        Holder { worker: self.worker.into(), ttr: self.ttr, counted: self.counted }
    }
}

/// A wish to take jobs.
#[derive(Clone, Debug)]
pub struct Consume<'a> {
    /// At most this many; at least 1.
    pub count: u32,
    /// Who takes them.
    pub holder: Holder<&'a [u8]>,
}

/// The jobs that a consumer gets: the decision that comes of a [`Consume`].
#[derive(Clone, Debug)]
pub struct Lease<'a> {
    /// Who takes them.
    pub holder: Holder<&'a [u8]>,
    /// Ready jobs, each once, in the order of delivery.
    pub jobs: Slots,
}

/// How a lease is ended by its holder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict<'a> {
    /// The work is done.
    Ack,
    /// The work is done, and this came of it. Also for a job that nobody holds; the first result
    /// wins.
    Fulfill {
        /// What came of it.
        result: &'a [u8],
        /// How long to keep it, instead of what the job's terms say.
        retain: Option<Retain>,
    },
    /// The attempt failed.
    Nack {
        /// The wait before the next attempt, instead of the backoff's.
        delay: Option<Millis>,
        /// What went wrong.
        error: Option<&'a [u8]>,
    },
    /// Given back without blame.
    Release {
        /// The wait before it may be taken again.
        delay: Millis,
        /// Whether this is one of the releases of which a job has a limited number.
        counted: bool,
    },
    /// It can never work. Also for a job that nobody holds.
    Bury {
        /// What went wrong.
        error: Option<&'a [u8]>,
    },
}

/// Jobs as a client names them, each once or more often.
pub type JobRefs<'a> = SmallVec<[JobRef<'a>; 1]>;

/// Which jobs of a state an operator means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Which<'a> {
    /// The first of them: soonest due, or longest dead.
    First(u64),
    /// These.
    Ids(JobRefs<'a>),
}

/// How dead jobs come back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Revival {
    /// Tries from now on; the job's own if not named.
    pub tries: Option<u32>,
    /// Time to live from now on; none if not named, since the old one is long over.
    pub ttl: Option<Millis>,
    /// The wait before they may be taken.
    pub delay: Millis,
}

/// Which way into or out of a queue is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Publishing is refused.
    In,
    /// Nothing is handed out; consumers wait.
    Out,
    /// Both.
    Both,
}

/// What is to be changed about a job where it is; what is not named stays.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Change<'a> {
    /// What the job carries.
    pub body: Option<&'a [u8]>,
    /// When it may be taken; for a job that waits.
    pub due: Option<Due>,
    /// Order of service.
    pub priority: Option<i8>,
    /// Time to live from now on; zero for none.
    pub ttl: Option<Millis>,
    /// Deliveries before a failing job is dead.
    pub tries: Option<u32>,
    /// Only if nobody has changed it since it had this version; a new job has version 1.
    pub if_version: Option<u64>,
}

/// What a client has done to a queue without a decision being needed: given the state, it always
/// comes out the same, so the log records it as the client sent it.
#[derive(Clone, Debug)]
pub enum Action<'a> {
    /// Add jobs.
    Publish(Publish<'a>),
    /// End leases.
    Settle { jobs: JobRefs<'a>, verdict: Verdict<'a> },
    /// End a lease because its work is done, and publish what comes next: both, or neither where
    /// the lease does not hold. That is one body, and it replaces no job.
    Chain { done: JobRef<'a>, publish: Box<Publish<'a>> },
    /// Extend leases by a fresh TTR, or by the one named, and say how far the work has come, and what
    /// has come of it so far.
    Touch {
        jobs: JobRefs<'a>,
        ttr: Option<Millis>,
        progress: Option<u64>,
        result: Option<&'a [u8]>,
    },
    /// Make delayed jobs ready now, and held or gathering ones that are named.
    Kick(Which<'a>),
    /// Bring dead jobs back.
    Respawn { which: Which<'a>, revival: Revival },
    /// Remove jobs in any state.
    Delete(JobRefs<'a>),
    /// Send the first jobs of one state in which jobs wait to the dead.
    BuryAll { state: StateKind, count: u64 },
    /// Remove jobs of one state.
    Purge { state: StateKind, count: u64 },
    /// Change a job where it is.
    Update { job: JobRef<'a>, change: Change<'a> },
    /// Close a way into or out of the queue, for a time or, with zero, until it is resumed.
    Pause { side: Side, span: Millis },
    /// Open both ways.
    Resume,
    /// Open gates, or close them.
    Gate { opens: bool, names: Vec<&'a [u8]> },
    /// Do something to the jobs that gather under a key.
    Batch { key: &'a [u8], order: BatchOrder },
    /// Change the configuration.
    Configure(Vec<Setting>),
    /// Say what a limit permits, under the name that clients know; with nothing, it is a limit no
    /// longer.
    Limit { name: &'a [u8], permits: Option<Permits> },
    /// Remove a job that waits, or mark one that is leased.
    Cancel(JobRef<'a>),
    /// Tell these targets of the end of a job.
    Subscribe { job: JobRef<'a>, targets: Vec<&'a [u8]> },
    /// Do not, once for each time that one is named; or tell nobody.
    Unsubscribe { job: JobRef<'a>, targets: Option<Vec<&'a [u8]>> },
    /// Lease the oldest notices, for so long or as long as jobs are.
    TakeNotices { count: u32, ttr: Option<Millis> },
    /// End the lease of a notice of which these targets are told; the others are to be told again.
    CrossOff { receipt: JobRef<'a>, targets: Vec<&'a [u8]> },
    /// Have what time would bring to jobs come now.
    Hasten { jobs: JobRefs<'a>, haste: Haste },
    /// Set a schedule, or do something to one.
    Schedule(ScheduleOrder<'a>),
}

/// What a client asks of a queue.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "it is passed on at once, and never kept")]
pub enum Request<'a> {
    /// Take jobs: which, has to be decided.
    Consume(Consume<'a>),
    /// Do this.
    Act(Action<'a>),
}

/// A step of a queue's history, as the log records it.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "it is applied at once, and never kept")]
pub enum Operation<'a> {
    /// Sets the clock, never back, and works through up to `budget` due transitions.
    Tick { now: UnixMillis, budget: u32 },
    /// A server begins to decide for the queue: a new primary, one that has loaded it, or one that
    /// makes it anew. Whoever decided before may have given tokens and ids that never came into this
    /// log, so they go on from elsewhere.
    Term {
        /// The start of the generator from now on.
        seed: u64,
        /// The next token is above this, and above all that are known.
        tokens: u64,
    },
    /// Leases exactly these jobs.
    Lease(Lease<'a>),
    /// Has jobs of another queue wait for jobs of this one.
    Follow(Follow<'a>),
    /// Tells of the end of a job of another queue.
    Told(Told<'a>),
    /// So many of the effects that were on their way to other queues are delivered.
    Delivered { effects: u64 },
    /// Tells when a schedule comes next.
    Plan(Plan),
    /// Does this.
    Act(Action<'a>),
}

impl<'a> From<Action<'a>> for Request<'a> {
    fn from(action: Action<'a>) -> Self {
        Self::Act(action)
    }
}

impl<'a> From<Action<'a>> for Operation<'a> {
    fn from(action: Action<'a>) -> Self {
        Self::Act(action)
    }
}

/// Leased jobs, each with the token of its delivery.
pub type Leases = SmallVec<[(Slot, Token); 1]>;

/// What became of a lease that its holder wants to extend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Touched {
    /// It lasts until then.
    Until(UnixMillis),
    /// It is lost.
    Lost,
    /// Its job was cancelled: it lasts as long as it would have, and the work is not wanted.
    Cancelled,
}

/// What an operation did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// So many due transitions were worked through.
    Ticked(u32),
    /// The jobs that were added, in order.
    Published(Slots),
    /// The jobs that were taken and the tokens of their deliveries, in order.
    Leased(Leases),
    /// So many jobs were meant and found in a fitting state.
    Done(u64),
    /// What became of each lease that was named.
    Touched(Vec<Touched>),
    /// The version that the job has now, or `None` if it has another than was expected.
    Updated(Option<u64>),
    /// The queue, not its jobs, is as asked.
    Configured,
    /// What the cancel came to; `None` where there was nothing to cancel.
    Cancelled(Option<Cancelled>),
    /// Nothing was added: this job holds the key, and stands for the one that was to be.
    Held(Slot),
    /// Nothing was added: this job holds the key, and got what the other was to have.
    Renewed(Slot),
    /// A lease has ended in success, and this job comes next: a new one, or the one that stands for
    /// it. `None` if the lease did not hold, and nothing was done.
    Chained(Option<Slot>),
    /// These notices are leased.
    Noticed(Vec<u64>),
    /// So many targets need not be told any more; `None` if the lease did not hold.
    CrossedOff(Option<u64>),
}

impl Outcome {
    /// Whether anything was done that a replica has to repeat.
    #[must_use]
    pub fn is_change(&self) -> bool {
        match self {
            Self::Ticked(_) | Self::Configured | Self::Renewed(_) => true,
            Self::Held(_) => false,
            Self::Published(jobs) => !jobs.is_empty(),
            Self::Leased(jobs) => !jobs.is_empty(),
            Self::Done(jobs) => *jobs > 0,
            Self::Updated(version) => version.is_some(),
            Self::Chained(next) => next.is_some(),
            Self::Noticed(notices) => !notices.is_empty(),
            Self::CrossedOff(targets) => targets.is_some(),
            Self::Touched(leases) => leases.iter().any(|lease| matches!(lease, Touched::Until(_))),
            Self::Cancelled(done) => {
                matches!(done, Some(Cancelled::Removed | Cancelled::Marked))
            }
        }
    }
}
