//! What groups cost, and how soon a small one is served beside a large one.

use std::{collections::HashSet, io::Result};

use crate::{
    comparison::{compare, Side},
    figures::grouped,
    fill::{self, Bodies},
    on_terms::{self, plain, publish, words, Case, Running, BODY_BYTES, DEPTH},
    report::Report,
    server::Server,
    wire::Wire,
    Bench,
};

const JOBS: usize = 1_000_000;

/// Groups beside a large one are so many times fewer than it has jobs.
const SMALL_PART: usize = 100;

/// Jobs taken at once where it is counted who is served.
const PIECE: usize = 100;

const CASES: [Case; 6] = [
    Case {
        name: "no groups, an empty queue",
        queue: "empty",
        prepare: |_, _| Ok(()),
        terms: plain,
    },
    Case {
        name: "no groups, 1 M jobs ready",
        queue: "plain",
        prepare: |wire, jobs| {
            fill::publish(wire, "plain", jobs, &mut Bodies::alike(BODY_BYTES), &[])
        },
        terms: plain,
    },
    Case {
        name: "one group, an empty queue",
        queue: "one",
        prepare: |_, _| Ok(()),
        terms: |_| words("GROUP acme"),
    },
    Case {
        name: "1 M groups that nobody is in any more",
        queue: "idle",
        prepare: |wire, jobs| {
            publish(wire, "idle", jobs, |n| words(&format!("GROUP idle:{n:07}")))?;
            fill::drain(wire, "idle", jobs)
        },
        terms: |n| words(&format!("GROUP idle:{:07}", n % 1_000)),
    },
    Case {
        name: "1 M groups of one job, and each job of the cycles of one more",
        queue: "groups",
        prepare: |wire, jobs| publish(wire, "groups", jobs, |n| words(&format!("GROUP {n:07}"))),
        terms: |n| words(&format!("GROUP more:{n:07}")),
    },
    Case {
        name: "a group of 1 M jobs, and 10,000 of one job each",
        queue: "uneven",
        prepare: |wire, jobs| crowd(wire, "uneven", jobs),
        // Each time round, each of them is given the job that it is relieved of.
        terms: |n| words(&format!("GROUP small:{:07}", n % 10_000)),
    },
];

/// The cost of a cycle, and the place of the small.
pub fn measure(bench: &Bench) -> Result<Report> {
    let jobs = if bench.quick { JOBS / 100 } else { JOBS };
    let mut report = Report::default();
    report.remark(&format!(
        "The server's processor time of a cycle of publish, consume and acknowledge: {DEPTH} deep, bodies \
         of {BODY_BYTES} bytes, one connection, no AOF. Each is a queue of its own on one server, and \
         they take turns. What is taken is the next in line, so nearly always one of those that were \
         there before.",
    ));
    let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
    let mut sides: Vec<Box<dyn Side + '_>> = Vec::new();
    for case in &CASES {
        sides.push(Box::new(Running::start(&server, case, jobs)?));
    }
    let measured = compare(bench, &mut sides)?;
    on_terms::tell(&mut report, &CASES, &measured);

    let small = jobs / SMALL_PART;
    report.remark(&format!(
        "How many deliveries it takes until {} groups of one job have all been served, published behind \
         {} jobs of one group.",
        grouped(small as f64),
        grouped(jobs as f64)
    ));
    let mut rows = Vec::new();
    for (name, setting, bound) in [
        ("all weigh the same", "group-weight:large 1", small + 1),
        ("the large one weighs 10", "group-weight:large 10", small + 10),
    ] {
        let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
        let mut wire = server.connect()?;
        wire.call(&format!("JQ.CONFIG crowd SET {setting}"))?;
        crowd(&mut wire, "crowd", jobs)?;
        let needed = deliveries_until_served(&mut wire, "crowd", small)?;
        rows.push(
            [name.to_string()]
                .into_iter()
                .chain([bound, needed, jobs + small].map(|deliveries| grouped(deliveries as f64)))
                .collect(),
        );
    }
    report.table(&["", "the fair bound", "needed", "first come, first served"], &rows);
    Ok(report)
}

/// One group of so many jobs, and behind them a hundredth of that in groups of one.
fn crowd(wire: &mut Wire, queue: &str, jobs: usize) -> Result<()> {
    let terms = ["GROUP", "large"];
    fill::publish(wire, queue, jobs, &mut Bodies::alike(BODY_BYTES), &terms)?;
    publish(wire, queue, jobs / SMALL_PART, |n| words(&format!("GROUP small:{n:07}")))
}

/// Consumes until jobs of so many small groups are delivered; ends with the delivery of the last one.
fn deliveries_until_served(wire: &mut Wire, queue: &str, groups: usize) -> Result<usize> {
    let (mut served, mut deliveries) = (HashSet::new(), 0);
    loop {
        let taken = wire.call(&format!("JQ.CONSUME {queue} COUNT {PIECE} DETAILS"))?;
        for at in 0..taken.len() {
            deliveries += 1;
            let group = taken.item(&[at, 3])?.field("group")?;
            if group.starts_with(b"small:")
                && served.insert(group.to_vec())
                && served.len() == groups
            {
                return Ok(deliveries);
            }
        }
        if taken.len() == 0 {
            return Err(std::io::Error::other("some groups are never served"));
        }
    }
}
