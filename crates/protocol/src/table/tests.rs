use std::collections::HashSet;

use super::*;
use crate::{
    command::{Access, Keys},
    error::ErrorWord,
    syntax::{Arg, Kind},
};

#[test]
fn the_usage_lines_are_those_of_the_wire() {
    let lines: Vec<_> = COMMANDS.iter().map(|command| command.syntax()).collect();
    let wire = [
        "JQ.PUBLISH queue body [ID id] [TYPE name] [HEADERS n name value [name value ...]] \
         [DELAY ms | AT unix-ms] [TTL ms] [TTR ms] [DEADLINE unix-ms] [TRIES n] \
         [BACKOFF none|fixed:<ms>|exp:<base-ms>:<max-ms>|poly] [RETAIN ms|FOREVER] [PRIORITY p] \
         [GROUP key] [USES limit weight [USES limit weight ...]] [MUTEX name] \
         [UNIQUE key [FOR ms] [UNTIL START|DONE] [ONDUPLICATE REJECT|RETURN|REPLACE]] \
         [WHEN gate[|gate...] [WHEN gate[|gate...] ...]] \
         [AFTER n id [id ...] [IFDEAD HOLD|RUN|BURY]] [BATCH key] [REPLACES id] \
         [BLOCK ms]",
        "JQ.MPUBLISH queue n body [body ...] [TYPE name] [HEADERS n name value [name value ...]] \
         [DELAY ms | AT unix-ms] [TTL ms] [TTR ms] [DEADLINE unix-ms] [TRIES n] \
         [BACKOFF none|fixed:<ms>|exp:<base-ms>:<max-ms>|poly] [RETAIN ms|FOREVER] [PRIORITY p] \
         [GROUP key] [USES limit weight [USES limit weight ...]] [MUTEX name] \
         [WHEN gate[|gate...] [WHEN gate[|gate...] ...]] \
         [AFTER n id [id ...] [IFDEAD HOLD|RUN|BURY]] [BATCH key] [BLOCK ms]",
        "JQ.CALL queue body [ID id] [TYPE name] [HEADERS n name value [name value ...]] \
         [DELAY ms | AT unix-ms] [TTL ms] [TTR ms] [DEADLINE unix-ms] [TRIES n] \
         [BACKOFF none|fixed:<ms>|exp:<base-ms>:<max-ms>|poly] [RETAIN ms|FOREVER] [PRIORITY p] \
         [GROUP key] [USES limit weight [USES limit weight ...]] [MUTEX name] \
         [UNIQUE key [FOR ms] [UNTIL START|DONE] [ONDUPLICATE REJECT|RETURN|REPLACE]] \
         [WHEN gate[|gate...] [WHEN gate[|gate...] ...]] \
         [AFTER n id [id ...] [IFDEAD HOLD|RUN|BURY]] [BATCH key] [REPLACES id] \
         WAIT ms",
        "JQ.CONSUME queue [COUNT n] [MIN n LINGER ms] [TTR ms] [BLOCK ms] [WORKER name] \
         [BIND [grace-ms]] [FREE] [DETAILS] [WEIGHTS w,w,...] [ALSO queue [queue ...]]",
        "JQ.ACK queue id [id ...] [THEN to body [option [option ...]]]",
        "JQ.FULFILL queue id result [RETAIN ms|FOREVER]",
        "JQ.NACK queue id [id ...] [DELAY ms] [ERROR text]",
        "JQ.RELEASE queue id [id ...] [DELAY ms] [UNCOUNTED]",
        "JQ.BURY queue (id [id ...] [ERROR text] | ALL (delayed|held|gathering|ready) [COUNT n])",
        "JQ.TOUCH queue [TTR ms] [PROGRESS n] [RESULT value] [WORKER name] id [id ...]",
        "JQ.SUBSCRIBE queue id target [target ...]",
        "JQ.UNSUBSCRIBE queue id (ALL | target [target ...])",
        "JQ.NOTICES queue [COUNT n] [TTR ms] [BLOCK ms]",
        "JQ.DELIVERED queue receipt [target [target ...]]",
        "JQ.UPDATE queue id [BODY body] [DELAY ms | AT unix-ms] [PRIORITY p] [TTL ms] [TRIES n] \
         [IFVERSION v]",
        "JQ.KICK queue (COUNT n | ID id [id ...] | ALL)",
        "JQ.RESPAWN queue (COUNT n | ID id [id ...] | ALL) [TRIES n] [TTL ms] [DELAY ms]",
        "JQ.DELETE queue id [id ...]",
        "JQ.CANCEL queue id",
        "JQ.PURGE queue (delayed|held|gathering|ready|leased|completed|dead) [COUNT n]",
        "JQ.PAUSE queue [IN|OUT|BOTH] [FOR ms]",
        "JQ.RESUME queue",
        "JQ.PEEK queue [COUNT n]",
        "JQ.JOB queue id [TRACE]",
        "JQ.LIST queue (delayed|held|gathering|ready|leased|completed|dead) [CURSOR c] [COUNT n] \
         [TYPE t] [GROUP g] [BATCH b] [ERROR pattern] [WORKER name] [MINAGE ms] [MAXAGE ms] [REVERSE]",
        "JQ.RESULT queue id [BLOCK ms]",
        "JQ.LEN queue [delayed|held|gathering|ready|leased|completed|dead]",
        "JQ.EVENTS queue [SINCE cursor] [COUNT n] [BLOCK ms]",
        "JQ.STATS queue [(TYPE name | TYPES | TIMES) [BUCKETS] \
         | HISTORY (MINUTES|HOURS|DAYS) [COUNT n] | DUE]",
        "JQ.GATE queue (OPEN name [name ...] | CLOSE name [name ...] | LIST)",
        "JQ.BATCH queue (FIRE key | RUN key | BURY key | DELETE key | LIST)",
        "JQ.CONFIG queue (GET [name] | SET name value [name value ...])",
        "JQ.LIMIT queue (SET name [CONCURRENCY n | UNLIMITED] [RATE n PER ms] | DEL name | LIST)",
        "JQ.SCHEDULE queue (SET name body (EVERY ms [FROM unix-ms] | AFTER ms | CRON expr [TZ zone]) \
         [OVERLAP SKIP|QUEUE|ALLOW] [MISSED NONE|ONE|ALL] [TYPE name] \
         [HEADERS n name value [name value ...]] [DELAY ms] [TTL ms] [TTR ms] [TRIES n] \
         [BACKOFF none|fixed:<ms>|exp:<base-ms>:<max-ms>|poly] [RETAIN ms|FOREVER] [PRIORITY p] \
         [GROUP key] [USES limit weight [USES limit weight ...]] [MUTEX name] \
         [UNIQUE key [FOR ms] [UNTIL START|DONE]] \
         [WHEN gate[|gate...] [WHEN gate[|gate...] ...]] [BATCH key] | \
         REPLACE n [len argument [argument ...] [len argument [argument ...] ...]] | DEL name | LIST | \
         GET name | PAUSE name | RESUME name | RUN name)",
        "JQ.DIGEST queue",
        "JQ.QUEUES [MATCH pattern] [CURSOR c] [COUNT n]",
        "JQ.WORKERS [queue] [CURSOR c] [COUNT n]",
        "JQ.WORKER (SET name [HOST h] [PID n] [LABELS n label value [label value ...]] | QUIET name | \
         STOP name | RESUME name)",
        "JQ.DEBUG queue (LAPSE id [id ...] | DUE id [id ...] | ADVANCE ms | REFUSE n | PANIC [ANSWERED])",
        "JQ.APPLY queue steps [command argument [argument ...]]",
        "JQ.LOAD queue frame",
    ];
    assert_eq!(lines, wire);
}

#[test]
fn a_command_is_found_by_its_name_in_either_case() {
    assert_eq!(find(b"jq.mPublish").map(|command| command.name), Some("JQ.MPUBLISH"));
    assert!(find(b"JQ.PUBLISH ").is_none());
    assert!(find(b"").is_none());
}

#[test]
fn every_command_is_there_once_and_says_all_that_is_asked() {
    let mut names = HashSet::new();
    let mut ids = HashSet::new();
    for command in COMMANDS {
        let name = command.name;
        assert!(names.insert(name), "{name} is there twice");
        assert!(ids.insert(command.id), "{name} has the id of another command");
        assert!(name.starts_with("JQ.") && name == name.to_uppercase(), "{name}");
        assert!(command.summary.ends_with('.'), "{name} has no summary");
        assert!(command.complexity.starts_with("O("), "{name} has no complexity");
        assert!(command.reply.ends_with('.'), "{name} has no reply");
        assert!(!command.since.is_empty(), "{name} has no version");
        assert_eq!(command.examples.is_empty(), command.dangerous, "{name} has no example");
        let has_queue = matches!(command.args[0].kind, Kind::Key(0));
        assert_eq!(has_queue, command.keys != Keys::None, "{name} has no queue");
    }
}

#[test]
fn every_word_is_found_by_its_name() {
    fn check(command: &Command, arg: &Arg) {
        if let Some(token) = arg.token {
            let found = command.word(token.to_lowercase().as_bytes());
            assert_eq!(found.and_then(|(_, arg)| arg.token), Some(token), "{}", command.name);
        }
        arg.subargs.iter().for_each(|arg| check(command, arg));
    }
    for command in COMMANDS {
        command.args.iter().for_each(|arg| check(command, arg));
    }
}

#[test]
fn the_arity_is_that_of_the_shortest_form() {
    for command in COMMANDS {
        let shortest = 1 + command.args.iter().map(shortest).sum::<i32>();
        assert_eq!(command.arity, -shortest, "{}", command.name);
    }
}

fn shortest(arg: &Arg) -> i32 {
    if arg.optional {
        return 0;
    }
    let value = match arg.kind {
        Kind::PureToken => 0,
        Kind::OneOf => arg.subargs.iter().map(shortest).min().unwrap_or(0),
        Kind::Block => arg.subargs.iter().map(shortest).sum(),
        _ => 1,
    };
    value + i32::from(arg.token.is_some())
}

#[test]
fn every_argument_says_what_it_means() {
    fn check(command: &str, arg: &Arg) {
        let group = matches!(arg.kind, Kind::OneOf | Kind::Block);
        assert_eq!(group, !arg.subargs.is_empty(), "{command}: {}", arg.name);
        assert_eq!(
            matches!(arg.kind, Kind::Integer | Kind::UnixTime),
            arg.range.is_some(),
            "{command}: {} has a range or is an integer, not both",
            arg.name
        );
        if !group {
            assert!(arg.about.ends_with('.'), "{command}: {}", arg.name);
        }
        let siblings: HashSet<_> = arg.subargs.iter().map(|part| part.name).collect();
        assert_eq!(siblings.len(), arg.subargs.len(), "{command}: {}", arg.name);
        arg.subargs.iter().for_each(|part| check(command, part));
    }
    for command in COMMANDS {
        command.args.iter().for_each(|arg| check(command.name, arg));
        let siblings: HashSet<_> = command.args.iter().map(|arg| arg.name).collect();
        assert_eq!(siblings.len(), command.args.len(), "{}", command.name);
    }
}

#[test]
fn an_integer_is_called_by_its_word_in_errors() {
    fn check(command: &str, arg: &Arg) {
        if let Some(range) = arg.range {
            assert_eq!(range.name, arg.token.unwrap_or(arg.name), "{command}");
        }
        arg.subargs.iter().for_each(|part| check(command, part));
    }
    COMMANDS.iter().for_each(|command| {
        command.args.iter().for_each(|arg| check(command.name, arg));
    });
}

#[test]
fn the_words_of_a_command_are_distinct_and_fit_the_cursor() {
    fn collect(args: &[Arg], words: &mut Vec<&'static str>) {
        for arg in args {
            words.extend(arg.token);
            collect(arg.subargs, words);
        }
    }
    for command in COMMANDS {
        let mut words = Vec::new();
        collect(command.args, &mut words);
        assert!(words.len() <= 64, "{}: a bit for each word", command.name);
        for (place, word) in words.iter().enumerate() {
            let found = command.word(word.to_lowercase().as_bytes());
            let found = found.map(|(place, arg)| (place, arg.token));
            assert_eq!(found, Some((place as u32, Some(*word))), "{}", command.name);
        }
    }
}

#[test]
fn only_what_adds_jobs_bodies_or_subscribers_is_refused_for_want_of_memory() {
    for command in COMMANDS {
        let grows = command.access == Access::WriteGrowing;
        let takes_body = command.args.iter().any(|arg| arg.name == "body") && !command.internal
            || command.name == "JQ.SUBSCRIBE";
        assert_eq!(grows, takes_body, "{}", command.name);
        let says_so = command.errors.iter().any(|(word, _)| *word == ErrorWord::Oom);
        // An ack is taken, but not with a job that comes next; a schedule may go, and a wish be made.
        let looks = ["JQ.ACK", "JQ.SCHEDULE", "JQ.WORKER"].contains(&command.name);
        assert_eq!(grows || looks, says_so, "{}", command.name);
    }
}

#[test]
fn only_what_adds_jobs_is_refused_while_a_queue_is_paused() {
    for command in COMMANDS {
        let says_so = command.errors.iter().any(|(word, _)| *word == ErrorWord::Paused);
        let adds = command.name.ends_with("PUBLISH")
            || ["JQ.CALL", "JQ.ACK", "JQ.SCHEDULE"].contains(&command.name);
        assert_eq!(says_so, adds, "{}", command.name);
    }
}

#[test]
fn only_what_says_how_long_to_wait_can_wait() {
    for command in COMMANDS {
        let waits = command.word(b"BLOCK").or_else(|| command.word(b"WAIT")).is_some();
        assert_eq!(command.blocking, waits, "{}", command.name);
    }
}

#[test]
fn every_command_but_a_few_is_about_one_queue() {
    for command in COMMANDS {
        let keys = match command.name {
            "JQ.CONSUME" => Keys::FirstAndAfter("ALSO"),
            "JQ.QUEUES" | "JQ.WORKER" => Keys::None,
            "JQ.WORKERS" => Keys::FirstIfOdd,
            _ => Keys::First,
        };
        assert_eq!(command.keys, keys, "{}", command.name);
    }
}

#[test]
fn categories_keep_clients_from_what_is_not_for_them() {
    let of = |name: &[u8]| find(name).unwrap().categories();
    assert_eq!(of(b"JQ.PUBLISH"), "write fast blocking jobqueue");
    assert_eq!(of(b"JQ.CONSUME"), "write blocking jobqueue");
    assert_eq!(of(b"JQ.LEN"), "read fast jobqueue");
    assert_eq!(of(b"JQ.JOB"), "read fast jobqueue");
    assert_eq!(of(b"JQ.FULFILL"), "write fast jobqueue");
    assert_eq!(of(b"JQ.RESULT"), "read blocking jobqueue");
    assert_eq!(of(b"JQ.LIST"), "read jobqueue");
    assert_eq!(of(b"JQ.QUEUES"), "read jobqueue");
    assert_eq!(of(b"JQ.PAUSE"), "write fast jobqueue");
    assert_eq!(of(b"JQ.WORKERS"), "read jobqueue");
    assert_eq!(of(b"JQ.WORKER"), "write jobqueue");
    assert_eq!(of(b"JQ.PURGE"), "write jobqueue");
    assert_eq!(of(b"JQ.DIGEST"), "read jobqueue");
    for command in COMMANDS.iter().filter(|command| command.internal || command.dangerous) {
        assert_eq!(command.categories(), "dangerous", "{}", command.name);
    }
}

#[test]
fn every_example_is_a_command_of_the_table() {
    for command in COMMANDS.iter().filter(|command| !command.examples.is_empty()) {
        let own = |line: &str| line.split(' ').next() == Some(command.name);
        assert!(command.examples.iter().any(|e| own(e.command)), "{}", command.name);
        for example in command.examples {
            let argv = words(example.command);
            let argv: Vec<&[u8]> = argv.iter().map(|word| word.as_bytes()).collect();
            let called = find(argv[0]).expect(example.command);
            crate::parse(called, &argv).expect(example.command);
        }
    }
}

/// Splits a line as `redis-cli` does, but for escapes, which no example needs.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part);
        } else {
            words.extend(part.split_whitespace());
        }
    }
    words
}
