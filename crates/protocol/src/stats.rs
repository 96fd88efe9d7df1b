//! What a queue tells of itself: the fields of `JQ.STATS`, in their order, and what they mean.

/// The name of a field and its meaning.
pub static FIELDS: &[(&str, &str)] = &[
    ("delayed", "jobs that wait for an instant, now"),
    ("ready", "jobs that may be taken, now"),
    ("leased", "jobs that a consumer holds, now"),
    ("dead", "jobs that were given up, now"),
    ("jobs", "jobs in all states, now"),
    ("bytes", "bytes of memory that the queue takes, about, now"),
    ("published", "jobs added"),
    ("delivered", "deliveries to consumers, `FREE` ones included"),
    ("acked", "jobs finished"),
    ("nacked", "attempts that their holders reported as failed"),
    ("released", "jobs given back without blame"),
    ("buried", "jobs that a client sent to the dead"),
    ("touched", "leases extended"),
    ("lapsed", "leases that ran out"),
    ("expired", "jobs that came to the end of their TTL"),
    ("kicked", "delayed jobs made ready early"),
    ("respawned", "dead jobs brought back"),
    ("deleted", "jobs removed by their ids"),
    ("died", "jobs that became dead, buried ones included"),
    ("updated", "jobs changed in place"),
    ("purged", "jobs removed by their state"),
    ("pruned", "dead jobs removed because they were too many or too old"),
    ("clock", "the queue's own time, that of its last tick, in milliseconds since the epoch"),
    ("next-due", "when the queue next has something to do by itself, by the same clock; or null"),
    ("paused-in", "until when publishing is paused; -1 until it is resumed, null if it is not"),
    ("paused-out", "until when no job is handed out; -1 until it is resumed, null if jobs are"),
    ("oldest-ready", "since when the job that is served next is ready; null if none is"),
];

#[cfg(test)]
mod tests;
