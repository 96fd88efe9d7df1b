//! Very many consumers that wait, and consumers that behave badly together: each job is delivered
//! to one that is there, none to the dead, and what they took of the server's memory comes back.

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rand::{rngs::StdRng, Rng, SeedableRng};

use super::{
    jobs::{self, assert_each_once},
    tally::Tally,
};
use crate::{
    blocking::{known, nobody_waits},
    replies::{bodies, lengths, stat, used_memory},
    support::{
        load::{many, seed},
        wait_for, Client, Options, Reply, Server,
    },
};

/// A server at several addresses: ports of one are not enough for a crowd that comes again and again.
struct Hall {
    server: Server,
    control: Client,
    crowds: usize,
    _alone: MutexGuard<'static, ()>,
}

/// One crowd at a time: they may take all the connections that a process may have.
static ALONE: Mutex<()> = Mutex::new(());

impl Hall {
    fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let hosts: String = (1..10).map(|n| format!(" 127.0.0.{n}")).collect();
        let settings = format!("--maxclients 20000 --bind{hosts}");
        let server = Server::start(Options::new().with(&settings));
        let control = server.client();
        Self { server, control, crowds: 0, _alone: alone }
    }

    /// As many clients as this process, in which other tests run, and the server may have at once; or
    /// some.
    fn size(&mut self) -> usize {
        let limit = self.control.run("CONFIG GET maxclients").items()[1].text();
        many(limit.parse::<usize>().map_or(0, |limit| limit - 2_000), 500)
    }

    fn connect(&mut self, clients: usize) -> Vec<Client> {
        self.crowds += 1;
        let host = format!("127.0.0.{}", 1 + self.crowds % 9);
        let connected = (0..clients).map(|_| Client::connect_to(&host, self.server.port()));
        connected.collect::<Result<_, _>>().expect("so many connections can be had")
    }

    fn waiters(&mut self) -> usize {
        self.control.info("jobq", "jobq_waiters").parse().expect("a number")
    }

    /// Clients that wait for jobs of `mail`, in this order.
    fn crowd(&mut self, clients: usize, words: &[&str]) -> Vec<Client> {
        let mut crowd = self.connect(clients);
        for (n, client) in crowd.iter_mut().enumerate() {
            client.send(words);
            wait_for("the client to wait", || (self.waiters() > n).then_some(()));
        }
        crowd
    }

    fn memory(&mut self) -> i64 {
        used_memory(&mut self.control)
    }

    /// Waits until most of what was taken since `before` is back.
    fn memory_returns(&mut self, before: i64, full: i64) {
        wait_for("memory", || (self.memory() < before + (full - before) / 5).then_some(()));
    }
}

const WAIT: [&str; 6] = ["JQ.CONSUME", "mail", "BLOCK", "0", "TTR", "3600000"];

/// Each of them had one answer: the next is that to another question.
fn have_no_second_answer(crowd: &mut [Client]) {
    crowd.iter_mut().for_each(|client| client.send(&["PING"]));
    for client in crowd {
        assert_eq!(client.read(), Reply::Status("PONG".into()));
    }
}

/// Has all leases of `mail` end, and tells how many there were.
fn let_lapse(client: &mut Client) -> usize {
    let page = client.run("JQ.LIST mail leased COUNT 10000");
    let held: Vec<_> = page.items()[1].items().iter().map(|job| job.field("id").text()).collect();
    if !held.is_empty() {
        let touch =
            ["JQ.TOUCH", "mail", "TTR", "1"].map(String::from).into_iter().chain(held.clone());
        client.call(&touch.collect::<Vec<_>>());
    }
    wait_for("the lapses", || (client.run("JQ.LEN mail leased") == Reply::Int(0)).then_some(()));
    held.len()
}

#[test]
fn a_crowd_is_served_one_job_each_in_the_order_in_which_it_came() {
    let mut tally = Tally::of("crowd that waits");
    let mut hall = Hall::new();
    let size = hall.size();
    let before = hall.memory();
    let mut crowd = hall.crowd(size, &WAIT);
    let full = hall.memory();
    let mut control = hall.server.client();
    jobs::publish(&mut control, "mail", 0..size, "");
    for (n, client) in crowd.iter_mut().enumerate() {
        let reply = client.read();
        assert_eq!(jobs::numbers(&reply), [n], "first come, first served");
        jobs::ack(client, "mail", &reply);
    }
    nobody_waits(&hall.server);
    have_no_second_answer(&mut crowd);
    assert_eq!(lengths(&mut control, "mail"), [0; 4]);
    assert_eq!(stat(&mut control, "mail", "acked"), size as i64);
    tally.add("consumers", size);
    println!("{size} consumers took {} bytes each", (full - before) / size as i64);
    drop(crowd);
    hall.memory_returns(before, full);
}

#[test]
fn a_crowd_that_leaves_takes_no_job_along_and_gives_its_memory_back() {
    let mut tally = Tally::of("crowd that leaves");
    let mut hall = Hall::new();
    let size = hall.size();
    let before = hall.memory();
    let crowd = hall.crowd(size, &WAIT);
    let full = hall.memory();
    crowd.into_iter().for_each(Client::hang_up);
    nobody_waits(&hall.server);
    let mut control = hall.server.client();
    jobs::publish(&mut control, "mail", 0..1_000, "");
    assert_eq!(lengths(&mut control, "mail"), [0, 1_000, 0, 0]);
    assert_eq!(stat(&mut control, "mail", "delivered"), 0, "none goes to the dead");
    assert_each_once(jobs::drain(&mut control, "mail"), 1_000);
    hall.memory_returns(before, full);
    tally.add("consumers", size);
}

#[test]
fn a_crowd_whose_time_is_over_at_once_is_answered_once_each() {
    let mut tally = Tally::of("crowd whose time is over");
    let mut hall = Hall::new();
    let size = hall.size();
    let mut crowd = hall.connect(size);
    // All end in the same few milliseconds, when all are there.
    let begun = std::time::Instant::now();
    let span = 500 + size as u128 / 5;
    for client in &mut crowd {
        let left = span.saturating_sub(begun.elapsed().as_millis()).max(1);
        client.send(&["JQ.CONSUME", "mail", "BLOCK", &left.to_string()]);
    }
    for client in &mut crowd {
        assert_eq!(client.read(), Reply::NullArray);
    }
    nobody_waits(&hall.server);
    have_no_second_answer(&mut crowd);
    assert_eq!(hall.server.info("jobq", "jobq_waiters_timed_out"), size.to_string());
    tally.add("consumers", size);
}

#[test]
fn a_crowd_that_leaves_as_it_is_served_loses_no_job() {
    let mut tally = Tally::of("crowd that leaves as it is served");
    let mut hall = Hall::new();
    let size = hall.size() / 2;
    for round in 0..many(6, 2) {
        hall.control.run("FLUSHALL");
        let crowd = hall.crowd(size, &WAIT);
        let mut publisher = hall.server.client();
        let staying = std::thread::scope(|scope| {
            scope.spawn(|| jobs::publish(&mut publisher, "mail", 0..size, "TRIES 2"));
            let (mut staying, mut leaving) = (Vec::new(), Vec::new());
            for (n, client) in crowd.into_iter().enumerate() {
                if (n + round) % 3 == 0 { &mut staying } else { &mut leaving }.push(client);
            }
            leaving.into_iter().for_each(Client::hang_up);
            staying
        });
        tally.add("consumers that left", size - staying.len());
        let mut numbers = Vec::new();
        for mut client in staying {
            let reply = client.read();
            numbers.extend(jobs::numbers(&reply));
            jobs::ack(&mut client, "mail", &reply);
        }
        nobody_waits(&hall.server);
        // What was written to those who had left is nobody's, until the leases lapse.
        let client = &mut hall.control;
        let leased = let_lapse(client);
        tally.add("jobs whose lease had to lapse", leased);
        numbers.extend(jobs::drain(client, "mail"));
        assert_each_once(numbers, size);
    }
    let undelivered = hall.server.info("jobq", "jobq_jobs_undelivered");
    tally.add("jobs given back at once", undelivered.parse().expect("a number"));
}

/// How long bodies are that fill any buffer, and how many of them a consumer asks for.
const BODY: usize = 200_000;
const EACH: usize = 60;

/// How a server gets rid of clients that do not read what they asked for.
const CUTS: [&str; 2] =
    ["CONFIG SET client-output-buffer-limit", "CONFIG SET maxmemory-clients 2mb"];

#[test]
fn what_is_sent_to_clients_that_do_not_read_goes_to_others_when_they_are_cut_off() {
    let mut tally = Tally::of("clients that do not read");
    for cut in CUTS {
        let mut hall = Hall::new();
        let limited = match cut.split_once("buffer-limit") {
            Some(_) => {
                let words = ["CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"];
                hall.control.call(&words)
            }
            None => hall.control.run(cut),
        };
        assert_eq!(limited.text(), "OK");
        // Those who are to take what comes back, and to tell of it, must not be cut off.
        hall.control.run("CLIENT NO-EVICT ON");
        let clients = many(30, 10);
        for round in 0..many(5, 1) {
            hall.control.run("FLUSHALL");
            hall.control.run("CONFIG SET maxmemory-clients 0");
            let before = hall.memory();
            // Half of them wait already, the others take what is there.
            let wait = ["JQ.CONSUME", "mail", "COUNT", "60", "TTR", "3600000", "BLOCK", "0"];
            let mut deaf = hall.connect(clients);
            let jobs = clients * EACH;
            let mut ids = publish_large(&mut hall.control, 0..jobs / 2);
            deaf.iter_mut().take(clients / 2).for_each(|client| client.send(&wait));
            deaf.iter_mut().skip(clients / 2).for_each(|client| client.send(&wait));
            wait_for("the others to wait", || (hall.waiters() >= clients / 2).then_some(()));
            ids.extend(publish_large(&mut hall.control, jobs / 2..jobs));
            hall.control.run(if cut == CUTS[1] { cut } else { "PING" });
            let full = hall.memory();
            let alone = |hall: &mut Hall| {
                let list = hall.control.run("CLIENT LIST TYPE normal").text();
                list.lines().filter(|line| line.contains("cmd=jq.consume")).count()
            };
            wait_for("the cuts", || (alone(&mut hall) == 0).then_some(()));
            tally.add("clients cut off", clients);
            nobody_waits(&hall.server);
            let touch = ["JQ.TOUCH", "mail", "TTR", "1"].map(String::from).into_iter().chain(ids);
            hall.control.call(&touch.collect::<Vec<_>>());
            let is_back =
                |client: &mut Client| client.run("JQ.LEN mail ready").int() as usize == jobs;
            wait_for("the jobs", || is_back(&mut hall.control).then_some(()));

            let mut numbers = Vec::new();
            while numbers.len() < jobs {
                let taken = hall.control.run("JQ.CONSUME mail TTR 3600000");
                let body = &bodies(&taken)[0];
                assert_eq!(body.len(), BODY);
                numbers.push(body.trim_start().parse().expect("a number"));
                jobs::ack(&mut hall.control, "mail", &taken);
            }
            assert_each_once(numbers, jobs);
            assert_eq!(hall.control.run("JQ.LEN mail"), Reply::Int(0), "round {round}");
            let lapsed = stat(&mut hall.control, "mail", "lapsed");
            tally.add("jobs whose lease had to lapse", lapsed as usize);
            tally.add("jobs", jobs);
            drop(deaf);
            hall.memory_returns(before, full);
        }
        assert_eq!(hall.server.info("jobq", "jobq_errors_caught"), "0");
    }
}

/// Publishes jobs whose bodies are their numbers with a lot of space before, as many at once as one
/// consumer takes.
fn publish_large(client: &mut Client, numbers: Range<usize>) -> Vec<String> {
    let mut ids = Vec::new();
    for first in numbers.step_by(EACH) {
        let mut words = vec!["JQ.MPUBLISH".to_string(), "mail".into(), EACH.to_string()];
        words.extend((first..first + EACH).map(|n| {
            let number = n.to_string();
            " ".repeat(BODY - number.len()) + &number
        }));
        ids.extend(client.call(&words).items().iter().map(Reply::text));
    }
    ids
}

#[test]
fn who_has_said_all_waits_for_nothing_any_more() {
    let mut tally = Tally::of("half-closed connections");
    let mut hall = Hall::new();
    let size = hall.size() / 4;
    let mut crowd = hall.crowd(size, &WAIT);
    crowd.iter().for_each(Client::fall_silent);
    nobody_waits(&hall.server);
    let mut control = hall.server.client();
    jobs::publish(&mut control, "mail", 0..size, "");
    assert_eq!(lengths(&mut control, "mail"), [0, size as i64, 0, 0]);
    assert_each_once(jobs::drain(&mut control, "mail"), size);
    for client in &mut crowd {
        assert!(client.try_read().is_err(), "nothing is sent to them");
    }

    // What was asked for before is done.
    let mut hasty = hall.connect(size);
    for (n, client) in hasty.iter_mut().enumerate() {
        client.send(&["JQ.PUBLISH", "mail", &n.to_string()]);
        client.fall_silent();
    }
    let published = |client: &mut Client| client.run("JQ.LEN mail") == Reply::Int(size as i64);
    wait_for("all jobs", || published(&mut control).then_some(()));
    assert_each_once(jobs::drain(&mut control, "mail"), size);
    tally.add("consumers", size);
    tally.add("publishers", size);
}

/// What may become of one who waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Served,
    SentAway,
    Refused,
    Killed,
}

#[test]
fn operators_who_end_waits_while_jobs_come_leave_nobody_unanswered_and_lose_no_job() {
    let mut tally = Tally::of("waits ended by operators");
    let mut random = StdRng::seed_from_u64(seed());
    for _ in 0..many(30, 3) {
        let mut hall = Hall::new();
        // Redis 7.0 takes a client that was just answered for one that waits: an error would be a
        // second answer. A job that it was told of goes back all the same.
        let is_7_0 = hall.server.info("server", "redis_version").starts_with("7.0.");
        let size = many(1_000, 150);
        let mut crowd: Vec<_> = (0..size).map(|_| known(&hall.server, &WAIT.join(" "))).collect();
        let mut publisher = hall.server.client();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..size {
                    jobs::publish(&mut publisher, "mail", n..n + 1, "TRIES 2");
                }
            });
            for (_, id) in &crowd {
                let line = match random.random_range(0..4) {
                    0 => format!("CLIENT KILL ID {id}"),
                    1 => format!("CLIENT UNBLOCK {id} TIMEOUT"),
                    2 if !is_7_0 => format!("CLIENT UNBLOCK {id} ERROR"),
                    _ => continue,
                };
                let reply = hall.control.run(&line);
                assert!(matches!(reply, Reply::Int(0 | 1)), "{reply:?}");
                tally.add("times an operator acted", 1);
            }
        });
        // The rest is served now; some more jobs than consumers there are.
        jobs::publish(&mut publisher, "mail", size..size + 1, "");
        let mut numbers = Vec::new();
        for (client, _) in &mut crowd {
            let fate = match client.try_read() {
                Ok(Reply::NullArray) => Fate::SentAway,
                Ok(Reply::Error(line)) if line.starts_with("UNBLOCKED") => Fate::Refused,
                Ok(reply) => {
                    numbers.extend(jobs::numbers(&reply));
                    Fate::Served
                }
                Err(_) => Fate::Killed,
            };
            match fate {
                Fate::Killed => tally.add("consumers killed", 1),
                Fate::Served => tally.add("consumers served", 1),
                Fate::SentAway | Fate::Refused => tally.add("consumers sent away", 1),
            }
            // One who was killed may have read what came before.
            if let Ok(reply) = client.try_send(&["PING"]).and_then(|()| client.try_read()) {
                assert_eq!(reply, Reply::Status("PONG".into()), "one answer each: {fate:?}");
            }
        }
        nobody_waits(&hall.server);
        let served = numbers.len();
        let held = let_lapse(&mut hall.control);
        assert!(held >= served || is_7_0, "{held} leases, {served} served");
        tally.add("jobs whose consumer was gone", held.saturating_sub(served));
        assert_each_once(jobs::drain(&mut hall.control, "mail"), size + 1);
    }
}
