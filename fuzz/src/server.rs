//! A complete server in this thread, without a socket, for the targets.

use std::cell::RefCell;

use anyhow::Context as _;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use mynah::config::Config;
use mynah::http::ConnectionAbort;
use mynah::server::Server;
use serde_json::Value;
use tokio::runtime::Runtime;

/// Requests after which the server is replaced, so that stored data does not accumulate.
const REQUESTS: u32 = 500;
/// Maximum size of an answer in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// The server and its runtime.
struct FuzzServer {
    // Dropped before the runtime, because its drop ends tasks there.
    app: Server,
    runtime: Runtime,
    answered: u32,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, if it is valid.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

thread_local! {
    static SERVER: RefCell<Option<FuzzServer>> = const { RefCell::new(None) };
}

impl FuzzServer {
    fn start() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let app = runtime.block_on(Server::build(&Config::default()))?;
        Ok(Self { app, runtime, answered: 0 })
    }

    fn answer(&mut self, request: Request<Body>) -> anyhow::Result<Answer> {
        self.answered += 1;
        let pipeline = self.app.pipeline();
        self.runtime.block_on(async move {
            let answer = pipeline.answer(&ConnectionAbort::default(), request).await;
            let (parts, body) = answer.into_parts();
            let body = to_bytes(body, LARGEST_ANSWER).await.context("the answer broke off")?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.into() })
        })
    }
}

/// Sends `request` to this thread's server; starts one if there is none.
pub fn answer(request: Request<Body>) -> anyhow::Result<Answer> {
    SERVER.with_borrow_mut(|slot| {
        if slot.as_ref().is_some_and(|server| server.answered >= REQUESTS) {
            *slot = None;
        }
        let server = match slot {
            Some(server) => server,
            None => slot.insert(FuzzServer::start()?),
        };
        server.answer(request)
    })
}

/// Drops this thread's server, so that the next request starts a new one.
pub fn renew() {
    SERVER.set(None);
}
