//! Tokens of prompts and answers, counted without holding up other requests.

use std::sync::Arc;

use o200k::SHORT_TEXT_BYTES;

use crate::domain::error::InternalError;
use crate::domain::{Part, Prompt};

/// What a file part counts, in tokens.
const FILE_TOKENS: u64 = 256;

/// The plain sum of the tokens of everything the model is shown.
pub(super) async fn shown(prompt: &Arc<Prompt>) -> Result<u64, InternalError> {
    if bytes_shown(prompt) <= SHORT_TEXT_BYTES {
        return Ok(count_shown(prompt));
    }
    let prompt = Arc::clone(prompt);
    tokio::task::spawn_blocking(move || count_shown(&prompt)).await.map_err(InternalError::new)
}

/// The tokens of `text`, and `text` again.
pub(super) async fn of_text(text: String) -> Result<(u64, String), InternalError> {
    if text.len() <= SHORT_TEXT_BYTES {
        return Ok((o200k::count(&text), text));
    }
    let count = move || (o200k::count(&text), text);
    tokio::task::spawn_blocking(count).await.map_err(InternalError::new)
}

/// The tokens of one message, and its parts again; a file counts 256.
pub(super) async fn of_message(parts: Vec<Part>) -> Result<(u64, Vec<Part>), InternalError> {
    if bytes_of(&parts) <= SHORT_TEXT_BYTES {
        return Ok((of_parts(&parts), parts));
    }
    let count = move || (of_parts(&parts), parts);
    tokio::task::spawn_blocking(count).await.map_err(InternalError::new)
}

fn of_parts(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.as_text().map_or(FILE_TOKENS, o200k::count)).sum()
}

fn count_shown(prompt: &Prompt) -> u64 {
    let history = prompt.history.iter().map(|turn| of_parts(&turn.parts)).sum::<u64>();
    prompt.instructions.tokens() + history + of_parts(&prompt.message)
}

/// The bytes that are not counted yet.
fn bytes_shown(prompt: &Prompt) -> usize {
    let history: usize = prompt.history.iter().map(|turn| bytes_of(&turn.parts)).sum();
    let instructions = match prompt.instructions.known_tokens() {
        Some(_) => 0,
        None => prompt.instructions.len(),
    };
    instructions + history + bytes_of(&prompt.message)
}

fn bytes_of(parts: &[Part]) -> usize {
    parts.iter().filter_map(Part::as_text).map(str::len).sum()
}
