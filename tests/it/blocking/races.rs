//! Two things at once, very often, and very many at once: no client is left without an answer, and
//! every job is accounted for.

use super::{nobody_waits, waiters};
use crate::{
    replies::{bodies, lengths, names, stat},
    support::{wait_for, Client, Reply, Server},
};

/// Clients that have sent this command, all of which the server has made wait.
fn crowd(server: &Server, clients: usize, words: &[&str]) -> Vec<Client> {
    let crowd: Vec<_> = (0..clients)
        .map(|_| {
            let mut client = server.client();
            client.send(words);
            client
        })
        .collect();
    wait_for("the crowd", || (server.blocked_clients() >= clients).then_some(()));
    crowd
}

#[test]
fn a_client_that_hangs_up_or_is_killed_at_the_moment_of_a_publish_loses_no_job() {
    let server = Server::plain();
    let mut publisher = server.client();
    let mut killer = server.client();
    let queues: Vec<_> = (0..300).map(|round| format!("queue-{round}")).collect();
    let mut read = Vec::new();
    for (round, queue) in queues.iter().enumerate() {
        let mut consumer = server.client();
        let id = consumer.run("CLIENT ID").int().to_string();
        consumer.send(&["JQ.CONSUME", queue, "BLOCK", "0"]);
        if round % 4 > 0 {
            server.wait_for_blocked(1);
        }
        let publish = ["JQ.PUBLISH", queue, "x", "ID", "a", "TTR", "600000"];
        let kill = ["CLIENT", "KILL", "ID", &id];
        match round % 5 {
            0 => {
                consumer.hang_up();
                publisher.send(&publish);
            }
            1 => {
                publisher.send(&publish);
                consumer.hang_up();
            }
            order => {
                if order == 2 {
                    killer.send(&kill);
                }
                publisher.send(&publish);
                if order > 2 {
                    killer.send(&kill);
                }
                killer.read();
                if consumer.try_read().is_ok_and(|reply| !reply.is_nothing()) {
                    read.push(queue);
                }
            }
        }
        assert_eq!(publisher.read().text(), "a");
        nobody_waits(&server);
    }

    let mut client = server.client();
    wait_for("the books", || {
        let mut leases = 0;
        for queue in &queues {
            let [_, ready, leased, _] = lengths(&mut client, queue);
            assert_eq!(ready + leased, 1, "{queue}: nothing is lost");
            leases += leased;
        }
        let delivered: i64 = queues.iter().map(|queue| stat(&mut client, queue, "delivered")).sum();
        let undelivered = server.info("jobq", "jobq_jobs_undelivered");
        (delivered - leases == undelivered.parse().unwrap_or(-1)).then_some(())
    });
    for queue in read {
        assert_eq!(lengths(&mut client, queue), [0, 0, 1, 0], "what was read is leased");
    }
}

#[test]
fn a_wake_and_a_deadline_at_once_leave_nobody_without_an_answer() {
    let server = Server::plain();
    let mut client = server.client();
    for round in 0..12 {
        let queue = format!("queue-{round}");
        let mut consumers: Vec<_> = (0..100).map(|_| server.client()).collect();
        for n in 0..100 {
            let delay = (57 + n % 8).to_string();
            client.send(&["JQ.PUBLISH", &queue, "x", "TTR", "600000", "DELAY", &delay]);
        }
        for consumer in &mut consumers {
            consumer.send(&["JQ.CONSUME", &queue, "BLOCK", "60"]);
        }
        (0..100).for_each(|_| drop(client.read().text()));
        let answers = consumers.iter_mut().map(Client::read);
        let served = answers.filter(|answer| !answer.is_nothing()).count() as i64;
        for consumer in &mut consumers {
            assert_eq!(consumer.run("PING").text(), "PONG", "one answer each");
        }
        wait_for("the last delay", || (lengths(&mut client, &queue)[0] == 0).then_some(()));
        assert_eq!(lengths(&mut client, &queue), [0, 100 - served, served, 0]);
    }
    nobody_waits(&server);
}

#[test]
fn two_thousand_consumers_can_wait_and_go() {
    let server = Server::plain();
    let clients = 2000;

    let gone = crowd(&server, clients, &["JQ.CONSUME", "mail", "BLOCK", "0", "ALSO", "fax"]);
    assert_eq!(waiters(&server), clients);
    gone.into_iter().for_each(Client::hang_up);
    nobody_waits(&server);
    server.run("JQ.PUBLISH mail x ID a");
    assert_eq!(names(&server.run("JQ.CONSUME mail")), ["a@1"], "no ghost was served");

    let sent = ["JQ.CONSUME", "mail", "BLOCK", "3000"];
    let mut timed_out: Vec<_> = (0..clients).map(|_| server.client()).collect();
    timed_out.iter_mut().for_each(|client| client.send(&sent));
    for client in &mut timed_out {
        assert_eq!(client.read(), Reply::NullArray);
    }
    nobody_waits(&server);

    let words = ["JQ.CONSUME", "mail", "BLOCK", "0"];
    timed_out.iter_mut().for_each(|client| client.send(&words));
    wait_for("the crowd", || (server.blocked_clients() == clients).then_some(()));
    let mut call = vec!["JQ.MPUBLISH".to_string(), "mail".into(), clients.to_string()];
    call.extend((0..clients).map(|n| n.to_string()));
    server.client().call(&call);
    let mut served: Vec<usize> = Vec::new();
    for client in &mut timed_out {
        served.push(bodies(&client.read())[0].parse().unwrap_or(usize::MAX));
    }
    served.sort_unstable();
    assert!(served.into_iter().eq(0..clients), "each has one of its own");
    nobody_waits(&server);
}

#[test]
fn producers_and_consumers_that_wait_move_every_job_once() {
    let server = Server::plain();
    let (producers, jobs, consumers) = (4, 500, 8);
    let acked = std::thread::scope(|scope| {
        for producer in 0..producers {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.client();
                for n in 0..jobs {
                    let delay = if n % 5 == 0 { " DELAY 5" } else { "" };
                    client.run(&format!("JQ.PUBLISH mail x ID {producer}-{n}{delay}")).text();
                }
            });
        }
        let consumers: Vec<_> = (0..consumers)
            .map(|_| {
                let server = &server;
                scope.spawn(move || {
                    let mut client = server.client();
                    let mut acked = 0;
                    while client.run("JQ.LEN mail").int() > 0 || acked == 0 {
                        for receipt in names(&client.run("JQ.CONSUME mail COUNT 3 BLOCK 50")) {
                            acked += client.run(&format!("JQ.ACK mail {receipt}")).int();
                        }
                    }
                    acked
                })
            })
            .collect();
        consumers.into_iter().map(|consumer| consumer.join().expect("it ends")).sum::<i64>()
    });
    let mut client = server.client();
    let left = client.run("JQ.LEN mail").int();
    assert_eq!(acked + left, producers * jobs);
    assert_eq!(stat(&mut client, "mail", "lapsed"), 0);
    nobody_waits(&server);
}
