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
    ("expired", "jobs removed at the end of their TTL"),
    ("kicked", "delayed jobs made ready early"),
    ("respawned", "dead jobs brought back"),
    ("deleted", "jobs removed by request"),
    ("died", "jobs that became dead, buried ones included"),
    ("clock", "the queue's own time, that of its last tick, in milliseconds since the epoch"),
    ("next-due", "when the queue next has something to do by itself, by the same clock; or null"),
];

#[cfg(test)]
mod tests;
