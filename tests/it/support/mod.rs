//! Real servers with the module loaded, and clients that speak to them.

mod aof;
mod client;
pub mod cluster;
pub mod likeness;
pub mod load;
mod module;
mod proxy;
mod sentinel;
mod server;

use std::time::{Duration, Instant};

pub use aof::Aof;
pub use client::{encoded, Client, Reply};
pub use module::module_path;
pub use proxy::Proxy;
pub use sentinel::Sentinel;
pub use server::{binary as server_binary, free_port, server_name, Options, Server};

/// How long an event may take before a test gives up. Generous: machines are noisy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `happened` gives a value.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub fn wait_for<T>(what: &str, mut happened: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = happened() {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
