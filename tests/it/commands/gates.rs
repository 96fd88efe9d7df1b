//! `JQ.GATE`, `WHEN` and `releases-max`.

use crate::{
    replies::{bodies, bulk, names, ok, on_each_wire, stat},
    support::{wait_for, Client, Reply, Server},
};

const MANY: usize = 50_000;

fn open(held: i64) -> Reply {
    Reply::Array(vec![bulk("open"), Reply::Int(held)])
}

fn closed(held: i64) -> Reply {
    Reply::Array(vec![bulk("closed"), Reply::Int(held)])
}

/// How many jobs are held.
fn held(client: &mut Client) -> Reply {
    client.run("JQ.LEN mail held")
}

#[test]
fn a_job_is_held_until_of_each_when_one_gate_is_open() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail hello ID a WHEN night|weekend WHEN paid");
        assert_eq!(held(client), Reply::Int(1));
        assert!(client.run("JQ.CONSUME mail").is_nothing());
        assert_eq!(client.run("JQ.GATE mail OPEN paid night-shift"), Reply::Int(2));
        assert_eq!(held(client), Reply::Int(1));
        assert_eq!(client.run("JQ.GATE mail OPEN weekend paid"), Reply::Int(1));
        assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["hello"]);
    });
}

#[test]
fn gates_are_listed_as_long_as_they_are_open_or_waited_for() {
    on_each_wire(|client| {
        assert_eq!(client.run("JQ.GATE mail LIST"), client.map(vec![]));
        assert_eq!(client.run("JQ.GATE mail CLOSE b"), Reply::Int(0));
        assert_eq!(client.run("EXISTS mail"), Reply::Int(0), "nothing was done");
        assert_eq!(client.run("JQ.GATE mail OPEN b"), Reply::Int(1), "which makes the queue");
        client.run("JQ.PUBLISH mail x ID x WHEN a|c");
        client.run("JQ.PUBLISH mail y ID y WHEN b WHEN c");
        let listed = client.run("JQ.GATE mail LIST");
        let expected = vec![("a", closed(1)), ("b", open(1)), ("c", closed(2))];
        assert_eq!(listed, client.map(expected));
        assert_eq!(client.run("JQ.DELETE mail x y"), Reply::Int(2));
        assert_eq!(client.run("JQ.GATE mail LIST"), client.map(vec![("b", open(0))]));
        assert_eq!(client.run("JQ.GATE mail CLOSE b"), Reply::Int(1));
        assert_eq!(client.run("JQ.GATE mail LIST"), client.map(vec![]));
    });
}

#[test]
fn an_open_gate_wakes_a_consumer_that_waits() {
    let server = Server::plain();
    let (mut consumer, mut client) = (server.client(), server.client());
    for ways in [&["JQ.GATE mail OPEN paid"][..], &["JQ.KICK mail ID b"]] {
        let body = if ways[0].contains("OPEN") { "a" } else { "b" };
        consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
        client.run(&format!("JQ.PUBLISH mail {body} ID {body} WHEN paid"));
        assert_eq!(held(&mut client), Reply::Int(1));
        assert!(consumer.is_waiting());
        ways.iter().for_each(|line| assert_eq!(client.run(line), Reply::Int(1)));
        assert_eq!(bodies(&consumer.read()), [body]);
        client.run("JQ.GATE mail CLOSE paid");
    }
}

#[test]
fn a_gate_that_closes_keeps_what_comes_back_and_not_what_is_ready() {
    on_each_wire(|client| {
        client.run("JQ.GATE mail OPEN paid");
        client.run("JQ.PUBLISH mail a ID a WHEN paid BACKOFF none");
        client.run("JQ.GATE mail CLOSE paid");
        for settle in ["RELEASE mail a", "NACK mail a"] {
            assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["a"], "it was ready");
            assert_eq!(client.run(&format!("JQ.{settle}")), Reply::Int(1));
            assert_eq!(held(client), Reply::Int(1), "{settle}");
            assert_eq!(client.run("JQ.KICK mail ID a"), Reply::Int(1));
        }
    });
}

#[test]
fn a_held_job_is_listed_with_what_it_waits_for() {
    on_each_wire(|client| {
        client.run("JQ.GATE mail OPEN c");
        client.run("JQ.PUBLISH mail a ID a WHEN c|d WHEN b|a WHEN b|a WHEN e");
        let listed = client.run("JQ.LIST mail held");
        let job = &listed.items()[1].items()[0];
        let texts = |texts: &[&str]| Reply::Array(texts.iter().map(bulk).collect());
        for job in [job.clone(), client.run("JQ.JOB mail a")] {
            assert_eq!(job.field("when"), texts(&["a|b", "c|d", "e"]));
            assert_eq!(job.field("missing"), texts(&["a|b", "e"]));
            assert_eq!(job.field("why"), bulk("gate"));
            assert_eq!(job.field("state"), bulk("held"));
            assert_eq!(job.field("held-since"), job.field("published-at"));
            assert!(job.field("ready-since").is_nothing());
        }
        client.run("JQ.KICK mail ID a");
        let taken = client.run("JQ.CONSUME mail DETAILS");
        let details = &taken.items()[0].items()[3];
        assert_eq!(details.field("missing"), texts(&[]), "only what is held misses something");
        assert!(details.field("why").is_nothing());
    });
}

#[test]
fn very_many_jobs_are_freed_in_slices_in_publish_order() {
    let server = Server::plain();
    let mut client = server.client();
    let texts: Vec<_> = (0..MANY).map(|n| n.to_string()).collect();
    for texts in texts.chunks(MANY / 5) {
        let mut call = vec!["JQ.MPUBLISH".into(), "mail".into(), texts.len().to_string()];
        call.extend_from_slice(texts);
        call.extend(["WHEN".into(), "paid".into()]);
        client.call(&call).items();
    }
    assert_eq!(client.run("JQ.GATE mail OPEN paid"), Reply::Int(1));
    assert_ne!(held(&mut client), Reply::Int(0), "other commands come in between");
    wait_for("the last one to be free", || (held(&mut client) == Reply::Int(0)).then_some(()));
    assert_eq!(bodies(&client.run("JQ.PEEK mail COUNT 10000")), texts[..10_000]);
}

#[test]
fn gates_and_who_waits_at_them_outlive_a_reload_and_reach_replicas() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    client.run("JQ.GATE mail OPEN a b");
    client.run("JQ.PUBLISH mail x ID x WHEN b WHEN c");
    client.run("JQ.PUBLISH mail y ID y WHEN a DELAY 3600000");
    client.run("JQ.GATE mail CLOSE b");
    client.run("JQ.GATE mail CLOSE unknown");
    let looks = ["JQ.GATE mail LIST", "JQ.LIST mail held", "JQ.DIGEST mail"];
    let seen = looks.map(|line| client.run(line));
    replica.catch_up_with(&primary);
    assert_eq!(replica.run("JQ.DIGEST mail"), seen[2]);
    assert_eq!(client.run("DEBUG RELOAD"), ok());
    assert_eq!(looks.map(|line| client.run(line)), seen);
    assert_eq!(client.run("COPY mail other"), Reply::Int(1));
    client.run("JQ.GATE mail OPEN b c");
    assert_eq!(names(&client.run("JQ.PEEK mail")), ["x"]);
    assert_eq!(client.run("JQ.LEN other held"), Reply::Int(1), "a copy has gates of its own");
    replica.catch_up_with(&primary);
    assert_eq!(replica.run("JQ.DIGEST mail"), client.run("JQ.DIGEST mail"));
}

#[test]
fn a_queue_with_an_open_gate_is_not_idle() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.GATE mail OPEN paid");
    client.run("JQ.CONFIG mail SET idle-expire 1");
    client.run("JQ.CONFIG other SET idle-expire 1");
    wait_for("the other one to go", || (client.run("EXISTS other") == Reply::Int(0)).then_some(()));
    assert_eq!(client.run("EXISTS mail"), Reply::Int(1));
    client.run("JQ.GATE mail CLOSE paid");
    wait_for("it to go", || (client.run("EXISTS mail") == Reply::Int(0)).then_some(()));
}

#[test]
fn a_job_that_is_released_too_often_is_dead() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG mail SET releases-max 1");
        client.run("JQ.PUBLISH mail a ID a");
        let mut release = |words: &str| {
            client.run("JQ.CONSUME mail");
            client.run(&format!("JQ.RELEASE mail a{words}"))
        };
        assert_eq!(release(" UNCOUNTED"), Reply::Int(1));
        assert_eq!(release(" DELAY 0"), Reply::Int(1));
        assert_eq!(release(" UNCOUNTED"), Reply::Int(1));
        assert_eq!(release(""), Reply::Int(1));
        let job = client.run("JQ.JOB mail a");
        assert_eq!(job.field("state"), bulk("dead"));
        assert_eq!(job.field("error"), bulk("released too often"));
        assert_eq!(job.field("releases"), Reply::Int(1));
        assert_eq!(stat(client, "mail", "died"), 1);
    });
}

#[test]
fn a_job_that_did_not_reach_its_consumer_was_not_released() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET releases-max 1");
    for _ in 0..3 {
        let mut consumer = server.client();
        let id = consumer.run("CLIENT ID").int();
        consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
        wait_for("it to wait", || (server.info("clients", "blocked_clients") == "1").then_some(()));
        // Within one transaction, the consumer is served and gone before it can be written to.
        client.run("MULTI");
        client.run("JQ.PUBLISH mail a");
        client.run(&format!("CLIENT KILL ID {id}"));
        client.run("EXEC");
        wait_for("the job to be back", || {
            (client.run("JQ.LEN mail ready") == Reply::Int(1)).then_some(())
        });
        let id = names(&client.run("JQ.PEEK mail")).remove(0);
        assert_eq!(client.call(&["JQ.JOB", "mail", &id]).field("releases"), Reply::Int(0));
        client.call(&["JQ.DELETE", "mail", &id]);
    }
}
