//! The ceiling: a bare axum server that handles the same requests on the same machine.
//!
//! It reads the same body into a typed struct and sends the bytes that Mynah sent, with the same
//! content type and nothing else: no key, rules, limit, request log or storage. A stream is flushed
//! word by word, as Mynah's contract requires; a server that sent all words at once would not be
//! comparable.

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

/// The configuration of the bare server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CeilingSpec {
    /// Its only path.
    pub(crate) path: String,
    /// The kind of body that it reads.
    pub(crate) body_kind: BodyKind,
    /// The status of its answer.
    pub(crate) status: u16,
    /// The content type of its answer.
    pub(crate) content_type: String,
    /// The chunks of its answer; one chunk unless it is a stream.
    pub(crate) chunks: Vec<String>,
    /// Milliseconds between two words; only for a stream.
    pub(crate) pace: Option<u64>,
}

/// The kind of body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BodyKind {
    /// No body: a GET.
    Nothing,
    /// The body of a run or of a conversation's turn.
    Content,
    /// The body of a completion.
    Completion,
    /// The body of a new image.
    Image,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed as in Mynah, but not used")]
struct ContentBody {
    content: Vec<ContentPart>,
    variables: Option<Map<String, Value>>,
    meta: Option<Map<String, Value>>,
    conversation_id: Option<String>,
    history_limit: Option<u64>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct ContentPart {
    r#type: String,
    text: Option<String>,
    mime_type: Option<String>,
    file_uri: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct CompletionBody {
    messages: Vec<CompletionMessage>,
    llm_id: String,
    agent_id: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct CompletionMessage {
    role: String,
    content: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct ImageBody {
    prompt: String,
    sd_model_id: String,
    conversation_id: Option<String>,
}

impl BodyKind {
    fn accepts(self, body: &[u8]) -> bool {
        match self {
            Self::Nothing => true,
            Self::Content => serde_json::from_slice::<ContentBody>(body).is_ok(),
            Self::Completion => serde_json::from_slice::<CompletionBody>(body).is_ok(),
            Self::Image => serde_json::from_slice::<ImageBody>(body).is_ok(),
        }
    }
}

/// The configuration, parsed.
struct CeilingState {
    body_kind: BodyKind,
    status: StatusCode,
    content_type: HeaderValue,
    answer: Answer,
}

enum Answer {
    Whole(Bytes),
    Stream { words: Vec<Bytes>, pace: Duration },
}

/// Serves the [`CeilingSpec`] (JSON) from standard input until the process is killed.
pub(crate) fn serve() -> anyhow::Result<()> {
    let spec: CeilingSpec = serde_json::from_reader(std::io::stdin())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(spec))
}

async fn run(spec: CeilingSpec) -> anyhow::Result<()> {
    let handler = if spec.body_kind == BodyKind::Nothing { get(answer) } else { post(answer) };
    let state = CeilingState {
        body_kind: spec.body_kind,
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
    let router = Router::new().route(&spec.path, handler).with_state(Arc::new(state));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    crate::print(&format!("Ready on http://{}", listener.local_addr()?))?;
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn answer(State(state): State<Arc<CeilingState>>, body: Bytes) -> Response {
    if !state.body_kind.accepts(&body) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let body = match &state.answer {
        Answer::Whole(bytes) => Body::from(bytes.clone()),
        Answer::Stream { words, pace } if pace.is_zero() => {
            Body::from_stream(Flushed { words: words.clone().into_iter(), flushing: false })
        }
        Answer::Stream { words, pace } => Body::from_stream(paced(words.clone(), *pace)),
    };
    (state.status, [(header::CONTENT_TYPE, state.content_type.clone())], body).into_response()
}

/// Words with a `Pending` after each, which makes the connection flush.
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

/// Words at their due times, counted from the first one.
fn paced(words: Vec<Bytes>, pace: Duration) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let begun = Instant::now();
    stream::iter(words).enumerate().then(move |(nth, word)| async move {
        let due = pace * u32::try_from(nth).unwrap_or(u32::MAX);
        sleep_until(begun + due).await;
        Ok(word)
    })
}
