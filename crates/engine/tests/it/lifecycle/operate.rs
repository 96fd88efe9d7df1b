//! What an operator does to jobs: kick, respawn, delete, and what is counted.

use jobq_engine::{Action, Millis, Refusal, Revival, Setting, State, StateKind, UnixMillis, Which};

use crate::support::{job, Driver, ANYONE, START};

const AS_IT_WAS: Revival = Revival { tries: None, ttl: None, delay: Millis::ZERO };

#[test]
fn a_kick_by_count_takes_the_soonest() {
    let mut driver = Driver::new();
    for (body, delay) in [("d", 400), ("a", 100), ("c", 300), ("b", 200)] {
        driver.publish(job(body).delay(delay));
    }
    assert_eq!(driver.kick_first(3), 3);
    driver.pass(0);
    assert_eq!(driver.line(), ["a", "b", "c"]);
    assert_eq!(driver.kick_first(3), 1, "as many as there are");
    driver.pass(0);
    assert_eq!(driver.line(), ["a", "b", "c", "d"]);
    assert_eq!(driver.kick_first(3), 0);
    assert_eq!(driver.queue.counters().kicked, 4);
}

#[test]
fn a_kick_by_id_acts_at_once_and_only_on_the_delayed() {
    let mut driver = Driver::new();
    for state in StateKind::ALL {
        driver.publish_into(state, state.name());
    }
    assert_eq!(driver.kick(&["delayed", "ready", "leased", "dead", "unknown", "delayed"]), 1);
    let states = ["delayed", "ready", "leased", "dead"].map(|id| driver.state(id).unwrap());
    assert_eq!(states, [StateKind::Ready, StateKind::Ready, StateKind::Leased, StateKind::Dead]);
}

#[test]
fn kicks_that_overlap_do_not_promise_the_same_job_twice() {
    let mut driver = Driver::new();
    for n in 0..15 {
        driver.publish(job("a").delay(1_000 + n));
    }
    assert_eq!(driver.kick_first(10), 10);
    assert_eq!(driver.kick_first(10), 5);
    assert_eq!(driver.kick_first(10), 0);
    driver.pass(0);
    assert_eq!(driver.queue.counters().kicked, 15);
}

#[test]
fn a_respawned_job_starts_anew_on_its_own_terms() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").tries(1).ttr(100).ttl(5_000).priority(3));
    driver.consume();
    driver.pass(100);
    assert_eq!(driver.state(&id), Some(StateKind::Dead));
    assert_eq!(driver.respawn(&[&id], AS_IT_WAS), 1);
    let job = driver.job(&id);
    assert_eq!(job.state(), State::Ready { since: UnixMillis(START + 100), parked: false });
    assert_eq!((job.deliveries, job.failures()), (0, 0));
    let terms = driver.queue.terms_of(job);
    assert_eq!((terms.tries, terms.ttr, terms.priority), (1, Millis(100), 3));
    assert_eq!(driver.queue.expires_at(job), None, "the old time to live is over");
    assert_eq!(driver.queue.counters().respawned, 1);
}

#[test]
fn a_respawn_may_name_tries_ttl_and_delay() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").tries(1).ttr(50));
    driver.consume();
    driver.pass(50);
    let revival = Revival { tries: Some(2), ttl: Some(Millis(1_000)), delay: Millis(300) };
    assert_eq!(driver.respawn(&[&id], revival), 1);
    assert_eq!(driver.job(&id).state(), State::Delayed { until: UnixMillis(START + 350) });
    driver.pass(300);
    for _ in 0..2 {
        assert_eq!(driver.state(&id), Some(StateKind::Ready));
        driver.consume();
        driver.pass(50);
    }
    assert_eq!(driver.state(&id), Some(StateKind::Dead), "two tries");

    driver.respawn(&[&id], Revival { ttl: Some(Millis(70)), ..AS_IT_WAS });
    driver.pass(69);
    assert_eq!(driver.state(&id), Some(StateKind::Ready));
    driver.pass(1);
    assert_eq!(driver.state(&id), None, "a time to live from the respawn on");
    assert_eq!(driver.queue.counters().expired, 1);
}

#[test]
fn a_respawned_job_does_not_keep_the_end_that_an_earlier_respawn_gave_it() {
    let mut driver = Driver::new();
    let id = driver.publish_into(StateKind::Dead, "a");
    driver.respawn(&[&id], Revival { ttl: Some(Millis(70)), ..AS_IT_WAS });
    driver.bury(&id);
    driver.pass(1_000);
    driver.respawn(&[&id], AS_IT_WAS);
    driver.pass(1_000);
    assert_eq!(driver.state(&id), Some(StateKind::Ready));
}

#[test]
fn a_respawn_that_would_expire_before_it_is_due_is_refused() {
    let mut driver = Driver::new();
    driver.publish_into(StateKind::Dead, "a");
    let ask = |driver: &mut Driver, ttl| {
        let revival = Revival { ttl: Some(Millis(ttl)), delay: Millis(100), tries: None };
        driver.ask(Action::Respawn { which: Which::First(1), revival })
    };
    assert_eq!(ask(&mut driver, 99), Err(Refusal::ExpiresBeforeDue));
    assert!(ask(&mut driver, 100).is_ok());
    assert!(ask(&mut driver, 0).is_ok(), "zero is for ever");
}

#[test]
fn a_respawn_by_count_takes_the_longest_dead() {
    let mut driver = Driver::new();
    let ids = driver.publish_all(&["c", "a", "b"]);
    for n in [1, 2, 0] {
        driver.pass(10);
        driver.bury(&ids[n]);
    }
    assert_eq!(driver.respawn_first(2, AS_IT_WAS), 2);
    driver.pass(0);
    assert_eq!(driver.line(), ["a", "b"]);
    assert_eq!(driver.respawn_first(u64::MAX, AS_IT_WAS), 1);
    driver.pass(0);
    assert_eq!(driver.line(), ["a", "b", "c"]);
}

#[test]
fn a_respawn_by_id_acts_at_once_and_only_on_the_dead() {
    let mut driver = Driver::new();
    for state in StateKind::ALL {
        driver.publish_into(state, state.name());
    }
    let names = ["delayed", "ready", "leased", "dead", "unknown", "dead"];
    assert_eq!(driver.respawn(&names, AS_IT_WAS), 1);
    assert_eq!(driver.state("dead"), Some(StateKind::Ready));
    assert_eq!(driver.queue.len_of(StateKind::Dead), 0);
}

#[test]
fn respawns_that_overlap_do_not_promise_the_same_job_twice() {
    let mut driver = Driver::new();
    for n in 0..5 {
        driver.publish_into(StateKind::Dead, &n.to_string());
    }
    assert_eq!(driver.respawn_first(3, AS_IT_WAS), 3);
    let later = Revival { delay: Millis(60), ..AS_IT_WAS };
    assert_eq!(driver.respawn_first(3, later), 2);
    driver.pass(0);
    assert_eq!(driver.queue.len_of(StateKind::Ready), 3);
    assert_eq!(driver.queue.len_of(StateKind::Delayed), 2);
}

#[test]
fn a_job_is_deleted_in_any_state_and_its_holder_learns_at_the_next_touch() {
    for state in StateKind::ALL {
        let mut driver = Driver::new();
        driver.publish_into(state, "a");
        assert_eq!(driver.delete(&["a", "unknown", "a"]), 1, "{state:?}");
        assert!(driver.queue.is_empty());
        assert_eq!(driver.touch("a", None), None);
        assert_eq!(driver.queue.counters().deleted, 1);
        driver.pass(1_000_000);
    }
}

#[test]
fn a_job_is_deleted_by_a_receipt_only_while_its_lease_holds() {
    let mut driver = Driver::new();
    driver.publish(job("a"));
    let stale = driver.consume();
    driver.release(&stale.receipt);
    let fresh = driver.consume();
    assert_eq!(driver.delete(&[&stale.receipt]), 0);
    assert_eq!(driver.delete(&[&fresh.receipt]), 1);
}

#[test]
fn many_jobs_are_kicked_in_slices_and_the_queue_serves_others_meanwhile() {
    const MANY: u32 = 100_000;
    let mut driver = Driver::new();
    for n in 0..MANY {
        driver.publish(job("a").delay(1_000_000 + u64::from(n)));
    }
    assert_eq!(driver.kick_first(u64::MAX), u64::from(MANY));
    assert_eq!(driver.queue.next_due(), Some(UnixMillis(START)), "there is work now");
    assert_eq!(driver.queue.len_of(StateKind::Ready), 0, "none of it is done by the request");
    for done in (10_000..=MANY).step_by(10_000) {
        assert_eq!(driver.tick_to(START, 10_000), 10_000);
        assert_eq!(driver.queue.len_of(StateKind::Ready) as u32, done);
    }
    assert_eq!(driver.tick_to(START, 10_000), 0);
    assert_eq!(driver.queue.next_due(), None);
    driver.check();
}

#[test]
fn many_jobs_are_respawned_in_slices_oldest_first() {
    const MANY: u32 = 100_000;
    let mut driver = Driver::new();
    for n in 0..MANY {
        driver.publish(job(&n.to_string()).tries(1));
    }
    let taken = driver.consume_as(ANYONE, MANY);
    for chunk in taken.chunks(20_000) {
        driver.pass(1);
        let receipts: Vec<_> = chunk.iter().map(|taken| &*taken.receipt).collect();
        assert_eq!(driver.settle(&receipts, crate::support::NACK), 20_000);
    }
    assert_eq!(driver.respawn_first(u64::MAX, AS_IT_WAS), u64::from(MANY));
    let mut done = 0;
    while done < MANY {
        let step = driver.tick_to(driver.now(), 7_777);
        assert_eq!(step, 7_777.min(MANY - done));
        done += step;
    }
    let line = driver.line();
    assert!(line.iter().enumerate().all(|(n, body)| *body == n.to_string()));
    assert_eq!(driver.queue.counters().respawned, u64::from(MANY));
    driver.check();
}

#[test]
fn what_is_due_goes_before_what_operators_asked_for() {
    let mut driver = Driver::new();
    driver.publish(job("kicked").delay(5_000));
    driver.publish(job("due").delay(10));
    driver.kick_first(2);
    assert_eq!(driver.tick_to(START + 10, 1), 1);
    assert_eq!(driver.line(), ["due"]);
    driver.pass(0);
    assert_eq!(driver.line(), ["due", "kicked"]);
}

#[test]
fn the_counters_account_for_every_job() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::DeadMax(3)]);
    for n in 0..60 {
        let ttl = if n % 5 == 0 { 40 } else { 0 };
        driver.publish(job("a").ttl(ttl).tries(2).ttr(25).delay(n % 7 * 5 % 40));
        for taken in driver.consume_as(ANYONE, 2) {
            match n % 4 {
                0 => driver.ack(&taken.receipt),
                1 => driver.nack(&taken.receipt),
                2 => driver.delete(&[&taken.receipt]),
                _ => 0,
            };
        }
        driver.purge(StateKind::Delayed, u64::from(n % 9 == 0));
        if n % 6 == 0 {
            driver.publish_into(StateKind::Dead, &n.to_string());
        }
        driver.pass(10);
        let counters = driver.queue.counters();
        let removed = counters.deleted + counters.purged + counters.pruned;
        let left = counters.published - counters.acked - counters.expired - removed;
        assert_eq!(left, driver.queue.len() as u64);
    }
    for ending in ["acked", "nacked", "lapsed", "expired", "deleted", "purged", "pruned"] {
        let named = driver.queue.counters().named();
        assert!(named.iter().any(|&(name, count)| name == ending && count > 0), "{named:?}");
    }
}

#[test]
fn all_jobs_that_wait_can_be_buried_in_slices_those_first_that_would_leave_first() {
    for state in [StateKind::Delayed, StateKind::Ready] {
        let mut driver = Driver::new();
        for n in 0..5 {
            let delay = if state == StateKind::Delayed { 1_000 + n } else { 0 };
            driver.publish(job("").id(&format!("job-{n}")).delay(delay));
        }
        assert_eq!(driver.bury_all(state, 2), 2);
        assert_eq!(driver.bury_all(state, u64::MAX), 3, "those that are not promised yet");
        assert_eq!(driver.queue.tasks_left(), 5);
        assert_eq!(driver.tick_to(driver.now(), 2), 2);
        assert_eq!(driver.queue.tasks_left(), 3);
        let dead = |n: u64| driver.state(&format!("job-{n}")) == Some(StateKind::Dead);
        assert_eq!([0, 1, 2, 3, 4].map(dead), [true, true, false, false, false], "{state:?}");
        driver.pass(0);
        let counters = driver.queue.counters();
        assert_eq!((counters.buried, counters.died, driver.queue.tasks_left()), (5, 5, 0));
    }
}

#[test]
fn the_oldest_ready_job_is_known_whatever_goes_before_it() {
    let mut driver = Driver::new();
    let oldest = |driver: &Driver| driver.queue.oldest_ready().map(|at| at.0 - START);
    assert_eq!(oldest(&driver), None);
    driver.publish(job("a"));
    driver.pass(10);
    let first = driver.consume();
    driver.publish(job("b"));
    driver.pass(10);
    driver.publish(job("urgent").priority(-1));
    assert_eq!(oldest(&driver), Some(10), "not that of the job that is served next");
    driver.pass(10);
    driver.release(&first.receipt);
    assert_eq!(driver.line(), ["urgent", "a", "b"]);
    assert_eq!(oldest(&driver), Some(10), "one given back counts from where it stands");
    driver.kick_first(1);
    driver.delete(&[&first.id]);
    assert_eq!(oldest(&driver), Some(10));
}
