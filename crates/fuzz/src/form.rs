//! The first stored form, which is frozen, written field by field: mostly what a queue can hold,
//! seldom what it cannot, so that what is wrong with it is one thing and not everything. Changing a
//! byte of a real one seldom gets beyond the lengths.

use crate::source::Source;

const MAGIC: &[u8; 6] = b"JobQ\x01\0";
const JOBS_MAX: usize = 24;

/// About when, for a queue that is made up.
const CLOCK: u64 = 1_763_700_000_000;

/// Frames of a queue that is made up.
pub fn made_up(source: &mut Source<'_>) -> Vec<Vec<u8>> {
    let count = source.below(JOBS_MAX + 1);
    let mut lengths = [0u64; 5];
    let mut jobs = Vec::new();
    let mut place = Place::default();
    for n in 0..count {
        jobs.push(job(source, n as u64 + 1, &mut place, &mut lengths));
    }
    let mut frames = vec![frame(0, &[queue(source, count as u64, lengths)])];
    let pieces = source.below(2) + 1;
    for (n, jobs) in jobs.chunks(count.div_ceil(pieces).max(1)).enumerate() {
        frames.push(frame(n as u32 + 1, jobs));
    }
    // A little damage.
    for _ in 0..source.pick(&[0, 0, 1, 2]) {
        let n = source.below(frames.len());
        let at = source.word() as usize % frames[n].len();
        frames[n][at] = source.byte();
    }
    frames
}

fn frame(number: u32, records: &[Vec<u8>]) -> Vec<u8> {
    let mut frame = MAGIC.to_vec();
    frame.extend(number.to_le_bytes());
    for record in records {
        frame.extend((record.len() as u32).to_le_bytes());
        frame.extend(record);
    }
    frame
}

/// A record being written, as bincode does with integers of fixed width.
#[derive(Default)]
struct Record(Vec<u8>);

impl Record {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn half(&mut self, half: u32) {
        self.0.extend(half.to_le_bytes());
    }

    fn word(&mut self, word: u64) {
        self.0.extend(word.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.word(text.len() as u64);
        self.0.extend(text);
    }

    fn option<T>(&mut self, option: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.byte(option.is_some().into());
        if let Some(value) = option {
            write(self, value);
        }
    }
}

fn queue(source: &mut Source<'_>, jobs: u64, lengths: [u64; 5]) -> Vec<u8> {
    let mut record = Record::default();
    let clock = if source.one_in(16) { source.pick(&[0, 253_402_300_799_999]) } else { CLOCK };
    record.word(clock);
    record.word(source.byte().into());
    // The last id: the latest that may be, so that it is behind all jobs.
    record.word(if source.one_in(16) { source.word() } else { clock << 16 | 0xFFFF });
    record.word(u64::MAX);
    record.word(if source.one_in(8) { source.number() } else { jobs });
    record.word(if source.one_in(8) { source.number() } else { jobs });
    terms(source, &mut record);
    for _ in 0..3 {
        let limit = source.maybe(Source::number).unwrap_or(0);
        record.word(limit);
    }
    record.word(span(source));
    record.byte(source.below(2) as u8);
    record.byte(source.below(2) as u8);
    for _ in 0..2 {
        let until = source.maybe(|it| if it.one_in(2) { u64::MAX } else { instant(it) });
        record.option(until, Record::word);
    }
    record.word(span(source));
    record.word(past(source));
    let count = if source.one_in(8) { source.number() } else { source.byte().into() };
    for _ in 0..21 {
        record.word(count);
    }
    let tasks = source.below(5);
    record.word(tasks as u64);
    for _ in 0..tasks {
        task(source, &mut record);
    }
    for length in lengths {
        record.word(length);
    }
    record.0
}

fn task(source: &mut Source<'_>, record: &mut Record) {
    let kind = source.below(5) as u32;
    record.half(kind);
    match kind {
        0 => record.word(source.number()),
        1 => {
            record.word(source.number());
            record.option(source.maybe(Source::byte), |record, tries| record.half(tries.into()));
            record.option(source.maybe(span), Record::word);
            record.word(span(source));
        }
        2 | 3 => {
            record.byte(source.below(6) as u8);
            record.word(source.number());
        }
        _ => {}
    }
}

fn terms(source: &mut Source<'_>, record: &mut Record) {
    record.half(source.pick(&[25, 1, 2, 3, u32::MAX]));
    record.word(span(source).max(u64::from(!source.one_in(64))));
    record.word(source.maybe(span).unwrap_or(0));
    let backoff = source.below(4) as u32;
    record.half(backoff);
    for _ in 0..backoff % 3 {
        record.word(span(source));
    }
    record.option(source.maybe(span), Record::word);
    record.byte(source.pick(&[0, 1, 20, 0xFF, 0xEC]));
    record.text(source.bytes(3));
    // No group, mostly, and no limits.
    for _ in 0..2 {
        record.text(if source.one_in(32) { source.bytes(2) } else { b"" });
    }
}

/// Since when the last ready, completed and dead jobs are so: each list is in that order.
#[derive(Default)]
struct Place {
    since: [u64; 5],
}

impl Place {
    /// An instant not before the last one of this state.
    fn next(&mut self, source: &mut Source<'_>, state: usize) -> u64 {
        let least = self.since[state].max(CLOCK - 10_000);
        let since = if source.one_in(32) {
            instant(source)
        } else {
            least.wrapping_add(source.byte().into())
        };
        self.since[state] = since;
        since
    }
}

fn job(source: &mut Source<'_>, n: u64, place: &mut Place, lengths: &mut [u64; 5]) -> Vec<u8> {
    let mut record = Record::default();
    let published = if source.one_in(8) { instant(source) } else { past(source) };
    record.word(published << 16);
    record.word(if source.one_in(32) { source.byte().into() } else { n });
    record.word(if source.one_in(32) { source.number() } else { n });
    let state = source.below(5);
    lengths[state] += 1;
    record.half(state as u32);
    match state {
        0 => record.word(instant(source)),
        1 | 4 => record.word(place.next(source, state)),
        2 => {
            record.word(if source.one_in(32) { source.number() } else { n });
            record.word(instant(source));
            record.text(source.bytes(2));
            record.word(span(source));
            record.byte(u8::from(!source.one_in(4)));
        }
        _ => {
            record.word(place.next(source, state));
            record.option(source.maybe(instant), Record::word);
        }
    }
    let has_terms = n == 1 || source.one_in(3);
    record.byte(has_terms.into());
    if has_terms {
        terms(source, &mut record);
    }
    let deliveries = u32::from(state == 2);
    record.half(if source.one_in(8) { source.number() as u32 } else { deliveries });
    record.half(if source.one_in(8) { source.number() as u32 } else { deliveries });
    record.word(instant(source));
    record.option(source.one_in(4).then(|| source.byte()), |record, id| {
        record.text(format!("own:{}", id % 64).as_bytes());
    });
    record.option(source.one_in(4).then(|| instant(source)), Record::word);
    record.option(source.one_in(4).then(|| instant(source)), Record::word);
    record.word(if source.one_in(8) { source.number() } else { 0 });
    record.byte(u8::from(state > 1 && source.one_in(4) || source.one_in(64)));
    record.option(source.one_in(4).then(|| source.bytes(3)), |record, value| {
        let texts = [&b"name"[..], value].map(|it| [&(it.len() as u32).to_le_bytes(), it].concat());
        record.text(&texts.concat());
    });
    record.option(source.one_in(4).then(|| source.bytes(9)), Record::text);
    record.option(source.one_in(4).then(|| past(source)), Record::word);
    let result = (state == 3).then(|| source.maybe(|it| it.bytes(9))).flatten();
    record.option(result, Record::text);
    record.text(source.bytes(9));
    record.0
}

/// Before the queue's clock, mostly.
fn past(source: &mut Source<'_>) -> u64 {
    CLOCK - u64::from(source.byte()) * 10
}

/// Around the queue's clock, or where instants end.
fn instant(source: &mut Source<'_>) -> u64 {
    match source.byte() {
        240.. => source.pick(&[0, 1, 253_402_300_799_999, 256_558_060_799_999, 1 << 48, u64::MAX]),
        near => CLOCK - 1_000 + u64::from(near) * 10,
    }
}

fn span(source: &mut Source<'_>) -> u64 {
    match source.byte() {
        250.. => source.pick(&[3_155_760_000_000, 3_155_760_000_001, u64::MAX]),
        short => u64::from(short) * 10,
    }
}
