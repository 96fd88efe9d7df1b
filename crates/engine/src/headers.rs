//! What a publisher says about a job beside its body.

/// Named values of a job, in the order given. One allocation however many there are: each name and
/// each value follows its length.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Headers(Box<[u8]>);

impl Headers {
    /// Keeps named values; `None` if there are none.
    #[must_use]
    pub fn new(pairs: &[(&[u8], &[u8])]) -> Option<Self> {
        let texts = || pairs.iter().flat_map(|&(name, value)| [name, value]);
        let mut bytes = Vec::with_capacity(texts().map(|text| LEN_BYTES + text.len()).sum());
        for text in texts() {
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text);
        }
        (!bytes.is_empty()).then(|| Self(bytes.into()))
    }

    /// The reverse of [`as_bytes`](Self::as_bytes); `None` if these are no headers.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut texts = 0;
        while !rest.is_empty() {
            split(&mut rest)?;
            texts += 1;
        }
        (texts > 0 && texts % 2 == 0).then(|| Self(bytes.into()))
    }

    /// The stored form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || Some((split(&mut rest)?, split(&mut rest)?)))
    }
}

const LEN_BYTES: usize = size_of::<u32>();

/// Takes one text off; `None` at the end, or if it is cut short.
fn split<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, after) = rest.split_first_chunk::<LEN_BYTES>()?;
    let (text, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *rest = after;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were_given() {
        let pairs: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"b", b""), (b"\0", b"\xFF\n")];
        let headers = Headers::new(&pairs).expect("there are some");
        assert_eq!(headers.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(Headers::from_bytes(headers.as_bytes()), Some(headers));
        assert_eq!(Headers::new(&[]), None);
    }

    #[test]
    fn what_is_cut_short_or_has_no_value_is_no_headers() {
        let headers = Headers::new(&[(b"name", b"value")]).expect("there are some");
        for len in 0..headers.as_bytes().len() {
            assert_eq!(Headers::from_bytes(&headers.as_bytes()[..len]), None, "{len} bytes");
        }
    }
}
