//! Workers, as the server and the queues show them: who asks for jobs, who holds some, who is to be left
//! without.

use std::collections::HashMap;

use jobq_engine::{Name, Queue, UnixMillis};
use jobq_protocol::{ConsumeCall, WorkerWish};

use crate::{
    blocking, clock,
    keyspace::{self, Found},
    registry,
    roster::Doubts,
    server::{Context, Flags, Key, Mode, Text},
    timer,
};

/// Notes who asks for jobs of which queues, if he gave his name, and tells what is wished of him.
#[inline]
pub fn see(context: Context, flags: Flags, call: &ConsumeCall<'_>) -> Option<WorkerWish> {
    match call.consume.holder.worker {
        b"" => None,
        name => see_named(context, flags, name, &call.queues),
    }
}

/// Notes that a worker has named itself, and tells what is wished of it.
pub fn see_named(
    context: Context,
    flags: Flags,
    name: &[u8],
    queues: &[&[u8]],
) -> Option<WorkerWish> {
    let (now, db) = (clock::now(), context.db());
    let connection = (!flags.is_script()).then(|| context.client());
    registry::with(|registry| registry.roster.see(name, now, connection, (db, queues)))
}

/// Notes that a worker holds something in a queue, if it gave its name.
#[inline]
pub fn note(worker: &[u8], db: i32, queue: &[u8]) {
    if !worker.is_empty() {
        registry::with(|registry| registry.roster.note(worker, db, queue));
    }
}

/// Notes which workers hold something in a queue that has just got its name.
pub fn note_all(queue: &Queue, db: i32, name: &[u8]) {
    queue.holdings().for_each(|holding| note(holding.worker, db, name));
}

/// Notes whose receipt was used, if that is one who gave his name.
#[inline]
pub fn hear(queue: &mut Queue, now: UnixMillis) {
    if queue.has_heard() {
        let name = queue.heard_of();
        registry::with(|registry| registry.roster.hear(name, now));
    }
}

/// Wishes something of a worker. False if it is not known.
pub fn wish(context: Context, name: &[u8], wish: Option<WorkerWish>) -> bool {
    let blocked = registry::with(|registry| {
        let before = registry.roster.wish(name, wish)?;
        let word = match wish {
            Some(WorkerWish::Quiet) => "quiet",
            Some(WorkerWish::Stop) => "stop",
            None => "resume",
        };
        registry.wishes.push_back((name.into(), word));
        registry.alarm.want(UnixMillis(0));
        let is_other = before != wish;
        let blocked = if is_other { registry.waiters.of_worker(name) } else { Vec::new() };
        blocked.iter().for_each(|&handle| drop(registry.leave(handle)));
        Some(blocked)
    });
    timer::arm(context);
    let is_known = blocked.is_some();
    blocked.into_iter().flatten().for_each(blocking::wake);
    is_known
}

/// What a worker holds in a queue.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// How many leases.
    pub leases: usize,
    /// The receipt of the one that was granted first.
    pub oldest: Name,
    /// Since when, if that is known.
    pub since: Option<UnixMillis>,
    token: u64,
}

/// What workers hold in a queue, by their names.
pub type Holdings = HashMap<Box<[u8]>, Held>;

/// What each worker holds in a queue that gave its name. `None` if there is no queue. O(w) with w of them.
pub fn holdings(context: Context, queue: &[u8]) -> Option<Holdings> {
    let text = Text::new(queue);
    let key = Key::open(context, text.raw(), Mode::Peek)?;
    let Found::Queue(stored) = keyspace::find(&key) else { return None };
    // SAFETY: the key is open, and nothing else refers to its value meanwhile.
    let queue = unsafe { &stored.as_ref().queue };
    let mut all = Holdings::new();
    for it in queue.holdings() {
        let oldest = queue.job(it.oldest).id().receipt(it.token);
        let mut held = Held { leases: it.leases, oldest, since: it.since, token: it.token.0 };
        let before = all.get(it.worker);
        if let Some(before) = before {
            let leases = held.leases + before.leases;
            held = if before.token < held.token { *before } else { held };
            held.leases = leases;
        }
        all.insert(it.worker.into(), held);
    }
    Some(all)
}

/// Forgets workers that are gone, from time to time. On a primary in the timer's turn, since to look at
/// a queue that is over its time removes it.
pub fn sweep_from_time_to_time(context: Context) {
    let now = clock::now();
    if !registry::with(|registry| registry.roster.is_sweep_due(now)) {
        return;
    }
    let flags = context.flags();
    if flags.is_loading() {
        return;
    }
    if flags.is_primary() {
        registry::with(|registry| {
            registry.sweeps = true;
            registry.alarm.want(UnixMillis(0));
        });
        timer::arm(context);
    } else {
        sweep(context, now);
    }
}

/// Forgets workers that are gone if it is time for that. False if it is not.
pub fn sweep_if_wanted(context: Context, now: UnixMillis) -> bool {
    let is_wanted = registry::with(|registry| std::mem::take(&mut registry.sweeps));
    if is_wanted {
        sweep(context, now);
    }
    is_wanted
}

fn sweep(context: Context, now: UnixMillis) {
    let doubts: Doubts = registry::with(|registry| {
        let waiters = &registry.waiters;
        registry.roster.sweep(now, |name| waiters.has_worker(name))
    });
    for (place, names) in doubts {
        context.select_db(place.0);
        let holdings = holdings(context, &place.1).unwrap_or_default();
        registry::with(|registry| {
            for name in names.iter().filter(|&name| !holdings.contains_key(name)) {
                registry.roster.leave(name, &place);
            }
        });
    }
}
