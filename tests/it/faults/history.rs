//! What clients asked for and what they were told, with the time of each: all that is known of a
//! server from outside.

use std::time::Instant;

/// Whether a request did what it asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Done {
    /// The server said so.
    Yes,
    /// The server said that it did not.
    No,
    /// No answer came, or one that leaves it open.
    Maybe,
}

/// One delivery of a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Receipt {
    /// The id of the job, as its queue knows it.
    pub id: String,
    /// Grows with each delivery of a queue.
    pub token: u64,
}

impl Receipt {
    /// Reads a receipt as the server writes it.
    ///
    /// # Panics
    /// If it is none.
    pub fn parse(text: &str) -> Self {
        let (id, token) = text.rsplit_once('@').unwrap_or_else(|| panic!("no receipt: {text}"));
        let token = token.parse().unwrap_or_else(|_| panic!("no receipt: {text}"));
        Self { id: id.into(), token }
    }
}

impl std::fmt::Display for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.id, self.token)
    }
}

/// The job that is published with the end of this delivery, where that is a [`Way::Chain`].
pub fn successor_of(queue: &str, receipt: &Receipt) -> String {
    format!("after {queue} {receipt}")
}

/// A way to end or to prolong a lease.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    Ack,
    /// With a successor: [`successor_of`] says which.
    Chain,
    Fulfill,
    /// With a wait, in milliseconds.
    Nack(u64),
    Release,
    Bury,
    Touch,
}

impl Way {
    /// Whether the work is done afterwards.
    pub fn finishes(self) -> bool {
        matches!(self, Self::Ack | Self::Chain | Self::Fulfill)
    }

    /// Whether nobody holds the job afterwards.
    pub fn ends_the_lease(self) -> bool {
        self != Self::Touch
    }
}

/// What happened to a job, as far as a client knows.
#[derive(Clone, Debug)]
pub enum What {
    /// It was published, due after so many milliseconds, with so many tries.
    Publish { delay: u64, tries: usize, done: Done },
    /// It was delivered, for so many milliseconds.
    Deliver { receipt: Receipt, ttr: u64 },
    /// Somebody said how its delivery went.
    Settle { way: Way, receipt: Receipt, done: Done },
}

/// One request about one job.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The job, by its body: no two have the same.
    pub job: String,
    pub queue: String,
    /// The port of the server that was asked.
    pub server: u16,
    pub sent: Instant,
    /// When the answer came, if one did.
    pub answered: Option<Instant>,
    /// Whether the replicas had it, by `WAIT`.
    pub confirmed: bool,
    pub what: What,
}

/// A time from which a server may forget what it told its clients.
#[derive(Clone, Debug)]
pub struct Loss {
    /// What was answered before is kept.
    pub from: Instant,
    /// What was answered after is kept again.
    pub until: Instant,
    /// Which server: all of them, unless two decide at the same time.
    pub server: Option<u16>,
}

impl Loss {
    /// Whether the server may have done this in that time. It was done at some time between the
    /// question and the answer, which may have lain unread when the server was gone already.
    fn takes(&self, fact: &Fact) -> bool {
        fact.sent <= self.until && fact.answered.is_none_or(|answered| answered >= self.from)
    }
}

/// All that clients know.
#[derive(Debug, Default)]
pub struct History {
    pub facts: Vec<Fact>,
    pub losses: Vec<Loss>,
    /// Requests that were sent and not refused, answered or not.
    pub requests: usize,
    /// Requests that were never answered.
    pub unanswered: usize,
    /// When the load was over and somebody began to take all that was left.
    pub drained_from: Option<Instant>,
    /// The jobs whose results are there, word for word, when all is over.
    pub results: std::collections::HashSet<String>,
}

impl History {
    /// Takes in what other clients of the same servers know.
    pub fn join(&mut self, other: Self) {
        self.facts.extend(other.facts);
        self.losses.extend(other.losses);
        self.requests += other.requests;
        self.unanswered += other.unanswered;
    }

    /// Whether what a request was told holds for good.
    pub fn is_certain(&self, fact: &Fact) -> bool {
        let may_forget = |loss: &Loss| loss.server.is_none_or(|server| server == fact.server);
        let losses = self.losses.iter().filter(|loss| may_forget(loss));
        fact.answered.is_some()
            && (fact.confirmed || !losses.into_iter().any(|loss| loss.takes(fact)))
    }

    /// Whether two servers decided when this was answered, and this is the one that lost.
    pub fn is_of_another_world(&self, fact: &Fact) -> bool {
        let is_split = |loss: &Loss| loss.server == Some(fact.server) && loss.takes(fact);
        self.losses.iter().any(is_split)
    }

    /// Whether this came after the load was over.
    pub fn is_drained(&self, fact: &Fact) -> bool {
        self.drained_from.is_some_and(|from| fact.sent >= from)
    }
}
