//! Replies as tests expect them, and the questions that most tests ask.

use std::ops::{Deref, DerefMut};

use crate::support::{Client, Reply, Server};

/// A bulk string.
pub fn bulk(text: impl AsRef<[u8]>) -> Reply {
    Reply::Bulk(text.as_ref().to_vec())
}

/// The status that says yes.
pub fn ok() -> Reply {
    Reply::Status("OK".into())
}

/// What `JQ.CONSUME` and `JQ.PEEK` answer: for each job its queue, how to name it, and its body.
pub fn jobs(jobs: &[(&str, &str, &str)]) -> Reply {
    let job = |(queue, name, body): &(&str, &str, &str)| {
        Reply::Array(vec![bulk(queue), bulk(name), bulk(body)])
    };
    Reply::Array(jobs.iter().map(job).collect())
}

/// The receipts of the jobs in a reply of `JQ.CONSUME`, or their ids in one of `JQ.PEEK`.
#[track_caller]
pub fn names(reply: &Reply) -> Vec<String> {
    column(reply, 1)
}

/// The ids of the jobs in a reply of `JQ.CONSUME`, whatever their tokens.
#[track_caller]
pub fn ids(reply: &Reply) -> Vec<String> {
    let id = |name: String| name.split('@').next().unwrap_or_default().to_owned();
    names(reply).into_iter().map(id).collect()
}

/// The token of the only job in a reply of `JQ.CONSUME`.
#[track_caller]
pub fn token(reply: &Reply) -> u64 {
    let names = names(reply);
    let [name] = &names[..] else { panic!("not one job: {reply:?}") };
    token_of(name)
}

/// The token of a receipt.
#[track_caller]
pub fn token_of(receipt: &str) -> u64 {
    let token = receipt.split_once('@').and_then(|(_, token)| token.parse().ok());
    token.unwrap_or_else(|| panic!("no receipt: {receipt}"))
}

/// The bodies of the jobs in a reply.
#[track_caller]
pub fn bodies(reply: &Reply) -> Vec<String> {
    column(reply, 2)
}

/// The queues of the jobs in a reply.
#[track_caller]
pub fn queues(reply: &Reply) -> Vec<String> {
    column(reply, 0)
}

#[track_caller]
fn column(reply: &Reply, at: usize) -> Vec<String> {
    if reply.is_nothing() {
        return Vec::new();
    }
    reply.items().iter().map(|job| job.items()[at].text()).collect()
}

/// A client of one of the two protocols.
pub struct Wire {
    client: Client,
    is_resp3: bool,
}

impl Wire {
    /// Nothing, where an array might have been.
    pub fn null_array(&self) -> Reply {
        if self.is_resp3 {
            Reply::Null
        } else {
            Reply::NullArray
        }
    }

    /// A map of RESP3, or the flat array that RESP2 has instead.
    pub fn map(&self, pairs: Vec<(&str, Reply)>) -> Reply {
        let pairs = pairs.into_iter().map(|(name, value)| (bulk(name), value));
        if self.is_resp3 {
            Reply::Map(pairs.collect())
        } else {
            Reply::Array(pairs.flat_map(|(name, value)| [name, value]).collect())
        }
    }
}

impl Deref for Wire {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Wire {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// Runs a check on an empty server with a client of RESP2, and again with one of RESP3.
pub fn on_each_wire(check: impl Fn(&mut Wire)) {
    let server = Server::plain();
    for is_resp3 in [false, true] {
        server.run("FLUSHALL");
        let mut client = server.client();
        if is_resp3 {
            assert!(matches!(client.run("HELLO 3"), Reply::Map(_)), "the client speaks RESP3");
        }
        check(&mut Wire { client, is_resp3 });
    }
}

/// A field of `JQ.STATS`.
#[track_caller]
pub fn stat(client: &mut Client, queue: &str, field: &str) -> i64 {
    client.call(&["JQ.STATS", queue]).field(field).int()
}

/// How much memory the server says it uses.
#[track_caller]
pub fn used_memory(client: &mut Client) -> i64 {
    client.info("memory", "used_memory").parse().expect("a number")
}

/// How many jobs are delayed, ready, leased and dead.
#[track_caller]
pub fn lengths(client: &mut Client, queue: &str) -> [i64; 4] {
    let stats = client.call(&["JQ.STATS", queue]);
    ["delayed", "ready", "leased", "dead"].map(|state| stats.field(state).int())
}

/// How long after the queue's clock it has something to do next.
#[track_caller]
pub fn due_in(client: &mut Client, queue: &str) -> i64 {
    let stats = client.call(&["JQ.STATS", queue]);
    stats.field("next-due").int() - stats.field("clock").int()
}

/// All that a queue tells of itself but its clock, which moves even at a request that is refused.
pub fn told(client: &mut Client, queue: &str) -> Vec<Reply> {
    let stats = client.call(&["JQ.STATS", queue]);
    let fields = if stats.is_nothing() { Vec::new() } else { stats.pairs() };
    let fields = fields.into_iter().filter(|(name, _)| name != "clock");
    let mut told: Vec<_> = fields.map(|(_, value)| value).collect();
    told.push(client.call(&["JQ.PEEK", queue, "COUNT", "10000"]));
    told.push(client.call(&["JQ.CONFIG", queue, "GET"]));
    told
}
