//! How often what was done to servers, and what came of it.

use std::{collections::BTreeMap, fs::OpenOptions, io::Write};

use crate::support::server_name;

/// The widths of the columns in the table of scripts/soak.
const FAULT_WIDTH: usize = 44;
const COUNT_WIDTH: usize = 52;

/// Counts of one fault. Added to the file that `JOBQ_TALLY` names when this is dropped, one line
/// a count: fault, server, what, how many. scripts/soak makes a table of them.
pub struct Tally {
    fault: &'static str,
    counts: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Nothing has been counted yet.
    pub fn of(fault: &'static str) -> Self {
        assert!(fault.len() <= FAULT_WIDTH, "too wide: {fault}");
        Self { fault, counts: BTreeMap::new() }
    }

    /// Counts so many more.
    pub fn add(&mut self, what: &'static str, count: usize) {
        assert!(what.len() <= COUNT_WIDTH, "too wide: {what}");
        *self.counts.entry(what).or_default() += count as u64;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let Some(path) = std::env::var_os("JOBQ_TALLY") else { return };
        // A test that fails is no figure.
        if std::thread::panicking() {
            return;
        }
        let line = |(what, count): (&&str, &u64)| {
            format!("{}\t{}\t{what}\t{count}\n", self.fault, server_name())
        };
        let lines: String = self.counts.iter().map(line).collect();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        // At once, since other tests write there too.
        let written = file.and_then(|mut file| file.write_all(lines.as_bytes()));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.to_string_lossy()));
    }
}
