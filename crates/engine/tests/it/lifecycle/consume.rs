//! Who is served next, for how long, and what a delivery counts.

use jobq_engine::{Backoff, Consume, Holder, Millis, Request, State, StateKind, PRIORITIES};

use crate::support::{job, Driver, ANYONE, FREE, START};

#[test]
fn the_lowest_priority_number_is_served_first_and_equals_in_order() {
    let mut driver = Driver::new();
    for (body, priority) in [("c", 0), ("e", 20), ("a", -20), ("d", 0), ("b", -20)] {
        driver.publish(job(body).priority(priority));
    }
    let served: Vec<_> = (0..5).map(|_| driver.consume().body).collect();
    assert_eq!(served, ["a", "b", "c", "d", "e"]);
}

#[test]
fn every_priority_has_its_place() {
    let mut driver = Driver::new();
    // 17 is coprime to 41: each priority once, in a scattered order.
    let scattered = (0..41).map(|n| (n * 17 % 41) as i8 - 20);
    for priority in scattered {
        driver.publish(job(&priority.to_string()).priority(priority));
    }
    let ascending: Vec<_> = PRIORITIES.map(|priority| priority.to_string()).collect();
    assert_eq!(driver.line(), ascending);
}

#[test]
fn a_consume_takes_what_is_there_up_to_its_count() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b", "c"]);
    let taken = driver.consume_as(ANYONE, 2);
    assert_eq!(taken.iter().map(|taken| &*taken.body).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(driver.consume_as(ANYONE, 2).len(), 1);
    assert!(driver.consume_as(ANYONE, 2).is_empty());
    assert_eq!(driver.queue.len_of(StateKind::Leased), 3);
}

#[test]
fn a_consume_that_finds_nothing_is_no_operation() {
    let driver = Driver::new();
    let consume = Request::Consume(Consume { count: 1, holder: ANYONE });
    assert!(matches!(driver.queue.choose(consume), Ok(None)));
}

#[test]
fn peek_tells_what_the_next_consume_takes_and_takes_nothing() {
    let mut driver = Driver::new();
    driver.publish_all(&["c", "d"]);
    driver.publish(job("a").priority(-1));
    driver.publish(job("b").priority(-1));
    let before = driver.queue.digest();
    for count in 0..6 {
        let peeked = driver.queue.peek(count);
        assert_eq!(peeked.len(), count.min(4));
        assert_eq!(peeked[..], driver.queue.peek(4)[..peeked.len()]);
    }
    assert_eq!(driver.queue.digest(), before);
    let line = driver.line();
    let taken = driver.consume_as(ANYONE, 4);
    assert_eq!(taken.into_iter().map(|taken| taken.body).collect::<Vec<_>>(), line);
}

#[test]
fn a_lease_lasts_as_long_as_the_job_says() {
    let mut driver = Driver::new();
    driver.publish(job("a").ttr(700));
    let taken = driver.consume();
    assert_eq!(deadline(&driver, &taken.id), START + 700);
}

#[test]
fn a_consumer_may_say_how_long_its_lease_lasts() {
    let mut driver = Driver::new();
    driver.publish(job("a").ttr(700));
    driver.publish(job("b").ttr(900));
    let holder = Holder { worker: b"w".as_slice(), ttr: Millis(50), counted: true };
    for taken in driver.consume_as(holder, 2) {
        assert_eq!(deadline(&driver, &taken.id), START + 50);
        let held = driver.queue.holder_of(driver.job(&taken.id)).expect("leased");
        assert_eq!((&*held.worker, held.ttr), (b"w".as_slice(), Millis(50)));
    }
}

#[test]
fn tokens_grow_within_a_queue_and_are_never_used_again() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b", "c"]);
    let mut last = 0;
    for round in 0..20 {
        for taken in driver.consume_as(ANYONE, 1 + round % 3) {
            assert!(taken.token.0 > last, "{:?} after {last}", taken.token);
            last = taken.token.0;
            driver.release(&taken.receipt);
        }
    }
}

#[test]
fn a_delivery_counts_unless_it_is_free() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").backoff(Backoff::None));
    driver.consume();
    assert_eq!(driver.job(&id).deliveries, 1);
    driver.nack(&id);
    let free = driver.consume_as(FREE, 1).remove(0);
    assert_eq!(driver.job(&id).deliveries, 1);
    driver.release(&free.receipt);
    assert_eq!(driver.job(&id).deliveries, 1, "nothing is given back that was not taken");
    assert_eq!(driver.queue.counters().delivered, 2, "the queue counts both");
}

#[test]
fn a_free_delivery_that_fails_is_a_failure_and_spends_no_try() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").tries(1).ttr(100));
    for n in 1..=3 {
        driver.consume_as(FREE, 1);
        driver.pass(100);
        assert_eq!(driver.state(&id), Some(StateKind::Ready));
        assert_eq!((driver.job(&id).deliveries, driver.job(&id).failures()), (0, n));
    }
    driver.consume();
    driver.pass(100);
    assert_eq!(driver.state(&id), Some(StateKind::Dead));
}

#[test]
fn an_expired_job_is_passed_over_even_before_a_tick_came_to_it() {
    let mut driver = Driver::new();
    driver.publish(job("expired").ttl(100).priority(-5));
    driver.publish(job("expired too").ttl(100));
    driver.publish(job("alive"));
    // The clock is brought up to date, the work is not.
    driver.tick_to(START + 100, 0);
    assert_eq!(driver.queue.len_of(StateKind::Ready), 3);
    assert_eq!(driver.line(), ["alive"]);
    assert_eq!(driver.consume().body, "alive");
    assert!(driver.consume_as(ANYONE, 1).is_empty());
}

fn deadline(driver: &Driver, id: &str) -> u64 {
    match driver.job(id).state() {
        State::Leased { deadline, .. } => deadline.0,
        other => panic!("{other:?} has no deadline"),
    }
}
