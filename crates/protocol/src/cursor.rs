//! Cursors: where a page of a list ended, as clients are told and say again.

use crate::error::{shown, BadArguments, ErrorWord};

/// The cursor with which a list begins, and which is told at its end.
pub const EDGE: &[u8] = b"0";

/// Comes before a name, so that a queue called `0` is no edge.
const NAME: &[u8] = b">";

/// The cursor that goes on after the queue of this name.
#[must_use]
pub fn after_name(name: &[u8]) -> Vec<u8> {
    [NAME, name].concat()
}

/// The reverse of [`after_name`]; `None` if it is no such cursor.
pub(crate) fn name(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(NAME)
}

/// Reads a cursor of the form that `parse` knows; `None` for the beginning.
pub(crate) fn read<'a, C>(
    text: &'a [u8],
    parse: fn(&'a [u8]) -> Option<C>,
) -> Result<Option<C>, BadArguments> {
    if text == EDGE {
        return Ok(None);
    }
    parse(text).map(Some).ok_or_else(|| {
        let message =
            format!("CURSOR is 0 or what the page before ended with, not {}", shown(text));
        BadArguments { word: ErrorWord::Range, message }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_comes_back_from_its_cursor() {
        for queue in [&b"mail"[..], b"", b"0", b">", b"a\r\n\0\xFF"] {
            let cursor = after_name(queue);
            assert_ne!(cursor, EDGE);
            assert_eq!(read(&cursor, name), Ok(Some(queue)));
        }
    }
}
