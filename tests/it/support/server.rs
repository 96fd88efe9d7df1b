//! A server process of the kind under test, with the module loaded.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{module_path, wait_for, Aof, Client, Reply, PATIENCE};

/// How a server is to be started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    settings: Vec<String>,
    module_arguments: Vec<String>,
    without_module: bool,
    environment: Vec<(String, String)>,
    deaf_to_file_limits: bool,
}

impl Options {
    /// Nothing special: no persistence, no primary.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds settings as on the command line, separated by spaces.
    pub fn with(mut self, settings: &str) -> Self {
        self.settings.extend(settings.split_whitespace().map(String::from));
        self
    }

    /// Adds an argument for the module.
    pub fn with_module_argument(mut self, argument: &str) -> Self {
        self.module_arguments.push(argument.into());
        self
    }

    /// Sets a variable of the process's environment.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Leaves the module out.
    pub fn without_module(mut self) -> Self {
        self.without_module = true;
        self
    }

    /// Where a file would grow over the limit that the process has for that, the write fails as on a
    /// disk that is full. Otherwise a signal ends the process.
    pub fn deaf_to_file_limits(mut self) -> Self {
        self.deaf_to_file_limits = true;
        self
    }

    /// An append-only file that is synced at each write.
    pub fn with_aof(self) -> Self {
        self.with("--appendonly yes --appendfsync always")
    }
}

/// A running server. It is ended when this is dropped.
pub struct Server {
    process: Child,
    port: u16,
    options: Options,
    directory: TempDir,
}

impl Server {
    /// Starts a server on a free port.
    pub fn start(options: Options) -> Self {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        for _ in 0..20 {
            // Somebody else may take the port in between: then the server ends, and the next try
            // takes another.
            let port = free_port();
            let mut process = spawn(port, &options, directory.path());
            if wait_until_up(&mut process, port, directory.path()) {
                return Self { process, port, options, directory };
            }
        }
        panic!("no server can be started: {}", log_of(directory.path()));
    }

    /// Starts a server that keeps nothing.
    pub fn plain() -> Self {
        Self::start(Options::new())
    }

    /// Starts a replica of `primary`, with its own append-only file, and waits until it is in step.
    pub fn replica_of(primary: &Server) -> Self {
        let replica = Self::start(
            Options::new().with_aof().with(&format!("--replicaof 127.0.0.1 {}", primary.port)),
        );
        replica.catch_up_with(primary);
        replica
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A new connection.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.port).expect("the server takes a connection")
    }

    /// Runs one command, given as words separated by spaces, on a connection of its own.
    #[track_caller]
    pub fn run(&self, line: &str) -> Reply {
        self.client().run(line)
    }

    /// Whether the process runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        log_of(self.directory.path())
    }

    /// The commands in the append-only file's increments.
    pub fn aof(&self) -> Aof {
        Aof::read(&self.directory.path().join("appendonlydir"))
    }

    /// Whether a field of `INFO section` has this value. False if the server does not say.
    pub fn tells(&self, section: &str, field: &str, value: &str) -> bool {
        let told = Client::connect(self.port).and_then(|mut client| {
            client.try_send(&["INFO", section])?;
            client.try_read()
        });
        let line = format!("{field}:{value}");
        told.is_ok_and(|info| {
            matches!(info, Reply::Bulk(_)) && info.text().lines().any(|told| told == line)
        })
    }

    /// Waits until a field of `INFO section` has this value, also while the server closes
    /// connections.
    #[track_caller]
    pub fn wait_until_it_tells(&self, section: &str, field: &str, value: &str) {
        wait_for(&format!("{field}:{value}"), || self.tells(section, field, value).then_some(()));
    }

    /// A field of `INFO section`.
    #[track_caller]
    pub fn info(&self, section: &str, field: &str) -> String {
        self.client().info(section, field)
    }

    /// How many clients are blocked.
    pub fn blocked_clients(&self) -> usize {
        self.info("clients", "blocked_clients").parse().expect("a number")
    }

    /// Waits until so many clients are blocked.
    #[track_caller]
    pub fn wait_for_blocked(&self, clients: usize) {
        wait_for("blocked clients", || (self.blocked_clients() == clients).then_some(()));
    }

    /// Waits until this replica has all that `primary` has written.
    #[track_caller]
    pub fn catch_up_with(&self, primary: &Server) {
        wait_for("the replica", || {
            let is_up = self.info("replication", "role") == "slave"
                && self.info("replication", "master_link_status") == "up";
            let offset = |server: &Server, field| server.info("replication", field);
            let in_step =
                is_up && offset(self, "slave_repl_offset") == offset(primary, "master_repl_offset");
            in_step.then_some(())
        });
    }

    /// Ends the process without warning and starts it again on its files.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Ends the process without warning.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Asks the process to end, and waits until it has, if it does.
    fn terminate(&mut self) {
        let id = self.process.id().to_string();
        let asked = Command::new("sh").args(["-c", "kill \"$0\"", &id]).status();
        let begun = Instant::now();
        while asked.is_ok() && self.is_alive() && begun.elapsed() < PATIENCE {
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Ends the process in good order and starts it again on its files. With `--save ''` and no
    /// append-only file nothing comes back.
    pub fn restart(&mut self) {
        self.client().send(&["SHUTDOWN"]);
        let _ = self.process.wait();
        self.start_again();
    }

    /// Starts a process that was ended on its files.
    pub fn start_again(&mut self) {
        assert!(self.comes_up(), "the server does not come back: {}", self.log());
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("a child can be asked")
    }

    /// Tries to start a process that was ended on its files. False if it ends at once.
    pub fn comes_up(&mut self) -> bool {
        self.begin();
        wait_until_up(&mut self.process, self.port, self.directory.path())
    }

    /// Starts a process that was ended on its files, and does not wait for it.
    pub fn begin(&mut self) {
        self.process = spawn(self.port, &self.options, self.directory.path());
    }

    /// Whether the process answers, and has loaded what it has.
    pub fn is_up(&self) -> bool {
        answers(self.port, self.process.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whoever looks for memory that is lost, as scripts/memcheck does, has to see an end in good
        // order.
        if std::env::var_os("JOBQ_SHUTDOWN").is_some() {
            self.terminate();
        }
        self.kill();
    }
}

/// The server under test: `JOBQ_SERVER`, or `redis-server` from the path.
pub fn binary() -> PathBuf {
    std::env::var_os("JOBQ_SERVER").map_or_else(|| "redis-server".into(), PathBuf::from)
}

/// The kind of server under test, as a name for people.
pub fn server_name() -> String {
    binary().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn spawn(port: u16, options: &Options, directory: &Path) -> Child {
    let log = File::options().create(true).append(true).open(directory.join("log"));
    let log = log.expect("the directory is writable");
    let mut command =
        Command::new(if options.deaf_to_file_limits { "sh".into() } else { binary() });
    if options.deaf_to_file_limits {
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binary());
    }
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"])
        .arg("--dir")
        .arg(directory)
        .args(&options.settings)
        .envs(options.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be shared"))
        .stderr(log);
    if !options.without_module {
        command.arg("--loadmodule").arg(module_path()).args(&options.module_arguments);
    }
    command.spawn().unwrap_or_else(|error| panic!("{}: {error}", binary().display()))
}

/// Waits until the server answers. False if it ends before that.
pub fn wait_until_up(process: &mut Child, port: u16, directory: &Path) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if process.try_wait().expect("a child can be asked").is_some() {
            return false;
        }
        if answers(port, process.id()) {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
    panic!("a server does not come up: {}", log_of(directory));
}

/// How long a server may take to say whether it is up; then it is asked again.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Whether a server has loaded what it has. An answer may come from another one that took the port:
/// ours is the one with our process id.
fn answers(port: u16, process: u32) -> bool {
    // It may take a connection, and end over its files before it answers.
    let told = Client::connect(port).and_then(|mut client| {
        // Also from one that listens and will never answer, since it looks through a damaged file.
        client.wait_no_longer_than(ANSWER_MAX)?;
        client.try_send(&["INFO", "server"])?;
        let info = client.try_read()?;
        client.try_send(&["PING"])?;
        Ok((info, client.try_read()?))
    });
    told.is_ok_and(|(info, pong)| {
        pong == Reply::Status("PONG".into())
            && matches!(info, Reply::Bulk(_))
            && info.text().contains(&format!("process_id:{process}\r"))
    })
}

fn log_of(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("log")).unwrap_or_default()
}

/// A port that is free now, with room for a cluster's second one above it. None from which the
/// system takes ports for clients: one that connects again and again while a server is down would
/// some day connect to itself, and the server could not come back.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 12_000;
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id() * 997;
    loop {
        // Not one after the other, for those that run beside.
        let drawn = DRAWN.fetch_add(1, Ordering::SeqCst);
        let port = FIRST + begin.wrapping_add(drawn * 7) % COUNT;
        let port = u16::try_from(port).expect("ports are small");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
