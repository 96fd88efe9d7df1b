//! What is said of schedules.

use jobq_engine::{
    Action, Due, Millis, Missed, NewSchedule, Overlap, ScheduleOrder, Timing, UnixMillis, Until,
};

use crate::{parse, table::find, Call};

fn order<'a>(argv: &[&'a str]) -> Result<ScheduleOrder<'a>, String> {
    let head = [b"JQ.SCHEDULE".as_slice(), b"q"];
    let argv: Vec<&[u8]> = head.into_iter().chain(argv.iter().map(|arg| arg.as_bytes())).collect();
    let command = find(b"JQ.SCHEDULE").expect("it is there");
    match parse(command, &argv).map_err(|refused| refused.to_string())? {
        Call::Act(Action::Schedule(order)) => Ok(order),
        other => panic!("{other:?}"),
    }
}

fn set<'a>(argv: &[&'a str]) -> NewSchedule<'a> {
    let argv: Vec<&str> = ["SET", "s", "body"].into_iter().chain(argv.iter().copied()).collect();
    match order(&argv) {
        Ok(ScheduleOrder::Set(new)) => *new,
        other => panic!("{argv:?}: {other:?}"),
    }
}

fn refused(argv: &[&str]) -> String {
    let error = order(argv).expect_err("it is refused");
    error.split("; usage: ").next().unwrap_or_default().to_owned()
}

#[test]
fn a_schedule_says_when_it_comes() {
    let every =
        |span, from: Option<u64>| Timing::Every { span: Millis(span), from: from.map(UnixMillis) };
    assert_eq!(set(&["EVERY", "5"]).timing, every(5, None));
    assert_eq!(set(&["FROM", "7", "every", "5"]).timing, every(5, Some(7)));
    assert_eq!(set(&["AFTER", "5"]).timing, Timing::After(Millis(5)));
    let cron = |expression, zone| Timing::Cron { expression, zone };
    assert_eq!(set(&["CRON", "* * * * *"]).timing, cron(&b"* * * * *"[..], &b""[..]));
    let zoned = set(&["CRON", "@daily", "TZ", "Europe/Berlin"]);
    assert_eq!(zoned.timing, cron(b"@daily", b"Europe/Berlin"));
    for (span, ms) in [
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("1s500ms", 1_500),
        (" 2h", 7_200_000),
        ("1.5h", 5_400_000),
        ("1m0.5s", 60_500),
        ("0.0019s", 1),
    ] {
        let text = format!("@every {span}");
        let argv = ["SET", "s", "body", "CRON", &text];
        let Ok(ScheduleOrder::Set(new)) = order(&argv) else { panic!("{text}") };
        assert_eq!(new.timing, every(ms, None), "{text}");
    }
}

#[test]
fn an_expression_may_say_its_zone_by_itself() {
    for text in ["CRON_TZ=Asia/Tokyo 0 9 * * *", "TZ=Asia/Tokyo  0 9 * * *"] {
        let (expression, zone) = (&b"0 9 * * *"[..], &b"Asia/Tokyo"[..]);
        assert_eq!(set(&["CRON", text]).timing, Timing::Cron { expression, zone });
    }
    for text in ["CRON_TZ=Asia/Tokyo", "TZ= 0 9 * * *", "TZ=UTC "] {
        let expression = text.as_bytes();
        assert_eq!(
            set(&["CRON", text]).timing,
            Timing::Cron { expression, zone: b"" },
            "no expression"
        );
    }
}

#[test]
fn a_schedule_has_policies_and_the_options_of_its_jobs() {
    let plain = set(&["EVERY", "5"]);
    assert_eq!((plain.overlap, plain.missed), (Overlap::Allow, Missed::One));
    let new = set(&[
        "OVERLAP", "queue", "EVERY", "5", "MISSED", "ALL", "DELAY", "3", "TTL", "9", "GROUP", "g",
        "UNIQUE", "k", "FOR", "4", "UNTIL", "DONE", "BATCH", "b", "WHEN", "x|y", "USES", "l", "2",
        "MUTEX", "m", "HEADERS", "1", "SET", "CRON", "TRIES", "2",
    ]);
    assert_eq!((new.overlap, new.missed), (Overlap::Queue, Missed::All));
    assert_eq!(new.job.due, Due::In(Millis(3)));
    assert_eq!(new.job.headers, [(&b"SET"[..], &b"CRON"[..])]);
    let unique = new.job.unique().expect("a key");
    assert_eq!((unique.key, unique.lasts, unique.until), (&b"k"[..], Millis(4), Until::Done));
    let needs = new.job.conditions.as_ref().expect("some");
    assert_eq!((needs.uses.len(), needs.when.len(), needs.batch), (2, 1, &b"b"[..]));
    assert_eq!(new.job.wishes.group, Some(&b"g"[..]));
}

#[test]
fn a_whole_set_is_read_one_by_one_and_words_may_come_again() {
    let all = [
        "REPLACE", "2", "6", "a", "REPLACE", "EVERY", "5", "OVERLAP", "SKIP", "4", "b", "2",
        "EVERY", "7",
    ];
    let Ok(ScheduleOrder::Replace(all)) = order(&all) else { panic!() };
    let told: Vec<_> = all.iter().map(|new| (new.name, new.job.bodies.as_slice()[0])).collect();
    assert_eq!(told, [(&b"a"[..], &b"REPLACE"[..]), (b"b", b"2")]);
    assert!(matches!(order(&["replace", "0"]), Ok(ScheduleOrder::Replace(all)) if all.is_empty()));
    for (argv, error) in [
        (&["REPLACE"][..], "SYNTAX no value for REPLACE"),
        (&["REPLACE", "1"], "SYNTAX no value for len"),
        (&["REPLACE", "1", "3"], "RANGE len is 4 to 1000000 arguments, not '3'"),
        (
            &["REPLACE", "1", "5", "a", "b", "EVERY", "7"],
            "SYNTAX a schedule has 5 arguments, but 4 more arguments follow",
        ),
        (&["REPLACE", "1", "4", "a", "b", "EVERY", "7", "x"], "SYNTAX unexpected 'x'"),
        (&["REPLACE", "1", "5", "a", "b", "EVERY", "7", "x"], "SYNTAX unexpected 'x'"),
        (
            &["REPLACE", "2", "4", "a", "b", "EVERY", "7", "4", "a", "b", "EVERY", "7"],
            "SYNTAX schedule 'a' is named twice",
        ),
        (&["REPLACE", "10001"], "RANGE REPLACE is 0 to 10000 schedules, not '10001'"),
    ] {
        assert_eq!(refused(argv), error, "{argv:?}");
    }
}

#[test]
fn what_is_no_schedule_is_refused_by_name() {
    let long = "x".repeat(257);
    for (argv, error) in [
        (
            &["x"][..],
            "SYNTAX unexpected 'x'",
        ),
        (&["SKIP"], "SYNTAX SET, REPLACE, DEL, LIST, GET, PAUSE, RESUME or RUN is needed"),
        (&["SET"], "SYNTAX no value for SET"),
        (&["SET", "s"], "SYNTAX no value for body"),
        (&["SET", "s", "b"], "SYNTAX EVERY, AFTER or CRON is needed"),
        (&["SET", "", "b", "EVERY", "5"], "RANGE SET takes a name of 1 to 256 bytes, not of 0"),
        (&["DEL", &long], "RANGE DEL takes a name of 1 to 256 bytes, not of 257"),
        (&["DEL", "a", "b"], "SYNTAX unexpected 'b'"),
        (
            &["SET", "s", "b", "EVERY", "5", "AFTER", "5"],
            "SYNTAX EVERY, AFTER and CRON exclude each other",
        ),
        (
            &["SET", "s", "b", "EVERY", "0"],
            "RANGE EVERY is 1 to 3155760000000 milliseconds, not '0'",
        ),
        (&["SET", "s", "b", "AFTER", "5", "FROM", "5"], "SYNTAX FROM goes with EVERY"),
        (
            &["SET", "s", "b", "EVERY", "5", "TZ", "UTC"],
            "SYNTAX TZ goes with CRON, and not with @every",
        ),
        (
            &["SET", "s", "b", "AFTER", "5", "OVERLAP", "SKIP"],
            "SYNTAX OVERLAP and MISSED are not for AFTER, whose runs follow each other",
        ),
        (
            &["SET", "s", "b", "AFTER", "5", "MISSED", "ONE"],
            "SYNTAX OVERLAP and MISSED are not for AFTER, whose runs follow each other",
        ),
        (
            &["SET", "s", "b", "CRON", "TZ=UTC 0 9 * * *", "TZ", "UTC"],
            "SYNTAX the expression says its zone, and so does TZ",
        ),
        (&["SET", "s", "b", "EVERY", "5", "OVERLAP", "ALL"], "SYNTAX ALL cannot stand there"),
        (&["SET", "s", "b", "EVERY", "5", "MISSED"], "SYNTAX no value for MISSED"),
        (&["SET", "s", "b", "EVERY", "5", "FOR", "5"], "SYNTAX FOR goes behind UNIQUE"),
        (&["SET", "s", "b", "EVERY", "5", "LIST"], "SYNTAX LIST cannot stand there"),
        (&["SET", "s", "b", "EVERY", "5", "ID", "5"], "SYNTAX unexpected 'ID'"),
        (
            &["SET", "s", "b", "CRON", "\n"],
            "RANGE CRON takes 1 to 256 printable characters of ASCII, not '\\n'",
        ),
        (
            &["SET", "s", "b", "CRON", "@every 5"],
            "RANGE CRON takes behind @every a span such as 1h30m, in h, m, s and ms, of 1 to 3155760000000 \
             milliseconds, not '@every 5'",
        ),
        (
            &["SET", "s", "b", "CRON", "@every 0s"],
            "RANGE CRON takes behind @every a span such as 1h30m, in h, m, s and ms, of 1 to 3155760000000 \
             milliseconds, not '@every 0s'",
        ),
    ] {
        assert_eq!(refused(argv), error, "{argv:?}");
    }
}
