//! Measures JobQ beside lists and Streams of the same server, and beside other job queues, in one
//! run, rounds alternating.
//! scripts/bench builds everything and calls this; absolute figures do not travel, ratios do.
//!
//! ```text
//! jobq-bench <server> <module> [--quick] [--write] [part ...]
//! ```

mod beanstalkd;
mod bullmq;
mod clock;
mod comparison;
mod contenders;
mod crowd;
mod cycles;
mod fairness;
mod figures;
mod fill;
mod growth;
mod instructions;
mod lateness;
mod limits;
mod memory;
mod on_terms;
mod persistence;
mod pickup;
mod pings;
mod plot;
mod report;
mod server;
mod stalls;
mod waiters;
mod wire;

use std::{
    io::{self, Error, Result, Write},
    path::Path,
    process::ExitCode,
};

use report::Report;
use server::Paths;

/// What is asked for.
pub struct Bench {
    /// What to run.
    pub paths: Paths,
    /// A small form of everything, to see that it works: its figures mean nothing.
    pub quick: bool,
}

type Measure = fn(&Bench) -> Result<Report>;

const PARTS: &[(&str, Measure)] = &[
    ("cycles", cycles::measure),
    ("instructions", instructions::measure),
    ("pickup", pickup::measure),
    ("waiters", waiters::measure),
    ("lateness", lateness::measure),
    ("stalls", stalls::measure),
    ("memory", memory::measure),
    ("persistence", persistence::measure),
    ("growth", growth::measure),
    ("fairness", fairness::measure),
    ("limits", limits::measure),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jobq-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let (options, words): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let known = |option: &String| ["--quick", "--write"].contains(&option.as_str());
    let is_part = |word: &String| PARTS.iter().any(|(name, _)| name == word);
    let [server, module, wanted @ ..] = &words[..] else { return Err(usage()) };
    if !options.iter().all(known) || !wanted.iter().all(is_part) {
        return Err(usage());
    }
    let asked = |option: &str| options.iter().any(|given| given == option);
    let paths = Paths { server: server.clone(), module: module.clone() };
    let bench = Bench { paths, quick: asked("--quick") };
    for &(name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            let failed = |error| Error::other(format!("{name}: {error}"));
            let report = measure(&bench).map_err(failed)?;
            writeln!(io::stdout(), "## {name}\n\n{}\n", report.text())?;
            if asked("--write") {
                report.write(name, Path::new("docs")).map_err(failed)?;
            }
        }
    }
    Ok(())
}

fn usage() -> Error {
    let parts: Vec<_> = PARTS.iter().map(|(name, _)| *name).collect();
    let parts = parts.join("|");
    Error::other(format!("usage: jobq-bench <server> <module> [--quick] [--write] [{parts} ...]"))
}
