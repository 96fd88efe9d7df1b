//! The command table, in the order of a job's life; what clients are refused comes last.

mod consume;
mod inspect;
mod internal;
mod operate;
mod options;
mod produce;
mod schedule;
mod settle;
mod subscribe;
mod worker;

use crate::command::Command;

pub(crate) use produce::PUBLISH;

/// All commands.
pub static COMMANDS: &[Command] = &[
    produce::PUBLISH,
    produce::MPUBLISH,
    produce::CALL,
    consume::CONSUME,
    settle::ACK,
    settle::FULFILL,
    settle::NACK,
    settle::RELEASE,
    settle::BURY,
    settle::TOUCH,
    subscribe::SUBSCRIBE,
    subscribe::UNSUBSCRIBE,
    subscribe::NOTICES,
    subscribe::DELIVERED,
    operate::UPDATE,
    operate::KICK,
    operate::RESPAWN,
    operate::DELETE,
    operate::CANCEL,
    operate::PURGE,
    operate::PAUSE,
    operate::RESUME,
    inspect::PEEK,
    inspect::JOB,
    inspect::LIST,
    inspect::RESULT,
    inspect::LEN,
    inspect::EVENTS,
    inspect::STATS,
    operate::GATE,
    operate::BATCH,
    operate::CONFIG,
    operate::LIMIT,
    schedule::SCHEDULE,
    inspect::DIGEST,
    inspect::QUEUES,
    worker::WORKERS,
    worker::WORKER,
    internal::DEBUG,
    internal::APPLY,
    internal::LOAD,
];

/// Finds a command by its name, in either case.
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
