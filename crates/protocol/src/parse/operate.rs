//! Changing, moving and removing jobs, and the queue's pauses and configuration.

use jobq_engine::{Action, Change, Millis, Revival, Side, Which};

use super::produce::due;
use crate::{
    args::Args,
    call::Call,
    error::{shown, BadArguments},
    range,
    settings::{self, SettingSpec},
};

/// `JQ.UPDATE queue id [option ...]`
pub fn update<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let job = args.id("id")?;
    let mut change = Change::default();
    while let Some(word) = args.word()? {
        match word {
            "BODY" => change.body = Some(args.value(word)?),
            "DELAY" | "AT" => change.due = Some(due(args, word, change.due.is_some())?),
            "PRIORITY" => change.priority = Some(args.integer(&range::PRIORITY)?),
            "TTL" => change.ttl = Some(args.span(&range::TTL)?),
            "TRIES" => change.tries = Some(args.integer(&range::TRIES)?),
            "IFVERSION" => change.if_version = Some(args.integer(&range::VERSION)?),
            _ => return Err(args.misplaced(word)),
        }
    }
    if (Change { if_version: None, ..change }) == Change::default() {
        return Err(args.syntax("nothing says what to change"));
    }
    Ok(Call::Act(Action::Update { job, change }))
}

/// `JQ.KICK queue (COUNT n | ID id [id ...] | ALL)`
pub fn kick<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    which(args).map(Action::Kick).map(Call::Act)
}

/// `JQ.RESPAWN queue (COUNT n | ID id [id ...] | ALL) [option ...]`
pub fn respawn<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let which = which(args)?;
    let mut revival = Revival::default();
    while let Some(word) = args.word()? {
        match word {
            "TRIES" => revival.tries = Some(args.integer(&range::TRIES)?),
            "TTL" => revival.ttl = Some(args.span(&range::TTL)?),
            "DELAY" => revival.delay = args.span(&range::DELAY)?,
            "COUNT" | "ID" | "ALL" => {
                return Err(args.syntax("COUNT, ID and ALL exclude each other"));
            }
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(Call::Act(Action::Respawn { which, revival }))
}

/// `JQ.DELETE queue id [id ...]`
pub fn delete<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    args.ids().map(Action::Delete).map(Call::Act)
}

/// `JQ.PURGE queue (delayed|ready|leased|completed|dead) [COUNT n]`
pub fn purge<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let state = args.state()?;
    let count = match args.word()? {
        Some("COUNT") => args.integer(&range::MOVED)?,
        Some(word) => return Err(args.misplaced(word)),
        None => u64::MAX,
    };
    Ok(Call::Act(Action::Purge { state, count }))
}

/// `JQ.PAUSE queue [IN|OUT|BOTH] [FOR ms]`
pub fn pause<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let mut side = None;
    let mut span = Millis::ZERO;
    while let Some(word) = args.word()? {
        match word {
            "IN" | "OUT" | "BOTH" if side.is_some() => {
                return Err(args.syntax("IN, OUT and BOTH exclude each other"));
            }
            "IN" => side = Some(Side::In),
            "OUT" => side = Some(Side::Out),
            "BOTH" => side = Some(Side::Both),
            "FOR" => span = args.span(&range::PAUSE)?,
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(Call::Act(Action::Pause { side: side.unwrap_or(Side::Both), span }))
}

/// `JQ.CONFIG queue (GET [name] | SET name value [name value ...])`
pub fn config<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    match args.word()? {
        Some("GET") => {
            let name = args.optional();
            name.map(|name| setting(args, name)).transpose().map(Call::ConfigGet)
        }
        Some("SET") => set(args),
        _ => Err(args.syntax("GET or SET is needed")),
    }
}

fn set<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let mut settings = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    let mut next = Some(args.value("SET")?);
    while let Some(name) = next {
        let spec = setting(args, name)?;
        if named.contains(&spec.name) {
            return Err(args.syntax(&format!("{} is given twice", spec.name)));
        }
        settings.push(spec.parse(args.value(spec.name)?)?);
        named.push(spec.name);
        next = args.optional();
    }
    Ok(Call::Act(Action::Configure(settings)))
}

fn setting(args: &Args<'_, '_>, name: &[u8]) -> Result<&'static SettingSpec, BadArguments> {
    settings::find(name).ok_or_else(|| {
        let names: Vec<&str> = settings::SETTINGS.iter().map(|spec| spec.name).collect();
        args.syntax(&format!("{} is no setting, these are: {}", shown(name), names.join(" ")))
    })
}

/// Reads which jobs are meant.
fn which<'a>(args: &mut Args<'a, '_>) -> Result<Which<'a>, BadArguments> {
    match args.word()? {
        Some("COUNT") => args.integer(&range::MOVED).map(Which::First),
        Some("ID") => args.ids().map(Which::Ids),
        Some("ALL") => Ok(Which::First(u64::MAX)),
        Some(word) => Err(args.misplaced(word)),
        None => Err(args.syntax("nothing says which jobs")),
    }
}
