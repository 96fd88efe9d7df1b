//! The engine and the model, told the same story.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jobq_engine::{
    gates, Config, Consume, Cursor, Done, Grain, Job, Listing, Operation, Outcome, Pace,
    ParentState, Queue, Refusal, Request, Schedule, Slot, State, StateKind, Terms, Time, Ulid,
    UnixMillis, HISTORY_MAX,
};

use super::{
    bonds::Bonds,
    met,
    reference::{self, Answer, Ending, Model, Place, Reply, DAY, NEVER},
    schedules::{self, What},
    turns,
};
use crate::{
    command::{reason, Command},
    support::Dice,
};

/// What went differently, or that could not be.
pub type Verdict = Result<(), String>;

type Answers = (Answer, Result<Outcome, Refusal>);

pub struct Trial {
    pub queue: Queue,
    pub model: Model,
    /// What was asked, and refused, in words.
    pub met: HashSet<&'static str>,
    pub refused: HashSet<&'static str>,
    walk: Option<Walk>,
    /// Whether there are groups and limits.
    bound: bool,
    // How the model calls the jobs that are watched.
    watched: HashMap<Ulid, String>,
    bonds: Bonds,
}

/// Somebody goes from page to page while the queue goes on.
struct Walk {
    state: StateKind,
    reverse: bool,
    after: Option<Cursor>,
    /// Jobs that have kept their place since the walk began, and have not been met.
    owed: Vec<reference::Job>,
    /// The job that the last page ended with, as it was.
    anchor: Option<reference::Job>,
}

/// What a command made of a queue, in the words of the model.
#[derive(Debug)]
pub enum Told {
    Ids(Vec<String>),
    Receipts(Vec<String>),
    Nothing,
}

macro_rules! same {
    ($what:expr, $engine:expr, $model:expr) => {
        let (engine, model) = ($engine, $model);
        if engine != model {
            return Err(format!("{}: engine {engine:?}, model {model:?}", $what));
        }
    };
}

impl Trial {
    pub fn new(bound: bool) -> Self {
        Self {
            bound,
            queue: Queue::new(7),
            model: Model::default(),
            met: HashSet::new(),
            refused: HashSet::new(),
            walk: None,
            watched: HashMap::new(),
            bonds: Bonds::default(),
        }
    }

    /// Performs a command on both, and compares what they answer and all that can be seen of them.
    pub fn perform(&mut self, command: &Command, dice: &mut Dice) -> Result<Told, String> {
        let before = self.queue.digest();
        self.model.asked = match command {
            Command::Schedule(order) => Some(order.clone()),
            _ => None,
        };
        self.model.limits.chosen = matches!(command, Command::Consume { .. });
        let (expected, outcome) = match command.request() {
            None => match command {
                Command::Lease { ids, .. } if !self.knows(ids) => return Ok(Told::Nothing),
                _ => {
                    self.apply(command.operation(&self.queue).expect("an operation of the log"))?
                }
            },
            Some(Request::Consume(consume)) => {
                let chosen = self.queue.choose(Request::Consume(consume.clone()));
                self.check_choice(&consume, &chosen)?;
                match chosen {
                    Ok(Some(operation)) => self.apply(operation)?,
                    _ => return self.compare(dice).map(|()| Told::Nothing),
                }
            }
            Some(Request::Act(action)) => match self.queue.choose(action.clone()) {
                Ok(Some(operation)) => self.apply(operation)?,
                Ok(None) => return Err("an action came to nothing".into()),
                Err(refusal) => (self.expect(&action.into())?, Err(refusal)),
            },
        };
        let is_change = matches!(&outcome, Ok(outcome) if outcome.is_change());
        if !is_change {
            same!("a digest after no change", self.queue.digest(), before);
        }
        self.name_runs(&self.queue.clone())?;
        let told = self.check_answer(outcome, expected)?;
        for id in self.model.drawn() {
            self.adopt_wait(&id, &self.queue.clone())?;
        }
        self.compare(dice)?;
        Ok(told)
    }

    fn knows(&self, ids: &[String]) -> bool {
        ids.iter().all(|id| self.queue.find_id(id).is_some())
    }

    /// What the model and the engine answer to an operation.
    fn apply(&mut self, operation: Operation<'_>) -> Result<Answers, String> {
        Ok((self.expect(&operation)?, self.queue.apply(operation)))
    }

    /// What the model answers to an operation.
    fn expect(&mut self, operation: &Operation<'_>) -> Result<Answer, String> {
        self.met.extend(met::words(operation));
        Ok(match operation {
            Operation::Tick { now, budget } => self.tick(*now, *budget)?,
            Operation::Term { seed: _, tokens } => self.model.begin_term(*tokens),
            Operation::Lease(lease) => {
                let ids: Vec<_> = lease.jobs.iter().map(|&slot| self.id(slot)).collect();
                let is_parked = |id: &String| turns::is_parked(&self.queue, id);
                if ids.iter().any(is_parked) {
                    return Ok(Err(vec![Refusal::Diverged("")]));
                }
                self.model.lease(&ids, &lease.holder.to_owned())
            }
            Operation::Act(action) => self.model.act(action),
            Operation::Plan(plan) => self.model.plan(plan),
            Operation::Follow(_) | Operation::Told(_) | Operation::Delivered { .. } => {
                return Err("the model is of one queue, see `neighbours`".into());
            }
        })
    }

    /// Ticks the model one transition after the other, beside a copy of the engine that tells what
    /// each has drawn; so it is compared as well that a budget in slices comes to the same.
    fn tick(&mut self, now: UnixMillis, budget: u32) -> Result<Answer, String> {
        let mut slow = self.queue.clone();
        self.model.set_clock(now.0);
        let mut done = 0;
        while done < budget {
            let before = slow.clone();
            let outcome = slow.apply(Operation::Tick { now, budget: 1 });
            let stepped = if turns::steps_alone(&before, &self.model) {
                // What waits for its turn behind a refill is not looked at yet.
                if before.next_refill().is_none_or(|at| at.0 > self.model.clock) {
                    self.model.forget_told();
                }
                1
            } else {
                self.model.victim = turns::victim(&before, &slow);
                self.model.step()
            };
            same!("a tick by one", outcome, Ok(Outcome::Ticked(stepped)));
            self.name_runs(&slow)?;
            for id in self.model.drawn() {
                self.adopt_wait(&id, &slow)?;
            }
            if stepped == 0 {
                break;
            }
            done += stepped;
        }
        slow.apply(Operation::Tick { now, budget: 0 }).expect("the time is told");
        let mut fast = self.queue.clone();
        fast.apply(Operation::Tick { now, budget }).expect("a tick is not refused");
        same!("a tick in slices", slow.digest(), fast.digest());
        Ok(Ok(Reply::Ticked(done)))
    }

    /// Tells the model the ids of jobs that published themselves.
    fn name_runs(&mut self, queue: &Queue) -> Verdict {
        let nameless = self.model.nameless();
        if nameless.is_empty() {
            return Ok(());
        }
        let slots = StateKind::ALL.into_iter().flat_map(|state| {
            let listing = Listing::of(state, usize::MAX);
            queue.list(&listing).jobs
        });
        let ids: BTreeMap<_, _> =
            slots.map(|slot| (queue.job(slot).seq(), queue.job(slot).id().to_string())).collect();
        for seq in nameless {
            let id = ids.get(&seq).ok_or_else(|| format!("job {seq} was not published"))?;
            self.model.adopt_id(seq, id)?;
        }
        Ok(())
    }

    fn compare_schedules(&self) -> Verdict {
        let instant = |at: Option<UnixMillis>| at.map(|at| at.0);
        let (queue, model) = (&self.queue, &self.model);
        let mut wanted: Vec<_> = model.schedules.iter().collect();
        wanted.sort_by_key(|schedule| schedule.entry.name);
        let names: Vec<_> = queue.schedules().map(|schedule| schedule.name()).collect();
        same!("the schedules", names, wanted.iter().map(|it| it.entry.name).collect::<Vec<_>>());
        for (engine, model) in queue.schedules().zip(wanted) {
            let name = engine.name().escape_ascii().to_string();
            let counts = engine.counts();
            let counts = [counts.runs, counts.skipped, counts.missed, counts.refused];
            same!(format!("counts of {name}"), counts, model.counts);
            same!(format!("timing of {name}"), engine.timing(), model.entry.timing);
            same!(format!("a pause of {name}"), engine.is_paused(), model.paused);
            let next = self.model.next_run(model);
            same!(format!("next of {name}"), instant(queue.next_run(engine)), next);
            same!(format!("previous of {name}"), instant(engine.previous()), model.previous);
            let unfinished = self.model.unfinished(model.number);
            same!(format!("unfinished of {name}"), engine.unfinished(), unfinished);
            self.compare_past(&name, engine, model)?;
        }
        Ok(())
    }

    /// What is long past is forgotten, and runs that are gone cannot be told apart any more.
    fn compare_past(&self, name: &str, engine: &Schedule, model: &schedules::Schedule) -> Verdict {
        let seq = |ulid: Ulid| {
            let job = self.model.jobs.iter().find(|job| job.id == ulid.to_string());
            job.map_or(0, |job| job.seq)
        };
        let mut past: Vec<(u64, What, u64)> = Vec::new();
        for entry in engine.history() {
            let what = match entry.done {
                Done::Run(job) => What::Run(seq(job)),
                Done::ByHand(job) => What::ByHand(seq(job)),
                Done::Skipped => What::Skipped,
                Done::Missed => What::Missed,
                Done::Refused(_) => What::Refused,
            };
            match past.last_mut() {
                Some(last) if last.1 == what && what == What::Refused => {
                    (last.0, last.2) = (entry.at.0, last.2 + entry.times);
                }
                _ => past.push((entry.at.0, what, entry.times)),
            }
        }
        let known = |what: What| match what {
            What::Run(seq) if self.model.find_seq(seq).is_none() => What::Run(0),
            What::ByHand(seq) if self.model.find_seq(seq).is_none() => What::ByHand(0),
            what => what,
        };
        let mut expected: Vec<_> =
            model.past.iter().map(|&(at, what, times)| (at, known(what), times)).collect();
        if engine.history().len() == HISTORY_MAX {
            past.remove(0);
            expected.drain(..expected.len().saturating_sub(past.len()));
        }
        same!(format!("the past of {name}"), past, expected);
        Ok(())
    }

    fn adopt_wait(&mut self, id: &str, queue: &Queue) -> Verdict {
        let slot = queue.find_id(id).ok_or_else(|| format!("{id} is gone and should wait"))?;
        match queue.job(slot).state() {
            State::Delayed { until } => self.model.adopt_wait(id, until.0),
            other => Err(format!("{id} is {other:?} and should wait")),
        }
    }

    fn id(&self, slot: Slot) -> String {
        self.queue.job(slot).id().to_string()
    }

    fn check_choice(
        &self,
        consume: &Consume<'_>,
        chosen: &Result<Option<Operation<'_>>, Refusal>,
    ) -> Verdict {
        let mut expected = self.model.peek();
        if self.bound {
            let line = self.queue.peek(consume.count as usize);
            expected = line.into_iter().map(|slot| self.id(slot)).collect();
        }
        expected.truncate(consume.count as usize);
        let ids = match chosen {
            Ok(None) => Vec::new(),
            Ok(Some(Operation::Lease(lease))) => {
                same!("the holder", &lease.holder, &consume.holder);
                lease.jobs.iter().map(|&slot| self.id(slot)).collect()
            }
            other => return Err(format!("a consume chose {other:?}")),
        };
        same!("the choice", ids, expected);
        Ok(())
    }

    /// Compares the answers, and tells the model what only the engine knows.
    fn check_answer(
        &mut self,
        outcome: Result<Outcome, Refusal>,
        expected: Answer,
    ) -> Result<Told, String> {
        let (outcome, reply) = match (outcome, expected) {
            (Ok(outcome), Ok(reply)) => (outcome, reply),
            (Err(refusal), Err(reasons)) => {
                let fits = |reason: &Refusal| match (reason, &refusal) {
                    // Only for people, and never a client's.
                    (Refusal::Diverged(_), Refusal::Diverged(_)) => true,
                    _ => *reason == refusal,
                };
                if !reasons.iter().any(fits) {
                    return Err(format!("engine refused: {refusal:?}, model: {reasons:?}"));
                }
                self.refused.insert(reason(&refusal));
                return Ok(Told::Nothing);
            }
            (outcome, expected) => {
                return Err(format!("engine answered {outcome:?}, model {expected:?}"))
            }
        };
        self.met.extend(met::outcome(&outcome));
        match (outcome, reply) {
            (Outcome::Ticked(engine), Reply::Ticked(model)) => {
                same!("transitions", engine, model);
            }
            (Outcome::Published(slots), Reply::Published(seqs)) => {
                same!("jobs published", slots.len(), seqs.len());
                let ids: Vec<_> = slots.iter().map(|&slot| self.id(slot)).collect();
                for (seq, id) in seqs.into_iter().zip(&ids) {
                    self.model.adopt_id(seq, id)?;
                }
                return Ok(Told::Ids(ids));
            }
            (Outcome::Leased(leased), Reply::Leased(ids)) => {
                let engine: Vec<_> = leased.iter().map(|&(slot, _)| self.id(slot)).collect();
                same!("jobs leased", &engine, &ids);
                self.bonds.bind(&mut self.queue, &leased);
                let mut receipts = Vec::new();
                for (id, (_, token)) in ids.iter().zip(leased) {
                    self.model.adopt_token(id, token.0)?;
                    receipts.push(format!("{id}@{}", token.0));
                }
                return Ok(Told::Receipts(receipts));
            }
            (Outcome::Done(engine), Reply::Done(model)) => {
                same!("jobs done", engine, model);
            }
            (Outcome::Touched(engine), Reply::Touched(model)) => {
                same!("leases touched", engine, model);
            }
            (Outcome::Updated(engine), Reply::Updated(model)) => {
                same!("the version", engine, model);
            }
            (Outcome::Cancelled(engine), Reply::Cancelled(model)) => {
                same!("the cancel", engine, model);
            }
            (Outcome::Configured, Reply::Configured) => {}
            (Outcome::Held(slot), Reply::Held(id))
            | (Outcome::Renewed(slot), Reply::Renewed(id)) => {
                same!("the holder of a key", self.id(slot), id);
            }
            (Outcome::Noticed(engine), Reply::Noticed(model)) => {
                same!("notices leased", &engine, &model);
                let receipt = |number: &u64| self.queue.notice(*number)?.receipt();
                let receipts = engine.iter().filter_map(receipt);
                let text =
                    |name: jobq_engine::Name| String::from_utf8_lossy(name.as_bytes()).into_owned();
                return Ok(Told::Receipts(receipts.map(text).collect()));
            }
            (Outcome::CrossedOff(engine), Reply::CrossedOff(model)) => {
                same!("targets told", engine, model);
            }
            (Outcome::Chained(None), Reply::Chained(None)) => {}
            (Outcome::Chained(Some(slot)), Reply::Chained(Some(next))) => {
                let id = self.id(slot);
                match *next {
                    Reply::Published(seqs) => {
                        same!("jobs that come next", seqs.len(), 1);
                        self.model.adopt_id(seqs[0], &id)?;
                        return Ok(Told::Ids(vec![id]));
                    }
                    Reply::Held(holder) | Reply::Renewed(holder) => {
                        same!("the holder of a key", id, holder);
                    }
                    other => return Err(format!("model answered a publish with {other:?}")),
                }
            }
            (outcome, reply) => {
                return Err(format!("engine answered {outcome:?}, model {reply:?}"))
            }
        }
        Ok(Told::Nothing)
    }

    /// Watches jobs on both sides.
    pub fn watch(&mut self, ids: &[String]) {
        for id in ids {
            let slot = self.queue.find_id(id).expect("it was published just now");
            self.queue.watch(slot);
            self.watched.insert(self.queue.job(slot).ulid, id.clone());
            self.model.watch(id);
        }
    }

    /// Compares all that can be seen.
    fn compare(&mut self, dice: &mut Dice) -> Verdict {
        self.queue.check_invariants().map_err(|broken| broken.to_string())?;
        if self.bound {
            turns::adopt_lines(&self.queue, &mut self.model)?;
        }
        self.compare_jobs()?;
        let (queue, model) = (&self.queue, &self.model);
        let instant = |at: Option<UnixMillis>| at.map(|at| at.0);
        same!("the clock", queue.clock().0, model.clock);
        for (engine, model) in queue.counters().named().into_iter().zip(model.counters.named()) {
            same!("a counter", engine, model);
        }
        same!("the counters", queue.counters(), &model.counters);
        let by_type =
            queue.types().iter().map(|it| (it.name().unwrap_or_default().to_vec(), it.counts));
        same!(
            "the counters by type",
            by_type.collect::<Vec<_>>(),
            model.by_type.iter().map(|(name, counts)| (name.clone(), *counts)).collect::<Vec<_>>()
        );
        let time = |time| (queue.times().of(time).count(), queue.times().of(time).sum());
        same!("how long jobs waited", time(Time::Wait), model.waits);
        same!("how late jobs were", time(Time::Lateness), model.lateness);
        same!("how long until jobs were taken", time(Time::PublishToTake), model.to_take);
        same!("how long jobs took", time(Time::PublishToAck), model.to_ack);
        let leases = time(Time::Run).0 + queue.len_of(StateKind::Leased) as u64;
        same!("the leases that have ended", leases, model.waits.0);
        let rows = queue.history(Grain::Days, queue.clock());
        let finished = rows.iter().map(|row| (row.since.0 / DAY, row.named()[2].1));
        let today = model.clock / DAY;
        let recent = model.finished.iter().filter(|(day, _)| **day + 90 > today);
        same!(
            "what was finished when",
            finished.filter(|(_, jobs)| *jobs > 0).collect::<Vec<_>>(),
            recent.map(|(day, jobs)| (*day, *jobs)).collect::<Vec<_>>()
        );
        if self.bound {
            let (engine, model) = (instant(queue.next_due()), model.next_due());
            let is_sooner = engine.unwrap_or(NEVER) <= model.unwrap_or(NEVER).max(queue.clock().0);
            same!(format!("{engine:?} is not after {model:?}"), is_sooner, true);
        } else {
            same!("when it is due", instant(queue.next_due()), model.next_due());
        }
        same!("tasks left", queue.tasks_left(), model.tasks_left());
        same!("when it is idle", instant(queue.idle_ends()), model.idle_ends());
        same!("the locks", queue.locks_held(), model.locks());
        same!("the oldest ready", instant(queue.oldest_ready()), model.oldest_ready());
        same!("publishing", instant(queue.pauses().publishing), model.publishing_paused);
        same!("consuming", instant(queue.pauses().consuming), model.consuming_paused);
        let line: Vec<_> = queue.peek(usize::MAX).into_iter().map(|slot| self.id(slot)).collect();
        if self.bound {
            turns::check_line(queue, model, &line)?;
        } else {
            same!("the line", &line, &model.peek());
            let may_serve = model.len_of(StateKind::Ready) > 0 && model.consuming_paused.is_none();
            same!("handing out", queue.hands_out(), may_serve);
        }
        for count in [1, 2, 7] {
            let enough = line.len() >= count;
            same!(format!("handing out {count}"), queue.hands_out_at_least(count), enough);
        }
        let gates = queue.gates().map(|gate| (gate.name.to_vec(), gate.is_open, gate.held));
        same!("the gates", gates.collect::<Vec<_>>(), model.gates());
        let batches = queue.batches();
        let batches =
            batches.map(|batch| (batch.key.to_vec(), batch.jobs, batch.fires.map(|at| at.0)));
        same!("the batches", batches.collect::<Vec<_>>(), model.batches());
        self.compare_notices()?;
        self.compare_schedules()?;
        self.compare_config()?;
        self.compare_lists(dice)?;
        self.go_on_walking(dice)?;
        self.bonds.compare(&mut self.queue, &self.model)?;
        self.compare_endings()
    }

    fn compare_notices(&self) -> Verdict {
        same!("how many notices", self.queue.notices(), self.model.notices.len());
        let free = self.model.notices.iter().filter(|it| it.lease.is_none()).count();
        same!("how many of them are free", self.queue.notices_ready(), free);
        for model in &self.model.notices {
            let engine = self.queue.notice(model.number);
            let engine = engine.ok_or_else(|| format!("{model:?} is gone"))?;
            same!("whom it is about", &*engine.job, &*model.job);
            same!("what became of it", engine.state, model.state);
            same!("its result", engine.result.as_deref(), model.result.as_deref());
            let targets: Vec<_> = engine.targets.iter().map(|target| target.to_vec()).collect();
            same!("who is to be told", &targets, &model.targets);
            let lease = engine.lease.map(|(token, until)| (token.0, until.0));
            same!("its lease", lease, model.lease);
        }
        Ok(())
    }

    fn compare_jobs(&self) -> Verdict {
        for state in StateKind::ALL {
            let (engine, model) = (self.queue.len_of(state), self.model.len_of(state));
            same!(format!("how many are {}", state.name()), engine, model);
        }
        same!("how many there are", self.queue.len(), self.model.jobs.len());
        for job in &self.model.jobs {
            let slot = self.queue.find_id(&job.id);
            let slot = slot.ok_or_else(|| format!("{} is gone, model has {job:?}", job.id))?;
            let id = &job.id;
            self.compare_job(self.queue.job(slot), job).map_err(|why| format!("{id}: {why}"))?;
        }
        Ok(())
    }

    fn compare_job(&self, engine: &Job, model: &reference::Job) -> Verdict {
        let queue = &self.queue;
        let instant = |at: Option<UnixMillis>| at.map(|at| at.0);
        same!("the id", engine.id().to_string(), model.id.clone());
        same!("when it was published", engine.ulid.millis().0, model.published);
        same!("the body", &*engine.body, &*model.body);
        let headers: Vec<_> =
            engine.headers().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        same!("the headers", &headers, &model.headers);
        // What is left of the time to live is seen by when it ends.
        let terms = queue.terms_of(engine);
        let Terms { tries, ttr, backoff, retain, priority, job_type, group, uses, when, .. } =
            terms;
        same!("the tries", *tries, model.tries);
        same!("the ttr", ttr.0, model.ttr);
        same!("the backoff", *backoff, model.backoff);
        same!("the retention", *retain, model.retain);
        let run = engine.run().map(|run| run.occurrence.0);
        same!("the occurrence", run, model.run.map(|(_, at)| at));
        same!("the priority", *priority, model.priority);
        same!("the type", &**job_type, &*model.job_type);
        same!("the group", &**group, &*model.group);
        same!("the limits", &**uses, &*model.uses);
        same!("the batch", &*terms.batch, &*model.batch);
        let name = |slot| queue.job(slot).id().to_string();
        let followers: Vec<_> = queue.followers(engine).map(name).collect();
        let followed = self.model.followers(model.seq).into_iter();
        let followed = followed.filter_map(|seq| self.model.find_seq(seq));
        same!(
            "who goes with it",
            (engine.is_leader(), followers),
            (model.leads, followed.map(|job| job.id.clone()).collect())
        );
        let lock = model.lock.as_ref();
        same!(
            "the key",
            engine.lock().map(|lock| (&*lock.key, lock.until)),
            lock.map(|lock| (&*lock.key, lock.until))
        );
        let lock_ends = lock.map(|lock| lock.end(model.due));
        same!("the end of its lock", instant(engine.lock_ends()), lock_ends);
        let gates = |names: Vec<&[u8]>| names.into_iter().map(<[u8]>::to_vec).collect();
        same!(
            "the gates",
            gates::clauses(when).map(gates).collect::<BTreeSet<_>>(),
            model.when.clone()
        );
        same!("the deliveries", engine.deliveries, model.deliveries);
        same!("the failures", engine.failures(), model.failures);
        same!("the last failure", engine.failed_at().map(|at| at.0), model.failed_at);
        same!("the error", engine.error(), model.error.as_deref());
        same!("the result", engine.result(), model.result.as_deref());
        same!("the version", engine.version(), model.version);
        same!("the mark of a cancel", engine.is_cancelled(), model.cancelled);
        same!("the releases", engine.releases(), model.releases);
        same!("the progress", engine.progress(), model.progress);
        let subscribers: Vec<_> = engine.subscribers().iter().map(|it| it.to_vec()).collect();
        same!("the subscribers", &subscribers, &model.subscribers);
        same!("the parents left", queue.parents_left(engine), model.parents_left());
        let parents: Vec<_> =
            engine.parents().into_iter().flat_map(|parents| parents.iter()).collect();
        let parents = parents.iter().map(|parent| {
            let state = match queue.parent_state(parent) {
                ParentState::There(job) => Some(job.ulid),
                // The last two are of jobs elsewhere, which the model does not have.
                ParentState::Finished
                | ParentState::Gone
                | ParentState::Elsewhere
                | ParentState::Died => None,
            };
            (parent.id.to_string(), parent.is_done, state.is_some())
        });
        same!("the parents", parents.collect::<Vec<_>>(), self.model.parents(model));
        let missing: Vec<_> = queue.missing_gates(engine).collect();
        same!("the gates that it misses", missing, self.model.missing(model));
        same!("the deadline", instant(engine.deadline()), model.deadline);
        if !model.place.kind().is_final() {
            same!("when it expires", instant(queue.expires_at(engine)), model.expires);
        }
        let place = match (engine.state(), &model.place) {
            (State::Delayed { until }, _) => Place::Delayed { until: until.0 },
            (State::Held { since }, Place::Held { turn, .. }) => {
                Place::Held { since: since.0, turn: *turn }
            }
            (State::Gathering { since, .. }, Place::Gathering { turn, with, .. }) => {
                Place::Gathering { since: since.0, turn: *turn, with: *with }
            }
            (State::Ready { since, .. }, Place::Ready { turn, .. }) => {
                Place::Ready { since: since.0, turn: *turn }
            }
            (State::Leased { token, deadline, .. }, _) => Place::Leased {
                token: token.0,
                until: deadline.0,
                holder: queue.holder_of(engine).ok_or("nobody holds it")?.clone(),
            },
            (State::Completed { since, until }, Place::Completed { turn, .. }) => {
                Place::Completed { since: since.0, until: until.0, turn: *turn }
            }
            (State::Dead { since }, Place::Dead { turn, .. }) => {
                Place::Dead { since: since.0, turn: *turn }
            }
            (state, place) => return Err(format!("engine {state:?}, model {place:?}")),
        };
        same!("the state", &place, &model.place);
        same!("when it is due", engine.due().0, model.due);
        Ok(())
    }

    fn compare_config(&self) -> Verdict {
        let (settings, settings_of_batches) = (&self.model.settings, &self.model.gathering);
        let Config {
            defaults:
                Terms { tries, ttr, ttl, backoff, retain, priority, job_type, group, uses, when, batch },
            max_len,
            max_body,
            dead_max,
            dead_age,
            expired,
            lapse,
            idle_expire,
            group_max_len,
            group_weights,
            bind_counts,
            releases_max,
            pace,
            paces,
            events,
            trail,
        } = self.queue.config();
        same!("setting tries", *tries, settings.tries);
        same!("setting ttr", ttr.0, settings.ttr);
        same!("setting ttl", ttl.0, settings.ttl);
        same!("setting backoff", *backoff, settings.backoff);
        same!("setting retain", *retain, settings.retain);
        same!("setting priority", *priority, settings.priority);
        let names = [job_type, group, uses, when, batch].map(|name| name.len());
        same!("a default type", names, [0; 5]);
        let plain = |pace: &Pace| [u64::from(pace.size), pace.delay.0, pace.grace.0];
        same!("what makes a batch", plain(pace), settings_of_batches.pace);
        let own = paces.iter().map(|(key, own)| (key.to_vec(), plain(own)));
        same!(
            "the same of a key",
            own.collect::<BTreeMap<_, _>>(),
            settings_of_batches.paces.clone()
        );
        same!("setting maxlen", *max_len, settings.max_len);
        same!("setting maxbody", *max_body, settings.max_body);
        same!("setting dead-max", *dead_max, settings.dead_max);
        same!("setting dead-age", dead_age.0, settings.dead_age);
        same!("setting expired", *expired, settings.expired);
        same!("setting lapse", *lapse, settings.lapse);
        same!("setting idle-expire", idle_expire.0, settings.idle_expire);
        same!("setting group-maxlen", *group_max_len, settings.group_max_len);
        same!("the weights of groups", group_weights, &settings.group_weights);
        same!("setting bind-counts", *bind_counts, settings.bind_counts);
        same!("setting releases-max", *releases_max, settings.releases_max);
        same!("settings events and trail", (*events, *trail), (settings.events, settings.trail));
        Ok(())
    }

    /// Pages through the jobs of each state.
    fn compare_lists(&self, dice: &mut Dice) -> Verdict {
        for state in StateKind::ALL {
            let reverse = dice.one_in(2);
            let job_type = dice.maybe(20, |dice| dice.pick(&[b"mail".as_slice(), b""]));
            let group = dice.maybe(20, |dice| dice.pick(&[b"acme".as_slice(), b""]));
            let batch = dice.maybe(10, |dice| dice.pick(&[b"x".as_slice(), b""]));
            let error = dice.maybe(20, |dice| dice.pick(&[b"*".as_slice(), b"no route*"]));
            let worker = dice.maybe(20, |dice| dice.pick(&[b"w1".as_slice(), b"w"]));
            let min_age = dice.maybe(20, |dice| dice.below(200));
            let max_age = dice.maybe(20, |dice| dice.below(500));
            let mut listing = Listing {
                state,
                reverse,
                after: None,
                count: dice.pick(&[1, 2, 3, 1_000]),
                job_type,
                group,
                batch,
                error,
                worker,
                min_age: min_age.map(jobq_engine::Millis),
                max_age: max_age.map(jobq_engine::Millis),
            };
            let mut listed = Vec::new();
            loop {
                let page = self.queue.list(&listing);
                if page.jobs.len() > listing.count {
                    return Err(format!("a page of {} for {listing:?}", page.jobs.len()));
                }
                listed.extend(page.jobs.into_iter().map(|slot| self.id(slot)));
                if page.next.is_none() {
                    break;
                }
                listing.after = page.next;
            }
            let mut wanted = self.model.in_order(state);
            if reverse {
                wanted.reverse();
            }
            wanted.retain(|job| {
                let age = self.model.clock - job.published;
                job_type.is_none_or(|name| *name == *job.job_type)
                    && group.is_none_or(|name| *name == *job.group)
                    && batch.is_none_or(|key| *key == *job.batch)
                    && error.is_none_or(|form| job.has_error_like(form))
                    && worker.is_none_or(|name| job.is_held_by(name))
                    && min_age.is_none_or(|min| age >= min)
                    && max_age.is_none_or(|max| age <= max)
            });
            let mut wanted: Vec<_> = wanted.into_iter().map(|job| job.id.clone()).collect();
            if self.bound && state == StateKind::Ready {
                // Group by group, and then those that wait for a place.
                wanted.sort_unstable();
                listed.sort_unstable();
            }
            same!(format!("the list of {listing:?}"), &listed, &wanted);
        }
        Ok(())
    }

    /// Turns a page now and then. Every job that keeps its place meanwhile has to be met.
    fn go_on_walking(&mut self, dice: &mut Dice) -> Verdict {
        let Some(walk) = &mut self.walk else {
            if dice.one_in(10) {
                let state = dice.pick(&StateKind::ALL);
                if self.bound && state == StateKind::Ready {
                    // A job may come to another line there without a word of its own.
                    return Ok(());
                }
                let owed = self.model.in_order(state).into_iter().cloned().collect();
                let reverse = dice.one_in(2);
                self.walk = Some(Walk { state, reverse, after: None, owed, anchor: None });
            }
            return Ok(());
        };
        walk.owed.retain(|job| self.model.find_seq(job.seq).is_some_and(|now| is_same(job, now)));
        if let Some(anchor) = &walk.anchor {
            let now = self.model.find_seq(anchor.seq);
            let is_back =
                |now: &reference::Job| now.place.kind() == walk.state && !is_same(anchor, now);
            if now.is_some_and(is_back) {
                // It may have come back as of the same instant, and is taken for one that stayed.
                self.walk = None;
                return Ok(());
            }
        }
        if dice.one_in(3) {
            return Ok(());
        }
        let page = self.queue.list(&Listing {
            reverse: walk.reverse,
            after: walk.after,
            ..Listing::of(walk.state, dice.pick(&[1, 1, 2, 3]))
        });
        for slot in page.jobs {
            let id = self.queue.job(slot).id().to_string();
            walk.owed.retain(|job| job.id != id);
            walk.anchor = self.model.find_id(&id).cloned();
        }
        walk.after = page.next;
        if walk.after.is_none() {
            let missed: Vec<_> = walk.owed.iter().map(|job| job.id.clone()).collect();
            let state = walk.state;
            self.walk = None;
            same!(format!("jobs missed by a walk, {}", state.name()), missed, Vec::<String>::new());
        }
        Ok(())
    }

    fn compare_endings(&mut self) -> Verdict {
        let endings = self.queue.take_endings().into_iter().map(|ending| {
            let id = self.watched[&ending.ulid].clone();
            let result = ending.result.map(Vec::from);
            Ending { id, state: ending.state, result }
        });
        same!("endings", endings.collect::<Vec<_>>(), std::mem::take(&mut self.model.endings));
        Ok(())
    }
}

/// Whether a job is where it was, in its state and among the others there.
fn is_same(before: &reference::Job, now: &reference::Job) -> bool {
    let ends = |job: &reference::Job| (job.priority, job.expires, job.deadline);
    before.place == now.place && ends(before) == ends(now)
}
