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

use crate::backend::{BackendError, Piece};
use crate::domain::Error;
use crate::domain::rule::Pace;
use crate::domain::words::Words;
use crate::ids::Draw;
use crate::service::worlds::Visit;

/// An answer word by word. Each item is one word with the white space that follows it; an error
/// ends it early. Dropping it stops the making of the answer.
pub type WordStream = BoxStream<'static, Result<String, Error>>;

/// The pieces of an answer as a backend gives them.
type Pieces = BoxStream<'static, Result<Piece, BackendError>>;

/// `pieces`, once the first has come, or the failure that came instead.
pub(super) async fn begun(mut pieces: Pieces) -> Result<Pieces, Error> {
    match pieces.next().await {
        Some(Err(fault)) => Err(Error::internal(fault)),
        Some(Ok(first)) => Ok(stream::once(ready(Ok(first))).chain(pieces).boxed()),
        None => Ok(pieces),
    }
}

/// Cuts `pieces` into words and waits before each as `pace` says.
pub(super) fn paced(pieces: Pieces, pace: Pace, visit: &Visit) -> WordStream {
    let (clock, draw) = (Arc::clone(&visit.clock), visit.ids.draw());
    let notes = Arc::clone(visit.notes());
    // Before the first word: whoever has it may advance the clock.
    notes.begin_waits(&clock);
    let words = try_stream! {
        let mut nth = 0;
        for await word in cut(pieces) {
            let word = word?;
            let wait = wait_before(nth, pace, draw);
            if !wait.is_zero() {
                notes.hold_back(&clock, wait).await;
            }
            nth += 1;
            yield word;
        }
    };
    words.boxed()
}

/// The words of `pieces`, each as soon as it is complete.
fn cut(mut pieces: Pieces) -> impl Stream<Item = Result<String, Error>> {
    try_stream! {
        let mut words = Words::default();
        while let Some(piece) = pieces.next().await {
            if let Piece::Text(text) = piece.map_err(Error::internal)? {
                for word in words.push(&text) {
                    yield word;
                }
            }
        }
        if let Some(last) = words.finish() {
            yield last;
        }
    }
}

fn wait_before(nth: u64, pace: Pace, draw: Draw) -> Duration {
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
pub(super) fn recorded<F, S>(words: WordStream, tasks: &TaskTracker, store: F) -> WordStream
where
    F: FnOnce(String, bool) -> S + Send + 'static,
    S: Future<Output = Result<(), Error>> + Send,
{
    let (hand_over, end) = oneshot::channel::<Taken>();
    tasks.spawn(async move {
        // The sender is handed over at the end or in the drop: it cannot be lost.
        let Ok(Taken { text, stored }) = end.await else {
            return;
        };
        let outcome = store(text, stored.is_none()).await;
        if let Some(stored) = stored {
            let _ = stored.send(outcome);
        } else if let Err(fault) = outcome {
            tracing::error!(error = fault.with_sources(), "an aborted turn is lost");
        }
    });
    Recorded { words, text: String::new(), state: State::Open(hand_over) }.boxed()
}

/// What was taken of an answer, and who waits for it to be stored: nobody when it was aborted.
struct Taken {
    text: String,
    stored: Option<oneshot::Sender<Result<(), Error>>>,
}

struct Recorded {
    words: WordStream,
    text: String,
    state: State,
}

enum State {
    Open(oneshot::Sender<Taken>),
    Storing(oneshot::Receiver<Result<(), Error>>),
    Over,
}

impl Recorded {
    /// Hands over what was taken so far; tells whether there is something to wait for.
    fn hand_over(&mut self, complete: bool) {
        let State::Open(hand_over) = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        let text = std::mem::take(&mut self.text);
        let mut stored = None;
        if complete {
            let (tell, wait) = oneshot::channel();
            stored = Some(tell);
            self.state = State::Storing(wait);
        }
        let _ = hand_over.send(Taken { text, stored });
    }
}

impl Stream for Recorded {
    type Item = Result<String, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut self.state {
                State::Open(_) => match std::task::ready!(self.words.poll_next_unpin(context)) {
                    Some(Ok(word)) => {
                        self.text.push_str(&word);
                        return Poll::Ready(Some(Ok(word)));
                    }
                    Some(Err(fault)) => {
                        self.hand_over(false);
                        return Poll::Ready(Some(Err(fault)));
                    }
                    None => self.hand_over(true),
                },
                State::Storing(stored) => {
                    let outcome = std::task::ready!(Pin::new(stored).poll(context));
                    self.state = State::Over;
                    return Poll::Ready(match outcome {
                        Ok(Ok(())) => None,
                        Ok(Err(fault)) => Some(Err(fault)),
                        Err(lost) => Some(Err(Error::internal(lost))),
                    });
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.hand_over(false);
    }
}
