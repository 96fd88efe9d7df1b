//! What time would bring, brought now.

use jobq_engine::{
    Action, Backoff, Haste, Holder, Millis, Outcome, Setting, StateKind, WhenLapsed,
};

use crate::support::{all_named, job, Driver, ANYONE, START};

fn hasten(driver: &mut Driver, names: &[&str], haste: Haste) -> u64 {
    match driver.ask(Action::Hasten { jobs: all_named(names), haste }) {
        Ok(Some(Outcome::Done(jobs))) => jobs,
        other => panic!("{other:?}"),
    }
}

/// The same story where a lease lapses in time, and where it is made to: the same but for the time.
#[test]
fn a_lease_that_is_made_to_lapse_ends_as_one_that_lapses() {
    for settings in [vec![], vec![Setting::Lapse(WhenLapsed::Backoff)]] {
        let story = |early: bool| {
            let mut driver = Driver::new();
            driver.configure(&settings);
            driver.publish(job("").id("a").ttr(100).tries(2).backoff(Backoff::Fixed(Millis(70))));
            let mut states = Vec::new();
            for _ in 0..2 {
                driver.pass(70);
                driver.consume();
                if early {
                    assert_eq!(hasten(&mut driver, &["a"], Haste::Lapse), 1);
                } else {
                    driver.pass(100);
                }
                let a = driver.job("a");
                states.push((a.state().kind(), a.failures(), a.deliveries));
            }
            (states, driver.queue.counters().lapsed, driver.queue.counters().died)
        };
        assert_eq!(story(true), story(false), "{settings:?}");
        assert_eq!(story(true).0[1].0, StateKind::Dead);
    }
}

#[test]
fn a_lapse_is_told_to_the_worker_and_its_receipt_is_worth_nothing_then() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    driver.queue.hear_messages();
    driver.consume_as(Holder { worker: b"w", ..ANYONE }, 1);
    // Also where the one who says so names the receipt.
    assert_eq!(hasten(&mut driver, &["a@1"], Haste::Lapse), 1);
    let messages = driver.queue.take_messages(driver.queue.clock());
    assert_eq!(messages.len(), 1);
    assert_eq!(driver.ack("a@1"), 0);
    assert_eq!(driver.consume().receipt, "a@2");
}

#[test]
fn a_delayed_job_and_one_that_waits_for_its_next_attempt_are_due_when_they_are_made_to_be() {
    let mut driver = Driver::new();
    driver.publish(job("late").id("a").delay(5_000));
    driver.publish(job("again").id("b").backoff(Backoff::Fixed(Millis(7_000))));
    driver.consume();
    driver.nack("b");
    assert_eq!(driver.queue.len_of(StateKind::Delayed), 2);
    assert_eq!(hasten(&mut driver, &["b", "a"], Haste::Due), 2);
    assert_eq!(driver.line(), ["again", "late"], "in the order in which they were named");
    assert_eq!(driver.job("a").due().0, START);
    assert_eq!(driver.queue.counters().kicked, 0);
}

#[test]
fn a_job_that_is_due_early_still_waits_for_what_else_it_waits_for() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").delay(5_000).when("gate"));
    assert_eq!(hasten(&mut driver, &["a"], Haste::Due), 1);
    assert_eq!(driver.state("a"), Some(StateKind::Held));
    assert_eq!(hasten(&mut driver, &["a"], Haste::Due), 0);
    driver.open(&["gate"]);
    driver.pass(0);
    assert_eq!(driver.state("a"), Some(StateKind::Ready));
}

#[test]
fn what_waits_for_nothing_of_the_kind_stays_as_it_is() {
    for haste in Haste::ALL {
        let mut driver = Driver::new();
        for state in StateKind::ALL {
            driver.publish_into(state, state.name());
        }
        let fitting = match haste {
            Haste::Lapse => "leased",
            Haste::Due => "delayed",
        };
        for state in StateKind::ALL.into_iter().filter(|state| state.name() != fitting) {
            assert_eq!(hasten(&mut driver, &[state.name()], haste), 0, "{haste:?} {state:?}");
        }
        assert_eq!(hasten(&mut driver, &["leased@99", "nobody"], haste), 0);
        assert_eq!(hasten(&mut driver, &[fitting, fitting], haste), 1, "{haste:?}");
    }
}

#[test]
fn a_cancelled_job_goes_when_its_lease_is_made_to_lapse() {
    let mut driver = Driver::new();
    driver.publish_into(StateKind::Leased, "a");
    driver.cancel("a");
    assert_eq!(hasten(&mut driver, &["a"], Haste::Lapse), 1);
    assert!(driver.queue.is_empty());
}
