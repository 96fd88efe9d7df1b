//! What a queue tells of its changes: `JQ.EVENTS`, the trail of a job, and who listens.

use std::collections::BTreeSet;

use crate::{
    replies::names,
    support::{likeness, wait_for, Client, Options, Reply, Server},
};

/// A server with the queue `mail`, which keeps so many events; the setting is the first of them.
fn keeping(events: u32) -> Server {
    let server = Server::plain();
    server.run(&format!("JQ.CONFIG mail SET events {events}"));
    server
}

/// A word or `-`.
fn word(field: &Reply) -> String {
    match field {
        Reply::Null => "-".to_owned(),
        field => field.text(),
    }
}

/// The events of an answer: what, which job, from where, to where, whose.
#[track_caller]
fn lines(answer: &Reply) -> Vec<String> {
    let line = |event: &Reply| {
        let fields = ["event", "id", "from", "to", "worker"].map(|name| word(&event.field(name)));
        fields.join(" ")
    };
    answer.items()[2].items().iter().map(line).collect()
}

/// What an answer says beside its events: the cursor, and how many are missing.
#[track_caller]
fn edges(answer: &Reply) -> (i64, i64) {
    (answer.items()[0].int(), answer.items()[1].int())
}

/// A client that waits for what this line asks.
fn waiting(server: &Server, line: &str) -> Client {
    let blocked = server.blocked_clients();
    let mut client = server.client();
    client.send(&line.split(' ').collect::<Vec<_>>());
    server.wait_for_blocked(blocked + 1);
    client
}

#[test]
fn a_reader_goes_from_cursor_to_cursor_and_sees_all_that_happens() {
    let server = keeping(1000);
    server.run("JQ.PUBLISH mail x ID a RETAIN FOREVER");
    server.run("JQ.PUBLISH mail x ID b DELAY 3600000");
    let first = server.run("JQ.EVENTS mail COUNT 2");
    assert_eq!(edges(&first), (2, 0));
    assert_eq!(lines(&first), ["configured - - - -", "published a - ready -"]);
    let receipt = names(&server.run("JQ.CONSUME mail WORKER anna")).remove(0);
    server.run(&format!("JQ.ACK mail {receipt}"));
    server.run("JQ.KICK mail ID b");
    server.run("JQ.DELETE mail b");
    let second = server.run("JQ.EVENTS mail SINCE 2");
    assert_eq!(edges(&second), (7, 0));
    let expected = [
        "published b - delayed -",
        "leased a ready leased anna",
        "acked a leased completed anna",
        "kicked b delayed ready -",
        "deleted b ready - -",
    ];
    assert_eq!(lines(&second), expected);
    let numbers = second.items()[2].items().iter().map(|event| event.field("number").int());
    assert!(numbers.eq(3..=7));
    let none = server.run("JQ.EVENTS mail SINCE 7");
    assert_eq!((edges(&none), lines(&none)), ((7, 0), Vec::new()));
    let none = server.run("JQ.EVENTS mail SINCE $");
    assert_eq!((edges(&none), lines(&none)), ((7, 0), Vec::new()));
}

#[test]
fn a_reader_that_comes_too_late_is_told_how_much_it_has_missed() {
    let server = keeping(3);
    (0..9).for_each(|_| drop(server.run("JQ.PUBLISH mail x")));
    assert_eq!(edges(&server.run("JQ.EVENTS mail SINCE 2")), (10, 5));
    assert_eq!(edges(&server.run("JQ.EVENTS mail SINCE 2 COUNT 1")), (8, 5));
    assert_eq!(edges(&server.run("JQ.EVENTS mail SINCE 7")), (10, 0));
    assert_eq!(edges(&server.run("JQ.EVENTS mail")), (10, 0), "who begins has missed nothing");
    server.run("JQ.CONFIG mail SET events 1");
    assert_eq!(edges(&server.run("JQ.EVENTS mail SINCE 10")), (11, 0));
    assert_eq!(edges(&server.run("JQ.EVENTS mail SINCE 9")), (11, 1));

    let of_another = server.run("JQ.EVENTS mail SINCE 12");
    assert_eq!((edges(&of_another), lines(&of_another).len()), ((11, -1), 1));
    assert_eq!(edges(&server.run("JQ.EVENTS mail SINCE 12 BLOCK 0")), (11, -1), "and at once");

    server.run("JQ.CONFIG mail SET events 0");
    server.run("JQ.PUBLISH mail x");
    server.run("JQ.CONFIG mail SET events 3");
    assert_eq!(edges(&server.run("JQ.EVENTS mail SINCE 11")), (13, 1), "who knows how much");
    assert_eq!(edges(&server.run("JQ.EVENTS mail SINCE 12")), (13, 0));
}

#[test]
fn a_queue_without_a_ring_says_so_and_one_that_is_not_there_is_null() {
    let server = Server::plain();
    assert!(server.run("JQ.EVENTS mail").is_nothing());
    assert!(server.run("JQ.EVENTS mail BLOCK 0").is_nothing());
    server.run("JQ.PUBLISH mail x");
    let refused = "WRONGSTATE the queue keeps no events, see JQ.CONFIG queue SET events";
    assert_eq!(server.run("JQ.EVENTS mail").error(), refused);
    assert_eq!(server.run("JQ.EVENTS mail SINCE $ BLOCK 0").error(), refused);
    server.run("SET text x");
    assert_eq!(server.run("JQ.EVENTS text BLOCK 0").error_word(), "WRONGTYPE");
    let too_many = server.run("JQ.CONFIG mail SET events 1000001");
    assert_eq!(too_many.error_word(), "RANGE");
    assert_eq!(server.run("JQ.CONFIG mail SET trail 17").error_word(), "RANGE");
}

#[test]
fn who_waits_is_woken_by_whatever_brings_an_event() {
    let server = keeping(1000);
    server.run("JQ.PUBLISH mail x ID b DELAY 3600000 TTR 20");
    let told = |line: &str| {
        let mut reader = waiting(&server, "JQ.EVENTS mail SINCE $ BLOCK 0");
        assert!(reader.is_waiting());
        server.run(line);
        lines(&reader.read())
    };
    assert_eq!(told("JQ.PUBLISH mail x ID a"), ["published a - ready -"]);
    assert_eq!(told("JQ.DELETE mail a"), ["deleted a ready - -"]);
    assert_eq!(told("JQ.UPDATE mail b DELAY 30"), ["updated b delayed delayed -"]);
    let mut reader = server.client();
    let due = reader.run("JQ.EVENTS mail SINCE 5 BLOCK 0");
    assert_eq!(lines(&due), ["due b delayed ready -"], "by the timer");
    assert_eq!(told("JQ.CONSUME mail WORKER anna"), ["leased b ready leased anna"]);
    let lapsed = reader.run("JQ.EVENTS mail SINCE 7 BLOCK 0");
    assert_eq!(lines(&lapsed), ["lapsed b leased ready anna"], "by the timer");
    assert_eq!(told("JQ.PAUSE mail"), ["paused - - - -"]);
}

#[test]
fn a_lease_that_is_extended_wakes_nobody() {
    let server = keeping(1000);
    server.run("JQ.PUBLISH mail x ID a TTR 3600000");
    server.run("JQ.CONSUME mail");
    let mut reader = waiting(&server, "JQ.EVENTS mail SINCE $ BLOCK 0");
    server.run("JQ.TOUCH mail a");
    server.run("JQ.PUBLISH other x");
    assert!(reader.is_waiting());
    server.run("JQ.ACK mail a");
    assert_eq!(lines(&reader.read()), ["acked a leased - -"]);
}

#[test]
fn all_who_wait_are_woken_by_one_event() {
    let server = keeping(1000);
    let line = "JQ.EVENTS mail SINCE 1 BLOCK 0";
    let mut readers: Vec<_> = (0..200).map(|_| server.client()).collect();
    let words: Vec<_> = line.split(' ').collect();
    readers.iter_mut().for_each(|reader| reader.send(&words));
    server.wait_for_blocked(200);
    let mut later = waiting(&server, "JQ.EVENTS mail SINCE $ COUNT 1 BLOCK 3600000");
    server.run("JQ.MPUBLISH mail 3 x y z");
    for reader in &mut readers {
        assert_eq!(edges(&reader.read()), (4, 0));
    }
    assert_eq!(edges(&later.read()), (2, 0));
    server.wait_for_blocked(0);
}

#[test]
fn a_transaction_tells_nothing_before_it_is_done() {
    let server = keeping(1000);
    let mut reader = waiting(&server, "JQ.EVENTS mail SINCE $ BLOCK 0");
    let mut client = server.client();
    for line in
        ["MULTI", "JQ.PUBLISH mail x ID a", "JQ.DELETE mail a", "JQ.EVENTS mail SINCE 3 BLOCK 0"]
    {
        client.run(line);
    }
    let done = client.run("EXEC");
    assert_eq!(edges(&done.items()[2]), (3, 0), "and does not wait");
    assert_eq!(lines(&reader.read()), ["published a - ready -", "deleted a ready - -"]);
    let in_a_script = "EVAL return{redis.call('jq.events','mail','since','3','block','0')[1]} 0";
    assert_eq!(server.run(in_a_script).items()[0], Reply::Int(3));
}

#[test]
fn who_waits_in_vain_is_answered_with_nothing_and_its_cursor() {
    let server = keeping(1000);
    let mut client = server.client();
    let answer = client.run("JQ.EVENTS mail SINCE 1 BLOCK 10");
    assert_eq!((edges(&answer), lines(&answer)), ((1, 0), Vec::new()));

    waiting(&server, "JQ.EVENTS mail SINCE 1 BLOCK 0").hang_up();
    server.wait_for_blocked(0);
    let mut named = server.client();
    let id = named.run("CLIENT ID").int();
    named.send(&["JQ.EVENTS", "mail", "SINCE", "1", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    server.run(&format!("CLIENT UNBLOCK {id}"));
    assert_eq!(edges(&named.read()), (1, 0));
    let mut reader = waiting(&server, "JQ.EVENTS mail SINCE 1 BLOCK 0");
    server.run("JQ.PUBLISH mail x");
    assert_eq!(edges(&reader.read()), (2, 0), "nobody stands in the way");
}

#[test]
fn who_waits_hears_that_the_queue_goes_or_becomes_another() {
    let server = Server::plain();
    for line in [
        "DEL mail",
        "UNLINK mail",
        "FLUSHALL",
        "FLUSHDB ASYNC",
        "SET mail text",
        "RENAME mail elsewhere",
        "MOVE mail 3",
        "SWAPDB 0 3",
    ] {
        server.run("FLUSHALL");
        server.run("JQ.CONFIG mail SET events 10");
        let mut reader = waiting(&server, "JQ.EVENTS mail SINCE $ BLOCK 0");
        server.run(line);
        let told = reader.read();
        let is_wrong = matches!(&told, Reply::Error(line) if line.starts_with("WRONGTYPE"));
        assert!(told.is_nothing() || is_wrong, "{line}: {told:?}");
    }
    server.run("FLUSHALL");
    server.run("JQ.CONFIG mail SET events 10");
    server.run("JQ.CONFIG other SET events 10");
    server.run("JQ.CONFIG other SET tries 3");
    let mut reader = waiting(&server, "JQ.EVENTS mail SINCE $ BLOCK 0");
    server.run("RENAME other mail");
    assert_eq!(edges(&reader.read()), (2, 0), "what is there now");
    let mut reader = waiting(&server, "JQ.EVENTS mail SINCE $ BLOCK 0");
    server.run("JQ.CONFIG mail SET events 0");
    assert_eq!(reader.read().error_word(), "WRONGSTATE");
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}

#[test]
fn cursors_go_on_after_a_restart_and_a_failover() {
    let mut server = Server::start(Options::new().with_aof());
    server.run("JQ.CONFIG mail SET events 10 trail 4");
    server.run("JQ.PUBLISH mail x ID a TTR 3600000");
    server.run("JQ.CONSUME mail WORKER anna");
    let told = server.run("JQ.EVENTS mail");
    let trail = server.run("JQ.JOB mail a TRACE");
    server.kill_and_restart();
    assert_eq!(server.run("JQ.EVENTS mail"), told, "from the log");
    likeness::rewrite_log(&server);
    server.kill_and_restart();
    assert_eq!(server.run("JQ.EVENTS mail"), told, "from the snapshot in it");
    assert_eq!(server.run("JQ.JOB mail a TRACE"), trail);

    let replica = Server::replica_of(&server);
    replica.catch_up_with(&server);
    assert_eq!(replica.run("JQ.EVENTS mail"), told, "a replica tells the same");
    assert_eq!(edges(&replica.run("JQ.EVENTS mail SINCE 3 BLOCK 0")), (3, 0), "and does not wait");
    server.run("JQ.RELEASE mail a");
    replica.catch_up_with(&server);
    likeness::assert_replica_is_alike(&server, &replica);
    replica.run("REPLICAOF NO ONE");
    let mut reader = waiting(&replica, "JQ.EVENTS mail SINCE 4 BLOCK 0");
    replica.run("JQ.BURY mail a");
    let told = reader.read();
    assert_eq!((edges(&told), lines(&told)), ((5, 0), vec!["buried a ready dead -".to_owned()]));
}

#[test]
fn a_job_tells_its_last_changes() {
    let server = Server::plain();
    server.run("JQ.CONFIG mail SET trail 3");
    server.run("JQ.PUBLISH mail x ID a");
    let receipt = names(&server.run("JQ.CONSUME mail WORKER anna")).remove(0);
    server.run(&format!("JQ.NACK mail {receipt} DELAY 0"));
    server.run("JQ.BURY mail a");
    let told = server.run("JQ.JOB mail a TRACE");
    let line = |step: &Reply| {
        let fields = ["event", "from", "to", "worker"].map(|name| word(&step.field(name)));
        assert!(step.field("at").int() > 1_700_000_000_000);
        fields.join(" ")
    };
    let lines: Vec<_> = told.items().iter().map(line).collect();
    assert_eq!(
        lines,
        ["leased ready leased anna", "nacked leased ready anna", "buried ready dead -"]
    );
    assert!(server.run("JQ.JOB mail b TRACE").is_nothing());
    assert!(server.run("JQ.JOB nothing b TRACE").is_nothing());
    assert_eq!(server.run("JQ.JOB mail a TRACE TRACE").error_word(), "SYNTAX");
}

/// A client that hears of what happens to this key, by these classes of events.
fn listener(server: &Server, classes: &str, key: &str) -> Client {
    assert_eq!(server.run(&format!("CONFIG SET notify-keyspace-events {classes}")).text(), "OK");
    let mut client = server.client();
    client.call(&["SUBSCRIBE", &format!("__keyspace@0__:{key}")]);
    client
}

#[track_caller]
fn heard(listener: &mut Client) -> String {
    listener.read().items()[2].text()
}

#[test]
fn who_listens_to_keyspace_events_hears_of_each_change() {
    let server = Server::plain();
    let mut client = listener(&server, "Kd", "mail");
    server.run("JQ.MPUBLISH mail 2 x y TTR 20");
    for event in ["created", "published", "published"] {
        assert_eq!(heard(&mut client), format!("jq.{event}"));
    }
    let receipt = names(&server.run("JQ.CONSUME mail TTR 3600000")).remove(0);
    server.run(&format!("JQ.TOUCH mail {receipt}"));
    server.run(&format!("JQ.ACK mail {receipt}"));
    server.run("JQ.PUBLISH mail z ID c DELAY 30");
    for event in ["leased", "acked", "published", "due"] {
        assert_eq!(heard(&mut client), format!("jq.{event}"));
    }
    server.run("JQ.CONSUME mail");
    assert_eq!(heard(&mut client), "jq.leased");
    assert_eq!(heard(&mut client), "jq.lapsed", "by the timer");
    server.run("EVAL redis.call('jq.pause','mail')redis.call('jq.resume','mail') 0");
    server.run("JQ.CONFIG mail SET tries 3");
    server.run("JQ.PURGE mail ready");
    for event in ["paused", "resumed", "configured", "purged", "purged"] {
        assert_eq!(heard(&mut client), format!("jq.{event}"));
    }
    server.run("DEL mail");
    assert_eq!(heard(&mut client), "jq.removed");

    for deaf in ["KEg$", "d"] {
        assert_eq!(server.run(&format!("CONFIG SET notify-keyspace-events {deaf}")).text(), "OK");
        server.run("JQ.PUBLISH mail x");
    }
    server.run("CONFIG SET notify-keyspace-events Kd");
    server.run("JQ.PAUSE mail");
    assert_eq!(heard(&mut client), "jq.paused", "and of nothing while they were off");
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}

#[test]
fn replicas_tell_the_changes_that_they_repeat() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut client = listener(&replica, "Kd", "mail");
    primary.run("JQ.PUBLISH mail x ID a DELAY 20");
    for event in ["created", "published", "due"] {
        assert_eq!(heard(&mut client), format!("jq.{event}"));
    }
    primary.run("JQ.CONSUME mail");
    primary.run("JQ.ACK mail a");
    for event in ["leased", "acked"] {
        assert_eq!(heard(&mut client), format!("jq.{event}"));
    }
    replica.catch_up_with(&primary);
    likeness::assert_replica_is_alike(&primary, &replica);
}

#[test]
fn who_listens_hears_of_queues_that_come_and_go() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("SUBSCRIBE jobq:queues");
    let mut other = server.client();
    for line in [
        "JQ.ACK mail a",
        "JQ.PUBLISH mail x",
        "JQ.PUBLISH mail y",
        "SELECT 3",
        "JQ.CONFIG fax SET idle-expire 10",
    ] {
        other.run(line);
    }
    assert_eq!(heard(&mut client), "created 0 mail");
    assert_eq!(heard(&mut client), "created 3 fax");
    assert_eq!(heard(&mut client), "removed 3 fax", "it was idle");
    server.run("RENAME mail post");
    assert_eq!(heard(&mut client), "removed 0 mail");
    assert_eq!(heard(&mut client), "created 0 post");
    let dump = server.run("DUMP post");
    other.run("SELECT 0");
    other.call(&[b"RESTORE" as &[u8], b"post", b"0", dump.bytes(), b"REPLACE"]);
    server.run("UNLINK post");
    assert_eq!(heard(&mut client), "removed 0 post", "once: one that is replaced is there");
    server.run("JQ.PUBLISH mail x");
    server.run("PEXPIRE mail 1");
    assert_eq!(heard(&mut client), "created 0 mail");
    wait_for("the key's end", || (server.run("EXISTS mail") == Reply::Int(0)).then_some(()));
    assert_eq!(heard(&mut client), "removed 0 mail");
    assert_eq!(server.run("JQ.QUEUES").items()[1], Reply::Array(Vec::new()));
}

/// A client that hears of queues, and what it has heard of them put together: which there are.
struct Follower {
    client: Client,
    queues: BTreeSet<String>,
}

impl Follower {
    fn of(server: &Server) -> Self {
        let mut client = server.client();
        client.run("SUBSCRIBE jobq:queues");
        Self { client, queues: BTreeSet::new() }
    }

    /// Hears of exactly this, in any order, and of nothing that it knew.
    #[track_caller]
    fn hear(&mut self, messages: &[&str]) {
        let mut told: Vec<_> = messages.iter().map(|_| heard(&mut self.client)).collect();
        for message in &told {
            let is_news = match message.split_once(' ').expect("a word and a place") {
                ("created", place) => self.queues.insert(place.into()),
                (_, place) => self.queues.remove(place),
            };
            assert!(is_news, "{message}");
        }
        told.sort_unstable();
        let mut expected = messages.to_vec();
        expected.sort_unstable();
        assert_eq!(told, expected);
    }
}

#[test]
fn who_follows_queues_loses_none_that_is_brought_to_a_key_by_the_server() {
    let server = Server::plain();
    let mut follower = Follower::of(&server);
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x");
    follower.hear(&["created 0 mail"]);
    client.run("RENAME mail post");
    follower.hear(&["removed 0 mail", "created 0 post"]);
    client.run("COPY post fax");
    follower.hear(&["created 0 fax"]);
    client.run("COPY post telex DB 3");
    follower.hear(&["created 3 telex"]);
    client.run("MOVE fax 2");
    follower.hear(&["removed 0 fax", "created 2 fax"]);
    let dump = client.run("DUMP post");
    client.call(&[b"RESTORE" as &[u8], b"cable", b"0", dump.bytes()]);
    follower.hear(&["created 0 cable"]);
    // Nothing new: these keys had a queue, and have one.
    client.run("COPY post cable REPLACE");
    client.call(&[b"RESTORE" as &[u8], b"cable", b"0", dump.bytes(), b"REPLACE"]);
    client.run("RENAME cable post");
    follower.hear(&["removed 0 cable"]);
    // Over something else, one is new; and none comes of something else.
    client.run("SET cable x");
    client.run("RENAME post cable");
    follower.hear(&["removed 0 post", "created 0 cable"]);
    client.run("SET text x");
    client.run("RENAME text post");
    client.run("RENAME post cable");
    follower.hear(&["removed 0 cable"]);
    for line in ["MULTI", "JQ.PUBLISH a x", "COPY a b", "RENAME b c", "EXEC"] {
        client.run(line);
    }
    client.run("JQ.PUBLISH last x");
    let mut told: Vec<_> = std::iter::from_fn(|| Some(heard(&mut follower.client)))
        .take_while(|message| message != "created 0 last")
        .collect();
    // How long there was a `b` nobody could have seen.
    told.retain(|message| !message.ends_with(" b"));
    assert_eq!(told, ["created 0 a", "created 0 c"]);
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}

#[test]
fn who_follows_queues_is_told_of_those_that_are_flushed_or_swapped() {
    let server = Server::plain();
    let mut follower = Follower::of(&server);
    let mut client = server.client();
    for line in ["JQ.PUBLISH mail x", "JQ.PUBLISH fax x", "SELECT 1", "JQ.PUBLISH mail x"] {
        client.run(line);
    }
    follower.hear(&["created 0 mail", "created 0 fax", "created 1 mail"]);
    client.run("SWAPDB 0 1");
    follower.hear(&["removed 0 fax", "created 1 fax"]);
    client.run("SWAPDB 1 1");
    client.run("FLUSHDB");
    follower.hear(&["removed 1 mail", "removed 1 fax"]);
    client.run("JQ.PUBLISH post x");
    follower.hear(&["created 1 post"]);
    // What is there as before is told of by nobody.
    client.run("DEBUG RELOAD");
    client.run("FLUSHALL ASYNC");
    follower.hear(&["removed 0 mail", "removed 1 post"]);
    // More of them than one step tells of.
    let names: Vec<_> = (0..300).map(|n| format!("q{n}")).collect();
    for name in &names {
        client.run(&format!("JQ.PUBLISH {name} x"));
    }
    let told = |word: &str| names.iter().map(|name| format!("{word} 1 {name}")).collect::<Vec<_>>();
    follower.hear(&told("created").iter().map(String::as_str).collect::<Vec<_>>());
    client.run("FLUSHALL");
    follower.hear(&told("removed").iter().map(String::as_str).collect::<Vec<_>>());
    assert!(follower.queues.is_empty());
}

#[test]
fn a_replica_tells_nobody_which_queues_come_and_go() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut follower = Follower::of(&replica);
    for line in ["JQ.PUBLISH mail x", "RENAME mail post", "COPY post fax", "SWAPDB 0 1", "FLUSHALL"]
    {
        primary.run(line);
    }
    replica.catch_up_with(&primary);
    replica.run("REPLICAOF NO ONE");
    replica.run("JQ.PUBLISH own x");
    follower.hear(&["created 0 own"]);
    replica.run("RENAME own mine");
    follower.hear(&["removed 0 own", "created 0 mine"]);
}
