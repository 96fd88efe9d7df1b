//! Workers that die, sleep and come back, as processes of their own: those of `docs/workers`, and
//! one whose work takes a while.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rand::{rngs::StdRng, seq::SliceRandom, Rng, SeedableRng};
use tempfile::TempDir;

use super::tally::Tally;
use crate::support::{
    load::{many, seed},
    wait_for, Client, Reply, Server,
};

/// So many jobs may be ready before no more are published.
const BACKLOG_MAX: i64 = 40;

const PYTHON: &str = ".cache/venv/bin/python";
const SLOW: [&str; 2] = [PYTHON, "tests/it/faults/worker.py"];
const DOCUMENTED: [[&str; 2]; 2] =
    [[PYTHON, "docs/workers/worker.py"], ["node", "docs/workers/worker.mjs"]];

/// A worker process, and the file it writes to. It is killed when this is dropped.
struct Worker {
    process: Child,
    said: PathBuf,
}

impl Worker {
    fn id(&self) -> u32 {
        self.process.id()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "no signal for {}", self.id());
    }

    /// What it has taken, if it has not done the work since.
    fn lease(&self) -> Option<Lease> {
        let mut lease = None;
        for line in lines(&self.said) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["takes", job, receipt] => {
                    lease = Some(Lease { job: job.into(), receipt: receipt.into() });
                }
                ["mail", "to", _] => lease = None,
                _ => {}
            }
        }
        lease
    }

    /// Stops it, and waits until it stands still.
    fn stop(&self) {
        self.signal("STOP");
        wait_for("the worker to stand still", || {
            let status = fs::read_to_string(format!("/proc/{}/stat", self.id())).ok()?;
            let (_, state) = status.rsplit_once(") ")?;
            state.starts_with('T').then_some(())
        });
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    fn wait(&mut self) -> ExitStatus {
        self.process.wait().expect("a child can be waited for")
    }
}

/// What was written to a file, but for a line in the middle of which its writer was killed.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    lines.map(String::from).collect()
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A lease that a worker holds.
struct Lease {
    job: String,
    receipt: String,
}

/// A queue, to which jobs are published while anything is waited for, and what its workers say.
struct Workshop {
    server: Server,
    client: Client,
    directory: TempDir,
    hired: usize,
    published: usize,
}

impl Workshop {
    fn open() -> Self {
        let server = Server::plain();
        let mut client = server.client();
        // Kept when they are finished, with how often they failed.
        let set = client.run("JQ.CONFIG mail SET ttr 200 tries 1000 retain forever");
        assert_eq!(set.text(), "OK");
        let directory = tempfile::tempdir().expect("there is room for a directory");
        Self { server, client, directory, hired: 0, published: 0 }
    }

    fn hire(&mut self, [program, script]: [&str; 2]) -> Worker {
        let said = self.directory.path().join(format!("said-{}", self.hired));
        self.hired += 1;
        let file = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.expect("the directory is writable")
        };
        let process = Command::new(program)
            .args([script, "127.0.0.1", &self.server.port().to_string(), "mail"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .stdin(Stdio::null())
            .stdout(file(&said))
            .stderr(file(&self.directory.path().join("errors")))
            .spawn();
        let process = process.unwrap_or_else(|error| panic!("{program}: {error}"));
        Worker { process, said }
    }

    /// What all workers have said, each in its order.
    fn said(&self) -> Vec<String> {
        let files = (0..self.hired).map(|n| self.directory.path().join(format!("said-{n}")));
        files.flat_map(|path| lines(&path)).collect()
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.directory.path().join("errors")).unwrap_or_default()
    }

    fn publish(&mut self) {
        if self.client.run("JQ.LEN mail ready").int() < BACKLOG_MAX {
            self.published += 1;
            let id = format!("job-{}", self.published);
            let body = format!(r#"{{"to": "{id}"}}"#);
            let told = self.client.call(&["JQ.PUBLISH", "mail", &body, "ID", &id]);
            assert_eq!(told.text(), id);
        }
    }

    /// Waits for an event, while jobs are published.
    fn wait_for<T>(&mut self, what: &str, mut happened: impl FnMut(&mut Self) -> Option<T>) -> T {
        wait_for(what, || {
            self.publish();
            happened(self)
        })
    }

    /// Stops a worker that is in the middle of its work.
    fn stop_at_work(&mut self, worker: &Worker) -> Lease {
        self.wait_for("a worker to be at work", |_| {
            worker.lease()?;
            worker.stop();
            let lease = worker.lease();
            if lease.is_none() {
                worker.signal("CONT");
            }
            lease
        })
    }

    fn has_said(&self, words: &str) -> bool {
        self.said().iter().any(|line| line == words)
    }

    fn wait_until_done(&mut self, job: &str) {
        let done = format!("mail to {job}");
        self.wait_for("another to do the work", |shop| shop.has_said(&done).then_some(()));
    }

    /// Waits until a worker that cannot take anything any more does not hold this either.
    fn wait_for_the_lapse(&mut self, lease: &Lease, worker: &Worker) {
        let holder = Reply::Bulk(worker.id().to_string().into_bytes());
        let line = format!("JQ.JOB mail {}", lease.job);
        self.wait_for("the lease to lapse", |shop| {
            (shop.client.run(&line).field("worker") != holder).then_some(())
        });
    }
}

/// Ways in which a worker may come to grief.
#[derive(Clone, Copy)]
enum Fault {
    KilledAtWork,
    StoppedAtWork,
    AskedToEnd,
    DocumentedOneKilled,
    DocumentedOneAskedToEnd,
}

const FAULTS: [Fault; 5] = [
    Fault::KilledAtWork,
    Fault::StoppedAtWork,
    Fault::AskedToEnd,
    Fault::DocumentedOneKilled,
    Fault::DocumentedOneAskedToEnd,
];

#[test]
fn no_job_is_lost_with_the_workers_that_die_or_fall_asleep() {
    let mut random = StdRng::seed_from_u64(seed());
    let mut shop = Workshop::open();
    let mut tally = Tally::of("workers killed, stopped or asked to end");
    let mut slow: Vec<_> = (0..3).map(|_| shop.hire(SLOW)).collect();
    let mut documented = DOCUMENTED.map(|kind| shop.hire(kind));
    for _ in 0..many(15, 2) {
        let mut faults = FAULTS;
        faults.shuffle(&mut random);
        for fault in faults {
            let (who, kind) = (random.random_range(0..3), random.random_range(0..2));
            match fault {
                Fault::KilledAtWork => {
                    let lease = shop.stop_at_work(&slow[who]);
                    slow[who].kill();
                    shop.wait_for_the_lapse(&lease, &slow[who]);
                    slow[who] = shop.hire(SLOW);
                    shop.wait_until_done(&lease.job);
                    tally.add("workers killed", 1);
                }
                Fault::StoppedAtWork => {
                    let lease = shop.stop_at_work(&slow[who]);
                    shop.wait_for_the_lapse(&lease, &slow[who]);
                    if random.random_bool(0.5) {
                        shop.wait_until_done(&lease.job);
                    }
                    slow[who].signal("CONT");
                    let late = format!("acked {} {} ", lease.job, lease.receipt);
                    let told = shop.wait_for("the late ack", |_| {
                        let said = lines(&slow[who].said);
                        said.iter().find_map(|line| Some(line.strip_prefix(&late)?.to_string()))
                    });
                    assert_eq!(told, "0", "{late}");
                    tally.add("workers stopped for longer than their lease", 1);
                }
                Fault::AskedToEnd => {
                    shop.stop_at_work(&slow[who]);
                    slow[who].signal("TERM");
                    slow[who].signal("CONT");
                    assert!(slow[who].wait().success(), "{}", shop.errors());
                    slow[who] = shop.hire(SLOW);
                    tally.add("workers asked to end", 1);
                }
                Fault::DocumentedOneKilled => {
                    documented[kind] = shop.hire(DOCUMENTED[kind]);
                    tally.add("workers killed", 1);
                }
                Fault::DocumentedOneAskedToEnd => {
                    documented[kind].signal("TERM");
                    documented[kind].wait();
                    documented[kind] = shop.hire(DOCUMENTED[kind]);
                    tally.add("workers asked to end", 1);
                }
            }
        }
    }
    wait_for("all to be done", || {
        (shop.client.run("JQ.LEN mail completed").int() == shop.published as i64).then_some(())
    });
    drop((slow, documented));
    let errors = shop.errors();
    assert!(errors.is_empty(), "{errors}");
    all_was_done(shop, &mut tally);
}

/// Each job was done, and again only after a lapse of its own.
fn all_was_done(mut shop: Workshop, tally: &mut Tally) {
    let stats = shop.client.run("JQ.STATS mail");
    let stat = |name: &str| stats.field(name).int();
    let published = shop.published as i64;
    for (name, count) in
        [("published", published), ("acked", published), ("nacked", 0), ("released", 0)]
    {
        assert_eq!(stat(name), count, "{name}: {stats:?}");
    }
    for state in ["delayed", "ready", "leased", "dead"] {
        assert_eq!(stat(state), 0, "{state}: {stats:?}");
    }
    let said = shop.said();
    let mut works: HashMap<&str, i64> = HashMap::new();
    let mut acks = HashSet::new();
    let mut refused = HashSet::new();
    for line in &said {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["mail", "to", job] => *works.entry(job).or_default() += 1,
            ["acked", job, _, "1"] => assert!(acks.insert(job), "{job} was acked twice"),
            ["acked", job, receipt, "0"] => assert!(refused.insert((job, receipt))),
            ["takes", ..] => {}
            _ => panic!("a worker said {line}"),
        }
    }
    let mut lapsed = 0;
    for number in 1..=shop.published {
        let id = format!("job-{number}");
        let job = shop.client.run(&format!("JQ.JOB mail {id}"));
        assert_eq!(job.field("state"), Reply::Bulk(b"completed".to_vec()), "{id}");
        let failures = job.field("failures").int();
        let done = works.get(&id[..]).copied().unwrap_or_default();
        assert!(done >= 1, "{id} was not done");
        assert!(done <= 1 + failures, "{id} was done {done} times, and lapsed {failures} times");
        assert_eq!(job.field("deliveries").int(), 1 + failures, "{id}");
        let late = refused.iter().filter(|(job, _)| *job == id).count() as i64;
        assert!(late <= failures, "{id} was refused {late} acks, and lapsed {failures} times");
        lapsed += failures;
    }
    assert_eq!(stat("lapsed"), lapsed);
    tally.add("jobs", shop.published);
    tally.add("leases that lapsed", lapsed as usize);
    let done = works.values().sum::<i64>();
    tally.add("jobs done twice", (done - published) as usize);
    tally.add("late acks refused", refused.len());
}
