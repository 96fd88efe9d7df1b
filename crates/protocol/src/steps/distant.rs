//! Steps by which queues have to do with each other.

use jobq_engine::{
    distant::is_queue_name, id, Action, Child, Follow, ParentEnd, Refusal, Told, Ulid,
};
use serde::{Deserialize, Serialize};

use super::Job;

/// A job of another queue: the number that was made for it, and its id if that was given.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Kin<'a> {
    ulid: u128,
    given: Option<&'a str>,
}

impl<'a> Kin<'a> {
    fn new(child: &Child<'a>) -> Self {
        Self { ulid: child.ulid.to_bits(), given: child.given }
    }

    fn child(&self) -> Child<'a> {
        Child { ulid: Ulid::from_bits(self.ulid), given: self.given }
    }

    fn is_valid(&self) -> bool {
        self.given.is_none_or(|given| id::is_valid(given.as_bytes()))
    }
}

/// Which jobs of another queue begin to wait for which of this one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FollowStep<'a> {
    #[serde(borrow, with = "serde_bytes")]
    queue: &'a [u8],
    #[serde(borrow)]
    children: Vec<Kin<'a>>,
    #[serde(borrow)]
    parents: Vec<(Job<'a>, u32)>,
}

impl<'a> FollowStep<'a> {
    /// Records that.
    #[must_use]
    pub fn new(follow: &Follow<'a>) -> Self {
        Self {
            queue: follow.queue,
            children: follow.children.iter().map(Kin::new).collect(),
            parents: follow.parents.iter().map(|&(id, at)| (Job::new(id), at)).collect(),
        }
    }

    /// What was recorded.
    #[must_use]
    pub fn follow(&self) -> Follow<'a> {
        let parents = self.parents.iter().map(|(job, at)| (job.id(), *at));
        Follow {
            queue: self.queue,
            children: self.children.iter().map(Kin::child).collect(),
            parents: parents.collect(),
        }
    }

    pub(super) fn is_valid(&self) -> bool {
        is_queue_name(self.queue)
            && !self.children.is_empty()
            && self.children.iter().all(Kin::is_valid)
            && !self.parents.is_empty()
            && self.parents.iter().all(|(job, _)| job.is_valid())
    }
}

/// Which job is told how one of another queue has ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ToldStep<'a> {
    #[serde(borrow)]
    child: Kin<'a>,
    at: u32,
    how: u8,
}

impl<'a> ToldStep<'a> {
    /// Records that.
    #[must_use]
    pub fn new(told: &Told<'a>) -> Self {
        Self { child: Kin::new(&told.child), at: told.at, how: told.how as u8 }
    }

    /// What was recorded; `None` if that is no end.
    #[must_use]
    pub fn told(&self) -> Option<Told<'a>> {
        let how = *ParentEnd::ALL.get(usize::from(self.how))?;
        Some(Told { child: self.child.child(), at: self.at, how })
    }

    pub(super) fn is_valid(&self) -> bool {
        self.child.is_valid() && self.told().is_some()
    }
}

/// The places of those that are unfinished among the jobs of other queues which a publish names. `None`
/// if all are done: then the command can speak for itself.
#[must_use]
pub fn unfinished(action: &Action<'_>) -> Option<Vec<u32>> {
    let Action::Publish(publish) = action else { return None };
    let distant = &publish.conditions.as_ref()?.distant;
    let places = (0..).zip(distant).filter(|(_, parent)| parent.waits);
    let places: Vec<u32> = places.map(|(place, _)| place).collect();
    (!places.is_empty()).then_some(places)
}

/// Says of those at these places that they are unfinished.
pub(super) fn wait_for(action: &mut Action<'_>, places: &[u32]) -> Result<(), Refusal> {
    const ERROR: Refusal = Refusal::Diverged("no job of another queue is named there");
    let Action::Publish(publish) = action else { return Err(ERROR) };
    let conditions = publish.conditions.as_mut().ok_or(ERROR)?;
    for &place in places {
        conditions.distant.get_mut(place as usize).ok_or(ERROR)?.waits = true;
    }
    Ok(())
}
