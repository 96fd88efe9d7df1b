//! Jobs that are not wanted any more.

use jobq_engine::{
    Action, Cancelled, Millis, Outcome, Retain, Revival, Setting, StateKind, Touched, Verdict,
    WhenExpired,
};

use crate::support::{job, named, reloaded, Delivery, Driver, BURY, NACK, RELEASE, START};

/// A queue with the leased job `a`, which was cancelled, and its delivery.
fn marked() -> (Driver, Delivery) {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").ttr(100));
    let taken = driver.consume();
    assert_eq!(driver.cancel("a"), Some(Cancelled::Marked));
    (driver, taken)
}

fn touched(driver: &mut Driver, name: &str) -> Touched {
    match driver.ask(Action::Touch {
        jobs: vec![named(name)].into(),
        ttr: None,
        progress: None,
        result: None,
    }) {
        Ok(Some(Outcome::Touched(leases))) => leases[0],
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_that_waits_is_removed_by_a_cancel() {
    for state in [StateKind::Delayed, StateKind::Ready] {
        let mut driver = Driver::new();
        driver.publish_into(state, "a");
        assert_eq!(driver.cancel("a"), Some(Cancelled::Removed), "{state:?}");
        assert!(driver.queue.is_empty());
        let counters = driver.queue.counters();
        assert_eq!((counters.cancelled, counters.deleted), (1, 0));
        assert_eq!(driver.cancel("a"), None, "it is gone");
    }
}

#[test]
fn a_finished_job_is_not_cancelled() {
    for state in [StateKind::Completed, StateKind::Dead] {
        let mut driver = Driver::new();
        driver.publish_into(state, "a");
        assert_eq!(driver.cancel("a"), None);
        assert_eq!(driver.state("a"), Some(state));
        assert_eq!(driver.queue.counters().cancelled, 0);
    }
}

#[test]
fn a_leased_job_is_marked_once_and_its_holder_learns_at_the_next_touch() {
    let (mut driver, taken) = marked();
    assert_eq!(driver.cancel("a"), Some(Cancelled::MarkedBefore));
    assert_eq!(driver.cancel(&taken.receipt), Some(Cancelled::MarkedBefore));
    driver.pass(60);
    assert_eq!(touched(&mut driver, &taken.receipt), Touched::Cancelled);
    assert_eq!(driver.queue.counters().touched, 0);
    assert_eq!(driver.queue.next_due().map(|at| at.0), Some(START + 100), "not extended");
    driver.pass(40);
    assert_eq!(touched(&mut driver, &taken.receipt), Touched::Lost);
    assert_eq!(driver.state("a"), None);
}

#[test]
fn a_receipt_cancels_only_while_its_lease_holds() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").ttr(50));
    let stale = driver.consume();
    driver.pass(50);
    assert_eq!(driver.cancel(&stale.receipt), None);
    let holds = driver.consume();
    assert_eq!(driver.cancel(&stale.receipt), None);
    assert_eq!(driver.cancel(&holds.receipt), Some(Cancelled::Marked));
}

#[test]
fn a_marked_job_is_not_tried_again_whatever_gives_it_back() {
    let ways: [fn(&mut Driver, &str); 6] = [
        |driver, receipt| assert_eq!(driver.nack(receipt), 1),
        |driver, receipt| {
            let later = Verdict::Nack { delay: Some(Millis(50)), error: Some(b"stopped") };
            assert_eq!(driver.settle(&[receipt], later), 1);
        },
        |driver, receipt| assert_eq!(driver.release(receipt), 1),
        |driver, receipt| {
            let later = Verdict::Release { delay: Millis(50), counted: true };
            assert_eq!(driver.settle(&[receipt], later), 1);
        },
        |driver, _| driver.pass(100),
        |driver, _| {
            driver.configure(&[Setting::Lapse(jobq_engine::WhenLapsed::Backoff)]);
            driver.pass(100);
        },
    ];
    for (n, give_back) in ways.into_iter().enumerate() {
        for tries in [1, 25] {
            let mut driver = Driver::new();
            driver.publish(job("").id("a").ttr(100).tries(tries));
            let taken = driver.consume();
            driver.cancel("a");
            give_back(&mut driver, &taken.receipt);
            assert!(driver.queue.is_empty(), "way {n}, of {tries} tries");
            let counters = driver.queue.counters();
            assert_eq!((counters.cancelled, counters.died), (1, 0), "way {n}, of {tries} tries");
            let ended = counters.nacked + counters.released + counters.lapsed;
            assert_eq!(ended, 1, "and what gave it back is counted");
        }
    }
}

#[test]
fn a_marked_job_that_is_finished_all_the_same_is_finished_as_usual() {
    for verdict in [Verdict::Ack, Verdict::Fulfill { result: b"42", retain: None }] {
        let mut driver = Driver::new();
        driver.publish(job("").id("a").retain(Retain::Forever));
        let taken = driver.consume();
        driver.cancel("a");
        assert_eq!(driver.settle(&[&taken.receipt], verdict), 1);
        assert_eq!(driver.state("a"), Some(StateKind::Completed));
        assert!(driver.job("a").is_cancelled(), "and it can be seen");
        assert_eq!(driver.queue.counters().cancelled, 0);
    }
}

#[test]
fn a_marked_job_that_is_buried_expires_or_is_overdue_ends_as_any() {
    let (mut driver, taken) = marked();
    assert_eq!(driver.settle(&[&taken.receipt], BURY), 1);
    assert_eq!(driver.state("a"), Some(StateKind::Dead));
    let mut driver = Driver::new();
    driver.publish(job("").id("dropped").ttl(50));
    driver.publish(job("").id("overdue").deadline(START + 60));
    driver.consume_as(crate::support::ANYONE, 2);
    driver.cancel("dropped");
    driver.cancel("overdue");
    driver.pass(50);
    assert_eq!((driver.state("dropped"), driver.queue.counters().expired), (None, 1));
    driver.configure(&[Setting::Expired(WhenExpired::Bury)]);
    driver.pass(10);
    assert_eq!(driver.state("overdue"), Some(StateKind::Dead));
    assert_eq!(driver.queue.counters().cancelled, 0);
}

#[test]
fn a_respawn_takes_the_mark_off() {
    let (mut driver, _) = marked();
    driver.bury("a");
    assert!(driver.job("a").is_cancelled());
    driver.respawn(&["a"], Revival::default());
    assert!(!driver.job("a").is_cancelled());
    let taken = driver.consume();
    assert!(driver.touch(&taken.receipt, None).is_some());
    driver.settle(&[&taken.receipt], RELEASE);
    assert_eq!(driver.state("a"), Some(StateKind::Ready));
}

#[test]
fn the_mark_outlives_an_update_and_is_stored() {
    let (mut driver, taken) = marked();
    let change = jobq_engine::Change { priority: Some(3), ..Default::default() };
    driver.update("a", change).expect("nothing to refuse");
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    assert_eq!(touched(&mut driver, &taken.receipt), Touched::Cancelled);
    driver.settle(&[&taken.receipt], NACK);
    assert!(driver.queue.is_empty());
}

#[test]
fn whoever_watches_a_job_is_told_when_the_cancel_removes_it() {
    let mut driver = Driver::new();
    for (id, is_leased) in [("waits", false), ("leased", true)] {
        driver.publish(job("").id(id));
        if is_leased {
            driver.consume();
        }
        let slot = driver.queue.find_id(id).expect("published");
        driver.queue.watch(slot);
        driver.cancel(id);
        assert_eq!(driver.queue.take_endings().len(), usize::from(!is_leased));
        driver.release(id);
    }
    let endings = driver.queue.take_endings();
    assert_eq!((endings.len(), endings[0].state), (1, None));
}
