//! What there is one of for each queue and each client.

use std::{io::Result, thread, time::Duration};

use super::{Taken, BODY_BYTES};
use crate::{figures::grouped, report::Report, server::Server, wire::Wire, Bench};

/// What a key takes, with one job or none.
pub fn one_of_many(bench: &Bench, report: &mut Report) -> Result<()> {
    let keys = if bench.quick { 1_000 } else { 10_000 };
    let body = [b'x'; BODY_BYTES];
    let each = |add: &dyn Fn(&mut Wire, &[u8])| {
        let taken = Taken::by(&bench.paths, |wire| {
            for key in 0..keys {
                add(wire, format!("key:{key:06}").as_bytes());
            }
            wire.flush()?;
            wire.skip(keys)
        })?;
        Ok::<_, std::io::Error>(format!("{:.0}", taken.used / keys as f64))
    };
    let rows = [
        ("a list with one element", each(&|wire, key| wire.add(&[b"LPUSH", key, &body]))?),
        (
            "a stream with one entry",
            each(&|wire, key| wire.add(&[b"XADD", key, b"*", b"b", &body]))?,
        ),
        ("a queue with one job", each(&|wire, key| wire.add(&[b"JQ.PUBLISH", key, &body]))?),
        (
            "an empty queue",
            each(&|wire, key| wire.add(&[b"JQ.CONFIG", key, b"SET", b"tries", b"5"]))?,
        ),
    ];
    report.heading("Keys and clients");
    report.remark(&format!(
        "Bytes of `used_memory` a key, with {} keys and bodies of {BODY_BYTES} bytes, bodies and \
         keys included.",
        grouped(keys as f64)
    ));
    report.table(&["", "bytes"], &rows.map(|(name, bytes)| vec![name.to_string(), bytes]));
    Ok(())
}

/// What a client takes by waiting, over what it takes by being connected.
pub fn waiting(bench: &Bench, report: &mut Report) -> Result<()> {
    let clients = if bench.quick { 100 } else { 1_000 };
    // The server takes back the buffers of idle clients after two seconds, by and by.
    let rest = Duration::from_secs(if bench.quick { 1 } else { 5 });
    let mut rows = Vec::new();
    for (name, command) in
        [("`BLPOP`", "BLPOP list 0"), ("`JQ.CONSUME`", "JQ.CONSUME queue BLOCK 0")]
    {
        let server = Server::start(&bench.paths, &["--appendonly", "no"])?;
        let none = server.info("used_memory")?;
        let mut crowd = (0..clients).map(|_| server.connect()).collect::<Result<Vec<_>>>()?;
        crowd.iter_mut().try_for_each(|client| client.call("PING").map(drop))?;
        thread::sleep(rest);
        let idle = server.info("used_memory")?;
        let words: Vec<_> = command.split(' ').map(str::as_bytes).collect();
        for client in &mut crowd {
            client.add(&words);
            client.flush()?;
        }
        while server.info("blocked_clients")? < clients as f64 {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(rest);
        let blocked = server.info("used_memory")?;
        let each = |bytes: f64| format!("{:.0}", bytes / clients as f64);
        rows.push(vec![name.to_string(), each(idle - none), each(blocked - idle)]);
    }
    report.remark(&format!(
        "Bytes of `used_memory` a client, with {} that are connected, and what each takes besides \
         when it waits.",
        grouped(clients as f64)
    ));
    report.table(&["", "connected", "waiting, over that"], &rows);
    Ok(())
}
