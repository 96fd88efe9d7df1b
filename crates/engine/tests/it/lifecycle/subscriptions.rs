//! Subscribers: who is to be told what became of a job.

use jobq_engine::{
    Action, Millis, Notice, Outcome, Refusal, Retain, Setting, StateKind, SUBSCRIBERS_MAX,
};

use crate::support::{job, named, reloaded, Driver};

fn subscribe(driver: &mut Driver, id: &str, targets: &[&str]) -> u64 {
    let targets = targets.iter().map(|target| target.as_bytes()).collect();
    match driver.ask(Action::Subscribe { job: named(id), targets }) {
        Ok(Some(Outcome::Done(count))) => count,
        other => panic!("{other:?}"),
    }
}

fn unsubscribe(driver: &mut Driver, id: &str, targets: Option<&[&'static str]>) -> u64 {
    let bytes = |targets: &[&'static str]| targets.iter().map(|it| it.as_bytes()).collect();
    let targets = targets.map(bytes);
    match driver.ask(Action::Unsubscribe { job: named(id), targets }) {
        Ok(Some(Outcome::Done(count))) => count,
        other => panic!("{other:?}"),
    }
}

/// Takes notices for a second, and tells them.
fn take(driver: &mut Driver, count: u32) -> Vec<Notice> {
    let action = Action::TakeNotices { count, ttr: Some(Millis(1_000)) };
    match driver.ask(action) {
        Ok(Some(Outcome::Noticed(numbers))) => {
            let notice = |number| driver.queue.notice(number).cloned();
            numbers.into_iter().filter_map(notice).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn cross_off(driver: &mut Driver, notice: &Notice, targets: &[&str]) -> Option<u64> {
    let receipt = notice.receipt().expect("it is leased");
    let receipt = std::str::from_utf8(receipt.as_bytes()).expect("a receipt is text").to_owned();
    let targets = targets.iter().map(|target| target.as_bytes()).collect();
    match driver.ask(Action::CrossOff { receipt: named(&receipt), targets }) {
        Ok(Some(Outcome::CrossedOff(count))) => count,
        other => panic!("{other:?}"),
    }
}

fn targets(notice: &Notice) -> Vec<&str> {
    let text = |target| std::str::from_utf8(target).expect("text");
    notice.targets.iter().map(|target| text(target)).collect()
}

#[test]
fn who_subscribed_before_is_told_when_the_job_ends_also_if_it_is_not_kept() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    assert_eq!(subscribe(&mut driver, "a", &["x", "y"]), 2);
    assert_eq!(subscribe(&mut driver, "a", &["x"]), 1, "once more");
    assert_eq!(take(&mut driver, 9), []);
    driver.fulfill("a", "42", None);
    assert_eq!(driver.queue.len(), 0);
    let notices = take(&mut driver, 9);
    assert_eq!(notices.len(), 1);
    let notice = &notices[0];
    assert_eq!((&*notice.job, notice.state), ("a", Some(StateKind::Completed)));
    assert_eq!(notice.result.as_deref(), Some(&b"42"[..]));
    assert_eq!(targets(notice), ["x", "y", "x"]);
}

#[test]
fn who_comes_late_is_told_at_once_as_long_as_the_job_is_kept() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").retain(Retain::Forever));
    driver.publish(job("").id("b").priority(1));
    driver.fulfill("a", "42", None);
    driver.bury("b");
    subscribe(&mut driver, "a", &["x"]);
    subscribe(&mut driver, "b", &["y"]);
    assert_eq!(subscribe(&mut driver, "nobody", &["z"]), 0);
    let notices = take(&mut driver, 9);
    let told: Vec<_> =
        notices.iter().map(|it| (&*it.job, it.state, it.result.as_deref())).collect();
    let expected =
        [("a", Some(StateKind::Completed), Some(&b"42"[..])), ("b", Some(StateKind::Dead), None)];
    assert_eq!(told, expected);
}

#[test]
fn every_end_is_told_and_no_other_change() {
    let mut driver = Driver::new();
    for id in ["acked", "dead", "deleted", "expired"] {
        let draft = job("").id(id);
        driver.publish(if id == "expired" { draft.ttl(5_000).delay(4_000) } else { draft });
        subscribe(&mut driver, id, &["x"]);
    }
    let taken = driver.consume();
    driver.release(&taken.receipt);
    let taken = driver.consume();
    driver.touch(&taken.receipt, None);
    assert_eq!(driver.queue.notices(), 0);
    driver.ack(&taken.receipt);
    driver.bury("dead");
    driver.delete(&["deleted"]);
    driver.pass(5_000);
    let told: Vec<_> =
        take(&mut driver, 9).into_iter().map(|it| (it.job.to_string(), it.state)).collect();
    let expected = [
        ("acked", Some(StateKind::Completed)),
        ("dead", Some(StateKind::Dead)),
        ("deleted", None),
        ("expired", None),
    ];
    assert_eq!(told, expected.map(|(id, state)| (id.to_string(), state)));
    // Brought back, it ends another time, for those who subscribe then.
    driver.respawn(&["dead"], Default::default());
    driver.fulfill("dead", "late", None);
    assert_eq!(take(&mut driver, 9), []);
}

#[test]
fn targets_that_were_told_are_not_told_again_and_the_others_are() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    subscribe(&mut driver, "a", &["x", "y", "x", "z"]);
    driver.fulfill("a", "42", None);
    let notice = take(&mut driver, 1).remove(0);
    assert_eq!(take(&mut driver, 1), [], "it is leased");
    assert_eq!(cross_off(&mut driver, &notice, &["x", "z", "nobody"]), Some(2));
    let again = take(&mut driver, 1).remove(0);
    assert_eq!(targets(&again), ["y", "x"]);
    assert_eq!(cross_off(&mut driver, &notice, &["y"]), None, "that lease is over");
    assert_eq!(cross_off(&mut driver, &again, &["x", "y"]), Some(2));
    assert_eq!(driver.queue.notices(), 0);
    assert_eq!(take(&mut driver, 1), []);
}

#[test]
fn a_notice_whose_lease_lapses_is_told_again_first() {
    let mut driver = Driver::new();
    for id in ["a", "b"] {
        driver.publish(job("").id(id));
        subscribe(&mut driver, id, &["x"]);
        driver.fulfill(id, "", None);
    }
    let first = take(&mut driver, 1).remove(0);
    assert_eq!(driver.queue.next_due().map(|at| at.0), Some(driver.now() + 1_000));
    driver.pass(999);
    assert_eq!(driver.queue.notices_ready(), 1);
    driver.pass(1);
    let ids: Vec<_> = take(&mut driver, 9).iter().map(|it| it.job.to_string()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(cross_off(&mut driver, &first, &["x"]), None);
}

#[test]
fn a_messenger_that_needs_longer_extends_the_lease_of_its_notice() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    subscribe(&mut driver, "a", &["x"]);
    driver.fulfill("a", "", None);
    let notice = take(&mut driver, 1).remove(0);
    let receipt = notice.receipt().expect("it is leased");
    let receipt = String::from_utf8_lossy(receipt.as_bytes()).into_owned();
    driver.pass(900);
    assert_eq!(driver.touch(&receipt, Some(5_000)), Some(driver.now() + 5_000));
    driver.pass(4_999);
    assert_eq!(driver.queue.notices_ready(), 0);
    assert_eq!(driver.touch("a", None), None, "by its receipt only");
    driver.pass(1);
    assert_eq!(driver.queue.notices_ready(), 1);
    assert_eq!(driver.touch(&receipt, None), None, "that lease is over");
}

#[test]
fn one_that_unsubscribes_is_forgotten_once_for_each_time_before_and_after_the_end() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    subscribe(&mut driver, "a", &["x", "x", "y"]);
    assert_eq!(unsubscribe(&mut driver, "a", Some(&["x", "z"])), 1);
    driver.fulfill("a", "", None);
    assert_eq!(unsubscribe(&mut driver, "a", Some(&["x"])), 1);
    assert_eq!(unsubscribe(&mut driver, "a", Some(&["x"])), 0);
    assert_eq!(targets(&take(&mut driver, 1)[0]), ["y"]);
    assert_eq!(unsubscribe(&mut driver, "a", None), 1);
    assert_eq!(driver.queue.notices(), 0);
    driver.publish(job("").id("b"));
    subscribe(&mut driver, "b", &["x", "y"]);
    assert_eq!(unsubscribe(&mut driver, "b", None), 2);
    driver.delete(&["b"]);
    assert_eq!(driver.queue.notices(), 0);
}

#[test]
fn a_receipt_unsubscribes_nobody_but_while_its_lease_holds() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    subscribe(&mut driver, "a", &["x", "y"]);
    let receipt = driver.consume().receipt;
    assert_eq!(unsubscribe(&mut driver, "a@999", None), 0);
    assert_eq!(unsubscribe(&mut driver, &receipt, Some(&["y"])), 1);
    driver.ack(&receipt);
    assert_eq!(unsubscribe(&mut driver, &receipt, Some(&["x"])), 0, "it is stale");
    assert_eq!(unsubscribe(&mut driver, "a@999", None), 0);
    assert_eq!(targets(&take(&mut driver, 1)[0]), ["x"]);
}

#[test]
fn notices_are_kept_with_the_queue_and_keep_it() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::IdleExpire(Millis(10))]);
    driver.publish(job("").id("a"));
    driver.publish(job("").id("b"));
    subscribe(&mut driver, "a", &["x"]);
    subscribe(&mut driver, "b", &["\0\u{ff}", ""]);
    driver.fulfill("a", "42", None);
    driver.fulfill("b", "43", None);
    take(&mut driver, 1);
    let again = reloaded(&driver.queue);
    assert_eq!(again.digest(), driver.queue.digest());
    assert_eq!(again.notices(), 2);
    assert_eq!(driver.queue.idle_ends(), None);
    assert_eq!(unsubscribe(&mut driver, "a", None) + unsubscribe(&mut driver, "b", None), 3);
    assert!(driver.queue.idle_ends().is_some());
}

#[test]
fn a_job_has_so_many_subscribers_and_no_more() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    let many = vec!["x"; SUBSCRIBERS_MAX];
    assert_eq!(subscribe(&mut driver, "a", &many), SUBSCRIBERS_MAX as u64);
    let action = Action::Subscribe { job: named("a"), targets: vec![b"x"] };
    let refused = driver.ask(action);
    assert_eq!(refused, Err(Refusal::TooManySubscribers { max: SUBSCRIBERS_MAX }));
    assert_eq!(driver.job("a").subscribers().len(), SUBSCRIBERS_MAX);
}

/// A job with as many subscribers as it may have, each with a name of its own.
fn with_many(driver: &mut Driver) -> Vec<String> {
    let names: Vec<_> = (0..SUBSCRIBERS_MAX).map(|n| format!("target {n}")).collect();
    driver.publish(job("").id("a"));
    subscribe(driver, "a", &names.iter().map(String::as_str).collect::<Vec<_>>());
    names
}

#[test]
fn what_a_job_with_many_subscribers_does_costs_no_more_than_with_one() {
    let mut driver = Driver::new();
    with_many(&mut driver);
    let receipt = driver.consume().receipt;
    // Not by the driver, which checks each time what it can.
    for progress in 0..300_000 {
        let jobs = vec![named(&receipt)].into();
        let touch = Action::Touch { jobs, ttr: None, progress: Some(progress), result: None };
        let operation = driver.queue.choose(touch).expect("it holds").expect("there is one");
        driver.queue.apply(operation).expect("it holds");
    }
    assert_eq!(driver.job("a").progress(), Some(299_999));
    driver.check();
}

#[test]
fn as_many_as_can_subscribe_can_be_crossed_off_and_unsubscribe_at_once() {
    let mut driver = Driver::new();
    let names = with_many(&mut driver);
    // The last that came is named first.
    let but_one: Vec<_> = names[1..].iter().rev().map(String::as_str).collect();
    let unsubscribe_all = |driver: &mut Driver| {
        let targets = Some(but_one.iter().map(|name| name.as_bytes()).collect());
        driver.ask(Action::Unsubscribe { job: named("a"), targets })
    };
    let all_but_one = SUBSCRIBERS_MAX as u64 - 1;
    assert_eq!(unsubscribe_all(&mut driver), Ok(Some(Outcome::Done(all_but_one))));
    subscribe(&mut driver, "a", &but_one);
    driver.fulfill("a", "", None);
    let notice = take(&mut driver, 1).remove(0);
    assert_eq!(cross_off(&mut driver, &notice, &but_one), Some(all_but_one));
    assert_eq!(targets(&take(&mut driver, 1)[0]), ["target 0"]);
    assert_eq!(unsubscribe_all(&mut driver), Ok(Some(Outcome::Done(0))));
}
