//! Argument vectors of every command, made up from the command table or of any bytes. What is
//! understood is done to a queue, as the module does it; what is not is refused in one printable
//! line.

use jobq_engine::{
    Action, Child, Cursor, Follow, Holder, JobId, Listing, Loader, Millis, Operation, ParentEnd,
    Plan, Queue, Refusal, Request, StateKind, Time, Told, Ulid, UnixMillis, TRAIL_MAX,
};
use jobq_protocol::{
    cursor::EDGE,
    find, parse,
    steps::{unpack, FollowStep, LeaseStep, Packed, PlanStep, Step, ToldStep},
    Arg, BadArguments, Call, Command, CommandId, ErrorWord, Kind, Since, StatsView, COMMANDS,
    SETTINGS,
};

use crate::{
    source::Source,
    twins::{reloaded, Twins},
};

const LINES_MAX: usize = 32;

/// Beyond this many jobs, publishing is refused.
const JOBS_MAX: u64 = 40;

/// About when.
const START: u64 = 1_763_700_000_000;

/// Due transitions that come before each command.
const BUDGET: u32 = 128;

type Argv = Vec<Vec<u8>>;

/// Commands of one queue.
pub fn arguments(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut twins = Twins::new(1);
    let limit = jobq_engine::Setting::MaxLen(JOBS_MAX);
    twins.ask(Action::Configure(vec![limit])).expect("a setting is never refused");
    let mut now = UnixMillis(START);
    for _ in 0..LINES_MAX {
        if source.is_empty() {
            return;
        }
        now = now.after(Millis(source.byte().into())).max(twins.queue().clock());
        let command = &COMMANDS[source.below(COMMANDS.len())];
        let argv = line(command, &mut source, &twins);
        let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        twins.apply(Operation::Tick { now, budget: BUDGET }).expect("a tick is never refused");
        say(&mut twins, command, &argv);
    }
}

/// Parses a command and does what it says.
fn say(twins: &mut Twins, command: &Command, argv: &[&[u8]]) {
    let parsed = parse(command, argv);
    let again = parse(command, argv);
    assert_eq!(format!("{parsed:?}"), format!("{again:?}"), "it is read as it was");
    let refusal = match parsed.map(|call| act(twins, call)) {
        Ok(Ok(())) => return,
        Ok(Err(refusal)) => refusal,
        Err(bad) => return check_line(&bad),
    };
    let (word, prose) = ErrorWord::of(&refusal);
    // A record answers as the command in it would.
    let within = argv.get(3).filter(|_| command.id == CommandId::Apply);
    let within = within.and_then(|name| find(name));
    let is_told = word.is_common()
        || std::iter::once(command)
            .chain(within)
            .any(|command| command.errors.iter().any(|(known, _)| *known == word));
    assert!(is_told, "{} does not say that it answers {}", command.name, word.word());
    assert!(is_printable(&prose), "{prose:?}");
}

fn check_line(bad: &BadArguments) {
    let line = bad.to_string();
    assert!(matches!(bad.word, ErrorWord::Syntax | ErrorWord::Range), "{line}");
    assert!(line.starts_with(bad.word.word()), "{line}");
    assert!(is_printable(&line), "{line:?}");
    assert!(line.len() < 1024, "{line}");
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|c| (b' '..=b'~').contains(&c))
}

fn act(twins: &mut Twins, call: Call<'_>) -> Result<(), Refusal> {
    let action = match call {
        Call::Act(action) | Call::TouchAs { action, .. } => action,
        // It has no room if it is refused, and there is nobody who could make any.
        Call::PublishOrWait { publish, .. } | Call::PublishAndWait { publish, .. } => {
            Action::Publish(publish)
        }
        // There is one queue.
        Call::Chain { done, next, .. } => Action::Chain { done, publish: next },
        Call::Notices { count, ttr, .. } => Action::TakeNotices { count, ttr },
        Call::Consume(call) => {
            let share = call.weights.len();
            assert!(share == 0 || share == call.queues.len(), "a weight for each queue");
            let gather = call.gather.filter(|gather| gather.min <= call.consume.count);
            assert_eq!(gather, call.gather, "nobody waits for more than it takes");
            let enough = call.gather.map_or(1, |gather| gather.min as usize);
            assert_eq!(
                twins.queue().hands_out_at_least(enough),
                twins.queue().peek(call.consume.count as usize).len() >= enough
            );
            let request = Request::Consume(call.consume);
            check_record(twins, request.clone());
            return twins.ask(request).map(drop);
        }
        Call::Apply { steps, mut asked, .. } => {
            for step in &steps {
                let operation = step.operation(twins.queue(), &mut asked)?;
                twins.apply(operation)?;
            }
            return Ok(());
        }
        Call::Load { frame } => {
            if let Ok(queue) = Loader::new(frame).and_then(Loader::finish) {
                queue.check_invariants().unwrap_or_else(|broken| panic!("{broken}"));
                drop(reloaded(&queue));
            }
            return Ok(());
        }
        reading => {
            read(twins, reading);
            return Ok(());
        }
    };
    let is_setting = matches!(action, Action::Configure(_));
    twins.ask(action)?;
    if is_setting {
        check_settings(twins);
    }
    Ok(())
}

/// What does not change a queue.
fn read(twins: &Twins, call: Call<'_>) {
    let queue = twins.queue();
    match call {
        Call::Peek { count } => assert!(queue.peek(count as usize).len() <= count as usize),
        Call::Job(job) | Call::Result { job, .. } => {
            if let Some(slot) = queue.find(&job) {
                let id = queue.job(slot).id().to_string();
                assert!(id.eq_ignore_ascii_case(job.id()), "{id} for {}", job.id());
            }
        }
        Call::List(listing) => {
            let page = queue.list(&listing);
            assert!(page.jobs.len() <= listing.count);
            if let Some(cursor) = page.next {
                assert_eq!(Cursor::parse(cursor.to_string().as_bytes()), Some(cursor));
            }
        }
        Call::ConfigGet(_) => check_settings(twins),
        Call::Trace(job) => {
            if let Some(slot) = queue.find(&job) {
                let steps = queue.job(slot).trail();
                assert!(steps.count() <= usize::from(TRAIL_MAX));
            }
        }
        Call::Events(call) => {
            let after = match call.since {
                Since::Oldest => 0,
                Since::Number(number) => number,
                Since::Now => queue.events_made(),
            };
            let mut last = after;
            for event in queue.events_after(after) {
                assert!(event.number > last);
                last = event.number;
            }
        }
        Call::Limits => drop(twins.queue().limits_set()),
        Call::Stats(view) => look_at_numbers(queue, view),
        Call::Schedule(name) => {
            if let Some(schedule) = queue.schedule(name) {
                assert_eq!(schedule.name(), name);
            }
        }
        Call::Schedules => assert_eq!(queue.schedules().count(), queue.schedules_len()),
        Call::Len(_)
        | Call::Gates
        | Call::Batches
        | Call::Digest
        | Call::Queues { .. }
        | Call::Workers { .. }
        | Call::Worker(_)
        | Call::Debug(_) => {}
        changing => panic!("{changing:?} is not for reading"),
    }
}

/// What is told of the past agrees with itself.
fn look_at_numbers(queue: &Queue, view: StatsView<'_>) {
    let now = queue.clock();
    match view {
        StatsView::Queue => {}
        StatsView::Times { .. } => {
            for time in Time::ALL {
                let told = queue.times().of(time);
                assert_eq!(told.buckets().map(|(_, count)| count).sum::<u64>(), told.count());
            }
        }
        StatsView::Type { name, .. } => {
            let found = queue.types().get(name);
            assert!(found.is_none_or(|found| found.name() == Some(name)));
        }
        StatsView::Types { .. } => {
            let published = queue.types().iter().map(|of_type| of_type.counts.published);
            assert!(published.sum::<u64>() <= queue.counters().published);
        }
        StatsView::History { grain, .. } => {
            assert!(queue.history(grain, now).len() <= grain.rows() as usize);
        }
        StatsView::Due => {
            for state in [StateKind::Delayed, StateKind::Leased] {
                let due: u64 = queue.due_by(state, now).iter().sum();
                assert_eq!(due, queue.len_of(state) as u64);
            }
        }
    }
}

/// Each setting is read as it is written.
fn check_settings(twins: &Twins) {
    let mut config = twins.queue().config().clone();
    for spec in SETTINGS {
        let text = spec.read(&config);
        let setting = spec.parse(text.as_bytes()).unwrap_or_else(|bad| panic!("{bad}"));
        config.set(&setting);
    }
    assert_eq!(&config, twins.queue().config());
}

/// A lease in the log says to a replica what was decided.
fn check_record(twins: &Twins, request: Request<'_>) {
    let queue = twins.queue();
    let Ok(Some(Operation::Lease(lease))) = queue.choose(request) else { return };
    let ids = lease.jobs.iter().map(|&slot| queue.job(slot).id());
    let mut packed = Packed::default();
    packed.push(&Step::Lease(LeaseStep::new(&lease.holder, ids)));
    let steps = unpack(packed.as_bytes()).unwrap_or_else(|bad| panic!("{bad}"));
    let recorded = steps[0].operation(queue, &mut None);
    match recorded {
        Ok(Operation::Lease(recorded)) => {
            assert_eq!(recorded.holder, lease.holder);
            assert_eq!(recorded.jobs, lease.jobs);
        }
        other => panic!("{other:?} is not what was recorded"),
    }
}

/// A command with its arguments: any bytes, or what the table permits and perhaps a little else.
fn line(command: &Command, source: &mut Source<'_>, twins: &Twins) -> Argv {
    let mut argv = vec![command.name.as_bytes().to_vec()];
    if source.one_in(4) {
        argv.extend((0..source.below(12)).map(|_| source.bytes(64).to_vec()));
        return argv;
    }
    let mut words = Vec::new();
    collect_words(command.args, &mut words);
    let mut drawing = Drawing { source, twins, words };
    drawing.draw(command.args, &mut argv);
    if !drawing.source.one_in(8) {
        drawing.reconcile(command, &mut argv);
    }
    for _ in 0..drawing.source.pick(&[0, 0, 0, 1, 2]) {
        drawing.damage(&mut argv);
    }
    argv
}

fn collect_words(args: &[Arg], words: &mut Vec<&'static str>) {
    for arg in args {
        words.extend(arg.token);
        collect_words(arg.subargs, words);
    }
}

/// Arguments as the table has them.
struct Drawing<'s, 'b, 't> {
    source: &'s mut Source<'b>,
    twins: &'t Twins,
    words: Vec<&'static str>,
}

impl Drawing<'_, '_, '_> {
    fn draw(&mut self, args: &[Arg], argv: &mut Argv) {
        for arg in args {
            if arg.optional && !self.source.one_in(3) {
                continue;
            }
            let times = if arg.multiple { 1 + self.source.below(3) } else { 1 };
            for n in 0..times {
                if n == 0 || arg.multiple_token {
                    argv.extend(arg.token.map(|word| self.in_some_case(word)));
                }
                self.value(arg, n, argv);
            }
        }
    }

    fn in_some_case(&mut self, word: &str) -> Vec<u8> {
        if self.source.one_in(8) {
            word.to_ascii_lowercase().into()
        } else {
            word.into()
        }
    }

    fn value(&mut self, arg: &Arg, n: usize, argv: &mut Argv) {
        match (arg.kind, arg.name) {
            (Kind::PureToken, _) => {}
            (Kind::OneOf, _) => {
                let chosen = self.source.below(arg.subargs.len());
                self.draw(&arg.subargs[chosen..=chosen], argv);
            }
            (Kind::Block, "set") => {
                let spec = &SETTINGS[self.source.below(SETTINGS.len())];
                argv.push(spec.name.into());
                argv.push(match spec.range {
                    Some(range) if !self.source.one_in(8) => self.integer(range.min, range.max),
                    _ => self.text("backoff"),
                });
            }
            (Kind::Block, _) => self.draw(arg.subargs, argv),
            (Kind::Integer | Kind::UnixTime, _) => {
                let range = arg.range.map_or((0, 0), |range| (range.min, range.max));
                argv.push(self.integer(range.0, range.1));
            }
            (Kind::Key(_), _) => argv.push(format!("q{n}").into()),
            (Kind::String, name) => argv.push(self.text(name)),
        }
    }

    fn integer(&mut self, min: i128, max: i128) -> Vec<u8> {
        let now = i128::from(self.twins.queue().clock().0);
        let near = i128::from(self.source.byte());
        let value = match self.source.byte() {
            0..160 => min.saturating_add(near),
            160..200 => min,
            200..220 => now - 128 + near,
            220..235 => max,
            235..240 => min - 1,
            240..245 => max + 1,
            _ => self.source.number().into(),
        };
        value.to_string().into()
    }

    fn text(&mut self, name: &str) -> Vec<u8> {
        match name {
            "parent" if self.source.one_in(4) => {
                [self.source.pick(&[&b"q0/"[..], b"a/b/", b"/", b"o/"]), &self.job()].concat()
            }
            "id" | "replaces" | "parent" | "lapsed" | "due" => self.job(),
            "backoff" | "retain" => {
                let words = ["forever", "exp:1:20", "fixed:7", "none", "poly", "drop", "dead"];
                let more =
                    ["0", "50", "ready", "backoff", "exp:3155760000000:1", "fixed:", "exp::"];
                let answers = ["yes", "no"];
                let all: Vec<_> = words.into_iter().chain(more).chain(answers).collect();
                self.source.pick(&all).into()
            }
            "name" | "got" | "paused" | "resumed" | "run" if !self.source.one_in(4) => {
                self.source.pick(&["a", "b", "c"]).into()
            }
            "expression" => self.source.pick(&["7", "@daily", "@every 5s", "* * * * *"]).into(),
            "gates" => self.source.pick(&["a", "b", "a|b", "c|a|b", "a||b"]).into(),
            "cursor" => self.cursor(),
            // Few, so that they meet.
            "key" => self.source.pick(&["a", "A", "FOR"]).into(),
            "steps" => self.steps(),
            "open" | "close" => self.source.pick(&["a", "b", "c", "a|b"]).into(),
            "name" if self.source.one_in(4) => {
                SETTINGS[self.source.below(SETTINGS.len())].name.into()
            }
            _ => self.source.bytes(24).into(),
        }
    }

    fn job(&mut self) -> Vec<u8> {
        let names = self.twins.names();
        match self.source.byte() {
            last @ 0..208 if !names.is_empty() => {
                names[names.len() - 1 - usize::from(last) % names.len()].clone().into()
            }
            0..250 => self.source.pick(&["a", "A", "mail:42", "a@1", "COUNT", "id"]).into(),
            _ => self.source.bytes(70).into(),
        }
    }

    /// Steps that a primary might have packed.
    fn steps(&mut self) -> Vec<u8> {
        let mut packed = Packed::default();
        let job = self.job();
        let job = match Ulid::parse(&job) {
            Some(ulid) => Ok(JobId::Made(ulid)),
            None => std::str::from_utf8(&job).map(JobId::Given),
        };
        for _ in 0..self.source.below(4) {
            let id = job.unwrap_or(JobId::Given("a"));
            let step = match self.source.below(10) {
                0 => Step::Create { seed: self.source.number() },
                1 => Step::Tick { now: START + self.source.number() % 1000, budget: BUDGET },
                2 => Step::Term { seed: 1, tokens: self.source.number() >> 2 },
                3 => Step::Command,
                5 => Step::CommandAfter { unfinished: vec![self.source.below(3) as u32] },
                6 => {
                    let (children, parents) = (vec![self.child(id)], vec![(id, 1)]);
                    Step::Follow(FollowStep::new(&Follow { queue: b"o", children, parents }))
                }
                7 => {
                    let (at, how) =
                        (self.source.below(3) as u32, self.source.pick(&ParentEnd::ALL));
                    Step::Told(ToldStep::new(&Told { child: self.child(id), at, how }))
                }
                8 => Step::Delivered { effects: self.source.number() },
                9 => {
                    let at = |near: u8| Some(UnixMillis(START + u64::from(near)));
                    let (next, then) = (at(self.source.byte()), at(self.source.byte()));
                    let schedule = self.source.below(4) as u64;
                    Step::Plan(PlanStep::new(&Plan { schedule, passed: None, next, then }))
                }
                _ => {
                    let holder = Holder { worker: &b"w"[..], ttr: Millis(5), counted: true };
                    Step::Lease(LeaseStep::new(&holder, job.into_iter()))
                }
            };
            packed.push(&step);
        }
        packed.as_bytes().to_vec()
    }

    /// The job of this id as another queue knows it, or would.
    fn child<'a>(&mut self, id: JobId<'a>) -> Child<'a> {
        let queue = self.twins.queue();
        let found = queue.locate(id).map(|slot| queue.job(slot).ulid);
        match id {
            JobId::Made(ulid) => Child { ulid, given: None },
            JobId::Given(text) => Child { ulid: found.unwrap_or(Ulid::ZERO), given: Some(text) },
        }
    }

    /// A record with a command in it.
    fn with_command(&mut self, argv: &mut Argv) {
        let command = &COMMANDS[self.source.below(COMMANDS.len())];
        if command.id == CommandId::Apply {
            return;
        }
        let mut packed = Packed::default();
        if self.source.one_in(2) {
            packed.push(&Step::Tick { now: START + self.source.number() % 1000, budget: BUDGET });
        }
        packed.push(&match self.source.below(4) {
            0 => Step::CommandAfter { unfinished: vec![0] },
            _ => Step::Command,
        });
        argv.truncate(2);
        argv.push(packed.as_bytes().to_vec());
        let mut asked = vec![command.name.into()];
        self.draw(command.args, &mut asked);
        self.reconcile(command, &mut asked);
        argv.append(&mut asked);
    }

    /// Where a page of this queue ends, or something like it.
    fn cursor(&mut self) -> Vec<u8> {
        let listing = Listing {
            reverse: self.source.one_in(2),
            ..Listing::of(self.source.pick(&StateKind::ALL), 1 + self.source.below(3))
        };
        let next = self.twins.queue().list(&listing).next;
        let mut cursor = next.map_or(EDGE.to_vec(), |next| next.to_string().into());
        if self.source.one_in(4) {
            let at = self.source.below(cursor.len());
            cursor[at] = self.source.pick(b"0-9>");
        }
        cursor
    }

    /// Has a record hold a command, and numbers that announce others announce as many as follow.
    fn reconcile(&mut self, command: &Command, argv: &mut Argv) {
        if command.id == CommandId::Apply && self.source.one_in(2) {
            return self.with_command(argv);
        }
        let place = |argv: &Argv, word: &str| {
            argv.iter().position(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
        };
        if let Some(at) = place(argv, "HEADERS").filter(|at| at + 1 < argv.len()) {
            let pairs = 1 + self.source.below(2);
            argv.truncate(at + 1);
            argv.push(pairs.to_string().into());
            for n in 0..pairs {
                argv.extend([vec![b'a' + n as u8], self.source.bytes(9).into()]);
            }
        }
        if command.id == CommandId::Schedule {
            return self.reconcile_schedule(argv);
        }
        if let Some(at) = place(argv, "AFTER").filter(|at| at + 1 < argv.len()) {
            let parents = 1 + self.source.below(2);
            argv.truncate(at + 1);
            argv.push(parents.to_string().into());
            for _ in 0..parents {
                let mut job = self.job();
                job.truncate(job.iter().position(|c| *c == b'@').unwrap_or(job.len()));
                if self.source.one_in(4) {
                    job = [&b"other/"[..], &job].concat();
                }
                argv.push(job);
            }
            if self.source.one_in(2) {
                argv.push(b"IFDEAD".to_vec());
                argv.push(self.source.pick(&["HOLD", "RUN", "BURY"]).into());
            }
        }
        if command.id == CommandId::MPublish && argv.len() > 3 {
            let is_word = |arg: &&Vec<u8>| {
                self.words.iter().any(|word| arg.eq_ignore_ascii_case(word.as_bytes()))
            };
            let end = argv[3..].iter().position(|arg| is_word(&arg)).unwrap_or(argv.len() - 3);
            argv[2] = end.to_string().into();
        }
        if let Some(at) = place(argv, "MIN").filter(|at| at + 1 < argv.len()) {
            argv[at + 1] = b"1".into();
            if place(argv, "BLOCK").is_none() && argv.len() > 2 {
                argv.splice(2..2, [b"BLOCK".to_vec(), b"0".to_vec()]);
            }
        }
        if let Some(at) = place(argv, "WEIGHTS").filter(|at| at + 1 < argv.len()) {
            let queues = place(argv, "ALSO").map_or(1, |also| argv.len() - also);
            argv[at + 1] = vec!["7"; queues].join(",").into();
        }
    }

    /// Has runs that follow each other have no policy for those that meet, and a set be as long as it
    /// says.
    fn reconcile_schedule(&mut self, argv: &mut Argv) {
        let place = |argv: &Argv, word: &str| {
            argv.iter().position(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
        };
        if place(argv, "AFTER").is_some() {
            for word in ["OVERLAP", "MISSED"] {
                if let Some(at) = place(argv, word) {
                    argv.drain(at..argv.len().min(at + 2));
                }
            }
        }
        if let Some(at) = place(argv, "REPLACE").filter(|at| at + 1 < argv.len()) {
            let schedules = self.source.below(3);
            argv.truncate(at + 1);
            argv.push(schedules.to_string().into());
            for n in 0..schedules {
                let span = self.integer(1, 3_155_760_000_000);
                let word = self.source.pick(&["EVERY", "AFTER"]).into();
                argv.extend([b"4".to_vec(), vec![b'a' + n as u8], b"body".to_vec(), word, span]);
            }
        }
    }

    fn damage(&mut self, argv: &mut Argv) {
        let (at, from) = (self.source.below(argv.len()), self.source.below(argv.len()));
        match self.source.below(5) {
            0 => drop(argv.remove(at)),
            1 => argv.swap(at, from),
            2 => argv.insert(at, argv[from].clone()),
            3 => argv.insert(at, self.anything()),
            _ => argv[at] = self.anything(),
        }
        if argv.is_empty() {
            argv.push(Vec::new());
        }
    }

    fn anything(&mut self) -> Vec<u8> {
        match self.source.below(4) {
            0 => self.source.bytes(64).into(),
            1 => self.integer(0, i64::MAX.into()),
            2 => self.job(),
            _ if self.words.is_empty() => Vec::new(),
            _ => {
                let word = self.source.pick(&self.words);
                self.in_some_case(word)
            }
        }
    }
}
