//! Those who wait for the end of a job: `JQ.RESULT … BLOCK`.
//!
//! The queue notes the end of each job that is watched, whatever brings it, so a wake costs the same
//! however many others wait. The watch is on the value in the key; where that becomes another, or
//! goes, the timer looks at all who wait for its jobs.

use std::rc::Rc;

use jobq_engine::{Ending, JobId, JobRef, Queue, UnixMillis};

use crate::{
    blocking, keyspace,
    registry::{self, Place},
    server::{Context, Text},
    stored::Stored,
    waiters::Answer,
};

/// Tells those who wait for jobs that have just ended.
pub fn tell(place: (i32, &[u8]), stored: &mut Stored) {
    let endings = stored.queue.take_endings();
    if endings.is_empty() {
        return;
    }
    let place = (place.0, place.1.into());
    for ending in endings {
        tell_all(&place, Rc::new(ending));
    }
}

/// Has the timer look at those who wait for jobs of a queue that loses its name.
pub fn key_lost(place: &Place) {
    registry::with(|registry| {
        if registry.waiters.awaits_ending(place) {
            registry.looks.insert(place.clone());
            registry.alarm.want(UnixMillis(0));
        }
    });
}

/// Looks at the jobs of a queue that somebody waits for: after the key's value has become another.
pub fn look_again(context: Context, place: &Place) {
    let jobs = registry::with(|registry| registry.waiters.awaited_jobs(place));
    if jobs.is_empty() {
        return;
    }
    context.select_db(place.0);
    let name = Text::new(&place.1);
    for id in jobs {
        let Some(job) = JobRef::parse(&id) else { continue };
        let ended = keyspace::watch(context, name.raw(), &job);
        // What is there instead of the queue has no such job either.
        if let Some(ending) = ended.unwrap_or_else(|_| Some(gone(&job))) {
            tell_all(place, Rc::new(ending));
        }
    }
}

/// How a job has ended; `None` if it has not.
pub fn of(queue: &Queue, job: &JobRef<'_>) -> Option<Ending> {
    let Some(slot) = queue.find(job) else { return Some(gone(job)) };
    let found = queue.job(slot);
    let state = found.state.kind();
    let result = found.result().map(Into::into);
    state.is_final().then(|| Ending { id: found.id().text(), state: Some(state), result })
}

/// The end of a job that is not there.
pub fn gone(job: &JobRef<'_>) -> Ending {
    Ending { id: JobId::Given(job.id).text(), state: None, result: None }
}

fn tell_all(place: &Place, ending: Rc<Ending>) {
    let handles = registry::with(|registry| {
        let handles = registry.waiters.awaiting(place, ending.id.as_bytes());
        for &handle in &handles {
            registry.waiters.serve(handle, Answer::Ending(ending.clone()));
            registry.stats.woken += 1;
        }
        handles
    });
    handles.into_iter().for_each(blocking::wake);
}
