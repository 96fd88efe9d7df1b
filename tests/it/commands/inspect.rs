//! `JQ.LEN`, `JQ.STATS` and `JQ.DIGEST`; `JQ.PEEK` is with `JQ.CONSUME`, `JQ.CONFIG` with the
//! operator's commands.

use jobq_protocol::stats;

use crate::{
    replies::{lengths, names, on_each_wire, stat},
    support::{wait_for, Client, Reply, Server},
};

#[test]
fn jobs_are_counted_in_all_states_or_in_one() {
    on_each_wire(|client| {
        for state in ["", " delayed", " ready", " leased", " completed", " dead"] {
            assert_eq!(client.run(&format!("JQ.LEN mail{state}")), Reply::Int(0), "no queue");
        }
        client.run("JQ.MPUBLISH mail 10 0 1 2 3 4 5 6 7 8 9");
        client.run("JQ.MPUBLISH mail 4 0 1 2 3 DELAY 100000");
        client.run("JQ.CONSUME mail COUNT 3");
        for id in names(&client.run("JQ.PEEK mail COUNT 2")) {
            client.run(&format!("JQ.BURY mail {id}"));
        }
        for (state, jobs) in [("delayed", 4), ("READY", 5), ("Leased", 3), ("dead", 2)] {
            assert_eq!(client.run(&format!("JQ.LEN mail {state}")), Reply::Int(jobs), "{state}");
        }
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(14));
    });
}

#[test]
fn statistics_are_the_fields_of_the_table_in_its_order() {
    on_each_wire(|client| {
        assert_eq!(client.run("JQ.STATS mail"), Reply::Null, "no queue");
        client.run("JQ.CONFIG mail SET tries 3");
        let pairs = client.run("JQ.STATS mail").pairs();
        let fields: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        let table: Vec<_> = stats::FIELDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(fields, table);
        let as_in_table =
            pairs.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(client.run("JQ.STATS mail"), client.map(as_in_table), "a map, or flat");
        for (name, value) in pairs {
            match name.as_str() {
                "next-due" | "paused-in" | "paused-out" | "oldest-ready" | "idle-ends" => {
                    assert_eq!(value, Reply::Null);
                }
                "clock" | "bytes" => assert!(value.int() > 0, "{name}"),
                _ => assert_eq!(value, Reply::Int(0), "{name}"),
            }
        }
    });
}

#[test]
fn every_counter_counts_what_it_says() {
    let server = Server::plain();
    let mut client = server.client();
    for line in [
        "JQ.MPUBLISH mail 2 x y TTL 10",
        "JQ.PUBLISH mail x ID a TRIES 2 TTR 10",
        "JQ.PUBLISH mail x ID b DELAY 100000",
        "JQ.PUBLISH mail x ID c PRIORITY 9",
    ] {
        client.run(line);
    }
    wait_for("the end of two TTLs", || (stat(&mut client, "mail", "expired") == 2).then_some(()));
    client.run("JQ.CONSUME mail");
    wait_for("the lapse", || (stat(&mut client, "mail", "lapsed") == 1).then_some(()));
    for line in [
        "JQ.CONSUME mail TTR 60000",
        "JQ.TOUCH mail a@2",
        "JQ.TOUCH mail a@2 a",
        "JQ.RELEASE mail a",
        "JQ.CONSUME mail TTR 60000",
        "JQ.NACK mail a",
        "JQ.RESPAWN mail ALL",
        "JQ.KICK mail ID b",
        "JQ.CONSUME mail FREE COUNT 2 TTR 60000",
        "JQ.ACK mail a b",
        "JQ.BURY mail c",
        "JQ.DELETE mail c",
    ] {
        client.run(line);
    }
    for (name, count) in [
        ("published", 5),
        ("delivered", 5),
        ("acked", 2),
        ("nacked", 1),
        ("released", 1),
        ("buried", 1),
        ("touched", 3),
        ("lapsed", 1),
        ("expired", 2),
        ("kicked", 1),
        ("respawned", 1),
        ("deleted", 1),
        ("died", 2),
        ("jobs", 0),
    ] {
        assert_eq!(stat(&mut client, "mail", name), count, "{name}");
    }
    assert_eq!(lengths(&mut client, "mail"), [0; 4]);
}

#[test]
fn the_oldest_ready_job_tells_since_when_it_waits() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a");
        let since_when = |client: &mut Client, id: &str| {
            let since = client.run(&format!("JQ.JOB mail {id}")).field("ready-since");
            assert_eq!(client.run("JQ.STATS mail").field("oldest-ready"), since, "{id}");
            since.int()
        };
        let first = since_when(client, "a");
        wait_for("the next millisecond", || {
            client.run("JQ.PUBLISH mail x ID b PRIORITY -5");
            let is_later = client.run("JQ.JOB mail b").field("ready-since").int() > first;
            if !is_later {
                client.run("JQ.DELETE mail b");
            }
            is_later.then_some(())
        });
        assert_eq!(since_when(client, "a"), first, "whoever is served before it");
        client.run("JQ.CONSUME mail COUNT 2");
        assert!(client.run("JQ.STATS mail").field("oldest-ready").is_nothing());
        client.run("JQ.RELEASE mail b");
        assert!(since_when(client, "b") > first);
    });
}

#[test]
fn bytes_grow_with_bodies_and_shrink_again() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID small");
    let before = stat(&mut client, "mail", "bytes");
    client.call(&[&b"JQ.PUBLISH"[..], b"mail", &[b'x'; 1 << 20], b"ID", b"large"]);
    assert!(stat(&mut client, "mail", "bytes") >= before + (1 << 20));
    assert!(client.run("MEMORY USAGE mail").int() >= 1 << 20);
    client.run("JQ.DELETE mail large");
    assert!(stat(&mut client, "mail", "bytes") < before + 4096);
}

#[test]
fn a_digest_tells_states_apart_and_survives_a_reload() {
    on_each_wire(|client| {
        assert_eq!(client.run("JQ.DIGEST mail"), Reply::Null, "no queue");
        let mut digests = Vec::new();
        for line in [
            "JQ.CONFIG mail SET tries 3",
            "JQ.PUBLISH mail x ID a",
            "JQ.CONSUME mail WORKER w",
            "JQ.TOUCH mail a@1",
            "JQ.BURY mail a ERROR e",
            "JQ.RESPAWN mail ALL",
            "JQ.DELETE mail a",
        ] {
            client.run(line);
            let digest = client.run("JQ.DIGEST mail");
            assert_eq!(client.run("DEBUG RELOAD").text(), "OK");
            assert_eq!(client.run("JQ.DIGEST mail"), digest, "{line}");
            digests.push(digest.text());
        }
        for digest in &digests {
            assert!(
                digest.len() == 32 && digest.bytes().all(|c| c.is_ascii_hexdigit()),
                "{digest}"
            );
        }
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 7, "each step shows");
    });
}

#[test]
fn a_queue_is_a_key_like_others_to_the_server() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x");
    assert_eq!(client.run("TYPE mail").text(), "job-queue");
    assert_eq!(client.run("SCAN 0 TYPE job-queue").items()[1].items().len(), 1);
    assert!(client.run("OBJECT ENCODING mail").text().len() > 1);
    assert!(client.run("DEBUG DIGEST-VALUE mail").items()[0].text().len() == 40);
}
