//! How long others wait while something happens.

use std::{
    io::{Error, Result},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{clock, server::Server, wire::Wire};

/// What was seen while something happened, in milliseconds.
pub struct Beside {
    /// How long each `PING` took that was on its way meanwhile, the shortest first.
    pub pings: Vec<f64>,
    /// How long it went on.
    pub took: f64,
    /// The server's processor time, with the answers to the `PING`s.
    pub cpu: f64,
}

/// Has something happen, at an instant or soon, while another connection sends one `PING` after the other.
pub fn beside(
    server: &Server,
    at: Option<f64>,
    happen: impl FnOnce() -> Result<()>,
) -> Result<Beside> {
    let mut pinger = server.connect()?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let pings = scope.spawn(|| ping(&mut pinger, &over));
        let happened = (|| {
            match at {
                Some(at) => clock::sleep_until(at)?,
                None => thread::sleep(Duration::from_millis(50)),
            }
            let (cpu, begun) = (server.cpu()?, Instant::now());
            happen()?;
            let ended = Instant::now();
            Ok::<_, Error>((server.cpu()? - cpu, begun, ended))
        })();
        over.store(true, Ordering::Relaxed);
        let pings = pings.join().map_err(|_| Error::other("the pinging thread panicked"))??;
        let (cpu, begun, ended) = happened?;
        let meanwhile = pings.iter().filter(|(sent, back)| *back > begun && *sent < ended);
        let mut pings: Vec<_> = meanwhile.map(|(sent, back)| millis(*back - *sent)).collect();
        pings.sort_by(f64::total_cmp);
        Ok(Beside { pings, took: millis(ended - begun), cpu: cpu * 1e3 })
    })
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// When each `PING` was sent and when its answer was back.
fn ping(wire: &mut Wire, over: &AtomicBool) -> Result<Vec<(Instant, Instant)>> {
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let sent = Instant::now();
        wire.call("PING")?;
        times.push((sent, Instant::now()));
    }
    Ok(times)
}
