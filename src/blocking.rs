//! Clients that wait, as the server sees them.
//!
//! Each is blocked on the keys it waits for, so that the server itself looks after disconnection,
//! `CLIENT UNBLOCK` and `CLIENT KILL`, demotion and slot migration. It is woken by its handle,
//! which the server answers through the *timeout* callback: blocking without keys races with that
//! callback in 7.0 and 7.2 and hangs clients when a slot moves. The server never times anybody
//! out by itself: its timer's grain is 100 ms, so deadlines are on ours.
//!
//! A client can still be killed between the callback and the moment at which the server lets it go.
//! The server then calls no disconnection callback, but the one that frees the client's private
//! data, and says there that nobody was written to. So the private data is a ticket, and an answer
//! is kept until then.

use std::{
    ffi::{c_int, c_void},
    ptr::null_mut,
};

use jobq_engine::{Notice, UnixMillis};
use redis_module::raw::{
    RedisModuleBlockedClient, RedisModuleCtx, RedisModuleString, REDISMODULE_ERR, REDISMODULE_OK,
};

use crate::{
    clock, commands, registry, reply, room,
    server::{call, guard, text::bytes_of, Context, Text},
    timer, visit,
    waiters::{Answer, Expired, Handle, Ticket, Waiter, Wish},
};

/// Makes the client of this command wait.
pub fn block(
    context: Context,
    keys: &mut [*mut RedisModuleString],
    waiter: impl FnOnce(Handle) -> Waiter,
) {
    let ticket = registry::with(|registry| registry.waiters.draw_ticket());
    // SAFETY: the context is that of a command, and its client may be blocked, as the caller has
    // checked. The keys are its arguments, and the server copies them. The callbacks are ours, and
    // the private data is a number that only they read.
    let client = unsafe {
        let client = call!(RedisModule_BlockClientOnKeys(
            context.raw(),
            Some(on_ready),
            Some(on_answer),
            Some(on_release),
            0,
            keys.as_mut_ptr(),
            keys.len() as c_int,
            ticket as *mut c_void,
        ));
        call!(RedisModule_SetDisconnectCallback(client, Some(on_disconnect)));
        client
    };
    let waiter = waiter(Handle(client.cast()));
    let now = clock::now();
    registry::with(|registry| {
        if let Some(deadline) = waiter.deadline {
            registry.alarm.want(deadline);
        }
        registry.waiters.join(ticket, waiter, now);
    });
    timer::arm(context);
}

/// Wakes one client. What it is told is what was assigned to it before, or nothing.
pub fn wake(handle: Handle) {
    // SAFETY: the handle comes from `block`, and its client has neither been woken nor gone: then
    // it would have left the waiters, from where the caller has it.
    unsafe {
        call!(RedisModule_UnblockClient(handle.0.cast::<RedisModuleBlockedClient>(), null_mut()))
    };
}

/// Sends away one client that has waited long enough. False if there is none.
pub fn expire_one(now: UnixMillis) -> bool {
    match registry::with(|registry| registry.waiters.pop_expired(now)) {
        Expired::Nobody => return false,
        Expired::Told(handle) => {
            registry::with(|registry| registry.stats.timed_out += 1);
            wake(handle);
        }
        Expired::LooksLast => {}
    }
    true
}

/// Lets a consumer whose time is over take what there is, though others wait for more of it, and
/// sends it away. False if there is none.
pub fn look_last(context: Context) -> bool {
    let Some(ticket) = registry::with(|registry| registry.waiters.pop_last_look()) else {
        return false;
    };
    let waiter = registry::with(|registry| registry.waiters.get(ticket).cloned());
    let Some(Waiter { handle, db, wish: Wish::Jobs { queues, take }, .. }) = waiter else {
        // Served meanwhile, or gone.
        return true;
    };
    context.select_db(db);
    let mut queues = queues.iter().map(|queue| Text::new(queue));
    if !queues.any(|queue| visit::serve_last(context, &queue, ticket, &take)) {
        registry::with(|registry| {
            registry.leave(handle);
            registry.stats.timed_out += 1;
        });
        wake(handle);
    }
    true
}

/// The server has seen a key appear that the client waits for: by `RENAME`, `RESTORE` and others,
/// or by one of our commands, which has served it already. Nothing is done here: what this
/// callback replicates crashes 7.0 unless it answers too, and it runs for each client in turn.
unsafe extern "C" fn on_ready(
    raw: *mut RedisModuleCtx,
    _arguments: *mut *mut RedisModuleString,
    _count: c_int,
) -> c_int {
    guard(|| {
        // SAFETY: the server hands over a live context, and in this callback there is a key.
        let (context, name) = unsafe {
            (Context::new(raw), bytes_of(call!(RedisModule_GetBlockedClientReadyKey(raw))))
        };
        look_at(context, name);
    });
    REDISMODULE_ERR as c_int
}

/// Has the timer look at a queue that may have changed outside our commands.
pub fn look_at(context: Context, name: &[u8]) {
    let db = context.db();
    let place = (db, name.into());
    registry::with(|registry| {
        registry.recheck(&place);
        if registry.looks.insert(place) {
            registry.alarm.want(UnixMillis(0));
        }
    });
    timer::arm(context);
}

/// The client is woken: by [`wake`], or by `CLIENT UNBLOCK`.
unsafe extern "C" fn on_answer(
    raw: *mut RedisModuleCtx,
    _arguments: *mut *mut RedisModuleString,
    _count: c_int,
) -> c_int {
    guard(|| {
        // SAFETY: the server hands over a live context of a blocked client.
        let (context, handle, ticket) = unsafe {
            (
                Context::new(raw),
                Handle(call!(RedisModule_GetBlockedClientHandle(raw)).cast()),
                call!(RedisModule_GetBlockedClientPrivateData(raw)) as Ticket,
            )
        };
        let (waiter, answer) = registry::with(|registry| {
            (registry.leave(handle), registry.waiters.take_answer(ticket))
        });
        timer::arm(context);
        match (answer, waiter.map(|waiter| waiter.wish)) {
            (Some(Answer::Jobs(deliveries)), _) => {
                reply::deliveries(context, &deliveries.jobs);
                let kept = Answer::Jobs(deliveries);
                registry::with(|registry| registry.waiters.keep_answer(ticket, kept));
            }
            (Some(Answer::Notices { place, notices }), _) => {
                reply::notices(context, &notices);
                let kept = Answer::Notices { place, notices };
                registry::with(|registry| registry.waiters.keep_answer(ticket, kept));
            }
            (Some(Answer::Ending(ending)), _) => reply::ending(context, &ending),
            (Some(Answer::NoEnding { queue, named }), _)
            | (None, Some(Wish::Ending { queue, named, .. })) => {
                commands::result_now(context, &queue, &named);
            }
            (Some(Answer::Published { ids, many }), _) => reply::published(context, &ids, many),
            (Some(Answer::Denied(denied)), _) => reply::denied(context, &denied),
            (Some(Answer::NoRoom(asking)), _) | (None, Some(Wish::Room(asking))) => {
                room::refuse(context, &asking);
            }
            (Some(Answer::Events(reading)), _) | (None, Some(Wish::Events(reading))) => {
                commands::events_now(context, &reading);
            }
            (None, Some(Wish::Jobs { .. } | Wish::Notices { .. }) | None) => {
                context.reply_null_array();
            }
        }
    });
    REDISMODULE_OK as c_int
}

/// The client is gone, or was sent away by the server: killed, unblocked with an error, demoted,
/// or its slot moved. [`on_release`] follows.
unsafe extern "C" fn on_disconnect(
    raw: *mut RedisModuleCtx,
    client: *mut RedisModuleBlockedClient,
) {
    guard(|| {
        let handle = Handle(client.cast::<c_void>());
        registry::with(|registry| registry.leave(handle));
        // SAFETY: the server hands over a live context.
        timer::arm(unsafe { Context::new(raw) });
    });
}

/// The server lets the client go. If it is not there any more, what it was answered went nowhere.
/// Nothing may be replicated here.
unsafe extern "C" fn on_release(raw: *mut RedisModuleCtx, ticket: *mut c_void) {
    guard(|| {
        let answer = registry::with(|registry| registry.waiters.take_answer(ticket as Ticket));
        // SAFETY: the server hands over a live context; so below.
        let is_gone = unsafe { call!(RedisModule_BlockedClientDisconnected(raw)) != 0 };
        registry::with(|registry| {
            match answer.filter(|_| is_gone) {
                Some(Answer::Jobs(deliveries)) => {
                    registry.undelivered.push(deliveries);
                    registry.alarm.want(UnixMillis(0));
                }
                Some(Answer::Notices { place, notices }) => {
                    let receipts = notices.iter().filter_map(Notice::receipt);
                    let kept = receipts.map(|receipt| (place.clone(), receipt));
                    registry.untold_notices.extend(kept);
                    registry.alarm.want(UnixMillis(0));
                }
                _ => {}
            }
            if !registry.waiters.rooms.is_empty() {
                // It stood before others.
                registry.alarm.want(UnixMillis(0));
            }
        });
        // SAFETY: see above.
        timer::arm(unsafe { Context::new(raw) });
    });
}
