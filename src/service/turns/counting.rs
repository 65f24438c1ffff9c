//! Tokens of prompts and answers, counted without holding up other requests.

use std::sync::Arc;

use crate::domain::{Error, Part, Prompt};
use crate::tokens;

/// What a file part counts, in tokens.
const FILE_TOKENS: u64 = 256;
/// Texts up to this many bytes are counted where they are: under a millisecond. A body may be a
/// thousand times as large, and is counted on a thread where nobody waits behind it.
const COUNTED_IN_PLACE: usize = 16 * 1024;

/// The plain sum of the tokens of everything the model is shown.
pub(super) async fn shown(prompt: &Arc<Prompt>) -> Result<u64, Error> {
    if bytes_shown(prompt) <= COUNTED_IN_PLACE {
        return Ok(count_shown(prompt));
    }
    let prompt = Arc::clone(prompt);
    tokio::task::spawn_blocking(move || count_shown(&prompt)).await.map_err(Error::internal)
}

/// The tokens of `text`, and `text` again.
pub(super) async fn of_text(text: String) -> Result<(u64, String), Error> {
    if text.len() <= COUNTED_IN_PLACE {
        return Ok((tokens::count(&text), text));
    }
    let count = move || (tokens::count(&text), text);
    tokio::task::spawn_blocking(count).await.map_err(Error::internal)
}

/// The tokens of one message; a file counts 256.
pub(super) fn of_parts(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.as_text().map_or(FILE_TOKENS, tokens::count)).sum()
}

fn count_shown(prompt: &Prompt) -> u64 {
    let history = prompt.history.iter().map(|turn| of_parts(&turn.parts)).sum::<u64>();
    tokens::count(&prompt.instructions) + history + of_parts(&prompt.message)
}

fn bytes_shown(prompt: &Prompt) -> usize {
    let bytes =
        |parts: &[Part]| -> usize { parts.iter().filter_map(Part::as_text).map(str::len).sum() };
    let history: usize = prompt.history.iter().map(|turn| bytes(&turn.parts)).sum();
    prompt.instructions.len() + history + bytes(&prompt.message)
}
