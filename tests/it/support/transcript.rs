//! Sessions as pages show them: commands and their replies in the form of `redis-cli`.

use super::Reply;

/// Splits a line as `redis-cli` does, but for escapes.
pub fn words(line: &str) -> Vec<String> {
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
pub fn printed(reply: &Reply) -> String {
    printed_behind(reply, "")
}

fn printed_behind(reply: &Reply, indent: &str) -> String {
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
                format!("{indent}{:width$}) {}", index + 1, printed_behind(item, &further))
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

/// What stands for what: words of a page that are made by chance or by the clock, and those in their
/// place in a reply.
pub type Chances = Vec<(String, String)>;

/// Compares a reply with the documented one, but for what differs from run to run and for the lines
/// that `...` stands for. `None` if they differ.
pub fn likened(documented: &str, reply: &str) -> Option<Chances> {
    let documented: Vec<_> = documented.lines().collect();
    let reply: Vec<_> = reply.lines().collect();
    liken_lines(&documented, &reply)
}

fn liken_lines(documented: &[&str], lines: &[&str]) -> Option<Chances> {
    match documented.split_first() {
        None => lines.is_empty().then(Vec::new),
        Some((&"...", rest)) => {
            (0..=lines.len()).find_map(|left_out| liken_lines(rest, &lines[left_out..]))
        }
        Some((first, rest)) => {
            let mut chances = liken_line(first, lines.first()?)?;
            chances.extend(liken_lines(rest, &lines[1..])?);
            Some(chances)
        }
    }
}

fn liken_line(documented: &str, line: &str) -> Option<Chances> {
    let (documented, line) = (parts(documented), parts(line));
    let mut chances = Vec::new();
    for (expected, actual) in documented.iter().zip(&line) {
        match (chance(expected), chance(actual)) {
            (Some(one), Some(other)) if one == other => {
                chances.push((expected.to_string(), actual.to_string()));
            }
            _ if expected == actual => {}
            _ => return None,
        }
    }
    (documented.len() == line.len()).then_some(chances)
}

/// What of this sort a word is that differs from run to run: an id, an instant, a digest.
fn chance(word: &str) -> Option<&'static str> {
    let all = |is: fn(&u8) -> bool| word.as_bytes().iter().all(is);
    match word.len() {
        13 if all(u8::is_ascii_digit) => Some("instant"),
        26 if all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()) => Some("id"),
        32 if all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(c)) => Some("digest"),
        _ => None,
    }
}

/// The line with what was bound put in the place of what stands for it.
pub fn with_chances(line: &str, chances: &Chances) -> String {
    let meant = |part| {
        let bound = chances.iter().rev().find(|(documented, _)| documented == part);
        bound.map_or(part, |(_, actual)| actual.as_str())
    };
    parts(line).into_iter().map(meant).collect()
}

/// Words, and what is between them, in order.
fn parts(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let is_word = rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        let end = rest.find(|c: char| c.is_ascii_alphanumeric() != is_word).unwrap_or(rest.len());
        let (part, further) = rest.split_at(end);
        parts.push(part);
        rest = further;
    }
    parts
}

#[test]
fn replies_are_printed_as_redis_cli_prints_them() {
    let nested = Reply::Array(vec![
        Reply::Array(vec![Reply::Bulk(b"a\"\xff".to_vec()), Reply::Int(1)]),
        Reply::Array(vec![Reply::Null, Reply::Array(Vec::new())]),
    ]);
    let expected = "1) 1) \"a\\\"\\xff\"\n   2) (integer) 1\n2) 1) (nil)\n   2) (empty array)";
    assert_eq!(printed(&nested), expected);
    let ten = Reply::Array(vec![Reply::Int(0); 10]);
    assert!(printed(&ten).starts_with(" 1) (integer) 0\n 2) "));
}

#[test]
fn what_differs_from_run_to_run_is_told_from_what_does_not() {
    let is_alike = |documented, reply| likened(documented, reply).is_some();
    let id = "\"01KAJ9Q4X2M8T0V6R3B5N7C1DE\"";
    assert!(is_alike(id, "\"01KAJ9Q4X2M8T0V6R3C92K4HJ0\""));
    assert!(is_alike("(integer) 1763695620000", "(integer) 1799999999999"));
    assert!(is_alike("a\n...", "a\nb\nc"));
    assert!(is_alike("a\n...\nc", "a\nb\nc"));
    assert!(!is_alike("a\n...\nb", "a\nb\nc"));
    assert!(!is_alike("(integer) 1", "(integer) 2"));
    assert!(!is_alike(id, "\"01KAJ9Q4X2M8T0V6R3B5N7C1DE@1\""));
    assert!(!is_alike("a", "a\nb"));
}

#[test]
fn what_stood_for_something_in_a_reply_means_it_in_a_later_line() {
    let (page, real) = ("01KAJ9Q4X2M8T0V6R3B5N7C1DE", "01KAJ9Q4X2M8T0V6R3C92K4HJ0");
    let chances = likened(&format!("1) \"{page}@1\""), &format!("1) \"{real}@1\""));
    let chances = chances.expect("they are alike");
    assert_eq!(
        with_chances(&format!("JQ.ACK mail {page}@1"), &chances),
        format!("JQ.ACK mail {real}@1")
    );
}
