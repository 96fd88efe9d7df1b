//! Commands that only look. They see a queue as of its last tick, and replicas serve them too.

use jobq_engine::{Config, JobRef, Queue, StateKind};
use jobq_protocol::{SettingSpec, SETTINGS};
use redis_module::raw::RedisModuleString;

use super::Arguments;
use crate::{keyspace, reply, server::Context, visit::Denied};

/// `JQ.PEEK`
pub fn peek(context: Context, arguments: &Arguments<'_>, count: u32) {
    let show = |queue: &Queue| {
        let jobs = queue.peek(count as usize);
        if jobs.is_empty() {
            return context.reply_null_array();
        }
        context.reply_array(jobs.len());
        for slot in jobs {
            let job = queue.job(slot);
            reply::job(context, arguments.bytes[1], &job.id().text(), &job.body);
        }
    };
    look(context, arguments.queue(), show, || context.reply_null_array());
}

/// `JQ.JOB`
pub fn job(context: Context, queue: *mut RedisModuleString, job: &JobRef<'_>) {
    let show = |queue: &Queue| match queue.find(job) {
        Some(slot) => reply::details(context, queue, queue.job(slot)),
        None => context.reply_null(),
    };
    look(context, queue, show, || context.reply_null());
}

/// `JQ.LEN`
pub fn len(context: Context, queue: *mut RedisModuleString, state: Option<StateKind>) {
    let count = |queue: &Queue| state.map_or(queue.len(), |state| queue.len_of(state));
    look(
        context,
        queue,
        |queue| context.reply_integer(count(queue) as i64),
        || context.reply_integer(0),
    );
}

/// `JQ.STATS`
pub fn stats(context: Context, queue: *mut RedisModuleString) {
    look(context, queue, |queue| reply::stats(context, queue), || context.reply_null());
}

/// `JQ.CONFIG GET`; of a queue that does not exist, what it would have.
pub fn config(
    context: Context,
    queue: *mut RedisModuleString,
    setting: Option<&'static SettingSpec>,
) {
    let show = |config: &Config| {
        let settings = setting.map_or(SETTINGS, std::slice::from_ref);
        context.reply_map(settings.len());
        for setting in settings {
            context.reply_bytes(setting.name.as_bytes());
            context.reply_bytes(setting.read(config).as_bytes());
        }
    };
    look(context, queue, |queue| show(queue.config()), || show(&Config::default()));
}

/// `JQ.DIGEST`
pub fn digest(context: Context, queue: *mut RedisModuleString) {
    let show = |queue: &Queue| context.reply_bytes(queue.digest().to_string().as_bytes());
    look(context, queue, show, || context.reply_null());
}

fn look(
    context: Context,
    queue: *mut RedisModuleString,
    show: impl FnOnce(&Queue),
    otherwise: impl FnOnce(),
) {
    match keyspace::read(context, queue, show) {
        Ok(Some(())) => {}
        Ok(None) => otherwise(),
        Err(keyspace::WrongType) => reply::denied(context, &Denied::WrongType),
    }
}
