//! What was done to a queue within one command or one turn of the timer, packed for the log: one
//! argument of one record, so that a replica or a log that ends early has all of it or nothing.
//!
//! The form only grows: a new step goes to the end of [`Step`].

mod distant;
mod plan;

pub use distant::{unfinished, FollowStep, ToldStep};
pub use plan::PlanStep;

use bincode::Options;
use jobq_engine::{
    id, Action, Holder, JobId, Lease, Millis, Operation, Queue, Refusal, Slots, Ulid, UnixMillis,
};
use serde::{Deserialize, Serialize};
use smallvec::{smallvec, SmallVec};

use crate::{
    error::{BadArguments, ErrorWord},
    parse::WORKER_BYTES_MAX,
    range,
};

/// One step.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Step<'a> {
    /// The queue begins to be.
    Create {
        /// The start of its generator.
        seed: u64,
    },
    /// The clock is set, and due transitions are worked through.
    Tick {
        /// The queue's clock from now on, in milliseconds since the epoch.
        now: u64,
        /// At most so many transitions.
        budget: u32,
    },
    /// A server begins to decide for the queue.
    Term {
        /// The start of the generator from now on.
        seed: u64,
        /// What all tokens of the term are above.
        tokens: u64,
    },
    /// What the command behind the steps asks is done.
    Command,
    /// Jobs are leased.
    #[serde(borrow)]
    Lease(LeaseStep<'a>),
    /// What the command behind the steps asks is done: a publish of jobs that wait for those of other
    /// queues.
    CommandAfter {
        /// The places of those that are unfinished, among all that are of other queues.
        unfinished: Vec<u32>,
    },
    /// Jobs of another queue begin to wait for jobs of this one.
    #[serde(borrow)]
    Follow(FollowStep<'a>),
    /// A job of another queue has ended.
    #[serde(borrow)]
    Told(ToldStep<'a>),
    /// What was on its way to other queues is delivered.
    Delivered {
        /// So much of it, the oldest first.
        effects: u64,
    },
    /// Notices are leased.
    Notices {
        /// At most so many, the oldest first.
        count: u32,
        /// For how long, in milliseconds; as long as jobs if not named.
        ttr: Option<u64>,
    },
    /// When a schedule comes next.
    Plan(PlanStep),
}

/// Who leases which jobs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LeaseStep<'a> {
    #[serde(borrow, with = "serde_bytes")]
    worker: &'a [u8],
    ttr: u64,
    counted: bool,
    #[serde(borrow)]
    jobs: Vec<Job<'a>>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
enum Job<'a> {
    Made(u128),
    Given(&'a str),
}

impl<'a> Job<'a> {
    fn new(id: JobId<'a>) -> Self {
        match id {
            JobId::Made(ulid) => Self::Made(ulid.to_bits()),
            JobId::Given(text) => Self::Given(text),
        }
    }

    fn id(&self) -> JobId<'a> {
        match *self {
            Self::Made(bits) => JobId::Made(Ulid::from_bits(bits)),
            Self::Given(text) => JobId::Given(text),
        }
    }

    fn is_valid(&self) -> bool {
        match self {
            Self::Made(_) => true,
            Self::Given(text) => id::is_valid(text.as_bytes()),
        }
    }
}

impl<'a> LeaseStep<'a> {
    /// Records that this holder leases these jobs, in this order.
    pub fn new(holder: &Holder<&'a [u8]>, jobs: impl Iterator<Item = JobId<'a>>) -> Self {
        let Holder { worker, ttr, counted } = *holder;
        Self { worker, ttr: ttr.0, counted, jobs: jobs.map(Job::new).collect() }
    }

    /// Who leases them.
    #[must_use]
    pub fn holder(&self) -> Holder<&'a [u8]> {
        Holder { worker: self.worker, ttr: Millis(self.ttr), counted: self.counted }
    }

    /// The jobs in the order of delivery; at least one.
    pub fn jobs(&self) -> impl ExactSizeIterator<Item = JobId<'a>> + '_ {
        self.jobs.iter().map(Job::id)
    }

    fn is_valid(&self) -> bool {
        self.worker.len() <= WORKER_BYTES_MAX
            && i128::from(self.ttr) <= range::LEASE_TTR.max
            && !self.jobs.is_empty()
            && self.jobs.iter().all(Job::is_valid)
    }
}

/// Steps as they are packed for the log. In bincode, a sequence is its length and then its items.
pub struct Packed {
    // The items, behind room for their number, which is known last.
    bytes: SmallVec<[u8; 128]>,
    len: u64,
}

/// What the number of steps takes at most: a byte that says in which form it follows, and the
/// number.
const LEN_BYTES_MAX: usize = 9;

impl Default for Packed {
    fn default() -> Self {
        Self { bytes: smallvec![0; LEN_BYTES_MAX], len: 0 }
    }
}

impl Packed {
    /// Appends a step. O(jobs).
    pub fn push(&mut self, step: &Step<'_>) {
        // Memory takes all that is written, and every step has a form.
        let packed = form().serialize_into(&mut self.bytes, step);
        debug_assert!(packed.is_ok(), "{packed:?}");
        self.len += 1;
    }

    /// Whether there is no step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The steps in one piece.
    pub fn as_bytes(&mut self) -> &[u8] {
        let len_bytes = form().serialized_size(&self.len).map_or(0, |size| size as usize);
        let from = LEN_BYTES_MAX - len_bytes;
        let packed = form().serialize_into(&mut self.bytes[from..LEN_BYTES_MAX], &self.len);
        debug_assert!(packed.is_ok(), "{packed:?}");
        &self.bytes[from..]
    }
}

/// Reads what [`Packed::as_bytes`] gave.
///
/// # Errors
/// [`ErrorWord::Range`] where it is no such thing.
pub fn unpack(packed: &[u8]) -> Result<Vec<Step<'_>>, BadArguments> {
    let steps: Option<Vec<Step<'_>>> = form().deserialize(packed).ok();
    let valid = |steps: &Vec<Step<'_>>| !steps.is_empty() && steps.iter().all(Step::is_valid);
    steps.filter(valid).ok_or_else(|| BadArguments {
        word: ErrorWord::Range,
        message: "steps are what a primary has packed, not this".into(),
    })
}

/// Small numbers in few bytes. What is read may not be longer than what was sent.
fn form() -> impl Options {
    bincode::DefaultOptions::new().reject_trailing_bytes()
}

impl<'a> Step<'a> {
    /// What the step is for the queue as it is; `asked` is what the command behind the steps asks.
    /// A step that makes a queue is none for one that is there.
    ///
    /// # Errors
    /// [`Refusal::Diverged`] where it does not fit.
    pub fn operation(
        &self,
        queue: &Queue,
        asked: &mut Option<Action<'a>>,
    ) -> Result<Operation<'a>, Refusal> {
        Ok(match self {
            Self::Create { .. } => return Err(Refusal::Diverged("the queue is there already")),
            Self::Tick { now, budget } => {
                Operation::Tick { now: UnixMillis(*now), budget: *budget }
            }
            Self::Term { seed, tokens } => Operation::Term { seed: *seed, tokens: *tokens },
            Self::Command => {
                Operation::Act(asked.take().ok_or(Refusal::Diverged("nothing was asked"))?)
            }
            Self::CommandAfter { unfinished } => {
                let mut action = asked.take().ok_or(Refusal::Diverged("nothing was asked"))?;
                distant::wait_for(&mut action, unfinished)?;
                Operation::Act(action)
            }
            Self::Follow(follow) => Operation::Follow(follow.follow()),
            Self::Told(told) => {
                Operation::Told(told.told().ok_or(Refusal::Diverged("no job ends so"))?)
            }
            Self::Delivered { effects } => Operation::Delivered { effects: *effects },
            Self::Notices { count, ttr } => {
                Operation::Act(Action::TakeNotices { count: *count, ttr: ttr.map(Millis) })
            }
            Self::Plan(plan) => Operation::Plan(plan.plan()),
            Self::Lease(lease) => {
                let jobs: Slots = lease.jobs().filter_map(|id| queue.locate(id)).collect();
                let mut slots = jobs.clone();
                slots.sort_unstable();
                slots.dedup();
                if slots.len() != lease.jobs().len() {
                    return Err(Refusal::Diverged("a job to be leased is not there"));
                }
                Operation::Lease(Lease { holder: lease.holder(), jobs })
            }
        })
    }

    fn is_valid(&self) -> bool {
        match self {
            Self::Tick { now, .. } => *now <= UnixMillis::MAX.0,
            Self::Term { tokens, .. } => i128::from(*tokens) <= range::TOKENS.max,
            Self::Lease(lease) => lease.is_valid(),
            Self::CommandAfter { unfinished } => {
                !unfinished.is_empty() && unfinished.windows(2).all(|pair| pair[0] < pair[1])
            }
            Self::Follow(follow) => follow.is_valid(),
            Self::Told(told) => told.is_valid(),
            Self::Notices { ttr, .. } => ttr.is_none_or(|ttr| i128::from(ttr) <= range::TTR.max),
            Self::Plan(plan) => plan.is_valid(),
            Self::Create { .. } | Self::Command | Self::Delivered { .. } => true,
        }
    }

    /// Whether it stands for the command behind the steps.
    #[must_use]
    pub fn is_command(&self) -> bool {
        matches!(self, Self::Command | Self::CommandAfter { .. })
    }
}

#[cfg(test)]
mod tests;
