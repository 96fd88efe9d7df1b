//! The `jobq` section of `INFO`.

use std::ffi::{c_int, CString};

use jobq_engine::SUMMARY;
use redis_module::raw::{RedisModuleInfoCtx, REDISMODULE_OK};

use crate::{
    registry,
    server::{boundary, call, guard, Context},
};

/// Registers the section. False if the server does not take it.
pub fn register(context: Context) -> bool {
    // SAFETY: the context is that of the module's loading, and the callback is ours.
    let done = unsafe { call!(RedisModule_RegisterInfoFunc(context.raw(), Some(on_info))) };
    done as isize == REDISMODULE_OK
}

unsafe extern "C" fn on_info(info: *mut RedisModuleInfoCtx, _for_crash_report: c_int) {
    guard(|| {
        let fields = registry::with(|registry| {
            let counts = SUMMARY.into_iter().zip(registry.stats.counts);
            let own = [
                ("queues", registry.names.len() as u64),
                ("waiters", registry.waiters.len() as u64),
                ("queues_scheduled", registry.schedule.len() as u64),
                ("timer_turns", registry.stats.timer_turns),
                ("timer_turns_full", registry.stats.full_turns),
                ("timer_late_ms", registry.stats.late),
                ("timer_late_ms_max", registry.stats.latest),
                ("ticks", registry.stats.ticks),
                ("waiters_woken", registry.stats.woken),
                ("waiters_timed_out", registry.stats.timed_out),
                ("jobs_undelivered", registry.stats.undelivered),
                ("bonds", registry.bonds.len() as u64),
                ("workers", registry.roster.len() as u64),
                ("jobs_unbound", registry.stats.unbound),
                ("errors_caught", boundary::panics()),
            ];
            own.into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .chain(counts.map(|(name, count)| (format!("total_{name}"), count)))
                .collect::<Vec<_>>()
        });
        let Ok(version) = CString::new(env!("CARGO_PKG_VERSION")) else { return };
        // SAFETY: the server hands over a live context and copies the strings.
        unsafe {
            call!(RedisModule_InfoAddSection(info, c"".as_ptr()));
            call!(RedisModule_InfoAddFieldCString(info, c"version".as_ptr(), version.as_ptr()));
        }
        for (name, value) in fields {
            let Ok(name) = CString::new(name) else { continue };
            // SAFETY: as above.
            unsafe { call!(RedisModule_InfoAddFieldULongLong(info, name.as_ptr(), value)) };
        }
    });
}
