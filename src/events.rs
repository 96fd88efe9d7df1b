//! What happens in the server outside our commands, as far as it concerns the names, the schedule,
//! those who wait, and whether anybody listens. Nothing here changes a queue: what a callback of this kind replicates would
//! land in the log before the command that caused it.

use std::ffi::{c_char, c_int, c_void, CStr};

use jobq_engine::UnixMillis;
use redis_module::raw::{
    self, RedisModuleClientInfo, RedisModuleCtx, RedisModuleEvent, RedisModuleFlushInfo,
    RedisModuleString, RedisModuleSwapDbInfo,
};

use crate::{
    blocking, changes, clock,
    keyspace::{self, Found},
    registry, replicas,
    server::{call, guard, log, text::bytes_of, Context, Key, Level, Mode},
    timer, workers,
};

/// Numbers of the server's events and their kinds, from its documented interface.
mod numbers {
    pub const ROLE_CHANGED: u64 = 0;
    pub const PERSISTENCE: u64 = 1;
    pub const FLUSHDB: u64 = 2;
    pub const LOADING: u64 = 3;
    pub const CLIENT_CHANGE: u64 = 4;
    pub const REPLICA_CHANGE: u64 = 6;
    pub const CRON_LOOP: u64 = 8;
    pub const SWAPDB: u64 = 11;
    pub const FORK_CHILD: u64 = 13;

    pub const NOW_PRIMARY: u64 = 0;
    pub const FLUSH_BEGINS: u64 = 0;
    pub const LOADING_ENDED: u64 = 3;
    pub const LOADING_FAILED: u64 = 4;
    pub const CHILD_DIED: u64 = 1;
    pub const CLIENT_DISCONNECTED: u64 = 1;
    pub const SAVE_BEGINS: u64 = 2;
}

type Callback = unsafe extern "C" fn(*mut RedisModuleCtx, RedisModuleEvent, u64, *mut c_void);

/// Subscribes to all of them. False if the server does not let us.
pub fn subscribe(context: Context, to_renames: bool) -> bool {
    let events: [(u64, Callback); 9] = [
        (numbers::ROLE_CHANGED, on_role),
        (numbers::LOADING, on_loading),
        (numbers::FLUSHDB, on_flush),
        (numbers::SWAPDB, on_swap),
        (numbers::CLIENT_CHANGE, on_client),
        (numbers::CRON_LOOP, on_cron),
        (numbers::REPLICA_CHANGE, on_replica),
        (numbers::FORK_CHILD, on_fork),
        (numbers::PERSISTENCE, on_save),
    ];
    let subscribed = events.into_iter().all(|(id, callback)| {
        let event = RedisModuleEvent { id, dataver: 1 };
        // SAFETY: the context is that of the module's loading, and the callback is ours.
        let done = unsafe {
            call!(RedisModule_SubscribeToServerEvent(context.raw(), event, Some(callback)))
        };
        done as isize == raw::REDISMODULE_OK
    });
    if !to_renames {
        return subscribed;
    }
    // SAFETY: as above.
    let done = unsafe {
        call!(RedisModule_SubscribeToKeyspaceEvents(
            context.raw(),
            raw::REDISMODULE_NOTIFY_GENERIC,
            Some(on_key)
        ))
    };
    subscribed && done as isize == raw::REDISMODULE_OK
}

unsafe extern "C" fn on_role(
    raw: *mut RedisModuleCtx,
    _event: RedisModuleEvent,
    kind: u64,
    _data: *mut c_void,
) {
    guard(|| {
        // SAFETY: the server hands over a live context; so in all callbacks below.
        let context = unsafe { Context::new(raw) };
        replicas::expect();
        // What a replica has seen go is told by its primary.
        registry::with(|registry| registry.comings.clear());
        if kind == numbers::NOW_PRIMARY {
            registry::with(|registry| {
                registry.term += 1;
                registry.has_history = true;
            });
            timer::restart(context);
        } else {
            registry::with(|registry| {
                registry.messages.clear();
                registry.wishes.clear();
                registry.roster.step_down();
            });
            timer::stop(context);
        }
    });
}

unsafe extern "C" fn on_loading(
    raw: *mut RedisModuleCtx,
    _event: RedisModuleEvent,
    kind: u64,
    _data: *mut c_void,
) {
    if kind != numbers::LOADING_ENDED && kind != numbers::LOADING_FAILED {
        guard(|| {
            registry::with(|registry| registry.stats.before_loading = registry.stats.counts);
        });
        return;
    }
    guard(|| {
        replicas::expect();
        let unfinished = registry::with(|registry| {
            // What a log tells did not happen now.
            registry.stats.counts = registry.stats.before_loading;
            registry.look_at_awaited(None);
            registry.comings.clear();
            std::mem::take(&mut registry.loading).len()
        });
        if unfinished > 0 {
            let line = format!("{unfinished} queues are left out: the file ends before they do");
            log(Level::Warning, &line);
        }
        // SAFETY: see `on_role`.
        timer::restart(unsafe { Context::new(raw) });
    });
}

/// A replica has come, or gone.
unsafe extern "C" fn on_replica(
    _raw: *mut RedisModuleCtx,
    _event: RedisModuleEvent,
    _kind: u64,
    _data: *mut c_void,
) {
    guard(replicas::expect);
}

/// A child process begins to write what somebody may go on from, or has ended.
unsafe extern "C" fn on_fork(
    raw: *mut RedisModuleCtx,
    _event: RedisModuleEvent,
    kind: u64,
    _data: *mut c_void,
) {
    guard(|| {
        if kind == numbers::CHILD_DIED {
            // SAFETY: see `on_role`.
            replicas::ask(unsafe { Context::new(raw) });
        } else {
            replicas::expect();
        }
    });
}

/// The server itself begins to write a snapshot, from which it may go on with a replica that has come
/// but has got nothing yet: there is a backlog for that one.
unsafe extern "C" fn on_save(
    raw: *mut RedisModuleCtx,
    _event: RedisModuleEvent,
    kind: u64,
    _data: *mut c_void,
) {
    if kind != numbers::SAVE_BEGINS {
        return;
    }
    // SAFETY: see `on_role`.
    guard(|| replicas::ask(unsafe { Context::new(raw) }));
}

unsafe extern "C" fn on_flush(
    raw: *mut RedisModuleCtx,
    _event: RedisModuleEvent,
    kind: u64,
    data: *mut c_void,
) {
    if kind != numbers::FLUSH_BEGINS {
        return;
    }
    guard(|| {
        // SAFETY: the server hands over this structure with this event; for the context see `on_role`.
        let (db, context) =
            unsafe { ((*data.cast::<RedisModuleFlushInfo>()).dbnum, Context::new(raw)) };
        let db = (db >= 0).then_some(db);
        let names = registry::with(|registry| registry.names.clear(db));
        if tells_of_queues(context) {
            changes::note_flush(names);
        }
        registry::with(|registry| {
            registry.schedule.clear(db);
            registry.waiters.lingers.clear(db);
            registry.bonds.clear(db);
            registry.look_at_awaited(db);
        });
        timer::arm(context);
    });
}

/// Whether it is this server that tells of queues which come and go, and they do so now.
fn tells_of_queues(context: Context) -> bool {
    let flags = context.flags();
    flags.is_primary() && !flags.is_loading()
}

unsafe extern "C" fn on_swap(
    raw: *mut RedisModuleCtx,
    _event: RedisModuleEvent,
    _kind: u64,
    data: *mut c_void,
) {
    guard(|| {
        // SAFETY: the server hands over this structure with this event.
        let info = unsafe { &*data.cast::<RedisModuleSwapDbInfo>() };
        let (a, b) = (info.dbnum_first, info.dbnum_second);
        // SAFETY: see `on_role`.
        let context = unsafe { Context::new(raw) };
        if tells_of_queues(context) {
            changes::note_swap(a, b);
        }
        registry::with(|registry| {
            registry.names.swap(a, b);
            registry.schedule.swap(a, b);
            registry.waiters.lingers.clear(Some(a));
            registry.waiters.lingers.clear(Some(b));
            registry.bonds.swap(a, b);
            registry.roster.swap(a, b);
            registry.look_at_awaited(Some(a));
            registry.look_at_awaited(Some(b));
        });
        timer::restart(context);
    });
}

/// A client has come, or gone. Leases that end with it are not settled here: that has to be told to the
/// log, which may be in the middle of something else.
unsafe extern "C" fn on_client(
    raw: *mut RedisModuleCtx,
    _event: RedisModuleEvent,
    kind: u64,
    data: *mut c_void,
) {
    if kind != numbers::CLIENT_DISCONNECTED {
        return;
    }
    guard(|| {
        // SAFETY: the server hands over this structure with this event.
        let id = unsafe { (*data.cast::<RedisModuleClientInfo>()).id };
        let is_bound = registry::with(|registry| {
            registry.roster.close(id);
            let is_bound = registry.bonds.len() > 0 && registry.bonds.close(id, clock::now());
            if is_bound {
                registry.alarm.want(UnixMillis(0));
            }
            is_bound
        });
        if is_bound {
            // SAFETY: see `on_role`.
            timer::arm(unsafe { Context::new(raw) });
        }
    });
}

/// Ten times a second: the timer may have been asked for where it could not be armed, or the clock
/// may have been set.
unsafe extern "C" fn on_cron(
    raw: *mut RedisModuleCtx,
    _event: RedisModuleEvent,
    _kind: u64,
    _data: *mut c_void,
) {
    guard(|| {
        // SAFETY: see `on_role`.
        let context = unsafe { Context::new(raw) };
        if !context.flags().is_primary() {
            // A replica sees queues go too, but tells nobody.
            registry::with(|registry| registry.comings.clear());
        }
        timer::check(context);
        workers::sweep_from_time_to_time(context);
    });
}

/// A key has a new name, or appeared without a command of ours.
unsafe extern "C" fn on_key(
    raw: *mut RedisModuleCtx,
    _kinds: c_int,
    event: *const c_char,
    name: *mut RedisModuleString,
) -> c_int {
    guard(|| {
        // SAFETY: the server lends a C string and the key's name for the callback.
        let (event, bytes) = unsafe { (CStr::from_ptr(event).to_bytes(), bytes_of(name)) };
        // SAFETY: see `on_role`.
        let context = unsafe { Context::new(raw) };
        // A queue that lost its name was somebody's to look at, where nothing could be armed.
        timer::arm(context);
        if !matches!(event, b"rename_to" | b"move_to" | b"restore" | b"copy_to") {
            return;
        }
        let Some(key) = Key::open(context, name, Mode::Peek) else { return };
        let Found::Queue(mut stored) = keyspace::find(&key) else { return };
        // SAFETY: the key is open, and nothing else refers to its value: no command of ours
        // renames, moves, restores or copies.
        unsafe { stored.as_mut() }.file(context.db(), bytes);
        if tells_of_queues(context) {
            changes::note_brought(context.db(), bytes);
        }
        blocking::look_at(context, bytes);
    });
    raw::REDISMODULE_OK as c_int
}
