use jobq_engine::{Child, Follow, Outcome, ParentEnd, Plan, StateKind, Told};

use super::*;
use crate::{parse, table::find, Call};

const NOW: u64 = 1_763_695_620_000;

fn packed(steps: &[Step<'_>]) -> Vec<u8> {
    let mut packed = Packed::default();
    steps.iter().for_each(|step| packed.push(step));
    packed.as_bytes().to_vec()
}

fn lease<'a>(worker: &'a [u8], ttr: u64, counted: bool, jobs: &[JobId<'a>]) -> Step<'a> {
    let holder = Holder { worker, ttr: Millis(ttr), counted };
    Step::Lease(LeaseStep::new(&holder, jobs.iter().copied()))
}

fn made(bits: u128) -> JobId<'static> {
    JobId::Made(Ulid::from_bits(bits))
}

fn is_refused(bytes: &[u8]) -> bool {
    match unpack(bytes) {
        Ok(_) => false,
        Err(refused) => {
            assert_eq!(refused.word, ErrorWord::Range);
            true
        }
    }
}

fn follow<'a>(queue: &'a [u8], child: Child<'a>, parent: JobId<'a>, at: u32) -> Step<'a> {
    let (children, parents) = (vec![child], vec![(parent, at)]);
    Step::Follow(FollowStep::new(&Follow { queue, children, parents }))
}

fn told(child: Child<'_>, at: u32, how: ParentEnd) -> Step<'_> {
    Step::Told(ToldStep::new(&Told { child, at, how }))
}

fn child(bits: u128, given: Option<&str>) -> Child<'_> {
    Child { ulid: Ulid::from_bits(bits), given }
}

/// One of each, as large as they come.
fn largest<'a>(worker: &'a [u8], id: &'a str) -> [Step<'a>; 10] {
    [
        Step::Create { seed: u64::MAX },
        Step::Tick { now: UnixMillis::MAX.0, budget: u32::MAX },
        Step::Term { seed: u64::MAX, tokens: (1 << 62) - 1 },
        Step::Command,
        lease(worker, 3_155_760_000_000, false, &[made(u128::MAX), JobId::Given(id)]),
        Step::CommandAfter { unfinished: vec![0, 1, u32::MAX] },
        follow(worker, child(u128::MAX, Some(id)), JobId::Given(id), u32::MAX),
        told(child(u128::MAX, Some(id)), u32::MAX, ParentEnd::Removed),
        Step::Delivered { effects: u64::MAX },
        Step::Plan(PlanStep::new(&plan(u64::MAX, LATEST))),
    ]
}

/// The latest instant that a step may name.
const LATEST: u64 = 253_402_300_799_999 + 3_155_760_000_000;

fn plan(number: u64, at: u64) -> Plan {
    let instant = |before| Some(UnixMillis(at - before));
    let passed = Some((number, UnixMillis(at - 2)));
    Plan { schedule: number, passed, next: instant(1), then: instant(0) }
}

#[test]
fn what_was_packed_is_unpacked() {
    let (worker, id) = ([0xff; WORKER_BYTES_MAX], "a".repeat(id::GIVEN_ID_BYTES_MAX));
    let largest = largest(&worker, &id);
    let smallest = [
        Step::Create { seed: 0 },
        Step::Tick { now: 0, budget: 0 },
        Step::Term { seed: 0, tokens: 0 },
        Step::Command,
        lease(b"", 0, true, &[made(0)]),
        Step::CommandAfter { unfinished: vec![0] },
        follow(b"q", child(0, None), made(0), 0),
        told(child(0, None), 0, ParentEnd::Completed),
        Step::Delivered { effects: 0 },
        Step::Plan(PlanStep::new(&Plan { schedule: 0, passed: None, next: None, then: None })),
    ];
    for steps in [&smallest[..], &largest] {
        for n in 1..=steps.len() {
            assert_eq!(unpack(&packed(&steps[..n])).unwrap(), steps[..n]);
            assert_eq!(unpack(&packed(&steps[n - 1..n])).unwrap(), steps[n - 1..n]);
        }
    }
    let many = vec![Step::Tick { now: NOW, budget: 128 }; 1000];
    assert_eq!(unpack(&packed(&many)).unwrap(), many);
}

#[test]
fn a_lease_is_told_as_it_was_given() {
    let jobs = [JobId::Given("b"), made(7), JobId::Given("a")];
    let step = lease(b"w", 80_000, true, &jobs);
    let bytes = packed(&[step]);
    let steps = unpack(&bytes).unwrap();
    let Step::Lease(lease) = &steps[0] else { panic!("{steps:?}") };
    assert_eq!(lease.holder(), Holder { worker: &b"w"[..], ttr: Millis(80_000), counted: true });
    assert_eq!(lease.jobs().collect::<Vec<_>>(), jobs);
}

#[test]
fn nothing_was_done_until_something_is_packed() {
    let mut steps = Packed::default();
    assert!(steps.is_empty());
    steps.push(&Step::Command);
    assert!(!steps.is_empty());
    assert_eq!(steps.as_bytes(), [1, 3]);
}

/// Logs that were written hold these bytes. They may be added to, never changed.
#[test]
fn the_form_of_a_record_is_this_to_the_byte() {
    let steps = [
        Step::Create { seed: 0x0102_0304_0506_0708 },
        Step::Tick { now: NOW, budget: 128 },
        Step::Tick { now: NOW, budget: 100_000 },
        Step::Term { seed: 7, tokens: 300 },
        Step::Command,
        lease(b"w\xff", 80_000, true, &[made(0x0190_0000_0000_0000_0000_0000_0000_00ff)]),
        lease(b"", 0, false, &[made(5), JobId::Given("a:1")]),
        Step::CommandAfter { unfinished: vec![0, 300] },
        follow(b"q", child(5, Some("a:1")), made(6), 7),
        follow(b"q", child(5, None), JobId::Given("a:1"), 0),
        told(child(5, None), 3, ParentEnd::Completed),
        told(child(5, Some("a:1")), 3, ParentEnd::Removed),
        Step::Delivered { effects: 9 },
        Step::Plan(PlanStep::new(&Plan {
            schedule: 3,
            passed: Some((2, UnixMillis(5))),
            next: Some(UnixMillis(NOW)),
            then: None,
        })),
    ];
    #[rustfmt::skip]
    let golden: [&[u8]; 15] = [
        // How many steps.
        &[14],
        // A number above 250 has its width before it, least byte first.
        &[0, 253, 8, 7, 6, 5, 4, 3, 2, 1],
        &[1, 253, 0xa0, 0x6f, 0x73, 0xa4, 0x9a, 0x01, 0, 0, 128],
        &[1, 253, 0xa0, 0x6f, 0x73, 0xa4, 0x9a, 0x01, 0, 0, 252, 0xa0, 0x86, 0x01, 0],
        &[2, 7, 251, 0x2c, 0x01],
        &[3],
        // The worker; its lease, in milliseconds; that it counts; how many jobs; each with its kind.
        &[4, 2, b'w', 0xff, 252, 0x80, 0x38, 0x01, 0, 1, 1,
          0, 254, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x90, 0x01],
        &[4, 0, 0, 0, 2, 0, 5, 1, 3, b'a', b':', b'1'],
        &[5, 2, 0, 251, 0x2c, 0x01],
        // The other queue; how many children, each with its number and perhaps an id; how many
        // parents, each with its kind and its place.
        &[6, 1, b'q', 1, 5, 1, 3, b'a', b':', b'1', 1, 0, 6, 7],
        &[6, 1, b'q', 1, 5, 0, 1, 1, 3, b'a', b':', b'1', 0],
        // The child; the place of its parent; how that has ended.
        &[7, 5, 0, 3, 0],
        &[7, 5, 1, 3, b'a', b':', b'1', 3, 2],
        &[8, 9],
        // The schedule; what was passed over, how many and the last of them; what is next, and then.
        &[10, 3, 1, 2, 5, 1, 253, 0xa0, 0x6f, 0x73, 0xa4, 0x9a, 0x01, 0, 0, 0],
    ];
    assert_eq!(packed(&steps), golden.concat());
    assert_eq!(unpack(&golden.concat()).unwrap(), steps);
}

#[test]
fn what_is_cut_off_or_goes_on_is_refused() {
    let (worker, id) = ([b'w'; 20], "job-1");
    let whole = packed(&largest(&worker, id));
    for cut in 0..whole.len() {
        assert!(is_refused(&whole[..cut]), "cut at {cut}");
    }
    for more in 0..=u8::MAX {
        assert!(is_refused(&[&whole[..], &[more]].concat()), "with {more} behind");
    }
    assert!(is_refused(&[0]), "no step at all");
    assert!(is_refused(&[0, 3]));
    assert!(is_refused(&[1, 11]), "no such step");
}

#[test]
fn a_length_beyond_what_follows_is_refused_and_costs_nothing() {
    for long in [&[253][..], &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], &[253; 9]] {
        assert!(is_refused(long), "steps");
        assert!(is_refused(&[&[1, 4], long, b"w"].concat()), "a worker");
        assert!(is_refused(&[&[1, 4, 0, 0, 1], long, &[0, 5]].concat()), "jobs");
        assert!(is_refused(&[&[1, 4, 0, 0, 1, 1, 1], long, b"a"].concat()), "an id");
    }
    // As many steps as fit into a word, and only two of them.
    assert!(is_refused(&[251, 0xff, 0xff, 3, 3]));
}

#[test]
fn values_out_of_their_range_are_refused() {
    let a = [JobId::Given("a")];
    let far = UnixMillis::MAX.0 + 1;
    let long = [b'w'; WORKER_BYTES_MAX + 1];
    let long_id = "a".repeat(id::GIVEN_ID_BYTES_MAX + 1);
    for step in [
        Step::Tick { now: far, budget: 1 },
        Step::Tick { now: u64::MAX, budget: 0 },
        Step::Term { seed: 0, tokens: 1 << 62 },
        lease(&long, 0, true, &a),
        lease(b"", 3_155_760_000_001, true, &a),
        lease(b"", 0, true, &[]),
        lease(b"", 0, true, &[JobId::Given("")]),
        lease(b"", 0, true, &[JobId::Given("a@1")]),
        lease(b"", 0, true, &[JobId::Given("a"), JobId::Given("ä")]),
        lease(b"", 0, true, &[JobId::Given(&long_id)]),
        Step::CommandAfter { unfinished: vec![] },
        Step::CommandAfter { unfinished: vec![1, 1] },
        Step::CommandAfter { unfinished: vec![2, 1] },
        follow(b"", child(1, None), made(1), 0),
        follow(&[b'q'; 513], child(1, None), made(1), 0),
        follow(b"q", child(1, Some("a@1")), made(1), 0),
        follow(b"q", child(1, None), JobId::Given(""), 0),
        Step::Follow(FollowStep::new(&Follow { queue: b"q", children: vec![], parents: vec![] })),
        told(child(1, Some(&long_id)), 0, ParentEnd::Died),
        Step::Plan(PlanStep::new(&plan(1, LATEST + 1))),
    ] {
        assert!(is_refused(&packed(std::slice::from_ref(&step))), "{step:?}");
        assert!(is_refused(&packed(&[Step::Command, step.clone()])), "{step:?} behind another");
    }
    assert!(is_refused(&[1, 4, 0, 0, 2, 1, 0, 5]), "counted is yes or no");
    assert!(is_refused(&[1, 4, 0, 0, 1, 1, 2, 5]), "an id is made or given");
    assert!(is_refused(&[1, 4, 0, 0, 1, 1, 1, 1, 0xff]), "an id is text");
    assert!(is_refused(&[1, 1, 5, 253, 0, 0, 0, 0, 1, 0, 0, 0]), "a budget is a small number");
    assert!(is_refused(&[1, 7, 5, 0, 3, 3]), "a job ends in three ways");
}

#[test]
fn any_byte_may_be_another_and_nothing_breaks() {
    let whole = packed(&largest(b"w", "job-1"));
    for at in 0..whole.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            if let Ok(steps) = unpack(&bytes) {
                assert!(steps.iter().all(Step::is_valid));
                assert!(!steps.is_empty());
            }
        }
    }
}

fn action(line: &'static str) -> Action<'static> {
    let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let parsed = parse(find(argv[0]).expect(line), &argv);
    let Ok(Call::Act(action)) = parsed else { panic!("{line}: {parsed:?}") };
    action
}

fn take(queue: &mut Queue, step: &Step<'static>, asked: Option<Action<'static>>) -> Outcome {
    let mut asked = asked;
    let operation = step.operation(queue, &mut asked).expect("the step fits");
    assert!(asked.is_none(), "what is asked is done");
    queue.apply(operation).expect("and is not refused")
}

/// A queue whose jobs are `a`, `b`, and one with an id that was made.
fn queue() -> (Queue, Ulid) {
    let mut queue = Queue::new(1);
    take(&mut queue, &Step::Tick { now: NOW, budget: 0 }, None);
    let mut last = None;
    for line in ["JQ.PUBLISH q x ID a", "JQ.PUBLISH q x ID b", "JQ.PUBLISH q x"] {
        let outcome = take(&mut queue, &Step::Command, Some(action(line)));
        let Outcome::Published(slots) = outcome else { panic!("{line}: {outcome:?}") };
        last = slots.last().map(|&slot| queue.job(slot).id());
    }
    let Some(JobId::Made(ulid)) = last else { panic!("{last:?}") };
    (queue, ulid)
}

#[test]
fn steps_are_taken_as_they_say() {
    let (mut queue, ulid) = queue();
    assert_eq!(queue.clock(), UnixMillis(NOW));
    let jobs = [JobId::Given("b"), JobId::Made(ulid)];
    let Outcome::Leased(leased) = take(&mut queue, &lease(b"w", 500, true, &jobs), None) else {
        panic!()
    };
    let ids: Vec<_> = leased.iter().map(|(slot, _)| queue.job(*slot).id()).collect();
    assert_eq!(ids, jobs, "in this order");
    assert_eq!(queue.len_of(StateKind::Leased), 2);
    let before = leased[1].1;
    take(&mut queue, &Step::Tick { now: NOW + 500, budget: 1 }, None);
    assert_eq!(queue.len_of(StateKind::Leased), 1, "one transition, as the budget says");
    take(&mut queue, &Step::Term { seed: 3, tokens: 1 << 40 }, None);
    let again = take(&mut queue, &lease(b"w", 500, true, &[JobId::Given("a")]), None);
    let Outcome::Leased(leased) = again else { panic!() };
    assert!(leased[0].1 > before && leased[0].1 .0 > 1 << 40, "{leased:?}");
}

#[test]
fn jobs_wait_for_those_of_other_queues_as_the_steps_say() {
    let (mut queue, ulid) = queue();
    let line = "JQ.PUBLISH q x ID c AFTER 3 other/x other/y third/z";
    let step = Step::CommandAfter { unfinished: vec![0, 2] };
    let Outcome::Published(slots) = take(&mut queue, &step, Some(action(line))) else { panic!() };
    let left = |queue: &Queue| queue.parents_left(queue.job(slots[0]));
    assert_eq!(left(&queue), 2);
    let made = queue.job(slots[0]).ulid.to_bits();
    let step = told(child(made, Some("c")), 2, ParentEnd::Completed);
    assert_eq!(take(&mut queue, &step, None), Outcome::Done(1));
    assert_eq!(left(&queue), 1);

    let step = follow(b"other", child(7, None), JobId::Made(ulid), 1);
    assert_eq!(take(&mut queue, &step, None), Outcome::Done(1));
    assert_eq!(queue.outsiders(), 1);
    take(&mut queue, &Step::Command, Some(action("JQ.BURY q b a")));
    take(&mut queue, &follow(b"other", child(7, None), JobId::Given("b"), 1), None);
    take(&mut queue, &Step::Tick { now: NOW, budget: 9 }, None);
    assert_eq!(queue.outbox_len(), 1, "it is told of the one that is dead");
    assert_eq!(take(&mut queue, &Step::Delivered { effects: 1 }, None), Outcome::Done(1));
    assert_eq!(queue.outbox_len(), 0);
}

#[test]
fn only_what_waits_for_jobs_of_other_queues_needs_to_be_told_which_are_unfinished() {
    let line = "JQ.PUBLISH q x AFTER 3 other/x own other/y";
    let Action::Publish(mut publish) = action(line) else { panic!() };
    assert_eq!(unfinished(&Action::Publish(publish.clone())), None);
    let distant = &mut publish.conditions.as_mut().expect("some").distant;
    distant[1].waits = true;
    assert_eq!(unfinished(&Action::Publish(publish)), Some(vec![1]));
    assert_eq!(unfinished(&action("JQ.ACK q a")), None);
}

#[test]
fn steps_that_do_not_fit_the_queue_are_refused() {
    let (queue, ulid) = queue();
    let text = String::from_utf8(ulid.text().to_vec()).expect("letters and digits");
    let a = JobId::Given("a");
    for (step, why) in [
        (Step::Create { seed: 1 }, "the queue is there already"),
        (Step::Command, "nothing was asked"),
        (lease(b"", 0, true, &[JobId::Given("c")]), "a job to be leased is not there"),
        (lease(b"", 0, true, &[made(5)]), "a job to be leased is not there"),
        (lease(b"", 0, true, &[a, made(5)]), "a job to be leased is not there"),
        (lease(b"", 0, true, &[a, a]), "a job to be leased is not there"),
        // It was made, and nobody gave it.
        (lease(b"", 0, true, &[JobId::Given(&text)]), "a job to be leased is not there"),
    ] {
        let refused = step.operation(&queue, &mut None);
        assert!(matches!(refused, Err(Refusal::Diverged(told)) if told == why), "{step:?}");
    }
    for line in ["JQ.PUBLISH q x", "JQ.PUBLISH q x AFTER 1 other/a", "JQ.ACK q a"] {
        let step = Step::CommandAfter { unfinished: vec![1] };
        let refused = step.operation(&queue, &mut Some(action(line)));
        assert!(matches!(refused, Err(Refusal::Diverged(_))), "{line}");
    }
}
