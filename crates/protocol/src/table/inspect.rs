//! Looking without changing.

use super::options::{BATCH, COUNT, CURSOR, GROUP, JOB_ID, QUEUE, STATE, TYPE, WORKER};
use crate::{
    command::{Access, Command, CommandId, Example, Keys},
    error::ErrorWord,
    range,
    syntax::Arg,
};

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
    reply:
        "Array of jobs, each an array of three bulk strings: the queue, the bare id, the body (of \
            the first job of a batch an array of the bodies of all). \
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
    summary: "Tells everything that is known of a job, or what has happened to it.",
    arity: -3,
    args: &[
        QUEUE,
        JOB_ID,
        Arg::word("trace", "TRACE")
            .optional()
            .about("Tells its last changes instead, as many as the queue's `trail` says."),
    ],
    reply: "Map from field names to bulk strings, integers or nulls (a flat array in RESP2). Null \
            if there is no such job, or the lease that the receipt names has ended. With `TRACE` an \
            array of changes, the oldest first, each a map from field names to bulk strings, integers \
            or nulls.",
    examples: &[
        PUBLISHED,
        Example {
            command: "JQ.JOB mail welcome-7",
            reply:
                "  1) \"id\"\n  2) \"welcome-7\"\n  3) \"state\"\n  4) \"ready\"\n  5) \"type\"\n  6) \
                    (nil)\n  7) \"group\"\n  8) (nil)\n  9) \"body\"\n 10) \"hello\"\n...",
        },
        Example { command: "JQ.JOB mail welcome-7 TRACE", reply: "(empty array)" },
        Example { command: "JQ.CONFIG mail SET trail 16", reply: "OK" },
        Example { command: "JQ.PUBLISH mail hello ID welcome-8", reply: "\"welcome-8\"" },
        Example {
            command: "JQ.JOB mail welcome-8 TRACE",
            reply: "1)  1) \"at\"\n    2) (integer) 1764000000000\n    3) \"event\"\n    4) \
                    \"published\"\n    5) \"from\"\n    6) (nil)\n    7) \"to\"\n    8) \
                    \"ready\"\n    9) \"worker\"\n   10) (nil)",
        },
    ],
    notes: &[
        "The fields are in the table of job fields below. Those of a change are the fields of events \
         without `number` and `id`.",
        AS_OF,
    ],
    ..INSPECT
};

pub const EVENTS: Command = Command {
    id: CommandId::Events,
    name: "JQ.EVENTS",
    summary: "Tells what has happened in a queue since, and waits for it if asked to.",
    complexity: "O(k) for k events told",
    blocking: true,
    fast: false,
    args: &[
        QUEUE,
        Arg::string("cursor").after("SINCE").optional().about(
            "Only events behind this one: the cursor of the answer before, or `$` for none that there \
             is yet. If not named, from the oldest that is kept.",
        ),
        Arg::integer("count", range::EVENTS)
            .after("COUNT")
            .shown("n")
            .optional()
            .about("At most so many events; 100 if not named."),
        Arg::integer("block", range::BLOCK).after("BLOCK").shown("ms").optional().about(
            "Waits so long for an event if there is none; 0 for ever. If not named, does not wait.",
        ),
    ],
    reply: "Array of three: the cursor to go on with, an integer; how many events behind the cursor that \
            was named are not kept any more, an integer; and an array of events, the oldest first, each a \
            map from field names to bulk strings, integers or nulls (a flat array in RESP2). Null if there \
            is no queue (a null array in RESP2).",
    errors: &[(ErrorWord::WrongState, "the queue keeps no events: its `events` is 0")],
    examples: &[
        Example { command: "JQ.CONFIG mail SET events 1000", reply: "OK" },
        Example { command: "JQ.EVENTS mail COUNT 1 SINCE 1", reply: "1) (integer) 1\n2) (integer) 0\n3) (empty array)" },
        PUBLISHED,
        Example {
            command: "JQ.EVENTS mail SINCE 1 BLOCK 1000",
            reply: "1) (integer) 2\n2) (integer) 0\n3) 1)  1) \"number\"\n       2) (integer) 2\n...",
        },
        Example {
            command: "JQ.EVENTS mail SINCE 2",
            reply: "1) (integer) 2\n2) (integer) 0\n3) (empty array)",
        },
    ],
    notes: &[
        "The fields, and the words for what happens, are in the tables of events below. Numbers have no \
         holes: who reads from cursor to cursor, and is told each time that 0 are missing, has seen all. \
         The cursor is the number of the last event told; if none is told, that of the last event there \
         was, or the one that was named.",
        "Where events are missing, what is told begins with the oldest that is kept. A number that is \
         greater than that of the last event is of another queue of this name, or of one that was lost in \
         a failover: then it is not known how many are missing, which is told as -1, and what is told \
         begins with the oldest that is kept.",
        "A number is drawn only while the queue keeps events, and one when `events` is set again: so who has \
         read before is told that something is missing, and it may be more than 1. A queue that is deleted \
         and made anew begins at 1.",
        "Who waits is answered as soon as there is an event, with all there are by then; as well when the \
         queue is deleted, renamed or overwritten, or keeps no events any more, and when the time is over, as a call \
         without `BLOCK`. Inside a transaction or a script, and on a replica, it does not wait.",
        AS_OF,
    ],
    ..INSPECT
};

pub const LIST: Command = Command {
    id: CommandId::List,
    name: "JQ.LIST",
    summary: "Tells of the jobs of one state, in their order and a page at a time.",
    complexity: "O(log n + k) for k jobs looked at, with n jobs in the queue",
    fast: false,
    arity: -3,
    args: &[
        QUEUE,
        STATE,
        CURSOR,
        Arg::integer("count", range::COUNT)
            .after("COUNT")
            .shown("n")
            .optional()
            .about("At most so many jobs; 10 if not named."),
        TYPE.shown("t").about("Only jobs of this type."),
        GROUP.shown("g").about("Only jobs of this group."),
        BATCH.shown("b").about("Only jobs of this batch key."),
        Arg::string("pattern").after("ERROR").optional().about(
            "Only jobs whose last error matches this pattern of 1 to 256 bytes, as in `KEYS`: \
             `*timeout*` for those that tell of one.",
        ),
        WORKER.about("Only jobs that this worker holds."),
        Arg::integer("minage", range::MIN_AGE)
            .after("MINAGE")
            .shown("ms")
            .optional()
            .about("Only jobs published at least so long ago."),
        Arg::integer("maxage", range::MAX_AGE)
            .after("MAXAGE")
            .shown("ms")
            .optional()
            .about("Only jobs published at most so long ago."),
        Arg::word("reverse", "REVERSE").optional().about("In the reverse order."),
    ],
    reply: "Array of two: the cursor to go on with, `0` at the end; and an array of jobs, each a \
            map of the job fields (a flat array in RESP2).",
    examples: &[
        PUBLISHED,
        Example {
            command: "JQ.LIST mail ready COUNT 100",
            reply: "1) \"0\"\n2) 1)   1) \"id\"\n        2) \"welcome-7\"\n...",
        },
        Example { command: "JQ.LIST mail dead", reply: "1) \"0\"\n2) (empty array)" },
    ],
    notes: &[
        "The jobs are in the order in which they would leave the state: of the delayed ones those \
         soonest due come first, of the ready ones those served next, of the leased ones those \
         whose lease runs out soonest, and of the held, the gathering, the completed and the dead those that are so for \
         longest.",
        "A page looks at a bounded number of jobs, with `ERROR` at fewer of those with long ones. So it \
         may hold fewer than `COUNT`, even none, and not be the last, as with `SCAN`: the end is where \
         the cursor is `0`. A job that is in the state all the while, from the first page to the last, is told of at least once; one \
         that comes, goes or moves meanwhile may be told of or not. (If the job with which a page \
         ended leaves the state and is back in the same millisecond, others of that millisecond may \
         be missed.) A list of jobs that are put off all the time, as leased ones by `JQ.TOUCH`, goes \
         on for as long as they are. Ages are by the queue's clock, which stands while nothing \
         happens to the queue.",
        "The fields are in the table of job fields below. Of the `parents` of a job, and of the \
         `members` of a batch, only the first 100 are told here.",
        AS_OF,
    ],
    ..INSPECT
};

pub const RESULT: Command = Command {
    id: CommandId::Result,
    name: "JQ.RESULT",
    summary: "Tells what came of a job, and waits for it if asked to.",
    blocking: true,
    fast: false,
    arity: -3,
    args: &[
        QUEUE,
        JOB_ID,
        Arg::integer("block", range::BLOCK).after("BLOCK").shown("ms").optional().about(
            "Waits so long for the job to be completed, dead or removed; 0 for ever. If not named, \
             does not wait.",
        ),
    ],
    reply: "Array of two bulk strings: the state of the job; and its error if it is dead, else its result, or what \
            its holder has said of it so far, or null if there is none. Null if there is no such job, or the lease \
            that the receipt names has ended (a null array in RESP2).",
    examples: &[
        PUBLISHED,
        Example { command: "JQ.RESULT mail welcome-7", reply: "1) \"ready\"\n2) (nil)" },
        Example {
            command: "JQ.FULFILL mail welcome-7 delivered RETAIN 60000",
            reply: "(integer) 1",
        },
        Example {
            command: "JQ.RESULT mail welcome-7 BLOCK 1000",
            reply: "1) \"completed\"\n2) \"delivered\"",
        },
        Example { command: "JQ.RESULT mail welcome-8", reply: "(nil)" },
    ],
    notes: &[
        "Whoever waits is told how the job ended, also where it is not kept: with `completed` and \
         the result or, after a `JQ.ACK`, null; with `dead` and its last error; or with null alone if it was \
         removed unfinished, be it deleted, replaced, purged or expired, or if its queue was \
         deleted, renamed or overwritten. If the time is over before that, the \
         answer is that of a call without `BLOCK`. A job that is completed or dead already is \
         answered at once.",
        "Inside a transaction or a script, and on a replica, it does not wait.",
        AS_OF,
    ],
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
    summary: "Tells how many jobs a queue holds, what has happened to them, how long it took, and when.",
    complexity: "O(1); with `TYPE` O(log t), with `TYPES` O(t) with t types, of which there are 257 at most; \
                 with `DUE` O(n) with n jobs delayed or leased, but a step only for each 16 to 64 of them",
    fast: false,
    args: &[
        QUEUE,
        Arg::one_of(
            "view",
            &[
                Arg::block(
                    "times",
                    &[
                        Arg::one_of(
                            "of",
                            &[
                                Arg::string("type")
                                    .after("TYPE")
                                    .shown("name")
                                    .about("The jobs of this type."),
                                Arg::word("types", "TYPES").about("The jobs of each type."),
                                Arg::word("times", "TIMES").about("How long it took."),
                            ],
                        ),
                        Arg::word("buckets", "BUCKETS")
                            .optional()
                            .about("Tells also how many took how long, for a histogram."),
                    ],
                ),
                Arg::block(
                    "history",
                    &[
                        Arg::word("history", "HISTORY").about("What happened when."),
                        Arg::one_of(
                            "grain",
                            &[
                                Arg::word("minutes", "MINUTES").about("By the minute, for an hour."),
                                Arg::word("hours", "HOURS").about("By the hour, for two days."),
                                Arg::word("days", "DAYS").about("By the day, for 90 days."),
                            ],
                        ),
                        Arg::integer("count", range::ROWS)
                            .after("COUNT")
                            .shown("n")
                            .optional()
                            .about("At most so many rows, the latest; all if not named."),
                    ],
                ),
                Arg::word("due", "DUE").about("How many jobs become due how soon."),
            ],
        )
        .optional(),
    ],
    reply:
        "Map from field names to integers or nulls (a flat array in RESP2). With `TYPE` a map of \
            counts and times, null if no job of the type was counted. With `TYPES` an array of such maps, by name. \
            With `TIMES` a map of times. With `HISTORY` an array of maps, one for each row, the oldest \
            first. With `DUE` a map of two maps of integers, by the states `delayed` and `leased`. Null \
            if there is no queue.",
    examples: &[
        PUBLISHED,
        Example {
            command: "JQ.STATS mail",
            reply: " 1) \"delayed\"\n 2) (integer) 0\n 3) \"held\"\n 4) (integer) 0\n...",
        },
        Example {
            command: "JQ.STATS mail HISTORY DAYS COUNT 1",
            reply: "1)  1) \"since\"\n    2) (integer) 1767225600000\n    3) \"published\"\n    4) (integer) 1\n...",
        },
        Example {
            command: "JQ.STATS mail DUE",
            reply: "1) \"delayed\"\n2)  1) \"1s\"\n    2) (integer) 0\n...",
        },
        Example { command: "JQ.STATS mail TYPE greeting", reply: "(nil)" },
        Example {
            command: "JQ.STATS mail TIMES BUCKETS",
            reply: " 1) \"wait\"\n 2)  1) \"count\"\n     2) (integer) 0\n...",
        },
    ],
    notes: &[
        "The fields are in the table of statistics below.",
        "**`TYPE` and `TYPES`**: `type`, the counts of the table below from `published` to `retired`, and the \
         times. The first 256 types that a queue meets are counted by name, for as long as there is the queue; \
         all that come later are counted together, in a last map of `TYPES` whose `type` is null. So a type is \
         to name a kind of work, and no single job. Jobs without a type are in the queue's own \
         figures only.",
        "**Times** are maps: `wait`, from when a job was ready until it was taken; `run`, from when it was taken until \
         its lease ended, however it did; `lateness`, from when a delayed job was due until the server came \
         to it; `publish-to-take`, from when a job was published until it was taken, as long as it has had no \
         delivery that spent a try; `publish-to-ack`, from when a job was published until it was finished by an ack or with a \
         result. Each has `count`, `sum` and `max`, and `p50`, `p90`, `p99` and `p99.9`: so many of a hundred \
         took no longer than that; null where nothing was counted. All are in milliseconds and since the queue was \
         made; `sum` and `max` are exact, the others exact up to 15 ms and less than 6% off \
         above. Of jobs that are delivered together as a batch, `wait`, `run` and `publish-to-take` count the delivery once.",
        "**`BUCKETS`**: each of the times has `buckets` too, an array of pairs of integers: a longest time, and \
         how many took no longer than that but longer than the bucket before. Those that are empty are left out. \
         The bounds are the same in every queue and for every time, so counts of equal bounds may be added \
         up: up to 15 ms there is one for each millisecond, and each above that is less than 14% above the one \
         before. For the cumulative buckets of Prometheus, add up the counts of all bounds up to `le`.",
        "**`HISTORY`**: each row has `since`, when the minute, hour or day (UTC) began, and the counts of \
         `published`, `delivered`, `finished` (acks and results), `nacked`, `released`, `lapsed`, \
         `expired` and `died` within it. Rows in which nothing happened are left out. If anything has \
         happened in the time that is not over yet, that is the last row. Whatever happened is in the row of the queue's own clock, which is \
         the server's but for the time that it was down.",
        "**`DUE`**: how many jobs become due in less than `1s`, `10s`, `1m`, `10m`, `1h` and `1d` from now, each \
         without those before, and how many `later`: a delayed job's instant comes or its life ends, a \
         lease ends.",
        AS_OF,
    ],
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

pub const QUEUES: Command = Command {
    id: CommandId::Queues,
    name: "JQ.QUEUES",
    summary: "Tells the names of the queues of the selected database, a page at a time.",
    complexity: "O(log q + k) for k names looked at, with q queues in the database",
    fast: false,
    arity: -1,
    keys: Keys::None,
    args: &[
        Arg::string("pattern")
            .after("MATCH")
            .optional()
            .about("Only names that match this pattern, as in `KEYS`."),
        CURSOR,
        Arg::integer("count", range::NAMES)
            .after("COUNT")
            .shown("n")
            .optional()
            .about("Looks at so many names; 10 if not named."),
    ],
    reply: "Array of two: the cursor to go on with, `0` at the end; and an array of names, sorted \
            to the byte.",
    examples: &[
        PUBLISHED,
        Example { command: "JQ.PUBLISH fax hello ID welcome-7", reply: "\"welcome-7\"" },
        Example { command: "JQ.QUEUES", reply: "1) \"0\"\n2) 1) \"fax\"\n   2) \"mail\"" },
        Example { command: "JQ.QUEUES MATCH m*", reply: "1) \"0\"\n2) 1) \"mail\"" },
    ],
    notes: &["The names come from the module's own register of queues, never from a scan of the \
         keyspace. With `MATCH` a page may hold fewer names than were looked at, even none, and \
         not be the last: the end is where the cursor is `0`. A queue that exists all the while is \
         told of once."],
    ..INSPECT
};
