//! Those who deliver notices to subscribers, and wait for some: `JQ.NOTICES … BLOCK`.
//!
//! They stand in a line for each queue, beside the one for its jobs. A notice that is leased to one who
//! is gone before it could be written to goes back as by `JQ.DELIVERED` without a target.

use jobq_engine::{Action, Millis, Name, Notice, Outcome, Queue};

use crate::{
    blocking, clock,
    commands::Arguments,
    keyspace,
    record::Asked,
    registry::{self, Place},
    reply,
    server::{Context, Text},
    visit,
    waiters::{Waiter, Wish},
};

/// `JQ.NOTICES`: at once if there are some or there is no waiting, and later otherwise.
pub fn notices(
    context: Context,
    arguments: &Arguments<'_>,
    count: u32,
    ttr: Option<Millis>,
    block: Option<Millis>,
) {
    let flags = context.flags();
    // Who polls a queue without any leaves no trace in the log.
    let has_none = |queue: &Queue| queue.notices_ready() == 0 && !queue.is_due(clock::now());
    let is_idle = !flags.is_decided()
        && flags.is_primary()
        && matches!(keyspace::read(context, arguments.queue(), has_none), Ok(Some(true)));
    if !is_idle && take(context, arguments, count, ttr) {
        return;
    }
    let may_wait = !flags.is_decided() && flags.is_primary() && !flags.denies_blocking();
    let Some(span) = block.filter(|_| may_wait) else { return context.reply_null_array() };
    let db = context.db();
    let queue = arguments.bytes()[1].into();
    blocking::block(context, &mut [arguments.queue()], |handle| Waiter {
        handle,
        db,
        deadline: (!span.is_zero()).then(|| clock::now().after(span)),
        wish: Wish::Notices { queue, count, ttr },
    });
}

/// Takes some, and answers with them or with an error. False if there are none.
fn take(context: Context, arguments: &Arguments<'_>, count: u32, ttr: Option<Millis>) -> bool {
    let action = Action::TakeNotices { count, ttr };
    let mut is_answered = false;
    let tell = |queue: &Queue, outcome: &Outcome| {
        let taken = taken(queue, outcome);
        if !taken.is_empty() {
            is_answered = true;
            reply::notices(context, taken);
        }
    };
    let done = visit::perform(context, arguments.raw(), &action, tell);
    match done {
        Err(denied) if !is_answered => {
            reply::denied(context, &denied);
            true
        }
        _ => is_answered,
    }
}

/// The notices that an outcome leases. Not copied: a notice may have very many targets.
pub fn taken<'a>(queue: &'a Queue, outcome: &Outcome) -> Vec<&'a Notice> {
    match outcome {
        Outcome::Noticed(numbers) => {
            numbers.iter().filter_map(|&number| queue.notice(number)).collect()
        }
        _ => Vec::new(),
    }
}

/// Gives back notices that were leased to one who was gone before it could be written to. False if
/// there are none.
pub fn return_one(context: Context) -> bool {
    let Some((place, receipt)) = registry::with(|registry| registry.untold_notices.pop()) else {
        return false;
    };
    give_back(context, &place, &receipt);
    true
}

fn give_back(context: Context, place: &Place, receipt: &Name) {
    context.select_db(place.0);
    let words: [&[u8]; 3] = [b"JQ.DELIVERED", &place.1, receipt.as_bytes()];
    let Some(named) = jobq_engine::JobRef::parse(words[2]) else { return };
    let texts = words.map(Text::new);
    let command = [texts[0].raw(), texts[1].raw(), texts[2].raw()];
    let action = Action::CrossOff { receipt: named, targets: Vec::new() };
    let (flags, asked) = (context.flags(), Asked::Us(&command));
    // Where it cannot be given back, its lease lapses.
    drop(visit::decide(context, flags, texts[1].raw(), asked, &action, |_, _| {}));
}
