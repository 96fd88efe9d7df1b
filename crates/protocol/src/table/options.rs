//! Arguments that more than one command takes, or that say a lot.

use crate::{range, syntax::Arg};

/// The queue's key, first in every command.
pub const QUEUE: Arg = Arg::key("queue", 0).about("The key of the queue.");

/// A job's content.
pub const BODY: Arg =
    Arg::string("body").about("What the job carries: any bytes, which are never looked into.");

/// An id or a receipt, at least one.
pub const IDS: Arg =
    Arg::string("id").multiple().about("Which jobs: each by its bare id or by a receipt.");

/// One id or receipt.
pub const JOB_ID: Arg = Arg::string("id").about("Which job: by its bare id or by a receipt.");

/// The same as [`IDS`], behind a word.
pub const ID_IDS: Arg = Arg::string("id").after("ID").multiple().about("These jobs.");

/// So many jobs, chosen by an operator.
pub const COUNT_MOVED: Arg = Arg::integer("count", range::MOVED).after("COUNT").shown("n");

/// The state of jobs that wait.
pub const DELAYED: Arg = Arg::word("delayed", "delayed").about("Those that wait for an instant.");

/// The state of jobs that wait for something else.
pub const HELD: Arg =
    Arg::word("held", "held").about("Those that wait for gates or for other jobs.");

/// The state of jobs that wait for company.
pub const GATHERING: Arg = Arg::word("gathering", "gathering")
    .about("Those that wait to be delivered with others, or go with the first of their batch.");

/// The state of jobs that may be taken.
pub const READY: Arg = Arg::word("ready", "ready").about("Those that may be taken.");

/// A state of jobs.
pub const STATE: Arg = Arg::one_of(
    "state",
    &[
        DELAYED,
        HELD,
        GATHERING,
        READY,
        Arg::word("leased", "leased").about("Those that a consumer holds."),
        Arg::word("completed", "completed").about("Those that are finished and kept."),
        Arg::word("dead", "dead").about("Those that were given up."),
    ],
);

/// How many jobs a reply carries.
pub const COUNT: Arg = Arg::integer("count", range::COUNT)
    .after("COUNT")
    .shown("n")
    .optional()
    .about("At most so many jobs; 1 if not named.");

/// Where a page begins.
pub const CURSOR: Arg = Arg::string("cursor")
    .after("CURSOR")
    .shown("c")
    .optional()
    .about("The cursor of the page before, to go on there; with `0`, or if not named, begins.");

/// The name of a worker.
pub const WORKER: Arg = Arg::string("name").after("WORKER").optional();

/// How long a finished job is kept.
pub const RETAIN: Arg = Arg::string("retain").after("RETAIN").shown("ms|FOREVER").optional();

/// The wait of a job that goes back.
pub const DELAY: Arg = Arg::integer("delay", range::DELAY).after("DELAY").shown("ms").optional();

/// What went wrong.
pub const ERROR: Arg = Arg::string("text")
    .after("ERROR")
    .optional()
    .about("What went wrong: any bytes, the first 4096 of which are kept with the job.");

/// An id of the client's own.
pub const GIVEN_ID: Arg = Arg::string("id")
    .after("ID")
    .optional()
    .about("An id of your own instead of a made one: 1 to 64 letters, digits or `.` `_` `:` `-`.");

/// The sort of a new job.
pub const TYPE: Arg = Arg::string("type").after("TYPE").shown("name").optional().about(
    "What sort of work it is, to group jobs by: 1 to 256 bytes, not all of them white space.",
);

/// What is said about a new job beside its body.
pub const HEADERS: Arg = Arg::block(
    "headers",
    &[
        Arg::integer("n", range::HEADERS).after("HEADERS").about("How many headers follow."),
        Arg::block(
            "header",
            &[
                Arg::string("name").about("The name of a header, each at most once."),
                Arg::string("value").about("Its value."),
            ],
        )
        .multiple(),
    ],
)
.optional()
.about(
    "Named values beside the body, 1 to 1000 of them. Names and values are any bytes, a name at \
     least one, and no name comes twice.",
);

/// When a job may first be taken.
pub const DUE: Arg = Arg::one_of(
    "due",
    &[
        Arg::integer("delay", range::DELAY)
            .after("DELAY")
            .shown("ms")
            .about("The wait before the job may be taken."),
        Arg::instant("at", range::AT)
            .after("AT")
            .shown("unix-ms")
            .about("The instant from which the job may be taken; a past one means at once."),
    ],
)
.optional();

/// The time to live of a new job.
pub const TTL: Arg = Arg::integer("ttl", range::TTL).after("TTL").shown("ms").optional().about(
    "The time to live: an unfinished job expires so long after it was published; 0 for never.",
);

/// The time to run of a new job.
pub const TTR: Arg = Arg::integer("ttr", range::TTR)
    .after("TTR")
    .shown("ms")
    .optional()
    .about("The time to run: how long a lease lasts, unless the consumer says otherwise.");

/// The last instant of a new job.
pub const DEADLINE: Arg =
    Arg::instant("deadline", range::DEADLINE).after("DEADLINE").shown("unix-ms").optional().about(
        "The instant at which the job, if it is not finished, is dead, whatever state it is in.",
    );

/// The tries of a new job.
pub const TRIES: Arg = Arg::integer("tries", range::TRIES)
    .after("TRIES")
    .shown("n")
    .optional()
    .about("Deliveries before a failing job is dead.");

/// The backoff of a new job.
pub const BACKOFF: Arg = Arg::string("backoff")
    .after("BACKOFF")
    .shown("none|fixed:<ms>|exp:<base-ms>:<max-ms>|poly")
    .optional()
    .about(
        "How long a nacked job waits: not at all; always the same; the base doubled for each \
         failure before, at most the maximum; or n⁴ + 15 + random(0..29)·(n+1) seconds after n \
         failures before.",
    );

/// Whose work a new job is.
pub const GROUP: Arg = Arg::string("group").after("GROUP").shown("key").optional().about(
    "Whose work it is: 1 to 256 bytes. The groups of a priority are served in turn, however many \
     jobs each has.",
);

/// A limit that a new job counts against.
pub const USES: Arg = Arg::block(
    "uses",
    &[
        Arg::string("limit")
            .about("A limit of the queue, set with `JQ.LIMIT`, now or later, or never."),
        Arg::integer("weight", range::USE).about("How many of its places the job takes."),
    ],
)
.after("USES")
.optional()
.repeated()
.about("Limits that the job counts against, each once, at most 16: it is taken when all of them have room.");

/// A job that excludes others.
pub const MUTEX: Arg = Arg::string("mutex").after("MUTEX").shown("name").optional().about(
    "Of all jobs with this name only one is held at a time: a limit of one that nobody has to set.",
);

/// A key of which there is one job at a time.
pub const UNIQUE: Arg = Arg::block(
    "unique",
    &[
        Arg::string("key")
            .after("UNIQUE")
            .about("Any 1 to 256 bytes, of which the queue has one job at a time."),
        Arg::integer("lock", range::LOCK)
            .after("FOR")
            .shown("ms")
            .optional()
            .about("The job holds the key for no longer than this after it is due."),
        Arg::one_of(
            "until",
            &[
                Arg::word("start", "START").about("Its first delivery frees the key, or its death."),
                Arg::word("done", "DONE").about("Its death frees the key as its success does."),
            ],
        )
        .after("UNTIL")
        .optional(),
        Arg::one_of(
            "onduplicate",
            &[
                Arg::word("reject", "REJECT")
                    .about("If another job holds the key, this one is refused; so it is if not named."),
                Arg::word("return", "RETURN")
                    .about("Nothing is published, and the answer is the id of the job that holds it."),
                Arg::word("replace", "REPLACE").about(
                    "Nothing is published, and the job that holds it, if it waits, gets the body, the headers \
                     and the instant of this one.",
                ),
            ],
        )
        .after("ONDUPLICATE")
        .optional(),
    ],
)
.optional();

/// Gates that a new job waits for.
pub const WHEN: Arg =
    Arg::string("gates").after("WHEN").shown("gate[|gate...]").optional().repeated().about(
        "Gates of which one has to be open before the job may be taken, 1 to 16 names of 1 to 64 \
         bytes with `|` between them; with several `WHEN`, at most 16, one of each.",
    );

/// Jobs that a new job waits for.
pub const AFTER: Arg = Arg::block(
    "after",
    &[
        Arg::integer("n", range::PARENTS).after("AFTER").about("How many ids follow."),
        Arg::string("parent").shown("id").multiple().about(
            "A job, by its bare id; one of another queue with the name of that before it: `queue/id`.",
        ),
        Arg::one_of(
            "ifdead",
            &[
                Arg::word("hold", "HOLD").about("It goes on waiting, as if not named."),
                Arg::word("run", "RUN").about("That counts as completed."),
                Arg::word("bury", "BURY").about("It dies too, if it waits then."),
            ],
        )
        .after("IFDEAD")
        .optional()
        .about("What becomes of the job when one of these dies, or is removed unfinished."),
    ],
)
.optional()
.about(
    "Jobs, at most 1000000, which have to be completed before the job may be taken. One that is not \
     there counts as completed.",
);

/// With which jobs a new one is delivered.
pub const BATCH: Arg = Arg::string("batch").after("BATCH").shown("key").optional().about(
    "The job is delivered together with others of this key: any 1 to 256 bytes. See `JQ.BATCH`.",
);

/// The priority of a new job.
pub const PRIORITY: Arg = Arg::integer("priority", range::PRIORITY)
    .after("PRIORITY")
    .shown("p")
    .optional()
    .about("Order of service: a lower number is served first.");
