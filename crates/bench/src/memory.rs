//! What a job takes beside its body, and what queues and those who wait take.

mod drained;
mod job;
mod keys;

use std::{io::Result, thread, time::Duration};

use crate::{
    clock,
    fill::{self, Bodies},
    report::Report,
    server::{Paths, Server},
    wire::Wire,
    Bench,
};

/// Does something with so many jobs.
type Act = fn(&mut Wire, usize) -> Result<()>;

const BODY_BYTES: usize = 128;

/// What jobs are published with.
#[derive(Clone, Copy)]
enum With {
    /// These options.
    Terms(&'static [&'static str]),
    /// Ids of their publisher's.
    Ids,
    /// A group each.
    Groups,
}

const PLAIN: With = With::Terms(&[]);

/// Where jobs are.
#[derive(Clone, Copy)]
enum State {
    Ready,
    Delayed,
    Leased,
    Dead,
}

/// Bytes over the bodies by the server's own count, by state, by option and by number; what a
/// drained queue leaves behind; and what an empty queue and a blocked client take.
pub fn measure(bench: &Bench) -> Result<Report> {
    let mut report = Report::default();
    job::by_state(bench, &mut report)?;
    job::by_number(bench, &mut report)?;
    drained::measure(bench, &mut report)?;
    keys::one_of_many(bench, &mut report)?;
    keys::waiting(bench, &mut report)?;
    Ok(report)
}

/// What something takes by the server's count of all its memory, and by that of the queue.
struct Taken {
    used: f64,
    told: f64,
}

impl Taken {
    /// By what is put into a new server.
    fn by(paths: &Paths, fill: impl FnOnce(&mut Wire) -> Result<()>) -> Result<Self> {
        let server = Server::start(paths, &["--appendonly", "no"])?;
        let before = used(&server)?;
        fill(&mut server.connect()?)?;
        let used = used(&server)? - before;
        let reply = server.connect()?.call("MEMORY USAGE queue SAMPLES 0")?;
        let told = String::from_utf8_lossy(reply.at(&[])?).parse().unwrap_or(f64::NAN);
        Ok(Self { used, told })
    }
}

/// The memory of a server that nobody but this is connected to.
fn used(server: &Server) -> Result<f64> {
    while server.info("connected_clients")? > 1.0 {
        thread::sleep(Duration::from_millis(5));
    }
    server.info("used_memory")
}

/// Puts jobs into the queue `queue`.
fn put(wire: &mut Wire, jobs: usize, state: State, with: With) -> Result<()> {
    let mut bodies = Bodies::new(BODY_BYTES);
    let mut terms: Vec<&str> = match state {
        State::Delayed => vec!["DELAY", clock::DAY],
        _ => Vec::new(),
    };
    match with {
        With::Terms(more) => {
            terms.extend(more);
            fill::publish(wire, "queue", jobs, &mut bodies, &terms)?;
        }
        With::Groups => fill::publish_each(wire, "queue", jobs, &mut bodies, |n| {
            let group = ["GROUP".to_string(), format!("group:{n:010}")].into_iter();
            group.chain(terms.iter().map(|term| term.to_string())).collect()
        })?,
        With::Ids => fill::publish_named(wire, "queue", jobs, &mut bodies, &terms)?,
    }
    match state {
        State::Leased => fill::lease(wire, "queue", jobs, clock::tomorrow()?),
        State::Dead => fill::bury(wire, "queue"),
        State::Ready | State::Delayed => Ok(()),
    }
}
