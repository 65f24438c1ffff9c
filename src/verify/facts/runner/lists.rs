//! Lists of conversations, found by their labels.

use serde_json::{Value, json};

use super::{ANSWERED, API, LABEL};
use crate::verify::expect::{Json, Seen, Unmet};
use crate::verify::fact::{Fact, Need, choice, notes, rest};
use crate::verify::probe::{Probe, Who};

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "runner.list.fields",
        title: "a conversation in a list has id, name, meta, created_at and updated_at",
        source: rest("Example response"),
        needs: ANSWERED,
        check: |probe| Box::pin(fields(probe)),
    },
    Fact {
        id: "runner.list.meta",
        title: "the meta of a first message is attached to its conversation",
        source: rest("What is meta?"),
        needs: ANSWERED,
        check: |probe| Box::pin(meta(probe)),
    },
    Fact {
        id: "runner.list.filter",
        title: "a meta key as a parameter filters: exactly those that have it",
        source: rest("Query params"),
        needs: ANSWERED,
        check: |probe| Box::pin(filter(probe)),
    },
    Fact {
        id: "runner.list.filter_all",
        title: "several filters must all match",
        source: rest("Query params"),
        needs: ANSWERED,
        check: |probe| Box::pin(filter_all(probe)),
    },
    Fact {
        id: "runner.list.filter_none",
        title: "a filter that matches nothing gives an empty page",
        source: rest("Query params"),
        needs: &[Need::Key],
        check: |probe| Box::pin(filter_none(probe)),
    },
    Fact {
        id: "runner.list.filter_number",
        title: "a number in meta matches by its text",
        source: notes("Conversations"),
        needs: ANSWERED,
        check: |probe| Box::pin(filter_number(probe)),
    },
    Fact {
        id: "runner.list.paging",
        title: "pages of one hold each conversation once; total and has_more agree",
        source: rest("Query params"),
        needs: ANSWERED,
        check: |probe| Box::pin(paging(probe)),
    },
    Fact {
        id: "runner.list.order",
        title: "the newest activity comes first",
        source: choice("Runner API: messages and lists"),
        needs: ANSWERED,
        check: |probe| Box::pin(order(probe)),
    },
    Fact {
        id: "runner.list.deployment",
        title: "a deployment's own list has its conversations",
        source: notes("Conversations"),
        needs: ANSWERED,
        check: |probe| Box::pin(of_deployment(probe)),
    },
    Fact {
        id: "runner.list.message_count",
        title: "a conversation in a list carries message_count",
        source: notes("Conversations"),
        needs: ANSWERED,
        check: |probe| Box::pin(message_count(probe)),
    },
    Fact {
        id: "runner.list.other_account",
        title: "another account's lists do not have them",
        source: choice("Both APIs"),
        needs: &[Need::Key, Need::SecondKey, Need::Deployment, Need::Spending],
        check: |probe| Box::pin(other_account(probe)),
    },
];

/// The list that has this run's conversations only, filtered further by `more`.
async fn list(probe: &Probe, who: Who, more: &str) -> Result<Seen, Unmet> {
    probe.get(API, who, &format!("/conversations?{LABEL}={}{more}", probe.run)).await
}

/// Fails unless the list has these conversations, in any order, and counts them.
fn has_just(body: &Json<'_>, expected: &[&String]) -> Result<(), Unmet> {
    let mut ids = body.ids("/items")?;
    let mut expected: Vec<String> = expected.iter().map(|&id| id.clone()).collect();
    ids.sort();
    expected.sort();
    body.check(ids == expected, format!("the conversations {expected:?}"))?;
    body.is("/total", &json!(expected.len()))
}

async fn fields(probe: &Probe) -> Result<(), Unmet> {
    probe.two_threads().await?;
    let seen = list(probe, Who::Own, "").await?;
    let body = seen.good()?;
    let items = body.list("/items")?.len();
    body.check(items > 0, "the conversations of this run")?;
    for item in 0..items {
        body.filled(&format!("/items/{item}/id"))?;
        body.text(&format!("/items/{item}/name"))?;
        body.time(&format!("/items/{item}/created_at"))?;
        body.time(&format!("/items/{item}/updated_at"))?;
        body.check(body.at(&format!("/items/{item}/meta"))?.is_object(), "an object as meta")?;
    }
    Ok(())
}

async fn meta(probe: &Probe) -> Result<(), Unmet> {
    let thread = probe.thread().await?;
    let seen = list(probe, Who::Own, "").await?;
    let body = seen.good()?;
    let items = body.list("/items")?;
    let item = items.iter().find(|item| item.get("id") == Some(&json!(thread)));
    let meta = item.and_then(|item| item.get("meta")).unwrap_or(&Value::Null);
    let expected = json!({LABEL: probe.run, "part": "a", "n": 1});
    seen.check(*meta == expected, &expected, meta)
}

async fn filter(probe: &Probe) -> Result<(), Unmet> {
    let [first, second] = probe.two_threads().await?;
    let seen = list(probe, Who::Own, "").await?;
    has_just(&seen.good()?, &[&first, &second])
}

async fn filter_all(probe: &Probe) -> Result<(), Unmet> {
    let [first, _] = probe.two_threads().await?;
    let seen = list(probe, Who::Own, "&part=a").await?;
    has_just(&seen.good()?, &[&first])?;
    let seen = list(probe, Who::Own, "&part=c").await?;
    has_just(&seen.good()?, &[])
}

async fn filter_none(probe: &Probe) -> Result<(), Unmet> {
    let path = format!("/conversations?{LABEL}=none-{}", probe.run);
    let seen = probe.get(API, Who::Own, &path).await?;
    let body = seen.good()?;
    has_just(&body, &[])?;
    body.is("/has_more", &json!(false))
}

async fn filter_number(probe: &Probe) -> Result<(), Unmet> {
    let [_, second] = probe.two_threads().await?;
    let seen = list(probe, Who::Own, "&n=2").await?;
    has_just(&seen.good()?, &[&second])
}

async fn paging(probe: &Probe) -> Result<(), Unmet> {
    let mut threads = probe.two_threads().await?.to_vec();
    let mut joined = Vec::new();
    for (page, more) in [(1, true), (2, false)] {
        let seen = list(probe, Who::Own, &format!("&page={page}&page_size=1")).await?;
        let body = seen.good()?;
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

async fn order(probe: &Probe) -> Result<(), Unmet> {
    probe.two_threads().await?;
    let before = list(probe, Who::Own, "").await?;
    let ids = before.good()?.ids("/items")?;
    let Some(last) = ids.last() else {
        return Err(before.differs("the conversations of this run", "none"));
    };
    let text = "Thank you. One word will do.";
    let said = probe.go_on("/conversation", last, text, None).await?;
    said.good().map_err(Unmet::into_ground)?;
    let seen = list(probe, Who::Own, "").await?;
    let body = seen.good()?;
    body.is("/items/0/id", &json!(last))
}

async fn of_deployment(probe: &Probe) -> Result<(), Unmet> {
    let [first, second] = probe.two_threads().await?;
    let path = format!("/{}/conversations?{LABEL}={}", probe.deployment(), probe.run);
    let seen = probe.get(API, Who::Own, &path).await?;
    has_just(&seen.good()?, &[&first, &second])
}

async fn message_count(probe: &Probe) -> Result<(), Unmet> {
    probe.two_threads().await?;
    let seen = list(probe, Who::Own, "&part=b").await?;
    let body = seen.good()?;
    let count = body.whole("/items/0/message_count")?;
    body.check(count >= 2 && count % 2 == 0, "two messages a turn")
}

async fn other_account(probe: &Probe) -> Result<(), Unmet> {
    probe.two_threads().await?;
    let seen = list(probe, Who::Second, "").await?;
    has_just(&seen.good()?, &[])
}
