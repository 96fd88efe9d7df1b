//! What is in an append-only file.

use std::path::Path;

use jobq_protocol::steps::{unpack, Step};

/// The commands of an append-only file, in order.
#[derive(Debug)]
pub struct Aof {
    /// Each command as its arguments.
    pub commands: Vec<Vec<Vec<u8>>>,
}

impl Aof {
    /// Reads all files that hold commands, base before increments.
    pub fn read(directory: &Path) -> Self {
        let mut files: Vec<_> = std::fs::read_dir(directory)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "aof"));
        files.sort();
        let commands = files.iter().flat_map(|path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            parse(&bytes)
        });
        Self { commands: commands.collect() }
    }

    /// What each command says was done, one line each, words separated by spaces: the command, or in
    /// the place of a `JQ.APPLY` its steps in words, such as `tick mail 1763695620000 128`, with the
    /// command behind them as it is.
    pub fn records(&self) -> Vec<Vec<String>> {
        self.commands.iter().map(|command| steps_of(command)).collect()
    }

    /// The lines of all records.
    pub fn lines(&self) -> Vec<String> {
        self.records().concat()
    }

    /// How many commands have this name.
    pub fn count(&self, name: &str) -> usize {
        let named = |command: &&Vec<Vec<u8>>| {
            command.first().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
        };
        self.commands.iter().filter(named).count()
    }
}

fn line_of<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> String {
    let words: Vec<_> = words.into_iter().map(String::from_utf8_lossy).collect();
    words.join(" ")
}

fn steps_of(command: &[Vec<u8>]) -> Vec<String> {
    let words: Vec<_> = command.iter().map(Vec::as_slice).collect();
    let [b"JQ.APPLY", queue, steps, asked @ ..] = &words[..] else {
        return vec![line_of(words)];
    };
    let queue = String::from_utf8_lossy(queue);
    let said = |step: &Step<'_>| match step {
        Step::Create { seed } => format!("create {queue} {seed}"),
        Step::Tick { now, budget } => format!("tick {queue} {now} {budget}"),
        Step::Term { seed, tokens } => format!("term {queue} {seed} {tokens}"),
        Step::Command => line_of(asked.iter().copied()),
        Step::Lease(lease) => {
            let holder = lease.holder();
            let worker = String::from_utf8_lossy(holder.worker);
            let free = u8::from(!holder.counted);
            let jobs: Vec<_> = lease.jobs().map(|id| id.to_string()).collect();
            format!("lease {queue} {worker} {} {free} {}", holder.ttr, jobs.join(" "))
        }
        Step::CommandAfter { .. } => line_of(asked.iter().copied()),
        Step::Follow(follow) => {
            let follow = follow.follow();
            let other = String::from_utf8_lossy(follow.queue);
            let children: Vec<_> = follow.children.iter().map(|it| it.id().to_string()).collect();
            let parents = follow.parents.iter().map(|(id, at)| format!("{id} {at}"));
            let parents: Vec<_> = parents.collect();
            format!("follow {queue} {other} {} {}", children.join(" "), parents.join(" "))
        }
        Step::Told(told) => {
            let told = told.told().expect("an end");
            format!("told {queue} {} {} {:?}", told.child.id(), told.at, told.how)
        }
        Step::Delivered { effects } => format!("delivered {queue} {effects}"),
        Step::Notices { count, ttr } => format!("notices {queue} {count} {ttr:?}"),
        Step::Plan(plan) => {
            let next = plan.plan().next.map(|at| at.0);
            format!("plan {queue} {} {next:?}", plan.plan().schedule)
        }
    };
    let steps = unpack(steps).unwrap_or_else(|bad| panic!("{bad}: {}", line_of(words.clone())));
    steps.iter().map(said).collect()
}

fn parse(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    std::iter::from_fn(|| {
        let arguments = header(&mut bytes, b'*')?;
        (0..arguments)
            .map(|_| {
                let len = header(&mut bytes, b'$')?;
                let argument = bytes.get(..len)?.to_vec();
                bytes = bytes.get(len + 2..)?;
                Some(argument)
            })
            .collect()
    })
    .collect()
}

fn header(bytes: &mut &[u8], kind: u8) -> Option<usize> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = bytes.get(..end)?.strip_prefix(&[kind])?;
    *bytes = &bytes[end + 2..];
    std::str::from_utf8(line).ok()?.parse().ok()
}
