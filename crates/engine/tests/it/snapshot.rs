//! The stored form: frozen bytes, damage of every kind, and bounds on size.

use jobq_engine::{
    snapshot::{FRAME_BYTES, SNAPSHOT_VERSION},
    Action, Backoff, Change, Child, Corrupt, Holder, IfDead, Millis, Missed, NewSchedule,
    Operation, Overlap, Plan, Queue, Refusal, Retain, Revival, ScheduleOrder, Setting, Side,
    StateKind, Timing, Ulid, UnixMillis, Until, Verdict, WhenExpired, WhenLapsed, UNIQUE_BYTES_MAX,
};

use crate::support::{job, load, reloaded, Dice, Draft, Driver, ANYONE, FREE, START};

/// The frames of [`fixed`] in form 1, with an empty line between them.
fn golden() -> Vec<Vec<u8>> {
    include_str!("snapshot/form_1.hex").split("\n\n").map(unhex).collect()
}

/// A small queue with something of everything that is stored.
fn fixed() -> Queue {
    let mut driver = Driver::new();
    driver.configure(&[Setting::MaxLen(1_000), Setting::Ttl(Millis(86_400_000))]);
    driver.configure(&[Setting::DeadMax(5), Setting::DeadAge(Millis(3_600_000))]);
    driver.configure(&[Setting::Expired(WhenExpired::Bury), Setting::Lapse(WhenLapsed::Backoff)]);
    driver.publish(job("dead").id("dead:1").tries(1).priority(-20));
    let dead = driver.consume();
    let nack = Verdict::Nack { delay: None, error: Some(b"no route") };
    driver.settle(&[&dead.receipt], nack);
    driver.publish(job("respawned").id("respawned:1").backoff(Backoff::None));
    driver.bury("respawned:1");
    let revival = Revival { tries: Some(3), ttl: Some(Millis(5_000)), delay: Millis::ZERO };
    driver.respawn(&["respawned:1"], revival);
    driver.publish(job("leased").priority(-9));
    driver.consume_as(Holder { worker: b"w1", ttr: Millis(30_000), counted: true }, 1);
    driver.publish(job("free").priority(-9).ttr(1_500));
    let free = driver.consume_as(FREE, 1);
    driver.cancel(&free[0].receipt);
    driver.publish(job("unwanted").id("unwanted:1").delay(1));
    driver.cancel("unwanted:1");
    driver.pass(7);
    driver.publish(job("ready").ttl(0));
    let kin = [("kin:1", 1), ("kin:2", 2)].map(|(id, bits)| kin(Some(id), bits));
    driver.publish(job("told").id("told:1"));
    driver.follow("other", &kin[..1], "told:1", 3);
    driver.delete(&["told:1"]);
    assert_eq!(driver.tick_to(driver.now(), 1), 1);
    let exponential = Backoff::Exponential { base: Millis(100), max: Millis(900) };
    driver.publish(job("delayed").delay(2_000).backoff(exponential).id("delayed:1"));
    let change = Change { ttl: Some(Millis(9_000)), body: Some(b"updated"), ..Change::default() };
    driver.update("delayed:1", change).expect("nothing to refuse");
    driver.publish(job("later").delay(3_000).backoff(Backoff::Fixed(Millis(5))));
    driver.kick_first(1);
    driver.bury("respawned:1");
    driver.respawn_first(1, Revival { delay: Millis(60), ..revival });
    driver.publish_into(StateKind::Dead, "pruned:1");
    driver.publish_into(StateKind::Dead, "purged:1");
    driver.configure(&[Setting::DeadMax(3)]);
    driver.purge(StateKind::Dead, 1);
    driver.configure(&[Setting::Retain(Retain::For(Millis(7_000))), Setting::MaxLen(999)]);
    driver.configure(&[Setting::IdleExpire(Millis(86_400_000)), Setting::BindCounts(true)]);
    let headers: [(&[u8], &[u8]); 2] = [(b"trace", b"\0\xFF"), (b"empty", b"")];
    let headed = job("headed").headers(&headers).job_type("mail").deadline(START + 80_000);
    driver.publish(headed.delay(60).retain(Retain::Forever));
    driver.publish_into(StateKind::Completed, "always:1");
    driver.publish(job("fulfilled").id("fulfilled:1").job_type("fax"));
    driver.fulfill("fulfilled:1", "result", None);
    driver.publish(job("acked").id("acked:1"));
    driver.publish(job("replaced").id("acked:1").replaces("acked:1").priority(-20));
    driver.consume();
    driver.ack("acked:1");
    driver.bury_all(StateKind::Delayed, 1);
    let locked = job("locked").id("locked:1").unique("key:1").lasts(5_000);
    driver.publish(locked.until(Until::Start).delay(60));
    driver.publish(job("held").id("held:1").unique("key:2").lasts(7_000).priority(-20));
    driver.consume();
    driver.publish(job("kept").id("kept:1").unique("key:3").until(Until::Done));
    driver.publish(job("released").id("released:1").priority(-20));
    driver.consume();
    driver.release("released:1");
    driver.publish(job("shut").id("shut:1").when("paid|night").when("b"));
    driver.open(&["b", "a"]);
    driver.configure(&[Setting::ReleasesMax(7)]);
    let after = ["shut:1", "never", "always:1", "released:1"];
    driver.publish(job("child").id("child:1").after(&after, IfDead::Bury).delay(90));
    driver.publish(job("patient").after(&["child:1"], IfDead::Hold));
    let far = job("far").id("far:1").distant("other", "x", true).distant("a/b", "y", false);
    let far = far.distant("other", "01ARZ3NDEKTSV4RRFFQ69G5FAV", true).if_dead(IfDead::Run);
    driver.publish(far.after(&["child:1"], IfDead::Run));
    driver.follow("third", &kin, "kept:1", 0);
    driver.follow("other", &[kin_made(3)], "shut:1", 1);
    driver.publish(job("gone").id("gone:1"));
    driver.follow("third", &[kin_made(4)], "gone:1", 0);
    driver.delete(&["gone:1"]);
    driver.bury("shut:1");
    let own = Setting::BatchGrace { key: Some(b"digest"[..].into()), span: Millis(9_000) };
    driver.configure(&[Setting::BatchSize { key: None, jobs: 2 }, own]);
    for id in ["first:1", "second:1", "third:1"] {
        driver.publish(job("batched").id(id).batch("digest"));
    }
    driver.configure(&[Setting::Events(5), Setting::Trail(2)]);
    driver.publish(job("told").id("told:1").priority(-20).retain(Retain::Forever));
    driver.consume_as(Holder { worker: b"w1", ..ANYONE }, 1);
    driver.ack("told:1");
    driver.publish(job("made"));
    schedules(&mut driver);
    driver.pause(Side::In, 0);
    driver.pause(Side::Out, 600_000);
    driver.queue
}

/// Some of each kind, with a past.
fn schedules(driver: &mut Driver) {
    let set = |driver: &mut Driver, name: &str, timing, overlap, missed, draft: Draft<'_>| {
        let Action::Publish(job) = draft.action() else { panic!("no publish") };
        let new = NewSchedule { name: name.as_bytes(), timing, overlap, missed, job };
        let order = ScheduleOrder::Set(Box::new(new));
        driver.ask(Action::Schedule(order)).expect("nothing to refuse");
    };
    let every = Timing::Every { span: Millis(50), from: Some(UnixMillis(7)) };
    let full = job("every").delay(5).ttl(700).tries(2).ttr(9).backoff(Backoff::None).priority(3);
    let full = full.retain(Retain::Forever).job_type("t").group("g").headers(&[(b"a", b"b")]);
    let full = full.uses("limit", 2).mutex("only").when("a|b").batch("digest").unique("key:9");
    let full = full.lasts(70).until(Until::Done);
    set(driver, "every:1", every, Overlap::Queue, Missed::None, full);
    let plain = job("after").retain(Retain::For(Millis(7)));
    set(driver, "after:1", Timing::After(Millis(90)), Overlap::Allow, Missed::One, plain);
    let cron = |zone| Timing::Cron { expression: &b"* * * * *"[..], zone };
    set(driver, "cron:1", cron(b"Europe/Berlin"), Overlap::Skip, Missed::All, job("cron"));
    set(driver, "cron:2", cron(b""), Overlap::Allow, Missed::One, job("unplanned"));
    let after = driver.queue.clock();
    let (next, then) = (Some(after.after(Millis(5))), Some(after.after(Millis(60_005))));
    let plan = Plan { schedule: 3, passed: None, next, then };
    driver.queue.apply(Operation::Plan(plan)).expect("it is awaited");
    for order in [ScheduleOrder::Run(b"cron:2"), ScheduleOrder::Pause(b"after:1")] {
        driver.ask(Action::Schedule(order)).expect("nothing to refuse");
    }
}

/// A job of another queue.
fn kin(given: Option<&str>, bits: u128) -> Child<'_> {
    Child { ulid: Ulid::from_bits(bits << 64 | bits), given }
}

fn kin_made(bits: u128) -> Child<'static> {
    kin(None, bits)
}

#[test]
fn the_stored_form_is_frozen() {
    let frames = frames_of(&fixed());
    assert!(
        frames == golden(),
        "The stored form of the same queue has changed. Servers hold RDB and AOF files in form 1, \
         which must be read for ever: if `snapshot/v1.rs` was edited, undo that, add a form 2 \
         beside it, raise SNAPSHOT_VERSION and keep these bytes as a test of reading. Only if the \
         queue itself behaves otherwise on purpose, this is the new `form_1.hex`:\n{}",
        frames.iter().map(|frame| hex(frame)).collect::<Vec<_>>().join("\n\n")
    );
}

#[test]
fn the_frozen_form_is_read() {
    let queue = load(&golden()).expect("form 1 is read for ever");
    queue.check_invariants().expect("sound");
    assert_eq!(queue.digest(), fixed().digest());
}

#[test]
fn a_newer_form_is_refused_by_its_name() {
    for frame in 0..2 {
        let mut frames = frames_of(&fixed());
        frames[frame][4..6].copy_from_slice(&(SNAPSHOT_VERSION + 1).to_le_bytes());
        let refused = load(&frames).expect_err("newer");
        assert_eq!(refused, Corrupt::Newer(2));
        assert_eq!(refused.to_string(), "form 2 is newer than 1, which this module reads");
        frames[frame][4..6].copy_from_slice(&0u16.to_le_bytes());
        assert_eq!(load(&frames).err(), Some(Corrupt::NoFrame));
    }
}

#[test]
fn an_empty_queue_is_one_frame() {
    let queue = Driver::new().queue;
    assert_eq!(frames_of(&queue).len(), 1);
    assert_eq!(reloaded(&queue).digest(), queue.digest());
}

#[test]
fn a_queue_differs_from_another_by_its_digest_whatever_the_difference() {
    let mut original = Driver { queue: fixed() };
    original.resume();
    let original = original.queue;
    let changes: [fn(&mut Driver); 48] = [
        |driver| driver.pass(1),
        |driver| drop(driver.publish(job(""))),
        |driver| drop(driver.consume()),
        |driver| assert_eq!(driver.ack("dead:1") + driver.delete(&["dead:1"]), 1),
        |driver| driver.configure(&[Setting::MaxBody(7)]),
        |driver| assert_eq!(driver.respawn(&["dead:1"], Revival::default()), 1),
        |driver| assert_eq!(driver.kick_first(1), 1),
        |driver| assert_eq!(driver.tick_to(0, 1), 1),
        |driver| {
            let taken = driver.consume();
            driver.release(&taken.receipt);
        },
        |driver| driver.pause(Side::In, 0),
        |driver| driver.pause(Side::Out, 0),
        |driver| driver.pause(Side::Both, 0),
        |driver| driver.pause(Side::In, 5),
        |driver| assert_eq!(driver.purge(StateKind::Ready, 1), 1),
        |driver| assert_eq!(driver.purge(StateKind::Delayed, 1), 1),
        |driver| assert!(driver.update("dead:1", Change::default()).is_ok()),
        |driver| driver.configure(&[Setting::DeadMax(9), Setting::DeadAge(Millis(1))]),
        |driver| driver.configure(&[Setting::Expired(WhenExpired::Drop)]),
        |driver| driver.configure(&[Setting::Lapse(WhenLapsed::Ready)]),
        |driver| driver.configure(&[Setting::Retain(Retain::Forever)]),
        |driver| driver.configure(&[Setting::IdleExpire(Millis(1))]),
        |driver| driver.configure(&[Setting::BindCounts(false)]),
        |driver| drop(driver.publish(job("").job_type("t"))),
        |driver| drop(driver.publish(job("").headers(&[(b"a", b"b")]))),
        |driver| drop(driver.publish(job("").headers(&[(b"ab", b"")]))),
        |driver| drop(driver.publish(job("").deadline(START + 5_000))),
        |driver| assert_eq!(driver.fulfill("delayed:1", "one", Some(Retain::Forever)), 1),
        |driver| assert_eq!(driver.fulfill("delayed:1", "another", Some(Retain::Forever)), 1),
        |driver| assert_eq!(driver.bury_all(StateKind::Ready, 1), 1),
        |driver| {
            let taken = driver.consume();
            driver.cancel(&taken.receipt);
        },
        |driver| assert_eq!(driver.open(&["c"]), 1),
        |driver| assert_eq!(driver.open(&["paid"]), 1),
        |driver| assert_eq!(driver.close(&["a"]), 1),
        |driver| driver.configure(&[Setting::ReleasesMax(8)]),
        |driver| driver.configure(&[Setting::Trail(3)]),
        |driver| driver.configure(&[Setting::Events(0)]),
        |driver| driver.configure(&[Setting::Events(2)]),
        |driver| drop(driver.publish(job("").when("a"))),
        |driver| drop(driver.publish(job("").after(&["child:1"], IfDead::Hold))),
        |driver| drop(driver.publish(job("").after(&["child:1"], IfDead::Run))),
        |driver| drop(driver.publish(job("").after(&["gone"], IfDead::Run))),
        |driver| drop(driver.publish(job("").distant("gone", "x", true))),
        |driver| drop(driver.publish(job("").distant("gone", "x", false))),
        |driver| drop(driver.publish(job("").distant("gone", "y", true))),
        |driver| driver.follow("third", &[kin_made(4)], "held:1", 0),
        |driver| driver.follow("third", &[kin_made(4)], "held:1", 1),
        |driver| driver.follow("fourth", &[kin_made(4)], "held:1", 0),
        |driver| {
            let delivered = jobq_engine::Operation::Delivered { effects: 1 };
            driver.queue.apply(delivered).expect("never refused");
        },
    ];
    let mut seen = vec![original.digest()];
    for change in changes {
        let mut driver = Driver { queue: original.clone() };
        change(&mut driver);
        let digest = driver.queue.digest();
        assert!(!seen.contains(&digest), "change {}", seen.len());
        seen.push(digest);
    }
}

#[test]
fn a_reloaded_queue_keeps_the_order_of_service_and_of_death() {
    let mut driver = Driver::new();
    driver.publish_all(&["a", "b", "c", "d"]);
    let taken = driver.consume_as(ANYONE, 3);
    // At the head in the order of their release, which is none of publish order.
    for n in [1, 2, 0] {
        driver.release(&taken[n].receipt);
    }
    let ids: Vec<_> = ["x", "z", "y"].map(|id| driver.publish(job(id).id(id))).into();
    for n in [2, 0, 1] {
        driver.bury(&ids[n]);
    }
    let mut driver = Driver { queue: reloaded(&driver.queue) };
    assert_eq!(driver.line(), ["a", "c", "b", "d"]);
    driver.respawn_first(3, Revival::default());
    driver.pass(0);
    assert_eq!(driver.line()[4..], ["y", "x", "z"]);
}

#[test]
fn missing_repeated_extra_and_reordered_frames_are_refused() {
    let frames = frames_of(&of_many_frames());
    assert!(frames.len() >= 5, "{}", frames.len());
    assert!(load(&frames).is_ok());

    let without = |n: usize| [&frames[..n], &frames[n + 1..]].concat();
    let twice = |n: usize| [&frames[..=n], &frames[n..]].concat();
    for n in 0..frames.len() {
        assert_refused(&without(n), &format!("without frame {n}"));
        assert_refused(&twice(n), &format!("frame {n} twice"));
        let again = [&frames[..], &frames[n..=n]].concat();
        assert_refused(&again, &format!("frame {n} again at the end"));
        for m in 0..n {
            let mut swapped = frames.clone();
            swapped.swap(n, m);
            assert_refused(&swapped, &format!("frames {n} and {m} exchanged"));
        }
    }
    assert_refused(&[], "no frame");
    let header = frames[1][..HEADER_BYTES].to_vec();
    assert_refused(&[&frames[..1], &[header], &frames[1..]].concat(), "an empty frame");
}

#[test]
fn a_frame_cut_anywhere_is_refused() {
    let frames = frames_of(&fixed());
    for n in 0..frames.len() {
        for len in 0..frames[n].len() {
            let mut cut = frames.clone();
            cut[n].truncate(len);
            assert_refused(&cut, &format!("frame {n} cut after {len} bytes"));
        }
        let mut longer = frames.clone();
        longer[n].push(0);
        assert_refused(&longer, &format!("frame {n} with a byte too many"));
    }
}

#[test]
fn a_damaged_frame_is_refused_or_gives_a_sound_queue() {
    let queues = [fixed(), of_little_in_common()];
    let (mut dice, mut taken) = (Dice(1), 0);
    for n in 0..20_000 {
        let mut frames = frames_of(&queues[n % 2]);
        let at = if dice.one_in(4) { 0 } else { dice.below(frames.len() as u64) as usize };
        for _ in 0..dice.pick(&[1, 1, 1, 2, 5]) {
            damage(&mut frames[at], &mut dice);
        }
        let Ok(queue) = load(&frames) else { continue };
        taken += 1;
        let context = || format!("damage {n}:\n{}", hex(&frames[at]));
        assert_sound(&queue, &context);
        if taken % 10 == 0 {
            work_off(queue);
        }
    }
    assert!(taken > 1_000, "only {taken} of 20,000 were read: the damage is too coarse");
}

fn damage(frame: &mut [u8], dice: &mut Dice) {
    let len = frame.len() as u64;
    if len < 16 {
        return;
    }
    let at = dice.below(len - 8) as usize;
    match dice.below(8) {
        0..3 => frame[at] ^= 1 << dice.below(8),
        3 => frame[at] = dice.roll() as u8,
        4 => frame[at] = frame[at].wrapping_add(dice.pick(&[1, 255])),
        5 => {
            let word = dice.pick(&[0, 1, u64::MAX, u64::MAX / 2, 1 << 32, dice.0]);
            frame[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        6 => {
            let from = dice.below(len - 8) as usize;
            frame.copy_within(from..from + 8, at);
        }
        _ => {
            let half = dice.pick(&[0, 1, u32::MAX, 1 << 31]);
            frame[at..at + 4].copy_from_slice(&half.to_le_bytes());
        }
    }
}

/// Checks that a queue holds together and can be stored.
fn assert_sound(queue: &Queue, context: &impl Fn() -> String) {
    queue.check_invariants().unwrap_or_else(|broken| panic!("{broken}, {}", context()));
    let again = load(&frames_of(queue)).unwrap_or_else(|no| panic!("{no}, {}", context()));
    assert_eq!(again.digest(), queue.digest(), "{}", context());
}

/// Does with a queue what can be done, which checks it at every step.
fn work_off(queue: Queue) {
    let mut driver = Driver { queue };
    driver.tick_to(driver.now() + 3_000, 5);
    // They would go on for ever.
    let none = Action::Schedule(ScheduleOrder::Replace(Vec::new()));
    driver.ask(none).expect("nothing to refuse");
    driver.purge(StateKind::Leased, 1);
    driver.pause(Side::Both, 1_000);
    driver.pass(1_000);
    driver.resume();
    driver.respawn_first(u64::MAX, Revival { tries: Some(2), ..Revival::default() });
    driver.kick_first(u64::MAX);
    for _ in 0..4 {
        let _ = driver.try_publish(job("b"));
        for taken in driver.consume_as(ANYONE, 20) {
            driver.nack(&taken.receipt);
        }
        driver.pass(50_000_000);
    }
}

#[test]
fn a_huge_declared_length_is_refused_without_making_room_for_it() {
    let queue = fixed();
    let huge = [u64::MAX, u64::MAX / 2, 1 << 40, u64::from(u32::MAX)];
    let lengths = [
        "dead", "no route", "dead:1", "w1", "mail", "fax", "result", "key:1", "other", "third",
        "kin:1",
    ];
    let frames = frames_of(&queue);
    for (n, frame) in frames.iter().enumerate() {
        for text in lengths {
            let Some(at) = place_of(frame, &prefixed(text)) else { continue };
            for len in huge {
                let mut hostile = frames.clone();
                hostile[n][at..at + 8].copy_from_slice(&len.to_le_bytes());
                assert_refused(&hostile, text);
            }
        }
        let mut hostile = frames.clone();
        hostile[n][HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_refused(&hostile, "a record");
    }
    // How many tasks there are, the first of them being to kick one job.
    let tasks = [&5u64.to_le_bytes()[..], &0u32.to_le_bytes(), &1u64.to_le_bytes()].concat();
    let tasks = place_of(&frames[0], &tasks).expect("five tasks");
    for len in huge {
        let mut hostile = frames.clone();
        hostile[0][tasks..tasks + 8].copy_from_slice(&len.to_le_bytes());
        assert_refused(&hostile, "tasks");
    }
    // More jobs than anybody has.
    let end = frames[0].len();
    let mut hostile = frames.clone();
    hostile[0][end - 8..].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_refused(&hostile, "jobs");
}

/// A job's record, field by field from its beginning; form 1 is frozen.
mod field {
    pub const ULID_LOW: usize = 8;
    pub const SEQ: usize = 16;
    pub const STATE: usize = 24;
    pub const INSTANT_OR_TOKEN: usize = 28;
}

#[test]
fn what_no_queue_can_hold_is_refused() {
    let two = |state: StateKind| {
        let mut driver = Driver::new();
        driver.publish_into(state, "one");
        driver.pass(5);
        driver.publish_into(state, "two");
        driver.queue
    };
    let ready = || two(StateKind::Ready);
    let far = u64::MAX.to_le_bytes();
    let cases = [
        ("a place in publish order that is taken", ready(), field::SEQ, 1u64.to_le_bytes()),
        ("a place in publish order that is none", ready(), field::SEQ, [0; 8]),
        ("a place in publish order to come", ready(), field::SEQ, 3u64.to_le_bytes()),
        ("an id to come", ready(), field::ULID_LOW, far),
        ("a state that is none", ready(), field::STATE, far),
        ("ready since the future", ready(), field::INSTANT_OR_TOKEN, 1_000_006u64.to_le_bytes()),
        ("delayed beyond all time", two(StateKind::Delayed), field::INSTANT_OR_TOKEN, far),
        ("a token twice", two(StateKind::Leased), field::INSTANT_OR_TOKEN, 1u64.to_le_bytes()),
        ("a token that is none", two(StateKind::Leased), field::INSTANT_OR_TOKEN, [0; 8]),
        ("a token to come", two(StateKind::Leased), field::INSTANT_OR_TOKEN, 3u64.to_le_bytes()),
        ("dead before the last", two(StateKind::Dead), field::INSTANT_OR_TOKEN, [0; 8]),
        ("dead since the future", two(StateKind::Dead), field::INSTANT_OR_TOKEN, far),
        ("done before the last", two(StateKind::Completed), field::INSTANT_OR_TOKEN, [0; 8]),
        ("done in the future", two(StateKind::Completed), field::INSTANT_OR_TOKEN, far),
        ("held before the last", two(StateKind::Held), field::INSTANT_OR_TOKEN, [0; 8]),
        ("held since the future", two(StateKind::Held), field::INSTANT_OR_TOKEN, far),
        ("gathering before the last", two(StateKind::Gathering), field::INSTANT_OR_TOKEN, [0; 8]),
        ("gathering since the future", two(StateKind::Gathering), field::INSTANT_OR_TOKEN, far),
        ("ready before the last", ready(), field::INSTANT_OR_TOKEN, [0; 8]),
    ];
    for (what, queue, field, value) in cases {
        let mut frames = frames_of(&queue);
        assert!(load(&frames).is_ok(), "{what}: before");
        let second = HEADER_BYTES + 4 + record_bytes(&frames[1]) + 4;
        frames[1][second + field..][..8].copy_from_slice(&value);
        assert_refused(&frames, what);
    }
}

/// The description of [`fixed`], field by field from its beginning.
mod description {
    /// What the clock, the generator, the last id, two counts and the default terms take, which have
    /// no type, no group, no limits, no gates and no batch.
    const BEFORE: usize = 16 + 16 + 16 + DEFAULT_TERMS;
    pub const DEFAULT_TERMS: usize = 4 + 8 + 8 + 4 + 9 + 1 + 5 * 8;
    pub const DEAD_MAX: usize = BEFORE + 8 + 8;
    pub const DEAD_AGE: usize = DEAD_MAX + 8;
    pub const EXPIRED: usize = DEAD_AGE + 8;
    pub const LAPSE: usize = EXPIRED + 1;
    pub const PAUSED_IN: usize = LAPSE + 1;
    pub const PAUSED_IN_UNTIL: usize = PAUSED_IN + 1;
    pub const PAUSED_OUT: usize = PAUSED_IN_UNTIL + 8;
    pub const PAUSED_OUT_UNTIL: usize = PAUSED_OUT + 1;
    /// Behind the span of idleness.
    pub const BIND_COUNTS: usize = PAUSED_OUT_UNTIL + 8 + 8;
    /// Behind how many releases there may be, and since when it is idle.
    const COUNTERS: usize = BIND_COUNTS + 1 + 4 + 8;
    pub const UPDATED: usize = COUNTERS + 17 * 8;
    pub const PURGED: usize = UPDATED + 8;
    pub const PRUNED: usize = PURGED + 8;
    const TASKS: usize = COUNTERS + 21 * 8;
    /// Before it come the number of tasks, a kick, a respawn, and the pruning of the dead.
    pub const PURGE: usize = TASKS + 8 + 12 + 34 + 4;
    pub const PURGE_STATE: usize = PURGE + 4;
    pub const PURGE_LEFT: usize = PURGE_STATE + 1;
    /// The last task.
    pub const BURY_STATE: usize = PURGE_LEFT + 8 + 4;
}

#[test]
fn a_description_that_no_queue_can_have_is_refused() {
    use description as at;
    let long = Millis::MAX.0.to_le_bytes();
    let too_long = (Millis::MAX.0 + 1).to_le_bytes();
    let never = u64::MAX.to_le_bytes();
    let almost_never = (u64::MAX - 1).to_le_bytes();
    let many = (1u64 << 47).to_le_bytes();
    let taken: [(&str, usize, &[u8]); 14] = [
        ("the longest age of the dead", at::DEAD_AGE, &long),
        ("no age of the dead", at::DEAD_AGE, &[0; 8]),
        ("the expired dropped", at::EXPIRED, &[0]),
        ("the lapsed ready", at::LAPSE, &[0]),
        ("a pause for ever", at::PAUSED_OUT_UNTIL, &never),
        ("a pause that is over", at::PAUSED_OUT_UNTIL, &[0; 8]),
        ("many updates", at::UPDATED, &(1u64 << 46).to_le_bytes()),
        ("a purge of the delayed", at::PURGE_STATE, &[0]),
        ("a purge of the held", at::PURGE_STATE, &[1]),
        ("a purge of the dead", at::PURGE_STATE, &[6]),
        ("a purge of all there will be", at::PURGE_LEFT, &never),
        ("a burial of the held", at::BURY_STATE, &[1]),
        ("a burial of the gathering", at::BURY_STATE, &[2]),
        ("a burial of the ready", at::BURY_STATE, &[3]),
    ];
    let refused: [(&str, usize, &[u8]); 19] = [
        ("an age of the dead beyond a lifetime", at::DEAD_AGE, &too_long),
        ("something else for the expired", at::EXPIRED, &[2]),
        ("something else for the lapsed", at::LAPSE, &[2]),
        ("something else for what a bond counts", at::BIND_COUNTS, &[2]),
        ("half a pause of publishing", at::PAUSED_IN, &[2]),
        ("half a pause of consuming", at::PAUSED_OUT, &[2]),
        ("a pause of publishing beyond all time", at::PAUSED_IN_UNTIL, &almost_never),
        ("a pause of consuming beyond all time", at::PAUSED_OUT_UNTIL, &almost_never),
        ("more updates than can be", at::UPDATED, &many),
        ("more purged than can be", at::PURGED, &many),
        ("more pruned than can be", at::PRUNED, &many),
        ("a task that is none", at::PURGE, &[5]),
        ("a purge of a state that is none", at::PURGE_STATE, &[7]),
        ("a purge of a state far from any", at::PURGE_STATE, &[255]),
        ("a purge of nothing", at::PURGE_LEFT, &[0; 8]),
        ("a task that became another", at::PURGE, &[4]),
        ("a burial of the leased", at::BURY_STATE, &[4]),
        ("a burial of the completed, which has no end", at::BURY_STATE, &[5]),
        ("a burial of the dead, which has no end", at::BURY_STATE, &[6]),
    ];
    let frames = frames_of(&fixed());
    let with = |at: usize, value: &[u8]| {
        let mut frames = frames.clone();
        frames[0][HEADER_BYTES + 4 + at..][..value.len()].copy_from_slice(value);
        frames
    };
    assert_eq!(frames[0][HEADER_BYTES + 4 + at::PURGE..][..5], [3, 0, 0, 0, 6], "a purge");
    for (what, at, value) in taken {
        let queue = load(&with(at, value)).unwrap_or_else(|no| panic!("{what}: {no}"));
        assert_sound(&queue, &|| what.to_owned());
        work_off(queue);
    }
    for (what, at, value) in refused {
        assert_refused(&with(at, value), what);
    }
}

#[test]
fn a_schedule_that_comes_next_where_its_grid_does_not_is_refused() {
    for (from, first) in [(START - 7, START + 43), (START + 1_000, START + 1_000)] {
        let mut driver = Driver::new();
        let timing = Timing::Every { span: Millis(50), from: Some(UnixMillis(from)) };
        let Action::Publish(job) = job("every").action() else { panic!("no publish") };
        let (overlap, missed) = (Overlap::Allow, Missed::All);
        let new = NewSchedule { name: b"every", timing, overlap, missed, job };
        let order = ScheduleOrder::Set(Box::new(new));
        driver.ask(Action::Schedule(order)).expect("nothing to refuse");
        let frames = frames_of(&driver.queue);
        let needle = |next: u64| [&[1], &next.to_le_bytes()[..], &[0]].concat();
        let at = place_of(&frames[0], &needle(first)).expect("when it comes next");
        let next_at = |next: u64| {
            let mut frames = frames.clone();
            frames[0][at..][..10].copy_from_slice(&needle(next));
            frames
        };
        load(&next_at(first)).expect("as it was");
        for wrong in [first - 50, first - 10_000 * 50, first + 50, first + 10_000 * 50, first + 1] {
            assert_refused(&next_at(wrong), &format!("{wrong} behind {START}, from {from}"));
        }
    }
}

#[test]
fn more_dead_jobs_than_are_kept_are_refused_unless_somebody_will_remove_them() {
    let filled = |settings: &[Setting]| {
        let mut driver = Driver::new();
        for id in ["a", "b", "c"] {
            driver.publish_into(StateKind::Dead, id);
        }
        driver.configure(settings);
        driver.queue
    };
    let told = frames_of(&filled(&[Setting::DeadMax(2)]));
    let mut driver = Driver { queue: load(&told).expect("a task removes one") };
    driver.pass(0);
    assert_eq!(driver.queue.len_of(StateKind::Dead), 2);

    let untold = frames_of(&filled(&[]));
    for (max, is_taken) in [(0u64, true), (1, false), (2, false), (3, true), (u64::MAX, true)] {
        let mut frames = untold.clone();
        frames[0][HEADER_BYTES + 4 + description::DEAD_MAX..][..8]
            .copy_from_slice(&max.to_le_bytes());
        assert_eq!(load(&frames).is_ok(), is_taken, "{max}");
    }
}

#[test]
fn a_version_that_could_not_be_counted_is_refused() {
    const UPDATES: usize = 56 + description::DEFAULT_TERMS;
    let mut driver = Driver::new();
    driver.publish(job("a"));
    let frames = frames_of(&driver.queue);
    let at = HEADER_BYTES + 4 + UPDATES;
    for (updates, is_taken) in [(0u64, true), (7, true), (1 << 47, false), (u64::MAX, false)] {
        let mut frames = frames.clone();
        frames[1][at..at + 8].copy_from_slice(&updates.to_le_bytes());
        let loaded = load(&frames);
        assert_eq!(loaded.is_ok(), is_taken, "{updates}");
        if let Ok(queue) = loaded {
            let slot = queue.peek(1)[0];
            assert_eq!(queue.job(slot).version(), 1 + updates);
            assert_sound(&queue, &|| format!("{updates} updates"));
        }
    }
}

#[test]
fn a_job_delivered_more_often_than_it_has_tries_is_refused() {
    const TRIES: u32 = 0x0A0B_0C0D;
    for state in StateKind::ALL {
        let mut driver = Driver::new();
        driver.open(&["x"]);
        driver.publish(job("a").id("a").tries(TRIES).backoff(Backoff::None).when("x"));
        for _ in 0..3 {
            driver.consume();
            driver.nack("a");
        }
        match state {
            StateKind::Delayed => {
                driver.consume_as(FREE, 1);
                driver.settle(&["a"], Verdict::Release { delay: Millis(50), counted: true });
            }
            StateKind::Held => {
                driver.consume_as(FREE, 1);
                driver.close(&["x"]);
                driver.release("a");
            }
            StateKind::Gathering => {
                driver.consume_as(FREE, 1);
                driver.release("a");
                driver.queue.check_invariants().expect("sound");
            }
            StateKind::Ready => {}
            StateKind::Leased => drop(driver.consume()),
            StateKind::Completed => {
                assert_eq!(driver.fulfill("a", "", Some(Retain::Forever)), 1);
            }
            StateKind::Dead => assert_eq!(driver.bury("a"), 1),
        }
        let deliveries = driver.job("a").deliveries;
        let may_be = |tries: u32| {
            let mut frames = frames_of(&driver.queue);
            let at = place_of(&frames[1], &TRIES.to_le_bytes()).expect("the tries are stored");
            frames[1][at..at + 4].copy_from_slice(&tries.to_le_bytes());
            load(&frames).is_ok()
        };
        let least = match state {
            // What can be taken has a try left.
            StateKind::Delayed | StateKind::Held | StateKind::Gathering | StateKind::Ready => {
                deliveries + 1
            }
            StateKind::Leased => deliveries,
            // Who comes back starts anew, and who is done needs none.
            StateKind::Completed | StateKind::Dead => 1,
        };
        assert!(may_be(least), "{state:?}");
        assert!(!may_be(least - 1), "{state:?}");
        assert!(!may_be(0), "{state:?}");
    }
}

#[test]
fn a_lock_that_no_job_can_hold_is_refused() {
    /// Behind the key.
    const UNTIL: usize = 8 + 5;
    const END: usize = UNTIL + 4;
    const END_AT: usize = END + 4;
    let mut driver = Driver::new();
    driver.publish(job("waits").unique("key:1").lasts(5_000).priority(1));
    driver.publish(job("is held").unique("key:2").lasts(5_000));
    driver.consume();
    driver.publish(job("is dead").id("dead").unique("key:3").lasts(5_000));
    driver.bury("dead");
    let frames = frames_of(&driver.queue);
    let with = |key: &str, offset: usize, value: &[u8]| {
        let mut frames = frames.clone();
        let at = place_of(&frames[1], &prefixed(key)).expect("the key is stored");
        frames[1][at + offset..][..value.len()].copy_from_slice(value);
        frames
    };
    let word = |n: u32| n.to_le_bytes();
    let long = Millis::MAX.0.to_le_bytes();
    let too_long = (Millis::MAX.0 + 1).to_le_bytes();
    let farthest = (UnixMillis::MAX.0 + 2 * Millis::MAX.0).to_le_bytes();
    let too_far = (UnixMillis::MAX.0 + 2 * Millis::MAX.0 + 1).to_le_bytes();
    let taken: [(&str, &str, usize, &[u8]); 7] = [
        ("another key", "key:1", 8, b"K"),
        ("until death", "key:1", UNTIL, &word(1)),
        ("until the start", "key:1", UNTIL, &word(2)),
        ("the longest", "key:1", END_AT, &long),
        ("at an instant", "key:1", END, &word(2)),
        ("at the farthest instant", "key:2", END_AT, &farthest),
        ("until death, of one that is held", "key:2", UNTIL, &word(1)),
    ];
    let refused: [(&str, &str, usize, &[u8]); 11] = [
        ("a key that another has", "key:1", 8, b"key:2"),
        ("something else that frees it", "key:1", UNTIL, &word(3)),
        ("another sort of end", "key:1", END, &word(3)),
        ("for no time", "key:1", END_AT, &[0; 8]),
        ("for longer than a lifetime", "key:1", END_AT, &too_long),
        ("beyond all time", "key:2", END_AT, &too_far),
        ("until the start, of one that is held", "key:2", UNTIL, &word(2)),
        ("that goes along with one that is held", "key:2", END, &word(1)),
        ("until death, of the dead", "key:3", UNTIL, &word(1)),
        ("until the start, of the dead", "key:3", UNTIL, &word(2)),
        ("without a key", "key:1", 0, &[0; 8]),
    ];
    for (what, key, offset, value) in taken {
        let queue = load(&with(key, offset, value)).unwrap_or_else(|no| panic!("{what}: {no}"));
        assert_sound(&queue, &|| what.to_owned());
        work_off(queue);
    }
    for (what, key, offset, value) in refused {
        assert_refused(&with(key, offset, value), what);
    }
}

#[test]
fn a_key_that_is_too_long_is_refused() {
    let long = |bytes: usize| {
        let mut driver = Driver::new();
        driver.publish(job("").unique(&"k".repeat(bytes)));
        load(&frames_of(&driver.queue)).is_ok()
    };
    assert!(long(UNIQUE_BYTES_MAX));
    assert!(!long(UNIQUE_BYTES_MAX + 1), "as no client can name it");
}

#[test]
fn a_completed_job_holds_no_lock() {
    let with_lock = |state: StateKind| {
        let mut driver = Driver::new();
        driver.publish_into(state, "only");
        let mut frames = frames_of(&driver.queue);
        // What says that there is none lies before the body.
        let body = frames[1].len() - prefixed("only").len();
        let lock = [&[1], &prefixed("key")[..], &0u32.to_le_bytes(), &0u32.to_le_bytes()].concat();
        let len = record_bytes(&frames[1]) + lock.len() - 1;
        frames[1].splice(body - 1..body, lock);
        frames[1][HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&(len as u32).to_le_bytes());
        load(&frames).map(|queue| queue.locks_held())
    };
    for state in StateKind::ALL {
        let expected = match state {
            StateKind::Completed => Err(Corrupt::Value("lock")),
            _ => Ok(1),
        };
        assert_eq!(with_lock(state), expected, "{state:?}");
    }
}

#[test]
fn a_job_that_is_there_twice_is_refused() {
    for (draft, id) in [(job("a"), "made"), (job("a").id("mine"), "given")] {
        let mut driver = Driver::new();
        driver.publish(draft);
        driver.publish(job("other"));
        let mut frames = frames_of(&driver.queue);
        let first = HEADER_BYTES..HEADER_BYTES + 4 + record_bytes(&frames[1]);
        let twice = frames[1][first.clone()].repeat(2);
        frames[1] = [&frames[1][..HEADER_BYTES], &twice].concat();
        assert_refused(&frames, id);
    }
}

#[test]
fn a_job_larger_than_a_frame_is_stored_whole() {
    let mut driver = Driver::new();
    let large = "x".repeat(4 * FRAME_BYTES);
    driver.publish(job("before"));
    let id = driver.publish(job(&large));
    driver.publish(job("after"));
    let frames = frames_of(&driver.queue);
    assert_eq!(frames.len(), 3, "the description, up to the large job, what comes after it");
    let reloaded = Driver { queue: reloaded(&driver.queue) };
    assert_eq!(reloaded.queue.digest(), driver.queue.digest());
    assert_eq!(reloaded.job(&id).body.len(), large.len());
}

#[test]
fn a_large_queue_is_stored_in_bounded_frames() {
    let mut driver = Driver::new();
    for n in 0..100_000 {
        driver.publish(job(&format!("job {n}")).delay(n % 4 * 1_000).priority((n % 3) as i8));
    }
    driver.consume_as(ANYONE, 20_000);
    let frames = frames_of(&driver.queue);
    assert!(frames.len() > 10);
    let longest = frames.iter().map(Vec::len).max().expect("frames");
    assert!(longest < FRAME_BYTES + 512, "{longest}");
    let queue = load(&frames).expect("as it was stored");
    queue.check_invariants().expect("sound");
    assert_eq!(queue.digest(), driver.queue.digest());
    let (stored, loaded) = (driver.queue.bytes(), queue.bytes());
    assert!(loaded.abs_diff(stored) < stored / 10, "{stored} bytes, {loaded} when loaded");
}

/// Magic number, version and number of a frame.
const HEADER_BYTES: usize = 10;

fn frames_of(queue: &Queue) -> Vec<Vec<u8>> {
    queue.frames().collect()
}

/// How long the first record of a frame is.
fn record_bytes(frame: &[u8]) -> usize {
    let (len, _) = frame[HEADER_BYTES..].split_first_chunk().expect("a record");
    u32::from_le_bytes(*len) as usize
}

/// A queue with jobs in every state, in several frames.
fn of_many_frames() -> Queue {
    let mut driver = Driver::new();
    for (n, state) in StateKind::ALL.into_iter().cycle().take(20).enumerate() {
        let id = driver.publish_into(state, &format!("{}-{n}", state.name()));
        let body = "x".repeat(FRAME_BYTES / 4);
        driver.publish(job(&body).id(&format!("{id}-large")));
    }
    driver.queue
}

/// A queue whose jobs differ in all they have, small.
fn of_little_in_common() -> Queue {
    let mut driver = Driver::new();
    for (n, state) in StateKind::ALL.into_iter().cycle().take(12).enumerate() {
        driver.publish_into(state, &format!("{}-{n}", state.name()));
        let key = format!("key:{n}");
        let draft = job("b").tries(1 + n as u32 % 3).ttr(50).ttl(9_000).backoff(Backoff::None);
        let until = [Until::Gone, Until::Done, Until::Start][n % 3];
        driver.publish(draft.unique(&key).until(until).lasts(n as u64 % 2 * 9_000));
        driver.pass(20);
        if let Some(taken) = driver.consume_as(ANYONE, 1).pop() {
            driver.settle(&[&taken.id], Verdict::Nack { delay: None, error: Some(b"e") });
        }
    }
    driver.respawn_first(2, Revival { ttl: Some(Millis(70_000)), ..Revival::default() });
    for state in StateKind::ALL {
        let change = Change { ttl: Some(Millis(80_000)), priority: Some(3), ..Change::default() };
        let _ = driver.update(&format!("{}-{}", state.name(), state as u8), change);
    }
    driver.purge(StateKind::Ready, 2);
    driver.configure(&[Setting::DeadAge(Millis(90_000)), Setting::Expired(WhenExpired::Bury)]);
    driver.pause(Side::Out, 500);
    driver.queue
}

fn assert_refused(frames: &[Vec<u8>], what: &str) {
    assert!(load(frames).is_err(), "{what} was taken");
}

/// A text as it is stored: its length before it.
fn prefixed(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn place_of(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Hexadecimal digits, 48 bytes a line.
fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.chunks(48).map(line).collect::<Vec<String>>().join("\n")
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// A form that was made up may have come as far as a queue can count. What it cannot count any more
/// is refused, and not stored where nobody could read it: a server would not start from that.
#[test]
fn a_queue_that_has_come_to_the_end_of_its_numbers_can_still_be_stored_and_read() {
    const COUNT_MAX: u64 = (1 << 47) - 1;
    const TOKEN_MAX: u64 = (1 << 62) - 1;
    // The description, field by field from its beginning.
    const LAST_ID: usize = 16;
    const JOBS_PUBLISHED: usize = 32;
    const TOKENS_GRANTED: usize = 40;
    /// Nothing is paused here, which takes two instants less.
    const UPDATED: usize = description::UPDATED - 16;
    /// Behind the id.
    const UPDATES: usize = 56 + description::DEFAULT_TERMS + 9;
    let mut driver = Driver::new();
    driver.publish(job("a").id("a"));
    let made_up = |frame: usize, at: usize, value: &[u8]| {
        let mut frames = frames_of(&driver.queue);
        frames[frame][HEADER_BYTES + 4 + at..][..value.len()].copy_from_slice(value);
        Driver { queue: load(&frames).expect("a queue can come that far") }
    };
    let sound = |driver: &Driver| assert_sound(&driver.queue, &String::new);
    let full = |driver: &mut Driver| {
        let refused = driver.try_publish(job("b"));
        assert!(matches!(refused, Err(Refusal::Full { .. })), "{refused:?}");
        sound(driver);
    };

    let mut places = made_up(0, JOBS_PUBLISHED, &COUNT_MAX.to_le_bytes());
    full(&mut places);
    let mut places = made_up(0, JOBS_PUBLISHED, &(COUNT_MAX - 1).to_le_bytes());
    places.publish(job("the last"));
    full(&mut places);

    // All ids of this millisecond are given; the next one has its own.
    let last_id = [(START << 16 | 0xFFFF).to_le_bytes(), u64::MAX.to_le_bytes()].concat();
    let mut ids = made_up(0, LAST_ID, &last_id);
    full(&mut ids);
    ids.pass(1);
    ids.publish(job("b"));
    sound(&ids);

    let mut tokens = made_up(0, TOKENS_GRANTED, &(TOKEN_MAX - 1).to_le_bytes());
    tokens.publish(job("b"));
    assert_eq!(tokens.consume_as(ANYONE, 2).len(), 1, "one token is left");
    assert_eq!(tokens.consume_as(ANYONE, 2).len(), 0);
    sound(&tokens);

    let mut counted = made_up(0, UPDATED, &COUNT_MAX.to_le_bytes());
    counted.update("a", Change { priority: Some(1), ..Change::default() }).expect("no refusal");
    assert_eq!(counted.queue.counters().updated, COUNT_MAX + 1);
    sound(&counted);

    let mut changed = made_up(1, UPDATES, &COUNT_MAX.to_le_bytes());
    changed.update("a", Change { priority: Some(1), ..Change::default() }).expect("no refusal");
    sound(&changed);
}

#[test]
fn the_mark_of_a_cancel_on_a_job_that_waits_is_refused() {
    for (state, is_taken) in
        [(StateKind::Ready, false), (StateKind::Delayed, false), (StateKind::Dead, true)]
    {
        let mut driver = Driver::new();
        driver.publish_into(state, "one");
        driver.publish_into(state, "two");
        let mut frames = frames_of(&driver.queue);
        let second = HEADER_BYTES + 4 + record_bytes(&frames[1]) + 4;
        // Behind the state come no terms, two counts, an instant, the id, and two instants left out.
        let updates = field::INSTANT_OR_TOKEN + 8 + 1 + 4 + 4 + 8 + (1 + 8 + 3) + 1 + 1;
        let mark = second + updates + 8;
        assert_eq!(frames[1][mark], 0);
        frames[1][mark] = 1;
        let refused = load(&frames).err();
        let expected = (!is_taken).then_some(Corrupt::Value("mark of a cancel"));
        assert_eq!(refused, expected, "{}", state.name());
        frames[1][mark] = 2;
        assert_eq!(load(&frames).err(), Some(Corrupt::Record));
    }
}

#[test]
fn a_job_that_goes_with_one_that_leads_no_batch_is_refused() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::BatchSize { key: None, jobs: 2 }]);
    driver.publish(job("plain").id("other").priority(-9));
    for id in ["first", "second"] {
        driver.publish(job(id).id(id).batch("k"));
    }
    let frames = frames_of(&driver.queue);
    assert!(load(&frames).is_ok());
    // The leader's id comes again with the one that goes with it.
    let at = frames[1].windows(5).rposition(|text| text == b"first").expect("it is named");
    for name in [b"other", b"third", b"\0\0\0\0\0"] {
        let mut frames = frames.clone();
        frames[1][at..at + 5].copy_from_slice(name);
        assert_refused(&frames, "another leader");
    }
}
