//! Ending leases and extending them.

use super::options::{DELAY, ERROR, IDS, QUEUE};
use crate::{
    command::{Access, Command, CommandId, Example, Keys},
    range,
    syntax::Arg,
};

const SETTLED: &str = "Integer: how many jobs were settled. A job that is gone, or whose lease is \
                       another one than the receipt's, is not counted and not changed.";

const PUBLISHED: Example =
    Example { command: "JQ.PUBLISH mail hello ID welcome-7", reply: "\"welcome-7\"" };

const CONSUMED: Example = Example {
    command: "JQ.CONSUME mail",
    reply: "1) 1) \"mail\"\n   2) \"welcome-7@1\"\n   3) \"hello\"",
};

const WORDS: &str = "The words of this command are not taken for ids. A leased job whose given id \
                     is such a word can be named by its receipt.";

/// What the settling commands have in common.
const SETTLE: Command = Command {
    id: CommandId::Ack,
    name: "",
    summary: "",
    complexity: "O(k log n) for k jobs, with n jobs in the queue",
    since: "0.1.0",
    access: Access::Write,
    blocking: false,
    fast: true,
    internal: false,
    dangerous: false,
    arity: -3,
    keys: Keys::First,
    args: &[QUEUE, IDS],
    reply: SETTLED,
    errors: &[],
    examples: &[],
    notes: &[],
};

pub const ACK: Command = Command {
    id: CommandId::Ack,
    name: "JQ.ACK",
    summary: "Says that the work is done: leased jobs are finished and removed.",
    examples: &[
        PUBLISHED,
        CONSUMED,
        Example { command: "JQ.ACK mail welcome-7@1", reply: "(integer) 1" },
        Example { command: "JQ.ACK mail welcome-7@1", reply: "(integer) 0" },
    ],
    ..SETTLE
};

pub const NACK: Command = Command {
    id: CommandId::Nack,
    name: "JQ.NACK",
    summary: "Says that an attempt failed: leased jobs wait for the next one, or are dead.",
    args: &[
        QUEUE,
        IDS,
        DELAY.about("The wait before the next attempt, instead of the backoff's."),
        ERROR,
    ],
    examples: &[
        PUBLISHED,
        CONSUMED,
        Example {
            command: "JQ.NACK mail welcome-7@1 DELAY 5000 ERROR \"mailbox full\"",
            reply: "(integer) 1",
        },
        Example { command: "JQ.LEN mail delayed", reply: "(integer) 1" },
    ],
    notes: &["A job published with `TRIES n` is dead when its n-th delivery fails.", WORDS],
    ..SETTLE
};

pub const RELEASE: Command = Command {
    id: CommandId::Release,
    name: "JQ.RELEASE",
    summary: "Gives leased jobs back without blame: to the head of their priority, uncounted.",
    args: &[QUEUE, IDS, DELAY.about("The wait before they may be taken again.")],
    examples: &[
        PUBLISHED,
        CONSUMED,
        Example { command: "JQ.RELEASE mail welcome-7@1", reply: "(integer) 1" },
        Example { command: "JQ.LEN mail ready", reply: "(integer) 1" },
    ],
    notes: &["For a worker that stops before it is done. The delivery spends no try.", WORDS],
    ..SETTLE
};

pub const BURY: Command = Command {
    id: CommandId::Bury,
    name: "JQ.BURY",
    summary: "Says that jobs can never work: leased, ready or delayed ones are dead.",
    args: &[QUEUE, IDS, ERROR],
    examples: &[
        PUBLISHED,
        CONSUMED,
        Example {
            command: "JQ.BURY mail welcome-7@1 ERROR \"no such address\"",
            reply: "(integer) 1",
        },
        Example { command: "JQ.LEN mail dead", reply: "(integer) 1" },
    ],
    notes: &[
        "A dead job stays until it is respawned or removed; it does not expire. `dead-max` and \
         `dead-age` limit how many are kept, and how long.",
        WORDS,
    ],
    ..SETTLE
};

pub const TOUCH: Command = Command {
    id: CommandId::Touch,
    name: "JQ.TOUCH",
    summary: "Extends leases: each lasts a fresh TTR from now on.",
    args: &[
        QUEUE,
        Arg::integer("ttr", range::TTR)
            .after("TTR")
            .shown("ms")
            .optional()
            .about("How long from now on, instead of the TTR of the lease."),
        IDS,
    ],
    reply: "Array with an entry for each job named: the new deadline as an integer, in \
            milliseconds since the epoch, or null if the lease is lost.",
    examples: &[
        PUBLISHED,
        CONSUMED,
        Example {
            command: "JQ.TOUCH mail TTR 120000 welcome-7@1 other-3@9",
            reply: "1) (integer) 1763695620000\n2) (nil)",
        },
    ],
    notes: &["A null means that the worker should stop: the job is somebody else's.", WORDS],
    ..SETTLE
};
