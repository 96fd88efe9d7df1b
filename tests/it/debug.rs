//! `JQ.DEBUG` for users' own tests: what nobody wants to wait for.

use crate::{
    blocking::waiting,
    replies::{bulk, ids, lengths, names, stat},
    support::{Client, Options, Reply, Server},
};

const HOUR: i64 = 3_600_000;

fn with_debug() -> Options {
    Options::new().with_module_argument("debug").with_module_argument("yes")
}

/// A server that answers, with a log, and a replica of it that was not told to.
fn pair() -> (Server, Server) {
    let server = Server::start(with_debug().with_aof());
    let replica = Server::replica_of(&server);
    (server, replica)
}

/// The primary, its log and its replica agree, and so does a snapshot.
#[track_caller]
fn all_agree(server: &mut Server, replica: &Server, queue: &str) {
    let line = format!("JQ.DIGEST {queue}");
    let digest = server.run(&line);
    replica.catch_up_with(server);
    assert_eq!(replica.run(&line), digest, "the replica");
    replica.run("DEBUG RELOAD");
    assert_eq!(replica.run(&line), digest, "the snapshot");
    server.kill_and_restart();
    assert_eq!(server.run(&line), digest, "the log");
}

#[test]
fn without_the_argument_it_is_refused_and_changes_nothing() {
    let lines = [
        "JQ.DEBUG mail LAPSE a",
        "JQ.DEBUG mail DUE b",
        "JQ.DEBUG mail ADVANCE 1000",
        "JQ.DEBUG mail REFUSE 3",
    ];
    let off = Options::new().with_module_argument("debug").with_module_argument("no");
    for options in [Options::new(), off] {
        let server = Server::start(options);
        let mut client = server.client();
        client.run("JQ.PUBLISH mail x ID a");
        client.run("JQ.CONSUME mail");
        client.run("JQ.PUBLISH mail x ID b DELAY 600000");
        let digest = client.run("JQ.DIGEST mail");
        for line in lines {
            let refused = client.run(line);
            assert_eq!(refused.error_word(), "NOPERM", "{line}");
            assert!(refused.error().contains("'debug'"), "{line}: {refused:?}");
        }
        assert_eq!(client.run("JQ.DIGEST mail"), digest);
        assert_eq!(client.run("JQ.ACK mail a"), Reply::Int(1));
    }
    let server = Server::start(with_debug());
    for line in lines {
        assert_eq!(server.run(line), Reply::Int(0), "{line}: there is no queue");
    }
    assert_eq!(server.run("EXISTS mail"), Reply::Int(0));
    server.run("SET mail x");
    for line in lines {
        assert_eq!(server.run(line).error_word(), "WRONGTYPE", "{line}");
    }
}

#[test]
fn a_lease_that_is_made_to_lapse_is_tried_again_at_once_and_told_to_its_worker() {
    let (mut server, replica) = pair();
    let mut client = server.client();
    let mut listener = server.client();
    listener.run("SUBSCRIBE jobq:worker:postman");
    client.run("JQ.PUBLISH mail x ID a TRIES 2 TTR 600000");
    client.run("JQ.CONSUME mail WORKER postman");
    assert_eq!(client.run("JQ.DEBUG mail LAPSE a@1 a nobody"), Reply::Int(1));
    assert_eq!(listener.read().items()[2], bulk("lost mail a@1"));
    assert_eq!(client.run("JQ.ACK mail a@1"), Reply::Int(0));
    // Who waits is given the job by the lapse itself.
    client.run("JQ.CONSUME mail");
    let mut waits = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    client.run("JQ.PUBLISH mail x ID b");
    assert_eq!(names(&waits.read()), ["b@3"]);
    let mut waits = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    assert_eq!(client.run("JQ.DEBUG mail LAPSE a@2 b@3"), Reply::Int(2));
    assert_eq!(names(&waits.read()), ["b@4"], "the other is dead: that was its last try");
    assert_eq!(lengths(&mut client, "mail"), [0, 0, 1, 1]);
    assert_eq!(stat(&mut client, "mail", "lapsed"), 3);
    all_agree(&mut server, &replica, "mail");
}

#[test]
fn a_bound_lease_that_is_made_to_lapse_is_bound_no_more() {
    let server = Server::start(with_debug());
    let mut worker = server.client();
    worker.run("JQ.PUBLISH mail x ID a");
    worker.run("JQ.CONSUME mail BIND");
    assert_eq!(server.info("jobq", "jobq_bonds"), "1");
    server.run("JQ.DEBUG mail LAPSE a");
    assert_eq!(server.info("jobq", "jobq_bonds"), "0");
}

#[test]
fn a_delayed_job_and_a_retry_become_due_by_name() {
    let (mut server, replica) = pair();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a DELAY 600000");
    client.run("JQ.PUBLISH mail x ID b BACKOFF fixed:600000");
    client.run("JQ.CONSUME mail");
    client.run("JQ.NACK mail b@1");
    let mut waits = waiting(&server, "JQ.CONSUME mail BLOCK 0");
    assert_eq!(client.run("JQ.DEBUG mail DUE b a b nobody"), Reply::Int(2));
    assert_eq!(names(&waits.read()), ["b@2"]);
    assert_eq!(names(&client.run("JQ.PEEK mail")), ["a"]);
    assert_eq!(stat(&mut client, "mail", "kicked"), 0);
    client.run("JQ.CONFIG mail SET trail 1");
    client.run("JQ.PUBLISH mail x ID c DELAY 600000");
    client.run("JQ.DEBUG mail DUE c");
    let told = client.run("JQ.JOB mail c TRACE");
    assert_eq!(told.items()[0].field("event"), bulk("due"), "as if it had come by itself");
    all_agree(&mut server, &replica, "mail");
}

fn clock(client: &mut Client, queue: &str) -> i64 {
    stat(client, queue, "clock")
}

#[test]
fn a_queue_whose_clock_is_set_ahead_does_all_that_is_due_and_goes_on_from_there() {
    let (mut server, replica) = pair();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID lapses TTR 60000");
    client.run("JQ.CONSUME mail");
    client.run("JQ.PUBLISH mail x ID expires TTL 600000 DELAY 600000");
    client.run("JQ.PUBLISH mail x ID due DELAY 3599000");
    client.run("JQ.PUBLISH mail x ID later DELAY 3700000");
    client.run("JQ.PUBLISH other x ID due DELAY 3599000");
    let before = client.time();
    let shown = client.run(&format!("JQ.DEBUG mail ADVANCE {HOUR}")).int();
    assert!((before + HOUR..=client.time() + HOUR).contains(&shown));
    assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["lapses", "due"]);
    assert_eq!(client.run("JQ.JOB mail expires"), Reply::Null);
    assert_eq!(client.run("JQ.LEN other delayed"), Reply::Int(1), "others keep their time");
    // It goes on at the usual pace: what is 100 s away then comes no sooner and no later.
    client.run("JQ.UPDATE mail later DELAY 30");
    let mut waits = waiting(&server, "JQ.CONSUME mail COUNT 9 MIN 3 LINGER 600000 BLOCK 0");
    assert_eq!(names(&waits.read()), ["lapses@2", "due@3", "later@4"]);
    assert!(client.time() >= before + 30);
    let now = clock(&mut client, "mail");
    assert!((shown + 30..=client.time() + HOUR).contains(&now), "{shown} {now}");
    // A second time counts from there.
    let again = client.run(&format!("JQ.DEBUG mail ADVANCE {HOUR}")).int();
    assert!(again >= now + HOUR && again <= client.time() + 2 * HOUR);
    client.run("RENAME mail post");
    client.run("JQ.PUBLISH post x ID last");
    let published = client.run("JQ.JOB post last").field("published-at").int();
    assert!(published >= again && published <= client.time() + 2 * HOUR);
    all_agree(&mut server, &replica, "post");
    // A server that is started again knows of no offset: the clock stands, and goes on by a word.
    let mut client = server.client();
    let stands = clock(&mut client, "post");
    client.run("JQ.PUBLISH post x DELAY 1000");
    assert_eq!(clock(&mut client, "post"), stands);
    assert_eq!(client.run("JQ.DEBUG post ADVANCE 1000"), Reply::Int(stands + 1000));
    assert_eq!(client.run("JQ.LEN post delayed"), Reply::Int(0));
}

#[test]
fn who_waits_waits_as_long_as_before_though_the_clock_is_set_ahead() {
    let server = Server::start(with_debug());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a DELAY 900000");
    let mut waits = waiting(&server, "JQ.CONSUME mail BLOCK 900000");
    let mut elsewhere = server.client();
    elsewhere.send(&["JQ.CONSUME", "fax", "BLOCK", "900000"]);
    server.wait_for_blocked(2);
    client.run("JQ.DEBUG mail ADVANCE 800000");
    assert_eq!(server.blocked_clients(), 2);
    client.run("JQ.DEBUG mail ADVANCE 100000");
    assert_eq!(names(&waits.read()), ["a@1"]);
    assert_eq!(server.blocked_clients(), 1);
    elsewhere.hang_up();
}

#[test]
fn very_much_that_is_due_by_an_advance_is_all_done() {
    let (mut server, replica) = pair();
    let mut client = server.client();
    for _ in 0..4 {
        let mut publish = vec!["JQ.MPUBLISH".to_owned(), "mail".into(), "10000".into()];
        publish.extend((0..10_000).map(|n| n.to_string()));
        publish.extend(["DELAY".into(), "600000".into()]);
        client.call(&publish);
    }
    client.run("JQ.DEBUG mail ADVANCE 700000");
    crate::support::wait_for("all of it", || {
        (client.run("JQ.LEN mail ready") == Reply::Int(40_000)).then_some(())
    });
    all_agree(&mut server, &replica, "mail");
}

#[test]
fn the_clock_ends_where_the_last_instant_is() {
    let server = Server::start(with_debug());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x");
    for _ in 0..90 {
        let shown = client.run("JQ.DEBUG mail ADVANCE 3155760000000").int();
        assert!(shown <= 253_402_300_799_999, "{shown}");
    }
    assert_eq!(clock(&mut client, "mail"), 253_402_300_799_999);
    assert_eq!(names(&client.run("JQ.CONSUME mail")).len(), 1);
    assert_eq!(client.run("PING").text(), "PONG");
}

#[test]
fn as_many_commands_that_settle_are_refused_as_was_asked_and_change_nothing() {
    let server = Server::start(with_debug());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a");
    client.run("JQ.CONSUME mail");
    assert_eq!(client.run("JQ.DEBUG mail REFUSE 3"), Reply::Int(3));
    let digest = client.run("JQ.DIGEST mail");
    for line in ["JQ.ACK mail a@1", "JQ.FULFILL mail a@1 42", "JQ.NACK mail a@1"] {
        assert_eq!(client.run(line).error_word(), "REFUSED", "{line}");
        assert_eq!(client.run("JQ.DIGEST mail"), digest, "{line}");
    }
    assert_eq!(client.run("JQ.NACK mail a@1 DELAY 0"), Reply::Int(1));
    client.run("JQ.CONSUME mail");
    client.run("JQ.DEBUG mail REFUSE 9");
    assert_eq!(client.run("JQ.TOUCH mail a@2").items().len(), 1, "it does not settle");
    client.run("MULTI");
    client.run("JQ.ACK mail a@2");
    assert_eq!(client.run("EXEC").items()[0].error_word(), "REFUSED");
    client.run("RENAME mail post");
    assert_eq!(client.run("JQ.ACK post a@2").error_word(), "REFUSED");
    assert_eq!(client.run("JQ.DEBUG post REFUSE 0"), Reply::Int(0));
    assert_eq!(client.run("JQ.ACK post a@2"), Reply::Int(1));
}

#[test]
fn within_a_transaction_and_a_script_all_of_it_works_and_is_replicated() {
    let (mut server, replica) = pair();
    let mut client = server.client();
    for line in [
        "MULTI",
        "JQ.PUBLISH mail x ID a",
        "JQ.PUBLISH mail x ID b DELAY 5000",
        "JQ.CONSUME mail",
        "JQ.DEBUG mail LAPSE a",
        "JQ.DEBUG mail DUE b",
        "JQ.DEBUG mail ADVANCE 60000",
    ] {
        client.run(line);
    }
    let told = client.run("EXEC");
    assert_eq!(told.items()[3..5], [Reply::Int(1), Reply::Int(1)]);
    let script =
        "redis.call('JQ.CONSUME', KEYS[1]); redis.call('JQ.DEBUG', KEYS[1], 'ADVANCE', 1); \
                  return redis.call('JQ.DEBUG', KEYS[1], 'LAPSE', 'a')";
    assert_eq!(client.call(&["EVAL", script, "1", "mail"]), Reply::Int(1));
    all_agree(&mut server, &replica, "mail");
}

#[test]
fn a_copy_of_a_queue_whose_clock_was_set_ahead_goes_on_as_it_does() {
    let server = Server::start(with_debug());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a DELAY 60000");
    client.run(&format!("JQ.DEBUG mail ADVANCE {HOUR}"));
    client.run("JQ.CONSUME mail");
    client.run("COPY mail post");
    let mut waits = waiting(&server, "JQ.CONSUME post BLOCK 0");
    client.run("JQ.PUBLISH post x ID b DELAY 20");
    assert_eq!(ids(&waits.read()), ["b"]);
}
