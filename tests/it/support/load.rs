//! Mixed operations made up from a seed: every command with its options, sensible ones and refused
//! ones, over several connections, with consumers and callers that wait, transactions and scripts.
//! Ids and receipts are kept and used again when they are long stale.
//!
//! What is checked on the way: only refusals that a command can meet, no receipt that settles a job
//! twice, and no result of a job that is not completed.

use std::collections::HashSet;

use rand::{rngs::StdRng, seq::IndexedRandom, Rng, SeedableRng};

use super::{wait_for, Client, Reply, Server};

const CLIENTS: usize = 4;
const WAITERS: usize = 4;
const REMEMBERED: usize = 300;
const AN_HOUR: u64 = 3_600_000;

/// Publishes and consumes within a script.
const SCRIPT: &str = "local id = redis.call('jq.publish', KEYS[1], ARGV[1], 'TTR', ARGV[2])
    local jobs = redis.call('jq.consume', KEYS[1], 'COUNT', 2, 'BLOCK', 0)
    if jobs then redis.call('jq.ack', KEYS[1], jobs[1][2]) end
    return id";

/// A source of operations on some queues of a server.
pub struct Load {
    seed: u64,
    random: StdRng,
    queues: Vec<String>,
    brief: Option<String>,
    port: u16,
    clients: Vec<Client>,
    waiters: Vec<Waiter>,
    jobs: Vec<(String, String)>,
    settled: HashSet<(String, String)>,
}

/// A connection whose commands may wait.
struct Waiter {
    id: i64,
    client: Client,
    /// The command that is not known to be answered.
    asked: Option<Line>,
}

/// A command and the queue it is about.
struct Line {
    queue: String,
    words: Vec<Vec<u8>>,
}

impl Line {
    fn new(name: &str, queue: &str) -> Self {
        Self { queue: queue.into(), words: vec![name.into(), queue.into()] }
    }

    fn with<W: Into<Vec<u8>>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    fn name(&self) -> &[u8] {
        &self.words[0]
    }

    /// The id that it gives to a job.
    fn id(&self) -> Option<String> {
        let id = self.words.windows(2).find(|pair| pair[0] == b"ID")?;
        Some(String::from_utf8_lossy(&id[1]).into_owned())
    }
}

impl Load {
    /// Operations on these queues. The last of several is deleted and lets expire at times.
    pub fn new(server: &Server, queues: &[&str], seed: u64) -> Self {
        let waiters = std::iter::repeat_with(|| {
            let mut client = server.client();
            Waiter { id: client.run("CLIENT ID").int(), client, asked: None }
        });
        Self {
            seed,
            random: StdRng::seed_from_u64(seed),
            queues: queues.iter().map(ToString::to_string).collect(),
            brief: queues.get(1..).and_then(<[_]>::last).map(ToString::to_string),
            port: server.port(),
            clients: (0..CLIENTS).map(|_| server.client()).collect(),
            waiters: waiters.take(WAITERS).collect(),
            jobs: Vec::new(),
            settled: HashSet::new(),
        }
    }

    /// Does so many things.
    pub fn steps(&mut self, steps: usize) {
        (0..steps).for_each(|_| self.step());
    }

    /// Has everybody stop waiting, ends what is bound to any connection, and waits until no key is left
    /// that will expire: from then on only timers change anything.
    pub fn finish(&mut self) {
        for waiter in 0..self.waiters.len() {
            if self.waiters[waiter].asked.is_some() {
                let id = self.waiters[waiter].id;
                self.clients[0].run(&format!("CLIENT UNBLOCK {id}"));
                self.hear(waiter);
            }
        }
        // What is bound to them would end whenever they do.
        let connect = || Client::connect(self.port).expect("the server takes a connection");
        self.clients.iter_mut().for_each(|client| *client = connect());
        self.waiters.iter_mut().for_each(|waiter| {
            waiter.client = connect();
            waiter.id = waiter.client.run("CLIENT ID").int();
        });
        let client = &mut self.clients[0];
        wait_for("the last bond", || (client.info("jobq", "jobq_bonds") == "0").then_some(()));
        wait_for("the last key to expire", || {
            let keyspace = client.run("INFO keyspace").text();
            let expires = |line: &str| line.contains("expires=") && !line.contains("expires=0");
            (!keyspace.lines().any(expires)).then_some(())
        });
    }

    fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..8 => self.waiter_turn(),
            8..11 => self.transaction(),
            11..14 => self.script(),
            14..17 => self.keyspace(),
            _ => {
                let line = self.line();
                let reply = self.say(&line.words);
                self.learn(&line, &reply);
            }
        }
    }

    /// One who waits hears what it was told meanwhile, or begins to wait, or goes and another comes.
    fn waiter_turn(&mut self) {
        let waiter = self.random.random_range(0..WAITERS);
        if self.random.random_ratio(1, 8) {
            self.replace(waiter);
        } else if self.waiters[waiter].asked.is_none() {
            let span = *[0, 5, 20, AN_HOUR].choose(&mut self.random).unwrap_or(&0);
            let calls = self.random.random_ratio(1, 3);
            let line = if calls { self.call(span) } else { self.consume(Some(span)) };
            self.waiters[waiter].client.send(&line.words);
            self.waiters[waiter].asked = Some(line);
        } else if !self.waiters[waiter].client.is_waiting() {
            self.hear(waiter);
        }
    }

    /// One who may wait hangs up, or is killed, and another takes its place.
    fn replace(&mut self, waiter: usize) {
        let mut client = Client::connect(self.port).expect("the server takes a connection");
        let id = client.run("CLIENT ID").int();
        let newcomer = Waiter { id, client, asked: None };
        let gone = std::mem::replace(&mut self.waiters[waiter], newcomer);
        if self.random.random_bool(0.5) {
            gone.client.hang_up();
        } else {
            self.clients[0].run(&format!("CLIENT KILL ID {}", gone.id));
        }
    }

    fn hear(&mut self, waiter: usize) {
        let reply = self.waiters[waiter].client.read();
        let line = self.waiters[waiter].asked.take().expect("it was asked for something");
        self.learn(&line, &reply);
    }

    fn transaction(&mut self) {
        let lines: Vec<_> = (0..self.random.random_range(1..5)).map(|_| self.line()).collect();
        let client = &mut self.clients[0];
        client.run("MULTI");
        let queued =
            lines.iter().filter(|line| client.call(&line.words) == Reply::Status("QUEUED".into()));
        let queued: Vec<_> = queued.collect();
        match self.clients[0].run("EXEC") {
            Reply::Array(replies) => {
                for (line, reply) in queued.iter().zip(&replies) {
                    self.learn(line, reply);
                }
            }
            // One of the commands was refused for its number of arguments.
            refused => assert_eq!(refused.error_word(), "EXECABORT"),
        }
    }

    fn script(&mut self) {
        let (queue, body, ttr) = (self.queue(), self.body(), self.span().max(1).to_string());
        let words = [b"EVAL".to_vec(), SCRIPT.into(), b"1".to_vec(), queue.into_bytes()];
        let words: Vec<_> = words.into_iter().chain([body, ttr.into_bytes()]).collect();
        let reply = self.say(&words);
        let is_closed = |line: &str| line.starts_with("PAUSED ") || line.starts_with("FULL ");
        let closed = matches!(&reply, Reply::Error(line) if is_closed(line));
        assert!(closed || matches!(reply, Reply::Bulk(_)), "{reply:?} ({self})");
    }

    /// What happens to keys of any type. Copies are left to their timers.
    fn keyspace(&mut self) {
        let queue = self.queue();
        let brief = self.brief.as_deref().unwrap_or("none");
        let line = match self.random.random_range(0..6) {
            0 => format!("COPY {queue} {queue}-copy REPLACE"),
            1 => format!("COPY {queue} {queue}-copy DB 1 REPLACE"),
            2 => format!("RENAME {queue}-copy {queue}-renamed"),
            3 => format!("MOVE {queue}-renamed 1"),
            4 => format!("PEXPIRE {brief} {}", self.random.random_range(1..20)),
            _ => format!("UNLINK {brief}"),
        };
        let words: Vec<_> = line.split(' ').collect();
        match self.say(&words) {
            Reply::Error(line) => assert!(line.contains("no such key"), "{line} ({self})"),
            reply => assert!(matches!(reply, Reply::Int(_) | Reply::Status(_)), "{reply:?}"),
        }
    }

    fn line(&mut self) -> Line {
        match self.random.random_range(0..100) {
            0..26 => self.publish(),
            // Nobody else does anything meanwhile; those who wait for long are in `waiter_turn`.
            26..28 => self.call(1),
            28..33 => self.publish_many(),
            33..53 => self.consume(None),
            53..60 => self.settle("JQ.ACK"),
            60..61 if self.random.random_bool(0.5) => self.chain(),
            60..61 => self.subscription(),
            61..64 => self.fulfill(),
            64..71 => self.settle("JQ.NACK"),
            71..75 => self.settle("JQ.RELEASE"),
            75..77 => self.settle("JQ.BURY"),
            77..78 => self.bury_all(),
            78..82 => self.touch(),
            82..85 => self.kick(),
            85..89 => self.respawn(),
            89..90 if self.random.random_bool(0.5) => self.settle("JQ.DELETE"),
            89..90 => self.cancel(),
            90..92 => self.update(),
            92..93 => self.purge(),
            93..94 if self.random.random_bool(0.5) => self.limit(),
            93..94 => self.pause(),
            94..95 => self.configure(),
            95..96 if self.random.random_bool(0.5) => self.batch(),
            95..96 if self.random.random_bool(0.5) => self.schedule(),
            95..96 => self.gate(),
            96..97 => self.look(),
            _ => self.refused(),
        }
    }

    fn publish(&mut self) -> Line {
        let (queue, body) = (self.queue(), self.body());
        let mut line = Line::new("JQ.PUBLISH", &queue).with([body]).with(self.options());
        if self.random.random_ratio(1, 6) {
            line = line.with(["ID".into(), format!("own-{}", self.random.random_range(0..200))]);
        }
        if self.random.random_ratio(1, 6) {
            line = line.with(self.unique());
        }
        if self.random.random_ratio(1, 6) {
            let (other, job) = self.job();
            let mut id = job.split('@').next().unwrap_or_default().to_string();
            if self.random.random_bool(0.7) {
                id = format!("{other}/{id}");
            }
            let fate = *["HOLD", "RUN", "BURY"].choose(&mut self.random).unwrap_or(&"HOLD");
            // Of another queue, it may look like one that is yet to come.
            line = line.with(["AFTER", "1", &id, "IFDEAD", fate]);
        }
        if self.random.random_ratio(1, 20) {
            line = line.with(["REPLACES".into(), self.job().1]);
        }
        line
    }

    /// A publish that waits for the end of its job, which others can name.
    fn call(&mut self, span: u64) -> Line {
        let mut line = self.publish();
        line.words[0] = "JQ.CALL".into();
        if line.id().is_none() {
            line = line.with(["ID".into(), format!("call-{}", self.random.random_range(0..2_000))]);
        }
        if let Some(id) = line.id() {
            self.remember(line.queue.clone(), id);
        }
        line.with(["WAIT".into(), span.to_string()])
    }

    /// One of few keys, so that they meet, and what else there is to say of it.
    fn unique(&mut self) -> Vec<String> {
        let mut words = vec!["UNIQUE".into(), format!("key-{}", self.random.random_range(0..30))];
        if self.random.random_bool(0.5) {
            words.extend(["FOR".into(), self.span().max(1).to_string()]);
        }
        if self.random.random_bool(0.5) {
            let until = ["START", "DONE"][self.random.random_range(0..2)];
            words.extend(["UNTIL", until].map(String::from));
        }
        if self.random.random_bool(0.7) {
            let otherwise = ["REJECT", "RETURN", "REPLACE"][self.random.random_range(0..3)];
            words.extend(["ONDUPLICATE", otherwise].map(String::from));
        }
        words
    }

    fn publish_many(&mut self) -> Line {
        let queue = self.queue();
        let bodies: Vec<_> = (0..self.random.random_range(1..9)).map(|_| self.body()).collect();
        Line::new("JQ.MPUBLISH", &queue)
            .with([bodies.len().to_string()])
            .with(bodies)
            .with(self.options())
    }

    fn options(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        let mut option = |word: &str, value: String| words.extend([word.to_string(), value]);
        if self.random.random_ratio(1, 3) {
            option("DELAY", self.span().to_string());
        }
        if self.random.random_ratio(1, 4) {
            option("TTL", self.span().to_string());
        }
        if self.random.random_ratio(1, 3) {
            option("TTR", self.span().max(1).to_string());
        }
        if self.random.random_ratio(1, 2) {
            option("TRIES", self.random.random_range(1..4).to_string());
        }
        if self.random.random_ratio(1, 2) {
            let forms = ["none", "fixed:7", "exp:3:30", "poly", "fixed:0"];
            option("BACKOFF", forms.choose(&mut self.random).unwrap_or(&"none").to_string());
        }
        if self.random.random_ratio(1, 4) {
            option("PRIORITY", self.random.random_range(-3..4).to_string());
        }
        if self.random.random_ratio(1, 5) {
            let retain = ["0", "15", "3600000", "forever"].choose(&mut self.random);
            words.extend(["RETAIN", retain.unwrap_or(&"0")].map(String::from));
        }
        if self.random.random_ratio(1, 8) {
            let at = self.now() + self.span();
            words.extend(["DEADLINE".into(), at.to_string()]);
        }
        if self.random.random_ratio(1, 5) {
            words.extend(
                ["TYPE", ["mail", "fax"][self.random.random_range(0..2)]].map(String::from),
            );
        }
        if self.random.random_ratio(1, 8) {
            let gates = ["night", "paid", "night|paid", "paid|disk"].choose(&mut self.random);
            words.extend(["WHEN", gates.unwrap_or(&"night")].map(String::from));
        }
        if self.random.random_ratio(1, 6) {
            words.extend(
                ["BLOCK", ["1", "5", "20"][self.random.random_range(0..3)]].map(String::from),
            );
        }
        if self.random.random_ratio(1, 4) {
            words.extend(
                ["GROUP", ["a", "b", "c"][self.random.random_range(0..3)]].map(String::from),
            );
        }
        if self.random.random_ratio(1, 8) {
            let limit = ["disk", "net"][self.random.random_range(0..2)];
            let weight = self.random.random_range(1..3).to_string();
            words.extend(["USES".into(), limit.into(), weight]);
        }
        if self.random.random_ratio(1, 6) {
            words.extend(["BATCH", ["x", "y"][self.random.random_range(0..2)]].map(String::from));
        }
        if self.random.random_ratio(1, 12) {
            words.extend(["MUTEX", "only"].map(String::from));
        }
        if self.random.random_ratio(1, 6) {
            words.extend(["HEADERS", "2", "trace", "TTL", "lang", ""].map(String::from));
        }
        words
    }

    /// About now, by this machine's clock, which is the server's.
    fn now(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as u64)
    }

    fn fulfill(&mut self) -> Line {
        let (queue, job) = self.called_for().unwrap_or_else(|| self.job());
        let line = Line::new("JQ.FULFILL", &queue).with([job.into_bytes(), self.body()]);
        match self.random.random_range(0..4) {
            0 => line.with(["RETAIN", "20"]),
            1 => line.with(["RETAIN", "FOREVER"]),
            _ => line,
        }
    }

    /// At times, a job that somebody has called for and waits for.
    fn called_for(&mut self) -> Option<(String, String)> {
        let asked = self.waiters.iter().filter_map(|waiter| waiter.asked.as_ref());
        let calls = asked.filter(|line| line.name() == b"JQ.CALL");
        let jobs: Vec<_> =
            calls.filter_map(|line| Some((line.queue.clone(), line.id()?))).collect();
        self.random.random_bool(0.5).then(|| jobs.choose(&mut self.random).cloned()).flatten()
    }

    fn bury_all(&mut self) -> Line {
        let state = ["delayed", "held", "gathering", "ready"][self.random.random_range(0..4)];
        Line::new("JQ.BURY", &self.queue()).with(["ALL", state, "COUNT", "2"])
    }

    fn consume(&mut self, block: Option<u64>) -> Line {
        let queue = self.queue();
        let mut words = Vec::new();
        let gathers = block.is_some() && self.random.random_bool(0.4);
        if gathers || self.random.random_bool(0.5) {
            let count = self.random.random_range(1..6);
            words.extend(["COUNT".into(), count.to_string()]);
            if gathers {
                let (min, linger) = (self.random.random_range(1..=count), self.span().max(1));
                let linger = linger.to_string();
                words.extend(["MIN".into(), min.to_string(), "LINGER".into(), linger]);
            }
        }
        if self.random.random_bool(0.2) {
            words.push("BIND".into());
            if self.random.random_bool(0.5) {
                words.push(self.random.random_range(0..40).to_string());
            }
        }
        if self.random.random_bool(0.4) {
            words.extend(["TTR".into(), self.span().max(1).to_string()]);
        }
        if self.random.random_bool(0.4) {
            words.extend(["WORKER".into(), format!("w{}", self.random.random_range(0..4))]);
        }
        if self.random.random_bool(0.1) {
            words.push("FREE".into());
        }
        if self.random.random_bool(0.2) {
            words.push("DETAILS".into());
        }
        if let Some(block) = block {
            words.extend(["BLOCK".into(), block.to_string()]);
        }
        let further: Vec<_> = self.queues.iter().filter(|name| **name != queue).cloned().collect();
        if !further.is_empty() && self.random.random_bool(0.4) {
            if self.random.random_bool(0.5) {
                let weights: Vec<_> = (0..=further.len()).map(|n| (n + 1).to_string()).collect();
                words.extend(["WEIGHTS".into(), weights.join(",")]);
            }
            words.push("ALSO".into());
            words.extend(further);
        }
        Line::new("JQ.CONSUME", &queue).with(words)
    }

    fn settle(&mut self, name: &str) -> Line {
        let (queue, job) = self.job();
        let mut line = Line::new(name, &queue).with([job]);
        if self.random.random_bool(0.1) {
            let more: Vec<_> = (0..3).map(|_| self.job().1).collect();
            line = line.with(more);
        }
        if matches!(name, "JQ.NACK" | "JQ.RELEASE") && self.random.random_bool(0.5) {
            line = line.with(["DELAY".into(), self.span().to_string()]);
        }
        if name == "JQ.RELEASE" && self.random.random_bool(0.3) {
            line = line.with(["UNCOUNTED"]);
        }
        if matches!(name, "JQ.NACK" | "JQ.BURY") && self.random.random_bool(0.3) {
            line = line.with([b"ERROR".to_vec(), self.body()]);
        }
        line
    }

    fn chain(&mut self) -> Line {
        let (queue, job) = self.job();
        let (to, body) = (self.queue(), self.body());
        let line = Line::new("JQ.ACK", &queue).with([job, "THEN".into(), to]).with([body]);
        line.with(self.options())
    }

    /// What subscribers do, and those who tell them.
    fn subscription(&mut self) -> Line {
        let (queue, job) = self.job();
        let targets: Vec<_> = (0..self.random.random_range(1..4)).map(|_| self.body()).collect();
        match self.random.random_range(0..8) {
            0..4 => Line::new("JQ.SUBSCRIBE", &queue).with([job]).with(targets),
            4 => Line::new("JQ.UNSUBSCRIBE", &queue).with([job, "ALL".into()]),
            5..7 => {
                let ttr = self.span().max(1).to_string();
                Line::new("JQ.NOTICES", &queue).with(["COUNT", "2", "TTR", &ttr])
            }
            _ if job.contains('@') => Line::new("JQ.DELIVERED", &queue).with([job]).with(targets),
            _ => Line::new("JQ.UNSUBSCRIBE", &queue).with([job]).with(targets),
        }
    }

    fn cancel(&mut self) -> Line {
        let (queue, job) = self.job();
        Line::new("JQ.CANCEL", &queue).with([job])
    }

    fn touch(&mut self) -> Line {
        let (queue, job) = self.job();
        let mut line = Line::new("JQ.TOUCH", &queue);
        if self.random.random_bool(0.3) {
            line = line.with(["WORKER", "w1"]);
        }
        if self.random.random_bool(0.3) {
            let progress = self.random.random_range(0..100).to_string();
            line.with(["PROGRESS".into(), progress, job])
        } else if self.random.random_bool(0.5) {
            line.with(["TTR".into(), self.span().max(1).to_string(), job])
        } else {
            line.with([job])
        }
    }

    fn kick(&mut self) -> Line {
        let (queue, job) = self.job();
        let line = Line::new("JQ.KICK", &queue);
        if self.random.random_bool(0.5) {
            line.with(["COUNT".into(), self.random.random_range(1..4).to_string()])
        } else {
            line.with(["ID".into(), job])
        }
    }

    fn respawn(&mut self) -> Line {
        let (queue, job) = self.job();
        let line = Line::new("JQ.RESPAWN", &queue);
        let line = match self.random.random_range(0..3) {
            0 => line.with(["COUNT".into(), self.random.random_range(1..4).to_string()]),
            1 => line.with(["ID".into(), job]),
            _ => line.with(["ALL"]),
        };
        match self.random.random_range(0..4) {
            0 => line.with(["TRIES", "2"]),
            1 => line.with(["TTL".into(), self.span().to_string()]),
            2 => line.with(["DELAY".into(), self.span().to_string()]),
            _ => line,
        }
    }

    fn update(&mut self) -> Line {
        let (queue, job) = self.job();
        let line = Line::new("JQ.UPDATE", &queue).with([job]);
        let line = match self.random.random_range(0..5) {
            0 => line.with([b"BODY".to_vec(), self.body()]),
            1 => line.with(["DELAY".into(), self.span().to_string()]),
            2 => line.with(["PRIORITY", "-1"]),
            3 => line.with(["TTL".into(), self.span().to_string()]),
            _ => line.with(["TRIES", "3"]),
        };
        if self.random.random_bool(0.3) {
            line.with(["IFVERSION", "1"])
        } else {
            line
        }
    }

    fn purge(&mut self) -> Line {
        let states = ["delayed", "held", "gathering", "ready", "leased", "completed", "dead"];
        let state = *states.choose(&mut self.random).unwrap_or(&"dead");
        Line::new("JQ.PURGE", &self.queue()).with([state, "COUNT", "2"])
    }

    fn pause(&mut self) -> Line {
        let queue = self.queue();
        match self.random.random_range(0..4) {
            0 => Line::new("JQ.PAUSE", &queue).with(["IN", "FOR", "3"]),
            1 => Line::new("JQ.PAUSE", &queue).with(["FOR", "5"]),
            2 => Line::new("JQ.PAUSE", &queue).with(["OUT", "FOR", "20"]),
            _ => Line::new("JQ.RESUME", &queue),
        }
    }

    fn limit(&mut self) -> Line {
        let line = Line::new("JQ.LIMIT", &self.queue());
        let name = ["disk", "net", "*", "group:*"][self.random.random_range(0..4)];
        match self.random.random_range(0..4) {
            0 => line.with(["DEL", name]),
            1 => line.with(["SET", name, "CONCURRENCY", "2"]),
            2 => line.with(["SET", name, "RATE", "3", "PER", "15"]),
            _ => line.with(["SET", name, "CONCURRENCY", "9", "RATE", "50", "PER", "40"]),
        }
    }

    fn gate(&mut self) -> Line {
        let name = *["night", "paid", "disk"].choose(&mut self.random).unwrap_or(&"paid");
        let action = ["OPEN", "OPEN", "CLOSE", "LIST"][self.random.random_range(0..4)];
        let line = Line::new("JQ.GATE", &self.queue()).with([action]);
        match action {
            "LIST" => line,
            _ => line.with([name, "nobody's"]),
        }
    }

    /// A schedule of few names. None comes round so often that it would fill the queue.
    fn schedule(&mut self) -> Line {
        let name = ["hourly", "poll"][self.random.random_range(0..2)];
        let orders = ["SET", "SET", "SET", "DEL", "PAUSE", "RESUME", "RUN", "GET"];
        let order = orders[self.random.random_range(0..orders.len())];
        let line = Line::new("JQ.SCHEDULE", &self.queue()).with([order, name]);
        if order != "SET" {
            return line;
        }
        let line = line.with([self.body()]);
        match self.random.random_range(0..3) {
            0 => {
                let from = (self.now() + self.span()).to_string();
                line.with(["EVERY", "3600000", "FROM", &from, "OVERLAP", "QUEUE"])
            }
            1 => line.with(["AFTER".into(), self.span().max(5).to_string()]),
            _ => line.with(["CRON", "*/2 * * * * *", "TZ", "Australia/Lord_Howe"]),
        }
    }

    fn batch(&mut self) -> Line {
        let action =
            ["FIRE", "FIRE", "RUN", "BURY", "DELETE", "LIST"][self.random.random_range(0..6)];
        let line = Line::new("JQ.BATCH", &self.queue()).with([action]);
        match action {
            "LIST" => line,
            _ => line.with([["x", "y"][self.random.random_range(0..2)]]),
        }
    }

    fn configure(&mut self) -> Line {
        let settings = [
            "tries 3",
            "ttr 40",
            "ttl 0",
            "backoff fixed:5",
            "priority 1",
            "tries 25",
            "dead-max 5",
            "dead-max 0",
            "dead-age 30",
            "batch-size 3",
            "batch-size:x 2",
            "batch-delay 25",
            "batch-grace 10",
            "batch-grace:y 0",
            "expired dead",
            "expired drop",
            "lapse backoff",
            "lapse ready",
            "retain 10",
            "retain 0",
            "retain forever",
            "idle-expire 3600000",
            "bind-counts yes",
            "bind-counts no",
            "maxlen 30",
            "maxlen 60",
            "maxlen 0",
            "releases-max 2",
            "releases-max 0",
            "events 0",
            "events 40",
            "events 1000",
            "trail 0",
            "trail 3",
        ];
        let setting = settings.choose(&mut self.random).unwrap_or(&"tries 3");
        Line::new("JQ.CONFIG", &self.queue()).with(["SET"]).with(setting.split(' '))
    }

    fn look(&mut self) -> Line {
        if self.random.random_ratio(1, 3) {
            let (queue, job) = self.job();
            return Line::new("JQ.RESULT", &queue).with([job]);
        }
        let names = ["JQ.PEEK", "JQ.LEN", "JQ.STATS", "JQ.DIGEST", "JQ.EVENTS"];
        Line::new(names.choose(&mut self.random).unwrap_or(&"JQ.LEN"), &self.queue())
    }

    fn refused(&mut self) -> Line {
        let queue = self.queue();
        match self.random.random_range(0..4) {
            0 => Line::new("JQ.PUBLISH", &queue).with(["body", "DELAY", "50", "TTL", "20"]),
            1 => Line::new("JQ.PUBLISH", &queue).with(["body", "TRIES", "0"]),
            2 => Line::new("JQ.ACK", &queue).with(["not an id!"]),
            _ => Line::new("JQ.CONSUME", &queue).with(["AND", "MORE"]),
        }
    }

    fn queue(&mut self) -> String {
        self.queues.choose(&mut self.random).cloned().unwrap_or_default()
    }

    /// A job that was published or delivered at some time, by id or by receipt.
    fn job(&mut self) -> (String, String) {
        let unknown = || ("q0".to_string(), "no-such-job".to_string());
        self.jobs.choose(&mut self.random).cloned().unwrap_or_else(unknown)
    }

    /// A span in milliseconds: none, one that is soon over, or one that is not.
    fn span(&mut self) -> u64 {
        match self.random.random_range(0..10) {
            0 => 0,
            1..6 => self.random.random_range(1..40),
            _ => AN_HOUR + self.random.random_range(0..1000),
        }
    }

    fn body(&mut self) -> Vec<u8> {
        let longest = if self.random.random_ratio(1, 50) { 6000 } else { 100 };
        let len = self.random.random_range(0..longest);
        (0..len).map(|_| self.random.random()).collect()
    }

    fn say<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Reply {
        let client = self.random.random_range(0..CLIENTS);
        self.clients[client].call(words)
    }

    /// Remembers the jobs that an answer names, and checks it.
    fn learn(&mut self, line: &Line, reply: &Reply) {
        match reply {
            Reply::Error(error) => {
                let word = error.split(' ').next().unwrap_or_default();
                let expected = matches!(
                    word,
                    "DUPLICATE"
                        | "FULL"
                        | "RANGE"
                        | "SYNTAX"
                        | "PAUSED"
                        | "NOSUCHJOB"
                        | "WRONGSTATE"
                );
                assert!(expected, "{error} to {:?} ({self})", String::from_utf8_lossy(line.name()));
            }
            Reply::Bulk(_) if line.name() == b"JQ.PUBLISH" => {
                self.remember(line.queue.clone(), reply.text());
            }
            Reply::Array(ids) if line.name() == b"JQ.MPUBLISH" => {
                ids.iter().for_each(|id| self.remember(line.queue.clone(), id.text()));
            }
            Reply::Bulk(_) if line.name() == b"JQ.ACK" => {
                let to = String::from_utf8_lossy(&line.words[4]).into_owned();
                self.remember(to, reply.text());
            }
            Reply::Array(notices) if line.name() == b"JQ.NOTICES" => {
                for notice in notices {
                    self.remember(line.queue.clone(), notice.items()[0].text());
                }
            }
            Reply::Array(end) if matches!(line.name(), b"JQ.CALL" | b"JQ.RESULT") => {
                let has_more = !end[1].is_nothing();
                let may_have = ["completed", "dead"].contains(&end[0].text().as_str());
                assert!(!has_more || may_have, "{end:?} ({self})");
            }
            Reply::Array(jobs) if line.name() == b"JQ.CONSUME" => {
                for job in jobs {
                    let job = job.items();
                    self.remember(job[0].text(), job[1].text());
                }
            }
            Reply::Int(1) if line.words.len() == 3 => self.note_settlement(line),
            _ => {}
        }
    }

    fn note_settlement(&mut self, line: &Line) {
        let receipt = String::from_utf8_lossy(&line.words[2]).into_owned();
        // A queue that was deleted may use a given id and its tokens again.
        let lasting = self.brief.as_ref() != Some(&line.queue);
        if receipt.contains('@') && lasting {
            let is_first = self.settled.insert((line.queue.clone(), receipt.clone()));
            assert!(is_first, "{receipt} of {} settled twice ({self})", line.queue);
        }
    }

    fn remember(&mut self, queue: String, job: String) {
        if self.jobs.len() < REMEMBERED {
            self.jobs.push((queue, job));
        } else {
            let place = self.random.random_range(0..REMEMBERED);
            self.jobs[place] = (queue, job);
        }
    }
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {}", self.seed)
    }
}

/// The seed of this run: `JOBQ_SEED`, or the same one each time.
pub fn seed() -> u64 {
    std::env::var("JOBQ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7)
}

/// Many where `JOBQ_LONG` is set, few otherwise.
pub fn many(long: usize, few: usize) -> usize {
    if std::env::var_os("JOBQ_LONG").is_some() {
        long
    } else {
        few
    }
}
