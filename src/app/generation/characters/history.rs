//! The history that a model is shown: the newest messages that fit into its context.

use crate::app::accounts::AccountState;
use crate::app::generation::{CompletionError, Generation, counting};
use crate::domain::Part;
use crate::domain::api::IMAGES;
use crate::domain::conversation::{Conversation, FileRef, Message, Turn};
use crate::domain::error::InternalError;
use crate::storage::{AccountKey, LONGEST_HISTORY, PageWindow, RecentMessage};

/// How many messages are read at a time, newest first.
pub(super) const HISTORY_STEP: u64 = 50;

impl Generation {
    /// The newest messages that fit into `budget` tokens, oldest first, and their tokens.
    ///
    /// `latest` are the last messages of the conversation, at most [`HISTORY_STEP`]; `truncated` says
    /// that some of these are missing. At most [`LONGEST_HISTORY`] bytes of older messages are read.
    pub(super) async fn newest_messages(
        &self,
        account: &AccountState,
        conversation: &Conversation,
        (mut latest, mut truncated): (Vec<RecentMessage>, bool),
        budget: u64,
    ) -> Result<(Vec<Turn>, u64), CompletionError> {
        let mut history = Vec::new();
        let (mut tokens_left, mut end) = (budget, conversation.message_count);
        let mut bytes_left = LONGEST_HISTORY;
        'steps: while end > 0 {
            let skip = end.saturating_sub(HISTORY_STEP);
            if latest.is_empty() {
                let window = PageWindow { skip, take: end - skip };
                let (older, bytes) = self
                    .older_messages(account.row, conversation.ordinal, window, bytes_left)
                    .await?;
                truncated = older.len() < usize::try_from(window.take).unwrap_or(usize::MAX);
                (latest, bytes_left) = (older, bytes_left - bytes);
            }
            while let Some(message) = latest.pop() {
                let turn = turn_of(message);
                let (tokens, parts) = counting::message_tokens(turn.parts).await?;
                if tokens > tokens_left {
                    break 'steps;
                }
                tokens_left -= tokens;
                history.push(Turn { parts, ..turn });
            }
            if truncated {
                break;
            }
            end = skip;
        }
        history.reverse();
        Ok((history, budget - tokens_left))
    }

    async fn older_messages(
        &self,
        owner: AccountKey,
        ordinal: u64,
        window: PageWindow,
        max_bytes: u64,
    ) -> Result<(Vec<RecentMessage>, u64), CompletionError> {
        let older = self.storage.latest_messages(owner, ordinal, window, max_bytes).await;
        let (older, bytes) = older.map_err(InternalError::new)?;
        let recent = |Message { role, parts, image, .. }| RecentMessage { role, parts, image };
        Ok((older.into_iter().map(recent).collect(), bytes))
    }
}

/// A stored message as a model is shown it: an image is a file part.
fn turn_of(message: RecentMessage) -> Turn {
    let mut parts = message.parts;
    if let Some(image) = message.image {
        let file_uri = format!("{IMAGES}/{image}.png");
        parts.push(Part::Image(FileRef { mime_type: "image/png".to_owned(), file_uri }));
    }
    Turn { role: message.role, parts }
}
