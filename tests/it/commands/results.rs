//! Finished jobs and what came of them: `RETAIN`, `JQ.FULFILL`, and `JQ.RESULT` without waiting.

use crate::{
    replies::{bulk, on_each_wire, stat, told},
    support::{wait_for, Reply, Server},
};

fn outcome(state: &str, result: Option<&str>) -> Reply {
    Reply::Array(vec![bulk(state), result.map_or(Reply::Null, bulk)])
}

#[test]
fn a_finished_job_is_kept_for_as_long_as_was_said() {
    on_each_wire(|client| {
        for (id, retain) in [("gone", ""), ("kept", " RETAIN 60000"), ("always", " RETAIN FOREVER")]
        {
            client.run(&format!("JQ.PUBLISH mail x ID {id}{retain}"));
            client.run("JQ.CONSUME mail");
            assert_eq!(client.run(&format!("JQ.ACK mail {id}")), Reply::Int(1));
        }
        assert!(client.run("JQ.JOB mail gone").is_nothing());
        let kept = client.run("JQ.JOB mail kept");
        assert_eq!(kept.field("state"), bulk("completed"));
        let span = kept.field("retained-until").int() - kept.field("completed-since").int();
        assert_eq!(span, 60_000);
        assert_eq!(client.run("JQ.JOB mail always").field("retained-until"), Reply::Int(-1));
        assert_eq!(client.run("JQ.LEN mail completed"), Reply::Int(2));
        assert_eq!(client.run("JQ.PUBLISH mail x ID kept").error_word(), "DUPLICATE");
        assert_eq!(client.run("JQ.UPDATE mail kept BODY y").error_word(), "WRONGSTATE");
        assert_eq!(client.run("JQ.RESULT mail kept"), outcome("completed", None));
        assert_eq!(client.run("JQ.PURGE mail completed"), Reply::Int(2));
        wait_for("the purge", || (client.run("JQ.LEN mail") == Reply::Int(0)).then_some(()));
    });
}

#[test]
fn retention_ends_by_itself() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a RETAIN 20");
        assert_eq!(client.run("JQ.FULFILL mail a 42"), Reply::Int(1));
        wait_for("its end", || client.run("JQ.JOB mail a").is_nothing().then_some(()));
        assert_eq!(stat(client, "mail", "retired"), 1);
        assert!(client.run("JQ.RESULT mail a").is_nothing());
    });
}

#[test]
fn a_job_is_fulfilled_once_with_or_without_its_lease() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID held RETAIN FOREVER TTR 60000");
        client.run("JQ.CONSUME mail");
        client.run("JQ.PUBLISH mail x ID waiting");
        assert_eq!(client.run("JQ.FULFILL mail held@9 wrong"), Reply::Int(0));
        assert_eq!(client.run("JQ.FULFILL mail held@1 right"), Reply::Int(1));
        assert_eq!(client.run("JQ.FULFILL mail held@1 late"), Reply::Int(0));
        assert_eq!(client.run("JQ.FULFILL mail held late"), Reply::Int(0));
        assert_eq!(client.run("JQ.RESULT mail held"), outcome("completed", Some("right")));
        assert_eq!(client.run("JQ.FULFILL mail waiting 1 RETAIN 60000"), Reply::Int(1));
        assert_eq!(client.run("JQ.RESULT mail waiting"), outcome("completed", Some("1")));
        assert_eq!(client.run("JQ.ACK mail held"), Reply::Int(0), "finished is finished");
        assert_eq!(stat(client, "mail", "fulfilled"), 2);
        assert_eq!(client.run("JQ.RESPAWN mail ALL"), Reply::Int(0));
    });
}

#[test]
fn a_late_result_leaves_no_orphan_and_no_queue() {
    on_each_wire(|client| {
        assert_eq!(client.run("JQ.FULFILL mail a late RETAIN FOREVER"), Reply::Int(0));
        assert_eq!(client.run("EXISTS mail"), Reply::Int(0));
        client.run("JQ.PUBLISH mail x ID a");
        client.run("JQ.CONSUME mail");
        client.run("JQ.DELETE mail a");
        let before = told(client, "mail");
        assert_eq!(client.run("JQ.FULFILL mail a late RETAIN FOREVER"), Reply::Int(0));
        assert_eq!(client.run("JQ.FULFILL mail a@1 late RETAIN FOREVER"), Reply::Int(0));
        assert_eq!(told(client, "mail"), before);
        assert_eq!(client.run("JQ.PUBLISH mail again ID a"), bulk("a"), "the id is free");
    });
}

#[test]
fn a_dead_job_can_be_fulfilled_by_who_was_too_slow_and_knows_its_id() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a TRIES 1");
        client.run("JQ.CONSUME mail");
        client.run("JQ.NACK mail a");
        assert_eq!(client.run("JQ.RESULT mail a"), outcome("dead", None));
        assert_eq!(client.run("JQ.FULFILL mail a 42 RETAIN FOREVER"), Reply::Int(1));
        assert_eq!(client.run("JQ.RESULT mail a"), outcome("completed", Some("42")));
    });
}

#[test]
fn results_are_any_bytes_as_long_as_a_body_may_be() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG mail SET maxbody 4 retain forever");
        client.run("JQ.PUBLISH mail x ID a");
        let long = client.run("JQ.FULFILL mail a 12345");
        assert_eq!(long.error_word(), "TOOBIG");
        assert_eq!(client.call(&[&b"JQ.FULFILL"[..], b"mail", b"a", b"\0\r\n\xFF"]), Reply::Int(1));
        let told = client.run("JQ.RESULT mail a");
        assert_eq!(told.items()[1].bytes(), b"\0\r\n\xFF");
        client.run("JQ.PUBLISH mail x ID b");
        assert_eq!(client.call(&["JQ.FULFILL", "mail", "b", ""]), Reply::Int(1));
        assert_eq!(client.run("JQ.RESULT mail b"), outcome("completed", Some("")));
    });
}

#[test]
fn a_result_is_asked_for_in_every_state_without_waiting() {
    on_each_wire(|client| {
        assert!(client.run("JQ.RESULT mail a").is_nothing(), "no queue");
        client.run("JQ.PUBLISH mail x ID a DELAY 600000 TRIES 1");
        assert!(client.run("JQ.RESULT mail b").is_nothing(), "no job");
        assert_eq!(client.run("JQ.RESULT mail a"), outcome("delayed", None));
        client.run("JQ.KICK mail ALL");
        assert_eq!(client.run("JQ.RESULT mail a"), outcome("ready", None));
        client.run("JQ.CONSUME mail");
        assert_eq!(client.run("JQ.RESULT mail a"), outcome("leased", None));
        assert!(client.run("JQ.RESULT mail a@9").is_nothing(), "a lease that does not hold");
        client.run("SET text x");
        assert_eq!(client.run("JQ.RESULT text a").error_word(), "WRONGTYPE");
        assert_eq!(client.run("JQ.RESULT text a BLOCK 0").error_word(), "WRONGTYPE");
    });
}

#[test]
fn draining_goes_on_when_memory_is_full() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a RETAIN 100000");
    client.run("CONFIG SET maxmemory 1");
    assert_eq!(client.run("JQ.PUBLISH mail y").error_word(), "OOM");
    assert_eq!(client.run("JQ.FULFILL mail a 42"), Reply::Int(1));
    assert_eq!(client.run("JQ.RESULT mail a"), outcome("completed", Some("42")));
    assert_eq!(client.run("JQ.LIST mail completed").items()[1].items().len(), 1);
}
