//! Consumers that wait: who is served, what wakes them, how waiting ends, and that neither a job
//! nor a try is lost on the way to a client that is gone.

mod ends;
mod order;
mod places;
mod races;
mod wakes;

use crate::support::{wait_for, Client, Server};

/// A new client that has sent this command, and that the server has made wait.
#[track_caller]
fn waiting(server: &Server, line: &str) -> Client {
    let before = server.blocked_clients();
    let mut client = server.client();
    client.send(&line.split(' ').collect::<Vec<_>>());
    server.wait_for_blocked(before + 1);
    client
}

/// How many consumers wait, as the module sees it.
fn waiters(server: &Server) -> usize {
    server.info("jobq", "jobq_waiters").parse().expect("a number")
}

/// Waits until neither the server nor the module knows of anybody who waits.
#[track_caller]
fn nobody_waits(server: &Server) {
    wait_for("the end of all waiting", || {
        (server.blocked_clients() == 0 && waiters(server) == 0).then_some(())
    });
}
