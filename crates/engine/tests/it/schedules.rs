//! Schedules as clients set them, and a calendar for tests.

use jobq_engine::{
    Due, Millis, Missed, NewSchedule, Overlap, Plan, Publish, ScheduleOrder, Timing, UnixMillis,
    Unplanned,
};

use crate::{
    command::{Command, Draft},
    replay::any_span,
    support::Dice,
};

/// What is done to schedules, with texts of its own.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few at a time")]
pub enum Order {
    Set(Entry),
    Replace(Vec<Entry>),
    Delete(&'static [u8]),
    Pause(&'static [u8]),
    Resume(&'static [u8]),
    Run(&'static [u8]),
}

/// A schedule to be set.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: &'static [u8],
    pub timing: Timing<&'static [u8]>,
    pub overlap: Overlap,
    pub missed: Missed,
    pub job: Draft,
}

impl Entry {
    fn meant(&self) -> NewSchedule<'_> {
        let Self { name, timing, overlap, missed, .. } = *self;
        NewSchedule { name, timing, overlap, missed, job: self.publish() }
    }

    /// What it publishes.
    pub fn publish(&self) -> Publish<'_> {
        self.job.publish()
    }
}

impl Order {
    /// What a client asks with it.
    pub fn order(&self) -> ScheduleOrder<'_> {
        match self {
            Self::Set(entry) => ScheduleOrder::Set(Box::new(entry.meant())),
            Self::Replace(all) => ScheduleOrder::Replace(all.iter().map(Entry::meant).collect()),
            Self::Delete(name) => ScheduleOrder::Delete(name),
            Self::Pause(name) => ScheduleOrder::Pause(name),
            Self::Resume(name) => ScheduleOrder::Resume(name),
            Self::Run(name) => ScheduleOrder::Run(name),
        }
    }
}

/// When an expression comes next behind an instant: at each multiple of so many milliseconds as it
/// says, and never where it says nothing.
pub fn next_of(expression: &[u8], after: UnixMillis) -> Option<UnixMillis> {
    let step: u64 = std::str::from_utf8(expression).ok()?.parse().ok()?;
    Some(UnixMillis((after.0 / step + 1) * step))
}

/// What a host says of a schedule at this time.
pub fn planned(unplanned: &Unplanned<'_>, now: UnixMillis) -> Plan {
    let behind = |at: UnixMillis| next_of(unplanned.expression, at);
    let mut next = behind(unplanned.after);
    let mut passed = None;
    while let Some(at) = next.filter(|_| unplanned.passes) {
        let count = passed.map_or(0, |(count, _)| count);
        if count == 1_000 || behind(at).is_none_or(|then| then > now) {
            break;
        }
        passed = Some((count + 1, at));
        next = behind(at);
    }
    Plan { schedule: unplanned.schedule, passed, next, then: next.and_then(behind) }
}

/// The plans that a queue waits for.
pub fn plans(queue: &jobq_engine::Queue) -> Vec<Command> {
    let now = queue.clock();
    queue.unplanned().map(|it| Command::Plan(planned(&it, now))).collect()
}

/// The names of schedules: few, so that they meet.
pub const NAMES: [&[u8]; 3] = [b"hourly", b"nightly", b"\xFF"];

pub fn any_timing(dice: &mut Dice, now: u64) -> Timing<&'static [u8]> {
    match dice.below(4) {
        0 => Timing::After(Millis(1 + any_span(dice).0)),
        1 => {
            let expression = dice.pick(&[b"700".as_slice(), b"60000", b"60000", b"never"]);
            Timing::Cron { expression, zone: b"" }
        }
        _ => Timing::Every {
            span: Millis(500 + 100 * dice.below(100)),
            from: dice.maybe(40, |dice| UnixMillis((now + 500).saturating_sub(dice.below(1_000)))),
        },
    }
}

/// Some order, with jobs as they are made up by `job`.
pub fn any_order(dice: &mut Dice, now: u64, job: &mut dyn FnMut(&mut Dice) -> Draft) -> Order {
    let mut entry = |dice: &mut Dice, name| {
        let timing = any_timing(dice, now);
        let follows = matches!(timing, Timing::After(_));
        let (overlap, missed) = match follows {
            true => Default::default(),
            false => (dice.pick(&Overlap::ALL), dice.pick(&Missed::ALL)),
        };
        // Each of many missed runs would be a job: of these there are a few in a century.
        let (span, expression) = (Millis(Millis::MAX.0 / 20), &b"157788000000"[..]);
        let timing = match timing {
            Timing::Every { from, .. } if missed == Missed::All => Timing::Every { span, from },
            Timing::Cron { zone, .. } if missed == Missed::All => Timing::Cron { expression, zone },
            timing => timing,
        };
        let mut job = job(dice);
        job.bodies = vec![vec![b'x'; dice.below(20) as usize]];
        (job.id, job.deadline, job.replaces) = (None, None, None);
        (job.after, job.distant) = (Vec::new(), Vec::new());
        job.conditions.if_dead = Default::default();
        if matches!(job.due, Due::At(_)) {
            job.due = Due::Now;
        }
        if let Some(unique) = &mut job.conditions.unique {
            unique.otherwise = Default::default();
        }
        for text in [&mut job.wishes.job_type, &mut job.wishes.group] {
            *text = text.filter(|text| !text.is_empty());
        }
        Entry { name, timing, overlap, missed, job }
    };
    let name = dice.pick(&NAMES);
    match dice.below(12) {
        0..5 => Order::Set(entry(dice, name)),
        5 => {
            let names = NAMES.into_iter().filter(|_| dice.one_in(2)).collect::<Vec<_>>();
            Order::Replace(names.into_iter().map(|name| entry(dice, name)).collect())
        }
        6 => Order::Delete(name),
        7 => Order::Pause(name),
        8..10 => Order::Resume(name),
        _ => Order::Run(name),
    }
}
