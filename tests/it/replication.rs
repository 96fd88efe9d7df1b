//! Replicas hold what the primary holds, decide nothing, and go on where it stopped.

use crate::{
    replies::{ids, token},
    support::{
        likeness::{assert_alike, digests, freeze, wait_for_rewrite},
        load::{many, seed, Load},
        wait_for, Client, Options, Reply, Server,
    },
};

fn is(client: &mut Client, line: &str, expected: &Reply) -> Option<()> {
    (client.run(line) == *expected).then_some(())
}

fn wait_until(server: &Server, line: &str, expected: Reply) {
    let mut client = server.client();
    wait_for(line, || is(&mut client, line, &expected));
}

fn receipt_of(reply: &Reply) -> String {
    reply.items()[0].items()[1].text()
}

#[test]
fn a_promoted_replica_goes_on_with_timers_tokens_and_ids() {
    let mut primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    client.run("JQ.PUBLISH mail leased TTR 200 PRIORITY -1");
    let first = client.run("JQ.CONSUME mail");
    let last = client.run("JQ.PUBLISH mail soon DELAY 200").text();
    replica.catch_up_with(&primary);
    primary.kill();

    assert_eq!(replica.run("REPLICAOF NO ONE").text(), "OK");
    wait_until(&replica, "JQ.LEN mail ready", Reply::Int(2));
    let mut client = replica.client();
    assert_eq!(client.run(&format!("JQ.ACK mail {}", receipt_of(&first))), Reply::Int(0));
    let second = client.run("JQ.CONSUME mail");
    assert_eq!(ids(&second), ids(&first));
    assert!(token(&second) > token(&first), "tokens go on");
    assert_eq!(client.run(&format!("JQ.ACK mail {}", receipt_of(&second))), Reply::Int(1));
    assert!(client.run("JQ.PUBLISH mail next").text() > last, "ids go on");
}

#[test]
fn a_receipt_is_never_given_twice_though_a_promoted_replica_does_not_know_of_it() {
    let mut primary = Server::plain();
    let replica = Server::replica_of(&primary);
    primary.run("JQ.PUBLISH mail x ID a");
    replica.catch_up_with(&primary);
    // What follows does not get through.
    replica.run("REPLICAOF 127.0.0.1 1");
    let lost = primary.run("JQ.CONSUME mail");
    primary.kill();
    replica.run("REPLICAOF NO ONE");
    let given = replica.run("JQ.CONSUME mail");
    assert_eq!(ids(&given), ["a"]);
    assert!(token(&given) > token(&lost), "a fence that has seen the lost one lets it pass");
    let late = format!("JQ.ACK mail {}", receipt_of(&lost));
    assert_eq!(replica.run(&late), Reply::Int(0), "and the worker of the lost one settles nothing");
}

#[test]
fn a_receipt_is_never_given_twice_though_a_restarted_server_does_not_know_of_it() {
    let mut server = Server::plain();
    server.run("JQ.PUBLISH mail x ID a");
    server.run("SAVE");
    let lost = server.run("JQ.CONSUME mail");
    server.kill_and_restart();
    let given = server.run("JQ.CONSUME mail");
    assert!(token(&given) > token(&lost));
    assert_eq!(server.run(&format!("JQ.ACK mail {}", receipt_of(&lost))), Reply::Int(0));
    server.kill_and_restart();
    let again = server.run("JQ.CONSUME mail");
    assert!(token(&again) > token(&given));
}

#[test]
fn a_replica_never_decides() {
    let mut primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    client.run("JQ.PUBLISH mail soon DELAY 500");
    client.run("JQ.PUBLISH mail leased TTR 500 PRIORITY -1");
    client.run("JQ.CONSUME mail");
    freeze(&primary);
    replica.catch_up_with(&primary);
    primary.kill();
    // Before the queue itself says so, both are long over.
    let due = replica.run("JQ.STATS mail").field("next-due").int() + 200;
    wait_for("the replica's clock", || {
        let time = replica.run("TIME");
        let seconds: i64 = time.items()[0].text().parse().ok()?;
        (seconds * 1000 > due).then_some(())
    });
    assert_eq!(replica.run("JQ.LEN mail delayed"), Reply::Int(1));
    assert_eq!(replica.run("JQ.LEN mail leased"), Reply::Int(1));
    assert_eq!(replica.info("jobq", "jobq_timer_turns"), "0");
    replica.run("REPLICAOF NO ONE");
    wait_until(&replica, "JQ.LEN mail ready", Reply::Int(2));
}

#[test]
fn a_replica_serves_reads_and_refuses_writes() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    client.run("JQ.CONFIG mail SET tries 7");
    client.run("JQ.PUBLISH mail one");
    client.run("JQ.PUBLISH mail two DELAY 3600000");
    replica.catch_up_with(&primary);
    let mut reader = replica.client();
    for line in ["JQ.PEEK mail", "JQ.LEN mail", "JQ.STATS mail", "JQ.DIGEST mail"] {
        assert_eq!(reader.run(line), client.run(line), "{line}");
    }
    let writes = [
        "PUBLISH mail three",
        "PUBLISH new three",
        "CONSUME mail",
        "CONSUME mail BLOCK 0",
        "CONSUME empty BLOCK 0",
        "ACK mail a",
        "TOUCH mail a",
        "KICK mail COUNT 1",
        "RESPAWN mail ALL",
        "DELETE mail a",
        "CONFIG mail SET tries 1",
    ];
    for setting in ["yes", "no"] {
        replica.run(&format!("CONFIG SET replica-read-only {setting}"));
        for line in writes.map(|line| format!("JQ.{line}")) {
            assert_eq!(reader.run(&line).error_word(), "READONLY", "{line}");
        }
        for line in ["JQ.APPLY mail \x01\x01\x01\x01", "JQ.APPLY mail \x01\x03 JQ.RESUME mail"] {
            // To the server they are writes like others, and it may be the first to refuse.
            let word = reader.run(line).error_word().to_string();
            assert!(["READONLY", "NOPERM"].contains(&word.as_str()), "{line}: {word}");
        }
    }
    // To the server it is a write, since it also sets.
    let line = "JQ.CONFIG mail GET";
    assert_eq!(reader.run(line), client.run(line));
    freeze(&primary);
    assert_alike("the replica", &digests(&primary), &replica);
}

#[test]
fn who_waits_is_told_when_the_primary_becomes_a_replica() {
    let other = Server::plain();
    let server = Server::plain();
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    server.run(&format!("REPLICAOF 127.0.0.1 {}", other.port()));
    assert_eq!(consumer.read().error_word(), "UNBLOCKED");
    assert_eq!(server.info("jobq", "jobq_waiters"), "0");
    server.catch_up_with(&other);
    // And nobody is left behind in the lines: what comes next is for those who come next.
    server.run("REPLICAOF NO ONE");
    server.run("JQ.PUBLISH mail hello");
    wait_until(&server, "JQ.LEN mail ready", Reply::Int(1));
}

#[test]
fn timers_keep_quiet_while_writes_are_paused() {
    let server = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&server);
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "fax", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    server.run("JQ.PUBLISH mail soon DELAY 100");
    server.run("JQ.PUBLISH fax soon DELAY 100");
    server.run("JQ.PUBLISH short soon DELAY 3600000");
    freeze(&server);
    let turns = || server.info("jobq", "jobq_timer_turns").parse().unwrap_or(0);
    let before: u64 = turns();
    // Some turns that fall into the pause: each would end the server if it wrote.
    wait_for("the timer to be put off", || (turns() > before + 3).then_some(()));
    assert_eq!(server.run("JQ.LEN mail delayed"), Reply::Int(1));
    assert!(consumer.is_waiting());
    assert_eq!(server.run("CLIENT UNPAUSE").text(), "OK");
    assert_eq!(consumer.read().items()[0].items()[2].text(), "soon");
    wait_until(&server, "JQ.LEN mail ready", Reply::Int(1));
    freeze(&server);
    replica.catch_up_with(&server);
    assert_alike("the replica", &digests(&server), &replica);
}

#[test]
fn a_consumer_may_stop_waiting_while_writes_are_paused() {
    let server = Server::plain();
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "200"]);
    server.wait_for_blocked(1);
    freeze(&server);
    assert_eq!(consumer.read(), Reply::NullArray);
}

#[test]
fn a_failover_with_timers_and_waiting_consumers_loses_nothing() {
    const JOBS: i64 = 200;
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    for n in 0..JOBS {
        client.run(&format!("JQ.PUBLISH mail soon ID a{n} DELAY {}", n * 3));
    }
    let mut consumer = primary.client();
    consumer.send(&["JQ.CONSUME", "fax", "BLOCK", "0"]);
    primary.wait_for_blocked(1);
    assert_eq!(primary.run("FAILOVER").text(), "OK");
    wait_for("the failover", || (replica.info("replication", "role") == "master").then_some(()));
    assert_eq!(consumer.read().error_word(), "UNBLOCKED");
    wait_until(&replica, "JQ.LEN mail ready", Reply::Int(JOBS));

    let mut consumer = replica.client();
    consumer.send(&["JQ.CONSUME", "fax", "BLOCK", "0"]);
    replica.wait_for_blocked(1);
    replica.run("JQ.PUBLISH fax hello DELAY 10");
    assert_eq!(consumer.read().items()[0].items()[2].text(), "hello");
    freeze(&replica);
    primary.catch_up_with(&replica);
    assert_alike("the primary of before", &digests(&replica), &primary);
}

#[test]
fn a_failover_under_load_ends_in_equal_servers() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let queues = ["q0", "q1", "brief"];
    let mut servers = [&primary, &replica];
    for round in 0..many(20, 3) {
        let [old, new] = servers;
        let mut load = Load::new(old, &queues, seed() + round as u64);
        load.steps(many(2_000, 300));
        load.finish();
        assert_eq!(old.run("FAILOVER").text(), "OK");
        wait_for("the failover", || (new.info("replication", "role") == "master").then_some(()));
        servers = [new, old];
        old.catch_up_with(new);
    }
    freeze(servers[0]);
    servers[1].catch_up_with(servers[0]);
    assert_alike("the other", &digests(servers[0]), servers[1]);
}

/// Runs some commands, each with what it must not answer, and compares with a replica and its log.
fn replicates(what: &str, act: impl FnOnce(&mut Client)) {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    act(&mut primary.client());
    freeze(&primary);
    replica.catch_up_with(&primary);
    assert_alike(what, &digests(&primary), &replica);
    assert!(!replica.log().contains("CRITICAL"), "{what}: {}", replica.log());
}

#[test]
fn what_happens_to_keys_is_repeated_in_the_same_order() {
    // Consumers wait where the queue goes: what they are served lands behind what brought it.
    for go in ["RENAME from to", "COPY from to", "COPY from to REPLACE", "SWAPDB 0 1"] {
        replicates(go, |client| {
            let mut lines = vec!["SELECT 1", "JQ.PUBLISH to swapped", "SELECT 0"];
            lines.extend(["JQ.PUBLISH from one ID a", "JQ.PUBLISH from two ID b DELAY 3600000"]);
            lines.extend([go, "JQ.CONSUME to", "JQ.PUBLISH to more", "JQ.PUBLISH from anew"]);
            for line in lines {
                assert!(!matches!(client.run(line), Reply::Error(_)), "{line}");
            }
        });
    }
}

#[test]
fn a_consumer_served_by_a_rename_is_in_the_log_behind_it() {
    let primary = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&primary);
    wait_for_rewrite(&replica);
    let mut consumer = primary.client();
    consumer.send(&["JQ.CONSUME", "to", "BLOCK", "0"]);
    primary.wait_for_blocked(1);
    let mut client = primary.client();
    client.run("JQ.PUBLISH from hello ID a");
    client.run("RENAME from to");
    assert_eq!(receipt_of(&consumer.read()), "a@1");
    for server in [&primary, &replica] {
        replica.catch_up_with(&primary);
        let lines = server.aof().lines();
        let place = |start: &str| lines.iter().position(|line| line.starts_with(start));
        assert!(place("RENAME") < place("lease to"), "{lines:?}");
        assert!(place("RENAME").is_some());
    }
    freeze(&primary);
    assert_alike("the replica", &digests(&primary), &replica);
}

#[test]
fn scripts_and_transactions_are_repeated_alike() {
    const SCRIPT: &str = "for n = 1, 20 do
            redis.call('jq.publish', KEYS[1], 'body ' .. n, 'DELAY', n % 3, 'BACKOFF', 'poly')
            local jobs = redis.call('jq.consume', KEYS[1], 'COUNT', 2)
            if jobs and n % 2 == 0 then redis.call('jq.nack', KEYS[1], jobs[1][2]) end
        end
        return redis.call('jq.len', KEYS[1])";
    replicates("a script", |client| {
        for _ in 0..20 {
            assert_eq!(client.call(&["EVAL", SCRIPT, "1", "mail"]).int() % 20, 0);
        }
    });
    replicates("a transaction", |client| {
        for n in 0..20 {
            client.run("MULTI");
            client.run("JQ.MPUBLISH mail 3 a b c TTR 1");
            client.run("JQ.CONSUME mail COUNT 2 BLOCK 0");
            client.run(&format!("JQ.PUBLISH mail d ID own-{n}"));
            client.run("INCR counter");
            client.run(&format!("JQ.PUBLISH mail e ID own-{n}"));
            client.run("JQ.KICK mail COUNT 5");
            let replies = client.run("EXEC");
            assert_eq!(replies.items()[4].error_word(), "DUPLICATE");
        }
    });
}

#[test]
fn a_transaction_does_not_wait() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("MULTI");
    client.run("JQ.CONSUME mail BLOCK 0");
    assert_eq!(client.run("EXEC").items(), [Reply::NullArray]);
    let script = "return {redis.call('jq.consume', KEYS[1], 'BLOCK', 0)}";
    assert!(client.call(&["EVAL", script, "1", "mail"]).items()[0].is_nothing());
}

#[test]
fn wait_says_when_a_replica_has_it() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    client.run("JQ.PUBLISH mail hello");
    assert_eq!(client.run("WAIT 1 0"), Reply::Int(1));
    assert_eq!(replica.run("JQ.LEN mail"), Reply::Int(1));
    client.run("JQ.CONSUME mail");
    assert_eq!(client.run("WAIT 1 0"), Reply::Int(1));
    assert_eq!(replica.run("JQ.LEN mail leased"), Reply::Int(1));
}

#[test]
fn a_queue_that_expires_is_deleted_everywhere_and_is_still_awaited() {
    let primary = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    client.run("JQ.PUBLISH mail late DELAY 3600000");
    client.run("JQ.PUBLISH mail soon DELAY 60");
    let mut consumer = primary.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    primary.wait_for_blocked(1);
    client.run("PEXPIRE mail 20");
    wait_until(&primary, "EXISTS mail", Reply::Int(0));
    wait_for("the deletion in the log", || {
        let lines = primary.aof().lines();
        let deleted = |line: &String| ["DEL mail", "UNLINK mail"].contains(&line.as_str());
        lines.iter().any(deleted).then_some(())
    });
    replica.catch_up_with(&primary);
    assert_eq!(replica.run("JQ.LEN mail"), Reply::Int(0));
    assert!(consumer.is_waiting());
    client.run("JQ.PUBLISH mail anew");
    assert_eq!(consumer.read().items()[0].items()[2].text(), "anew");
    freeze(&primary);
    replica.catch_up_with(&primary);
    assert_alike("the replica", &digests(&primary), &replica);
}

#[test]
fn a_queue_migrates_to_another_server_with_its_timers() {
    let (from, to) = (Server::plain(), Server::start(Options::new().with_aof()));
    let mut consumer = to.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    to.wait_for_blocked(1);
    let mut client = from.client();
    client.run("JQ.PUBLISH mail late DELAY 3600000");
    client.run("JQ.PUBLISH mail leased ID a PRIORITY -1");
    let receipt = receipt_of(&client.run("JQ.CONSUME mail TTR 3600000"));
    client.run("JQ.PUBLISH mail soon ID b DELAY 100");
    let migrated = client.run(&format!("MIGRATE 127.0.0.1 {} mail 0 10000", to.port()));
    assert_eq!(migrated.text(), "OK");
    assert_eq!(client.run("EXISTS mail"), Reply::Int(0));
    assert_eq!(from.info("jobq", "jobq_queues_scheduled"), "0");
    assert_eq!(ids(&consumer.read()), ["b"]);
    assert_eq!(to.run(&format!("JQ.ACK mail {receipt}")), Reply::Int(1));
}

#[test]
fn a_replica_that_was_away_catches_up() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut load = Load::new(&primary, &["q0", "q1", "brief"], seed() + 9);
    for _ in 0..many(20, 3) {
        load.steps(200);
        // The link breaks, and goes on where it stopped.
        primary.run("CLIENT KILL TYPE replica");
        load.steps(200);
    }
    load.finish();
    freeze(&primary);
    replica.catch_up_with(&primary);
    assert_alike("the replica", &digests(&primary), &replica);
    let partial = primary.info("stats", "sync_partial_ok");
    assert_ne!(partial, "0", "the link was taken up where it broke");
}

#[test]
fn a_primary_that_comes_back_as_a_replica_takes_what_the_new_one_has() {
    let mut old = Server::start(Options::new().with_aof());
    let new = Server::replica_of(&old);
    old.run("JQ.PUBLISH mail shared");
    new.catch_up_with(&old);
    old.kill();
    new.run("REPLICAOF NO ONE");
    new.run("JQ.PUBLISH mail more DELAY 100");
    new.run("JQ.CONSUME mail");
    old.start_again();
    // It believed to be the primary, and somebody wrote to it.
    old.run("JQ.PUBLISH mail lost DELAY 1");
    old.run(&format!("REPLICAOF 127.0.0.1 {}", new.port()));
    wait_until(&new, "JQ.LEN mail ready", Reply::Int(1));
    freeze(&new);
    old.catch_up_with(&new);
    assert_alike("the old primary", &digests(&new), &old);
    assert_eq!(old.info("jobq", "jobq_queues_scheduled"), "1");
}
