//! Consumers that wait for several jobs (`JQ.CONSUME … MIN n LINGER ms`) while there are some, but
//! fewer. At most one in each line, the first, so those behind it cost nothing.
//!
//! It is the line that lingers: when its jobs are gone, or another consumer is the first, that is over.

use std::collections::{BTreeMap, BTreeSet};

use jobq_engine::UnixMillis;

use crate::{registry::Place, waiters::Ticket};

/// Who lingers at the head of which line, and until when.
#[derive(Default)]
pub struct Lingers {
    lines: BTreeMap<Place, (UnixMillis, Ticket)>,
    // The same by time, but for those whose end the timer knows of.
    ends: BTreeSet<(UnixMillis, Place)>,
}

impl Lingers {
    /// Whether no line lingers.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Who lingers in this line.
    pub fn of(&self, db: i32, queue: &[u8]) -> Option<Ticket> {
        if self.is_empty() {
            return None;
        }
        self.lines.get(&(db, queue.into())).map(|&(_, ticket)| ticket)
    }

    /// Has the first of a line linger until `until`, unless it does already. Tells until when.
    pub fn begin(&mut self, place: Place, ticket: Ticket, until: UnixMillis) -> UnixMillis {
        match self.lines.get(&place) {
            Some(&(until, first)) if first == ticket => until,
            _ => {
                self.end(place.0, &place.1);
                self.ends.insert((until, place.clone()));
                self.lines.insert(place, (until, ticket));
                until
            }
        }
    }

    /// Nobody lingers in this line any more.
    pub fn end(&mut self, db: i32, queue: &[u8]) {
        if self.is_empty() {
            return;
        }
        let place = (db, queue.into());
        if let Some((until, _)) = self.lines.remove(&place) {
            self.ends.remove(&(until, place));
        }
    }

    /// The same for all lines of a database, or of all.
    pub fn clear(&mut self, db: Option<i32>) {
        let Some(db) = db else { return *self = Self::default() };
        self.lines.retain(|place, _| place.0 != db);
        self.ends.retain(|(_, place)| place.0 != db);
    }

    /// When the first has lingered for long enough.
    pub fn first_end(&self) -> Option<UnixMillis> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// A queue at which somebody has lingered for long enough: it is to be looked at.
    pub fn pop_over(&mut self, now: UnixMillis) -> Option<Place> {
        if self.first_end()? > now {
            return None;
        }
        self.ends.pop_first().map(|(_, place)| place)
    }
}
