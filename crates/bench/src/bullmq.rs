//! BullMQ, a job queue as a library for Node over the server's own types. `scripts/bench-bullmq`
//! has the process in which it runs, with a server of its own.

use std::{
    io::{BufRead, BufReader, Error, Result, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::{
    comparison::Side,
    server::{Paths, Server},
};

/// A running Node process, on the core of whoever starts it; ended when dropped.
pub struct BullMq {
    process: Child,
    asked: ChildStdin,
    told: BufReader<ChildStdout>,
    server: Server,
}

impl BullMq {
    /// Starts one for bodies of so many bytes, which publishes so many jobs a call.
    pub fn start(paths: &Paths, settings: &[&str], body: usize, batch: usize) -> Result<Self> {
        let server = Server::start(paths, settings)?;
        let mut process = Command::new("node")
            .arg("scripts/bench-bullmq/bench.mjs")
            .args([server.port().to_string(), body.to_string(), batch.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Error::other(format!("node does not start: {error}")))?;
        let pipes = (process.stdin.take(), process.stdout.take());
        let (Some(asked), Some(told)) = pipes else { return Err(Error::other("no pipes")) };
        let mut this = Self { process, asked, told: BufReader::new(told), server };
        this.expect("ready")?;
        Ok(this)
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        let mut line = String::new();
        self.told.read_line(&mut line)?;
        if line.trim() == word {
            return Ok(());
        }
        Err(Error::other(format!("it says '{}' and not '{word}'; is it installed?", line.trim())))
    }
}

impl Side for BullMq {
    fn cycles(&mut self, jobs: usize) -> Result<usize> {
        let jobs = jobs.max(64);
        writeln!(self.asked, "{jobs}")?;
        self.expect("done")?;
        Ok(jobs)
    }

    fn cpu(&self) -> Result<f64> {
        self.server.cpu()
    }
}

impl Drop for BullMq {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
