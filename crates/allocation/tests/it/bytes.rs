//! How much memory a job holds over its body: by the count of the queue itself, which the server
//! tells, and by that of the allocator.

use jobq_allocation::growth_of;
use jobq_engine::{Bodies, Conditions, Due, LimitName, Millis, Publish, StateKind, Use, Verdict};

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

/// What most jobs share, and some have for themselves.
#[test]
fn what_is_told_of_a_queue_is_what_it_holds_also_where_each_job_has_terms_of_its_own() {
    const JOBS: usize = 10_000;
    let mut counted = Vec::new();
    for kind in ["group", "mutex", "batch", "worker", "weight"] {
        let mut client = Client::new();
        let told_before = client.queue.bytes();
        let ((), held) = growth_of(|| {
            for n in 0..JOBS {
                let name = format!("{kind}-{n:0>100}");
                match kind {
                    "worker" => {
                        client.publish(1, Due::Now);
                        client.consume_as(name.as_bytes(), 1, AN_HOUR)
                    }
                    "weight" => client.weigh(name.as_bytes()),
                    _ => client.publish_on(terms(kind, name.as_bytes())),
                };
            }
        });
        let told = client.queue.bytes() - told_before;
        let (told, held) = (told as f64 / JOBS as f64, held as f64 / JOBS as f64);
        counted.push(format!("{kind}: told {told:.0}, held {held:.0}"));
        assert!((0.85..1.1).contains(&(told / held)), "{counted:?}");
    }
    assert_recorded("terms.txt", &counted);
}

/// A job of a group, a limit or a batch of its own.
fn terms<'a>(kind: &str, name: &'a [u8]) -> Publish<'a> {
    let mut publish = Publish::new(Bodies::One(BODY));
    let mut conditions = Conditions::default();
    match kind {
        "group" => publish.wishes.group = Some(name),
        "mutex" => conditions.uses.push(Use { limit: LimitName::Mutex(name), weight: 1 }),
        _ => conditions.batch = name,
    }
    if conditions != Conditions::default() {
        publish.conditions = Some(Box::new(conditions));
    }
    publish
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
