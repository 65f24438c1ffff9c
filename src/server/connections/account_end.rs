//! Aborts connections whose stream belongs to an account that was reset or removed.
//!
//! The body of such a stream fails when it is polled. If the client does not read, the body is not
//! polled, and the connection has to be aborted.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;

use crate::http::{AccountEnd, Ended};

/// The end of the account whose stream a connection sends, if it sends one.
#[derive(Clone, Default)]
pub(super) struct AccountEndWatch(Arc<Mutex<Option<Ended>>>);

impl AccountEndWatch {
    /// Returns `response`; if it is a stream, [`AccountEndWatch::poll`] watches its account meanwhile.
    pub(super) fn of(&self, mut response: Response) -> Response {
        let Some(end) = response.extensions_mut().remove::<AccountEnd>() else { return response };
        *self.0.lock() = Some(end.wait());
        response.map(|body| Body::new(WatchedBody { body, ending: self.clone() }))
    }

    /// Ready when the account of the stream was reset or removed.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        match &mut *self.0.lock() {
            Some(ended) => ended.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

/// The body of a stream; dropping it ends the watch.
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
