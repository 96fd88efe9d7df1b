//! Connections that are cut without a word, severed, or hung up in the middle of a command.

use rand::{rngs::StdRng, Rng, SeedableRng};

use super::{
    caller::Place,
    crew::Crew,
    judge::{judge, QUEUES},
    tally::Tally,
};
use crate::{
    replies::names,
    support::{
        encoded,
        load::{many, seed},
        wait_for, Client, Proxy, Reply, Server,
    },
};

fn connect(proxy: &Proxy) -> Client {
    Client::connect(proxy.port()).expect("the cable has an end")
}

fn len(server: &Server, state: &str) -> i64 {
    server.run(&format!("JQ.LEN mail {state}")).int()
}

fn stat(server: &Server, name: &str) -> i64 {
    server.run("JQ.STATS mail").field(name).int()
}

/// All that is known of the queue but what time it is.
fn counts(server: &Server) -> Vec<(String, Reply)> {
    let stats = server.run("JQ.STATS mail").pairs();
    stats.into_iter().filter(|(name, _)| name != "clock").collect()
}

#[test]
fn a_consumer_that_vanished_while_it_waited_costs_one_lease_and_no_job() {
    const VANISHED: usize = 5;
    const JOBS: usize = 2 * VANISHED;
    let mut tally = Tally::of("cable cut under waiting consumers");
    for _ in 0..many(20, 2) {
        let server = Server::plain();
        let proxy = Proxy::to(server.port());
        let mut vanished: Vec<_> = (0..VANISHED).map(|_| connect(&proxy)).collect();
        for consumer in &mut vanished {
            consumer.send(&["JQ.CONSUME", "mail", "TTR", "300", "BLOCK", "0"]);
        }
        server.wait_for_blocked(VANISHED);
        proxy.cut();
        let mut client = server.client();
        for job in 1..=JOBS {
            client.run(&format!("JQ.PUBLISH mail hello ID job-{job}"));
        }
        // The server cannot know: it has written to each of them, once.
        assert_eq!(stat(&server, "delivered"), VANISHED as i64);
        assert!(vanished.iter_mut().all(Client::is_waiting));
        let mut receipts = Vec::new();
        while receipts.len() < JOBS {
            let jobs = client.run("JQ.CONSUME mail TTR 3600000 BLOCK 0 COUNT 100");
            receipts.extend(names(&jobs));
        }
        assert_eq!(stat(&server, "lapsed"), VANISHED as i64);
        assert_eq!(stat(&server, "delivered"), (VANISHED + JOBS) as i64);
        let (before, after) = receipts.split_at(JOBS / 2);
        assert_eq!(client.run(&format!("JQ.ACK mail {}", before.join(" "))).int(), 5);

        proxy.heal();
        for consumer in &mut vanished {
            let late = names(&consumer.read());
            assert_eq!(late.len(), 1);
            assert!(!receipts.contains(&late[0]), "{late:?}");
            let before = counts(&server);
            assert!(consumer.run(&format!("JQ.TOUCH mail {}", late[0])).items()[0].is_nothing());
            for verb in ["NACK", "RELEASE", "BURY", "ACK"] {
                let told = consumer.run(&format!("JQ.{verb} mail {}", late[0]));
                assert_eq!(told, Reply::Int(0), "{verb} {late:?}");
            }
            assert_eq!(counts(&server), before);
        }
        assert_eq!(client.run(&format!("JQ.ACK mail {}", after.join(" "))).int(), 5);
        assert_eq!(server.run("JQ.LEN mail"), Reply::Int(0));
        assert_eq!(stat(&server, "acked"), JOBS as i64);
        tally.add("consumers that vanished", VANISHED);
        tally.add("late acks refused", VANISHED);
        tally.add("jobs", JOBS);
    }
}

#[test]
fn a_consumer_whose_connection_was_closed_costs_nothing() {
    let server = Server::plain();
    let proxy = Proxy::to(server.port());
    let mut consumer = connect(&proxy);
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    proxy.sever();
    server.wait_for_blocked(0);
    server.run("JQ.PUBLISH mail hello ID a");
    assert_eq!(len(&server, "ready"), 1);
    assert_eq!(stat(&server, "delivered"), 0);
}

#[test]
fn a_publish_that_is_repeated_with_its_id_publishes_once() {
    let mut tally = Tally::of("cable cut under producers");
    let mut random = StdRng::seed_from_u64(seed());
    let server = Server::plain();
    let proxy = Proxy::to(server.port());
    let mut jobs = 0;
    for _ in 0..many(200, 20) {
        jobs += 1;
        let line = ["JQ.PUBLISH", "mail", "hello", "ID", &format!("job-{jobs}")].map(String::from);
        let duplicate = Reply::Error(format!("DUPLICATE job-{jobs}"));
        let mut producer = connect(&proxy);
        producer.run("PING");
        let is_cut = random.random_bool(0.5);
        if is_cut {
            proxy.cut();
            producer.send(&line);
            assert_eq!(server.run("JQ.LEN mail"), Reply::Int(jobs - 1));
        } else {
            producer.send(&line);
            wait_for("the job", || (len(&server, "ready") == jobs).then_some(()));
        }
        // Without an answer it cannot know whether its job is there, and asks on another way.
        let told = server.client().call(&line);
        proxy.heal();
        if is_cut {
            assert_eq!(told.text(), format!("job-{jobs}"));
            assert_eq!(producer.read(), duplicate, "what was on its way came second");
            tally.add("publishes that came late", 1);
        } else {
            assert_eq!(told, duplicate);
        }
        assert_eq!(server.run("JQ.LEN mail"), Reply::Int(jobs));
        tally.add("publishes repeated", 1);
    }
    assert_eq!(stat(&server, "published"), jobs);
}

#[test]
fn a_command_that_is_cut_off_anywhere_did_nothing() {
    let mut tally = Tally::of("connection closed within a command");
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail leased ID a TTR 3600000");
    client.run("JQ.PUBLISH mail ready ID b");
    let receipt = names(&client.run("JQ.CONSUME mail"))[0].clone();
    let digest = client.run("JQ.DIGEST mail");
    let lines = [
        "JQ.PUBLISH mail new ID c DELAY 1".to_string(),
        "JQ.MPUBLISH mail 2 new newer".into(),
        "JQ.CONSUME mail COUNT 10 BLOCK 0".into(),
        format!("JQ.ACK mail {receipt}"),
        format!("JQ.FULFILL mail {receipt} done"),
        "JQ.DELETE mail a b".into(),
        "JQ.PURGE mail ready ALL".into(),
    ];
    for line in &lines {
        for transaction in [false, true] {
            let before: &[&str] = if transaction { &["MULTI"] } else { &[] };
            let after: &[&str] = if transaction { &["EXEC"] } else { &[] };
            let lines = [before, &[line], after].concat();
            let bytes: Vec<u8> = lines
                .iter()
                .flat_map(|line| encoded(&line.split(' ').collect::<Vec<_>>()))
                .collect();
            for len in 0..bytes.len() {
                let mut cut_off = server.client();
                cut_off.send_bytes(&bytes[..len]);
                cut_off.hang_up();
                tally.add("commands cut off", 1);
            }
        }
    }
    // The client above, and the one that asks.
    server.wait_until_it_tells("clients", "connected_clients", "2");
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
    assert_eq!(stat(&server, "published"), 2);
    assert_eq!(stat(&server, "delivered"), 1);
    assert_eq!(server.info("jobq", "jobq_waiters"), "0");
}

#[test]
fn nothing_is_lost_over_connections_that_break_all_the_time() {
    let mut random = StdRng::seed_from_u64(seed());
    let mut tally = Tally::of("connections broken under load");
    let server = Server::plain();
    let proxy = Proxy::to(server.port());
    let crew = Crew::start(Place::at(proxy.port()), &QUEUES, 0, seed());
    for _ in 0..many(400, 40) {
        crew.do_some_work(random.random_range(1..40));
        if random.random_ratio(1, 3) {
            proxy.cut();
            // Some of what was taken lapses before its worker can say anything.
            wait_for("the leases to end", || {
                let leased = |queue| server.run(&format!("JQ.LEN {queue} leased"));
                QUEUES.iter().all(|queue| leased(queue) == Reply::Int(0)).then_some(())
            });
            proxy.heal();
            tally.add("times the cable was cut until all leases ended", 1);
        } else {
            proxy.sever();
            tally.add("times all connections were closed", 1);
        }
    }
    crew.do_some_work(40);
    let mut history = crew.stop();
    let undelivered = server.info("jobq", "jobq_jobs_undelivered").parse();
    tally.add("jobs whose consumer was gone", undelivered.expect("a number"));
    judge(&mut history, &server, &mut tally);
}
