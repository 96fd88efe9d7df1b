//! What is refused, with which word, and that nothing is changed by it.

use jobq_protocol::{Access, ErrorWord, Keys, COMMANDS};

use crate::{
    replies::{ids, names, on_each_wire},
    support::{Client, Reply, Server},
};

/// One line for each command that clients may send, naming the queue `mail`.
const LINES: &[&str] = &[
    "JQ.PUBLISH mail x",
    "JQ.MPUBLISH mail 2 x y",
    "JQ.CONSUME mail",
    "JQ.CONSUME mail BLOCK 0",
    "JQ.ACK mail a",
    "JQ.FULFILL mail a 42",
    "JQ.NACK mail a",
    "JQ.RELEASE mail a",
    "JQ.BURY mail a",
    "JQ.BURY mail ALL ready",
    "JQ.TOUCH mail a",
    "JQ.ACK mail a THEN fax x",
    "JQ.ACK mail a THEN mail x",
    "JQ.SUBSCRIBE mail a ada",
    "JQ.UNSUBSCRIBE mail a ada",
    "JQ.NOTICES mail",
    "JQ.NOTICES mail BLOCK 0",
    "JQ.DELIVERED mail a@1 ada",
    "JQ.TOUCH mail WORKER postman a",
    "JQ.KICK mail COUNT 1",
    "JQ.RESPAWN mail ALL",
    "JQ.DELETE mail a",
    "JQ.CANCEL mail a",
    "JQ.PUBLISH mail x BLOCK 0",
    "JQ.PEEK mail",
    "JQ.LEN mail",
    "JQ.STATS mail",
    "JQ.STATS mail TIMES BUCKETS",
    "JQ.GATE mail OPEN night",
    "JQ.GATE mail CLOSE night",
    "JQ.GATE mail LIST",
    "JQ.CALL mail x WAIT 1",
    "JQ.BATCH mail FIRE ada",
    "JQ.BATCH mail LIST",
    "JQ.CONFIG mail GET",
    "JQ.CONFIG mail SET tries 3",
    "JQ.LIMIT mail SET disk CONCURRENCY 1",
    "JQ.LIMIT mail DEL disk",
    "JQ.LIMIT mail LIST",
    "JQ.SCHEDULE mail SET tick x EVERY 3600000",
    "JQ.SCHEDULE mail RUN tick",
    "JQ.SCHEDULE mail LIST",
    "JQ.DIGEST mail",
    "JQ.JOB mail a",
    "JQ.LIST mail ready",
    "JQ.LIST mail dead ERROR *",
    "JQ.LIST mail leased WORKER postman",
    "JQ.WORKERS mail",
    "JQ.RESULT mail a",
    "JQ.RESULT mail a BLOCK 0",
    "JQ.EVENTS mail",
    "JQ.EVENTS mail SINCE $ BLOCK 0",
    "JQ.UPDATE mail a BODY y",
    "JQ.PURGE mail dead",
    "JQ.PAUSE mail OUT",
    "JQ.RESUME mail",
];

/// What names no queue, so there is none to be wrong.
const WITHOUT_A_QUEUE: &[&str] = &["JQ.QUEUES", "JQ.WORKER RESUME postman"];

/// Lines for each internal command. The steps of a record are a tick; the command behind them; and a
/// lease of the job `a`.
const INTERNAL: &[&str] = &[
    "JQ.APPLY mail \x01\x01\x05\x64",
    "JQ.APPLY mail \x01\x03 JQ.DELETE mail a",
    "JQ.APPLY mail \x01\x04\x00\x00\x01\x01\x01\x01a",
    "JQ.LOAD mail frame",
];

/// Publishes a delayed, a leased and two ready jobs.
fn fill(client: &mut Client) {
    client.run("JQ.PUBLISH mail x ID l");
    client.run("JQ.CONSUME mail TTR 600000");
    client.run("JQ.PUBLISH mail x ID a");
    client.run("JQ.PUBLISH mail x ID b");
    client.run("JQ.PUBLISH mail x ID d DELAY 600000");
}

#[test]
fn every_command_of_the_table_is_tried_here() {
    for command in COMMANDS {
        let named = |line: &&&str| line.split(' ').next() == Some(command.name);
        let lines = match command {
            command if command.internal => INTERNAL,
            command if command.keys == Keys::None => WITHOUT_A_QUEUE,
            _ => LINES,
        };
        assert!(lines.iter().any(|line| named(&line)) || command.name == "JQ.DEBUG");
    }
}

#[test]
fn too_few_arguments_are_the_servers_error() {
    let server = Server::plain();
    let mut client = server.client();
    fill(&mut client);
    let digest = client.run("JQ.DIGEST mail");
    for command in COMMANDS {
        for len in 1..command.arity.unsigned_abs() as usize {
            let mut call = vec![command.name; len];
            if len > 1 {
                call[1] = "mail";
            }
            let refused = client.call(&call);
            let name = command.name.to_lowercase();
            let line = format!("ERR wrong number of arguments for '{name}' command");
            assert_eq!(refused, Reply::Error(line), "{call:?}");
        }
    }
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
}

#[test]
fn a_key_of_another_type_is_refused_by_every_command() {
    on_each_wire(|client| {
        let makes =
            ["SET k v", "RPUSH k v", "HSET k f v", "SADD k v", "ZADD k 1 v", "XADD k 1-1 f v"];
        for make in makes {
            client.run("DEL k");
            client.run(make);
            let value = client.run("DEBUG DIGEST-VALUE k");
            for line in LINES {
                let refused = client.run(&line.replace("mail", "k"));
                assert_eq!(refused.error_word(), "WRONGTYPE", "{line} after {make}");
            }
            assert_eq!(client.run("DEBUG DIGEST-VALUE k"), value);
        }
        client.run("JQ.PUBLISH mail x");
        for line in ["GET mail", "LPUSH mail x", "HGETALL mail", "XLEN mail"] {
            assert_eq!(client.run(line).error_word(), "WRONGTYPE", "{line}");
        }
    });
}

#[test]
fn arguments_that_make_no_command_are_refused_with_the_usage() {
    on_each_wire(|client| {
        fill(client);
        let digest = client.run("JQ.DIGEST mail");
        for line in [
            "JQ.PUBLISH mail x NOW",
            "JQ.PUBLISH mail x y",
            "JQ.PUBLISH mail x ID",
            "JQ.PUBLISH mail x DELAY",
            "JQ.PUBLISH mail x DELAY 1 AT 1",
            "JQ.PUBLISH mail x DELAY 1 delay 1",
            "JQ.PUBLISH mail x TTR 1 TTR 1",
            "JQ.PUBLISH mail x COUNT 1",
            "JQ.MPUBLISH mail 3 x y",
            "JQ.MPUBLISH mail 1 x y",
            "JQ.MPUBLISH mail 1 x ID a",
            "JQ.CONSUME mail now",
            "JQ.CONSUME mail COUNT",
            "JQ.CONSUME mail BLOCK 1 BLOCK 1",
            "JQ.CONSUME mail ALSO",
            "JQ.CONSUME mail ALSO mail",
            "JQ.CONSUME mail ALSO a b a",
            "JQ.CONSUME mail WEIGHTS 1,2",
            "JQ.CONSUME mail WEIGHTS 1 ALSO b",
            "JQ.CONSUME mail WEIGHTS 1,2,3 ALSO b",
            "JQ.CONSUME mail FREE FREE",
            "JQ.PEEK mail 3",
            "JQ.PEEK mail COUNT 3 COUNT 3",
            "JQ.NACK mail DELAY 1",
            "JQ.NACK mail l DELAY",
            "JQ.NACK mail l DELAY 1 DELAY 1",
            "JQ.NACK mail l ERROR e f",
            "JQ.RELEASE mail l DELAY 1 ERROR",
            "JQ.BURY mail l ERROR",
            "JQ.BURY mail a ERROR e ERROR f",
            "JQ.TOUCH mail TTR 1",
            "JQ.TOUCH mail l TTR 1",
            "JQ.TOUCH mail TTR 1 l TTR 1",
            "JQ.KICK mail COUNT 1 ID d",
            "JQ.KICK mail ID d COUNT 1",
            "JQ.KICK mail ALL x",
            "JQ.KICK mail d d",
            "JQ.RESPAWN mail d",
            "JQ.RESPAWN mail COUNT",
            "JQ.RESPAWN mail ALL ALL",
            "JQ.RESPAWN mail ALL COUNT 3",
            "JQ.RESPAWN mail TRIES 3 ALL",
            "JQ.RESPAWN mail ID TRIES 3",
            "JQ.LEN mail waiting",
            "JQ.LEN mail ready dead",
            "JQ.STATS mail now",
            "JQ.CONFIG mail",
            "JQ.CONFIG mail UNSET",
            "JQ.CONFIG mail SET tries",
            "JQ.CONFIG mail SET ttr 5 ttr 6",
            "JQ.CONFIG mail GET tries ttr",
            "JQ.CONFIG mail GET colour",
            "JQ.DIGEST mail now",
            "JQ.DEBUG mail RESET",
            "JQ.DEBUG mail LAPSE",
            "JQ.WORKERS mail 5",
            "JQ.WORKER SET a b",
        ] {
            let refused = client.run(line);
            if line == "JQ.CONFIG mail" {
                assert_eq!(refused.error_word(), "ERR", "{line}: too few for the server already");
                continue;
            }
            assert_eq!(refused.error_word(), "SYNTAX", "{line}: {refused:?}");
            let name = line.split(' ').next().unwrap_or_default();
            let usage = jobq_protocol::find(name.as_bytes()).map(jobq_protocol::Command::syntax);
            let usage = usage.unwrap_or_default();
            assert!(refused.error().ends_with(&format!("usage: {usage}")), "{refused:?}");
        }
        assert_eq!(client.run("JQ.DIGEST mail"), digest);
    });
}

#[test]
fn an_option_that_is_unknown_makes_neither_a_job_nor_a_queue() {
    on_each_wire(|client| {
        for line in [
            "JQ.PUBLISH mail x COLOR red",
            "JQ.PUBLISH mail x DELAY 5 LATER",
            "JQ.MPUBLISH mail 2 x y COLOR red",
            "JQ.CONFIG mail SET color red",
            "JQ.PAUSE mail SIDEWAYS",
        ] {
            assert_eq!(client.run(line).error_word(), "SYNTAX", "{line}");
            assert_eq!(client.run("EXISTS mail"), Reply::Int(0), "{line}");
        }
    });
}

#[test]
fn values_out_of_range_are_refused_with_the_word_and_the_range() {
    let server = Server::plain();
    let mut client = server.client();
    fill(&mut client);
    let digest = client.run("JQ.DIGEST mail");
    let mut refuses = |line: &str, named: &str| {
        for bad in ["", "x", "1x", "+1", " 1", "1.5", "0x10", "-99999999", "99999999999999999999"] {
            let call: Vec<_> = line.split(' ').map(|w| if w == "?" { bad } else { w }).collect();
            let refused = client.call(&call);
            assert_eq!(refused.error_word(), "RANGE", "{call:?}: {refused:?}");
            assert!(refused.error().starts_with(&format!("RANGE {named} is ")), "{refused:?}");
        }
    };
    for word in ["DELAY", "AT", "TTL", "TTR", "TRIES", "PRIORITY"] {
        refuses(&format!("JQ.PUBLISH mail x {word} ?"), word);
        refuses(&format!("JQ.MPUBLISH mail 1 x {word} ?"), word);
    }
    refuses("JQ.MPUBLISH mail ? x", "n");
    for word in ["COUNT", "TTR", "BLOCK", "WEIGHTS"] {
        refuses(&format!("JQ.CONSUME mail {word} ?"), word);
    }
    refuses("JQ.PEEK mail COUNT ?", "COUNT");
    refuses("JQ.NACK mail l DELAY ?", "DELAY");
    refuses("JQ.RELEASE mail l DELAY ?", "DELAY");
    refuses("JQ.TOUCH mail TTR ? l", "TTR");
    refuses("JQ.KICK mail COUNT ?", "COUNT");
    refuses("JQ.RESPAWN mail COUNT ?", "COUNT");
    for word in ["TRIES", "TTL", "DELAY"] {
        refuses(&format!("JQ.RESPAWN mail ALL {word} ?"), word);
    }
    for line in [
        "JQ.PUBLISH mail x TTR 0",
        "JQ.PUBLISH mail x TRIES 0",
        "JQ.PUBLISH mail x TRIES 4294967296",
        "JQ.PUBLISH mail x PRIORITY 21",
        "JQ.PUBLISH mail x PRIORITY -21",
        "JQ.PUBLISH mail x BACKOFF fixed:x",
        "JQ.PUBLISH mail x BACKOFF exp:1:2:3",
        "JQ.MPUBLISH mail 0 x",
        "JQ.CONSUME mail TTR 0",
        "JQ.CONSUME mail WEIGHTS 0,1 ALSO b",
        "JQ.CONSUME mail WEIGHTS 1,1001 ALSO b",
        "JQ.CONSUME mail WEIGHTS 1,,1 ALSO b c",
        "JQ.CONSUME mail WEIGHTS 1,1, ALSO b",
        "JQ.TOUCH mail TTR 0 l",
        "JQ.KICK mail COUNT 0",
        "JQ.RESPAWN mail COUNT 0",
        "JQ.RESPAWN mail ALL TRIES 0",
    ] {
        assert_eq!(client.run(line).error_word(), "RANGE", "{line}");
    }
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
}

#[test]
fn values_at_the_ends_of_their_ranges_are_taken() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a");
    let span_max = {
        let refused = client.run("JQ.PUBLISH mail x DELAY x");
        let words: Vec<_> = refused.error().split(' ').map(String::from).collect();
        words[5].clone()
    };
    for line in [
        "JQ.PUBLISH mail x DELAY MAX",
        "JQ.PUBLISH mail x TTL MAX TTR MAX DELAY MAX",
        "JQ.PUBLISH mail x BACKOFF exp:MAX:MAX TRIES 4294967295 PRIORITY 20",
        "JQ.PUBLISH mail x BACKOFF fixed:MAX TRIES 1 PRIORITY -20 TTR 1",
        "JQ.PUBLISH mail x AT 0",
        "JQ.PUBLISH mail x DELAY 000000000000000000000000001",
    ] {
        client.run(&line.replace("MAX", &span_max)).text();
    }
    assert_eq!(client.run("JQ.DELETE mail a"), Reply::Int(1));
    client.run("JQ.PUBLISH brief x TTL 1").text();
    let taken = client.run(&format!("JQ.CONSUME mail COUNT 10 TTR {span_max}"));
    for receipt in names(&taken) {
        let touched = client.run(&format!("JQ.TOUCH mail TTR {span_max} {receipt}"));
        assert!(touched.items()[0].int() > 0);
        assert_eq!(client.run(&format!("JQ.NACK mail {receipt} DELAY {span_max}")), Reply::Int(1));
    }
    assert_eq!(client.run("DEBUG RELOAD").text(), "OK");
}

#[test]
fn words_may_be_in_either_case() {
    on_each_wire(|client| {
        let line = "jq.Publish mail x iD a dElay 600000 tTl 600000 tTr 600000 tRies 3 \
                    bAckoff FIXED:5 pRiority 1";
        assert_eq!(client.run(line).text(), "a");
        client.run("jQ.mpublish mail 1 x aT 9000000000000 Ttr 1000").items();
        for line in [
            "jq.kick mail iD a",
            "jq.bury mail a eRror e",
            "jq.respawn mail aLl tRies 3 tTl 700000 dElay 600000",
            "jq.kick mail cOunt 1",
            "jq.bury mail a",
            "jq.respawn mail cOunt 1",
            "jq.len mail rEady",
        ] {
            assert_eq!(client.run(line), Reply::Int(1), "{line}");
        }
        assert_eq!(names(&client.run("jq.peek mail cOunt 1")), ["a"]);
        assert_eq!(names(&client.run("jq.consume mail cOunt 1 fRee")), ["a@1"]);
        assert_eq!(client.run("jq.touch mail tTr 5000 a").items().len(), 1);
        assert_eq!(client.run("jq.nack mail a dElay 0 eRror e"), Reply::Int(1));
        client.run("jq.consume mail wOrker w tTr 60000 bLock 0").items();
        assert_eq!(client.run("jq.release mail a@2 dElay 0"), Reply::Int(1));
        assert_eq!(client.run("jq.config mail sEt tRies 3 BACKOFF Exp:1:2").text(), "OK");
        assert_eq!(client.run("jq.config mail gEt tries").pairs().len(), 1);
        assert_eq!(client.run("jq.ack mail A"), Reply::Int(0), "but an id is what it is");
    });
}

#[test]
fn what_a_client_sent_cannot_break_an_error_line() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail x");
        let long = "x".repeat(100_000);
        for text in ["\r\n+OK\r\n", "%s%s%n%s", "\0", "a\0b", "\x1b[2J", "\u{85}ü", &long] {
            let refused = client.call(&["JQ.PUBLISH", "mail", "x", text]);
            assert_eq!(refused.error_word(), "SYNTAX");
            assert!(refused.error().len() < 700, "{} bytes", refused.error().len());
            assert!(!refused.error().chars().any(char::is_control), "{refused:?}");
            let refused = client.call(&["JQ.PUBLISH", "mail", "x", "TTR", text]);
            assert_eq!(refused.error_word(), "RANGE");
            let refused = client.call(&["JQ.PUBLISH", "mail", "x", "ID", text]);
            assert_eq!(refused.error_word(), "RANGE");
            assert_eq!(client.call(&["PING"]).text(), "PONG", "in step after {text:?}");
        }
    });
}

#[test]
fn internal_commands_are_not_for_clients() {
    on_each_wire(|client| {
        fill(client);
        let digest = client.run("JQ.DIGEST mail");
        for line in INTERNAL {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(client.run(line).error_word(), "NOPERM", "{line}");
            assert_eq!(client.run(&line.replace("mail", "new")).error_word(), "NOPERM", "{line}");

            client.run("MULTI");
            client.run(line);
            let replies = client.run("EXEC");
            assert_eq!(replies.items()[0].error_word(), "NOPERM", "{line} in a transaction");

            let script = "return redis.call(unpack(ARGV))";
            let call = [&["EVAL", script, "1", "mail"], &words[..]].concat();
            let refused = client.call(&call);
            assert!(refused.error().contains("NOPERM"), "{line} in a script: {refused:?}");

            let library = "#!lua name=jobs\nredis.register_function('run', function(keys, args) \
                           return redis.call(unpack(args)) end)";
            client.call(&["FUNCTION", "LOAD", "REPLACE", library]).text();
            let refused = client.call(&[&["FCALL", "run", "1", "mail"], &words[..]].concat());
            assert!(refused.error().contains("NOPERM"), "{line} in a function: {refused:?}");
        }
        assert_eq!(client.run("JQ.DIGEST mail"), digest);
        assert_eq!(client.run("EXISTS new"), Reply::Int(0));
    });
}

#[test]
fn a_replica_refuses_writes_and_answers_reads() {
    let server = Server::plain();
    let mut client = server.client();
    fill(&mut client);
    // There are some to read.
    client.run("JQ.CONFIG mail SET events 10");
    client.run("REPLICAOF 127.0.0.1 1");
    let digest = client.run("JQ.DIGEST mail");
    for read_only in ["yes", "no"] {
        client.run(&format!("CONFIG SET replica-read-only {read_only}"));
        for line in LINES {
            let name = line.split(' ').next().unwrap_or_default();
            let command = jobq_protocol::find(name.as_bytes()).expect("in the table");
            let reads = command.access == Access::Read;
            let looks = line.ends_with(" GET") || line.ends_with(" LIST");
            if reads || read_only == "no" && looks {
                assert!(!matches!(client.run(line), Reply::Error(_)), "{line}");
            } else {
                assert_eq!(client.run(line).error_word(), "READONLY", "{line}, {read_only}");
            }
        }
        for line in INTERNAL {
            let refused = client.run(line);
            assert!(["READONLY", "NOPERM"].contains(&refused.error_word()), "{line}");
        }
    }
    assert_eq!(client.run("JQ.DIGEST mail"), digest);
    client.run("REPLICAOF NO ONE");
    assert_eq!(ids(&client.run("JQ.CONSUME mail")), ["a"], "promoted, it goes on");
}

#[test]
fn a_command_in_a_transaction_fails_alone() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("MULTI");
    for line in ["JQ.PUBLISH mail x ID a", "JQ.PUBLISH mail x ID a", "JQ.PUBLISH mail x ID b"] {
        client.run(line);
    }
    let replies = client.run("EXEC");
    assert_eq!(replies.items()[1].error_word(), ErrorWord::Duplicate.word());
    assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["a", "b"]);
    client.run("MULTI");
    assert_eq!(client.run("JQ.PUBLISH mail").error_word(), "ERR");
    assert_eq!(client.run("EXEC").error_word(), "EXECABORT");
}
