//! What a queue keeps of the dead, and other ways to die.

use jobq_engine::{
    Backoff, Millis, Revival, Setting, State, StateKind, UnixMillis, Verdict, WhenExpired,
    WhenLapsed,
};

use crate::support::{job, reloaded, Driver, ANYONE, FREE, NACK, START};

const AS_IT_WAS: Revival = Revival { tries: None, ttl: None, delay: Millis::ZERO };
const BURY_EXPIRED: Setting = Setting::Expired(WhenExpired::Bury);
const BACK_OFF: Setting = Setting::Lapse(WhenLapsed::Backoff);

/// A queue with these settings.
fn with(settings: &[Setting]) -> Driver {
    let mut driver = Driver::new();
    driver.configure(settings);
    driver
}

fn dead(driver: &Driver) -> usize {
    driver.queue.len_of(StateKind::Dead)
}

#[test]
fn exactly_dead_max_jobs_are_kept_and_not_one_less_as_in_asynq() {
    for max in [1, 2, 3] {
        let mut driver = with(&[Setting::DeadMax(max)]);
        for n in 1..=6u64 {
            let id = n.to_string();
            driver.publish_into(StateKind::Dead, &id);
            assert_eq!(dead(&driver) as u64, n.min(max), "{max} are kept");
            let kept = (1..=6).filter(|n: &u64| driver.find(&n.to_string()).is_some());
            assert!(kept.eq(1 + n.saturating_sub(max)..=n), "the longest dead go");
            assert_eq!(driver.queue.counters().pruned, n.saturating_sub(max));
            assert_eq!(driver.queue.next_due(), None, "at once, and no later work");
        }
        assert_eq!(driver.queue.counters().died, 6);
    }
}

#[test]
fn all_the_dead_are_kept_unless_the_queue_says_otherwise() {
    let mut driver = Driver::new();
    for n in 0..100 {
        driver.publish_into(StateKind::Dead, &n.to_string());
    }
    driver.pass(Millis::MAX.0);
    assert_eq!((dead(&driver), driver.queue.counters().pruned), (100, 0));
}

#[test]
fn the_longest_dead_goes_on_every_way_to_the_dead() {
    type Death = fn(&mut Driver);
    let ways: [(&str, Death); 8] = [
        ("the last try nacked", |driver| {
            driver.publish(job("a").id("new").tries(1));
            driver.consume();
            assert_eq!(driver.nack("new"), 1);
        }),
        ("the last try lapsed", |driver| {
            driver.publish(job("a").id("new").tries(1).ttr(10));
            driver.consume();
            driver.pass(10);
        }),
        ("buried by its holder", |driver| {
            driver.publish_into(StateKind::Leased, "new");
            assert_eq!(driver.bury("new"), 1);
        }),
        ("buried while ready", |driver| drop(driver.publish_into(StateKind::Dead, "new"))),
        ("buried while delayed", |driver| {
            driver.publish_into(StateKind::Delayed, "new");
            assert_eq!(driver.bury("new"), 1);
        }),
        ("expired while delayed", |driver| {
            driver.publish(job("a").id("new").ttl(10).delay(10));
            driver.pass(10);
        }),
        ("expired while ready", |driver| {
            driver.publish(job("a").id("new").ttl(10));
            driver.pass(10);
        }),
        ("expired while leased", |driver| {
            driver.publish(job("a").id("new").ttl(10));
            driver.consume();
            driver.pass(10);
        }),
    ];
    for (way, die) in ways {
        let mut driver = with(&[Setting::DeadMax(2), BURY_EXPIRED]);
        // Published in the other order than they died.
        driver.publish(job("a").id("second"));
        driver.publish_into(StateKind::Dead, "first");
        driver.pass(5);
        driver.bury("second");
        driver.pass(5);
        die(&mut driver);
        let states = ["first", "second", "new"].map(|id| driver.state(id));
        assert_eq!(states, [None, Some(StateKind::Dead), Some(StateKind::Dead)], "{way}");
        let counters = driver.queue.counters();
        assert_eq!((counters.died, counters.pruned), (3, 1), "{way}");
    }
}

#[test]
fn jobs_that_die_together_push_each_other_out() {
    let mut driver = with(&[Setting::DeadMax(2), Setting::Tries(1)]);
    let ids = driver.publish_all(&["a", "b", "c", "d"]);
    driver.consume_as(ANYONE, 4);
    let names: Vec<_> = ids.iter().map(|id| &**id).collect();
    assert_eq!(driver.settle(&names, NACK), 4);
    let states: Vec<_> = ids.iter().map(|id| driver.state(id)).collect();
    assert_eq!(states, [None, None, Some(StateKind::Dead), Some(StateKind::Dead)]);
}

#[test]
fn a_pruned_job_is_gone_as_a_whole() {
    let mut driver = with(&[Setting::DeadMax(1)]);
    driver.publish_into(StateKind::Dead, "a");
    let body = "x".repeat(10_000);
    let change = jobq_engine::Change { body: Some(body.as_bytes()), ..Default::default() };
    driver.update("a", change).expect("a dead job has a body");
    let before = driver.queue.bytes();
    driver.publish_into(StateKind::Dead, "b");
    assert!(driver.queue.bytes() < before - 9_000);
    assert_eq!(driver.respawn(&["a"], AS_IT_WAS), 0);
    driver.publish(job("anew").id("a"));
    assert_eq!(driver.state("a"), Some(StateKind::Ready));
}

#[test]
fn a_lowered_dead_max_takes_effect_in_slices() {
    const MANY: u32 = 30_000;
    let mut driver = Driver::new();
    for n in 0..MANY {
        driver.publish_into(StateKind::Dead, &n.to_string());
    }
    driver.configure(&[Setting::DeadMax(10_000)]);
    driver.configure(&[Setting::DeadMax(10_000)]);
    assert_eq!(dead(&driver) as u32, MANY, "none of it is done by the request");
    assert_eq!(driver.queue.next_due(), Some(UnixMillis(START)), "there is work now");
    assert_eq!(driver.tick_to(START, 7_000), 7_000);
    assert_eq!(dead(&driver), 23_000);
    driver.publish_into(StateKind::Dead, "meanwhile");
    assert_eq!(dead(&driver), 23_001, "who dies meanwhile is left to the slices");
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    assert_eq!(driver.tick_to(START, 7_000), 7_000);
    assert_eq!(driver.tick_to(START, 7_000), 6_001);
    assert_eq!((dead(&driver), driver.queue.next_due()), (10_000, None));
    let left = |n: u32| driver.find(&n.to_string()).is_some();
    assert!(!left(20_000) && left(20_001) && left(MANY - 1) && driver.find("meanwhile").is_some());
    assert_eq!(driver.queue.counters().pruned, 20_001);
    driver.check();
}

#[test]
fn a_dead_max_that_is_raised_again_in_time_spares_the_rest() {
    for max in [0, 4, 9] {
        let mut driver = Driver::new();
        for n in 0..5 {
            driver.publish_into(StateKind::Dead, &n.to_string());
        }
        driver.configure(&[Setting::DeadMax(1)]);
        driver.tick_to(START, 1);
        driver.configure(&[Setting::DeadMax(max)]);
        driver.pass(0);
        assert_eq!((dead(&driver), driver.queue.counters().pruned), (4, 1), "{max}");
        assert_eq!(driver.queue.next_due(), None);
    }
}

#[test]
fn a_dead_job_is_gone_at_its_age_and_not_before() {
    let mut driver = with(&[Setting::DeadAge(Millis(1_000))]);
    driver.publish(job("a").id("a"));
    driver.pass(700);
    driver.bury("a");
    driver.pass(300);
    driver.publish_into(StateKind::Dead, "b");
    assert_eq!(driver.queue.next_due(), Some(UnixMillis(START + 1_700)), "from its death on");
    driver.pass(699);
    assert_eq!(dead(&driver), 2);
    assert_eq!(driver.tick_to(START + 1_700, 9), 1);
    assert_eq!((driver.state("a"), driver.state("b")), (None, Some(StateKind::Dead)));
    assert_eq!(driver.queue.next_due(), Some(UnixMillis(START + 2_000)));
    driver.publish(job("anew").id("a"));
    driver.pass(300);
    assert_eq!((driver.state("a"), driver.state("b")), (Some(StateKind::Ready), None));
    let counters = driver.queue.counters();
    assert_eq!((counters.pruned, counters.expired, counters.deleted), (2, 0, 0));
    assert_eq!(driver.queue.next_due(), None);
}

#[test]
fn a_dead_job_whose_ttl_is_over_goes_of_age_and_not_of_its_ttl() {
    for then in [WhenExpired::Drop, WhenExpired::Bury] {
        let mut driver = with(&[Setting::DeadAge(Millis(1_000)), Setting::Expired(then)]);
        driver.publish(job("a").id("a").ttl(100));
        driver.bury("a");
        assert_eq!(driver.tick_to(START + 999, 9), 0);
        assert_eq!(driver.tick_to(START + 1_000, 9), 1);
        assert_eq!(driver.state("a"), None);
        let counters = driver.queue.counters();
        assert_eq!((counters.pruned, counters.expired, counters.died), (1, 0, 1), "{then:?}");
    }
}

#[test]
fn the_age_of_the_dead_has_its_place_among_what_is_due() {
    let mut driver = with(&[Setting::DeadAge(Millis(100))]);
    driver.publish(job("a").id("before").delay(99));
    driver.publish_into(StateKind::Dead, "dead");
    driver.publish(job("a").id("after").delay(101));
    let seen = |driver: &Driver| {
        let ready = |id| driver.state(id) == Some(StateKind::Ready);
        [ready("before"), driver.state("dead").is_none(), ready("after")]
    };
    for done in 1..=3 {
        assert_eq!(driver.tick_to(START + 500, 1), 1);
        assert_eq!(seen(&driver), [done >= 1, done >= 2, done >= 3]);
    }
}

#[test]
fn a_respawned_job_does_not_age_and_ages_anew_when_it_dies_again() {
    let mut driver = with(&[Setting::DeadAge(Millis(100))]);
    driver.publish_into(StateKind::Dead, "a");
    driver.pass(60);
    driver.respawn(&["a"], AS_IT_WAS);
    driver.pass(1_000);
    assert_eq!(driver.state("a"), Some(StateKind::Ready));
    driver.bury("a");
    driver.pass(99);
    assert_eq!(driver.state("a"), Some(StateKind::Dead));
    driver.pass(1);
    assert_eq!(driver.state("a"), None);
}

#[test]
fn an_age_that_is_set_later_holds_for_those_that_are_dead_and_works_in_slices() {
    let mut driver = Driver::new();
    for n in 0..10 {
        driver.publish_into(StateKind::Dead, &n.to_string());
        driver.pass(10);
    }
    driver.configure(&[Setting::DeadAge(Millis(50))]);
    assert_eq!(dead(&driver), 10, "not by the request");
    assert_eq!(driver.queue.next_due(), Some(UnixMillis(START + 50)), "told as it was");
    assert_eq!(driver.tick_to(driver.now(), 4), 4);
    assert_eq!(driver.tick_to(driver.now(), 4), 2);
    assert!((0..10).all(|n| driver.find(&n.to_string()).is_some() == (n >= 6)));
    driver.configure(&[Setting::DeadAge(Millis::ZERO)]);
    driver.pass(1_000_000);
    assert_eq!(dead(&driver), 4);
}

#[test]
fn an_expired_job_can_be_buried_and_is_counted_as_expired_and_dead() {
    for state in [StateKind::Delayed, StateKind::Ready, StateKind::Leased] {
        let mut driver = with(&[BURY_EXPIRED]);
        let draft = job("a").id("a").ttl(100).ttr(5_000);
        driver.publish(draft.backoff(Backoff::Fixed(Millis(900))));
        if state != StateKind::Ready {
            driver.consume();
        }
        if state == StateKind::Delayed {
            let error = Some(b"no route".as_slice());
            driver.settle(&["a"], Verdict::Nack { delay: None, error });
        }
        driver.pass(99);
        assert_eq!(driver.state("a"), Some(state));
        let before = (driver.job("a").deliveries, driver.job("a").failures());
        driver.pass(1);
        let dead = driver.job("a");
        assert_eq!(dead.state(), State::Dead { since: UnixMillis(START + 100) }, "{state:?}");
        assert_eq!((dead.deliveries, dead.failures()), before, "nobody failed");
        assert_eq!(dead.error().is_some(), state == StateKind::Delayed);
        let counters = *driver.queue.counters();
        assert_eq!((counters.expired, counters.died, counters.buried), (1, 1, 0));
        assert_eq!((counters.lapsed, counters.pruned), (0, 0));
        assert_eq!(driver.queue.next_due(), None, "it does not expire again");
        driver.pass(1_000_000);
        assert_eq!(*driver.queue.counters(), counters);
    }
}

#[test]
fn the_holder_of_a_job_that_expired_and_was_buried_holds_nothing() {
    let mut driver = with(&[BURY_EXPIRED]);
    driver.publish(job("a").ttl(100).ttr(5_000));
    let taken = driver.consume();
    driver.pass(100);
    assert_eq!(driver.touch(&taken.receipt, None), None);
    assert_eq!(driver.ack(&taken.receipt), 0);
    assert_eq!(driver.nack(&taken.receipt), 0);
}

#[test]
fn a_job_that_expired_and_was_buried_can_be_respawned_and_lives() {
    let mut driver = with(&[BURY_EXPIRED]);
    driver.publish(job("a").id("a").ttl(100));
    driver.pass(100);
    assert_eq!(driver.respawn(&["a"], AS_IT_WAS), 1);
    driver.pass(1_000_000);
    assert_eq!(driver.consume().id, "a");
    driver.bury("a");
    driver.respawn(&["a"], Revival { ttl: Some(Millis(70)), ..AS_IT_WAS });
    driver.pass(70);
    assert_eq!(driver.state("a"), Some(StateKind::Dead));
    assert_eq!(driver.queue.counters().expired, 2);
}

#[test]
fn what_becomes_of_the_expired_is_settled_when_they_expire() {
    let mut driver = with(&[BURY_EXPIRED]);
    driver.publish(job("a").id("kept").ttl(100));
    driver.publish(job("a").id("dropped").ttl(200));
    driver.pass(100);
    driver.configure(&[Setting::Expired(WhenExpired::Drop)]);
    driver.pass(100);
    assert_eq!((driver.state("kept"), driver.state("dropped")), (Some(StateKind::Dead), None));
    assert_eq!(driver.queue.counters().expired, 2);
}

#[test]
fn a_lapsed_job_can_wait_like_a_nacked_one_and_counts_a_failure() {
    let exponential = Backoff::Exponential { base: Millis(100), max: Millis(350) };
    let cases = [
        (Backoff::None, [0, 0, 0, 0]),
        (Backoff::Fixed(Millis(70)), [70, 70, 70, 70]),
        (exponential, [100, 200, 350, 350]),
    ];
    for (backoff, waits) in cases {
        let mut driver = with(&[BACK_OFF]);
        let id = driver.publish(job("a").ttr(10).backoff(backoff));
        for (n, wait) in waits.into_iter().enumerate() {
            driver.consume();
            driver.pass(10);
            let expected = match wait {
                0 => State::Ready { since: driver.queue.clock(), parked: false },
                wait => State::Delayed { until: UnixMillis(driver.now() + wait) },
            };
            assert_eq!(driver.job(&id).state(), expected, "{backoff}");
            assert_eq!(driver.job(&id).failures() as usize, n + 1);
            driver.pass(wait);
            assert_eq!(driver.state(&id), Some(StateKind::Ready));
        }
        let counters = driver.queue.counters();
        assert_eq!((counters.lapsed, counters.nacked), (4, 0));
    }
}

#[test]
fn lapses_and_nacks_grow_the_same_backoff() {
    let mut driver = with(&[BACK_OFF]);
    let backoff = Backoff::Exponential { base: Millis(100), max: Millis(10_000) };
    let id = driver.publish(job("a").ttr(10).backoff(backoff));
    for (n, wait) in [100, 200, 400, 800].into_iter().enumerate() {
        driver.consume();
        if n % 2 == 0 {
            driver.pass(10);
        } else {
            driver.nack(&id);
        }
        assert_eq!(driver.job(&id).state().until(), Some(UnixMillis(driver.now() + wait)));
        driver.pass(wait);
    }
}

#[test]
fn a_backoff_does_not_save_a_job_whose_last_try_lapses() {
    let mut driver = with(&[BACK_OFF]);
    let id = driver.publish(job("a").ttr(10).tries(1).backoff(Backoff::Fixed(Millis(70))));
    driver.consume();
    driver.pass(10);
    assert_eq!(driver.state(&id), Some(StateKind::Dead));
    assert_eq!(driver.job(&id).failures(), 1);
}

#[test]
fn a_free_lease_that_lapses_backs_off_too() {
    let mut driver = with(&[BACK_OFF]);
    let id = driver.publish(job("a").ttr(10).tries(1).backoff(Backoff::Fixed(Millis(70))));
    driver.consume_as(FREE, 1);
    driver.pass(10);
    assert_eq!(driver.state(&id), Some(StateKind::Delayed));
    assert_eq!((driver.job(&id).deliveries, driver.job(&id).failures()), (0, 1));
}

#[test]
fn a_job_that_backs_off_from_a_lapse_beyond_its_ttl_expires() {
    let mut driver = with(&[BACK_OFF]);
    let id = driver.publish(job("a").ttr(10).ttl(50).backoff(Backoff::Fixed(Millis(70))));
    driver.consume();
    driver.pass(10);
    assert_eq!(driver.state(&id), Some(StateKind::Delayed));
    driver.pass(40);
    assert_eq!(driver.state(&id), None);
    assert_eq!(driver.queue.counters().expired, 1);
}

#[test]
fn those_that_are_to_be_pruned_are_promised_to_nobody() {
    let mut driver = Driver::new();
    for id in ["a", "b", "c"] {
        driver.publish_into(StateKind::Dead, id);
    }
    driver.configure(&[Setting::DeadMax(1)]);
    assert_eq!(driver.queue.tasks_left(), 2);
    assert_eq!(driver.respawn_first(u64::MAX, Revival::default()), 1);
    driver.pass(0);
    assert_eq!(driver.queue.len_of(StateKind::Ready), 1);
    assert_eq!(driver.queue.len(), 1);
}

#[test]
fn nothing_is_left_to_do_once_all_the_dead_may_stay() {
    let mut driver = Driver::new();
    driver.publish_into(StateKind::Dead, "a");
    driver.publish_into(StateKind::Dead, "b");
    driver.configure(&[Setting::DeadMax(1)]);
    driver.configure(&[Setting::DeadMax(0)]);
    assert_eq!(driver.queue.tasks_left(), 0);
    driver.pass(0);
    assert_eq!(driver.queue.len_of(StateKind::Dead), 2);
}
