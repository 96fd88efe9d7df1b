//! Publishing.

use super::options::{
    AFTER, BACKOFF, BATCH, BODY, DEADLINE, DUE, GIVEN_ID, GROUP, HEADERS, MUTEX, PRIORITY, QUEUE,
    RETAIN, TRIES, TTL, TTR, TYPE, UNIQUE, USES, WHEN,
};
use crate::{
    command::{Access, Command, CommandId, Example, Keys},
    error::ErrorWord,
    range,
    syntax::Arg,
};

const ENDS: (ErrorWord, &str) =
    (ErrorWord::Range, "the TTL ends, or the `DEADLINE` is, before the job is due");
const TOO_BIG: (ErrorWord, &str) = (
    ErrorWord::TooBig,
    "a body with the headers is longer than `maxbody`, or the headers times the jobs are",
);
const FULL: (ErrorWord, &str) = (
    ErrorWord::Full,
    "the queue would hold more jobs than `maxlen`, also when the time to wait is over",
);
const PAUSED: (ErrorWord, &str) = (ErrorWord::Paused, "publishing to the queue is paused");
const CROSS_SLOT: (ErrorWord, &str) =
    (ErrorWord::CrossSlot, "`AFTER` names a queue of another hash slot, in a cluster");
const TRY_AGAIN: (ErrorWord, &str) = (
    ErrorWord::TryAgain,
    "`AFTER` names a queue that is on its way to another node of the cluster, or from there",
);
const OOM: (ErrorWord, &str) = (ErrorWord::Oom, "the server is at its `maxmemory`");

const RETAINED: Arg = RETAIN.about(
    "How long the job is kept with its result once it is finished: 0 to 3155760000000 \
     milliseconds, or until it is removed. With 0 it is gone at once.",
);

const REPLACES: Arg = Arg::string("replaces")
    .after("REPLACES")
    .shown("id")
    .optional()
    .about("A job, by its bare id or by a receipt, that is removed as this one is published.");

const BLOCK: Arg =
    Arg::integer("block", range::BLOCK).after("BLOCK").shown("ms").optional().about(
        "Waits so long for room if the queue is full; 0 for ever. If not named, does not wait.",
    );

const WAIT: Arg = Arg::integer("wait", range::WAIT)
    .after("WAIT")
    .shown("ms")
    .about("Waits so long for the end of the job; 0 for ever.");

const WAITS: &str =
    "With `BLOCK`, a publish that `maxlen` refuses waits until all of its jobs fit. Those who wait \
     for a queue are served first come, first served, and who comes with `BLOCK` while others wait \
     stands behind them; who comes without is served or refused at once. `FULL` is answered when \
     the time is over, and at once where more jobs come together than the queue may hold, and \
     inside a transaction or a script. Any other refusal is answered at once too, a pause also if \
     it begins meanwhile, the others if they are met when there is room, `OOM` among them. The \
     `DELAY`, the TTL and the job's id count from when it is published, not from when it was sent. \
     Where its client is gone, killed or sent away before, nothing is published.";

const UNNAMED: &str = "What is not named is as the queue is configured, at the time of publishing.";

const PARENTS: &str = "A job with `AFTER` is `held` likewise until each of those is completed, by an ack or a \
                       result. One that is not in the queue counts as completed: a job that is gone when \
                       it is finished leaves no trace, so let parents have a `RETAIN`. Then `DETAILS` \
                       also shows the consumer of the child their results. With several jobs to \
                       publish, ids times bodies are at most 1000000.";

const DISTANT: &str =
    "A job of another queue is named `queue/id`, where all before the last `/` is the key of the \
     queue, of 1 to 512 bytes. It need not be declared to the server, which does not tell it with the \
     command's keys: that the user may read and write it is checked by the command (`NOPERM`), and in a \
     cluster that it has the same hash slot. There may be 16 such queues, and ids of other queues times \
     bodies are at most 10000. Their results are not shown to the consumer of the child.";

const GATES: &str =
    "A job with `WHEN` is `held` where it would be ready, as it is published or later, \
                     until the gates are open: see `JQ.GATE`.";

const GATHERS: &str =
    "A job with `BATCH` is `gathering` where it would be ready, until it and others of its key are a \
     batch; then they are delivered as one, with an array of bodies in place of the body.";

const OVERDUE: &str = "No lease, and no touch, reaches beyond the `DEADLINE` of a job. A respawn \
                       takes the `DEADLINE` off.";

const UNIQUENESS: &str = "\
    With `UNIQUE` the job holds the key from now on, and as long as it does no other is published with \
    it; a refused publish takes no key. `FOR`, `UNTIL` and `ONDUPLICATE` go behind `UNIQUE`. Where \
    another job holds the key and nothing is added, nothing is removed either, neither `ID` nor room \
    is needed, and all else is refused as ever. Only the job that `REPLACES` names does not count: the \
    new one takes its key over.";

const FREED: &str = "\
    The key is free again as soon as the job succeeds, whether or not it is retained, and as soon as it \
    is removed in whatever way. With `FOR` it is free so long after the job was meant to be due: until \
    the job is first taken, whatever puts it off moves that instant too; a retry does not. Without \
    `UNTIL` a dead job keeps its key, so that it can be respawned without a twin. A job whose key is \
    free goes on without, and does not take it again.";

const DEBOUNCED: &str = "\
    `ONDUPLICATE REPLACE` is a debounce: published again and again with a `DELAY`, a job runs once, so \
    long after the last time and with its body. The waiting job keeps its id and all other options, its \
    TTL and `DEADLINE` too, beyond which it cannot be put off (`RANGE`); its version grows by 1, and \
    its key is held as this publish says, `FOR` counting anew. One that is ready keeps its place in \
    line, unless it is put off. One that is leased or dead is not changed: the answer is \
    `DUPLICATE`.";

pub const PUBLISH: Command = Command {
    id: CommandId::Publish,
    name: "JQ.PUBLISH",
    summary: "Adds a job to a queue, and makes the queue if there is none.",
    complexity: "O(log n) with n jobs in the queue",
    since: "0.1.0",
    access: Access::WriteGrowing,
    blocking: true,
    fast: true,
    internal: false,
    dangerous: false,
    arity: -3,
    keys: Keys::First,
    args: &[
        QUEUE, BODY, GIVEN_ID, TYPE, HEADERS, DUE, TTL, TTR, DEADLINE, TRIES, BACKOFF, RETAINED,
        PRIORITY, GROUP, USES, MUTEX, UNIQUE, WHEN, AFTER, BATCH, REPLACES, BLOCK,
    ],
    reply: "Bulk string: the job's id, or with `ONDUPLICATE` that of the job which holds the key.",
    errors: &[
        (
            ErrorWord::Duplicate,
            "a job of the given id exists in the queue, in some state, and is not the one replaced; or \
             another job holds the key",
        ),
        (
            ErrorWord::NoSuchJob,
            "there is no job for `REPLACES`, or the lease that the receipt names has ended, or `AFTER` \
             names an id that its queue is yet to make",
        ),
        ENDS,
        TOO_BIG,
        FULL,
        PAUSED,
        OOM,
        CROSS_SLOT,
        TRY_AGAIN,
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
        Example {
            command: "JQ.PUBLISH mail again ID birthday:7 REPLACES birthday:7",
            reply: "\"birthday:7\"",
        },
        Example {
            command: "JQ.PUBLISH mail hello TYPE greeting HEADERS 2 lang en tone warm \
                      RETAIN 86400000",
            reply: "\"01KAJ9Q4X2M8T0V6R3B5N7C1DE\"",
        },
        Example {
            command: "JQ.PUBLISH mail receipt ID receipt:9 AFTER 1 orders/order:9 IFDEAD BURY",
            reply: "\"receipt:9\"",
        },
        Example {
            command: "JQ.PUBLISH mail \"you owe 5\" ID bill:1 UNIQUE bill DELAY 60000",
            reply: "\"bill:1\"",
        },
        Example {
            command: "JQ.PUBLISH mail \"you owe 6\" UNIQUE bill",
            reply: "(error) DUPLICATE bill:1",
        },
        Example {
            command: "JQ.PUBLISH mail \"you owe 7\" UNIQUE bill ONDUPLICATE REPLACE DELAY 60000",
            reply: "\"bill:1\"",
        },
    ],
    notes: &[
        UNNAMED,
        OVERDUE,
        UNIQUENESS,
        FREED,
        DEBOUNCED,
        GATES,
        PARENTS,
        DISTANT,
        GATHERS,
        WAITS,
        "With `REPLACES` the other job is removed, whatever state it is in, and this one is \
         published, in one step: if one cannot be done, neither is. `ID` may be the id of the job \
         that is replaced. If that job was leased, its holder settles nothing any more.",
    ],
};

pub const CALL: Command = Command {
    id: CommandId::Call,
    name: "JQ.CALL",
    summary: "Adds a job to a queue, and waits for its result.",
    complexity: "O(log n) with n jobs in the queue",
    arity: -5,
    args: &[
        QUEUE, BODY, GIVEN_ID, TYPE, HEADERS, DUE, TTL, TTR, DEADLINE, TRIES, BACKOFF, RETAINED,
        PRIORITY, GROUP, USES, MUTEX, UNIQUE, WHEN, AFTER, BATCH, REPLACES, WAIT,
    ],
    reply: "As that of `JQ.RESULT`: an array of two, the state in which the job has ended; and its result, the \
            error of a dead one, or null if there is none. The state in which it is then, and null, when the time is over, and at once \
            inside a transaction or a script. A null array if the job was removed before it was finished.",
    examples: &[
        Example { command: "JQ.CALL mail hello ID welcome-7 WAIT 1", reply: "1) \"ready\"\n2) (nil)" },
        Example { command: "JQ.FULFILL mail welcome-7 sent RETAIN FOREVER", reply: "(integer) 1" },
        Example { command: "JQ.RESULT mail welcome-7", reply: "1) \"completed\"\n2) \"sent\"" },
    ],
    notes: &[
        "It is a `JQ.PUBLISH` and a `JQ.RESULT` with `BLOCK` in one step, so no end can come between them, and a \
         job without a `RETAIN` tells its result too. Give it an `ID` to ask for the result once more. Whoever \
         waits is told at the very moment of the end, however many others wait; the job goes on when its \
         publisher is gone, or does not wait any more. With `ONDUPLICATE RETURN` and `REPLACE` it waits for the \
         job that holds the key.",
        UNNAMED,
    ],
    ..PUBLISH
};

pub const MPUBLISH: Command = Command {
    id: CommandId::MPublish,
    name: "JQ.MPUBLISH",
    summary: "Adds several jobs on the same terms, all of them or none.",
    complexity: "O(k log n) for k bodies, with n jobs in the queue",
    since: "0.1.0",
    access: Access::WriteGrowing,
    blocking: true,
    fast: true,
    internal: false,
    dangerous: false,
    arity: -4,
    keys: Keys::First,
    args: &[
        QUEUE,
        Arg::integer("n", range::BODIES).about("How many bodies follow."),
        BODY.multiple(),
        TYPE,
        HEADERS,
        DUE,
        TTL,
        TTR,
        DEADLINE,
        TRIES,
        BACKOFF,
        RETAINED,
        PRIORITY,
        GROUP,
        USES,
        MUTEX,
        WHEN,
        AFTER,
        BATCH,
        BLOCK,
    ],
    reply: "Array of bulk strings: the ids of the jobs, in the order of the bodies.",
    errors: &[
        (ErrorWord::NoSuchJob, "`AFTER` names an id that its queue is yet to make"),
        ENDS,
        TOO_BIG,
        FULL,
        PAUSED,
        OOM,
        CROSS_SLOT,
        TRY_AGAIN,
    ],
    examples: &[Example {
        command: "JQ.MPUBLISH mail 2 hello goodbye TTL 86400000",
        reply: "1) \"01KAJ9Q4X2M8T0V6R3B5N7C1DE\"\n2) \"01KAJ9Q4X2M8T0V6R3C92K4HJ0\"",
    }],
    notes: &[
        "The ids are made by the queue and ascend.",
        UNNAMED,
        OVERDUE,
        GATES,
        PARENTS,
        DISTANT,
        GATHERS,
        WAITS,
    ],
};
