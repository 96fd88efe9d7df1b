//! What jobs wait for that is decided outside.

use jobq_engine::{Backoff, Change, Due, Millis, Revival, Setting, StateKind, UnixMillis};

use crate::support::{job, reloaded, Driver, ANYONE, BURY, START};

const HELD: Option<StateKind> = Some(StateKind::Held);
const READY: Option<StateKind> = Some(StateKind::Ready);

/// Something that is done to a job, and what it is called.
type Way = (&'static str, fn(&mut Driver));

/// The same by which it leaves the held, counted, and where it is then.
type WayOut = (&'static str, fn(&mut Driver) -> u64, Option<StateKind>);

#[test]
fn a_job_waits_until_its_gate_is_open() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").when("paid"));
    assert_eq!(driver.state("a"), HELD);
    assert!(driver.consume_as(ANYONE, 1).is_empty());
    assert_eq!(driver.open(&["other"]), 1);
    driver.pass(0);
    assert_eq!(driver.state("a"), HELD);
    driver.pass(30);
    assert_eq!(driver.open(&["paid"]), 1);
    driver.pass(0);
    assert_eq!(driver.consume().body, "a");
    assert_eq!(
        driver.job("a").due(),
        UnixMillis(START + 30),
        "it was not meant to be ready before"
    );
}

#[test]
fn a_job_whose_gate_is_open_does_not_wait() {
    let mut driver = Driver::new();
    assert_eq!(driver.open(&["paid", "paid"]), 1);
    assert_eq!(driver.open(&["paid"]), 0);
    driver.publish(job("a").when("paid"));
    assert_eq!(driver.line(), ["a"]);
}

#[test]
fn of_each_when_one_gate_has_to_be_open() {
    let opened = [
        (&["a"][..], false),
        (&["a", "b"], false),
        (&["c"], false),
        (&["a", "c"], true),
        (&["b", "c"], true),
        (&["a", "b", "c"], true),
    ];
    for (gates, goes) in opened {
        for late in [false, true] {
            let mut driver = Driver::new();
            if late {
                driver.publish(job("x").id("x").when("b|a").when("c"));
            }
            driver.open(gates);
            driver.pass(0);
            if !late {
                driver.publish(job("x").id("x").when("b|a").when("c"));
            }
            assert_eq!(driver.state("x"), if goes { READY } else { HELD }, "{gates:?}");
            let job = driver.job("x");
            assert_eq!(driver.queue.missing_gates(job).next().is_none(), goes, "{gates:?}");
        }
    }
}

#[test]
fn an_open_gate_frees_in_publish_order_whatever_the_order_in_which_they_came() {
    let mut driver = Driver::new();
    driver.publish(job("a").delay(500).when("paid"));
    driver.publish(job("b").delay(100).when("paid"));
    driver.publish(job("c").when("paid|never"));
    driver.pass(500);
    driver.open(&["paid"]);
    driver.publish(job("d").when("paid"));
    assert_eq!(driver.line(), ["d"], "the others are yet to be looked at");
    driver.pass(0);
    assert_eq!(driver.line(), ["d", "a", "b", "c"]);
}

#[test]
fn a_gate_is_looked_at_whenever_a_job_would_be_ready() {
    let ways: [Way; 7] = [
        ("due", |driver| driver.pass(1_000)),
        ("kicked", |driver| assert_eq!(driver.kick(&["a"]), 1)),
        ("updated", |driver| {
            let change = Change { due: Some(Due::Now), ..Change::default() };
            assert_eq!(driver.update("a", change), Ok(Some(2)));
        }),
        ("released", |driver| assert_eq!(driver.release("a"), 1)),
        ("nacked", |driver| assert_eq!(driver.nack("a"), 1)),
        ("lapsed", |driver| driver.pass(400)),
        ("respawned", |driver| assert_eq!(driver.respawn(&["a"], Revival::default()), 1)),
    ];
    for (way, act) in ways {
        for opens in [false, true] {
            let mut driver = Driver::new();
            let draft = job("a").id("a").ttr(400).backoff(Backoff::None).when("paid");
            driver.open(&["paid"]);
            match way {
                "due" | "kicked" | "updated" => drop(driver.publish(draft.delay(1_000))),
                "respawned" => {
                    driver.publish(draft);
                    driver.settle(&["a"], BURY);
                }
                _ => {
                    driver.publish(draft);
                    driver.consume();
                }
            }
            if !opens {
                driver.close(&["paid"]);
            }
            act(&mut driver);
            assert_eq!(driver.state("a"), if opens { READY } else { HELD }, "{way}");
        }
    }
}

#[test]
fn a_gate_that_closes_calls_no_job_back() {
    let mut driver = Driver::new();
    driver.open(&["paid"]);
    driver.publish(job("a").id("a").when("paid"));
    assert_eq!(driver.close(&["paid"]), 1);
    assert_eq!(driver.close(&["paid", "unknown"]), 0);
    assert_eq!(driver.state("a"), READY);
    let taken = driver.consume();
    driver.release(&taken.receipt);
    assert_eq!(driver.state("a"), HELD);
}

#[test]
fn a_kick_by_name_frees_a_held_job_for_once() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").when("paid").when("night"));
    driver.publish(job("b").id("b").when("paid").delay(100));
    assert_eq!(driver.kick_first(5), 1, "the delayed one, and no held one");
    driver.pass(0);
    assert_eq!(driver.state("b"), HELD);
    assert_eq!(driver.kick(&["a", "a"]), 1);
    assert_eq!(driver.queue.counters().kicked, 2);
    assert_eq!(driver.consume().body, "a");
    driver.release("a");
    assert_eq!(driver.state("a"), HELD);
}

#[test]
fn a_held_job_can_be_changed_and_ended_like_any_that_waits() {
    let ends: [WayOut; 5] = [
        ("delete", |driver| driver.delete(&["a"]), None),
        ("bury", |driver| driver.bury("a"), Some(StateKind::Dead)),
        ("bury all", |driver| driver.bury_all(StateKind::Held, 9), Some(StateKind::Dead)),
        ("purge", |driver| driver.purge(StateKind::Held, 9), None),
        ("fulfill", |driver| driver.fulfill("a", "", None), None),
    ];
    for (end, act, state) in ends {
        let mut driver = Driver::new();
        driver.publish(job("a").id("a").when("paid").ttl(500));
        assert_eq!(act(&mut driver), 1, "{end}");
        driver.pass(0);
        assert_eq!(driver.state("a"), state, "{end}");
        assert_eq!(driver.queue.gates().len(), 0, "{end}: nobody waits there");
    }
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").when("paid"));
    let change = |due| Change { body: Some(b"new"), due, priority: Some(3), ..Change::default() };
    assert_eq!(driver.update("a", change(Some(Due::Now))), Ok(Some(2)));
    assert_eq!(driver.state("a"), HELD, "it is not for want of an instant");
    assert_eq!(driver.update("a", change(Some(Due::In(Millis(50))))), Ok(Some(3)));
    assert_eq!(driver.state("a"), Some(StateKind::Delayed));
    driver.open(&["paid"]);
    driver.pass(50);
    assert_eq!(driver.consume().body, "new");
}

#[test]
fn the_life_of_a_held_job_runs_on() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").when("paid").ttl(100));
    driver.publish(job("b").id("b").when("paid").deadline(START + 200));
    assert_eq!(driver.queue.next_due(), Some(UnixMillis(START + 100)));
    driver.pass(100);
    assert_eq!((driver.state("a"), driver.state("b")), (None, HELD));
    driver.pass(100);
    assert_eq!(driver.state("b"), Some(StateKind::Dead));
    assert_eq!(driver.queue.gates().len(), 0);
}

#[test]
fn a_gate_is_known_only_while_it_is_open_or_waited_for() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a").when("b|a").when("b|c"));
    driver.open(&["z"]);
    let gates = |driver: &Driver| {
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).expect("text");
        let gates = driver.queue.gates().map(|gate| (text(gate.name), gate.is_open, gate.held));
        gates.collect::<Vec<_>>()
    };
    let at = |name: &str| (name.to_owned(), false, 1);
    assert_eq!(gates(&driver), [at("a"), at("b"), at("c"), ("z".into(), true, 0)]);
    driver.delete(&["a"]);
    driver.close(&["z"]);
    assert_eq!(gates(&driver), []);
}

#[test]
fn many_are_freed_in_slices_and_closing_meanwhile_keeps_the_rest() {
    let mut driver = Driver::new();
    for n in 0..100 {
        driver.publish(job(&n.to_string()).when("paid"));
    }
    driver.open(&["paid"]);
    assert_eq!(driver.queue.next_due(), Some(UnixMillis(START)));
    assert_eq!(driver.tick_to(START, 30), 30);
    driver.close(&["paid"]);
    assert_eq!(driver.tick_to(START, 30), 0);
    assert_eq!(driver.queue.len_of(StateKind::Ready), 30);
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    driver.open(&["paid"]);
    driver.tick_to(START, 30);
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    driver.pass(0);
    let line: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(driver.line(), line);
}

#[test]
fn very_many_held_jobs_are_freed_by_small_steps() {
    const JOBS: usize = 50_000;
    let mut driver = Driver::new();
    (0..JOBS).for_each(|_| drop(driver.publish(job("x").when("paid"))));
    driver.open(&["paid"]);
    let mut steps = 0;
    while driver.queue.is_due(UnixMillis(START)) {
        let before = driver.queue.len_of(StateKind::Ready);
        assert!(driver.tick_to(START, 128) <= 128);
        assert!(driver.queue.len_of(StateKind::Ready) - before <= 128);
        steps += 1;
    }
    assert!(steps >= JOBS / 128);
    assert_eq!(driver.queue.len_of(StateKind::Ready), JOBS);
}

#[test]
fn an_open_gate_keeps_an_empty_queue() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::IdleExpire(Millis(10))]);
    driver.open(&["paid"]);
    assert_eq!(driver.queue.idle_ends(), None);
    driver.close(&["paid"]);
    assert_eq!(driver.queue.idle_ends(), Some(UnixMillis(START + 10)));
}

#[test]
fn a_job_can_be_released_as_often_as_the_queue_says_and_once_more_is_its_death() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::ReleasesMax(2)]);
    driver.publish(job("a").id("a"));
    let uncounted = jobq_engine::Verdict::Release { delay: Millis::ZERO, counted: false };
    for releases in 1..=2 {
        driver.consume();
        driver.settle(&["a"], uncounted);
        driver.consume();
        assert_eq!(driver.release("a"), 1);
        assert_eq!((driver.state("a"), driver.job("a").releases()), (READY, releases));
    }
    driver.consume();
    driver.settle(&["a"], uncounted);
    assert_eq!(driver.state("a"), READY, "what does not count does no harm");
    driver.consume();
    assert_eq!(driver.release("a"), 1);
    assert_eq!(driver.state("a"), Some(StateKind::Dead));
    assert_eq!(driver.job("a").error(), Some(&b"released too often"[..]));
    let counters = driver.queue.counters();
    assert_eq!((counters.released, counters.died, counters.buried), (6, 1, 0));
    driver.respawn(&["a"], Revival::default());
    assert_eq!(driver.job("a").releases(), 0, "it starts anew");
}

#[test]
fn without_a_limit_releases_are_counted_all_the_same() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("a"));
    for _ in 0..50 {
        driver.consume();
        driver.release("a");
    }
    assert_eq!(driver.job("a").releases(), 50);
    driver.configure(&[Setting::ReleasesMax(50)]);
    driver.consume();
    driver.release("a");
    assert_eq!(driver.state("a"), Some(StateKind::Dead), "the queue's setting is that of now");
}
