//! Argument vectors by a simple generator: some at random, some drawn from the table.

use super::packed;
use crate::{
    error::BadArguments,
    parse,
    settings::SETTINGS,
    steps::Step,
    syntax::{Arg, Kind},
    table::COMMANDS,
};

const ROUNDS: u64 = 2_000;

/// An xorshift generator, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Draws a vector that the table permits.
fn draw(args: &[Arg], dice: &mut Dice, argv: &mut Vec<Vec<u8>>) {
    for arg in args {
        if arg.optional && dice.one_in(2) {
            continue;
        }
        let times = if arg.multiple { 1 + dice.below(3) } else { 1 };
        for n in 0..times {
            if n == 0 || arg.multiple_token {
                argv.extend(arg.token.map(Vec::from));
            }
            draw_value(arg, n, dice, argv);
        }
    }
}

fn draw_value(arg: &Arg, n: usize, dice: &mut Dice, argv: &mut Vec<Vec<u8>>) {
    match (arg.kind, arg.name) {
        (Kind::PureToken, _) => {}
        (Kind::OneOf, _) => {
            let chosen = dice.below(arg.subargs.len());
            draw(&arg.subargs[chosen..=chosen], dice, argv);
        }
        // Settings are not in the tree: a name decides what its value may be.
        (Kind::Block, "set") => {
            let spec = &SETTINGS[n];
            argv.extend([spec.name.into(), spec.default.into()]);
        }
        // As many as are announced, no two of the same name.
        (Kind::Block, "headers" | "labels") => {
            let pairs = 1 + dice.below(3);
            argv.extend([arg.name.to_uppercase().into(), pairs.to_string().into()]);
            for n in 0..pairs {
                argv.extend([format!("header-{n}").into(), b"any \x00 bytes".into()]);
            }
        }
        // As many as are announced.
        (Kind::Block, "after") => {
            let jobs = 1 + dice.below(3);
            argv.extend([b"AFTER".into(), jobs.to_string().into()]);
            let other = ["", "other/", "a/b/"][dice.below(3)];
            argv.extend((0..jobs).map(|n| format!("{other}parent-{n}").into()));
            draw(&arg.subargs[2..], dice, argv);
        }
        // As many as are announced, no two of the same name.
        (Kind::Block, "replacement") => {
            let schedules = dice.below(3);
            argv.extend([b"REPLACE".into(), schedules.to_string().into()]);
            for n in 0..schedules {
                let name = format!("schedule-{n}").into();
                argv.extend([b"4".into(), name, b"any body".into(), b"AFTER".into(), b"7".into()]);
            }
        }
        (Kind::String, "expression") => argv.push(b"*/5 * * * *".into()),
        (Kind::String, "zone") => argv.push(b"Europe/Berlin".into()),
        // No two of the same name.
        (Kind::Block, "uses") => argv.extend([format!("limit-{n}").into(), b"7".into()]),
        (Kind::Block, _) => draw(arg.subargs, dice, argv),
        (Kind::Integer | Kind::UnixTime, _) => {
            let range = arg.range.expect("an integer has a range");
            let value = if dice.one_in(2) { range.min } else { range.max };
            argv.push(value.to_string().into());
        }
        (Kind::Key(_), name) => argv.push(format!("{name}-{n}").into()),
        (Kind::String, "receipt") => argv.push(b"job-0@7".into()),
        (Kind::String, "id" | "replaces" | "lapsed" | "due") => {
            argv.push(format!("job-{n}").into())
        }
        (Kind::String, "backoff") => argv.push("exp:1:2".into()),
        (Kind::String, "cursor") => argv.push(b"0".into()),
        (Kind::String, "retain") => {
            argv.push(if dice.one_in(2) { b"5".into() } else { b"forever".into() })
        }
        // Those of a publish: words with their values.
        (Kind::String, "option") => {
            let option = [["TTL", "5"], ["TYPE", "mail"], ["DELAY", "0"]][n];
            argv.extend(option.map(Vec::from));
        }
        (Kind::String, "steps") => argv.push(packed(&[Step::Tick { now: 5, budget: 1 }])),
        (Kind::String, "name") => argv.push(SETTINGS[n].name.into()),
        (Kind::String, _) => argv.push(b"any \x00 bytes".into()),
    }
}

/// Makes what could not be drawn independently agree.
fn reconcile(argv: &mut Vec<Vec<u8>>) {
    let at = |argv: &[Vec<u8>], word: &str| argv.iter().position(|arg| arg == word.as_bytes());
    if argv[0] == b"JQ.MPUBLISH" {
        // The number of bodies: up to the first word.
        let bodies = argv[3..].iter().take_while(|body| body.starts_with(b"any")).count();
        argv[2] = bodies.to_string().into();
    }
    if let Some(then) = at(argv, "THEN") {
        // One id has a successor.
        argv.drain(3..then);
    }
    if argv[0] == b"JQ.UPDATE" && (argv.len() == 3 || argv[3] == b"IFVERSION") {
        argv.extend([b"TTL".into(), b"0".into()]);
    }
    if argv[0] == b"JQ.SCHEDULE" && at(argv, "AFTER").is_some() {
        // These are for runs that might meet.
        for word in ["OVERLAP", "MISSED"] {
            if let Some(place) = at(argv, word) {
                argv.drain(place..place + 2);
            }
        }
    }
    if argv[0] == b"JQ.APPLY" && argv.len() > 3 {
        argv[2] = packed(&[Step::Tick { now: 5, budget: 1 }, Step::Command]);
        let queue = argv[1].clone();
        argv.splice(3.., [b"JQ.PUBLISH".into(), queue, b"hello".into()]);
    }
    if let Some(min) = at(argv, "MIN") {
        // The words of one block, then as many as it takes, and a wait.
        argv[min + 1] = b"1".into();
        if at(argv, "BLOCK").is_none() {
            argv.splice(2..2, [b"BLOCK".into(), b"5".into()]);
        }
    }
    if let Some(weights) = at(argv, "WEIGHTS") {
        let queues = at(argv, "ALSO").map_or(1, |also| argv.len() - also);
        argv[weights + 1] = vec!["7"; queues].join(",").into();
    }
}

fn parsed(command: &crate::Command, argv: &[Vec<u8>]) -> Result<(), BadArguments> {
    let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
    parse(command, &argv).map(drop)
}

fn printed(argv: &[Vec<u8>]) -> String {
    argv.iter().map(|arg| arg.escape_ascii().to_string() + " ").collect()
}

#[test]
fn what_the_table_permits_is_understood() {
    for command in COMMANDS {
        for seed in 1..=ROUNDS {
            let mut argv = vec![Vec::from(command.name)];
            draw(command.args, &mut Dice(seed), &mut argv);
            reconcile(&mut argv);
            if let Err(refused) = parsed(command, &argv) {
                panic!("seed {seed}: {}: {refused}", printed(&argv));
            }
        }
    }
}

#[test]
fn what_is_damaged_is_understood_or_refused_in_one_printable_line() {
    for command in COMMANDS {
        for seed in 1..=ROUNDS {
            let mut dice = Dice(seed);
            let mut argv = vec![Vec::from(command.name)];
            draw(command.args, &mut dice, &mut argv);
            for _ in 0..=dice.below(3) {
                damage(&mut argv, &mut dice);
            }
            check_line(command, &argv);
        }
    }
}

#[test]
fn random_arguments_are_understood_or_refused_in_one_printable_line() {
    for command in COMMANDS {
        for seed in 1..=ROUNDS {
            let mut dice = Dice(seed);
            let argv: Vec<_> = (0..dice.below(9)).map(|_| anything(&mut dice)).collect();
            check_line(command, &argv);
        }
    }
}

fn check_line(command: &crate::Command, argv: &[Vec<u8>]) {
    let Err(refused) = parsed(command, argv) else { return };
    let line = refused.to_string();
    assert!(line.starts_with("SYNTAX ") || line.starts_with("RANGE "), "{line}");
    assert!(line.bytes().all(|c| (b' '..=b'~').contains(&c)), "{}", line.escape_debug());
    assert!(line.len() < 1024, "{line}");
}

fn damage(argv: &mut Vec<Vec<u8>>, dice: &mut Dice) {
    if argv.is_empty() {
        return;
    }
    let (at, from) = (dice.below(argv.len()), dice.below(argv.len()));
    match dice.below(5) {
        0 => drop(argv.remove(at)),
        1 => argv.swap(at, from),
        2 => argv.insert(at, argv[from].clone()),
        3 => argv.insert(at, anything(dice)),
        _ => argv[at] = anything(dice),
    }
}

fn anything(dice: &mut Dice) -> Vec<u8> {
    let words: [&[u8]; 28] = [
        b"DELAY",
        b"at",
        b"TTR",
        b"TTL",
        b"COUNT",
        b"ID",
        b"ALL",
        b"ALSO",
        b"WEIGHTS",
        b"GET",
        b"SET",
        b"BODY",
        b"FOR",
        b"TYPE",
        b"HEADERS",
        b"RETAIN",
        b"forever",
        b"REPLACES",
        b"CURSOR",
        b"7-7",
        b">a",
        b"IN",
        b"dead",
        b"-1",
        b"0",
        b"1",
        b"9223372036854775808",
        b"a@7",
    ];
    match dice.below(4) {
        0 => (0..dice.below(100)).map(|_| dice.below(256) as u8).collect(),
        1 => Vec::new(),
        _ => words[dice.below(words.len())].into(),
    }
}
