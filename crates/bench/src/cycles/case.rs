//! One table: list, Streams and JobQ with the same settings, alternating.

use std::io::{Error, Result};

use crate::{
    beanstalkd::{Beanstalkd, Log},
    bullmq::BullMq,
    comparison::{compare, Measured, Side},
    contenders::{Contender, Load, BATCH, BATCHES, JOBQ, LIST, STREAMS},
    figures::grouped,
    report::Report,
    server::Server,
    wire::Wire,
    Bench,
};

/// What is measured together.
#[derive(Clone, Copy)]
pub struct Case {
    /// Of the server.
    pub settings: &'static [&'static str],
    /// How many there are.
    pub connections: usize,
    /// Commands under way at once on each.
    pub depths: &'static [usize],
    /// Sizes of bodies, in bytes.
    pub bodies: &'static [usize],
    /// Whether other job queues are measured beside, and how the one that is a server logs.
    pub others: Option<Log>,
}

/// What a row is about.
#[derive(Clone, Copy, PartialEq)]
pub struct Shape {
    /// Who.
    pub name: &'static str,
    /// Jobs under way at once on a connection; with many in a command, those of one command.
    pub jobs: usize,
    /// Jobs in one command.
    pub batch: usize,
    /// Bytes of a body.
    pub body: usize,
}

/// What came of a case.
pub struct Found {
    rows: Vec<(Shape, Measured)>,
    /// Why somebody is not among them.
    skipped: Vec<String>,
}

/// A contender on connections of its own.
pub struct Connected<'a> {
    /// Whose processor time is told.
    pub server: &'a Server,
    /// What it does.
    pub contender: &'static Contender,
    /// On which connections.
    pub wires: Vec<Wire>,
    /// How much on each.
    pub load: Load,
}

impl Side for Connected<'_> {
    fn cycles(&mut self, jobs: usize) -> Result<usize> {
        let at_once = self.load.jobs() * self.wires.len();
        let times = jobs.div_ceil(at_once).max(1);
        for _ in 0..times {
            self.contender.cycle(&mut self.wires, &self.load)?;
        }
        Ok(times * at_once)
    }

    fn cpu(&self) -> Result<f64> {
        self.server.cpu()
    }
}

type Sides<'a> = Vec<(Shape, Box<dyn Side + 'a>)>;

impl Case {
    /// Measures it on a server of its own.
    pub fn measure(&self, bench: &Bench) -> Result<Found> {
        let server = Server::start(&bench.paths, self.settings)?;
        server.connect()?.call("XGROUP CREATE stream group $ MKSTREAM")?;
        let mut sides = Sides::new();
        for &body in self.bodies {
            for &depth in self.depths {
                for (contender, key) in [(&LIST, "list"), (&STREAMS, "stream"), (&JOBQ, "queue")] {
                    let load = Load { key, body: vec![b'x'; body], depth, batch: 1 };
                    sides.push(self.side(&server, contender, load)?);
                }
                if depth == BATCH {
                    for (contender, key) in [(&STREAMS, "stream"), (&JOBQ, "queue")] {
                        let load =
                            Load { key, body: vec![b'x'; body], depth: BATCHES, batch: BATCH };
                        sides.push(self.side(&server, contender, load)?);
                    }
                }
            }
        }
        let mut skipped = Vec::new();
        if let Some(log) = self.others {
            self.add_others(bench, log, &mut sides, &mut skipped);
        }
        let (shapes, mut sides): (Vec<_>, Vec<_>) = sides.into_iter().unzip();
        let measured = compare(bench, &mut sides)?;
        // A cycle that leaves something behind was none.
        for length in ["LLEN list", "LLEN taken", "XLEN stream", "JQ.LEN queue"] {
            if server.connect()?.call(length)?.at(&[])? != b"0" {
                return Err(Error::other(format!("{length} is not 0 at the end")));
            }
        }
        Ok(Found { rows: shapes.into_iter().zip(measured).collect(), skipped })
    }

    fn side<'a>(
        &self,
        server: &'a Server,
        contender: &'static Contender,
        load: Load,
    ) -> Result<(Shape, Box<dyn Side + 'a>)> {
        let wires = (0..self.connections).map(|_| server.connect()).collect::<Result<_>>()?;
        let jobs = if load.batch > 1 { load.batch } else { load.depth };
        let (batch, body) = (load.batch, load.body.len());
        let shape = Shape { name: contender.name, jobs, batch, body };
        Ok((shape, Box::new(Connected { server, contender, wires, load })))
    }

    /// Adds the job queues that are not types of the server, or why one is left out.
    fn add_others(&self, bench: &Bench, log: Log, sides: &mut Sides, skipped: &mut Vec<String>) {
        let mut add = |shape: Shape, side: Result<Box<dyn Side>>| match side {
            Ok(side) => sides.push((shape, side)),
            Err(error) => skipped.push(format!("{} is left out: {error}", shape.name)),
        };
        for &body in self.bodies {
            for jobs in [64, 1] {
                let side = Beanstalkd::start(log, vec![b'x'; body], jobs);
                let shape = Shape { name: "beanstalkd", jobs, batch: 1, body };
                add(shape, side.map(|side| Box::new(side) as _));
            }
            for batch in [1, BATCH] {
                let side = BullMq::start(&bench.paths, self.settings, body, batch);
                let shape = Shape { name: "BullMQ", jobs: 64, batch, body };
                add(shape, side.map(|side| Box::new(side) as _));
            }
        }
        skipped.dedup();
    }
}

impl Found {
    /// What was measured of a row.
    pub fn find(&self, shape: Shape) -> Option<&Measured> {
        self.rows.iter().find(|(this, _)| *this == shape).map(|(_, measured)| measured)
    }

    /// The cost of a contender in one form, over something that was varied; ascending.
    pub fn costs(&self, name: &str, batch: usize, over: fn(&Shape) -> usize) -> Vec<(f64, f64)> {
        let rows = self.rows.iter().filter(|(shape, _)| shape.name == name && shape.batch == batch);
        let mut points: Vec<_> =
            rows.map(|(shape, measured)| (over(shape) as f64, measured.cost())).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        points
    }

    /// A table of all rows.
    pub fn tell(&self, report: &mut Report) {
        let with_body = self.rows.iter().any(|(shape, _)| shape.body != self.rows[0].0.body);
        let rows = self.rows.iter().map(|(shape, measured)| {
            let part = |yardstick| {
                let other = self.find(yardstick);
                other.map_or_else(String::new, |other| format!("{:.2}", measured.cost_of(other)))
            };
            vec![
                shape.told(with_body),
                grouped(measured.rate()),
                format!("{:.2}", measured.cost()),
                part(Shape { name: LIST.name, batch: 1, ..*shape }),
                part(Shape { name: STREAMS.name, ..*shape }),
            ]
        });
        let columns = ["", "cycles/s", "server µs a cycle", "of the list's", "of Streams'"];
        report.table(&columns, &rows.collect::<Vec<_>>());
        self.skipped.iter().for_each(|why| report.remark(why));
    }
}

impl Shape {
    fn told(&self, with_body: bool) -> String {
        let form = match (self.jobs, self.batch) {
            (1, _) => "one at a time".to_string(),
            (jobs, 1) => format!("{jobs} deep"),
            (_, batch) => format!("{batch} a command"),
        };
        let body = if with_body { format!(", {} bytes", self.body) } else { String::new() };
        let told = format!("{}, {form}{body}", self.name);
        if self.name == JOBQ.name {
            format!("**{told}**")
        } else {
            told
        }
    }
}
