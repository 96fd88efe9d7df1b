//! Bodies, queues and numbers of queues from nothing to very large.

use std::collections::BTreeSet;

use rand::{rngs::StdRng, Rng, SeedableRng};

use super::{
    jobs::{self, assert_each_once},
    pair::Pair,
    tally::Tally,
};
use crate::{
    blocking::nobody_waits,
    replies::{names, stat, told, used_memory},
    support::{
        before_due, encoded,
        likeness::{assert_alike, digests, reloaded, replayed},
        load::{many, seed},
        wait_for, Client, Options, Reply, Server,
    },
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// As long as a queue takes unless it is told otherwise.
const MAXBODY: usize = 16 * MIB;

/// The sizes that matter, the last of them only where `maxbody` says so.
fn sizes() -> Vec<usize> {
    let mut sizes = vec![0, 1, 100, 64 * KIB, MIB, MAXBODY - 1, MAXBODY];
    sizes.extend_from_slice(if many(1, 0) == 1 { &[64 * MIB] } else { &[] });
    sizes
}

fn bytes(random: &mut StdRng, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    random.fill(&mut bytes[..]);
    bytes
}

/// What a server tells of the jobs that hold these bodies, and the results of the jobs beside them.
fn holds(server: &Server, bodies: &[Vec<u8>]) {
    let mut client = server.client();
    for (n, body) in bodies.iter().enumerate() {
        let told = client.run(&format!("JQ.JOB mail body-{n}"));
        assert!(told.field("body").bytes() == body, "a body of {} bytes", body.len());
        let told = client.run(&format!("JQ.RESULT mail result-{n}"));
        assert!(told.items()[1].bytes() == body, "a result of {} bytes", body.len());
    }
}

#[test]
fn bodies_and_results_of_every_size_are_the_same_bytes_everywhere() {
    let mut tally = Tally::of("bodies and results of every size");
    let pair = Pair::start(Options::new().with("--client-query-buffer-limit 1gb"));
    let server = &pair.primary;
    let mut client = server.client();
    let mut random = StdRng::seed_from_u64(seed());
    let bodies: Vec<_> = sizes().into_iter().map(|size| bytes(&mut random, size)).collect();
    let largest = bodies.iter().map(Vec::len).max().unwrap_or(0);
    if largest > MAXBODY {
        let raised = client.run(&format!("JQ.CONFIG mail SET maxbody {largest}"));
        assert_eq!(raised.text(), "OK");
    }
    for (n, body) in bodies.iter().enumerate() {
        let (body_id, result_id) = (format!("body-{n}"), format!("result-{n}"));
        let words = [b"JQ.PUBLISH", &b"mail"[..], body, b"ID", body_id.as_bytes()];
        assert_eq!(client.call(&words).text(), body_id);
        client.run(&format!("JQ.PUBLISH mail x ID {result_id} DELAY 3600000 RETAIN FOREVER"));
        let words = [b"JQ.FULFILL", &b"mail"[..], result_id.as_bytes(), body];
        assert_eq!(client.call(&words), Reply::Int(1));
        tally.add("bodies and results", 2);
    }
    holds(server, &bodies);
    pair.replica.catch_up_with(server);
    holds(&pair.replica, &bodies);
    holds(&replayed(server), &bodies);
    assert_eq!(server.run("SAVE").text(), "OK");
    holds(&reloaded(server), &bodies);
    for body in &bodies {
        let taken = client.run("JQ.CONSUME mail TTR 3600000");
        assert!(taken.items()[0].items()[2].bytes() == body, "{} bytes", body.len());
    }
    pair.assert_alike(&mut tally);
}

#[test]
fn what_is_too_long_is_refused_or_cut_off_and_changes_nothing() {
    let mut tally = Tally::of("bodies and results beyond the limit");
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail hello ID there DELAY 3600000");
    let before = told(&mut client, "mail");
    let (fits, long) = (vec![b'x'; MAXBODY - 9], vec![b'x'; MAXBODY + 1]);
    let headers = [&b"HEADERS"[..], b"1", b"name", b"value!"];
    let refused: [Vec<&[u8]>; 6] = [
        vec![b"JQ.PUBLISH", b"mail", &long],
        vec![b"JQ.PUBLISH", b"new", &long],
        vec![b"JQ.MPUBLISH", b"mail", b"2", b"short", &long],
        [&[&b"JQ.PUBLISH"[..], b"mail", &fits][..], &headers].concat(),
        vec![b"JQ.UPDATE", b"mail", b"there", b"BODY", &long],
        vec![b"JQ.FULFILL", b"mail", b"there", &long],
    ];
    for words in &refused {
        let reply = client.call(words);
        assert_eq!(reply.error_word(), "TOOBIG", "{reply:?}");
        tally.add("requests refused", 1);
    }
    assert_eq!(told(&mut client, "mail"), before);
    assert_eq!(client.run("EXISTS new"), Reply::Int(0));
    // One byte less, and it is taken.
    let mut words = refused[3].clone();
    words[2] = &fits[1..];
    assert!(matches!(client.call(&words), Reply::Bulk(_)));
    assert_eq!(client.run("JQ.PURGE mail ready"), Reply::Int(1));

    // What never comes to an end, and what is longer than the server reads at all.
    let before = stat(&mut client, "mail", "published");
    client.run("CONFIG SET proto-max-bulk-len 1048576");
    let words: [&[&[u8]]; 2] =
        [&[b"JQ.PUBLISH", b"mail", &long], &[b"JQ.FULFILL", b"mail", b"there", &long]];
    for words in words {
        let mut cut = server.client();
        // The server may close the connection before all is sent.
        let sent = cut.try_send(words);
        let answer = cut.try_read();
        assert!(sent.is_err() || !matches!(answer, Ok(Reply::Bulk(_) | Reply::Int(_))));
        tally.add("requests refused", 1);
    }
    let command = encoded(&[&b"JQ.PUBLISH"[..], b"mail", &fits[..MIB]]);
    for _ in 0..many(100, 10) {
        server.client().send_bytes(&command[..command.len() / 2]);
        tally.add("commands cut off", 1);
    }
    assert_eq!(client.run("JQ.LEN mail"), Reply::Int(1));
    assert_eq!(stat(&mut client, "mail", "published"), before);
}

#[test]
fn a_queue_of_very_many_jobs_is_listed_stored_and_drained_and_gives_its_memory_back() {
    let mut tally = Tally::of("very long queue");
    let count = many(5_000_000, 100_000);
    let server = Server::plain();
    let mut client = server.client();
    jobs::publish(&mut client, "mail", 0..1, "");
    jobs::drain(&mut client, "mail");
    let bytes = |client: &mut Client| {
        let usage = client.run("MEMORY USAGE mail").int();
        [stat(client, "mail", "bytes"), usage, used_memory(client)]
    };
    let empty = bytes(&mut client);
    jobs::publish(&mut client, "mail", 0..count, "");
    tally.add("jobs", count);
    let full = bytes(&mut client);
    assert_eq!(client.run("JQ.LEN mail ready"), Reply::Int(count as i64));
    assert_eq!(jobs::numbers(&client.run("JQ.PEEK mail COUNT 3")), [0, 1, 2]);
    assert_eq!(jobs::ids(&mut client, "mail").len(), count, "each is listed");

    assert_eq!(server.run("SAVE").text(), "OK");
    let copy = reloaded(&server);
    assert_alike("the snapshot", &digests(&server), &copy);
    copy.run("REPLICAOF NO ONE");
    assert_eq!(jobs::drain(&mut copy.client(), "mail").len(), count);
    drop(copy);

    let drained = jobs::drain(&mut client, "mail");
    assert!(drained.into_iter().eq(0..count), "each once, in order");
    let returned = wait_for("memory", || {
        let now = bytes(&mut client);
        let is_back = |n: usize| now[n] < empty[n] + (full[n] - empty[n]) / 10;
        (0..3).all(is_back).then_some(now)
    });
    println!("{count} jobs, bytes by stats, key and server: {empty:?}, {full:?}, {returned:?}");
}

/// The names of all queues, page by page.
fn queues(client: &mut Client) -> BTreeSet<String> {
    let (mut names, mut cursor) = (BTreeSet::new(), "0".to_string());
    loop {
        let page = client.call(&["JQ.QUEUES", "COUNT", "10000", "CURSOR", &cursor]);
        names.extend(page.items()[1].items().iter().map(Reply::text));
        cursor = page.items()[0].text();
        if cursor == "0" {
            return names;
        }
    }
}

#[test]
fn very_many_queues_are_all_known_all_come_due_and_all_end() {
    let mut tally = Tally::of("very many queues");
    let count = many(200_000, 5_000);
    let mut server = Server::start(Options::new().with("--save 3600 1000000"));
    let mut client = server.client();
    let at = client.time() + 500 + count as i64 / 20;
    for first in (0..count).step_by(1000) {
        let batch = first..count.min(first + 1000);
        for n in batch.clone() {
            let (queue, body, at) = (format!("q{n}"), n.to_string(), at.to_string());
            client.send(&["JQ.PUBLISH", &queue, &body, "AT", &at]);
        }
        batch.for_each(|_| assert!(matches!(client.read(), Reply::Bulk(_))));
    }
    tally.add("queues", count);
    let all: BTreeSet<_> = (0..count).map(|n| format!("q{n}")).collect();
    assert_eq!(queues(&mut client), all);
    server.restart();
    let mut client = server.client();
    assert_eq!(queues(&mut client), all, "they are known after a restart");
    assert_eq!(server.info("jobq", "jobq_queues"), count.to_string());
    server.wait_until_it_tells("jobq", "jobq_queues_scheduled", "0");

    let mut taken = Vec::new();
    for first in (0..count).step_by(100) {
        let mut words = ["JQ.CONSUME", &format!("q{first}"), "COUNT", "1000", "TTR", "3600000"]
            .map(String::from)
            .to_vec();
        words.push("ALSO".into());
        words.extend((first + 1..count.min(first + 100)).map(|n| format!("q{n}")));
        let reply = client.call(&words);
        for (queue, receipt) in crate::replies::queues(&reply).iter().zip(names(&reply)) {
            assert_eq!(client.call(&["JQ.ACK", queue, &receipt]), Reply::Int(1));
        }
        taken.extend(jobs::numbers(&reply));
    }
    assert_each_once(taken, count);

    // Each has a timer again, and all go at once.
    for n in 0..count {
        client.send(&["JQ.PUBLISH", &format!("q{n}"), "x", "DELAY", "3600000"]);
        assert!(matches!(client.read(), Reply::Bulk(_)));
    }
    assert_eq!(server.info("jobq", "jobq_queues_scheduled"), count.to_string());
    assert_eq!(client.run("FLUSHALL").text(), "OK");
    for field in ["jobq_queues", "jobq_queues_scheduled"] {
        assert_eq!(server.info("jobq", field), "0");
    }
    assert!(queues(&mut client).is_empty());
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}

/// A storm in the queue `mail` of very many jobs, and what goes on meanwhile.
struct Storm {
    count: usize,
    consumers: Vec<Client>,
    taken: Vec<usize>,
    answers: usize,
    longest: std::time::Duration,
}

impl Storm {
    /// Consumers wait, for up to a hundred jobs each.
    fn new(server: &Server, count: usize) -> Self {
        let consumers = (0..20).map(|_| {
            let mut consumer = server.client();
            consumer.send(&["JQ.CONSUME", "mail", "COUNT", "100", "TTR", "3600000", "BLOCK", "0"]);
            consumer
        });
        let consumers = consumers.collect();
        server.wait_for_blocked(20);
        Self { count, consumers, taken: Vec::new(), answers: 0, longest: Default::default() }
    }

    /// Works in other queues until it is over, by the statistics.
    fn pass(&mut self, client: &mut Client, done: impl Fn(&Reply) -> i64) {
        wait_for("the end of the storm", || {
            ["PING", "JQ.PUBLISH other x", "JQ.CONSUME other", "JQ.PURGE other leased"]
                .iter()
                .find_map(|line| {
                    let begun = std::time::Instant::now();
                    assert!(!matches!(client.run(line), Reply::Error(_)), "{line}");
                    self.longest = self.longest.max(begun.elapsed());
                    let done = done(&client.run("JQ.STATS mail"));
                    self.answers += usize::from(0 < done && done < self.count as i64);
                    (done == self.count as i64).then_some(())
                })
        });
        for consumer in &mut self.consumers {
            let reply = consumer.read();
            self.taken.extend(jobs::numbers(&reply));
            jobs::ack(client, "mail", &reply);
        }
    }

    fn ends(mut self, pair: &Pair, client: &mut Client, tally: &mut Tally) {
        nobody_waits(&pair.primary);
        self.taken.extend(jobs::drain(client, "mail"));
        assert_each_once(self.taken, self.count);
        let answers = self.answers;
        assert!(answers > 0, "others are served in between");
        tally.add("jobs", self.count);
        tally.add("answers to others in between", answers);
        println!("{} jobs, {answers} answers, at most {:?} for one", self.count, self.longest);
        pair.assert_alike(tally);
    }
}

#[test]
fn very_many_jobs_that_come_due_at_once_all_come_and_others_are_served_in_between() {
    let mut tally = Tally::of("very many jobs due at once");
    let count = many(1_000_000, 100_000);
    let pair = Pair::start(Options::new());
    let mut client = pair.primary.client();
    before_due(&mut client, |client, at| {
        jobs::publish(client, "mail", 0..count, &format!("AT {at}"));
    });
    let mut storm = Storm::new(&pair.primary, count);
    storm.pass(&mut client, |stats| count as i64 - stats.field("delayed").int());
    storm.ends(&pair, &mut client, &mut tally);
}

#[test]
fn very_many_leases_that_lapse_at_once_all_come_back_and_others_are_served_in_between() {
    let mut tally = Tally::of("very many leases lapsing at once");
    let count = many(1_000_000, 100_000);
    let pair = Pair::start(Options::new());
    let mut client = pair.primary.client();
    jobs::publish(&mut client, "mail", 0..count, "");
    let mut touch: Vec<_> = ["JQ.TOUCH", "mail", "TTR", "1"].map(String::from).into();
    for _ in 0..count / 1000 {
        touch.extend(names(&client.run("JQ.CONSUME mail COUNT 1000 TTR 3600000")));
    }
    let mut storm = Storm::new(&pair.primary, count);
    // One command after which all leases end in the same millisecond.
    let mut toucher = pair.primary.client();
    toucher.send(&touch);
    storm.pass(&mut client, |stats| stats.field("lapsed").int());
    storm.ends(&pair, &mut client, &mut tally);
}
