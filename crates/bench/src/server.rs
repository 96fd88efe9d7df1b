//! A server to measure, on a core of its own.

use std::{
    ffi::OsString,
    io::{Error, Result},
    net::TcpListener,
    ops::RangeInclusive,
    path::Path,
    process::{self, Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::wire::Wire;

/// Under valgrind this is many seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to run.
pub struct Paths {
    /// The server's program.
    pub server: String,
    /// The module.
    pub module: String,
}

/// A running server; ended when dropped.
pub struct Server {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl Server {
    /// Starts a server on the first core, with these further settings. The client is expected to
    /// be kept off that core by whoever started it.
    pub fn start(paths: &Paths, settings: &[&str]) -> Result<Self> {
        Self::start_under(|_| Vec::new(), paths, settings)
    }

    /// The same under another program, which is told the server's directory.
    pub fn start_under(
        program: fn(&Path) -> Vec<OsString>,
        paths: &Paths,
        settings: &[&str],
    ) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = free_port()?;
        let process = Command::new("taskset")
            .args(["-c", "0"])
            .args(program(directory.path()))
            .args([&paths.server, "--bind", "127.0.0.1", "--save", ""])
            .args(["--port", &port.to_string(), "--maxclients", "20000"])
            .arg("--dir")
            .arg(directory.path())
            .args(settings)
            .args(["--loadmodule", &paths.module])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut server = Self { process, port, directory };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if server.connect().is_ok_and(|mut wire| wire.call("PING").is_ok()) {
                return Ok(server);
            }
            if let Some(status) = server.process.try_wait()? {
                return Err(Error::other(format!("{} ends at once: {status}", paths.server)));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(Error::other(format!("{} does not come up", paths.server)))
    }

    /// A new connection.
    pub fn connect(&self) -> Result<Wire> {
        Wire::connect(self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A number from `INFO`.
    pub fn info(&self, field: &str) -> Result<f64> {
        let info = self.connect()?.call("INFO everything")?;
        let text = String::from_utf8_lossy(info.at(&[])?).into_owned();
        let prefix = format!("{field}:");
        let value = text.lines().find_map(|line| line.strip_prefix(&prefix));
        value.and_then(|value| value.trim().parse().ok()).ok_or_else(|| Error::other(prefix))
    }

    /// Processor time of the server's main thread so far, in seconds.
    pub fn cpu(&self) -> Result<f64> {
        Ok(self.info("used_cpu_user_main_thread")? + self.info("used_cpu_sys_main_thread")?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port on which nobody listens, and none that a system gives to clients: whoever connects to
/// such a one before its server is up may be connected to itself.
pub fn free_port() -> Result<u16> {
    const PORTS: RangeInclusive<u16> = 10_000..=30_000;
    let mut ports = PORTS.skip(process::id() as usize % 10_000);
    let free = ports.find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    free.ok_or_else(|| Error::other("no port is free"))
}
