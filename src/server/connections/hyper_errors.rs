//! Replaces hyper's own error responses.
//!
//! hyper refuses a malformed (400) or too large (414, 431) head before any service sees it, with a
//! response that has neither an id nor a body. [`Refusals`] recognises such a response at the socket,
//! where it comes in one write, and writes Mynah's own in its place.

use std::fmt::Write as _;
use std::task::{Poll, ready};

use axum::body::Bytes;
use axum::http::StatusCode;
use bytes::Buf as _;

use crate::http::{ConnectionAbort, Pipeline};

/// The bytes of a head that are kept, to find method and API.
const HEAD_START: usize = 64;
/// The length of hyper's own responses in bytes; those of Mynah are longer.
const MAX_LENGTH: usize = 200;

/// Replaces hyper's own responses on one connection.
pub(super) struct Refusals {
    pipeline: Pipeline,
    abort: ConnectionAbort,
    /// The beginning of the last read that looks like a head.
    head: [u8; HEAD_START],
    head_length: usize,
    /// The rest of a replacement that is being written.
    replacement: Option<Bytes>,
}

impl Refusals {
    pub(super) fn new(pipeline: Pipeline, abort: ConnectionAbort) -> Self {
        Self { pipeline, abort, head: [0; HEAD_START], head_length: 0, replacement: None }
    }

    /// Keeps the beginning of `data`, which the client sent, if it looks like a head.
    pub(super) fn read(&mut self, data: &[u8]) {
        // A further part of the same head does not look like a head.
        let is_head = data.first().is_some_and(u8::is_ascii_uppercase);
        if is_head && let Some(start) = data.get(..HEAD_START.min(data.len())) {
            self.head_length = start.len();
            for (kept, byte) in self.head.iter_mut().zip(start) {
                *kept = *byte;
            }
        }
    }

    /// Whether the bytes that hyper writes are a response to be replaced.
    pub(super) fn replaces(&mut self, response: &[u8]) -> bool {
        if self.replacement.is_none() && !self.abort.is_reset_on_close() {
            let start = self.head.split_at(self.head_length).0;
            self.replacement = status_of(response).map(|status| {
                let refusal = self.pipeline.answer_bad_head(&self.abort, status, start);
                replaced(response, &refusal.headers, &refusal.body).into()
            });
        }
        self.replacement.is_some()
    }

    /// Writes the replacement of hyper's response of `length` bytes with `write`. When it is written
    /// completely, reports `length` bytes to hyper.
    pub(super) fn poll_write(
        &mut self,
        length: usize,
        mut write: impl FnMut(&[u8]) -> Poll<std::io::Result<usize>>,
    ) -> Poll<std::io::Result<usize>> {
        while let Some(rest) = &mut self.replacement {
            if rest.is_empty() {
                self.replacement = None;
                break;
            }
            match ready!(write(rest))? {
                0 => return Poll::Ready(Ok(0)),
                written => rest.advance(written),
            }
        }
        Poll::Ready(Ok(length))
    }
}

/// The status of a response that hyper made itself; `None` for all others.
fn status_of(response: &[u8]) -> Option<StatusCode> {
    let status = response.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let whole = response.len() <= MAX_LENGTH && response.ends_with(b"\r\n\r\n");
    let status = StatusCode::from_bytes(status).ok().filter(|_| whole)?;
    let has_id = || response.windows(12).any(|window| window == b"x-request-id");
    (status.is_client_error() && !has_id()).then_some(status)
}

/// The response with these headers and body; its `content-length` is corrected.
fn replaced(response: &[u8], headers: &str, body: &[u8]) -> Vec<u8> {
    let head = String::from_utf8_lossy(response);
    let lines = head.split("\r\n").filter(|line| !line.is_empty());
    let mut replaced = String::new();
    for line in lines.filter(|line| !line.to_ascii_lowercase().starts_with("content-length:")) {
        replaced.push_str(line);
        replaced.push_str("\r\n");
    }
    replaced.push_str(headers);
    let _ = write!(replaced, "content-length: {}\r\n\r\n", body.len());
    let mut replaced = replaced.into_bytes();
    replaced.extend_from_slice(body);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n\
        connection: close\r\ncontent-length: 0\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";

    #[test]
    fn only_responses_of_hyper_are_replaced() {
        assert_eq!(status_of(OWN), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        let ours = b"HTTP/1.1 404 Not Found\r\nx-request-id: req_1\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(status_of(ours), None);
        assert_eq!(status_of(b"HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(status_of(b"5\r\nHTTP/1.1 431 \r\n\r\n"), None);
    }

    #[test]
    fn the_replacement_keeps_status_connection_and_date() {
        let bytes = replaced(OWN, "x-request-id: req_1\r\n", b"{}");
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
             date: Sun, 06 Nov 1994 08:49:37 GMT\r\nx-request-id: req_1\r\ncontent-length: 2\r\n\r\n{}"
        );
    }
}
