//! Choices that are made by bytes. Where they end, each choice is the first one.

/// Bytes that have not decided anything yet.
pub struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        byte
    }

    /// A number below `bound`, which is at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// True once in `n` times, and never where the bytes have ended.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// Something in half of the cases.
    pub fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.one_in(2).then(|| make(self))
    }

    /// As many of the bytes that follow as the next one says, and no more than `max`.
    pub fn bytes(&mut self, max: usize) -> &'a [u8] {
        let len = usize::from(self.byte()).min(max).min(self.rest.len());
        self.take(len)
    }

    /// So many of the bytes, or all there are.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    pub fn word(&mut self) -> u64 {
        let taken = self.take(8);
        let mut bytes = [0; 8];
        bytes[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(bytes)
    }

    /// Mostly small, seldom one at which something could break, seldom any.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..200 => u64::from(small % 32),
            200..215 => self.word(),
            edge => EDGES[usize::from(edge) % EDGES.len()],
        }
    }
}

/// Where ranges of the protocol, fields of the stored form and integers of the machine end.
const EDGES: [u64; 14] = [
    0,
    1,
    255,
    u32::MAX as u64,
    1 << 32,
    (1 << 47) - 1,
    1 << 47,
    (1 << 48) - 1,
    (1 << 62) - 1,
    1 << 62,
    i64::MAX as u64,
    u64::MAX - 1,
    u64::MAX,
    3_155_760_000_000,
];
