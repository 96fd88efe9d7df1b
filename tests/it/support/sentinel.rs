//! A sentinel, which watches a primary and promotes a replica when that is gone.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{
    server::{binary, free_port, wait_until_up},
    wait_for, Client,
};

/// How many sentinels have to agree that a primary is gone.
const QUORUM: usize = 2;

/// A running sentinel. It is ended when this is dropped.
pub struct Sentinel {
    process: Child,
    port: u16,
    // Holds its configuration, which it writes itself.
    _directory: TempDir,
}

impl Sentinel {
    /// Starts a sentinel that watches the primary at this port, by the name `jobq`.
    pub fn watching(primary: u16) -> Self {
        for _ in 0..20 {
            let port = free_port();
            let directory = tempfile::tempdir().expect("there is room for a directory");
            let path = directory.path().join("sentinel.conf");
            let settings = format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor jobq 127.0.0.1 {primary} {QUORUM}\n\
                 sentinel down-after-milliseconds jobq 1500\nsentinel failover-timeout jobq 2000\n"
            );
            fs::write(&path, settings).expect("the directory is writable");
            let log = File::create(directory.path().join("log")).expect("it is writable");
            let mut process = Command::new(binary())
                .arg(&path)
                .arg("--sentinel")
                .stdin(Stdio::null())
                .stdout(log)
                .spawn()
                .expect("the server can be a sentinel");
            if wait_until_up(&mut process, port, directory.path()) {
                return Self { process, port, _directory: directory };
            }
        }
        panic!("no sentinel can be started");
    }

    /// A new connection.
    pub fn client(&self) -> Client {
        Client::connect(self.port).expect("the sentinel takes a connection")
    }

    /// Waits until each of them knows the others and so many replicas.
    pub fn wait_until_all_know(sentinels: &[Self], replicas: usize) {
        for sentinel in sentinels {
            let mut client = sentinel.client();
            wait_for("the sentinels to find all", || {
                let known = client.run("SENTINEL MASTER jobq");
                let count = |field| known.field(field).text().parse::<usize>().unwrap_or(0);
                (count("num-slaves") == replicas
                    && count("num-other-sentinels") == sentinels.len() - 1)
                    .then_some(())
            });
        }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
