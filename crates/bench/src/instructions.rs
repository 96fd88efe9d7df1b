//! Instructions a command, counted by callgrind: exact where times are noise.

use std::{
    ffi::OsString,
    fs,
    io::{Error, Result},
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    contenders::{Contender, Load, Receipts, Step, BATCH, JOBQ, LIST, STREAMS},
    figures::{grouped, median},
    report::Report,
    server::Server,
    wire::Wire,
    Bench,
};

const ROUNDS: usize = 61;
/// Before those that count, for tables and trees to have their size.
const WARM_UP: usize = 100;
const DEPTH: usize = 64;

const PING: Contender = Contender {
    name: "nothing",
    phases: [
        &[Step {
            command: ["PING", "PING"],
            send: |wire, load, _| {
                (0..load.depth).for_each(|_| wire.add(&[b"PING"]));
                load.depth
            },
            taken: None,
        }],
        &[],
        &[],
    ],
};

/// Counts the commands of a cycle, and the whole.
pub fn measure(bench: &Bench) -> Result<Report> {
    let mut report = Report::default();
    if !is_installed() {
        report.remark("Not counted: valgrind is not installed.");
        return Ok(report);
    }
    // Its clockwork once a second, to be in as few rounds as possible.
    let settings = ["--appendonly", "no", "--hz", "1", "--dynamic-hz", "no"];
    let server = Server::start_under(callgrind, &bench.paths, &settings)?;
    let mut wire = server.connect()?;
    wire.call("XGROUP CREATE stream group $ MKSTREAM")?;
    let (mut commands, mut cycles) = (Vec::new(), Vec::new());
    for (contender, key, batch) in [
        (&PING, "none", 1),
        (&LIST, "list", 1),
        (&STREAMS, "stream", 1),
        (&JOBQ, "queue", 1),
        (&STREAMS, "stream", BATCH),
        (&JOBQ, "queue", BATCH),
    ] {
        let load = Load { key, body: vec![b'x'; 128], depth: DEPTH / batch, batch };
        let rounds = if bench.quick { 3 } else { ROUNDS };
        let counts = count(&server, &mut wire, contender, &load, rounds)?;
        let form = usize::from(batch > 1);
        let steps = contender.phases.into_iter().flatten();
        commands.extend(steps.zip(&counts).map(|(step, &count)| row(step.command[form], count)));
        if counts.len() > 1 {
            let name = format!("{}, {}", contender.name, ["one by one", "64 a command"][form]);
            cycles.push(row(&name, counts.iter().sum()));
        }
    }
    report.remark(&format!(
        "Of the server, for each job, as counted by callgrind: bodies of 128 bytes, one connection, \
         {DEPTH} jobs at once, no AOF. Reading the commands and writing the answers is in it. \
         Repeats within two hundredths."
    ));
    report.table(&["a cycle", "instructions a job"], &cycles);
    report.table(&["a command", "instructions a job"], &commands);
    Ok(report)
}

fn row(name: &str, instructions: f64) -> Vec<String> {
    vec![name.to_string(), grouped(instructions)]
}

/// Instructions a job of each step: medians, since the server's clockwork is in some rounds.
fn count(
    server: &Server,
    wire: &mut Wire,
    contender: &Contender,
    load: &Load,
    rounds: usize,
) -> Result<Vec<f64>> {
    let steps: Vec<_> = contender.phases.into_iter().flatten().collect();
    let mut counts = vec![Vec::with_capacity(rounds); steps.len()];
    for round in 0..WARM_UP + rounds {
        let mut receipts = Receipts::new();
        for (step, counts) in steps.iter().zip(&mut counts) {
            let counted = round >= WARM_UP;
            if counted {
                mark(server, wire)?;
            }
            let answers = (step.send)(wire, load, &receipts);
            wire.flush()?;
            step.receive(wire, answers, &mut receipts)?;
            if counted {
                let with_mark = mark(server, wire)?;
                counts.push((with_mark - mark(server, wire)?) / load.jobs() as f64);
            }
        }
    }
    Ok(counts.iter_mut().map(|counts| median(counts)).collect())
}

fn is_installed() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// A marking command has callgrind write down what it counted, and count from zero again. (It can
/// be asked from outside as well, but is slow to notice while the server waits.)
fn callgrind(directory: &Path) -> Vec<OsString> {
    let mut file = OsString::from("--callgrind-out-file=");
    file.push(directory.join("counts"));
    let words = ["valgrind", "--quiet", "--tool=callgrind", "--dump-before=echoCommand"];
    words.into_iter().map(OsString::from).chain([file]).collect()
}

/// Instructions since the last mark. A mark itself is in it once: its begin and the last one's end.
fn mark(server: &Server, wire: &mut Wire) -> Result<f64> {
    wire.call("ECHO mark")?;
    for entry in fs::read_dir(server.directory())? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("counts.")) {
            let text = fs::read_to_string(&path)?;
            fs::remove_file(path)?;
            let total = text.lines().find_map(|line| line.strip_prefix("totals:"));
            let total = total.and_then(|total| total.trim().parse().ok());
            return total.ok_or_else(|| Error::other("callgrind writes down no total"));
        }
    }
    Err(Error::other("callgrind writes nothing down at a mark"))
}
