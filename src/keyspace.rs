//! Queues in the keyspace.

use std::ptr::NonNull;

use jobq_engine::{Bond, Ending, Job, JobRef, Millis, Name, Owner, Queue, Ulid, UnixMillis};
use redis_module::raw::RedisModuleString;

use crate::{
    bonds, endings, registry,
    server::{text::bytes_of, Context, Key, Mode},
    stored::Stored,
};

/// What is in a key.
#[derive(Clone, Copy)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A queue.
    Queue(NonNull<Stored>),
    /// A value of another type.
    Other,
}

/// Tells what is in a key.
pub fn find(key: &Key) -> Found {
    let kind = registry::with(|registry| registry.kind);
    match key.value(kind) {
        Some(stored) => Found::Queue(stored),
        None if key.is_empty() => Found::Nothing,
        None => Found::Other,
    }
}

/// Puts a queue into an empty key that is open for writing.
pub fn create(key: &Key, stored: Stored) -> NonNull<Stored> {
    let kind = registry::with(|registry| registry.kind);
    key.set(kind, Box::new(stored))
}

/// Lets `body` look at a queue. `Ok(None)` if there is none.
pub fn read<R>(
    context: Context,
    name: *mut RedisModuleString,
    body: impl FnOnce(&Queue) -> R,
) -> Result<Option<R>, WrongType> {
    let Some(key) = Key::open(context, name, Mode::Read) else { return Ok(None) };
    match find(&key) {
        Found::Nothing => Ok(None),
        Found::Other => Err(WrongType),
        Found::Queue(mut stored) => {
            // SAFETY: the key is open, and nothing else refers to its value meanwhile; the server
            // lends the name for the length of the command.
            let (stored, name) = unsafe { (stored.as_mut(), bytes_of(name)) };
            stored.list(context.db(), name);
            Ok(Some(body(&stored.queue)))
        }
    }
}

/// How it stands with a job that somebody wants to see the end of.
pub enum Watched {
    /// It is watched from now on.
    Unfinished(Ulid),
    /// It has ended.
    Ended(Ending),
    /// The queue does not have it.
    NoJob,
    /// There is no queue.
    NoQueue,
}

/// Begins to watch a job, if it is there, is the one that is meant, and has not ended.
pub fn watch(
    context: Context,
    name: *mut RedisModuleString,
    job: &JobRef<'_>,
    is_meant: impl FnOnce(&Job) -> bool,
) -> Result<Watched, WrongType> {
    let Some(key) = Key::open(context, name, Mode::Read) else { return Ok(Watched::NoQueue) };
    match find(&key) {
        Found::Nothing => Ok(Watched::NoQueue),
        Found::Other => Err(WrongType),
        Found::Queue(mut stored) => {
            // SAFETY: as in `read`, though this changes the value: who watches is no part of what the
            // queue is.
            let (stored, name) = unsafe { (stored.as_mut(), bytes_of(name)) };
            stored.list(context.db(), name);
            let queue = &mut stored.queue;
            let Some(slot) = queue.find(job).filter(|&slot| is_meant(queue.job(slot))) else {
                return Ok(Watched::NoJob);
            };
            Ok(match endings::of(queue.job(slot)) {
                Some(ending) => Watched::Ended(ending),
                None => {
                    queue.watch(slot);
                    Watched::Unfinished(queue.job(slot).ulid)
                }
            })
        }
    }
}

/// Leases whose connection has closed.
pub struct Orphans {
    /// Receipts of some that are over, in the order of their deliveries.
    pub over: Vec<Name>,
    /// When to ask again, if there are more.
    pub next: Option<UnixMillis>,
    /// Whether that is a failed attempt in this queue.
    pub counts: bool,
}

/// Some leases that are bound to a connection which has closed, the last ones first: so each of many
/// steps puts its jobs before those of the step before. `Ok(None)` if there is no queue.
pub fn orphans(
    context: Context,
    name: *mut RedisModuleString,
    owner: Owner,
    ends: impl Fn(Millis) -> UnixMillis,
    now: UnixMillis,
) -> Result<Option<Orphans>, WrongType> {
    let Some(key) = Key::open(context, name, Mode::Read) else { return Ok(None) };
    match find(&key) {
        Found::Nothing => Ok(None),
        Found::Other => Err(WrongType),
        Found::Queue(mut stored) => {
            // SAFETY: as in `watch`: what is bound is no part of what the queue is either.
            let queue = unsafe { &mut stored.as_mut().queue };
            queue.orphan(owner);
            let mut over: Vec<Bond> = Vec::new();
            let mut next: Option<UnixMillis> = None;
            for bond in queue.bound_to(owner).rev() {
                let at = ends(bond.grace);
                if at > now {
                    next = Some(next.map_or(at, |next| next.min(at)));
                } else if over.len() < bonds::STEP_MAX {
                    over.push(bond);
                } else {
                    next = Some(now);
                    break;
                }
            }
            let receipt = |bond: &Bond| queue.job(bond.slot).id().receipt(bond.token);
            let over = over.iter().rev().map(receipt).collect();
            Ok(Some(Orphans { over, next, counts: queue.config().bind_counts }))
        }
    }
}

/// Something else than a queue is in the key.
#[derive(Clone, Copy, Debug)]
pub struct WrongType;
