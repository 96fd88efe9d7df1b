//! A queue that is open for writing: it is brought up to date, decides, changes, and tells the log
//! and its waiting consumers. Everything that writes goes through here.

use std::{cell::Cell, ptr::NonNull};

use jobq_engine::{
    Action, Bond, Consume, JobRef, Leases, Millis, Name, Operation, Outcome, Owner, Plan, Publish,
    Queue, Refusal, Request, ScheduleOrder, Slot, Token, UnixMillis, Verdict,
};
use jobq_protocol::{
    steps::{self, LeaseStep, PlanStep, Step},
    BadArguments,
};
use redis_module::raw::{self, RedisModuleString};

use crate::{
    blocking, bonds, changes,
    clock::{self, Slice},
    details, distant, endings,
    keyspace::{self, Found},
    messages, notices, readers,
    record::{Asked, Record},
    registry,
    reply::Body,
    room::Room,
    schedules,
    server::{guard, log, text::bytes_of, Context, Flags, Key, Level, Mode, Text},
    stored::Stored,
    timer,
    waiters::{Answer, Deliveries, Delivery, Handle, Take, Ticket},
    workers,
};

/// Due transitions that one tick works through.
const TICK_BUDGET: u32 = 128;

/// Ticks in which one command works through what its advance of the clock brings.
const ADVANCE_TICKS_MAX: usize = 100;

/// By how much the server's clock may be behind a queue's without a word in the log: what clocks of
/// several servers differ by.
const SKEW_UNTOLD: Millis = Millis::from_secs(10);

/// Consumers that one command wakes; the timer goes on from there.
const WAKE_BUDGET: usize = 64;

/// Why nothing was changed.
#[derive(Clone, Debug)]
pub enum Denied {
    /// Something else is in the key.
    WrongType,
    /// The server is a replica, and its own clients cannot write to queues.
    ReadOnly,
    /// An internal error: now, or earlier in this queue.
    Internal,
    /// The server has no memory for more jobs.
    NoMemory,
    /// A test wants it refused, and so many after it.
    ForTest {
        /// How many.
        left: u32,
    },
    /// The user may not use another queue that is named.
    NoPermission,
    /// Another queue that is named would be on another node of the cluster.
    CrossSlot,
    /// Another queue that is named is on its way to another node, or from there.
    TryAgain,
    /// An argument means nothing, as far as this server knows.
    Arguments(BadArguments),
    /// The engine says no.
    Refused(Refusal),
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A queue that is open for writing, on the primary.
struct Visit<'a> {
    site: &'a Site<'a>,
    stored: &'a mut Stored,
    record: &'a mut Record,
    /// What time it is for the queue.
    now: UnixMillis,
    /// What time it is for the server and for those who wait.
    wall: UnixMillis,
}

/// Has something done to the queue that a command names, and lets `reply` say what came of it.
/// `None` if there is no queue and the action makes none.
pub fn perform(
    context: Context,
    command: &[*mut RedisModuleString],
    action: &Action<'_>,
    reply: impl FnOnce(&Queue, &Outcome),
) -> Result<Option<()>, Denied> {
    let flags = context.flags();
    if flags.is_decided() {
        return repeat(context, command[1], action, reply).map(Some);
    }
    decide(context, flags, command[1], Asked::Client(command), action, reply)
}

/// Has something done to a queue where decisions are taken.
pub fn decide(
    context: Context,
    flags: Flags,
    name: *mut RedisModuleString,
    asked: Asked<'_>,
    action: &Action<'_>,
    reply: impl FnOnce(&Queue, &Outcome),
) -> Result<Option<()>, Denied> {
    match action {
        Action::Publish(publish) if !publish.distant().is_empty() => {
            decide_beside_others(context, flags, name, asked, publish.clone(), reply)
        }
        _ => decide_alone(context, flags, name, asked, action, reply),
    }
}

/// Publishes jobs that wait for those of other queues, which are asked before and follow then.
#[cold]
fn decide_beside_others(
    context: Context,
    flags: Flags,
    name: *mut RedisModuleString,
    asked: Asked<'_>,
    mut publish: Publish<'_>,
    reply: impl FnOnce(&Queue, &Outcome),
) -> Result<Option<()>, Denied> {
    let unfinished = distant::look_up(context, flags, &mut publish)?;
    let action = Action::Publish(publish.clone());
    decide_alone(context, flags, name, asked, &action, |queue, outcome| {
        // SAFETY: the server lends the name for the length of the command or the timer's turn.
        let name = unsafe { bytes_of(name) };
        distant::follow(context, name, &publish, &unfinished, (queue, outcome));
        reply(queue, outcome);
    })
}

/// The same where all that is needed to decide is known.
fn decide_alone(
    context: Context,
    flags: Flags,
    name: *mut RedisModuleString,
    asked: Asked<'_>,
    action: &Action<'_>,
    reply: impl FnOnce(&Queue, &Outcome),
) -> Result<Option<()>, Denied> {
    let creates = matches!(
        action,
        Action::Publish(_)
            | Action::Configure(_)
            | Action::Pause { .. }
            | Action::Limit { permits: Some(_), .. }
            | Action::Gate { opens: true, .. }
            | Action::Schedule(ScheduleOrder::Set(_))
    ) || matches!(action, Action::Schedule(ScheduleOrder::Replace(all)) if !all.is_empty());
    let site = Site::open(context, name, asked, flags)?;
    let now = clock::now();
    match site.found() {
        Found::Other => Err(Denied::WrongType),
        Found::Nothing if !creates => Ok(None),
        Found::Nothing => site.create(now, action, reply).map(Some),
        Found::Queue(stored) => site
            .visit(stored, now, |visit| {
                if visit.stored.refusals > 0 {
                    visit.refuse_for_test(action)?;
                }
                visit.catch_up();
                visit.stored.queue.check(action)?;
                let outcome = visit.stored.queue.act(action)?;
                visit.note_command(action, &outcome);
                reply(&visit.stored.queue, &outcome);
                visit.follow_up();
                Ok(())
            })
            .map(Some),
    }
}

/// Whether an action would be granted now. Nothing is done but what is due anyway.
pub fn check(
    context: Context,
    name: *mut RedisModuleString,
    action: &Action<'_>,
) -> Result<(), Denied> {
    let site = Site::open(context, name, Asked::Nobody, context.flags())?;
    let now = clock::now();
    match site.found() {
        Found::Other => Err(Denied::WrongType),
        Found::Nothing => {
            let mut queue = Queue::new(0);
            queue.apply(Operation::Tick { now, budget: 0 })?;
            Ok(queue.check(action)?)
        }
        Found::Queue(stored) => site.visit(stored, now, |visit| {
            visit.catch_up();
            let checked = visit.stored.queue.check(action);
            visit.follow_up();
            Ok(checked?)
        }),
    }
}

/// Asks a queue something, at the present time. `None` if there is none.
pub fn ask<R>(
    context: Context,
    flags: Flags,
    name: &Text,
    question: impl FnOnce(&Queue) -> Result<R, Refusal>,
) -> Result<Option<R>, Denied> {
    let site = Site::open(context, name.raw(), Asked::Nobody, flags)?;
    match site.found() {
        Found::Other => Err(Denied::WrongType),
        Found::Nothing => Ok(None),
        Found::Queue(stored) => site
            .visit(stored, clock::now(), |visit| {
                visit.catch_up();
                let answer = question(&visit.stored.queue);
                visit.follow_up();
                Ok(answer?)
            })
            .map(Some),
    }
}

/// Takes steps in a queue that follow from what was done in another, and notes those that change
/// something. Nothing is done where there is no queue.
pub fn carry_out(context: Context, name: &Text, steps: &[Step<'_>]) -> Result<(), Denied> {
    let site = Site::open(context, name.raw(), Asked::Nobody, context.flags())?;
    let Found::Queue(stored) = site.found() else { return Ok(()) };
    site.visit(stored, clock::now(), |visit| {
        visit.catch_up();
        for step in steps {
            let queue = &mut visit.stored.queue;
            let operation = step.operation(queue, &mut None)?;
            if queue.apply(operation)?.is_change() {
                visit.note(step);
            }
        }
        visit.follow_up();
        Ok(())
    })
}

/// Brings a queue up to date and makes it if there is none, if an action would be granted there. Tells
/// whether it is new.
pub fn make_ready(
    context: Context,
    flags: Flags,
    name: &Text,
    action: &Action<'_>,
) -> Result<bool, Denied> {
    let site = Site::open(context, name.raw(), Asked::Nobody, flags)?;
    let now = clock::now();
    match site.found() {
        Found::Other => Err(Denied::WrongType),
        Found::Nothing => {
            let new = NewQueue::at(now)?;
            new.queue.check(action)?;
            site.add(new, now, |_| Ok(())).map(|()| true)
        }
        Found::Queue(stored) => site.visit(stored, now, |visit| {
            visit.catch_up();
            visit.follow_up();
            // Last: that may have worked through more that was due, and what it brought may refuse.
            visit.stored.queue.check(action)?;
            Ok(false)
        }),
    }
}

/// Removes a queue that was made ready for what was not done then, unless somebody has heard of it and
/// put a job in.
pub fn unmake(context: Context, flags: Flags, name: &Text) {
    let Ok(site) = Site::open(context, name.raw(), Asked::Nobody, flags) else { return };
    let Found::Queue(stored) = site.found() else { return };
    // SAFETY: the key is open, and nothing else refers to its value meanwhile.
    if unsafe { stored.as_ref() }.queue.is_empty() {
        site.remove();
    }
}

/// Does in a queue that is ready for it what the record of another one says.
pub fn act_beside(
    context: Context,
    flags: Flags,
    name: &Text,
    action: &Action<'_>,
    reply: impl FnOnce(&Queue, &Outcome),
) -> Result<(), Denied> {
    let site = Site::open(context, name.raw(), Asked::Nobody, flags)?;
    let Found::Queue(stored) = site.found() else { return Err(Denied::Internal) };
    site.visit(stored, clock::now(), |visit| {
        let outcome = visit.stored.queue.act(action)?;
        visit.site.is_changed.set(true);
        reply(&visit.stored.queue, &outcome);
        visit.follow_up();
        Ok(())
    })
}

/// Leaves what a queue has for others where it is, until then.
pub fn put_off(context: Context, name: &Text, until: UnixMillis) {
    let flags = context.flags();
    let Ok(site) = Site::open(context, name.raw(), Asked::Nobody, flags) else { return };
    let Found::Queue(stored) = site.found() else { return };
    let done = site.visit(stored, clock::now(), |visit| {
        visit.stored.put_off = until;
        Ok(())
    });
    // A queue that is closed is not in the schedule anyway.
    drop(done);
}

/// Sets a queue's clock ahead, and works through what is due by that. Tells what it shows then, `None`
/// if there is no queue. What is too much for one command goes on in the timer's turns.
pub fn advance(
    context: Context,
    name: *mut RedisModuleString,
    span: Millis,
) -> Result<Option<UnixMillis>, Denied> {
    let site = Site::open(context, name, Asked::Nobody, context.flags())?;
    match site.found() {
        Found::Other => Err(Denied::WrongType),
        Found::Nothing => Ok(None),
        Found::Queue(stored) => site
            .visit(stored, clock::now(), |visit| {
                let then = visit.now.max(visit.stored.queue.clock()).after(span);
                visit.now = then.min(UnixMillis::MAX);
                visit.stored.ahead = visit.now.since(visit.wall);
                for _ in 0..ADVANCE_TICKS_MAX {
                    visit.tick();
                    visit.serve_waiters();
                    if !visit.stored.queue.is_due(visit.now) {
                        break;
                    }
                }
                Ok(visit.stored.queue.clock())
            })
            .map(Some),
    }
}

/// Has the next commands that settle jobs of a queue refused. `None` if there is no queue.
pub fn refuse(
    context: Context,
    name: *mut RedisModuleString,
    count: u32,
) -> Result<Option<()>, Denied> {
    let site = Site::open(context, name, Asked::Nobody, context.flags())?;
    match site.found() {
        Found::Other => Err(Denied::WrongType),
        Found::Nothing => Ok(None),
        Found::Queue(stored) => {
            let refuse = |visit: &mut Visit<'_>| {
                visit.stored.refusals = count;
                Ok(())
            };
            site.visit(stored, clock::now(), refuse).map(Some)
        }
    }
}

/// What a consumer wants that sends a command.
pub struct Wanted<'a> {
    /// How many jobs at most, and who takes them.
    pub consume: Consume<'a>,
    /// None if there are fewer than this.
    pub least: u32,
    /// What the leases are bound to, and how long they outlive it.
    pub bond: Option<(Owner, Millis)>,
}

/// Takes jobs of a queue for the consumer that sends a command, and lets `deliver` answer with them
/// if there are any.
pub fn consume(
    context: Context,
    flags: Flags,
    name: *mut RedisModuleString,
    command: &[*mut RedisModuleString],
    wanted: &Wanted<'_>,
    deliver: impl FnOnce(&Queue, &[(Slot, Token)]),
) -> Result<(), Denied> {
    let site = Site::open(context, name, Asked::Client(command), flags)?;
    let stored = match site.found() {
        Found::Queue(stored) => stored,
        Found::Nothing => return Ok(()),
        Found::Other => return Err(Denied::WrongType),
    };
    let now = clock::now();
    site.visit(stored, now, |visit| {
        // A consumer that polls an empty queue leaves no trace in the log.
        let queue = &visit.stored.queue;
        if !queue.hands_out() && !queue.is_due(visit.now) {
            return Ok(());
        }
        visit.catch_up();
        let queue = &visit.stored.queue;
        if wanted.least <= 1 || queue.hands_out_at_least(wanted.least as usize) {
            let leased = visit.take(&wanted.consume, wanted.bond)?;
            if !leased.is_empty() {
                deliver(&visit.stored.queue, &leased);
            }
        }
        visit.follow_up();
        Ok(())
    })
}

/// How many jobs a consumer could take of a queue now, up to `count`.
pub fn count_takeable(
    context: Context,
    flags: Flags,
    name: *mut RedisModuleString,
    count: usize,
) -> Result<usize, Denied> {
    let site = Site::open(context, name, Asked::Nobody, flags)?;
    let stored = match site.found() {
        Found::Queue(stored) => stored,
        Found::Nothing => return Ok(0),
        Found::Other => return Err(Denied::WrongType),
    };
    let now = clock::now();
    site.visit(stored, now, |visit| {
        let queue = &visit.stored.queue;
        if queue.hands_out() || queue.is_due(visit.now) {
            visit.catch_up();
            visit.follow_up();
        }
        Ok(visit.stored.queue.peek(count).len())
    })
}

/// Repeats what a client has asked of the primary.
fn repeat(
    context: Context,
    name: *mut RedisModuleString,
    action: &Action<'_>,
    reply: impl FnOnce(&Queue, &Outcome),
) -> Result<(), Denied> {
    let site = Site::open_decided(context, name);
    match site.found() {
        Found::Other => Err(Denied::WrongType),
        Found::Nothing => Err(Refusal::Diverged("there is no such queue").into()),
        Found::Queue(stored) => site.change(stored, |stored| {
            let outcome = stored.queue.act(action)?;
            site.pass_on();
            reply(&stored.queue, &outcome);
            Ok(())
        }),
    }
}

/// Repeats what the record of another queue says was done here as well.
pub fn repeat_beside(context: Context, name: &Text, action: &Action<'_>) -> Result<(), Denied> {
    let site = Site::open_decided(context, name.raw());
    let Found::Queue(stored) = site.found() else {
        return Err(Refusal::Diverged("there is no such queue").into());
    };
    site.change(stored, |stored| {
        stored.queue.act(action)?;
        site.is_changed.set(true);
        Ok(())
    })
}

/// Repeats what the primary did, or the log says was done; `asked` for the step that says so.
pub fn repeat_steps<'a>(
    context: Context,
    name: *mut RedisModuleString,
    steps: &[Step<'a>],
    mut asked: Option<Action<'a>>,
) -> Result<(), Denied> {
    let site = Site::open_decided(context, name);
    let (stored, steps, is_new) = match (site.found(), steps) {
        (Found::Other, _) => return Err(Denied::WrongType),
        (Found::Queue(stored), steps) => (stored, steps, false),
        (Found::Nothing, [Step::Create { seed }, steps @ ..]) => {
            (keyspace::create(&site.key, Stored::new(Queue::new(*seed))), steps, true)
        }
        (Found::Nothing, _) => return Err(Refusal::Diverged("there is no such queue").into()),
    };
    if is_new {
        site.pass_on();
    }
    let done = site.change(stored, |stored| {
        for step in steps {
            stored.queue.apply(step.operation(&stored.queue, &mut asked)?)?;
            if let Step::Lease(lease) = step {
                workers::note(lease.holder().worker, site.db, site.name());
            }
            // Also where a later one fails: whoever reads our log has to come as far.
            site.pass_on();
        }
        Ok(())
    });
    drop(site);
    if is_new {
        announce(context, name);
    }
    done
}

/// Brings a queue up to date and serves its waiting consumers, within a slice; removes it if it has
/// been idle for too long. `filed` is the instant under which the schedule had it, if that is why.
pub fn catch_up(context: Context, name: &Text, filed: Option<UnixMillis>, slice: &Slice) {
    let Ok(site) = Site::open(context, name.raw(), Asked::Nobody, context.flags()) else { return };
    let Found::Queue(mut stored) = site.found() else {
        // Gone, or something else by now: the schedule and the names are hints.
        return registry::with(|registry| registry.names.forget(site.db, site.name()));
    };
    // SAFETY: the key is open, and nothing else refers to its value meanwhile.
    let known = unsafe { stored.as_mut() };
    if filed.is_some() {
        if known.filed != filed {
            return;
        }
        known.filed = None;
    }
    let done = site.visit(stored, clock::now(), |visit| loop {
        let busy = visit.tick_if_due();
        visit.serve_waiters();
        // What it has for other queues by now goes there before there is more.
        if !busy || visit.has_effects() || slice.is_over() {
            return Ok(!busy && visit.is_idle_for_too_long());
        }
    });
    // One that is refused stays, and out of the schedule; the cause is in the log.
    if matches!(done, Ok(true)) {
        site.remove();
    }
}

/// Serves a consumer whose time is over with what there is in a queue, out of its turn if others wait
/// for more of it. False if it goes on waiting.
pub fn serve_last(context: Context, name: &Text, ticket: Ticket, take: &Take) -> bool {
    let flags = context.flags();
    let Ok(site) = Site::open(context, name.raw(), Asked::Nobody, flags) else { return false };
    let Found::Queue(stored) = site.found() else { return false };
    let done = site.visit(stored, clock::now(), |visit| {
        visit.tick_if_due();
        let handle = registry::with(|registry| registry.waiters.get(ticket).map(|it| it.handle));
        let served = handle.is_none_or(|handle| visit.serve(handle, take));
        visit.follow_up();
        Ok(served)
    });
    done.unwrap_or(false)
}

/// Gives back the jobs of a queue that were leased to a consumer which was gone before it could be
/// told.
pub fn give_back(context: Context, name: &Text, jobs: &[Delivery]) {
    let receipts: Vec<_> = jobs.iter().map(|job| job.receipt).collect();
    // Where they cannot be given back, their leases lapse.
    if let Ok(jobs) = settle_for_us(context, name, &receipts, GivenBack::Blameless) {
        registry::with(|registry| registry.stats.undelivered += jobs);
    }
}

/// How a lease ends of which nobody hears any more.
#[derive(Clone, Copy)]
pub enum GivenBack {
    /// Nobody is to blame.
    Blameless,
    /// It was an attempt, and has failed.
    Failed,
}

impl GivenBack {
    const ERROR: &'static [u8] = b"connection closed";

    fn verdict(self) -> Verdict<'static> {
        match self {
            Self::Blameless => Verdict::Release { delay: Millis::ZERO, counted: false },
            Self::Failed => Verdict::Nack { delay: Some(Millis::ZERO), error: Some(Self::ERROR) },
        }
    }

    /// The command that says the same, and what follows the jobs in it.
    fn words(self) -> (&'static [u8], &'static [&'static [u8]]) {
        match self {
            Self::Blameless => (b"JQ.RELEASE", &[b"UNCOUNTED"]),
            Self::Failed => (b"JQ.NACK", &[b"DELAY", b"0", b"ERROR", Self::ERROR]),
        }
    }
}

/// Ends leases without anybody having asked for it. The log has it as a command. Tells how many held.
pub fn settle_for_us(
    context: Context,
    name: &Text,
    receipts: &[Name],
    how: GivenBack,
) -> Result<u64, Denied> {
    let (word, options) = how.words();
    let jobs = receipts.iter().map(Name::as_bytes);
    let words = [word].into_iter().chain(jobs).chain(options.iter().copied());
    let words: Vec<_> = words.map(Text::new).collect();
    let mut command: Vec<_> = words.iter().map(Text::raw).collect();
    command.insert(1, name.raw());
    let asked = Asked::Us(&command);
    let site = Site::open(context, name.raw(), asked, context.flags())?;
    let Found::Queue(stored) = site.found() else { return Ok(0) };
    site.visit(stored, clock::now(), |visit| {
        visit.catch_up();
        let jobs = receipts.iter().filter_map(|receipt| JobRef::parse(receipt.as_bytes()));
        let action = Action::Settle { jobs: jobs.collect(), verdict: how.verdict() };
        let outcome = visit.stored.queue.act(&action)?;
        visit.note_command(&action, &outcome);
        visit.follow_up();
        Ok(match outcome {
            Outcome::Done(jobs) => jobs,
            _ => 0,
        })
    })
}

/// Tells who listens of a new queue.
fn announce(context: Context, name: *mut RedisModuleString) {
    // SAFETY: the server lends the name for the length of the command.
    changes::tell_created(context, name, unsafe { bytes_of(name) });
    timer::arm(context);
}

/// A queue that is yet to be put into its key.
struct NewQueue {
    seed: u64,
    tokens: Option<u64>,
    queue: Queue,
}

impl NewQueue {
    fn at(now: UnixMillis) -> Result<Self, Denied> {
        let seed = rand::random();
        let tokens = registry::with(|registry| registry.first_tokens(now));
        let mut queue = Queue::new(seed);
        queue.apply(Operation::Tick { now, budget: 0 })?;
        if let Some(tokens) = tokens {
            queue.apply(Operation::Term { seed, tokens })?;
        }
        changes::hear(&mut queue);
        Ok(Self { seed, tokens, queue })
    }
}

/// The place of a queue, while its key is open.
struct Site<'a> {
    context: Context,
    db: i32,
    name: *mut RedisModuleString,
    /// The same as bytes: to ask the server for them each time adds up.
    bytes: &'a [u8],
    key: Key,
    asked: Asked<'a>,
    /// Whether somebody has to hear of what is done here.
    is_heard: bool,
    /// Whether anything was done that clients who watch the key should know.
    is_changed: Cell<bool>,
}

impl<'a> Site<'a> {
    /// Opens a key where decisions are taken.
    fn open(
        context: Context,
        name: *mut RedisModuleString,
        asked: Asked<'a>,
        flags: Flags,
    ) -> Result<Self, Denied> {
        if !flags.is_primary() {
            return Err(Denied::ReadOnly);
        }
        let is_heard = flags.has_log() || registry::with(|registry| registry.is_replicated);
        Ok(Self { asked, is_heard, ..Self::open_decided(context, name) })
    }

    /// Opens a key where decisions are repeated.
    fn open_decided(context: Context, name: *mut RedisModuleString) -> Self {
        let key = Key::open(context, name, Mode::Write);
        Self {
            context,
            db: context.db(),
            name,
            // SAFETY: the server lends the name for the length of the command or the timer's turn, and
            // a site lives no longer.
            bytes: unsafe { bytes_of(name) },
            key: key.expect("a key opened for writing is always there"),
            asked: Asked::Nobody,
            is_heard: true,
            is_changed: Cell::new(false),
        }
    }

    fn found(&self) -> Found {
        keyspace::find(&self.key)
    }

    fn name(&self) -> &[u8] {
        self.bytes
    }

    /// Makes the queue that a first request needs. A refusal leaves none behind.
    fn create(
        self,
        now: UnixMillis,
        action: &Action<'_>,
        reply: impl FnOnce(&Queue, &Outcome),
    ) -> Result<(), Denied> {
        let mut new = NewQueue::at(now)?;
        new.queue.check(action)?;
        let outcome = new.queue.act(action)?;
        self.add(new, now, |visit| {
            visit.note_command(action, &outcome);
            reply(&visit.stored.queue, &outcome);
            visit.follow_up();
            Ok(())
        })
    }

    /// Puts a new queue into the key, and lets `body` go on with it.
    fn add(
        self,
        new: NewQueue,
        now: UnixMillis,
        body: impl FnOnce(&mut Visit<'_>) -> Result<(), Denied>,
    ) -> Result<(), Denied> {
        let NewQueue { seed, tokens, queue } = new;
        let mut stored = keyspace::create(&self.key, Stored::new(queue));
        // SAFETY: the key is open, and nothing else refers to its value meanwhile.
        let known = unsafe { stored.as_mut() };
        known.term = registry::with(|registry| registry.term);
        known.summed = Default::default();
        let done = self.visit(stored, now, |visit| {
            visit.note(&Step::Create { seed });
            visit.note(&Step::Tick { now: now.0, budget: 0 });
            if let Some(tokens) = tokens {
                visit.note(&Step::Term { seed, tokens });
            }
            body(visit)
        });
        let (context, name) = (self.context, self.name);
        drop(self);
        announce(context, name);
        done
    }

    /// Removes a queue as `DEL` does.
    fn remove(self) {
        self.key.delete();
        self.context.replicate_deletion(self.name);
        self.context.signal_modified(self.name);
        let (context, name) = (self.context, self.name);
        drop(self);
        context.notify(raw::REDISMODULE_NOTIFY_GENERIC, c"del", name);
    }

    /// Lets `body` work on the queue as the primary does.
    fn visit<R>(
        &self,
        stored: NonNull<Stored>,
        now: UnixMillis,
        body: impl FnOnce(&mut Visit<'_>) -> Result<R, Denied>,
    ) -> Result<R, Denied> {
        let mut record = Record::default();
        let result = self.change(stored, |stored| {
            stored.queue.hear_messages();
            let time = stored.time(now);
            let record = &mut record;
            let result = body(&mut Visit { site: self, stored, record, now: time, wall: now });
            let time = stored.time(now);
            messages::keep(self.name(), &mut stored.queue, time);
            workers::hear(&mut stored.queue, now);
            self.keep_effects(stored, now);
            result
        });
        // Also where `body` gave up, for what it did before.
        if self.is_heard {
            record.propagate(self.context, self.name, self.asked);
        } else if self.is_changed.get()
            && matches!(self.asked, Asked::Client(_) | Asked::ClientAs(_))
        {
            // Is for nobody to read, see `replicas`, but counts for the server as a change that is yet
            // to be saved. In a turn of the timer there is no command to pass on.
            self.context.replicate_verbatim();
        }
        timer::arm(self.context);
        result
    }

    /// Has what the queue has for others carried there when nothing is open any more.
    #[inline]
    fn keep_effects(&self, stored: &Stored, now: UnixMillis) {
        if stored.queue.outbox_len() > 0 && stored.put_off <= now {
            distant::keep((self.db, self.name()));
        }
    }

    /// Lets `body` change the queue. An internal error stops here, and closes the queue for
    /// writing: it may be half changed, and no replica could be told how.
    fn change<R>(
        &self,
        mut stored: NonNull<Stored>,
        body: impl FnOnce(&mut Stored) -> Result<R, Denied>,
    ) -> Result<R, Denied> {
        // SAFETY: the key is open, and nothing else refers to its value meanwhile: the callbacks
        // that the server may run before this returns use the registry only.
        let stored = unsafe { stored.as_mut() };
        if stored.poisoned {
            return Err(Denied::Internal);
        }
        // Nobody begins to wait before this is done.
        let (is_awaited, is_read) = registry::with(|registry| {
            (registry.waiters.has_publishers(), registry.waiters.has_readers())
        });
        let before = is_awaited.then(|| Room::of(&stored.queue));
        let edge = is_read.then(|| readers::edge(&stored.queue));
        let is_heard = changes::hear(&mut stored.queue);
        let result = guard(|| {
            let result = body(stored);
            if let Some(before) = before {
                before.tell_if_more((self.db, self.name()), &stored.queue);
            }
            stored.sum_up();
            stored.file(self.db, self.name());
            if is_heard {
                changes::keep((self.db, self.name()), &mut stored.queue);
            }
            if let Some(before) = edge {
                readers::note_if_moved((self.db, self.name()), before, &stored.queue);
            }
            endings::tell((self.db, self.name()), stored);
            bonds::forget_unbound((self.db, self.name()), stored);
            result
        });
        if self.is_changed.get() {
            self.context.signal_modified(self.name);
        }
        result.unwrap_or_else(|| {
            stored.poisoned = true;
            stored.list(self.db, self.name());
            stored.unfile(self.db, self.name());
            // Nobody waits behind somebody who will not be served.
            registry::with(|registry| registry.waiters.lingers.end(self.db, self.name()));
            Err(Denied::Internal)
        })
    }

    /// Propagates the command being run, which repeats what others have decided.
    fn pass_on(&self) {
        if !self.is_changed.replace(true) {
            self.context.replicate_verbatim();
        }
    }
}

impl Visit<'_> {
    /// Moves the queue's clock to now, and works through what is due.
    fn catch_up(&mut self) {
        let queue = &self.stored.queue;
        if self.now > queue.clock() || queue.is_due(self.now) || self.is_new_term() {
            self.tick();
        }
    }

    /// Like [`catch_up`](Self::catch_up), but only if something is due. Tells whether more may be.
    fn tick_if_due(&mut self) -> bool {
        // Consumers are served at the queue's own time, which must not lie behind, and with tokens of
        // this server's.
        let queue = &self.stored.queue;
        let serves = (queue.hands_out() || queue.notices_ready() > 0)
            && (self.now > queue.clock() || self.is_new_term())
            && self.somebody_waits();
        if serves || self.stored.queue.is_due(self.now) {
            self.tick();
        }
        self.stored.queue.is_due(self.now)
    }

    /// Whether the queue should be removed. One that is not due needs no tick for that: nothing
    /// will happen in it that makes it less empty.
    fn is_idle_for_too_long(&mut self) -> bool {
        let now = self.now.max(self.stored.queue.clock());
        if self.stored.idle_ends().is_none_or(|ends| ends > now) {
            return false;
        }
        let waits = self.somebody_waits();
        if waits {
            self.stored.spared = now.after(self.stored.queue.config().idle_expire);
        }
        !waits
    }

    fn tick(&mut self) {
        let queue = &mut self.stored.queue;
        // None of it is ever refused.
        let ticked = queue.apply(Operation::Tick { now: self.now, budget: TICK_BUDGET });
        if ticked.is_err() {
            return;
        }
        self.note(&Step::Tick { now: self.now.0, budget: TICK_BUDGET });
        registry::with(|registry| registry.stats.ticks += 1);
        if self.is_new_term() {
            let seed = rand::random();
            // Where the wall clock is behind, the queue's own tells better how late it is.
            let latest = self.now.max(self.stored.queue.clock());
            let tokens = registry::with(|registry| registry.draw_tokens(latest));
            if self.stored.queue.apply(Operation::Term { seed, tokens }).is_ok() {
                self.note(&Step::Term { seed, tokens });
            }
            self.stored.term = registry::with(|registry| registry.term);
            self.tell_if_behind();
        }
        self.plan();
    }

    /// Says of schedules when they come next, where that takes a calendar.
    #[inline]
    fn plan(&mut self) {
        if self.stored.queue.needs_plans() {
            self.plan_some();
        }
    }

    /// Goes as far as one tick may. What is left is due.
    #[cold]
    fn plan_some(&mut self) {
        let queue = &self.stored.queue;
        let (now, mut left) = (queue.clock(), schedules::SEARCHES_MAX);
        let plans = queue.unplanned().map_while(|it| schedules::plan(&it, now, &mut left));
        let plans: Vec<Plan> = plans.collect();
        for plan in plans {
            let none = Plan { passed: None, next: None, then: None, ..plan };
            // A schedule whose plan is refused would be due for ever.
            let mut fitting = [plan, none].into_iter();
            let queue = &mut self.stored.queue;
            let fitting = fitting.find(|plan| queue.apply(Operation::Plan(*plan)).is_ok());
            if let Some(plan) = fitting {
                self.note(&Step::Plan(PlanStep::new(&plan)));
            }
            if fitting != Some(plan) {
                let line = format!("a schedule stops, since it cannot be planned so: {plan:?}");
                log(Level::Warning, &line);
            }
        }
    }

    /// Says in the server's log, once a term, that its clock is behind that of a queue which it now
    /// decides for: nothing will become due there for a while, and nothing else would say why.
    fn tell_if_behind(&self) {
        let ahead = self.stored.queue.clock().since(self.now);
        if ahead <= SKEW_UNTOLD {
            return;
        }
        let is_first = registry::with(|registry| {
            std::mem::replace(&mut registry.skew_told, registry.term) != registry.term
        });
        if is_first {
            let name = String::from_utf8_lossy(self.site.name());
            let line = format!(
                "the clock of queue '{name}' is ahead of the server's by {} s: until that has caught up, \
                 nothing becomes due there, nor in others like it",
                ahead.0 / 1000
            );
            log(Level::Warning, &line);
        }
    }

    /// Whether this server has not decided for the queue yet since it is its to decide.
    fn is_new_term(&self) -> bool {
        self.stored.term != registry::with(|registry| registry.term)
    }

    /// Keeps a step that was taken, for the log.
    fn note(&mut self, step: &Step<'_>) {
        self.site.is_changed.set(true);
        if self.site.is_heard {
            self.record.push(step);
        }
    }

    /// Keeps that the command being run was done, if it changed anything.
    fn note_command(&mut self, action: &Action<'_>, outcome: &Outcome) {
        if outcome.is_change() {
            self.site.is_changed.set(true);
            match steps::unfinished(action) {
                None => self.record.push_command(),
                Some(unfinished) => {
                    self.record.push_command_as(&Step::CommandAfter { unfinished });
                }
            }
        }
    }

    /// Refuses what a test wants refused.
    #[cold]
    fn refuse_for_test(&mut self, action: &Action<'_>) -> Result<(), Denied> {
        let ends_attempt = match action {
            Action::Chain { .. } => true,
            Action::Settle { verdict, .. } => {
                matches!(verdict, Verdict::Ack | Verdict::Fulfill { .. } | Verdict::Nack { .. })
            }
            _ => false,
        };
        if !ends_attempt {
            return Ok(());
        }
        self.stored.refusals -= 1;
        Err(Denied::ForTest { left: self.stored.refusals })
    }

    /// What a change may have made possible: a slice of a large task, and waiting consumers.
    fn follow_up(&mut self) {
        if self.stored.queue.is_due(self.now) {
            self.tick();
        }
        self.serve_waiters();
    }

    fn take(
        &mut self,
        consume: &Consume<'_>,
        bond: Option<(Owner, Millis)>,
    ) -> Result<Leases, Denied> {
        let queue = &mut self.stored.queue;
        let Some(operation) = queue.choose(Request::Consume(consume.clone()))? else {
            return Ok(Leases::new());
        };
        let Outcome::Leased(leased) = queue.apply(operation)? else { return Ok(Leases::new()) };
        self.site.is_changed.set(true);
        if self.site.is_heard {
            let queue = &self.stored.queue;
            let ids = leased.iter().map(|&(slot, _)| queue.job(slot).id());
            self.record.push(&Step::Lease(LeaseStep::new(&consume.holder, ids)));
        }
        if let Some((owner, grace)) = bond {
            self.bind(owner, grace, &leased);
        }
        Ok(leased)
    }

    fn bind(&mut self, owner: Owner, grace: Millis, leased: &Leases) {
        for &(slot, token) in leased {
            self.stored.queue.bind(owner, Bond { slot, token, grace });
        }
        let place = (self.site.db, self.site.name().into());
        registry::with(|registry| registry.bonds.bind(owner, place));
    }

    /// Whether it has something for other queues.
    fn has_effects(&self) -> bool {
        self.stored.queue.outbox_len() > 0 && self.stored.put_off <= self.wall
    }

    fn somebody_waits(&self) -> bool {
        let (db, name) = (self.site.db, self.site.name());
        registry::with(|registry| {
            let waiters = &registry.waiters;
            waiters.first(db, name).is_some()
                || !waiters.has_no_messengers()
                    && waiters.first_messenger(&(db, name.into())).is_some()
        })
    }

    /// Leases jobs to the consumers that have waited longest, and wakes them.
    #[inline]
    fn serve_waiters(&mut self) {
        if !registry::with(|registry| registry.waiters.is_empty()) {
            self.serve_those_in_line();
        }
    }

    fn serve_those_in_line(&mut self) {
        self.serve_messengers();
        for _ in 0..WAKE_BUDGET {
            if !self.wake_one() {
                return;
            }
        }
        if self.stored.queue.hands_out() {
            self.stored.file_at(UnixMillis(0), self.site.db, self.site.name());
        }
    }

    /// Leases notices to those who have waited longest for some, and wakes them.
    fn serve_messengers(&mut self) {
        if self.stored.queue.notices_ready() == 0
            || registry::with(|registry| registry.waiters.has_no_messengers())
        {
            return;
        }
        let place = (self.site.db, self.site.name().into());
        for _ in 0..WAKE_BUDGET {
            let first = registry::with(|registry| registry.waiters.first_messenger(&place));
            let Some((handle, count, ttr)) = first else { return };
            let action = Action::TakeNotices { count, ttr };
            let Ok(outcome) = self.stored.queue.act(&action) else { return };
            if !outcome.is_change() {
                return;
            }
            self.note(&Step::Notices { count, ttr: ttr.map(|ttr| ttr.0) });
            let taken = notices::taken(&self.stored.queue, &outcome);
            let notices = taken.into_iter().cloned().collect();
            let answer = Answer::Notices { place: place.clone(), notices };
            registry::with(|registry| {
                registry.waiters.serve(handle, answer);
                registry.stats.woken += 1;
            });
            blocking::wake(handle);
        }
        self.stored.file_at(UnixMillis(0), self.site.db, self.site.name());
    }

    fn wake_one(&mut self) -> bool {
        let (db, name) = (self.site.db, self.site.name());
        let waiter = registry::with(|registry| {
            if !self.stored.queue.hands_out() {
                registry.waiters.lingers.end(db, name);
                return None;
            }
            let (ticket, handle, take) = registry.waiters.first(db, name)?;
            Some((ticket, handle, take.clone()))
        });
        let Some((ticket, handle, take)) = waiter else { return false };
        self.is_enough(ticket, &take) && self.serve(handle, &take)
    }

    /// Whether the first in line has as many jobs as it waits for, or has waited for more of them for
    /// long enough.
    fn is_enough(&self, ticket: Ticket, take: &Take) -> bool {
        let Some(gather) = take.gather else { return true };
        let queue = &self.stored.queue;
        if queue.hands_out_at_least(gather.min as usize) {
            return true;
        }
        let (db, name) = (self.site.db, self.site.name());
        registry::with(|registry| {
            let lingers = &mut registry.waiters.lingers;
            if !queue.hands_out_at_least(1) {
                lingers.end(db, name);
                return false;
            }
            let until = lingers.begin((db, name.into()), ticket, self.wall.after(gather.linger));
            if until > self.wall {
                registry.alarm.want(until);
            }
            until <= self.wall
        })
    }

    /// Leases jobs to a consumer that waits, and wakes it. False if there are none.
    fn serve(&mut self, handle: Handle, take: &Take) -> bool {
        let consume = Consume { count: take.count, holder: take.holder.as_ref() };
        let Ok(leased) = self.take(&consume, take.bond) else { return false };
        if leased.is_empty() {
            return false;
        }
        let deliveries = leased.iter().map(|&(slot, token)| {
            let queue = &self.stored.queue;
            let job = queue.job(slot);
            Delivery {
                queue: self.site.name().into(),
                receipt: job.id().receipt(token),
                body: Body::of(queue, job).into_owned(),
                details: take.details.then(|| details::owned(details::besides_body(queue, job))),
            }
        });
        let jobs = deliveries.collect();
        let owner = take.bond.map(|(owner, _)| owner);
        let answer = Answer::Jobs(Deliveries { db: self.site.db, owner, jobs });
        workers::note(&take.holder.worker, self.site.db, self.site.name());
        registry::with(|registry| {
            registry.waiters.serve(handle, answer);
            registry.look_at_left();
            registry.stats.woken += 1;
        });
        blocking::wake(handle);
        true
    }
}
