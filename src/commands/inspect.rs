//! Commands that only look. They see a queue as of its last tick, and replicas serve them too.

use jobq_engine::{Config, Cursor, JobId, JobRef, Listing, Millis, Queue, StateKind, Ulid};
use jobq_protocol::{cursor, ErrorWord, EventsCall, SettingName, Since, KEYED_SETTINGS, SETTINGS};
use redis_module::raw::RedisModuleString;

use super::Arguments;
use crate::{
    blocking, clock,
    details::{self, Value},
    keyspace::{self, Watched, WrongType},
    readers,
    reply::{self, Body},
    schedules,
    server::{text::bytes_of, Context, Text},
    visit::Denied,
    waiters::{Reading, Waiter, Wish},
};

/// `JQ.PEEK`
pub fn peek(context: Context, arguments: &Arguments<'_>, count: u32) {
    let show = |queue: &Queue| {
        let jobs = queue.peek(count as usize);
        if jobs.is_empty() {
            return context.reply_null_array();
        }
        context.reply_array(jobs.len());
        for slot in jobs {
            let job = queue.job(slot);
            let body = Body::of(queue, job);
            reply::job(context, arguments.bytes[1], &job.id().text(), &body, None);
        }
    };
    look(context, arguments.queue(), show, || context.reply_null_array());
}

/// `JQ.JOB`
pub fn job(context: Context, queue: *mut RedisModuleString, job: &JobRef<'_>) {
    let show = |queue: &Queue| match queue.find(job) {
        Some(slot) => reply::details(context, &details::of(queue, queue.job(slot))),
        None => context.reply_null(),
    };
    look(context, queue, show, || context.reply_null());
}

/// `JQ.LIST`
pub fn list(context: Context, queue: *mut RedisModuleString, listing: &Listing<'_>) {
    let begin = |next: Option<Cursor>, jobs| {
        context.reply_array(2);
        match next {
            Some(next) => context.reply_bytes(next.to_string().as_bytes()),
            None => context.reply_bytes(cursor::EDGE),
        }
        context.reply_array(jobs);
    };
    let show = |queue: &Queue| {
        let page = queue.list(listing);
        begin(page.next, page.jobs.len());
        for slot in page.jobs {
            reply::details(context, &details::in_list(queue, queue.job(slot)));
        }
    };
    look(context, queue, show, || begin(None, 0));
}

/// `JQ.RESULT`: at once if the job has ended or there is no waiting, and later otherwise.
pub fn result(
    context: Context,
    queue: *mut RedisModuleString,
    job: &JobRef<'_>,
    block: Option<Millis>,
) {
    let flags = context.flags();
    // On a replica no timer of ours would end the wait.
    let Some(span) = block.filter(|_| flags.is_primary() && !flags.denies_blocking()) else {
        return show_result(context, queue, job);
    };
    match keyspace::watch(context, queue, job, |_| true) {
        Err(WrongType) => reply::denied(context, &Denied::WrongType),
        Ok(Watched::Ended(ending)) => reply::ending(context, &ending),
        Ok(Watched::Unfinished(ulid)) => wait_for_end(context, queue, job, ulid, span),
        Ok(Watched::NoJob | Watched::NoQueue) => context.reply_null_array(),
    }
}

/// `JQ.JOB` with `TRACE`
pub fn trace(context: Context, queue: *mut RedisModuleString, job: &JobRef<'_>) {
    let show = |queue: &Queue| match queue.find(job).map(|slot| queue.job(slot)) {
        Some(job) => {
            context.reply_array(job.trail().count());
            for step in job.trail() {
                reply::details(context, &details::of_step(&step));
            }
        }
        None => context.reply_null(),
    };
    look(context, queue, show, || context.reply_null());
}

/// `JQ.EVENTS`: at once if there are some or there is no waiting, and later otherwise.
pub fn events(context: Context, name: *mut RedisModuleString, call: EventsCall) {
    let flags = context.flags();
    // On a replica no timer of ours would end the wait.
    let block = call.block.filter(|_| flags.is_primary() && !flags.denies_blocking());
    let since_of = |edge: u64| match call.since {
        Since::Oldest => 0,
        Since::Number(number) => number,
        Since::Now => edge,
    };
    let show = |queue: &Queue| {
        let (edge, made) = (readers::edge(queue), queue.events_made());
        // A number that is none of this queue is answered at once, and so is that there is no ring.
        let waits = match call.since {
            Since::Oldest => queue.events_kept() == 0,
            Since::Number(_) | Since::Now => since_of(made) == made,
        };
        if let (Some(span), Some(_), true) = (block, edge, waits) {
            return Some((span, made));
        }
        let since = (call.since != Since::Oldest).then(|| since_of(made));
        show_events(context, queue, since, call.count);
        None
    };
    match keyspace::read(context, name, show) {
        Err(WrongType) => reply::denied(context, &Denied::WrongType),
        Ok(None) => context.reply_null_array(),
        Ok(Some(None)) => {}
        Ok(Some(Some((span, since)))) => {
            let db = context.db();
            // SAFETY: the name is an argument of the command, which the server lends for its length.
            let queue = unsafe { bytes_of(name) }.into();
            let reading = Reading { queue, since, count: call.count };
            blocking::block(context, &mut [name], |handle| Waiter {
                handle,
                db,
                deadline: (!span.is_zero()).then(|| clock::now().after(span)),
                wish: Wish::Events(reading.into()),
            });
        }
    }
}

/// Answers with the events that there are by now, to a client that has waited for some.
pub fn events_now(context: Context, reading: &Reading) {
    let show = |queue: &Queue| show_events(context, queue, Some(reading.since), reading.count);
    look(context, Text::new(&reading.queue).raw(), show, || context.reply_null_array());
}

/// Answers with the events of a queue behind a number, or with the oldest that are kept.
fn show_events(context: Context, queue: &Queue, since: Option<u64>, count: usize) {
    if queue.config().events == 0 {
        let prose = "the queue keeps no events, see JQ.CONFIG queue SET events";
        return reply::error(context, ErrorWord::WrongState, prose);
    }
    let made = queue.events_made();
    let forgotten = made - queue.events_kept() as u64;
    let (after, missed) = match since {
        None => (forgotten, 0),
        // Of another queue, or of one of which the end was lost.
        Some(since) if since > made => (forgotten, -1),
        Some(since) => (since.max(forgotten), forgotten.saturating_sub(since) as i64),
    };
    let told = count.min((made - after) as usize);
    context.reply_array(3);
    context.reply_integer((after + told as u64) as i64);
    context.reply_integer(missed);
    context.reply_array(told);
    for happening in queue.events_after(after).take(told) {
        reply::details(context, &details::of_happening(&happening));
    }
}

/// Answers with the state that a job is in now, to a client that has waited in vain for its end.
pub fn result_now(context: Context, queue: &[u8], named: &[u8]) {
    match JobRef::parse(named) {
        Some(job) => show_result(context, Text::new(queue).raw(), &job),
        None => context.reply_null_array(),
    }
}

/// Answers with the state that a job is in, and what came of it.
pub fn show_result(context: Context, queue: *mut RedisModuleString, job: &JobRef<'_>) {
    let show = |queue: &Queue| match queue.find(job).map(|slot| queue.job(slot)) {
        Some(job) => reply::result(context, job.state().kind(), job.outcome()),
        None => context.reply_null_array(),
    };
    look(context, queue, show, || context.reply_null_array());
}

/// Blocks the client until a job has ended that is watched.
pub fn wait_for_end(
    context: Context,
    queue: *mut RedisModuleString,
    job: &JobRef<'_>,
    ulid: Ulid,
    span: Millis,
) {
    let db = context.db();
    let named = match job.token {
        Some(token) => JobId::Given(job.id()).receipt(token),
        None => JobId::Given(job.id()).text(),
    };
    // SAFETY: the name is an argument of the command, which the server lends for its length.
    let name = unsafe { bytes_of(queue) };
    blocking::block(context, &mut [queue], |handle| Waiter {
        handle,
        db,
        deadline: (!span.is_zero()).then(|| clock::now().after(span)),
        wish: Wish::Ending { queue: name.into(), ulid, named: named.as_bytes().into() },
    });
}

/// `JQ.LEN`
pub fn len(context: Context, queue: *mut RedisModuleString, state: Option<StateKind>) {
    let count = |queue: &Queue| state.map_or(queue.len(), |state| queue.len_of(state));
    look(
        context,
        queue,
        |queue| context.reply_integer(count(queue) as i64),
        || context.reply_integer(0),
    );
}

/// `JQ.GATE LIST`
pub fn gates(context: Context, queue: *mut RedisModuleString) {
    let show = |queue: &Queue| {
        let gates = queue.gates();
        context.reply_map(gates.len());
        for gate in gates {
            context.reply_bytes(gate.name);
            context.reply_array(2);
            context.reply_bytes(if gate.is_open { b"open" } else { b"closed" });
            context.reply_integer(gate.held as i64);
        }
    };
    look(context, queue, show, || context.reply_map(0));
}

/// `JQ.BATCH LIST`
pub fn batches(context: Context, queue: *mut RedisModuleString) {
    let show = |queue: &Queue| {
        let batches = queue.batches();
        context.reply_map(batches.len());
        for batch in batches {
            context.reply_bytes(batch.key);
            let fields = [
                ("jobs", Value::Integer(batch.jobs as i64)),
                ("since", details::instant(Some(batch.since))),
                ("due", details::instant(batch.fires)),
            ];
            reply::details(context, &fields);
        }
    };
    look(context, queue, show, || context.reply_map(0));
}

/// `JQ.CONFIG GET`; of a queue that does not exist, what it would have.
pub fn config(context: Context, queue: *mut RedisModuleString, setting: Option<SettingName<'_>>) {
    let show = |config: &Config| {
        let plain = SETTINGS.iter().map(|spec| (spec.name.into(), spec.read(config)));
        let keyed = KEYED_SETTINGS.iter().flat_map(|spec| {
            let one = |key| (spec.name_for(key), spec.read(config, key));
            spec.keys(config).into_iter().map(one)
        });
        let settings: Vec<(Vec<u8>, String)> = match setting {
            None => plain.chain(keyed).collect(),
            Some(SettingName::Plain(spec)) => vec![(spec.name.into(), spec.read(config))],
            Some(SettingName::Keyed(spec, key)) => {
                vec![(spec.name_for(key), spec.read(config, key))]
            }
        };
        context.reply_map(settings.len());
        for (name, value) in settings {
            context.reply_bytes(&name);
            context.reply_bytes(value.as_bytes());
        }
    };
    look(context, queue, |queue| show(queue.config()), || show(&Config::default()));
}

/// `JQ.LIMIT LIST`
pub fn limits(context: Context, queue: *mut RedisModuleString) {
    let show = |queue: &Queue| reply::limits(context, &queue.limits_set());
    look(context, queue, show, || reply::limits(context, &[]));
}

/// `JQ.SCHEDULE LIST`
pub fn schedules(context: Context, queue: *mut RedisModuleString) {
    let show = |queue: &Queue| schedules::show_all(context, queue);
    look(context, queue, show, || context.reply_array(0));
}

/// `JQ.SCHEDULE GET`
pub fn schedule(context: Context, queue: *mut RedisModuleString, name: &[u8]) {
    let show = |queue: &Queue| match queue.schedule(name) {
        Some(schedule) => schedules::show(context, queue, schedule),
        None => context.reply_null(),
    };
    look(context, queue, show, || context.reply_null());
}

/// `JQ.DIGEST`
pub fn digest(context: Context, queue: *mut RedisModuleString) {
    let show = |queue: &Queue| context.reply_bytes(queue.digest().to_string().as_bytes());
    look(context, queue, show, || context.reply_null());
}

pub(super) fn look(
    context: Context,
    queue: *mut RedisModuleString,
    show: impl FnOnce(&Queue),
    otherwise: impl FnOnce(),
) {
    match keyspace::read(context, queue, show) {
        Ok(Some(())) => {}
        Ok(None) => otherwise(),
        Err(keyspace::WrongType) => reply::denied(context, &Denied::WrongType),
    }
}
