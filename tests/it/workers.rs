//! Who works: `JQ.WORKERS` and `JQ.WORKER`.

// Calls no server, so that what takes ten minutes can be tested here.
#[allow(dead_code, reason = "the module uses all of it")]
#[path = "../../src/roster.rs"]
mod roster;

use std::collections::BTreeSet;

use crate::{
    blocking::waiting,
    replies::{bodies, bulk, ids, names},
    support::{likeness::replayed, wait_for, Client, Options, Reply, Server},
};

/// The workers on the first page of `JQ.WORKERS`, with these arguments behind it.
#[track_caller]
fn workers(client: &mut Client, arguments: &str) -> Vec<Reply> {
    let page = client.run(format!("JQ.WORKERS {arguments}").trim());
    assert_eq!(page.items()[0], bulk("0"), "a page of many");
    page.items()[1].items().to_vec()
}

#[track_caller]
fn only(client: &mut Client, arguments: &str) -> Reply {
    let workers = workers(client, arguments);
    assert_eq!(workers.len(), 1, "{workers:?}");
    workers[0].clone()
}

fn named(workers: &[Reply]) -> Vec<String> {
    workers.iter().map(|worker| worker.field("name").text()).collect()
}

/// Of each queue: its name, how many leases, the receipt of the oldest.
fn holds(worker: &Reply) -> Vec<(String, i64, String)> {
    let row = |row: &Reply| (row.items()[0].text(), row.items()[1].int(), row.items()[2].text());
    worker.field("holds").items().iter().map(row).collect()
}

/// The queues of each call that waits.
fn waits(worker: &Reply) -> Vec<Vec<String>> {
    let queues = |wait: &Reply| wait.items()[1].items().iter().map(Reply::text).collect();
    worker.field("waits").items().iter().map(queues).collect()
}

fn address(client: &mut Client) -> String {
    let info = client.run("CLIENT INFO").text();
    let address = info.split(' ').find_map(|field| field.strip_prefix("addr="));
    address.expect("it comes from somewhere").to_owned()
}

/// Has the queue `mail` hold three jobs, of which `postman` takes two, one after the other.
fn fill(client: &mut Client) {
    client.run("JQ.PUBLISH mail x ID a TTR 600000");
    client.run("JQ.PUBLISH mail x ID b TTR 600000");
    client.run("JQ.PUBLISH mail x ID c TTR 600000");
    client.run("JQ.CONSUME mail WORKER postman");
    client.run("JQ.CONSUME mail WORKER postman");
}

#[test]
fn a_worker_is_known_by_what_it_says_when_it_takes_jobs() {
    let server = Server::plain();
    let mut client = server.client();
    let before = client.time();
    fill(&mut client);
    client.run("JQ.CONSUME mail");
    for arguments in ["", "mail", "mail COUNT 5", "COUNT 5", "mail CURSOR 0"] {
        let postman = only(&mut client, arguments);
        assert_eq!(postman.field("name"), bulk("postman"));
        assert_eq!(postman.field("leases"), Reply::Int(2));
        assert_eq!(holds(&postman), [("mail".into(), 2, "a@1".into())]);
        let since = postman.field("holds").items()[0].items()[3].int();
        let (known, seen) = (postman.field("since").int(), postman.field("seen").int());
        assert!(before <= since && since <= seen, "{before} {since} {seen}");
        assert!(before <= known && known <= since, "{before} {known} {since}");
        assert_eq!(postman.field("connections"), Reply::Array(vec![bulk(address(&mut client))]));
        for nothing in ["wish", "host", "pid"] {
            assert!(postman.field(nothing).is_nothing(), "{nothing}");
        }
        for none in ["waits", "labels"] {
            assert_eq!(postman.field(none), Reply::Array(vec![]), "{none}");
        }
    }
    assert_eq!(workers(&mut client, "fax"), [], "of a queue that is not there");
    client.run("JQ.ACK mail a@1 b@2");
    let idle = only(&mut client, "mail");
    assert_eq!((idle.field("leases"), holds(&idle)), (Reply::Int(0), vec![]));
}

#[test]
fn a_worker_is_seen_when_it_names_itself_or_uses_a_receipt_and_not_when_another_names_its_job() {
    let server = Server::plain();
    let mut client = server.client();
    fill(&mut client);
    let mut seen = only(&mut client, "").field("seen").int();
    let mut is_seen_by = |line: &str| {
        wait_for("the next millisecond", || (server.client().time() > seen + 1).then_some(()));
        server.run(line);
        let then = only(&mut server.client(), "").field("seen").int();
        std::mem::replace(&mut seen, then) < then
    };
    assert!(is_seen_by("JQ.TOUCH mail a@1"));
    assert!(!is_seen_by("JQ.TOUCH mail a"));
    assert!(is_seen_by("JQ.TOUCH mail WORKER postman nobody"));
    assert!(is_seen_by("JQ.CONSUME fax WORKER postman"));
    assert!(!is_seen_by("JQ.NACK mail b"));
    assert!(!is_seen_by("JQ.ACK mail a@7"));
    assert!(is_seen_by("JQ.RELEASE mail a@1"));
}

#[test]
fn a_worker_that_waits_is_told_of_with_the_queues_and_since_when() {
    let server = Server::plain();
    let mut client = server.client();
    let before = client.time();
    let mut first = waiting(&server, "JQ.CONSUME mail BLOCK 0 WORKER postman ALSO fax");
    let mut second = server.client();
    second.send(&["JQ.CONSUME", "fax", "BLOCK", "0", "WORKER", "postman"]);
    server.wait_for_blocked(2);
    let postman = only(&mut client, "");
    assert_eq!(waits(&postman), [vec!["mail", "fax"], vec!["fax"]]);
    let since = postman.field("waits").items()[0].items()[0].int();
    assert!(since >= before && since <= client.time());
    assert_eq!(waits(&only(&mut client, "mail")), [["mail"]]);
    client.run("JQ.PUBLISH mail x ID a");
    assert_eq!(names(&first.read()), ["a@1"]);
    let postman = only(&mut client, "");
    assert_eq!(waits(&postman), [["fax"]]);
    assert_eq!(holds(&postman), [("mail".into(), 1, "a@1".into())]);
    second.hang_up();
    server.wait_for_blocked(0);
    assert_eq!(waits(&only(&mut client, "")), Vec::<Vec<String>>::new());
}

#[test]
fn what_is_held_in_several_queues_is_told_queue_by_queue_and_in_the_selected_database() {
    let server = Server::plain();
    let mut client = server.client();
    for queue in ["z", "b", "m"] {
        client.run(&format!("JQ.PUBLISH {queue} x ID {queue}1"));
    }
    client.run("JQ.CONSUME z COUNT 9 WORKER postman ALSO b m");
    client.run("SELECT 3");
    client.run("JQ.PUBLISH b x ID other");
    client.run("JQ.CONSUME b WORKER postman");
    let queues = |worker: &Reply| holds(worker).into_iter().map(|it| it.0).collect::<Vec<_>>();
    assert_eq!(queues(&only(&mut client, "")), ["b"]);
    client.run("SELECT 0");
    let postman = only(&mut client, "");
    assert_eq!(queues(&postman), ["b", "m", "z"]);
    assert_eq!(postman.field("leases"), Reply::Int(3));
    assert_eq!(queues(&only(&mut client, "m")), ["m"]);
    client.run("SWAPDB 0 3");
    assert_eq!(queues(&only(&mut client, "")), ["b"]);
    client.run("RENAME b c");
    // A server with the defect of which the module warns knows the name from the next command on.
    client.run("JQ.LEN c");
    assert_eq!(queues(&only(&mut client, "")), ["c"]);
    client.run("FLUSHALL");
    assert_eq!(queues(&only(&mut client, "")), [""; 0]);
}

#[test]
fn a_thousand_workers_are_told_of_a_page_at_a_time_each_once() {
    let server = Server::plain();
    let mut client = server.client();
    let mut publish = vec!["JQ.MPUBLISH".to_owned(), "mail".into(), "1000".into()];
    publish.extend((0..1000).map(|n| n.to_string()));
    client.call(&publish);
    for n in 0..1000 {
        client.send(&["JQ.CONSUME", "mail", "WORKER", &format!("w{n:03}")]);
    }
    (0..1000).for_each(|_| drop(client.read()));
    for queue in ["", "mail "] {
        let (mut cursor, mut told) = ("0".to_owned(), Vec::new());
        loop {
            let page = client.run(&format!("JQ.WORKERS {queue}CURSOR {cursor} COUNT 170"));
            let rows = page.items()[1].items();
            assert!(rows.len() <= 170);
            told.extend(
                rows.iter().map(|row| (row.field("name").text(), row.field("leases").int())),
            );
            cursor = page.items()[0].text();
            if cursor == "0" {
                break;
            }
        }
        let expected: Vec<_> = (0..1000).map(|n| (format!("w{n:03}"), 1)).collect();
        assert_eq!(told, expected);
    }
}

#[test]
fn a_queue_is_named_by_any_bytes_also_by_those_of_a_word_and_so_is_a_worker() {
    let server = Server::plain();
    let mut client = server.client();
    let names: [&[u8]; 6] = [b"COUNT", b"cursor", b"\x00\xff%s%n\r\n", b"0", b">", b" "];
    for name in names {
        client.call(&[b"JQ.PUBLISH", name, b"x", b"ID", b"a"]);
        client.call(&[b"JQ.CONSUME", name, b"WORKER", name]);
        let page = client.call(&[b"JQ.WORKERS", name]);
        assert_eq!(page.items()[1].items().len(), 1);
        let worker = &page.items()[1].items()[0];
        assert_eq!(worker.field("name").bytes(), name);
        assert_eq!(worker.field("holds").items()[0].items()[0].bytes(), name);
        let told = client.call(&[&b"JQ.WORKERS"[..], name, b"count", b"10"]);
        assert_eq!(told.items()[1].items().len(), 1);
    }
    let (mut after, mut told) = (b"0".to_vec(), BTreeSet::new());
    for _ in names {
        let page = client.call(&[&b"JQ.WORKERS"[..], b"COUNT", b"1", b"CURSOR", &after]);
        told.extend(page.items()[1].items().iter().map(|row| row.field("name").bytes().to_vec()));
        after = page.items()[0].bytes().to_vec();
    }
    assert_eq!(after, b"0");
    assert_eq!(told, names.iter().map(|name| name.to_vec()).collect());
    client.run("SET plain x");
    assert_eq!(client.run("JQ.WORKERS plain").error_word(), "WRONGTYPE");
}

#[test]
fn the_keys_that_the_server_sees_are_the_queue_if_one_is_named() {
    let server = Server::plain();
    let mut client = server.client();
    for line in ["JQ.WORKERS mail", "JQ.WORKERS mail COUNT 3", "JQ.WORKERS mail COUNT 3 CURSOR 0"] {
        assert_eq!(
            client.run(&format!("COMMAND GETKEYS {line}")).items(),
            [bulk("mail")],
            "{line}"
        );
    }
    for line in ["JQ.WORKERS COUNT 3", "JQ.WORKERS CURSOR 0 COUNT 3", "JQ.WORKERS"] {
        let told = client.run(&format!("COMMAND GETKEYS {line}"));
        assert!(matches!(told, Reply::Error(_)), "{line}: {told:?}");
    }
}

#[test]
fn a_user_is_told_of_the_queues_that_he_may_read_only() {
    let server = Server::plain();
    let mut client = server.client();
    for queue in ["open:1", "shut:1"] {
        client.run(&format!("JQ.PUBLISH {queue} x"));
        client.run(&format!("JQ.CONSUME {queue} WORKER both"));
        client.run(&format!("JQ.PUBLISH {queue} x"));
        client.run(&format!("JQ.CONSUME {queue} WORKER of-{queue}"));
    }
    let mut blocked = waiting(&server, "JQ.CONSUME open:2 BLOCK 0 WORKER both ALSO shut:2");
    client.run("ACL SETUSER reader on nopass -@all +jq.workers %R~open:*");
    let mut reader = server.client();
    reader.run("AUTH reader any");
    for arguments in ["", "COUNT 5", "CURSOR 0 COUNT 7"] {
        let told = workers(&mut reader, arguments);
        assert_eq!(named(&told), ["both", "of-open:1"]);
        let queues: Vec<_> = holds(&told[0]).into_iter().map(|it| it.0).collect();
        assert_eq!(queues, ["open:1"]);
        assert_eq!(waits(&told[0]), [["open:2"]]);
        assert_eq!(told[0].field("leases"), Reply::Int(1));
    }
    assert_eq!(named(&workers(&mut reader, "open:1")), ["both", "of-open:1"]);
    for line in ["JQ.WORKERS shut:1", "JQ.WORKERS shut:1 COUNT 5", "JQ.WORKERS COUNT"] {
        assert_eq!(reader.run(line).error_word(), "NOPERM", "{line}");
    }
    client.run("JQ.PUBLISH open:2 x");
    assert_eq!(bodies(&blocked.read()), ["x"]);
}

#[test]
fn after_a_restart_what_is_held_is_known_and_the_rest_only_when_it_was_heard_of_again() {
    let mut server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    fill(&mut client);
    client.run("JQ.WORKER SET postman HOST h");
    server.kill_and_restart();
    let mut client = server.client();
    let postman = only(&mut client, "");
    assert_eq!(holds(&postman), [("mail".into(), 2, "a@1".into())]);
    for unknown in ["since", "seen", "host"] {
        assert!(postman.field(unknown).is_nothing(), "{unknown}");
    }
    assert_eq!(postman.field("connections"), Reply::Array(vec![]));
    client.run("JQ.ACK mail a@1");
    let postman = only(&mut client, "");
    assert!(postman.field("seen").int() > 0);
    // The log that was replayed says when the lease was granted: it is not invented.
    client.run("DEBUG RELOAD");
    let held = only(&mut client, "mail").field("holds").items()[0].items().to_vec();
    assert_eq!(held[2], bulk("b@2"));
    assert!(held[3].int() > 0, "a snapshot says since when");
}

#[test]
fn a_replica_tells_what_is_held_and_goes_on_when_it_is_promoted() {
    let server = Server::plain();
    let replica = Server::replica_of(&server);
    let mut client = server.client();
    fill(&mut client);
    client.run("JQ.WORKER STOP postman");
    replica.catch_up_with(&server);
    let mut other = replica.client();
    let postman = only(&mut other, "mail");
    assert_eq!(holds(&postman), holds(&only(&mut client, "mail")));
    assert!(postman.field("seen").is_nothing() && postman.field("since").is_nothing());
    assert_eq!(other.run("JQ.WORKER STOP postman").error_word(), "READONLY");
    other.run("REPLICAOF NO ONE");
    assert!(only(&mut other, "").field("wish").is_nothing(), "a wish is in no log");
    assert_eq!(names(&other.run("JQ.CONSUME mail WORKER postman")).len(), 1);
    assert_eq!(only(&mut other, "").field("leases"), Reply::Int(3));
}

#[test]
fn a_worker_says_who_it_is_for_as_long_as_its_connection_is_open() {
    let server = Server::plain();
    let mut client = server.client();
    let mut worker = server.client();
    let set = "JQ.WORKER SET postman HOST mail-1 PID 4711 LABELS 2 zone north rack 7";
    assert_eq!(worker.run(set), Reply::Null);
    let postman = only(&mut client, "");
    assert_eq!(postman.field("host"), bulk("mail-1"));
    assert_eq!(postman.field("pid"), Reply::Int(4711));
    let labels = ["zone", "north", "rack", "7"].map(bulk).to_vec();
    assert_eq!(postman.field("labels"), Reply::Array(labels));
    assert_eq!(postman.field("connections"), Reply::Array(vec![bulk(address(&mut worker))]));
    // What it does not say again is not known any more.
    worker.run("JQ.WORKER SET postman HOST mail-2");
    let postman = only(&mut client, "");
    assert_eq!(postman.field("host"), bulk("mail-2"));
    assert!(postman.field("pid").is_nothing());
    // A second connection of the same name, and then another name for the first.
    let mut second = server.client();
    second.run("JQ.WORKER SET postman");
    assert_eq!(only(&mut client, "").field("connections").items().len(), 2);
    worker.run("JQ.WORKER SET clerk");
    let told = workers(&mut client, "");
    assert_eq!(named(&told), ["clerk", "postman"]);
    assert_eq!(told[1].field("connections"), Reply::Array(vec![bulk(address(&mut second))]));
    second.hang_up();
    wait_for("the end of the connection", || {
        let told = workers(&mut client, "");
        (told[1].field("connections") == Reply::Array(vec![])).then_some(())
    });
    client.run("SELECT 2");
    assert_eq!(workers(&mut client, ""), [], "it has said so in another database");
}

#[test]
fn a_script_has_no_connection_that_could_be_named() {
    let server = Server::plain();
    let script = "return redis.call('JQ.WORKER', 'SET', 'postman')";
    assert_eq!(server.client().call(&["EVAL", script, "0"]).error_word(), "NOPERM");
    let script = "return redis.call('JQ.CONSUME', KEYS[1], 'WORKER', 'postman')";
    server.client().call(&["EVAL", script, "1", "mail"]);
    let postman = only(&mut server.client(), "mail");
    assert_eq!(postman.field("connections"), Reply::Array(vec![]));
}

#[test]
fn a_worker_that_is_to_be_quiet_is_given_no_job_until_it_may_go_on() {
    let server = Server::plain();
    let mut client = server.client();
    for (word, wish) in [("QUIET", "QUIET"), ("stop", "STOP")] {
        client.run("FLUSHALL");
        let mut blocked = waiting(&server, "JQ.CONSUME mail BLOCK 0 WORKER postman");
        let mut other = waiting_too(&server, "JQ.CONSUME mail BLOCK 0 WORKER clerk", 2);
        assert_eq!(client.run(&format!("JQ.WORKER {word} postman")), Reply::Int(1));
        assert!(blocked.read().is_nothing(), "it is answered at once");
        client.run("JQ.PUBLISH mail x ID a");
        assert_eq!(names(&other.read()), ["a@1"], "others are given jobs");
        client.run("JQ.PUBLISH mail x ID b");
        assert!(client.run("JQ.CONSUME mail WORKER postman").is_nothing());
        // Who asks again waits, and in vain, so that nobody asks without a pause.
        assert!(client.run("JQ.CONSUME mail BLOCK 5 WORKER postman").is_nothing());
        blocked.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "WORKER", "postman"]);
        server.wait_for_blocked(1);
        client.run("JQ.PUBLISH mail x ID c");
        assert_eq!(server.blocked_clients(), 1);
        let postman = &workers(&mut client, "mail")[1];
        assert_eq!((postman.field("wish").text(), waits(postman)), (wish.into(), vec![]));
        assert_eq!(client.run("JQ.WORKER RESUME postman"), Reply::Int(1));
        assert!(blocked.read().is_nothing(), "it is to ask anew");
        assert_eq!(names(&client.run("JQ.CONSUME mail WORKER postman")), ["b@2"]);
    }
    assert_eq!(client.run("JQ.WORKER QUIET nobody"), Reply::Int(0));
    assert!(client.run("JQ.CONSUME mail WORKER nobody").items().len() == 1);
}

#[test]
fn what_a_connection_takes_that_has_a_name_is_that_workers() {
    let server = Server::plain();
    let mut client = server.client();
    let mut worker = server.client();
    worker.run("JQ.WORKER SET postman HOST mail-1");
    for n in 0..6 {
        client.run(&format!("JQ.PUBLISH mail x ID {n} TTR 600000"));
    }
    let holder = |id: &str| server.run(&format!("JQ.JOB mail {id}")).field("worker");
    worker.run("JQ.CONSUME mail");
    assert_eq!(holder("0"), bulk("postman"));
    worker.run("JQ.CONSUME mail WORKER clerk");
    assert_eq!(holder("1"), bulk("clerk"), "who says a name is that one");
    client.run("JQ.CONSUME mail");
    assert!(holder("2").is_nothing(), "another connection has no name");
    for line in ["MULTI", "JQ.CONSUME mail BLOCK 0", "EXEC"] {
        worker.run(line);
    }
    assert_eq!(holder("3"), bulk("postman"));
    worker.call(&["EVAL", "return redis.call('JQ.CONSUME', KEYS[1])", "1", "mail"]);
    assert!(holder("4").is_nothing(), "a script has no connection");
    worker.run("JQ.WORKER SET courier");
    worker.run("JQ.CONSUME mail BIND");
    assert_eq!(holder("5"), bulk("courier"));
    assert_eq!(named(&workers(&mut client, "mail")), ["clerk", "courier", "postman"]);
}

#[test]
fn a_wish_reaches_the_calls_of_a_connection_that_has_the_workers_name() {
    let server = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&server);
    let mut client = server.client();
    let mut worker = server.client();
    worker.run("JQ.WORKER SET postman");
    worker.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "ALSO", "fax"]);
    server.wait_for_blocked(1);
    assert_eq!(waits(&only(&mut client, "")), [["mail", "fax"]]);
    assert_eq!(client.run("JQ.WORKER STOP postman"), Reply::Int(1));
    assert!(worker.read().is_nothing(), "it is answered at once");
    client.run("JQ.PUBLISH mail x ID a TTR 600000");
    assert!(worker.run("JQ.CONSUME mail").is_nothing());
    assert!(worker.run("JQ.CONSUME mail BLOCK 5").is_nothing());
    for line in ["MULTI", "JQ.CONSUME mail", "EXEC"] {
        let reply = worker.run(line);
        assert!(line != "EXEC" || reply.items()[0].is_nothing());
    }
    client.run("JQ.WORKER RESUME postman");
    worker.send(&["JQ.CONSUME", "fax", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    client.run("JQ.PUBLISH fax x ID b TTR 600000");
    assert_eq!(names(&worker.read()), ["b@1"]);
    assert_eq!(names(&worker.run("JQ.CONSUME mail")), ["a@1"]);
    // What was recorded is as if it had said so.
    replica.catch_up_with(&server);
    for server in [&replica, &replayed(&server)] {
        assert_eq!(holds(&only(&mut server.client(), "fax")), [("fax".into(), 1, "b@1".into())]);
        assert_eq!(server.run("JQ.JOB mail a").field("worker"), bulk("postman"));
    }
}

/// A client that waits beside others, so many in all.
fn waiting_too(server: &Server, line: &str, all: usize) -> Client {
    let mut client = server.client();
    client.send(&line.split(' ').collect::<Vec<_>>());
    server.wait_for_blocked(all);
    client
}

#[test]
fn a_wish_is_delivered_by_touch_by_set_and_by_push() {
    let server = Server::plain();
    let mut client = server.client();
    fill(&mut client);
    let mut listener = server.client();
    listener.run("SUBSCRIBE jobq:worker:postman");
    let told = client.run("JQ.TOUCH mail TTR 5000 WORKER postman a@1 nobody");
    assert_eq!(told.items().len(), 3);
    assert!(told.items()[0].int() > 0);
    assert!(told.items()[1].is_nothing() && told.items()[2].is_nothing());
    for (word, message, wish) in [
        ("QUIET", "quiet", Some("QUIET")),
        ("STOP", "stop", Some("STOP")),
        ("RESUME", "resume", None),
    ] {
        client.run(&format!("JQ.WORKER {word} postman"));
        assert_eq!(listener.read().items()[2], bulk(message));
        let told = client.run("JQ.TOUCH mail WORKER postman a@1");
        let last = &told.items()[1];
        let set = client.run("JQ.WORKER SET postman");
        match wish {
            Some(wish) => assert_eq!((last.text(), set.text()), (wish.into(), wish.into())),
            None => assert!(last.is_nothing() && set.is_nothing()),
        }
        assert_eq!(
            client.run("JQ.TOUCH mail a@1").items().len(),
            1,
            "who gives no name is not told"
        );
    }
    client.run("JQ.WORKER STOP postman");
    let told = client.run("JQ.TOUCH nowhere WORKER postman a@1");
    assert_eq!((told.items()[0].is_nothing(), told.items()[1].text()), (true, "STOP".into()));
    client.run("SET plain x");
    assert_eq!(client.run("JQ.TOUCH plain WORKER postman a@1").error_word(), "WRONGTYPE");
}

#[test]
fn a_touch_by_one_who_gives_a_name_is_in_the_log_as_any_other() {
    let mut server = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&server);
    let mut client = server.client();
    fill(&mut client);
    client.run("JQ.WORKER STOP postman");
    client.run("JQ.TOUCH mail TTR 7000 WORKER postman a@1");
    client.run("MULTI");
    client.run("JQ.TOUCH mail WORKER postman b@2");
    client.run("JQ.CONSUME mail BLOCK 0 WORKER postman");
    let told = client.run("EXEC");
    assert_eq!(told.items()[0].items()[1].text(), "STOP");
    assert!(told.items()[1].is_nothing());
    let script = "return redis.call('JQ.TOUCH', KEYS[1], 'WORKER', 'postman', 'a@1')";
    assert_eq!(client.call(&["EVAL", script, "1", "mail"]).items().len(), 2);
    let digest = client.run("JQ.DIGEST mail");
    replica.catch_up_with(&server);
    assert_eq!(replica.run("JQ.DIGEST mail"), digest);
    server.kill_and_restart();
    assert_eq!(server.run("JQ.DIGEST mail"), digest);
    let worker = server.aof().lines().join("\n").to_lowercase();
    assert!(!worker.contains("jq.worker"), "who works is in no log: {worker}");
}

#[test]
fn a_worker_whose_connection_drops_keeps_what_it_holds_and_loses_its_calls() {
    let server = Server::plain();
    let mut client = server.client();
    fill(&mut client);
    let mut worker = server.client();
    worker.run("JQ.WORKER SET postman HOST h");
    worker.send(&["JQ.CONSUME", "fax", "BLOCK", "0", "WORKER", "postman"]);
    server.wait_for_blocked(1);
    worker.fall_silent();
    server.wait_for_blocked(0);
    wait_for("the end of the connection", || {
        let postman = only(&mut client, "");
        (waits(&postman).is_empty() && postman.field("connections") == Reply::Array(vec![]))
            .then_some(())
    });
    let postman = only(&mut client, "");
    assert_eq!(holds(&postman), [("mail".into(), 2, "a@1".into())]);
    assert_eq!(postman.field("host"), bulk("h"), "what it was is still told");
}

#[test]
fn a_server_that_decides_no_longer_wishes_nothing_when_it_does_again() {
    let server = Server::plain();
    let mut client = server.client();
    fill(&mut client);
    assert_eq!(client.run("JQ.WORKER STOP postman"), Reply::Int(1));
    client.run("REPLICAOF 127.0.0.1 1");
    let worker = only(&mut client, "mail");
    assert_eq!(
        ["wish", "seen", "since"].map(|field| worker.field(field)),
        [(); 3].map(|()| Reply::Null)
    );
    client.run("REPLICAOF NO ONE");
    assert_eq!(client.run("JQ.WORKER SET postman"), Reply::Null);
    assert_eq!(ids(&client.run("JQ.CONSUME mail WORKER postman")), ["c"]);
}

#[test]
fn a_cursor_tells_nothing_of_workers_whose_queues_the_user_may_not_read() {
    let server = Server::plain();
    let (mut client, mut guest) = (server.client(), server.client());
    for (queue, worker) in [("shut", "a"), ("shut", "b"), ("open", "c"), ("shut", "d")] {
        client.run(&format!("JQ.PUBLISH {queue} x"));
        client.run(&format!("JQ.CONSUME {queue} WORKER {worker}"));
    }
    client.run("ACL SETUSER guest on nopass %R~open* +jq.workers");
    guest.run("AUTH guest x");
    let first = guest.run("JQ.WORKERS COUNT 1");
    assert_eq!(named(first.items()[1].items()), ["c"]);
    let cursor = first.items()[0].text();
    assert!(!["a", "b", "d"].iter().any(|name| cursor.ends_with(name)), "{cursor}");
    let second = guest.run(&format!("JQ.WORKERS CURSOR {cursor} COUNT 1"));
    assert_eq!(second.items(), [bulk("0"), Reply::Array(vec![])]);
}

#[test]
fn who_says_who_it_is_is_refused_without_memory_and_wishes_are_heard() {
    let server = Server::plain();
    let mut client = server.client();
    fill(&mut client);
    client.run("CONFIG SET maxmemory 1");
    assert_eq!(client.run("JQ.WORKER SET postman HOST h").error_word(), "OOM");
    assert_eq!(client.run("JQ.WORKER STOP postman"), Reply::Int(1));
    assert_eq!(client.run("JQ.WORKER RESUME postman"), Reply::Int(1));
    client.run("CONFIG SET maxmemory 0");
    assert_eq!(client.run("JQ.WORKER SET postman HOST h"), Reply::Null);
}
