//! Changing, moving and removing jobs whoever holds them, and the queue's pauses and
//! configuration.

use super::options::{BODY, COUNT_MOVED, DELAY, DUE, IDS, ID_IDS, JOB_ID, PRIORITY, QUEUE, STATE};
use crate::{
    command::{Access, Command, CommandId, Example, Keys},
    error::ErrorWord,
    range,
    syntax::Arg,
};

const PUBLISHED: Example =
    Example { command: "JQ.PUBLISH mail hello ID welcome-7 DELAY 3600000", reply: "\"welcome-7\"" };

const ONE: &str = "(integer) 1";

const PAUSED: &str = "(error) PAUSED publishing to the queue is paused";

const NO_SUCH_JOB: &str = "(error) NOSUCHJOB there is no such job, or its lease has ended";

const WORDS: &str = "The words of this command are not taken for ids, so a job whose given id is \
                     such a word cannot be named here.";

pub const SLICES: &str =
    "A large number of jobs is worked through in slices, between other commands. \
                      The reply counts all of them, also those whose turn is yet to come.";

/// What the commands of this family have in common.
pub(super) const OPERATE: Command = Command {
    id: CommandId::Kick,
    name: "",
    summary: "",
    complexity: "O(k log n) for k jobs, with n jobs in the queue",
    since: "0.1.0",
    access: Access::Write,
    blocking: false,
    fast: false,
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

pub const UPDATE: Command = Command {
    id: CommandId::Update,
    name: "JQ.UPDATE",
    summary: "Changes a job where it is, whatever state it is in but `completed`.",
    complexity: "O(log n) with n jobs in the queue",
    access: Access::WriteGrowing,
    fast: true,
    args: &[
        QUEUE,
        JOB_ID,
        BODY.after("BODY").optional(),
        DUE,
        PRIORITY,
        Arg::integer("ttl", range::TTL)
            .after("TTL")
            .shown("ms")
            .optional()
            .about("The time to live from now on; 0 for ever."),
        Arg::integer("tries", range::TRIES)
            .after("TRIES")
            .shown("n")
            .optional()
            .about("Deliveries before the job is dead when it fails, those so far included."),
        Arg::integer("version", range::VERSION)
            .after("IFVERSION")
            .shown("v")
            .optional()
            .about("Only if the job has this version; a new job has version 1."),
    ],
    reply: "Integer: the job's new version. Null if it has another version than `IFVERSION`; \
            nothing is changed then.",
    errors: &[
        (ErrorWord::NoSuchJob, "there is no such job, or the lease that the receipt names is over"),
        (
            ErrorWord::WrongState,
            "the job is completed, or `DELAY` or `AT` is named and it is leased or dead",
        ),
        (ErrorWord::TooBig, "the body with the headers is longer than `maxbody`"),
        (
            ErrorWord::Range,
            "the TTL ends, or the job's `DEADLINE` is, before it is due, or `TRIES` is too few for \
             a delivery that is under way or yet to come",
        ),
        (ErrorWord::Oom, "the server is at its `maxmemory`"),
    ],
    examples: &[
        PUBLISHED,
        Example { command: "JQ.UPDATE mail welcome-7 BODY goodbye", reply: "(integer) 2" },
        Example { command: "JQ.UPDATE mail welcome-7 PRIORITY -5 IFVERSION 1", reply: "(nil)" },
        Example { command: "JQ.UPDATE mail welcome-8 TTL 0", reply: NO_SUCH_JOB },
    ],
    notes: &[
        "At least one change has to be named, and what is not named stays. Each update makes the \
         version one higher, and nothing else does.",
        "A ready job keeps its place in line unless its priority changes; then it is the last of \
         its new priority. With a `DELAY` or an `AT` yet to come a ready job is delayed, and \
         without a wait a delayed one is ready. A consumer that holds the job keeps the body that \
         it was given.",
    ],
    ..OPERATE
};

pub const KICK: Command = Command {
    id: CommandId::Kick,
    name: "JQ.KICK",
    summary: "Makes delayed jobs ready now, and held ones that are named.",
    args: &[
        QUEUE,
        Arg::one_of(
            "which",
            &[
                COUNT_MOVED.about("So many, those soonest due first."),
                ID_IDS,
                Arg::word("all", "ALL").about("All delayed jobs."),
            ],
        ),
    ],
    reply: "Integer: how many jobs were meant: delayed ones, or held ones that are named.",
    examples: &[
        PUBLISHED,
        Example { command: "JQ.KICK mail COUNT 100", reply: ONE },
        Example { command: "JQ.LEN mail ready", reply: ONE },
    ],
    notes: &[
        "A delayed job that waits for gates as well is held, if they are closed. A held job that is \
         named is ready whatever it waits for, this once.",
        SLICES,
        WORDS,
    ],
    ..OPERATE
};

pub const RESPAWN: Command = Command {
    id: CommandId::Respawn,
    name: "JQ.RESPAWN",
    summary: "Brings dead jobs back, as if they had never been tried.",
    args: &[
        QUEUE,
        Arg::one_of(
            "which",
            &[
                COUNT_MOVED.about("So many, those longest dead first."),
                ID_IDS,
                Arg::word("all", "ALL").about("All dead jobs."),
            ],
        ),
        Arg::integer("tries", range::TRIES)
            .after("TRIES")
            .shown("n")
            .optional()
            .about("The tries from now on; as before if not named."),
        Arg::integer("ttl", range::TTL)
            .after("TTL")
            .shown("ms")
            .optional()
            .about("The time to live from now on; 0, or not named, for ever."),
        DELAY.about("The wait before they may be taken."),
    ],
    reply: "Integer: how many dead jobs were meant.",
    examples: &[
        PUBLISHED,
        Example { command: "JQ.BURY mail welcome-7", reply: ONE },
        Example { command: "JQ.RESPAWN mail ALL TRIES 3", reply: ONE },
        Example { command: "JQ.LEN mail ready", reply: ONE },
    ],
    notes: &["The `DEADLINE` that a job was published with is taken off.", SLICES, WORDS],
    ..OPERATE
};

pub const DELETE: Command = Command {
    id: CommandId::Delete,
    name: "JQ.DELETE",
    summary: "Removes jobs, whatever state they are in.",
    fast: true,
    args: &[QUEUE, IDS],
    reply: "Integer: how many jobs were removed. A receipt whose lease is over removes nothing.",
    examples: &[PUBLISHED, Example { command: "JQ.DELETE mail welcome-7 welcome-8", reply: ONE }],
    notes: &["The holder of a leased job that is deleted settles nothing any more."],
    ..OPERATE
};

pub const CANCEL: Command = Command {
    id: CommandId::Cancel,
    name: "JQ.CANCEL",
    summary: "Says that a job is not wanted any more: it is removed if it waits, marked if it is leased.",
    complexity: "O(log n) with n jobs in the queue",
    fast: true,
    args: &[QUEUE, JOB_ID],
    reply: "The simple string `REMOVED` if the job waited, or `MARKED` if it is leased, also if it was \
            marked before. Null if there is no such job, it is completed or dead, or the lease that \
            the receipt names has ended.",
    examples: &[
        PUBLISHED,
        Example { command: "JQ.CANCEL mail welcome-7", reply: "REMOVED" },
        Example { command: "JQ.PUBLISH mail hello ID welcome-8", reply: "\"welcome-8\"" },
        Example {
            command: "JQ.CONSUME mail WORKER postman",
            reply: "1) 1) \"mail\"\n   2) \"welcome-8@1\"\n   3) \"hello\"",
        },
        Example { command: "JQ.CANCEL mail welcome-8", reply: "MARKED" },
        Example { command: "JQ.TOUCH mail welcome-8@1", reply: "1) CANCELLED" },
        Example { command: "JQ.RELEASE mail welcome-8@1", reply: ONE },
        Example { command: "JQ.LEN mail", reply: "(integer) 0" },
    ],
    notes: &[
        "A leased job stays with its holder, who learns of the mark when it touches the lease, and, if \
         it gave its name, by push: see below. If the holder finishes the job all the same, it is \
         finished as usual. A nack, a release and a lapse remove it instead of having it tried again; \
         a bury makes it dead, as do its TTL and its `DEADLINE` what they do to any. A respawn takes \
         the mark off.",
    ],
    ..OPERATE
};

pub const PURGE: Command = Command {
    id: CommandId::Purge,
    name: "JQ.PURGE",
    summary: "Removes the jobs of one state.",
    args: &[
        QUEUE,
        STATE,
        COUNT_MOVED
            .optional()
            .about("At most so many, those first that would leave the state first."),
    ],
    reply: "Integer: how many jobs were meant.",
    examples: &[
        PUBLISHED,
        Example { command: "JQ.PURGE mail delayed", reply: ONE },
        Example { command: "JQ.LEN mail", reply: "(integer) 0" },
    ],
    notes: &[SLICES, "The holder of a leased job that is purged settles nothing any more."],
    ..OPERATE
};

pub const PAUSE: Command = Command {
    id: CommandId::Pause,
    name: "JQ.PAUSE",
    summary: "Closes a queue to publishers, to consumers or to both.",
    complexity: "O(1)",
    fast: true,
    arity: -2,
    args: &[
        QUEUE,
        Arg::one_of(
            "side",
            &[
                Arg::word("in", "IN").about("Publishing is refused with `PAUSED`."),
                Arg::word("out", "OUT")
                    .about("No job is handed out; consumers find none, or wait."),
                Arg::word("both", "BOTH").about("Both, as if not named."),
            ],
        )
        .optional(),
        Arg::integer("span", range::PAUSE)
            .after("FOR")
            .shown("ms")
            .optional()
            .about("How long; until it is resumed if not named."),
    ],
    reply: "`OK`.",
    examples: &[
        Example { command: "JQ.PAUSE mail IN FOR 60000", reply: "OK" },
        Example { command: "JQ.PUBLISH mail hello", reply: PAUSED },
        Example { command: "JQ.RESUME mail", reply: "OK" },
    ],
    notes: &[
        "Makes the queue if there is none. A pause of a side that is paused replaces the one \
         before; the other side stays as it is. Jobs that are leased can be settled, and time \
         passes for all jobs, as if there were no pause. `JQ.STATS` tells until when each side is \
         paused.",
    ],
    ..OPERATE
};

pub const RESUME: Command = Command {
    id: CommandId::Resume,
    name: "JQ.RESUME",
    summary: "Opens a paused queue, both to publishers and to consumers.",
    complexity: "O(1)",
    fast: true,
    arity: -2,
    args: &[QUEUE],
    reply: "`OK`, also if nothing was paused or there is no queue.",
    examples: &[
        Example { command: "JQ.PAUSE mail", reply: "OK" },
        Example { command: "JQ.RESUME mail", reply: "OK" },
        Example { command: "JQ.PUBLISH mail hello", reply: "\"01KAJ9Q4X2M8T0V6R3B5N7C1DE\"" },
    ],
    notes: &["Consumers that wait are served at once."],
    ..OPERATE
};

pub const GATE: Command = Command {
    id: CommandId::Gate,
    name: "JQ.GATE",
    summary: "Opens or closes gates, which jobs wait for that are published with `WHEN`.",
    complexity: "O(k log n) for k names, with n gates in the queue; `LIST` is O(n)",
    args: &[
        QUEUE,
        Arg::one_of(
            "action",
            &[
                Arg::string("open").after("OPEN").shown("name").multiple().about("Opens these gates."),
                Arg::string("close").after("CLOSE").shown("name").multiple().about("Closes these gates."),
                Arg::word("list", "LIST").about("Tells which gates there are."),
            ],
        ),
    ],
    reply: "`OPEN` and `CLOSE`: Integer, how many gates were not so before. `LIST`: a map from the \
            names of all gates that are open or that held jobs name, in their order, to an array of \
            `open` or `closed` and the number of held jobs that name it (a flat array in RESP2).",
    examples: &[
        Example { command: "JQ.PUBLISH mail hello WHEN night|weekend", reply: "\"01KAJ9Q4X2M8T0V6R3B5N7C1DE\"" },
        Example { command: "JQ.LEN mail held", reply: ONE },
        Example { command: "JQ.GATE mail OPEN night paid", reply: "(integer) 2" },
        Example { command: "JQ.LEN mail ready", reply: ONE },
        Example {
            command: "JQ.GATE mail LIST",
            reply: "1) \"night\"\n2) 1) \"open\"\n   2) (integer) 0\n3) \"paid\"\n4) 1) \"open\"\n   2) (integer) 0",
        },
    ],
    notes: &[
        "A name is 1 to 64 bytes without `|`. A gate is closed until somebody opens it; `OPEN` makes \
         the queue if there is none. Whether the gates of a job are open is looked at each time it \
         would be ready: a job that is ready already is not called back by `CLOSE`.",
        "The jobs that a gate holds are freed in publish order, as far as nothing else is missing; \
         very many in slices, between other commands, and those that are left stay if it is closed \
         again meanwhile.",
        "An open gate is part of the queue, and keeps it from being removed by `idle-expire`.",
    ],
    ..OPERATE
};

pub const BATCH: Command = Command {
    id: CommandId::Batch,
    name: "JQ.BATCH",
    summary: "Lists the jobs that gather to be delivered together, or acts on those of a key.",
    complexity: "O(k log n) for k jobs of the key, at most 1000, with n jobs in the queue; `LIST` is O(n) \
                 with n keys",
    args: &[
        QUEUE,
        Arg::one_of(
            "action",
            &[
                Arg::string("fire").after("FIRE").shown("key").about("Makes them a batch now."),
                Arg::string("run")
                    .after("RUN")
                    .shown("key")
                    .about("Makes each of them ready by itself."),
                Arg::string("bury").after("BURY").shown("key").about("Sends them to the dead."),
                Arg::string("delete").after("DELETE").shown("key").about("Removes them."),
                Arg::word("list", "LIST").about("Tells under which keys jobs gather."),
            ],
        ),
    ],
    reply: "`LIST`: a map from keys to maps (flat arrays in RESP2) with `jobs`, how many gather; `since`, \
            when the first of them came; and `due`, when they will be a batch, however few they are, null \
            where that does not come by time. Otherwise: integer, how many jobs gathered under the key.",
    examples: &[
        Example { command: "JQ.PUBLISH mail \"a new follower\" ID f:1 BATCH ada", reply: "\"f:1\"" },
        Example { command: "JQ.PUBLISH mail \"another one\" ID f:2 BATCH ada", reply: "\"f:2\"" },
        Example { command: "JQ.LEN mail gathering", reply: "(integer) 2" },
        Example { command: "JQ.BATCH mail FIRE ada", reply: "(integer) 2" },
        Example {
            command: "JQ.CONSUME mail",
            reply: "1) 1) \"mail\"\n   2) \"f:1@1\"\n   3) 1) \"a new follower\"\n      2) \"another one\"",
        },
        Example { command: "JQ.ACK mail f:1", reply: ONE },
        Example { command: "JQ.LEN mail", reply: "(integer) 0" },
    ],
    notes: &[
        "Jobs of a key are a batch as soon as there are `batch-size` of them, or the first of them has waited \
         for `batch-delay`, or no other has come for `batch-grace`: the settings of the queue, or those of the \
         key (`batch-size:<key>` and so on). Without settings that is after a minute without another one.",
        "The first job of a batch leads it: what is done to its lease is done to all of them. It is the one \
         that is ready, leased or delayed; the others go with it, and are `gathering` until they are settled. A \
         batch that fails comes back as a whole. `JQ.JOB` and `DETAILS` tell the `members` in the order of the \
         bodies.",
    ],
    ..OPERATE
};

pub const CONFIG: Command = Command {
    id: CommandId::Config,
    name: "JQ.CONFIG",
    summary: "Reads or changes what a queue does unless a command says otherwise.",
    complexity: "O(1)",
    fast: true,
    args: &[
        QUEUE,
        Arg::one_of(
            "action",
            &[
                Arg::block(
                    "get",
                    &[
                        Arg::word("get", "GET").about("Reads settings."),
                        Arg::string("name").optional().about("The one to read; all if not named."),
                    ],
                )
                .about("Reads one setting, or all."),
                Arg::block(
                    "set",
                    &[
                        Arg::string("name").about("A setting, each at most once."),
                        Arg::string("value").about("Its new value."),
                    ],
                )
                .after("SET")
                .multiple()
                .about("Changes settings: all that are named, or none."),
            ],
        ),
    ],
    reply: "`GET`: a map from names to values, both bulk strings (a flat array in RESP2); of a \
            queue that does not exist, what it would have. `SET`: `OK`.",
    examples: &[
        Example { command: "JQ.CONFIG mail SET tries 5 backoff exp:1000:60000", reply: "OK" },
        Example { command: "JQ.CONFIG mail GET tries", reply: "1) \"tries\"\n2) \"5\"" },
    ],
    notes: &[
        "The names are in the table of settings below. Options that a job was published with win, \
         and a change does not affect jobs that exist. `SET` makes the queue if there \
         is none.",
    ],
    ..OPERATE
};

pub const LIMIT: Command = Command {
    id: CommandId::Limit,
    name: "JQ.LIMIT",
    summary: "Sets, lists and removes limits: how many jobs may be held at a time, and taken in a time.",
    complexity: "O(1), and O(n) with n groups for `group:*`; jobs that wait are seen to in slices",
    fast: true,
    args: &[
        QUEUE,
        Arg::one_of(
            "action",
            &[
                Arg::block(
                    "permit",
                    &[
                        Arg::string("limit").after("SET").shown("name").about(
                            "The name that publishers give with `USES`; `*` for the whole queue; \
                             `group:*` for each group by itself.",
                        ),
                        Arg::one_of(
                            "held",
                            &[
                                Arg::integer("concurrency", range::CONCURRENCY)
                                    .after("CONCURRENCY")
                                    .shown("n")
                                    .about("By how much jobs may count that are held at a time."),
                                Arg::word("unlimited", "UNLIMITED")
                                    .about("Any number may be held; so it is if neither is named."),
                            ],
                        )
                        .optional(),
                        Arg::block(
                            "rate",
                            &[
                                Arg::integer("tokens", range::RATE)
                                    .after("RATE")
                                    .shown("n")
                                    .about("By how much jobs may count that are taken in the time."),
                                Arg::integer("per", range::PER)
                                    .after("PER")
                                    .shown("ms")
                                    .about("That time."),
                            ],
                        )
                        .optional(),
                    ],
                )
                .about("Sets what a limit permits, and makes the queue if there is none."),
                Arg::string("limit")
                    .after("DEL")
                    .shown("name")
                    .about("Removes a limit: jobs that name it are held up by it no longer."),
                Arg::word("list", "LIST").about("Lists the limits that are set."),
            ],
        ),
    ],
    reply: "`SET`: `OK`. `DEL`: integer: 1, or 0 if there was none. `LIST`: a map from names to maps \
            (flat arrays in RESP2) with `concurrency`, `rate`, `per`, null where not set; `held`, by how \
            much the jobs count that are held; `waiting`, how many jobs wait for a place in its room; \
            and `tokens`, how many are left; the last three are null where they are counted for each \
            group.",
    examples: &[
        Example { command: "JQ.LIMIT mail SET smtp CONCURRENCY 2 RATE 100 PER 60000", reply: "OK" },
        Example { command: "JQ.PUBLISH mail hello ID welcome-7 USES smtp 1", reply: "\"welcome-7\"" },
        Example { command: "JQ.LIMIT mail DEL smtp", reply: "(integer) 1" },
        Example { command: "JQ.LIMIT mail DEL smtp", reply: "(integer) 0" },
    ],
    notes: &[
        "A job is taken when all limits that it uses have room for it. One for which there is no room \
         waits, and others are served meanwhile; places that become free go to those who wait in the \
         order of service. No job that counts against a limit goes before another that waits for it, but \
         one of a better priority does. What is free is given at once: by an ack, a nack, a release, a \
         lapse, and when a lease ends in any other way; or when a token comes back, at that very \
         millisecond.",
        "A rate is a bucket of `n` tokens that all come back in `ms`, one by one. A delivery takes as many \
         as the job weighs, and they are not given back if the job is released. A job that weighs more than a \
         limit has is taken alone: when nothing of the limit is held, or its bucket is full.",
        "A limit may be changed at any time. Jobs that are held keep their places: where a limit is \
         lowered, nothing is taken until there is room again.",
    ],
    ..OPERATE
};
