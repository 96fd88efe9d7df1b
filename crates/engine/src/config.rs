//! A queue's own configuration. It is part of the queue's state, so every replica agrees on it.

use std::collections::BTreeMap;

use crate::{batches::Pace, retain::Retain, terms::Terms, time::Millis, Backoff};

/// One setting and its value. `0` means "none" wherever a span or a limit is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Setting {
    /// Deliveries before a failing job is dead; at least 1.
    Tries(u32),
    /// How long a lease lasts; at least 1 ms.
    Ttr(Millis),
    /// How long after publishing an unfinished job expires.
    Ttl(Millis),
    /// How long a nacked job waits.
    Backoff(Backoff),
    /// How long a finished job is kept.
    Retain(Retain),
    /// Order of service, -20 to 20, lower is sooner.
    Priority(i8),
    /// Jobs the queue holds in all states before publishing is refused.
    MaxLen(u64),
    /// Bytes of the longest body it takes, headers included, and of the longest result.
    MaxBody(u64),
    /// Dead jobs it keeps; the longest dead are removed first.
    DeadMax(u64),
    /// How long a dead job is kept.
    DeadAge(Millis),
    /// What becomes of a job whose time to live is over.
    Expired(WhenExpired),
    /// What becomes of a job whose lease lapses with tries left.
    Lapse(WhenLapsed),
    /// How long the queue stays when it is empty and nobody uses it.
    IdleExpire(Millis),
    /// Jobs of one group that the queue holds in all states.
    GroupMaxLen(u64),
    /// How many jobs of a group are served before the turn of the next one; 1 unless set.
    GroupWeight {
        /// Which group.
        group: Box<[u8]>,
        /// How many; at least 1.
        weight: u32,
    },
    /// Whether a lease that ends with its connection is a failed attempt.
    BindCounts(bool),
    /// How often a job may be released before a release is its death.
    ReleasesMax(u32),
    /// How many jobs of a key are a batch at once: of every key, or of this one alone.
    BatchSize {
        /// Which key.
        key: Option<Box<[u8]>>,
        /// How many.
        jobs: u32,
    },
    /// How long after its first job a batch forms, however few they are.
    BatchDelay {
        /// Which key.
        key: Option<Box<[u8]>>,
        /// How long.
        span: Millis,
    },
    /// How long after its last job a batch forms, however few they are.
    BatchGrace {
        /// Which key.
        key: Option<Box<[u8]>>,
        /// How long.
        span: Millis,
    },
    /// How many events the queue keeps, the latest; at most
    /// [`EVENTS_MAX`](crate::EVENTS_MAX).
    Events(u32),
    /// How many of its last changes a job keeps; at most [`TRAIL_MAX`](crate::TRAIL_MAX).
    Trail(u8),
}

/// What becomes of a job whose time to live is over. It is counted either way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhenExpired {
    /// It is removed.
    Drop,
    /// It is dead.
    Bury,
}

/// What becomes of a job whose lease lapses with tries left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhenLapsed {
    /// It is ready at once, at the tail.
    Ready,
    /// It waits like one that was nacked.
    Backoff,
}

/// What a job gets where its publisher said nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The defaults of the job options.
    pub defaults: Terms,
    /// See [`Setting::MaxLen`]; zero for no limit.
    pub max_len: u64,
    /// See [`Setting::MaxBody`]; zero for no limit.
    pub max_body: u64,
    /// See [`Setting::DeadMax`]; zero for no limit.
    pub dead_max: u64,
    /// See [`Setting::DeadAge`]; zero for ever.
    pub dead_age: Millis,
    /// See [`Setting::Expired`].
    pub expired: WhenExpired,
    /// See [`Setting::Lapse`].
    pub lapse: WhenLapsed,
    /// See [`Setting::IdleExpire`]; zero for ever.
    pub idle_expire: Millis,
    /// See [`Setting::GroupMaxLen`]; zero for no limit.
    pub group_max_len: u64,
    /// See [`Setting::GroupWeight`]; only those that are not 1.
    pub group_weights: BTreeMap<Box<[u8]>, u32>,
    /// See [`Setting::BindCounts`].
    pub bind_counts: bool,
    /// See [`Setting::ReleasesMax`]; zero for no limit.
    pub releases_max: u32,
    /// What makes jobs a batch.
    pub pace: Pace,
    /// The same for some keys, in place of what the queue says; zero where that holds.
    pub paces: BTreeMap<Box<[u8]>, Pace>,
    /// See [`Setting::Events`]; zero for none.
    pub events: u32,
    /// See [`Setting::Trail`]; zero for none.
    pub trail: u8,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            defaults: Terms {
                tries: 25,
                ttr: Millis::from_secs(60),
                ttl: Millis::ZERO,
                backoff: Backoff::Polynomial,
                retain: Retain::NONE,
                priority: 0,
                job_type: Box::default(),
                group: Box::default(),
                uses: Box::default(),
                when: Box::default(),
                batch: Box::default(),
            },
            max_len: 0,
            max_body: 16 << 20,
            dead_max: 0,
            dead_age: Millis::ZERO,
            expired: WhenExpired::Drop,
            lapse: WhenLapsed::Ready,
            idle_expire: Millis::ZERO,
            group_max_len: 0,
            group_weights: BTreeMap::new(),
            bind_counts: false,
            releases_max: 0,
            pace: Pace { size: 0, delay: Millis::ZERO, grace: Millis::from_secs(60) },
            paces: BTreeMap::new(),
            events: 0,
            trail: 0,
        }
    }
}

/// What an entry of a tree takes beside its key, about.
const ENTRY_BYTES: usize = 48;

impl Config {
    /// Heap bytes held, about. O(n) with n groups and keys that have settings of their own.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.group_weights.keys().chain(self.paces.keys()).map(|key| key.len() + ENTRY_BYTES).sum()
    }

    /// How many jobs of a group are served in a turn. O(log n) with n groups that have a weight of
    /// their own.
    #[must_use]
    pub fn group_weight(&self, group: &[u8]) -> u32 {
        self.group_weights.get(group).copied().unwrap_or(1)
    }

    /// What makes the jobs of a key a batch. O(log n) with n keys that have settings of their own.
    #[must_use]
    pub fn pace_of(&self, key: &[u8]) -> Pace {
        self.paces.get(key).map_or(self.pace, |own| own.or(self.pace))
    }

    fn set_pace(&mut self, key: &Option<Box<[u8]>>, set: impl FnOnce(&mut Pace)) {
        let Some(key) = key else { return set(&mut self.pace) };
        let own = self.paces.entry(key.clone()).or_default();
        set(own);
        if *own == Pace::default() {
            self.paces.remove(key);
        }
    }

    /// Replaces one setting.
    pub fn set(&mut self, setting: &Setting) {
        match setting {
            Setting::Tries(tries) => self.defaults.tries = *tries,
            Setting::Ttr(ttr) => self.defaults.ttr = *ttr,
            Setting::Ttl(ttl) => self.defaults.ttl = *ttl,
            Setting::Backoff(backoff) => self.defaults.backoff = *backoff,
            Setting::Retain(retain) => self.defaults.retain = *retain,
            Setting::Priority(priority) => self.defaults.priority = *priority,
            Setting::MaxLen(jobs) => self.max_len = *jobs,
            Setting::MaxBody(bytes) => self.max_body = *bytes,
            Setting::DeadMax(jobs) => self.dead_max = *jobs,
            Setting::DeadAge(age) => self.dead_age = *age,
            Setting::Expired(then) => self.expired = *then,
            Setting::Lapse(then) => self.lapse = *then,
            Setting::IdleExpire(span) => self.idle_expire = *span,
            Setting::GroupMaxLen(jobs) => self.group_max_len = *jobs,
            Setting::GroupWeight { group, weight: 1 } => drop(self.group_weights.remove(group)),
            Setting::GroupWeight { group, weight } => {
                self.group_weights.insert(group.clone(), *weight);
            }
            Setting::BindCounts(counts) => self.bind_counts = *counts,
            Setting::ReleasesMax(releases) => self.releases_max = *releases,
            Setting::BatchSize { key, jobs } => self.set_pace(key, |pace| pace.size = *jobs),
            Setting::BatchDelay { key, span } => self.set_pace(key, |pace| pace.delay = *span),
            Setting::BatchGrace { key, span } => self.set_pace(key, |pace| pace.grace = *span),
            Setting::Events(events) => self.events = *events,
            Setting::Trail(changes) => self.trail = *changes,
        }
    }
}
