//! `JQ.JOB`, `JQ.UPDATE`, `JQ.PURGE`, `JQ.PAUSE`, `JQ.RESUME`, and the settings about the dead.

use crate::{
    replies::{bodies, bulk, lengths, names, ok, on_each_wire, stat},
    support::{wait_for, Client, Reply, Server},
};

#[test]
fn a_job_tells_everything_about_itself_in_each_state() {
    on_each_wire(|client| {
        assert!(client.run("JQ.JOB mail a").is_nothing());
        client.run("JQ.PUBLISH mail hello ID a TRIES 3 PRIORITY -5 TTR 30000 BACKOFF fixed:7");
        let ready = client.run("JQ.JOB mail a");
        let fields: Vec<_> = ready.pairs().into_iter().map(|(name, _)| name).collect();
        let known: Vec<_> = jobq_protocol::JOB_FIELDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(fields, known);
        assert_eq!(ready.field("state").text(), "ready");
        assert_eq!(ready.field("body").text(), "hello");
        assert_eq!(ready.field("priority"), Reply::Int(-5));
        assert_eq!(ready.field("tries-left"), Reply::Int(3));
        assert_eq!(ready.field("backoff").text(), "fixed:7");
        assert_eq!(ready.field("why").text(), "turn");
        assert_eq!(ready.field("ready-since"), ready.field("published-at"));
        assert_eq!(ready.field("due"), ready.field("published-at"));
        assert!(ready.field("expires-at").is_nothing() && ready.field("type").is_nothing());

        client.run("JQ.CONSUME mail WORKER postman");
        let leased = client.run("JQ.JOB mail a");
        assert_eq!(leased.field("state").text(), "leased");
        assert_eq!(leased.field("worker").text(), "postman");
        assert_eq!(leased.field("tries-left"), Reply::Int(2));
        assert!(leased.field("leased-until").int() > leased.field("published-at").int());
        assert!(leased.field("why").is_nothing() && leased.field("ready-since").is_nothing());

        client.run("JQ.NACK mail a DELAY 100000 ERROR oops");
        let delayed = client.run("JQ.JOB mail a");
        assert_eq!(delayed.field("state").text(), "delayed");
        assert_eq!(delayed.field("error").text(), "oops");
        assert_eq!(delayed.field("failures"), Reply::Int(1));
        assert_eq!(delayed.field("why").text(), "due");
        assert!(delayed.field("due").int() > delayed.field("published-at").int());

        client.run("JQ.BURY mail a");
        let dead = client.run("JQ.JOB mail a");
        assert_eq!(dead.field("state").text(), "dead");
        assert!(dead.field("dead-since").int() >= dead.field("published-at").int());
        assert!(client.run("JQ.JOB mail a@1").is_nothing(), "a receipt of a lease that has ended");
    });
}

#[test]
fn an_update_changes_a_job_where_it_is() {
    on_each_wire(|client| {
        for id in ["a", "b", "c"] {
            client.run(&format!("JQ.PUBLISH mail {id} ID {id}"));
        }
        assert_eq!(client.run("JQ.UPDATE mail b BODY new TRIES 9"), Reply::Int(2));
        let peeked = client.run("JQ.PEEK mail COUNT 9");
        assert_eq!(names(&peeked), ["a", "b", "c"], "it keeps its place");
        assert_eq!(bodies(&peeked), ["a", "new", "c"]);
        assert_eq!(client.run("JQ.UPDATE mail c PRIORITY -1"), Reply::Int(2));
        assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["c", "a", "b"]);
        assert_eq!(client.run("JQ.UPDATE mail a DELAY 100000"), Reply::Int(2));
        assert_eq!(lengths(client, "mail"), [1, 2, 0, 0]);
        assert_eq!(client.run("JQ.UPDATE mail a AT 0"), Reply::Int(3));
        assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["c", "b", "a"]);
        assert!(client.run("JQ.UPDATE mail a TTL 100000").int() == 4);
        assert!(client.run("JQ.JOB mail a").field("expires-at").int() > 0);
        client.run("JQ.UPDATE mail a TTL 0");
        assert!(client.run("JQ.JOB mail a").field("expires-at").is_nothing());
        assert_eq!(stat(client, "mail", "updated"), 6);
    });
}

#[test]
fn an_update_of_another_version_changes_nothing() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail one ID a");
        assert_eq!(client.run("JQ.UPDATE mail a BODY two IFVERSION 1"), Reply::Int(2));
        assert!(client.run("JQ.UPDATE mail a BODY three IFVERSION 1").is_nothing());
        assert_eq!(client.run("JQ.JOB mail a").field("body").text(), "two");
        assert_eq!(client.run("JQ.JOB mail a").field("version"), Reply::Int(2));
    });
}

#[test]
fn an_update_that_cannot_be_is_refused_by_its_word() {
    on_each_wire(|client| {
        assert_eq!(client.run("JQ.UPDATE mail a BODY x").error_word(), "NOSUCHJOB");
        assert_eq!(client.run("EXISTS mail"), Reply::Int(0));
        client.run("JQ.CONFIG mail SET maxbody 10");
        client.run("JQ.PUBLISH mail x ID a TRIES 2");
        client.run("JQ.CONSUME mail");
        for (line, word) in [
            ("JQ.UPDATE mail missing BODY x", "NOSUCHJOB"),
            ("JQ.UPDATE mail a@9 BODY x", "NOSUCHJOB"),
            ("JQ.UPDATE mail a DELAY 5", "WRONGSTATE"),
            ("JQ.UPDATE mail a BODY 01234567890", "TOOBIG"),
            ("JQ.UPDATE mail a IFVERSION 1", "SYNTAX"),
            ("JQ.UPDATE mail a PRIORITY 21", "RANGE"),
        ] {
            assert_eq!(client.run(line).error_word(), word, "{line}");
        }
        client.run("JQ.NACK mail a DELAY 0");
        assert_eq!(client.run("JQ.UPDATE mail a TRIES 1").error_word(), "RANGE");
        let job = client.run("JQ.JOB mail a");
        assert_eq!(job.field("version"), Reply::Int(1));
        assert_eq!(job.field("body").text(), "x");
    });
}

#[test]
fn a_purge_removes_the_jobs_of_one_state_with_their_bodies() {
    on_each_wire(|client| {
        let many: Vec<_> = (0..20_000).map(|n| n.to_string()).collect();
        let mut call = vec!["JQ.MPUBLISH".into(), "mail".into(), many.len().to_string()];
        call.extend(many);
        client.call(&call).items();
        client.run("JQ.PUBLISH mail later ID d DELAY 100000");
        client.run("JQ.CONSUME mail COUNT 3");
        let full = stat(client, "mail", "bytes");
        assert_eq!(client.run("JQ.PURGE mail ready COUNT 2"), Reply::Int(2));
        assert_eq!(client.run("JQ.PURGE mail ready"), Reply::Int(19_995));
        wait_for("the purge", || (client.run("JQ.LEN mail ready") == Reply::Int(0)).then_some(()));
        assert_eq!(lengths(client, "mail"), [1, 0, 3, 0], "other states stay");
        assert!(stat(client, "mail", "bytes") < full / 5);
        assert_eq!(client.run("JQ.PURGE mail leased"), Reply::Int(3));
        assert_eq!(client.run("JQ.PURGE mail delayed"), Reply::Int(1));
        assert_eq!(client.run("JQ.PURGE mail dead"), Reply::Int(0));
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(0));
        assert_eq!(stat(client, "mail", "purged"), 20_001);
        assert_eq!(client.run("JQ.PURGE missing ready"), Reply::Int(0));
    });
}

#[test]
fn a_queue_paused_inwards_refuses_jobs_and_hands_out_those_it_has() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail a ID a");
        assert_eq!(client.run("JQ.PAUSE mail IN"), ok());
        assert_eq!(stat(client, "mail", "paused-in"), -1);
        assert_eq!(client.run("JQ.PUBLISH mail b").error_word(), "PAUSED");
        assert_eq!(client.run("JQ.MPUBLISH mail 1 b").error_word(), "PAUSED");
        assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["a"]);
        assert_eq!(client.run("JQ.ACK mail a"), Reply::Int(1));
        assert_eq!(client.run("JQ.RESUME mail"), ok());
        client.run("JQ.PUBLISH mail b").text();
        assert_eq!(client.run("JQ.RESUME missing"), ok());
        assert_eq!(client.run("EXISTS missing"), Reply::Int(0));
    });
}

#[test]
fn consumers_of_a_paused_queue_stay_blocked_until_it_is_resumed() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail held ID held");
    client.run("JQ.CONSUME mail");
    assert_eq!(client.run("JQ.PAUSE mail OUT"), ok());
    client.run("JQ.PUBLISH mail first");
    client.run("JQ.PUBLISH mail second DELAY 1");
    wait_for("the delayed job", || {
        (client.run("JQ.LEN mail ready") == Reply::Int(2)).then_some(())
    });
    assert!(client.run("JQ.CONSUME mail").is_nothing());
    assert!(client.run("JQ.PEEK mail").is_nothing());
    assert_eq!(client.run("JQ.ACK mail held"), Reply::Int(1), "acks go on");
    let id = names(&{
        client.run("JQ.RESUME mail");
        let peeked = client.run("JQ.PEEK mail");
        client.run("JQ.PAUSE mail OUT");
        peeked
    });
    assert_eq!(client.run(&format!("JQ.JOB mail {}", id[0])).field("why").text(), "pause");
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    client.run("JQ.PUBLISH mail third");
    assert!(consumer.is_waiting());
    client.run("JQ.RESUME mail");
    assert_eq!(bodies(&consumer.read()), ["first"]);
}

#[test]
fn a_pause_for_a_time_ends_by_itself_and_wakes_a_consumer() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail a");
    let now = {
        let time = client.run("TIME");
        time.items()[0].text().parse::<i64>().unwrap() * 1000
    };
    client.run("JQ.PAUSE mail BOTH FOR 300");
    assert!(stat(&mut client, "mail", "paused-out") >= now);
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    assert_eq!(bodies(&consumer.read()), ["a"]);
    client.run("JQ.PUBLISH mail b").text();
}

#[test]
fn a_pause_survives_a_restart() {
    let mut server = Server::start(crate::support::Options::new().with_aof());
    server.run("JQ.PAUSE mail");
    server.kill_and_restart();
    assert_eq!(server.run("JQ.PUBLISH mail a").error_word(), "PAUSED");
}

fn bury(client: &mut Client, id: &str) {
    client.run(&format!("JQ.PUBLISH mail x ID {id}"));
    assert_eq!(client.run(&format!("JQ.BURY mail {id}")), Reply::Int(1));
}

#[test]
fn as_many_dead_jobs_are_kept_as_was_said_and_the_longest_dead_go_first() {
    on_each_wire(|client| {
        assert_eq!(client.run("JQ.CONFIG mail SET dead-max 3"), ok());
        for id in ["a", "b", "c", "d", "e"] {
            bury(client, id);
        }
        assert_eq!(client.run("JQ.LEN mail dead"), Reply::Int(3));
        assert!(client.run("JQ.JOB mail b").is_nothing());
        assert_eq!(client.run("JQ.PUBLISH mail again ID a").text(), "a", "the whole job went");
        client.run("JQ.CONFIG mail SET dead-max 1");
        assert_eq!(client.run("JQ.LEN mail dead"), Reply::Int(1));
        assert_eq!(client.run("JQ.JOB mail e").field("state").text(), "dead");
        assert_eq!(stat(client, "mail", "pruned"), 4);
    });
}

#[test]
fn the_longest_dead_are_purged_first_and_counted() {
    on_each_wire(|client| {
        for id in ["b", "d", "a", "c"] {
            bury(client, id);
        }
        assert_eq!(client.run("JQ.PURGE mail dead COUNT 2"), Reply::Int(2));
        let left = client.run("JQ.LIST mail dead");
        let left: Vec<_> = left.items()[1].items().iter().map(|job| job.field("id")).collect();
        assert_eq!(left, [bulk("a"), bulk("c")]);
        assert_eq!(client.run("JQ.PUBLISH mail x ID b"), bulk("b"), "the whole job went");
        assert_eq!(client.run("JQ.PURGE mail dead COUNT 9"), Reply::Int(2), "there are no more");
        assert_eq!(client.run("JQ.PURGE mail dead"), Reply::Int(0));
    });
}

#[test]
fn dead_jobs_go_when_they_are_too_old() {
    on_each_wire(|client| {
        bury(client, "a");
        client.run("JQ.CONFIG mail SET dead-age 20");
        wait_for("its end", || (client.run("JQ.LEN mail") == Reply::Int(0)).then_some(()));
        assert_eq!(stat(client, "mail", "pruned"), 1);
    });
}

#[test]
fn an_expired_job_can_be_kept_among_the_dead() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG mail SET expired dead");
        client.run("JQ.PUBLISH mail x ID a TTL 10");
        wait_for("its end", || (client.run("JQ.LEN mail dead") == Reply::Int(1)).then_some(()));
        assert_eq!(stat(client, "mail", "expired"), 1);
        assert_eq!(client.run("JQ.RESPAWN mail ALL"), Reply::Int(1));
        assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["x"]);
    });
}

#[test]
fn a_lapsed_job_can_be_made_to_wait_like_a_nacked_one() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG mail SET lapse backoff");
        client.run("JQ.PUBLISH mail x ID a TTR 10 BACKOFF fixed:100000");
        client.run("JQ.CONSUME mail");
        wait_for("the lapse", || {
            (client.run("JQ.LEN mail delayed") == Reply::Int(1)).then_some(())
        });
        assert_eq!(client.run("JQ.JOB mail a").field("failures"), Reply::Int(1));
    });
}
