//! Stored forms, which may come from anyone. What is refused has cost no more than it weighs; what
//! is taken is sound, is stored and read again as the same, and can be worked on.

use jobq_allocation::peak_of;

use crate::{
    form,
    histories::{go_on, run_out},
    source::Source,
    twins::{load, reloaded, Twins},
};

/// What a reader makes room for on the word of a length alone.
const CREDIT_BYTES: usize = 3 << 20;

/// What becomes of a byte of the stored form in memory, indexes included, at most: the shortest
/// records are those of jobs with nothing in them.
const BYTES_A_BYTE_MAX: usize = 32;

/// The first byte says how the frames are written, the second how many of the bytes that follow
/// are about what is done to the queue then; the others make the frames.
pub fn snapshot(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let is_made_up = source.one_in(2);
    let mut deeds = Source::new(source.bytes(255));
    let frames = if is_made_up { form::made_up(&mut source) } else { pieces(&mut source) };

    let weight: usize = frames.iter().map(Vec::len).sum();
    let (loaded, peak) = peak_of(|| load(&frames));
    let limit = CREDIT_BYTES + BYTES_A_BYTE_MAX * weight;
    assert!(peak <= limit, "{peak} bytes were in use for {weight} bytes of frames");
    let queue = match loaded {
        Ok(queue) => queue,
        Err(corrupt) => {
            let line = corrupt.to_string();
            assert!(line.bytes().all(|c| (b' '..=b'~').contains(&c)), "{line:?}");
            return;
        }
    };
    queue.check_invariants().unwrap_or_else(|broken| panic!("{broken}"));
    drop(reloaded(&queue));

    let mut twins = Twins::of(queue);
    go_on(&mut twins, &mut deeds);
    run_out(&mut twins);
}

/// Each piece after its length, and the last one to the end.
fn pieces(source: &mut Source<'_>) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    while !source.is_empty() {
        let len = u16::from_le_bytes([source.byte(), source.byte()]);
        pieces.push(source.take(len.into()).to_vec());
    }
    pieces
}
