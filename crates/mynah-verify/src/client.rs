//! An HTTP client that counts its requests, pauses between them and stays within a budget.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;
use thiserror::Error;
use url::Url;

use super::api::Api;
use super::expect::{CheckFailure, Response};
use super::target::{Key, Target, is_loopback};

/// Maximum number of body bytes read; an endless stream is cut here.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// How often a rate-limited request is repeated.
const MAX_REPEATS: u32 = 2;

/// Bounds on requests and time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of requests.
    pub max_requests: u32,
    /// Pause between two requests.
    pub pause: Duration,
    /// Timeout of one response.
    pub timeout: Duration,
    /// The longest `Retry-After` that is waited for.
    pub max_wait: Duration,
}

/// The HTTP client could not be set up.
#[derive(Debug, Error)]
#[error("cannot set up the HTTP client")]
pub struct TransportError(#[from] reqwest::Error);

pub(super) struct Client {
    http: reqwest::Client,
    limits: Limits,
    sent: AtomicU32,
}

/// Headers and body of a request.
#[derive(Clone, Default)]
pub(super) struct RequestOptions {
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    /// Whether a 429 is returned instead of repeating the request.
    accept_rate_limit: bool,
}

impl RequestOptions {
    /// Adds a header.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds the key in the header of `api`.
    pub(super) fn key(self, api: Api, key: &Key) -> Self {
        match api {
            Api::Runner => self.header("x-api-key", key.reveal()),
            Api::Characters => self.header("authorization", format!("Bearer {}", key.reveal())),
        }
    }

    /// Sets a JSON body.
    pub(super) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    /// Sets a body with the content type of JSON.
    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", "application/json")
    }

    /// Sets a body with the content type of plain text.
    pub(super) fn text(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", "text/plain")
    }

    /// Returns a 429 instead of repeating the request.
    pub(super) fn accept_rate_limit(mut self) -> Self {
        self.accept_rate_limit = true;
        self
    }
}

impl Client {
    /// A client for `target`.
    pub(super) fn new(target: &Target, limits: Limits) -> Result<Self, TransportError> {
        let bases: Vec<&Url> = [&target.runner, &target.characters].into_iter().flatten().collect();
        // Later calls fail because a provider is already installed; it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .timeout(limits.timeout)
            .user_agent(concat!("mynah-verify/", env!("CARGO_PKG_VERSION")));
        if bases.iter().all(|base| base.scheme() == "http") {
            // Without TLS no certificates are needed on this machine.
            http = http.tls_certs_only([]);
        }
        if bases.iter().all(|base| is_loopback(base)) {
            http = http.no_proxy();
        }
        Ok(Self { http: http.build()?, limits, sent: AtomicU32::new(0) })
    }

    /// Number of requests sent.
    pub(super) fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends a request and reads the whole response. `name` is shown in reports.
    ///
    /// If the target is rate-limited, waits for `Retry-After` and repeats the request.
    pub(super) async fn send(
        &self,
        method: &Method,
        url: &Url,
        name: &str,
        options: &RequestOptions,
    ) -> Result<Response, CheckFailure> {
        let mut repeats = 0;
        loop {
            let seen = self.send_once(method, url, name, options).await?;
            let wait = seen.header("retry-after").parse().map(Duration::from_secs);
            match wait {
                Ok(wait) if seen.status == 429 && !options.accept_rate_limit => {
                    if repeats == MAX_REPEATS || wait > self.limits.max_wait {
                        let reason = format!("the target's rate limit is reached ({name})");
                        return Err(CheckFailure::Blocked(reason));
                    }
                    repeats += 1;
                    tokio::time::sleep(wait).await;
                }
                _ => return Ok(seen),
            }
        }
    }

    async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        name: &str,
        options: &RequestOptions,
    ) -> Result<Response, CheckFailure> {
        self.count().await?;
        let incomplete = |error: &reqwest::Error| CheckFailure::Differs {
            request: name.to_owned(),
            expected: "a complete response".to_owned(),
            seen: reason(error),
        };
        let mut request = self.http.request(method.clone(), url.clone());
        for (name, value) in &options.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &options.body {
            request = request.body(body.clone());
        }
        let mut response = request.send().await.map_err(|error| incomplete(&error))?;
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut length = 0;
        while let Some(piece) = response.chunk().await.map_err(|error| incomplete(&error))? {
            length += piece.len();
            if length > MAX_BODY {
                break;
            }
            pieces.push(piece);
        }
        Ok(Response {
            request: name.to_owned(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            pieces,
        })
    }

    /// Takes one request from the budget, after the pause.
    async fn count(&self) -> Result<(), CheckFailure> {
        let sent = self.sent();
        if sent >= self.limits.max_requests {
            let reason = format!("the budget of {sent} requests is spent (--max-requests)");
            return Err(CheckFailure::Blocked(reason));
        }
        if sent > 0 {
            tokio::time::sleep(self.limits.pause).await;
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// The reason without the URL, which may contain a secret.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time (--timeout)".to_owned();
    }
    match std::error::Error::source(error) {
        Some(source) => format!("no answer: {}", with_sources(source)),
        None => "no answer".to_owned(),
    }
}

/// An error and its causes as one sentence. Some libraries repeat the cause in their own message; it is
/// included once.
fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !message.ends_with(&cause) {
            message.push_str(": ");
            message.push_str(&cause);
        }
        source = error.source();
    }
    message
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("sent", &self.sent()).finish_non_exhaustive()
    }
}
