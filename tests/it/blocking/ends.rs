//! How waiting ends without a job, and that nobody else suffers from it.

use super::{known, nobody_waits, waiters, waiting};
use crate::{
    replies::{bodies, ids, lengths, names, stat},
    support::{wait_for, Client, Options, Reply, Server},
};

/// The server's time in microseconds.
fn time(client: &mut Client) -> i64 {
    let time = client.run("TIME");
    let part = |at: usize| time.items()[at].text().parse::<i64>().unwrap_or(0);
    part(0) * 1_000_000 + part(1)
}

#[test]
fn a_consumer_is_never_sent_away_early() {
    let server = Server::plain();
    let mut client = server.client();
    for block in [1, 2, 10, 50, 99, 100, 101] {
        let begun = time(&mut client);
        let reply = client.run(&format!("JQ.CONSUME mail BLOCK {block}"));
        let waited = time(&mut client) - begun;
        assert_eq!(reply, Reply::NullArray);
        // The clock that counts is one of whole milliseconds.
        assert!(waited > (block - 1) * 1000, "{waited} µs of {block} ms");
    }
    assert_eq!(server.info("jobq", "jobq_waiters_timed_out"), "7");
    assert_eq!(server.run("EXISTS mail"), Reply::Int(0), "and made no queue");
    nobody_waits(&server);
}

#[test]
fn consumers_are_sent_away_in_the_order_of_their_deadlines() {
    let server = Server::plain();
    let mut consumers = Vec::new();
    for (name, block) in [("late", 1500), ("never", 0), ("soon", 50), ("later", 1500)] {
        let mut consumer = waiting(&server, &format!("JQ.CONSUME mail BLOCK {block}"));
        consumer.send(&["RPUSH", "order", name]);
        consumers.push(consumer);
    }
    let mut client = server.client();
    wait_for("three of them", || (client.run("LLEN order").int() == 3).then_some(()));
    let order = client.run("LRANGE order 0 -1");
    let order: Vec<_> = order.items().iter().map(Reply::text).collect();
    assert_eq!(order, ["soon", "late", "later"]);
    assert_eq!(waiters(&server), 1, "the one that waits for ever");
}

#[test]
fn a_consumer_that_was_sent_away_is_out_of_line() {
    let server = Server::plain();
    let mut impatient = waiting(&server, "JQ.CONSUME mail BLOCK 100");
    let mut patient = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    assert_eq!(impatient.read(), Reply::NullArray);
    server.run("JQ.PUBLISH mail x ID a");
    assert_eq!(names(&patient.read()), ["a@1"]);
    assert!(impatient.is_waiting(), "answered once only");
    assert_eq!(impatient.run("PING").text(), "PONG");
    nobody_waits(&server);
}

#[test]
fn the_longest_wait_is_longer_than_any_life() {
    let server = Server::plain();
    let refused = server.run("JQ.CONSUME mail BLOCK x");
    let longest = refused.error().split(' ').nth(5).map(String::from);
    let longest = longest.expect("the range");
    let mut consumer = waiting(&server, &format!("JQ.CONSUME mail BLOCK {longest}"));
    let mut client = server.client();
    assert!(client.run("JQ.CONSUME mail BLOCK 20").is_nothing());
    client.run("JQ.PUBLISH mail x ID a");
    assert_eq!(names(&consumer.read()), ["a@1"]);
    nobody_waits(&server);
}

#[test]
fn an_operator_can_end_a_wait() {
    let server = Server::plain();
    let mut client = server.client();
    let (mut timed_out, id) = known(&server, "JQ.CONSUME mail BLOCK 0");
    assert_eq!(client.run(&format!("CLIENT UNBLOCK {id}")), Reply::Int(1));
    assert_eq!(timed_out.read(), Reply::NullArray);
    assert_eq!(timed_out.run("PING").text(), "PONG");
    let (mut timed_out, id) = known(&server, "JQ.CONSUME mail BLOCK 0");
    assert_eq!(client.run(&format!("CLIENT UNBLOCK {id} TIMEOUT")), Reply::Int(1));
    assert_eq!(timed_out.read(), Reply::NullArray);
    let (mut failed, id) = known(&server, "JQ.CONSUME mail BLOCK 0");
    assert_eq!(client.run(&format!("CLIENT UNBLOCK {id} ERROR")), Reply::Int(1));
    assert_eq!(failed.read().error_word(), "UNBLOCKED");
    assert_eq!(failed.run("PING").text(), "PONG");
    nobody_waits(&server);
    client.run("JQ.PUBLISH mail x ID a");
    assert_eq!(names(&client.run("JQ.CONSUME mail")), ["a@1"], "nobody was in line");
    for mut client in [timed_out, failed] {
        client.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
        server.wait_for_blocked(1);
        server.run("JQ.PUBLISH mail y");
        assert_eq!(bodies(&client.read()), ["y"], "and all may wait again");
    }
    nobody_waits(&server);
}

#[test]
fn a_consumer_that_is_killed_or_hangs_up_costs_no_job_and_no_try() {
    let server = Server::plain();
    let mut client = server.client();
    for kills in [true, false] {
        client.run("FLUSHALL");
        let (gone, id) = known(&server, "JQ.CONSUME mail BLOCK 0");
        let mut next = waiting(&server, "JQ.CONSUME mail BLOCK 0");
        if kills {
            assert_eq!(client.run(&format!("CLIENT KILL ID {id}")), Reply::Int(1));
        } else {
            gone.hang_up();
        }
        server.wait_for_blocked(1);
        wait_for("the line", || (waiters(&server) == 1).then_some(()));
        client.run("JQ.PUBLISH mail x ID a TRIES 1");
        assert_eq!(names(&next.read()), ["a@1"], "the next one is served");
        assert_eq!(stat(&mut client, "mail", "delivered"), 1);
        nobody_waits(&server);
    }
    let (gone, _) = known(&server, "JQ.CONSUME mail BLOCK 0");
    gone.hang_up();
    nobody_waits(&server);
    client.run("DEL mail");
    client.run("JQ.PUBLISH mail x");
    assert_eq!(lengths(&mut client, "mail"), [0, 1, 0, 0]);
    assert_eq!(stat(&mut client, "mail", "delivered"), 0);
}

#[test]
fn a_consumer_that_is_sent_away_at_the_moment_it_is_served_is_told_or_its_job_goes_back() {
    let server = Server::plain();
    let mut client = server.client();
    // Redis 7.0 writes the answer in the moment of waking, but takes the client for one that waits
    // for as long as the command runs: an error would come as a second answer.
    let is_7_0 = server.info("server", "redis_version").starts_with("7.0.");
    for how in if is_7_0 { &["TIMEOUT"][..] } else { &["TIMEOUT", "ERROR"] } {
        client.run("FLUSHALL");
        let (mut consumer, id) = known(&server, "JQ.CONSUME mail BLOCK 0");
        client.run("MULTI");
        client.run("JQ.PUBLISH mail x ID a TRIES 2 BACKOFF none");
        client.run(&format!("CLIENT UNBLOCK {id} {how}"));
        client.run("EXEC");
        let reply = consumer.read();
        assert_eq!(consumer.run("PING").text(), "PONG", "one answer, not two");
        nobody_waits(&server);
        let is_told = matches!(reply, Reply::Array(_));
        if is_told && !is_7_0 {
            assert_eq!(lengths(&mut client, "mail"), [0, 0, 1, 0], "{how}");
        } else {
            let goes_back = |client: &mut Client| lengths(client, "mail") == [0, 1, 0, 0];
            wait_for("the job", || goes_back(&mut client).then_some(()));
            has_two_tries_left(&mut client);
        }
    }
}

/// Fails the ready job `a` of `mail`, twice.
fn has_two_tries_left(client: &mut Client) {
    for dead in [0, 1] {
        assert_eq!(names(&client.run("JQ.CONSUME mail")).len(), 1);
        client.run("JQ.NACK mail a");
        assert_eq!(client.run("JQ.LEN mail dead"), Reply::Int(dead), "both tries are left");
    }
}

#[test]
fn a_job_on_its_way_to_a_consumer_that_is_killed_goes_back_to_the_head_uncounted() {
    let server = Server::plain();
    let mut client = server.client();
    let (_gone, id) = known(&server, "JQ.CONSUME mail BLOCK 0");
    client.run("MULTI");
    client.run("JQ.PUBLISH mail x ID a TRIES 2 BACKOFF none");
    client.run("JQ.PUBLISH mail x ID b");
    client.run(&format!("CLIENT KILL ID {id}"));
    client.run("EXEC");
    nobody_waits(&server);
    wait_for("the return", || (lengths(&mut client, "mail") == [0, 2, 0, 0]).then_some(()));
    assert_eq!(server.info("jobq", "jobq_jobs_undelivered"), "1");
    assert_eq!(names(&client.run("JQ.PEEK mail COUNT 2")), ["a", "b"], "at the head");
    client.run("JQ.DELETE mail b");
    has_two_tries_left(&mut client);
}

#[test]
fn a_job_that_comes_back_from_a_killed_consumer_goes_to_the_next() {
    let server = Server::plain();
    let mut client = server.client();
    let (_gone, id) = known(&server, "JQ.CONSUME mail BLOCK 0");
    let mut next = waiting(&server, "JQ.CONSUME mail COUNT 2 BLOCK 0");
    client.run("MULTI");
    client.run("JQ.PUBLISH mail x ID a");
    client.run(&format!("CLIENT KILL ID {id}"));
    client.run("EXEC");
    assert_eq!(names(&next.read()), ["a@2"]);
    nobody_waits(&server);
}

#[test]
fn a_demoted_server_sends_all_away_and_serves_them_after_its_promotion() {
    let server = Server::plain();
    let mut client = server.client();
    let mut consumers: Vec<_> = ["0", "0", "600000"]
        .map(|block| waiting(&server, &format!("JQ.CONSUME mail BLOCK {block}")))
        .into();
    client.run("REPLICAOF 127.0.0.1 1");
    for consumer in &mut consumers {
        assert_eq!(consumer.read().error_word(), "UNBLOCKED");
    }
    nobody_waits(&server);
    client.run("REPLICAOF NO ONE");
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    client.run("JQ.PUBLISH mail x ID a DELAY 20");
    assert_eq!(ids(&consumer.read()), ["a"], "its timer runs again");
    nobody_waits(&server);
}

#[test]
fn a_job_that_falls_due_while_demoted_is_served_after_the_promotion() {
    let server = Server::plain();
    let mut client = server.client();
    let due = time(&mut client) / 1000 + 200;
    client.run(&format!("JQ.PUBLISH mail x ID a AT {due}"));
    client.run("REPLICAOF 127.0.0.1 1");
    wait_for("the instant", || (time(&mut client) / 1000 > due).then_some(()));
    client.run("REPLICAOF NO ONE");
    wait_for("the job", || (lengths(&mut client, "mail") == [0, 1, 0, 0]).then_some(()));
}

#[test]
fn a_server_that_shuts_down_takes_those_who_wait_with_it() {
    let mut server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a DELAY 600000");
    let mut consumers: Vec<_> =
        (0..3).map(|_| waiting(&server, "JQ.CONSUME mail BLOCK 0")).collect();
    client.send(&["SHUTDOWN"]);
    for consumer in &mut consumers {
        // An error or the end of the connection, as the server likes, but no job.
        assert!(!matches!(consumer.try_read(), Ok(Reply::Array(_))));
    }
    wait_for("the end", || (!server.is_alive()).then_some(()));
    assert!(!server.log().contains("REDIS BUG REPORT"), "{}", server.log());
    assert!(server.log().contains("bye bye"), "{}", server.log());
    server.start_again();
    let mut client = server.client();
    assert_eq!(lengths(&mut client, "mail"), [1, 0, 0, 0]);
    assert_eq!(stat(&mut client, "mail", "delivered"), 0);
    nobody_waits(&server);
}

#[test]
fn a_pause_of_writes_puts_off_jobs_but_not_the_end_of_waiting() {
    let server = Server::plain();
    let mut client = server.client();
    let mut consumer = waiting(&server, "JQ.CONSUME fax BLOCK 0");
    let mut impatient = waiting(&server, "JQ.CONSUME mail BLOCK 200");
    client.run("MULTI");
    client.run("JQ.PUBLISH fax x ID f DELAY 50");
    client.run("CLIENT PAUSE 600000 WRITE");
    client.run("EXEC").items();
    let due = stat(&mut client, "fax", "next-due");
    assert_eq!(impatient.read(), Reply::NullArray, "waiting ends during the pause");
    wait_for("the instant", || (time(&mut client) / 1000 > due + 20).then_some(()));
    assert_eq!(lengths(&mut client, "fax"), [1, 0, 0, 0], "but nothing moves");
    assert!(consumer.is_waiting());
    let mut publisher = server.client();
    publisher.send(&["JQ.PUBLISH", "mail", "y"]);
    client.run("CLIENT UNPAUSE");
    assert_eq!(names(&consumer.read()), ["f@1"], "after it all goes on");
    assert_eq!(publisher.read().text().len(), 26);
    nobody_waits(&server);
}

#[test]
fn a_pause_of_everything_ends_with_those_who_waited_served() {
    let server = Server::plain();
    let mut client = server.client();
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    let mut impatient = waiting(&server, "JQ.CONSUME fax BLOCK 50");
    client.run("JQ.PUBLISH mail x ID a DELAY 20");
    client.run("CLIENT PAUSE 300 ALL");
    assert_eq!(names(&consumer.read()), ["a@1"]);
    assert_eq!(impatient.read(), Reply::NullArray);
    nobody_waits(&server);
}
