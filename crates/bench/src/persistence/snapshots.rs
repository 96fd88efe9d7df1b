//! Saving and loading very many jobs, and removing them.

use std::{
    fs,
    io::{Error, Result},
    thread,
    time::Duration,
};

use super::{timed, BODY_BYTES};
use crate::{
    clock,
    figures::{grouped, median},
    fill::{self, Bodies},
    report::Report,
    server::Server,
    wire::Wire,
    Bench,
};

/// Something to be saved, under the key `key`.
struct Content {
    name: &'static str,
    fill: fn(&mut Wire, usize, &mut Bodies) -> Result<()>,
    /// The command that tells how much of it there is.
    len: &'static str,
}

const CONTENTS: [Content; 5] = [
    Content {
        name: "list",
        fill: |wire, count, bodies| fill::push(wire, "key", count, bodies),
        len: "LLEN key",
    },
    Content {
        name: "stream",
        fill: |wire, count, bodies| fill::add(wire, "key", count, bodies),
        len: "XLEN key",
    },
    Content {
        name: "JobQ, ready",
        fill: |wire, count, bodies| fill::publish(wire, "key", count, bodies, &[]),
        len: "JQ.LEN key ready",
    },
    Content {
        name: "JobQ, delayed",
        fill: |wire, count, bodies| {
            fill::publish(wire, "key", count, bodies, &["DELAY", clock::DAY])
        },
        len: "JQ.LEN key delayed",
    },
    Content {
        name: "JobQ, leased",
        fill: |wire, count, bodies| {
            fill::publish(wire, "key", count, bodies, &[])?;
            fill::lease(wire, "key", count, clock::tomorrow()?)
        },
        len: "JQ.LEN key leased",
    },
];

/// What was seen of one content; times in seconds.
#[derive(Default)]
struct Snapshot {
    save: Vec<f64>,
    load: Vec<f64>,
    bytes: Vec<f64>,
    fork: Vec<f64>,
    unlink: Vec<f64>,
    delete: Vec<f64>,
}

/// How fast, how large, and for how long the server serves nobody else.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let (jobs, rounds) = if bench.quick { (10_000, 1) } else { (1_000_000, 3) };
    let mut seen = CONTENTS.map(|_| Snapshot::default());
    for _ in 0..rounds {
        for (content, seen) in CONTENTS.iter().zip(&mut seen) {
            snapshot(bench, content, jobs, seen)?;
        }
    }
    let rate = |times: &mut [f64]| grouped(jobs as f64 / median(times));
    let milliseconds = |times: &mut [f64]| format!("{:.1}", median(times) * 1e3);
    let rows: Vec<_> = CONTENTS
        .iter()
        .zip(&mut seen)
        .map(|(content, seen)| {
            vec![
                content.name.to_string(),
                rate(&mut seen.save),
                rate(&mut seen.load),
                format!("{:.0}", median(&mut seen.bytes) / jobs as f64),
                milliseconds(&mut seen.fork),
                milliseconds(&mut seen.unlink),
                milliseconds(&mut seen.delete),
            ]
        })
        .collect();
    report.heading("Snapshots");
    report.remark(&format!(
        "{} jobs, elements or entries, with random bodies of {BODY_BYTES} bytes, in one key; \
         medians of {rounds} alternating rounds. `SAVE` is timed, `DEBUG RELOAD NOSAVE` of a server \
         that was emptied, the fork for a `BGSAVE`, and the commands that remove the key.",
        grouped(jobs as f64)
    ));
    let columns =
        ["", "saved/s", "loaded/s", "bytes each", "fork, ms", "`UNLINK`, ms", "`DEL`, ms"];
    report.table(&columns, &rows);
    Ok(())
}

fn snapshot(bench: &Bench, content: &Content, jobs: usize, seen: &mut Snapshot) -> Result<()> {
    let settings = ["--appendonly", "no", "--enable-debug-command", "local"];
    let server = Server::start(&bench.paths, &settings)?;
    let mut wire = server.connect()?;
    (content.fill)(&mut wire, jobs, &mut Bodies::new(BODY_BYTES))?;
    seen.save.push(timed(&mut wire, "SAVE")?);
    let file = server.directory().join("dump.rdb");
    seen.bytes.push(fs::metadata(file)?.len() as f64);
    wire.call("BGSAVE")?;
    until_nought(&server, "rdb_bgsave_in_progress")?;
    seen.fork.push(server.info("latest_fork_usec")? / 1e6);
    seen.unlink.push(timed(&mut wire, "UNLINK key")?);
    until_nought(&server, "lazyfree_pending_objects")?;
    seen.load.push(timed(&mut wire, "DEBUG RELOAD NOSAVE")?);
    if wire.call(content.len)?.at(&[])? != jobs.to_string().as_bytes() {
        return Err(Error::other(format!("{}: not all of it was loaded", content.name)));
    }
    seen.delete.push(timed(&mut wire, "DEL key")?);
    Ok(())
}

fn until_nought(server: &Server, field: &str) -> Result<()> {
    while server.info(field)? > 0.0 {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
