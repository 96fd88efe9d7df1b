//! What a fulfilment costs beside very many who wait for other results, and what it costs to tell all who wait
//! for one.

use std::io::Result;

use crate::{
    crowd,
    figures::{grouped, median, percentile},
    pings::{self, Beside},
    report::Report,
    server::Server,
    wire::Wire,
    Bench,
};

const DEPTH: usize = 100;

/// Processor time with a thousand and nearly twenty thousand blocked, by the server's own command and by `JQ.RESULT`.
pub fn measure(bench: &Bench) -> Result<Report> {
    let (jobs, rounds) = if bench.quick { (1_000, 1) } else { (20_000, 5) };
    let crowds: &[usize] = if bench.quick { &[1_000] } else { &[1_000, 19_500] };
    let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
    let mut rows = Vec::new();
    for &size in crowds {
        let (mut others, mut ratios) = (Vec::new(), Vec::new());
        let (mut took, mut longest) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let base = beside(&server, size, jobs, wait_for_list)?;
            others.push(base);
            ratios.push(beside(&server, size, jobs, wait_for_result)? / base);
            let told = tell_all(&server, size)?;
            took.push(told.took);
            longest.push(percentile(&told.pings, 1.0));
        }
        rows.push(vec![
            grouped(size as f64),
            format!("{:.1}", median(&mut others)),
            format!("{:.2}", median(&mut ratios)),
            format!("{:.0}", median(&mut took)),
            format!("{:.1}", median(&mut longest)),
        ]);
    }
    let mut report = Report::default();
    report.remark(&format!(
        "Microseconds of the server's main thread for a job that is published and fulfilled beside so many clients \
         that wait in `BLPOP`, and how many times that is where they wait in `JQ.RESULT` for other jobs. Then \
         milliseconds in which as many that wait for the same job are answered, and the longest `PING` of another \
         connection meanwhile. Medians of {rounds} alternating rounds of {} jobs.",
        grouped(jobs as f64)
    ));
    report.table(
        &["blocked", "in `BLPOP`", "in `JQ.RESULT`", "of one job: all, ms", "longest `PING`, ms"],
        &rows,
    );
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

/// What a client sends that is to wait, and of which job it may be.
type Wait = fn(&mut Wire, &str) -> Result<()>;

/// The same while so many wait, and beside as many unfinished jobs.
fn beside(server: &Server, size: usize, jobs: usize, wait: Wait) -> Result<f64> {
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

/// Fulfils one job for which so many wait, until all are answered.
fn tell_all(server: &Server, size: usize) -> Result<Beside> {
    let mut client = server.connect()?;
    client.call("JQ.PUBLISH queue body ID one DELAY 86400000")?;
    let mut crowd = crowd::gather(server, size, |waiter, _| wait_for_result(waiter, "one"))?;
    let beside = pings::beside(server, None, || {
        client.call("JQ.FULFILL queue one result")?;
        crowd.iter_mut().try_for_each(|waiter| waiter.skip(1))
    })?;
    crowd::dismiss(server, crowd)?;
    Ok(beside)
}

fn wait_for_list(waiter: &mut Wire, _id: &str) -> Result<()> {
    waiter.add(&[b"BLPOP", b"list", b"0"]);
    waiter.flush()
}

fn wait_for_result(waiter: &mut Wire, id: &str) -> Result<()> {
    waiter.add(&[b"JQ.RESULT", b"queue", id.as_bytes(), b"BLOCK", b"0"]);
    waiter.flush()
}
