//! Clients that wait for the end of a job: `JQ.RESULT … BLOCK`.

use super::{known, nobody_waits, waiting};
use crate::{
    replies::bulk,
    support::{wait_for, Options, Reply, Server},
};

fn outcome(state: &str, result: Option<&str>) -> Reply {
    Reply::Array(vec![bulk(state), result.map_or(Reply::Null, bulk)])
}

/// Publishes `a`, lets a client wait for its end, runs these lines, and tells what it is answered.
#[track_caller]
fn told_after(server: &Server, lines: &[&str]) -> Reply {
    server.run("FLUSHALL");
    server.run("JQ.PUBLISH mail x ID a TTR 600000 TRIES 1");
    server.run("JQ.PUBLISH mail x ID other PRIORITY 9");
    let mut waiter = waiting(server, "JQ.RESULT mail a BLOCK 0");
    for line in lines {
        assert!(waiter.is_waiting(), "before {line}");
        server.run(line);
    }
    let reply = waiter.read();
    nobody_waits(server);
    reply
}

#[test]
fn a_result_wakes_those_who_wait_for_it() {
    let server = Server::plain();
    for line in ["JQ.FULFILL mail a 42", "JQ.FULFILL mail a 42 RETAIN FOREVER"] {
        assert_eq!(told_after(&server, &[line]), outcome("completed", Some("42")), "{line}");
    }
    let acked = told_after(&server, &["JQ.CONSUME mail", "JQ.ACK mail a@1"]);
    assert_eq!(acked, outcome("completed", None));
    let in_a_transaction =
        told_after(&server, &["EVAL return{redis.call('jq.fulfill','mail','a','7')} 0"]);
    assert_eq!(in_a_transaction, outcome("completed", Some("7")));
}

#[test]
fn death_and_every_way_of_removal_wake_too() {
    let server = Server::plain();
    let dead = outcome("dead", None);
    assert_eq!(told_after(&server, &["JQ.BURY mail a"]), dead);
    let why = outcome("dead", Some("why"));
    assert_eq!(told_after(&server, &["JQ.BURY mail a ERROR why"]), why);
    assert_eq!(told_after(&server, &["JQ.CONSUME mail", "JQ.NACK mail a"]), dead);
    assert_eq!(told_after(&server, &["JQ.CONSUME mail TTR 10"]), dead, "a lapse");
    assert_eq!(told_after(&server, &["JQ.BURY mail ALL ready"]), dead);
    for lines in [
        &["JQ.DELETE mail a"][..],
        &["JQ.PURGE mail ready"],
        &["JQ.PUBLISH mail y REPLACES a"],
        &["JQ.UPDATE mail a TTL 10"],
        &["DEL mail"],
        &["UNLINK mail"],
        &["FLUSHALL"],
        &["FLUSHDB ASYNC"],
        &["SET mail text"],
        &["PEXPIRE mail 1", "GET mail"],
        &["RENAME mail elsewhere"],
        &["MOVE mail 3"],
        &["SWAPDB 0 3"],
    ] {
        let told = told_after(&server, lines);
        assert!(told.is_nothing(), "{lines:?}: {told:?}");
        server.run("SWAPDB 0 3");
    }
}

#[test]
fn other_jobs_other_moves_and_copies_do_not_wake() {
    let server = Server::plain();
    let told = told_after(
        &server,
        &[
            "JQ.CONSUME mail",
            "JQ.TOUCH mail a",
            "JQ.FULFILL mail other 1",
            "JQ.FULFILL mail a@9 wrong",
            "JQ.RELEASE mail a",
            "JQ.UPDATE mail a DELAY 600000",
            "COPY mail copy",
            "JQ.FULFILL copy a wrong",
            "DEL copy",
            "JQ.PUBLISH mail2 x ID a",
            "JQ.FULFILL mail2 a wrong",
            "DEBUG RELOAD",
            "JQ.KICK mail ALL",
            "JQ.FULFILL mail a right",
        ],
    );
    assert_eq!(told, outcome("completed", Some("right")));
}

#[test]
fn a_late_caller_is_answered_at_once() {
    let server = Server::plain();
    server.run("JQ.PUBLISH mail x ID done");
    server.run("JQ.FULFILL mail done 42 RETAIN FOREVER");
    server.run("JQ.PUBLISH mail x ID dead");
    server.run("JQ.BURY mail dead ERROR why");
    assert_eq!(server.run("JQ.RESULT mail done BLOCK 0"), outcome("completed", Some("42")));
    assert_eq!(server.run("JQ.RESULT mail dead BLOCK 0"), outcome("dead", Some("why")));
    assert_eq!(server.run("JQ.RESULT mail dead"), outcome("dead", Some("why")));
    assert!(server.run("JQ.RESULT mail missing BLOCK 0").is_nothing());
    assert!(server.run("JQ.RESULT missing a BLOCK 0").is_nothing());
}

#[test]
fn whoever_waits_in_vain_is_told_how_the_job_stands() {
    let server = Server::plain();
    server.run("JQ.PUBLISH mail x ID a");
    assert_eq!(server.run("JQ.RESULT mail a BLOCK 10"), outcome("ready", None));
    let (mut waiter, id) = known(&server, "JQ.RESULT mail a BLOCK 0");
    server.run("JQ.CONSUME mail");
    server.run(&format!("CLIENT UNBLOCK {id}"));
    assert_eq!(waiter.read(), outcome("leased", None));
    let (mut waiter, id) = known(&server, "JQ.RESULT mail a BLOCK 0");
    server.run(&format!("CLIENT UNBLOCK {id} ERROR"));
    assert_eq!(waiter.read().error_word(), "UNBLOCKED");
    nobody_waits(&server);
}

#[test]
fn inside_a_transaction_or_a_script_it_does_not_wait() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a");
    client.run("MULTI");
    client.run("JQ.RESULT mail a BLOCK 0");
    assert_eq!(client.run("EXEC").items()[0], outcome("ready", None));
    let script = "return redis.call('jq.result', KEYS[1], 'a', 'BLOCK', 0)";
    let told = client.call(&["EVAL", script, "1", "mail"]);
    assert_eq!(told.items()[0], bulk("ready"));
}

#[test]
fn a_ulid_is_waited_for_in_either_case() {
    let server = Server::plain();
    let id = server.run("JQ.PUBLISH mail x").text();
    let mut waiter = waiting(&server, &format!("JQ.RESULT mail {} BLOCK 0", id.to_lowercase()));
    server.run(&format!("JQ.FULFILL mail {id} 42"));
    assert_eq!(waiter.read(), outcome("completed", Some("42")));
}

#[test]
fn a_job_that_takes_the_id_of_another_is_not_the_one_that_is_waited_for() {
    let server = Server::plain();
    for steps in [
        "redis.call('del','mail')",
        "redis.call('jq.delete','mail','a')",
        "redis.call('rename','mail','old')",
        "redis.call('set','mail','text')",
    ] {
        server.run("FLUSHALL");
        server.run("JQ.PUBLISH mail x ID a");
        let mut waiter = waiting(&server, "JQ.RESULT mail a BLOCK 0");
        let del = "redis.call('del','mail')";
        let anew = "redis.call('jq.publish','mail','y','ID','a')";
        let fulfill = "redis.call('jq.fulfill','mail','a','other','RETAIN','FOREVER')";
        server.run(&format!("EVAL {steps};{del};{anew};{fulfill} 0"));
        assert!(waiter.read().is_nothing(), "{steps}");
        assert_eq!(server.run("JQ.RESULT mail a"), outcome("completed", Some("other")));
        nobody_waits(&server);
    }
}

#[test]
fn who_waited_by_a_receipt_in_vain_is_told_as_without_waiting() {
    let server = Server::plain();
    server.run("JQ.PUBLISH mail x ID a");
    server.run("JQ.CONSUME mail");
    let mut waiter = waiting(&server, "JQ.RESULT mail a@1 BLOCK 300");
    server.run("JQ.NACK mail a DELAY 600000");
    let told = waiter.read();
    assert_eq!(told, server.run("JQ.RESULT mail a@1"));
    assert!(told.is_nothing());
}

#[test]
fn very_many_who_wait_for_one_job_are_all_told() {
    let server = Server::plain();
    server.run("JQ.PUBLISH mail x ID a");
    let mut waiters: Vec<_> = (0..500).map(|_| server.client()).collect();
    for waiter in &mut waiters {
        waiter.send(&["JQ.RESULT", "mail", "a", "BLOCK", "0"]);
    }
    server.wait_for_blocked(500);
    assert_eq!(server.run("JQ.FULFILL mail a 42"), Reply::Int(1));
    for waiter in &mut waiters {
        assert_eq!(waiter.read(), outcome("completed", Some("42")));
    }
    nobody_waits(&server);
}

#[test]
fn all_who_wait_for_a_job_are_told_and_nobody_else() {
    let server = Server::plain();
    let mut client = server.client();
    let ids: Vec<_> = (0..200).map(|n| format!("job-{n}")).collect();
    for id in &ids {
        client.run(&format!("JQ.PUBLISH mail x ID {id}"));
    }
    let mut waiters: Vec<_> = ids
        .iter()
        .flat_map(|id| [id, id])
        .map(|id| {
            let mut waiter = server.client();
            waiter.send(&["JQ.RESULT", "mail", id, "BLOCK", "0"]);
            waiter
        })
        .collect();
    let mut consumer = server.client();
    server.wait_for_blocked(400);
    client.run("JQ.FULFILL mail job-7 seven");
    for waiter in &mut waiters[14..16] {
        assert_eq!(waiter.read(), outcome("completed", Some("seven")));
    }
    assert_eq!(server.blocked_clients(), 398);
    waiters.drain(0..50).for_each(crate::support::Client::hang_up);
    wait_for("those who left", || (server.blocked_clients() <= 350).then_some(()));
    consumer.run("JQ.CONSUME mail COUNT 500");
    client.run("DEL mail");
    waiters[..].iter_mut().for_each(|waiter| assert!(waiter.read().is_nothing()));
    nobody_waits(&server);
}

#[test]
fn who_waits_on_a_demoted_primary_is_sent_away() {
    let primary = Server::plain();
    primary.run("JQ.PUBLISH mail x ID a");
    let mut waiter = waiting(&primary, "JQ.RESULT mail a BLOCK 0");
    primary.run("REPLICAOF 127.0.0.1 1");
    assert_eq!(waiter.read().error_word(), "UNBLOCKED");
    nobody_waits(&primary);
}

#[test]
fn a_replica_answers_at_once() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    primary.run("JQ.PUBLISH mail x ID a");
    replica.catch_up_with(&primary);
    assert_eq!(replica.run("JQ.RESULT mail a BLOCK 0"), outcome("ready", None));
    primary.run("JQ.FULFILL mail a 42 RETAIN FOREVER");
    replica.catch_up_with(&primary);
    assert_eq!(replica.run("JQ.RESULT mail a BLOCK 0"), outcome("completed", Some("42")));
}

#[test]
fn results_survive_a_killed_server() {
    let mut server = Server::start(Options::new().with_aof());
    server.run("JQ.PUBLISH mail x ID a RETAIN FOREVER TYPE t HEADERS 1 h v");
    server.run("JQ.CONSUME mail");
    server.run("JQ.FULFILL mail a@1 42");
    let digest = server.run("JQ.DIGEST mail");
    server.kill_and_restart();
    assert_eq!(server.run("JQ.RESULT mail a BLOCK 0"), outcome("completed", Some("42")));
    assert_eq!(server.run("JQ.DIGEST mail"), digest);
}
