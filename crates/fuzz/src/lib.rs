//! What must hold for any bytes, one function a target. Each reads the bytes as something that a
//! client, a log or a file could say, and panics where a promise is broken.
//!
//! `fuzz/` has a fuzzer call them (scripts/fuzz); the test of this crate goes through what the
//! fuzzer has learned, which is in `fuzz/corpus`, and needs no more than stable Rust.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | argument vectors, made up from the command table or of any bytes |
//! | `histories.rs` | operations on one queue, and what the log says of them |
//! | `snapshot.rs` | stored forms, whole, damaged, or made up field by field |
//! | `form.rs` | the first stored form, written by hand |
//! | `twins.rs` | a queue that decides, and one that follows its log |
//! | `source.rs` | choices that are made by bytes |

mod arguments;
mod form;
mod histories;
mod snapshot;
mod source;
mod twins;

pub use arguments::arguments;
pub use histories::histories;
pub use snapshot::snapshot;

/// A target by its name, which is also that of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 3] =
    [("arguments", arguments), ("histories", histories), ("snapshot", snapshot)];
