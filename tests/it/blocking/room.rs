//! Publishers that wait for room: `JQ.PUBLISH … BLOCK` and `JQ.MPUBLISH … BLOCK`.

use super::{known, nobody_waits, waiters, waiting};
use crate::{
    replies::{bodies, lengths, names, ok, stat},
    support::{wait_for, Client, Options, Reply, Server},
};

/// Makes a queue that holds two jobs at most, and these: `a` and `b`.
fn fill(server: &Server) {
    server.run("FLUSHALL");
    assert_eq!(server.run("JQ.CONFIG mail SET maxlen 2"), ok());
    server.run("JQ.PUBLISH mail x ID a TTR 600000");
    server.run("JQ.PUBLISH mail x ID b TTR 600000");
}

/// The ids of the ready jobs of `mail`.
fn ready(server: &Server) -> Vec<String> {
    let page = server.run("JQ.LIST mail ready COUNT 1000");
    page.items()[1].items().iter().map(|job| job.field("id").text()).collect()
}

#[test]
fn whatever_makes_room_lets_a_publisher_that_waits_publish() {
    let server = Server::plain();
    for lines in [
        &["JQ.CONSUME mail", "JQ.ACK mail a@1"][..],
        &["JQ.FULFILL mail a 42"],
        &["JQ.FULFILL mail a 42 RETAIN 10"],
        &["JQ.DELETE mail a"],
        &["JQ.CANCEL mail a"],
        &["JQ.CONSUME mail", "JQ.CANCEL mail a", "JQ.RELEASE mail a"],
        &["JQ.PURGE mail ready"],
        &["JQ.UPDATE mail a TTL 10"],
        &["JQ.CONFIG mail SET dead-max 1", "JQ.BURY mail a b"],
        &["JQ.CONFIG mail SET dead-age 10", "JQ.BURY mail a"],
        &["JQ.CONFIG mail SET maxlen 3"],
        &["JQ.CONFIG mail SET maxlen 0"],
        &["EVAL return{redis.call('jq.delete','mail','a')} 0"],
        &["DEL mail"],
        &["UNLINK mail"],
        &["PEXPIRE mail 1", "EXISTS mail"],
        &["RENAME mail elsewhere"],
        &["MOVE mail 3"],
        &["SWAPDB 0 3"],
        &["FLUSHDB"],
        &["FLUSHALL ASYNC"],
        &["JQ.PUBLISH fax x", "RENAME fax mail"],
    ] {
        fill(&server);
        let mut publisher = waiting(&server, "JQ.PUBLISH mail y ID late BLOCK 0");
        let [before @ .., last] = lines else { panic!("no lines") };
        for line in before {
            server.run(line);
            assert!(publisher.is_waiting(), "after {line} of {lines:?}");
        }
        server.run(last);
        let mut client = server.client();
        if last.starts_with("EXISTS") {
            wait_for("the key to be over its time", || {
                (client.run(last) == Reply::Int(0) || !publisher.is_waiting()).then_some(())
            });
        }
        assert_eq!(publisher.read().text(), "late", "{lines:?}");
        assert!(ready(&server).contains(&"late".to_owned()), "{lines:?}");
        nobody_waits(&server);
    }
}

#[test]
fn a_publisher_whose_time_is_over_is_told_what_it_would_have_been_told_without_waiting() {
    let server = Server::plain();
    fill(&server);
    let at_once = server.run("JQ.PUBLISH mail y");
    assert_eq!(at_once.error_word(), "FULL");
    assert_eq!(server.run("JQ.PUBLISH mail y BLOCK 10"), at_once);
    assert_eq!(server.run("JQ.MPUBLISH mail 2 y z BLOCK 10"), at_once);
    assert_eq!(server.info("jobq", "jobq_waiters_timed_out"), "2");
    nobody_waits(&server);
    server.run("JQ.PURGE mail ready");
    assert_eq!(server.run("JQ.LEN mail"), Reply::Int(0), "and nothing is published");
}

#[test]
fn where_there_is_room_a_publisher_does_not_wait() {
    let server = Server::plain();
    assert_eq!(server.run("JQ.PUBLISH mail x ID a BLOCK 0").text(), "a");
    server.run("JQ.CONFIG mail SET maxlen 3");
    assert_eq!(server.run("JQ.MPUBLISH mail 2 x y BLOCK 0").items().len(), 2);
    assert_eq!(server.run("JQ.PUBLISH mail x REPLACES a ID b BLOCK 0").text(), "b");
}

#[test]
fn publishers_are_served_first_come_first_served_each_with_all_or_nothing() {
    let server = Server::plain();
    fill(&server);
    let mut first = waiting(&server, "JQ.PUBLISH mail y ID first BLOCK 0");
    let mut two = waiting(&server, "JQ.MPUBLISH mail 2 y z BLOCK 0");
    let mut last = waiting(&server, "JQ.PUBLISH mail y ID last BLOCK 0");
    server.run("JQ.DELETE mail a");
    assert_eq!(first.read().text(), "first");
    server.run("JQ.DELETE mail b");
    assert_eq!(server.run("JQ.LEN mail"), Reply::Int(1), "one place is too little for two");
    assert!(two.is_waiting() && last.is_waiting());
    server.run("JQ.DELETE mail first");
    assert_eq!(two.read().items().len(), 2);
    assert!(last.is_waiting());
    server.run("JQ.CONSUME mail");
    assert!(last.is_waiting(), "a leased job takes its place too");
    server.run("JQ.PURGE mail leased");
    assert_eq!(last.read().text(), "last");
    assert_eq!(bodies(&server.run("JQ.PEEK mail COUNT 9")), ["z", "y"]);
    nobody_waits(&server);
}

#[test]
fn who_waits_is_not_overtaken_by_others_who_would_wait() {
    let server = Server::plain();
    fill(&server);
    let mut two = waiting(&server, "JQ.MPUBLISH mail 2 y z BLOCK 0");
    server.run("JQ.DELETE mail a");
    let mut late = waiting(&server, "JQ.PUBLISH mail y ID late BLOCK 0");
    assert!(two.is_waiting() && late.is_waiting(), "though there is room for one");
    assert_eq!(server.run("JQ.PUBLISH mail y BLOCK 10").error_word(), "FULL");
    assert_eq!(server.run("JQ.PUBLISH mail y ID quick").text(), "quick", "who does not wait tries");
    server.run("JQ.DELETE mail b quick");
    assert_eq!(two.read().items().len(), 2);
    assert!(late.is_waiting());
    server.run("JQ.PURGE mail ready COUNT 1");
    assert_eq!(late.read().text(), "late");
}

#[test]
fn when_the_first_in_line_leaves_the_next_may_find_room() {
    let server = Server::plain();
    for how in ["timeout", "unblock", "kill", "hang up"] {
        fill(&server);
        let block = if how == "timeout" { 150 } else { 0 };
        let (mut two, id) = known(&server, &format!("JQ.MPUBLISH mail 2 y z BLOCK {block}"));
        let mut next = waiting(&server, "JQ.PUBLISH mail y ID next BLOCK 0");
        server.run("JQ.DELETE mail a");
        match how {
            "timeout" => assert_eq!(two.read().error_word(), "FULL"),
            "unblock" => {
                server.run(&format!("CLIENT UNBLOCK {id}"));
                assert_eq!(two.read().error_word(), "FULL");
            }
            "kill" => drop(server.run(&format!("CLIENT KILL ID {id}"))),
            _ => two.hang_up(),
        }
        assert_eq!(next.read().text(), "next", "{how}");
        assert_eq!(ready(&server), ["b", "next"], "{how}");
        nobody_waits(&server);
    }
}

#[test]
fn who_could_never_fit_is_refused_at_once() {
    let server = Server::plain();
    fill(&server);
    assert_eq!(server.run("JQ.MPUBLISH mail 3 x y z BLOCK 0").error_word(), "FULL");
    let mut two = waiting(&server, "JQ.MPUBLISH mail 2 y z BLOCK 0");
    let mut one = waiting(&server, "JQ.PUBLISH mail y ID one BLOCK 0");
    server.run("JQ.CONFIG mail SET maxlen 1");
    server.run("JQ.DELETE mail a b");
    assert_eq!(two.read().error_word(), "FULL", "the queue was made smaller");
    assert_eq!(one.read().text(), "one");
}

#[test]
fn inside_a_transaction_or_a_script_a_publisher_does_not_wait() {
    let server = Server::plain();
    fill(&server);
    let mut client = server.client();
    client.run("MULTI");
    client.run("JQ.PUBLISH mail y BLOCK 0");
    assert_eq!(client.run("EXEC").items()[0].error_word(), "FULL");
    let script = "return redis.pcall('jq.publish', KEYS[1], 'y', 'BLOCK', 0)";
    assert_eq!(client.call(&["EVAL", script, "1", "mail"]).error_word(), "FULL");
    client.run("MULTI");
    client.run("JQ.PUBLISH fax y ID a BLOCK 0");
    assert_eq!(client.run("EXEC").items()[0].text(), "a");
    nobody_waits(&server);
}

#[test]
fn any_other_refusal_is_answered_at_once() {
    let server = Server::plain();
    fill(&server);
    let mut first = waiting(&server, "JQ.PUBLISH mail y ID first BLOCK 0");
    let past = server.client().time() - 1;
    for (line, word) in [
        ("JQ.PUBLISH mail y ID a BLOCK 0", "DUPLICATE"),
        ("JQ.PUBLISH mail y REPLACES c BLOCK 0", "NOSUCHJOB"),
        ("JQ.PUBLISH mail y BLOCK 0 LATER", "SYNTAX"),
        ("JQ.PUBLISH mail y BLOCK soon", "RANGE"),
    ] {
        assert_eq!(server.run(line).error_word(), word, "{line}");
    }
    let overdue = format!("JQ.PUBLISH mail y DEADLINE {past} BLOCK 0");
    assert_eq!(server.run(&overdue).error_word(), "RANGE", "whether or not there is room");
    server.run("JQ.PAUSE mail IN");
    assert_eq!(first.read().error_word(), "PAUSED", "also if it begins meanwhile");
    assert_eq!(server.run("JQ.PUBLISH mail y BLOCK 0").error_word(), "PAUSED");
    nobody_waits(&server);
}

#[test]
fn what_is_refused_when_there_is_room_does_not_hold_up_the_next() {
    let server = Server::plain();
    fill(&server);
    let mut duplicate = waiting(&server, "JQ.PUBLISH mail y ID c BLOCK 0");
    let mut too_big = waiting(&server, "JQ.PUBLISH mail yyyyyyyy BLOCK 0");
    let mut without = waiting(&server, "JQ.PUBLISH mail y ID d REPLACES z BLOCK 0");
    let mut next = waiting(&server, "JQ.PUBLISH mail y ID next BLOCK 0");
    assert_eq!(without.read().error_word(), "NOSUCHJOB");
    server.run("JQ.PUBLISH mail x ID c REPLACES a");
    server.run("JQ.CONFIG mail SET maxbody 5");
    server.run("JQ.DELETE mail b");
    assert_eq!(duplicate.read(), Reply::Error("DUPLICATE c".into()));
    assert_eq!(too_big.read().error_word(), "TOOBIG");
    assert_eq!(next.read().text(), "next");
    fill(&server);
    let mut misled = waiting(&server, "JQ.PUBLISH mail y BLOCK 0");
    server.run("SET mail text");
    assert_eq!(misled.read().error_word(), "WRONGTYPE");
}

#[test]
fn a_publisher_that_is_gone_killed_or_sent_away_has_published_nothing() {
    let server = Server::plain();
    fill(&server);
    let (gone, _) = known(&server, "JQ.PUBLISH mail y BLOCK 0");
    gone.hang_up();
    let (_killed, id) = known(&server, "JQ.PUBLISH mail y BLOCK 0");
    server.run(&format!("CLIENT KILL ID {id}"));
    let (mut unblocked, id) = known(&server, "JQ.PUBLISH mail y BLOCK 0");
    server.run(&format!("CLIENT UNBLOCK {id} ERROR"));
    assert_eq!(unblocked.read().error_word(), "UNBLOCKED");
    assert_eq!(unblocked.run("PING").text(), "PONG");
    nobody_waits(&server);
    server.run("JQ.PURGE mail ready");
    let mut client = server.client();
    assert_eq!(lengths(&mut client, "mail"), [0; 4]);
    assert_eq!(stat(&mut client, "mail", "published"), 2);
}

#[test]
fn a_publisher_that_is_sent_away_in_the_transaction_that_makes_room_has_published_nothing() {
    let server = Server::plain();
    let mut client = server.client();
    for how in ["KILL ID", "UNBLOCK"] {
        fill(&server);
        let (mut publisher, id) = known(&server, "JQ.PUBLISH mail y BLOCK 0");
        client.run("MULTI");
        client.run("JQ.PURGE mail ready");
        client.run(&format!("CLIENT {how} {id}"));
        client.run("EXEC").items();
        if how == "UNBLOCK" {
            assert_eq!(publisher.read().error_word(), "FULL");
            assert_eq!(publisher.run("PING").text(), "PONG", "one answer, not two");
        }
        nobody_waits(&server);
        assert_eq!(stat(&mut client, "mail", "published"), 2, "{how}");
    }
}

#[test]
fn room_that_comes_as_the_publisher_goes_is_used_by_it_or_not_but_never_both() {
    let server = Server::plain();
    let (mut client, mut killer) = (server.client(), server.client());
    let mut told = Vec::new();
    for round in 0..200 {
        let queue = format!("queue-{round}");
        client.run(&format!("JQ.CONFIG {queue} SET maxlen 1"));
        client.run(&format!("JQ.PUBLISH {queue} x ID a"));
        let block = if round % 5 == 4 { "3" } else { "0" };
        let (mut publisher, id) =
            known(&server, &format!("JQ.PUBLISH {queue} y ID late BLOCK {block}"));
        let make_room = ["JQ.DELETE", &queue, "a"];
        let kill = ["CLIENT", "KILL", "ID", &id];
        match round % 5 {
            0 => {
                publisher.hang_up();
                client.call(&make_room);
                continue;
            }
            1 => {
                client.call(&make_room);
                publisher.hang_up();
                continue;
            }
            2 => {
                killer.send(&kill);
                client.call(&make_room);
                killer.read();
            }
            3 => {
                client.send(&make_room);
                killer.call(&kill);
                client.read();
            }
            _ => drop(client.call(&make_room)),
        }
        if let Ok(reply) = publisher.try_read() {
            told.push((queue, reply));
        }
    }
    nobody_waits(&server);
    for (queue, reply) in told {
        let is_there = !client.run(&format!("JQ.JOB {queue} late")).is_nothing();
        match reply {
            Reply::Bulk(id) => assert!(id == b"late" && is_there, "{queue}"),
            refused => assert!(refused.error_word() == "FULL" && !is_there, "{queue}"),
        }
    }
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}

#[test]
fn a_publisher_on_a_demoted_primary_is_sent_away_and_none_waits_on_a_replica() {
    let primary = Server::plain();
    fill(&primary);
    let replica = Server::replica_of(&primary);
    replica.catch_up_with(&primary);
    assert_eq!(replica.run("JQ.PUBLISH mail y BLOCK 0").error_word(), "READONLY");
    replica.run("CONFIG SET replica-read-only no");
    assert_eq!(replica.run("JQ.PUBLISH mail y BLOCK 0").error_word(), "READONLY");
    let mut publisher = waiting(&primary, "JQ.PUBLISH mail y BLOCK 0");
    primary.run("REPLICAOF 127.0.0.1 1");
    assert_eq!(publisher.read().error_word(), "UNBLOCKED");
    nobody_waits(&primary);
    primary.run("REPLICAOF NO ONE");
    primary.run("JQ.PURGE mail ready");
    assert_eq!(primary.run("JQ.LEN mail"), Reply::Int(0));
}

#[test]
fn a_delay_counts_from_when_the_job_is_published() {
    let server = Server::plain();
    fill(&server);
    let mut publisher =
        waiting(&server, "JQ.PUBLISH mail y ID late DELAY 600000 TTL 900000 BLOCK 0");
    let mut client = server.client();
    let then = client.time() + 20;
    wait_for("some time", || (client.time() > then).then_some(()));
    client.run("JQ.DELETE mail a");
    assert_eq!(publisher.read().text(), "late");
    let job = client.run("JQ.JOB mail late");
    let published = job.field("published-at").int();
    assert!(published > then);
    assert_eq!(job.field("due").int(), published + 600_000);
    assert_eq!(job.field("expires-at").int(), published + 900_000);
}

#[test]
fn the_log_has_a_plain_publish_and_all_copies_agree() {
    let mut server = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&server);
    fill(&server);
    let mut one = waiting(&server, "JQ.PUBLISH mail y ID one BLOCK 0 PRIORITY 3");
    let mut two = waiting(&server, "JQ.MPUBLISH mail 1 z TYPE BLOCK BLOCK 0 TTL 600000");
    server.run("JQ.DELETE mail a");
    assert_eq!(one.read().text(), "one");
    server.run("JQ.DELETE mail b");
    assert_eq!(two.read().items().len(), 1);
    server.run("JQ.PUBLISH mail y REPLACES one ID at-once BLOCK 0");
    server.run("DEL fax");
    assert_eq!(server.run("JQ.PUBLISH fax y BLOCK 5 ID new").text(), "new");
    let lines = server.aof().lines();
    let has = |line: &str| lines.iter().any(|said| said == line);
    assert!(has("JQ.PUBLISH mail y ID one PRIORITY 3"), "{lines:?}");
    assert!(has("JQ.MPUBLISH mail 1 z TYPE BLOCK TTL 600000"), "{lines:?}");
    let digests = ["mail", "fax"].map(|queue| server.run(&format!("JQ.DIGEST {queue}")));
    replica.catch_up_with(&server);
    let of =
        |server: &Server| ["mail", "fax"].map(|queue| server.run(&format!("JQ.DIGEST {queue}")));
    assert_eq!(of(&replica), digests);
    server.kill_and_restart();
    assert_eq!(of(&server), digests);
}

#[test]
fn a_job_published_late_goes_to_a_consumer_that_waits() {
    let server = Server::plain();
    server.run("JQ.CONFIG mail SET maxlen 1");
    server.run("JQ.PUBLISH mail x ID a DELAY 600000");
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    let mut publisher = waiting(&server, "JQ.PUBLISH mail y ID late BLOCK 0");
    server.run("JQ.DELETE mail a");
    assert_eq!(publisher.read().text(), "late");
    assert_eq!(names(&consumer.read()), ["late@1"]);
    nobody_waits(&server);
}

#[test]
fn a_server_without_memory_says_so_to_those_who_find_room() {
    let server = Server::plain();
    fill(&server);
    let mut publisher = waiting(&server, "JQ.PUBLISH mail y ID late BLOCK 0");
    let mut two = waiting(&server, "JQ.MPUBLISH mail 2 y z BLOCK 0");
    server.run("CONFIG SET maxmemory 1");
    let refused = server.run("JQ.PUBLISH mail y");
    assert_eq!(refused.error_word(), "OOM");
    assert!(publisher.is_waiting() && two.is_waiting(), "as long as there is no room");
    server.run("JQ.DELETE mail a");
    assert_eq!(publisher.read(), refused);
    assert!(two.is_waiting(), "for this one there is none in any case");
    server.run("CONFIG SET maxmemory 0");
    server.run("JQ.DELETE mail b");
    assert_eq!(two.read().items().len(), 2);
    assert_eq!(server.run("JQ.LEN mail"), Reply::Int(2));
}

#[test]
fn very_many_publishers_are_all_served_in_their_order() {
    let server = Server::plain();
    fill(&server);
    let mut publishers: Vec<Client> = Vec::new();
    for n in 0..300 {
        let mut client = server.client();
        client.send(&["JQ.PUBLISH", "mail", "y", "ID", &format!("job-{n}"), "BLOCK", "0"]);
        publishers.push(client);
        server.wait_for_blocked(n + 1);
    }
    assert_eq!(waiters(&server), 300);
    server.run("JQ.CONFIG mail SET maxlen 0");
    for (n, publisher) in publishers.iter_mut().enumerate() {
        assert_eq!(publisher.read().text(), format!("job-{n}"));
    }
    let expected: Vec<_> = (0..300).map(|n| format!("job-{n}")).collect();
    assert_eq!(ready(&server)[2..], expected);
    nobody_waits(&server);
}

#[test]
fn a_pause_of_writes_puts_off_publishing_but_not_the_end_of_waiting() {
    let server = Server::plain();
    fill(&server);
    let mut publisher = waiting(&server, "JQ.PUBLISH mail y ID late BLOCK 0");
    let mut impatient = waiting(&server, "JQ.PUBLISH mail y BLOCK 300");
    let mut client = server.client();
    client.run("MULTI");
    client.run("JQ.DELETE mail a");
    client.run("CLIENT PAUSE 600000 WRITE");
    client.run("EXEC").items();
    assert_eq!(impatient.read().error_word(), "FULL");
    assert!(publisher.is_waiting());
    client.run("CLIENT UNPAUSE");
    assert_eq!(publisher.read().text(), "late");
}
