//! `JQ.CALL`: to publish a job and wait for its result.

use crate::{
    replies::{bodies, bulk, names, on_each_wire},
    support::{Options, Reply, Server},
};

fn state(name: &str) -> Reply {
    Reply::Array(vec![bulk(name), Reply::Null])
}

fn result(text: &str) -> Reply {
    Reply::Array(vec![bulk("completed"), bulk(text)])
}

#[test]
fn a_call_is_answered_with_the_result_though_nothing_is_kept_of_the_job() {
    let server = Server::plain();
    let (mut caller, mut worker) = (server.client(), server.client());
    worker.send(&["JQ.CONSUME", "sums", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    caller.send(&["JQ.CALL", "sums", "2+3", "TTR", "60000", "WAIT", "0"]);
    let taken = worker.read();
    assert_eq!(bodies(&taken), ["2+3"]);
    assert!(caller.is_waiting());
    let receipt = &names(&taken)[0];
    assert_eq!(worker.run(&format!("JQ.FULFILL sums {receipt} 5")), Reply::Int(1));
    assert_eq!(caller.read(), result("5"));
    assert_eq!(worker.run("JQ.LEN sums"), Reply::Int(0));
}

#[test]
fn a_call_ends_with_whatever_ends_the_job() {
    let server = Server::plain();
    let (mut caller, mut client) = (server.client(), server.client());
    for (end, told) in [
        ("JQ.FULFILL mail a 42 RETAIN FOREVER", result("42")),
        ("JQ.BURY mail a", state("dead")),
        ("JQ.DELETE mail a", Reply::NullArray),
        ("JQ.PUBLISH mail other REPLACES a", Reply::NullArray),
        ("DEL mail", Reply::NullArray),
    ] {
        caller.send(&["JQ.CALL", "mail", "x", "ID", "a", "WAIT", "0"]);
        server.wait_for_blocked(1);
        assert!(!matches!(client.run(end), Reply::Error(_)), "{end}");
        assert_eq!(caller.read(), told, "{end}");
        client.run("FLUSHALL");
    }
}

#[test]
fn a_call_whose_time_is_over_tells_how_it_stands_and_the_job_goes_on() {
    on_each_wire(|client| {
        let null = Reply::Array(vec![bulk("ready"), Reply::Null]);
        assert_eq!(client.run("JQ.CALL mail x ID a WAIT 5"), null);
        assert_eq!(client.run("JQ.CALL mail x ID b DELAY 60000 WAIT 5"), state("delayed"));
        assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["x"]);
    });
}

#[test]
fn a_call_that_is_refused_publishes_nothing_and_waits_for_nothing() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a UNIQUE k");
        for (line, word) in [
            ("JQ.CALL mail x ID a WAIT 0", "DUPLICATE"),
            ("JQ.CALL mail x UNIQUE k WAIT 0", "DUPLICATE"),
            ("JQ.CALL mail x TTL 5 DELAY 6 WAIT 0", "RANGE"),
            ("JQ.CALL mail x REPLACES nobody WAIT 0", "NOSUCHJOB"),
            ("JQ.CALL mail x WAIT -1", "RANGE"),
            ("JQ.CALL mail x TTR 5", "SYNTAX"),
            ("JQ.CALL mail x BLOCK 5 WAIT 5", "SYNTAX"),
        ] {
            assert_eq!(client.run(line).error_word(), word, "{line}");
        }
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(1));
    });
}

#[test]
fn with_a_key_that_another_job_holds_a_call_waits_for_that_job() {
    let server = Server::plain();
    let (mut caller, mut client) = (server.client(), server.client());
    client.run("JQ.PUBLISH mail x ID a UNIQUE k");
    let call = ["JQ.CALL", "mail", "y", "UNIQUE", "k", "ONDUPLICATE", "RETURN", "WAIT", "0"];
    caller.send(&call);
    server.wait_for_blocked(1);
    client.run("JQ.FULFILL mail a 42");
    assert_eq!(caller.read(), result("42"));
    assert_eq!(client.run("JQ.LEN mail"), Reply::Int(0));
}

#[test]
fn inside_a_transaction_or_a_script_a_call_does_not_wait() {
    let server = Server::plain();
    let mut client = server.client();
    let script = "return redis.call('JQ.CALL', KEYS[1], 'x', 'WAIT', '0')";
    assert_eq!(client.call(&["EVAL", script, "1", "mail"]), state("ready"));
    client.run("MULTI");
    client.run("JQ.CALL mail x WAIT 0");
    assert_eq!(client.run("EXEC").items(), [state("ready")]);
    assert_eq!(client.run("JQ.LEN mail"), Reply::Int(2));
}

#[test]
fn a_job_that_was_called_for_is_in_the_log_and_on_the_replica_and_outlives_its_caller() {
    let mut server = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&server);
    let mut caller = server.client();
    caller.send(&["JQ.CALL", "mail", "x", "ID", "a", "RETAIN", "FOREVER", "WAIT", "0"]);
    server.wait_for_blocked(1);
    drop(caller);
    server.wait_for_blocked(0);
    let mut client = server.client();
    assert_eq!(client.run("JQ.CALL mail y WAIT 1"), state("ready"));
    let digest = client.run("JQ.DIGEST mail");
    replica.catch_up_with(&server);
    assert_eq!(replica.run("JQ.DIGEST mail"), digest);
    assert_eq!(replica.run("JQ.CALL mail z WAIT 1").error_word(), "READONLY");
    server.kill_and_restart();
    let mut client = server.client();
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
    assert_eq!(bodies(&client.run("JQ.CONSUME mail COUNT 5")), ["x", "y"]);
}
