//! Schedules, and which jobs are runs of them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{instant, number_of, past, small, span, ulid, words, BackoffV1, UntilV1};
use crate::{
    headers::Headers,
    retain::Retain,
    schedules::{
        Counts, Done, Missed, Overlap, OwnUnique, Past, Run, Schedule, Template, Timing, Why,
        CRON_BYTES_MAX, SCHEDULES_MAX, SCHEDULE_NAME_BYTES_MAX,
    },
    snapshot::Corrupt,
    time::{Millis, UnixMillis},
    unique::Until,
    Queue,
};

#[derive(Serialize, Deserialize)]
pub struct ScheduleV1<'a> {
    number: u64,
    #[serde(with = "serde_bytes")]
    name: &'a [u8],
    #[serde(borrow)]
    timing: TimingV1<'a>,
    overlap: u8,
    missed: u8,
    is_paused: bool,
    base: u64,
    next: Option<u64>,
    then: Option<u64>,
    is_over: bool,
    last: u64,
    queued: Option<u64>,
    previous: Option<u64>,
    last_job: Option<[u64; 2]>,
    /// Runs, skipped, missed, refused.
    counts: [u64; 4],
    history: Vec<PastV1>,
    #[serde(borrow)]
    job: TemplateV1<'a>,
}

#[derive(Serialize, Deserialize)]
enum TimingV1<'a> {
    Every {
        span: u64,
        from: Option<u64>,
    },
    After(u64),
    Cron {
        #[serde(with = "serde_bytes", borrow)]
        expression: &'a [u8],
        #[serde(with = "serde_bytes", borrow)]
        zone: &'a [u8],
    },
}

#[derive(Serialize, Deserialize)]
struct PastV1 {
    at: u64,
    done: DoneV1,
    times: u64,
}

#[derive(Serialize, Deserialize)]
enum DoneV1 {
    Run([u64; 2]),
    ByHand([u64; 2]),
    Skipped,
    Missed,
    Refused(u8),
}

#[derive(Serialize, Deserialize)]
struct TemplateV1<'a> {
    #[serde(with = "serde_bytes")]
    body: &'a [u8],
    delay: u64,
    #[serde(with = "serde_bytes")]
    headers: Option<&'a [u8]>,
    tries: Option<u32>,
    ttr: Option<u64>,
    ttl: Option<u64>,
    backoff: Option<BackoffV1>,
    /// Nothing within for ever.
    retain: Option<Option<u64>>,
    priority: Option<i8>,
    #[serde(with = "serde_bytes")]
    job_type: Option<&'a [u8]>,
    #[serde(with = "serde_bytes")]
    group: Option<&'a [u8]>,
    #[serde(with = "serde_bytes")]
    uses: &'a [u8],
    #[serde(with = "serde_bytes")]
    when: &'a [u8],
    #[serde(with = "serde_bytes")]
    batch: &'a [u8],
    #[serde(borrow)]
    unique: Option<UniqueV1<'a>>,
}

#[derive(Serialize, Deserialize)]
struct UniqueV1<'a> {
    #[serde(with = "serde_bytes")]
    key: &'a [u8],
    lasts: u64,
    until: UntilV1,
}

/// Which schedule a job is a run of.
#[derive(Serialize, Deserialize)]
pub struct RunV1<'a> {
    schedule: u64,
    #[serde(with = "serde_bytes")]
    name: &'a [u8],
    occurrence: u64,
}

const WRONG: Corrupt = Corrupt::Value("schedule");

/// All schedules, in the order of their numbers.
pub fn write(queue: &Queue) -> Vec<ScheduleV1<'_>> {
    queue.schedules.by_number().map(ScheduleV1::from).collect()
}

impl<'a> From<&'a Schedule> for ScheduleV1<'a> {
    fn from(schedule: &'a Schedule) -> Self {
        let millis = |at: Option<UnixMillis>| at.map(|at| at.0);
        let Counts { runs, skipped, missed, refused } = schedule.counts;
        Self {
            number: schedule.number,
            name: &schedule.name,
            timing: match &schedule.timing {
                Timing::Every { span, from } => {
                    TimingV1::Every { span: span.0, from: from.map(|at| at.0) }
                }
                Timing::After(span) => TimingV1::After(span.0),
                Timing::Cron { expression, zone } => TimingV1::Cron { expression, zone },
            },
            overlap: number_of(&Overlap::ALL, &schedule.overlap),
            missed: number_of(&Missed::ALL, &schedule.missed),
            is_paused: schedule.is_paused,
            base: schedule.base.0,
            next: millis(schedule.next),
            then: millis(schedule.then),
            is_over: schedule.is_over,
            last: schedule.last.0,
            queued: millis(schedule.queued),
            previous: millis(schedule.previous),
            last_job: schedule.last_job.map(words),
            counts: [runs, skipped, missed, refused],
            history: schedule.history.iter().map(PastV1::from).collect(),
            job: (&*schedule.job).into(),
        }
    }
}

/// Takes schedules back.
pub fn read(stored: &[ScheduleV1<'_>], queue: &mut Queue) -> Result<(), Corrupt> {
    if stored.len() > SCHEDULES_MAX {
        return Err(WRONG);
    }
    for stored in stored {
        let schedule = stored.check(queue)?;
        let is_new = queue.schedules.get(schedule.number).is_none()
            && queue.schedules.find(&schedule.name).is_none();
        if !is_new || !queue.is_sound(&schedule) {
            return Err(WRONG);
        }
        queue.schedules.insert(schedule);
    }
    Ok(())
}

impl ScheduleV1<'_> {
    fn check(&self, queue: &Queue) -> Result<Schedule, Corrupt> {
        let at = |at: Option<u64>| at.map(instant).transpose();
        for count in self.counts {
            small(count)?;
        }
        let [runs, skipped, missed, refused] = self.counts;
        let is_named = (1..=SCHEDULE_NAME_BYTES_MAX).contains(&self.name.len());
        if !is_named || !(1..=queue.schedules.made()).contains(&self.number) {
            return Err(WRONG);
        }
        let timing = match self.timing {
            TimingV1::Every { span: 0, .. } | TimingV1::After(0) => return Err(WRONG),
            TimingV1::Every { span: ms, from } => {
                Timing::Every { span: span(ms)?, from: at(from)? }
            }
            TimingV1::After(ms) => Timing::After(span(ms)?),
            TimingV1::Cron { expression, zone } => {
                if expression.is_empty() || expression.len().max(zone.len()) > CRON_BYTES_MAX {
                    return Err(WRONG);
                }
                Timing::Cron { expression: expression.into(), zone: zone.into() }
            }
        };
        Ok(Schedule {
            number: self.number,
            name: self.name.into(),
            job: Arc::new(self.job.check()?),
            timing,
            overlap: *Overlap::ALL.get(usize::from(self.overlap)).ok_or(WRONG)?,
            missed: *Missed::ALL.get(usize::from(self.missed)).ok_or(WRONG)?,
            is_paused: self.is_paused,
            base: instant(self.base)?,
            next: at(self.next)?,
            then: at(self.then)?,
            is_over: self.is_over,
            last: past(self.last, queue.clock)?,
            queued: at(self.queued)?,
            // Counted as the jobs come.
            unfinished: 0,
            previous: at(self.previous)?,
            last_job: self.last_job.map(ulid),
            counts: Counts { runs, skipped, missed, refused },
            history: self.history.iter().map(PastV1::check).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Past> for PastV1 {
    fn from(past: &Past) -> Self {
        let done = match past.done {
            Done::Run(job) => DoneV1::Run(words(job)),
            Done::ByHand(job) => DoneV1::ByHand(words(job)),
            Done::Skipped => DoneV1::Skipped,
            Done::Missed => DoneV1::Missed,
            Done::Refused(why) => DoneV1::Refused(number_of(&Why::ALL, &why)),
        };
        Self { at: past.at.0, done, times: past.times }
    }
}

impl PastV1 {
    fn check(&self) -> Result<Past, Corrupt> {
        let done = match self.done {
            DoneV1::Run(job) => Done::Run(ulid(job)),
            DoneV1::ByHand(job) => Done::ByHand(ulid(job)),
            DoneV1::Skipped => Done::Skipped,
            DoneV1::Missed => Done::Missed,
            DoneV1::Refused(why) => Done::Refused(*Why::ALL.get(usize::from(why)).ok_or(WRONG)?),
        };
        if self.times == 0 {
            return Err(WRONG);
        }
        Ok(Past { at: instant(self.at)?, done, times: small(self.times)? })
    }
}

impl<'a> From<&'a Template> for TemplateV1<'a> {
    fn from(job: &'a Template) -> Self {
        let millis = |span: Option<Millis>| span.map(|span| span.0);
        Self {
            body: &job.body,
            delay: job.delay.0,
            headers: job.headers.as_ref().map(Headers::as_bytes),
            tries: job.tries,
            ttr: millis(job.ttr),
            ttl: millis(job.ttl),
            backoff: job.backoff.map(BackoffV1::from),
            retain: job.retain.map(|retain| match retain {
                Retain::For(span) => Some(span.0),
                Retain::Forever => None,
            }),
            priority: job.priority,
            job_type: job.job_type.as_deref(),
            group: job.group.as_deref(),
            uses: &job.uses,
            when: &job.when,
            batch: &job.batch,
            unique: job.unique.as_ref().map(|unique| UniqueV1 {
                key: &unique.key,
                lasts: unique.lasts.0,
                until: unique.until.into(),
            }),
        }
    }
}

impl TemplateV1<'_> {
    fn check(&self) -> Result<Template, Corrupt> {
        let millis = |ms: Option<u64>| ms.map(span).transpose();
        let headers = |bytes| Headers::from_bytes(bytes).ok_or(Corrupt::Value("headers"));
        let unique = |stored: &UniqueV1<'_>| {
            let (lasts, until) = (span(stored.lasts)?, Until::from(stored.until));
            Ok(OwnUnique { key: stored.key.into(), lasts, until })
        };
        let template = Template {
            body: self.body.into(),
            delay: span(self.delay)?,
            headers: self.headers.map(headers).transpose()?,
            tries: self.tries,
            ttr: millis(self.ttr)?,
            ttl: millis(self.ttl)?,
            backoff: self.backoff.map(BackoffV1::check).transpose()?,
            retain: match self.retain {
                None => None,
                Some(None) => Some(Retain::Forever),
                Some(Some(ms)) => Some(Retain::For(span(ms)?)),
            },
            priority: self.priority,
            job_type: self.job_type.map(Into::into),
            group: self.group.map(Into::into),
            uses: self.uses.into(),
            when: self.when.into(),
            batch: self.batch.into(),
            unique: self.unique.as_ref().map(unique).transpose()?,
        };
        template.is_valid().then_some(template).ok_or(WRONG)
    }
}

impl<'a> From<&'a Run> for RunV1<'a> {
    fn from(run: &'a Run) -> Self {
        Self { schedule: run.schedule, name: &run.name, occurrence: run.occurrence.0 }
    }
}

impl RunV1<'_> {
    pub fn check(&self, queue: &Queue) -> Result<Box<Run>, Corrupt> {
        let is_named = (1..=SCHEDULE_NAME_BYTES_MAX).contains(&self.name.len());
        if !is_named || !(1..=queue.schedules.made()).contains(&self.schedule) {
            return Err(Corrupt::Value("run of a schedule"));
        }
        let occurrence = instant(self.occurrence)?;
        Ok(Box::new(Run { schedule: self.schedule, name: self.name.into(), occurrence }))
    }
}
