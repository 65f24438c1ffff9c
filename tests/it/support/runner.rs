//! The Runner API as a client with one key sees it: `app.runner().run(ECHO, "Hi")`.

use reqwest::Method;
use serde_json::{Value, json};

use super::raw::RawConnection;
use super::{KEY, TestApp, TestRequest, text_body};

/// A client of the Runner API.
#[derive(Clone, Copy)]
pub struct Runner<'a> {
    app: &'a TestApp,
    key: Option<&'a str>,
}

/// A request body: made from a text (a body with one part of text) or from JSON (the whole body).
pub struct RunnerBody(Value);

impl From<&str> for RunnerBody {
    fn from(text: &str) -> Self {
        Self(text_body(text))
    }
}

impl From<&String> for RunnerBody {
    fn from(text: &String) -> Self {
        Self(text_body(text))
    }
}

impl From<&Value> for RunnerBody {
    fn from(body: &Value) -> Self {
        Self(body.clone())
    }
}

impl From<Value> for RunnerBody {
    fn from(body: Value) -> Self {
        Self(body)
    }
}

impl RunnerBody {
    fn continuing(mut self, conversation: &str) -> Value {
        self.0["conversation_id"] = json!(conversation);
        self.0
    }
}

impl TestApp {
    /// The Runner API with the demo account's key.
    pub fn runner(&self) -> Runner<'_> {
        self.runner_as(KEY)
    }

    /// The Runner API with another key.
    pub fn runner_as<'a>(&'a self, key: &'a str) -> Runner<'a> {
        Runner { app: self, key: Some(key) }
    }

    /// The Runner API without a key, for public deployments.
    pub fn runner_without_key(&self) -> Runner<'_> {
        Runner { app: self, key: None }
    }
}

impl<'a> Runner<'a> {
    /// A request below `/v1/runner`.
    pub fn request(self, method: Method, path: &str) -> TestRequest<'a> {
        let request = self.app.request(method, &format!("/v1/runner{path}"));
        match self.key {
            Some(key) => request.key(key),
            None => request,
        }
    }

    fn post(self, path: &str, body: &Value) -> TestRequest<'a> {
        self.request(Method::POST, path).json(body)
    }

    pub fn run(self, deployment: &str, body: impl Into<RunnerBody>) -> TestRequest<'a> {
        self.post(&format!("/{deployment}"), &body.into().0)
    }

    /// Starts a conversation; its id is [`TestResponse::conversation_id`](super::TestResponse).
    pub fn start_conversation(
        self,
        deployment: &str,
        body: impl Into<RunnerBody>,
    ) -> TestRequest<'a> {
        self.post(&format!("/{deployment}/conversation"), &body.into().0)
    }

    /// Continues a conversation, without streaming.
    pub fn continue_conversation(
        self,
        deployment: &str,
        conversation: &str,
        body: impl Into<RunnerBody>,
    ) -> TestRequest<'a> {
        let body = body.into().continuing(conversation);
        self.post(&format!("/{deployment}/conversation"), &body)
    }

    pub fn create_trigger(self, deployment: &str, body: impl Into<RunnerBody>) -> TestRequest<'a> {
        self.post(&format!("/{deployment}/trigger"), &body.into().0)
    }

    pub fn trigger(self, deployment: &str, id: &str) -> TestRequest<'a> {
        self.request(Method::GET, &format!("/{deployment}/trigger/{id}"))
    }

    /// Starts, continues or resumes an agent run.
    pub fn run_agent(self, deployment: &str, body: &Value) -> TestRequest<'a> {
        self.v2(Method::POST, &format!("/{deployment}/conversation")).json(body)
    }

    /// A page of a conversation's history; `query` is empty or begins with `?`.
    pub fn history(self, deployment: &str, conversation: &str, query: &str) -> TestRequest<'a> {
        let path = format!("/{deployment}/conversation/{conversation}/history{query}");
        self.v2(Method::GET, &path)
    }

    /// A request below `/v2/runner`.
    fn v2(self, method: Method, path: &str) -> TestRequest<'a> {
        let request = self.app.request(method, &format!("/v2/runner{path}"));
        match self.key {
            Some(key) => request.key(key),
            None => request,
        }
    }

    /// A page of the messages of a conversation; `query` is empty or begins with `?`.
    pub fn list_messages(self, conversation: &str, query: &str) -> TestRequest<'a> {
        self.request(Method::GET, &format!("/conversation/{conversation}/messages{query}"))
    }

    /// A page of the account's conversations; `query` is empty or begins with `?`.
    pub fn list_conversations(self, query: &str) -> TestRequest<'a> {
        self.request(Method::GET, &format!("/conversations{query}"))
    }

    /// A page of a deployment's conversations; `query` is empty or begins with `?`.
    pub fn list_deployment_conversations(self, deployment: &str, query: &str) -> TestRequest<'a> {
        self.request(Method::GET, &format!("/{deployment}/conversations{query}"))
    }

    /// The first 100 messages of a conversation, oldest first.
    pub async fn messages(self, conversation: &str) -> Vec<Value> {
        let list = self.list_messages(conversation, "?page_size=100").await.good();
        list["items"].as_array().unwrap().clone()
    }

    /// The ids of a page of the account's conversations, in its order.
    pub async fn conversation_ids(self, query: &str) -> Vec<String> {
        conversation_ids(self.list_conversations(query)).await
    }

    /// Streams an answer; returns the chunks.
    pub async fn stream(self, deployment: &str, body: impl Into<RunnerBody>) -> Vec<String> {
        let path = format!("/{deployment}/stream");
        self.connect_and_post(&path, &body.into().0).await.stream().await
    }

    /// Continues a conversation in a stream; returns the chunks.
    pub async fn stream_conversation(
        self,
        deployment: &str,
        conversation: &str,
        body: impl Into<RunnerBody>,
    ) -> Vec<String> {
        let path = format!("/{deployment}/conversation/stream");
        let body = body.into().continuing(conversation);
        self.connect_and_post(&path, &body).await.stream().await
    }

    /// Begins to stream an answer; returns the connection after the head of a 200.
    pub async fn open_stream(self, deployment: &str, body: impl Into<RunnerBody>) -> RawConnection {
        self.open(&format!("/{deployment}/stream"), &body.into().0).await
    }

    /// Begins to continue a conversation in a stream; returns the connection after the head of a 200.
    pub async fn open_conversation_stream(
        self,
        deployment: &str,
        conversation: &str,
        body: impl Into<RunnerBody>,
    ) -> RawConnection {
        let body = body.into().continuing(conversation);
        self.open(&format!("/{deployment}/conversation/stream"), &body).await
    }

    /// Posts to a path below `/v1/runner`; returns the connection after the head of a 200.
    pub async fn open(self, path: &str, body: &Value) -> RawConnection {
        let mut connection = self.connect_and_post(path, body).await;
        assert_eq!(connection.head().await.0, 200);
        connection
    }

    async fn connect_and_post(self, path: &str, body: &Value) -> RawConnection {
        let mut connection = RawConnection::connect(self.app.address).await;
        let path = format!("/v1/runner{path}");
        connection.post_with_key(&path, body, self.key.expect("streams are read with a key")).await;
        connection
    }
}

/// The ids of the conversations that a list request returns, in its order.
pub async fn conversation_ids(request: TestRequest<'_>) -> Vec<String> {
    let list = request.await.good();
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}
