//! What the log and replicas are told.

use jobq_engine::{Action, Haste, Verdict};
use smallvec::smallvec;

use super::parse;
use crate::{
    args::Args,
    call::{Call, DebugCall},
    error::{shown, BadArguments},
    range,
    steps::unpack,
    table::find,
};

/// `JQ.DEBUG queue (PANIC [ANSWERED] | LAPSE id [id ...] | DUE id [id ...] | ADVANCE ms | REFUSE n)`
pub fn debug<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let haste = match args.word()? {
        Some("PANIC") => {
            let is_answered = args.next_word() == Some("ANSWERED") && args.word()?.is_some();
            return Ok(Call::Debug(DebugCall::Panic { is_answered }));
        }
        Some("ADVANCE") => {
            return args.span(&range::ADVANCE).map(DebugCall::Advance).map(Call::Debug);
        }
        Some("REFUSE") => {
            return args.integer(&range::REFUSE).map(DebugCall::Refuse).map(Call::Debug);
        }
        Some("LAPSE") => Haste::Lapse,
        Some("DUE") => Haste::Due,
        _ => return Err(args.syntax("nothing to do")),
    };
    Ok(Call::Act(Action::Hasten { jobs: args.ids()?, haste }))
}

/// `JQ.APPLY queue steps [command queue [argument ...]]`
pub fn apply<'a>(queue: &[u8], args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let steps = unpack(args.value("steps")?)?;
    let argv = args.rest();
    let commands = steps.iter().filter(|step| step.is_command()).count();
    if commands != usize::from(!argv.is_empty()) {
        return Err(args.syntax("the steps do not go with the command behind them"));
    }
    let Some(name) = argv.first() else {
        return Ok(Call::Apply { steps, asked: None, beside: None });
    };
    let refused = || args.syntax(&format!("{} cannot stand there", shown(name)));
    let command = find(name).filter(|command| !command.internal && argv.get(1) == Some(&queue));
    match parse(command.ok_or_else(refused)?, argv)? {
        Call::Act(action) => Ok(Call::Apply { steps, asked: Some(action), beside: None }),
        // Whether it would have waited is no part of what was done.
        Call::PublishOrWait { publish, .. } => {
            Ok(Call::Apply { steps, asked: Some(Action::Publish(publish)), beside: None })
        }
        Call::Notices { count, ttr, .. } => {
            let asked = Some(Action::TakeNotices { count, ttr });
            Ok(Call::Apply { steps, asked, beside: None })
        }
        Call::Chain { done, to, next } if to == queue => {
            let asked = Some(Action::Chain { done, publish: next });
            Ok(Call::Apply { steps, asked, beside: None })
        }
        Call::Chain { done, to, next } => {
            let asked = Some(Action::Settle { jobs: smallvec![done], verdict: Verdict::Ack });
            Ok(Call::Apply { steps, asked, beside: Some(Box::new((to, Action::Publish(*next)))) })
        }
        // Nor is who it was.
        Call::TouchAs { action, .. } => {
            Ok(Call::Apply { steps, asked: Some(action), beside: None })
        }
        _ => Err(refused()),
    }
}

/// `JQ.LOAD queue frame`
pub fn load<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    Ok(Call::Load { frame: args.value("frame")? })
}
