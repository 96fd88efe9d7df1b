//! What the log and replicas are told.

use jobq_engine::{Holder, UnixMillis};

use crate::{args::Args, call::Call, error::BadArguments, range};

/// `JQ.TICK queue now n [seed [tokens]]`
pub fn tick<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    let now = args.integer(&range::NOW).map(UnixMillis)?;
    let budget = args.integer(&range::BUDGET)?;
    let seed = args.optional().map(|text| range::SEED.read(text)).transpose()?;
    let tokens = args.optional().map(|text| range::TOKENS.read(text)).transpose()?;
    Ok(Call::Tick { now, budget, seed, tokens })
}

/// `JQ.LEASE queue worker ttr free id [id ...]`
pub fn lease<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    // No name is an empty one here.
    let worker = args.value("worker")?;
    let ttr = args.span(&range::LEASE_TTR)?;
    let free: u8 = args.integer(&range::FREE)?;
    let jobs = args.ids()?;
    Ok(Call::Lease { holder: Holder { worker, ttr, counted: free == 0 }, jobs })
}

/// `JQ.LOAD queue frame`
pub fn load<'a>(args: &mut Args<'a, '_>) -> Result<Call<'a>, BadArguments> {
    Ok(Call::Load { frame: args.value("frame")? })
}
