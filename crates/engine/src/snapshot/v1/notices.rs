//! What subscribers are to be told, as it is stored.

use serde::{Deserialize, Serialize};

use super::{instant, read_record, write_record};
use crate::{
    id::{self, Token},
    snapshot::Corrupt,
    state::StateKind,
    subscriptions::{Notice, Target, Targets, SUBSCRIBERS_MAX, TARGET_BYTES_MAX},
    Queue,
};

#[derive(Serialize, Deserialize)]
struct NoticeV1<'a> {
    number: u64,
    job: &'a str,
    how: HowV1,
    #[serde(with = "serde_bytes")]
    result: Option<&'a [u8]>,
    /// The token, and when the lease lapses.
    lease: Option<(u64, u64)>,
    #[serde(borrow)]
    targets: TargetsV1<'a>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum HowV1 {
    Completed,
    Dead,
    Removed,
}

pub type TargetsV1<'a> = Vec<&'a serde_bytes::Bytes>;

/// Targets as they are stored.
pub fn targets(kept: &[Target]) -> TargetsV1<'_> {
    kept.iter().map(|target| serde_bytes::Bytes::new(target)).collect()
}

/// What was stored as targets, at least one.
pub fn read_targets(stored: &[&serde_bytes::Bytes]) -> Result<Targets, Corrupt> {
    let fits = (1..=SUBSCRIBERS_MAX).contains(&stored.len())
        && stored.iter().all(|target| target.len() <= TARGET_BYTES_MAX);
    fits.then(|| stored.iter().map(|target| (***target).into()).collect())
        .ok_or(Corrupt::Value("target"))
}

pub fn write_notice(frame: &mut Vec<u8>, number: u64, notice: &Notice) {
    let how = match notice.state {
        Some(StateKind::Completed) => HowV1::Completed,
        Some(_) => HowV1::Dead,
        None => HowV1::Removed,
    };
    let record = NoticeV1 {
        number,
        job: &notice.job,
        how,
        result: notice.result.as_deref(),
        lease: notice.lease.map(|(token, until)| (token.0, until.0)),
        targets: targets(&notice.targets),
    };
    write_record(frame, &record);
}

pub fn read_notices(mut records: &[u8], queue: &mut Queue) -> Result<(), Corrupt> {
    if records.is_empty() {
        return Err(Corrupt::Record);
    }
    while !records.is_empty() {
        let record: NoticeV1<'_> = read_record(&mut records)?;
        let state = match record.how {
            HowV1::Completed => Some(StateKind::Completed),
            HowV1::Dead => Some(StateKind::Dead),
            HowV1::Removed => None,
        };
        if !id::is_valid(record.job.as_bytes()) {
            return Err(Corrupt::Value("id"));
        }
        if record.result.is_some() && state.is_none() {
            return Err(Corrupt::Value("result"));
        }
        let lease = record.lease.map(|(token, until)| {
            if token == 0 || token > queue.tokens_granted {
                return Err(Corrupt::Value("token"));
            }
            Ok((Token(token), instant(until)?))
        });
        let notice = Notice {
            job: record.job.into(),
            state,
            result: record.result.map(Into::into),
            targets: read_targets(&record.targets)?,
            lease: lease.transpose()?,
        };
        if !queue.subscriptions.add_again(record.number, notice) {
            return Err(Corrupt::Value("number of a notice"));
        }
    }
    Ok(())
}
