//! The history of a conversation: messages and tool calls (agents-and-triggers.md, 1.7).

use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{conversation_status, precise_time};
use crate::app::agent_runs::{ConversationHistory, HistoryCall, HistoryItem, HistoryPosition};
use crate::domain::Part;
use crate::domain::agent_run::RunStep;
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};
use crate::http::apis::runner::Style;
use crate::http::response::json::Json;
use crate::http::response::pages::ListQuery;
use crate::http::response::tool_call::ToolCallAnswer;
use crate::ids::{ConversationId, RunId, ToolCallId};

/// The most items on a page, and the default.
const LARGEST_PAGE: u64 = 100;
/// A position after all items.
const NEWEST: HistoryPosition = HistoryPosition { messages: u64::MAX, call: 0 };
/// The hexadecimal digits of each half of a cursor.
const DIGITS: usize = 16;

/// The query of a history.
pub(super) struct HistoryQuery {
    /// The items must be older than this.
    pub(super) before: HistoryPosition,
    /// How many items.
    pub(super) limit: u64,
}

impl HistoryQuery {
    pub(super) fn checked(query: ListQuery) -> Result<Self, FieldError> {
        let [cursor, limit] = query.only(["cursor", "limit"])?;
        let wrong = |field: &str, message: String| {
            FieldError::new(field, FieldErrorKind::BadValue, message).in_the(FieldLocation::Query)
        };
        let before = match cursor {
            None => NEWEST,
            Some(cursor) => position(&cursor).ok_or_else(|| {
                wrong("cursor", "cursor must be the next_cursor of a page".to_owned())
            })?,
        };
        let limit = match limit {
            None => LARGEST_PAGE,
            Some(text) => {
                let number = text.parse().ok().filter(|number| (1..=LARGEST_PAGE).contains(number));
                number.ok_or_else(|| {
                    wrong("limit", format!("limit must be a whole number from 1 to {LARGEST_PAGE}"))
                })?
            }
        };
        Ok(Self { before, limit })
    }
}

/// The cursor of the items before `position`.
fn cursor(position: HistoryPosition) -> String {
    format!("{:016x}{:016x}", position.messages, position.call)
}

fn position(cursor: &str) -> Option<HistoryPosition> {
    let is_hex = cursor.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (messages, call) = cursor.split_at_checked(DIGITS).filter(|_| is_hex)?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let position = HistoryPosition { messages: number(messages)?, call: number(call)? };
    (call.len() == DIGITS).then_some(position)
}

/// The answer with a page of the history.
#[derive(Serialize)]
pub(super) struct HistoryAnswer {
    conversation_id: ConversationId,
    conversation_status: &'static str,
    completed_at: Option<String>,
    run_id: Option<RunId>,
    run_status: Option<&'static str>,
    pending_client_actions: Vec<ToolCallAnswer>,
    items: Vec<ItemAnswer>,
    next_cursor: Option<String>,
}

/// An item of the history.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ItemAnswer {
    Message {
        id: String,
        role: &'static str,
        content: Vec<Part>,
        created_at: String,
    },
    ClientTool {
        id: String,
        call_id: ToolCallId,
        name: String,
        status: &'static str,
        arguments: Map<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
        created_at: String,
    },
}

impl HistoryAnswer {
    /// The response with `history`, as it is at `now`.
    pub(super) fn respond(
        history: ConversationHistory,
        now: DateTime<Utc>,
        style: Style,
    ) -> Response {
        let ConversationHistory { conversation, step, page, permit } = history;
        let oldest = page.items.first().map(|(position, _)| *position);
        let completed_at = conversation.completed_at;
        let pending = step.iter().flat_map(|step| step.calls.iter().cloned());
        let answer = Self {
            conversation_status: conversation_status(completed_at),
            completed_at: completed_at.map(|time| precise_time(style, time)),
            run_id: step.as_ref().map(|step| step.run_id.clone()),
            run_status: step.as_ref().map(|step: &RunStep| step.status.name()),
            pending_client_actions: pending.map(Into::into).collect(),
            next_cursor: oldest.filter(|_| page.has_more).map(cursor),
            items: page
                .items
                .into_iter()
                .map(|(position, item)| ItemAnswer::new(position, item, now, style))
                .collect(),
            conversation_id: conversation.id,
        };
        let response = Json(answer).into_response();
        drop(permit);
        response
    }
}

impl ItemAnswer {
    /// Ids sort in the order of the items, as text too.
    fn new(position: HistoryPosition, item: HistoryItem, now: DateTime<Utc>, style: Style) -> Self {
        let id = format!("item_{:010}_{:010}", position.messages, position.call);
        match item {
            HistoryItem::Message(message) => Self::Message {
                id,
                role: message.role.name(),
                content: message.parts,
                created_at: precise_time(style, message.created_at),
            },
            HistoryItem::Call(HistoryCall { call, created_at, expires_at, summary }) => {
                let is_expired = expires_at.is_some_and(|time| time <= now);
                Self::ClientTool {
                    id,
                    status: match (&summary, is_expired) {
                        (Some(_), _) => "completed",
                        (None, true) => "expired",
                        (None, false) => "pending",
                    },
                    call_id: call.call_id,
                    name: call.name,
                    arguments: call.arguments,
                    summary,
                    created_at: precise_time(style, created_at),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_position(messages in any::<u64>(), call in any::<u64>()) {
            let place = HistoryPosition { messages, call };
            prop_assert_eq!(position(&cursor(place)), Some(place));
        }

        #[test]
        fn any_text_is_a_cursor_or_not(text in any::<String>()) {
            if let Some(place) = position(&text) {
                prop_assert_eq!(cursor(place), text.to_lowercase());
            }
        }
    }
}
