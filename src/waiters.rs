//! Consumers that wait: who waits for what, in the order in which they came.
//!
//! The server's own lists of blocked clients are walked as a whole at each signal, so a queue with
//! ten thousand consumers would pay for all of them at each job. These lists are ours, and exactly
//! one client is woken, by its handle. They name queues, not values: a consumer of a queue that is
//! deleted goes on waiting for the name.
//!
//! Nothing here calls the server.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ffi::c_void,
};

use jobq_engine::{Holder, Name, UnixMillis};

/// A blocked client, by the address of the server's handle. Good until the client is answered or
/// gone.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Handle(pub *mut c_void);

/// A consumer that waits.
#[derive(Clone, Debug)]
pub struct Waiter {
    /// The blocked client.
    pub handle: Handle,
    /// The database it has selected.
    pub db: i32,
    /// The queues it waits for.
    pub queues: Vec<Box<[u8]>>,
    /// How many jobs it takes at most.
    pub count: u32,
    /// In whose name, and for how long.
    pub holder: Holder,
    /// When it stops waiting, if ever.
    pub deadline: Option<UnixMillis>,
}

/// A job on its way to a consumer.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The queue it comes from.
    pub queue: Box<[u8]>,
    /// Its receipt.
    pub receipt: Name,
    /// A copy, since the job may be gone when the client is written to.
    pub body: Box<[u8]>,
}

/// Jobs leased to a consumer that has been woken, and that the server has not let go yet.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The database of their queues.
    pub db: i32,
    /// The jobs, at least one.
    pub deliveries: Vec<Delivery>,
}

/// Names a consumer for as long as the server has anything to do with it; grows as they come.
pub type Ticket = u64;

/// All consumers that wait. Invariant: a waiter's ticket is in the line of each of its queues, in
/// `by_handle`, and in `deadlines` if it has one.
#[derive(Default)]
pub struct Waiters {
    by_ticket: HashMap<Ticket, Waiter>,
    by_handle: HashMap<Handle, Ticket>,
    lines: BTreeMap<i32, HashMap<Box<[u8]>, BTreeSet<Ticket>>>,
    deadlines: BTreeSet<(UnixMillis, Ticket)>,
    tickets_drawn: Ticket,
    answers: HashMap<Ticket, Answer>,
}

impl Waiters {
    /// Names the consumer that joins next. Never zero.
    pub fn draw_ticket(&mut self) -> Ticket {
        self.tickets_drawn += 1;
        self.tickets_drawn
    }

    /// Adds a consumer at the end of its lines. O(log n) a queue.
    pub fn join(&mut self, ticket: Ticket, waiter: Waiter) {
        let lines = self.lines.entry(waiter.db).or_default();
        for queue in &waiter.queues {
            lines.entry(queue.clone()).or_default().insert(ticket);
        }
        self.by_handle.insert(waiter.handle, ticket);
        self.deadlines.extend(waiter.deadline.map(|at| (at, ticket)));
        self.by_ticket.insert(ticket, waiter);
    }

    /// How many consumers wait.
    pub fn len(&self) -> usize {
        self.by_ticket.len()
    }

    /// The consumer that has waited longest for a queue.
    pub fn first(&self, db: i32, queue: &[u8]) -> Option<&Waiter> {
        let ticket = self.lines.get(&db)?.get(queue)?.first()?;
        self.by_ticket.get(ticket)
    }

    /// Takes a consumer out of all lines, if it still waits. O(log n) a queue.
    pub fn leave(&mut self, handle: Handle) -> Option<Waiter> {
        let ticket = self.by_handle.remove(&handle)?;
        let waiter = self.by_ticket.remove(&ticket)?;
        self.deadlines.remove(&(waiter.deadline.unwrap_or_default(), ticket));
        if let Some(lines) = self.lines.get_mut(&waiter.db) {
            for queue in &waiter.queues {
                let Some(line) = lines.get_mut(queue) else { continue };
                line.remove(&ticket);
                if line.is_empty() {
                    lines.remove(queue);
                }
            }
        }
        Some(waiter)
    }

    /// When the first consumer stops waiting.
    pub fn first_deadline(&self) -> Option<UnixMillis> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Takes out a consumer that has waited long enough.
    pub fn pop_expired(&mut self, now: UnixMillis) -> Option<Waiter> {
        let &(at, ticket) = self.deadlines.first()?;
        let handle = self.by_ticket.get(&ticket)?.handle;
        (at <= now).then(|| self.leave(handle)).flatten()
    }

    /// The queues of a database that somebody waits for.
    pub fn awaited(&self, db: i32) -> Vec<Box<[u8]>> {
        self.lines.get(&db).map(|lines| lines.keys().cloned().collect()).unwrap_or_default()
    }

    /// Takes a consumer out of all lines and leaves jobs for it: it is about to be woken.
    pub fn serve(&mut self, handle: Handle, answer: Answer) {
        if let Some(&ticket) = self.by_handle.get(&handle) {
            self.leave(handle);
            self.keep_answer(ticket, answer);
        }
    }

    /// Leaves jobs for a consumer that has been woken.
    pub fn keep_answer(&mut self, ticket: Ticket, answer: Answer) {
        self.answers.insert(ticket, answer);
    }

    /// What was left for a consumer, once.
    pub fn take_answer(&mut self, ticket: Ticket) -> Option<Answer> {
        self.answers.remove(&ticket)
    }
}
