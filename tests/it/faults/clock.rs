//! The wall clock of a server is set, ahead and back, while jobs are delayed, leased and kept, and
//! consumers wait.

mod ledger;
mod schedules;
mod wall;

use rand::{rngs::StdRng, seq::IndexedRandom, SeedableRng};

use self::{
    ledger::Ledger,
    wall::{wall_clock_of, WallClock},
};
use crate::{
    faults::{pair::assert_copies_are_alike, tally::Tally},
    replies::{bodies, names, token, token_of},
    support::{
        load::{many, seed},
        wait_for, Client, Options, Reply, Server,
    },
};

const SECOND: i64 = 1000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;
const STEPS: [i64; 3] = [SECOND, HOUR, DAY];

fn logging() -> Options {
    Options::new().with("--appendonly yes --appendfsync no")
}

/// Asks for a number of the statistics, which moves nothing in the queue.
fn stat(client: &mut Client, queue: &str, field: &str) -> i64 {
    match client.run(&format!("JQ.STATS {queue}")).field(field) {
        Reply::Int(n) => n,
        _ => -1,
    }
}

#[test]
fn steps_of_the_clock_lose_nothing_and_give_nothing_twice_or_before_it_is_due() {
    let mut tally = Tally::of("wall clock stepped under load");
    let mut random = StdRng::seed_from_u64(seed() + 40);
    let clock = WallClock::ahead(0);
    let server = Server::start(clock.of(logging()));
    let others = WallClock::ahead(-HOUR);
    let following = logging().with(&format!("--replicaof 127.0.0.1 {}", server.port()));
    let replica = Server::start(others.of(following));
    replica.catch_up_with(&server);

    let mut ledger = Ledger::new(&server, seed() + 41);
    let mut furthest = 0;
    for _ in 0..many(2_000, 60) {
        ledger.work(50);
        let step = *STEPS.choose(&mut random).unwrap_or(&HOUR);
        let step = *[step, -step].choose(&mut random).unwrap_or(&step);
        let (is_replicas, of) = *[(false, &clock), (false, &clock), (true, &others)]
            .choose(&mut random)
            .unwrap_or(&(false, &clock));
        of.step(if is_replicas { &replica } else { &server }, step);
        if !is_replicas {
            furthest = furthest.max(clock.is_ahead());
        }
        tally.add(if step > 0 { "steps ahead" } else { "steps back" }, 1);
    }
    clock.set_ahead(furthest);
    wait_for("the last job", || {
        let left = ledger.drain();
        // Leases that nobody knows of have to lapse.
        clock.step(&server, HOUR);
        (left == 0).then_some(())
    });
    ledger.finish();
    let mut client = server.client();
    let finished = stat(&mut client, "jobs", "acked");
    assert_eq!(finished, ledger.published() as i64);
    assert_eq!(stat(&mut client, "jobs", "published"), ledger.published() as i64);
    assert_eq!(stat(&mut client, "jobs", "jobs"), stat(&mut client, "jobs", "completed"));
    tally.add("jobs published and finished", ledger.published());
    tally.add("deliveries", ledger.deliveries());
    let compared = assert_copies_are_alike(&server, Some(&replica));
    tally.add("queues compared with copies", compared);
}

#[test]
fn after_a_step_ahead_all_that_is_due_happens_without_a_command() {
    let mut tally = Tally::of("wall clock stepped ahead at rest");
    for step in STEPS {
        let clock = WallClock::ahead(0);
        let server = Server::start(clock.of(logging()));
        let mut client = server.client();
        for line in [
            format!("JQ.PUBLISH mail held ID held TTR {step}"),
            "JQ.CONSUME mail".into(),
            format!("JQ.PUBLISH mail kept ID kept RETAIN {step}"),
            "JQ.CONSUME mail TTR 360000000".into(),
            "JQ.ACK mail kept".into(),
            format!("JQ.PUBLISH mail brief TTL {step}"),
            format!("JQ.PUBLISH mail later DELAY {step}"),
            format!("JQ.PUBLISH fax awaited DELAY {step}"),
        ] {
            assert!(!matches!(client.run(&line), Reply::Error(_)), "{line}");
        }
        let mut waiting = [
            "JQ.CONSUME fax BLOCK 0".into(),
            format!("JQ.CONSUME empty BLOCK {step}"),
            format!("JQ.RESULT mail held BLOCK {step}"),
        ]
        .map(|line| {
            let mut client = server.client();
            client.send(&line.split(' ').collect::<Vec<_>>());
            client
        });
        server.wait_for_blocked(3);
        clock.step(&server, step);
        let [consumer, in_vain, of_result] = &mut waiting;
        assert_eq!(bodies(&consumer.read()), ["awaited"]);
        assert!(in_vain.read().is_nothing());
        assert_eq!(of_result.read().items()[1], Reply::Null);
        for field in ["lapsed", "retired", "expired"] {
            wait_for(field, || (stat(&mut client, "mail", field) == 1).then_some(()));
        }
        wait_for("what is due", || (stat(&mut client, "mail", "delayed") == 0).then_some(()));
        assert!(stat(&mut client, "mail", "clock") <= wall_clock_of(&server));
        assert_copies_are_alike(&server, None);
        tally.add("steps", 1);
    }
}

#[test]
fn what_a_step_ahead_makes_due_is_worked_through_in_slices() {
    const AT_ONCE: usize = 1000;
    let jobs = many(1_000_000, 100_000);
    let clock = WallClock::ahead(0);
    let server = Server::start(clock.of(logging()));
    let mut client = server.client();
    let mut words = vec!["JQ.MPUBLISH".to_string(), "mail".into(), AT_ONCE.to_string()];
    words.extend((0..AT_ONCE).map(|n| n.to_string()));
    words.extend(["DELAY".into(), HOUR.to_string()]);
    for _ in 0..jobs / AT_ONCE {
        assert_eq!(client.call(&words).items().len(), AT_ONCE);
    }
    clock.step(&server, DAY);
    let mut in_between = 0;
    wait_for("all jobs to be ready", || {
        let ready = client.run("JQ.LEN mail ready").int() as usize;
        in_between += usize::from(ready > 0 && ready < jobs);
        (ready == jobs).then_some(())
    });
    assert!(in_between > 0, "nobody else was served meanwhile");
    let lines = server.aof().lines();
    let ticks = lines.iter().filter_map(|line| line.strip_prefix("tick mail "));
    let budgets = ticks.filter_map(|tick| tick.split(' ').next_back());
    let budgets: Vec<usize> = budgets.map(|budget| budget.parse().expect("a number")).collect();
    assert!(budgets.iter().sum::<usize>() >= jobs);
    let largest = budgets.iter().max().copied().unwrap_or_default();
    assert!(largest < jobs / 100, "a tick works through a bounded number: {largest}");
}

#[test]
fn after_a_step_back_work_goes_on_and_what_is_not_due_waits_for_the_clock_to_catch_up() {
    let mut tally = Tally::of("wall clock stepped back at rest");
    for step in STEPS {
        let clock = WallClock::ahead(0);
        let server = Server::start(clock.of(logging()));
        let mut client = server.client();
        for line in [
            format!("JQ.PUBLISH mail later DELAY {HOUR}"),
            format!("JQ.PUBLISH mail held TTR {HOUR}"),
            "JQ.CONSUME mail".into(),
            "JQ.PUBLISH mail first".into(),
        ] {
            assert!(!matches!(client.run(&line), Reply::Error(_)), "{line}");
        }
        let before = stat(&mut client, "mail", "clock");
        clock.step(&server, -step);
        let mut last = names(&client.run("JQ.CONSUME mail")).remove(0);
        for n in 0..20 {
            assert_eq!(client.run(&format!("JQ.ACK mail {last}")), Reply::Int(1));
            client.run(&format!("JQ.PUBLISH mail more{n}"));
            let next = names(&client.run("JQ.CONSUME mail")).remove(0);
            // Made ids come first in a receipt, and are all of one length.
            assert!(next > last, "made ids ascend: {last}, then {next}");
            assert!(token_of(&next) > token_of(&last), "tokens ascend: {last}, then {next}");
            last = next;
        }
        client.run("JQ.PUBLISH mail new DELAY 1000");
        assert!(stat(&mut client, "mail", "clock") >= before, "the clock went back");
        if step > SECOND {
            assert!(stat(&mut client, "mail", "clock") < before + HOUR);
            assert_eq!(stat(&mut client, "mail", "delayed"), 2);
            assert_eq!(stat(&mut client, "mail", "lapsed"), 0);
        }
        clock.step(&server, step + HOUR);
        wait_for("what is due", || (stat(&mut client, "mail", "delayed") == 0).then_some(()));
        wait_for("the lapse", || (stat(&mut client, "mail", "lapsed") >= 1).then_some(()));
        assert_copies_are_alike(&server, None);
        tally.add("steps", 1);
    }
}

/// Waits until so much time has passed for a server, whatever its clock shows.
fn let_pass(server: &Server, millis: i64) {
    let from = wall_clock_of(server);
    wait_for("time to pass", || (wall_clock_of(server) >= from + millis).then_some(()));
}

#[test]
fn a_timer_that_was_armed_before_a_step_back_fires_when_the_clock_is_right_again() {
    let clock = WallClock::ahead(0);
    let server = Server::start(clock.of(logging()));
    let mut client = server.client();
    client.run("JQ.PUBLISH mail soon DELAY 200");
    clock.step(&server, -HOUR);
    let_pass(&server, 400);
    assert_eq!(stat(&mut client, "mail", "delayed"), 1, "it is an hour until then");
    // A queue that is made meanwhile goes by the clock as it is.
    client.run("JQ.PUBLISH fax other DELAY 100");
    wait_for("the other", || (stat(&mut client, "fax", "delayed") == 0).then_some(()));
    let_pass(&server, 200);
    clock.step(&server, HOUR);
    wait_for("what is due", || (stat(&mut client, "mail", "delayed") == 0).then_some(()));
}

#[test]
fn a_timer_for_an_instant_far_away_fires_at_once_when_the_clock_is_set_there() {
    let clock = WallClock::ahead(0);
    let server = Server::start(clock.of(logging()));
    let mut client = server.client();
    client.run(&format!("JQ.PUBLISH mail later DELAY {HOUR}"));
    for _ in 0..3 {
        clock.step(&server, -DAY);
        let_pass(&server, 150);
        clock.step(&server, DAY);
    }
    assert_eq!(stat(&mut client, "mail", "delayed"), 1);
    clock.step(&server, HOUR);
    wait_for("what is due", || (stat(&mut client, "mail", "delayed") == 0).then_some(()));
}

#[test]
fn consumers_that_wait_are_served_at_once_after_a_step_back_and_answered_when_their_time_is_over() {
    let clock = WallClock::ahead(0);
    let server = Server::start(clock.of(logging()));
    let [mut for_job, mut in_vain, mut of_list] = [0, 1, 2].map(|_| server.client());
    for_job.send(&["JQ.CONSUME", "mail", "BLOCK", "500"]);
    in_vain.send(&["JQ.CONSUME", "none", "BLOCK", "500"]);
    of_list.send(&["BLPOP", "list", "0.5"]);
    server.wait_for_blocked(3);
    clock.step(&server, -HOUR);
    server.run("JQ.PUBLISH mail now");
    assert_eq!(bodies(&for_job.read()), ["now"]);
    // The server's own timeouts are by the wall clock as well, so both wait an hour too long.
    let_pass(&server, 1000);
    let waits = (in_vain.is_waiting(), of_list.is_waiting());
    println!("after a step back: JQ.CONSUME waits {}, BLPOP waits {}", waits.0, waits.1);
    clock.step(&server, HOUR);
    assert!(in_vain.read().is_nothing());
    assert!(of_list.read().is_nothing());
}

/// Instants at which a count of seconds overflows, or a second comes twice.
const INSTANTS: [(&str, i64, bool); 4] = [
    ("a leap second", 1_483_228_800_000, true),
    ("the end of 31 bits", 2_147_483_648_000, false),
    ("the end of 32 bits", 4_294_967_296_000, false),
    ("a thousand years on", 32_503_680_000_000, false),
];

#[test]
fn an_instant_at_which_a_count_of_seconds_overflows_or_repeats_is_like_any_other() {
    let mut tally = Tally::of("instants where seconds overflow or repeat");
    for (what, instant, repeats) in INSTANTS {
        let clock = WallClock::at(instant - 1500);
        let mut server = Server::start(clock.of(Options::new().with_aof()));
        wait_for(what, || (wall_clock_of(&server) >= instant - 700).then_some(()));
        let mut client = server.client();
        let mut consumer = server.client();
        client.run("JQ.PUBLISH held held TTR 900");
        client.run("JQ.CONSUME held");
        for n in 0..7 {
            client.run(&format!("JQ.PUBLISH mail {n} DELAY {} TTR 3600000", n * 200));
        }
        for n in 0..7 {
            let jobs = consumer.run("JQ.CONSUME mail BLOCK 0 DETAILS");
            assert_eq!(bodies(&jobs), [n.to_string()], "{what}");
            let due = jobs.items()[0].items()[3].field("due").int();
            assert!(due <= stat(&mut client, "mail", "clock"), "{what}");
            if n == 3 && repeats {
                wait_for(what, || (wall_clock_of(&server) >= instant).then_some(()));
                clock.step(&server, -SECOND);
            }
        }
        assert!(stat(&mut client, "mail", "clock") > instant, "{what}");
        wait_for("the lapse", || (stat(&mut client, "held", "lapsed") == 1).then_some(()));
        assert_copies_are_alike(&server, None);
        server.kill_and_restart();
        let mut client = server.client();
        assert_eq!(stat(&mut client, "mail", "leased"), 7, "{what}");
        client.run("JQ.PUBLISH mail anew");
        assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["anew"], "{what}");
        tally.add("instants", 1);
    }
}

#[test]
fn a_clock_beyond_the_last_instant_stops_there_and_its_log_can_be_read() {
    const LAST: i64 = 253_402_300_799_999;
    let clock = WallClock::at(LAST - 1000);
    let mut server = Server::start(clock.of(Options::new().with_aof()));
    let mut client = server.client();
    client.run("JQ.PUBLISH mail held TTR 5000");
    client.run("JQ.CONSUME mail");
    clock.step(&server, DAY);
    client.run("JQ.PUBLISH mail more ID more");
    assert_eq!(bodies(&client.run("JQ.CONSUME mail")), ["more"]);
    assert_eq!(client.run("JQ.ACK mail more"), Reply::Int(1));
    assert_eq!(stat(&mut client, "mail", "clock"), LAST);
    assert_copies_are_alike(&server, None);
    server.kill_and_restart();
    assert_eq!(server.run("JQ.LEN mail leased"), Reply::Int(1));
}

/// What the log says of a queue whose clock lies ahead.
const AHEAD: &str = "is ahead of the server's";

#[test]
fn a_server_that_starts_behind_the_clock_of_its_queues_says_so_and_goes_on() {
    for step in STEPS {
        let clock = WallClock::ahead(0);
        let mut server = Server::start(clock.of(Options::new().with_aof()));
        let mut client = server.client();
        client.run("JQ.PUBLISH mail held ID held TTR 3600000");
        let held = names(&client.run("JQ.CONSUME mail")).remove(0);
        client.run(&format!("JQ.PUBLISH mail later DELAY {HOUR}"));
        client.run("JQ.PUBLISH mail now");
        client.run("JQ.PUBLISH fax other");
        let before = stat(&mut client, "mail", "clock");
        server.kill();
        clock.set_ahead(-step);
        server.start_again();
        let mut client = server.client();
        assert_eq!(stat(&mut client, "mail", "clock"), before);
        let now = client.run("JQ.CONSUME mail");
        assert_eq!(bodies(&now), ["now"]);
        assert!(token(&now) > token_of(&held), "{now:?}, {held}");
        assert_eq!(client.run(&format!("JQ.ACK mail {held}")), Reply::Int(1));
        client.run("JQ.CONSUME fax");
        let told = server.log().matches(AHEAD).count();
        assert_eq!(told, usize::from(step > SECOND), "once, if at all: {}", server.log());
        clock.step(&server, step + HOUR);
        wait_for("what is due", || (stat(&mut client, "mail", "delayed") == 0).then_some(()));
        assert_copies_are_alike(&server, None);
    }
}

#[test]
fn a_replica_whose_clock_differs_agrees_and_goes_on_when_it_is_promoted() {
    for skew in [-HOUR, HOUR] {
        let clock = WallClock::ahead(skew);
        let primary = Server::start(logging());
        let mut client = primary.client();
        let following = logging().with(&format!("--replicaof 127.0.0.1 {}", primary.port()));
        let mut replica = Server::start(clock.of(following));
        client.run("JQ.PUBLISH mail held ID held TTR 600000");
        let held = names(&client.run("JQ.CONSUME mail")).remove(0);
        client.run("JQ.PUBLISH mail long ID long TTR 7200000");
        let long = names(&client.run("JQ.CONSUME mail")).remove(0);
        client.run("JQ.PUBLISH mail later DELAY 600000");
        client.run("JQ.PUBLISH mail soon DELAY 30 PRIORITY 1");
        client.run("JQ.PUBLISH mail now");
        wait_for("the timer", || (stat(&mut client, "mail", "delayed") == 1).then_some(()));
        replica.catch_up_with(&primary);
        assert_copies_are_alike(&primary, Some(&replica));
        let before = stat(&mut client, "mail", "clock");

        replica.catch_up_with(&primary);
        assert_eq!(replica.run("REPLICAOF NO ONE").text(), "OK");
        let mut client = replica.client();
        assert_eq!(bodies(&client.run("JQ.CONSUME mail TTR 7200000")), ["now"]);
        assert_eq!(
            client.run(&format!("JQ.ACK mail {long}")),
            Reply::Int(1),
            "it holds by any clock"
        );
        if skew > 0 {
            // Ten minutes are over by its clock, so the queue's is set ahead, once and for all.
            wait_for("the lapse", || (stat(&mut client, "mail", "lapsed") == 1).then_some(()));
            wait_for("what is due", || (stat(&mut client, "mail", "delayed") == 0).then_some(()));
            assert_eq!(client.run(&format!("JQ.ACK mail {held}")), Reply::Int(0));
        } else {
            assert_eq!(stat(&mut client, "mail", "delayed"), 1);
            assert_eq!(client.run(&format!("JQ.ACK mail {held}")), Reply::Int(1));
            assert!(replica.log().contains(AHEAD), "{}", replica.log());
            clock.step(&replica, HOUR + 600_000);
            wait_for("what is due", || (stat(&mut client, "mail", "delayed") == 0).then_some(()));
        }
        assert!(stat(&mut client, "mail", "clock") >= before);
        assert_copies_are_alike(&replica, None);
        assert!(replica.is_alive());
    }
}

#[test]
fn a_server_that_takes_over_with_a_clock_behind_gives_none_of_the_old_ones_names() {
    let mut primary = Server::start(Options::new().with_aof());
    primary.run("JQ.PUBLISH mail first");
    // So that the tokens of the primary are those of a term, which begin with the time.
    primary.kill_and_restart();
    primary.run("JQ.PUBLISH mail second");
    let clock = WallClock::ahead(-HOUR);
    let following = logging().with(&format!("--replicaof 127.0.0.1 {}", primary.port()));
    let replica = Server::start(clock.of(following));
    let_pass(&primary, 5);
    primary.run("JQ.PUBLISH mail third");
    replica.catch_up_with(&primary);
    // From here on they do not know of each other.
    assert_eq!(replica.run("REPLICAOF NO ONE").text(), "OK");
    let taken = |server: &Server| names(&server.run("JQ.CONSUME mail COUNT 3"));
    let (by_old, by_new) = (taken(&primary), taken(&replica));
    assert_eq!((by_old.len(), by_new.len()), (3, 3));
    assert!(by_new.iter().all(|receipt| !by_old.contains(receipt)), "{by_old:?}, {by_new:?}");
}
