use std::collections::BTreeSet;

use jobq_engine::{
    BatchOrder, Corrupt, Counters, Grain, Histogram, Millis, Queue, Retain, Revival, Row, Setting,
    StateKind, Time, UnixMillis, WhenExpired, DUE_SPANS, SUMMARY, TYPES_MAX,
};

use crate::support::{job, load, reloaded, Dice, Driver, ANYONE, START};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn counts_of(driver: &Driver, job_type: &str) -> Counters {
    driver.queue.types().get(job_type.as_bytes()).map(|it| it.counts).unwrap_or_default()
}

fn time(driver: &Driver, time: Time) -> (u64, u64, u64) {
    let it = driver.queue.times().of(time);
    (it.count(), it.sum(), it.max().0)
}

/// The rows there are, each with its beginning in units of the grain, and the counts that are not 0.
fn rows(driver: &Driver, grain: Grain) -> Vec<(u64, Vec<(&'static str, u64)>)> {
    let unit = match grain {
        Grain::Minutes => MINUTE,
        Grain::Hours => HOUR,
        Grain::Days => DAY,
    };
    let told = |row: Row| {
        assert_eq!(row.since.0 % unit, 0, "{row:?}");
        let counts = row.named().into_iter().filter(|(_, count)| *count > 0);
        (row.since.0 / unit, counts.collect())
    };
    driver.queue.history(grain, driver.queue.clock()).into_iter().map(told).collect()
}

#[test]
fn what_happens_to_a_job_is_counted_for_its_type_as_for_the_queue() {
    type Way = fn(&mut Driver);
    let ways: [(&str, Way); 17] = [
        ("acked", |driver| assert_eq!(take(driver, Driver::ack), 1)),
        ("fulfilled", |driver| assert_eq!(driver.fulfill("a", "", None), 1)),
        ("nacked", |driver| assert_eq!(take(driver, Driver::nack), 1)),
        ("released", |driver| assert_eq!(take(driver, Driver::release), 1)),
        ("buried", |driver| assert_eq!(driver.bury("a"), 1)),
        ("died", |driver| assert_eq!(driver.bury("a"), 1)),
        ("touched", |driver| {
            let receipt = driver.consume().receipt;
            driver.touch(&receipt, None).expect("it holds");
        }),
        ("lapsed", |driver| {
            driver.consume();
            driver.pass(50);
        }),
        ("expired", |driver| driver.pass(100)),
        ("overdue", |driver| {
            driver.publish(job("").id("b").job_type("mail").deadline(START + 90));
            driver.consume_as(ANYONE, 2);
            driver.touch("b", Some(200));
            driver.pass(90);
        }),
        ("kicked", |driver| {
            driver.publish(job("").id("b").job_type("mail").delay(5));
            driver.kick(&["b"]);
        }),
        ("respawned", |driver| {
            driver.bury("a");
            driver.respawn(&["a"], Revival::default());
        }),
        ("deleted", |driver| assert_eq!(driver.delete(&["a"]), 1)),
        ("cancelled", |driver| assert!(driver.cancel("a").is_some())),
        ("replaced", |driver| drop(driver.publish(job("").replaces("a")))),
        ("purged", |driver| {
            driver.purge(StateKind::Ready, 1);
            driver.pass(0);
        }),
        ("updated", |driver| {
            driver.update("a", Default::default()).expect("nothing to refuse");
        }),
    ];
    for (name, way) in ways {
        let mut driver = Driver::new();
        driver.publish(job("").id("a").job_type("mail").ttr(50).ttl(100));
        assert_eq!(counts_of(&driver, "mail").published, 1);
        way(&mut driver);
        let of_queue = *driver.queue.counters();
        let count =
            |counts: Counters| counts.named().into_iter().find(|it| it.0 == name).map(|it| it.1);
        assert_eq!(count(counts_of(&driver, "mail")), Some(1), "{name}");
        assert_eq!(count(of_queue), Some(1), "{name}");
        if name != "replaced" {
            assert_eq!(counts_of(&driver, "mail"), of_queue, "{name}");
        }
        assert_eq!(reloaded(&driver.queue).digest(), driver.queue.digest(), "{name}");
    }
}

fn take(driver: &mut Driver, settle: fn(&mut Driver, &str) -> u64) -> u64 {
    let receipt = driver.consume().receipt;
    settle(driver, &receipt)
}

#[test]
fn jobs_without_a_type_are_counted_for_the_queue_alone() {
    let mut driver = Driver::new();
    for draft in [job("plain"), job("with options").priority(3).ttr(9)] {
        driver.publish(draft);
        assert_eq!(take(&mut driver, Driver::ack), 1);
    }
    assert_eq!((driver.queue.types().len(), driver.queue.types().iter().count()), (0, 0));
    driver.publish(job("typed").job_type("mail"));
    driver.publish(job("plain"));
    driver.publish(job("with options").priority(3).ttr(9));
    assert_eq!((counts_of(&driver, "mail").published, driver.queue.counters().published), (1, 5));
}

#[test]
fn a_type_keeps_its_numbers_when_its_jobs_are_gone_and_their_terms_are_given_to_others() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::Tries(9)]);
    for round in 1..=3 {
        for (job_type, priority) in [("mail", 1), ("fax", 2), ("", 3)] {
            driver.publish(job("").job_type(job_type).priority(priority));
        }
        driver.configure(&[Setting::Tries(9 + round)]);
        driver.publish(job("default"));
        while let Some(taken) = driver.consume_as(ANYONE, 1).pop() {
            driver.ack(&taken.receipt);
        }
        for name in ["mail", "fax"] {
            let counts = counts_of(&driver, name);
            assert_eq!((counts.published, counts.acked), (u64::from(round), u64::from(round)));
        }
    }
    assert_eq!(driver.queue.counters().acked, 12);
    let names: Vec<_> = driver.queue.types().iter().filter_map(|it| it.name()).collect();
    assert_eq!(names, [b"fax".as_slice(), b"mail"], "in the order of their bytes");
}

#[test]
fn so_many_types_are_counted_by_name_and_all_others_together() {
    let mut driver = Driver::new();
    let others = 40;
    for n in (0..TYPES_MAX + others).rev() {
        driver.publish(job("").job_type(&format!("type {n:03}")));
    }
    driver.publish(job("").job_type("type 000"));
    assert_eq!(driver.queue.types().len(), TYPES_MAX);
    let told: Vec<_> = driver.queue.types().iter().collect();
    assert_eq!(told.len(), TYPES_MAX + 1);
    assert!(told[..TYPES_MAX].is_sorted_by_key(|it| it.name()));
    assert_eq!((told[0].name(), told[0].counts.published), (Some(&b"type 040"[..]), 1));
    let rest = told[TYPES_MAX];
    assert_eq!((rest.name(), rest.counts.published), (None, others as u64 + 1));
    assert!(driver.queue.types().get(b"type 000").is_none());
    assert!(driver.queue.types().get(b"").is_none());
    driver.check();
    assert_eq!(reloaded(&driver.queue).digest(), driver.queue.digest());

    let bytes = driver.queue.bytes();
    for n in 0..1_000 {
        driver.publish(job("").id("one").job_type(&format!("another {n}")));
        driver.delete(&["one"]);
    }
    assert!(driver.queue.bytes() < bytes + 2_000, "what comes later takes no memory");
}

#[test]
fn each_span_is_measured_from_its_beginning_to_its_end() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").job_type("mail").delay(1_000));
    // The server comes to it 30 ms late.
    driver.pass(1_030);
    assert_eq!(time(&driver, Time::Lateness), (1, 30, 30));
    driver.pass(70);
    assert_eq!(time(&driver, Time::Wait), (0, 0, 0));
    let taken = driver.consume();
    assert_eq!(time(&driver, Time::Wait), (1, 70, 70));
    driver.pass(500);
    driver.touch(&taken.receipt, None);
    driver.pass(400);
    assert_eq!(time(&driver, Time::Run), (0, 0, 0));
    driver.ack(&taken.receipt);
    assert_eq!(time(&driver, Time::Run), (1, 900, 900), "a touch does not begin it anew");
    assert_eq!(time(&driver, Time::PublishToAck), (1, 2_000, 2_000));
    let of_type = driver.queue.types().get(b"mail").expect("it is counted");
    for time in Time::ALL {
        let (own, all) = (of_type.times.of(time), driver.queue.times().of(time));
        assert_eq!((own.count(), own.sum(), own.max()), (all.count(), all.sum(), all.max()));
    }
    assert_eq!(reloaded(&driver.queue).digest(), driver.queue.digest());
}

#[test]
fn a_run_ends_with_the_lease_however_that_ends() {
    type End = fn(&mut Driver, &str);
    let ends: [(&str, End); 11] = [
        ("ack", |driver, receipt| assert_eq!(driver.ack(receipt), 1)),
        ("result", |driver, receipt| assert_eq!(driver.fulfill(receipt, "", None), 1)),
        ("nack", |driver, receipt| assert_eq!(driver.nack(receipt), 1)),
        ("release", |driver, receipt| assert_eq!(driver.release(receipt), 1)),
        ("bury", |driver, receipt| assert_eq!(driver.bury(receipt), 1)),
        ("delete", |driver, receipt| assert_eq!(driver.delete(&[receipt]), 1)),
        ("replace", |driver, _| drop(driver.publish(job("").replaces("a")))),
        ("lapse", |driver, _| driver.pass(50)),
        ("cancel", |driver, receipt| {
            driver.cancel("a");
            assert_eq!(driver.release(receipt), 1);
        }),
        ("expiry", |driver, _| driver.pass(40)),
        ("purge", |driver, _| {
            driver.purge(StateKind::Leased, 1);
            driver.pass(0);
        }),
    ];
    for (name, end) in ends {
        for kept in [false, true] {
            let mut driver = Driver::new();
            let ttl = if name == "expiry" { 60 } else { 0 };
            if kept {
                driver.configure(&[Setting::Expired(WhenExpired::Bury)]);
                driver.configure(&[Setting::Retain(Retain::Forever)]);
            }
            driver.publish(job("").id("a").ttr(70).ttl(ttl));
            let receipt = driver.consume().receipt;
            let slot = driver.queue.find_id("a").expect("it is there");
            assert_eq!(driver.queue.job(slot).leased_since(), Some(UnixMillis(START)));
            driver.pass(20);
            // A stored queue knows since when.
            driver.queue = reloaded(&driver.queue);
            end(&mut driver, &receipt);
            let span = driver.now() - START;
            assert_eq!(time(&driver, Time::Run), (1, span, span), "{name}");
            driver.pass(1_000);
            assert_eq!(time(&driver, Time::Run).0, 1, "{name}: once");
        }
    }
}

/// From nothing to some months, each length as likely.
fn spans_of_all_lengths(seed: u64) -> Vec<u64> {
    let mut dice = Dice(seed);
    let mut span = || {
        let bits = dice.below(34) as u32;
        dice.below(1 << bits.max(1))
    };
    (0..300).map(|_| span()).collect()
}

#[test]
fn buckets_hold_each_span_once_under_bounds_that_all_histograms_have() {
    let mut bounds = BTreeSet::new();
    for seed in 0..20 {
        let mut spans = spans_of_all_lengths(seed);
        let (_, histogram) = waited(&spans);
        spans.sort_unstable();
        let mut passed = 0;
        for (longest, count) in histogram.buckets() {
            assert!(count > 0, "an empty one is left out");
            let here = spans[passed..].iter().take_while(|span| **span <= longest.0).count();
            assert_eq!(here as u64, count, "up to {longest:?}");
            passed += here;
            bounds.insert(longest.0);
        }
        assert_eq!(passed, spans.len());
    }
    let bounds: Vec<_> = bounds.into_iter().collect();
    assert!(bounds.len() > 150, "or the next line says little");
    for pair in bounds.windows(2) {
        assert!(pair[0] < 15 || pair[0] + pair[0] / 16 <= pair[1], "{pair:?} are of two rulers");
    }
    assert!(Histogram::default().buckets().next().is_none());
}

#[test]
fn a_batch_is_one_delivery_of_which_each_job_is_finished() {
    let mut driver = Driver::new();
    for n in 0..3 {
        driver.publish(job("").job_type(["mail", "fax", ""][n]).batch("k"));
        driver.pass(10);
    }
    driver.order_batch("k", BatchOrder::Fire);
    driver.pass(5);
    let taken = driver.consume();
    driver.pass(7);
    assert_eq!(driver.ack(&taken.receipt), 1);
    assert_eq!(time(&driver, Time::Wait), (1, 5, 5));
    assert_eq!(time(&driver, Time::Run), (1, 7, 7));
    assert_eq!(time(&driver, Time::PublishToAck), (3, 42 + 32 + 22, 42));
    for name in ["mail", "fax"] {
        let counts = counts_of(&driver, name);
        assert_eq!((counts.delivered, counts.acked), (1, 1), "{name}");
    }
}

/// The histogram of spans that jobs have waited.
fn waited(spans: &[u64]) -> (Driver, Histogram) {
    let mut driver = Driver::new();
    for span in spans {
        driver.publish(job(""));
        driver.pass(*span);
        let taken = driver.consume();
        driver.ack(&taken.receipt);
    }
    let histogram = driver.queue.times().of(Time::Wait).clone();
    (driver, histogram)
}

#[test]
fn a_quantile_is_less_than_6_percent_off_and_exact_where_spans_are_short() {
    for seed in 0..20 {
        let mut spans = spans_of_all_lengths(seed);
        let (driver, histogram) = waited(&spans);
        spans.sort_unstable();
        assert_eq!(histogram.count(), 300);
        assert_eq!(histogram.sum(), spans.iter().sum::<u64>());
        assert_eq!(histogram.max().0, spans[299]);
        for per_mille in [1, 10, 250, 500, 900, 990, 999, 1000] {
            let rank = (300 * per_mille as usize).div_ceil(1000);
            let (exact, told) = (spans[rank - 1], histogram.quantile(per_mille).expect("some").0);
            assert!(told.abs_diff(exact) * 100 < exact * 6 || told == exact, "{told} for {exact}");
            assert!(exact >= 16 || told == exact, "{told} for {exact}");
        }
        assert_eq!(reloaded(&driver.queue).digest(), driver.queue.digest());
    }
    let (_, nothing) = waited(&[]);
    assert_eq!((nothing.quantile(500), nothing.max()), (None, Millis::ZERO));
}

#[test]
fn what_happens_is_in_the_row_of_its_minute_hour_and_day() {
    let mut driver = Driver::new();
    // The beginning of a day.
    driver.tick_to(20_000 * DAY, 0);
    let day = 20_000;
    driver.publish(job("").id("a"));
    let published = |n| vec![("published", n)];
    assert_eq!(rows(&driver, Grain::Minutes), [(day * 24 * 60, published(1))], "at once");
    driver.pass(MINUTE - 1);
    driver.publish(job("").id("b"));
    assert_eq!(rows(&driver, Grain::Minutes), [(day * 24 * 60, published(2))]);
    driver.pass(1);
    assert_eq!(rows(&driver, Grain::Minutes), [(day * 24 * 60, published(2))]);
    let taken = driver.consume();
    driver.ack(&taken.receipt);
    let done = vec![("delivered", 1), ("finished", 1)];
    assert_eq!(
        rows(&driver, Grain::Minutes),
        [(day * 24 * 60, published(2)), (day * 24 * 60 + 1, done)]
    );
    let all = |delivered| vec![("published", 2), ("delivered", delivered), ("finished", 1)];
    assert_eq!(rows(&driver, Grain::Hours), [(day * 24, all(1))]);
    driver.pass(HOUR);
    driver.consume();
    assert_eq!(
        rows(&driver, Grain::Hours),
        [(day * 24, all(1)), (day * 24 + 1, vec![("delivered", 1)])]
    );
    assert_eq!(rows(&driver, Grain::Days), [(day, all(2))]);
    driver.pass(DAY);
    // The lease has lapsed in the last minute, when the server came to it.
    let lapsed = (day + 1, vec![("lapsed", 1)]);
    assert_eq!(rows(&driver, Grain::Days), [(day, all(2)), lapsed]);
    assert_eq!(reloaded(&driver.queue).digest(), driver.queue.digest());
}

#[test]
fn rows_are_kept_for_an_hour_two_days_and_ninety_days() {
    for (grain, unit) in [(Grain::Minutes, MINUTE), (Grain::Hours, HOUR), (Grain::Days, DAY)] {
        let kept = u64::from(grain.rows());
        let mut driver = Driver::new();
        driver.tick_to(20_000 * DAY, 0);
        let first = 20_000 * DAY / unit;
        for n in 1..=kept + 5 {
            for _ in 0..n {
                driver.publish(job("").id("a"));
                driver.delete(&["a"]);
            }
            let told = rows(&driver, grain);
            let from = n.saturating_sub(kept) + 1;
            let expected: Vec<_> =
                (from..=n).map(|n| (first + n - 1, vec![("published", n)])).collect();
            assert_eq!(told, expected, "{grain:?}");
            driver.pass(unit);
        }
        assert_eq!(reloaded(&driver.queue).digest(), driver.queue.digest());
        // Without a tick they are too old all the same, and those of the open minute are not.
        let now = UnixMillis(driver.now() + (kept - 3) * unit);
        assert_eq!(driver.queue.history(grain, now).len(), 2, "{grain:?}");
        let later = UnixMillis(driver.now() + kept * unit);
        assert!(driver.queue.history(grain, later).is_empty());
    }
}

#[test]
fn minutes_without_a_change_take_no_row_and_years_without_one_leave_none() {
    let mut driver = Driver::new();
    driver.tick_to(20_000 * DAY, 0);
    driver.publish(job("").id("a"));
    driver.pass(59 * MINUTE);
    driver.publish(job("").id("b"));
    assert_eq!(rows(&driver, Grain::Minutes).len(), 2);
    let bytes = driver.queue.bytes();
    for _ in 0..100 {
        driver.pass(7 * MINUTE);
    }
    assert_eq!(rows(&driver, Grain::Minutes), []);
    assert_eq!(rows(&driver, Grain::Hours), [(20_000 * 24, vec![("published", 2)])]);
    assert!(driver.queue.bytes() <= bytes + 64, "{} of {bytes}", driver.queue.bytes());
    driver.pass(3 * 365 * DAY);
    for grain in Grain::ALL {
        assert_eq!(rows(&driver, grain), [], "{grain:?}");
    }
    driver.publish(job("").id("c"));
    for grain in Grain::ALL {
        assert_eq!(rows(&driver, grain).len(), 1, "{grain:?}");
    }
    // To the end of time, and no further.
    driver.tick_to(UnixMillis::MAX.0, 0);
    driver.delete(&["a"]);
    assert_eq!(rows(&driver, Grain::Days), []);
    assert_eq!(reloaded(&driver.queue).digest(), driver.queue.digest());
}

#[test]
fn a_clock_that_is_set_back_leaves_the_row_open() {
    let mut driver = Driver::new();
    driver.tick_to(20_000 * DAY + 5 * MINUTE, 0);
    driver.publish(job(""));
    driver.tick_to(20_000 * DAY, 0);
    driver.publish(job(""));
    assert_eq!(
        rows(&driver, Grain::Minutes),
        [(20_000 * 24 * 60 + 5, vec![("published", 2)])],
        "the queue's own clock stands"
    );
}

#[test]
fn a_row_has_what_sums_up_what_goes_on() {
    let mut driver = Driver::new();
    driver.publish(job("").id("a").ttr(5));
    take(&mut driver, Driver::nack);
    driver.kick(&["a"]);
    take(&mut driver, Driver::release);
    driver.consume();
    driver.pass(5);
    driver.bury("a");
    driver.publish(job("").ttl(1));
    driver.pass(1);
    driver.publish(job("").id("b"));
    driver.fulfill("b", "", None);
    let found: Vec<_> = rows(&driver, Grain::Days)[0].1.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, SUMMARY);
    let counts = driver.queue.counters().summary();
    let told: Vec<_> = rows(&driver, Grain::Days)[0].1.iter().map(|(_, count)| *count).collect();
    assert_eq!(told, counts);
}

#[test]
fn it_is_told_how_many_jobs_are_due_how_soon() {
    let mut driver = Driver::new();
    let spans = DUE_SPANS.map(|(_, span)| span.0);
    for (n, span) in spans.into_iter().enumerate() {
        // One less than the span is before it, the span itself is not.
        for _ in 0..=n {
            driver.publish(job("").delay(span - 1));
        }
        driver.publish(job("").delay(span));
    }
    let due = |driver: &Driver, state, later| {
        driver.queue.due_by(state, UnixMillis(driver.now() + later)).to_vec()
    };
    assert_eq!(due(&driver, StateKind::Delayed, 0), [1, 3, 4, 5, 6, 7, 1]);
    assert_eq!(due(&driver, StateKind::Delayed, 1), [2, 3, 4, 5, 6, 7, 0], "a moment later");
    assert_eq!(due(&driver, StateKind::Leased, 0), [0; 7]);
    driver.publish(job("").ttr(9_999));
    driver.consume();
    assert_eq!(due(&driver, StateKind::Leased, 0), [0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(due(&driver, StateKind::Ready, 0), [0; 7]);

    let mut dice = Dice(7);
    let mut driver = Driver::new();
    let mut expected = [0; 7];
    for _ in 0..20_000 {
        let bits = dice.below(29) as u32;
        let delay = 1 + dice.below(1 << bits.max(1));
        expected[spans.iter().filter(|span| **span <= delay).count()] += 1;
        driver.publish(job("").delay(delay));
    }
    assert_eq!(driver.queue.due_by(StateKind::Delayed, UnixMillis(START)), expected);
}

/// What is stored of the numbers of a queue in which nothing has happened but one publish.
const NOTHING: [u8; 20] = [0; 20];

/// Such a queue with other numbers in its stored form.
fn with_numbers(numbers: &[u8]) -> Result<Queue, Corrupt> {
    let mut driver = Driver::new();
    driver.tick_to(20_000 * DAY, 0);
    driver.publish(job(""));
    let mut frames: Vec<_> = driver.queue.frames().collect();
    let frame = &mut frames[0];
    let at = frame.len() - NOTHING.len() - 8;
    assert_eq!(frame[at..], [&20_u64.to_le_bytes()[..], &NOTHING].concat());
    frame.truncate(at);
    frame.extend((numbers.len() as u64).to_le_bytes());
    frame.extend(numbers);
    // Behind the magic, the version and the number of the frame comes the length of its record.
    let len = (frame.len() - 14) as u32;
    frame[10..14].copy_from_slice(&len.to_le_bytes());
    load(&frames)
}

/// The row of a history as it is stored.
fn row(at: u64, counts: &[u8]) -> Vec<u8> {
    [&(at as u32).to_le_bytes()[..], counts].concat()
}

#[test]
fn numbers_that_no_queue_can_have_are_refused() {
    let queue = with_numbers(&NOTHING).expect("it is as it was");
    assert_eq!(queue.history(Grain::Days, queue.clock()).len(), 1);
    // The sum, the longest, and how many steps there are, each with those before it left out.
    let times = |first: &[u8]| [first, &[0; 12], &NOTHING[15..]].concat();
    let types = |types: &[u8]| [&NOTHING[..15], types, &NOTHING[16..]].concat();
    let history = |history: &[u8]| [&NOTHING[..16], history].concat();
    let minutes = |rows: &[u8]| history(&[&[0, rows.len() as u8], rows, &[0, 0]].concat());
    // A name of one letter, no counts, and five times nothing.
    let a_type = |name: u8| [&[1, name, 0][..], &[0; 15]].concat();
    let others = [0; 17];
    let now = 20_000 * 24 * 60;
    for (what, numbers) in [
        ("a short span", times(&[0, 0, 1, 15, 9])),
        ("a long span", times(&[20, 20, 1, 18, 1])),
        ("a type", types(&[&[2][..], &others, &a_type(b'a')].concat())),
        ("two types", types(&[&[3][..], &others, &a_type(b'a'), &a_type(b'b')].concat())),
        ("a row", minutes(&row(now, &[1, 0, 1]))),
        ("two rows", minutes(&[row(now - 59, &[1, 7, 1]), row(now, &[1, 0, 1])].concat())),
        ("a base", history(&[1, 0, 1, 0, 0, 0])),
    ] {
        let queue = with_numbers(&numbers).unwrap_or_else(|why| panic!("{what}: {why}"));
        queue.check_invariants().unwrap_or_else(|why| panic!("{what}: {why}"));
        assert_eq!(reloaded(&queue).digest(), queue.digest(), "{what}");
    }
    let many = [1, 0, 255, 255, 255, 255, 255, 255, 255, 127];
    let full_types = [&[2, 0, 1, 0, 1][..], &[0; 15], &a_type(b'a')].concat();
    for (what, numbers) in [
        ("nothing at all", vec![]),
        ("what is cut off", NOTHING[1..].to_vec()),
        ("what is too long", [&NOTHING[..], &[0]].concat()),
        ("a longest span of none", times(&[9, 9, 0])),
        ("a sum of none", times(&[1, 0, 0])),
        ("a longest span of another step", times(&[40, 40, 1, 18, 1])),
        ("a sum less than the longest", times(&[19, 20, 1, 18, 1])),
        ("a longest span that is in the steps", times(&[7, 7, 1, 7, 1])),
        ("a step beyond all", times(&[0, 0, 1, 0xF0, 2, 1])),
        ("more spans than can be", times(&[&[0, 0][..], &many].concat())),
        ("no type but the others", types(&[&[1][..], &others].concat())),
        ("a type without a name", types(&[&[2][..], &others, &others].concat())),
        ("a type twice", types(&[&[3][..], &others, &a_type(b'a'), &a_type(b'a')].concat())),
        ("types in disorder", types(&[&[3][..], &others, &a_type(b'b'), &a_type(b'a')].concat())),
        ("others where there is room", types(&full_types)),
        ("more types than can be", types(&[0x82, 2])),
        ("a type that is cut off", types(&[&[2][..], &others, &[9, b'a']].concat())),
        ("a base of more than there was", history(&[1, 0, 2, 0, 0, 0])),
        ("a row to come", minutes(&row(now + 1, &[1, 0, 1]))),
        ("a row that is too old", minutes(&row(now - 60, &[1, 0, 1]))),
        ("a row of nothing", minutes(&row(now, &[0]))),
        ("a row twice", minutes(&[row(now, &[1, 0, 1]), row(now, &[1, 0, 1])].concat())),
        ("a row of more than can be", minutes(&row(now, &many))),
        ("a count of something else", minutes(&row(now, &[1, 8, 1]))),
        ("a row that is cut off", minutes(&row(now, &[1, 0]))),
    ] {
        let refused = with_numbers(&numbers).err();
        assert_eq!(refused, Some(Corrupt::Value("numbers of the past")), "{what}");
    }
}

#[test]
fn a_stored_job_of_a_type_that_was_never_counted_is_refused() {
    let mut driver = Driver::new();
    driver.publish(job("").job_type("mail"));
    let mut frames: Vec<_> = driver.queue.frames().collect();
    let at = frames[1].windows(4).position(|name| name == b"mail").expect("it is named");
    frames[1][at..at + 4].copy_from_slice(b"maid");
    assert_eq!(load(&frames).err(), Some(Corrupt::Value("type of a job")));
}
