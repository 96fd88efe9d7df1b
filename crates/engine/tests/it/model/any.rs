//! Commands at random. They name jobs by where in the history they came from, `#12.0` for the first
//! job that step 12 published and `@15.1` for the second receipt that step 15 was given, so that a
//! name means the same when other steps are left out.

use std::collections::HashMap;

use jobq_engine::{
    Backoff, Change, Due, Haste, IfDead, Millis, Retain, Revival, Setting, Side, StateKind,
    UnixMillis, Verdict, Wishes,
};

use super::trial::Told;
use crate::{
    command::{Chosen, Command, Draft},
    replay::{
        any_backoff, any_batch, any_conditions, any_gates, any_group, any_holder, any_limit,
        any_retain, any_settings, any_span as any_short_span, any_subscription, any_verdict,
        GIVEN_IDS, WAITING,
    },
    schedules::any_order,
    support::Dice,
};

/// Beyond this many jobs, histories stop publishing.
const JOBS_MAX: usize = 20;

/// What clients remember, by the names that commands use.
#[derive(Default)]
pub struct Memory {
    texts: HashMap<String, String>,
    ids: Vec<String>,
    receipts: Vec<String>,
}

impl Memory {
    pub fn keep(&mut self, step: usize, told: &Told) {
        let (sign, texts, names) = match told {
            Told::Ids(ids) => ('#', ids, &mut self.ids),
            Told::Receipts(receipts) => ('@', receipts, &mut self.receipts),
            Told::Nothing => return,
        };
        for (place, text) in texts.iter().enumerate() {
            let name = format!("{sign}{step}.{place}");
            names.push(name.clone());
            self.texts.insert(name, text.clone());
        }
    }

    /// The text behind a name; in lower case behind one that begins with `~`.
    fn text(&self, name: &str) -> String {
        match (name.as_bytes()[0], &name[1..]) {
            (b'#' | b'@', _) => self.texts.get(name).cloned(),
            (b'~', rest) => self.texts.get(rest).map(|text| text.to_lowercase()),
            _ => Some(name.to_owned()),
        }
        .unwrap_or_else(|| "nothing".to_owned())
    }

    /// The command with texts in place of names.
    pub fn resolved(&self, command: &Command) -> Command {
        let mut command = command.clone();
        for name in names_of(&mut command) {
            *name = self.text(name);
        }
        command
    }
}

/// Every place in which a command names a job.
fn names_of(command: &mut Command) -> Vec<&mut String> {
    match command {
        Command::Publish(draft) => {
            draft.id.iter_mut().chain(&mut draft.replaces).chain(&mut draft.after).collect()
        }
        Command::Chain { done, next } => {
            [done].into_iter().chain(&mut next.id).chain(&mut next.after).collect()
        }
        Command::Update { job, .. }
        | Command::Cancel(job)
        | Command::Subscribe { job, .. }
        | Command::Unsubscribe { job, .. }
        | Command::CrossOff { receipt: job, .. } => vec![job],
        Command::Lease { ids: names, .. }
        | Command::Settle { jobs: names, .. }
        | Command::Touch { jobs: names, .. }
        | Command::Delete(names)
        | Command::Hasten { jobs: names, .. }
        | Command::Kick(Chosen::Ids(names))
        | Command::Respawn { chosen: Chosen::Ids(names), .. } => names.iter_mut().collect(),
        Command::Kick(Chosen::First(_))
        | Command::Respawn { chosen: Chosen::First(_), .. }
        | Command::TakeNotices { .. }
        | Command::Tick { .. }
        | Command::Term { .. }
        | Command::Consume { .. }
        | Command::BuryAll { .. }
        | Command::Purge { .. }
        | Command::Pause { .. }
        | Command::Resume
        | Command::Gate { .. }
        | Command::Configure(_)
        | Command::Limit { .. }
        | Command::Batch { .. }
        | Command::Follow { .. }
        | Command::Told { .. }
        | Command::Delivered { .. }
        | Command::Schedule(_)
        | Command::Plan(_) => Vec::new(),
    }
}

/// The same command with a little less to it, in each way that makes sense.
pub fn simpler(command: &Command) -> Vec<Command> {
    let mut simpler = Vec::new();
    match command {
        Command::Publish(draft) => {
            let mut with = |change: fn(&mut Draft)| {
                let mut draft = draft.clone();
                change(&mut draft);
                simpler.push(Command::Publish(draft));
            };
            with(|draft| draft.wishes = Wishes::default());
            with(|draft| draft.bodies.truncate(1));
            with(|draft| draft.bodies.iter_mut().for_each(Vec::clear));
            with(|draft| draft.id = None);
            with(|draft| draft.due = Due::Now);
            with(|draft| draft.deadline = None);
            with(|draft| draft.headers.clear());
            with(|draft| draft.replaces = None);
            with(|draft| draft.wishes.tries = None);
            with(|draft| draft.wishes.ttr = None);
            with(|draft| draft.wishes.ttl = None);
            with(|draft| draft.wishes.backoff = None);
            with(|draft| draft.wishes.retain = None);
            with(|draft| draft.wishes.priority = None);
            with(|draft| draft.wishes.job_type = None);
            with(|draft| draft.wishes.group = None);
            with(|draft| draft.conditions.uses.truncate(1));
            with(|draft| draft.conditions.uses.clear());
            with(|draft| draft.conditions.unique = None);
            with(|draft| draft.conditions.when.truncate(1));
            with(|draft| draft.conditions.when.clear());
            with(|draft| draft.conditions.batch = b"");
            with(|draft| draft.after.truncate(1));
            with(|draft| draft.after.clear());
            with(|draft| draft.conditions.if_dead = IfDead::Hold);
        }
        Command::Chain { done, next } => {
            for less in self::simpler(&Command::Publish(next.clone())) {
                let Command::Publish(next) = less else { continue };
                simpler.push(Command::Chain { done: done.clone(), next });
            }
        }
        Command::Update { job, change } => {
            let mut with = |clear: fn(&mut Change<'static>)| {
                let mut change = change.clone();
                clear(&mut change);
                simpler.push(Command::Update { job: job.clone(), change });
            };
            with(|change| change.body = None);
            with(|change| change.due = None);
            with(|change| change.priority = None);
            with(|change| change.ttl = None);
            with(|change| change.tries = None);
            with(|change| change.if_version = None);
        }
        Command::Settle { jobs, verdict: Verdict::Nack { delay, error: Some(_) } } => {
            let verdict = Verdict::Nack { delay: *delay, error: None };
            simpler.push(Command::Settle { jobs: jobs.clone(), verdict });
        }
        Command::Settle { jobs, verdict: Verdict::Bury { error: Some(_) } } => {
            let verdict = Verdict::Bury { error: None };
            simpler.push(Command::Settle { jobs: jobs.clone(), verdict });
        }
        Command::Respawn { chosen, revival } => {
            let plain = Revival { ttl: None, delay: Millis::ZERO, ..*revival };
            simpler.push(Command::Respawn { chosen: chosen.clone(), revival: plain });
        }
        Command::Configure(settings) => {
            simpler.extend((0..settings.len()).map(|left_out| {
                let mut settings = settings.clone();
                settings.remove(left_out);
                Command::Configure(settings)
            }));
        }
        _ => {}
    }
    let names = names_of(&mut command.clone()).len();
    for left_out in (0..names).filter(|_| names > 1) {
        let mut fewer = command.clone();
        if let Command::Settle { jobs: list, .. }
        | Command::Touch { jobs: list, .. }
        | Command::Lease { ids: list, .. }
        | Command::Delete(list)
        | Command::Hasten { jobs: list, .. }
        | Command::Kick(Chosen::Ids(list))
        | Command::Respawn { chosen: Chosen::Ids(list), .. } = &mut fewer
        {
            list.remove(left_out);
            simpler.push(fewer);
        }
    }
    // What is as it was before would be tried for ever.
    let text = format!("{command:?}");
    simpler.retain(|simpler| format!("{simpler:?}") != text);
    simpler
}

/// Makes up commands.
pub struct Any<'a> {
    pub dice: &'a mut Dice,
    pub memory: &'a Memory,
    /// How late it is for those who ask.
    pub now: &'a mut u64,
    /// How many jobs there are.
    pub jobs: usize,
    /// Whether there are groups and limits.
    pub bound: bool,
}

impl Any<'_> {
    pub fn command(&mut self) -> Command {
        let crowded = self.jobs >= JOBS_MAX;
        match self.dice.below(100) {
            0..19 => self.tick(),
            19 => Command::Term { seed: self.dice.roll(), tokens: self.dice.below(1 << 40) },
            20 if !crowded => {
                let mut next = Draft { replaces: None, ..self.draft() };
                next.bodies.truncate(1);
                Command::Chain { done: self.name(), next }
            }
            20..43 if !crowded => Command::Publish(self.draft()),
            20..56 => {
                let count = self.dice.pick(&[1, 1, 2, 3, 10]);
                Command::Consume { count, holder: any_holder(self.dice) }
            }
            56..58 => {
                let count = self.dice.below(4);
                let ids = (0..count).map(|_| self.id()).collect();
                Command::Lease { ids, holder: any_holder(self.dice) }
            }
            58..78 => {
                let jobs = self.names();
                Command::Settle { jobs, verdict: any_end(self.dice) }
            }
            78..81 => {
                let ttr = self.dice.maybe(50, |dice| Millis(1 + dice.below(500)));
                let progress = self.dice.maybe(30, |dice| dice.below(100));
                let result =
                    self.dice.maybe(30, |dice| dice.pick(&[&b""[..], b"so far", &[b'r'; 200]]));
                Command::Touch { jobs: self.names(), ttr, progress, result }
            }
            81 if self.dice.one_in(2) => {
                let jobs = self.names();
                Command::Hasten { jobs, haste: self.dice.pick(&Haste::ALL) }
            }
            81..83 => Command::Kick(self.choice()),
            83..87 => {
                let chosen = self.choice();
                let revival = Revival {
                    tries: self.dice.maybe(40, |dice| 1 + dice.below(4) as u32),
                    ttl: self.dice.maybe(40, any_span),
                    delay: self.dice.maybe(40, any_span).unwrap_or_default(),
                };
                Command::Respawn { chosen, revival }
            }
            87 => Command::Delete(self.names()),
            88 if self.dice.one_in(2) => self.order(),
            88 => Command::Cancel(if self.dice.one_in(3) { self.name() } else { self.id() }),
            89..93 => self.intervention(),
            93..97 => {
                let job = if self.dice.one_in(3) { self.name() } else { self.id() };
                Command::Update { job, change: self.change() }
            }
            _ if self.bound && self.dice.one_in(2) => any_limit(self.dice),
            _ if self.bound && self.dice.one_in(3) => {
                let most = self.dice.pick(&[0, 1, 2]);
                Command::Configure(vec![Setting::GroupMaxLen(most)])
            }
            _ => Command::Configure(any_settings(self.dice)),
        }
    }

    /// What an operator does to the queue as a whole.
    fn intervention(&mut self) -> Command {
        match self.dice.below(16) {
            12.. => {
                let name = if self.dice.one_in(3) { self.name() } else { self.id() };
                any_subscription(self.dice, name)
            }
            10.. => any_batch(self.dice),
            6.. => any_gates(self.dice),
            0 => {
                let state = self.dice.pick(&StateKind::ALL);
                Command::Purge { state, count: self.dice.pick(&[0, 1, 2, 5, u64::MAX]) }
            }
            1 => {
                let state = self.dice.pick(&WAITING);
                Command::BuryAll { state, count: self.dice.pick(&[0, 1, 2, 5, u64::MAX]) }
            }
            2..4 => {
                let side = self.dice.pick(&[Side::In, Side::Out, Side::Both]);
                Command::Pause { side, span: any_span(self.dice) }
            }
            _ => Command::Resume,
        }
    }

    /// Something about schedules.
    fn order(&mut self) -> Command {
        let (draft, now) = (self.draft(), *self.now);
        Command::Schedule(any_order(self.dice, now, &mut |_| draft.clone()))
    }

    fn tick(&mut self) -> Command {
        *self.now += match self.dice.below(20) {
            // A century in one tick is the most that may be.
            0 if self.dice.one_in(10) => Millis::MAX.0,
            0 => 600_000,
            1..4 => self.dice.below(20_000),
            _ => self.dice.below(60),
        };
        let back = if self.dice.one_in(10) { self.dice.below(5_000) } else { 0 };
        let budget = self.dice.pick(&[0, 1, 1, 2, 5, 100, 100]);
        Command::Tick { now: self.now.saturating_sub(back), budget }
    }

    fn draft(&mut self) -> Draft {
        let now = *self.now;
        let id = if self.dice.one_in(4) { Some(self.given_id()) } else { None };
        let replaces = if self.dice.one_in(10) { Some(self.name()) } else { None };
        let bound = self.bound;
        let count = self.dice.pick(&[0, 0, 0, 0, 0, 1, 1, 3]);
        let after = (0..count).map(|_| self.given_or_made()).collect();
        let dice = &mut *self.dice;
        let count = if id.is_none() && dice.one_in(4) { 1 + dice.below(3) } else { 1 };
        let wishes = Wishes {
            tries: dice.maybe(40, |dice| 1 + dice.below(3) as u32),
            ttr: dice.maybe(30, |dice| Millis(1 + dice.below(300))),
            ttl: dice.maybe(30, any_span),
            backoff: dice.maybe(30, any_rule),
            retain: dice.maybe(40, any_keeping),
            priority: dice.maybe(30, |dice| dice.below(5) as i8 - 2),
            job_type: dice.maybe(30, |dice| dice.pick(&[b"mail".as_slice(), b"", b"fax"])),
            group: any_group(dice).filter(|_| bound),
        };
        let headers: &[(&[u8], &[u8])] = &[(b"trace", b"1"), (b"", b"\0")];
        let mut conditions = any_conditions(dice);
        conditions.uses.retain(|_| bound);
        conditions.unique = conditions.unique.filter(|_| count == 1);
        Draft {
            bodies: (0..count).map(|_| vec![b'x'; dice.below(20) as usize]).collect(),
            id,
            due: match dice.below(10) {
                0..3 => Due::In(any_span(dice)),
                3 => Due::At(any_instant(dice, now)),
                _ => Due::Now,
            },
            deadline: dice.maybe(20, any_span).map(|span| UnixMillis(now).after(span)),
            headers: headers[..dice.pick(&[0, 0, 0, 1, 2])].to_vec(),
            replaces,
            wishes: if dice.one_in(3) { Wishes::default() } else { wishes },
            conditions,
            after,
            distant: Vec::new(),
        }
    }

    fn change(&mut self) -> Change<'static> {
        let now = *self.now;
        let dice = &mut *self.dice;
        let bodies = [b"".as_slice(), b"new", b"a body that is longer"];
        Change {
            body: dice.maybe(30, |dice| dice.pick(&bodies)),
            due: dice.maybe(30, |dice| match dice.below(3) {
                0 => Due::In(any_span(dice)),
                1 => Due::At(any_instant(dice, now)),
                _ => Due::Now,
            }),
            priority: dice.maybe(30, |dice| dice.below(5) as i8 - 2),
            ttl: dice.maybe(30, any_span),
            tries: dice.maybe(50, |dice| 1 + dice.below(3) as u32),
            if_version: dice.maybe(30, |dice| 1 + dice.below(3)),
        }
    }

    /// An id that may be new or taken, also one that was made.
    fn given_id(&mut self) -> String {
        if self.dice.one_in(6) {
            return self.id();
        }
        self.dice.pick(&GIVEN_IDS).to_owned()
    }

    fn given_or_made(&mut self) -> String {
        if self.dice.one_in(8) {
            self.dice.pick(&GIVEN_IDS).to_owned()
        } else {
            self.id()
        }
    }

    fn names(&mut self) -> Vec<String> {
        let count = self.dice.pick(&[1, 1, 1, 2, 5]);
        (0..count).map(|_| self.name()).collect()
    }

    /// Mostly a job that was published lately, in either case.
    fn id(&mut self) -> String {
        let ids = &self.memory.ids;
        if ids.is_empty() {
            return "nothing".to_owned();
        }
        let from = ids.len().saturating_sub(2 * JOBS_MAX);
        let name = self.dice.pick(&ids[from..]);
        if self.dice.one_in(8) {
            format!("~{name}")
        } else {
            name
        }
    }

    /// Receipts that hold, that are stale or spent, bare ids, and names of nothing.
    fn name(&mut self) -> String {
        let receipts = &self.memory.receipts;
        match self.dice.below(10) {
            0..5 if !receipts.is_empty() => {
                // The latest are likely to hold still.
                let from = receipts.len().saturating_sub(6);
                self.dice.pick(&receipts[from..])
            }
            5 if !receipts.is_empty() => self.dice.pick(receipts),
            6 => format!("{}@{}", self.dice.pick(&GIVEN_IDS), self.dice.below(50)),
            7 => self.dice.pick(&GIVEN_IDS).to_owned(),
            _ => self.id(),
        }
    }

    fn choice(&mut self) -> Chosen {
        if self.dice.one_in(2) {
            Chosen::First(self.dice.pick(&[0, 1, 2, 5, u64::MAX]))
        } else {
            Chosen::Ids((0..3).map(|_| self.name()).collect())
        }
    }
}

/// Mostly short, and seldom as long as may be.
fn any_span(dice: &mut Dice) -> Millis {
    if dice.one_in(50) {
        Millis::MAX
    } else {
        any_short_span(dice)
    }
}

fn any_rule(dice: &mut Dice) -> Backoff {
    match dice.below(20) {
        0 => Backoff::Fixed(Millis::MAX),
        1 => Backoff::Exponential { base: Millis::MAX, max: Millis::MAX },
        2 => Backoff::Exponential { base: Millis(1), max: Millis::MAX },
        _ => any_backoff(dice),
    }
}

fn any_keeping(dice: &mut Dice) -> Retain {
    if dice.one_in(20) {
        Retain::For(Millis::MAX)
    } else {
        any_retain(dice)
    }
}

fn any_end(dice: &mut Dice) -> Verdict<'static> {
    /// Longer than what is kept of it.
    static LONG: [u8; 5_000] = [b'e'; 5_000];
    match dice.below(40) {
        0 => Verdict::Nack { delay: dice.maybe(50, any_span), error: Some(&LONG) },
        1 => Verdict::Bury { error: Some(&LONG) },
        _ => any_verdict(dice),
    }
}

fn any_instant(dice: &mut Dice, now: u64) -> UnixMillis {
    if dice.one_in(50) {
        return UnixMillis::MAX;
    }
    UnixMillis((now + 100).saturating_sub(dice.below(200)))
}
