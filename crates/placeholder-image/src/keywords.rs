//! Keywords in prompts.

/// `prompt` in lower case with one space before, between and after its words; everything but letters and
/// digits separates words.
pub(super) fn spaced_words(prompt: &str) -> String {
    let plain = |letter: char| {
        if letter.is_alphanumeric() { letter } else { ' ' }
    };
    let words: String = prompt.to_lowercase().chars().map(plain).collect();
    let words: Vec<&str> = words.split_whitespace().collect();
    format!(" {} ", words.join(" "))
}

/// Whether a word of `words`, as [`spaced_words`] returns them, starts with one of `keywords`. A keyword
/// that ends in a space matches whole words only.
pub(super) fn has_word_start(words: &str, keywords: &[&str]) -> bool {
    let begins = |at| words.get(..at).is_some_and(|before| before.ends_with(' '));
    keywords.iter().any(|keyword| words.match_indices(keyword).any(|(at, _)| begins(at)))
}
