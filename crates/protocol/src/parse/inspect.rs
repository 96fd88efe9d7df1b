//! Looking without changing.

use jobq_engine::{Cursor, Grain, Listing, PATTERN_BYTES_MAX};

use super::{
    consume::worker_name,
    produce::{batch_key, group, job_type},
};
use crate::{
    args::Args,
    call::{Call, EventsCall, Since, StatsView},
    cursor,
    error::{BadArguments, ErrorWord},
    range,
};

/// How many jobs or names a page has unless told otherwise.
const PAGE: usize = 10;

/// How many events are told at once unless told otherwise.
const EVENTS_PAGE: usize = 100;

/// `JQ.PEEK queue [COUNT n]`
pub fn peek<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let count = match args.word()? {
        Some(_) => args.integer(&range::COUNT)?,
        None => 1,
    };
    Ok(Call::Peek { count })
}

/// `JQ.JOB queue id [TRACE]`
pub fn job<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let job = args.id("id")?;
    Ok(if args.word()?.is_some() { Call::Trace(job) } else { Call::Job(job) })
}

/// `JQ.EVENTS queue [SINCE cursor] [COUNT n] [BLOCK ms]`
pub fn events<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let mut call = EventsCall { since: Since::Oldest, count: EVENTS_PAGE, block: None };
    while let Some(word) = args.word()? {
        match word {
            "SINCE" => {
                call.since = match args.value(word)? {
                    b"$" => Since::Now,
                    number => Since::Number(range::SINCE.read(number)?),
                }
            }
            "COUNT" => call.count = args.integer(&range::EVENTS)?,
            "BLOCK" => call.block = Some(args.span(&range::BLOCK)?),
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(Call::Events(call))
}

/// `JQ.LIST queue state [option ...]`
pub fn list<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let mut listing = Listing::of(args.state()?, PAGE);
    while let Some(word) = args.word()? {
        match word {
            "CURSOR" => listing.after = cursor::read(args.value(word)?, Cursor::parse)?,
            "COUNT" => listing.count = args.integer(&range::COUNT)?,
            "TYPE" => listing.job_type = Some(job_type(args.value(word)?)?),
            "GROUP" => listing.group = Some(group(args.value(word)?)?),
            "BATCH" => listing.batch = Some(batch_key(args.value(word)?)?),
            "ERROR" => listing.error = Some(pattern(word, args.value(word)?)?),
            "WORKER" => listing.worker = Some(worker_name(word, args.value(word)?)?),
            "MINAGE" => listing.min_age = Some(args.span(&range::MIN_AGE)?),
            "MAXAGE" => listing.max_age = Some(args.span(&range::MAX_AGE)?),
            "REVERSE" => listing.reverse = true,
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(Call::List(listing))
}

/// Reads a pattern as in `KEYS`, the value of `word`.
fn pattern<'a>(word: &str, pattern: &'a [u8]) -> Result<&'a [u8], BadArguments> {
    if (1..=PATTERN_BYTES_MAX).contains(&pattern.len()) {
        return Ok(pattern);
    }
    let len = pattern.len();
    let message = format!("{word} is a pattern of 1 to {PATTERN_BYTES_MAX} bytes, not {len}");
    Err(BadArguments { word: ErrorWord::Range, message })
}

/// `JQ.RESULT queue id [BLOCK ms]`
pub fn result<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let job = args.id("id")?;
    let block = match args.word()? {
        Some(_) => Some(args.span(&range::BLOCK)?),
        None => None,
    };
    Ok(Call::Result { job, block })
}

/// `JQ.LEN queue [state]`
pub fn len<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let state = match args.next_word() {
        Some(_) => Some(args.state()?),
        None => None,
    };
    Ok(Call::Len(state))
}

/// `JQ.STATS queue [(TYPE name | TYPES | TIMES) [BUCKETS] | HISTORY (MINUTES|HOURS|DAYS) [COUNT n] | DUE]`
pub fn stats<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    Ok(Call::Stats(match args.word()? {
        None => StatsView::Queue,
        Some("TYPE") => {
            let name = job_type(args.value("TYPE")?)?;
            StatsView::Type { name, buckets: buckets(args)? }
        }
        Some("TYPES") => StatsView::Types { buckets: buckets(args)? },
        Some("TIMES") => StatsView::Times { buckets: buckets(args)? },
        Some("DUE") => StatsView::Due,
        Some("HISTORY") => {
            let Some(word) = args.word()? else {
                return Err(args.syntax("nothing says how long the rows are"));
            };
            let grain = Grain::ALL.into_iter().find(|grain| grain.name() == word);
            let grain = grain.ok_or_else(|| args.misplaced(word))?;
            let count = match args.word()? {
                None => grain.rows() as usize,
                Some("COUNT") => args.integer(&range::ROWS)?,
                Some(word) => return Err(args.misplaced(word)),
            };
            StatsView::History { grain, count }
        }
        Some(word) => return Err(args.misplaced(word)),
    }))
}

/// `[BUCKETS]`, the last word.
fn buckets(args: &mut Args<'_, '_>) -> Result<bool, BadArguments> {
    match args.word()? {
        None => Ok(false),
        Some("BUCKETS") => Ok(true),
        Some(word) => Err(args.misplaced(word)),
    }
}

/// `JQ.QUEUES [MATCH pattern] [CURSOR c] [COUNT n]`
pub fn queues<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let mut pattern = None;
    let mut after = None;
    let mut count = PAGE;
    while let Some(word) = args.word()? {
        match word {
            "MATCH" => pattern = Some(args.value(word)?),
            "CURSOR" => after = cursor::read(args.value(word)?, cursor::name)?,
            "COUNT" => count = args.integer(&range::NAMES)?,
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(Call::Queues { pattern, after, count })
}
