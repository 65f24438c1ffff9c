//! How an answer is cut into the words that a stream sends.
//!
//! Source: runner-overview.txt, "Streaming API": word by word, spacing and line breaks already
//! right. A word travels with the white space that follows it, so the chunks joined are the text.

/// Cuts text that arrives in pieces of any size into words.
#[derive(Debug, Default)]
pub struct Words {
    /// The beginning of a word whose end has not come yet.
    held: String,
}

impl Words {
    /// Takes the next piece; gives the words that are complete now.
    pub fn push(&mut self, piece: &str) -> Vec<String> {
        self.held.push_str(piece);
        let mut words = Vec::new();
        let mut start = 0;
        for end in word_ends(&self.held) {
            if let Some(word) = self.held.get(start..end) {
                words.push(word.to_owned());
            }
            start = end;
        }
        self.held.drain(..start);
        words
    }

    /// The text is over: the last word, if one is still held.
    pub fn finish(self) -> Option<String> {
        (!self.held.is_empty()).then_some(self.held)
    }
}

/// Where one word ends and the next begins: after white space, before anything else, except that
/// white space at the very beginning stays with the first word.
fn word_ends(text: &str) -> impl Iterator<Item = usize> {
    let mut seen_word = false;
    let mut in_space = false;
    text.char_indices().filter_map(move |(at, character)| {
        let space = character.is_whitespace();
        let ends = in_space && !space && seen_word;
        seen_word |= !space;
        in_space = space;
        ends.then_some(at)
    })
}

/// The words of a whole text.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    let ends = word_ends(text).chain(std::iter::once(text.len()));
    let mut start = 0;
    ends.filter_map(move |end| {
        let word = text.get(start..end);
        start = end;
        word.filter(|word| !word.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<&str> {
        split(text).collect()
    }

    #[test]
    fn a_word_travels_with_the_white_space_that_follows_it() {
        assert_eq!(words("Hi  John!\n\nHow are"), ["Hi  ", "John!\n\n", "How ", "are"]);
    }

    #[test]
    fn leading_white_space_stays_with_the_first_word() {
        assert_eq!(words("  a b "), ["  a ", "b "]);
        assert_eq!(words(" \n"), [" \n"]);
        assert!(words("").is_empty());
    }

    proptest! {
        #[test]
        fn the_words_joined_are_the_text(text in any::<String>()) {
            prop_assert_eq!(split(&text).collect::<String>(), text);
        }

        #[test]
        fn every_word_but_the_first_begins_with_no_white_space(text in "[a-zé世 \n\t\u{2003}]{0,40}") {
            for word in split(&text).skip(1) {
                prop_assert!(!word.starts_with(char::is_whitespace));
            }
            for word in split(&text) {
                let inner = word.trim();
                prop_assert!(!inner.contains(char::is_whitespace));
            }
        }

        #[test]
        fn pieces_of_any_size_give_the_same_words(pieces in prop::collection::vec("[a-z世 \n]{0,6}", 0..12)) {
            let whole = pieces.concat();
            let mut cutter = Words::default();
            let mut cut: Vec<String> = pieces.iter().flat_map(|piece| cutter.push(piece)).collect();
            cut.extend(cutter.finish());
            prop_assert_eq!(cut, split(&whole).map(str::to_owned).collect::<Vec<_>>());
        }
    }
}
