//! From an argument vector to a [`Call`]: one function for each command, in one file for each
//! family.

mod consume;
mod internal;
mod operate;
mod produce;
mod settle;

pub(crate) use produce::backoff;

use crate::{
    args::Args,
    call::{Call, DebugCall},
    command::{Command, CommandId},
    error::BadArguments,
};

/// Reads the arguments of `command`. `argv` begins with its name, which is not looked at. Nothing
/// is copied but the lists of references.
pub fn parse<'a>(command: &Command, argv: &[&'a [u8]]) -> Result<Call<'a>, BadArguments> {
    let mut args = Args::new(command, argv);
    let queue = args.value("queue")?;
    let call = match command.id {
        CommandId::Publish => produce::publish(&mut args),
        CommandId::MPublish => produce::publish_many(&mut args),
        CommandId::Consume => consume::consume(queue, &mut args),
        CommandId::Peek => consume::peek(&mut args),
        CommandId::Ack => settle::ack(&mut args),
        CommandId::Nack => settle::nack(&mut args),
        CommandId::Release => settle::release(&mut args),
        CommandId::Bury => settle::bury(&mut args),
        CommandId::Touch => settle::touch(&mut args),
        CommandId::Update => operate::update(&mut args),
        CommandId::Kick => operate::kick(&mut args),
        CommandId::Respawn => operate::respawn(&mut args),
        CommandId::Delete => operate::delete(&mut args),
        CommandId::Purge => operate::purge(&mut args),
        CommandId::Pause => operate::pause(&mut args),
        CommandId::Resume => Ok(Call::Resume),
        CommandId::Job => args.id().map(Call::Job),
        CommandId::Len => operate::len(&mut args),
        CommandId::Stats => Ok(Call::Stats),
        CommandId::Config => operate::config(&mut args),
        CommandId::Digest => Ok(Call::Digest),
        CommandId::Debug => debug(&mut args),
        CommandId::Tick => internal::tick(&mut args),
        CommandId::Lease => internal::lease(&mut args),
        CommandId::Load => internal::load(&mut args),
    }?;
    args.finish()?;
    Ok(call)
}

fn debug<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    match args.word()? {
        Some("PANIC") => Ok(Call::Debug(DebugCall::Panic)),
        _ => Err(args.syntax("nothing to do")),
    }
}

#[cfg(test)]
mod tests;
