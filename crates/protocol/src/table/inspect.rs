//! Looking without changing.

use super::options::{COUNT, JOB_ID, QUEUE, STATE};
use crate::command::{Access, Command, CommandId, Example, Keys};

const PUBLISHED: Example =
    Example { command: "JQ.PUBLISH mail hello ID welcome-7", reply: "\"welcome-7\"" };

const AS_OF: &str =
    "Shows the queue as of its last tick, which is never long after something was due.";

/// What the commands of this family have in common.
const INSPECT: Command = Command {
    id: CommandId::Len,
    name: "",
    summary: "",
    complexity: "O(1)",
    since: "0.1.0",
    access: Access::Read,
    blocking: false,
    fast: true,
    internal: false,
    dangerous: false,
    arity: -2,
    keys: Keys::First,
    args: &[QUEUE],
    reply: "",
    errors: &[],
    examples: &[],
    notes: &[AS_OF],
};

pub const PEEK: Command = Command {
    id: CommandId::Peek,
    name: "JQ.PEEK",
    summary: "Shows the ready jobs that would be served next, without leasing them.",
    complexity: "O(k) for k jobs shown",
    fast: false,
    args: &[QUEUE, COUNT],
    reply: "Array of jobs, each an array of three bulk strings: the queue, the bare id, the body. \
            Null if no job is ready, or none is handed out for now (a null array in RESP2).",
    examples: &[
        PUBLISHED,
        Example {
            command: "JQ.PEEK mail COUNT 10",
            reply: "1) 1) \"mail\"\n   2) \"welcome-7\"\n   3) \"hello\"",
        },
    ],
    ..INSPECT
};

pub const JOB: Command = Command {
    id: CommandId::Job,
    name: "JQ.JOB",
    summary: "Tells everything that is known of a job.",
    arity: -3,
    args: &[QUEUE, JOB_ID],
    reply: "Map from field names to bulk strings, integers or nulls (a flat array in RESP2). Null \
            if there is no such job, or the lease that the receipt names has ended.",
    examples: &[
        PUBLISHED,
        Example {
            command: "JQ.JOB mail welcome-7",
            reply:
                " 1) \"id\"\n 2) \"welcome-7\"\n 3) \"state\"\n 4) \"ready\"\n 5) \"body\"\n 6) \
                    \"hello\"\n...",
        },
    ],
    notes: &["The fields are in the table of job fields below.", AS_OF],
    ..INSPECT
};

pub const LEN: Command = Command {
    id: CommandId::Len,
    name: "JQ.LEN",
    summary: "Counts the jobs of a queue, in one state or in all.",
    args: &[QUEUE, STATE.optional()],
    reply: "Integer: how many jobs; 0 if there is no queue.",
    examples: &[
        PUBLISHED,
        Example { command: "JQ.LEN mail", reply: "(integer) 1" },
        Example { command: "JQ.LEN mail dead", reply: "(integer) 0" },
    ],
    ..INSPECT
};

pub const STATS: Command = Command {
    id: CommandId::Stats,
    name: "JQ.STATS",
    summary: "Tells how many jobs a queue holds and what has happened to them.",
    reply:
        "Map from field names to integers or nulls (a flat array in RESP2). Null if there is no \
            queue.",
    examples: &[
        PUBLISHED,
        Example {
            command: "JQ.STATS mail",
            reply: " 1) \"delayed\"\n 2) (integer) 0\n 3) \"ready\"\n 4) (integer) 1\n...",
        },
    ],
    notes: &["The fields are in the table of statistics below.", AS_OF],
    ..INSPECT
};

pub const DIGEST: Command = Command {
    id: CommandId::Digest,
    name: "JQ.DIGEST",
    summary: "Sums up a queue's whole state in 128 bits, to compare a replica with its primary.",
    complexity: "O(n) with n jobs in the queue",
    fast: false,
    reply: "Bulk string: 32 hexadecimal characters. Null if there is no queue.",
    examples: &[
        PUBLISHED,
        Example { command: "JQ.DIGEST mail", reply: "\"5f0c1d7e9a3b24868be1f6a2c07d4935\"" },
    ],
    ..INSPECT
};
