//! What fuzzers have found worth keeping, gone through on each run of the tests: inputs that reach
//! different parts of the code, and those that once failed.

use std::{fs, path::Path};

use jobq_fuzz::TARGETS;

#[test]
fn every_input_that_a_fuzzer_has_kept_still_holds() {
    for (name, target) in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let files = fs::read_dir(&corpus).unwrap_or_else(|no| panic!("{}: {no}", corpus.display()));
        let mut played = 0;
        for file in files {
            let path = file.expect("a directory can be read").path();
            let bytes = fs::read(&path).expect("a file can be read");
            // The name of the input that fails is what has to be known of it.
            let held = std::panic::catch_unwind(|| target(&bytes));
            assert!(held.is_ok(), "{name} does not hold for {}", path.display());
            played += 1;
        }
        assert!(played >= 50, "only {played} inputs of {name}");
    }
}
