//! Limits: how many jobs may be held at a time, and taken in a time.

use jobq_engine::{Action, Change, LimitName, Millis, Outcome, Permits, Rate, Revival, StateKind};

use crate::support::{job, reloaded, Driver, ANYONE, NACK};

fn set(driver: &mut Driver, name: &str, permits: Permits) {
    let action = Action::Limit { name: name.as_bytes(), permits: Some(permits) };
    assert_eq!(driver.ask(action), Ok(Some(Outcome::Configured)));
    driver.pass(0);
}

fn remove(driver: &mut Driver, name: &str) -> u64 {
    match driver.ask(Action::Limit { name: name.as_bytes(), permits: None }) {
        Ok(Some(Outcome::Done(removed))) => {
            driver.pass(0);
            removed
        }
        other => panic!("{other:?} is no removal"),
    }
}

fn at_once(concurrency: u32) -> Permits {
    Permits { concurrency: Some(concurrency), rate: None }
}

fn in_a_time(tokens: u32, ms: u64) -> Permits {
    Permits { concurrency: None, rate: Some(Rate { tokens, per: Millis(ms) }) }
}

/// The bodies of all that can be taken now, which is taken.
fn take_all(driver: &mut Driver) -> Vec<crate::support::Delivery> {
    driver.consume_as(ANYONE, 1_000)
}

fn bodies(taken: &[crate::support::Delivery]) -> String {
    taken.iter().map(|job| &*job.body).collect::<Vec<_>>().join(" ")
}

#[test]
fn no_more_jobs_are_held_than_a_limit_permits_and_others_are_not_blocked() {
    let mut driver = Driver::new();
    set(&mut driver, "disk", at_once(2));
    for n in 1..=4 {
        driver.publish(job(&format!("d{n}")).uses("disk", 1));
    }
    driver.publish(job("free"));
    let taken = take_all(&mut driver);
    assert_eq!(bodies(&taken), "d1 d2 free");
    assert_eq!(driver.queue.len_of(StateKind::Ready), 2, "those that wait are ready");
    driver.ack(&taken[0].receipt);
    assert_eq!(bodies(&take_all(&mut driver)), "d3");
}

#[test]
fn a_place_is_free_again_however_a_lease_ends() {
    type End = fn(&mut Driver, &str);
    let ends: [(&str, End); 9] = [
        ("ack", |driver, receipt| {
            driver.ack(receipt);
        }),
        ("nack", |driver, receipt| {
            driver.settle(&[receipt], NACK);
        }),
        ("release with a delay", |driver, receipt| {
            let verdict = jobq_engine::Verdict::Release { delay: Millis(50), counted: true };
            driver.settle(&[receipt], verdict);
        }),
        ("bury", |driver, receipt| {
            driver.bury(receipt);
        }),
        ("fulfill", |driver, receipt| {
            driver.fulfill(receipt, "", None);
        }),
        ("delete", |driver, receipt| {
            driver.delete(&[receipt]);
        }),
        ("lapse", |driver, _| driver.pass(60_000)),
        ("expiry", |driver, _| driver.pass(30_000)),
        ("purge", |driver, _| {
            driver.purge(StateKind::Leased, 1);
            driver.pass(0);
        }),
    ];
    for (name, end) in ends {
        let mut driver = Driver::new();
        let ttl = if name == "expiry" { 30_000 } else { 0 };
        driver.publish(job("first").mutex("m").ttl(ttl));
        let first = driver.consume();
        driver.publish(job("second").mutex("m"));
        assert!(!driver.queue.hands_out(), "{name}");
        end(&mut driver, &first.receipt);
        let next = driver.consume();
        assert_eq!(next.body, "second", "{name}");
        assert!(!driver.queue.hands_out(), "{name}: only one at a time");
    }
}

#[test]
fn a_released_job_keeps_its_place_before_others() {
    let mut driver = Driver::new();
    driver.publish(job("first").mutex("m"));
    driver.publish(job("second").mutex("m"));
    let first = driver.consume();
    driver.release(&first.receipt);
    assert_eq!(driver.line(), ["first"]);
}

#[test]
fn all_limits_of_a_job_have_to_have_room() {
    let mut driver = Driver::new();
    set(&mut driver, "disk", at_once(2));
    set(&mut driver, "net", at_once(1));
    driver.publish(job("net").uses("net", 1));
    let net = driver.consume();
    driver.publish(job("both").uses("net", 1).uses("disk", 2));
    driver.publish(job("disk").uses("disk", 2));
    let disk = driver.consume();
    assert_eq!(disk.body, "disk", "one that waits for another limit does not hold this one up");
    driver.ack(&net.receipt);
    assert!(!driver.queue.hands_out());
    driver.ack(&disk.receipt);
    assert_eq!(driver.consume().body, "both");
}

#[test]
fn a_job_that_weighs_more_is_not_passed_by_those_that_weigh_less() {
    let mut driver = Driver::new();
    set(&mut driver, "cpu", at_once(4));
    for name in ["a", "b", "c"] {
        driver.publish(job(name).uses("cpu", 1));
    }
    let taken = take_all(&mut driver);
    driver.publish(job("heavy").uses("cpu", 3));
    driver.publish(job("light").uses("cpu", 1));
    assert!(!driver.queue.hands_out(), "the light one is behind");
    driver.ack(&taken[0].receipt);
    assert!(!driver.queue.hands_out());
    driver.ack(&taken[1].receipt);
    assert_eq!(bodies(&take_all(&mut driver)), "heavy");
    driver.ack(&taken[2].receipt);
    assert_eq!(bodies(&take_all(&mut driver)), "light");
}

#[test]
fn a_job_that_weighs_more_than_there_is_is_taken_alone() {
    let mut driver = Driver::new();
    set(&mut driver, "cpu", at_once(2));
    driver.publish(job("small").uses("cpu", 1));
    let small = driver.consume();
    driver.publish(job("huge").uses("cpu", 9));
    assert!(!driver.queue.hands_out());
    driver.ack(&small.receipt);
    let huge = driver.consume();
    driver.publish(job("small").uses("cpu", 1));
    assert!(!driver.queue.hands_out());
    driver.ack(&huge.receipt);
    assert!(driver.queue.hands_out());
}

#[test]
fn of_those_that_wait_for_a_place_the_best_priority_is_first_and_then_the_oldest() {
    let mut driver = Driver::new();
    driver.publish(job("first").mutex("m"));
    let first = driver.consume();
    for (name, priority) in [("b", 5), ("c", 0), ("d", 0), ("a", -5)] {
        driver.publish(job(name).priority(priority).mutex("m"));
    }
    let mut order = String::new();
    let mut held = first;
    for _ in 0..4 {
        driver.ack(&held.receipt);
        held = driver.consume();
        order += &held.body;
    }
    assert_eq!(order, "acdb");
}

#[test]
fn a_job_of_a_better_priority_takes_the_place_of_one_that_stands_in_line() {
    let mut driver = Driver::new();
    driver.publish(job("low").priority(5).mutex("m"));
    driver.publish(job("high").priority(-5).mutex("m"));
    driver.publish(job("middle").priority(0).mutex("m"));
    assert_eq!(driver.line(), ["high"]);
    let high = driver.consume();
    driver.ack(&high.receipt);
    let middle = driver.consume();
    assert_eq!(middle.body, "middle");
    driver.ack(&middle.receipt);
    assert_eq!(driver.consume().body, "low");
}

#[test]
fn a_token_that_comes_back_lets_a_job_go_at_that_very_millisecond() {
    let mut driver = Driver::new();
    set(&mut driver, "api", in_a_time(2, 1_000));
    for n in 1..=5 {
        driver.publish(job(&format!("{n}")).uses("api", 1));
    }
    assert_eq!(bodies(&take_all(&mut driver)), "1 2");
    let start = driver.now();
    assert_eq!(driver.queue.next_refill().map(|at| at.0), Some(start + 500));
    driver.tick_to(start + 499, 100);
    assert!(!driver.queue.hands_out());
    driver.tick_to(start + 500, 100);
    assert_eq!(bodies(&take_all(&mut driver)), "3");
    driver.tick_to(start + 1_500, 100);
    assert_eq!(bodies(&take_all(&mut driver)), "4 5");
}

#[test]
fn tokens_are_not_given_back() {
    let mut driver = Driver::new();
    set(&mut driver, "api", in_a_time(1, 1_000));
    driver.publish(job("a").uses("api", 1));
    let taken = driver.consume();
    driver.release(&taken.receipt);
    assert!(!driver.queue.hands_out());
    driver.pass(1_000);
    assert_eq!(driver.consume().body, "a");
}

#[test]
fn a_queue_as_a_whole_can_be_limited() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b", "c", "d"]);
    set(&mut driver, "*", at_once(2));
    let taken = take_all(&mut driver);
    assert_eq!(bodies(&taken), "a b");
    assert!(!driver.queue.hands_out() && driver.line().is_empty());
    driver.ack(&taken[0].receipt);
    assert_eq!(bodies(&take_all(&mut driver)), "c");
    set(&mut driver, "*", in_a_time(1, 500));
    assert_eq!(bodies(&take_all(&mut driver)), "d");
    driver.publish(job("e"));
    let start = driver.now();
    assert_eq!(driver.queue.next_due().map(|at| at.0), Some(start + 500));
    driver.pass(500);
    assert_eq!(bodies(&take_all(&mut driver)), "e");
    assert_eq!(remove(&mut driver, "*"), 1);
    assert_eq!(remove(&mut driver, "*"), 0);
}

#[test]
fn a_group_that_is_limited_to_one_goes_in_strict_order() {
    let mut driver = Driver::new();
    set(&mut driver, "group:*", at_once(1));
    for name in ["a1", "a2", "b1", "a3"] {
        driver.publish(job(name).group(&name[..1]));
    }
    driver.publish(job("free"));
    let taken = take_all(&mut driver);
    assert_eq!(bodies(&taken), "a1 b1 free");
    driver.settle(
        &[&taken[0].receipt],
        jobq_engine::Verdict::Nack { delay: Some(Millis(0)), error: None },
    );
    assert_eq!(bodies(&take_all(&mut driver)), "a2", "a retried one goes to the tail");
    driver.ack(&taken[1].receipt);
    assert!(!driver.queue.hands_out());
}

#[test]
fn a_limit_may_be_set_changed_and_removed_while_jobs_count_against_it() {
    let mut driver = Driver::new();
    for n in 1..=6 {
        driver.publish(job(&format!("{n}")).uses("cpu", 1));
    }
    let one = driver.consume();
    let two = driver.consume();
    // Lowered below what is held: nothing is taken until there is room again.
    set(&mut driver, "cpu", at_once(1));
    assert!(!driver.queue.hands_out());
    driver.ack(&one.receipt);
    assert!(!driver.queue.hands_out());
    driver.ack(&two.receipt);
    let three = driver.consume();
    assert!(!driver.queue.hands_out());
    set(&mut driver, "cpu", at_once(2));
    assert_eq!(bodies(&take_all(&mut driver)), "4");
    assert_eq!(remove(&mut driver, "cpu"), 1);
    assert_eq!(bodies(&take_all(&mut driver)), "5 6");
    driver.ack(&three.receipt);
}

#[test]
fn very_many_that_a_limit_lets_go_or_holds_up_go_in_slices() {
    let mut driver = Driver::new();
    set(&mut driver, "cpu", at_once(1));
    for n in 0..1_000 {
        driver.publish(job(&format!("{n}")).uses("cpu", 1));
    }
    let action = Action::Limit { name: b"cpu", permits: None };
    assert_eq!(driver.ask(action), Ok(Some(Outcome::Done(1))));
    assert_eq!(driver.tick_to(driver.now(), 10), 10);
    assert!(driver.queue.chores_left() > 0);
    assert!(driver.line().len() <= 1, "one by one, meanwhile");
    driver.pass(0);
    assert_eq!(driver.line().len(), 1_000);
    let action = Action::Limit { name: b"cpu", permits: Some(at_once(3)) };
    assert_eq!(driver.ask(action), Ok(Some(Outcome::Configured)));
    let first = driver.consume();
    let others: Vec<_> = std::iter::from_fn(|| driver.consume_as(ANYONE, 5).pop()).collect();
    assert_eq!(
        (&*first.body, others.len()),
        ("0", 2),
        "no more are taken before they are all seen to"
    );
    driver.pass(0);
    assert!(!driver.queue.hands_out());
}

#[test]
fn a_job_that_lacks_places_and_tokens_goes_at_the_very_millisecond_when_it_has_both() {
    let mut driver = Driver::new();
    let rate = Some(Rate { tokens: 3, per: Millis(99) });
    set(&mut driver, "disk", Permits { concurrency: Some(3), rate });
    driver.publish(job("a").id("a").uses("disk", 2));
    let a = driver.consume();
    driver.publish(job("b").id("b").uses("disk", 2));
    driver.pass(33);
    assert!(driver.line().is_empty(), "there are two tokens again, but not two places");
    driver.publish(job("c").id("c").uses("disk", 1).priority(-1));
    assert_eq!(driver.line(), ["c"], "now the tokens do not do for both");
    driver.ack(&a.receipt);
    driver.pass(32);
    assert_eq!(driver.line(), ["c"]);
    driver.pass(1);
    assert_eq!(driver.line(), ["c", "b"]);
}

#[test]
fn what_the_whole_queue_may_hold_holds_up_any_job_that_is_ready() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a"));
    driver.publish(job("b").id("b").mutex("m"));
    driver.publish(job("c").id("c").mutex("m"));
    set(&mut driver, "*", at_once(1));
    assert_eq!(driver.queue.held_up_by(driver.job("b")), None, "it may be the next");
    driver.consume();
    let whole = Some((LimitName::Named(b"*"), 1));
    assert_eq!(driver.queue.held_up_by(driver.job("b")), whole);
    let own = Some((LimitName::Mutex(b"m"), 1));
    assert_eq!(driver.queue.held_up_by(driver.job("c")), own, "its own comes first");
    assert_eq!(driver.queue.held_up_by(driver.job("a")), None, "it is held by somebody");
}

#[test]
fn a_job_that_waits_for_a_place_can_be_looked_at_and_moved_like_any_that_is_ready() {
    let mut driver = Driver::new();
    for id in ["a", "b", "c", "d"] {
        driver.publish(job(id).id(id).mutex("m"));
    }
    let held = driver.queue.held_up_by(driver.job("b"));
    assert_eq!(held, Some((LimitName::Mutex(b"m"), 1)));
    assert_eq!(driver.queue.held_up_by(driver.job("a")), None);
    driver.update("d", Change { priority: Some(-1), ..Change::default() }).expect("it waits");
    assert_eq!(driver.line(), ["d"], "a better priority");
    driver.delete(&["d"]);
    assert_eq!(driver.line(), ["a"]);
    driver.bury("a");
    assert_eq!(driver.line(), ["b"]);
    driver.respawn(&["a"], Revival::default());
    let b = driver.consume();
    driver.ack(&b.receipt);
    assert_eq!(driver.line(), ["c"], "the respawned one is behind");
    let mut reloaded = Driver { queue: reloaded(&driver.queue) };
    for expected in ["c", "a"] {
        let taken = reloaded.consume();
        assert_eq!(taken.body, expected);
        reloaded.ack(&taken.receipt);
    }
}

#[test]
fn an_expired_job_that_waits_makes_way_for_those_behind_it() {
    let mut driver = Driver::new();
    set(&mut driver, "cpu", at_once(4));
    driver.publish(job("a").uses("cpu", 2));
    let _held = driver.consume();
    driver.publish(job("heavy").uses("cpu", 4).ttl(100));
    driver.publish(job("light").uses("cpu", 1));
    assert!(!driver.queue.hands_out());
    driver.pass(100);
    assert_eq!(driver.line(), ["light"]);
}

#[test]
fn groups_wait_for_a_place_in_turn_too() {
    let mut driver = Driver::new();
    set(&mut driver, "smtp", at_once(1));
    for name in ["a1", "a2", "a3", "b1", "c1"] {
        driver.publish(job(name).group(&name[..1]).uses("smtp", 1));
    }
    let mut order = Vec::new();
    for _ in 0..5 {
        let taken = driver.consume();
        driver.ack(&taken.receipt);
        order.push(taken.body);
    }
    assert_eq!(order.join(" "), "a1 a2 b1 c1 a3");
}

#[test]
fn a_rate_that_is_taken_off_leaves_nothing_behind_in_a_queue_or_in_its_copy() {
    for name in ["net", "group:*"] {
        let mut driver = Driver::new();
        set(&mut driver, name, in_a_time(2, 1_000));
        driver.publish(job("a").uses("net", 2).group("acme"));
        driver.publish(job("b").uses("net", 2).group("acme").delay(5_000));
        driver.consume();
        set(&mut driver, name, at_once(9));
        let mut copy = Driver { queue: reloaded(&driver.queue) };
        for driver in [&mut driver, &mut copy] {
            set(driver, name, in_a_time(2, 1_000));
        }
        assert_eq!(driver.queue.digest(), copy.queue.digest(), "{name}");
    }
}
