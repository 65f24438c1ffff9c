//! Minimises a failing input: removes ranges, halves first, as long as the rest fails in the same way.

/// Maximum number of attempts.
const TRIES: usize = 150;

/// The smallest failing input found; empty if `input` does not fail when run alone.
pub(super) fn minimised(
    input: &[u8],
    mut fails: impl FnMut(&[u8]) -> anyhow::Result<bool>,
) -> anyhow::Result<Vec<u8>> {
    if !fails(input)? {
        return Ok(Vec::new());
    }
    let mut small = input.to_vec();
    let (mut left, mut size) = (TRIES, input.len().div_ceil(2));
    while size > 0 && left > 0 {
        let mut start = 0;
        while start < small.len() && left > 0 {
            let end = (start + size).min(small.len());
            let without = [small.get(..start), small.get(end..)].map(Option::unwrap_or_default);
            let without = without.concat();
            left -= 1;
            if fails(&without)? {
                small = without;
            } else {
                start = end;
            }
        }
        size /= 2;
    }
    Ok(small)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let input = [&[b'a'; 300], b"{{".as_slice(), &[b'b'; 200]].concat();
        let fails = |input: &[u8]| Ok(input.windows(2).any(|pair| pair == b"{{"));
        assert_eq!(minimised(&input, fails).unwrap(), b"{{");
    }

    #[test]
    fn nothing_is_left_of_an_input_that_does_not_fail_alone() {
        assert!(minimised(b"abc", |_| Ok(false)).unwrap().is_empty());
    }
}
