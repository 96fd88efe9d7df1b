//! What the append-only file says, and what comes of one that was damaged.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{
    likeness::{copy_log, rewrite_log, started_on},
    Client, Options, Reply, Server,
};

/// The commands without those of the server itself, and without ticks.
fn commands_of(server: &Server) -> Vec<String> {
    let of_server = ["SELECT", "MULTI", "EXEC", "JQ.TICK"];
    let lines = server.aof().lines().into_iter();
    lines.filter(|line| !of_server.iter().any(|name| line.starts_with(name))).collect()
}

#[test]
fn the_log_says_what_was_asked_word_for_word() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    let asked = [
        "jq.Publish mail hello id a delay 0 tries 3 backoff exp:1:2",
        "JQ.MPUBLISH mail 2 one two TTR 90000",
        "JQ.CONFIG mail SET ttr 70000",
    ];
    for line in asked {
        client.run(line);
    }
    client.run("JQ.CONSUME mail TTR 80000 WORKER w BLOCK 0 ALSO fax");
    client.run("JQ.TOUCH mail a@1");
    client.run("JQ.ack mail a@1");
    client.run("JQ.CONSUME mail FREE");

    let lines = commands_of(&server);
    assert_eq!(lines[..3], asked);
    assert_eq!(lines[3], "JQ.LEASE mail w 80000 0 a");
    assert_eq!(lines[4..6], ["JQ.TOUCH mail a@1", "JQ.ack mail a@1"]);
    assert!(lines[6].starts_with("JQ.LEASE mail  0 1 "), "{}", lines[6]);
    assert_eq!(lines.len(), 7);
    assert_eq!(server.aof().count("JQ.CONSUME"), 0);
    let first = server.aof().lines().into_iter().find(|line| line.starts_with("JQ."));
    let first = first.expect("there are commands");
    assert_eq!(first.split(' ').count(), 5, "a queue begins with a tick and its seed: {first}");
}

#[test]
fn a_consumer_that_waited_is_in_the_log_behind_what_woke_it() {
    let server = Server::start(Options::new().with_aof());
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "WORKER", "w"]);
    server.wait_for_blocked(1);
    let mut client = server.client();
    for line in ["MULTI", "JQ.PUBLISH mail hello ID a", "SET between 1", "EXEC"] {
        client.run(line);
    }
    assert_eq!(consumer.read().items()[0].items()[1].text(), "a@1");
    let lines = commands_of(&server);
    assert_eq!(
        lines,
        ["JQ.PUBLISH mail hello ID a", "JQ.LEASE mail w 0 0 a", "SET between 1"],
        "{lines:?}"
    );
    assert_eq!(server.aof().count("JQ.CONSUME"), 0);
}

#[test]
fn a_refused_command_leaves_at_most_a_tick() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail hello ID a");
    let before = server.aof().commands.len();
    assert_eq!(client.run("JQ.PUBLISH mail again ID a").error_word(), "DUPLICATE");
    assert_eq!(client.run("JQ.PUBLISH mail again DELAY 9 TTL 8").error_word(), "RANGE");
    assert_eq!(client.run("JQ.ACK mail a@7"), Reply::Int(0));
    assert_eq!(client.run("JQ.NACK mail nobody"), Reply::Int(0));
    let lines = server.aof().lines().split_off(before);
    assert!(lines.iter().all(|line| line.starts_with("JQ.TICK mail ")), "{lines:?}");
    // And where there is no queue, none is left behind.
    let before = server.aof().commands.len();
    assert_eq!(client.run("JQ.PUBLISH fax again DELAY 9 TTL 8").error_word(), "RANGE");
    assert_eq!(client.run("JQ.ACK fax a@7"), Reply::Int(0));
    assert_eq!(client.run("EXISTS fax"), Reply::Int(0));
    assert_eq!(server.aof().commands.len(), before);
}

#[test]
fn polling_an_empty_queue_leaves_nothing_in_the_log() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail hello ID a");
    client.run("JQ.PUBLISH mail late DELAY 3600000");
    client.run("JQ.DELETE mail a");
    let before = server.aof().commands.len();
    for _ in 0..50 {
        for queue in ["mail", "missing"] {
            assert_eq!(client.run(&format!("JQ.CONSUME {queue}")), Reply::NullArray);
            assert_eq!(client.run(&format!("JQ.PEEK {queue}")), Reply::NullArray);
            client.run(&format!("JQ.STATS {queue}"));
            client.run(&format!("JQ.CONFIG {queue} GET"));
        }
        assert_eq!(client.run("JQ.CONSUME mail BLOCK 1"), Reply::NullArray);
    }
    let lines = server.aof().lines().split_off(before);
    assert_eq!(lines, [""; 0]);
}

/// The file of the log that grows.
fn increment(directory: &Path) -> PathBuf {
    file_of(directory, ".incr.aof")
}

fn file_of(directory: &Path, end: &str) -> PathBuf {
    let entries = fs::read_dir(directory.join("appendonlydir")).expect("there is a log").flatten();
    let mut paths = entries.map(|entry| entry.path());
    let named = |path: &PathBuf| path.to_string_lossy().ends_with(end);
    paths.find(named).expect("the log has such a file")
}

#[test]
fn a_log_with_a_torn_end_gives_the_queue_as_it_was_before() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    let log = increment(server.directory());
    let len = || fs::metadata(&log).expect("the log is there").len();
    let mut stages = vec![(len(), Reply::Null)];
    for n in 0..4 {
        let lines = [
            format!("JQ.PUBLISH mail hello ID a{n} TTR 3600000"),
            "JQ.CONSUME mail".to_string(),
            format!("JQ.NACK mail a{n} DELAY 3600000 ERROR no"),
        ];
        for line in lines {
            client.run(&line);
            stages.push((len(), client.run("JQ.DIGEST mail")));
        }
    }
    let whole = len();
    for cut in (0..whole).rev().step_by(whole as usize / 10) {
        let copy = started_on(Options::new().with("--appendonly yes"), |directory| {
            copy_log(server.directory(), directory);
            let file = fs::File::options().write(true).open(increment(directory));
            file.and_then(|file| file.set_len(cut)).expect("the log is writable");
        });
        let stage = stages.iter().rev().find(|(len, _)| *len <= cut);
        let before = stage.map_or(&Reply::Null, |(_, digest)| digest);
        assert_eq!(copy.run("JQ.DIGEST mail"), *before, "cut at {cut} of {whole}");
    }
}

fn encoded(commands: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for command in commands {
        bytes.extend(format!("*{}\r\n", command.len()).bytes());
        for word in command {
            bytes.extend(format!("${}\r\n", word.len()).bytes());
            bytes.extend(word);
            bytes.extend(b"\r\n");
        }
    }
    bytes
}

/// A server with a log that was rewritten to pieces of queues: five of `large`, two of `small`.
fn with_pieces() -> Server {
    let options = Options::new().with_aof().with("--aof-use-rdb-preamble no");
    let server = Server::start(options);
    let mut client = server.client();
    let body = "b".repeat(1000);
    for _ in 0..1000 {
        client.call(&["JQ.PUBLISH", "large", &body]);
    }
    client.run("JQ.PUBLISH small hello");
    rewrite_log(&server);
    assert!(server.aof().count("JQ.LOAD") >= 6);
    server
}

/// What of the log a server takes whose pieces were `changed`.
fn loaded(from: &Server, change: impl FnOnce(&mut Vec<Vec<Vec<u8>>>)) -> Server {
    let mut commands = from.aof().commands;
    change(&mut commands);
    let options = Options::new().with("--appendonly yes --aof-use-rdb-preamble no");
    started_on(options, |directory| {
        copy_log(from.directory(), directory);
        let base = file_of(directory, ".base.aof");
        fs::write(base, encoded(&commands)).expect("the log is writable");
    })
}

fn is_piece_of(command: &[Vec<u8>], queue: &str) -> bool {
    command[0] == b"JQ.LOAD" && command[1] == queue.as_bytes()
}

fn pieces_of(commands: &[Vec<Vec<u8>>], queue: &str) -> Vec<usize> {
    (0..commands.len()).filter(|&place| is_piece_of(&commands[place], queue)).collect()
}

#[test]
fn pieces_of_a_queue_that_do_not_fit_leave_no_half_queue() {
    type Change = fn(&mut Vec<Vec<Vec<u8>>>, &[usize]);
    let changes: [(&str, Change); 7] = [
        ("two out of order", |commands, at| commands.swap(at[2], at[3])),
        ("the first one last", |commands, at| commands.swap(at[0], at[at.len() - 1])),
        ("without the first", |commands, at| drop(commands.remove(at[0]))),
        ("without one in the middle", |commands, at| drop(commands.remove(at[2]))),
        ("without the last", |commands, at| drop(commands.remove(at[at.len() - 1]))),
        ("with one twice", |commands, at| {
            let again = commands[at[1]].clone();
            commands.insert(at[1], again);
        }),
        ("with a piece cut short", |commands, at| {
            let frame = &mut commands[at[2]][2];
            frame.truncate(frame.len() - 1);
        }),
    ];
    let server = with_pieces();
    let small = server.run("JQ.DIGEST small");
    for (what, change) in changes {
        let copy = loaded(&server, |commands| {
            let at = pieces_of(commands, "large");
            change(commands, &at);
        });
        assert_eq!(copy.run("EXISTS large"), Reply::Int(0), "{what}");
        assert_eq!(copy.run("JQ.DIGEST small"), small, "{what}");
        assert_eq!(copy.run("REPLICAOF NO ONE").text(), "OK");
        assert!(matches!(copy.run("JQ.PUBLISH large anew"), Reply::Bulk(_)), "{what}");
    }
}

#[test]
fn pieces_of_several_queues_may_be_mixed() {
    let server = with_pieces();
    let copy = loaded(&server, |commands| {
        let small: Vec<_> =
            commands.iter().filter(|command| is_piece_of(command, "small")).cloned().collect();
        commands.retain(|command| !is_piece_of(command, "small"));
        let large = pieces_of(commands, "large");
        for (piece, place) in small.into_iter().zip([large[1], large[3]]) {
            commands.insert(place, piece);
        }
    });
    for queue in ["large", "small"] {
        let digest = |client: &mut Client| client.call(&["JQ.DIGEST", queue]);
        assert_eq!(digest(&mut copy.client()), digest(&mut server.client()));
    }
}

#[test]
fn a_piece_of_a_newer_form_is_refused_with_a_clear_line() {
    let server = with_pieces();
    let copy = loaded(&server, |commands| {
        let at = pieces_of(commands, "small");
        // The version follows the four bytes that mark a frame.
        commands[at[0]][2][4] += 1;
    });
    assert_eq!(copy.run("EXISTS small"), Reply::Int(0));
    assert!(copy.log().contains("is newer than"), "{}", copy.log());
}
