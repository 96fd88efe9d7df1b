//! From a command to an answer: parse, act, reply. One entry point serves all commands of the
//! table; what they do is by family below.

mod chain;
mod consume;
mod inspect;
mod internal;
mod numbers;
mod publish;
mod queues;
mod register;
mod workers;

use std::{cell::Cell, ffi::c_int, ptr::null_mut};

use jobq_engine::{Action, Bodies, JobRefs, Publish, Which};
use jobq_protocol::{Call, Command, CommandId, DebugCall, ErrorWord, Keys, COMMANDS};
use redis_module::raw::{RedisModuleCtx, RedisModuleString, REDISMODULE_OK};
use smallvec::SmallVec;

use crate::{
    changes, distant, notices, registry,
    reply::{self, NoQueue},
    schedules,
    server::{guard, text::bytes_of, Context},
    visit::{self, Denied},
};

pub use inspect::{events_now, result_now};
pub use register::register;

/// The arguments of a command, as the server lends them: as its own strings, and as bytes.
pub struct Arguments<'a> {
    raw: &'a [*mut RedisModuleString],
    bytes: SmallVec<[&'a [u8]; 16]>,
}

impl Arguments<'_> {
    /// As the server's own strings.
    pub fn raw(&self) -> &[*mut RedisModuleString] {
        self.raw
    }

    /// As bytes.
    pub fn bytes(&self) -> &[&[u8]] {
        &self.bytes
    }

    /// The key of the queue, which is the first argument; null in a command without.
    pub fn queue(&self) -> *mut RedisModuleString {
        self.raw.get(1).copied().unwrap_or(null_mut())
    }
}

/// What the server calls for the command at this place of the table.
pub unsafe extern "C" fn entry<const PLACE: usize>(
    raw: *mut RedisModuleCtx,
    arguments: *mut *mut RedisModuleString,
    count: c_int,
) -> c_int {
    // SAFETY: the server hands over a live context.
    let context = unsafe { Context::new(raw) };
    let answered = guard(|| {
        // SAFETY: the server lends `count` strings for the length of the command.
        let raw = unsafe { std::slice::from_raw_parts(arguments, count as usize) };
        // Filled where it is: it is large.
        let mut arguments = Arguments { raw, bytes: SmallVec::new() };
        // SAFETY: as above.
        arguments.bytes.extend(raw.iter().map(|&text| unsafe { bytes_of(text) }));
        let command = &COMMANDS[PLACE];
        if matches!(command.keys, Keys::FirstAndAfter(_) | Keys::FirstIfOdd)
            && context.asks_for_keys()
        {
            return register::tell_keys(context, command, &arguments.bytes);
        }
        run(context, command, &arguments);
        if registry::with(|registry| registry.has_afterwork()) {
            distant::deliver(context);
            changes::tell(context);
        }
    });
    if answered.is_none() {
        distant::forget();
        reply::error(context, ErrorWord::Internal, "an error in JobQ itself, see the server's log");
    }
    REDISMODULE_OK as c_int
}

fn run(context: Context, command: &Command, arguments: &Arguments<'_>) {
    if command.internal && !context.flags().is_decided() {
        let prose = format!("{} is for replicas and the log only", command.name);
        return reply::error(context, ErrorWord::NoPerm, &prose);
    }
    let parsed = jobq_protocol::parse(command, &arguments.bytes);
    match &parsed {
        Ok(Call::Act(_) | Call::Debug(_))
            if command.id == CommandId::Debug && !may_debug(context) =>
        {
            let prose =
                "JQ.DEBUG answers only where the module was loaded with the argument 'debug'";
            return reply::error(context, ErrorWord::NoPerm, prose);
        }
        // Where they are: they are large, and to move them about takes longer than to look at them.
        Ok(Call::Act(action)) => return perform(context, arguments, action),
        Ok(Call::Consume(call)) => return consume::consume(context, arguments, call),
        _ => {}
    }
    match parsed {
        Ok(call) => act(context, arguments, call),
        Err(bad) => reply::bad_arguments(context, &bad),
    }
}

#[inline(never)]
fn act(context: Context, arguments: &Arguments<'_>, call: Call<'_>) {
    let queue = arguments.queue();
    match call {
        Call::Act(action) => perform(context, arguments, &action),
        Call::PublishOrWait { publish, span, place } => {
            publish::publish_or_wait(context, arguments, publish, span, place);
        }
        Call::PublishAndWait { publish, span, place } => {
            publish::publish_and_wait(context, arguments, publish, span, place);
        }
        Call::Chain { done, to, next } => chain::chain(context, arguments, done, to, next),
        Call::Queues { pattern, after, count } => queues::queues(context, pattern, after, count),
        Call::Job(job) => inspect::job(context, queue, &job),
        Call::Trace(job) => inspect::trace(context, queue, &job),
        Call::Events(call) => inspect::events(context, queue, call),
        Call::List(listing) => inspect::list(context, queue, &listing),
        Call::Result { job, block } => inspect::result(context, queue, &job, block),
        Call::Consume(call) => consume::consume(context, arguments, &call),
        Call::Notices { count, ttr, block } => {
            notices::notices(context, arguments, count, ttr, block);
        }
        Call::Peek { count } => inspect::peek(context, arguments, count),
        Call::Len(state) => inspect::len(context, queue, state),
        Call::Stats(view) => numbers::stats(context, queue, view),
        Call::Gates => inspect::gates(context, queue),
        Call::Batches => inspect::batches(context, queue),
        Call::ConfigGet(setting) => inspect::config(context, queue, setting),
        Call::Limits => inspect::limits(context, queue),
        Call::Schedules => inspect::schedules(context, queue),
        Call::Schedule(name) => inspect::schedule(context, queue, name),
        Call::Digest => inspect::digest(context, queue),
        Call::Debug(DebugCall::Panic { is_answered }) => {
            debug_panic(context, arguments, is_answered);
        }
        Call::Debug(DebugCall::Advance(span)) => match visit::advance(context, queue, span) {
            Ok(Some(clock)) => context.reply_integer(clock.0 as i64),
            Ok(None) => context.reply_integer(0),
            Err(denied) => reply::denied(context, &denied),
        },
        Call::Debug(DebugCall::Refuse(count)) => match visit::refuse(context, queue, count) {
            Ok(Some(())) => context.reply_integer(count.into()),
            Ok(None) => context.reply_integer(0),
            Err(denied) => reply::denied(context, &denied),
        },
        Call::TouchAs { action, worker } => workers::touch(context, arguments, &action, worker),
        Call::Workers { queue: named, after, count } => {
            workers::workers(context, queue, named, after, count);
        }
        Call::Worker(call) => workers::worker(context, &call),
        Call::Apply { steps, asked, beside } => {
            internal::apply(context, queue, &steps, asked, beside);
        }
        Call::Load { frame } => internal::load(context, arguments, frame),
    }
}

fn perform(context: Context, arguments: &Arguments<'_>, action: &Action<'_>) {
    if let Err(denied) = try_perform(context, arguments, action) {
        reply::denied(context, &denied);
    }
}

/// Has something done. A refusal is yet to be answered, all else is.
fn try_perform(
    context: Context,
    arguments: &Arguments<'_>,
    action: &Action<'_>,
) -> Result<(), Denied> {
    if let Action::Publish(publish) = action {
        distant::admit(context, arguments.bytes[1], publish)?;
    }
    schedules::admit(context, action)?;
    let without_queue = NoQueue::of(action);
    // A list of bodies is answered with a list of ids, however long.
    let many = matches!(action, Action::Publish(Publish { bodies: Bodies::Many(_), .. }));
    let is_answered = Cell::new(false);
    let done = visit::perform(context, arguments.raw, action, |queue, outcome| {
        is_answered.set(true);
        reply::outcome(context, queue, outcome, many);
    });
    match done {
        Ok(Some(())) => {}
        Ok(None) => reply::no_queue(context, without_queue),
        // An internal error came behind the answer: a second one would be taken for that of the
        // client's next command.
        Err(_) if is_answered.get() => {}
        Err(denied) => return Err(denied),
    }
    Ok(())
}

/// Whether `JQ.DEBUG` answers. What another server has done, which answers it, is repeated anywhere.
fn may_debug(context: Context) -> bool {
    registry::with(|registry| registry.debug) || context.flags().is_decided()
}

/// Panics while a queue is open, before or behind the answer, so that anyone can see what comes of
/// an internal error.
fn debug_panic(context: Context, arguments: &Arguments<'_>, is_answered: bool) {
    let nothing = Action::Kick(Which::Ids(JobRefs::new()));
    let done = visit::perform(context, arguments.raw, &nothing, |queue, outcome| {
        if is_answered {
            reply::outcome(context, queue, outcome, false);
        }
        panic!("JQ.DEBUG PANIC")
    });
    match done {
        Ok(_) => reply::no_queue(context, NoQueue::Zero),
        Err(_) if is_answered => {}
        Err(denied) => reply::denied(context, &denied),
    }
}
