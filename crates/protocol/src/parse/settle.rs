//! Ending leases and extending them.

use jobq_engine::{Action, JobRef, Millis, Verdict};

use smallvec::smallvec;

use super::{consume::worker_name, parse, produce::retain};
use crate::{args::Args, call::Call, error::BadArguments, range, table::PUBLISH};

/// `JQ.ACK queue id [id ...]` or `JQ.ACK queue id THEN queue body [option ...]`
pub fn ack<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let jobs = args.ids()?;
    if args.next_word().is_some() {
        return match jobs[..] {
            [done] => chain(done, args),
            _ => Err(args.syntax("THEN goes behind one id")),
        };
    }
    Ok(Call::Act(Action::Settle { jobs, verdict: Verdict::Ack }))
}

/// What stands behind `THEN` is what stands behind `JQ.PUBLISH`.
fn chain<'a>(done: JobRef<'a>, args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let argv = args.rest();
    let to = argv.get(1).copied().unwrap_or_default();
    let next = match parse(&PUBLISH, argv)? {
        Call::Act(Action::Publish(next)) => Box::new(next),
        _ => return Err(args.syntax("BLOCK is not taken behind THEN")),
    };
    if next.replaces.is_some() {
        return Err(args.syntax("REPLACES is not taken behind THEN"));
    }
    if !next.distant().is_empty() {
        return Err(args.syntax("AFTER takes jobs of the successor's own queue behind THEN"));
    }
    Ok(Call::Chain { done, to, next })
}

/// `JQ.FULFILL queue id result [RETAIN ms|FOREVER]`
pub fn fulfill<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let jobs = smallvec![args.id("id")?];
    let result = args.value("result")?;
    let retain = match args.word()? {
        Some(word) => Some(retain(word, args.value(word)?)?),
        None => None,
    };
    Ok(Call::Act(Action::Settle { jobs, verdict: Verdict::Fulfill { result, retain } }))
}

/// `JQ.NACK queue id [id ...] [DELAY ms] [ERROR text]`
pub fn nack<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let jobs = args.ids()?;
    let Circumstances { delay, error, .. } = circumstances(args)?;
    Ok(Call::Act(Action::Settle { jobs, verdict: Verdict::Nack { delay, error } }))
}

/// `JQ.RELEASE queue id [id ...] [DELAY ms] [UNCOUNTED]`
pub fn release<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let jobs = args.ids()?;
    let Circumstances { delay, uncounted, .. } = circumstances(args)?;
    let verdict = Verdict::Release { delay: delay.unwrap_or_default(), counted: !uncounted };
    Ok(Call::Act(Action::Settle { jobs, verdict }))
}

/// `JQ.BURY queue (id [id ...] [ERROR text] | ALL state [COUNT n])`
pub fn bury<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    if args.next_word() == Some("ALL") {
        return bury_all(args);
    }
    let jobs = args.ids()?;
    let error = circumstances(args)?.error;
    Ok(Call::Act(Action::Settle { jobs, verdict: Verdict::Bury { error } }))
}

fn bury_all<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    args.word()?;
    let state = args.state()?;
    let mut count = u64::MAX;
    while let Some(word) = args.word()? {
        match word {
            "COUNT" => count = args.integer(&range::MOVED)?,
            "ERROR" => return Err(args.syntax("ERROR is not taken with ALL")),
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(Call::Act(Action::BuryAll { state, count }))
}

/// `JQ.TOUCH queue [TTR ms] [PROGRESS n] [RESULT value] [WORKER name] id [id ...]`
pub fn touch<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let (mut ttr, mut progress, mut result, mut worker) = (None, None, None, None);
    while args.next_word().is_some() {
        match args.word()? {
            Some("TTR") => ttr = Some(args.span(&range::TTR)?),
            Some("PROGRESS") => progress = Some(args.integer(&range::PROGRESS)?),
            Some("RESULT") => result = Some(args.value("RESULT")?),
            Some(word) => worker = Some(worker_name(word, args.value(word)?)?),
            None => {}
        }
    }
    let jobs = args.ids()?;
    if let Some(word) = args.next_word() {
        // Taken for ids, the word and its value would go unnoticed.
        return Err(args.syntax(&format!("{word} comes before the ids")));
    }
    let action = Action::Touch { jobs, ttr, progress, result };
    Ok(match worker {
        Some(worker) => Call::TouchAs { action, worker },
        None => Call::Act(action),
    })
}

/// What may be said about the end of a lease. Which of it a command takes is in the table.
#[derive(Default)]
struct Circumstances<'a> {
    delay: Option<Millis>,
    error: Option<&'a [u8]>,
    uncounted: bool,
}

fn circumstances<'a>(args: &mut Args<'a, '_>) -> Result<Circumstances<'a>, BadArguments> {
    let mut said = Circumstances::default();
    while let Some(word) = args.word()? {
        match word {
            "DELAY" => said.delay = Some(args.span(&range::DELAY)?),
            "ERROR" => said.error = Some(args.value(word)?),
            "UNCOUNTED" => said.uncounted = true,
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(said)
}
