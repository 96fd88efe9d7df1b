//! Loading the module, `JQ.DEBUG`, and what is written to the server's log.

use crate::{
    replies::{bodies, ids, lengths, names},
    support::{module_path, Client, Options, Reply, Server},
};

fn load(client: &mut Client, arguments: &[&str]) -> Reply {
    let path = module_path().to_str().unwrap_or_default();
    client.call(&[&["MODULE", "LOAD", path], arguments].concat())
}

fn without_module() -> Server {
    Server::start(Options::new().without_module().with("--enable-module-command yes"))
}

fn with_debug() -> Server {
    Server::start(Options::new().with_module_argument("debug"))
}

#[test]
fn an_unknown_module_argument_is_refused_with_its_name_in_the_log() {
    let server = without_module();
    let mut client = server.client();
    for argument in ["verbose", "%s%s%n", "", "debug "] {
        assert_eq!(load(&mut client, &[argument]).error_word(), "ERR", "{argument:?}");
        let line = format!("unknown module argument '{argument}'; known: debug");
        assert!(server.log().contains(&line), "{}", server.log());
    }
    assert_eq!(load(&mut client, &["debug", "verbose"]).error_word(), "ERR");
    assert_eq!(load(&mut client, &["debug", "yes", "no"]).error_word(), "ERR");
    assert_eq!(load(&mut client, &["line\nbreak"]).error_word(), "ERR");
    assert!(server.log().contains("'line?break'"), "{}", server.log());
    assert_eq!(client.run("JQ.LEN mail").error_word(), "ERR", "nothing is half loaded");
    assert_eq!(load(&mut client, &[]).text(), "OK", "and another try is free");
    client.run("JQ.PUBLISH mail x").text();
    let refused = client.run("JQ.DEBUG mail PANIC");
    assert_eq!(refused.error_word(), "NOPERM", "a load that failed leaves no trace: {refused:?}");
}

#[test]
fn the_module_is_loaded_once_and_stays() {
    let server = without_module();
    let mut client = server.client();
    assert_eq!(load(&mut client, &[]).text(), "OK");
    client.run("JQ.PUBLISH mail x ID a");
    assert_eq!(load(&mut client, &[]).error_word(), "ERR");
    assert_eq!(load(&mut client, &["debug"]).error_word(), "ERR");
    assert_eq!(client.run("JQ.DEBUG mail PANIC").error_word(), "NOPERM");
    assert_eq!(client.run("MODULE UNLOAD jobq").error_word(), "ERR", "it has a type");
    assert_eq!(names(&client.run("JQ.CONSUME mail")), ["a@1"]);
    let modules = client.run("MODULE LIST");
    let jobq = |module: &&Reply| module.field("name").text() == "jobq";
    assert_eq!(modules.items().iter().filter(jobq).count(), 1);
}

const IN_MEMORY_ONLY: &str = "jobs are in memory only";
const MAY_EVICT: &str = "maxmemory-policy may evict whole queues";

#[test]
fn settings_that_can_lose_jobs_are_warned_of_and_others_are_not() {
    for (settings, in_memory_only, may_evict) in [
        ("--databases 16", true, false),
        ("--appendonly yes", false, false),
        ("--save 3600 1", false, false),
        ("--maxmemory-policy allkeys-lru", true, true),
        ("--maxmemory-policy allkeys-random --appendonly yes", false, true),
        ("--maxmemory-policy volatile-lru --appendonly yes", false, false),
        ("--maxmemory-policy noeviction --appendonly yes", false, false),
    ] {
        let server = Server::start(Options::new().with(settings));
        let log = server.log();
        assert_eq!(log.contains(IN_MEMORY_ONLY), in_memory_only, "{settings}: {log}");
        assert_eq!(log.contains(MAY_EVICT), may_evict, "{settings}: {log}");
        assert!(!log.contains("caught"), "{log}");
    }
}

#[test]
fn debug_answers_only_where_the_module_was_told_so() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x");
    let digest = client.run("JQ.DIGEST mail");
    assert_eq!(client.run("JQ.DEBUG mail PANIC").error_word(), "NOPERM");
    assert_eq!(client.run("JQ.DEBUG missing PANIC").error_word(), "NOPERM");
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");

    for word in ["debug", "DEBUG"] {
        let server = Server::start(Options::new().with_module_argument(word));
        assert_eq!(server.run("JQ.DEBUG missing PANIC"), Reply::Int(0), "nothing to fail on");
    }
}

#[test]
fn an_internal_error_behind_an_answer_is_no_second_answer() {
    let server = with_debug();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail hello ID a");
    assert_eq!(client.run("JQ.DEBUG mail PANIC ANSWERED"), Reply::Int(0));
    assert_eq!(client.run("PING").text(), "PONG");
    assert_eq!(client.run("JQ.PUBLISH mail x").error_word(), "INTERNAL", "the queue is closed");
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "1");
}

#[test]
fn an_internal_error_closes_its_queue_for_writing_until_it_is_loaded_again() {
    let server = with_debug();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail hello ID a");
    client.run("JQ.PUBLISH mail later ID b DELAY 50");
    client.run("JQ.PUBLISH mail leased ID c PRIORITY -1");
    client.run("JQ.CONSUME mail");
    assert_eq!(client.run("JQ.DEBUG mail PANIC").error_word(), "INTERNAL");
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "1");
    assert!(server.log().contains("internal error, caught: JQ.DEBUG PANIC"), "{}", server.log());

    for line in [
        "JQ.PUBLISH mail x",
        "JQ.MPUBLISH mail 1 x",
        "JQ.CONSUME mail",
        "JQ.CONSUME mail BLOCK 0",
        "JQ.ACK mail c",
        "JQ.NACK mail c",
        "JQ.RELEASE mail c",
        "JQ.BURY mail a",
        "JQ.TOUCH mail c",
        "JQ.KICK mail COUNT 1",
        "JQ.RESPAWN mail ALL",
        "JQ.DELETE mail a",
        "JQ.CONFIG mail SET tries 3",
        "JQ.DEBUG mail PANIC",
    ] {
        assert_eq!(client.run(line).error_word(), "INTERNAL", "{line}");
    }
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "1", "refused, not failed again");

    assert_eq!(names(&client.run("JQ.PEEK mail")), ["a"], "reading works");
    assert_eq!(client.run("JQ.LEN mail"), Reply::Int(3));
    assert_eq!(client.run("JQ.STATS mail").field("published"), Reply::Int(3));
    assert_eq!(client.run("JQ.CONFIG mail GET tries").pairs().len(), 1);
    assert_eq!(client.run("JQ.DIGEST mail").text().len(), 32);

    client.run("JQ.PUBLISH other x ID o DELAY 10");
    let other = client.run("JQ.CONSUME other BLOCK 0");
    assert_eq!(names(&other), ["o@1"], "other queues go on");

    assert_eq!(client.run("DEBUG RELOAD").text(), "OK");
    assert_eq!(client.run("JQ.ACK mail c@1"), Reply::Int(1), "healed");
    assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["hello"]);
    assert_eq!(bodies(&client.run("JQ.CONSUME mail BLOCK 0")), ["later"], "its timer runs again");
    assert_eq!(lengths(&mut client, "mail"), [0, 0, 2, 0]);
}

#[test]
fn an_internal_error_leaves_those_who_wait_waiting() {
    let server = with_debug();
    let mut client = server.client();
    let mut consumer = server.client();
    client.run("JQ.PUBLISH mail x ID a DELAY 100000");
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    assert_eq!(client.run("JQ.DEBUG mail PANIC").error_word(), "INTERNAL");
    assert_eq!(client.run("JQ.KICK mail ID a").error_word(), "INTERNAL");
    assert!(consumer.is_waiting());
    client.run("DEL mail");
    client.run("JQ.PUBLISH mail y ID b");
    assert_eq!(ids(&consumer.read()), ["b"]);
}

#[test]
fn an_internal_error_in_a_transaction_or_script_is_an_error_like_others() {
    let server = with_debug();
    let mut client = server.client();
    client.run("JQ.MPUBLISH a 1 x");
    client.run("JQ.MPUBLISH b 1 x");
    client.run("MULTI");
    for line in ["JQ.PUBLISH other x", "JQ.DEBUG a PANIC", "JQ.PUBLISH other y"] {
        client.run(line);
    }
    let replies = client.run("EXEC");
    assert_eq!(replies.items()[1].error_word(), "INTERNAL");
    assert_eq!(client.run("JQ.LEN other"), Reply::Int(2));
    let script = "return redis.call('JQ.DEBUG', KEYS[1], 'PANIC')";
    assert!(client.call(&["EVAL", script, "1", "b"]).error().contains("INTERNAL"));
    assert_eq!(client.run("PING").text(), "PONG");
}

#[test]
fn a_queue_that_failed_can_be_moved_and_deleted_but_not_copied() {
    let server = with_debug();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a");
    client.run("JQ.DEBUG mail PANIC");
    assert_eq!(client.run("COPY mail copy").error_word(), "ERR");
    assert_eq!(client.run("EXISTS copy"), Reply::Int(0));
    assert_eq!(client.run("RENAME mail post").text(), "OK");
    assert_eq!(client.run("JQ.PUBLISH post x").error_word(), "INTERNAL", "a name heals nothing");
    client.run("JQ.PUBLISH mail x ID b");
    assert_eq!(ids(&client.run("JQ.CONSUME mail")), ["b"]);
    assert_eq!(client.run("UNLINK post"), Reply::Int(1));
    assert_eq!(client.run("PING").text(), "PONG");
}

#[test]
fn no_name_of_a_queue_can_harm_the_log() {
    let mut server = with_debug();
    let mut client = server.client();
    let long = vec![b'%'; 100_000];
    for name in [&b"%s%s%n%s"[..], b"\0", b"a\0b", b"line\nbreak\r\x1b[2J", b"\xff\xfe", &long] {
        client.call(&[&b"JQ.PUBLISH"[..], name, b"x"]);
        let failed = client.call(&[&b"JQ.DEBUG"[..], name, b"PANIC"]);
        assert_eq!(failed.error_word(), "INTERNAL");
        assert!(!failed.error().chars().any(char::is_control), "{failed:?}");
        let refused = client.call(&[&b"RESTORE"[..], name, b"0", b"nonsense", b"REPLACE"]);
        assert_eq!(refused.error_word(), "ERR");
        corrupt_restore(&mut client, name);
        assert_eq!(client.call(&["PING"]).text(), "PONG");
    }
    assert!(server.is_alive());
    let log = server.log();
    let ours: Vec<_> = log.lines().filter(|line| line.contains("<jobq>")).collect();
    assert!(log.contains("internal error, caught"), "{log}");
    assert!(ours.iter().all(|line| !line.chars().any(char::is_control)), "{ours:?}");
}

/// Restores a queue whose form is damaged but whose checksum is right.
fn corrupt_restore(client: &mut Client, name: &[u8]) {
    client.run("CONFIG SET rdbcompression no");
    client.run("DEL sound");
    client.run("JQ.PUBLISH sound x");
    let mut dump = client.run("DUMP sound").bytes().to_vec();
    let magic = dump.windows(4).position(|four| four == b"JobQ").expect("the stored form begins");
    dump[magic] = b'%';
    let covered = dump.len() - 8;
    let sum = crc64(&dump[..covered]);
    dump[covered..].copy_from_slice(&sum.to_le_bytes());
    let refused = client.call(&[&b"RESTORE"[..], name, b"0", &dump[..], b"REPLACE"]);
    assert_eq!(refused.error_word(), "ERR", "{refused:?}");
    assert!(refused.error().contains("Bad data format"), "{refused:?}");
}

/// The checksum at the end of a dump.
fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, &byte| {
        (0..8).fold(sum ^ u64::from(byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { 0x95AC_9329_AC4B_C9B5 } else { 0 }
        })
    })
}
