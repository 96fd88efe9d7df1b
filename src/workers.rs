//! Workers, as the server and the queues show them: who asks for jobs, who holds some, who is to be left
//! without.

use std::collections::HashMap;

use jobq_engine::{Name, Queue, UnixMillis};
use jobq_protocol::WorkerWish;

use crate::{
    blocking,
    clock::{self, Slice},
    keyspace::{self, Found},
    registry,
    roster::Swept,
    server::{Context, Flags, Key, Mode, Text},
    timer,
};

/// Notes who asks for jobs of which queues, if he gave his name, and tells what is wished of him.
#[inline]
pub fn see(context: Context, flags: Flags, name: &[u8], queues: &[&[u8]]) -> Option<WorkerWish> {
    match name {
        b"" => None,
        name => see_named(context, flags, name, queues),
    }
}

/// The name that the connection of this command has taken, if it has. A script has no connection.
pub fn own_name(context: Context, flags: Flags) -> Option<Box<[u8]>> {
    // Mostly none has, and then it is not asked which one this is.
    if !registry::with(|registry| registry.roster.names_any()) || flags.is_script() {
        return None;
    }
    let connection = context.client();
    registry::with(|registry| registry.roster.name_of(connection).map(Into::into))
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
    queue.crew().for_each(|worker| note(worker, db, name));
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
    /// Since when.
    pub since: UnixMillis,
    token: u64,
}

/// What workers hold in a queue, by their names.
pub type Holdings = HashMap<Box<[u8]>, Held>;

/// What each worker holds in a queue that gave its name. Nothing if there is no queue. O(n) with n leases.
pub fn holdings(context: Context, queue: &[u8]) -> Holdings {
    look(context, queue, |queue| {
        let mut all = Holdings::new();
        for it in queue.holdings() {
            let oldest = queue.job(it.oldest).id().receipt(it.token);
            let new = Held { leases: 0, oldest, since: it.since, token: it.token.0 };
            let held = all.entry(it.worker.into()).or_insert(new);
            let leases = held.leases + it.leases;
            if new.token < held.token {
                *held = new;
            }
            held.leases = leases;
        }
        all
    })
}

/// Looks at a queue as it is. The default if there is none.
fn look<T: Default>(context: Context, queue: &[u8], at: impl FnOnce(&Queue) -> T) -> T {
    let text = Text::new(queue);
    let Some(key) = Key::open(context, text.raw(), Mode::Peek) else { return T::default() };
    let Found::Queue(stored) = keyspace::find(&key) else { return T::default() };
    // SAFETY: the key is open, and nothing else refers to its value meanwhile.
    at(unsafe { &stored.as_ref().queue })
}

/// Begins to forget workers that are gone, from time to time. On a primary that is done in the timer's
/// turns, since to look at a queue that is over its time removes it.
pub fn sweep_from_time_to_time(context: Context) {
    let now = clock::now();
    if context.flags().is_loading() || !registry::with(|registry| registry.roster.begin_sweep(now))
    {
        return;
    }
    if context.flags().is_primary() {
        registry::with(|registry| registry.alarm.want(UnixMillis(0)));
        timer::arm(context);
    } else {
        let slice = Slice::begin();
        while !slice.is_over() && sweep_some(context, now) {}
    }
}

/// Forgets some of the workers that are gone, if a sweep goes on. False if none does.
pub fn sweep_some(context: Context, now: UnixMillis) -> bool {
    let swept = registry::with(|registry| {
        let waiters = &registry.waiters;
        let is_sweeping = registry.roster.is_sweeping();
        is_sweeping.then(|| registry.roster.sweep(now, |name| waiters.has_worker(name)))
    });
    if let Some(Swept::Doubt(name, place)) = &swept {
        context.select_db(place.0);
        if !look(context, &place.1, |queue| queue.crew().any(|worker| *worker == **name)) {
            registry::with(|registry| registry.roster.leave(name, place));
        }
    }
    swept.is_some()
}
