//! `JQ.PUBLISH … UNIQUE`.

use crate::{
    replies::{bodies, bulk, ids, names, on_each_wire, stat, told},
    support::{wait_for, Client, Options, Reply, Server},
};

/// What a publish of a job named `b` with the key `k` is answered.
fn again(client: &mut Client, options: &str) -> Reply {
    client.run(format!("JQ.PUBLISH mail second ID b UNIQUE k {options}").trim_end())
}

fn duplicate_of(id: &str) -> Reply {
    Reply::Error(format!("DUPLICATE {id}"))
}

/// Sends commands, none of which is refused.
fn run_all(client: &mut Client, lines: &[&str]) {
    for line in lines {
        let reply = client.run(line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
}

#[test]
fn while_a_job_holds_a_key_no_other_is_published_with_it() {
    on_each_wire(|client| {
        for lines in [
            &["JQ.PUBLISH mail x ID a UNIQUE k DELAY 600000"][..],
            &["JQ.PUBLISH mail x ID a UNIQUE k FOR 600000"],
            &["JQ.PUBLISH mail x ID a UNIQUE k UNTIL DONE", "JQ.CONSUME mail"],
            &["JQ.PUBLISH mail x ID a UNIQUE k", "JQ.BURY mail a"],
            &["JQ.PUBLISH mail x ID a UNIQUE k", "JQ.BURY mail a", "JQ.RESPAWN mail ID a"],
        ] {
            client.run("FLUSHALL");
            run_all(client, lines);
            let before = told(client, "mail");
            assert_eq!(again(client, ""), duplicate_of("a"), "{lines:?}");
            assert_eq!(again(client, "ONDUPLICATE REJECT"), duplicate_of("a"), "{lines:?}");
            assert_eq!(told(client, "mail"), before, "{lines:?}");
            assert_eq!(client.run("JQ.PUBLISH mail x ID b UNIQUE K"), bulk("b"), "{lines:?}");
            assert_eq!(client.run("JQ.PUBLISH fax x ID b UNIQUE k"), bulk("b"), "another queue");
        }
    });
}

#[test]
fn success_removal_and_time_free_a_key() {
    let server = Server::plain();
    let mut client = server.client();
    for lines in [
        &["JQ.PUBLISH mail x ID a UNIQUE k", "JQ.CONSUME mail", "JQ.ACK mail a"][..],
        &["JQ.PUBLISH mail x ID a UNIQUE k RETAIN FOREVER", "JQ.FULFILL mail a 42"],
        &["JQ.PUBLISH mail x ID a UNIQUE k", "JQ.DELETE mail a"],
        &["JQ.PUBLISH mail x ID a UNIQUE k", "JQ.PURGE mail ready"],
        &["JQ.PUBLISH mail x ID a UNIQUE k", "JQ.PUBLISH mail y REPLACES a"],
        &["JQ.PUBLISH mail x ID a UNIQUE k TTL 20"],
        &["JQ.PUBLISH mail x ID a UNIQUE k FOR 20"],
        &["JQ.PUBLISH mail x ID a UNIQUE k FOR 20", "JQ.CONSUME mail"],
        &["JQ.PUBLISH mail x ID a UNIQUE k FOR 20", "JQ.BURY mail a"],
        &["JQ.PUBLISH mail x ID a UNIQUE k FOR 10 DELAY 10"],
        &["JQ.PUBLISH mail x ID a UNIQUE k UNTIL DONE", "JQ.BURY mail a"],
        &["JQ.PUBLISH mail x ID a UNIQUE k UNTIL START", "JQ.BURY mail a"],
        &["JQ.PUBLISH mail x ID a UNIQUE k UNTIL START", "JQ.CONSUME mail"],
        &["JQ.PUBLISH mail x ID a UNIQUE k", "DEL mail"],
    ] {
        client.run("FLUSHALL");
        run_all(&mut client, lines);
        wait_for("the key", || {
            let stats = client.run("JQ.STATS mail");
            (stats.is_nothing() || stats.field("locks") == Reply::Int(0)).then_some(())
        });
        assert_eq!(again(&mut client, ""), bulk("b"), "{lines:?}");
    }
}

#[test]
fn what_a_key_is_free_of_by_itself_is_as_exact_as_a_delay() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a UNIQUE k DELAY 30 FOR 30");
    let until = client.run("JQ.JOB mail a").field("unique-until").int();
    let at = wait_for("the key", || match again(&mut client, "") {
        Reply::Bulk(_) => Some(client.run("JQ.JOB mail b").field("published-at").int()),
        refused => {
            assert_eq!(refused, duplicate_of("a"));
            None
        }
    });
    assert!(at >= until, "{at} is before {until}");
    assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["a", "b"], "it goes on without");
}

#[test]
fn a_job_tells_its_key_and_until_when_it_holds_it() {
    on_each_wire(|client| {
        run_all(
            client,
            &[
                "JQ.PUBLISH mail x ID plain",
                "JQ.PUBLISH mail x ID always UNIQUE one",
                "JQ.PUBLISH mail x ID brief UNIQUE two FOR 5000 DELAY 60000",
            ],
        );
        assert_eq!(client.run("JQ.STATS mail").field("locks"), Reply::Int(2));
        let fields = |client: &mut Client, id: &str| {
            let job = client.run(&format!("JQ.JOB mail {id}"));
            (job.field("unique"), job.field("unique-until"), job.field("due"))
        };
        let (key, until, _) = fields(client, "plain");
        assert_eq!((key, until), (Reply::Null, Reply::Null));
        let (key, until, _) = fields(client, "always");
        assert_eq!((key, until), (bulk("one"), Reply::Int(-1)));
        let (key, until, due) = fields(client, "brief");
        assert_eq!((key, until.int()), (bulk("two"), due.int() + 5_000));
        client.run("JQ.UPDATE mail brief DELAY 90000");
        let (_, later, put_off) = fields(client, "brief");
        assert_eq!(later.int(), put_off.int() + 5_000);
        assert!(later.int() > until.int());

        client.run("JQ.DELETE mail plain");
        let taken = client.run("JQ.CONSUME mail DETAILS");
        assert_eq!(taken.items()[0].items()[3].field("unique"), bulk("one"));
    });
}

#[test]
fn a_key_is_any_bytes_up_to_256() {
    let server = Server::plain();
    let mut client = server.client();
    let keys: [&[u8]; 4] = [b"\0", b"\r\n \xFF", b"UNIQUE", &[b'k'; 256]];
    for (n, key) in keys.into_iter().enumerate() {
        let id = format!("job-{n}");
        let words = [b"JQ.PUBLISH", &b"mail"[..], b"x", b"ID", id.as_bytes(), b"UNIQUE", key];
        assert_eq!(client.call(&words), bulk(&id));
        let twin = [b"JQ.PUBLISH", &b"mail"[..], b"x", b"UNIQUE", key];
        assert_eq!(client.call(&twin), duplicate_of(&id));
        assert_eq!(client.run(&format!("JQ.JOB mail {id}")).field("unique"), bulk(key));
    }
    for key in [&b""[..], &[b'k'; 257]] {
        let words = [b"JQ.PUBLISH", &b"mail"[..], b"x", b"UNIQUE", key];
        assert_eq!(client.call(&words).error_word(), "RANGE");
    }
}

#[test]
fn a_duplicate_is_answered_with_the_id_that_holds_the_key_if_asked_to() {
    on_each_wire(|client| {
        assert_eq!(client.run("JQ.PUBLISH mail x ID a UNIQUE k ONDUPLICATE RETURN"), bulk("a"));
        for lines in [&[][..], &["JQ.CONSUME mail"], &["JQ.BURY mail a"]] {
            run_all(client, lines);
            let before = told(client, "mail");
            assert_eq!(again(client, "ONDUPLICATE RETURN"), bulk("a"));
            assert_eq!(again(client, "REPLACES a DELAY 5 TTL 4").error_word(), "RANGE");
            assert_eq!(told(client, "mail"), before);
        }
    });
}

#[test]
fn what_is_published_again_and_again_runs_once_with_the_last_body() {
    let server = Server::plain();
    let mut client = server.client();
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "DETAILS"]);
    server.wait_for_blocked(1);
    client.run("JQ.PUBLISH mail 0 ID a UNIQUE k DELAY 600000 HEADERS 1 n 0 PRIORITY 3");
    for n in 1..10 {
        let line = format!(
            "JQ.PUBLISH mail {n} UNIQUE k ONDUPLICATE REPLACE DELAY 600000 HEADERS 1 n {n}"
        );
        assert_eq!(client.run(&line), bulk("a"));
        let job = client.run("JQ.JOB mail a");
        assert_eq!(job.field("body"), bulk(n.to_string()));
        assert_eq!(job.field("version"), Reply::Int(n + 1));
    }
    assert_eq!(stat(&mut client, "mail", "jobs"), 1);
    assert_eq!(again(&mut client, "ONDUPLICATE REPLACE DELAY 20"), bulk("a"));
    let taken = consumer.read();
    assert_eq!((ids(&taken), bodies(&taken)), (vec!["a".into()], vec!["second".into()]));
    let details = &taken.items()[0].items()[3];
    assert_eq!(details.field("priority"), Reply::Int(3), "all else is as it was");
    assert_eq!(details.field("headers").pairs(), []);
    assert_eq!(stat(&mut client, "mail", "published"), 1);
    assert_eq!(stat(&mut client, "mail", "updated"), 10);
    assert_eq!(again(&mut client, "ONDUPLICATE REPLACE"), duplicate_of("a"), "too late");
}

#[test]
fn a_duplicate_that_becomes_due_serves_who_waits() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail first ID a UNIQUE k DELAY 600000");
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    assert_eq!(again(&mut client, "ONDUPLICATE REPLACE"), bulk("a"));
    assert_eq!(bodies(&consumer.read()), ["second"]);
}

#[test]
fn a_duplicate_needs_no_room_and_is_refused_for_all_else() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET maxlen 1 maxbody 6");
    client.run("JQ.PUBLISH mail first ID a UNIQUE k DELAY 600000 TTL 3600000");
    for otherwise in ["ONDUPLICATE RETURN", "ONDUPLICATE REPLACE"] {
        assert_eq!(again(&mut client, otherwise), bulk("a"));
        let with = |more: &str| format!("JQ.PUBLISH mail x UNIQUE k {otherwise} {more}");
        assert_eq!(client.run(&with("DELAY 5 TTL 4")).error_word(), "RANGE");
        assert_eq!(client.run(&with("REPLACES other")).error_word(), "NOSUCHJOB");
        assert_eq!(client.run(&with("HEADERS 1 name value")).error_word(), "TOOBIG");
        client.run("JQ.PAUSE mail IN");
        assert_eq!(again(&mut client, otherwise).error_word(), "PAUSED");
        client.run("JQ.RESUME mail");
    }
    let late = client.run("JQ.PUBLISH mail x UNIQUE k ONDUPLICATE REPLACE DELAY 3600001 TTL 0");
    assert_eq!(late.error_word(), "RANGE", "it is not put off beyond its life");
    assert_eq!(client.run("JQ.PUBLISH mail x").error_word(), "FULL");
}

#[test]
fn a_job_that_replaces_the_one_with_its_key_takes_it_over() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail first ID a UNIQUE k");
        client.run("JQ.PUBLISH mail other ID c");
        assert_eq!(again(client, "REPLACES c"), duplicate_of("a"));
        assert_eq!(again(client, "REPLACES c ONDUPLICATE REPLACE"), bulk("a"));
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(2), "and nothing is removed");
        assert_eq!(again(client, "REPLACES a"), bulk("b"));
        assert_eq!(client.run("JQ.PUBLISH mail x UNIQUE k"), duplicate_of("b"));
        assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["c", "b"]);
    });
}

#[test]
fn inside_a_transaction_and_a_script_a_key_counts_at_once() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("MULTI");
    client.run("JQ.PUBLISH mail x ID a UNIQUE k");
    client.run("JQ.PUBLISH mail x ID b UNIQUE k");
    client.run("JQ.DELETE mail a");
    client.run("JQ.PUBLISH mail x ID c UNIQUE k");
    let answers = client.run("EXEC");
    assert_eq!(answers.items(), [bulk("a"), duplicate_of("a"), Reply::Int(1), bulk("c")]);
    let script = "return redis.call('jq.publish', KEYS[1], 'x', 'UNIQUE', 'k', 'ONDUPLICATE', \
                  'RETURN')";
    assert_eq!(client.call(&["EVAL", script, "1", "mail"]), bulk("c"));
}

#[test]
fn only_a_duplicate_that_changes_something_is_in_the_log() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail first ID a UNIQUE k DELAY 600000");
    let before = server.aof().lines().len();
    let logged = |what: &str| {
        let lines = server.aof().lines();
        lines[before..].iter().filter(|line| line.contains(what)).count()
    };
    assert_eq!(again(&mut client, "ONDUPLICATE RETURN"), bulk("a"));
    assert_eq!(again(&mut client, ""), duplicate_of("a"));
    assert_eq!(logged("PUBLISH"), 0);
    assert_eq!(again(&mut client, "ONDUPLICATE REPLACE DELAY 500000"), bulk("a"));
    assert_eq!(logged("PUBLISH"), 1);
}

#[test]
fn keys_outlive_a_restart_a_copy_and_a_failover() {
    let lines = [
        "JQ.PUBLISH mail x ID a UNIQUE k DELAY 600000",
        "JQ.PUBLISH mail x ID c UNIQUE brief FOR 200",
        "JQ.PUBLISH mail x ID d UNIQUE started UNTIL START PRIORITY -1",
    ];
    let check = |client: &mut Client, queue: &str| {
        let publish = |key: &str, id: &str| format!("JQ.PUBLISH {queue} x ID {id} UNIQUE {key}");
        assert_eq!(client.run(&publish("k", "b")), duplicate_of("a"), "{queue}");
        assert_eq!(client.run(&publish("started", "e")), duplicate_of("d"), "{queue}");
        client.run(&format!("JQ.CONSUME {queue}"));
        assert_eq!(client.run(&publish("started", "e")), bulk("e"), "{queue}");
        wait_for("the brief one", || {
            (client.run(&publish("brief", "f")) == bulk("f")).then_some(())
        });
    };

    let mut server = Server::start(Options::new().with_aof());
    run_all(&mut server.client(), &lines);
    server.kill_and_restart();
    check(&mut server.client(), "mail");

    let mut server = Server::plain();
    run_all(&mut server.client(), &lines);
    let mut client = server.client();
    run_all(&mut client, &["COPY mail copied", "COPY mail renamed", "RENAME renamed moved"]);
    let dump = client.run("DUMP mail");
    let restore = [b"RESTORE", &b"restored"[..], b"0", dump.bytes()];
    assert_eq!(client.call(&restore).text(), "OK");
    run_all(&mut client, &["SAVE"]);
    server.kill_and_restart();
    for queue in ["mail", "copied", "moved", "restored"] {
        check(&mut server.client(), queue);
    }

    let mut primary = Server::plain();
    let replica = Server::replica_of(&primary);
    run_all(&mut primary.client(), &lines);
    replica.catch_up_with(&primary);
    primary.kill();
    replica.run("REPLICAOF NO ONE");
    check(&mut replica.client(), "mail");
}

#[test]
fn a_publisher_that_waits_for_room_is_told_of_the_job_that_took_its_key_meanwhile() {
    let server = Server::plain();
    let mut client = server.client();
    run_all(&mut client, &["JQ.CONFIG mail SET maxlen 1", "JQ.PUBLISH mail x ID first"]);
    let mut waiting = ["RETURN", "REPLACE", "REJECT"].map(|otherwise| {
        let mut publisher = server.client();
        publisher.send(&[
            "JQ.PUBLISH",
            "mail",
            otherwise,
            "UNIQUE",
            "k",
            "ONDUPLICATE",
            otherwise,
            "BLOCK",
            "0",
        ]);
        publisher
    });
    server.wait_for_blocked(waiting.len());
    run_all(&mut client, &["JQ.PUBLISH mail x ID a UNIQUE k REPLACES first"]);
    run_all(&mut client, &["JQ.CONFIG mail SET maxlen 2"]);
    assert_eq!(waiting[0].read(), bulk("a"));
    assert_eq!(waiting[1].read(), bulk("a"));
    assert_eq!(waiting[2].read(), duplicate_of("a"));
    assert_eq!(bodies(&client.run("JQ.PEEK mail COUNT 9")), ["REPLACE"]);
}
