//! `JQ.SUBSCRIBE`, `JQ.UNSUBSCRIBE`, `JQ.NOTICES`, `JQ.DELIVERED`: who is to be told what became of a job
//! is told at least once, and who was told is not told again.

use crate::{
    replies::{bulk, ok, on_each_wire, told},
    support::{likeness::assert_copies_are_alike, wait_for, Client, Options, Reply, Server},
};

/// A notice as it is told.
#[derive(Debug, PartialEq)]
struct Notice {
    receipt: String,
    id: String,
    state: Reply,
    result: Reply,
    targets: Vec<Vec<u8>>,
}

impl Notice {
    fn targets(&self) -> Vec<&str> {
        self.targets.iter().map(|it| std::str::from_utf8(it).expect("text")).collect()
    }
}

fn notices(reply: &Reply) -> Vec<Notice> {
    if reply.is_nothing() {
        return Vec::new();
    }
    let notice = |reply: &Reply| {
        let [receipt, id, state, result, targets] = reply.items() else { panic!("{reply:?}") };
        let targets = targets.items().iter().map(|it| it.bytes().to_vec()).collect();
        let (state, result) = (state.clone(), result.clone());
        Notice { receipt: receipt.text(), id: id.text(), state, result, targets }
    };
    reply.items().iter().map(notice).collect()
}

fn take(client: &mut Client, line: &str) -> Vec<Notice> {
    notices(&client.run(line))
}

#[test]
fn every_subscriber_is_told_what_came_of_a_job_whenever_it_subscribed() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID early");
        client.run("JQ.PUBLISH mail x ID late RETAIN FOREVER");
        assert_eq!(client.run("JQ.SUBSCRIBE mail early ada bob ada"), Reply::Int(3));
        assert_eq!(client.run("JQ.JOB mail early").field("subscribers"), Reply::Int(3));
        assert!(take(client, "JQ.NOTICES mail").is_empty());
        client.run("JQ.FULFILL mail early 42");
        client.run("JQ.FULFILL mail late 43");
        assert_eq!(client.run("JQ.SUBSCRIBE mail late eve"), Reply::Int(1));
        assert_eq!(client.run("JQ.SUBSCRIBE mail nobody eve"), Reply::Int(0));
        assert_eq!(client.run("JQ.SUBSCRIBE none nobody eve"), Reply::Int(0));
        assert_eq!(client.run("EXISTS none"), Reply::Int(0));
        let all = take(client, "JQ.NOTICES mail COUNT 10");
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].id.as_str(), &all[0].state), ("early", &bulk("completed")));
        assert_eq!((&all[0].result, all[0].targets()), (&bulk("42"), vec!["ada", "bob", "ada"]));
        assert_eq!((&all[1].result, all[1].targets()), (&bulk("43"), vec!["eve"]));
        assert_eq!(client.run("JQ.STATS mail").field("notices"), Reply::Int(2));
    });
}

#[test]
fn a_death_and_a_removal_are_told_as_what_they_are() {
    on_each_wire(|client| {
        for id in ["dead", "gone", "acked"] {
            client.run(&format!("JQ.PUBLISH mail x ID {id}"));
            client.run(&format!("JQ.SUBSCRIBE mail {id} ada"));
        }
        client.run("JQ.BURY mail dead ERROR oops");
        client.run("JQ.DELETE mail gone");
        client.run("JQ.CONSUME mail");
        client.run("JQ.ACK mail acked");
        let all = take(client, "JQ.NOTICES mail COUNT 10");
        let states: Vec<_> = all.iter().map(|it| it.state.is_nothing()).collect();
        assert_eq!(states, [false, true, false]);
        assert_eq!((&all[0].state, &all[2].state), (&bulk("dead"), &bulk("completed")));
        assert_eq!(all[0].result, bulk("oops"));
        assert!(all[1..].iter().all(|it| it.result.is_nothing()));
    });
}

#[test]
fn who_was_told_is_crossed_off_and_the_others_come_back() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a");
        client.run("JQ.SUBSCRIBE mail a ada bob ada eve");
        client.run("JQ.FULFILL mail a 42");
        let first = take(client, "JQ.NOTICES mail").remove(0);
        assert!(take(client, "JQ.NOTICES mail").is_empty(), "nobody else gets it meanwhile");
        let told = format!("JQ.DELIVERED mail {} ada eve nobody", first.receipt);
        assert_eq!(client.run(&told), Reply::Int(2));
        assert!(client.run(&told).is_nothing(), "the lease is over");
        let again = take(client, "JQ.NOTICES mail").remove(0);
        assert_eq!(again.targets(), ["bob", "ada"]);
        assert_ne!(again.receipt, first.receipt);
        assert_eq!(client.run(&format!("JQ.DELIVERED mail {}", again.receipt)), Reply::Int(0));
        let again = take(client, "JQ.NOTICES mail").remove(0);
        let told = format!("JQ.DELIVERED mail {} bob ada", again.receipt);
        assert_eq!(client.run(&told), Reply::Int(2));
        assert!(take(client, "JQ.NOTICES mail").is_empty());
        assert_eq!(client.run("JQ.STATS mail").field("notices"), Reply::Int(0));
    });
}

#[test]
fn a_notice_whose_lease_lapses_comes_back() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a");
    client.run("JQ.SUBSCRIBE mail a ada");
    client.run("JQ.FULFILL mail a 42");
    let first = take(&mut client, "JQ.NOTICES mail TTR 20").remove(0);
    // The one who waits gets it from the timer.
    let again = notices(&client.run("JQ.NOTICES mail BLOCK 0")).remove(0);
    assert_eq!(again.targets(), ["ada"]);
    let told = format!("JQ.DELIVERED mail {} ada", first.receipt);
    assert!(client.run(&told).is_nothing());
}

#[test]
fn subscriptions_are_taken_back_one_by_one_or_all_at_once() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a");
        client.run("JQ.SUBSCRIBE mail a ada ada bob all");
        assert_eq!(client.run("JQ.UNSUBSCRIBE mail a ada nobody"), Reply::Int(1));
        assert_eq!(client.run("JQ.UNSUBSCRIBE mail a all all"), Reply::Int(1), "it is a target");
        client.run("JQ.FULFILL mail a 42");
        assert_eq!(
            client.run("JQ.UNSUBSCRIBE mail a ada"),
            Reply::Int(1),
            "also when it has ended"
        );
        assert_eq!(client.run("JQ.UNSUBSCRIBE mail a@999 ALL"), Reply::Int(0), "no such lease");
        assert_eq!(take(client, "JQ.NOTICES mail")[0].targets(), ["bob"]);
        assert_eq!(client.run("JQ.UNSUBSCRIBE mail a ALL"), Reply::Int(1));
        assert_eq!(client.run("JQ.UNSUBSCRIBE mail a ALL"), Reply::Int(0));
        assert_eq!(client.run("JQ.STATS mail").field("notices"), Reply::Int(0));
    });
}

#[test]
fn a_target_is_any_bytes() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a");
        let long = vec![0xff; 4096];
        let targets: [&[u8]; 4] = [b"", b"\0\r\n*1\r\n", b"{\"json\": [1]}", &long];
        let call = [&[&b"JQ.SUBSCRIBE"[..], b"mail", b"a"], &targets[..]].concat();
        assert_eq!(client.call(&call), Reply::Int(4));
        client.run("JQ.FULFILL mail a 42");
        let notice = take(client, "JQ.NOTICES mail").remove(0);
        assert_eq!(notice.targets, targets);
        let told =
            [&[&b"JQ.DELIVERED"[..], b"mail", notice.receipt.as_bytes()], &targets[..]].concat();
        assert_eq!(client.call(&told), Reply::Int(4));
    });
}

#[test]
fn who_waits_for_notices_is_served_first_come_first_served() {
    let server = Server::plain();
    let mut client = server.client();
    let mut waiting: Vec<_> = (0..3)
        .map(|n| {
            let mut waits = server.client();
            waits.send(&["JQ.NOTICES", "mail", "BLOCK", "0"]);
            server.wait_for_blocked(n + 1);
            waits
        })
        .collect();
    for id in ["a", "b"] {
        client.run(&format!("JQ.PUBLISH mail x ID {id}"));
        client.run(&format!("JQ.SUBSCRIBE mail {id} ada"));
        client.run(&format!("JQ.FULFILL mail {id} 42"));
    }
    assert_eq!(notices(&waiting[0].read())[0].id, "a");
    assert_eq!(notices(&waiting[1].read())[0].id, "b");
    assert!(waiting[2].is_waiting());
    // Those who wait for jobs do not stand in the way, nor the other way round.
    let mut worker = server.client();
    worker.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(2);
    client.run("JQ.PUBLISH mail x ID c");
    worker.read().items();
    assert!(waiting[2].is_waiting());
    // A queue that comes under the name has what they wait for.
    client.run("JQ.PUBLISH fax x ID d RETAIN FOREVER");
    client.run("JQ.FULFILL fax d 42");
    client.run("JQ.SUBSCRIBE fax d ada");
    assert_eq!(client.run("RENAME fax mail"), ok());
    assert_eq!(notices(&waiting[2].read())[0].id, "d");
    let none = client.run("JQ.NOTICES mail BLOCK 5");
    assert!(none.is_nothing(), "its time is over: {none:?}");
    client.run("MULTI");
    client.run("JQ.NOTICES mail BLOCK 0");
    assert!(client.run("EXEC").items()[0].is_nothing(), "a transaction does not wait");
    let script = "return redis.call('JQ.NOTICES', KEYS[1], 'BLOCK', 0) and 1 or 0";
    assert_eq!(client.call(&["EVAL", script, "1", "mail"]), Reply::Int(0));
}

#[test]
fn a_messenger_that_is_gone_loses_no_notice() {
    let server = Server::plain();
    let mut client = server.client();
    let mut waits = server.client();
    waits.send(&["JQ.NOTICES", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    let id = client.run("CLIENT LIST").text();
    let id = id.lines().find(|line| line.contains("cmd=jq.notices")).expect("it waits");
    let id = id.split(' ').next().and_then(|id| id.strip_prefix("id=")).expect("an id").to_string();
    client.run("JQ.PUBLISH mail x ID a");
    client.run("JQ.SUBSCRIBE mail a ada");
    // Woken and killed before it is written to.
    client.run("MULTI");
    client.run("JQ.FULFILL mail a 42");
    client.run(&format!("CLIENT KILL ID {id}"));
    client.run("EXEC");
    let again = wait_for("the notice to come back", || {
        let found = notices(&client.run("JQ.NOTICES mail"));
        found.into_iter().next()
    });
    assert_eq!(again.targets(), ["ada"]);
}

#[test]
fn what_is_to_be_told_outlives_crashes_and_is_the_same_on_copies() {
    let options = "--appendonly yes --appendfsync always --aof-use-rdb-preamble no";
    let mut primary = Server::start(Options::new().with(options));
    let replica = Server::replica_of(&primary);
    let (mut client, mut waits) = (primary.client(), primary.client());
    waits.send(&["JQ.NOTICES", "mail", "COUNT", "2", "TTR", "600000", "BLOCK", "0"]);
    primary.wait_for_blocked(1);
    for id in ["a", "b", "c", "d"] {
        client.run(&format!("JQ.PUBLISH mail x ID {id}"));
        client.run(&format!("JQ.SUBSCRIBE mail {id} ada bob"));
    }
    client.run("JQ.FULFILL mail a 42");
    let served = notices(&waits.read()).remove(0);
    client.run("JQ.FULFILL mail b 42");
    client.run("JQ.BURY mail c");
    let taken = take(&mut client, "JQ.NOTICES mail TTR 600000").remove(0);
    client.run(&format!("JQ.DELIVERED mail {} ada", taken.receipt));
    assert_copies_are_alike(&primary, &replica);
    primary.kill_and_restart();
    let mut client = primary.client();
    let told = format!("JQ.DELIVERED mail {} ada bob", served.receipt);
    assert_eq!(client.run(&told), Reply::Int(2), "the lease has survived");
    let left = take(&mut client, "JQ.NOTICES mail COUNT 9");
    let left: Vec<_> = left.iter().map(|it| (it.id.as_str(), it.targets().len())).collect();
    assert_eq!(left, [("b", 1), ("c", 2)]);
    client.run("JQ.FULFILL mail d 42");
    assert_eq!(take(&mut client, "JQ.NOTICES mail")[0].id, "d");
}

#[test]
fn who_polls_for_notices_where_there_are_none_leaves_no_trace_in_the_log() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x");
    let before = server.aof().commands.len();
    for _ in 0..3 {
        assert!(client.run("JQ.NOTICES mail").is_nothing());
        assert!(client.run("JQ.NOTICES none BLOCK 1").is_nothing());
    }
    assert_eq!(server.aof().commands.len(), before);
}

#[test]
fn a_refusal_subscribes_nobody() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x ID a");
        client.run("SET text 1");
        let before = told(client, "mail");
        for (line, word) in [
            ("JQ.SUBSCRIBE mail a", "ERR"),
            ("JQ.SUBSCRIBE mail a!b ada", "RANGE"),
            ("JQ.SUBSCRIBE text a ada", "WRONGTYPE"),
            ("JQ.UNSUBSCRIBE text a ada", "WRONGTYPE"),
            ("JQ.NOTICES text BLOCK 0", "WRONGTYPE"),
            ("JQ.DELIVERED text a@1 ada", "WRONGTYPE"),
            ("JQ.DELIVERED mail a ada", "RANGE"),
            ("JQ.NOTICES mail COUNT 0", "RANGE"),
            ("JQ.NOTICES mail TTR 0", "RANGE"),
        ] {
            assert_eq!(client.run(line).error_word(), word, "{line}");
        }
        assert!(client.run("JQ.DELIVERED mail a@1 ada").is_nothing());
        assert_eq!(told(client, "mail"), before);
    });
}

#[test]
fn without_memory_nobody_subscribes_and_those_who_did_are_told() {
    let server = Server::start(Options::new().with("--maxmemory-policy noeviction"));
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a");
    client.run("JQ.SUBSCRIBE mail a ada");
    client.run("CONFIG SET maxmemory 1");
    assert_eq!(client.run("JQ.SUBSCRIBE mail a bob").error_word(), "OOM");
    client.run("JQ.FULFILL mail a 42");
    let notice = take(&mut client, "JQ.NOTICES mail").remove(0);
    assert_eq!(client.run(&format!("JQ.DELIVERED mail {} ada", notice.receipt)), Reply::Int(1));
}
