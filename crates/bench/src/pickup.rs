//! How long a blocked consumer takes to have a job in its hands, beside `BLPOP`.

use std::{io::Result, time::Instant};

use crate::{
    figures::percentile,
    server::{Paths, Server},
    wire::Wire,
};

const PICKUPS: usize = 4_000;
const ROUNDS: usize = 4;

/// Prints p50 and p99 with one, a thousand and ten thousand consumers blocked on the queue.
pub fn measure(paths: &Paths) -> Result<()> {
    println!("\n### Pickup by a blocked consumer, µs ({ROUNDS} alternating rounds of {PICKUPS})\n");
    println!("| consumers blocked | BLPOP p50 | p99 | JobQ p50 | p99 |\n|---|---|---|---|---|");
    for consumers in [1, 1_000, 10_000] {
        let server = Server::start(paths, &["--appendonly", "no"])?;
        let mut producer = server.connect()?;
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            let list = pick_up(&server, &mut producer, consumers, b"list", [b"BLPOP", b"0"])?;
            times[0].extend(list);
            let queue = pick_up(&server, &mut producer, consumers, b"queue", [b"BLOCK", b"0"])?;
            times[1].extend(queue);
        }
        times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        let [list, queue] = times.map(|times| (percentile(&times, 0.5), percentile(&times, 0.99)));
        println!(
            "| {consumers} | {:.0} | {:.0} | {:.0} | {:.0} |",
            list.0, list.1, queue.0, queue.1
        );
    }
    Ok(())
}

/// Consumers are served in the order in which they came, so the next one is known.
fn pick_up(
    server: &Server,
    producer: &mut Wire,
    consumers: usize,
    key: &[u8],
    words: [&[u8]; 2],
) -> Result<Vec<f64>> {
    let is_list = words[0] == b"BLPOP";
    let wait = |consumer: &mut Wire| {
        if is_list {
            consumer.add(&[b"BLPOP", key, b"0"]);
        } else {
            consumer.add(&[b"JQ.CONSUME", key, b"FREE", b"BLOCK", b"0"]);
        }
        consumer.flush()
    };
    let mut waiting = (0..consumers).map(|_| server.connect()).collect::<Result<Vec<_>>>()?;
    for (at, consumer) in waiting.iter_mut().enumerate() {
        wait(consumer)?;
        // In order: the server has read what was sent before.
        if at % 100 == 0 {
            producer.call("PING")?;
        }
    }
    while server.info("blocked_clients")? < consumers as f64 {}
    let mut times = Vec::with_capacity(PICKUPS);
    for at in 0..PICKUPS {
        let consumer = &mut waiting[at % consumers];
        let begun = Instant::now();
        if is_list {
            producer.add(&[b"LPUSH", key, b"body"]);
        } else {
            producer.add(&[b"JQ.PUBLISH", key, b"body"]);
        }
        producer.flush()?;
        let job = consumer.read()?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        producer.skip(1)?;
        if !is_list {
            producer.add(&[b"JQ.ACK", key, job.at(&[0, 1])?]);
            producer.flush()?;
            producer.skip(1)?;
        }
        wait(consumer)?;
        producer.call("PING")?;
    }
    Ok(times)
}
