//! What a queue tells of itself: the fields of `JQ.STATS`, in their order, and what they mean.

/// The name of a field and its meaning.
pub static FIELDS: &[(&str, &str)] = &[
    ("delayed", "jobs that wait for an instant, now"),
    ("held", "jobs that wait for gates or for other jobs, now"),
    ("gathering", "jobs that wait to be delivered with others, or go with the first of their batch, now"),
    ("ready", "jobs that may be taken, now"),
    ("leased", "jobs that a consumer holds, now"),
    ("completed", "jobs that are finished and kept, now"),
    ("dead", "jobs that were given up, now"),
    ("jobs", "jobs in all states, now"),
    ("bytes", "bytes of memory that the queue takes, about, now"),
    ("locks", "unique keys that jobs hold, now"),
    ("notices", "subscribers' notices that are not told yet, now"),
    ("schedules", "schedules, now"),
    ("types", "types of jobs that are counted by name, now"),
    ("published", "jobs added"),
    ("delivered", "deliveries to consumers, `FREE` ones included"),
    ("acked", "jobs finished by an ack"),
    ("fulfilled", "jobs finished with a result"),
    ("nacked", "attempts that their holders reported as failed"),
    ("released", "jobs given back without blame"),
    ("buried", "jobs that a client sent to the dead"),
    ("touched", "leases extended"),
    ("lapsed", "leases that ran out"),
    ("expired", "jobs that came to the end of their TTL"),
    ("overdue", "unfinished jobs that are dead because their deadline passed"),
    ("kicked", "delayed jobs made ready early"),
    ("respawned", "dead jobs brought back"),
    ("deleted", "jobs removed by their ids"),
    ("cancelled", "jobs removed because they were cancelled, at once or as their leases ended"),
    ("replaced", "jobs removed because another was published in their place"),
    ("died", "jobs that became dead, buried ones included"),
    ("updated", "jobs changed in place"),
    ("purged", "jobs removed by their state"),
    ("pruned", "dead jobs removed because they were too many or too old"),
    ("retired", "finished jobs removed because they were kept for long enough"),
    ("clock", "the queue's own time, that of its last tick, in milliseconds since the epoch"),
    (
        "tasks-left",
        "jobs still to be worked through by a large kick, respawn, bury, purge or a lowered \
         `dead-max`, now",
    ),
    ("next-due", "when the queue next has something to do by itself, by the same clock; or null"),
    ("paused-in", "until when publishing is paused; -1 until it is resumed, null if it is not"),
    ("paused-out", "until when no job is handed out; -1 until it is resumed, null if jobs are"),
    ("oldest-ready", "since when the job that has been ready longest is so, as in `ready-since`; null if none is"),
    ("idle-ends", "when the queue, empty and unused, will be removed by `idle-expire`; or null"),
];

#[cfg(test)]
mod tests;
