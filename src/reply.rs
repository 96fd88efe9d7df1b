//! Answers to clients, in RESP2 and RESP3. Error words are spelled in the protocol crate.

use std::{borrow::Cow, ffi::CString};

use jobq_engine::{
    Action, Cancelled, Ending, Job, LimitSet, Name, Notice, Outcome, Queue, Refusal, ScheduleOrder,
    StateKind, Touched,
};
use jobq_protocol::{BadArguments, ErrorWord};

use crate::{
    details::{self, Details, Value},
    server::Context,
    visit::Denied,
    waiters::Delivery,
};

/// Answers with an error: the word that clients match, then prose.
pub fn error(context: Context, word: ErrorWord, prose: &str) {
    line(context, &format!("{} {prose}", word.word()));
}

/// Answers that the arguments are wrong.
pub fn bad_arguments(context: Context, bad: &BadArguments) {
    line(context, &bad.to_string());
}

/// Answers why nothing was changed.
pub fn denied(context: Context, denied: &Denied) {
    match denied {
        Denied::WrongType => {
            error(context, ErrorWord::WrongType, "the key holds something that is not a queue");
        }
        Denied::ReadOnly => {
            error(context, ErrorWord::ReadOnly, "queues are written to on the primary only");
        }
        Denied::Internal => {
            let prose = "an error in JobQ itself, see the server's log; \
                         the queue is not written to until it is loaded again";
            error(context, ErrorWord::Internal, prose);
        }
        Denied::NoMemory => {
            let prose = "command not allowed when used memory > 'maxmemory'.";
            error(context, ErrorWord::Oom, prose);
        }
        Denied::ForTest { left } => {
            let prose = format!("a test has asked for this with JQ.DEBUG; {left} more to come");
            error(context, ErrorWord::Refused, &prose);
        }
        Denied::NoPermission => {
            let prose = "no permission to use, or to publish to, a queue that is named";
            error(context, ErrorWord::NoPerm, prose);
        }
        Denied::CrossSlot => {
            let prose = "another queue that is named has another hash slot";
            error(context, ErrorWord::CrossSlot, prose);
        }
        Denied::TryAgain => {
            let prose = "another queue that is named is on its way to another node";
            error(context, ErrorWord::TryAgain, prose);
        }
        Denied::Arguments(bad) => bad_arguments(context, bad),
        Denied::Refused(refusal) => {
            let (word, prose) = ErrorWord::of(refusal);
            error(context, word, &prose);
        }
    }
}

fn line(context: Context, text: &str) {
    // A line ends at a line break, and a C string at a NUL; neither may come from a client.
    let text: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if let Ok(text) = CString::new(text) {
        context.reply_error(&text);
    }
}

/// Answers with jobs that were taken while the client waited.
pub fn deliveries(context: Context, deliveries: &[Delivery]) {
    context.reply_array(deliveries.len());
    for delivery in deliveries {
        let Delivery { queue, receipt, body, details } = delivery;
        job(context, queue, receipt, body, details.as_ref());
    }
}

/// What a delivery carries.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// What one job carries.
    One(Cow<'a, [u8]>),
    /// What the jobs of a batch carry.
    Batch(Vec<Cow<'a, [u8]>>),
}

impl<'a> Body<'a> {
    /// The body of a job, and where it leads a batch those of all of them.
    pub fn of(queue: &'a Queue, job: &'a Job) -> Self {
        if !job.is_leader() {
            return Self::One(Cow::Borrowed(&job.body));
        }
        let others = queue.followers(job).map(|slot| queue.job(slot));
        let bodies = std::iter::once(job).chain(others).map(|job| Cow::Borrowed(&*job.body));
        Self::Batch(bodies.collect())
    }

    /// The same with copies of its own.
    pub fn into_owned(self) -> Body<'static> {
        let own = |body: Cow<'_, [u8]>| Cow::Owned(body.into_owned());
        match self {
            Self::One(body) => Body::One(own(body)),
            Self::Batch(bodies) => Body::Batch(bodies.into_iter().map(own).collect()),
        }
    }
}

/// Answers with one job: its queue, how to name it, its body, and what else is asked for. The body
/// is not told twice.
pub fn job(
    context: Context,
    queue: &[u8],
    name: &Name,
    body: &Body<'_>,
    everything: Option<&Details<'_>>,
) {
    context.reply_array(3 + usize::from(everything.is_some()));
    context.reply_bytes(queue);
    context.reply_bytes(name.as_bytes());
    match body {
        Body::One(body) => context.reply_bytes(body),
        Body::Batch(bodies) => {
            context.reply_array(bodies.len());
            bodies.iter().for_each(|body| context.reply_bytes(body));
        }
    }
    if let Some(everything) = everything {
        details(context, everything);
    }
}

/// Answers with the ids of jobs that were published while the client waited.
pub fn published(context: Context, ids: &[Name], many: bool) {
    if many {
        context.reply_array(ids.len());
    }
    ids.iter().for_each(|id| context.reply_bytes(id.as_bytes()));
}

/// Answers with notices for subscribers.
pub fn notices<'a>(
    context: Context,
    notices: impl IntoIterator<Item = &'a Notice, IntoIter: ExactSizeIterator>,
) {
    let notices = notices.into_iter();
    context.reply_array(notices.len());
    for notice in notices {
        context.reply_array(5);
        context.reply_bytes(notice.receipt().unwrap_or_default().as_bytes());
        context.reply_bytes(notice.job.as_bytes());
        match notice.state {
            Some(state) => context.reply_bytes(state.name().as_bytes()),
            None => context.reply_null(),
        }
        match &notice.result {
            Some(result) => context.reply_bytes(result),
            None => context.reply_null(),
        }
        context.reply_array(notice.targets.len());
        notice.targets.iter().for_each(|target| context.reply_bytes(target));
    }
}

/// Answers, within an array, what became of leases.
pub fn touched(context: Context, leases: &[Touched]) {
    leases.iter().for_each(|lease| match lease {
        Touched::Until(deadline) => value(context, &details::instant(Some(*deadline))),
        Touched::Lost => context.reply_null(),
        Touched::Cancelled => context.reply_status(c"CANCELLED"),
    });
}

/// Answers with what an operation did.
pub fn outcome(context: Context, queue: &Queue, outcome: &Outcome, many: bool) {
    match outcome {
        Outcome::Published(jobs) => {
            if many {
                context.reply_array(jobs.len());
            }
            for &slot in jobs {
                context.reply_bytes(queue.job(slot).id().text().as_bytes());
            }
        }
        Outcome::Held(slot) | Outcome::Renewed(slot) | Outcome::Chained(Some(slot)) => {
            context.reply_bytes(queue.job(*slot).id().text().as_bytes());
        }
        Outcome::Done(jobs) => context.reply_integer(*jobs as i64),
        Outcome::Updated(Some(version)) => context.reply_integer(*version as i64),
        Outcome::CrossedOff(Some(targets)) => context.reply_integer(*targets as i64),
        Outcome::Updated(None) | Outcome::CrossedOff(None) => context.reply_null(),
        Outcome::Touched(leases) => {
            context.reply_array(leases.len());
            touched(context, leases);
        }
        Outcome::Cancelled(Some(Cancelled::Removed)) => context.reply_status(c"REMOVED"),
        Outcome::Cancelled(Some(Cancelled::Marked | Cancelled::MarkedBefore)) => {
            context.reply_status(c"MARKED");
        }
        Outcome::Cancelled(None) | Outcome::Chained(None) => context.reply_null(),
        // Notices are answered where they are taken.
        Outcome::Configured | Outcome::Ticked(_) | Outcome::Leased(_) | Outcome::Noticed(_) => {
            context.reply_status(c"OK")
        }
    }
}

/// What an operation does in a queue that does not exist.
#[derive(Clone, Copy)]
pub enum NoQueue {
    /// It finds no job.
    Zero,
    /// It finds none of so many jobs, and tells of each.
    Nulls(usize),
    /// It does not find the job.
    Null,
    /// It has nothing to do.
    Ok,
    /// It needs the job.
    NoSuchJob,
    /// It needs the schedule.
    NoSuchSchedule,
}

impl NoQueue {
    /// What this action does there.
    pub fn of(action: &Action<'_>) -> Self {
        match action {
            Action::Touch { jobs, .. } => Self::Nulls(jobs.len()),
            Action::Resume => Self::Ok,
            Action::Cancel(_) | Action::Chain { .. } | Action::CrossOff { .. } => Self::Null,
            Action::Update { .. } => Self::NoSuchJob,
            Action::Schedule(ScheduleOrder::Run(_)) => Self::NoSuchSchedule,
            Action::Schedule(ScheduleOrder::Replace(_)) => Self::Ok,
            _ => Self::Zero,
        }
    }
}

/// Answers what an operation would have done in a queue that does not exist.
pub fn no_queue(context: Context, otherwise: NoQueue) {
    match otherwise {
        NoQueue::Zero => context.reply_integer(0),
        NoQueue::Nulls(jobs) => {
            context.reply_array(jobs);
            (0..jobs).for_each(|_| context.reply_null());
        }
        NoQueue::Null => context.reply_null(),
        NoQueue::Ok => context.reply_status(c"OK"),
        NoQueue::NoSuchSchedule => {
            denied(context, &Denied::Refused(Refusal::NoSuchSchedule));
        }
        NoQueue::NoSuchJob => denied(context, &Denied::Refused(Refusal::NoSuchJob)),
    }
}

/// Answers with everything known of a job.
pub fn details(context: Context, details: &[(&str, Value<'_>)]) {
    context.reply_map(details.len());
    for (name, field) in details {
        context.reply_bytes(name.as_bytes());
        value(context, field);
    }
}

/// Answers with one value.
pub fn value(context: Context, value: &Value<'_>) {
    match value {
        Value::Null => context.reply_null(),
        Value::Integer(n) => context.reply_integer(*n),
        Value::Bytes(bytes) => context.reply_bytes(bytes),
        Value::Pairs(pairs) => {
            context.reply_map(pairs.len());
            for (name, value) in pairs {
                context.reply_bytes(name);
                context.reply_bytes(value);
            }
        }
        Value::Texts(texts) => {
            context.reply_array(texts.len());
            texts.iter().for_each(|text| context.reply_bytes(text));
        }
        Value::Numbers(numbers) => {
            context.reply_map(numbers.len());
            for (name, n) in numbers {
                context.reply_bytes(name);
                context.reply_integer(*n);
            }
        }
    }
}

/// Answers with the limits of a queue that are set.
pub fn limits(context: Context, limits: &[LimitSet<'_>]) {
    context.reply_map(limits.len());
    for limit in limits {
        let rate = limit.permits.rate;
        let fields = [
            ("concurrency", limit.permits.concurrency.map(u64::from)),
            ("rate", rate.map(|rate| rate.tokens.into())),
            ("per", rate.map(|rate| rate.per.0)),
            ("held", limit.held),
            ("waiting", limit.waiting),
            ("tokens", limit.tokens),
        ];
        context.reply_bytes(limit.name);
        context.reply_map(fields.len());
        for (name, n) in fields {
            context.reply_bytes(name.as_bytes());
            match n {
                Some(n) => context.reply_integer(n as i64),
                None => context.reply_null(),
            }
        }
    }
}

/// Answers with a job's state and its result, as far as there is one.
pub fn result(context: Context, state: StateKind, result: Option<&[u8]>) {
    context.reply_array(2);
    context.reply_bytes(state.name().as_bytes());
    match result {
        Some(result) => context.reply_bytes(result),
        None => context.reply_null(),
    }
}

/// Answers how a job has ended.
pub fn ending(context: Context, ending: &Ending) {
    match ending.state {
        Some(state) => result(context, state, ending.result.as_deref()),
        None => context.reply_null_array(),
    }
}
