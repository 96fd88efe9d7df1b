//! Histories of one job, written down by hand: what a check must find, and what it must not.

use std::time::{Duration, Instant};

use super::check;
use crate::faults::history::{successor_of, Done, Fact, History, Loss, Receipt, Way, What};

/// Requests take a millisecond, and this one is sent at this time, in milliseconds.
fn fact(begun: Instant, at: u64, what: What) -> Fact {
    let sent = begun + Duration::from_millis(at);
    Fact {
        job: "1-1.1".into(),
        queue: "mail".into(),
        server: 1,
        sent,
        answered: Some(sent + Duration::from_millis(1)),
        confirmed: false,
        what,
    }
}

fn published(delay: u64) -> What {
    What::Publish { delay, tries: 2, done: Done::Yes }
}

fn receipt(token: u64) -> Receipt {
    Receipt { id: "1-1".into(), token }
}

fn delivered(token: u64) -> What {
    What::Deliver { receipt: receipt(token), ttr: 100 }
}

fn settled(way: Way, token: u64, done: Done) -> What {
    What::Settle { way, receipt: receipt(token), done }
}

fn acked(token: u64) -> What {
    settled(Way::Ack, token, Done::Yes)
}

/// From 10 s on, all that is left is taken.
const DRAINED_FROM: u64 = 10_000;

fn history(facts: Vec<(u64, What)>) -> History {
    let begun = Instant::now();
    History {
        facts: facts.into_iter().map(|(at, what)| fact(begun, at, what)).collect(),
        drained_from: Some(begun + Duration::from_millis(DRAINED_FROM)),
        ..History::default()
    }
}

#[track_caller]
fn finds(rule: &str, facts: Vec<(u64, What)>) {
    let broken = check(&history(facts)).broken;
    assert!(broken.iter().any(|told| told.starts_with(rule)), "{rule}: {broken:?}");
}

#[track_caller]
fn finds_nothing(history: &History) {
    assert_eq!(check(history).broken, [""; 0]);
}

#[test]
fn a_life_that_keeps_all_promises_is_let_pass() {
    finds_nothing(&history(vec![
        (0, published(50)),
        (60, delivered(1)),
        (70, settled(Way::Touch, 1, Done::Yes)),
        (80, settled(Way::Nack(40), 1, Done::Yes)),
        (150, delivered(2)),
        (160, settled(Way::Release, 2, Done::Yes)),
        (161, delivered(3)),
        (300, settled(Way::Ack, 2, Done::No)),
        (400, settled(Way::Ack, 3, Done::No)),
        (DRAINED_FROM + 1, delivered(4)),
    ]));
}

#[test]
fn an_answer_may_be_longer_on_its_way_than_the_lease_lasts() {
    let mut late = history(vec![
        (0, published(0)),
        (5, delivered(1)),
        (480, delivered(2)),
        (505, settled(Way::Ack, 1, Done::No)),
        (510, acked(2)),
    ]);
    late.facts[1].answered = Some(late.facts[0].sent + Duration::from_millis(500));
    finds_nothing(&late);
}

#[test]
fn every_broken_promise_is_found() {
    finds("a delivered job was published", vec![(5, delivered(1))]);
    finds("no acknowledged publish disappears", vec![(0, published(0)), (5, delivered(1))]);
    let finished = vec![(0, published(0)), (5, delivered(1)), (9, acked(1))];
    let then = |more: Vec<(u64, What)>| [finished.clone(), more].concat();
    finds("a finished job is never delivered again", then(vec![(200, delivered(2))]));
    finds("a finished job is never delivered again", then(vec![(DRAINED_FROM, delivered(2))]));
    finds("a receipt settles once", then(vec![(20, settled(Way::Release, 1, Done::Yes))]));
    finds("tokens grow", then(vec![(200, delivered(0))]));
    let taken = vec![(0, published(0)), (5, delivered(1))];
    let then = |more: Vec<(u64, What)>| [taken.clone(), more].concat();
    finds("a job is leased to one consumer at a time", then(vec![(50, delivered(2))]));
    let often = vec![(200, delivered(2)), (400, delivered(3))];
    finds("a job has no more deliveries than tries", then(often));
    finds("a stale receipt changes nothing", then(vec![(200, delivered(2)), (250, acked(1))]));
    let fulfilled = vec![(9, settled(Way::Fulfill, 1, Done::Yes))];
    finds("a result is kept", then(fulfilled));
    finds("a job is not delivered before it is due", vec![(0, published(50)), (20, delivered(1))]);
    let nacked = vec![(10, settled(Way::Nack(50), 1, Done::Yes)), (30, delivered(2))];
    finds("a job that was nacked is not delivered before its wait is over", then(nacked));
    let mut twice = history(then(vec![(300, delivered(1))]));
    twice.facts[2].job = "2-2.1".into();
    let broken = check(&twice).broken;
    assert!(broken.iter().any(|told| told.contains("was given twice")), "{broken:?}");
}

#[test]
fn what_was_not_answered_may_have_happened_or_not() {
    let unanswered = |way| settled(way, 1, Done::Maybe);
    let lives = [
        vec![(0, published(0)), (5, delivered(1)), (9, unanswered(Way::Ack))],
        vec![
            (0, published(0)),
            (5, delivered(1)),
            (9, unanswered(Way::Ack)),
            (DRAINED_FROM, delivered(2)),
        ],
        vec![
            (0, published(0)),
            (5, delivered(1)),
            (9, unanswered(Way::Nack(500))),
            (20, delivered(2)),
            (DRAINED_FROM, delivered(3)),
        ],
        vec![(0, What::Publish { delay: 0, tries: 2, done: Done::Maybe })],
    ];
    for life in lives {
        finds_nothing(&history(life));
    }
}

#[test]
fn what_may_be_forgotten_is_counted_and_is_no_broken_promise() {
    let mut forgotten = history(vec![(0, published(0)), (5, delivered(1))]);
    let at = |ms: u64| forgotten.facts[0].sent + Duration::from_millis(ms);
    let loss = |from, until| Loss { from: at(from), until: at(until), server: None };
    let (of_all, of_nothing) = (loss(0, 20), loss(100, 200));
    forgotten.losses = vec![of_all.clone()];
    let findings = check(&forgotten);
    assert_eq!((findings.broken.len(), findings.publishes_forgotten), (0, 1));
    forgotten.losses = vec![of_nothing];
    assert_eq!(check(&forgotten).broken.len(), 1);
    // Another server may forget what it was told; and what the replicas have is not forgotten.
    forgotten.losses = vec![Loss { server: Some(2), ..of_all.clone() }];
    assert_eq!(check(&forgotten).broken.len(), 1);
    forgotten.losses = vec![of_all];
    forgotten.facts[0].confirmed = true;
    assert_eq!(check(&forgotten).broken.len(), 1);
}

/// A job whose delivery was ended with a successor, as far as was answered, and what happened to each of
/// the two then.
fn chained(done: Done, first: Vec<(u64, What)>, next: Vec<(u64, What)>) -> History {
    let before = vec![(0, published(0)), (5, delivered(1)), (9, settled(Way::Chain, 1, done))];
    let mut chained = history([before, first].concat());
    let begun = chained.facts[0].sent;
    let successor = What::Publish { delay: 0, tries: 2, done };
    let next = [vec![(9, successor)], next].concat();
    chained.facts.extend(next.into_iter().map(|(at, what)| Fact {
        job: successor_of("mail", &receipt(1)),
        queue: "fax".into(),
        ..fact(begun, at, what)
    }));
    chained
}

#[test]
fn a_successor_that_is_there_beside_its_predecessor_or_with_it_gone_is_found() {
    let is_told = |history: &History, rule: &str| {
        let broken = check(history).broken;
        assert!(broken.iter().any(|told| told.starts_with(rule)), "{rule}: {broken:?}");
    };
    let once = |at: u64| vec![(at, delivered(2)), (at + 2, acked(2))];
    let at_the_end = || vec![(DRAINED_FROM, delivered(3))];
    for done in [Done::Yes, Done::Maybe] {
        let both = "a job that is delivered again has no successor";
        is_told(&chained(done, once(200), once(20)), both);
        is_told(&chained(done, at_the_end(), once(20)), both);
        is_told(&chained(done, vec![], vec![]), "a job that is finished with a successor has one");
        finds_nothing(&chained(done, vec![], once(20)));
        finds_nothing(&chained(done, vec![], at_the_end()));
    }
    is_told(&chained(Done::Yes, vec![], vec![]), "no acknowledged publish disappears");
    is_told(&chained(Done::No, at_the_end(), once(20)), "a delivered job was published");
    finds_nothing(&chained(Done::Maybe, at_the_end(), vec![]));
    // What may be forgotten is forgotten with its successor.
    let mut forgotten = chained(Done::Yes, at_the_end(), vec![]);
    let at = |ms: u64| forgotten.facts[0].sent + Duration::from_millis(ms);
    let loss = Loss { from: at(8), until: at(20), server: None };
    forgotten.losses = vec![loss];
    finds_nothing(&forgotten);
}
