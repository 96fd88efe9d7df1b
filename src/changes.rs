//! What is told at once of changes: keyspace events of queues, and messages that queues come and go.
//!
//! Both are told when no key is open any more: who listens may do anything. That a job has changed is told
//! behind the command that did it, on replicas too, as of the server's own commands. That a queue has
//! gone is seen where nothing may be told, so the timer of the primary does it.

use std::ffi::CStr;

use jobq_engine::{Cause, Queue, UnixMillis};
use redis_module::raw::{self, RedisModuleString};

use crate::{
    keyspace,
    registry::{self, Place},
    server::{Context, Text},
};

/// Where it is told that a queue has come or gone.
const CHANNEL: &[u8] = b"jobq:queues";

/// So many queues lose their names as one gets another: that of which it is the name, and, as a key is
/// renamed, it itself.
const NOTED_BY_ONE_MAX: usize = 2;

/// Messages that one step sends; the timer goes on from there.
const STEP_MAX: usize = 64;

/// Has the queue note what changes if somebody may hear of it. Tells whether it does.
#[inline]
pub fn hear(queue: &mut Queue) -> bool {
    let is_heard = Context::tells_module_events();
    queue.hear_changes(is_heard);
    is_heard
}

/// Keeps what has changed until no key is open any more.
#[cold]
pub fn keep(place: (i32, &[u8]), queue: &mut Queue) {
    let changes = queue.take_changes();
    if changes.is_empty() {
        return;
    }
    let place: Place = (place.0, place.1.into());
    registry::with(|registry| registry.changes.push_back((place, changes)));
}

/// Tells what has changed. No key is open.
pub fn tell(context: Context) {
    while let Some((place, changes)) = registry::with(|registry| registry.changes.pop_front()) {
        context.select_db(place.0);
        let name = Text::new(&place.1);
        for cause in changes {
            context.notify(raw::REDISMODULE_NOTIFY_MODULE, event(cause), name.raw());
        }
    }
}

/// Tells that a queue has come, and has the timer say so on the channel. No key is open.
pub fn tell_created(context: Context, name: *mut RedisModuleString, bytes: &[u8]) {
    context.notify(raw::REDISMODULE_NOTIFY_MODULE, c"jq.created", name);
    if !context.flags().is_decided() {
        note([Coming { is_new: true, place: (context.db(), bytes.into()) }]);
    }
}

/// Notes that a queue is about to lose its name.
pub fn note_gone(db: i32, name: &[u8]) {
    note([Coming { is_new: false, place: (db, name.into()) }]);
}

/// Notes that a queue has got a name by a command of the server's own, which tells of that itself. If
/// another has just lost the name to it, there is nothing new: the name had a queue, and has one.
pub fn note_brought(db: i32, name: &[u8]) {
    let is_replaced = registry::with(|registry| {
        let comings = &mut registry.comings;
        let just_now = comings.len().saturating_sub(NOTED_BY_ONE_MAX)..comings.len();
        let is_its_end = |it: &Coming| !it.is_new && it.place.0 == db && *it.place.1 == *name;
        let found = just_now.rev().find(|&at| is_its_end(&comings[at]));
        found.map(|at| comings.remove(at)).is_some()
    });
    if !is_replaced {
        note([Coming { is_new: true, place: (db, name.into()) }]);
    }
}

/// Notes that all queues of a database, or of all of them, are about to go.
pub fn note_flush(names: impl Iterator<Item = Place>) {
    note(names.map(|place| Coming { is_new: false, place }));
}

/// Notes that two databases are about to be swapped: what only one of them has comes to the other.
pub fn note_swap(a: i32, b: i32) {
    for (from, to) in [(a, b), (b, a)] {
        let moved = registry::with(|registry| registry.names.only_in(from, to));
        let coming = |is_new, db, name: &[u8]| Coming { is_new, place: (db, name.into()) };
        note(moved.iter().flat_map(|name| [coming(false, from, name), coming(true, to, name)]));
    }
}

fn note(comings: impl IntoIterator<Item = Coming>) {
    registry::with(|registry| {
        registry.comings.extend(comings);
        registry.alarm.want(UnixMillis(0));
    });
}

/// A queue that has come or gone.
pub struct Coming {
    is_new: bool,
    place: Place,
}

/// Sends some messages that queues have come or gone. False if there are none.
pub fn send_some(context: Context) -> bool {
    for sent in 0..STEP_MAX {
        let next = registry::with(|registry| registry.comings.pop_front());
        let Some(coming) = next else { return sent > 0 };
        send(context, &coming);
    }
    true
}

fn send(context: Context, Coming { is_new, place }: &Coming) {
    context.select_db(place.0);
    let name = Text::new(&place.1);
    if !is_new {
        // Another may have been made in its place at once.
        if matches!(keyspace::read(context, name.raw(), |_| ()), Ok(Some(()))) {
            return;
        }
        context.notify(raw::REDISMODULE_NOTIFY_MODULE, c"jq.removed", name.raw());
    }
    let word: &[u8] = if *is_new { b"created" } else { b"removed" };
    let message = [word, place.0.to_string().as_bytes(), &place.1].join(&b' ');
    context.publish_message(&Text::new(CHANNEL), &Text::new(&message));
}

/// The name of the keyspace event.
fn event(cause: Cause) -> &'static CStr {
    match cause {
        Cause::Published => c"jq.published",
        Cause::Due => c"jq.due",
        Cause::Kicked => c"jq.kicked",
        Cause::Freed => c"jq.freed",
        Cause::Leads => c"jq.leads",
        Cause::Updated => c"jq.updated",
        Cause::Renewed => c"jq.renewed",
        Cause::Leased => c"jq.leased",
        Cause::Released => c"jq.released",
        Cause::Nacked => c"jq.nacked",
        Cause::Lapsed => c"jq.lapsed",
        Cause::Acked => c"jq.acked",
        Cause::Fulfilled => c"jq.fulfilled",
        Cause::Buried => c"jq.buried",
        Cause::Expired => c"jq.expired",
        Cause::Overdue => c"jq.overdue",
        Cause::Orphaned => c"jq.orphaned",
        Cause::Respawned => c"jq.respawned",
        Cause::Cancelled => c"jq.cancelled",
        Cause::Deleted => c"jq.deleted",
        Cause::Replaced => c"jq.replaced",
        Cause::Purged => c"jq.purged",
        Cause::Pruned => c"jq.pruned",
        Cause::Retired => c"jq.retired",
        Cause::Paused => c"jq.paused",
        Cause::Resumed => c"jq.resumed",
        Cause::Configured => c"jq.configured",
    }
}
