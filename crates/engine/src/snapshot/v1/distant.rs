//! What a queue and other queues have to do with each other, as it is stored: the parents of jobs that
//! are elsewhere, who follows from elsewhere, and what is on its way.

use serde::{Deserialize, Serialize};

use super::{ulid, words};
use crate::{
    distant::{is_queue_name, DistantParents, StoredDistant},
    id::{self, JobId, Ulid},
    outbox::{Child, Outbox, Told},
    outsiders::Outsiders,
    parents::End,
    snapshot::Corrupt,
    Queue,
};

#[derive(Serialize, Deserialize, Clone)]
pub struct DistantV1<'a> {
    #[serde(borrow)]
    queues: Vec<&'a serde_bytes::Bytes>,
    #[serde(borrow)]
    parents: Vec<DistantParentV1<'a>>,
}

#[derive(Serialize, Deserialize, Clone)]
struct DistantParentV1<'a> {
    queue: u8,
    told: Option<u8>,
    #[serde(borrow)]
    id: IdV1<'a>,
}

#[derive(Serialize, Deserialize, Clone)]
enum IdV1<'a> {
    Made([u64; 2]),
    Given(&'a str),
}

#[derive(Serialize, Deserialize)]
pub struct ChildV1<'a> {
    ulid: [u64; 2],
    given: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
pub struct OutsiderV1<'a> {
    number: u64,
    #[serde(with = "serde_bytes")]
    queue: &'a [u8],
    #[serde(borrow)]
    child: ChildV1<'a>,
    at: u32,
}

/// What is on its way to another queue.
#[derive(Serialize, Deserialize)]
pub enum EffectV1<'a> {
    Told {
        #[serde(with = "serde_bytes", borrow)]
        queue: &'a [u8],
        #[serde(borrow)]
        child: ChildV1<'a>,
        at: u32,
        how: u8,
    },
}

impl<'a> From<&'a DistantParents> for DistantV1<'a> {
    fn from(distant: &'a DistantParents) -> Self {
        let (queues, parents) = distant.stored();
        let parent = |(queue, told, id): StoredDistant<'a>| DistantParentV1 {
            queue,
            told: told.map(|how| how as u8),
            id: match id {
                JobId::Made(ulid) => IdV1::Made(words(ulid)),
                JobId::Given(text) => IdV1::Given(text),
            },
        };
        let queues = queues.map(serde_bytes::Bytes::new).collect();
        Self { queues, parents: parents.map(parent).collect() }
    }
}

impl DistantV1<'_> {
    pub fn check(&self) -> Result<DistantParents, Corrupt> {
        let queues: Vec<&[u8]> = self.queues.iter().map(|&name| &**name).collect();
        let parents = self.parents.iter().map(DistantParentV1::read);
        DistantParents::from_stored(&queues, parents).ok_or(Corrupt::Value("parents elsewhere"))
    }
}

impl DistantParentV1<'_> {
    fn read(&self) -> Option<StoredDistant<'_>> {
        let told = match self.told {
            Some(how) => Some(*End::ALL.get(usize::from(how))?),
            None => None,
        };
        let id = match self.id {
            IdV1::Made(made) => JobId::Made(ulid(made)),
            IdV1::Given(text) => JobId::Given(text),
        };
        Some((self.queue, told, id))
    }
}

impl<'a> From<Child<'a>> for ChildV1<'a> {
    fn from(child: Child<'a>) -> Self {
        Self { ulid: words(child.ulid), given: child.given }
    }
}

impl<'a> ChildV1<'a> {
    /// The job of this name, in a queue that is named so.
    fn check(&self, queue: &[u8]) -> Result<Child<'a>, Corrupt> {
        let is_valid = self.given.is_none_or(|given| id::is_valid(given.as_bytes()));
        if !is_valid || !is_queue_name(queue) {
            return Err(Corrupt::Value("job of another queue"));
        }
        Ok(Child { ulid: ulid(self.ulid), given: self.given })
    }
}

/// Who follows a job from other queues.
pub fn outsiders_of(queue: &Queue, parent: Ulid) -> Vec<OutsiderV1<'_>> {
    let stored = queue.outsiders.stored_of(parent);
    let outsider = |(number, queue, child, at)| {
        let child: Child<'_> = child;
        OutsiderV1 { number, queue, child: child.into(), at }
    };
    stored.map(outsider).collect()
}

/// Takes them back.
pub fn read_outsiders<'a>(
    stored: &[OutsiderV1<'a>],
    parent: Ulid,
    queue: &mut Queue,
) -> Result<(), Corrupt> {
    let outsider = |stored: &OutsiderV1<'a>| {
        let child = stored.child.check(stored.queue)?;
        Ok((stored.number, stored.queue, child, stored.at))
    };
    let outsiders = stored.iter().map(outsider).collect::<Result<Vec<_>, Corrupt>>()?;
    let is_taken = queue.outsiders.restore(parent, outsiders.into_iter());
    is_taken.then_some(()).ok_or(Corrupt::Value("outsiders of a job"))
}

/// What is on its way.
pub fn effects(outsiders: &Outsiders) -> Vec<EffectV1<'_>> {
    let effects = outsiders.outbox().into_iter().flat_map(Outbox::iter);
    let effects = effects.map(|(queue, told)| EffectV1::Told {
        queue,
        child: told.child.into(),
        at: told.at,
        how: told.how as u8,
    });
    effects.collect()
}

/// Takes it back.
pub fn read_effects(effects: &[EffectV1<'_>], queue: &mut Queue) -> Result<(), Corrupt> {
    for EffectV1::Told { queue: name, child, at, how } in effects {
        let child = child.check(name)?;
        let how = *End::ALL.get(usize::from(*how)).ok_or(Corrupt::Value("end of a job"))?;
        queue.outsiders.outbox_mut().push(name, &Told { child, at: *at, how });
    }
    Ok(())
}
