//! `JQ.STATS`: what a queue tells of itself and of its past. As of its last tick, but for what depends
//! on the time: that is of now.

use jobq_engine::{
    Counters, Millis, Queue, Row, StateKind, Time, Times, TypeNumbers, UnixMillis, DUE_SPANS,
};
use jobq_protocol::StatsView;
use redis_module::raw::RedisModuleString;

use super::inspect::look;
use crate::{clock, details, reply, server::Context};

/// Which part of the times is told, in thousandths.
const QUANTILES: [(&str, u64); 4] = [("p50", 500), ("p90", 900), ("p99", 990), ("p99.9", 999)];

/// `JQ.STATS`
pub fn stats(context: Context, queue: *mut RedisModuleString, view: StatsView<'_>) {
    let show = |queue: &Queue| match view {
        StatsView::Queue => of_queue(context, queue),
        StatsView::Type { name, buckets } => match queue.types().get(name) {
            Some(numbers) => of_type(context, numbers, buckets),
            None => context.reply_null(),
        },
        StatsView::Types { buckets } => {
            context.reply_array(queue.types().iter().count());
            queue.types().iter().for_each(|numbers| of_type(context, numbers, buckets));
        }
        StatsView::Times { buckets } => {
            context.reply_map(Time::ALL.len());
            times(context, queue.times(), buckets);
        }
        StatsView::History { grain, count } => {
            let rows = queue.history(grain, now(queue));
            let latest = &rows[rows.len().saturating_sub(count)..];
            context.reply_array(latest.len());
            latest.iter().for_each(|row| of_row(context, row));
        }
        StatsView::Due => due(context, queue),
    };
    look(context, queue, show, || context.reply_null());
}

fn of_queue(context: Context, queue: &Queue) {
    let lengths = StateKind::ALL.map(|state| (state.name(), queue.len_of(state) as u64));
    let sizes = [
        ("jobs", queue.len() as u64),
        ("bytes", queue.bytes() as u64),
        ("locks", queue.locks_held() as u64),
        ("notices", queue.notices() as u64),
        ("schedules", queue.schedules_len() as u64),
        ("types", queue.types().len() as u64),
    ];
    let counters = queue.counters().named();
    let pauses = queue.pauses();
    let instants = [
        ("next-due", queue.next_due()),
        ("paused-in", pauses.publishing),
        ("paused-out", pauses.consuming),
        ("oldest-ready", queue.oldest_ready()),
        ("idle-ends", queue.idle_ends()),
    ];
    let own = [("clock", queue.clock().0), ("tasks-left", queue.tasks_left())];
    let numbers = lengths.into_iter().chain(sizes).chain(counters).chain(own);
    context.reply_map(numbers.clone().count() + instants.len());
    numbers.for_each(|(name, n)| integer(context, name, n));
    for (name, at) in instants {
        context.reply_bytes(name.as_bytes());
        reply::value(context, &details::instant(at));
    }
}

fn of_type(context: Context, numbers: &TypeNumbers, buckets: bool) {
    let counts: [(&str, u64); Counters::COUNTS] = numbers.counts.named();
    context.reply_map(1 + counts.len() + Time::ALL.len());
    context.reply_bytes(b"type");
    match numbers.name() {
        Some(name) => context.reply_bytes(name),
        None => context.reply_null(),
    }
    counts.into_iter().for_each(|(name, n)| integer(context, name, n));
    times(context, &numbers.times, buckets);
}

/// The pairs of a map.
fn times(context: Context, times: &Times, buckets: bool) {
    for time in Time::ALL {
        let histogram = times.of(time);
        context.reply_bytes(time.name().as_bytes());
        context.reply_map(3 + QUANTILES.len() + usize::from(buckets));
        integer(context, "count", histogram.count());
        integer(context, "sum", histogram.sum());
        integer(context, "max", histogram.max().0);
        for (name, per_mille) in QUANTILES {
            span(context, name, histogram.quantile(per_mille));
        }
        if buckets {
            context.reply_bytes(b"buckets");
            context.reply_array(histogram.buckets().count());
            for (longest, count) in histogram.buckets() {
                context.reply_array(2);
                context.reply_integer(longest.0 as i64);
                context.reply_integer(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }
}

fn of_row(context: Context, row: &Row) {
    let counts = row.named();
    context.reply_map(1 + counts.len());
    integer(context, "since", row.since.0);
    counts.into_iter().for_each(|(name, n)| integer(context, name, n));
}

fn due(context: Context, queue: &Queue) {
    let states = [StateKind::Delayed, StateKind::Leased];
    let names = DUE_SPANS.map(|(name, _)| name).into_iter().chain(["later"]);
    context.reply_map(states.len());
    for state in states {
        let counts = queue.due_by(state, now(queue));
        context.reply_bytes(state.name().as_bytes());
        context.reply_map(counts.len());
        names.clone().zip(counts).for_each(|(name, n)| integer(context, name, n));
    }
}

/// What time it is: by the queue's own clock where that is ahead of the server's.
fn now(queue: &Queue) -> UnixMillis {
    clock::now().max(queue.clock())
}

fn integer(context: Context, name: &str, n: u64) {
    context.reply_bytes(name.as_bytes());
    context.reply_integer(i64::try_from(n).unwrap_or(i64::MAX));
}

fn span(context: Context, name: &str, span: Option<Millis>) {
    context.reply_bytes(name.as_bytes());
    match span {
        Some(span) => context.reply_integer(span.0 as i64),
        None => context.reply_null(),
    }
}
