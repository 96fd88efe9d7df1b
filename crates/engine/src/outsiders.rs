//! Outsiders: jobs of other queues that wait for jobs of this one.
//!
//! Unlike the children in the queue itself, see [`parents`](crate::parents), they cannot be found in it
//! again, so they are stored. When a job ends, each of those becomes an effect in the outbox,
//! by a step of a tick, as each child is told by one.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    id::{JobId, Ulid},
    interner::Key,
    outbox::{Child, Outbox, QueueNames, Told},
    parents::{End, Ended},
    Queue,
};

/// Jobs of another queue begin to wait for jobs of this one.
#[derive(Clone, Debug)]
pub struct Follow<'a> {
    /// The key of the other queue.
    pub queue: &'a [u8],
    /// The jobs there.
    pub children: Vec<Child<'a>>,
    /// The jobs here, each with its place among those that the others wait for. They are unfinished.
    pub parents: Vec<(JobId<'a>, u32)>,
}

#[derive(Clone, Debug)]
struct Outsider {
    // The outsiders of a queue are numbered as they come.
    number: u64,
    queue: Key,
    child: Ulid,
    given: Option<Box<str>>,
    at: u32,
}

impl Outsider {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.given.as_ref().map_or(0, |given| given.len())
    }

    fn told(&self, how: End) -> Told<'_> {
        let child = Child { ulid: self.child, given: self.given.as_deref() };
        Told { child, at: self.at, how }
    }
}

/// An outsider as it is stored: its number, its queue, the job and its place there.
pub(crate) type StoredOutsider<'a> = (u64, &'a [u8], Child<'a>, u32);

/// The outsiders of a queue, and what is to be told them. Most queues have none, and have had none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outsiders(Option<Box<Known>>);

#[derive(Clone, Debug, Default)]
struct Known {
    // Of each job as they came. None is empty.
    lists: BTreeMap<Ulid, VecDeque<Outsider>>,
    made: u64,
    len: usize,
    queues: QueueNames,
    bytes: usize,
    outbox: Outbox,
}

impl Outsiders {
    fn known(&self) -> Option<&Known> {
        self.0.as_deref()
    }

    fn known_mut(&mut self) -> &mut Known {
        self.0.get_or_insert_default()
    }

    /// How many there have ever been.
    pub fn made(&self) -> u64 {
        self.known().map_or(0, |known| known.made)
    }

    pub fn len(&self) -> usize {
        self.known().map_or(0, |known| known.len)
    }

    /// Adds one. O(log n).
    pub fn add(&mut self, parent: Ulid, queue: &[u8], child: &Child<'_>, at: u32) {
        let known = self.known_mut();
        known.made += 1;
        known.insert(parent, (known.made, queue, *child, at));
    }

    /// Has the next one told of an end. False if all are. O(log n).
    pub fn tell(&mut self, ended: &mut Ended) -> bool {
        self.0.as_mut().is_some_and(|known| known.tell(ended))
    }

    /// Those of a job, as they are stored.
    pub fn stored_of(&self, parent: Ulid) -> impl Iterator<Item = StoredOutsider<'_>> {
        self.known().into_iter().flat_map(move |known| {
            known.lists.get(&parent).into_iter().flatten().map(|it| {
                let child = Child { ulid: it.child, given: it.given.as_deref() };
                (it.number, known.queues.get(it.queue), child, it.at)
            })
        })
    }

    /// Goes on from so many.
    pub fn begin(&mut self, made: u64) {
        if made > 0 {
            self.known_mut().made = made;
        }
    }

    /// Takes those of a job back that were stored. False if that cannot be.
    pub fn restore<'a>(
        &mut self,
        parent: Ulid,
        stored: impl Iterator<Item = StoredOutsider<'a>>,
    ) -> bool {
        let known = self.known_mut();
        if known.lists.contains_key(&parent) {
            return false;
        }
        let mut last = 0;
        for outsider in stored {
            if outsider.0 <= last || outsider.0 > known.made {
                return false;
            }
            last = outsider.0;
            known.insert(parent, outsider);
        }
        true
    }

    /// What is on its way.
    pub fn outbox(&self) -> Option<&Outbox> {
        self.known().map(|known| &known.outbox)
    }

    /// The same, to be changed.
    pub fn outbox_mut(&mut self) -> &mut Outbox {
        &mut self.known_mut().outbox
    }

    /// Forgets so many of the oldest effects, which are delivered. Tells how many there were.
    pub fn drop_effects(&mut self, count: u64) -> u64 {
        self.0.as_mut().map_or(0, |known| known.outbox.drop_first(count))
    }

    /// Whether nothing is kept and nothing on its way.
    pub fn is_unused(&self) -> bool {
        self.known().is_none_or(|known| known.lists.is_empty() && known.outbox.len() == 0)
    }

    /// Heap bytes held, about.
    pub fn bytes(&self) -> usize {
        self.known().map_or(0, |known| {
            let lists = known.lists.len() * size_of::<(Ulid, VecDeque<Outsider>)>();
            let names = known.queues.bytes() + known.outbox.bytes();
            size_of::<Known>() + lists + known.bytes + names
        })
    }
}

impl Known {
    fn insert(&mut self, parent: Ulid, (number, queue, child, at): StoredOutsider<'_>) {
        let queue = self.queues.keep(queue);
        let given = child.given.map(Into::into);
        let outsider = Outsider { number, queue, child: child.ulid, given, at };
        self.bytes += outsider.bytes();
        self.len += 1;
        self.lists.entry(parent).or_default().push_back(outsider);
    }

    fn tell(&mut self, ended: &mut Ended) -> bool {
        let Some(list) = self.lists.get_mut(&ended.parent) else { return false };
        if ended.how == End::Died {
            // They stay, since the job may come back.
            let next = list.partition_point(|outsider| outsider.number <= ended.told_distant);
            let Some(outsider) = list.get(next).filter(|it| it.number <= ended.upto_distant) else {
                return false;
            };
            ended.told_distant = outsider.number;
            self.outbox.push(self.queues.get(outsider.queue), &outsider.told(ended.how));
            return true;
        }
        let Some(outsider) = list.pop_front() else { return false };
        if list.is_empty() {
            self.lists.remove(&ended.parent);
        }
        self.outbox.push(self.queues.get(outsider.queue), &outsider.told(ended.how));
        self.queues.release(outsider.queue);
        self.bytes -= outsider.bytes();
        self.len -= 1;
        true
    }
}

impl Queue {
    /// Forgets who follows from other queues, and what is on its way to them. For a copy: they follow
    /// the jobs of the other one.
    pub fn forget_outsiders(&mut self) {
        let made = self.outsiders.made();
        self.outsiders = Outsiders::default();
        self.outsiders.begin(made);
    }

    /// Part of [`check_invariants`](Queue::check_invariants).
    pub(crate) fn check_outsiders(&self) -> Result<(), String> {
        let Some(known) = self.outsiders.known() else { return Ok(()) };
        let Known { lists, made, len, queues, bytes, outbox } = known;
        let living = self.jobs.iter().map(|(_, job)| job).filter(|job| job.is_followed());
        let ended = self.family.ended().filter(|ended| ended.how != End::Died);
        let known: std::collections::HashSet<Ulid> =
            living.map(|job| job.ulid).chain(ended.map(|ended| ended.parent)).collect();
        for (parent, list) in lists {
            let numbers: Vec<_> = list.iter().map(|outsider| outsider.number).collect();
            let ascends = numbers.is_sorted() && numbers.last().is_some_and(|last| last <= made);
            if !ascends || !known.contains(parent) {
                return Err(format!("outsiders {numbers:?} of {parent}"));
            }
        }
        let all = || lists.values().flatten();
        let counted: usize = all().map(Outsider::bytes).sum();
        if all().count() != *len || counted != *bytes {
            return Err(format!("{len} outsiders of {bytes} bytes, {counted} counted"));
        }
        queues.check(all().map(|outsider| outsider.queue))?;
        outbox.check()
    }
}
