//! What is kept: the same queue from the log, from a snapshot, on every replica, and under another
//! name.

use std::collections::HashSet;

use crate::support::{
    likeness::{assert_alike, digests, freeze, reloaded, replayed, rewrite_log, thaw, Digests},
    load::{many, seed, Load},
    wait_for, Client, Options, Reply, Server,
};

const QUEUES: [&str; 4] = ["q0", "q1", "q2", "brief"];

fn logging(preamble: &str) -> Options {
    let settings = "--appendonly yes --appendfsync no --aof-use-rdb-preamble";
    Options::new().with(&format!("{settings} {preamble}"))
}

fn replica_of(primary: &Server, settings: &str) -> Server {
    let options = logging("no").with(&format!("--replicaof 127.0.0.1 {}", primary.port()));
    let replica = Server::start(options.with(settings));
    replica.catch_up_with(primary);
    replica
}

/// After any history, all forms in which a server's queues exist are equal.
fn all_copies_are_alike(preamble: &str, seed: u64) {
    let primary = Server::start(logging(preamble));
    let replica = replica_of(&primary, "--repl-diskless-sync no");
    let sub_replica = replica_of(&replica, "--repl-diskless-sync no");
    let mut load = Load::new(&primary, &QUEUES, seed);
    load.steps(many(50_000, 2_500));
    rewrite_log(&replica);
    load.steps(many(50_000, 1_000));
    load.finish();

    freeze(&primary);
    let queues = digests(&primary);
    assert!(queues.len() >= QUEUES.len() - 1, "{:?}", queues.keys());
    replica.catch_up_with(&primary);
    sub_replica.catch_up_with(&replica);
    assert_alike("the replica", &queues, &replica);
    assert_alike("the replica's replica", &queues, &sub_replica);
    assert_alike("the log", &queues, &replayed(&primary));
    assert_alike("the replica's log", &queues, &replayed(&replica));
    assert_alike("the replica's replica's log", &queues, &replayed(&sub_replica));

    rewrite_log(&primary);
    assert_alike("the log rewritten", &queues, &replayed(&primary));
    assert_eq!(primary.run("SAVE").text(), "OK");
    assert_alike("the snapshot", &queues, &reloaded(&primary));
    rewrite_log(&sub_replica);
    assert_alike("the replica's replica's log rewritten", &queues, &replayed(&sub_replica));
    full_syncs_are_alike(&primary, &queues);

    assert_eq!(primary.run("DEBUG RELOAD").text(), "OK");
    assert_alike("the queues themselves, reloaded", &queues, &primary);
    thaw(&primary);
    goes_on(&primary);
    assert_eq!(primary.info("jobq", "jobq_errors_caught"), "0");
}

fn full_syncs_are_alike(primary: &Server, queues: &Digests) {
    for (sync, load) in [("no", "disabled"), ("yes", "disabled"), ("yes", "swapdb")] {
        primary.run(&format!("CONFIG SET repl-diskless-sync {sync}"));
        let replica = replica_of(primary, &format!("--repl-diskless-load {load}"));
        let what = format!("a full sync, diskless {sync}, loading {load}");
        assert_alike(&what, queues, &replica);
        assert_alike(&format!("{what}: its log"), queues, &replayed(&replica));
    }
}

/// A queue is not only equal: it works.
fn goes_on(server: &Server) {
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "another", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    server.run("JQ.PUBLISH another later DELAY 5");
    assert_eq!(consumer.read().items()[0].items()[2].text(), "later");
}

#[test]
fn all_copies_of_a_history_are_alike_with_a_log_of_commands() {
    all_copies_are_alike("no", seed());
}

#[test]
fn all_copies_of_a_history_are_alike_with_a_snapshot_in_the_log() {
    all_copies_are_alike("yes", seed() + 1);
}

#[test]
fn a_log_that_is_rewritten_under_load_misses_nothing() {
    for preamble in ["no", "yes"] {
        let primary = Server::start(logging(preamble));
        let mut load = Load::new(&primary, &QUEUES, seed() + 2);
        for _ in 0..4 {
            load.steps(many(5_000, 300));
            assert!(primary.run("BGREWRITEAOF").text().starts_with("Background"));
            while primary.info("persistence", "aof_rewrite_in_progress") == "1" {
                load.steps(20);
            }
        }
        load.steps(100);
        load.finish();
        freeze(&primary);
        assert_alike("the log", &digests(&primary), &replayed(&primary));
    }
}

/// A way in which a queue gets from one key to another, and the database of the new one.
type Way = (&'static str, fn(&mut Client), u32);

const WAYS: [Way; 8] = [
    ("RENAME", |client| drop(client.run("RENAME from to")), 0),
    (
        "RENAME over another",
        |client| {
            client.run("JQ.PUBLISH to other DELAY 3600000");
            client.run("RENAME from to");
        },
        0,
    ),
    ("MOVE", |client| drop(client.run("MOVE from 1")), 1),
    ("COPY", |client| drop(client.run("COPY from to")), 0),
    ("COPY to another database", |client| drop(client.run("COPY from from DB 1")), 1),
    (
        "COPY over an equal one",
        |client| {
            client.run("COPY from to");
            client.run("COPY from to REPLACE");
        },
        0,
    ),
    ("SWAPDB", |client| drop(client.run("SWAPDB 0 1")), 1),
    ("DUMP and RESTORE", |client| restore(client, &[]), 0),
];

fn restore(client: &mut Client, options: &[&str]) {
    let payload = client.run("DUMP from").bytes().to_vec();
    let words = [b"RESTORE".to_vec(), b"to".to_vec(), b"0".to_vec(), payload];
    let options = options.iter().map(|word| word.as_bytes().to_vec());
    let words: Vec<_> = words.into_iter().chain(options).collect();
    assert_eq!(client.call(&words).text(), "OK");
}

fn name_in(db: u32, way: &str) -> &'static str {
    if db == 0 || !(way.starts_with("MOVE") || way.contains("database") || way == "SWAPDB") {
        "to"
    } else {
        "from"
    }
}

#[test]
fn a_queue_that_goes_elsewhere_keeps_its_digest() {
    for (way, go, db) in WAYS {
        let server = Server::plain();
        let mut client = server.client();
        // Something of everything, and nothing that comes due meanwhile.
        for line in [
            "JQ.CONFIG from SET ttl 3600000 tries 3",
            "JQ.MPUBLISH from 4 a b c d TTR 3600000 BACKOFF exp:3600000:7200000",
            "JQ.PUBLISH from e ID own PRIORITY -3",
            "JQ.PUBLISH from f DELAY 3600000 TTL 0",
            "JQ.CONSUME from COUNT 3 WORKER w",
            "JQ.NACK from own ERROR why DELAY 3600000",
            "JQ.PUBLISH from g ID dead TTR 3600000",
            "JQ.BURY from dead ERROR because",
        ] {
            assert!(!matches!(client.run(line), Reply::Error(_)), "{line}");
        }
        let digest = client.run("JQ.DIGEST from");
        go(&mut client);
        client.run(&format!("SELECT {db}"));
        assert_eq!(client.call(&["JQ.DIGEST", name_in(db, way)]), digest, "{way}");
    }
}

/// A consumer that waits for a queue of this database.
fn waits_in(server: &Server, db: u32, name: &str) -> Client {
    let mut consumer = server.client();
    consumer.run(&format!("SELECT {db}"));
    consumer.send(&["JQ.CONSUME", name, "BLOCK", "0"]);
    server.wait_for_blocked(1);
    consumer
}

#[test]
fn a_queue_that_goes_elsewhere_goes_on_with_its_timers() {
    for (way, go, db) in WAYS {
        let server = Server::plain();
        let mut consumer = waits_in(&server, db, name_in(db, way));
        let mut client = server.client();
        client.run("JQ.PUBLISH from later DELAY 100");
        go(&mut client);
        let served = consumer.read();
        assert_eq!(served.items()[0].items()[2].text(), "later", "{way}");
    }
}

#[test]
fn a_ready_queue_that_goes_elsewhere_serves_who_waits_there() {
    for (way, go, db) in WAYS {
        let server = Server::plain();
        let mut consumer = waits_in(&server, db, name_in(db, way));
        let mut client = server.client();
        client.run("JQ.PUBLISH from now");
        go(&mut client);
        assert_eq!(consumer.read().items()[0].items()[2].text(), "now", "{way}");
    }
}

#[test]
fn a_queue_restored_over_itself_goes_on_with_its_timers() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail later DELAY 100");
    let payload = client.run("DUMP mail").bytes().to_vec();
    let words =
        [b"RESTORE".to_vec(), b"mail".to_vec(), b"0".to_vec(), payload, b"REPLACE".to_vec()];
    assert_eq!(client.call(&words).text(), "OK");
    wait_for("the job", || (client.run("JQ.LEN mail ready") == Reply::Int(1)).then_some(()));
}

/// Publishes a lot of jobs at once.
fn fill(client: &mut Client, queue: &str, jobs: usize) {
    const AT_ONCE: usize = 1000;
    let mut words = vec!["JQ.MPUBLISH".to_string(), queue.into(), AT_ONCE.to_string()];
    words.extend((0..AT_ONCE).map(|n| format!("body {n}")));
    for _ in 0..jobs / AT_ONCE {
        assert_eq!(client.call(&words).items().len(), AT_ONCE);
    }
}

#[test]
fn a_large_queue_is_unlinked_off_the_main_thread() {
    let server = Server::plain();
    let mut client = server.client();
    fill(&mut client, "large", many(1_000_000, 200_000));
    let freed = |server: &Server| server.info("memory", "lazyfreed_objects").parse().unwrap_or(0);
    let before: u64 = freed(&server);
    assert_eq!(client.run("UNLINK large"), Reply::Int(1));
    assert_eq!(client.run("EXISTS large"), Reply::Int(0));
    wait_for("the other thread", || (freed(&server) > before).then_some(()));

    client.run("CONFIG SET lazyfree-lazy-user-del no");
    fill(&mut client, "large", 100_000);
    let before: u64 = freed(&server);
    assert_eq!(client.run("DEL large"), Reply::Int(1));
    assert_eq!(client.run("JQ.LEN large"), Reply::Int(0));
    assert_eq!(freed(&server), before, "DEL frees at once");
}

#[test]
fn a_queue_of_one_job_with_much_else_is_unlinked_off_the_main_thread() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a RETAIN FOREVER");
    client.run("JQ.FULFILL mail a 42");
    let targets: Vec<_> = (0..1_000).map(|n| format!("target {n}")).collect();
    let words = ["JQ.SUBSCRIBE", "mail", "a"].map(String::from).into_iter().chain(targets);
    assert_eq!(client.call(&words.collect::<Vec<_>>()), Reply::Int(1_000));
    let freed = || server.info("memory", "lazyfreed_objects").parse().unwrap_or(0);
    let before: u64 = freed();
    assert_eq!(client.run("UNLINK mail"), Reply::Int(1));
    wait_for("the other thread", || (freed() > before).then_some(()));
}

#[test]
fn a_queue_tells_how_much_memory_it_uses() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail hello ID first");
    client.run("JQ.DELETE mail first");
    let empty = client.run("MEMORY USAGE mail").int();
    fill(&mut client, "mail", 10_000);
    let full = client.run("MEMORY USAGE mail").int();
    assert!(full > empty + 10_000 * 20, "{empty} then {full}");
    while let Reply::Array(jobs) = client.run("JQ.CONSUME mail COUNT 1000") {
        let receipts = jobs.iter().map(|job| job.items()[1].text());
        let words: Vec<_> = ["JQ.ACK".into(), "mail".into()].into_iter().chain(receipts).collect();
        assert_eq!(client.call(&words), Reply::Int(1000));
    }
    let drained = client.run("MEMORY USAGE mail").int();
    assert!(drained < empty + (full - empty) / 10, "{empty}, {full}, then {drained}");
}

#[test]
fn a_queue_is_a_key_like_any_other() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("SET other 1");
    client.run("JQ.PUBLISH mail hello");
    assert_eq!(client.run("TYPE mail").text(), "job-queue");
    assert_eq!(client.run("OBJECT ENCODING mail").text(), "raw");
    assert_eq!(client.run("OBJECT REFCOUNT mail"), Reply::Int(1));
    let scanned = client.run("SCAN 0 COUNT 100 TYPE job-queue");
    let names: Vec<_> = scanned.items()[1].items().iter().map(Reply::text).collect();
    assert_eq!(names, ["mail"]);
    assert_eq!(client.run("EXPIRE mail 1000"), Reply::Int(1));
    assert!(client.run("TTL mail").int() > 0);
    client.run("JQ.PUBLISH mail more");
    assert!(client.run("TTL mail").int() > 0, "a command keeps the time to live");
    assert_eq!(client.run("PERSIST mail"), Reply::Int(1));
    assert_eq!(client.run("PEXPIRE mail 5"), Reply::Int(1));
    wait_for("the queue to expire", || (client.run("EXISTS mail") == Reply::Int(0)).then_some(()));
    assert_eq!(client.run("JQ.LEN mail"), Reply::Int(0));
    client.run("JQ.PUBLISH mail anew");
    assert_eq!(client.run("JQ.LEN mail"), Reply::Int(1));
    client.run("SET mail over");
    assert_eq!(client.run("JQ.LEN mail").error_word(), "WRONGTYPE");
}

#[test]
fn a_job_that_was_due_while_the_server_was_down_is_ready_at_once() {
    let mut server = Server::start(Options::new().with_aof());
    server.run("JQ.PUBLISH mail soon DELAY 10");
    server.run("JQ.PUBLISH mail late DELAY 3600000");
    server.kill();
    server.start_again();
    let mut consumer = server.client();
    let served = consumer.run("JQ.CONSUME mail COUNT 9 BLOCK 0");
    assert_eq!(served.items().len(), 1);
    assert_eq!(served.items()[0].items()[2].text(), "soon");
}

#[test]
fn a_restart_arms_the_timers_without_a_command() {
    for options in [Options::new().with_aof(), Options::new().with("--save 3600 1000000")] {
        let mut server = Server::start(options);
        server.run("JQ.PUBLISH mail soon DELAY 150 TTR 20");
        server.restart();
        let mut client = server.client();
        let len = |client: &mut Client| client.run("JQ.LEN mail ready");
        wait_for("the timer", || (len(&mut client) == Reply::Int(1)).then_some(()));
        // The same for a lease.
        client.run("JQ.CONSUME mail TTR 150");
        server.restart();
        let mut client = server.client();
        wait_for("the lapse", || (len(&mut client) == Reply::Int(1)).then_some(()));
        assert_eq!(client.run("JQ.STATS mail").field("lapsed"), Reply::Int(1));
    }
}

#[test]
fn a_lease_holds_over_a_restart() {
    let mut server = Server::start(Options::new().with_aof());
    server.run("JQ.PUBLISH mail hello");
    let receipt = server.run("JQ.CONSUME mail TTR 3600000").items()[0].items()[1].text();
    let stats = server.run("JQ.STATS mail");
    server.kill_and_restart();
    assert_eq!(server.run("JQ.STATS mail").field("next-due"), stats.field("next-due"));
    assert_eq!(server.run("JQ.CONSUME mail"), Reply::NullArray);
    assert_eq!(server.run(&format!("JQ.ACK mail {receipt}")), Reply::Int(1));
}

/// What a client was told before the server was killed.
#[derive(Default)]
struct Told {
    published: Vec<String>,
    delivered: Vec<String>,
    acked: Vec<String>,
    // Asked for and not answered: it may have happened or not.
    acking: Option<String>,
}

/// Publishes, takes and acks until the server is gone.
fn work(mut client: Client, name: usize) -> Told {
    let mut told = Told::default();
    let mut call = |words: &[&str]| {
        client.send(words);
        client.try_read().ok()
    };
    for n in 0.. {
        let id = format!("{name}-{n}");
        let options = ["ID", &id, "TTR", "3600000"];
        let Some(_) = call(&[["JQ.PUBLISH", "mail"].as_slice(), &["body"], &options].concat())
        else {
            break;
        };
        told.published.push(id);
        let Some(taken) = call(&["JQ.CONSUME", "mail", "COUNT", "2"]) else { break };
        let Reply::Array(jobs) = taken else { continue };
        told.delivered.extend(jobs.iter().map(|job| job.items()[1].text()));
        let receipt = jobs[0].items()[1].text();
        told.acking = Some(receipt.clone());
        let Some(acked) = call(&["JQ.ACK", "mail", &receipt]) else { break };
        assert_eq!(acked, Reply::Int(1));
        told.acked.extend(told.acking.take());
    }
    told
}

#[test]
fn a_server_that_is_killed_keeps_all_that_it_acknowledged() {
    const WORKERS: usize = 4;
    let mut server = Server::start(Options::new().with_aof());
    server.run("JQ.CONFIG mail SET tries 25");
    for round in 0..many(20, 3) {
        let acked = |server: &Server| server.run("JQ.STATS mail").field("acked").int();
        let begun = acked(&server);
        let clients: Vec<_> = (0..WORKERS).map(|_| server.client()).collect();
        let told: Vec<Told> = std::thread::scope(|scope| {
            let numbered = clients.into_iter().zip(round * WORKERS..);
            let workers: Vec<_> =
                numbered.map(|(client, name)| scope.spawn(move || work(client, name))).collect();
            wait_for("some work", || (acked(&server) > begun + 200).then_some(()));
            server.kill();
            workers.into_iter().map(|worker| worker.join().expect("a worker ends")).collect()
        });
        server.start_again();
        all_is_as_told(&server, &told);
    }
}

fn id_of(receipt: &str) -> &str {
    receipt.split('@').next().unwrap_or_default()
}

fn all_is_as_told(server: &Server, told: &[Told]) {
    let mut client = server.client();
    let delivered: Vec<_> = told.iter().flat_map(|told| &told.delivered).collect();
    let receipts: HashSet<_> = delivered.iter().copied().collect();
    assert_eq!(receipts.len(), delivered.len(), "a receipt was given out twice");

    let mut gone = HashSet::new();
    for told in told {
        for receipt in &told.acked {
            let there = client.run(&format!("JQ.DELETE mail {}", id_of(receipt)));
            assert_eq!(there, Reply::Int(0), "{receipt} was acked and is there");
            gone.insert(id_of(receipt));
        }
        gone.extend(told.acking.iter().map(|receipt| id_of(receipt)));
    }
    for id in told.iter().flat_map(|told| &told.published) {
        if !gone.contains(id.as_str()) {
            let there = client.run(&format!("JQ.BURY mail {id}"));
            assert_eq!(there, Reply::Int(1), "{id} was published and is not there");
        }
    }
    // Delivered anew, they have receipts that nobody has seen.
    client.run("JQ.RESPAWN mail ALL");
    while let Reply::Array(jobs) = client.run("JQ.CONSUME mail COUNT 100 TTR 3600000") {
        for job in jobs {
            let receipt = job.items()[1].text();
            assert!(!receipts.contains(&receipt), "{receipt} was given out twice");
            assert_eq!(client.run(&format!("JQ.ACK mail {receipt}")), Reply::Int(1));
        }
    }
}
