//! What a queue has to tell others: effects that are on their way.
//!
//! A queue cannot reach another one. What it has for others it keeps here, as a part of its state, until
//! the host has delivered it and says so. So nothing is lost where the host stops in between, and what
//! is then delivered a second time does no harm: see [`Told`].

use std::collections::VecDeque;

use crate::{
    id::{JobId, Ulid},
    interner::{Interner, Key},
    parents::End,
};

/// The name of a job that follows one of another queue.
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    /// The number that was made for it.
    pub ulid: Ulid,
    /// The id that it was given, if it was.
    pub given: Option<&'a str>,
}

impl<'a> Child<'a> {
    /// The id by which its queue knows it.
    #[must_use]
    pub fn id(&self) -> JobId<'a> {
        self.given.map_or(JobId::Made(self.ulid), JobId::Given)
    }
}

/// A queue is told that a job of another one has ended which one of its jobs waits for. To be told so
/// again changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Who waits for it.
    pub child: Child<'a>,
    /// The place of the one that has ended among those that the child waits for.
    pub at: u32,
    /// How it has ended.
    pub how: End,
}

/// An effect on its way.
#[derive(Clone, Debug)]
struct Effect {
    queue: Key,
    child: Ulid,
    given: Option<Box<str>>,
    at: u32,
    how: End,
}

impl Effect {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.given.as_ref().map_or(0, |given| given.len())
    }
}

/// Effects that are on their way, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    effects: VecDeque<Effect>,
    queues: QueueNames,
    bytes: usize,
}

impl Outbox {
    /// Appends what a queue is to be told.
    pub fn push(&mut self, queue: &[u8], told: &Told<'_>) {
        let effect = Effect {
            queue: self.queues.keep(queue),
            child: told.child.ulid,
            given: told.child.given.map(Into::into),
            at: told.at,
            how: told.how,
        };
        self.bytes += effect.bytes();
        self.effects.push_back(effect);
    }

    /// Forgets so many of the oldest, which are delivered. Tells how many there were.
    pub fn drop_first(&mut self, count: u64) -> u64 {
        let count = count.min(self.effects.len() as u64);
        for _ in 0..count {
            let Some(effect) = self.effects.pop_front() else { break };
            self.bytes -= effect.bytes();
            self.queues.release(effect.queue);
        }
        if self.effects.is_empty() {
            self.effects = VecDeque::new();
        }
        count
    }

    /// All of them with the queue that each is for.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Told<'_>)> {
        self.effects.iter().map(|effect| {
            let child = Child { ulid: effect.child, given: effect.given.as_deref() };
            (self.queues.get(effect.queue), Told { child, at: effect.at, how: effect.how })
        })
    }

    pub fn len(&self) -> usize {
        self.effects.len()
    }

    /// Heap bytes held, about.
    pub fn bytes(&self) -> usize {
        self.bytes + self.queues.bytes()
    }

    /// Part of [`check_invariants`](crate::Queue::check_invariants).
    pub fn check(&self) -> Result<(), String> {
        let counted: usize = self.effects.iter().map(Effect::bytes).sum();
        if counted != self.bytes {
            return Err(format!("{} bytes of effects, {counted} counted", self.bytes));
        }
        self.queues.check(self.effects.iter().map(|effect| effect.queue))
    }
}

/// Names of other queues, each kept once and counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueueNames(Interner<Box<[u8]>>);

impl QueueNames {
    /// Finds or keeps a name and counts one use.
    pub fn keep(&mut self, name: &[u8]) -> Key {
        self.0.intern(name, |kept, name| **kept == **name, Into::into)
    }

    /// Takes back one use.
    pub fn release(&mut self, key: Key) {
        self.0.release(key);
    }

    pub fn get(&self, key: Key) -> &[u8] {
        self.0.get(key)
    }

    /// Heap bytes held, about.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Whether these are all the uses that there are.
    pub fn check(&self, used: impl Iterator<Item = Key>) -> Result<(), String> {
        let mut left: std::collections::HashMap<Key, u32> = self.0.uses().collect();
        for key in used {
            let uses = left.get_mut(&key).ok_or("the name of a queue is not kept")?;
            *uses = uses.checked_sub(1).ok_or("the name of a queue is used more often")?;
        }
        if left.values().any(|&uses| uses > 0) {
            return Err(format!("names of queues that nobody uses: {self:?}"));
        }
        Ok(())
    }
}
