//! What a worker that gave its name hears of its leases.

use jobq_engine::{Holder, Millis, News, Revival, Side, StateKind, UnixMillis, Verdict};

use crate::support::{job, Delivery, Driver, ANYONE, BURY, START};

const POSTMAN: Holder<&[u8]> = Holder { worker: b"postman", ..ANYONE };

/// A queue with the job `a`, leased to a worker with a name, and its delivery.
fn leased() -> (Driver, Delivery) {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").ttr(100));
    driver.queue.hear_messages();
    let taken = driver.consume_as(POSTMAN, 1).pop().expect("it is ready");
    (driver, taken)
}

/// What there is to hear now.
fn told(driver: &mut Driver) -> Vec<(String, News)> {
    let now = driver.queue.clock();
    let messages = driver.queue.take_messages(now);
    driver.queue.hear_messages();
    let told = messages.into_iter().map(|message| {
        assert_eq!(&*message.worker, b"postman");
        (String::from_utf8_lossy(message.receipt.as_bytes()).into_owned(), message.news)
    });
    told.collect()
}

fn lost() -> Vec<(String, News)> {
    vec![("a@1".to_owned(), News::Lost)]
}

#[test]
fn a_worker_hears_of_every_end_of_its_lease_that_is_not_its_own_doing() {
    type Way = (&'static str, fn(&mut Driver));
    let ways: [Way; 11] = [
        ("a lapse", |driver| driver.pass(100)),
        ("a deletion", |driver| assert_eq!(driver.delete(&["a"]), 1)),
        ("a purge", |driver| {
            driver.purge(StateKind::Leased, 1);
            driver.pass(0);
        }),
        ("a replacement", |driver| drop(driver.publish(job("").replaces("a")))),
        ("a result", |driver| assert_eq!(driver.fulfill("a", "42", None), 1)),
        ("a burial", |driver| assert_eq!(driver.bury("a"), 1)),
        ("an ack", |driver| assert_eq!(driver.ack("a"), 1)),
        ("a nack", |driver| assert_eq!(driver.nack("a"), 1)),
        ("a release", |driver| assert_eq!(driver.release("a"), 1)),
        ("the end of its time to live", |driver| {
            let change = jobq_engine::Change { ttl: Some(Millis(10)), ..Default::default() };
            driver.update("a", change).expect("nothing to refuse");
            driver.pass(10);
        }),
        ("a lapse of what was its last try", |driver| {
            let change = jobq_engine::Change { tries: Some(1), ..Default::default() };
            driver.update("a", change).expect("nothing to refuse");
            driver.pass(100);
        }),
    ];
    for (way, end) in ways {
        let (mut driver, _) = leased();
        end(&mut driver);
        assert_eq!(told(&mut driver), lost(), "{way}");
        assert_eq!(told(&mut driver), [], "{way}, once");
    }
}

#[test]
fn a_worker_does_not_hear_of_what_was_done_with_its_receipt() {
    let verdicts = [
        Verdict::Ack,
        Verdict::Fulfill { result: b"", retain: None },
        crate::support::NACK,
        crate::support::RELEASE,
        BURY,
    ];
    for verdict in verdicts {
        let (mut driver, taken) = leased();
        assert_eq!(driver.settle(&[&taken.receipt], verdict), 1);
        assert_eq!(told(&mut driver), [], "{verdict:?}");
    }
    let (mut driver, taken) = leased();
    driver.publish(job("").id("a").replaces(&taken.receipt));
    assert_eq!(told(&mut driver), []);
    let (mut driver, taken) = leased();
    driver.delete(&[&taken.receipt]);
    assert_eq!(told(&mut driver), []);
}

#[test]
fn what_leaves_the_lease_as_it_is_is_not_told() {
    let (mut driver, taken) = leased();
    driver.touch(&taken.receipt, None);
    driver.touch("a", Some(50));
    let change = jobq_engine::Change { priority: Some(2), ..Default::default() };
    driver.update("a", change).expect("nothing to refuse");
    driver.pause(Side::Both, 0);
    driver.pass(40);
    assert_eq!(told(&mut driver), []);
}

#[test]
fn a_worker_without_a_name_hears_nothing() {
    let mut driver = Driver::new();
    driver.queue.hear_messages();
    driver.publish(job("").id("a").ttr(100).deadline(START + 5_000));
    driver.consume();
    assert_eq!(driver.queue.next_warning(), None);
    driver.cancel("a");
    driver.delete(&["a"]);
    assert_eq!(told(&mut driver), []);
}

#[test]
fn a_worker_hears_once_that_its_job_was_cancelled_and_then_that_the_lease_is_lost() {
    let (mut driver, taken) = leased();
    driver.cancel(&taken.receipt);
    driver.cancel("a");
    assert_eq!(told(&mut driver), [("a@1".to_owned(), News::Cancelled)]);
    driver.pass(100);
    assert_eq!(told(&mut driver), lost());
}

#[test]
fn a_worker_hears_once_that_the_deadline_of_its_job_comes_near() {
    for (ttr, before) in [(60_000, 5_000), (20_000, 2_000), (500_000, 5_000)] {
        let mut driver = Driver::new();
        driver.queue.hear_messages();
        driver.publish(job("").id("a").ttr(ttr).deadline(START + 90_000));
        let taken = driver.consume_as(POSTMAN, 1).pop().expect("it is ready");
        let warned = START + 90_000 - before;
        assert_eq!(driver.queue.next_warning(), Some(UnixMillis(warned)), "of {ttr}");
        while driver.now() + 10_000 < warned {
            driver.pass(10_000);
            driver.touch(&taken.receipt, None);
            assert_eq!(told(&mut driver), []);
        }
        driver.tick_to(warned - 1, 100);
        assert_eq!(told(&mut driver), []);
        driver.tick_to(warned, 100);
        assert_eq!(told(&mut driver), [("a@1".to_owned(), News::Deadline)]);
        driver.touch(&taken.receipt, None);
        assert_eq!((told(&mut driver), driver.queue.next_warning()), (vec![], None), "once");
        driver.tick_to(START + 90_000, 100);
        assert_eq!(told(&mut driver), lost(), "and then it is overdue");
    }
}

#[test]
fn a_job_that_has_ended_is_not_warned_of() {
    let ways: [fn(&mut Driver, &str); 4] = [
        |driver, receipt| assert_eq!(driver.ack(receipt), 1),
        |driver, receipt| assert_eq!(driver.release(receipt), 1),
        |driver, _| driver.pass(1_000),
        |driver, _| assert_eq!(driver.delete(&["a"]), 1),
    ];
    for end in ways {
        let mut driver = Driver::new();
        driver.queue.hear_messages();
        driver.publish(job("").id("a").ttr(1_000).deadline(START + 90_000));
        let taken = driver.consume_as(POSTMAN, 1).pop().expect("it is ready");
        assert!(driver.queue.next_warning().is_some());
        end(&mut driver, &taken.receipt);
        assert_eq!(driver.queue.next_warning(), None);
    }
}

#[test]
fn what_nobody_hears_is_not_kept_and_no_copy_tells_it() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").ttr(100).deadline(START + 5_000));
    driver.consume_as(POSTMAN, 1);
    driver.cancel("a");
    assert_eq!(driver.queue.next_warning(), None);
    assert_eq!(told(&mut driver), []);
    driver.bury("a");
    let mut copy = Driver { queue: driver.queue.clone() };
    assert_eq!(told(&mut copy), []);
    assert_eq!(told(&mut driver), lost());
    // A touch makes up for what a server missed that decides since then only.
    driver.respawn(&["a"], Revival::default());
    driver.publish(job("").id("b").ttr(100).deadline(START + 5_000));
    driver.queue.take_messages(UnixMillis(START));
    driver.consume_as(POSTMAN, 2);
    driver.queue.hear_messages();
    driver.touch("b", None);
    assert_eq!(driver.queue.next_warning(), Some(UnixMillis(START + 4_990)));
}
