//! What queues have to do with each other: `AFTER` names jobs of other queues.
//!
//! A queue decides alone, so this asks the other queues before a publish, has them keep who follows
//! their jobs, and carries what is in their outboxes to where it is for. Never are two queues open of
//! which one could be the other.

use jobq_engine::{
    Child, Distant, Follow, JobId, Outcome, ParentEnd, Publish, Queue, Told, Ulid, UnixMillis,
};
use jobq_protocol::steps::{FollowStep, Step, ToldStep};

use crate::{
    clock, keyspace,
    registry::{self, Place},
    server::{access, Context, Flags, Text},
    surroundings,
    visit::{self, Denied},
};

/// Effects that one command carries to other queues; the timer goes on from there.
const EFFECTS_MAX: usize = 256;

/// How long to leave effects alone for queues that are on their way to another node.
const PUT_OFF_MS: u64 = 100;

/// Whether a client may name these jobs: the server knows nothing of the queues that it names so.
#[inline]
pub fn admit(context: Context, queue: &[u8], publish: &Publish<'_>) -> Result<(), Denied> {
    match publish.distant() {
        [] => Ok(()),
        distant => admit_these(context, queue, distant),
    }
}

#[cold]
fn admit_these(context: Context, queue: &[u8], distant: &[Distant<'_>]) -> Result<(), Denied> {
    if context.flags().is_decided() {
        return Ok(());
    }
    let others = queues_of(distant);
    others.iter().try_for_each(|other| admit_slot(context, queue, other))?;
    let mine = access::User::of(context);
    let may_use = |other: &&[u8]| mine.as_ref().is_none_or(|user| user.may_use(&Text::new(other)));
    others.iter().all(may_use).then_some(()).ok_or(Denied::NoPermission)
}

/// Whether another queue is in the slot of the one that is the key of the command: the server does not
/// look at it.
fn admit_slot(context: Context, queue: &[u8], other: &[u8]) -> Result<(), Denied> {
    let is_elsewhere = context.flags().is_in_cluster() && slot_of(other) != slot_of(queue);
    (!is_elsewhere).then_some(()).ok_or(Denied::CrossSlot)
}

/// Whether a client may publish to another queue, or its own, with a command that does more: it needs
/// the rights of one who only publishes.
pub fn admit_publish(context: Context, queue: &[u8], to: &[u8]) -> Result<(), Denied> {
    admit_slot(context, queue, to)?;
    let command = [Text::new(b"JQ.PUBLISH"), Text::new(to), Text::new(b"")];
    let mine = access::User::of(context);
    let may = mine.as_ref().is_none_or(|user| user.may_run(&command));
    may.then_some(()).ok_or(Denied::NoPermission)
}

/// Whether a queue that is not here is nowhere: the server does not send clients after it, and will not.
pub fn is_settled(context: Context, name: &[u8]) -> bool {
    let is_there =
        || matches!(keyspace::read(context, Text::new(name).raw(), |_| ()), Ok(Some(())));
    !context.flags().is_in_cluster() || is_there() || surroundings::is_served_here(context, name)
}

/// A job of another queue that is unfinished.
pub struct Unfinished {
    /// Its place among those that were named.
    place: usize,
    made: Ulid,
    given: Option<Box<str>>,
}

impl Unfinished {
    fn id(&self) -> JobId<'_> {
        self.given.as_deref().map_or(JobId::Made(self.made), JobId::Given)
    }
}

/// Asks other queues for the jobs that are to be waited for, and notes with each whether it is
/// unfinished.
pub fn look_up(
    context: Context,
    flags: Flags,
    publish: &mut Publish<'_>,
) -> Result<Vec<Unfinished>, Denied> {
    let mut unfinished = Vec::new();
    let Some(conditions) = publish.conditions.as_mut() else { return Ok(unfinished) };
    for other in queues_of(&conditions.distant) {
        let ask = |queue: &Queue| {
            for (place, parent) in conditions.distant.iter_mut().enumerate() {
                if parent.queue != other {
                    continue;
                }
                let awaited = queue.awaited(&parent.job)?;
                parent.waits = awaited.is_some();
                unfinished.extend(awaited.map(|job| Unfinished {
                    place,
                    made: job.ulid,
                    given: job.given().map(Into::into),
                }));
            }
            Ok(())
        };
        let is_there = visit::ask(context, flags, &Text::new(other), ask)?.is_some();
        if !is_there && !surroundings::is_served_here(context, other) {
            return Err(Denied::TryAgain);
        }
    }
    Ok(unfinished)
}

/// Has the other queues keep who follows their jobs. In the log that comes before the publish: so
/// there never is a job that waits and of which nobody knows.
pub fn follow(
    context: Context,
    name: &[u8],
    publish: &Publish<'_>,
    unfinished: &[Unfinished],
    (queue, outcome): (&Queue, &Outcome),
) {
    let Outcome::Published(slots) = outcome else { return };
    let Some(conditions) = publish.conditions.as_ref() else { return };
    let child = |&slot| {
        let job = queue.job(slot);
        Child { ulid: job.ulid, given: job.given() }
    };
    let children: Vec<_> = slots.iter().map(child).collect();
    let near = conditions.after.len();
    for other in queues_of(&conditions.distant) {
        let is_there = |job: &&Unfinished| conditions.distant[job.place].queue == other;
        let parents = unfinished.iter().filter(is_there);
        let parents: Vec<_> = parents.map(|job| (job.id(), (near + job.place) as u32)).collect();
        if parents.is_empty() || children.is_empty() {
            continue;
        }
        let follow = Follow { queue: name, children: children.clone(), parents };
        let steps = [Step::Follow(FollowStep::new(&follow))];
        // It has just been asked, so it can only have been closed by an internal error since.
        let _ = visit::carry_out(context, &Text::new(other), &steps);
    }
}

/// Notes that a queue that was just visited has something for others.
#[cold]
pub fn keep(place: (i32, &[u8])) {
    let place = (place.0, place.1.into());
    registry::with(|registry| {
        if !registry.outgoing.contains(&place) {
            registry.outgoing.push_back(place);
        }
    });
}

/// Carries what the queues that were just visited have for others. Some of it: for what is left the
/// timer comes, since such a queue is due.
pub fn deliver(context: Context) {
    let mut left = EFFECTS_MAX;
    while let Some(place) = registry::with(|registry| registry.outgoing.pop_front()) {
        if left > 0 {
            left -= deliver_from(context, &place, left);
        }
    }
}

/// Forgets which queues were visited, after an internal error. They are due, so the timer comes.
pub fn forget() {
    registry::with(|registry| registry.outgoing.clear());
}

/// An effect that was taken out of a queue.
struct Effect {
    child: Ulid,
    given: Option<Box<str>>,
    at: u32,
    how: ParentEnd,
}

impl Effect {
    fn step(&self) -> Step<'_> {
        let child = Child { ulid: self.child, given: self.given.as_deref() };
        Step::Told(ToldStep::new(&Told { child, at: self.at, how: self.how }))
    }
}

/// Carries some effects out of a queue, and tells how many. What has been carried is told to the queue
/// last: if that is lost, it is carried again, which does no harm.
fn deliver_from(context: Context, place: &Place, max: usize) -> usize {
    context.select_db(place.0);
    let name = Text::new(&place.1);
    let mut letters: Vec<(Box<[u8]>, Vec<Effect>)> = Vec::new();
    let mut count = 0;
    let taken = keyspace::read(context, name.raw(), |queue| {
        for (to, told) in queue.outbox().take(max) {
            let effect = Effect {
                child: told.child.ulid,
                given: told.child.given.map(Into::into),
                at: told.at,
                how: told.how,
            };
            match letters.iter_mut().find(|(known, _)| **known == *to) {
                Some((_, effects)) => effects.push(effect),
                None => letters.push((to.into(), vec![effect])),
            }
            count += 1;
        }
    });
    if count == 0 || !matches!(taken, Ok(Some(()))) {
        return 0;
    }
    if letters.iter().any(|(to, _)| !is_settled(context, to)) {
        // All of them have the same slot: where it goes, the effects go as well.
        visit::put_off(context, &name, UnixMillis(clock::now().0 + PUT_OFF_MS));
        return 0;
    }
    for (to, effects) in &letters {
        let steps: Vec<_> = effects.iter().map(Effect::step).collect();
        // Where there is no such queue, nobody waits any more.
        let _ = visit::carry_out(context, &Text::new(to), &steps);
    }
    let delivered = [Step::Delivered { effects: count as u64 }];
    let _ = visit::carry_out(context, &name, &delivered);
    count
}

/// The other queues, each once.
fn queues_of<'a>(distant: &[Distant<'a>]) -> Vec<&'a [u8]> {
    let mut queues: Vec<&[u8]> = Vec::new();
    for parent in distant {
        if !queues.contains(&parent.queue) {
            queues.push(parent.queue);
        }
    }
    queues
}

/// The slot of a key in a cluster, by the part of it between braces if there is one.
fn slot_of(key: &[u8]) -> u16 {
    let tag = || {
        let open = key.iter().position(|byte| *byte == b'{')?;
        let inner = &key[open + 1..];
        let close = inner.iter().position(|byte| *byte == b'}')?;
        (close > 0).then_some(&inner[..close])
    };
    crc16(tag().unwrap_or(key)) % 16_384
}

/// The checksum by which a cluster spreads keys: CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => crc << 1 ^ 0x1021,
        })
    })
}
