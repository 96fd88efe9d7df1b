//! Groups in turn, and limits, as clients meet them.

use crate::{
    blocking::{nobody_waits, waiting},
    replies::{bodies, names, ok},
    support::{wait_for, Reply, Server},
};

#[test]
fn consumers_that_wait_are_served_group_by_group() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.MPUBLISH mail 3 a1 a2 a3 GROUP a");
    client.run("JQ.MPUBLISH mail 2 b1 b2 GROUP b");
    client.run("JQ.PUBLISH mail c1 GROUP c");
    let taken = client.run("JQ.CONSUME mail COUNT 4");
    assert_eq!(bodies(&taken), ["a1", "b1", "c1", "a2"]);
    assert_eq!(bodies(&client.run("JQ.PEEK mail COUNT 10")), ["b2", "a3"]);
    assert_eq!(client.run("JQ.CONFIG mail SET group-weight:a 2"), ok());
    client.run("JQ.MPUBLISH mail 3 a4 a5 a6 GROUP a");
    assert_eq!(bodies(&client.run("JQ.CONSUME mail COUNT 10")), ["b2", "a3", "a4", "a5", "a6"]);
    let settings = client.run("JQ.CONFIG mail GET group-weight:a");
    assert_eq!(settings.field("group-weight:a").text(), "2");
    assert_eq!(client.run("JQ.CONFIG mail GET").field("group-weight:a").text(), "2");
}

#[test]
fn a_place_that_becomes_free_wakes_a_consumer_that_waits() {
    let server = Server::plain();
    let mut client = server.client();
    assert_eq!(client.run("JQ.LIMIT mail SET smtp CONCURRENCY 1"), ok());
    for id in ["a", "b", "c", "d", "e"] {
        client.run(&format!("JQ.PUBLISH mail {id} ID {id} USES smtp 1 BACKOFF none"));
    }
    let mut receipt = names(&client.run("JQ.CONSUME mail")).remove(0);
    let mut order = String::new();
    for end in ["JQ.ACK", "JQ.NACK", "JQ.BURY", "JQ.DELETE"] {
        let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
        assert!(consumer.is_waiting());
        client.run(&format!("{end} mail {receipt}"));
        let taken = consumer.read();
        order += &bodies(&taken).concat();
        receipt = names(&taken).remove(0);
    }
    assert_eq!(order, "bcde");
    nobody_waits(&server);
}

#[test]
fn a_lapse_frees_a_place_and_so_does_an_expiry() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail a MUTEX m TTL 30");
    client.run("JQ.CONSUME mail TTR 600000");
    client.run("JQ.PUBLISH mail b MUTEX m TRIES 1");
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0 TTR 20");
    assert_eq!(bodies(&consumer.read()), ["b"]);
    client.run("JQ.PUBLISH mail c MUTEX m");
    let mut consumer = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    assert_eq!(bodies(&consumer.read()), ["c"], "when the lease of the one before has lapsed");
}

#[test]
fn a_token_that_comes_back_wakes_a_consumer_and_never_too_early() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.LIMIT mail SET api RATE 2 PER 200");
    client.run("JQ.MPUBLISH mail 6 1 2 3 4 5 6 USES api 1");
    let mut consumer = server.client();
    let begin = client.time();
    for taken in 0..6 {
        let reply = consumer.run("JQ.CONSUME mail BLOCK 0");
        assert_eq!(bodies(&reply), [(taken + 1).to_string()]);
        // Two were there, and each other one needs 100 ms more.
        let least = (taken - 1).max(0) * 100;
        assert!(client.time() - begin >= least, "{taken}");
    }
}

#[test]
fn the_whole_queue_and_each_group_can_be_limited() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.LIMIT mail SET group:* CONCURRENCY 1");
    client.run("JQ.LIMIT mail SET * CONCURRENCY 2");
    client.run("JQ.MPUBLISH mail 2 a1 a2 GROUP a");
    client.run("JQ.MPUBLISH mail 2 b1 b2 GROUP b");
    client.run("JQ.MPUBLISH mail 2 c1 c2 GROUP c");
    let taken = client.run("JQ.CONSUME mail COUNT 10");
    assert_eq!(bodies(&taken), ["a1", "b1"]);
    assert!(client.run("JQ.CONSUME mail COUNT 10").is_nothing());
    client.run(&format!("JQ.ACK mail {}", names(&taken)[0]));
    assert_eq!(bodies(&client.run("JQ.CONSUME mail COUNT 10")), ["c1"]);
    let listed = client.run("JQ.LIMIT mail LIST");
    assert_eq!(listed.field("*").field("held"), Reply::Int(2));
    assert_eq!(listed.field("*").field("concurrency"), Reply::Int(2));
    assert!(listed.field("group:*").field("held").is_nothing());
    client.run("JQ.LIMIT mail DEL *");
    assert_eq!(bodies(&client.run("JQ.CONSUME mail COUNT 10")), ["a2"], "b and c have theirs");
}

#[test]
fn a_job_tells_which_limit_holds_it_up_and_how_far() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.LIMIT mail SET disk CONCURRENCY 3");
    client.run("JQ.PUBLISH mail x ID a USES disk 2 GROUP acme");
    client.run("JQ.PUBLISH mail x ID b USES disk 2 MUTEX m");
    client.run("JQ.CONSUME mail");
    let job = client.run("JQ.JOB mail b");
    assert_eq!(job.field("state").text(), "ready");
    assert_eq!(job.field("why").text(), "limit");
    assert_eq!(job.field("limit").text(), "disk");
    assert_eq!(job.field("limit-held"), Reply::Int(2));
    assert_eq!(job.field("uses").field("disk"), Reply::Int(2));
    assert_eq!(job.field("uses").field("mutex:m"), Reply::Int(1));
    assert_eq!(client.run("JQ.JOB mail a").field("group").text(), "acme");
    let listed = client.run("JQ.LIMIT mail LIST").field("disk");
    assert_eq!((listed.field("held"), listed.field("waiting")), (Reply::Int(2), Reply::Int(1)));
    assert_eq!(client.run("JQ.LEN mail ready"), Reply::Int(1));
    client.run("JQ.MPUBLISH mail 2 x y GROUP acme");
    let of_group = client.run("JQ.LIST mail ready GROUP acme");
    assert_eq!(of_group.items()[1].items().len(), 2);
}

#[test]
fn a_group_is_full_before_the_queue_is() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET group-maxlen 2");
    client.run("JQ.MPUBLISH mail 2 x y GROUP a");
    let refused = client.run("JQ.PUBLISH mail z GROUP a");
    assert_eq!(refused.error(), "FULL the queue holds its 2 jobs of the group");
    assert_eq!(client.run("JQ.MPUBLISH mail 2 x y GROUP b").items().len(), 2);
    client.run("JQ.PUBLISH mail z");
}

#[test]
fn a_copy_a_reload_and_a_replica_know_who_waits_for_what() {
    let server = Server::plain();
    let replica = Server::plain();
    let mut client = server.client();
    replica.run(&format!("REPLICAOF 127.0.0.1 {}", server.port()));
    wait_for("the replica to be in step", || {
        (replica.client().info("replication", "master_link_status") == "up").then_some(())
    });
    client.run("JQ.LIMIT mail SET smtp CONCURRENCY 2 RATE 3 PER 600000");
    client.run("JQ.CONFIG mail SET group-weight:b 2");
    for n in 0..30 {
        let group = ["a", "b", "c"][n % 3];
        client.run(&format!("JQ.PUBLISH mail {n} USES smtp 1 GROUP {group} PRIORITY {}", n % 2));
    }
    let taken = names(&client.run("JQ.CONSUME mail COUNT 5"));
    assert_eq!(taken.len(), 2);
    client.run(&format!("JQ.ACK mail {}", taken[0]));
    client.run("JQ.CONSUME mail COUNT 5");
    let digest = client.run("JQ.DIGEST mail");
    wait_for("the replica to be equal", || (replica.run("JQ.DIGEST mail") == digest).then_some(()));
    client.run("COPY mail copy");
    assert_eq!(client.run("JQ.DIGEST copy"), digest);
    client.run("DEBUG RELOAD");
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
    assert!(client.run("JQ.CONSUME mail COUNT 5").is_nothing(), "no token is left");
}
