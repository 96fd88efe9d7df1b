//! A slot changes its node again and again under load, and so does the node that serves it.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use rand::{rngs::StdRng, Rng, SeedableRng};

use super::{
    caller::Place,
    crew::{drain, Crew},
    failover::wait_for_role,
    history::{History, Loss},
    judge::assert_promises_are_kept,
    tally::Tally,
};
use crate::support::{
    cluster::{id_of, migrate_line, slot_of, Cluster},
    likeness::{assert_alike, assert_replica_is_alike, digests, freeze, replayed, thaw},
    load::{many, seed},
    wait_for, Client, Reply, Server,
};

const QUEUES: [&str; 2] = ["{mail}:in", "{mail}:out"];

/// Nothing is published there but what a test says.
const QUIET: &str = "{mail}:quiet";

/// A node that is gone for so many milliseconds is taken for dead.
const TIMEOUT: u32 = 3000;

/// After so long a node has forgotten who voted for it: it remembers for four timeouts.
const VOTES_KEPT: Duration = Duration::from_millis(5 * TIMEOUT as u64);

/// Jobs that are finished between two faults.
const WORK: usize = 100;

fn start_crew(cluster: &Cluster, place: usize) -> Crew {
    Crew::start(Place::of(&cluster.nodes[place]), &QUEUES, 0, seed())
}

/// Takes what is left and checks all that clients were told.
fn judge(mut history: History, cluster: &Cluster, mut tally: Tally) {
    drain(&mut history, cluster.nodes[0].port(), &QUEUES);
    for node in &cluster.nodes {
        assert_eq!(node.info("jobq", "jobq_errors_caught"), "0");
        assert!(!node.log().contains("CRITICAL"), "{}", node.log());
    }
    assert_promises_are_kept(&history, &mut tally);
}

/// A client of `node` that waits.
fn blocked(node: &Server, line: &str) -> Client {
    let mut client = node.client();
    let id = client.run("CLIENT ID").int();
    // Where the slot is on its way here, it has to ask for it; elsewhere that means nothing.
    client.run("ASKING");
    client.send(&line.split(' ').collect::<Vec<_>>());
    wait_for("a client to be blocked", || {
        let line = node.run(&format!("CLIENT LIST ID {id}")).text();
        line.contains("flags=b").then_some(())
    });
    client
}

/// Moves the slot of the queues as `redis-cli` does it, with some work done in each of the states
/// on the way.
fn move_under_load(from: &Server, to: &Server, cluster: &Cluster, crew: &Crew, tally: &mut Tally) {
    let some_work = || crew.do_some_work(WORK / 5);
    let slot = slot_of(from, QUIET);
    let mut left_behind = [
        blocked(from, &format!("JQ.CONSUME {QUIET} BLOCK 0")),
        blocked(from, &format!("JQ.CONSUME {QUIET} BLOCK 0 ALSO {{mail}}:unheard")),
    ];
    cluster.open(slot, from, to);
    some_work();
    let mut early = blocked(to, &format!("JQ.CONSUME {QUIET} BLOCK 0"));
    assert_eq!(from.run(&migrate_line(QUEUES[0], to)).text(), "OK");
    several_queues_are_refused_half_way(from, to);
    some_work();
    assert_eq!(from.run(&migrate_line(QUEUES[1], to)).text(), "OK");
    some_work();
    for name in from.run(&format!("CLUSTER GETKEYSINSLOT {slot} 100")).items() {
        assert_eq!(from.run(&migrate_line(&name.text(), to)).text(), "OK");
    }
    cluster.assign(slot, to);
    let moved = format!("MOVED {slot} 127.0.0.1:{}", to.port());
    for client in &mut left_behind {
        assert_eq!(client.read(), Reply::Error(moved.clone()));
    }
    assert_eq!(to.run(&format!("JQ.PUBLISH {QUIET} hello ID a")).text(), "a");
    assert_eq!(early.read().items()[0].items()[2].text(), "hello");
    assert_eq!(to.run(&format!("JQ.ACK {QUIET} a")), Reply::Int(1));
    tally.add("slots moved", 1);
    tally.add("waiting clients sent on", left_behind.len());
}

/// While only some of several queues have moved, nobody can take from all of them.
fn several_queues_are_refused_half_way(from: &Server, to: &Server) {
    let several = format!("JQ.CONSUME {} ALSO {}", QUEUES[0], QUEUES[1]);
    // Some servers see it at once, others only where they send the client to.
    let told = from.run(&several);
    assert!(["TRYAGAIN", "ASK"].contains(&told.error_word()), "{told:?}");
    let mut client = to.client();
    assert_eq!(client.run(&several).error_word(), "MOVED");
    client.run("ASKING");
    assert_eq!(client.run(&several).error_word(), "TRYAGAIN");
    let elsewhere = format!("JQ.CONSUME {} ALSO fax", QUEUES[0]);
    assert_eq!(client.run(&elsewhere).error_word(), "CROSSSLOT");
}

#[test]
fn a_slot_that_moves_again_and_again_under_load_loses_nothing() {
    let mut random = StdRng::seed_from_u64(seed());
    let cluster = Cluster::start();
    let mut tally = Tally::of("slot moved from node to node");
    let mut at = cluster.place_of(QUEUES[0]);
    let crew = start_crew(&cluster, at);
    crew.do_some_work(WORK);
    for _ in 0..many(60, 5) {
        let next = (at + random.random_range(1..3)) % 3;
        move_under_load(&cluster.nodes[at], &cluster.nodes[next], &cluster, &crew, &mut tally);
        at = next;
        crew.do_some_work(WORK);
    }
    let history = crew.stop();
    for (word, what) in [
        ("MOVED", "requests sent on for good (MOVED)"),
        ("ASK", "requests sent on for once (ASK)"),
        ("TRYAGAIN", "requests put off (TRYAGAIN)"),
    ] {
        let told: usize = cluster.nodes.iter().map(|node| told(node, word)).sum();
        // The test itself asks for at most four of each, each time.
        assert!(told > 4 * many(60, 5), "{word} was told {told} times");
        tally.add(what, told);
    }
    moves_as_it_is(&cluster, at);
    judge(history, &cluster, tally);
}

/// How often a node has answered with an error of this word.
fn told(node: &Server, word: &str) -> usize {
    let stats = node.run("INFO errorstats").text();
    let line =
        stats.lines().find_map(|line| line.strip_prefix(&format!("errorstat_{word}:count=")));
    line.map_or(0, |count| count.trim().parse().expect("a number"))
}

/// What stands still is the same on the other node, and in its log.
fn moves_as_it_is(cluster: &Cluster, at: usize) {
    let (from, to) = (&cluster.nodes[at], &cluster.nodes[(at + 1) % 3]);
    wait_for("all to stand still", || {
        let mut counts = QUEUES.iter().flat_map(|queue| {
            ["delayed", "leased"].map(|state| from.run(&format!("JQ.LEN {queue} {state}")))
        });
        counts.all(|count| count == Reply::Int(0)).then_some(())
    });
    let before = digests(from);
    assert_eq!(before.len(), QUEUES.len() + 1);
    let slot = slot_of(from, QUIET);
    cluster.open(slot, from, to);
    for name in from.run(&format!("CLUSTER GETKEYSINSLOT {slot} 100")).items() {
        assert_eq!(from.run(&migrate_line(&name.text(), to)).text(), "OK");
    }
    cluster.assign(slot, to);
    assert_alike("the other node", &before, to);
    freeze(to);
    assert_alike("its log", &before, &replayed(to));
    thaw(to);
}

/// Runs `redis-cli --cluster`. False if it is not content.
fn redis_cli(cluster: &Cluster, words: &[&str]) -> bool {
    let node = format!("127.0.0.1:{}", cluster.nodes[0].port());
    let (what, options) = words.split_first().expect("it is told what to do");
    let mut command = Command::new("redis-cli");
    let output = command.args(["--cluster", what, &node]).args(options).output();
    output.expect("redis-cli is in the path").status.success()
}

#[test]
fn redis_cli_moves_a_slot_under_load() {
    let cluster = Cluster::start();
    let mut tally = Tally::of("slot moved by redis-cli --cluster reshard");
    let mut at = cluster.place_of(QUEUES[0]);
    assert_eq!(at, 0);
    // It begins with the lowest slot of a node, which this one is on the others.
    let slot = slot_of(&cluster.nodes[0], QUIET);
    cluster.open(slot, &cluster.nodes[0], &cluster.nodes[1]);
    cluster.assign(slot, &cluster.nodes[1]);
    at += 1;
    let crew = start_crew(&cluster, at);
    for _ in 0..many(20, 2) {
        crew.do_some_work(WORK);
        let next = 3 - at;
        let (from, to) = (id_of(&cluster.nodes[at]), id_of(&cluster.nodes[next]));
        wait_for("the nodes to agree", || redis_cli(&cluster, &["check"]).then_some(()));
        let ends = ["--cluster-from", &from, "--cluster-to", &to];
        let line = [&["reshard"], &ends[..], &["--cluster-slots", "1", "--cluster-yes"]].concat();
        assert!(redis_cli(&cluster, &line));
        at = next;
        assert_eq!(cluster.place_of(QUEUES[0]), at);
        tally.add("slots moved", 1);
    }
    crew.do_some_work(WORK);
    judge(crew.stop(), &cluster, tally);
}

/// A cluster with a replica of the node that serves the queues, and the places of the two.
fn cluster_with_a_replica() -> (Cluster, [usize; 2]) {
    let mut cluster = Cluster::start_with_timeout(TIMEOUT);
    let at = cluster.place_of(QUEUES[0]);
    cluster.add_replica_of(at);
    (cluster, [at, 3])
}

fn is_primary(node: &Server) -> bool {
    node.tells("replication", "role", "master")
}

/// Has a replica take over. It has to ask again as long as the others, who vote on each node once
/// in a while only, refuse.
fn take_over(replica: &Server) {
    let given_up = || replica.log().matches("Manual failover timed out").count();
    let mut asked_after = None;
    wait_for("the failover", || {
        let given_up = given_up();
        if !is_primary(replica) && asked_after.is_none_or(|before| given_up > before) {
            assert_eq!(replica.run("CLUSTER FAILOVER").text(), "OK");
            asked_after = Some(given_up);
        }
        is_primary(replica).then_some(())
    });
}

#[test]
fn a_replica_that_is_told_to_take_over_a_node_of_a_cluster_under_load_loses_nothing() {
    let (cluster, [mut at, mut next]) = cluster_with_a_replica();
    let mut tally = Tally::of("coordinated failover in a cluster");
    let crew = start_crew(&cluster, (at + 1) % 3);
    let mut took_over = [None; 4];
    for _ in 0..many(6, 2) {
        crew.do_some_work(WORK);
        // A node that takes over again too soon counts the votes of before, and loses what it does
        // then to the one that it took for gone.
        while took_over[next].is_some_and(|at: Instant| at.elapsed() < VOTES_KEPT) {
            crew.do_some_work(WORK);
        }
        let (old, new) = (&cluster.nodes[at], &cluster.nodes[next]);
        let mut waiting = blocked(old, &format!("JQ.CONSUME {QUIET} BLOCK 0"));
        take_over(new);
        took_over[next] = Some(Instant::now());
        let told = waiting.read();
        assert!(["UNBLOCKED", "MOVED"].contains(&told.error_word()), "{told:?}");
        crew.do_some_work(WORK);
        cluster.wait_for_replica(old, new);
        (at, next) = (next, at);
        tally.add("failovers", 1);
    }
    let history = crew.stop();
    assert_replica_is_alike(&cluster.nodes[at], &cluster.nodes[next]);
    judge(history, &cluster, tally);
}

#[test]
fn a_cluster_goes_on_without_a_node_that_is_killed_under_load() {
    let (mut cluster, [mut at, mut next]) = cluster_with_a_replica();
    let mut tally = Tally::of("node of a cluster killed");
    let crew = start_crew(&cluster, (at + 1) % 3);
    let mut losses = Vec::new();
    for _ in 0..many(8, 1) {
        crew.do_some_work(WORK);
        let from = Instant::now();
        let offset = |node: &Server, field| -> u64 {
            node.info("replication", field).parse().expect("an offset is a number")
        };
        let written = offset(&cluster.nodes[at], "master_repl_offset");
        wait_for("the replica to have all of before", || {
            (offset(&cluster.nodes[next], "slave_repl_offset") >= written).then_some(())
        });
        crew.do_some_work(WORK / 5);
        cluster.nodes[at].kill();
        losses.push(Loss { from, until: Instant::now(), server: None });
        wait_for_role(&cluster.nodes[next], "master");
        crew.do_some_work(WORK);
        cluster.nodes[at].start_again();
        cluster.wait_for_replica(&cluster.nodes[at], &cluster.nodes[next]);
        (at, next) = (next, at);
        tally.add("kills", 1);
    }
    crew.do_some_work(WORK);
    let mut history = crew.stop();
    history.losses = losses;
    judge(history, &cluster, tally);
}
