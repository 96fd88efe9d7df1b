//! How long a blocked consumer takes to have a job in its hands, beside `BLPOP`.

use std::{
    io::Result,
    time::{Duration, Instant},
};

use crate::{
    crowd,
    figures::{grouped, median, percentile},
    plot::{Axis, Plot, Scale, Series},
    report::Report,
    server::Server,
    wire::Wire,
    Bench,
};

/// The longest round: a crowd on `BLPOP` keeps Valkey 9.1 busy for half a second a job.
const PATIENCE: Duration = Duration::from_secs(10);

/// The p50 and the p99 of each round, in microseconds.
#[derive(Default)]
struct Seen {
    half: Vec<f64>,
    most: Vec<f64>,
}

/// p50 and p99 with one, a thousand and ten thousand consumers blocked on the queue.
pub fn measure(bench: &Bench) -> Result<Report> {
    let (pickups, rounds) = if bench.quick { (500, 1) } else { (4_000, 5) };
    let mut rows = Vec::new();
    let mut lines = ["BLPOP p50", "BLPOP p99", "JobQ p50", "JobQ p99"]
        .map(|name| Series { name: name.to_string(), points: Vec::new() });
    for consumers in [1, 1_000, 10_000] {
        let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
        let (mut list, mut queue) = (Seen::default(), Seen::default());
        for _ in 0..rounds {
            pick_up(&server, consumers, pickups, false, &mut list)?;
            pick_up(&server, consumers, pickups, true, &mut queue)?;
        }
        let half = ratio(&queue.half, &list.half);
        let most = ratio(&queue.most, &list.most);
        let times = [&mut list.half, &mut list.most, &mut queue.half, &mut queue.most]
            .map(|values| median(values));
        for (line, time) in lines.iter_mut().zip(times) {
            line.points.push((consumers as f64, time));
        }
        let mut row = vec![grouped(consumers as f64)];
        row.extend(times.map(|time| format!("{time:.0}")));
        row.extend([half, most].map(|ratio| format!("{ratio:.2}")));
        rows.push(row);
    }
    let mut report = Report::default();
    report.remark(&format!(
        "Microseconds from the publish to the job in the hands of a blocked consumer, beside \
         `BLPOP`, with so many blocked on the same key; medians of {rounds} alternating rounds of \
         {}, or of {} seconds if that is sooner, and of the ratios within a round.",
        grouped(pickups as f64),
        PATIENCE.as_secs()
    ));
    let columns = [
        "blocked",
        "`BLPOP` p50",
        "p99",
        "JobQ p50",
        "p99",
        "p50 of `BLPOP`'s",
        "p99 of `BLPOP`'s",
    ];
    report.table(&columns, &rows);
    report.plot(Plot {
        name: "pickup",
        title: "Pickup by a blocked consumer".to_string(),
        x: Axis { label: "consumers blocked", scale: Scale::Log },
        y: Axis { label: "µs", scale: Scale::Linear },
        series: lines.into(),
    });
    Ok(report)
}

/// The middle one of the ratios within the rounds.
fn ratio(these: &[f64], those: &[f64]) -> f64 {
    median(&mut these.iter().zip(those).map(|(this, that)| this / that).collect::<Vec<_>>())
}

/// Consumers are served in the order in which they came, so the next one is known.
fn pick_up(
    server: &Server,
    consumers: usize,
    pickups: usize,
    queue: bool,
    seen: &mut Seen,
) -> Result<()> {
    let wait = |consumer: &mut Wire, _| {
        if queue {
            consumer.add(&[b"JQ.CONSUME", b"queue", b"FREE", b"BLOCK", b"0"]);
        } else {
            consumer.add(&[b"BLPOP", b"list", b"0"]);
        }
        consumer.flush()
    };
    let mut crowd = crowd::gather(server, consumers, wait)?;
    let mut producer = server.connect()?;
    let (mut times, end) = (Vec::with_capacity(pickups), Instant::now() + PATIENCE);
    for at in 0..pickups {
        let consumer = &mut crowd[at % consumers];
        let begun = Instant::now();
        if begun > end {
            break;
        }
        if queue {
            producer.add(&[b"JQ.PUBLISH", b"queue", b"body"]);
        } else {
            producer.add(&[b"LPUSH", b"list", b"body"]);
        }
        producer.flush()?;
        let job = consumer.read()?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        producer.skip(1)?;
        if queue {
            producer.add(&[b"JQ.ACK", b"queue", job.at(&[0, 1])?]);
            producer.flush()?;
            producer.skip(1)?;
        }
        wait(consumer, at)?;
        // The consumer waits again by the time this is answered.
        producer.call("PING")?;
    }
    times.sort_by(f64::total_cmp);
    seen.half.push(percentile(&times, 0.5));
    seen.most.push(percentile(&times, 0.99));
    crowd::dismiss(server, crowd)
}
