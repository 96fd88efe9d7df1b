//! The instant at which an unfinished job is given up.

use jobq_engine::{Millis, Retain, Revival, StateKind, UnixMillis};

use crate::support::{job, reloaded, Driver, START};

#[test]
fn an_unfinished_job_is_dead_at_its_deadline_in_whatever_state_it_waits() {
    for state in [StateKind::Delayed, StateKind::Ready, StateKind::Leased] {
        let mut driver = Driver::new();
        let draft = job("").id("a").deadline(START + 100);
        match state {
            StateKind::Delayed => driver.publish(draft.delay(100)),
            _ => driver.publish(draft),
        };
        if state == StateKind::Leased {
            driver.consume();
        }
        driver.pass(99);
        assert_eq!(driver.state("a"), Some(state));
        driver.pass(1);
        assert_eq!(driver.state("a"), Some(StateKind::Dead), "{state:?}");
        let counters = driver.queue.counters();
        assert_eq!((counters.overdue, counters.died, counters.lapsed), (1, 1, 0));
        let failed = u32::from(state == StateKind::Leased);
        assert_eq!(driver.job("a").failures(), failed, "only of a worker is it a failure");
        driver.pass(1_000);
        assert_eq!(driver.queue.counters().overdue, 1, "once");
    }
}

#[test]
fn neither_a_lease_nor_a_touch_reaches_beyond_the_deadline() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").ttr(1_000).deadline(START + 1_500));
    let taken = driver.consume();
    assert_eq!(driver.touch(&taken.receipt, None), Some(START + 1_000));
    driver.pass(700);
    assert_eq!(driver.touch(&taken.receipt, None), Some(START + 1_500));
    assert_eq!(driver.touch(&taken.receipt, Some(Millis::MAX.0)), Some(START + 1_500));
}

#[test]
fn a_deadline_is_met_by_whoever_finishes_before() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").deadline(START + 100).retain(Retain::Forever));
    let taken = driver.consume();
    driver.pass(99);
    assert_eq!(driver.ack(&taken.receipt), 1);
    driver.pass(100);
    assert_eq!(driver.state("a"), Some(StateKind::Completed));
    assert_eq!(driver.queue.counters().overdue, 0);
}

#[test]
fn a_failed_attempt_does_not_wait_beyond_the_deadline() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").deadline(START + 100));
    driver.consume();
    driver.settle(&["a"], jobq_engine::Verdict::Nack { delay: Some(Millis(500)), error: None });
    driver.pass(99);
    assert_eq!(driver.state("a"), Some(StateKind::Delayed));
    driver.pass(1);
    assert_eq!(driver.state("a"), Some(StateKind::Dead));
}

#[test]
fn of_ttl_and_deadline_the_earlier_wins_and_the_ttl_if_they_are_equal() {
    for (ttl, expired) in [(99, 1), (100, 1), (101, 0)] {
        let mut driver = Driver::new();
        driver.publish(job("").id("a").ttl(ttl).deadline(START + 100));
        driver.pass(5_000);
        let counters = driver.queue.counters();
        assert_eq!((counters.expired, counters.overdue), (expired, 1 - expired), "TTL {ttl}");
    }
}

#[test]
fn a_job_whose_deadline_has_passed_is_not_handed_out_though_no_tick_came_to_it() {
    let mut driver = Driver::new();
    driver.publish(job("late").deadline(START + 10));
    driver.publish(job("live"));
    driver.tick_to(START + 10, 0);
    assert_eq!(driver.line(), ["live"]);
    assert_eq!(driver.consume().body, "live");
}

#[test]
fn a_deadline_that_is_due_is_accepted_and_one_before_is_not() {
    let mut driver = Driver::new();
    assert!(driver.try_publish(job("").delay(10).deadline(START + 10)).is_ok());
    assert!(driver.try_publish(job("").delay(10).deadline(START + 9)).is_err());
    assert!(driver.try_publish(job("").at(START + 10).deadline(START + 9)).is_err());
    assert!(driver.try_publish(job("").deadline(0)).is_err());
}

#[test]
fn a_respawn_takes_the_deadline_off() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").deadline(START + 10));
    driver.pass(10);
    assert_eq!(driver.respawn(&["a"], Revival::default()), 1);
    assert_eq!(driver.job("a").deadline(), None);
    driver.pass(100_000);
    assert_eq!(driver.state("a"), Some(StateKind::Ready));
}

#[test]
fn a_job_is_not_put_off_beyond_its_deadline() {
    use jobq_engine::{Change, Due, Refusal};
    let mut driver = Driver::new();
    driver.publish(job("").id("a").deadline(START + 10));
    let later = |ms| Change { due: Some(Due::In(Millis(ms))), ..Change::default() };
    assert_eq!(driver.update("a", later(11)), Err(Refusal::OverdueBeforeDue));
    assert_eq!(driver.update("a", later(10)), Ok(Some(2)));
}

#[test]
fn a_deadline_outlives_a_reload() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").deadline(START + 10));
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    assert_eq!(driver.job("a").deadline(), Some(UnixMillis(START + 10)));
    driver.pass(10);
    assert_eq!(driver.state("a"), Some(StateKind::Dead));
}
