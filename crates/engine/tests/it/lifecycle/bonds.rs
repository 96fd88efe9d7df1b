use jobq_engine::{Action, Bond, Change, Holder, Millis, StateKind};

use crate::support::{job, named, reloaded, Driver, ANYONE, FREE};

const ME: u64 = 7;
const ANOTHER: u64 = 8;

/// Takes the next job and binds its lease.
fn bound(driver: &mut Driver, owner: u64, grace: u64) -> String {
    let taken = driver.consume();
    bind(driver, owner, &taken.receipt, grace);
    taken.receipt
}

fn bind(driver: &mut Driver, owner: u64, receipt: &str, grace: u64) {
    let named = named(receipt);
    let (Some(slot), Some(token)) = (driver.queue.find(&named), named.token) else {
        panic!("{receipt} does not hold")
    };
    driver.queue.bind(owner, Bond { slot, token, grace: Millis(grace) });
}

fn bonds(driver: &Driver, owner: u64) -> Vec<(String, u64)> {
    let queue = &driver.queue;
    let told = |bond: Bond| {
        let receipt = queue.job(bond.slot).id().receipt(bond.token);
        (String::from_utf8_lossy(receipt.as_bytes()).into_owned(), bond.grace.0)
    };
    queue.bound_to(owner).map(told).collect()
}

#[test]
fn the_leases_of_an_owner_are_told_in_the_order_of_their_deliveries() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b", "c", "d"]);
    let first = bound(&mut driver, ME, 0);
    let other = bound(&mut driver, ANOTHER, 5);
    let second = bound(&mut driver, ME, 9);
    driver.consume();
    assert_eq!(bonds(&driver, ME), [(first, 0), (second, 9)]);
    assert_eq!(bonds(&driver, ANOTHER), [(other, 5)]);
    assert_eq!(driver.queue.owners().collect::<Vec<_>>(), [ME, ANOTHER]);
    driver.check();
}

#[test]
fn a_bond_ends_with_its_lease_whatever_ends_that() {
    type End = fn(&mut Driver, &str);
    let ends: [(&str, End); 11] = [
        ("ack", |driver, receipt| assert_eq!(driver.ack(receipt), 1)),
        ("ack by id", |driver, _| assert_eq!(driver.ack("a"), 1)),
        ("ack, kept", |driver, receipt| assert_eq!(driver.fulfill(receipt, "", None), 1)),
        ("nack", |driver, receipt| assert_eq!(driver.nack(receipt), 1)),
        ("release", |driver, receipt| assert_eq!(driver.release(receipt), 1)),
        ("bury", |driver, receipt| assert_eq!(driver.bury(receipt), 1)),
        ("delete", |driver, receipt| assert_eq!(driver.delete(&[receipt]), 1)),
        ("replace", |driver, _| drop(driver.publish(job("").replaces("a")))),
        ("lapse", |driver, _| driver.pass(50)),
        ("expiry", |driver, _| driver.pass(30)),
        ("purge", |driver, _| {
            driver.purge(StateKind::Leased, 1);
            driver.pass(0);
        }),
    ];
    for (name, end) in ends {
        let mut driver = Driver::new();
        let ttl = if name == "expiry" { 30 } else { 0 };
        driver.publish(job("").id("a").ttr(50).ttl(ttl));
        let receipt = bound(&mut driver, ME, 0);
        assert_eq!(driver.queue.take_unbound(), [], "{name}");
        end(&mut driver, &receipt);
        assert_eq!(bonds(&driver, ME), [], "{name}");
        assert_eq!(driver.queue.take_unbound(), [ME], "{name}");
        assert_eq!(driver.queue.take_unbound(), [], "{name}: told once");
        driver.check();
    }
}

#[test]
fn an_owner_is_free_only_when_none_of_its_leases_holds() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b", "c"]);
    let first = bound(&mut driver, ME, 0);
    let second = bound(&mut driver, ME, 0);
    driver.ack(&first);
    assert_eq!(driver.queue.take_unbound(), []);
    driver.ack(&second);
    let third = bound(&mut driver, ME, 0);
    assert_eq!(driver.queue.take_unbound(), [], "it has another one by now");
    driver.ack(&third);
    assert_eq!(driver.queue.take_unbound(), [ME]);
}

#[test]
fn a_bond_stays_while_its_lease_does() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    let receipt = bound(&mut driver, ME, 3);
    driver.touch(&receipt, Some(90_000));
    let change = Change { priority: Some(-1), ttl: Some(Millis(80_000)), ..Change::default() };
    driver.update("a", change).expect("nothing to refuse");
    assert_eq!(bonds(&driver, ME), [(receipt.clone(), 3)]);
    bind(&mut driver, ANOTHER, &receipt, 4);
    assert_eq!(bonds(&driver, ME), [], "who binds it last has it");
    assert_eq!(bonds(&driver, ANOTHER), [(receipt, 4)]);
    assert_eq!(driver.queue.take_unbound(), [ME]);
    driver.check();
}

#[test]
fn a_touch_frees_a_lease_whose_owner_has_gone() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b"]);
    let touched = bound(&mut driver, ME, 100);
    let left = bound(&mut driver, ME, 100);
    driver.queue.orphan(ANOTHER);
    driver.queue.orphan(ME);
    driver.touch(&touched, None);
    assert_eq!(bonds(&driver, ME), [(left.clone(), 100)]);
    driver.touch(&left, None);
    assert_eq!(driver.queue.take_unbound(), [ME]);
    assert_eq!(driver.ack(&touched) + driver.ack(&left), 2, "both leases hold on");
    driver.publish(job("c"));
    let again = bound(&mut driver, ME, 0);
    driver.touch(&again, None);
    assert_eq!(bonds(&driver, ME).len(), 1, "nothing is remembered of an owner that is free");
    driver.check();
}

#[test]
fn a_lease_that_does_not_hold_is_not_bound() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a"));
    let receipt = bound(&mut driver, ME, 0);
    let (first, slot) = (named(&receipt), driver.queue.find_id("a").expect("known"));
    let token = first.token.expect("a receipt");
    driver.release(&receipt);
    driver.queue.bind(ANOTHER, Bond { slot, token, grace: Millis(0) });
    driver.consume();
    driver.queue.bind(ANOTHER, Bond { slot, token, grace: Millis(0) });
    driver.delete(&["a"]);
    driver.queue.bind(ANOTHER, Bond { slot, token, grace: Millis(0) });
    assert_eq!(driver.queue.owners().count(), 0);
    driver.check();
}

#[test]
fn bonds_are_no_part_of_what_a_queue_is() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b"]);
    driver.consume_as(Holder { worker: b"w", ..FREE }, 1);
    let taken = driver.consume_as(ANYONE, 1).remove(0);
    let before = driver.queue.digest();
    bind(&mut driver, ME, &taken.receipt, 5);
    assert_eq!(driver.queue.digest(), before);
    assert_eq!(driver.queue.clone().owners().count(), 0);
    assert_eq!(reloaded(&driver.queue).owners().count(), 0);
    let ack =
        Action::Settle { jobs: [named(&taken.receipt)].into(), verdict: jobq_engine::Verdict::Ack };
    let mut copy = driver.queue.clone();
    copy.act(&ack).expect("nothing to refuse");
    driver.queue.act(&ack).expect("nothing to refuse");
    assert_eq!(driver.queue.digest(), copy.digest());
}
