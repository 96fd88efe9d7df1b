//! `JQ.QUEUES`: which queues there are. Replicas serve it too.

use jobq_engine::glob;
use jobq_protocol::cursor;

use crate::{
    blocking,
    keyspace::{self, Found},
    registry,
    server::{Context, Key, Mode, Text},
};

/// Looks at up to `count` names of the selected database behind `after`, and answers with those of
/// the pattern's form, and with where to go on.
pub fn queues(context: Context, pattern: Option<&[u8]>, after: Option<&[u8]>, count: usize) {
    let db = context.db();
    let page = registry::with(|registry| registry.names.list(db, after, count));
    let cursor = match page.names.last() {
        Some(last) if page.goes_on => cursor::after_name(last),
        _ => cursor::EDGE.to_vec(),
    };
    let mut names = page.names;
    names.retain(|name| {
        pattern.is_none_or(|pattern| glob::matches(pattern, name)) && is_queue(context, name)
    });
    context.reply_array(2);
    context.reply_bytes(&cursor);
    context.reply_array(names.len());
    for name in names {
        context.reply_bytes(&name);
    }
}

/// Whether a name that the registry knows is still that of a queue.
fn is_queue(context: Context, name: &[u8]) -> bool {
    if context.flags().sees_one_slot() {
        // No look would tell.
        return true;
    }
    let text = Text::new(name);
    let key = Key::open(context, text.raw(), Mode::Peek);
    let is_queue = key.is_some_and(|key| matches!(keyspace::find(&key), Found::Queue(_)));
    if !is_queue {
        // It may only look like that: to a replica, or while clients are paused, a key that is
        // over its time is gone, and it may come back. The timer can tell.
        blocking::look_at(context, name);
    }
    is_queue
}
