use jobq_engine::{Counters, StateKind};

use super::*;

#[test]
fn every_counter_of_the_engine_is_explained_under_its_name() {
    let counters = Counters::default().named();
    let states = StateKind::ALL.map(StateKind::name);
    let sizes = ["jobs", "bytes", "locks", "notices", "schedules", "types"];
    let names = states.into_iter().chain(sizes);
    let names = names.chain(counters.map(|(name, _)| name)).chain(["clock", "tasks-left"]);
    let names = names.chain(["next-due", "paused-in", "paused-out", "oldest-ready", "idle-ends"]);
    assert!(names.eq(FIELDS.iter().map(|(name, _)| *name)));
}
