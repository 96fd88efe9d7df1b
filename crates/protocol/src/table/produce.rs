//! Publishing.

use super::options::{BACKOFF, BODY, DUE, GIVEN_ID, PRIORITY, QUEUE, TRIES, TTL, TTR};
use crate::{
    command::{Access, Command, CommandId, Example, Keys},
    error::ErrorWord,
    range,
    syntax::Arg,
};

const EXPIRES: (ErrorWord, &str) = (ErrorWord::Range, "the TTL ends before the job is due");
const TOO_BIG: (ErrorWord, &str) = (ErrorWord::TooBig, "a body is longer than `maxbody`");
const FULL: (ErrorWord, &str) = (ErrorWord::Full, "the queue would hold more jobs than `maxlen`");
const PAUSED: (ErrorWord, &str) = (ErrorWord::Paused, "publishing to the queue is paused");
const OOM: (ErrorWord, &str) = (ErrorWord::Oom, "the server is at its `maxmemory`");

pub const PUBLISH: Command = Command {
    id: CommandId::Publish,
    name: "JQ.PUBLISH",
    summary: "Adds a job to a queue, and makes the queue if there is none.",
    complexity: "O(log n) with n jobs in the queue",
    since: "0.1.0",
    access: Access::WriteGrowing,
    blocking: false,
    fast: true,
    internal: false,
    dangerous: false,
    arity: -3,
    keys: Keys::First,
    args: &[QUEUE, BODY, GIVEN_ID, DUE, TTL, TTR, TRIES, BACKOFF, PRIORITY],
    reply: "Bulk string: the job's id.",
    errors: &[
        (ErrorWord::Duplicate, "a job of the given id exists in the queue, in some state"),
        EXPIRES,
        TOO_BIG,
        FULL,
        PAUSED,
        OOM,
    ],
    examples: &[
        Example { command: "JQ.PUBLISH mail hello", reply: "\"01KAJ9Q4X2M8T0V6R3B5N7C1DE\"" },
        Example {
            command: "JQ.PUBLISH mail \"happy birthday\" ID birthday:7 DELAY 3600000 PRIORITY -5",
            reply: "\"birthday:7\"",
        },
        Example {
            command: "JQ.PUBLISH mail again ID birthday:7",
            reply: "(error) DUPLICATE birthday:7",
        },
    ],
    notes: &["What is not named is as the queue is configured, at the time of publishing."],
};

pub const MPUBLISH: Command = Command {
    id: CommandId::MPublish,
    name: "JQ.MPUBLISH",
    summary: "Adds several jobs on the same terms, all of them or none.",
    complexity: "O(k log n) for k bodies, with n jobs in the queue",
    since: "0.1.0",
    access: Access::WriteGrowing,
    blocking: false,
    fast: true,
    internal: false,
    dangerous: false,
    arity: -4,
    keys: Keys::First,
    args: &[
        QUEUE,
        Arg::integer("n", range::BODIES).about("How many bodies follow."),
        BODY.multiple(),
        DUE,
        TTL,
        TTR,
        TRIES,
        BACKOFF,
        PRIORITY,
    ],
    reply: "Array of bulk strings: the ids of the jobs, in the order of the bodies.",
    errors: &[EXPIRES, TOO_BIG, FULL, PAUSED, OOM],
    examples: &[Example {
        command: "JQ.MPUBLISH mail 2 hello goodbye TTL 86400000",
        reply: "1) \"01KAJ9Q4X2M8T0V6R3B5N7C1DE\"\n2) \"01KAJ9Q4X2M8T0V6R3C92K4HJ0\"",
    }],
    notes: &["The ids are made by the queue and ascend."],
};
