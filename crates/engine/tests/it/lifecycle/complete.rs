//! Finished jobs: their results, how long they are kept, and who is told.

use jobq_engine::{Change, Due, Millis, Retain, Revival, Setting, StateKind, UnixMillis};

use crate::support::{job, reloaded, Driver, START};

const A_WHILE: Retain = Retain::For(Millis(100));

fn result(driver: &Driver, id: &str) -> Option<String> {
    driver.job(id).result().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[test]
fn an_acked_job_is_gone_unless_it_was_published_to_be_kept() {
    let mut driver = Driver::new();
    for (id, draft) in [
        ("gone", job("")),
        ("kept", job("").retain(A_WHILE)),
        ("always", job("").retain(Retain::Forever)),
    ] {
        driver.publish(draft.id(id));
        let taken = driver.consume();
        assert_eq!(driver.ack(&taken.receipt), 1);
        assert_eq!(driver.ack(&taken.receipt), 0, "{id}: once");
    }
    assert_eq!(driver.state("gone"), None);
    driver.pass(99);
    assert_eq!(driver.state("kept"), Some(StateKind::Completed));
    assert_eq!(result(&driver, "kept"), None, "an ack has no result");
    driver.pass(1);
    assert_eq!(driver.state("kept"), None);
    driver.pass(Millis::MAX.0);
    assert_eq!(driver.state("always"), Some(StateKind::Completed));
    let counters = driver.queue.counters();
    assert_eq!((counters.acked, counters.fulfilled, counters.retired), (3, 0, 1));
}

#[test]
fn a_queue_may_keep_all_its_finished_jobs_and_an_option_wins() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::Retain(A_WHILE)]);
    driver.publish(job("").id("inherited"));
    driver.publish(job("").id("own").retain(Retain::NONE));
    driver.publish(job("").id("named"));
    driver.fulfill("inherited", "1", None);
    driver.fulfill("own", "2", None);
    driver.fulfill("named", "3", Some(Retain::Forever));
    assert_eq!(driver.state("own"), None);
    driver.pass(100);
    assert_eq!(driver.state("inherited"), None);
    assert_eq!(driver.state("named"), Some(StateKind::Completed));
}

#[test]
fn a_job_is_fulfilled_from_every_state_but_completed_and_the_first_result_wins() {
    for state in StateKind::ALL {
        let mut driver = Driver::new();
        driver.publish_into(state, "a");
        let expected = u64::from(state != StateKind::Completed);
        assert_eq!(driver.fulfill("a", "first", Some(A_WHILE)), expected, "{state:?}");
        assert_eq!(driver.fulfill("a", "second", Some(A_WHILE)), 0, "{state:?}");
        let first = if expected == 1 { "first" } else { "done" };
        assert_eq!(result(&driver, "a").as_deref(), Some(first), "{state:?}");
        for state in StateKind::ALL {
            let there = usize::from(state == StateKind::Completed);
            assert_eq!(driver.queue.len_of(state), there);
        }
    }
}

#[test]
fn a_receipt_fulfills_only_while_its_lease_holds() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").ttr(50));
    let stale = driver.consume();
    driver.pass(50);
    let holds = driver.consume();
    assert_eq!(driver.fulfill(&stale.receipt, "late", Some(A_WHILE)), 0);
    assert_eq!(driver.state("a"), Some(StateKind::Leased));
    assert_eq!(driver.fulfill(&holds.receipt, "in time", Some(A_WHILE)), 1);
    assert_eq!(driver.fulfill(&holds.receipt, "again", Some(A_WHILE)), 0);
    assert_eq!(result(&driver, "a").as_deref(), Some("in time"));
}

#[test]
fn a_result_for_a_job_that_is_gone_leaves_nothing_behind() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    driver.delete(&["a"]);
    assert_eq!(driver.fulfill("a", "late", Some(Retain::Forever)), 0);
    assert!(driver.queue.is_empty());
    driver.publish(job("again").id("a"));
    assert_eq!(driver.line(), ["again"], "the id is free");
}

#[test]
fn a_completed_job_keeps_its_id_and_takes_no_part_in_anything() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::DeadMax(1), Setting::DeadAge(Millis(5))]);
    driver.publish(job("").id("a").ttl(10).deadline(START + 20));
    driver.fulfill("a", "done", Some(Retain::Forever));
    assert!(driver.try_publish(job("").id("a")).is_err());
    assert_eq!(driver.line(), [""; 0]);
    assert_eq!(
        (driver.kick(&["a"]), driver.bury("a"), driver.ack("a"), driver.nack("a")),
        (0, 0, 0, 0)
    );
    assert_eq!(driver.respawn(&["a"], Revival::default()), 0);
    assert_eq!(driver.touch("a", None), None);
    driver.pass(1_000);
    assert_eq!(driver.state("a"), Some(StateKind::Completed), "neither TTL nor deadline");
    assert_eq!(driver.queue.counters().expired + driver.queue.counters().overdue, 0);
    assert_eq!(driver.delete(&["a"]), 1);
    driver.publish(job("").id("a"));
}

#[test]
fn a_result_may_be_as_long_as_a_body() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::MaxBody(3)]);
    driver.publish(job("").id("a"));
    let long = jobq_engine::Verdict::Fulfill { result: b"1234", retain: None };
    let request = jobq_engine::Action::Settle {
        jobs: vec![crate::support::named("a")].into(),
        verdict: long,
    };
    assert!(driver.ask(request).is_err());
    assert_eq!(driver.fulfill("a", "123", Some(A_WHILE)), 1);
}

#[test]
fn results_and_retention_outlive_a_reload() {
    let mut driver = Driver::new();
    for id in ["a", "b", "c"] {
        driver.publish(job("").id(id));
        driver.pass(1);
    }
    driver.fulfill("b", "2", Some(A_WHILE));
    driver.fulfill("c", "3", Some(Retain::Forever));
    driver.fulfill("a", "1", Some(A_WHILE));
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    assert_eq!(result(&driver, "b").as_deref(), Some("2"));
    driver.pass(100);
    assert_eq!(driver.queue.len_of(StateKind::Completed), 1);
    assert_eq!(result(&driver, "c").as_deref(), Some("3"));
}

#[test]
fn memory_of_results_is_counted_and_comes_back() {
    let mut driver = Driver::new();
    let empty = driver.queue.bytes();
    driver.publish(job("").id("a"));
    driver.fulfill("a", &"x".repeat(100_000), Some(A_WHILE));
    assert!(driver.queue.bytes() > empty + 100_000);
    driver.pass(100);
    assert!(driver.queue.bytes() < empty + 4_096);
}

/// Watches the job, lets something happen, and tells what was noted.
fn noted(act: impl FnOnce(&mut Driver)) -> Vec<(String, Option<StateKind>, Option<String>)> {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").tries(1).ttr(50));
    let slot = driver.queue.find_id("a").expect("known");
    driver.queue.watch(slot);
    let watched = driver.queue.job(slot).ulid;
    driver.publish(job("").id("other"));
    driver.fulfill("other", "unwatched", None);
    act(&mut driver);
    let endings = driver.queue.take_endings();
    assert!(driver.queue.take_endings().is_empty(), "told once");
    let text = |bytes: Box<[u8]>| String::from_utf8_lossy(&bytes).into_owned();
    endings
        .into_iter()
        .map(|ending| {
            let id = if ending.ulid == watched { "a" } else { "another" }.to_owned();
            (id, ending.state, ending.result.map(text))
        })
        .collect()
}

#[test]
fn whoever_watches_a_job_is_told_how_it_ends() {
    let ending =
        |state, result: Option<&str>| vec![("a".to_owned(), state, result.map(Into::into))];
    let (completed, dead) = (Some(StateKind::Completed), Some(StateKind::Dead));
    let fulfilled = noted(|driver| assert_eq!(driver.fulfill("a", "42", None), 1));
    assert_eq!(fulfilled, ending(completed, Some("42")), "though nothing is kept");
    let kept = noted(|driver| assert_eq!(driver.fulfill("a", "42", Some(A_WHILE)), 1));
    assert_eq!(kept, ending(completed, Some("42")));
    let acked = noted(|driver| {
        driver.consume();
        driver.ack("a");
    });
    assert_eq!(acked, ending(completed, None));
    assert_eq!(noted(|driver| assert_eq!(driver.bury("a"), 1)), ending(dead, None));
    let lapsed = noted(|driver| {
        driver.consume();
        driver.pass(50);
    });
    assert_eq!(lapsed, ending(dead, None));
    assert_eq!(noted(|driver| assert_eq!(driver.delete(&["a"]), 1)), ending(None, None));
    let purged = noted(|driver| {
        driver.purge(StateKind::Ready, 1);
        driver.pass(0);
    });
    assert_eq!(purged, ending(None, None));
    let replaced = noted(|driver| drop(driver.publish(job("").replaces("a"))));
    assert_eq!(replaced, ending(None, None));
    let still_there = noted(|driver| {
        driver.consume();
        driver.release("a");
        driver.pass(10);
    });
    assert_eq!(still_there, []);
}

#[test]
fn a_job_is_due_when_it_was_meant_to_be_however_late_the_tick() {
    let mut driver = Driver::new();
    let due = |driver: &Driver, id| driver.job(id).due();
    driver.publish(job("").id("now"));
    driver.publish(job("").id("later").delay(100));
    assert_eq!(due(&driver, "now"), UnixMillis(START));
    assert_eq!(due(&driver, "later"), UnixMillis(START + 100));
    driver.pass(5_000);
    assert_eq!(due(&driver, "later"), UnixMillis(START + 100), "ready, and late");
    driver.consume_as(crate::support::ANYONE, 2);
    assert_eq!(due(&driver, "later"), UnixMillis(START + 100), "leased");
    driver.release("later");
    assert_eq!(due(&driver, "later"), UnixMillis(START + 5_000), "given back");
    let reloaded = Driver { queue: reloaded(&driver.queue) };
    assert_eq!(due(&reloaded, "later"), UnixMillis(START + 5_000));
    for make_ready in [
        |driver: &mut Driver| assert_eq!(driver.kick(&["hurried"]), 1),
        |driver: &mut Driver| {
            let now = Change { due: Some(Due::Now), ..Change::default() };
            assert_eq!(driver.update("hurried", now), Ok(Some(2)));
        },
    ] {
        driver.publish(job("").id("hurried").delay(9_000));
        driver.pass(10);
        make_ready(&mut driver);
        let now = driver.queue.clock();
        assert_eq!(due(&driver, "hurried"), now, "not when it would have been ready");
        driver.delete(&["hurried"]);
    }
}
