//! What a visit has done to a queue, for the log and for replicas: one record, whatever it was.

use jobq_protocol::steps::{Packed, Step};
use redis_module::raw::RedisModuleString;

use crate::server::Context;

/// At whose word a queue is visited.
#[derive(Clone, Copy)]
pub enum Asked<'a> {
    /// A client's, whose command with its arguments is being run.
    Client(&'a [*mut RedisModuleString]),
    /// A client's, in the form of another command than the one that is being run.
    ClientAs(&'a [*mut RedisModuleString]),
    /// Ours, in the form of a command that nobody has sent.
    Us(&'a [*mut RedisModuleString]),
    /// Nobody's: it is time.
    Nobody,
}

/// Steps in the order in which they were taken.
#[derive(Default)]
pub struct Record {
    steps: Packed,
    /// Whether the command is one of the steps.
    has_command: bool,
    /// Whether it is the only one so far, and is not packed then: it may speak for itself.
    is_command_alone: bool,
}

impl Record {
    /// Adds a step that was taken.
    pub fn push(&mut self, step: &Step<'_>) {
        self.pack_command();
        self.steps.push(step);
    }

    /// Adds that the command was done, in a way that it does not say alone.
    pub fn push_command_as(&mut self, step: &Step<'_>) {
        self.has_command = true;
        self.steps.push(step);
    }

    /// Adds that the command was done.
    pub fn push_command(&mut self) {
        self.has_command = true;
        self.is_command_alone = self.steps.is_empty();
        if !self.is_command_alone {
            self.steps.push(&Step::Command);
        }
    }

    /// Propagates the steps, with the command if it is one of them. In the usual case that is all
    /// there is, and costs next to nothing.
    pub fn propagate(mut self, context: Context, queue: *mut RedisModuleString, asked: Asked<'_>) {
        let command = match asked {
            Asked::Client(_) if self.is_command_alone => return context.replicate_verbatim(),
            Asked::Client(command) | Asked::ClientAs(command) | Asked::Us(command)
                if self.has_command =>
            {
                command
            }
            _ => &[],
        };
        self.pack_command();
        if !self.steps.is_empty() {
            context.replicate_steps(queue, self.steps.as_bytes(), command);
        }
    }

    fn pack_command(&mut self) {
        if std::mem::take(&mut self.is_command_alone) {
            self.steps.push(&Step::Command);
        }
    }
}
