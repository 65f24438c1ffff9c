//! How many values a JSON text holds, counted without parsing it.
//!
//! Parsed, a value takes up to 100 times its text (`0,` is two bytes of text and 72 in memory), so
//! texts with more values than any client needs are refused before they are parsed.

/// What there is too much of in a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooMuchJson {
    /// Values.
    Values,
    /// Levels; the first that is too deep begins at this byte.
    Depth(usize),
}

/// What there is too much of in the JSON text `bytes`, which may hold `most` values. The count is
/// exact but for empty arrays and objects, each of which counts twice. A text that has too many values
/// and is nested more than `deepest` levels is too deep. For what is not JSON the answer means nothing.
pub(super) fn excess(bytes: &[u8], most: usize, deepest: usize) -> Option<TooMuchJson> {
    // Each value but the first has a byte of its own: the comma before it, or the bracket around it.
    if bytes.len() < most {
        return None;
    }
    let (mut count, mut in_string, mut escaped) = (1_usize, false, false);
    let (mut depth, mut too_deep) = (0_usize, None);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b',' => count += 1,
            b'[' | b'{' => {
                count += 1;
                depth += 1;
                if depth > deepest {
                    too_deep.get_or_insert(at);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (count > most).then(|| too_deep.map_or(TooMuchJson::Values, TooMuchJson::Depth))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        (0..=text.len()).find(|most| excess(text.as_bytes(), *most, 9).is_none()).unwrap()
    }

    #[test]
    fn values_are_counted_wherever_they_stand() {
        assert_eq!(count("[1,2,3]"), 4);
        assert_eq!(count("{\"a\":1,\"b\":[true,null]}"), 5);
        assert_eq!(count("[[1],[2]]"), 5);
    }

    #[test]
    fn what_stands_in_strings_is_not_counted() {
        assert_eq!(count("[\"a,b,[{\"]"), 2);
        assert_eq!(count("[\"a\\\",b\"]"), 2);
        assert_eq!(count("[\"a\\\\\",\"b\"]"), 3);
    }

    #[test]
    fn a_text_that_is_too_deep_says_where() {
        assert_eq!(excess(b"[[[0]]]", 2, 2), Some(TooMuchJson::Depth(2)));
        assert_eq!(excess(b"[[[0]]]", 2, 3), Some(TooMuchJson::Values));
    }
}
