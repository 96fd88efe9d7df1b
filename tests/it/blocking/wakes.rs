//! What makes a job takeable wakes a consumer that waits for one.

use super::{nobody_waits, waiting};
use crate::{
    replies::{bodies, names},
    support::Server,
};

/// Prepares a queue `mail`, lets a consumer wait, runs the rest, and expects this receipt.
#[track_caller]
fn wakes(server: &Server, before: &[&str], then: &[&str], receipt: &str) {
    server.run("FLUSHALL");
    let mut client = server.client();
    before.iter().for_each(|line| drop(client.run(line)));
    let mut consumer = waiting(server, "JQ.CONSUME mail BLOCK 0");
    for line in then {
        assert!(consumer.is_waiting(), "{then:?}: before {line}");
        client.run(line);
    }
    assert_eq!(names(&consumer.read()), [receipt], "{then:?}");
    nobody_waits(server);
}

/// A job `a` that is leased.
const LEASED: &[&str] = &["JQ.PUBLISH mail x ID a BACKOFF none", "JQ.CONSUME mail TTR 600000"];

/// A job `a` that is dead.
const DEAD: &[&str] = &["JQ.PUBLISH mail x ID a", "JQ.BURY mail a"];

/// A job `a` that waits for an instant.
const DELAYED: &[&str] = &["JQ.PUBLISH mail x ID a DELAY 600000"];

#[test]
fn publishing_does() {
    let server = Server::plain();
    wakes(&server, &[], &["JQ.PUBLISH mail x ID a"], "a@1");
    wakes(&server, DELAYED, &["JQ.PUBLISH mail x ID b"], "b@1");
    wakes(&server, LEASED, &["JQ.PUBLISH mail x ID b"], "b@2");
    wakes(&server, DEAD, &["JQ.PUBLISH mail x ID b"], "b@1");

    let mut consumer = waiting(&server, "JQ.CONSUME new BLOCK 0");
    server.run("JQ.MPUBLISH new 2 a b");
    assert_eq!(bodies(&consumer.read()), ["a"]);
    nobody_waits(&server);
}

#[test]
fn time_does() {
    let server = Server::plain();
    wakes(&server, &[], &["JQ.PUBLISH mail x ID a DELAY 20"], "a@1");
    wakes(&server, LEASED, &["JQ.TOUCH mail TTR 20 a"], "a@2");
    wakes(&server, LEASED, &["JQ.NACK mail a DELAY 20"], "a@2");
    wakes(&server, LEASED, &["JQ.RELEASE mail a DELAY 20"], "a@2");
    wakes(&server, DEAD, &["JQ.RESPAWN mail ALL DELAY 20"], "a@1");
}

#[test]
fn settling_does() {
    let server = Server::plain();
    wakes(&server, LEASED, &["JQ.NACK mail a"], "a@2");
    wakes(&server, LEASED, &["JQ.NACK mail a@1 DELAY 0"], "a@2");
    wakes(&server, LEASED, &["JQ.RELEASE mail a"], "a@2");
}

#[test]
fn operators_do() {
    let server = Server::plain();
    wakes(&server, DELAYED, &["JQ.KICK mail ID a"], "a@1");
    wakes(&server, DELAYED, &["JQ.KICK mail COUNT 5"], "a@1");
    wakes(&server, DEAD, &["JQ.RESPAWN mail ID a"], "a@1");
    wakes(&server, DEAD, &["JQ.RESPAWN mail ALL"], "a@1");
    wakes(&server, DEAD, &["JQ.RESPAWN mail COUNT 1 TRIES 3"], "a@1");
}

#[test]
fn the_end_of_a_pause_does_and_nothing_does_before() {
    let server = Server::plain();
    let meanwhile = ["JQ.PAUSE mail OUT", "JQ.PUBLISH mail x ID b", "JQ.RELEASE mail a"];
    let resumed = [&meanwhile[..], &["JQ.RESUME mail"]].concat();
    wakes(&server, LEASED, &resumed, "a@2");
    let ends = [&meanwhile[..], &["JQ.PAUSE mail OUT FOR 20"]].concat();
    wakes(&server, LEASED, &ends, "a@2");
}

#[test]
fn transactions_and_scripts_do() {
    let server = Server::plain();
    let publish = ["MULTI", "JQ.PUBLISH mail x ID a", "JQ.PUBLISH mail x ID b", "EXEC"];
    wakes(&server, &[], &publish, "a@1");

    server.run("FLUSHALL");
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    let mut client = server.client();
    let script = "redis.call('JQ.PUBLISH', KEYS[1], 'x', 'ID', 'a') return 7";
    assert_eq!(client.call(&["EVAL", script, "1", "mail"]).int(), 7);
    assert_eq!(names(&consumer.read()), ["a@1"]);
    nobody_waits(&server);
}

#[test]
fn a_job_that_a_transaction_takes_itself_wakes_nobody() {
    let server = Server::plain();
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    let mut client = server.client();
    client.run("MULTI");
    client.run("JQ.PUBLISH mail x ID a DELAY 600000");
    client.run("JQ.DELETE mail a");
    client.run("JQ.PUBLISH mail x ID b DELAY 600000");
    client.run("EXEC");
    assert!(consumer.is_waiting());
    client.run("JQ.KICK mail ID b");
    assert_eq!(names(&consumer.read()), ["b@1"]);
    nobody_waits(&server);
}

#[test]
fn what_makes_nothing_takeable_does_not() {
    let server = Server::plain();
    let mut client = server.client();
    let all = [LEASED, &["JQ.PUBLISH mail x ID b", "JQ.BURY mail b"]].concat();
    all.iter().for_each(|line| drop(client.run(line)));
    client.run("JQ.PUBLISH mail x ID c DELAY 600000");
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    for line in [
        "JQ.TOUCH mail a",
        "JQ.PUBLISH fax x",
        "JQ.CONFIG mail SET tries 3",
        "JQ.PUBLISH mail x ID c",
        "JQ.PUBLISH mail x DELAY 600000",
        "JQ.NACK mail a DELAY 600000",
        "JQ.KICK mail ID missing",
        "JQ.DELETE mail a",
        "EXPIRE mail 1000",
        "PERSIST mail",
        "JQ.PEEK mail",
    ] {
        client.run(line);
        assert!(consumer.is_waiting(), "{line}");
    }
    client.run("JQ.RESPAWN mail ID b");
    assert_eq!(names(&consumer.read()), ["b@2"]);
    nobody_waits(&server);
}

#[test]
fn a_job_that_expires_meanwhile_is_not_delivered() {
    let server = Server::plain();
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    let mut client = server.client();
    client.run("JQ.PUBLISH mail short ID a TTL 20 DELAY 20");
    client.run("JQ.PUBLISH mail long ID b DELAY 30");
    assert_eq!(names(&consumer.read()), ["b@1"]);
    nobody_waits(&server);
}
