//! Which limits a job counts against, in the form in which its terms keep them.
//!
//! For each limit a byte that says what sort of name it has, its weight, and the name behind its
//! length, in the order of these. So equal uses are equal bytes, however they were named.

/// Limits that one job may use at most.
pub const USES_MAX: usize = 16;

/// The longest name of a limit, in bytes.
pub const LIMIT_NAME_BYTES_MAX: usize = 256;

/// A limit by its name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LimitName<'a> {
    /// One that operators set.
    Named(&'a [u8]),
    /// One that nobody sets: of all jobs with this name, one is held at a time.
    Mutex(&'a [u8]),
    /// That of a group. All its jobs count against it, and none says so.
    Group(&'a [u8]),
}

impl<'a> LimitName<'a> {
    /// The name without its sort.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Named(name) | Self::Mutex(name) | Self::Group(name) => name,
        }
    }
}

/// A limit that a job counts against, and by how much.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Use<'a> {
    /// Which one.
    pub limit: LimitName<'a>,
    /// How many of its places the job takes; at least 1.
    pub weight: u32,
}

/// Packs uses, each limit once. O(n log n).
#[must_use]
pub fn pack(uses: &[Use<'_>]) -> Vec<u8> {
    let mut sorted = uses.to_vec();
    sorted.sort_unstable_by_key(|wanted| wanted.limit);
    let mut packed = Vec::new();
    for Use { limit, weight } in sorted {
        let (kind, name) = match limit {
            LimitName::Named(name) => (NAMED, name),
            LimitName::Mutex(name) => (MUTEX, name),
            LimitName::Group(_) => continue,
        };
        packed.push(kind);
        packed.extend(weight.to_le_bytes());
        packed.extend((name.len() as u16).to_le_bytes());
        packed.extend(name);
    }
    packed
}

/// The uses that were packed, in order.
pub fn iter(packed: &[u8]) -> impl Iterator<Item = Use<'_>> {
    let mut rest = packed;
    std::iter::from_fn(move || split(&mut rest))
}

/// Whether this is what [`pack`] could have made of uses that a job may have.
#[must_use]
pub fn is_valid(packed: &[u8]) -> bool {
    let uses: Vec<_> = iter(packed).take(USES_MAX + 1).collect();
    let is_valid = |wanted: &Use<'_>| {
        let name = wanted.limit.as_bytes();
        wanted.weight > 0 && (1..=LIMIT_NAME_BYTES_MAX).contains(&name.len())
    };
    let ascends = uses.windows(2).all(|pair| pair[0].limit < pair[1].limit);
    uses.len() <= USES_MAX && uses.iter().all(is_valid) && ascends && pack(&uses) == packed
}

const NAMED: u8 = 0;
const MUTEX: u8 = 1;

fn split<'a>(rest: &mut &'a [u8]) -> Option<Use<'a>> {
    let (&kind, after) = rest.split_first()?;
    let (weight, after) = after.split_first_chunk()?;
    let (len, after) = after.split_first_chunk()?;
    let (name, after) = after.split_at_checked(u16::from_le_bytes(*len).into())?;
    let limit = match kind {
        NAMED => LimitName::Named(name),
        MUTEX => LimitName::Mutex(name),
        _ => return None,
    };
    *rest = after;
    Some(Use { limit, weight: u32::from_le_bytes(*weight) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_uses_are_equal_bytes_and_come_back_in_order() {
        let one = |limit, weight| Use { limit, weight };
        let a = one(LimitName::Named(b"a"), 7);
        let b = one(LimitName::Named(b"b"), 1);
        let mutex = one(LimitName::Mutex(b"a"), 1);
        let packed = pack(&[mutex, b, a]);
        assert_eq!(pack(&[a, b, mutex]), packed);
        assert_eq!(iter(&packed).collect::<Vec<_>>(), [a, b, mutex]);
        assert!(is_valid(&packed) && is_valid(b""));
        assert!((1..packed.len()).all(|len| {
            let uses = iter(&packed[..len]).count();
            is_valid(&packed[..len]) == (pack(&[a, b, mutex][..uses]).len() == len)
        }));
        assert!(!is_valid(&pack(&[a, a])), "a limit twice");
        assert!(!is_valid(&pack(&[one(LimitName::Named(b"a"), 0)])), "no weight");
        assert!(!is_valid(&pack(&[one(LimitName::Named(b""), 1)])), "no name");
    }
}
