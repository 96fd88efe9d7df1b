//! What a schedule publishes, in a form of its own.

use crate::{
    batches::BATCH_KEY_BYTES_MAX,
    gates,
    headers::Headers,
    operation::{Bodies, Conditions, Due, Publish},
    retain::Retain,
    terms::{Wishes, GROUP_BYTES_MAX, PRIORITIES},
    time::Millis,
    unique::{Unique, Until, UNIQUE_BYTES_MAX},
    uses, Backoff,
};

/// What stands before a text among others, about, in bytes.
const PREFIX_BYTES: usize = 4;

/// A job to be published again and again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template {
    /// What it carries.
    pub body: Box<[u8]>,
    /// How long after the occurrence it may be taken.
    pub delay: Millis,
    pub(crate) headers: Option<Headers>,
    pub(crate) tries: Option<u32>,
    pub(crate) ttr: Option<Millis>,
    pub(crate) ttl: Option<Millis>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) retain: Option<Retain>,
    pub(crate) priority: Option<i8>,
    pub(crate) job_type: Option<Box<[u8]>>,
    pub(crate) group: Option<Box<[u8]>>,
    pub(crate) uses: Box<[u8]>,
    pub(crate) when: Box<[u8]>,
    pub(crate) batch: Box<[u8]>,
    pub(crate) unique: Option<OwnUnique>,
}

/// A unique key with what is said of it. Where another job has it, there is no run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OwnUnique {
    pub key: Box<[u8]>,
    pub lasts: Millis,
    pub until: Until,
}

impl Template {
    pub(crate) fn of(publish: &Publish<'_>) -> Self {
        let Wishes { tries, ttr, ttl, backoff, retain, priority, job_type, group } = publish.wishes;
        let needs = publish.conditions.as_deref();
        let unique = publish.unique().map(|unique| OwnUnique {
            key: unique.key.into(),
            lasts: unique.lasts,
            until: unique.until,
        });
        Self {
            body: publish.bodies.as_slice().first().copied().unwrap_or_default().into(),
            delay: match publish.due {
                Due::In(delay) => delay,
                Due::Now | Due::At(_) => Millis::ZERO,
            },
            headers: Headers::new(&publish.headers),
            tries,
            ttr,
            ttl,
            backoff,
            retain,
            priority,
            job_type: job_type.map(Into::into),
            group: group.map(Into::into),
            uses: needs.map_or_else(Vec::new, |needs| uses::pack(&needs.uses)).into(),
            when: needs.map_or_else(Vec::new, |needs| gates::pack(&needs.when)).into(),
            batch: needs.map_or(&b""[..], |needs| needs.batch).into(),
            unique,
        }
    }

    /// The job that is to be published, due at once but for its delay.
    #[must_use]
    pub fn publish(&self) -> Publish<'_> {
        let mut publish = Publish::new(Bodies::One(&self.body));
        if !self.delay.is_zero() {
            publish.due = Due::In(self.delay);
        }
        publish.headers = self.headers.iter().flat_map(Headers::iter).collect();
        publish.wishes = Wishes {
            tries: self.tries,
            ttr: self.ttr,
            ttl: self.ttl,
            backoff: self.backoff,
            retain: self.retain,
            priority: self.priority,
            job_type: self.job_type.as_deref(),
            group: self.group.as_deref(),
        };
        let conditions = Conditions {
            uses: uses::iter(&self.uses).collect(),
            unique: self.unique.as_ref().map(|unique| Unique {
                lasts: unique.lasts,
                until: unique.until,
                ..Unique::new(&unique.key)
            }),
            when: gates::clauses(&self.when).collect(),
            batch: &self.batch,
            ..Conditions::default()
        };
        publish.conditions = (conditions != Conditions::default()).then(|| Box::new(conditions));
        publish
    }

    /// Whether a client could have asked for it.
    pub(crate) fn is_valid(&self) -> bool {
        let is_name = |name: &Option<Box<[u8]>>, max| {
            name.as_ref().is_none_or(|name| (1..=max).contains(&name.len()))
        };
        self.tries != Some(0)
            && self.ttr != Some(Millis::ZERO)
            && self.priority.is_none_or(|priority| PRIORITIES.contains(&priority))
            && is_name(&self.group, GROUP_BYTES_MAX)
            && is_name(&self.job_type, usize::MAX)
            && uses::is_valid(&self.uses)
            && gates::is_valid(&self.when)
            && self.batch.len() <= BATCH_KEY_BYTES_MAX
            && self
                .unique
                .as_ref()
                .is_none_or(|unique| (1..=UNIQUE_BYTES_MAX).contains(&unique.key.len()))
    }

    /// Heap bytes that a template of this takes, about.
    pub(crate) fn bytes_of(publish: &Publish<'_>) -> usize {
        let packed = |text: &[u8]| PREFIX_BYTES + text.len();
        let headers = publish.headers.iter().map(|(name, value)| packed(name) + packed(value));
        let Wishes { job_type, group, .. } = publish.wishes;
        let needs = publish.conditions.as_deref().map_or(0, |needs| {
            let uses = needs.uses.iter().map(|wanted| packed(wanted.limit.as_bytes()));
            let gates = needs.when.iter().flatten().map(|gate| packed(gate));
            let key = needs.unique.as_ref().map_or(0, |unique| unique.key.len());
            uses.chain(gates).sum::<usize>() + needs.batch.len() + key
        });
        size_of::<Self>()
            + publish.bodies.as_slice().first().map_or(0, |body| body.len())
            + headers.sum::<usize>()
            + [job_type, group].into_iter().flatten().map(<[u8]>::len).sum::<usize>()
            + needs
    }
}
