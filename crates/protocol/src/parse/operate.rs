//! Changing, moving and removing jobs, and the queue's pauses and configuration.

use jobq_engine::{
    Action, BatchOrder, Change, Millis, Permits, Rate, Revival, Side, Which, EACH_GROUP,
    WHOLE_QUEUE,
};

use super::produce::{batch_key, due, gate_name, limit_name};
use crate::{
    args::Args,
    call::Call,
    error::{shown, BadArguments},
    range,
    settings::{self, SettingName},
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

/// `JQ.PURGE queue state [COUNT n]`
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

/// `JQ.GATE queue (OPEN name [name ...] | CLOSE name [name ...] | LIST)`
pub fn gate<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let opens = match args.word()? {
        Some("LIST") => return Ok(Call::Gates),
        Some("OPEN") => true,
        Some("CLOSE") => false,
        _ => return Err(args.syntax("OPEN, CLOSE or LIST is needed")),
    };
    let names: Vec<_> = args.remaining("name")?.to_vec();
    names.iter().try_for_each(|name| gate_name(name))?;
    Ok(Call::Act(Action::Gate { opens, names }))
}

/// `JQ.BATCH queue (FIRE key | RUN key | BURY key | DELETE key | LIST)`
pub fn batch<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let word = args.word()?.unwrap_or_default();
    if word == "LIST" {
        return Ok(Call::Batches);
    }
    let Some(order) = BatchOrder::ALL.into_iter().find(|order| order.name() == word) else {
        return Err(args.syntax("FIRE, RUN, BURY, DELETE or LIST is needed"));
    };
    let key = batch_key(args.value(word)?)?;
    Ok(Call::Act(Action::Batch { key, order }))
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
    let mut named: Vec<Vec<u8>> = Vec::new();
    let mut next = Some(args.value("SET")?);
    while let Some(name) = next {
        let setting = setting(args, name)?;
        let full = match setting {
            SettingName::Plain(spec) => spec.name.into(),
            SettingName::Keyed(spec, key) => spec.name_for(key),
        };
        let shown = String::from_utf8_lossy(&full).into_owned();
        if named.contains(&full) {
            return Err(args.syntax(&format!("{} is given twice", shown.escape_default())));
        }
        settings.push(setting.parse(args.value(&shown)?)?);
        named.push(full);
        next = args.optional();
    }
    Ok(Call::Act(Action::Configure(settings)))
}

fn setting<'a>(args: &Args<'_, '_>, name: &'a [u8]) -> Result<SettingName<'a>, BadArguments> {
    settings::find_name(name).ok_or_else(|| {
        let plain = settings::SETTINGS.iter().map(|spec| spec.name.to_owned());
        let keyed = settings::KEYED_SETTINGS.iter().map(|spec| format!("{}<key>", spec.name));
        let names: Vec<String> = plain.chain(keyed).collect();
        args.syntax(&format!("{} is no setting, these are: {}", shown(name), names.join(" ")))
    })
}

/// `JQ.LIMIT queue (SET name [CONCURRENCY n | UNLIMITED] [RATE n PER ms] | DEL name | LIST)`
pub fn limit<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    match args.word()? {
        Some("SET") => {
            let name = any_limit(args.value("SET")?)?;
            let permits = Some(permits(args)?);
            Ok(Call::Act(Action::Limit { name, permits }))
        }
        Some("DEL") => {
            let name = any_limit(args.value("DEL")?)?;
            Ok(Call::Act(Action::Limit { name, permits: None }))
        }
        Some("LIST") => Ok(Call::Limits),
        _ => Err(args.syntax("SET, DEL or LIST is needed")),
    }
}

/// Reads the name of a limit, also of one that no publisher names.
fn any_limit(name: &[u8]) -> Result<&[u8], BadArguments> {
    match name {
        WHOLE_QUEUE | EACH_GROUP => Ok(name),
        _ => limit_name("JQ.LIMIT", name),
    }
}

fn permits(args: &mut Args<'_, '_>) -> Result<Permits, BadArguments> {
    let mut permits = Permits::default();
    let mut is_said = false;
    while let Some(word) = args.word()? {
        match word {
            "CONCURRENCY" | "UNLIMITED" if std::mem::replace(&mut is_said, true) => {
                return Err(args.syntax("CONCURRENCY and UNLIMITED exclude each other"));
            }
            "CONCURRENCY" => permits.concurrency = Some(args.integer(&range::CONCURRENCY)?),
            "UNLIMITED" => {}
            "RATE" => {
                let tokens = args.integer(&range::RATE)?;
                if args.word()? != Some("PER") {
                    return Err(args.syntax("RATE needs PER"));
                }
                permits.rate = Some(Rate { tokens, per: args.span(&range::PER)? });
            }
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(permits)
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
