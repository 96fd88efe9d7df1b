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
    let is_decided = context.flags().is_decided();
    let chained = if !is_decided && Context::has_no_memory() {
        // The server lets an ack pass.
        Err(Denied::NoMemory)
    } else if let Err(denied) = admit(context, arguments, to, is_decided) {
        Err(denied)
    } else if to == arguments.bytes[1] {
        let action = Action::Chain { done, publish: next };
        visit::perform(context, arguments.raw, &action, |queue, outcome| {
            reply::outcome(context, queue, outcome, false);
        })
        .map(|found| found.is_some())
    } else if is_decided {
        repeat(context, arguments, done, to, next).map(|()| true)
    } else {
        decide(context, arguments, done, to, next)
    };
    match chained {
        Ok(true) => {}
        Ok(false) => context.reply_null(),
        Err(denied) => reply::denied(context, &denied),
    }
}

fn admit(
    context: Context,
    arguments: &Arguments<'_>,
    to: &[u8],
    is_decided: bool,
) -> Result<(), Denied> {
    if is_decided {
        return Ok(());
    }
    distant::admit_publish(context, arguments.bytes[1], to)
}

fn decide(
    context: Context,
    arguments: &Arguments<'_>,
    done: JobRef<'_>,
    to: &[u8],
    next: Box<Publish<'_>>,
) -> Result<bool, Denied> {
    let (flags, queue) = (context.flags(), Text::new(arguments.bytes[1]));
    if !distant::is_settled(context, to) {
        return Err(Denied::TryAgain);
    }
    let is_leased = |queue: &Queue| Ok(queue.find_leased(&done).is_some());
    if visit::ask(context, flags, &queue, is_leased)? != Some(true) {
        return Ok(false);
    }
    let to = Text::new(to);
    let next = Action::Publish(*next);
    visit::make_ready(context, flags, &to, &next)?;
    let ack = Action::Settle { jobs: smallvec![done], verdict: Verdict::Ack };
    let mut is_done = false;
    let asked = Asked::Client(arguments.raw);
    visit::decide(context, flags, arguments.queue(), asked, &ack, |_, outcome| {
        is_done = *outcome == Outcome::Done(1);
    })?;
    // Time may have gone on in between.
    if is_done {
        visit::act_beside(context, flags, &to, &next, |queue, outcome| {
            reply::outcome(context, queue, outcome, false);
        })?;
    }
    Ok(is_done)
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
