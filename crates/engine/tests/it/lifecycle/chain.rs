//! What comes next: a job that is published by the success of another, in one step.

use jobq_engine::{IfDead, Otherwise, Refusal, Retain, Setting, Side, StateKind};

use crate::support::{job, Driver};

#[test]
fn a_successor_is_there_exactly_if_the_ack_ended_the_lease() {
    let mut driver = Driver::new();
    driver.publish(job("first").id("a"));
    let taken = driver.consume();
    assert_eq!(driver.chain(&taken.receipt, job("next").id("b")), Ok(Some("b".into())));
    assert_eq!(driver.state("a"), None);
    assert_eq!(driver.state("b"), Some(StateKind::Ready));
    assert_eq!((driver.queue.counters().acked, driver.queue.counters().published), (1, 2));
    // Said again, as after a lost answer: there is one successor.
    assert_eq!(driver.chain(&taken.receipt, job("next").id("c")), Ok(None));
    assert_eq!(driver.queue.len(), 1);
}

#[test]
fn who_holds_no_lease_has_no_successor() {
    let mut driver = Driver::new();
    driver.publish(job("").id("ready"));
    driver.publish(job("").id("delayed").delay(1_000));
    for done in ["ready", "delayed", "nobody", "ready@1"] {
        assert_eq!(driver.chain(done, job("next")), Ok(None), "{done}");
    }
    driver.publish(job("").id("late").ttr(10).priority(-1));
    let taken = driver.consume();
    driver.pass(10);
    assert_eq!(driver.chain(&taken.receipt, job("next")), Ok(None), "the lease has lapsed");
    assert_eq!(driver.queue.len(), 3);
    // By the bare id whoever holds it is meant, as with any ack.
    let again = driver.consume();
    assert_eq!(again.id, "late");
    assert!(matches!(driver.chain("late", job("next")), Ok(Some(_))));
}

#[test]
fn a_successor_that_is_refused_leaves_the_lease_as_it_is() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::MaxBody(3)]);
    driver.publish(job("").id("a"));
    driver.publish(job("").id("b").delay(1_000));
    let taken = driver.consume();
    let refused = driver.chain(&taken.receipt, job("much"));
    assert_eq!(refused, Err(Refusal::TooBig { bytes: 4, max: 3 }));
    assert_eq!(driver.chain(&taken.receipt, job("").id("b")), Err(Refusal::Duplicate("b".into())));
    driver.pause(Side::In, 0);
    assert_eq!(driver.chain(&taken.receipt, job("")), Err(Refusal::Paused));
    driver.resume();
    assert_eq!(driver.state("a"), Some(StateKind::Leased));
    assert_eq!(driver.ack(&taken.receipt), 1);
}

#[test]
fn a_successor_may_take_what_its_predecessor_leaves() {
    // Its place in a full queue, its id, its key.
    let mut driver = Driver::new();
    driver.configure(&[Setting::MaxLen(1), Setting::GroupMaxLen(1)]);
    driver.publish(job("").id("a").unique("k").group("g"));
    let taken = driver.consume();
    let next = job("next").id("a").unique("k").group("g");
    assert_eq!(driver.chain(&taken.receipt, next), Ok(Some("a".into())));
    assert_eq!(driver.job("a").body[..], *b"next");
    assert_eq!(driver.queue.locks_held(), 1);
}

#[test]
fn a_predecessor_that_is_kept_leaves_its_key_only() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").unique("k").retain(Retain::Forever));
    let taken = driver.consume();
    let refused = driver.chain(&taken.receipt, job("").id("a"));
    assert_eq!(refused, Err(Refusal::Duplicate("a".into())));
    driver.configure(&[Setting::MaxLen(1)]);
    assert_eq!(driver.chain(&taken.receipt, job("")), Err(Refusal::Full { max: 1 }));
    driver.configure(&[Setting::MaxLen(2)]);
    assert_eq!(driver.chain(&taken.receipt, job("").id("b").unique("k")), Ok(Some("b".into())));
    assert_eq!(driver.state("a"), Some(StateKind::Completed));
}

#[test]
fn a_job_that_holds_the_successors_key_stands_for_it() {
    let mut driver = Driver::new();
    driver.publish(job("").id("holder").unique("k").delay(1_000));
    driver.publish(job("").id("a"));
    let taken = driver.consume();
    let next = || job("").id("b").unique("k");
    assert_eq!(driver.chain(&taken.receipt, next()), Err(Refusal::Duplicate("holder".into())));
    let next = next().otherwise(Otherwise::Return);
    assert_eq!(driver.chain(&taken.receipt, next), Ok(Some("holder".into())));
    assert_eq!(driver.state("a"), None, "its work is done all the same");
}

#[test]
fn a_successor_may_wait_for_other_jobs_and_others_for_it() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    driver.publish(job("").id("slow").delay(1_000));
    driver.publish(job("").id("child").after(&["a"], IfDead::Hold));
    let taken = driver.consume();
    let next = job("").id("b").after(&["slow", "a"], IfDead::Hold);
    assert_eq!(driver.chain(&taken.receipt, next), Ok(Some("b".into())));
    driver.pass(0);
    assert_eq!(driver.state("child"), Some(StateKind::Ready));
    assert_eq!(driver.state("b"), Some(StateKind::Held));
    assert_eq!(driver.kick(&["slow"]), 1);
    for _ in 0..2 {
        let taken = driver.consume();
        driver.ack(&taken.receipt);
        driver.pass(0);
    }
    assert_eq!(driver.state("b"), Some(StateKind::Ready));
}

#[test]
fn a_batch_that_is_done_leaves_the_places_of_all_its_jobs() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::MaxLen(3)]);
    for id in ["a", "b", "c"] {
        driver.publish(job("").id(id).unique(id).batch("k"));
    }
    driver.order_batch("k", jobq_engine::BatchOrder::Fire);
    let taken = driver.consume();
    assert_eq!(driver.chain(&taken.receipt, job("").id("b").unique("c")), Ok(Some("b".into())));
    assert_eq!(driver.queue.len(), 1);
}

#[test]
fn what_has_come_of_the_work_so_far_is_its_result_when_it_is_done() {
    for retain in [Retain::NONE, Retain::Forever] {
        let mut driver = Driver::new();
        driver.publish(job("").id("a").retain(retain));
        let taken = driver.consume();
        let jobs = crate::support::all_named(&[&taken.receipt]);
        let result = Some(&b"so far"[..]);
        let touch = jobq_engine::Action::Touch { jobs, ttr: None, progress: None, result };
        driver.ask(touch).expect("nothing to refuse");
        let slot = driver.queue.find_id("a").expect("it is there");
        driver.queue.watch(slot);
        assert_eq!(driver.ack(&taken.receipt), 1);
        let ending = driver.queue.take_endings().remove(0);
        assert_eq!(ending.result.as_deref(), result, "{retain:?}");
    }
}

#[test]
fn how_far_the_work_has_come_is_what_its_holder_said_last() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    let touch = |driver: &mut Driver, name: &str, progress| {
        let jobs = crate::support::all_named(&[name]);
        drop(driver.ask(jobq_engine::Action::Touch { jobs, ttr: None, progress, result: None }));
    };
    let taken = driver.consume();
    assert_eq!(driver.job("a").progress(), None);
    touch(&mut driver, &taken.receipt, Some(40));
    touch(&mut driver, &taken.receipt, None);
    assert_eq!(driver.job("a").progress(), Some(40));
    driver.nack(&taken.receipt);
    touch(&mut driver, &taken.receipt, Some(99));
    assert_eq!(driver.job("a").progress(), Some(40), "who holds it no more has no say");
    assert_eq!(driver.kick(&["a"]), 1);
    let again = driver.consume();
    touch(&mut driver, &again.receipt, Some(0));
    assert_eq!(driver.job("a").progress(), Some(0));
}
