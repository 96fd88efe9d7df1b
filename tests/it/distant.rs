//! Jobs that wait for jobs of other queues: what follows in one queue from what is done in another.

use std::fs;

use crate::{
    replies::{bodies, bulk, ok, on_each_wire, told},
    support::{
        cluster::{migrate_line, slot_of, Cluster},
        encoded,
        likeness::{assert_alike, copy_log, digests, freeze, reloaded, replayed, started_on, thaw},
        wait_for, Client, Options, Reply, Server,
    },
};

fn state(client: &mut Client, queue: &str, id: &str) -> String {
    let job = client.call(&["JQ.JOB", queue, id]);
    if job.is_nothing() {
        return "nothing".into();
    }
    job.field("state").text()
}

/// A publish of many children of `orders/a`.
fn many_children(queue: &str, count: usize) -> Vec<String> {
    let mut call = vec!["JQ.MPUBLISH".to_string(), queue.into(), count.to_string()];
    call.extend((0..count).map(|n| n.to_string()));
    call.extend(["AFTER", "1", "orders/a"].map(String::from));
    call
}

fn are_all_free(client: &mut Client, queue: &str) -> Option<()> {
    (client.run(&format!("JQ.LEN {queue} held")) == Reply::Int(0)).then_some(())
}

#[test]
fn what_is_completed_in_one_queue_frees_a_child_in_another_within_the_same_command() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH orders a ID a");
        client.run("JQ.PUBLISH stock b ID b");
        client.run("JQ.PUBLISH mail c ID c");
        client.run("JQ.PUBLISH mail child ID child AFTER 4 orders/a c stock/b mail/c");
        assert_eq!(client.run("JQ.JOB mail child").field("parents-left"), Reply::Int(4));
        client.run("JQ.CONSUME orders");
        assert_eq!(client.run("JQ.ACK orders a"), Reply::Int(1));
        client.run("JQ.FULFILL mail c 42");
        assert_eq!(state(client, "mail", "child"), "held");
        client.run("JQ.FULFILL stock b 42");
        assert_eq!(state(client, "mail", "child"), "ready");
    });
}

#[test]
fn the_last_parent_elsewhere_wakes_a_consumer_of_the_child() {
    let server = Server::start(Options::new().with_aof());
    let (mut consumer, mut client) = (server.client(), server.client());
    client.run("JQ.PUBLISH orders a ID a");
    client.run("JQ.PUBLISH mail child ID child AFTER 1 orders/a");
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    let before = server.aof().commands.len();
    client.run("JQ.FULFILL orders a 42");
    assert_eq!(bodies(&consumer.read()), ["child"]);
    // All of it is one transaction, and what is delivered is said last.
    let mut lines = server.aof().records().split_off(before).concat();
    lines.retain(|line| !line.starts_with("tick") && !line.starts_with("SELECT"));
    let expected = [
        "MULTI",
        "JQ.FULFILL orders a 42",
        "told mail child 0 Completed",
        "lease mail  0 0 child",
        "delivered orders 1",
        "EXEC",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_child_is_followed_before_it_is_there_as_the_log_has_it() {
    let server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.PUBLISH orders a ID a");
    let before = server.aof().commands.len();
    let line = "JQ.PUBLISH mail child ID child AFTER 2 orders/never orders/a";
    client.run(line);
    let mut lines = server.aof().records().split_off(before).concat();
    lines.retain(|line| !line.starts_with("tick") && !line.starts_with("create"));
    assert_eq!(lines, ["MULTI", "follow orders mail child a 1", line, "EXEC"]);
    // Who waits for nobody is a command that speaks for itself.
    let before = server.aof().commands.len();
    client.run("JQ.PUBLISH mail free AFTER 1 orders/never");
    let lines = server.aof().records().split_off(before).concat();
    assert!(lines.iter().all(|line| !line.starts_with("follow")), "{lines:?}");
}

#[test]
fn a_child_tells_what_it_was_told_of_its_parents_elsewhere() {
    on_each_wire(|client| {
        for id in ["a", "b", "c"] {
            client.run(&format!("JQ.PUBLISH orders {id} ID {id} RETAIN FOREVER"));
        }
        client.run("JQ.PUBLISH mail own ID own RETAIN FOREVER");
        client
            .run("JQ.PUBLISH mail child ID child AFTER 5 orders/a own orders/b orders/c orders/d");
        client.run("JQ.FULFILL mail own 42");
        let shown = |client: &mut Client| {
            let parents = client.run("JQ.JOB mail child").field("parents").pairs();
            parents.into_iter().map(|(id, state)| format!("{id} {}", state.text())).collect()
        };
        let states = |client: &mut Client, states: [&str; 4]| {
            let orders = ["a", "b", "c", "d"].into_iter().zip(states);
            let orders = orders.map(|(id, state)| format!("orders/{id} {state}"));
            let expected: Vec<_> =
                ["own completed".to_string()].into_iter().chain(orders).collect();
            let shown: Vec<String> = shown(client);
            assert_eq!(shown, expected);
        };
        states(client, ["waiting", "waiting", "waiting", "finished"]);
        client.run("JQ.FULFILL orders a result");
        client.run("JQ.BURY orders b");
        client.run("JQ.DELETE orders c");
        states(client, ["finished", "dead", "gone", "finished"]);
        let job = client.run("JQ.JOB mail child");
        assert_eq!(job.field("why"), bulk("parents"));
        // Results of other queues are looked up there.
        assert_eq!(job.field("parent-results").pairs(), [("own".to_string(), bulk("42"))]);
        client.run("JQ.FULFILL orders b late");
        assert_eq!(client.run("JQ.KICK mail ID child"), Reply::Int(1));
        assert_eq!(state(client, "mail", "child"), "ready");
    });
}

#[test]
fn what_becomes_of_a_child_is_as_it_says_whatever_becomes_of_its_parent_elsewhere() {
    let ends = [
        ("JQ.FULFILL orders a 42", ["ready", "ready", "ready"]),
        ("JQ.BURY orders a", ["held", "ready", "dead"]),
        ("JQ.DELETE orders a", ["held", "ready", "dead"]),
        ("JQ.CANCEL orders a", ["held", "ready", "dead"]),
        ("JQ.PURGE orders ready", ["held", "ready", "dead"]),
        ("JQ.PUBLISH orders other REPLACES a DELAY 600000", ["held", "ready", "dead"]),
    ];
    on_each_wire(|client| {
        for (end, states) in ends {
            client.run("FLUSHALL");
            client.run("JQ.PUBLISH orders a ID a");
            for word in ["HOLD", "RUN", "BURY"] {
                client.run(&format!("JQ.PUBLISH mail x ID {word} AFTER 1 orders/a IFDEAD {word}"));
            }
            client.run(end);
            assert_eq!(
                ["HOLD", "RUN", "BURY"].map(|id| state(client, "mail", id)),
                states,
                "{end}"
            );
        }
        let job = client.run("JQ.JOB mail BURY");
        assert_eq!(job.field("error"), bulk("parent orders/a was removed"));
        assert_eq!(job.field("parents"), client.map(vec![("orders/a", bulk("gone"))]));
    });
}

#[test]
fn a_parent_that_is_dead_already_is_told_within_the_publish() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH orders a ID a");
        client.run("JQ.BURY orders a");
        for (word, expected) in [("HOLD", "held"), ("RUN", "ready"), ("BURY", "dead")] {
            client.run(&format!("JQ.PUBLISH mail x ID {word} AFTER 1 orders/a IFDEAD {word}"));
            assert_eq!(state(client, "mail", word), expected, "{word}");
        }
        client.run("JQ.RESPAWN orders ALL");
        client.run("JQ.FULFILL orders a 42");
        assert_eq!(state(client, "mail", "HOLD"), "ready");
    });
}

#[test]
fn a_refusal_changes_nothing_in_any_queue() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH orders a ID a");
        client.run("JQ.PUBLISH mail x ID x");
        client.run("SET text 1");
        let before = [told(client, "orders"), told(client, "mail")];
        let to_come = "orders/7ZZZZZZZZZZZZZZZZZZZZZZZZZ";
        for (line, word) in [
            (format!("JQ.PUBLISH mail y AFTER 2 orders/a {to_come}"), "NOSUCHJOB"),
            (format!("JQ.MPUBLISH mail 2 y z AFTER 2 orders/a {to_come}"), "NOSUCHJOB"),
            (format!("JQ.PUBLISH new y AFTER 2 orders/a {to_come}"), "NOSUCHJOB"),
            ("JQ.PUBLISH mail y AFTER 2 orders/a text/a".into(), "WRONGTYPE"),
            ("JQ.PUBLISH mail y ID x AFTER 1 orders/a".into(), "DUPLICATE"),
            ("JQ.PUBLISH text y AFTER 1 orders/a".into(), "WRONGTYPE"),
        ] {
            assert_eq!(client.run(&line).error_word(), word, "{line}");
        }
        assert_eq!([told(client, "orders"), told(client, "mail")], before);
        assert_eq!(client.run("EXISTS new"), Reply::Int(0));
        // What is not there counts as completed, and its queue is not made.
        client.run("JQ.PUBLISH mail y ID y AFTER 1 none/a IFDEAD BURY");
        assert_eq!(state(client, "mail", "y"), "ready");
        assert_eq!(client.run("EXISTS none"), Reply::Int(0));
    });
}

#[test]
fn thousands_of_children_elsewhere_are_told_in_slices_in_publish_order() {
    const MANY: usize = 5_000;
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH orders a ID a");
    client.call(&many_children("mail", MANY)).items();
    // No turn of the timer comes in between.
    for line in ["MULTI", "JQ.FULFILL orders a 42", "JQ.LEN mail held"] {
        client.run(line);
    }
    let held = client.run("EXEC").items()[1].int();
    assert!((MANY - 1_000..MANY).contains(&(held as usize)), "one command does not tell {held}");
    wait_for("the last one to be free", || are_all_free(&mut client, "mail"));
    let expected: Vec<_> = (0..MANY).map(|n| n.to_string()).collect();
    assert_eq!(bodies(&client.run("JQ.PEEK mail COUNT 10000")), expected);
}

#[test]
fn a_chain_of_deaths_runs_through_many_queues() {
    const JOBS: usize = 1_000;
    let server = Server::plain();
    let mut client = server.client();
    let queue = |n: usize| ["red", "green", "blue"][n % 3];
    client.run("JQ.PUBLISH red x ID job-0");
    for n in 1..JOBS {
        let (mine, other) = (queue(n), queue(n - 1));
        let line = format!("AFTER 1 {other}/job-{} IFDEAD BURY", n - 1);
        client.run(&format!("JQ.PUBLISH {mine} x ID job-{n} {line}"));
    }
    client.run("JQ.BURY red job-0");
    let last = queue(JOBS - 1);
    wait_for("the last one to die", || {
        (state(&mut client, last, &format!("job-{}", JOBS - 1)) == "dead").then_some(())
    });
}

#[test]
fn transactions_and_scripts_publish_and_settle_across_queues() {
    on_each_wire(|client| {
        client.run("MULTI");
        client.run("JQ.PUBLISH orders a ID a");
        client.run("JQ.PUBLISH mail child ID child AFTER 1 orders/a");
        client.run("JQ.FULFILL orders a 42");
        client.run("JQ.LEN mail ready");
        assert_eq!(client.run("EXEC").items()[3], Reply::Int(1));
        let script = "redis.call('JQ.PUBLISH', KEYS[1], 'b', 'ID', 'b') \
                      redis.call('JQ.PUBLISH', KEYS[2], 'y', 'ID', 'y', 'AFTER', 1, KEYS[1] .. '/b') \
                      local held = redis.call('JQ.LEN', KEYS[2], 'held') \
                      redis.call('JQ.BURY', KEYS[1], 'b') \
                      redis.call('JQ.FULFILL', KEYS[1], 'b', '42') \
                      return {held, redis.call('JQ.LEN', KEYS[2], 'ready')}";
        let done = client.call(&["EVAL", script, "2", "orders", "mail"]);
        assert_eq!(done.items(), [Reply::Int(1), Reply::Int(2)]);
    });
}

#[test]
fn a_publisher_that_waits_for_room_waits_for_jobs_elsewhere_afterwards() {
    let server = Server::plain();
    let (mut producer, mut client) = (server.client(), server.client());
    client.run("JQ.CONFIG mail SET maxlen 1");
    client.run("JQ.PUBLISH mail x ID x");
    client.run("JQ.PUBLISH orders a ID a");
    let line = "JQ.PUBLISH mail child ID child AFTER 1 orders/a BLOCK 0";
    producer.send(&line.split(' ').collect::<Vec<_>>());
    server.wait_for_blocked(1);
    client.run("JQ.DELETE mail x");
    assert_eq!(producer.read(), bulk("child"));
    assert_eq!(state(&mut client, "mail", "child"), "held");
    client.run("JQ.FULFILL orders a 42");
    assert_eq!(state(&mut client, "mail", "child"), "ready");
}

#[test]
fn queues_that_lose_their_names_tell_and_are_told_as_documented() {
    on_each_wire(|client| {
        let prepare = |client: &mut Client| {
            client.run("FLUSHALL");
            client.run("JQ.PUBLISH orders a ID a");
            client.run("JQ.PUBLISH mail child ID child AFTER 1 orders/a IFDEAD BURY");
        };
        // A queue that is gone tells nobody.
        for line in ["DEL orders", "UNLINK orders", "PEXPIREAT orders 1", "SET orders x"] {
            prepare(client);
            client.run(line);
            assert_eq!(state(client, "mail", "child"), "held", "{line}");
            let parents = client.run("JQ.JOB mail child").field("parents");
            assert_eq!(parents, client.map(vec![("orders/a", bulk("waiting"))]), "{line}");
            assert_eq!(client.run("JQ.KICK mail ID child"), Reply::Int(1));
        }
        // A queue with another name tells those whom it has to tell.
        prepare(client);
        assert_eq!(client.run("RENAME orders sales"), ok());
        client.run("JQ.FULFILL sales a 42");
        assert_eq!(state(client, "mail", "child"), "ready");
        // And is not told what is meant for the old one, whatever has that by now.
        for (line, queue) in [("RENAME mail post", "post"), ("MOVE mail 1", "mail")] {
            prepare(client);
            client.run(line);
            client.run("JQ.PUBLISH mail other ID child AFTER 1 other/x");
            client.run("JQ.FULFILL orders a 42");
            client.run(&format!("SELECT {}", u8::from(queue == "mail")));
            assert_eq!(state(client, queue, "child"), "held", "{line}");
            client.run("SELECT 0");
            assert_eq!(state(client, "orders", "a"), "nothing");
        }
        // A copy has no followers, and is none.
        prepare(client);
        client.run("COPY orders orders2");
        client.run("COPY mail mail2");
        client.run("JQ.DELETE orders2 a");
        assert_eq!(state(client, "mail", "child"), "held");
        client.run("JQ.FULFILL orders a 42");
        assert_eq!(state(client, "mail", "child"), "ready");
        assert_eq!(state(client, "mail2", "child"), "held");
    });
}

#[test]
fn what_is_on_its_way_outlives_restarts_and_reaches_replicas() {
    let options = "--appendonly yes --appendfsync no --aof-use-rdb-preamble no";
    let primary = Server::start(Options::new().with(options));
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    client.run("JQ.PUBLISH orders a ID a");
    client.run("JQ.PUBLISH orders b ID b");
    client.call(&many_children("mail", 3_000)).items();
    client.call(&many_children("fax", 10)).items();
    client.run("JQ.PUBLISH fax last ID last AFTER 1 orders/b");
    // Nothing of the timer comes between the end and the pause.
    for line in ["MULTI", "JQ.FULFILL orders a 42", "CLIENT PAUSE 3600000 WRITE", "EXEC"] {
        client.run(line);
    }
    freeze(&primary);
    let queues = digests(&primary);
    assert_ne!(client.run("JQ.LEN mail held"), Reply::Int(0), "some are yet to be told");
    replica.catch_up_with(&primary);
    assert_alike("the replica", &queues, &replica);
    let log = replayed(&primary);
    assert_alike("the log", &queues, &log);
    assert_eq!(primary.run("SAVE"), ok());
    let snapshot = reloaded(&primary);
    assert_alike("the snapshot", &queues, &snapshot);
    thaw(&primary);
    // Whoever decides goes on, and comes to the same.
    for server in [&primary, &log, &snapshot] {
        let mut client = server.client();
        client.run("REPLICAOF NO ONE");
        for queue in ["mail", "fax"] {
            let waits = usize::from(queue == "fax") as i64;
            wait_for("all to be told", || {
                let held = client.run(&format!("JQ.LEN {queue} held"));
                (held == Reply::Int(waits)).then_some(())
            });
        }
        client.run("JQ.FULFILL orders b 42");
        assert_eq!(state(&mut client, "fax", "last"), "ready");
    }
    freeze(&primary);
    replica.catch_up_with(&primary);
    assert_alike("the replica", &digests(&primary), &replica);
}

#[test]
fn wherever_a_log_ends_nobody_waits_for_a_job_that_is_done() {
    let server = Server::start(Options::new().with("--appendonly yes --appendfsync no"));
    let mut client = server.client();
    client.run("JQ.PUBLISH orders a ID a");
    let begin = server.aof().commands.len();
    client.run("JQ.PUBLISH mail one ID one AFTER 1 orders/a");
    client.call(&many_children("fax", 300)).items();
    client.run("JQ.FULFILL orders a 42");
    wait_for("all to be told", || are_all_free(&mut client, "fax"));
    let commands = server.aof().commands;
    let file = fs::read_dir(server.directory().join("appendonlydir"))
        .expect("there is a log")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .expect("there is a log");
    // Each command alone, as if the server had not made one transaction of them.
    let alone = |command: &&Vec<Vec<u8>>| {
        !matches!(&command[0][..], b"MULTI" | b"EXEC" | b"multi" | b"exec")
    };
    for end in begin..=commands.len() {
        let kept: Vec<u8> =
            commands[..end].iter().filter(alone).flat_map(|it| encoded(it)).collect();
        let copy = started_on(Options::new().with("--appendonly yes"), |directory| {
            copy_log(server.directory(), directory);
            let name = file.file_name().expect("a file");
            let torn = directory.join("appendonlydir").join(name);
            fs::write(torn, &kept).expect("the log is writable");
        });
        let mut client = copy.client();
        client.run("REPLICAOF NO ONE");
        if state(&mut client, "orders", "a") == "nothing" {
            for queue in ["mail", "fax"] {
                wait_for("all to be told", || are_all_free(&mut client, queue));
            }
        } else {
            let mut free =
                || ["mail", "fax"].map(|queue| client.run(&format!("JQ.LEN {queue} ready")));
            assert!(free().iter().all(|free| matches!(free, Reply::Int(0))), "at {end}");
            client.run("JQ.FULFILL orders a 42");
            for queue in ["mail", "fax"] {
                wait_for("all to be told", || are_all_free(&mut client, queue));
            }
        }
    }
}

#[test]
fn who_may_not_use_the_other_queue_may_not_name_its_jobs() {
    let server = Server::plain();
    let mut admin = server.client();
    admin.run("JQ.PUBLISH orders a ID a");
    let line = "JQ.PUBLISH mail child AFTER 1 orders/a";
    let tries = |client: &mut Client| {
        let script = ["EVAL", "return redis.call(unpack(ARGV))", "0"];
        let in_script = client.call(&[&script[..], &line.split(' ').collect::<Vec<_>>()].concat());
        client.run("MULTI");
        client.run(line);
        let in_transaction = client.run("EXEC").items()[0].clone();
        let many = client.run("JQ.MPUBLISH mail 1 child AFTER 1 orders/a");
        let waiting = client.run(&format!("{line} BLOCK 1"));
        let many = match many {
            Reply::Array(ids) => ids[0].clone(),
            refused => refused,
        };
        [client.run(line), in_script, in_transaction, many, waiting]
    };
    let rules = "on nopass +jq.publish +jq.mpublish +eval +multi +exec";
    for (keys, may) in [
        ("~mail", false),
        // The name with the id is no key.
        ("~mail ~orders/*", false),
        ("~mail %R~orders", false),
        ("~mail ~orders", true),
        ("~mail ~or*", true),
        ("allkeys", true),
    ] {
        assert_eq!(admin.run(&format!("ACL SETUSER someone reset {rules} {keys}")), ok());
        let before = told(&mut admin, "orders");
        let mut client = server.client();
        client.run("AUTH someone x");
        for answer in tries(&mut client) {
            match (may, &answer) {
                (true, Reply::Bulk(_)) => {}
                (false, Reply::Error(error)) => {
                    assert!(error.contains("NOPERM"), "{keys}: {error}")
                }
                _ => panic!("{keys}: {answer:?}"),
            }
        }
        let seen = told(&mut admin, "orders");
        assert_eq!(seen == before, !may, "{keys}");
    }
}

#[test]
fn queues_that_name_each_other_share_a_slot() {
    let cluster = Cluster::start();
    let (owner, _) = cluster.owner_and_other("{shop}:mail");
    owner.run("JQ.PUBLISH {shop}:orders a ID a");
    let child = "JQ.PUBLISH {shop}:mail child ID child AFTER 1";
    assert_eq!(owner.run(&format!("{child} orders/a")).error_word(), "CROSSSLOT");
    assert_eq!(owner.run("EXISTS {shop}:mail"), Reply::Int(0));
    assert_eq!(owner.run(&format!("{child} {{shop}}:orders/a")), bulk("child"));
    let script = "return redis.call('JQ.PUBLISH', KEYS[1], 'x', 'AFTER', 1, ARGV[1])";
    let mut client = owner.client();
    client.call(&["EVAL", script, "1", "{shop}:mail", "{shop}:orders/a"]).text();
    let refused = client.call(&["EVAL", script, "1", "{shop}:mail", "orders/a"]);
    assert!(refused.error().contains("CROSSSLOT"), "{refused:?}");
    client.run("JQ.FULFILL {shop}:orders a 42");
    assert_eq!(client.run("JQ.LEN {shop}:mail ready"), Reply::Int(2));
}

#[test]
fn queues_that_move_with_their_slot_go_on_telling_each_other() {
    let cluster = Cluster::start();
    let (orders, mail) = ("{shop}:orders", "{shop}:mail");
    let (from, to) = cluster.owner_and_other(mail);
    let slot = slot_of(from, mail);
    let mut client = from.client();
    client.run("JQ.PUBLISH {shop}:orders a ID a");
    client.run("JQ.PUBLISH {shop}:orders b ID b");
    for parent in ["a", "b"] {
        client.run(&format!("JQ.PUBLISH {mail} x ID {parent} AFTER 1 {orders}/{parent}"));
    }
    cluster.open(slot, from, to);
    assert_eq!(client.run(&migrate_line(mail, to)), ok());
    // What is for a queue that is on its way stays where it is.
    client.run("JQ.FULFILL {shop}:orders a 42");
    client.run("JQ.PUBLISH {shop}:orders c ID c");
    let line = "JQ.PUBLISH {shop}:orders x AFTER 1 {shop}:mail/a";
    assert_eq!(client.run(line).error_word(), "TRYAGAIN");
    assert_eq!(client.run(&migrate_line(orders, to)), ok());
    cluster.assign(slot, to);
    let mut client = to.client();
    wait_for("it to be told", || (state(&mut client, mail, "a") == "ready").then_some(()));
    assert_eq!(state(&mut client, mail, "b"), "held");
    client.run("JQ.FULFILL {shop}:orders b 42");
    assert_eq!(state(&mut client, mail, "b"), "ready");
}
