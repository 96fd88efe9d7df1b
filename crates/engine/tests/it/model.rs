//! Random histories, told to the engine and to a naive queue that is written from the documentation.
//! After every step the two must agree in all that can be seen. A history in which they do not is
//! made as short as it gets, and printed.
//!
//! `JOBQ_SEEDS=10000` tells so many histories, `JOBQ_SEED=7` that one. A seed tells another history
//! as soon as there is more to choose from, so what is learned from one becomes a test in
//! `lifecycle`.
//!
//! What is asked of the engine and not of the model does not compile, or fails the test that all of
//! it is met.

mod any; // commands at random, and simpler ones
mod batches; // jobs that are delivered together
mod bonds; // leases that are bound
mod met; // words for all that can be asked
mod notices; // subscribers, and what they are told
mod reference; // the naive queue
mod schedules; // jobs that publish themselves
mod trial; // engine and model side by side
mod turns; // what holds of the order of service where there are groups and limits

use std::{
    collections::HashSet,
    panic::{catch_unwind, AssertUnwindSafe},
};

use jobq_engine::{Counters, Due, Verdict};

use self::{
    any::{simpler, Any, Memory},
    trial::{Told, Trial},
};
use crate::{
    command::{Command, REFUSALS},
    schedules::plans as schedules_that_wait,
    support::{for_seeds, Dice, START},
};

const CASES: u64 = 300;
const STEPS: usize = 200;

/// A step of a history and its number, which it keeps when others are left out.
type Step = (usize, Command);

#[test]
fn the_engine_does_what_the_documentation_says() {
    for_seeds(CASES, check);
}

/// Tells the history of this seed, and shortens it if it fails.
fn check(seed: u64) {
    let mut history = Vec::new();
    let told = Story::new(seed).tell_at_random(STEPS, &mut history);
    if told.is_ok() {
        return;
    }
    let shortest = shortest(history, &|history| Story::of(seed, history).is_err());
    let difference = Story::of(seed, &shortest).expect_err("it fails");
    let lines: Vec<_> =
        shortest.iter().map(|(number, command)| format!("{number}: {command:?}")).collect();
    panic!("with JOBQ_SEED={seed}, after\n{}\n{difference}", lines.join("\n"));
}

/// A trial and what the clients in it remember.
struct Story {
    seed: u64,
    trial: Trial,
    memory: Memory,
    dice: Dice,
    now: u64,
}

impl Story {
    fn new(seed: u64) -> Self {
        // Without groups and limits, the order of service is known to the job.
        let (trial, memory) = (Trial::new(seed % 2 == 1), Memory::default());
        Self { seed, trial, memory, dice: Dice(seed), now: START }
    }

    /// Makes up the history as it is told, and keeps it.
    fn tell_at_random(&mut self, steps: usize, history: &mut Vec<Step>) -> Result<(), String> {
        for number in 0..steps {
            let jobs = self.trial.queue.len();
            let (dice, memory, now) = (&mut self.dice, &self.memory, &mut self.now);
            let bound = self.seed % 2 == 1;
            let plans = schedules_that_wait(&self.trial.queue);
            let command = match plans.last().filter(|_| dice.one_in(3)) {
                Some(plan) => plan.clone(),
                None => Any { dice, memory, now, jobs, bound }.command(),
            };
            history.push((number, command.clone()));
            self.tell(&(number, command))?;
        }
        Ok(())
    }

    /// Performs a step; a panic is a difference too.
    fn tell(&mut self, (number, command): &Step) -> Result<(), String> {
        let command = self.memory.resolved(command);
        // Looks at the same pages however short the history before.
        let mut dice = Dice(self.seed ^ *number as u64);
        let performed = catch_unwind(AssertUnwindSafe(|| self.trial.perform(&command, &mut dice)));
        let told = performed.map_err(|_| "a panic".to_owned()).and_then(|told| told);
        let told = told.map_err(|difference| format!("{difference}, by {command:?}"))?;
        if let (Told::Ids(ids), 0) = (&told, number % 3) {
            self.trial.watch(ids);
        }
        self.memory.keep(*number, &told);
        Ok(())
    }

    fn of(seed: u64, history: &[Step]) -> Result<(), String> {
        let mut story = Self::new(seed);
        history.iter().try_for_each(|step| story.tell(step))
    }
}

/// A history as short and simple as this one gets while it fails.
fn shortest(mut history: Vec<Step>, fails: &dyn Fn(&[Step]) -> bool) -> Vec<Step> {
    let mut size = history.len();
    while size > 0 {
        let mut is_less = false;
        let mut from = 0;
        while from < history.len() {
            let mut shorter = history.clone();
            shorter.drain(from..history.len().min(from + size));
            if fails(&shorter) {
                history = shorter;
                is_less = true;
            } else {
                from += size;
            }
        }
        if size == 1 {
            is_less |= simplify(&mut history, fails);
        }
        if size > 1 || !is_less {
            size /= 2;
        }
    }
    history
}

/// Makes each command simpler while the history fails. False if none can be.
fn simplify(history: &mut [Step], fails: &dyn Fn(&[Step]) -> bool) -> bool {
    let mut is_less = false;
    for place in 0..history.len() {
        let mut ways = simpler(&history[place].1);
        while let Some(command) = ways.pop() {
            let before = std::mem::replace(&mut history[place].1, command);
            if fails(history) {
                is_less = true;
                ways = simpler(&history[place].1);
            } else {
                history[place].1 = before;
            }
        }
    }
    is_less
}

#[test]
fn a_history_that_fails_is_made_as_short_as_it_gets() {
    let is_kept = |command: &Command| match command {
        Command::Publish(draft) => draft.wishes.retain.is_some(),
        _ => false,
    };
    let is_fulfilled = |command: &Command| match command {
        Command::Settle { jobs, verdict: Verdict::Fulfill { .. } } => !jobs.is_empty(),
        _ => false,
    };
    let fails = |history: &[Step]| {
        let mut steps = history.iter();
        steps.any(|(_, command)| is_kept(command))
            && steps.any(|(_, command)| is_fulfilled(command))
    };
    let mut history = Vec::new();
    Story::new(1).tell_at_random(STEPS, &mut history).expect("the two agree");
    assert!(fails(&history));
    let shortest = shortest(history, &fails);
    let [(_, Command::Publish(draft)), (_, Command::Settle { jobs, .. })] = &shortest[..] else {
        panic!("{shortest:?}");
    };
    assert_eq!((draft.wishes.ttl, draft.due, jobs.len()), (None, Due::Now, 1));
}

#[test]
fn the_histories_meet_everything_that_a_queue_can_do() {
    let (mut met, mut refused, mut counted) = (HashSet::new(), HashSet::new(), HashSet::new());
    for seed in 0..100 {
        let mut story = Story::new(seed);
        story.tell_at_random(STEPS, &mut Vec::new()).unwrap_or_else(|why| panic!("{seed}: {why}"));
        met.extend(story.trial.met);
        refused.extend(story.trial.refused);
        let counters = story.trial.queue.counters().named();
        counted.extend(counters.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name));
    }
    for (name, _) in Counters::default().named() {
        assert!(counted.contains(name), "nothing was {name}");
    }
    for word in met::ALL {
        assert!(met.contains(word), "no history has: {word}");
    }
    // It takes very many.
    for word in REFUSALS.into_iter().filter(|word| *word != "too many schedules") {
        assert!(refused.contains(word), "nothing was refused as {word}");
    }
}
