use std::collections::HashSet;

use jobq_engine::StateKind;

use super::*;

#[test]
fn fields_have_names_of_their_own_and_are_all_explained() {
    let names: HashSet<_> = JOB_FIELDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), JOB_FIELDS.len());
    for (name, meaning) in JOB_FIELDS {
        assert!(name.bytes().all(|c| c.is_ascii_lowercase() || c == b'-'), "{name}");
        assert!(!meaning.is_empty() && !meaning.ends_with('.'), "{name}");
    }
}

#[test]
fn the_fields_are_those_of_the_wire_in_their_order() {
    let names: Vec<_> = JOB_FIELDS.iter().map(|(name, _)| *name).collect();
    let wire = "id state type group body headers priority uses when missing parents-left parents \
                parent-results ifdead batch members leader tries tries-left deliveries failures releases \
                progress ttr backoff retain published-at elapsed due held-since gathering-since batch-due \
                ready-since leased-since leased-until worker \
                completed-since retained-until subscribers result dead-since expires-at ttl-left deadline \
                unique unique-until error schedule occurrence failed-at cancelled version why limit \
                limit-held";
    assert_eq!(names.join(" "), wire);
    assert!(names.contains(&NOT_IN_DETAILS));
}

#[test]
fn every_state_is_named() {
    let (_, meaning) = JOB_FIELDS[1];
    for state in StateKind::ALL {
        assert!(meaning.contains(&format!("`{}`", state.name())), "{meaning}");
    }
}
