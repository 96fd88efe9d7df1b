//! What each command's arguments mean. The refusals are in `refusals.rs`; random vectors, and ones
//! made up from the table, are in `fuzz.rs`.

mod fuzz;
mod refusals;
mod schedules;

use jobq_engine::{
    Action, Backoff, BatchOrder, Bodies, Change, Cursor, Due, Grain, Haste, IfDead, JobRef,
    LimitName, Listing, Millis, Otherwise, Permits, Rate, Retain, Setting, Side, StateKind, Token,
    Unique, UnixMillis, Until, Use, Verdict, WhenExpired, WhenLapsed, Which,
};

use super::*;
use crate::{
    call::{ConsumeCall, DebugCall, EventsCall, Gather, Since, StatsView, WorkerCall, WorkerWish},
    settings::SettingName,
    steps::{Packed, Step},
    table::find,
};

/// Parses a line of words without blanks in them.
fn call(line: &str) -> Result<Call<'_>, String> {
    let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let command = find(argv[0]).expect(line);
    parse(command, &argv).map_err(|refused| refused.to_string())
}

fn understood(line: &str) -> Call<'_> {
    call(line).unwrap_or_else(|refused| panic!("{line}: {refused}"))
}

fn consume(line: &str) -> ConsumeCall<'_> {
    match understood(line) {
        Call::Consume(call) => call,
        other => panic!("{line}: {other:?}"),
    }
}

fn job(id: &str) -> JobRef<'_> {
    JobRef::parse(id.as_bytes()).unwrap()
}

fn receipt(id: &str, token: u64) -> JobRef<'_> {
    let mut job = job(id);
    job.token = Some(Token(token));
    job
}

#[test]
fn a_publish_in_its_shortest_form_wishes_nothing() {
    let Call::Act(Action::Publish(publish)) = understood("JQ.PUBLISH q hello") else { panic!() };
    assert!(matches!(publish.bodies, Bodies::One(b"hello")));
    assert_eq!((publish.id, publish.due), (None, Due::Now));
    assert_eq!((publish.deadline, publish.replaces), (None, None));
    assert!(publish.headers.is_empty());
    assert_eq!(publish.wishes, Default::default());
}

#[test]
fn a_publish_takes_every_option_in_any_order_and_either_case() {
    let line =
        "JQ.PUBLISH q hello priority -5 Backoff EXP:100:900 tries 3 TTR 1 ttl 0 delay 0 ID a:1";
    let Call::Act(Action::Publish(publish)) = understood(line) else { panic!() };
    let wishes = publish.wishes;
    assert_eq!(publish.id, Some("a:1"));
    assert_eq!(publish.due, Due::In(Millis(0)));
    assert_eq!(wishes.priority, Some(-5));
    let backoff = Backoff::Exponential { base: Millis(100), max: Millis(900) };
    assert_eq!(wishes.backoff, Some(backoff));
    assert_eq!((wishes.tries, wishes.ttr, wishes.ttl), (Some(3), Some(Millis(1)), Some(Millis(0))));

    let Call::Act(Action::Publish(publish)) = understood("JQ.PUBLISH q hello AT 1763695620000")
    else {
        panic!()
    };
    assert_eq!(publish.due, Due::At(UnixMillis(1_763_695_620_000)));
}

#[test]
fn a_publish_says_what_the_job_is_when_it_ends_and_what_it_replaces() {
    let line = "JQ.PUBLISH q hello replaces b@7 retain Forever deadline 9 type greeting \
                headers 2 lang en tone warm TTL 5";
    let Call::Act(Action::Publish(publish)) = understood(line) else { panic!() };
    assert_eq!(publish.replaces, Some(receipt("b", 7)));
    assert_eq!(publish.deadline, Some(UnixMillis(9)));
    assert_eq!(publish.headers, [(&b"lang"[..], &b"en"[..]), (b"tone", b"warm")]);
    assert_eq!(publish.wishes.job_type, Some(&b"greeting"[..]));
    assert_eq!(publish.wishes.retain, Some(Retain::Forever));
    assert_eq!(publish.wishes.ttl, Some(Millis(5)));

    let Call::Act(Action::Publish(publish)) = understood("JQ.MPUBLISH q 1 x RETAIN 0") else {
        panic!()
    };
    assert_eq!(publish.wishes.retain, Some(Retain::NONE));
    let line = "JQ.PUBLISH q hello ID a REPLACES a";
    let Call::Act(Action::Publish(publish)) = understood(line) else { panic!() };
    assert_eq!((publish.id, publish.replaces), (Some("a"), Some(job("a"))));
}

#[test]
fn neither_a_type_nor_a_header_is_taken_for_a_word() {
    let line = "JQ.PUBLISH q hello TYPE HEADERS HEADERS 2 TTL TTL DELAY AT TTR 5";
    let Call::Act(Action::Publish(publish)) = understood(line) else { panic!() };
    assert_eq!(publish.wishes.job_type, Some(&b"HEADERS"[..]));
    assert_eq!(publish.headers, [(&b"TTL"[..], &b"TTL"[..]), (b"DELAY", b"AT")]);
    assert_eq!(publish.wishes.ttr, Some(Millis(5)));
}

#[test]
fn headers_are_any_bytes_and_their_names_differ_to_the_byte() {
    let argv: [&[u8]; 9] =
        [b"JQ.PUBLISH", b"q", b"", b"HEADERS", b"2", b"\xFF\0", b"", b"\xff\x01", b"\r\n"];
    let parsed = parse(find(argv[0]).unwrap(), &argv);
    let Ok(Call::Act(Action::Publish(publish))) = parsed else { panic!("{parsed:?}") };
    assert_eq!(publish.headers, [(&b"\xFF\0"[..], &b""[..]), (b"\xFF\x01", b"\r\n")]);

    let Call::Act(Action::Publish(publish)) = understood("JQ.PUBLISH q x HEADERS 2 a 1 A 1") else {
        panic!()
    };
    assert_eq!(publish.headers.len(), 2, "names are no words: case makes a difference");
}

#[test]
fn a_body_is_never_taken_for_a_word() {
    let Call::Act(Action::Publish(publish)) = understood("JQ.PUBLISH q DELAY DELAY 5") else {
        panic!()
    };
    assert_eq!(publish.bodies.as_slice(), [b"DELAY"]);

    let line = "JQ.MPUBLISH q 3 TTL TTR TTL TTL 5";
    let Call::Act(Action::Publish(publish)) = understood(line) else { panic!() };
    assert_eq!(publish.bodies.as_slice(), [&b"TTL"[..], b"TTR", b"TTL"]);
    assert_eq!(publish.wishes.ttl, Some(Millis(5)));
}

#[test]
fn a_publish_names_gates_and_of_several_names_one_is_enough() {
    let line = "JQ.PUBLISH q hello WHEN night|weekend PRIORITY 1 when paid";
    let Call::Act(Action::Publish(publish)) = understood(line) else { panic!() };
    let when = [vec![&b"night"[..], b"weekend"], vec![b"paid"]];
    assert_eq!(publish.conditions.expect("some").when, when);
}

#[test]
fn a_publish_names_jobs_of_other_queues_behind_the_last_slash() {
    let line = "JQ.PUBLISH a/b x AFTER 5 own other/x a/b/y a/z other/01ARZ3NDEKTSV4RRFFQ69G5FAV IFDEAD RUN";
    let Call::Act(Action::Publish(publish)) = understood(line) else { panic!() };
    let conditions = publish.conditions.expect("some");
    assert_eq!(conditions.after, [job("own"), job("y")], "its own queue is no other");
    let named = [("other", "x"), ("a", "z"), ("other", "01ARZ3NDEKTSV4RRFFQ69G5FAV")];
    let distant = named.map(|(queue, id)| jobq_engine::Distant {
        queue: queue.as_bytes(),
        job: job(id),
        waits: false,
    });
    assert_eq!(conditions.distant, distant);
    assert_eq!(conditions.if_dead, IfDead::Run);
    // What the others are, and not which they are, is named twice, or is the job itself.
    assert!(matches!(understood("JQ.PUBLISH q x ID a AFTER 2 other/a other/a"), Call::Act(_)));
}

#[test]
fn a_publish_names_the_jobs_that_it_waits_for() {
    let line = "JQ.PUBLISH q hello AFTER 3 a IFDEAD b ifdead bury WHEN c";
    let Call::Act(Action::Publish(publish)) = understood(line) else { panic!() };
    let conditions = publish.conditions.expect("some");
    assert_eq!(conditions.after, [job("a"), job("IFDEAD"), job("b")]);
    assert_eq!(conditions.if_dead, IfDead::Bury);
    for (words, if_dead) in
        [("", IfDead::Hold), (" IFDEAD HOLD", IfDead::Hold), (" IFDEAD run", IfDead::Run)]
    {
        let line = format!("JQ.MPUBLISH q 2 x y AFTER 1 a{words}");
        let Call::Act(Action::Publish(publish)) = understood(&line) else { panic!() };
        assert_eq!(publish.conditions.expect("some").if_dead, if_dead);
    }
}

#[test]
fn a_publish_names_the_key_of_its_batch() {
    let Call::Act(Action::Publish(publish)) = understood("JQ.PUBLISH q x batch BATCH TTL 5") else {
        panic!()
    };
    assert_eq!(publish.conditions.expect("some").batch, b"BATCH");
    assert_eq!(publish.wishes.ttl, Some(Millis(5)));
}

#[test]
fn those_who_gather_are_fired_run_buried_deleted_or_listed() {
    for (word, expected) in [
        ("FIRE", BatchOrder::Fire),
        ("run", BatchOrder::Run),
        ("BURY", BatchOrder::Bury),
        ("Delete", BatchOrder::Delete),
    ] {
        let line = format!("JQ.BATCH q {word} LIST");
        let Call::Act(Action::Batch { key, order }) = understood(&line) else { panic!("{line}") };
        assert_eq!((key, order), (&b"LIST"[..], expected), "{line}");
    }
    assert!(matches!(understood("JQ.BATCH q list"), Call::Batches));
    let Call::List(listing) = understood("JQ.LIST q gathering BATCH a") else { panic!() };
    assert_eq!((listing.state, listing.batch), (StateKind::Gathering, Some(&b"a"[..])));
}

#[test]
fn gates_are_opened_closed_or_listed() {
    for (line, opened) in [("JQ.GATE q OPEN a CLOSE a", true), ("JQ.GATE q close a CLOSE a", false)]
    {
        let Call::Act(Action::Gate { opens, names }) = understood(line) else { panic!("{line}") };
        assert_eq!((opens, names), (opened, vec![&b"a"[..], b"CLOSE", b"a"]), "{line}");
    }
    assert!(matches!(understood("JQ.GATE q list"), Call::Gates));
}

#[test]
fn a_publish_says_whose_the_job_is_and_which_limits_it_uses() {
    let line = "JQ.PUBLISH q hello USES disk 3 group acme uses net 1 MUTEX disk";
    let Call::Act(Action::Publish(publish)) = understood(line) else { panic!() };
    assert_eq!(publish.wishes.group, Some(&b"acme"[..]));
    let one = |limit, weight| Use { limit, weight };
    let named = |name| LimitName::Named(name);
    let uses = [one(named(b"disk"), 3), one(named(b"net"), 1), one(LimitName::Mutex(b"disk"), 1)];
    assert_eq!(publish.conditions.expect("some").uses, uses);
}

#[test]
fn a_limit_permits_what_is_said_and_all_else() {
    let permits = |line| match understood(line) {
        Call::Act(Action::Limit { name, permits }) => (name, permits),
        other => panic!("{line}: {other:?}"),
    };
    let rate = Some(Rate { tokens: 5, per: Millis(60) });
    let both = Permits { concurrency: Some(3), rate };
    assert_eq!(permits("JQ.LIMIT q set a RATE 5 per 60 concurrency 3"), (&b"a"[..], Some(both)));
    let unlimited = Permits { concurrency: None, rate };
    assert_eq!(permits("JQ.LIMIT q SET * UNLIMITED RATE 5 PER 60"), (&b"*"[..], Some(unlimited)));
    assert_eq!(permits("JQ.LIMIT q SET a"), (&b"a"[..], Some(Permits::default())));
    assert_eq!(permits("JQ.LIMIT q DEL group:*"), (&b"group:*"[..], None));
    assert!(matches!(understood("JQ.LIMIT q LIST"), Call::Limits));
}

#[test]
fn a_publish_says_what_is_unique_for_how_long_and_what_becomes_of_a_duplicate() {
    let unique = |line| match understood(line) {
        Call::Act(Action::Publish(publish)) => {
            publish.conditions.expect("some").unique.expect("so")
        }
        other => panic!("{line}: {other:?}"),
    };
    let plain = unique("JQ.PUBLISH q hello UNIQUE for");
    assert_eq!(plain, Unique::new(b"for"), "a key may have the name of a word");
    assert_eq!((plain.lasts, plain.until), (Millis::ZERO, Until::Gone));
    assert_eq!(plain.otherwise, Otherwise::Reject);
    let full = unique("JQ.PUBLISH q x unique UNIQUE for 7 DELAY 1 onduplicate replace until Start");
    let (until, otherwise) = (Until::Start, Otherwise::Replace);
    assert_eq!(full, Unique { key: b"UNIQUE", lasts: Millis(7), until, otherwise });
    assert_eq!(unique("JQ.PUBLISH q x UNIQUE a UNTIL DONE").until, Until::Done);
    let returned = unique("JQ.PUBLISH q x UNIQUE a ONDUPLICATE RETURN ID b REPLACES c");
    assert_eq!(returned.otherwise, Otherwise::Return);
    let rejected = unique("JQ.PUBLISH q x USES a 1 UNIQUE a ONDUPLICATE reject MUTEX m");
    assert_eq!(rejected.otherwise, Otherwise::Reject);
    let longest = "k".repeat(256);
    let line = format!("JQ.PUBLISH q x UNIQUE {longest} FOR 3155760000000");
    let Call::Act(Action::Publish(publish)) = understood(&line) else { panic!() };
    let unique = publish.conditions.expect("some").unique.expect("so");
    assert_eq!((unique.key, unique.lasts), (longest.as_bytes(), Millis::MAX));
}

#[test]
fn publishing_many_says_so_even_for_one_body() {
    let Call::Act(Action::Publish(publish)) = understood("JQ.MPUBLISH q 1 x TRIES 2") else {
        panic!()
    };
    assert!(matches!(publish.bodies, Bodies::Many(ref bodies) if bodies.len() == 1));
}

#[test]
fn a_consume_in_its_shortest_form_takes_one_job_and_does_not_wait() {
    let call = consume("JQ.CONSUME q");
    let ConsumeCall { consume, block, gather, bind, details, weights, queues } = call;
    assert!(!details);
    assert_eq!((gather, bind), (None, None));
    assert_eq!(consume.count, 1);
    assert_eq!(consume.holder.worker, b"");
    assert_eq!(consume.holder.ttr, Millis::ZERO);
    assert!(consume.holder.counted);
    assert_eq!(block, None);
    assert!(weights.is_empty());
    assert_eq!(queues[..], [b"q"]);
}

#[test]
fn a_consume_takes_every_option() {
    let line = "JQ.CONSUME q COUNT 10000 TTR 5 BLOCK 0 WORKER w FREE details WEIGHTS 5,1000,1 \
                bind 7 MIN 10000 LINGER 1 ALSO r FREE";
    let ConsumeCall { consume, block, gather, bind, details, weights, queues } = consume(line);
    assert_eq!(gather, Some(Gather { min: 10_000, linger: Millis(1) }));
    assert_eq!(bind, Some(Millis(7)));
    assert!(details);
    assert_eq!(consume.count, 10_000);
    assert_eq!(consume.holder.worker, b"w");
    assert_eq!(consume.holder.ttr, Millis(5));
    assert!(!consume.holder.counted);
    assert_eq!(block, Some(Millis(0)));
    assert_eq!(weights, [5, 1000, 1]);
    assert_eq!(queues[..], [&b"q"[..], b"r", b"FREE"], "all that follows ALSO is queues");
}

#[test]
fn the_grace_of_a_bond_is_none_unless_it_is_named() {
    for line in ["JQ.CONSUME q BIND", "JQ.CONSUME q BIND 0", "JQ.CONSUME q BIND ALSO 5"] {
        assert_eq!(consume(line).bind, Some(Millis(0)), "{line}");
    }
    assert_eq!(consume("JQ.CONSUME q BIND 90 FREE").bind, Some(Millis(90)));
}

#[test]
fn the_words_of_a_gathering_may_stand_apart() {
    let gather = Some(Gather { min: 2, linger: Millis(5) });
    assert_eq!(consume("JQ.CONSUME q LINGER 5 BLOCK 0 MIN 2 COUNT 3").gather, gather);
}

#[test]
fn a_worker_may_have_the_name_of_a_word() {
    assert_eq!(consume("JQ.CONSUME q WORKER ALSO").consume.holder.worker, b"ALSO");
}

#[test]
fn a_peek_shows_one_job_unless_told_otherwise() {
    assert!(matches!(understood("JQ.PEEK q"), Call::Peek { count: 1 }));
    assert!(matches!(understood("JQ.PEEK q COUNT 20"), Call::Peek { count: 20 }));
}

#[test]
fn settling_takes_ids_and_receipts_and_what_goes_with_the_verdict() {
    let settled = |line| match understood(line) {
        Call::Act(Action::Settle { jobs, verdict }) => (jobs.to_vec(), verdict),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(settled("JQ.ACK q a@7"), (vec![receipt("a", 7)], Verdict::Ack));
    assert_eq!(
        settled("JQ.NACK q a"),
        (vec![job("a")], Verdict::Nack { delay: None, error: None })
    );
    assert_eq!(
        settled("JQ.NACK q a b@1 ERROR DELAY delay 0"),
        (
            vec![job("a"), receipt("b", 1)],
            Verdict::Nack { delay: Some(Millis(0)), error: Some(b"DELAY") }
        )
    );
    assert_eq!(
        settled("JQ.RELEASE q a b"),
        (vec![job("a"), job("b")], Verdict::Release { delay: Millis(0), counted: true })
    );
    assert_eq!(
        settled("JQ.RELEASE q a uncounted delay 9"),
        (vec![job("a")], Verdict::Release { delay: Millis(9), counted: false })
    );
    assert_eq!(
        settled("JQ.RELEASE q a DELAY 9"),
        (vec![job("a")], Verdict::Release { delay: Millis(9), counted: true })
    );
    assert_eq!(
        settled("JQ.FULFILL q a@7 done"),
        (vec![receipt("a", 7)], Verdict::Fulfill { result: b"done", retain: None })
    );
    assert_eq!(
        settled("JQ.FULFILL q RETAIN RETAIN retain forever"),
        (
            vec![job("RETAIN")],
            Verdict::Fulfill { result: b"RETAIN", retain: Some(Retain::Forever) }
        )
    );
    assert_eq!(
        settled("JQ.FULFILL q a b RETAIN 5"),
        (vec![job("a")], Verdict::Fulfill { result: b"b", retain: Some(Retain::For(Millis(5))) })
    );
    assert_eq!(settled("JQ.BURY q a"), (vec![job("a")], Verdict::Bury { error: None }));
    assert_eq!(
        settled("JQ.BURY q a ERROR no"),
        (vec![job("a")], Verdict::Bury { error: Some(b"no") })
    );
}

#[test]
fn all_jobs_that_wait_can_be_buried_at_once() {
    for (line, buried) in [
        ("JQ.BURY q ALL ready", (StateKind::Ready, u64::MAX)),
        ("JQ.BURY q all Delayed count 3", (StateKind::Delayed, 3)),
    ] {
        let Call::Act(Action::BuryAll { state, count }) = understood(line) else {
            panic!("{line}")
        };
        assert_eq!((state, count), buried, "{line}");
    }
    let Call::Act(Action::Settle { jobs, .. }) = understood("JQ.BURY q ALL@1 ready@2") else {
        panic!()
    };
    assert_eq!(jobs[..], [receipt("ALL", 1), receipt("ready", 2)], "a receipt is no word");
}

#[test]
fn a_word_without_a_meaning_for_a_command_is_an_id_there() {
    let Call::Act(Action::Settle { jobs, .. }) = understood("JQ.ACK q DELAY ERROR") else {
        panic!()
    };
    assert_eq!(jobs[..], [job("DELAY"), job("ERROR")]);
    let Call::Act(Action::Settle { jobs, .. }) = understood("JQ.NACK q DELAY@7") else { panic!() };
    assert_eq!(jobs[..], [receipt("DELAY", 7)], "a receipt is no word");
}

#[test]
fn a_touch_extends_by_the_old_ttr_or_a_new_one() {
    let touch = |line| match understood(line) {
        Call::Act(Action::Touch { jobs, ttr, progress, result }) => {
            (jobs.to_vec(), ttr, progress, result)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(
        touch("JQ.TOUCH q a@1 b@2"),
        (vec![receipt("a", 1), receipt("b", 2)], None, None, None)
    );
    assert_eq!(touch("JQ.TOUCH q ttr 5 a@1"), (vec![receipt("a", 1)], Some(Millis(5)), None, None));
    let both = (vec![receipt("a", 1)], Some(Millis(5)), Some(40), Some(&b"ttr"[..]));
    assert_eq!(touch("JQ.TOUCH q progress 40 result ttr ttr 5 a@1"), both);
    assert_eq!(touch("JQ.TOUCH q TTR 5 RESULT ttr PROGRESS 40 a@1"), both);
}

#[test]
fn what_is_behind_then_is_what_is_behind_a_publish() {
    let line = "JQ.ACK q a@1 then r hello ID b DELAY 5";
    let Call::Chain { done, to, next } = understood(line) else { panic!() };
    assert_eq!((done, to), (receipt("a", 1), &b"r"[..]));
    assert_eq!((next.id, next.due), (Some("b"), Due::In(Millis(5))));
    let Bodies::One(body) = next.bodies else { panic!() };
    assert_eq!(body, b"hello");
    // An id is no word in a receipt, and a word of a publish is none of an ack.
    let Call::Act(Action::Settle { jobs, .. }) = understood("JQ.ACK q THEN@1 ID") else { panic!() };
    assert_eq!(jobs[..], [receipt("THEN", 1), job("ID")]);
}

#[test]
fn an_update_changes_what_is_named_and_nothing_else() {
    let updated = |line| match understood(line) {
        Call::Act(Action::Update { job, change }) => (job, change),
        other => panic!("{line}: {other:?}"),
    };
    let alone = Change::default();
    for (line, change) in [
        ("JQ.UPDATE q a BODY hello", Change { body: Some(b"hello"), ..alone }),
        ("JQ.UPDATE q a delay 0", Change { due: Some(Due::In(Millis(0))), ..alone }),
        ("JQ.UPDATE q a AT 7", Change { due: Some(Due::At(UnixMillis(7))), ..alone }),
        ("JQ.UPDATE q a PRIORITY -20", Change { priority: Some(-20), ..alone }),
        ("JQ.UPDATE q a TTL 0", Change { ttl: Some(Millis(0)), ..alone }),
        ("JQ.UPDATE q a TRIES 1", Change { tries: Some(1), ..alone }),
    ] {
        assert_eq!(updated(line), (job("a"), change), "{line}");
    }
    let line = "JQ.UPDATE q a@7 ifversion 3 TRIES 5 TTL 6 PRIORITY 2 AT 9 BODY x";
    let change = Change {
        body: Some(b"x"),
        due: Some(Due::At(UnixMillis(9))),
        priority: Some(2),
        ttl: Some(Millis(6)),
        tries: Some(5),
        if_version: Some(3),
    };
    assert_eq!(updated(line), (receipt("a", 7), change));
}

#[test]
fn neither_the_job_nor_the_new_body_of_an_update_is_taken_for_a_word() {
    let Call::Act(Action::Update { job: named, change }) = understood("JQ.UPDATE q BODY BODY TTL")
    else {
        panic!()
    };
    assert_eq!(named, job("BODY"));
    assert_eq!(change, Change { body: Some(b"TTL"), ..Change::default() });
}

#[test]
fn a_kick_names_a_number_or_jobs_or_all() {
    let kicked = |line| match understood(line) {
        Call::Act(Action::Kick(which)) => which,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(kicked("JQ.KICK q COUNT 9223372036854775807"), Which::First(i64::MAX as u64));
    assert_eq!(kicked("JQ.KICK q id a b"), Which::Ids(vec![job("a"), job("b")].into()));
    assert_eq!(kicked("JQ.KICK q all"), Which::First(u64::MAX));
}

#[test]
fn a_respawn_names_a_number_or_jobs_or_all_and_the_terms() {
    let respawned = |line| match understood(line) {
        Call::Act(Action::Respawn { which, revival }) => (which, revival),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(respawned("JQ.RESPAWN q ALL"), (Which::First(u64::MAX), Default::default()));
    let (which, revival) = respawned("JQ.RESPAWN q COUNT 3 TRIES 2 TTL 4 DELAY 5");
    assert_eq!(which, Which::First(3));
    assert_eq!(revival.tries, Some(2));
    assert_eq!((revival.ttl, revival.delay), (Some(Millis(4)), Millis(5)));
    let (which, revival) = respawned("JQ.RESPAWN q ID a b DELAY 5");
    assert_eq!(which, Which::Ids(vec![job("a"), job("b")].into()));
    assert_eq!((revival.tries, revival.ttl, revival.delay), (None, None, Millis(5)));
}

#[test]
fn a_delete_takes_ids_and_receipts() {
    let Call::Act(Action::Delete(jobs)) = understood("JQ.DELETE q a b@2") else { panic!() };
    assert_eq!(jobs[..], [job("a"), receipt("b", 2)]);
}

#[test]
fn a_cancel_takes_one_id_or_receipt_be_it_a_word_or_not() {
    let Call::Act(Action::Cancel(named)) = understood("JQ.CANCEL q b@2") else { panic!() };
    assert_eq!(named, receipt("b", 2));
    let Call::Act(Action::Cancel(named)) = understood("JQ.CANCEL q ALL") else { panic!() };
    assert_eq!(named, job("ALL"));
}

#[test]
fn a_publish_that_waits_says_where_and_for_how_long() {
    for (line, expected) in [
        ("JQ.PUBLISH q hello BLOCK 0", (Millis(0), 3)),
        ("JQ.PUBLISH q BLOCK ID BLOCK block 5 DELAY 7", (Millis(5), 5)),
        ("JQ.PUBLISH q hello HEADERS 1 BLOCK 6 TTL 9 Block 5", (Millis(5), 9)),
        ("JQ.MPUBLISH q 2 BLOCK 5 TYPE BLOCK BLOCK 8 DELAY 7", (Millis(8), 7)),
    ] {
        let Call::PublishOrWait { publish, span, place } = understood(line) else { panic!() };
        assert_eq!((span, place), expected, "{line}");
        // Without the word and its value, the same is asked for.
        let mut words: Vec<_> = line.split(' ').collect();
        words.drain(place..place + 2);
        let without = words.join(" ");
        let Call::Act(Action::Publish(same)) = understood(&without) else { panic!("{without}") };
        assert_eq!(format!("{publish:?}"), format!("{same:?}"), "{line}");
    }
}

#[test]
fn a_record_says_nothing_of_waiting() {
    let bytes = packed(&[Step::Command]);
    let parsed = record(&bytes, "JQ.PUBLISH q hello BLOCK 5 ID a");
    let Ok(Call::Apply { asked: Some(Action::Publish(publish)), .. }) = parsed else { panic!() };
    assert_eq!(publish.id, Some("a"));
}

#[test]
fn a_purge_is_of_one_state_and_of_all_its_jobs_unless_counted() {
    for state in StateKind::ALL {
        let line = format!("JQ.PURGE q {}", state.name().to_uppercase());
        let Call::Act(Action::Purge { state: found, count }) = understood(&line) else {
            panic!("{line}")
        };
        assert_eq!((found, count), (state, u64::MAX), "{line}");
    }
    let Call::Act(Action::Purge { state, count }) = understood("JQ.PURGE q dead count 3") else {
        panic!()
    };
    assert_eq!((state, count), (StateKind::Dead, 3));
}

#[test]
fn a_pause_is_of_both_sides_until_it_is_resumed_unless_told_otherwise() {
    for (line, paused) in [
        ("JQ.PAUSE q", (Side::Both, Millis::ZERO)),
        ("JQ.PAUSE q both", (Side::Both, Millis::ZERO)),
        ("JQ.PAUSE q in", (Side::In, Millis::ZERO)),
        ("JQ.PAUSE q OUT FOR 1", (Side::Out, Millis(1))),
        ("JQ.PAUSE q FOR 3155760000000", (Side::Both, Millis::MAX)),
        ("JQ.PAUSE q for 5 Out", (Side::Out, Millis(5))),
    ] {
        let Call::Act(Action::Pause { side, span }) = understood(line) else { panic!("{line}") };
        assert_eq!((side, span), paused, "{line}");
    }
    assert!(matches!(understood("JQ.RESUME q"), Call::Act(Action::Resume)));
}

#[test]
fn one_job_is_told_of_by_its_id_or_a_receipt() {
    for (line, named) in [
        ("JQ.JOB q a", job("a")),
        ("JQ.JOB q a@2", receipt("a", 2)),
        ("JQ.JOB q COUNT", job("COUNT")),
    ] {
        let Call::Job(found) = understood(line) else { panic!("{line}") };
        assert_eq!(found, named, "{line}");
    }
}

#[test]
fn a_list_is_of_one_state_and_begins_at_its_first_job_unless_told_otherwise() {
    let listed = |line| match understood(line) {
        Call::List(listing) => listing,
        other => panic!("{line}: {other:?}"),
    };
    for kind in StateKind::ALL {
        let line = format!("JQ.LIST q {}", kind.name().to_uppercase());
        let Call::List(listing) = understood(&line) else { panic!("{line}") };
        let Listing { state, reverse, after, count, job_type, group, batch, .. } = listing;
        let Listing { error, worker, min_age, max_age, .. } = listing;
        assert_eq!((group, batch, error, worker), (None, None, None, None), "{line}");
        assert_eq!((state, reverse, after, count), (kind, false, None, 10), "{line}");
        assert_eq!((job_type, min_age, max_age), (None, None, None), "{line}");
    }
    assert_eq!(listed("JQ.LIST q dead CURSOR 0").after, None);
    let line =
        "JQ.LIST q dead reverse CURSOR 17-3-0-0-0-0-17 count 10000 TYPE dead GROUP g BATCH b \
         ERROR *[a] WORKER w MINAGE 0 MAXAGE 5";
    let Listing { state, reverse, after, count, job_type, group, batch, .. } = listed(line);
    let Listing { error, worker, min_age, max_age, .. } = listed(line);
    assert_eq!((state, reverse, count), (StateKind::Dead, true, 10_000));
    assert_eq!(after, Cursor::parse(b"17-3-0-0-0-0-17"));
    assert!(after.is_some());
    assert_eq!((group, batch), (Some(&b"g"[..]), Some(&b"b"[..])));
    assert_eq!((error, worker), (Some(&b"*[a]"[..]), Some(&b"w"[..])));
    assert_eq!(job_type, Some(&b"dead"[..]), "a type may have the name of a state");
    assert_eq!((min_age, max_age), (Some(Millis(0)), Some(Millis(5))));
}

#[test]
fn a_result_is_waited_for_only_if_that_is_said() {
    for (line, asked) in [
        ("JQ.RESULT q a", (job("a"), None)),
        ("JQ.RESULT q a@2 block 0", (receipt("a", 2), Some(Millis(0)))),
        ("JQ.RESULT q BLOCK BLOCK 5", (job("BLOCK"), Some(Millis(5)))),
    ] {
        let Call::Result { job, block } = understood(line) else { panic!("{line}") };
        assert_eq!((job, block), asked, "{line}");
    }
}

#[test]
fn events_are_read_from_a_cursor_on_and_waited_for_only_if_that_is_said() {
    for (line, since, count, block) in [
        ("JQ.EVENTS q", Since::Oldest, 100, None),
        ("JQ.EVENTS q SINCE $", Since::Now, 100, None),
        ("JQ.EVENTS q block 0 since 0", Since::Number(0), 100, Some(Millis(0))),
        (
            "JQ.EVENTS q COUNT 10000 SINCE 9223372036854775807",
            Since::Number(u64::MAX / 2),
            10_000,
            None,
        ),
    ] {
        let Call::Events(call) = understood(line) else { panic!("{line}") };
        assert_eq!(call, EventsCall { since, count, block }, "{line}");
    }
}

#[test]
fn a_job_is_told_of_or_what_has_happened_to_it() {
    assert!(matches!(understood("JQ.JOB q TRACE"), Call::Job(it) if it == job("TRACE")));
    assert!(matches!(understood("JQ.JOB q a trace"), Call::Trace(it) if it == job("a")));
}

#[test]
fn queues_are_told_without_naming_one() {
    for (line, asked) in [
        ("JQ.QUEUES", (None, None, 10)),
        ("JQ.QUEUES CURSOR 0", (None, None, 10)),
        ("JQ.QUEUES count 1 cursor >mail match m*", (Some(&b"m*"[..]), Some(&b"mail"[..]), 1)),
        ("JQ.QUEUES CURSOR > MATCH MATCH", (Some(b"MATCH"), Some(b""), 10)),
        ("JQ.QUEUES CURSOR >0", (None, Some(b"0"), 10)),
    ] {
        let Call::Queues { pattern, after, count } = understood(line) else { panic!("{line}") };
        assert_eq!((pattern, after, count), asked, "{line}");
    }
}

#[test]
fn a_length_is_of_one_state_or_of_all() {
    assert!(matches!(understood("JQ.LEN q"), Call::Len(None)));
    for state in StateKind::ALL {
        let line = format!("JQ.LEN q {}", state.name().to_uppercase());
        assert!(matches!(understood(&line), Call::Len(Some(found)) if found == state), "{line}");
    }
}

#[test]
fn a_configuration_is_read_in_part_or_in_whole() {
    assert!(matches!(understood("JQ.CONFIG q GET"), Call::ConfigGet(None)));
    let line = "JQ.CONFIG q get TTR";
    let Call::ConfigGet(Some(SettingName::Plain(spec))) = understood(line) else { panic!() };
    assert_eq!(spec.name, "ttr");
}

#[test]
fn several_settings_are_set_at_once_in_their_order() {
    let line = "JQ.CONFIG q SET maxlen 10 Tries 3 backoff none";
    let Call::Act(Action::Configure(settings)) = understood(line) else { panic!() };
    let expected = [Setting::MaxLen(10), Setting::Tries(3), Setting::Backoff(Backoff::None)];
    assert_eq!(settings, expected);

    let line = "JQ.CONFIG q SET lapse Backoff expired dead dead-max 5 Dead-Age 0";
    let Call::Act(Action::Configure(settings)) = understood(line) else { panic!() };
    let expected = [
        Setting::Lapse(WhenLapsed::Backoff),
        Setting::Expired(WhenExpired::Bury),
        Setting::DeadMax(5),
        Setting::DeadAge(Millis(0)),
    ];
    assert_eq!(settings, expected);

    let line = "JQ.CONFIG q SET retain FOREVER idle-expire 60000";
    let Call::Act(Action::Configure(settings)) = understood(line) else { panic!() };
    assert_eq!(settings, [Setting::Retain(Retain::Forever), Setting::IdleExpire(Millis(60_000))]);
}

#[test]
fn commands_of_a_queue_alone_take_nothing_else() {
    fn view(line: &str) -> StatsView<'_> {
        match understood(line) {
            Call::Stats(view) => view,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(view("JQ.STATS q"), StatsView::Queue);
    let (name, buckets) = (b"BUCKETS", false);
    assert_eq!(view("JQ.STATS q type BUCKETS"), StatsView::Type { name, buckets });
    assert_eq!(view("JQ.STATS q types"), StatsView::Types { buckets });
    assert_eq!(view("JQ.STATS q Times"), StatsView::Times { buckets });
    let buckets = true;
    assert_eq!(view("JQ.STATS q TYPE BUCKETS buckets"), StatsView::Type { name, buckets });
    assert_eq!(view("JQ.STATS q TYPES BUCKETS"), StatsView::Types { buckets });
    assert_eq!(view("JQ.STATS q times Buckets"), StatsView::Times { buckets });
    assert_eq!(view("JQ.STATS q due"), StatsView::Due);
    for (grain, rows) in [(Grain::Minutes, 60), (Grain::Hours, 48), (Grain::Days, 90)] {
        let line = format!("JQ.STATS q HISTORY {}", grain.name());
        let history = |count| StatsView::History { grain, count };
        assert_eq!(view(&line), history(rows));
        assert_eq!(view(&format!("{line} count 90")), history(90));
    }
    assert!(matches!(understood("JQ.DIGEST q"), Call::Digest));
    let panics = |line| match understood(line) {
        Call::Debug(DebugCall::Panic { is_answered }) => is_answered,
        other => panic!("{other:?}"),
    };
    assert!(!panics("JQ.DEBUG q panic"));
    assert!(panics("JQ.DEBUG q panic answered"));
}

#[test]
fn what_a_test_cannot_wait_for_is_an_action_and_the_rest_a_call() {
    for (line, named, wanted) in [
        ("JQ.DEBUG q LAPSE a@1 b", vec![receipt("a", 1), job("b")], Haste::Lapse),
        ("JQ.DEBUG q due a", vec![job("a")], Haste::Due),
    ] {
        let Call::Act(Action::Hasten { jobs, haste }) = understood(line) else { panic!("{line}") };
        assert_eq!((jobs.to_vec(), haste), (named, wanted), "{line}");
    }
    let debug = |line| match understood(line) {
        Call::Debug(call) => call,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(debug("JQ.DEBUG q advance 3155760000000"), DebugCall::Advance(Millis::MAX));
    assert_eq!(debug("JQ.DEBUG q REFUSE 0"), DebugCall::Refuse(0));
    let steps = packed(&[Step::Tick { now: 7, budget: 0 }, Step::Command]);
    let Ok(Call::Apply { asked, .. }) = record(&steps, "JQ.DEBUG q LAPSE a") else { panic!() };
    assert!(matches!(asked, Some(Action::Hasten { .. })));
    assert!(record(&steps, "JQ.DEBUG q ADVANCE 5").is_err());
}

#[test]
fn a_touch_with_a_name_is_the_same_touch_and_so_it_is_in_a_record() {
    for line in [
        "JQ.TOUCH q worker w a@1",
        "JQ.TOUCH q TTR 5 WORKER w a@1",
        "JQ.TOUCH q WORKER w TTR 5 a@1",
    ] {
        let Call::TouchAs { action: Action::Touch { jobs, ttr, .. }, worker } = understood(line)
        else {
            panic!("{line}")
        };
        assert_eq!((jobs.to_vec(), worker), (vec![receipt("a", 1)], &b"w"[..]), "{line}");
        assert_eq!(ttr.is_some(), line.contains("TTR"), "{line}");
        let steps = packed(&[Step::Tick { now: 7, budget: 0 }, Step::Command]);
        let Ok(Call::Apply { asked, .. }) = record(&steps, line) else { panic!("{line}") };
        assert!(matches!(asked, Some(Action::Touch { .. })));
    }
}

#[test]
fn the_number_of_arguments_tells_whether_workers_of_one_queue_are_asked_for() {
    for (line, expected) in [
        ("JQ.WORKERS", (None, None, 100)),
        ("JQ.WORKERS q", (Some("q"), None, 100)),
        ("JQ.WORKERS COUNT", (Some("COUNT"), None, 100)),
        ("JQ.WORKERS COUNT 7", (None, None, 7)),
        ("JQ.WORKERS cursor COUNT 7", (Some("cursor"), None, 7)),
        ("JQ.WORKERS CURSOR >w count 7", (None, Some("w"), 7)),
        ("JQ.WORKERS CURSOR CURSOR 0", (Some("CURSOR"), None, 100)),
    ] {
        let Call::Workers { queue, after, count } = understood(line) else { panic!("{line}") };
        let bytes = |text: Option<&'static str>| text.map(str::as_bytes);
        assert_eq!(
            (queue, after, count),
            (bytes(expected.0), bytes(expected.1), expected.2),
            "{line}"
        );
    }
}

#[test]
fn a_worker_says_who_it_is_and_others_what_they_wish() {
    let set = |line| match understood(line) {
        Call::Worker(WorkerCall::Set { name, host, pid, labels }) => (name, host, pid, labels),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(set("JQ.WORKER SET SET"), (&b"SET"[..], None, None, vec![]));
    let all = "JQ.WORKER set w labels 2 PID HOST a b pid 0 HOST h";
    let labels = vec![(&b"PID"[..], &b"HOST"[..]), (b"a", b"b")];
    assert_eq!(set(all), (&b"w"[..], Some(&b"h"[..]), Some(0), labels));
    for (line, expected) in [
        ("JQ.WORKER QUIET w", Some(WorkerWish::Quiet)),
        ("JQ.WORKER stop w", Some(WorkerWish::Stop)),
        ("JQ.WORKER RESUME w", None),
    ] {
        let Call::Worker(WorkerCall::Wish { name, wish }) = understood(line) else {
            panic!("{line}")
        };
        assert_eq!((name, wish), (&b"w"[..], expected), "{line}");
    }
}

/// Parses a record of these steps with this line behind them.
fn record<'a>(steps: &'a [u8], line: &'a str) -> Result<Call<'a>, String> {
    let mut argv: Vec<&[u8]> = vec![b"JQ.APPLY", b"q", steps];
    argv.extend(line.split(' ').filter(|_| !line.is_empty()).map(str::as_bytes));
    parse(find(argv[0]).unwrap(), &argv).map_err(|refused| refused.to_string())
}

fn packed(steps: &[Step<'_>]) -> Vec<u8> {
    let mut packed = Packed::default();
    steps.iter().for_each(|step| packed.push(step));
    packed.as_bytes().to_vec()
}

#[test]
fn a_record_says_what_was_done_and_what_was_asked() {
    let done = [Step::Create { seed: 9 }, Step::Tick { now: 17, budget: 0 }, Step::Command];
    let bytes = packed(&done);
    let Ok(Call::Apply { steps, asked, beside: None }) = record(&bytes, "jq.Publish q hello ID a")
    else {
        panic!()
    };
    assert_eq!(steps, done);
    let Some(Action::Publish(publish)) = asked else { panic!("{asked:?}") };
    assert_eq!((publish.id, publish.bodies.as_slice()), (Some("a"), [&b"hello"[..]].as_slice()));

    let tick = packed(&done[1..2]);
    let Ok(Call::Apply { steps, asked: None, beside: None }) = record(&tick, "") else { panic!() };
    assert_eq!(steps, done[1..2]);
}

#[test]
fn every_command_by_which_nothing_is_decided_may_stand_in_a_record() {
    let bytes = packed(&[Step::Command]);
    for line in [
        "JQ.PUBLISH q hello",
        "JQ.MPUBLISH q 2 a b",
        "JQ.ACK q a",
        "JQ.FULFILL q a done",
        "JQ.NACK q a",
        "JQ.RELEASE q a@1",
        "JQ.BURY q a",
        "JQ.BURY q ALL ready",
        "JQ.TOUCH q a",
        "JQ.UPDATE q a BODY x",
        "JQ.KICK q ALL",
        "JQ.RESPAWN q ALL",
        "JQ.DELETE q a",
        "JQ.CANCEL q a",
        "JQ.PUBLISH q hello BLOCK 5",
        "JQ.PURGE q dead",
        "JQ.PAUSE q",
        "JQ.RESUME q",
        "JQ.GATE q OPEN a",
        "JQ.BATCH q FIRE a",
        "JQ.CONFIG q SET ttr 5",
    ] {
        let parsed = record(&bytes, line);
        assert!(matches!(parsed, Ok(Call::Apply { asked: Some(_), .. })), "{line}: {parsed:?}");
    }
}

#[test]
fn a_frame_is_taken_as_it_is() {
    let argv: [&[u8]; 3] = [b"JQ.LOAD", b"q", b"\x00\r\n\xff"];
    let Ok(Call::Load { frame }) = parse(find(argv[0]).unwrap(), &argv) else { panic!() };
    assert_eq!(frame, b"\x00\r\n\xff");
}
