//! What is no command, and what the client is told.

use super::{call, packed, record};
use crate::{parse, steps::Step, table::find, COMMANDS};

/// The error line without the usage, which is that of the command in every syntax error.
fn refused(line: &str) -> String {
    let name = line.split(' ').next().unwrap_or_default();
    let error = match call(line) {
        Err(error) => error,
        Ok(call) => panic!("{line}: {call:?}"),
    };
    if error.starts_with("RANGE ") {
        return error;
    }
    let usage = format!("; usage: {}", find(name.as_bytes()).expect(line).syntax());
    error.strip_suffix(&usage).unwrap_or_else(|| panic!("{error}")).to_string()
}

fn assert_refused(cases: &[(&str, &str)]) {
    for (line, error) in cases {
        assert_eq!(refused(line), *error, "{line}");
    }
}

#[test]
fn what_the_table_does_not_know_is_refused() {
    assert_refused(&[
        ("JQ.PUBLISH q hello LATER", "SYNTAX unexpected 'LATER'"),
        ("JQ.PUBLISH q hello COUNT 3", "SYNTAX unexpected 'COUNT'"),
        ("JQ.MPUBLISH q 1 hello ID a", "SYNTAX unexpected 'ID'"),
        ("JQ.MPUBLISH q 1 hello world", "SYNTAX unexpected 'world'"),
        ("JQ.PUBLISH q hello USES a 1 MUTEX m x", "SYNTAX unexpected 'x'"),
        ("JQ.CANCEL q a b", "SYNTAX unexpected 'b'"),
        ("JQ.PEEK q 3", "SYNTAX unexpected '3'"),
        ("JQ.RELEASE q a DELAY 5 b", "SYNTAX unexpected 'b'"),
        ("JQ.MPUBLISH q 1 hello REPLACES a", "SYNTAX unexpected 'REPLACES'"),
        ("JQ.PUBLISH q hello HEADERS 1 a b c", "SYNTAX unexpected 'c'"),
        ("JQ.FULFILL q a done b", "SYNTAX unexpected 'b'"),
        ("JQ.BURY q ALL leased", "SYNTAX unexpected 'leased'"),
        ("JQ.BURY q ALL ready 5", "SYNTAX unexpected '5'"),
        ("JQ.KICK q ALL 5", "SYNTAX unexpected '5'"),
        ("JQ.LIST q asleep", "SYNTAX unexpected 'asleep'"),
        ("JQ.LIST q dead 0", "SYNTAX unexpected '0'"),
        ("JQ.RESULT q a b", "SYNTAX unexpected 'b'"),
        ("JQ.JOB q a b", "SYNTAX unexpected 'b'"),
        ("JQ.EVENTS q 5", "SYNTAX unexpected '5'"),
        ("JQ.QUEUES mail", "SYNTAX unexpected 'mail'"),
        ("JQ.LEN q asleep", "SYNTAX unexpected 'asleep'"),
        ("JQ.UPDATE q a TTR 5", "SYNTAX unexpected 'TTR'"),
        ("JQ.UPDATE q a b TTL 5", "SYNTAX unexpected 'b'"),
        ("JQ.PURGE q asleep", "SYNTAX unexpected 'asleep'"),
        ("JQ.PURGE q ALL", "SYNTAX unexpected 'ALL'"),
        ("JQ.PAUSE q 5", "SYNTAX unexpected '5'"),
        ("JQ.RESUME q IN", "SYNTAX unexpected 'IN'"),
        ("JQ.JOB q a b", "SYNTAX unexpected 'b'"),
        ("JQ.STATS q all", "SYNTAX unexpected 'all'"),
        ("JQ.STATS q DUE TIMES", "SYNTAX TIMES cannot stand there"),
        ("JQ.STATS q COUNT 1", "SYNTAX COUNT cannot stand there"),
        ("JQ.STATS q TYPE", "SYNTAX no value for TYPE"),
        ("JQ.STATS q BUCKETS", "SYNTAX BUCKETS cannot stand there"),
        ("JQ.STATS q DUE BUCKETS", "SYNTAX BUCKETS cannot stand there"),
        ("JQ.STATS q TIMES DUE", "SYNTAX DUE cannot stand there"),
        ("JQ.STATS q TIMES 5", "SYNTAX unexpected '5'"),
        ("JQ.STATS q HISTORY", "SYNTAX nothing says how long the rows are"),
        ("JQ.STATS q HISTORY TIMES", "SYNTAX TIMES cannot stand there"),
        ("JQ.STATS q HISTORY DAYS HOURS", "SYNTAX HOURS cannot stand there"),
        ("JQ.STATS q HISTORY DAYS COUNT 91", "RANGE COUNT is 1 to 90 rows, not '91'"),
        ("JQ.DIGEST q x", "SYNTAX unexpected 'x'"),
        ("JQ.CONFIG q GET ttr ttl", "SYNTAX unexpected 'ttl'"),
        ("JQ.CONFIG q READ", "SYNTAX unexpected 'READ'"),
        ("JQ.LIMIT q a", "SYNTAX unexpected 'a'"),
        ("JQ.LIMIT q SET a 5", "SYNTAX unexpected '5'"),
        ("JQ.LIMIT q LIST a", "SYNTAX unexpected 'a'"),
        ("JQ.DEBUG q SLEEP", "SYNTAX unexpected 'SLEEP'"),
        ("JQ.DEBUG q ADVANCE 5 6", "SYNTAX unexpected '6'"),
        ("JQ.WORKERS q mail", "SYNTAX unexpected 'q'"),
        ("JQ.WORKERS mail 5", "SYNTAX unexpected 'mail'"),
        ("JQ.WORKERS q LIMIT 5", "SYNTAX unexpected 'LIMIT'"),
        ("JQ.WORKER LIST", "SYNTAX unexpected 'LIST'"),
        ("JQ.WORKER QUIET a b", "SYNTAX unexpected 'b'"),
        ("JQ.LOAD q a b", "SYNTAX unexpected 'b'"),
    ]);
}

#[test]
fn a_word_without_its_value_is_refused() {
    assert_refused(&[
        ("JQ.PUBLISH q hello DELAY", "SYNTAX no value for DELAY"),
        ("JQ.PUBLISH q hello BLOCK", "SYNTAX no value for BLOCK"),
        ("JQ.PUBLISH q hello ID", "SYNTAX no value for ID"),
        ("JQ.PUBLISH q hello BACKOFF", "SYNTAX no value for BACKOFF"),
        ("JQ.PUBLISH q hello TYPE", "SYNTAX no value for TYPE"),
        ("JQ.PUBLISH q hello HEADERS", "SYNTAX no value for HEADERS"),
        ("JQ.PUBLISH q hello DEADLINE", "SYNTAX no value for DEADLINE"),
        ("JQ.PUBLISH q hello RETAIN", "SYNTAX no value for RETAIN"),
        ("JQ.PUBLISH q hello REPLACES", "SYNTAX no value for REPLACES"),
        ("JQ.FULFILL q a done RETAIN", "SYNTAX no value for RETAIN"),
        ("JQ.CONSUME q ALSO", "SYNTAX no value for ALSO"),
        ("JQ.CONSUME q WORKER", "SYNTAX no value for WORKER"),
        ("JQ.NACK q a ERROR", "SYNTAX no value for ERROR"),
        ("JQ.KICK q COUNT", "SYNTAX no value for COUNT"),
        ("JQ.UPDATE q a BODY", "SYNTAX no value for BODY"),
        ("JQ.UPDATE q a IFVERSION", "SYNTAX no value for IFVERSION"),
        ("JQ.BURY q ALL ready COUNT", "SYNTAX no value for COUNT"),
        ("JQ.LIST q dead CURSOR", "SYNTAX no value for CURSOR"),
        ("JQ.LIST q dead TYPE", "SYNTAX no value for TYPE"),
        ("JQ.LIST q dead ERROR", "SYNTAX no value for ERROR"),
        ("JQ.LIST q leased WORKER", "SYNTAX no value for WORKER"),
        ("JQ.RESULT q a BLOCK", "SYNTAX no value for BLOCK"),
        ("JQ.EVENTS q SINCE", "SYNTAX no value for SINCE"),
        ("JQ.QUEUES MATCH", "SYNTAX no value for MATCH"),
        ("JQ.WORKERS q COUNT 5 CURSOR", "SYNTAX unexpected 'q'"),
        ("JQ.WORKER SET", "SYNTAX no value for SET"),
        ("JQ.WORKER STOP", "SYNTAX no value for STOP"),
        ("JQ.WORKER SET w HOST", "SYNTAX no value for HOST"),
        ("JQ.TOUCH q WORKER", "SYNTAX no value for WORKER"),
        ("JQ.DEBUG q ADVANCE", "SYNTAX no value for ADVANCE"),
        ("JQ.PURGE q dead COUNT", "SYNTAX no value for COUNT"),
        ("JQ.PAUSE q FOR", "SYNTAX no value for FOR"),
        ("JQ.CONFIG q SET", "SYNTAX no value for SET"),
        ("JQ.CONFIG q SET ttr 5 ttl", "SYNTAX no value for ttl"),
    ]);
}

#[test]
fn too_few_arguments_are_an_error_even_if_the_server_lets_them_pass() {
    assert_refused(&[
        ("JQ.LEN", "SYNTAX no value for queue"),
        ("JQ.PUBLISH q", "SYNTAX no value for body"),
        ("JQ.MPUBLISH q", "SYNTAX no value for n"),
        ("JQ.KICK q", "SYNTAX nothing says which jobs"),
        ("JQ.RESPAWN q", "SYNTAX nothing says which jobs"),
        ("JQ.UPDATE q", "SYNTAX no value for id"),
        ("JQ.PURGE q", "SYNTAX nothing says which jobs"),
        ("JQ.BURY q ALL", "SYNTAX nothing says which jobs"),
        ("JQ.LIST q", "SYNTAX nothing says which jobs"),
        ("JQ.FULFILL q a", "SYNTAX no value for result"),
        ("JQ.RESULT q", "SYNTAX no value for id"),
        ("JQ.JOB q", "SYNTAX no value for id"),
        ("JQ.CONFIG q", "SYNTAX GET or SET is needed"),
        ("JQ.DEBUG q", "SYNTAX nothing to do"),
        ("JQ.DEBUG q LAPSE", "SYNTAX at least one id is needed"),
        ("JQ.WORKER", "SYNTAX SET, QUIET, STOP or RESUME is needed"),
        ("JQ.APPLY q", "SYNTAX no value for steps"),
        ("JQ.LOAD q", "SYNTAX no value for frame"),
    ]);
    assert!(parse(find(b"JQ.LEN").unwrap(), &[]).is_err());
}

#[test]
fn a_word_given_twice_is_refused_wherever_it_is() {
    assert_refused(&[
        ("JQ.PUBLISH q hello DELAY 1 delay 1", "SYNTAX DELAY is given twice"),
        ("JQ.PUBLISH q hello TTL 1 TTR 1 TTL 1", "SYNTAX TTL is given twice"),
        ("JQ.PUBLISH q hello HEADERS 1 a b HEADERS 1 c d", "SYNTAX HEADERS is given twice"),
        ("JQ.PUBLISH q hello RETAIN 1 RETAIN FOREVER", "SYNTAX RETAIN is given twice"),
        ("JQ.MPUBLISH q 1 x BLOCK 1 block 1", "SYNTAX BLOCK is given twice"),
        ("JQ.FULFILL q a done RETAIN 1 RETAIN 1", "SYNTAX RETAIN is given twice"),
        ("JQ.CONSUME q FREE FREE", "SYNTAX FREE is given twice"),
        ("JQ.CONSUME q DETAILS details", "SYNTAX DETAILS is given twice"),
        ("JQ.BURY q ALL ALL", "SYNTAX ALL is given twice"),
        ("JQ.LIST q dead REVERSE REVERSE", "SYNTAX REVERSE is given twice"),
        ("JQ.RESULT q a BLOCK 1 BLOCK 1", "SYNTAX BLOCK is given twice"),
        ("JQ.EVENTS q SINCE 1 SINCE $", "SYNTAX SINCE is given twice"),
        ("JQ.QUEUES COUNT 1 COUNT 1", "SYNTAX COUNT is given twice"),
        ("JQ.PEEK q COUNT 1 COUNT 1", "SYNTAX COUNT is given twice"),
        ("JQ.NACK q a ERROR x ERROR y", "SYNTAX ERROR is given twice"),
        ("JQ.NOTICES q TTR 1 TTR 1", "SYNTAX TTR is given twice"),
        ("JQ.TOUCH q TTR 1 TTR 1 a", "SYNTAX TTR is given twice"),
        ("JQ.TOUCH q PROGRESS 1 progress 1 a", "SYNTAX PROGRESS is given twice"),
        ("JQ.TOUCH q RESULT 1 result 1 a", "SYNTAX RESULT is given twice"),
        ("JQ.TOUCH q WORKER v WORKER w a", "SYNTAX WORKER is given twice"),
        ("JQ.WORKERS COUNT 1 COUNT 1", "SYNTAX COUNT is given twice"),
        ("JQ.WORKER SET w LABELS 2 a b a c", "SYNTAX label 'a' is named twice"),
        (
            "JQ.WORKER SET w LABELS 2 a b",
            "SYNTAX LABELS says 2 labels, each with its value, but 2 more arguments follow",
        ),
        ("JQ.UPDATE q a BODY x BODY y", "SYNTAX BODY is given twice"),
        ("JQ.UPDATE q a AT 1 AT 2", "SYNTAX AT is given twice"),
        ("JQ.KICK q ID a ID b", "SYNTAX ID is given twice"),
        ("JQ.PURGE q dead dead", "SYNTAX dead is given twice"),
        ("JQ.PAUSE q IN FOR 1 in", "SYNTAX IN is given twice"),
        ("JQ.RESPAWN q ALL ALL", "SYNTAX ALL is given twice"),
        ("JQ.CONFIG q SET ttr 5 TTR 6", "SYNTAX ttr is given twice"),
    ]);
}

#[test]
fn what_excludes_each_other_is_refused() {
    assert_refused(&[
        ("JQ.PUBLISH q hello DELAY 0 AT 0", "SYNTAX DELAY and AT exclude each other"),
        ("JQ.PUBLISH q hello AT 5 TTL 1 DELAY 5", "SYNTAX DELAY and AT exclude each other"),
        ("JQ.RESPAWN q ALL COUNT 5", "SYNTAX COUNT, ID and ALL exclude each other"),
        ("JQ.RESPAWN q ID a ALL", "SYNTAX COUNT, ID and ALL exclude each other"),
        ("JQ.UPDATE q a DELAY 5 AT 5", "SYNTAX DELAY and AT exclude each other"),
        ("JQ.PAUSE q IN OUT", "SYNTAX IN, OUT and BOTH exclude each other"),
        ("JQ.PAUSE q BOTH FOR 5 IN", "SYNTAX IN, OUT and BOTH exclude each other"),
        ("JQ.PURGE q ready dead", "SYNTAX dead cannot stand there"),
        ("JQ.PURGE q ready COUNT 5 dead", "SYNTAX dead cannot stand there"),
        ("JQ.KICK q COUNT 5 ID a", "SYNTAX ID cannot stand there"),
        ("JQ.KICK q ID a ALL", "SYNTAX ALL cannot stand there"),
        ("JQ.BURY q a ALL ready", "SYNTAX ALL cannot stand there"),
        ("JQ.BURY q ALL ready delayed", "SYNTAX delayed cannot stand there"),
        ("JQ.BURY q ALL ready ERROR x", "SYNTAX ERROR is not taken with ALL"),
        ("JQ.BURY q ALL ready COUNT 5 ERROR x", "SYNTAX ERROR is not taken with ALL"),
        ("JQ.LIST q ready dead", "SYNTAX dead cannot stand there"),
        ("JQ.LEN q ready dead", "SYNTAX dead cannot stand there"),
    ]);
}

#[test]
fn a_word_out_of_its_place_is_refused_and_not_taken_for_an_id() {
    assert_refused(&[
        ("JQ.TOUCH q a TTR 5", "SYNTAX TTR comes before the ids"),
        ("JQ.TOUCH q TTR 5 a PROGRESS 1", "SYNTAX PROGRESS comes before the ids"),
        ("JQ.ACK q a b THEN r x", "SYNTAX THEN goes behind one id"),
        ("JQ.ACK q THEN r x", "SYNTAX at least one id is needed"),
        ("JQ.ACK q a THEN r x BLOCK 1", "SYNTAX BLOCK is not taken behind THEN"),
        ("JQ.ACK q a THEN r x REPLACES a", "SYNTAX REPLACES is not taken behind THEN"),
        (
            "JQ.ACK q a THEN r x AFTER 1 s/b",
            "SYNTAX AFTER takes jobs of the successor's own queue behind THEN",
        ),
        ("JQ.TOUCH q TTR 5 a WORKER w", "SYNTAX WORKER comes before the ids"),
        ("JQ.RESPAWN q TRIES 5 ALL", "SYNTAX TRIES cannot stand there"),
        ("JQ.PURGE q COUNT 5 dead", "SYNTAX COUNT cannot stand there"),
        ("JQ.BURY q ALL COUNT 5 ready", "SYNTAX COUNT cannot stand there"),
        ("JQ.LIST q REVERSE dead", "SYNTAX REVERSE cannot stand there"),
    ]);
}

#[test]
fn an_update_names_at_least_one_change() {
    assert_refused(&[
        ("JQ.UPDATE q a", "SYNTAX nothing says what to change"),
        ("JQ.UPDATE q a IFVERSION 1", "SYNTAX nothing says what to change"),
    ]);
}

#[test]
fn a_list_of_ids_has_at_least_one() {
    for line in [
        "JQ.ACK q",
        "JQ.NACK q",
        "JQ.NACK q DELAY 5",
        "JQ.RELEASE q DELAY 5",
        "JQ.BURY q ERROR x",
        "JQ.BURY q ready",
        "JQ.TOUCH q",
        "JQ.TOUCH q TTR 5",
        "JQ.TOUCH q PROGRESS 5",
        "JQ.KICK q ID",
        "JQ.RESPAWN q ID",
        "JQ.RESPAWN q ID TRIES 5",
        "JQ.DELETE q",
    ] {
        assert_eq!(refused(line), "SYNTAX at least one id is needed", "{line}");
    }
}

#[test]
fn as_many_bodies_follow_as_were_announced() {
    assert_refused(&[
        ("JQ.MPUBLISH q 3 a b", "SYNTAX n is 3, but 2 more arguments follow"),
        ("JQ.MPUBLISH q 0 a", "RANGE n is 1 to 2147483647 bodies, not '0'"),
        ("JQ.MPUBLISH q hello 2 x", "RANGE n is 1 to 2147483647 bodies, not 'hello'"),
    ]);
}

#[test]
fn as_many_headers_follow_as_were_announced_each_name_once() {
    let short = "SYNTAX HEADERS says 2 names, each with its value";
    assert_refused(&[
        ("JQ.PUBLISH q x HEADERS 2", &format!("{short}, but 0 more arguments follow")),
        ("JQ.PUBLISH q x HEADERS 2 a 1 b", &format!("{short}, but 3 more arguments follow")),
        ("JQ.MPUBLISH q 1 x HEADERS 2 a 1", &format!("{short}, but 2 more arguments follow")),
        ("JQ.PUBLISH q x HEADERS 0", "RANGE HEADERS is 1 to 1000 pairs, not '0'"),
        ("JQ.PUBLISH q x HEADERS 1001 a", "RANGE HEADERS is 1 to 1000 pairs, not '1001'"),
        ("JQ.PUBLISH q x HEADERS a 1", "RANGE HEADERS is 1 to 1000 pairs, not 'a'"),
        ("JQ.PUBLISH q x HEADERS 3 a 1 b 2 a 1", "SYNTAX header 'a' is named twice"),
        ("JQ.PUBLISH q x HEADERS 1  1", "RANGE HEADERS takes names of at least 1 byte, not ''"),
    ]);
}

#[test]
fn a_cursor_is_one_that_was_told() {
    for cursor in ["", "1", "00", "17", "17-", "-3", "17-3-1", ">17-3", "x"] {
        let error = format!("RANGE CURSOR is 0 or what the page before ended with, not '{cursor}'");
        assert_eq!(refused(&format!("JQ.LIST q dead CURSOR {cursor}")), error);
    }
    for cursor in ["", "1", "00", "mail", "17-3"] {
        let error = format!("RANGE CURSOR is 0 or what the page before ended with, not '{cursor}'");
        assert_eq!(refused(&format!("JQ.QUEUES CURSOR {cursor}")), error);
    }
}

#[test]
fn weights_are_one_for_each_queue() {
    assert_refused(&[
        ("JQ.CONSUME q WEIGHTS 1,2", "SYNTAX there are 2 weights for 1 queue(s)"),
        ("JQ.CONSUME q WEIGHTS 1,2 ALSO r s", "SYNTAX there are 2 weights for 3 queue(s)"),
        ("JQ.CONSUME q WEIGHTS 0", "RANGE WEIGHTS is 1 to 1000, not '0'"),
        ("JQ.CONSUME q WEIGHTS 1,", "RANGE WEIGHTS is 1 to 1000, not ''"),
        ("JQ.CONSUME q WEIGHTS 1001", "RANGE WEIGHTS is 1 to 1000, not '1001'"),
    ]);
}

#[test]
fn a_queue_is_consumed_under_one_name_only() {
    assert_refused(&[
        ("JQ.CONSUME q MIN 1 BLOCK 0", "SYNTAX MIN needs LINGER"),
        ("JQ.CONSUME q LINGER 1 BLOCK 0", "SYNTAX LINGER needs MIN"),
        (
            "JQ.CONSUME q MIN 1 LINGER 1",
            "SYNTAX MIN and LINGER need BLOCK: who does not wait takes what is there",
        ),
        ("JQ.CONSUME q MIN 2 LINGER 1 BLOCK 0", "RANGE MIN is 1 to COUNT, which is 1, not '2'"),
        (
            "JQ.CONSUME q MIN 4 LINGER 1 BLOCK 0 COUNT 3",
            "RANGE MIN is 1 to COUNT, which is 3, not '4'",
        ),
        ("JQ.CONSUME q MIN 0", "RANGE MIN is 1 to 10000 jobs, not '0'"),
        ("JQ.CONSUME q LINGER 0", "RANGE LINGER is 1 to 3155760000000 milliseconds, not '0'"),
        ("JQ.CONSUME q BIND soon", "RANGE grace is 0 to 3155760000000 milliseconds, not 'soon'"),
        ("JQ.CONSUME q ALSO q", "SYNTAX queue 'q' is named twice"),
        ("JQ.CONSUME q ALSO r s r", "SYNTAX queue 'r' is named twice"),
    ]);
}

#[test]
fn a_value_out_of_its_range_is_refused_with_the_range() {
    assert_refused(&[
        ("JQ.PUBLISH q hello DELAY -5", "RANGE DELAY is 0 to 3155760000000 milliseconds, not '-5'"),
        (
            "JQ.PUBLISH q hello AT 253402300800000",
            "RANGE AT is 0 to 253402300799999 milliseconds since the epoch, not '253402300800000'",
        ),
        ("JQ.PUBLISH q hello TTR 0", "RANGE TTR is 1 to 3155760000000 milliseconds, not '0'"),
        ("JQ.PUBLISH q hello TRIES 0", "RANGE TRIES is 1 to 4294967295, not '0'"),
        ("JQ.PUBLISH q hello PRIORITY 21", "RANGE PRIORITY is -20 to 20, not '21'"),
        (
            "JQ.PUBLISH q hello BACKOFF linear",
            "RANGE BACKOFF is none, fixed:<ms>, exp:<base-ms>:<max-ms> or poly, each span 0 to \
             3155760000000 milliseconds, not 'linear'",
        ),
        ("JQ.PUBLISH q hello ID a@1", "RANGE ID is 1 to 64 letters, digits or . _ : -, not 'a@1'"),
        (
            "JQ.PUBLISH q hello DEADLINE soon",
            "RANGE DEADLINE is 0 to 253402300799999 milliseconds since the epoch, not 'soon'",
        ),
        (
            "JQ.PUBLISH q hello RETAIN always",
            "RANGE RETAIN is 0 to 3155760000000 milliseconds or FOREVER, not 'always'",
        ),
        (
            "JQ.FULFILL q a done RETAIN -1",
            "RANGE RETAIN is 0 to 3155760000000 milliseconds or FOREVER, not '-1'",
        ),
        ("JQ.PUBLISH q a BLOCK -1", "RANGE BLOCK is 0 to 3155760000000 milliseconds, not '-1'"),
        ("JQ.LIST q dead COUNT 0", "RANGE COUNT is 1 to 10000 jobs, not '0'"),
        ("JQ.LIST q dead MINAGE x", "RANGE MINAGE is 0 to 3155760000000 milliseconds, not 'x'"),
        ("JQ.RESULT q a BLOCK x", "RANGE BLOCK is 0 to 3155760000000 milliseconds, not 'x'"),
        ("JQ.EVENTS q SINCE x", "RANGE SINCE is 0 to 9223372036854775807 or $, not 'x'"),
        ("JQ.EVENTS q COUNT 0", "RANGE COUNT is 1 to 10000 events, not '0'"),
        ("JQ.QUEUES COUNT 10001", "RANGE COUNT is 1 to 10000 names, not '10001'"),
        ("JQ.BURY q ALL ready COUNT 0", "RANGE COUNT is 1 to 9223372036854775807 jobs, not '0'"),
        ("JQ.CONSUME q COUNT 10001", "RANGE COUNT is 1 to 10000 jobs, not '10001'"),
        ("JQ.PEEK q COUNT 0", "RANGE COUNT is 1 to 10000 jobs, not '0'"),
        ("JQ.KICK q COUNT 0", "RANGE COUNT is 1 to 9223372036854775807 jobs, not '0'"),
        ("JQ.UPDATE q a IFVERSION 0", "RANGE IFVERSION is 1 to 9223372036854775807, not '0'"),
        ("JQ.UPDATE q a PRIORITY low", "RANGE PRIORITY is -20 to 20, not 'low'"),
        ("JQ.PURGE q dead COUNT 0", "RANGE COUNT is 1 to 9223372036854775807 jobs, not '0'"),
        ("JQ.PAUSE q FOR 0", "RANGE FOR is 1 to 3155760000000 milliseconds, not '0'"),
        ("JQ.CONFIG q SET lapse dead", "RANGE lapse is ready or backoff, not 'dead'"),
        ("JQ.RESPAWN q ALL TRIES 0", "RANGE TRIES is 1 to 4294967295, not '0'"),
        ("JQ.CONFIG q SET ttr 0", "RANGE ttr is 1 to 3155760000000 milliseconds, not '0'"),
        ("JQ.APPLY q steps", "RANGE steps are what a primary has packed, not this"),
    ]);
}

#[test]
fn an_id_that_cannot_be_one_is_refused() {
    let long = "x".repeat(65);
    for id in ["a/b", "a@", "a@-1", "a@b", "@1", "a@1@2", "a@18446744073709551616", &long] {
        for line in [
            format!("JQ.ACK q ok {id}"),
            format!("JQ.KICK q ID {id}"),
            format!("JQ.JOB q {id}"),
            format!("JQ.UPDATE q {id} TTL 0"),
            format!("JQ.FULFILL q {id} done"),
            format!("JQ.RESULT q {id}"),
            format!("JQ.PUBLISH q x REPLACES {id}"),
        ] {
            assert!(refused(&line).starts_with("RANGE an id is 1 to 64 letters"), "{line}");
        }
    }
}

#[test]
fn a_record_has_a_command_exactly_where_a_step_says_so() {
    let (tick, command) = (Step::Tick { now: 1, budget: 1 }, Step::Command);
    for (steps, line) in [
        (&[command.clone()][..], ""),
        (&[tick.clone(), command.clone()], ""),
        (&[tick], "JQ.PUBLISH q hello"),
        (&[command.clone(), command], "JQ.PUBLISH q hello"),
    ] {
        let error = record(&packed(steps), line).unwrap_err();
        let told = "SYNTAX the steps do not go with the command behind them; usage: JQ.APPLY ";
        assert!(error.starts_with(told), "{steps:?} {line}: {error}");
    }
}

#[test]
fn nothing_but_a_command_of_the_same_queue_that_decides_nothing_stands_in_a_record() {
    let bytes = packed(&[Step::Command]);
    let lines = [
        "SET q 5",
        "JQ.PUBLISI q hello",
        "JQ.PUBLISH",
        "JQ.PUBLISH mail hello",
        "JQ.PUBLISH Q hello",
        "JQ.CONSUME q",
        "JQ.CONSUME q ALSO r",
        "JQ.PEEK q",
        "JQ.JOB q a",
        "JQ.LIST q dead",
        "JQ.RESULT q a",
        "JQ.EVENTS q",
        "JQ.LEN q",
        "JQ.STATS q",
        "JQ.CONFIG q GET",
        "JQ.DIGEST q",
        "JQ.QUEUES",
        "JQ.DEBUG q PANIC",
        "JQ.APPLY q steps",
        "JQ.LOAD q frame",
    ];
    for line in lines {
        let error = record(&bytes, line).unwrap_err();
        let name = line.split(' ').next().unwrap_or_default();
        let told = format!("SYNTAX '{name}' cannot stand there; usage: JQ.APPLY ");
        assert!(error.starts_with(&told), "{line}: {error}");
    }
    let tried = |name: &str| lines.iter().any(|line| line.split(' ').next() == Some(name));
    assert!(COMMANDS.iter().filter(|command| command.internal).all(|own| tried(own.name)));
}

#[test]
fn a_command_in_a_record_is_refused_as_it_is_without() {
    let bytes = packed(&[Step::Tick { now: 1, budget: 1 }, Step::Command]);
    for line in ["JQ.PUBLISH q", "JQ.ACK q", "JQ.PUBLISH q hello TTR 0", "JQ.NACK q a@x"] {
        assert_eq!(record(&bytes, line).unwrap_err(), call(line).unwrap_err(), "{line}");
    }
}

#[test]
fn a_worker_has_a_name_of_a_bearable_length() {
    let consume = find(b"JQ.CONSUME").unwrap();
    for (length, fits) in [(0, false), (1, true), (256, true), (257, false)] {
        let name = vec![0xff; length];
        let argv: [&[u8]; 4] = [b"JQ.CONSUME", b"q", b"WORKER", &name];
        assert_eq!(parse(consume, &argv).is_ok(), fits, "{length}");
    }
}

#[test]
fn a_pattern_of_errors_has_a_bearable_length() {
    let list = find(b"JQ.LIST").unwrap();
    for (length, fits) in [(0, false), (1, true), (256, true), (257, false)] {
        let pattern = vec![b'*'; length];
        let argv: [&[u8]; 5] = [b"JQ.LIST", b"q", b"dead", b"ERROR", &pattern];
        assert_eq!(parse(list, &argv).is_ok(), fits, "{length}");
    }
    let line = refused(&format!("JQ.LIST q dead ERROR {}", "*".repeat(257)));
    assert_eq!(line, "RANGE ERROR is a pattern of 1 to 256 bytes, not 257");
    let line = refused(&format!("JQ.LIST q leased WORKER {}", "w".repeat(257)));
    assert_eq!(line, "RANGE WORKER is a name of 1 to 256 bytes, not 257");
}

#[test]
fn a_type_has_a_name_of_a_bearable_length_that_is_not_blank() {
    let named = |word: &str, name: &[u8]| {
        let argv: [&[u8]; 5] = [word.as_bytes(), b"q", b"dead", b"TYPE", name];
        parse(find(argv[0]).unwrap(), &argv).map_err(|refused| refused.to_string()).map(drop)
    };
    for word in ["JQ.PUBLISH", "JQ.LIST"] {
        for fits in [&b"\0"[..], b" a ", &[0xff; 256]] {
            assert_eq!(named(word, fits), Ok(()));
        }
        for blank in [&b""[..], b" \t", &[b' '; 256], &[b'x'; 257]] {
            let error = named(word, blank).unwrap_err();
            assert!(error.starts_with("RANGE TYPE is a name of 1 to 256 bytes, "), "{error}");
        }
    }
}

#[test]
fn an_unknown_setting_is_answered_with_the_known_ones() {
    let known = "these are: tries ttr ttl backoff retain priority maxlen maxbody \
                 dead-max dead-age expired lapse idle-expire group-maxlen bind-counts releases-max \
                 batch-size batch-delay batch-grace events trail group-weight:<key> batch-size:<key> \
                 batch-delay:<key> batch-grace:<key>";
    let error = format!("SYNTAX 'color' is no setting, {known}");
    assert_refused(&[("JQ.CONFIG q GET color", &error), ("JQ.CONFIG q SET ttr 1 color 2", &error)]);
}

#[test]
fn the_usage_follows_a_syntax_error() {
    assert_eq!(
        call("JQ.PEEK q LATER").unwrap_err(),
        "SYNTAX unexpected 'LATER'; usage: JQ.PEEK queue [COUNT n]"
    );
}

#[test]
fn the_keys_and_settings_of_batches_are_checked() {
    assert_refused(&[
        ("JQ.BATCH q", "SYNTAX FIRE, RUN, BURY, DELETE or LIST is needed"),
        ("JQ.BATCH q OPEN a", "SYNTAX unexpected 'OPEN'"),
        ("JQ.BATCH q FIRE", "SYNTAX no value for FIRE"),
        ("JQ.BATCH q FIRE a b", "SYNTAX unexpected 'b'"),
        ("JQ.BATCH q LIST a", "SYNTAX unexpected 'a'"),
        ("JQ.PUBLISH q x BATCH", "SYNTAX no value for BATCH"),
        ("JQ.PUBLISH q x BATCH a BATCH b", "SYNTAX BATCH is given twice"),
        ("JQ.CONFIG q SET batch-size 1001", "RANGE batch-size is 0 to 1000 jobs, not '1001'"),
        ("JQ.CONFIG q SET batch-size:a -1", "RANGE batch-size is 0 to 1000 jobs, not '-1'"),
    ]);
    let line = refused(&format!("JQ.PUBLISH q x BATCH {}", "k".repeat(257)));
    assert_eq!(line, "RANGE BATCH is a key of 1 to 256 bytes, not 257");
    let line = refused(&format!("JQ.CONFIG q SET batch-delay:{} 5", "k".repeat(257)));
    assert_eq!(line, "RANGE BATCH is a key of 1 to 256 bytes, not 257");
}

#[test]
fn the_names_of_gates_are_checked() {
    assert_refused(&[
        ("JQ.GATE q", "SYNTAX OPEN, CLOSE or LIST is needed"),
        ("JQ.GATE q OPEN", "SYNTAX no value for name"),
        ("JQ.GATE q SHUT a", "SYNTAX unexpected 'SHUT'"),
        ("JQ.GATE q LIST a", "SYNTAX unexpected 'a'"),
        ("JQ.GATE q LIST OPEN", "SYNTAX OPEN cannot stand there"),
        ("JQ.PUBLISH q x WHEN", "SYNTAX no value for WHEN"),
        ("JQ.RELEASE q a UNCOUNTED uncounted", "SYNTAX UNCOUNTED is given twice"),
        ("JQ.NACK q a DELAY 5 UNCOUNTED", "SYNTAX unexpected 'UNCOUNTED'"),
    ]);
    let long = "g".repeat(65);
    for (gates, told) in [("|", ""), ("a|", ""), ("a||b", ""), (&long, &*"g".repeat(64))] {
        let line = refused(&format!("JQ.PUBLISH q x WHEN {gates}"));
        let prose = "RANGE a gate has a name of 1 to 64 bytes without '|', not '";
        assert!(line.starts_with(&format!("{prose}{told}'")), "{line}");
    }
    let line = refused("JQ.GATE q CLOSE a|b");
    assert_eq!(line, "RANGE a gate has a name of 1 to 64 bytes without '|', not 'a|b'");
    let names: Vec<_> = (0..17).map(|n| format!("gate-{n}")).collect();
    let line = refused(&format!("JQ.PUBLISH q x WHEN {}", names.join("|")));
    assert_eq!(line, "SYNTAX a WHEN names at most 16 gates");
    let line = refused(&format!("JQ.PUBLISH q x WHEN {}", names.join(" WHEN ")));
    assert_eq!(line, "SYNTAX a job has at most 16 WHEN");
}

#[test]
fn jobs_to_wait_for_are_checked() {
    assert_refused(&[
        ("JQ.PUBLISH q x AFTER", "SYNTAX no value for AFTER"),
        ("JQ.PUBLISH q x AFTER 0", "RANGE AFTER is 1 to 1000000 ids, not '0'"),
        ("JQ.PUBLISH q x AFTER 1000001", "RANGE AFTER is 1 to 1000000 ids, not '1000001'"),
        ("JQ.PUBLISH q x AFTER 2 a", "SYNTAX AFTER says 2 ids, but 1 more arguments follow"),
        ("JQ.PUBLISH q x AFTER 1 a b", "SYNTAX unexpected 'b'"),
        ("JQ.PUBLISH q x AFTER 1 a@1", "SYNTAX AFTER takes bare ids, not 'a@1'"),
        ("JQ.PUBLISH q x AFTER 1 o/a@1", "SYNTAX AFTER takes bare ids, not 'o/a@1'"),
        ("JQ.PUBLISH q x AFTER 1 a AFTER 1 b", "SYNTAX AFTER is given twice"),
        ("JQ.PUBLISH q x IFDEAD RUN", "SYNTAX IFDEAD is said of the jobs behind AFTER"),
        ("JQ.PUBLISH q x AFTER 1 a IFDEAD", "SYNTAX no value for IFDEAD"),
        ("JQ.PUBLISH q x AFTER 1 a IFDEAD WHEN", "SYNTAX WHEN cannot stand there"),
        ("JQ.PUBLISH q x AFTER 1 a BURY", "SYNTAX BURY cannot stand there"),
        (
            "JQ.PUBLISH q x AFTER 2 b a ID a",
            "SYNTAX AFTER names the job itself, or the one that it replaces",
        ),
        (
            "JQ.PUBLISH q x REPLACES 01arz3ndektsv4rrffq69g5fav AFTER 1 01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "SYNTAX AFTER names the job itself, or the one that it replaces",
        ),
    ]);
    for line in ["JQ.PUBLISH q x AFTER 1 other/", "JQ.PUBLISH q x AFTER 1 other/a!"] {
        let line = refused(line);
        assert!(line.starts_with("RANGE an id is 1 to 64"), "{line}");
    }
    let many = |word: &str, n: usize| format!("{n} {}", vec![word; n].join(" "));
    let line = format!("JQ.MPUBLISH q {} AFTER {}", many("x", 1001), many("a", 1000));
    assert_eq!(refused(&line), "SYNTAX ids times bodies are 1001000, and at most 1000000");
    let line = format!("JQ.MPUBLISH q {} AFTER {}", many("x", 101), many("o/a", 100));
    let text = "SYNTAX ids of other queues times bodies are 10100, and at most 10000";
    assert_eq!(refused(&line), text);
    let queues: Vec<_> = (0..17).map(|n| format!("other-{n}/a")).collect();
    let line = format!("JQ.PUBLISH q x AFTER 17 {}", queues.join(" "));
    assert_eq!(refused(&line), "SYNTAX AFTER names jobs of at most 16 other queues");
    for (name, bytes) in [("", 0), (&*"q".repeat(513), 513)] {
        let text = "RANGE AFTER names a queue by 1 to 512 bytes before the '/' of an id, not by";
        assert_eq!(refused(&format!("JQ.PUBLISH q x AFTER 1 {name}/a")), format!("{text} {bytes}"));
    }
}

#[test]
fn the_names_of_groups_and_limits_are_checked() {
    assert_refused(&[
        ("JQ.PUBLISH q x USES a 1 USES a 2", "SYNTAX limit 'a' is named twice"),
        ("JQ.PUBLISH q x USES a 0", "RANGE weight is 1 to 4294967295, not '0'"),
        ("JQ.PUBLISH q x USES a", "SYNTAX no value for weight"),
        ("JQ.PUBLISH q x MUTEX a MUTEX b", "SYNTAX MUTEX is given twice"),
    ]);
    for name in ["*", "group:*", "group:a", "mutex:a"] {
        for word in ["USES", "MUTEX"] {
            let line = refused(&format!("JQ.PUBLISH q x {word} {name} 1"));
            assert!(line.starts_with(&format!("RANGE {word} takes a name")), "{line}");
            assert!(line.ends_with(&format!("not '{name}'")), "{line}");
        }
    }
    let long = "g".repeat(257);
    let line = refused(&format!("JQ.PUBLISH q x GROUP {long}"));
    assert_eq!(line, "RANGE GROUP is a name of 1 to 256 bytes, not 257");
    let many: String = (0..17).map(|n| format!(" USES limit-{n} 1")).collect();
    let line = refused(&format!("JQ.PUBLISH q x{many}"));
    assert_eq!(line, "SYNTAX a job uses at most 16 limits");
}

#[test]
fn what_a_limit_permits_is_checked() {
    assert_refused(&[
        ("JQ.LIMIT q", "SYNTAX SET, DEL or LIST is needed"),
        ("JQ.LIMIT q SET", "SYNTAX no value for SET"),
        ("JQ.LIMIT q SET a CONCURRENCY 0", "RANGE CONCURRENCY is 1 to 4294967295, not '0'"),
        ("JQ.LIMIT q SET a RATE 5", "SYNTAX RATE needs PER"),
        ("JQ.LIMIT q SET a PER 5", "SYNTAX PER cannot stand there"),
        ("JQ.LIMIT q SET a RATE 1 PER 0", "RANGE PER is 1 to 3155760000000 milliseconds, not '0'"),
        (
            "JQ.LIMIT q SET a UNLIMITED CONCURRENCY 5",
            "SYNTAX CONCURRENCY and UNLIMITED exclude each other",
        ),
        ("JQ.LIMIT q DEL", "SYNTAX no value for DEL"),
    ]);
    let line = refused("JQ.LIMIT q SET mutex:a");
    assert!(line.starts_with("RANGE JQ.LIMIT takes a name of 1 to 256 bytes"), "{line}");
}

#[test]
fn a_key_is_checked_and_what_is_said_of_it_goes_behind_it() {
    assert_refused(&[
        ("JQ.PUBLISH q x FOR 5", "SYNTAX FOR goes behind UNIQUE"),
        ("JQ.PUBLISH q x UNTIL DONE UNIQUE a", "SYNTAX UNTIL goes behind UNIQUE"),
        ("JQ.PUBLISH q x ONDUPLICATE RETURN", "SYNTAX ONDUPLICATE goes behind UNIQUE"),
        ("JQ.PUBLISH q x USES a 1 FOR 5", "SYNTAX FOR goes behind UNIQUE"),
        ("JQ.PUBLISH q x UNIQUE", "SYNTAX no value for UNIQUE"),
        ("JQ.PUBLISH q x UNIQUE a UNIQUE b", "SYNTAX UNIQUE is given twice"),
        ("JQ.PUBLISH q x UNIQUE a FOR", "SYNTAX no value for FOR"),
        ("JQ.PUBLISH q x UNIQUE a FOR 1 FOR 2", "SYNTAX FOR is given twice"),
        ("JQ.PUBLISH q x UNIQUE a UNTIL", "SYNTAX no value for UNTIL"),
        ("JQ.PUBLISH q x UNIQUE a UNTIL later", "SYNTAX unexpected 'later'"),
        ("JQ.PUBLISH q x UNIQUE a UNTIL REJECT", "SYNTAX REJECT cannot stand there"),
        ("JQ.PUBLISH q x UNIQUE a START", "SYNTAX START cannot stand there"),
        ("JQ.PUBLISH q x UNIQUE a UNTIL START UNTIL DONE", "SYNTAX UNTIL is given twice"),
        ("JQ.PUBLISH q x UNIQUE a ONDUPLICATE", "SYNTAX no value for ONDUPLICATE"),
        ("JQ.PUBLISH q x UNIQUE a ONDUPLICATE DONE", "SYNTAX DONE cannot stand there"),
        ("JQ.PUBLISH q x UNIQUE a ONDUPLICATE REPLACES b", "SYNTAX REPLACES cannot stand there"),
        ("JQ.PUBLISH q x UNIQUE a RETURN", "SYNTAX RETURN cannot stand there"),
        ("JQ.PUBLISH q x UNIQUE a FOR 0", "RANGE FOR is 1 to 3155760000000 milliseconds, not '0'"),
        ("JQ.PUBLISH q x UNIQUE a b", "SYNTAX unexpected 'b'"),
        ("JQ.MPUBLISH q 1 x UNIQUE a", "SYNTAX unexpected 'UNIQUE'"),
        ("JQ.UPDATE q a UNIQUE b", "SYNTAX unexpected 'UNIQUE'"),
    ]);
    for bytes in [0, 257] {
        let line = refused(&format!("JQ.PUBLISH q x UNIQUE {}", "k".repeat(bytes)));
        assert_eq!(line, format!("RANGE UNIQUE takes a key of 1 to 256 bytes, not of {bytes}"));
    }
}

#[test]
fn what_is_wrong_behind_then_is_told_as_of_a_publish() {
    for (line, expected) in [
        ("JQ.ACK q a THEN", "SYNTAX no value for queue; usage: JQ.PUBLISH queue body"),
        ("JQ.ACK q a THEN r", "SYNTAX no value for body; usage: JQ.PUBLISH queue body"),
        ("JQ.ACK q a THEN r x TTL 1 TTL 1", "SYNTAX TTL is given twice; usage: JQ.PUBLISH"),
        ("JQ.ACK q a THEN r x TRIES 0", "RANGE TRIES is 1 to 4294967295, not '0'"),
    ] {
        let refused = call(line).expect_err(line);
        assert!(refused.starts_with(expected), "{line}: {refused}");
    }
}

#[test]
fn what_is_no_receipt_and_what_is_no_target_is_refused() {
    let long = "x".repeat(4097);
    assert_refused(&[
        ("JQ.DELIVERED q a", "RANGE a receipt is an id and @token, not 'a'"),
        ("JQ.SUBSCRIBE q a", "SYNTAX no value for target"),
        ("JQ.UNSUBSCRIBE q a", "SYNTAX no value for target"),
        ("JQ.NOTICES q 2", "SYNTAX unexpected '2'"),
        ("JQ.NOTICES q COUNT 1001", "RANGE COUNT is 1 to 1000 notices, not '1001'"),
        (&format!("JQ.SUBSCRIBE q a {long}"), "RANGE a target has at most 4096 bytes, not 4097"),
        (&format!("JQ.DELIVERED q a@1 {long}"), "RANGE a target has at most 4096 bytes, not 4097"),
    ]);
}
