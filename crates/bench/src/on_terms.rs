//! Cycles of jobs that are published on terms, such as a group or a limit.

use std::io::Result;

use crate::{
    comparison::{Measured, Side},
    fill::Bodies,
    report::Report,
    server::Server,
    wire::Wire,
};

/// Jobs under way at once.
pub const DEPTH: usize = 64;

/// Bytes of a body.
pub const BODY_BYTES: usize = 128;

/// The terms of the job of this number.
pub type Terms = fn(usize) -> Vec<String>;

/// A queue of its own on which jobs come and go.
pub struct Case {
    /// What is told of it.
    pub name: &'static str,
    /// Its key.
    pub queue: &'static str,
    /// Fills and sets it up for so many other jobs.
    pub prepare: fn(&mut Wire, usize) -> Result<()>,
    /// Of the jobs that come and go.
    pub terms: Terms,
}

/// A case on a connection of its own.
pub struct Running<'a> {
    server: &'a Server,
    wire: Wire,
    case: &'a Case,
    published: usize,
}

impl<'a> Running<'a> {
    /// Sets it up.
    pub fn start(server: &'a Server, case: &'a Case, jobs: usize) -> Result<Self> {
        let mut wire = server.connect()?;
        (case.prepare)(&mut wire, jobs)?;
        Ok(Self { server, wire, case, published: 0 })
    }

    /// Publishes, consumes and acknowledges, so many under way at once. The jobs that are taken are
    /// the next in line, whichever these are.
    fn cycle(&mut self) -> Result<()> {
        let (wire, queue) = (&mut self.wire, self.case.queue.as_bytes());
        for _ in 0..DEPTH {
            let terms = (self.case.terms)(self.published);
            self.published += 1;
            let mut publish = vec![&b"JQ.PUBLISH"[..], queue, &[b'x'; BODY_BYTES]];
            publish.extend(terms.iter().map(|term| term.as_bytes()));
            wire.add(&publish);
        }
        wire.flush()?;
        wire.skip(DEPTH)?;
        (0..DEPTH).for_each(|_| wire.add(&[b"JQ.CONSUME", queue]));
        wire.flush()?;
        let taken = (0..DEPTH).map(|_| wire.read()).collect::<Result<Vec<_>>>()?;
        for job in &taken {
            wire.add(&[b"JQ.ACK", queue, job.at(&[0, 1])?]);
        }
        wire.flush()?;
        wire.skip(DEPTH)
    }
}

impl Side for Running<'_> {
    fn cycles(&mut self, jobs: usize) -> Result<usize> {
        let times = jobs.div_ceil(DEPTH).max(1);
        (0..times).try_for_each(|_| self.cycle())?;
        Ok(times * DEPTH)
    }

    fn cpu(&self) -> Result<f64> {
        self.server.cpu()
    }
}

/// A table of all cases beside the first.
pub fn tell(report: &mut Report, cases: &[Case], measured: &[Measured]) {
    let rows = cases.iter().zip(measured).map(|(case, found)| {
        let ratio = found.cost_of(&measured[0]);
        vec![case.name.to_string(), format!("{:.2}", found.cost()), format!("{ratio:.2}")]
    });
    let of = format!("of that of {}", cases[0].name);
    report.table(&["", "server µs a cycle", &of], &rows.collect::<Vec<_>>());
}

/// Publishes jobs, each on terms of its own, a thousand ahead of the answers.
pub fn publish(wire: &mut Wire, queue: &str, jobs: usize, terms: Terms) -> Result<()> {
    crate::fill::publish_each(wire, queue, jobs, &mut Bodies::alike(BODY_BYTES), terms)
}

/// No terms at all.
pub fn plain(_: usize) -> Vec<String> {
    Vec::new()
}

/// Terms from words.
pub fn words(text: &str) -> Vec<String> {
    text.split(' ').map(String::from).collect()
}
