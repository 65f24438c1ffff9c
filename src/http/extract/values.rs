//! Counts the values of a JSON text without parsing it.
//!
//! A parsed value takes up to 100 times the memory of its text (`0,` is 2 bytes of text and 72 in
//! memory), so texts with more values than any client needs are refused before they are parsed.

/// How a JSON text exceeds its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooMuchJson {
    /// It has too many values.
    Values,
    /// It is nested too deep, from this byte on.
    Depth(usize),
}

/// Whether the JSON text `bytes` has more than `max_values` values. The count is exact except that empty
/// arrays and objects count twice. A text with too many values that is also nested more than
/// `max_depth` levels is too deep. For text that is not JSON the result means nothing.
pub(super) fn excess(bytes: &[u8], max_values: usize, max_depth: usize) -> Option<TooMuchJson> {
    // Each value but the first has its own byte: the comma before it, or the bracket around it.
    if bytes.len() < max_values {
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
                if depth > max_depth {
                    too_deep.get_or_insert(at);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (count > max_values).then(|| too_deep.map_or(TooMuchJson::Values, TooMuchJson::Depth))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        (0..=text.len()).find(|most| excess(text.as_bytes(), *most, 9).is_none()).unwrap()
    }

    #[test]
    fn values_are_counted_at_every_level() {
        assert_eq!(count("[1,2,3]"), 4);
        assert_eq!(count("{\"a\":1,\"b\":[true,null]}"), 5);
        assert_eq!(count("[[1],[2]]"), 5);
    }

    #[test]
    fn the_content_of_strings_is_not_counted() {
        assert_eq!(count("[\"a,b,[{\"]"), 2);
        assert_eq!(count("[\"a\\\",b\"]"), 2);
        assert_eq!(count("[\"a\\\\\",\"b\"]"), 3);
    }

    #[test]
    fn the_place_of_the_first_level_that_is_too_deep_is_reported() {
        assert_eq!(excess(b"[[[0]]]", 2, 2), Some(TooMuchJson::Depth(2)));
        assert_eq!(excess(b"[[[0]]]", 2, 3), Some(TooMuchJson::Values));
    }
}
