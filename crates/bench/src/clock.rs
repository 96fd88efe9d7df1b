//! The wall clock, as queues count it.

use std::{
    io::{Error, Result},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A day in milliseconds, which no run lasts.
pub const DAY: &str = "86400000";

/// Milliseconds since the epoch.
pub fn now() -> Result<f64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(Error::other)?;
    Ok(since.as_secs_f64() * 1000.0)
}

/// A day from now, in milliseconds since the epoch.
pub fn tomorrow() -> Result<f64> {
    Ok(now()? + 86_400_000.0)
}

/// Sleeps until an instant, in milliseconds since the epoch. One that is over is an error: what
/// was to be seen then has happened unseen.
pub fn sleep_until(instant: f64) -> Result<()> {
    let left = instant - now()?;
    if left < 0.0 {
        return Err(Error::other("this machine is too slow: filling took longer than expected"));
    }
    thread::sleep(Duration::from_secs_f64(left / 1000.0));
    Ok(())
}
