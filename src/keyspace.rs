//! Queues in the keyspace.

use std::ptr::NonNull;

use jobq_engine::Queue;
use redis_module::raw::RedisModuleString;

use crate::{
    registry,
    server::{Context, Key, Mode},
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
        _ if key.is_empty() => Found::Nothing,
        Some(stored) => Found::Queue(stored),
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
        // SAFETY: the key is open, and a look changes nothing.
        Found::Queue(stored) => Ok(Some(body(unsafe { &stored.as_ref().queue }))),
    }
}

/// Something else than a queue is in the key.
#[derive(Clone, Copy, Debug)]
pub struct WrongType;
