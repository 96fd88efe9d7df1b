//! Consumers that wait for several jobs: `MIN n LINGER ms`.

use super::{known, nobody_waits, waiting};
use crate::{
    replies::{bodies, lengths, queues},
    support::{
        likeness::{assert_alike, assert_replica_is_alike, digests, replayed},
        wait_for, Options, Reply, Server,
    },
};

/// A line of words that wait for three jobs, and as good as for ever for more once there is one.
const THREE: &str = "COUNT 5 MIN 3 LINGER 3600000 BLOCK 0";

fn ready(server: &Server, queue: &str) -> i64 {
    server.run(&format!("JQ.LEN {queue} ready")).int()
}

#[test]
fn a_consumer_waits_until_there_are_as_many_jobs_as_it_says_and_takes_all_that_it_may() {
    let server = Server::plain();
    let mut consumer = waiting(&server, &format!("JQ.CONSUME mail {THREE}"));
    server.run("JQ.PUBLISH mail 1");
    server.run("JQ.PUBLISH mail 2 DELAY 5");
    wait_for("the second", || (ready(&server, "mail") == 2).then_some(()));
    assert!(consumer.is_waiting());
    assert_eq!(bodies(&server.run("JQ.PEEK mail COUNT 5")), ["1", "2"], "it holds nothing");
    server.run("JQ.PUBLISH mail 3");
    assert_eq!(bodies(&consumer.read()), ["1", "2", "3"]);

    let mut consumer = waiting(&server, &format!("JQ.CONSUME mail {THREE}"));
    server.run("JQ.MPUBLISH mail 7 1 2 3 4 5 6 7");
    assert_eq!(bodies(&consumer.read()), ["1", "2", "3", "4", "5"]);
    server.run("JQ.PUBLISH mail 8");
    assert_eq!(bodies(&server.run(&format!("JQ.CONSUME mail {THREE}"))), ["6", "7", "8"]);
    nobody_waits(&server);
}

#[test]
fn a_consumer_takes_what_is_there_when_it_has_waited_long_enough_for_more_and_never_before() {
    let server = Server::plain();
    let mut client = server.client();
    let mut consumer = waiting(&server, "JQ.CONSUME mail COUNT 5 MIN 3 LINGER 60 BLOCK 0");
    let begun = client.time();
    client.run("JQ.PUBLISH mail 1");
    client.run("JQ.PUBLISH mail 2");
    assert_eq!(bodies(&consumer.read()), ["1", "2"]);
    assert!(client.time() >= begun + 60);

    client.run("JQ.PUBLISH mail 3");
    let begun = client.time();
    let mut late = waiting(&server, "JQ.CONSUME mail COUNT 5 MIN 3 LINGER 60 BLOCK 0");
    assert_eq!(bodies(&late.read()), ["3"], "what was there before counts from its coming on");
    assert!(client.time() >= begun + 60);
    nobody_waits(&server);
}

#[test]
fn others_take_the_jobs_from_under_it_and_the_time_begins_anew_with_the_next() {
    let server = Server::plain();
    let mut client = server.client();
    for take in [
        "JQ.CONSUME mail",
        "JQ.DELETE mail a",
        "JQ.BURY mail a",
        "JQ.UPDATE mail a DELAY 3600000",
        "RENAME mail other",
        "DEL mail",
        "UNLINK mail",
        "FLUSHALL",
        "SWAPDB 0 1",
        "JQ.PAUSE mail OUT",
    ] {
        client.run("FLUSHALL");
        let mut consumer = waiting(&server, "JQ.CONSUME mail COUNT 5 MIN 2 LINGER 400 BLOCK 0");
        let first = client.time();
        client.run("JQ.PUBLISH mail 1 ID a");
        client.run(take);
        wait_for("a while", || (client.time() > first + 200).then_some(()));
        assert!(consumer.is_waiting(), "{take}");
        let second = client.time();
        client.run("JQ.RESUME mail");
        client.run("JQ.PUBLISH mail 2");
        let served = bodies(&consumer.read());
        if take.contains("PAUSE") {
            assert_eq!(served, ["1", "2"]);
        } else {
            assert_eq!(served, ["2"], "{take}");
            assert!(client.time() >= second + 400, "{take}");
        }
        nobody_waits(&server);
    }
}

#[test]
fn those_behind_it_are_served_as_soon_as_it_is() {
    let server = Server::plain();
    let mut first = waiting(&server, "JQ.CONSUME mail COUNT 3 MIN 3 LINGER 3600000 BLOCK 0");
    let mut second = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    server.run("JQ.MPUBLISH mail 2 1 2");
    let mut third = waiting(&server, "JQ.CONSUME mail COUNT 2 MIN 2 LINGER 1 BLOCK 0");
    assert_eq!(ready(&server, "mail"), 2);
    assert!(first.is_waiting() && second.is_waiting() && third.is_waiting());
    server.run("JQ.MPUBLISH mail 4 3 4 5 6");
    assert_eq!(bodies(&first.read()), ["1", "2", "3"]);
    assert_eq!(bodies(&second.read()), ["4"]);
    assert_eq!(bodies(&third.read()), ["5", "6"]);
    nobody_waits(&server);
}

#[test]
fn who_comes_and_may_wait_stands_behind_it_and_who_may_not_takes_what_is_there() {
    let server = Server::plain();
    let mut first = waiting(&server, &format!("JQ.CONSUME mail {THREE}"));
    server.run("JQ.MPUBLISH mail 2 1 2");
    let mut behind = waiting(&server, "JQ.CONSUME mail BLOCK 0 ALSO fax");
    assert!(behind.is_waiting());
    server.run("JQ.PUBLISH fax a");
    assert_eq!(bodies(&behind.read()), ["a"], "it is the first of another line");
    assert_eq!(bodies(&server.run("JQ.CONSUME mail")), ["1"]);
    assert!(first.is_waiting());
    server.run("JQ.MPUBLISH mail 2 3 4");
    assert_eq!(bodies(&first.read()), ["2", "3", "4"]);
    nobody_waits(&server);
}

#[test]
fn whose_time_is_over_takes_what_is_there_and_nothing_only_where_there_is_nothing() {
    let server = Server::plain();
    let patient = "JQ.CONSUME mail COUNT 5 MIN 3 LINGER 3600000 BLOCK";
    assert_eq!(server.run(&format!("{patient} 20")), Reply::NullArray);
    let mut consumer = waiting(&server, &format!("{patient} 200"));
    server.run("JQ.MPUBLISH mail 2 1 2");
    assert_eq!(bodies(&consumer.read()), ["1", "2"]);

    let mut first = waiting(&server, &format!("{patient} 0"));
    server.run("JQ.PUBLISH mail 3");
    // As one that does not wait any more.
    assert_eq!(bodies(&server.run("JQ.CONSUME mail BLOCK 30")), ["3"]);
    assert_eq!(server.run("JQ.CONSUME mail BLOCK 30"), Reply::NullArray);
    assert!(first.is_waiting());
    server.run("JQ.MPUBLISH mail 3 4 5 6");
    assert_eq!(bodies(&first.read()), ["4", "5", "6"]);
    assert_eq!(server.info("jobq", "jobq_waiters_timed_out"), "2");
    nobody_waits(&server);
}

#[test]
fn where_it_may_not_wait_it_takes_what_is_there() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.MPUBLISH mail 2 1 2");
    client.run("MULTI");
    client.run("JQ.CONSUME mail COUNT 3 MIN 3 LINGER 5 BLOCK 0");
    assert_eq!(bodies(&client.run("EXEC").items()[0]), ["1", "2"]);
    client.run("JQ.MPUBLISH mail 2 3 4");
    let script = "return redis.call('jq.consume', KEYS[1], 'COUNT', 3, 'MIN', 3, 'LINGER', 5, \
                  'BLOCK', 0)";
    assert_eq!(bodies(&client.call(&["EVAL", script, "1", "mail"])), ["3", "4"]);
    // Nor is somebody who waits in its way.
    let mut first = waiting(&server, &format!("JQ.CONSUME mail {THREE}"));
    client.run("JQ.PUBLISH mail 5");
    client.run("MULTI");
    client.run("JQ.CONSUME mail BLOCK 0");
    assert_eq!(bodies(&client.run("EXEC").items()[0]), ["5"]);
    client.run("JQ.MPUBLISH mail 3 6 7 8");
    assert_eq!(bodies(&first.read()), ["6", "7", "8"]);
}

#[test]
fn the_first_look_counts_all_its_queues_together_and_one_that_waits_each_by_itself() {
    let server = Server::plain();
    server.run("JQ.PUBLISH a 1");
    server.run("JQ.MPUBLISH b 2 2 3");
    let line = "JQ.CONSUME a COUNT 4 MIN 3 LINGER 3600000 BLOCK 0 ALSO b c";
    let served = server.run(line);
    assert_eq!(bodies(&served), ["1", "2", "3"]);
    assert_eq!(queues(&served), ["a", "b", "b"]);

    server.run("JQ.PUBLISH a 1");
    let mut consumer = waiting(&server, line);
    let mut behind = waiting(&server, "JQ.CONSUME a BLOCK 0");
    server.run("JQ.MPUBLISH b 2 2 3");
    assert_eq!([ready(&server, "a"), ready(&server, "b")], [1, 2]);
    assert!(consumer.is_waiting() && behind.is_waiting());
    server.run("JQ.PUBLISH b 4");
    let served = consumer.read();
    assert_eq!(bodies(&served), ["2", "3", "4"]);
    assert_eq!(queues(&served), ["b", "b", "b"]);
    assert_eq!(bodies(&behind.read()), ["1"], "nobody waits for more of it any longer");

    let mut consumer = waiting(&server, "JQ.CONSUME a COUNT 4 MIN 3 LINGER 30 BLOCK 0 ALSO b c");
    server.run("JQ.PUBLISH c 5");
    assert_eq!(bodies(&consumer.read()), ["5"]);
    nobody_waits(&server);
}

#[test]
fn when_it_goes_those_behind_it_are_served() {
    let server = Server::plain();
    for goes in ["UNBLOCK", "UNBLOCK with an error", "KILL", "hang up"] {
        let (mut first, id) = known(&server, &format!("JQ.CONSUME mail {THREE}"));
        let mut second = waiting(&server, "JQ.CONSUME mail BLOCK 0");
        server.run("JQ.PUBLISH mail 1");
        assert!(second.is_waiting(), "{goes}");
        match goes {
            "hang up" => first.hang_up(),
            "KILL" => drop(server.run(&format!("CLIENT KILL ID {id}"))),
            "UNBLOCK" => {
                server.run(&format!("CLIENT UNBLOCK {id}"));
                assert_eq!(first.read(), Reply::NullArray);
            }
            _ => {
                server.run(&format!("CLIENT UNBLOCK {id} ERROR"));
                assert_eq!(first.read().error_word(), "UNBLOCKED");
            }
        }
        assert_eq!(bodies(&second.read()), ["1"], "{goes}");
        nobody_waits(&server);
    }
}

#[test]
fn jobs_that_are_over_are_not_among_those_it_waits_for() {
    let server = Server::plain();
    let mut consumer = waiting(&server, &format!("JQ.CONSUME mail {THREE}"));
    server.run("JQ.MPUBLISH mail 2 1 2 TTL 10");
    wait_for("their end", || (ready(&server, "mail") == 0).then_some(()));
    server.run("JQ.PUBLISH mail 3");
    server.run("JQ.PUBLISH mail 4");
    assert!(consumer.is_waiting());
    server.run("JQ.PUBLISH mail 5");
    assert_eq!(bodies(&consumer.read()), ["3", "4", "5"]);
}

#[test]
fn very_many_behind_it_cost_nothing() {
    let server = Server::plain();
    let mut first = waiting(&server, "JQ.CONSUME mail COUNT 90 MIN 90 LINGER 3600000 BLOCK 0");
    let mut behind: Vec<_> = (0..300)
        .map(|_| {
            let mut client = server.client();
            client.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
            client
        })
        .collect();
    server.wait_for_blocked(301);
    let mut client = server.client();
    let turns = |client: &mut crate::support::Client| -> u64 {
        client.info("jobq", "jobq_timer_turns").parse().expect("a number")
    };
    let before = turns(&mut client);
    (0..89).for_each(|n| drop(client.run(&format!("JQ.PUBLISH mail {n}"))));
    assert!(turns(&mut client) <= before + 1, "nobody is looked at but the first");
    assert_eq!(client.info("jobq", "jobq_waiters_woken"), "0");
    let mut call = vec!["JQ.MPUBLISH".to_string(), "mail".into(), "301".into()];
    call.extend((0..301).map(|n| n.to_string()));
    client.call(&call);
    assert_eq!(first.read().items().len(), 90);
    behind.iter_mut().for_each(|client| assert_eq!(client.read().items().len(), 1));
    assert_eq!(lengths(&mut client, "mail"), [0, 0, 390, 0]);
    nobody_waits(&server);
}

#[test]
fn what_was_gathered_is_the_same_for_all_who_read_the_log() {
    let primary = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&primary);
    let mut first = waiting(&primary, "JQ.CONSUME a COUNT 5 MIN 3 LINGER 20 BLOCK 0 ALSO b");
    let mut second = waiting(&primary, &format!("JQ.CONSUME a {THREE}"));
    let mut client = primary.client();
    client.run("JQ.PUBLISH b 1");
    assert_eq!(bodies(&first.read()), ["1"]);
    client.run("JQ.MPUBLISH a 2 2 3 TTL 20");
    wait_for("their end", || (ready(&primary, "a") == 0).then_some(()));
    client.run("JQ.MPUBLISH a 3 4 5 6");
    assert_eq!(bodies(&second.read()), ["4", "5", "6"]);
    client.run("JQ.MPUBLISH b 2 7 8");
    client.run("JQ.PUBLISH a 9");
    let served = client.run(&format!("JQ.CONSUME a {THREE} ALSO b"));
    assert_eq!(bodies(&served), ["9", "7", "8"]);
    assert_replica_is_alike(&primary, &replica);
    assert_alike("the log", &digests(&primary), &replayed(&primary));
}
