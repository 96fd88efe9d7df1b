//! Limits, and the turns of groups.

use std::collections::BTreeMap;

use super::{instant, span, BucketV1, ChoreV1, Corrupt, LimitIdV1, LimitsV1, PermitsV1};
use crate::{
    bucket::{Bucket, Rate},
    limits::{Chore, LimitId, LimitKey, Permits, EACH_GROUP, WHOLE_QUEUE},
    time::UnixMillis,
    uses::{self, LIMIT_NAME_BYTES_MAX},
    LimitName, Queue, GROUP_BYTES_MAX,
};

/// What can be said only when all jobs are in: turns that have begun, and when buckets are looked at.
pub struct Unfinished {
    line: Vec<(i8, u32)>,
    rooms: Vec<(LimitId, i8, u32)>,
    refills: Vec<(UnixMillis, LimitId)>,
    /// The key up to which batches follow the settings, where not all do.
    pub stale_after: Option<Box<[u8]>>,
    /// How many events are yet to be read.
    pub events: u32,
}

impl Unfinished {
    /// Says it. False if it cannot be.
    #[must_use]
    pub fn finish(&self, queue: &mut Queue) -> bool {
        queue.limits.look_at_none();
        for (at, id) in &self.refills {
            // One against which nothing counts stays until its bucket was looked at.
            let key = find_or_make(id, queue);
            queue.limits.look_at(key, Some(*at));
        }
        let in_line = self
            .line
            .iter()
            .all(|&(priority, served)| served > 0 && queue.ready.set_served(priority, served));
        let in_rooms = self.rooms.iter().all(|(id, priority, served)| {
            let key = queue.limits.find(id.name(), queue.hash_key);
            let limit = key.and_then(|key| queue.limits.get_mut(key));
            *served > 0 && limit.is_some_and(|limit| limit.room.set_served(*priority, *served))
        });
        in_line && in_rooms
    }
}

pub(super) fn write(queue: &Queue) -> LimitsV1<'_> {
    let limits = &queue.limits;
    // In the order of their names, whichever places they have.
    let mut known: Vec<_> = limits.iter().map(|(_, limit)| limit).collect();
    known.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let is_spent = |limit: &&&crate::limits::Limit| {
        let rate = limits.permits_of(&limit.id).rate;
        rate.is_some_and(|rate| !limit.bucket.is_full(rate, queue.clock))
    };
    let whole = [(WHOLE_QUEUE, limits.whole), (EACH_GROUP, limits.each_group)];
    let whole = whole.into_iter().filter(|(_, permits)| *permits != Permits::default());
    let named = limits.permits.iter().map(|(name, permits)| (&**name, *permits));
    LimitsV1 {
        permits: (whole.chain(named))
            .map(|(name, permits)| (serde_bytes::Bytes::new(name), permits.into()))
            .collect(),
        whole_bucket: limits.whole_bucket.into(),
        buckets: (known.iter().filter(is_spent))
            .map(|limit| ((&limit.id).into(), limit.bucket.into()))
            .collect(),
        chores: (limits.chores.iter())
            .map(|chore| match chore {
                Chore::Seat(id) => ChoreV1::Seat(id.into()),
                Chore::Revoke(id) => ChoreV1::Revoke(id.into()),
            })
            .collect(),
        refills: limits.refills().map(|(at, id)| (at.0, id.into())).collect(),
        turns: queue.ready.served().collect(),
        turns_in_rooms: (known.iter())
            .flat_map(|limit| {
                limit.room.served().map(|(at, served)| ((&limit.id).into(), at, served))
            })
            .collect(),
    }
}

pub(super) fn read(record: &LimitsV1<'_>, queue: &mut Queue) -> Result<Unfinished, Corrupt> {
    for (name, permits) in &record.permits {
        let permits = permits.check()?;
        let is_new = match name.as_ref() {
            WHOLE_QUEUE => {
                std::mem::replace(&mut queue.limits.whole, permits) == Permits::default()
            }
            EACH_GROUP => {
                std::mem::replace(&mut queue.limits.each_group, permits) == Permits::default()
            }
            name if (1..=LIMIT_NAME_BYTES_MAX).contains(&name.len()) => {
                queue.limits.permits.insert(name.into(), permits).is_none()
            }
            _ => false,
        };
        if !is_new {
            return Err(Corrupt::Value("limit"));
        }
    }
    queue.limits.whole_bucket = record.whole_bucket.check()?;
    for (id, bucket) in &record.buckets {
        let (id, bucket) = (id.check()?, bucket.check()?);
        let key = find_or_make(&id, queue);
        queue.limits.get_mut(key).into_iter().for_each(|limit| limit.bucket = bucket);
        queue.limits.forget_if_idle(key, queue.clock, queue.hash_key);
    }
    for chore in &record.chores {
        let chore = match chore {
            ChoreV1::Seat(id) => Chore::Seat(id.check()?),
            ChoreV1::Revoke(id) => Chore::Revoke(id.check()?),
        };
        queue.limits.chores.push_back(chore);
    }
    let rooms = record.turns_in_rooms.iter();
    let rooms = rooms.map(|(id, priority, served)| Ok((id.check()?, *priority, *served)));
    let refills = record.refills.iter().map(|(at, id)| Ok((instant(*at)?, id.check()?)));
    Ok(Unfinished {
        line: record.turns.clone(),
        rooms: rooms.collect::<Result<_, Corrupt>>()?,
        refills: refills.collect::<Result<_, Corrupt>>()?,
        stale_after: None,
        events: 0,
    })
}

fn find_or_make(id: &LimitId, queue: &mut Queue) -> LimitKey {
    let weight = match id.name() {
        LimitName::Group(group) => queue.config.group_weight(group),
        _ => 1,
    };
    queue.limits.find_or_make(id.name(), weight, queue.hash_key)
}

/// The weights of groups.
pub(super) fn weights(
    stored: &[(&serde_bytes::Bytes, u32)],
) -> Result<BTreeMap<Box<[u8]>, u32>, Corrupt> {
    let is_valid = |(group, weight): &(&serde_bytes::Bytes, u32)| {
        (1..=GROUP_BYTES_MAX).contains(&group.len()) && *weight > 1
    };
    let weights: BTreeMap<Box<[u8]>, u32> =
        stored.iter().map(|(group, weight)| (group.as_ref().into(), *weight)).collect();
    let valid = stored.iter().all(is_valid) && weights.len() == stored.len();
    valid.then_some(weights).ok_or(Corrupt::Value("weight of a group"))
}

impl From<Permits> for PermitsV1 {
    fn from(permits: Permits) -> Self {
        let rate = permits.rate.map(|rate| (rate.tokens, rate.per.0));
        Self { concurrency: permits.concurrency, rate }
    }
}

impl PermitsV1 {
    fn check(&self) -> Result<Permits, Corrupt> {
        let rate = match self.rate {
            Some((0, _) | (_, 0)) => return Err(Corrupt::Value("rate")),
            Some((tokens, per)) => Some(Rate { tokens, per: span(per)? }),
            None => None,
        };
        match self.concurrency {
            Some(0) => Err(Corrupt::Value("concurrency")),
            concurrency => Ok(Permits { concurrency, rate }),
        }
    }
}

impl From<Bucket> for BucketV1 {
    #[allow(clippy::cast_possible_truncation, reason = "each half is cut out of the whole")]
    fn from(bucket: Bucket) -> Self {
        let (full_at, fractions) = bucket.parts();
        Self { full_at: [full_at as u64, (full_at >> 64) as u64], fractions }
    }
}

impl BucketV1 {
    fn check(self) -> Result<Bucket, Corrupt> {
        let [low, high] = self.full_at.map(u128::from);
        Bucket::new(high << 64 | low, self.fractions).ok_or(Corrupt::Value("bucket"))
    }
}

impl<'a> From<&'a LimitId> for LimitIdV1<'a> {
    fn from(id: &'a LimitId) -> Self {
        match id {
            LimitId::Named(name) => Self::Named(name),
            LimitId::Mutex(name) => Self::Mutex(name),
            LimitId::Group(name) => Self::Group(name),
        }
    }
}

impl LimitIdV1<'_> {
    fn check(&self) -> Result<LimitId, Corrupt> {
        let (id, max) = match *self {
            Self::Named(name) => (LimitId::Named(name.into()), uses::LIMIT_NAME_BYTES_MAX),
            Self::Mutex(name) => (LimitId::Mutex(name.into()), uses::LIMIT_NAME_BYTES_MAX),
            Self::Group(name) => (LimitId::Group(name.into()), GROUP_BYTES_MAX),
        };
        let is_valid = (1..=max).contains(&id.name().as_bytes().len());
        is_valid.then_some(id).ok_or(Corrupt::Value("name of a limit"))
    }
}
