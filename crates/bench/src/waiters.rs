//! What a fulfilment costs beside very many who wait for other results, and what it costs to tell all who wait
//! for one.

use std::io::Result;

use crate::{
    crowd,
    figures::{grouped, median},
    report::Report,
    server::Server,
    wire::Wire,
    Bench,
};

const DEPTH: usize = 100;

/// Processor time with nobody, a thousand and nearly twenty thousand blocked in `JQ.RESULT`.
pub fn measure(bench: &Bench) -> Result<Report> {
    let (jobs, rounds) = if bench.quick { (1_000, 1) } else { (20_000, 5) };
    let crowds: &[usize] = if bench.quick { &[1_000] } else { &[1_000, 19_500] };
    let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
    let mut rows = Vec::new();
    for &size in crowds {
        let (mut alone, mut ratios, mut shared) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let base = fulfil(&server, jobs)?;
            let beside = beside(&server, size, jobs)?;
            alone.push(base);
            ratios.push(beside / base);
            shared.push(tell_all(&server, size)?);
        }
        rows.push(vec![
            grouped(size as f64),
            format!("{:.1}", median(&mut alone)),
            format!("{:.2}", median(&mut ratios)),
            format!("{:.1}", median(&mut shared)),
        ]);
    }
    let mut report = Report::default();
    report.remark(&format!(
        "Microseconds of the server's main thread for a job that is published and fulfilled, without anybody \
         blocked, and how many times that is beside so many clients that wait in `JQ.RESULT` for other jobs; and for \
         each of as many that wait for the same job, from its fulfilment until all are answered. Medians of \
         {rounds} alternating rounds of {} jobs.",
        grouped(jobs as f64)
    ));
    report.table(&["blocked", "alone", "beside them", "each of one job"], &rows);
    Ok(report)
}

/// Processor time a job, in microseconds.
fn fulfil(server: &Server, jobs: usize) -> Result<f64> {
    let mut client = server.connect()?;
    let before = server.cpu()?;
    for first in (0..jobs).step_by(DEPTH) {
        for id in (first..first + DEPTH).map(|n| format!("job-{n}")) {
            client.add(&[b"JQ.PUBLISH", b"queue", b"body", b"ID", id.as_bytes()]);
            client.add(&[b"JQ.FULFILL", b"queue", id.as_bytes(), b"result"]);
        }
        client.flush()?;
        client.skip(2 * DEPTH)?;
    }
    Ok((server.cpu()? - before) / jobs as f64 * 1e6)
}

/// The same while so many wait for one job each.
fn beside(server: &Server, size: usize, jobs: usize) -> Result<f64> {
    let mut client = server.connect()?;
    let awaited = |at: usize| format!("awaited-{at}");
    for at in 0..size {
        let id = awaited(at);
        let arguments: [&[u8]; 7] =
            [b"JQ.PUBLISH", b"queue", b"body", b"ID", id.as_bytes(), b"DELAY", b"86400000"];
        client.add(&arguments);
    }
    client.flush()?;
    client.skip(size)?;
    let crowd = crowd::gather(server, size, |waiter, at| wait(waiter, &awaited(at)))?;
    let taken = fulfil(server, jobs)?;
    crowd::dismiss(server, crowd)?;
    client.call("DEL queue")?;
    Ok(taken)
}

/// Processor time for each of so many who wait for one job.
fn tell_all(server: &Server, size: usize) -> Result<f64> {
    let mut client = server.connect()?;
    client.call("JQ.PUBLISH queue body ID one DELAY 86400000")?;
    let mut crowd = crowd::gather(server, size, |waiter, _| wait(waiter, "one"))?;
    let before = server.cpu()?;
    client.call("JQ.FULFILL queue one result")?;
    for waiter in &mut crowd {
        waiter.skip(1)?;
    }
    let taken = (server.cpu()? - before) / size as f64 * 1e6;
    crowd::dismiss(server, crowd)?;
    Ok(taken)
}

fn wait(waiter: &mut Wire, id: &str) -> Result<()> {
    waiter.add(&[b"JQ.RESULT", b"queue", id.as_bytes(), b"BLOCK", b"0"]);
    waiter.flush()
}
