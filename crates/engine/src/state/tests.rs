//! Renders `docs/lifecycle.md` by trying every event in every state, and every way out of the
//! queue, and compares it with what is committed.

use super::*;
use crate::{
    batches::BatchKey,
    interner::Interner,
    operation::{Action, Bodies, Consume, Due, Holder, Operation, Publish, Request, Verdict},
    retain::Retain,
    time::Millis,
    JobRef, Queue, Setting, Wishes,
};

const NOW: UnixMillis = UnixMillis(1_000);

#[test]
fn the_lifecycle_page_shows_what_the_engine_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lifecycle.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).expect("docs/lifecycle.md can be written");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/lifecycle.md is not what the engine does; this renders it anew:\n\
         UPDATE_DOCS=1 cargo test -p jobq-engine"
    );
}

#[test]
fn an_event_that_a_state_does_not_know_moves_nothing() {
    for state in states() {
        let moves = events().into_iter().filter(|&event| state.after(event, NOW).is_some());
        let expected = match state.kind() {
            StateKind::Delayed => 7,
            StateKind::Held => 6,
            StateKind::Gathering => 6,
            StateKind::Ready => 4,
            StateKind::Leased => 9,
            StateKind::Completed => 0,
            StateKind::Dead => 5,
        };
        assert_eq!(moves.count(), expected, "{state:?}");
    }
}

#[test]
fn a_touch_keeps_the_token_and_the_holder() {
    let [_, _, _, _, leased, ..] = states();
    let State::Leased { token, holder, .. } = leased else { panic!("{leased:?}") };
    let deadline = UnixMillis(9_000);
    let touched = leased.after(Event::Touch { deadline }, NOW);
    assert_eq!(touched, Some(State::Leased { token, deadline, holder }));
}

fn key() -> Key {
    Interner::<Box<[u8]>>::default().intern(&b""[..], |a, b| **a == **b, Into::into)
}

fn states() -> [State; 7] {
    let since = UnixMillis(500);
    [
        State::Delayed { until: UnixMillis(1_500) },
        State::Held { since },
        State::Gathering { since, batch: BatchKey(0) },
        State::Ready { since, parked: false },
        State::Leased { token: Token(1), deadline: UnixMillis(2_000), holder: key() },
        State::Completed { since, until: UnixMillis(3_000) },
        State::Dead { since },
    ]
}

/// One of each, in the order of a job's life. A new one goes here and into [`arrow`].
fn events() -> [Event; 16] {
    let (deadline, until) = (UnixMillis(5_000), UnixMillis(6_000));
    [
        Event::Wake,
        Event::Kick,
        Event::Hold,
        Event::Free,
        Event::Gather { batch: BatchKey(0) },
        Event::Reschedule { until },
        Event::Lease { token: Token(2), deadline, holder: key() },
        Event::Touch { deadline },
        Event::Release,
        Event::Retry,
        Event::Postpone { until },
        Event::Lapse,
        Event::Complete { until },
        Event::Bury,
        Event::Respawn,
        Event::RespawnLater { until },
    ]
}

/// What users call an event, and what they should know of it.
fn arrow(event: Event) -> (&'static str, &'static str) {
    match event {
        Event::Wake => (
            "due",
            "The instant of a delayed job has come. It joins the tail of its priority; jobs that \
             come due together do so in the order in which they were published.",
        ),
        Event::Kick => (
            "kick",
            "`JQ.KICK` makes delayed jobs ready before their time: the soonest ones, or those \
             named; with something missing that they wait for, they are held. A held job that is \
             named is ready without what it waits for, this once: given back, or tried again, it \
             waits anew. So is one that gathers: by itself. A large kick goes on in slices, and other commands are served between \
             them.",
        ),
        Event::Hold => (
            "would be ready, with something missing",
            "A job that would become ready by one of the ways in this list, or as it is \
             published, is held while a gate is closed (`WHEN`) or another job not completed \
             (`AFTER`) that it waits for. Its time to live and its deadline run on.",
        ),
        Event::Free => (
            "nothing is missing any more",
            "All that a held job waits for is there. It joins the tail of its priority. Jobs that \
             one gate or one other job holds are looked at in publish order, many of them in slices. \
             Of jobs that gather, that is said of the one that leads their batch when it forms.",
        ),
        Event::Gather { .. } => (
            "would be ready, and belongs to a batch",
            "A job that was published with `BATCH` and would become ready, with nothing missing, \
             waits for others of the same key instead.",
        ),
        Event::Reschedule { .. } => (
            "update with `DELAY` or `AT`",
            "`JQ.UPDATE` gives a job that waits another instant. If that has come already, a \
             delayed job is ready at once, at the tail, and a held, gathering or ready one stays where \
             it is.",
        ),
        Event::Lease { .. } => (
            "consume",
            "`JQ.CONSUME` takes the next jobs: the lowest priority number first, then first come, \
             first served. Each gets a new token and a lease of one TTR from now: the consumer's \
             if it names one, else the job's. A job whose TTL is over is passed over. While the \
             queue is paused, nothing is taken.",
        ),
        Event::Touch { .. } => (
            "touch",
            "`JQ.TOUCH` has the lease end one TTR from now: the one named, else the one the \
             lease was taken with. The receipt stays the same.",
        ),
        Event::Release => (
            "release",
            "`JQ.RELEASE` gives a job back without blame. It goes to the head of its priority, \
             and its delivery is taken back. Jobs released by one command keep their order. The \
             setting `releases-max` limits how often.",
        ),
        Event::Retry => (
            "nack without a wait",
            "`JQ.NACK`, where the job has tries left and its backoff (or `DELAY`) is no wait at \
             all. It joins the tail.",
        ),
        Event::Postpone { .. } => (
            "nack, release or lapse with a wait",
            "`JQ.NACK` sends a job with tries left through its backoff, or for as long as `DELAY` \
             says; `JQ.RELEASE` with `DELAY` does so without blame; a lapse does so where the \
             queue's setting `lapse` is `backoff`.",
        ),
        Event::Lapse => (
            "lapse",
            "The lease has ended and nobody touched or settled the job: its holder is taken \
             for dead. With tries left it is ready at once, at the tail: the backoff is for \
             failures that were told. With the setting `lapse backoff`, it waits like one that \
             was nacked.",
        ),
        Event::Complete { .. } => (
            "fulfill, where the job is kept",
            "`JQ.FULFILL` finishes a job with a result, whoever holds it or nobody; also a dead \
             one, whose result came late. The first result wins. The job is kept for its \
             retention: that of `JQ.FULFILL` if it names one, else that of the job. `JQ.ACK` does \
             the same to a leased job without a result.",
        ),
        Event::Bury => (
            "bury, the last try failed, or the deadline passed",
            "`JQ.BURY` says that a job can never work, whoever holds it or nobody; with `ALL`, of \
             all jobs that wait, in slices. So does a release once more than `releases-max`. A nack or a lapse ends here when the tries are used \
             up, and so does every unfinished job at its `DEADLINE`. If the queue then has more \
             dead than its setting `dead-max`, the longest dead is gone. A \
             job that waits for another dies with it, if it was published with `IFDEAD BURY`.",
        ),
        Event::Respawn => (
            "respawn",
            "`JQ.RESPAWN` brings dead jobs back: the longest dead, those named, or all. Their \
             counters start at zero; `TRIES` gives them other tries, and `TTL` a new time to \
             live, without which they live for ever. A large respawn goes on in slices.",
        ),
        Event::RespawnLater { .. } => {
            ("respawn with a delay", "The same, for jobs that should wait first.")
        }
    }
}

/// How a job can leave a queue.
#[derive(Clone, Copy)]
enum Exit {
    Ack,
    Fulfill,
    Expire,
    Retire,
    Delete,
    Cancel,
    Replace,
    Purge,
    Prune,
}

impl Exit {
    const ALL: [Self; 9] = [
        Self::Ack,
        Self::Fulfill,
        Self::Expire,
        Self::Retire,
        Self::Delete,
        Self::Cancel,
        Self::Replace,
        Self::Purge,
        Self::Prune,
    ];
}

fn exit(exit: Exit) -> (&'static str, &'static str) {
    match exit {
        Exit::Ack => (
            "ack, where nothing is kept",
            "`JQ.ACK`: the work is done. The job is gone, unless it has a retention; then it is \
             completed, without a result.",
        ),
        Exit::Fulfill => (
            "fulfill, where nothing is kept",
            "`JQ.FULFILL` with a retention of zero, which is the default: the result goes to those \
             who wait for it, and the job is gone.",
        ),
        Exit::Expire => (
            "TTL over",
            "The job was not finished in its time. It is removed and counted as expired, also \
             from under a consumer, who learns so at the next touch or ack. With the setting \
             `expired dead` it is counted just so, but it is dead and can be respawned.",
        ),
        Exit::Retire => (
            "retention over",
            "A completed job was kept for as long as it should be. It is gone with its result.",
        ),
        Exit::Delete => (
            "delete",
            "`JQ.DELETE` removes a job in any state. A consumer who holds it learns so at the \
             next touch or ack.",
        ),
        Exit::Cancel => (
            "cancel",
            "`JQ.CANCEL` removes a job that waits. One that is leased is only marked: see below.",
        ),
        Exit::Replace => (
            "replace",
            "`JQ.PUBLISH … REPLACES` removes a job in any state, in the step that publishes the \
             one in its place. A refusal leaves the old one as it is.",
        ),
        Exit::Purge => (
            "purge",
            "`JQ.PURGE` removes the jobs of one state, those first that would leave it first. A \
             large purge goes on in slices.",
        ),
        Exit::Prune => (
            "dead for `dead-age`, or one too many",
            "The queue's settings `dead-age` and `dead-max` say how long and how many dead jobs \
             it keeps. What is beyond is removed, the longest dead first.",
        ),
    }
}

/// Whether a job in this state leaves the queue by this exit: tried on a queue.
fn leaves(state: StateKind, exit: Exit) -> bool {
    let mut queue = Queue::new(0);
    let tick = |now| Operation::Tick { now: UnixMillis(now), budget: 9 };
    let due = if state == StateKind::Delayed { Due::In(Millis(100)) } else { Due::Now };
    let wishes = Wishes { ttl: Some(Millis(100)), ..Wishes::default() };
    let mut publish = Publish { id: Some("job"), due, wishes, ..Publish::new(Bodies::One(b"")) };
    match state {
        StateKind::Held => {
            publish.conditions.get_or_insert_default().when.push(vec![b"gate"]);
        }
        StateKind::Gathering => publish.conditions.get_or_insert_default().batch = b"key",
        _ => {}
    }
    let job = || JobRef::parse(b"job").into_iter().collect();
    let settle = |verdict| Action::Settle { jobs: job(), verdict };
    queue.apply(tick(NOW.0)).expect("nothing to refuse");
    queue.apply(Action::Publish(publish)).expect("nothing to refuse");
    match state {
        StateKind::Delayed | StateKind::Held | StateKind::Gathering | StateKind::Ready => {}
        StateKind::Leased => {
            let holder = Holder { worker: b"".as_slice(), ttr: Millis::ZERO, counted: true };
            let consume = Request::Consume(Consume { count: 1, holder });
            let lease = queue.choose(consume).expect("nothing to refuse").expect("a job is ready");
            queue.apply(lease).expect("as chosen");
        }
        StateKind::Completed => {
            let retain = Some(Retain::For(Millis(100)));
            drop(queue.apply(settle(Verdict::Fulfill { result: b"", retain })));
        }
        StateKind::Dead => drop(queue.apply(settle(Verdict::Bury { error: None }))),
    }
    assert_eq!(queue.len_of(state), 1);
    let operation: Operation<'_> = match exit {
        Exit::Ack => settle(Verdict::Ack).into(),
        Exit::Fulfill => settle(Verdict::Fulfill { result: b"", retain: None }).into(),
        Exit::Expire if state == StateKind::Completed => tick(NOW.0),
        Exit::Expire => tick(NOW.0 + 100),
        Exit::Retire if state == StateKind::Completed => tick(NOW.0 + 100),
        Exit::Retire => tick(NOW.0),
        Exit::Replace => {
            let mut other = Publish::new(Bodies::One(b""));
            other.replaces = JobRef::parse(b"job");
            Action::Publish(other).into()
        }
        Exit::Delete => Action::Delete(job()).into(),
        Exit::Cancel => Action::Cancel(JobRef::parse(b"job").expect("an id")).into(),
        Exit::Purge => Action::Purge { state, count: u64::MAX }.into(),
        Exit::Prune => Action::Configure(vec![Setting::DeadAge(Millis(50))]).into(),
    };
    queue.apply(operation).expect("nothing to refuse");
    match exit {
        Exit::Purge => drop(queue.apply(tick(NOW.0))),
        Exit::Prune => drop(queue.apply(tick(NOW.0 + 50))),
        _ => {}
    }
    queue.find_id("job").is_none()
}

/// What a state means, how a job gets in, and how it gets out.
fn meaning(state: StateKind) -> [&'static str; 3] {
    match state {
        StateKind::Delayed => [
            "waits for an instant",
            "published with a delay, retried after a backoff, released, respawned or updated with a \
             delay",
            "by itself when it is due; `JQ.KICK`, `JQ.UPDATE`",
        ],
        StateKind::Held => [
            "waits for something other than an instant",
            "would be ready, but a gate that it waits for is closed, or another job is not completed",
            "by itself when nothing is missing any more; `JQ.KICK` by its id, `JQ.UPDATE`",
        ],
        StateKind::Gathering => [
            "waits to be delivered with others, or goes with the one that leads its batch",
            "would be ready, and was published with `BATCH`",
            "by itself as the first of its batch when that forms, or when it is settled; `JQ.KICK` by \
             its id, `JQ.BATCH`, `JQ.UPDATE`",
        ],
        StateKind::Ready => [
            "may be taken",
            "published, due, kicked, released, lapsed with tries left, respawned",
            "`JQ.CONSUME`",
        ],
        StateKind::Leased => [
            "one consumer holds it, until its lease ends",
            "consumed",
            "`JQ.ACK`, `JQ.FULFILL`, `JQ.NACK`, `JQ.RELEASE`, `JQ.BURY`; by itself when the lease \
             lapses",
        ],
        StateKind::Completed => [
            "finished, and kept with its result",
            "acked or fulfilled, where the job or `JQ.FULFILL` names a retention",
            "by itself when its retention is over; `JQ.DELETE`, `JQ.PURGE`",
        ],
        StateKind::Dead => [
            "given up, and kept for somebody to look at",
            "the last try failed, its deadline passed, or buried; expired, where the queue says so",
            "`JQ.RESPAWN`, `JQ.FULFILL`, `JQ.DELETE`; by itself beyond `dead-max` and `dead-age`",
        ],
    }
}

fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    table(&mut page, &["state", "means", "a job gets in", "and out"]);
    for state in StateKind::ALL {
        let [means, gets_in, gets_out] = meaning(state);
        row(&mut page, &[&bold(state), means, gets_in, gets_out]);
    }

    page.push_str(MOVES);
    let names = StateKind::ALL.map(bold);
    let titles: Vec<&str> = std::iter::once("").chain(names.iter().map(String::as_str)).collect();
    table(&mut page, &titles);
    for event in events() {
        let after = states().map(|state| match state.after(event, NOW) {
            Some(state) => state.kind().name(),
            None => "-",
        });
        row(&mut page, &[&[arrow(event).0], &after[..]].concat());
    }
    for way in Exit::ALL {
        let after = StateKind::ALL.map(|state| if leaves(state, way) { "gone" } else { "-" });
        row(&mut page, &[&[exit(way).0], &after[..]].concat());
    }

    page.push_str(ARROWS);
    let arrows = events().map(arrow).into_iter();
    for (name, prose) in arrows.chain(Exit::ALL.map(exit)) {
        page.push_str(&wrapped(&format!("- **{name}**: {prose}")));
    }

    page.push_str(RULES);
    page
}

fn bold(state: StateKind) -> String {
    format!("**{}**", state.name())
}

fn table(page: &mut String, titles: &[&str]) {
    row(page, titles);
    page.push_str(&format!("|{}\n", "---|".repeat(titles.len())));
}

fn row(page: &mut String, cells: &[&str]) {
    page.push_str(&format!("| {} |\n", cells.join(" | ")));
}

/// An item of a list in lines of at most 118 characters.
fn wrapped(item: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in item.split(' ') {
        let separator = match width {
            0 => "",
            width if width + 1 + word.len() > 118 => "\n  ",
            _ => " ",
        };
        width = if separator == "\n  " { 2 } else { width + separator.len() } + word.len();
        lines.push_str(separator);
        lines.push_str(word);
    }
    lines + "\n"
}

const INTRODUCTION: &str = "\
# The life of a job

<!-- Rendered by crates/engine/src/state/tests.rs, which tries every move on the engine. Edit it there, then run
     UPDATE_DOCS=1 cargo test -p jobq-engine -->

A producer publishes a job. When it is due, it is ready; a consumer takes it and holds its lease for the TTR (time to
run). The consumer acks it, and it is gone, or kept for a while as completed; or nacks it, and it is tried again after its
backoff; or says nothing, and the lease lapses. A job whose tries are used up is dead, until somebody respawns or
deletes it. A job that would be ready, in whatever way, is held first if it waits for something else that is missing, and
gathers if it is to be delivered with others.

    publish ---------------> ready --- consume ---> leased --- ack ---> completed ---> (gone)
       |                     ^   ^                  |  |  |
       | DELAY      due, kick|   |                  |  |  |
       v                     |   +- release, lapse -+  |  |
    delayed -----------------+                         |  |
       ^                                               |  |
       +------------- nack, after its backoff ---------+  |
                                                          | out of tries, or bury
    ready <------------------- respawn ---------- dead <--+

## The states

A job is in exactly one of them.

";

const MOVES: &str = "
## Every move

What becomes of a job in each state; `-` says that it stays as it is, and that a command which asks for it does not
count the job.

";

const ARROWS: &str = "
## Each of them in prose

";

const RULES: &str = "
## Who is served next

The ready job with the lowest priority number (-20 to 20), and among equals the one that became ready first. Jobs that
come due in the same millisecond go in publish order. A released job goes to the head of its priority, a retried one to
the tail.

Jobs may belong to groups (`GROUP`): those of a customer, of a tenant, of a file. Within a priority the groups are then
served in turn, and each of them first come, first served; the jobs that belong to none are served like a group. So ten
jobs of one group wait for about as many turns as there are groups, and not for the million that another has. A group is
served once in a turn, or as often as its weight says (`group-weight:<key>`). It joins behind the others when it gets its
first ready job, and leaves with the last; one that is idle costs nothing. A released job goes to the head of its group.

## Limits

A job may name limits that it uses (`USES name weight`, `MUTEX name`), and it is taken when all of them have room for it.
`JQ.LIMIT` says what a limit permits: how much may be held at a time, and how much be taken in a time. A name that
nobody has set permits everything; a mutex permits one job at a time, and nobody sets it. `*` is for the whole queue,
and `group:*` for each group by itself: with a concurrency of 1, the jobs of a group are worked one after the other.

A ready job takes its places as it joins the line. If there is none, it is still ready, but it waits for the limit that holds it
up, which `JQ.JOB` names, and those behind it that use other limits or none are served. A place that becomes free, however
the lease ends, goes to those who wait for it: the best priority first, then group by group, then the oldest. None of them
is passed by one that weighs less; a job that comes later with a better priority goes first, also before one that stands in
line already. A job of several limits needs room in all of them at once, and holds none of them while it waits. One that weighs more
than a limit permits is taken alone. A delivery takes tokens of a rate, which come back by time and in no other way.

Where a limit is lowered, leases that hold more than it permits go on, and nothing is taken until they have ended; those
in line that are too many wait again, the last first. Where it is raised or removed, those who wait are let go. Both happen
in slices, and meanwhile jobs are handed out one by one.

## Two counters

**Deliveries** count how often a job was taken. A release takes its delivery back, and one that was taken with `FREE`
does not count. **Failures** count how often an attempt failed: by a nack or by a lapse. The backoff grows with the
failures; `TRIES` limits the deliveries. When an attempt fails and the deliveries have reached `TRIES`, the job is
dead. So a job is never delivered more often than it has tries, other than for free. A respawn sets both to zero.

## The time to live

A TTL runs from the moment of publishing and ends a job in every state but completed and dead, a leased one too. `TTL`
must not be shorter than the delay. One that is equal is accepted, but ends the job at the instant it is due. Without
`TTL` the queue's own holds; `TTL 0` means for ever, whatever the queue says. A job whose lease lapses before its TTL is
over has lapsed first, however late the server comes to it. With the setting `expired dead`, a job whose TTL is over is
dead and not gone; a respawn gives it a new one, or none.

## The deadline

A `DEADLINE` is an instant. A job that is not finished by then is dead, whatever state it is in; of a leased one that is
a failed attempt. No lease and no touch reaches beyond it, so the end of its lease is all that a worker has to
keep; a lease that ends so counts as overdue, and not as lapsed. A deadline before the job is due is refused, but a retry
may be put off beyond it: then the job is dead at the deadline. Where TTL and deadline end together, the job has expired.
A respawn takes the deadline off.

## Unique keys

A job that is published with `UNIQUE` holds the lock of its key, and as long as it does no other job is published with that
key. A lock belongs to the job that took it, and is free again

- when the job succeeds, whether or not it is retained;
- when it is removed: deleted, replaced, purged, pruned, or expired;
- when its time is over, if it has one: so many milliseconds as `FOR` says after the job was meant to be due. Until the
  job is first taken, whatever gives it another instant (an update, a kick, a respawn) moves the end of its lock too;
  from then on nothing does, no retry either;
- with `UNTIL DONE` also when the job is dead, and with `UNTIL START` when it is first taken, or dead before that.

So without `UNTIL` a dead job keeps its lock, and can be respawned without a twin. A job whose lock is free goes on
without it and does not take it again: after a death with `UNTIL DONE` and a respawn there may be two. A lock is taken
with the publish or not at all; a refusal leaves none behind. `JQ.PUBLISH … REPLACES` of the very job that holds the key
hands it to the new one.

What becomes of a publish whose key is held, `ONDUPLICATE` says. `REJECT`, the default, refuses it with `DUPLICATE` and the
id of the job that holds the key. `RETURN` publishes nothing and answers that id. `REPLACE` publishes nothing either, but
gives the body, the headers and the instant of this publish to the job that holds the key, if it waits, as `JQ.UPDATE` would;
its lock is as this publish says, and its time counts anew. Its id, its other options and its life, its TTL and deadline,
stay. A job that is leased or dead is not changed: that publish is refused as with `REJECT`. Where nothing is added, nothing
is removed: then the job that `REPLACES` names stays.

## Completed jobs

A job that is acked or fulfilled is kept as completed for its retention, which begins then: a time, for ever, or not at
all, which is the default. Its id stays taken for so long. A completed job can be looked at, deleted, replaced and
purged, and nothing else: it has its result, and a second one is not taken. `JQ.RESULT` tells the result, and can wait for it.

## The dead

The dead are kept until somebody respawns or deletes them, unless the queue's settings say otherwise. `dead-max` is how
many it keeps: with one more, the longest dead is gone. Exactly so many stay. `dead-age` is for how long it keeps each.
Whatever is removed so is gone as a whole, its id too, which may be published again. Where `dead-max` is lowered, the
longest dead go in slices.

## A pause

`JQ.PAUSE` closes the way in, so that publishing is refused; or the way out, so that nothing is handed out and consumers
wait; or both. It lasts for as long as it says and ends by itself, or until `JQ.RESUME`, which opens both. All else goes
on: leases are acked, nacked and touched, and lapse; delays end; jobs expire; operators kick, respawn and purge. A pause
is part of the queue, so it outlives a restart.

## Waiting for several jobs

`JQ.CONSUME mail COUNT 100 MIN 20 LINGER 500 BLOCK 0` takes up to 100 jobs as soon as there are 20; or fewer, when 500 ms
have passed since the first of them was there for it. It is there for it when the consumer is the first in line. It holds
nothing meanwhile: who does not wait takes the jobs from under it, they expire, somebody deletes them or pauses the
queue. When none is left, the time begins anew with the next. When `BLOCK` is over it takes what is there, and answers
null only if there is nothing; so does any other consumer that waits behind it. Those behind it wait, also those who come
while there are jobs, and are served as soon as it is, or is gone.

With `ALSO`, the first look counts the jobs of all its queues, and takes from all of them. While it waits, each queue
counts by itself, and it is served from one: the first that has enough, or in which it has waited long enough.

## Leases that end with a connection

A worker that dies keeps its jobs until their leases lapse. With `JQ.CONSUME … BIND` they come back as soon as the
server sees that the connection has closed: by the client, by `CLIENT KILL`, by a time-out of the server's. They come back
as if the worker had released them: to the head, in their order, uncounted. Where a job may be what kills its worker, set
`bind-counts yes`: then it is a failed attempt with the error `connection closed`, as by a nack without a wait.

`BIND 5000` gives a worker 5 s to come back over another connection. What it settles meanwhile is settled, and what it
touches is bound no longer: from then on the lease ends by its TTR alone. All else comes back when the time is over.

A bond is no part of the queue. It goes with a queue that is renamed or moved, but a copy, a restarted server and a
replica that takes over have none: there leases end by their TTR, which always goes on. A worker that the network cut off
without a word is not seen to be gone before the server's `tcp-keepalive` says so.

## Gates

A gate is a name that is open or closed; one that nobody has opened is closed. `JQ.PUBLISH … WHEN a|b` has a job wait
until one of these gates is open, and several `WHEN` until each of them has one. What a gate stands for is decided
outside, by whoever says `JQ.GATE … OPEN` or `CLOSE`, which also can be done before there is any job.

A gate is a level and not a signal: it is looked at each time the job would become ready, so also when it comes due, is
released, tried again or respawned. A job that is ready already is not called back by a gate that closes. To open a gate
frees the jobs that it holds in publish order, those of them for which nothing else is missing; very many in slices, and
closing it again meanwhile keeps those that are left. An open gate is part of the queue, which is therefore not removed
by `idle-expire`; one that is closed, and waited for by no held job, is forgotten.

A condition that only a worker can look at is for `JQ.RELEASE` with `DELAY`. The setting `releases-max` says how often
that may be done to a job: released once more, it is dead, with the error `released too often`. A release that says
`UNCOUNTED` does not count, nor does one by the server, which gives back what a consumer did not receive.

## Waiting for other jobs

`JQ.PUBLISH … AFTER n id …` has a job, the child, wait until all those jobs, its parents, are completed: acked, or
fulfilled. One of another queue is named with that before its id: `queue/id`, up to the last slash. The child is held where
it would be ready before that. What counts is the very job that was there when the child was published, not another one
that takes its id later.

| a parent that | |
|---|---|
| is delayed, held, ready or leased | is waited for |
| is completed, and kept | counts at once |
| is not in its queue when the child is published, or that queue is not there | counts as completed: a job that is not kept leaves no trace when it is done, so let parents have a `RETAIN` |
| has the form of an id that its queue is yet to make | is refused: `NOSUCHJOB` |
| is the child itself, or the job that it replaces | is refused: `SYNTAX`; a circle cannot be, since parents come first |
| dies while the child waits, or is dead already when it is published | with `IFDEAD HOLD`, as if not said, is waited for still; with `RUN` counts as completed; with `BURY` takes the child with it: that is dead, with the error `parent <id> died`, if it is delayed or held then |
| is dead, and respawned | is waited for by those who wait still; completed then, or fulfilled late, it frees them |
| is removed before it is completed: deleted, purged, replaced, expired, or dead and pruned | is like a dead one for good: with `HOLD` the child waits until it is kicked or deleted; with `RUN` it counts as completed; with `BURY` the child is dead with the error `parent <id> was removed` |
| is completed, and removed later | has counted |

`JQ.KICK … ID` makes a held child ready without its parents, for once; a child that was freed so is not buried
any more. A child that was buried and is respawned waits for what it waited for before, and is buried again only by an
end that is yet to come.

A parent that ends only notes so: its children are told in publish order, many of them in slices, and a child that dies
so tells its own children in turn. `JQ.JOB` tells how many parents are left, and the state of each; a child that is
consumed with `DETAILS` is told the results of its parents, as far as these are kept.

### In other queues

A queue that has jobs which others wait for in other queues keeps who they are. When such a job ends, each of them is told
within the same command: it may be ready, and with a consumer that waited for it, before the answer to the next command.
Where there are many, or where deaths follow deaths from queue to queue, one command tells some hundreds, and the timer
goes on. What is yet to be told is part of the queue, so nobody is forgotten by a restart or a failover, whatever part of
the log is lost: they are told then, some for a second time, which changes nothing.

The queues are those of one database, and in a cluster of one hash slot (`{shop}:orders` and `{shop}:mail`); otherwise the
publish is refused with `CROSSSLOT`, and while one of them is on its way to another node and the other is not, with
`TRYAGAIN`. The publisher needs the right to read and write them all. A publish names at most 16 other queues, by at most 512
bytes each, and ids of other queues times bodies are at most 10000.

The child's queue knows of a job in another queue what that has told last: `JQ.JOB` names it `waiting`, `finished`,
`gone` if it was removed before it was completed, or `dead`, also when it was respawned since. Results are not passed on:
look them up with `JQ.RESULT`.

Queues know each other by their names, as these were when the child was published.

| what becomes of the queue | |
|---|---|
| of the parent: deleted, flushed, expired, overwritten | tells nobody: the child goes on waiting, for a job that is shown as `waiting`, until it is kicked or deleted |
| of the parent: renamed | tells as before |
| of the parent: moved to another database | tells queues of that database |
| of the parent: copied | the copy tells nobody |
| of the child: deleted, renamed, moved | what is told to its old name is lost, and what waits under the new one waits until it is kicked or deleted |
| of the child: copied | the jobs of the copy are told nothing |
| of either: restored from a `DUMP`, or moved to another node with its slot | goes on as it was |

A child that is gone, or has all that it waits for, is remembered by the queues of its parents until these end.

## Batches

`JQ.PUBLISH … BATCH key` has a job wait for others of the same key, so that one worker gets them together: in one
delivery, under one receipt, with the array of their bodies in the place of the body. `DETAILS` tells their ids in the
same order (`members`). The jobs of a key are a batch as soon as one of these holds:

1. they are as many as `batch-size` says; if not said, 1,000, which is the most there can be;
2. the first of them has waited for as long as `batch-delay` says;
3. no other has come for as long as `batch-grace` says, a minute if not said: every job that joins begins it anew.

Each of the three can be set for the queue, and for a key in its stead (`batch-size:<key>` and so on). With nothing that
could form a batch, a job is one by itself; it never waits for something that cannot come. A change of the settings holds
for jobs that gather already, in slices where there are many keys. Jobs gather when they would be ready, and not before:
when a delay is over, a gate opens, a dead one comes back, or one that was run by itself is to be tried again.

The job that came first leads the batch. What it says of priority, group, limits, TTR and backoff holds for the whole, and
so does what is done to its lease: ack, fulfil, nack, release, bury, touch and lapse. It is the one that is ready, leased or
delayed; the others are `gathering` with it until they are settled, and `JQ.JOB` names it (`leader`). A batch that fails
comes back as a whole. The attempt counts for each of its jobs: one whose own tries are used up is dead, and the others
stay together. Each of them ends by its own TTL and deadline, keeps its own result, lock and retention, and has its own
dependents told.

Who leaves, leaves alone: deleted, purged, cancelled, buried, fulfilled, updated with a delay, expired. The rest go on
together, and if it was the leader, the next one leads; then those who hold the batch have lost it, and it is ready
anew. A job that somebody holds as one of a batch cannot be kicked out of it.

`JQ.BATCH` looks at the jobs that gather, key by key, and acts on those of one key: `FIRE` makes them a batch now, `RUN`
has each of them be taken by itself, `BURY` and `DELETE` do that to all of them.

## Schedules

`JQ.SCHEDULE` has the queue publish a job again and again. A schedule is a part of the queue; only the primary fires, and what
it did is in the log, so each occurrence comes once, whatever restarts and fails over.

`EVERY ms FROM t` comes at the points of a grid: `t`, and each `ms` from there, in both directions. `CRON` comes as five
fields say, or six with the seconds before them, by the clock of a time zone. `AFTER ms` comes so long after the
run before has ended: completed, dead, or removed in whatever way, TTL and cancel included. That run is made, delayed, in
the very step that ends the one before, so the two never meet. A dead run that is brought back has to end once more, and the
last one to end makes the next.

Runs of `EVERY` and `CRON` may meet, unless `OVERLAP` says otherwise: with `SKIP` there is none while one is unfinished, and
with `QUEUE` one of those that were skipped is made up for at the end of that one. A run that waits for something, or is
delayed for a retry, is unfinished.

An occurrence is missed if the one behind it is due as well when the queue comes to it, or if it is more than a minute late.
`MISSED ONE` has the last of them run, `ALL` each, in slices, and `NONE` none. A paused schedule misses nothing: it goes on
with what comes next, and of `AFTER` with the wait.

A run is published as any job, and can be refused as any: for want of room, in a pause, or while another job holds its key. That
is counted, and told with the schedule's past (`JQ.SCHEDULE … GET`), and stops nothing; one with `AFTER` is tried again after
its wait.

At the instant at which a schedule comes round, all else that is due then has been done: jobs have moved, locks are free, and
pauses are over. Of several schedules, the one that was set first comes first.

## A purge

`JQ.PURGE` takes as many jobs of a state as it tells, beginning with the job that would leave the state first, or with
the longest completed or dead one. A large
one goes on in slices and by number: what comes into the state before the last slice can be among them, in the place of
what left it by itself. The holder of a purged job learns so at the next touch or ack.

## A cancel

`JQ.CANCEL` says that a job is not wanted any more. One that waits is gone, and counted as cancelled. One that is leased
cannot be taken from its holder, so it is marked. The holder is told so when it touches the lease, which is not extended
any more, and by a message if it gave its name. If it finishes the job all the same, by an ack or a result, the job is
finished: the work was done. If the lease ends in any way after which the job would wait again, by a nack, a release or a
lapse, the job is gone instead and counted as cancelled, also where it would have been dead. A bury, the TTL and the
deadline do to it what they do to any. The mark stays with a job that is completed or dead, for who looks at it; a respawn
takes it off. Those who wait for the result are told when the job is gone.

## A full queue

A queue with a `maxlen` takes no more jobs than that, in all states together. A publish that does not fit is refused, or
waits with `BLOCK` until it fits: first come, first served, each with all of its jobs or none. It is as if it had been sent
when there is room: its delay and its TTL begin then, and its id is made then.

## Changing a job

`JQ.UPDATE` changes a job where it is, in any state but completed, under its id. Only the instant (`DELAY`, `AT`) is for
a job that waits, delayed, held, gathering or ready. A ready job keeps its place in line, unless its priority changes: then it joins the
tail of its new one. `TTL` runs from the update; `TTL 0` means for ever. `TRIES` must leave one for a job that waits, and
not be fewer than a lease has used. Each update raises the job's version, which begins with 1. With `IFVERSION`, a job
that has another version stays as it is. That the job is due before its life ends is checked where either is named.

## Receipts

To consume a job is to get a receipt, `id@token`. The token is new at every delivery and grows within a queue. Every
command that names a job takes the bare id or a receipt; a receipt acts only while that very lease holds. So the ack of
a worker that was too slow changes nothing once its job is leased to another, and the answer (the number of jobs
settled, or the new end of the lease) tells it so. The bare id is for whoever knows it: an operator, or a producer that wants
its job back. Since tokens grow, a store that remembers the highest one it saw can refuse the writes of late workers.
No token is given twice under a name, not even after a restart or a failover that lost what the log had not written or
the replica not received, nor by a queue that was deleted and made anew, unless the clock was set back meanwhile or all
was flushed: whoever takes over goes on far behind the last one.

An id is made by the queue, a ULID that ascends in publish order, or given by the producer. A given id is refused while
a job in any state has it. It is read to the letter, unless it has the form of a ULID, which is read in either case.

## Time

A queue's clock is brought up to date before each command, and never goes back. Nothing happens before it is due. What
is due happens in the order in which it became due, however late; at the same millisecond in publish order, the end of a
job's life before its instant or its lapse, then the ends of locks, and the end of a pause last. Whether a job lapses,
expires or comes due does not depend on how busy the server was; only a wait that follows, a backoff or `dead-age`,
begins when the queue comes to it.
";
