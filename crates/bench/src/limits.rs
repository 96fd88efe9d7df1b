//! What limits cost those that use them, and those beside a limit for which many wait.

use std::io::Result;

use crate::{
    comparison::{compare, Side},
    fill::{self, Bodies},
    on_terms::{self, plain, words, Case, Running, BODY_BYTES, DEPTH},
    report::Report,
    server::Server,
    wire::Wire,
    Bench,
};

const JOBS: usize = 1_000_000;

const CASES: [Case; 9] = [
    Case { name: "no limit", queue: "empty", prepare: |_, _| Ok(()), terms: plain },
    Case {
        name: "`USES` of a limit that nobody set",
        queue: "unset",
        prepare: |_, _| Ok(()),
        terms: |_| words("USES disk 1"),
    },
    Case {
        name: "`USES` of a limit with room, by concurrency",
        queue: "free",
        prepare: |wire, _| set(wire, "free", "disk CONCURRENCY 1000"),
        terms: |_| words("USES disk 1"),
    },
    Case {
        name: "`USES` of a limit with room, by rate",
        queue: "rate",
        prepare: |wire, _| set(wire, "rate", "disk RATE 1000000000 PER 1000"),
        terms: |_| words("USES disk 1"),
    },
    Case {
        name: "`USES` of three limits with room",
        queue: "three",
        prepare: |wire, _| {
            ["disk", "net", "cpu"]
                .iter()
                .try_for_each(|name| set(wire, "three", &format!("{name} CONCURRENCY 1000")))
        },
        terms: |_| words("USES disk 1 USES net 2 USES cpu 3"),
    },
    Case {
        name: "a `MUTEX` of its own for each job",
        queue: "mutex",
        prepare: |_, _| Ok(()),
        terms: |n| words(&format!("MUTEX order:{:07}", n % 1_000)),
    },
    Case {
        name: "`group:*` with a concurrency of 1, and 1,000 groups",
        queue: "ordered",
        prepare: |wire, _| set(wire, "ordered", "group:* CONCURRENCY 1"),
        terms: |n| words(&format!("GROUP {:07}", n % 1_000)),
    },
    Case {
        name: "no limit, beside 1 M jobs that wait for one",
        queue: "beside",
        prepare: |wire, jobs| {
            set(wire, "beside", "disk CONCURRENCY 1")?;
            wait_for_disk(wire, "beside", jobs)?;
            // Or one of those would be taken first.
            fill::lease(wire, "beside", 1, crate::clock::tomorrow()?)
        },
        terms: plain,
    },
    Case {
        name: "`USES` of a limit of 64 that 1 M other jobs wait for",
        queue: "full",
        prepare: |wire, jobs| {
            set(wire, "full", &format!("disk CONCURRENCY {DEPTH}"))?;
            wait_for_disk(wire, "full", jobs)
        },
        terms: |_| words("USES disk 1"),
    },
];

/// The cost of a cycle.
pub fn measure(bench: &Bench) -> Result<Report> {
    let jobs = if bench.quick { JOBS / 100 } else { JOBS };
    let mut report = Report::default();
    report.remark(&format!(
        "The server's processor time of a cycle of publish, consume and acknowledge: {DEPTH} deep, bodies \
         of {BODY_BYTES} bytes, one connection, no AOF. Each is a queue of its own on one server, and \
         they take turns.",
    ));
    let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
    let mut sides: Vec<Box<dyn Side + '_>> = Vec::new();
    for case in &CASES {
        sides.push(Box::new(Running::start(&server, case, jobs)?));
    }
    let measured = compare(bench, &mut sides)?;
    on_terms::tell(&mut report, &CASES, &measured);
    Ok(report)
}

fn set(wire: &mut Wire, queue: &str, limit: &str) -> Result<()> {
    wire.call(&format!("JQ.LIMIT {queue} SET {limit}")).map(drop)
}

fn wait_for_disk(wire: &mut Wire, queue: &str, jobs: usize) -> Result<()> {
    let terms = ["USES", "disk", "1"];
    fill::publish(wire, queue, jobs, &mut Bodies::alike(BODY_BYTES), &terms)
}
