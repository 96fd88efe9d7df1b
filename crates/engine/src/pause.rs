//! Closed ways into and out of a queue.

use crate::{
    operation::Side,
    time::{Millis, UnixMillis},
};

/// Until when publishing and handing out are paused; [`UnixMillis::NEVER`] until somebody resumes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pauses {
    /// Publishing is refused until then.
    pub publishing: Option<UnixMillis>,
    /// Nothing is handed out until then.
    pub consuming: Option<UnixMillis>,
}

impl Pauses {
    /// Closes a side for a time, or for good where that is zero.
    pub fn close(&mut self, side: Side, now: UnixMillis, span: Millis) {
        let until = Some(if span.is_zero() { UnixMillis::NEVER } else { now.after(span) });
        if matches!(side, Side::In | Side::Both) {
            self.publishing = until;
        }
        if matches!(side, Side::Out | Side::Both) {
            self.consuming = until;
        }
    }

    /// When the next pause ends by itself.
    #[must_use]
    pub fn next_end(&self) -> Option<UnixMillis> {
        let ends = [self.publishing, self.consuming].into_iter().flatten();
        ends.filter(|&end| end != UnixMillis::NEVER).min()
    }

    /// Opens what is over by `now`.
    pub fn end_due(&mut self, now: UnixMillis) {
        self.publishing = self.publishing.filter(|&end| end > now);
        self.consuming = self.consuming.filter(|&end| end > now);
    }
}
