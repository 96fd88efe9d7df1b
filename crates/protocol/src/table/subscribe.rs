//! Telling those who subscribed to the end of a job.

use super::options::{JOB_ID, QUEUE};
use crate::{
    command::{Access, Command, CommandId, Example, Keys},
    error::ErrorWord,
    range,
    syntax::Arg,
};

const TARGET: Arg = Arg::string("target").multiple().about(
    "Who, in any bytes, up to 4096: an address, a topic. What it means is up to who delivers.",
);

const PUBLISHED: Example =
    Example { command: "JQ.PUBLISH mail hello ID welcome-7", reply: "\"welcome-7\"" };

const SUBSCRIBED: Example =
    Example { command: "JQ.SUBSCRIBE mail welcome-7 ada bob", reply: "(integer) 2" };

const FULFILLED: Example =
    Example { command: "JQ.FULFILL mail welcome-7 delivered", reply: "(integer) 1" };

const TAKEN: Example = Example {
    command: "JQ.NOTICES mail",
    reply:
        "1) 1) \"welcome-7@1\"\n   2) \"welcome-7\"\n   3) \"completed\"\n   4) \"delivered\"\n   \
            5) 1) \"ada\"\n      2) \"bob\"",
};

/// What these commands have in common.
const SUBSCRIPTIONS: Command = Command {
    id: CommandId::Subscribe,
    name: "",
    summary: "",
    complexity: "O(targets) and O(log n) with n notices",
    since: "0.1.0",
    access: Access::Write,
    blocking: false,
    fast: true,
    internal: false,
    dangerous: false,
    arity: -3,
    keys: Keys::First,
    args: &[],
    reply: "",
    errors: &[],
    examples: &[],
    notes: &[],
};

pub const SUBSCRIBE: Command = Command {
    id: CommandId::Subscribe,
    name: "JQ.SUBSCRIBE",
    summary: "Has targets told what becomes of a job, whenever they come.",
    access: Access::WriteGrowing,
    arity: -4,
    args: &[QUEUE, JOB_ID, TARGET],
    reply: "Integer: how many targets will be told; 0 if there is no such job.",
    errors: &[
        (ErrorWord::Full, "the job would have more than 100000 subscribers"),
        (ErrorWord::Oom, "the server has reached `maxmemory`"),
    ],
    examples: &[PUBLISHED, SUBSCRIBED],
    notes: &[
        "When the job is completed, dead or removed, there is a notice of that with all its targets, \
         for `JQ.NOTICES`. A job that is completed and kept, or dead, has one at once for who comes \
         late. A target that subscribes several times is told as often.",
        "A notice tells of one end. Who wants to hear of a dead job that is respawned subscribes again.",
    ],
    ..SUBSCRIPTIONS
};

pub const UNSUBSCRIBE: Command = Command {
    id: CommandId::Unsubscribe,
    name: "JQ.UNSUBSCRIBE",
    summary: "Has targets of a job not be told any more.",
    complexity: "O((targets + subscribers) log targets) and O(log n) for each notice of the job, with n in the queue",
    fast: false,
    arity: -4,
    args: &[
        QUEUE,
        JOB_ID,
        Arg::one_of(
            "whom",
            &[Arg::word("all", "ALL").about("Nobody is to be told."), TARGET],
        ),
    ],
    reply: "Integer: how many targets will not be told.",
    examples: &[
        PUBLISHED,
        SUBSCRIBED,
        Example { command: "JQ.UNSUBSCRIBE mail welcome-7 ada ada", reply: "(integer) 1" },
        Example { command: "JQ.UNSUBSCRIBE mail welcome-7 ALL", reply: "(integer) 1" },
    ],
    notes: &[
        "Each naming takes back one subscription, before the end of the job or, as long as the target \
         has not been told, after it; there by the id alone, since a receipt is good while its lease lasts. The word `ALL` alone means everybody; to mean a target of that \
         name, name it twice.",
    ],
    ..SUBSCRIPTIONS
};

pub const NOTICES: Command = Command {
    id: CommandId::Notices,
    name: "JQ.NOTICES",
    summary: "Takes notices of jobs that have ended, to tell those who subscribed.",
    complexity: "O(k log n) for k notices, with n in the queue",
    blocking: true,
    fast: false,
    arity: -2,
    args: &[
        QUEUE,
        Arg::integer("count", range::NOTICES)
            .after("COUNT")
            .shown("n")
            .optional()
            .about("At most so many notices; 1 if not named."),
        Arg::integer("ttr", range::TTR)
            .after("TTR")
            .shown("ms")
            .optional()
            .about("How long the lease lasts, instead of the queue's `ttr`."),
        Arg::integer("block", range::BLOCK).after("BLOCK").shown("ms").optional().about(
            "Waits so long for one; 0 for ever. If not named, does not wait.",
        ),
    ],
    reply: "Array of notices, the oldest first, each an array: the receipt; the id of the job; `completed`, \
            `dead`, or null if it was removed unfinished; its result, the error of a dead one, or null; an \
            array of the targets. Null if there is none (a null array in RESP2).",
    examples: &[PUBLISHED, SUBSCRIBED, FULFILLED, TAKEN],
    notes: &[
        "A notice is leased: nobody else gets it until it is settled with `JQ.DELIVERED`, or the lease \
         lapses. So every target is told at least once, whoever dies in between. A notice is kept until \
         all its targets were told or have unsubscribed, also where the job is not.",
        "Inside a transaction or a script it does not wait.",
    ],
    ..SUBSCRIPTIONS
};

pub const DELIVERED: Command = Command {
    id: CommandId::Delivered,
    name: "JQ.DELIVERED",
    summary: "Says which targets of a notice were told; the others are to be told again.",
    complexity: "O(k log targets) with k targets named and in the notice, and O(log n) with n notices",
    fast: false,
    args: &[
        QUEUE,
        Arg::string("receipt").about("That of the notice."),
        TARGET.optional(),
    ],
    reply: "Integer: how many targets need not be told any more. Null if the lease does not hold: somebody \
            else may tell them again.",
    examples: &[
        PUBLISHED,
        SUBSCRIBED,
        FULFILLED,
        TAKEN,
        Example { command: "JQ.DELIVERED mail welcome-7@1 ada", reply: "(integer) 1" },
        Example {
            command: "JQ.NOTICES mail",
            reply: "1) 1) \"welcome-7@2\"\n   2) \"welcome-7\"\n   3) \"completed\"\n   4) \"delivered\"\n   \
                    5) 1) \"bob\"",
        },
        Example { command: "JQ.DELIVERED mail welcome-7@2 bob", reply: "(integer) 1" },
        Example { command: "JQ.NOTICES mail", reply: "(nil)" },
    ],
    notes: &[
        "This ends the lease. A target that is named as often as it is in the notice is told for good. \
         Without any, the whole notice goes back.",
    ],
    ..SUBSCRIPTIONS
};
