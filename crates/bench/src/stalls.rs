//! How long others wait while very many jobs move at once.

use std::{io::Result, thread, time::Duration};

use crate::{
    clock,
    figures::{grouped, median, percentile},
    fill::{self, Bodies},
    pings,
    report::Report,
    server::Server,
    wire::Wire,
    Bench,
};

const BODY_BYTES: usize = 128;

/// Something that touches all jobs.
struct Event {
    name: &'static str,
    /// Fills the server. Given the instant shortly after which [`Event::happen`] is called.
    prepare: fn(&mut Wire, usize, f64) -> Result<()>,
    /// Makes it happen, and waits for its end.
    happen: fn(&mut Wire) -> Result<()>,
    /// Whether it happens by itself, at the instant given.
    timed: bool,
}

const EVENTS: [Event; 10] = [
    Event {
        name: "nothing, for a second",
        prepare: |wire, jobs, _| publish(wire, jobs, &[]),
        happen: |_| {
            thread::sleep(Duration::from_secs(1));
            Ok(())
        },
        timed: false,
    },
    Event {
        name: "delayed jobs become due",
        prepare: |wire, jobs, at| publish(wire, jobs, &["AT", &format!("{at:.0}")]),
        happen: |wire| fill::settle(wire, "queue", "delayed"),
        timed: true,
    },
    Event {
        name: "leases lapse",
        prepare: |wire, jobs, at| {
            publish(wire, jobs, &[])?;
            fill::lease(wire, "queue", jobs, at)
        },
        happen: |wire| fill::settle(wire, "queue", "leased"),
        timed: true,
    },
    Event {
        name: "`JQ.KICK … ALL`",
        prepare: |wire, jobs, _| publish(wire, jobs, &["DELAY", clock::DAY]),
        happen: |wire| work_off(wire, "JQ.KICK queue ALL"),
        timed: false,
    },
    Event {
        name: "`JQ.RESPAWN … ALL`",
        prepare: |wire, jobs, _| {
            publish(wire, jobs, &[])?;
            fill::bury(wire, "queue")
        },
        happen: |wire| work_off(wire, "JQ.RESPAWN queue ALL"),
        timed: false,
    },
    Event {
        name: "`JQ.PURGE … ready`",
        prepare: |wire, jobs, _| publish(wire, jobs, &[]),
        happen: |wire| work_off(wire, "JQ.PURGE queue ready"),
        timed: false,
    },
    Event {
        name: "`UNLINK` of the queue",
        prepare: |wire, jobs, _| publish(wire, jobs, &[]),
        happen: |wire| wire.call("UNLINK queue").map(drop),
        timed: false,
    },
    Event {
        name: "`UNLINK` of a list",
        prepare: push,
        happen: |wire| wire.call("UNLINK list").map(drop),
        timed: false,
    },
    Event {
        name: "`DEL` of the queue",
        prepare: |wire, jobs, _| publish(wire, jobs, &[]),
        happen: |wire| wire.call("DEL queue").map(drop),
        timed: false,
    },
    Event {
        name: "`DEL` of a list",
        prepare: push,
        happen: |wire| wire.call("DEL list").map(drop),
        timed: false,
    },
];

/// What was seen of an event.
#[derive(Default)]
struct Seen {
    longest: Vec<f64>,
    most: Vec<f64>,
    took: Vec<f64>,
    cpu: Vec<f64>,
}

/// The longest `PING` meanwhile, how long it went on, and what it cost.
pub fn measure(bench: &Bench) -> Result<Report> {
    let (jobs, rounds) = if bench.quick { (20_000, 1) } else { (1_000_000, 3) };
    let mut seen = EVENTS.map(|_| Seen::default());
    for _ in 0..rounds {
        for (event, seen) in EVENTS.iter().zip(&mut seen) {
            watch(bench, event, jobs, seen)?;
        }
    }
    let mut report = Report::default();
    report.remark(&format!(
        "A second connection sends one `PING` after the other while something happens to {} \
         jobs, or list elements, of {BODY_BYTES} bytes. Medians of {rounds} rounds, and the longest \
         `PING` of all of them. The CPU is that of the server's main thread, the answers to the \
         `PING`s included; what `UNLINK` leaves to another thread is in no column.",
        grouped(jobs as f64)
    ));
    let rows: Vec<_> = EVENTS
        .iter()
        .zip(&mut seen)
        .map(|(event, seen)| {
            let worst = seen.longest.iter().copied().fold(0.0, f64::max);
            vec![
                event.name.to_string(),
                format!("{:.2}", median(&mut seen.longest)),
                format!("{worst:.2}"),
                format!("{:.2}", median(&mut seen.most)),
                format!("{:.0}", median(&mut seen.took)),
                format!("{:.0}", median(&mut seen.cpu)),
            ]
        })
        .collect();
    report.table(
        &["", "longest `PING`, ms", "worst round", "p99, ms", "goes on for, ms", "server CPU, ms"],
        &rows,
    );
    Ok(report)
}

fn watch(bench: &Bench, event: &Event, jobs: usize, seen: &mut Seen) -> Result<()> {
    let (server, instant) = filled(bench, event, jobs)?;
    let mut wire = server.connect()?;
    let before = event.timed.then_some(instant - 10.0);
    let beside = pings::beside(&server, before, || (event.happen)(&mut wire))?;
    seen.longest.push(percentile(&beside.pings, 1.0));
    seen.most.push(percentile(&beside.pings, 0.99));
    seen.took.push(beside.took);
    seen.cpu.push(beside.cpu);
    Ok(())
}

/// A server with the jobs in it, and the instant, which is yet to come, at which it happens.
fn filled(bench: &Bench, event: &Event, jobs: usize) -> Result<(Server, f64)> {
    // Seven microseconds a job suffice, unless this machine is slow or busy with something else.
    let mut span = 1_000.0 + jobs as f64 * 0.007;
    loop {
        let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
        let instant = (clock::now()? + span).ceil();
        (event.prepare)(&mut server.connect()?, jobs, instant)?;
        if !event.timed || clock::now()? < instant - 100.0 {
            return Ok((server, instant));
        }
        span *= 2.0;
    }
}

fn publish(wire: &mut Wire, jobs: usize, terms: &[&str]) -> Result<()> {
    fill::publish(wire, "queue", jobs, &mut Bodies::new(BODY_BYTES), terms)
}

fn push(wire: &mut Wire, elements: usize, _: f64) -> Result<()> {
    fill::push(wire, "list", elements, &mut Bodies::new(BODY_BYTES))
}

/// Sends a command that goes on after its answer, and waits for its end.
fn work_off(wire: &mut Wire, command: &str) -> Result<()> {
    wire.call(command)?;
    fill::settle(wire, "queue", "tasks-left")
}
