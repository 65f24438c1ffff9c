//! Counts the tokens of prompts and answers; long texts on the threads for blocking work.

use std::sync::Arc;

use o200k::SHORT_TEXT_BYTES;

use crate::domain::error::InternalError;
use crate::domain::{Part, Prompt};

/// Tokens of a file part.
const FILE_TOKENS: u64 = 256;

/// The tokens of instructions, history and message.
pub(super) async fn prompt_tokens(prompt: &Arc<Prompt>) -> Result<u64, InternalError> {
    if uncounted_bytes(prompt) <= SHORT_TEXT_BYTES {
        return Ok(count_prompt(prompt));
    }
    let prompt = Arc::clone(prompt);
    tokio::task::spawn_blocking(move || count_prompt(&prompt)).await.map_err(InternalError::new)
}

/// The tokens of `text`, and `text` itself.
pub(super) async fn text_tokens(text: String) -> Result<(u64, String), InternalError> {
    if text.len() <= SHORT_TEXT_BYTES {
        return Ok((o200k::count(&text), text));
    }
    let count = move || (o200k::count(&text), text);
    tokio::task::spawn_blocking(count).await.map_err(InternalError::new)
}

/// The tokens of a message, and its parts.
pub(super) async fn message_tokens(parts: Vec<Part>) -> Result<(u64, Vec<Part>), InternalError> {
    if text_bytes(&parts) <= SHORT_TEXT_BYTES {
        return Ok((count_parts(&parts), parts));
    }
    let count = move || (count_parts(&parts), parts);
    tokio::task::spawn_blocking(count).await.map_err(InternalError::new)
}

fn count_parts(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.as_text().map_or(FILE_TOKENS, o200k::count)).sum()
}

fn count_prompt(prompt: &Prompt) -> u64 {
    let history = prompt.history.iter().map(|turn| count_parts(&turn.parts)).sum::<u64>();
    prompt.instructions.tokens() + history + count_parts(&prompt.message)
}

/// The bytes of texts whose tokens are not known yet.
fn uncounted_bytes(prompt: &Prompt) -> usize {
    let history: usize = prompt.history.iter().map(|turn| text_bytes(&turn.parts)).sum();
    let instructions = match prompt.instructions.known_tokens() {
        Some(_) => 0,
        None => prompt.instructions.len(),
    };
    instructions + history + text_bytes(&prompt.message)
}

fn text_bytes(parts: &[Part]) -> usize {
    parts.iter().filter_map(Part::as_text).map(str::len).sum()
}
