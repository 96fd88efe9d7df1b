//! A primary and its replica, both with a log: what they hold is compared after a fault.

use super::tally::Tally;
use crate::support::{
    likeness::{assert_alike, digests, freeze, replayed, thaw},
    Options, Server,
};

/// A primary and its replica.
pub struct Pair {
    /// The one that decides.
    pub primary: Server,
    /// The one that repeats.
    pub replica: Server,
}

impl Pair {
    /// Starts both. The settings are the primary's.
    pub fn start(options: Options) -> Self {
        // Written at each command, so that what is read there is all: `everysec` may put that off.
        let log = "--appendonly yes --appendfsync no";
        let primary = Server::start(options.with(log));
        let follows = format!("{log} --replicaof 127.0.0.1 {}", primary.port());
        let replica = Server::start(Options::new().with(&follows));
        replica.catch_up_with(&primary);
        Self { primary, replica }
    }

    /// Asserts that all copies hold what the primary holds.
    #[track_caller]
    pub fn assert_alike(&self, tally: &mut Tally) {
        let compared = assert_copies_are_alike(&self.primary, Some(&self.replica));
        tally.add("queues compared with copies", compared);
    }
}

/// Holds the load of a primary for a moment, and asserts that its replica and the replayed logs of
/// both hold what it holds, and that neither has caught an error of ours. Tells how many times a
/// queue was compared.
#[track_caller]
pub fn assert_copies_are_alike(primary: &Server, replica: Option<&Server>) -> usize {
    freeze(primary);
    let queues = digests(primary);
    let mut copies = 1;
    assert_alike("the log", &queues, &replayed(primary));
    if let Some(replica) = replica {
        replica.catch_up_with(primary);
        assert_alike("the replica", &queues, replica);
        assert_alike("the replica's log", &queues, &replayed(replica));
        copies += 2;
    }
    thaw(primary);
    for server in [primary].into_iter().chain(replica) {
        assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
    }
    copies * queues.len()
}
