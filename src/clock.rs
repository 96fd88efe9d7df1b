//! The only reads of the time.

use std::time::{Duration, Instant};

use jobq_engine::UnixMillis;

use crate::server::call;

/// The server's wall clock, which stops at the last instant that the log can tell. Read once a command.
pub fn now() -> UnixMillis {
    // SAFETY: takes nothing and only looks.
    let millis = unsafe { call!(RedisModule_Milliseconds()) };
    UnixMillis(u64::try_from(millis).unwrap_or(0)).min(UnixMillis::MAX)
}

/// A stretch of work that must not hold up other clients.
pub struct Slice {
    began: Instant,
}

impl Slice {
    /// What one turn of the timer may take.
    const LENGTH: Duration = Duration::from_millis(1);

    /// Begins now.
    pub fn begin() -> Self {
        Self { began: Instant::now() }
    }

    /// Whether it is time to let others go on.
    pub fn is_over(&self) -> bool {
        self.length() >= Self::LENGTH
    }

    /// How long the work has taken so far.
    pub fn length(&self) -> Duration {
        self.began.elapsed()
    }
}
