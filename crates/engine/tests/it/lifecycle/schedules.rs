//! Jobs that publish themselves again and again.

use jobq_engine::{
    Action, Bodies, Digest, Done, Due, Millis, Missed, NewSchedule, Operation, Outcome, Overlap,
    Plan, Publish, Queue, Refusal, Retain, Revival, Schedule, ScheduleOrder, Setting, Side,
    StateKind, Timing, UnixMillis, Why, MISSED_AFTER,
};

use crate::{
    schedules::planned,
    support::{job, named, reloaded, Driver, BURY, START},
};

const EVERY: Timing<&[u8]> = Timing::Every { span: Millis(100), from: None };
const AFTER: Timing<&[u8]> = Timing::After(Millis(100));
const CRON: Timing<&[u8]> = Timing::Cron { expression: b"7", zone: b"" };

/// A schedule that publishes its name.
fn new<'a>(name: &'a str, timing: Timing<&'a [u8]>) -> NewSchedule<'a> {
    NewSchedule {
        name: name.as_bytes(),
        timing,
        overlap: Overlap::Allow,
        missed: Missed::One,
        job: Publish::new(Bodies::One(name.as_bytes())),
    }
}

trait Schedules {
    fn order(&mut self, order: ScheduleOrder<'_>) -> Result<Outcome, Refusal>;
    fn set(&mut self, new: NewSchedule<'_>);
    fn plan(&mut self);
    fn go_to(&mut self, ms: u64);
    fn schedule(&self, name: &str) -> &Schedule;
    fn next(&self, name: &str) -> Option<u64>;
    fn runs(&self) -> Vec<u64>;
    fn took(&mut self) -> Vec<u64>;
}

impl Schedules for Driver {
    fn order(&mut self, order: ScheduleOrder<'_>) -> Result<Outcome, Refusal> {
        self.ask(Action::Schedule(order)).map(|done| done.expect("its own operation"))
    }

    fn set(&mut self, new: NewSchedule<'_>) {
        assert_eq!(self.order(ScheduleOrder::Set(Box::new(new))), Ok(Outcome::Configured));
        self.plan();
    }

    /// Says when those come next that have to be told.
    fn plan(&mut self) {
        let now = self.queue.clock();
        let plans: Vec<_> = self.queue.unplanned().map(|it| planned(&it, now)).collect();
        for plan in plans {
            self.queue.apply(Operation::Plan(plan)).expect("it is awaited");
            self.check();
        }
    }

    /// Lets it be so late, with all that comes until then, in one piece.
    fn go_to(&mut self, ms: u64) {
        loop {
            let done = self.tick_to(START + ms, 3);
            self.plan();
            if done == 0 && !self.queue.is_due(self.queue.clock()) {
                return;
            }
        }
    }

    fn schedule(&self, name: &str) -> &Schedule {
        self.queue.schedule(name.as_bytes()).unwrap_or_else(|| panic!("no schedule {name}"))
    }

    /// When it comes next, from the beginning.
    fn next(&self, name: &str) -> Option<u64> {
        self.queue.next_run(self.schedule(name)).map(|at| at.0 - START)
    }

    /// The occurrences of all runs that are ready, from the beginning.
    fn runs(&self) -> Vec<u64> {
        let ready = self.queue.peek(usize::MAX);
        let run = |slot| self.queue.job(slot).run().expect("a run").occurrence.0 - START;
        ready.into_iter().map(run).collect()
    }

    /// The same, and they are done then.
    fn took(&mut self) -> Vec<u64> {
        let runs = self.runs();
        for _ in &runs {
            let receipt = self.consume().receipt;
            assert_eq!(self.ack(&receipt), 1);
        }
        runs
    }
}

fn past(schedule: &Schedule) -> Vec<(u64, &'static str, u64)> {
    let word = |done| match done {
        Done::Run(_) => "run",
        Done::ByHand(_) => "by hand",
        Done::Skipped => "skipped",
        Done::Missed => "missed",
        Done::Refused(Why::Full) => "full",
        Done::Refused(Why::Paused) => "paused",
        Done::Refused(Why::Duplicate) => "duplicate",
        Done::Refused(_) => "refused",
    };
    schedule.history().map(|past| (past.at.0 - START, word(past.done), past.times)).collect()
}

#[test]
fn every_comes_round_at_the_points_of_its_grid() {
    let mut driver = Driver::new();
    driver.set(new("plain", EVERY));
    assert_eq!((driver.next("plain"), driver.runs()), (Some(100), vec![]));
    driver.go_to(99);
    assert_eq!(driver.took(), [] as [u64; 0]);
    for at in [100, 200, 300] {
        driver.go_to(at);
        assert_eq!(driver.took(), [at]);
    }
    assert_eq!(driver.next("plain"), Some(400));
    assert_eq!(driver.schedule("plain").previous(), Some(UnixMillis(START + 300)));
}

#[test]
fn a_base_names_a_point_of_the_grid_in_the_past_or_to_come() {
    let every = |from| Timing::Every { span: Millis(100), from: Some(UnixMillis(from)) };
    for (from, first) in
        [(30, 30), (START - 5, 95), (START, 100), (START + 20, 20), (START + 950, 950)]
    {
        let mut driver = Driver::new();
        driver.set(new("based", every(from)));
        let first = if from == 30 { 100 - (START - 30) % 100 } else { first };
        assert_eq!(driver.next("based"), Some(first), "from {from}");
        driver.go_to(first);
        assert_eq!(driver.took(), [first], "from {from}");
        assert_eq!(driver.next("based"), Some(first + 100), "from {from}");
    }
}

#[test]
fn the_run_after_exists_once_the_one_before_has_ended_and_not_before() {
    type Way = fn(&mut Driver, &str);
    let ways: [(&str, Way); 7] = [
        ("acked", |driver, _| {
            let receipt = driver.consume().receipt;
            driver.ack(&receipt);
        }),
        ("fulfilled", |driver, id| {
            driver.fulfill(id, "done", Some(Retain::Forever));
        }),
        ("dead", |driver, id| {
            driver.bury(id);
        }),
        ("deleted", |driver, id| {
            driver.delete(&[id]);
        }),
        ("cancelled", |driver, id| {
            driver.cancel(id);
        }),
        ("expired", |driver, _| driver.pass(1_000)),
        ("lapsed for good", |driver, _| {
            driver.consume();
            driver.pass(500);
        }),
    ];
    for (how, end) in ways {
        let mut driver = Driver::new();
        let mut after = new("after", AFTER);
        after.job.wishes.tries = Some(1);
        after.job.wishes.ttr = Some(Millis(500));
        after.job.wishes.ttl = (how == "expired").then_some(Millis(1_100));
        driver.set(after);
        assert_eq!(driver.queue.len_of(StateKind::Delayed), 1, "{how}: it is there, and waits");
        assert_eq!(driver.next("after"), Some(100));
        driver.go_to(100);
        assert_eq!(driver.runs(), [100]);
        driver.go_to(350);
        assert_eq!(driver.queue.len(), 1, "{how}: none beside it");
        let first = driver.schedule("after").last_job().expect("a job").to_string();
        end(&mut driver, &first);
        assert_eq!(driver.queue.len_of(StateKind::Delayed), 1, "{how}: by the end itself");
        let now = driver.now() - START;
        assert_eq!(driver.next("after"), Some(now + 100), "{how}");
        assert_eq!(driver.schedule("after").unfinished(), 1, "{how}");
    }
}

#[test]
fn the_life_of_a_run_that_follows_begins_when_it_is_due() {
    let ways: [fn(&mut Driver, &mut NewSchedule<'_>); 2] = [
        |_, after| after.job.wishes.ttl = Some(Millis(30)),
        |driver, _| driver.configure(&[Setting::Ttl(Millis(30))]),
    ];
    for say in ways {
        let mut driver = Driver::new();
        let mut after = new("after", AFTER);
        say(&mut driver, &mut after);
        driver.set(after);
        for due in [100, 230] {
            let id = driver.schedule("after").last_job().expect("a job").to_string();
            let expires_at = driver.queue.expires_at(driver.job(&id));
            assert_eq!(expires_at, Some(UnixMillis(START + due + 30)), "its wait does not count");
            driver.go_to(due + 29);
            assert_eq!(driver.runs(), [due]);
            driver.go_to(due + 30);
        }
        assert_eq!(driver.schedule("after").counts().refused, 0);
    }
}

#[test]
fn a_run_that_is_brought_back_ends_once_more_and_two_never_follow() {
    let mut driver = Driver::new();
    driver.set(new("after", AFTER));
    driver.go_to(100);
    let first = driver.schedule("after").last_job().expect("a job").to_string();
    driver.bury(&first);
    driver.respawn(&[&first], Revival::default());
    assert_eq!(driver.schedule("after").unfinished(), 2);
    driver.delete(&[&first]);
    assert_eq!((driver.queue.len(), driver.schedule("after").unfinished()), (1, 1));
    driver.go_to(200);
    let receipt = driver.consume().receipt;
    driver.ack(&receipt);
    assert_eq!((driver.queue.len(), driver.schedule("after").unfinished()), (1, 1));
}

#[test]
fn a_cron_is_planned_by_the_host_and_never_by_an_operation() {
    let mut driver = Driver::new();
    let set = ScheduleOrder::Set(Box::new(new("cron", CRON)));
    driver.order(set).expect("nothing to refuse");
    assert_eq!(driver.next("cron"), None, "nobody has said so");
    assert_eq!(driver.queue.next_due(), Some(driver.queue.clock()), "somebody has to");
    driver.tick_to(START + 50, u32::MAX);
    assert!(driver.queue.is_empty());
    let unplanned: Vec<_> = driver.queue.unplanned().map(|it| it.after).collect();
    assert_eq!(unplanned, [UnixMillis(START)], "from when it was set");
    driver.plan();
    driver.go_to(57);
    assert_eq!(driver.schedule("cron").counts().runs, 1);
}

#[test]
fn a_plan_that_does_not_fit_is_refused() {
    let mut driver = Driver::new();
    driver.set(new("every", EVERY));
    let set = ScheduleOrder::Set(Box::new(new("cron", CRON)));
    driver.order(set).expect("nothing to refuse");
    let at = |ms| Some(UnixMillis(START + ms));
    let plan = Plan { schedule: 2, passed: None, next: at(10), then: at(20) };
    let wrong = [
        Plan { schedule: 1, ..plan },
        Plan { schedule: 3, ..plan },
        Plan { next: at(0), ..plan },
        Plan { then: at(10), ..plan },
        Plan { next: None, ..plan },
        Plan { passed: Some((1, UnixMillis(START + 5))), ..plan },
        Plan { passed: Some((0, UnixMillis(START))), ..plan },
    ];
    let before: Digest = driver.queue.digest();
    for plan in wrong {
        let refused = driver.queue.apply(Operation::Plan(plan));
        assert!(matches!(refused, Err(Refusal::Diverged(_))), "{plan:?}: {refused:?}");
        assert_eq!(driver.queue.digest(), before);
    }
    assert_eq!(driver.queue.apply(Operation::Plan(plan)), Ok(Outcome::Configured));
    let again = driver.queue.apply(Operation::Plan(plan));
    assert!(matches!(again, Err(Refusal::Diverged(_))), "it is planned already");
}

#[test]
fn an_expression_that_never_comes_again_is_over_and_keeps_nobody_busy() {
    let mut driver = Driver::new();
    driver.set(new("never", Timing::Cron { expression: b"never", zone: b"" }));
    assert_eq!((driver.next("never"), driver.queue.next_due()), (None, None));
    assert_eq!(reloaded(&driver.queue).digest(), driver.queue.digest());
}

#[test]
fn one_that_was_over_where_its_zone_is_unknown_goes_on_when_it_is_set_or_resumed_elsewhere() {
    let set = || ScheduleOrder::Set(Box::new(new("cron", CRON)));
    for (order, outcome) in [
        (set(), Outcome::Configured),
        (ScheduleOrder::Replace(vec![new("cron", CRON)]), Outcome::Configured),
        (ScheduleOrder::Resume(b"cron"), Outcome::Done(1)),
    ] {
        let mut driver = Driver::new();
        driver.order(set()).expect("nothing to refuse");
        let none = Plan { schedule: 1, passed: None, next: None, then: None };
        driver.queue.apply(Operation::Plan(none)).expect("it is awaited");
        driver.go_to(1_000);
        assert_eq!((driver.next("cron"), driver.queue.next_due()), (None, None));
        assert_eq!(driver.order(order.clone()), Ok(outcome));
        assert_eq!(driver.order(ScheduleOrder::Resume(b"cron")), Ok(Outcome::Done(0)));
        driver.plan();
        assert_eq!(driver.next("cron"), Some(1_007), "after {order:?}");
        assert_eq!(driver.schedule("cron").counts().missed, 0, "it was over until then");
    }
}

#[test]
fn skip_leaves_out_what_comes_while_a_run_is_unfinished() {
    let mut driver = Driver::new();
    driver.set(NewSchedule { overlap: Overlap::Skip, ..new("skip", EVERY) });
    for at in [100, 200, 300] {
        driver.go_to(at);
    }
    assert_eq!(driver.runs(), [100]);
    let held = driver.consume();
    driver.go_to(400);
    driver.ack(&held.receipt);
    driver.go_to(499);
    assert_eq!(driver.runs(), [] as [u64; 0], "it is not made up for");
    driver.go_to(500);
    assert_eq!(driver.runs(), [500]);
    let schedule = driver.schedule("skip");
    assert_eq!(schedule.counts().skipped, 3);
    assert_eq!(past(schedule), [(100, "run", 1), (400, "skipped", 3), (500, "run", 1)]);
}

#[test]
fn queue_makes_up_for_one_as_soon_as_the_run_before_ends() {
    let mut driver = Driver::new();
    driver.set(NewSchedule { overlap: Overlap::Queue, ..new("queue", EVERY) });
    for at in [100, 200, 300] {
        driver.go_to(at);
    }
    assert_eq!(driver.runs(), [100]);
    driver.go_to(333);
    assert_eq!(driver.took(), [100]);
    assert_eq!(driver.runs(), [200], "by the end itself");
    assert_eq!(driver.schedule("queue").counts().skipped, 1);
    assert_eq!(driver.took(), [200]);
    assert_eq!(driver.runs(), [] as [u64; 0], "one at most");
}

#[test]
fn allow_runs_whatever_else_does() {
    let mut driver = Driver::new();
    driver.set(new("allow", EVERY));
    for at in [100, 200, 300] {
        driver.go_to(at);
    }
    assert_eq!(driver.runs(), [100, 200, 300]);
    assert_eq!(driver.schedule("allow").unfinished(), 3);
}

#[test]
fn of_missed_occurrences_none_one_or_all_run() {
    let late = MISSED_AFTER.0 + 350;
    let on_time = late / 100 * 100;
    for timing in [EVERY, Timing::Cron { expression: b"100", zone: b"" }] {
        for (missed, runs, count) in [
            (Missed::None, vec![on_time], late / 100 - 1),
            (Missed::One, vec![on_time], late / 100 - 1),
            (Missed::All, (1..=late / 100).map(|n| n * 100).collect(), 0),
        ] {
            let mut driver = Driver::new();
            driver.set(NewSchedule { missed, ..new("missed", timing) });
            driver.go_to(late);
            assert_eq!(driver.runs(), runs, "{missed:?}, {timing:?}");
            assert_eq!(driver.schedule("missed").counts().missed, count, "{missed:?}, {timing:?}");
            assert_eq!(driver.next("missed"), Some(on_time + 100), "{missed:?}, {timing:?}");
        }
    }
}

#[test]
fn an_occurrence_alone_counts_as_missed_when_it_is_older_than_the_grace() {
    let span = Millis(10 * MISSED_AFTER.0);
    let every = Timing::Every { span, from: None };
    for (late, missed, runs) in [
        (MISSED_AFTER.0, Missed::None, 1),
        (MISSED_AFTER.0 + 1, Missed::None, 0),
        (MISSED_AFTER.0 + 1, Missed::One, 1),
        (MISSED_AFTER.0 + 1, Missed::All, 1),
    ] {
        let mut driver = Driver::new();
        driver.set(NewSchedule { missed, ..new("late", every) });
        driver.go_to(span.0 + late);
        let counts = driver.schedule("late").counts();
        assert_eq!((counts.runs, counts.missed), (runs, 1 - runs), "{missed:?} after {late}");
    }
}

#[test]
fn many_missed_runs_are_made_in_slices() {
    let mut driver = Driver::new();
    driver.set(NewSchedule { missed: Missed::All, ..new("all", EVERY) });
    assert_eq!(driver.tick_to(START + 1_000, 4), 4);
    assert_eq!(driver.runs(), [100, 200, 300, 400]);
    assert_eq!(driver.tick_to(START + 1_000, 100), 6);
    assert_eq!(driver.queue.len(), 10);
}

#[test]
fn a_clock_that_is_set_back_fires_nothing_twice() {
    let mut driver = Driver::new();
    driver.set(new("every", EVERY));
    driver.go_to(250);
    driver.tick_to(START + 120, u32::MAX);
    driver.tick_to(START + 250, u32::MAX);
    assert_eq!(driver.runs(), [200], "once");
    assert_eq!(driver.schedule("every").counts().missed, 1);
}

#[test]
fn a_paused_schedule_misses_nothing_and_goes_on_with_what_comes_next() {
    let cron: Timing<&[u8]> = Timing::Cron { expression: b"100", zone: b"" };
    for timing in [EVERY, cron] {
        let mut driver = Driver::new();
        driver.set(NewSchedule { missed: Missed::All, ..new("p", timing) });
        let pause = |name| ScheduleOrder::Pause(name);
        assert_eq!(driver.order(pause(b"p")), Ok(Outcome::Done(1)));
        assert_eq!(driver.order(pause(b"p")), Ok(Outcome::Done(0)), "it is");
        assert_eq!(driver.order(pause(b"other")), Ok(Outcome::Done(0)));
        driver.go_to(1_050);
        assert_eq!((driver.next("p"), driver.queue.len()), (None, 0));
        assert_eq!(driver.queue.next_due(), None);
        assert_eq!(driver.order(ScheduleOrder::Resume(b"p")), Ok(Outcome::Done(1)));
        assert_eq!(driver.order(ScheduleOrder::Resume(b"p")), Ok(Outcome::Done(0)));
        driver.plan();
        assert_eq!(driver.next("p"), Some(1_100), "{timing:?}");
        driver.go_to(1_100);
        assert_eq!(driver.runs(), [1_100]);
    }
}

#[test]
fn one_that_follows_its_own_end_waits_for_the_end_of_a_pause_as_well() {
    let mut driver = Driver::new();
    driver.set(new("after", AFTER));
    driver.order(ScheduleOrder::Pause(b"after")).expect("nothing to refuse");
    driver.go_to(100);
    assert_eq!(driver.took(), [100], "a run that is there goes on");
    assert!(driver.queue.is_empty(), "and none follows");
    driver.go_to(500);
    driver.order(ScheduleOrder::Resume(b"after")).expect("nothing to refuse");
    assert_eq!(driver.next("after"), Some(600));
}

#[test]
fn a_run_that_the_queue_refuses_is_told_and_stops_nothing() {
    let mut driver = Driver::new();
    driver.set(new("every", EVERY));
    driver.set(new("after", AFTER));
    driver.configure(&[Setting::MaxLen(1)]);
    driver.go_to(100);
    driver.go_to(200);
    assert_eq!(past(driver.schedule("every")), [(200, "full", 2)]);
    driver.configure(&[Setting::MaxLen(0)]);
    driver.pause(Side::In, 0);
    driver.go_to(300);
    assert_eq!(past(driver.schedule("every")), [(200, "full", 2), (300, "paused", 1)]);
    assert_eq!(driver.schedule("every").counts().refused, 3);
    driver.resume();
    driver.go_to(400);
    assert_eq!(driver.runs(), [100, 400]);
}

#[test]
fn a_refused_run_that_would_have_followed_is_tried_again_after_its_wait() {
    let mut driver = Driver::new();
    driver.set(new("after", AFTER));
    driver.go_to(100);
    driver.pause(Side::In, 250);
    assert_eq!(driver.took(), [100]);
    assert_eq!((driver.queue.len(), driver.next("after")), (0, Some(200)));
    driver.go_to(200);
    driver.go_to(300);
    assert_eq!(past(driver.schedule("after")).last(), Some(&(300, "paused", 3)));
    driver.go_to(400);
    assert_eq!(driver.runs(), [400], "due at once");
}

#[test]
fn a_refused_run_is_not_tried_again_beside_one_that_was_brought_back() {
    let mut driver = Driver::new();
    driver.set(new("after", AFTER));
    driver.go_to(100);
    let first = driver.schedule("after").last_job().expect("a job").to_string();
    driver.pause(Side::In, 150);
    driver.bury(&first);
    assert_eq!((driver.schedule("after").unfinished(), driver.next("after")), (0, Some(200)));
    driver.respawn(&[&first], Revival::default());
    assert_eq!((driver.schedule("after").unfinished(), driver.next("after")), (1, None));
    driver.go_to(300);
    assert_eq!(driver.took(), [100], "alone");
    assert_eq!(driver.next("after"), Some(400), "its end brings the next");
}

#[test]
fn a_unique_key_keeps_runs_from_meeting_as_it_does_publishers() {
    let mut driver = Driver::new();
    let mut every = new("every", EVERY);
    let Action::Publish(publish) = job("every").unique("k").action() else { panic!() };
    every.job = publish;
    driver.set(every);
    driver.go_to(100);
    driver.go_to(200);
    assert_eq!(driver.took(), [100]);
    driver.go_to(300);
    assert_eq!(driver.runs(), [300]);
    assert_eq!(past(driver.schedule("every"))[1], (200, "duplicate", 1));
}

#[test]
fn the_same_name_is_changed_in_place() {
    for timing in [EVERY, CRON] {
        let mut driver = Driver::new();
        driver.set(new("s", timing));
        driver.go_to(130);
        let before = driver.next("s");
        driver.took();
        let mut same = NewSchedule { overlap: Overlap::Skip, ..new("s", timing) };
        same.job = Publish::new(Bodies::One(b"other"));
        driver.set(same);
        assert_eq!(driver.next("s"), before, "the timing is the same, and so is what comes next");
        assert_eq!(driver.schedule("s").counts().runs, 1, "and the past");
        assert_eq!(driver.schedule("s").overlap(), Overlap::Skip);
        driver.go_to(230);
        assert_eq!(driver.consume().body, "other");
        let other = Timing::Every { span: Millis(70), from: None };
        driver.set(new("s", other));
        assert_eq!(driver.next("s"), Some(300), "another timing counts from now on");
        assert_eq!(driver.schedule("s").counts().runs, 2);
        assert_eq!(driver.queue.schedules_len(), 1);
    }
}

#[test]
fn the_whole_set_is_replaced_in_one_step_and_what_is_unchanged_goes_on() {
    let mut driver = Driver::new();
    driver.set(new("kept", EVERY));
    driver.set(new("gone", EVERY));
    driver.set(new("changed", EVERY));
    driver.go_to(150);
    let other = Timing::Every { span: Millis(70), from: None };
    let all = vec![new("kept", EVERY), new("changed", other), new("new", AFTER)];
    assert_eq!(driver.order(ScheduleOrder::Replace(all)), Ok(Outcome::Configured));
    let names: Vec<_> = driver.queue.schedules().map(|it| it.name().to_vec()).collect();
    assert_eq!(names, [b"changed".to_vec(), b"kept".to_vec(), b"new".to_vec()]);
    assert_eq!((driver.next("kept"), driver.next("changed")), (Some(200), Some(220)));
    assert_eq!(driver.schedule("kept").counts().runs, 1);
    assert_eq!(driver.runs(), [100, 100, 100], "the jobs of all stay");
    assert_eq!(driver.order(ScheduleOrder::Replace(vec![])), Ok(Outcome::Configured));
    assert_eq!(driver.queue.schedules_len(), 0);
}

#[test]
fn a_schedule_that_is_removed_leaves_its_jobs_and_another_of_the_name_begins_anew() {
    let mut driver = Driver::new();
    driver.set(NewSchedule { overlap: Overlap::Skip, ..new("s", EVERY) });
    driver.go_to(100);
    assert_eq!(driver.order(ScheduleOrder::Delete(b"s")), Ok(Outcome::Done(1)));
    assert_eq!(driver.order(ScheduleOrder::Delete(b"s")), Ok(Outcome::Done(0)));
    assert_eq!((driver.runs(), driver.queue.next_due()), (vec![100], None));
    driver.set(NewSchedule { overlap: Overlap::Skip, ..new("s", EVERY) });
    assert_eq!(driver.schedule("s").unfinished(), 0, "it has none of the other's");
    driver.go_to(200);
    assert_eq!(driver.runs(), [100, 200]);
    let slot = driver.queue.peek(1)[0];
    assert_eq!(&*driver.queue.job(slot).run().expect("still").name, b"s");
}

#[test]
fn a_run_by_hand_does_not_touch_the_grid() {
    let mut driver = Driver::new();
    driver.set(new("s", EVERY));
    driver.go_to(30);
    let run = || ScheduleOrder::Run(b"s");
    assert!(matches!(driver.order(run()), Ok(Outcome::Published(_))));
    assert_eq!((driver.runs(), driver.next("s")), (vec![30], Some(100)));
    let schedule = driver.schedule("s");
    assert_eq!((schedule.previous(), past(schedule)), (None, vec![(30, "by hand", 1)]));
    assert_eq!(driver.order(ScheduleOrder::Run(b"x")), Err(Refusal::NoSuchSchedule));
    driver.pause(Side::In, 0);
    assert_eq!(driver.order(run()), Err(Refusal::Paused));
}

#[test]
fn one_that_follows_its_own_end_is_not_run_by_hand_beside_itself() {
    let mut driver = Driver::new();
    driver.set(new("after", AFTER));
    let run = || ScheduleOrder::Run(b"after");
    driver.go_to(30);
    assert!(matches!(driver.order(run()), Ok(Outcome::Published(_))));
    assert_eq!(driver.queue.len_of(StateKind::Ready), 1, "the one that waits comes now");
    assert_eq!(driver.order(run()), Err(Refusal::RunUnfinished));
    assert_eq!(driver.queue.len(), 1);
    driver.took();
    driver.go_to(130);
    driver.pause(Side::In, 50);
    driver.took();
    driver.go_to(170);
    assert_eq!(driver.next("after"), Some(230), "to be tried again");
    driver.go_to(190);
    assert!(matches!(driver.order(run()), Ok(Outcome::Published(_))));
    driver.go_to(1_000);
    assert_eq!(driver.runs(), [190], "it stands for the other");
}

#[test]
fn the_run_that_waits_of_one_that_follows_its_own_end_is_as_the_schedule_is() {
    let mut driver = Driver::new();
    driver.set(new("after", AFTER));
    let waits = |driver: &Driver| driver.schedule("after").last_job().expect("it waits");
    let first = waits(&driver);
    driver.go_to(30);
    driver.set(new("after", AFTER));
    assert_eq!((waits(&driver), driver.next("after")), (first, Some(100)), "nothing has changed");

    driver.set(new("after", Timing::After(Millis(500))));
    assert_eq!((driver.queue.len(), driver.next("after")), (1, Some(530)));
    let mut other = new("after", Timing::After(Millis(500)));
    other.job = Publish::new(Bodies::One(b"other"));
    driver.set(other);
    let slot = driver.queue.find_id(&waits(&driver).to_string()).expect("it is there");
    assert_eq!(&*driver.queue.job(slot).body, b"other");

    driver.set(new("after", EVERY));
    assert_eq!(driver.queue.len(), 0, "it comes by the grid now");
    driver.set(new("after", AFTER));
    assert_eq!(driver.queue.len(), 1);
    driver.order(ScheduleOrder::Delete(b"after")).expect("nothing to refuse");
    assert_eq!(driver.queue.len(), 0, "nobody asks for it any more");
}

#[test]
fn a_run_that_was_taken_outlives_its_schedule() {
    let mut driver = Driver::new();
    driver.set(new("after", AFTER));
    driver.go_to(100);
    let receipt = driver.consume().receipt;
    driver.set(new("after", Timing::After(Millis(500))));
    driver.order(ScheduleOrder::Replace(vec![])).expect("nothing to refuse");
    assert_eq!(driver.queue.len(), 1);
    assert_eq!(driver.ack(&receipt), 1);
}

#[test]
fn a_run_has_what_its_publisher_said() {
    let mut driver = Driver::new();
    let draft = job("body").delay(50).ttr(7).tries(3).group("g").priority(-3).job_type("t");
    let draft = draft.headers(&[(b"a", b"1")]).uses("l", 2).mutex("m").when("gate");
    let Action::Publish(publish) = draft.action() else { panic!() };
    let mut every = new("s", EVERY);
    every.job = publish;
    driver.set(every);
    driver.go_to(100);
    let id = driver.schedule("s").last_job().expect("a job").to_string();
    assert_eq!(driver.state(&id), Some(StateKind::Delayed));
    driver.go_to(150);
    assert_eq!(driver.state(&id), Some(StateKind::Held));
    driver.open(&["gate"]);
    driver.pass(0);
    let job = driver.job(&id);
    let terms = driver.queue.terms_of(job);
    assert_eq!((terms.ttr, terms.tries, terms.priority), (Millis(7), 3, -3));
    assert_eq!((&*terms.group, &*terms.job_type), (&b"g"[..], &b"t"[..]));
    assert_eq!(job.headers().collect::<Vec<_>>(), [(&b"a"[..], &b"1"[..])]);
    assert_eq!(jobq_engine::uses::iter(&terms.uses).count(), 2);
}

#[test]
fn what_no_queue_would_take_is_refused_when_it_is_set() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::MaxBody(3)]);
    let set = |new| ScheduleOrder::Set(Box::new(new));
    let refused = driver.order(set(new("long", EVERY)));
    assert_eq!(refused, Err(Refusal::TooBig { bytes: 4, max: 3 }));
    let mut short_lived = new("s", EVERY);
    short_lived.job.due = Due::In(Millis(10));
    short_lived.job.wishes.ttl = Some(Millis(9));
    assert_eq!(driver.order(set(short_lived)), Err(Refusal::ExpiresBeforeDue));
    let body = vec![b'x'; 1 << 20];
    driver.configure(&[Setting::MaxBody(0)]);
    let names: Vec<_> = (0..64).map(|n| format!("s{n}")).collect();
    let large = |name| NewSchedule { job: Publish::new(Bodies::One(&body)), ..new(name, EVERY) };
    let all = names.iter().map(|name| large(name)).collect();
    assert_eq!(driver.order(ScheduleOrder::Replace(all)), Err(Refusal::TooManySchedules));
    for name in &names[..63] {
        driver.set(large(name));
    }
    assert_eq!(driver.order(set(large("s63"))), Err(Refusal::TooManySchedules));
    driver.set(large("s62"));
}

#[test]
fn as_much_is_taken_all_at_once_as_one_by_one_and_again_after_many_runs() {
    let mut driver = Driver::new();
    let body = vec![b'x'; 1 << 20];
    let names: Vec<_> = (0..64).map(|n| format!("s{n}")).collect();
    let cron: Timing<&[u8]> = Timing::Cron { expression: &[b'7'; 200], zone: &[b'z'; 200] };
    let of = |n: usize, len: usize| NewSchedule {
        job: Publish::new(Bodies::One(&body[..len])),
        ..new(&names[n], if n == 0 { EVERY } else { cron })
    };
    let set = |n, len| Action::Schedule(ScheduleOrder::Set(Box::new(of(n, len))));
    let replace = |last: Option<usize>| {
        let all = (0..63).map(|n| of(n, 1 << 20)).chain(last.map(|len| of(63, len)));
        Action::Schedule(ScheduleOrder::Replace(all.collect()))
    };
    driver.queue.act(&replace(None)).expect("they fit");
    let sizes: Vec<_> = (0..1 << 20).step_by(64).collect();
    let fit = sizes.partition_point(|len| driver.queue.check(&set(63, *len)).is_ok());
    let (most, too_much) = (sizes[fit - 1], sizes[fit]);
    driver.queue.act(&set(63, most)).expect("it fits");
    for n in 1..=40 {
        driver.tick_to(START + 100 * n, u32::MAX);
    }
    assert_eq!(driver.schedule("s0").history().len(), 32);
    assert_eq!(driver.queue.check(&set(0, 1 << 20)), Ok(()), "its past was counted");
    assert_eq!(driver.queue.check(&replace(Some(most))), Ok(()));
    for refused in [set(63, too_much), replace(Some(too_much))] {
        assert_eq!(driver.queue.check(&refused), Err(Refusal::TooManySchedules));
    }
}

#[test]
fn of_schedules_due_together_the_one_set_first_comes_first() {
    let mut driver = Driver::new();
    for name in ["b", "a", "c"] {
        driver.set(new(name, EVERY));
    }
    driver.go_to(100);
    assert_eq!(driver.line(), ["b", "a", "c"]);
}

#[test]
fn the_past_is_kept_as_long_as_it_is_short() {
    let mut driver = Driver::new();
    driver.set(new("s", EVERY));
    for n in 1..=40 {
        driver.go_to(n * 100);
        driver.took();
    }
    let past = past(driver.schedule("s"));
    assert_eq!((past.len(), past[0].0, past[31].0), (32, 900, 4_000));
}

#[test]
fn a_queue_with_a_schedule_is_not_idle() {
    let mut driver = Driver::new();
    driver.configure(&[Setting::IdleExpire(Millis(50))]);
    driver.set(new("s", EVERY));
    assert_eq!(driver.queue.idle_ends(), None);
    driver.order(ScheduleOrder::Delete(b"s")).expect("it is there");
    assert!(driver.queue.idle_ends().is_some());
}

#[test]
fn a_reloaded_queue_goes_on_where_it_was() {
    let mut driver = Driver::new();
    driver.set(NewSchedule { overlap: Overlap::Queue, ..new("every", EVERY) });
    driver.set(NewSchedule { missed: Missed::All, ..new("cron", CRON) });
    driver.set(new("after", AFTER));
    driver.order(ScheduleOrder::Run(b"every")).expect("nothing to refuse");
    for at in (0..1_000).step_by(37) {
        driver.go_to(at);
        if at % 2 == 0 {
            let ready = driver.queue.peek(1).len();
            (0..ready).for_each(|_| {
                let receipt = driver.consume().receipt;
                driver.ack(&receipt);
            });
        }
        let again: Queue = reloaded(&driver.queue);
        assert_eq!(again.digest(), driver.queue.digest());
        again.check_invariants().expect("sound");
        driver.queue = again;
    }
    assert!(driver.schedule("cron").counts().runs > 100);
    assert!(driver.find(named("nothing").id()).is_none());
    let after = driver.schedule("after").last_job().expect("a job").to_string();
    assert_eq!(driver.settle(&[&after], BURY), 1);
    assert_eq!(driver.schedule("after").unfinished(), 1);
}
