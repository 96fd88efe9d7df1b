//! Schedules where decisions are taken: what a calendar says; and what clients are shown of them.

mod options;

use std::collections::HashSet;

use jobq_calendar::{Calendar, Wrong};
use jobq_engine::{
    Action, Done, Millis, Past, Plan, Queue, Schedule, ScheduleOrder, Timing, UnixMillis, Unplanned,
};
use jobq_protocol::{
    error::{shown, BadArguments},
    ErrorWord,
};

use crate::{
    details::{self, Value},
    reply,
    server::{log, Context, Level},
    visit::Denied,
};

/// What one tick may spend on calendars: so many searches for an occurrence that is near.
pub const SEARCHES_MAX: u64 = 256;

/// What it takes to read an expression, in such searches.
const READING: u64 = 16;

/// What is near: a search that passes over so much more takes as long as one more.
const NEAR: Millis = Millis::from_secs(32 * 24 * 60 * 60);

/// Whether a client may have this done: what an expression means is looked at where decisions are taken,
/// and here alone.
#[inline]
pub fn admit(context: Context, action: &Action<'_>) -> Result<(), Denied> {
    match action {
        Action::Schedule(order) => admit_order(context, order),
        _ => Ok(()),
    }
}

#[cold]
fn admit_order(context: Context, order: &ScheduleOrder<'_>) -> Result<(), Denied> {
    if context.flags().is_decided() {
        return Ok(());
    }
    let new = match order {
        ScheduleOrder::Set(new) => std::slice::from_ref(&**new),
        ScheduleOrder::Replace(all) => all,
        ScheduleOrder::Run(_) => &[],
        ScheduleOrder::Delete(_) | ScheduleOrder::Pause(_) | ScheduleOrder::Resume(_) => {
            return Ok(())
        }
    };
    let adds = !new.is_empty() || matches!(order, ScheduleOrder::Run(_));
    if adds && Context::has_no_memory() {
        return Err(Denied::NoMemory);
    }
    // Each once: it takes some 50 us to read one, and very many schedules may have the same.
    let mut known = HashSet::new();
    let expressions = new.iter().filter_map(|new| cron(&new.timing));
    expressions.filter(|it| known.insert(*it)).try_for_each(check).map_err(Denied::Arguments)
}

/// The expression and the zone, if those say when it comes.
fn cron<'a>(timing: &Timing<&'a [u8]>) -> Option<(&'a [u8], &'a [u8])> {
    match *timing {
        Timing::Cron { expression, zone } => Some((expression, zone)),
        _ => None,
    }
}

fn check((expression, zone): (&[u8], &[u8])) -> Result<(), BadArguments> {
    let message = match read(expression, zone) {
        Ok(_) => return Ok(()),
        Err(Wrong::Never) => format!("CRON {} {}", shown(expression), Wrong::Never),
        Err(Wrong::Zone) => format!("TZ {}: {}", shown(zone), Wrong::Zone),
        Err(why) => format!("CRON {}: {why}", shown(expression)),
    };
    // What a library says of a client's text may repeat it.
    let printable = |c: char| if (' '..='~').contains(&c) { c } else { '?' };
    let message = message.chars().map(printable).collect();
    Err(BadArguments { word: ErrorWord::Range, message })
}

fn read(expression: &[u8], zone: &[u8]) -> Result<Calendar, Wrong> {
    // Both are ASCII.
    Calendar::new(&String::from_utf8_lossy(expression), &String::from_utf8_lossy(zone))
}

/// When a schedule comes next, as the calendar of this server has it. Takes off what it took of what is
/// `left` to be spent; `None` where nothing is.
pub fn plan(unplanned: &Unplanned<'_>, now: UnixMillis, left: &mut u64) -> Option<Plan> {
    if *left == 0 {
        return None;
    }
    let Unplanned { schedule, expression, zone, after, passes } = *unplanned;
    let calendar = read(expression, zone)
        .map_err(|why| {
            // It was set by a server that knew it.
            let what = String::from_utf8_lossy(expression).into_owned();
            let line = format!("a schedule with CRON '{what}' cannot be read, and stops: {why}");
            log(Level::Warning, &line);
        })
        .ok();
    *left = left.saturating_sub(READING);
    let behind = |at: UnixMillis, left: &mut u64| {
        let next = calendar.as_ref()?.next(at.0).map(UnixMillis);
        let next = next.filter(|next| *next <= UnixMillis::MAX)?;
        *left = left.saturating_sub(1 + next.since(at).0 / NEAR.0);
        Some(next)
    };
    let mut next = behind(after, left);
    let mut then = next.and_then(|next| behind(next, left));
    let mut passed = None;
    while let (true, Some(at), Some(follows)) = (passes && *left > 0, next, then) {
        if follows > now {
            break;
        }
        passed = Some((passed.map_or(0, |(count, _)| count) + 1, at));
        (next, then) = (then, behind(follows, left));
    }
    Some(Plan { schedule, passed, next, then })
}

/// Answers with all schedules of a queue.
pub fn show_all(context: Context, queue: &Queue) {
    context.reply_array(queue.schedules_len());
    for schedule in queue.schedules() {
        let fields = fields(queue, schedule);
        context.reply_map(fields.len());
        show_fields(context, &fields);
    }
}

/// Answers with one, and its past.
pub fn show(context: Context, queue: &Queue, schedule: &Schedule) {
    let fields = fields(queue, schedule);
    context.reply_map(fields.len() + 1);
    show_fields(context, &fields);
    context.reply_bytes(b"history");
    context.reply_array(schedule.history().len());
    schedule.history().for_each(|past| show_past(context, past));
}

fn show_fields(context: Context, fields: &[(&str, Value<'_>)]) {
    for (name, value) in fields {
        context.reply_bytes(name.as_bytes());
        reply::value(context, value);
    }
}

fn fields<'a>(queue: &Queue, schedule: &'a Schedule) -> [(&'static str, Value<'a>); 16] {
    let bytes = |bytes: &'a [u8]| Value::Bytes(bytes.into());
    let number = |n: u64| Value::Integer(n as i64);
    let (timing, zone) = match schedule.timing() {
        Timing::Every { span, from: None } => (format!("EVERY {span}"), None),
        Timing::Every { span, from: Some(from) } => (format!("EVERY {span} FROM {from}"), None),
        Timing::After(span) => (format!("AFTER {span}"), None),
        Timing::Cron { expression, zone } => {
            let zone = if zone.is_empty() { jobq_calendar::UTC.as_bytes() } else { zone };
            (format!("CRON {}", String::from_utf8_lossy(expression)), Some(zone))
        }
    };
    let last_job = schedule.last_job().map(|job| job.to_string().into_bytes());
    let counts = schedule.counts();
    [
        ("name", bytes(schedule.name())),
        ("timing", Value::Bytes(timing.into_bytes().into())),
        ("zone", zone.map_or(Value::Null, bytes)),
        ("body", bytes(&schedule.job().body)),
        ("options", Value::Texts(options::of(&schedule.job().publish()))),
        ("overlap", bytes(schedule.overlap().name().as_bytes())),
        ("missed", bytes(schedule.missed().name().as_bytes())),
        ("paused", number(schedule.is_paused().into())),
        ("next", details::instant(queue.next_run(schedule))),
        ("previous", details::instant(schedule.previous())),
        ("last-job", last_job.map_or(Value::Null, |job| Value::Bytes(job.into()))),
        ("unfinished", number(schedule.unfinished())),
        ("runs", number(counts.runs)),
        ("skipped", number(counts.skipped)),
        ("missed-count", number(counts.missed)),
        ("refused", number(counts.refused)),
    ]
}

fn show_past(context: Context, past: &Past) {
    let (what, job, error) = match past.done {
        Done::Run(job) => ("run", Some(job), None),
        Done::ByHand(job) => ("by-hand", Some(job), None),
        Done::Skipped => ("skipped", None, None),
        Done::Missed => ("missed", None, None),
        Done::Refused(why) => ("refused", None, Some(ErrorWord::of_why(why).word())),
    };
    let text = |text: Option<String>| {
        text.map_or(Value::Null, |text| Value::Bytes(text.into_bytes().into()))
    };
    let fields = [
        ("at", details::instant(Some(past.at))),
        ("what", text(Some(what.to_owned()))),
        ("job", text(job.map(|job| job.to_string()))),
        ("error", text(error.map(str::to_owned))),
        ("times", Value::Integer(past.times as i64)),
    ];
    reply::details(context, &fields);
}
