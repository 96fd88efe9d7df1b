//! A queue is in one slot, and moves with it.

use crate::{
    replies::ids,
    support::{
        likeness::{assert_alike, digests, freeze},
        wait_for, Client, Options, Reply, Server,
    },
};

const SLOTS: u32 = 16_384;

/// Servers that share the slots, each with a third of them.
struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    fn start() -> Self {
        let nodes: Vec<_> = (0..3).map(|_| node()).collect();
        let third = SLOTS / 3 + 1;
        for (place, node) in (0..).zip(&nodes) {
            let (first, last) = (place * third, ((place + 1) * third).min(SLOTS) - 1);
            let added = node.run(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            assert_eq!(added.text(), "OK");
            let epoch = node.run(&format!("CLUSTER SET-CONFIG-EPOCH {}", place + 1));
            assert_eq!(epoch.text(), "OK");
        }
        let cluster = Self { nodes };
        cluster.meet(&cluster.nodes[1]);
        cluster.meet(&cluster.nodes[2]);
        cluster.settle();
        cluster
    }

    fn meet(&self, node: &Server) {
        self.nodes[0].run(&format!("CLUSTER MEET 127.0.0.1 {}", node.port()));
    }

    /// Waits until all nodes see all slots served.
    fn settle(&self) {
        for node in &self.nodes {
            wait_for("the cluster", || {
                let info = node.run("CLUSTER INFO").text();
                let all = format!("cluster_known_nodes:{}", self.nodes.len());
                (info.contains("cluster_state:ok") && info.contains(&all)).then_some(())
            });
        }
    }

    /// The node that serves a queue, and another one.
    fn owner_and_other(&self, queue: &str) -> (&Server, &Server) {
        let owns = |node: &&Server| node.run(&format!("JQ.LEN {queue}")) == Reply::Int(0);
        let owner = self.nodes.iter().find(owns).expect("a slot has an owner");
        let other = self.nodes.iter().find(|node| node.port() != owner.port());
        (owner, other.expect("there are three"))
    }

    /// Tells all nodes, the new owner first, whose a slot is.
    fn assign(&self, slot: i64, owner: &Server) {
        let line = format!("CLUSTER SETSLOT {slot} NODE {}", id_of(owner));
        assert_eq!(owner.run(&line).text(), "OK");
        for node in self.nodes.iter().filter(|node| node.port() != owner.port()) {
            assert_eq!(node.run(&line).text(), "OK");
        }
    }
}

fn node() -> Server {
    let settings = "--cluster-enabled yes --cluster-node-timeout 5000 --aof-use-rdb-preamble no";
    Server::start(Options::new().with_aof().with(settings))
}

fn id_of(node: &Server) -> String {
    node.run("CLUSTER MYID").text()
}

fn slot_of(node: &Server, queue: &str) -> i64 {
    node.run(&format!("CLUSTER KEYSLOT {queue}")).int()
}

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

    let line = |state, node| format!("CLUSTER SETSLOT {slot} {state} {}", id_of(node));
    assert_eq!(to.run(&line("IMPORTING", from)).text(), "OK");
    assert_eq!(from.run(&line("MIGRATING", to)).text(), "OK");
    let turns = from.info("jobq", "jobq_timer_turns");
    let migrate = format!("MIGRATE 127.0.0.1 {} {queue} 0 10000", to.port());
    assert_eq!(client.run(&migrate).text(), "OK");
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
fn a_failover_in_a_cluster_loses_no_timer() {
    const JOBS: i64 = 100;
    let mut cluster = Cluster::start();
    cluster.nodes.push(node());
    cluster.meet(&cluster.nodes[3]);
    cluster.settle();
    let queue = "{mail}:in";
    let (old, _) = cluster.owner_and_other(queue);
    let new = &cluster.nodes[3];
    let replicate = format!("CLUSTER REPLICATE {}", id_of(old));
    wait_for("the node to be known", || {
        (new.run(&replicate) == Reply::Status("OK".into())).then_some(())
    });
    new.catch_up_with(old);
    // Neither the primary nor those who vote heed a node that they do not know as its replica yet.
    let replicas = format!("CLUSTER REPLICAS {}", id_of(old));
    for node in &cluster.nodes[..3] {
        let known = || (node.run(&replicas).items().len() == 1).then_some(());
        wait_for("the replica to be known", known);
    }
    wait_for("the primary to be known", || {
        let nodes = new.run("CLUSTER NODES").text();
        let line = nodes.lines().find(|line| line.starts_with(&id_of(old)))?;
        line.contains(" connected").then_some(())
    });

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
