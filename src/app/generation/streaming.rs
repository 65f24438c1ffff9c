//! Streams an answer word by word, and has its turn stored when the last word was taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_stream::try_stream;
use futures::future::ready;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::ReplyError;
use crate::app::accounts::AccountSession;
use crate::domain::error::{InternalError, with_sources};
use crate::domain::reply_rule::Pace;
use crate::domain::words::Words;
use crate::ids::SeededRandom;
use crate::models::{ModelError, ReplyChunk, ReplyChunks};

/// An answer word by word. Each item is one word with the white space that follows it; an error
/// ends the stream. Dropping it stops the generation.
pub type WordStream = BoxStream<'static, Result<String, ReplyError>>;

/// The text of an answer before it is split into words.
pub(super) enum TextSource {
    /// The whole text, shared with the stream that records it.
    Whole(Arc<String>),
    /// Chunks as they come.
    Pieces(BoxStream<'static, Result<ReplyChunk, ModelError>>),
}

/// Waits for the first chunk, or returns the error that comes instead.
pub(super) async fn await_first_chunk(pieces: ReplyChunks) -> Result<TextSource, ReplyError> {
    let mut pieces = match pieces {
        ReplyChunks::Whole(text, _) => return Ok(TextSource::Whole(Arc::new(text))),
        ReplyChunks::Stream(pieces) => pieces,
    };
    match pieces.next().await {
        Some(Err(error)) => Err(error.into()),
        Some(Ok(first)) => {
            Ok(TextSource::Pieces(stream::once(ready(Ok(first))).chain(pieces).boxed()))
        }
        None => Ok(TextSource::Pieces(pieces)),
    }
}

/// Splits `source` into words, with a pause before each as `pace` says.
pub(super) fn paced(source: TextSource, pace: Pace, session: &AccountSession) -> PacedReply {
    let whole = match &source {
        TextSource::Whole(text) => Some(Arc::clone(text)),
        TextSource::Pieces(_) => None,
    };
    let (clock, draw) = (Arc::clone(&session.clock), session.epoch().ids.random());
    let trace = Arc::clone(session.trace());
    // Before the first word is sent: a client that has it may advance the clock.
    trace.start_pacing(&clock);
    let words = try_stream! {
        let mut nth = 0;
        for await word in split_words(source) {
            let word = word?;
            let wait = wait_before(nth, pace, draw);
            if !wait.is_zero() {
                trace.delay(&clock, wait).await;
            }
            nth += 1;
            yield word;
        }
    };
    PacedReply { words: words.boxed(), whole }
}

/// A paced stream of words.
pub(super) struct PacedReply {
    pub(super) words: WordStream,
    /// The whole text, if it is known; the words sent are its beginning.
    whole: Option<Arc<String>>,
}

/// The words of `source`, each as soon as it is complete.
fn split_words(source: TextSource) -> impl Stream<Item = Result<String, ReplyError>> {
    try_stream! {
        let mut words = match &source {
            TextSource::Whole(text) => Words::of(Arc::clone(text)),
            TextSource::Pieces(_) => Words::default(),
        };
        while let Some(word) = words.complete() {
            yield word;
        }
        if let TextSource::Pieces(mut pieces) = source {
            while let Some(piece) = pieces.next().await {
                if let ReplyChunk::Text(text) = piece? {
                    words.push(&text);
                    while let Some(word) = words.complete() {
                        yield word;
                    }
                }
            }
        }
        if let Some(last) = words.last() {
            yield last;
        }
    }
}

fn wait_before(nth: u64, pace: Pace, draw: SeededRandom) -> Duration {
    let fixed = if nth == 0 { pace.first_ms } else { pace.word_ms };
    let jitter = match pace.jitter_ms {
        0 => 0,
        max => draw.up_to(max, "pace", nth),
    };
    Duration::from_millis(fixed.saturating_add(jitter))
}

/// Passes the words of `reply` on and calls `store` once, in a task of `tasks`, with the words taken and
/// whether they were aborted: after the last word (then the stream ends when `store` has succeeded),
/// or when the stream fails or is dropped before (aborted).
pub(super) fn recorded<F, S>(reply: PacedReply, tasks: &TaskTracker, store: F) -> WordStream
where
    F: FnOnce(String, bool) -> S + Send + 'static,
    S: Future<Output = Result<(), ReplyError>> + Send,
{
    let (sender, receiver) = oneshot::channel::<SentText>();
    tasks.spawn(async move {
        // `RecordedStream` sends in every case, at the latest when it is dropped.
        let Ok(SentText { text, stored }) = receiver.await else {
            return;
        };
        let outcome = store(text, stored.is_none()).await;
        if let Some(stored) = stored {
            let _ = stored.send(outcome);
        } else if let Err(error) = outcome
            && error.is_server_failure()
        {
            tracing::error!(error = with_sources(&error), "an aborted turn was not stored");
        }
    });
    let PacedReply { words, whole } = reply;
    let text = match whole {
        Some(whole) => SentTextBuffer::Prefix { whole, length: 0 },
        None => SentTextBuffer::Copied(String::new()),
    };
    RecordedStream { words, text, state: RecordingState::Open(sender) }.boxed()
}

/// The words that were taken, and the receiver of the result; `None` if they were aborted.
struct SentText {
    text: String,
    stored: Option<oneshot::Sender<Result<(), ReplyError>>>,
}

/// The words that were taken so far.
enum SentTextBuffer {
    /// The first `length` bytes of the whole text, which is not copied: it may be long, and streams last.
    Prefix { whole: Arc<String>, length: usize },
    /// A copy, if the whole text is not known.
    Copied(String),
}

impl SentTextBuffer {
    fn push(&mut self, word: &str) {
        match self {
            Self::Prefix { length, .. } => *length += word.len(),
            Self::Copied(text) => text.push_str(word),
        }
    }

    fn into_string(self) -> String {
        match self {
            Self::Prefix { whole, length } => {
                let mut text = Arc::unwrap_or_clone(whole);
                text.truncate(length);
                text
            }
            Self::Copied(text) => text,
        }
    }
}

struct RecordedStream {
    words: WordStream,
    text: SentTextBuffer,
    state: RecordingState,
}

enum RecordingState {
    Open(oneshot::Sender<SentText>),
    Storing(oneshot::Receiver<Result<(), ReplyError>>),
    Over,
}

impl RecordedStream {
    /// Sends the words taken so far to the task that stores them.
    fn finish(&mut self, complete: bool) {
        let RecordingState::Open(sender) = std::mem::replace(&mut self.state, RecordingState::Over)
        else {
            return;
        };
        // Dropping the stream drops its reference to the text, which then need not be copied.
        self.words = stream::empty().boxed();
        let taken = std::mem::replace(&mut self.text, SentTextBuffer::Copied(String::new()));
        let text = taken.into_string();
        let mut stored = None;
        if complete {
            let (sender, receiver) = oneshot::channel();
            stored = Some(sender);
            self.state = RecordingState::Storing(receiver);
        }
        let _ = sender.send(SentText { text, stored });
    }
}

impl Stream for RecordedStream {
    type Item = Result<String, ReplyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut self.state {
                RecordingState::Open(_) => {
                    match std::task::ready!(self.words.poll_next_unpin(context)) {
                        Some(Ok(word)) => {
                            self.text.push(&word);
                            return Poll::Ready(Some(Ok(word)));
                        }
                        Some(Err(error)) => {
                            self.finish(false);
                            return Poll::Ready(Some(Err(error)));
                        }
                        None => self.finish(true),
                    }
                }
                RecordingState::Storing(stored) => {
                    let outcome = std::task::ready!(Pin::new(stored).poll(context));
                    self.state = RecordingState::Over;
                    return Poll::Ready(match outcome {
                        Ok(Ok(())) => None,
                        Ok(Err(error)) => Some(Err(error)),
                        Err(lost) => Some(Err(InternalError::new(lost).into())),
                    });
                }
                RecordingState::Over => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for RecordedStream {
    fn drop(&mut self) {
        self.finish(false);
    }
}
