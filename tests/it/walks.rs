//! The walks in `docs/walks` go as they are written: each page is a session with a server of its own.
//!
//! In a block of text, a line with a prompt is sent (`> JQ.…`; another connection has a name before
//! the prompt, `worker> JQ.…`), and the lines behind it are the reply. `(waits)` stands for one that
//! blocks, and `worker:` begins what it is answered later. What stands in a reply for an id or an
//! instant means the real one in later lines.

use std::{collections::BTreeMap, fs, path::Path};

use crate::support::{
    transcript::{likened, printed, with_chances, words, Chances},
    Client, Options, Server,
};

/// What a reply says that is to come later.
const WAITS: &str = "(waits)";

/// A part of a session.
#[derive(Debug, Eq, PartialEq)]
enum Part {
    /// A connection sends a line.
    Send { who: String, line: String },
    /// A connection that was waiting has its answer.
    Answered { who: String },
}

#[test]
fn every_walk_goes_as_it_is_written() {
    let pages = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/walks"));
    let mut pages: Vec<_> = pages.unwrap().map(|page| page.unwrap().path()).collect();
    pages.sort();
    assert!(!pages.is_empty());
    for path in pages {
        let page = fs::read_to_string(&path).unwrap();
        walk(&path.display().to_string(), &page);
    }
}

fn walk(name: &str, page: &str) {
    let server =
        Server::start(Options::new().with_module_argument("debug").with_module_argument("yes"));
    let mut clients: BTreeMap<String, Client> = BTreeMap::new();
    let mut chances = Chances::new();
    let steps = parts_of(page);
    assert!(!steps.is_empty(), "{name} shows nothing");
    for (part, documented) in steps {
        let (Part::Send { who, .. } | Part::Answered { who }) = &part;
        let client = clients.entry(who.clone()).or_insert_with(|| server.client());
        if let Part::Send { line, .. } = &part {
            let blocked = server.blocked_clients();
            client.send(&words(&with_chances(line, &chances)));
            if documented == WAITS {
                server.wait_for_blocked(blocked + 1);
                assert!(client.is_waiting(), "{name}: {line} does not wait");
                continue;
            }
        }
        let reply = printed(&client.read());
        let Some(bound) = likened(&documented, &reply) else {
            panic!("{name}: {part:?}\nis answered\n{reply}\ninstead of\n{documented}");
        };
        chances.extend(bound);
    }
}

/// What is sent, and what is answered, in the order of the page.
fn parts_of(page: &str) -> Vec<(Part, String)> {
    let mut parts: Vec<(Part, Vec<&str>)> = Vec::new();
    let mut is_session = false;
    for line in page.lines() {
        match line {
            "```text" => is_session = true,
            "```" => is_session = false,
            _ if !is_session => {}
            _ => match (part_of(line), parts.last_mut()) {
                (Some(part), _) => parts.push((part, Vec::new())),
                (None, Some((_, reply))) => reply.push(line),
                (None, None) => panic!("a session begins with '{line}'"),
            },
        }
    }
    parts.into_iter().map(|(part, reply)| (part, reply.join("\n"))).collect()
}

fn part_of(line: &str) -> Option<Part> {
    let is_name =
        |who: &str| who.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if let Some((who, line)) = line.split_once("> ").filter(|(who, _)| is_name(who)) {
        return Some(Part::Send { who: who.into(), line: line.into() });
    }
    let who = line.strip_suffix(':').filter(|who| !who.is_empty() && is_name(who))?;
    Some(Part::Answered { who: who.into() })
}

#[test]
fn a_page_is_read_as_what_is_sent_and_what_is_answered() {
    let page =
        "Words.\n\n```text\n> PING\nPONG\nother> BLPOP a 0\n(waits)\n> RPUSH a b\n(integer) 1\n\
                other:\n1) \"a\"\n2) \"b\"\n```\n> no session";
    let send = |who: &str, line: &str| Part::Send { who: who.into(), line: line.into() };
    let expected = [
        (send("", "PING"), "PONG".to_string()),
        (send("other", "BLPOP a 0"), "(waits)".into()),
        (send("", "RPUSH a b"), "(integer) 1".into()),
        (Part::Answered { who: "other".into() }, "1) \"a\"\n2) \"b\"".into()),
    ];
    assert_eq!(parts_of(page), expected);
    walk("a page", page);
}
