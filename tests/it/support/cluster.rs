//! Servers that share the slots of a cluster.

use super::{wait_for, Options, Reply, Server};

const SLOTS: u32 = 16_384;

/// Servers that share the slots, each with a third of them.
pub struct Cluster {
    pub nodes: Vec<Server>,
    timeout: u32,
}

impl Cluster {
    /// Three nodes, none of which is soon taken for dead.
    pub fn start() -> Self {
        Self::start_with_timeout(5000)
    }

    /// Three nodes. One that is gone for so many milliseconds is taken for dead by the others.
    pub fn start_with_timeout(timeout: u32) -> Self {
        let nodes: Vec<_> = (0..3).map(|_| node(timeout)).collect();
        let third = SLOTS / 3 + 1;
        for (place, node) in (0..).zip(&nodes) {
            let (first, last) = (place * third, ((place + 1) * third).min(SLOTS) - 1);
            let added = node.run(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            assert_eq!(added.text(), "OK");
            let epoch = node.run(&format!("CLUSTER SET-CONFIG-EPOCH {}", place + 1));
            assert_eq!(epoch.text(), "OK");
        }
        let cluster = Self { nodes, timeout };
        cluster.meet(&cluster.nodes[1]);
        cluster.meet(&cluster.nodes[2]);
        cluster.settle();
        cluster
    }

    fn meet(&self, node: &Server) {
        self.nodes[0].run(&format!("CLUSTER MEET 127.0.0.1 {}", node.port()));
    }

    /// Waits until all nodes see all slots served.
    pub fn settle(&self) {
        for node in &self.nodes {
            wait_for("the cluster", || {
                let info = node.run("CLUSTER INFO").text();
                let all = format!("cluster_known_nodes:{}", self.nodes.len());
                (info.contains("cluster_state:ok") && info.contains(&all)).then_some(())
            });
        }
    }

    /// The node that serves a queue, and another one.
    pub fn owner_and_other(&self, queue: &str) -> (&Server, &Server) {
        let owns = |node: &&Server| matches!(node.run(&format!("JQ.LEN {queue}")), Reply::Int(_));
        let owner = self.nodes.iter().find(owns).expect("a slot has an owner");
        let other = self.nodes.iter().find(|node| node.port() != owner.port());
        (owner, other.expect("there are three"))
    }

    /// The place among the nodes of the one that serves a queue.
    pub fn place_of(&self, queue: &str) -> usize {
        let owner = self.owner_and_other(queue).0.port();
        self.nodes.iter().position(|node| node.port() == owner).expect("it is one of them")
    }

    /// Adds a node that is a replica of another, and waits until all know.
    pub fn add_replica_of(&mut self, place: usize) {
        self.nodes.push(node(self.timeout));
        let new = self.nodes.last().expect("there is one");
        self.meet(new);
        self.settle();
        let primary = &self.nodes[place];
        let replicate = format!("CLUSTER REPLICATE {}", id_of(primary));
        wait_for("the node to be known", || {
            (new.run(&replicate) == Reply::Status("OK".into())).then_some(())
        });
        self.wait_for_replica(new, primary);
    }

    /// Waits until a replica has caught up, and could take over: neither its primary nor those who
    /// vote heed a node that they do not know as its replica yet.
    pub fn wait_for_replica(&self, replica: &Server, primary: &Server) {
        let replicas = format!("CLUSTER REPLICAS {}", id_of(primary));
        let (id, of) = (id_of(replica), id_of(primary));
        for node in self.nodes.iter().filter(|node| node.port() != replica.port()) {
            wait_for("the replica to be known", || {
                let known = node.run(&replicas);
                let Reply::Array(known) = known else { return None };
                let is_sound =
                    |line: &Reply| line.text().starts_with(&id) && !line.text().contains("fail");
                known.iter().any(is_sound).then_some(())
            });
        }
        wait_for("the primary to be known", || {
            let nodes = replica.run("CLUSTER NODES").text();
            let line = nodes.lines().find(|line| line.starts_with(&of))?;
            (line.contains(" connected") && line.contains("master")).then_some(())
        });
        replica.wait_until_it_tells("replication", "master_link_status", "up");
    }

    /// Says that a slot is on its way.
    pub fn open(&self, slot: i64, from: &Server, to: &Server) {
        let line = |state, node| format!("CLUSTER SETSLOT {slot} {state} {}", id_of(node));
        assert_eq!(to.run(&line("IMPORTING", from)).text(), "OK");
        assert_eq!(from.run(&line("MIGRATING", to)).text(), "OK");
    }

    /// Tells all nodes, the new owner first, whose a slot is.
    pub fn assign(&self, slot: i64, owner: &Server) {
        let line = format!("CLUSTER SETSLOT {slot} NODE {}", id_of(owner));
        assert_eq!(owner.run(&line).text(), "OK");
        for node in self.nodes.iter().filter(|node| node.port() != owner.port()) {
            assert_eq!(node.run(&line).text(), "OK");
        }
    }
}

fn node(timeout: u32) -> Server {
    let settings = "--cluster-enabled yes --aof-use-rdb-preamble no --cluster-node-timeout";
    Server::start(Options::new().with_aof().with(&format!("{settings} {timeout}")))
}

/// The id of a node.
pub fn id_of(node: &Server) -> String {
    node.run("CLUSTER MYID").text()
}

/// The slot of a queue.
pub fn slot_of(node: &Server, queue: &str) -> i64 {
    node.run(&format!("CLUSTER KEYSLOT {queue}")).int()
}

/// What moves a queue to another node.
pub fn migrate_line(queue: &str, to: &Server) -> String {
    format!("MIGRATE 127.0.0.1 {} {queue} 0 10000", to.port())
}
