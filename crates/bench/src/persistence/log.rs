//! What a cycle puts into the append-only file, and how fast that is done again.

use std::{io::Result, slice};

use super::{timed, BODY_BYTES};
use crate::{
    contenders::{Contender, Load, BATCH, JOBQ, LIST, STREAMS},
    figures::{grouped, median},
    report::Report,
    server::Server,
    Bench,
};

/// Who writes logs, with so many commands at once of so many jobs.
const WRITERS: [(Contender, usize, usize); 5] =
    [(LIST, 64, 1), (STREAMS, 64, 1), (JOBQ, 64, 1), (STREAMS, 1, BATCH), (JOBQ, 1, BATCH)];

/// What was seen of one contender.
#[derive(Default)]
struct Log {
    bytes: Vec<f64>,
    rate: Vec<f64>,
}

/// Bytes a cycle, and cycles replayed a second.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let (cycles, rounds) = if bench.quick { (6_400, 1) } else { (128_000, 3) };
    let mut seen = WRITERS.map(|_| Log::default());
    for _ in 0..rounds {
        for ((contender, depth, batch), seen) in WRITERS.iter().zip(&mut seen) {
            let body = vec![b'x'; BODY_BYTES];
            let load = Load { key: "key", body, depth: *depth, batch: *batch };
            log(bench, contender, &load, cycles, seen)?;
        }
    }
    let rows: Vec<_> = WRITERS
        .iter()
        .zip(&mut seen)
        .map(|((contender, depth, batch), seen)| {
            let width =
                if *batch == 1 { format!("{depth} deep") } else { format!("{batch} a command") };
            vec![
                format!("{}, {width}", contender.name),
                format!("{:.0}", median(&mut seen.bytes)),
                grouped(median(&mut seen.rate)),
            ]
        })
        .collect();
    report.heading("Append-only file");
    report.remark(&format!(
        "{} cycles of bodies of {BODY_BYTES} bytes; medians of {rounds} alternating rounds. \
         `DEBUG LOADAOF` is timed, of a server without data.",
        grouped(cycles as f64)
    ));
    report.table(&["", "bytes a cycle", "cycles replayed/s"], &rows);
    Ok(())
}

fn log(
    bench: &Bench,
    contender: &Contender,
    load: &Load,
    cycles: usize,
    seen: &mut Log,
) -> Result<()> {
    let server = Server::start(
        &bench.paths,
        &[
            ["--appendonly", "yes"],
            ["--auto-aof-rewrite-percentage", "0"],
            ["--enable-debug-command", "local"],
        ]
        .concat(),
    )?;
    let mut wire = server.connect()?;
    if contender.name == STREAMS.name {
        wire.call("XGROUP CREATE key group $ MKSTREAM")?;
    }
    let before = server.info("aof_current_size")?;
    for _ in 0..cycles / load.jobs() {
        contender.cycle(slice::from_mut(&mut wire), load)?;
    }
    seen.bytes.push((server.info("aof_current_size")? - before) / cycles as f64);
    seen.rate.push(cycles as f64 / timed(&mut wire, "DEBUG LOADAOF")?);
    Ok(())
}
