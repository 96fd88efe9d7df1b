//! The stored form of a queue: frames of bounded size, in an order that does not depend on how the
//! queue came about. So equal queues have equal frames, and the digest is a hash of them.
//!
//! A frame is a magic number, the version of the form, the frame's number, and records that
//! bincode writes. Frame 0 describes the queue, the next ones hold its events, if it keeps some, and the
//! others its jobs: the ready ones in the
//! order of service, the delayed and leased ones by instant, the held, gathering, completed and dead ones by age.
//! Notices for subscribers follow, by age.
//! Reading rebuilds every index and trusts nothing.

mod v1;

use std::fmt;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{
    id::JobId,
    job::Job,
    parents::{End, Ended},
    slab::Slot,
    state::State,
    Queue,
};

/// Version of the stored form. Before changing anything in `v1.rs`: 1. don't, add a version and
/// keep the reader of this one; 2. add a file written by the last release to the test fixtures;
/// 3. say in CHANGELOG.md whether a downgrade can read it.
pub const SNAPSHOT_VERSION: u16 = 1;

const MAGIC: &[u8; 4] = b"JobQ";

/// A frame of jobs is closed once it holds this many bytes. A single larger job has a frame of its
/// own.
pub const FRAME_BYTES: usize = 256 * 1024;

/// Why a stored form was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Corrupt {
    /// No frame of a queue.
    NoFrame,
    /// Written by a newer version of the module, which this one cannot read.
    Newer(u16),
    /// A record ends early, is too long, or is none.
    Record,
    /// A value that no queue can have.
    Value(&'static str),
    /// The frames do not belong together, or some are missing.
    Incomplete,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFrame => f.write_str("not a frame of a queue"),
            Self::Newer(version) => {
                write!(
                    f,
                    "form {version} is newer than {SNAPSHOT_VERSION}, which this module reads"
                )
            }
            Self::Record => f.write_str("a record is damaged"),
            Self::Value(what) => write!(f, "impossible {what}"),
            Self::Incomplete => f.write_str("frames are missing or of another queue"),
        }
    }
}

/// A hash of a queue's whole state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Digest(pub u128);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Queue {
    /// The stored form, a frame at a time. O(n) in all, and never more than a frame in memory.
    pub fn frames(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let mut events = self.events_after(0).peekable();
        let mut jobs = self.in_order().peekable();
        let description = std::iter::once_with(|| {
            let mut frame = header(0);
            v1::write_queue(&mut frame, self);
            frame
        });
        let mut notices = self.subscriptions.iter().peekable();
        let mut numbers = 1..;
        description.chain(std::iter::from_fn(move || {
            if events.peek().is_some() {
                let mut frame = header(numbers.next()?);
                while frame.len() < FRAME_BYTES {
                    let Some(event) = events.next() else { break };
                    v1::write_event(&mut frame, &event);
                }
                return Some(frame);
            }
            if jobs.peek().is_none() {
                notices.peek()?;
                let mut frame = header(numbers.next()?);
                while frame.len() < FRAME_BYTES {
                    let Some((number, notice)) = notices.next() else { break };
                    v1::write_notice(&mut frame, number, notice);
                }
                return Some(frame);
            }
            let mut frame = header(numbers.next()?);
            let mut writer = v1::JobWriter::default();
            while frame.len() < FRAME_BYTES {
                let Some(slot) = jobs.next() else { break };
                writer.write(&mut frame, self, slot);
            }
            Some(frame)
        }))
    }

    /// A hash of everything that [`frames`](Self::frames) stores. Equal on the primary, its
    /// replicas, a replayed log and a reloaded snapshot. O(n).
    #[must_use]
    pub fn digest(&self) -> Digest {
        use std::hash::Hasher;
        let mut hasher = SipHasher13::new();
        for frame in self.frames() {
            hasher.write(&frame);
        }
        Digest(hasher.finish128().as_u128())
    }

    fn in_order(&self) -> impl Iterator<Item = Slot> + '_ {
        let timed = self
            .delayed
            .iter_after(None)
            .chain(self.leased.iter_after(None))
            .map(|(_, _, slot)| slot);
        let ready = self.ready.iter(&self.jobs).chain(self.parked());
        let held = self.held.iter(&self.jobs);
        let finished = self.completed.iter(&self.jobs).chain(self.dead.iter(&self.jobs));
        let gathering = self.gathering.iter(&self.jobs);
        ready.chain(timed).chain(held).chain(gathering).chain(finished)
    }
}

fn header(number: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(MAGIC);
    frame.extend(SNAPSHOT_VERSION.to_le_bytes());
    frame.extend(number.to_le_bytes());
    frame
}

/// The number of a frame and its records.
fn open(frame: &[u8]) -> Result<(u32, &[u8]), Corrupt> {
    let frame = frame.strip_prefix(MAGIC).ok_or(Corrupt::NoFrame)?;
    let (version, frame) = frame.split_first_chunk().ok_or(Corrupt::NoFrame)?;
    match u16::from_le_bytes(*version) {
        SNAPSHOT_VERSION => {}
        version if version > SNAPSHOT_VERSION => return Err(Corrupt::Newer(version)),
        _ => return Err(Corrupt::NoFrame),
    }
    let (number, records) = frame.split_first_chunk().ok_or(Corrupt::NoFrame)?;
    Ok((u32::from_le_bytes(*number), records))
}

/// Rebuilds a queue from its frames, which may come from anyone.
pub struct Loader {
    queue: Queue,
    expected: v1::Expected,
    frames_read: u32,
    unfinished: v1::Unfinished,
}

impl Loader {
    /// Starts with the first frame.
    ///
    /// # Errors
    /// [`Corrupt`] if it is not one.
    pub fn new(frame: &[u8]) -> Result<Self, Corrupt> {
        let (number, records) = open(frame)?;
        if number != 0 {
            return Err(Corrupt::Incomplete);
        }
        let (queue, expected, unfinished) = v1::read_queue(records)?;
        Ok(Self { queue, expected, frames_read: 1, unfinished })
    }

    /// Adds the next frame.
    ///
    /// # Errors
    /// [`Corrupt`] if it does not fit; the loader is of no use then.
    pub fn push(&mut self, frame: &[u8]) -> Result<(), Corrupt> {
        let (number, records) = open(frame)?;
        if number != self.frames_read || self.is_complete() {
            return Err(Corrupt::Incomplete);
        }
        self.frames_read += 1;
        if self.unfinished.events > 0 {
            return v1::read_events(records, &mut self.queue, &mut self.unfinished.events);
        }
        if self.expected.has_jobs(&self.queue) {
            v1::read_notices(records, &mut self.queue)
        } else {
            v1::read_jobs(records, &mut self.queue)
        }
    }

    /// Whether everything has arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unfinished.events == 0 && self.expected.is_met(&self.queue)
    }

    /// The queue, when all frames are in.
    ///
    /// # Errors
    /// [`Corrupt::Incomplete`] if some are missing, or another if the jobs contradict each other.
    pub fn finish(mut self) -> Result<Queue, Corrupt> {
        if !self.is_complete() {
            return Err(Corrupt::Incomplete);
        }
        self.check_places_and_tokens()?;
        self.check_families()?;
        let is_rightly_held = |slot| self.queue.is_rightly_held(slot);
        if !self.queue.held.iter(&self.queue.jobs).all(is_rightly_held) {
            return Err(Corrupt::Value("held job that waits for nothing"));
        }
        if self.queue.has_too_many_dead() && !self.queue.prunes() {
            return Err(Corrupt::Value("number of dead jobs"));
        }
        if self.queue.schedules.first_owed().is_some() {
            return Err(Corrupt::Value("schedule without the run that it owes"));
        }
        if !self.queue.batches_again(self.unfinished.stale_after.as_deref()) {
            return Err(Corrupt::Value("size of a batch"));
        }
        if !self.unfinished.finish(&mut self.queue) {
            return Err(Corrupt::Value("turn or bucket"));
        }
        Ok(self.queue)
    }

    /// Lists the children of each job that is waited for, and checks that what is told of ends is so.
    fn check_families(&mut self) -> Result<(), Corrupt> {
        let is_true = |ended: &Ended| {
            let id = ended.given.as_deref().map_or(JobId::Made(ended.parent), JobId::Given);
            let found = self.queue.locate(id).map(|slot| self.queue.job(slot));
            match (ended.how, found.filter(|job| job.ulid == ended.parent)) {
                (End::Removed, job) => job.is_none(),
                (End::Completed, Some(job)) => matches!(job.state(), State::Completed { .. }),
                (End::Completed, None) | (End::Died, _) => true,
            }
        };
        if !self.queue.family.ended().all(is_true) {
            return Err(Corrupt::Value("end of a job that is waited for"));
        }
        self.queue.link_families().map_err(|()| Corrupt::Value("job that others wait for"))
    }

    /// Checks what no job shows alone: places in publish order and tokens belong to one job each.
    fn check_places_and_tokens(&self) -> Result<(), Corrupt> {
        let jobs = || self.queue.jobs.iter().map(|(_, job)| job);
        if has_equals(jobs().map(|job| job.seq()).collect()) {
            return Err(Corrupt::Value("place in publish order, which is taken twice"));
        }
        let token = |job: &Job| match job.state() {
            State::Leased { token, .. } => Some(token.0),
            _ => None,
        };
        let noticed = self.queue.subscriptions.iter().filter_map(|(_, notice)| notice.lease);
        let noticed = noticed.map(|(token, _)| token.0);
        if has_equals(jobs().filter_map(token).chain(noticed).collect()) {
            return Err(Corrupt::Value("token, which is there twice"));
        }
        Ok(())
    }
}

fn has_equals(mut numbers: Vec<u64>) -> bool {
    numbers.sort_unstable();
    numbers.windows(2).any(|pair| pair[0] == pair[1])
}
