//! `JQ.KICK`, `JQ.RESPAWN`, `JQ.DELETE` and `JQ.CONFIG`.

use jobq_protocol::SETTINGS;

use crate::{
    replies::{bodies, bulk, due_in, lengths, names, ok, on_each_wire, stat, told},
    support::{wait_for, Client, Reply, Server},
};

const MANY: usize = 50_000;

/// Publishes jobs whose ids are these, each with these options.
fn publish(client: &mut Client, ids: &[&str], options: &str) {
    for id in ids {
        client.run(format!("JQ.PUBLISH mail {id} ID {id} {options}").trim_end());
    }
}

/// Publishes [`MANY`] jobs that wait for an instant far away.
fn publish_many(client: &mut Client) {
    let texts: Vec<_> = (0..MANY).map(|n| n.to_string()).collect();
    for texts in texts.chunks(MANY / 5) {
        let mut call = vec!["JQ.MPUBLISH".into(), "mail".into(), texts.len().to_string()];
        call.extend_from_slice(texts);
        call.extend(["DELAY".into(), "3600000".into()]);
        client.call(&call).items();
    }
}

#[test]
fn a_kick_makes_the_soonest_delayed_jobs_ready() {
    on_each_wire(|client| {
        publish(client, &["c"], "DELAY 300000");
        publish(client, &["a"], "DELAY 100000");
        publish(client, &["b", "b2"], "DELAY 200000");
        assert_eq!(client.run("JQ.KICK mail COUNT 2"), Reply::Int(2));
        assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["a", "b"]);
        assert_eq!(client.run("JQ.KICK mail ID c missing a c@1"), Reply::Int(1));
        assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["a", "b", "c"]);
        assert_eq!(client.run("JQ.KICK mail COUNT 100"), Reply::Int(1), "there are no more");
        assert_eq!(client.run("JQ.KICK mail COUNT 100"), Reply::Int(0));
        assert_eq!(client.run("JQ.KICK missing COUNT 100"), Reply::Int(0));
        assert_eq!(client.run("JQ.KICK missing ID a"), Reply::Int(0));
        assert_eq!(client.run("EXISTS missing"), Reply::Int(0));
        assert_eq!(lengths(client, "mail"), [0, 4, 0, 0]);
        assert_eq!(stat(client, "mail", "kicked"), 4);
    });
}

#[test]
fn a_respawn_brings_back_the_longest_dead_as_if_never_tried() {
    on_each_wire(|client| {
        publish(client, &["a", "b", "c", "d"], "TRIES 2 BACKOFF none");
        client.run("JQ.BURY mail c");
        client.run("JQ.BURY mail a b d");
        assert_eq!(client.run("JQ.RESPAWN mail COUNT 2"), Reply::Int(2));
        assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["c", "a"]);
        assert_eq!(client.run("JQ.RESPAWN mail ID d missing a"), Reply::Int(1));
        assert_eq!(client.run("JQ.RESPAWN mail ALL"), Reply::Int(1));
        assert_eq!(client.run("JQ.RESPAWN mail ALL"), Reply::Int(0));
        assert_eq!(client.run("JQ.RESPAWN missing ALL"), Reply::Int(0));
        assert_eq!(client.run("EXISTS missing"), Reply::Int(0));
        assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["c", "a", "d", "b"]);
        assert_eq!(stat(client, "mail", "respawned"), 4);
    });
}

fn tries_until_dead(client: &mut Client) -> usize {
    let is_dead = |_: &usize| {
        client.run("JQ.CONSUME mail");
        client.run("JQ.NACK mail a");
        client.run("JQ.LEN mail dead") == Reply::Int(1)
    };
    (1..100).find(is_dead).expect("it dies at last")
}

#[test]
fn a_respawned_job_has_all_its_tries_again() {
    let server = Server::plain();
    let mut client = server.client();
    let mut tries_of = |respawn: &str| {
        client.run("DEL mail");
        publish(&mut client, &["a"], "TRIES 2 BACKOFF none");
        assert_eq!(tries_until_dead(&mut client), 2);
        client.run(respawn);
        tries_until_dead(&mut client)
    };
    assert_eq!(tries_of("JQ.RESPAWN mail ALL"), 2);
    assert_eq!(tries_of("JQ.RESPAWN mail COUNT 1 TRIES 4"), 4);
    assert_eq!(tries_of("JQ.RESPAWN mail ID a TRIES 1"), 1);
}

#[test]
fn a_respawned_job_may_get_a_new_ttl_and_a_delay() {
    let server = Server::plain();
    let mut client = server.client();
    publish(&mut client, &["a"], "TTL 500000");
    client.run("JQ.BURY mail a");
    client.run("JQ.RESPAWN mail ALL");
    assert!(client.run("JQ.STATS mail").field("next-due").is_nothing(), "the old TTL is over");
    client.run("JQ.BURY mail a");
    client.run("JQ.RESPAWN mail ID a TTL 700000");
    assert_eq!(due_in(&mut client, "mail"), 700_000);
    client.run("JQ.BURY mail a");
    client.run("JQ.RESPAWN mail COUNT 1 DELAY 600000");
    assert_eq!(lengths(&mut client, "mail"), [1, 0, 0, 0]);
    assert_eq!(due_in(&mut client, "mail"), 600_000);
    client.run("JQ.BURY mail a");
    let before = told(&mut client, "mail");
    assert_eq!(client.run("JQ.RESPAWN mail ALL TTL 5 DELAY 6").error_word(), "RANGE");
    assert_eq!(told(&mut client, "mail"), before);
    assert_eq!(client.run("JQ.RESPAWN mail ALL DELAY 600000 TTL 600000 TRIES 1"), Reply::Int(1));
}

#[test]
fn fifty_thousand_jobs_are_kicked_in_slices() {
    let server = Server::plain();
    let mut client = server.client();
    publish_many(&mut client);
    client.run("MULTI");
    client.run(&format!("JQ.KICK mail COUNT {MANY}"));
    client.run("JQ.LEN mail delayed");
    let replies = client.run("EXEC");
    assert_eq!(replies.items()[0], Reply::Int(MANY as i64));
    assert!(replies.items()[1].int() > MANY as i64 / 2, "a slice at a time");
    assert_eq!(client.run("JQ.KICK mail COUNT 1"), Reply::Int(0), "all are promised already");
    wait_for("the last slice", || {
        let [delayed, ready, ..] = lengths(&mut client, "mail");
        assert_eq!(delayed + ready, MANY as i64);
        (delayed == 0).then_some(())
    });
    let taken = client.run("JQ.CONSUME mail COUNT 10000");
    assert!(bodies(&taken).iter().map(|body| body.parse().unwrap_or(0)).eq(0..10_000), "in order");
}

#[test]
fn fifty_thousand_jobs_are_respawned_in_slices() {
    let server = Server::plain();
    let mut client = server.client();
    publish_many(&mut client);
    client.run(&format!("JQ.KICK mail COUNT {MANY}"));
    wait_for("the last slice", || {
        (client.run("JQ.LEN mail ready") == Reply::Int(MANY as i64)).then_some(())
    });
    for _ in 0..5 {
        let mut bury = vec!["JQ.BURY".to_string(), "mail".to_string()];
        bury.extend(names(&client.run("JQ.PEEK mail COUNT 10000")));
        assert_eq!(client.call(&bury), Reply::Int(10_000));
    }
    client.run("MULTI");
    client.run("JQ.RESPAWN mail ALL TRIES 7");
    client.run("JQ.LEN mail dead");
    let replies = client.run("EXEC");
    assert_eq!(replies.items()[0], Reply::Int(MANY as i64));
    assert!(replies.items()[1].int() > MANY as i64 / 2, "a slice at a time");
    assert_eq!(client.run("JQ.RESPAWN mail ALL"), Reply::Int(0), "all are promised already");
    client.run("JQ.PUBLISH mail other PRIORITY -1").text();
    assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["other"], "and work in between");
    wait_for("the last slice", || {
        (lengths(&mut client, "mail") == [0, MANY as i64, 1, 0]).then_some(())
    });
    assert_eq!(stat(&mut client, "mail", "respawned"), MANY as i64);
}

#[test]
fn jobs_are_deleted_in_any_state() {
    on_each_wire(|client| {
        publish(client, &["leased1", "ready1", "dead1"], "");
        publish(client, &["delayed1"], "DELAY 100000");
        client.run("JQ.CONSUME mail");
        client.run("JQ.BURY mail dead1");
        assert_eq!(lengths(client, "mail"), [1, 1, 1, 1]);
        assert_eq!(client.run("JQ.DELETE mail missing leased1@9 ready1@1"), Reply::Int(0));
        let line = "JQ.DELETE mail leased1@1 ready1 dead1 delayed1 ready1";
        assert_eq!(client.run(line), Reply::Int(4));
        assert_eq!(client.run("JQ.ACK mail leased1@1"), Reply::Int(0), "its holder learns");
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(0));
        assert_eq!(client.run("JQ.DELETE missing a"), Reply::Int(0));
        assert_eq!(client.run("EXISTS mail missing"), Reply::Int(1), "the drained queue stays");
        assert_eq!(stat(client, "mail", "deleted"), 4);
    });
}

#[test]
fn a_job_that_its_worker_drops_is_neither_retried_nor_kept() {
    on_each_wire(|client| {
        publish(client, &["a"], "TRIES 5 RETAIN FOREVER");
        client.run("JQ.CONSUME mail");
        assert_eq!(client.run("JQ.DELETE mail a@1"), Reply::Int(1));
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(0), "in no state");
        assert!(client.run("JQ.JOB mail a").is_nothing());
        assert!(client.run("JQ.STATS mail").field("next-due").is_nothing());
        assert_eq!([stat(client, "mail", "died"), stat(client, "mail", "acked")], [0, 0]);
    });
}

#[test]
fn a_missing_queue_has_the_default_settings() {
    on_each_wire(|client| {
        let defaults = SETTINGS.iter().map(|spec| (spec.name, bulk(spec.default)));
        assert_eq!(client.run("JQ.CONFIG mail GET"), client.map(defaults.collect()));
        for spec in SETTINGS {
            let one = client.call(&["JQ.CONFIG", "mail", "GET", spec.name]);
            assert_eq!(one, client.map(vec![(spec.name, bulk(spec.default))]));
        }
        assert_eq!(client.run("EXISTS mail"), Reply::Int(0), "a look makes no queue");
        client.run("JQ.PUBLISH mail x");
        let defaults = SETTINGS.iter().map(|spec| (spec.name, bulk(spec.default)));
        assert_eq!(client.run("JQ.CONFIG mail GET"), client.map(defaults.collect()));
    });
}

#[test]
fn every_setting_can_be_set_and_read_in_any_case() {
    on_each_wire(|client| {
        for (name, value) in [
            ("tries", "3"),
            ("ttr", "1"),
            ("ttl", "86400000"),
            ("backoff", "exp:1000:60000"),
            ("backoff", "fixed:0"),
            ("backoff", "none"),
            ("priority", "-20"),
            ("maxlen", "9223372036854775807"),
            ("maxbody", "1048576"),
        ] {
            let upper = name.to_uppercase();
            assert_eq!(client.call(&["JQ.CONFIG", "mail", "SET", &upper, value]), ok(), "{name}");
            let read = client.call(&["jq.config", "mail", "get", &upper]);
            assert_eq!(read, client.map(vec![(name, bulk(value))]));
        }
        assert_eq!(client.run("JQ.CONFIG mail SET tries 9 priority 5 backoff POLY"), ok());
        let settings = client.run("JQ.CONFIG mail GET");
        assert_eq!(settings.field("tries"), bulk("9"));
        assert_eq!(settings.field("priority"), bulk("5"));
        assert_eq!(settings.field("backoff"), bulk("poly"));
        assert_eq!(settings.field("maxbody"), bulk("1048576"), "what is not named stays");
    });
}

#[test]
fn a_setting_that_cannot_be_spoils_the_whole_call() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET tries 7");
    let digest = client.run("JQ.DIGEST mail");
    for (words, line) in [
        ("RANGE", "tries 5 ttr 0"),
        ("RANGE", "tries 0"),
        ("RANGE", "tries 4294967296"),
        ("RANGE", "ttr -1"),
        ("RANGE", "backoff linear"),
        ("RANGE", "backoff exp:1"),
        ("RANGE", "priority 21"),
        ("RANGE", "priority -21"),
        ("RANGE", "maxlen -1"),
        ("RANGE", "maxbody 9223372036854775808"),
        ("SYNTAX", "tries 5 ttr"),
        ("SYNTAX", "tries 5 color red"),
        ("SYNTAX", "tries 5 TRIES 6"),
    ] {
        let refused = client.run(&format!("JQ.CONFIG mail SET {line}"));
        assert_eq!(refused.error_word(), words, "{line}");
        let refused = client.run(&format!("JQ.CONFIG new SET {line}"));
        assert_eq!(refused.error_word(), words, "{line}");
    }
    assert_eq!(client.run("JQ.CONFIG mail GET color").error_word(), "SYNTAX");
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
    assert_eq!(client.run("EXISTS new"), Reply::Int(0));
}

#[test]
fn settings_are_what_a_job_gets_where_its_publisher_says_nothing() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail before ID before");
    client.run("JQ.CONFIG mail SET tries 1 ttr 45000 priority -3 backoff fixed:9000");
    client.run("JQ.PUBLISH mail after ID after");
    client.run("JQ.PUBLISH mail own ID own TRIES 2 TTR 8000 PRIORITY -4 BACKOFF fixed:7000");
    assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["own", "after", "before"]);
    let mut wait = |id: &str| {
        assert_eq!(names(&client.run("JQ.CONSUME mail"))[0].split('@').next(), Some(id));
        let lease = due_in(&mut client, "mail");
        client.run(&format!("JQ.NACK mail {id}"));
        let next = client.run("JQ.STATS mail").field("next-due");
        let backoff = (!next.is_nothing()).then(|| due_in(&mut client, "mail"));
        client.run(&format!("JQ.DELETE mail {id}"));
        (lease, backoff)
    };
    assert_eq!(wait("own"), (8000, Some(7000)));
    assert_eq!(wait("after"), (45_000, None), "dead at once");
    let (lease, backoff) = wait("before");
    assert_eq!(lease, 60_000, "a change does not affect jobs that exist");
    assert!(backoff.is_some_and(|wait| wait >= 15_000), "{backoff:?}");
}

#[test]
fn a_drained_queue_keeps_its_settings() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET tries 3");
    assert_eq!(client.run("TYPE mail").text(), "job-queue", "a setting makes the queue");
    client.run("JQ.PUBLISH mail x ID a");
    client.run("JQ.DELETE mail a");
    assert_eq!(client.run("JQ.CONFIG mail GET tries").field("tries"), bulk("3"));
}
