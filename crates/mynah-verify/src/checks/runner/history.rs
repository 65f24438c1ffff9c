//! The history of a conversation with its tool calls.

use serde_json::{Value, json};

use super::agent_runs::CALLED;
use super::refusals::invalid;
use crate::check::{Check, choice, newest_sdk};
use crate::context::TestContext;
use crate::expect::{CheckFailure, Json, Response};

const LEDGER: &str = "Runner API: agent runs";
/// Pages that are read before a check gives up.
const MAX_PAGES: usize = 20;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "runner.history.items",
        title: "a history has the messages and the tool call in the order of their times",
        source: newest_sdk("history"),
        needs: CALLED,
        run: |context| Box::pin(items(context)),
    },
    Check {
        id: "runner.history.pending",
        title: "a history names the calls that are pending",
        source: newest_sdk("history"),
        needs: CALLED,
        run: |context| Box::pin(pending(context)),
    },
    Check {
        id: "runner.history.cursor",
        title: "next_cursor leads to older items until all were shown",
        source: newest_sdk("history"),
        needs: CALLED,
        run: |context| Box::pin(paging(context)),
    },
    Check {
        id: "runner.history.range",
        title: "a limit outside 1 to 100 and an unknown cursor are refused",
        source: choice(LEDGER),
        needs: CALLED,
        run: |context| Box::pin(range(context)),
    },
];

impl TestContext {
    /// The history of the conversation in the answer of a run.
    async fn history(&self, run: &Response, query: &str) -> Result<Response, CheckFailure> {
        let body = run.ok_json().map_err(CheckFailure::into_blocked)?;
        let id = body.non_empty_text("/conversation_id").map_err(CheckFailure::into_blocked)?;
        let id = crate::context::escape_segment(id);
        let deployment = self.agent_deployment();
        self.get_v2(&format!("/{deployment}/conversation/{id}/history{query}")).await
    }

    /// The history of the conversation whose run was resumed.
    async fn resumed_history(&self, query: &str) -> Result<Response, CheckFailure> {
        let resumed = self.resumed().await.map_err(CheckFailure::into_blocked)?;
        self.history(&resumed, query).await
    }
}

/// `created_at` and `id` of each item.
fn places(page: &Json<'_>) -> Result<Vec<(String, String)>, CheckFailure> {
    let items = 0..page.list("/items")?.len();
    let text = |item: usize, field: &str| page.text(&format!("/items/{item}/{field}"));
    items
        .map(|item| Ok((text(item, "created_at")?.to_owned(), text(item, "id")?.to_owned())))
        .collect()
}

async fn items(context: &TestContext) -> Result<(), CheckFailure> {
    let history = context.resumed_history("?limit=100").await?;
    let history = history.ok_json()?;
    let places = places(&history)?;
    history.check(places.is_sorted(), "items in the order of created_at and id")?;
    history.is("/items/0/type", &json!("message"))?;
    history.is("/items/0/role", &json!("user"))?;
    history.check(history.at("/items/0/content")?.is_array(), "content as an array of parts")?;
    let calls = history.list("/items")?.iter().any(|item| item["type"] == "client_tool");
    history.check(calls, "an item of the type client_tool")
}

async fn pending(context: &TestContext) -> Result<(), CheckFailure> {
    let waiting = context.waiting().await.map_err(CheckFailure::into_blocked)?;
    let history = context.history(&waiting, "?limit=100").await?;
    let history = history.ok_json()?;
    history.is("/run_status", &json!("waiting_for_client_action"))?;
    let waiting = waiting.json()?;
    let calls = waiting.value.pointer("/client_tool_calls").unwrap_or(&Value::Null);
    history.is("/pending_client_actions", calls)
}

async fn paging(context: &TestContext) -> Result<(), CheckFailure> {
    let whole = context.resumed_history("?limit=100").await?;
    let whole = places(&whole.ok_json()?)?;
    let (mut joined, mut query) = (Vec::new(), "?limit=1".to_owned());
    for _ in 0..MAX_PAGES {
        let page = context.resumed_history(&query).await?;
        let page = page.ok_json()?;
        joined.splice(..0, places(&page)?);
        let Some(cursor) = page.value.pointer("/next_cursor").and_then(Value::as_str) else {
            let expected = format!("the {} items of the whole history", whole.len());
            return page.check(joined == whole, expected);
        };
        query = format!("?limit=1&cursor={}", crate::context::escape_segment(cursor));
    }
    let last = context.resumed_history(&query).await?;
    Err(last.differs("a last page", format!("{MAX_PAGES} pages with a next_cursor")))
}

async fn range(context: &TestContext) -> Result<(), CheckFailure> {
    for query in ["?limit=0", "?limit=101", "?limit=10&cursor=no-such-cursor"] {
        invalid(&context.resumed_history(query).await?)?;
    }
    Ok(())
}
