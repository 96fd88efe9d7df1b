//! The form of an entry of the command table.

use crate::{
    error::ErrorWord,
    syntax::{find_word, Arg, WORD_BYTES_MAX},
};

/// Which command it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CommandId {
    /// `JQ.PUBLISH`
    Publish,
    /// `JQ.MPUBLISH`
    MPublish,
    Call,
    /// `JQ.CONSUME`
    Consume,
    /// `JQ.PEEK`
    Peek,
    /// `JQ.ACK`
    Ack,
    /// `JQ.FULFILL`
    Fulfill,
    /// `JQ.NACK`
    Nack,
    /// `JQ.RELEASE`
    Release,
    /// `JQ.BURY`
    Bury,
    /// `JQ.TOUCH`
    Touch,
    /// `JQ.SUBSCRIBE`
    Subscribe,
    /// `JQ.UNSUBSCRIBE`
    Unsubscribe,
    /// `JQ.NOTICES`
    Notices,
    /// `JQ.DELIVERED`
    Delivered,
    /// `JQ.UPDATE`
    Update,
    /// `JQ.KICK`
    Kick,
    /// `JQ.RESPAWN`
    Respawn,
    /// `JQ.DELETE`
    Delete,
    /// `JQ.CANCEL`
    Cancel,
    /// `JQ.PURGE`
    Purge,
    /// `JQ.PAUSE`
    Pause,
    /// `JQ.RESUME`
    Resume,
    /// `JQ.JOB`
    Job,
    /// `JQ.LIST`
    List,
    /// `JQ.RESULT`
    Result,
    /// `JQ.LEN`
    Len,
    /// `JQ.EVENTS`
    Events,
    /// `JQ.STATS`
    Stats,
    /// `JQ.GATE`
    Gate,
    Batch,
    /// `JQ.CONFIG`
    Config,
    /// `JQ.LIMIT`
    Limit,
    /// `JQ.SCHEDULE`
    Schedule,
    /// `JQ.DIGEST`
    Digest,
    /// `JQ.QUEUES`
    Queues,
    /// `JQ.WORKERS`
    Workers,
    /// `JQ.WORKER`
    Worker,
    /// `JQ.DEBUG`
    Debug,
    /// `JQ.APPLY`
    Apply,
    /// `JQ.LOAD`
    Load,
}

/// What a command does to the data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Nothing.
    Read,
    /// Changes it.
    Write,
    /// Changes it and needs memory for it, so it is refused while the server has none (`deny-oom`).
    WriteGrowing,
}

/// Where the keys are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keys {
    /// There are none: the command is about a database and not about a queue.
    None,
    /// The first argument.
    First,
    /// The first argument, where there is one that no word goes with: words come with one value each, so
    /// their number tells.
    FirstIfOdd,
    /// The first argument, and all that follow this word. The word has to be searched forward from
    /// the second argument: its first appearance is never after the one that is meant, so no key
    /// escapes the access control list.
    FirstAndAfter(&'static str),
}

/// A line to type and what `redis-cli` prints. The examples of one command are one session that
/// starts on an empty server.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// What to type.
    pub command: &'static str,
    /// What is printed. Made ids, instants and digests differ from run to run; a line `...` stands
    /// for lines left out.
    pub reply: &'static str,
}

/// All there is to know about a command.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Which one it is.
    pub id: CommandId,
    /// Its name, in upper case.
    pub name: &'static str,
    /// What it does, as one sentence.
    pub summary: &'static str,
    /// What it costs.
    pub complexity: &'static str,
    /// The first version that has it.
    pub since: &'static str,
    /// What it does to the data.
    pub access: Access,
    /// Whether it can make its client wait.
    pub blocking: bool,
    /// Whether it costs O(log n) or less for each job it names.
    pub fast: bool,
    /// Whether it is for replicas and the log only; a client is refused with `NOPERM`.
    pub internal: bool,
    /// Whether it can harm the server, so that no category but `dangerous` grants it.
    pub dangerous: bool,
    /// The least number of arguments with the name, negated: too few is the server's error, too
    /// many is ours, which can say what is wrong.
    pub arity: i32,
    /// Where the keys are.
    pub keys: Keys,
    /// What follows the name.
    pub args: &'static [Arg],
    /// What it answers.
    pub reply: &'static str,
    /// The errors of its own; those of [`ErrorWord::is_common`] can come from any command.
    pub errors: &'static [(ErrorWord, &'static str)],
    /// One session.
    pub examples: &'static [Example],
    /// What else a user should know, one paragraph each.
    pub notes: &'static [&'static str],
}

impl Keys {
    /// Whether an argument vector names a queue first.
    #[must_use]
    pub fn has_first(self, argv: &[&[u8]]) -> bool {
        match self {
            Self::None => false,
            Self::First | Self::FirstAndAfter(_) => true,
            Self::FirstIfOdd => argv.len() % 2 == 0,
        }
    }
}

impl Command {
    /// The usage line.
    pub fn syntax(&self) -> String {
        let mut line = self.name.to_string();
        for arg in self.args {
            line.push(' ');
            line.push_str(&arg.syntax());
        }
        line
    }

    /// The categories of the access control list, separated by spaces.
    pub fn categories(&self) -> String {
        if self.dangerous {
            return "dangerous".to_string();
        }
        let mut words = vec![match self.access {
            Access::Read => "read",
            Access::Write | Access::WriteGrowing => "write",
        }];
        if self.fast {
            words.push("fast");
        }
        if self.blocking {
            words.push("blocking");
        }
        words.push("jobqueue");
        words.join(" ")
    }

    /// Finds the argument that the word `text` of this command is before, in either case, and tells
    /// its place among the words.
    pub(crate) fn word(&self, text: &[u8]) -> Option<(u32, &'static Arg)> {
        if text.len() > WORD_BYTES_MAX {
            return None;
        }
        let mut index = 0;
        find_word(self.args, text, &mut index).map(|arg| (index, arg))
    }
}
