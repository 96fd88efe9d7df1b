//! `JQ.CONSUME`: takes jobs that are there, or waits for one.

use std::rc::Rc;

use jobq_engine::{Consume, Millis};
use jobq_protocol::ConsumeCall;
use rand::Rng;
use redis_module::raw::RedisModuleString;
use smallvec::SmallVec;

use super::Arguments;
use crate::{
    blocking, clock, details, keyspace, reply,
    server::{Context, Flags},
    visit::{self, Denied},
    waiters::{Take, Waiter, Wish},
};

/// Answers with jobs, with nothing, or later.
pub fn consume(context: Context, arguments: &Arguments<'_>, call: ConsumeCall<'_>) {
    let flags = context.flags();
    if flags.is_decided() {
        return reply::denied(context, &Denied::ReadOnly);
    }
    let mut keys = keys_of(arguments, &call);
    // All of them before the first is taken from; a single one is checked as it is opened.
    if keys.len() > 1 && keys.iter().any(|&key| keyspace::read(context, key, |_| ()).is_err()) {
        return reply::denied(context, &Denied::WrongType);
    }
    match take(context, flags, arguments, &keys, &call) {
        Err(denied) => reply::denied(context, &denied),
        Ok(0) => match call.block {
            Some(span) if !flags.denies_blocking() => {
                wait(context, &mut keys, &call, span);
            }
            _ => context.reply_null_array(),
        },
        Ok(_) => {}
    }
}

/// The keys in the order of the queues.
fn keys_of(
    arguments: &Arguments<'_>,
    call: &ConsumeCall<'_>,
) -> SmallVec<[*mut RedisModuleString; 4]> {
    let further = arguments.raw.len() + 1 - call.queues.len();
    std::iter::once(arguments.queue()).chain(arguments.raw[further..].iter().copied()).collect()
}

/// Takes what is there, from one queue after the other, and answers with it. Tells how many jobs
/// there are; with none, nothing is answered yet.
fn take(
    context: Context,
    flags: Flags,
    arguments: &Arguments<'_>,
    keys: &[*mut RedisModuleString],
    call: &ConsumeCall<'_>,
) -> Result<usize, Denied> {
    let mut taken = 0;
    for place in order(&call.weights, keys.len()) {
        let left = call.consume.count - taken as u32;
        if left == 0 {
            break;
        }
        let consume = Consume { count: left, holder: call.consume.holder.clone() };
        let result = visit::consume(
            context,
            flags,
            keys[place],
            arguments.raw,
            &consume,
            |queue, leased| {
                match (taken, keys.len()) {
                    // The server keeps a place for a length that is told later, which costs more.
                    (0, 1) => context.reply_array(leased.len()),
                    (0, _) => context.begin_array(),
                    _ => {}
                }
                for &(slot, token) in leased {
                    let job = queue.job(slot);
                    let details = call.details.then(|| details::besides_body(queue, job));
                    let receipt = job.id().receipt(token);
                    reply::job(context, call.queues[place], &receipt, &job.body, details.as_ref());
                }
                taken += leased.len();
            },
        );
        match result {
            // What was taken before is answered; the next call will meet the error again.
            Err(denied) if taken == 0 => return Err(denied),
            _ => {}
        }
    }
    if taken > 0 && keys.len() > 1 {
        context.end_array(taken);
    }
    Ok(taken)
}

/// In which order the queues are asked: as they were given, or drawn by weight. O(q log q).
///
/// Drawn by giving each queue the key `ln(random) / weight` and sorting, largest first: the first
/// place goes to each queue in proportion to its weight, and so does every further one among those
/// left (Efraimidis and Spirakis 2006).
fn order(weights: &[u32], queues: usize) -> SmallVec<[usize; 4]> {
    let mut order: SmallVec<[usize; 4]> = (0..queues).collect();
    if !weights.is_empty() {
        let mut generator = rand::rng();
        let keys: Vec<f64> = weights
            .iter()
            .map(|&weight| generator.random::<f64>().ln() / f64::from(weight))
            .collect();
        order.sort_by(|&a, &b| keys[b].total_cmp(&keys[a]));
    }
    order
}

fn wait(
    context: Context,
    keys: &mut [*mut RedisModuleString],
    call: &ConsumeCall<'_>,
    span: Millis,
) {
    let db = context.db();
    blocking::block(context, keys, |handle| Waiter {
        handle,
        db,
        deadline: (!span.is_zero()).then(|| clock::now().after(span)),
        wish: Wish::Jobs {
            queues: call.queues.iter().map(|&queue| queue.into()).collect(),
            take: Rc::new(Take {
                count: call.consume.count,
                holder: call.consume.holder.to_owned(),
                details: call.details,
            }),
        },
    });
}
