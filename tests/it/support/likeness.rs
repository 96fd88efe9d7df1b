//! Whether servers hold the same.
//!
//! Compared are servers that stand still: a primary that takes no writes for a while, where timers
//! keep quiet too, and copies that are replicas of nobody, which never decide anything.

use std::{collections::BTreeMap, fs, path::Path};

use super::{wait_for, Client, Options, Reply, Server};

/// The databases that tests use.
const DATABASES: u32 = 4;

/// Of each queue, by database and name: its own digest, and the server's of the value.
pub type Digests = BTreeMap<(u32, String), [String; 2]>;

/// The digests of all queues of a server.
pub fn digests(server: &Server) -> Digests {
    let mut client = server.client();
    // In a cluster there is one database, and a replica sends readers away unless they ask.
    client.run("READONLY");
    let mut digests = Digests::new();
    for db in 0..DATABASES {
        if matches!(client.run(&format!("SELECT {db}")), Reply::Error(_)) {
            break;
        }
        let mut names: Vec<_> = client.run("KEYS *").items().iter().map(Reply::text).collect();
        names.sort();
        for name in names {
            if client.call(&["TYPE", &name]).text() == "job-queue" {
                let pair = digest_pair(&mut client, &name);
                digests.insert((db, name), pair);
            }
        }
    }
    digests
}

fn digest_pair(client: &mut Client, name: &str) -> [String; 2] {
    let of_value = client.call(&["DEBUG", "DIGEST-VALUE", name]).items()[0].text();
    [client.call(&["JQ.DIGEST", name]).text(), of_value]
}

/// Stops all writes to a primary, those of timers included, until [`thaw`].
pub fn freeze(server: &Server) {
    assert_eq!(server.run("CLIENT PAUSE 3600000 WRITE").text(), "OK");
}

/// Lets writes go on.
pub fn thaw(server: &Server) {
    assert_eq!(server.run("CLIENT UNPAUSE").text(), "OK");
}

/// Asserts that another server holds what this one does.
#[track_caller]
pub fn assert_alike(what: &str, one: &Digests, other: &Server) {
    let other = digests(other);
    for (place, digest) in one {
        assert_eq!(Some(digest), other.get(place), "{what}: {place:?}");
    }
    assert_eq!(one.len(), other.len(), "{what}: {:?}", other.keys());
}

/// Holds the load of a primary for a moment, and asserts that its replica holds what it does.
#[track_caller]
pub fn assert_replica_is_alike(primary: &Server, replica: &Server) {
    freeze(primary);
    replica.catch_up_with(primary);
    assert_alike("the replica", &digests(primary), replica);
    thaw(primary);
}

/// A server that has replayed the append-only file of another, and stands still.
pub fn replayed(of: &Server) -> Server {
    wait_for_rewrite(of);
    started_on(Options::new().with("--appendonly yes --appendfsync no"), |directory| {
        copy_log(of.directory(), directory);
    })
}

/// The replica, the log and the snapshot of a server have what it has.
#[track_caller]
pub fn assert_copies_are_alike(primary: &Server, replica: &Server) {
    freeze(primary);
    let seen = digests(primary);
    replica.catch_up_with(primary);
    assert_alike("the replica", &seen, replica);
    assert_alike("the log replayed", &seen, &replayed(primary));
    assert_eq!(primary.run("SAVE").text(), "OK");
    assert_alike("the snapshot loaded", &seen, &reloaded(primary));
    thaw(primary);
}

/// A server that has loaded the snapshot of another, and stands still.
pub fn reloaded(of: &Server) -> Server {
    started_on(Options::new(), |directory| {
        let copied = fs::copy(of.directory().join("dump.rdb"), directory.join("dump.rdb"));
        copied.expect("the snapshot is there");
    })
}

/// A server that starts with the files that `prepare` leaves in its directory, and stands still.
pub fn started_on(options: Options, prepare: impl FnOnce(&Path)) -> Server {
    let options = options.with("--replicaof 127.0.0.1 1");
    let mut server = Server::start(options);
    server.kill();
    prepare(server.directory());
    server.start_again();
    server
}

/// Copies an append-only file.
pub fn copy_log(from: &Path, to: &Path) {
    let (from, to) = (from.join("appendonlydir"), to.join("appendonlydir"));
    let _ = fs::remove_dir_all(&to);
    fs::create_dir(&to).expect("the directory is writable");
    for entry in fs::read_dir(from).expect("there is a log").flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).expect("the log is readable");
    }
}

/// Rewrites a server's append-only file and waits until it is done.
pub fn rewrite_log(server: &Server) {
    wait_for_rewrite(server);
    assert!(server.run("BGREWRITEAOF").text().starts_with("Background"));
    wait_for_rewrite(server);
}

/// Waits until no rewriting of the log goes on. One that was begun must succeed.
pub fn wait_for_rewrite(server: &Server) {
    wait_for("the log to be rewritten", || {
        let is_zero = |field| server.info("persistence", field) == "0";
        (is_zero("aof_rewrite_in_progress") && is_zero("aof_rewrite_scheduled")).then_some(())
    });
    assert_eq!(server.info("persistence", "aof_last_bgrewrite_status"), "ok");
}
