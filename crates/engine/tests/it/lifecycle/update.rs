//! A job changed where it is.

use jobq_engine::{
    Action, Backoff, Change, Due, Millis, Outcome, Refusal, Revival, Setting, State, StateKind,
    UnixMillis,
};

use crate::support::{job, named, reloaded, Driver, ANYONE, FREE, START};

/// The states in which a job can be changed.
const CHANGEABLE: [StateKind; 4] =
    [StateKind::Delayed, StateKind::Ready, StateKind::Leased, StateKind::Dead];

fn nothing() -> Change<'static> {
    Change::default()
}

fn body(text: &str) -> Change<'_> {
    Change { body: Some(text.as_bytes()), ..Change::default() }
}

fn due(due: Due) -> Change<'static> {
    Change { due: Some(due), ..nothing() }
}

fn later(ms: u64) -> Change<'static> {
    due(Due::In(Millis(ms)))
}

fn priority(priority: i8) -> Change<'static> {
    Change { priority: Some(priority), ..nothing() }
}

fn ttl(ms: u64) -> Change<'static> {
    Change { ttl: Some(Millis(ms)), ..nothing() }
}

fn tries(tries: u32) -> Change<'static> {
    Change { tries: Some(tries), ..nothing() }
}

fn at(ms: u64) -> UnixMillis {
    UnixMillis(START + ms)
}

/// Changes a job, which has to go well.
fn change(driver: &mut Driver, id: &str, change: Change<'_>) {
    let version = driver.job(id).version();
    assert_eq!(driver.update(id, change), Ok(Some(version + 1)));
}

#[test]
fn a_body_is_changed_in_every_state_and_the_books_are_kept() {
    for state in CHANGEABLE {
        let mut driver = Driver::new();
        driver.publish_into(state, "a");
        let (before, bytes) = (driver.job("a").state(), driver.queue.bytes());
        let long = "x".repeat(10_000);
        change(&mut driver, "a", body(&long));
        assert_eq!(&*driver.job("a").body, long.as_bytes(), "{state:?}");
        assert_eq!(driver.queue.bytes(), bytes + long.len() - "a".len());
        change(&mut driver, "a", body(""));
        assert_eq!(&*driver.job("a").body, b"");
        assert_eq!(driver.queue.bytes(), bytes - "a".len());
        assert_eq!(driver.job("a").state(), before, "it stays where it is");
        assert_eq!(driver.queue.counters().updated, 2);
    }
}

#[test]
fn the_next_consumer_gets_the_new_body() {
    let mut driver = Driver::new();
    driver.publish(job("old").id("a").backoff(Backoff::None));
    let taken = driver.consume();
    change(&mut driver, &taken.receipt, body("new"));
    assert_eq!(driver.nack(&taken.receipt), 1, "the lease holds");
    assert_eq!(driver.consume().body, "new");
    driver.bury("a");
    change(&mut driver, "a", body("newer"));
    driver.respawn(&["a"], Revival::default());
    assert_eq!(driver.consume().body, "newer");
}

#[test]
fn a_priority_is_changed_in_every_state() {
    for state in CHANGEABLE {
        let mut driver = Driver::new();
        driver.publish_into(state, "a");
        let before = driver.job("a").state();
        change(&mut driver, "a", priority(7));
        assert_eq!(driver.queue.terms_of(driver.job("a")).priority, 7, "{state:?}");
        assert_eq!(driver.job("a").state(), before);
    }
}

#[test]
fn a_job_of_another_priority_joins_the_tail_of_its_new_lane() {
    let mut driver = Driver::new();
    for (id, lane) in [("a", 0), ("b", 0), ("c", 0), ("x", -5), ("y", -5)] {
        driver.publish(job(id).id(id).priority(lane));
    }
    change(&mut driver, "a", priority(-5));
    assert_eq!(driver.line(), ["x", "y", "a", "b", "c"]);
    change(&mut driver, "x", priority(0));
    assert_eq!(driver.line(), ["y", "a", "b", "c", "x"]);
    change(&mut driver, "b", priority(20));
    assert_eq!(driver.line(), ["y", "a", "c", "x", "b"]);
}

#[test]
fn the_priority_of_a_job_that_is_not_ready_counts_when_it_is() {
    let mut driver = Driver::new();
    driver.publish(job("released").id("released"));
    driver.publish(job("respawned").id("respawned"));
    driver.publish(job("delayed").id("delayed").delay(10));
    let taken = driver.consume();
    driver.bury("respawned");
    for (id, lane) in [("released", 3), ("respawned", 2), ("delayed", 1)] {
        change(&mut driver, id, priority(lane));
    }
    driver.release(&taken.receipt);
    driver.respawn(&["respawned"], Revival::default());
    driver.pass(10);
    assert_eq!(driver.line(), ["delayed", "respawned", "released"]);
}

#[test]
fn every_other_change_keeps_the_place_in_line() {
    let changes = [
        nothing(),
        body("b"),
        due(Due::Now),
        later(0),
        due(Due::At(UnixMillis(0))),
        priority(0),
        ttl(5_000),
        ttl(0),
        tries(3),
        Change { ttl: Some(Millis(70)), tries: Some(9), ..body("b") },
    ];
    for published in [job("b").id("b"), job("b").id("b").ttl(9_000)] {
        for wanted in changes.clone() {
            let mut driver = Driver::new();
            driver.publish(job("a"));
            driver.publish(published.clone());
            driver.publish(job("c"));
            driver.pass(5);
            change(&mut driver, "b", wanted.clone());
            assert_eq!(driver.line(), ["a", "b", "c"], "{wanted:?}");
            assert_eq!(driver.job("b").state(), State::Ready { since: at(0), parked: false });
        }
    }
}

#[test]
fn no_change_makes_a_dead_job_any_less_long_dead() {
    for wanted in [priority(-20), ttl(5_000), tries(1), body("b")] {
        let mut driver = Driver::new();
        for id in ["a", "b", "c"] {
            driver.publish_into(StateKind::Dead, id);
        }
        change(&mut driver, "a", wanted.clone());
        driver.configure(&[Setting::DeadMax(2)]);
        driver.pass(0);
        let left = ["a", "b", "c"].map(|id| driver.find(id).is_some());
        assert_eq!(left, [false, true, true], "{wanted:?}");
    }
}

#[test]
fn a_ready_job_is_delayed_by_an_instant_to_come() {
    for due_at in [Due::In(Millis(100)), Due::At(at(105))] {
        let mut driver = Driver::new();
        driver.publish(job("a").id("a"));
        driver.publish(job("b"));
        driver.pass(5);
        change(&mut driver, "a", due(due_at));
        assert_eq!(driver.job("a").state(), State::Delayed { until: at(105) });
        assert_eq!(driver.line(), ["b"]);
        driver.pass(99);
        assert_eq!(driver.state("a"), Some(StateKind::Delayed));
        driver.pass(1);
        assert_eq!(driver.line(), ["b", "a"], "at the tail");
    }
}

#[test]
fn a_delayed_job_is_given_another_instant() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").delay(100));
    change(&mut driver, "a", later(300));
    driver.pass(100);
    assert_eq!(driver.job("a").state(), State::Delayed { until: at(300) });
    change(&mut driver, "a", later(50));
    assert_eq!(driver.queue.next_due(), Some(at(150)));
    driver.pass(50);
    assert_eq!(driver.job("a").state(), State::Ready { since: at(150), parked: false });
}

#[test]
fn a_delayed_job_whose_new_instant_has_come_is_ready_at_once_at_the_tail() {
    for due_at in [Due::Now, Due::In(Millis(0)), Due::At(at(3)), Due::At(UnixMillis(0))] {
        let mut driver = Driver::new();
        driver.publish(job("a").id("a").delay(100));
        driver.publish(job("b"));
        driver.pass(5);
        change(&mut driver, "a", due(due_at));
        assert_eq!(driver.job("a").state(), State::Ready { since: at(5), parked: false });
        assert_eq!(driver.line(), ["b", "a"]);
        assert_eq!((driver.queue.next_due(), driver.queue.counters().kicked), (None, 0));
    }
}

#[test]
fn an_instant_is_refused_to_a_job_that_does_not_wait() {
    for state in [StateKind::Leased, StateKind::Dead] {
        let mut driver = Driver::new();
        driver.publish_into(state, "a");
        for due_at in [Due::Now, Due::In(Millis(100)), Due::At(at(100))] {
            let wanted = Change { body: Some(b"b"), ..due(due_at) };
            assert_eq!(driver.update("a", wanted), Err(Refusal::WrongState(state)));
        }
        assert_eq!(driver.job("a").version(), 1);
    }
}

#[test]
fn a_ttl_runs_from_the_update_on() {
    for state in [StateKind::Delayed, StateKind::Ready, StateKind::Leased] {
        for before in [0, 50, 10_000] {
            let mut driver = Driver::new();
            let draft = job("a").id("a").ttl(before).ttr(60_000);
            driver.publish(draft.delay(if state == StateKind::Delayed { 20 } else { 0 }));
            if state == StateKind::Leased {
                driver.consume();
            }
            driver.pass(10);
            change(&mut driver, "a", ttl(100));
            assert_eq!(driver.queue.expires_at(driver.job("a")), Some(at(110)));
            driver.pass(99);
            assert!(driver.find("a").is_some(), "{state:?} with a TTL of {before} before");
            driver.pass(1);
            assert!(driver.find("a").is_none());
            assert_eq!(driver.queue.counters().expired, 1);
        }
    }
}

#[test]
fn a_ttl_of_zero_lets_a_job_live_for_ever_whatever_it_had() {
    for state in [StateKind::Delayed, StateKind::Ready, StateKind::Leased] {
        for from_an_update in [false, true] {
            let mut driver = Driver::new();
            driver.configure(&[Setting::Ttl(Millis(50)), Setting::Ttr(Millis(1_000_000))]);
            driver.publish(job("a").id("a"));
            match state {
                StateKind::Delayed => change(&mut driver, "a", later(30)),
                StateKind::Leased => drop(driver.consume()),
                _ => {}
            }
            if from_an_update {
                change(&mut driver, "a", ttl(70));
            }
            change(&mut driver, "a", ttl(0));
            assert_eq!(driver.queue.expires_at(driver.job("a")), None);
            driver.pass(500_000);
            assert!(driver.find("a").is_some(), "{state:?}");
        }
    }
}

#[test]
fn a_change_without_a_ttl_keeps_the_one_there_is() {
    for from_an_update in [false, true] {
        let mut driver = Driver::new();
        driver.publish(job("a").id("a").ttl(100));
        if from_an_update {
            change(&mut driver, "a", ttl(100));
        }
        driver.pass(10);
        change(&mut driver, "a", Change { tries: Some(2), priority: Some(1), ..body("b") });
        assert_eq!(driver.queue.expires_at(driver.job("a")), Some(at(100)));
        driver.pass(90);
        assert_eq!(driver.state("a"), None);
    }
}

#[test]
fn a_ttl_that_ends_before_the_job_is_due_is_refused() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("mortal").ttl(100));
    driver.publish(job("a").id("delayed").delay(100));
    let mut ask = |id, wanted: Change<'static>| driver.update(id, wanted).map(drop);
    let refused = Err(Refusal::ExpiresBeforeDue);
    assert_eq!(ask("mortal", later(101)), refused, "the TTL it has");
    assert_eq!(ask("mortal", due(Due::At(at(101)))), refused);
    assert_eq!(ask("delayed", ttl(99)), refused, "the delay it has");
    assert_eq!(ask("delayed", Change { ttl: Some(Millis(199)), ..later(200) }), refused);
    assert_eq!(ask("mortal", Change { ttl: Some(Millis(9)), ..later(10) }), refused);
    assert_eq!(ask("mortal", later(100)), Ok(()), "one that is equal is accepted");
    assert_eq!(ask("delayed", ttl(100)), Ok(()));
    assert_eq!(ask("delayed", Change { ttl: Some(Millis(0)), ..later(900) }), Ok(()));
    assert_eq!(ask("mortal", Change { ttl: Some(Millis(9)), ..due(Due::Now) }), Ok(()));
}

#[test]
fn a_retry_beyond_the_ttl_may_be_changed_in_all_but_time() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").ttl(100).backoff(Backoff::Fixed(Millis(900))));
    driver.consume();
    driver.nack("a");
    change(&mut driver, "a", Change { priority: Some(2), ..body("b") });
    assert_eq!(driver.update("a", ttl(899)), Err(Refusal::ExpiresBeforeDue));
    change(&mut driver, "a", ttl(900));
}

#[test]
fn tries_are_changed_and_count() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").backoff(Backoff::None));
    driver.consume();
    driver.nack("a");
    change(&mut driver, "a", tries(2));
    assert_eq!(driver.queue.terms_of(driver.job("a")).tries, 2);
    driver.consume();
    change(&mut driver, "a", tries(3));
    driver.nack("a");
    assert_eq!(driver.state("a"), Some(StateKind::Ready), "one more than before");
    driver.consume();
    driver.nack("a");
    assert_eq!(driver.state("a"), Some(StateKind::Dead));
}

#[test]
fn fewer_tries_than_a_job_has_used_or_needs_are_refused() {
    let delivered_twice = |state: StateKind| {
        let mut driver = Driver::new();
        driver.open(&["x"]);
        driver.publish(job("a").id("a").ttr(5_000).backoff(Backoff::None).when("x"));
        for _ in 0..2 {
            driver.consume();
            driver.nack("a");
        }
        match state {
            StateKind::Delayed => change(&mut driver, "a", later(100)),
            StateKind::Held => {
                driver.consume_as(FREE, 1);
                driver.close(&["x"]);
                driver.release("a");
            }
            StateKind::Gathering | StateKind::Ready => {}
            StateKind::Leased => drop(driver.consume()),
            StateKind::Completed => unreachable!("no case of it"),
            StateKind::Dead => drop(driver.bury("a")),
        }
        driver
    };
    let cases = [
        (StateKind::Delayed, 3),
        (StateKind::Held, 3),
        (StateKind::Ready, 3),
        (StateKind::Leased, 3),
    ];
    for (state, least) in cases {
        let mut driver = delivered_twice(state);
        let deliveries = driver.job("a").deliveries;
        for few in 0..least {
            let refused = driver.update("a", tries(few));
            assert_eq!(refused, Err(Refusal::TooFewTries { deliveries }), "{state:?}");
        }
        change(&mut driver, "a", tries(least));
    }
}

#[test]
fn a_lease_for_free_leaves_a_try_to_the_next() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").backoff(Backoff::None));
    driver.consume();
    driver.nack("a");
    driver.consume_as(FREE, 1);
    let refused = driver.update("a", tries(1));
    assert_eq!(refused, Err(Refusal::TooFewTries { deliveries: 1 }));
    change(&mut driver, "a", tries(2));
    driver.release("a");
    driver.consume();
    driver.nack("a");
    assert_eq!(driver.state("a"), Some(StateKind::Dead));
}

#[test]
fn a_dead_job_may_get_any_tries_since_it_starts_anew() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").tries(3).backoff(Backoff::None));
    for _ in 0..3 {
        driver.consume();
        driver.nack("a");
    }
    assert!(driver.update("a", tries(0)).is_err());
    change(&mut driver, "a", tries(1));
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    driver.respawn(&["a"], Revival::default());
    driver.consume();
    driver.nack("a");
    assert_eq!(driver.state("a"), Some(StateKind::Dead));
}

#[test]
fn a_body_longer_than_the_queue_takes_is_refused_in_every_state() {
    for state in CHANGEABLE {
        let mut driver = Driver::new();
        driver.configure(&[Setting::MaxBody(8)]);
        driver.publish_into(state, "a");
        let refused = driver.update("a", body("123456789"));
        assert_eq!(refused, Err(Refusal::TooBig { bytes: 9, max: 8 }), "{state:?}");
        change(&mut driver, "a", body("12345678"));
    }
}

#[test]
fn a_job_that_is_not_there_is_not_updated() {
    let mut driver = Driver::new();
    driver.publish_into(StateKind::Ready, "a");
    let stale = driver.consume();
    driver.release(&stale.receipt);
    for name in ["unknown", "a@999", &*stale.receipt] {
        assert_eq!(driver.update(name, body("b")), Err(Refusal::NoSuchJob), "{name}");
    }
    let before = driver.queue.digest();
    let operation = Action::Update { job: named("unknown"), change: nothing() };
    let refused = driver.queue.apply(operation);
    assert!(matches!(refused, Err(Refusal::Diverged(_))), "{refused:?}");
    assert_eq!(driver.queue.digest(), before);
}

#[test]
fn a_full_or_paused_queue_takes_updates() {
    let mut driver = Driver::new();
    driver.publish_into(StateKind::Ready, "a");
    driver.configure(&[Setting::MaxLen(1)]);
    driver.pause(jobq_engine::Side::Both, 0);
    change(&mut driver, "a", Change { due: Some(Due::In(Millis(9))), ..body("b") });
}

#[test]
fn versions_count_the_updates_and_nothing_else() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").backoff(Backoff::None).ttr(10));
    assert_eq!(driver.job("a").version(), 1);
    let taken = driver.consume();
    driver.touch(&taken.receipt, None);
    driver.nack("a");
    driver.consume();
    driver.pass(10);
    driver.bury("a");
    driver.respawn(&["a"], Revival { ttl: Some(Millis(1_000)), ..Revival::default() });
    assert_eq!(driver.job("a").version(), 1);
    for version in 2..6 {
        assert_eq!(driver.update("a", nothing()), Ok(Some(version)));
        assert_eq!(driver.job("a").version(), version);
    }
    driver.bury("a");
    driver.respawn(&["a"], Revival::default());
    assert_eq!(driver.job("a").version(), 5, "it is still the same job");
    let copy = Driver { queue: reloaded(&driver.queue) };
    assert_eq!(copy.job("a").version(), 5);
    driver.delete(&["a"]);
    driver.publish(job("a").id("a"));
    assert_eq!(driver.job("a").version(), 1, "this is another");
}

#[test]
fn an_update_of_another_version_changes_nothing_and_says_so() {
    let everything = Change {
        body: Some(b"b"),
        due: Some(Due::In(Millis(50))),
        priority: Some(5),
        ttl: Some(Millis(500)),
        tries: Some(9),
        if_version: None,
    };
    let mut driver = Driver::new();
    driver.publish(job("a").id("a"));
    change(&mut driver, "a", body("first"));
    for other in [0, 1, 3, u64::MAX] {
        let wanted = Change { if_version: Some(other), ..everything.clone() };
        // The driver compares digests.
        assert_eq!(driver.update("a", wanted), Ok(None), "{other}");
    }
    assert!(!Outcome::Updated(None).is_change());
    assert_eq!(driver.queue.counters().updated, 1);
    let wanted = Change { if_version: Some(2), ..everything.clone() };
    assert_eq!(driver.update("a", wanted.clone()), Ok(Some(3)));
    assert_eq!(driver.update("a", wanted), Ok(None), "once");
    let changed = driver.job("a");
    let terms = driver.queue.terms_of(changed);
    assert_eq!((&*changed.body, terms.priority, terms.tries), (b"b".as_slice(), 5, 9));
    assert_eq!(changed.state(), State::Delayed { until: at(50) });
    assert_eq!(driver.queue.expires_at(changed), Some(at(500)));
}

#[test]
fn a_refused_update_leaves_everything_even_what_could_be_changed() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::MaxBody(8)]);
    driver.publish_into(StateKind::Ready, "a");
    let before = driver.queue.digest();
    let fine = Change { priority: Some(3), tries: Some(4), ttl: Some(Millis(50)), ..body("b") };
    let bad = [
        Change { body: Some(b"123456789"), ..fine.clone() },
        Change { due: Some(Due::In(Millis(51))), ..fine.clone() },
        Change { tries: Some(0), ..fine.clone() },
    ];
    for wanted in bad {
        assert!(driver.update("a", wanted).is_err());
        assert_eq!(driver.queue.digest(), before);
        assert_eq!(driver.job("a").version(), 1);
    }
    change(&mut driver, "a", fine);
}

#[test]
fn the_lease_of_an_updated_job_goes_on() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").ttr(100));
    let taken = driver.consume_as(ANYONE, 1).remove(0);
    let before = driver.job("a").state();
    change(&mut driver, "a", Change { priority: Some(3), ttl: Some(Millis(70)), ..body("b") });
    assert_eq!(driver.job("a").state(), before, "the same token and deadline");
    assert_eq!(driver.queue.next_due(), Some(at(70)), "but now it expires first");
    change(&mut driver, "a", ttl(0));
    assert_eq!(driver.queue.next_due(), Some(at(100)));
    assert_eq!(driver.touch(&taken.receipt, None), Some(START + 100));
    assert_eq!(driver.ack(&taken.receipt), 1);
    driver.check();
}

#[test]
fn an_updated_job_survives_a_snapshot() {
    for state in CHANGEABLE {
        let mut driver = Driver::new();
        driver.publish_into(state, "a");
        let wanted = Change { ttl: Some(Millis(9_000)), tries: Some(4), ..body("b") };
        change(&mut driver, "a", Change { priority: Some(-3), ..wanted });
        let mut copy = Driver { queue: reloaded(&driver.queue) };
        assert_eq!(copy.queue.digest(), driver.queue.digest(), "{state:?}");
        assert_eq!(copy.queue.next_due(), driver.queue.next_due());
        for driver in [&mut driver, &mut copy] {
            driver.pass(10_000);
        }
        assert_eq!(copy.queue.digest(), driver.queue.digest());
    }
}

#[test]
fn a_completed_job_is_not_changed_any_more() {
    let mut driver = Driver::new();
    driver.publish_into(StateKind::Completed, "a");
    for wanted in [body("b"), tries(4), later(100)] {
        let refused = driver.update("a", wanted);
        assert_eq!(refused, Err(Refusal::WrongState(StateKind::Completed)));
    }
    let other = Change { if_version: Some(2), ..body("b") };
    assert_eq!(driver.update("a", other), Ok(None), "the version is looked at first");
}
