//! What a queue tells of a job: the fields of `JQ.JOB`, in their order, and what they mean.

/// The name of a field and its meaning.
pub static JOB_FIELDS: &[(&str, &str)] = &[
    ("id", "the bare id"),
    ("state", "`delayed`, `held`, `gathering`, `ready`, `leased`, `completed` or `dead`"),
    ("type", "what sort of work it is; null if its publisher did not say"),
    ("group", "whose work it is; null if its publisher did not say"),
    ("body", "what the job carries"),
    ("headers", "a map from names to values, both bulk strings; empty if there are none"),
    ("priority", "order of service, lower is sooner"),
    (
        "uses",
        "a map from the limits it counts against to how many of their places it takes; a mutex is the limit \
         `mutex:<name>`",
    ),
    (
        "when",
        "the gates that it waits for, as it was published: an array of strings, each of one gate or \
         several with `|` between them, of which one has to be open",
    ),
    ("missing", "those of them that it waits for now; empty unless it is held"),
    ("parents-left", "how many jobs it waits for that are yet to be completed"),
    (
        "parents",
        "a map from the ids of the jobs that it waits for, or did, to their states; `finished` for one \
         that is done and gone, `gone` for one that was removed before it was completed, which only \
         `JQ.KICK` makes up for; of another queue, named `queue/id`, what that has told last: `waiting` \
         for nothing yet, `finished`, `dead` or `gone`",
    ),
    ("parent-results", "a map from the ids of those that are kept with a result to their results"),
    (
        "ifdead",
        "what becomes of it when one of them dies: `hold`, `run` or `bury`; null if it has none",
    ),
    ("batch", "with which jobs it is delivered, those of the same key; null if by itself"),
    (
        "members",
        "the ids of the jobs that are delivered with it, itself first, in the order of their bodies; empty \
         unless it leads a batch",
    ),
    (
        "leader",
        "the id of the job that leads its batch, which is ready, leased or delayed for all of them; null \
         unless it is gathering and its batch has formed",
    ),
    ("tries", "deliveries before it is dead when it fails"),
    ("tries-left", "how many of them are left"),
    ("deliveries", "deliveries so far that spent a try"),
    ("failures", "attempts that failed or ran out of time"),
    ("releases", "how often it was released, by releases that count"),
    (
        "progress",
        "how far the work has come, as its last holder to say so said with `JQ.TOUCH`; null if none did",
    ),
    ("ttr", "how long a lease lasts unless the consumer says otherwise, in milliseconds"),
    ("backoff", "how long it waits when it is nacked, as in `JQ.CONFIG`"),
    ("retain", "how long it is kept when it is finished, as in `JQ.CONFIG`"),
    ("published-at", "when it was published"),
    ("elapsed", "milliseconds since then, by the queue's clock"),
    (
        "due",
        "when it was last meant to be ready: as published or put off, or since when it was given back, \
         lapsed, kicked, respawned, or nacked without a wait",
    ),
    ("held-since", "since when it is held; null unless it is"),
    ("gathering-since", "since when it is gathering; null unless it is"),
    (
        "batch-due",
        "when those with which it gathers will be a batch, however few they are; null unless it gathers, and \
         where that does not come by time",
    ),
    (
        "ready-since",
        "since when it is ready, for its place in line: one that is given back counts like the one \
         before which it goes, and one whose priority changes from then on; null unless it is ready",
    ),
    ("leased-since", "since when it is leased; null unless it is"),
    ("leased-until", "when its lease runs out; null unless it is leased"),
    ("worker", "who holds it; null unless it is leased by a consumer that gave a name"),
    ("completed-since", "since when it is completed; null unless it is"),
    ("retained-until", "until when it is kept, -1 for ever; null unless it is completed"),
    ("subscribers", "how many targets are to be told when it ends"),
    ("result", "what came of the work; null if nobody said so"),
    ("dead-since", "since when it is dead; null unless it is"),
    ("expires-at", "when its TTL ends; null if it has none, or is completed or dead"),
    ("ttl-left", "milliseconds until then, by the queue's clock; null likewise"),
    ("deadline", "when it is dead if it is not finished by then; null if it has no `DEADLINE`"),
    ("unique", "the key that it holds; null if it holds none"),
    ("unique-until", "when that key is free by itself, -1 for never; null if it holds none"),
    ("error", "what went wrong last; null if nobody said so"),
    ("schedule", "the schedule that it is a run of; null if it is none"),
    ("occurrence", "for which instant of that it runs; null likewise"),
    ("failed-at", "when an attempt last failed or ran out of time; null if none has"),
    (
        "cancelled",
        "1 if it was cancelled while it was leased, and not respawned since; 0 otherwise",
    ),
    ("version", "1, and 1 more for each `JQ.UPDATE`"),
    (
        "why",
        "why no consumer has it: `due`, it waits for its instant; `parents`, it waits for other jobs; \
         `gate`, it waits for the gates in `missing`; `batch`, it waits for others of its batch, or goes with \
         its `leader`; `limit`, a limit has no room for it; `pause`, the \
         queue hands nothing out; `turn`, others are served before or nobody asks; null unless it is \
         delayed, held, gathering or ready",
    ),
    ("limit", "the limit that has no room for it, `*` for that of the queue; null unless that is why"),
    ("limit-held", "by how much others count against that limit; null likewise"),
];

/// The field that `JQ.CONSUME` with `DETAILS` leaves out, since it is told beside them.
pub const NOT_IN_DETAILS: &str = "body";

#[cfg(test)]
mod tests;
