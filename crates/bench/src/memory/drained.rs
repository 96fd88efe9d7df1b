//! What a queue keeps when all its jobs are gone.

use std::io::Result;

use super::{put, used, Act, State, BODY_BYTES, PLAIN};
use crate::{figures::grouped, fill, report::Report, server::Server, Bench};

/// The memory of a full queue, and of the same one drained.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let jobs = if bench.quick { 10_000 } else { 1_000_000 };
    let ways: [(&str, State, Act); 4] = [
        ("ready, then consumed and acknowledged", State::Ready, |wire, jobs| {
            fill::drain(wire, "queue", jobs)
        }),
        ("delayed, then kicked, consumed and acknowledged", State::Delayed, |wire, jobs| {
            wire.call("JQ.KICK queue ALL")?;
            fill::settle(wire, "queue", "tasks-left")?;
            fill::drain(wire, "queue", jobs)
        }),
        ("leased, all at once, then acknowledged", State::Leased, |wire, _| {
            fill::acknowledge(wire, "queue")
        }),
        ("dead, then purged", State::Dead, |wire, _| {
            wire.call("JQ.PURGE queue dead")?;
            fill::settle(wire, "queue", "tasks-left")
        }),
    ];
    let mut rows = Vec::new();
    for (name, state, empty) in ways {
        let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
        let before = used(&server)?;
        put(&mut server.connect()?, jobs, state, PLAIN)?;
        let full = used(&server)? - before;
        empty(&mut server.connect()?, jobs)?;
        let left = used(&server)? - before;
        rows.push(vec![
            name.to_string(),
            format!("{:.1}", full / 1e6),
            format!("{:.1}", left / 1e3),
        ]);
    }
    report.heading("A drained queue");
    report.remark(&format!(
        "`used_memory` over that of the server without the queue, with {} jobs of {BODY_BYTES} bytes, \
         and after they are gone.",
        grouped(jobs as f64)
    ));
    report.table(&["", "full, MB", "drained, kB"], &rows);
    Ok(())
}
