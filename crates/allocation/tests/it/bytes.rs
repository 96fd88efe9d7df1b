//! How much memory a job holds over its body: by the count of the queue itself, which the server
//! tells, and by that of the allocator.

use jobq_allocation::growth_of;
use jobq_engine::{Due, Millis, StateKind, Verdict};

use crate::{
    client::{Client, AN_HOUR, BODY},
    recorded::assert_recorded,
};

/// Several, since tables grow in steps.
const SIZES: [usize; 3] = [10_000, 70_000, 100_000];

#[test]
fn a_job_takes_as_many_bytes_over_its_body_as_are_known() {
    let mut counted = Vec::new();
    for state in [StateKind::Ready, StateKind::Delayed, StateKind::Leased, StateKind::Dead] {
        for jobs in SIZES {
            let mut client = Client::new();
            let told_before = client.queue.bytes();
            let ((), held) = growth_of(|| (0..jobs).for_each(|n| add(&mut client, state, n)));
            assert_eq!(client.queue.len_of(state), jobs);
            let told = client.queue.bytes() - told_before;
            let each = |bytes: usize| bytes as f64 / jobs as f64 - BODY.len() as f64;
            let (told, held) = (each(told), each(held as usize));
            counted.push(format!("{jobs} {}: told {told:.1}, held {held:.1}", state.name()));
        }
    }
    assert_recorded("bytes.txt", &counted);
}

/// Puts one more job into a state.
fn add(client: &mut Client, state: StateKind, n: usize) {
    let due = if state == StateKind::Delayed { Due::In(scattered(n)) } else { Due::Now };
    client.publish(1, due);
    if matches!(state, StateKind::Leased | StateKind::Dead) {
        client.consume(1, AN_HOUR);
    }
    if state == StateKind::Dead {
        client.settle(Verdict::Bury { error: None });
    }
}

/// Spans of up to an hour, the same in every run and in no order.
fn scattered(n: usize) -> Millis {
    Millis(1 + n as u64 * 7_919_317 % AN_HOUR.0)
}
