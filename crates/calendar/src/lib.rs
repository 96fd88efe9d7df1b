//! When a cron expression comes next, in a time zone.
//!
//! A pure function of the expression, the zone and an instant, and of the zone data that is compiled in.
//! That may differ from version to version, so it is asked only where decisions are taken: what it says
//! is recorded in the log.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use croner::{
    parser::{CronParser, Seconds, Year},
    Cron, CronPattern, Weekday,
};

/// The zone that is meant where none is named.
pub const UTC: &str = "UTC";

/// An expression that is understood, in a zone that is known.
#[derive(Clone, Debug)]
pub struct Calendar {
    cron: Cron,
    zone: Tz,
}

/// Why there is no such calendar.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wrong {
    /// The expression is none, for this reason.
    Expression(String),
    /// No zone has this name.
    Zone,
    /// No day is as the expression has it.
    Never,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expression(why) => f.write_str(why),
            Self::Zone => f.write_str("no zone of the IANA database has this name"),
            Self::Never => f.write_str("never comes"),
        }
    }
}

impl Calendar {
    /// Reads five fields, six with the seconds before them, or a descriptor such as `@daily`; and the name
    /// of a zone, empty for UTC. O(length), and O(days) until the first of some years on which it comes.
    ///
    /// # Errors
    /// [`Wrong`] says what is. So what is read comes at some time, but for times that the wall does not show.
    pub fn new(expression: &str, zone: &str) -> Result<Self, Wrong> {
        let zone = if zone.is_empty() { UTC } else { zone };
        let zone: Tz = zone.parse().map_err(|_| Wrong::Zone)?;
        let expression =
            if expression.eq_ignore_ascii_case("@midnight") { "@daily" } else { expression };
        let expression = with_ends(expression);
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(&expression).map_err(|why| Wrong::Expression(why.to_string()))?;
        if !comes(&cron.pattern) {
            return Err(Wrong::Never);
        }
        Ok(Self { cron, zone })
    }

    /// The first instant behind this one at which it comes, both in milliseconds since the epoch; `None`
    /// if never. O(days until then), which may be those of 40 years: the rarest day is a leap day on a
    /// certain weekday.
    ///
    /// Where clocks are set ahead, an instant that the wall does not show is that of the first that it
    /// shows then; where they are set back, one that it shows twice is the first. An expression that comes
    /// round by itself (`*` or a step in its minutes or hours) leaves out the one, and comes in both of the
    /// other: it keeps its pace in real time.
    #[must_use]
    pub fn next(&self, after: u64) -> Option<u64> {
        let after = Utc.timestamp_millis_opt(i64::try_from(after).ok()?).single()?;
        let after: DateTime<Tz> = after.with_timezone(&self.zone);
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        u64::try_from(next.timestamp_millis()).ok()
    }
}

/// An expression in which each step that begins somewhere says where it ends, as the library wants it: `5/15` among
/// the minutes is `5-59/15`, as in other crontabs.
fn with_ends(expression: &str) -> String {
    // Of the seconds, which may be left out, and so on.
    const LAST: [u32; 6] = [59, 59, 23, 31, 12, 6];
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let first = LAST.len().saturating_sub(fields.len());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let end = |part: &str, last: &u32| match part.split_once('/') {
        Some((begin, step)) if is_number(begin) => format!("{begin}-{last}/{step}"),
        _ => part.to_owned(),
    };
    let field = |(field, last): (&&str, &u32)| {
        let parts: Vec<_> = field.split(',').map(|part| end(part, last)).collect();
        parts.join(",")
    };
    if fields.len() > LAST.len() {
        return expression.to_owned();
    }
    fields.iter().zip(&LAST[first..]).map(field).collect::<Vec<_>>().join(" ")
}

/// Whether there is a day on which an expression comes. To look for one that never does would take the
/// library through three thousand years; but there are only 14 kinds of years, and they all come in 28.
fn comes(pattern: &CronPattern) -> bool {
    let first = NaiveDate::from_ymd_opt(2001, 1, 1).into_iter();
    let mut days = first.flat_map(|first| first.iter_days()).take(28 * 365 + 7);
    days.any(|day| {
        let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
        let is_month = pattern.month_match(day.month());
        let is_day = || pattern.day_match(day.year(), day.month(), day.day(), weekday);
        matches!(is_month, Ok(true)) && matches!(is_day(), Ok(true))
    })
}
