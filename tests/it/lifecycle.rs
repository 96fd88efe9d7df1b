//! A job's life, as a client sees it.

use crate::support::{wait_for, Reply, Server};

#[test]
fn a_job_goes_from_publish_to_ack() {
    let server = Server::plain();
    let mut client = server.client();
    let id = client.run("JQ.PUBLISH mail hello").text();
    let taken = client.run("JQ.CONSUME mail");
    let job = taken.items()[0].items();
    assert_eq!(job[0].text(), "mail");
    assert_eq!(job[1].text(), format!("{id}@1"));
    assert_eq!(job[2].text(), "hello");
    assert_eq!(client.run("JQ.LEN mail leased"), Reply::Int(1));
    assert_eq!(client.run(&format!("JQ.ACK mail {id}@1")), Reply::Int(1));
    assert_eq!(client.run("JQ.LEN mail"), Reply::Int(0));
    assert_eq!(client.run("EXISTS mail"), Reply::Int(1), "a drained queue keeps its key");
}

#[test]
fn a_delayed_job_wakes_a_consumer_that_waits() {
    let server = Server::plain();
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    server.run("JQ.PUBLISH mail later DELAY 20");
    assert_eq!(consumer.read().items()[0].items()[2].text(), "later");
}

#[test]
fn a_lease_that_lapses_makes_the_job_ready_again() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail hello TTR 10");
    let first = client.run("JQ.CONSUME mail").items()[0].items()[1].text();
    wait_for("the lapse", || (client.run("JQ.LEN mail ready") == Reply::Int(1)).then_some(()));
    assert_eq!(client.run(&format!("JQ.ACK mail {first}")), Reply::Int(0), "a late ack");
    let second = client.run("JQ.CONSUME mail").items()[0].items()[1].text();
    assert_eq!(client.run(&format!("JQ.ACK mail {second}")), Reply::Int(1));
}
