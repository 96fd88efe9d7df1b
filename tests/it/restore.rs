//! Payloads that anyone can send: no bytes can harm the server, and what is taken is a queue.

use std::fs;

use rand::{rngs::StdRng, Rng, SeedableRng};

use crate::support::{
    load::{many, seed, Load},
    wait_for, Client, Options, Reply, Server,
};

/// The checksum at the end of payloads and snapshots: CRC-64 with Jones' polynomial, reflected.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, &byte| {
        (0..8).fold(sum ^ u64::from(byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { 0x95ac_9329_ac4b_c9b5 } else { 0 }
        })
    })
}

/// The form's version and the checksum.
const FOOTER_BYTES: usize = 10;

/// A value with the footer that makes it a payload.
fn sealed(value: &[u8], version: &[u8]) -> Vec<u8> {
    let mut payload = [value, version].concat();
    payload.extend(checksum(&payload).to_le_bytes());
    payload
}

fn opened(payload: &[u8]) -> (&[u8], &[u8]) {
    let (value, footer) = payload.split_at(payload.len() - FOOTER_BYTES);
    (value, &footer[..2])
}

fn restore(client: &mut Client, payload: &[u8]) -> Reply {
    client.call(&[b"RESTORE".as_slice(), b"copy", b"0", payload, b"REPLACE"])
}

/// A queue with something of everything.
fn a_varied_queue(server: &Server) {
    let mut load = Load::new(server, &["mail"], seed() + 4);
    load.steps(150);
    load.finish();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail given ID own-id DELAY 3600000 TTL 3600001 BACKOFF exp:1:2");
    client.run("JQ.PUBLISH mail buried ID dead-id");
    client.run("JQ.BURY mail dead-id ERROR because");
    client.run("JQ.PUBLISH mail leased PRIORITY -20");
    client.run("JQ.CONSUME mail TTR 3600000 WORKER w");
}

#[test]
fn a_payload_that_ends_early_is_refused() {
    for compression in ["yes", "no"] {
        let mut server = Server::plain();
        server.run(&format!("CONFIG SET rdbcompression {compression}"));
        server.run("JQ.PUBLISH mail one");
        server.run("JQ.PUBLISH mail two ID own DELAY 3600000");
        server.run("JQ.CONSUME mail");
        let mut client = server.client();
        let payload = client.run("DUMP mail").bytes().to_vec();
        let (value, version) = opened(&payload);
        assert_eq!(sealed(value, version), payload, "our checksum is the server's");
        for len in 0..value.len() {
            let reply = restore(&mut client, &sealed(&value[..len], version));
            assert!(matches!(reply, Reply::Error(_)), "{len} of {} bytes: {reply:?}", value.len());
            let reply = restore(&mut client, &payload[..len]);
            assert!(matches!(reply, Reply::Error(_)), "{len} bytes without a footer: {reply:?}");
        }
        assert_eq!(client.run("EXISTS copy"), Reply::Int(0));
        assert!(server.is_alive());
        assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
    }
}

#[test]
fn a_payload_with_any_bytes_is_refused_or_is_a_queue() {
    let mut random = StdRng::seed_from_u64(seed());
    for compression in ["yes", "no"] {
        let mut server = Server::plain();
        server.run(&format!("CONFIG SET rdbcompression {compression}"));
        a_varied_queue(&server);
        let mut client = server.client();
        let payload = client.run("DUMP mail").bytes().to_vec();
        let (value, version) = opened(&payload);
        let mut taken = 0;
        for _ in 0..many(200_000, 4_000) {
            let edited = edited(value, &mut random);
            if restore(&mut client, &sealed(&edited, version)) == Reply::Status("OK".into()) {
                taken += 1;
                is_a_queue(&mut client);
            }
        }
        assert!(compression == "yes" || taken > 0, "some edits only change a value");
        assert!(server.is_alive());
        assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
        wait_for("the server", || (server.run("PING").text() == "PONG").then_some(()));
    }
}

fn edited(value: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut value = value.to_vec();
    for _ in 0..random.random_range(1..4) {
        // The first bytes say of which type the value is.
        let at = random.random_range(9..value.len());
        match random.random_range(0..8) {
            0 => value.insert(at, random.random()),
            1 => drop(value.remove(at)),
            2 => {
                let end = (at + random.random_range(1..60)).min(value.len());
                let piece = value[at..end].to_vec();
                value.splice(at..at, piece);
            }
            3 => value[at] = *[0, 1, 0x7f, 0x80, 0xff].get(random.random_range(0..5)).unwrap_or(&0),
            _ => value[at] ^= 1 << random.random_range(0..8),
        }
    }
    value
}

/// What was taken can be looked at, stored again to the same, worked on, and emptied.
fn is_a_queue(client: &mut Client) {
    let server_says = |client: &mut Client, line: &str| {
        let reply = client.run(line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
        reply
    };
    // A timer may change it at any time: only what is compared within a transaction stands still.
    client.run("MULTI");
    client.run("JQ.DIGEST copy");
    client.run("DUMP copy");
    let both = client.run("EXEC");
    let (digest, payload) = (&both.items()[0], both.items()[1].bytes());
    client.run("MULTI");
    client.call(&[b"RESTORE".as_slice(), b"again", b"0", payload, b"REPLACE"]);
    client.run("JQ.DIGEST again");
    let both = client.run("EXEC");
    assert_eq!(both.items()[0], Reply::Status("OK".into()));
    assert_eq!(both.items()[1], *digest);

    server_says(client, "JQ.STATS copy");
    server_says(client, "JQ.PEEK copy COUNT 100");
    server_says(client, "JQ.RESUME copy");
    server_says(client, "JQ.KICK copy COUNT 100");
    server_says(client, "JQ.RESPAWN copy ALL");
    // Its own limits and defaults may be any.
    let published = client.run("JQ.PUBLISH copy more TTL 0");
    if !matches!(published, Reply::Bulk(_)) {
        assert!(["FULL", "TOOBIG"].contains(&published.error_word()), "{published:?}");
    }
    // A job may expire or meet its deadline between its delivery and its ack, as its edited terms
    // have it.
    let ended = |client: &mut Client| {
        let stats = client.run("JQ.STATS copy");
        stats.field("expired").int() + stats.field("overdue").int()
    };
    let ended_before = ended(client);
    let mut unacked = 0;
    while let Reply::Array(jobs) = server_says(client, "JQ.CONSUME copy COUNT 100 TTR 3600000") {
        let receipts = jobs.iter().map(|job| job.items()[1].text());
        let words: Vec<_> = ["JQ.ACK".into(), "copy".into()].into_iter().chain(receipts).collect();
        unacked += jobs.len() as i64 - client.call(&words).int();
    }
    let ended = ended(client) - ended_before;
    assert!((0..=ended).contains(&unacked), "{unacked} receipts fail, {ended} jobs ended");
    client.run("MULTI");
    for state in ["", " delayed", " held", " gathering", " ready", " leased", " completed", " dead"]
    {
        client.run(&format!("JQ.LEN copy{state}"));
    }
    let counted = client.run("EXEC");
    let counted: Vec<_> = counted.items().iter().map(Reply::int).collect();
    assert_eq!(counted[0], counted[1..].iter().sum());
}

/// Where the layout's version is: the low bits of the type's number, behind the two bytes that
/// say that a value of a module follows and how long its number is.
const LAYOUT_VERSION_AT: usize = 9;

#[test]
fn a_payload_of_a_newer_layout_or_form_is_refused_with_a_clear_line() {
    let server = Server::plain();
    server.run("CONFIG SET rdbcompression no");
    server.run("JQ.PUBLISH mail one");
    let payload = server.run("DUMP mail").bytes().to_vec();
    let (value, version) = opened(&payload);
    let mark = value.windows(4).position(|bytes| bytes == b"JobQ").expect("a frame has its mark");
    for (at, what) in [(LAYOUT_VERSION_AT, "layout"), (mark + 4, "form")] {
        let mut value = value.to_vec();
        value[at] += 1;
        let lines = server.log().matches("2 is newer than 1").count();
        let reply = restore(&mut server.client(), &sealed(&value, version));
        assert!(matches!(reply, Reply::Error(_)), "{what}: {reply:?}");
        assert_eq!(server.log().matches("2 is newer than 1").count(), lines + 1, "{what}");
    }
    assert_eq!(server.run("EXISTS copy"), Reply::Int(0));
}

#[test]
fn a_snapshot_of_a_newer_layout_or_form_stops_the_start_with_a_clear_line() {
    for in_form in [false, true] {
        let mut server = Server::start(Options::new().with("--rdbcompression no"));
        server.run("JQ.PUBLISH mail one");
        server.run("SAVE");
        server.kill();
        let path = server.directory().join("dump.rdb");
        let mut bytes = fs::read(&path).expect("the snapshot is there");
        let mark = bytes.windows(4).position(|bytes| bytes == b"JobQ").expect("a frame is there");
        if in_form {
            bytes[mark + 4] += 1;
        } else {
            let name = bytes.windows(5).position(|bytes| bytes == b"\x04mail").expect("the key");
            bytes[name + 5 + LAYOUT_VERSION_AT - 1] += 1;
        }
        bytes.truncate(bytes.len() - 8);
        let sum = checksum(&bytes);
        bytes.extend(sum.to_le_bytes());
        fs::write(&path, bytes).expect("the snapshot is writable");
        assert!(!server.comes_up(), "{}", server.log());
        assert!(server.log().contains("2 is newer than 1"), "{}", server.log());
    }
}
