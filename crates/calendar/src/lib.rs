//! When a cron expression comes next, in a time zone.
//!
//! A pure function of the expression, the zone and an instant, and of the zone data that is compiled in.
//! That may differ from version to version, so it is asked only where decisions are taken: what it says
//! is recorded in the log.

use std::fmt;

use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;
use croner::{
    parser::{CronParser, Seconds, Year},
    Cron,
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
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expression(why) => f.write_str(why),
            Self::Zone => f.write_str("no zone of the IANA database has this name"),
        }
    }
}

impl Calendar {
    /// Reads five fields, six with the seconds before them, or a descriptor such as `@daily`; and the name
    /// of a zone, empty for UTC. O(length).
    ///
    /// # Errors
    /// [`Wrong`] says what is.
    pub fn new(expression: &str, zone: &str) -> Result<Self, Wrong> {
        let zone = if zone.is_empty() { UTC } else { zone };
        let zone: Tz = zone.parse().map_err(|_| Wrong::Zone)?;
        let expression =
            if expression.eq_ignore_ascii_case("@midnight") { "@daily" } else { expression };
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|why| Wrong::Expression(why.to_string()))?;
        Ok(Self { cron, zone })
    }

    /// The first instant behind this one at which it comes, both in milliseconds since the epoch; `None`
    /// if never. O(1) but for expressions that come once in many years.
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
