//! Faults of response bodies. Each word of a stream is one frame, before and after.

use std::sync::Arc;
use std::time::Duration;

use async_stream::try_stream;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::Response;
use futures::stream::{BoxStream, StreamExt as _};
use http_body_util::BodyExt as _;
use thiserror::Error;

use crate::app::request_log::RequestTrace;
use crate::clock::Clock;
use crate::domain::fault_rule::{BodyCorruption, StreamFault};

/// How long a stream stalls, on the account's clock: longer than any client waits.
const STALL: Duration = Duration::from_hours(1);

/// Ends a stream so that the client sees it broken.
#[derive(Debug, Error)]
#[error("an injected fault broke the stream off")]
struct StreamAborted;

/// `response` with a corrupt body, whose length is that of the corrupt body.
pub(crate) async fn corrupted(response: Response, how: BodyCorruption) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = body.collect().await else {
        return Response::from_parts(parts, Body::empty());
    };
    let mut bytes = whole.to_bytes().to_vec();
    match how {
        BodyCorruption::Empty => bytes.clear(),
        BodyCorruption::Truncated => bytes.truncate(bytes.len() / 2),
        BodyCorruption::Malformed => {
            // The closing bracket becomes one of the other kind.
            if let Some(last) = bytes.last_mut() {
                *last = if *last == b'}' { b']' } else { b'}' };
            }
        }
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(bytes))
}

/// The whole stream, but with an error in place of its end. The end is awaited first, so that the answer
/// is stored.
pub(crate) fn without_end(body: Body) -> Body {
    let mut frames = body.into_data_stream();
    let chunks = try_stream! {
        while let Some(frame) = frames.next().await {
            yield frame.map_err(axum::Error::into_inner)?;
        }
        Err(axum::BoxError::from(StreamAborted))?;
    };
    let chunks: BoxStream<'static, Result<Bytes, axum::BoxError>> = chunks.boxed();
    Body::from_stream(chunks)
}

/// The stream with `action` applied. If it ends early, the source of the words is dropped, which stores
/// the sent words as when a client leaves.
pub(crate) fn with_stream_fault(
    body: Body,
    action: StreamFault,
    clock: Arc<Clock>,
    trace: Arc<RequestTrace>,
) -> Body {
    let mut frames = body.into_data_stream();
    // Before the first word: a client that has it may advance the clock.
    trace.start_pacing(&clock);
    let chunks = try_stream! {
        let mut sent = 0;
        loop {
            match action {
                StreamFault::Pace(more) if sent > 0 => {
                    trace.delay(&clock, more).await;
                }
                StreamFault::StallAfter(words) if sent == words => {
                    trace.delay(&clock, STALL).await;
                }
                StreamFault::EndAfter(words) if sent == words => break,
                StreamFault::BreakAfter(words) if sent == words => {
                    Err(axum::BoxError::from(StreamAborted))?;
                }
                _ => {}
            }
            let Some(frame) = frames.next().await else { break };
            let frame: Bytes = frame.map_err(axum::Error::into_inner)?;
            sent += 1;
            match action {
                StreamFault::Repeat(chunk) if sent == chunk => {
                    yield frame.clone();
                    flush().await;
                    yield frame;
                }
                StreamFault::SplitCharacter => {
                    let mut rest = frame;
                    if let Some(place) = rest.iter().position(|byte| !byte.is_ascii()) {
                        // After the first byte of the first character of several bytes.
                        yield rest.split_to(place + 1);
                        flush().await;
                    }
                    yield rest;
                }
                _ => yield frame,
            }
        }
    };
    let chunks: BoxStream<'static, Result<Bytes, axum::BoxError>> = chunks.boxed();
    Body::from_stream(chunks)
}

/// Makes the body pending once, so that the connection flushes.
async fn flush() {
    tokio::task::yield_now().await;
}
