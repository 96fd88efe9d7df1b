//! Those who watch a queue by the server's means: `WATCH` and client-side caching. What changes a queue
//! is told, whoever did it, timers too; what only looks is not.

use super::{pair::Pair, tally::Tally};
use crate::support::{wait_for, Client, Options, Reply, Server};

/// Commands that only look, or find nothing to do.
const LOOKS: [&str; 12] = [
    "JQ.LEN mail",
    "JQ.STATS mail",
    "JQ.PEEK mail COUNT 10",
    "JQ.JOB mail a",
    "JQ.LIST mail ready",
    "JQ.RESULT mail a",
    "JQ.DIGEST mail",
    "JQ.CONFIG mail GET",
    "JQ.QUEUES",
    "JQ.CONSUME empty",
    "JQ.ACK missing a",
    "JQ.PUBLISH other x",
];

/// Commands that change the queue, in an order in which each does.
const CHANGES: [&str; 14] = [
    "JQ.PUBLISH mail x ID b",
    "JQ.MPUBLISH mail 2 x y",
    "JQ.CONSUME mail TTR 3600000",
    "JQ.TOUCH mail TTR 7200000 a",
    "JQ.RELEASE mail a",
    "JQ.UPDATE mail a PRIORITY -1",
    "JQ.BURY mail a",
    "JQ.RESPAWN mail ALL DELAY 3600000",
    "JQ.KICK mail ALL",
    "JQ.FULFILL mail b result RETAIN FOREVER",
    "JQ.CONFIG mail SET tries 3",
    "JQ.PAUSE mail",
    "JQ.RESUME mail",
    "JQ.DELETE mail a",
];

/// Whether a transaction that began to watch the queue before `meanwhile` is done after it.
fn is_done_after(server: &Server, meanwhile: impl FnOnce()) -> bool {
    let mut client = server.client();
    client.run("WATCH mail");
    meanwhile();
    client.run("MULTI");
    client.run("PING");
    !client.run("EXEC").is_nothing()
}

/// A queue with a job `a`.
fn mail() -> Pair {
    let pair = Pair::start(Options::new());
    pair.primary.run("JQ.PUBLISH mail x ID a");
    pair
}

/// Something that happens to the queue by itself: what to do for it, and how to see that it has.
const TIMES: [(&str, &str, &str, &str); 5] = [
    ("due", "JQ.PUBLISH mail x DELAY 100 ID t", "JQ.JOB mail t", "ready"),
    ("a lapse", "JQ.CONSUME mail TTR 100 COUNT 10", "JQ.JOB mail a", "ready"),
    ("a deadline", "JQ.UPDATE mail a TTL 100", "JQ.JOB mail a", ""),
    ("the end of a retention", "JQ.FULFILL mail a x RETAIN 100", "JQ.JOB mail a", ""),
    ("the end of a pause", "JQ.PAUSE mail OUT FOR 100", "JQ.STATS mail", "paused-out"),
];

/// Waits until it has happened, by looking only.
fn has_happened(client: &mut Client, look: &str, then: &str) {
    wait_for(look, || {
        let told = client.run(look);
        let happened = match then {
            "" => told.is_nothing(),
            "paused-out" => told.field("paused-out").is_nothing(),
            state => told.field("state").text() == state,
        };
        happened.then_some(())
    });
}

#[test]
fn a_transaction_that_watches_a_queue_fails_when_anything_changed_it_and_only_then() {
    let mut tally = Tally::of("transactions that watch a queue");
    let pair = mail();
    let server = &pair.primary;
    for line in LOOKS {
        let done = is_done_after(server, || {
            assert!(!matches!(server.run(line), Reply::Error(_)), "{line}");
        });
        assert!(done, "{line} changes nothing");
        tally.add("transactions done", 1);
    }
    for line in CHANGES {
        let done = is_done_after(server, || {
            assert!(!matches!(server.run(line), Reply::Error(_)), "{line}");
        });
        assert!(!done, "{line} changes the queue");
        tally.add("transactions failed", 1);
    }
    let mut client = server.client();
    for (what, line, look, then) in TIMES {
        client.run("DEL mail");
        client.run("JQ.PUBLISH mail x ID a");
        client.run(line);
        let done = is_done_after(server, || has_happened(&mut client, look, then));
        assert!(!done, "{what} changes the queue");
        tally.add("transactions failed because of a timer", 1);
    }
    // A job that went to one who waited.
    client.run("DEL mail");
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    assert!(!is_done_after(server, || drop(server.run("JQ.PUBLISH mail x"))));
    assert!(matches!(consumer.read(), Reply::Array(_)));
    pair.assert_alike(&mut tally);
}

/// Reads until the server says that the queue is another now.
fn is_told(cache: &mut Client) {
    let told = cache.read();
    let Reply::Push(told) = &told else { panic!("{told:?}") };
    assert_eq!(told[0].text(), "invalidate");
    assert_eq!(told[1], Reply::Array(vec![Reply::Bulk(b"mail".into())]));
}

#[test]
fn a_client_that_caches_what_it_read_of_a_queue_is_told_when_anything_changed_it_and_only_then() {
    let mut tally = Tally::of("client-side caches");
    let pair = mail();
    let server = &pair.primary;
    let mut client = server.client();
    for mode in ["CLIENT TRACKING ON", "CLIENT TRACKING ON BCAST PREFIX mail"] {
        let cache = &mut server.client();
        cache.run("HELLO 3");
        client.run("DEL mail");
        client.run("JQ.PUBLISH mail x ID a");
        assert_eq!(cache.run(mode).text(), "OK");
        for line in LOOKS {
            assert!(matches!(cache.run("JQ.STATS mail"), Reply::Map(_)), "{line}");
            assert!(!matches!(client.run(line), Reply::Error(_)), "{line}");
            // Had there been anything to be told, that would be read first.
            assert_eq!(cache.run("PING"), Reply::Status("PONG".into()), "{line}");
            tally.add("looks not told", 1);
        }
        for line in CHANGES {
            assert!(matches!(cache.run("JQ.STATS mail"), Reply::Map(_)), "{line}");
            client.run(line);
            is_told(cache);
            tally.add("changes told", 1);
        }
        for (what, line, look, then) in TIMES {
            cache.run("CLIENT TRACKING OFF");
            client.run("DEL mail");
            client.run("JQ.PUBLISH mail x ID a");
            client.run(line);
            cache.run(mode);
            assert!(matches!(cache.run("JQ.STATS mail"), Reply::Map(_)), "{what}");
            is_told(cache);
            tally.add("changes by timers told", 1);
            has_happened(&mut client, look, then);
        }
    }
    pair.assert_alike(&mut tally);
}
