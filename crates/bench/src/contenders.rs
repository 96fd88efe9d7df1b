//! The ways to pass jobs on that speak the server's protocol: a list, a stream, a queue of JobQ.

use std::io::Result;

use crate::wire::{Reply, Wire};

/// What is done, and how much of it at once.
#[derive(Clone)]
pub struct Load {
    /// The key.
    pub key: &'static str,
    /// What a job carries.
    pub body: Vec<u8>,
    /// Commands under way at once on a connection.
    pub depth: usize,
    /// Jobs in one command.
    pub batch: usize,
}

impl Load {
    /// Jobs under way at once on a connection.
    pub fn jobs(&self) -> usize {
        self.depth * self.batch
    }
}

/// Jobs in a command where there are many.
pub const BATCH: usize = 64;

/// Such commands under way at once on a connection. With one, most of what is measured is how the
/// server is woken, three times for 64 jobs.
pub const BATCHES: usize = 8;

/// By what the jobs that were taken are acknowledged.
pub type Receipts = Vec<Vec<u8>>;

/// One of the commands of a cycle.
pub struct Step {
    /// Its name, and that of the form for many jobs.
    pub command: [&'static str; 2],
    /// Adds it for all jobs of a load, of which these were taken, and says how many answers come.
    pub send: fn(&mut Wire, &Load, &Receipts) -> usize,
    /// Finds the receipts in an answer, if it has any.
    pub taken: Option<fn(&Reply, &mut Receipts) -> Result<()>>,
}

impl Step {
    /// Reads the answers.
    pub fn receive(&self, wire: &mut Wire, answers: usize, receipts: &mut Receipts) -> Result<()> {
        match self.taken {
            None => wire.skip(answers),
            Some(taken) => (0..answers).try_for_each(|_| taken(&wire.read()?, receipts)),
        }
    }
}

/// One way to pass jobs on.
pub struct Contender {
    /// What it is called.
    pub name: &'static str,
    /// Publish, consume, acknowledge: the commands of each go out together.
    pub phases: [&'static [Step]; 3],
}

impl Contender {
    /// Passes on the jobs of one load on each connection: writes to all of them, then reads.
    pub fn cycle(&self, wires: &mut [Wire], load: &Load) -> Result<()> {
        let mut receipts = vec![Receipts::new(); wires.len()];
        for steps in self.phases {
            let mut answers = Vec::with_capacity(wires.len() * steps.len());
            for (wire, receipts) in wires.iter_mut().zip(&receipts) {
                answers.extend(steps.iter().map(|step| (step.send)(wire, load, receipts)));
                wire.flush()?;
            }
            let mut answers = answers.into_iter();
            for (wire, receipts) in wires.iter_mut().zip(&mut receipts) {
                for (step, answers) in steps.iter().zip(&mut answers) {
                    step.receive(wire, answers, receipts)?;
                }
            }
        }
        Ok(())
    }
}

/// One job a command, always: `LREM` takes no more.
pub const LIST: Contender = Contender {
    name: "list",
    phases: [
        &[Step {
            command: ["LPUSH", "LPUSH"],
            send: |wire, load, _| add(wire, load.depth, &[b"LPUSH", key(load), &load.body]),
            taken: None,
        }],
        &[Step {
            command: ["LMOVE", "LMOVE"],
            send: |wire, load, _| {
                add(wire, load.depth, &[b"LMOVE", key(load), b"taken", b"RIGHT", b"LEFT"])
            },
            taken: None,
        }],
        &[Step {
            command: ["LREM", "LREM"],
            send: |wire, load, _| add(wire, load.depth, &[b"LREM", b"taken", b"-1", &load.body]),
            taken: None,
        }],
    ],
};

/// A stream with a group called `group`. Entries are added one a command, there being no other way.
pub const STREAMS: Contender = Contender {
    name: "Streams",
    phases: [
        &[Step {
            command: ["XADD", "XADD"],
            send: |wire, load, _| {
                add(wire, load.jobs(), &[b"XADD", key(load), b"*", b"b", &load.body])
            },
            taken: None,
        }],
        &[Step {
            command: ["XREADGROUP COUNT 1", "XREADGROUP COUNT 64"],
            send: |wire, load, _| {
                let mut read = [&b"XREADGROUP"[..], b"GROUP", b"group", b"me", b"COUNT"].to_vec();
                let count = load.batch.to_string();
                read.extend([count.as_bytes(), b"STREAMS", key(load), b">"]);
                add(wire, load.depth, &read)
            },
            taken: Some(|reply, receipts| {
                let entries = reply.item(&[0, 1])?;
                (0..entries.len()).try_for_each(|at| {
                    receipts.push(entries.at(&[at, 0])?.to_vec());
                    Ok(())
                })
            }),
        }],
        &[
            Step {
                command: ["XACK", "XACK of 64"],
                send: |wire, load, receipts| {
                    add_with(wire, load, receipts, &[b"XACK", key(load), b"group"])
                },
                taken: None,
            },
            Step {
                command: ["XDEL", "XDEL of 64"],
                send: |wire, load, receipts| add_with(wire, load, receipts, &[b"XDEL", key(load)]),
                taken: None,
            },
        ],
    ],
};

/// A queue of JobQ.
pub const JOBQ: Contender = Contender {
    name: "JobQ",
    phases: [
        &[Step {
            command: ["JQ.PUBLISH", "JQ.MPUBLISH of 64"],
            send: |wire, load, _| {
                if load.batch == 1 {
                    return add(wire, load.depth, &[b"JQ.PUBLISH", key(load), &load.body]);
                }
                let count = load.batch.to_string();
                let mut publish = vec![&b"JQ.MPUBLISH"[..], key(load), count.as_bytes()];
                publish.resize(load.batch + 3, &load.body);
                add(wire, load.depth, &publish)
            },
            taken: None,
        }],
        &[Step {
            command: ["JQ.CONSUME", "JQ.CONSUME COUNT 64"],
            send: |wire, load, _| {
                if load.batch == 1 {
                    return add(wire, load.depth, &[b"JQ.CONSUME", key(load)]);
                }
                let count = load.batch.to_string();
                add(wire, load.depth, &[b"JQ.CONSUME", key(load), b"COUNT", count.as_bytes()])
            },
            taken: Some(|reply, receipts| {
                (0..reply.len()).try_for_each(|at| {
                    receipts.push(reply.at(&[at, 1])?.to_vec());
                    Ok(())
                })
            }),
        }],
        &[Step {
            command: ["JQ.ACK", "JQ.ACK of 64"],
            send: |wire, load, receipts| add_with(wire, load, receipts, &[b"JQ.ACK", key(load)]),
            taken: None,
        }],
    ],
};

fn key(load: &Load) -> &[u8] {
    load.key.as_bytes()
}

fn add(wire: &mut Wire, times: usize, command: &[&[u8]]) -> usize {
    (0..times).for_each(|_| wire.add(command));
    times
}

/// Adds a command for each batch of receipts, at its end.
fn add_with(wire: &mut Wire, load: &Load, receipts: &Receipts, command: &[&[u8]]) -> usize {
    let batches = receipts.chunks(load.batch);
    batches.clone().for_each(|receipts| {
        let named: Vec<_> =
            command.iter().copied().chain(receipts.iter().map(Vec::as_slice)).collect();
        wire.add(&named);
    });
    batches.len()
}
