//! A disk that is full: where the server refuses writes, time goes on in its queues; where it ends,
//! all that it acknowledged is there when there is room again.

use std::{collections::BTreeSet, fs, process::Command};

use super::{jobs, pair::Pair, tally::Tally};
use crate::{
    replies::bodies,
    support::{load::many, wait_for, Client, Options, Reply, Server},
};

/// Limits the size of the files that a server writes, or lifts the limit.
fn limit_files(server: &Server, size: Option<u64>) {
    let size = size.map_or("unlimited".into(), |size| size.to_string());
    let limited = Command::new("prlimit")
        .args(["--pid", &server.process_id().to_string(), &format!("--fsize={size}:")])
        .status();
    assert!(limited.is_ok_and(|status| status.success()), "prlimit of util-linux does it");
}

/// How large the server's largest file is.
fn largest_file(server: &Server) -> u64 {
    let directories = [server.directory().to_path_buf(), server.directory().join("appendonlydir")];
    let files = directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten();
    files.flatten().filter_map(|file| Some(file.metadata().ok()?.len())).max().unwrap_or(0)
}

/// Publishes until the server does no more. Tells the ids that it acknowledged, and the one that it
/// was asked for last.
fn publish_until_refused(client: &mut Client, name: &str) -> (BTreeSet<String>, String) {
    let mut acknowledged = BTreeSet::new();
    for n in 0.. {
        let id = format!("{name}-{n}");
        client.send(&["JQ.PUBLISH", "mail", &"x".repeat(200), "ID", &id]);
        match client.try_read() {
            Ok(Reply::Bulk(_)) => acknowledged.insert(id),
            Ok(Reply::Error(line)) if line.starts_with("MISCONF") => return (acknowledged, id),
            Ok(other) => panic!("{other:?}"),
            Err(_) => return (acknowledged, id),
        };
    }
    unreachable!("a disk is full at some time")
}

/// Jobs that come due, leases that lapse and a consumer that waits, for while nothing can be written.
struct Pending {
    consumer: Client,
    jobs: usize,
}

impl Pending {
    fn new(server: &Server, jobs: usize) -> Self {
        let mut client = server.client();
        jobs::publish(&mut client, "delayed", 0..jobs, "DELAY 500");
        jobs::publish(&mut client, "leased", 0..jobs, "TTR 500");
        while !client.run("JQ.CONSUME leased COUNT 100").is_nothing() {}
        client.run("JQ.PUBLISH awaited hello DELAY 500 TTR 3600000");
        let mut consumer = server.client();
        consumer.send(&["JQ.CONSUME", "awaited", "BLOCK", "0"]);
        server.wait_for_blocked(1);
        Self { consumer, jobs }
    }

    /// Asserts that all of it happens though every write of a client is refused.
    fn happens(mut self, client: &mut Client, tally: &mut Tally) {
        for line in [
            "JQ.PUBLISH mail x",
            "JQ.CONSUME mail",
            "JQ.CONSUME mail BLOCK 0",
            "JQ.ACK mail x-0",
            "JQ.DELETE mail x-0",
            "JQ.CONFIG mail SET tries 3",
        ] {
            assert_eq!(client.run(line).error_word(), "MISCONF", "{line}");
            tally.add("writes refused", 1);
        }
        for queue in ["delayed", "leased"] {
            let (ready, jobs) = (format!("JQ.LEN {queue} ready"), Reply::Int(self.jobs as i64));
            wait_for(&ready, || (client.run(&ready) == jobs).then_some(()));
            tally.add("timers fired meanwhile", self.jobs);
        }
        assert_eq!(bodies(&self.consumer.read()), ["hello"]);
    }
}

#[test]
fn a_log_that_cannot_be_written_stops_clients_but_not_time_and_goes_on_when_it_can() {
    let mut tally = Tally::of("disk full, log not synced at each write");
    let pair = Pair::start(Options::new().deaf_to_file_limits());
    let server = &pair.primary;
    let mut client = server.client();
    let mut all = BTreeSet::new();
    for round in 0..many(20, 1) {
        let pending = Pending::new(server, 200);
        limit_files(server, Some(largest_file(server) + 2_000));
        let (acknowledged, refused) = publish_until_refused(&mut client, &format!("x{round}"));
        assert!(!acknowledged.is_empty());
        tally.add("times full", 1);
        tally.add("publishes acknowledged", acknowledged.len());
        all.extend(acknowledged);
        pending.happens(&mut client, &mut tally);

        limit_files(server, None);
        server.wait_until_it_tells("persistence", "aof_last_write_status", "ok");
        assert!(!all.contains(&refused));
        assert_eq!(jobs::ids(&mut client, "mail"), all, "acknowledged is there, refused is not");
        pair.assert_alike(&mut tally);
        for queue in ["delayed", "leased"] {
            jobs::assert_each_once(jobs::drain(&mut client, queue), 200);
        }
        client.run("DEL awaited");
    }
}

#[test]
fn a_server_that_ends_on_a_full_disk_keeps_all_that_it_acknowledged() {
    let mut tally = Tally::of("disk full, log synced at each write");
    let mut server = Server::start(Options::new().with_aof().deaf_to_file_limits());
    let mut all = BTreeSet::new();
    for round in 0..many(30, 2) {
        limit_files(&server, Some(largest_file(&server) + 5_000));
        let (acknowledged, in_doubt) =
            publish_until_refused(&mut server.client(), &format!("x{round}"));
        tally.add("servers ended", 1);
        tally.add("publishes acknowledged", acknowledged.len());
        all.extend(acknowledged);
        wait_for("the end", || (!server.is_alive()).then_some(()));
        server.start_again();
        let mut there = jobs::ids(&mut server.client(), "mail");
        if there.contains(&in_doubt) {
            all.insert(in_doubt);
        }
        there.retain(|id| !all.contains(id));
        assert!(there.is_empty(), "not asked for: {there:?}");
        assert_eq!(server.run("JQ.LEN mail"), Reply::Int(all.len() as i64), "all are there");
    }
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}

#[test]
fn a_snapshot_that_fails_stops_clients_but_not_time() {
    let mut tally = Tally::of("disk full, snapshot fails");
    let settings = "--save 3600 1000000 --stop-writes-on-bgsave-error yes";
    let server = Server::start(Options::new().with(settings).deaf_to_file_limits());
    let mut client = server.client();
    let saved = |server: &Server, how: &str| {
        server.run("BGSAVE");
        wait_for("the snapshot", || {
            let ended = server.info("persistence", "rdb_bgsave_in_progress") == "0";
            let status = server.info("persistence", "rdb_last_bgsave_status");
            (ended && status == how).then_some(())
        });
    };
    for _ in 0..many(20, 1) {
        let pending = Pending::new(&server, 200);
        limit_files(&server, Some(100));
        saved(&server, "err");
        tally.add("snapshots failed", 1);
        pending.happens(&mut client, &mut tally);
        limit_files(&server, None);
        saved(&server, "ok");
        for queue in ["delayed", "leased"] {
            jobs::assert_each_once(jobs::drain(&mut client, queue), 200);
        }
        client.run("DEL awaited");
    }
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}
