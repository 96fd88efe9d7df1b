//! What has happened to the jobs of a queue since it was created.

/// One count for each kind of event; each only grows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Jobs that were added.
    pub published: u64,
    /// Leases that were granted, `FREE` ones included.
    pub delivered: u64,
    /// Leases ended by an ack.
    pub acked: u64,
    /// Jobs finished with a result.
    pub fulfilled: u64,
    /// Leases ended by a nack.
    pub nacked: u64,
    /// Leases ended by a release.
    pub released: u64,
    /// Jobs buried by a client.
    pub buried: u64,
    /// Leases that were extended.
    pub touched: u64,
    /// Leases that ended because their holder went silent.
    pub lapsed: u64,
    /// Unfinished jobs whose time to live was over, buried ones included.
    pub expired: u64,
    /// Unfinished jobs whose deadline passed, and that are dead therefore.
    pub overdue: u64,
    /// Delayed jobs made ready before their time.
    pub kicked: u64,
    /// Dead jobs brought back.
    pub respawned: u64,
    /// Jobs removed by a client, whatever their state.
    pub deleted: u64,
    /// Jobs removed because they were cancelled, at once or when their lease ended.
    pub cancelled: u64,
    /// Jobs removed because another was published in their place.
    pub replaced: u64,
    /// Jobs that died, buried ones included.
    pub died: u64,
    /// Jobs changed in place.
    pub updated: u64,
    /// Jobs removed by a purge.
    pub purged: u64,
    /// Dead jobs removed because there were too many, or they were too old.
    pub pruned: u64,
    /// Finished jobs removed because their retention was over.
    pub retired: u64,
}

impl Counters {
    /// How many there are.
    pub const COUNTS: usize = 21;

    /// Every counter with its name on the wire, in the order of a job's life.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); Self::COUNTS] {
        [
            ("published", self.published),
            ("delivered", self.delivered),
            ("acked", self.acked),
            ("fulfilled", self.fulfilled),
            ("nacked", self.nacked),
            ("released", self.released),
            ("buried", self.buried),
            ("touched", self.touched),
            ("lapsed", self.lapsed),
            ("expired", self.expired),
            ("overdue", self.overdue),
            ("kicked", self.kicked),
            ("respawned", self.respawned),
            ("deleted", self.deleted),
            ("cancelled", self.cancelled),
            ("replaced", self.replaced),
            ("died", self.died),
            ("updated", self.updated),
            ("purged", self.purged),
            ("pruned", self.pruned),
            ("retired", self.retired),
        ]
    }

    /// The counters from their values, in the order of [`named`](Self::named).
    pub(crate) fn from_counts(counts: [u64; Self::COUNTS]) -> Self {
        let [published, delivered, acked, fulfilled, nacked, released, buried, touched, lapsed, expired, overdue, kicked, respawned, deleted, cancelled, replaced, died, updated, purged, pruned, retired] =
            counts;
        Self {
            published,
            delivered,
            acked,
            fulfilled,
            nacked,
            released,
            buried,
            touched,
            lapsed,
            expired,
            overdue,
            kicked,
            respawned,
            deleted,
            cancelled,
            replaced,
            died,
            updated,
            purged,
            pruned,
            retired,
        }
    }
}
