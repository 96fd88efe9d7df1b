//! Those who are to be told what became of a job, whenever they come: durable, and at least once.
//!
//! A subscriber is a target, any bytes: where to tell it is up to whoever delivers. An unfinished job
//! keeps its subscribers. When it ends, they and what became of it are a *notice*, which outlives the
//! job. Notices are taken like jobs, under a lease with a receipt, and the targets that were told are
//! crossed off. What is left when the lease ends is told again.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{JobId, JobRef, Name, Token, Ulid},
    job::Job,
    operation::{Outcome, Touched},
    queue::COUNT_MAX,
    refusal::Refusal,
    slab::Slot,
    state::StateKind,
    time::{Millis, UnixMillis},
    Queue,
};

/// The longest target, in bytes.
pub const TARGET_BYTES_MAX: usize = 4096;

/// How many subscribers a job may have.
pub const SUBSCRIBERS_MAX: usize = 100_000;

/// A target, as its subscriber named it.
pub type Target = Box<[u8]>;

/// Targets in the order in which they subscribed, each as often as it did. What they take in memory is
/// kept beside them: there may be very many, and a job's is asked for whenever the job changes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Targets {
    list: Vec<Target>,
    bytes: usize,
}

impl Targets {
    /// Heap bytes held. O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes out those that are named, the first of equals; all if nobody is named. What is found is taken
    /// off the names. Tells how many it was. O(list × log names).
    fn cross_off(&mut self, names: Option<&mut Names<'_>>) -> u64 {
        let Some(names) = names else { return std::mem::take(self).list.len() as u64 };
        let (before, bytes) = (self.list.len(), &mut self.bytes);
        self.list.retain(|target| match names.get_mut(&**target) {
            Some(left) if *left > 0 => {
                *left -= 1;
                *bytes -= target_bytes(target);
                false
            }
            _ => true,
        });
        (before - self.list.len()) as u64
    }

    /// Whether there are some, and their bytes are those of a recount.
    pub(crate) fn are_sound(&self) -> bool {
        !self.list.is_empty() && self.list.iter().cloned().collect::<Self>() == *self
    }
}

impl std::ops::Deref for Targets {
    type Target = [Target];

    fn deref(&self) -> &[Target] {
        &self.list
    }
}

impl Extend<Target> for Targets {
    fn extend<T: IntoIterator<Item = Target>>(&mut self, targets: T) {
        let bytes = &mut self.bytes;
        self.list.extend(targets.into_iter().inspect(|target| *bytes += target_bytes(target)));
    }
}

impl FromIterator<Target> for Targets {
    fn from_iter<T: IntoIterator<Item = Target>>(targets: T) -> Self {
        let mut these = Self::default();
        these.extend(targets);
        these
    }
}

/// Targets by name, each with how often it is still to be found.
type Names<'a> = BTreeMap<&'a [u8], u64>;

fn names<'a>(targets: &[&'a [u8]]) -> Names<'a> {
    let mut names = Names::new();
    targets.iter().for_each(|&target| *names.entry(target).or_default() += 1);
    names
}

/// What became of a job, and who is yet to be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notice {
    /// The bare id of the job.
    pub job: Box<str>,
    /// Completed or dead; `None` if it was removed unfinished.
    pub state: Option<StateKind>,
    /// The result of a completed job, what went wrong last of a dead one, if there is any.
    pub result: Option<Box<[u8]>>,
    /// Who is to be told; at least one.
    pub targets: Targets,
    /// Which delivery it is, and when that lapses; `None` while nobody delivers it.
    pub lease: Option<(Token, UnixMillis)>,
}

impl Notice {
    /// What a deliverer settles it by, while it is leased.
    #[must_use]
    pub fn receipt(&self) -> Option<Name> {
        let (token, _) = self.lease?;
        Some(JobId::Given(&self.job).receipt(token))
    }

    fn bytes(&self) -> usize {
        let result = self.result.as_ref().map_or(0, |result| result.len());
        // Beside itself the place in the line, and the name by which it is found.
        size_of::<Self>() + 2 * self.job.len() + result + self.targets.bytes() + 64
    }
}

fn target_bytes(target: &[u8]) -> usize {
    size_of::<Target>() + target.len()
}

/// Notices of a queue, by the order in which they came about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriptions {
    made: u64,
    notices: BTreeMap<u64, Notice>,
    ready: BTreeSet<u64>,
    lapses: BTreeSet<(UnixMillis, u64)>,
    // An id may come again, with a job of its own.
    by_job: BTreeMap<Box<str>, BTreeSet<u64>>,
    bytes: usize,
}

impl Subscriptions {
    /// Whether there is nothing to be told. O(1).
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.notices.is_empty()
    }

    /// How many notices there are, leased ones included. O(1).
    pub fn len(&self) -> usize {
        self.notices.len()
    }

    /// Heap bytes held, about. O(1).
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The notice whose lease lapses first. O(1).
    #[inline]
    pub fn first_lapse(&self) -> Option<UnixMillis> {
        self.lapses.first().map(|(at, _)| *at)
    }

    /// How many were ever made.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// All of them with their numbers, the oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &Notice)> {
        self.notices.iter().map(|(&number, notice)| (number, notice))
    }

    /// Goes on numbering behind so many.
    pub fn begin(&mut self, made: u64) {
        self.made = made;
    }

    /// Adds a notice under its number. False if it is taken, or was never given.
    pub fn add_again(&mut self, number: u64, notice: Notice) -> bool {
        let is_new = number > 0 && number <= self.made && !self.notices.contains_key(&number);
        if is_new {
            self.enter(number, notice);
        }
        is_new
    }

    fn add(&mut self, notice: Notice) {
        self.made += 1;
        self.enter(self.made, notice);
    }

    fn enter(&mut self, number: u64, notice: Notice) {
        self.bytes += notice.bytes();
        match notice.lease {
            Some((_, until)) => drop(self.lapses.insert((until, number))),
            None => drop(self.ready.insert(number)),
        }
        self.by_job.entry(folded(&notice.job)).or_default().insert(number);
        self.notices.insert(number, notice);
    }

    fn leave(&mut self, number: u64) -> Option<Notice> {
        let notice = self.notices.remove(&number)?;
        self.bytes -= notice.bytes();
        match notice.lease {
            Some((_, until)) => drop(self.lapses.remove(&(until, number))),
            None => drop(self.ready.remove(&number)),
        }
        let job = folded(&notice.job);
        if let Some(numbers) = self.by_job.get_mut(&job) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_job.remove(&job);
            }
        }
        Some(notice)
    }

    /// Changes a notice; one without targets is none any more.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut Notice)) {
        let Some(mut notice) = self.leave(number) else { return };
        change(&mut notice);
        if !notice.targets.is_empty() {
            self.enter(number, notice);
        }
    }

    /// The notice that a receipt names, while its lease holds.
    fn find(&self, receipt: &JobRef<'_>) -> Option<u64> {
        let numbers = self.by_job.get(&folded(receipt.id()))?;
        let is_named = |number: &&u64| {
            let lease = self.notices.get(number).and_then(|notice| notice.lease);
            lease.is_some_and(|(token, _)| receipt.token == Some(token))
        };
        numbers.iter().find(is_named).copied()
    }

    /// Part of [`check_invariants`](Queue::check_invariants).
    pub fn check(&self) -> Result<(), String> {
        let mut again = Self { made: self.made, ..Self::default() };
        for (number, notice) in self.iter() {
            if !again.add_again(number, notice.clone()) || !notice.targets.are_sound() {
                return Err(format!("notice {number}: {notice:?}"));
            }
        }
        let is_same = again.ready == self.ready
            && again.lapses == self.lapses
            && again.by_job == self.by_job
            && again.bytes == self.bytes;
        is_same.then_some(()).ok_or_else(|| format!("{self:?} and not {again:?}"))
    }
}

/// An id as it is compared: one in the form of those that a queue makes is the same in either case.
fn folded(id: &str) -> Box<str> {
    Ulid::parse(id.as_bytes()).map_or_else(|| id.into(), |ulid| ulid.to_string().into())
}

impl Job {
    /// Who is to be told when it ends.
    #[must_use]
    pub fn subscribers(&self) -> &[Target] {
        let kept = self.extra.as_ref().and_then(|extra| extra.subscribers.as_deref());
        kept.map_or(&[], |kept| kept)
    }
}

impl Queue {
    /// Notices that nobody delivers at the moment. O(1).
    #[must_use]
    #[inline]
    pub fn notices_ready(&self) -> usize {
        self.subscriptions.ready.len()
    }

    /// Notices in all. O(1).
    #[must_use]
    pub fn notices(&self) -> usize {
        self.subscriptions.len()
    }

    /// The notice of this number, which an outcome named.
    #[must_use]
    pub fn notice(&self, number: u64) -> Option<&Notice> {
        self.subscriptions.notices.get(&number)
    }

    /// All notices with their numbers, the oldest first.
    pub fn all_notices(&self) -> impl ExactSizeIterator<Item = (u64, &Notice)> {
        self.subscriptions.iter()
    }

    /// Whether so many more may subscribe to a job, if it is there.
    pub(crate) fn check_subscribers(
        &self,
        job: &JobRef<'_>,
        targets: &[&[u8]],
    ) -> Result<(), Refusal> {
        let known = self.find(job).map_or(0, |slot| self.jobs[slot].subscribers().len());
        if known + targets.len() > SUBSCRIBERS_MAX {
            return Err(Refusal::TooManySubscribers { max: SUBSCRIBERS_MAX });
        }
        Ok(())
    }

    /// Keeps who is to be told of the end of a job; at once if it has ended.
    pub(crate) fn subscribe(
        &mut self,
        job: &JobRef<'_>,
        targets: &[&[u8]],
    ) -> Result<Outcome, Refusal> {
        self.check_subscribers(job, targets)?;
        let Some(slot) = self.find(job).filter(|_| !targets.is_empty()) else {
            return Ok(Outcome::Done(0));
        };
        let new = targets.iter().map(|&target| target.into());
        let job = &self.jobs[slot];
        let state = job.state().kind();
        if state.is_final() {
            let (id, result) = (job.id().to_string().into(), job.outcome().map(Into::into));
            self.tell_subscribers(id, Some(state), result, new.collect());
        } else {
            self.change_extra(slot, |extra| {
                extra.subscribers.get_or_insert_default().extend(new);
            });
        }
        Ok(Outcome::Done(targets.len() as u64))
    }

    /// Forgets who was to be told of a job, once for each time that it is named; everybody if nobody
    /// is. Also of one that has ended, as long as it is not told, but not by a receipt: that is of a lease,
    /// which has ended, and the notice may be of another job of this id.
    pub(crate) fn unsubscribe(&mut self, job: &JobRef<'_>, targets: Option<&[&[u8]]>) -> u64 {
        let mut names = targets.map(names);
        let mut done = 0;
        if let Some(slot) = self.find(job).filter(|&slot| !self.jobs[slot].subscribers().is_empty())
        {
            self.change_extra(slot, |extra| {
                done += extra.subscribers.as_mut().map_or(0, |kept| kept.cross_off(names.as_mut()));
                extra.subscribers = extra.subscribers.take().filter(|kept| !kept.is_empty());
            });
        }
        let ended = job.token.is_none().then(|| folded(job.id()));
        let numbers = ended.and_then(|id| self.subscriptions.by_job.get(&id).cloned());
        for number in numbers.unwrap_or_default() {
            self.subscriptions.change(number, |notice| {
                done += notice.targets.cross_off(names.as_mut());
            });
        }
        done
    }

    /// Leases the oldest notices, each for so long; as long as jobs are leased if nothing is said.
    pub(crate) fn take_notices(&mut self, count: u32, ttr: Option<Millis>) -> Outcome {
        let count = (count as usize).min(self.tokens_left());
        let numbers: Vec<u64> = self.subscriptions.ready.iter().take(count).copied().collect();
        let until = self.clock.after(ttr.unwrap_or(self.config.defaults.ttr));
        for &number in &numbers {
            let token = self.grant_token();
            self.subscriptions.change(number, |notice| notice.lease = Some((token, until)));
        }
        Outcome::Noticed(numbers)
    }

    /// Extends the lease of a notice by its receipt: it lasts so long from now on, or as long as jobs are
    /// leased if nothing is said.
    pub(crate) fn touch_notice(&mut self, receipt: &JobRef<'_>, ttr: Option<Millis>) -> Touched {
        let (Some(token), Some(number)) = (receipt.token, self.subscriptions.find(receipt)) else {
            return Touched::Lost;
        };
        let until = self.clock.after(ttr.unwrap_or(self.config.defaults.ttr));
        self.subscriptions.change(number, |notice| notice.lease = Some((token, until)));
        Touched::Until(until)
    }

    /// Ends the lease of a notice of which these targets were told. The others are told again. `None`
    /// if the lease did not hold.
    pub(crate) fn cross_off(&mut self, receipt: &JobRef<'_>, targets: &[&[u8]]) -> Option<u64> {
        let number = self.subscriptions.find(receipt)?;
        let mut done = 0;
        self.subscriptions.change(number, |notice| {
            notice.lease = None;
            done = notice.targets.cross_off(Some(&mut names(targets)));
        });
        Some(done)
    }

    /// Ends the lease of the notice that lapses first.
    pub(crate) fn lapse_notice(&mut self) {
        if let Some(&(_, number)) = self.subscriptions.lapses.first() {
            self.subscriptions.change(number, |notice| notice.lease = None);
        }
    }

    /// Whether somebody subscribed to a job that is about to end, or has.
    #[inline]
    pub(crate) fn has_subscribers(&self, slot: Slot) -> bool {
        self.jobs[slot].extra.as_ref().is_some_and(|extra| extra.subscribers.is_some())
    }

    /// Makes a notice of the end of a job to which somebody subscribed.
    #[cold]
    pub(crate) fn note_for_subscribers(
        &mut self,
        slot: Slot,
        state: Option<StateKind>,
        result: Option<&[u8]>,
    ) {
        let mut targets = Targets::default();
        self.change_extra(slot, |extra| {
            targets = extra.subscribers.take().map_or_else(Targets::default, |kept| *kept);
        });
        let id = self.jobs[slot].id().to_string().into();
        self.tell_subscribers(id, state, result.map(Into::into), targets);
    }

    fn tell_subscribers(
        &mut self,
        job: Box<str>,
        state: Option<StateKind>,
        result: Option<Box<[u8]>>,
        targets: Targets,
    ) {
        // Numbers are never used up but in a stored form that was made up.
        if self.subscriptions.made < COUNT_MAX {
            self.subscriptions.add(Notice { job, state, result, targets, lease: None });
        }
    }
}
