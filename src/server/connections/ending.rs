//! The end of a connection over which an account's stream goes, when the account ends.
//!
//! A stream breaks off by itself when it is asked for its next word. One whose client does not read
//! is not asked: then the connection has to be cut.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;

use crate::http::{AccountEnd, Ended};

/// What one connection waits for while it sends a stream.
#[derive(Clone, Default)]
pub(super) struct AccountEndWatch(Arc<Mutex<Option<Ended>>>);

impl AccountEndWatch {
    /// `answer`; as long as it is sent, and if it is a stream, the end of its account is waited for.
    pub(super) fn of(&self, mut answer: Response) -> Response {
        let Some(end) = answer.extensions_mut().remove::<AccountEnd>() else { return answer };
        *self.0.lock() = Some(end.wait());
        answer.map(|body| Body::new(WatchedBody { body, ending: self.clone() }))
    }

    /// Ready when the account of the stream that is being sent has ended.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        match &mut *self.0.lock() {
            Some(ended) => ended.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

/// A stream that is being sent.
struct WatchedBody {
    body: Body,
    ending: AccountEndWatch,
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        *self.ending.0.lock() = None;
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
