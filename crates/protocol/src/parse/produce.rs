//! Publishing.

use jobq_engine::{
    distant::{self, Distant},
    gates, id, uses, Action, Backoff, Bodies, Conditions, Due, IfDead, JobId, JobRef, LimitName,
    Millis, Otherwise, Publish, Retain, Unique, UnixMillis, Until, Use, BATCH_KEY_BYTES_MAX,
    GROUP_BYTES_MAX, UNIQUE_BYTES_MAX,
};

use super::repeated;
use crate::{
    args::{job_ref, Args},
    call::Call,
    error::{shown, BadArguments, ErrorWord},
    range,
};

/// The longest name of a type, in bytes.
pub const TYPE_BYTES_MAX: usize = 256;

/// `JQ.PUBLISH queue body [option ...]`
pub fn publish<'a>(queue: &[u8], args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let body = args.value("body")?;
    options(queue, args, Bodies::One(body))
}

/// `JQ.MPUBLISH queue n body [body ...] [option ...]`
pub fn publish_many<'a>(queue: &[u8], args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let n = args.integer(&range::BODIES)?;
    let bodies = args.values(n, format_args!("n is {n}"))?.to_vec();
    options(queue, args, Bodies::Many(bodies))
}

/// `JQ.CALL queue body [option ...] WAIT ms`
pub fn call<'a>(queue: &[u8], args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let body = args.value("body")?;
    match options(queue, args, Bodies::One(body))? {
        Call::PublishOrWait { publish, span, place } => {
            Ok(Call::PublishAndWait { publish, span, place })
        }
        _ => Err(args.syntax("WAIT is needed")),
    }
}

/// The table has no `ID`, no `UNIQUE` and no `REPLACES` for `JQ.MPUBLISH`, so the words do not come
/// up there.
fn options<'a>(
    queue: &[u8],
    args: &mut Args<'a, '_>,
    bodies: Bodies<'a>,
) -> Result<Call<'a>, BadArguments> {
    let mut publish = Publish::new(bodies);
    let mut block = None;
    let mut if_dead = None;
    while let Some(word) = args.word()? {
        match word {
            "ID" => publish.id = Some(given_id(args.value(word)?)?),
            "DELAY" | "AT" => publish.due = due(args, word, publish.due != Due::Now)?,
            "DEADLINE" => {
                publish.deadline = Some(args.integer(&range::DEADLINE).map(UnixMillis)?);
            }
            "AFTER" => after(queue, args, publish.conditions.get_or_insert_default())?,
            "IFDEAD" => if_dead = Some(if_dead_of(args)?),
            "REPLACES" => publish.replaces = Some(args.id(word)?),
            "BLOCK" | "WAIT" => {
                let place = args.place() - 1;
                block = Some((args.span(&range::BLOCK.called(word))?, place));
            }
            _ => option(args, word, &mut publish)?,
        }
    }
    check_parents(args, &publish, if_dead.is_some())?;
    if let Some(conditions) = &mut publish.conditions {
        conditions.if_dead = if_dead.unwrap_or_default();
    }
    Ok(match block {
        None => Call::Act(Action::Publish(publish)),
        Some((span, place)) => Call::PublishOrWait { publish, span, place },
    })
}

/// Reads one of the options that every publish has, behind its `word`: those of a job that is published
/// now, and those of one that a schedule publishes.
pub(super) fn option<'a>(
    args: &mut Args<'a, '_>,
    word: &'static str,
    publish: &mut Publish<'a>,
) -> Result<(), BadArguments> {
    let wishes = &mut publish.wishes;
    match word {
        "TYPE" => wishes.job_type = Some(job_type(args.value(word)?)?),
        "HEADERS" => publish.headers = headers(args)?,
        "TTL" => wishes.ttl = Some(args.span(&range::TTL)?),
        "TTR" => wishes.ttr = Some(args.span(&range::TTR)?),
        "TRIES" => wishes.tries = Some(args.integer(&range::TRIES)?),
        "BACKOFF" => wishes.backoff = Some(backoff(word, args.value(word)?)?),
        "RETAIN" => wishes.retain = Some(retain(word, args.value(word)?)?),
        "PRIORITY" => wishes.priority = Some(args.integer(&range::PRIORITY)?),
        "GROUP" => wishes.group = Some(group(args.value(word)?)?),
        "USES" | "MUTEX" => {
            let wanted = one_use(args, word)?;
            let known = &mut publish.conditions.get_or_insert_default().uses;
            add_use(args, known, wanted)?;
        }
        "UNIQUE" => {
            let key = unique_key(args.value(word)?)?;
            publish.conditions.get_or_insert_default().unique = Some(Unique::new(key));
        }
        "FOR" | "UNTIL" | "ONDUPLICATE" => {
            let needs = publish.conditions.as_mut();
            match needs.and_then(|needs| needs.unique.as_mut()) {
                Some(unique) => lock(args, word, unique)?,
                None => return Err(args.syntax(&format!("{word} goes behind UNIQUE"))),
            }
        }
        "WHEN" => when(args, &mut publish.conditions)?,
        "BATCH" => {
            let key = batch_key(args.value(word)?)?;
            publish.conditions.get_or_insert_default().batch = key;
        }
        _ => return Err(args.misplaced(word)),
    }
    Ok(())
}

fn given_id(text: &[u8]) -> Result<&str, BadArguments> {
    // What is valid is ASCII, so the conversion cannot fail where the check passes.
    std::str::from_utf8(text).ok().filter(|id| id::is_valid(id.as_bytes())).ok_or_else(|| {
        let message = format!("ID is 1 to 64 letters, digits or . _ : -, not {}", shown(text));
        BadArguments { word: ErrorWord::Range, message }
    })
}

/// Reads the instant of a job behind `DELAY` or `AT`, of which only one may be named.
pub fn due(args: &mut Args<'_, '_>, word: &str, is_named: bool) -> Result<Due, BadArguments> {
    match word {
        _ if is_named => Err(args.syntax("DELAY and AT exclude each other")),
        "DELAY" => args.span(&range::DELAY).map(Due::In),
        _ => args.integer(&range::AT).map(UnixMillis).map(Due::At),
    }
}

/// Reads the type of a job.
pub fn job_type(name: &[u8]) -> Result<&[u8], BadArguments> {
    if name.len() <= TYPE_BYTES_MAX && !name.trim_ascii().is_empty() {
        return Ok(name);
    }
    let message = format!(
        "TYPE is a name of 1 to {TYPE_BYTES_MAX} bytes, not all of them white space, and not {}",
        shown(name)
    );
    Err(BadArguments { word: ErrorWord::Range, message })
}

/// Reads the group of a job.
pub fn group(name: &[u8]) -> Result<&[u8], BadArguments> {
    if (1..=GROUP_BYTES_MAX).contains(&name.len()) {
        return Ok(name);
    }
    let message = format!("GROUP is a name of 1 to {GROUP_BYTES_MAX} bytes, not {}", name.len());
    Err(BadArguments { word: ErrorWord::Range, message })
}

/// Reads the key of a batch.
pub fn batch_key(key: &[u8]) -> Result<&[u8], BadArguments> {
    if (1..=BATCH_KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(key);
    }
    let message = format!("BATCH is a key of 1 to {BATCH_KEY_BYTES_MAX} bytes, not {}", key.len());
    Err(BadArguments { word: ErrorWord::Range, message })
}

/// Reads one more limit that a job uses: the one behind `USES`, or a mutex.
fn one_use<'a>(args: &mut Args<'a, '_>, word: &str) -> Result<Use<'a>, BadArguments> {
    let name = limit_name(word, args.value(word)?)?;
    Ok(match word {
        "MUTEX" => Use { limit: LimitName::Mutex(name), weight: 1 },
        _ => Use { limit: LimitName::Named(name), weight: args.integer(&range::USE)? },
    })
}

fn add_use<'a>(
    args: &Args<'a, '_>,
    known: &mut Vec<Use<'a>>,
    wanted: Use<'a>,
) -> Result<(), BadArguments> {
    if known.iter().any(|known| known.limit == wanted.limit) {
        let name = shown(wanted.limit.as_bytes());
        return Err(args.syntax(&format!("limit {name} is named twice")));
    }
    if known.len() == uses::USES_MAX {
        return Err(args.syntax(&format!("a job uses at most {} limits", uses::USES_MAX)));
    }
    known.push(wanted);
    Ok(())
}

/// Reads one more clause of gates that a job waits for.
fn when<'a>(
    args: &mut Args<'a, '_>,
    conditions: &mut Option<Box<Conditions<'a>>>,
) -> Result<(), BadArguments> {
    let names: Vec<_> = args.value("WHEN")?.split(|byte| *byte == gates::OR).collect();
    names.iter().try_for_each(|name| gate_name(name))?;
    let max = gates::ALTERNATIVES_MAX;
    if names.len() > max {
        return Err(args.syntax(&format!("a WHEN names at most {max} gates")));
    }
    let known = &mut conditions.get_or_insert_default().when;
    known.push(names);
    let max = gates::CLAUSES_MAX;
    if known.len() > max {
        return Err(args.syntax(&format!("a job has at most {max} WHEN")));
    }
    Ok(())
}

/// Reads the ids of jobs to wait for, none of which is taken for a word. Those of another queue have
/// its name before them.
fn after<'a>(
    queue: &[u8],
    args: &mut Args<'a, '_>,
    conditions: &mut Conditions<'a>,
) -> Result<(), BadArguments> {
    let n = args.integer(&range::PARENTS)?;
    let names = args.values(n, format_args!("AFTER says {n} ids"))?;
    let mut queues: Vec<&[u8]> = Vec::new();
    for &name in names {
        // An id has no slash, and the name of a queue may.
        let slash = name.iter().rposition(|byte| *byte == b'/');
        let (other, id) = match slash {
            Some(at) => (Some(&name[..at]), &name[at + 1..]),
            None => (None, name),
        };
        let job = job_ref(id)?;
        if job.token.is_some() {
            return Err(args.syntax(&format!("AFTER takes bare ids, not {}", shown(name))));
        }
        match other.filter(|other| *other != queue) {
            None => conditions.after.push(job),
            Some(other) => {
                if !queues.contains(&other) {
                    queues.push(queue_name(other)?);
                }
                conditions.distant.push(Distant { queue: other, job, waits: false });
            }
        }
        // At once, so that each name is looked for among few.
        let max = distant::OTHER_QUEUES_MAX;
        if queues.len() > max {
            let what = format!("AFTER names jobs of at most {max} other queues");
            return Err(args.syntax(&what));
        }
    }
    Ok(())
}

fn queue_name(name: &[u8]) -> Result<&[u8], BadArguments> {
    if distant::is_queue_name(name) {
        return Ok(name);
    }
    let max = distant::QUEUE_NAME_BYTES_MAX;
    let message = format!(
        "AFTER names a queue by 1 to {max} bytes before the '/' of an id, not by {}",
        name.len()
    );
    Err(BadArguments { word: ErrorWord::Range, message })
}

fn if_dead_of(args: &mut Args<'_, '_>) -> Result<IfDead, BadArguments> {
    match args.word()? {
        Some("HOLD") => Ok(IfDead::Hold),
        Some("RUN") => Ok(IfDead::Run),
        Some("BURY") => Ok(IfDead::Bury),
        Some(word) => Err(args.misplaced(word)),
        None => Err(args.syntax("no value for IFDEAD")),
    }
}

/// Checks that a job is not to wait for itself, or for the one that it comes in place of, nor very
/// many for very many.
fn check_parents(
    args: &Args<'_, '_>,
    publish: &Publish<'_>,
    names_fate: bool,
) -> Result<(), BadArguments> {
    let conditions = publish.conditions.as_ref();
    let after = conditions.map_or(&[][..], |conditions| &conditions.after);
    let distant = conditions.map_or(0, |conditions| conditions.distant.len());
    if names_fate && after.is_empty() && distant == 0 {
        return Err(args.syntax("IFDEAD is said of the jobs behind AFTER"));
    }
    let own = publish.id.and_then(|id| JobRef::parse(id.as_bytes()));
    let is = |other: Option<JobRef<'_>>, parent: &JobRef<'_>| {
        other.is_some_and(|other| JobId::Given(other.id()) == JobId::Given(parent.id()))
    };
    if after.iter().any(|parent| is(own, parent) || is(publish.replaces, parent)) {
        return Err(args.syntax("AFTER names the job itself, or the one that it replaces"));
    }
    let bodies = publish.bodies.as_slice().len();
    let (links, max) = (distant.saturating_mul(bodies), distant::DISTANT_MAX);
    if links > max {
        let what = format!("ids of other queues times bodies are {links}, and at most {max}");
        return Err(args.syntax(&what));
    }
    let links = after.len().saturating_mul(bodies) as i128;
    if links > range::PARENTS.max {
        let max = range::PARENTS.max;
        return Err(args.syntax(&format!("ids times bodies are {links}, and at most {max}")));
    }
    Ok(())
}

/// Checks the name of a gate.
pub fn gate_name(name: &[u8]) -> Result<(), BadArguments> {
    if gates::is_name(name) {
        return Ok(());
    }
    let message = format!(
        "a gate has a name of 1 to {} bytes without '|', not {}",
        gates::GATE_NAME_BYTES_MAX,
        shown(name)
    );
    Err(BadArguments { word: ErrorWord::Range, message })
}

/// Reads the name of a limit behind `word`.
pub fn limit_name<'a>(word: &str, name: &'a [u8]) -> Result<&'a [u8], BadArguments> {
    let max = uses::LIMIT_NAME_BYTES_MAX;
    let is_reserved = name == b"*" || name.starts_with(b"group:") || name.starts_with(b"mutex:");
    if (1..=max).contains(&name.len()) && !is_reserved {
        return Ok(name);
    }
    let message = format!(
        "{word} takes a name of 1 to {max} bytes, not '*' and without 'group:' or 'mutex:' before it, and not {}",
        shown(name)
    );
    Err(BadArguments { word: ErrorWord::Range, message })
}

fn unique_key(key: &[u8]) -> Result<&[u8], BadArguments> {
    if (1..=UNIQUE_BYTES_MAX).contains(&key.len()) {
        return Ok(key);
    }
    let message =
        format!("UNIQUE takes a key of 1 to {UNIQUE_BYTES_MAX} bytes, not of {}", key.len());
    Err(BadArguments { word: ErrorWord::Range, message })
}

/// Reads what else is said of a key, behind `word`.
fn lock(args: &mut Args<'_, '_>, word: &str, unique: &mut Unique<'_>) -> Result<(), BadArguments> {
    if word == "FOR" {
        unique.lasts = args.span(&range::LOCK)?;
        return Ok(());
    }
    let Some(value) = args.word()? else {
        return Err(args.syntax(&format!("no value for {word}")));
    };
    match (word, value) {
        ("UNTIL", "START") => unique.until = Until::Start,
        ("UNTIL", "DONE") => unique.until = Until::Done,
        ("ONDUPLICATE", "REJECT") => unique.otherwise = Otherwise::Reject,
        ("ONDUPLICATE", "RETURN") => unique.otherwise = Otherwise::Return,
        ("ONDUPLICATE", "REPLACE") => unique.otherwise = Otherwise::Replace,
        _ => return Err(args.misplaced(value)),
    }
    Ok(())
}

/// Names and values.
pub(super) type Headers<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Reads names and values, none of which is taken for a word.
pub(super) fn headers<'a>(args: &mut Args<'a, '_>) -> Result<Headers<'a>, BadArguments> {
    let n: usize = args.integer(&range::HEADERS)?;
    let texts = args.values(2 * n, format_args!("HEADERS says {n} names, each with its value"))?;
    let names: Vec<_> = texts.iter().copied().step_by(2).collect();
    if names.contains(&&b""[..]) {
        let message = "HEADERS takes names of at least 1 byte, not ''".to_string();
        return Err(BadArguments { word: ErrorWord::Range, message });
    }
    if let Some(twice) = repeated(&names) {
        return Err(args.syntax(&format!("header {} is named twice", shown(twice))));
    }
    Ok(names.into_iter().zip(texts.iter().copied().skip(1).step_by(2)).collect())
}

/// Reads the backoff that is named `name`, here and as a setting.
pub fn backoff(name: &str, text: &[u8]) -> Result<Backoff, BadArguments> {
    Backoff::parse(text).ok_or_else(|| {
        let message = format!(
            "{name} is none, fixed:<ms>, exp:<base-ms>:<max-ms> or poly, each span 0 to {} \
             milliseconds, not {}",
            Millis::MAX,
            shown(text)
        );
        BadArguments { word: ErrorWord::Range, message }
    })
}

/// Reads the retention that is named `name`, here and as a setting.
pub fn retain(name: &'static str, text: &[u8]) -> Result<Retain, BadArguments> {
    if text.eq_ignore_ascii_case(b"FOREVER") {
        return Ok(Retain::Forever);
    }
    range::RETAIN.called(name).read(text).map(Millis).map(Retain::For)
}
