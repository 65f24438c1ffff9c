//! Lists as answers: sent at once if all items are in memory, else streamed as they are read.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::{StreamExt as _, once};
use serde::Serialize;

use super::json::{JSON, Json};
use crate::app::item_list::Items;
use crate::domain::error::{InternalError, with_sources};

/// An answer with `items`: `item` converts each of them, `answer` builds the whole answer, whose first array
/// must be the items.
#[expect(clippy::expect_used, reason = "answers are texts, numbers, lists and maps of texts")]
pub(crate) fn listed<T, I, A>(
    items: Items<T>,
    mut item: impl FnMut(T) -> I + Send + 'static,
    answer: impl FnOnce(Vec<I>) -> A,
) -> Response
where
    T: Send + 'static,
    I: Serialize,
    A: Serialize,
{
    let items = match items.all() {
        Ok(all) => return Json(answer(all.into_iter().map(item).collect())).into_response(),
        Err(items) => items,
    };
    let around = serde_json::to_string(&answer(Vec::new())).expect("every answer can be written");
    let (before, after) = around.split_once("[]").expect("an answer has its items in an array");
    let (before, after) = (format!("{before}["), format!("]{after}"));
    let mut first = true;
    let items = items.rendered(move |row, text| {
        if !std::mem::take(&mut first) {
            text.push(b',');
        }
        serde_json::to_writer(text, &item(row)).expect("every item can be written");
    });
    let pieces = once(async { Ok(before.into_bytes()) })
        .chain(items)
        .chain(once(async { Ok(after.into_bytes()) }))
        .map(|piece: Result<Vec<u8>, InternalError>| {
            if let Err(error) = &piece {
                tracing::error!(error = with_sources(error), "a list broke off");
            }
            piece.map(Bytes::from)
        });
    ([(header::CONTENT_TYPE, JSON)], Body::from_stream(pieces)).into_response()
}
