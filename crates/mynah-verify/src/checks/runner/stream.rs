//! Streams: the same answer, in pieces of plain text.

use super::ANSWERED;
use crate::check::{Check, choice, overview};
use crate::context::{TestContext, text_body};
use crate::expect::{CheckFailure, Response};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "runner.stream.text",
        title: "a stream is plain text in UTF-8",
        source: overview("Streaming API"),
        needs: ANSWERED,
        run: |context| Box::pin(text(context)),
    },
    Check {
        id: "runner.stream.pieces",
        title: "a stream arrives in more than one piece",
        source: overview("Streaming API"),
        needs: ANSWERED,
        run: |context| Box::pin(pieces(context)),
    },
    Check {
        id: "runner.stream.no_framing",
        title: "a stream has no JSON framing and no token counts",
        source: overview("Key Points"),
        needs: ANSWERED,
        run: |context| Box::pin(no_framing(context)),
    },
    Check {
        id: "runner.stream.whole_characters",
        title: "no piece of a stream splits a character",
        source: choice("Runner API: streams"),
        needs: ANSWERED,
        run: |context| Box::pin(whole_characters(context)),
    },
    Check {
        id: "runner.stream.headers",
        title: "a stream is chunked, neither stored nor buffered nor compressed on the way",
        source: choice("Runner API: streams"),
        needs: ANSWERED,
        run: |context| Box::pin(headers(context)),
    },
];

impl TestContext {
    /// A run's stream.
    async fn stream_once(&self) -> Result<Response, CheckFailure> {
        let story = "Tell me a story of about fifty words about a lighthouse keeper in Reykjavík.";
        let post = async || self.post_to_deployment("/stream", &text_body(story)).await;
        self.shared.stream.get_or_init(post).await.clone()
    }

    /// The same response, for checks that need a successful stream.
    async fn good_stream(&self) -> Result<Response, CheckFailure> {
        let response = self.stream_once().await.map_err(CheckFailure::into_blocked)?;
        is_plain_text(&response).map_err(CheckFailure::into_blocked)?;
        Ok(response)
    }
}

/// Fails unless the answer is a stream of text.
pub(super) fn is_plain_text(response: &Response) -> Result<(), CheckFailure> {
    response.status(&[200])?;
    let kind = response.header("content-type");
    response.check(kind.starts_with("text/plain"), "content-type text/plain", kind)?;
    let text = String::from_utf8(response.bytes());
    response.check(text.is_ok(), "a body in UTF-8", "invalid UTF-8")?;
    response.check(text.is_ok_and(|text| !text.is_empty()), "a text that is not empty", "no text")
}

async fn text(context: &TestContext) -> Result<(), CheckFailure> {
    is_plain_text(&context.stream_once().await?)
}

async fn pieces(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.good_stream().await?;
    let pieces = response.pieces.len();
    response.check(
        pieces > 1,
        "more than one piece",
        format!("{pieces} piece: {}", response.text()),
    )
}

async fn no_framing(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.good_stream().await?;
    let text = response.text();
    let framed = ["data:", "event:", "{\"", "[{"].iter().any(|frame| text.starts_with(frame));
    let counted = text.contains("\"output_tokens\"") || text.contains("\"input_tokens\"");
    response.check(!framed && !counted, "the text and nothing around it", text)
}

async fn whole_characters(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.good_stream().await?;
    let split = response.pieces.iter().find(|piece| str::from_utf8(piece).is_err());
    let shown = split.map(|piece| String::from_utf8_lossy(piece).into_owned());
    response.check(split.is_none(), "pieces of whole characters", shown.unwrap_or_default())
}

async fn headers(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.good_stream().await?;
    for (name, expected) in [
        ("transfer-encoding", "chunked"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("content-encoding", ""),
    ] {
        let value = response.header(name);
        response.check(
            value == expected,
            format!("{name}: {expected}"),
            format!("{name}: {value}"),
        )?;
    }
    Ok(())
}
