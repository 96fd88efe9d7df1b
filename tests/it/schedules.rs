//! Jobs that publish themselves by the clock.

use crate::{
    replies::{bodies, bulk, ids, names, ok, on_each_wire, stat},
    support::{
        likeness::{assert_alike, digests, freeze, replayed},
        wait_for, Client, Options, Reply, Server,
    },
};

/// A field of a schedule.
#[track_caller]
fn told(client: &mut Client, name: &str, field: &str) -> Reply {
    client.call(&["JQ.SCHEDULE", "mail", "GET", name]).field(field)
}

/// Waits until a schedule has run so often.
fn wait_for_runs(client: &mut Client, name: &str, runs: i64) {
    wait_for("runs", || (told(client, name, "runs").int() >= runs).then_some(()));
}

/// The instants for which a queue's jobs run, in the order of service.
fn occurrences(client: &mut Client) -> Vec<i64> {
    let listed = client.run("JQ.LIST mail ready COUNT 10000");
    let jobs = listed.items()[1].items();
    jobs.iter().map(|job| job.field("occurrence").int()).collect()
}

/// What has become of the occurrences of a schedule: word, id or error, and how often.
fn past(client: &mut Client, name: &str) -> Vec<(String, i64)> {
    let history = told(client, name, "history");
    let entry = |past: &Reply| {
        let error = past.field("error");
        let what = past.field("what").text();
        let what = if error.is_nothing() { what } else { format!("{what} {}", error.text()) };
        (what, past.field("times").int())
    };
    history.items().iter().map(entry).collect()
}

#[test]
fn a_schedule_is_set_listed_told_and_removed() {
    on_each_wire(|client| {
        assert_eq!(client.run("JQ.SCHEDULE mail LIST"), Reply::Array(vec![]));
        assert_eq!(client.run("JQ.SCHEDULE mail GET a"), Reply::Null);
        assert_eq!(client.run("JQ.SCHEDULE mail DEL a"), Reply::Int(0));
        assert_eq!(client.run("EXISTS mail"), Reply::Int(0), "nothing was done");
        let from = client.time() + 3_600_000;
        let set =
            format!("JQ.SCHEDULE mail SET b hello EVERY 60000 FROM {from} OVERLAP SKIP MISSED ALL");
        assert_eq!(client.run(&set), ok());
        assert_eq!(client.run("JQ.SCHEDULE mail SET a poll AFTER 3600000"), ok());
        let line =
            ["JQ.SCHEDULE", "mail", "SET", "c", "x", "CRON", "0 9 * * *", "TZ", "Asia/Tokyo"];
        assert_eq!(client.call(&line), ok());
        let listed = client.run("JQ.SCHEDULE mail LIST");
        let names: Vec<_> = listed.items().iter().map(|it| it.field("name").text()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let timed = |at: usize| {
            let zone = listed.items()[at].field("zone");
            let zone = if zone.is_nothing() { String::new() } else { zone.text() };
            (listed.items()[at].field("timing").text(), zone)
        };
        assert_eq!(timed(0), ("AFTER 3600000".into(), String::new()));
        assert_eq!(timed(1), (format!("EVERY 60000 FROM {from}"), String::new()));
        assert_eq!(timed(2), ("CRON 0 9 * * *".into(), "Asia/Tokyo".into()));
        let plain = client.map(vec![
            ("name", bulk("b")),
            ("timing", bulk(format!("EVERY 60000 FROM {from}"))),
            ("zone", Reply::Null),
            ("body", bulk("hello")),
            ("options", Reply::Array(vec![])),
            ("overlap", bulk("SKIP")),
            ("missed", bulk("ALL")),
            ("paused", Reply::Int(0)),
            ("next", Reply::Int(from)),
            ("previous", Reply::Null),
            ("last-job", Reply::Null),
            ("unfinished", Reply::Int(0)),
            ("runs", Reply::Int(0)),
            ("skipped", Reply::Int(0)),
            ("missed-count", Reply::Int(0)),
            ("refused", Reply::Int(0)),
        ]);
        assert_eq!(listed.items()[1], plain);
        let next = told(client, "c", "next").int();
        assert_eq!(next % 86_400_000, 0, "nine in Tokyo is midnight here");
        assert!(next > client.time() && next <= client.time() + 86_400_000);
        assert_eq!(told(client, "c", "history"), Reply::Array(vec![]));
        assert_eq!(stat(client, "mail", "schedules"), 3);
        assert_eq!(client.run("JQ.SCHEDULE mail DEL b"), Reply::Int(1));
        assert_eq!(client.run("JQ.SCHEDULE mail DEL b"), Reply::Int(0));
        assert_eq!(stat(client, "mail", "schedules"), 2);
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(1), "the job of the other is there");
    });
}

#[test]
fn a_run_wakes_a_consumer_that_waits_and_says_whose_it_is() {
    let server = Server::plain();
    let mut consumer = server.client();
    consumer.send(&["JQ.CONSUME", "mail", "BLOCK", "0", "DETAILS"]);
    server.wait_for_blocked(1);
    let line = "JQ.SCHEDULE mail SET tick hello EVERY 200 OVERLAP SKIP GROUP g TTR 5 HEADERS 1 a b";
    server.run(line);
    let taken = consumer.read();
    assert_eq!(bodies(&taken), ["hello"]);
    let details = &taken.items()[0].items()[3];
    assert_eq!(details.field("schedule"), bulk("tick"));
    assert_eq!((details.field("group"), details.field("ttr")), (bulk("g"), Reply::Int(5)));
    let mut client = server.client();
    let previous = told(&mut client, "tick", "previous");
    assert_eq!(details.field("occurrence"), previous);
    assert!(details.field("due").int() >= details.field("occurrence").int());
    let id = details.field("id").text();
    assert_eq!(told(&mut client, "tick", "last-job").text(), id);
    assert_eq!(told(&mut client, "tick", "history").items()[0].field("job").text(), id);
}

#[test]
fn every_run_is_for_a_point_of_the_grid_and_none_comes_early() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.SCHEDULE mail SET a x EVERY 20 FROM 7 MISSED ALL");
    wait_for_runs(&mut client, "a", 10);
    client.run("JQ.SCHEDULE mail PAUSE a");
    let at = client.time();
    let runs = occurrences(&mut client);
    assert!(runs.iter().all(|run| run % 20 == 7 && *run <= at), "{runs:?}");
    assert!(runs.windows(2).all(|pair| pair[1] == pair[0] + 20), "each once: {runs:?}");
}

#[test]
fn the_options_of_a_schedule_are_told_as_they_were_set() {
    on_each_wire(|client| {
        let options = [
            "TYPE t HEADERS 2 a 1 b 2 DELAY 5 TTL 60000 TTR 7 TRIES 2 BACKOFF exp:1:2 RETAIN 0",
            "PRIORITY -3 GROUP g USES api 2 USES disk 1 MUTEX m UNIQUE k FOR 9 UNTIL DONE",
            "WHEN a|b WHEN c BATCH mails",
        ]
        .join(" ");
        assert_eq!(client.run(&format!("JQ.SCHEDULE mail SET a x EVERY 60000 {options}")), ok());
        let told = |client: &mut Client, name: &str| -> Vec<String> {
            told(client, name, "options").items().iter().map(Reply::text).collect()
        };
        assert_eq!(told(client, "a").join(" "), options);
        // So what is told can be set again.
        let mut again = vec!["JQ.SCHEDULE", "mail", "SET", "b", "x", "EVERY", "60000"];
        let before = told(client, "a");
        again.extend(before.iter().map(String::as_str));
        assert_eq!(client.call(&again), ok());
        assert_eq!(told(client, "b"), before);
    });
}

#[test]
fn the_next_run_is_made_by_the_end_of_the_one_before() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.SCHEDULE mail SET poll x AFTER 10");
    for _ in 0..3 {
        let receipt = names(&client.run("JQ.CONSUME mail BLOCK 0 TTR 600000")).remove(0);
        assert_eq!(client.run("JQ.LEN mail"), Reply::Int(1), "none beside it");
        assert_eq!(client.run(&format!("JQ.ACK mail {receipt}")), Reply::Int(1));
        let there = [client.run("JQ.LEN mail"), told(&mut client, "poll", "unfinished")];
        assert_eq!(there, [Reply::Int(1), Reply::Int(1)], "it is there with the ack");
    }
    client.run("JQ.SCHEDULE mail SET poll x AFTER 3600000");
    let id = client.run("JQ.SCHEDULE mail RUN poll");
    assert_eq!(ids(&client.run("JQ.CONSUME mail")), [id.text()], "the run that waited");
    assert_eq!(client.run("JQ.SCHEDULE mail RUN poll").error_word(), "WRONGSTATE");
}

#[test]
fn a_transaction_and_a_script_see_the_run_that_an_ack_has_made() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.SCHEDULE mail SET poll x AFTER 3600000");
    let id = told(&mut client, "poll", "last-job").text();
    client.run("MULTI");
    client.run(&format!("JQ.DELETE mail {id}"));
    client.run("JQ.LEN mail delayed");
    client.run("JQ.SCHEDULE mail SET tick y EVERY 3600000");
    client.run("JQ.SCHEDULE mail RUN tick");
    client.run("JQ.LEN mail ready");
    let done = client.run("EXEC");
    let ints = [0, 1, 4].map(|at| done.items()[at].clone());
    assert_eq!(ints, [Reply::Int(1), Reply::Int(1), Reply::Int(1)]);
    let script = "redis.call('jq.schedule', KEYS[1], 'SET', 'lua', 'z', 'CRON', '@hourly')
        return redis.call('jq.schedule', KEYS[1], 'RUN', 'lua')";
    let id = client.call(&["EVAL", script, "1", "mail"]).text();
    assert_eq!(client.call(&["JQ.JOB", "mail", &id]).field("schedule"), bulk("lua"));
    assert!(told(&mut client, "lua", "next").int() > 0, "it is planned");
}

#[test]
fn a_paused_schedule_waits_until_it_is_resumed() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.SCHEDULE mail SET a x EVERY 3600000");
    assert_eq!(client.run("JQ.SCHEDULE mail PAUSE a"), Reply::Int(1));
    assert_eq!(client.run("JQ.SCHEDULE mail PAUSE a"), Reply::Int(0));
    let shown = ["paused", "next"].map(|field| told(&mut client, "a", field));
    assert_eq!(shown, [Reply::Int(1), Reply::Null]);
    assert_eq!(client.run("JQ.STATS mail").field("next-due"), Reply::Null);
    assert_eq!(client.run("JQ.SCHEDULE mail RESUME a"), Reply::Int(1));
    assert_eq!(client.run("JQ.SCHEDULE mail RESUME a"), Reply::Int(0));
    assert!(told(&mut client, "a", "next").int() > client.time());
    assert_eq!(client.run("JQ.SCHEDULE mail RESUME b"), Reply::Int(0));
}

#[test]
fn a_run_by_hand_answers_with_its_job() {
    let server = Server::plain();
    let mut client = server.client();
    assert_eq!(client.run("JQ.SCHEDULE mail RUN a").error_word(), "NOSUCHJOB");
    client.run("JQ.SCHEDULE mail SET a x EVERY 3600000");
    assert_eq!(client.run("JQ.SCHEDULE mail RUN b").error_word(), "NOSUCHJOB");
    let next = told(&mut client, "a", "next");
    let id = client.run("JQ.SCHEDULE mail RUN a").text();
    assert_eq!(names(&client.run("JQ.PEEK mail")), [id]);
    assert_eq!(told(&mut client, "a", "next"), next);
    assert_eq!(past(&mut client, "a"), [("by-hand".into(), 1)]);
    client.run("JQ.PAUSE mail IN");
    assert_eq!(client.run("JQ.SCHEDULE mail RUN a").error_word(), "PAUSED");
}

#[test]
fn the_whole_set_is_replaced_or_nothing_is() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.SCHEDULE mail REPLACE 2 4 a x EVERY 3600000 4 b y EVERY 3600000");
    let next = told(&mut client, "a", "next");
    let names_of = |client: &mut Client| {
        let listed = client.run("JQ.SCHEDULE mail LIST");
        listed.items().iter().map(|it| it.field("name").text()).collect::<Vec<_>>()
    };
    assert_eq!(names_of(&mut client), ["a", "b"]);
    let wrong = [
        ("JQ.SCHEDULE mail REPLACE 2 4 c x EVERY 5", "SYNTAX"),
        ("JQ.SCHEDULE mail REPLACE 2 4 c x EVERY 5 4 c y EVERY 5", "SYNTAX"),
        ("JQ.SCHEDULE mail REPLACE 2 4 c x EVERY 5 4 d y CRON @never", "RANGE"),
        ("JQ.SCHEDULE mail REPLACE 1 6 c x CRON @daily TZ Europe/Atlantis", "RANGE"),
    ];
    for (line, word) in wrong {
        assert_eq!(client.run(line).error_word(), word, "{line}");
        assert_eq!(names_of(&mut client), ["a", "b"], "{line}");
    }
    let line = "JQ.SCHEDULE mail REPLACE 2 4 a z EVERY 3600000 4 c y AFTER 3600000";
    assert_eq!(client.run(line), ok());
    assert_eq!(names_of(&mut client), ["a", "c"]);
    assert_eq!(told(&mut client, "a", "next"), next, "what is unchanged goes on");
    assert_eq!(told(&mut client, "a", "body"), bulk("z"));
    assert_eq!(client.run("JQ.SCHEDULE mail REPLACE 0"), ok());
    assert!(names_of(&mut client).is_empty());
}

#[test]
fn an_expression_and_a_zone_that_are_none_are_refused_by_name() {
    let server = Server::plain();
    let mut client = server.client();
    for (expression, zone, said) in [
        ("* * * *", "UTC", "RANGE CRON '* * * *': "),
        ("99 * * * *", "UTC", "RANGE CRON '99 * * * *': "),
        ("@never", "UTC", "RANGE CRON '@never': "),
        ("0 0 30 2 *", "UTC", "RANGE CRON '0 0 30 2 *' never comes"),
        ("@daily", "Mars/Olympus", "RANGE TZ 'Mars/Olympus': no zone"),
    ] {
        let line = ["JQ.SCHEDULE", "mail", "SET", "a", "x", "CRON", expression, "TZ", zone];
        let refused = client.call(&line);
        assert!(refused.error().starts_with(said), "{refused:?}");
    }
    assert_eq!(client.run("EXISTS mail"), Reply::Int(0), "nothing was done");
    client.run("SET other x");
    for order in ["LIST", "GET a", "DEL a", "SET a x EVERY 5", "RUN a", "REPLACE 0"] {
        let refused = client.run(&format!("JQ.SCHEDULE other {order}"));
        assert_eq!(refused.error_word(), "WRONGTYPE", "{order}");
    }
}

#[test]
fn an_expression_that_never_comes_is_refused_before_it_is_looked_for() {
    let server = Server::plain();
    let mut client = server.client();
    for expression in ["*/43 */7 31W 9,11 *", "* * * 1W * +SUN"] {
        let refused = client.call(&["JQ.SCHEDULE", "mail", "SET", "a", "x", "CRON", expression]);
        assert_eq!(refused.error(), format!("RANGE CRON '{expression}' never comes"));
    }
    let rare = ["JQ.SCHEDULE", "mail", "SET", "a", "x", "CRON", "0 0 29 2 +THU"];
    assert_eq!(client.call(&rare), ok());
    assert!(told(&mut client, "a", "next").int() > client.time());
}

#[test]
fn what_the_calendar_is_asked_in_one_turn_is_bounded_however_many_schedules_are_behind() {
    let debug = Options::new().with_module_argument("debug").with_module_argument("yes");
    let server = Server::start(debug);
    let mut client = server.client();
    let mut line: Vec<String> = ["JQ.SCHEDULE", "mail", "REPLACE", "64"].map(Into::into).into();
    for n in 0..64 {
        line.extend(["4", &format!("s{n}"), "x", "CRON", "* * * * *"].map(Into::into));
    }
    assert_eq!(client.call(&line), ok());
    wait_for("the plans", || {
        let listed = client.run("JQ.SCHEDULE mail LIST");
        listed.items().iter().all(|it| !it.field("next").is_nothing()).then_some(())
    });
    let missed_of = |listed: &Reply| {
        let counts = listed.items().iter().map(|it| it.field("missed-count").int());
        counts.collect::<Vec<_>>()
    };
    // In a transaction, so that the timer has no turn before it is looked at.
    client.run("MULTI");
    client.run("JQ.DEBUG mail ADVANCE 86400000");
    client.run("JQ.SCHEDULE mail LIST");
    let done = client.run("EXEC");
    let missed: i64 = missed_of(&done.items()[1]).iter().sum();
    // An advance is 100 ticks; each asks 256 times, and each of its plans may leave one more behind.
    assert!((10_000..=100 * (256 + 64)).contains(&missed), "{missed} in a hundred ticks");
    wait_for("all of them", || {
        let (listed, stats) = (client.run("JQ.SCHEDULE mail LIST"), client.run("JQ.STATS mail"));
        let clock = stats.field("clock").int();
        let comes = |it: &Reply| !it.field("next").is_nothing() && it.field("next").int() > clock;
        listed.items().iter().all(comes).then_some(())
    });
    let missed = missed_of(&client.run("JQ.SCHEDULE mail LIST"));
    assert!(missed.iter().all(|count| (1_438..=1_440).contains(count)), "{missed:?}");
    let runs = told(&mut client, "s63", "runs").int();
    assert!((1..=2).contains(&runs), "one for all that was missed: {runs}");
}

#[test]
fn a_run_that_is_refused_is_told_and_the_next_one_comes() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONFIG mail SET maxlen 1");
    client.run("JQ.SCHEDULE mail SET a x EVERY 10 MISSED ALL");
    wait_for("a refusal", || (told(&mut client, "a", "refused").int() > 2).then_some(()));
    let first = past(&mut client, "a");
    assert_eq!(first[0], ("run".into(), 1));
    assert_eq!(first[1].0, "refused FULL");
    client.run("JQ.CONFIG mail SET maxlen 0");
    wait_for_runs(&mut client, "a", 3);
}

/// Takes the next run. Tells its receipt, and for which instant it is.
fn take_run(client: &mut Client) -> (String, i64) {
    let taken = client.run("JQ.CONSUME mail BLOCK 0 TTR 600000 DETAILS");
    let details = &taken.items()[0].items()[3];
    (names(&taken).remove(0), details.field("occurrence").int())
}

fn wait_for_skips(client: &mut Client, skips: i64) {
    let enough = told(client, "a", "skipped").int() + skips;
    wait_for("skips", || (told(client, "a", "skipped").int() >= enough).then_some(()));
}

#[test]
fn a_run_that_comes_while_one_is_leased_is_skipped_and_counted() {
    const SPAN: i64 = 20;
    let mut server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run(&format!("JQ.SCHEDULE mail SET a x EVERY {SPAN} OVERLAP SKIP MISSED ALL"));
    let (receipt, first) = take_run(&mut client);
    wait_for_skips(&mut client, 3);
    server.kill_and_restart();
    client = server.client();
    wait_for_skips(&mut client, 3);
    assert_eq!(client.run("JQ.LEN mail"), Reply::Int(1), "none beside it");
    assert_eq!(client.run(&format!("JQ.ACK mail {receipt}")), Reply::Int(1));
    let (_, second) = take_run(&mut client);
    let past = past(&mut client, "a");
    assert_eq!(past[0], ("run".into(), 1));
    assert_eq!(past[1], ("skipped".into(), (second - first) / SPAN - 1), "each that lies between");
    assert_eq!(past[2], ("run".into(), 1));
}

#[test]
fn a_run_that_comes_while_one_is_leased_is_made_up_for_once_when_that_ends() {
    const SPAN: i64 = 20;
    let mut server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run(&format!("JQ.SCHEDULE mail SET a x EVERY {SPAN} OVERLAP QUEUE MISSED ALL"));
    for end in ["ACK", "BURY", "DELETE"] {
        let (receipt, occurrence) = take_run(&mut client);
        wait_for_skips(&mut client, 2);
        server.kill_and_restart();
        client = server.client();
        wait_for_skips(&mut client, 2);
        assert_eq!(client.run("JQ.LEN mail leased"), Reply::Int(1));
        assert_eq!(client.run("JQ.LEN mail ready"), Reply::Int(0), "none beside it");
        assert_eq!(client.run(&format!("JQ.{end} mail {receipt}")), Reply::Int(1));
        assert_eq!(client.run("JQ.LEN mail ready"), Reply::Int(1), "it is there with the end");
        let (receipt, made_up) = take_run(&mut client);
        assert_eq!(made_up, occurrence + SPAN, "the first that found no room");
        client.run("JQ.SCHEDULE mail PAUSE a");
        assert_eq!(client.run(&format!("JQ.ACK mail {receipt}")), Reply::Int(1));
        assert_eq!(client.run("JQ.LEN mail ready"), Reply::Int(0), "a pause owes nothing");
        client.run("JQ.SCHEDULE mail RESUME a");
    }
}

#[test]
fn a_server_that_was_down_makes_up_for_what_was_missed_as_it_was_told_to() {
    let mut server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    for (name, missed) in [("all", "ALL"), ("one", "ONE"), ("none", "NONE")] {
        client.run(&format!("JQ.SCHEDULE mail SET {name} {name} EVERY 100 FROM 0 MISSED {missed}"));
    }
    let line =
        ["JQ.SCHEDULE", "mail", "SET", "cron", "cron", "CRON", "* * * * * *", "MISSED", "ALL"];
    client.call(&line);
    let first = told(&mut client, "cron", "next").int();
    server.kill();
    // Until two of these were due while nobody was there.
    wait_for("some time", || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        (now.expect("after the epoch").as_millis() as i64 > first + 1_100).then_some(())
    });
    server.start_again();
    let mut client = server.client();
    wait_for_runs(&mut client, "cron", 2);
    wait_for("the slices", || {
        let due = client.run("JQ.STATS mail");
        (due.field("next-due").int() > due.field("clock").int()).then_some(())
    });
    for name in ["all", "one", "none", "cron"] {
        client.run(&format!("JQ.SCHEDULE mail PAUSE {name}"));
    }
    let listed = client.run("JQ.LIST mail ready COUNT 10000");
    let runs_of = |name: &str| {
        let jobs = listed.items()[1].items().iter();
        let of = jobs.filter(|job| job.field("schedule").text() == name);
        of.map(|job| job.field("occurrence").int()).collect::<Vec<_>>()
    };
    let steps = |runs: &[i64], step: i64| runs.windows(2).all(|pair| pair[1] == pair[0] + step);
    assert!(steps(&runs_of("all"), 100), "{:?}", runs_of("all"));
    assert!(steps(&runs_of("cron"), 1_000), "{:?}", runs_of("cron"));
    assert_eq!(told(&mut client, "all", "missed-count"), Reply::Int(0));
    for name in ["one", "none"] {
        let missed = told(&mut client, name, "missed-count").int();
        let runs = runs_of(name);
        assert!(missed >= 10, "{name}: {missed}");
        assert!(runs.windows(2).all(|pair| pair[0] < pair[1]), "each once: {runs:?}");
        let (first, last) = (runs[0], runs[runs.len() - 1]);
        let gone_by = (last - first) / 100 + 1;
        assert!(runs.len() as i64 + missed >= gone_by, "each is told of: {runs:?}");
    }
}

#[test]
fn what_has_run_does_not_run_again_after_a_restart() {
    let mut server = Server::start(Options::new().with_aof());
    let mut client = server.client();
    client.run("JQ.SCHEDULE mail SET a x EVERY 15 MISSED ALL");
    let line = ["JQ.SCHEDULE", "mail", "SET", "b", "y", "CRON", "* * * * * *", "MISSED", "ALL"];
    client.call(&line);
    for _ in 0..3 {
        let runs = told(&mut client, "a", "runs").int();
        wait_for_runs(&mut client, "a", runs + 10);
        server.kill_and_restart();
        client = server.client();
    }
    wait_for_runs(&mut client, "b", 2);
    for name in ["a", "b"] {
        client.run(&format!("JQ.SCHEDULE mail PAUSE {name}"));
    }
    let listed = client.run("JQ.LIST mail ready COUNT 10000");
    for (name, step) in [("a", 15), ("b", 1_000)] {
        let jobs = listed.items()[1].items().iter();
        let of = jobs.filter(|job| job.field("schedule").text() == name);
        let mut runs: Vec<_> = of.map(|job| job.field("occurrence").int()).collect();
        runs.sort_unstable();
        assert!(runs.windows(2).all(|pair| pair[1] == pair[0] + step), "{name}: {runs:?}");
    }
}

#[test]
fn a_replica_runs_nothing_and_goes_on_with_what_comes_next_when_it_is_promoted() {
    let mut primary = Server::plain();
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    client.run("JQ.SCHEDULE mail SET a x EVERY 15 MISSED ALL");
    let line = ["JQ.SCHEDULE", "mail", "SET", "b", "y", "CRON", "* * * * * *", "MISSED", "ALL"];
    client.call(&line);
    wait_for_runs(&mut client, "b", 1);
    freeze(&primary);
    replica.catch_up_with(&primary);
    let before = replica.run("JQ.LEN mail");
    primary.kill();
    let mut reader = replica.client();
    let due = reader.run("JQ.STATS mail").field("next-due").int() + 1_200;
    wait_for("the replica's clock", || (reader.time() > due).then_some(()));
    assert_eq!(reader.run("JQ.LEN mail"), before, "it decides nothing");
    replica.run("REPLICAOF NO ONE");
    let mut client = replica.client();
    wait_for_runs(&mut client, "b", 3);
    for name in ["a", "b"] {
        client.run(&format!("JQ.SCHEDULE mail PAUSE {name}"));
    }
    let listed = client.run("JQ.LIST mail ready COUNT 10000");
    for (name, step) in [("a", 15), ("b", 1_000)] {
        let jobs = listed.items()[1].items().iter();
        let of = jobs.filter(|job| job.field("schedule").text() == name);
        let mut runs: Vec<_> = of.map(|job| job.field("occurrence").int()).collect();
        runs.sort_unstable();
        assert!(runs.windows(2).all(|pair| pair[1] == pair[0] + step), "{name}: {runs:?}");
    }
}

#[test]
fn a_replica_and_the_log_have_what_the_calendar_said() {
    let primary = Server::start(Options::new().with_aof());
    let replica = Server::replica_of(&primary);
    let mut client = primary.client();
    let line =
        ["JQ.SCHEDULE", "mail", "SET", "b", "y", "CRON", "* * * * * *", "TZ", "Europe/Berlin"];
    client.call(&line);
    client.run("JQ.SCHEDULE mail SET a x EVERY 30 OVERLAP QUEUE");
    client.run("JQ.SCHEDULE mail SET c z AFTER 30");
    for _ in 0..20 {
        let receipt = names(&client.run("JQ.CONSUME mail BLOCK 0")).remove(0);
        client.run(&format!("JQ.ACK mail {receipt}"));
    }
    wait_for_runs(&mut client, "b", 1);
    client.run("JQ.SCHEDULE mail PAUSE a");
    client.run("JQ.SCHEDULE mail RESUME a");
    freeze(&primary);
    replica.catch_up_with(&primary);
    let digests = digests(&primary);
    assert_alike("the replica", &digests, &replica);
    assert_alike("the log replayed", &digests, &replayed(&primary));
}

#[test]
fn schedules_go_where_their_queue_goes() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.SCHEDULE mail SET a x EVERY 20");
    let digest = |client: &mut Client, queue: &str| client.call(&["JQ.DIGEST", queue]);
    client.run("JQ.SCHEDULE mail PAUSE a");
    client.run("COPY mail copy");
    assert_eq!(digest(&mut client, "copy"), digest(&mut client, "mail"));
    let dump = client.run("DUMP mail");
    client.call(&[b"RESTORE".as_slice(), b"restored", b"0", dump.bytes()]);
    assert_eq!(digest(&mut client, "restored"), digest(&mut client, "mail"));
    client.run("RENAME mail moved");
    client.run("JQ.SCHEDULE moved RESUME a");
    client.run("JQ.SCHEDULE copy RESUME a");
    for queue in ["moved", "copy"] {
        wait_for("a run", || (client.call(&["JQ.LEN", queue, "ready"]).int() > 0).then_some(()));
    }
    client.run("DEL moved copy restored");
    assert_eq!(client.run("JQ.QUEUES").items()[1].items(), []);
}

#[test]
fn a_server_without_memory_sets_no_schedule_and_lets_one_go() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.SCHEDULE mail SET a x EVERY 3600000");
    client.run("CONFIG SET maxmemory 1");
    for order in ["SET b x EVERY 3600000", "REPLACE 1 4 b x EVERY 3600000", "RUN a"] {
        let refused = client.run(&format!("JQ.SCHEDULE mail {order}"));
        assert_eq!(refused.error_word(), "OOM", "{order}");
    }
    assert_eq!(client.run("JQ.SCHEDULE mail PAUSE a"), Reply::Int(1));
    assert_eq!(client.run("JQ.SCHEDULE mail DEL a"), Reply::Int(1));
    client.run("CONFIG SET maxmemory 0");
}

#[test]
fn many_schedules_that_are_due_together_all_run_once() {
    let server = Server::plain();
    let mut client = server.client();
    let at = client.time() + 2_000;
    let mut line: Vec<String> = ["JQ.SCHEDULE", "mail", "REPLACE", "2000"].map(Into::into).into();
    for n in 0..2_000 {
        let one = ["6", &format!("s{n}"), "x", "EVERY", "3600000", "FROM", &at.to_string()];
        line.extend(one.map(Into::into));
    }
    assert_eq!(client.call(&line), ok());
    wait_for("all of them", || (client.run("JQ.LEN mail") == Reply::Int(2_000)).then_some(()));
    let next = told(&mut client, "s1999", "next").int();
    assert_eq!(next % 3_600_000, at % 3_600_000);
}
