//! Operations on one queue. After each of them it is sound, and a follower that knows nothing but
//! the log is in the same state, also where one of the two was stored and loaded in between.

use jobq_engine::{
    Action, Backoff, BatchOrder, Bodies, Change, Child, Conditions, Consume, Distant, Due, Follow,
    Haste, Holder, IfDead, Job, JobId, JobRef, JobRefs, LimitName, Listing, Millis, Missed,
    NewSchedule, Operation, Otherwise, Outcome, Overlap, ParentEnd, Plan, Publish, Queue, Retain,
    Revival, ScheduleOrder, Setting, Side, Slot, StateKind, Timing, Told, Ulid, Unique, UnixMillis,
    Until, Use, Verdict, WhenExpired, WhenLapsed, Which, Wishes, TRAIL_MAX,
};

use crate::{source::Source, twins::Twins};

/// When a history begins.
const START: u64 = 1_763_700_000_000;

/// Beyond this many jobs, a history stops publishing.
const JOBS_MAX: usize = 40;

/// More steps than this find nothing that fewer do not.
const STEPS_MAX: usize = 200;

/// Due transitions for each turn in which a queue has nothing but them to do.
const BUDGET: u32 = 16;

const GIVEN_IDS: [&str; 6] =
    ["a", "A", "mail:42", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav", "b"];

const GATES: [&[u8]; 3] = [b"a", b"b", b"c"];

/// A history of a new queue.
pub fn histories(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut twins = Twins::new(source.byte().into());
    tick(&mut twins, UnixMillis(START), 0);
    go_on(&mut twins, &mut source);
    run_out(&mut twins);
}

/// What happens next to a queue, until the bytes end.
pub fn go_on(twins: &mut Twins, source: &mut Source<'_>) {
    for _ in 0..STEPS_MAX {
        if source.is_empty() {
            return;
        }
        step(twins, source);
    }
}

/// Lets all the time there is pass, in turns of a few transitions. Whatever a queue holds, that
/// comes to an end: each task meets each job a few times at most.
pub fn run_out(twins: &mut Twins) {
    drop(twins.ask(Action::Resume));
    // They would go on for ever.
    drop(twins.ask(Action::Schedule(ScheduleOrder::Replace(Vec::new()))));
    let queue = twins.queue();
    let mut turns =
        queue.frames().next().map_or(0, |described| described.len()) * (1 + queue.len());
    let is_reached = |due: &UnixMillis| *due <= UnixMillis::MAX;
    while let Some(due) = twins.queue().next_due().filter(is_reached) {
        assert!(turns > 0, "it has work without end");
        turns -= 1;
        let now = twins.queue().clock();
        tick(twins, due.max(now), BUDGET);
    }
    tick(twins, UnixMillis::MAX, u32::MAX);
    let left = twins.queue().next_due().filter(is_reached);
    assert_eq!(left, None, "all that can happen by itself has happened");
}

fn tick(twins: &mut Twins, now: UnixMillis, budget: u32) {
    twins.apply(Operation::Tick { now, budget }).expect("a tick is never refused");
}

fn step(twins: &mut Twins, source: &mut Source<'_>) {
    let names = twins.names().to_vec();
    let jobs = twins.queue().len();
    let now = twins.queue().clock();
    let action = match source.below(33) {
        0..5 => return pass(twins, source),
        5..11 if jobs < JOBS_MAX => return publish(twins, source, &names),
        5..16 => {
            let consume = Consume { count: 1 + source.below(5) as u32, holder: holder(source) };
            let taken = twins.ask(jobq_engine::Request::Consume(consume));
            if let (Ok(Some(Outcome::Leased(leased))), true) = (taken, source.one_in(2)) {
                twins.bind(source.below(3) as u64, &leased);
            }
            if source.one_in(8) {
                twins.orphan(source.below(3) as u64);
            }
            return;
        }
        16..22 => Action::Settle { jobs: refs(source, &names), verdict: verdict(source) },
        22 => Action::Touch {
            jobs: refs(source, &names),
            ttr: source.maybe(|it| Millis(1 + span(it).0)),
            progress: source.maybe(|it| it.below(100) as u64),
            result: source.maybe(|it| if it.below(2) == 0 { &b"42"[..] } else { b"" }),
        },
        23 => Action::Kick(which(source, &names)),
        24 => Action::Respawn { which: which(source, &names), revival: revival(source) },
        25 => Action::Delete(refs(source, &names)),
        26 => match source.below(23) {
            20.. => return schedule(twins, source),
            15..20 => subscription(source, &names),
            12..15 => {
                let key = source.pick(&[&b"a"[..], b"b"]);
                Action::Batch { key, order: source.pick(&BatchOrder::ALL) }
            }
            9..12 => {
                let names = (0..=source.below(3)).map(|_| source.pick(&GATES)).collect();
                Action::Gate { opens: !source.one_in(3), names }
            }
            0 => {
                let waiting =
                    [StateKind::Delayed, StateKind::Held, StateKind::Gathering, StateKind::Ready];
                let state = source.pick(&waiting);
                Action::BuryAll { state, count: source.number() }
            }
            1 => Action::Purge { state: source.pick(&StateKind::ALL), count: source.number() },
            2 => {
                let side = source.pick(&[Side::In, Side::Out, Side::Both]);
                Action::Pause { side, span: span(source) }
            }
            3 => Action::Resume,
            4 | 5 => Action::Hasten { jobs: refs(source, &names), haste: source.pick(&Haste::ALL) },
            _ => Action::Cancel(named(source, &names)),
        },
        27 | 28 => Action::Update { job: named(source, &names), change: change(source, now) },
        29 => Action::Configure((0..=source.below(3)).map(|_| setting(source)).collect()),
        30 => return look(twins.queue(), source),
        31 => return hear(twins, source, &names),
        _ => return decide_anew(twins, source),
    };
    drop(twins.ask(action));
}

/// Something about schedules, or what a host says of one.
fn schedule(twins: &mut Twins, source: &mut Source<'_>) {
    let now = twins.queue().clock();
    if source.one_in(2) {
        let plan = twins.queue().unplanned().next().map(|it| {
            let next = it.after.after(Millis(1 + span(source).0));
            let then = source.maybe(|source| next.after(Millis(1 + span(source).0)));
            Plan { schedule: it.schedule, passed: None, next: Some(next), then }
        });
        if let Some(plan) = plan {
            twins.apply(Operation::Plan(plan)).expect("it is awaited");
        }
        return;
    }
    let name = source.pick(&[&b"a"[..], b"b"]);
    let order = match source.below(8) {
        0 => ScheduleOrder::Replace(vec![]),
        1 => ScheduleOrder::Delete(name),
        2 => ScheduleOrder::Pause(name),
        3 => ScheduleOrder::Resume(name),
        4 => ScheduleOrder::Run(name),
        _ => {
            // Far apart, since a history may pass over centuries.
            let far = Millis(1 << (36 + source.below(5)));
            let timing = match source.below(3) {
                0 => Timing::After(far),
                1 => Timing::Cron { expression: &b"7"[..], zone: &b""[..] },
                _ => Timing::Every {
                    span: far,
                    from: source.maybe(|source| now.after(span(source))),
                },
            };
            let (overlap, missed) = match timing {
                Timing::After(_) => Default::default(),
                _ => (source.pick(&Overlap::ALL), source.pick(&Missed::ALL)),
            };
            let mut job = Publish::new(Bodies::One(source.bytes(9)));
            job.wishes = wishes(source);
            job.wishes.job_type = job.wishes.job_type.filter(|name| !name.is_empty());
            job.wishes.group = job.wishes.group.filter(|name| !name.is_empty());
            if source.one_in(4) {
                let unique = Some(Unique { otherwise: Otherwise::Reject, ..unique(source) });
                job.conditions = Some(Conditions { unique, ..Conditions::default() }.into());
            }
            let new = NewSchedule { name, timing, overlap, missed, job };
            ScheduleOrder::Set(Box::new(new))
        }
    };
    drop(twins.ask(Action::Schedule(order)));
}

/// Time goes on, mostly a little, or jumps, or seems to go back.
fn pass(twins: &mut Twins, source: &mut Source<'_>) {
    let queue = twins.queue();
    let now = queue.clock();
    let then = match source.below(8) {
        0 => now,
        1 => queue.next_due().unwrap_or(now),
        2 => UnixMillis(now.0.saturating_sub(span(source).0)),
        _ => now.after(span(source)),
    };
    let budget = source.pick(&[128, 0, 1, 2, 5, u32::MAX]);
    tick(twins, then.min(UnixMillis::MAX), budget);
}

/// What other queues say, and what they are told. A log that is none of this queue's is refused.
fn hear(twins: &mut Twins, source: &mut Source<'_>, names: &[String]) {
    let id = |job: &Job| match job.given() {
        Some(given) => Ok(given.to_owned()),
        None => Err(job.ulid),
    };
    let queue = twins.queue();
    let mut any = || {
        let found = queue.find(&named(source, names).bare());
        found.map(|slot| (queue.job(slot).ulid, id(queue.job(slot))))
    };
    let jobs: Vec<_> = [any(), any()].into_iter().flatten().collect();
    let operation = match (source.below(4), &jobs[..]) {
        (0 | 1, [_, ..]) => {
            let parent = |(_, id): &(Ulid, Result<String, Ulid>)| id.clone();
            let parents: Vec<_> = jobs.iter().map(parent).collect();
            let given = source.maybe(|it| it.pick(&GIVEN_IDS));
            let child = Child { ulid: jobs[0].0, given };
            let ids = parents.iter().map(|id| match id {
                Ok(text) => JobId::Given(text),
                Err(ulid) => JobId::Made(*ulid),
            });
            let follow = Follow {
                queue: source.pick(&[&b"o"[..], b"p"]),
                children: vec![child; 1 + source.below(3)],
                parents: ids.zip(0..).collect(),
            };
            drop(twins.apply(Operation::Follow(follow)));
            return;
        }
        (2, [(ulid, id), ..]) => {
            let child = Child { ulid: *ulid, given: id.as_deref().ok() };
            let (at, how) = (source.below(4) as u32, source.pick(&ParentEnd::ALL));
            Operation::Told(Told { child, at, how })
        }
        _ => Operation::Delivered { effects: source.number() },
    };
    twins.apply(operation).expect("it is never refused");
}

/// A server begins to decide, or one of the two comes from its stored form.
fn decide_anew(twins: &mut Twins, source: &mut Source<'_>) {
    match source.below(3) {
        0 => {
            let term = Operation::Term { seed: source.word(), tokens: source.number() >> 2 };
            twins.apply(term).expect("a term is never refused");
        }
        which => twins.reload(which == 1),
    }
}

fn publish(twins: &mut Twins, source: &mut Source<'_>, names: &[String]) {
    let now = twins.queue().clock();
    let is_own = source.one_in(4);
    let bodies: Vec<_> =
        (0..=if is_own { 0 } else { source.below(4) }).map(|_| source.bytes(24)).collect();
    let mut conditions = source.maybe(|it| conditions(it, names));
    if let (Some(needs), [_]) = (&mut conditions, &bodies[..]) {
        needs.unique = source.maybe(unique);
    }
    let headers: &[(&[u8], &[u8])] = &[(b"trace", b"1"), (b"", b"\0")];
    let publish = Publish {
        bodies: match bodies[..] {
            [body] => Bodies::One(body),
            _ => Bodies::Many(bodies),
        },
        id: is_own.then(|| source.pick(&GIVEN_IDS)),
        due: due(source, now),
        deadline: source.maybe(|it| UnixMillis::MAX.min(now.after(span(it)))),
        headers: headers[..source.pick(&[0, 0, 1, 2])].to_vec(),
        replaces: source.one_in(8).then(|| named(source, names)),
        wishes: if source.one_in(2) { wishes(source) } else { Wishes::default() },
        conditions: conditions.map(Box::new),
    };
    let action = match publish.bodies {
        Bodies::One(_) if !names.is_empty() && source.one_in(4) => {
            let done = named(source, names);
            let publish = Publish { replaces: None, ..publish };
            Action::Chain { done, publish: publish.into() }
        }
        _ => Action::Publish(publish),
    };
    drop(twins.ask(action));
}

fn subscription<'a>(source: &mut Source<'_>, names: &'a [String]) -> Action<'a> {
    let job = named(source, names);
    let target = |source: &mut Source<'_>| source.pick(&[&b"a"[..], b"b", b""]);
    let targets = (0..=source.below(3)).map(|_| target(source)).collect();
    match source.below(6) {
        0 | 1 => Action::Subscribe { job, targets },
        2 => Action::Unsubscribe { job, targets: source.one_in(2).then_some(targets) },
        3 | 4 => {
            let ttr = source.maybe(|it| Millis(1 + span(it).0));
            Action::TakeNotices { count: 1 + source.below(3) as u32, ttr }
        }
        _ => Action::CrossOff { receipt: job, targets },
    }
}

fn conditions<'a>(source: &mut Source<'_>, names: &'a [String]) -> Conditions<'a> {
    let limits = [LimitName::Named(b"a"), LimitName::Named(b"b"), LimitName::Mutex(b"a")];
    let weight = |source: &mut Source<'_>| 1 + source.below(3) as u32;
    let used = |limit| source.maybe(weight).map(|weight| Use { limit, weight });
    let uses = limits.into_iter().filter_map(used).collect();
    let mut when = Vec::new();
    for _ in 0..source.pick(&[0, 0, 1, 2]) {
        when.push((0..=source.below(2)).map(|_| source.pick(&GATES)).collect());
    }
    let after = (0..source.pick(&[0, 0, 0, 1, 2])).map(|_| named(source, names).bare()).collect();
    let distant = (0..source.pick(&[0, 0, 0, 1, 2])).map(|_| Distant {
        queue: source.pick(&[&b"o"[..], b"p"]),
        job: named(source, names).bare(),
        waits: !source.one_in(4),
    });
    let distant = distant.collect();
    let (if_dead, batch) = (source.pick(&IfDead::ALL), source.pick(&[&b""[..], b"", b"a", b"b"]));
    Conditions { uses, unique: None, when, after, distant, if_dead, batch }
}

/// One of few keys, so that they meet.
fn unique<'a>(source: &mut Source<'a>) -> Unique<'a> {
    Unique {
        key: source.pick(&[&b"a"[..], b"A", b"\0"]),
        lasts: source.maybe(span).unwrap_or_default(),
        until: source.pick(&[Until::Gone, Until::Done, Until::Start]),
        otherwise: source.pick(&[Otherwise::Replace, Otherwise::Return, Otherwise::Reject]),
    }
}

fn wishes<'a>(source: &mut Source<'a>) -> Wishes<'a> {
    Wishes {
        tries: source.maybe(tries),
        ttr: source.maybe(|it| Millis(1 + span(it).0)),
        ttl: source.maybe(span),
        backoff: source.maybe(backoff),
        retain: source.maybe(retain),
        priority: source.maybe(priority),
        job_type: source.maybe(|it| it.bytes(4)),
        group: source.maybe(|it| it.pick(&[&b"a"[..], b"b", b""])),
    }
}

fn change<'a>(source: &mut Source<'a>, now: UnixMillis) -> Change<'a> {
    Change {
        body: source.maybe(|it| it.bytes(24)),
        due: source.maybe(|it| due(it, now)),
        priority: source.maybe(priority),
        ttl: source.maybe(span),
        tries: source.maybe(tries),
        if_version: source.maybe(|it| 1 + it.below(4) as u64),
    }
}

fn setting(source: &mut Source<'_>) -> Setting {
    match source.below(20) {
        18 => Setting::Events(source.below(9) as u32),
        19 => Setting::Trail(source.below(1 + usize::from(TRAIL_MAX)) as u8),
        15 => Setting::BatchSize { key: batch_key(source), jobs: source.below(4) as u32 },
        16 => Setting::BatchDelay { key: batch_key(source), span: span(source) },
        17 => Setting::BatchGrace { key: batch_key(source), span: span(source) },
        0 => Setting::Tries(tries(source)),
        1 => Setting::Ttr(Millis(1 + span(source).0)),
        2 => Setting::Ttl(span(source)),
        3 => Setting::Backoff(backoff(source)),
        4 => Setting::Retain(retain(source)),
        5 => Setting::Priority(priority(source)),
        6 => Setting::MaxLen(source.number() >> 1),
        7 => Setting::MaxBody(source.number() >> 1),
        8 => Setting::DeadMax(source.number() >> 1),
        9 => Setting::DeadAge(span(source)),
        10 => Setting::Expired(source.pick(&[WhenExpired::Bury, WhenExpired::Drop])),
        11 => Setting::Lapse(source.pick(&[WhenLapsed::Backoff, WhenLapsed::Ready])),
        12 => Setting::BindCounts(source.one_in(2)),
        13 => Setting::IdleExpire(span(source)),
        _ => Setting::ReleasesMax(source.below(3) as u32),
    }
}

fn batch_key(source: &mut Source<'_>) -> Option<Box<[u8]>> {
    source.pick(&[None, None, Some(&b"a"[..])]).map(Into::into)
}

/// Looks at all jobs of a state page by page, and at each job by its name.
fn look(queue: &Queue, source: &mut Source<'_>) {
    let state = source.pick(&StateKind::ALL);
    let mut listing =
        Listing { reverse: source.one_in(2), ..Listing::of(state, 1 + source.below(4)) };
    let mut met: Vec<Slot> = Vec::new();
    loop {
        let page = queue.list(&listing);
        met.extend(&page.jobs);
        assert!(met.len() <= queue.len_of(state), "a job is met once");
        listing.after = page.next;
        if listing.after.is_none() {
            break;
        }
    }
    assert_eq!(met.len(), queue.len_of(state), "each job is met");
    for slot in met {
        let job = queue.job(slot);
        assert_eq!(job.state().kind(), state);
        assert_eq!(queue.find_id(&job.id().to_string()), Some(slot));
    }
}

fn refs<'a>(source: &mut Source<'_>, names: &'a [String]) -> JobRefs<'a> {
    (0..=source.below(3)).map(|_| named(source, names)).collect()
}

/// Mostly one of the last names that clients were told.
fn named<'a>(source: &mut Source<'_>, names: &'a [String]) -> JobRef<'a> {
    let text = match source.byte() {
        last @ 0..224 if !names.is_empty() => {
            names[names.len() - 1 - usize::from(last) % names.len()].as_str()
        }
        other => GIVEN_IDS[usize::from(other) % GIVEN_IDS.len()],
    };
    JobRef::parse(text.as_bytes()).expect("a name of a job")
}

fn which<'a>(source: &mut Source<'_>, names: &'a [String]) -> Which<'a> {
    if source.one_in(2) {
        Which::Ids(refs(source, names))
    } else {
        Which::First(source.number())
    }
}

fn holder<'a>(source: &mut Source<'a>) -> Holder<&'a [u8]> {
    Holder {
        worker: source.bytes(2),
        ttr: source.maybe(span).unwrap_or_default(),
        counted: !source.one_in(4),
    }
}

fn verdict<'a>(source: &mut Source<'a>) -> Verdict<'a> {
    match source.below(8) {
        0 | 1 => Verdict::Ack,
        2 => Verdict::Fulfill { result: source.bytes(24), retain: source.maybe(retain) },
        3 | 4 => {
            Verdict::Nack { delay: source.maybe(span), error: source.maybe(|it| it.bytes(24)) }
        }
        5 | 6 => {
            let delay = source.maybe(span).unwrap_or_default();
            Verdict::Release { delay, counted: !source.one_in(4) }
        }
        _ => Verdict::Bury { error: source.maybe(|it| it.bytes(24)) },
    }
}

fn revival(source: &mut Source<'_>) -> Revival {
    Revival {
        tries: source.maybe(tries),
        ttl: source.maybe(span),
        delay: source.maybe(span).unwrap_or_default(),
    }
}

fn due(source: &mut Source<'_>, now: UnixMillis) -> Due {
    match source.below(4) {
        0 | 1 => Due::Now,
        2 => Due::In(span(source)),
        _ => Due::At(UnixMillis::MAX.min(now.after(span(source)))),
    }
}

/// None, short, or as long as may be.
fn span(source: &mut Source<'_>) -> Millis {
    match source.byte() {
        short @ 0..240 => Millis(u64::from(short) / 4 * 10),
        240..250 => Millis(600_000),
        250..253 => Millis(source.number().min(Millis::MAX.0 - 1)),
        _ => Millis(Millis::MAX.0 - 1),
    }
}

fn tries(source: &mut Source<'_>) -> u32 {
    source.pick(&[1, 2, 3, 4, u32::MAX])
}

fn priority(source: &mut Source<'_>) -> i8 {
    source.pick(&[0, -1, 1, -20, 20])
}

fn backoff(source: &mut Source<'_>) -> Backoff {
    match source.below(4) {
        0 => Backoff::None,
        1 => Backoff::Fixed(span(source)),
        2 => Backoff::Exponential { base: span(source), max: span(source) },
        _ => Backoff::Polynomial,
    }
}

fn retain(source: &mut Source<'_>) -> Retain {
    if source.one_in(4) {
        Retain::Forever
    } else {
        Retain::For(span(source))
    }
}
