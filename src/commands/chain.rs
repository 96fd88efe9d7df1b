//! A job that comes next: `JQ.ACK … THEN`.
//!
//! Where it goes to another queue, two queues change, and the log has one record for it, in the first
//! one's: the command as the client sent it, which whoever repeats it does in both. So a log or a link
//! that ends has both of it or nothing. What the other queue needs before (to be made, its clock) and
//! brings behind (leases of those who waited) are records of its own around it.

use jobq_engine::{Action, JobRef, Outcome, Publish, Queue, Verdict};
use smallvec::smallvec;

use super::Arguments;
use crate::{
    distant,
    record::Asked,
    reply,
    server::{Context, Text},
    visit::{self, Denied},
};

/// Answers with the id of the successor; with null, and nothing is done, if the lease does not hold.
pub fn chain(
    context: Context,
    arguments: &Arguments<'_>,
    done: JobRef<'_>,
    to: &[u8],
    next: Box<Publish<'_>>,
) {
    if let Err(denied) = try_chain(context, arguments, done, to, next) {
        reply::denied(context, &denied);
    }
}

/// The same. A refusal is yet to be answered, all else is.
fn try_chain(
    context: Context,
    arguments: &Arguments<'_>,
    done: JobRef<'_>,
    to: &[u8],
    next: Box<Publish<'_>>,
) -> Result<(), Denied> {
    let is_decided = context.flags().is_decided();
    if !is_decided {
        // The server lets an ack pass.
        if Context::has_no_memory() {
            return Err(Denied::NoMemory);
        }
        distant::admit_publish(context, arguments.bytes[1], to)?;
    }
    if to == arguments.bytes[1] {
        return super::try_perform(context, arguments, &Action::Chain { done, publish: next });
    }
    if is_decided {
        return repeat(context, arguments, done, to, next);
    }
    decide(context, arguments, done, to, next)
}

fn decide(
    context: Context,
    arguments: &Arguments<'_>,
    done: JobRef<'_>,
    to: &[u8],
    next: Box<Publish<'_>>,
) -> Result<(), Denied> {
    let (flags, queue) = (context.flags(), Text::new(arguments.bytes[1]));
    if !distant::is_settled(context, to) {
        return Err(Denied::TryAgain);
    }
    let is_leased = |queue: &Queue| Ok(queue.find_leased(&done).is_some());
    if visit::ask(context, flags, &queue, is_leased)? != Some(true) {
        context.reply_null();
        return Ok(());
    }
    let to = Text::new(to);
    let next = Action::Publish(*next);
    let is_new = visit::make_ready(context, flags, &to, &next)?;
    let ack = Action::Settle { jobs: smallvec![done], verdict: Verdict::Ack };
    let mut is_done = false;
    let asked = Asked::Client(arguments.raw);
    let decided = visit::decide(context, flags, arguments.queue(), asked, &ack, |_, outcome| {
        is_done = *outcome == Outcome::Done(1);
    });
    if is_new && !is_done {
        visit::unmake(context, flags, &to);
    }
    decided?;
    // Time may have gone on in between.
    if !is_done {
        context.reply_null();
        return Ok(());
    }
    let mut is_answered = false;
    let published = visit::act_beside(context, flags, &to, &next, |queue, outcome| {
        is_answered = true;
        reply::outcome(context, queue, outcome, false);
    });
    // An internal error behind the answer would be taken for that of the client's next command.
    if is_answered {
        Ok(())
    } else {
        published
    }
}

fn repeat(
    context: Context,
    arguments: &Arguments<'_>,
    done: JobRef<'_>,
    to: &[u8],
    next: Box<Publish<'_>>,
) -> Result<(), Denied> {
    let ack = Action::Settle { jobs: smallvec![done], verdict: Verdict::Ack };
    visit::perform(context, arguments.raw, &ack, |_, _| {})?;
    visit::repeat_beside(context, &Text::new(to), &Action::Publish(*next))?;
    context.reply_status(c"OK");
    Ok(())
}
