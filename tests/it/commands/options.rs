//! What a job can be published with, and what its worker is told of it.

use jobq_protocol::JOB_FIELDS;

use crate::{
    replies::{bodies, bulk, names, on_each_wire, stat, told},
    support::{wait_for, Reply, Server},
};

#[test]
fn a_worker_that_asks_is_told_everything_but_the_body_twice() {
    on_each_wire(|client| {
        let deadline = client.time() + 3_600_000;
        client.run(&format!(
            "JQ.PUBLISH mail hello ID a TYPE welcome HEADERS 2 trace 7 lang de TTL 7200000 \
             TTR 30000 DEADLINE {deadline} TRIES 3 BACKOFF fixed:5 RETAIN 60000 PRIORITY -2"
        ));
        client.run("JQ.CONSUME mail");
        client.run("JQ.NACK mail a DELAY 0 ERROR no-route");
        let reply = client.run("JQ.CONSUME mail WORKER w1 DETAILS");
        let [queue, receipt, body, details] = reply.items()[0].items() else { panic!("{reply:?}") };
        assert_eq!([queue, receipt, body], [&bulk("mail"), &bulk("a@2"), &bulk("hello")]);
        let fields: Vec<_> = details.pairs().into_iter().map(|(name, _)| name).collect();
        let table: Vec<_> = JOB_FIELDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(fields, table.into_iter().filter(|name| *name != "body").collect::<Vec<_>>());
        for (name, value) in [
            ("id", bulk("a")),
            ("state", bulk("leased")),
            ("type", bulk("welcome")),
            ("priority", Reply::Int(-2)),
            ("tries", Reply::Int(3)),
            ("tries-left", Reply::Int(1)),
            ("deliveries", Reply::Int(2)),
            ("failures", Reply::Int(1)),
            ("ttr", Reply::Int(30_000)),
            ("backoff", bulk("fixed:5")),
            ("retain", bulk("60000")),
            ("worker", bulk("w1")),
            ("deadline", Reply::Int(deadline)),
            ("error", bulk("no-route")),
            ("version", Reply::Int(1)),
            ("result", Reply::Null),
            ("why", Reply::Null),
        ] {
            assert_eq!(details.field(name), value, "{name}");
        }
        let headers = details.field("headers");
        assert_eq!(headers.pairs(), [("trace".into(), bulk("7")), ("lang".into(), bulk("de"))]);
        let instant = |name| details.field(name).int();
        assert!(instant("failed-at") >= instant("published-at"));
        let published = instant("published-at");
        assert!(instant("due") >= published && instant("leased-until") > published);
        assert_eq!(instant("expires-at"), published + 7_200_000);
        assert_eq!(instant("ttl-left"), 7_200_000 - instant("elapsed"));
    });
}

#[test]
fn a_worker_that_waited_is_told_the_same() {
    let server = Server::plain();
    let mut client = server.client();
    for hello in ["2", "3"] {
        let mut consumer = server.client();
        consumer.run(&format!("HELLO {hello}"));
        consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "DETAILS", "WORKER", "w"]);
        server.wait_for_blocked(1);
        client.run("JQ.PUBLISH mail hello TYPE t HEADERS 1 a b");
        let reply = consumer.read();
        let [_, receipt, body, details] = reply.items()[0].items() else { panic!("{reply:?}") };
        assert_eq!(body, &bulk("hello"));
        let id = receipt.text();
        let told = client.run(&format!("JQ.JOB mail {id}"));
        for (name, value) in details.pairs() {
            match (name.as_str(), &value) {
                ("elapsed", _) => {}
                ("headers" | "uses" | "parents" | "parent-results", _) => {
                    assert_eq!(value.pairs(), told.field(&name).pairs())
                }
                _ => assert_eq!(value, told.field(&name), "{name}"),
            }
        }
    }
}

#[test]
fn without_options_the_details_say_what_holds() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail hello");
        let reply = client.run("JQ.CONSUME mail DETAILS");
        let details = &reply.items()[0].items()[3];
        for name in ["type", "worker", "expires-at", "ttl-left", "deadline", "error", "ready-since"]
        {
            assert!(details.field(name).is_nothing(), "{name}");
        }
        assert_eq!(details.field("headers").pairs(), []);
        assert_eq!(details.field("due"), details.field("published-at"));
        assert_eq!(details.field("retain"), bulk("0"));
    });
}

#[test]
fn headers_are_any_bytes_and_never_taken_for_words() {
    on_each_wire(|client| {
        let headers: [&[u8]; 6] = [b"TTL", b"DELAY", b"\0\n", b"", b"x", b"TTR"];
        let mut call: Vec<&[u8]> = vec![b"JQ.PUBLISH", b"mail", b"body", b"HEADERS", b"3"];
        call.extend(headers);
        call.extend([&b"ID"[..], b"a"]);
        assert_eq!(client.call(&call), bulk("a"));
        let told = client.run("JQ.JOB mail a").field("headers");
        let told: Vec<_> = match &told {
            Reply::Map(pairs) => pairs.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect(),
            flat => flat.items().to_vec(),
        };
        assert_eq!(told.iter().map(Reply::bytes).collect::<Vec<_>>(), headers);
    });
}

#[test]
fn headers_come_back_whole_and_as_they_were_written_up_to_a_thousand() {
    on_each_wire(|client| {
        let headers: Vec<_> =
            (0..1_000).map(|n| (format!("X-{n}-{}", "N".repeat(200)), "v".repeat(n))).collect();
        let mut call: Vec<_> =
            ["JQ.PUBLISH", "mail", "x", "HEADERS", "1000"].map(String::from).into();
        call.extend(headers.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
        call.extend(["ID", "a"].map(String::from));
        assert_eq!(client.call(&call), bulk("a"));
        let reply = client.run("JQ.CONSUME mail DETAILS");
        let told = reply.items()[0].items()[3].field("headers").pairs();
        assert_eq!(told.len(), headers.len());
        for ((name, value), told) in headers.iter().zip(&told) {
            assert_eq!((name, &bulk(value)), (&told.0, &told.1));
        }
        call[4] = "1001".into();
        assert_eq!(client.call(&call).error_word(), "RANGE");
    });
}

#[test]
fn options_that_make_no_sense_are_refused_and_leave_nothing() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG mail SET maxbody 10");
        let before = told(client, "mail");
        for (line, word) in [
            ("JQ.PUBLISH mail x TYPE", "SYNTAX"),
            ("JQ.PUBLISH mail x HEADERS 2 a b c", "SYNTAX"),
            ("JQ.PUBLISH mail x HEADERS 2 a b a c", "SYNTAX"),
            ("JQ.PUBLISH mail x HEADERS 0", "RANGE"),
            ("JQ.PUBLISH mail x DEADLINE soon", "RANGE"),
            ("JQ.PUBLISH mail x DEADLINE 1000", "RANGE"),
            ("JQ.PUBLISH mail x RETAIN -1", "RANGE"),
            ("JQ.PUBLISH mail x RETAIN always", "RANGE"),
            ("JQ.PUBLISH mail x REPLACES missing", "NOSUCHJOB"),
            ("JQ.PUBLISH mail 12345 HEADERS 1 abc def", "TOOBIG"),
            ("JQ.MPUBLISH mail 1 x REPLACES a", "SYNTAX"),
        ] {
            assert_eq!(client.run(line).error_word(), word, "{line}");
        }
        let blank = client.call(&["JQ.PUBLISH", "mail", "x", "TYPE", " "]);
        assert_eq!(blank.error_word(), "RANGE");
        assert_eq!(told(client, "mail"), before);
        assert_eq!(client.run("JQ.PUBLISH new x REPLACES missing").error_word(), "NOSUCHJOB");
        assert_eq!(client.run("EXISTS new"), Reply::Int(0));
    });
}

#[test]
fn a_job_is_dead_at_its_deadline_and_no_lease_reaches_beyond_it() {
    on_each_wire(|client| {
        let deadline = client.time() + 150;
        client.run(&format!("JQ.PUBLISH mail x ID a DEADLINE {deadline}"));
        client.run("JQ.CONSUME mail TTR 600000");
        assert_eq!(client.run("JQ.JOB mail a").field("leased-until"), Reply::Int(deadline));
        let touched = client.run("JQ.TOUCH mail TTR 600000 a");
        assert_eq!(touched.items(), [Reply::Int(deadline)]);
        wait_for("its death", || (client.run("JQ.LEN mail dead") == Reply::Int(1)).then_some(()));
        assert_eq!(client.run("JQ.ACK mail a"), Reply::Int(0));
        assert_eq!(stat(client, "mail", "overdue"), 1);
        assert!(client.run("JQ.JOB mail a").field("dead-since").int() >= deadline);
        client.run("JQ.RESPAWN mail ID a");
        assert!(client.run("JQ.JOB mail a").field("deadline").is_nothing());
    });
}

#[test]
fn a_time_to_run_that_is_over_before_the_deadline_is_a_failed_attempt_and_not_the_end() {
    on_each_wire(|client| {
        let deadline = client.time() + 3_600_000;
        client.run(&format!("JQ.PUBLISH mail x ID a TTR 20 DEADLINE {deadline}"));
        let taken = client.run("JQ.CONSUME mail DETAILS");
        let details = &taken.items()[0].items()[3];
        assert!(details.field("leased-until").int() < deadline, "the worker is told the earlier");
        wait_for("the lapse", || (client.run("JQ.LEN mail ready") == Reply::Int(1)).then_some(()));
        let job = client.run("JQ.JOB mail a");
        assert_eq!(job.field("failures"), Reply::Int(1));
        assert_eq!(job.field("tries-left"), Reply::Int(24));
        assert_eq!(job.field("deadline"), Reply::Int(deadline));
    });
}

#[test]
fn a_job_takes_the_place_of_another_in_one_step() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG mail SET maxlen 1");
        client.run("JQ.PUBLISH mail old ID a");
        let receipt = names(&client.run("JQ.CONSUME mail"))[0].clone();
        assert_eq!(client.run("JQ.PUBLISH mail new REPLACES a ID a"), bulk("a"));
        assert_eq!(
            client.run(&format!("JQ.ACK mail {receipt}")),
            Reply::Int(0),
            "its holder learns"
        );
        assert_eq!(bodies(&client.run("JQ.PEEK mail")), ["new"]);
        assert_eq!(
            client.run(&format!("JQ.PUBLISH mail x REPLACES {receipt}")).error_word(),
            "NOSUCHJOB"
        );
        let refused = client.run("JQ.PUBLISH mail newer REPLACES a DELAY 9 TTL 8");
        assert_eq!(refused.error_word(), "RANGE");
        assert_eq!(bodies(&client.run("JQ.PEEK mail")), ["new"], "checked before it is removed");
        let ulid = client.run("JQ.PUBLISH mail newest REPLACES a").text();
        assert_eq!(names(&client.run("JQ.PEEK mail")), [ulid]);
        assert_eq!(stat(client, "mail", "replaced"), 2);
    });
}

#[test]
fn every_option_has_a_default_that_the_queue_can_set_and_an_option_wins() {
    on_each_wire(|client| {
        let set =
            "JQ.CONFIG mail SET tries 3 ttr 4000 ttl 500000 backoff none retain 6000 priority 7";
        client.run(set);
        client.run("JQ.PUBLISH mail x ID a");
        client.run(
            "JQ.PUBLISH mail x ID b TRIES 9 TTR 10 TTL 0 BACKOFF poly RETAIN forever PRIORITY 0",
        );
        for (id, values) in
            [("a", ["3", "4000", "none", "6000", "7"]), ("b", ["9", "10", "poly", "forever", "0"])]
        {
            let job = client.run(&format!("JQ.JOB mail {id}"));
            for (name, value) in
                ["tries", "ttr", "backoff", "retain", "priority"].iter().zip(values)
            {
                let told = match job.field(name) {
                    Reply::Int(n) => n.to_string(),
                    text => text.text(),
                };
                assert_eq!(told, value, "{name} of {id}");
            }
        }
        assert!(client.run("JQ.JOB mail a").field("ttl-left").int() <= 500_000);
        assert!(client.run("JQ.JOB mail b").field("ttl-left").is_nothing());
        assert_eq!(client.run("JQ.CONFIG mail GET retain").field("retain"), bulk("6000"));
        client.run("JQ.CONFIG mail SET retain forever");
        assert_eq!(client.run("JQ.CONFIG mail GET retain").field("retain"), bulk("forever"));
    });
}

#[test]
fn several_jobs_share_type_headers_and_the_rest() {
    on_each_wire(|client| {
        let ids = client.run("JQ.MPUBLISH mail 2 x y TYPE t HEADERS 1 a b RETAIN 5 TRIES 2");
        for id in ids.items() {
            let job = client.run(&format!("JQ.JOB mail {}", id.text()));
            assert_eq!(job.field("type"), bulk("t"));
            assert_eq!(job.field("headers").pairs(), [("a".into(), bulk("b"))]);
            assert_eq!(job.field("retain"), bulk("5"));
        }
    });
}

#[test]
fn headers_that_are_sent_once_do_not_become_much_more_than_that() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG mail SET maxbody 100");
        let value = "v".repeat(30);
        let with = |n: usize| {
            let mut call: Vec<String> = vec!["JQ.MPUBLISH".into(), "mail".into(), n.to_string()];
            call.extend((0..n).map(|_| "x".into()));
            call.extend(["HEADERS", "1", "n", &value].map(String::from));
            call
        };
        assert_eq!(client.call(&with(4)).error_word(), "TOOBIG");
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(0));
        assert_eq!(client.call(&with(3)).items().len(), 3);
    });
}
