//! From an argument vector to a [`Call`]: one function for each command, in one file for each
//! family.

mod consume;
mod inspect;
mod internal;
mod operate;
mod produce;
mod schedule;
mod settle;
mod subscribe;
mod worker;

pub(crate) use consume::WORKER_BYTES_MAX;
pub(crate) use produce::{backoff, batch_key, group, retain};

use jobq_engine::Action;

use crate::{
    args::Args,
    call::Call,
    command::{Command, CommandId},
    error::BadArguments,
};

/// Reads the arguments of `command`. `argv` begins with its name, which is not looked at. Nothing
/// is copied but the lists of references.
pub fn parse<'a>(command: &Command, argv: &[&'a [u8]]) -> Result<Call<'a>, BadArguments> {
    let mut args = Args::new(command, argv);
    let has_queue = command.keys.has_first(argv);
    let queue = if has_queue { args.value("queue")? } else { b"" };
    let call = match command.id {
        // Those that are sent for every job read to the end by themselves: a call is large, and not
        // moved from here.
        CommandId::Publish => return produce::publish(queue, &mut args),
        CommandId::MPublish => return produce::publish_many(queue, &mut args),
        CommandId::Call => return produce::call(queue, &mut args),
        CommandId::Consume => return consume::consume(queue, &mut args),
        CommandId::Ack => return settle::ack(&mut args),
        CommandId::Peek => inspect::peek(&mut args),
        CommandId::Fulfill => settle::fulfill(&mut args),
        CommandId::Nack => settle::nack(&mut args),
        CommandId::Release => settle::release(&mut args),
        CommandId::Bury => settle::bury(&mut args),
        CommandId::Touch => settle::touch(&mut args),
        CommandId::Subscribe => subscribe::subscribe(&mut args),
        CommandId::Unsubscribe => subscribe::unsubscribe(&mut args),
        CommandId::Notices => subscribe::notices(&mut args),
        CommandId::Delivered => subscribe::delivered(&mut args),
        CommandId::Update => operate::update(&mut args),
        CommandId::Kick => operate::kick(&mut args),
        CommandId::Respawn => operate::respawn(&mut args),
        CommandId::Delete => operate::delete(&mut args),
        CommandId::Cancel => args.id("id").map(Action::Cancel).map(Call::Act),
        CommandId::Purge => operate::purge(&mut args),
        CommandId::Pause => operate::pause(&mut args),
        CommandId::Resume => Ok(Call::Act(Action::Resume)),
        CommandId::Job => inspect::job(&mut args),
        CommandId::List => inspect::list(&mut args),
        CommandId::Result => inspect::result(&mut args),
        CommandId::Len => inspect::len(&mut args),
        CommandId::Stats => inspect::stats(&mut args),
        CommandId::Events => inspect::events(&mut args),
        CommandId::Gate => operate::gate(&mut args),
        CommandId::Batch => operate::batch(&mut args),
        CommandId::Config => operate::config(&mut args),
        CommandId::Limit => operate::limit(&mut args),
        CommandId::Schedule => schedule::schedule(&mut args),
        CommandId::Digest => Ok(Call::Digest),
        CommandId::Queues => inspect::queues(&mut args),
        CommandId::Workers => worker::workers(has_queue.then_some(queue), &mut args),
        CommandId::Worker => worker::worker(&mut args),
        CommandId::Debug => internal::debug(&mut args),
        CommandId::Apply => internal::apply(queue, &mut args),
        CommandId::Load => internal::load(&mut args),
    }?;
    args.finish()?;
    Ok(call)
}

/// Finds a text that is there twice. By sorting, since a client may send very many.
fn repeated<'a>(texts: &[&'a [u8]]) -> Option<&'a [u8]> {
    if texts.len() == 1 {
        return None;
    }
    let mut sorted = texts.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

#[cfg(test)]
mod tests;
