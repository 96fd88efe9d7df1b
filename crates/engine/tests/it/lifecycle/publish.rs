//! How a job comes in, under which name and on what terms.

use jobq_engine::{
    uses, Action, Backoff, Bodies, Due, LimitName, Millis, Outcome, Publish, Refusal, Retain,
    Setting, StateKind, Terms, Ulid, UnixMillis, Use, Wishes,
};

use crate::support::{job, reloaded, Driver, START};

#[test]
fn a_job_without_a_delay_is_ready_at_once() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a"));
    assert_eq!(driver.state(&id), Some(StateKind::Ready));
    assert_eq!(driver.line(), ["a"]);
}

#[test]
fn a_delayed_job_is_ready_at_its_instant_and_not_before() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").delay(500));
    driver.pass(499);
    assert_eq!(driver.state(&id), Some(StateKind::Delayed));
    driver.pass(1);
    assert_eq!(driver.state(&id), Some(StateKind::Ready));
}

#[test]
fn a_job_may_name_its_instant_and_one_that_has_passed_means_at_once() {
    let mut driver = Driver::new();
    let later = driver.publish(job("later").at(START + 500));
    let now = driver.publish(job("now").at(START));
    let past = driver.publish(job("past").at(1));
    assert_eq!(driver.state(&later), Some(StateKind::Delayed));
    assert_eq!(driver.state(&now), Some(StateKind::Ready));
    assert_eq!(driver.state(&past), Some(StateKind::Ready));
    driver.pass(500);
    assert_eq!(driver.line(), ["now", "past", "later"]);
}

#[test]
fn jobs_that_become_ready_together_are_served_in_publish_order() {
    let mut driver = Driver::new();
    driver.publish(job("a").delay(300));
    driver.pass(100);
    driver.publish(job("b").delay(200));
    driver.publish(job("c").delay(100));
    driver.pass(1_000);
    assert_eq!(driver.line(), ["c", "a", "b"]);
}

#[test]
fn jobs_published_together_share_their_terms_and_keep_their_order() {
    let mut driver = Driver::new();
    let wishes = Wishes { tries: Some(3), ..Wishes::default() };
    let bodies = Bodies::Many(vec![b"a", b"b", b"c"]);
    let publish = Publish { due: Due::In(Millis(10)), wishes, ..Publish::new(bodies) };
    let answer = driver.ask(Action::Publish(publish));
    let Ok(Some(Outcome::Published(slots))) = answer else { panic!("{answer:?}") };
    assert_eq!(slots.len(), 3);
    for slot in slots {
        assert_eq!(driver.queue.terms_of(driver.queue.job(slot)).tries, 3);
    }
    driver.pass(10);
    assert_eq!(driver.line(), ["a", "b", "c"]);
}

#[test]
fn made_ids_are_ulids_that_ascend_in_publish_order_and_tell_the_time() {
    let mut driver = Driver::new();
    let mut last = String::new();
    for n in 0..100 {
        let id = driver.publish(job("a"));
        assert!(id > last, "{id} after {last}");
        let ulid = Ulid::parse(id.as_bytes()).expect("a ULID");
        assert_eq!(ulid.millis(), UnixMillis(START + n / 10));
        last = id;
        if n % 10 == 9 {
            driver.pass(1);
        }
    }
}

#[test]
fn a_made_id_is_read_in_either_case() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a"));
    assert_eq!(driver.delete(&[&id.to_lowercase()]), 1);
    assert_eq!(driver.find(&id).map(|job| job.seq()), None);
}

#[test]
fn a_given_id_is_kept_to_the_letter() {
    let mut driver = Driver::new();
    for id in ["a", "A", "mail:42.x_y-z", "0"] {
        assert_eq!(driver.publish(job("body").id(id)), id);
        assert_eq!(driver.state(id), Some(StateKind::Ready));
    }
    assert_eq!(driver.queue.len(), 4, "`a` and `A` are two ids");
    assert_eq!(driver.find("MAIL:42.x_y-z").map(|job| job.seq()), None);
}

#[test]
fn a_given_id_is_refused_while_a_job_in_any_state_has_it_and_leaves_nothing_behind() {
    for state in StateKind::ALL {
        let mut driver = Driver::new();
        driver.publish_into(state, "mine");
        let (bytes, published) = (driver.queue.bytes(), driver.queue.counters().published);
        let again = driver.try_publish(job("again").id("mine").delay(7).ttl(9).tries(1));
        assert_eq!(again, Err(Refusal::Duplicate("mine".into())), "{state:?}");
        assert_eq!(driver.state("mine"), Some(state));
        assert_eq!(driver.queue.len(), 1);
        assert_eq!(driver.queue.bytes(), bytes);
        assert_eq!(driver.queue.counters().published, published);
    }
}

#[test]
fn a_given_id_is_free_again_when_its_job_is_gone() {
    let mut driver = Driver::new();
    for _ in 0..3 {
        driver.publish(job("a").id("mine"));
        driver.consume();
        assert_eq!(driver.ack("mine"), 1);
    }
}

#[test]
fn an_id_that_was_made_cannot_be_given_in_either_case() {
    let mut driver = Driver::new();
    let made = driver.publish(job("a"));
    for given in [made.clone(), made.to_lowercase()] {
        let refused = driver.try_publish(job("b").id(&given));
        assert_eq!(refused, Err(Refusal::Duplicate(given)));
    }
}

#[test]
fn an_id_given_in_the_form_of_a_ulid_is_kept_as_written_and_read_in_either_case() {
    let mut driver = Driver::new();
    let given = "01arz3ndektsv4rrffq69g5fav";
    assert_eq!(driver.publish(job("a").id(given)), given);
    assert_eq!(driver.state(&given.to_uppercase()), Some(StateKind::Ready));
    let again = driver.try_publish(job("b").id("01ARZ3ndektsv4rrffq69g5fav"));
    assert!(matches!(again, Err(Refusal::Duplicate(_))), "{again:?}");
    assert_eq!(driver.delete(&[&given.to_uppercase()]), 1);
    assert!(driver.queue.is_empty());
}

#[test]
fn an_id_is_made_that_nobody_has_given_even_if_somebody_foresaw_it() {
    let mut driver = Driver::new();
    let mut foresight = Driver { queue: driver.queue.clone() };
    foresight.publish(job("mine").id("other"));
    let foreseen = foresight.publish(job("theirs"));
    for given in [foreseen.clone(), foreseen.to_lowercase()] {
        let mut driver = Driver { queue: driver.queue.clone() };
        driver.publish(job("mine").id(&given));
        let made = driver.publish(job("theirs"));
        assert_ne!(made, foreseen);
        assert_eq!(&*driver.job(&foreseen).body, b"mine");
        assert_eq!(&*driver.job(&made).body, b"theirs");
    }
    driver.publish(job("theirs"));
}

#[test]
fn a_ttl_shorter_than_the_delay_is_refused() {
    let mut driver = Driver::new();
    let refused = Err(Refusal::ExpiresBeforeDue);
    assert_eq!(driver.try_publish(job("a").delay(100).ttl(99)), refused);
    assert_eq!(driver.try_publish(job("a").at(START + 100).ttl(99)), refused);
    driver.configure(&[Setting::Ttl(Millis(99))]);
    assert_eq!(driver.try_publish(job("a").delay(100)), refused, "the queue's own counts too");
    assert!(driver.try_publish(job("a").delay(100).ttl(0)).is_ok(), "zero is for ever");
    assert!(driver.try_publish(job("a").at(1)).is_ok(), "past instants are no delay");
}

#[test]
fn a_ttl_equal_to_the_delay_is_accepted_and_ends_the_job_as_it_comes_due() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").delay(100).ttl(100));
    driver.pass(99);
    assert_eq!(driver.state(&id), Some(StateKind::Delayed));
    driver.pass(1);
    assert_eq!(driver.state(&id), None);
    assert_eq!(driver.queue.counters().expired, 1);
}

#[test]
fn a_queue_has_the_documented_defaults() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a"));
    let documented = Terms {
        tries: 25,
        ttr: Millis::from_secs(60),
        ttl: Millis::ZERO,
        backoff: Backoff::Polynomial,
        retain: Retain::NONE,
        priority: 0,
        job_type: Box::default(),
        group: Box::default(),
        uses: Box::default(),
        when: Box::default(),
        batch: Box::default(),
    };
    assert_eq!(*driver.queue.terms_of(driver.job(&id)), documented);
    let config = driver.queue.config();
    assert_eq!((config.max_len, config.max_body), (0, 16 << 20));
}

#[test]
fn options_win_over_the_queues_defaults_which_fill_in_the_rest() {
    let mut driver = Driver::new();
    driver.configure(&[
        Setting::Tries(3),
        Setting::Ttr(Millis(5_000)),
        Setting::Ttl(Millis(9_000)),
        Setting::Backoff(Backoff::Fixed(Millis(70))),
        Setting::Retain(Retain::For(Millis(80))),
        Setting::Priority(4),
    ]);
    let defaults = Terms {
        tries: 3,
        ttr: Millis(5_000),
        ttl: Millis(9_000),
        backoff: Backoff::Fixed(Millis(70)),
        retain: Retain::For(Millis(80)),
        priority: 4,
        job_type: b"".as_slice(),
        group: b"",
        uses: b"",
        when: b"",
        batch: b"",
    };
    let cases = [
        (job("none"), defaults),
        (job("tries").tries(7), Terms { tries: 7, ..defaults }),
        (job("ttr").ttr(8), Terms { ttr: Millis(8), ..defaults }),
        (job("ttl").ttl(60), Terms { ttl: Millis(60), ..defaults }),
        (job("backoff").backoff(Backoff::None), Terms { backoff: Backoff::None, ..defaults }),
        (job("retain").retain(Retain::Forever), Terms { retain: Retain::Forever, ..defaults }),
        (job("priority").priority(-2), Terms { priority: -2, ..defaults }),
        (job("type").job_type("mail"), Terms { job_type: b"mail", ..defaults }),
    ];
    for (draft, terms) in cases {
        let id = driver.publish(draft);
        assert_eq!(driver.queue.terms_of(driver.job(&id)).as_ref(), terms);
    }
}

#[test]
fn a_ttl_of_zero_lives_for_ever_whatever_the_queue_says() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::Ttl(Millis(100))]);
    let mortal = driver.publish(job("mortal"));
    let immortal = driver.publish(job("immortal").ttl(0));
    driver.pass(1_000_000);
    assert_eq!(driver.state(&mortal), None);
    assert_eq!(driver.state(&immortal), Some(StateKind::Ready));
}

#[test]
fn configuring_a_queue_changes_no_job_that_is_there() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a"));
    let before = driver.queue.terms_of(driver.job(&id)).clone();
    driver.configure(&[Setting::Tries(1), Setting::Ttl(Millis(1)), Setting::Priority(9)]);
    assert_eq!(*driver.queue.terms_of(driver.job(&id)), before);
    driver.pass(10);
    assert_eq!(driver.state(&id), Some(StateKind::Ready));
}

#[test]
fn a_full_queue_refuses_jobs_and_counts_those_in_every_state() {
    let mut driver = Driver::new();
    for state in StateKind::ALL {
        driver.publish_into(state, state.name());
    }
    driver.configure(&[Setting::MaxLen(8)]);
    let two = Action::Publish(Publish::new(Bodies::Many(vec![b"a", b"b"])));
    assert_eq!(driver.ask(two), Err(Refusal::Full { max: 8 }), "all or none");
    assert!(driver.try_publish(job("a")).is_ok());
    assert_eq!(driver.try_publish(job("b")), Err(Refusal::Full { max: 8 }));
    assert_eq!(driver.delete(&["dead"]), 1);
    assert!(driver.try_publish(job("b")).is_ok());
    driver.configure(&[Setting::MaxLen(0)]);
    assert!(driver.try_publish(job("c")).is_ok(), "zero is no limit");
}

#[test]
fn a_body_may_be_as_long_as_the_queue_takes_and_not_a_byte_longer() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::MaxBody(3)]);
    assert!(driver.try_publish(job("abc")).is_ok());
    let refused = driver.try_publish(job("abcd"));
    assert_eq!(refused, Err(Refusal::TooBig { bytes: 4, max: 3 }));
    driver.configure(&[Setting::MaxBody(0)]);
    assert!(driver.try_publish(job(&"x".repeat(100_000))).is_ok(), "zero is no limit");
    assert!(driver.try_publish(job("")).is_ok(), "a body may be empty");
}

#[test]
fn headers_and_type_go_with_a_job_and_count_against_the_longest_body() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::MaxBody(10)]);
    let headers: [(&[u8], &[u8]); 2] = [(b"trace", b"\0"), (b"a", b"")];
    let id = driver.publish(job("abc").headers(&headers).job_type("mail"));
    assert_eq!(driver.job(&id).headers().collect::<Vec<_>>(), headers);
    assert_eq!(&*driver.queue.terms_of(driver.job(&id)).job_type, b"mail");
    let refused = driver.try_publish(job("abcd").headers(&headers));
    assert_eq!(refused, Err(Refusal::TooBig { bytes: 11, max: 10 }));
    let reloaded = Driver { queue: crate::support::reloaded(&driver.queue) };
    assert_eq!(reloaded.job(&id).headers().collect::<Vec<_>>(), headers);
    assert_eq!(&*reloaded.queue.terms_of(reloaded.job(&id)).job_type, b"mail");
}

#[test]
fn a_job_takes_the_place_of_another_in_any_state_and_may_take_its_id() {
    for state in StateKind::ALL {
        let mut driver = Driver::new();
        driver.configure(&[Setting::MaxLen(1)]);
        driver.publish_into(state, "old");
        let id = driver.publish(job("new").id("old").replaces("old"));
        assert_eq!((id.as_str(), driver.queue.len()), ("old", 1), "{state:?}");
        assert_eq!(driver.line(), ["new"]);
        assert_eq!(driver.queue.counters().replaced, 1);
    }
}

#[test]
fn a_job_that_cannot_be_published_replaces_nothing() {
    let mut driver = Driver::new();
    driver.publish(job("old").id("old").ttr(10));
    driver.publish(job("other").id("other"));
    let stale = driver.consume();
    driver.pass(10);
    driver.configure(&[Setting::MaxBody(5)]);
    let duplicate = driver.try_publish(job("new").replaces("old").id("other"));
    assert_eq!(duplicate, Err(Refusal::Duplicate("other".into())));
    assert!(driver.try_publish(job("too long").replaces("old")).is_err());
    assert!(driver.try_publish(job("new").replaces("old").delay(9).ttl(8)).is_err());
    assert_eq!(driver.try_publish(job("new").replaces(&stale.receipt)), Err(Refusal::NoSuchJob));
    assert_eq!(driver.try_publish(job("new").replaces("unknown")), Err(Refusal::NoSuchJob));
    assert_eq!(driver.state("old"), Some(StateKind::Ready));
    assert_eq!(driver.queue.len(), 2);
}

#[test]
fn a_group_and_limits_stay_with_a_job() {
    let mut driver = Driver::new();
    let id = driver.publish(job("a").group("acme").uses("disk", 3).mutex("net").uses("cpu", 1));
    let plain = driver.publish(job("b"));
    for queue in [driver.queue.clone(), reloaded(&driver.queue)] {
        let terms = |id: &str| queue.terms_of(queue.job(queue.find_id(id).expect("it is there")));
        assert_eq!(&*terms(&id).group, b"acme");
        let uses: Vec<_> = uses::iter(&terms(&id).uses).collect();
        let named = |name, weight| Use { limit: LimitName::Named(name), weight };
        let mutex = Use { limit: LimitName::Mutex(b"net"), weight: 1 };
        assert_eq!(uses, [named(b"cpu", 1), named(b"disk", 3), mutex]);
        assert!(terms(&plain).group.is_empty() && terms(&plain).uses.is_empty());
    }
}
