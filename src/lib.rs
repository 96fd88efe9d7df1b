//! JobQ: a job queue as a native type of Redis and Valkey.
//!
//! This crate is the shell around `jobq-engine`, which decides and changes, and `jobq-protocol`,
//! which declares the commands. It translates between them and the server: arguments into
//! requests, outcomes into replies, and what was done into the log.
//!
//! | file | what it holds |
//! |---|---|
//! | `commands.rs` | from a command to an answer |
//! | `visit.rs`, `record.rs` | a queue that is open for writing: the only place that changes one |
//! | `keyspace.rs`, `stored.rs` | queues in keys |
//! | `blocking.rs`, `waiters.rs`, `endings.rs` | clients that wait, for jobs or for the end of one |
//! | `lingers.rs` | those of them that wait for several jobs |
//! | `bonds.rs` | leases that end with a connection |
//! | `readers.rs` | clients that wait for events |
//! | `changes.rs` | what is told of changes to who listens |
//! | `room.rs` | publishers that wait for room |
//! | `notices.rs` | those who tell subscribers, and wait for something to tell |
//! | `distant.rs` | what queues have to do with each other |
//! | `schedules.rs` | what a calendar says, and what is told of schedules |
//! | `workers.rs`, `roster.rs` | who works, and what is wished of them |
//! | `messages.rs` | what workers hear of their leases |
//! | `timer.rs`, `schedule.rs`, `clock.rs` | when something has to happen without a command |
//! | `names.rs` | which queues there are |
//! | `events.rs` | what happens in the server outside our commands |
//! | `replicas.rs` | whether anybody hears of what is replicated |
//! | `persist.rs` | the native type |
//! | `reply.rs`, `details.rs`, `info.rs` | what clients and operators are told |
//! | `registry.rs` | what the module knows beside the keyspace |
//! | `surroundings.rs` | the server it is loaded into |
//! | `server.rs` | the module API behind a small safe layer |

mod blocking;
mod bonds;
mod changes;
mod clock;
mod commands;
mod details;
mod distant;
mod endings;
mod events;
mod info;
mod keyspace;
mod lingers;
mod messages;
mod names;
mod notices;
mod persist;
mod readers;
mod record;
mod registry;
mod replicas;
mod reply;
mod room;
mod roster;
mod schedule;
mod schedules;
mod server;
mod stored;
mod surroundings;
mod timer;
mod visit;
mod waiters;
mod workers;

use std::ffi::c_int;

use redis_module::{
    alloc::RedisAlloc,
    raw::{self, RedisModuleCtx, RedisModuleString, REDISMODULE_ERR, REDISMODULE_OK},
};

use server::{call, guard, install_panic_hook, log, text::bytes_of, Context, Level};

/// What the module holds counts as the server's memory, for `maxmemory` and `INFO`.
#[global_allocator]
static ALLOCATOR: RedisAlloc = RedisAlloc;

/// Version of the module as the server's `MODULE LIST` shows it.
const MODULE_VERSION: c_int = 1;

/// What the server calls when it loads the module.
///
/// # Safety
/// Called by the server, with its own context and as many arguments as it says.
#[no_mangle]
pub unsafe extern "C" fn RedisModule_OnLoad(
    raw: *mut RedisModuleCtx,
    arguments: *mut *mut RedisModuleString,
    count: c_int,
) -> c_int {
    // Before anything allocates: the allocator is the server's.
    // SAFETY: the server's own context, as the caller promises.
    let started = unsafe {
        raw::Export_RedisModule_Init(
            raw,
            c"jobq".as_ptr(),
            MODULE_VERSION,
            raw::REDISMODULE_APIVER_1 as c_int,
        )
    };
    if started as isize != REDISMODULE_OK {
        return REDISMODULE_ERR as c_int;
    }
    install_panic_hook();
    let loaded = guard(|| {
        // SAFETY: as the caller promises.
        let (context, arguments) = unsafe {
            let arguments = match count {
                0 => &[],
                _ => std::slice::from_raw_parts(arguments, count as usize),
            };
            (Context::new(raw), arguments)
        };
        // SAFETY: the server lends the arguments for the length of this call.
        let arguments = arguments.iter().map(|&text| unsafe { bytes_of(text) });
        load(context, arguments)
    });
    match loaded {
        Some(true) => REDISMODULE_OK as c_int,
        _ => REDISMODULE_ERR as c_int,
    }
}

/// Reads `debug`, or `debug yes`, or `debug no`. False if there is anything else.
fn take_arguments<'a>(arguments: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        if !argument.eq_ignore_ascii_case(b"debug") {
            let argument = String::from_utf8_lossy(argument);
            let known = "known: debug [yes|no]";
            log(Level::Warning, &format!("unknown module argument '{argument}'; {known}"));
            return false;
        }
        let is_on = arguments.next_if(|next| next.eq_ignore_ascii_case(b"no")).is_none();
        if is_on {
            arguments.next_if(|next| next.eq_ignore_ascii_case(b"yes"));
        }
        registry::with(|registry| registry.debug = is_on);
    }
    true
}

fn load<'a>(context: Context, arguments: impl Iterator<Item = &'a [u8]>) -> bool {
    if !surroundings::is_supported() {
        log(Level::Warning, "the module needs Redis 7.0 or later, or Valkey");
        return false;
    }
    if !take_arguments(arguments) {
        return false;
    }
    let options = raw::REDISMODULE_OPTIONS_HANDLE_IO_ERRORS
        | raw::REDISMODULE_OPTION_NO_IMPLICIT_SIGNAL_MODIFIED;
    // SAFETY: the context is that of the module's loading.
    unsafe { call!(RedisModule_SetModuleOptions(context.raw(), options as c_int)) };
    let sound_events = surroundings::has_sound_events(context);
    if !sound_events {
        let line = "this Valkey has a defect with keyspace events: after RENAME, MOVE, COPY or \
                    RESTORE a queue's timers start with the next command on it, and after RENAME or \
                    MOVE only that command puts it into JQ.QUEUES";
        log(Level::Warning, line);
    }
    let registered = persist::register(context)
        && commands::register(context)
        && events::subscribe(context, sound_events)
        && info::register(context);
    if registered {
        log(Level::Notice, concat!("JobQ ", env!("CARGO_PKG_VERSION"), " is loaded"));
        surroundings::warn(context);
        replicas::ask(context);
    }
    registered
}
