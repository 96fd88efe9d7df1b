//! A server to measure, on a core of its own.

use std::{
    io::{Error, Result},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::wire::Wire;

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
    _directory: TempDir,
}

impl Server {
    /// Starts a server on the first core, with these further settings. The client is expected to
    /// be kept off that core by whoever started it.
    pub fn start(paths: &Paths, settings: &[&str]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let process = Command::new("taskset")
            .args(["-c", "0", &paths.server, "--bind", "127.0.0.1", "--save", ""])
            .args(["--port", &port.to_string(), "--maxclients", "20000"])
            .arg("--dir")
            .arg(directory.path())
            .args(settings)
            .args(["--loadmodule", &paths.module])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { process, port, _directory: directory };
        for _ in 0..500 {
            if server.connect().is_ok_and(|mut wire| wire.call("PING").is_ok()) {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(Error::other("the server does not come up"))
    }

    /// A new connection.
    pub fn connect(&self) -> Result<Wire> {
        Wire::connect(self.port)
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
