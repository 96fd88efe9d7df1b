//! Who works, and what is wished of them.

use super::options::{CURSOR, QUEUE};
use crate::{
    command::{Access, Command, CommandId, Example, Keys},
    error::ErrorWord,
    range,
    syntax::Arg,
};

const NAME: Arg = Arg::string("name");

const SET: Example = Example {
    command: "JQ.WORKER SET postman HOST mail-1 PID 4711 LABELS 1 zone north",
    reply: "(nil)",
};

/// What the commands about workers have in common.
const WORK: Command = Command {
    id: CommandId::Workers,
    name: "",
    summary: "",
    complexity: "",
    since: "0.1.0",
    access: Access::Read,
    blocking: false,
    fast: false,
    internal: false,
    dangerous: false,
    arity: -1,
    keys: Keys::FirstIfOdd,
    args: &[],
    reply: "",
    errors: &[],
    examples: &[],
    notes: &[],
};

pub const WORKERS: Command = Command {
    id: CommandId::Workers,
    name: "JQ.WORKERS",
    summary: "Tells of the workers that gave their names: who holds what, waits for what, and was seen when.",
    complexity: "O(w + n) for w workers known, with n leases in the queues of those told of",
    args: &[
        QUEUE.optional().about("Only the workers of this queue, and of them only what concerns it."),
        CURSOR,
        Arg::integer("count", range::WORKERS)
            .after("COUNT")
            .shown("n")
            .optional()
            .about("At most so many workers; 100 if not named."),
    ],
    reply: "Array of two: the cursor to go on with, `0` at the end; and an array of workers, sorted by \
            their names to the byte, each a map of the worker fields (a flat array in RESP2).",
    errors: &[(
        ErrorWord::CrossSlot,
        "no queue is named, in a transaction or a script of a cluster, which sees the queues of one slot",
    )],
    examples: &[
        Example { command: "JQ.PUBLISH mail hello ID welcome-7", reply: "\"welcome-7\"" },
        Example {
            command: "JQ.CONSUME mail WORKER postman",
            reply: "1) 1) \"mail\"\n   2) \"welcome-7@1\"\n   3) \"hello\"",
        },
        Example {
            command: "JQ.WORKERS mail COUNT 1000",
            reply: "1) \"0\"\n2) 1)  1) \"name\"\n       2) \"postman\"\n...",
        },
        Example { command: "JQ.WORKERS telex", reply: "1) \"0\"\n2) (empty array)" },
    ],
    notes: &[
        "A worker is whoever says its name: `WORKER name` with `JQ.CONSUME` is enough. It is told of while \
         it holds a lease or waits for one, while a connection is open over which it named itself with \
         `JQ.WORKER SET`, and for ten minutes after it was heard of last. With a queue only those are \
         told of that hold or wait for jobs of it, or have asked for some in the last ten minutes.",
        "Without a queue, what is told concerns the queues of the selected database that the user may \
         read. A worker that has been heard of in others only is not told of there; one that has only \
         named itself is, in the database in which it did.",
        "What is held is in the queues, so replicas tell it too, and it is known after a restart or a \
         failover. All else is known only to the server that the worker talks to, and null until it \
         has heard of it.",
        "The arguments tell whether a queue is named: the words come with one value each. So any name \
         will do, be it `count`. The fields are in the table of worker fields below.",
    ],
    ..WORK
};

pub const WORKER: Command = Command {
    id: CommandId::Worker,
    name: "JQ.WORKER",
    summary: "Says who a worker is, or asks it to be quiet, to stop, or to go on.",
    complexity: "O(log w) with w workers known; O(n log n) where n of its calls are blocked that are sent away",
    access: Access::Write,
    arity: -3,
    keys: Keys::None,
    args: &[Arg::one_of(
        "what",
        &[
            Arg::block(
                "self",
                &[
                    NAME.after("SET").about(
                        "Who says this: 1 to 256 bytes. The connection has this name from now on: what it takes \
                         without `WORKER` is this worker's.",
                    ),
                    Arg::string("host")
                        .after("HOST")
                        .shown("h")
                        .optional()
                        .about("The machine that it runs on: up to 256 bytes."),
                    Arg::integer("pid", range::PID)
                        .after("PID")
                        .shown("n")
                        .optional()
                        .about("The number of its process."),
                    Arg::block(
                        "labels",
                        &[
                            Arg::integer("n", range::LABELS)
                                .after("LABELS")
                                .about("How many labels follow."),
                            Arg::block(
                                "label",
                                &[
                                    Arg::string("label").about("A label, each at most once: up to 256 bytes."),
                                    Arg::string("value").about("Its value: up to 256 bytes."),
                                ],
                            )
                            .multiple(),
                        ],
                    )
                    .optional(),
                ],
            ),
            Arg::string("quiet").after("QUIET").shown("name").about("This worker is to take no more jobs."),
            Arg::string("stop").after("STOP").shown("name").about(
                "This worker is to take no more jobs, and to end when it is done with those that it has.",
            ),
            Arg::string("resume").after("RESUME").shown("name").about("Nothing of the kind is wished any more."),
        ],
    )],
    reply: "For `SET` what is wished of the worker: the simple string `QUIET` or `STOP`, or null. For all \
            else an integer: 1, or 0 if no worker of the name is known, and nothing is remembered then.",
    errors: &[
        (ErrorWord::NoPerm, "`SET` comes from a script, which has no connection"),
        (ErrorWord::Oom, "`SET`, where the server is at its `maxmemory`"),
    ],
    examples: &[
        SET,
        Example { command: "JQ.WORKER STOP postman", reply: "(integer) 1" },
        Example { command: "JQ.WORKER SET postman", reply: "STOP" },
        Example { command: "JQ.WORKER RESUME postman", reply: "(integer) 1" },
        Example { command: "JQ.WORKER STOP clerk", reply: "(integer) 0" },
    ],
    notes: &[
        "A `JQ.CONSUME` without `WORKER` over a connection with a name is that worker's, as if it had said \
         so: its leases are, and a wish for the worker is for it too, also while it is blocked, and inside a \
         transaction. One from a script is nobody's, and one that says `WORKER` is that one's.",
        "`SET` says all there is to say: what is not named in it is not known any more. Several \
         connections may have one name, as those of one process do; of what they say the last counts. A \
         connection has one name, and loses it when it closes or takes another.",
        "What is wished is delivered in three ways: the message `quiet`, `stop` or `resume` on the channel \
         `jobq:worker:<name>`; the last entry of the answer to `JQ.TOUCH … WORKER name`; and the answer to \
         `JQ.WORKER SET name`. What a worker does then is up to it, but one that is to be quiet or to stop \
         is given no job: its blocked calls of `JQ.CONSUME` are answered null at once, and others are \
         answered as if their queues were paused, null at once without `BLOCK` and else when its time is \
         over, or by `RESUME`. So one that knows nothing of this does not ask without a pause.",
        "A wish lasts until it is taken back or the worker is forgotten: ten minutes after it was heard of \
         last, when it holds nothing. It is in no log: a server that is restarted or takes over wishes \
         nothing.",
    ],
    ..WORK
};
