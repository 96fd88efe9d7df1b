//! Whether what clients were told can be true of one queue that keeps its promises.
//!
//! Every rule takes the benefit of the doubt: what was asked for may have happened at any time
//! between the question and the answer, or not at all where no answer came. What a server may
//! forget, as the durability that it was given has it, is told by the history's losses.

mod tests;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

use super::history::{successor_of, Done, Fact, History, Receipt, Way, What};

/// Instants are whole milliseconds to a queue.
const GRAIN: Duration = Duration::from_millis(1);

/// What a check found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Broken promises, each with all that is known of the job.
    pub broken: Vec<String>,
    /// Jobs of which anything is known.
    pub jobs: usize,
    /// Deliveries.
    pub deliveries: usize,
    /// Deliveries of jobs that had been delivered before.
    pub repeated: usize,
    /// Publishes that were acknowledged and forgotten, within what may be forgotten.
    pub publishes_forgotten: usize,
    /// Acks that were acknowledged and forgotten, within what may be forgotten.
    pub finishes_forgotten: usize,
    /// Acks with a successor that were acknowledged.
    pub chains: usize,
    /// Acks with a successor that were not answered.
    pub chains_unanswered: usize,
}

/// Reads a history.
pub fn check(history: &History) -> Findings {
    let mut by_job: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
    for fact in &history.facts {
        by_job.entry(&fact.job).or_default().push(fact);
    }
    by_job.values_mut().for_each(|facts| facts.sort_by_key(|fact| fact.sent));
    let lives = by_job.iter().map(|(job, facts)| (*job, Life::new(history, job, facts)));
    let lives: Lives = lives.collect();
    let mut findings = Findings { jobs: lives.len(), ..Findings::default() };
    for life in lives.values() {
        findings.broken.extend(life.broken().into_iter().map(|rule| life.told(rule)));
        findings.broken.extend(life.torn_from_its_successor(&lives));
        findings.chains += life.chains(Done::Yes);
        findings.chains_unanswered += life.chains(Done::Maybe);
        findings.deliveries += life.deliveries.len();
        findings.repeated += life.deliveries.len().saturating_sub(1);
        findings.publishes_forgotten += usize::from(life.is_published(Done::Yes) && life.is_lost());
        findings.finishes_forgotten += usize::from(life.is_finished_in_vain());
    }
    findings.broken.extend(receipts_given_twice(history));
    findings.broken.extend(tokens_that_do_not_grow(history));
    findings
}

/// What is known of each job.
type Lives<'a> = BTreeMap<&'a str, Life<'a>>;

/// What must hold, and whether it does not.
type Rule<'a> = (&'static str, fn(&Life<'a>) -> bool);

/// All that is known of one job, in the order in which it was asked for.
struct Life<'a> {
    history: &'a History,
    job: &'a str,
    facts: &'a [&'a Fact],
    deliveries: Vec<Delivery<'a>>,
    settlements: Vec<Settlement<'a>>,
}

struct Delivery<'a> {
    fact: &'a Fact,
    receipt: &'a Receipt,
    ttr: Duration,
    answered: Instant,
    is_certain: bool,
}

struct Settlement<'a> {
    fact: &'a Fact,
    receipt: &'a Receipt,
    way: Way,
    done: Done,
    is_certain: bool,
}

impl Settlement<'_> {
    fn surely(&self) -> bool {
        self.done == Done::Yes && self.is_certain
    }

    fn possibly(&self) -> bool {
        self.done != Done::No
    }
}

impl<'a> Life<'a> {
    fn new(history: &'a History, job: &'a str, facts: &'a [&'a Fact]) -> Self {
        let deliveries = facts.iter().filter_map(|fact| match &fact.what {
            What::Deliver { receipt, ttr } => Some(Delivery {
                fact,
                receipt,
                ttr: Duration::from_millis(*ttr),
                answered: fact.answered?,
                is_certain: history.is_certain(fact),
            }),
            _ => None,
        });
        let mut deliveries: Vec<_> = deliveries.collect();
        // As they were given: an answer may be long on its way, and tokens grow.
        deliveries.sort_by_key(|delivery| delivery.receipt.token);
        let settlements = facts.iter().filter_map(|fact| match &fact.what {
            What::Settle { way, receipt, done } => {
                let is_certain = history.is_certain(fact);
                Some(Settlement { fact, receipt, way: *way, done: *done, is_certain })
            }
            _ => None,
        });
        let settlements = settlements.collect();
        Self { history, job, facts, deliveries, settlements }
    }

    /// The rules that this life breaks.
    fn broken(&self) -> Vec<&'static str> {
        let rules: [Rule<'a>; 10] = [
            ("a delivered job was published", Self::is_from_nowhere),
            ("no acknowledged publish disappears", |life| {
                life.is_published_for_good() && life.is_lost()
            }),
            ("a finished job is never delivered again", Self::is_delivered_when_finished),
            ("a job is leased to one consumer at a time", Self::is_leased_twice),
            ("a job has no more deliveries than tries", Self::is_delivered_too_often),
            ("a job is not delivered before it is due", Self::is_early),
            (
                "a job that was nacked is not delivered before its wait is over",
                Self::is_retried_early,
            ),
            ("a receipt settles once", Self::is_settled_twice),
            ("a stale receipt changes nothing", Self::is_settled_by_a_stale_receipt),
            ("a result is kept", Self::has_no_result),
        ];
        let broken = rules.into_iter().filter(|(_, is_broken)| is_broken(self));
        broken.map(|(rule, _)| rule).collect()
    }

    fn told(&self, rule: &str) -> String {
        let begun = self.facts.first().map(|fact| fact.sent);
        let lines = self.facts.iter().map(|fact| {
            let since = |at: Instant| begun.map_or(0, |begun| (at - begun).as_micros());
            let answered = fact.answered.map_or("never".into(), |at| since(at).to_string());
            let certain = if self.history.is_certain(fact) { "" } else { " (not for certain)" };
            format!(
                "\n    {} to {answered} us, {}: {:?}{certain}",
                since(fact.sent),
                fact.server,
                fact.what
            )
        });
        format!("{rule}: {}{}", self.job, lines.collect::<String>())
    }

    fn publishes(&self) -> impl Iterator<Item = (&'a Fact, u64, usize, Done)> + '_ {
        self.facts.iter().filter_map(|fact| match fact.what {
            What::Publish { delay, tries, done } => Some((*fact, delay, tries, done)),
            _ => None,
        })
    }

    fn certain_deliveries(&self) -> impl Iterator<Item = &Delivery<'a>> {
        self.deliveries.iter().filter(|delivery| delivery.is_certain)
    }

    fn is_published(&self, as_told: Done) -> bool {
        self.publishes().any(|(.., done)| done == as_told)
    }

    fn is_published_for_good(&self) -> bool {
        self.publishes().any(|(fact, .., done)| done == Done::Yes && self.history.is_certain(fact))
    }

    fn is_from_nowhere(&self) -> bool {
        !self.deliveries.is_empty()
            && !self.is_published(Done::Yes)
            && !self.is_published(Done::Maybe)
    }

    /// Nobody can have finished it, and it is not there.
    fn is_lost(&self) -> bool {
        let is_finished = |settled: &Settlement| settled.way.finishes() && settled.possibly();
        !self.settlements.iter().any(is_finished) && !self.is_there_at_the_end()
    }

    fn is_there_at_the_end(&self) -> bool {
        self.deliveries.iter().any(|delivery| self.history.is_drained(delivery.fact))
    }

    fn is_delivered_when_finished(&self) -> bool {
        self.delivered_after(self.settlements.iter().filter(|settled| settled.surely()))
    }

    /// Finished as it was told, and delivered again since the server forgot it.
    fn is_finished_in_vain(&self) -> bool {
        let told = |settled: &&Settlement| settled.done == Done::Yes && !settled.is_certain;
        self.delivered_after(self.settlements.iter().filter(told))
    }

    fn delivered_after<'s>(&self, mut settled: impl Iterator<Item = &'s Settlement<'s>>) -> bool {
        settled.any(|settled| {
            settled.way.finishes()
                && self.certain_deliveries().any(|delivery| {
                    settled.fact.answered.is_some_and(|answered| delivery.fact.sent > answered)
                })
        })
    }

    fn is_leased_twice(&self) -> bool {
        let certain: Vec<_> = self.certain_deliveries().collect();
        certain.windows(2).any(|pair| {
            let [first, second] = pair else { return false };
            let ended = |settled: &Settlement| {
                settled.receipt == first.receipt
                    && settled.way.ends_the_lease()
                    && settled.possibly()
                    && settled.fact.sent < second.answered
            };
            second.answered + GRAIN < first.fact.sent + first.ttr
                && !self.settlements.iter().any(ended)
        })
    }

    fn is_delivered_too_often(&self) -> bool {
        let Some((_, _, tries, _)) = self.publishes().next() else { return false };
        let released = |settled: &&Settlement| settled.way == Way::Release && settled.possibly();
        let releases = self.settlements.iter().filter(released).count();
        // What is taken at the end was respawned if it was dead.
        let counted = |delivery: &&Delivery| !self.history.is_drained(delivery.fact);
        self.certain_deliveries().filter(counted).count() > tries + releases
    }

    fn is_early(&self) -> bool {
        let Some((fact, delay, ..)) = self.publishes().next() else { return false };
        let due = fact.sent + Duration::from_millis(delay);
        self.in_time().any(|delivery| delivery.answered + GRAIN < due)
    }

    fn is_retried_early(&self) -> bool {
        self.settlements.iter().filter(|settled| settled.surely()).any(|settled| {
            let Way::Nack(wait) = settled.way else { return false };
            let due = settled.fact.sent + Duration::from_millis(wait);
            let next = |delivery: &&Delivery| delivery.receipt.token > settled.receipt.token;
            self.in_time().filter(next).any(|delivery| delivery.answered + GRAIN < due)
        })
    }

    /// Deliveries while the load went on: at the end, what is delayed is kicked.
    fn in_time(&self) -> impl Iterator<Item = &Delivery<'a>> {
        self.certain_deliveries().filter(|delivery| !self.history.is_drained(delivery.fact))
    }

    fn is_settled_twice(&self) -> bool {
        let ends = |settled: &&Settlement| settled.way.ends_the_lease() && settled.surely();
        let mut used = HashSet::new();
        self.settlements.iter().filter(ends).any(|settled| !used.insert(settled.receipt))
    }

    fn is_settled_by_a_stale_receipt(&self) -> bool {
        self.settlements.iter().filter(|settled| settled.surely()).any(|settled| {
            self.certain_deliveries().any(|delivery| {
                delivery.receipt.token > settled.receipt.token
                    && delivery.answered < settled.fact.sent
            })
        })
    }

    fn has_no_result(&self) -> bool {
        let fulfilled = |settled: &Settlement| settled.way == Way::Fulfill && settled.surely();
        self.settlements.iter().any(fulfilled) && !self.history.results.contains(self.job)
    }

    fn chains(&self, as_told: Done) -> usize {
        let is_one = |settled: &&Settlement| settled.way == Way::Chain && settled.done == as_told;
        self.settlements.iter().filter(is_one).count()
    }

    /// A successor is there exactly if its predecessor was acked with it. Where the answer says which,
    /// the other rules see to it; where there was none, both or neither of it happened.
    fn torn_from_its_successor(&self, lives: &Lives<'a>) -> Option<String> {
        let finishes = |settled: &&Settlement| settled.way.finishes() && settled.possibly();
        let finishes: Vec<_> = self.settlements.iter().filter(finishes).collect();
        let chains = finishes.iter().filter(|settled| settled.way == Way::Chain);
        let successors = chains.filter_map(|settled| {
            lives.get(successor_of(&settled.fact.queue, settled.receipt).as_str())
        });
        let successors: Vec<_> = successors.collect();
        let is_beside = |successor: &&&Life| {
            successor.certain_deliveries().any(|of_successor| {
                self.certain_deliveries().any(|own| own.fact.sent > of_successor.answered)
            })
        };
        if let Some(successor) = successors.iter().find(is_beside) {
            let rule = "a job that is delivered again has no successor";
            return Some(format!("{}\n{}", self.told(rule), successor.told("which is")));
        }
        let only_so_finished = successors.len() == finishes.len() && !finishes.is_empty();
        let is_gone = self.is_published_for_good() && !self.is_there_at_the_end();
        let has_none = successors.iter().all(|successor| successor.is_lost());
        let rule = "a job that is finished with a successor has one";
        (only_so_finished && is_gone && has_none).then(|| self.told(rule))
    }
}

fn deliveries(history: &History) -> impl Iterator<Item = (&Fact, &Receipt)> {
    history.facts.iter().filter_map(|fact| match &fact.what {
        What::Deliver { receipt, .. } => Some((fact, receipt)),
        _ => None,
    })
}

/// No receipt is given out twice, whatever was forgotten: its worker could settle another's.
fn receipts_given_twice(history: &History) -> impl Iterator<Item = String> + '_ {
    let mut given = HashMap::new();
    deliveries(history).filter_map(move |(fact, receipt)| {
        let before = given.insert((&fact.queue, receipt), &fact.job)?;
        Some(format!("{receipt} of {} was given twice, for {before} and {}", fact.queue, fact.job))
    })
}

/// Tokens grow from delivery to delivery, so that they can fence.
fn tokens_that_do_not_grow(history: &History) -> Vec<String> {
    let mut by_queue: HashMap<&str, Vec<(&Fact, &Receipt)>> = HashMap::new();
    for (fact, receipt) in deliveries(history) {
        if !history.is_of_another_world(fact) {
            by_queue.entry(&fact.queue).or_default().push((fact, receipt));
        }
    }
    let mut broken = Vec::new();
    for (queue, mut in_order) in by_queue {
        let mut answered = in_order.clone();
        answered.sort_by_key(|(fact, _)| fact.answered);
        in_order.sort_by_key(|(fact, _)| fact.sent);
        let mut before = answered.into_iter().peekable();
        let mut highest: Option<&Receipt> = None;
        for (fact, receipt) in in_order {
            while let Some((_, earlier)) =
                before.next_if(|(earlier, _)| earlier.answered < Some(fact.sent))
            {
                highest = highest.into_iter().chain([earlier]).max_by_key(|receipt| receipt.token);
            }
            if let Some(highest) = highest.filter(|highest| highest.token >= receipt.token) {
                broken.push(format!("tokens grow: {receipt} of {queue} came after {highest}"));
            }
        }
    }
    broken
}
