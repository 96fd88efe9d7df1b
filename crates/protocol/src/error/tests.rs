use std::collections::HashSet;

use jobq_engine::StateKind;

use super::*;

#[test]
fn no_text_of_a_client_breaks_an_error_line() {
    let hostile: Vec<u8> = (0..=255).collect();
    for text in hostile.chunks(16) {
        let quoted = shown(text);
        assert!(quoted.bytes().all(|c| (b' '..=b'~').contains(&c)), "{quoted}");
    }
}

#[test]
fn a_long_text_is_cut_to_64_bytes_and_never_inside_an_escape() {
    assert_eq!(shown(&[b'x'; 64]), format!("'{}'", "x".repeat(64)));
    assert_eq!(shown(&[b'x'; 65]), format!("'{}'...", "x".repeat(64)));
    assert_eq!(shown(&[0; 20]), format!("'{}'...", r"\x00".repeat(16)));
    assert_eq!(shown(b"it's"), r"'it\'s'");
    assert_eq!(shown(b""), "''");
}

#[test]
fn error_words_are_distinct_and_all_explained() {
    let words: HashSet<_> = ErrorWord::ALL.iter().map(|word| word.word()).collect();
    assert_eq!(words.len(), ErrorWord::ALL.len());
    for word in ErrorWord::ALL {
        assert!(word.word().bytes().all(|c| c.is_ascii_uppercase()), "{word:?}");
        assert!(word.when().ends_with('.'), "{word:?}");
    }
}

#[test]
fn every_refusal_of_the_engine_has_its_word() {
    let line = |refusal| {
        let (word, text) = ErrorWord::of(&refusal);
        format!("{} {text}", word.word())
    };
    assert_eq!(line(Refusal::Duplicate("birthday:7".into())), "DUPLICATE birthday:7");
    assert!(line(Refusal::ExpiresBeforeDue).starts_with("RANGE TTL "));
    assert!(line(Refusal::OverdueBeforeDue).starts_with("RANGE DEADLINE "));
    assert!(line(Refusal::TooBig { bytes: 9, max: 8 }).starts_with("TOOBIG "));
    assert!(line(Refusal::Full { max: 3 }).starts_with("FULL "));
    assert!(line(Refusal::Paused).starts_with("PAUSED "));
    assert!(line(Refusal::NoSuchJob).starts_with("NOSUCHJOB "));
    for state in StateKind::ALL {
        let line = line(Refusal::WrongState(state));
        assert!(line.starts_with("WRONGSTATE ") && line.ends_with(state.name()), "{line}");
    }
    assert!(line(Refusal::NoSuchSchedule).starts_with("NOSUCHJOB "));
    assert!(line(Refusal::RunUnfinished).starts_with("WRONGSTATE "));
    assert!(line(Refusal::TooManySchedules).starts_with("FULL "));
    assert!(line(Refusal::TooFewTries { deliveries: 3 }).starts_with("RANGE TRIES "));
    assert!(line(Refusal::Diverged("no such queue")).starts_with("CORRUPT no such queue"));
}
