//! What a worker that gave its name should hear of its leases, beside the answers to its own commands.

use std::collections::BTreeSet;

use crate::{
    id::{Name, Token},
    slab::Slot,
    state::State,
    time::{Millis, UnixMillis},
    Queue,
};

/// How long before the deadline of its job a worker is warned, at most.
const WARNED_BEFORE_MAX: Millis = Millis::from_secs(5);

/// One thing to hear.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who should hear it.
    pub worker: Box<[u8]>,
    /// Which delivery it is about.
    pub receipt: Name,
    /// What has happened to it.
    pub news: News,
}

/// What has happened to a lease.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// Its job was cancelled.
    Cancelled,
    /// It has ended, and not by a command that named its receipt.
    Lost,
    /// The deadline of its job comes near.
    Deadline,
}

impl News {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Deadline => "deadline",
        }
    }
}

/// What there is to hear. No part of the queue's logical state: the host that decides for the queue
/// asks for it and takes it, and a copy of the queue has nothing to tell.
#[derive(Debug, Default)]
pub struct Messages {
    is_heard: bool,
    // The receipt that the command being applied has named for a job: whoever has it knows.
    named: Option<Token>,
    told: Vec<Message>,
    // Leased jobs whose deadline is to be told of, by when.
    warnings: BTreeSet<(UnixMillis, Slot)>,
}

impl Clone for Messages {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Messages {
    /// Whether the host listens.
    #[inline]
    pub fn are_heard(&self) -> bool {
        self.is_heard
    }

    /// Whether the end of a lease has to be looked at.
    #[inline]
    pub fn are_kept(&self) -> bool {
        self.is_heard || !self.warnings.is_empty()
    }
}

impl Queue {
    /// From now on, and until they are taken, messages are kept.
    pub fn hear_messages(&mut self) {
        self.messages.is_heard = true;
    }

    /// Ceases to keep messages, without taking any. False, and they are kept, where there may be some.
    /// O(1).
    #[inline]
    pub fn stop_hearing(&mut self) -> bool {
        let has_none = self.messages.told.is_empty() && self.messages.warnings.is_empty();
        self.messages.is_heard &= !has_none;
        has_none
    }

    /// What there is to hear by `now`. No more is kept until somebody hears again.
    pub fn take_messages(&mut self, now: UnixMillis) -> Vec<Message> {
        while let Some(&(at, slot)) = self.messages.warnings.first() {
            if at > now.max(self.clock) {
                break;
            }
            self.messages.warnings.pop_first();
            self.note(slot, News::Deadline);
        }
        self.messages.is_heard = false;
        std::mem::take(&mut self.messages.told)
    }

    /// When there will be something to hear that no operation brings, if ever. O(1).
    #[must_use]
    pub fn next_warning(&self) -> Option<UnixMillis> {
        self.messages.warnings.first().map(|(at, _)| *at)
    }

    /// Says for what receipt the next jobs are changed, if one was named.
    pub(crate) fn name_receipt(&mut self, token: Option<Token>) {
        self.messages.named = token;
    }

    /// Notes that a lease was marked.
    pub(crate) fn note_cancel(&mut self, slot: Slot) {
        self.note(slot, News::Cancelled);
    }

    /// Notes that a lease is about to end, if the job is leased.
    pub(crate) fn note_end(&mut self, slot: Slot) {
        let State::Leased { token, .. } = self.jobs[slot].state() else { return };
        if !self.messages.warnings.is_empty() {
            if let Some(at) = self.warned_at(slot) {
                self.messages.warnings.remove(&(at, slot));
            }
        }
        if self.messages.named != Some(token) {
            self.note(slot, News::Lost);
        }
    }

    /// Sees to it that the holder of a lease hears of the job's deadline in time. Only before it has:
    /// so it hears of it once.
    pub(crate) fn warn(&mut self, slot: Slot, is_new: bool) {
        if !self.messages.is_heard {
            return;
        }
        let at = self.warned_at(slot).filter(|&at| is_new || at > self.clock);
        self.messages.warnings.extend(at.map(|at| (at, slot)));
    }

    /// When the holder of a lease is told that the deadline of its job comes near, if it has a name
    /// and the job a deadline: a tenth of the lease's usual length before, at most five seconds.
    fn warned_at(&self, slot: Slot) -> Option<UnixMillis> {
        let job = &self.jobs[slot];
        let deadline = job.deadline()?;
        let State::Leased { holder, .. } = job.state() else { return None };
        if self.holders.get(holder).worker.is_empty() {
            return None;
        }
        let before = (self.ttr_for(job, holder).0 / 10).min(WARNED_BEFORE_MAX.0);
        Some(UnixMillis(deadline.0.saturating_sub(before)))
    }

    fn note(&mut self, slot: Slot, news: News) {
        let job = &self.jobs[slot];
        let State::Leased { token, holder, .. } = job.state() else { return };
        let worker = &self.holders.get(holder).worker;
        if self.messages.is_heard && !worker.is_empty() {
            let (worker, receipt) = (worker.clone(), job.id().receipt(token));
            self.messages.told.push(Message { worker, receipt, news });
        }
    }
}
