//! Streams break off as soon as their account is reset, restored, removed or closed.
//!
//! The body ends with an error, so that the client sees the stream broken. If the client does not
//! read, the body is not polled, and the connection is aborted (`server/connections/account_end`).
//!
//! The data before a break is flushed first, also if a fault or a failing model breaks the stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use thiserror::Error;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The end of an account's epoch, in the extensions of a streamed answer.
#[derive(Debug, Clone)]
pub struct AccountEnd(CancellationToken);

/// Ready when the account's epoch has ended.
pub(crate) type Ended = Pin<Box<WaitForCancellationFutureOwned>>;

impl AccountEnd {
    pub(crate) fn new(ended: CancellationToken) -> Self {
        Self(ended)
    }

    /// Whether the epoch has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the epoch ends.
    pub(crate) fn wait(self) -> Ended {
        Box::pin(self.0.cancelled_owned())
    }
}

/// Why a stream broke off.
#[derive(Debug, Error)]
#[error("the account was reset, restored or removed")]
struct AccountEnded;

/// `response`, which breaks off when its account's epoch ends, if it is a stream.
pub(crate) fn break_at_account_end(response: Response) -> Response {
    let Some(end) = response.extensions().get::<AccountEnd>().cloned() else { return response };
    response.map(|body| {
        let wait = end.clone().wait();
        Body::new(UntilEnded { body: Some(body), end, wait, failed: None })
    })
}

struct UntilEnded {
    /// `None` after it has broken off.
    body: Option<Body>,
    end: AccountEnd,
    wait: Ended,
    /// The error, held back until the connection has sent the data before it.
    failed: Option<axum::Error>,
}

impl UntilEnded {
    fn poll_body(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        if !self.end.has_ended() {
            let frame = Pin::new(body).poll_frame(context);
            // Waiting for the end is needed only while no frame comes.
            if frame.is_ready() || self.wait.as_mut().poll(context).is_pending() {
                return frame;
            }
        }
        self.body = None;
        Poll::Ready(Some(Err(axum::Error::new(AccountEnded))))
    }
}

impl HttpBody for UntilEnded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let frame = self.poll_body(context);
        if let Poll::Ready(Some(Err(error))) = frame {
            // The connection flushes, at least the head, only while its body is pending. If the body
            // failed at once, the client would see no response at all.
            self.failed = Some(error);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.failed.is_none() && self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use futures::stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_stream_that_breaks_off_at_once_lets_the_head_be_sent_before() {
        let ended = CancellationToken::new();
        ended.cancel();
        let mut response = Response::new(Body::from("never sent"));
        response.extensions_mut().insert(AccountEnd::new(ended));
        let mut body = break_at_account_end(response).into_body().into_data_stream();
        assert!(poll!(body.next()).is_pending());
        assert!(matches!(poll!(body.next()), Poll::Ready(Some(Err(_)))));
        assert!(matches!(poll!(body.next()), Poll::Ready(None)));
    }
}
