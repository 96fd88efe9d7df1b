//! Publishers that wait: for room (`JQ.PUBLISH` and `JQ.MPUBLISH` with `BLOCK`), or for the result
//! (`JQ.CALL`).

use std::rc::Rc;

use jobq_engine::{Action, JobRef, Millis, Name, Outcome, Publish, Queue};

use super::{inspect, Arguments};
use crate::{
    blocking, clock, distant,
    keyspace::{self, Watched},
    record::Asked,
    registry, reply, room,
    server::{Context, Text},
    visit::{self, Denied},
    waiters::{Asking, Waiter, Wish},
};

/// The word that says how long to wait, and its value.
const WAIT_WORDS: usize = 2;

/// Answers with ids, with a refusal, or later.
pub fn publish_or_wait(
    context: Context,
    arguments: &Arguments<'_>,
    publish: Publish<'_>,
    span: Millis,
    place: usize,
) {
    if let Err(denied) = distant::admit(context, arguments.bytes[1], &publish) {
        return reply::denied(context, &denied);
    }
    let action = Action::Publish(publish);
    let flags = context.flags();
    if flags.is_decided() || !flags.is_primary() || flags.denies_blocking() {
        return super::perform(context, arguments, &action);
    }
    let line = (context.db(), Box::from(arguments.bytes[1]));
    let others_wait = registry::with(|registry| registry.waiters.awaits_room(&line));
    let done = if others_wait {
        visit::check(context, arguments.queue(), &action)
    } else {
        match super::try_perform(context, arguments, &action) {
            Ok(()) => return,
            Err(denied) => Err(denied),
        }
    };
    match done {
        Ok(()) => wait(context, arguments, span, place),
        Err(denied) if room::may_come(context, arguments.queue(), &action, &denied) => {
            wait(context, arguments, span, place);
        }
        Err(denied) => reply::denied(context, &denied),
    }
}

fn wait(context: Context, arguments: &Arguments<'_>, span: Millis, place: usize) {
    let db = context.db();
    let (before, rest) = arguments.bytes.split_at(place);
    let command = before.iter().chain(&rest[WAIT_WORDS..]);
    let asking = Asking { command: command.map(|&argument| argument.into()).collect() };
    blocking::block(context, &mut [arguments.queue()], |handle| Waiter {
        handle,
        db,
        deadline: (!span.is_zero()).then(|| clock::now().after(span)),
        wish: Wish::Room(Rc::new(asking)),
    });
}

/// Publishes a job, and answers with its result, now or later.
pub fn publish_and_wait(
    context: Context,
    arguments: &Arguments<'_>,
    publish: Publish<'_>,
    span: Millis,
    place: usize,
) {
    let published = match publish_one(context, arguments, publish, place) {
        Ok(Some(id)) => id,
        // It has been published, and is not there any more.
        Ok(None) => return context.reply_null_array(),
        Err(denied) => return reply::denied(context, &denied),
    };
    let Some(job) = JobRef::parse(published.as_bytes()) else { return context.reply_null_array() };
    let queue = arguments.queue();
    if context.flags().denies_blocking() {
        return inspect::show_result(context, queue, &job);
    }
    match keyspace::watch(context, queue, &job, |_| true) {
        Ok(Watched::Unfinished(ulid)) => inspect::wait_for_end(context, queue, &job, ulid, span),
        Ok(Watched::Ended(ending)) => reply::ending(context, &ending),
        Ok(Watched::NoJob | Watched::NoQueue) | Err(_) => context.reply_null_array(),
    }
}

/// Publishes a job as `JQ.PUBLISH` would, which is what the log has of it. Tells its id, or that of the
/// job which holds its key.
fn publish_one(
    context: Context,
    arguments: &Arguments<'_>,
    publish: Publish<'_>,
    place: usize,
) -> Result<Option<Name>, Denied> {
    distant::admit(context, arguments.bytes[1], &publish)?;
    let word = Text::new(b"JQ.PUBLISH");
    let (before, rest) = arguments.raw.split_at(place);
    let command = before[1..].iter().chain(&rest[WAIT_WORDS..]);
    let command: Vec<_> = [word.raw()].into_iter().chain(command.copied()).collect();
    let mut id = None;
    let action = Action::Publish(publish);
    let tell = |queue: &Queue, outcome: &Outcome| {
        let slot = match outcome {
            Outcome::Published(jobs) => jobs.first(),
            Outcome::Held(slot) | Outcome::Renewed(slot) => Some(slot),
            _ => None,
        };
        id = slot.map(|&slot| queue.job(slot).id().text());
    };
    let (flags, name) = (context.flags(), arguments.queue());
    visit::decide(context, flags, name, Asked::ClientAs(&command), &action, tell)?;
    Ok(id)
}
