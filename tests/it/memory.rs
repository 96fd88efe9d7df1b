//! Under pressure: when memory is short, when a lot comes due at once, when much comes and goes.

use crate::{
    replies::used_memory,
    support::{
        before_due,
        likeness::{assert_alike, digests, freeze, thaw},
        load::{many, seed, Load},
        wait_for, Client, Options, Reply, Server,
    },
};

/// Publishes so many jobs, a thousand a command.
pub fn fill(client: &mut Client, queue: &str, jobs: usize, options: &str) {
    let mut words = vec!["JQ.MPUBLISH".to_string(), queue.into(), "1000".into()];
    words.extend((0..1000).map(|n| format!("body {n}")));
    words.extend(options.split_whitespace().map(String::from));
    for _ in 0..jobs / 1000 {
        assert_eq!(client.call(&words).items().len(), 1000);
    }
}

/// Takes and acks all that is ready.
fn drain(client: &mut Client, queue: &str) -> usize {
    let mut drained = 0;
    let consume = format!("JQ.CONSUME {queue} COUNT 1000");
    while let Reply::Array(jobs) = client.run(&consume) {
        let receipts = jobs.iter().map(|job| job.items()[1].text());
        let words: Vec<_> = ["JQ.ACK".into(), queue.into()].into_iter().chain(receipts).collect();
        assert_eq!(client.call(&words), Reply::Int(jobs.len() as i64));
        drained += jobs.len();
    }
    drained
}

/// Tells the server to take no more memory than it has.
fn press(client: &mut Client) {
    let limit = used_memory(client) - 1000;
    assert_eq!(client.run(&format!("CONFIG SET maxmemory {limit}")).text(), "OK");
}

#[test]
fn without_memory_publishing_is_refused_and_all_that_drains_works() {
    let server = Server::start(Options::new().with("--maxmemory-policy noeviction"));
    let mut client = server.client();
    fill(&mut client, "mail", 5_000, "TTR 3600000");
    for id in ["buried", "deleted", "kicked", "soon"] {
        client.run(&format!("JQ.PUBLISH mail hello ID {id} DELAY 3600000"));
    }
    client.run("JQ.PUBLISH due hello ID due DELAY 100 TTR 50");
    press(&mut client);

    let reply = client.run("JQ.PUBLISH mail more");
    assert_eq!(reply.error_word(), "OOM", "{reply:?}");
    assert_eq!(client.run("JQ.MPUBLISH mail 1 more").error_word(), "OOM");
    assert_eq!(client.run("JQ.PUBLISH new more").error_word(), "OOM");
    let receipt =
        |client: &mut Client| client.run("JQ.CONSUME mail WORKER w").items()[0].items()[1].text();
    let [acked, nacked, released] = [(); 3].map(|()| receipt(&mut client));
    let deadline = client.run(&format!("JQ.TOUCH mail {acked}")).items()[0].int();
    assert!(deadline > 0);
    for line in [
        format!("JQ.ACK mail {acked}"),
        format!("JQ.NACK mail {nacked} ERROR no DELAY 0"),
        format!("JQ.RELEASE mail {released}"),
        "JQ.BURY mail buried ERROR no".into(),
        "JQ.RESPAWN mail ALL".into(),
        "JQ.KICK mail ID kicked".into(),
        "JQ.DELETE mail deleted".into(),
    ] {
        assert_eq!(client.run(&line), Reply::Int(1), "{line}");
    }
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "due", "BLOCK", "0"]);
    assert_eq!(consumer.read().items()[0].items()[1].text(), "due@1", "timers go on");
    let lapsed = |client: &mut Client| client.run("JQ.LEN due ready") == Reply::Int(1);
    wait_for("the lapse", || lapsed(&mut client).then_some(()));

    drain(&mut client, "mail");
    wait_for("memory", || {
        matches!(client.run("JQ.PUBLISH mail more"), Reply::Bulk(_)).then_some(())
    });
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}

#[test]
fn a_queue_that_is_evicted_harms_neither_schedule_nor_waiters() {
    const EACH: usize = 20;
    let server = Server::start(Options::new().with("--maxmemory-policy volatile-random"));
    let mut client = server.client();
    for n in 0..EACH {
        fill(&mut client, &format!("lasting{n}"), 1_000, "DELAY 500");
        fill(&mut client, &format!("evicted{n}"), 1_000, "DELAY 3600000");
        client.run(&format!("EXPIRE evicted{n} 3600"));
    }
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "evicted0", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    press(&mut client);
    wait_for("evictions", || {
        client.run("SET other 1");
        press(&mut client);
        (server.info("stats", "evicted_keys") == EACH.to_string()).then_some(())
    });
    client.run("CONFIG SET maxmemory 0");
    for n in 0..EACH {
        let ready = format!("JQ.LEN lasting{n} ready");
        wait_for(&ready, || (client.run(&ready) == Reply::Int(1_000)).then_some(()));
    }
    assert_eq!(server.info("jobq", "jobq_queues_scheduled"), "0");
    assert!(consumer.is_waiting());
    server.run("JQ.PUBLISH evicted0 anew DELAY 5");
    assert_eq!(consumer.read().items()[0].items()[2].text(), "anew");
}

/// What the allocator may add to each job, at most: libc's has 136 bytes for the 128 of a body.
const ALLOCATOR_BYTES_MAX: i64 = 12;

/// Bytes a job over its body, by the server's own figures. From both sides, so that what was gained
/// is not lost unnoticed.
#[test]
fn what_a_job_costs_over_its_body_is_known() {
    const JOBS: usize = 100_000;
    let body = "x".repeat(128);
    for (state, options, known) in [
        ("ready", "", 93..=96),
        ("delayed", "DELAY 3600000", 110..=114),
        ("leased", "", 110..=114),
        ("dead", "", 93..=96),
    ] {
        let server = Server::plain();
        server.run("JQ.CONFIG mail SET ttr 3600000");
        let used_before = used_memory(&mut server.client());
        let mut client = server.client();
        let mut words = vec!["JQ.MPUBLISH", "mail", "1000"];
        words.extend([body.as_str(); 1000]);
        words.extend(options.split_whitespace());
        for _ in 0..JOBS / 1000 {
            assert_eq!(client.call(&words).items().len(), 1000);
            if state == "leased" {
                assert_eq!(client.run("JQ.CONSUME mail COUNT 1000").items().len(), 1000);
            }
        }
        if state == "dead" {
            assert_eq!(client.run("JQ.BURY mail ALL ready").int(), JOBS as i64);
            wait_for("the dead", || {
                (client.run("JQ.LEN mail dead") == Reply::Int(JOBS as i64)).then_some(())
            });
        }
        // Its buffers have held many jobs at once, and would count.
        drop(client);
        server.wait_until_it_tells("clients", "connected_clients", "1");
        let mut client = server.client();
        let each = |bytes: i64| bytes / JOBS as i64 - body.len() as i64;
        let used = each(used_memory(&mut client) - used_before);
        let told = each(client.run("MEMORY USAGE mail").int());
        assert!(known.contains(&told), "{told} bytes for each {state} job, not {known:?}");
        let fits = (told..=told + ALLOCATOR_BYTES_MAX).contains(&used);
        assert!(fits, "{used} bytes in use for each {state} job, of which {told} are told");
    }
}

#[test]
fn drained_jobs_give_their_memory_back() {
    let server = Server::plain();
    let mut client = server.client();
    // What the server and this client take by themselves.
    fill(&mut client, "mail", 1_000, "");
    drain(&mut client, "mail");
    let before = used_memory(&mut client);
    let jobs = many(1_000_000, 100_000);
    fill(&mut client, "mail", jobs, "");
    let full = used_memory(&mut client);
    assert!(full > before + 20 * jobs as i64);
    assert_eq!(drain(&mut client, "mail"), jobs);
    let after = wait_for("memory", || {
        let after = used_memory(&mut client);
        (after < before + (full - before) / 10).then_some(after)
    });
    assert!(after > 0);
}

#[test]
fn the_timers_of_thousands_of_queues_all_fire() {
    const QUEUES: usize = 2_000;
    let server = Server::plain();
    let mut client = server.client();
    for n in 0..QUEUES {
        client.send(&["JQ.PUBLISH", &format!("q{n}"), "soon", "DELAY", &(n % 300).to_string()]);
    }
    (0..QUEUES).for_each(|_| assert!(matches!(client.read(), Reply::Bulk(_))));
    wait_for("all timers", || (server.info("jobq", "jobq_queues_scheduled") == "0").then_some(()));
    for n in 0..QUEUES {
        assert_eq!(client.run(&format!("JQ.LEN q{n} ready")), Reply::Int(1), "q{n}");
    }
}

/// Counts the answers that a client gets while the number of jobs in `state` goes from none to all.
fn answers_meanwhile(client: &mut Client, state: &str, jobs: usize) -> usize {
    let mut answers = 0;
    wait_for("all jobs", || {
        // Several between two looks at the clock: they are what is counted, not time.
        (0..10).find_map(|_| {
            let there = client.run(&format!("JQ.LEN mail {state}")).int() as usize;
            answers += usize::from(0 < there && there < jobs);
            (there == jobs).then_some(())
        })
    });
    answers
}

/// The fewest answers in between that show that a storm is worked through in slices.
const ANSWERS_MIN: usize = 5;

#[test]
fn many_jobs_due_at_once_do_not_hold_up_others() {
    let server = Server::plain();
    let mut client = server.client();
    let jobs = many(1_000_000, 100_000);
    before_due(&mut client, |client, at| fill(client, "mail", jobs, &format!("AT {at}")));
    let answers = answers_meanwhile(&mut client, "ready", jobs);
    assert!(answers > ANSWERS_MIN, "{answers}");
    assert_eq!(client.run("JQ.LEN mail delayed"), Reply::Int(0));
}

#[test]
fn many_leases_that_lapse_at_once_do_not_hold_up_others() {
    let server = Server::plain();
    let mut client = server.client();
    let jobs = many(500_000, 50_000);
    fill(&mut client, "mail", jobs, "TRIES 1");
    let mut touch: Vec<_> = ["JQ.TOUCH", "mail", "TTR", "1"].map(String::from).into();
    for _ in 0..jobs / 1000 {
        let taken = client.run("JQ.CONSUME mail COUNT 1000 TTR 3600000");
        touch.extend(taken.items().iter().map(|job| job.items()[1].text()));
    }
    // One command after which all leases end in the same millisecond.
    let mut toucher = server.client();
    toucher.send(&touch);
    let answers = answers_meanwhile(&mut client, "dead", jobs);
    assert!(answers > ANSWERS_MIN, "{answers}");
    assert_eq!(client.run("JQ.STATS mail").field("lapsed"), Reply::Int(jobs as i64));
}

/// All ways in which a queue comes into memory and leaves it, in a few seconds also where a server
/// is watched and slow.
#[test]
fn memory_is_taken_and_given_back_by_a_mixed_load_a_reload_and_a_flush() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    let mut load = Load::new(&server, &["q0", "q1", "brief"], seed() + 5);
    load.steps(many(20_000, 400));
    load.finish();
    freeze(&server);
    let queues = digests(&server);
    for way in ["DEBUG RELOAD", "DEBUG LOADAOF"] {
        assert_eq!(client.run(way).text(), "OK");
        assert_alike(way, &queues, &server);
    }
    thaw(&server);
    load.steps(many(2_000, 40));
    load.finish();
    let payload = client.run("DUMP q0").bytes().to_vec();
    for end in [1, payload.len() / 2, payload.len() - 1] {
        let cut = client.call(&[b"RESTORE".as_slice(), b"cut", b"0", &payload[..end]]);
        assert!(matches!(cut, Reply::Error(_)), "{cut:?}");
    }
    for (way, kept) in [("FLUSHDB ASYNC", 1), ("FLUSHALL SYNC", 0)] {
        client.call(&[b"RESTORE".as_slice(), b"whole", b"0", &payload]);
        client.run("COPY whole other DB 1");
        assert_eq!(client.run(way).text(), "OK");
        assert_eq!(client.run("DBSIZE").int(), 0);
        client.run("SELECT 1");
        assert_eq!(client.run("EXISTS other").int(), kept);
        client.run("SELECT 0");
    }
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}
