//! Listing: what a walk from page to page meets while the queue goes on.

use std::collections::{BTreeMap, BTreeSet};

use jobq_engine::{
    Action, Bodies, Change, Conditions, Consume, Cursor, Due, Holder, JobRef, JobRefs, Listing,
    Millis, Operation, Outcome, Page, Publish, Queue, Request, Retain, Revival, Slot, State,
    StateKind, UnixMillis, Verdict, Which, Wishes,
};

/// Jobs that a page looks at at most.
const STEPS_MAX: usize = 10_000;

#[test]
fn pages_of_any_size_make_up_the_whole_in_order() {
    for state in StateKind::ALL {
        let mut story = Story::new(1);
        story.fill(state, 100);
        let order = story.in_order(state);
        for count in [1, 2, 7, 99, 100, 101] {
            assert_eq!(story.walk(&all(state, false, count)), order, "{state:?} by {count}");
            let mut back = story.walk(&all(state, true, count));
            back.reverse();
            assert_eq!(back, order, "{state:?} backwards by {count}");
        }
    }
}

#[test]
fn the_page_with_the_last_job_has_no_cursor() {
    for state in StateKind::ALL {
        for reverse in [false, true] {
            let mut story = Story::new(2);
            assert!(story.list(&all(state, reverse, 1)).next.is_none(), "nothing at all");
            story.fill(state, 20);
            let whole = story.list(&all(state, reverse, 20));
            assert!(whole.jobs.len() == 20 && whole.next.is_none());
            let most = story.list(&all(state, reverse, 19));
            assert!(most.jobs.len() == 19 && most.next.is_some());
        }
    }
}

#[test]
fn a_listing_shows_one_type_and_a_span_of_ages() {
    let mut story = Story::new(3);
    for age in 0..10 {
        let job_type = [&b"odd"[..], b"even"][age % 2];
        let wishes = Wishes { job_type: Some(job_type), ..Wishes::default() };
        story.publish(1, Due::Now, wishes);
        story.tick(10);
    }
    // The first is 100 ms old, the last 10.
    let every = all(StateKind::Ready, false, 3);
    let order = story.walk(&every);
    let expect = |listing: Listing<'_>, at: &[usize]| {
        let expected: Vec<_> = at.iter().map(|&at| order[at].clone()).collect();
        assert_eq!(story.walk(&listing), expected, "{listing:?}");
    };
    expect(Listing { job_type: Some(b"even"), ..every.clone() }, &[1, 3, 5, 7, 9]);
    expect(Listing { job_type: Some(b"eve"), ..every.clone() }, &[]);
    expect(Listing { job_type: Some(b""), ..every.clone() }, &[]);
    expect(Listing { min_age: Some(Millis(80)), ..every.clone() }, &[0, 1, 2]);
    expect(Listing { max_age: Some(Millis(20)), ..every.clone() }, &[8, 9]);
    let span = (Some(Millis(40)), Some(Millis(60)));
    let (min_age, max_age) = span;
    expect(Listing { min_age, max_age, job_type: Some(b"odd"), ..every.clone() }, &[4, 6]);
    expect(Listing { min_age: max_age, max_age: min_age, ..every }, &[]);
}

#[test]
fn a_listing_shows_what_ended_with_such_an_error_and_what_one_worker_holds() {
    let mut story = Story::new(14);
    story.publish(6, Due::Now, Wishes::default());
    let order = story.walk(&all(StateKind::Ready, false, 9));
    let errors: [Option<&[u8]>; 5] =
        [Some(b"no route"), Some(b"timeout: no answer"), Some(b"\xff"), Some(b""), None];
    for (id, error) in order.iter().zip(errors) {
        story.settle(std::slice::from_ref(id), Verdict::Bury { error });
    }
    let dead =
        |error: &'static [u8]| Listing { error: Some(error), ..all(StateKind::Dead, false, 2) };
    let expect = |listing: Listing<'_>, at: &[usize]| {
        let expected: Vec<_> = at.iter().map(|&at| order[at].clone()).collect();
        assert_eq!(story.walk(&listing), expected, "{listing:?}");
    };
    expect(dead(b"no*"), &[0]);
    expect(dead(b"*no [ra]*"), &[0, 1]);
    expect(dead(b"*TIMEOUT*"), &[]);
    expect(dead(b"no"), &[]);
    expect(dead(b"\xff"), &[2]);
    expect(dead(b"*"), &[0, 1, 2, 3]);
    expect(Listing { error: Some(b"*"), ..all(StateKind::Ready, false, 2) }, &[]);

    let held = |worker: &'static [u8]| Listing {
        worker: Some(worker),
        ..all(StateKind::Leased, false, 2)
    };
    let mut story = Story::new(15);
    story.publish(4, Due::Now, Wishes::default());
    let order = story.walk(&all(StateKind::Ready, false, 9));
    for worker in [&b"w1"[..], b"w2", b"", b"w1"] {
        let holder = Holder { worker, ttr: Millis(1_000), counted: true };
        story.ask(Request::Consume(Consume { count: 1, holder }));
    }
    assert_eq!(story.walk(&held(b"w1")), [order[0].clone(), order[3].clone()]);
    assert_eq!(story.walk(&held(b"w2")), order[1..2]);
    assert!(story.walk(&held(b"w")).is_empty());
    let ready = Listing { worker: Some(b"w1"), ..all(StateKind::Ready, false, 2) };
    assert!(story.walk(&ready).is_empty(), "who holds nothing");
    story.settle(&order[..1], Verdict::Release { delay: Millis::ZERO, counted: true });
    assert_eq!(story.walk(&held(b"w1")), order[3..]);
    assert!(story.walk(&ready).is_empty(), "nor holds what it held once");
}

#[test]
fn a_page_looks_at_fewer_jobs_with_long_errors() {
    let mut story = Story::new(16);
    story.publish(2_000, Due::Now, Wishes::default());
    let order = story.walk(&all(StateKind::Ready, false, 10_000));
    let long = [b'a'; 4_000];
    story.settle(&order, Verdict::Bury { error: Some(&long) });
    // The worst there is: each star is tried at each byte.
    let worst = [&b"*"[..], &[b'a'; 254], b"b"].concat();
    let mut listing = Listing { error: Some(&worst), ..all(StateKind::Dead, false, 10_000) };
    let mut pages = 0;
    loop {
        let page = story.list(&listing);
        assert!(page.jobs.is_empty());
        pages += 1;
        listing.after = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert!(pages >= 100, "{pages} pages, of so many jobs at most");
    listing.error = Some(b"a*");
    let page = story.list(&listing);
    assert!(page.jobs.len() > 500, "{} where there is little to compare", page.jobs.len());
}

#[test]
fn a_page_looks_at_ten_thousand_jobs_at_most() {
    for reverse in [false, true] {
        let mut story = Story::new(4);
        let rare = Wishes { job_type: Some(b"rare"), ..Wishes::default() };
        story.publish(usize::from(reverse), Due::Now, rare);
        story.publish(2 * STEPS_MAX, Due::Now, Wishes::default());
        story.publish(usize::from(!reverse), Due::Now, rare);

        let mut listing = all(StateKind::Ready, reverse, 100_000);
        assert_eq!(story.list(&listing).jobs.len(), STEPS_MAX, "whatever the count");

        listing.job_type = Some(b"rare");
        let sizes = [0, 0, 1].map(|size| {
            let page = story.list(&listing);
            assert_eq!(page.jobs.len(), size);
            listing.after = page.next;
            page.next.is_some()
        });
        assert_eq!(sizes, [true, true, false]);
    }
}

#[test]
fn a_walk_finds_its_way_back_after_its_anchor_has_left() {
    for (state, reverse) in [
        (StateKind::Ready, false),
        (StateKind::Ready, true),
        (StateKind::Completed, true),
        (StateKind::Dead, false),
    ] {
        let mut story = Story::new(5);
        for _ in 0..3 * STEPS_MAX {
            story.put_into(state, 1);
            story.tick(1);
        }
        let mut order = story.in_order(state);
        if reverse {
            order.reverse();
        }
        let mut listing = all(state, reverse, STEPS_MAX);
        listing.after = story.list(&listing).next;
        listing.after = story.list(&listing).next;
        story.delete(&order[2 * STEPS_MAX - 1]);
        // The way back is cut into pages as well.
        let page = story.list(&listing);
        assert!(page.jobs.is_empty());
        listing.after = page.next;
        // The job that it has come to on its way leaves, too: once more from the beginning.
        story.delete(&order[STEPS_MAX - 1]);
        let page = story.list(&listing);
        assert!(page.jobs.is_empty());
        listing.after = page.next;

        listing.count = 1;
        let page = story.list(&listing);
        assert_eq!(story.ids(&page), order[2 * STEPS_MAX..=2 * STEPS_MAX]);
        listing.after = page.next;
        listing.count = STEPS_MAX;
        let page = story.list(&listing);
        assert_eq!(story.ids(&page), order[2 * STEPS_MAX + 1..]);
        assert!(page.next.is_none());
    }
}

#[test]
fn jobs_of_an_instant_are_rather_shown_twice_than_missed() {
    for reverse in [false, true] {
        let mut story = Story::new(6);
        for _ in 0..3 {
            story.publish(4, Due::Now, Wishes::default());
            story.tick(1);
        }
        let mut order = story.in_order(StateKind::Ready);
        if reverse {
            order.reverse();
        }
        let mut listing = all(StateKind::Ready, reverse, 6);
        listing.after = story.list(&listing).next;
        story.delete(&order[5]);
        let rest = [&order[4..5], &order[6..]].concat();
        assert_eq!(story.walk(&listing), rest);
    }
}

#[test]
fn a_job_that_moved_into_the_anchors_slot_is_not_the_anchor() {
    let mut story = Story::new(7);
    story.publish(5, Due::Now, Wishes::default());
    let mut listing = all(StateKind::Ready, false, 2);
    let page = story.list(&listing);
    listing.after = page.next;
    let anchor = story.ids(&page).pop().expect("a job");
    story.delete(&anchor);
    // In the same instant, too.
    assert_eq!(story.publish(1, Due::Now, Wishes::default()), page.jobs[1..], "the same slot");
    assert_eq!(story.walk(&listing), story.in_order(StateKind::Ready));
}

#[test]
fn an_anchor_that_has_come_back_later_is_not_where_it_was() {
    let mut story = Story::new(13);
    for _ in 0..5 {
        story.publish(1, Due::Now, Wishes::default());
        story.tick(1);
    }
    let order = story.in_order(StateKind::Ready);
    let mut listing = all(StateKind::Ready, false, 2);
    listing.after = story.list(&listing).next;
    story.consume(2, Millis::ZERO);
    story.settle(&order[1..=1], Verdict::Nack { delay: Some(Millis::ZERO), error: None });
    // Those behind it, and then it again in its new place.
    let rest = [&order[2..], &order[1..=1]].concat();
    assert_eq!(story.walk(&listing), rest);
}

#[test]
fn the_way_back_is_sought_in_the_anchors_lane_only() {
    for reverse in [false, true] {
        let mut story = Story::new(8);
        let lane = |priority| Wishes { priority: Some(priority), ..Wishes::default() };
        // On either side of the anchor's lane, jobs from before and after the anchor's instant.
        for priority in [-1, 1] {
            story.publish(STEPS_MAX, Due::Now, lane(priority));
        }
        for _ in 0..4 {
            story.tick(1);
            story.publish(1, Due::Now, lane(0));
        }
        story.tick(1);
        for priority in [-1, 1] {
            story.publish(1, Due::Now, lane(priority));
        }
        let mut order = story.in_order(StateKind::Ready);
        if reverse {
            order.reverse();
        }
        let mut listing = all(StateKind::Ready, reverse, STEPS_MAX);
        listing.after = story.list(&listing).next;
        listing.count = 3;
        let page = story.list(&listing);
        let anchor = &order[STEPS_MAX + 2];
        assert_eq!(story.ids(&page).last(), Some(anchor));
        listing.after = page.next;

        story.delete(anchor);
        assert_eq!(story.walk(&listing), order[STEPS_MAX + 3..]);
        // Also when nothing is left of the lane.
        for id in order[STEPS_MAX + 1..STEPS_MAX + 5].iter().filter(|id| *id != anchor) {
            story.delete(id);
        }
        assert_eq!(story.walk(&listing), order[STEPS_MAX + 5..]);
    }
}

#[test]
fn a_cursor_is_read_as_it_was_written() {
    let mut story = Story::new(9);
    for state in StateKind::ALL {
        story.fill(state, 50);
        for reverse in [false, true] {
            for cursor in story.cursors(state, reverse) {
                let text = cursor.to_string();
                assert_eq!(Cursor::parse(text.as_bytes()), Some(cursor), "{text}");
                assert!(text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()), "{text}");
                assert_ne!(text, "0");
            }
        }
    }
}

#[test]
fn what_is_no_cursor_is_not_read() {
    let texts: [&[u8]; 16] = [
        b"",
        b"0",
        b"-",
        b"----",
        b"1-2-3-4",
        b"1-2-3-4-5-6",
        b"1-2-3-4-5-",
        b"-1-2-3-4-5",
        b"1-2-3--4-5",
        b"1-2-3-256-5",
        b"1-2-4294967296-4-5",
        b"281474976710656-2-3-4-5",
        b"1-281474976710656-3-4-5",
        b"1-2-3-4-281474976710656",
        b"1-2-3-4-99999999999999999999999",
        b"1-2-\xff-4-5",
    ];
    for text in texts {
        assert_eq!(Cursor::parse(text), None, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_foreign_cursor_does_no_harm() {
    let mut story = Story::new(10);
    let mut cursors = Vec::new();
    for state in StateKind::ALL {
        story.fill(state, 30);
    }
    for state in StateKind::ALL {
        cursors.extend(story.cursors(state, false));
        cursors.extend(story.cursors(state, true));
    }
    let extremes = |max: u64| [0, 1, max - 1, max];
    for at in extremes((1 << 48) - 1) {
        for slot in extremes(u64::from(u32::MAX)) {
            for lane in extremes(255) {
                for sought in extremes((1 << 48) - 1) {
                    for room in extremes(u64::from(u32::MAX)) {
                        let (seq, place) = ((1u64 << 48) - 1 - at, u64::from(u32::MAX) - room);
                        let text = format!("{at}-{seq}-{slot}-{room}-{lane}-{place}-{sought}");
                        cursors.extend(Cursor::parse(text.as_bytes()));
                    }
                }
            }
        }
    }
    assert!(cursors.len() > 500);
    let mut other = Story::new(11);
    other.fill(StateKind::Ready, 3);
    other.fill(StateKind::Dead, 3);
    for queue in [&story, &other, &Story::new(12)] {
        for state in StateKind::ALL {
            for reverse in [false, true] {
                for &cursor in &cursors {
                    let listing = Listing { after: Some(cursor), ..all(state, reverse, 10) };
                    let met: BTreeSet<_> = queue.walk(&listing).into_iter().collect();
                    let there = queue.in_order(state);
                    assert!(met.iter().all(|id| there.contains(id)), "{state:?} {cursor}");
                }
            }
        }
    }
}

/// The guarantee of a listing, whatever happens between its pages.
#[test]
fn who_stays_is_met_and_met_once_if_no_anchor_leaves() {
    let (mut exact, mut inexact) = (0, 0);
    for seed in 0..20 {
        for state in StateKind::ALL {
            for reverse in [false, true] {
                if walk_through_a_storm(seed, state, reverse) {
                    exact += 1;
                } else {
                    inexact += 1;
                }
            }
        }
    }
    // Else the half of it was not tested.
    assert!(exact > 50 && inexact > 50, "{exact} and {inexact}");
}

/// Tells whether every anchor stayed.
fn walk_through_a_storm(seed: u64, state: StateKind, reverse: bool) -> bool {
    let context = format!("seed {seed}, {state:?}, reverse {reverse}");
    let mut story = Story::new(seed);
    for other in StateKind::ALL {
        story.fill(other, 30);
    }
    story.fill(state, 120);
    let mut stayed = story.places(state);
    let mut met = Vec::new();
    let mut anchors_stayed = true;
    let violence = story.dice.below(4);

    let mut listing = all(state, reverse, 0);
    loop {
        listing.count = 1 + story.dice.below(25) as usize;
        let page = story.list(&listing);
        let ids = story.ids(&page);
        assert!(ids.len() <= listing.count, "{context}");
        assert!(ids.iter().all(|id| story.place(id).is_some_and(|place| place.0.kind() == state)));
        met.extend(ids.iter().cloned());
        listing.after = page.next;
        if listing.after.is_none() {
            break;
        }
        assert!(met.len() < 5_000, "{context}: no end of it");

        let anchor = ids.last().map(|id| (id.clone(), story.place(id)));
        for step in 0..1 + violence * story.dice.below(4) {
            match step {
                // What leaves and comes back does it in another instant.
                0 => story.tick(1),
                _ => story.disturb(anchor.as_ref().map(|(id, _)| id.as_str())),
            }
            stayed.retain(|id, place| story.place(id) == Some(*place));
            anchors_stayed &= anchor.as_ref().is_none_or(|(id, place)| story.place(id) == *place);
        }
    }

    let exact = is_timed(state) || anchors_stayed;
    for id in stayed.keys() {
        let times = met.iter().filter(|other| *other == id).count();
        assert!(times == 1 || times > 1 && !exact, "{context}: {id} met {times} times");
    }
    if exact {
        met.retain(|id| stayed.contains_key(id));
        if reverse {
            met.reverse();
        }
        let instant = |id: &String| story.key(id).map(|(lane, at, _)| (lane, at));
        assert!(met.is_sorted_by_key(instant), "{context}");
    }
    story.queue.check_invariants().unwrap_or_else(|broken| panic!("{context}: {broken}"));
    anchors_stayed
}

fn is_timed(state: StateKind) -> bool {
    matches!(state, StateKind::Delayed | StateKind::Leased)
}

fn all(state: StateKind, reverse: bool, count: usize) -> Listing<'static> {
    Listing { reverse, ..Listing::of(state, count) }
}

/// What a job must keep to keep its place.
type Place = (State, i8);

/// A queue and what happens to it.
struct Story {
    queue: Queue,
    dice: Dice,
    published: Vec<String>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut story = Self { queue: Queue::new(seed), dice: Dice(seed), published: Vec::new() };
        story.tick(1_000_000);
        story
    }

    fn tick(&mut self, ms: u64) {
        let now = self.queue.clock().after(Millis(ms));
        self.queue.apply(Operation::Tick { now, budget: u32::MAX }).expect("time passes");
    }

    fn ask<'a>(&mut self, request: impl Into<Request<'a>>) -> Option<Outcome> {
        let operation = self.queue.choose(request).expect("a fair request")?;
        Some(self.queue.apply(operation).expect("it was chosen"))
    }

    fn publish(&mut self, count: usize, due: Due, wishes: Wishes<'_>) -> Vec<Slot> {
        self.publish_when(count, due, wishes, None, "")
    }

    fn publish_when(
        &mut self,
        count: usize,
        due: Due,
        wishes: Wishes<'_>,
        gate: Option<&str>,
        batch: &str,
    ) -> Vec<Slot> {
        let when = gate.map(|name| vec![name.as_bytes()]).into_iter().collect();
        let batch = batch.as_bytes();
        let conditions = Some(Box::new(Conditions { when, batch, ..Conditions::default() }));
        let bodies = Bodies::Many(vec![b"job"; count]);
        let publish = Publish { due, wishes, conditions, ..Publish::new(bodies) };
        match self.ask(Action::Publish(publish)) {
            Some(Outcome::Published(slots)) => {
                self.published
                    .extend(slots.iter().map(|&slot| self.queue.job(slot).id().to_string()));
                slots.to_vec()
            }
            other => panic!("{other:?} is no publish"),
        }
    }

    fn consume(&mut self, count: u32, ttr: Millis) {
        let holder = Holder { worker: &b""[..], ttr, counted: true };
        self.ask(Request::Consume(Consume { count, holder }));
    }

    fn settle(&mut self, ids: &[String], verdict: Verdict<'_>) {
        self.ask(Action::Settle { jobs: named(ids), verdict });
    }

    fn delete(&mut self, id: &str) {
        assert_eq!(self.ask(Action::Delete(vec![name(id)].into())), Some(Outcome::Done(1)));
    }

    /// Puts so many new jobs into a state, in one instant.
    fn put_into(&mut self, state: StateKind, count: usize) {
        let (priority, retain) = (Some(-20), Some(Retain::Forever));
        let wishes = Wishes { priority, retain, ..Wishes::default() };
        let due = match state {
            StateKind::Delayed => Due::In(Millis(1 + self.dice.below(300))),
            _ => Due::Now,
        };
        let gate = (state == StateKind::Held).then_some("shut");
        let batch = if state == StateKind::Gathering { "all" } else { "" };
        let slots = self.publish_when(count, due, wishes, gate, batch);
        let ids: Vec<_> = slots.iter().map(|&slot| self.id(slot)).collect();
        match state {
            StateKind::Delayed | StateKind::Held | StateKind::Gathering | StateKind::Ready => {}
            StateKind::Leased => {
                let ttr = Millis(1 + self.dice.below(300));
                self.consume(count as u32, ttr);
            }
            StateKind::Completed => {
                let verdict = Verdict::Fulfill { result: b"", retain: None };
                self.settle(&ids, verdict);
            }
            StateKind::Dead => self.settle(&ids, Verdict::Bury { error: None }),
        }
    }

    /// Puts at least so many jobs into a state, some of them in the same instant, and ready ones
    /// with several priorities.
    fn fill(&mut self, state: StateKind, count: usize) {
        let mut left = count;
        while left > 0 {
            let batch = left.min(1 + self.dice.below(12) as usize);
            if state == StateKind::Ready {
                let priority = Some(self.dice.pick(&[-20, 0, 0, 7]));
                self.publish(batch, Due::Now, Wishes { priority, ..Wishes::default() });
            } else {
                self.put_into(state, batch);
            }
            left -= batch;
            if self.dice.one_in(3) && !is_timed(state) {
                self.tick(1);
            }
        }
    }

    /// Does something or other to the queue, perhaps to the job that a page ended with.
    fn disturb(&mut self, anchor: Option<&str>) {
        self.published.retain(|id| self.queue.find_id(id).is_some());
        let ids = self.published.clone();
        if ids.is_empty() {
            return;
        }
        let mut some: Vec<_> = (0..1 + self.dice.below(3)).map(|_| self.dice.pick(&ids)).collect();
        some.extend(anchor.filter(|_| self.dice.one_in(4)).map(Into::into));
        let leased = self.in_order(StateKind::Leased);
        let held: Vec<_> = leased.first().map(|_| self.dice.pick(&leased)).into_iter().collect();
        let priority = Some(self.dice.pick(&[-20, 0, 7]));
        let delay = Millis(self.dice.below(2) * self.dice.below(100));
        let count = 1 + self.dice.below(4);
        match self.dice.below(15) {
            0 => {
                let wishes =
                    Wishes { priority, retain: Some(Retain::Forever), ..Wishes::default() };
                self.publish(count as usize, Due::In(delay), wishes);
            }
            1 | 2 => self.consume(count as u32, Millis(1 + delay.0)),
            3 => self.settle(&held, Verdict::Ack),
            4 => {
                let verdict = Verdict::Nack { delay: Some(delay), error: None };
                self.settle(&held, verdict);
            }
            5 => {
                self.settle(&held, Verdict::Release { delay, counted: true });
            }
            6 => self.settle(&some, Verdict::Bury { error: None }),
            7 => drop(self.ask(Action::Kick(Which::Ids(named(&some))))),
            8 => {
                let revival = Revival { delay, ..Revival::default() };
                self.ask(Action::Respawn { which: Which::Ids(named(&some)), revival });
            }
            9 => drop(self.ask(Action::Delete(named(&some)))),
            10 => drop(self.ask(Action::Touch {
                jobs: named(&leased),
                ttr: None,
                progress: None,
                result: None,
            })),
            11 => {
                // Where no other comes from: nobody comes back from there.
                let change = Change { priority: Some(8), ..Change::default() };
                let id = &some[some.len() - 1];
                if self.place(id).is_some_and(|place| !place.0.kind().is_final()) {
                    self.ask(Action::Update { job: name(id), change });
                }
            }
            12 => drop(self.ask(Action::Kick(Which::First(count)))),
            13 => {
                let opens = self.dice.one_in(4);
                drop(self.ask(Action::Gate { opens, names: vec![b"shut"] }));
            }
            _ => self.tick(self.dice.0 % 20),
        }
    }

    fn id(&self, slot: Slot) -> String {
        self.queue.job(slot).id().to_string()
    }

    fn place(&self, id: &str) -> Option<Place> {
        let job = self.queue.job(self.queue.find_id(id)?);
        Some((job.state(), self.queue.terms_of(job).priority))
    }

    /// What orders a job: its priority if it is ready, an instant, its place in publish order.
    fn key(&self, id: &str) -> Option<(i8, UnixMillis, u64)> {
        let (state, priority) = self.place(id)?;
        let seq = self.queue.job(self.queue.find_id(id)?).seq();
        Some(match state {
            State::Delayed { until } => (0, until, seq),
            State::Ready { since, .. } => (priority, since, seq),
            State::Leased { deadline, .. } => (0, deadline, seq),
            State::Held { since }
            | State::Gathering { since, .. }
            | State::Completed { since, .. }
            | State::Dead { since } => (0, since, seq),
        })
    }

    /// The jobs of a state by what orders them. Those that came to a list in the same instant must
    /// have come in publish order.
    fn in_order(&self, state: StateKind) -> Vec<String> {
        let is_in = |id: &&String| self.place(id).is_some_and(|place| place.0.kind() == state);
        let mut ids: Vec<_> = self.published.iter().filter(is_in).cloned().collect();
        ids.sort_by_key(|id| self.key(id));
        ids
    }

    fn places(&self, state: StateKind) -> BTreeMap<String, Place> {
        let ids = self.in_order(state).into_iter();
        ids.filter_map(|id| self.place(&id).map(|place| (id, place))).collect()
    }

    fn list(&self, listing: &Listing<'_>) -> Page {
        self.queue.list(listing)
    }

    fn ids(&self, page: &Page) -> Vec<String> {
        page.jobs.iter().map(|&slot| self.id(slot)).collect()
    }

    /// All that follows, page by page.
    fn walk(&self, listing: &Listing<'_>) -> Vec<String> {
        let (mut listing, mut met) = (listing.clone(), Vec::new());
        loop {
            let page = self.list(&listing);
            met.extend(self.ids(&page));
            listing.after = page.next;
            if page.next.is_none() {
                return met;
            }
        }
    }

    /// The cursors of pages of one job.
    fn cursors(&self, state: StateKind, reverse: bool) -> Vec<Cursor> {
        let next = |after| self.list(&Listing { after, ..all(state, reverse, 1) }).next;
        std::iter::successors(next(None), |&cursor| next(Some(cursor))).collect()
    }
}

fn name(id: &str) -> JobRef<'_> {
    JobRef::parse(id.as_bytes()).unwrap_or_else(|| panic!("{id:?} names no job"))
}

fn named(ids: &[String]) -> JobRefs<'_> {
    ids.iter().map(|id| name(id)).collect()
}

/// SplitMix64: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }
}
