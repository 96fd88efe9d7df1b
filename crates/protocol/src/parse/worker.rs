//! Who works, and what is wished of them.

use super::{consume::worker_name, repeated};
use crate::{
    args::Args,
    call::{Call, WorkerCall, WorkerWish},
    cursor,
    error::{shown, BadArguments, ErrorWord},
    range,
};

/// How many workers a page has unless told otherwise.
const PAGE: usize = 100;

/// The longest name of a machine, of a label, and its value, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// `JQ.WORKERS [queue] [CURSOR c] [COUNT n]`
pub fn workers<'a>(
    queue: Option<&'a [u8]>,
    args: &mut Args<'a, '_>,
) -> Result<Call<'a>, BadArguments> {
    let mut after = None;
    let mut count = PAGE;
    while let Some(word) = args.word()? {
        match word {
            "CURSOR" => after = cursor::read(args.value(word)?, cursor::name)?,
            "COUNT" => count = args.integer(&range::WORKERS)?,
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(Call::Workers { queue, after, count })
}

/// `JQ.WORKER (SET name [HOST h] [PID n] [LABELS n label value ...] | QUIET name | STOP name | RESUME name)`
pub fn worker<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let word = args.word()?.unwrap_or_default();
    let wish = match word {
        "SET" => return set(args).map(Call::Worker),
        "QUIET" => Some(WorkerWish::Quiet),
        "STOP" => Some(WorkerWish::Stop),
        "RESUME" => None,
        _ => return Err(args.syntax("SET, QUIET, STOP or RESUME is needed")),
    };
    let name = worker_name(word, args.value(word)?)?;
    Ok(Call::Worker(WorkerCall::Wish { name, wish }))
}

fn set<'a>(args: &mut Args<'a, '_>) -> Result<WorkerCall<'a>, BadArguments> {
    let name = worker_name("SET", args.value("SET")?)?;
    let (mut host, mut pid, mut labels) = (None, None, Vec::new());
    while let Some(word) = args.word()? {
        match word {
            "HOST" => host = Some(text("HOST", args.value(word)?)?),
            "PID" => pid = Some(args.integer(&range::PID)?),
            "LABELS" => labels = pairs(args)?,
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(WorkerCall::Set { name, host, pid, labels })
}

/// Names with their values.
type Labels<'a> = Vec<(&'a [u8], &'a [u8])>;

fn pairs<'a>(args: &mut Args<'a, '_>) -> Result<Labels<'a>, BadArguments> {
    let n: usize = args.integer(&range::LABELS)?;
    let texts = args.values(2 * n, format_args!("LABELS says {n} labels, each with its value"))?;
    let names: Vec<_> = texts.iter().copied().step_by(2).collect();
    texts.iter().try_for_each(|given| text("LABELS", given).map(drop))?;
    if let Some(twice) = repeated(&names) {
        return Err(args.syntax(&format!("label {} is named twice", shown(twice))));
    }
    Ok(names.into_iter().zip(texts.iter().copied().skip(1).step_by(2)).collect())
}

fn text<'a>(word: &str, given: &'a [u8]) -> Result<&'a [u8], BadArguments> {
    if given.len() <= TEXT_BYTES_MAX {
        return Ok(given);
    }
    let message = format!("{word} takes 0 to {TEXT_BYTES_MAX} bytes, not {}", given.len());
    Err(BadArguments { word: ErrorWord::Range, message })
}
