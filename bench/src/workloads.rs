//! What is asked, of a server begun how, and what the ceiling and the store do of it.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::ceiling::Reads;
use crate::load::{Ask, Line};
use crate::server::Server;
use crate::store::Operation;

/// What a conversation goes on with.
pub(crate) const GOING_ON: &str = "Please summarize in 2 bullets.";
/// Stands in a body for the conversation of the connection that sends it.
const OWN_CONVERSATION: &str = "THE CONVERSATION";
const KEY: &str = "YOUR_API_KEY";

/// A row, or some, of the table.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Over how many connections it is sent.
    pub(crate) connections: &'static [usize],
    /// Where the server keeps its data.
    pub(crate) database: Database,
    /// The rules that the fixtures have besides the built-in ones.
    pub(crate) rules: Rules,
    /// Whether the log is the usual one, a line a request, and not warnings alone.
    pub(crate) log_usual: bool,
    method: Method,
    path: String,
    body: Option<Value>,
    /// What the bare server reads of it.
    pub(crate) reads: Reads,
    /// Whether the answer is a stream.
    pub(crate) streams: bool,
    /// What it comes to in the store.
    pub(crate) store: Option<Operation>,
}

/// Where data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    /// In memory.
    Memory,
    /// In a new file.
    NewFile,
    /// In a file that holds so many conversations.
    Holding(u64),
}

/// Rules besides the built-in ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// None.
    BuiltIn,
    /// So many, each for a text to the letter.
    ByText(u64),
    /// So many, each for a deployment.
    ByDeployment(u64),
}

impl Rules {
    /// How many they are.
    pub(crate) fn count(self) -> u64 {
        match self {
            Self::BuiltIn => 0,
            Self::ByText(count) | Self::ByDeployment(count) => count,
        }
    }

    /// The text that rule `n` by text is for.
    pub(crate) fn question(n: u64) -> String {
        format!("What is the answer to question {n}?")
    }

    /// The deployment that rule `n` by deployment is for.
    pub(crate) fn deployment(n: u64) -> String {
        format!("DEPLOYMENT_{n}")
    }
}

/// A message of the Runner API.
fn said(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

impl Workload {
    /// A POST over 16 connections to a server with its data in memory.
    fn post(name: &'static str, path: &str, reads: Reads, body: Value) -> Self {
        Self {
            name,
            connections: &[16],
            database: Database::Memory,
            rules: Rules::BuiltIn,
            log_usual: false,
            method: Method::POST,
            path: path.to_owned(),
            body: Some(body),
            reads,
            streams: false,
            store: None,
        }
    }

    fn run(name: &'static str, deployment: &str, text: &str) -> Self {
        Self::post(name, &format!("/v1/runner/{deployment}"), Reads::Content, said(text))
    }

    /// A GET over 16 connections.
    fn get(name: &'static str, path: &str, database: Database) -> Self {
        let post = Self::post(name, path, Reads::Nothing, Value::Null);
        Self { method: Method::GET, body: None, database, ..post }
    }

    fn stored(self, database: Database, store: Operation) -> Self {
        Self { database, store: Some(store), ..self }
    }

    fn over(self, connections: &'static [usize]) -> Self {
        Self { connections, ..self }
    }

    /// The path without the query.
    pub(crate) fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// One request for each of `connections`; makes their conversations, where they need any.
    pub(crate) async fn asks(
        &self,
        server: &Server,
        connections: usize,
    ) -> anyhow::Result<Vec<Ask>> {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let mut asks = Vec::with_capacity(connections);
        for _ in 0..connections {
            let own = if body.contains(OWN_CONVERSATION) {
                body.replace(OWN_CONVERSATION, &self.begin_conversation(server).await?)
            } else {
                body.clone()
            };
            asks.push(request(self.method.clone(), &self.path, own)?);
        }
        Ok(asks)
    }

    /// The request as it is sent where no conversation is there to go on with: of the same length.
    pub(crate) fn plain_ask(&self) -> anyhow::Result<Ask> {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let body = body.replace(OWN_CONVERSATION, crate::seed::conversation_id(0).as_str());
        request(self.method.clone(), &self.path, body)
    }

    async fn begin_conversation(&self, server: &Server) -> anyhow::Result<String> {
        let body = said("Hello! I need help with my order.").to_string();
        let ask = request(Method::POST, &self.path, body)?;
        let came = Line::open(server.address).await?.ask(ask).await?;
        ensure!(came.status == StatusCode::OK, "{}", came.text()?);
        let answer: Value = serde_json::from_str(&came.text()?)?;
        let id = answer.get("conversation_id").and_then(Value::as_str);
        Ok(id.context("no conversation_id")?.to_owned())
    }
}

/// A request with a key for both APIs.
pub(crate) fn request(method: Method, path: &str, body: String) -> anyhow::Result<Ask> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "mynah")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
        .header("x-api-key", KEY);
    Ok(request.body(Full::new(Bytes::from(body)))?)
}

/// Asks for a stream of the text `text`, word by word.
pub(crate) fn echoed(text: &str) -> anyhow::Result<Ask> {
    request(Method::POST, STREAM_ECHOED, said(text).to_string())
}

/// What a server is asked first of all.
pub(crate) fn first_request() -> anyhow::Result<Ask> {
    request(Method::POST, "/v1/runner/YOUR_DEPLOYMENT_ID", said("Hello").to_string())
}

/// The path of [`echoed`].
pub(crate) const STREAM_ECHOED: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";

/// All of them; `many` is how many conversations are many.
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
        Workload { log_usual: true, ..canned("run, canned, a log line each") },
        Workload::run("run, made up", "YOUR_DEPLOYMENT_ID", story),
        Workload::run("run, echo", "ECHO_DEPLOYMENT_ID", story),
        Workload {
            streams: true,
            path: "/v1/runner/YOUR_DEPLOYMENT_ID/stream".to_owned(),
            ..Workload::run("stream at pace 0", "YOUR_DEPLOYMENT_ID", story)
        },
    ]
}

/// What is stored and paid for.
fn turns() -> Vec<Workload> {
    let path = "/v1/runner/YOUR_DEPLOYMENT_ID/conversation";
    let turn = |name, database| {
        let mut body = said(GOING_ON);
        if let Some(fields) = body.as_object_mut() {
            fields.insert("conversation_id".to_owned(), OWN_CONVERSATION.into());
        }
        Workload::post(name, path, Reads::Content, body).stored(database, Operation::Turn)
    };
    let completion = |name, database| {
        let messages = json!([{"role": "user", "content": "Hello, how are you?"}]);
        let body = json!({"llm_id": "model_abc123", "messages": messages});
        Workload::post(name, "/api/v1/completions", Reads::Completion, body)
            .stored(database, Operation::Charge)
    };
    let image = json!({"prompt": "A lighthouse in a storm", "sd_model_id": "sd_model_456abc"});
    vec![
        turn("conversation turn, file", Database::NewFile),
        turn("conversation turn, memory", Database::Memory),
        completion("completion, memory", Database::Memory).over(&[1, 16, 256]),
        completion("completion, file", Database::NewFile),
        Workload::post("image made, memory", "/api/v1/images", Reads::Image, image),
        Workload::get("images, a page", "/api/v1/images", Database::NewFile),
    ]
}

/// Names of pages of a database: of messages, of a list with a rare and with a common label.
type PageNames = [&'static str; 3];
/// Of a small one.
pub(crate) const PAGES_OF_FEW: PageNames =
    ["messages, few", "list by rare label, few", "list by common label, few"];
/// Of a large one.
pub(crate) const PAGES_OF_MANY: PageNames =
    ["messages, many", "list by rare label, many", "list by common label, many"];

fn pages([messages, rare, common]: PageNames, count: u64) -> Vec<Workload> {
    let held = Database::Holding(count);
    let list = |name, label: &str, value: &str| {
        let path = format!("/v1/runner/conversations?{label}={value}");
        let (name_of, value) = (label.to_owned(), value.to_owned());
        Workload::get(name, &path, held).stored(held, Operation::List { name: name_of, value })
    };
    let path = format!("/v1/runner/conversation/{}/messages", crate::seed::conversation_id(0));
    vec![
        Workload::get(messages, &path, held).stored(held, Operation::Messages),
        list(rare, "userId", "user_2"),
        list(common, "tier", "gold"),
    ]
}

/// Names of rows with few and with many rules.
pub(crate) const RULES_BY_TEXT: [&str; 2] = ["10 rules by text", "1,000 rules by text"];
/// The same, of the other kind.
pub(crate) const RULES_BY_DEPLOYMENT: [&str; 2] =
    ["10 rules by deployment", "1,000 rules by deployment"];

/// The last of several rules.
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
