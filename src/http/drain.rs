//! Reads what a client still sends after it was answered.
//!
//! A request can be refused before its body is read: a wrong key, a body too large. Closing the
//! connection at once would reset it under the client's hands, and the client would see a broken
//! connection instead of the answer. So what is left of a body that is dropped is read while the
//! answer is on its way, up to a bound, and the connection stays usable.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use tower::BoxError;

/// The most that is read of a body nobody wants: more than a client sends by mistake. Many clients
/// look for an answer only when they have sent everything, and take a closed connection for none.
const MOST: usize = 256 * 1024 * 1024;
/// How long a client may take over it.
const PATIENCE: Duration = Duration::from_secs(10);

/// `request`, whose body is read to its end even if nobody wants it. The answer does not wait for
/// that: a client may wait for its answer before it sends more.
pub(super) fn drained<B>(request: Request<B>) -> Request
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    // A client that waits for `100 Continue` sends nothing until its body is asked for.
    let waits = request.headers().contains_key(header::EXPECT);
    if waits || request.body().is_end_stream() {
        return request.map(Body::new);
    }
    request.map(|body| Body::new(Drained { unread: Some(body) }))
}

/// A body of which the rest is read when it is dropped.
struct Drained<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
{
    /// Nothing once it was read to its end.
    unread: Option<B>,
}

impl<B> HttpBody for Drained<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(unread) = &mut self.unread else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *unread).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) || unread.is_end_stream() {
            self.unread = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.unread.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.unread.as_ref().map_or_else(|| http_body::SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl<B> Drop for Drained<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        if let (Some(unread), Ok(runtime)) = (self.unread.take(), Handle::try_current()) {
            // Whether it ends well, too late or too large: the answer stands.
            runtime.spawn(tokio::time::timeout(PATIENCE, read(unread)));
        }
    }
}

async fn read(mut body: impl HttpBody<Data = Bytes> + Unpin) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MOST {
            return;
        }
    }
}
