//! What time brings, and that only a tick lets it pass.

use jobq_engine::{Backoff, StateKind, UnixMillis};

use crate::support::{job, Driver, ANYONE, START};

#[test]
fn a_lapsed_lease_makes_the_job_ready_at_once_at_the_tail() {
    let mut driver = Driver::new();
    // A backoff is for attempts that were answered.
    let id = driver.publish(job("a").ttr(100).backoff(Backoff::Fixed(jobq_engine::Millis(5_000))));
    driver.publish_all(&["b", "c"]);
    driver.consume();
    driver.pass(99);
    assert_eq!(driver.state(&id), Some(StateKind::Leased));
    driver.pass(1);
    assert_eq!(driver.line(), ["b", "c", "a"]);
    assert_eq!(driver.queue.counters().lapsed, 1);
}

#[test]
fn a_job_is_dead_when_its_last_try_lapses() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").ttr(100).tries(2));
    driver.consume();
    driver.pass(100);
    assert_eq!(driver.state(&id), Some(StateKind::Ready));
    driver.consume();
    driver.pass(100);
    assert_eq!(driver.state(&id), Some(StateKind::Dead));
    assert_eq!((driver.job(&id).deliveries, driver.job(&id).failures()), (2, 2));
}

#[test]
fn a_job_is_never_delivered_more_often_than_it_has_tries() {
    for tries in 1..=4 {
        let mut driver = Driver::new();
        driver.publish(job("a").ttr(100).tries(tries).backoff(Backoff::None));
        let mut deliveries = 0;
        while let Some(taken) = driver.consume_as(ANYONE, 1).pop() {
            deliveries += 1;
            if deliveries % 2 == 0 {
                driver.nack(&taken.receipt);
            }
            driver.pass(100);
        }
        assert_eq!(deliveries, tries);
        assert_eq!(driver.queue.len_of(StateKind::Dead), 1);
    }
}

#[test]
fn a_ttl_ends_a_job_that_waits_or_is_worked_and_is_counted() {
    for state in [StateKind::Delayed, StateKind::Ready, StateKind::Leased] {
        let mut driver = Driver::new();
        let draft = job("a").ttl(100).ttr(5_000).backoff(Backoff::None);
        let id = match state {
            // Delayed beyond its TTL, which a retry can be.
            StateKind::Delayed => {
                let id = driver.publish(draft.backoff(Backoff::Fixed(jobq_engine::Millis(900))));
                driver.consume();
                driver.nack(&id);
                id
            }
            StateKind::Leased => {
                driver.publish(draft);
                driver.consume().id
            }
            _ => driver.publish(draft),
        };
        assert_eq!(driver.state(&id), Some(state));
        driver.pass(99);
        assert_eq!(driver.state(&id), Some(state));
        driver.pass(1);
        assert_eq!(driver.state(&id), None, "{state:?}");
        let counters = driver.queue.counters();
        assert_eq!((counters.expired, counters.lapsed), (1, 0), "{state:?}");
    }
}

#[test]
fn the_dead_do_not_expire() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").ttl(100));
    driver.bury(&id);
    driver.pass(1_000_000);
    assert_eq!(driver.state(&id), Some(StateKind::Dead));
    assert_eq!(driver.queue.counters().expired, 0);
}

#[test]
fn the_holder_of_an_expired_job_holds_nothing() {
    let mut driver = Driver::new();
    driver.publish(job("a").ttl(100).ttr(5_000));
    let taken = driver.consume();
    driver.pass(100);
    assert_eq!(driver.touch(&taken.receipt, None), None);
    assert_eq!(driver.ack(&taken.receipt), 0);
}

#[test]
fn how_late_a_tick_is_does_not_change_what_becomes_of_a_job() {
    let story = |steps: &[u64]| {
        let mut driver = Driver::new();
        driver.publish(job("dies of its last lapse").tries(1).ttr(100).ttl(200).id("lapsed"));
        driver.consume();
        driver.publish(job("expires in its lease").tries(1).ttr(200).ttl(100).id("expired"));
        driver.consume();
        driver.publish(job("is ready, then expires").delay(100).ttl(200).id("missed"));
        for ms in steps {
            driver.tick_to(START + ms, u32::MAX);
        }
        let states = ["lapsed", "expired", "missed"].map(|id| driver.state(id));
        (states, *driver.queue.counters())
    };
    let punctual = story(&[100, 200, 300]);
    assert_eq!(punctual.0, [Some(StateKind::Dead), None, None]);
    assert_eq!(story(&[300]), punctual);
}

#[test]
fn the_clock_never_goes_back() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").delay(100));
    driver.pass(100);
    driver.tick_to(START - 500, u32::MAX);
    assert_eq!(driver.now(), START + 100);
    assert_eq!(driver.state(&id), Some(StateKind::Ready));
    driver.tick_to(0, u32::MAX);
    assert_eq!(driver.now(), START + 100);
}

#[test]
fn nothing_happens_without_a_tick() {
    let mut driver = Driver::new();
    driver.publish(job("a").delay(1));
    let before = driver.queue.digest();
    assert!(driver.queue.is_due(UnixMillis(START + 1)));
    assert!(driver.consume_as(ANYONE, 1).is_empty());
    assert_eq!(driver.queue.digest(), before);
}

#[test]
fn a_queue_tells_when_it_is_due_next() {
    let mut driver = Driver::new();
    assert_eq!(driver.queue.next_due(), None);
    driver.publish(job("eternal"));
    assert_eq!(driver.queue.next_due(), None);
    driver.publish(job("delayed").delay(500));
    assert_eq!(next_due(&driver), 500);
    driver.publish(job("mortal").ttl(400).priority(1));
    assert_eq!(next_due(&driver), 400);
    driver.publish(job("leased").ttr(300).priority(-1));
    driver.consume();
    assert_eq!(next_due(&driver), 300);
    assert!(!driver.queue.is_due(UnixMillis(START + 299)));
    assert!(driver.queue.is_due(UnixMillis(START + 300)));
    driver.tick_to(START + 1_000, 2);
    assert_eq!(next_due(&driver), 500, "what is overdue is told as it was");
    driver.tick_to(START + 1_000, 1);
    assert_eq!(driver.queue.next_due(), None);
}

#[test]
fn a_tick_does_the_first_transitions_by_instant_and_then_by_publish_order() {
    let mut driver = Driver::new();
    driver.publish(job("1st: lapse at 100").id("lapse").ttr(100));
    driver.consume();
    driver.publish(job("4th: due at 300").id("third").delay(300));
    driver.publish(job("2nd: expires at 100").id("expiry").ttl(100));
    driver.publish(job("3rd: due at 100").id("second").delay(100));
    driver.publish(job("never").id("never").delay(9_000));
    let is_done = |driver: &Driver| {
        [
            driver.state("lapse") == Some(StateKind::Ready),
            driver.state("expiry").is_none(),
            driver.state("second") == Some(StateKind::Ready),
            driver.state("third") == Some(StateKind::Ready),
        ]
    };
    for done in 1..=4 {
        assert_eq!(driver.tick_to(START + 500, 1), 1);
        assert_eq!(is_done(&driver), [done >= 1, done >= 2, done >= 3, done >= 4]);
    }
    assert_eq!(driver.tick_to(START + 500, 1), 0);
    assert_eq!(driver.state("never"), Some(StateKind::Delayed));
}

#[test]
fn a_budget_is_used_exactly_and_slices_come_to_the_same_state() {
    let filled = || {
        let mut driver = Driver::new();
        for n in 0..100 {
            driver.publish(job("a").delay(10 + n * 7 % 30).ttl(200).ttr(1_000));
        }
        driver
    };
    let mut whole = filled();
    assert_eq!(whole.tick_to(START + 50, 1_000), 100);
    for slice in [1, 7, 99, 100] {
        let mut sliced = filled();
        let mut done = 0;
        while done < 100 {
            let expected = slice.min(100 - done);
            assert_eq!(sliced.tick_to(START + 50, slice), expected);
            done += expected;
        }
        assert_eq!(sliced.tick_to(START + 50, slice), 0);
        assert_eq!(sliced.queue.digest(), whole.queue.digest());
        assert_eq!(sliced.line(), whole.line());
    }
}

fn next_due(driver: &Driver) -> u64 {
    driver.queue.next_due().expect("something is due").0 - START
}
