//! Streams words as flushed chunks.
//!
//! Each word becomes one chunk of the transfer coding and is flushed at once. A failure after the first
//! word can only break the connection: the body ends with an error, so the chunk that would end it cleanly
//! is never sent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{Stream, StreamExt as _};

use super::account_end::AccountEnd;
use crate::app::accounts::AccountSession;
use crate::app::generation::{ReplyError, WordStream};
use crate::domain::error::with_sources;

/// A streamed answer (runner-overview.txt, "Streaming API": plain text, word by word).
pub(crate) struct TextStream {
    words: WordStream,
    end: AccountEnd,
}

impl TextStream {
    /// The answer to a request of `session`.
    pub(crate) fn new(words: WordStream, session: &AccountSession) -> Self {
        Self { words, end: AccountEnd::new(session.epoch().ended().clone()) }
    }
}

impl IntoResponse for TextStream {
    fn into_response(self) -> Response {
        const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
        const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
        const NO_BUFFERING: HeaderValue = HeaderValue::from_static("no");
        let headers = [
            (header::CONTENT_TYPE, PLAIN_TEXT),
            (header::CACHE_CONTROL, NO_STORE),
            (HeaderName::from_static("x-accel-buffering"), NO_BUFFERING),
        ];
        let chunks = Chunks { words: self.words, flushing: false };
        (headers, Extension(IsStream), Extension(self.end), Body::from_stream(chunks))
            .into_response()
    }
}

/// Marks a response as a text stream, for the pipeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsStream;

/// Is pending once after each word, because the connection flushes when its body is pending.
struct Chunks {
    words: WordStream,
    flushing: bool,
}

impl Stream for Chunks {
    type Item = Result<Bytes, ReplyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.flushing) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let word = ready!(self.words.poll_next_unpin(context));
        if let Some(Err(error)) = &word
            && error.is_server_failure()
        {
            tracing::error!(error = with_sources(error), "a stream broke off");
        }
        self.flushing = matches!(word, Some(Ok(_)));
        Poll::Ready(word.map(|word| word.map(Bytes::from)))
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;

    /// The connection flushes whenever its body is pending
    /// (`the_first_word_comes_at_once_and_each_further_one_after_the_pace` sees that it does).
    #[tokio::test]
    async fn every_word_is_followed_by_a_chance_to_flush_it() {
        let words = ["one ", "two ", "three"];
        let ready = futures::stream::iter(words.map(|word| Ok(word.to_owned())));
        let end = AccountEnd::new(tokio_util::sync::CancellationToken::new());
        let mut body =
            TextStream { words: ready.boxed(), end }.into_response().into_body().into_data_stream();
        for word in words {
            match poll!(body.next()) {
                Poll::Ready(Some(Ok(chunk))) => assert_eq!(chunk, word),
                other => panic!("{other:?} in place of {word}"),
            }
            assert!(poll!(body.next()).is_pending(), "after {word}");
        }
        assert!(matches!(poll!(body.next()), Poll::Ready(None)));
    }
}
