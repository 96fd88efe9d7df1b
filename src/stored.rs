//! What is in a key: a queue, and what the shell remembers of it.

use jobq_engine::{Millis, Queue, UnixMillis, SUMMARY};

use crate::{registry, workers};

/// The value of a key of ours. Plain owned data: the server may free it on another thread.
pub struct Stored {
    /// The queue.
    pub queue: Queue,
    /// Whether the names have it.
    pub listed: bool,
    /// Until when it is not looked at whether it is idle: somebody waited for it.
    pub spared: UnixMillis,
    /// Until when what it has for other queues stays: they are not here for now.
    pub put_off: UnixMillis,
    /// The term of this server in which it last decided for the queue; zero before it has.
    pub term: u64,
    /// The instant under which the schedule has it, if it has.
    pub filed: Option<UnixMillis>,
    /// By how much the queue's clock was set ahead of the server's.
    pub ahead: Millis,
    /// How many commands that settle jobs are still to be refused, for a test.
    pub refusals: u32,
    /// An internal error happened while it was open for writing: it may be half changed, so it
    /// is not written to until it is loaded again.
    pub poisoned: bool,
    /// What of the queue's counts is in the sums for `INFO`.
    pub summed: [u64; SUMMARY.len()],
}

impl Stored {
    /// Wraps a queue that the registry does not know yet.
    pub fn new(queue: Queue) -> Self {
        let summed = queue.counters().summary();
        Self {
            queue,
            listed: false,
            spared: UnixMillis(0),
            put_off: UnixMillis(0),
            term: 0,
            filed: None,
            ahead: Millis::ZERO,
            refusals: 0,
            poisoned: false,
            summed,
        }
    }

    /// Lets the names know this one, unless they do.
    #[inline]
    pub fn list(&mut self, db: i32, name: &[u8]) {
        if !self.listed {
            self.list_anew(db, name);
        }
    }

    #[cold]
    fn list_anew(&mut self, db: i32, name: &[u8]) {
        self.listed = true;
        registry::with(|registry| registry.names.insert(db, name));
        workers::note_all(&self.queue, db, name);
        if self.queue.owners().next().is_some() {
            let place = (db, name.into());
            registry::with(|registry| {
                registry.bonds.adopt(&place, self.queue.owners());
                registry.alarm.want(UnixMillis(0));
            });
        }
    }

    /// Bytes of memory held, about; see [`Queue::bytes`].
    pub fn bytes(&self) -> usize {
        size_of::<Self>() - size_of::<Queue>() + self.queue.bytes()
    }

    /// Adds what has been counted since the last time to the sums over all queues.
    pub fn sum_up(&mut self) {
        let counts = self.queue.counters().summary();
        registry::with(|registry| {
            let sums = &mut registry.stats.counts;
            for at in 0..SUMMARY.len() {
                sums[at] = sums[at].wrapping_add(counts[at]).wrapping_sub(self.summed[at]);
            }
        });
        self.summed = counts;
    }

    /// Lets the registry know the queue by its name, and when it has work next or has been idle
    /// for too long, unless the timer looks in before anyway.
    pub fn file(&mut self, db: i32, name: &[u8]) {
        self.list(db, name);
        let due = self.queue.next_due().unwrap_or(UnixMillis::NEVER);
        let due = self.idle_ends().map_or(due, |ends| due.min(ends));
        let due = self.queue.next_warning().map_or(due, |at| due.min(at));
        // What is due by the queue's own clock is due now, also where that is ahead of the
        // server's, which may have been set back.
        let due = match due {
            due if due <= self.queue.clock() => UnixMillis(0),
            UnixMillis::NEVER => due,
            due => UnixMillis(due.0.saturating_sub(self.ahead.0)),
        };
        let due = if self.queue.outbox_len() > 0 { due.min(self.put_off) } else { due };
        if due == UnixMillis::NEVER {
            return;
        }
        self.file_at(due, db, name);
    }

    /// What time it is for the queue when it is `now` for the server.
    pub fn time(&self, now: UnixMillis) -> UnixMillis {
        now.after(self.ahead).min(UnixMillis::MAX)
    }

    /// When the queue should be removed, if nothing happens until then and nobody waits for it.
    pub fn idle_ends(&self) -> Option<UnixMillis> {
        self.queue.idle_ends().map(|ends| ends.max(self.spared))
    }

    /// Has the timer come to the queue at an instant, unless it does before.
    pub fn file_at(&mut self, due: UnixMillis, db: i32, name: &[u8]) {
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

    /// Lets the registry forget this queue: it is about to lose its name.
    pub fn leave(&mut self, db: i32, name: &[u8]) {
        self.unfile(db, name);
        if std::mem::take(&mut self.listed) {
            registry::with(|registry| registry.names.remove(db, name));
        }
        registry::with(|registry| {
            registry.waiters.lingers.end(db, name);
            registry.bonds.leave(db, name);
        });
    }

    /// Takes this queue out of the schedule.
    pub fn unfile(&mut self, db: i32, name: &[u8]) {
        if let Some(filed) = self.filed.take() {
            registry::with(|registry| registry.schedule.remove(filed, db, name));
        }
    }
}
