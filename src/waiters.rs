//! Clients that wait: who waits for what, in the order in which they came.
//!
//! The server's own lists of blocked clients are walked as a whole at each signal, so a queue with
//! ten thousand consumers would pay for all of them at each job. These lists are ours, and exactly
//! the client concerned is woken, by its handle. They name queues, not values: a consumer of a queue
//! that is deleted goes on waiting for the name.
//!
//! Nothing here calls the server.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    ffi::c_void,
    ops::Bound::{Excluded, Unbounded},
    rc::Rc,
};

use jobq_engine::{Ending, Holder, Millis, Name, Notice, Owner, Ulid, UnixMillis};
use jobq_protocol::Gather;

use crate::{
    details::Details, lingers::Lingers, readers::Edge, registry::Place, reply::Body, visit::Denied,
};

/// A blocked client, by the address of the server's handle. Good until the client is answered or
/// gone.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Handle(pub *mut c_void);

/// A client that waits.
#[derive(Clone, Debug)]
pub struct Waiter {
    /// The blocked client.
    pub handle: Handle,
    /// The database it has selected.
    pub db: i32,
    /// When it stops waiting, if ever.
    pub deadline: Option<UnixMillis>,
    /// What it waits for.
    pub wish: Wish,
}

/// What a client waits for.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Jobs to take.
    Jobs {
        /// From any of these queues.
        queues: Vec<Box<[u8]>>,
        /// On these terms.
        take: Rc<Take>,
    },
    /// The end of a job.
    Ending {
        /// Its queue.
        queue: Box<[u8]>,
        /// Which job it is.
        ulid: Ulid,
        /// How the client named it.
        named: Box<[u8]>,
    },
    /// Room to publish.
    Room(Rc<Asking>),
    /// Notices for subscribers.
    Notices {
        /// Of this queue.
        queue: Box<[u8]>,
        /// How many at most.
        count: u32,
        /// For how long they are leased, if not as long as jobs are.
        ttr: Option<Millis>,
    },
    /// Events.
    Events(Rc<Reading>),
}

/// What a client wants to read.
#[derive(Debug)]
pub struct Reading {
    /// The queue.
    pub queue: Box<[u8]>,
    /// Events behind this number.
    pub since: u64,
    /// At most so many.
    pub count: usize,
}

/// What a publisher asks for.
#[derive(Debug)]
pub struct Asking {
    /// Its command with the arguments, but for what says that it waits.
    pub command: Vec<Box<[u8]>>,
}

impl Asking {
    /// Where it wants to publish.
    pub fn queue(&self) -> &[u8] {
        &self.command[1]
    }
}

/// On what terms a consumer takes jobs.
#[derive(Debug)]
pub struct Take {
    /// How many at most.
    pub count: u32,
    /// In whose name, and for how long.
    pub holder: Holder,
    /// Whether it wants to know everything of them.
    pub details: bool,
    /// For how many it waits, if not for one.
    pub gather: Option<Gather>,
    /// What the leases are bound to, and how long they outlive it.
    pub bond: Option<(Owner, Millis)>,
}

/// A job on its way to a consumer.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The queue it comes from.
    pub queue: Box<[u8]>,
    /// Its receipt.
    pub receipt: Name,
    /// A copy, since the job may be gone when the client is written to.
    pub body: Body<'static>,
    /// Everything else, if the consumer wants to know.
    pub details: Option<Details<'static>>,
}

/// What a client is told that has been woken, and that the server has not let go yet.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Jobs that are leased to it, at least one.
    Jobs(Deliveries),
    /// Notices that are leased to it, at least one.
    Notices {
        /// Their queue.
        place: Place,
        /// What it tells.
        notices: Vec<Notice>,
    },
    /// How the job has ended.
    Ending(Rc<Ending>),
    /// Its time is over, and the job has not ended.
    NoEnding {
        /// The job's queue.
        queue: Box<[u8]>,
        /// How the client named it.
        named: Box<[u8]>,
    },
    /// The jobs are published.
    Published {
        /// Their ids.
        ids: Rc<[Name]>,
        /// Whether it sent a list of bodies, and is told a list.
        many: bool,
    },
    /// Nothing is published.
    Denied(Rc<Denied>),
    /// Its time is over, and there was no room.
    NoRoom(Rc<Asking>),
    /// What there is to read by now.
    Events(Rc<Reading>),
}

/// Jobs that are leased to one consumer.
#[derive(Clone, Debug)]
pub struct Deliveries {
    /// The database of their queues.
    pub db: i32,
    /// The connection that the leases are bound to.
    pub owner: Option<Owner>,
    /// The jobs.
    pub jobs: Vec<Delivery>,
}

/// Names a client for as long as the server has anything to do with it; grows as they come.
pub type Ticket = u64;

/// All clients that wait. Invariant: a waiter's ticket is in the line of each of its queues or in
/// that of its job or among the publishers or messengers of its queue, in `by_handle`, in `by_worker` if it
/// consumes and gave a name, and in `deadlines` if it has one.
#[derive(Default)]
pub struct Waiters {
    by_ticket: HashMap<Ticket, Waiter>,
    by_handle: HashMap<Handle, Ticket>,
    // Consumers that gave a name, by it, and since when each waits.
    by_worker: HashMap<Box<[u8]>, BTreeMap<Ticket, UnixMillis>>,
    lines: BTreeMap<i32, HashMap<Box<[u8]>, BTreeSet<Ticket>>>,
    endings: HashMap<Place, BTreeMap<Ulid, BTreeSet<Ticket>>>,
    publishers: HashMap<Place, BTreeSet<Ticket>>,
    messengers: HashMap<Place, BTreeSet<Ticket>>,
    readers: HashMap<Place, BTreeSet<Ticket>>,
    /// Queues in which there may be room for the publisher that stands first.
    pub rooms: BTreeSet<Place>,
    deadlines: BTreeSet<(UnixMillis, Ticket)>,
    tickets_drawn: Ticket,
    answers: HashMap<Ticket, Answer>,
    /// Who waits for more jobs while there are some.
    pub lingers: Lingers,
    // Consumers whose time is over, and who take what there is first.
    last_looks: VecDeque<Ticket>,
    // Queues whose line has lost a first consumer who waited for more jobs while there were some.
    left: Vec<Place>,
}

/// Who has waited long enough.
pub enum Expired {
    /// Nobody.
    Nobody,
    /// This client, which is told so.
    Told(Handle),
    /// One that takes what there is first: others wait for more of it.
    LooksLast,
}

impl Waiters {
    /// Names the client that joins next. Never zero.
    pub fn draw_ticket(&mut self) -> Ticket {
        self.tickets_drawn += 1;
        self.tickets_drawn
    }

    /// Adds a client at the end of its lines. O(log n) a queue.
    pub fn join(&mut self, ticket: Ticket, waiter: Waiter, now: UnixMillis) {
        match &waiter.wish {
            Wish::Jobs { queues, take } => {
                if !take.holder.worker.is_empty() {
                    let tickets = self.by_worker.entry(take.holder.worker.clone()).or_default();
                    tickets.insert(ticket, now);
                }
                let lines = self.lines.entry(waiter.db).or_default();
                for queue in queues {
                    lines.entry(queue.clone()).or_default().insert(ticket);
                }
            }
            Wish::Ending { queue, ulid, .. } => {
                let jobs = self.endings.entry((waiter.db, queue.clone())).or_default();
                jobs.entry(*ulid).or_default().insert(ticket);
            }
            Wish::Room(asking) => {
                let place = (waiter.db, asking.queue().into());
                self.publishers.entry(place).or_default().insert(ticket);
            }
            Wish::Notices { queue, .. } => {
                let place = (waiter.db, queue.clone());
                self.messengers.entry(place).or_default().insert(ticket);
            }
            Wish::Events(reading) => {
                let place = (waiter.db, reading.queue.clone());
                self.readers.entry(place).or_default().insert(ticket);
            }
        }
        self.by_handle.insert(waiter.handle, ticket);
        self.deadlines.extend(waiter.deadline.map(|at| (at, ticket)));
        self.by_ticket.insert(ticket, waiter);
    }

    /// How many clients wait.
    pub fn len(&self) -> usize {
        self.by_ticket.len()
    }

    /// The consumer that has waited longest for a queue.
    pub fn first(&self, db: i32, queue: &[u8]) -> Option<(Ticket, Handle, &Rc<Take>)> {
        let &ticket = self.lines.get(&db)?.get(queue)?.first()?;
        let waiter = self.by_ticket.get(&ticket)?;
        match &waiter.wish {
            Wish::Jobs { take, .. } => Some((ticket, waiter.handle, take)),
            Wish::Ending { .. } | Wish::Room(_) | Wish::Notices { .. } | Wish::Events(_) => None,
        }
    }

    /// A client that still waits.
    pub fn get(&self, ticket: Ticket) -> Option<&Waiter> {
        self.by_ticket.get(&ticket)
    }

    /// The one that has waited longest for notices of a queue, with how many it takes and for how long.
    pub fn first_messenger(&self, place: &Place) -> Option<(Handle, u32, Option<Millis>)> {
        let waiter = self.by_ticket.get(self.messengers.get(place)?.first()?)?;
        match waiter.wish {
            Wish::Notices { count, ttr, .. } => Some((waiter.handle, count, ttr)),
            _ => None,
        }
    }

    /// Whether nobody waits for anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_ticket.is_empty() && self.lingers.is_empty()
    }

    /// Whether nobody waits for notices of any queue.
    pub fn has_no_messengers(&self) -> bool {
        self.messengers.is_empty()
    }

    /// The consumers that wait in a worker's name.
    pub fn of_worker(&self, worker: &[u8]) -> Vec<Handle> {
        let tickets = self.by_worker.get(worker).into_iter().flat_map(BTreeMap::keys);
        tickets.filter_map(|ticket| self.by_ticket.get(ticket)).map(|it| it.handle).collect()
    }

    /// Whether one waits in a worker's name.
    pub fn has_worker(&self, worker: &[u8]) -> bool {
        self.by_worker.contains_key(worker)
    }

    /// Since when consumers wait in a worker's name in a database, and for which queues. Not told of are
    /// those that stand in no line.
    pub fn waits_of(&self, worker: &[u8], db: i32) -> Vec<(UnixMillis, Vec<Box<[u8]>>)> {
        let wait = |(ticket, since): (&Ticket, &UnixMillis)| match self.by_ticket.get(ticket)? {
            Waiter { db: at, wish: Wish::Jobs { queues, .. }, .. } if *at == db => {
                (!queues.is_empty()).then(|| (*since, queues.clone()))
            }
            _ => None,
        };
        self.by_worker.get(worker).into_iter().flatten().filter_map(wait).collect()
    }

    /// Whether anybody waits to publish.
    pub fn has_publishers(&self) -> bool {
        !self.publishers.is_empty()
    }

    /// Whether somebody waits to publish to a queue.
    pub fn awaits_room(&self, place: &Place) -> bool {
        self.publishers.contains_key(place)
    }

    /// The publisher that has waited longest for room in a queue.
    pub fn first_publisher(&self, place: &Place) -> Option<(Handle, Rc<Asking>)> {
        let waiter = self.by_ticket.get(self.publishers.get(place)?.first()?)?;
        match &waiter.wish {
            Wish::Room(asking) => Some((waiter.handle, asking.clone())),
            Wish::Jobs { .. } | Wish::Ending { .. } | Wish::Notices { .. } | Wish::Events(_) => {
                None
            }
        }
    }

    /// Notes that there may be room in all queues, of one database or of all, that publishers wait for.
    pub fn look_for_room(&mut self, db: Option<i32>) {
        let places = self.publishers.keys().filter(|(at, _)| db.is_none_or(|db| *at == db));
        self.rooms.extend(places.cloned());
    }

    /// Whether anybody waits for events.
    pub fn has_readers(&self) -> bool {
        !self.readers.is_empty()
    }

    /// Whether somebody waits for events of this queue.
    pub fn awaits_events(&self, place: &Place) -> bool {
        self.readers.contains_key(place)
    }

    /// The queues, of one database or of all, for whose events somebody waits.
    pub fn awaited_events(&self, db: Option<i32>) -> Vec<Place> {
        let places = self.readers.keys();
        places.filter(|(at, _)| db.is_none_or(|db| *at == db)).cloned().collect()
    }

    /// Up to `count` of those who wait for events of a queue, but for those behind this very one.
    pub fn readers_behind(
        &self,
        place: &Place,
        edge: Edge,
        count: usize,
    ) -> Vec<(Handle, Rc<Reading>)> {
        let tickets = self.readers.get(place).into_iter().flatten();
        let reader = |ticket: &Ticket| {
            let waiter = self.by_ticket.get(ticket)?;
            match &waiter.wish {
                Wish::Events(reading) if Some(reading.since) != edge => {
                    Some((waiter.handle, reading.clone()))
                }
                _ => None,
            }
        };
        tickets.filter_map(reader).take(count).collect()
    }

    /// Whether somebody waits for the end of a job of this queue.
    pub fn awaits_ending(&self, place: &Place) -> bool {
        self.endings.contains_key(place)
    }

    /// Up to `count` jobs of a queue whose end somebody waits for, behind `after`, and how somebody
    /// named each. O(log n + count).
    pub fn awaited_jobs(
        &self,
        place: &Place,
        after: Option<Ulid>,
        count: usize,
    ) -> Vec<(Ulid, Box<[u8]>)> {
        let Some(jobs) = self.endings.get(place) else { return Vec::new() };
        let start = after.map_or(Unbounded, Excluded);
        let named = |(ulid, tickets): (&Ulid, &BTreeSet<Ticket>)| match &self
            .by_ticket
            .get(tickets.first()?)?
            .wish
        {
            Wish::Ending { named, .. } => Some((*ulid, named.clone())),
            Wish::Jobs { .. } | Wish::Room(_) | Wish::Notices { .. } | Wish::Events(_) => None,
        };
        jobs.range((start, Unbounded)).filter_map(named).take(count).collect()
    }

    /// Up to `count` of those who wait for the end of a job, first come, first served.
    pub fn awaiting(&self, place: &Place, ulid: Ulid, count: usize) -> Vec<Handle> {
        let tickets = self.endings.get(place).and_then(|jobs| jobs.get(&ulid));
        let waiter = |ticket: &Ticket| self.by_ticket.get(ticket).map(|waiter| waiter.handle);
        let waiters = tickets.into_iter().flatten().filter_map(waiter);
        waiters.take(count).collect()
    }

    /// Takes a client out of all lines, if it still waits. O(log n) a queue.
    pub fn leave(&mut self, handle: Handle) -> Option<Waiter> {
        let ticket = self.by_handle.remove(&handle)?;
        let waiter = self.by_ticket.remove(&ticket)?;
        self.deadlines.remove(&(waiter.deadline.unwrap_or_default(), ticket));
        match &waiter.wish {
            Wish::Jobs { queues, take } => {
                let worker = &take.holder.worker;
                if let Some(tickets) = self.by_worker.get_mut(worker) {
                    tickets.remove(&ticket);
                    if tickets.is_empty() {
                        self.by_worker.remove(worker);
                    }
                }
                if let Some(lines) = self.lines.get_mut(&waiter.db) {
                    for queue in queues {
                        let Some(line) = lines.get_mut(queue) else { continue };
                        line.remove(&ticket);
                        let is_empty = line.is_empty();
                        if is_empty {
                            lines.remove(queue);
                        }
                        if self.lingers.of(waiter.db, queue) == Some(ticket) {
                            self.lingers.end(waiter.db, queue);
                            self.left.extend((!is_empty).then(|| (waiter.db, queue.clone())));
                        }
                    }
                }
            }
            Wish::Ending { queue, ulid, .. } => {
                let place = (waiter.db, queue.clone());
                if let Some(jobs) = self.endings.get_mut(&place) {
                    if let Some(tickets) = jobs.get_mut(ulid) {
                        tickets.remove(&ticket);
                        if tickets.is_empty() {
                            jobs.remove(ulid);
                        }
                    }
                    if jobs.is_empty() {
                        self.endings.remove(&place);
                    }
                }
            }
            Wish::Room(asking) => {
                let place = (waiter.db, asking.queue().into());
                if let Some(line) = self.publishers.get_mut(&place) {
                    line.remove(&ticket);
                    if line.is_empty() {
                        self.publishers.remove(&place);
                    } else {
                        // What was too little for this one may be enough for the next.
                        self.rooms.insert(place);
                    }
                }
            }
            Wish::Notices { queue, .. } => {
                let place = (waiter.db, queue.clone());
                if let Some(line) = self.messengers.get_mut(&place) {
                    line.remove(&ticket);
                    if line.is_empty() {
                        self.messengers.remove(&place);
                    }
                }
            }
            Wish::Events(reading) => {
                let place = (waiter.db, reading.queue.clone());
                if let Some(line) = self.readers.get_mut(&place) {
                    line.remove(&ticket);
                    if line.is_empty() {
                        self.readers.remove(&place);
                    }
                }
            }
        }
        Some(waiter)
    }

    /// When the first client stops waiting.
    pub fn first_deadline(&self) -> Option<UnixMillis> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Takes out a client that has waited long enough, and leaves for it what there is to tell.
    pub fn pop_expired(&mut self, now: UnixMillis) -> Expired {
        let Some(&(at, ticket)) = self.deadlines.first() else { return Expired::Nobody };
        let Some(waiter) = self.by_ticket.get(&ticket).filter(|_| at <= now) else {
            return Expired::Nobody;
        };
        let handle = waiter.handle;
        if self.lingers_before(waiter) {
            self.deadlines.remove(&(at, ticket));
            self.last_looks.push_back(ticket);
            return Expired::LooksLast;
        }
        match self.leave(handle).map(|gone| gone.wish) {
            Some(Wish::Ending { queue, named, .. }) => {
                self.keep_answer(ticket, Answer::NoEnding { queue, named });
            }
            Some(Wish::Room(asking)) => self.keep_answer(ticket, Answer::NoRoom(asking)),
            Some(Wish::Events(reading)) => self.keep_answer(ticket, Answer::Events(reading)),
            Some(Wish::Jobs { .. } | Wish::Notices { .. }) | None => {}
        }
        Expired::Told(handle)
    }

    /// Whether somebody, if only this one, waits for more jobs in a queue that it waits for.
    fn lingers_before(&self, waiter: &Waiter) -> bool {
        match &waiter.wish {
            _ if self.lingers.is_empty() => false,
            Wish::Jobs { queues, .. } => {
                queues.iter().any(|queue| self.lingers.of(waiter.db, queue).is_some())
            }
            Wish::Ending { .. } | Wish::Room(_) | Wish::Notices { .. } | Wish::Events(_) => false,
        }
    }

    /// A consumer whose time is over, and who may take what there is.
    pub fn pop_last_look(&mut self) -> Option<Ticket> {
        self.last_looks.pop_front()
    }

    /// Whether there is such a consumer.
    pub fn has_last_looks(&self) -> bool {
        !self.last_looks.is_empty()
    }

    /// Queues with jobs whose first consumer has left since this was asked last, and where others
    /// wait.
    pub fn take_left(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.left)
    }

    /// The queues, of one database or of all, for whose jobs or notices somebody waits.
    pub fn awaited(&self, db: Option<i32>) -> Vec<Place> {
        let lines = self.lines.iter().filter(|(at, _)| db.is_none_or(|db| **at == db));
        let jobs =
            lines.flat_map(|(&at, lines)| lines.keys().map(move |queue| (at, queue.clone())));
        let notices = self.messengers.keys().filter(|(at, _)| db.is_none_or(|db| *at == db));
        jobs.chain(notices.cloned()).collect()
    }

    /// The queues, of one database or of all, for the end of whose jobs somebody waits.
    pub fn awaited_endings(&self, db: Option<i32>) -> Vec<Place> {
        let places = self.endings.keys();
        places.filter(|(at, _)| db.is_none_or(|db| *at == db)).cloned().collect()
    }

    /// Takes a client out of all lines and leaves an answer for it: it is about to be woken.
    pub fn serve(&mut self, handle: Handle, answer: Answer) {
        if let Some(&ticket) = self.by_handle.get(&handle) {
            self.leave(handle);
            self.keep_answer(ticket, answer);
        }
    }

    /// Leaves an answer for a client that has been woken.
    pub fn keep_answer(&mut self, ticket: Ticket, answer: Answer) {
        self.answers.insert(ticket, answer);
    }

    /// Whether jobs are on their way to a connection that their leases are bound to.
    pub fn is_answering(&self, owner: Owner) -> bool {
        let is_to = |answer: &Answer| match answer {
            Answer::Jobs(deliveries) => deliveries.owner == Some(owner),
            _ => false,
        };
        self.answers.values().any(is_to)
    }

    /// What was left for a client, once.
    pub fn take_answer(&mut self, ticket: Ticket) -> Option<Answer> {
        self.answers.remove(&ticket)
    }
}
