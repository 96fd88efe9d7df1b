//! What workers that gave their names hear by push.

use crate::{
    replies::{names, stat},
    support::{wait_for, Client, Options, Reply, Server},
};

/// Somebody who listens on a worker's channel.
struct Listener(Client);

impl Listener {
    fn of(server: &Server, worker: &str) -> Self {
        let mut client = server.client();
        let channel = format!("jobq:worker:{worker}");
        assert_eq!(client.call(&["SUBSCRIBE", &channel]).items()[0].text(), "subscribe");
        Self(client)
    }

    /// The next message.
    #[track_caller]
    fn hear(&mut self) -> String {
        let message = self.0.read();
        assert_eq!(message.items()[0].text(), "message");
        message.items()[2].text()
    }

    /// All messages that were sent so far.
    #[track_caller]
    fn heard_by_now(&mut self, server: &Server) -> Vec<String> {
        // What the timer has yet to send comes before a lease that lapses from now on.
        server.run("JQ.PUBLISH last x ID last");
        server.run("JQ.CONSUME last WORKER postman TTR 1");
        let mut heard = Vec::new();
        loop {
            let message = self.hear();
            if message.starts_with("lost last ") {
                server.run("DEL last");
                return heard;
            }
            heard.push(message);
        }
    }
}

/// A server with the job `a`, leased to the worker `postman`, its receipt, and who listens.
fn leased(server: &Server) -> (Listener, String) {
    server.run("FLUSHALL");
    server.run("JQ.PUBLISH mail x ID a TTR 600000");
    let receipt = names(&server.run("JQ.CONSUME mail WORKER postman")).remove(0);
    (Listener::of(server, "postman"), receipt)
}

#[test]
fn a_worker_hears_that_its_job_was_cancelled_once() {
    let server = Server::plain();
    let (mut listener, receipt) = leased(&server);
    server.run("JQ.CANCEL mail a");
    server.run("JQ.CANCEL mail a");
    assert_eq!(listener.heard_by_now(&server), [format!("cancelled mail {receipt}")]);
}

#[test]
fn a_worker_hears_that_its_lease_is_lost_whatever_ends_it() {
    let server = Server::plain();
    for line in [
        "JQ.TOUCH mail TTR 1 RECEIPT",
        "JQ.UPDATE mail a TTL 1",
        "JQ.DELETE mail a",
        "JQ.PURGE mail leased",
        "JQ.PUBLISH mail y REPLACES a",
        "JQ.FULFILL mail a 42",
        "JQ.BURY mail a",
        "JQ.NACK mail a",
        "JQ.RELEASE mail a",
        "EVAL return{redis.call('jq.delete','mail','a')} 0",
    ] {
        let (mut listener, receipt) = leased(&server);
        server.run(&line.replace("RECEIPT", &receipt));
        assert_eq!(listener.hear(), format!("lost mail {receipt}"), "{line}");
        assert_eq!(listener.heard_by_now(&server), [""; 0], "{line}");
    }
}

#[test]
fn a_worker_does_not_hear_of_what_it_does_itself() {
    let server = Server::plain();
    for command in ["ACK", "NACK", "RELEASE", "TOUCH", "BURY", "DELETE"] {
        let (mut listener, receipt) = leased(&server);
        assert_ne!(server.run(&format!("JQ.{command} mail {receipt}")), Reply::Int(0));
        assert_eq!(listener.heard_by_now(&server), [""; 0], "{command}");
    }
}

#[test]
fn a_worker_hears_once_that_a_deadline_comes_near() {
    let server = Server::plain();
    let mut client = server.client();
    let mut listener = Listener::of(&server, "postman");
    // A tenth of the lease before the deadline is in the past already.
    let deadline = client.time() + 30_000;
    client.run(&format!("JQ.PUBLISH mail x ID a TTR 600000 DEADLINE {deadline}"));
    client.run(&format!("JQ.PUBLISH mail x ID far TTR 600000 DEADLINE {}", deadline + 600_000));
    client.run("JQ.PUBLISH mail x ID never TTR 600000");
    let near = client.time() + 5_300;
    client.run(&format!("JQ.PUBLISH mail x ID near TTR 600000 DEADLINE {near}"));
    client.run("JQ.CONSUME mail COUNT 4 WORKER postman");
    assert_eq!(listener.hear(), "deadline mail near@4");
    assert!(client.time() >= near - 5_000, "not before it is time");
    client.run("JQ.TOUCH mail near@4 a@1");
    assert_eq!(listener.heard_by_now(&server), [""; 0]);
}

#[test]
fn a_transaction_tells_nothing_before_it_is_done() {
    let server = Server::plain();
    let (mut listener, _) = leased(&server);
    let mut client = server.client();
    client.run("MULTI");
    client.run("JQ.CANCEL mail a");
    client.run("JQ.DELETE mail a");
    client.run("PUBLISH jobq:worker:postman done");
    client.run("EXEC").items();
    let heard = [listener.hear(), listener.hear(), listener.hear()];
    assert_eq!(heard, ["done", "cancelled mail a@1", "lost mail a@1"]);
}

#[test]
fn a_worker_that_listens_on_its_own_connection_hears_nothing_within_an_answer() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("HELLO 3");
    client.run("JQ.PUBLISH one x ID a");
    client.run("JQ.PUBLISH two x ID b");
    client.send(&["SUBSCRIBE", "jobq:worker:postman"]);
    assert!(matches!(client.read(), Reply::Push(_)));
    client.run("MULTI");
    client.run("JQ.CONSUME one WORKER postman ALSO two");
    client.run("JQ.CANCEL one a");
    client.run("JQ.DELETE one a");
    client.run("JQ.CONSUME two WORKER postman COUNT 2 ALSO one");
    let told = client.run("EXEC");
    assert_eq!((told.items().len(), told.items()[1].text()), (4, "MARKED".to_owned()));
    assert_eq!(names(&told.items()[3]), ["b@1"]);
    for expected in ["cancelled one a@1", "lost one a@1"] {
        let Reply::Push(message) = client.read() else { panic!("no push") };
        assert_eq!(message[2].text(), expected);
    }
}

#[test]
fn names_and_queues_are_any_bytes() {
    let server = Server::plain();
    let mut client = server.client();
    let (queue, worker) = (&b"\x00 q\xff%s\r\n"[..], &b"\xfe %n\r\n\x00"[..]);
    let channel = [b"jobq:worker:", worker].concat();
    let mut listener = server.client();
    listener.call(&[&b"SUBSCRIBE"[..], &channel]);
    client.call(&[&b"JQ.PUBLISH"[..], queue, b"x", b"ID", b"a"]);
    client.call(&[&b"JQ.CONSUME"[..], queue, b"WORKER", worker]);
    client.call(&[&b"JQ.DELETE"[..], queue, b"a"]);
    let message = listener.read();
    assert_eq!(message.items()[2].bytes(), [b"lost ", queue, b" a@1"].concat());
}

#[test]
fn a_thousand_leases_that_are_lost_at_once_are_all_told_of() {
    let server = Server::plain();
    let mut client = server.client();
    let mut listener = Listener::of(&server, "postman");
    let mut publish = vec!["JQ.MPUBLISH".to_owned(), "mail".into(), "1000".into()];
    publish.extend((0..1000).map(|n| n.to_string()));
    client.call(&publish);
    client.run("JQ.CONSUME mail WORKER postman COUNT 1000");
    client.run("JQ.PURGE mail leased");
    let heard: std::collections::HashSet<_> = (0..1000).map(|_| listener.hear()).collect();
    assert_eq!(heard.len(), 1000);
    assert!(heard.iter().all(|message| message.starts_with("lost mail ")));
}

#[test]
fn only_the_primary_tells_and_nothing_of_it_is_in_the_log() {
    let mut server = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&server);
    let mut on_replica = Listener::of(&replica, "postman");
    let (mut listener, _) = leased(&server);
    server.run("JQ.CANCEL mail a");
    server.run("JQ.DELETE mail a");
    assert_eq!([listener.hear(), listener.hear()], ["cancelled mail a@1", "lost mail a@1"]);
    let digest = server.run("JQ.DIGEST mail");
    let said = server.aof().lines().join("\n");
    assert!(!said.to_lowercase().contains("jobq:worker"), "{said}");
    server.kill_and_restart();
    assert_eq!(server.run("JQ.DIGEST mail"), digest);
    replica.catch_up_with(&server);
    assert_eq!(replica.run("JQ.DIGEST mail"), digest);
    // It has told nothing before the first thing that it tells by itself.
    replica.run("REPLICAOF NO ONE");
    assert_eq!(on_replica.heard_by_now(&replica), [""; 0]);
}

#[test]
fn a_worker_hears_of_leases_that_an_earlier_primary_gave() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let _listener = leased(&primary);
    replica.catch_up_with(&primary);
    replica.run("REPLICAOF NO ONE");
    let mut listener = Listener::of(&replica, "postman");
    replica.run("JQ.CANCEL mail a");
    assert_eq!(listener.hear(), "cancelled mail a@1");
}

#[test]
fn who_brings_a_message_about_needs_no_right_to_the_channel() {
    let server = Server::plain();
    let (_, receipt) = leased(&server);
    server.run("ACL SETUSER operator on nopass -@all resetchannels +jq.cancel ~mail");
    server.run("ACL SETUSER worker on nopass -@all resetchannels +subscribe &jobq:worker:postman");
    let mut worker = server.client();
    worker.run("AUTH worker any");
    assert_eq!(worker.run("SUBSCRIBE jobq:worker:clerk").error_word(), "NOPERM");
    worker.run("SUBSCRIBE jobq:worker:postman");
    let mut operator = server.client();
    operator.run("AUTH operator any");
    assert_eq!(operator.run("JQ.CANCEL mail a").text(), "MARKED");
    assert_eq!(Listener(worker).hear(), format!("cancelled mail {receipt}"));
}

#[test]
fn nobody_has_to_listen() {
    let server = Server::plain();
    drop(leased(&server));
    server.run("JQ.DELETE mail a");
    let mut client = server.client();
    wait_for("a turn of the timer", || {
        server.info("jobq", "jobq_timer_turns").parse().is_ok_and(|n: u64| n > 0).then_some(())
    });
    assert_eq!(stat(&mut client, "mail", "deleted"), 1);
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}
