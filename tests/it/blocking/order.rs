//! Who is served, and with what.

use super::{nobody_waits, waiters, waiting};
use crate::{
    replies::{bodies, due_in, jobs, lengths, names, queues, stat},
    support::{wait_for, Options, Reply, Server},
};

#[test]
fn consumers_are_served_first_come_first_served() {
    let server = Server::plain();
    let mut consumers: Vec<_> =
        (0..6).map(|_| waiting(&server, "JQ.CONSUME mail BLOCK 0")).collect();
    assert_eq!(waiters(&server), 6);
    for (n, consumer) in consumers.iter_mut().enumerate() {
        server.run(&format!("JQ.PUBLISH mail body-{n} ID id-{n}"));
        let receipt = format!("id-{n}@{}", n + 1);
        let body = format!("body-{n}");
        assert_eq!(consumer.read(), jobs(&[("mail", &receipt, &body)]));
    }
    nobody_waits(&server);
}

#[test]
fn who_waits_again_waits_behind_the_others() {
    let server = Server::plain();
    let mut first = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    let mut second = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    server.run("JQ.PUBLISH mail 1");
    assert_eq!(bodies(&first.read()), ["1"]);
    first.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(2);
    server.run("JQ.MPUBLISH mail 2 2 3");
    assert_eq!(bodies(&second.read()), ["2"]);
    assert_eq!(bodies(&first.read()), ["3"]);
    nobody_waits(&server);
}

#[test]
fn a_consumer_of_several_queues_is_in_line_at_each_of_them() {
    let server = Server::plain();
    let mut of_both = waiting(&server, "JQ.CONSUME a BLOCK 0 ALSO b");
    let mut of_b = waiting(&server, "JQ.CONSUME b BLOCK 0");
    let mut of_a = waiting(&server, "JQ.CONSUME c BLOCK 0 ALSO a");
    server.run("JQ.PUBLISH b 1 ID one");
    assert_eq!(of_both.read(), jobs(&[("b", "one@1", "1")]));
    server.run("JQ.PUBLISH b 2");
    server.run("JQ.PUBLISH a 3");
    assert_eq!(bodies(&of_b.read()), ["2"], "the one before is served and out of line");
    let served = of_a.read();
    assert_eq!((queues(&served), bodies(&served)), (vec!["a".into()], vec!["3".into()]));
    server.run("JQ.MPUBLISH a 1 4");
    assert_eq!(server.run("JQ.LEN a ready"), Reply::Int(1));
    nobody_waits(&server);
}

#[test]
fn many_jobs_at_once_go_to_many_consumers_one_each() {
    let server = Server::plain();
    // More than one command wakes by itself.
    let mut consumers: Vec<_> = (0..150).map(|_| server.client()).collect();
    for (n, consumer) in consumers.iter_mut().enumerate() {
        consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
        if n % 50 == 0 {
            server.wait_for_blocked(n + 1);
        }
    }
    server.wait_for_blocked(150);
    let mut call = vec!["JQ.MPUBLISH".to_string(), "mail".into(), "200".into()];
    call.extend((0..200).map(|n| n.to_string()));
    server.client().call(&call);
    let mut served: Vec<usize> = Vec::new();
    for consumer in &mut consumers {
        let bodies = bodies(&consumer.read());
        assert_eq!(bodies.len(), 1);
        served.push(bodies[0].parse().unwrap_or(usize::MAX));
    }
    served.sort_unstable();
    assert!(served.into_iter().eq(0..150));
    let mut client = server.client();
    assert_eq!(lengths(&mut client, "mail"), [0, 50, 150, 0]);
    assert_eq!(server.info("jobq", "jobq_waiters_woken"), "150");
    nobody_waits(&server);
}

#[test]
fn a_count_takes_what_is_there_and_waits_for_one() {
    let server = Server::plain();
    let mut consumer = waiting(&server, "JQ.CONSUME mail COUNT 3 BLOCK 0");
    server.run("JQ.MPUBLISH mail 2 a b");
    assert_eq!(bodies(&consumer.read()), ["a", "b"], "it does not wait for the third");

    let mut greedy = waiting(&server, "JQ.CONSUME mail COUNT 3 BLOCK 0");
    let mut modest = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    server.run("JQ.MPUBLISH mail 5 1 2 3 4 5");
    assert_eq!(bodies(&greedy.read()), ["1", "2", "3"]);
    assert_eq!(bodies(&modest.read()), ["4"]);
    assert_eq!(bodies(&server.run("JQ.PEEK mail COUNT 9")), ["5"]);

    let server = Server::plain();
    let mut greedy = waiting(&server, "JQ.CONSUME mail COUNT 10000 BLOCK 0");
    let mut late = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    server.run("JQ.MPUBLISH mail 4 1 2 3 4");
    assert_eq!(bodies(&greedy.read()), ["1", "2", "3", "4"]);
    assert!(late.is_waiting());
    server.run("JQ.PUBLISH mail 5");
    assert_eq!(bodies(&late.read()), ["5"]);
    nobody_waits(&server);
}

#[test]
fn a_consumer_that_waited_leases_on_its_own_terms() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    let line = "JQ.CONSUME mail BLOCK 0 FREE TTR 77000 WORKER postman";
    let mut consumer = waiting(&server, line);
    client.run("JQ.PUBLISH mail x ID a TRIES 1 BACKOFF none");
    assert_eq!(names(&consumer.read()), ["a@1"]);
    assert_eq!(due_in(&mut client, "mail"), 77_000);
    assert_eq!(stat(&mut client, "mail", "delivered"), 1);
    client.run("JQ.NACK mail a@1");
    assert_eq!(lengths(&mut client, "mail"), [0, 1, 0, 0], "no try was spent");
    let lease = "lease mail postman 77000 1 a";
    wait_for("the log", || server.aof().lines().contains(&lease.to_string()).then_some(()));
    nobody_waits(&server);
}

#[test]
fn priorities_hold_for_jobs_that_come_together() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail low DELAY 600000 PRIORITY 5");
    client.run("JQ.PUBLISH mail high DELAY 600001 PRIORITY -5");
    let mut consumer = waiting(&server, "JQ.CONSUME mail COUNT 2 BLOCK 0");
    client.run("JQ.KICK mail COUNT 2");
    assert_eq!(bodies(&consumer.read()), ["high", "low"]);
    nobody_waits(&server);
}

#[test]
fn what_a_consumer_sent_after_waiting_is_answered_in_order() {
    let server = Server::plain();
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    consumer.send(&["JQ.LEN", "mail", "leased"]);
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    consumer.send(&["PING"]);
    server.run("JQ.PUBLISH mail 1");
    assert_eq!(bodies(&consumer.read()), ["1"]);
    assert_eq!(consumer.read(), Reply::Int(1));
    server.wait_for_blocked(1);
    assert!(consumer.is_waiting());
    server.run("JQ.PUBLISH mail 2");
    assert_eq!(bodies(&consumer.read()), ["2"]);
    assert_eq!(consumer.read().text(), "PONG");
    nobody_waits(&server);
}

#[test]
fn consumers_of_resp3_are_answered_in_resp3() {
    let server = Server::plain();
    let mut consumer = server.client();
    consumer.run("HELLO 3");
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    server.run("JQ.PUBLISH mail hello ID a");
    assert_eq!(consumer.read(), jobs(&[("mail", "a@1", "hello")]));
    assert_eq!(consumer.run("JQ.CONSUME mail BLOCK 20"), Reply::Null);
    let mut consumer = server.client();
    assert_eq!(consumer.run("JQ.CONSUME mail BLOCK 20"), Reply::NullArray);
    nobody_waits(&server);
}

#[test]
fn where_waiting_is_not_possible_nothing_is_the_answer() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("MULTI");
    client.run("JQ.CONSUME mail BLOCK 0");
    client.run("JQ.CONSUME mail BLOCK 100 ALSO fax");
    assert_eq!(client.run("EXEC"), Reply::Array(vec![Reply::NullArray, Reply::NullArray]));

    let script = "return redis.call('JQ.CONSUME', KEYS[1], 'BLOCK', '0')";
    assert!(client.call(&["EVAL", script, "1", "mail"]).is_nothing());
    let library = "#!lua name=jobs\nredis.register_function('take', function(keys) \
                   return redis.call('JQ.CONSUME', keys[1], 'BLOCK', '0') end)";
    client.call(&["FUNCTION", "LOAD", library]).text();
    assert!(client.run("FCALL take 1 mail").is_nothing());
    nobody_waits(&server);

    client.run("JQ.MPUBLISH mail 3 1 2 3");
    client.run("MULTI");
    client.run("JQ.CONSUME mail BLOCK 0");
    assert_eq!(bodies(&client.run("EXEC").items()[0]), ["1"], "what is there is taken");
    assert_eq!(bodies(&client.call(&["EVAL", script, "1", "mail"])), ["2"]);
    assert_eq!(bodies(&client.run("FCALL take 1 mail")), ["3"]);

    let mut resp3 = server.client();
    resp3.run("HELLO 3");
    resp3.run("MULTI");
    resp3.run("JQ.CONSUME mail BLOCK 0");
    assert_eq!(resp3.run("EXEC"), Reply::Array(vec![Reply::Null]));
    nobody_waits(&server);
}
