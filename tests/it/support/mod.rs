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
pub mod transcript;

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

/// Has `publish` make jobs for an instant, and sees to it that the instant comes when all are there:
/// with a later one, from the beginning, where it does not.
pub fn before_due(client: &mut Client, mut publish: impl FnMut(&mut Client, i64)) {
    let all_are_there = [2_000, 6_000, 18_000, 50_000].into_iter().any(|span| {
        client.run("FLUSHALL");
        let at = client.time() + span;
        publish(client, at);
        client.time() < at
    });
    assert!(all_are_there, "the machine is too slow to publish that many in time");
}
