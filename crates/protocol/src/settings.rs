//! What a queue can be configured to do: each setting's name, values, default and meaning.

use jobq_engine::{
    Config, Millis, Pace, Setting, WhenExpired, WhenLapsed, BATCH_JOBS_MAX, EVENTS_MAX, TRAIL_MAX,
};

use crate::{
    error::{shown, BadArguments, ErrorWord},
    parse::{backoff, batch_key, group as group_name, retain},
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

    fn choice<T: Copy>(&self, text: &[u8], of: &Choice<T>) -> Result<T, BadArguments> {
        let chosen = of.iter().find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(text));
        chosen.map(|&(_, value)| value).ok_or_else(|| {
            let [(one, _), (other, _)] = of;
            let message = format!("{} is {one} or {other}, not {}", self.name, shown(text));
            BadArguments { word: ErrorWord::Range, message }
        })
    }
}

/// A setting of which there is one for each key that is named behind its name.
#[derive(Clone, Copy, Debug)]
pub struct KeyedSpec {
    /// Its name on the wire, with the colon before the key.
    pub name: &'static str,
    /// How its value is written.
    pub value: &'static str,
    /// The values.
    pub range: Range,
    /// What a key has that was not named.
    pub default: &'static str,
    /// What it does, as a sentence.
    pub meaning: &'static str,
    parse: ParseKeyed,
    read: fn(&Config, &[u8]) -> String,
    keys: fn(&Config) -> Vec<&[u8]>,
}

impl KeyedSpec {
    /// Reads a value for a key.
    pub fn parse(&self, key: &[u8], text: &[u8]) -> Result<Setting, BadArguments> {
        (self.parse)(self, key, text)
    }

    /// The value of a key in `config`.
    #[must_use]
    pub fn read(&self, config: &Config, key: &[u8]) -> String {
        (self.read)(config, key)
    }

    /// The keys that have a value of their own.
    #[must_use]
    pub fn keys<'c>(&self, config: &'c Config) -> Vec<&'c [u8]> {
        (self.keys)(config)
    }

    /// The name of the setting of a key.
    #[must_use]
    pub fn name_for(&self, key: &[u8]) -> Vec<u8> {
        [self.name.as_bytes(), key].concat()
    }
}

type ParseKeyed = fn(&KeyedSpec, &[u8], &[u8]) -> Result<Setting, BadArguments>;

/// A setting that was named.
#[derive(Clone, Copy, Debug)]
pub enum SettingName<'a> {
    /// One that every queue has.
    Plain(&'static SettingSpec),
    /// One of a key.
    Keyed(&'static KeyedSpec, &'a [u8]),
}

impl SettingName<'_> {
    /// Reads a value.
    pub fn parse(&self, text: &[u8]) -> Result<Setting, BadArguments> {
        match self {
            Self::Plain(spec) => spec.parse(text),
            Self::Keyed(spec, key) => spec.parse(key, text),
        }
    }
}

/// The words of a setting that knows two values.
type Choice<T> = [(&'static str, T); 2];

const EXPIRED: Choice<WhenExpired> = [("drop", WhenExpired::Drop), ("dead", WhenExpired::Bury)];
const LAPSE: Choice<WhenLapsed> = [("ready", WhenLapsed::Ready), ("backoff", WhenLapsed::Backoff)];

const YES_NO: Choice<bool> = [("no", false), ("yes", true)];

/// The word for a value, which is one of the two.
fn word_for<T: PartialEq>(value: T, [one, other]: &Choice<T>) -> String {
    let (word, _) = if other.1 == value { other } else { one };
    word.to_string()
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
        name: "retain",
        value: "ms|forever",
        range: Some(range::RETAIN),
        zero: Some("a finished job is gone at once"),
        default: "0",
        meaning: "How long a finished job is kept with its result, unless published with `RETAIN`.",
        parse: |spec, text| retain(spec.name, text).map(Setting::Retain),
        read: |config| config.defaults.retain.to_string(),
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
        meaning:
            "Bytes of the longest body with its headers, and of the longest result; a longer one \
             is refused with `TOOBIG`.",
        parse: |spec, text| spec.integer(text).map(Setting::MaxBody),
        read: |config| config.max_body.to_string(),
    },
    SettingSpec {
        name: "dead-max",
        value: "jobs",
        range: Some(Range::count("dead-max", 0, LIMIT_MAX, "jobs")),
        zero: Some("no limit"),
        default: "0",
        meaning: "Dead jobs the queue keeps; where there are more, the longest dead are removed.",
        parse: |spec, text| spec.integer(text).map(Setting::DeadMax),
        read: |config| config.dead_max.to_string(),
    },
    SettingSpec {
        name: "dead-age",
        value: "ms",
        range: Some(Range::millis("dead-age", 0)),
        zero: Some("for ever"),
        default: "0",
        meaning: "How long a dead job is kept before it is removed.",
        parse: |spec, text| spec.integer(text).map(Millis).map(Setting::DeadAge),
        read: |config| config.dead_age.to_string(),
    },
    SettingSpec {
        name: "expired",
        value: "drop|dead",
        range: None,
        zero: None,
        default: "drop",
        meaning: "Whether a job that expires is removed or becomes dead.",
        parse: |spec, text| spec.choice(text, &EXPIRED).map(Setting::Expired),
        read: |config| word_for(config.expired, &EXPIRED),
    },
    SettingSpec {
        name: "lapse",
        value: "ready|backoff",
        range: None,
        zero: None,
        default: "ready",
        meaning:
            "Whether a job whose lease runs out is ready at once or waits like one that is nacked.",
        parse: |spec, text| spec.choice(text, &LAPSE).map(Setting::Lapse),
        read: |config| word_for(config.lapse, &LAPSE),
    },
    SettingSpec {
        name: "idle-expire",
        value: "ms",
        range: Some(Range::millis("idle-expire", 0)),
        zero: Some("for ever"),
        default: "0",
        meaning:
            "How long the queue stays, with its configuration, when it is empty, not paused, and \
             nobody changes it or waits for its jobs. A consumer that does not wait is none.",
        parse: |spec, text| spec.integer(text).map(Millis).map(Setting::IdleExpire),
        read: |config| config.idle_expire.to_string(),
    },
    SettingSpec {
        name: "group-maxlen",
        value: "jobs",
        range: Some(Range::count("group-maxlen", 0, LIMIT_MAX, "jobs")),
        zero: Some("no limit"),
        default: "0",
        meaning:
            "Jobs of one group the queue holds in all states before publishing more of them is \
             refused with `FULL`.",
        parse: |spec, text| spec.integer(text).map(Setting::GroupMaxLen),
        read: |config| config.group_max_len.to_string(),
    },
    SettingSpec {
        name: "bind-counts",
        value: "no|yes",
        range: None,
        zero: None,
        default: "no",
        meaning:
            "Whether a lease that ends with the connection it is bound to (`BIND`) is a failed \
             attempt, as by a nack without a wait, or is given back as by a release.",
        parse: |spec, text| spec.choice(text, &YES_NO).map(Setting::BindCounts),
        read: |config| word_for(config.bind_counts, &YES_NO),
    },
    SettingSpec {
        name: "releases-max",
        value: "n",
        range: Some(Range::count("releases-max", 0, u32::MAX as i128, "")),
        zero: Some("no limit"),
        default: "0",
        meaning:
            "How often a job may be released; once more is its death, unless with `UNCOUNTED`.",
        parse: |spec, text| spec.integer(text).map(Setting::ReleasesMax),
        read: |config| config.releases_max.to_string(),
    },
    SettingSpec {
        name: "batch-size",
        value: "jobs",
        range: Some(BATCH_SIZE),
        zero: Some("1000"),
        default: "0",
        meaning: "As many jobs of a key (`BATCH`) are a batch at once.",
        parse: |spec, text| Ok(Setting::BatchSize { key: None, jobs: spec.integer(text)? }),
        read: |config| config.pace.size.to_string(),
    },
    SettingSpec {
        name: "batch-delay",
        value: "ms",
        range: Some(Range::millis("batch-delay", 0)),
        zero: Some("not by this"),
        default: "0",
        meaning: "So long after the first of them came, the jobs of a key are a batch.",
        parse: |spec, text| {
            let span = spec.integer(text).map(Millis)?;
            Ok(Setting::BatchDelay { key: None, span })
        },
        read: |config| config.pace.delay.to_string(),
    },
    SettingSpec {
        name: "batch-grace",
        value: "ms",
        range: Some(Range::millis("batch-grace", 0)),
        zero: Some("not by this; and with none of the three, each job is a batch by itself"),
        default: "60000",
        meaning: "So long after the last of them came, the jobs of a key are a batch.",
        parse: |spec, text| {
            let span = spec.integer(text).map(Millis)?;
            Ok(Setting::BatchGrace { key: None, span })
        },
        read: |config| config.pace.grace.to_string(),
    },
    SettingSpec {
        name: "events",
        value: "n",
        range: Some(Range::count("events", 0, EVENTS_MAX as i128, "events")),
        zero: Some("none"),
        default: "0",
        meaning: "The latest events that the queue keeps for `JQ.EVENTS`, 32 bytes each.",
        parse: |spec, text| spec.integer(text).map(Setting::Events),
        read: |config| config.events.to_string(),
    },
    SettingSpec {
        name: "trail",
        value: "n",
        range: Some(Range::count("trail", 0, TRAIL_MAX as i128, "changes")),
        zero: Some("none"),
        default: "0",
        meaning: "The last changes that each job keeps of itself for `JQ.JOB` with `TRACE`. If it is made \
                  less, a job lets go of what it has too many of at its next change.",
        parse: |spec, text| spec.integer(text).map(Setting::Trail),
        read: |config| config.trail.to_string(),
    },
];

const BATCH_SIZE: Range = Range::count("batch-size", 0, BATCH_JOBS_MAX as i128, "jobs");

/// What a key of a batch says itself; zero where the queue's own holds.
fn own_pace(config: &Config, key: &[u8]) -> Pace {
    config.paces.get(key).copied().unwrap_or_default()
}

fn keys_with_pace(config: &Config, says: fn(&Pace) -> bool) -> Vec<&[u8]> {
    let own = config.paces.iter().filter(|(_, pace)| says(pace));
    own.map(|(key, _)| &**key).collect()
}

/// All settings of which there is one for each key.
pub static KEYED_SETTINGS: &[KeyedSpec] = &[
    KeyedSpec {
        name: "group-weight:",
        value: "n",
        range: Range::count("group-weight", 1, 1_000_000, "jobs"),
        default: "1",
        meaning: "How many jobs of the group are served before the turn of the next one.",
        parse: |spec, group, text| {
            let weight = spec.range.read(text)?;
            Ok(Setting::GroupWeight { group: group_name(group)?.into(), weight })
        },
        read: |config, group| config.group_weight(group).to_string(),
        keys: |config| config.group_weights.keys().map(|group| &**group).collect(),
    },
    KeyedSpec {
        name: "batch-size:",
        value: "jobs",
        range: BATCH_SIZE,
        default: "0",
        meaning: "The same as `batch-size` for one key; with 0, what the queue says.",
        parse: |spec, key, text| {
            let (key, jobs) = (Some(batch_key(key)?.into()), spec.range.read(text)?);
            Ok(Setting::BatchSize { key, jobs })
        },
        read: |config, key| own_pace(config, key).size.to_string(),
        keys: |config| keys_with_pace(config, |pace| pace.size > 0),
    },
    KeyedSpec {
        name: "batch-delay:",
        value: "ms",
        range: Range::millis("batch-delay", 0),
        default: "0",
        meaning: "The same as `batch-delay` for one key; with 0, what the queue says.",
        parse: |spec, key, text| {
            let (key, span) = (Some(batch_key(key)?.into()), spec.range.read(text).map(Millis)?);
            Ok(Setting::BatchDelay { key, span })
        },
        read: |config, key| own_pace(config, key).delay.to_string(),
        keys: |config| keys_with_pace(config, |pace| !pace.delay.is_zero()),
    },
    KeyedSpec {
        name: "batch-grace:",
        value: "ms",
        range: Range::millis("batch-grace", 0),
        default: "0",
        meaning: "The same as `batch-grace` for one key; with 0, what the queue says.",
        parse: |spec, key, text| {
            let (key, span) = (Some(batch_key(key)?.into()), spec.range.read(text).map(Millis)?);
            Ok(Setting::BatchGrace { key, span })
        },
        read: |config, key| own_pace(config, key).grace.to_string(),
        keys: |config| keys_with_pace(config, |pace| !pace.grace.is_zero()),
    },
];

/// Finds a setting by its name, in either case; a key is read to the letter.
#[must_use]
pub fn find_name(name: &[u8]) -> Option<SettingName<'_>> {
    let keyed = |spec: &'static KeyedSpec| {
        let (start, key) = name.split_at_checked(spec.name.len())?;
        let is_it = start.eq_ignore_ascii_case(spec.name.as_bytes()) && !key.is_empty();
        is_it.then_some(SettingName::Keyed(spec, key))
    };
    find(name).map(SettingName::Plain).or_else(|| KEYED_SETTINGS.iter().find_map(keyed))
}

/// Finds a setting that every queue has by its name, in either case.
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static SettingSpec> {
    SETTINGS.iter().find(|spec| spec.name.as_bytes().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
