//! Publish, consume, acknowledge: cycles a second, and what one costs the server.

mod beside;
mod case;

use std::io::Result;

use crate::{
    beanstalkd::Log,
    contenders::{Contender, BATCH, JOBQ, LIST, STREAMS},
    plot::{Axis, Plot, Scale, Series},
    report::Report,
    Bench,
};
use case::{Case, Found, Shape};

const NO_AOF: &[&str] = &["--appendonly", "no"];
const EVERYSEC: &[&str] = &[
    "--appendonly",
    "yes",
    "--appendfsync",
    "everysec",
    // A rewrite would be in somebody's round.
    "--auto-aof-rewrite-percentage",
    "0",
];
const ALWAYS: &[&str] =
    &["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"];

/// Measures all cases: one that is the base, and others that differ from it in one thing.
pub fn measure(bench: &Bench) -> Result<Report> {
    let base = Case {
        settings: NO_AOF,
        connections: 1,
        depths: &[64, 16, 1],
        bodies: &[128],
        others: Some(Log::Off),
    };
    let one = base.measure(bench)?;
    let everysec =
        Case { settings: EVERYSEC, depths: &[64, 1], others: Some(Log::SyncedEach(1000)), ..base };
    let everysec = everysec.measure(bench)?;
    let always =
        Case { settings: ALWAYS, depths: &[64, 1], others: Some(Log::SyncedEach(0)), ..base };
    let always = always.measure(bench)?;
    let many = Case { connections: 50, depths: &[64, 1], others: None, ..base }.measure(bench)?;
    let bodies = Case { depths: &[64], bodies: &[16, 128, 4096], others: None, ..base };
    let bodies = bodies.measure(bench)?;
    let beside = beside::measure(bench)?;

    let mut report = Report::default();
    report.heading("Against the targets");
    let mut targets = targets("", &one);
    targets.extend(self::targets(", AOF everysec", &everysec));
    targets.extend(beside.targets());
    report.table(&["", "target", "reached"], &targets);
    report.remark(
        "A cycle is publish, consume and acknowledge: `LPUSH`, `LMOVE` and `LREM` for the list; `XADD`, \
         `XREADGROUP`, `XACK` and `XDEL` for Streams, which can add only one by one. *64 deep* is 64 \
         commands under way at once, *64 a command* is 64 jobs in one, and eight such \
         commands under way. *Of the list's* and *of \
         Streams'* compare the server's processor time, with the same depth, body and log; a list has no \
         form for many jobs and is taken 64 deep instead. They are medians of the ratios within a round. \
         beanstalkd and BullMQ are beside them in the same rounds; BullMQ publishes 64 at once, and 64 \
         are worked on.",
    );
    for (title, found) in [
        ("One connection, no AOF, bodies of 128 bytes", &one),
        ("The same with AOF everysec", &everysec),
        ("The same with AOF always", &always),
        ("50 connections, no AOF", &many),
        ("Bodies of several sizes", &bodies),
    ] {
        report.heading(title);
        found.tell(&mut report);
    }
    report.heading("A million other jobs in the queue");
    beside.tell(&mut report);
    report.plot(depths(&one));
    report.plot(sizes(&bodies));
    Ok(report)
}

/// What there are targets for, with this log.
fn targets(log: &str, found: &Found) -> Vec<Vec<String>> {
    let find = |contender: &Contender, jobs, batch| {
        found.find(Shape { name: contender.name, jobs, batch, body: 128 })
    };
    let cost = |jobs, batch, other, other_batch| {
        Some(find(&JOBQ, jobs, batch)?.cost_of(find(other, jobs, other_batch)?))
    };
    let rate = |jobs, other| Some(find(&JOBQ, jobs, 1)?.rate_of(find(other, jobs, 1)?));
    [
        ("64 deep: server's time of the list's", "at most 1.00", cost(64, 1, &LIST, 1)),
        ("64 deep: cycles/s of Streams'", "at least 2.00", rate(64, &STREAMS)),
        ("64 a command: server's time of Streams'", "at most 0.40", cost(64, 64, &STREAMS, 64)),
        ("one at a time: cycles/s of the list's", "at least 0.95", rate(1, &LIST)),
    ]
    .into_iter()
    .map(|(what, target, reached)| {
        let reached = reached.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        vec![format!("{what}{log}"), target.to_string(), reached]
    })
    .collect()
}

/// The cost by depth.
fn depths(found: &Found) -> Plot {
    Plot {
        name: "cycles-by-depth",
        title: "Server's processor time a cycle, by commands under way at once".to_string(),
        x: Axis { label: "commands under way at once", scale: Scale::Log },
        y: Axis { label: "µs a cycle", scale: Scale::Log },
        series: [&LIST, &STREAMS, &JOBQ]
            .map(|contender| Series {
                name: contender.name.to_string(),
                points: found.costs(contender.name, 1, |shape| shape.jobs),
            })
            .into(),
    }
}

/// The cost by size of the bodies.
fn sizes(found: &Found) -> Plot {
    let forms = [(&LIST, 1), (&STREAMS, 1), (&JOBQ, 1), (&STREAMS, BATCH), (&JOBQ, BATCH)];
    Plot {
        name: "cycles-by-body",
        title: "Server's processor time a cycle, by size of the body".to_string(),
        x: Axis { label: "bytes of a body", scale: Scale::Log },
        y: Axis { label: "µs a cycle", scale: Scale::Linear },
        series: forms
            .map(|(contender, batch)| Series {
                name: match batch {
                    1 => format!("{}, 64 deep", contender.name),
                    _ => format!("{}, 64 a command", contender.name),
                },
                points: found.costs(contender.name, batch, |shape| shape.body),
            })
            .into(),
    }
}
