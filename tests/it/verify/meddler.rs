//! A server between the suite and a Mynah that keeps something of what the documents say from being so.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use futures::stream;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::client;

/// A request on its way to the Mynah.
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Asked {
    /// Changes the body, if it is JSON.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut value) = serde_json::from_slice(&self.body) {
            change(&mut value);
            self.body = value.to_string().into_bytes();
        }
    }
}

/// An answer on its way back.
pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub pieces: Vec<Bytes>,
}

impl Answered {
    pub fn say(&mut self, text: impl Into<String>) {
        self.pieces = vec![Bytes::from(text.into())];
    }

    /// Changes the body, if it is JSON.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut value) = serde_json::from_slice(&self.pieces.concat()) {
            change(&mut value);
            self.say(value.to_string());
        }
    }
}

/// What is done to requests, and to answers.
pub type OnAsked = fn(&mut Asked);
pub type OnAnswered = fn(&Asked, &mut Answered);

struct Meddling {
    mynah: SocketAddr,
    client: reqwest::Client,
    on_asked: OnAsked,
    on_answered: OnAnswered,
}

/// The server. It stops when it is dropped.
pub struct Meddler {
    pub address: SocketAddr,
    server: JoinHandle<()>,
}

impl Meddler {
    pub async fn before(mynah: SocketAddr, on_asked: OnAsked, on_answered: OnAnswered) -> Self {
        let client = client();
        let state = Arc::new(Meddling { mynah, client, on_asked, on_answered });
        let router = Router::new().fallback(pass).with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, server }
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass(State(meddling): State<Arc<Meddling>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut asked = Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    };
    (meddling.on_asked)(&mut asked);
    asked.headers.remove("content-length");
    let url = format!("http://{}{}?{}", meddling.mynah, asked.path, asked.query);
    let request = meddling.client.request(asked.method.clone(), url);
    let request = request.headers(asked.headers.clone()).body(asked.body.clone());
    let mut response = request.send().await.unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = response.chunk().await.unwrap() {
        pieces.push(piece);
    }
    let status = response.status().as_u16();
    let mut answered = Answered { status, headers: response.headers().clone(), pieces };
    (meddling.on_answered)(&asked, &mut answered);
    answered.headers.remove("content-length");
    let streamed = answered.headers.remove("transfer-encoding").is_some();
    let body = if streamed {
        Body::from_stream(stream::iter(answered.pieces.into_iter().map(Ok::<_, std::io::Error>)))
    } else {
        Body::from(answered.pieces.concat())
    };
    let mut response = Response::new(body);
    *response.status_mut() = answered.status.try_into().unwrap();
    *response.headers_mut() = answered.headers;
    response
}
