//! A queue is in one slot, and moves with it.

use crate::{
    replies::ids,
    support::{
        cluster::{id_of, migrate_line, slot_of, Cluster},
        likeness::{assert_alike, digests, freeze},
        wait_for, Client, Reply, Server,
    },
};

fn waiting(node: &Server, line: &str, blocked: usize) -> Client {
    let mut consumer = node.client();
    consumer.send(&line.split(' ').collect::<Vec<_>>());
    node.wait_for_blocked(blocked);
    consumer
}

#[test]
fn a_queue_is_served_where_its_slot_is_and_several_share_a_hash_tag() {
    let cluster = Cluster::start();
    let (owner, other) = cluster.owner_and_other("{mail}:in");
    let moved = format!("MOVED {} 127.0.0.1:{}", slot_of(owner, "{mail}:in"), owner.port());
    for line in [
        "JQ.PUBLISH {mail}:in hello",
        "JQ.CONSUME {mail}:in",
        "JQ.CONSUME {mail}:in BLOCK 0 ALSO {mail}:out",
        "JQ.ACK {mail}:in a",
        "JQ.PEEK {mail}:in",
        "JQ.STATS {mail}:in",
        "JQ.CONFIG {mail}:in GET",
    ] {
        assert_eq!(other.run(line), Reply::Error(moved.clone()), "{line}");
    }
    let mut client = owner.client();
    client.run("JQ.PUBLISH {mail}:out hello");
    let line = "JQ.CONSUME {mail}:in BLOCK 0 ALSO fax";
    assert_eq!(client.run(line).error_word(), "CROSSSLOT");
    let line = "JQ.CONSUME {mail}:in BLOCK 0 ALSO {mail}:out";
    assert_eq!(client.run(line).items()[0].items()[0].text(), "{mail}:out");
    let mut consumer = waiting(owner, line, 1);
    client.run("JQ.PUBLISH {mail}:out more DELAY 5");
    assert_eq!(consumer.read().items()[0].items()[2].text(), "more");
}

#[test]
fn a_busy_queue_moves_with_its_slot() {
    let cluster = Cluster::start();
    let queue = "{mail}:in";
    let (from, to) = cluster.owner_and_other(queue);
    let slot = slot_of(from, queue);
    let mut consumers = [
        waiting(from, "JQ.CONSUME {mail}:in BLOCK 0", 1),
        waiting(from, "JQ.CONSUME {mail}:new BLOCK 0 ALSO {mail}:in", 2),
    ];
    let mut client = from.client();
    client.run("JQ.PUBLISH {mail}:in leased ID a DELAY 3600000");
    client.run("JQ.PUBLISH {mail}:in late ID b DELAY 3600000");
    client.run("JQ.PUBLISH {mail}:in soon ID c DELAY 400");
    let mut producer = waiting(from, "JQ.RESULT {mail}:in b BLOCK 0", 3);
    let digest = client.run("JQ.DIGEST {mail}:in");

    cluster.open(slot, from, to);
    let turns = from.info("jobq", "jobq_timer_turns");
    assert_eq!(client.run(&migrate_line(queue, to)).text(), "OK");
    assert_eq!(from.info("jobq", "jobq_queues_scheduled"), "0");
    assert_eq!(client.run("JQ.LEN {mail}:in").error_word(), "ASK");
    wait_for("a look at who waits", || {
        (from.info("jobq", "jobq_timer_turns") != turns).then_some(())
    });
    assert!(producer.is_waiting(), "the job is not gone, it is there already");
    cluster.assign(slot, to);
    for consumer in &mut consumers {
        assert_eq!(consumer.read().error_word(), "MOVED");
    }
    assert_eq!(producer.read().error_word(), "MOVED");
    assert_eq!(from.info("jobq", "jobq_waiters"), "0");

    let mut consumer = waiting(to, "JQ.CONSUME {mail}:in BLOCK 0", 1);
    assert_eq!(ids(&consumer.read()), ["c"], "the timer goes on");
    assert_eq!(to.run("JQ.KICK {mail}:in ID a"), Reply::Int(1));
    assert_eq!(ids(&to.run("JQ.CONSUME {mail}:in")), ["a"]);
    assert_ne!(to.run("JQ.DIGEST {mail}:in"), digest);
    assert!(!from.run("KEYS *").items().contains(&Reply::Bulk(queue.into())));
}

#[test]
fn publishers_that_wait_are_sent_after_a_queue_that_moves() {
    let cluster = Cluster::start();
    let queue = "{mail}:in";
    let (from, to) = cluster.owner_and_other(queue);
    let slot = slot_of(from, queue);
    from.run("JQ.CONFIG {mail}:in SET maxlen 1");
    from.run("JQ.PUBLISH {mail}:in x ID a");
    let mut publishers: Vec<_> =
        (1..=30).map(|n| waiting(from, "JQ.PUBLISH {mail}:in y BLOCK 0", n)).collect();
    cluster.open(slot, from, to);
    let turns = from.info("jobq", "jobq_timer_turns");
    assert_eq!(from.run(&migrate_line(queue, to)).text(), "OK");
    wait_for("a look at who waits", || {
        (from.info("jobq", "jobq_timer_turns") != turns).then_some(())
    });
    assert!(publishers.iter_mut().all(Client::is_waiting), "there is no room, it is elsewhere");
    cluster.assign(slot, to);
    for publisher in &mut publishers {
        assert_eq!(publisher.read().error_word(), "MOVED");
    }
    wait_for("the end of all waiting", || (from.info("jobq", "jobq_waiters") == "0").then_some(()));
    assert_eq!(from.run("DBSIZE"), Reply::Int(0), "nothing was published here");
    assert_eq!(to.run("JQ.LEN {mail}:in"), Reply::Int(1), "nor there");
    let mut publisher = waiting(to, "JQ.PUBLISH {mail}:in y ID late BLOCK 0", 1);
    to.run("JQ.DELETE {mail}:in a");
    assert_eq!(publisher.read().text(), "late");
}

#[test]
fn a_failover_in_a_cluster_loses_no_timer() {
    const JOBS: i64 = 100;
    let mut cluster = Cluster::start();
    let queue = "{mail}:in";
    let place = cluster.place_of(queue);
    cluster.add_replica_of(place);
    let (old, new) = (&cluster.nodes[place], &cluster.nodes[3]);

    let mut client = old.client();
    for n in 0..JOBS {
        client.run(&format!("JQ.PUBLISH {queue} soon ID a{n} DELAY {}", n * 10));
    }
    let mut consumer = waiting(old, "JQ.CONSUME {mail}:out BLOCK 0", 1);
    assert_eq!(new.run("CLUSTER FAILOVER").text(), "OK");
    wait_for("the failover", || (new.info("replication", "role") == "master").then_some(()));
    let told = consumer.read();
    assert!(["UNBLOCKED", "MOVED"].contains(&told.error_word()), "{told:?}");
    wait_for("the timers", || {
        (new.run("JQ.LEN {mail}:in ready") == Reply::Int(JOBS)).then_some(())
    });
    let mut consumer = waiting(new, "JQ.CONSUME {mail}:out BLOCK 0", 1);
    new.run("JQ.PUBLISH {mail}:out hello DELAY 5");
    assert_eq!(consumer.read().items()[0].items()[2].text(), "hello");
    freeze(new);
    old.catch_up_with(new);
    assert_alike("the node of before", &digests(new), old);
}

#[test]
fn a_way_to_move_slots_that_takes_more_than_queues_can_do_is_refused() {
    let cluster = Cluster::start();
    let (from, to) = cluster.owner_and_other("{mail}:in");
    from.run("JQ.PUBLISH {mail}:in soon DELAY 50");
    let slot = slot_of(from, "{mail}:in");
    // Valkey 9 and later can move whole slots, but only with modules that say they can.
    let line = format!("CLUSTER MIGRATESLOTS SLOTSRANGE {slot} {slot} NODE {}", id_of(to));
    assert_eq!(from.run(&line).error_word(), "ERR");
    let served = from.run("JQ.CONSUME {mail}:in BLOCK 0");
    assert_eq!(served.items()[0].items()[2].text(), "soon");
}

#[test]
fn who_works_is_not_told_where_only_one_slot_is_seen() {
    let cluster = Cluster::start();
    let (node, _) = cluster.owner_and_other("{mail}:in");
    let mut client = node.client();
    client.run("JQ.PUBLISH {mail}:in hello");
    client.run("JQ.CONSUME {mail}:in WORKER postman");
    assert_eq!(client.run("JQ.WORKERS").items()[1].items()[0].field("leases"), Reply::Int(1));
    for line in ["MULTI", "JQ.WORKERS", "JQ.WORKERS {mail}:in"] {
        client.run(line);
    }
    let answers = client.run("EXEC");
    assert_eq!(answers.items()[0].error_word(), "CROSSSLOT", "better nothing than too little");
    let told = answers.items()[1].items()[1].items()[0].field("leases");
    assert_eq!(told, Reply::Int(1), "{answers:?}");
}
