//! Queues as a whole: who hears of a new one, how many there are, which, and how one that nobody
//! uses goes.

mod idle;
mod listing;

use crate::{
    replies::{bodies, bulk},
    support::{Client, Reply, Server},
};

/// A client that hears of what happens to keys, in all databases.
fn listener(server: &Server) -> Client {
    assert_eq!(server.run("CONFIG SET notify-keyspace-events Egd").text(), "OK");
    let mut client = server.client();
    client.run("PSUBSCRIBE __keyevent@*__:*");
    client
}

/// The next event that a listener hears of, that a queue is new or of the server's own:
/// `database event key`.
#[track_caller]
fn heard(listener: &mut Client) -> String {
    loop {
        let message = listener.read();
        let words: Vec<_> = message.items().iter().skip(2).map(Reply::text).collect();
        let event = words.join(" ").replace("__keyevent@", "").replace("__:", " ");
        if event.contains(" jq.created ") || !event.contains(" jq.") {
            return event;
        }
    }
}

/// How many queues the module knows.
fn known(server: &Server) -> usize {
    server.info("jobq", "jobq_queues").parse().expect("a number")
}

#[test]
fn a_new_queue_is_heard_of_once() {
    let server = Server::plain();
    let mut listener = listener(&server);
    let mut client = server.client();
    let lines = [
        "JQ.ACK mail a@1",
        "JQ.CONSUME mail",
        "JQ.PUBLISH mail never DELAY 9 TTL 8",
        "JQ.PUBLISH mail one",
        "JQ.PUBLISH mail two",
        "JQ.CONFIG fax SET tries 3",
        "JQ.PUBLISH fax one",
        "SELECT 3",
        "JQ.PAUSE mail",
        "RENAME mail post",
        "DEL post",
        "JQ.PUBLISH post anew",
    ];
    lines.iter().for_each(|line| drop(client.run(line)));
    let expected = [
        "0 jq.created mail",
        "0 jq.created fax",
        "3 jq.created mail",
        "3 rename_from mail",
        "3 rename_to post",
        "3 del post",
        "3 jq.created post",
    ];
    client.run("JQ.PUBLISH last one");
    for event in expected.into_iter().chain(["3 jq.created last"]) {
        assert_eq!(heard(&mut listener), event);
    }
}

#[test]
fn a_new_queue_is_heard_of_on_replicas_too() {
    let primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut listener = listener(&replica);
    primary.run("JQ.PUBLISH mail one");
    primary.run("JQ.PUBLISH mail two");
    primary.run("JQ.PUBLISH fax one");
    assert_eq!(heard(&mut listener), "0 jq.created mail");
    assert_eq!(heard(&mut listener), "0 jq.created fax");
}

#[test]
fn a_queue_made_in_a_transaction_or_a_script_is_heard_of() {
    let server = Server::plain();
    let mut listener = listener(&server);
    let mut client = server.client();
    for line in ["MULTI", "JQ.PUBLISH mail one", "DEL mail", "JQ.PUBLISH mail two", "EXEC"] {
        client.run(line);
    }
    client.call(&["EVAL", "return redis.call('JQ.PUBLISH', KEYS[1], 'one')", "1", "fax"]);
    for event in ["jq.created mail", "del mail", "jq.created mail", "jq.created fax"] {
        assert_eq!(heard(&mut listener), format!("0 {event}"));
    }
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}

#[test]
fn info_counts_the_queues_of_all_databases() {
    let server = Server::plain();
    let mut client = server.client();
    assert_eq!(known(&server), 0);
    let steps: [(&[&str], usize); 11] = [
        (&["JQ.PUBLISH mail one"], 1),
        (&["JQ.PUBLISH mail two"], 1),
        (&["JQ.PUBLISH fax one"], 2),
        (&["COPY mail post"], 3),
        (&["COPY mail post REPLACE"], 3),
        // Where the module cannot hear of a move, the next command tells it.
        (&["MOVE post 2", "SWAPDB 2 3", "SELECT 3", "JQ.LEN post"], 3),
        (&["SELECT 0", "SET fax over"], 2),
        (&["DEBUG RELOAD"], 2),
        (&["FLUSHDB"], 1),
        (&["JQ.PUBLISH mail anew"], 2),
        (&["FLUSHALL ASYNC"], 0),
    ];
    for (lines, queues) in steps {
        for line in lines {
            let reply = client.run(line);
            assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
        }
        assert_eq!(known(&server), queues, "{lines:?}");
    }
}

#[test]
fn several_installations_share_a_server_and_never_meet() {
    let server = Server::plain();
    let mut client = server.client();
    // A prefix or a database is the namespace.
    let places = [(0, "one:mail"), (0, "two:mail"), (1, "one:mail")];
    for (database, queue) in places {
        client.run(&format!("SELECT {database}"));
        client.run(&format!("JQ.PUBLISH {queue} {database}-{queue} ID same"));
    }
    client.run("JQ.PAUSE one:mail");
    client.run("JQ.DELETE one:mail same");
    client.run("SELECT 0");
    for prefix in ["one", "two"] {
        let told = client.run(&format!("JQ.QUEUES MATCH {prefix}:*"));
        assert_eq!(told.items()[1].items(), [bulk(format!("{prefix}:mail"))]);
        let taken = client.run(&format!("JQ.CONSUME {prefix}:mail COUNT 9"));
        assert_eq!(bodies(&taken), [format!("0-{prefix}:mail")]);
    }
    assert_eq!(client.run("JQ.ACK one:mail same"), Reply::Int(1));
    assert_eq!(client.run("JQ.LEN two:mail leased"), Reply::Int(1));
}
