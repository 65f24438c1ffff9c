//! Lists of conversations and their filters.

use serde_json::{Value, json};

use super::{ANSWERED, API, LABEL};
use crate::check::{Check, choice, notes, rest};
use crate::context::{Credential, TestContext};
use crate::expect::{CheckFailure, Json, Response};
use crate::need::Need;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "runner.list.fields",
        title: "a conversation in a list has id, name, meta, created_at and updated_at",
        source: rest("Example response"),
        needs: ANSWERED,
        run: |context| Box::pin(fields(context)),
    },
    Check {
        id: "runner.list.meta",
        title: "the meta of a first message is attached to its conversation",
        source: rest("What is meta?"),
        needs: ANSWERED,
        run: |context| Box::pin(meta(context)),
    },
    Check {
        id: "runner.list.filter",
        title: "a meta key as a parameter filters for exactly the conversations with that value",
        source: rest("Query params"),
        needs: ANSWERED,
        run: |context| Box::pin(filter(context)),
    },
    Check {
        id: "runner.list.filter_all",
        title: "several filters must all match",
        source: rest("Query params"),
        needs: ANSWERED,
        run: |context| Box::pin(filter_all(context)),
    },
    Check {
        id: "runner.list.filter_none",
        title: "a filter that matches nothing returns an empty page",
        source: rest("Query params"),
        needs: &[Need::Key],
        run: |context| Box::pin(filter_none(context)),
    },
    Check {
        id: "runner.list.filter_number",
        title: "a number in meta matches by its text",
        source: notes("Conversations"),
        needs: ANSWERED,
        run: |context| Box::pin(filter_number(context)),
    },
    Check {
        id: "runner.list.paging",
        title: "pages of one item contain each conversation once; total and has_more are consistent",
        source: rest("Query params"),
        needs: ANSWERED,
        run: |context| Box::pin(paging(context)),
    },
    Check {
        id: "runner.list.order",
        title: "the newest activity comes first",
        source: choice("Runner API: messages and lists"),
        needs: ANSWERED,
        run: |context| Box::pin(order(context)),
    },
    Check {
        id: "runner.list.deployment",
        title: "a deployment's list has its conversations",
        source: notes("Conversations"),
        needs: ANSWERED,
        run: |context| Box::pin(of_deployment(context)),
    },
    Check {
        id: "runner.list.message_count",
        title: "a conversation in a list has message_count",
        source: notes("Conversations"),
        needs: ANSWERED,
        run: |context| Box::pin(message_count(context)),
    },
    Check {
        id: "runner.list.other_account",
        title: "another account's lists do not contain them",
        source: choice("Both APIs"),
        needs: &[Need::Key, Need::SecondKey, Need::Deployment, Need::Spending],
        run: |context| Box::pin(other_account(context)),
    },
];

/// The list of this run's conversations, filtered further by `more`.
async fn list(
    context: &TestContext,
    who: Credential,
    more: &str,
) -> Result<Response, CheckFailure> {
    context.get(API, who, &format!("/conversations?{LABEL}={}{more}", context.run)).await
}

/// Fails unless the list has exactly these conversations, in any order, and the right total.
fn has_exactly(body: &Json<'_>, expected: &[&String]) -> Result<(), CheckFailure> {
    let mut ids = body.ids("/items")?;
    let mut expected: Vec<String> = expected.iter().map(|&id| id.clone()).collect();
    ids.sort();
    expected.sort();
    body.check(ids == expected, format!("the conversations {expected:?}"))?;
    body.is("/total", &json!(expected.len()))
}

async fn fields(context: &TestContext) -> Result<(), CheckFailure> {
    context.two_conversation_ids().await?;
    let response = list(context, Credential::Main, "").await?;
    let body = response.ok_json()?;
    let items = body.list("/items")?.len();
    body.check(items > 0, "the conversations of this run")?;
    for item in 0..items {
        body.non_empty_text(&format!("/items/{item}/id"))?;
        body.text(&format!("/items/{item}/name"))?;
        body.time(&format!("/items/{item}/created_at"))?;
        body.time(&format!("/items/{item}/updated_at"))?;
        body.check(body.at(&format!("/items/{item}/meta"))?.is_object(), "meta that is an object")?;
    }
    Ok(())
}

async fn meta(context: &TestContext) -> Result<(), CheckFailure> {
    let conversation = context.runner_conversation_id().await?;
    let response = list(context, Credential::Main, "").await?;
    let body = response.ok_json()?;
    let items = body.list("/items")?;
    let item = items.iter().find(|item| item.get("id") == Some(&json!(conversation)));
    let meta = item.and_then(|item| item.get("meta")).unwrap_or(&Value::Null);
    let expected = json!({LABEL: context.run, "part": "a", "n": 1});
    response.check(*meta == expected, &expected, meta)
}

async fn filter(context: &TestContext) -> Result<(), CheckFailure> {
    let [first, second] = context.two_conversation_ids().await?;
    let response = list(context, Credential::Main, "").await?;
    has_exactly(&response.ok_json()?, &[&first, &second])
}

async fn filter_all(context: &TestContext) -> Result<(), CheckFailure> {
    let [first, _] = context.two_conversation_ids().await?;
    let response = list(context, Credential::Main, "&part=a").await?;
    has_exactly(&response.ok_json()?, &[&first])?;
    let response = list(context, Credential::Main, "&part=c").await?;
    has_exactly(&response.ok_json()?, &[])
}

async fn filter_none(context: &TestContext) -> Result<(), CheckFailure> {
    let path = format!("/conversations?{LABEL}=none-{}", context.run);
    let response = context.get(API, Credential::Main, &path).await?;
    let body = response.ok_json()?;
    has_exactly(&body, &[])?;
    body.is("/has_more", &json!(false))
}

async fn filter_number(context: &TestContext) -> Result<(), CheckFailure> {
    let [_, second] = context.two_conversation_ids().await?;
    let response = list(context, Credential::Main, "&n=2").await?;
    has_exactly(&response.ok_json()?, &[&second])
}

async fn paging(context: &TestContext) -> Result<(), CheckFailure> {
    let mut threads = context.two_conversation_ids().await?.to_vec();
    let mut joined = Vec::new();
    for (page, more) in [(1, true), (2, false)] {
        let response =
            list(context, Credential::Main, &format!("&page={page}&page_size=1")).await?;
        let body = response.ok_json()?;
        for (field, value) in [("/page", json!(page)), ("/page_size", json!(1))] {
            body.is(field, &value)?;
        }
        body.is("/total", &json!(2))?;
        body.is("/has_more", &json!(more))?;
        let ids = body.ids("/items")?;
        body.check(ids.len() == 1, "one conversation")?;
        joined.extend(ids);
        joined.sort();
        threads.sort();
        body.check(more || joined == threads, format!("with the page before: {threads:?}"))?;
    }
    Ok(())
}

async fn order(context: &TestContext) -> Result<(), CheckFailure> {
    context.two_conversation_ids().await?;
    let before = list(context, Credential::Main, "").await?;
    let ids = before.ok_json()?.ids("/items")?;
    let Some(last) = ids.last() else {
        return Err(before.differs("the conversations of this run", "none"));
    };
    let text = "Thank you. One word will do.";
    let sent = context.continue_conversation("/conversation", last, text, None).await?;
    sent.ok_json().map_err(CheckFailure::into_blocked)?;
    let response = list(context, Credential::Main, "").await?;
    let body = response.ok_json()?;
    body.is("/items/0/id", &json!(last))
}

async fn of_deployment(context: &TestContext) -> Result<(), CheckFailure> {
    let [first, second] = context.two_conversation_ids().await?;
    let path = format!("/{}/conversations?{LABEL}={}", context.deployment(), context.run);
    let response = context.get(API, Credential::Main, &path).await?;
    has_exactly(&response.ok_json()?, &[&first, &second])
}

async fn message_count(context: &TestContext) -> Result<(), CheckFailure> {
    context.two_conversation_ids().await?;
    let response = list(context, Credential::Main, "&part=b").await?;
    let body = response.ok_json()?;
    let count = body.integer("/items/0/message_count")?;
    body.check(count >= 2 && count % 2 == 0, "two messages a turn")
}

async fn other_account(context: &TestContext) -> Result<(), CheckFailure> {
    context.two_conversation_ids().await?;
    let response = list(context, Credential::Second, "").await?;
    has_exactly(&response.ok_json()?, &[])
}
