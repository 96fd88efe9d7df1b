//! `JQ.QUEUES` tells all queues, whatever brought them to their names, and nothing else.

use std::collections::BTreeSet;

use rand::{rngs::StdRng, Rng, SeedableRng};

use super::known;
use crate::support::{
    likeness::{freeze, rewrite_log},
    load::seed,
    wait_for, Client, Options, Reply, Server,
};

/// One page: where to go on, and the names.
fn page(client: &mut Client, cursor: &[u8], further: &[&[u8]]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let words = [&[b"JQ.QUEUES".as_slice(), b"CURSOR", cursor], further].concat();
    let reply = client.call(&words);
    let names = reply.items()[1].items().iter().map(|name| name.bytes().to_vec());
    (reply.items()[0].bytes().to_vec(), names.collect())
}

/// All names of the selected database, of a form if one is given.
fn matching(client: &mut Client, further: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut cursor = b"0".to_vec();
    loop {
        let (next, names) = page(client, &cursor, further);
        all.extend(names);
        if next == b"0" {
            return all;
        }
        cursor = next;
    }
}

fn names(client: &mut Client) -> Vec<String> {
    let names = matching(client, &[]).into_iter();
    names.map(|name| String::from_utf8(name).expect("the tests' names are text")).collect()
}

#[track_caller]
fn run(client: &mut Client, line: &str) {
    let reply = client.run(line);
    assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
}

/// Runs these, and says which queues there are then.
#[track_caller]
fn names_after(client: &mut Client, lines: &[&str]) -> Vec<String> {
    lines.iter().for_each(|line| run(client, line));
    names(client)
}

#[test]
fn a_queue_is_told_from_its_beginning_to_its_end() {
    let server = Server::plain();
    let mut client = server.client();
    assert_eq!(client.run("JQ.QUEUES"), {
        Reply::Array(vec![Reply::Bulk(b"0".to_vec()), Reply::Array(Vec::new())])
    });
    assert_eq!(names_after(&mut client, &["JQ.PUBLISH mail hello"]), ["mail"]);
    assert_eq!(names_after(&mut client, &["JQ.CONFIG fax SET tries 3"]), ["fax", "mail"]);
    assert_eq!(
        names_after(&mut client, &["JQ.PAUSE post", "SET other 1"]),
        ["fax", "mail", "post"]
    );
    assert_eq!(names_after(&mut client, &["JQ.CONSUME none", "JQ.ACK none a"]).len(), 3);
    assert_eq!(names_after(&mut client, &["DEL mail", "UNLINK post"]), ["fax"]);
    assert_eq!(names_after(&mut client, &["SET fax over"]), [""; 0]);
    assert_eq!(names_after(&mut client, &["DEL fax", "JQ.PUBLISH fax anew"]), ["fax"]);
    run(&mut client, "PEXPIRE fax 10");
    wait_for("the queue to expire", || names(&mut client).is_empty().then_some(()));
    assert_eq!(known(&server), 0);
}

#[test]
fn one_call_tells_thousands_of_queues_in_the_order_of_their_bytes() {
    let server = Server::plain();
    let mut client = server.client();
    let mut queues: Vec<_> = (0..3_000_u32).map(|n| (n * 1_009 % 3_000).to_string()).collect();
    for queue in &queues {
        client.send(&["JQ.PUBLISH", queue, "x"]);
    }
    queues.iter().for_each(|_| drop(client.read().text()));
    queues.sort();
    let reply = client.run("JQ.QUEUES COUNT 10000");
    assert_eq!(reply.items()[0].text(), "0");
    let told: Vec<_> = reply.items()[1].items().iter().map(Reply::text).collect();
    assert_eq!(told, queues);
}

#[test]
fn a_queue_is_told_under_its_new_name() {
    let server = Server::plain();
    let mut client = server.client();
    let client = &mut client;
    // Where the module cannot hear of renames and moves, the next command tells it.
    run(client, "JQ.PUBLISH a hello");
    assert_eq!(names_after(client, &["RENAME a b", "JQ.LEN b"]), ["b"]);
    assert_eq!(names_after(client, &["RENAMENX b c", "JQ.LEN c"]), ["c"]);
    assert_eq!(names_after(client, &["COPY c d"]), ["c", "d"]);
    assert_eq!(names_after(client, &["MOVE d 2"]), ["c"]);
    assert_eq!(names_after(client, &["SELECT 2", "JQ.LEN d"]), ["d"]);
    assert_eq!(names_after(client, &["SELECT 0", "COPY c e DB 2"]), ["c"]);
    assert_eq!(names_after(client, &["SELECT 2"]), ["d", "e"]);
    assert_eq!(names_after(client, &["SWAPDB 2 0"]), ["c"]);
    assert_eq!(names_after(client, &["SELECT 0"]), ["d", "e"]);
    assert_eq!(names_after(client, &["SWAPDB 0 0"]), ["d", "e"]);
    assert_eq!(names_after(client, &["FLUSHDB"]), [""; 0]);
    assert_eq!(names_after(client, &["SELECT 2"]), ["c"]);
    assert_eq!(names_after(client, &["FLUSHALL"]), [""; 0]);
}

#[test]
fn a_queue_put_over_another_keeps_the_name() {
    let server = Server::plain();
    let mut client = server.client();
    let client = &mut client;
    run(client, "JQ.PUBLISH a hello");
    run(client, "JQ.PUBLISH b hello");
    let payload = client.run("DUMP b").bytes().to_vec();
    for _ in 0..2 {
        assert_eq!(names_after(client, &["COPY a b REPLACE"]), ["a", "b"]);
        let restore = [b"RESTORE".as_slice(), b"b", b"0", &payload];
        assert_eq!(client.call(&restore).error_word(), "BUSYKEY");
        assert_eq!(client.call(&[&restore[..], &[b"REPLACE"]].concat()).text(), "OK");
        assert_eq!(names(client), ["a", "b"]);
    }
    assert_eq!(client.run("COPY a b"), Reply::Int(0));
    assert_eq!(names_after(client, &["RENAME a b", "JQ.LEN b"]), ["b"]);
    assert_eq!(names_after(client, &["DEL b"]), [""; 0]);
    assert_eq!(known(&server), 0);
}

#[test]
fn a_queue_that_is_thrown_away_as_it_is_loaded_is_not_told() {
    let server = Server::plain();
    let mut client = server.client();
    run(&mut client, "JQ.PUBLISH mail hello");
    let payload = client.run("DUMP mail").bytes().to_vec();
    for name in ["mail", "over"] {
        let words = [b"RESTORE".as_slice(), name.as_bytes(), b"1", &payload, b"REPLACE", b"ABSTTL"];
        assert_eq!(client.call(&words).text(), "OK");
    }
    assert_eq!(names(&mut client), [""; 0]);
    wait_for("the module to forget them", || (known(&server) == 0).then_some(()));
}

#[test]
fn every_start_knows_the_queues() {
    for preamble in ["yes", "no"] {
        let options = Options::new().with_aof().with("--aof-use-rdb-preamble");
        let mut server = Server::start(options.with(preamble));
        let mut client = server.client();
        run(&mut client, "JQ.PUBLISH a hello");
        run(&mut client, "JQ.PUBLISH b hello");
        let told = |server: &Server| names(&mut server.client());
        run(&mut client, "DEBUG RELOAD");
        assert_eq!(told(&server), ["a", "b"], "reloaded");
        server.kill_and_restart();
        assert_eq!(told(&server), ["a", "b"], "from the log");
        rewrite_log(&server);
        server.run("JQ.PUBLISH c hello");
        server.kill_and_restart();
        assert_eq!(told(&server), ["a", "b", "c"], "from a rewritten log");
        let mut client = server.client();
        assert_eq!(names_after(&mut client, &["DEL a", "DEBUG LOADAOF"]), ["b", "c"]);
    }
}

#[test]
fn a_replica_tells_what_its_primary_tells() {
    for load in ["disabled", "on-empty-db", "swapdb"] {
        let primary = Server::plain();
        let mut client = primary.client();
        run(&mut client, "JQ.PUBLISH early hello");
        let options = Options::new().with(&format!("--repl-diskless-load {load}"));
        let replica = Server::start(options);
        replica.run("JQ.PUBLISH own hello");
        replica.run(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
        replica.catch_up_with(&primary);
        let mut reader = replica.client();
        assert_eq!(names(&mut reader), ["early"], "{load}");
        for line in ["JQ.PUBLISH late hello", "COPY late later", "DEL early", "RENAME late last"] {
            run(&mut client, line);
        }
        run(&mut client, "JQ.PUBLISH last hello");
        freeze(&primary);
        replica.catch_up_with(&primary);
        assert_eq!(names(&mut reader), ["last", "later"], "{load}");
        assert_eq!(known(&replica), 2);
        replica.run("REPLICAOF NO ONE");
        assert_eq!(names(&mut reader), ["last", "later"], "{load}");
    }
}

#[test]
fn pages_miss_no_queue_while_others_come_and_go() {
    let server = Server::plain();
    let mut client = server.client();
    let mut lasting = BTreeSet::new();
    for n in 0..2_000 {
        let name = format!("{}-{n}", n * 7919 % 2_000);
        client.send(&["JQ.PUBLISH", &name, "hello"]);
        lasting.insert(name.into_bytes());
    }
    (0..2_000).for_each(|_| drop(client.read()));
    for count in ["1", "7", "300", "2000", "5000"] {
        let mut random = StdRng::seed_from_u64(seed());
        let mut seen = Vec::new();
        let mut cursor = b"0".to_vec();
        loop {
            let (next, names) = page(&mut client, &cursor, &[b"COUNT", count.as_bytes()]);
            assert!(names.len() <= count.parse().expect("a number"));
            seen.extend(names);
            if next == b"0" {
                break;
            }
            cursor = next;
            let brief = format!("{}-brief", random.random_range(0..2_000));
            match random.random_range(0..3) {
                0 => run(&mut client, &format!("JQ.PUBLISH {brief} hello")),
                1 => run(&mut client, &format!("DEL {brief}")),
                // The one to go on behind may be gone.
                _ => {
                    let last = cursor[1..].to_vec();
                    let is_brief = !lasting.contains(&last);
                    is_brief.then(|| client.call(&[b"DEL".as_slice(), &last]));
                }
            }
        }
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "sorted, and none twice");
        let seen: BTreeSet<_> = seen.into_iter().collect();
        assert_eq!(lasting.difference(&seen).count(), 0);
    }
}

#[test]
fn patterns_mean_what_they_mean_to_keys() {
    let server = Server::plain();
    let mut client = server.client();
    let mut random = StdRng::seed_from_u64(seed());
    let mut drawn = |bytes: &[u8], len: usize| -> Vec<u8> {
        (0..len).map(|_| bytes[random.random_range(0..bytes.len())]).collect()
    };
    for len in 1..200 {
        client.call(&[b"JQ.PUBLISH".as_slice(), &drawn(b"abc[]^-\\*?\0\xff", len % 5 + 1), b"x"]);
    }
    for len in 0..3_000 {
        // Without bytes that some servers take to be negative.
        let pattern = drawn(b"abc[]^-\\*?\0", len % 7 + 1);
        let keys = client.call(&[b"KEYS".as_slice(), &pattern]);
        let mut keys: Vec<_> = keys.items().iter().map(|key| key.bytes().to_vec()).collect();
        keys.sort();
        let told = matching(&mut client, &[b"COUNT", b"1000", b"MATCH", &pattern]);
        assert_eq!(told, keys, "{}", pattern.escape_ascii());
    }
}

#[test]
fn names_are_told_in_transactions_and_scripts() {
    let server = Server::plain();
    let mut client = server.client();
    run(&mut client, "JQ.PUBLISH mail hello");
    for line in ["MULTI", "JQ.PUBLISH fax hello", "JQ.QUEUES"] {
        run(&mut client, line);
    }
    assert_eq!(client.run("EXEC").items()[1].items()[1].items().len(), 2);
    let told = client.call(&["EVAL", "return redis.call('JQ.QUEUES')", "0"]);
    assert_eq!(told.items()[1].items().len(), 2);
}

#[test]
fn a_transaction_in_a_cluster_sees_the_queues_of_all_slots() {
    let server = Server::start(Options::new().with("--cluster-enabled yes"));
    server.run("CLUSTER ADDSLOTSRANGE 0 16383");
    wait_for("the cluster", || {
        (server.run("CLUSTER INFO").text().contains("cluster_state:ok")).then_some(())
    });
    let mut client = server.client();
    let expected = names_after(&mut client, &["JQ.PUBLISH a x", "JQ.PUBLISH b x", "JQ.PAUSE c"]);
    assert_eq!(expected, ["a", "b", "c"]);
    for line in ["MULTI", "JQ.LEN a", "JQ.QUEUES"] {
        run(&mut client, line);
    }
    assert_eq!(client.run("EXEC").items()[1].items()[1].items().len(), 3);
    assert_eq!(names(&mut client), expected);
}
