//! A socket whose writes time out.
//!
//! If a client does not read, the system's buffers fill up, and a stream to it would keep its task and
//! memory as long as the client keeps the connection open. [`StallTimeout`] fails a write that makes
//! no progress for a minute: the connection ends, and a streamed turn is stored as aborted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a write may make no progress.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// `S` with writes that fail after [`WRITE_TIMEOUT`] without progress.
#[derive(Debug)]
pub(super) struct StallTimeout<S> {
    socket: S,
    timer: Pin<Box<Sleep>>,
    /// Whether a write is pending and the timer runs.
    waiting: bool,
}

impl<S> StallTimeout<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, timer: Box::pin(tokio::time::sleep_until(Instant::now())), waiting: false }
    }
}

impl<S: Unpin> StallTimeout<S> {
    /// Polls `write`, and fails if the limit has passed since the last progress.
    fn poll_with_limit<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let polled = write(Pin::new(&mut self.socket), context);
        if polled.is_ready() {
            self.waiting = false;
            return polled;
        }
        if !self.waiting {
            self.waiting = true;
            self.timer.as_mut().reset(Instant::now() + WRITE_TIMEOUT);
        }
        match self.timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_with_limit(context, |socket, context| socket.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with_limit(context, |socket, context| socket.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with_limit(context, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with_limit(context, AsyncWrite::poll_shutdown)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, into)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const ALMOST: Duration = Duration::from_secs(59);

    fn pair() -> (DuplexStream, StallTimeout<DuplexStream>) {
        let (client, server) = duplex(8);
        (client, StallTimeout::new(server))
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_progress_fails() {
        let (_client, mut server) = pair();
        let start = Instant::now();
        let error = server.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!((Instant::now() - start).as_secs(), WRITE_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_with_slow_progress_does_not_fail() {
        let (mut client, mut server) = pair();
        let writing = tokio::spawn(async move { server.write_all(&[0; 100]).await });
        let mut read = 0;
        while read < 100 {
            tokio::time::advance(ALMOST).await;
            read += client.read(&mut [0; 8]).await.unwrap();
        }
        writing.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_between_writes_does_not_count() {
        let (mut client, mut server) = pair();
        for _ in 0..3 {
            server.write_all(&[0; 8]).await.unwrap();
            let more = tokio::spawn(async move {
                server.write_all(&[0; 8]).await.unwrap();
                server
            });
            tokio::time::advance(ALMOST).await;
            client.read_exact(&mut [0; 16]).await.unwrap();
            server = more.await.unwrap();
            tokio::time::advance(WRITE_TIMEOUT * 2).await;
        }
    }
}
