//! A queue with `idle-expire` that is empty and not used goes as by `DEL`.

use super::{heard, known, listener};
use crate::{
    replies::token,
    support::{likeness, wait_for, Options, Reply, Server},
};

fn wait_until(server: &Server, line: &str, expected: Reply) {
    let mut client = server.client();
    wait_for(line, || (client.run(line) == expected).then_some(()));
}

/// The server's clock.
fn time_of(server: &Server) -> i64 {
    server.client().time()
}

fn wait_for_time(server: &Server, time: i64) {
    wait_for("the server's clock", || (time_of(server) > time).then_some(()));
}

#[test]
fn an_idle_queue_is_deleted_once_everywhere() {
    let primary = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&primary);
    let mut listeners = [listener(&primary), listener(&replica)];
    primary.run("JQ.CONFIG mail SET idle-expire 20");
    for listener in &mut listeners {
        assert_eq!(heard(listener), "0 jq.created mail");
        assert_eq!(heard(listener), "0 del mail");
    }
    assert_eq!(primary.run("EXISTS mail"), Reply::Int(0));
    assert_eq!(known(&primary), 0);
    replica.catch_up_with(&primary);
    assert_eq!(replica.run("EXISTS mail"), Reply::Int(0));
    assert_eq!(known(&replica), 0);
    let lines = primary.aof().lines();
    assert_eq!(lines.last().map(String::as_str), Some("DEL mail"), "{lines:?}");
    assert_eq!(primary.aof().count("DEL"), 1);
    assert!(lines.iter().filter(|line| line.starts_with("tick")).count() <= 2, "{lines:?}");
    assert_eq!(primary.info("jobq", "jobq_queues_scheduled"), "0");
    assert_eq!(primary.info("jobq", "jobq_errors_caught"), "0");
}

#[test]
fn a_queue_with_a_job_stays_until_the_job_is_gone() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail hello ID a DELAY 3600000");
    client.run("JQ.CONFIG mail SET idle-expire 10");
    // It would go before this one.
    client.run("JQ.CONFIG fax SET idle-expire 50");
    wait_until(&server, "EXISTS fax", Reply::Int(0));
    assert_eq!(client.run("EXISTS mail"), Reply::Int(1));
    assert_eq!(client.run("JQ.DELETE mail a"), Reply::Int(1));
    wait_until(&server, "EXISTS mail", Reply::Int(0));
}

#[test]
fn a_queue_that_was_emptied_by_time_goes_too() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET idle-expire 3600000");
    client.run("JQ.PUBLISH mail hello TTL 10");
    client.run("JQ.CONFIG mail SET idle-expire 10 expired drop");
    wait_until(&server, "EXISTS mail", Reply::Int(0));
}

#[test]
fn without_the_setting_an_empty_queue_stays() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET idle-expire 3600000");
    client.run("JQ.CONFIG post SET idle-expire 10 tries 3");
    client.run("JQ.CONFIG post SET idle-expire 0");
    client.run("JQ.CONFIG fax SET idle-expire 50");
    wait_until(&server, "EXISTS fax", Reply::Int(0));
    assert_eq!(client.run("EXISTS mail"), Reply::Int(1));
}

#[test]
fn polling_keeps_no_queue() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET idle-expire 30");
    wait_for("the queue to go", || {
        assert_eq!(client.run("JQ.CONSUME mail"), Reply::NullArray);
        client.run("JQ.ACK mail a@1");
        client.run("JQ.STATS mail");
        (client.run("EXISTS mail") == Reply::Int(0)).then_some(())
    });
}

#[test]
fn a_queue_that_somebody_waits_for_stays_until_nobody_does() {
    let server = Server::plain();
    server.run("JQ.CONFIG mail SET tries 3");
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    server.run("JQ.CONFIG mail SET idle-expire 20");
    // A queue that nobody waits for goes meanwhile.
    server.run("JQ.CONFIG other SET idle-expire 60");
    wait_until(&server, "EXISTS other", Reply::Int(0));
    assert_eq!(server.run("EXISTS mail"), Reply::Int(1));
    assert_eq!(server.run("JQ.CONFIG mail GET tries").field("tries").text(), "3");
    consumer.hang_up();
    wait_until(&server, "EXISTS mail", Reply::Int(0));
}

#[test]
fn a_paused_queue_stays_until_the_pause_is_over() {
    let server = Server::plain();
    server.run("JQ.CONFIG mail SET idle-expire 20");
    server.run("JQ.PAUSE mail IN");
    server.run("JQ.CONFIG other SET idle-expire 60");
    wait_until(&server, "EXISTS other", Reply::Int(0));
    assert_eq!(server.run("JQ.PUBLISH mail x").error_word(), "PAUSED");
    server.run("JQ.RESUME mail");
    wait_until(&server, "EXISTS mail", Reply::Int(0));
}

#[test]
fn no_receipt_is_given_again_by_a_queue_that_is_made_anew() {
    let server = Server::plain();
    let mut client = server.client();
    for goes in ["JQ.CONFIG mail SET idle-expire 20", "DEL mail", "UNLINK mail", "SET mail text"] {
        client.run("JQ.PUBLISH mail old ID a");
        let old = client.run("JQ.CONSUME mail");
        client.run("JQ.DELETE mail a");
        client.run(goes);
        if goes.ends_with("text") {
            client.run("DEL mail");
        }
        wait_until(&server, "EXISTS mail", Reply::Int(0));
        client.run("JQ.PUBLISH mail new ID a");
        let new = client.run("JQ.CONSUME mail");
        assert!(token(&new) > token(&old), "{goes}");
        let late = format!("JQ.ACK mail a@{}", token(&old));
        assert_eq!(client.run(&late), Reply::Int(0), "{goes}");
        client.run("DEL mail");
    }
}

#[test]
fn who_watches_a_queue_that_goes_is_told() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET idle-expire 20");
    // If it is gone by now, there is nothing to see.
    client.run("WATCH mail");
    let was_there = client.run("EXISTS mail") == Reply::Int(1);
    wait_until(&server, "EXISTS mail", Reply::Int(0));
    client.run("MULTI");
    client.run("PING");
    assert!(!was_there || client.run("EXEC").is_nothing());
}

#[test]
fn a_queue_goes_under_whatever_name_and_wherever_it_is() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH a hello ID x");
    client.run("JQ.CONFIG a SET idle-expire 10");
    client.run("COPY a copied");
    client.run("COPY a renamed");
    client.run("RENAME renamed anew");
    client.run("MOVE a 2");
    client.run("SWAPDB 2 3");
    let payload = client.run("DUMP anew").bytes().to_vec();
    client.call(&[b"RESTORE".as_slice(), b"restored", b"0", &payload]);
    client.run("DEBUG RELOAD");
    for line in ["JQ.DELETE copied x", "JQ.DELETE anew x", "JQ.DELETE restored x"] {
        assert_eq!(client.run(line), Reply::Int(1), "{line}");
    }
    client.run("SELECT 3");
    assert_eq!(client.run("JQ.DELETE a x"), Reply::Int(1));
    wait_for("all to go", || (known(&server) == 0).then_some(()));
    assert_eq!(client.run("EXISTS a"), Reply::Int(0));
    client.run("SELECT 0");
    assert_eq!(client.run("EXISTS copied anew restored"), Reply::Int(0));
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}

#[test]
fn a_restarted_server_goes_on_counting() {
    let mut server = Server::start(Options::new().with_aof());
    server.run("JQ.CONFIG mail SET idle-expire 200");
    server.kill_and_restart();
    wait_until(&server, "EXISTS mail", Reply::Int(0));
    // What has gone stays gone.
    server.kill_and_restart();
    assert_eq!(server.run("EXISTS mail"), Reply::Int(0));
}

#[test]
fn a_replica_removes_no_queue_before_it_is_promoted() {
    let mut primary = Server::plain();
    let replica = Server::replica_of(&primary);
    primary.run("JQ.CONFIG mail SET idle-expire 500");
    likeness::freeze(&primary);
    let ends = time_of(&primary) + 500;
    replica.catch_up_with(&primary);
    if primary.run("EXISTS mail") == Reply::Int(0) {
        // The machine was too slow for this.
        return;
    }
    primary.kill();
    wait_for_time(&replica, ends);
    assert_eq!(replica.run("EXISTS mail"), Reply::Int(1));
    replica.run("REPLICAOF NO ONE");
    wait_until(&replica, "EXISTS mail", Reply::Int(0));
}

#[test]
fn nothing_goes_while_clients_are_paused() {
    let server = Server::start(Options::new().with_aof());
    server.run("JQ.CONFIG mail SET idle-expire 300");
    likeness::freeze(&server);
    let ends = time_of(&server) + 300;
    let was_there = server.run("EXISTS mail");
    wait_for_time(&server, ends);
    assert_eq!(server.run("EXISTS mail"), was_there);
    likeness::thaw(&server);
    wait_until(&server, "EXISTS mail", Reply::Int(0));
}

#[test]
fn many_idle_queues_all_go() {
    let server = Server::plain();
    let mut client = server.client();
    for n in 0..2_000 {
        client.send(&["JQ.CONFIG", &format!("mail{n}"), "SET", "idle-expire", "10"]);
    }
    (0..2_000).for_each(|_| drop(client.read()));
    wait_until(&server, "DBSIZE", Reply::Int(0));
    assert_eq!(known(&server), 0);
}
