//! Those who wait for events: `JQ.EVENTS … BLOCK`.
//!
//! They are woken by the timer and not by the command that brings an event about: so a transaction tells
//! nothing before it is done, and no key is open while they read, which some servers have them do at once.
//! Each is answered with all that there is by then, so nothing is kept for it meanwhile.

use jobq_engine::{Queue, UnixMillis};

use crate::{
    blocking, keyspace,
    registry::{self, Place},
    server::{Context, Text},
    surroundings,
    waiters::Answer,
};

/// Clients that one step wakes; the timer goes on from there.
const STEP_MAX: usize = 64;

/// What readers of a queue wait behind: the number of its last event. `None` if there is nothing to wait
/// for.
pub type Edge = Option<u64>;

/// Where those stand who wait for events of this queue.
pub fn edge(queue: &Queue) -> Edge {
    (queue.config().events > 0).then(|| queue.events_made())
}

/// Has the timer wake those who wait for events of a queue, if that stands elsewhere than before.
#[cold]
pub fn note_if_moved(place: (i32, &[u8]), before: Edge, queue: &Queue) {
    let edge = edge(queue);
    if edge == before {
        return;
    }
    let place = (place.0, place.1.into());
    registry::with(|registry| {
        if registry.waiters.awaits_events(&place) {
            registry.unread.insert(place, edge);
            registry.alarm.want(UnixMillis(0));
        }
    });
}

/// Wakes some of those who wait behind another event than the last.
fn tell(place: &Place, edge: Edge) {
    let handles = registry::with(|registry| {
        let handles = registry.waiters.readers_behind(place, edge, STEP_MAX);
        for (handle, reading) in &handles {
            registry.waiters.serve(*handle, Answer::Events(reading.clone()));
            registry.stats.woken += 1;
        }
        if handles.len() == STEP_MAX {
            registry.unread.insert(place.clone(), edge);
        }
        handles
    });
    handles.into_iter().for_each(|(handle, _)| blocking::wake(handle));
}

/// Wakes some readers of a queue. False if there are none.
pub fn tell_some() -> bool {
    let next = registry::with(|registry| registry.unread.pop_first());
    let Some((place, edge)) = next else { return false };
    tell(&place, edge);
    true
}

/// Looks at a queue that may have become another while somebody waits for its events. False if there
/// is none.
pub fn look_again(context: Context) -> bool {
    let next = registry::with(|registry| registry.rereads.pop_first());
    let Some(place) = next else { return false };
    context.select_db(place.0);
    match keyspace::read(context, Text::new(&place.1).raw(), edge) {
        Ok(Some(edge)) => tell(&place, edge),
        // The server sends them after the key.
        Ok(None) if surroundings::is_leaving(context, &place.1) => {}
        Ok(None) | Err(_) => tell(&place, None),
    }
    true
}
