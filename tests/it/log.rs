//! What the append-only file says, and what comes of one that was damaged.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{
    before_due, encoded,
    likeness::{copy_log, rewrite_log, started_on},
    wait_for, Client, Options, Reply, Server,
};

/// What was done, without the commands of the server itself, and without how far clocks went.
fn done_on(server: &Server) -> Vec<String> {
    let mut lines = server.aof().lines();
    lines.retain(|line| !["SELECT", "MULTI", "EXEC", "tick"].contains(&word_of(line)));
    lines
}

/// What the records from a place on say, each as its first words.
fn records_from(server: &Server, first: usize) -> Vec<Vec<String>> {
    let records = server.aof().records().into_iter().skip(first);
    records.map(|lines| lines.iter().map(|line| word_of(line).to_string()).collect()).collect()
}

fn word_of(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
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

    let lines = done_on(&server);
    assert!(lines[0].starts_with("create mail "), "{}", lines[0]);
    assert_eq!(lines[1..4], asked);
    assert_eq!(lines[4], "lease mail w 80000 0 a");
    assert_eq!(lines[5..7], ["JQ.TOUCH mail a@1", "JQ.ack mail a@1"]);
    assert!(lines[7].starts_with("lease mail  0 1 "), "{}", lines[7]);
    assert_eq!(lines.len(), 8);
    assert_eq!(server.aof().count("JQ.CONSUME"), 0);
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
    let lines = done_on(&server);
    assert_eq!(
        lines[1..],
        ["JQ.PUBLISH mail hello ID a", "lease mail w 0 0 a", "SET between 1"],
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
    let records = records_from(&server, before);
    assert!(records.iter().all(|steps| steps == &["tick"]), "{records:?}");
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
    assert_eq!(records_from(&server, before), [[""; 0]; 0]);
}

#[test]
fn all_that_a_command_does_is_one_record() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET tries 9");
    let mut consumers = [(); 3].map(|()| {
        let mut consumer = server.client();
        consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "TTR", "3600000"]);
        consumer
    });
    server.wait_for_blocked(consumers.len());
    let aof = server.aof();
    assert_eq!(aof.commands.iter().filter(|command| command[0] == b"MULTI").count(), 0);
    assert_eq!(records_from(&server, aof.commands.len() - 1), [["create", "tick", "JQ.CONFIG"]]);

    // Time has passed for the queue in between, or not: a step more, or one less.
    let mut next = aof.commands.len();
    let mut told = |what: &str, done: &[&str]| {
        let records = records_from(&server, next);
        next += records.len();
        let [record] = &records[..] else { panic!("{what}: {records:?}") };
        let mut record: Vec<_> = record.iter().map(String::as_str).collect();
        record.retain(|step| *step != "tick");
        assert_eq!(record, done, "{what}");
    };
    assert!(matches!(client.run("JQ.PUBLISH mail 1 ID a"), Reply::Bulk(_)));
    consumers[0].read();
    told("a publish that serves one who waits", &["JQ.PUBLISH", "lease"]);
    client.run("JQ.MPUBLISH mail 3 2 3 4");
    consumers[1..].iter_mut().for_each(|consumer| drop(consumer.read()));
    told("one that serves two", &["JQ.MPUBLISH", "lease", "lease"]);
    client.run("JQ.PUBLISH mail 5");
    told("one that serves nobody", &["JQ.PUBLISH"]);
    client.run("JQ.CONSUME mail COUNT 2");
    told("a consume", &["lease"]);
    client.run("JQ.ACK mail a");
    told("an ack", &["JQ.ACK"]);

    // Jobs become due, and their time to live ends with the command that comes next.
    client.run("JQ.PUBLISH mail late DELAY 3600000 ID late");
    told("a publish for later", &["JQ.PUBLISH"]);
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    client.run("JQ.KICK mail ALL");
    consumer.read();
    told("a kick", &["JQ.KICK", "lease"]);
    assert_eq!(server.aof().count("MULTI"), 0);
}

#[test]
fn a_tick_is_in_the_record_of_the_command_before_which_it_happened() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail first");
    wait_for("the clock", || {
        let before = server.aof().commands.len();
        client.run("JQ.PUBLISH mail more");
        let records = records_from(&server, before);
        assert_eq!(records.len(), 1, "{records:?}");
        (records[0] == ["tick", "JQ.PUBLISH"]).then_some(())
    });
    // What time has nothing to do with stands as it was sent.
    wait_for("two commands in one millisecond", || {
        let publish = ["JQ.PUBLISH", "mail", "more"];
        client.send_bytes(&encoded(&publish).repeat(2));
        let published = [(); 2].map(|()| client.read());
        assert!(published.iter().all(|id| matches!(id, Reply::Bulk(_))), "{published:?}");
        let last = server.aof().commands.pop().expect("there are commands");
        (last == publish.map(|word| word.as_bytes().to_vec())).then_some(())
    });
    assert_eq!(server.aof().count("MULTI"), 0);
}

#[test]
fn a_turn_of_the_timer_that_serves_many_is_one_record() {
    const MANY: usize = 5;
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    let mut consumers: Vec<_> = (0..MANY)
        .map(|_| {
            let mut consumer = server.client();
            consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "TTR", "3600000"]);
            consumer
        })
        .collect();
    server.wait_for_blocked(MANY);
    before_due(&mut client, |client, at| {
        for n in 0..MANY {
            client.run(&format!("JQ.PUBLISH mail {n} AT {at}"));
        }
    });
    consumers.iter_mut().for_each(|consumer| drop(consumer.read()));
    wait_for("the log", || {
        server.aof().lines().iter().any(|l| l.starts_with("lease")).then_some(())
    });
    let records = records_from(&server, 0);
    let turns: Vec<_> =
        records.iter().filter(|steps| steps.iter().any(|step| step == "lease")).collect();
    assert_eq!(turns.len(), 1, "{records:?}");
    assert_eq!(turns[0][0], "tick");
    assert_eq!(turns[0].iter().filter(|step| *step == "lease").count(), MANY, "{turns:?}");
}

#[test]
fn a_command_for_several_queues_is_a_transaction_of_a_record_for_each() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.PUBLISH mail 1 ID a");
    client.run("JQ.PUBLISH fax 1 ID b");
    let before = server.aof().commands.len();
    client.run("JQ.CONSUME mail COUNT 2 TTR 3600000 ALSO fax");
    let mut records = records_from(&server, before);
    records.iter_mut().for_each(|steps| steps.retain(|step| step != "tick"));
    assert_eq!(records, [vec!["MULTI"], vec!["lease"], vec!["lease"], vec!["EXEC"]]);
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
        let bytes: Vec<u8> = commands.iter().flat_map(|words| encoded(words)).collect();
        fs::write(base, bytes).expect("the log is writable");
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
