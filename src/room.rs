//! Publishers that wait for room in a full queue: `JQ.PUBLISH … BLOCK`.
//!
//! They stand in a line for each queue. Whatever makes room has the timer publish for those who stand
//! first, as if they had sent their command then and without `BLOCK`: so that is what the log has.

use std::rc::Rc;

use jobq_engine::{Action, Bodies, Outcome, Publish, Queue, Refusal};
use jobq_protocol::Call;
use redis_module::raw::RedisModuleString;

use crate::{
    blocking, distant, keyspace,
    record::Asked,
    registry::{self, Place},
    reply,
    server::{Context, Text},
    visit::{self, Denied},
    waiters::{Answer, Asking},
};

/// Publishers that one step deals with; the timer goes on from there.
const STEP_MAX: usize = 16;

/// What room a queue has.
#[derive(Clone, Copy)]
pub struct Room {
    taken: usize,
    max: u64,
    is_closed: bool,
}

impl Room {
    /// Looks at a queue.
    pub fn of(queue: &Queue) -> Self {
        let max = match queue.config().max_len {
            0 => u64::MAX,
            max => max,
        };
        Self { taken: queue.len(), max, is_closed: queue.pauses().publishing.is_some() }
    }

    /// Has the timer look at those who wait if there is more now, or if they are to be refused.
    pub fn tell_if_more(self, (db, name): (i32, &[u8]), queue: &Queue) {
        let now = Self::of(queue);
        let is_more = now.taken < self.taken || now.max > self.max;
        if is_more || now.is_closed && !self.is_closed {
            registry::with(|registry| registry.look_for_room(&(db, name.into())));
        }
    }
}

/// Whether a publish was refused because the queue is full, and there may be room for it later.
pub fn may_come(
    context: Context,
    queue: *mut RedisModuleString,
    action: &Action<'_>,
    denied: &Denied,
) -> bool {
    let is_full = matches!(denied, Denied::Refused(Refusal::Full { .. }));
    let may_come = |queue: &Queue| matches!(action, Action::Publish(publish) if queue.may_have_room_for(publish));
    is_full && matches!(keyspace::read(context, queue, may_come), Ok(Some(true)))
}

/// Answers one who has waited in vain as if it had not waited.
pub fn refuse(context: Context, asking: &Asking) {
    let name = Text::new(asking.queue());
    let max = keyspace::read(context, name.raw(), |queue| queue.config().max_len);
    let max = max.ok().flatten().unwrap_or_default();
    reply::denied(context, &Denied::Refused(Refusal::Full { max }));
}

/// Publishes for some who wait, where there is room by now. False if there was nothing to look at.
pub fn fill_one(context: Context) -> bool {
    let Some(place) = registry::with(|registry| registry.waiters.rooms.pop_first()) else {
        return false;
    };
    context.select_db(place.0);
    let name = Text::new(&place.1);
    for _ in 0..STEP_MAX {
        let first = registry::with(|registry| registry.waiters.first_publisher(&place));
        let Some((handle, asking)) = first else { return true };
        // Those behind wait for this one.
        let Some(answer) = fill(context, &place, &name, &asking) else { return true };
        registry::with(|registry| {
            registry.waiters.serve(handle, answer);
            registry.stats.woken += 1;
        });
        blocking::wake(handle);
    }
    true
}

/// Publishes for one who waits, and tells what it is answered; `None` if it goes on waiting.
fn fill(context: Context, place: &Place, name: &Text, asking: &Asking) -> Option<Answer> {
    let argv: Vec<&[u8]> = asking.command.iter().map(|argument| &**argument).collect();
    let parsed = jobq_protocol::find(argv[0]).map(|command| jobq_protocol::parse(command, &argv));
    let Some(Ok(Call::Act(action))) = parsed else {
        // It was understood before. Whatever it is, it must not hold up those behind.
        return Some(Answer::Denied(Rc::new(Denied::Internal)));
    };
    if !distant::is_settled(context, &place.1) {
        return None;
    }
    let denied = if Context::has_no_memory() {
        // What the server would say, but not to one for whom there is no room in any case.
        visit::check(context, name.raw(), &action).err().unwrap_or(Denied::NoMemory)
    } else {
        match publish_now(context, name, &argv, &action) {
            Ok(ids) => {
                let many =
                    matches!(&action, Action::Publish(Publish { bodies: Bodies::Many(_), .. }));
                return Some(Answer::Published { ids: ids.into(), many });
            }
            Err(denied) => denied,
        }
    };
    let goes_on = may_come(context, name.raw(), &action, &denied);
    (!goes_on).then(|| Answer::Denied(Rc::new(denied)))
}

fn publish_now(
    context: Context,
    name: &Text,
    argv: &[&[u8]],
    action: &Action<'_>,
) -> Result<Vec<jobq_engine::Name>, Denied> {
    let texts: Vec<_> = argv.iter().map(|argument| Text::new(argument)).collect();
    let command: Vec<_> = texts.iter().map(Text::raw).collect();
    let mut ids = None;
    let asked = Asked::Us(&command);
    let done =
        visit::decide(context, context.flags(), name.raw(), asked, action, |queue, outcome| {
            let jobs = match outcome {
                Outcome::Published(jobs) => jobs,
                // Meanwhile another has come that holds the key.
                Outcome::Held(job) | Outcome::Renewed(job) => std::slice::from_ref(job),
                _ => return,
            };
            ids = Some(jobs.iter().map(|&slot| queue.job(slot).id().text()).collect());
        });
    // An internal error behind that does not take it back.
    match (ids, done) {
        (Some(ids), _) => Ok(ids),
        (None, Err(denied)) => Err(denied),
        (None, Ok(_)) => Err(Denied::Internal),
    }
}
