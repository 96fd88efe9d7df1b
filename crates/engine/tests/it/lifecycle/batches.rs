//! Jobs that are delivered together.

use jobq_engine::{
    Backoff, BatchOrder, Change, Due, IfDead, Millis, Otherwise, Refusal, Retain, Revival, Setting,
    StateKind, Until, Verdict, BATCH_JOBS_MAX,
};

use crate::support::{job, reloaded, Driver, ANYONE, BURY, FREE, RELEASE};

const GATHERING: Option<StateKind> = Some(StateKind::Gathering);
const READY: Option<StateKind> = Some(StateKind::Ready);
const DEAD: Option<StateKind> = Some(StateKind::Dead);

fn size(jobs: u32) -> Setting {
    Setting::BatchSize { key: None, jobs }
}

fn delay(ms: u64) -> Setting {
    Setting::BatchDelay { key: None, span: Millis(ms) }
}

fn grace(ms: u64) -> Setting {
    Setting::BatchGrace { key: None, span: Millis(ms) }
}

/// A queue with such settings.
fn set(settings: &[Setting]) -> Driver {
    let mut driver = Driver::new();
    driver.configure(settings);
    driver
}

fn gather(driver: &mut Driver, ids: &[&str]) {
    for id in ids {
        driver.publish(job(id).id(id).batch("k").backoff(Backoff::None));
    }
}

/// The ids of the jobs that a delivered one stands for, itself among them.
fn members(driver: &Driver, id: &str) -> Vec<String> {
    let leader = driver.job(id);
    assert!(leader.is_leader(), "{id} leads nobody");
    let others = driver.queue.followers(leader).map(|slot| driver.queue.job(slot));
    [leader].into_iter().chain(others).map(|job| job.id().to_string()).collect()
}

/// Takes the next batch: its ids in order.
fn take(driver: &mut Driver) -> Vec<String> {
    let id = driver.consume().id;
    members(driver, &id)
}

fn nothing_is_ready(driver: &mut Driver) {
    assert!(driver.consume_as(ANYONE, 9).is_empty());
}

#[test]
fn as_many_jobs_as_the_size_says_are_delivered_together_the_oldest_first() {
    let mut driver = set(&[size(3)]);
    gather(&mut driver, &["a", "b"]);
    nothing_is_ready(&mut driver);
    gather(&mut driver, &["c", "d"]);
    assert_eq!(driver.queue.len_of(StateKind::Ready), 1);
    assert_eq!(take(&mut driver), ["a", "b", "c"]);
    nothing_is_ready(&mut driver);
    gather(&mut driver, &["e", "f", "g"]);
    assert_eq!(take(&mut driver), ["d", "e", "f"]);
    assert_eq!(driver.state("g"), GATHERING);
}

#[test]
fn keys_gather_each_by_itself() {
    let mut driver = set(&[size(2)]);
    driver.publish(job("a").id("a").batch("x"));
    driver.publish(job("b").id("b").batch("y"));
    driver.publish(job("c").id("c"));
    assert_eq!(driver.line(), ["c"]);
    driver.publish(job("d").id("d").batch("y"));
    driver.consume();
    assert_eq!(take(&mut driver), ["b", "d"]);
    assert_eq!(driver.state("a"), GATHERING);
}

#[test]
fn a_batch_forms_when_its_first_job_has_waited_for_the_delay_and_not_before() {
    let mut driver = set(&[delay(100), grace(0)]);
    gather(&mut driver, &["a"]);
    driver.pass(60);
    gather(&mut driver, &["b"]);
    let first = driver.now() + 40;
    assert_eq!(driver.queue.next_due().map(|at| at.0), Some(first));
    driver.pass(39);
    nothing_is_ready(&mut driver);
    driver.pass(1);
    assert_eq!(take(&mut driver), ["a", "b"]);
}

#[test]
fn every_job_that_joins_begins_the_grace_anew() {
    let mut driver = set(&[grace(100)]);
    for id in ["a", "b", "c"] {
        gather(&mut driver, &[id]);
        driver.pass(99);
        nothing_is_ready(&mut driver);
    }
    driver.pass(1);
    assert_eq!(take(&mut driver), ["a", "b", "c"]);
}

#[test]
fn the_delay_ends_a_grace_that_would_go_on_for_ever() {
    let mut driver = set(&[grace(100), delay(250)]);
    for id in ["a", "b", "c"] {
        gather(&mut driver, &[id]);
        driver.pass(80);
    }
    driver.pass(9);
    nothing_is_ready(&mut driver);
    driver.pass(1);
    assert_eq!(take(&mut driver), ["a", "b", "c"]);
}

#[test]
fn without_settings_jobs_are_a_batch_after_a_minute_without_another() {
    let mut driver = Driver::new();
    gather(&mut driver, &["a"]);
    driver.pass(30_000);
    gather(&mut driver, &["b"]);
    driver.pass(59_999);
    nothing_is_ready(&mut driver);
    driver.pass(1);
    assert_eq!(take(&mut driver), ["a", "b"]);
}

#[test]
fn with_nothing_to_wait_for_a_job_is_a_batch_by_itself() {
    let mut driver = set(&[size(0), delay(0), grace(0)]);
    gather(&mut driver, &["a", "b"]);
    driver.pass(0);
    assert_eq!(take(&mut driver), ["a", "b"], "it forms when the clock is looked at");
    gather(&mut driver, &["c"]);
    driver.pass(0);
    assert_eq!(take(&mut driver), ["c"]);
}

#[test]
fn a_key_may_have_a_pace_of_its_own_and_follows_the_queue_in_what_it_does_not_say() {
    let mut driver = set(&[size(5), grace(500)]);
    driver.configure(&[Setting::BatchSize { key: Some(b"k"[..].into()), jobs: 2 }]);
    gather(&mut driver, &["a", "b"]);
    assert_eq!(take(&mut driver), ["a", "b"]);
    gather(&mut driver, &["c"]);
    driver.pass(500);
    assert_eq!(take(&mut driver), ["c"]);
    driver.configure(&[Setting::BatchSize { key: Some(b"k"[..].into()), jobs: 0 }]);
    gather(&mut driver, &["d", "e", "f"]);
    nothing_is_ready(&mut driver);
    assert!(driver.queue.config().paces.is_empty(), "what says nothing is not kept");
}

#[test]
fn settings_that_change_hold_for_jobs_that_gather_already() {
    let mut driver = set(&[size(9), grace(10_000)]);
    for n in 0..5 {
        let ids = ["a", "b", "c", "d", "e"];
        gather(&mut driver, &ids[n..=n]);
    }
    driver.configure(&[size(2)]);
    driver.pass(0);
    assert_eq!(take(&mut driver), ["a", "b"]);
    assert_eq!(take(&mut driver), ["c", "d"]);
    nothing_is_ready(&mut driver);
    driver.configure(&[grace(50)]);
    driver.pass(0);
    driver.pass(50);
    assert_eq!(take(&mut driver), ["e"]);
}

#[test]
fn many_keys_follow_changed_settings_in_slices() {
    const KEYS: u32 = 1_000;
    let mut driver = set(&[grace(1_000_000)]);
    for n in 0..KEYS {
        driver.publish(job("").batch(&format!("key {n}")));
    }
    driver.configure(&[grace(5)]);
    let now = driver.now();
    assert_eq!(driver.tick_to(now, 128), 128);
    assert_eq!(driver.queue.len_of(StateKind::Ready), 0);
    let again = reloaded(&driver.queue);
    assert_eq!(again.digest(), driver.queue.digest(), "in the middle of it");
    driver.pass(5);
    driver.pass(0);
    assert_eq!(driver.queue.len_of(StateKind::Ready), KEYS as usize);
}

#[test]
fn there_are_no_larger_batches_than_can_be_settled_at_once() {
    let mut driver = Driver::new();
    for _ in 0..=BATCH_JOBS_MAX {
        driver.publish(job("").batch("k"));
    }
    assert_eq!(take(&mut driver).len(), BATCH_JOBS_MAX as usize);
    assert_eq!(driver.queue.batches().next().map(|batch| batch.jobs), Some(1));
}

#[test]
fn a_delayed_job_gathers_when_it_is_due() {
    let mut driver = set(&[size(2), grace(10_000)]);
    driver.publish(job("a").id("a").batch("k").delay(100));
    gather(&mut driver, &["b"]);
    nothing_is_ready(&mut driver);
    driver.pass(100);
    assert_eq!(take(&mut driver), ["b", "a"]);
}

#[test]
fn a_held_job_gathers_when_nothing_is_missing_any_more() {
    let mut driver = set(&[size(2), grace(10_000)]);
    driver.publish(job("p").id("p").priority(-1));
    driver.publish(job("a").id("a").batch("k").when("g"));
    driver.publish(job("b").id("b").batch("k").after(&["p"], IfDead::Hold));
    driver.open(&["g"]);
    driver.pass(0);
    assert_eq!(driver.state("a"), GATHERING);
    driver.consume();
    driver.ack("p");
    driver.pass(0);
    assert_eq!(take(&mut driver), ["a", "b"]);
}

#[test]
fn a_job_that_was_run_by_itself_gathers_again_for_its_next_attempt() {
    let mut driver = set(&[size(2), grace(10_000)]);
    gather(&mut driver, &["a"]);
    assert_eq!(driver.kick(&["a"]), 1);
    assert!(!driver.job("a").is_leader());
    driver.consume();
    driver.nack("a");
    assert_eq!(driver.state("a"), GATHERING);
    gather(&mut driver, &["b"]);
    assert_eq!(take(&mut driver), ["a", "b"]);
}

#[test]
fn one_ack_settles_all_of_a_batch_and_each_is_kept_as_it_says() {
    let mut driver = set(&[size(3)]);
    driver.publish(job("a").id("a").batch("k"));
    driver.publish(job("b").id("b").batch("k").retain(Retain::Forever));
    driver.publish(job("c").id("c").batch("k"));
    let taken = driver.consume();
    assert_eq!(driver.ack(&taken.receipt), 1);
    assert_eq!(driver.queue.len(), 1);
    assert_eq!(driver.state("b"), Some(StateKind::Completed));
    let counters = driver.queue.counters();
    assert_eq!((counters.delivered, counters.acked), (3, 3));
    assert_eq!(driver.ack(&taken.receipt), 0);
}

#[test]
fn a_result_is_that_of_every_job_of_the_batch() {
    let mut driver = set(&[size(2)]);
    gather(&mut driver, &["a", "b"]);
    let taken = driver.consume();
    assert_eq!(driver.fulfill(&taken.receipt, "done", Some(Retain::Forever)), 1);
    for id in ["a", "b"] {
        assert_eq!(driver.job(id).result(), Some(&b"done"[..]));
    }
}

#[test]
fn a_batch_that_fails_comes_back_as_a_whole_by_the_backoff_of_the_first() {
    let mut driver = set(&[size(2)]);
    driver.publish(job("a").id("a").batch("k").backoff(Backoff::Fixed(Millis(70))));
    driver.publish(job("b").id("b").batch("k").backoff(Backoff::Fixed(Millis(5))));
    let taken = driver.consume();
    assert_eq!(
        driver.settle(&[&taken.receipt], Verdict::Nack { delay: None, error: Some(b"no") }),
        1
    );
    driver.pass(69);
    nothing_is_ready(&mut driver);
    driver.pass(1);
    assert_eq!(take(&mut driver), ["a", "b"]);
    for id in ["a", "b"] {
        assert_eq!((driver.job(id).failures(), driver.job(id).deliveries), (1, 2), "{id}");
        assert_eq!(driver.job(id).error(), Some(&b"no"[..]));
    }
}

#[test]
fn a_batch_whose_lease_lapses_comes_back_as_a_whole() {
    let mut driver = set(&[size(2)]);
    gather(&mut driver, &["a", "b"]);
    driver.consume();
    driver.pass(60_000);
    assert_eq!(driver.queue.counters().lapsed, 2);
    assert_eq!(take(&mut driver), ["a", "b"]);
}

#[test]
fn a_released_batch_is_first_in_line_and_no_delivery_is_counted() {
    let mut driver = set(&[size(2)]);
    gather(&mut driver, &["a", "b"]);
    let taken = driver.consume();
    driver.publish(job("x").id("x"));
    assert_eq!(driver.settle(&[&taken.receipt], RELEASE), 1);
    assert_eq!(driver.line(), ["a", "x"]);
    for id in ["a", "b"] {
        assert_eq!((driver.job(id).deliveries, driver.job(id).releases()), (0, 1), "{id}");
    }
}

#[test]
fn a_batch_that_is_released_too_often_is_dead_as_a_whole() {
    let mut driver = set(&[size(2), Setting::ReleasesMax(1)]);
    gather(&mut driver, &["a", "b"]);
    for expected in [READY, DEAD] {
        let taken = driver.consume();
        assert_eq!(driver.settle(&[&taken.receipt], RELEASE), 1);
        assert_eq!(driver.state("a"), expected);
    }
    assert_eq!(driver.state("b"), DEAD);
    assert_eq!(driver.job("b").error(), Some(&b"released too often"[..]));
}

#[test]
fn a_failed_attempt_counts_for_each_by_its_own_tries_and_the_others_stay_together() {
    for (tries, left) in [([1, 2, 3], ["b", "c"]), ([2, 1, 3], ["a", "c"]), ([2, 3, 1], ["a", "b"])]
    {
        let mut driver = set(&[size(3)]);
        for (id, tries) in ["a", "b", "c"].into_iter().zip(tries) {
            let draft = job(id).id(id).batch("k").tries(tries);
            driver.publish(draft.backoff(Backoff::Fixed(Millis(30))));
        }
        driver.consume();
        driver.nack("a");
        assert_eq!(driver.queue.len_of(StateKind::Dead), 1);
        nothing_is_ready(&mut driver);
        driver.pass(30);
        assert_eq!(take(&mut driver), left, "{tries:?}");
    }
}

#[test]
fn a_buried_batch_is_dead_and_respawned_ones_gather_again() {
    let mut driver = set(&[size(2)]);
    gather(&mut driver, &["a", "b"]);
    driver.consume();
    assert_eq!(driver.settle(&["a"], BURY), 1);
    assert_eq!((driver.state("a"), driver.state("b")), (DEAD, DEAD));
    assert_eq!(driver.respawn(&["b"], Revival::default()), 1);
    assert_eq!(driver.state("b"), GATHERING);
    driver.respawn(&["a"], Revival::default());
    assert_eq!(take(&mut driver), ["b", "a"]);
}

#[test]
fn who_leaves_a_batch_leaves_alone_and_the_next_one_leads() {
    type Way = (&'static str, fn(&mut Driver, &str));
    let ways: [Way; 6] = [
        ("delete", |driver, id| assert_eq!(driver.delete(&[id]), 1)),
        ("cancel", |driver, id| assert!(driver.cancel(id).is_some())),
        ("purge of one state", |driver, id| {
            let state = driver.job(id).state().kind();
            assert_eq!(driver.purge(state, 1), 1);
            driver.pass(0);
        }),
        ("expiry", |driver, id| {
            driver.update(id, Change { ttl: Some(Millis(10)), ..Change::default() }).expect("any");
            driver.pass(10);
        }),
        ("replace", |driver, id| drop(driver.publish(job("x").delay(9_000).replaces(id)))),
        ("update with a delay", |driver, id| {
            let due = Some(Due::In(Millis(9_000)));
            if driver.job(id).is_leader() {
                // It takes the others along.
                return assert_eq!(driver.delete(&[id]), 1);
            }
            driver.update(id, Change { due, ..Change::default() }).expect("it waits");
        }),
    ];
    for (way, leave) in ways {
        for gone in ["a", "b"] {
            let mut driver = set(&[size(3)]);
            gather(&mut driver, &["a", "b", "c"]);
            leave(&mut driver, gone);
            let left: Vec<_> = ["a", "b", "c"].into_iter().filter(|id| *id != gone).collect();
            assert_eq!(take(&mut driver), left, "{way} of {gone}");
        }
    }
}

#[test]
fn who_holds_a_batch_has_lost_it_when_its_first_job_is_gone_and_the_rest_is_ready_anew() {
    let mut driver = set(&[size(3)]);
    gather(&mut driver, &["a", "b", "c"]);
    let taken = driver.consume();
    driver.delete(&["b"]);
    assert_eq!(members(&driver, "a"), ["a", "c"]);
    assert!(driver.touch(&taken.receipt, None).is_some());
    driver.delete(&["a"]);
    assert_eq!(driver.touch(&taken.receipt, None), None);
    assert_eq!(driver.job("c").deliveries, 0, "nobody is to blame");
    assert_eq!(take(&mut driver), ["c"]);
}

#[test]
fn a_cancelled_batch_loses_the_first_job_alone() {
    let mut driver = set(&[size(2)]);
    gather(&mut driver, &["a", "b"]);
    let taken = driver.consume();
    driver.cancel("a");
    driver.nack(&taken.receipt);
    assert_eq!(driver.state("a"), None);
    assert_eq!(take(&mut driver), ["b"]);
}

#[test]
fn a_cancelled_job_that_was_run_by_itself_does_not_gather_again() {
    let mut driver = set(&[size(2)]);
    gather(&mut driver, &["a"]);
    driver.kick(&["a"]);
    let taken = driver.consume();
    driver.cancel("a");
    assert_eq!(driver.release(&taken.receipt), 1);
    assert_eq!(driver.state("a"), None);
    assert_eq!(driver.queue.batches().len(), 0);
}

#[test]
fn a_job_of_a_batch_that_somebody_holds_is_not_taken_out_of_it() {
    let mut driver = set(&[size(2)]);
    let unique = |id| job(id).id(id).batch("k").unique(id);
    driver.publish(unique("a"));
    driver.publish(unique("b"));
    assert_eq!(driver.kick(&["b"]), 1, "it goes by itself while nobody holds it");
    driver.publish(unique("c"));
    driver.publish(unique("d"));
    driver.consume_as(FREE, 9);
    assert_eq!(driver.kick(&["d"]), 0);
    let other = || job("new").unique("d").otherwise(Otherwise::Replace);
    assert_eq!(driver.try_publish(other()), Err(Refusal::Duplicate("d".into())));
}

#[test]
fn a_lock_until_the_start_is_free_when_the_batch_is_taken() {
    let mut driver = set(&[size(2)]);
    for id in ["a", "b"] {
        driver.publish(job(id).id(id).batch("k").unique(id).until(Until::Start));
    }
    assert_eq!(driver.queue.locks_held(), 2);
    driver.consume();
    assert_eq!(driver.queue.locks_held(), 0);
}

#[test]
fn those_who_wait_for_a_job_are_told_of_it_and_not_of_its_batch() {
    let mut driver = set(&[size(2)]);
    gather(&mut driver, &["a", "b"]);
    driver.publish(job("child").id("child").after(&["b"], IfDead::Hold));
    driver.consume();
    driver.ack("a");
    driver.pass(0);
    assert_eq!(driver.state("child"), READY);
}

#[test]
fn a_batch_stands_in_line_by_what_its_first_job_says() {
    let mut driver = set(&[size(2)]);
    driver.publish(job("x").id("x"));
    driver.publish(job("a").id("a").batch("k").priority(-5).uses("stripe", 1).group("g"));
    driver.publish(job("b").id("b").batch("k").priority(9).uses("other", 7));
    assert_eq!(driver.line(), ["a", "x"]);
}

#[test]
fn a_gate_that_has_closed_while_jobs_gathered_holds_their_batch() {
    let mut driver = set(&[size(2)]);
    driver.open(&["g"]);
    driver.publish(job("a").id("a").batch("k").when("g"));
    driver.close(&["g"]);
    gather(&mut driver, &["b"]);
    assert_eq!((driver.state("a"), driver.state("b")), (Some(StateKind::Held), GATHERING));
    driver.open(&["g"]);
    driver.pass(0);
    assert_eq!(take(&mut driver), ["a", "b"]);
}

#[test]
fn operators_fire_run_bury_and_delete_what_gathers_under_a_key() {
    let mut driver = set(&[size(9)]);
    let filled = |driver: &mut Driver| {
        gather(driver, &["a", "b"]);
        driver.publish(job("x").batch("other"));
    };
    filled(&mut driver);
    assert_eq!(driver.order_batch("none", BatchOrder::Fire), 0);
    assert_eq!(driver.order_batch("k", BatchOrder::Fire), 2);
    assert_eq!(take(&mut driver), ["a", "b"]);
    driver.ack("a");

    filled(&mut driver);
    assert_eq!(driver.order_batch("k", BatchOrder::Run), 2);
    assert_eq!(driver.line(), ["a", "b"]);
    assert!(!driver.job("a").is_leader());
    driver.delete(&["a", "b"]);

    filled(&mut driver);
    assert_eq!(driver.order_batch("k", BatchOrder::Bury), 2);
    assert_eq!((driver.state("a"), driver.state("b")), (DEAD, DEAD));
    driver.delete(&["a", "b"]);

    filled(&mut driver);
    assert_eq!(driver.order_batch("k", BatchOrder::Delete), 2);
    assert_eq!(driver.state("a"), None);
    let left: Vec<_> = driver.queue.batches().map(|batch| (batch.key, batch.jobs)).collect();
    assert_eq!(left, [(&b"other"[..], 4)]);
}

#[test]
fn a_drained_queue_keeps_nothing_of_its_batches() {
    let mut driver = set(&[size(2)]);
    let empty = driver.queue.bytes();
    for _ in 0..50 {
        gather(&mut driver, &["a", "b", "c"]);
        driver.consume();
        driver.ack("a");
        driver.delete(&["c"]);
    }
    assert_eq!(driver.queue.batches().len(), 0);
    assert!(driver.queue.bytes() <= empty + 2_000, "{} after {empty}", driver.queue.bytes());
}

#[test]
fn batches_come_back_from_a_stored_form() {
    let mut driver = set(&[size(2), grace(700)]);
    gather(&mut driver, &["a", "b", "c"]);
    driver.publish(job("x").id("x").batch("other"));
    driver.consume();
    let mut again = Driver { queue: reloaded(&driver.queue) };
    again.check();
    assert_eq!(again.queue.digest(), driver.queue.digest());
    assert_eq!(members(&again, "a"), ["a", "b"]);
    again.nack("a");
    assert_eq!(take(&mut again), ["a", "b"]);
    gather(&mut again, &["d"]);
    assert_eq!(take(&mut again), ["c", "d"]);
    again.pass(700);
    assert_eq!(take(&mut again), ["x"]);
}

#[test]
fn who_is_put_off_out_of_a_batch_that_is_held_needs_a_try_for_it() {
    let mut driver = set(&[size(2)]);
    gather(&mut driver, &["a", "b"]);
    assert_eq!(take(&mut driver), ["a", "b"]);
    let later = Change { due: Some(Due::In(Millis(5))), ..Change::default() };
    let last = Change { tries: Some(1), ..later.clone() };
    assert_eq!(driver.update("b", last), Err(Refusal::TooFewTries { deliveries: 1 }));
    driver.update("b", Change { tries: Some(1), ..Change::default() }).expect("it has been taken");
    assert_eq!(driver.update("b", later.clone()), Err(Refusal::TooFewTries { deliveries: 1 }));
    driver.update("b", Change { tries: Some(2), ..later }).expect("one is left");
    driver.check();
}
