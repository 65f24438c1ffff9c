//! The workloads: requests, the server's configuration, and what the ceiling and the store do.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::ceiling::BodyKind;
use crate::load::{Connection, HttpRequest};
use crate::server::Server;
use crate::store::StoreOperation;

/// The message that continues a conversation.
pub(crate) const NEXT_MESSAGE: &str = "Please summarize in 2 bullets.";
/// Placeholder in a body for the conversation of the connection.
const OWN_CONVERSATION: &str = "THE CONVERSATION";
const KEY: &str = "YOUR_API_KEY";

/// One or more rows of the table.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    /// The name of the row.
    pub(crate) name: &'static str,
    /// Numbers of connections, one row each.
    pub(crate) connections: &'static [usize],
    /// The server's database.
    pub(crate) database: Database,
    /// Rules in addition to the built-in ones.
    pub(crate) rules: Rules,
    /// Whether the server writes its default log, a line per request, instead of warnings only.
    pub(crate) default_log: bool,
    method: Method,
    path: String,
    body: Option<Value>,
    /// The kind of body.
    pub(crate) body_kind: BodyKind,
    /// Whether the answer is a stream.
    pub(crate) streams: bool,
    /// The corresponding database operation.
    pub(crate) store: Option<StoreOperation>,
}

/// A server's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    /// In memory.
    Memory,
    /// In a new file.
    NewFile,
    /// In a file with this number of conversations.
    Holding(u64),
}

/// Rules in addition to the built-in ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// None.
    BuiltIn,
    /// This number of rules, each for an exact text.
    ByText(u64),
    /// This number of rules, each for a deployment.
    ByDeployment(u64),
}

impl Rules {
    /// Number of rules.
    pub(crate) fn count(self) -> u64 {
        match self {
            Self::BuiltIn => 0,
            Self::ByText(count) | Self::ByDeployment(count) => count,
        }
    }

    /// The text of rule `n` of [`Self::ByText`].
    pub(crate) fn question(n: u64) -> String {
        format!("What is the answer to question {n}?")
    }

    /// The deployment of rule `n` of [`Self::ByDeployment`].
    pub(crate) fn deployment(n: u64) -> String {
        format!("DEPLOYMENT_{n}")
    }
}

/// A body of the Runner API with one text part.
fn content_body(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

impl Workload {
    /// A POST over 16 connections to a server with its data in memory.
    fn post(name: &'static str, path: &str, body_kind: BodyKind, body: Value) -> Self {
        Self {
            name,
            connections: &[16],
            database: Database::Memory,
            rules: Rules::BuiltIn,
            default_log: false,
            method: Method::POST,
            path: path.to_owned(),
            body: Some(body),
            body_kind,
            streams: false,
            store: None,
        }
    }

    fn run(name: &'static str, deployment: &str, text: &str) -> Self {
        Self::post(name, &format!("/v1/runner/{deployment}"), BodyKind::Content, content_body(text))
    }

    /// A GET over 16 connections.
    fn get(name: &'static str, path: &str, database: Database) -> Self {
        let post = Self::post(name, path, BodyKind::Nothing, Value::Null);
        Self { method: Method::GET, body: None, database, ..post }
    }

    fn stored(self, database: Database, store: StoreOperation) -> Self {
        Self { database, store: Some(store), ..self }
    }

    fn over(self, connections: &'static [usize]) -> Self {
        Self { connections, ..self }
    }

    /// The path without the query.
    pub(crate) fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// One request per connection; creates the conversations that they need.
    pub(crate) async fn requests(
        &self,
        server: &Server,
        connections: usize,
    ) -> anyhow::Result<Vec<HttpRequest>> {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let mut requests = Vec::with_capacity(connections);
        for _ in 0..connections {
            let own = if body.contains(OWN_CONVERSATION) {
                body.replace(OWN_CONVERSATION, &self.begin_conversation(server).await?)
            } else {
                body.clone()
            };
            requests.push(request(self.method.clone(), &self.path, own)?);
        }
        Ok(requests)
    }

    /// The request with an arbitrary conversation id, of the same length, for the bare server.
    pub(crate) fn plain_request(&self) -> anyhow::Result<HttpRequest> {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let body = body.replace(OWN_CONVERSATION, crate::seed::conversation_id(0).as_str());
        request(self.method.clone(), &self.path, body)
    }

    async fn begin_conversation(&self, server: &Server) -> anyhow::Result<String> {
        let body = content_body("Hello! I need help with my order.").to_string();
        let request = request(Method::POST, &self.path, body)?;
        let response = Connection::open(server.address).await?.send(request).await?;
        ensure!(response.status == StatusCode::OK, "{}", response.text()?);
        let answer: Value = serde_json::from_str(&response.text()?)?;
        let id = answer.get("conversation_id").and_then(Value::as_str);
        Ok(id.context("no conversation_id")?.to_owned())
    }
}

/// A request with a key for both APIs.
pub(crate) fn request(method: Method, path: &str, body: String) -> anyhow::Result<HttpRequest> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "mynah")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
        .header("x-api-key", KEY);
    Ok(request.body(Full::new(Bytes::from(body)))?)
}

/// A request that streams `text` back.
pub(crate) fn echo_stream(text: &str) -> anyhow::Result<HttpRequest> {
    request(Method::POST, ECHO_STREAM_PATH, content_body(text).to_string())
}

/// The first request to a server.
pub(crate) fn first_request() -> anyhow::Result<HttpRequest> {
    request(Method::POST, "/v1/runner/YOUR_DEPLOYMENT_ID", content_body("Hello").to_string())
}

/// The path of [`echo_stream`].
pub(crate) const ECHO_STREAM_PATH: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";

/// All workloads; `many` is the number of conversations of a large database.
pub(crate) fn all(many: u64) -> Vec<Workload> {
    let mut all = answers();
    all.extend(turns());
    for (names, count) in [(PAGES_OF_FEW, 100), (PAGES_OF_MANY, many)] {
        all.extend(pages(names, count));
    }
    all.extend(rules());
    all
}

/// Answers that are not stored.
fn answers() -> Vec<Workload> {
    let canned = |name| Workload::run(name, "YOUR_DEPLOYMENT_ID", "Your input message here.");
    let story = "Tell me a story.";
    vec![
        canned("run, canned").over(&[1, 16, 256]),
        Workload { default_log: true, ..canned("run, canned, a log line each") },
        Workload::run("run, made up", "YOUR_DEPLOYMENT_ID", story),
        Workload::run("run, echo", "ECHO_DEPLOYMENT_ID", story),
        Workload {
            streams: true,
            path: "/v1/runner/YOUR_DEPLOYMENT_ID/stream".to_owned(),
            ..Workload::run("stream at pace 0", "YOUR_DEPLOYMENT_ID", story)
        },
    ]
}

/// Answers that are stored and charged.
fn turns() -> Vec<Workload> {
    let path = "/v1/runner/YOUR_DEPLOYMENT_ID/conversation";
    let turn = |name, database| {
        let mut body = content_body(NEXT_MESSAGE);
        if let Some(fields) = body.as_object_mut() {
            fields.insert("conversation_id".to_owned(), OWN_CONVERSATION.into());
        }
        Workload::post(name, path, BodyKind::Content, body).stored(database, StoreOperation::Turn)
    };
    let completion = |name, database| {
        let messages = json!([{"role": "user", "content": "Hello, how are you?"}]);
        let body = json!({"llm_id": "model_abc123", "messages": messages});
        Workload::post(name, "/api/v1/completions", BodyKind::Completion, body)
            .stored(database, StoreOperation::Charge)
    };
    let image = json!({"prompt": "A lighthouse in a storm", "sd_model_id": "sd_model_456abc"});
    vec![
        turn("conversation turn, file", Database::NewFile),
        turn("conversation turn, memory", Database::Memory),
        completion("completion, memory", Database::Memory).over(&[1, 16, 256]),
        completion("completion, file", Database::NewFile),
        Workload::post("image made, memory", "/api/v1/images", BodyKind::Image, image),
        Workload::get("images, a page", "/api/v1/images", Database::NewFile),
    ]
}

/// Row names of pages: messages, a list by a rare label, a list by a common label.
type PageNames = [&'static str; 3];
/// Pages of a small database.
pub(crate) const PAGES_OF_FEW: PageNames =
    ["messages, few", "list by rare label, few", "list by common label, few"];
/// Pages of a large database.
pub(crate) const PAGES_OF_MANY: PageNames =
    ["messages, many", "list by rare label, many", "list by common label, many"];

fn pages([messages, rare, common]: PageNames, count: u64) -> Vec<Workload> {
    let held = Database::Holding(count);
    let list = |name, label: &str, value: &str| {
        let path = format!("/v1/runner/conversations?{label}={value}");
        let (name_of, value) = (label.to_owned(), value.to_owned());
        Workload::get(name, &path, held).stored(held, StoreOperation::List { name: name_of, value })
    };
    let path = format!("/v1/runner/conversation/{}/messages", crate::seed::conversation_id(0));
    vec![
        Workload::get(messages, &path, held).stored(held, StoreOperation::Messages),
        list(rare, "userId", "user_2"),
        list(common, "tier", "gold"),
    ]
}

/// Row names for few and many rules by text.
pub(crate) const RULES_BY_TEXT: [&str; 2] = ["10 rules by text", "1,000 rules by text"];
/// Row names for few and many rules by deployment.
pub(crate) const RULES_BY_DEPLOYMENT: [&str; 2] =
    ["10 rules by deployment", "1,000 rules by deployment"];

/// Requests that match the last of several rules.
fn rules() -> Vec<Workload> {
    let mut all = Vec::new();
    for (name, count) in RULES_BY_TEXT.into_iter().zip([10, 1000]) {
        let text = Rules::question(count - 1);
        let rules = Rules::ByText(count);
        all.push(Workload { rules, ..Workload::run(name, "YOUR_DEPLOYMENT_ID", &text) });
    }
    for (name, count) in RULES_BY_DEPLOYMENT.into_iter().zip([10, 1000]) {
        let deployment = Rules::deployment(count - 1);
        let rules = Rules::ByDeployment(count);
        all.push(Workload { rules, ..Workload::run(name, &deployment, "Tell me a story.") });
    }
    all
}
