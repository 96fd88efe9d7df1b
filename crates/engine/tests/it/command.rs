//! Commands as clients send them and as the log has them, by text alone.

use jobq_engine::{
    Action, BatchOrder, Bodies, Change, Child, Conditions, Consume, Distant, Due, Follow, Haste,
    Holder, JobId, JobRefs, Lease, Millis, Operation, Outcome, ParentEnd, Permits, Plan, Publish,
    Queue, Refusal, Request, Revival, Setting, Side, StateKind, Token, Told, Ulid, UnixMillis,
    Verdict, Which, Wishes,
};

use crate::{schedules::Order, support::named};

/// A command as a client sends it, or as the log has it. Jobs are named by text alone.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few at a time")]
pub enum Command {
    Tick {
        now: u64,
        budget: u32,
    },
    Term {
        seed: u64,
        tokens: u64,
    },
    Publish(Draft),
    Consume {
        count: u32,
        holder: Holder,
    },
    Lease {
        ids: Vec<String>,
        holder: Holder,
    },
    Settle {
        jobs: Vec<String>,
        verdict: Verdict<'static>,
    },
    Chain {
        done: String,
        next: Draft,
    },
    Subscribe {
        job: String,
        targets: Vec<Vec<u8>>,
    },
    Unsubscribe {
        job: String,
        targets: Option<Vec<Vec<u8>>>,
    },
    TakeNotices {
        count: u32,
        ttr: Option<Millis>,
    },
    CrossOff {
        receipt: String,
        targets: Vec<Vec<u8>>,
    },
    Touch {
        jobs: Vec<String>,
        ttr: Option<Millis>,
        progress: Option<u64>,
        result: Option<&'static [u8]>,
    },
    Kick(Chosen),
    Respawn {
        chosen: Chosen,
        revival: Revival,
    },
    Delete(Vec<String>),
    Cancel(String),
    Hasten {
        jobs: Vec<String>,
        haste: Haste,
    },
    BuryAll {
        state: StateKind,
        count: u64,
    },
    Purge {
        state: StateKind,
        count: u64,
    },
    Update {
        job: String,
        change: Change<'static>,
    },
    Pause {
        side: Side,
        span: Millis,
    },
    Resume,
    Gate {
        opens: bool,
        names: Vec<&'static [u8]>,
    },
    Configure(Vec<Setting>),
    Limit {
        name: &'static [u8],
        permits: Option<Permits>,
    },
    Batch {
        key: &'static [u8],
        order: BatchOrder,
    },
    Follow {
        queue: String,
        children: Vec<Kin>,
        parents: Vec<(String, u32)>,
    },
    Told {
        child: Kin,
        at: u32,
        how: ParentEnd,
    },
    Delivered {
        effects: u64,
    },
    Schedule(Order),
    Plan(Plan),
}

/// A job of another queue: the number that was made for it, and its id if that was given.
#[derive(Clone, Debug)]
pub struct Kin {
    pub ulid: Ulid,
    pub given: Option<String>,
}

impl Kin {
    fn child(&self) -> Child<'_> {
        Child { ulid: self.ulid, given: self.given.as_deref() }
    }
}

#[derive(Clone, Debug)]
pub struct Draft {
    pub bodies: Vec<Vec<u8>>,
    pub id: Option<String>,
    pub due: Due,
    pub deadline: Option<UnixMillis>,
    pub headers: Vec<(&'static [u8], &'static [u8])>,
    pub replaces: Option<String>,
    pub wishes: Wishes<'static>,
    pub conditions: Conditions<'static>,
    /// The jobs that they wait for, which have no place in the conditions before they are named.
    pub after: Vec<String>,
    /// The same for those of other queues, and whether each has to be waited for.
    pub distant: Vec<(String, String, bool)>,
}

#[derive(Clone, Debug)]
pub enum Chosen {
    First(u64),
    Ids(Vec<String>),
}

impl Chosen {
    fn which(&self) -> Which<'_> {
        match self {
            Self::First(count) => Which::First(*count),
            Self::Ids(ids) => Which::Ids(refs(ids)),
        }
    }
}

impl Draft {
    /// A job with this body and no options.
    pub fn plain(body: &[u8]) -> Self {
        Self {
            bodies: vec![body.to_vec()],
            id: None,
            due: Due::Now,
            deadline: None,
            headers: Vec::new(),
            replaces: None,
            wishes: Wishes::default(),
            conditions: Conditions::default(),
            after: Vec::new(),
            distant: Vec::new(),
        }
    }

    /// What it asks of a queue.
    pub fn publish(&self) -> Publish<'_> {
        Publish {
            bodies: match &self.bodies[..] {
                [body] => Bodies::One(body),
                bodies => Bodies::Many(bodies.iter().map(|body| &**body).collect()),
            },
            id: self.id.as_deref(),
            due: self.due,
            deadline: self.deadline,
            headers: self.headers.clone(),
            replaces: self.replaces.as_deref().map(named),
            wishes: self.wishes,
            conditions: boxed(self),
        }
    }
}

fn boxed(draft: &Draft) -> Option<Box<Conditions<'_>>> {
    let mut conditions = draft.conditions.clone();
    conditions.after = draft.after.iter().map(|name| named(name)).collect();
    for (queue, job, waits) in &draft.distant {
        let (queue, job) = (queue.as_bytes(), named(job));
        conditions.distant.push(Distant { queue, job, waits: *waits });
    }
    (conditions != Conditions::default()).then(|| Box::new(conditions))
}

fn bytes(targets: &[Vec<u8>]) -> Vec<&[u8]> {
    targets.iter().map(Vec::as_slice).collect()
}

/// The id of a job that is there, as its queue knows it.
fn id_in<'a>(queue: &Queue, id: &'a str) -> JobId<'a> {
    let slot = queue.find_id(id).expect("a followed job is there");
    match queue.job(slot).given() {
        Some(_) => JobId::Given(id),
        None => JobId::Made(queue.job(slot).ulid),
    }
}

fn refs(names: &[String]) -> JobRefs<'_> {
    names.iter().map(|name| named(name)).collect()
}

impl Command {
    /// What a client asks with it; `None` for what only the log has.
    pub fn request(&self) -> Option<Request<'_>> {
        Some(Request::Act(match self {
            Self::Tick { .. }
            | Self::Term { .. }
            | Self::Lease { .. }
            | Self::Follow { .. }
            | Self::Told { .. }
            | Self::Delivered { .. }
            | Self::Plan(_) => return None,
            Self::Consume { count, holder } => {
                let consume = Consume { count: *count, holder: holder.as_ref() };
                return Some(Request::Consume(consume));
            }
            Self::Publish(draft) => Action::Publish(draft.publish()),
            Self::Settle { jobs, verdict } => {
                Action::Settle { jobs: refs(jobs), verdict: *verdict }
            }
            Self::Chain { done, next } => {
                Action::Chain { done: named(done), publish: next.publish().into() }
            }
            Self::Subscribe { job, targets } => {
                Action::Subscribe { job: named(job), targets: bytes(targets) }
            }
            Self::Unsubscribe { job, targets } => {
                Action::Unsubscribe { job: named(job), targets: targets.as_deref().map(bytes) }
            }
            Self::TakeNotices { count, ttr } => Action::TakeNotices { count: *count, ttr: *ttr },
            Self::CrossOff { receipt, targets } => {
                Action::CrossOff { receipt: named(receipt), targets: bytes(targets) }
            }
            Self::Touch { jobs, ttr, progress, result } => {
                let (ttr, progress, result) = (*ttr, *progress, *result);
                Action::Touch { jobs: refs(jobs), ttr, progress, result }
            }
            Self::Kick(chosen) => Action::Kick(chosen.which()),
            Self::Respawn { chosen, revival } => {
                Action::Respawn { which: chosen.which(), revival: *revival }
            }
            Self::Delete(jobs) => Action::Delete(refs(jobs)),
            Self::Cancel(job) => Action::Cancel(named(job)),
            Self::Hasten { jobs, haste } => Action::Hasten { jobs: refs(jobs), haste: *haste },
            Self::BuryAll { state, count } => Action::BuryAll { state: *state, count: *count },
            Self::Purge { state, count } => Action::Purge { state: *state, count: *count },
            Self::Update { job, change } => {
                Action::Update { job: named(job), change: change.clone() }
            }
            Self::Pause { side, span } => Action::Pause { side: *side, span: *span },
            Self::Resume => Action::Resume,
            Self::Gate { opens, names } => Action::Gate { opens: *opens, names: names.clone() },
            Self::Configure(settings) => Action::Configure(settings.clone()),
            Self::Batch { key, order } => Action::Batch { key, order: *order },
            Self::Limit { name, permits } => Action::Limit { name, permits: *permits },
            Self::Schedule(order) => Action::Schedule(order.order()),
        }))
    }

    /// The operation that it is on this queue; `None` for what only clients send.
    pub fn operation(&self, queue: &Queue) -> Option<Operation<'_>> {
        match self {
            Self::Tick { now, budget } => {
                Some(Operation::Tick { now: UnixMillis(*now), budget: *budget })
            }
            Self::Term { seed, tokens } => Some(Operation::Term { seed: *seed, tokens: *tokens }),
            Self::Lease { ids, holder } => {
                let slot = |id: &String| queue.find_id(id).expect("a leased job is known");
                let jobs = ids.iter().map(slot).collect();
                Some(Operation::Lease(Lease { holder: holder.as_ref(), jobs }))
            }
            Self::Follow { queue: name, children, parents } => {
                let parents = parents.iter().map(|(id, at)| (id_in(queue, id), *at));
                Some(Operation::Follow(Follow {
                    queue: name.as_bytes(),
                    children: children.iter().map(Kin::child).collect(),
                    parents: parents.collect(),
                }))
            }
            Self::Told { child, at, how } => {
                Some(Operation::Told(Told { child: child.child(), at: *at, how: *how }))
            }
            Self::Delivered { effects } => Some(Operation::Delivered { effects: *effects }),
            Self::Plan(plan) => Some(Operation::Plan(*plan)),
            _ => match self.request()? {
                Request::Act(action) => Some(action.into()),
                Request::Consume(_) => None,
            },
        }
    }
}

/// What a client is told: nothing in it depends on where a queue keeps its jobs.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Ids(Vec<String>),
    Deliveries(Vec<(String, u64)>),
    /// Receipts.
    Notices(Vec<String>),
    Other(Outcome),
}

pub fn answer(queue: &Queue, outcome: Outcome) -> Answer {
    let id = |slot| queue.job(slot).id().to_string();
    match outcome {
        Outcome::Published(slots) => Answer::Ids(slots.into_iter().map(id).collect()),
        Outcome::Leased(leased) => {
            let delivery = |(slot, token): (_, Token)| (id(slot), token.0);
            Answer::Deliveries(leased.into_iter().map(delivery).collect())
        }
        Outcome::Held(slot) | Outcome::Renewed(slot) => Answer::Ids(vec![id(slot)]),
        Outcome::Noticed(numbers) => {
            let receipt = |number| queue.notice(number)?.receipt();
            let receipts = numbers.into_iter().filter_map(receipt);
            let text =
                |name: jobq_engine::Name| String::from_utf8_lossy(name.as_bytes()).into_owned();
            Answer::Notices(receipts.map(text).collect())
        }
        Outcome::Chained(next) => Answer::Ids(next.into_iter().map(id).collect()),
        other => Answer::Other(other),
    }
}

/// Decides and applies. Tells the answer, and what the log gets if anything changed.
pub fn perform(queue: &mut Queue, command: &Command) -> Result<(Answer, Option<Command>), Refusal> {
    let (operation, logged) = match command {
        Command::Consume { holder, .. } => {
            let request = command.request().expect("a client's");
            let Some(operation) = queue.choose(request)? else {
                return Ok((Answer::Deliveries(Vec::new()), None));
            };
            let Operation::Lease(lease) = &operation else { panic!("{operation:?}") };
            let ids = lease.jobs.iter().map(|&slot| queue.job(slot).id().to_string()).collect();
            let logged = Command::Lease { ids, holder: holder.clone() };
            (operation, logged)
        }
        Command::Tick { .. }
        | Command::Term { .. }
        | Command::Follow { .. }
        | Command::Told { .. }
        | Command::Plan(_)
        | Command::Delivered { .. } => {
            (command.operation(queue).expect("no client's"), command.clone())
        }
        _ => {
            let request = command.request().expect("a client's");
            (queue.choose(request)?.expect("its own operation"), command.clone())
        }
    };
    let outcome = queue.apply(operation)?;
    let logged = outcome.is_change().then_some(logged);
    Ok((answer(queue, outcome), logged))
}

/// Every reason to refuse.
pub const REFUSALS: [&str; 14] = [
    "duplicate",
    "expires before due",
    "overdue before due",
    "too big",
    "full",
    "paused",
    "no such job",
    "wrong state",
    "too few tries",
    "diverged",
    "group full",
    "no such schedule",
    "run unfinished",
    "too many schedules",
];

/// The word for a refusal.
pub fn reason(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Duplicate(_) => REFUSALS[0],
        Refusal::ExpiresBeforeDue => REFUSALS[1],
        Refusal::OverdueBeforeDue => REFUSALS[2],
        Refusal::TooBig { .. } => REFUSALS[3],
        Refusal::Full { .. } => REFUSALS[4],
        Refusal::Paused => REFUSALS[5],
        Refusal::NoSuchJob => REFUSALS[6],
        Refusal::WrongState(_) => REFUSALS[7],
        Refusal::TooFewTries { .. } => REFUSALS[8],
        Refusal::Diverged(_) => REFUSALS[9],
        Refusal::GroupFull { .. } => REFUSALS[10],
        Refusal::TooManySubscribers { .. } => "too many subscribers",
        Refusal::NoSuchSchedule => REFUSALS[11],
        Refusal::RunUnfinished => REFUSALS[12],
        Refusal::TooManySchedules => REFUSALS[13],
    }
}
