//! Counts of which most are zero, in few bytes: how many there are, and for each how many zeros it
//! follows, and itself. Numbers have seven bits a byte, and the eighth says that more come.

/// Writes a number.
pub fn write_one(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

/// Reads a number. `None` if there is none, or it is not written as [`write_one`] does.
pub fn read_one(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7F);
        // Nothing is cut off, and nothing is written longer than it is.
        if part << shift >> shift != part || (byte == 0 && shift > 0) {
            return None;
        }
        n |= part << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

/// Writes counts.
pub fn write(bytes: &mut Vec<u8>, counts: impl Iterator<Item = u64> + Clone) {
    write_one(bytes, counts.clone().filter(|&count| count > 0).count() as u64);
    let mut next = 0;
    for (at, count) in counts.enumerate().filter(|&(_, count)| count > 0) {
        write_one(bytes, at as u64 - next);
        write_one(bytes, count);
        next = at as u64 + 1;
    }
}

/// Reads counts of which there are `len` at most: each that is not zero with its place, until `take`
/// refuses one. `None` if they are not written as [`write`] does.
pub fn read(bytes: &mut &[u8], len: usize, mut take: impl FnMut(usize, u64) -> bool) -> Option<()> {
    let mut at = 0_usize;
    for _ in 0..read_one(bytes)? {
        at = at.checked_add(usize::try_from(read_one(bytes)?).ok()?)?;
        let count = read_one(bytes)?;
        if at >= len || count == 0 || !take(at, count) {
            return None;
        }
        at += 1;
    }
    Some(())
}

/// Takes so many bytes.
pub fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_as_they_were_and_nothing_else_does() {
        for counts in [vec![], vec![0, 0], vec![1], vec![0, 127, 0, 0, 128, u64::MAX, 0]] {
            let mut bytes = Vec::new();
            write(&mut bytes, counts.iter().copied());
            let mut found = vec![0; counts.len()];
            let mut rest = &bytes[..];
            let mut keep = |at: usize, count| {
                found[at] = count;
                true
            };
            assert_eq!(read(&mut rest, counts.len(), &mut keep), Some(()));
            assert!(rest.is_empty());
            assert_eq!(found, counts);
            for end in 0..bytes.len() {
                assert_eq!(read(&mut &bytes[..end], counts.len(), |_, _| true), None);
            }
        }
        for wrong in [
            // A number that is longer than it need be, one that is cut off, and one that ends early.
            &[0x80, 0][..],
            &[255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
            &[255],
            // A count of nothing, and one where there is no place.
            &[1, 0, 0],
            &[1, 3, 1],
            &[1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1],
        ] {
            assert_eq!(read(&mut &*wrong, 3, |_, _| true), None, "{wrong:?}");
        }
    }
}
