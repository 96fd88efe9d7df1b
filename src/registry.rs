//! What the module knows beside the keyspace: one value for the whole process.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    ptr::null_mut,
};

use jobq_engine::{Loader, UnixMillis};
use lazy_static::lazy_static;
use redis_module::raw::RedisModuleType;

use crate::{
    names::Names,
    schedule::Schedule,
    timer::Alarm,
    waiters::{Deliveries, Waiters},
};

/// A queue by database and name.
pub type Place = (i32, Box<[u8]>);

/// What the module knows beside the keyspace.
pub struct Registry {
    /// The type of our keys, once it is registered.
    pub kind: *mut RedisModuleType,
    /// Whether `JQ.DEBUG` answers.
    pub debug: bool,
    /// How often this server has become one that decides, with its start.
    pub term: u64,
    /// Which queues there are.
    pub names: Names,
    /// Which queue has work when.
    pub schedule: Schedule,
    /// Clients that wait.
    pub waiters: Waiters,
    /// The one timer.
    pub alarm: Alarm,
    /// Queues at which something may have changed outside our commands.
    pub looks: BTreeSet<Place>,
    /// Jobs whose consumer was gone before it could be written to.
    pub undelivered: Vec<Deliveries>,
    /// Queues of which an append-only file has told the beginning.
    pub loading: HashMap<Place, Loader>,
    /// Counters for `INFO`.
    pub stats: Stats,
}

impl Registry {
    /// When the timer has something to do next; the beginning of time for at once.
    pub fn next_instant(&self) -> Option<UnixMillis> {
        let at_once = !self.looks.is_empty() || !self.undelivered.is_empty();
        let firsts = [
            at_once.then_some(UnixMillis(0)),
            self.schedule.first(),
            self.waiters.first_deadline(),
        ];
        firsts.into_iter().flatten().min()
    }
}

impl Registry {
    /// Has the timer look at the queues, of one database or of all, that somebody waits for: they may
    /// be others now.
    pub fn look_at_awaited(&mut self, db: Option<i32>) {
        let places = self.waiters.awaited(db);
        if !places.is_empty() {
            self.looks.extend(places);
            self.alarm.want(UnixMillis(0));
        }
    }
}

/// Counters for `INFO`, since the module was loaded.
#[derive(Default)]
pub struct Stats {
    /// Turns of the timer.
    pub timer_turns: u64,
    /// Ticks that were recorded.
    pub ticks: u64,
    /// Clients that were woken with what they waited for.
    pub woken: u64,
    /// Clients that stopped waiting because their time was over.
    pub timed_out: u64,
    /// Jobs that went back because their consumer was gone before it could be written to.
    pub undelivered: u64,
}

/// Lets a value that only the server's main thread uses be a static.
struct MainThread<T>(T);

// SAFETY: every use is in a callback that the server runs on its main thread, or, for `free`, in
// one that does not use the registry.
unsafe impl<T> Sync for MainThread<T> {}

lazy_static! {
    static ref REGISTRY: MainThread<RefCell<Registry>> = MainThread(RefCell::new(Registry {
        kind: null_mut(),
        debug: false,
        term: 1,
        names: Names::default(),
        schedule: Schedule::default(),
        waiters: Waiters::default(),
        alarm: Alarm::default(),
        looks: BTreeSet::new(),
        undelivered: Vec::new(),
        loading: HashMap::new(),
        stats: Stats::default(),
    }));
}

/// Uses the registry. `body` must not call the server: many of its functions run callbacks of ours
/// before they return, and those need the registry too.
pub fn with<R>(body: impl FnOnce(&mut Registry) -> R) -> R {
    body(&mut REGISTRY.0.borrow_mut())
}
