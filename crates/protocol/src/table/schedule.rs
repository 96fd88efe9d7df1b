//! Jobs that publish themselves again and again.

use super::{
    operate::OPERATE,
    options::{
        BACKOFF, BATCH, BODY, DELAY, GROUP, HEADERS, MUTEX, PRIORITY, QUEUE, RETAIN, TRIES, TTL,
        TTR, TYPE, USES, WHEN,
    },
};
use crate::{
    command::{Command, CommandId, Example},
    error::ErrorWord,
    range,
    syntax::Arg,
};

const NAME: Arg = Arg::string("name").about(
    "What the schedule is called: any 1 to 256 bytes. One of the same name is changed in place.",
);

const TIMING: Arg = Arg::one_of(
    "timing",
    &[
        Arg::block(
            "every",
            &[
                Arg::integer("every", range::EVERY)
                    .after("EVERY")
                    .shown("ms")
                    .about("At the points of a grid, so far from each other."),
                Arg::instant("from", range::FROM).after("FROM").shown("unix-ms").optional().about(
                    "A point of the grid, the first that counts if it is yet to come; if not named, that of \
                     setting.",
                ),
            ],
        ),
        Arg::integer("after", range::SCHEDULE_AFTER)
            .after("AFTER")
            .shown("ms")
            .about("So long after the run before has ended."),
        Arg::block(
            "cron",
            &[
                Arg::string("expression").after("CRON").shown("expr").about(
                    "As five fields say, or six with the seconds before them, or `@hourly`, `@daily`, \
                     `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`, or `@every 1h30m`, which is \
                     `EVERY 5400000`. `CRON_TZ=Europe/Berlin` before the fields is as `TZ`.",
                ),
                Arg::string("zone")
                    .after("TZ")
                    .optional()
                    .about("The zone whose clock the expression means, as `Europe/Berlin`; UTC if not named."),
            ],
        ),
    ],
);

const OVERLAP: Arg = Arg::one_of(
    "overlap",
    &[
        Arg::word("skip", "SKIP").about("While a run is unfinished, there is no other."),
        Arg::word("queue", "QUEUE")
            .about("The same, but one is made up for at the moment in which that run ends."),
        Arg::word("allow", "ALLOW").about("Runs may meet; so it is if not named."),
    ],
)
.after("OVERLAP")
.optional();

const MISSED: Arg = Arg::one_of(
    "missed",
    &[
        Arg::word("none", "NONE").about("What was missed is dropped."),
        Arg::word("one", "ONE")
            .about("One run stands for all that was missed; so it is if not named."),
        Arg::word("all", "ALL").about("Each that was missed runs."),
    ],
)
.after("MISSED")
.optional();

const UNIQUE: Arg = Arg::block(
    "unique",
    &[
        Arg::string("key")
            .after("UNIQUE")
            .about("There is no run while another job holds this key: any 1 to 256 bytes."),
        Arg::integer("lock", range::LOCK)
            .after("FOR")
            .shown("ms")
            .optional()
            .about("A run holds the key for no longer than this after it is due."),
        Arg::one_of(
            "until",
            &[
                Arg::word("start", "START")
                    .about("Its first delivery frees the key, or its death."),
                Arg::word("done", "DONE").about("Its death frees the key as its success does."),
            ],
        )
        .after("UNTIL")
        .optional(),
    ],
)
.optional();

const REPLACED: &str = "\
    `REPLACE` sets so many schedules and removes all others, in one step: what a program wants to have that \
    keeps its schedules in a file. Each is told by the number of its arguments and these, as they go behind \
    `SET`. What is there already and has the same timing goes on as it was; `REPLACE 0` removes all.";

const NEXT: &str = "\
    Of `EVERY`, the first run comes one step after the setting, or at the first point of the grid behind that. \
    Of `AFTER`, the first is there at once, delayed by the wait; each other is made by the end of the one \
    before, in the same step: by an ack, a result, its death, its expiry, or its removal in whatever way. Where \
    several are unfinished, since a dead one was brought back, the last one to end makes the next. A run that is \
    refused then is tried again after the same wait. The TTL of a run counts from its occurrence: what it waits for \
    that does not take of its life. A run that is yet delayed is made anew where its schedule is set to something \
    else.";

const CLOCKS: &str = "\
    A `CRON` means the clock on the wall of its zone. At a time that the wall does not show, since clocks are set \
    ahead, it comes at the first that it shows then; at one that it shows twice it comes once, the first time. An \
    expression that comes round by itself, with `*` or a step in its minutes or hours, keeps its pace in real \
    time instead: it leaves out what is not shown, and comes both times. The queue's own clock never goes back, so \
    nothing comes twice where that of the server does. One of which a server does not know the expression or the \
    zone has no `next` there, until it is set or resumed where they are known.";

const LATE: &str = "\
    An occurrence counts as missed where the one behind it is due as well, or if it is a minute late: the server \
    was down, or busy. `NONE` drops it. `ONE` has the last one run, and `ALL` each, as fast as slices of the \
    timer's time allow. A schedule that is paused misses nothing: after `RESUME` it goes on with what comes next. A \
    run that exists, or is made by hand, goes on while its schedule is paused.";

const LOOKING: &str = "\
    `LIST` and `GET` belong to a command that writes: a replica answers them with `READONLY`, as it does all of \
    `JQ.SCHEDULE`.";

const HISTORY: &str = "\
    A run that the queue does not take, because it is full, paused, or holds its `UNIQUE` key, is counted as \
    refused, and the schedule goes on. So are runs counted that are skipped and missed. Of the past 32 entries \
    are kept, in which the same again and again in a row is one with its `times`.";

const LIMITS: &str = "\
    A queue has at most 10000 schedules, of 64 MiB in all, what is kept of each included: some 2 KiB beside its \
    body. They are a part of it: they go where it goes, keep it \
    from being removed by `idle-expire`, and stay when its jobs are gone. `DEL` removes a schedule; its jobs stay, but for the run of an \
    `AFTER` that is yet delayed. \
    What is not named of the options is as the queue is configured, when the run is made. `JQ.JOB` tells the \
    schedule of a job and the occurrence. While the server is at its `maxmemory`, nothing is set and nothing run \
    by hand, but what comes by time does.";

pub const SCHEDULE: Command = Command {
    id: CommandId::Schedule,
    name: "JQ.SCHEDULE",
    summary: "Has jobs published again and again, by the clock.",
    complexity: "O(log n) with n jobs and schedules; `LIST` and `REPLACE` are O(n log n) with n schedules",
    args: &[
        QUEUE,
        Arg::one_of(
            "action",
            &[
                Arg::block(
                    "schedule",
                    &[
                        NAME.after("SET"),
                        BODY,
                        TIMING,
                        OVERLAP,
                        MISSED,
                        TYPE,
                        HEADERS,
                        DELAY.about("The wait before a run may be taken, from its occurrence."),
                        TTL,
                        TTR,
                        TRIES,
                        BACKOFF,
                        RETAIN.about("How long a run is kept with its result once it is finished."),
                        PRIORITY,
                        GROUP,
                        USES,
                        MUTEX,
                        UNIQUE,
                        WHEN,
                        BATCH,
                    ],
                )
                .about("Sets a schedule, and makes the queue if there is none."),
                Arg::block(
                    "replacement",
                    &[
                        Arg::integer("n", range::SCHEDULES)
                            .after("REPLACE")
                            .about("How many schedules follow."),
                        Arg::block(
                            "one",
                            &[
                                Arg::integer("len", range::SCHEDULE_LEN)
                                    .about("How many arguments of this one follow."),
                                Arg::string("argument")
                                    .multiple()
                                    .about("Its name, its body, and so on, as behind `SET`."),
                            ],
                        )
                        .multiple()
                        .optional(),
                    ],
                )
                .about("Sets these and removes all others."),
                Arg::string("name").after("DEL").about("Removes a schedule."),
                Arg::word("list", "LIST").about("Lists the schedules."),
                Arg::string("got").after("GET").shown("name").about("Tells of one, with its past."),
                Arg::string("paused").after("PAUSE").shown("name").about("Stops one."),
                Arg::string("resumed").after("RESUME").shown("name").about("Lets it go on."),
                Arg::string("run").after("RUN").shown("name").about(
                    "Makes a run now, beside what comes; of an `AFTER`, the one that comes is ready at once.",
                ),
            ],
        ),
    ],
    reply: "`SET` and `REPLACE`: `OK`. `DEL`, `PAUSE` and `RESUME`: integer: 1, or 0 if there is none or it is so \
            already. `RUN`: bulk string: the id of the job. `LIST`: array of maps (flat arrays in RESP2) with \
            `name`, `timing`, `zone`, null where there is none; `body`; `options`, an array of what was named of \
            the options of its jobs, as it goes behind `SET`; `overlap`, `missed`, `paused`, 1 or 0; \
            `next`, when it comes next, and `previous`, the occurrence that has run last; `last-job`, an id; \
            `unfinished`, how many runs are; and how many have been `runs`, `skipped`, `missed-count` and \
            `refused`; null where there is no such thing. `GET`: such a map with `history` as well, null if there is \
            none: an array of maps, the oldest first, with `at`, the occurrence; `what`, which is `run`, `by-hand`, \
            `skipped`, `missed` or `refused`; `job`, the id, or null; `error`, the word for a refusal, or null; and \
            `times`.",
    errors: &[
        (ErrorWord::NoSuchJob, "there is no schedule to `RUN`"),
        (ErrorWord::WrongState, "a run is unfinished of one with `AFTER` that is to `RUN`, and not delayed"),
        (ErrorWord::Range, "the expression or the zone is none, or never comes; or the TTL ends before the job is due"),
        (ErrorWord::TooBig, "the body with the headers is longer than `maxbody`"),
        (ErrorWord::Full, "the queue would have too many schedules, or with `RUN` too many jobs"),
        (ErrorWord::Paused, "publishing to the queue is paused, with `RUN`"),
        (ErrorWord::Duplicate, "another job holds the key, with `RUN`"),
        (ErrorWord::Oom, "the server is at its `maxmemory`, with `SET`, `REPLACE` and `RUN`"),
    ],
    examples: &[
        Example {
            command: "JQ.SCHEDULE mail SET digest \"send digests\" CRON \"30 6 * * 1-5\" TZ Europe/Berlin OVERLAP SKIP",
            reply: "OK",
        },
        Example { command: "JQ.SCHEDULE mail SET poll \"fetch mail\" AFTER 60000", reply: "OK" },
        Example { command: "JQ.LEN mail delayed", reply: "(integer) 1" },
        Example { command: "JQ.SCHEDULE mail RUN digest", reply: "\"01KAJ9Q4X2M8T0V6R3B5N7C1DE\"" },
        Example { command: "JQ.SCHEDULE mail PAUSE poll", reply: "(integer) 1" },
        Example {
            command: "JQ.SCHEDULE mail REPLACE 2 4 digest \"send digests\" EVERY 86400000 4 poll \"fetch mail\" AFTER 60000",
            reply: "OK",
        },
        Example { command: "JQ.SCHEDULE mail DEL poll", reply: "(integer) 1" },
        Example { command: "JQ.SCHEDULE mail DEL poll", reply: "(integer) 0" },
    ],
    notes: &[NEXT, CLOCKS, LATE, REPLACED, HISTORY, LOOKING, LIMITS],
    ..OPERATE
};
