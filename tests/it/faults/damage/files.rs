//! The files of servers, and what a server makes of ones that were damaged.

use std::{
    collections::HashSet,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::support::{likeness::copy_log, wait_for, Client, Options, Reply, Server};

/// A file of a server, by how its name ends.
pub fn file_of(directory: &Path, end: &str) -> PathBuf {
    let log = directory.join("appendonlydir");
    let files = [directory, &log].into_iter().filter_map(|place| fs::read_dir(place).ok());
    let mut paths = files.flat_map(|entries| entries.flatten()).map(|entry| entry.path());
    let named = |path: &PathBuf| path.to_string_lossy().ends_with(end);
    paths.find(named).unwrap_or_else(|| panic!("there is no file that ends with {end}"))
}

/// A server that is started on other files again and again.
pub struct Patient {
    server: Server,
    log_read: usize,
}

impl Patient {
    /// A server with these options, which comes up on nothing.
    pub fn new(options: Options) -> Self {
        let mut server = Server::start(options);
        server.kill();
        Self { server, log_read: 0 }
    }

    /// Gives it the files of another, of which one has other bytes, and starts it. `None` if it
    /// refuses, which has to be in good order and with a line that says why.
    pub fn given(&mut self, from: &Path, end: &str, bytes: &[u8]) -> Option<&Server> {
        self.server.kill();
        let directory = self.server.directory();
        if from.join("appendonlydir").exists() {
            copy_log(from, directory);
        }
        if from.join("dump.rdb").exists() {
            fs::copy(from.join("dump.rdb"), directory.join("dump.rdb")).expect("it can be copied");
        }
        fs::write(file_of(directory, end), bytes).expect("the file is writable");
        self.log_read = self.log().len();
        self.server.begin();
        if self.comes_up() {
            return Some(&self.server);
        }
        let said = self.said();
        if said.contains(TWO_KEYS) {
            return None;
        }
        if self.server.is_alive() {
            self.server.kill();
        } else {
            let status = self.server.ended().expect("it has ended");
            assert_eq!(status.signal(), None, "it was ended by a signal: {said}");
        }
        assert!(CLEAR.iter().any(|line| said.contains(line)), "it does not say why: {said}");
        assert!(!has_crashed(&said), "{said}");
        None
    }

    /// Whether it comes up. Else it has ended, or has refused the file and looks through it for ever:
    /// Valkey 9.1 does not always find the end of a module's value that was cut off.
    fn comes_up(&mut self) -> bool {
        let mut checks_since = None;
        wait_for("the server to come up or to refuse", || {
            if self.server.is_up() {
                return Some(true);
            }
            if self.said().contains("Checking RDB file") {
                checks_since.get_or_insert_with(Instant::now);
            }
            let is_stuck = checks_since.is_some_and(|since| since.elapsed() > CHECK_MAX);
            (is_stuck || !self.server.is_alive()).then_some(false)
        })
    }

    /// What it has logged since it was started last.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.log()[self.log_read..]).into_owned()
    }

    /// Whatever bytes it was given may be in there.
    fn log(&self) -> Vec<u8> {
        fs::read(self.server.directory().join("log")).expect("there is a log")
    }
}

/// For how long a server may look through a file that it has refused.
const CHECK_MAX: Duration = Duration::from_secs(5);

/// With this a server panics by itself, when a flip has made the names of two keys the same.
const TWO_KEYS: &str = "Duplicated key found in RDB file";

/// What servers say that do not come up on damaged files.
const CLEAR: [&str; 14] = [
    "FATAL: Data file was created with",
    "the truncated file is not the last file",
    "reading the append only file",
    "Error reading the RDB preamble",
    "Internal error in RDB reading",
    "RDB CRC error",
    "Wrong RDB checksum",
    "Short read or OOM loading DB",
    "Unexpected EOF reading RDB file",
    "Wrong signature trying to load DB from file",
    "Can't handle RDB format version",
    "a queue cannot be loaded",
    "Fatal error loading the DB",
    "The RDB file contains",
];

/// Whether a log tells of a crash.
pub fn has_crashed(log: &str) -> bool {
    let crashed = ["crashed by signal", "BUG REPORT", "ASSERTION FAILED"];
    !log.contains(TWO_KEYS) && crashed.iter().any(|line| log.contains(line))
}

/// Asserts that the queues of a server agree with themselves and can be worked on. Tells how many
/// there are.
pub fn all_queues_work(server: &Server) -> usize {
    let mut client = server.client();
    let mut queues = 0;
    for db in 0..4 {
        client.run(&format!("SELECT {db}"));
        let names: Vec<_> =
            client.run("KEYS *").items().iter().map(|n| n.bytes().to_vec()).collect();
        for name in names {
            if client.call(&[b"TYPE", &name[..]]).text() == "job-queue" {
                queue_works(&mut client, &name);
                queues += 1;
            }
        }
    }
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0", "{}", server.log());
    queues
}

fn queue_works(client: &mut Client, name: &[u8]) {
    let states = ["delayed", "held", "gathering", "ready", "leased", "completed", "dead"];
    let ask = |client: &mut Client, words: &[&str]| {
        let (command, options) = words.split_first().expect("there is a command");
        let mut all = vec![command.as_bytes(), name];
        all.extend(options.iter().map(|word| word.as_bytes()));
        client.call(&all)
    };
    client.run("MULTI");
    ask(client, &["JQ.LEN"]);
    states.iter().for_each(|state| drop(ask(client, &["JQ.LEN", state])));
    ask(client, &["JQ.STATS"]);
    ask(client, &["JQ.DIGEST"]);
    let told = client.run("EXEC");
    let told = told.items();
    let (lens, [stats, digest]) = told.split_at(1 + states.len()) else { panic!("{told:?}") };
    let counts: Vec<_> = lens.iter().map(Reply::int).collect();
    assert_eq!(counts[0], counts[1..].iter().sum::<i64>());
    for (state, count) in states.iter().zip(&counts[1..]) {
        assert_eq!(stats.field(state), Reply::Int(*count));
    }
    assert_eq!(digest.text().len(), 32);
    for state in states {
        let page = ask(client, &["JQ.LIST", state, "COUNT", "10000"]);
        assert!(matches!(page, Reply::Array(_)), "{page:?}");
    }

    ask(client, &["JQ.RESUME"]);
    // Its own limits and defaults may be any by now.
    let published = ask(client, &["JQ.PUBLISH", "more", "TTL", "0", "PRIORITY", "-20"]);
    let refusals = ["FULL", "TOOBIG"];
    assert!(
        matches!(published, Reply::Bulk(_)) || refusals.contains(&published.error_word()),
        "{published:?}"
    );
    let mut receipts = HashSet::new();
    while let Reply::Array(jobs) = ask(client, &["JQ.CONSUME", "COUNT", "100", "TTR", "3600000"]) {
        for job in &jobs {
            let receipt = job.items()[1].text();
            let acked = ask(client, &["JQ.ACK", &receipt]);
            // One whose life ends meanwhile is gone.
            assert!(matches!(acked, Reply::Int(0 | 1)), "{acked:?}");
            assert!(receipts.insert(receipt), "given twice");
        }
    }
    let ready = ask(client, &["JQ.LEN", "ready"]);
    assert!(!matches!(ready, Reply::Error(_)), "{ready:?}");
}
