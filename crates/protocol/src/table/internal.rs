//! What is not for clients: the log, replicas and tests.

use super::options::{BODY, QUEUE};
use crate::{
    command::{Access, Command, CommandId, Keys},
    error::ErrorWord,
    range,
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
    summary: "Has happen what a test cannot wait for, and provokes failures.",
    complexity: "O(k log n) for k jobs or transitions, with n jobs in the queue",
    internal: false,
    arity: -3,
    args: &[
        QUEUE,
        Arg::one_of(
            "what",
            &[
                Arg::string("lapsed").after("LAPSE").shown("id").multiple().about(
                    "The leases of these jobs lapse now, with all that comes of it.",
                ),
                Arg::string("due").after("DUE").shown("id").multiple().about(
                    "These jobs, which are delayed or wait for their next attempt, become due now.",
                ),
                Arg::integer("advance", range::ADVANCE).after("ADVANCE").shown("ms").about(
                    "The queue's clock is set ahead, and all that becomes due by that happens.",
                ),
                Arg::integer("refuse", range::REFUSE).after("REFUSE").shown("n").about(
                    "The next so many `JQ.ACK`, `JQ.FULFILL` and `JQ.NACK` on the queue are refused \
                     with `REFUSED` and change nothing; with 0, none any more.",
                ),
                Arg::block(
                    "panic",
                    &[
                        Arg::word("panic", "PANIC")
                            .about("Panics inside the command, to see that it is caught."),
                        Arg::word("answered", "ANSWERED")
                            .optional()
                            .about("Answers 0 before it does."),
                    ],
                ),
            ],
        ),
    ],
    reply: "For `LAPSE` and `DUE` an integer: how many jobs that was done to. For `ADVANCE` an \
            integer: the queue's clock from now on. For `REFUSE` an integer: how many commands are to \
            be refused. For `PANIC` the error that was provoked. For all of them 0 if there is no \
            queue.",
    errors: &[
        (ErrorWord::NoPerm, "the module was loaded without the argument `debug`"),
        (ErrorWord::Internal, "the panic was caught"),
    ],
    notes: &[
        "For tests, yours and ours: it answers only where the module was loaded with the argument \
         `debug` (`loadmodule /path/to/libjobq.so debug yes`). To replicas and to the log it is as any \
         other command.",
        "A lease that is made to lapse is counted, tried again or dead, and told of, just as one whose \
         time was over. A job that is made due is `held` or `gathering` then if it waits for anything \
         else.",
        "After `ADVANCE` the queue's clock goes on from where it is, at the usual pace. Who waits goes \
         on waiting as long as he would have, and other queues keep their time. The server that was \
         told remembers how far the queue is ahead; one that is started again or takes over does not, \
         and there the clock stands until the time has caught up, since it never goes back.",
        "`REFUSE` is for how a client deals with an error. It goes with the key when that is renamed, \
         and is forgotten when the queue is loaded or deleted. Within a transaction the command counts \
         as well.",
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
