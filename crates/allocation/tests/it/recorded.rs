//! What was counted, beside what is known.

use std::{env, fs, path::Path};

/// Checks that exactly these lines are in the file of this name; with `ACCEPT_COUNTS=1` in the
/// environment, sees to it.
pub fn assert_recorded(file: &str, counted: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(file);
    let counted = counted.join("\n") + "\n";
    if env::var_os("ACCEPT_COUNTS").is_some() {
        fs::write(&path, &counted).unwrap_or_else(|no| panic!("{}: {no}", path.display()));
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let is_new = |line: &&str| !known.lines().any(|old| old == *line);
    let new: Vec<_> = counted.lines().filter(is_new).collect();
    assert!(
        known == counted,
        "{file} does not say:\n{}\n\nwhere this is meant: \
         ACCEPT_COUNTS=1 cargo test --package jobq-allocation",
        new.join("\n")
    );
}
