//! What a queue tells of its changes, and what a job remembers of its own.

use jobq_engine::{
    BatchOrder, Cause, Change, Corrupt, Holder, IfDead, Millis, Otherwise, Queue, Retain, Revival,
    Setting, Side, StateKind, UnixMillis, Verdict, WhenExpired, TRAIL_MAX,
};

use crate::{
    fold::Fold,
    support::{job, load, reloaded, Driver, ANYONE, BURY, FREE, NACK, RELEASE, START},
};

const POSTMAN: Holder<&[u8]> = Holder { worker: b"postman", ..ANYONE };

/// A queue that keeps so many events, and begins with none.
fn keeping(events: u32) -> Driver {
    let mut driver = Driver::new();
    driver.configure(&[Setting::Events(events)]);
    driver
}

/// The events behind a number: why, which job, where from, where to, whose.
fn told(queue: &Queue, after: u64) -> Vec<String> {
    let name = |state: Option<StateKind>| state.map_or("-", StateKind::name);
    let line = |event: jobq_engine::Happening<'_>| {
        let id = event.job.map_or("-".to_owned(), |job| job.to_string());
        let worker = String::from_utf8_lossy(event.worker);
        let line =
            format!("{} {id} {}>{} {worker}", event.cause.word(), name(event.from), name(event.to));
        line.trim_end().to_owned()
    };
    queue.events_after(after).map(line).collect()
}

/// What a job remembers: why, where from, where to, whose.
fn trail(driver: &Driver, id: &str) -> Vec<String> {
    let name = |state: Option<StateKind>| state.map_or("-", StateKind::name);
    let line = |step: jobq_engine::TrailStep<'_>| {
        let worker = String::from_utf8_lossy(step.worker);
        let line = format!("{} {}>{} {worker}", step.cause.word(), name(step.from), name(step.to));
        line.trim_end().to_owned()
    };
    driver.job(id).trail().map(line).collect()
}

#[test]
fn each_operation_that_changes_a_job_leaves_exactly_the_event_that_says_so() {
    type Way = (&'static [&'static str], fn(&mut Driver));
    type Case = (fn(&mut Driver), Way);
    let take = |driver: &mut Driver| drop(driver.consume_as(POSTMAN, 1));
    let ways: [Case; 40] = [
        (
            |_| {},
            (&["published a ->ready"], |d| {
                d.publish(job("").id("a"));
            }),
        ),
        (
            |_| {},
            (&["published a ->delayed"], |d| {
                d.publish(job("").id("a").delay(9));
            }),
        ),
        (
            |_| {},
            (&["published a ->held"], |d| {
                d.publish(job("").id("a").when("g"));
            }),
        ),
        (ready, (&["leased a ready>leased postman"], take)),
        (
            leased,
            (&[], |d| {
                d.touch("a", None);
            }),
        ),
        (
            leased,
            (&["acked a leased>- postman"], |d| {
                d.ack("a");
            }),
        ),
        (
            kept,
            (&["acked a leased>completed postman"], |d| {
                d.ack("a");
            }),
        ),
        (
            leased,
            (&["fulfilled a leased>- postman"], |d| {
                d.fulfill("a", "7", None);
            }),
        ),
        (
            kept,
            (&["fulfilled a leased>completed postman"], |d| {
                d.fulfill("a", "7", None);
            }),
        ),
        (
            ready,
            (&["fulfilled a ready>-"], |d| {
                d.fulfill("a", "7", None);
            }),
        ),
        (
            leased,
            (&["nacked a leased>delayed postman"], |d| {
                d.nack("a");
            }),
        ),
        (
            leased,
            (&["nacked a leased>ready postman"], |d| {
                d.settle(&["a"], Verdict::Nack { delay: Some(Millis(0)), error: None });
            }),
        ),
        (
            last,
            (&["nacked a leased>dead postman"], |d| {
                d.nack("a");
            }),
        ),
        (
            leased,
            (&["released a leased>ready postman"], |d| {
                d.release("a");
            }),
        ),
        (
            leased,
            (&["released a leased>delayed postman"], |d| {
                d.settle(&["a"], Verdict::Release { delay: Millis(9), counted: true });
            }),
        ),
        (
            leased,
            (&["buried a leased>dead postman"], |d| {
                d.bury("a");
            }),
        ),
        (
            ready,
            (&["buried a ready>dead"], |d| {
                d.bury("a");
            }),
        ),
        (leased, (&["lapsed a leased>ready postman"], |d| d.pass(100))),
        (last, (&["lapsed a leased>dead postman"], |d| d.pass(100))),
        (delayed, (&["due a delayed>ready"], |d| d.pass(50))),
        (
            delayed,
            (&["kicked a delayed>ready"], |d| {
                d.kick(&["a"]);
            }),
        ),
        (
            held,
            (&["freed a held>ready"], |d| {
                d.open(&["g"]);
                d.pass(0);
            }),
        ),
        (
            held,
            (&["kicked a held>ready"], |d| {
                d.kick(&["a"]);
            }),
        ),
        (ready, (&["expired a ready>-"], |d| d.pass(500))),
        (urgent, (&["overdue a ready>dead"], |d| d.pass(60))),
        (
            dead,
            (&["respawned a dead>ready"], |d| {
                d.respawn(&["a"], Revival::default());
            }),
        ),
        (
            dead,
            (&["respawned a dead>delayed"], |d| {
                d.respawn(&["a"], Revival { delay: Millis(5), ..Revival::default() });
            }),
        ),
        (
            ready,
            (&["deleted a ready>-"], |d| {
                d.delete(&["a"]);
            }),
        ),
        (
            leased,
            (&["deleted a leased>- postman"], |d| {
                d.delete(&["a"]);
            }),
        ),
        (
            ready,
            (&["cancelled a ready>-"], |d| {
                d.cancel("a");
            }),
        ),
        (
            leased,
            (&["cancelled a leased>leased postman"], |d| {
                d.cancel("a");
            }),
        ),
        (
            leased,
            (&["cancelled a leased>leased postman", "cancelled a leased>- postman"], |d| {
                d.cancel("a");
                d.release("a");
            }),
        ),
        (
            ready,
            (&["purged a ready>-"], |d| {
                d.purge(StateKind::Ready, 1);
                d.pass(0);
            }),
        ),
        (
            ready,
            (&["replaced a ready>-", "published b ->ready"], |d| {
                d.publish(job("").id("b").replaces("a"));
            }),
        ),
        (
            ready,
            (&["updated a ready>ready"], |d| {
                d.update("a", Change { priority: Some(3), ..Change::default() }).expect("it is");
            }),
        ),
        (
            delayed,
            (&["updated a delayed>ready"], |d| {
                let change = Change { due: Some(jobq_engine::Due::Now), ..Change::default() };
                d.update("a", change).expect("it is");
            }),
        ),
        (
            ready,
            (&["updated a ready>delayed"], |d| {
                let due = Some(jobq_engine::Due::In(Millis(3)));
                d.update("a", Change { due, ..Change::default() }).expect("it is");
            }),
        ),
        (
            |_| {},
            (&["paused - ->-", "resumed - ->-"], |d| {
                d.pause(Side::In, 0);
                d.resume();
            }),
        ),
        (
            |_| {},
            (&["paused - ->-", "resumed - ->-"], |d| {
                d.pause(Side::Both, 9);
                d.pass(9);
            }),
        ),
        (|_| {}, (&["configured - ->-"], |d| d.configure(&[Setting::Tries(3)]))),
    ];
    for (begin, (expected, act)) in ways {
        let mut driver = keeping(100);
        begin(&mut driver);
        let before = driver.queue.events_made();
        act(&mut driver);
        assert_eq!(told(&driver.queue, before), expected);
        Fold::default().follow(&driver.queue);
    }
}

fn ready(driver: &mut Driver) {
    driver.publish(job("").id("a").ttl(500));
}

fn delayed(driver: &mut Driver) {
    driver.publish(job("").id("a").delay(50));
}

fn held(driver: &mut Driver) {
    driver.publish(job("").id("a").when("g"));
}

fn urgent(driver: &mut Driver) {
    driver.publish(job("").id("a").deadline(START + 60));
}

fn dead(driver: &mut Driver) {
    driver.publish_into(StateKind::Dead, "a");
}

fn leased(driver: &mut Driver) {
    driver.publish(job("").id("a").ttr(100));
    driver.consume_as(POSTMAN, 1);
}

fn kept(driver: &mut Driver) {
    driver.publish(job("").id("a").ttr(100).retain(Retain::Forever));
    driver.consume_as(POSTMAN, 1);
}

fn last(driver: &mut Driver) {
    driver.publish(job("").id("a").ttr(100).tries(1));
    driver.consume_as(POSTMAN, 1);
}

#[test]
fn what_follows_from_a_change_is_told_behind_it() {
    let mut driver = keeping(100);
    driver.configure(&[Setting::DeadMax(1), Setting::Retain(Retain::For(Millis(5)))]);
    driver.publish_into(StateKind::Dead, "old");
    driver.publish(job("").id("a"));
    driver.publish(job("").id("child").after(&["a"], IfDead::Bury));
    let before = driver.queue.events_made();
    driver.bury("a");
    driver.pass(0);
    let expected =
        ["buried a ready>dead", "pruned old dead>-", "orphaned child held>dead", "pruned a dead>-"];
    assert_eq!(told(&driver.queue, before), expected);

    let before = driver.queue.events_made();
    driver.publish(job("").id("b").unique("k").delay(7));
    let again = job("").unique("k").otherwise(Otherwise::Replace);
    assert_eq!(driver.publish(again.clone().delay(9)), "b");
    assert_eq!(driver.publish(again.clone()), "b");
    assert_eq!(driver.publish(again), "b");
    driver.fulfill("b", "", None);
    driver.pass(5);
    let expected = [
        "published b ->delayed",
        "renewed b delayed>delayed",
        "renewed b delayed>ready",
        "renewed b ready>ready",
        "fulfilled b ready>completed",
        "retired b completed>-",
    ];
    assert_eq!(told(&driver.queue, before), expected);
}

#[test]
fn an_expired_job_that_is_kept_is_dead_of_that() {
    let mut driver = keeping(100);
    driver.configure(&[Setting::Expired(WhenExpired::Bury)]);
    ready(&mut driver);
    let before = driver.queue.events_made();
    driver.pass(500);
    assert_eq!(told(&driver.queue, before), ["expired a ready>dead"]);
}

#[test]
fn all_jobs_of_a_batch_tell_of_its_delivery_and_of_its_end() {
    let mut driver = keeping(100);
    driver.configure(&[Setting::BatchSize { key: None, jobs: 2 }]);
    let before = driver.queue.events_made();
    driver.publish(job("").id("a").batch("k").tries(2));
    driver.publish(job("").id("b").batch("k").tries(2));
    driver.consume_as(POSTMAN, 1);
    driver.release("a");
    driver.consume_as(POSTMAN, 1);
    driver.settle(&["a"], Verdict::Nack { delay: Some(Millis(0)), error: None });
    driver.consume_as(FREE, 1);
    driver.ack("a");
    let expected = [
        "published a ->held",
        "freed a held>gathering",
        "published b ->held",
        "freed b held>gathering",
        "leads a gathering>ready",
        "leased a ready>leased postman",
        "leased b gathering>gathering postman",
        "released b gathering>gathering postman",
        "released a leased>ready postman",
        "leased a ready>leased postman",
        "leased b gathering>gathering postman",
        "nacked b gathering>gathering postman",
        "nacked a leased>ready postman",
        "leased a ready>leased",
        "leased b gathering>gathering",
        "acked b gathering>-",
        "acked a leased>-",
    ];
    assert_eq!(told(&driver.queue, before), expected);
    Fold::default().follow(&driver.queue);
}

#[test]
fn who_goes_with_a_job_that_is_removed_leads_in_its_place() {
    let mut driver = keeping(100);
    driver.configure(&[Setting::BatchSize { key: None, jobs: 2 }]);
    driver.publish(job("").id("a").batch("k"));
    driver.publish(job("").id("b").batch("k"));
    let before = driver.queue.events_made();
    driver.delete(&["a"]);
    assert_eq!(told(&driver.queue, before), ["deleted a ready>-", "leads b gathering>ready"]);
    driver.publish(job("").id("c").batch("k"));
    let before = driver.queue.events_made();
    driver.order_batch("k", BatchOrder::Delete);
    assert_eq!(told(&driver.queue, before), ["deleted c gathering>-"]);
}

#[test]
fn a_queue_keeps_nothing_unless_told_to() {
    let mut driver = Driver::new();
    let before = driver.queue.bytes();
    leased(&mut driver);
    driver.ack("a");
    assert_eq!((driver.queue.events_made(), driver.queue.events_kept()), (0, 0));
    assert!(driver.queue.take_changes().is_empty());
    assert_eq!(driver.queue.events_after(0).count(), 0);

    driver.configure(&[Setting::Events(1_000)]);
    (0..1_000).for_each(|_| drop(driver.publish(job(""))));
    assert!(driver.queue.bytes() > before + 32_000);
    driver.configure(&[Setting::Events(0)]);
    assert_eq!((driver.queue.events_made(), driver.queue.events_kept()), (1_001, 0));
    driver.purge(StateKind::Ready, u64::MAX);
    driver.pass(0);
    // What is known of the past stays.
    assert!(driver.queue.bytes() < before + 8_000, "the ring is given back");
}

#[test]
fn a_ring_that_is_made_smaller_gives_its_memory_back() {
    let mut driver = keeping(1_000);
    driver.publish(job("").id("a"));
    for n in 0..50 {
        let worker = format!("worker {n}").repeat(10);
        let holder = Holder { worker: worker.as_bytes(), ..ANYONE };
        for _ in 0..10 {
            driver.consume_as(holder.clone(), 1);
            driver.release("a");
        }
    }
    let (full, last) = (driver.queue.bytes(), told(&driver.queue, driver.queue.events_made() - 9));
    driver.configure(&[Setting::Events(10)]);
    assert_eq!(told(&driver.queue, 0)[..9], last);
    let given_back = full - driver.queue.bytes();
    assert!(given_back > 990 * 32 + 49 * 80, "{given_back} bytes, with the names");
    driver.check();
}

#[test]
fn the_oldest_events_make_room_and_numbers_go_on() {
    let mut driver = keeping(3);
    (0..5).for_each(|_| drop(driver.publish(job(""))));
    let numbers = |driver: &Driver, after| -> Vec<u64> {
        driver.queue.events_after(after).map(|event| event.number).collect()
    };
    assert_eq!(driver.queue.events_made(), 6, "with that of the setting");
    assert_eq!(numbers(&driver, 0), [4, 5, 6]);
    assert_eq!(numbers(&driver, 4), [5, 6]);
    assert_eq!(numbers(&driver, 6), []);
    assert_eq!(numbers(&driver, u64::MAX), []);

    driver.configure(&[Setting::Events(2)]);
    assert_eq!(numbers(&driver, 0), [6, 7], "fewer are kept at once");
    driver.configure(&[Setting::Events(0)]);
    (0..5).for_each(|_| drop(driver.publish(job(""))));
    assert_eq!(driver.queue.events_made(), 7);
    driver.configure(&[Setting::Events(10)]);
    assert_eq!(numbers(&driver, 7), [9], "all that nobody kept has one number");
    let again = reloaded(&driver.queue);
    assert_eq!((again.events_made(), again.digest()), (9, driver.queue.digest()));
}

#[test]
fn an_event_is_32_bytes_and_names_are_kept_once() {
    let mut driver = keeping(10_000);
    let worker = [b'w'; 200];
    let holder = Holder { worker: &worker[..], ..ANYONE };
    for _ in 0..300 {
        driver.publish(job(""));
        let taken = driver.consume_as(holder.clone(), 1);
        driver.ack(&taken[0].receipt);
    }
    assert!(driver.queue.bytes() < 32 * 1_024 + 10_000, "{}", driver.queue.bytes());
}

#[test]
fn events_and_trails_survive_a_snapshot() {
    let mut driver = keeping(50);
    driver.configure(&[Setting::Trail(3)]);
    (0..30).for_each(|_| drop(driver.publish(job(""))));
    leased(&mut driver);
    driver.nack("a");
    driver.pause(Side::In, 0);
    let again = reloaded(&driver.queue);
    again.check_invariants().expect("sound");
    assert_eq!(again.digest(), driver.queue.digest());
    assert_eq!(told(&again, 0), told(&driver.queue, 0));
    let slot = again.find(&crate::support::named("a")).expect("it is there");
    assert!(again.job(slot).trail().eq(driver.job("a").trail()));

    // More than one frame has room for.
    let mut driver = keeping(20_000);
    (0..10_000).for_each(|_| drop(driver.publish(job(""))));
    let again = reloaded(&driver.queue);
    assert_eq!(again.digest(), driver.queue.digest());
    assert_eq!(again.events_kept(), 10_001);
}

#[test]
fn frames_with_events_that_cannot_be_are_refused() {
    let mut driver = keeping(50);
    leased(&mut driver);
    let frames: Vec<_> = driver.queue.frames().collect();
    assert_eq!(frames.len(), 3, "the queue, its events, its jobs");
    assert_eq!(load(&[&frames[..1], &frames[2..]].concat()).err(), Some(Corrupt::Incomplete));
    assert_eq!(load(&frames[..2]).err(), Some(Corrupt::Incomplete));
    // The place of the cause in the first event, behind the length and the instant.
    let mut bad = frames.clone();
    bad[1][10 + 4 + 8] = 200;
    assert_eq!(load(&bad).err(), Some(Corrupt::Value("event")));
    let mut bad = frames.clone();
    bad[1][10 + 4 + 9] = 0x8f;
    assert_eq!(load(&bad).err(), Some(Corrupt::Value("event")));
    let mut bad = frames;
    bad[1][10 + 4 + 7] = 0xff;
    assert_eq!(load(&bad).err(), Some(Corrupt::Value("instant")));
}

#[test]
fn a_job_remembers_its_last_changes_where_the_queue_says_so() {
    let mut driver = Driver::new();
    leased(&mut driver);
    assert_eq!(trail(&driver, "a"), Vec::<String>::new());
    driver.release("a");
    driver.configure(&[Setting::Trail(4)]);
    driver.consume_as(POSTMAN, 1);
    driver.settle(&["a"], NACK);
    driver.kick(&["a"]);
    let expected =
        ["leased ready>leased postman", "nacked leased>delayed postman", "kicked delayed>ready"];
    assert_eq!(trail(&driver, "a"), expected);
    driver.pass(3);
    driver.consume_as(ANYONE, 1);
    driver.settle(&["a"], RELEASE);
    let expected = [
        "nacked leased>delayed postman",
        "kicked delayed>ready",
        "leased ready>leased",
        "released leased>ready",
    ];
    assert_eq!(trail(&driver, "a"), expected);
    let last = driver.job("a").trail().last().map(|step| step.at);
    assert_eq!(last, Some(UnixMillis(START + 3)));

    driver.configure(&[Setting::Trail(1)]);
    driver.settle(&["a"], BURY);
    assert_eq!(trail(&driver, "a"), ["buried ready>dead"], "also of a dead job");
    driver.delete(&["a"]);
}

#[test]
fn a_job_loses_its_trail_at_its_next_change_once_none_are_kept() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::Trail(4)]);
    driver.publish(job("").id("a"));
    driver.publish(job("").id("b"));
    driver.consume_as(POSTMAN, 1);
    driver.configure(&[Setting::Trail(0)]);
    driver.queue = reloaded(&driver.queue);
    assert_eq!(trail(&driver, "a"), ["published ->ready", "leased ready>leased postman"]);
    let before = driver.job("a").heap_bytes();
    driver.settle(&["a"], BURY);
    assert_eq!(trail(&driver, "a"), Vec::<String>::new());
    assert_eq!(before - driver.job("a").heap_bytes(), 2 * 9 + 7);
    assert_eq!(trail(&driver, "b"), ["published ->ready"]);
    driver.delete(&["b"]);
    driver.respawn(&["a"], Revival::default());
    assert_eq!(trail(&driver, "a"), Vec::<String>::new(), "nor is another begun");
}

#[test]
fn a_trail_is_of_sixteen_changes_at_most_and_its_memory_is_counted() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::Trail(TRAIL_MAX)]);
    driver.publish(job("").id("a"));
    let go_round = |driver: &mut Driver| {
        driver.consume_as(POSTMAN, 1);
        driver.settle(&["a"], RELEASE);
    };
    go_round(&mut driver);
    let before = driver.queue.bytes();
    (0..20).for_each(|_| go_round(&mut driver));
    assert_eq!(trail(&driver, "a").len(), 16);
    // Nine bytes a change, and the worker's name: one without it and two with it before.
    assert_eq!(driver.queue.bytes() - before, 16 * (9 + 7) - (9 + 2 * (9 + 7)));
    driver.ack("a");
    driver.delete(&["a"]);
    driver.check();
}

#[test]
fn who_listens_hears_the_cause_of_each_change_once() {
    let mut driver = Driver::new();
    driver.queue.hear_changes(true);
    leased(&mut driver);
    assert_eq!(driver.queue.take_changes(), [Cause::Published, Cause::Leased]);
    driver.ack("a");
    driver.pause(Side::Out, 0);
    assert_eq!(driver.queue.take_changes(), [Cause::Acked, Cause::Paused]);
    driver.queue.hear_changes(false);
    leased(&mut driver);
    assert!(driver.queue.take_changes().is_empty());
    assert_eq!(driver.queue.events_made(), 0, "to listen leaves no trace in the queue");
}

#[test]
fn each_cause_has_a_word_of_its_own_that_fits_the_wire() {
    let mut words = Cause::ALL.map(Cause::word);
    assert!(words.iter().all(|word| (1..=11).contains(&word.len())));
    for (place, cause) in Cause::ALL.into_iter().enumerate() {
        assert_eq!(cause as usize, place, "its number is its place");
    }
    words.sort_unstable();
    assert!(words.windows(2).all(|pair| pair[0] != pair[1]));
}
