//! Taking jobs.

use jobq_engine::{Consume, Holder, Millis};

use smallvec::{smallvec, SmallVec};

use super::repeated;
use crate::{
    args::Args,
    call::{Call, ConsumeCall, Gather},
    error::{shown, BadArguments, ErrorWord},
    range,
};

/// The longest name of a worker, in bytes.
pub const WORKER_BYTES_MAX: usize = 256;

/// `JQ.CONSUME queue [option ...] [ALSO queue [queue ...]]`
pub fn consume<'a>(queue: &'a [u8], args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let mut holder = Holder { worker: &b""[..], ttr: Millis::ZERO, counted: true };
    let mut count = 1;
    let (mut min, mut linger) = (None, None);
    let mut block = None;
    let mut bind = None;
    let mut details = false;
    let mut weights = Vec::new();
    let mut queues: SmallVec<[_; 1]> = smallvec![queue];
    while let Some(word) = args.word()? {
        match word {
            "COUNT" => count = args.integer(&range::COUNT)?,
            "MIN" => min = Some(args.integer(&range::MIN)?),
            "LINGER" => linger = Some(args.span(&range::LINGER)?),
            "TTR" => holder.ttr = args.span(&range::TTR)?,
            "BLOCK" => block = Some(args.span(&range::BLOCK)?),
            "BIND" => bind = Some(args.optional_span(&range::GRACE)?.unwrap_or_default()),
            "WORKER" => holder.worker = worker_name(word, args.value(word)?)?,
            "FREE" => holder.counted = false,
            "DETAILS" => details = true,
            "WEIGHTS" => weights = shares(args.value(word)?)?,
            "ALSO" => queues.extend_from_slice(args.remaining(word)?),
            _ => return Err(args.misplaced(word)),
        }
    }
    if let Some(twice) = repeated(&queues) {
        return Err(args.syntax(&format!("queue {} is named twice", shown(twice))));
    }
    if !weights.is_empty() && weights.len() != queues.len() {
        let what = format!("there are {} weights for {} queue(s)", weights.len(), queues.len());
        return Err(args.syntax(&what));
    }
    let gather = gather(args, min, linger)?;
    if let Some(Gather { min, .. }) = gather.filter(|gather| gather.min > count) {
        let message = format!("MIN is 1 to COUNT, which is {count}, not '{min}'");
        return Err(BadArguments { word: ErrorWord::Range, message });
    }
    if gather.is_some() && block.is_none() {
        return Err(args.syntax("MIN and LINGER need BLOCK: who does not wait takes what is there"));
    }
    let consume = Consume { count, holder };
    Ok(Call::Consume(ConsumeCall { consume, block, gather, bind, details, weights, queues }))
}

fn gather(
    args: &Args<'_, '_>,
    min: Option<u32>,
    linger: Option<Millis>,
) -> Result<Option<Gather>, BadArguments> {
    match (min, linger) {
        (Some(min), Some(linger)) => Ok(Some(Gather { min, linger })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(args.syntax("MIN needs LINGER")),
        (None, Some(_)) => Err(args.syntax("LINGER needs MIN")),
    }
}

/// Reads the name of a worker, the value of `word`.
pub fn worker_name<'a>(word: &str, name: &'a [u8]) -> Result<&'a [u8], BadArguments> {
    if (1..=WORKER_BYTES_MAX).contains(&name.len()) {
        return Ok(name);
    }
    let message = format!("{word} is a name of 1 to {WORKER_BYTES_MAX} bytes, not {}", name.len());
    Err(BadArguments { word: ErrorWord::Range, message })
}

fn shares(text: &[u8]) -> Result<Vec<u32>, BadArguments> {
    text.split(|&c| c == b',').map(|share| range::WEIGHT.read(share)).collect()
}
