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
    for (begun, meant) in [("50/5", "50-59/5"), ("3,40/9", "3,40-59/9")] {
        let of = |minutes: &str| next(&format!("{minutes} * * * *"), "", after, 9);
        assert_eq!(of(begun), of(meant));
    }
    assert_eq!(next("0 7 1/10 * *", "", after, 1), ["2026-12-01T07:00:00Z"]);
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
}

#[test]
fn the_rarest_day_is_found_and_one_that_never_comes_is_not_looked_for() {
    // The leap day is a Thursday every 28 years, but for those that are none.
    for thursday in ["0 0 29 2 +THU", "0 0 * 2 THU#5"] {
        let days = next(thursday, "", "2050-01-01T00:00:00Z", 3);
        let at = ["2052-02-29T00:00:00Z", "2080-02-29T00:00:00Z", "2120-02-29T00:00:00Z"];
        assert_eq!(days, at, "{thursday}");
    }
    assert_eq!(next("0 0 29 2 *", "", "2096-03-01T00:00:00Z", 1), ["2104-02-29T00:00:00Z"]);
    for never in ["0 0 30 2 *", "*/43 */7 31W 9,11 *", "* * * 1W * +SUN", "0 0 30 2 +MON-SUN"] {
        assert_eq!(Calendar::new(never, "").unwrap_err(), Wrong::Never, "{never}");
    }
}

/// What comes by chance, always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % n
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }

    /// Some field, of numbers from `min` to `max` or of what else may stand there.
    fn field(&mut self, min: u64, max: u64, words: &[&str]) -> String {
        let mut number = || min + self.below(max - min + 1);
        let (a, b) = (number(), number());
        let (a, b) = (a.min(b), a.max(b));
        match self.below(9) {
            0..3 => "*".to_owned(),
            3 => format!("*/{}", 1 + self.below(max)),
            4 => format!("{a}-{b}"),
            5 => format!("{a}-{b}/{}", 1 + self.below(max)),
            6 => format!("{a},{b}"),
            7 if !words.is_empty() => self.one_of(words).replace('n', &a.to_string()),
            _ => a.to_string(),
        }
    }

    fn expression(&mut self) -> String {
        let seconds = match self.below(3) {
            0 => self.field(0, 59, &[]) + " ",
            _ => String::new(),
        };
        let [minute, hour] = [self.field(0, 59, &[]), self.field(0, 23, &[])];
        let day = self.field(1, 31, &["L", "nW", "LW", "?"]);
        let month = self.field(1, 12, &["FEB", "JAN-MAR", "SEP,NOV"]);
        let also = self.one_of(&["", "", "+"]);
        let weekday = self.field(0, 7, &["n#1", "n#5", "nL", "MON-FRI", "SUN", "?"]);
        format!("{seconds}{minute} {hour} {day} {month} {also}{weekday}")
    }
}

#[test]
fn whatever_the_expression_and_the_zone_instants_ascend_and_none_is_far_ahead() {
    let mut dice = Dice(1);
    let (mut found, mut never) = (0, 0);
    for n in 0..2_500 {
        let expression = dice.expression();
        let zone = chrono_tz::TZ_VARIANTS[dice.below(chrono_tz::TZ_VARIANTS.len() as u64) as usize];
        let context = || format!("{n}: {expression} in {zone}");
        let calendar = match Calendar::new(&expression, zone.name()) {
            Ok(calendar) => calendar,
            Err(why) => {
                never += u32::from(why == Wrong::Never);
                continue;
            }
        };
        // From 1970 to 2120, and with milliseconds.
        let mut at = dice.below(4_733_500_000_000);
        for _ in 0..20 {
            let next = calendar.next(at).unwrap_or_else(|| panic!("{} never comes", context()));
            let years = (next - at) / 31_557_600_000;
            assert!(next > at && years <= 41, "{}: {next} behind {at}", context());
            assert_eq!(calendar.next(next - 1), Some(next), "{}: behind {at}", context());
            (at, found) = (next, found + 1);
        }
    }
    assert!(found > 40_000 && never > 20, "{found} found, {never} never");
}
