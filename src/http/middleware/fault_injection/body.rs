//! What faults do to bodies. Each word of a stream comes as one frame and leaves as one.

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

/// How long a stalled stream stalls, on the account's clock: longer than any client waits.
const STALL: Duration = Duration::from_hours(1);

/// A stream ends without its end.
#[derive(Debug, Error)]
#[error("a fault that was asked for broke the stream off")]
struct StreamAborted;

/// `response` with its body spoilt, and a length that agrees with it.
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
            // The bracket that closes it is of the other kind.
            if let Some(last) = bytes.last_mut() {
                *last = if *last == b'}' { b']' } else { b'}' };
            }
        }
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(bytes))
}

/// All of a stream, its end too waited for; but the end is not told.
pub(crate) fn without_its_end(body: Body) -> Body {
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

/// A stream with `act` done to it. Where it ends early, what makes the words is dropped, and stores
/// what was taken as it does when a client goes away.
pub(crate) fn interfered(
    body: Body,
    act: StreamFault,
    clock: Arc<Clock>,
    notes: Arc<RequestTrace>,
) -> Body {
    let mut frames = body.into_data_stream();
    // Before the first word: whoever has it may advance the clock.
    notes.start_pacing(&clock);
    let chunks = try_stream! {
        let mut sent = 0;
        loop {
            match act {
                StreamFault::Pace(more) if sent > 0 => {
                    notes.delay(&clock, more).await;
                }
                StreamFault::StallAfter(words) if sent == words => {
                    notes.delay(&clock, STALL).await;
                }
                StreamFault::EndAfter(words) if sent == words => break,
                StreamFault::BreakAfter(words) if sent == words => {
                    flushed().await;
                    Err(axum::BoxError::from(StreamAborted))?;
                }
                _ => {}
            }
            let Some(frame) = frames.next().await else { break };
            let frame: Bytes = frame.map_err(axum::Error::into_inner)?;
            sent += 1;
            match act {
                StreamFault::Repeat(chunk) if sent == chunk => {
                    yield frame.clone();
                    flushed().await;
                    yield frame;
                }
                StreamFault::SplitCharacter => {
                    let mut rest = frame;
                    if let Some(place) = rest.iter().position(|byte| !byte.is_ascii()) {
                        // Behind the first byte of the first character that has several.
                        yield rest.split_to(place + 1);
                        flushed().await;
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

/// Gives the connection a chance to write out what it holds: it does whenever its body has nothing
/// to give for the moment.
async fn flushed() {
    tokio::task::yield_now().await;
}
