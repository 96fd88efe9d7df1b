//! What a job takes beside its body.

use std::io::Result;

use crate::server::{Paths, Server};

const JOBS: usize = 200_000;
const BODY_BYTES: usize = 128;

/// Prints bytes a job over its body, by the queue's own count and by the server's.
pub fn measure(paths: &Paths) -> Result<()> {
    println!("\n### Memory a job over its body of {BODY_BYTES} bytes ({JOBS} jobs)\n");
    println!("| | MEMORY USAGE | used_memory |\n|---|---|---|");
    for (state, options, leases) in [
        ("ready", &[][..], false),
        ("delayed", &[&b"DELAY"[..], b"3600000"], false),
        ("leased", &[], true),
    ] {
        let server = Server::start(paths, &["--appendonly", "no"])?;
        let mut wire = server.connect()?;
        wire.call("JQ.CONFIG queue SET ttr 3600000")?;
        let before = server.info("used_memory")?;
        let body = [b'x'; BODY_BYTES];
        for _ in 0..JOBS / 1000 {
            let mut publish: Vec<&[u8]> = vec![b"JQ.MPUBLISH", b"queue", b"1000"];
            publish.resize(1003, &body);
            publish.extend(options);
            wire.add(&publish);
            if leases {
                wire.add(&[b"JQ.CONSUME", b"queue", b"COUNT", b"1000"]);
            }
            wire.flush()?;
            wire.skip(1 + usize::from(leases))?;
        }
        drop(wire);
        let used = server.info("used_memory")? - before;
        let reply = server.connect()?.call("MEMORY USAGE queue")?;
        let told: f64 = String::from_utf8_lossy(reply.at(&[])?).parse().unwrap_or(f64::NAN);
        let each = |bytes: f64| bytes / JOBS as f64 - BODY_BYTES as f64;
        println!("| {state} | {:.0} | {:.0} |", each(told), each(used));
    }
    Ok(())
}
