//! Files that were cut off, changed, or left behind half written.

pub mod files;

use std::{collections::BTreeMap, fs, path::Path};

use jobq_engine::{Holder, JobId, Millis};
use jobq_protocol::steps::{unpack, LeaseStep, Packed, Step};
use rand::{rngs::StdRng, seq::IndexedRandom, Rng, SeedableRng};

use self::files::{all_queues_work, file_of, has_crashed, Patient};
use crate::{
    faults::tally::Tally,
    support::{
        encoded,
        likeness::{
            assert_alike, copy_log, digests, freeze, replayed, rewrite_log, started_on, thaw,
            Digests,
        },
        load::{many, seed, Load},
        Options, Reply, Server,
    },
};

const INCREMENT: &str = ".incr.aof";
const COMMANDS: &str = ".base.aof";
const PREAMBLE: &str = ".base.rdb";
const SNAPSHOT: &str = "dump.rdb";

fn logging() -> Options {
    Options::new().with("--appendonly yes --appendfsync always")
}

/// Takes the next command off, if all of it is there.
fn next_command(log: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = *log;
    let len = number(&mut rest, b'*')?;
    let mut words = Vec::with_capacity(len);
    for _ in 0..len {
        let len = number(&mut rest, b'$')?;
        words.push(rest.get(..len)?.to_vec());
        rest = rest.get(len + 2..)?;
    }
    *log = rest;
    Some(words)
}

fn number(log: &mut &[u8], kind: u8) -> Option<usize> {
    let end = log.windows(2).position(|pair| pair == b"\r\n")?;
    let digits = log.get(..end)?.strip_prefix(&[kind])?;
    *log = &log[end + 2..];
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Where the whole steps of a log end: single commands and transactions.
fn ends_of_steps(log: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    let mut rest = log;
    let mut in_transaction = false;
    while let Some(words) = next_command(&mut rest) {
        match &words[0][..] {
            b"MULTI" => in_transaction = true,
            b"EXEC" => in_transaction = false,
            _ => {}
        }
        if !in_transaction {
            ends.push(log.len() - rest.len());
        }
    }
    ends
}

/// Does something of everything, and notes what there is after each step of the log.
fn history(server: &Server) -> BTreeMap<usize, Digests> {
    let log = file_of(server.directory(), INCREMENT);
    let len = || fs::metadata(&log).expect("the log is there").len() as usize;
    let mut stages = BTreeMap::new();
    let mut note = || loop {
        let before = len();
        let queues = digests(server);
        // Timers may have done something in between.
        if len() == before {
            stages.insert(before, queues);
            return;
        }
    };
    note();
    let mut client = server.client();
    let mut consumer = server.client();
    for line in [
        "JQ.CONFIG mail SET tries 3 dead-max 4 retain 3600000",
        "JQ.PUBLISH mail hello ID a TTR 3600000",
        "JQ.MPUBLISH mail 3 one two three PRIORITY 4 BACKOFF exp:3600000:7200000",
        "JQ.PUBLISH mail typed TYPE letter HEADERS 1 lang en DEADLINE 253402300799999",
        "JQ.CONSUME mail COUNT 3 WORKER w TTR 3600000",
        "JQ.FULFILL mail a done",
        "JQ.CONSUME mail FREE",
        "JQ.PUBLISH mail soon DELAY 1 ID soon",
        "JQ.NACK mail soon",
        "MULTI",
        "JQ.PUBLISH mail x ID x",
        "JQ.PUBLISH fax y ID y",
        "SET other 1",
        "JQ.BURY mail x ERROR because",
        "EXEC",
        "SELECT 1",
        "JQ.PUBLISH mail elsewhere ID e",
        "JQ.CONSUME mail",
        "JQ.TOUCH mail TTR 3600000 e",
        "JQ.PAUSE mail OUT FOR 3600000",
        "SELECT 0",
        "JQ.RESPAWN mail ALL",
        "RENAME fax post",
        "COPY mail copy",
        "JQ.PURGE copy ready",
        "JQ.CONSUME post BLOCK 0 ALSO mail",
    ] {
        let reply = client.run(line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
        note();
    }
    consumer.send(&["JQ.CONSUME", "post", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    client.run("JQ.PUBLISH post awaited ID last TTR 3600000");
    consumer.read();
    note();
    client.run("JQ.ACK post last");
    note();
    stages
}

#[test]
fn a_log_cut_off_anywhere_gives_the_state_after_its_last_whole_step_or_is_refused_if_so_asked() {
    let mut tally = Tally::of("append-only file cut off");
    let mut server = Server::start(logging());
    let mut known = history(&server);
    server.kill();
    let whole = fs::read(file_of(server.directory(), INCREMENT)).expect("the log is readable");
    let ends = ends_of_steps(&whole);
    assert_eq!(ends.last(), Some(&whole.len()));
    for step in ends.windows(2) {
        // By itself it changes nothing.
        if whole[step[0]..].starts_with(b"*2\r\n$6\r\nSELECT\r\n") {
            let before = known.get(&step[0]).cloned();
            known.extend(before.map(|before| (step[1], before)));
        }
    }
    assert!(known.len() >= ends.len() - 3, "{} of {}", known.len(), ends.len());

    let standing = "--appendonly yes --replicaof 127.0.0.1 1 --aof-load-truncated";
    let mut lenient = Patient::new(Options::new().with(&format!("{standing} yes")));
    let mut strict = Patient::new(Options::new().with(&format!("{standing} no")));
    let mut random = StdRng::seed_from_u64(seed() + 50);
    // A publish that serves one who waits, and what follows it.
    let last = ends[ends.len() - 3];
    let every = many(1, 4);
    let mut cuts: Vec<_> = (last..whole.len()).step_by(every).collect();
    cuts.extend((0..last).filter(|_| every == 1 || random.random_ratio(1, 60)));
    cuts.extend(ends.choose_multiple(&mut random, many(ends.len(), 8)));
    for (n, cut) in cuts.into_iter().enumerate() {
        let end = *ends.iter().rev().find(|end| **end <= cut).expect("the first is zero");
        let Some(before) = known.get(&end) else { continue };
        let copy = lenient.given(server.directory(), INCREMENT, &whole[..cut]);
        let copy = copy.unwrap_or_else(|| panic!("refused, cut at {cut}"));
        assert_alike(&format!("cut at {cut} of {}", whole.len()), before, copy);
        tally.add("cuts that came up as they were", 1);
        if n % every == 0 {
            let copy = strict.given(server.directory(), INCREMENT, &whole[..cut]);
            assert_eq!(copy.is_some(), cut == end, "cut at {cut}");
            tally.add("cuts refused or let pass as asked", 1);
        }
    }
}

/// Redis 7.0 leaves the beginning of a torn transaction in the file, and takes what is written after
/// it for a part of it at the next start.
#[test]
fn a_log_that_is_rewritten_after_a_transaction_was_torn_goes_on_as_it_was() {
    let mut server = Server::start(logging());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail kept ID a");
    for line in ["MULTI", "JQ.PUBLISH mail torn ID b", "JQ.PUBLISH mail torn ID c", "EXEC"] {
        client.run(line);
    }
    server.kill();
    let path = file_of(server.directory(), INCREMENT);
    let whole = fs::read(&path).expect("the log is readable");
    fs::write(&path, &whole[..whole.len() - 3]).expect("the log is writable");
    server.start_again();
    rewrite_log(&server);
    let mut client = server.client();
    for line in ["MULTI", "JQ.PUBLISH mail more ID d", "JQ.CONSUME mail TTR 3600000", "EXEC"] {
        client.run(line);
    }
    freeze(&server);
    let queues = digests(&server);
    let copy = replayed(&server);
    assert_alike("the log that goes on", &queues, &copy);
    assert!(!copy.log().contains("CRITICAL"), "{}", copy.log());
    assert_eq!(copy.run("JQ.LEN mail"), Reply::Int(2));
    let is_there = |id: &str| matches!(copy.run(&format!("JQ.JOB mail {id}")), Reply::Array(_));
    assert_eq!(["a", "b", "c", "d"].map(is_there), [true, false, false, true], "torn off whole");
}

#[test]
fn a_log_that_was_torn_within_a_command_that_does_several_things_goes_on_as_it_was() {
    for cut in [1, 3, 40] {
        let mut server = Server::start(logging());
        let mut client = server.client();
        client.run("JQ.PUBLISH mail kept ID a DELAY 3600000");
        let mut consumer = server.client();
        consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "TTR", "3600000"]);
        server.wait_for_blocked(1);
        client.run("JQ.PUBLISH mail torn ID b");
        consumer.read();
        server.kill();
        let path = file_of(server.directory(), INCREMENT);
        let whole = fs::read(&path).expect("the log is readable");
        fs::write(&path, &whole[..whole.len() - cut]).expect("the log is writable");
        server.start_again();
        // Without a transaction there is no half of one, and nothing to be rewritten.
        let mut client = server.client();
        client.run("JQ.PUBLISH mail more ID c");
        client.run("JQ.CONSUME mail TTR 3600000");
        freeze(&server);
        let copy = replayed(&server);
        assert_alike("the log that goes on", &digests(&server), &copy);
        assert!(!copy.log().contains("CRITICAL"), "{}", copy.log());
        let is_there = |id: &str| matches!(copy.run(&format!("JQ.JOB mail {id}")), Reply::Array(_));
        assert_eq!(["a", "b", "c"].map(is_there), [true, false, true], "torn off whole");
    }
}

/// A server with a varied state, ended, whose files are in this form.
fn with_files(end: &str, settings: &str) -> Server {
    let mut server = Server::start(logging().with(settings));
    history(&server);
    let mut load = Load::new(&server, &["q0", "q1"], seed() + 51);
    load.steps(many(400, 100));
    load.finish();
    match end {
        SNAPSHOT => assert_eq!(server.run("SAVE").text(), "OK"),
        COMMANDS | PREAMBLE => rewrite_log(&server),
        _ => {}
    }
    server.kill();
    server
}

const REWRITTEN: [(&str, &str, &str); 3] = [
    (COMMANDS, "--aof-use-rdb-preamble no", "yes"),
    (PREAMBLE, "--aof-use-rdb-preamble yes", "yes"),
    (SNAPSHOT, "--aof-use-rdb-preamble yes", "no"),
];

#[test]
fn a_snapshot_or_rewritten_log_that_is_cut_off_is_refused_or_has_only_whole_queues() {
    let mut tally = Tally::of("snapshot or rewritten log cut off");
    let mut random = StdRng::seed_from_u64(seed() + 52);
    for (end, settings, log) in REWRITTEN {
        let server = with_files(end, settings);
        let whole = fs::read(file_of(server.directory(), end)).expect("the file is readable");
        let standing = "--replicaof 127.0.0.1 1 --appendonly";
        let mut copy = Patient::new(Options::new().with(&format!("{standing} {log}")));
        let queues = digests(copy.given(server.directory(), end, &whole).expect("all of it"));
        assert!(queues.len() > 3, "{:?}", queues.keys());
        let ends = if end == COMMANDS { ends_of_steps(&whole) } else { Vec::new() };
        let mut cuts: Vec<_> =
            (0..many(150, 10)).map(|_| random.random_range(1..whole.len())).collect();
        cuts.extend(ends.get(1..).unwrap_or_default().choose_multiple(&mut random, many(20, 3)));
        for cut in cuts {
            match copy.given(server.directory(), end, &whole[..cut]) {
                None => tally.add("cuts refused", 1),
                Some(copy) => {
                    // Only where a file of commands ends with one is there nothing to be seen.
                    assert!(ends.contains(&cut), "cut at {cut}");
                    let there = digests(copy);
                    assert!(there.iter().all(|(place, digest)| queues.get(place) == Some(digest)));
                    tally.add("cuts between commands", 1);
                }
            }
        }
    }
}

#[test]
fn flipped_bits_are_refused_in_good_order_or_leave_queues_that_work() {
    let mut tally = Tally::of("bits flipped in files");
    let mut random = StdRng::seed_from_u64(seed() + 53);
    let forms = [
        (INCREMENT, "--aof-use-rdb-preamble no", "yes", "no"),
        (COMMANDS, "--aof-use-rdb-preamble no", "yes", "no"),
        (PREAMBLE, "--rdbchecksum no", "yes", "no"),
        (PREAMBLE, "--rdbchecksum yes", "yes", "yes"),
        (SNAPSHOT, "--rdbchecksum no", "no", "no"),
        (SNAPSHOT, "--rdbcompression no --rdbchecksum no", "no", "no"),
    ];
    for (end, settings, log, is_summed) in forms {
        let server = with_files(end, settings);
        let whole = fs::read(file_of(server.directory(), end)).expect("the file is readable");
        let mut copy = Patient::new(Options::new().with(&format!("--appendonly {log}")));
        for _ in 0..many(250, 25) {
            let mut bytes = whole.clone();
            let (at, bit) = (random.random_range(0..bytes.len()), random.random_range(0..8));
            bytes[at] ^= 1 << bit;
            println!("{end}, {settings}: bit {bit} of byte {at} of {}", bytes.len());
            match copy.given(server.directory(), end, &bytes) {
                None => tally.add("flips refused", 1),
                Some(copy) => {
                    let queues = all_queues_work(copy);
                    tally.add("flips that came up", 1);
                    tally.add("queues that came up and work", queues);
                    // What the checksum covers is all but a few bytes that say of the server
                    // which wrote it what nobody reads.
                    assert!(is_summed == "no" || at < 200, "byte {at} was not noticed");
                }
            }
            assert!(!has_crashed(&copy.said()), "{}", copy.said());
        }
    }
}

/// The commands of a log that is whole.
fn commands_of(mut log: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let commands = std::iter::from_fn(|| next_command(&mut log)).collect();
    assert!(log.is_empty(), "the log is whole");
    commands
}

/// A server that has published and leased, ended, and its log.
fn with_records() -> (Server, Vec<Vec<Vec<u8>>>) {
    let mut server = Server::start(logging());
    for line in [
        "JQ.PUBLISH mail hello ID a DELAY 3600000",
        "JQ.PUBLISH mail hello ID b TTR 3600000",
        "JQ.CONSUME mail WORKER w TTR 3600000",
        "JQ.PUBLISH mail hello ID c",
    ] {
        server.run(line);
    }
    server.kill();
    let whole = fs::read(file_of(server.directory(), INCREMENT)).expect("the log is readable");
    (server, commands_of(&whole))
}

/// What the server says to a record that it cannot repeat.
const REFUSED: &str = "is sending an error to its AOF";

/// Starts a server on the log with one command changed: it must come up, its queues must work, and
/// it says what is expected of it.
fn check_changed(
    copy: &mut Patient,
    server: &Server,
    commands: &[Vec<Vec<u8>>],
    what: &str,
    said: &str,
) {
    let bytes: Vec<u8> = commands.iter().flat_map(|words| encoded(words)).collect();
    let up = copy.given(server.directory(), INCREMENT, &bytes);
    let up = up.unwrap_or_else(|| panic!("{what}: the server does not come up"));
    all_queues_work(up);
    let log = copy.said();
    assert!(log.contains(said), "{what}: {log}");
    assert!(said == REFUSED || !log.contains(REFUSED), "{what}: {log}");
}

/// The record of the first publish: it makes the queue.
const MAKES: usize = 1;

#[test]
fn a_word_that_was_changed_in_the_log_is_told_of_or_leaves_queues_that_work() {
    let mut tally = Tally::of("words changed in the append-only file");
    let (server, commands) = with_records();
    assert_eq!(commands[MAKES][0], b"JQ.APPLY");
    assert_eq!(commands[MAKES][3], b"JQ.PUBLISH");
    let leases = commands.len() - 2;
    assert_eq!((&commands[leases][0][..], commands[leases].len()), (&b"JQ.APPLY"[..], 3));
    let mut copy = Patient::new(Options::new().with("--appendonly yes"));
    for (record, place, word, said) in [
        (MAKES, 1, "fail", REFUSED),
        (MAKES, 2, "", REFUSED),
        (MAKES, 2, "steps", REFUSED),
        (MAKES, 3, "JQ.PUBLISI", REFUSED),
        (MAKES, 3, "JQ.APPLY", REFUSED),
        (MAKES, 3, "JQ.CONSUME", REFUSED),
        (MAKES, 3, "SET", REFUSED),
        (MAKES, 4, "fail", REFUSED),
        (MAKES, 5, "hallo", ""),
        (MAKES, 6, "TD", REFUSED),
        // Another is to have this id.
        (MAKES, 7, "b", REFUSED),
        (MAKES, 8, "DELAX", REFUSED),
        (MAKES, 9, "36x", REFUSED),
        (leases, 1, "fail", REFUSED),
        (leases, 2, "", REFUSED),
    ] {
        let mut commands = commands.clone();
        commands[record][place] = word.into();
        let what = format!("word {place} of record {record} is {word}");
        check_changed(&mut copy, &server, &commands, &what, said);
        tally.add("words changed", 1);
    }
    let mut commands = commands;
    commands[MAKES][0] = b"JQ.APPLZ".into();
    let bytes: Vec<u8> = commands.iter().flat_map(|words| encoded(words)).collect();
    assert!(copy.given(server.directory(), INCREMENT, &bytes).is_none());
    let said = copy.said().to_lowercase();
    assert!(said.contains("unknown command 'jq.applz'"), "{said}");
    tally.add("words changed", 1);
}

fn packed(steps: &[Step<'_>]) -> Vec<u8> {
    let mut packed = Packed::default();
    steps.iter().for_each(|step| packed.push(step));
    packed.as_bytes().to_vec()
}

fn lease<'a>(worker: &'a [u8], ttr: u64, counted: bool, jobs: &[&'a str]) -> Step<'a> {
    let holder = Holder { worker, ttr: Millis(ttr), counted };
    Step::Lease(LeaseStep::new(&holder, jobs.iter().map(|id| JobId::Given(id))))
}

#[test]
fn a_step_that_was_changed_in_the_log_is_told_of_or_leaves_queues_that_work() {
    let mut tally = Tally::of("steps changed in the append-only file");
    let (server, commands) = with_records();
    let leases = commands.len() - 2;
    let made = unpack(&commands[MAKES][2]).expect("steps");
    let [Step::Create { .. }, Step::Tick { now, .. }, Step::Command] = made[..] else {
        panic!("{made:?}")
    };
    let mut copy = Patient::new(Options::new().with("--appendonly yes"));
    let ahead = "is ahead of the server's";
    let (create, command) = (Step::Create { seed: 1 }, Step::Command);
    let tick = |now| Step::Tick { now, budget: 0 };
    for (record, steps, said) in [
        (MAKES, &[create.clone(), tick(now), command.clone()][..], ""),
        (MAKES, &[create.clone(), tick(5), command.clone()], ""),
        // The clock is thrown far ahead, as one flipped bit can do it; or beyond all time.
        (MAKES, &[create.clone(), tick(9_795_249_385_000), command.clone()], ahead),
        (MAKES, &[create.clone(), tick(253_402_300_799_999), command.clone()], ahead),
        (MAKES, &[create.clone(), tick(253_402_300_800_000), command.clone()], REFUSED),
        (MAKES, &[create.clone(), command.clone(), tick(now)], ""),
        (MAKES, &[create.clone(), tick(now)], REFUSED),
        (MAKES, &[tick(now), command.clone()], REFUSED),
        (MAKES, &[tick(now), create.clone(), command.clone()], REFUSED),
        (MAKES, &[create.clone(), create, command.clone()], REFUSED),
        (MAKES, &[command.clone(), command.clone()], REFUSED),
        (leases, &[command], REFUSED),
        (leases, &[Step::Term { seed: 1, tokens: 1 << 40 }, lease(b"w", 0, true, &["b"])], ""),
        (leases, &[lease(b"v", 3_600_000, true, &["b"])], ""),
        (leases, &[lease(b"", 1, true, &["b"])], ""),
        (leases, &[lease(b"w", 3_600_000, false, &["b"])], ""),
        (leases, &[lease(b"w", 3_155_760_000_001, true, &["b"])], REFUSED),
        (leases, &[lease(&[b'w'; 257], 0, true, &["b"])], REFUSED),
        (leases, &[lease(b"w", 0, true, &[])], REFUSED),
        // Nobody; one that is delayed; the same one twice; what is no id.
        (leases, &[lease(b"w", 0, true, &["x"])], REFUSED),
        (leases, &[lease(b"w", 0, true, &["a"])], REFUSED),
        (leases, &[lease(b"w", 0, true, &["b", "b"])], REFUSED),
        (leases, &[lease(b"w", 0, true, &["b"]), lease(b"w", 0, true, &["b"])], REFUSED),
        (leases, &[lease(b"w", 0, true, &["b@1"])], REFUSED),
    ] {
        let mut commands = commands.clone();
        commands[record][2] = packed(steps);
        let what = format!("record {record} is {steps:?}");
        check_changed(&mut copy, &server, &commands, &what, said);
        tally.add("records changed", 1);
    }
}

#[test]
fn any_byte_of_a_record_that_was_changed_is_told_of_or_leaves_queues_that_work() {
    let mut tally = Tally::of("bits flipped in steps of records");
    let mut random = StdRng::seed_from_u64(seed() + 58);
    let (server, commands) = with_records();
    let mut copy = Patient::new(Options::new().with("--appendonly yes"));
    for record in (0..commands.len()).filter(|&record| commands[record][0] == b"JQ.APPLY") {
        for at in 0..commands[record][2].len() {
            for _ in 0..many(8, 1) {
                let mut commands = commands.clone();
                let bit = random.random_range(0..8);
                commands[record][2][at] ^= 1 << bit;
                println!("record {record}: bit {bit} of byte {at}");
                let bytes: Vec<u8> = commands.iter().flat_map(|words| encoded(words)).collect();
                let up = copy.given(server.directory(), INCREMENT, &bytes);
                let up =
                    up.expect("a record that is refused does not keep a server from coming up");
                let queues = all_queues_work(up);
                let log = copy.said();
                assert!(!has_crashed(&log), "{log}");
                let is_told = log.contains(REFUSED);
                assert!(is_told || queues == 1, "{log}");
                tally.add(if is_told { "told of" } else { "taken as another record" }, 1);
            }
        }
    }
}

/// Copies all files of a server.
fn copy_files(from: &Path, to: &Path) {
    copy_log(from, to);
    for entry in fs::read_dir(from).expect("the directory is there").flatten() {
        if entry.path().is_file() && entry.file_name() != "log" {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("the file can be copied");
        }
    }
}

fn has_temporary_files(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).expect("the directory is there").flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("temp-"))
}

#[test]
fn a_server_killed_while_it_rewrites_its_log_comes_back_with_all_it_had() {
    let mut tally = Tally::of("server killed during BGREWRITEAOF");
    let mut random = StdRng::seed_from_u64(seed() + 54);
    for preamble in ["no", "yes"] {
        let options = logging().with(&format!("--aof-use-rdb-preamble {preamble}"));
        let mut server = Server::start(options);
        for round in 0..many(60, 4) {
            let mut load = Load::new(&server, &["q0", "q1", "brief"], seed() + 55 + round as u64);
            load.steps(100);
            // So long for each key, so that the child is at work for a while.
            let pause = random.random_range(0..8) * 5_000;
            server.run(&format!("CONFIG SET rdb-key-save-delay {pause}"));
            assert!(server.run("BGREWRITEAOF").text().starts_with("Background"));
            load.steps(random.random_range(0..150));
            load.finish();
            freeze(&server);
            let queues = digests(&server);
            if server.info("persistence", "aof_rewrite_in_progress") == "1" {
                tally.add("killed while the child was at work", 1);
            } else {
                tally.add("killed when the child was done", 1);
            }
            server.kill();
            let left = usize::from(has_temporary_files(server.directory()));
            tally.add("temporary files left over", left);
            let copy = started_on(Options::new().with("--appendonly yes"), |directory| {
                copy_files(server.directory(), directory);
            });
            assert_alike("the log", &queues, &copy);
            server.start_again();
            assert!(!has_crashed(&server.log()));
            let published = server.run("JQ.PUBLISH fresh job");
            assert!(matches!(published, Reply::Bulk(_)), "{published:?}");
        }
        server.run("CONFIG SET rdb-key-save-delay 0");
        rewrite_log(&server);
        all_queues_work(&server);
    }
}

#[test]
fn a_server_killed_while_it_saves_comes_back_with_one_whole_snapshot_or_the_other() {
    let mut tally = Tally::of("server killed during BGSAVE");
    let mut random = StdRng::seed_from_u64(seed() + 56);
    for round in 0..many(60, 5) {
        let mut server = Server::start(Options::new());
        let mut load = Load::new(&server, &["q0", "q1", "brief"], seed() + 57 + round as u64);
        let at_rest = |load: &mut Load| {
            load.steps(120);
            load.finish();
            freeze(&server);
            digests(&server)
        };
        let old = at_rest(&mut load);
        assert_eq!(server.run("SAVE").text(), "OK");
        thaw(&server);
        let new = at_rest(&mut load);
        let pause = random.random_range(0..8) * 5_000;
        server.run(&format!("CONFIG SET rdb-key-save-delay {pause}"));
        assert!(server.run("BGSAVE").text().starts_with("Background"));
        thaw(&server);
        load.steps(random.random_range(0..150));
        if server.info("persistence", "rdb_bgsave_in_progress") == "1" {
            tally.add("killed while the child was at work", 1);
        } else {
            tally.add("killed when the child was done", 1);
        }
        server.kill();
        let copy = started_on(Options::new(), |directory| {
            let copied = fs::copy(server.directory().join(SNAPSHOT), directory.join(SNAPSHOT));
            copied.expect("a snapshot is there");
        });
        let there = digests(&copy);
        assert!(there == old || there == new, "a mixture");
        tally.add("came back with the new snapshot", usize::from(there == new));
        copy.run("REPLICAOF NO ONE");
        all_queues_work(&copy);
    }
}
