//! Operations on very many jobs at once: they go on in slices, show how far they are, and hold nobody
//! up. A hundred thousand jobs, or with `JOBQ_LONG` a million.

use crate::{
    replies::stat,
    support::{load::many, wait_for, Client, Options, Reply, Server},
};

/// Jobs that are worked through at once by the command itself.
const AT_ONCE_MAX: i64 = 1_000;

fn jobs() -> i64 {
    many(1_000_000, 100_000) as i64
}

fn fill(client: &mut Client, options: &str) {
    let mut words = vec!["JQ.MPUBLISH".to_string(), "mail".into(), "1000".into()];
    words.extend((0..1000).map(|n| format!("body {n}")));
    words.extend(options.split_whitespace().map(String::from));
    for _ in 0..jobs() / 1000 {
        assert_eq!(client.call(&words).items().len(), 1000);
    }
}

/// Runs an operation on all jobs, and watches it from a second connection until all are in `state`.
#[track_caller]
fn all_become(client: &mut Client, other: &mut Client, line: &str, state: &str) {
    // In one step with the first look, or the timer might be done before it.
    for step in ["MULTI", line, "JQ.STATS mail"] {
        client.run(step);
    }
    let step = client.run("EXEC");
    assert_eq!(step.items()[0], Reply::Int(jobs()), "{line} counts all of them at once");
    let mut left = vec![step.items()[1].field("tasks-left").int()];
    assert!(left[0] >= jobs() - AT_ONCE_MAX, "{line} does not do all of them at once: {left:?}");
    wait_for(line, || {
        assert_eq!(other.run("PING").text(), "PONG");
        left.push(stat(other, "mail", "tasks-left"));
        (left.last() == Some(&0)).then_some(())
    });
    assert!(left.is_sorted_by(|before, after| before >= after), "{line}: progress is visible");
    let there = if state == "gone" { 0 } else { jobs() };
    let len = if state == "gone" { "JQ.LEN mail".into() } else { format!("JQ.LEN mail {state}") };
    assert_eq!(other.run(&len), Reply::Int(there), "{line}");
}

#[test]
fn operations_on_all_jobs_go_on_in_slices_that_can_be_watched() {
    let server = Server::start(Options::new().with_aof());
    let (mut client, mut other) = (server.client(), server.client());
    fill(&mut client, "DELAY 3600000");
    for (line, state) in [
        ("JQ.KICK mail ALL", "ready"),
        ("JQ.BURY mail ALL ready", "dead"),
        ("JQ.RESPAWN mail ALL DELAY 3600000", "delayed"),
        ("JQ.BURY mail ALL delayed", "dead"),
        ("JQ.RESPAWN mail ALL TRIES 3 TTL 7200000", "ready"),
        ("JQ.PURGE mail ready", "gone"),
    ] {
        all_become(&mut client, &mut other, line, state);
    }
    assert!(stat(&mut client, "mail", "bytes") < 1 << 16, "memory came back");
    assert_eq!(stat(&mut client, "mail", "purged"), jobs());
}

#[test]
fn an_operation_that_was_under_way_goes_on_after_a_restart() {
    let mut server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    fill(&mut client, "DELAY 3600000");
    assert_eq!(client.run("JQ.BURY mail ALL delayed"), Reply::Int(jobs()));
    server.kill_and_restart();
    let mut client = server.client();
    wait_for("the rest", || (client.run("JQ.LEN mail dead") == Reply::Int(jobs())).then_some(()));
    assert_eq!(stat(&mut client, "mail", "tasks-left"), 0);
}
