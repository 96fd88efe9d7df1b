//! What is in a key: a queue, and what the shell remembers of it.

use jobq_engine::{Queue, UnixMillis};

use crate::registry;

/// The value of a key of ours. Plain owned data: the server may free it on another thread.
pub struct Stored {
    /// The queue.
    pub queue: Queue,
    /// The instant under which the schedule has it, if it has.
    pub filed: Option<UnixMillis>,
    /// An internal error happened while it was open for writing: it may be half changed, so it
    /// is not written to until it is loaded again.
    pub poisoned: bool,
}

impl Stored {
    /// Wraps a queue that the schedule does not know yet.
    pub fn new(queue: Queue) -> Self {
        Self { queue, filed: None, poisoned: false }
    }

    /// Lets the schedule know when this queue has work next, unless it looks in before anyway.
    pub fn file(&mut self, db: i32, name: &[u8]) {
        let Some(due) = self.queue.next_due() else { return };
        // What is due by the queue's own clock is due now, also where that is ahead of the
        // server's, which may have been set back.
        let due = if due <= self.queue.clock() { UnixMillis(0) } else { due };
        if self.filed.is_some_and(|filed| filed <= due) || self.poisoned {
            return;
        }
        registry::with(|registry| {
            if let Some(filed) = self.filed.replace(due) {
                registry.schedule.remove(filed, db, name);
            }
            registry.schedule.insert(due, db, name);
            registry.alarm.want(due);
        });
    }

    /// Takes this queue out of the schedule: it is about to lose its name.
    pub fn unfile(&mut self, db: i32, name: &[u8]) {
        if let Some(filed) = self.filed.take() {
            registry::with(|registry| registry.schedule.remove(filed, db, name));
        }
    }
}
