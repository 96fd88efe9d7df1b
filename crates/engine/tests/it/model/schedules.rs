//! Schedules as the documentation tells them.

use jobq_engine::{Due, Millis, Missed, Overlap, Plan, Refusal, Timing, UnixMillis, Wishes};

use super::reference::{Answer, Model, Reply};
use crate::schedules::{Entry, Order};

/// How late an occurrence may be.
const GRACE: u64 = 60_000;

/// A schedule and all that is known of it.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub number: u64,
    pub entry: Entry,
    pub paused: bool,
    base: u64,
    pub next: Option<u64>,
    then: Option<u64>,
    over: bool,
    last: u64,
    queued: Option<u64>,
    pub previous: Option<u64>,
    /// Runs, skipped, missed, refused.
    pub counts: [u64; 4],
    pub past: Vec<(u64, What, u64)>,
}

/// What became of an occurrence. Which of several reasons was told, the model does not know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// The job by its place in publish order.
    Run(u64),
    ByHand(u64),
    Skipped,
    Missed,
    Refused,
}

impl Schedule {
    fn new(number: u64, entry: &Entry, now: u64) -> Self {
        let mut schedule = Self {
            number,
            entry: entry.clone(),
            paused: false,
            base: now,
            next: None,
            then: None,
            over: false,
            last: now,
            queued: None,
            previous: None,
            counts: [0; 4],
            past: Vec::new(),
        };
        schedule.begin(now);
        schedule
    }

    fn begin(&mut self, now: u64) {
        if let Timing::Every { from, .. } = self.entry.timing {
            self.base = from.map_or(now, |from| from.0);
        }
        self.go_on(now);
    }

    fn go_on(&mut self, now: u64) {
        (self.next, self.then, self.queued) = (None, None, None);
        (self.last, self.over) = (now, false);
        if let (Timing::Every { span, .. }, false) = (self.entry.timing, self.paused) {
            let mut steps = now.saturating_sub(self.base) / span.0;
            while self.base + steps * span.0 <= now {
                steps += 1;
            }
            self.next = Some(self.base + steps * span.0);
        }
    }

    pub fn is_unplanned(&self) -> bool {
        let is_cron = matches!(self.entry.timing, Timing::Cron { .. });
        is_cron && self.next.is_none() && !self.paused && !self.over
    }

    fn note(&mut self, at: u64, what: What, times: u64) {
        let count = match what {
            What::Run(_) | What::ByHand(_) => 0,
            What::Skipped => 1,
            What::Missed => 2,
            What::Refused => 3,
        };
        self.counts[count] += times;
        if matches!(what, What::Run(_)) {
            self.previous = Some(at);
        }
        match self.past.last_mut() {
            Some(last) if last.1 == what => {
                last.0 = at;
                last.2 += times;
            }
            _ => self.past.push((at, what, times)),
        }
    }
}

/// The job that was made last, by its place in publish order.
fn last_made(schedule: &Schedule) -> Option<u64> {
    let made = |(_, what, _): &(u64, What, u64)| match what {
        What::Run(seq) | What::ByHand(seq) => Some(*seq),
        _ => None,
    };
    schedule.past.iter().rev().find_map(made)
}

impl Model {
    pub fn unfinished(&self, number: u64) -> u64 {
        let is_run = |run: Option<(u64, u64)>| run.is_some_and(|(of, _)| of == number);
        let jobs = self.jobs.iter().filter(|job| is_run(job.run));
        jobs.filter(|job| !job.place.kind().is_final()).count() as u64
    }

    fn named(&mut self, name: &[u8]) -> Option<&mut Schedule> {
        self.schedules.iter_mut().find(|schedule| schedule.entry.name == name)
    }

    fn numbered(&mut self, number: u64) -> &mut Schedule {
        let mut all = self.schedules.iter_mut();
        all.find(|schedule| schedule.number == number).expect("it is there")
    }

    /// When the delayed run of one begins that follows its own end.
    pub fn next_run(&self, schedule: &Schedule) -> Option<u64> {
        if schedule.next.is_some() || !matches!(schedule.entry.timing, Timing::After(_)) {
            return schedule.next;
        }
        match self.find_seq(last_made(schedule)?)?.place {
            super::reference::Place::Delayed { until } => Some(until),
            _ => None,
        }
    }

    pub fn order(&mut self, order: &Order) -> Answer {
        let now = self.clock;
        let done = |changed: bool| Ok(Reply::Done(changed.into()));
        match order {
            Order::Set(entry) => {
                let reasons = self.refuses(entry);
                if !reasons.is_empty() {
                    return Err(reasons);
                }
                self.set_schedule(entry);
            }
            Order::Replace(all) => {
                let reasons: Vec<_> = all.iter().flat_map(|entry| self.refuses(entry)).collect();
                if !reasons.is_empty() {
                    return Err(reasons);
                }
                let names: Vec<_> = self.schedules.iter().map(|it| it.entry.name).collect();
                for name in names {
                    if !all.iter().any(|entry| entry.name == name) {
                        self.remove_schedule(name);
                    }
                }
                all.iter().for_each(|entry| self.set_schedule(entry));
            }
            Order::Delete(name) => {
                return done(self.remove_schedule(name));
            }
            Order::Pause(name) => {
                let Some(schedule) = self.named(name).filter(|it| !it.paused) else {
                    return done(false);
                };
                schedule.paused = true;
                (schedule.next, schedule.then, schedule.queued) = (None, None, None);
                return done(true);
            }
            Order::Resume(name) => {
                let Some(schedule) = self.named(name).filter(|it| it.paused || it.over) else {
                    return done(false);
                };
                if schedule.paused {
                    schedule.paused = false;
                    schedule.go_on(now);
                } else {
                    (schedule.last, schedule.over) = (now, false);
                }
                return done(true);
            }
            Order::Run(name) => {
                let Some(schedule) = self.named(name).cloned() else {
                    return Err(vec![Refusal::NoSuchSchedule]);
                };
                let follows = matches!(schedule.entry.timing, Timing::After(_));
                if let Some(waits) = self.waiting_run(&schedule) {
                    self.kick(waits);
                    return Ok(Reply::Published(vec![waits]));
                }
                if follows && self.unfinished(schedule.number) > 0 {
                    return Err(vec![Refusal::RunUnfinished]);
                }
                let made = self.publish_run(&schedule, now, 0)?;
                self.numbered(schedule.number).note(now, What::ByHand(made), 1);
                return Ok(Reply::Published(vec![made]));
            }
        }
        Ok(Reply::Configured)
    }

    /// Why a schedule cannot be set.
    fn refuses(&self, entry: &Entry) -> Vec<Refusal> {
        let publish = entry.publish();
        let headers = publish.headers.iter().map(|(name, value)| name.len() + value.len());
        let bytes = publish.bodies.as_slice()[0].len() + headers.sum::<usize>();
        let mut reasons: Vec<_> = self.settings.too_big(bytes).into_iter().collect();
        let Wishes { ttl, .. } = publish.wishes;
        if let (Some(ttl), Due::In(delay)) = (ttl.filter(|ttl| ttl.0 > 0), publish.due) {
            reasons.extend((ttl < delay).then_some(Refusal::ExpiresBeforeDue));
        }
        reasons
    }

    fn set_schedule(&mut self, entry: &Entry) {
        let now = self.clock;
        let Some(known) = self.named(entry.name).cloned() else {
            self.schedules_made += 1;
            let schedule = Schedule::new(self.schedules_made, entry, now);
            return self.schedules.push(schedule);
        };
        let meant = |entry: &Entry| format!("{:?} {:?}", entry.timing, entry.job);
        let stale = self.waiting_run(&known).filter(|_| meant(&known.entry) != meant(entry));
        let known = self.numbered(known.number);
        let before = std::mem::replace(&mut known.entry, entry.clone());
        if entry.overlap != Overlap::Queue {
            known.queued = None;
        }
        if before.timing != entry.timing {
            known.begin(now);
        } else if known.over {
            (known.last, known.over) = (now, false);
        }
        if let Some(stale) = stale {
            self.count(stale, |counts| &mut counts.replaced);
            self.remove(stale);
        }
    }

    /// The run that waits of one that follows its own end.
    fn waiting_run(&self, schedule: &Schedule) -> Option<u64> {
        let last = last_made(schedule)?;
        let job = self.find_seq(last)?;
        let is_delayed = matches!(job.place, super::reference::Place::Delayed { .. });
        let follows = matches!(schedule.entry.timing, Timing::After(_));
        (follows && is_delayed && job.deliveries == 0).then_some(last)
    }

    fn remove_schedule(&mut self, name: &[u8]) -> bool {
        let Some(schedule) = self.named(name).cloned() else { return false };
        let waits = self.waiting_run(&schedule);
        self.schedules.retain(|it| it.number != schedule.number);
        if let Some(seq) = waits {
            self.count(seq, |counts| &mut counts.deleted);
            self.remove(seq);
        }
        true
    }

    /// What the host says of one that it has to tell of.
    pub fn plan(&mut self, plan: &Plan) -> Answer {
        let refused = || Err(vec![Refusal::Diverged("")]);
        let now = self.clock;
        let mut all = self.schedules.iter_mut();
        let Some(known) = all.find(|it| it.number == plan.schedule && it.is_unplanned()) else {
            return refused();
        };
        let ms = |at: Option<UnixMillis>| at.map(|at| at.0);
        let passed = plan.passed.map(|(count, at)| (count, at.0));
        let named = [passed.map(|(_, at)| at), ms(plan.next), ms(plan.then)];
        let instants: Vec<_> = [Some(known.last)].into_iter().chain(named).flatten().collect();
        let is_late = passed.is_some_and(|(count, at)| count == 0 || at > now);
        if !instants.is_sorted_by(|a, b| a < b)
            || is_late
            || plan.next.is_none() && plan.then.is_some()
        {
            return refused();
        }
        if let Some((count, at)) = passed {
            known.note(at, What::Missed, count);
            known.last = at;
        }
        (known.next, known.then) = (ms(plan.next), ms(plan.then));
        known.over = plan.next.is_none();
        Ok(Reply::Configured)
    }

    /// The first that is due, and when.
    pub fn next_round(&self) -> Option<(u64, u64)> {
        self.schedules.iter().filter_map(|it| Some((it.next?, it.number))).min()
    }

    /// The instant of one has come.
    pub fn come_round(&mut self, number: u64) {
        let now = self.clock;
        let schedule = self.numbered(number);
        let due = schedule.next.take().expect("it is due");
        let then = schedule.then.take();
        let mut occurrence = due;
        let missed = schedule.entry.missed;
        match schedule.entry.timing {
            // It was refused, and is tried again.
            Timing::After(_) => return self.make_run(number, due, 0),
            Timing::Every { span, .. } => {
                let mut passed = 0;
                if missed != Missed::All {
                    passed = (now - due) / span.0;
                    occurrence = due + passed * span.0;
                }
                if passed > 0 {
                    schedule.note(occurrence - span.0, What::Missed, passed);
                }
                schedule.next = Some(occurrence + span.0);
            }
            Timing::Cron { .. } => {
                schedule.over = then.is_none();
                if missed != Missed::All && then.is_some_and(|then| then <= now) {
                    schedule.note(due, What::Missed, 1);
                    schedule.last = due;
                    return;
                }
            }
        }
        schedule.last = occurrence;
        if missed == Missed::None && now - occurrence > GRACE {
            return schedule.note(occurrence, What::Missed, 1);
        }
        if self.unfinished(number) == 0 || self.numbered(number).entry.overlap == Overlap::Allow {
            return self.make_run(number, occurrence, 0);
        }
        let schedule = self.numbered(number);
        match (schedule.entry.overlap, schedule.queued) {
            (Overlap::Queue, None) => schedule.queued = Some(occurrence),
            _ => schedule.note(occurrence, What::Skipped, 1),
        }
    }

    /// Makes the runs for which only the end of others was missing.
    pub fn make_owed_runs(&mut self) {
        loop {
            let is_owed = |it: &&Schedule| {
                let follows = matches!(it.entry.timing, Timing::After(_)) && it.next.is_none();
                let waits = follows || it.queued.is_some();
                waits && !it.paused && self.unfinished(it.number) == 0
            };
            let owed = self.schedules.iter().filter(is_owed).map(|it| it.number).min();
            let Some(number) = owed else { return };
            let now = self.clock;
            let schedule = self.numbered(number);
            match schedule.entry.timing {
                Timing::After(span) => self.make_run(number, now + span.0, span.0),
                _ => {
                    let occurrence = schedule.queued.take().expect("it is queued");
                    self.make_run(number, occurrence, 0);
                }
            }
        }
    }

    fn make_run(&mut self, number: u64, occurrence: u64, wait: u64) {
        let now = self.clock;
        let schedule = self.numbered(number).clone();
        let made = self.publish_run(&schedule, occurrence, wait);
        let schedule = self.numbered(number);
        match made {
            Ok(seq) => schedule.note(occurrence, What::Run(seq), 1),
            Err(_) => {
                schedule.note(occurrence, What::Refused, 1);
                if let Timing::After(span) = schedule.entry.timing {
                    schedule.next = Some(now + span.0);
                }
            }
        }
    }

    fn publish_run(
        &mut self,
        schedule: &Schedule,
        occurrence: u64,
        wait: u64,
    ) -> Result<u64, Vec<Refusal>> {
        let mut publish = schedule.entry.publish();
        if wait > 0 {
            let delay = match publish.due {
                Due::In(delay) => delay.0,
                _ => 0,
            };
            publish.due = Due::In(Millis(wait + delay));
            let ttl = publish.wishes.ttl.map_or(self.settings.ttl, |ttl| ttl.0);
            if ttl > 0 {
                publish.wishes.ttl = Some(Millis((wait + ttl).min(Millis::MAX.0)));
            }
        }
        let Reply::Published(seqs) = self.publish(&publish)? else {
            panic!("a run is a job of its own");
        };
        self.job(seqs[0]).run = Some((schedule.number, occurrence));
        self.begin_run(seqs[0]);
        Ok(seqs[0])
    }

    /// A run is to be done, for the first time or again: its end brings the next.
    pub fn begin_run(&mut self, seq: u64) {
        let Some((number, _)) = self.job(seq).run else { return };
        let mut all = self.schedules.iter_mut();
        let Some(schedule) = all.find(|it| it.number == number) else { return };
        if matches!(schedule.entry.timing, Timing::After(_)) {
            schedule.next = None;
        }
    }

    /// The jobs whose ids the engine has to tell, by their places in publish order.
    pub fn nameless(&self) -> Vec<u64> {
        self.jobs.iter().filter(|job| job.id.is_empty()).map(|job| job.seq).collect()
    }
}
