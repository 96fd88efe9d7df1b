//! Patterns for names and other short texts, as `KEYS` understands them.

/// Whether a text is of a pattern's form: `*` stands for any bytes, `?` for any one, `[a-c]` for
/// one of these, `[^a-c]` for any but these, and `\` makes what follows stand for itself.
///
/// A range is one of bytes as numbers from 0 to 255. Servers on some machines take those above 127 to
/// be negative.
///
/// Where it does not fit, only the last star is made longer: what an earlier one could gain, the
/// last one can too. So the time is O(n m) at worst, whatever the pattern.
#[must_use]
pub fn matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
    // What follows the last star, and the text that was tried for it.
    let mut star = None;
    loop {
        let next = match (pattern, text) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                star = Some((rest, text));
                Some((rest, text))
            }
            (_, []) => return false,
            (_, [byte, later @ ..]) => match_one(pattern, *byte).map(|rest| (rest, later)),
        };
        (pattern, text) = match (next, star) {
            (Some(next), _) => next,
            (None, Some((rest, [_, later @ ..]))) => {
                star = Some((rest, later));
                (rest, later)
            }
            (None, _) => return false,
        };
    }
}

/// What is left of a pattern whose first sign is for one byte, if it is for this one.
fn match_one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (fits, rest) = match pattern {
        [] => return None,
        [b'?', rest @ ..] => (true, rest),
        [b'[', b'^', class @ ..] => {
            let (fits, rest) = match_class(class, byte);
            (!fits, rest)
        }
        [b'[', class @ ..] => match_class(class, byte),
        [b'\\', sign, rest @ ..] | [sign, rest @ ..] => (*sign == byte, rest),
    };
    fits.then_some(rest)
}

/// Whether a byte is in the class that begins a pattern, and what follows the class. One that is
/// not closed ends with the pattern.
fn match_class(mut class: &[u8], byte: u8) -> (bool, &[u8]) {
    let mut fits = false;
    loop {
        let (in_part, rest) = match class {
            [] => return (fits, class),
            [b'\\', sign, rest @ ..] => (*sign == byte, rest),
            [b']', rest @ ..] => return (fits, rest),
            [from, b'-', to, rest @ ..] => ((*from.min(to)..=*from.max(to)).contains(&byte), rest),
            [sign, rest @ ..] => (*sign == byte, rest),
        };
        fits |= in_part;
        class = rest;
    }
}

#[cfg(test)]
mod tests;
