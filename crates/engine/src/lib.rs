//! The queue of JobQ as a deterministic state machine.
//!
//! ```text
//! choose(state, request)   -> operation           decides, changes nothing
//! apply(state, operation)  -> outcome             changes, decides nothing
//! ```
//!
//! It knows no Redis, no clock, no randomness and no I/O. Time is an operation like any other:
//! only [`Operation::Tick`] moves it, and everything else reads the queue's own clock. So a
//! primary, its replicas and a replayed log run the same code and come to the same state, which
//! [`Queue::digest`] lets anyone check.
//!
//! What the host has to do next follows from the state and is asked for, never pushed:
//! [`Queue::next_due`] says when to tick, and a ready job says that a waiting consumer can be
//! served.

mod apply;
mod backoff;
mod batches;
mod bonds;
mod bucket;
mod cancel;
mod choose;
mod config;
mod counters;
mod crew;
pub mod distant;
pub mod gates;
mod generator;
pub mod glob;
mod hasten;
mod headers;
pub mod id;
mod index;
mod interner;
mod invariants;
mod job;
mod journal;
mod limits;
mod list;
mod listing;
mod messages;
mod numbers;
mod operation;
mod outbox;
mod outsiders;
pub mod parents;
mod pause;
mod queue;
mod ready;
mod refusal;
mod retain;
mod schedules;
mod seats;
mod slab;
pub mod snapshot;
mod state;
mod subscriptions;
mod terms;
mod time;
mod timeline;
mod turns;
mod u48;
mod unique;
pub mod uses;
mod watch;

pub use apply::ERROR_BYTES_MAX;
pub use backoff::Backoff;
pub use batches::{BatchOrder, BatchView, Pace, BATCH_JOBS_MAX, BATCH_KEY_BYTES_MAX};
pub use bonds::{Bond, Owner};
pub use bucket::Rate;
pub use cancel::Cancelled;
pub use config::{Config, Setting, WhenExpired, WhenLapsed};
pub use counters::Counters;
pub use crew::Holding;
pub use distant::Distant;
pub use hasten::Haste;
pub use headers::Headers;
pub use id::{JobId, JobRef, Name, Token, Ulid};
pub use job::{Extra, Job};
pub use journal::{Cause, Happening, Step as TrailStep, EVENTS_MAX, TRAIL_MAX};
pub use limits::{Permits, EACH_GROUP, WHOLE_QUEUE};
pub use listing::{Cursor, Listing, Page, PATTERN_BYTES_MAX};
pub use messages::{Message, News};
pub use numbers::{
    Grain, Histogram, Row, Time, Times, TypeNumbers, Types, DUE_SPANS, SUMMARY, TYPES_MAX,
};
pub use operation::{
    Action, Bodies, Change, Conditions, Consume, Due, Holder, JobRefs, Lease, Leases, Operation,
    Outcome, Publish, Request, Revival, Side, Touched, Verdict, Which,
};
pub use outbox::{Child, Told};
pub use outsiders::Follow;
pub use parents::{End as ParentEnd, IfDead, Parent, ParentState, Parents};
pub use pause::Pauses;
pub use queue::Queue;
pub use refusal::Refusal;
pub use retain::Retain;
pub use schedules::{
    Counts as ScheduleCounts, Done, Missed, NewSchedule, Overlap, Past, Plan, Run, Schedule,
    ScheduleOrder, Template, Timing, Unplanned, Why, CRON_BYTES_MAX, HISTORY_MAX, MISSED_AFTER,
    SCHEDULES_BYTES_MAX, SCHEDULES_MAX, SCHEDULE_NAME_BYTES_MAX,
};
pub use seats::LimitSet;
pub use slab::{Slot, Slots};
pub use snapshot::{Corrupt, Digest, Loader};
pub use state::{Event, State, StateKind};
pub use subscriptions::{Notice, Target, Targets, SUBSCRIBERS_MAX, TARGET_BYTES_MAX};
pub use terms::{Terms, Wishes, GROUP_BYTES_MAX, PRIORITIES};
pub use time::{Millis, UnixMillis};
pub use unique::{Lock, LockEnd, Otherwise, Unique, Until, UNIQUE_BYTES_MAX};
pub use uses::{LimitName, Use};
pub use watch::Ending;
