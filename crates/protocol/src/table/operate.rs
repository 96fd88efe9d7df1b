//! Moving and removing jobs whoever holds them, and the queue's configuration.

use super::options::{COUNT_MOVED, DELAY, IDS, ID_IDS, QUEUE};
use crate::{
    command::{Access, Command, CommandId, Example, Keys},
    range,
    syntax::Arg,
};

const PUBLISHED: Example =
    Example { command: "JQ.PUBLISH mail hello ID welcome-7 DELAY 3600000", reply: "\"welcome-7\"" };

const ONE: &str = "(integer) 1";

const WORDS: &str = "The words of this command are not taken for ids, so a job whose given id is \
                     such a word cannot be named here.";

const SLICES: &str = "A large number of jobs is worked through in slices, between other commands. \
                      The reply counts all of them, also those whose turn is yet to come.";

/// What the commands of this family have in common.
const OPERATE: Command = Command {
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

pub const KICK: Command = Command {
    id: CommandId::Kick,
    name: "JQ.KICK",
    summary: "Makes delayed jobs ready now.",
    arity: -4,
    args: &[
        QUEUE,
        Arg::one_of("which", &[COUNT_MOVED.about("So many, those soonest due first."), ID_IDS]),
    ],
    reply: "Integer: how many delayed jobs were meant.",
    examples: &[
        PUBLISHED,
        Example { command: "JQ.KICK mail COUNT 100", reply: ONE },
        Example { command: "JQ.LEN mail ready", reply: ONE },
    ],
    notes: &[SLICES, WORDS],
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
    notes: &[SLICES, WORDS],
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
