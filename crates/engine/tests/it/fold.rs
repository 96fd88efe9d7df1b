//! The events of a queue, put together again: they say of each job in which state it is.

use std::collections::BTreeMap;

use jobq_engine::{Listing, Queue, StateKind};

/// Where jobs are, by their ids.
type States = BTreeMap<String, StateKind>;

/// Follows a queue by its events alone.
#[derive(Default)]
pub struct Fold {
    read: u64,
    states: States,
    /// How many changes of jobs were followed.
    pub followed: u64,
}

impl Fold {
    /// Reads what is new, and compares. Where events were not kept that are needed, it begins again
    /// from the jobs themselves.
    pub fn follow(&mut self, queue: &Queue) {
        let first = queue.events_made() - queue.events_kept() as u64;
        if queue.config().events == 0 || first > self.read {
            self.read = queue.events_made();
            self.states = states(queue);
            return;
        }
        for event in queue.events_after(self.read) {
            assert_eq!(event.number, self.read + 1, "numbers have no holes");
            self.read = event.number;
            assert!(event.at <= queue.clock());
            let Some(job) = event.job else {
                assert!(event.cause.is_of_queue(), "{event:?}");
                continue;
            };
            let id = job.to_string();
            let from = match event.to {
                Some(to) => self.states.insert(id, to),
                None => self.states.remove(&id),
            };
            assert_eq!(event.from, from, "{event:?} begins where the job was");
            self.followed += 1;
        }
        assert_eq!(self.read, queue.events_made());
        assert_eq!(self.states, states(queue), "the events tell where all jobs are");
    }
}

fn states(queue: &Queue) -> States {
    let of = |state| {
        let page = queue.list(&Listing::of(state, usize::MAX));
        assert_eq!(page.next, None, "few enough to be told at once");
        page.jobs.into_iter().map(move |slot| (queue.job(slot).id().to_string(), state))
    };
    StateKind::ALL.into_iter().flat_map(of).collect()
}
