//! What operators do to a server under load. Each is done again and again; afterwards the replica and
//! the logs are compared with the primary, and everything goes on.

use super::{pair::Pair, tally::Tally};
use crate::{
    blocking::nobody_waits,
    replies::bodies,
    support::{
        load::{many, seed, Load},
        module_path, wait_for, Client, Options, Reply,
    },
};

/// Operations between two deeds.
const STEPS: usize = 40;

/// Something that an operator does. It is given how often it was done before.
type Deed = fn(&mut Client, usize);

/// Does it under load, with consumers that wait all the while in two databases, and compares.
fn under_load(fault: &'static str, options: Options, queues: &[&str], deed: Deed) {
    let mut tally = Tally::of(fault);
    let pair = Pair::start(options);
    let mut operator = pair.primary.client();
    let mut bystanders = [0, 1].map(|db| {
        let mut client = pair.primary.client();
        client.run(&format!("SELECT {db}"));
        client.send(&["JQ.CONSUME", "bystander", "BLOCK", "0", "TTR", "3600000"]);
        (db, client)
    });
    let mut load = Load::new(&pair.primary, queues, seed());
    for round in 0..many(40, 10) {
        load.steps(STEPS);
        deed(&mut operator, round);
        tally.add("times done", 1);
        tally.add("operations meanwhile", STEPS);
    }
    load.steps(200);
    load.finish();
    // Whoever waited all the while is served: each in the database that he has selected.
    for (db, client) in &mut bystanders {
        operator.run(&format!("SELECT {db}"));
        operator.run(&format!("JQ.PUBLISH bystander {db} DELAY 5"));
        assert_eq!(bodies(&client.read()), [db.to_string()], "{load}");
    }
    nobody_waits(&pair.primary);
    pair.assert_alike(&mut tally);
}

const QUEUES: [&str; 3] = ["q0", "q1", "brief"];

#[track_caller]
fn ok(client: &mut Client, line: &str) {
    assert_eq!(client.run(line).text(), "OK", "{line}");
}

#[test]
fn clients_that_are_paused_under_load_are_all_answered_and_no_copy_differs() {
    under_load("clients paused", Options::new(), &QUEUES, |operator, round| {
        ok(operator, &format!("CLIENT PAUSE 15 {}", ["WRITE", "ALL"][round % 2]));
    });
}

#[test]
fn a_server_that_stands_still_for_a_while_differs_from_no_copy() {
    under_load("server asleep", Options::new(), &QUEUES, |operator, _| {
        ok(operator, "DEBUG SLEEP 0.02");
    });
}

#[test]
fn a_reload_under_load_differs_from_no_copy() {
    // No queue that expires: what is over its time is dropped by a reload without a word to replicas.
    under_load("server reloaded", Options::new(), &["q0"], |operator, _| {
        ok(operator, "DEBUG RELOAD")
    });
}

#[test]
fn a_change_of_the_servers_identity_under_load_differs_from_no_copy() {
    under_load("replication id changed", Options::new(), &QUEUES, |operator, _| {
        ok(operator, "DEBUG CHANGE-REPL-ID");
    });
}

#[test]
fn databases_that_are_swapped_under_load_keep_those_who_wait_and_all_timers() {
    under_load("databases swapped", Options::new(), &QUEUES, |operator, round| {
        // Jobs of both come due after the swap.
        for db in [0, 1] {
            ok(operator, &format!("SELECT {db}"));
            operator.run(&format!("JQ.PUBLISH {} x DELAY 3", QUEUES[round % 2]));
        }
        ok(operator, "SWAPDB 0 1");
    });
}

#[test]
fn a_server_that_is_emptied_under_load_is_used_again_at_once() {
    const HOWS: [&str; 4] = ["FLUSHALL", "FLUSHALL ASYNC", "FLUSHDB SYNC", "FLUSHDB ASYNC"];
    under_load("server emptied", Options::new(), &QUEUES, |operator, round| {
        ok(operator, HOWS[round % HOWS.len()]);
    });
}

#[test]
fn a_module_with_queues_and_consumers_can_neither_be_unloaded_nor_loaded_twice() {
    under_load("module unloaded and loaded", Options::new(), &QUEUES, |operator, _| {
        assert!(matches!(operator.run("MODULE UNLOAD jobq"), Reply::Error(_)));
        let path = module_path().to_string_lossy();
        assert!(matches!(operator.call(&["MODULE", "LOAD", &path]), Reply::Error(_)));
    });
}

#[test]
fn a_server_that_frees_lazily_and_defragments_differs_from_no_copy() {
    let settings = "--lazyfree-lazy-eviction yes --lazyfree-lazy-expire yes \
                    --lazyfree-lazy-server-del yes --lazyfree-lazy-user-del yes \
                    --lazyfree-lazy-user-flush yes --replica-lazy-flush yes \
                    --active-defrag-ignore-bytes 1 --active-defrag-threshold-lower 0 \
                    --active-defrag-threshold-upper 1 --active-defrag-cycle-min 50";
    let words = settings.split_whitespace().collect::<Vec<_>>().join(" ");
    under_load(
        "lazy freeing and defragmentation",
        Options::new().with(&words),
        &QUEUES,
        |operator, round| {
            let answer = operator.run("CONFIG SET activedefrag yes");
            if round == 0 && answer != Reply::Status("OK".into()) {
                println!("this server is built without active defragmentation");
            }
            operator.run("MEMORY PURGE");
        },
    );
}

#[test]
fn a_monitor_sees_what_is_asked_and_disturbs_nothing() {
    under_load("monitors", Options::new(), &QUEUES, |operator, round| {
        // The operator's own connection stays one for commands: monitors come and go.
        let port = operator.run("CONFIG GET port").items()[1].text();
        let mut monitor = Client::connect(port.parse().expect("a port")).expect("a connection");
        ok(&mut monitor, "MONITOR");
        let line = format!("JQ.PUBLISH q0 seen-{round} DELAY 1");
        operator.run(&line);
        let sees = |monitor: &mut Client| monitor.read().text().contains(&format!("seen-{round}"));
        wait_for(&line, || sees(&mut monitor).then_some(()));
    });
}

#[test]
fn consumers_that_wait_are_not_closed_for_being_idle() {
    let mut tally = Tally::of("idle clients closed");
    let pair = Pair::start(Options::new());
    let mut consumers: Vec<_> = (0..10).map(|_| pair.primary.client()).collect();
    for consumer in &mut consumers {
        consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    }
    let mut waiter = pair.primary.client();
    pair.primary.run("JQ.PUBLISH other x ID a DELAY 3600000");
    waiter.send(&["JQ.RESULT", "other", "a", "BLOCK", "0"]);
    pair.primary.wait_for_blocked(11);
    let mut idle = pair.primary.client();
    idle.run("PING");
    pair.primary.run("CONFIG SET timeout 1");
    assert!(idle.try_read().is_err(), "one who does not wait is closed");
    super::jobs::publish(&mut pair.primary.client(), "mail", 0..10, "DELAY 5");
    for consumer in &mut consumers {
        assert_eq!(super::jobs::numbers(&consumer.read()).len(), 1);
    }
    pair.primary.run("JQ.FULFILL other a result");
    assert_eq!(waiter.read().items()[1].text(), "result");
    tally.add("clients that waited on", 11);
}
