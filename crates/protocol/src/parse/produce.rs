//! Publishing.

use jobq_engine::{id, Backoff, Bodies, Due, Millis, Publish, UnixMillis, Wishes};

use crate::{
    args::Args,
    call::Call,
    error::{shown, BadArguments, ErrorWord},
    range,
};

/// `JQ.PUBLISH queue body [option ...]`
pub fn publish<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let body = args.value("body")?;
    let publish = options(args, Bodies::One(body))?;
    Ok(Call::Publish { publish, many: false })
}

/// `JQ.MPUBLISH queue n body [body ...] [option ...]`
pub fn publish_many<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let n = args.integer(&range::BODIES)?;
    let bodies = args.values(n)?.to_vec();
    let publish = options(args, Bodies::Many(bodies))?;
    Ok(Call::Publish { publish, many: true })
}

/// The table has no `ID` for `JQ.MPUBLISH`, so the word does not come up there.
fn options<'a>(args: &mut Args<'a, '_>, bodies: Bodies<'a>) -> Result<Publish<'a>, BadArguments> {
    let mut id = None;
    let mut due = Due::Now;
    let mut wishes = Wishes::default();
    while let Some(word) = args.word()? {
        match word {
            "ID" => id = Some(given_id(args.value(word)?)?),
            "DELAY" | "AT" if due != Due::Now => {
                return Err(args.syntax("DELAY and AT exclude each other"));
            }
            "DELAY" => due = Due::In(args.integer(&range::DELAY).map(Millis)?),
            "AT" => due = Due::At(args.integer(&range::AT).map(UnixMillis)?),
            "TTL" => wishes.ttl = Some(args.span(&range::TTL)?),
            "TTR" => wishes.ttr = Some(args.span(&range::TTR)?),
            "TRIES" => wishes.tries = Some(args.integer(&range::TRIES)?),
            "BACKOFF" => wishes.backoff = Some(backoff(word, args.value(word)?)?),
            "PRIORITY" => wishes.priority = Some(args.integer(&range::PRIORITY)?),
            _ => return Err(args.misplaced(word)),
        }
    }
    Ok(Publish { bodies, id, due, wishes })
}

fn given_id(text: &[u8]) -> Result<&str, BadArguments> {
    // What is valid is ASCII, so the conversion cannot fail where the check passes.
    std::str::from_utf8(text).ok().filter(|id| id::is_valid(id.as_bytes())).ok_or_else(|| {
        let message = format!("ID is 1 to 64 letters, digits or . _ : -, not {}", shown(text));
        BadArguments { word: ErrorWord::Range, message }
    })
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
