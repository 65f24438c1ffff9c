//! A proxy between the suite and a server; it changes requests or responses so that checks fail.

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

pub struct ProxiedRequest {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl ProxiedRequest {
    /// Changes the body, if it is JSON.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut value) = serde_json::from_slice(&self.body) {
            change(&mut value);
            self.body = value.to_string().into_bytes();
        }
    }
}

pub struct ProxiedResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub pieces: Vec<Bytes>,
}

impl ProxiedResponse {
    pub fn set_body(&mut self, text: impl Into<String>) {
        self.pieces = vec![Bytes::from(text.into())];
    }

    /// Changes the body, if it is JSON.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut value) = serde_json::from_slice(&self.pieces.concat()) {
            change(&mut value);
            self.set_body(value.to_string());
        }
    }
}

pub type ChangeRequest = fn(&mut ProxiedRequest);
pub type ChangeResponse = fn(&ProxiedRequest, &mut ProxiedResponse);

struct ProxyState {
    server: SocketAddr,
    client: reqwest::Client,
    change_request: ChangeRequest,
    change_response: ChangeResponse,
}

/// A running proxy. It stops when it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(
        server: SocketAddr,
        change_request: ChangeRequest,
        change_response: ChangeResponse,
    ) -> Self {
        let client = client();
        let state = Arc::new(ProxyState { server, client, change_request, change_response });
        let router = Router::new().fallback(forward).with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, task }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(State(proxy): State<Arc<ProxyState>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut request = ProxiedRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    };
    (proxy.change_request)(&mut request);
    request.headers.remove("content-length");
    let url = format!("http://{}{}?{}", proxy.server, request.path, request.query);
    let sent = proxy.client.request(request.method.clone(), url);
    let sent = sent.headers(request.headers.clone()).body(request.body.clone());
    let mut received = sent.send().await.unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = received.chunk().await.unwrap() {
        pieces.push(piece);
    }
    let status = received.status().as_u16();
    let mut response = ProxiedResponse { status, headers: received.headers().clone(), pieces };
    (proxy.change_response)(&request, &mut response);
    response.headers.remove("content-length");
    let streamed = response.headers.remove("transfer-encoding").is_some();
    let body = if streamed {
        Body::from_stream(stream::iter(response.pieces.into_iter().map(Ok::<_, std::io::Error>)))
    } else {
        Body::from(response.pieces.concat())
    };
    let mut returned = Response::new(body);
    *returned.status_mut() = response.status.try_into().unwrap();
    *returned.headers_mut() = response.headers;
    returned
}
