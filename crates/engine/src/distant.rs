//! Jobs that wait for jobs of other queues.
//!
//! A queue knows nothing of others. So whoever publishes a child of such parents says which of them
//! are unfinished; the parent's queue keeps who follows its job from elsewhere, see
//! [`outsiders`](crate::outsiders), and has an effect in its outbox for each when the job ends.

use crate::{
    id::{is_valid, JobId, JobRef, Ulid},
    job::Job,
    operation::Outcome,
    outbox::{Outbox, Told},
    outsiders::Follow,
    parents::End,
    queue::COUNT_MAX,
    refusal::Refusal,
    state::State,
    Queue,
};

/// The longest name of another queue, in bytes.
pub const QUEUE_NAME_BYTES_MAX: usize = 512;

/// In how many other queues the parents of a job may be.
pub const OTHER_QUEUES_MAX: usize = 16;

/// How many jobs of other queues those that are published together may wait for, each counted for
/// each of them.
pub const DISTANT_MAX: usize = 10_000;

/// A job of another queue, as a new one names it that is to wait for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Distant<'a> {
    /// The key of the queue.
    pub queue: &'a [u8],
    /// The job, by its bare id.
    pub job: JobRef<'a>,
    /// Whether it is there and not completed. Only its own queue knows.
    pub waits: bool,
}

/// The jobs of other queues that a job waits for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct DistantParents {
    // The place of the first among all parents.
    first: usize,
    queues: Box<[Box<[u8]>]>,
    parents: Box<[One]>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct One {
    queue: u8,
    told: Option<End>,
    made: Ulid,
    // Empty if it was named by one that a queue makes.
    given: Box<str>,
}

impl One {
    fn id(&self) -> JobId<'_> {
        match &*self.given {
            "" => JobId::Made(self.made),
            given => JobId::Given(given),
        }
    }
}

/// One of them as it is stored: the place of its queue, what was told of it last, and its id.
pub(crate) type StoredDistant<'a> = (u8, Option<End>, JobId<'a>);

impl DistantParents {
    /// What a new job keeps of them, behind so many of its own queue. `None` without any.
    pub fn new(first: usize, distant: &[Distant<'_>]) -> Option<Box<Self>> {
        if distant.is_empty() {
            return None;
        }
        let mut queues: Vec<Box<[u8]>> = Vec::new();
        let mut parents = Vec::with_capacity(distant.len());
        for parent in distant {
            let known = queues.iter().position(|queue| **queue == *parent.queue);
            let queue = known.unwrap_or_else(|| {
                queues.push(parent.queue.into());
                queues.len() - 1
            });
            let (made, given) = match parent.job.ulid {
                Some(ulid) => (ulid, ""),
                None => (Ulid::ZERO, parent.job.id()),
            };
            parents.push(One { queue: queue as u8, told: None, made, given: given.into() });
        }
        Some(Box::new(Self { first, queues: queues.into(), parents: parents.into() }))
    }

    /// What was stored; `None` if no job can have that.
    pub fn from_stored<'a>(
        queues: &[&[u8]],
        parents: impl Iterator<Item = Option<StoredDistant<'a>>>,
    ) -> Option<Self> {
        let are_names = queues.iter().all(|name| is_queue_name(name));
        if !are_names || queues.len() > OTHER_QUEUES_MAX {
            return None;
        }
        let one = |stored: Option<StoredDistant<'a>>| {
            let (queue, told, id) = stored?;
            let (made, given) = match id {
                JobId::Made(ulid) => (ulid, ""),
                JobId::Given(text) if is_valid(text.as_bytes()) => (Ulid::ZERO, text),
                JobId::Given(_) => return None,
            };
            let is_known = usize::from(queue) < queues.len();
            is_known.then(|| One { queue, told, made, given: given.into() })
        };
        let parents: Box<[One]> = parents.map(one).collect::<Option<_>>()?;
        let queues = queues.iter().map(|&name| name.into()).collect();
        (!parents.is_empty()).then_some(Self { first: 0, queues, parents })
    }

    /// As they are stored: the queues, and the jobs in their order.
    pub fn stored(&self) -> (impl Iterator<Item = &[u8]>, impl Iterator<Item = StoredDistant<'_>>) {
        let queues = self.queues.iter().map(|name| &**name);
        (queues, self.parents.iter().map(|one| (one.queue, one.told, one.id())))
    }

    /// Takes their place behind so many of the job's own queue, if what was told of each goes with
    /// whether it is done.
    pub fn settle(&mut self, first: usize, is_done: impl Fn(usize) -> bool) -> bool {
        self.first = first;
        let fits =
            |(at, one): (usize, &One)| one.told != Some(End::Completed) || is_done(first + at);
        self.parents.iter().enumerate().all(fits)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// Each with its place among all parents, its queue, its id, and what was told of it last.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u8], JobId<'_>, Option<End>)> {
        let named = |(at, one)| {
            let one: &One = one;
            (self.first + at, &*self.queues[usize::from(one.queue)], one.id(), one.told)
        };
        self.parents.iter().enumerate().map(named)
    }

    /// The name of the one at a place, as a publisher writes it.
    pub fn name(&self, at: usize) -> Option<Vec<u8>> {
        let one = self.parents.get(at.checked_sub(self.first)?)?;
        let queue = &*self.queues[usize::from(one.queue)];
        Some([queue, b"/", one.id().text().as_bytes()].concat())
    }

    /// Notes what is told of the one at a place. Says whether that is news; `None` if there is no such.
    pub fn note(&mut self, at: usize, how: End) -> Option<bool> {
        let one = self.parents.get_mut(at.checked_sub(self.first)?)?;
        Some(one.told.replace(how) != Some(how))
    }

    /// Heap bytes, with those of the value itself, which is in a box.
    pub fn bytes(&self) -> usize {
        let queues: usize =
            self.queues.iter().map(|name| size_of::<Box<[u8]>>() + name.len()).sum();
        let names: usize = self.parents.iter().map(|one| one.given.len()).sum();
        size_of::<Self>() + queues + self.parents.len() * size_of::<One>() + names
    }
}

/// Whether another queue may be named so: 1 to 512 bytes.
#[must_use]
pub fn is_queue_name(name: &[u8]) -> bool {
    (1..=QUEUE_NAME_BYTES_MAX).contains(&name.len())
}

impl Queue {
    /// The job of this name, if one in another queue has to wait for it: not if it is completed, or not
    /// here.
    ///
    /// # Errors
    /// [`Refusal::NoSuchJob`] for an id that this queue is yet to make.
    pub fn awaited(&self, job: &JobRef<'_>) -> Result<Option<&Job>, Refusal> {
        self.check_parents(std::slice::from_ref(job))?;
        let found = self.find(&job.bare()).map(|slot| &self.jobs[slot]);
        Ok(found.filter(|job| !matches!(job.state(), State::Completed { .. })))
    }

    /// Keeps who in another queue is to be told of the end of jobs of this one.
    pub(crate) fn be_followed(&mut self, follow: &Follow<'_>) -> Result<Outcome, Refusal> {
        let slots = follow.parents.iter().map(|(id, _)| self.locate(*id));
        let slots: Option<Vec<_>> = slots.collect();
        let slots = slots.ok_or(Refusal::Diverged("a job to be followed is not there"))?;
        let is_completed = |slot| matches!(self.jobs[slot].state(), State::Completed { .. });
        if slots.iter().any(|&slot| is_completed(slot)) {
            return Err(Refusal::Diverged("a job to be followed is completed"));
        }
        if (slots.len() * follow.children.len()) as u64 > COUNT_MAX - self.outsiders.made() {
            return Err(Refusal::Diverged("no number is left for an outsider"));
        }
        for (&slot, (_, at)) in slots.iter().zip(&follow.parents) {
            let before = self.outsiders.made();
            let ulid = self.jobs[slot].ulid;
            for child in &follow.children {
                self.outsiders.add(ulid, follow.queue, child, *at);
            }
            if !self.jobs[slot].is_followed() {
                self.change_extra(slot, |extra| extra.is_followed = true);
            }
            if matches!(self.jobs[slot].state(), State::Dead { .. }) {
                self.note_old_death(slot, before);
            }
        }
        Ok(Outcome::Done(slots.len() as u64))
    }

    /// What other queues are to be told, in the order in which it came about.
    pub fn outbox(&self) -> impl Iterator<Item = (&[u8], Told<'_>)> {
        self.outsiders.outbox().into_iter().flat_map(Outbox::iter)
    }

    /// How much that is. O(1).
    #[must_use]
    pub fn outbox_len(&self) -> usize {
        self.outsiders.outbox().map_or(0, Outbox::len)
    }

    /// How many jobs of other queues follow one of this queue, each counted for each that it follows.
    #[must_use]
    pub fn outsiders(&self) -> usize {
        self.outsiders.len()
    }
}
