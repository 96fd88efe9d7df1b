//! Patterns mean what they mean to `KEYS`.

use super::matches;

fn is(pattern: &str, text: &str) -> bool {
    matches(pattern.as_bytes(), text.as_bytes())
}

#[test]
fn each_sign_stands_for_what_it_says() {
    let fitting = [
        ("", ""),
        ("*", ""),
        ("*", "mail"),
        ("***", "mail"),
        ("mail", "mail"),
        ("m*l", "mail"),
        ("m*l", "mallil"),
        ("*ail", "mail"),
        ("mai*", "mail"),
        ("mail*", "mail"),
        ("m?il", "mail"),
        ("m[ae]il", "mail"),
        ("m[a-c]il", "mail"),
        ("m[c-a]il", "mail"),
        ("m[^b-z]il", "mail"),
        ("m[x-zab]il", "mail"),
        (r"m\*l", "m*l"),
        (r"m\?l", "m?l"),
        (r"m\[a]l", "m[a]l"),
        (r"m\al", "mal"),
        (r"m[\]]l", "m]l"),
        (r"m[\^]l", "m^l"),
        ("m[a^]l", "m^l"),
        (r"m\\l", r"m\l"),
        ("a*b*c", "a1b2b3c"),
        ("*a*a*", "xaxax"),
    ];
    for (pattern, text) in fitting {
        assert!(is(pattern, text), "{pattern} {text}");
    }
    let others = [
        ("", "mail"),
        ("?", ""),
        ("mail", "Mail"),
        ("mail", "mai"),
        ("mai", "mail"),
        ("m?l", "mail"),
        ("m[b-z]il", "mail"),
        ("m[^a]il", "mail"),
        ("m[]il", "mail"),
        (r"m\*l", "mail"),
        (r"m\?l", "mal"),
        ("a*b*c", "a1c2b"),
        ("*a*a*", "xax"),
    ];
    for (pattern, text) in others {
        assert!(!is(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn a_pattern_that_breaks_off_means_what_it_means_to_the_server() {
    assert!(is("[ab", "b"), "a class that is not closed ends with the pattern");
    assert!(!is("[ab", "c"));
    assert!(is("[^ab", "c"));
    assert!(is("[^", "c"));
    assert!(!is("[", "["));
    assert!(is("[^]", "]"));
    assert!(is("[a-]", "_"), "a range may end with the bracket");
    assert!(is("[a-", "-"));
    assert!(is(r"\", r"\"));
    assert!(is(r"[\", r"\"));
}

#[test]
fn any_bytes_can_be_matched() {
    assert!(matches(b"\xff*\0?", b"\xff\xfe\0\x80"));
    assert!(matches(b"[\x80-\xff]", b"\xc3"));
    assert!(!matches(b"[\x80-\xff]", b"\x7f"));
    assert!(matches(b"???", "€".as_bytes()), "a sign is a byte");
}

/// What stars mean, said as simply as possible.
fn simply_matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            (0..=text.len()).any(|taken| simply_matches(rest, &text[taken..]))
        }
        ([b'?', rest @ ..], [_, later @ ..]) => simply_matches(rest, later),
        ([sign, rest @ ..], [byte, later @ ..]) if sign == byte => simply_matches(rest, later),
        _ => false,
    }
}

/// All words over an alphabet up to a length.
fn words(alphabet: &[u8], len_max: usize) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    let mut begin = 0;
    for _ in 0..len_max {
        let end = all.len();
        for place in begin..end {
            for &byte in alphabet {
                all.push([&all[place][..], &[byte]].concat());
            }
        }
        begin = end;
    }
    all
}

#[test]
fn all_short_patterns_agree_with_the_simplest_matcher() {
    let texts = words(b"ab", 6);
    for pattern in words(b"ab*?", 5) {
        for text in &texts {
            let expected = simply_matches(&pattern, text);
            assert_eq!(matches(&pattern, text), expected, "{pattern:?} {text:?}");
        }
    }
}

#[test]
fn many_stars_do_not_take_for_ever() {
    let text = vec![b'a'; 10_000];
    let pattern = [b"a*".repeat(1_000), b"b".to_vec()].concat();
    assert!(!matches(&pattern, &text));
    assert!(!matches(&b"*[^a]".repeat(1_000), &text));
}
