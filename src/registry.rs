//! What the module knows beside the keyspace: one value for the whole process.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    ptr::null_mut,
    rc::Rc,
};

use jobq_engine::{Cause, Ending, Loader, Message, Name, Ulid, UnixMillis, SUMMARY};
use lazy_static::lazy_static;
use redis_module::raw::RedisModuleType;

use crate::{
    bonds::Bonds,
    changes::Coming,
    names::Names,
    readers::Edge,
    roster::Roster,
    schedule::Schedule,
    timer::Alarm,
    waiters::{Deliveries, Handle, Waiter, Waiters},
};

/// A queue by database and name.
pub type Place = (i32, Box<[u8]>);

/// Terms begin so many tokens apart, and at their instant times as many: nobody grants a million leases
/// a second.
const TOKENS_PER_MILLI_BITS: u32 = 10;

/// What the module knows beside the keyspace.
pub struct Registry {
    /// The type of our keys, once it is registered.
    pub kind: *mut RedisModuleType,
    /// Whether `JQ.DEBUG` answers.
    pub debug: bool,
    /// How often this server has become one that decides, with its start.
    pub term: u64,
    /// Whether a queue has lost its name since the start, or was there before it. Then a new one may
    /// not be the first of its name, and would give tokens that another has given, if it did not
    /// begin a term.
    pub has_history: bool,
    /// Whether replicas hear of what is done here, as far as we know: only without a doubt do we say
    /// nothing.
    pub is_replicated: bool,
    /// The tokens of the latest term that any queue has begun.
    pub tokens_drawn: u64,
    /// The term in which the log was told that this server's clock is behind.
    pub skew_told: u64,
    /// Which queues there are.
    pub names: Names,
    /// Which queue has work when.
    pub schedule: Schedule,
    /// Clients that wait.
    pub waiters: Waiters,
    /// Leases that end with a connection.
    pub bonds: Bonds,
    /// Who works.
    pub roster: Roster,
    /// What workers are to hear that is wished of them.
    pub wishes: VecDeque<(Box<[u8]>, &'static str)>,
    /// The one timer.
    pub alarm: Alarm,
    /// Queues at which something may have changed outside our commands.
    pub looks: BTreeSet<Place>,
    /// Queues that may have become others while somebody waits for the end of one of their jobs, and
    /// the last of these that was looked at.
    pub rechecks: BTreeMap<Place, Option<Ulid>>,
    /// Jobs that have ended, and of which not all are told yet who wait for that.
    pub untold: Vec<(Place, Rc<Ending>)>,
    /// Queues of which not all are woken yet who wait for events, and who of them goes on waiting.
    pub unread: BTreeMap<Place, Edge>,
    /// Queues that may have become others while somebody waits for their events.
    pub rereads: BTreeSet<Place>,
    /// What has changed in queues, while somebody hears of it, and no key is closed yet.
    pub changes: VecDeque<(Place, Vec<Cause>)>,
    /// Queues that have come or gone, and nobody is told yet.
    pub comings: VecDeque<Coming>,
    /// What workers are to hear of their leases, with the queues.
    pub messages: VecDeque<(Box<[u8]>, Message)>,
    /// Queues that were just visited and have something for others.
    pub outgoing: VecDeque<Place>,
    /// Jobs whose consumer was gone before it could be written to.
    pub undelivered: Vec<Deliveries>,
    /// Notices whose taker was gone before it could be written to.
    pub untold_notices: Vec<(Place, Name)>,
    /// Queues of which an append-only file has told the beginning.
    pub loading: HashMap<Place, Loader>,
    /// Counters for `INFO`.
    pub stats: Stats,
}

impl Registry {
    /// When the timer has something to do next; the beginning of time for at once.
    pub fn next_instant(&self) -> Option<UnixMillis> {
        let at_once = !self.looks.is_empty()
            || !self.rechecks.is_empty()
            || !self.untold.is_empty()
            || !self.undelivered.is_empty()
            || !self.untold_notices.is_empty()
            || self.waiters.has_last_looks()
            || !self.messages.is_empty()
            || !self.wishes.is_empty()
            || !self.unread.is_empty()
            || !self.rereads.is_empty()
            || !self.comings.is_empty()
            || self.roster.is_sweeping()
            || !self.waiters.rooms.is_empty();
        let firsts = [
            at_once.then_some(UnixMillis(0)),
            self.schedule.first(),
            self.waiters.first_deadline(),
            self.waiters.lingers.first_end(),
            self.bonds.first_due(),
        ];
        firsts.into_iter().flatten().min()
    }

    /// Whether there is something to do when no key is open any more.
    #[inline]
    pub fn has_afterwork(&self) -> bool {
        !self.outgoing.is_empty() || !self.changes.is_empty()
    }

    /// What the tokens of a term are above that begins now: above all that were given before by any
    /// server, as long as clocks are not set back.
    pub fn draw_tokens(&mut self, now: UnixMillis) -> u64 {
        let next = self.tokens_drawn + (1 << TOKENS_PER_MILLI_BITS);
        self.tokens_drawn = next.max(now.0 << TOKENS_PER_MILLI_BITS);
        self.tokens_drawn
    }

    /// The same for a queue that is new; `None` if it is the first that ever had its name here.
    pub fn first_tokens(&mut self, now: UnixMillis) -> Option<u64> {
        self.has_history.then(|| self.draw_tokens(now))
    }

    /// Has the timer look at the queues, of one database or of all, that somebody waits for: they
    /// may be others now.
    pub fn look_at_awaited(&mut self, db: Option<i32>) {
        self.looks.extend(self.waiters.awaited(db));
        let rechecks = self.waiters.awaited_endings(db).into_iter().map(|place| (place, None));
        self.rechecks.extend(rechecks);
        self.rereads.extend(self.waiters.awaited_events(db));
        self.waiters.look_for_room(db);
        self.alarm.want(UnixMillis(0));
    }

    /// Takes a client out of all lines, if it still waits, and sees to those behind it.
    pub fn leave(&mut self, handle: Handle) -> Option<Waiter> {
        let waiter = self.waiters.leave(handle);
        self.look_at_left();
        waiter
    }

    /// Has the timer look at queues with jobs whose first consumer, who waited for more of them, has
    /// left the line: those behind it may want what there is.
    pub fn look_at_left(&mut self) {
        let left = self.waiters.take_left();
        if !left.is_empty() {
            self.looks.extend(left);
            self.alarm.want(UnixMillis(0));
        }
    }

    /// Has the timer look whether those who wait to publish to this queue find room there now.
    pub fn look_for_room(&mut self, place: &Place) {
        if self.waiters.awaits_room(place) {
            self.waiters.rooms.insert(place.clone());
            self.alarm.want(UnixMillis(0));
        }
    }

    /// Has the timer look at those who wait for the end of a job of this queue, which may be another
    /// now, or gone.
    pub fn recheck(&mut self, place: &Place) {
        if self.waiters.awaits_ending(place) {
            self.rechecks.insert(place.clone(), None);
            self.alarm.want(UnixMillis(0));
        }
        if self.waiters.awaits_events(place) {
            self.rereads.insert(place.clone());
            self.alarm.want(UnixMillis(0));
        }
        self.look_for_room(place);
    }
}

/// Counters for `INFO`, since the module was loaded.
#[derive(Default)]
pub struct Stats {
    /// Turns of the timer.
    pub timer_turns: u64,
    /// Times that queues were brought up to date.
    pub ticks: u64,
    /// Clients that were woken with what they waited for.
    pub woken: u64,
    /// Clients that stopped waiting because their time was over.
    pub timed_out: u64,
    /// Jobs that went back because their consumer was gone before it could be written to.
    pub undelivered: u64,
    /// Jobs whose leases ended with their connections.
    pub unbound: u64,
    /// What has happened to the jobs of all queues, as in their histories.
    pub counts: [u64; SUMMARY.len()],
    /// The same as of when the data set last began to be loaded.
    pub before_loading: [u64; SUMMARY.len()],
    /// Turns of the timer that have used up their slice.
    pub full_turns: u64,
    /// How late the timer was, in milliseconds: all its turns together, and the latest.
    pub late: u64,
    /// See [`late`](Self::late).
    pub latest: u64,
}

impl Stats {
    /// Clients that wait no longer.
    pub fn answered(&self) -> u64 {
        self.woken + self.timed_out
    }
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
        has_history: false,
        is_replicated: true,
        tokens_drawn: 0,
        skew_told: 0,
        names: Names::default(),
        schedule: Schedule::default(),
        waiters: Waiters::default(),
        bonds: Bonds::default(),
        roster: Roster::default(),
        wishes: VecDeque::new(),
        alarm: Alarm::default(),
        looks: BTreeSet::new(),
        rechecks: BTreeMap::new(),
        untold: Vec::new(),
        unread: BTreeMap::new(),
        rereads: BTreeSet::new(),
        changes: VecDeque::new(),
        comings: VecDeque::new(),
        messages: VecDeque::new(),
        outgoing: VecDeque::new(),
        undelivered: Vec::new(),
        untold_notices: Vec::new(),
        loading: HashMap::new(),
        stats: Stats::default(),
    }));
}

/// Uses the registry. `body` must not call the server: many of its functions run callbacks of ours
/// before they return, and those need the registry too.
pub fn with<R>(body: impl FnOnce(&mut Registry) -> R) -> R {
    body(&mut REGISTRY.0.borrow_mut())
}
