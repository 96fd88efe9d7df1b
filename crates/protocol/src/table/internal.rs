//! What is not for clients: the log, replicas and tests.

use super::options::{BODY, IDS, QUEUE};
use crate::{
    command::{Access, Command, CommandId, Keys},
    error::ErrorWord,
    range,
    syntax::Arg,
};

const REFUSED: (ErrorWord, &str) = (ErrorWord::NoPerm, "a client sent it");
const DIVERGED: (ErrorWord, &str) =
    (ErrorWord::Corrupt, "the step does not fit the queue's state; nothing is changed");

/// What the internal commands have in common.
const INTERNAL: Command = Command {
    id: CommandId::Tick,
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
    args: &[QUEUE, Arg::word("panic", "PANIC").about("Panics inside the command.")],
    reply: "The error that was provoked; 0 if there is no queue to fail on.",
    errors: &[
        (ErrorWord::NoPerm, "the module was loaded without the argument `debug`"),
        (ErrorWord::Internal, "the panic was caught"),
    ],
    ..INTERNAL
};

pub const TICK: Command = Command {
    id: CommandId::Tick,
    name: "JQ.TICK",
    summary: "Sets a queue's clock and works through transitions that are due.",
    complexity: "O(k log n) for k transitions, with n jobs in the queue",
    args: &[
        QUEUE,
        Arg::instant("now", range::NOW).about("The queue's clock from now on; never set back."),
        Arg::integer("n", range::BUDGET).about("At most so many transitions."),
        Arg::block(
            "beginning",
            &[
                Arg::integer("seed", range::SEED)
                    .about("The start of the generator, of a new queue or of a new term."),
                Arg::integer("tokens", range::TOKENS)
                    .optional()
                    .about("What all tokens of the new term are above."),
            ],
        )
        .optional(),
    ],
    notes: &[
        "A primary decides how time passes for a queue and records it with this command, so that \
         replicas and the log do not depend on their own clocks. With a seed it makes the queue if \
         there is none. With tokens it begins a term: another server decides from now on, or one \
         that has loaded the queue, or made it anew.",
    ],
    ..INTERNAL
};

pub const LEASE: Command = Command {
    id: CommandId::Lease,
    name: "JQ.LEASE",
    summary: "Leases exactly these ready jobs: what came of a `JQ.CONSUME`.",
    complexity: "O(k log n) for k jobs, with n jobs in the queue",
    arity: -6,
    args: &[
        QUEUE,
        Arg::string("worker").about("Who takes them; empty for no name."),
        Arg::integer("ttr", range::LEASE_TTR)
            .about("How long the leases last, in milliseconds; 0 for each job's own TTR."),
        Arg::integer("free", range::FREE).about("Whether the deliveries spend no tries."),
        IDS.about("Which jobs, in the order of delivery."),
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
    ..INTERNAL
};
