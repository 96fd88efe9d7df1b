//! A server is killed again and again under load, and comes back on what it has kept.

use std::{
    cell::Cell,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use rand::{rngs::StdRng, Rng, SeedableRng};

use super::{
    caller::Place,
    crew::Crew,
    damage::files::file_of,
    history::Loss,
    judge::{is_well, judge, QUEUES},
    tally::Tally,
};
use crate::support::{
    likeness::rewrite_log,
    load::{many, seed},
    Options, Server,
};

/// Jobs that are finished between two faults.
const WORK: usize = 150;

fn kills() -> usize {
    many(40, 4)
}

/// Works a server whose process is killed over and over. `before` is called while the load goes
/// on, some work before each kill, and says from when on the server may forget; `while_down` before
/// it is started again, `after` then.
fn killed_under_load(
    fault: &'static str,
    options: Options,
    mut before: impl FnMut(&Server) -> Option<Instant>,
    mut while_down: impl FnMut(&Server),
    mut after: impl FnMut(&Server),
) {
    let mut server = Server::start(options);
    let mut tally = Tally::of(fault);
    let crew = Crew::start(Place::of(&server), &QUEUES, 0, seed());
    let mut losses = Vec::new();
    for _ in 0..kills() {
        crew.do_some_work(WORK);
        let from = before(&server);
        crew.do_some_work(WORK);
        server.kill();
        while_down(&server);
        losses.extend(from.map(|from| Loss { from, until: Instant::now(), server: None }));
        server.start_again();
        after(&server);
        tally.add("kills", 1);
    }
    crew.do_some_work(WORK);
    let mut history = crew.stop();
    history.losses = losses;
    is_well(&server);
    judge(&mut history, &server, &mut tally);
}

#[test]
fn a_server_that_is_killed_with_appendfsync_always_forgets_nothing() {
    let mut random = StdRng::seed_from_u64(seed());
    killed_under_load(
        "server killed, appendfsync always",
        Options::new().with_aof(),
        |server| {
            match random.random_range(0..4) {
                0 => drop(server.run("BGREWRITEAOF")),
                1 => drop(server.run("BGSAVE")),
                _ => {}
            }
            None
        },
        |_| {},
        |_| {},
    );
}

#[test]
fn a_server_that_is_killed_with_appendfsync_everysec_forgets_no_more_than_it_had_not_written() {
    // While a sync goes on the server may put off writing for two seconds of its clock, so for
    // less than three.
    const PUT_OFF: Duration = Duration::from_secs(3);
    killed_under_load(
        "server killed, appendfsync everysec",
        Options::new().with("--appendonly yes --appendfsync everysec"),
        |_| Instant::now().checked_sub(PUT_OFF),
        |_| {},
        |_| {},
    );
}

#[test]
fn a_server_that_is_killed_without_a_log_comes_back_as_it_was_saved() {
    killed_under_load(
        "server killed, snapshots only",
        Options::new(),
        |server| {
            let from = Instant::now();
            assert_eq!(server.run("SAVE").text(), "OK");
            Some(from)
        },
        |_| {},
        |_| {},
    );
}

/// The file of the log that is being written.
fn log_file(server: &Server) -> PathBuf {
    file_of(server.directory(), ".incr.aof")
}

fn len_of(path: &PathBuf) -> u64 {
    fs::metadata(path).expect("the log is there").len()
}

#[test]
fn a_machine_that_loses_power_keeps_all_that_had_reached_its_disk() {
    let mut random = StdRng::seed_from_u64(seed());
    // What is written is what a machine without power would lose any part of; the server writes
    // all of it before it answers, and syncs none.
    let options = Options::new().with("--appendonly yes --appendfsync no");
    let on_disk = Cell::new(0);
    killed_under_load(
        "power lost, log cut off behind its last sync",
        options,
        |server| {
            let from = Instant::now();
            on_disk.set(len_of(&log_file(server)));
            Some(from)
        },
        |server| {
            let path = log_file(server);
            let kept = random.random_range(on_disk.get()..=len_of(&path));
            let file = fs::File::options().write(true).open(&path);
            file.and_then(|file| file.set_len(kept)).expect("the log can be cut off");
        },
        // As docs/operations.md asks for: Redis 7.0 cuts a log off within a transaction.
        rewrite_log,
    );
}
