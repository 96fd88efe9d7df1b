//! `JQ.ACK … THEN`: the end of one job and the beginning of the next are one step.

use std::fs;

use crate::{
    replies::{bodies, bulk, ok, on_each_wire, told},
    support::{
        cluster::Cluster,
        encoded,
        likeness::{assert_copies_are_alike, copy_log, started_on},
        Client, Options, Reply, Server,
    },
};

/// Publishes a job and takes it. Tells the receipt.
fn taken(client: &mut Client, queue: &str, id: &str) -> String {
    client.run(&format!("JQ.PUBLISH {queue} work ID {id}"));
    client.run(&format!("JQ.CONSUME {queue}")).items()[0].items()[1].text()
}

fn len(client: &mut Client, queue: &str) -> i64 {
    client.run(&format!("JQ.LEN {queue}")).int()
}

#[test]
fn the_successor_is_there_exactly_if_this_ack_settled_the_job() {
    on_each_wire(|client| {
        for to in ["orders", "mail"] {
            let receipt = taken(client, "orders", "a");
            let line = format!("JQ.ACK orders {receipt} THEN {to} next TYPE t DELAY 60000 ID b");
            assert_eq!(client.run(&line), bulk("b"), "{to}");
            let job = client.run(&format!("JQ.JOB {to} b"));
            let fields = ["state", "type", "body"].map(|name| job.field(name).text());
            assert_eq!(fields, ["delayed", "t", "next"]);
            assert!(client.run("JQ.JOB orders a").is_nothing());
            // The answer was lost, and the worker says it again.
            assert!(client.run(&line).is_nothing());
            assert_eq!(client.run(&format!("JQ.DELETE {to} b")), Reply::Int(1));
            assert!(client.run(&line).is_nothing());
            assert_eq!(len(client, to), 0, "{to}");
        }
        for (done, to) in [("nobody", "mail"), ("nobody@7", "orders"), ("nobody", "none")] {
            assert!(client.run(&format!("JQ.ACK orders {done} THEN {to} next")).is_nothing());
            assert!(client.run(&format!("JQ.ACK none {done} THEN {to} next")).is_nothing());
        }
        client.run("JQ.PUBLISH orders waits ID w");
        assert!(client.run("JQ.ACK orders w THEN mail next").is_nothing(), "nobody holds it");
        assert_eq!(client.run("EXISTS none"), Reply::Int(0));
    });
}

#[test]
fn a_successor_that_is_refused_leaves_the_lease_and_makes_no_queue() {
    on_each_wire(|client| {
        client.run("SET text 1");
        client.run("JQ.PUBLISH mail x ID taken");
        client.run("JQ.CONFIG full SET maxlen 1");
        client.run("JQ.PUBLISH full x");
        client.run("JQ.PAUSE shut IN");
        let receipt = taken(client, "orders", "a");
        let before = told(client, "orders");
        for (then, word) in [
            ("text next", "WRONGTYPE"),
            ("mail next ID taken", "DUPLICATE"),
            ("full next", "FULL"),
            ("shut next", "PAUSED"),
            ("new next AFTER 1 7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "NOSUCHJOB"),
            ("orders next ID a AFTER 1 7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "NOSUCHJOB"),
            ("new next TTL 1 DELAY 2", "RANGE"),
            ("new next BLOCK 1", "SYNTAX"),
            ("new next REPLACES a", "SYNTAX"),
            ("new next AFTER 1 mail/taken", "SYNTAX"),
            ("new", "SYNTAX"),
            ("new next TRIES 0", "RANGE"),
            ("new next LATER", "SYNTAX"),
        ] {
            let answer = client.run(&format!("JQ.ACK orders {receipt} THEN {then}"));
            assert_eq!(answer.error_word(), word, "{then}");
        }
        let answer = client.run(&format!("JQ.ACK orders {receipt} b THEN mail next"));
        assert_eq!(answer.error_word(), "SYNTAX", "one job has one successor");
        assert_eq!(
            client.run(&format!("JQ.ACK text {receipt} THEN mail x")).error_word(),
            "WRONGTYPE"
        );
        assert_eq!(told(client, "orders"), before);
        assert_eq!(client.run("EXISTS new"), Reply::Int(0));
        assert_eq!(client.run(&format!("JQ.ACK orders {receipt} THEN new next ID n")), bulk("n"));
    });
}

#[test]
fn what_comes_due_meanwhile_refuses_the_successor_before_the_lease_ends() {
    let server = Server::plain();
    let mut client = server.client();
    let receipt = taken(&mut client, "orders", "a");
    // More than one slice of it, and behind that a run that takes the key.
    let backlog = ["JQ.PUBLISH", "mail", "x", "DELAY", "10"];
    (0..150).for_each(|_| drop(client.call(&backlog)));
    let from = client.run("JQ.JOB orders a").field("published-at").int() + 1_000;
    client.run(&format!("JQ.SCHEDULE mail SET s x EVERY 3600000 FROM {from} UNIQUE k"));
    // In one transaction, so that no turn of the timer comes between.
    client.run("MULTI");
    client.run("DEBUG SLEEP 1.2");
    client.run(&format!("JQ.ACK orders {receipt} THEN mail next UNIQUE k"));
    let answers = client.run("EXEC");
    assert_eq!(answers.items()[1].error_word(), "DUPLICATE", "{answers:?}");
    assert_eq!(client.run("JQ.JOB orders a").field("state"), bulk("leased"));
    assert_eq!(client.run(&format!("JQ.ACK orders {receipt}")), Reply::Int(1));
}

#[test]
fn a_queue_that_was_made_for_a_successor_is_gone_again_if_its_predecessor_is_not_acked() {
    let options = "--appendonly yes --appendfsync no --aof-use-rdb-preamble no";
    let options = Options::new().with(options);
    let debug = options.with_module_argument("debug").with_module_argument("yes");
    let primary = Server::start(debug);
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    let receipt = taken(&mut client, "orders", "a");
    client.run("JQ.CONFIG mail SET tries 3");
    client.run("JQ.DEBUG orders REFUSE 3");
    client.run("MULTI");
    client.run(&format!("JQ.ACK orders {receipt} THEN new next"));
    assert_eq!(client.run("EXEC").items()[0].error_word(), "REFUSED");
    for to in ["new", "mail"] {
        let refused = client.run(&format!("JQ.ACK orders {receipt} THEN {to} next"));
        assert_eq!(refused.error_word(), "REFUSED", "{to}");
    }
    // That which was there before stays, though it is empty.
    let there = ["new", "mail"].map(|queue| client.run(&format!("EXISTS {queue}")));
    assert_eq!(there, [Reply::Int(0), Reply::Int(1)]);
    assert_copies_are_alike(&primary, &replica);
    assert_eq!(client.run(&format!("JQ.ACK orders {receipt} THEN new next ID n")), bulk("n"));
    assert_copies_are_alike(&primary, &replica);
}

#[test]
fn a_successor_takes_its_predecessors_place_key_and_id_in_the_same_queue() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG poll SET maxlen 1");
        client.run("JQ.PUBLISH poll 1 ID p UNIQUE p");
        for round in 2..5 {
            let receipt = client.run("JQ.CONSUME poll").items()[0].items()[1].text();
            let line = format!("JQ.ACK poll {receipt} THEN poll {round} ID p UNIQUE p");
            assert_eq!(client.run(&line), bulk("p"));
        }
        assert_eq!(bodies(&client.run("JQ.PEEK poll")), ["4"]);
    });
}

#[test]
fn a_consumer_of_the_other_queue_is_woken_by_the_same_command() {
    let server = Server::start(Options::new().with_aof());
    let (mut client, mut consumer) = (server.client(), server.client());
    let receipt = taken(&mut client, "orders", "a");
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    let before = server.aof().commands.len();
    let line = format!("JQ.ACK orders {receipt} THEN mail next ID b");
    assert_eq!(client.run(&line), bulk("b"));
    assert_eq!(bodies(&consumer.read()), ["next"]);
    let mut lines = server.aof().records().split_off(before).concat();
    lines.retain(|line| !line.starts_with("tick") && !line.starts_with("SELECT"));
    let kinds: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap_or("")).collect();
    // Both ends are in one record, so none of them can be without the other.
    assert_eq!(kinds, ["MULTI", "create", "JQ.ACK", "lease", "EXEC"], "{lines:?}");
    assert_eq!(lines[2], line);
}

#[test]
fn wherever_a_log_ends_there_are_both_or_neither() {
    let server = Server::start(Options::new().with("--appendonly yes --appendfsync no"));
    let mut client = server.client();
    let receipts = ["a", "b", "c"].map(|id| taken(&mut client, "orders", id));
    let begin = server.aof().commands.len();
    for (receipt, to) in receipts.iter().zip(["mail", "orders", "mail"]) {
        client.run(&format!("JQ.ACK orders {receipt} THEN {to} next"));
    }
    let commands = server.aof().commands;
    let log = server.directory().join("appendonlydir");
    let file = fs::read_dir(log).expect("there is a log").flatten();
    let file = file.map(|entry| entry.path());
    let file = file.into_iter().find(|path| path.to_string_lossy().ends_with(".incr.aof"));
    let file = file.expect("there is a log");
    // Each command alone, as if the server had not made one transaction of them.
    let alone = |command: &&Vec<Vec<u8>>| !matches!(&command[0][..], b"MULTI" | b"EXEC");
    for end in begin..=commands.len() {
        let kept = commands[..end].iter().filter(alone).flat_map(|it| encoded(it));
        let kept: Vec<u8> = kept.collect();
        let copy = started_on(Options::new().with("--appendonly yes"), |directory| {
            copy_log(server.directory(), directory);
            let torn = directory.join("appendonlydir").join(file.file_name().expect("a file"));
            fs::write(torn, &kept).expect("the log is writable");
        });
        let mut client = copy.client();
        let (leased, ready) = (client.run("JQ.LEN orders leased").int(), len(&mut client, "mail"));
        let next = client.run("JQ.LEN orders ready").int();
        assert_eq!(leased + ready + next, 3, "at {end}");
        let waits = usize::from(end == begin) * 3;
        assert!(leased as usize >= waits, "at {end}");
    }
}

#[test]
fn copies_repeat_it_as_it_was() {
    let options = "--appendonly yes --appendfsync no --aof-use-rdb-preamble no";
    let primary = Server::start(Options::new().with(options));
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    for (id, to) in [("a", "mail"), ("b", "orders"), ("c", "fax"), ("d", "mail")] {
        let receipt = taken(&mut client, "orders", id);
        let then = format!("THEN {to} next RETAIN FOREVER UNIQUE {to} ONDUPLICATE RETURN");
        client.run(&format!("JQ.ACK orders {receipt} {then}")).text();
        client.run("JQ.PURGE orders ready");
    }
    assert_eq!(len(&mut client, "mail"), 1);
    assert_copies_are_alike(&primary, &replica);
}

#[test]
fn transactions_and_scripts_chain_jobs() {
    on_each_wire(|client| {
        let receipt = taken(client, "orders", "a");
        client.run("MULTI");
        client.run(&format!("JQ.ACK orders {receipt} THEN mail next ID b"));
        client.run(&format!("JQ.ACK orders {receipt} THEN mail next ID c"));
        client.run("JQ.LEN mail");
        let done = client.run("EXEC");
        assert_eq!((&done.items()[0], &done.items()[2]), (&bulk("b"), &Reply::Int(1)));
        assert!(done.items()[1].is_nothing());
        let receipt = taken(client, "orders", "d");
        let script =
            "return redis.call('JQ.ACK', KEYS[1], ARGV[1], 'THEN', KEYS[2], 'next', 'ID', 'e')";
        assert_eq!(client.call(&["EVAL", script, "2", "orders", "mail", &receipt]), bulk("e"));
        // A transaction that is not run does nothing.
        let receipt = taken(client, "orders", "f");
        client.run("MULTI");
        client.run(&format!("JQ.ACK orders {receipt} THEN mail next"));
        assert_eq!(client.run("DISCARD"), ok());
        assert_eq!(len(client, "mail"), 2);
    });
}

#[test]
fn without_memory_the_lease_goes_on_and_a_plain_ack_is_taken() {
    let server = Server::start(Options::new().with("--maxmemory-policy noeviction"));
    let mut client = server.client();
    let receipt = taken(&mut client, "orders", "a");
    client.run("CONFIG SET maxmemory 1");
    for to in ["orders", "mail"] {
        let refused = client.run(&format!("JQ.ACK orders {receipt} THEN {to} next"));
        assert_eq!(refused.error_word(), "OOM", "{to}");
    }
    assert_eq!(client.run("JQ.LEN orders leased"), Reply::Int(1));
    assert_eq!(client.run(&format!("JQ.ACK orders {receipt}")), Reply::Int(1));
}

#[test]
fn who_may_not_use_the_other_queue_has_no_successor_there() {
    let server = Server::plain();
    let mut admin = server.client();
    for (rule, may) in [
        ("+jq.publish ~orders", false),
        ("+jq.publish ~orders %R~mail", false),
        ("~orders ~mail", false),
        ("+jq.publish ~orders ~mail", true),
    ] {
        let receipt = taken(&mut admin, "orders", "a");
        let rules = "reset on nopass +jq.ack +eval +multi +exec";
        admin.run(&format!("ACL SETUSER someone {rules} {rule}"));
        let mut client = server.client();
        client.run("AUTH someone x");
        let line = format!("JQ.ACK orders {receipt} THEN mail next");
        let script = ["EVAL", "return redis.call(unpack(ARGV))", "0"];
        let words: Vec<_> = line.split(' ').collect();
        let answers = [client.run(&line), client.call(&[&script[..], &words].concat())];
        let refused = |answer: &&Reply| matches!(answer, Reply::Error(_));
        assert_eq!(answers.iter().filter(refused).count(), if may { 0 } else { 2 }, "{answers:?}");
        assert_eq!(admin.run("EXISTS mail"), Reply::Int(may.into()), "{rule}");
        if rule == "~orders ~mail" {
            // Nor in its own queue, where it may not publish.
            let line = format!("JQ.ACK orders {receipt} THEN orders next");
            assert_eq!(client.run(&line).error_word(), "NOPERM");
        }
        admin.run("JQ.DELETE orders a");
    }
}

#[test]
fn queues_of_a_chain_share_a_slot() {
    let cluster = Cluster::start();
    let (owner, _) = cluster.owner_and_other("{shop}:orders");
    let mut client = owner.client();
    let receipt = taken(&mut client, "{shop}:orders", "a");
    let ack = format!("JQ.ACK {{shop}}:orders {receipt} THEN");
    assert_eq!(client.run(&format!("{ack} mail next")).error_word(), "CROSSSLOT");
    assert_eq!(client.run("JQ.LEN {shop}:orders leased"), Reply::Int(1));
    assert_eq!(client.run(&format!("{ack} {{shop}}:mail next ID b")), bulk("b"));
    assert_eq!(client.run("JQ.LEN {shop}:mail"), Reply::Int(1));
}

#[test]
fn what_has_come_of_the_work_so_far_is_what_its_holder_said_last() {
    on_each_wire(|client| {
        client.run("JQ.CONFIG orders SET maxbody 16");
        let result = |client: &mut Client| -> Vec<Reply> {
            client.run("JQ.RESULT orders a").items().to_vec()
        };
        client.run("JQ.PUBLISH orders work ID a RETAIN 60000 BACKOFF none");
        let receipt = client.run("JQ.CONSUME orders").items()[0].items()[1].text();
        assert_eq!(result(client), [bulk("leased"), Reply::Null]);
        for so_far in ["half", "most"] {
            client.run(&format!("JQ.TOUCH orders RESULT {so_far} {receipt}"));
            assert_eq!(result(client), [bulk("leased"), bulk(so_far)]);
            client.run(&format!("JQ.TOUCH orders {receipt}"));
        }
        let long = format!("JQ.TOUCH orders RESULT {} {receipt}", "x".repeat(17));
        assert_eq!(client.run(&long).error_word(), "TOOBIG");
        // What was reached is there for the next attempt, and nobody else has a say.
        client.run(&format!("JQ.NACK orders {receipt}"));
        let late = client.run(&format!("JQ.TOUCH orders RESULT late {receipt}"));
        assert!(late.items()[0].is_nothing());
        assert_eq!(result(client), [bulk("ready"), bulk("most")]);
        let receipt = client.run("JQ.CONSUME orders").items()[0].items()[1].text();
        assert_eq!(client.run(&format!("JQ.ACK orders {receipt}")), Reply::Int(1));
        assert_eq!(result(client), [bulk("completed"), bulk("most")]);
        let late = client.run(&format!("JQ.TOUCH orders RESULT late {receipt}"));
        assert!(late.items()[0].is_nothing());
        client.run("JQ.DELETE orders a");

        let receipt = taken(client, "orders", "a");
        client.run(&format!("JQ.TOUCH orders RESULT half {receipt}"));
        assert_eq!(
            client.run(&format!("JQ.FULFILL orders {receipt} all RETAIN 1000")),
            Reply::Int(1)
        );
        assert_eq!(result(client), [bulk("completed"), bulk("all")]);
    });
}

#[test]
fn how_far_the_work_has_come_is_told_with_the_job() {
    on_each_wire(|client| {
        let receipt = taken(client, "orders", "a");
        assert!(client.run("JQ.JOB orders a").field("progress").is_nothing());
        let until = client.run(&format!("JQ.TOUCH orders PROGRESS 40 TTR 90000 {receipt}"));
        assert!(until.items()[0].int() > 0);
        assert_eq!(client.run("JQ.JOB orders a").field("progress"), Reply::Int(40));
        client.run(&format!("JQ.TOUCH orders {receipt}"));
        let most = "9007199254740991";
        client.run(&format!("JQ.TOUCH orders progress {most} {receipt} gone@9"));
        assert_eq!(client.run("JQ.JOB orders a").field("progress").int().to_string(), most);
        for bad in ["-1", "9007199254740992", "half"] {
            let line = format!("JQ.TOUCH orders PROGRESS {bad} {receipt}");
            assert_eq!(client.run(&line).error_word(), "RANGE", "{bad}");
        }
        let line = format!("JQ.TOUCH orders {receipt} PROGRESS 1");
        assert_eq!(client.run(&line).error_word(), "SYNTAX");
        client.run(&format!("JQ.FULFILL orders {receipt} done RETAIN FOREVER"));
        assert_eq!(client.run("JQ.JOB orders a").field("progress").int().to_string(), most);
    });
}
