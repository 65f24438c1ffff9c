//! An answer as words in time, and the turn that is stored when the last one is taken.

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
use crate::domain::error::InternalError;
use crate::domain::reply_rule::Pace;
use crate::domain::error::with_sources;
use crate::domain::words::Words;
use crate::ids::SeededRandom;
use crate::models::{ModelError, ReplyChunk, ReplyChunks};

/// An answer word by word. Each item is one word with the white space that follows it; an error
/// ends it early. Dropping it stops the making of the answer.
pub type WordStream = BoxStream<'static, Result<String, ReplyError>>;

/// The text of an answer on its way to being cut.
pub(super) enum TextSource {
    /// All of it is there. It is shared with what records the stream.
    Whole(Arc<String>),
    /// It comes in pieces.
    Pieces(BoxStream<'static, Result<ReplyChunk, ModelError>>),
}

/// The text of `pieces`, once the first has come, or the failure that came instead.
pub(super) async fn begun(pieces: ReplyChunks) -> Result<TextSource, ReplyError> {
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

/// Cuts `source` into words and waits before each as `pace` says.
pub(super) fn paced(source: TextSource, pace: Pace, session: &AccountSession) -> PacedReply {
    let whole = match &source {
        TextSource::Whole(text) => Some(Arc::clone(text)),
        TextSource::Pieces(_) => None,
    };
    let (clock, draw) = (Arc::clone(&session.clock), session.epoch().ids.draw());
    let notes = Arc::clone(session.trace());
    // Before the first word: whoever has it may advance the clock.
    notes.start_pacing(&clock);
    let words = try_stream! {
        let mut nth = 0;
        for await word in cut(source) {
            let word = word?;
            let wait = wait_before(nth, pace, draw);
            if !wait.is_zero() {
                notes.delay(&clock, wait).await;
            }
            nth += 1;
            yield word;
        }
    };
    PacedReply { words: words.boxed(), whole }
}

/// An answer as words in time.
pub(super) struct PacedReply {
    pub(super) words: WordStream,
    /// The whole text, where it is known: what was sent of it is a beginning of it.
    whole: Option<Arc<String>>,
}

/// The words of `source`, each as soon as it is complete and wanted.
fn cut(source: TextSource) -> impl Stream<Item = Result<String, ReplyError>> {
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
        most => draw.up_to(most, "pace", nth),
    };
    Duration::from_millis(fixed.saturating_add(jitter))
}

/// Lets `words` through and has `store` called once with what was taken of them: when the last
/// word was (then the stream ends only after `store` has succeeded), or when the stream is
/// dropped or fails before (then as aborted). `store` runs in a task of `tasks`.
pub(super) fn recorded<F, S>(answer: PacedReply, tasks: &TaskTracker, store: F) -> WordStream
where
    F: FnOnce(String, bool) -> S + Send + 'static,
    S: Future<Output = Result<(), ReplyError>> + Send,
{
    let (hand_over, end) = oneshot::channel::<SentText>();
    tasks.spawn(async move {
        // The sender is handed over at the end or in the drop: it cannot be lost.
        let Ok(SentText { text, stored }) = end.await else {
            return;
        };
        let outcome = store(text, stored.is_none()).await;
        if let Some(stored) = stored {
            let _ = stored.send(outcome);
        } else if let Err(error) = outcome
            && error.is_server_failure()
        {
            tracing::error!(error = with_sources(&error), "an aborted turn is lost");
        }
    });
    let PacedReply { words, whole } = answer;
    let text = match whole {
        Some(whole) => SentTextBuffer::Beginning { whole, length: 0 },
        None => SentTextBuffer::Copied(String::new()),
    };
    RecordedStream { words, text, state: RecordingState::Open(hand_over) }.boxed()
}

/// What was taken of an answer, and who waits for it to be stored: nobody when it was aborted.
struct SentText {
    text: String,
    stored: Option<oneshot::Sender<Result<(), ReplyError>>>,
}

/// The text that was taken so far.
enum SentTextBuffer {
    /// So many bytes of the whole, which is not copied: it may be long, and streams are slow.
    Beginning { whole: Arc<String>, length: usize },
    /// A copy, where the whole is not known.
    Copied(String),
}

impl SentTextBuffer {
    fn push(&mut self, word: &str) {
        match self {
            Self::Beginning { length, .. } => *length += word.len(),
            Self::Copied(text) => text.push_str(word),
        }
    }

    fn into_string(self) -> String {
        match self {
            Self::Beginning { whole, length } => {
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
    /// Hands over what was taken so far; tells whether there is something to wait for.
    fn hand_over(&mut self, complete: bool) {
        let RecordingState::Open(hand_over) =
            std::mem::replace(&mut self.state, RecordingState::Over)
        else {
            return;
        };
        // With the words goes their share in the text, which then need not be copied.
        self.words = stream::empty().boxed();
        let taken = std::mem::replace(&mut self.text, SentTextBuffer::Copied(String::new()));
        let text = taken.into_string();
        let mut stored = None;
        if complete {
            let (tell, wait) = oneshot::channel();
            stored = Some(tell);
            self.state = RecordingState::Storing(wait);
        }
        let _ = hand_over.send(SentText { text, stored });
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
                            self.hand_over(false);
                            return Poll::Ready(Some(Err(error)));
                        }
                        None => self.hand_over(true),
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
        self.hand_over(false);
    }
}
