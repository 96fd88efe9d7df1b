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

    /// Asserts that the replica and the replayed logs of both hold what the primary holds, and that
    /// neither has caught an error of ours.
    #[track_caller]
    pub fn assert_alike(&self, tally: &mut Tally) {
        freeze(&self.primary);
        let queues = digests(&self.primary);
        self.replica.catch_up_with(&self.primary);
        assert_alike("the replica", &queues, &self.replica);
        assert_alike("the log", &queues, &replayed(&self.primary));
        assert_alike("the replica's log", &queues, &replayed(&self.replica));
        thaw(&self.primary);
        tally.add("queues compared with copies", 3 * queues.len());
        for server in [&self.primary, &self.replica] {
            assert_eq!(server.info("jobq", "jobq_errors_caught"), "0");
        }
    }
}
