//! How often memory is asked for, in a queue that is no longer new, where no table has to grow. A
//! job's body is one allocation; what is more is worth a look.

use jobq_engine::{Due, Millis, Verdict};

use crate::{
    client::{Client, AN_HOUR},
    recorded::assert_recorded,
};

const SOON: Millis = Millis(5);

/// What is done to so many jobs, each step a request. Tells the allocations of the steps that are
/// counted, and leaves no job behind.
type Round = fn(&mut Client, usize) -> Vec<usize>;

/// The steps that are counted, where a round is played, and the round.
type Counted = (&'static str, fn() -> Client, Round);

const ROUNDS: [Counted; 5] = [
    ("publish, consume, ack", Client::new, cycle),
    ("publish, consume, ack beside others", beside_leased, cycle),
    ("publish delayed, wake", Client::new, delay),
    ("lapse", Client::new, lapse),
    ("nack, wake", Client::new, nack),
];

#[test]
fn each_request_asks_for_memory_as_often_as_is_known() {
    let mut counted = Vec::new();
    for jobs in [1, 64] {
        for (steps, begin, round) in ROUNDS {
            let counts: Vec<_> =
                steady(&mut begin(), round, jobs).iter().map(usize::to_string).collect();
            counted.push(format!("{jobs} a command: {steps}: {}", counts.join(", ")));
        }
    }
    assert_recorded("allocations.txt", &counted);
}

/// What the steps of a round take, each time again.
fn steady(client: &mut Client, round: Round, jobs: usize) -> Vec<usize> {
    (0..100).for_each(|_| drop(round(client, jobs)));
    let minute = |client: &Client| client.queue.clock().0 / 60_000;
    let counts = round(client, jobs);
    for _ in 0..100 {
        let before = minute(client);
        let again = round(client, jobs);
        // What happened in a minute that is over is written down once.
        if minute(client) == before {
            assert_eq!(again, counts, "not the same each time");
        }
    }
    counts
}

fn cycle(client: &mut Client, jobs: usize) -> Vec<usize> {
    let publish = client.publish(jobs, Due::Now);
    let consume = client.consume(jobs, Millis::ZERO);
    vec![publish, consume, client.settle(Verdict::Ack)]
}

fn delay(client: &mut Client, jobs: usize) -> Vec<usize> {
    let publish = client.publish(jobs, Due::In(SOON));
    let wake = client.pass(SOON, jobs as u32);
    finish(client, jobs);
    vec![publish, wake]
}

fn lapse(client: &mut Client, jobs: usize) -> Vec<usize> {
    client.publish(jobs, Due::Now);
    client.consume(jobs, SOON);
    let lapse = client.pass(SOON, jobs as u32);
    finish(client, jobs);
    vec![lapse]
}

fn nack(client: &mut Client, jobs: usize) -> Vec<usize> {
    client.publish(jobs, Due::Now);
    client.consume(jobs, Millis::ZERO);
    let nack = client.settle(Verdict::Nack { delay: None, error: None });
    let wake = client.pass(AN_HOUR, jobs as u32);
    finish(client, jobs);
    vec![nack, wake]
}

fn finish(client: &mut Client, jobs: usize) {
    client.consume(jobs, Millis::ZERO);
    client.settle(Verdict::Ack);
}

/// Others hold jobs all the time, on the same terms and on their own.
fn beside_leased() -> Client {
    let mut client = Client::new();
    for ttr in [AN_HOUR, Millis::ZERO] {
        client.publish(1_000, Due::Now);
        client.consume(1_000, ttr);
    }
    client
}
