//! Measures JobQ beside lists and streams of the same server, in one run, rounds alternating.
//! scripts/bench builds everything and calls this; absolute figures do not travel, ratios do.
//!
//! ```text
//! jobq-bench <server> <module> [cycles|memory|pickup|lateness ...]
//! ```

mod cycles;
mod figures;
mod lateness;
mod memory;
mod pickup;
mod server;
mod wire;

use std::process::ExitCode;

use server::Paths;

type Measure = fn(&Paths) -> std::io::Result<()>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(server), Some(module)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: jobq-bench <server> <module> [cycles|memory|pickup|lateness ...]");
        return ExitCode::FAILURE;
    };
    let paths = Paths { server, module };
    let wanted: Vec<_> = arguments.collect();
    let parts: [(&str, Measure); 4] = [
        ("cycles", cycles::measure),
        ("memory", memory::measure),
        ("pickup", pickup::measure),
        ("lateness", lateness::measure),
    ];
    for (name, measure) in parts {
        if !wanted.is_empty() && !wanted.iter().any(|word| word == name) {
            continue;
        }
        if let Err(error) = measure(&paths) {
            eprintln!("{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
