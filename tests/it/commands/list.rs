//! `JQ.LIST`: all the jobs of a state, a page at a time.

use jobq_protocol::JOB_FIELDS;

use crate::{
    replies::on_each_wire,
    support::{wait_for, Client, Reply, Server},
};

/// A page: the cursor and the ids.
#[track_caller]
fn page(client: &mut Client, line: &str) -> (String, Vec<String>) {
    let reply = client.run(line);
    let [cursor, jobs] = reply.items() else { panic!("{line}: {reply:?}") };
    (cursor.text(), jobs.items().iter().map(|job| job.field("id").text()).collect())
}

/// All ids, from page to page.
#[track_caller]
fn walk(client: &mut Client, line: &str) -> Vec<String> {
    let (mut cursor, mut ids) = page(client, line);
    while cursor != "0" {
        let (next, more) = page(client, &format!("{line} CURSOR {cursor}"));
        ids.extend(more);
        cursor = next;
    }
    ids
}

/// So many jobs in each state, `<state>-<n>`, in the order in which they would leave it.
fn fill(client: &mut Client, jobs: usize) {
    for n in 0..jobs {
        client.run(&format!("JQ.PUBLISH mail x ID dead-{n} TYPE type-{}", n % 2));
        client.run(&format!("JQ.BURY mail dead-{n}"));
        client.run(&format!("JQ.PUBLISH mail x ID completed-{n} RETAIN FOREVER"));
        client.run(&format!("JQ.FULFILL mail completed-{n} {n}"));
        client.run(&format!("JQ.PUBLISH mail x ID leased-{n} TTR {}", 600_000 + n));
        client.run("JQ.CONSUME mail");
        client.run(&format!("JQ.PUBLISH mail x ID delayed-{n} DELAY {}", 600_000 + 10_000 * n));
    }
    for n in 0..jobs {
        client.run(&format!("JQ.PUBLISH mail x ID ready-{n}"));
        client.run(&format!("JQ.PUBLISH mail x ID held-{n} WHEN paid"));
    }
}

const STATES: [&str; 6] = ["delayed", "held", "ready", "leased", "completed", "dead"];

#[test]
fn every_state_is_listed_in_order_and_backwards_page_by_page() {
    on_each_wire(|client| {
        fill(client, 25);
        for state in STATES {
            let mut expected: Vec<_> = (0..25).map(|n| format!("{state}-{n}")).collect();
            for count in ["", " COUNT 1", " COUNT 7", " COUNT 25", " COUNT 10000"] {
                assert_eq!(walk(client, &format!("JQ.LIST mail {state}{count}")), expected);
            }
            expected.reverse();
            let reverse = format!("JQ.LIST mail {state} COUNT 4 REVERSE");
            assert_eq!(walk(client, &reverse), expected);
        }
        assert_eq!(page(client, "JQ.LIST mail dead").1.len(), 10, "ten if not named");
    });
}

#[test]
fn each_job_is_told_with_all_its_fields() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail hello ID a TYPE welcome");
        client.run("JQ.BURY mail a ERROR no-route");
        let reply = client.run("JQ.LIST mail dead");
        let job = &reply.items()[1].items()[0];
        let fields: Vec<_> = job.pairs().into_iter().map(|(name, _)| name).collect();
        assert_eq!(fields, JOB_FIELDS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert_eq!(job.field("body").text(), "hello");
        assert_eq!(job.field("error").text(), "no-route");
    });
}

#[test]
fn a_list_is_narrowed_by_type_and_age() {
    on_each_wire(|client| {
        fill(client, 10);
        let odd = walk(client, "JQ.LIST mail dead TYPE type-1 COUNT 2");
        assert_eq!(odd, ["dead-1", "dead-3", "dead-5", "dead-7", "dead-9"]);
        assert!(walk(client, "JQ.LIST mail dead TYPE type").is_empty());
        assert!(walk(client, "JQ.LIST mail dead MINAGE 3600000").is_empty());
        assert_eq!(walk(client, "JQ.LIST mail dead MAXAGE 3600000").len(), 10);
        assert_eq!(walk(client, "JQ.LIST mail dead MINAGE 0 TYPE type-0").len(), 5);
    });
}

#[test]
fn a_list_is_narrowed_by_the_last_error_and_by_the_worker() {
    on_each_wire(|client| {
        for (id, error) in [("a", "timeout: smtp.example"), ("b", "no [route]"), ("c", "Timeout")] {
            client.run(&format!("JQ.PUBLISH mail x ID {id} TYPE letter"));
            client.call(&["JQ.BURY", "mail", id, "ERROR", error]);
        }
        client.run("JQ.PUBLISH mail x ID d");
        client.run("JQ.BURY mail d");
        let like = |client: &mut Client, pattern: &str| {
            page(client, &format!("JQ.LIST mail dead ERROR {pattern}")).1
        };
        assert_eq!(like(client, "*timeout*"), ["a"], "case is kept");
        assert_eq!(like(client, "[tT]imeout*"), ["a", "c"]);
        assert_eq!(like(client, r"*\[route\]"), ["b"]);
        assert_eq!(like(client, "timeout"), [""; 0], "the whole text");
        assert_eq!(like(client, "*"), ["a", "b", "c"], "and not those without one");
        assert_eq!(walk(client, "JQ.LIST mail dead TYPE letter ERROR *o* COUNT 1").len(), 3);

        client.run("JQ.PUBLISH mail x ID e");
        client.run("JQ.PUBLISH mail x ID f");
        client.run("JQ.PUBLISH mail x ID g");
        client.run("JQ.CONSUME mail WORKER postman");
        client.run("JQ.CONSUME mail WORKER clerk");
        client.run("JQ.CONSUME mail");
        assert_eq!(page(client, "JQ.LIST mail leased WORKER postman").1, ["e"]);
        assert_eq!(page(client, "JQ.LIST mail leased WORKER clerk").1, ["f"]);
        assert_eq!(page(client, "JQ.LIST mail leased WORKER nobody").1, [""; 0]);
        client.run("JQ.NACK mail e DELAY 3600000 ERROR later");
        assert_eq!(page(client, "JQ.LIST mail leased WORKER postman").1, [""; 0]);
        assert_eq!(page(client, "JQ.LIST mail delayed ERROR l*r").1, ["e"]);
    });
}

#[test]
fn nothing_is_listed_where_there_is_nothing() {
    on_each_wire(|client| {
        for state in STATES {
            assert_eq!(page(client, &format!("JQ.LIST mail {state}")), ("0".into(), vec![]));
        }
        assert_eq!(client.run("EXISTS mail"), Reply::Int(0));
        for (line, word) in [
            ("JQ.LIST mail alive", "SYNTAX"),
            ("JQ.LIST mail dead COUNT 0", "RANGE"),
            ("JQ.LIST mail dead COUNT 10001", "RANGE"),
            ("JQ.LIST mail dead CURSOR nowhere", "RANGE"),
            ("JQ.LIST mail dead MINAGE -1", "RANGE"),
            ("JQ.LIST mail dead ERROR", "SYNTAX"),
            (format!("JQ.LIST mail dead ERROR {}", "*".repeat(257)).as_str(), "RANGE"),
        ] {
            assert_eq!(client.run(line).error_word(), word, "{line}");
        }
        let odd = "JQ.LIST mail dead CURSOR 281474976710655-281474976710655-4294967295-4294967295-255-4294967295-0";
        client.run("JQ.PUBLISH mail x");
        assert!(matches!(client.run(odd), Reply::Array(_)), "a cursor of nobody is harmless");
    });
}

#[test]
fn a_walk_meets_every_job_that_stays_whatever_happens_to_the_others() {
    let server = Server::plain();
    let mut client = server.client();
    for state in STATES {
        for reverse in ["", " REVERSE"] {
            client.run("FLUSHALL");
            fill(&mut client, 60);
            let line = format!("JQ.LIST mail {state} COUNT 7{reverse}");
            let (mut cursor, mut seen) = page(&mut client, &line);
            let mut gone = 0;
            while cursor != "0" {
                // Also the one with which the page ended.
                let last = seen.last().expect("some").clone();
                for id in [last, format!("{state}-{gone}"), format!("{state}-{}", 59 - gone)] {
                    client.run(&format!("JQ.DELETE mail {id}"));
                }
                gone += 1;
                client.run(&format!("JQ.PUBLISH mail x ID more-{gone}"));
                let (next, more) = page(&mut client, &format!("{line} CURSOR {cursor}"));
                seen.extend(more);
                cursor = next;
            }
            for n in gone..60 - gone {
                let id = format!("{state}-{n}");
                assert!(seen.contains(&id), "{id} was not met{reverse}: {seen:?}");
            }
        }
    }
}

#[test]
fn a_walk_goes_on_after_a_restart_and_on_a_promoted_replica() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    fill(&mut client, 30);
    replica.catch_up_with(&primary);
    let mut other = replica.client();
    for state in STATES {
        let (cursor, mut seen) = page(&mut client, &format!("JQ.LIST mail {state} COUNT 12"));
        let (next, more) =
            page(&mut other, &format!("JQ.LIST mail {state} COUNT 1000 CURSOR {cursor}"));
        assert_eq!(next, "0");
        seen.extend(more);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 30, "{state}");
    }
    other.run("REPLICAOF NO ONE");
    other.run("DEBUG RELOAD");
    assert_eq!(walk(&mut other, "JQ.LIST mail dead").len(), 30);
}

#[test]
fn a_page_among_very_many_that_do_not_match_is_bounded() {
    let server = Server::plain();
    let mut client = server.client();
    let bodies = vec!["x"; 30_000];
    let mut call = vec!["JQ.MPUBLISH", "mail", "30000"];
    call.extend(bodies);
    client.call(&call);
    client.run("JQ.PUBLISH mail x ID rare TYPE rare");
    let (cursor, found) = page(&mut client, "JQ.LIST mail ready TYPE rare");
    assert!(found.is_empty() && cursor != "0", "it goes on with the next page");
    assert_eq!(walk(&mut client, "JQ.LIST mail ready TYPE rare"), ["rare"]);
    wait_for("the purge", || {
        client.run("JQ.PURGE mail ready");
        (client.run("JQ.LEN mail") == Reply::Int(0)).then_some(())
    });
}

#[test]
fn a_job_that_went_to_another_priority_and_back_is_not_taken_for_one_that_stayed() {
    on_each_wire(|client| {
        let told = client.run("JQ.MPUBLISH mail 5 a b c d e");
        let ids: Vec<_> = told.items().iter().map(Reply::text).collect();
        let (cursor, first) = page(client, "JQ.LIST mail ready COUNT 2");
        assert_eq!(first, ids[..2]);
        wait_for("the next millisecond", || {
            let clock = client.run("JQ.STATS mail").field("clock");
            client.run("JQ.UPDATE mail nobody TTL 0");
            (client.run("JQ.STATS mail").field("clock") != clock).then_some(())
        });
        for priority in ["1", "0"] {
            client.run(&format!("JQ.UPDATE mail {} PRIORITY {priority}", ids[1]));
        }
        let rest = walk(client, &format!("JQ.LIST mail ready CURSOR {cursor}"));
        assert!(ids[2..].iter().all(|id| rest.contains(id)), "{rest:?}");
    });
}
