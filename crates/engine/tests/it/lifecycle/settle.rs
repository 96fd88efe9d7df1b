//! How a lease ends at its holder's word, and whose word counts.

use jobq_engine::{Backoff, Holder, Millis, State, StateKind, Verdict, ERROR_BYTES_MAX};

use crate::support::{job, Driver, ANYONE, BURY, NACK, RELEASE, START};

#[test]
fn an_acked_job_is_gone() {
    let mut driver = Driver::new();
    driver.publish(job("a"));
    let taken = driver.consume();
    assert_eq!(driver.ack(&taken.receipt), 1);
    assert!(driver.queue.is_empty());
    assert_eq!(driver.queue.counters().acked, 1);
    assert_eq!(driver.ack(&taken.receipt), 0, "once");
}

#[test]
fn a_released_job_is_next_to_be_served() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b", "c"]);
    let taken = driver.consume();
    assert_eq!(driver.release(&taken.receipt), 1);
    assert_eq!(driver.line(), ["a", "b", "c"]);
}

#[test]
fn jobs_released_together_keep_their_order_at_the_head() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b", "c", "d"]);
    let taken = driver.consume_as(ANYONE, 3);
    let receipts: Vec<_> = taken.iter().map(|taken| &*taken.receipt).collect();
    assert_eq!(driver.settle(&receipts, RELEASE), 3);
    assert_eq!(driver.line(), ["a", "b", "c", "d"]);
}

#[test]
fn a_released_job_goes_to_the_head_of_its_own_priority() {
    let mut driver = Driver::new();
    driver.publish(job("low").priority(5));
    let taken = driver.consume();
    driver.publish(job("low too").priority(5));
    driver.publish(job("high").priority(-5));
    driver.release(&taken.receipt);
    assert_eq!(driver.line(), ["high", "low", "low too"]);
}

#[test]
fn a_job_released_for_later_waits_and_then_joins_the_tail() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b"]);
    let taken = driver.consume();
    let later = Verdict::Release { delay: Millis(100), counted: true };
    assert_eq!(driver.settle(&[&taken.receipt], later), 1);
    assert_eq!(driver.job(&taken.id).state(), State::Delayed { until: at(100) });
    assert_eq!((driver.job(&taken.id).deliveries, driver.job(&taken.id).failures()), (0, 0));
    driver.pass(100);
    assert_eq!(driver.line(), ["b", "a"]);
}

#[test]
fn a_retried_job_joins_the_tail() {
    let mut driver = Driver::new();
    driver.publish(job("a").backoff(Backoff::None));
    driver.publish_all(&["b", "c"]);
    let taken = driver.consume();
    assert_eq!(driver.nack(&taken.receipt), 1);
    assert_eq!(driver.line(), ["b", "c", "a"]);
}

#[test]
fn deliveries_and_failures_are_two_counters() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").backoff(Backoff::None).ttr(100));
    let counts = |driver: &Driver| (driver.job(&id).deliveries, driver.job(&id).failures());
    assert_eq!(counts(&driver), (0, 0));
    driver.consume();
    assert_eq!(counts(&driver), (1, 0));
    driver.nack(&id);
    assert_eq!(counts(&driver), (1, 1), "a nack is a failure");
    driver.consume();
    driver.release(&id);
    assert_eq!(counts(&driver), (1, 1), "a release takes the delivery back and blames nobody");
    driver.consume();
    driver.pass(100);
    assert_eq!(counts(&driver), (2, 2), "a lapse is a failure");
}

#[test]
fn a_job_is_dead_when_its_last_try_is_nacked() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").tries(3).backoff(Backoff::None));
    for _ in 0..2 {
        driver.consume();
        driver.nack(&id);
        assert_eq!(driver.state(&id), Some(StateKind::Ready));
    }
    driver.consume();
    assert_eq!(driver.nack(&id), 1);
    assert_eq!(driver.state(&id), Some(StateKind::Dead));
    assert_eq!((driver.job(&id).deliveries, driver.job(&id).failures()), (3, 3));
    assert_eq!(driver.queue.counters().died, 1);
}

#[test]
fn a_delay_does_not_save_a_job_whose_tries_are_used_up() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").tries(1));
    driver.consume();
    driver.settle(&[&id], Verdict::Nack { delay: Some(Millis(5)), error: None });
    assert_eq!(driver.state(&id), Some(StateKind::Dead));
}

#[test]
fn releases_never_use_up_the_tries() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").tries(1));
    for _ in 0..10 {
        driver.consume();
        driver.release(&id);
    }
    driver.consume();
    assert_eq!(driver.ack(&id), 1);
}

#[test]
fn a_nacked_job_waits_as_its_backoff_says() {
    let exponential = Backoff::Exponential { base: Millis(100), max: Millis(350) };
    let cases = [
        (Backoff::None, [0, 0, 0, 0]),
        (Backoff::Fixed(Millis(70)), [70, 70, 70, 70]),
        (exponential, [100, 200, 350, 350]),
    ];
    for (backoff, waits) in cases {
        let mut driver = Driver::new();
        let id = driver.publish(job("a").backoff(backoff));
        for wait in waits {
            driver.consume();
            driver.nack(&id);
            assert_eq!(waited(&driver, &id), wait, "{backoff}");
            driver.pass(wait);
        }
    }
}

#[test]
fn the_polynomial_backoff_grows_with_the_failures_and_jitters() {
    let mut driver = Driver::new();
    driver.configure(&[jobq_engine::Setting::Tries(100)]);
    let mut first_waits = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let id = driver.publish(job("a"));
        for n in 0..5u64 {
            driver.consume();
            driver.nack(&id);
            let wait = waited(&driver, &id);
            let base = n.pow(4) + 15;
            assert!((base * 1000..=(base + 29 * (n + 1)) * 1000).contains(&wait), "{n}: {wait}");
            if n == 0 {
                first_waits.insert(wait);
            }
            driver.pass(wait);
        }
        driver.delete(&[&id]);
    }
    assert!(first_waits.len() > 5, "{first_waits:?}");
}

#[test]
fn a_nack_may_name_the_wait_itself() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a"));
    for wait in [1_234, 0] {
        driver.consume();
        driver.settle(&[&id], Verdict::Nack { delay: Some(Millis(wait)), error: None });
        assert_eq!(waited(&driver, &id), wait);
        driver.pass(wait);
    }
}

#[test]
fn a_buried_job_is_dead_whatever_tries_it_had() {
    let mut driver = Driver::new();
    driver.publish(job("a"));
    let taken = driver.consume();
    assert_eq!(driver.bury(&taken.receipt), 1);
    assert_eq!(driver.job(&taken.id).state(), State::Dead { since: at(0) });
    assert_eq!(driver.job(&taken.id).failures(), 0, "a verdict is no failed attempt");
    let counters = driver.queue.counters();
    assert_eq!((counters.buried, counters.died), (1, 1));
}

#[test]
fn a_job_that_nobody_holds_can_be_buried_and_only_that() {
    for state in [StateKind::Delayed, StateKind::Ready, StateKind::Dead] {
        let mut driver = Driver::new();
        driver.publish_into(state, "a");
        for verdict in [Verdict::Ack, NACK, RELEASE] {
            assert_eq!(driver.settle(&["a"], verdict), 0, "{verdict:?} in {state:?}");
        }
        let buried = driver.bury("a");
        assert_eq!(buried, u64::from(state != StateKind::Dead));
        assert_eq!(driver.state("a"), Some(StateKind::Dead));
    }
}

#[test]
fn what_went_wrong_is_kept_up_to_a_length() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").backoff(Backoff::None));
    let long = vec![b'x'; ERROR_BYTES_MAX + 1];
    let told: [&[u8]; 3] = [b"no route", b"", &long];
    for error in told {
        driver.consume();
        driver.settle(&[&id], Verdict::Nack { delay: None, error: Some(error) });
        let kept = &error[..error.len().min(ERROR_BYTES_MAX)];
        assert_eq!(driver.job(&id).error(), Some(kept));
    }
    driver.consume();
    driver.nack(&id);
    assert_eq!(driver.job(&id).error().map(<[u8]>::len), Some(ERROR_BYTES_MAX), "the last told");
    driver.settle(&[&id], Verdict::Bury { error: Some(b"hopeless") });
    assert_eq!(driver.job(&id).error(), Some(b"hopeless".as_slice()));
}

#[test]
fn a_late_ack_cannot_settle_a_job_leased_anew() {
    let mut driver = Driver::new();
    driver.publish(job("a").ttr(100));
    let slow = driver.consume();
    driver.pass(100);
    let quick = driver.consume();
    assert_eq!(driver.ack(&slow.receipt), 0);
    assert_eq!(driver.state(&quick.id), Some(StateKind::Leased));
    assert_eq!(driver.ack(&quick.receipt), 1);
}

#[test]
fn a_receipt_acts_only_while_its_lease_holds() {
    for ending in [NACK, RELEASE, BURY] {
        let mut driver = Driver::new();
        let id = driver.publish(job("a").backoff(Backoff::None));
        let taken = driver.consume();
        assert_eq!(driver.settle(&[&taken.receipt], ending), 1);
        for leased_anew in [false, true] {
            if leased_anew && driver.consume_as(ANYONE, 1).is_empty() {
                continue;
            }
            for verdict in [Verdict::Ack, NACK, RELEASE, BURY] {
                assert_eq!(driver.settle(&[&taken.receipt], verdict), 0, "{verdict:?}");
            }
            assert_eq!(driver.touch(&taken.receipt, None), None);
            assert_eq!(driver.delete(&[&taken.receipt]), 0);
            assert_eq!(driver.kick(&[&taken.receipt]), 0);
            assert_eq!(driver.respawn(&[&taken.receipt], Default::default()), 0);
        }
        assert!(driver.find(&id).is_some());
    }
}

#[test]
fn a_bare_id_acts_for_whoever_knows_it() {
    for verdict in [Verdict::Ack, NACK, RELEASE, BURY] {
        let mut driver = Driver::new();
        let id = driver.publish(job("a"));
        driver.consume();
        assert_eq!(driver.settle(&[&id], verdict), 1, "{verdict:?}");
    }
}

#[test]
fn a_receipt_of_another_token_is_none() {
    let mut driver = Driver::new();
    driver.publish(job("a"));
    let taken = driver.consume();
    for token in [0, taken.token.0 + 1, u64::MAX] {
        assert_eq!(driver.ack(&format!("{}@{token}", taken.id)), 0);
    }
    assert_eq!(driver.ack(&format!("nobody@{}", taken.token.0)), 0);
}

#[test]
fn a_job_named_twice_is_settled_once() {
    for verdict in [Verdict::Ack, NACK, RELEASE, BURY] {
        let mut driver = Driver::new();
        let id = driver.publish(job("a"));
        let other = driver.publish(job("b"));
        let taken = driver.consume_as(ANYONE, 2).remove(0);
        let names = [&*taken.receipt, &id, "unknown", &other, &id];
        assert_eq!(driver.settle(&names, verdict), 2, "{verdict:?}");
    }
}

#[test]
fn touch_extends_by_the_ttr_the_lease_was_taken_with() {
    let mut driver = Driver::new();
    driver.publish(job("its own").ttr(700));
    driver.publish(job("the consumer's").ttr(700));
    let own = driver.consume();
    let asked = driver.consume_as(Holder { ttr: Millis(300), ..ANYONE }, 1).remove(0);
    driver.pass(250);
    assert_eq!(driver.touch(&own.receipt, None), Some(START + 250 + 700));
    assert_eq!(driver.touch(&asked.receipt, None), Some(START + 250 + 300));
    driver.pass(299);
    assert_eq!(driver.state(&asked.id), Some(StateKind::Leased));
    driver.pass(1);
    assert_eq!(driver.state(&asked.id), Some(StateKind::Ready));
    assert_eq!(driver.state(&own.id), Some(StateKind::Leased));
}

#[test]
fn touch_may_name_the_time_and_keeps_the_receipt() {
    let mut driver = Driver::new();
    driver.publish(job("a").ttr(700));
    let taken = driver.consume();
    driver.pass(600);
    assert_eq!(driver.touch(&taken.receipt, Some(50)), Some(START + 650), "also for less");
    assert_eq!(driver.touch(&taken.id, Some(90)), Some(START + 690), "also by the bare id");
    assert_eq!(driver.touch(&taken.receipt, None), Some(START + 1_300), "the lease's own again");
    assert_eq!(driver.job(&taken.id).deliveries, 1);
    assert_eq!(driver.queue.counters().touched, 3);
    assert_eq!(driver.ack(&taken.receipt), 1);
}

#[test]
fn touch_tells_of_each_lease_whether_it_is_lost() {
    let mut driver = Driver::new();
    for state in StateKind::ALL {
        driver.publish_into(state, state.name());
        let touched = driver.touch(state.name(), Some(5));
        assert_eq!(touched, (state == StateKind::Leased).then_some(START + 5), "{state:?}");
    }
    assert_eq!(driver.touch("unknown", None), None);
}

fn at(ms: u64) -> jobq_engine::UnixMillis {
    jobq_engine::UnixMillis(START + ms)
}

/// How long a job that was just nacked will wait.
fn waited(driver: &Driver, id: &str) -> u64 {
    match driver.job(id).state() {
        State::Ready { .. } => 0,
        State::Delayed { until } => until.0 - driver.now(),
        other => panic!("{other:?} after a nack"),
    }
}
