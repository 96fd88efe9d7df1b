//! Leases that end with the connection they were taken over: `JQ.CONSUME … BIND`.

use crate::{
    blocking::waiting,
    replies::{bodies, ids, lengths, names, stat},
    support::{
        likeness::{assert_alike, assert_replica_is_alike, digests, freeze, replayed, thaw},
        wait_for, Client, Options, Reply, Server,
    },
};

/// Waits until the server has no lease any more that is bound.
#[track_caller]
fn nothing_is_bound(server: &Server) {
    wait_for("the last bond", || (bonds(server) == 0).then_some(()));
}

fn bonds(server: &Server) -> u64 {
    server.info("jobq", "jobq_bonds").parse().expect("a number")
}

/// Waits until a queue has so many jobs ready and so many leased.
#[track_caller]
fn has(client: &mut Client, queue: &str, ready: i64, leased: i64) {
    wait_for("jobs that come back", || {
        let [_, is_ready, is_leased, _] = lengths(client, queue);
        ([is_ready, is_leased] == [ready, leased]).then_some(())
    });
}

#[test]
fn a_bound_lease_ends_with_its_connection_uncounted_and_its_job_is_the_next() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    for (n, closes) in ["hang up", "fall silent", "KILL", "QUIT"].into_iter().enumerate() {
        let queue = format!("mail-{n}");
        client.run(&format!("JQ.MPUBLISH {queue} 3 1 2 3 TRIES 1"));
        let mut worker = server.client();
        let taken = worker.run(&format!("JQ.CONSUME {queue} COUNT 2 BIND"));
        assert_eq!(bodies(&taken), ["1", "2"]);
        assert_eq!(bonds(&server), 1);
        match closes {
            "hang up" => worker.hang_up(),
            "fall silent" => worker.fall_silent(),
            "KILL" => {
                let id = worker.run("CLIENT ID").int();
                client.run(&format!("CLIENT KILL ID {id}"));
            }
            _ => drop(worker.run("QUIT")),
        }
        has(&mut client, &queue, 3, 0);
        assert_eq!(bodies(&client.run(&format!("JQ.PEEK {queue} COUNT 3"))), ["1", "2", "3"]);
        assert_eq!(stat(&mut client, &queue, "released"), 2, "{closes}");
        let job = client.run(&format!("JQ.JOB {queue} {}", ids(&taken)[0]));
        assert_eq!(job.field("deliveries"), Reply::Int(0));
        assert_eq!(job.field("failures"), Reply::Int(0));
        let told = format!("JQ.RELEASE {queue} {} UNCOUNTED", names(&taken).join(" "));
        assert!(server.aof().lines().contains(&told), "{closes}: {:?}", server.aof().lines());
        nothing_is_bound(&server);
    }
    assert_eq!(server.info("jobq", "jobq_jobs_unbound"), "8");
    assert_eq!(server.info("jobq", "jobq_jobs_undelivered"), "0");
}

#[test]
fn a_lease_that_is_not_bound_outlives_its_connection() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.MPUBLISH mail 2 bound free");
    let mut worker = server.client();
    worker.run("JQ.CONSUME mail BIND");
    let free = worker.run("JQ.CONSUME mail");
    worker.hang_up();
    has(&mut client, "mail", 1, 1);
    assert_eq!(client.run(&format!("JQ.ACK mail {}", names(&free)[0])), Reply::Int(1));
}

#[test]
fn in_a_queue_that_counts_it_is_a_failed_attempt() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET bind-counts yes backoff poly");
    client.run("JQ.PUBLISH mail 1 ID a TRIES 2");
    client.run("JQ.PUBLISH mail 2 ID b");
    for state in ["ready", "dead"] {
        let mut worker = server.client();
        client.run("JQ.UPDATE mail a PRIORITY -1");
        assert_eq!(ids(&worker.run("JQ.CONSUME mail BIND")), ["a"]);
        client.run("JQ.UPDATE mail a PRIORITY 0");
        worker.hang_up();
        has(&mut client, "mail", if state == "ready" { 2 } else { 1 }, 0);
        let job = client.run("JQ.JOB mail a");
        assert_eq!(job.field("state").text(), state, "without a wait, while it has tries");
        assert_eq!(job.field("error").text(), "connection closed");
    }
    assert_eq!(stat(&mut client, "mail", "nacked"), 2);
    let told = "JQ.NACK mail a@1 DELAY 0 ERROR connection closed".to_string();
    assert!(server.aof().lines().contains(&told), "{:?}", server.aof().lines());
    nothing_is_bound(&server);
}

#[test]
fn within_its_grace_a_lease_holds_on_and_never_longer() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.MPUBLISH mail 4 1 2 3 4");
    let mut worker = server.client();
    worker.run("JQ.CONSUME mail BIND");
    let lasting = worker.run("JQ.CONSUME mail BIND 3600000");
    let [touched, short] = [0; 2].map(|_| worker.run("JQ.CONSUME mail BIND 150"));
    let closed = client.time();
    worker.hang_up();
    has(&mut client, "mail", 1, 3);
    let touch = client.run(&format!("JQ.TOUCH mail {}", names(&touched)[0]));
    assert!(matches!(touch.items()[0], Reply::Int(_)), "{touch:?}");
    has(&mut client, "mail", 2, 2);
    assert!(client.time() >= closed + 150);
    assert_eq!(bodies(&client.run("JQ.PEEK mail COUNT 4")), ["4", "1"]);
    assert_eq!(client.run(&format!("JQ.ACK mail {}", names(&short)[0])), Reply::Int(0));
    for settled in [touched, lasting] {
        let ack = format!("JQ.ACK mail {}", names(&settled)[0]);
        assert_eq!(client.run(&ack), Reply::Int(1), "it holds for whoever goes on with it");
    }
    nothing_is_bound(&server);
}

#[test]
fn nothing_is_left_of_a_bond_when_its_lease_has_ended() {
    let server = Server::plain();
    let mut client = server.client();
    let mut worker = server.client();
    for end in [
        "JQ.ACK mail a",
        "JQ.FULFILL mail a done RETAIN 3600000",
        "JQ.NACK mail a",
        "JQ.RELEASE mail a",
        "JQ.BURY mail a",
        "JQ.DELETE mail a",
        "JQ.PURGE mail leased",
        "JQ.UPDATE mail a TTL 1",
        "DEL mail",
        "UNLINK mail",
        "SET mail text",
        "FLUSHDB",
        "FLUSHALL ASYNC",
        "PEXPIRE mail 1",
    ] {
        client.run("DEL mail");
        client.run("JQ.PUBLISH mail x ID a TTR 3600000");
        worker.run("JQ.CONSUME mail BIND 5");
        assert_eq!(bonds(&server), 1);
        client.run(end);
        if end.contains("PEXPIRE") {
            wait_for("its end", || (client.run("EXISTS mail").int() == 0).then_some(()));
        }
        nothing_is_bound(&server);
    }
    client.run("DEL mail");
    client.run("JQ.PUBLISH mail x TTR 1");
    worker.run("JQ.CONSUME mail BIND");
    nothing_is_bound(&server);
    worker.hang_up();
    assert_eq!(client.run("PING").text(), "PONG");
}

#[test]
fn a_consumer_that_waited_is_bound_when_it_is_served() {
    let server = Server::plain();
    let mut client = server.client();
    let mut worker = waiting(&server, "JQ.CONSUME fax BLOCK 0 BIND 0 ALSO mail");
    assert_eq!(bonds(&server), 0);
    client.run("JQ.PUBLISH mail 1");
    assert_eq!(bodies(&worker.read()), ["1"]);
    assert_eq!(bonds(&server), 1);
    worker.hang_up();
    has(&mut client, "mail", 1, 0);
    nothing_is_bound(&server);
    // One that hangs up before is bound to nothing.
    waiting(&server, "JQ.CONSUME fax BLOCK 0 BIND").hang_up();
    server.wait_for_blocked(0);
    client.run("JQ.PUBLISH fax 2");
    assert_eq!(lengths(&mut client, "fax"), [0, 1, 0, 0]);
    assert_eq!(bonds(&server), 0);
}

#[test]
fn a_job_that_comes_back_goes_to_who_waits() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail 1 ID a");
    let mut worker = server.client();
    worker.run("JQ.CONSUME mail BIND");
    let mut next = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    worker.hang_up();
    assert_eq!(names(&next.read()), ["a@2"]);
}

#[test]
fn leases_of_several_queues_and_of_a_transaction_are_bound() {
    let server = Server::plain();
    let mut client = server.client();
    let mut worker = server.client();
    for queue in ["a", "b", "c"] {
        client.run(&format!("JQ.PUBLISH {queue} x"));
    }
    assert_eq!(worker.run("JQ.CONSUME a COUNT 9 BIND ALSO b").items().len(), 2);
    worker.run("MULTI");
    worker.run("JQ.CONSUME c BIND 0");
    assert_eq!(worker.run("EXEC").items()[0].items().len(), 1);
    assert_eq!(bonds(&server), 3);
    worker.hang_up();
    for queue in ["a", "b", "c"] {
        has(&mut client, queue, 1, 0);
    }
    nothing_is_bound(&server);
}

#[test]
fn a_script_is_told_that_it_has_no_connection_and_takes_nothing() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x");
    let script = "return redis.pcall('jq.consume', KEYS[1], 'BIND')";
    let refused = client.call(&["EVAL", script, "1", "mail"]);
    assert_eq!(refused.error(), "NOPERM BIND needs a connection, and a script has none");
    assert_eq!(lengths(&mut client, "mail"), [0, 1, 0, 0]);
    nothing_is_bound(&server);
}

#[test]
fn very_many_leases_come_back_in_the_order_in_which_they_were() {
    let server = Server::plain();
    let mut client = server.client();
    let mut call = vec!["JQ.MPUBLISH".to_string(), "mail".into(), "1000".into()];
    call.extend((0..1000).map(|n| n.to_string()));
    client.call(&call);
    let mut worker = server.client();
    worker.run("JQ.CONSUME mail COUNT 900 BIND");
    worker.hang_up();
    has(&mut client, "mail", 1000, 0);
    let line = bodies(&client.run("JQ.PEEK mail COUNT 1000"));
    assert!(line.iter().enumerate().all(|(n, body)| *body == n.to_string()), "{line:?}");
    nothing_is_bound(&server);
}

#[test]
fn leases_stay_bound_where_their_queue_goes() {
    let server = Server::plain();
    let sound = !crate::support::server_name().contains("8.1");
    for (moves, queue, db) in
        [("RENAME mail post", "post", 0), ("MOVE mail 2", "mail", 2), ("SWAPDB 0 3", "mail", 3)]
    {
        let mut client = server.client();
        client.run("FLUSHALL");
        client.run("JQ.PUBLISH mail x");
        let mut worker = server.client();
        worker.run("JQ.CONSUME mail BIND");
        client.run(moves);
        assert!(!sound || bonds(&server) == 1, "{moves}");
        worker.hang_up();
        client.run(&format!("SELECT {db}"));
        has(&mut client, queue, 1, 0);
        nothing_is_bound(&server);
    }
    // While it lasts, one that is over takes its grace anew.
    let mut client = server.client();
    client.run("FLUSHALL");
    client.run("JQ.MPUBLISH mail 2 x y");
    let mut worker = server.client();
    worker.run("JQ.CONSUME mail BIND 300");
    worker.run("JQ.CONSUME mail BIND");
    worker.hang_up();
    has(&mut client, "mail", 1, 1);
    client.run("RENAME mail post");
    has(&mut client, "post", 2, 0);
    nothing_is_bound(&server);
}

#[test]
fn a_copy_or_what_is_restored_is_bound_to_nobody() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x");
    let mut worker = server.client();
    worker.run("JQ.CONSUME mail BIND");
    client.run("COPY mail copy");
    let dump = client.run("DUMP mail");
    client.call(&[b"RESTORE".as_slice(), b"restored", b"0", dump.bytes()]);
    worker.hang_up();
    has(&mut client, "mail", 1, 0);
    nothing_is_bound(&server);
    for queue in ["copy", "restored"] {
        assert_eq!(lengths(&mut client, queue), [0, 0, 1, 0], "{queue}");
    }
}

#[test]
fn while_clients_are_paused_nothing_comes_back_and_afterwards_all_of_it() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x");
    let mut worker = server.client();
    worker.run("JQ.CONSUME mail BIND");
    freeze(&server);
    worker.hang_up();
    wait_for("the end of the connection", || {
        let clients = client.run("CLIENT LIST TYPE normal").text();
        (!clients.contains("cmd=jq.consume")).then_some(())
    });
    assert_eq!(lengths(&mut client, "mail"), [0, 0, 1, 0]);
    thaw(&server);
    has(&mut client, "mail", 1, 0);
}

#[test]
fn all_who_read_the_log_have_the_same_and_a_server_that_takes_over_knows_of_no_bond() {
    let mut primary = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    client.run("JQ.CONFIG counts SET bind-counts yes");
    for queue in ["mail", "counts"] {
        client.run(&format!("JQ.MPUBLISH {queue} 5 1 2 3 4 5"));
    }
    let mut worker = primary.client();
    for line in ["mail COUNT 2 BIND ALSO fax", "counts COUNT 3 BIND", "counts BIND 10"] {
        worker.run(&format!("JQ.CONSUME {line}"));
    }
    worker.hang_up();
    has(&mut client, "mail", 5, 0);
    has(&mut client, "counts", 5, 0);
    assert_replica_is_alike(&primary, &replica);
    assert_alike("the log", &digests(&primary), &replayed(&primary));

    let mut worker = primary.client();
    worker.run("JQ.CONSUME mail BIND");
    replica.catch_up_with(&primary);
    replica.run("REPLICAOF NO ONE");
    primary.kill_and_restart();
    drop(worker);
    for server in [&primary, &replica] {
        assert_eq!(bonds(server), 0);
        assert_eq!(lengths(&mut server.client(), "mail"), [0, 4, 1, 0], "until its TTR is over");
        assert_eq!(server.run("JQ.CONFIG counts GET bind-counts").items()[1].text(), "yes");
    }
}

#[test]
fn what_was_never_answered_goes_back_uncounted_also_where_it_counts() {
    let server = Server::plain();
    let (mut client, mut killer) = (server.client(), server.client());
    for round in 0..60 {
        let queue = format!("queue-{round}");
        client.run(&format!("JQ.CONFIG {queue} SET bind-counts yes"));
        let mut worker = server.client();
        let id = worker.run("CLIENT ID").int().to_string();
        worker.send(&["JQ.CONSUME", &queue, "BLOCK", "0", "BIND"]);
        server.wait_for_blocked(1);
        if round % 3 == 0 {
            // The server has not written to it yet when it is killed.
            client.run("MULTI");
            client.run(&format!("JQ.PUBLISH {queue} x"));
            client.run(&format!("CLIENT KILL ID {id}"));
            client.run("EXEC");
            has(&mut client, &queue, 1, 0);
            assert_eq!(stat(&mut client, &queue, "released"), 1);
            assert_eq!(stat(&mut client, &queue, "nacked"), 0);
            continue;
        }
        client.send(&["JQ.PUBLISH", &queue, "x"]);
        match round % 3 {
            1 => worker.hang_up(),
            _ => drop(killer.run(&format!("CLIENT KILL ID {id}"))),
        }
        client.read();
        has(&mut client, &queue, 1, 0);
    }
    let mut sum = |field| -> i64 {
        (0..60).map(|round| stat(&mut client, &format!("queue-{round}"), field)).sum()
    };
    let (nacked, released) = (sum("nacked"), sum("released"));
    assert_eq!(server.info("jobq", "jobq_jobs_unbound"), nacked.to_string());
    assert_eq!(server.info("jobq", "jobq_jobs_undelivered"), released.to_string());
    nothing_is_bound(&server);
}
