//! How jobs are named: made ids, given ids, and receipts.
//!
//! A queue makes ULIDs: 48 bits of milliseconds and 80 random ones, written as 26 characters of
//! Crockford's base 32, ascending within a queue. A client may give an id of its own instead. A
//! receipt is an id and the token of one delivery, `id@token`.

use std::fmt;

use crate::{generator::Generator, time::UnixMillis};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The value of each digit in either case; [`NO_DIGIT`] for what is none.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        digits[ALPHABET[value] as usize] = value as u8;
        digits[ALPHABET[value].to_ascii_lowercase() as usize] = value as u8;
        value += 1;
    }
    digits
};

const NO_DIGIT: u8 = 0xFF;

/// Two digits for each value of ten bits: an id is written in half the steps.
static DIGIT_PAIRS: [[u8; 2]; 1024] = {
    let mut pairs = [[0; 2]; 1024];
    let mut value = 0;
    while value < pairs.len() {
        pairs[value] = [ALPHABET[value >> 5], ALPHABET[value & 31]];
        value += 1;
    }
    pairs
};

/// The length of an id made by a queue.
const ULID_BYTES: usize = 26;

/// The longest id a client may give, in bytes.
pub const GIVEN_ID_BYTES_MAX: usize = 64;

/// Names one delivery of one job. Tokens grow within a queue and are never used again, not even by a
/// primary that does not know of all that the one before has granted; so a token also works as a
/// fencing token outside.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Token(pub u64);

/// An id made by a queue.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ulid {
    // Two words instead of a u128, whose alignment of 16 would cost each job 8 bytes.
    high: u64,
    low: u64,
}

impl Ulid {
    /// Below every id that a queue makes.
    pub const ZERO: Self = Self { high: 0, low: 0 };

    /// The next id of a queue whose last one was `last`. Ascending, and random from each
    /// millisecond to the next.
    pub fn next(last: Self, now: UnixMillis, generator: &mut Generator) -> Self {
        if now.0 > last.millis().0 {
            // The top random bit stays clear, so a millisecond cannot run out of ids.
            let high = now.0 << 16 | (generator.draw() & 0x7FFF);
            return Self { high, low: generator.draw() };
        }
        let step = 1 + (generator.draw() >> 32);
        let (low, carried) = last.low.overflowing_add(step);
        Self { high: last.high + u64::from(carried), low }
    }

    /// Whether more ids than anybody asks for at once can follow in the same millisecond.
    #[must_use]
    pub fn has_room(self) -> bool {
        self.high & 0xFFFF != 0xFFFF
    }

    /// When the id was made.
    #[must_use]
    pub fn millis(self) -> UnixMillis {
        UnixMillis(self.high >> 16)
    }

    /// The id as the 128-bit number it is.
    #[must_use]
    pub fn to_bits(self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    /// The reverse of [`to_bits`](Self::to_bits).
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self { high: (bits >> 64) as u64, low: bits as u64 }
    }

    /// Bits that are evenly spread, for a hash table.
    #[must_use]
    pub fn spread(self) -> u64 {
        (self.low ^ self.high).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// Reads the 26 characters in either case; `None` if they are no ULID.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: &[u8; ULID_BYTES] = text.try_into().ok()?;
        if text[0] > b'7' {
            return None;
        }
        let first = digits::<2>(text, 0);
        let (middle, last) = (digits::<12>(text, 2), digits::<12>(text, 14));
        let id = Self { high: first.0 << 56 | middle.0 >> 4, low: middle.0 << 60 | last.0 };
        (first.1 | middle.1 | last.1 != NO_DIGIT).then_some(id)
    }

    /// The 26 characters.
    #[must_use]
    pub fn text(self) -> [u8; ULID_BYTES] {
        let mut text = [0; ULID_BYTES];
        let mut write = |place: usize, bits: u64| {
            text[place..place + 2].copy_from_slice(&DIGIT_PAIRS[(bits & 0x3FF) as usize]);
        };
        write(0, self.high >> 56);
        let middle = self.high << 4 | self.low >> 60;
        (0..6).for_each(|pair| write(2 + 2 * pair, middle >> (50 - 10 * pair)));
        (0..6).for_each(|pair| write(14 + 2 * pair, self.low >> (50 - 10 * pair)));
        text
    }
}

/// The value of some digits of an id, twelve at most, since one word holds no more; and all of their bits
/// together. Of a length that the compiler knows, and so without a loop.
#[inline(always)]
fn digits<const LEN: usize>(text: &[u8; ULID_BYTES], from: usize) -> (u64, u8) {
    let (mut value, mut seen) = (0, 0);
    for place in 0..LEN {
        let digit = DIGITS[usize::from(text[from + place])];
        seen |= digit;
        value = value << 5 | u64::from(digit);
    }
    (value, seen)
}

impl fmt::Display for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The id of a job as its queue knows it.
#[derive(Clone, Copy, Debug)]
pub enum JobId<'a> {
    /// Made by the queue.
    Made(Ulid),
    /// Given by a client.
    Given(&'a str),
}

impl PartialEq for JobId<'_> {
    /// Given ids in the form of a ULID are read like one, in either case; all others to the byte.
    /// Otherwise one text could name two jobs, one made and one given.
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Made(a), Self::Made(b)) => a == b,
            (Self::Given(a), Self::Given(b)) => {
                a == b || Ulid::parse(a.as_bytes()).is_some() && a.eq_ignore_ascii_case(b)
            }
            (Self::Made(_), Self::Given(_)) | (Self::Given(_), Self::Made(_)) => false,
        }
    }
}

impl JobId<'_> {
    /// The id as clients write it.
    #[must_use]
    pub fn text(self) -> Name {
        let mut name = Name::default();
        match self {
            Self::Made(ulid) => name.push(&ulid.text()),
            Self::Given(text) => name.push(text.as_bytes()),
        }
        name
    }

    /// The receipt of one delivery of the job.
    #[must_use]
    pub fn receipt(self, token: Token) -> Name {
        let mut name = self.text();
        let mut digits = [0; TOKEN_DIGITS_MAX];
        let mut first = digits.len();
        let mut left = token.0;
        while left > 0 || first == digits.len() {
            first -= 1;
            digits[first] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        name.push(b"@");
        name.push(&digits[first..]);
        name
    }
}

/// The digits of the largest token.
const TOKEN_DIGITS_MAX: usize = 20;

/// The text of an id or a receipt. On the stack: one is written for every job that is published,
/// taken or recorded.
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; GIVEN_ID_BYTES_MAX + 1 + TOKEN_DIGITS_MAX],
    len: u8,
}

impl Default for Name {
    fn default() -> Self {
        Self { bytes: [0; GIVEN_ID_BYTES_MAX + 1 + TOKEN_DIGITS_MAX], len: 0 }
    }
}

impl Name {
    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn push(&mut self, more: &[u8]) {
        let start = usize::from(self.len);
        self.bytes[start..start + more.len()].copy_from_slice(more);
        self.len += more.len() as u8;
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Display for JobId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made(ulid) => ulid.fmt(f),
            Self::Given(text) => f.write_str(text),
        }
    }
}

/// Tells whether a client may give this id: 1 to 64 bytes of letters, digits, `.`, `_`, `:`, `-`.
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    (1..=GIVEN_ID_BYTES_MAX).contains(&text.len())
        && text.iter().all(|c| c.is_ascii_alphanumeric() || b"._:-".contains(c))
}

/// A job as a client names it: by its bare id, or by a receipt, which acts only while that very
/// lease holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JobRef<'a> {
    // Of letters, digits and a few other characters.
    id: &'a [u8],
    /// The token, if this is a receipt.
    pub token: Option<Token>,
    /// The id as one that a queue makes, if it has that form: read with the text, and once.
    pub ulid: Option<Ulid>,
}

impl<'a> JobRef<'a> {
    /// Reads `id` or `id@token`; `None` if it is neither.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let at = match text.get(ULID_BYTES) {
            // Nearly always.
            Some(b'@') => ULID_BYTES,
            _ => text.iter().position(|&c| c == b'@').unwrap_or(text.len()),
        };
        let (id, rest) = text.split_at(at);
        let token = match rest {
            [] => None,
            [_, digits @ ..] => Some(parse_token(digits)?),
        };
        let ulid = Ulid::parse(id);
        if ulid.is_none() && !is_valid(id) {
            return None;
        }
        Some(Self { id, token, ulid })
    }

    /// The same job by its bare id.
    #[must_use]
    pub fn bare(self) -> Self {
        Self { token: None, ..self }
    }

    /// The id as it was written.
    #[must_use]
    pub fn id(&self) -> &'a str {
        // What is valid is ASCII.
        std::str::from_utf8(self.id).unwrap_or_default()
    }
}

fn parse_token(digits: &[u8]) -> Option<Token> {
    if digits.is_empty() {
        return None;
    }
    let token = digits.iter().try_fold(0u64, |n, c| {
        let digit = c.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        n.checked_mul(10)?.checked_add(digit.into())
    });
    token.map(Token)
}

#[cfg(test)]
mod tests;
