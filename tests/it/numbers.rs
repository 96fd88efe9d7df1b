//! What a queue knows of its past: by type, by how long it took, by when it was; and what the server tells
//! of all queues together.

use crate::{
    memory::fill,
    support::{
        before_due,
        likeness::{assert_replica_is_alike, reloaded, replayed},
        wait_for, Client, Options, Reply, Server,
    },
};

/// All that is told of the past of a queue.
const VIEWS: [&str; 6] = [
    "TYPES",
    "TYPE greeting BUCKETS",
    "TIMES BUCKETS",
    "HISTORY MINUTES",
    "HISTORY HOURS",
    "HISTORY DAYS",
];

fn view(server: &Server, view: &str) -> Reply {
    server.run(format!("JQ.STATS mail {view}").trim_end())
}

/// One after the other is published, taken and acked.
fn cycles(client: &mut Client, options: &str, jobs: usize) {
    for _ in 0..jobs {
        client.run(format!("JQ.PUBLISH mail hello {options}").trim_end());
        let taken = client.run("JQ.CONSUME mail").items()[0].items()[1].text();
        assert_eq!(client.run(&format!("JQ.ACK mail {taken}")), Reply::Int(1));
    }
}

fn count(map: &Reply, names: &[&str]) -> Vec<i64> {
    names.iter().map(|name| map.field(name).int()).collect()
}

/// The sum of a count over all rows.
fn in_rows(rows: &Reply, name: &str) -> i64 {
    rows.items().iter().map(|row| row.field(name).int()).sum()
}

/// Waits until so many milliseconds have passed on the server.
fn pass(client: &mut Client, ms: i64) {
    let end = client.time() + ms;
    wait_for("the time to pass", || (client.time() >= end).then_some(()));
}

#[test]
fn the_counts_of_a_type_are_those_of_its_jobs() {
    let server = Server::plain();
    let mut client = server.client();
    assert!(view(&server, "TYPES").is_nothing() && view(&server, "TYPE greeting").is_nothing());
    cycles(&mut client, "TYPE greeting", 2);
    cycles(&mut client, "TYPE bill", 1);
    cycles(&mut client, "PRIORITY 3", 4);
    cycles(&mut client, "", 5);
    client.run("JQ.PUBLISH mail x TYPE bill ID a");
    client.run("JQ.BURY mail a");
    let names = ["published", "delivered", "acked", "buried", "died"];
    assert_eq!(count(&view(&server, "TYPE greeting"), &names), [2, 2, 2, 0, 0]);
    assert_eq!(count(&view(&server, "TYPE bill"), &names), [2, 1, 1, 1, 1]);
    assert_eq!(count(&view(&server, ""), &names), [13, 12, 12, 1, 1]);
    assert_eq!(client.run("JQ.STATS mail").field("types"), Reply::Int(2));
    assert!(view(&server, "TYPE other").is_nothing());
    let types = view(&server, "TYPES");
    let told = types.items().iter().map(|it| it.field("type").text());
    assert_eq!(told.collect::<Vec<_>>(), ["bill", "greeting"]);
    assert_eq!(types.items()[1], view(&server, "TYPE greeting"));
}

#[test]
fn types_beyond_those_that_are_counted_by_name_are_told_together() {
    let server = Server::plain();
    let mut client = server.client();
    for n in 0..300 {
        client.send(&["JQ.PUBLISH", "mail", "x", "TYPE", &format!("type-{n:03}")]);
    }
    (0..300).for_each(|_| drop(client.read().text()));
    let types = view(&server, "TYPES");
    assert_eq!(types.items().len(), 257);
    let [.., last, others] = types.items() else { panic!("{types:?}") };
    assert_eq!(
        (last.field("type").text().as_str(), count(last, &["published"])[0]),
        ("type-255", 1)
    );
    assert!(others.field("type").is_nothing());
    assert_eq!(count(others, &["published"]), [44]);
    assert!(view(&server, "TYPE type-299").is_nothing());
}

#[test]
fn it_is_told_how_long_jobs_waited_ran_were_late_and_took_in_all() {
    let server = Server::plain();
    let mut client = server.client();
    let empty = client.run("JQ.PUBLISH mail hello ID a TYPE greeting DELAY 1").text();
    assert_eq!(empty, "a");
    let wait = view(&server, "TIMES").field("wait");
    assert_eq!(count(&wait, &["count", "sum", "max"]), [0, 0, 0]);
    assert!(wait.field("p50").is_nothing());
    wait_for("the job to be ready", || (client.run("JQ.LEN mail ready").int() == 1).then_some(()));
    pass(&mut client, 30);
    client.run("JQ.CONSUME mail");
    pass(&mut client, 20);
    client.run("JQ.TOUCH mail a");
    pass(&mut client, 20);
    client.run("JQ.ACK mail a");
    let times = view(&server, "TIMES");
    let of_type = view(&server, "TYPE greeting");
    let sums = ["wait", "run", "lateness", "publish-to-take", "publish-to-ack"].map(|name| {
        let time = times.field(name);
        assert_eq!(time, of_type.field(name));
        let [n, sum, max] = count(&time, &["count", "sum", "max"])[..] else { panic!() };
        assert_eq!((n, sum), (1, max), "{name}");
        for quantile in count(&time, &["p50", "p90", "p99", "p99.9"]) {
            assert!((quantile - max).abs() * 100 <= max * 6, "{name}: {quantile} for {max}");
        }
        sum
    });
    let [wait, run, lateness, to_take, total] = sums;
    assert!(wait >= 30 && run >= 40, "{sums:?}");
    assert_eq!(to_take, 1 + lateness + wait, "nothing is missing between them");
    assert_eq!(total, to_take + run);
}

/// As lmstfy's histograms: how many jobs waited, and were done, within 15, 52, 183, 643, … milliseconds.
#[test]
fn a_histogram_can_be_made_of_what_several_queues_tell() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.PUBLISH mail x ID slow TYPE greeting");
    pass(&mut client, 60);
    client.run("JQ.CONSUME mail");
    client.run("JQ.ACK mail slow");
    cycles(&mut client, "TYPE greeting", 3);
    client.run("JQ.PUBLISH fax x");
    client.run("JQ.CONSUME fax");
    let buckets = |line: &str, name: &str| {
        let buckets = server.run(line).field(name).field("buckets");
        let pair = |pair: &Reply| (pair.items()[0].int(), pair.items()[1].int());
        buckets.items().iter().map(pair).collect::<Vec<_>>()
    };
    // No machine is so slow that one takes a minute.
    let ends = [15, 52, 183, 643, 2_250, 7_878, 27_573, 60_000];
    for name in ["wait", "publish-to-take", "publish-to-ack"] {
        let mut all = buckets("JQ.STATS mail TIMES BUCKETS", name);
        assert_eq!(buckets("JQ.STATS mail TYPE greeting BUCKETS", name), all);
        assert!(all.is_sorted() && all.iter().all(|(_, count)| *count > 0), "{all:?}");
        all.extend(buckets("JQ.STATS fax TIMES BUCKETS", name));
        let within = |end: i64| all.iter().filter(|it| it.0 <= end).map(|it| it.1).sum::<i64>();
        assert!(within(52) < within(60_000), "{all:?}");
        let told = ends.map(within);
        assert!(told.is_sorted() && told[7] == if name == "publish-to-ack" { 4 } else { 5 });
    }
    assert!(server.run("JQ.STATS mail TIMES").field("run").pairs().len() == 7);
    let types = server.run("JQ.STATS mail TYPES BUCKETS");
    assert_eq!(types.items()[0], server.run("JQ.STATS mail TYPE greeting BUCKETS"));
    assert_eq!(buckets("JQ.STATS mail TIMES BUCKETS", "lateness"), []);
}

#[test]
fn it_is_told_what_happened_by_the_minute_the_hour_and_the_day() {
    const DAY: i64 = 86_400_000;
    let server = Server::plain();
    let mut client = server.client();
    cycles(&mut client, "", 7);
    for (grain, unit) in [("MINUTES", 60_000), ("HOURS", 3_600_000), ("DAYS", DAY)] {
        let now = client.time();
        let rows = view(&server, &format!("HISTORY {grain}"));
        for name in ["published", "delivered", "finished"] {
            assert_eq!(in_rows(&rows, name), 7, "{grain}");
        }
        assert_eq!(in_rows(&rows, "nacked"), 0);
        let latest = rows.items().last().expect("something happened").field("since").int();
        assert!(latest % unit == 0 && now - latest < 2 * unit, "{latest} at {now}");
        let one = view(&server, &format!("HISTORY {grain} COUNT 1"));
        assert_eq!(one.items(), &rows.items()[rows.items().len() - 1..]);
    }
    assert!(server.run("JQ.STATS none HISTORY DAYS").is_nothing());
    client.run("JQ.CONFIG empty SET tries 3");
    assert_eq!(client.run("JQ.STATS empty HISTORY DAYS").items(), []);
}

#[test]
fn it_is_told_how_many_jobs_become_due_how_soon() {
    let server = Server::plain();
    let mut client = server.client();
    let names = ["1s", "10s", "1m", "10m", "1h", "1d", "later"];
    // Far from the edges, where time that goes on would make a difference.
    for delay in [300, 300, 2_000, 50_000_000, 500_000_000] {
        client.run(&format!("JQ.PUBLISH mail x DELAY {}000", delay));
    }
    client.run("JQ.PUBLISH mail x TTR 30000");
    client.run("JQ.CONSUME mail");
    let due = view(&server, "DUE");
    assert_eq!(count(&due.field("delayed"), &names), [0, 0, 0, 2, 1, 0, 2]);
    assert_eq!(count(&due.field("leased"), &names), [0, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn the_past_is_kept_through_restarts_and_is_the_same_on_replicas() {
    let mut server = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&server);
    let mut client = server.client();
    for options in ["TYPE greeting", "TYPE bill", "", "DELAY 5"] {
        client.run(format!("JQ.PUBLISH mail hello {options}").trim_end());
    }
    wait_for("the jobs", || (client.run("JQ.LEN mail ready").int() == 4).then_some(()));
    client.run("JQ.CONSUME mail COUNT 3");
    pass(&mut client, 20);
    cycles(&mut client, "TYPE greeting PRIORITY -1", 3);
    assert_replica_is_alike(&server, &replica);
    let told = |server: &Server| VIEWS.map(|it| view(server, it));
    let before = told(&server);
    assert_eq!(told(&replica), before);
    assert_eq!(told(&replayed(&server)), before);
    assert_eq!(client.run("SAVE").text(), "OK");
    assert_eq!(told(&reloaded(&server)), before);
    server.kill_and_restart();
    assert_eq!(told(&server), before);
    // And goes on from there.
    cycles(&mut server.client(), "TYPE greeting PRIORITY -1", 1);
    let of_type = view(&server, "TYPE greeting");
    assert_eq!(count(&of_type, &["published", "acked"]), [5, 4]);
    assert_eq!(of_type.field("run").field("count"), Reply::Int(4));
    assert_eq!(in_rows(&view(&server, "HISTORY DAYS"), "finished"), 4);
}

#[test]
fn the_server_tells_what_happened_in_all_queues_since_its_start() {
    let mut server = Server::start(Options::new().with_aof());
    let total = |server: &Server, name: &str| server.info("jobq", &format!("jobq_total_{name}"));
    assert_eq!(total(&server, "published"), "0");
    let mut client = server.client();
    cycles(&mut client, "", 3);
    for line in [
        "JQ.PUBLISH fax x ID a",
        "JQ.CONSUME fax",
        "JQ.NACK fax a DELAY 0",
        "JQ.CONSUME fax",
        "JQ.RELEASE fax a",
        "JQ.BURY fax a",
        "JQ.PUBLISH fax x ID b",
        "JQ.FULFILL fax b done",
        "JQ.PUBLISH fax x TTL 1",
        "JQ.PUBLISH fax x TTR 1 ID c PRIORITY -1",
        "JQ.CONSUME fax",
    ] {
        client.run(line);
    }
    let wanted = [
        ("published", "7"),
        ("finished", "4"),
        ("nacked", "1"),
        ("released", "1"),
        ("died", "1"),
        ("expired", "1"),
        ("lapsed", "1"),
    ];
    for (name, count) in wanted {
        server.wait_until_it_tells("jobq", &format!("jobq_total_{name}"), count);
    }
    // It is of what happened, and not of the queues there are.
    client.run("COPY fax copy");
    client.run("RENAME fax fox");
    client.run("DEL mail copy");
    client.run("DEBUG RELOAD");
    client.run("JQ.PUBLISH fox x");
    assert_eq!(total(&server, "published"), "8");
    server.kill_and_restart();
    assert_eq!(total(&server, "nacked"), "0", "what a log tells happened before");
    server.run("JQ.PUBLISH fox x");
    assert_eq!(total(&server, "published"), "1");
    assert_eq!(server.info("jobq", "jobq_version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
}

#[test]
fn turns_of_the_timer_that_take_their_whole_slice_are_told_to_the_latency_monitor() {
    let server = Server::plain();
    let mut client = server.client();
    let storm = |client: &mut Client| {
        before_due(client, |client, at| fill(client, "mail", 50_000, &format!("AT {at}")));
        wait_for("the storm", || (client.run("JQ.LEN mail delayed").int() == 0).then_some(()));
        client.run("JQ.PURGE mail ready");
        wait_for("the purge", || (client.run("JQ.LEN mail").int() == 0).then_some(()));
    };
    let full_turns =
        || server.info("jobq", "jobq_timer_turns_full").parse::<i64>().expect("a number");
    // A monitor that is off hears of nothing.
    client.run("CONFIG SET latency-monitor-threshold 0");
    storm(&mut client);
    let before = full_turns();
    assert!(before > 0);
    assert_eq!(client.run("LATENCY HISTORY jobq-tick").items(), []);
    // Nor one that is told to hear of longer turns only.
    client.run("CONFIG SET latency-monitor-threshold 3600000");
    storm(&mut client);
    assert_eq!(client.run("LATENCY HISTORY jobq-tick").items(), []);
    client.run("CONFIG SET latency-monitor-threshold 1");
    storm(&mut client);
    assert!(full_turns() > before);
    let samples = client.run("LATENCY HISTORY jobq-tick");
    assert!(samples.items().iter().any(|sample| sample.items()[1].int() >= 1), "{samples:?}");
    let late = server.info("jobq", "jobq_timer_late_ms_max").parse::<i64>().expect("a number");
    assert!(late <= server.info("jobq", "jobq_timer_late_ms").parse().expect("a number"));
}
