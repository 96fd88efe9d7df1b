//! Jobs by the thousand: published with their numbers as bodies, taken, and accounted for.

use std::{collections::BTreeSet, ops::Range};

use crate::{
    replies::{bodies, names},
    support::{Client, Reply},
};

const AT_ONCE: usize = 1_000;

/// Publishes jobs with these numbers for bodies, in this order.
#[track_caller]
pub fn publish(client: &mut Client, queue: &str, numbers: Range<usize>, options: &str) {
    let options = options.split_whitespace().map(String::from);
    for first in numbers.clone().step_by(AT_ONCE) {
        let batch = first..numbers.end.min(first + AT_ONCE);
        let mut words = vec!["JQ.MPUBLISH".to_string(), queue.into(), batch.len().to_string()];
        words.extend(batch.clone().map(|n| n.to_string()));
        words.extend(options.clone());
        assert_eq!(client.call(&words).items().len(), batch.len());
    }
}

/// Takes and acks all that is ready, and tells the numbers in the order in which they came.
#[track_caller]
pub fn drain(client: &mut Client, queue: &str) -> Vec<usize> {
    let mut drained = Vec::new();
    loop {
        let taken = client.run(&format!("JQ.CONSUME {queue} COUNT {AT_ONCE} TTR 3600000"));
        if taken.is_nothing() {
            return drained;
        }
        ack(client, queue, &taken);
        drained.extend(numbers(&taken));
    }
}

/// Acks all jobs in a reply of `JQ.CONSUME`.
#[track_caller]
pub fn ack(client: &mut Client, queue: &str, taken: &Reply) {
    let receipts = names(taken);
    let words: Vec<_> = ["JQ.ACK", queue].map(String::from).into_iter().chain(receipts).collect();
    assert_eq!(client.call(&words).int() as usize, words.len() - 2, "each was held");
}

/// The numbers that the jobs in a reply carry.
#[track_caller]
pub fn numbers(reply: &Reply) -> Vec<usize> {
    let number = |body: String| body.parse().unwrap_or_else(|_| panic!("{body} is no number"));
    bodies(reply).into_iter().map(number).collect()
}

/// Asserts that each number below `end` is there once.
#[track_caller]
pub fn assert_each_once(mut numbers: Vec<usize>, end: usize) {
    numbers.sort_unstable();
    let lost: Vec<_> = (0..end).filter(|n| numbers.binary_search(n).is_err()).collect();
    assert!(lost.is_empty(), "{} are lost: {:?}", lost.len(), &lost[..lost.len().min(20)]);
    assert_eq!(numbers.len(), end, "some came twice");
}

/// The ids of all jobs of a queue, page by page through all states.
#[track_caller]
pub fn ids(client: &mut Client, queue: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for state in ["delayed", "held", "gathering", "ready", "leased", "completed", "dead"] {
        let mut cursor = "0".to_string();
        loop {
            let line = format!("JQ.LIST {queue} {state} COUNT {AT_ONCE} CURSOR {cursor}");
            let page = client.run(&line);
            ids.extend(page.items()[1].items().iter().map(|job| job.field("id").text()));
            cursor = page.items()[0].text();
            if cursor == "0" {
                break;
            }
        }
    }
    ids
}
