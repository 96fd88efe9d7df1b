//! Answers to clients, in RESP2 and RESP3. Error words are spelled in the protocol crate.

use std::ffi::CString;

use jobq_engine::{Job, Name, Outcome, Pauses, Queue, Refusal, State, StateKind, UnixMillis};
use jobq_protocol::{BadArguments, ErrorWord, JOB_FIELDS};

use crate::{server::Context, visit::Denied, waiters::Delivery};

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
        job(context, &delivery.queue, &delivery.receipt, &delivery.body);
    }
}

/// Answers with one job: its queue, how to name it, and its body.
pub fn job(context: Context, queue: &[u8], name: &Name, body: &[u8]) {
    context.reply_array(3);
    context.reply_bytes(queue);
    context.reply_bytes(name.as_bytes());
    context.reply_bytes(body);
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
        Outcome::Done(jobs) => context.reply_integer(*jobs as i64),
        Outcome::Updated(Some(version)) => context.reply_integer(*version as i64),
        Outcome::Updated(None) => context.reply_null(),
        Outcome::Touched(deadlines) => {
            context.reply_array(deadlines.len());
            deadlines.iter().for_each(|&deadline| instant_or_null(context, deadline));
        }
        Outcome::Configured | Outcome::Ticked(_) | Outcome::Leased(_) => {
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
    /// It has nothing to do.
    Ok,
    /// It needs the job.
    NoSuchJob,
}

/// Answers what an operation would have done in a queue that does not exist.
pub fn no_queue(context: Context, otherwise: NoQueue) {
    match otherwise {
        NoQueue::Zero => context.reply_integer(0),
        NoQueue::Nulls(jobs) => {
            context.reply_array(jobs);
            (0..jobs).for_each(|_| context.reply_null());
        }
        NoQueue::Ok => context.reply_status(c"OK"),
        NoQueue::NoSuchJob => denied(context, &Denied::Refused(Refusal::NoSuchJob)),
    }
}

fn instant_or_null(context: Context, at: Option<UnixMillis>) {
    match at {
        Some(Pauses::FOREVER) => context.reply_integer(-1),
        Some(at) => context.reply_integer(at.0 as i64),
        None => context.reply_null(),
    }
}

/// Answers with everything known of a job.
pub fn details(context: Context, queue: &Queue, job: &Job) {
    let terms = queue.terms_of(job);
    let state = job.state;
    let name = |name: &str| context.reply_bytes(name.as_bytes());
    let number = |field: &str, n: u64| {
        name(field);
        context.reply_integer(n as i64);
    };
    let instant = |field: &str, at: Option<UnixMillis>| {
        name(field);
        instant_or_null(context, at);
    };
    let bytes = |field: &str, bytes: Option<&[u8]>| {
        name(field);
        match bytes {
            Some(bytes) => context.reply_bytes(bytes),
            None => context.reply_null(),
        }
    };
    let why = match state {
        State::Delayed { .. } => Some("due"),
        State::Ready { .. } if queue.pauses().consuming.is_some() => Some("pause"),
        State::Ready { .. } => Some("turn"),
        State::Leased { .. } | State::Dead { .. } => None,
    };
    let worker = queue.holder_of(job).map(|holder| &*holder.worker);
    let published_at = job.ulid.millis();
    context.reply_map(JOB_FIELDS.len());
    bytes("id", Some(job.id().text().as_bytes()));
    bytes("state", Some(state.kind().name().as_bytes()));
    bytes("body", Some(&job.body));
    name("priority");
    context.reply_integer(i64::from(terms.priority));
    number("tries", u64::from(terms.tries));
    number("tries-left", u64::from(terms.tries.saturating_sub(job.deliveries)));
    number("deliveries", u64::from(job.deliveries));
    number("failures", u64::from(job.failures));
    number("ttr", terms.ttr.0);
    bytes("backoff", Some(terms.backoff.to_string().as_bytes()));
    number("published-at", published_at.0);
    number("elapsed", queue.clock().since(published_at).0);
    instant("due", state.until());
    instant("ready-since", if let State::Ready { since } = state { Some(since) } else { None });
    instant(
        "deadline",
        if let State::Leased { deadline, .. } = state { Some(deadline) } else { None },
    );
    bytes("worker", worker.filter(|worker| !worker.is_empty()));
    instant("dead-since", if let State::Dead { since } = state { Some(since) } else { None });
    let is_dead = matches!(state, State::Dead { .. });
    instant("expires-at", queue.expires_at(job).filter(|_| !is_dead));
    bytes("error", job.error());
    number("version", job.version());
    bytes("why", why.map(str::as_bytes));
}

/// Answers with what a queue tells of itself.
pub fn stats(context: Context, queue: &Queue) {
    let lengths = StateKind::ALL.map(|state| (state.name(), queue.len_of(state) as u64));
    let sizes = [("jobs", queue.len() as u64), ("bytes", queue.bytes() as u64)];
    let counters = queue.counters().named();
    let pauses = queue.pauses();
    let instants = [
        ("next-due", queue.next_due()),
        ("paused-in", pauses.publishing),
        ("paused-out", pauses.consuming),
        ("oldest-ready", queue.oldest_ready()),
    ];
    context.reply_map(lengths.len() + sizes.len() + counters.len() + 1 + instants.len());
    for (name, n) in lengths.into_iter().chain(sizes).chain(counters) {
        context.reply_bytes(name.as_bytes());
        context.reply_integer(n as i64);
    }
    context.reply_bytes(b"clock");
    context.reply_integer(queue.clock().0 as i64);
    for (name, at) in instants {
        context.reply_bytes(name.as_bytes());
        instant_or_null(context, at);
    }
}
