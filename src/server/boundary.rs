//! Where a panic stops. One that crossed into the server's C would abort the whole process.

use std::{
    panic::{catch_unwind, AssertUnwindSafe, PanicHookInfo},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{log, Level};

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Runs the body of a callback that the server calls; `None` if it panicked.
pub fn guard<R>(body: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(body)).ok()
}

/// How many panics were caught since the module was loaded.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Makes a panic leave one line in the server's log. No backtrace: taking one aborts Valkey 8.1
/// and later, which load modules with their own view of `free`.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let payload = info.payload();
        let what = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        log(Level::Warning, &format!("internal error, caught: {what} ({place})"));
    }));
}
