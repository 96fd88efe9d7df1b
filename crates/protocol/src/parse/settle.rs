//! Ending leases and extending them.

use jobq_engine::{Millis, Verdict};

use crate::{args::Args, call::Call, error::BadArguments, range};

/// `JQ.ACK queue id [id ...]`
pub fn ack<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    Ok(Call::Settle { jobs: args.ids()?, verdict: Verdict::Ack })
}

/// `JQ.NACK queue id [id ...] [DELAY ms] [ERROR text]`
pub fn nack<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let jobs = args.ids()?;
    let Circumstances { delay, error } = circumstances(args)?;
    Ok(Call::Settle { jobs, verdict: Verdict::Nack { delay, error } })
}

/// `JQ.RELEASE queue id [id ...] [DELAY ms]`
pub fn release<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let jobs = args.ids()?;
    let delay = circumstances(args)?.delay.unwrap_or_default();
    Ok(Call::Settle { jobs, verdict: Verdict::Release { delay } })
}

/// `JQ.BURY queue id [id ...] [ERROR text]`
pub fn bury<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let jobs = args.ids()?;
    let error = circumstances(args)?.error;
    Ok(Call::Settle { jobs, verdict: Verdict::Bury { error } })
}

/// `JQ.TOUCH queue [TTR ms] id [id ...]`
pub fn touch<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let ttr = match args.at_word() {
        true => args.word()?.map(|_| args.span(&range::TTR)).transpose()?,
        false => None,
    };
    let jobs = args.ids()?;
    if args.at_word() && ttr.is_none() {
        // Taken for ids, the word and its value would go unnoticed.
        return Err(args.syntax("TTR comes before the ids"));
    }
    Ok(Call::Touch { jobs, ttr })
}

/// What may be said about the end of a lease. Which of it a command takes is in the table.
#[derive(Default)]
struct Circumstances<'a> {
    delay: Option<Millis>,
    error: Option<&'a [u8]>,
}

fn circumstances<'a>(args: &mut Args<'a, '_>) -> Result<Circumstances<'a>, BadArguments> {
    let mut said = Circumstances::default();
    while let Some(word) = args.word()? {
        match word {
            "DELAY" => said.delay = Some(args.span(&range::DELAY)?),
            "ERROR" => said.error = Some(args.value(word)?),
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(said)
}
