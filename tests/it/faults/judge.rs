//! What is asked at the end of a load: whether its history can be true, and whether the server is well.

use super::{check::check, crew::drain, history::History, tally::Tally};
use crate::support::{load::seed, Reply, Server};

/// What crews work on.
pub const QUEUES: [&str; 2] = ["mail", "fax"];

/// Drains the server and checks all that its clients were told.
pub fn judge(history: &mut History, server: &Server, tally: &mut Tally) {
    drain(history, server.port(), &QUEUES);
    is_well(server);
    assert_promises_are_kept(history, tally);
}

/// Checks all that clients were told, when nothing is left.
pub fn assert_promises_are_kept(history: &History, tally: &mut Tally) {
    let findings = check(history);
    let broken = findings.broken.len();
    assert!(
        broken == 0,
        "{broken} promises broken (seed {}): {}",
        seed(),
        findings.broken.join("\n")
    );
    assert!(findings.deliveries > 0, "something was delivered");
    tally.add("requests", history.requests);
    tally.add("requests without an answer", history.unanswered);
    tally.add("jobs", findings.jobs);
    tally.add("deliveries of jobs that were delivered before", findings.repeated);
    tally.add("acknowledged publishes forgotten", findings.publishes_forgotten);
    tally.add("acknowledged acks forgotten", findings.finishes_forgotten);
    tally.add("acks with a successor", findings.chains);
    tally.add("acks with a successor, without an answer", findings.chains_unanswered);
}

/// What is counted adds up, and nothing went wrong inside.
pub fn is_well(server: &Server) {
    for queue in QUEUES {
        let mut client = server.client();
        client.run("MULTI");
        for state in ["", " delayed", " ready", " leased", " completed", " dead"] {
            client.run(&format!("JQ.LEN {queue}{state}"));
        }
        let counts = client.run("EXEC");
        let counts: Vec<_> = counts.items().iter().map(Reply::int).collect();
        assert_eq!(counts[0], counts[1..].iter().sum(), "{queue}: {counts:?}");
    }
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
    assert!(!server.log().contains("CRITICAL"), "{}", server.log());
}
