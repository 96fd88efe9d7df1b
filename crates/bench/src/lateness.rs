//! How late delayed jobs are, seen by a blocked consumer.

use std::{
    io::{Error, Result},
    slice,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    clock,
    contenders::{Load, JOBQ},
    figures::{grouped, median, percentile},
    report::Report,
    server::Server,
    Bench,
};

/// Cycles the loader has under way at once: few, so that a burst of them is short.
const BURST: usize = 16;
const BODY_BYTES: usize = 128;

/// What was seen under one load.
#[derive(Default)]
struct Seen {
    earliest: Vec<f64>,
    half: Vec<f64>,
    most: Vec<f64>,
    latest: Vec<f64>,
}

/// How long after its due instant each of many delayed jobs arrives, on an idle server and on one
/// that is half as busy as a connection can make it.
pub fn measure(bench: &Bench) -> Result<Report> {
    let (jobs, rounds) = if bench.quick { (200, 1) } else { (2_000, 5) };
    let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
    let span = Duration::from_millis(if bench.quick { 200 } else { 1_000 });
    let full = full_rate(&server, span)?;
    let (mut idle, mut busy, mut busyness) = (Seen::default(), Seen::default(), Vec::new());
    for _ in 0..rounds {
        delays(&server, jobs, &mut idle)?;
        busyness.push(under_load(&server, full / 2.0, || delays(&server, jobs, &mut busy))?);
    }
    let mut report = Report::default();
    report.remark(&format!(
        "Milliseconds after their instant at which jobs, due 2 ms apart, are in the hands of a \
         blocked consumer; {} jobs in each of {rounds} rounds. Half load is another connection \
         on the consumer's core that publishes, consumes and acknowledges, {BURST} deep, at \
         half of the {} cycles a second that it reaches unthrottled; the server's core is then \
         {:.0}% busy. Medians of the rounds; earliest and latest are of all of them.",
        grouped(jobs as f64),
        grouped(full),
        median(&mut busyness) * 100.0
    ));
    let row = |name: &str, seen: &mut Seen| {
        vec![
            name.to_string(),
            format!("{:.2}", seen.earliest.iter().copied().fold(f64::INFINITY, f64::min)),
            format!("{:.2}", median(&mut seen.half)),
            format!("{:.2}", median(&mut seen.most)),
            format!("{:.2}", seen.latest.iter().copied().fold(0.0, f64::max)),
        ]
    };
    let rows = [row("idle", &mut idle), row("half load", &mut busy)];
    report.table(&["", "earliest", "p50", "p99", "latest"], &rows);
    Ok(report)
}

/// One round of delayed jobs.
fn delays(server: &Server, jobs: usize, seen: &mut Seen) -> Result<()> {
    let mut producer = server.connect()?;
    let mut consumer = server.connect()?;
    let begin = clock::now()?.ceil() as u64 + 500;
    for at in 0..jobs as u64 {
        // The body tells the instant.
        let due = (begin + 2 * at).to_string();
        producer.add(&[b"JQ.PUBLISH", b"queue", due.as_bytes(), b"AT", due.as_bytes()]);
    }
    producer.flush()?;
    producer.skip(jobs)?;
    if clock::now()? >= begin as f64 {
        return Err(Error::other(
            "this machine is too slow: jobs were due before all were published",
        ));
    }
    let mut late = Vec::with_capacity(jobs);
    for _ in 0..jobs {
        let job = consumer.call("JQ.CONSUME queue BLOCK 0")?;
        let due: f64 = String::from_utf8_lossy(job.at(&[0, 2])?)
            .parse()
            .map_err(|_| Error::other("a body that is no instant"))?;
        late.push(clock::now()? - due);
    }
    producer.call("JQ.PURGE queue leased")?;
    late.sort_by(f64::total_cmp);
    seen.earliest.push(percentile(&late, 0.0));
    seen.half.push(percentile(&late, 0.5));
    seen.most.push(percentile(&late, 0.99));
    seen.latest.push(percentile(&late, 1.0));
    Ok(())
}

/// What the other connection does at once.
fn load() -> Load {
    Load { key: "load", body: vec![b'x'; BODY_BYTES], depth: BURST, batch: 1 }
}

/// Cycles a second that one connection reaches when nothing holds it back.
fn full_rate(server: &Server, span: Duration) -> Result<f64> {
    let (mut wire, load) = (server.connect()?, load());
    let (mut cycles, begun) = (0, Instant::now());
    while begun.elapsed() < span {
        JOBQ.cycle(slice::from_mut(&mut wire), &load)?;
        cycles += BURST;
    }
    Ok(cycles as f64 / begun.elapsed().as_secs_f64())
}

/// Does something while another connection passes so many jobs a second; how busy the server was.
fn under_load(server: &Server, rate: f64, act: impl FnOnce() -> Result<()>) -> Result<f64> {
    let (mut wire, load) = (server.connect()?, load());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let loader = scope.spawn(|| {
            let (mut cycles, begun) = (0, Instant::now());
            while !over.load(Ordering::Relaxed) {
                JOBQ.cycle(slice::from_mut(&mut wire), &load)?;
                cycles += BURST;
                let next = Duration::from_secs_f64(cycles as f64 / rate);
                thread::sleep(next.saturating_sub(begun.elapsed()));
            }
            Ok::<_, Error>(())
        });
        let busy = (|| {
            let (cpu, begun) = (server.cpu()?, Instant::now());
            act()?;
            Ok((server.cpu()? - cpu) / begun.elapsed().as_secs_f64())
        })();
        over.store(true, Ordering::Relaxed);
        loader.join().map_err(|_| Error::other("the loading thread panicked"))??;
        busy
    })
}
