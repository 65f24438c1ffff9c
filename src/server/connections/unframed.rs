//! Streams to HTTP/1.0 clients, which do not know chunks: the end of the connection delimits the
//! stream. An aborted stream has to end with a reset, or it would look complete.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};

use crate::http::ConnectionAbort;

/// A body whose connection is reset unless the body is read to its end.
pub(super) struct Unframed {
    body: Body,
    abort: ConnectionAbort,
}

impl Unframed {
    pub(super) fn new(body: Body, abort: ConnectionAbort) -> Self {
        abort.reset_on_close(true);
        Self { body, abort }
    }
}

impl HttpBody for Unframed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        let ended = match &frame {
            Some(Ok(_)) => this.body.is_end_stream(),
            Some(Err(_)) => false,
            None => true,
        };
        if ended {
            this.abort.reset_on_close(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
