//! A conversation's messages, page by page.

use serde_json::json;

use super::conversation::stored_messages;
use super::{ANSWERED, API, REFUSED};
use crate::check::{Check, choice, notes, rest};
use crate::context::{Credential, TestContext};
use crate::expect::CheckFailure;
use crate::need::Need;

/// A UUID of version 4 that no conversation has.
const NO_CONVERSATION: &str = "00000000-0000-4000-8000-000000000000";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "runner.messages.fields",
        title: "a message has id, role, content and created_at",
        source: rest("Example response"),
        needs: ANSWERED,
        run: |context| Box::pin(fields(context)),
    },
    Check {
        id: "runner.messages.defaults",
        title: "the default is page 1 with 20 items",
        source: rest("Query params"),
        needs: ANSWERED,
        run: |context| Box::pin(defaults(context)),
    },
    Check {
        id: "runner.messages.paging",
        title: "the joined pages are the whole list; total and has_more are consistent",
        source: rest("Query params"),
        needs: ANSWERED,
        run: |context| Box::pin(paging(context)),
    },
    Check {
        id: "runner.messages.unknown",
        title: "messages of an unknown conversation are 404",
        source: notes("Errors"),
        needs: &[Need::Key],
        run: |context| Box::pin(unknown(context)),
    },
    Check {
        id: "runner.messages.past_the_end",
        title: "a page past the end is empty",
        source: choice("Runner API: messages and lists"),
        needs: ANSWERED,
        run: |context| Box::pin(past_the_end(context)),
    },
    Check {
        id: "runner.messages.page_range",
        title: "pages are counted from 1 and hold 1 to 100 items, else 400",
        source: choice("Runner API: messages and lists"),
        needs: ANSWERED,
        run: |context| Box::pin(page_range(context)),
    },
    Check {
        id: "runner.messages.other_account",
        title: "another account cannot see them: 404",
        source: choice("Both APIs"),
        needs: &[Need::Key, Need::SecondKey, Need::Deployment, Need::Spending],
        run: |context| Box::pin(other_account(context)),
    },
    Check {
        id: "runner.conversation.unknown",
        title: "an unknown conversation cannot be continued: 404",
        source: notes("Errors"),
        needs: REFUSED,
        run: |context| Box::pin(unknown_continued(context)),
    },
];

async fn fields(context: &TestContext) -> Result<(), CheckFailure> {
    let (response, messages) =
        stored_messages(context, &context.conversation_of_two_turns().await?).await?;
    let body = response.ok_json()?;
    for item in 0..messages.len() {
        let role = body.text(&format!("/items/{item}/role"))?;
        body.check(["user", "assistant"].contains(&role), "the role user or assistant")?;
        body.non_empty_text(&format!("/items/{item}/id"))?;
        body.time(&format!("/items/{item}/created_at"))?;
        let value = body.at(&format!("/items/{item}/content"))?;
        body.check(value.is_string() || value.is_array(), "a text, or an array of parts")?;
    }
    Ok(())
}

async fn defaults(context: &TestContext) -> Result<(), CheckFailure> {
    let path = format!("/conversation/{}/messages", context.runner_conversation_id().await?);
    let response = context.get(API, Credential::Main, &path).await?;
    let body = response.ok_json()?;
    body.is("/page", &json!(1))?;
    body.is("/page_size", &json!(20))
}

async fn paging(context: &TestContext) -> Result<(), CheckFailure> {
    let conversation = context.conversation_of_two_turns().await?;
    let (response, all) = stored_messages(context, &conversation).await?;
    let all_ids = response.ok_json()?.ids("/items")?;
    let mut joined: Vec<String> = Vec::new();
    for page in 1..=all.len() {
        let path = format!("/conversation/{conversation}/messages?page={page}&page_size=3");
        let response = context.get(API, Credential::Main, &path).await?;
        let body = response.ok_json()?;
        body.is("/page", &json!(page))?;
        body.is("/page_size", &json!(3))?;
        body.is("/total", &json!(all.len()))?;
        let ids = body.ids("/items")?;
        let left = all.len().saturating_sub(joined.len());
        body.check(ids.len() == left.min(3), format!("{} items", left.min(3)))?;
        joined.extend(ids);
        let more = joined.len() < all.len();
        body.is("/has_more", &json!(more))?;
        if !more {
            break;
        }
    }
    response.check(
        joined == all_ids,
        format!("the pages joined: {joined:?}"),
        format!("{all_ids:?}"),
    )
}

async fn unknown(context: &TestContext) -> Result<(), CheckFailure> {
    let path = format!("/conversation/{NO_CONVERSATION}/messages");
    let response = context.get(API, Credential::Main, &path).await?;
    response.status(&[404]).map(|_| ())
}

async fn unknown_continued(context: &TestContext) -> Result<(), CheckFailure> {
    let response =
        context.continue_conversation("/conversation", NO_CONVERSATION, "Hello?", None).await?;
    response.status(&[404]).map(|_| ())
}

async fn past_the_end(context: &TestContext) -> Result<(), CheckFailure> {
    let path =
        format!("/conversation/{}/messages?page=999", context.runner_conversation_id().await?);
    let response = context.get(API, Credential::Main, &path).await?;
    let body = response.ok_json()?;
    body.is("/items", &json!([]))?;
    body.is("/has_more", &json!(false))
}

async fn page_range(context: &TestContext) -> Result<(), CheckFailure> {
    let conversation = context.runner_conversation_id().await?;
    for query in ["page=0", "page_size=0", "page_size=101", "page=two"] {
        let path = format!("/conversation/{conversation}/messages?{query}");
        context.get(API, Credential::Main, &path).await?.status(&[400])?;
    }
    Ok(())
}

async fn other_account(context: &TestContext) -> Result<(), CheckFailure> {
    let path = format!("/conversation/{}/messages", context.runner_conversation_id().await?);
    context.get(API, Credential::Second, &path).await?.status(&[404]).map(|_| ())
}
