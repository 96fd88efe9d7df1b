//! An account of jobs, kept beside the server: which are published, who holds which and until when.

use std::collections::{HashMap, HashSet};

use rand::{rngs::StdRng, seq::IndexedRandom, Rng, SeedableRng};

use super::{HOUR, SECOND};
use crate::{
    replies::token_of,
    support::{Client, Reply, Server},
};

/// What a worker and a producer on the queue `jobs` know.
pub struct Ledger {
    random: StdRng,
    client: Client,
    consumer: Client,
    consumer_waits: bool,
    published: usize,
    unfinished: HashSet<String>,
    held: HashMap<String, Lease>,
    receipts: HashSet<String>,
    clock: i64,
}

struct Lease {
    token: u64,
    until: i64,
}

impl Ledger {
    /// An account of a queue that is yet to be made.
    pub fn new(server: &Server, seed: u64) -> Self {
        let mut client = server.client();
        client.run("JQ.CONFIG jobs SET tries 4294967295");
        Self {
            random: StdRng::seed_from_u64(seed),
            client,
            consumer: server.client(),
            consumer_waits: false,
            published: 0,
            unfinished: HashSet::new(),
            held: HashMap::new(),
            receipts: HashSet::new(),
            clock: 0,
        }
    }

    /// Publishes, takes and acks so many times, with a consumer that waits beside it.
    pub fn work(&mut self, turns: usize) {
        for _ in 0..turns {
            self.hear();
            match self.random.random_range(0..10) {
                0..4 => self.publish(),
                4..7 => self.take(),
                _ => self.ack(),
            }
        }
    }

    /// Takes and acks whatever there is now. Tells how many jobs are not finished yet.
    pub fn drain(&mut self) -> usize {
        self.hear();
        self.take();
        let held: Vec<_> = self.held.keys().cloned().collect();
        held.iter().for_each(|id| self.ack_one(id));
        self.unfinished.len()
    }

    /// Has the consumer stop waiting.
    pub fn finish(&mut self) {
        if self.consumer_waits {
            self.client.run("JQ.PUBLISH jobs last ID last PRIORITY -20");
            self.published += 1;
            self.unfinished.insert("last".into());
            let jobs = self.consumer.read();
            self.consumer_waits = false;
            self.receive(&jobs, self.clock);
        }
        while self.drain() > 0 {}
    }

    /// How many jobs were published.
    pub fn published(&self) -> usize {
        self.published
    }

    /// How many deliveries there were.
    pub fn deliveries(&self) -> usize {
        self.receipts.len()
    }

    fn publish(&mut self) {
        let spans = [0, 0, 300, 2 * SECOND, HOUR / 2, 20 * HOUR];
        let delay = *spans.choose(&mut self.random).unwrap_or(&0);
        let ttr = *[300, 2 * SECOND, HOUR / 2, 20 * HOUR].choose(&mut self.random).unwrap_or(&HOUR);
        let retain = *["0", "1000", "1800000", "FOREVER"].choose(&mut self.random).unwrap_or(&"0");
        let id = format!("j{}", self.published);
        let options = format!("ID {id} DELAY {delay} TTR {ttr} RETAIN {retain}");
        assert_eq!(self.client.run(&format!("JQ.PUBLISH jobs body {options}")).text(), id);
        self.published += 1;
        self.unfinished.insert(id);
    }

    fn take(&mut self) {
        let (jobs, clock) = self.at_once("JQ.CONSUME jobs COUNT 5 DETAILS");
        self.receive(&jobs, clock);
    }

    fn ack(&mut self) {
        let held: Vec<_> = self.held.keys().cloned().collect();
        if let Some(id) = held.choose(&mut self.random) {
            self.ack_one(id);
        }
    }

    fn ack_one(&mut self, id: &str) {
        let Some(lease) = self.held.remove(id) else { return };
        let (acked, clock) = self.at_once(&format!("JQ.ACK jobs {id}@{}", lease.token));
        if acked == Reply::Int(1) {
            assert!(self.unfinished.remove(id), "{id} is acked twice");
        } else {
            assert!(lease.until <= clock, "{id} was lost at {clock}, held until {}", lease.until);
        }
    }

    /// What the consumer that waits was given, if it was.
    fn hear(&mut self) {
        if !self.consumer_waits {
            self.consumer.send(&["JQ.CONSUME", "jobs", "BLOCK", "0", "DETAILS"]);
            self.consumer_waits = true;
        } else if !self.consumer.is_waiting() {
            let jobs = self.consumer.read();
            self.consumer_waits = false;
            let (_, clock) = self.at_once("PING");
            self.receive(&jobs, clock);
        }
    }

    /// Runs a command, and tells the queue's clock as it is then.
    fn at_once(&mut self, line: &str) -> (Reply, i64) {
        for line in ["MULTI", line, "JQ.STATS jobs"] {
            self.client.run(line);
        }
        let both = self.client.run("EXEC");
        let clock = both.items()[1].field("clock").int();
        assert!(clock >= self.clock, "the queue's clock went back: {} to {clock}", self.clock);
        self.clock = clock;
        (both.items()[0].clone(), clock)
    }

    fn receive(&mut self, jobs: &Reply, clock: i64) {
        let Reply::Array(jobs) = jobs else { return };
        for job in jobs {
            let (receipt, details) = (job.items()[1].text(), &job.items()[3]);
            let id = receipt.split('@').next().unwrap_or_default();
            let token = token_of(&receipt);
            let due = details.field("due").int();
            assert!(due <= clock, "{receipt} is due at {due}, and was given at {clock}");
            assert!(self.unfinished.contains(id), "{receipt} was finished and is given again");
            assert!(self.receipts.insert(receipt.clone()), "{receipt} was given twice");
            let lease = Lease { token, until: details.field("leased-until").int() };
            // What the consumer got may be heard of late.
            let before = self.held.get(id).filter(|before| before.token < token);
            if let Some(before) = before {
                assert!(before.until <= clock, "{id} was given to two at {clock}");
            }
            if self.held.get(id).is_none_or(|before| before.token < token) {
                self.held.insert(id.into(), lease);
            }
        }
    }
}
