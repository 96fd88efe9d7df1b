//! A queue that decides, and one that follows it by its log, by text and nothing else. After every
//! step both are sound and alike.

use jobq_engine::{
    Bond, Corrupt, Lease, Leases, Loader, Millis, Operation, Outcome, Owner, Queue, Refusal,
    Request, Token,
};

/// How many names of jobs are remembered.
const NAMES_MAX: usize = 32;

pub struct Twins {
    primary: Queue,
    follower: Queue,
    /// Ids and receipts, as clients were told them.
    names: Vec<String>,
}

/// What the log has of an operation.
#[allow(clippy::large_enum_variant, reason = "there are few at a time")]
enum Logged<'a> {
    Lease { ids: Vec<String>, lease: Lease<'a> },
    Other(Operation<'a>),
}

impl Twins {
    /// Two empty queues.
    pub fn new(seed: u64) -> Self {
        Self { primary: Queue::new(seed), follower: Queue::new(seed), names: Vec::new() }
    }

    /// This queue and another that is made of its stored form.
    pub fn of(queue: Queue) -> Self {
        let follower = reloaded(&queue);
        let twins = Self { primary: queue, follower, names: Vec::new() };
        twins.check();
        twins
    }

    pub fn queue(&self) -> &Queue {
        &self.primary
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Decides and applies. A refusal changes nothing.
    pub fn ask<'a>(&mut self, request: impl Into<Request<'a>>) -> Result<Option<Outcome>, Refusal> {
        let Some(operation) = self.primary.choose(request)? else { return Ok(None) };
        let outcome = self.apply(operation);
        Ok(Some(outcome.unwrap_or_else(|refusal| panic!("{refusal}, though it was chosen"))))
    }

    /// Binds leases of the one that decides. The other does not hear of it, and is alike all the same.
    pub fn bind(&mut self, owner: Owner, leased: &Leases) {
        for &(slot, token) in leased {
            self.primary.bind(owner, Bond { slot, token, grace: Millis::ZERO });
        }
        self.check();
    }

    /// One to whom leases are bound has gone.
    pub fn orphan(&mut self, owner: Owner) {
        self.primary.orphan(owner);
        self.check();
    }

    /// Applies what a log could say. A refusal changes nothing, and what is no change is not in
    /// the log.
    pub fn apply<'a>(&mut self, operation: impl Into<Operation<'a>>) -> Result<Outcome, Refusal> {
        let operation = operation.into();
        let before = self.primary.digest();
        let logged = self.logged(&operation);
        let done = self.primary.apply(operation);
        match &done {
            Ok(outcome) if outcome.is_change() => {
                let followed = self.follow(logged);
                let told = told(&self.primary, outcome);
                assert_eq!(self::told(&self.follower, &followed), told, "they answer alike");
                self.names.extend(told);
                let forgotten = self.names.len().saturating_sub(NAMES_MAX);
                self.names.drain(..forgotten);
            }
            _ => assert_eq!(self.primary.digest(), before, "{done:?} has changed something"),
        }
        self.check();
        done
    }

    fn logged<'a>(&self, operation: &Operation<'a>) -> Logged<'a> {
        match operation {
            Operation::Lease(lease) => {
                let id = |&slot: &_| self.primary.job(slot).id().to_string();
                Logged::Lease { ids: lease.jobs.iter().map(id).collect(), lease: lease.clone() }
            }
            other => Logged::Other(other.clone()),
        }
    }

    fn follow(&mut self, logged: Logged<'_>) -> Outcome {
        let operation = match logged {
            Logged::Other(operation) => operation,
            Logged::Lease { ids, lease } => {
                let slot = |id: &String| self.follower.find_id(id).expect("the follower has it");
                Operation::Lease(Lease { jobs: ids.iter().map(slot).collect(), ..lease })
            }
        };
        self.follower.apply(operation).expect("the log fits its own history")
    }

    /// Replaces one of them by what is read of its stored form.
    pub fn reload(&mut self, the_primary: bool) {
        let queue = if the_primary { &mut self.primary } else { &mut self.follower };
        *queue = reloaded(queue);
        self.check();
    }

    fn check(&self) {
        for queue in [&self.primary, &self.follower] {
            queue.check_invariants().unwrap_or_else(|broken| panic!("{broken}"));
        }
        assert_eq!(self.primary.digest(), self.follower.digest());
        assert_eq!(self.primary.next_due(), self.follower.next_due());
        assert_eq!(self.primary.idle_ends(), self.follower.idle_ends());
    }
}

/// The names in an answer. Everything else in it is alike where the digests are.
fn told(queue: &Queue, outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Published(slots) => {
            slots.iter().map(|&slot| queue.job(slot).id().to_string()).collect()
        }
        Outcome::Held(slot) | Outcome::Renewed(slot) => vec![queue.job(*slot).id().to_string()],
        Outcome::Leased(leased) => {
            let receipt = |&(slot, Token(token)): &_| format!("{}@{token}", queue.job(slot).id());
            leased.iter().map(receipt).collect()
        }
        _ => Vec::new(),
    }
}

/// The queue that the stored form of this one describes, which is the same.
pub fn reloaded(queue: &Queue) -> Queue {
    let frames: Vec<_> = queue.frames().collect();
    let loaded = load(&frames).unwrap_or_else(|corrupt| panic!("its own form is read: {corrupt}"));
    assert_eq!(loaded.digest(), queue.digest(), "reloaded");
    loaded
}

pub fn load<F: AsRef<[u8]>>(frames: &[F]) -> Result<Queue, Corrupt> {
    let (first, rest) = frames.split_first().ok_or(Corrupt::Incomplete)?;
    let mut loader = Loader::new(first.as_ref())?;
    rest.iter().try_for_each(|frame| loader.push(frame.as_ref()))?;
    loader.finish()
}
