//! Reads what a client still sends after it was answered.
//!
//! A request can be refused before its body is read: a wrong key, a body too large. Closing the
//! connection at once would reset it under the client's hands, and the client would see a broken
//! connection instead of the answer. So what is left of the body is read and dropped while the
//! answer is on its way, up to a bound, and the connection stays usable.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;

/// The most that is read of a body nobody wants: more than a client sends by mistake. Many clients
/// look for an answer only when they have sent everything, and take a closed connection for none.
const MOST: usize = 256 * 1024 * 1024;
/// How long a client may take over it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers, and reads the rest of the request's body if the answer came before its end. The answer
/// does not wait for that: a client may wait for its answer before it sends more.
pub(super) async fn drain(
    request: Request,
    inside: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    // A client that waits for `100 Continue` sends nothing until its body is asked for.
    let waits = request.headers().contains_key(header::EXPECT);
    if waits || request.body().is_end_stream() {
        return inside(request).await;
    }
    let (parts, body) = request.into_parts();
    let shared = Shared(Arc::new(Mutex::new(body)));
    let response = inside(Request::from_parts(parts, Body::new(shared.clone()))).await;
    if !shared.is_end_stream() {
        // Whether it ends well, too late or too large: the answer stands.
        tokio::spawn(tokio::time::timeout(PATIENCE, read_rest(shared)));
    }
    response
}

async fn read_rest(mut body: Shared) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MOST {
            return;
        }
    }
}

/// A body that the handler reads and this layer goes on reading.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.0.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.lock().size_hint()
    }
}
