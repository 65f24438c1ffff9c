//! A socket that is reset if its connection is aborted, or ends within a response without frames.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::hyper_errors::Refusals;
use crate::http::ConnectionAbort;

/// A client's socket. It is closed with a reset (RST) after its connection was aborted, or before the
/// end of a response that only the end of the connection delimits. Bytes not yet sent are dropped.
pub(super) struct Socket {
    pub(super) stream: TcpStream,
    pub(super) abort: ConnectionAbort,
    pub(super) refusals: Refusals,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.abort.is_reset_on_close()
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::debug!(%error, "SO_LINGER could not be set");
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if let Some(data) = into.filled().get(before..) {
            self.refusals.read(data);
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let Self { stream, refusals, .. } = &mut *self;
        let mut write = |bytes: &[u8]| Pin::new(&mut *stream).poll_write(context, bytes);
        if refusals.replaces(bytes) {
            return refusals.poll_write(bytes.len(), write);
        }
        write(bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        // A response of hyper's own is one slice.
        if let [only] = slices {
            return self.poll_write(context, only);
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
