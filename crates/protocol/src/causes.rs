//! What a queue tells of its changes: the words of `JQ.EVENTS` and of the trail of a job, and what they
//! mean.

/// The fields of an event and their meanings.
pub static EVENT_FIELDS: &[(&str, &str)] = &[
    ("number", "grows by one with each event of the queue, from 1"),
    ("at", "when, by the queue's clock, in milliseconds since the epoch"),
    ("event", "what happened: a word of the table below"),
    ("id", "which job; null if it is about the queue itself"),
    ("from", "the state that the job was in; null if it was not there"),
    ("to", "the state that it is in since, which may be the same; null if it is gone"),
    (
        "worker",
        "who holds the job, or did until then; null if nobody, or nobody who gave a name (`WORKER`)",
    ),
];

/// The words for what happens, in the order of [`Cause::ALL`](jobq_engine::Cause::ALL), and their
/// meanings.
pub static CAUSES: &[(&str, &str)] = &[
    ("published", "it was added"),
    ("due", "the instant that it waited for has come"),
    ("kicked", "it was made ready before its instant, or without what it waits for"),
    ("freed", "what it waited for is there; it is ready now, or gathers with others of its batch"),
    (
        "leads",
        "it leads its batch now, which has formed, or has lost the job that led it; it is ready or delayed for all of it",
    ),
    ("updated", "it was changed in place by `JQ.UPDATE`"),
    (
        "renewed",
        "another of its unique key was published with `ONDUPLICATE REPLACE`, and it took what that one brought",
    ),
    ("leased", "a consumer took it; those who go with it in a batch stay gathering"),
    ("released", "its holder gave it back without blame, or once too often"),
    ("nacked", "its holder said that the attempt failed"),
    ("lapsed", "its lease ran out"),
    ("acked", "its holder is done with it"),
    ("fulfilled", "its result was given"),
    ("buried", "it was sent to the dead"),
    ("expired", "its time to live is over"),
    ("overdue", "its deadline has passed"),
    ("orphaned", "a job that it waited for died or was removed, and it died of that (`IFDEAD BURY`)"),
    ("respawned", "it was brought back from the dead"),
    (
        "cancelled",
        "it was cancelled: it is gone, or leased and marked, and then gone as its lease ends",
    ),
    ("deleted", "it was removed by its id"),
    ("replaced", "another was published in its place (`REPLACES`)"),
    ("purged", "it was removed by its state"),
    ("pruned", "it was dead for too long, or one of too many"),
    ("retired", "it was finished, and kept for long enough"),
    ("paused", "a way into or out of the queue was closed"),
    ("resumed", "the ways are open again, or one of two whose times end apart"),
    ("configured", "the queue has other settings"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jobq_engine::Cause;

    use super::*;

    #[test]
    fn every_cause_of_the_engine_is_explained_by_its_word() {
        let words: Vec<_> = CAUSES.iter().map(|(word, _)| *word).collect();
        assert_eq!(words, Cause::ALL.map(Cause::word));
        assert!(CAUSES.iter().all(|(_, meaning)| !meaning.is_empty()));
    }

    #[test]
    fn each_field_of_an_event_is_named_once() {
        let names: HashSet<_> = EVENT_FIELDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), EVENT_FIELDS.len());
    }
}
