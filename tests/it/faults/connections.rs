//! Clients in unusual states: silenced, reset, without rights, within scripts and functions.

use super::{jobs, pair::Pair, tally::Tally};
use crate::{
    blocking::{nobody_waits, waiting},
    replies::{bodies, ids, lengths, names, stat},
    support::{wait_for, Client, Options, Reply, Server},
};

#[test]
fn a_consumer_that_wants_no_reply_takes_its_jobs_and_they_come_back_when_it_is_gone() {
    let mut tally = Tally::of("clients without replies");
    let pair = Pair::start(Options::new());
    let server = &pair.primary;
    let mut control = server.client();
    for mode in ["OFF", "SKIP"] {
        let mut silent = server.client();
        silent.send(&["CLIENT", "REPLY", mode]);
        silent.send(&["JQ.PUBLISH", "mail", "0", "ID", "a"]);
        if mode == "SKIP" {
            assert_eq!(silent.run("PING").text(), "PONG", "nothing was said before");
            silent.send(&["CLIENT", "REPLY", mode]);
        }
        silent.send(&["JQ.CONSUME", "mail", "TTR", "3600000"]);
        if mode == "SKIP" {
            assert_eq!(silent.run("PING").text(), "PONG", "nothing was said before");
            silent.send(&["CLIENT", "REPLY", mode]);
        }
        silent.send(&["JQ.ACK", "mail", "a"]);
        wait_for("all three", || {
            let told = control.run("JQ.STATS mail");
            (!told.is_nothing() && told.field("acked") == Reply::Int(1)).then_some(())
        });
        assert_eq!(control.run("JQ.LEN mail"), Reply::Int(0));
        if mode == "SKIP" {
            assert_eq!(silent.run("PING").text(), "PONG");
            silent.send(&["CLIENT", "REPLY", "OFF"]);
        }

        // One who waits without wanting to hear.
        silent.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "TTR", "50"]);
        server.wait_for_blocked(1);
        control.run("JQ.PUBLISH mail 1 ID b");
        nobody_waits(server);
        assert_eq!(ids(&control.run("JQ.CONSUME mail BLOCK 0")), ["b"], "the next one has it");
        silent.send(&["CLIENT", "REPLY", "ON"]);
        assert_eq!(silent.read(), Reply::Status("OK".into()), "not a word of the job");
        assert_eq!(silent.run("PING").text(), "PONG");
        tally.add("jobs taken without a word", 2);
        pair.assert_alike(&mut tally);
        control.run("DEL mail");
    }
}

#[test]
fn what_is_sent_behind_a_wait_is_done_after_it_be_it_the_end() {
    let mut tally = Tally::of("commands behind a wait");
    let pair = Pair::start(Options::new());
    let server = &pair.primary;
    let mut control = server.client();
    for last in ["RESET", "QUIT", "HELLO 3", "SELECT 1"] {
        let mut consumer = waiting(server, "JQ.CONSUME mail BLOCK 0 TTR 50");
        consumer.send(&["JQ.LEN", "mail", "leased"]);
        consumer.send(&last.split(' ').collect::<Vec<_>>());
        consumer.send(&["PING"]);
        assert!(consumer.is_waiting());
        jobs::publish(&mut control, "mail", 0..1, "");
        assert_eq!(bodies(&consumer.read()), ["0"], "{last}");
        assert_eq!(consumer.read(), Reply::Int(1), "{last}");
        let answer = consumer.try_read();
        match last {
            "RESET" => assert_eq!(answer.ok(), Some(Reply::Status("RESET".into()))),
            "HELLO 3" => assert!(matches!(answer, Ok(Reply::Map(_)))),
            "SELECT 1" => assert_eq!(answer.ok(), Some(Reply::Status("OK".into()))),
            _ => drop(answer),
        }
        let is_there = matches!(last, "RESET" | "HELLO 3" | "SELECT 1");
        assert_eq!(
            consumer.try_read().ok(),
            is_there.then(|| Reply::Status("PONG".into())),
            "{last}"
        );
        let taken = control.run("JQ.CONSUME mail BLOCK 0");
        assert_eq!(bodies(&taken), ["0"], "the lease lapses: {last}");
        jobs::ack(&mut control, "mail", &taken);
        nobody_waits(server);
        tally.add("jobs that lapsed and were given again", 1);
    }
    pair.assert_alike(&mut tally);
}

/// Reads that a script may do where it may not write, and writes that it then may not.
const READS: [&str; 9] = [
    "'jq.len','mail'",
    "'jq.stats','mail'",
    "'jq.peek','mail'",
    "'jq.job','mail','a'",
    "'jq.list','mail','ready'",
    "'jq.result','mail','a'",
    "'jq.result','mail','a','BLOCK','0'",
    "'jq.digest','mail'",
    "'jq.queues'",
];
const WRITES: [&str; 16] = [
    "'jq.publish','mail','x'",
    "'jq.mpublish','mail','1','x'",
    "'jq.consume','mail'",
    "'jq.consume','mail','BLOCK','0'",
    "'jq.ack','mail','a'",
    "'jq.nack','mail','a'",
    "'jq.release','mail','a'",
    "'jq.bury','mail','a'",
    "'jq.touch','mail','a'",
    "'jq.fulfill','mail','a','x'",
    "'jq.kick','mail','ALL'",
    "'jq.respawn','mail','ALL'",
    "'jq.delete','mail','a'",
    "'jq.purge','mail','ready'",
    "'jq.config','mail','SET','tries','3'",
    "'jq.update','mail','a','BODY','y'",
];

#[test]
fn scripts_and_functions_that_may_only_read_can_look_and_change_nothing() {
    let mut tally = Tally::of("scripts and functions");
    let pair = Pair::start(Options::new());
    let server = &pair.primary;
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a TTR 3600000");
    let calls = |call: &str| format!("return redis.call({call})");
    let library = |call: &str, flags: &str| {
        format!(
            "#!lua name=jobs\nredis.register_function{{function_name='f',callback=function() {} \
             end,flags={{{flags}}}}}",
            calls(call)
        )
    };
    let load = |client: &mut Client, call: &str, flags: &str| {
        let loaded = client.call(&["FUNCTION", "LOAD", "REPLACE", &library(call, flags)]);
        assert_eq!(loaded.text(), "jobs");
    };
    let digest = client.run("JQ.DIGEST mail");
    for call in READS {
        for words in [
            ["EVAL_RO", &calls(call), "1", "mail"],
            ["EVAL", &format!("#!lua flags=no-writes\n{}", calls(call)), "1", "mail"],
        ] {
            let reply = client.call(&words);
            assert!(!matches!(reply, Reply::Error(_)), "{call}: {reply:?}");
        }
        load(&mut client, call, "'no-writes'");
        let reply = client.run("FCALL_RO f 1 mail");
        assert!(!matches!(reply, Reply::Error(_)), "{call}: {reply:?}");
        tally.add("reads done", 3);
    }
    for call in WRITES {
        for words in [
            ["EVAL_RO", &calls(call), "1", "mail"],
            ["EVAL", &format!("#!lua flags=no-writes\n{}", calls(call)), "1", "mail"],
        ] {
            assert!(matches!(client.call(&words), Reply::Error(_)), "{call}");
        }
        load(&mut client, call, "");
        assert!(matches!(client.run("FCALL_RO f 1 mail"), Reply::Error(_)), "{call}");
        load(&mut client, call, "'no-writes'");
        assert!(matches!(client.run("FCALL f 1 mail"), Reply::Error(_)), "{call}");
        assert_eq!(client.run("JQ.DIGEST mail"), digest, "{call}");
        tally.add("writes refused", 4);
    }
    // Where they may write, they do, also for one who waits.
    load(&mut client, "'jq.publish','mail','from a function','PRIORITY','-1'", "");
    client.run("JQ.CONSUME mail TTR 3600000");
    let mut consumer = waiting(server, "JQ.CONSUME mail BLOCK 0 TTR 3600000");
    client.run("FCALL f 1 mail");
    assert_eq!(bodies(&consumer.read()), ["from a function"]);
    let script = client.call(&["SCRIPT", "LOAD", &calls("'jq.publish','mail','from a script'")]);
    let mut consumer = waiting(server, "JQ.CONSUME mail BLOCK 0 TTR 3600000");
    client.call(&["EVALSHA", &script.text(), "1", "mail"]);
    assert_eq!(bodies(&consumer.read()), ["from a script"]);
    tally.add("consumers served", 2);
    pair.assert_alike(&mut tally);
}

/// A consumer of `mail` with a user of its own, who waits.
fn anna(server: &Server) -> Client {
    server.run("ACL SETUSER anna reset on >secret +@all ~mail");
    let mut anna = server.client();
    assert_eq!(anna.run("AUTH anna secret").text(), "OK");
    anna.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "TTR", "3600000"]);
    server.wait_for_blocked(1);
    anna
}

#[test]
fn a_consumer_whose_user_is_gone_takes_no_job() {
    let mut tally = Tally::of("users removed while they wait");
    let pair = Pair::start(Options::new());
    let server = &pair.primary;
    let mut control = server.client();
    for end in ["ACL DELUSER anna", "CLIENT KILL USER anna"] {
        let mut anna = anna(server);
        assert!(matches!(control.run(end), Reply::Int(1)), "{end}");
        assert!(anna.try_read().is_err(), "{end}");
        nobody_waits(server);
        control.run("JQ.PUBLISH mail x");
        assert_eq!(lengths(&mut control, "mail"), [0, 1, 0, 0], "{end}");
        assert_eq!(stat(&mut control, "mail", "delivered"), 0, "{end}");
        tally.add("users removed", 1);
        pair.assert_alike(&mut tally);
        control.run("DEL mail");
    }
}

#[test]
fn a_right_that_is_taken_away_holds_until_a_wait_ends_and_not_for_the_next_command() {
    let mut tally = Tally::of("rights taken from users who wait");
    let pair = Pair::start(Options::new());
    let server = &pair.primary;
    let mut control = server.client();
    for change in
        ["ACL SETUSER anna resetkeys", "ACL SETUSER anna -jq.consume", "ACL SETUSER anna off"]
    {
        let mut anna = anna(server);
        assert_eq!(control.run(change).text(), "OK");
        control.run("JQ.PUBLISH mail x ID a");
        assert_eq!(ids(&anna.read()), ["a"], "{change}");
        let next = anna.run("JQ.CONSUME mail");
        let may = change.ends_with("off");
        assert_eq!(matches!(next, Reply::Error(_)), !may, "{change}: {next:?}");
        assert_eq!(control.run("JQ.ACK mail a"), Reply::Int(1));
        tally.add("rights taken", 1);
    }
    pair.assert_alike(&mut tally);
}

#[test]
fn a_job_for_a_consumer_whose_user_is_deleted_in_the_same_step_goes_to_the_next() {
    let mut tally = Tally::of("users removed as they are served");
    let pair = Pair::start(Options::new());
    let server = &pair.primary;
    let mut control = server.client();
    let _anna = anna(server);
    let mut next = waiting(server, "JQ.CONSUME mail BLOCK 0");
    control.run("MULTI");
    control.run("JQ.PUBLISH mail x ID a");
    control.run("ACL DELUSER anna");
    control.run("EXEC");
    // The server closes such a client a little later, and takes the answer for it: then the lease
    // lapses, as with one who dies with the job in his hands.
    wait_for("the end of her wait", || (server.blocked_clients() == 1).then_some(()));
    let is_leased = control.run("JQ.LEN mail leased") == Reply::Int(1) && next.is_waiting();
    tally.add("jobs whose lease had to lapse", usize::from(is_leased));
    if is_leased {
        control.run("JQ.TOUCH mail TTR 1 a");
    }
    assert_eq!(names(&next.read()), ["a@2"]);
    nobody_waits(server);
    tally.add("jobs given to the next", 1);
    pair.assert_alike(&mut tally);
}
