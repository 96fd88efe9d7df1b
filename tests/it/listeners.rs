//! Where nobody listens, a primary tells nobody what it decides. Whoever comes to listen, at whatever
//! moment and in whatever way, has to hold what the primary holds, and to hear all that follows.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::support::{
    likeness::{
        assert_alike, assert_replica_is_alike, digests, freeze, reloaded, replayed, thaw,
        wait_for_rewrite,
    },
    load::{many, seed, Load},
    wait_for, Client, Options, Reply, Server,
};

/// A server without a log, on which queues have been worked on for a while with nobody listening.
fn alone(settings: &str) -> Server {
    let options = Options::new().with("--repl-backlog-size 100mb").with(settings);
    let server = Server::start(options);
    let mut load = Load::new(&server, &["q0", "q1"], seed() + 90);
    load.steps(many(300, 60));
    load.finish();
    for n in 0..20 {
        server.run(&format!("JQ.PUBLISH mail {n} TTR 300"));
    }
    server.run("JQ.CONSUME mail COUNT 5");
    server
}

/// Publishes, takes, acknowledges and lets leases lapse without pause.
fn work(server: &Server, is_over: &AtomicBool, n: usize) {
    let mut client = server.client();
    let mut waiting = server.client();
    let queue = format!("busy{n}");
    let ask = |client: &mut Client, words: &[&str]| {
        let reply = client.call(words);
        assert!(!matches!(reply, Reply::Error(_)), "{words:?}: {reply:?}");
        reply
    };
    let mut is_waiting = false;
    for turn in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        if !is_waiting {
            waiting.send(&["JQ.CONSUME", &queue, "BLOCK", "0", "TTR", "20"]);
            is_waiting = true;
        }
        ask(&mut client, &["JQ.PUBLISH", &queue, "work", "TTR", "20", "BACKOFF", "fixed:5"]);
        ask(&mut client, &["JQ.PUBLISH", &queue, "later", "DELAY", "3"]);
        let taken = ask(&mut client, &["JQ.CONSUME", &queue, "COUNT", "2", "TTR", "50"]);
        if let Reply::Array(jobs) = taken {
            let receipt = jobs[0].items()[1].text();
            let settle = ["JQ.ACK", "JQ.NACK", "JQ.RELEASE"][turn % 3];
            ask(&mut client, &[settle, &queue, &receipt]);
        }
        if is_waiting && !waiting.is_waiting() {
            waiting.read();
            is_waiting = false;
        }
        if turn % 50 == 0 {
            ask(&mut client, &["JQ.PURGE", &queue, "ready"]);
        }
    }
}

/// Does something while two workers go on.
fn meanwhile<R>(server: &Server, body: impl FnOnce() -> R) -> R {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Over(&is_over);
        for n in 0..2 {
            let is_over = &is_over;
            scope.spawn(move || work(server, is_over, n));
        }
        // They are at work.
        wait_for("work", || {
            let are_there = ["busy0", "busy1"].map(|queue| server.run(&format!("EXISTS {queue}")));
            (are_there == [Reply::Int(1), Reply::Int(1)]).then_some(())
        });
        body()
    })
}

/// Lets the workers do some more.
fn some_more(server: &Server) {
    let published = || server.run("JQ.STATS busy0").field("published").int();
    let before = published();
    wait_for("more work", || (published() > before + 20).then_some(()));
}

fn replica_of(primary: &Server, settings: &str) -> Server {
    let to_primary = format!("--replicaof 127.0.0.1 {}", primary.port());
    Server::start(Options::new().with(&to_primary).with(settings))
}

fn is_up(replica: &Server) {
    replica.wait_until_it_tells("replication", "master_link_status", "up");
}

fn partial_syncs(server: &Server) -> usize {
    server.info("stats", "sync_partial_ok").parse().expect("a number")
}

/// No command that was sent there was refused.
fn assert_no_error(replica: &Server) {
    assert!(!replica.log().contains("CRITICAL"), "{}", replica.log());
}

#[test]
fn a_replica_that_comes_to_a_server_at_work_holds_what_it_holds() {
    for settings in [
        "--repl-diskless-sync no",
        "--repl-diskless-sync yes",
        "--repl-diskless-sync no --rdb-key-save-delay 20000",
        "--repl-diskless-sync yes --rdb-key-save-delay 20000",
    ] {
        let primary = alone(settings);
        meanwhile(&primary, || {
            for round in 0..many(5, 1) {
                let replica = replica_of(&primary, "");
                is_up(&replica);
                some_more(&primary);
                assert_replica_is_alike(&primary, &replica);
                // It leaves for a moment.
                let before = partial_syncs(&primary);
                primary.run("CLIENT KILL TYPE replica");
                some_more(&primary);
                is_up(&replica);
                assert_replica_is_alike(&primary, &replica);
                assert!(partial_syncs(&primary) > before, "{settings}, round {round}");
                assert_no_error(&replica);
            }
        });
        let replica = replica_of(&primary, "");
        is_up(&replica);
        assert_replica_is_alike(&primary, &replica);
    }
}

#[test]
fn several_replicas_that_come_one_after_the_other_hold_the_same() {
    let primary = alone("--repl-diskless-sync no --rdb-key-save-delay 20000");
    meanwhile(&primary, || {
        let mut replicas = vec![replica_of(&primary, "")];
        // The second comes while the first is being served, and shares its file or waits for another.
        wait_for("the first to be served", || {
            primary.tells("persistence", "rdb_bgsave_in_progress", "1").then_some(())
        });
        replicas.push(replica_of(&primary, ""));
        replicas.iter().for_each(is_up);
        replicas.push(replica_of(&primary, "--appendonly yes"));
        replicas.iter().for_each(is_up);
        some_more(&primary);
        freeze(&primary);
        for replica in &replicas {
            replica.catch_up_with(&primary);
            assert_alike("a replica", &digests(&primary), replica);
            assert_no_error(replica);
        }
        thaw(&primary);
    });
}

#[test]
fn a_log_that_is_turned_on_at_work_holds_what_follows() {
    for settings in ["--aof-use-rdb-preamble yes", "--aof-use-rdb-preamble no"] {
        let server = alone(settings);
        meanwhile(&server, || {
            for _ in 0..2 {
                assert_eq!(server.run("CONFIG SET appendonly yes").text(), "OK");
                wait_for_rewrite(&server);
                some_more(&server);
                freeze(&server);
                let copy = replayed(&server);
                assert_alike(settings, &digests(&server), &copy);
                assert_no_error(&copy);
                assert_eq!(server.run("CONFIG SET appendonly no").text(), "OK");
                thaw(&server);
                some_more(&server);
            }
        });
    }
}

#[test]
fn a_log_that_is_turned_on_while_a_snapshot_is_written_holds_what_follows() {
    let server = alone("--rdb-key-save-delay 50000");
    meanwhile(&server, || {
        assert!(server.run("BGSAVE").text().starts_with("Background"));
        assert_eq!(server.run("CONFIG SET appendonly yes").text(), "OK");
        some_more(&server);
        server.run("CONFIG SET rdb-key-save-delay 0");
        server.wait_until_it_tells("persistence", "rdb_bgsave_in_progress", "0");
        wait_for_rewrite(&server);
        some_more(&server);
        freeze(&server);
        let copy = replayed(&server);
        assert_alike("the log", &digests(&server), &copy);
        assert_no_error(&copy);
        thaw(&server);
    });
}

#[test]
fn a_replica_that_comes_during_or_after_a_snapshot_holds_what_the_primary_holds() {
    for comes_during in [true, false] {
        let primary = alone("--rdb-key-save-delay 20000");
        meanwhile(&primary, || {
            assert!(primary.run("BGSAVE").text().starts_with("Background"));
            let during = comes_during.then(|| replica_of(&primary, ""));
            primary.wait_until_it_tells("persistence", "rdb_last_bgsave_status", "ok");
            if !comes_during {
                primary.wait_until_it_tells("persistence", "rdb_bgsave_in_progress", "0");
                some_more(&primary);
            }
            let replica = during.unwrap_or_else(|| replica_of(&primary, ""));
            is_up(&replica);
            some_more(&primary);
            assert_replica_is_alike(&primary, &replica);
            assert_no_error(&replica);
        });
    }
}

#[test]
fn a_snapshot_taken_where_nobody_listens_holds_all() {
    let server = alone("");
    for save in ["SAVE", "BGSAVE"] {
        meanwhile(&server, || some_more(&server));
        freeze(&server);
        let queues = digests(&server);
        server.run(save);
        server.wait_until_it_tells("persistence", "rdb_bgsave_in_progress", "0");
        assert_alike(save, &queues, &reloaded(&server));
        thaw(&server);
    }
}

#[test]
fn a_promoted_replica_serves_others_from_where_they_are() {
    let mut primary = alone("");
    let replicas = [(); 2].map(|()| replica_of(&primary, ""));
    meanwhile(&primary, || {
        replicas.iter().for_each(is_up);
        some_more(&primary);
    });
    freeze(&primary);
    let [promoted, other] = &replicas;
    replicas.iter().for_each(|replica| replica.catch_up_with(&primary));
    primary.kill();
    assert_eq!(promoted.run("REPLICAOF NO ONE").text(), "OK");
    meanwhile(promoted, || {
        some_more(promoted);
        other.run(&format!("REPLICAOF 127.0.0.1 {}", promoted.port()));
        is_up(other);
        some_more(promoted);
        assert_replica_is_alike(promoted, other);
        assert_eq!(partial_syncs(promoted), 1, "it went on where it was");
        // A fork that ends leaves nobody out.
        promoted.run("BGSAVE");
        promoted.wait_until_it_tells("persistence", "rdb_bgsave_in_progress", "0");
        some_more(promoted);
        assert_replica_is_alike(promoted, other);
        assert_no_error(other);
    });
}

#[test]
fn a_primary_that_comes_back_from_a_snapshot_goes_on_with_its_replica() {
    let mut primary = alone("--repl-ping-replica-period 3600");
    let replica = replica_of(&primary, "");
    is_up(&replica);
    meanwhile(&primary, || some_more(&primary));
    freeze(&primary);
    replica.catch_up_with(&primary);
    assert_eq!(primary.run("SAVE").text(), "OK");
    primary.kill_and_restart();
    // Whatever is done before the replica is there again, a timer's turn too.
    meanwhile(&primary, || {
        some_more(&primary);
        is_up(&replica);
        some_more(&primary);
        assert_replica_is_alike(&primary, &replica);
    });
    assert_eq!(partial_syncs(&primary), 1, "it went on where it was");
    assert_no_error(&replica);
}

#[test]
fn a_replica_that_begins_with_a_copied_snapshot_goes_on_where_that_ends() {
    // Somebody asks to be a replica, is let wait, and will never be told anything.
    let settings = "--repl-diskless-sync yes --repl-diskless-sync-delay 3600 \
                    --repl-ping-replica-period 3600 --repl-timeout 7200";
    let primary = alone(settings);
    let mut idle = primary.client();
    for line in ["REPLCONF capa eof capa psync2", "REPLCONF listening-port 1"] {
        assert_eq!(idle.run(line).text(), "OK");
    }
    idle.send(&["PSYNC", "?", "-1"]);
    primary.wait_until_it_tells("replication", "connected_slaves", "1");
    for with_clients in [false, true] {
        assert_eq!(primary.run("SAVE").text(), "OK");
        let copied = primary.directory().join("dump.rdb");
        primary.run("JQ.PUBLISH soon job DELAY 30");
        let mut replica = replica_of(&primary, "");
        replica.kill();
        // What a server does next is a turn of the timer, or what clients ask and much else.
        fs::copy(copied, replica.directory().join("dump.rdb")).expect("the snapshot is there");
        wait_for("the timer", || {
            (primary.run("JQ.LEN soon delayed") == Reply::Int(0)).then_some(())
        });
        if with_clients {
            meanwhile(&primary, || some_more(&primary));
        }
        replica.start_again();
        is_up(&replica);
        assert_replica_is_alike(&primary, &replica);
        assert_no_error(&replica);
        assert_eq!(partial_syncs(&primary), 1 + usize::from(with_clients), "it went on");
    }
    drop(idle);
}

#[test]
fn what_nobody_hears_counts_as_a_change_that_is_to_be_saved() {
    let server = Server::plain();
    let changes = || -> u64 {
        server.info("persistence", "rdb_changes_since_last_save").parse().expect("a number")
    };
    let mut client = server.client();
    let mut last = changes();
    for line in [
        "JQ.PUBLISH mail hello ID a",
        "JQ.CONSUME mail",
        "JQ.RELEASE mail a",
        "JQ.CONSUME mail ALSO fax",
        "JQ.ACK mail a",
        "JQ.CONFIG mail SET tries 3",
    ] {
        let reply = client.run(line);
        assert!(!matches!(reply, Reply::Error(_) | Reply::NullArray), "{line}: {reply:?}");
        let now = changes();
        assert!(now > last, "{line}: {now}");
        last = now;
    }
    for line in ["JQ.CONSUME mail", "JQ.LEN mail", "JQ.ACK mail a", "JQ.CONSUME missing"] {
        client.run(line);
        assert!(changes() <= last + 1, "{line}: at most the clock went on");
        last = changes();
    }
}
