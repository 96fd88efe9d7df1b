//! What a queue can be configured to do: each setting's name, values, default and meaning.

use jobq_engine::{Config, Millis, Setting};

use crate::{
    error::BadArguments,
    parse::backoff,
    range::{self, Range},
};

/// A setting as clients see it.
#[derive(Clone, Copy, Debug)]
pub struct SettingSpec {
    /// Its name on the wire.
    pub name: &'static str,
    /// How its value is written.
    pub value: &'static str,
    /// The values of an integer.
    pub range: Option<Range>,
    /// What 0 means, where it is permitted and not just a number.
    pub zero: Option<&'static str>,
    /// What a new queue has.
    pub default: &'static str,
    /// What it does, as a sentence.
    pub meaning: &'static str,
    parse: fn(&SettingSpec, &[u8]) -> Result<Setting, BadArguments>,
    read: fn(&Config) -> String,
}

impl SettingSpec {
    /// Reads a value.
    pub fn parse(&self, text: &[u8]) -> Result<Setting, BadArguments> {
        (self.parse)(self, text)
    }

    /// The value in `config`, written as [`parse`](Self::parse) reads it.
    #[must_use]
    pub fn read(&self, config: &Config) -> String {
        (self.read)(config)
    }

    fn integer<T: TryFrom<i128>>(&self, text: &[u8]) -> Result<T, BadArguments> {
        // Settings that are not integers have no range and do not come here.
        self.range.unwrap_or(range::COUNT).called(self.name).read(text)
    }
}

const LIMIT_MAX: i128 = i64::MAX as i128;

/// All settings, in the order in which `JQ.CONFIG GET` tells them.
pub static SETTINGS: &[SettingSpec] = &[
    SettingSpec {
        name: "tries",
        value: "n",
        range: Some(range::TRIES),
        zero: None,
        default: "25",
        meaning: "Deliveries before a failing job is dead, unless published with `TRIES`.",
        parse: |spec, text| spec.integer(text).map(Setting::Tries),
        read: |config| config.defaults.tries.to_string(),
    },
    SettingSpec {
        name: "ttr",
        value: "ms",
        range: Some(range::TTR),
        zero: None,
        default: "60000",
        meaning: "How long a lease lasts, unless published or consumed with `TTR`.",
        parse: |spec, text| spec.integer(text).map(Millis).map(Setting::Ttr),
        read: |config| config.defaults.ttr.to_string(),
    },
    SettingSpec {
        name: "ttl",
        value: "ms",
        range: Some(range::TTL),
        zero: Some("jobs do not expire"),
        default: "0",
        meaning:
            "How long after publishing an unfinished job expires, unless published with `TTL`.",
        parse: |spec, text| spec.integer(text).map(Millis).map(Setting::Ttl),
        read: |config| config.defaults.ttl.to_string(),
    },
    SettingSpec {
        name: "backoff",
        value: "none|fixed:<ms>|exp:<base-ms>:<max-ms>|poly",
        range: None,
        zero: None,
        default: "poly",
        meaning: "How long a nacked job waits, unless published with `BACKOFF`.",
        parse: |spec, text| backoff(spec.name, text).map(Setting::Backoff),
        read: |config| config.defaults.backoff.to_string(),
    },
    SettingSpec {
        name: "priority",
        value: "p",
        range: Some(range::PRIORITY),
        zero: None,
        default: "0",
        meaning: "Order of service, lower is sooner, unless published with `PRIORITY`.",
        parse: |spec, text| spec.integer(text).map(Setting::Priority),
        read: |config| config.defaults.priority.to_string(),
    },
    SettingSpec {
        name: "maxlen",
        value: "jobs",
        range: Some(Range::count("maxlen", 0, LIMIT_MAX, "jobs")),
        zero: Some("no limit"),
        default: "0",
        meaning: "Jobs the queue holds in all states before publishing is refused with `FULL`.",
        parse: |spec, text| spec.integer(text).map(Setting::MaxLen),
        read: |config| config.max_len.to_string(),
    },
    SettingSpec {
        name: "maxbody",
        value: "bytes",
        range: Some(Range::count("maxbody", 0, LIMIT_MAX, "bytes")),
        zero: Some("no limit"),
        default: "16777216",
        meaning: "Bytes of the longest body; a longer one is refused with `TOOBIG`.",
        parse: |spec, text| spec.integer(text).map(Setting::MaxBody),
        read: |config| config.max_body.to_string(),
    },
];

/// Finds a setting by its name, in either case.
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static SettingSpec> {
    SETTINGS.iter().find(|spec| spec.name.as_bytes().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
