//! Keys of which there is one job at a time.

use jobq_engine::{
    Change, Due, Millis, Otherwise, Refusal, Retain, Revival, Setting, Side, StateKind, Until,
    Verdict, WhenExpired,
};

use crate::support::{job, reloaded, Draft, Driver, START};

/// Whether nobody holds the key: tried by taking it, on a copy.
fn is_free(driver: &Driver, key: &str) -> bool {
    let mut copy = Driver { queue: driver.queue.clone() };
    match copy.try_publish(job("another").unique(key)) {
        Ok(_) => true,
        Err(Refusal::Duplicate(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

fn refused_by(driver: &mut Driver, draft: Draft<'_>) -> String {
    match driver.try_publish(draft) {
        Err(Refusal::Duplicate(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// A job with the key `k`, in this state.
fn in_state(state: StateKind, draft: Draft<'_>) -> Driver {
    let mut driver = Driver::new();
    let draft = draft.id("a").retain(Retain::Forever);
    let delayed = state == StateKind::Delayed;
    let draft = match state {
        StateKind::Held => draft.when("shut"),
        StateKind::Gathering => draft.batch("all"),
        _ => draft,
    };
    driver.publish(if delayed { draft.delay(1_000) } else { draft });
    match state {
        StateKind::Delayed | StateKind::Held | StateKind::Gathering | StateKind::Ready => {}
        StateKind::Leased => drop(driver.consume()),
        StateKind::Completed => assert_eq!(driver.fulfill("a", "", None), 1),
        StateKind::Dead => assert_eq!(driver.bury("a"), 1),
    }
    driver
}

#[test]
fn as_long_as_a_job_holds_a_key_no_other_is_published_with_it() {
    let states =
        [StateKind::Delayed, StateKind::Held, StateKind::Ready, StateKind::Leased, StateKind::Dead];
    for state in states {
        let mut driver = in_state(state, job("").unique("k"));
        assert_eq!(refused_by(&mut driver, job("").unique("k").id("b")), "a", "{state:?}");
        assert_eq!(driver.queue.len(), 1);
        assert_eq!(driver.queue.locks_held(), 1);
        driver.publish(job("").unique("K"));
        driver.publish(job("").unique("k\0"));
        driver.publish(job(""));
    }
}

#[test]
fn a_key_and_an_id_may_be_the_same_text() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").unique("b"));
    driver.publish(job("").id("b").unique("a"));
    assert_eq!(driver.queue.locks_held(), 2);
}

#[test]
fn success_frees_the_key_though_the_job_is_kept() {
    let ways: [fn(&mut Driver); 4] = [
        |driver| {
            driver.consume();
            assert_eq!(driver.ack("a"), 1);
        },
        |driver| assert_eq!(driver.fulfill("a", "", None), 1),
        |driver| assert_eq!(driver.fulfill("a", "", Some(Retain::NONE)), 1),
        |driver| {
            driver.bury("a");
            assert_eq!(driver.fulfill("a", "", None), 1);
        },
    ];
    for finish in ways {
        for until in [Until::Gone, Until::Done, Until::Start] {
            let mut driver = in_state(StateKind::Ready, job("").unique("k").until(until));
            finish(&mut driver);
            assert_eq!(driver.queue.locks_held(), 0);
            assert!(is_free(&driver, "k"));
        }
    }
}

#[test]
fn whatever_removes_a_job_frees_its_key() {
    let ways: [fn(&mut Driver); 8] = [
        |driver| assert_eq!(driver.delete(&["a"]), 1),
        |driver| drop(driver.publish(job("").replaces("a"))),
        |driver| {
            driver.purge(StateKind::Ready, 1);
            driver.pass(0);
        },
        |driver| driver.pass(500),
        |driver| {
            driver.consume();
            driver.pass(500);
        },
        |driver| {
            driver.configure(&[Setting::DeadMax(1)]);
            driver.bury("a");
            driver.publish_into(StateKind::Dead, "b");
        },
        |driver| {
            driver.configure(&[Setting::DeadAge(Millis(5))]);
            driver.bury("a");
            driver.pass(5);
        },
        |driver| {
            driver.bury("a");
            driver.purge(StateKind::Dead, 1);
            driver.pass(0);
        },
    ];
    for remove in ways {
        let mut driver = in_state(StateKind::Ready, job("").unique("k").ttl(500));
        remove(&mut driver);
        assert_eq!(driver.state("a"), None);
        assert_eq!(driver.queue.locks_held(), 0);
        assert!(is_free(&driver, "k"));
    }
}

/// asynq#629: the lock of an archived task stays, for good or ill and undocumented.
#[test]
fn a_dead_job_keeps_its_key_so_that_it_is_brought_back_without_a_twin() {
    let mut driver = in_state(StateKind::Ready, job("").unique("k").tries(1));
    driver.consume();
    driver.nack("a");
    assert_eq!(driver.state("a"), Some(StateKind::Dead));
    assert!(!is_free(&driver, "k"));
    driver.respawn(&["a"], Revival::default());
    assert!(!is_free(&driver, "k"));
    driver.consume();
    driver.ack("a");
    assert!(is_free(&driver, "k"));
}

#[test]
fn until_done_death_frees_the_key_whatever_it_comes_of() {
    let ways: [fn(&mut Driver); 4] = [
        |driver| assert_eq!(driver.bury("a"), 1),
        |driver| {
            driver.consume();
            driver.nack("a");
        },
        |driver| driver.pass(500),
        |driver| {
            driver.configure(&[Setting::Expired(WhenExpired::Bury)]);
            driver.update("a", Change { ttl: Some(Millis(5)), ..Change::default() }).expect("more");
            driver.pass(5);
        },
    ];
    for until in [Until::Done, Until::Start] {
        for die in ways {
            let draft = job("").unique("k").tries(1).until(until).deadline(START + 500);
            let mut driver = in_state(StateKind::Ready, draft);
            die(&mut driver);
            assert_eq!(driver.state("a"), Some(StateKind::Dead));
            assert!(is_free(&driver, "k"));
            // It does not take it again: meanwhile somebody else may have.
            driver.publish(job("").id("b").unique("k"));
            driver.respawn(&["a"], Revival::default());
            assert_eq!(driver.job("a").lock(), None);
            assert_eq!(refused_by(&mut driver, job("").unique("k")), "b");
        }
    }
}

#[test]
fn until_start_the_first_delivery_frees_the_key_for_good() {
    let mut driver = in_state(StateKind::Ready, job("").unique("k").until(Until::Start));
    assert!(!is_free(&driver, "k"));
    driver.consume();
    assert!(is_free(&driver, "k"));
    driver.release("a");
    assert!(is_free(&driver, "k"), "a job that was given back has none");
    driver.publish(job("").id("b").unique("k"));
    driver.consume();
    assert_eq!(driver.queue.locks_held(), 1, "that of the other");
    driver.ack("a");
    assert_eq!(refused_by(&mut driver, job("").unique("k")), "b");
}

#[test]
fn the_time_of_a_lock_counts_from_when_the_job_is_due_and_ends_to_the_millisecond() {
    for (draft, end) in [
        (job("").unique("k").lasts(30), 30),
        (job("").unique("k").delay(100).lasts(30), 130),
        (job("").unique("k").at(START + 7).lasts(1), 8),
        (job("").unique("k").at(5).lasts(30), 30),
    ] {
        let mut driver = Driver::new();
        driver.publish(draft.id("a"));
        driver.pass(end - 1);
        assert!(!is_free(&driver, "k"));
        assert_eq!(driver.queue.locks_held(), 1);
        driver.pass(1);
        assert_eq!(driver.queue.locks_held(), 0, "by itself");
        assert!(is_free(&driver, "k"));
        assert_eq!(driver.state("a"), Some(StateKind::Ready), "it goes on without");
        assert_eq!(driver.job("a").lock(), None);
    }
}

#[test]
fn a_lock_whose_time_is_over_is_free_though_no_tick_came_to_it() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").unique("k").lasts(30));
    driver.publish(job("").id("b").unique("other").lasts(30));
    driver.tick_to(START + 29, 0);
    assert!(!is_free(&driver, "k"));
    driver.tick_to(START + 30, 0);
    assert_eq!(driver.queue.locks_held(), 2, "nothing came to it");
    driver.publish(job("").id("c").unique("k").otherwise(Otherwise::Return));
    assert_eq!(refused_by(&mut driver, job("").unique("k")), "c");
    driver.pass(0);
    assert_eq!(refused_by(&mut driver, job("").unique("k")), "c", "and c keeps it");
    assert_eq!(driver.queue.locks_held(), 1);
}

#[test]
fn a_lock_ends_in_whatever_state_its_job_is() {
    for state in [StateKind::Delayed, StateKind::Ready, StateKind::Leased, StateKind::Dead] {
        let mut driver = in_state(state, job("").unique("k").lasts(2_000).until(Until::Gone));
        let end = if state == StateKind::Delayed { 3_000 } else { 2_000 };
        driver.pass(end - 1);
        assert!(!is_free(&driver, "k"), "{state:?}");
        driver.pass(1);
        assert!(is_free(&driver, "k"), "{state:?}");
    }
}

#[test]
fn a_job_that_was_not_taken_yet_takes_its_lock_along_when_it_is_put_off() {
    let update = |at| Change { due: Some(Due::At(at)), ..Change::default() };
    let instant = |ms| jobq_engine::UnixMillis(START + ms);
    let ends = |driver: &Driver| driver.job("a").lock_ends().expect("it has one").0 - START;
    let mut driver = Driver::new();
    driver.publish(job("").id("a").unique("k").lasts(30).delay(10));
    assert_eq!(ends(&driver), 40);
    driver.update("a", update(instant(500))).expect("it waits");
    assert_eq!(ends(&driver), 530);
    driver.pass(5);
    driver.kick(&["a"]);
    assert_eq!(ends(&driver), 35);
    driver.update("a", update(instant(0))).expect("it waits");
    assert_eq!(ends(&driver), 35, "it is due already");
    driver.update("a", update(instant(100))).expect("it waits");
    driver.pass(97);
    assert_eq!(ends(&driver), 130, "to come due moves nothing");
    driver.bury("a");
    assert_eq!(ends(&driver), 130);
    driver.respawn(&["a"], Revival { delay: Millis(8), ..Revival::default() });
    assert_eq!(ends(&driver), 140, "102 and 8 and 30");
    driver.pass(37);
    assert!(!is_free(&driver, "k"));
    driver.pass(1);
    assert!(is_free(&driver, "k"));
}

#[test]
fn no_retry_moves_the_end_of_a_lock() {
    let ways: [fn(&mut Driver); 5] = [
        |driver| assert_eq!(driver.nack("a"), 1),
        |driver| {
            driver.settle(&["a"], Verdict::Nack { delay: Some(Millis(20)), error: None });
        },
        |driver| assert_eq!(driver.release("a"), 1),
        |driver| {
            driver.settle(&["a"], Verdict::Release { delay: Millis(20), counted: true });
            driver.kick(&["a"]);
        },
        |driver| {
            driver.bury("a");
            driver.respawn(&["a"], Revival { delay: Millis(20), ..Revival::default() });
        },
    ];
    for retry in ways {
        let mut driver = Driver::new();
        driver.publish(job("").id("a").unique("k").lasts(30));
        driver.pass(5);
        driver.consume();
        driver.pass(5);
        retry(&mut driver);
        let change = Change { due: Some(Due::In(Millis(400))), ..Change::default() };
        driver.update("a", change).expect("it waits");
        assert_eq!(driver.job("a").lock_ends().map(|at| at.0), Some(START + 30));
        driver.pass(19);
        assert!(!is_free(&driver, "k"));
        driver.pass(1);
        assert!(is_free(&driver, "k"));
    }
}

#[test]
fn a_duplicate_is_returned_and_changes_nothing() {
    for state in [StateKind::Delayed, StateKind::Ready, StateKind::Leased, StateKind::Dead] {
        let mut driver = in_state(state, job("first").unique("k"));
        let twin = job("second").unique("k").delay(7).id("b").otherwise(Otherwise::Return);
        // That nothing changes is checked at each request that is no change.
        assert_eq!(driver.publish(twin), "a");
        assert_eq!(driver.queue.len(), 1);
        assert_eq!(driver.queue.counters().published, 1);
    }
    let mut driver = Driver::new();
    assert_eq!(driver.publish(job("").id("b").unique("k").otherwise(Otherwise::Return)), "b");
}

#[test]
fn a_waiting_duplicate_gets_body_headers_and_instant_of_the_next_and_keeps_all_else() {
    let mut driver = Driver::new();
    let old: [(&[u8], &[u8]); 1] = [(b"n", b"1")];
    let new: [(&[u8], &[u8]); 1] = [(b"n", b"2")];
    let first = job("first").unique("k").delay(100).headers(&old).priority(3).ttl(5_000).tries(4);
    driver.publish(first.id("a").job_type("mail"));
    driver.pass(60);
    let next = job("second").unique("k").delay(100).headers(&new).otherwise(Otherwise::Replace);
    assert_eq!(driver.publish(next.priority(-9).tries(1).job_type("fax").ttl(300)), "a");
    let kept = driver.job("a");
    assert_eq!(&*kept.body, b"second");
    assert_eq!(kept.headers().collect::<Vec<_>>(), new);
    assert_eq!(kept.due().0, START + 160);
    assert_eq!(kept.version(), 2);
    let terms = driver.queue.terms_of(kept);
    assert_eq!((terms.priority, terms.tries, &*terms.job_type), (3, 4, b"mail".as_slice()));
    assert_eq!(driver.queue.expires_at(kept).map(|at| at.0), Some(START + 5_000));
    let counters = driver.queue.counters();
    assert_eq!((counters.published, counters.updated), (1, 1));
    driver.pass(99);
    assert_eq!(driver.state("a"), Some(StateKind::Delayed));
    driver.pass(1);
    assert_eq!(driver.line(), ["second"]);
    // Without a delay it is due at once.
    driver.publish(job("third").unique("other").id("b").delay(100));
    driver.publish(job("fourth").unique("other").otherwise(Otherwise::Replace));
    assert_eq!(driver.line(), ["fourth", "second"]);
}

#[test]
fn a_ready_duplicate_keeps_its_place_in_line_unless_it_is_put_off() {
    let mut driver = Driver::new();
    driver.publish(job("first").unique("k").id("a"));
    driver.publish(job("other"));
    driver.pass(5);
    let again = |body| job(body).unique("k").otherwise(Otherwise::Replace);
    driver.publish(again("second"));
    assert_eq!(driver.line(), ["second", "other"]);
    assert_eq!(driver.job("a").due().0, START + 5);
    driver.publish(again("third").delay(10));
    assert_eq!(driver.line(), ["other"]);
    driver.pass(10);
    assert_eq!(driver.line(), ["other", "third"]);
    driver.consume();
    driver.consume();
    driver.release("a");
    driver.publish(again("fourth"));
    assert_eq!(driver.line(), ["fourth"], "also one that was taken and waits again");
}

#[test]
fn a_lock_counts_anew_on_the_terms_of_the_publish_that_was_merged() {
    let mut driver = Driver::new();
    let ends = |driver: &Driver| driver.job("a").lock_ends().map(|at| at.0);
    let again = || job("").unique("k").otherwise(Otherwise::Replace);
    driver.publish(job("").unique("k").id("a").lasts(30));
    driver.pass(20);
    driver.publish(again().lasts(30));
    assert_eq!(ends(&driver), Some(START + 50), "of a job that is ready as well");
    driver.publish(again().lasts(5).delay(100).until(Until::Start));
    assert_eq!(ends(&driver), Some(START + 125));
    driver.pass(100);
    driver.publish(again().until(Until::Start));
    driver.pass(1_000_000);
    assert!(!is_free(&driver, "k"), "this one had no time");
    driver.consume();
    assert!(is_free(&driver, "k"), "but was until the start");
}

#[test]
fn a_duplicate_that_does_not_wait_is_not_changed() {
    for state in [StateKind::Leased, StateKind::Dead] {
        let mut driver = in_state(state, job("first").unique("k"));
        let twin = job("second").unique("k").otherwise(Otherwise::Replace);
        assert_eq!(refused_by(&mut driver, twin), "a", "{state:?}");
        assert_eq!(&*driver.job("a").body, b"first");
    }
}

#[test]
fn a_duplicate_is_not_put_off_beyond_its_life() {
    let again = |ms| job("second").unique("k").delay(ms).otherwise(Otherwise::Replace);
    let mut driver = in_state(StateKind::Delayed, job("first").unique("k").ttl(3_000));
    driver.pass(500);
    assert_eq!(driver.try_publish(again(2_501)), Err(Refusal::ExpiresBeforeDue));
    assert_eq!(driver.publish(again(2_500)), "a");
    let mut driver = in_state(StateKind::Delayed, job("first").unique("k").deadline(START + 3_000));
    driver.pass(500);
    assert_eq!(driver.try_publish(again(2_501)), Err(Refusal::OverdueBeforeDue));
    assert_eq!(driver.publish(again(2_500)), "a");
}

#[test]
fn a_duplicate_is_refused_for_what_any_publish_is_but_for_want_of_room() {
    for otherwise in [Otherwise::Return, Otherwise::Replace] {
        let mut driver = in_state(StateKind::Delayed, job("first").unique("k"));
        driver.configure(&[Setting::MaxLen(1), Setting::MaxBody(10)]);
        let again = || job("second").unique("k").otherwise(otherwise);
        assert!(matches!(driver.try_publish(job("")), Err(Refusal::Full { .. })));
        assert_eq!(driver.publish(again().id("a")), "a", "nor for the id that it holds");
        let refused = |driver: &mut Driver, draft| driver.try_publish(draft).expect_err("refused");
        let long = job("eleven byte").unique("k").otherwise(otherwise);
        assert!(matches!(refused(&mut driver, long), Refusal::TooBig { .. }));
        let short = again().delay(6).ttl(5);
        assert_eq!(refused(&mut driver, short), Refusal::ExpiresBeforeDue);
        let late = again().delay(6).deadline(START + 5);
        assert_eq!(refused(&mut driver, late), Refusal::OverdueBeforeDue);
        let nothing = again().replaces("nothing");
        assert_eq!(refused(&mut driver, nothing), Refusal::NoSuchJob);
        driver.pause(Side::In, 0);
        assert_eq!(refused(&mut driver, again()), Refusal::Paused);
        assert_eq!(driver.job("a").version(), 1 + u64::from(otherwise == Otherwise::Replace));
    }
}

/// asynq: a task whose id is taken is refused, and its key is locked for hours all the same.
#[test]
fn a_refused_publish_leaves_no_lock_behind() {
    let mut driver = Driver::new();
    driver.publish(job("").id("taken"));
    driver.configure(&[Setting::MaxLen(2), Setting::MaxBody(10)]);
    let key = || job("").unique("k").lasts(3_600_000);
    let refused = [
        key().id("taken"),
        key().delay(6).ttl(5),
        key().delay(6).deadline(START + 5),
        key().replaces("nothing"),
        job("eleven byte").unique("k"),
    ];
    for draft in refused {
        assert!(driver.try_publish(draft).is_err());
        assert_eq!(driver.queue.locks_held(), 0);
    }
    driver.publish(job("").id("last"));
    assert!(matches!(driver.try_publish(key()), Err(Refusal::Full { .. })));
    driver.delete(&["last"]);
    driver.pause(Side::In, 0);
    assert_eq!(driver.try_publish(key()), Err(Refusal::Paused));
    driver.resume();
    assert_eq!(driver.queue.locks_held(), 0);
    driver.publish(key().id("a"));
    assert_eq!(driver.queue.locks_held(), 1);
}

#[test]
fn a_job_that_replaces_the_holder_takes_over_its_lock() {
    let mut driver = in_state(StateKind::Leased, job("first").unique("k"));
    driver.publish(job("second").unique("k").id("b").replaces("a"));
    assert_eq!(driver.state("a"), None);
    assert_eq!(refused_by(&mut driver, job("").unique("k")), "b");
    // Under the same id as well.
    driver.publish(job("third").unique("k").id("b").replaces("b"));
    assert_eq!(driver.queue.locks_held(), 1);
    assert_eq!(driver.line(), ["third"]);
}

#[test]
fn where_nothing_is_added_nothing_is_removed() {
    for otherwise in [Otherwise::Reject, Otherwise::Return, Otherwise::Replace] {
        let mut driver = in_state(StateKind::Delayed, job("first").unique("k"));
        driver.publish(job("").id("b"));
        let twin = job("second").unique("k").replaces("b").otherwise(otherwise);
        match driver.try_publish(twin) {
            Ok(id) => assert_eq!(id, "a"),
            Err(refusal) => assert_eq!(refusal, Refusal::Duplicate("a".into())),
        }
        assert_eq!(driver.queue.len(), 2);
        assert_eq!(driver.state("b"), Some(StateKind::Ready));
    }
}

#[test]
fn locks_are_stored_and_go_on_as_before() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").unique("a").lasts(100).delay(50));
    driver.publish(job("").id("b").unique("b").until(Until::Start).priority(1));
    driver.publish(job("").id("c").unique("c").lasts(100));
    driver.publish(job("").id("d").unique("d").until(Until::Done).priority(2));
    driver.consume();
    driver.publish(job("").id("e").unique("e").priority(3));
    driver.bury("e");
    let mut loaded = Driver { queue: reloaded(&driver.queue) };
    loaded.check();
    assert_eq!(loaded.queue.locks_held(), 5);
    for driver in [&mut driver, &mut loaded] {
        let change = Change { due: Some(Due::In(Millis(70))), ..Change::default() };
        driver.update("a", change).expect("it waits");
        assert_eq!(driver.consume().id, "b");
        assert!(is_free(driver, "b"));
        driver.pass(100);
        assert!(is_free(driver, "c"));
        driver.bury("d");
        assert!(is_free(driver, "d"));
        assert!(!is_free(driver, "e"));
        driver.pass(69);
        assert!(!is_free(driver, "a"));
        driver.pass(1);
        assert!(is_free(driver, "a"));
    }
    assert_eq!(loaded.queue.digest(), driver.queue.digest());
}

#[test]
fn locks_that_end_together_end_in_publish_order_behind_what_moves_and_before_a_pause_ends() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").unique("a").lasts(30));
    driver.publish(job("").id("b").unique("b").lasts(20).delay(10));
    driver.publish(job("").id("c").delay(30));
    driver.pause(Side::Out, 30);
    driver.pass(10);
    let held = |driver: &Driver| (driver.queue.locks_held(), driver.job("a").lock().is_some());
    driver.tick_to(START + 30, 1);
    assert_eq!((driver.state("c"), held(&driver)), (Some(StateKind::Ready), (2, true)));
    driver.tick_to(START + 30, 1);
    assert_eq!(held(&driver), (1, false));
    assert!(driver.queue.pauses().consuming.is_some());
    driver.tick_to(START + 30, 1);
    assert_eq!(held(&driver), (0, false));
    driver.tick_to(START + 30, 1);
    assert!(driver.queue.pauses().consuming.is_none());
}

#[test]
fn a_queue_with_nothing_but_locks_to_end_says_when() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").unique("k").lasts(30));
    assert_eq!(driver.queue.next_due().map(|at| at.0), Some(START + 30));
    driver.pass(30);
    assert_eq!(driver.queue.next_due(), None);
}
