//! `BATCH` and `JQ.BATCH`: jobs that are delivered together.

use crate::{
    replies::{bulk, ids, names, ok, on_each_wire, stat},
    support::{wait_for, Client, Options, Reply, Server},
};

/// The bodies of the only batch in a reply of `JQ.CONSUME`.
#[track_caller]
fn batch(reply: &Reply) -> Vec<String> {
    let [delivery] = reply.items() else { panic!("not one batch: {reply:?}") };
    delivery.items()[2].items().iter().map(Reply::text).collect()
}

fn gather(client: &mut Client, names: &[&str]) {
    for name in names {
        let line = format!("JQ.PUBLISH mail {name} ID {name} BATCH k BACKOFF none");
        assert_eq!(client.run(&line), bulk(name));
    }
}

fn gathering(client: &mut Client) -> Reply {
    client.run("JQ.LEN mail gathering")
}

#[test]
fn as_many_as_the_size_says_are_one_delivery_with_an_array_of_bodies_and_one_receipt() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG mail SET batch-size 3");
        gather(client, &["a", "b"]);
        assert!(client.run("JQ.CONSUME mail").is_nothing());
        gather(client, &["c", "d"]);
        let peeked = client.run("JQ.PEEK mail");
        assert_eq!(
            (ids(&peeked), batch(&peeked)),
            (vec!["a".into()], ["a", "b", "c"].map(Into::into).to_vec())
        );
        let taken = client.run("JQ.CONSUME mail COUNT 10");
        assert_eq!(batch(&taken), ["a", "b", "c"]);
        let receipt = &names(&taken)[0];
        assert_eq!(client.run(&format!("JQ.ACK mail {receipt}")), Reply::Int(1));
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(1), "d gathers on");
        assert_eq!(stat(client, "mail", "acked"), 3);
    });
}

#[test]
fn a_consumer_that_waits_gets_a_batch_as_soon_as_it_is_large_enough() {
    let server = Server::plain();
    let (mut consumer, mut client) = (server.client(), server.client());
    client.run("JQ.CONFIG mail SET batch-size 2");
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "DETAILS"]);
    gather(&mut client, &["a"]);
    assert!(consumer.is_waiting());
    gather(&mut client, &["b"]);
    let taken = consumer.read();
    assert_eq!(batch(&taken), ["a", "b"]);
    let members = taken.items()[0].items()[3].field("members");
    assert_eq!(members, Reply::Array(vec![bulk("a"), bulk("b")]));
}

#[test]
fn a_consumer_that_waits_gets_a_batch_when_its_time_has_come() {
    for setting in ["batch-grace 40", "batch-grace 0 batch-delay 40"] {
        let server = Server::plain();
        let (mut consumer, mut client) = (server.client(), server.client());
        client.run(&format!("JQ.CONFIG mail SET {setting}"));
        consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "DETAILS"]);
        gather(&mut client, &["a", "b"]);
        let taken = consumer.read();
        assert_eq!(batch(&taken), ["a", "b"], "{setting}");
        let details = &taken.items()[0].items()[3];
        let waited = details.field("due").int() - details.field("published-at").int();
        assert!(waited >= 40, "{setting}: after {waited} ms");
    }
}

#[test]
fn a_batch_that_is_nacked_or_lapses_comes_back_as_a_whole() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG mail SET batch-size 2 ttr 30");
        gather(client, &["a", "b"]);
        let taken = client.run("JQ.CONSUME mail TTR 60000");
        let nack = format!("JQ.NACK mail {} ERROR oops", names(&taken)[0]);
        assert_eq!(client.run(&nack), Reply::Int(1));
        assert_eq!(client.run("JQ.JOB mail b").field("error"), bulk("oops"));
        assert_eq!(batch(&client.run("JQ.CONSUME mail")), ["a", "b"]);
        assert_eq!(batch(&client.run("JQ.CONSUME mail BLOCK 0")), ["a", "b"], "after a lapse");
        assert_eq!(stat(client, "mail", "lapsed"), 2);
        for id in ["a", "b"] {
            assert_eq!(client.run(&format!("JQ.JOB mail {id}")).field("failures"), Reply::Int(2));
        }
    });
}

#[test]
fn delayed_jobs_and_those_that_come_back_gather_like_others() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET batch-size 2");
    client.run("JQ.PUBLISH mail late ID late BATCH k DELAY 20 BACKOFF none");
    gather(&mut client, &["a"]);
    assert_eq!(batch(&client.run("JQ.CONSUME mail BLOCK 0")), ["a", "late"]);
    client.run("JQ.ACK mail a");
    gather(&mut client, &["b"]);
    assert_eq!(client.run("JQ.KICK mail ID b"), Reply::Int(1));
    let alone = client.run("JQ.CONSUME mail");
    assert_eq!(alone.items()[0].items()[2], bulk("b"), "a job that is run by itself has its body");
    client.run("JQ.NACK mail b");
    assert_eq!(gathering(&mut client), Reply::Int(1));
    gather(&mut client, &["c"]);
    assert_eq!(batch(&client.run("JQ.CONSUME mail")), ["b", "c"]);
}

#[test]
fn those_who_gather_are_listed_and_fired_run_buried_or_deleted_by_their_key() {
    on_each_wire(|client| {
        assert_eq!(client.run("JQ.BATCH mail LIST"), client.map(vec![]));
        assert_eq!(client.run("JQ.BATCH mail FIRE k"), Reply::Int(0));
        assert_eq!(client.run("EXISTS mail"), Reply::Int(0), "nothing was done");
        gather(client, &["a", "b"]);
        client.run("JQ.PUBLISH mail x ID x BATCH other");
        let listed = client.run("JQ.BATCH mail LIST");
        let k = listed.field("k");
        assert_eq!(k.field("jobs"), Reply::Int(2));
        let job = client.run("JQ.JOB mail b");
        assert_eq!(k.field("due").int(), job.field("gathering-since").int() + 60_000);
        assert_eq!(k.field("due"), job.field("batch-due"));
        let page = client.run("JQ.LIST mail gathering BATCH k");
        let listed: Vec<_> = page.items()[1].items().iter().map(|it| it.field("id")).collect();
        assert_eq!(listed, [bulk("a"), bulk("b")]);
        assert_eq!((job.field("why"), job.field("batch")), (bulk("batch"), bulk("k")));
        assert!(job.field("leader").is_nothing());

        assert_eq!(client.run("JQ.BATCH mail FIRE k"), Reply::Int(2));
        let job = client.run("JQ.JOB mail b");
        assert_eq!((job.field("leader"), job.field("state")), (bulk("a"), bulk("gathering")));
        assert_eq!(batch(&client.run("JQ.CONSUME mail")), ["a", "b"]);
        assert_eq!(client.run("JQ.KICK mail ID b"), Reply::Int(0), "somebody holds it");
        assert_eq!(client.run("JQ.ACK mail a"), Reply::Int(1));

        gather(client, &["a", "b"]);
        assert_eq!(client.run("JQ.BATCH mail RUN k"), Reply::Int(2));
        let taken = client.run("JQ.CONSUME mail COUNT 5");
        assert_eq!(ids(&taken), ["a", "b"], "each by itself");
        assert_eq!(client.run("JQ.ACK mail a b"), Reply::Int(2));

        gather(client, &["a", "b"]);
        assert_eq!(client.run("JQ.BATCH mail BURY k"), Reply::Int(2));
        assert_eq!(client.run("JQ.LEN mail dead"), Reply::Int(2));
        assert_eq!(client.run("JQ.BATCH mail DELETE other"), Reply::Int(1));
        assert_eq!(client.run("JQ.BATCH mail LIST"), client.map(vec![]));
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(2));
    });
}

#[test]
fn a_key_has_a_pace_of_its_own_where_it_is_set() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG mail SET batch-size 5 batch-size:k 2 batch-grace:k 9000");
        let read = client.run("JQ.CONFIG mail GET batch-size:k");
        assert_eq!(read, client.map(vec![("batch-size:k", bulk("2"))]));
        gather(client, &["a", "b"]);
        assert_eq!(batch(&client.run("JQ.CONSUME mail")), ["a", "b"]);
        assert_eq!(client.run("JQ.CONFIG mail SET batch-size:k 0 batch-grace:k 0"), ok());
        gather(client, &["c", "d"]);
        assert!(client.run("JQ.CONSUME mail").is_nothing());
        assert_eq!(client.run("JQ.CONFIG mail SET batch-size 2"), ok());
        assert_eq!(
            batch(&client.run("JQ.CONSUME mail")),
            ["c", "d"],
            "who gathers already follows"
        );
    });
}

#[test]
fn without_any_setting_nobody_gathers_for_ever() {
    let server = Server::plain();
    let mut client = server.client();
    gather(&mut client, &["a"]);
    let since = client.run("JQ.JOB mail a").field("gathering-since").int();
    assert_eq!(client.run("JQ.STATS mail").field("next-due").int(), since + 60_000);
    client.run("JQ.CONFIG mail SET batch-grace 0");
    assert_eq!(batch(&client.run("JQ.CONSUME mail")), ["a"], "with nothing to wait for it goes");
}

#[test]
fn batches_go_through_a_reload_a_restart_and_a_replica() {
    let mut server = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&server);
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET batch-size 2");
    gather(&mut client, &["a", "b", "c", "d", "e"]);
    let receipt = names(&client.run("JQ.CONSUME mail"))[0].clone();
    replica.catch_up_with(&server);
    let digest = client.run("JQ.DIGEST mail");
    assert_eq!(replica.run("JQ.DIGEST mail"), digest);
    assert_eq!(client.run("DEBUG RELOAD"), ok());
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
    server.kill_and_restart();
    let mut client = server.client();
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
    assert_eq!(client.run(&format!("JQ.NACK mail {receipt}")), Reply::Int(1));
    assert_eq!(batch(&client.run("JQ.CONSUME mail")), ["c", "d"]);
    assert_eq!(batch(&client.run("JQ.CONSUME mail")), ["a", "b"]);
    gather(&mut client, &["f"]);
    assert_eq!(batch(&client.run("JQ.CONSUME mail")), ["e", "f"]);
}

#[test]
fn a_batch_that_was_gathering_when_the_server_stopped_forms_after_it_is_back() {
    let mut server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET batch-grace 200");
    gather(&mut client, &["a", "b"]);
    server.kill_and_restart();
    let mut client = server.client();
    assert_eq!(batch(&client.run("JQ.CONSUME mail BLOCK 0")), ["a", "b"]);
}

#[test]
fn scripts_and_transactions_gather_and_take_batches() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET batch-size 2");
    let script = "redis.call('JQ.PUBLISH', KEYS[1], 'a', 'ID', 'a', 'BATCH', 'k') \
                  redis.call('JQ.PUBLISH', KEYS[1], 'b', 'ID', 'b', 'BATCH', 'k') \
                  return redis.call('JQ.CONSUME', KEYS[1])";
    assert_eq!(batch(&client.call(&["EVAL", script, "1", "mail"])), ["a", "b"]);
    client.run("MULTI");
    client.run("JQ.ACK mail a");
    client.run("JQ.MPUBLISH mail 2 c d BATCH k");
    client.run("JQ.CONSUME mail");
    let done = client.run("EXEC");
    assert_eq!(batch(&done.items()[2]), ["c", "d"]);
}

#[test]
fn thousands_of_keys_fire_in_their_time_and_nothing_is_kept_of_them() {
    const KEYS: usize = 5_000;
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET batch-grace 30");
    for n in 0..KEYS {
        client.send(&["JQ.PUBLISH", "mail", "x", "BATCH", &format!("key {n}")]);
    }
    (0..KEYS).for_each(|_| drop(client.read()));
    let all = Reply::Int(KEYS as i64);
    wait_for("all to be ready", || (client.run("JQ.LEN mail ready") == all).then_some(()));
    let mut taken = 0;
    while taken < KEYS {
        let jobs = client.run("JQ.CONSUME mail COUNT 1000");
        let mut ack = vec!["JQ.ACK".to_owned(), "mail".to_owned()];
        ack.extend(names(&jobs));
        taken += ack.len() - 2;
        client.call(&ack);
    }
    assert_eq!(client.run("JQ.LEN mail"), Reply::Int(0));
    assert!(
        stat(&mut client, "mail", "bytes") < 30_000,
        "{} bytes",
        stat(&mut client, "mail", "bytes")
    );
}
