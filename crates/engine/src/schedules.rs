//! Schedules: jobs that publish themselves, again and again.
//!
//! A schedule says when, and what to do where runs meet or were missed. What follows from that by
//! arithmetic is computed here. When a cron expression comes next is another matter: that depends on the
//! zone data of whoever computes it, so it is a decision. A schedule that needs it is *unplanned*, and the
//! host answers with a [`Plan`], which the log records.
//!
//! A queue without schedules pays a null pointer for them, and a plain job nothing.

mod book;
mod fire;
mod template;

use std::{collections::VecDeque, sync::Arc};

pub(crate) use book::Schedules;
pub(crate) use template::OwnUnique;
pub use template::Template;

use crate::{
    id::Ulid,
    operation::Publish,
    refusal::Refusal,
    state::State,
    time::{Millis, UnixMillis},
    Queue,
};

/// The longest name of a schedule, in bytes.
pub const SCHEDULE_NAME_BYTES_MAX: usize = 256;

/// The longest cron expression, and the longest name of a zone, in bytes.
pub const CRON_BYTES_MAX: usize = 256;

/// Schedules that one queue has at most.
pub const SCHEDULES_MAX: usize = 10_000;

/// What they take at most, in bytes: they are stored in one piece.
pub const SCHEDULES_BYTES_MAX: usize = 64 << 20;

/// What is kept of the past of a schedule, in entries.
pub const HISTORY_MAX: usize = 32;

/// How late an occurrence may be before it counts as missed though no other has come since.
pub const MISSED_AFTER: Millis = Millis::from_secs(60);

/// When the runs of a schedule are due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Timing<B = Box<[u8]>> {
    /// At the instants of a grid.
    Every {
        /// How far they are from each other; at least 1 ms.
        span: Millis,
        /// One of them, the first that counts; if none is named, the instant of setting is one.
        from: Option<UnixMillis>,
    },
    /// So long after the run before has ended.
    After(Millis),
    /// As a cron expression says.
    Cron {
        /// The expression, which is not looked into here.
        expression: B,
        /// The zone whose clock it means; empty for UTC.
        zone: B,
    },
}

impl Timing {
    /// The same without copies.
    #[must_use]
    pub fn as_ref(&self) -> Timing<&[u8]> {
        match self {
            Self::Every { span, from } => Timing::Every { span: *span, from: *from },
            Self::After(span) => Timing::After(*span),
            Self::Cron { expression, zone } => Timing::Cron { expression, zone },
        }
    }
}

impl Timing<&[u8]> {
    /// The same with copies of its own.
    #[must_use]
    pub fn to_owned(self) -> Timing {
        match self {
            Self::Every { span, from } => Timing::Every { span, from },
            Self::After(span) => Timing::After(span),
            Self::Cron { expression, zone } => {
                Timing::Cron { expression: expression.into(), zone: zone.into() }
            }
        }
    }
}

/// What becomes of an occurrence while a run of the same schedule is unfinished.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Overlap {
    /// It is skipped.
    Skip,
    /// It is made up for when that run ends; one at most.
    Queue,
    /// Nothing: it runs as well.
    #[default]
    Allow,
}

impl Overlap {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Queue, Self::Allow];

    /// The word on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "SKIP",
            Self::Queue => "QUEUE",
            Self::Allow => "ALLOW",
        }
    }
}

/// What becomes of occurrences that were missed: another is due by now as well, or they are older than
/// [`MISSED_AFTER`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Missed {
    /// They are dropped.
    None,
    /// One run stands for all of them: the last.
    #[default]
    One,
    /// Each runs.
    All,
}

impl Missed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::One, Self::All];

    /// The word on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::One => "ONE",
            Self::All => "ALL",
        }
    }
}

/// A schedule as a client sets it.
#[derive(Clone, Debug)]
pub struct NewSchedule<'a> {
    /// What it is called: 1 to [`SCHEDULE_NAME_BYTES_MAX`] bytes.
    pub name: &'a [u8],
    /// When its runs are due.
    pub timing: Timing<&'a [u8]>,
    /// What becomes of runs that would meet.
    pub overlap: Overlap,
    /// What becomes of runs that were missed.
    pub missed: Missed,
    /// What is published, one body: without an id, an instant, a deadline, or jobs to wait for or to
    /// replace.
    pub job: Publish<'a>,
}

/// What a client does to the schedules of a queue.
#[derive(Clone, Debug)]
pub enum ScheduleOrder<'a> {
    /// Sets one, or changes it in place.
    Set(Box<NewSchedule<'a>>),
    /// Sets these and removes all others; each name once.
    Replace(Vec<NewSchedule<'a>>),
    /// Removes one. Its jobs stay.
    Delete(&'a [u8]),
    /// Stops one.
    Pause(&'a [u8]),
    /// Lets it go on with what comes next.
    Resume(&'a [u8]),
    /// Makes a run now, beside what comes.
    Run(&'a [u8]),
}

/// Which schedule a job is a run of. It stays what it was, also where that is gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run {
    /// The number of the schedule, which no other one gets.
    pub(crate) schedule: u64,
    /// Its name.
    pub name: Box<[u8]>,
    /// The occurrence.
    pub occurrence: UnixMillis,
}

/// A schedule of which is not known when it comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unplanned<'a> {
    /// Its number.
    pub schedule: u64,
    /// The expression.
    pub expression: &'a [u8],
    /// The zone; empty for UTC.
    pub zone: &'a [u8],
    /// The occurrence that is looked for comes behind this instant.
    pub after: UnixMillis,
    /// Whether occurrences need not be told one by one that others have followed by now.
    pub passes: bool,
}

/// When a schedule comes next: a decision of the host, which has a calendar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Which one.
    pub schedule: u64,
    /// Occurrences that were passed over since others have followed: how many, and the last of them.
    pub passed: Option<(u64, UnixMillis)>,
    /// The next occurrence; `None` if there is none ever.
    pub next: Option<UnixMillis>,
    /// The one behind that.
    pub then: Option<UnixMillis>,
}

/// What became of an occurrence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Done {
    /// This job was published.
    Run(Ulid),
    /// This job was published because somebody asked for it, and not since it was time.
    ByHand(Ulid),
    /// A run was unfinished.
    Skipped,
    /// It was too late.
    Missed,
    /// The queue did not take the job.
    Refused(Why),
}

/// Why a queue did not take a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// Another job holds its key.
    Duplicate,
    /// It is too long.
    TooBig,
    /// There is no room.
    Full,
    /// Publishing is paused.
    Paused,
    /// It would expire before it is due.
    Range,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Duplicate, Self::TooBig, Self::Full, Self::Paused, Self::Range];

    fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Duplicate(_) => Self::Duplicate,
            Refusal::TooBig { .. } => Self::TooBig,
            Refusal::Paused => Self::Paused,
            Refusal::ExpiresBeforeDue | Refusal::OverdueBeforeDue => Self::Range,
            _ => Self::Full,
        }
    }
}

/// An entry of a schedule's past. What happens again and again in a row is one entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Past {
    /// The occurrence, the last of several.
    pub at: UnixMillis,
    /// What became of it.
    pub done: Done,
    /// How often that happened in a row.
    pub times: u64,
}

/// A schedule as its queue keeps it.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub(crate) number: u64,
    pub(crate) name: Box<[u8]>,
    pub(crate) job: Arc<Template>,
    pub(crate) timing: Timing,
    pub(crate) overlap: Overlap,
    pub(crate) missed: Missed,
    pub(crate) is_paused: bool,
    /// A point of the grid.
    pub(crate) base: UnixMillis,
    /// The next occurrence, or when to try again to make a run that was refused.
    pub(crate) next: Option<UnixMillis>,
    /// The one behind that, of a cron expression.
    pub(crate) then: Option<UnixMillis>,
    /// Whether its expression never comes again.
    pub(crate) is_over: bool,
    /// What comes next comes behind this instant.
    pub(crate) last: UnixMillis,
    /// An occurrence to be made up for when the runs have ended.
    pub(crate) queued: Option<UnixMillis>,
    /// Runs that are neither completed nor dead nor gone. Counted from the jobs.
    pub(crate) unfinished: u64,
    pub(crate) previous: Option<UnixMillis>,
    pub(crate) last_job: Option<Ulid>,
    pub(crate) counts: Counts,
    pub(crate) history: VecDeque<Past>,
}

/// What has become of the occurrences of a schedule.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Runs that were made, those by hand included.
    pub runs: u64,
    /// Occurrences that were skipped since a run was unfinished.
    pub skipped: u64,
    /// Occurrences that were missed.
    pub missed: u64,
    /// Runs that the queue did not take.
    pub refused: u64,
}

impl Schedule {
    fn new(number: u64, new: &NewSchedule<'_>, now: UnixMillis) -> Self {
        let mut schedule = Self {
            number,
            name: new.name.into(),
            job: Arc::new(Template::of(&new.job)),
            timing: new.timing.to_owned(),
            overlap: new.overlap,
            missed: new.missed,
            is_paused: false,
            base: now,
            next: None,
            then: None,
            is_over: false,
            last: now,
            queued: None,
            unfinished: 0,
            previous: None,
            last_job: None,
            counts: Counts::default(),
            history: VecDeque::new(),
        };
        schedule.begin(now);
        schedule
    }

    /// Takes over what a client sets. As long as the timing is the same, so is what comes next, unless
    /// nothing does: the calendar may know more by now.
    fn renew(&mut self, new: &NewSchedule<'_>, now: UnixMillis) {
        self.job = Arc::new(Template::of(&new.job));
        (self.overlap, self.missed) = (new.overlap, new.missed);
        if self.overlap != Overlap::Queue {
            self.queued = None;
        }
        if self.timing.as_ref() != new.timing {
            self.timing = new.timing.to_owned();
            self.begin(now);
        } else if self.is_over {
            self.revive(now);
        }
    }

    /// Begins to count from now on.
    fn begin(&mut self, now: UnixMillis) {
        if let Timing::Every { from, .. } = self.timing {
            self.base = from.unwrap_or(now);
        }
        self.go_on(now);
    }

    /// Goes on with what comes behind this instant.
    fn go_on(&mut self, now: UnixMillis) {
        (self.last, self.queued, self.is_over) = (now, None, false);
        (self.next, self.then) = (None, None);
        if let (false, Timing::Every { span, .. }) = (self.is_paused, &self.timing) {
            self.next = Some(first_behind(self.base, *span, now));
        }
    }

    /// Has the host look anew when one comes next that was over.
    fn revive(&mut self, now: UnixMillis) {
        (self.last, self.is_over) = (now, false);
    }

    /// Stops, unless it stands still already.
    fn pause(&mut self) -> bool {
        if self.is_paused {
            return false;
        }
        self.is_paused = true;
        (self.next, self.then, self.queued) = (None, None, None);
        true
    }

    /// Goes on if it was stopped, or was over.
    fn resume(&mut self, now: UnixMillis) -> bool {
        if self.is_paused {
            self.is_paused = false;
            self.go_on(now);
            return true;
        }
        let was_over = self.is_over;
        if was_over {
            self.revive(now);
        }
        was_over
    }

    /// Whether the host has to say when it comes next.
    pub(crate) fn is_unplanned(&self) -> bool {
        let is_cron = matches!(self.timing, Timing::Cron { .. });
        is_cron && self.next.is_none() && !self.is_paused && !self.is_over
    }

    /// Whether a run has to be made since those before have ended.
    pub(crate) fn is_owed(&self) -> bool {
        let follows = matches!(self.timing, Timing::After(_)) && self.next.is_none();
        self.unfinished == 0 && !self.is_paused && (follows || self.queued.is_some())
    }

    fn note(&mut self, at: UnixMillis, done: Done, times: u64) {
        let count = match done {
            Done::Run(job) | Done::ByHand(job) => {
                self.last_job = Some(job);
                &mut self.counts.runs
            }
            Done::Skipped => &mut self.counts.skipped,
            Done::Missed => &mut self.counts.missed,
            Done::Refused(_) => &mut self.counts.refused,
        };
        *count = count.saturating_add(times).min(crate::queue::COUNT_MAX);
        if matches!(done, Done::Run(_)) {
            self.previous = Some(at);
        }
        match self.history.back_mut() {
            Some(last) if last.done == done => {
                last.times = last.times.saturating_add(times).min(crate::queue::COUNT_MAX);
                last.at = at;
            }
            _ => {
                if self.history.len() == HISTORY_MAX {
                    self.history.pop_front();
                }
                self.history.push_back(Past { at, done, times });
            }
        }
    }

    /// Heap bytes held, about.
    pub(crate) fn bytes(&self) -> usize {
        bytes_of(&self.name, self.timing(), &self.job.publish())
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// What it publishes.
    #[must_use]
    pub fn job(&self) -> &Template {
        &self.job
    }

    /// When its runs are due.
    #[must_use]
    pub fn timing(&self) -> Timing<&[u8]> {
        self.timing.as_ref()
    }

    /// What becomes of runs that would meet.
    #[must_use]
    pub fn overlap(&self) -> Overlap {
        self.overlap
    }

    /// What becomes of runs that were missed.
    #[must_use]
    pub fn missed(&self) -> Missed {
        self.missed
    }

    /// Whether it is stopped.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// The occurrence that has run last.
    #[must_use]
    pub fn previous(&self) -> Option<UnixMillis> {
        self.previous
    }

    /// The job that was published last.
    #[must_use]
    pub fn last_job(&self) -> Option<Ulid> {
        self.last_job
    }

    /// Runs that are neither completed nor dead nor gone.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// What has become of its occurrences so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What has become of the last of them, the oldest first.
    pub fn history(&self) -> impl ExactSizeIterator<Item = &Past> {
        self.history.iter()
    }
}

impl Queue {
    /// All schedules in the order of their names.
    pub fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        self.schedules.by_name()
    }

    /// How many there are. O(1).
    #[must_use]
    pub fn schedules_len(&self) -> usize {
        self.schedules.len()
    }

    /// The one of a name. O(log n).
    #[must_use]
    pub fn schedule(&self, name: &[u8]) -> Option<&Schedule> {
        self.schedules.get(self.schedules.find(name)?)
    }

    /// When a schedule comes next, as far as that is known: for one that waits for the end of its run, when
    /// the run begins that has been made already.
    #[must_use]
    pub fn next_run(&self, schedule: &Schedule) -> Option<UnixMillis> {
        if schedule.next.is_some() || !matches!(schedule.timing, Timing::After(_)) {
            return schedule.next;
        }
        let last = schedule.last_job?;
        let job = self.job(self.find_ulid(last, || last.to_string().into())?);
        match job.state() {
            State::Delayed { until } if job.run().is_some() => Some(until),
            _ => None,
        }
    }

    /// Whether there is a schedule of which the host has to say when it comes next. O(1).
    #[must_use]
    #[inline]
    pub fn needs_plans(&self) -> bool {
        self.schedules.need_plans()
    }

    /// Some schedules of which the host has to say when they come next, in the order of their numbers.
    pub fn unplanned(&self) -> impl Iterator<Item = Unplanned<'_>> {
        self.schedules.unplanned().filter_map(|schedule| match &schedule.timing {
            Timing::Cron { expression, zone } => Some(Unplanned {
                schedule: schedule.number,
                expression,
                zone,
                after: schedule.last,
                passes: schedule.missed != Missed::All,
            }),
            Timing::Every { .. } | Timing::After(_) => None,
        })
    }

    /// Refuses more schedules than a queue may have, and jobs that it would never take.
    pub(crate) fn check_schedules(&self, order: &ScheduleOrder<'_>) -> Result<(), Refusal> {
        let check = |new: &NewSchedule<'_>| self.check_template(&new.job);
        let bytes = |new: &NewSchedule<'_>| bytes_of(new.name, new.timing, &new.job);
        let (count, bytes) = match order {
            ScheduleOrder::Set(new) => {
                check(new)?;
                let known = self.schedule(new.name);
                let others = self.schedules_len() - usize::from(known.is_some());
                let known = known.map_or(0, Schedule::bytes);
                (others + 1, self.schedules.filed_bytes() - known + bytes(new))
            }
            ScheduleOrder::Replace(all) => {
                all.iter().try_for_each(check)?;
                (all.len(), all.iter().map(bytes).sum())
            }
            ScheduleOrder::Run(name) => return self.check_run(name),
            ScheduleOrder::Delete(_) | ScheduleOrder::Pause(_) | ScheduleOrder::Resume(_) => {
                return Ok(())
            }
        };
        let fits = count <= SCHEDULES_MAX && bytes <= SCHEDULES_BYTES_MAX;
        fits.then_some(()).ok_or(Refusal::TooManySchedules)
    }

    /// Recounts everything that is kept twice. Part of [`check_invariants`](Self::check_invariants).
    pub(crate) fn check_schedule_book(&self) -> Result<(), String> {
        let mut runs = std::collections::HashMap::new();
        for (_, job) in self.jobs.iter() {
            let Some(run) = job.run() else { continue };
            if run.schedule == 0 || run.schedule > self.schedules.made() {
                return Err(format!("a run of no schedule: {run:?}"));
            }
            *runs.entry(run.schedule).or_insert(0) += u64::from(!job.state().kind().is_final());
        }
        for schedule in self.schedules.by_name() {
            let counted = runs.get(&schedule.number).copied().unwrap_or(0);
            let tries_again =
                matches!(schedule.timing, Timing::After(_)) && schedule.next.is_some();
            let is_wrong = schedule.is_owed() || tries_again && counted > 0;
            if schedule.unfinished != counted || is_wrong || !self.is_sound(schedule) {
                return Err(format!("{counted} runs are unfinished of {schedule:?}"));
            }
        }
        self.schedules.check()
    }

    /// Whether a schedule can be as it is.
    pub(crate) fn is_sound(&self, schedule: &Schedule) -> bool {
        let Schedule { next, then, queued, is_paused, .. } = *schedule;
        let is_behind = |at: Option<UnixMillis>| at.is_none_or(|at| at > schedule.last);
        let stands_still = next.is_none() && queued.is_none();
        let fits = match schedule.timing {
            Timing::Every { span, .. } => {
                // The next of the grid behind what was last.
                let (base, last) = (schedule.base, schedule.last);
                let is_next = |at: UnixMillis| at == first_behind(base, span, last);
                next.is_none_or(is_next) && next.is_some() != is_paused && then.is_none()
            }
            Timing::After(_) => schedule.overlap == Overlap::Allow && then.is_none(),
            Timing::Cron { .. } => {
                is_behind(next) && then.is_none_or(|then| next.is_some_and(|next| next < then))
            }
        };
        let is_cron = matches!(schedule.timing, Timing::Cron { .. });
        fits && (!is_paused || stands_still)
            && (queued.is_none() || schedule.overlap == Overlap::Queue)
            && schedule.last <= self.clock
            && (!schedule.is_over || is_cron && next.is_none())
            && schedule.history.len() <= HISTORY_MAX
    }
}

/// Heap bytes that a schedule takes, about. Its past counts as if it were as long as it can become, so that
/// all this follows from what is set.
fn bytes_of(name: &[u8], timing: Timing<&[u8]>, job: &Publish<'_>) -> usize {
    let timing = match timing {
        Timing::Cron { expression, zone } => expression.len() + zone.len(),
        Timing::Every { .. } | Timing::After(_) => 0,
    };
    size_of::<Schedule>()
        + book::FILED_BYTES
        + 2 * name.len()
        + timing
        + Template::bytes_of(job)
        + HISTORY_MAX * size_of::<Past>()
}

/// The first point of a grid behind an instant; the base if that is yet to come.
pub(crate) fn first_behind(base: UnixMillis, span: Millis, now: UnixMillis) -> UnixMillis {
    if base > now {
        return base;
    }
    let steps = now.since(base).0 / span.0 + 1;
    UnixMillis(base.0 + steps * span.0)
}
