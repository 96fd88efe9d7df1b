//! The one timer: it is armed for the earliest instant over all queues and all waiting clients, and
//! each turn does a bounded amount of work.

use std::{ffi::c_void, ptr::null_mut};

use jobq_engine::{Millis, UnixMillis};
use redis_module::raw::{RedisModuleCtx, RedisModuleTimerID};

use crate::{
    blocking, bonds, changes,
    clock::{self, Slice},
    distant, endings, messages, notices, readers, registry, room,
    server::{call, guard, Context, Text},
    surroundings, visit, workers,
};

/// How long to stay away while replicas must not be sent anything.
const RETRY: Millis = Millis(50);

/// Clients that one turn answers, but for the last few at once: the server writes to all of them behind it,
/// which takes as long again for each and is in no slice.
const ANSWERS_MAX: u64 = 128;

/// What is armed, and what should be.
#[derive(Default)]
pub struct Alarm {
    armed: Option<(RedisModuleTimerID, UnixMillis)>,
    wanted: Option<UnixMillis>,
}

impl Alarm {
    /// Asks for a turn at this instant or before; [`arm`] sees to it.
    pub fn want(&mut self, at: UnixMillis) {
        self.wanted = Some(self.wanted.map_or(at, |wanted| wanted.min(at)));
    }
}

/// Arms the timer if an earlier turn is wanted than it is armed for. Cheap when not.
#[inline]
pub fn arm(context: Context) {
    if let Some(wanted) = registry::with(|registry| registry.alarm.wanted.take()) {
        arm_for(context, wanted);
    }
}

fn arm_for(context: Context, wanted: UnixMillis) {
    let armed = registry::with(|registry| registry.alarm.armed);
    if armed.is_some_and(|(_, at)| at <= wanted) || !context.flags().is_primary() {
        return;
    }
    stop(context);
    let period = wanted.since(clock::now());
    let callback = Some(on_timer as unsafe extern "C" fn(*mut RedisModuleCtx, *mut c_void));
    // SAFETY: the context is live, and the callback is ours and carries no data.
    let id = unsafe {
        call!(RedisModule_CreateTimer(context.raw(), period.0 as i64, callback, null_mut()))
    };
    registry::with(|registry| registry.alarm.armed = Some((id, wanted)));
}

/// Arms the timer for whatever comes next, as after loading or a promotion.
pub fn restart(context: Context) {
    registry::with(|registry| {
        if let Some(next) = registry.next_instant() {
            registry.alarm.want(next);
        }
    });
    arm(context);
}

/// Arms the timer anew if it should have fired by now: the server's clock was set ahead, which its
/// timers do not notice.
pub fn check(context: Context) {
    let now = clock::now();
    if registry::with(|registry| registry.next_instant()).is_some_and(|next| next < now) {
        stop(context);
        restart(context);
    } else {
        arm(context);
    }
}

/// Disarms the timer: a replica does not decide.
pub fn stop(context: Context) {
    if let Some((id, _)) = registry::with(|registry| registry.alarm.armed.take()) {
        // SAFETY: the context is live. The timer has not fired: its callback first forgets it.
        unsafe { call!(RedisModule_StopTimer(context.raw(), id, null_mut())) };
    }
}

unsafe extern "C" fn on_timer(raw: *mut RedisModuleCtx, _data: *mut c_void) {
    guard(|| {
        // Before anything else: stopping a timer that has fired frees it twice.
        let armed = registry::with(|registry| registry.alarm.armed.take());
        // SAFETY: the server hands over a live context.
        let context = unsafe { Context::new(raw) };
        let flags = context.flags();
        if flags.is_loading() || !flags.is_primary() {
            // The end of loading and the promotion arm it again.
            return;
        }
        let slice = Slice::begin();
        take_turn(context, &slice, armed.map(|(_, at)| at));
        if slice.is_over() {
            registry::with(|registry| registry.stats.full_turns += 1);
            tell_latency(context, &slice);
        }
    });
}

/// Tells the server's latency monitor of a turn that took a whole slice or longer, for so long nobody else
/// was served. What commands take the server measures itself.
fn tell_latency(context: Context, slice: &Slice) {
    // The function for it takes the samples of a monitor that is off as well.
    let threshold = surroundings::config(context, c"latency-monitor-threshold");
    if threshold.is_some_and(|threshold| threshold != "0") {
        context.note_latency(c"jobq-tick", slice.length());
    }
}

/// Does what is due within a slice; `at` is when the timer should have fired.
fn take_turn(context: Context, slice: &Slice, at: Option<UnixMillis>) {
    let now = clock::now();
    registry::with(|registry| {
        // The beginning of time stands for as soon as can be.
        let late = at.filter(|at| *at > UnixMillis(0)).map_or(0, |at| now.since(at).0);
        registry.stats.timer_turns += 1;
        registry.stats.late += late;
        registry.stats.latest = registry.stats.latest.max(late);
    });

    let answered = || registry::with(|registry| registry.stats.answered());
    let enough = answered() + ANSWERS_MAX;
    let is_over = || slice.is_over() || answered() >= enough;
    while !is_over() && blocking::expire_one(now) {}
    // Before any key is opened: opening one that is over its time replicates its deletion.
    if Context::must_not_replicate() {
        registry::with(|registry| registry.alarm.want(now.after(RETRY)));
        return arm(context);
    }
    registry::with(|registry| {
        while let Some(place) = registry.waiters.lingers.pop_over(now) {
            registry.looks.insert(place);
        }
    });
    while !is_over() {
        let busy = return_one(context)
            || notices::return_one(context)
            || bonds::settle_some(context, now)
            || messages::send_some(context)
            || workers::sweep_some(context, now)
            || changes::send_some(context)
            || readers::tell_some()
            || readers::look_again(context)
            || room::fill_one(context)
            || endings::tell_more()
            || endings::look_again(context)
            || blocking::look_last(context)
            || look_at_one(context, slice)
            || serve_one(context, now, slice);
        distant::deliver(context);
        changes::tell(context);
        if !busy {
            break;
        }
    }
    restart(context);
}

/// Gives back the jobs of a consumer that was gone before it could be written to.
fn return_one(context: Context) -> bool {
    let Some(deliveries) = registry::with(|registry| registry.undelivered.pop()) else {
        return false;
    };
    context.select_db(deliveries.db);
    if let [first, ..] = &deliveries.jobs[..] {
        // A waiting consumer is served from one queue.
        visit::give_back(context, &Text::new(&first.queue), &deliveries.jobs);
    }
    true
}

/// Looks at a queue that may have changed outside our commands.
fn look_at_one(context: Context, slice: &Slice) -> bool {
    let Some(place) = registry::with(|registry| registry.looks.pop_first()) else {
        return false;
    };
    let (db, name) = place;
    context.select_db(db);
    visit::catch_up(context, &Text::new(&name), None, slice);
    true
}

/// Works through a queue that is due.
fn serve_one(context: Context, now: UnixMillis, slice: &Slice) -> bool {
    let due = registry::with(|registry| registry.schedule.pop_due(now));
    let Some((at, db, name)) = due else { return false };
    context.select_db(db);
    visit::catch_up(context, &Text::new(&name), Some(at), slice);
    true
}
