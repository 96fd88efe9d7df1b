//! Taking jobs.

use super::options::{COUNT, QUEUE, WORKER};
use crate::{
    command::{Access, Command, CommandId, Example, Keys},
    range,
    syntax::Arg,
};

const GATHER: Arg = Arg::block(
    "gather",
    &[
        Arg::integer("min", range::MIN)
            .after("MIN")
            .shown("n")
            .about("Waits until there are so many jobs, at most `COUNT`. With `BLOCK` only."),
        Arg::integer("linger", range::LINGER)
            .after("LINGER")
            .shown("ms")
            .about("Waits no longer than this for more of them once there is one."),
    ],
)
.optional();

const TTR: Arg = Arg::integer("ttr", range::TTR)
    .after("TTR")
    .shown("ms")
    .optional()
    .about("How long the leases last, instead of each job's own TTR.");

const BLOCK: Arg =
    Arg::integer("block", range::BLOCK).after("BLOCK").shown("ms").optional().about(
        "Waits so long for a job if there is none; 0 for ever. If not named, does not wait.",
    );

const WORKER_NAME: Arg = WORKER.about(
    "Who takes the jobs: 1 to 256 bytes. For people who look at the queue; it proves nothing. If not \
     named, the name that the connection has by `JQ.WORKER SET`, if it has one.",
);

const BIND: Arg = Arg::block(
    "bind",
    &[
        Arg::word("bind", "BIND").about("Ties the leases to the connection: they end with it."),
        Arg::integer("grace", range::GRACE).shown("grace-ms").optional().about(
            "How long the leases hold on when the connection has closed; at once over if not named.",
        ),
    ],
)
.optional();

const FREE: Arg = Arg::word("free", "FREE")
    .optional()
    .about("The deliveries spend no tries, so no job dies of failing in one.");

const DETAILS: Arg =
    Arg::word("details", "DETAILS").optional().about("Tells everything known of each job with it.");

const WEIGHTS: Arg = Arg::string("weights").after("WEIGHTS").shown("w,w,...").optional().about(
    "A weight of 1 to 1000 for each queue: the order in which they are asked is drawn anew each \
     time, and a queue comes first as often as its weight says. If not named, they are asked in \
     the order given.",
);

const ALSO: Arg = Arg::key("also", 1)
    .after("ALSO")
    .shown("queue")
    .multiple()
    .optional()
    .about("More queues to take from. Comes last: all that follows is queues.");

pub const CONSUME: Command = Command {
    id: CommandId::Consume,
    name: "JQ.CONSUME",
    summary: "Takes ready jobs and leases them to the caller.",
    complexity: "O(k log n + q) for k jobs taken, with n jobs in the queue and q queues named",
    since: "0.1.0",
    access: Access::Write,
    blocking: true,
    fast: false,
    internal: false,
    dangerous: false,
    arity: -2,
    keys: Keys::FirstAndAfter("ALSO"),
    args: &[QUEUE, COUNT, GATHER, TTR, BLOCK, WORKER_NAME, BIND, FREE, DETAILS, WEIGHTS, ALSO],
    reply: "Array of jobs, each an array of three bulk strings: the queue, the receipt, the body; \
            with `DETAILS` a fourth element, a map of the job fields but `body` (a flat array in \
            RESP2). Null if there is no job, or none came in time (a null array in RESP2). A queue that \
            is paused is as one without ready jobs.",
    errors: &[],
    examples: &[
        Example { command: "JQ.PUBLISH mail hello ID welcome-7", reply: "\"welcome-7\"" },
        Example {
            command: "JQ.CONSUME mail TTR 30000 BLOCK 1000 WORKER postman ALSO fax",
            reply: "1) 1) \"mail\"\n   2) \"welcome-7@1\"\n   3) \"hello\"",
        },
        Example { command: "JQ.CONSUME mail", reply: "(nil)" },
        Example { command: "JQ.PUBLISH mail goodbye ID farewell-7", reply: "\"farewell-7\"" },
        Example {
            command: "JQ.CONSUME mail DETAILS",
            reply: "1) 1) \"mail\"\n   2) \"farewell-7@2\"\n   3) \"goodbye\"\n   4)   1) \
                    \"id\"\n        2) \"farewell-7\"\n...",
        },
    ],
    notes: &[
        "A job is served by priority, then by the time since when it is ready. One reply may carry \
         jobs of several queues.",
        "The receipt names this very delivery. Settle the job with it before the lease lapses, or \
         extend the lease with `JQ.TOUCH`. A lapse is a failed attempt: the job is ready again at \
         once, at the tail, or after its backoff if the queue's `lapse` says so, or dead if that was \
         its last try.",
        "Inside a transaction or a script it does not wait.",
        "A worker that somebody has asked to be quiet or to stop, with `JQ.WORKER`, is given no job: to it \
         the queues are as ones that are paused. It can hear of that, see `JQ.WORKER`.",
        "With `MIN n LINGER ms` it waits for `n` jobs in any one of its queues, and takes what is there \
         when so long has passed since the first was there for it, when `BLOCK` is over, or where it \
         may not wait. It holds nothing meanwhile: who does not wait takes the jobs from under it, \
         and when all have gone, the time begins anew with the next. Who waits behind it, or comes \
         and may wait, is served after it. At first it looks at all its queues together.",
        "With `BIND` the leases end when the connection closes, whoever closes it, or the grace later. \
         The jobs go back as by `JQ.RELEASE`, or, where the queue's `bind-counts` says so, as by \
         `JQ.NACK … DELAY 0 ERROR \"connection closed\"`. A lease that is touched within the grace is \
         bound no longer. The TTR goes on: a server that was restarted, or has taken over by a \
         failover, knows of no connection. A script has none, and is refused.",
        "The fields that `DETAILS` tells are in the table of job fields below.",
    ],
};
