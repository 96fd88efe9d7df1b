//! How late delayed jobs are, seen by a blocked consumer.

use std::{
    io::{Error, Result},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    figures::percentile,
    server::{Paths, Server},
};

const JOBS: usize = 2_000;

/// Prints how long after its due instant each of many delayed jobs arrives.
pub fn measure(paths: &Paths) -> Result<()> {
    let server = Server::start(paths, &["--appendonly", "no"])?;
    let mut producer = server.connect()?;
    let mut consumer = server.connect()?;
    let begin = now()?.ceil() as u64 + 500;
    for at in 0..JOBS as u64 {
        // Two milliseconds apart, told in the body.
        let due = (begin + 2 * at).to_string();
        producer.add(&[b"JQ.PUBLISH", b"queue", due.as_bytes(), b"AT", due.as_bytes()]);
    }
    producer.flush()?;
    producer.skip(JOBS)?;
    let mut late = Vec::with_capacity(JOBS);
    for _ in 0..JOBS {
        let job = consumer.call("JQ.CONSUME queue BLOCK 0")?;
        let due: f64 = String::from_utf8_lossy(job.at(&[0, 2])?)
            .parse()
            .map_err(|_| Error::other("a body that is no instant"))?;
        late.push(now()? - due);
    }
    late.sort_by(f64::total_cmp);
    println!("\n### Lateness of delayed jobs, ms ({JOBS} jobs, 2 ms apart, idle server)\n");
    println!("| earliest | p50 | p99 | latest |\n|---|---|---|---|");
    let [first, half, most, last] = [0.0, 0.5, 0.99, 1.0].map(|share| percentile(&late, share));
    println!("| {first:.2} | {half:.2} | {most:.2} | {last:.2} |");
    Ok(())
}

fn now() -> Result<f64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(Error::other)?;
    Ok(since.as_secs_f64() * 1000.0)
}
