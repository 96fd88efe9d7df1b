//! Saying no, and finding nothing to do, leave a queue as it was.
//!
//! The driver of these tests compares digests at each refusal; here each kind is met once.

use jobq_engine::{
    Action, Bodies, Change, Due, Haste, Lease, Millis, Operation, Outcome, Publish, Refusal,
    Revival, Setting, Side, StateKind, Verdict, Which,
};

use crate::support::{all_named, job, named, Driver, ANYONE, BURY, NACK, RELEASE, START};

/// A queue with a job in every state, named after it.
fn one_in_each_state() -> Driver {
    let mut driver = Driver::new();
    for state in StateKind::ALL {
        driver.publish_into(state, state.name());
    }
    driver
}

fn update<'a>(job: &'a str, change: Change<'a>) -> Action<'a> {
    Action::Update { job: named(job), change }
}

#[test]
fn every_refusal_changes_nothing_and_says_why() {
    let mut driver = one_in_each_state();
    driver.configure(&[Setting::MaxLen(7), Setting::MaxBody(8)]);
    let late = Revival { tries: None, ttl: Some(Millis(1)), delay: Millis(2) };
    let two = Publish::new(Bodies::Many(vec![b"a", b"b"]));
    let cases = [
        (job("a").id("dead").action(), "dead"),
        (job("a").delay(9).ttl(8).action(), "TTL ends before the job is due"),
        (job("123456789").action(), "there are 9 bytes, the queue takes 8"),
        (Action::Publish(two), "the queue holds its 7 jobs"),
        (
            Action::Respawn { which: Which::First(1), revival: late },
            "TTL ends before the job is due",
        ),
        (update("unknown", Change::default()), "there is no such job, or its lease has ended"),
        (
            update("leased", Change { due: Some(Due::Now), ..Change::default() }),
            "the job is leased",
        ),
        (
            update("completed", Change { priority: Some(1), ..Change::default() }),
            "the job is completed",
        ),
        (job("a").deadline(START - 1).action(), "DEADLINE is before the job is due"),
        (job("a").delay(9).deadline(START + 8).action(), "DEADLINE is before the job is due"),
        (job("a").replaces("unknown").action(), "there is no such job, or its lease has ended"),
        (job("a").replaces("ready").id("dead").action(), "dead"),
        (job("12345").headers(&[(b"a", b"bcd")]).action(), "there are 9 bytes, the queue takes 8"),
        (
            update("leased", Change { tries: Some(0), ..Change::default() }),
            "TRIES leaves none: the job was delivered 1 times",
        ),
    ];
    for (request, why) in cases {
        let refusal = driver.ask(request).expect_err(why);
        assert_eq!(refusal.to_string(), why);
    }
    driver.pause(Side::In, 0);
    let refusal = driver.ask(job("a").action()).expect_err("paused");
    assert_eq!(refusal.to_string(), "publishing to the queue is paused");
}

#[test]
fn an_operation_that_does_not_fit_the_state_is_refused_and_changes_nothing() {
    let mut driver = one_in_each_state();
    let slot = |id| driver.queue.find_id(id).expect("known");
    for second in ["delayed", "leased", "dead"] {
        let lease = Lease { holder: ANYONE, jobs: vec![slot("ready"), slot(second)].into() };
        let mut queue = driver.queue.clone();
        let refused = queue.apply(Operation::Lease(lease));
        assert!(matches!(refused, Err(Refusal::Diverged(_))), "{second}: {refused:?}");
        assert_eq!(queue.digest(), driver.queue.digest());
    }
    let gone = slot("ready");
    driver.delete(&["ready"]);
    let before = driver.queue.digest();
    let lease = Operation::Lease(Lease { holder: ANYONE, jobs: vec![gone].into() });
    assert!(matches!(driver.queue.apply(lease), Err(Refusal::Diverged(_))));
    let publish = Publish { id: Some("leased"), ..Publish::new(Bodies::One(b"a")) };
    let refused = driver.queue.apply(Action::Publish(publish));
    assert_eq!(refused, Err(Refusal::Duplicate("leased".into())));
    assert_eq!(driver.queue.digest(), before);
    driver.check();
}

#[test]
fn a_log_that_leases_a_job_twice_at_once_leases_it_once() {
    let mut driver = one_in_each_state();
    let slot = driver.queue.find_id("ready").expect("known");
    let lease = Operation::Lease(Lease { holder: ANYONE, jobs: vec![slot, slot].into() });
    let leased = driver.queue.apply(lease);
    assert!(matches!(leased, Ok(Outcome::Leased(leased)) if leased.len() == 1));
    assert_eq!(driver.job("ready").deliveries, 1);
    driver.check();
}

#[test]
fn a_request_that_finds_nothing_is_no_change() {
    let mut driver = one_in_each_state();
    let nobody = || all_named(&["unknown", "ready@1", "leased@999", "dead@1", "delayed@1"]);
    let revival = Revival::default();
    let mut requests = vec![
        Action::Touch { jobs: nobody(), ttr: None, progress: None, result: None },
        Action::Touch {
            jobs: all_named(&["ready", "delayed", "dead"]),
            ttr: None,
            progress: None,
            result: None,
        },
        Action::Kick(Which::Ids(nobody())),
        Action::Kick(Which::Ids(all_named(&["ready", "leased", "dead"]))),
        Action::Kick(Which::First(0)),
        Action::Hasten { jobs: nobody(), haste: Haste::Lapse },
        Action::Hasten { jobs: nobody(), haste: Haste::Due },
        Action::Respawn { which: Which::Ids(nobody()), revival },
        Action::Respawn { which: Which::Ids(all_named(&["ready", "leased"])), revival },
        Action::Respawn { which: Which::First(0), revival },
        Action::Delete(nobody()),
        Action::Cancel(named("leased@999")),
        Action::Cancel(named("unknown")),
        Action::Cancel(named("dead")),
        Action::Purge { state: StateKind::Ready, count: 0 },
    ];
    for verdict in [Verdict::Ack, NACK, RELEASE, BURY] {
        requests.push(Action::Settle { jobs: nobody(), verdict });
    }
    for verdict in [Verdict::Ack, NACK, RELEASE] {
        let jobs = all_named(&["ready", "delayed", "dead"]);
        requests.push(Action::Settle { jobs, verdict });
    }
    requests.push(Action::Settle { jobs: all_named(&["dead"]), verdict: BURY });
    for request in requests {
        let asked = format!("{request:?}");
        let outcome = driver.ask(request).expect("nothing to refuse").expect("an operation");
        assert!(!outcome.is_change(), "{asked}: {outcome:?}");
        assert!(
            matches!(outcome, Outcome::Done(0) | Outcome::Touched(_) | Outcome::Cancelled(None)),
            "{asked}"
        );
    }
}
