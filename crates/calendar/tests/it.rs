//! What expressions mean, in the zones where it is hardest.

use chrono::{DateTime, Utc};
use jobq_calendar::{Calendar, Wrong};

/// The next instants of an expression behind an instant, as ISO 8601 has them.
fn next(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let calendar = Calendar::new(expression, zone).expect("an expression and a zone");
    let after: DateTime<Utc> = after.parse().expect("an instant");
    let mut at = after.timestamp_millis() as u64;
    let step = |_| {
        at = calendar.next(at).expect("it comes again");
        let at = DateTime::from_timestamp_millis(at as i64).expect("an instant");
        format!("{at:?}")
    };
    (0..count).map(step).collect()
}

#[test]
fn five_fields_six_and_descriptors_are_understood() {
    let after = "2026-11-21T12:34:56Z";
    assert_eq!(next("*/15 * * * *", "", after, 1), ["2026-11-21T12:45:00Z"]);
    assert_eq!(next("30 6 * * 1-5", "UTC", after, 1), ["2026-11-23T06:30:00Z"]);
    assert_eq!(next("*/10 * * * * *", "UTC", after, 1), ["2026-11-21T12:35:00Z"]);
    for (word, at) in [
        ("@hourly", "2026-11-21T13:00:00Z"),
        ("@daily", "2026-11-22T00:00:00Z"),
        ("@midnight", "2026-11-22T00:00:00Z"),
        ("@weekly", "2026-11-22T00:00:00Z"),
        ("@monthly", "2026-12-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z"),
        ("@annually", "2027-01-01T00:00:00Z"),
    ] {
        assert_eq!(next(word, "", after, 1), [at], "{word}");
    }
}

#[test]
fn an_expression_means_the_wall_clock_of_its_zone() {
    let after = "2026-01-10T00:00:00Z";
    assert_eq!(next("0 9 * * *", "America/New_York", after, 1), ["2026-01-10T14:00:00Z"]);
    let after = "2026-07-10T00:00:00Z";
    assert_eq!(next("0 9 * * *", "America/New_York", after, 1), ["2026-07-10T13:00:00Z"]);
    assert_eq!(next("0 9 * * *", "Asia/Kathmandu", after, 1), ["2026-07-10T03:15:00Z"]);
}

#[test]
fn a_time_that_the_wall_does_not_show_is_the_first_that_it_shows_then() {
    // Berlin goes from 02:00 to 03:00 on 29 March 2026.
    let berlin = next("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3);
    assert_eq!(berlin, ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    // New York goes from 02:00 to 03:00 on 8 March 2026.
    let york = next("15 2 * * *", "America/New_York", "2026-03-07T08:00:00Z", 2);
    assert_eq!(york, ["2026-03-08T07:00:00Z", "2026-03-09T06:15:00Z"]);
    // Lord Howe goes from 02:00 to 02:30 on 4 October 2026.
    let howe = next("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2);
    assert_eq!(howe, ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]);
}

#[test]
fn a_time_that_the_wall_shows_twice_is_the_first() {
    // Berlin goes from 03:00 back to 02:00 on 25 October 2026.
    let berlin = next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
    assert_eq!(berlin, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    // New York goes from 02:00 back to 01:00 on 1 November 2026.
    let york = next("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2);
    assert_eq!(york, ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]);
    // Lord Howe goes from 02:00 back to 01:30 on 5 April 2026.
    let howe = next("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2);
    assert_eq!(howe, ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]);
}

#[test]
fn an_expression_that_comes_round_by_itself_comes_in_every_real_quarter() {
    let quarter = |zone, after: &str| {
        let at = next("*/15 * * * *", zone, after, 20);
        let parse = |at: &String| at.parse::<DateTime<Utc>>().expect("an instant").timestamp();
        at.windows(2).for_each(|pair| {
            assert_eq!(parse(&pair[1]) - parse(&pair[0]), 900, "{zone}: {pair:?}");
        });
    };
    for after in ["2026-03-28T23:00:00Z", "2026-10-24T23:00:00Z"] {
        quarter("Europe/Berlin", after);
    }
    for after in ["2026-03-08T05:00:00Z", "2026-11-01T04:00:00Z"] {
        quarter("America/New_York", after);
    }
    for after in ["2026-10-03T13:00:00Z", "2026-04-04T13:00:00Z"] {
        quarter("Australia/Lord_Howe", after);
    }
}

#[test]
fn what_is_no_expression_or_no_zone_is_refused_by_name() {
    for wrong in
        ["", "* * * *", "61 * * * *", "* * * * * * *", "@never", "a b c d e", "0 0 0 0 0 0"]
    {
        let refused = Calendar::new(wrong, "");
        assert!(matches!(refused, Err(Wrong::Expression(_))), "{wrong}: {refused:?}");
    }
    assert_eq!(Calendar::new("* * * * *", "Europe/Atlantis").unwrap_err(), Wrong::Zone);
    let never = Calendar::new("0 0 30 2 *", "").expect("it can be read");
    assert_eq!(never.next(0), None);
}
