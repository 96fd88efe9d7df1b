//! The server's log. Never through the bindings, which pass the message as a printf format.

use std::{
    ffi::{CStr, CString},
    ptr::null_mut,
};

use super::call;

/// How much a line matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// What an operator wants to see once.
    Notice,
    /// What an operator should act on.
    Warning,
}

/// Writes one line to the server's log.
pub fn log(level: Level, line: &str) {
    let level: &CStr = match level {
        Level::Notice => c"notice",
        Level::Warning => c"warning",
    };
    // Queue names come in here, and may hold anything.
    let printable: String = line.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let Ok(line) = CString::new(printable) else { return };
    // SAFETY: RM_Log takes a null context, and both strings live until it returns. The message is
    // an argument of the format, not the format.
    unsafe { call!(RedisModule_Log(null_mut(), level.as_ptr(), c"%s".as_ptr(), line.as_ptr())) }
}
