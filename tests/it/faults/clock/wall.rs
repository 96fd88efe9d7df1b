//! A wall clock for servers that a test can set, while monotonic time goes on.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

use crate::support::{wait_for, Options, Server};

/// Less than any step.
const NOTICEABLE: i64 = 400;

/// The machine's clock.
fn machines() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

/// A wall clock. It goes right until it is set.
pub struct WallClock {
    directory: TempDir,
}

impl WallClock {
    /// A clock that is so many milliseconds ahead.
    pub fn ahead(millis: i64) -> Self {
        let clock = Self { directory: tempfile::tempdir().expect("there is room for a directory") };
        clock.set_ahead(millis);
        clock
    }

    /// A clock that shows this instant now.
    pub fn at(unix_millis: i64) -> Self {
        Self::ahead(unix_millis - machines())
    }

    /// Has a server go by this clock, also when it is started again.
    pub fn of(&self, options: Options) -> Options {
        let library = library().to_str().expect("the path is text");
        let offset = self.file();
        let offset = offset.to_str().expect("the path is text");
        options.with_variable("LD_PRELOAD", library).with_variable("CLOCK_OFFSET", offset)
    }

    /// Sets the clock ahead, or back, and waits until a server that goes by it has noticed: one
    /// may look at it only once a millisecond.
    pub fn step(&self, server: &Server, millis: i64) {
        self.set_ahead(self.is_ahead() + millis);
        wait_for("the server to look at the clock", || {
            let differs_by = wall_clock_of(server) - (machines() + self.is_ahead());
            (differs_by.abs() < NOTICEABLE).then_some(())
        });
    }

    /// By how much it is ahead of the machine's.
    pub fn is_ahead(&self) -> i64 {
        let bytes = fs::read(self.file()).expect("the file is there");
        i64::from_ne_bytes(bytes.try_into().expect("eight bytes")) / 1000
    }

    /// Sets the clock so many milliseconds ahead of the machine's.
    pub fn set_ahead(&self, millis: i64) {
        let file = File::options().create(true).truncate(false).write(true).open(self.file());
        let written = file.and_then(|file| file.write_all_at(&(millis * 1000).to_ne_bytes(), 0));
        written.expect("the directory is writable");
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("offset")
    }
}

/// What a server takes for the time.
pub fn wall_clock_of(server: &Server) -> i64 {
    server.client().time()
}

/// The library, built once a run.
fn library() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faults/clock/wall.c");
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = directory.join("wall_clock.so");
        // Under another name first: another run may be using it.
        let made = directory.join(format!("wall_clock.{}", std::process::id()));
        let built = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o"])
            .args([&made, &source])
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the clock does not build");
        fs::rename(made, &library).expect("the directory is writable");
        library
    })
}
