//! What holds of the order of service where there are groups and limits.
//!
//! Who is served when depends there on who had to wait for a place, and for how long. That is the
//! engine's business, which the model takes from it; but however it goes, no limit is exceeded, nobody
//! waits without a reason, those of one group keep their order, and no group has two turns while
//! another has none.

use std::collections::BTreeMap;

use jobq_engine::{uses, LimitName, Permits, Queue, Rate, State, StateKind};

use super::reference::{Job, Model, Place, Reply};

type Verdict = Result<(), String>;

/// A limit as clients name it, but for mutexes.
type Name = (u8, Vec<u8>);

/// What limits permit, and what was taken of those that count by time.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    permits: BTreeMap<Vec<u8>, Permits>,
    taken: BTreeMap<Name, Vec<(u64, u64)>>,
    /// When a limit was last given another rate: before that, it counted otherwise.
    changed: BTreeMap<Vec<u8>, u64>,
    /// Whether the jobs that are leased were chosen, and do not come from some log.
    pub chosen: bool,
}

/// The limits of a job.
pub fn uses_of(job: &Job) -> Vec<(Name, u64)> {
    let named = uses::iter(&job.uses).map(|it| match it.limit {
        LimitName::Named(name) => ((0, name.to_vec()), it.weight.into()),
        LimitName::Mutex(name) => ((1, name.to_vec()), it.weight.into()),
        LimitName::Group(_) => panic!("a publisher has named the limit of a group"),
    });
    let group = (!job.group.is_empty()).then(|| ((2, job.group.clone()), 1));
    named.chain(group).chain([((3, Vec::new()), 1)]).collect()
}

impl Limits {
    pub fn set(&mut self, name: &[u8], permits: Option<Permits>, now: u64) -> Reply {
        self.changed.insert(name.to_vec(), now);
        match permits {
            Some(permits) => {
                self.permits.insert(name.to_vec(), permits);
                Reply::Configured
            }
            None => {
                let before = self.permits.remove(name);
                let whole = name == b"*" || name == b"group:*";
                let was_set = before.is_some_and(|it| !whole || it != Permits::default());
                Reply::Done(u64::from(was_set))
            }
        }
    }

    fn name(limit: &Name) -> Vec<u8> {
        match limit.0 {
            2 => b"group:*".to_vec(),
            3 => b"*".to_vec(),
            _ => limit.1.clone(),
        }
    }

    fn of(&self, limit: &Name) -> Permits {
        match limit.0 {
            1 => Permits { concurrency: Some(1), rate: None },
            _ => self.permits.get(&Self::name(limit)).copied().unwrap_or_default(),
        }
    }

    pub fn take(&mut self, uses: &[(Name, u64)], now: u64) {
        for (limit, weight) in uses {
            if limit.0 == 3 && !self.chosen {
                self.changed.insert(b"*".to_vec(), now);
            }
            self.taken.entry(limit.clone()).or_default().push((now, *weight));
        }
    }

    /// Checks, after jobs were taken, that nothing gave more than it has.
    pub fn check(&self, jobs: &[Job], uses: &[(Name, u64)], now: u64) {
        if !self.chosen {
            return;
        }
        let mut held: BTreeMap<Name, (u64, usize)> = BTreeMap::new();
        for job in jobs.iter().filter(|job| job.place.kind() == StateKind::Leased) {
            for (limit, weight) in uses_of(job) {
                let (sum, count) = held.entry(limit).or_default();
                (*sum, *count) = (*sum + weight, *count + 1);
            }
        }
        for (limit, _) in uses {
            let Permits { concurrency, rate } = self.of(limit);
            let (sum, count) = held.get(limit).copied().unwrap_or_default();
            let most = concurrency.map_or(u64::MAX, u64::from);
            assert!(sum <= most || count == 1, "{sum} of {most} of {limit:?} are held");
            if let Some(rate) = rate {
                self.check_rate(limit, &self.taken[limit], rate, now);
            }
        }
    }

    /// In no span of time was more taken than was in the bucket and came back.
    fn check_rate(&self, limit: &Name, taken: &[(u64, u64)], rate: Rate, now: u64) {
        let since = self.changed.get(&Self::name(limit)).copied().unwrap_or(0);
        let mut sum = 0;
        for &(from, weight) in taken.iter().rev().take_while(|(at, _)| *at > since) {
            // One that needs more than there is gets it alone, and costs as much.
            sum += weight.min(rate.tokens.into());
            let back = u128::from(now - from) * u128::from(rate.tokens);
            let most = u128::from(rate.tokens) + back / u128::from(rate.per.0);
            assert!(u128::from(sum) <= most, "{sum} of {most} of {limit:?} since {from}");
        }
    }
}

/// Takes over since when jobs are ready: for their place in a line, of which the model has fewer.
pub fn adopt_lines(queue: &Queue, model: &mut Model) -> Verdict {
    for job in &mut model.jobs {
        let Some(slot) = queue.find_id(&job.id) else { continue };
        let State::Ready { since: told, .. } = queue.job(slot).state() else { continue };
        if let Place::Ready { since, .. } = &mut job.place {
            if told.0 > queue.clock().0 {
                return Err(format!("{} is ready since {told}", job.id));
            }
            *since = told.0;
        }
    }
    Ok(())
}

/// Whether what the engine does next is about limits alone.
pub fn steps_alone(queue: &Queue, model: &Model) -> bool {
    let refill = queue.next_refill().map(|at| at.0).filter(|at| *at <= model.clock);
    if let Some(refill) = refill {
        // Of what happens at the same instant, jobs come first and pauses end last.
        if model.due().is_none_or(|(at, is_job)| refill < at || refill == at && !is_job) {
            return true;
        }
    }
    let has_more = model.has_step();
    !has_more && queue.chores_left() > 0
}

/// The ready job that has left between two looks.
pub fn victim(before: &Queue, after: &Queue) -> Option<String> {
    let ready = jobq_engine::Listing::of(StateKind::Ready, usize::MAX);
    let id = |slot| before.job(slot).id().to_string();
    let is_ready = |id: &String| {
        let found = after.find_id(id);
        found.is_some_and(|slot| after.job(slot).state().kind() == StateKind::Ready)
    };
    before.list(&ready).jobs.into_iter().map(id).find(|id| !is_ready(id))
}

pub fn is_parked(queue: &Queue, id: &str) -> bool {
    let slot = queue.find_id(id);
    slot.is_some_and(|slot| matches!(queue.job(slot).state(), State::Ready { parked: true, .. }))
}

/// Checks the order in which the next consumers would be served.
pub fn check_line(queue: &Queue, model: &Model, line: &[String]) -> Verdict {
    if queue.chores_left() > 0 {
        return Ok(());
    }
    let find = |id: &String| model.find_id(id).ok_or(format!("{id} is in line and not there"));
    let jobs: Vec<_> = line.iter().map(find).collect::<Result<_, _>>()?;
    if !jobs.is_sorted_by_key(|job| job.priority) {
        return Err(format!("{line:?} is not by priority"));
    }
    let standing: Vec<_> = model.peek().into_iter().filter(|id| !is_parked(queue, id)).collect();
    let has_whole_limit = model.limits.of(&(3, Vec::new())) != Permits::default();
    if line.len() != standing.len() && !has_whole_limit {
        return Err(format!("in line are {line:?}, and not {standing:?}"));
    }
    for one in &jobs {
        let of_line = |job: &&&Job| job.priority == one.priority && job.group == one.group;
        let turns: Vec<_> = jobs.iter().filter(of_line).map(|job| since(job)).collect();
        if !turns.is_sorted() {
            return Err(format!("{turns:?} are in line"));
        }
    }
    // A job whose life is over is passed over, but its group has had its turn.
    if model.has_overdue() {
        return Ok(());
    }
    check_turns(model, &jobs)
}

/// Between two turns of a group, all others have one that have jobs then.
fn check_turns(model: &Model, jobs: &[&Job]) -> Verdict {
    let mut runs: Vec<(i8, &[u8], u32)> = Vec::new();
    for job in jobs {
        match runs.last_mut() {
            Some((priority, group, len)) if (*priority, *group) == (job.priority, &*job.group) => {
                *len += 1;
            }
            _ => runs.push((job.priority, &job.group, 1)),
        }
    }
    for (at, &(priority, group, len)) in runs.iter().enumerate() {
        let weight = model.settings.group_weights.get(group).copied().unwrap_or(1);
        let behind = || runs[at + 1..].iter().filter(|(other, ..)| *other == priority);
        // The last ones have nobody to wait for.
        if len > weight && behind().next().is_some() {
            return Err(format!("{len} of {:?} in a turn of {weight}", group.escape_ascii()));
        }
        let again = behind().position(|(_, other, _)| *other == group);
        let Some(again) = again else { continue };
        let between: Vec<_> = behind().take(again).map(|(_, other, _)| *other).collect();
        let is_left_out = |other: &&[u8]| *other != group && !between.contains(other);
        if let Some((_, other, _)) = behind().find(|(_, other, _)| is_left_out(other)) {
            return Err(format!("{:?} had no turn", other.escape_ascii().to_string()));
        }
    }
    Ok(())
}

fn since(job: &Job) -> u64 {
    match job.place {
        Place::Ready { since, .. } => since,
        _ => 0,
    }
}
