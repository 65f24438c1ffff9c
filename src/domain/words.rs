//! Splits an answer into the words that a stream sends.
//!
//! Source: runner-overview.txt, "Streaming API": word by word, spacing and line breaks already
//! right. A word includes the white space that follows it, so the joined words are the text.

use std::sync::Arc;

/// Splits text that arrives in pieces of any size into words, one at a time, so that a long text is in
/// memory once.
#[derive(Debug, Default)]
pub struct Words {
    text: Arc<String>,
    /// The start of the first word that was not returned yet.
    start: usize,
}

impl Words {
    /// The words of a whole text. It is shared, not copied.
    pub fn of(text: Arc<String>) -> Self {
        Self { text, start: 0 }
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: &str) {
        let text = Arc::make_mut(&mut self.text);
        text.drain(..self.start);
        text.push_str(piece);
        self.start = 0;
    }

    /// The next word, if it is complete.
    pub fn complete(&mut self) -> Option<String> {
        let rest = self.text.get(self.start..)?;
        let end = end_of_first(rest)?;
        let word = rest.get(..end)?.to_owned();
        self.start += end;
        Some(word)
    }

    /// The last word, at the end of the text.
    pub fn last(self) -> Option<String> {
        let rest = self.text.get(self.start..)?;
        (!rest.is_empty()).then(|| rest.to_owned())
    }
}

/// The words of a whole text.
#[cfg(any(test, feature = "internals"))]
pub fn split(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (word, rest) = text.split_at_checked(end_of_first(text).unwrap_or(text.len()))?;
        text = rest;
        (!word.is_empty()).then_some(word)
    })
}

/// Where the second word of `text` begins. White space at the beginning belongs to the first word.
fn end_of_first(text: &str) -> Option<usize> {
    let word = text.find(|character: char| !character.is_whitespace())?;
    let space = word + text.get(word..)?.find(char::is_whitespace)?;
    let next = text.get(space..)?.find(|character: char| !character.is_whitespace())?;
    Some(space + next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Words::of(Arc::new(text.to_owned()));
        let mut cut: Vec<String> = std::iter::from_fn(|| words.complete()).collect();
        cut.extend(words.last());
        cut
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

    #[test]
    fn a_long_text_is_shared_and_not_copied() {
        let text = Arc::new("a ".repeat(1000));
        let mut words = Words::of(Arc::clone(&text));
        assert_eq!(words.complete().as_deref(), Some("a "));
        assert!(Arc::ptr_eq(&words.text, &text));
    }

    proptest! {
        #[test]
        fn the_words_joined_are_the_text(text in any::<String>()) {
            prop_assert_eq!(words(&text).concat(), text.as_str());
            prop_assert_eq!(words(&text), split(&text).collect::<Vec<_>>());
        }

        #[test]
        fn every_word_but_the_first_begins_with_no_white_space(text in "[a-zé世 \n\t\u{2003}]{0,40}") {
            for word in words(&text).iter().skip(1) {
                prop_assert!(!word.starts_with(char::is_whitespace));
            }
            for word in words(&text) {
                let inner = word.trim();
                prop_assert!(!inner.contains(char::is_whitespace));
            }
        }

        #[test]
        fn pieces_of_any_size_give_the_same_words(pieces in prop::collection::vec("[a-z世 \n]{0,6}", 0..12)) {
            let whole = pieces.concat();
            let (mut cutter, mut cut) = (Words::default(), Vec::new());
            for piece in &pieces {
                cutter.push(piece);
                cut.extend(std::iter::from_fn(|| cutter.complete()));
            }
            cut.extend(cutter.last());
            prop_assert_eq!(cut, words(&whole));
        }
    }
}
