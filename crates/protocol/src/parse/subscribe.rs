//! Telling those who subscribed to the end of a job.

use jobq_engine::{Action, TARGET_BYTES_MAX};

use crate::{
    args::Args,
    call::Call,
    error::{shown, BadArguments, ErrorWord},
    range,
};

/// `JQ.SUBSCRIBE queue id target [target ...]`
pub fn subscribe<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let job = args.id("id")?;
    let targets = targets(args.remaining("target")?)?;
    Ok(Call::Act(Action::Subscribe { job, targets }))
}

/// `JQ.UNSUBSCRIBE queue id (ALL | target [target ...])`
pub fn unsubscribe<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let job = args.id("id")?;
    let targets = match args.remaining("target")? {
        [all] if all.eq_ignore_ascii_case(b"ALL") => None,
        named => Some(targets(named)?),
    };
    Ok(Call::Act(Action::Unsubscribe { job, targets }))
}

/// `JQ.NOTICES queue [COUNT n] [TTR ms] [BLOCK ms]`
pub fn notices<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let (mut count, mut ttr, mut block) = (1, None, None);
    while let Some(word) = args.word()? {
        match word {
            "COUNT" => count = args.integer(&range::NOTICES)?,
            "TTR" => ttr = Some(args.span(&range::TTR)?),
            "BLOCK" => block = Some(args.span(&range::BLOCK)?),
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(Call::Notices { count, ttr, block })
}

/// `JQ.DELIVERED queue receipt [target ...]`
pub fn delivered<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let text = args.value("receipt")?;
    let receipt = crate::args::job_ref(text)?;
    if receipt.token.is_none() {
        let message = format!("a receipt is an id and @token, not {}", shown(text));
        return Err(BadArguments { word: ErrorWord::Range, message });
    }
    let targets = targets(args.rest())?;
    Ok(Call::Act(Action::CrossOff { receipt, targets }))
}

fn targets<'a>(named: &[&'a [u8]]) -> Result<Vec<&'a [u8]>, BadArguments> {
    match named.iter().find(|target| target.len() > TARGET_BYTES_MAX) {
        None => Ok(named.to_vec()),
        Some(long) => {
            let message =
                format!("a target has at most {TARGET_BYTES_MAX} bytes, not {}", long.len());
            Err(BadArguments { word: ErrorWord::Range, message })
        }
    }
}
