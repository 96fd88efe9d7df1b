//! What workers that gave their names hear of their leases: messages on the channel of the worker.
//!
//! They are sent by the timer and not by the command that brings them about: so they never stand in
//! the middle of an answer, and a transaction tells nothing before it is done. A message is for who
//! listens now: it is in no log, and nobody keeps it.

use jobq_engine::{Message, Queue, UnixMillis};

use crate::{
    registry,
    server::{Context, Text},
};

/// What comes before a worker's name.
const CHANNEL: &[u8] = b"jobq:worker:";

/// Messages that one step sends; the timer goes on from there.
const STEP_MAX: usize = 64;

/// Keeps for the timer what there is to hear of this queue.
#[inline]
pub fn keep(name: &[u8], queue: &mut Queue, now: UnixMillis) {
    if !queue.stop_hearing() {
        keep_all(name, queue.take_messages(now));
    }
}

#[cold]
fn keep_all(name: &[u8], messages: Vec<Message>) {
    if messages.is_empty() {
        return;
    }
    registry::with(|registry| {
        registry.messages.extend(messages.into_iter().map(|message| (name.into(), message)));
        registry.alarm.want(UnixMillis(0));
    });
}

/// Sends some messages. False if there are none.
pub fn send_some(context: Context) -> bool {
    for sent in 0..STEP_MAX {
        if let Some((worker, word)) = registry::with(|registry| registry.wishes.pop_front()) {
            send_to(context, &worker, word.as_bytes());
            continue;
        }
        let next = registry::with(|registry| registry.messages.pop_front());
        let Some((queue, message)) = next else { return sent > 0 };
        send(context, &queue, &message);
    }
    true
}

fn send(context: Context, queue: &[u8], message: &Message) {
    let word = message.news.word().as_bytes();
    send_to(context, &message.worker, &[word, queue, message.receipt.as_bytes()].join(&b' '));
}

fn send_to(context: Context, worker: &[u8], message: &[u8]) {
    let channel = [CHANNEL, worker].concat();
    context.publish_message(&Text::new(&channel), &Text::new(message));
}
