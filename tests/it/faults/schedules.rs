//! Schedules go on while servers are killed and replaced: each occurrence has one run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc, Mutex,
    },
    thread::JoinHandle,
    time::Duration,
};

use rand::{rngs::StdRng, Rng, SeedableRng};

use super::{
    caller::{is_refusal, Caller, Place},
    failover::{change_places, replica_of, take_the_place},
    tally::Tally,
};
use crate::support::{
    likeness::{assert_replica_is_alike, freeze},
    load::{many, seed},
    wait_for, Client, Options, Reply, Server,
};

/// Schedules with a grid: what they are called, when they come, and how far their points are apart.
const GRIDS: [(&str, [&str; 2], i64); 2] =
    [(EVERY, ["EVERY", "10"], 10), (CRON, ["CRON", "* * * * * *"], 1000)];
const EVERY: &str = "every";
const CRON: &str = "cron";

/// The name of one without a grid: each run is made by the end of the one before.
const IN_TURN: &str = "after";

/// By schedule and occurrence the ids of the jobs that ran for it.
type Runs = BTreeMap<String, BTreeMap<i64, BTreeSet<String>>>;

/// Somebody who finishes all runs, whatever becomes of the servers, and writes down which there were.
struct Clerk {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Runs>>,
}

struct Shared {
    place: Place,
    stop: AtomicBool,
    /// By schedule.
    finished: Mutex<BTreeMap<String, usize>>,
}

impl Clerk {
    fn start(server: &Server) -> Self {
        let shared = Arc::new(Shared {
            place: Place::of(server),
            stop: AtomicBool::new(false),
            finished: Mutex::default(),
        });
        let of_thread = Arc::clone(&shared);
        Self { shared, thread: Some(std::thread::spawn(move || of_thread.work())) }
    }

    fn place(&self) -> &Place {
        &self.shared.place
    }

    /// Waits until so many more runs of a schedule have been finished.
    fn finish_some(&self, name: &str, runs: usize) {
        let finished = || {
            let finished = self.shared.finished.lock().expect("nobody gives up meanwhile");
            finished.get(name).copied().unwrap_or(0)
        };
        let enough = finished() + runs;
        wait_for("some runs", || {
            assert!(self.thread.as_ref().is_some_and(|thread| !thread.is_finished()), "it gave up");
            (finished() >= enough).then_some(())
        });
    }

    /// Stops the schedules, and tells all runs when none is left.
    fn finish(mut self, server: &Server) -> Runs {
        let names = GRIDS.map(|(name, ..)| name);
        for name in names.into_iter().chain([IN_TURN]) {
            assert_eq!(server.run(&format!("JQ.SCHEDULE runs PAUSE {name}")), Reply::Int(1));
        }
        wait_for("the last run", || (server.run("JQ.LEN runs") == Reply::Int(0)).then_some(()));
        self.shared.stop.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it is finished once");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Clerk {
    /// A test that fails leaves nobody at work.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn work(&self) -> Runs {
        let mut caller = Caller::new(&self.place, &self.stop);
        let mut runs = Runs::new();
        while !caller.is_over() {
            // A lease of which nobody heard lapses soon.
            let jobs = ask(&mut caller, "JQ.CONSUME runs COUNT 20 TTR 300 BLOCK 200 DETAILS");
            let Some(Reply::Array(jobs)) = jobs else { continue };
            for job in &jobs {
                let details = &job.items()[3];
                let of_schedule = runs.entry(details.field("schedule").text()).or_default();
                let ids = of_schedule.entry(details.field("occurrence").int()).or_default();
                ids.insert(details.field("id").text());
            }
            let receipts: Vec<_> = jobs.iter().map(|job| job.items()[1].text()).collect();
            let acked = ask(&mut caller, &format!("JQ.ACK runs {}", receipts.join(" ")));
            if acked == Some(Reply::Int(jobs.len() as i64)) {
                let mut finished = self.finished.lock().expect("nobody gives up meanwhile");
                for job in &jobs {
                    let name = job.items()[3].field("schedule").text();
                    *finished.entry(name).or_default() += 1;
                }
            }
        }
        runs
    }
}

/// What is answered, if anything is.
fn ask(caller: &mut Caller<'_>, line: &str) -> Option<Reply> {
    let words: Vec<_> = line.split(' ').map(String::from).collect();
    match caller.call(&words)?.reply? {
        Reply::Error(said) if is_refusal(&said) => {
            std::thread::park_timeout(Duration::from_millis(1));
            None
        }
        Reply::Error(said) => panic!("{said} to {line}"),
        reply => Some(reply),
    }
}

/// Sets the schedules. Tells the first occurrence of each with a grid.
fn set(client: &mut Client) -> [i64; 2] {
    client.run(&format!("JQ.SCHEDULE runs SET {IN_TURN} x AFTER 10"));
    GRIDS.map(|(name, timing, _)| {
        // In one transaction, so that the first is still to come.
        client.run("MULTI");
        let words = ["JQ.SCHEDULE", "runs", "SET", name, "x"];
        client.call(&[&words, &timing[..], &["MISSED", "ALL"]].concat());
        client.run(&format!("JQ.SCHEDULE runs GET {name}"));
        client.run("EXEC").items()[1].field("next").int()
    })
}

#[track_caller]
fn assert_each_occurrence_has_one_run(
    client: &mut Client,
    firsts: [i64; 2],
    runs: &Runs,
    tally: &mut Tally,
) {
    for (name, of_schedule) in runs {
        let twice: Vec<_> = of_schedule.iter().filter(|(_, ids)| ids.len() > 1).collect();
        assert!(twice.is_empty(), "{name}: {twice:?}");
        let told = client.run(&format!("JQ.SCHEDULE runs GET {name}"));
        let counts = ["runs", "skipped", "missed-count", "refused", "unfinished"];
        let counts = counts.map(|field| told.field(field).int());
        assert_eq!(counts, [of_schedule.len() as i64, 0, 0, 0, 0], "{name}");
        tally.add("runs of schedules", of_schedule.len());
    }
    for ((name, _, step), first) in GRIDS.into_iter().zip(firsts) {
        let points: Vec<_> = runs[name].keys().copied().collect();
        let last = client.run(&format!("JQ.SCHEDULE runs GET {name}")).field("previous").int();
        let whole: Vec<_> = (first..=last).step_by(step as usize).collect();
        assert_eq!(points, whole, "{name}");
    }
    assert!(runs[IN_TURN].len() > 1, "it goes on");
}

#[test]
fn each_occurrence_has_one_run_though_the_server_is_killed_again_and_again() {
    let mut random = StdRng::seed_from_u64(seed() + 60);
    let mut tally = Tally::of("server killed under schedules");
    let mut server = Server::start(Options::new().with_aof());
    let firsts = set(&mut server.client());
    let clerk = Clerk::start(&server);
    for _ in 0..many(40, 4) {
        clerk.finish_some(CRON, 1);
        match random.random_range(0..4) {
            0 => drop(server.run("BGREWRITEAOF")),
            1 => drop(server.run("BGSAVE")),
            _ => {}
        }
        clerk.finish_some(EVERY, 10);
        server.kill_and_restart();
        tally.add("kills", 1);
    }
    clerk.finish_some(CRON, 1);
    let runs = clerk.finish(&server);
    assert_each_occurrence_has_one_run(&mut server.client(), firsts, &runs, &mut tally);
}

#[test]
fn each_occurrence_has_one_run_wherever_the_primary_is() {
    let mut tally = Tally::of("failovers under schedules");
    let mut primary = Server::plain();
    let mut replica = replica_of(&primary);
    let firsts = set(&mut primary.client());
    let clerk = Clerk::start(&primary);
    for round in 0..many(40, 4) {
        clerk.finish_some(CRON, 1);
        if round % 2 == 0 {
            change_places(&mut primary, &mut replica, clerk.place());
        } else {
            // What its replica does not have would be forgotten, runs and acks alike.
            freeze(&primary);
            replica.catch_up_with(&primary);
            primary.kill();
            take_the_place(&mut replica, &mut primary, clerk.place());
        }
        tally.add("failovers", 1);
    }
    clerk.finish_some(CRON, 1);
    let runs = clerk.finish(&primary);
    assert_each_occurrence_has_one_run(&mut primary.client(), firsts, &runs, &mut tally);
    assert_replica_is_alike(&primary, &replica);
}
