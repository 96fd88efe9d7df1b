//! Defects that were seen in other queues, which ours must not have. Those that have their place among
//! the tests of a command are there.

use crate::{
    replies::{bodies, bulk, names, stat, told},
    support::{wait_for, Client, Reply, Server},
};

/// asynq: after recovery and a new delivery the old worker's "done" passes. lmstfy: whoever has the
/// id deletes the job.
#[test]
fn a_worker_that_was_too_slow_settles_nothing_of_the_next_delivery() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a TTR 10 RETAIN FOREVER");
    assert_eq!(names(&client.run("JQ.CONSUME mail")), ["a@1"]);
    wait_for("the lapse", || (client.run("JQ.LEN mail ready") == Reply::Int(1)).then_some(()));
    assert_eq!(names(&client.run("JQ.CONSUME mail TTR 600000")), ["a@2"]);
    let before = told(&mut client, "mail");
    for line in [
        "JQ.ACK mail a@1",
        "JQ.FULFILL mail a@1 late",
        "JQ.NACK mail a@1 ERROR late",
        "JQ.RELEASE mail a@1",
        "JQ.BURY mail a@1",
        "JQ.DELETE mail a@1",
    ] {
        assert_eq!(client.run(line), Reply::Int(0), "{line}");
    }
    assert_eq!(client.run("JQ.TOUCH mail TTR 900000 a@1").items(), [Reply::Null]);
    assert_eq!(told(&mut client, "mail"), before);
    assert_eq!(client.run("JQ.ACK mail a@2"), Reply::Int(1));
}

/// asynq: a batch reports duplicate ids as published.
#[test]
fn of_jobs_sent_together_each_is_answered_in_its_place_duplicates_too() {
    let server = Server::plain();
    let mut client = server.client();
    let lines = [
        "JQ.PUBLISH mail 1 ID a PRIORITY 5",
        "JQ.PUBLISH mail 2 ID b DELAY 600000",
        "JQ.PUBLISH mail 3 ID a",
        "JQ.PUBLISH mail 4 ID c TTL 5 DELAY 6",
        "JQ.PUBLISH mail 5 ID d",
    ];
    for line in lines {
        client.send(&line.split(' ').collect::<Vec<_>>());
    }
    assert_eq!(client.read(), bulk("a"));
    assert_eq!(client.read(), bulk("b"));
    assert_eq!(client.read(), Reply::Error("DUPLICATE a".into()));
    assert_eq!(client.read().error_word(), "RANGE");
    assert_eq!(client.read(), bulk("d"));
    assert_eq!(bodies(&client.run("JQ.PEEK mail COUNT 9")), ["5", "1"]);
    assert_eq!(client.run("JQ.LEN mail delayed"), Reply::Int(1));
}

/// asynq cuts instants to whole seconds, so a job may run up to a second early.
#[test]
fn no_job_is_handed_out_before_its_millisecond() {
    let server = Server::plain();
    let mut client = server.client();
    for delay in [1, 7, 250, 501, 999] {
        client.run(&format!("JQ.PUBLISH mail {delay} DELAY {delay}"));
    }
    for _ in 0..5 {
        let reply = client.run("JQ.CONSUME mail BLOCK 0 DETAILS");
        let at = client.time();
        let delay: i64 = bodies(&reply)[0].parse().expect("the delay");
        let details = &reply.items()[0].items()[3];
        let due = details.field("due").int();
        assert_eq!(due - details.field("published-at").int(), delay);
        assert!(details.field("elapsed").int() >= delay, "{details:?}");
        assert!(at >= due, "{at} is before {due}");
    }
}

/// lmstfy: the rest of a wait underflows to 136 years when the job at the head has expired.
#[test]
fn a_wait_ends_although_jobs_expire_meanwhile() {
    let server = Server::plain();
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "1500"]);
    server.wait_for_blocked(1);
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x TTL 20 DELAY 20");
    client.run("JQ.PUBLISH mail x TTL 1000 DELAY 1000");
    wait_for("the ends of two TTLs", || (stat(&mut client, "mail", "expired") == 2).then_some(()));
    assert_eq!(consumer.read(), Reply::NullArray);
    assert_eq!(stat(&mut client, "mail", "delivered"), 0);
}

/// lmstfy: a poll that meets an expired job at the head answers that there is none.
#[test]
fn expired_jobs_in_front_hide_no_live_one() {
    let server = Server::plain();
    let mut client = server.client();
    let mut call = vec!["JQ.MPUBLISH", "mail", "900"];
    call.extend(vec!["x"; 900]);
    call.extend(["TTL", "300"]);
    client.call(&call);
    client.run("JQ.MPUBLISH mail 2 first second");
    // As long as writes are paused no timer removes what expires.
    client.run("CLIENT PAUSE 600000 WRITE");
    let over = client.time() + 300;
    wait_for("the end of the TTL", || (client.time() > over).then_some(()));
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail"]);
    client.run("CLIENT UNPAUSE");
    assert_eq!(bodies(&consumer.read()), ["first"]);
    assert_eq!(bodies(&client.run("JQ.PEEK mail")), ["second"]);
    wait_for("the expired", || (stat(&mut client, "mail", "expired") == 900).then_some(()));
}

#[test]
fn very_many_expired_jobs_in_front_hide_no_live_one_from_who_waits() {
    let server = Server::plain();
    let mut client = server.client();
    let mut call = vec!["JQ.MPUBLISH", "mail", "5000"];
    call.extend(vec!["x"; 5_000]);
    call.extend(["TTL", "300"]);
    client.call(&call);
    client.run("JQ.PUBLISH mail live");
    client.run("CLIENT PAUSE 600000 WRITE");
    let over = client.time() + 300;
    wait_for("the end of the TTL", || (client.time() > over).then_some(()));
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    client.run("CLIENT UNPAUSE");
    assert_eq!(bodies(&consumer.read()), ["live"]);
    assert_eq!(stat(&mut client, "mail", "delivered"), 1);
}

/// lmstfy: ids of jobs that were acked, deleted or have expired stay in lists and are counted.
#[test]
fn what_is_gone_is_neither_counted_nor_shown() {
    let server = Server::plain();
    let mut client = server.client();
    for lines in [
        &["JQ.PUBLISH mail x ID a", "JQ.DELETE mail a"][..],
        &["JQ.PUBLISH mail x ID a DELAY 600000", "JQ.DELETE mail a"],
        &["JQ.PUBLISH mail x ID a", "JQ.CONSUME mail", "JQ.ACK mail a"],
        &["JQ.PUBLISH mail x ID a", "JQ.FULFILL mail a 42"],
        &["JQ.PUBLISH mail x ID a TTL 10"],
        &["JQ.PUBLISH mail x ID a", "JQ.BURY mail a", "JQ.DELETE mail a"],
        &["JQ.PUBLISH mail x ID a RETAIN 10", "JQ.CONSUME mail", "JQ.ACK mail a"],
    ] {
        client.run("FLUSHALL");
        assert_eq!(client.run(lines[0]), bulk("a"));
        for line in &lines[1..] {
            let reply = client.run(line);
            assert!(matches!(reply, Reply::Int(1) | Reply::Array(_)), "{line}: {reply:?}");
        }
        wait_for("its end", || client.run("JQ.JOB mail a").is_nothing().then_some(()));
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(0), "{lines:?}");
        for state in ["delayed", "held", "gathering", "ready", "leased", "completed", "dead"] {
            assert_eq!(client.run(&format!("JQ.LEN mail {state}")), Reply::Int(0), "{lines:?}");
            let list = client.run(&format!("JQ.LIST mail {state}"));
            assert_eq!(list.items()[1].items(), [], "{lines:?}");
        }
        assert!(client.run("JQ.PEEK mail").is_nothing(), "{lines:?}");
    }
}

/// asynq: a queue deleted by force leaves finished jobs, groups, the pause and counters behind.
/// lmstfy: delayed jobs and those in flight come back into a queue that was destroyed.
#[test]
fn of_a_deleted_queue_nothing_stays_and_nothing_comes_back() {
    let server = Server::plain();
    let mut client = server.client();
    let ids = ["completed", "dead", "leased", "delayed", "ready"];
    for delete in ["DEL mail", "UNLINK mail", "FLUSHALL"] {
        for line in [
            "JQ.CONFIG mail SET tries 3 maxlen 100",
            "JQ.PUBLISH mail x ID completed RETAIN FOREVER",
            "JQ.FULFILL mail completed 42",
            "JQ.PUBLISH mail x ID dead",
            "JQ.BURY mail dead",
            "JQ.PUBLISH mail x ID leased TTR 20",
            "JQ.CONSUME mail",
            "JQ.PUBLISH mail x ID delayed DELAY 20",
            "JQ.PUBLISH mail x ID ready TTL 20",
            "JQ.PAUSE mail",
        ] {
            let reply = client.run(line);
            assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
        }
        client.run(delete);
        assert_eq!(client.run("DBSIZE"), Reply::Int(0), "{delete}");
        assert_eq!(client.run("JQ.QUEUES").items()[1].items(), [], "{delete}");
        assert_eq!(server.info("jobq", "jobq_queues"), "0", "{delete}");

        // Later than all that the old queue had to do.
        client.run("JQ.PUBLISH mail anew ID anew DELAY 40");
        wait_for("the job", || (client.run("JQ.LEN mail ready") == Reply::Int(1)).then_some(()));
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(1), "{delete}");
        assert_eq!(names(&client.run("JQ.PEEK mail COUNT 9")), ["anew"], "and is not paused");
        for counter in ["delivered", "fulfilled", "lapsed", "expired", "buried", "died"] {
            assert_eq!(stat(&mut client, "mail", counter), 0, "{counter} after {delete}");
        }
        assert_eq!(client.run("JQ.CONFIG mail GET tries").field("tries"), bulk("25"));
        for id in ids {
            assert_eq!(client.run(&format!("JQ.PUBLISH mail x ID {id}")), bulk(id), "{delete}");
        }
        client.run("FLUSHALL");
    }
}

/// asynq: a job that an operator runs does not count in the latency, which reads 0.
#[test]
fn a_job_made_ready_by_hand_counts_as_one_that_waits() {
    let server = Server::plain();
    let mut client = server.client();
    for lines in [
        &["JQ.PUBLISH mail x ID a DELAY 600000", "JQ.KICK mail ID a"][..],
        &["JQ.PUBLISH mail x ID a DELAY 600000", "JQ.KICK mail ALL"],
        &["JQ.PUBLISH mail x ID a DELAY 600000", "JQ.UPDATE mail a AT 0"],
        &["JQ.PUBLISH mail x ID a", "JQ.BURY mail a", "JQ.RESPAWN mail ID a"],
        &["JQ.PUBLISH mail x ID a", "JQ.BURY mail a", "JQ.RESPAWN mail ALL"],
    ] {
        client.run("FLUSHALL");
        lines.iter().for_each(|line| drop(client.run(line)));
        let job = client.run("JQ.JOB mail a");
        assert_eq!(job.field("state"), bulk("ready"), "{lines:?}");
        let since = stat(&mut client, "mail", "oldest-ready");
        assert_eq!(Reply::Int(since), job.field("ready-since"), "{lines:?}");
        assert!(since >= job.field("published-at").int(), "{lines:?}");
    }
}

const DYING: usize = 8;
const KEPT: usize = 3;

/// Lets eight large jobs die in a queue that keeps three dead ones: published with these options,
/// then with these commands, in which `IDS` stands for theirs.
fn dies(client: &mut Client, options: &str, lines: &[&str]) {
    client.run("FLUSHALL");
    client.run(&format!("JQ.CONFIG mail SET dead-max {KEPT} tries 1 expired dead"));
    let body = "x".repeat(10_000);
    let mut call = vec!["JQ.MPUBLISH".into(), "mail".into(), DYING.to_string()];
    call.extend(vec![body; DYING]);
    call.extend(options.split_whitespace().map(String::from));
    let ids: Vec<_> = client.call(&call).items().iter().map(Reply::text).collect();
    for line in lines {
        let reply = client.run(&line.replace("IDS", &ids.join(" ")));
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
    let way = (options, lines);
    let trimmed = (DYING - KEPT) as i64;
    wait_for("the last death", || (stat(client, "mail", "pruned") == trimmed).then_some(()));
    assert_eq!(client.run("JQ.LEN mail"), Reply::Int(KEPT as i64), "{way:?}");
    assert!(stat(client, "mail", "bytes") < 10_000 * (KEPT as i64 + 1), "{way:?}");
    for id in &ids[DYING - KEPT..] {
        assert_eq!(client.run(&format!("JQ.JOB mail {id}")).field("state"), bulk("dead"));
    }
    client.run("JQ.CONFIG mail SET expired drop ttl 0");
    for id in &ids[..DYING - KEPT] {
        assert!(client.run(&format!("JQ.JOB mail {id}")).is_nothing(), "{way:?}");
        assert_eq!(client.run(&format!("JQ.PUBLISH mail again ID {id}")), bulk(id), "{way:?}");
    }
}

/// asynq: trimming keeps one dead job too few, and leaves the jobs themselves behind where an
/// inspector archives.
#[test]
fn on_every_way_to_the_dead_exactly_as_many_are_kept_and_the_rest_goes_whole() {
    let server = Server::plain();
    let client = &mut server.client();
    dies(client, "", &["JQ.CONSUME mail COUNT 8", "JQ.NACK mail IDS"]);
    dies(client, "", &["JQ.CONSUME mail COUNT 8 TTR 10"]);
    dies(client, "", &["JQ.CONSUME mail COUNT 8", "JQ.BURY mail IDS"]);
    dies(client, "", &["JQ.BURY mail IDS"]);
    dies(client, "DELAY 600000", &["JQ.BURY mail IDS"]);
    dies(client, "", &["JQ.BURY mail ALL ready"]);
    dies(client, "DELAY 600000", &["JQ.BURY mail ALL delayed"]);
    dies(client, "TTL 10", &[]);
    dies(client, "TTL 10 DELAY 10", &[]);
    let deadline = client.time() + 1_000;
    dies(client, &format!("DEADLINE {deadline}"), &[]);
    let lowered = ["JQ.CONFIG mail SET dead-max 0", "JQ.BURY mail IDS"];
    dies(client, "", &[&lowered[..], &["JQ.CONFIG mail SET dead-max 3"]].concat());
}

/// fs-job-store: a pull that fails keeps the locks of the jobs that it looked at.
#[test]
fn a_consume_that_fails_holds_nothing() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.MPUBLISH mail 2 a b");
    client.run("SET text x");
    for line in [
        "JQ.CONSUME mail COUNT 2 ALSO text",
        "JQ.CONSUME mail COUNT 2 BLOCK 0 ALSO text",
        "JQ.CONSUME mail COUNT 2 TTR 0",
        "JQ.CONSUME mail COUNT 2 LATER",
    ] {
        assert!(
            matches!(client.run(line), Reply::Error(_)),
            "an error, not an empty answer: {line}"
        );
        assert_eq!(client.run("JQ.LEN mail leased"), Reply::Int(0), "{line}");
    }
    assert_eq!(bodies(&client.run("JQ.CONSUME mail COUNT 2")), ["a", "b"]);
    assert_eq!(stat(&mut client, "mail", "delivered"), 2);
}

/// asynq: a unique task whose id is taken is refused, and its lock stays for all its time, so that the
/// task cannot be had under another id either.
#[test]
fn a_job_that_is_refused_for_its_id_leaves_no_key_behind() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a");
    client.run("JQ.CONFIG mail SET maxlen 2 maxbody 10");
    for refused in [
        "JQ.PUBLISH mail x ID a UNIQUE k FOR 3600000",
        "JQ.PUBLISH mail x DELAY 2 TTL 1 UNIQUE k FOR 3600000",
        "JQ.PUBLISH mail x REPLACES nothing UNIQUE k FOR 3600000",
        "JQ.PUBLISH mail eleven-long UNIQUE k FOR 3600000",
        "JQ.PUBLISH mail x UNIQUE k FOR 3600000 ID not/an/id",
    ] {
        assert!(matches!(client.run(refused), Reply::Error(_)), "{refused}");
        assert_eq!(stat(&mut client, "mail", "locks"), 0, "{refused}");
    }
    client.run("JQ.PUBLISH mail x ID b");
    assert_eq!(client.run("JQ.PUBLISH mail x ID c UNIQUE k").error_word(), "FULL");
    client.run("JQ.DELETE mail b");
    assert_eq!(client.run("JQ.PUBLISH mail x ID c UNIQUE k"), bulk("c"));
}

/// asynq#629: a task that is archived keeps its lock, and nobody can say otherwise.
#[test]
fn whether_a_dead_job_keeps_its_key_is_for_its_publisher_to_say() {
    let server = Server::plain();
    let mut client = server.client();
    for (until, is_kept) in [("", true), ("UNTIL DONE", false), ("UNTIL START", false)] {
        client.run("FLUSHALL");
        client.run(format!("JQ.PUBLISH mail x ID a TRIES 1 UNIQUE k {until}").trim_end());
        client.run("JQ.CONSUME mail");
        client.run("JQ.NACK mail a");
        assert_eq!(client.run("JQ.LEN mail dead"), Reply::Int(1));
        let reply = client.run("JQ.PUBLISH mail x ID b UNIQUE k");
        assert_eq!(reply == bulk("b"), !is_kept, "{until}: {reply:?}");
    }
}

/// asynq: a lock is best effort. One that is set for a time is over before a task that waits in line,
/// or is retried, has been worked, and there are two.
#[test]
fn a_key_without_a_time_is_held_for_as_long_as_the_job_needs() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a UNIQUE k TRIES 9 BACKOFF none TTR 10");
    for lapse in 1..=3 {
        client.run("JQ.CONSUME mail");
        wait_for("the lapse", || (stat(&mut client, "mail", "lapsed") == lapse).then_some(()));
        assert_eq!(
            client.run("JQ.PUBLISH mail x UNIQUE k"),
            Reply::Error("DUPLICATE a".into()),
            "in line, and {lapse} times retried"
        );
    }
}

/// asynq: a task that is kept with its result for a while blocks its successor.
#[test]
fn a_job_that_is_kept_with_its_result_does_not_keep_its_key() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a UNIQUE k RETAIN FOREVER");
    client.run("JQ.FULFILL mail a 42");
    assert_eq!(client.run("JQ.PUBLISH mail x ID b UNIQUE k"), bulk("b"));
    assert_eq!(client.run("JQ.RESULT mail a").items()[1], bulk("42"));
}

/// asynq: a task with a group and a delay is stored without its group, and is an ordinary one when it is
/// due; so is one that was archived or tried again.
#[test]
fn a_job_of_a_batch_stays_one_through_a_delay_a_retry_and_a_death() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET batch-size 9");
    client.run("JQ.PUBLISH mail x ID a BATCH k DELAY 5 BACKOFF none TRIES 2");
    let gathers = |client: &mut Client| {
        wait_for("it to gather", || {
            (client.run("JQ.JOB mail a").field("state") == bulk("gathering")).then_some(())
        });
    };
    gathers(&mut client);
    client.run("JQ.KICK mail ID a");
    client.run("JQ.CONSUME mail");
    client.run("JQ.NACK mail a");
    gathers(&mut client);
    client.run("JQ.BURY mail a");
    client.run("JQ.RESPAWN mail ID a");
    gathers(&mut client);
    assert_eq!(client.run("JQ.JOB mail a").field("batch"), bulk("k"));
}

/// asynq: the tasks of a group become a new one, and their ids, tries and retention are lost; it is made
/// in two steps, so a crash between them makes it twice.
#[test]
fn jobs_of_a_batch_keep_their_ids_tries_and_results_and_are_settled_in_one_step() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET batch-size 3");
    client.run("JQ.PUBLISH mail x ID a BATCH k TRIES 9 BACKOFF none");
    client.run("JQ.PUBLISH mail y ID b BATCH k TRIES 1");
    client.run("JQ.PUBLISH mail z ID c BATCH k TRIES 9 RETAIN FOREVER");
    client.run("JQ.CONSUME mail");
    assert_eq!(client.run("JQ.NACK mail a ERROR no"), Reply::Int(1));
    assert_eq!(client.run("JQ.JOB mail b").field("state"), bulk("dead"), "its only try was used");
    let receipt = names(&client.run("JQ.CONSUME mail"))[0].clone();
    client.run("MULTI");
    client.run(&format!("JQ.FULFILL mail {receipt} 42"));
    client.run("JQ.PUBLISH mail summary ID summary");
    let done = client.run("EXEC");
    assert_eq!(done.items(), [Reply::Int(1), bulk("summary")]);
    assert_eq!(client.run("JQ.RESULT mail c").items()[1], bulk("42"));
    assert!(client.run("JQ.JOB mail a").is_nothing());
}

/// Hodor: jobs are put in order as they are moved to the workers' queue, and not in it; so one of a better
/// rank that comes later waits behind all that were moved before. The next one of a mutex is chosen then too.
#[test]
fn a_job_of_a_better_priority_goes_first_however_late_it_comes_also_behind_a_mutex() {
    let server = Server::plain();
    let mut client = server.client();
    for id in ["a", "b"] {
        client.run(&format!("JQ.PUBLISH mail {id} ID {id} MUTEX account:7 PRIORITY 5"));
        client.run(&format!("JQ.PUBLISH mail plain-{id} ID plain-{id} PRIORITY 5"));
    }
    assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["a"]);
    client.run("JQ.PUBLISH mail urgent ID urgent MUTEX account:7 PRIORITY -5");
    assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["plain-a"], "a mutex blocks nobody else");
    client.run("JQ.ACK mail a");
    let rest = client.run("JQ.CONSUME mail COUNT 9");
    assert_eq!(bodies(&rest), ["urgent", "plain-b"], "and gives only one job at a time");
    client.run("JQ.ACK mail urgent");
    assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["b"]);
}

/// Hodor: a worker that fails marks its job as failed, and nobody tries it again; one that is killed does
/// not even that, and its mutex stays taken.
#[test]
fn a_mutex_is_free_when_its_worker_dies_and_the_job_is_tried_again() {
    let server = Server::plain();
    let mut client = server.client();
    for id in ["a", "b"] {
        client.run(&format!("JQ.PUBLISH mail {id} ID {id} MUTEX account:7 TTR 30"));
    }
    let mut worker = server.client();
    assert_eq!(bodies(&worker.run("JQ.CONSUME mail BIND TTR 600000")), ["a"]);
    drop(worker);
    assert_eq!(bodies(&client.run("JQ.CONSUME mail BLOCK 0")), ["a"], "it is first in line");
    assert_eq!(bodies(&client.run("JQ.CONSUME mail BLOCK 0")), ["b"], "when the lease has lapsed");
    client.run("JQ.ACK mail b");
    assert_eq!(
        bodies(&client.run("JQ.CONSUME mail BLOCK 0")),
        ["a"],
        "and it has not been forgotten"
    );
}

/// fs-job-store: targets that were told are not taken off the list, since the wrong function is called
/// for it, and are told again with each flush.
#[test]
fn a_target_that_was_told_is_not_told_again() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a RETAIN FOREVER");
    client.run("JQ.SUBSCRIBE mail a ada bob");
    client.run("JQ.FULFILL mail a 42");
    let receipt = client.run("JQ.NOTICES mail").items()[0].items()[0].text();
    assert_eq!(client.run(&format!("JQ.DELIVERED mail {receipt} ada bob")), Reply::Int(2));
    // What made them be told again there: another who subscribes, and another result.
    client.run("JQ.SUBSCRIBE mail a eve");
    client.run("JQ.FULFILL mail a 43");
    let again = client.run("JQ.NOTICES mail COUNT 9");
    assert_eq!(again.items().len(), 1);
    assert_eq!(again.items()[0].items()[4].items(), [bulk("eve")]);
}

/// fs-job-store: a pull of notifications keeps the locks of jobs that are not fulfilled yet.
#[test]
fn who_asks_for_notices_holds_nothing_of_jobs_that_go_on() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID a");
    client.run("JQ.SUBSCRIBE mail a ada");
    assert!(client.run("JQ.NOTICES mail COUNT 9").is_nothing());
    assert_eq!(names(&client.run("JQ.CONSUME mail")), ["a@1"], "it can be worked on");
    client.run("JQ.FULFILL mail a@1 42");
    assert_eq!(client.run("JQ.NOTICES mail").items().len(), 1, "and is told of then");
}

/// asynq#265: nobody hears that a task is done but who asks for its state again and again.
#[test]
fn who_follows_a_queue_hears_of_every_end_of_its_jobs_without_asking_again() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET events 100 dead-max 1");
    for id in ["a", "b", "c"] {
        client.run(&format!("JQ.PUBLISH mail x ID {id} TRIES 1 TTR 20"));
    }
    let mut follower = server.client();
    follower.send(&["JQ.EVENTS", "mail", "SINCE", "$", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    client.run("JQ.ACK mail a");
    client.run("JQ.CONSUME mail COUNT 3");
    client.run("JQ.ACK mail a");
    client.run("JQ.NACK mail b");
    let (mut cursor, mut ends) = (0, Vec::new());
    while ends.len() < 3 {
        let answer = follower.read();
        assert_eq!(answer.items()[1], Reply::Int(0), "nothing was missed");
        assert!(answer.items()[0].int() > cursor);
        cursor = answer.items()[0].int();
        for event in answer.items()[2].items() {
            let word = event.field("event").text();
            if ["acked", "nacked", "lapsed"].contains(&word.as_str()) {
                ends.push(format!("{word} {}", event.field("id").text()));
            }
        }
        follower.send(&["JQ.EVENTS", "mail", "SINCE", &cursor.to_string(), "BLOCK", "0"]);
    }
    assert_eq!(ends, ["acked a", "nacked b", "lapsed c"]);
}

/// lmstfy#203: queues come into being with their first job, and nobody is told of it nor of their end.
#[test]
fn a_queue_that_a_producer_makes_is_told_of_before_anybody_knows_its_name() {
    let server = Server::plain();
    let mut follower = server.client();
    follower.run("SUBSCRIBE jobq:queues");
    server.run("JQ.PUBLISH mail:2026 x");
    assert_eq!(follower.read().items()[2].text(), "created 0 mail:2026");
    server.run("DEL mail:2026");
    assert_eq!(follower.read().items()[2].text(), "removed 0 mail:2026");
}

/// asynq: each process with a scheduler publishes the same task, and one that starts anew begins to count
/// anew.
#[test]
fn however_many_set_the_same_schedule_it_runs_once_and_goes_on() {
    let server = Server::plain();
    let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
    let set = "JQ.SCHEDULE mail SET tick x EVERY 50 FROM 0 MISSED ALL";
    wait_for("runs", || {
        clients.iter_mut().for_each(|client| assert_eq!(client.run(set).text(), "OK"));
        let told = clients[0].run("JQ.SCHEDULE mail GET tick");
        (told.field("runs").int() >= 5).then_some(())
    });
    clients[0].run("JQ.SCHEDULE mail PAUSE tick");
    let listed = clients[0].run("JQ.LIST mail ready COUNT 1000");
    let jobs = listed.items()[1].items();
    let runs: Vec<_> = jobs.iter().map(|job| job.field("occurrence").int()).collect();
    assert!(runs.windows(2).all(|pair| pair[1] == pair[0] + 50), "{runs:?}");
}

/// asynq: a clean stop deletes the entries of a scheduler with their past, and nothing tells when they
/// come next.
#[test]
fn a_clean_stop_keeps_schedules_and_their_past() {
    let mut server = Server::plain();
    server.run("JQ.SCHEDULE mail SET hourly x EVERY 3600000");
    server.run("JQ.SCHEDULE mail RUN hourly");
    let line =
        ["JQ.SCHEDULE", "mail", "SET", "nightly", "x", "CRON", "30 2 * * *", "TZ", "Europe/Berlin"];
    server.client().call(&line);
    let told = |server: &Server| {
        ["hourly", "nightly"].map(|name| server.run(&format!("JQ.SCHEDULE mail GET {name}")))
    };
    let before = told(&server);
    assert_eq!(before[0].field("history").items().len(), 1);
    server.run("SAVE");
    server.restart();
    assert_eq!(told(&server), before);
}

/// asynq: a task id with a retention, which is to keep two schedulers apart, blocks its schedule for ever
/// once a run is archived.
#[test]
fn a_dead_run_does_not_keep_the_next_one_away() {
    let server = Server::plain();
    let mut client = server.client();
    let line =
        "JQ.SCHEDULE mail SET tick x EVERY 30 UNIQUE tick UNTIL DONE RETAIN FOREVER OVERLAP SKIP";
    assert_eq!(client.run(line).text(), "OK");
    for _ in 0..2 {
        let receipt = names(&client.run("JQ.CONSUME mail BLOCK 0")).remove(0);
        assert_eq!(client.run(&format!("JQ.BURY mail {receipt}")), Reply::Int(1));
        let receipt = names(&client.run("JQ.CONSUME mail BLOCK 0")).remove(0);
        assert_eq!(client.run(&format!("JQ.ACK mail {receipt}")), Reply::Int(1));
    }
    assert_eq!(client.run("JQ.LEN mail dead"), Reply::Int(2));
}
