//! `JQ.CANCEL`, and what it makes of the commands after it.

use crate::{
    replies::{lengths, names, on_each_wire, stat, told},
    support::{wait_for, Client, Options, Reply, Server},
};

fn status(text: &str) -> Reply {
    Reply::Status(text.into())
}

/// Publishes `a` and takes it: its receipt is `a@1`. Then cancels it.
fn mark(client: &mut Client, options: &str) {
    client.run(format!("JQ.PUBLISH mail x ID a {options}").trim());
    assert_eq!(names(&client.run("JQ.CONSUME mail WORKER postman")), ["a@1"]);
    assert_eq!(client.run("JQ.CANCEL mail a"), status("MARKED"));
}

#[test]
fn a_job_that_waits_is_removed() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a");
        client.run("JQ.PUBLISH mail x ID b DELAY 600000");
        assert_eq!(client.run("JQ.CANCEL mail a"), status("REMOVED"));
        assert_eq!(client.run("JQ.CANCEL mail b"), status("REMOVED"));
        assert_eq!(lengths(client, "mail"), [0; 4]);
        assert_eq!(stat(client, "mail", "cancelled"), 2);
        assert!(client.run("JQ.CANCEL mail a").is_nothing(), "it is gone");
    });
}

#[test]
fn what_is_not_there_or_finished_is_not_cancelled() {
    on_each_wire(|client| {
        assert_eq!(client.run("JQ.CANCEL mail a"), Reply::Null);
        assert_eq!(client.run("EXISTS mail"), Reply::Int(0), "and no queue is made");
        client.run("JQ.PUBLISH mail x ID dead");
        client.run("JQ.BURY mail dead");
        client.run("JQ.PUBLISH mail x ID done");
        client.run("JQ.FULFILL mail done 42 RETAIN FOREVER");
        client.run("JQ.PUBLISH mail x ID ready");
        let before = told(client, "mail");
        for id in ["a", "dead", "done", "ready@1"] {
            assert_eq!(client.run(&format!("JQ.CANCEL mail {id}")), Reply::Null, "{id}");
        }
        assert_eq!(told(client, "mail"), before);
    });
}

#[test]
fn a_leased_job_is_marked_and_its_holder_learns_at_the_next_touch() {
    on_each_wire(|client| {
        mark(client, "TTR 600000");
        let until = client.run("JQ.JOB mail a").field("leased-until");
        assert_eq!(client.run("JQ.CANCEL mail a@1"), status("MARKED"), "once more");
        let touched = client.run("JQ.TOUCH mail a@1 b a");
        let expected = vec![status("CANCELLED"), Reply::Null, status("CANCELLED")];
        assert_eq!(touched, Reply::Array(expected));
        assert_eq!(client.run("JQ.JOB mail a").field("leased-until"), until, "not extended");
        assert_eq!(stat(client, "mail", "touched"), 0);
        assert_eq!(stat(client, "mail", "cancelled"), 0, "counted when it goes");
    });
}

#[test]
fn the_mark_can_be_seen() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a");
        assert_eq!(client.run("JQ.JOB mail a").field("cancelled"), Reply::Int(0));
        let taken = client.run("JQ.CONSUME mail DETAILS");
        assert_eq!(taken.items()[0].items()[3].field("cancelled"), Reply::Int(0));
        client.run("JQ.CANCEL mail a");
        assert_eq!(client.run("JQ.JOB mail a").field("cancelled"), Reply::Int(1));
        let listed = client.run("JQ.LIST mail leased");
        assert_eq!(listed.items()[1].items()[0].field("cancelled"), Reply::Int(1));
    });
}

#[test]
fn a_marked_job_is_removed_by_whatever_gives_it_back() {
    let server = Server::plain();
    let mut client = server.client();
    for line in ["JQ.NACK mail a@1 DELAY 5", "JQ.RELEASE mail a@1", "JQ.RELEASE mail a DELAY 9"] {
        client.run("FLUSHALL");
        mark(&mut client, "");
        assert_eq!(client.run(line), Reply::Int(1), "{line}");
        assert_eq!(lengths(&mut client, "mail"), [0; 4], "{line}");
        assert_eq!(stat(&mut client, "mail", "cancelled"), 1, "{line}");
    }
    client.run("FLUSHALL");
    client.run("JQ.PUBLISH mail x ID a TTR 300");
    // At once, or a slow machine may let it lapse before.
    client.run("MULTI");
    client.run("JQ.CONSUME mail");
    client.run("JQ.CANCEL mail a");
    assert_eq!(client.run("EXEC").items()[1], status("MARKED"));
    wait_for("the lapse", || (client.run("JQ.LEN mail") == Reply::Int(0)).then_some(()));
    assert_eq!(
        (stat(&mut client, "mail", "lapsed"), stat(&mut client, "mail", "cancelled")),
        (1, 1)
    );
}

#[test]
fn a_marked_job_can_be_finished_and_buried_and_a_respawn_takes_the_mark_off() {
    let server = Server::plain();
    let mut client = server.client();
    mark(&mut client, "RETAIN FOREVER");
    assert_eq!(client.run("JQ.FULFILL mail a@1 42"), Reply::Int(1));
    assert_eq!(client.run("JQ.RESULT mail a").items()[0].text(), "completed");
    client.run("FLUSHALL");
    mark(&mut client, "");
    assert_eq!(client.run("JQ.BURY mail a@1"), Reply::Int(1));
    assert_eq!(client.run("JQ.JOB mail a").field("cancelled"), Reply::Int(1));
    client.run("JQ.RESPAWN mail ALL");
    assert_eq!(client.run("JQ.JOB mail a").field("cancelled"), Reply::Int(0));
    assert_eq!(stat(&mut client, "mail", "cancelled"), 0);
}

#[test]
fn who_waits_for_the_result_is_told_when_the_job_is_gone() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID waits DELAY 600000");
    let mut waiter = crate::blocking::waiting(&server, "JQ.RESULT mail waits BLOCK 0");
    client.run("JQ.CANCEL mail waits");
    assert!(waiter.read().is_nothing());
    mark(&mut client, "");
    let mut waiter = crate::blocking::waiting(&server, "JQ.RESULT mail a BLOCK 0");
    assert!(waiter.is_waiting(), "a mark is no end");
    client.run("JQ.RELEASE mail a@1");
    assert!(waiter.read().is_nothing());
}

#[test]
fn marks_are_on_the_replica_and_survive_a_killed_server() {
    let mut server = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&server);
    mark(&mut server.client(), "TTR 600000");
    server.run("JQ.PUBLISH mail x ID b");
    server.run("JQ.CANCEL mail b");
    let digest = server.run("JQ.DIGEST mail");
    replica.catch_up_with(&server);
    assert_eq!(replica.run("JQ.DIGEST mail"), digest);
    assert_eq!(replica.run("JQ.JOB mail a").field("cancelled"), Reply::Int(1));
    server.kill_and_restart();
    assert_eq!(server.run("JQ.DIGEST mail"), digest);
    server.run("DEBUG RELOAD");
    assert_eq!(server.run("JQ.DIGEST mail"), digest);
    assert_eq!(server.run("JQ.TOUCH mail a@1"), Reply::Array(vec![status("CANCELLED")]));
}
