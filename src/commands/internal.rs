//! Commands of the log: what the primary decided, repeated.

use jobq_engine::{Action, Corrupt, Loader};
use jobq_protocol::{steps::Step, ErrorWord};
use redis_module::raw::RedisModuleString;

use super::Arguments;
use crate::{
    keyspace::{self, Found},
    registry, reply,
    server::{Context, Key, Mode, Text},
    stored::Stored,
    visit,
};

/// `JQ.APPLY`
pub fn apply<'a>(
    context: Context,
    queue: *mut RedisModuleString,
    steps: &[Step<'a>],
    asked: Option<Action<'a>>,
    beside: Option<Box<(&[u8], Action<'a>)>>,
) {
    let done =
        visit::repeat_steps(context, queue, steps, asked).and_then(|()| match beside.as_deref() {
            Some((other, action)) => visit::repeat_beside(context, &Text::new(other), action),
            None => Ok(()),
        });
    match done {
        Ok(()) => context.reply_status(c"OK"),
        Err(denied) => reply::denied(context, &denied),
    }
}

/// `JQ.LOAD`: a piece of a queue from a rewritten append-only file. The key appears with the last
/// piece, so a file that ends early does not leave half a queue.
pub fn load(context: Context, arguments: &Arguments<'_>, frame: &[u8]) {
    let place = (context.db(), Box::from(arguments.bytes[1]));
    let begun = registry::with(|registry| registry.loading.remove(&place));
    let loader = match begun {
        None => Loader::new(frame),
        Some(mut loader) => loader.push(frame).map(|()| loader),
    };
    let finished = loader.and_then(|loader| {
        if !loader.is_complete() {
            registry::with(|registry| registry.loading.insert(place.clone(), loader));
            return Ok(());
        }
        let key = Key::open(context, arguments.queue(), Mode::Write);
        let key = key.filter(|key| matches!(keyspace::find(key), Found::Nothing));
        let key = key.ok_or(Corrupt::Value("key, which is there already"))?;
        let mut stored = Stored::new(loader.finish()?);
        stored.file(place.0, &place.1);
        registry::with(|registry| registry.has_history = true);
        keyspace::create(&key, stored);
        Ok(())
    });
    match finished {
        Ok(()) => {
            context.replicate_verbatim();
            context.reply_status(c"OK");
        }
        Err(corrupt) => reply::error(context, ErrorWord::Corrupt, &corrupt.to_string()),
    }
}
