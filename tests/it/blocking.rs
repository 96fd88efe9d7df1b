//! Consumers that wait: who is served, what wakes them, how waiting ends, and that neither a job
//! nor a try is lost on the way to a client that is gone.

mod calls;
mod ends;
mod gathering;
mod order;
mod places;
mod races;
mod results;
mod room;
mod wakes;

use crate::support::{wait_for, Client, Server};

/// A new client that has sent this command, and that the server has made wait.
#[track_caller]
pub fn waiting(server: &Server, line: &str) -> Client {
    known(server, line).0
}

/// The same, with the number under which the server knows it.
#[track_caller]
pub fn known(server: &Server, line: &str) -> (Client, String) {
    let mut client = server.client();
    let id = client.run("CLIENT ID").int().to_string();
    client.send(&line.split(' ').collect::<Vec<_>>());
    // If the wait is a short one, its end may be all there is to see.
    wait_for("a client that waits", || {
        let told = server.run(&format!("CLIENT LIST ID {id}")).text();
        let flags = told.split(' ').find_map(|field| field.strip_prefix("flags="));
        let is_blocked = flags.is_some_and(|flags| flags.contains('b'));
        (is_blocked || !client.is_waiting()).then_some(())
    });
    (client, id)
}

/// How many consumers wait, as the module sees it.
pub fn waiters(server: &Server) -> usize {
    server.info("jobq", "jobq_waiters").parse().expect("a number")
}

/// Waits until neither the server nor the module knows of anybody who waits.
#[track_caller]
pub fn nobody_waits(server: &Server) {
    wait_for("the end of all waiting", || {
        (server.blocked_clients() == 0 && waiters(server) == 0).then_some(())
    });
}
