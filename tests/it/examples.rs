//! The examples of the command table answer what the table says, in the form of `redis-cli`.

use jobq_protocol::COMMANDS;

use crate::support::{Reply, Server};

#[test]
fn every_example_answers_as_documented() {
    let server = Server::plain();
    for command in COMMANDS {
        server.run("FLUSHALL");
        let mut client = server.client();
        for example in command.examples {
            let reply = printed(&client.call(&words(example.command)), "");
            assert!(
                is_alike(example.reply, &reply),
                "an example of {} answers differently\n> {}\n{reply}\ninstead of\n{}",
                command.name,
                example.command,
                example.reply
            );
        }
    }
}

/// Splits a line as `redis-cli` does, but for escapes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_string());
        } else {
            words.extend(part.split_whitespace().map(String::from));
        }
    }
    words
}

/// A reply as `redis-cli` prints it, without the line break at the end.
fn printed(reply: &Reply, indent: &str) -> String {
    match reply {
        Reply::Status(text) => text.clone(),
        Reply::Error(line) => format!("(error) {line}"),
        Reply::Int(n) => format!("(integer) {n}"),
        Reply::Bulk(bytes) => quoted(bytes),
        Reply::Null | Reply::NullArray => "(nil)".into(),
        Reply::Array(items) if items.is_empty() => "(empty array)".into(),
        Reply::Array(items) => {
            let width = items.len().to_string().len();
            let further = format!("{indent}{}", " ".repeat(width + 2));
            let lines = items.iter().enumerate().map(|(index, item)| {
                let indent = if index == 0 { "" } else { indent };
                format!("{indent}{:width$}) {}", index + 1, printed(item, &further))
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        other => panic!("no reply of RESP2: {other:?}"),
    }
}

fn quoted(bytes: &[u8]) -> String {
    let escaped = bytes.iter().map(|byte| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(*byte)),
        b'\n' => "\\n".into(),
        b'\r' => "\\r".into(),
        b'\t' => "\\t".into(),
        7 => "\\a".into(),
        8 => "\\b".into(),
        b' '..=b'~' => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// Whether a reply is the documented one, but for what differs from run to run and for the lines
/// that `...` stands for.
fn is_alike(documented: &str, reply: &str) -> bool {
    fn lines_match(documented: &[String], lines: &[String]) -> bool {
        match documented.split_first() {
            None => lines.is_empty(),
            Some((first, rest)) if first == "..." => {
                (0..=lines.len()).any(|left_out| lines_match(rest, &lines[left_out..]))
            }
            Some((first, rest)) => lines.first() == Some(first) && lines_match(rest, &lines[1..]),
        }
    }
    let stable = |text: &str| text.lines().map(without_chance).collect::<Vec<_>>();
    lines_match(&stable(documented), &stable(reply))
}

/// The line with what is made by chance or by the clock replaced: ids, instants, digests.
fn without_chance(line: &str) -> String {
    let mut stable = String::new();
    for part in line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let (word, end) = match part.char_indices().last() {
            Some((at, c)) if !c.is_ascii_alphanumeric() => part.split_at(at),
            _ => (part, ""),
        };
        let all = |is: fn(&u8) -> bool| word.as_bytes().iter().all(is);
        stable += match word.len() {
            13 if all(u8::is_ascii_digit) => "<instant>",
            26 if all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()) => "<id>",
            32 if all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(c)) => "<digest>",
            _ => word,
        };
        stable += end;
    }
    stable
}

#[test]
fn replies_are_printed_as_redis_cli_prints_them() {
    let nested = Reply::Array(vec![
        Reply::Array(vec![Reply::Bulk(b"a\"\xff".to_vec()), Reply::Int(1)]),
        Reply::Array(vec![Reply::Null, Reply::Array(Vec::new())]),
    ]);
    let expected = "1) 1) \"a\\\"\\xff\"\n   2) (integer) 1\n2) 1) (nil)\n   2) (empty array)";
    assert_eq!(printed(&nested, ""), expected);
    let ten = Reply::Array(vec![Reply::Int(0); 10]);
    assert!(printed(&ten, "").starts_with(" 1) (integer) 0\n 2) "));
}

#[test]
fn what_differs_from_run_to_run_is_told_from_what_does_not() {
    let id = "\"01KAJ9Q4X2M8T0V6R3B5N7C1DE\"";
    assert!(is_alike(id, "\"01KAJ9Q4X2M8T0V6R3C92K4HJ0\""));
    assert!(is_alike("(integer) 1763695620000", "(integer) 1799999999999"));
    assert!(is_alike("a\n...", "a\nb\nc"));
    assert!(is_alike("a\n...\nc", "a\nb\nc"));
    assert!(!is_alike("a\n...\nb", "a\nb\nc"));
    assert!(!is_alike("(integer) 1", "(integer) 2"));
    assert!(!is_alike(id, "\"01KAJ9Q4X2M8T0V6R3C92K4HJ0@1\""));
    assert!(!is_alike("a", "a\nb"));
}
