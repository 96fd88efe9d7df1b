//! Why a job is not being worked on: `JQ.JOB` and `JQ.LIST` name the reason.

use crate::{
    replies::{bulk, on_each_wire, Wire},
    support::Reply,
};

/// What a job that waits is told of it: why, and by what else that can be seen.
type Case = (&'static [&'static str], &'static str, &'static [(&'static str, Told)]);

/// The value of a field.
enum Told {
    Nothing,
    Text(&'static str),
    Texts(&'static [&'static str]),
    Int(i64),
}

use Told::{Int, Nothing, Text, Texts};

/// The job is always `x`.
const CASES: &[Case] = &[
    (&["PUBLISH mail x ID x AT 4102444800000"], "due", &[("due", Int(4_102_444_800_000))]),
    (
        &["PUBLISH mail x ID x BACKOFF fixed:3600000", "CONSUME mail", "NACK mail x"],
        "due",
        &[("state", Text("delayed")), ("failures", Int(1))],
    ),
    (
        &["GATE mail OPEN c", "PUBLISH mail x ID x WHEN b|a WHEN c WHEN d"],
        "gate",
        &[("missing", Texts(&["a|b", "d"])), ("parents-left", Int(0))],
    ),
    (
        &[
            "PUBLISH mail p ID p RETAIN FOREVER",
            "PUBLISH mail q ID q",
            "PUBLISH mail r ID r DELAY 3600000",
            "PUBLISH mail x ID x AFTER 3 p q r WHEN a",
            "FULFILL mail p done",
        ],
        "parents",
        &[("parents-left", Int(2)), ("missing", Texts(&["a"]))],
    ),
    (
        &["PUBLISH mail p ID p", "PUBLISH mail x ID x AFTER 1 p WHEN a", "FULFILL mail p done"],
        "gate",
        &[("parents-left", Int(0)), ("missing", Texts(&["a"]))],
    ),
    (
        &[
            "LIMIT mail SET disk CONCURRENCY 5",
            "PUBLISH mail y USES disk 3",
            "CONSUME mail",
            "PUBLISH mail x ID x USES disk 3",
        ],
        "limit",
        &[("limit", Text("disk")), ("limit-held", Int(3))],
    ),
    (
        &["PUBLISH mail y MUTEX m", "PUBLISH mail x ID x MUTEX m"],
        "limit",
        &[("limit", Text("mutex:m")), ("limit-held", Int(1))],
    ),
    (
        &[
            "LIMIT mail SET group:* CONCURRENCY 2",
            "MPUBLISH mail 2 y z GROUP a",
            "PUBLISH mail x ID x GROUP a",
            "CONSUME mail COUNT 9",
        ],
        "limit",
        &[("limit", Text("group:a")), ("limit-held", Int(2))],
    ),
    (
        &[
            "LIMIT mail SET api RATE 1 PER 3600000",
            "PUBLISH mail x ID y USES api 1",
            "CONSUME mail",
            "ACK mail y",
            "PUBLISH mail x ID x USES api 1",
        ],
        "limit",
        &[("limit", Text("api")), ("limit-held", Int(0))],
    ),
    (
        &[
            "LIMIT mail SET * CONCURRENCY 1",
            "PUBLISH mail y",
            "PUBLISH mail x ID x",
            "CONSUME mail",
        ],
        "limit",
        &[("limit", Text("*")), ("limit-held", Int(1))],
    ),
    (
        &[
            "LIMIT mail SET * RATE 1 PER 3600000",
            "PUBLISH mail y ID y",
            "CONSUME mail",
            "ACK mail y",
            "PUBLISH mail x ID x",
        ],
        "limit",
        &[("limit", Text("*")), ("limit-held", Int(0))],
    ),
    (
        &["MPUBLISH mail 2 y z GROUP a", "PUBLISH mail x ID x GROUP b", "CONSUME mail"],
        "turn",
        &[("group", Text("b")), ("limit", Nothing), ("limit-held", Nothing)],
    ),
    (
        &["PUBLISH mail y PRIORITY -5", "PUBLISH mail x ID x PRIORITY 5"],
        "turn",
        &[("priority", Int(5))],
    ),
    // Nobody gets anything: so that is said first, whatever comes after.
    (
        &["PUBLISH mail y MUTEX m", "PUBLISH mail x ID x MUTEX m", "PAUSE mail OUT"],
        "pause",
        &[("state", Text("ready"))],
    ),
];

#[test]
fn the_reason_is_told_of_any_job_that_waits_by_itself_and_in_a_list() {
    on_each_wire(|client| {
        for (lines, why, fields) in CASES {
            client.run("FLUSHALL");
            for line in *lines {
                let reply = client.run(&format!("JQ.{line}"));
                assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
            }
            let one = client.run("JQ.JOB mail x");
            let listed = in_list(client, &one.field("state").text());
            for job in [one, listed] {
                assert_eq!(job.field("why"), bulk(why), "{lines:?}");
                for (name, told) in *fields {
                    let value = job.field(name);
                    match told {
                        Nothing => assert!(value.is_nothing(), "{name} after {lines:?}: {value:?}"),
                        Text(text) => assert_eq!(value, bulk(text), "{name} after {lines:?}"),
                        Int(n) => assert_eq!(value, Reply::Int(*n), "{name} after {lines:?}"),
                        Texts(texts) => {
                            let texts = texts.iter().map(bulk).collect();
                            assert_eq!(value, Reply::Array(texts), "{name} after {lines:?}");
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn a_job_that_does_not_wait_has_no_reason_to() {
    on_each_wire(|client| {
        client.run("JQ.LIMIT mail SET * CONCURRENCY 1");
        for (lines, state) in [
            (
                &["PUBLISH mail x ID x MUTEX m WHEN a|b", "GATE mail OPEN b", "CONSUME mail"][..],
                "leased",
            ),
            (&["PUBLISH mail x ID x RETAIN FOREVER", "FULFILL mail x 42"], "completed"),
            (&["PUBLISH mail x ID x AFTER 1 none", "BURY mail x"], "dead"),
        ] {
            client.run("FLUSHALL");
            lines.iter().for_each(|line| drop(client.run(&format!("JQ.{line}"))));
            for job in [client.run("JQ.JOB mail x"), in_list(client, state)] {
                assert_eq!(job.field("state"), bulk(state));
                for field in ["why", "limit", "limit-held"] {
                    assert!(job.field(field).is_nothing(), "{field} of {job:?}");
                }
            }
        }
    });
}

/// What the list of a state tells of the job `x`.
fn in_list(client: &mut Wire, state: &str) -> Reply {
    let page = client.run(&format!("JQ.LIST mail {state}"));
    let found = page.items()[1].items().iter().find(|job| job.field("id") == bulk("x"));
    found.unwrap_or_else(|| panic!("x is not listed as {state}")).clone()
}
