//! Ending leases and extending them.

use super::{
    operate::SLICES,
    options::{
        COUNT_MOVED, DELAY, DELAYED, ERROR, GATHERING, HELD, IDS, JOB_ID, QUEUE, READY, RETAIN,
        WORKER,
    },
    produce::PUBLISH,
};
use crate::{
    command::{Access, Command, CommandId, Example, Keys},
    error::ErrorWord,
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

/// What a test may ask of those that say how an attempt ended.
const TESTED: (ErrorWord, &str) = (ErrorWord::Refused, "a test has asked for it with `JQ.DEBUG`");

/// What an ack can meet: with a successor, what a publish can.
const ACK_ERRORS: [(ErrorWord, &str); PUBLISH.errors.len() + 1] = {
    let mut errors = [TESTED; PUBLISH.errors.len() + 1];
    let mut at = 0;
    while at < PUBLISH.errors.len() {
        errors[at] = PUBLISH.errors[at];
        at += 1;
    }
    errors
};

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
    summary: "Says that the work is done: leased jobs are finished, and the next may be published with it.",
    args: &[
        QUEUE,
        IDS,
        Arg::block(
            "next",
            &[
                Arg::string("to").about("The queue to which the successor goes; may be the same."),
                Arg::string("body").about("What the successor carries."),
                Arg::string("option")
                    .optional()
                    .multiple()
                    .about("As with `JQ.PUBLISH`, but for `BLOCK`, `REPLACES`, and jobs of other queues behind `AFTER`."),
            ],
        )
        .after("THEN")
        .optional()
        .about(
            "What comes next, behind one id: this job is published if the lease held, and only then. If it is \
             refused, the lease goes on.",
        ),
    ],
    reply: "Integer: how many jobs were settled. A job that is gone, or whose lease is another one than \
            the receipt's, is not counted and not changed. With `THEN` a bulk string, the id of the \
            successor or of the job that holds its key; null if the lease did not hold.",
    errors: &ACK_ERRORS,
    examples: &[
        PUBLISHED,
        CONSUMED,
        Example { command: "JQ.ACK mail welcome-7@1", reply: "(integer) 1" },
        Example { command: "JQ.ACK mail welcome-7@1", reply: "(integer) 0" },
        Example { command: "JQ.PUBLISH mail hello ID welcome-8", reply: "\"welcome-8\"" },
        Example {
            command: "JQ.CONSUME mail",
            reply: "1) 1) \"mail\"\n   2) \"welcome-8@2\"\n   3) \"hello\"",
        },
        Example {
            command: "JQ.ACK mail welcome-8@2 THEN surveys \"how was it?\" ID survey-8 DELAY 86400000",
            reply: "\"survey-8\"",
        },
        Example { command: "JQ.ACK mail welcome-8@2 THEN surveys \"how was it?\"", reply: "(nil)" },
    ],
    notes: &[
        "With `THEN`, the end of the one job and the beginning of the other are one step: no crash, no lost \
         answer and no second attempt makes none of it or two. Both queues have the same slot in a \
         cluster. A successor in the same queue may have the place, the unique key and the id of a \
         job that is not kept.",
        "A job with a `RETAIN`, be it from its publisher or the queue's `retain`, is `completed` \
         then and kept for so long; any other is removed.",
    ],
    ..SETTLE
};

pub const FULFILL: Command = Command {
    id: CommandId::Fulfill,
    name: "JQ.FULFILL",
    summary: "Says that the work is done and what came of it: a job is finished with a result.",
    complexity: "O(log n) with n jobs in the queue",
    arity: -4,
    args: &[
        QUEUE,
        JOB_ID,
        Arg::string("result")
            .about("What came of the work: any bytes, which are never looked into."),
        RETAIN.about(
            "How long the job is kept with its result, instead of as it was published: 0 to \
             3155760000000 milliseconds, or until it is removed. With 0 it is gone at once.",
        ),
    ],
    reply: "Integer: 1, or 0 if there is no such job, it is completed already, or the lease that \
            the receipt names has ended.",
    errors: &[(ErrorWord::TooBig, "the result is longer than `maxbody`"), TESTED],
    examples: &[
        PUBLISHED,
        CONSUMED,
        Example {
            command: "JQ.FULFILL mail welcome-7@1 delivered RETAIN 60000",
            reply: "(integer) 1",
        },
        Example { command: "JQ.FULFILL mail welcome-7 returned", reply: "(integer) 0" },
        Example {
            command: "JQ.RESULT mail welcome-7",
            reply: "1) \"completed\"\n2) \"delivered\"",
        },
    ],
    notes: &[
        "The first result wins. A receipt counts only while its lease holds. With the bare id \
         whoever knows it may give the result, whatever state the job is in but `completed`: a \
         late result also finishes a dead job.",
        "Where the job is not kept, the result reaches only those who wait for it with `JQ.RESULT` \
         and `BLOCK`.",
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
    errors: &[TESTED],
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
    args: &[
        QUEUE,
        IDS,
        DELAY.about("The wait before they may be taken again."),
        Arg::word("uncounted", "UNCOUNTED")
            .optional()
            .about("This does not count as one of the releases that `releases-max` limits."),
    ],
    examples: &[
        PUBLISHED,
        CONSUMED,
        Example { command: "JQ.RELEASE mail welcome-7@1", reply: "(integer) 1" },
        Example { command: "JQ.LEN mail ready", reply: "(integer) 1" },
    ],
    notes: &[
        "For a worker that stops before it is done, or finds that a job cannot be done yet. The \
         delivery spends no try.",
        "Releases of a job are counted, and the setting `releases-max` limits them: a job that is \
         released once more is dead, with the error `released too often`. A worker that only stops \
         says `UNCOUNTED`.",
        WORDS,
    ],
    ..SETTLE
};

pub const BURY: Command = Command {
    id: CommandId::Bury,
    name: "JQ.BURY",
    summary: "Says that jobs can never work: leased ones, and those that wait, are dead.",
    fast: false,
    args: &[
        QUEUE,
        Arg::one_of(
            "which",
            &[
                Arg::block("jobs", &[IDS, ERROR]),
                Arg::block(
                    "all",
                    &[
                        Arg::one_of("state", &[DELAYED, HELD, GATHERING, READY]),
                        COUNT_MOVED.optional().about(
                            "At most so many, those first that would leave the state first.",
                        ),
                    ],
                )
                .after("ALL")
                .about(
                    "All delayed, held, gathering or ready jobs, or at most so many, those first that would \
                     leave the state first.",
                ),
            ],
        ),
    ],
    reply: "Integer: how many jobs were settled, or with `ALL` how many were meant. A job that is \
            gone, or completed or dead, or whose lease is another one than the receipt's, is not \
            counted and not changed.",
    examples: &[
        PUBLISHED,
        CONSUMED,
        Example {
            command: "JQ.BURY mail welcome-7@1 ERROR \"no such address\"",
            reply: "(integer) 1",
        },
        Example { command: "JQ.LEN mail dead", reply: "(integer) 1" },
        Example { command: "JQ.BURY mail ALL ready COUNT 1000", reply: "(integer) 0" },
    ],
    notes: &[
        "A dead job stays until it is respawned, fulfilled or removed; it does not expire. \
         `dead-max` and `dead-age` limit how many are kept, and how long.",
        SLICES,
        WORDS,
    ],
    ..SETTLE
};

pub const TOUCH: Command = Command {
    id: CommandId::Touch,
    name: "JQ.TOUCH",
    summary: "Extends leases: each lasts a fresh TTR from now on. Says how far the work has come.",
    args: &[
        QUEUE,
        Arg::integer("ttr", range::TTR)
            .after("TTR")
            .shown("ms")
            .optional()
            .about("How long from now on, instead of the TTR of the lease."),
        Arg::integer("progress", range::PROGRESS)
            .after("PROGRESS")
            .shown("n")
            .optional()
            .about("How far the work has come, in whatever the worker counts: `JQ.JOB` and `JQ.LIST` tell it."),
        Arg::string("result").after("RESULT").shown("value").optional().about(
            "What has come of the work so far, in place of what was said before: `JQ.RESULT` and `JQ.JOB` tell \
             it, and it is the job's result when it is acknowledged. `JQ.FULFILL` puts another in its place.",
        ),
        WORKER.about(
            "Who it is: 1 to 256 bytes. The answer then says besides what somebody wishes of this worker.",
        ),
        IDS,
    ],
    reply: "Array with an entry for each job named: when the lease now runs out as an integer, in \
            milliseconds since the epoch; null if the lease is lost; or the simple string `CANCELLED` \
            if the job was cancelled: its lease is not extended then. With `WORKER` one more entry, \
            the last: the simple string `QUIET` or `STOP`, or null if nothing is wished.",
    examples: &[
        PUBLISHED,
        CONSUMED,
        Example {
            command: "JQ.TOUCH mail TTR 120000 PROGRESS 40 welcome-7@1 other-3@9",
            reply: "1) (integer) 1763695620000\n2) (nil)",
        },
    ],
    notes: &[
        "A null means that the worker should stop: the job is somebody else's. So does `CANCELLED`: \
         the work is not wanted any more. No lease reaches beyond the `DEADLINE` of its job.",
        "The receipt of a notice extends the lease of that, without `TTR` by the queue's `ttr`.",
        WORDS,
    ],
    ..SETTLE
};
