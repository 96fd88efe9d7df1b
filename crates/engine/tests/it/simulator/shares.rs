//! Who is served, as one who looks on counts it: no limit gives more than it has, and no group is passed
//! over for longer than is fair.
//!
//! Nothing is taken from what the engine counts: what is held is what is leased, and what was taken is
//! what was delivered.

use std::collections::{BTreeMap, BTreeSet};

use jobq_engine::{
    uses, Job, LimitName, Listing, Otherwise, Permits, Queue, Slot, State, StateKind, Unique,
    Verdict,
};

use crate::command::{Answer, Command};

/// Deliveries of a limit that are remembered.
const REMEMBERED_MAX: usize = 50;

/// The jobs of one priority and one group; those without are one, too.
type Line = (i8, Vec<u8>);

/// What was given of limits, and who was passed over how often.
#[derive(Default)]
pub struct Shares {
    /// When how much of a limit was taken, since it was set.
    taken: BTreeMap<String, Vec<(u64, u64)>>,
    /// Of each line where somebody waits: how often other groups of the priority were served since it
    /// began to wait, or was served last.
    passed: BTreeMap<Line, BTreeMap<Vec<u8>, u32>>,
}

/// Who stands where, and whether their turns are being counted.
pub struct Standing {
    lines: BTreeMap<Line, BTreeSet<Slot>>,
    is_in_turn: bool,
}

impl Standing {
    pub fn of(queue: &Queue) -> Self {
        let mut lines: BTreeMap<Line, BTreeSet<Slot>> = BTreeMap::new();
        let mut is_in_turn = queue.chores_left() == 0;
        for slot in of_state(queue, StateKind::Ready) {
            let job = queue.job(slot);
            if matches!(job.state(), State::Ready { parked: false, .. }) {
                lines.entry(line_of(queue, job)).or_default().insert(slot);
            }
            // One whose life is over is passed over, and its group has had its turn.
            is_in_turn &= queue.ends_at(job).is_none_or(|at| at > queue.clock());
        }
        Self { lines, is_in_turn }
    }
}

impl Shares {
    /// Whatever was counted is of another history.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Looks at what a step has done. Tells what there was to see.
    pub fn look(
        &mut self,
        queue: &Queue,
        command: &Command,
        told: &Answer,
        before: &Standing,
    ) -> Vec<&'static str> {
        let mut seen = Vec::new();
        if let Command::Limit { name, .. } = command {
            let name = String::from_utf8_lossy(name).into_owned();
            let is_named = |limit: &String| match &*name {
                "group:*" => limit.starts_with("group:"),
                name => limit == name,
            };
            self.taken.retain(|limit, _| !is_named(limit));
        }
        let after = Standing::of(queue);
        let goes_on = before.is_in_turn && after.is_in_turn && !gives_places(command);
        if let Answer::Deliveries(jobs) = told {
            let slot = |(id, _): &(String, u64)| queue.find_id(id).expect("just delivered");
            let slots: Vec<_> = jobs.iter().map(slot).collect();
            seen.extend(self.take(queue, &slots));
            if goes_on {
                seen.extend(self.serve(queue, &slots, before));
            }
        }
        if !goes_on {
            self.passed.clear();
        }
        // Whoever has left meanwhile, and come again, has begun to wait then.
        let stays = |line: &Line, slots: &BTreeSet<Slot>| {
            before.lines.get(line).is_some_and(|earlier| !earlier.is_disjoint(slots))
        };
        self.passed.retain(|line, _| after.lines.get(line).is_some_and(|it| stays(line, it)));
        for line in after.lines.keys() {
            self.passed.entry(line.clone()).or_default();
        }
        let is_parked = |slot| matches!(queue.job(slot).state(), State::Ready { parked: true, .. });
        if of_state(queue, StateKind::Ready).into_iter().any(is_parked) {
            seen.push("job waited for a limit");
        }
        seen
    }

    /// Counts what was taken, and checks that there was as much.
    fn take(&mut self, queue: &Queue, slots: &[Slot]) -> Option<&'static str> {
        let now = queue.clock().0;
        let mut touched = BTreeSet::new();
        for &slot in slots {
            for (limit, weight) in limits_of(queue, queue.job(slot)) {
                let taken = self.taken.entry(limit.clone()).or_default();
                taken.push((now, weight));
                if taken.len() > REMEMBERED_MAX {
                    taken.remove(0);
                }
                touched.insert(limit);
            }
        }
        let mut held: BTreeMap<String, (u64, u32)> = BTreeMap::new();
        for slot in of_state(queue, StateKind::Leased) {
            for (limit, weight) in limits_of(queue, queue.job(slot)) {
                let (sum, jobs) = held.entry(limit).or_default();
                (*sum, *jobs) = (*sum + weight, *jobs + 1);
            }
        }
        let mut seen = None;
        for limit in touched {
            let Permits { concurrency, rate } = permits(queue, &limit);
            if let Some(most) = concurrency {
                let (sum, jobs) = held[&limit];
                // What weighs more than there is, is held alone.
                assert!(sum <= most.into() || jobs == 1, "{sum} of {most} of {limit} are held");
                seen = Some("limit full").filter(|_| sum >= most.into()).or(seen);
            }
            let Some(rate) = rate else { continue };
            let tokens = u64::from(rate.tokens);
            let mut sum = 0;
            for &(from, weight) in self.taken[&limit].iter().rev() {
                sum += weight.min(tokens);
                let back = u128::from(now - from) * u128::from(tokens) / u128::from(rate.per.0);
                let most = u128::from(tokens) + back;
                assert!(u128::from(sum) <= most, "{sum} of {most} of {limit} since {from}");
            }
        }
        seen
    }

    /// Counts whose turn it was, and checks that nobody had two while another waited for its own.
    fn serve(&mut self, queue: &Queue, slots: &[Slot], before: &Standing) -> Option<&'static str> {
        let mut seen = None;
        let mut served = BTreeSet::new();
        for &slot in slots {
            let line = line_of(queue, queue.job(slot));
            served.insert(slot);
            let weight = queue.config().group_weights.get(&*line.1).copied().unwrap_or(1);
            for (other, passed) in &mut self.passed {
                let waits = before.lines.get(other).is_some_and(|it| !it.is_subset(&served));
                if other.0 != line.0 || other.1 == line.1 || !waits {
                    continue;
                }
                let times = passed.entry(line.1.clone()).or_default();
                *times += 1;
                let (name, of) = (line.1.escape_ascii(), other.1.escape_ascii());
                assert!(*times <= weight, "group {name} is served {times} times before {of}");
                seen = Some("group waited for its turn");
            }
            self.passed.insert(line, BTreeMap::new());
        }
        seen
    }
}

/// Whether a step gives somebody another place in line, or changes what is fair.
fn gives_places(command: &Command) -> bool {
    let replaces = |unique: &Unique<'_>| unique.otherwise == Otherwise::Replace;
    match command {
        Command::Publish(draft) => draft.conditions.unique.as_ref().is_some_and(replaces),
        Command::Update { .. } => true,
        Command::Settle { verdict, .. } => matches!(verdict, Verdict::Release { .. }),
        Command::Limit { .. } | Command::Configure(_) => true,
        _ => false,
    }
}

/// The limits of a job and by how much it counts: as clients know them.
fn limits_of(queue: &Queue, job: &Job) -> Vec<(String, u64)> {
    let terms = queue.terms_of(job);
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let named = uses::iter(&terms.uses).map(|it| match it.limit {
        LimitName::Named(name) => (text(name), u64::from(it.weight)),
        LimitName::Mutex(name) => (format!("mutex:{}", text(name)), 1),
        LimitName::Group(name) => panic!("{} is named by a publisher", text(name)),
    });
    let group = (!terms.group.is_empty()).then(|| (format!("group:{}", text(&terms.group)), 1));
    named.chain(group).chain([("*".into(), 1)]).collect()
}

fn permits(queue: &Queue, limit: &str) -> Permits {
    if limit.starts_with("mutex:") {
        return Permits { concurrency: Some(1), rate: None };
    }
    let name = if limit.starts_with("group:") { "group:*" } else { limit };
    let set = queue.limits_set().into_iter().find(|set| set.name == name.as_bytes());
    set.map_or_else(Permits::default, |set| set.permits)
}

fn line_of(queue: &Queue, job: &Job) -> Line {
    let terms = queue.terms_of(job);
    (terms.priority, terms.group.to_vec())
}

fn of_state(queue: &Queue, state: StateKind) -> Vec<Slot> {
    queue.list(&Listing::of(state, usize::MAX)).jobs.into_iter().collect()
}
