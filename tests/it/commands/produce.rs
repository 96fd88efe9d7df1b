//! `JQ.PUBLISH` and `JQ.MPUBLISH`.

use std::collections::BTreeSet;

use crate::{
    replies::{bodies, bulk, due_in, jobs, lengths, names, on_each_wire, stat, told},
    support::{wait_for, Options, Reply, Server},
};

#[test]
fn made_ids_are_ulids_that_ascend() {
    on_each_wire(|client| {
        let ids: Vec<_> = (0..200).map(|_| client.run("JQ.PUBLISH mail x").text()).collect();
        for id in &ids {
            assert_eq!(id.len(), 26, "{id}");
            let alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
            assert!(id.chars().all(|c| alphabet.contains(c)), "{id}");
        }
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
        assert_eq!(names(&client.run("JQ.PEEK mail COUNT 200")), ids, "first come, first served");
    });
}

#[test]
fn a_made_id_names_its_job_in_either_case() {
    let server = Server::plain();
    let mut client = server.client();
    let id = client.run("JQ.PUBLISH mail x").text();
    let lower = id.to_lowercase();
    assert_eq!(client.run(&format!("JQ.PUBLISH mail y ID {lower}")).error_word(), "DUPLICATE");
    assert_eq!(client.run(&format!("JQ.DELETE mail {lower}")), Reply::Int(1));
}

#[test]
fn a_given_id_is_answered_and_kept() {
    on_each_wire(|client| {
        assert_eq!(client.run("JQ.PUBLISH mail hello ID birthday:7"), bulk("birthday:7"));
        assert_eq!(client.run("JQ.PEEK mail"), jobs(&[("mail", "birthday:7", "hello")]));
    });
}

#[test]
fn a_given_id_is_1_to_64_letters_digits_or_four_marks() {
    let server = Server::plain();
    let mut client = server.client();
    let all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
    assert_eq!(all.len(), 64);
    for id in [all, "a", ".", "_", ":", "-", "0", "ACK", &"-".repeat(64)] {
        assert_eq!(client.call(&["JQ.PUBLISH", "mail", "x", "ID", id]), bulk(id));
        assert_eq!(client.call(&["JQ.DELETE", "mail", id]), Reply::Int(1));
    }
    let digest = client.run("JQ.DIGEST mail");
    let too_long = "a".repeat(65);
    for id in ["", &too_long, "a b", "a@1", "a/b", "ü", "a\0b", "a\n"] {
        let refused = client.call(&["JQ.PUBLISH", "mail", "x", "ID", id]);
        assert_eq!(refused.error_word(), "RANGE", "{id:?}: {refused:?}");
    }
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
}

#[test]
fn an_id_is_refused_while_its_job_exists_in_any_state() {
    let server = Server::plain();
    let mut client = server.client();
    for (state, make) in [
        ("delayed", vec!["JQ.PUBLISH mail x ID a DELAY 100000"]),
        ("ready", vec!["JQ.PUBLISH mail x ID a"]),
        ("leased", vec!["JQ.PUBLISH mail x ID a", "JQ.CONSUME mail"]),
        ("dead", vec!["JQ.PUBLISH mail x ID a", "JQ.BURY mail a"]),
    ] {
        make.iter().for_each(|line| drop(client.run(line)));
        assert_eq!(client.run(&format!("JQ.LEN mail {state}")), Reply::Int(1));
        let before = told(&mut client, "mail");
        let refused = client.run("JQ.PUBLISH mail y ID a");
        assert_eq!(refused, Reply::Error("DUPLICATE a".into()), "{state}");
        assert_eq!(told(&mut client, "mail"), before, "{state}");
        assert_eq!(client.run("JQ.DELETE mail a"), Reply::Int(1));
    }
    assert_eq!(client.run("JQ.PUBLISH mail y ID a"), bulk("a"), "free again");
}

#[test]
fn a_delay_postpones_a_job_and_an_instant_does_too() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH in x DELAY 3600000");
        assert_eq!(lengths(client, "in"), [1, 0, 0, 0]);
        assert_eq!(due_in(client, "in"), 3_600_000);

        client.run("JQ.PUBLISH at x AT 9000000000000");
        assert_eq!(lengths(client, "at"), [1, 0, 0, 0]);
        assert_eq!(stat(client, "at", "next-due"), 9_000_000_000_000);

        client.run("JQ.PUBLISH past x AT 1000");
        client.run("JQ.PUBLISH past x DELAY 0");
        assert_eq!(lengths(client, "past"), [0, 2, 0, 0]);
    });
}

#[test]
fn a_delayed_job_becomes_ready_by_itself() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a DELAY 20");
    wait_for("the job", || (lengths(&mut client, "mail") == [0, 1, 0, 0]).then_some(()));
    assert_eq!(stat(&mut client, "mail", "kicked"), 0);
}

#[test]
fn a_job_that_outlives_its_ttl_is_removed_in_every_unfinished_state() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH ready x TTL 20");
    client.run("JQ.PUBLISH delayed x TTL 20 DELAY 20");
    client.run("MULTI");
    client.run("JQ.PUBLISH leased x TTL 200");
    client.run("JQ.CONSUME leased TTR 100000");
    assert_eq!(bodies(&client.run("EXEC").items()[1]), ["x"]);
    for queue in ["ready", "delayed", "leased"] {
        wait_for("the end of the TTL", || (stat(&mut client, queue, "jobs") == 0).then_some(()));
        assert_eq!(stat(&mut client, queue, "expired"), 1, "{queue}");
    }
    client.run("JQ.PUBLISH dead x ID a TTL 1000000");
    client.run("JQ.BURY dead a");
    let due = client.run("JQ.STATS dead").field("next-due");
    assert!(due.is_nothing(), "a dead job does not expire: {due:?}");
}

#[test]
fn a_ttl_of_zero_is_none_whatever_the_queue_says() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET ttl 100000");
    client.run("JQ.PUBLISH mail x TTL 0");
    assert!(client.run("JQ.STATS mail").field("next-due").is_nothing());
    client.run("JQ.PUBLISH mail x");
    assert_eq!(due_in(&mut client, "mail"), 100_000);
}

#[test]
fn a_ttl_below_the_delay_is_refused_and_an_equal_one_is_not() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x");
    let before = told(&mut client, "mail");
    for line in [
        "JQ.PUBLISH mail x DELAY 1000 TTL 999",
        "JQ.MPUBLISH mail 2 x y TTL 999 DELAY 1000",
        "JQ.PUBLISH mail x AT 9000000000000 TTL 1000",
    ] {
        assert_eq!(client.run(line).error_word(), "RANGE", "{line}");
        assert_eq!(told(&mut client, "mail"), before, "{line}");
    }
    client.run("JQ.PUBLISH mail x DELAY 100000 TTL 100000").text();
    client.run("JQ.PUBLISH mail x DELAY 100000 TTL 0").text();
    assert_eq!(client.run("JQ.PUBLISH new x DELAY 9 TTL 8").error_word(), "RANGE");
    assert_eq!(client.run("EXISTS new"), Reply::Int(0), "a refusal leaves no queue behind");
}

#[test]
fn a_ttr_is_how_long_a_lease_lasts() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x TTR 12345");
    client.run("JQ.CONSUME mail");
    assert_eq!(due_in(&mut client, "mail"), 12_345);
}

#[test]
fn a_job_is_dead_when_its_last_try_fails() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a TRIES 3 BACKOFF none");
    for dead in [0, 0, 1] {
        let receipt = names(&client.run("JQ.CONSUME mail")).remove(0);
        assert_eq!(client.run(&format!("JQ.NACK mail {receipt}")), Reply::Int(1));
        assert_eq!(lengths(&mut client, "mail"), [0, 1 - dead, 0, dead]);
    }
    assert_eq!(stat(&mut client, "mail", "died"), 1);
    client.run("JQ.PUBLISH lapse x TRIES 1 TTR 10");
    client.run("JQ.CONSUME lapse");
    wait_for("the death", || (lengths(&mut client, "lapse") == [0, 0, 0, 1]).then_some(()));
}

#[test]
fn a_backoff_says_how_long_a_nacked_job_waits() {
    let server = Server::plain();
    let mut client = server.client();
    let mut waits = |backoff: &str, attempts: usize| -> Vec<i64> {
        client.run("DEL mail");
        client.call(&["JQ.PUBLISH", "mail", "x", "ID", "a", "BACKOFF", backoff]);
        let attempt = |_| {
            client.run("JQ.CONSUME mail");
            client.run("JQ.NACK mail a");
            let [delayed, ..] = lengths(&mut client, "mail");
            let wait = if delayed == 0 { 0 } else { due_in(&mut client, "mail") };
            client.run("JQ.KICK mail ID a");
            wait
        };
        (0..attempts).map(attempt).collect()
    };
    assert_eq!(waits("none", 3), [0, 0, 0]);
    assert_eq!(waits("NONE", 1), [0]);
    assert_eq!(waits("fixed:50000", 3), [50_000; 3]);
    assert_eq!(waits("exp:20000:90000", 5), [20_000, 40_000, 80_000, 90_000, 90_000]);
    assert_eq!(waits("fixed:0", 1), [0]);
    for (n, wait) in (0..6).zip(waits("poly", 6)) {
        let least = (i64::pow(n, 4) + 15) * 1000;
        assert!((least..=least + 29_000 * (n + 1)).contains(&wait), "{n}: {wait}");
    }
}

#[test]
fn a_lower_priority_number_is_served_first_and_equal_ones_as_they_came() {
    let server = Server::plain();
    let mut client = server.client();
    for (body, priority) in [("c", "0"), ("e", "20"), ("a", "-20"), ("d", "0"), ("b", "-1")] {
        client.call(&["JQ.PUBLISH", "mail", body, "PRIORITY", priority]);
    }
    assert_eq!(bodies(&client.run("JQ.CONSUME mail COUNT 9")), ["a", "b", "c", "d", "e"]);
}

#[test]
fn bodies_come_back_as_they_went_whatever_is_in_them() {
    on_each_wire(|client| {
        let every_byte: Vec<u8> = (0..=255).cycle().take(64 << 10).collect();
        let large = vec![b'\n'; 1 << 20];
        let all = [&b""[..], b"\0", b"\r\n$-1\r\n", &every_byte, &large];
        for body in all {
            client.call(&[&b"JQ.PUBLISH"[..], b"mail", body]);
            let peeked = client.run("JQ.PEEK mail");
            assert_eq!(peeked.items()[0].items()[2].bytes(), body);
            let taken = client.run("JQ.CONSUME mail");
            assert_eq!(taken.items()[0].items()[2].bytes(), body);
            let receipt = names(&taken).remove(0);
            assert_eq!(client.run(&format!("JQ.ACK mail {receipt}")), Reply::Int(1));
        }
        client.call(&[&b"JQ.MPUBLISH"[..], b"mail", b"5", all[0], all[1], all[2], all[3], all[4]]);
        let taken = client.run("JQ.CONSUME mail COUNT 5");
        for (job, body) in taken.items().iter().zip(all) {
            assert_eq!(job.items()[2].bytes(), body);
        }
    });
}

#[test]
fn a_queue_name_may_be_any_bytes() {
    let server = Server::plain();
    let mut client = server.client();
    for name in [&b""[..], b"a b\r\n", b"%s%n", b"\0\xff\xfe", &[b'q'; 100_000]] {
        client.call(&[&b"JQ.PUBLISH"[..], name, b"x"]);
        let taken = client.call(&[&b"JQ.CONSUME"[..], name]);
        assert_eq!(taken.items()[0].items()[0].bytes(), name);
        let receipt = names(&taken).remove(0);
        assert_eq!(client.call(&[&b"JQ.ACK"[..], name, receipt.as_bytes()]), Reply::Int(1));
    }
}

#[test]
fn queue_names_are_told_apart_to_the_byte() {
    let server = Server::plain();
    let mut client = server.client();
    let names = ["mail", "Mail", "mail ", " ", "{mail}", "a:{b}:c", "_mail", "m\u{e4}il"];
    for name in names {
        client.call(&["JQ.PUBLISH", name, name, "ID", "same"]);
    }
    for name in names {
        let taken = client.call(&["JQ.CONSUME", name, "COUNT", "9"]);
        assert_eq!(bodies(&taken), [name]);
    }
}

#[test]
fn a_batch_that_is_discarded_publishes_nothing() {
    let server = Server::plain();
    let mut client = server.client();
    for line in ["MULTI", "JQ.PUBLISH mail a ID a", "JQ.MPUBLISH mail 2 b c"] {
        client.run(line);
    }
    assert_eq!(client.run("DISCARD").text(), "OK");
    assert_eq!(client.run("EXISTS mail"), Reply::Int(0));
    assert_eq!(client.run("JQ.PUBLISH mail a ID a"), bulk("a"));
}

#[test]
fn many_jobs_are_published_at_once_in_the_order_of_their_bodies() {
    on_each_wire(|client| {
        let reply = client.run("JQ.MPUBLISH mail 3 a b c TTR 5000 PRIORITY 3");
        let ids: Vec<_> = reply.items().iter().map(Reply::text).collect();
        assert_eq!(ids.len(), 3);
        let peeked = client.run("JQ.PEEK mail COUNT 10");
        let expected = [(&ids[0], "a"), (&ids[1], "b"), (&ids[2], "c")];
        let expected = expected.map(|(id, body)| ("mail", id.as_str(), body));
        assert_eq!(peeked, jobs(&expected));
        client.run("JQ.PUBLISH mail first");
        assert_eq!(bodies(&client.run("JQ.CONSUME mail COUNT 2")), ["first", "a"]);
        assert_eq!(due_in(client, "mail"), 5000, "the options are for all");
        assert_eq!(client.run("JQ.MPUBLISH mail 1 DELAY").items().len(), 1, "a body, not a word");
    });
}

#[test]
fn ten_thousand_jobs_fit_one_call() {
    let server = Server::plain();
    let mut client = server.client();
    let texts: Vec<_> = (0..10_000).map(|n| n.to_string()).collect();
    let mut call = vec!["JQ.MPUBLISH", "mail", "10000"];
    call.extend(texts.iter().map(String::as_str));
    call.extend(["DELAY", "0"]);
    let reply = client.call(&call);
    let ids: BTreeSet<_> = reply.items().iter().map(Reply::text).collect();
    assert_eq!(ids.len(), 10_000, "ids differ");
    let taken = client.run("JQ.CONSUME mail COUNT 10000");
    assert_eq!(bodies(&taken), texts);
    let receipts = names(&taken);
    let mut call = vec!["JQ.ACK", "mail"];
    call.extend(receipts.iter().map(String::as_str));
    assert_eq!(client.call(&call), Reply::Int(10_000));
    assert_eq!(client.run("JQ.LEN mail"), Reply::Int(0));
}

#[test]
fn a_full_queue_refuses_all_of_what_does_not_fit() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET maxlen 3");
    client.run("JQ.PUBLISH mail a");
    client.run("JQ.PUBLISH mail b DELAY 100000");
    let before = told(&mut client, "mail");
    assert_eq!(client.run("JQ.MPUBLISH mail 2 c d").error_word(), "FULL");
    assert_eq!(told(&mut client, "mail"), before);
    client.run("JQ.PUBLISH mail c").text();
    client.run("JQ.CONSUME mail");
    assert_eq!(client.run("JQ.PUBLISH mail d").error_word(), "FULL", "a leased job counts");
    client.run("JQ.CONFIG mail SET maxlen 0");
    client.run("JQ.PUBLISH mail d").text();
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET maxbody 5");
    client.run("JQ.PUBLISH mail 12345").text();
    let before = told(&mut client, "mail");
    assert_eq!(client.run("JQ.PUBLISH mail 123456").error_word(), "TOOBIG");
    assert_eq!(client.run("JQ.MPUBLISH mail 2 1 123456").error_word(), "TOOBIG");
    assert_eq!(told(&mut client, "mail"), before);

    let longest = vec![b'x'; 16 << 20];
    client.call(&[&b"JQ.PUBLISH"[..], b"standard", &longest[..]]).text();
    let too_long = [&longest[..], b"x"].concat();
    let refused = client.call(&[&b"JQ.PUBLISH"[..], b"standard", &too_long[..]]);
    assert_eq!(refused.error_word(), "TOOBIG");
    assert_eq!(client.run("JQ.LEN standard"), Reply::Int(1));
}

#[test]
fn without_memory_jobs_are_drained_but_not_added() {
    let server = Server::start(Options::new());
    let mut client = server.client();
    for id in ["a", "b", "c", "d", "e"] {
        client.run(&format!("JQ.PUBLISH mail x ID {id}"));
    }
    client.run("JQ.BURY mail e");
    client.run("CONFIG SET maxmemory 1");
    let before = told(&mut client, "mail");
    for line in ["JQ.PUBLISH mail x", "JQ.MPUBLISH mail 2 x y", "JQ.PUBLISH new x"] {
        assert_eq!(client.run(line).error_word(), "OOM", "{line}");
    }
    assert_eq!(told(&mut client, "mail"), before);
    assert_eq!(names(&client.run("JQ.CONSUME mail COUNT 4")), ["a@1", "b@2", "c@3", "d@4"]);
    assert_eq!(client.run("JQ.TOUCH mail a@1").items().len(), 1);
    for line in [
        "JQ.ACK mail a@1",
        "JQ.NACK mail b@2 DELAY 100000",
        "JQ.RELEASE mail c@3",
        "JQ.BURY mail d@4",
        "JQ.KICK mail ID b",
        "JQ.RESPAWN mail ID e",
        "JQ.DELETE mail b",
        "JQ.LEN mail dead",
    ] {
        assert_eq!(client.run(line), Reply::Int(1), "{line}");
    }
    client.run("CONFIG SET maxmemory 0");
    client.run("JQ.PUBLISH mail x").text();
}
