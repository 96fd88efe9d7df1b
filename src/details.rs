//! Everything that is known of a job, as clients are told: the fields of `jobq_protocol::JOB_FIELDS`.

use std::borrow::Cow;

use jobq_engine::{
    gates, uses, Happening, Job, LimitName, Parent, ParentState, Parents, Queue, State, StateKind,
    TrailStep, UnixMillis, Use,
};
use jobq_protocol::NOT_IN_DETAILS;

/// Bytes of a queue, or a copy of them.
pub type Bytes<'a> = Cow<'a, [u8]>;

/// The value of a field.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// It has none.
    Null,
    /// A number, a span or an instant.
    Integer(i64),
    /// Bytes.
    Bytes(Bytes<'a>),
    /// Named values.
    Pairs(Vec<(Bytes<'a>, Bytes<'a>)>),
    /// Several texts.
    Texts(Vec<Bytes<'a>>),
    /// Named numbers.
    Numbers(Vec<(Bytes<'a>, i64)>),
}

/// Fields with their values, in the order of the table.
pub type Details<'a> = Vec<(&'static str, Value<'a>)>;

/// Of the jobs that one waits for, or that are delivered with it, so many are told where many jobs are told
/// of.
const LISTED_MAX: usize = 100;

/// Everything known of a job, at the queue's own time.
pub fn of<'a>(queue: &'a Queue, job: &'a Job) -> Details<'a> {
    with_others(queue, job, usize::MAX)
}

/// The same with at most some of the jobs that it waits for, and that are delivered with it.
pub fn in_list<'a>(queue: &'a Queue, job: &'a Job) -> Details<'a> {
    with_others(queue, job, LISTED_MAX)
}

fn with_others<'a>(queue: &'a Queue, job: &'a Job, max: usize) -> Details<'a> {
    let parents = || job.parents().into_iter().flat_map(Parents::iter).take(max);
    let terms = queue.terms_of(job);
    let state = job.state();
    let unfinished = !state.kind().is_final();
    let is_ready = matches!(state, State::Ready { .. });
    let is_held = matches!(state, State::Held { .. });
    let is_gathering = matches!(state, State::Gathering { .. });
    let itself = job.is_leader().then_some(job).into_iter();
    let members = itself.chain(queue.followers(job).map(|slot| queue.job(slot))).take(max);
    let name = |job: &Job| job.id().to_string();
    let since = |wanted: bool| instant(state.since().filter(|_| wanted));
    let (leased_until, retained_until) = match state {
        State::Leased { deadline, .. } => (Some(deadline), None),
        State::Completed { until, .. } => (None, Some(until)),
        _ => (None, None),
    };
    let worker = queue.holder_of(job).map(|holder| &*holder.worker);
    let expires_at = queue.expires_at(job).filter(|_| unfinished);
    let limit = queue.held_up_by(job);
    let published_at = job.ulid.millis();
    let headers = job.headers().map(|(name, value)| (name.into(), value.into())).collect();
    vec![
        ("id", text(job.id().to_string())),
        ("state", Value::Bytes(state.kind().name().as_bytes().into())),
        ("type", filled(&terms.job_type)),
        ("group", filled(&terms.group)),
        ("body", bytes(Some(&job.body))),
        ("headers", Value::Pairs(headers)),
        ("priority", Value::Integer(i64::from(terms.priority))),
        ("uses", Value::Numbers(uses::iter(&terms.uses).map(used).collect())),
        ("when", clauses(gates::clauses(&terms.when))),
        ("missing", clauses(queue.missing_gates(job).filter(|_| is_held))),
        ("parents-left", number(queue.parents_left(job))),
        ("parents", Value::Pairs(parents().map(|parent| state_of(queue, &parent)).collect())),
        (
            "parent-results",
            Value::Pairs(parents().filter_map(|it| result_of(queue, &it)).collect()),
        ),
        ("ifdead", bytes(job.parents().map(|parents| parents.if_dead().name().as_bytes()))),
        ("batch", filled(&terms.batch)),
        ("members", Value::Texts(members.map(|job| name(job).into_bytes().into()).collect())),
        ("leader", queue.leader_of(job).map_or(Value::Null, |leader| text(name(leader)))),
        ("tries", number(terms.tries)),
        ("tries-left", number(terms.tries.saturating_sub(job.deliveries))),
        ("deliveries", number(job.deliveries)),
        ("failures", number(job.failures())),
        ("releases", number(job.releases())),
        ("progress", job.progress().map_or(Value::Null, number)),
        ("ttr", number(terms.ttr.0)),
        ("backoff", text(terms.backoff.to_string())),
        ("retain", text(terms.retain.to_string())),
        ("published-at", number(published_at.0)),
        ("elapsed", number(queue.clock().since(published_at).0)),
        ("due", number(job.due().0)),
        ("held-since", since(is_held)),
        ("gathering-since", since(is_gathering)),
        ("batch-due", instant(queue.batch_fires(job))),
        ("ready-since", since(is_ready)),
        ("leased-since", instant(job.leased_since())),
        ("leased-until", instant(leased_until)),
        ("worker", filled(worker.unwrap_or_default())),
        ("completed-since", since(matches!(state, State::Completed { .. }))),
        ("retained-until", instant(retained_until)),
        ("subscribers", number(job.subscribers().len() as u64)),
        ("result", bytes(job.result())),
        ("dead-since", since(matches!(state, State::Dead { .. }))),
        ("expires-at", instant(expires_at)),
        ("ttl-left", expires_at.map_or(Value::Null, |at| number(at.since(queue.clock()).0))),
        ("deadline", instant(job.deadline())),
        ("unique", bytes(job.lock().map(|lock| &*lock.key))),
        ("unique-until", instant(job.lock_ends())),
        ("error", bytes(job.error())),
        ("schedule", bytes(job.run().map(|run| &*run.name))),
        ("occurrence", instant(job.run().map(|run| run.occurrence))),
        ("failed-at", instant(job.failed_at())),
        ("cancelled", Value::Integer(job.is_cancelled().into())),
        ("version", number(job.version())),
        ("why", bytes(why(queue, job, limit.is_some()).map(str::as_bytes))),
        ("limit", limit.map_or(Value::Null, |(name, _)| Value::Bytes(limit_name(name)))),
        ("limit-held", limit.map_or(Value::Null, |(_, held)| number(held))),
    ]
}

/// The same for one who has the body already.
pub fn besides_body<'a>(queue: &'a Queue, job: &'a Job) -> Details<'a> {
    let mut details = of(queue, job);
    details.retain(|(name, _)| *name != NOT_IN_DETAILS);
    details
}

/// An event of a queue: the fields of `jobq_protocol::causes::EVENT_FIELDS`.
pub fn of_happening<'a>(happening: &Happening<'a>) -> Details<'a> {
    let job = happening.job.map_or(Value::Null, |job| text(job.to_string()));
    let Happening { number: n, at, cause, from, to, worker, .. } = *happening;
    let mut details = vec![("number", number(n))];
    details.extend(of_step(&TrailStep { at, cause, from, to, worker }));
    details.insert(3, ("id", job));
    details
}

/// A change of a job: the same but for which job it is.
pub fn of_step<'a>(step: &TrailStep<'a>) -> Details<'a> {
    let state = |state: Option<StateKind>| bytes(state.map(|state| state.name().as_bytes()));
    vec![
        ("at", number(step.at.0)),
        ("event", Value::Bytes(step.cause.word().as_bytes().into())),
        ("from", state(step.from)),
        ("to", state(step.to)),
        ("worker", filled(step.worker)),
    ]
}

/// The same with copies of its own.
pub fn owned(details: Details<'_>) -> Details<'static> {
    let copy = |bytes: Bytes<'_>| Cow::Owned(bytes.into_owned());
    let owned = |value| match value {
        Value::Null => Value::Null,
        Value::Integer(n) => Value::Integer(n),
        Value::Bytes(bytes) => Value::Bytes(copy(bytes)),
        Value::Pairs(pairs) => {
            Value::Pairs(pairs.into_iter().map(|(name, value)| (copy(name), copy(value))).collect())
        }
        Value::Texts(texts) => Value::Texts(texts.into_iter().map(copy).collect()),
        Value::Numbers(numbers) => {
            Value::Numbers(numbers.into_iter().map(|(name, n)| (copy(name), n)).collect())
        }
    };
    details.into_iter().map(|(name, value)| (name, owned(value))).collect()
}

/// An instant; -1 for one that never comes.
pub fn instant(at: Option<UnixMillis>) -> Value<'static> {
    match at {
        Some(UnixMillis::NEVER) => Value::Integer(-1),
        Some(at) => number(at.0),
        None => Value::Null,
    }
}

fn why(queue: &Queue, job: &Job, is_held_up: bool) -> Option<&'static str> {
    match job.state() {
        State::Delayed { .. } => Some("due"),
        State::Held { .. } if queue.parents_left(job) > 0 => Some("parents"),
        State::Held { .. } => Some("gate"),
        State::Gathering { .. } => Some("batch"),
        State::Ready { .. } if queue.pauses().consuming.is_some() => Some("pause"),
        State::Ready { .. } if is_held_up => Some("limit"),
        State::Ready { .. } => Some("turn"),
        State::Leased { .. } | State::Completed { .. } | State::Dead { .. } => None,
    }
}

/// A job that another waits for, and what has become of it.
fn state_of<'a>(queue: &'a Queue, parent: &Parent<'a>) -> (Bytes<'a>, Bytes<'a>) {
    let state = match queue.parent_state(parent) {
        ParentState::There(job) => job.state().kind().name(),
        ParentState::Finished => "finished",
        ParentState::Gone => "gone",
        ParentState::Elsewhere => "waiting",
        ParentState::Died => "dead",
    };
    (name_of(parent), state.as_bytes().into())
}

/// The name of a parent as a publisher writes it.
fn name_of(parent: &Parent<'_>) -> Bytes<'static> {
    let id = parent.id.text();
    match parent.queue {
        Some(queue) => [queue, b"/", id.as_bytes()].concat().into(),
        None => id.as_bytes().to_vec().into(),
    }
}

/// A job that another waits for, and what came of it, if that is kept.
fn result_of<'a>(queue: &'a Queue, parent: &Parent<'a>) -> Option<(Bytes<'a>, Bytes<'a>)> {
    let ParentState::There(job) = queue.parent_state(parent) else { return None };
    let is_done = matches!(job.state(), State::Completed { .. });
    Some((name_of(parent), job.result().filter(|_| is_done)?.into()))
}

/// Gates as a publisher writes them.
fn clauses<'a>(clauses: impl Iterator<Item = Vec<&'a [u8]>>) -> Value<'a> {
    Value::Texts(clauses.map(|names| names.join(&gates::OR).into()).collect())
}

/// A limit by the name that clients see, and how much of it a job takes.
fn used(wanted: Use<'_>) -> (Bytes<'_>, i64) {
    (limit_name(wanted.limit), wanted.weight.into())
}

fn limit_name(name: LimitName<'_>) -> Bytes<'_> {
    match name {
        LimitName::Named(name) => name.into(),
        LimitName::Group(name) => [b"group:", name].concat().into(),
        LimitName::Mutex(name) => [b"mutex:", name].concat().into(),
    }
}

fn number(n: impl Into<u64>) -> Value<'static> {
    Value::Integer(n.into() as i64)
}

fn text(text: String) -> Value<'static> {
    Value::Bytes(text.into_bytes().into())
}

fn bytes(bytes: Option<&[u8]>) -> Value<'_> {
    bytes.map_or(Value::Null, |bytes| Value::Bytes(bytes.into()))
}

/// Bytes, or nothing where there are none.
fn filled(text: &[u8]) -> Value<'_> {
    bytes((!text.is_empty()).then_some(text))
}
