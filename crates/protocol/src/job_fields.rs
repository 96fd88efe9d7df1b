//! What a queue tells of a job: the fields of `JQ.JOB`, in their order, and what they mean.

/// The name of a field and its meaning.
pub static JOB_FIELDS: &[(&str, &str)] = &[
    ("id", "the bare id"),
    ("state", "`delayed`, `ready`, `leased` or `dead`"),
    ("body", "what the job carries"),
    ("priority", "order of service, lower is sooner"),
    ("tries", "deliveries before it is dead when it fails"),
    ("tries-left", "how many of them are left"),
    ("deliveries", "deliveries so far that spent a try"),
    ("failures", "attempts that failed or ran out of time"),
    ("ttr", "how long a lease lasts unless the consumer says otherwise, in milliseconds"),
    ("backoff", "how long it waits when it is nacked, as in `JQ.CONFIG`"),
    ("published-at", "when it was published"),
    ("elapsed", "milliseconds since then, by the queue's clock"),
    ("due", "when it becomes ready; null unless it is delayed"),
    ("ready-since", "since when it is ready; null unless it is"),
    ("deadline", "when its lease runs out; null unless it is leased"),
    ("worker", "who holds it; null unless it is leased by a consumer that gave a name"),
    ("dead-since", "since when it is dead; null unless it is"),
    ("expires-at", "when its TTL ends; null if it has none, or is dead"),
    ("error", "what went wrong last; null if nobody said so"),
    ("version", "1, and 1 more for each `JQ.UPDATE`"),
    (
        "why",
        "why no consumer has it: `due`, it waits for its instant; `pause`, the queue hands nothing \
         out; `turn`, others are served before or nobody asks; null if it is leased or dead",
    ),
];

#[cfg(test)]
mod tests;
