//! When a queue has been empty and unused for long enough to be removed.

use jobq_engine::{Millis, Setting, Side, UnixMillis};

use crate::support::{job, reloaded, Driver, START};

fn idle_ends(driver: &Driver) -> Option<u64> {
    driver.queue.idle_ends().map(|UnixMillis(at)| at - START)
}

#[test]
fn a_queue_stays_for_ever_unless_it_is_told_otherwise() {
    let mut driver = Driver::new();
    driver.pass(Millis::MAX.0);
    assert_eq!(idle_ends(&driver), None);
}

#[test]
fn the_wait_begins_anew_whenever_the_queue_is_used_or_becomes_empty() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::IdleExpire(Millis(1_000))]);
    assert_eq!(idle_ends(&driver), Some(1_000));
    driver.pass(10);
    assert_eq!(idle_ends(&driver), Some(1_000), "time alone is no use");
    driver.publish(job("").ttl(50));
    assert_eq!(idle_ends(&driver), None, "it is not empty");
    driver.pass(90);
    assert_eq!(idle_ends(&driver), Some(1_100), "emptied by time, when the tick came");
    driver.pass(10);
    driver.pause(Side::In, 5);
    assert_eq!(idle_ends(&driver), None, "a pause is kept");
    driver.pass(10);
    assert_eq!(idle_ends(&driver), Some(1_110), "used");
    assert_eq!(driver.ack("nothing"), 0);
    assert!(driver.consume_as(crate::support::ANYONE, 1).is_empty());
    assert_eq!(idle_ends(&driver), Some(1_110), "what changes nothing is no use");
    let reloaded = Driver { queue: reloaded(&driver.queue) };
    assert_eq!(idle_ends(&reloaded), Some(1_110));
}
