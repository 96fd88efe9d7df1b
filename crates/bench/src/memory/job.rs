//! Bytes a job over its body.

use std::io::Result;

use super::{put, Act, State, Taken, With, BODY_BYTES, PLAIN};
use crate::{
    clock,
    figures::grouped,
    fill::{self, Bodies},
    plot::{Axis, Plot, Scale, Series},
    report::Report,
    wire::Wire,
    Bench,
};

const VARIANTS: [(&str, With); 8] = [
    ("plain", PLAIN),
    (
        "with a header of 8 and 16 bytes",
        With::Terms(&["HEADERS", "1", "trace-id", "0af7651916cd43dd"]),
    ),
    ("with a `TYPE` of 7 bytes", With::Terms(&["TYPE", "invoice"])),
    ("with an `ID` of 16 bytes", With::Ids),
    ("with a `TTL`", With::Terms(&["TTL", clock::DAY])),
    ("of one `GROUP`, all of them", With::Terms(&["GROUP", "acme"])),
    ("of a `GROUP` of 16 bytes of its own", With::Groups),
    ("with `USES` of a limit", With::Terms(&["USES", "disk", "1"])),
];

const STATES: [(&str, State); 4] = [
    ("ready", State::Ready),
    ("delayed", State::Delayed),
    ("leased", State::Leased),
    ("dead", State::Dead),
];

/// With what jobs are published, and where they are.
pub fn by_state(bench: &Bench, report: &mut Report) -> Result<()> {
    let jobs = if bench.quick { 10_000 } else { 200_000 };
    let over = |bytes: f64| format!("{:.0}", bytes / jobs as f64 - BODY_BYTES as f64);
    let (mut rows, mut told) = (Vec::new(), vec!["plain, by `MEMORY USAGE`".to_string()]);
    for (name, with) in VARIANTS {
        let mut row = vec![name.to_string()];
        for (_, state) in STATES {
            let taken = Taken::by(&bench.paths, |wire| put(wire, jobs, state, with))?;
            row.push(over(taken.used));
            if told.len() <= STATES.len() {
                told.push(over(taken.told));
            }
        }
        rows.push(row);
    }
    rows.insert(1, told);
    for (name, fill) in [("list", push as Act), ("stream", add)] {
        let taken = Taken::by(&bench.paths, |wire| fill(wire, jobs))?;
        let mut row = vec![name.to_string(), over(taken.used)];
        row.resize(STATES.len() + 1, String::new());
        rows.push(row);
    }
    report.heading("A job");
    report.remark(&format!(
        "Bytes a job over its body of {BODY_BYTES}, by `used_memory` unless it says otherwise, with \
         {} jobs; and those of an element of a list and of an entry of a stream. What an option \
         carries is among them.",
        grouped(jobs as f64)
    ));
    let columns: Vec<_> = [""].into_iter().chain(STATES.map(|(name, _)| name)).collect();
    report.table(&columns, &rows);
    Ok(())
}

/// By how many there are: what grows by doubling is half empty now and then.
pub fn by_number(bench: &Bench, report: &mut Report) -> Result<()> {
    let most = if bench.quick { 10_000 } else { 1_000_000 };
    let sizes = (2..).flat_map(|power| [1, 2, 5].map(|first| first * 10_usize.pow(power)));
    let sizes: Vec<_> = sizes.take_while(|size| *size <= most).collect();
    let fills: [(&str, Act); 5] = [
        ("list", push),
        ("stream", add),
        ("JobQ, ready", |wire, jobs| put(wire, jobs, State::Ready, PLAIN)),
        ("JobQ, delayed", |wire, jobs| put(wire, jobs, State::Delayed, PLAIN)),
        ("JobQ, leased", |wire, jobs| put(wire, jobs, State::Leased, PLAIN)),
    ];
    let mut series = Vec::new();
    for (name, fill) in fills {
        let mut points = Vec::new();
        for size in &sizes {
            let taken = Taken::by(&bench.paths, |wire| fill(wire, *size))?;
            points.push((*size as f64, taken.used / *size as f64 - BODY_BYTES as f64));
        }
        series.push(Series { name: name.to_string(), points });
    }
    report.plot(Plot {
        name: "memory",
        title: format!("Bytes over bodies of {BODY_BYTES}"),
        x: Axis { label: "jobs", scale: Scale::Log },
        y: Axis { label: "bytes a job", scale: Scale::Linear },
        series,
    });
    Ok(())
}

fn push(wire: &mut Wire, elements: usize) -> Result<()> {
    fill::push(wire, "list", elements, &mut Bodies::new(BODY_BYTES))
}

fn add(wire: &mut Wire, entries: usize) -> Result<()> {
    fill::add(wire, "stream", entries, &mut Bodies::new(BODY_BYTES))
}
