//! What a cycle costs the server as there are more jobs, more queues, and more who wait.

mod tour;

use std::{io::Result, slice};

use crate::{
    clock,
    contenders::{Contender, Load, JOBQ, LIST},
    crowd,
    figures::{grouped, median},
    fill::{self, Bodies},
    plot::{Axis, Plot, Scale, Series},
    report::Report,
    server::Server,
    wire::Wire,
    Bench,
};

/// Jobs under way at once.
const DEPTH: usize = 64;
/// Short, for ten million of them to fit.
const BODY: [u8; 16] = [b'x'; 16];

/// How often everything is measured.
struct Effort {
    rounds: usize,
    cycles: usize,
}

/// From a thousand to ten million jobs, to a hundred thousand queues, to ten thousand consumers.
pub fn measure(bench: &Bench) -> Result<Report> {
    let (effort, most) = if bench.quick {
        (Effort { rounds: 1, cycles: 6_400 }, 10_000)
    } else {
        (Effort { rounds: 5, cycles: 32_000 }, 10_000_000)
    };
    let mut report = Report::default();
    report.remark(&format!(
        "The server's CPU a cycle, in microseconds: one connection, {DEPTH} deep, bodies of {} \
         bytes; medians of {} alternating rounds of {} cycles.",
        BODY.len(),
        effort.rounds,
        grouped(effort.cycles as f64)
    ));
    by_jobs(bench, &effort, most, &mut report)?;
    by_queues(bench, &effort, most / 100, &mut report)?;
    by_waiting(bench, &effort, most / 1_000, &mut report)?;
    Ok(report)
}

/// Ready jobs are before those of the cycles, so each cycle takes the oldest of all; delayed and
/// leased ones are beside.
fn by_jobs(bench: &Bench, effort: &Effort, most: usize, report: &mut Report) -> Result<()> {
    let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
    let mut wire = server.connect()?;
    let mut bodies = Bodies::alike(BODY.len());
    let contenders = [("list", LIST), ("ready", JOBQ), ("delayed", JOBQ), ("leased", JOBQ)];
    let (mut figures, mut filled) = (Vec::new(), 0);
    for size in powers(1_000, most) {
        let more = size - filled;
        fill::push(&mut wire, "list", more, &mut bodies)?;
        fill::publish(&mut wire, "ready", more, &mut bodies, &[])?;
        fill::publish(&mut wire, "delayed", more, &mut bodies, &["DELAY", clock::DAY])?;
        fill::publish(&mut wire, "leased", more, &mut bodies, &[])?;
        fill::lease(&mut wire, "leased", more, clock::tomorrow()?)?;
        filled = size;
        let costs = compare(&server, effort, contenders.len(), |at, _| {
            let (key, contender) = &contenders[at];
            cycle(contender, &mut wire, key)
        })?;
        figures.push((size, costs));
    }
    let names = ["list, as many waiting", "JobQ, ready", "JobQ, delayed", "JobQ, leased"];
    tell(report, ["Jobs in the queue", "growth-jobs", "jobs"], &names, &figures);
    Ok(())
}

/// The cycles go round all queues. One job waits in each, and so an element in each list: an empty
/// list is deleted, and would be made anew in each cycle.
fn by_queues(bench: &Bench, effort: &Effort, most: usize, report: &mut Report) -> Result<()> {
    let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
    let mut wire = server.connect()?;
    let mut rings: [Vec<String>; 2] = [Vec::new(), Vec::new()];
    let mut figures = Vec::new();
    for size in powers(1, most) {
        for (ring, name) in rings.iter_mut().zip(["list", "queue"]) {
            let from = ring.len();
            ring.extend((from..size).map(|at| format!("{name}:{at}")));
            for keys in ring[from..].chunks(1_000) {
                for key in keys {
                    let command: &[u8] = if name == "list" { b"LPUSH" } else { b"JQ.PUBLISH" };
                    wire.add(&[command, key.as_bytes(), &BODY]);
                }
                wire.flush()?;
                wire.skip(keys.len())?;
            }
        }
        let costs = compare(&server, effort, 2, |at, turn| {
            let ring = &rings[at];
            let keys: [&str; DEPTH] =
                std::array::from_fn(|step| ring[(turn * DEPTH + step) % size].as_str());
            let tour = if at == 0 { tour::lists } else { tour::queues };
            tour(&mut wire, &keys, &BODY)
        })?;
        figures.push((size, costs));
    }
    let titles = ["Queues, in turn", "growth-queues", "queues"];
    tell(report, titles, &["list, as many", "JobQ"], &figures);
    Ok(())
}

/// Each of those who wait waits for a key of its own, which never comes.
fn by_waiting(bench: &Bench, effort: &Effort, most: usize, report: &mut Report) -> Result<()> {
    let mut figures = Vec::new();
    for size in powers(1, most) {
        let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
        let mut wire = server.connect()?;
        let mut costs = [Vec::new(), Vec::new()];
        for round in 0..=effort.rounds {
            for (at, costs) in costs.iter_mut().enumerate() {
                let crowd = crowd::gather(&server, size, |client, number| {
                    let key = format!("other:{number}");
                    if at == 0 {
                        client.add(&[b"BLPOP", key.as_bytes(), b"0"]);
                    } else {
                        client.add(&[b"JQ.CONSUME", key.as_bytes(), b"BLOCK", b"0"]);
                    }
                    client.flush()
                })?;
                let (key, contender) = if at == 0 { ("list", LIST) } else { ("queue", JOBQ) };
                let cost = cost(&server, effort.cycles, |_| cycle(&contender, &mut wire, key))?;
                crowd::dismiss(&server, crowd)?;
                // The first round warms up.
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
        figures.push((size, costs.into()));
    }
    let names = ["list, `BLPOP` waits", "JobQ, `JQ.CONSUME` waits"];
    let titles = ["Clients that wait for other keys", "growth-waiting", "waiting clients"];
    tell(report, titles, &names, &figures);
    Ok(())
}

/// Passes jobs on through one key.
fn cycle(contender: &Contender, wire: &mut Wire, key: &'static str) -> Result<()> {
    let load = Load { key, body: BODY.to_vec(), depth: DEPTH, batch: 1 };
    contender.cycle(slice::from_mut(wire), &load)
}

/// What a cycle costs each contender in each round. `pass` is told whose turn it is, and which.
fn compare(
    server: &Server,
    effort: &Effort,
    contenders: usize,
    mut pass: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<Vec<f64>>> {
    let mut costs = vec![Vec::new(); contenders];
    for round in 0..=effort.rounds {
        for (at, costs) in costs.iter_mut().enumerate() {
            let turns = round * effort.cycles / DEPTH;
            let cost = cost(server, effort.cycles, |turn| pass(at, turns + turn))?;
            // The first round warms up.
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    Ok(costs)
}

/// Server time a cycle, in microseconds.
fn cost(server: &Server, cycles: usize, pass: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let before = server.cpu()?;
    (0..cycles / DEPTH).try_for_each(pass)?;
    Ok((server.cpu()? - before) * 1e6 / cycles as f64)
}

/// A table and a plot of what a cycle costs each contender, and the first kind of queue beside the
/// list, at each size.
fn tell(
    report: &mut Report,
    [title, file, unit]: [&'static str; 3],
    names: &[&str],
    figures: &[(usize, Vec<Vec<f64>>)],
) {
    let mut rows = Vec::new();
    let mut lines: Vec<_> = names
        .iter()
        .map(|name| Series { name: name.replace('`', ""), points: Vec::new() })
        .collect();
    for (size, costs) in figures {
        let mut row = vec![grouped(*size as f64)];
        for (line, costs) in lines.iter_mut().zip(costs) {
            let cost = median(&mut costs.clone());
            line.points.push((*size as f64, cost));
            row.push(format!("{cost:.2}"));
        }
        let mut ratios: Vec<_> =
            costs[0].iter().zip(&costs[1]).map(|(list, queue)| queue / list).collect();
        row.push(format!("{:.2}", median(&mut ratios)));
        rows.push(row);
    }
    let of = format!("{} of the list's", names[1]);
    let columns: Vec<_> = [unit].iter().chain(names).copied().chain([of.as_str()]).collect();
    report.heading(title);
    report.table(&columns, &rows);
    report.plot(Plot {
        name: file,
        title: format!("Server µs a cycle, by {unit}"),
        x: Axis { label: unit, scale: Scale::Log },
        y: Axis { label: "server µs a cycle", scale: Scale::Linear },
        series: lines,
    });
}

/// From the first by tens to the last.
fn powers(first: usize, last: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(first), |size| Some(size * 10)).take_while(move |size| *size <= last)
}
