//! `AFTER` and `IFDEAD`.

use crate::{
    replies::{bodies, bulk, ids, names, ok, on_each_wire, told},
    support::{wait_for, Client, Reply, Server},
};

const MANY: usize = 50_000;

fn state(client: &mut Client, id: &str) -> String {
    let job = client.call(&["JQ.JOB", "mail", id]);
    if job.is_nothing() {
        return "nothing".into();
    }
    job.field("state").text()
}

#[test]
fn a_child_is_ready_as_soon_as_all_its_parents_are_completed() {
    on_each_wire(|client| {
        for id in ["a", "b"] {
            client.run(&format!("JQ.PUBLISH mail {id} ID {id}"));
        }
        client.run("JQ.PUBLISH mail child ID child AFTER 2 a b");
        assert_eq!(ids(&client.run("JQ.CONSUME mail COUNT 9")), ["a", "b"]);
        assert_eq!(client.run("JQ.ACK mail b"), Reply::Int(1));
        assert_eq!(state(client, "child"), "held");
        assert_eq!(client.run("JQ.FULFILL mail a 42"), Reply::Int(1));
        assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["child"]);
    });
}

#[test]
fn the_last_parent_that_is_completed_wakes_a_consumer_that_waits() {
    let server = Server::plain();
    let (mut consumer, mut client) = (server.client(), server.client());
    client.run("JQ.PUBLISH mail a ID a DELAY 3600000");
    client.run("JQ.PUBLISH mail child AFTER 1 a");
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0"]);
    wait_for("it to wait", || (server.info("clients", "blocked_clients") == "1").then_some(()));
    client.run("JQ.FULFILL mail a 42");
    assert_eq!(bodies(&consumer.read()), ["child"]);
}

#[test]
fn a_delivered_child_is_told_the_results_of_its_parents() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail a ID a RETAIN FOREVER");
        client.run("JQ.PUBLISH mail b ID b");
        client.run("JQ.PUBLISH mail c ID c RETAIN 600000");
        client.run("JQ.PUBLISH mail child ID child AFTER 4 a b c never");
        let job = client.run("JQ.JOB mail child");
        assert_eq!(job.field("parents-left"), Reply::Int(3));
        assert_eq!(job.field("why"), bulk("parents"));
        let states = ["ready", "ready", "ready", "finished"];
        let parents = ["a", "b", "c", "never"].into_iter().zip(states.map(bulk)).collect();
        assert_eq!(job.field("parents"), client.map(parents));
        client.run("JQ.FULFILL mail a forty");
        client.run("JQ.FULFILL mail b lost");
        client.run("JQ.CONSUME mail COUNT 9");
        client.run("JQ.ACK mail c");
        let taken = client.run("JQ.CONSUME mail DETAILS");
        let details = &taken.items()[0].items()[3];
        let states = ["completed", "finished", "completed", "finished"];
        let parents = ["a", "b", "c", "never"].into_iter().zip(states.map(bulk)).collect();
        assert_eq!(details.field("parents"), client.map(parents));
        assert_eq!(details.field("parent-results"), client.map(vec![("a", bulk("forty"))]));
        assert_eq!(details.field("ifdead"), bulk("hold"));
    });
}

#[test]
fn what_becomes_of_a_child_is_as_it_says_whatever_becomes_of_its_parent() {
    let ends = [
        ("JQ.FULFILL mail a 42", ["ready", "ready", "ready"]),
        ("JQ.BURY mail a", ["held", "ready", "dead"]),
        ("JQ.DELETE mail a", ["held", "ready", "dead"]),
        ("JQ.PURGE mail ready", ["held", "ready", "dead"]),
        ("JQ.PUBLISH mail other REPLACES a DELAY 600000", ["held", "ready", "dead"]),
    ];
    on_each_wire(|client| {
        for (end, states) in ends {
            client.run("DEL mail");
            client.run("JQ.PUBLISH mail a ID a");
            for word in ["HOLD", "RUN", "BURY"] {
                client.run(&format!("JQ.PUBLISH mail x ID {word} AFTER 1 a IFDEAD {word}"));
            }
            client.run(end);
            assert_eq!(["HOLD", "RUN", "BURY"].map(|id| state(client, id)), states, "{end}");
        }
        let job = client.run("JQ.JOB mail BURY");
        assert_eq!(job.field("error"), bulk("parent a was removed"));
        assert_eq!(job.field("parents"), client.map(vec![("a", bulk("gone"))]));
    });
}

#[test]
fn a_parent_that_cannot_have_been_there_is_refused_and_nothing_is_changed() {
    on_each_wire(|client| {
        client.run("JQ.PUBLISH mail a ID a");
        let before = told(client, "mail");
        let line = "JQ.PUBLISH mail x AFTER 2 a 7ZZZZZZZZZZZZZZZZZZZZZZZZZ";
        assert_eq!(client.run(line).error_word(), "NOSUCHJOB");
        let line = "JQ.MPUBLISH mail 2 x y AFTER 1 7ZZZZZZZZZZZZZZZZZZZZZZZZZ";
        assert_eq!(client.run(line).error_word(), "NOSUCHJOB");
        assert_eq!(told(client, "mail"), before);
        assert_eq!(client.run("JQ.PUBLISH new x AFTER 1 gone IFDEAD BURY").text().len(), 26);
        assert_eq!(client.run("JQ.LEN new ready"), Reply::Int(1));
    });
}

#[test]
fn fifty_thousand_children_are_told_in_slices_in_publish_order() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail a ID a");
    let texts: Vec<_> = (0..MANY).map(|n| n.to_string()).collect();
    for texts in texts.chunks(MANY / 5) {
        let mut call = vec!["JQ.MPUBLISH".into(), "mail".into(), texts.len().to_string()];
        call.extend_from_slice(texts);
        call.extend(["AFTER", "1", "a"].map(String::from));
        client.call(&call).items();
    }
    assert_eq!(client.run("JQ.FULFILL mail a 42"), Reply::Int(1));
    let held = |client: &mut Client| client.run("JQ.LEN mail held");
    assert_ne!(held(&mut client), Reply::Int(0), "other commands come in between");
    wait_for("the last one to be free", || (held(&mut client) == Reply::Int(0)).then_some(()));
    assert_eq!(bodies(&client.run("JQ.PEEK mail COUNT 10000")), texts[..10_000]);
}

#[test]
fn a_child_of_a_hundred_thousand_parents_is_ready_after_the_last() {
    const PARENTS: usize = 100_000;
    let server = Server::plain();
    let mut client = server.client();
    let mut call = vec!["JQ.MPUBLISH".to_string(), "mail".into(), PARENTS.to_string()];
    call.extend((0..PARENTS).map(|n| n.to_string()));
    let parents = client.call(&call);
    let parents: Vec<_> = parents.items().iter().map(Reply::text).collect();
    let mut call =
        ["JQ.PUBLISH", "mail", "child", "ID", "child", "AFTER"].map(String::from).to_vec();
    call.push(PARENTS.to_string());
    call.extend_from_slice(&parents);
    assert_eq!(client.call(&call), bulk("child"));
    for parents in parents.chunks(10_000) {
        assert_eq!(client.run("JQ.CONSUME mail COUNT 10000").items().len(), 10_000);
        assert_eq!(state(&mut client, "child"), "held");
        let mut call = vec!["JQ.ACK".to_string(), "mail".into()];
        call.extend_from_slice(parents);
        assert_eq!(client.call(&call), Reply::Int(10_000));
    }
    wait_for("the child to be told", || (state(&mut client, "child") == "ready").then_some(()));
    let listed = client.run("JQ.LIST mail ready");
    assert_eq!(listed.items()[1].items()[0].field("parents").pairs().len(), 100);
}

#[test]
fn families_outlive_a_reload_and_reach_replicas_in_the_middle_of_being_told() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    client.run("JQ.PUBLISH mail a ID a");
    client.run("JQ.PUBLISH mail b ID b AFTER 1 a IFDEAD BURY");
    client.run("JQ.PUBLISH mail c ID c AFTER 2 a b IFDEAD BURY");
    let seen = client.run("JQ.DIGEST mail");
    assert_eq!(client.run("DEBUG RELOAD"), ok());
    assert_eq!(client.run("JQ.DIGEST mail"), seen);
    assert_eq!(client.run("COPY mail other"), Reply::Int(1));
    let mut call = vec!["JQ.MPUBLISH".into(), "mail".into(), "2000".into()];
    call.extend((0..2000).map(|n| n.to_string()));
    call.extend(["AFTER", "1", "a"].map(String::from));
    client.call(&call).items();
    // The first slice of a transaction leaves most of them for later.
    client.run("MULTI");
    client.run("JQ.BURY mail a");
    client.run("JQ.RESPAWN mail ID a");
    client.run("JQ.FULFILL mail a 42");
    client.run("EXEC");
    wait_for("the last one to be free", || {
        (client.run("JQ.LEN mail held") == Reply::Int(0)).then_some(())
    });
    assert_eq!(["a", "b", "c"].map(|id| state(&mut client, id)), ["nothing", "dead", "dead"]);
    replica.catch_up_with(&primary);
    assert_eq!(replica.run("JQ.DIGEST mail"), client.run("JQ.DIGEST mail"));
    assert_eq!(names(&client.run("JQ.PEEK other")), ["a"]);
    assert_eq!(client.run("JQ.LEN other held"), Reply::Int(2), "a copy has jobs of its own");
    client.run("JQ.BURY other a");
    assert_eq!(client.run("JQ.LEN other dead"), Reply::Int(3));
}
