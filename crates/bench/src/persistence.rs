//! Snapshots and the append-only file: how fast, how large, and how long the server stands still.

mod log;
mod snapshots;

use std::{io::Result, time::Instant};

use crate::{report::Report, wire::Wire, Bench};

const BODY_BYTES: usize = 128;

/// Snapshots of many jobs, and logs of many cycles.
pub fn measure(bench: &Bench) -> Result<Report> {
    let mut report = Report::default();
    snapshots::measure(bench, &mut report)?;
    log::measure(bench, &mut report)?;
    Ok(report)
}

/// How long a command takes, in seconds.
fn timed(wire: &mut Wire, command: &str) -> Result<f64> {
    let begun = Instant::now();
    wire.call(command)?;
    Ok(begun.elapsed().as_secs_f64())
}
