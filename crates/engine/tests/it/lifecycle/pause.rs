//! A closed way into or out of a queue, and that all else goes on.

use jobq_engine::{Backoff, Pauses, Refusal, Revival, Side, State, StateKind, UnixMillis};

use crate::support::{job, reloaded, Driver, ANYONE, NACK, START};

#[test]
fn a_queue_that_is_paused_in_refuses_publishing_whatever_is_published() {
    for side in [Side::In, Side::Both] {
        let mut driver = Driver::new();
        driver.publish_into(StateKind::Ready, "taken");
        driver.pause(side, 0);
        let drafts = [job("a"), job("a").id("new"), job("a").id("taken"), job("a").delay(9).ttl(8)];
        for draft in drafts {
            // The driver compares digests.
            assert_eq!(driver.try_publish(draft), Err(Refusal::Paused), "{side:?}");
        }
        assert_eq!(driver.queue.counters().published, 1);
    }
}

#[test]
fn a_queue_that_is_paused_in_goes_on_handing_out() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b"]);
    driver.pause(Side::In, 0);
    assert!(driver.queue.hands_out());
    assert_eq!(driver.line(), ["a", "b"]);
    assert_eq!(driver.consume().body, "a");
}

#[test]
fn a_queue_that_is_paused_out_hands_out_nothing_and_shows_nobody_as_next() {
    for side in [Side::Out, Side::Both] {
        let mut driver = Driver::new();
        driver.publish_all(&["a", "b"]);
        driver.pause(side, 0);
        assert!(driver.consume_as(ANYONE, 5).is_empty(), "{side:?}");
        assert!(driver.queue.peek(5).is_empty());
        assert!(!driver.queue.hands_out());
        assert_eq!(driver.queue.len_of(StateKind::Ready), 2, "they are there all the same");
        assert_eq!(driver.queue.oldest_ready(), Some(UnixMillis(START)));
        assert_eq!(driver.queue.next_due(), None, "there is nothing to wait for");
    }
}

#[test]
fn a_queue_that_is_paused_out_goes_on_taking_jobs() {
    let mut driver = Driver::new();
    driver.pause(Side::Out, 0);
    driver.publish_all(&["a", "b"]);
    driver.resume();
    assert_eq!(driver.line(), ["a", "b"]);
}

#[test]
fn what_is_worked_can_be_settled_and_touched_while_paused() {
    let mut driver = Driver::new();
    for body in ["acked", "nacked", "released", "buried", "touched"] {
        driver.publish(job(body).id(body).backoff(Backoff::None).ttr(100));
    }
    let taken = driver.consume_as(ANYONE, 5);
    driver.pause(Side::Both, 0);
    assert_eq!(driver.ack(&taken[0].receipt), 1);
    assert_eq!(driver.nack(&taken[1].receipt), 1);
    assert_eq!(driver.release(&taken[2].receipt), 1);
    assert_eq!(driver.bury(&taken[3].receipt), 1);
    driver.pass(60);
    assert_eq!(driver.touch(&taken[4].receipt, None), Some(START + 160));
    let states = ["acked", "nacked", "released", "buried", "touched"].map(|id| driver.state(id));
    let [ready, dead, leased] = [StateKind::Ready, StateKind::Dead, StateKind::Leased].map(Some);
    assert_eq!(states, [None, ready, ready, dead, leased]);
}

#[test]
fn time_goes_on_while_paused() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("lapses").ttr(100));
    driver.publish(job("a").id("dies").ttr(100).tries(1));
    driver.consume_as(ANYONE, 2);
    driver.publish(job("a").id("due").delay(100));
    driver.publish(job("a").id("expires").ttl(100));
    driver.pause(Side::Both, 0);
    driver.pass(99);
    assert_eq!(driver.queue.len_of(StateKind::Leased), 2);
    driver.pass(1);
    let states = ["lapses", "dies", "due", "expires"].map(|id| driver.state(id));
    let [ready, dead] = [StateKind::Ready, StateKind::Dead].map(Some);
    assert_eq!(states, [ready, dead, ready, None]);
}

#[test]
fn operators_go_on_while_paused() {
    let mut driver = Driver::new();
    for state in StateKind::ALL {
        driver.publish_into(state, state.name());
    }
    driver.pause(Side::Both, 0);
    assert_eq!(driver.kick_first(1), 1);
    assert_eq!(driver.respawn_first(1, Revival::default()), 1);
    driver.pass(0);
    assert_eq!(driver.queue.len_of(StateKind::Ready), 3);
    assert_eq!(driver.delete(&["ready"]), 1);
    assert_eq!(driver.purge(StateKind::Ready, 1), 1);
    assert_eq!(driver.bury_all(StateKind::Ready, 1), 1);
    assert_eq!(driver.fulfill("leased", "", None), 1);
    assert_eq!(driver.delete(&["completed", "held", "gathering"]), 3);
    driver.pass(0);
    assert_eq!(driver.queue.len_of(StateKind::Dead), driver.queue.len());
}

#[test]
fn a_pause_for_a_time_ends_by_itself_at_its_instant() {
    for side in [Side::In, Side::Out, Side::Both] {
        let mut driver = Driver::new();
        driver.publish(job("a"));
        driver.pause(side, 500);
        assert_eq!(driver.queue.next_due(), Some(UnixMillis(START + 500)), "{side:?}");
        driver.pass(499);
        assert_ne!(*driver.queue.pauses(), Pauses::default());
        assert!(!driver.queue.is_due(UnixMillis(START + 499)));
        assert!(driver.queue.is_due(UnixMillis(START + 500)));
        assert_eq!(driver.tick_to(START + 500, 9), 1, "it is one transition");
        assert_eq!(*driver.queue.pauses(), Pauses::default());
        assert_eq!(driver.queue.next_due(), None);
        driver.publish(job("b"));
        assert_eq!(driver.line(), ["a", "b"]);
    }
}

#[test]
fn nothing_opens_without_a_tick() {
    let mut driver = Driver::new();
    driver.publish(job("a"));
    driver.pause(Side::Both, 500);
    driver.tick_to(START + 700, 0);
    assert_eq!(driver.try_publish(job("b")), Err(Refusal::Paused));
    assert!(driver.consume_as(ANYONE, 1).is_empty());
    assert_eq!(driver.queue.next_due(), Some(UnixMillis(START + 500)), "told as it was");
    driver.tick_to(START + 700, 1);
    assert_eq!(driver.consume().body, "a");
}

#[test]
fn the_end_of_a_pause_has_its_place_among_what_is_due() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("before").delay(400));
    driver.publish(job("a").id("with").delay(500));
    driver.publish(job("a").id("after").delay(600));
    driver.pause(Side::In, 500);
    let seen = |driver: &Driver| {
        let ready = |id| driver.state(id) == Some(StateKind::Ready);
        let open = driver.queue.pauses().publishing.is_none();
        [ready("before"), ready("with"), open, ready("after")]
    };
    for done in 1..=4 {
        assert_eq!(driver.tick_to(START + 1_000, 1), 1);
        assert_eq!(seen(&driver), [done >= 1, done >= 2, done >= 3, done >= 4]);
    }
    assert_eq!(driver.tick_to(START + 1_000, 1), 0);
}

#[test]
fn a_pause_ends_before_operators_are_served() {
    let mut driver = Driver::new();
    driver.publish(job("a").id("kicked").delay(5_000));
    driver.pause(Side::Out, 100);
    driver.kick_first(1);
    driver.tick_to(START + 100, 1);
    assert_eq!(*driver.queue.pauses(), Pauses::default());
    assert_eq!(driver.state("kicked"), Some(StateKind::Delayed));
}

#[test]
fn each_side_has_its_own_end_and_the_last_word_counts() {
    let mut driver = Driver::new();
    let until = |ms| Some(UnixMillis(START + ms));
    driver.pause(Side::Both, 500);
    driver.pause(Side::Out, 100);
    let pauses = *driver.queue.pauses();
    assert_eq!((pauses.publishing, pauses.consuming), (until(500), until(100)));
    driver.pass(100);
    let pauses = *driver.queue.pauses();
    assert_eq!((pauses.publishing, pauses.consuming), (until(500), None));
    driver.pause(Side::In, 0);
    assert_eq!(driver.queue.next_due(), None);
    driver.pass(1_000_000);
    assert_eq!(driver.queue.pauses().publishing, Some(UnixMillis::NEVER));
    driver.pause(Side::In, 7);
    driver.pass(7);
    assert_eq!(*driver.queue.pauses(), Pauses::default());
}

#[test]
fn a_resume_opens_both_ways_for_good() {
    for (side, span) in [(Side::In, 0), (Side::Out, 0), (Side::Both, 0), (Side::Both, 500)] {
        let mut driver = Driver::new();
        driver.publish(job("a"));
        driver.pause(side, span);
        driver.resume();
        assert_eq!(*driver.queue.pauses(), Pauses::default());
        assert_eq!(driver.queue.next_due(), None);
        driver.publish(job("b"));
        assert_eq!(driver.line(), ["a", "b"]);
        driver.resume();
        assert_eq!(driver.line(), ["a", "b"], "a queue that is open stays so");
    }
}

#[test]
fn a_pause_survives_a_snapshot() {
    for (side, span) in [(Side::In, 0), (Side::Out, 500), (Side::Both, 0), (Side::Both, 500)] {
        let mut driver = Driver::new();
        driver.publish(job("a"));
        driver.pause(side, span);
        let mut copy = Driver { queue: reloaded(&driver.queue) };
        assert_eq!(copy.queue.pauses(), driver.queue.pauses());
        assert_eq!(copy.queue.next_due(), driver.queue.next_due());
        assert_eq!(copy.queue.hands_out(), driver.queue.hands_out());
        copy.pass(500);
        assert_eq!(*copy.queue.pauses() == Pauses::default(), span > 0);
    }
}

#[test]
fn a_retry_that_comes_due_while_paused_keeps_its_turn() {
    let mut driver = Driver::new();
    driver.publish(job("a").backoff(Backoff::Fixed(jobq_engine::Millis(50))));
    let taken = driver.consume();
    driver.pause(Side::Out, 0);
    driver.settle(&[&taken.receipt], NACK);
    driver.pass(50);
    driver.publish(job("b"));
    assert_eq!(
        driver.job(&taken.id).state(),
        State::Ready { since: UnixMillis(START + 50), parked: false }
    );
    driver.resume();
    assert_eq!(driver.line(), ["a", "b"]);
}
