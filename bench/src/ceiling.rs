//! The ceiling: what a bare axum server makes of the same requests on the same machine.
//!
//! It reads the same body into a typed struct and answers the bytes that Mynah answered, with the
//! same content type and nothing else: no key, no rule, no limit, no journal, no store. A stream is
//! flushed word by word, as Mynah's contract has it; a server that handed all words over at once
//! would be measured at something else.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep_until};

/// What the bare server is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The one path that it knows.
    pub(crate) path: String,
    /// What it reads of a request.
    pub(crate) reads: Reads,
    /// The status that it answers.
    pub(crate) status: u16,
    /// The content type of its answer.
    pub(crate) content_type: String,
    /// Its answer, chunk by chunk; where it is not a stream, one.
    pub(crate) chunks: Vec<String>,
    /// For a stream: milliseconds from word to word.
    pub(crate) pace: Option<u64>,
}

/// What kind of body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reads {
    /// None: it is a GET.
    Nothing,
    /// The one of a run, or of a conversation's turn.
    Content,
    /// The one of a completion.
    Completion,
    /// The one of a new image.
    Image,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is read, as Mynah reads it, and not looked at")]
struct Said {
    content: Vec<Part>,
    variables: Option<Map<String, Value>>,
    meta: Option<Map<String, Value>>,
    conversation_id: Option<String>,
    history_limit: Option<u64>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Part {
    r#type: String,
    text: Option<String>,
    mime_type: Option<String>,
    file_uri: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Completion {
    messages: Vec<Message>,
    llm_id: String,
    agent_id: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Message {
    role: String,
    content: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Image {
    prompt: String,
    sd_model_id: String,
    conversation_id: Option<String>,
}

impl Reads {
    fn accepts(self, body: &[u8]) -> bool {
        match self {
            Self::Nothing => true,
            Self::Content => serde_json::from_slice::<Said>(body).is_ok(),
            Self::Completion => serde_json::from_slice::<Completion>(body).is_ok(),
            Self::Image => serde_json::from_slice::<Image>(body).is_ok(),
        }
    }
}

/// The spec, made ready.
struct Ready {
    reads: Reads,
    status: StatusCode,
    content_type: HeaderValue,
    answer: Answer,
}

enum Answer {
    Whole(Bytes),
    Stream { words: Vec<Bytes>, pace: Duration },
}

/// Serves what standard input describes, until it is killed.
pub(crate) fn serve() -> anyhow::Result<()> {
    let spec: Spec = serde_json::from_reader(std::io::stdin())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(spec))
}

async fn run(spec: Spec) -> anyhow::Result<()> {
    let handler = if spec.reads == Reads::Nothing { get(answer) } else { post(answer) };
    let ready = Ready {
        reads: spec.reads,
        status: StatusCode::from_u16(spec.status)?,
        content_type: HeaderValue::from_str(&spec.content_type)?,
        answer: match spec.pace {
            Some(pace) => Answer::Stream {
                words: spec.chunks.into_iter().map(Bytes::from).collect(),
                pace: Duration::from_millis(pace),
            },
            None => Answer::Whole(Bytes::from(spec.chunks.concat())),
        },
    };
    let router = Router::new().route(&spec.path, handler).with_state(Arc::new(ready));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    crate::say(&format!("Ready on http://{}", listener.local_addr()?))?;
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn answer(State(ready): State<Arc<Ready>>, body: Bytes) -> Response {
    if !ready.reads.accepts(&body) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let body = match &ready.answer {
        Answer::Whole(bytes) => Body::from(bytes.clone()),
        Answer::Stream { words, pace } if pace.is_zero() => {
            Body::from_stream(Flushed { words: words.clone().into_iter(), flushing: false })
        }
        Answer::Stream { words, pace } => Body::from_stream(paced(words.clone(), *pace)),
    };
    (ready.status, [(header::CONTENT_TYPE, ready.content_type.clone())], body).into_response()
}

/// Words, each followed by a moment without one: the connection writes out what it holds then.
struct Flushed {
    words: std::vec::IntoIter<Bytes>,
    flushing: bool,
}

impl Stream for Flushed {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.flushing) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.flushing = true;
        Poll::Ready(self.words.next().map(Ok))
    }
}

/// Words, each at its time, counted from the first.
fn paced(words: Vec<Bytes>, pace: Duration) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let begun = Instant::now();
    stream::iter(words).enumerate().then(move |(nth, word)| async move {
        let due = pace * u32::try_from(nth).unwrap_or(u32::MAX);
        sleep_until(begun + due).await;
        Ok(word)
    })
}
