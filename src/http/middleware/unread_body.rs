//! Reads the rest of a request's body after the request was answered.
//!
//! A request can be refused before its body is read: a wrong key, a body too large. If the connection
//! were closed at once, the client would see a reset instead of the answer. So the rest of a body that
//! a handler drops is read while the answer is being sent, up to a limit, and the connection stays
//! usable.
//!
//! The request log keeps such bodies too, because a test of a client's retries compares them. So the
//! response waits a moment for the body if the account is known.

use std::pin::Pin;
use std::sync::Arc;
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

/// The most bytes that are read: more than a client sends by mistake. Many clients read the answer only
/// after they have sent everything.
const MOST: usize = 256 * 1024 * 1024;
/// How long a client may take to send the rest.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a response waits for a body that only the request log needs. Most clients send theirs at once.
/// A client that waits for the response first gets it after this time, and its entry has no body.
const MOMENT: Duration = Duration::from_secs(1);

/// `request` with a body whose rest is moved to `context` if it is dropped before its end.
pub(crate) fn drain_on_drop<B>(context: &Arc<RequestContext>, request: Request<B>) -> Request
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    // A client that waits for `100 Continue` sends nothing until the body is read.
    let waits = request.headers().contains_key(header::EXPECT);
    if waits || request.body().is_end_stream() {
        return request.map(Body::new);
    }
    let context = Arc::clone(context);
    request.map(|body| Body::new(DrainOnDrop { unread: Some(body), begun: false, context }))
}

/// Reads the rest of the body after the response is ready: at once if the request log needs it, else while
/// the response is being sent.
pub(crate) async fn drain(context: &RequestContext) {
    let Some(UnreadBody { mut body, whole }) = context.take_unread_body() else { return };
    if whole && context.wants_body() {
        let mut text = BodyExcerpt::default();
        let all = read(&mut body, |data| text.push(data));
        if matches!(tokio::time::timeout(MOMENT, all).await, Ok(BodyEnd::Reached)) {
            context.keep_body(text);
        }
    }
    if !body.is_end_stream() {
        // The answer does not depend on how this ends.
        tokio::spawn(async { tokio::time::timeout(PATIENCE, read(body, |_| {})).await });
    }
}

/// A body that is moved to the context if it is dropped before its end.
struct DrainOnDrop<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    /// `None` after it was read to its end.
    unread: Option<B>,
    begun: bool,
    context: Arc<RequestContext>,
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
            self.context
                .set_unread_body(UnreadBody { body: Body::new(unread), whole: !self.begun });
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
