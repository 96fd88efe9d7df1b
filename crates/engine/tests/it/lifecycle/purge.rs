//! The jobs of one state removed at once.

use jobq_engine::{Retain, Revival, StateKind, UnixMillis};

use crate::support::{job, Driver, ANYONE, BURY, START};

/// So many jobs of a state, in publish order.
fn filled(state: StateKind, jobs: u32) -> Driver {
    let mut driver = Driver::new();
    for n in 0..jobs {
        let delay = if state == StateKind::Delayed { 5_000 + u64::from(n) } else { 0 };
        let draft = job("a body").delay(delay);
        let key = format!("key {}", n / 500);
        let draft = match state {
            StateKind::Held => draft.when("shut"),
            StateKind::Gathering => draft.batch(&key),
            _ => draft,
        };
        driver.publish(draft);
    }
    match state {
        StateKind::Delayed | StateKind::Held | StateKind::Gathering | StateKind::Ready => {}
        StateKind::Leased => drop(driver.consume_as(ANYONE, jobs)),
        StateKind::Completed => {
            let taken = driver.consume_as(ANYONE, jobs);
            for taken in taken {
                driver.fulfill(&taken.id, "", Some(Retain::Forever));
            }
        }
        StateKind::Dead => {
            let taken = driver.consume_as(ANYONE, jobs);
            let ids: Vec<_> = taken.iter().map(|taken| &*taken.id).collect();
            driver.settle(&ids, BURY);
        }
    }
    assert_eq!(driver.queue.len_of(state), jobs as usize);
    driver
}

#[test]
fn a_purge_removes_the_jobs_of_a_state_and_their_bodies_and_counts_them() {
    for state in StateKind::ALL {
        let mut driver = Driver::new();
        let empty = driver.queue.bytes();
        let body = "x".repeat(10_000);
        for id in ["a", "b", "c"] {
            if state == StateKind::Completed {
                driver.publish(job(&body).id(id));
                driver.fulfill(id, "", Some(Retain::Forever));
                continue;
            }
            driver.publish_into(state, id);
            let change = jobq_engine::Change { body: Some(body.as_bytes()), ..Default::default() };
            driver.update(id, change).expect("any state but completed");
        }
        assert!(driver.queue.bytes() > empty + 30_000);
        assert_eq!(driver.purge(state, u64::MAX), 3, "{state:?}");
        driver.pass(0);
        assert!(driver.queue.is_empty());
        assert!(driver.queue.bytes() < empty + 4_096, "the bodies are gone");
        let counters = driver.queue.counters();
        assert_eq!((counters.purged, counters.deleted, counters.pruned), (3, 0, 0));
        for id in ["a", "b", "c"] {
            assert_eq!(driver.state(id), None);
            driver.publish(job("again").id(id));
        }
        driver.pass(1_000_000);
        assert_eq!(driver.queue.len_of(StateKind::Ready), 3, "no timer of theirs is left");
    }
}

#[test]
fn a_purge_leaves_the_other_states_alone() {
    for state in StateKind::ALL {
        let mut driver = Driver::new();
        for state in StateKind::ALL {
            driver.publish_into(state, state.name());
        }
        assert_eq!(driver.purge(state, u64::MAX), 1);
        driver.pass(0);
        for other in StateKind::ALL {
            assert_eq!(driver.state(other.name()), (other != state).then_some(other));
        }
    }
}

#[test]
fn a_purge_by_count_takes_those_first_that_would_leave_first() {
    let left = |driver: &Driver| {
        let there = |id: &&str| driver.find(id).is_some();
        ["a", "b", "c"].into_iter().filter(there).collect::<String>()
    };
    for (state, expected) in [
        (StateKind::Delayed, "a"),
        (StateKind::Held, "c"),
        (StateKind::Gathering, "c"),
        (StateKind::Ready, "b"),
        (StateKind::Leased, "c"),
        (StateKind::Completed, "a"),
        (StateKind::Dead, "a"),
    ] {
        let mut driver = Driver::new();
        match state {
            StateKind::Delayed => {
                for (id, delay) in [("a", 300), ("b", 200), ("c", 100)] {
                    driver.publish(job(id).id(id).delay(delay));
                }
            }
            StateKind::Held => {
                for (id, gate) in [("a", "x"), ("b", "x"), ("c", "y")] {
                    driver.publish(job(id).id(id).when(gate));
                }
            }
            StateKind::Gathering => {
                for (id, key) in [("a", "x"), ("b", "x"), ("c", "y")] {
                    driver.publish(job(id).id(id).batch(key));
                }
            }
            StateKind::Ready => {
                for (id, priority) in [("a", 0), ("b", 1), ("c", 0)] {
                    driver.publish(job(id).id(id).priority(priority));
                }
            }
            StateKind::Leased => {
                for (id, ttr) in [("a", 100), ("b", 200), ("c", 300)] {
                    driver.publish(job(id).id(id).ttr(ttr));
                }
                driver.consume_as(ANYONE, 3);
            }
            StateKind::Completed | StateKind::Dead => {
                for id in ["b", "c", "a"] {
                    driver.publish_into(state, id);
                    driver.pass(1);
                }
            }
        }
        assert_eq!(driver.purge(state, 2), 2);
        driver.pass(0);
        assert_eq!(left(&driver), expected, "{state:?}");
        assert_eq!(driver.purge(state, 2), 1, "as many as there are");
        driver.pass(0);
        assert_eq!(driver.purge(state, 2), 0);
        assert_eq!(driver.queue.next_due(), None);
    }
}

#[test]
fn the_holder_of_a_purged_job_holds_nothing() {
    let mut driver = Driver::new();
    driver.publish(job("a").ttr(100));
    let taken = driver.consume();
    driver.purge(StateKind::Leased, u64::MAX);
    assert_eq!(driver.touch(&taken.receipt, None), Some(START + 100), "not before its slice");
    driver.pass(0);
    assert_eq!(driver.touch(&taken.receipt, None), None);
    assert_eq!(driver.ack(&taken.receipt), 0);
    driver.pass(1_000);
    assert_eq!(driver.queue.counters().lapsed, 0);
}

#[test]
fn many_jobs_are_purged_in_slices_and_the_queue_serves_others_meanwhile() {
    const MANY: u32 = 100_000;
    for state in StateKind::ALL {
        let mut driver = filled(state, MANY);
        assert_eq!(driver.purge(state, u64::MAX), u64::from(MANY), "{state:?}");
        assert_eq!(driver.queue.next_due(), Some(UnixMillis(START)), "there is work now");
        assert_eq!(driver.queue.len() as u32, MANY, "none of it is done by the request");
        for done in (10_000..=MANY).step_by(10_000) {
            assert_eq!(driver.tick_to(START, 10_000), 10_000);
            assert_eq!(driver.queue.len() as u32, MANY - done);
            if state != StateKind::Ready {
                driver.publish(job("other"));
                let taken = driver.consume_as(crate::support::FREE, 1).remove(0);
                assert_eq!(taken.body, "other");
                assert_eq!(driver.ack(&taken.receipt), 1);
            }
        }
        assert_eq!(driver.tick_to(START, 10_000), 0);
        assert_eq!(driver.queue.next_due(), None);
        assert_eq!(driver.queue.counters().purged, u64::from(MANY));
        assert!(driver.queue.bytes() < 5_632);
        driver.check();
    }
}

#[test]
fn purges_that_overlap_do_not_promise_the_same_job_twice() {
    for state in StateKind::ALL {
        let mut driver = filled(state, 15);
        assert_eq!(driver.purge(state, 10), 10);
        assert_eq!(driver.purge(state, 10), 5, "{state:?}");
        assert_eq!(driver.purge(state, 10), 0);
        driver.pass(0);
        assert_eq!(driver.queue.counters().purged, 15);
    }
}

#[test]
fn what_a_kick_or_a_respawn_has_promised_is_not_promised_to_a_purge() {
    let mut driver = filled(StateKind::Delayed, 15);
    assert_eq!(driver.kick_first(10), 10);
    assert_eq!(driver.purge(StateKind::Delayed, u64::MAX), 5);
    assert_eq!(driver.kick_first(u64::MAX), 0);
    driver.pass(0);
    let counters = driver.queue.counters();
    assert_eq!((counters.kicked, counters.purged), (10, 5));

    let mut driver = filled(StateKind::Dead, 15);
    assert_eq!(driver.purge(StateKind::Dead, 10), 10);
    assert_eq!(driver.respawn_first(u64::MAX, Revival::default()), 5);
    assert_eq!(driver.purge(StateKind::Ready, u64::MAX), 0, "they are not ready yet");
    driver.pass(0);
    let counters = driver.queue.counters();
    assert_eq!((counters.respawned, counters.purged), (5, 10));
    assert_eq!(driver.queue.len_of(StateKind::Ready), 5);
}

#[test]
fn a_purge_whose_jobs_have_left_by_themselves_ends() {
    let mut driver = filled(StateKind::Leased, 5);
    driver.purge(StateKind::Leased, 5);
    driver.pass(60_000);
    assert_eq!(driver.queue.len_of(StateKind::Ready), 5, "what is due goes first");
    assert_eq!(driver.queue.counters().purged, 0);
    assert_eq!(driver.queue.next_due(), None);
    driver.consume_as(ANYONE, 5);
    driver.pass(0);
    assert_eq!(driver.queue.len_of(StateKind::Leased), 5);
}
