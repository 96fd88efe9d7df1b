//! The groups of a priority are served in turn, however many jobs each has.

use jobq_engine::{Change, Refusal, Setting, StateKind};

use crate::support::{job, reloaded, Driver, ANYONE, RELEASE};

fn weigh(driver: &mut Driver, group: &str, weight: u32) {
    driver.configure(&[Setting::GroupWeight { group: group.as_bytes().into(), weight }]);
}

/// Publishes jobs, each named after its group, which is its first letter; `-` is in none.
fn publish(driver: &mut Driver, jobs: &str) {
    for name in jobs.split(' ') {
        let group = &name[..1];
        let draft = job(name).id(name);
        driver.publish(if group == "-" { draft.id(&name[1..]) } else { draft.group(group) });
    }
}

fn taken(driver: &mut Driver, count: usize) -> String {
    let bodies: Vec<_> = (0..count).map(|_| driver.consume().body).collect();
    bodies.join(" ")
}

#[test]
fn groups_take_turns_and_each_goes_first_come_first_served() {
    let mut driver = Driver::new();
    publish(&mut driver, "a1 a2 a3 b1 b2 c1 -x1 -x2");
    assert_eq!(driver.line().join(" "), "a1 b1 c1 -x1 a2 b2 -x2 a3");
    assert_eq!(taken(&mut driver, 8), "a1 b1 c1 -x1 a2 b2 -x2 a3");
}

#[test]
fn taking_several_at_once_goes_by_the_same_turns() {
    let mut driver = Driver::new();
    publish(&mut driver, "a1 a2 a3 a4 b1 c1 c2");
    let bodies = |driver: &mut Driver, count| {
        let taken = driver.consume_as(ANYONE, count).into_iter().map(|job| job.body);
        taken.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(bodies(&mut driver, 2), "a1 b1");
    assert_eq!(bodies(&mut driver, 3), "c1 a2 c2");
    assert_eq!(bodies(&mut driver, 5), "a3 a4");
}

#[test]
fn a_group_is_served_as_often_in_its_turn_as_it_weighs() {
    let mut driver = Driver::new();
    weigh(&mut driver, "b", 3);
    publish(&mut driver, "a1 a2 a3 b1 b2 b3 b4 b5");
    assert_eq!(taken(&mut driver, 3), "a1 b1 b2");
    // In the middle of its turn, which a restart does not end.
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    assert_eq!(driver.line().join(" "), "b3 a2 b4 b5 a3");
    weigh(&mut driver, "b", 1);
    assert_eq!(taken(&mut driver, 5), "b3 a2 b4 a3 b5");
}

#[test]
fn turns_are_among_those_of_one_priority() {
    let mut driver = Driver::new();
    publish(&mut driver, "a1 a2 b1");
    driver.publish(job("late").group("a").priority(-1));
    assert_eq!(taken(&mut driver, 4), "late a1 b1 a2");
}

#[test]
fn a_small_group_does_not_wait_for_a_large_one() {
    let mut driver = Driver::new();
    for n in 0..3_000 {
        driver.publish(job(&format!("a{n}")).group("a"));
    }
    for n in 0..20 {
        driver.publish(job(&format!("b{n}")).group(&format!("b{n}")));
    }
    let first = driver.consume_as(ANYONE, 21);
    assert_eq!(first.iter().filter(|job| job.body.starts_with('b')).count(), 20);
    let rest = driver.consume_as(ANYONE, 5_000);
    assert_eq!(rest.len(), 2_999);
    let numbers: Vec<u32> =
        rest.iter().map(|job| job.body[1..].parse().expect("a number")).collect();
    assert!(numbers.is_sorted());
}

#[test]
fn a_released_job_goes_to_the_head_of_its_group_and_a_retried_one_to_the_tail() {
    let mut driver = Driver::new();
    publish(&mut driver, "a1 a2 b1");
    let first = driver.consume();
    driver.settle(&[&first.receipt], RELEASE);
    assert_eq!(driver.line().join(" "), "b1 a1 a2", "its turn was had");
    let next = driver.consume();
    driver.release(&next.receipt);
    assert_eq!(driver.line().join(" "), "b1 a1 a2", "nobody else of its group was there");
}

#[test]
fn a_group_keeps_its_turn_while_its_jobs_change() {
    let mut driver = Driver::new();
    publish(&mut driver, "a1 a2 b1 b2");
    driver.delete(&["a1"]);
    driver.update("b1", Change { priority: Some(1), ..Change::default() }).expect("it is there");
    assert_eq!(driver.line().join(" "), "a2 b2 b1");
    assert_eq!(driver.purge(StateKind::Ready, 2), 2);
    driver.pass(0);
    assert_eq!(driver.line().join(" "), "b1");
}

#[test]
fn a_group_holds_no_more_jobs_than_its_share() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::GroupMaxLen(2)]);
    publish(&mut driver, "a1 a2 b1 -1 -2 -3");
    let refused = driver.try_publish(job("a3").group("a"));
    assert_eq!(refused, Err(Refusal::GroupFull { max: 2 }));
    // In any state, and not beside the one that it replaces.
    let first = driver.consume();
    assert_eq!(driver.try_publish(job("a3").group("a")), Err(Refusal::GroupFull { max: 2 }));
    assert!(driver.try_publish(job("a3").id("a3").group("a").replaces("a2")).is_ok());
    driver.ack(&first.receipt);
    assert!(driver.try_publish(job("a4").group("a")).is_ok());
    assert_eq!(driver.queue.len_of_group(b"a"), 2);
}

#[test]
fn a_group_without_jobs_leaves_nothing() {
    let mut driver = Driver::new();
    publish(&mut driver, "a1 -1");
    for receipt in [driver.consume().receipt, driver.consume().receipt] {
        driver.ack(&receipt);
    }
    let empty = driver.queue.bytes();
    for n in 0..5_000 {
        driver.publish(job("x").group(&format!("group-{n}")));
    }
    assert!(driver.queue.bytes() > empty + 1_000_000);
    while let [taken] = &driver.consume_as(ANYONE, 1)[..] {
        driver.ack(&taken.receipt);
    }
    assert!(driver.queue.bytes() <= empty + 512, "{} {empty}", driver.queue.bytes());
}
