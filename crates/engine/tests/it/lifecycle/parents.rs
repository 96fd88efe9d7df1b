//! Jobs that wait for other jobs.

use std::time::Instant;

use jobq_engine::{IfDead, Refusal, Retain, Revival, Setting, StateKind, UnixMillis, WhenExpired};

use crate::support::{job, reloaded, Driver, ANYONE, START};

const DELAYED: Option<StateKind> = Some(StateKind::Delayed);
const HELD: Option<StateKind> = Some(StateKind::Held);
const READY: Option<StateKind> = Some(StateKind::Ready);
const DEAD: Option<StateKind> = Some(StateKind::Dead);

const IF_DEAD: [IfDead; 3] = IfDead::ALL;

/// Something that is done to a parent, and what it is called.
type Way = (&'static str, fn(&mut Driver));

/// A queue with a parent that waits and one child of it for each thing that may become of it.
fn family() -> Driver {
    let mut driver = Driver::new();
    driver.publish(job("parent").id("parent"));
    for (id, if_dead) in ["hold", "run", "bury"].into_iter().zip(IF_DEAD) {
        driver.publish(job(id).id(id).after(&["parent"], if_dead));
    }
    driver
}

/// What the three have come to.
fn children(driver: &Driver) -> [Option<StateKind>; 3] {
    ["hold", "run", "bury"].map(|id| driver.state(id))
}

#[test]
fn a_child_waits_until_all_its_parents_are_completed() {
    let mut driver = Driver::new();
    driver.publish_all(&[]);
    for id in ["a", "b", "c"] {
        driver.publish(job(id).id(id).retain(Retain::Forever));
    }
    driver.publish(job("child").id("child").after(&["c", "a", "b"], IfDead::Hold));
    driver.consume_as(ANYONE, 9);
    assert_eq!((driver.state("child"), driver.queue.parents_left(driver.job("child"))), (HELD, 3));
    driver.ack("b");
    driver.pass(0);
    assert_eq!((driver.state("child"), driver.queue.parents_left(driver.job("child"))), (HELD, 2));
    driver.fulfill("a", "42", None);
    driver.fulfill("c", "43", Some(Retain::NONE));
    driver.pass(30);
    assert_eq!(driver.state("child"), READY);
    assert_eq!(driver.job("child").due(), UnixMillis(START + 30));
}

#[test]
fn a_parent_that_is_not_there_is_taken_for_done_and_one_to_come_is_refused() {
    let mut driver = Driver::new();
    let made = driver.publish(job("a"));
    driver.consume();
    driver.ack(&made);
    driver.publish(job("b").after(&["never", &made, &made.to_lowercase()], IfDead::Bury));
    assert_eq!(driver.line(), ["b"]);
    let draft = job("c").after(&["7ZZZZZZZZZZZZZZZZZZZZZZZZZ"], IfDead::Hold);
    assert_eq!(driver.try_publish(draft), Err(Refusal::NoSuchJob));
    driver.publish(job("d").id("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"));
    let draft = job("c").id("c").after(&["7zzzzzzzzzzzzzzzzzzzzzzzzz"], IfDead::Hold);
    driver.publish(draft);
    assert_eq!(driver.state("c"), HELD, "the id was given");
}

#[test]
fn a_completed_parent_counts_at_once() {
    let mut driver = Driver::new();
    driver.publish_into(StateKind::Completed, "parent");
    driver.publish(job("child").after(&["parent"], IfDead::Bury));
    assert_eq!(driver.line(), ["child"]);
    driver.delete(&["parent"]);
    driver.pass(0);
    assert_eq!(driver.line(), ["child"]);
}

#[test]
fn a_child_waits_for_its_instant_and_its_gates_as_well() {
    let mut driver = Driver::new();
    driver.publish(job("parent").id("parent"));
    let child = job("child").id("child").after(&["parent"], IfDead::Hold);
    driver.publish(child.delay(100).when("paid"));
    driver.fulfill("parent", "", None);
    driver.pass(0);
    assert_eq!(driver.state("child"), DELAYED);
    driver.pass(100);
    assert_eq!(driver.state("child"), HELD);
    driver.open(&["paid"]);
    driver.pass(0);
    assert_eq!(driver.state("child"), READY);
}

#[test]
fn what_becomes_of_a_child_whose_parent_dies_is_as_it_says() {
    let ways: [fn(&mut Driver); 3] = [
        |driver| assert_eq!(driver.bury("parent"), 1),
        |driver| {
            let taken = driver.consume();
            driver.update(&taken.id, tries(1)).expect("nothing to refuse");
            driver.nack(&taken.receipt);
        },
        |driver| {
            driver.configure(&[Setting::Expired(WhenExpired::Bury)]);
            driver.update("parent", ttl(10)).expect("nothing to refuse");
            driver.pass(10);
        },
    ];
    for way in ways {
        let mut driver = family();
        way(&mut driver);
        driver.pass(0);
        assert_eq!(children(&driver), [HELD, READY, DEAD]);
        assert_eq!(driver.job("bury").error(), Some(&b"parent parent died"[..]));
        // A parent that is respawned and completed frees whoever waits for it still.
        driver.respawn(&["parent", "bury"], Revival::default());
        assert_eq!(children(&driver), [HELD, READY, HELD]);
        driver.fulfill("parent", "", None);
        driver.pass(0);
        assert_eq!(children(&driver), [READY; 3]);
    }
}

fn tries(tries: u32) -> jobq_engine::Change<'static> {
    jobq_engine::Change { tries: Some(tries), ..Default::default() }
}

fn ttl(ms: u64) -> jobq_engine::Change<'static> {
    jobq_engine::Change { ttl: Some(jobq_engine::Millis(ms)), ..Default::default() }
}

#[test]
fn a_parent_that_is_removed_unfinished_is_like_a_dead_one_for_good() {
    let ways: [Way; 4] = [
        ("deleted", |driver| assert_eq!(driver.delete(&["parent"]), 1)),
        ("purged", |driver| assert_eq!(driver.purge(StateKind::Ready, 1), 1)),
        ("expired", |driver| {
            driver.update("parent", ttl(10)).expect("nothing to refuse");
            driver.pass(10);
        }),
        ("replaced", |driver| drop(driver.publish(job("x").replaces("parent").delay(9)))),
    ];
    for (way, act) in ways {
        let mut driver = family();
        act(&mut driver);
        driver.pass(0);
        assert_eq!(children(&driver), [HELD, READY, DEAD], "{way}");
        assert_eq!(driver.job("bury").error(), Some(&b"parent parent was removed"[..]), "{way}");
        // Another job of that id is none that was meant.
        driver.publish(job("other").id("parent"));
        driver.fulfill("parent", "", None);
        driver.pass(0);
        assert_eq!(driver.state("hold"), HELD, "{way}");
        assert_eq!(driver.kick(&["hold"]), 1);
        assert_eq!(driver.state("hold"), READY, "{way}");
    }
}

#[test]
fn a_dead_parent_that_is_removed_tells_nobody_a_second_time() {
    let mut driver = family();
    driver.bury("parent");
    driver.pass(0);
    driver.respawn(&["bury"], Revival::default());
    driver.delete(&["parent"]);
    driver.pass(0);
    assert_eq!(children(&driver), [HELD, READY, DEAD], "who waits again is told again");
    assert_eq!(driver.queue.next_due(), None);
}

#[test]
fn a_parent_that_is_dead_already_decides_at_once() {
    let mut driver = Driver::new();
    driver.publish_into(StateKind::Dead, "parent");
    for (id, if_dead) in ["hold", "run", "bury"].into_iter().zip(IF_DEAD) {
        driver.publish(job(id).id(id).delay(50).after(&["parent"], if_dead));
    }
    driver.pass(0);
    assert_eq!(children(&driver), [DELAYED, DELAYED, DEAD]);
    driver.pass(50);
    assert_eq!(children(&driver), [HELD, READY, DEAD]);
    // Who was buried before, and waits again, is not told again by a child that comes later.
    driver.respawn(&["bury"], Revival::default());
    driver.publish(job("later").id("later").after(&["parent"], IfDead::Bury));
    driver.pass(0);
    assert_eq!((driver.state("bury"), driver.state("later")), (HELD, DEAD));
}

#[test]
fn a_child_that_was_freed_by_hand_or_is_done_is_not_buried() {
    let mut driver = family();
    driver.kick(&["bury"]);
    driver.bury("parent");
    driver.pass(0);
    assert_eq!(driver.state("bury"), READY);
    let taken = driver.consume_as(ANYONE, 2);
    let freed = taken.iter().find(|taken| taken.id == "bury").expect("it is ready");
    driver.release(&freed.receipt);
    assert_eq!(driver.state("bury"), HELD, "it waits anew, since nothing has changed");
}

#[test]
fn a_chain_of_deaths_is_told_step_by_step() {
    const JOBS: usize = 5_000;
    let mut driver = Driver::new();
    let ids: Vec<_> = (0..JOBS).map(|n| format!("job-{n}")).collect();
    driver.publish(job("").id(&ids[0]));
    for pair in ids.windows(2) {
        driver.publish(job("").id(&pair[1]).after(&[&pair[0]], IfDead::Bury));
    }
    driver.bury(&ids[0]);
    assert_eq!(driver.tick_to(START, 10), 10);
    assert_eq!(driver.queue.len_of(StateKind::Dead), 11);
    driver.pass(0);
    assert_eq!(driver.queue.len_of(StateKind::Dead), JOBS);
    let last = format!("parent job-{} died", JOBS - 2);
    assert_eq!(driver.job(&ids[JOBS - 1]).error(), Some(last.as_bytes()));
}

#[test]
fn a_hundred_thousand_children_are_freed_in_slices_in_publish_order() {
    const CHILDREN: usize = 100_000;
    let mut driver = Driver::new();
    driver.publish(job("parent").id("parent"));
    for n in 0..CHILDREN {
        driver.publish(job(&n.to_string()).after(&["parent"], IfDead::Hold));
    }
    let begun = Instant::now();
    driver.fulfill("parent", "", None);
    assert_eq!(driver.queue.len_of(StateKind::Held), CHILDREN, "the end itself tells nobody");
    assert_eq!(driver.tick_to(START, 128), 128);
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    while driver.queue.is_due(UnixMillis(START)) {
        assert!(driver.tick_to(START, 128) <= 128);
    }
    println!("told in {:?}", begun.elapsed());
    let line: Vec<_> = (0..CHILDREN).map(|n| n.to_string()).collect();
    assert_eq!(driver.line(), line);
}

#[test]
fn a_child_of_a_hundred_thousand_parents_waits_for_the_last() {
    const PARENTS: usize = 100_000;
    let mut driver = Driver::new();
    let ids: Vec<_> = (0..PARENTS).map(|n| format!("parent-{n}")).collect();
    ids.iter().for_each(|id| drop(driver.publish(job("").id(id))));
    let names: Vec<_> = ids.iter().map(String::as_str).collect();
    driver.publish(job("child").id("child").after(&names, IfDead::Hold));
    driver.publish(job("gone").id("gone").after(&names, IfDead::Bury).ttl(10));
    driver.pass(10);
    assert_eq!(driver.state("gone"), None, "which leaves its places to be taken away later");
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    for id in ids.iter().rev() {
        assert_eq!(driver.state("child"), HELD);
        driver.fulfill(id, "", None);
        driver.tick_to(START, 3);
    }
    assert_eq!(driver.line(), ["child"]);
    assert_eq!(driver.queue.len(), 1);
}

#[test]
fn the_places_of_children_that_are_gone_are_given_up() {
    let mut driver = Driver::new();
    for id in ["a", "b"] {
        driver.publish(job(id).id(id));
    }
    let before = driver.queue.bytes();
    for _ in 0..500 {
        let many = ["a", "b"].repeat(100);
        driver.publish(job("child").id("child").after(&many, IfDead::Hold));
        driver.delete(&["child"]);
        (0..4).for_each(|_| driver.pass(0));
    }
    let after = driver.queue.bytes();
    assert!(after < before + 2_000, "{before} bytes before, {after} after");
}

#[test]
fn half_told_families_come_back_from_a_snapshot() {
    for way in 0..3 {
        for told in 0..5 {
            let mut driver = family();
            match way {
                0 => drop(driver.bury("parent")),
                1 => drop(driver.delete(&["parent"])),
                _ => drop(driver.fulfill("parent", "", Some(Retain::Forever))),
            }
            driver.tick_to(START, told);
            let mut copy = Driver { queue: reloaded(&driver.queue) };
            for steps in 0..5 {
                assert_eq!(copy.tick_to(START, 1), driver.tick_to(START, 1), "{way} {steps}");
                assert_eq!(copy.queue.digest(), driver.queue.digest(), "{way} {steps}");
            }
        }
    }
}
