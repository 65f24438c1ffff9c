//! Streams: read whole, left after some words, and never read at all.

use hyper::Method;
use serde_json::{Value, json};

use super::ask::RequestPlan;
use super::round::Round;
use super::tally::Expectation;

const STREAM: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";
const CONVERSATION: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/conversation";

/// Words of a stream that is left.
const WORDS: usize = 200;

fn body(words: usize) -> Value {
    json!({"content": [{"type": "text", "text": "word ".repeat(words)}]})
}

/// All kinds of them.
pub(crate) async fn all(round: &mut Round<'_>) -> anyhow::Result<()> {
    let key = round.account.key.clone();
    let stream =
        |words| RequestPlan::new("stream", Method::POST, STREAM).json(&body(words)).key(&key);
    round.ask(stream(WORDS)).await?;
    // 100,000 words: a client that reads the beginning leaves most of it unmade.
    round.client.leave_after(stream(100_000), 1).await?;
    // A pace of a minute a word: these are left while they wait.
    for words in [0, 1, 3] {
        let after = round.rng.usize(0..=words);
        round.ask(slow(round)).await?;
        round.client.leave_after(stream(WORDS), after).await?;
    }
    conversation(round).await
}

/// Puts a reply into the queue whose words come slowly.
fn slow(round: &Round<'_>) -> RequestPlan {
    let reply =
        json!({"text": "one two three ".repeat(50), "pace": {"word_ms": 5, "jitter_ms": 5}});
    let queue = round.account.path("/replies/queue?api=runner");
    RequestPlan::new("replies", Method::POST, queue).json(&reply)
}

/// A conversation that goes on as a stream, is left, and goes on again.
async fn conversation(round: &mut Round<'_>) -> anyhow::Result<()> {
    let key = round.account.key.clone();
    let start =
        RequestPlan::new("conversation", Method::POST, CONVERSATION).json(&body(5)).key(&key);
    let started = round.client.json(start).await?;
    let mut more = body(WORDS);
    if let (Some(more), Some(id)) = (more.as_object_mut(), started.get("conversation_id")) {
        more.insert("conversation_id".to_owned(), id.clone());
        more.insert("history_limit".to_owned(), round.rng.u32(0..=1000).into());
    }
    let target = format!("{CONVERSATION}/stream");
    let go_on = RequestPlan::new("conversation", Method::POST, target).json(&more).key(&key);
    round.client.leave_after(go_on.clone(), 2).await?;
    round.ask(go_on).await
}

/// A stream that the client never reads.
pub(crate) fn half_open(round: &Round<'_>) -> RequestPlan {
    let plan = RequestPlan::new("half open", Method::POST, STREAM).json(&body(20_000));
    plan.key(&round.account.key).expected(Expectation::NoServerError)
}
