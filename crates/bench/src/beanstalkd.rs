//! beanstalkd, a job queue that is a server of its own.

use std::{
    fs,
    io::{Error, Result},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{comparison::Side, server::free_port, wire::Wire};

/// In which unit the system counts processor time.
const TICKS_A_SECOND: f64 = 100.0;

/// How it writes its log.
#[derive(Clone, Copy)]
pub enum Log {
    /// Not at all.
    Off,
    /// Synced once so many milliseconds, with 0 at each write.
    SyncedEach(u32),
}

/// A running beanstalkd on the first core, and a connection to it; ended when dropped.
pub struct Beanstalkd {
    process: Child,
    wire: Wire,
    body: Vec<u8>,
    depth: usize,
    _directory: TempDir,
}

impl Beanstalkd {
    /// Starts one for jobs with this body, so many at once.
    pub fn start(log: Log, body: Vec<u8>, depth: usize) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = free_port()?;
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "beanstalkd", "-l", "127.0.0.1", "-p", &port.to_string()]);
        if let Log::SyncedEach(span) = log {
            command.arg("-b").arg(directory.path()).args(["-f", &span.to_string()]);
        }
        let mut process = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
        for _ in 0..200 {
            if let Ok(wire) = Wire::connect(port) {
                return Ok(Self { process, wire, body, depth, _directory: directory });
            }
            if process.try_wait()?.is_some() {
                return Err(Error::other("beanstalkd does not start; is it installed?"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = process.kill();
        let _ = process.wait();
        Err(Error::other("beanstalkd does not come up"))
    }

    /// Reads a line that begins with this word, and gives the rest.
    fn expect(&mut self, word: &str) -> Result<String> {
        let line = String::from_utf8_lossy(self.wire.read_line()?).into_owned();
        match line.strip_prefix(word) {
            Some(rest) => Ok(rest.trim().to_string()),
            None => Err(Error::other(format!("beanstalkd answers {line} and not {word}"))),
        }
    }

    fn cycle(&mut self) -> Result<()> {
        let put = format!("put 0 0 60 {}", self.body.len());
        for _ in 0..self.depth {
            self.wire.add_line(put.as_bytes());
            self.wire.add_line(&self.body);
        }
        self.wire.flush()?;
        for _ in 0..self.depth {
            self.expect("INSERTED")?;
        }
        (0..self.depth).for_each(|_| self.wire.add_line(b"reserve"));
        self.wire.flush()?;
        let mut deletes = Vec::with_capacity(self.depth);
        for _ in 0..self.depth {
            let job = self.expect("RESERVED")?;
            let id = job.split(' ').next().unwrap_or_default();
            deletes.push(format!("delete {id}"));
            self.wire.forget(self.body.len() + 2)?;
        }
        deletes.iter().for_each(|delete| self.wire.add_line(delete.as_bytes()));
        self.wire.flush()?;
        for _ in 0..self.depth {
            self.expect("DELETED")?;
        }
        Ok(())
    }
}

impl Side for Beanstalkd {
    fn cycles(&mut self, jobs: usize) -> Result<usize> {
        let times = jobs.div_ceil(self.depth).max(1);
        (0..times).try_for_each(|_| self.cycle())?;
        Ok(times * self.depth)
    }

    fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // After the name, which is in parentheses: the 12th and the 13th, for itself and for the system.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: Vec<f64> =
            fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        Ok(ticks.iter().sum::<f64>() / TICKS_A_SECOND)
    }
}

impl Drop for Beanstalkd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
