//! Streams that are read to the end, abandoned after some words, or never read.

use hyper::Method;
use serde_json::{Value, json};

use super::client::RequestPlan;
use super::round::Round;
use super::tally::Expectation;

const STREAM: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";
const CONVERSATION: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/conversation";

/// Words of an abandoned stream.
const WORDS: usize = 200;

fn body(words: usize) -> Value {
    json!({"content": [{"type": "text", "text": "word ".repeat(words)}]})
}

/// Sends all kinds of streams.
pub(crate) async fn all(round: &mut Round<'_>) -> anyhow::Result<()> {
    let key = round.account.key.clone();
    let stream =
        |words| RequestPlan::new("stream", Method::POST, STREAM).json(&body(words)).key(&key);
    round.send(stream(WORDS)).await?;
    // 100,000 words, of which most are never generated.
    round.client.leave_after(stream(100_000), 1).await?;
    // Slow streams: abandoned during a wait.
    for words in [0, 1, 3] {
        let after = round.rng.usize(0..=words);
        round.send(slow(round)).await?;
        round.client.leave_after(stream(WORDS), after).await?;
    }
    conversation(round).await
}

/// Queues a reply with a slow pace.
fn slow(round: &Round<'_>) -> RequestPlan {
    let reply =
        json!({"text": "one two three ".repeat(50), "pace": {"word_ms": 5, "jitter_ms": 5}});
    let queue = round.account.path("/replies/queue?api=runner");
    RequestPlan::new("replies", Method::POST, queue).json(&reply)
}

/// Continues a conversation in a stream, disconnects, and continues it again.
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
    let add_turn = RequestPlan::new("conversation", Method::POST, target).json(&more).key(&key);
    round.client.leave_after(add_turn.clone(), 2).await?;
    round.send(add_turn).await
}

/// A stream that is never read.
pub(crate) fn half_open(round: &Round<'_>) -> RequestPlan {
    let plan = RequestPlan::new("half open", Method::POST, STREAM).json(&body(20_000));
    plan.key(&round.account.key).expected(Expectation::NoServerError)
}
