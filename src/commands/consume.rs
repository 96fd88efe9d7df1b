//! `JQ.CONSUME`: takes jobs that are there, or waits for one.

use std::{cell::Cell, rc::Rc};

use jobq_engine::{Consume, Holder, Millis, Owner, Queue, Slot, Token};
use jobq_protocol::{ConsumeCall, ErrorWord};
use rand::Rng;
use redis_module::raw::RedisModuleString;

use super::Arguments;
use crate::{
    blocking, clock, details, keyspace, registry,
    reply::{self, Body},
    server::{Context, Flags},
    visit::{self, Denied, Wanted},
    waiters::{Take, Waiter, Wish},
    workers,
};

/// Answers with jobs, with nothing, or later.
pub fn consume(context: Context, arguments: &Arguments<'_>, call: &ConsumeCall<'_>) {
    let flags = context.flags();
    if flags.is_decided() {
        return reply::denied(context, &Denied::ReadOnly);
    }
    let own_name = match call.consume.holder.worker {
        b"" => workers::own_name(context, flags),
        _ => None,
    };
    let worker = own_name.as_deref().unwrap_or(call.consume.holder.worker);
    let holder = Holder { worker, ..call.consume.holder };
    let keys = Keys { arguments, queues: call.queues.len() };
    let is_queue = |place| keyspace::read(context, keys.at(place), |_| ()).is_ok();
    // All of them before the first is taken from; a single one is checked as it is opened.
    if keys.queues > 1 && !(0..keys.queues).all(is_queue) {
        return reply::denied(context, &Denied::WrongType);
    }
    let Ok(bond) = bond(context, call) else {
        let prose = "BIND needs a connection, and a script has none";
        return reply::error(context, ErrorWord::NoPerm, prose);
    };
    let block = call.block.filter(|_| !flags.denies_blocking());
    if workers::see(context, flags, worker, &call.queues).is_some() {
        // As if all were paused. Who may wait stands in no line.
        return match block {
            Some(span) => wait(context, &keys, (call, &holder), (bond, &[]), span),
            None => context.reply_null_array(),
        };
    }
    match take(context, flags, &keys, (call, &holder), bond, block.is_some()) {
        Err(denied) => reply::denied(context, &denied),
        Ok(0) => match block {
            Some(span) => wait(context, &keys, (call, &holder), (bond, &call.queues), span),
            None => context.reply_null_array(),
        },
        Ok(_) => {}
    }
}

/// What the leases are to be bound to, and how long they outlive it. The server does not tell a script
/// who runs it.
fn bond(context: Context, call: &ConsumeCall<'_>) -> Result<Option<(Owner, Millis)>, NoConnection> {
    let Some(grace) = call.bind else { return Ok(None) };
    let owner = context.connection().ok_or(NoConnection)?;
    Ok(Some((owner, grace)))
}

/// There is no connection that a lease could be bound to.
struct NoConnection;

/// The keys of a consume: the first argument, and the last ones.
struct Keys<'k, 'a> {
    arguments: &'k Arguments<'a>,
    queues: usize,
}

impl Keys<'_, '_> {
    /// The key of the queue at this place.
    fn at(&self, place: usize) -> *mut RedisModuleString {
        match place {
            0 => self.arguments.queue(),
            _ => self.arguments.raw[self.arguments.raw.len() - self.queues + place],
        }
    }
}

/// Takes what is there, from one queue after the other, and answers with it. Tells how many jobs
/// there are; with none, nothing is answered yet. Who may wait takes none that another waits for, and
/// none where there are fewer than it waits for.
fn take(
    context: Context,
    flags: Flags,
    keys: &Keys<'_, '_>,
    (call, holder): (&ConsumeCall<'_>, &Holder<&[u8]>),
    bond: Option<(Owner, Millis)>,
    may_wait: bool,
) -> Result<usize, Denied> {
    let is_free = |place: usize| !may_wait || !is_waited_for(context, call.queues[place]);
    let mut least = call.gather.map_or(1, |gather| if may_wait { gather.min } else { 1 });
    if least > 1 && keys.queues > 1 {
        let mut there = 0;
        for place in (0..keys.queues).filter(|&place| is_free(place)) {
            let missing = (least as usize).saturating_sub(there);
            there += visit::count_takeable(context, flags, keys.at(place), missing)?;
        }
        if there < least as usize {
            return Ok(0);
        }
        least = 1;
    }
    let drawn = (!call.weights.is_empty()).then(|| draw_order(&call.weights));
    let mut taken = 0;
    for place in 0..keys.queues {
        let place = drawn.as_ref().map_or(place, |drawn| drawn[place]);
        let left = call.consume.count - taken as u32;
        if left == 0 {
            break;
        }
        if !is_free(place) {
            continue;
        }
        let consume = Consume { count: left, holder: holder.clone() };
        let wanted = Wanted { consume, least, bond };
        let command = keys.arguments.raw;
        let delivered = Cell::new(0);
        let deliver = |queue: &Queue, leased: &[(Slot, Token)]| {
            match (taken, keys.queues) {
                // The server keeps a place for a length that is told later, which costs more.
                (0, 1) => context.reply_array(leased.len()),
                (0, _) => context.begin_array(),
                _ => {}
            }
            for &(slot, token) in leased {
                let job = queue.job(slot);
                let details = call.details.then(|| details::besides_body(queue, job));
                let receipt = job.id().receipt(token);
                let body = Body::of(queue, job);
                reply::job(context, call.queues[place], &receipt, &body, details.as_ref());
            }
            delivered.set(leased.len());
        };
        match visit::consume(context, flags, keys.at(place), command, &wanted, deliver) {
            // What was taken is answered; the next call will meet the error again.
            Err(denied) if taken + delivered.get() == 0 => return Err(denied),
            _ => taken += delivered.get(),
        }
    }
    if taken > 0 && keys.queues > 1 {
        context.end_array(taken);
    }
    Ok(taken)
}

/// Whether somebody waits for more jobs in a queue while there are some.
fn is_waited_for(context: Context, queue: &[u8]) -> bool {
    let db = context.db();
    registry::with(|registry| registry.waiters.lingers.of(db, queue).is_some())
}

/// In which order the queues are asked, drawn by weight. O(q log q).
///
/// Drawn by giving each queue the key `ln(random) / weight` and sorting, largest first: the first
/// place goes to each queue in proportion to its weight, and so does every further one among those
/// left (Efraimidis and Spirakis 2006).
fn draw_order(weights: &[u32]) -> Vec<usize> {
    let mut generator = rand::rng();
    let keys: Vec<f64> =
        weights.iter().map(|&weight| generator.random::<f64>().ln() / f64::from(weight)).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| keys[b].total_cmp(&keys[a]));
    order
}

/// Has the client wait in the lines of these queues.
fn wait(
    context: Context,
    keys: &Keys<'_, '_>,
    (call, holder): (&ConsumeCall<'_>, &Holder<&[u8]>),
    (bond, lines): (Option<(Owner, Millis)>, &[&[u8]]),
    span: Millis,
) {
    let db = context.db();
    let mut keys: Vec<_> = (0..keys.queues).map(|place| keys.at(place)).collect();
    blocking::block(context, &mut keys, |handle| Waiter {
        handle,
        db,
        deadline: (!span.is_zero()).then(|| clock::now().after(span)),
        wish: Wish::Jobs {
            queues: lines.iter().map(|&queue| queue.into()).collect(),
            take: Rc::new(Take {
                count: call.consume.count,
                holder: holder.to_owned(),
                details: call.details,
                gather: call.gather,
                bond,
            }),
        },
    });
    if call.gather.is_some() {
        // There may be some jobs: then it is from now on that it waits for more of them.
        lines.iter().for_each(|queue| blocking::look_at(context, queue));
    }
}
