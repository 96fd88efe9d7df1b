//! What a job costs over its body, and that memory comes back. Counted as the queue counts it:
//! without what the allocator adds.

use std::ops::RangeInclusive;

use jobq_engine::{Holder, Job, Millis, Queue, Setting, StateKind, WhenExpired};

use crate::support::{job, Driver, ANYONE};

const JOBS: u32 = 30_000;
const BODY: &str = "a body of 32 bytes, for counting";

/// What an emptied queue may keep: what is known of its past included, which is some hundred bytes.
const DRAINED_BYTES_MAX: usize = 8600;

#[test]
fn a_job_itself_takes_88_bytes_and_nothing_more_in_its_slot() {
    assert_eq!(size_of::<Job>(), 88);
    assert_eq!(size_of::<Option<Job>>(), 88);
    // What the slab's chunks are made for.
    assert!((930 * size_of::<Option<Job>>()).abs_diff(80 << 10) < size_of::<Job>());
}

#[test]
fn what_a_ready_job_costs_over_its_body_is_known() {
    assert_cost(92..=100, |driver| {
        driver.publish(job(BODY));
    });
}

#[test]
fn what_a_delayed_job_costs_over_its_body_is_known() {
    let mut delays = (0..).map(|n: u64| 1_000 + n * 7_919 % 1_000_003);
    assert_cost(110..=118, |driver| {
        driver.publish(job(BODY).delay(delays.next().expect("endless")));
    });
}

#[test]
fn what_a_leased_job_costs_over_its_body_is_known() {
    assert_cost(109..=116, |driver| {
        driver.publish(job(BODY));
        driver.consume();
    });
}

#[test]
fn what_a_dead_job_costs_over_its_body_is_known() {
    assert_cost(92..=100, |driver| {
        driver.publish(job(BODY));
        let taken = driver.consume();
        driver.bury(&taken.receipt);
    });
}

/// Checks the cost from both sides, so that what was gained is not lost unnoticed. At several
/// sizes, since tables grow in steps.
fn assert_cost(known: RangeInclusive<usize>, mut add: impl FnMut(&mut Driver)) {
    let mut driver = Driver::new();
    let empty = driver.queue.bytes();
    for n in 1..=JOBS {
        add(&mut driver);
        if n >= 10_000 && n % 1_000 == 0 {
            let each = (driver.queue.bytes() - empty) / n as usize - BODY.len();
            assert!(known.contains(&each), "{each} bytes for each of {n} jobs, not {known:?}");
        }
    }
}

#[test]
fn a_drained_queue_gives_its_memory_back() {
    let mut driver = Driver::new();
    for n in 0..100_000 {
        driver.publish(job(BODY).delay(n % 3 * 500));
    }
    driver.pass(1_000);
    drain(&mut driver);
}

#[test]
fn a_queue_drained_of_jobs_that_had_little_in_common_gives_its_memory_back() {
    let mut driver = Driver::new();
    fill(&mut driver, |n| job(BODY).ttr(1 + u64::from(n)).priority((n % 41) as i8 - 20));
    assert!(driver.queue.bytes() > JOBS as usize * 150, "each has terms of its own");
    drain(&mut driver);
    driver.publish(job("b"));
    drain(&mut driver);
}

#[test]
fn a_queue_drained_by_many_workers_forgets_them() {
    let mut driver = Driver::new();
    fill(&mut driver, |_| job(BODY));
    for n in 0..1_000 {
        let name = format!("worker {n}");
        let ttr = Millis(60_000);
        driver.consume_as(Holder { worker: name.as_bytes(), ttr, counted: true }, 5);
    }
    driver.pass(60_000);
    drain(&mut driver);
}

#[test]
fn a_queue_drained_of_jobs_with_keys_gives_their_memory_back() {
    let mut driver = Driver::new();
    let keys: Vec<_> = (0..JOBS).map(|n| format!("key {n}")).collect();
    for key in &keys {
        driver.publish(job(BODY).unique(key).lasts(60_000));
    }
    assert_eq!(driver.queue.locks_held(), JOBS as usize);
    drain(&mut driver);
    // Also where only the locks end.
    let plain = |driver: &mut Driver| fill(driver, |_| job(BODY));
    plain(&mut driver);
    let before = driver.queue.bytes();
    drain(&mut driver);
    for key in &keys {
        driver.publish(job(BODY).unique(key).lasts(1));
    }
    let locked = (driver.queue.bytes() - before) / JOBS as usize;
    // With a key of up to 9 bytes, over a job that has nothing but a body.
    assert!((190..=288).contains(&locked), "{locked} bytes a lock");
    driver.pass(1);
    assert_eq!(driver.queue.locks_held(), 0);
    assert!(driver.queue.bytes() < before + 1_000, "{} more", driver.queue.bytes() - before);
    drain(&mut driver);
}

#[test]
fn a_queue_gives_memory_back_however_its_jobs_end() {
    let endings: [fn(&mut Driver); 5] = [
        |driver| driver.pass(10_000),
        |driver| {
            let line = driver.queue.peek(usize::MAX);
            let ids: Vec<_> = line.iter().map(|&slot| id_of(&driver.queue, slot)).collect();
            // Not in the order in which they came.
            for id in ids.iter().step_by(2).chain(ids.iter().skip(1).step_by(2)) {
                driver.delete(&[id]);
            }
        },
        |driver| {
            driver.purge(StateKind::Ready, u64::MAX);
            driver.pass(0);
        },
        |driver| {
            let kept = [Setting::Expired(WhenExpired::Bury), Setting::DeadAge(Millis(1))];
            driver.configure(&kept);
            driver.pass(10_000);
            driver.pass(1);
        },
        |driver| {
            while let Some(taken) = driver.consume_as(ANYONE, 1).pop() {
                driver.bury(&taken.receipt);
                driver.delete(&[&taken.id]);
            }
        },
    ];
    for end in endings {
        let mut driver = Driver::new();
        for n in 0..10_000 {
            let id = format!("given:{n}");
            driver.publish(job(BODY).ttl(10_000).id(&id));
        }
        end(&mut driver);
        assert_drained(&driver);
    }
}

fn id_of(queue: &Queue, slot: jobq_engine::Slot) -> String {
    queue.job(slot).id().to_string()
}

fn fill(driver: &mut Driver, draft: impl Fn(u32) -> crate::support::Draft<'static>) {
    for n in 0..JOBS {
        driver.publish(draft(n));
    }
}

fn drain(driver: &mut Driver) {
    loop {
        let taken = driver.consume_as(ANYONE, 64);
        if taken.is_empty() {
            return assert_drained(driver);
        }
        for taken in taken {
            assert_eq!(driver.ack(&taken.receipt), 1);
        }
    }
}

fn assert_drained(driver: &Driver) {
    assert_eq!(StateKind::ALL.map(|state| driver.queue.len_of(state)), [0; 7]);
    let kept = driver.queue.bytes();
    assert!(kept < DRAINED_BYTES_MAX, "an empty queue keeps {kept} bytes");
    driver.check();
}
