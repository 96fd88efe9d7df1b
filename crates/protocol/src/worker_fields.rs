//! What is told of a worker: the fields of `JQ.WORKERS`, in their order, and what they mean.

/// The name of a field and its meaning.
pub static FIELDS: &[(&str, &str)] = &[
    ("name", "its name"),
    ("since", "since when this server knows of it; null if it is known only from what it holds"),
    (
        "seen",
        "when it last named itself in a command, or used one of its receipts; null if it has not since \
         this server was started or took over",
    ),
    ("leases", "how many leases it holds in the queues that are told of"),
    (
        "holds",
        "of each queue in which it holds some, sorted by name: the queue, how many leases, the receipt \
         of the oldest, and since when that holds; at most 100 queues",
    ),
    (
        "waits",
        "of each `JQ.CONSUME` in which it is blocked: since when, and the queues; at most 100, and of \
         each at most 100 queues",
    ),
    ("wish", "`QUIET` or `STOP` if somebody has said so with `JQ.WORKER`; else null"),
    (
        "connections",
        "addresses of the open connections over which it named itself with `JQ.WORKER SET`, or of the \
         one over which it consumed last; at most 100",
    ),
    ("host", "the machine that it says it runs on; or null"),
    ("pid", "the number of the process that it says it is; or null"),
    ("labels", "what else it says of itself: a map"),
];
