//! Answers to clients, in RESP2 and RESP3. Error words are spelled in the protocol crate.

use std::ffi::CString;

use jobq_engine::{Name, Outcome, Queue, StateKind};
use jobq_protocol::{BadArguments, ErrorWord};

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
        Outcome::Touched(deadlines) => {
            context.reply_array(deadlines.len());
            for deadline in deadlines {
                match deadline {
                    Some(at) => context.reply_integer(at.0 as i64),
                    None => context.reply_null(),
                }
            }
        }
        Outcome::Configured | Outcome::Ticked(_) | Outcome::Leased(_) => {
            context.reply_status(c"OK")
        }
    }
}

/// Answers what an operation would have done in a queue that does not exist.
pub fn no_queue(context: Context, jobs_named: Option<usize>) {
    match jobs_named {
        None => context.reply_integer(0),
        Some(jobs) => {
            context.reply_array(jobs);
            (0..jobs).for_each(|_| context.reply_null());
        }
    }
}

/// Answers with what a queue tells of itself.
pub fn stats(context: Context, queue: &Queue) {
    let lengths = StateKind::ALL.map(|state| (state.name(), queue.len_of(state) as u64));
    let sizes = [("jobs", queue.len() as u64), ("bytes", queue.bytes() as u64)];
    let counters = queue.counters().named();
    context.reply_map(lengths.len() + sizes.len() + counters.len() + 2);
    for (name, n) in lengths.into_iter().chain(sizes).chain(counters) {
        context.reply_bytes(name.as_bytes());
        context.reply_integer(n as i64);
    }
    context.reply_bytes(b"clock");
    context.reply_integer(queue.clock().0 as i64);
    context.reply_bytes(b"next-due");
    match queue.next_due() {
        Some(due) => context.reply_integer(due.0 as i64),
        None => context.reply_null(),
    }
}
