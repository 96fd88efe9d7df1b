//! Those who wait for the end of a job: `JQ.RESULT … BLOCK`.
//!
//! The queue notes the end of each job that is watched, whatever brings it, so a wake costs the same
//! however many others wait. The watch is on the value in the key; where that becomes another, or
//! goes, the timer looks at all who wait for its jobs. They wait for a job and not for an id, which
//! another may have after it.

use std::rc::Rc;

use jobq_engine::{Ending, Job, JobRef, UnixMillis};

use crate::{
    blocking,
    keyspace::{self, Watched},
    registry::{self, Place},
    server::{Context, Text},
    stored::Stored,
    surroundings,
    waiters::Answer,
};

/// Clients, or jobs, that one step deals with; the timer goes on from there.
const STEP_MAX: usize = 64;

/// Tells those who wait for jobs that have just ended.
#[inline]
pub fn tell(place: (i32, &[u8]), stored: &mut Stored) {
    if stored.queue.has_endings() {
        tell_all(place, stored.queue.take_endings());
    }
}

#[cold]
fn tell_all(place: (i32, &[u8]), endings: Vec<Ending>) {
    let place = (place.0, place.1.into());
    for ending in endings {
        tell_some(&place, Rc::new(ending));
    }
}

/// Tells some more of very many who wait for a job that has ended. False if there are none.
pub fn tell_more() -> bool {
    let Some((place, ending)) = registry::with(|registry| registry.untold.pop()) else {
        return false;
    };
    tell_some(&place, ending);
    true
}

/// Looks at some jobs that are waited for in queues that may have become others. False if there
/// are none.
pub fn look_again(context: Context) -> bool {
    let Some((place, after)) = registry::with(|registry| registry.rechecks.pop_first()) else {
        return false;
    };
    let jobs = registry::with(|registry| registry.waiters.awaited_jobs(&place, after, STEP_MAX));
    if let (STEP_MAX, Some((last, _))) = (jobs.len(), jobs.last()) {
        registry::with(|registry| registry.rechecks.insert(place.clone(), Some(*last)));
    }
    context.select_db(place.0);
    let name = Text::new(&place.1);
    for (ulid, id) in jobs {
        let Some(job) = JobRef::parse(&id).map(JobRef::bare) else {
            continue;
        };
        let is_same = |found: &Job| found.ulid == ulid;
        let ending = match keyspace::watch(context, name.raw(), &job, is_same) {
            Ok(Watched::Unfinished(_)) => continue,
            Ok(Watched::Ended(ending)) => ending,
            // The server sends them after the key.
            Ok(Watched::NoQueue) if surroundings::is_leaving(context, &place.1) => continue,
            Ok(Watched::NoQueue | Watched::NoJob) | Err(_) => {
                Ending { ulid, state: None, result: None }
            }
        };
        tell_some(&place, Rc::new(ending));
    }
    true
}

/// How a job has ended; `None` if it has not.
pub fn of(job: &Job) -> Option<Ending> {
    let state = job.state().kind();
    let result = job.outcome().map(Into::into);
    state.is_final().then_some(Ending { ulid: job.ulid, state: Some(state), result })
}

fn tell_some(place: &Place, ending: Rc<Ending>) {
    let handles = registry::with(|registry| {
        let handles = registry.waiters.awaiting(place, ending.ulid, STEP_MAX);
        for &handle in &handles {
            registry.waiters.serve(handle, Answer::Ending(ending.clone()));
            registry.stats.woken += 1;
        }
        if handles.len() == STEP_MAX {
            registry.untold.push((place.clone(), ending));
            registry.alarm.want(UnixMillis(0));
        }
        handles
    });
    handles.into_iter().for_each(blocking::wake);
}
