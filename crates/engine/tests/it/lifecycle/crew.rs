//! Who holds what.

use jobq_engine::{Change, Holder, Millis, StateKind, UnixMillis};

use crate::support::{job, reloaded, Driver, ANYONE, START};

/// Of each worker: its name, how many leases, the id of the oldest, and since when that holds.
type Held = Vec<(String, usize, String, u64)>;

fn held(queue: &jobq_engine::Queue) -> Held {
    let one = |it: &jobq_engine::Holding<'_>| {
        let worker = String::from_utf8_lossy(it.worker).into_owned();
        let oldest = queue.job(it.oldest).id().receipt(it.token);
        let oldest = String::from_utf8_lossy(oldest.as_bytes()).into_owned();
        (worker, it.leases, oldest, it.since.0)
    };
    let mut held: Held = queue.holdings().iter().map(one).collect();
    held.sort();
    held
}

fn worker(name: &'static str) -> Holder<&'static [u8]> {
    Holder { worker: name.as_bytes(), ..ANYONE }
}

fn row(worker: &str, leases: usize, oldest: &str, since: u64) -> Held {
    vec![(worker.into(), leases, oldest.into(), since)]
}

/// Jobs `a`, `b` and `c`, taken by `w` ten milliseconds apart.
fn three() -> Driver {
    let mut driver = Driver::new();
    for id in ["a", "b", "c"] {
        driver.publish(job("").id(id).ttr(1_000));
        driver.consume_as(worker("w"), 1);
        driver.pass(10);
    }
    driver
}

#[test]
fn a_worker_is_told_of_with_its_oldest_lease_whatever_ends_the_others() {
    let mut driver = three();
    assert_eq!(held(&driver.queue), row("w", 3, "a@1", START));
    driver.ack("b");
    assert_eq!(held(&driver.queue), row("w", 2, "a@1", START));
    driver.release("a");
    assert_eq!(held(&driver.queue), row("w", 1, "c@3", START + 20));
    driver.delete(&["c"]);
    assert_eq!(held(&driver.queue), []);
}

#[test]
fn neither_a_touch_nor_an_update_makes_a_lease_younger() {
    let mut driver = three();
    driver.touch("a@1", Some(50_000));
    let change = Change { priority: Some(3), ttl: Some(Millis(99_000)), ..Change::default() };
    driver.update("a", change).expect("nothing to refuse");
    assert_eq!(held(&driver.queue), row("w", 3, "a@1", START));
    driver.pass(2_000);
    assert_eq!(held(&driver.queue), row("w", 1, "a@1", START));
}

#[test]
fn who_gave_no_name_is_not_told_of() {
    let mut driver = Driver::new();
    driver.publish_into(StateKind::Leased, "a");
    assert_eq!(held(&driver.queue), []);
}

#[test]
fn a_worker_on_several_terms_comes_once_for_each() {
    let mut driver = Driver::new();
    driver.publish_all(&["", "", ""]);
    let long = Holder { ttr: Millis(9_000), ..worker("w") };
    let first = driver.consume_as(worker("w"), 1).remove(0).receipt;
    let second = driver.consume_as(long, 2).remove(0).receipt;
    let mut expected = row("w", 1, &first, START);
    expected.extend(row("w", 2, &second, START));
    assert_eq!(held(&driver.queue), expected);
}

#[test]
fn what_is_held_is_known_of_a_loaded_queue_and_since_when() {
    let mut driver = three();
    driver.touch("a@1", None);
    driver.queue = reloaded(&driver.queue);
    driver.check();
    assert_eq!(held(&driver.queue), row("w", 3, "a@1", START));
    driver.publish(job("").id("d"));
    driver.consume_as(worker("w"), 1);
    for receipt in ["a@1", "b@2", "c@3"] {
        driver.ack(receipt);
    }
    assert_eq!(held(&driver.queue), row("w", 1, "d@4", START + 30));
}

#[test]
fn a_worker_is_heard_of_when_it_uses_a_receipt_and_not_when_another_names_its_job() {
    let mut driver = three();
    let heard = |driver: &mut Driver, act: fn(&mut Driver)| {
        driver.queue.hear_messages();
        act(driver);
        let has_heard = driver.queue.has_heard();
        driver.queue.take_messages(UnixMillis(START));
        has_heard.then(|| driver.queue.heard_of().to_vec())
    };
    assert_eq!(
        heard(&mut driver, |driver| {
            let _ = driver.touch("a", None);
        }),
        None
    );
    assert_eq!(
        heard(&mut driver, |driver| {
            let _ = driver.ack("a");
        }),
        None
    );
    assert_eq!(
        heard(&mut driver, |driver| {
            let _ = driver.touch("b@2", None);
        }),
        Some(b"w".to_vec())
    );
    assert_eq!(
        heard(&mut driver, |driver| {
            let _ = driver.nack("b@9");
        }),
        None
    );
    assert_eq!(
        heard(&mut driver, |driver| {
            let _ = driver.nack("b@2");
        }),
        Some(b"w".to_vec())
    );
    assert_eq!(heard(&mut driver, |driver| driver.pass(5_000)), None);
}

#[test]
fn nothing_is_kept_of_workers_that_hold_nothing() {
    let mut driver = Driver::new();
    let names: Vec<String> = (0..100).map(|n| format!("w{n}")).collect();
    for round in 0..2 {
        for name in &names {
            driver.publish(job(""));
            driver.consume_as(Holder { worker: name.as_bytes(), ..ANYONE }, 1);
        }
        assert_eq!(held(&driver.queue).len(), names.len(), "{round}");
        driver.purge(StateKind::Leased, u64::MAX);
        driver.pass(0);
    }
    let mut fresh = Driver::new();
    fresh.publish(job(""));
    let taken = fresh.consume();
    fresh.ack(&taken.receipt);
    assert!(driver.queue.bytes() <= fresh.queue.bytes() + 2_048, "{}", driver.queue.bytes());
}
