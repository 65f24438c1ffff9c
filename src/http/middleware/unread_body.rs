//! Reads what a client still sends after it was answered.
//!
//! A request can be refused before its body is read: a wrong key, a body too large. Closing the
//! connection at once would reset it under the client's hands, and the client would see a broken
//! connection instead of the answer. So what is left of a body that is dropped is read while the
//! answer is on its way, up to a bound, and the connection stays usable.
//!
//! The journal is to have it as well: who tests that a client tries again wants to see that it sent
//! the same. So the answer waits for a moment, where an account is known to keep it for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tower::BoxError;

use crate::app::request_log::BodyExcerpt;
use crate::http::context::{RequestContext, UnreadBody};

/// The most that is read of a body nobody wants: more than a client sends by mistake. Many clients
/// look for an answer only when they have sent everything, and take a closed connection for none.
const MOST: usize = 256 * 1024 * 1024;
/// How long a client may take over it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer waits for a body that nobody but the journal wants. Clients send theirs in one
/// go; one that wants its answer first gets it after this, and the journal has no body.
const MOMENT: Duration = Duration::from_secs(1);

/// `request`, of whose body `scope` is left what nobody reads.
pub(crate) fn drain_on_drop<B>(scope: &RequestContext, request: Request<B>) -> Request
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    // A client that waits for `100 Continue` sends nothing until its body is asked for.
    let waits = request.headers().contains_key(header::EXPECT);
    if waits || request.body().is_end_stream() {
        return request.map(Body::new);
    }
    let scope = scope.clone();
    request.map(|body| Body::new(DrainOnDrop { unread: Some(body), begun: false, scope }))
}

/// Reads what was left to `scope`, now that the answer is there: for the journal at once, if that
/// wants it, else while the answer is on its way.
pub(crate) async fn drain(scope: &RequestContext) {
    let Some(UnreadBody { mut body, whole }) = scope.take_unread_body() else { return };
    if whole && scope.wants_body() {
        let mut text = BodyExcerpt::default();
        let all = read(&mut body, |data| text.push(data));
        if matches!(tokio::time::timeout(MOMENT, all).await, Ok(BodyEnd::Reached)) {
            scope.keep_body(text);
        }
    }
    if !body.is_end_stream() {
        // Whether it ends well, too late or too large: the answer stands.
        tokio::spawn(async { tokio::time::timeout(PATIENCE, read(body, |_| {})).await });
    }
}

/// A body that is left to the scope if it is dropped before its end.
struct DrainOnDrop<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    /// Nothing once it was read to its end.
    unread: Option<B>,
    begun: bool,
    scope: RequestContext,
}

impl<B> HttpBody for DrainOnDrop<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let Some(unread) = &mut this.unread else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *unread).poll_frame(context));
        this.begun = true;
        if !matches!(frame, Some(Ok(_))) || unread.is_end_stream() {
            this.unread = None;
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

impl<B> Drop for DrainOnDrop<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        if let Some(unread) = self.unread.take() {
            self.scope.set_unread_body(UnreadBody { body: Body::new(unread), whole: !self.begun });
        }
    }
}

/// How far a body was read.
enum BodyEnd {
    Reached,
    /// It broke off, or is too large.
    NotReached,
}

async fn read(
    mut body: impl HttpBody<Data = Bytes> + Unpin,
    mut note: impl FnMut(&[u8]),
) -> BodyEnd {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return BodyEnd::NotReached };
        let Some(data) = frame.data_ref() else { continue };
        note(data);
        read += data.len();
        if read > MOST {
            return BodyEnd::NotReached;
        }
    }
    BodyEnd::Reached
}
