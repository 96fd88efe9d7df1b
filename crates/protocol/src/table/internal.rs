//! What is not for clients: the log, replicas and tests.

use super::options::{BODY, QUEUE};
use crate::{
    command::{Access, Command, CommandId, Keys},
    error::ErrorWord,
    syntax::Arg,
};

const REFUSED: (ErrorWord, &str) = (ErrorWord::NoPerm, "a client sent it");
const UNREADABLE: (ErrorWord, &str) =
    (ErrorWord::Corrupt, "the piece is no stored form, or not the next one of this queue");
const DIVERGED: (ErrorWord, &str) = (
    ErrorWord::Corrupt,
    "it does not fit what is there; of several steps, those before it are done",
);

/// What the internal commands have in common.
const INTERNAL: Command = Command {
    id: CommandId::Apply,
    name: "",
    summary: "",
    complexity: "",
    since: "0.1.0",
    access: Access::Write,
    blocking: false,
    fast: false,
    internal: true,
    dangerous: true,
    arity: -4,
    keys: Keys::First,
    args: &[],
    reply: "`OK`.",
    errors: &[REFUSED, DIVERGED],
    examples: &[],
    notes: &[],
};

pub const DEBUG: Command = Command {
    id: CommandId::Debug,
    name: "JQ.DEBUG",
    summary: "Provokes failures, to test how they are handled.",
    complexity: "O(1)",
    internal: false,
    arity: -3,
    args: &[
        QUEUE,
        Arg::word("panic", "PANIC").about("Panics inside the command."),
        Arg::word("answered", "ANSWERED").optional().about("Answers 0 before it does."),
    ],
    reply: "The error that was provoked; 0 if there is no queue to fail on.",
    errors: &[
        (ErrorWord::NoPerm, "the module was loaded without the argument `debug`"),
        (ErrorWord::Internal, "the panic was caught"),
    ],
    ..INTERNAL
};

pub const APPLY: Command = Command {
    id: CommandId::Apply,
    name: "JQ.APPLY",
    summary: "Repeats what was done to a queue, in steps.",
    complexity: "O(k log n) for k jobs or transitions, with n jobs in the queue",
    arity: -3,
    args: &[
        QUEUE,
        Arg::string("steps").about("What was done, packed; not for interpretation."),
        Arg::block(
            "asked",
            &[
                Arg::string("command").about("What a client asked, for the step that says so."),
                Arg::string("argument").multiple().about("Its arguments, the queue first."),
            ],
        )
        .optional(),
    ],
    notes: &[
        "A primary decides how time passes for a queue and who is given which jobs, and records it \
         with this command, so that replicas and the log do not depend on their own clocks. All \
         that one command of a client or one turn of the timer has done to a queue is in one \
         record. A command by which nothing had to be decided is recorded as the client sent it.",
        "A step makes the queue; sets its clock and works through transitions that are due; begins \
         a term, when another server decides from now on, or one that has loaded the queue, or made \
         it anew; does what the command behind the steps asks; or leases exactly some jobs to a \
         worker.",
    ],
    ..INTERNAL
};

pub const LOAD: Command = Command {
    id: CommandId::Load,
    name: "JQ.LOAD",
    summary: "Restores a piece of a queue: what a rewritten log begins with.",
    complexity: "O(n) with n jobs in the piece",
    arity: -3,
    args: &[
        QUEUE,
        Arg { name: "frame", ..BODY }.about("A piece of the stored form; not for interpretation."),
    ],
    errors: &[REFUSED, UNREADABLE],
    ..INTERNAL
};
