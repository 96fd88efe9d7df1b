//! Schedules.

use jobq_engine::{
    Action, Bodies, Due, Millis, Missed, NewSchedule, Overlap, Publish, ScheduleOrder, Timing,
    UnixMillis, CRON_BYTES_MAX, SCHEDULE_NAME_BYTES_MAX,
};

use super::{produce::option, repeated};
use crate::{
    args::Args,
    call::Call,
    error::{shown, BadArguments, ErrorWord},
    range,
};

/// What an expression begins with that is a span and nothing else.
const EVERY: &[u8] = b"@every ";

/// The longest part behind a point.
const PART_DIGITS_MAX: usize = 9;

/// How an expression may say by itself what its zone is, as crontabs and other libraries have it.
const ZONES: [&[u8]; 2] = [b"CRON_TZ=", b"TZ="];

/// `JQ.SCHEDULE queue (SET … | REPLACE … | DEL name | LIST | GET name | PAUSE name | RESUME name | RUN name)`
pub fn schedule<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let order = match args.word()? {
        Some("LIST") => return Ok(Call::Schedules),
        Some("GET") => return named(args, "GET").map(Call::Schedule),
        Some("SET") => ScheduleOrder::Set(Box::new(one(args)?)),
        Some("REPLACE") => ScheduleOrder::Replace(all(args)?),
        Some("DEL") => ScheduleOrder::Delete(named(args, "DEL")?),
        Some("PAUSE") => ScheduleOrder::Pause(named(args, "PAUSE")?),
        Some("RESUME") => ScheduleOrder::Resume(named(args, "RESUME")?),
        Some("RUN") => ScheduleOrder::Run(named(args, "RUN")?),
        _ => {
            let what = "SET, REPLACE, DEL, LIST, GET, PAUSE, RESUME or RUN is needed";
            return Err(args.syntax(what));
        }
    };
    Ok(Call::Act(Action::Schedule(order)))
}

fn named<'a>(args: &mut Args<'a, '_>, word: &str) -> Result<&'a [u8], BadArguments> {
    let name = args.value(word)?;
    if (1..=SCHEDULE_NAME_BYTES_MAX).contains(&name.len()) {
        return Ok(name);
    }
    let message = format!(
        "{word} takes a name of 1 to {SCHEDULE_NAME_BYTES_MAX} bytes, not of {}",
        name.len()
    );
    Err(BadArguments { word: ErrorWord::Range, message })
}

/// Reads so many schedules, each behind the number of its arguments.
fn all<'a>(args: &mut Args<'a, '_>) -> Result<Vec<NewSchedule<'a>>, BadArguments> {
    let n: usize = args.integer(&range::SCHEDULES)?;
    let mut schedules = Vec::new();
    for _ in 0..n {
        let len: usize = args.integer(&range::SCHEDULE_LEN)?;
        let of_one = args.values(len, format_args!("a schedule has {len} arguments"))?;
        let mut of_one = args.within(of_one);
        schedules.push(one(&mut of_one)?);
    }
    let names: Vec<_> = schedules.iter().map(|schedule| schedule.name).collect();
    if let Some(twice) = repeated(&names) {
        return Err(args.syntax(&format!("schedule {} is named twice", shown(twice))));
    }
    Ok(schedules)
}

/// Reads one schedule to the end of the arguments.
fn one<'a>(args: &mut Args<'a, '_>) -> Result<NewSchedule<'a>, BadArguments> {
    let name = named(args, "SET")?;
    let mut publish = Publish::new(Bodies::One(args.value("body")?));
    let mut timing: Option<Timing<&[u8]>> = None;
    let (mut overlap, mut missed, mut from, mut zone) = (None, None, None, None);
    while let Some(word) = args.word()? {
        match word {
            "EVERY" | "AFTER" | "CRON" if timing.is_some() => {
                return Err(args.syntax("EVERY, AFTER and CRON exclude each other"));
            }
            "EVERY" => {
                timing = Some(Timing::Every { span: args.span(&range::EVERY)?, from: None });
            }
            "AFTER" => timing = Some(Timing::After(args.span(&range::SCHEDULE_AFTER)?)),
            "CRON" => timing = Some(cron(args.value(word)?)?),
            "FROM" => from = Some(args.integer(&range::FROM).map(UnixMillis)?),
            "TZ" => zone = Some(printable(word, args.value(word)?)?),
            "OVERLAP" => {
                overlap = Some(chosen(args, word, &Overlap::ALL, Overlap::name)?);
            }
            "MISSED" => missed = Some(chosen(args, word, &Missed::ALL, Missed::name)?),
            "DELAY" => publish.due = Due::In(args.span(&range::DELAY)?),
            _ => option(args, word, &mut publish)?,
        }
    }
    let timing = match (timing, from, zone) {
        (None, ..) => return Err(args.syntax("EVERY, AFTER or CRON is needed")),
        (Some(Timing::Every { span, .. }), from, None) => Timing::Every { span, from },
        (Some(Timing::Cron { zone: own, .. }), None, Some(_)) if !own.is_empty() => {
            return Err(args.syntax("the expression says its zone, and so does TZ"));
        }
        (Some(Timing::Cron { expression, zone: own }), None, zone) => {
            Timing::Cron { expression, zone: zone.unwrap_or(own) }
        }
        (Some(Timing::After(_)), None, None) if overlap.is_some() || missed.is_some() => {
            let what = "OVERLAP and MISSED are not for AFTER, whose runs follow each other";
            return Err(args.syntax(what));
        }
        (Some(Timing::After(span)), None, None) => Timing::After(span),
        (_, Some(_), _) => return Err(args.syntax("FROM goes with EVERY")),
        (_, _, Some(_)) => return Err(args.syntax("TZ goes with CRON, and not with @every")),
    };
    let (overlap, missed) = (overlap.unwrap_or_default(), missed.unwrap_or_default());
    Ok(NewSchedule { name, timing, overlap, missed, job: publish })
}

/// Reads the word behind `word`, one of those of `all`.
fn chosen<T: Copy>(
    args: &mut Args<'_, '_>,
    word: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, BadArguments> {
    let Some(value) = args.word()? else {
        return Err(args.syntax(&format!("no value for {word}")));
    };
    all.iter().copied().find(|&one| name(one) == value).ok_or_else(|| args.misplaced(value))
}

/// Reads an expression, as far as that can be done without a calendar: the log is read by servers that
/// may have another one.
fn cron(text: &[u8]) -> Result<Timing<&[u8]>, BadArguments> {
    let expression = printable("CRON", text)?;
    let head = expression.get(..EVERY.len()).unwrap_or_default();
    if !head.eq_ignore_ascii_case(EVERY) {
        let (zone, expression) = own_zone(expression).unwrap_or((b"", expression));
        return Ok(Timing::Cron { expression, zone });
    }
    let span = duration(&expression[EVERY.len()..]).ok_or_else(|| {
        let message = format!(
            "CRON takes behind @every a span such as 1h30m, in h, m, s and ms, of 1 to {} milliseconds, not {}",
            Millis::MAX,
            shown(text)
        );
        BadArguments { word: ErrorWord::Range, message }
    })?;
    Ok(Timing::Every { span, from: None })
}

/// The zone that an expression names before its fields, and these.
fn own_zone(expression: &[u8]) -> Option<(&[u8], &[u8])> {
    let behind = ZONES.iter().find_map(|word| expression.strip_prefix(*word))?;
    let end = behind.iter().position(|&byte| byte == b' ')?;
    let (zone, fields) = (&behind[..end], behind[end..].trim_ascii());
    (!zone.is_empty() && !fields.is_empty()).then_some((zone, fields))
}

fn printable<'a>(word: &str, text: &'a [u8]) -> Result<&'a [u8], BadArguments> {
    let is_printable = text.iter().all(|byte| (b' '..=b'~').contains(byte));
    if is_printable && (1..=CRON_BYTES_MAX).contains(&text.len()) {
        return Ok(text);
    }
    let message = format!(
        "{word} takes 1 to {CRON_BYTES_MAX} printable characters of ASCII, not {}",
        shown(text)
    );
    Err(BadArguments { word: ErrorWord::Range, message })
}

/// Reads a span as `1h30m`, `1.5h` or `500ms`: numbers with their units. What is less than a millisecond
/// does not count.
fn duration(text: &[u8]) -> Option<Millis> {
    let mut rest = std::str::from_utf8(text).ok()?.trim();
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        if part.len() > PART_DIGITS_MAX {
            return None;
        }
        let of_part = part.parse::<u64>().ok()? * millis / 10_u64.pow(part.len() as u32);
        sum = sum.checked_add(whole.parse::<u64>().ok()?.checked_mul(millis)?)?;
        sum = sum.checked_add(of_part)?;
        rest = behind;
    }
    (1..=Millis::MAX.0).contains(&sum).then_some(Millis(sum))
}
