//! Connections that are encrypted: the server's own matter, but blocking, large replies and replication
//! run through other code there.

use std::{
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
};

use super::tally::Tally;
use crate::support::{
    free_port, likeness::assert_replica_is_alike, load::many, server_binary, wait_for, Options,
    Server,
};

/// Whether the server can do it at all: it says why it ends where it is told to without a certificate.
fn server_has_it() -> bool {
    let ended = Command::new(server_binary())
        .args(["--port", "0", "--tls-port", "1"])
        .output()
        .expect("the server can be started");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let has_it = said.contains("No tls-cert-file configured");
    let lacks_it = said.contains("Failed finding TLS support") || said.contains("Bad directive");
    assert!(has_it != lacks_it, "{said}");
    has_it
}

/// Makes a certificate for this machine, signed by itself.
fn certificate(directory: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(directory)
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A client that is encrypted: `redis-cli`, once for each command.
struct Cli<'a> {
    port: u16,
    directory: &'a Path,
}

impl Cli<'_> {
    /// Begins a command. Its last argument comes from what is written to the process.
    fn start(&self, words: &[&str]) -> Child {
        Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "--tls", "--cacert", "certificate.pem"])
            .args(["--raw", "-x"])
            .args(words)
            .current_dir(self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-cli is installed")
    }

    fn run(&self, words: &[&str], last: &[u8]) -> Vec<u8> {
        answer(self.start(words), last)
    }
}

fn answer(mut child: Child, last: &[u8]) -> Vec<u8> {
    let written = child.stdin.take().expect("it is piped").write_all(last);
    written.expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn over_encrypted_connections_jobs_are_published_awaited_settled_and_replicated() {
    if !server_has_it() {
        println!("this server is built without TLS");
        return;
    }
    let mut tally = Tally::of("encrypted connections");
    let directory = tempfile::tempdir().expect("there is room for a directory");
    certificate(directory.path());
    let pem = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    let (key, certificate) = (pem("key.pem"), pem("certificate.pem"));
    let encrypted = |port: u16| {
        Options::new().with(&format!(
            "--tls-port {port} --tls-key-file {key} --tls-cert-file {certificate} \
             --tls-ca-cert-file {certificate} --tls-auth-clients no --tls-replication yes"
        ))
    };
    let port = free_port();
    let primary = Server::start(encrypted(port));
    let cli = Cli { port, directory: directory.path() };
    let follows = format!("--replicaof 127.0.0.1 {port}");
    let replica = Server::start(encrypted(free_port()).with(&follows));
    replica.catch_up_with(&primary);

    for round in 0..many(50, 3) {
        let body = vec![b'a' + round as u8 % 26; 1 << (2 * (round % 11))];
        let id = format!("job-{round}");
        let waiting = cli.start(&["JQ.CONSUME", "mail", "WORKER", "w", "TTR", "3600000", "BLOCK"]);
        // What it waits for comes last: for ever.
        let waiting = std::thread::spawn(move || answer(waiting, b"0"));
        primary.wait_for_blocked(1);
        cli.run(&["JQ.PUBLISH", "mail", "-", "ID"], id.as_bytes());
        let told = waiting.join().expect("it is answered");
        assert!(String::from_utf8_lossy(&told).contains(&id));
        let updated = cli.run(&["JQ.UPDATE", "mail", &id, "BODY"], &body);
        assert_eq!(updated, b"2\n", "the version that it has now");
        tally.add("jobs awaited", 1);
        assert_eq!(cli.run(&["JQ.RELEASE", "mail"], id.as_bytes()), b"1\n");
        let taken = cli.run(&["JQ.CONSUME", "mail", "TTR"], b"3600000");
        assert!(taken.windows(body.len()).any(|part| part == body), "{} bytes", body.len());
        if round % 2 == 0 {
            assert_eq!(cli.run(&["JQ.ACK", "mail"], id.as_bytes()), b"1\n");
        }
        tally.add("jobs taken", 1);
    }
    cli.run(&["JQ.PUBLISH", "mail", "later", "DELAY"], b"50");
    wait_for("the timer", || (replica.run("JQ.LEN mail delayed").int() == 0).then_some(()));
    assert_replica_is_alike(&primary, &replica);
    assert_eq!(primary.info("jobq", "jobq_errors_caught"), "0");
}
