//! Cycles on a queue that holds many other jobs, beside the same on an empty one.

use std::io::Result;

use super::case::Connected;
use crate::{
    clock,
    comparison::{compare, Measured, Side},
    contenders::{Load, BATCH, BATCHES, JOBQ},
    fill::{self, Bodies},
    report::Report,
    server::Server,
    Bench,
};

const JOBS: usize = 1_000_000;
const BODY: [u8; 128] = [b'x'; 128];

/// A queue, and the terms of the jobs that fill it.
type Filling = (&'static str, &'static [&'static str]);

/// What is ready has a lower priority, so that those of the cycles are taken.
const FILLINGS: [Filling; 3] =
    [("ready", &["PRIORITY", "20"]), ("delayed", &["DELAY", "3600000"]), ("leased", &[])];

/// What came of it, 64 deep and 64 a command.
pub struct Beside {
    empty: [Measured; 2],
    filled: Vec<(&'static str, [Measured; 2])>,
}

/// Fills the queues and measures cycles on each.
pub fn measure(bench: &Bench) -> Result<Beside> {
    let server = Server::start(&bench.paths, super::NO_AOF)?;
    let jobs = if bench.quick { JOBS / 100 } else { JOBS };
    FILLINGS.iter().try_for_each(|filling| fill(&server, filling, jobs))?;
    let queues = || ["empty"].into_iter().chain(FILLINGS.iter().map(|(queue, _)| *queue));
    let mut sides: Vec<Box<dyn Side + '_>> = Vec::new();
    for queue in queues() {
        for (depth, batch) in [(64, 1), (BATCHES, BATCH)] {
            sides.push(Box::new(Connected {
                server: &server,
                contender: &JOBQ,
                wires: vec![server.connect()?],
                load: Load { key: queue, body: BODY.to_vec(), depth, batch },
            }));
        }
    }
    let mut measured = compare(bench, &mut sides)?.into_iter();
    let mut pair = || [(); 2].map(|()| measured.next().unwrap_or_default());
    let empty = pair();
    let filled = queues().skip(1).map(|queue| (queue, pair())).collect();
    Ok(Beside { empty, filled })
}

fn fill(server: &Server, (queue, terms): &Filling, jobs: usize) -> Result<()> {
    let mut wire = server.connect()?;
    fill::publish(&mut wire, queue, jobs, &mut Bodies::alike(BODY.len()), terms)?;
    if *queue == "leased" {
        fill::lease(&mut wire, queue, jobs, clock::tomorrow()?)?;
    }
    Ok(())
}

impl Beside {
    /// What there are targets for.
    pub fn targets(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        self.filled.iter().map(|(state, [deep, _])| {
            let what = format!("1 M jobs {state} beside: server's time of an empty queue's");
            vec![what, "at most 1.15".to_string(), format!("{:.2}", deep.cost_of(&self.empty[0]))]
        })
    }

    /// A table of all queues.
    pub fn tell(&self, report: &mut Report) {
        report.remark(
            "JobQ on queues of one server that hold a million jobs of one state beside those that come \
             and go; 128 bytes, one connection, no AOF. Neither list nor stream holds anything beside.",
        );
        let queues = [("none", &self.empty)].into_iter();
        let queues = queues.chain(self.filled.iter().map(|(state, found)| (*state, found)));
        let rows = queues.map(|(state, found)| {
            let mut row = vec![state.to_string()];
            for (measured, empty) in found.iter().zip(&self.empty) {
                row.push(format!("{:.2}", measured.cost()));
                row.push(format!("{:.2}", measured.cost_of(empty)));
            }
            row
        });
        let columns = [
            "the others are",
            "64 deep, server µs a cycle",
            "of an empty queue's",
            "64 a command, server µs a cycle",
            "of an empty queue's",
        ];
        report.table(&columns, &rows.collect::<Vec<_>>());
    }
}
