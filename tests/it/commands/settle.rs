//! `JQ.ACK`, `JQ.NACK`, `JQ.RELEASE`, `JQ.BURY` and `JQ.TOUCH`.

use crate::{
    replies::{bodies, due_in, lengths, names, on_each_wire, stat, told},
    support::{wait_for, Client, Reply, Server},
};

/// Publishes jobs `a`, `b`, ... and takes them: their receipts are `a@1`, `b@2`, ...
fn lease(client: &mut Client, ids: &[&str]) {
    for id in ids {
        client.run(&format!("JQ.PUBLISH mail {id} ID {id}"));
    }
    let taken = client.run(&format!("JQ.CONSUME mail COUNT {}", ids.len()));
    assert_eq!(taken.items().len(), ids.len());
}

#[test]
fn an_ack_ends_leases_and_counts_them() {
    on_each_wire(|client| {
        lease(client, &["a", "b", "c", "d"]);
        assert_eq!(client.run("JQ.ACK mail a@1"), Reply::Int(1));
        assert_eq!(client.run("JQ.ACK mail a@1"), Reply::Int(0), "once only");
        assert_eq!(client.run("JQ.ACK mail b c@3 x y@9"), Reply::Int(2), "by id or receipt");
        assert_eq!(client.run("JQ.ACK mail d@4 d@4 d"), Reply::Int(1), "named thrice");
        assert_eq!(lengths(client, "mail"), [0; 4]);
        assert_eq!(stat(client, "mail", "acked"), 4);
    });
}

#[test]
fn what_is_not_leased_cannot_be_settled() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID delayed1 DELAY 100000");
    client.run("JQ.PUBLISH mail x ID ready1");
    client.run("JQ.PUBLISH mail x ID dead1");
    client.run("JQ.BURY mail dead1");
    let before = told(&mut client, "mail");
    for verdict in ["ACK", "NACK", "RELEASE"] {
        let line = format!("JQ.{verdict} mail delayed1 ready1 dead1 missing delayed1@1 dead1@0");
        assert_eq!(client.run(&line), Reply::Int(0), "{verdict}");
        assert_eq!(told(&mut client, "mail"), before, "{verdict}");
    }
    let touched = client.run("JQ.TOUCH mail delayed1 ready1 dead1");
    assert_eq!(touched, Reply::Array(vec![Reply::Null; 3]));
    assert_eq!(told(&mut client, "mail"), before);
}

#[test]
fn settling_in_a_missing_queue_settles_nothing_and_makes_none() {
    on_each_wire(|client| {
        for line in ["JQ.ACK q a b@1", "JQ.NACK q a", "JQ.RELEASE q a", "JQ.BURY q a ERROR e"] {
            assert_eq!(client.run(line), Reply::Int(0), "{line}");
        }
        let touched = client.run("JQ.TOUCH q a b@1");
        assert_eq!(touched, Reply::Array(vec![Reply::Null, Reply::Null]));
        assert_eq!(client.run("EXISTS q"), Reply::Int(0));
    });
}

#[test]
fn a_receipt_acts_only_while_that_very_lease_holds() {
    let server = Server::plain();
    let mut client = server.client();
    lease(&mut client, &["a"]);
    client.run("JQ.RELEASE mail a@1");
    assert_eq!(names(&client.run("JQ.CONSUME mail")), ["a@2"]);
    let before = told(&mut client, "mail");
    for line in
        ["JQ.ACK mail a@1", "JQ.NACK mail a@1 a@3", "JQ.RELEASE mail a@1", "JQ.BURY mail a@1"]
    {
        assert_eq!(client.run(line), Reply::Int(0), "{line}");
    }
    assert_eq!(client.run("JQ.DELETE mail a@1"), Reply::Int(0));
    assert_eq!(client.run("JQ.TOUCH mail a@1"), Reply::Array(vec![Reply::Null]));
    assert_eq!(told(&mut client, "mail"), before);
    assert_eq!(client.run("JQ.ACK mail a@2"), Reply::Int(1));
}

#[test]
fn what_is_neither_id_nor_receipt_is_refused_with_nothing_settled() {
    let server = Server::plain();
    let mut client = server.client();
    lease(&mut client, &["a"]);
    let digest = client.run("JQ.DIGEST mail");
    let long = format!("{}@1", "x".repeat(65));
    let bad = [
        "",
        "a@",
        "@1",
        "a@x",
        "a@-1",
        "a@+1",
        "a@1@1",
        "a b",
        "ü",
        &long,
        "a@99999999999999999999",
    ];
    for id in bad {
        for command in ["JQ.ACK", "JQ.NACK", "JQ.RELEASE", "JQ.BURY", "JQ.TOUCH", "JQ.DELETE"] {
            let refused = client.call(&[command, "mail", "a@1", id]);
            assert_eq!(refused.error_word(), "RANGE", "{command} {id:?}");
        }
    }
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
}

#[test]
fn a_nack_makes_a_job_wait_for_its_next_attempt() {
    on_each_wire(|client| {
        lease(client, &["a", "b"]);
        assert_eq!(client.run("JQ.NACK mail a@1 DELAY 5000 ERROR full"), Reply::Int(1));
        assert_eq!(lengths(client, "mail"), [1, 0, 1, 0]);
        assert_eq!(due_in(client, "mail"), 5000, "the delay wins over the backoff");
        assert_eq!(client.run("JQ.NACK mail b ERROR full DELAY 0"), Reply::Int(1));
        assert_eq!(lengths(client, "mail"), [1, 1, 0, 0], "no delay at all");
        assert_eq!(client.run("JQ.NACK mail a b"), Reply::Int(0));
        assert_eq!(stat(client, "mail", "nacked"), 2);
    });
}

#[test]
fn a_failed_job_goes_to_the_tail_and_a_released_one_to_the_head() {
    let server = Server::plain();
    let mut client = server.client();
    lease(&mut client, &["a", "b", "c", "d"]);
    client.run("JQ.PUBLISH mail e ID e");
    client.run("JQ.NACK mail a DELAY 0");
    client.run("JQ.RELEASE mail c b");
    assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["c", "b", "e", "a"]);
    client.run("JQ.TOUCH mail TTR 10 d");
    wait_for("the lapse", || (client.run("JQ.LEN mail ready") == Reply::Int(5)).then_some(()));
    assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["c", "b", "e", "a", "d"]);
    client.run("JQ.PUBLISH mail urgent ID urgent PRIORITY -1");
    assert_eq!(
        names(&client.run("JQ.PEEK mail COUNT 2")),
        ["urgent", "c"],
        "but within a priority"
    );
}

#[test]
fn a_release_costs_no_try() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a TRIES 1");
        for token in 1..5 {
            client.run("JQ.CONSUME mail");
            assert_eq!(client.run(&format!("JQ.RELEASE mail a@{token}")), Reply::Int(1));
            assert_eq!(lengths(client, "mail"), [0, 1, 0, 0]);
        }
        client.run("JQ.CONSUME mail");
        assert_eq!(client.run("JQ.RELEASE mail a DELAY 4000"), Reply::Int(1));
        assert_eq!(lengths(client, "mail"), [1, 0, 0, 0]);
        assert_eq!(due_in(client, "mail"), 4000);
        assert_eq!(stat(client, "mail", "released"), 5);
        client.run("JQ.KICK mail ID a");
        client.run("JQ.CONSUME mail");
        client.run("JQ.NACK mail a");
        assert_eq!(lengths(client, "mail"), [0, 0, 0, 1], "the first try that was spent");
    });
}

#[test]
fn a_free_lease_that_is_released_gives_no_try_back() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a TRIES 2 BACKOFF none");
    client.run("JQ.CONSUME mail");
    client.run("JQ.NACK mail a");
    client.run("JQ.CONSUME mail FREE");
    client.run("JQ.RELEASE mail a");
    client.run("JQ.CONSUME mail");
    client.run("JQ.NACK mail a");
    assert_eq!(lengths(&mut client, "mail"), [0, 0, 0, 1]);
}

#[test]
fn leased_ready_and_delayed_jobs_can_be_buried() {
    on_each_wire(|client| {
        lease(client, &["a"]);
        client.run("JQ.PUBLISH mail x ID b");
        client.run("JQ.PUBLISH mail x ID c DELAY 100000");
        assert_eq!(client.run("JQ.BURY mail a@1 b c d ERROR nowhere"), Reply::Int(3));
        assert_eq!(lengths(client, "mail"), [0, 0, 0, 3]);
        assert_eq!(client.run("JQ.BURY mail a b c"), Reply::Int(0), "dead already");
        assert_eq!(stat(client, "mail", "buried"), 3);
        assert_eq!(stat(client, "mail", "died"), 3);
    });
}

#[test]
fn an_error_text_is_kept_up_to_4096_bytes() {
    let server = Server::plain();
    let mut client = server.client();
    let mut kept_of = |error: &[u8]| {
        client.run("DEL mail");
        lease(&mut client, &["a"]);
        let said =
            client.call(&[&b"JQ.NACK"[..], b"mail", b"a", b"DELAY", b"100000", b"ERROR", error]);
        assert_eq!(said, Reply::Int(1));
        client.run("JQ.JOB mail a").field("error")
    };
    assert_eq!(kept_of(b""), Reply::Bulk(vec![]));
    assert_eq!(kept_of(b"\0\r\n\xff%s%n"), Reply::Bulk(b"\0\r\n\xff%s%n".to_vec()));
    for len in [4096, 1 << 20] {
        assert_eq!(kept_of(&vec![b'e'; len]), Reply::Bulk(vec![b'e'; 4096]));
    }
}

#[test]
fn the_error_of_the_last_attempt_stays_with_the_dead_job() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a TRIES 2 BACKOFF none");
        for error in ["first", "last"] {
            client.run("JQ.CONSUME mail");
            assert_eq!(client.run(&format!("JQ.NACK mail a ERROR {error}")), Reply::Int(1));
        }
        let dead = client.run("JQ.LIST mail dead");
        let job = &dead.items()[1].items()[0];
        assert_eq!(job.field("error").text(), "last");
        assert_eq!(job.field("failures"), Reply::Int(2));
        client.run("JQ.RESPAWN mail ID a");
        client.run("JQ.CONSUME mail");
        client.run("JQ.BURY mail a ERROR hopeless");
        assert_eq!(client.run("JQ.JOB mail a").field("error").text(), "hopeless");
    });
}

#[test]
fn a_touch_extends_a_lease_and_tells_until_when() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a TTR 30000");
        client.run("JQ.PUBLISH mail x ID b TTR 40000");
        client.run("JQ.CONSUME mail COUNT 2");
        let touched = client.run("JQ.TOUCH mail TTR 120000 a@1 b@9 c b");
        let clock = stat(client, "mail", "clock");
        let until = Reply::Int(clock + 120_000);
        let expected = vec![until.clone(), Reply::Null, Reply::Null, until];
        assert_eq!(touched, Reply::Array(expected));
        let touched = client.run("JQ.TOUCH mail a b@2");
        let clock = stat(client, "mail", "clock");
        let expected = [clock + 30_000, clock + 40_000].map(Reply::Int);
        assert_eq!(touched, Reply::Array(expected.into()), "each by its own TTR");
        assert_eq!(due_in(client, "mail"), 30_000);
        assert_eq!(stat(client, "mail", "touched"), 4);
    });
}

#[test]
fn a_touch_goes_by_the_ttr_that_the_consumer_asked_for() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a TTR 30000");
    client.run("JQ.CONSUME mail TTR 90000");
    client.run("JQ.TOUCH mail a@1");
    assert_eq!(due_in(&mut client, "mail"), 90_000);
}

#[test]
fn a_touched_lease_does_not_lapse_when_it_would_have() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail kept ID kept");
    client.run("JQ.PUBLISH mail lost ID lost");
    // At once, or a slow machine may let both lapse.
    client.run("MULTI");
    client.run("JQ.CONSUME mail COUNT 2 TTR 200");
    client.run("JQ.TOUCH mail TTR 600000 kept@1");
    client.run("EXEC");
    wait_for("the lapse", || (client.run("JQ.LEN mail ready") == Reply::Int(1)).then_some(()));
    assert_eq!(bodies(&client.run("JQ.PEEK mail COUNT 9")), ["lost"]);
    assert_eq!(client.run("JQ.ACK mail kept@1"), Reply::Int(1));
}

#[test]
fn a_job_whose_id_is_a_word_can_be_named_by_its_receipt() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID DELAY");
    client.run("JQ.PUBLISH mail x ID error");
    client.run("JQ.CONSUME mail COUNT 2");
    assert_eq!(client.run("JQ.NACK mail DELAY").error_word(), "SYNTAX");
    assert_eq!(client.run("JQ.NACK mail DELAY@1 error@2 DELAY 0"), Reply::Int(2));
    assert_eq!(client.run("JQ.ACK mail DELAY error"), Reply::Int(0), "no words of this command");
}
