//! `JQ.WORKERS`, `JQ.WORKER`, and who names himself in a `JQ.TOUCH`.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
};

use jobq_engine::{Action, Outcome, UnixMillis};
use jobq_protocol::{cursor, ErrorWord, WorkerCall, WorkerWish};
use redis_module::raw::RedisModuleString;

use super::Arguments;
use crate::{
    clock,
    details::{self, Value},
    keyspace, registry,
    reply::{self, NoQueue},
    roster::{Card, Worker, KEPT},
    server::{access::User, Context, Text},
    visit::{self, Denied},
    workers::{self, Held, Holdings},
};

/// Of one worker so many queues, waits and connections are told of.
const LISTED_MAX: usize = 100;

/// What a page was asked for.
struct Asked<'a> {
    context: Context,
    db: i32,
    now: UnixMillis,
    queue: Option<&'a [u8]>,
    user: Option<User>,
    /// Which queues may be told of, as far as that was asked.
    readable: HashMap<Box<[u8]>, bool>,
    /// What is held in those that were looked at.
    holdings: HashMap<Box<[u8]>, Holdings>,
}

/// What is told of a worker.
struct Row {
    name: Box<[u8]>,
    worker: Worker,
    holds: BTreeMap<Box<[u8]>, Held>,
    waits: Vec<(UnixMillis, Vec<Box<[u8]>>)>,
}

/// `JQ.WORKERS`
pub fn workers(
    context: Context,
    named: *mut RedisModuleString,
    queue: Option<&[u8]>,
    after: Option<&[u8]>,
    count: usize,
) {
    if queue.is_some() && keyspace::read(context, named, |_| ()).is_err() {
        return reply::denied(context, &Denied::WrongType);
    }
    if queue.is_none() && context.flags().sees_one_slot() {
        let prose = "in a transaction of a cluster this server shows only the queues of one slot";
        return reply::error(context, ErrorWord::CrossSlot, prose);
    }
    let mut asked = Asked {
        context,
        db: context.db(),
        now: clock::now(),
        queue,
        // The server has seen to a queue that is named.
        user: if queue.is_some() { None } else { User::of(context) },
        readable: HashMap::new(),
        holdings: HashMap::new(),
    };
    // Whose queues the user may not read is not told of, by a cursor either.
    let (mut rows, mut after, mut goes_on) = (Vec::new(), after.map(Box::from), true);
    while goes_on && rows.len() < count {
        let page;
        (page, goes_on) = candidates(&asked, after.as_deref(), count - rows.len());
        after = page.last().map(|row| row.name.clone());
        rows.extend(page.into_iter().filter_map(|mut row| asked.look(&mut row).then_some(row)));
    }
    let cursor = match rows.last() {
        Some(last) if goes_on => cursor::after_name(&last.name),
        _ => cursor::EDGE.to_vec(),
    };
    context.reply_array(2);
    context.reply_bytes(&cursor);
    context.reply_array(rows.len());
    rows.into_iter().for_each(|row| tell(context, row));
}

/// The next workers that may have to be told of, and whether there are more.
fn candidates(asked: &Asked<'_>, after: Option<&[u8]>, count: usize) -> (Vec<Row>, bool) {
    registry::with(|registry| {
        let mut rows = Vec::new();
        for (name, worker) in registry.roster.list(after) {
            let waits = registry.waiters.waits_of(name, asked.db);
            let concerns = match asked.queue {
                Some(queue) => worker.place(asked.db, queue).is_some(),
                None => worker.places(asked.db).next().is_some() || is_said_here(asked.db, worker),
            };
            if !concerns && waits.is_empty() {
                continue;
            }
            if rows.len() == count {
                return (rows, true);
            }
            let (worker, holds) = (worker.clone(), BTreeMap::new());
            rows.push(Row { name: name.into(), worker, holds, waits });
        }
        (rows, false)
    })
}

/// Whether a worker has named itself in this database, and was heard of nowhere else.
fn is_said_here(db: i32, worker: &Worker) -> bool {
    worker.is_nowhere() && worker.card.as_ref().is_some_and(|card| card.db == db)
}

impl Asked<'_> {
    /// Looks at what a worker holds and waits for. False if it is not to be told of.
    fn look(&mut self, row: &mut Row) -> bool {
        let db = self.db;
        let mut asks = false;
        let places: Vec<_> =
            row.worker.places(db).map(|(queue, at)| (Box::from(queue), at)).collect();
        for (queue, seen) in places {
            if !self.may_tell_of(&queue) {
                continue;
            }
            let is_known = self.queue.is_none() && row.worker.is_recent(self.now);
            asks |= is_known || seen.after(KEPT) > self.now;
            if let Some(held) = self.holdings(&queue).get(&row.name) {
                row.holds.insert(queue, *held);
            }
        }
        for (_, queues) in &mut row.waits {
            queues.retain(|queue| self.may_tell_of(queue));
        }
        row.waits.retain(|(_, queues)| !queues.is_empty());
        let connections = &mut row.worker.connections;
        connections.retain(|&connection| self.context.is_connected(connection));
        let is_connected = self.queue.is_none()
            && !row.worker.connections.is_empty()
            && (is_said_here(db, &row.worker)
                || row.worker.places(db).any(|(queue, _)| self.readable.get(queue) == Some(&true)));
        let is_new = is_said_here(db, &row.worker) && row.worker.is_recent(self.now);
        asks || is_connected || is_new || !row.holds.is_empty() || !row.waits.is_empty()
    }

    fn may_tell_of(&mut self, queue: &[u8]) -> bool {
        if let Some(only) = self.queue {
            return queue == only;
        }
        let Some(user) = &self.user else {
            self.readable.insert(queue.into(), true);
            return true;
        };
        if let Some(&may) = self.readable.get(queue) {
            return may;
        }
        let may = user.may_read(&Text::new(queue));
        self.readable.insert(queue.into(), may);
        may
    }

    fn holdings(&mut self, queue: &[u8]) -> &Holdings {
        if !self.holdings.contains_key(queue) {
            let found = workers::holdings(self.context, queue);
            self.holdings.insert(queue.into(), found);
        }
        &self.holdings[queue]
    }
}

fn tell(context: Context, row: Row) {
    let Row { name, worker, holds, waits } = row;
    let leases: usize = holds.values().map(|held| held.leases).sum();
    let fields = jobq_protocol::worker_fields::FIELDS;
    let card = worker.card.as_deref().cloned().unwrap_or_default();
    let bytes = |text: Option<&[u8]>| match text {
        Some(text) => context.reply_bytes(text),
        None => context.reply_null(),
    };
    context.reply_map(fields.len());
    for (field, _) in fields {
        context.reply_bytes(field.as_bytes());
        match *field {
            "name" => context.reply_bytes(&name),
            "since" => reply::value(context, &details::instant(worker.since)),
            "seen" => reply::value(context, &details::instant(worker.seen)),
            "leases" => context.reply_integer(leases as i64),
            "holds" => tell_holds(context, &holds),
            "waits" => tell_waits(context, &waits),
            "wish" => tell_wish(context, worker.wish),
            "connections" => tell_connections(context, &worker),
            "host" => bytes(card.host.as_deref()),
            "pid" => match card.pid {
                Some(pid) => context.reply_integer(pid as i64),
                None => context.reply_null(),
            },
            "labels" => {
                let label = |(name, value): &(Box<[u8]>, Box<[u8]>)| {
                    (name.to_vec().into(), value.to_vec().into())
                };
                let labels = card.labels.iter().map(label).collect();
                reply::value(context, &Value::Pairs(labels));
            }
            other => unreachable!("{other} is no field of a worker"),
        }
    }
}

fn tell_holds(context: Context, holds: &BTreeMap<Box<[u8]>, Held>) {
    context.reply_array(holds.len().min(LISTED_MAX));
    for (queue, held) in holds.iter().take(LISTED_MAX) {
        context.reply_array(4);
        context.reply_bytes(queue);
        context.reply_integer(held.leases as i64);
        context.reply_bytes(held.oldest.as_bytes());
        reply::value(context, &details::instant(Some(held.since)));
    }
}

fn tell_waits(context: Context, waits: &[(UnixMillis, Vec<Box<[u8]>>)]) {
    context.reply_array(waits.len().min(LISTED_MAX));
    for (since, queues) in waits.iter().take(LISTED_MAX) {
        context.reply_array(2);
        reply::value(context, &details::instant(Some(*since)));
        context.reply_array(queues.len().min(LISTED_MAX));
        queues.iter().take(LISTED_MAX).for_each(|queue| context.reply_bytes(queue));
    }
}

fn tell_connections(context: Context, worker: &Worker) {
    let latest = worker.latest.filter(|_| worker.connections.is_empty());
    let connections = worker.connections.iter().copied().chain(latest);
    let addresses = connections.filter_map(|connection| context.address_of(connection));
    let addresses: Vec<_> = addresses.take(LISTED_MAX).collect();
    context.reply_array(addresses.len());
    addresses.iter().for_each(|address| context.reply_bytes(address.as_bytes()));
}

fn tell_wish(context: Context, wish: Option<WorkerWish>) {
    match wish {
        None => context.reply_null(),
        Some(WorkerWish::Quiet) => context.reply_status(c"QUIET"),
        Some(WorkerWish::Stop) => context.reply_status(c"STOP"),
    }
}

/// `JQ.WORKER`
pub fn worker(context: Context, call: &WorkerCall<'_>) {
    match call {
        WorkerCall::Wish { name, wish } => {
            context.reply_integer(workers::wish(context, name, *wish).into());
        }
        WorkerCall::Set { name, host, pid, labels } => {
            let Some(connection) = context.connection() else {
                let prose = "JQ.WORKER SET needs a connection, and a script has none";
                return reply::error(context, ErrorWord::NoPerm, prose);
            };
            if Context::has_no_memory() {
                // A wish needs none, and may have to be made just then.
                return reply::denied(context, &Denied::NoMemory);
            }
            let own = |(name, value): &(&[u8], &[u8])| ((*name).into(), (*value).into());
            let labels = labels.iter().map(own).collect();
            let card = Card { db: context.db(), host: host.map(Into::into), pid: *pid, labels };
            let now = clock::now();
            let wish = registry::with(|registry| registry.roster.set(name, now, connection, card));
            tell_wish(context, wish);
        }
    }
}

/// `JQ.TOUCH … WORKER name`
pub fn touch(context: Context, arguments: &Arguments<'_>, action: &Action<'_>, worker: &[u8]) {
    let flags = context.flags();
    let wish =
        if flags.is_decided() { None } else { workers::see_named(context, flags, worker, &[]) };
    let begin = |jobs: usize| context.reply_array(jobs + 1);
    let is_answered = Cell::new(false);
    let done = visit::perform(context, arguments.raw, action, |_, outcome| {
        let Outcome::Touched(leases) = outcome else { return };
        is_answered.set(true);
        begin(leases.len());
        reply::touched(context, leases);
        tell_wish(context, wish);
    });
    match (done, NoQueue::of(action)) {
        (Ok(None), NoQueue::Nulls(jobs)) => {
            begin(jobs);
            (0..jobs).for_each(|_| context.reply_null());
            tell_wish(context, wish);
        }
        (Err(denied), _) if !is_answered.get() => reply::denied(context, &denied),
        _ => {}
    }
}
