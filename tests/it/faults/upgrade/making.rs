//! A server with something of everything, and its files in every form.

use std::{fs, path::Path};

use super::{listing::describe, COMMANDS, FORMS, PIECES, PREAMBLE, SNAPSHOT};
use crate::support::{
    likeness::{assert_alike, copy_log, digests, freeze, rewrite_log, thaw},
    wait_for, Client, Options, Reply, Server,
};

/// A hundred years, the longest span.
const LONG: &str = "3155760000000";

/// The last instant.
const LAST: &str = "253402300799999";

/// Writes the files of all forms into a directory.
pub fn make(directory: &Path) {
    let mut server = Server::start(Options::new().with_aof().with("--aof-use-rdb-preamble no"));
    let version = server.info("server", "redis_version");
    assert!(version.starts_with("7.0."), "the oldest server writes them, not {version}");
    everything(&server, "a");
    // Who loads a queue begins a term.
    server.kill_and_restart();
    everything(&server, "b");
    with_tasks_under_way(&server);
    keep(&server, &directory.join(COMMANDS));

    rewrite_log(&server);
    everything(&server, "c");
    with_tasks_under_way(&server);
    keep(&server, &directory.join(PIECES));

    server.run("CONFIG SET aof-use-rdb-preamble yes");
    rewrite_log(&server);
    everything(&server, "d");
    with_tasks_under_way(&server);
    keep(&server, &directory.join(PREAMBLE));

    everything(&server, "e");
    with_tasks_under_way(&server);
    assert_eq!(server.run("SAVE").text(), "OK");
    keep(&server, &directory.join(SNAPSHOT));
    assert_eq!(fs::read_dir(directory).map_or(0, Iterator::count), FORMS.len());
}

/// Keeps the files of a server that stands still, and lets it go on.
fn keep(server: &Server, form: &Path) {
    fs::create_dir_all(form).expect("the directory is writable");
    if form.ends_with(SNAPSHOT) {
        let copied = fs::copy(server.directory().join("dump.rdb"), form.join("dump.rdb"));
        copied.expect("the snapshot is there");
    } else {
        copy_log(server.directory(), form);
    }
    // A server that stands still by a pause does not tell its configuration.
    let reader = super::standing(form);
    assert_alike("what was read", &digests(server), &reader);
    let (digests, listing) = describe(&reader);
    fs::write(form.join("digests"), digests).expect("the directory is writable");
    fs::write(form.join("listing"), listing).expect("the directory is writable");
    thaw(server);
}

/// Five large things to do, of which each is not done when the server stands still.
fn with_tasks_under_way(server: &Server) {
    let mut client = server.client();
    let bodies: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    for queue in ["purged", "buried", "kicked", "respawned", "limited"] {
        client.run(&format!("DEL many-{queue}"));
        let delay = if queue == "kicked" { LONG } else { "0" };
        client.run(&format!("JQ.MPUBLISH many-{queue} 300 {} DELAY {delay}", bodies.join(" ")));
    }
    for queue in ["respawned", "limited"] {
        client.run(&format!("JQ.BURY many-{queue} ALL ready"));
        wait_for("all to be dead", || {
            (client.run(&format!("JQ.LEN many-{queue} dead")) == Reply::Int(300)).then_some(())
        });
    }
    for line in [
        "MULTI",
        "JQ.PURGE many-purged ready",
        "JQ.BURY many-buried ALL ready",
        "JQ.KICK many-kicked COUNT 280",
        "JQ.RESPAWN many-respawned ALL TRIES 2",
        "JQ.CONFIG many-limited SET dead-max 10",
        "CLIENT PAUSE 3600000 WRITE",
        "EXEC",
    ] {
        client.run(line);
    }
    freeze(server);
    for queue in ["purged", "buried", "kicked", "respawned", "limited"] {
        let left = client.run(&format!("JQ.STATS many-{queue}")).field("tasks-left").int();
        assert!(left > 0, "{queue} is done already");
    }
}

fn say(client: &mut Client, line: &str) -> Reply {
    let reply = client.run(line);
    assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    reply
}

/// Jobs that wait for something else than an instant, or count against something.
fn what_jobs_wait_for(client: &mut Client, mark: &str) {
    let mut run = |line: &str| say(client, &line.replace('~', mark));
    for line in [
        "JQ.CONFIG waits SET batch-size 3 group-weight:odd 2 group-maxlen 100000 releases-max 9",
        &format!("JQ.CONFIG waits SET batch-grace:~ {LONG} batch-delay:~ {LONG}"),
        &format!("JQ.LIMIT waits SET disk CONCURRENCY 2 RATE 1000 PER {LONG}"),
        "JQ.LIMIT waits SET group:* CONCURRENCY 5",
        "JQ.GATE waits OPEN ~-open",
        &format!("JQ.PUBLISH waits unique ID ~-unique UNIQUE ~ FOR {LONG} UNTIL DONE"),
        "JQ.PUBLISH waits shut ID ~-shut WHEN ~-open WHEN ~-shut|other",
        "JQ.PUBLISH waits child ID ~-child AFTER 2 ~-shut plain/~-kept IFDEAD BURY",
        "JQ.PUBLISH waits distant ID ~-distant AFTER 1 plain/~-never",
        "JQ.PUBLISH waits taken ID ~-taken USES disk 2 PRIORITY -20 GROUP odd",
        &format!("JQ.CONSUME waits TTR {LONG}"),
        "JQ.PUBLISH waits parked ID ~-parked USES disk 1 MUTEX ~",
        "JQ.MPUBLISH waits 3 one two three GROUP odd",
        "JQ.PUBLISH waits released ID ~-released PRIORITY -20",
        "JQ.CONSUME waits",
        "JQ.RELEASE waits ~-released",
        "JQ.MPUBLISH waits 4 one two three four BATCH ~ PRIORITY -20",
        &format!("JQ.CONSUME waits TTR {LONG}"),
        "JQ.MPUBLISH waits 4 one two three four BATCH other-~",
    ] {
        run(line);
    }
}

/// Something of everything, with ids that begin with `mark`.
fn everything(server: &Server, mark: &str) {
    let mut client = server.client();
    let mut run = |line: &str| say(&mut client, &line.replace('~', mark));
    run(&format!(
        "JQ.CONFIG mail SET tries 7 ttr 45000 ttl {LONG} backoff exp:1000:60000 retain 86400000 priority 2 \
         maxlen 100000 maxbody 100000 dead-max 50 dead-age {LONG} expired dead lapse backoff idle-expire {LONG} \
         bind-counts yes"
    ));
    run("JQ.CONFIG plain SET tries 25");
    for queue in ["mail", "plain"] {
        run(&format!("JQ.PUBLISH {queue} hello ID ~-own"));
        run(&format!("JQ.MPUBLISH {queue} 4 one two three four TYPE group"));
        run(&format!(
            "JQ.PUBLISH {queue} typed ID ~-typed TYPE letter HEADERS 2 lang en tone warm"
        ));
        run(&format!("JQ.PUBLISH {queue} final ID ~-final DEADLINE {LAST} RETAIN 1000"));
        run(&format!("JQ.PUBLISH {queue} never ID ~-never AT {LAST} TTL 0"));
        run(&format!("JQ.PUBLISH {queue} later ID ~-later DELAY {LONG} TTL 0 TRIES 4294967295"));
        // Leases: long and short, counted and free, of one and of several, with and without a name.
        run(&format!("JQ.PUBLISH {queue} held ID ~-held PRIORITY -20"));
        run(&format!("JQ.CONSUME {queue} WORKER anna TTR {LONG}"));
        run(&format!("JQ.PUBLISH {queue} free ID ~-free PRIORITY -20"));
        run(&format!("JQ.CONSUME {queue} FREE TTR {LONG}"));
        run(&format!("JQ.CONSUME {queue} COUNT 3"));
        run(&format!("JQ.PUBLISH {queue} touched ID ~-touched PRIORITY -20"));
        run(&format!("JQ.CONSUME {queue} WORKER berta FREE"));
        run(&format!("JQ.TOUCH {queue} TTR {LONG} ~-touched"));
        for backoff in ["none", "fixed:7000000", "exp:5000000:9000000", "poly"] {
            let id = format!("~-nacked-{}", &backoff[..4]);
            run(&format!("JQ.PUBLISH {queue} nacked ID {id} PRIORITY -20 BACKOFF {backoff}"));
            run(&format!("JQ.CONSUME {queue} TTR {LONG}"));
            run(&format!("JQ.NACK {queue} {id} ERROR try-again"));
        }
        run(&format!("JQ.PUBLISH {queue} released ID ~-released PRIORITY -20"));
        run(&format!("JQ.CONSUME {queue}"));
        run(&format!("JQ.RELEASE {queue} ~-released"));
        run(&format!("JQ.PUBLISH {queue} buried ID ~-buried"));
        run(&format!("JQ.BURY {queue} ~-buried ERROR no-such-address"));
        run(&format!("JQ.PUBLISH {queue} last ID ~-last TRIES 1 PRIORITY -20"));
        run(&format!("JQ.PUBLISH {queue} respawned ID ~-respawned"));
        run(&format!("JQ.BURY {queue} ~-respawned"));
        run(&format!("JQ.RESPAWN {queue} ID ~-respawned TRIES 2 TTL {LONG} DELAY 100"));
        run(&format!("JQ.PUBLISH {queue} kept ID ~-kept"));
        run(&format!("JQ.FULFILL {queue} ~-kept the-result RETAIN FOREVER"));
        run(&format!("JQ.PUBLISH {queue} brief ID ~-retired"));
        run(&format!("JQ.FULFILL {queue} ~-retired gone RETAIN 1"));
        run(&format!("JQ.PUBLISH {queue} acked ID ~-acked PRIORITY -20 RETAIN FOREVER"));
        run(&format!("JQ.CONSUME {queue} COUNT 2"));
        run(&format!("JQ.ACK {queue} ~-acked ~-last"));
        run(&format!("JQ.PUBLISH {queue} changed ID ~-changed"));
        run(&format!("JQ.UPDATE {queue} ~-changed BODY other PRIORITY 5 TRIES 3 TTL {LONG}"));
        run(&format!("JQ.PUBLISH {queue} kicked ID ~-kicked DELAY {LONG}"));
        run(&format!("JQ.KICK {queue} ID ~-kicked"));
        run(&format!("JQ.PUBLISH {queue} old ID ~-old"));
        run(&format!("JQ.PUBLISH {queue} new ID ~-new REPLACES ~-old"));
        run(&format!("JQ.PUBLISH {queue} deleted ID ~-deleted"));
        run(&format!("JQ.DELETE {queue} ~-deleted"));
        run(&format!("JQ.PUBLISH {queue} purged ID ~-purged PRIORITY -20"));
        run(&format!("JQ.PURGE {queue} ready COUNT 1"));
        let ends = ["expired", "lapsed", "overdue"];
        let before = run(&format!("JQ.STATS {queue}"));
        run(&format!("JQ.PUBLISH {queue} expired ID ~-expired TTL 2 PRIORITY 20"));
        let soon = server.client().time() + 20;
        run(&format!("JQ.PUBLISH {queue} overdue ID ~-overdue DEADLINE {soon} PRIORITY 20"));
        run(&format!("JQ.PUBLISH {queue} lapsed ID ~-lapsed PRIORITY -20"));
        run(&format!("JQ.CONSUME {queue} TTR 2"));
        wait_for("what ends", || {
            let stats = run(&format!("JQ.STATS {queue}"));
            let has_grown = |end: &&str| stats.field(end).int() > before.field(end).int();
            ends.iter().all(has_grown).then_some(())
        });
    }
    client.call(&[b"JQ.PUBLISH".as_slice(), b"plain", &(0..=255).collect::<Vec<u8>>()]);
    what_jobs_wait_for(&mut client, mark);
    for line in [
        "JQ.RESUME closed",
        "JQ.PUBLISH closed waiting",
        "JQ.PAUSE closed OUT",
        &format!("JQ.PAUSE closed IN FOR {LONG}"),
        "JQ.RESUME closed",
        "JQ.PUBLISH closed more",
        &format!("JQ.PAUSE closed IN FOR {LONG}"),
        "JQ.PAUSE closed OUT",
        &format!("JQ.CONFIG empty SET idle-expire {LONG}"),
        "JQ.PUBLISH drained job ID job",
        "JQ.DELETE drained job",
        "RENAME drained emptied",
        "COPY plain copied REPLACE",
        "SELECT 1",
        "JQ.PUBLISH mail elsewhere",
        "JQ.CONSUME mail",
    ] {
        say(&mut client, line);
    }
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "awaited", "BLOCK", "0"]);
    server.wait_for_blocked(1);
    client.run("SELECT 0");
    say(&mut client, "JQ.PUBLISH awaited job");
    consumer.read();
}
