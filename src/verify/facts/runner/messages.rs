//! A conversation's messages, page by page.

use serde_json::json;

use super::conversation::kept;
use super::{ANSWERED, API, REFUSED};
use crate::verify::expect::Unmet;
use crate::verify::fact::{Fact, Need, choice, notes, rest};
use crate::verify::probe::{Probe, Who};

/// A UUID that no conversation has, version and variant as they should be.
const NO_CONVERSATION: &str = "00000000-0000-4000-8000-000000000000";

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "runner.messages.fields",
        title: "a message has id, role, content and created_at",
        source: rest("Example response"),
        needs: ANSWERED,
        check: |probe| Box::pin(fields(probe)),
    },
    Fact {
        id: "runner.messages.defaults",
        title: "without a word it is page 1 of 20",
        source: rest("Query params"),
        needs: ANSWERED,
        check: |probe| Box::pin(defaults(probe)),
    },
    Fact {
        id: "runner.messages.paging",
        title: "the pages, joined, are the whole list; total and has_more agree",
        source: rest("Query params"),
        needs: ANSWERED,
        check: |probe| Box::pin(paging(probe)),
    },
    Fact {
        id: "runner.messages.unknown",
        title: "messages of an unknown conversation are 404",
        source: notes("Errors"),
        needs: &[Need::Key],
        check: |probe| Box::pin(unknown(probe)),
    },
    Fact {
        id: "runner.messages.past_the_end",
        title: "past the end there is nothing",
        source: choice("Runner API: messages and lists"),
        needs: ANSWERED,
        check: |probe| Box::pin(past_the_end(probe)),
    },
    Fact {
        id: "runner.messages.page_range",
        title: "pages are counted from 1 and hold 1 to 100 items, else 400",
        source: choice("Runner API: messages and lists"),
        needs: ANSWERED,
        check: |probe| Box::pin(page_range(probe)),
    },
    Fact {
        id: "runner.messages.other_account",
        title: "another account does not see them: 404",
        source: choice("Both APIs"),
        needs: &[Need::Key, Need::SecondKey, Need::Deployment, Need::Spending],
        check: |probe| Box::pin(other_account(probe)),
    },
    Fact {
        id: "runner.conversation.unknown",
        title: "an unknown conversation cannot be continued: 404",
        source: notes("Errors"),
        needs: REFUSED,
        check: |probe| Box::pin(unknown_continued(probe)),
    },
];

async fn fields(probe: &Probe) -> Result<(), Unmet> {
    let (seen, messages) = kept(probe, &probe.thread_of_two().await?).await?;
    let body = seen.good()?;
    for item in 0..messages.len() {
        let role = body.text(&format!("/items/{item}/role"))?;
        body.check(["user", "assistant"].contains(&role), "the role user or assistant")?;
        body.filled(&format!("/items/{item}/id"))?;
        body.time(&format!("/items/{item}/created_at"))?;
        let content = body.at(&format!("/items/{item}/content"))?;
        body.check(content.is_string() || content.is_array(), "a text, or an array of parts")?;
    }
    Ok(())
}

async fn defaults(probe: &Probe) -> Result<(), Unmet> {
    let path = format!("/conversation/{}/messages", probe.thread().await?);
    let seen = probe.get(API, Who::Own, &path).await?;
    let body = seen.good()?;
    body.is("/page", &json!(1))?;
    body.is("/page_size", &json!(20))
}

async fn paging(probe: &Probe) -> Result<(), Unmet> {
    let thread = probe.thread_of_two().await?;
    let (seen, all) = kept(probe, &thread).await?;
    let all_ids = seen.good()?.ids("/items")?;
    let mut joined: Vec<String> = Vec::new();
    for page in 1..=all.len() {
        let path = format!("/conversation/{thread}/messages?page={page}&page_size=3");
        let seen = probe.get(API, Who::Own, &path).await?;
        let body = seen.good()?;
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
    seen.check(joined == all_ids, format!("the pages joined: {joined:?}"), format!("{all_ids:?}"))
}

async fn unknown(probe: &Probe) -> Result<(), Unmet> {
    let path = format!("/conversation/{NO_CONVERSATION}/messages");
    let seen = probe.get(API, Who::Own, &path).await?;
    seen.status(&[404]).map(|_| ())
}

async fn unknown_continued(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.go_on("/conversation", NO_CONVERSATION, "Hello?", None).await?;
    seen.status(&[404]).map(|_| ())
}

async fn past_the_end(probe: &Probe) -> Result<(), Unmet> {
    let path = format!("/conversation/{}/messages?page=999", probe.thread().await?);
    let seen = probe.get(API, Who::Own, &path).await?;
    let body = seen.good()?;
    body.is("/items", &json!([]))?;
    body.is("/has_more", &json!(false))
}

async fn page_range(probe: &Probe) -> Result<(), Unmet> {
    let thread = probe.thread().await?;
    for query in ["page=0", "page_size=0", "page_size=101", "page=two"] {
        let path = format!("/conversation/{thread}/messages?{query}");
        probe.get(API, Who::Own, &path).await?.status(&[400])?;
    }
    Ok(())
}

async fn other_account(probe: &Probe) -> Result<(), Unmet> {
    let path = format!("/conversation/{}/messages", probe.thread().await?);
    probe.get(API, Who::Second, &path).await?.status(&[404]).map(|_| ())
}
