//! `JQ.PUBLISH` and `JQ.MPUBLISH` with `BLOCK`: publishes at once, or waits for room.

use std::rc::Rc;

use jobq_engine::{Action, Millis, Publish};

use super::Arguments;
use crate::{
    blocking, clock, distant, registry, reply, room,
    server::Context,
    visit,
    waiters::{Asking, Waiter, Wish},
};

/// The word and its value.
const BLOCK_WORDS: usize = 2;

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
    let command = before.iter().chain(&rest[BLOCK_WORDS..]);
    let asking = Asking { command: command.map(|&argument| argument.into()).collect() };
    blocking::block(context, &mut [arguments.queue()], |handle| Waiter {
        handle,
        db,
        deadline: (!span.is_zero()).then(|| clock::now().after(span)),
        wish: Wish::Room(Rc::new(asking)),
    });
}
