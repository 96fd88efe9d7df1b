//! Jobs that wait for jobs of other queues.

use jobq_engine::{
    Child, IfDead, Operation, Outcome, ParentEnd, ParentState, Parents, Refusal, Retain, Revival,
    StateKind, Ulid, UnixMillis, Verdict,
};

use crate::{
    command::{Chosen, Command},
    neighbours::{child, Neighbours},
    support::{job, reloaded, Driver, START},
};

const HELD: Option<StateKind> = Some(StateKind::Held);
const READY: Option<StateKind> = Some(StateKind::Ready);
const DEAD: Option<StateKind> = Some(StateKind::Dead);
const BURY: Verdict<'_> = Verdict::Bury { error: None };

/// A job in `a`, and in `b` a child of it for each thing that may become of it.
fn family() -> Neighbours {
    let mut two = Neighbours::new(&["a", "b"]);
    two.publish("a", child("parent", IfDead::Hold, &[])).expect("nothing to refuse");
    for (id, if_dead) in ["hold", "run", "bury"].into_iter().zip(IfDead::ALL) {
        let draft = child(id, if_dead, &[("a", "parent")]);
        two.publish("b", draft).expect("nothing to refuse");
    }
    two
}

/// What the three have come to.
fn children(two: &Neighbours) -> [Option<StateKind>; 3] {
    ["hold", "run", "bury"].map(|id| two.state("b", id))
}

fn delete(two: &mut Neighbours, name: &str, id: &str) {
    two.perform(name, &Command::Delete(vec![id.into()])).expect("nothing to refuse");
}

fn respawn(two: &mut Neighbours, name: &str, id: &str) {
    let chosen = Chosen::Ids(vec![id.into()]);
    let respawn = Command::Respawn { chosen, revival: Revival::default() };
    two.perform(name, &respawn).expect("nothing to refuse");
}

#[test]
fn a_child_waits_until_its_parents_in_all_queues_are_completed() {
    let mut three = Neighbours::new(&["a", "b", "c"]);
    for (name, id) in [("a", "x"), ("b", "y"), ("c", "z")] {
        three.publish(name, child(id, IfDead::Hold, &[])).expect("nothing to refuse");
    }
    let mut draft = child("child", IfDead::Hold, &[("b", "y"), ("c", "z")]);
    draft.after = vec!["x".into()];
    three.publish("a", draft).expect("nothing to refuse");
    for (name, id, left) in [("c", "z", 2), ("a", "x", 1)] {
        three.fulfill(name, id);
        three.pass(0);
        let job = three.job("a", "child");
        assert_eq!(
            (job.state().kind(), job.parents().map(Parents::left)),
            (StateKind::Held, Some(left))
        );
    }
    three.fulfill("b", "y");
    three.pass(30);
    assert_eq!(three.state("a", "child"), READY);
}

#[test]
fn what_becomes_of_a_child_whose_parent_elsewhere_dies_is_as_it_says() {
    let mut two = family();
    two.settle("a", "parent", BURY);
    two.pass(0);
    assert_eq!(children(&two), [HELD, READY, DEAD]);
    assert_eq!(two.job("b", "bury").error(), Some(&b"parent a/parent died"[..]));
    // A parent that is respawned and completed frees whoever waits for it still.
    respawn(&mut two, "a", "parent");
    respawn(&mut two, "b", "bury");
    two.pass(0);
    assert_eq!(children(&two), [HELD, READY, HELD]);
    two.fulfill("a", "parent");
    two.pass(0);
    assert_eq!(children(&two), [READY; 3]);
}

#[test]
fn a_parent_elsewhere_that_is_removed_unfinished_is_like_a_dead_one_for_good() {
    let mut two = family();
    delete(&mut two, "a", "parent");
    two.pass(0);
    assert_eq!(children(&two), [HELD, READY, DEAD]);
    assert_eq!(two.job("b", "bury").error(), Some(&b"parent a/parent was removed"[..]));
    // Another job of that id is none that was meant.
    two.publish("a", child("parent", IfDead::Hold, &[])).expect("nothing to refuse");
    two.fulfill("a", "parent");
    two.pass(0);
    assert_eq!(two.state("b", "hold"), HELD);
    assert_eq!(two.get("a").outsiders(), 0);
}

#[test]
fn a_parent_elsewhere_that_is_completed_or_gone_counts_at_once_and_a_dead_one_is_told() {
    let mut two = Neighbours::new(&["a", "b"]);
    for id in ["done", "dead"] {
        two.publish("a", child(id, IfDead::Hold, &[])).expect("nothing to refuse");
    }
    two.fulfill("a", "done");
    two.settle("a", "dead", BURY);
    let parents = [("a", "done"), ("a", "never"), ("nowhere", "x")];
    two.publish("b", child("free", IfDead::Bury, &parents)).expect("nothing to refuse");
    assert_eq!(two.state("b", "free"), READY);
    for (id, if_dead) in ["hold", "run", "bury"].into_iter().zip(IfDead::ALL) {
        two.publish("b", child(id, if_dead, &[("a", "dead")])).expect("nothing to refuse");
    }
    two.pass(0);
    assert_eq!(children(&two), [HELD, READY, DEAD]);
    // Who was buried before, and waits again, is not told again for one that comes later.
    respawn(&mut two, "b", "bury");
    two.publish("b", child("later", IfDead::Bury, &[("a", "dead")])).expect("nothing to refuse");
    two.pass(0);
    assert_eq!((two.state("b", "bury"), two.state("b", "later")), (HELD, DEAD));
}

#[test]
fn a_job_that_another_queue_is_yet_to_make_is_refused() {
    let mut two = Neighbours::new(&["a", "b"]);
    let before = two.get("b").digest();
    let draft = child("child", IfDead::Hold, &[("a", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ")]);
    assert_eq!(two.publish("b", draft), Err(Refusal::NoSuchJob));
    assert_eq!(two.get("b").digest(), before);
}

#[test]
fn what_was_told_last_of_a_parent_elsewhere_is_shown() {
    let shown = |two: &Neighbours| {
        let parents = two.job("b", "hold").parents().expect("it has one");
        let parent = parents.iter().next().expect("it has one");
        assert_eq!((parent.queue, &*parent.id.to_string()), (Some(&b"a"[..]), "parent"));
        match two.get("b").parent_state(&parent) {
            ParentState::There(_) => "there",
            ParentState::Finished => "finished",
            ParentState::Gone => "gone",
            ParentState::Elsewhere => "elsewhere",
            ParentState::Died => "died",
        }
    };
    let mut two = family();
    assert_eq!(shown(&two), "elsewhere");
    two.settle("a", "parent", BURY);
    two.pass(0);
    assert_eq!(shown(&two), "died");
    delete(&mut two, "a", "parent");
    two.pass(0);
    assert_eq!(shown(&two), "gone");
    let mut two = family();
    two.fulfill("a", "parent");
    two.pass(0);
    assert_eq!(shown(&two), "finished");
}

#[test]
fn a_chain_of_deaths_goes_from_queue_to_queue_step_by_step() {
    let mut two = Neighbours::new(&["a", "b"]);
    let names = |n: usize| ["a", "b"][n % 2];
    two.publish("a", child("job-0", IfDead::Hold, &[])).expect("nothing to refuse");
    for n in 1..100 {
        let before = format!("job-{}", n - 1);
        let draft = child(&format!("job-{n}"), IfDead::Bury, &[(names(n - 1), &before)]);
        two.publish(names(n), draft).expect("nothing to refuse");
    }
    two.settle("a", "job-0", BURY);
    two.tick_all(100);
    assert_eq!(two.state("b", "job-1"), HELD, "it is not told before that is delivered");
    two.pass(0);
    assert_eq!(two.get("a").len_of(StateKind::Dead), 50);
    assert_eq!(two.get("b").len_of(StateKind::Dead), 50);
}

#[test]
fn many_children_elsewhere_are_told_in_slices_in_publish_order() {
    const CHILDREN: usize = 5_000;
    let mut driver = Driver::new();
    driver.publish(job("parent").id("parent"));
    let ulids: Vec<_> = (1..=CHILDREN as u128).map(Ulid::from_bits).collect();
    let kin: Vec<_> = ulids.iter().map(|&ulid| Child { ulid, given: None }).collect();
    driver.follow("b", &kin, "parent", 0);
    let before = driver.queue.bytes();
    driver.fulfill("parent", "", None);
    assert_eq!(driver.queue.outbox_len(), 0, "the end itself tells nobody");
    assert_eq!(driver.tick_to(START, 128), 128);
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    while driver.queue.is_due(UnixMillis(START)) {
        assert!(driver.tick_to(START, 128) <= 128);
    }
    let told: Vec<_> = driver.queue.outbox().map(|(_, told)| told.child.ulid).collect();
    assert_eq!(told, ulids);
    assert_eq!(driver.queue.next_due(), None, "to deliver is not for ticks");
    let delivered = Operation::Delivered { effects: u64::MAX };
    assert_eq!(driver.queue.apply(delivered), Ok(Outcome::Done(CHILDREN as u64)));
    driver.check();
    let after = driver.queue.bytes();
    assert!(before - after > 40 * CHILDREN, "{before} bytes before, {after} after");
}

#[test]
fn half_told_followers_come_back_from_a_snapshot() {
    for way in 0..3 {
        for told in 0..5 {
            let mut driver = Driver::new();
            driver.publish(job("parent").id("parent"));
            let kin = [1, 2].map(|bits| Child { ulid: Ulid::from_bits(bits), given: Some("x") });
            driver.follow("b", &kin, "parent", 7);
            driver.publish(job("child").after(&["parent"], IfDead::Run));
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
            assert_eq!(copy.queue.outbox_len(), 2);
        }
    }
}

#[test]
fn to_be_told_twice_or_of_another_job_changes_nothing() {
    let mut driver = Driver::new();
    driver.publish(job("child").id("child").distant("a", "x", true).distant("a", "y", true));
    driver.publish(job("other").id("other").distant("a", "x", true));
    let (child, other) = (driver.job("child").ulid, driver.job("other").ulid);
    let mut tell = |ulid, given, at| {
        let told =
            jobq_engine::Told { child: Child { ulid, given }, at, how: ParentEnd::Completed };
        let before = driver.queue.digest();
        let outcome = driver.queue.apply(Operation::Told(told)).expect("never refused");
        driver.check();
        assert_eq!(driver.queue.digest() != before, outcome.is_change());
        outcome
    };
    assert_eq!(tell(child, Some("child"), 0), Outcome::Done(1));
    assert_eq!(tell(child, Some("child"), 0), Outcome::Done(0), "twice");
    assert_eq!(tell(child, Some("child"), 2), Outcome::Done(0), "there is no such parent");
    assert_eq!(tell(child, Some("other"), 0), Outcome::Done(0), "another has the id by now");
    assert_eq!(tell(child, None, 1), Outcome::Done(0), "it is not known by that number");
    assert_eq!(tell(other, Some("child"), 1), Outcome::Done(0), "another has the number");
    assert_eq!(tell(child, Some("child"), 1), Outcome::Done(1));
    assert_eq!(driver.state("child"), READY);
    assert_eq!(driver.state("other"), HELD);
}

#[test]
fn a_step_that_is_not_of_the_history_is_refused_and_changes_nothing() {
    let mut driver = Driver::new();
    driver.publish_into(StateKind::Completed, "done");
    driver.publish(job("there").id("there"));
    let before = driver.queue.digest();
    for id in ["done", "never"] {
        let child = Child { ulid: Ulid::from_bits(1), given: None };
        let parents = [("there", 0), (id, 1)].map(|(id, at)| (jobq_engine::JobId::Given(id), at));
        let follow =
            jobq_engine::Follow { queue: b"b", children: vec![child], parents: parents.into() };
        let refused = driver.queue.apply(Operation::Follow(follow));
        assert!(matches!(refused, Err(Refusal::Diverged(_))), "{refused:?}");
        assert_eq!(driver.queue.digest(), before);
    }
}

#[test]
fn a_copy_has_no_followers() {
    let mut two = family();
    two.settle("a", "parent", BURY);
    two.tick_all(1);
    let mut copy = Driver { queue: two.get("a").clone() };
    assert_eq!((copy.queue.outsiders(), copy.queue.outbox_len()), (3, 1));
    copy.queue.forget_outsiders();
    copy.pass(0);
    assert_eq!((copy.queue.outsiders(), copy.queue.outbox_len()), (0, 0));
    assert_eq!(reloaded(&copy.queue).digest(), copy.queue.digest());
}

#[test]
fn a_queue_is_not_idle_before_what_it_has_for_others_is_delivered() {
    let mut driver = Driver::new();
    driver.configure(&[jobq_engine::Setting::IdleExpire(jobq_engine::Millis(5))]);
    driver.publish(job("parent").id("parent"));
    let child = Child { ulid: Ulid::from_bits(1), given: None };
    driver.follow("b", &[child], "parent", 0);
    driver.delete(&["parent"]);
    driver.pass(0);
    assert_eq!((driver.queue.len(), driver.queue.idle_ends()), (0, None));
    let delivered = Operation::Delivered { effects: 1 };
    assert_eq!(driver.queue.apply(delivered), Ok(Outcome::Done(1)));
    assert_eq!(driver.queue.idle_ends(), Some(UnixMillis(START + 5)));
}
