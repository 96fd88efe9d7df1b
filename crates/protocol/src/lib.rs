//! JobQ's commands: what can be said to a queue, declared once.
//!
//! [`COMMANDS`] is the one table. The module registers it with the server, `docs/commands.md` is
//! printed from it, an argument error quotes it, and the tests draw random commands from it.
//! [`parse`] turns an argument vector into a [`Call`], in the engine's own types. Nothing here
//! knows a server or does any I/O.
//!
//! | file | what it holds |
//! |---|---|
//! | `command.rs` | the form of a table entry |
//! | `syntax.rs` | the form of an argument, and how a usage line is written |
//! | `table.rs` | the commands themselves, by family |
//! | `range.rs` | the integers: their names, units and limits |
//! | `args.rs` | the cursor over an argument vector |
//! | `cursor.rs` | where a page of a list ended |
//! | `call.rs` | what an argument vector can mean |
//! | `parse.rs` | from the one to the other, by family |
//! | `steps.rs` | what the log says of one command or one turn of the timer |
//! | `settings.rs` | what a queue can be configured to do |
//! | `stats.rs` | what a queue tells of itself |
//! | `job_fields.rs` | what it tells of a job |
//! | `worker_fields.rs` | what is told of a worker |
//! | `causes.rs` | what it tells of what happens |
//! | `error.rs` | the error words, the only place that spells them |
//! | `docs.rs` | `docs/commands.md` |

mod args;
mod call;
pub mod causes;
mod command;
pub mod cursor;
pub mod docs;
pub mod error;
pub mod job_fields;
mod parse;
pub mod range;
pub mod settings;
pub mod stats;
pub mod steps;
mod syntax;
mod table;
pub mod worker_fields;

pub use call::{
    Call, ConsumeCall, DebugCall, EventsCall, Gather, Since, StatsView, WorkerCall, WorkerWish,
};
pub use command::{Access, Command, CommandId, Example, Keys};
pub use error::{BadArguments, ErrorWord};
pub use job_fields::{JOB_FIELDS, NOT_IN_DETAILS};
pub use parse::parse;
pub use range::Range;
pub use settings::{KeyedSpec, SettingName, SettingSpec, KEYED_SETTINGS, SETTINGS};
pub use syntax::{Arg, Kind};
pub use table::{find, COMMANDS};
