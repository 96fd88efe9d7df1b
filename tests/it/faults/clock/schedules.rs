//! Schedules where the clock is set, where the wall shows a time twice or not at all, and where others
//! have read another calendar.

use std::fs;

use jobq_engine::{Plan, UnixMillis};
use jobq_protocol::steps::{unpack, Packed, PlanStep, Step};
use rand::{rngs::StdRng, seq::IndexedRandom, Rng, SeedableRng};

use super::{
    stat,
    wall::{wall_clock_of, WallClock},
    HOUR, STEPS,
};
use crate::{
    faults::{damage::files::file_of, pair::assert_copies_are_alike, tally::Tally},
    support::{
        encoded,
        likeness::{assert_alike, assert_replica_is_alike, digests, freeze, replayed, thaw},
        load::{many, seed},
        wait_for, Client, Options, Reply, Server,
    },
};

const MINUTE: i64 = 60_000;

/// Midnights in UTC. Berlin sets its clocks ahead an hour after the first, from 02:00 to 03:00, and back an
/// hour after the second, from 03:00 to 02:00. After the third nothing happens to clocks.
const SPRING: i64 = 1_774_742_400_000;
const AUTUMN: i64 = 1_792_886_400_000;
const PLAIN_DAY: i64 = 1_795_219_200_000;

/// An instant behind a midnight.
fn at(midnight: i64, hours: i64, minutes: i64) -> i64 {
    midnight + hours * HOUR + minutes * MINUTE
}

/// Two timings with each policy for what was missed: the names of the schedules, and the policies.
const SCHEDULES: [(&str, &str); 6] = [
    ("every-all", "ALL"),
    ("every-one", "ONE"),
    ("every-none", "NONE"),
    ("cron-all", "ALL"),
    ("cron-one", "ONE"),
    ("cron-none", "NONE"),
];

/// Sets them all, every so many minutes: a divisor of an hour.
fn set(client: &mut Client, minutes: i64) {
    let span = (minutes * MINUTE).to_string();
    let expression =
        if minutes == 60 { "0 * * * *".into() } else { format!("*/{minutes} * * * *") };
    for (name, missed) in SCHEDULES {
        let timing: &[&str] = if name.starts_with("every") {
            &["EVERY", &span, "FROM", "0"]
        } else {
            &["CRON", &expression]
        };
        let words = ["JQ.SCHEDULE", "mail", "SET", name, "x", "MISSED", missed];
        let words = [&words[..5], timing, &words[5..]].concat();
        assert_eq!(client.call(&words).text(), "OK");
    }
}

/// Has the queue's clock follow the server's, and waits until all that is due has been done.
fn settle(client: &mut Client) {
    wait_for("all that is due", || {
        // Changes nothing else.
        client.run("JQ.DELETE mail nobody");
        let told = client.run("JQ.STATS mail");
        (told.field("next-due").int() > told.field("clock").int()).then_some(())
    });
}

/// Sets the clock of a server to an instant, and waits until all that is due has been done.
fn go_to(clock: &WallClock, server: &Server, instant: i64) {
    clock.step(server, instant - wall_clock_of(server));
    settle(&mut server.client());
}

/// The instants for which a schedule has runs, in the order in which these were made.
fn runs_of(client: &mut Client, name: &str) -> Vec<i64> {
    let listed = client.run("JQ.LIST mail ready COUNT 10000");
    let jobs = listed.items()[1].items().iter();
    let own = jobs.filter(|job| job.field("schedule").text() == name);
    own.map(|job| job.field("occurrence").int()).collect()
}

/// How many occurrences of a schedule were missed.
fn missed_of(client: &mut Client, name: &str) -> i64 {
    client.run(&format!("JQ.SCHEDULE mail GET {name}")).field("missed-count").int()
}

#[test]
fn a_step_over_many_occurrences_makes_the_runs_that_were_asked_for_and_none_twice() {
    let mut tally = Tally::of("wall clock stepped over occurrences");
    // Half past, so that none comes round while the test runs.
    let clock = WallClock::at(at(PLAIN_DAY, 12, 30));
    let mut server = Server::start(clock.of(Options::new().with_aof()));
    set(&mut server.client(), 60);
    settle(&mut server.client());
    let check = |server: &Server, last: i64, one: &[i64]| {
        let mut client = server.client();
        let all: Vec<_> = (13..=last).map(|hour| at(PLAIN_DAY, hour, 0)).collect();
        let one: Vec<_> = one.iter().map(|hour| at(PLAIN_DAY, *hour, 0)).collect();
        for (name, missed) in SCHEDULES {
            let expected = match missed {
                "ALL" => &all[..],
                "ONE" => &one[..],
                _ => &[],
            };
            assert_eq!(runs_of(&mut client, name), expected, "{name}");
            let missed = (all.len() - expected.len()) as i64;
            assert_eq!(missed_of(&mut client, name), missed, "{name}");
        }
    };
    go_to(&clock, &server, at(PLAIN_DAY, 22, 30));
    check(&server, 22, &[22]);
    let before = stat(&mut server.client(), "mail", "clock");
    go_to(&clock, &server, at(PLAIN_DAY, 12, 30));
    check(&server, 22, &[22]);
    // A server that starts with its clock behind goes by what has been.
    server.kill_and_restart();
    settle(&mut server.client());
    check(&server, 22, &[22]);
    assert!(stat(&mut server.client(), "mail", "clock") >= before);
    go_to(&clock, &server, at(PLAIN_DAY, 22, 45));
    check(&server, 22, &[22]);
    go_to(&clock, &server, at(PLAIN_DAY, 23, 30));
    check(&server, 23, &[22, 23]);
    assert_copies_are_alike(&server, None);
    tally.add("steps", 4);
}

#[test]
fn wherever_the_clock_is_set_no_occurrence_is_told_of_twice_or_not_at_all() {
    const SPAN: i64 = 30 * MINUTE;
    let mut tally = Tally::of("wall clock stepped under schedules");
    let mut random = StdRng::seed_from_u64(seed() + 42);
    let clock = WallClock::at(at(PLAIN_DAY, 12, 15));
    let server = Server::start(clock.of(Options::new().with("--appendonly yes --appendfsync no")));
    let mut client = server.client();
    set(&mut client, 30);
    settle(&mut client);
    for _ in 0..many(300, 30) {
        let step = *STEPS.choose(&mut random).unwrap_or(&HOUR);
        let step = if random.random_bool(0.5) { step } else { -step };
        clock.step(&server, step);
        if random.random_bool(0.7) {
            settle(&mut client);
        }
        tally.add(if step > 0 { "steps ahead" } else { "steps back" }, 1);
    }
    settle(&mut client);
    // What comes round from now on is left out.
    SCHEDULES
        .iter()
        .for_each(|(name, _)| drop(client.run(&format!("JQ.SCHEDULE mail PAUSE {name}"))));
    let until = stat(&mut client, "mail", "clock");
    let points = until / SPAN - at(PLAIN_DAY, 12, 15) / SPAN;
    for (name, missed) in SCHEDULES {
        let runs = runs_of(&mut client, name);
        assert!(runs.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {runs:?}");
        assert!(runs.iter().all(|run| run % SPAN == 0 && *run <= until), "{name}: {runs:?}");
        assert_eq!(runs.len() as i64 + missed_of(&mut client, name), points, "{name}: {runs:?}");
        assert!(missed != "ALL" || runs.len() as i64 == points, "{name}: {runs:?}");
        tally.add("runs of schedules", runs.len());
    }
    assert_copies_are_alike(&server, None);
}

/// Goes from noon before a midnight to these instants, and looks after each for which ones a schedule for
/// half past two in Berlin has run. One that goes by a grid has to keep its pace meanwhile.
#[track_caller]
fn runs_at_half_past_two(midnight: i64, stations: &[(i64, &[i64])]) {
    const PACE: i64 = 90 * MINUTE;
    let clock = WallClock::at(at(midnight, -12, 0));
    let server = Server::start(clock.of(Options::new().with_aof()));
    // Its own clock is another.
    let replica = Server::replica_of(&server);
    let mut client = server.client();
    let set: [&[&str]; 4] = [
        &["JQ.SCHEDULE", "mail", "REPLACE", "3"],
        &["8", "wall", "x", "CRON", "30 2 * * *", "TZ", "Europe/Berlin", "MISSED", "ALL"],
        &["6", "pace", "x", "CRON", "@every 1h30m", "MISSED", "ALL"],
        &["6", "grid", "x", "EVERY", "5400000", "MISSED", "ALL"],
    ];
    assert_eq!(client.call(&set.concat()).text(), "OK");
    let timing = client.run("JQ.SCHEDULE mail GET pace").field("timing");
    assert_eq!(timing.text(), "EVERY 5400000");
    for (instant, expected) in stations {
        go_to(&clock, &server, *instant);
        assert_eq!(runs_of(&mut client, "wall"), *expected, "by {instant}");
    }
    let runs = runs_of(&mut client, "pace");
    assert!(runs.windows(2).all(|pair| pair[1] == pair[0] + PACE), "{runs:?}");
    assert!(runs.len() as i64 >= 36 * HOUR / PACE, "{runs:?}");
    assert_eq!(runs, runs_of(&mut client, "grid"));
    freeze(&server);
    replica.catch_up_with(&server);
    let seen = digests(&server);
    assert_alike("the replica", &seen, &replica);
    assert_alike("the log replayed", &seen, &replayed(&server));
    thaw(&server);
}

#[test]
fn a_time_that_the_wall_does_not_show_runs_at_the_first_that_it_shows_then() {
    let (gap, next) = (at(SPRING, 1, 0), at(SPRING, 24, 30));
    let stations: [(i64, &[i64]); 4] = [
        (at(SPRING, 0, 40), &[]),
        (at(SPRING, 1, 20), &[gap]),
        (at(SPRING, 24, 10), &[gap]),
        (at(SPRING, 25, 0), &[gap, next]),
    ];
    runs_at_half_past_two(SPRING, &stations);
    // In one step, too.
    runs_at_half_past_two(SPRING, &stations[3..]);
}

#[test]
fn a_time_that_the_wall_shows_twice_runs_the_first_time() {
    let (first, next) = (at(AUTUMN, 0, 30), at(AUTUMN, 25, 30));
    let stations: [(i64, &[i64]); 5] = [
        (at(AUTUMN, 0, 10), &[]),
        (at(AUTUMN, 0, 50), &[first]),
        (at(AUTUMN, 1, 50), &[first]),
        (at(AUTUMN, 25, 10), &[first]),
        (at(AUTUMN, 26, 0), &[first, next]),
    ];
    runs_at_half_past_two(AUTUMN, &stations);
    runs_at_half_past_two(AUTUMN, &stations[4..]);
}

/// A log in which the calendar has named instants that are so much later.
fn put_off_plans(log: &[Vec<Vec<u8>>], millis: u64) -> Vec<u8> {
    let later = |at: Option<UnixMillis>| at.map(|at| UnixMillis(at.0 + millis));
    let changed = |command: &Vec<Vec<u8>>| {
        let mut command = command.clone();
        if command[0] == b"JQ.APPLY" {
            let mut packed = Packed::default();
            for step in unpack(&command[2]).expect("steps") {
                packed.push(&match step {
                    Step::Plan(plan) => {
                        let plan = plan.plan();
                        let (next, then) = (later(plan.next), later(plan.then));
                        Step::Plan(PlanStep::new(&Plan { next, then, ..plan }))
                    }
                    other => other,
                });
            }
            command[2] = packed.as_bytes().to_vec();
        }
        encoded(&command)
    };
    log.iter().flat_map(changed).collect()
}

#[test]
fn what_the_log_says_of_the_calendar_holds_on_a_server_with_other_zones() {
    let clock = WallClock::at(at(PLAIN_DAY, 12, 30));
    let mut server = Server::start(clock.of(Options::new().with_aof()));
    let set = ["JQ.SCHEDULE", "mail", "SET", "a", "x", "CRON", "0 * * * *"];
    assert_eq!(server.client().call(&set).text(), "OK");
    settle(&mut server.client());
    let next = |server: &Server| server.run("JQ.SCHEDULE mail GET a").field("next");
    assert_eq!(next(&server), Reply::Int(at(PLAIN_DAY, 13, 0)));
    server.kill();
    let log = server.aof().commands;
    let changed = put_off_plans(&log, 20 * MINUTE as u64);
    let path = file_of(server.directory(), ".incr.aof");
    assert_ne!(fs::read(&path).expect("the log is readable"), changed);
    fs::write(&path, changed).expect("the log is writable");

    server.start_again();
    let recorded = at(PLAIN_DAY, 13, 20);
    assert_eq!(next(&server), Reply::Int(recorded), "as it was recorded");
    let replica = Server::replica_of(&server);
    assert_eq!(stat(&mut replica.client(), "mail", "next-due"), recorded);
    assert_replica_is_alike(&server, &replica);
    go_to(&clock, &server, at(PLAIN_DAY, 13, 10));
    let mut client = server.client();
    assert_eq!(runs_of(&mut client, "a"), [0; 0]);
    go_to(&clock, &server, at(PLAIN_DAY, 13, 40));
    assert_eq!(runs_of(&mut client, "a"), [recorded]);
    // What comes behind is this server's to say.
    assert_eq!(next(&server), Reply::Int(at(PLAIN_DAY, 14, 0)));
    assert_replica_is_alike(&server, &replica);
    assert_copies_are_alike(&server, None);
}
