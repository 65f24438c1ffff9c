//! Reads a request's body within its time and size limits.

use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::header;
use http_body_util::BodyExt as _;

use crate::http::large_bodies::{LargeBodies, LargeBodyPermit, SMALL};
use crate::http::response::error::HttpError;

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The part of a body that was read.
#[derive(Default)]
struct Read {
    /// Most bodies arrive in one chunk, which need not be copied.
    first: Bytes,
    more: Vec<u8>,
}

impl Read {
    fn length(&self) -> usize {
        self.first.len() + self.more.len()
    }

    /// Reserves exactly `length` bytes in all.
    fn reserve(&mut self, length: usize) {
        let first = std::mem::take(&mut self.first);
        self.more.reserve_exact(length);
        self.more.extend_from_slice(&first);
    }

    fn push(&mut self, data: Bytes) {
        if self.first.is_empty() && self.more.is_empty() && self.more.capacity() == 0 {
            self.first = data;
        } else {
            self.more.extend_from_slice(&data);
        }
    }

    fn into_bytes(self) -> Bytes {
        match (self.first.is_empty(), self.more.is_empty()) {
            (_, true) => self.first,
            (true, false) => self.more.into(),
            (false, false) => [&self.first, self.more.as_slice()].concat().into(),
        }
    }
}

/// The body of `request`, at most `largest` bytes, and its permit if it is a large one. Waiting for the
/// permit does not count against the client's time.
pub(super) async fn read(
    request: Request,
    largest: usize,
    large: &LargeBodies,
) -> Result<(Bytes, Option<LargeBodyPermit>), HttpError> {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > largest) {
        return Err(HttpError::TooLarge { limit: largest });
    }
    let (mut body, mut read) = (request.into_body(), Read::default());
    let small = announced.unwrap_or(0) <= SMALL;
    if small && within_time(read_up_to(&mut body, &mut read, SMALL.min(largest))).await? {
        return Ok((read.into_bytes(), None));
    }
    // For the whole body at once: bodies that hold a part and wait for more could deadlock.
    let mut permit = large.acquire(announced.unwrap_or(largest)).await;
    read.reserve(announced.unwrap_or(0));
    if !within_time(read_up_to(&mut body, &mut read, largest)).await? {
        return Err(HttpError::TooLarge { limit: largest });
    }
    if let Some(permit) = &mut permit {
        permit.shrink_to(read.length());
    }
    Ok((read.into_bytes(), permit))
}

/// Reads until there are more than `max` bytes or the body ends. Returns whether it has ended.
async fn read_up_to(body: &mut Body, read: &mut Read, max: usize) -> Result<bool, HttpError> {
    while read.length() <= max {
        let Some(frame) = body.frame().await else { return Ok(true) };
        if let Ok(data) = frame.map_err(|_| HttpError::BodyBroken)?.into_data() {
            read.push(data);
        }
        if body.is_end_stream() && read.length() <= max {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The result of `read`, within [`BODY_TIMEOUT`]. Most bodies are ready at once and need no timer.
async fn within_time<T>(read: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
    let mut read = std::pin::pin!(read);
    if let Poll::Ready(read) = futures::poll!(&mut read) {
        return read;
    }
    let read = tokio::time::timeout(BODY_TIMEOUT, read).await;
    read.unwrap_or(Err(HttpError::BodyTooSlow))
}
