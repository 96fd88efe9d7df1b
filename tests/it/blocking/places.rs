//! A consumer waits for a name, whatever becomes of the key.

use super::{nobody_waits, waiting};
use crate::{
    replies::{bodies, ids, names},
    support::{wait_for, Client, Options, Server},
};

/// How a queue comes to stand where a consumer waits, from one that stands elsewhere. A line that
/// begins with `@` is run in database 1.
const ARRIVALS: &[(&str, &[&str])] = &[
    ("other", &["RENAME other mail"]),
    ("other", &["RENAMENX other mail"]),
    ("other", &["COPY other mail"]),
    ("other", &["MULTI", "DEL mail", "RENAME other mail", "EXEC"]),
    ("@mail", &["@MOVE mail 0"]),
    ("@mail", &["SWAPDB 0 1"]),
    ("@mail", &["SWAPDB 1 0"]),
    ("@elsewhere", &["@COPY elsewhere mail DB 0"]),
];

/// Runs a line in database 0, or in 1 if it begins with `@`.
fn run(client: &mut Client, line: &str) {
    let (db, line) = line.strip_prefix('@').map_or(("0", line), |line| ("1", line));
    let inside = ["EXEC", "MULTI", "DEL mail"].contains(&line) || line.starts_with("RENAME");
    if !inside {
        client.call(&["SELECT", db]);
    }
    client.run(line);
}

fn publish(client: &mut Client, place: &str, options: &str) {
    let (at, name) = place.strip_prefix('@').map_or(("", place), |name| ("@", name));
    run(client, format!("{at}JQ.PUBLISH {name} x ID a {options}").trim_end());
    client.run("SELECT 0");
}

#[test]
fn a_queue_that_arrives_with_a_ready_job_serves_who_waits_there() {
    let server = Server::plain();
    for (from, lines) in ARRIVALS {
        server.run("FLUSHALL");
        let mut client = server.client();
        publish(&mut client, from, "");
        let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
        lines.iter().for_each(|line| run(&mut client, line));
        assert_eq!(ids(&consumer.read()), ["a"], "{lines:?}");
        nobody_waits(&server);
    }
}

#[test]
fn a_queue_that_arrives_with_a_delayed_job_serves_who_waits_there_when_it_is_due() {
    let server = Server::plain();
    for (from, lines) in ARRIVALS {
        server.run("FLUSHALL");
        let mut client = server.client();
        let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
        publish(&mut client, from, "DELAY 100");
        lines.iter().for_each(|line| run(&mut client, line));
        assert_eq!(ids(&consumer.read()), ["a"], "{lines:?}");
        nobody_waits(&server);
    }
}

#[test]
fn a_restored_queue_serves_who_waits_for_it() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH other x ID a");
    let ready = client.run("DUMP other").bytes().to_vec();
    client.run("DEL other");
    client.run("JQ.PUBLISH other x ID a DELAY 100");
    let delayed = client.run("DUMP other").bytes().to_vec();
    for dump in [ready, delayed] {
        client.run("FLUSHALL");
        client.run("JQ.PUBLISH mail x ID b DELAY 600000");
        let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
        client.call(&[&b"RESTORE"[..], b"mail", b"0", &dump, b"REPLACE"]).text();
        assert_eq!(ids(&consumer.read()), ["a"]);
        nobody_waits(&server);
    }
}

#[test]
fn a_queue_that_goes_away_and_comes_back_serves_who_still_waits() {
    let server = Server::plain();
    for lines in [
        &["DEL mail"][..],
        &["UNLINK mail"],
        &["FLUSHALL"],
        &["FLUSHALL ASYNC"],
        &["FLUSHDB"],
        &["FLUSHDB ASYNC"],
        &["PEXPIREAT mail 1000"],
        &["RENAME mail other"],
        &["MOVE mail 1"],
        &["SWAPDB 0 1"],
        &["SWAPDB 0 1", "SWAPDB 0 1"],
        &["SET mail text", "DEL mail"],
        &["DEBUG RELOAD"],
        &["DEL mail", "LPUSH mail x", "DEL mail"],
    ] {
        server.run("FLUSHALL");
        let mut client = server.client();
        client.run("JQ.PUBLISH mail x ID old DELAY 600000");
        let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
        for line in lines {
            client.run(line);
            assert!(consumer.is_waiting(), "{line}");
        }
        client.run("JQ.PUBLISH mail x ID new");
        assert_eq!(ids(&consumer.read()), ["new"], "{lines:?}");
        nobody_waits(&server);
    }
}

#[test]
fn a_queue_that_expires_while_somebody_waits_is_made_anew() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x DELAY 600000");
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    client.run("PEXPIRE mail 20");
    wait_for("the end of the key", || (client.run("EXISTS mail").int() == 0).then_some(()));
    assert!(consumer.is_waiting());
    client.run("JQ.PUBLISH mail x ID a");
    assert_eq!(ids(&consumer.read()), ["a"]);
    nobody_waits(&server);
}

#[test]
fn a_key_of_another_type_serves_nobody_and_sends_nobody_away() {
    let server = Server::plain();
    let mut client = server.client();
    for line in [
        "LPUSH mail x",
        "SET mail x",
        "ZADD mail 1 x",
        "XADD mail * f v",
        "HSET mail f v",
        "RENAME list mail",
        "COPY list mail",
    ] {
        client.run("FLUSHALL");
        client.run("RPUSH list x");
        let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
        client.run(line);
        client.run("JQ.PUBLISH mail x");
        assert!(consumer.is_waiting(), "{line}");
        assert_eq!(client.run("JQ.CONSUME mail BLOCK 0").error_word(), "WRONGTYPE");
        client.run("DEL mail");
        client.run("JQ.PUBLISH mail x ID a");
        assert_eq!(names(&consumer.read()), ["a@1"], "{line}");
        nobody_waits(&server);
    }
}

#[test]
fn a_consumer_of_several_queues_outlives_the_end_of_one() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH b x DELAY 600000");
    let mut consumer = waiting(&server, "JQ.CONSUME a BLOCK 0 ALSO b c");
    client.run("DEL b");
    client.run("LPUSH b x");
    assert!(consumer.is_waiting());
    client.run("JQ.PUBLISH c x ID a");
    assert_eq!(ids(&consumer.read()), ["a"]);
    nobody_waits(&server);
}

#[test]
fn a_consumer_waits_in_the_database_that_it_has_selected() {
    let server = Server::plain();
    let mut consumer = server.client();
    consumer.run("SELECT 1");
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    server.run("JQ.PUBLISH mail zero ID zero");
    assert!(consumer.is_waiting());
    let mut client = server.client();
    client.run("SELECT 1");
    client.run("JQ.PUBLISH mail one ID one DELAY 20");
    assert_eq!(names(&consumer.read()), ["one@1"]);
    assert_eq!(client.run("JQ.LEN mail leased").int(), 1);
    assert_eq!(bodies(&server.run("JQ.PEEK mail")), ["zero"]);
    nobody_waits(&server);
}

#[test]
fn an_evicted_queue_serves_who_still_waits_when_it_is_made_anew() {
    let server = Server::start(Options::new().with("--maxmemory-policy allkeys-random"));
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x DELAY 600000");
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    client.run("CONFIG SET maxmemory 1");
    client.run("SET other x");
    client.run("CONFIG SET maxmemory 0");
    wait_for("the eviction", || (client.run("EXISTS mail").int() == 0).then_some(()));
    assert!(consumer.is_waiting());
    client.run("JQ.PUBLISH mail x ID a");
    assert_eq!(ids(&consumer.read()), ["a"]);
    nobody_waits(&server);
}
