//! Splits a text into pieces as `o200k_base` does. No token crosses the end of a piece.
//!
//! The official rule is this regular expression (tiktoken, `openai_public.py`); the first alternative
//! that matches wins:
//!
//! ```text
//! [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//! [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//! \p{N}{1,3}
//!  ?[^\s\p{L}\p{N}]+[\r\n/]*
//! \s*[\r\n]+
//! \s+(?!\S)
//! \s+
//! ```
//!
//! It is hand-written because the crate `regex` needs 3 ms and 2 MB of heap to build it and has no
//! look-ahead.

use unicode_general_category::{GeneralCategory, get_general_category};

/// The character classes of the rule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `Lu`, `Lt`: only at the beginning of a word.
    Upper,
    /// `Ll`: only at the end of a word.
    Lower,
    /// `Lm`, `Lo`: letters without case, anywhere in a word.
    Caseless,
    /// `M`: anywhere in a word, although not a letter.
    Mark,
    /// `N`.
    Number,
    /// Carriage return and line feed.
    Newline,
    /// `\s` except newlines.
    Space,
    /// Punctuation, symbols, controls, unassigned.
    Other,
}

/// The pieces of a text, in order. Joined they are the text.
pub(super) struct Pieces<'t> {
    rest: &'t str,
}

impl<'t> Pieces<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text }
    }
}

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let first = self.rest.chars().next()?;
        // At least one character, so that the iteration ends.
        let length =
            plain_word(self.rest).unwrap_or_else(|| length(self.rest, first).max(first.len_utf8()));
        let (piece, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(piece)
    }
}

/// Fast path for the most common piece: an optional space, an optional capital, and lower-case
/// letters, all ASCII, followed by nothing that may belong to the word.
fn plain_word(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let begin = usize::from(bytes.first() == Some(&b' '));
    let begin = begin + usize::from(bytes.get(begin).is_some_and(u8::is_ascii_uppercase));
    let small = bytes.get(begin..)?.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let end = begin + small;
    let ends_there = bytes.get(end).is_none_or(|next| next.is_ascii() && *next != b'\'');
    (small > 0 && ends_there).then_some(end)
}

/// Length in bytes of the first piece of `text`, which begins with `first`.
fn length(text: &str, first: char) -> usize {
    let after = first.len_utf8();
    match Class::of(first) {
        Class::Upper | Class::Lower | Class::Caseless => {
            lower_word(text, 0).or_else(|| upper_word(text, 0)).unwrap_or(after)
        }
        Class::Mark => lower_word(text, after).or_else(|| lower_word(text, 0)).unwrap_or(after),
        Class::Number => text
            .char_indices()
            .take(3)
            .take_while(|(_, char)| Class::of(*char) == Class::Number)
            .last()
            .map_or(after, |(begin, char)| begin + char.len_utf8()),
        Class::Newline => white_space(text),
        Class::Space => word_after(text, after)
            .or_else(|| punctuation(text, after).filter(|_| first == ' '))
            .unwrap_or_else(|| white_space(text)),
        Class::Other => word_after(text, after).or_else(|| punctuation(text, 0)).unwrap_or(after),
    }
}

/// End of the word that begins at `begin`, after one leading non-letter.
fn word_after(text: &str, begin: usize) -> Option<usize> {
    lower_word(text, begin).or_else(|| upper_word(text, begin))
}

/// First alternative, without its optional first character: ends in lower-case letters.
fn lower_word(text: &str, begin: usize) -> Option<usize> {
    let upper = run(text, begin, Class::may_begin_word);
    let lower = run(text, upper, Class::may_end_word);
    if lower > upper {
        return Some(contraction(text, lower));
    }
    // No lower-case letter follows. The last letter without case takes its place and ends the word,
    // even if capital letters follow.
    let (at, last) = text
        .get(begin..upper)?
        .char_indices()
        .rfind(|(_, char)| Class::of(*char).may_end_word())?;
    Some(contraction(text, begin + at + last.len_utf8()))
}

/// Second alternative: capital letters only.
fn upper_word(text: &str, begin: usize) -> Option<usize> {
    let end = run(text, begin, Class::may_begin_word);
    (end > begin).then(|| contraction(text, end))
}

/// End of the English contraction at `begin`, or `begin` if there is none.
fn contraction(text: &str, begin: usize) -> usize {
    let mut chars = text.split_at(begin).1.chars();
    if chars.next() != Some('\'') {
        return begin;
    }
    let [one, two] = [chars.next(), chars.next()].map(|char| char.map(|c| c.to_ascii_lowercase()));
    let letters = match (one, two) {
        // The long s is an s in another case.
        (Some(letter @ ('s' | 'ſ' | 't' | 'm' | 'd')), _) => letter.len_utf8(),
        (Some('r' | 'v'), Some('e')) | (Some('l'), Some('l')) => 2,
        _ => return begin,
    };
    begin + 1 + letters
}

/// End of the punctuation that begins at `begin`, including the newlines and slashes after it.
fn punctuation(text: &str, begin: usize) -> Option<usize> {
    let end = run(text, begin, |class| matches!(class, Class::Other | Class::Mark));
    (end > begin).then(|| {
        let rest = text.split_at(end).1;
        end + rest.len() - rest.trim_start_matches(['\r', '\n', '/']).len()
    })
}

/// Length in bytes of the first piece of a text that begins with white space.
fn white_space(text: &str) -> usize {
    let end = run(text, 0, |class| matches!(class, Class::Space | Class::Newline));
    let white = text.split_at(end).0;
    if let Some(newline) = white.rfind(['\r', '\n']) {
        return newline + 1;
    }
    match white.char_indices().next_back() {
        // The last one belongs to the word that follows, unless it is the only one.
        Some((last, _)) if last > 0 && end < text.len() => last,
        _ => end,
    }
}

/// End of the run of matching characters that begins at `begin`.
fn run(text: &str, begin: usize, belongs: impl Fn(Class) -> bool) -> usize {
    let rest = text.split_at(begin).1;
    begin + rest.find(|char| !belongs(Class::of(char))).unwrap_or(rest.len())
}

impl Class {
    fn of(char: char) -> Self {
        match char {
            'a'..='z' => Self::Lower,
            'A'..='Z' => Self::Upper,
            ' ' | '\t' => Self::Space,
            '\r' | '\n' => Self::Newline,
            '0'..='9' => Self::Number,
            '!'..='~' => Self::Other,
            _ if char.is_whitespace() => Self::Space,
            _ => match get_general_category(char) {
                GeneralCategory::UppercaseLetter | GeneralCategory::TitlecaseLetter => Self::Upper,
                GeneralCategory::LowercaseLetter => Self::Lower,
                GeneralCategory::ModifierLetter | GeneralCategory::OtherLetter => Self::Caseless,
                GeneralCategory::NonspacingMark
                | GeneralCategory::SpacingMark
                | GeneralCategory::EnclosingMark => Self::Mark,
                GeneralCategory::DecimalNumber
                | GeneralCategory::LetterNumber
                | GeneralCategory::OtherNumber => Self::Number,
                _ => Self::Other,
            },
        }
    }

    fn may_begin_word(self) -> bool {
        matches!(self, Self::Upper | Self::Caseless | Self::Mark)
    }

    fn may_end_word(self) -> bool {
        matches!(self, Self::Lower | Self::Caseless | Self::Mark)
    }
}
