//! Publish, consume, acknowledge: cycles a second, and what one costs the server.

use std::{io::Result, time::Instant};

use crate::{
    figures::median,
    server::{Paths, Server},
    wire::Wire,
};

const BODY: [u8; 128] = [b'x'; 128];
const ROUNDS: usize = 7;
const CYCLES: usize = 128_000;

/// One way to pass jobs on, and how many are under way at once.
struct Contender {
    name: &'static str,
    run: fn(&mut Wire, usize) -> Result<()>,
    width: usize,
}

const CONTENDERS: [Contender; 7] = [
    Contender { name: "list, 64 deep", run: list, width: 64 },
    Contender { name: "streams, 64 deep", run: streams, width: 64 },
    Contender { name: "JobQ, 64 deep", run: jobq, width: 64 },
    Contender { name: "streams, 64 a command", run: streams_batched, width: 64 },
    Contender { name: "JobQ, 64 a command", run: jobq_batched, width: 64 },
    Contender { name: "list, one at a time", run: list, width: 1 },
    Contender { name: "JobQ, one at a time", run: jobq, width: 1 },
];

/// Prints a table of all contenders, without and with an append-only file.
pub fn measure(paths: &Paths) -> Result<()> {
    for (title, settings) in [
        ("no AOF", &["--appendonly", "no"][..]),
        ("AOF everysec", &["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"]),
    ] {
        let server = Server::start(paths, settings)?;
        let mut wire = server.connect()?;
        wire.call("XGROUP CREATE stream group $ MKSTREAM")?;
        let mut rates = CONTENDERS.map(|_| Vec::new());
        let mut costs = CONTENDERS.map(|_| Vec::new());
        for round in 0..=ROUNDS {
            for (at, contender) in CONTENDERS.iter().enumerate() {
                let cycles = if contender.width == 1 { CYCLES / 16 } else { CYCLES };
                let (cpu, begun) = (server.cpu()?, Instant::now());
                for _ in 0..cycles / contender.width {
                    (contender.run)(&mut wire, contender.width)?;
                }
                let seconds = begun.elapsed().as_secs_f64();
                // The first round warms up.
                if round > 0 {
                    rates[at].push(cycles as f64 / seconds);
                    costs[at].push((server.cpu()? - cpu) * 1e6 / cycles as f64);
                }
            }
        }
        println!("\n### Cycles, {title} (128-byte bodies, one connection, median of {ROUNDS})\n");
        println!("| | cycles/s | server µs a cycle |\n|---|---|---|");
        for (at, contender) in CONTENDERS.iter().enumerate() {
            let (rate, cost) = (median(&mut rates[at]), median(&mut costs[at]));
            println!("| {} | {rate:.0} | {cost:.2} |", contender.name);
        }
    }
    Ok(())
}

fn list(wire: &mut Wire, width: usize) -> Result<()> {
    let commands: [&[&[u8]]; 3] = [
        &[b"LPUSH", b"list", &BODY],
        &[b"LMOVE", b"list", b"taken", b"RIGHT", b"LEFT"],
        &[b"LREM", b"taken", b"-1", &BODY],
    ];
    for command in commands {
        (0..width).for_each(|_| wire.add(command));
        wire.flush()?;
        wire.skip(width)?;
    }
    Ok(())
}

fn add_to_stream(wire: &mut Wire, width: usize) -> Result<()> {
    (0..width).for_each(|_| wire.add(&[b"XADD", b"stream", b"*", b"b", &BODY]));
    wire.flush()?;
    wire.skip(width)
}

fn streams(wire: &mut Wire, width: usize) -> Result<()> {
    add_to_stream(wire, width)?;
    let read: &[&[u8]] =
        &[b"XREADGROUP", b"GROUP", b"group", b"me", b"COUNT", b"1", b"STREAMS", b"stream", b">"];
    (0..width).for_each(|_| wire.add(read));
    wire.flush()?;
    let mut ids = Vec::with_capacity(width);
    for _ in 0..width {
        ids.push(wire.read()?.at(&[0, 1, 0, 0])?.to_vec());
    }
    for id in &ids {
        wire.add(&[b"XACK", b"stream", b"group", id]);
        wire.add(&[b"XDEL", b"stream", id]);
    }
    wire.flush()?;
    wire.skip(2 * width)
}

fn streams_batched(wire: &mut Wire, width: usize) -> Result<()> {
    add_to_stream(wire, width)?;
    let count = width.to_string();
    wire.add(&[
        b"XREADGROUP",
        b"GROUP",
        b"group",
        b"me",
        b"COUNT",
        count.as_bytes(),
        b"STREAMS",
        b"stream",
        b">",
    ]);
    wire.flush()?;
    let reply = wire.read()?;
    let ids = (0..width).map(|at| reply.at(&[0, 1, at, 0])).collect::<Result<Vec<_>>>()?;
    let ack: Vec<&[u8]> =
        [&b"XACK"[..], b"stream", b"group"].into_iter().chain(ids.iter().copied()).collect();
    let delete: Vec<&[u8]> = [&b"XDEL"[..], b"stream"].into_iter().chain(ids).collect();
    wire.add(&ack);
    wire.add(&delete);
    wire.flush()?;
    wire.skip(2)
}

fn jobq(wire: &mut Wire, width: usize) -> Result<()> {
    (0..width).for_each(|_| wire.add(&[b"JQ.PUBLISH", b"queue", &BODY]));
    wire.flush()?;
    wire.skip(width)?;
    (0..width).for_each(|_| wire.add(&[b"JQ.CONSUME", b"queue"]));
    wire.flush()?;
    let mut receipts = Vec::with_capacity(width);
    for _ in 0..width {
        receipts.push(wire.read()?.at(&[0, 1])?.to_vec());
    }
    receipts.iter().for_each(|receipt| wire.add(&[b"JQ.ACK", b"queue", receipt]));
    wire.flush()?;
    wire.skip(width)
}

fn jobq_batched(wire: &mut Wire, width: usize) -> Result<()> {
    let count = width.to_string();
    let mut publish: Vec<&[u8]> = vec![b"JQ.MPUBLISH", b"queue", count.as_bytes()];
    publish.resize(width + 3, &BODY);
    wire.add(&publish);
    wire.add(&[b"JQ.CONSUME", b"queue", b"COUNT", count.as_bytes()]);
    wire.flush()?;
    wire.skip(1)?;
    let reply = wire.read()?;
    let mut ack: Vec<&[u8]> = vec![b"JQ.ACK", b"queue"];
    for at in 0..reply.len() {
        ack.push(reply.at(&[at, 1])?);
    }
    wire.add(&ack);
    wire.flush()?;
    wire.skip(1)
}
