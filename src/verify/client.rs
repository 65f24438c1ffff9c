//! One request after the other: counted, paced, and no more of them than were granted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;
use thiserror::Error;
use url::Url;

use super::expect::{Seen, Unmet};
use super::fact::Api;
use super::target::{Target, is_loopback};
use crate::clock::Clock;
use crate::domain::ApiKey;
use crate::domain::error::with_sources;

/// The longest body that is read, in bytes; a stream without an end is cut off here.
const MOST: usize = 16 * 1024 * 1024;

/// How often a request is repeated that met a limit.
const REPEATS: u32 = 2;

/// What the suite may take of the target and of the user's time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most requests in all.
    pub max_requests: u32,
    /// What lies between two requests.
    pub pause: Duration,
    /// How long one answer may take.
    pub timeout: Duration,
    /// The longest `Retry-After` that is waited for when the target's limit is reached.
    pub patience: Duration,
}

/// Why there is no client.
#[derive(Debug, Error)]
#[error("cannot set up a client for HTTP")]
pub struct TransportError(#[from] reqwest::Error);

/// What asks the target.
pub(super) struct Client {
    http: reqwest::Client,
    clock: Arc<Clock>,
    limits: Limits,
    sent: AtomicU32,
}

/// What stands in a request besides method and path.
#[derive(Clone, Default)]
pub(super) struct Ask {
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    /// Whether a 429 is an answer like any other.
    limit_is_an_answer: bool,
}

impl Ask {
    /// With a header.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With an API's way to send a key.
    pub(super) fn key(self, api: Api, key: &ApiKey) -> Self {
        match api {
            Api::Runner => self.header("x-api-key", key.reveal()),
            Api::Characters => self.header("authorization", format!("Bearer {}", key.reveal())),
        }
    }

    /// With a JSON body.
    pub(super) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    /// With a body that is said to be JSON.
    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", "application/json")
    }

    /// With a body that is said to be plain text.
    pub(super) fn text(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", "text/plain")
    }

    /// Where a 429 is no reason to wait.
    pub(super) fn meeting_the_limit(mut self) -> Self {
        self.limit_is_an_answer = true;
        self
    }
}

impl Client {
    /// A client for `target`.
    pub(super) fn new(
        target: &Target,
        clock: Arc<Clock>,
        limits: Limits,
    ) -> Result<Self, TransportError> {
        let bases: Vec<&Url> = [&target.runner, &target.characters].into_iter().flatten().collect();
        // Only the first call of a process installs it, and every call would install the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .timeout(limits.timeout)
            .user_agent(concat!("mynah-verify/", env!("CARGO_PKG_VERSION")));
        if bases.iter().all(|base| base.scheme() == "http") {
            // Without TLS there need not be any certificates on this machine.
            http = http.tls_certs_only([]);
        }
        if bases.iter().all(|base| is_loopback(base)) {
            http = http.no_proxy();
        }
        Ok(Self { http: http.build()?, clock, limits, sent: AtomicU32::new(0) })
    }

    /// How many requests have been sent.
    pub(super) fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends a request and reads the whole answer. `name` is what reports call the request.
    ///
    /// Where the target's limit is reached, it waits as long as it is told to, and asks again.
    pub(super) async fn send(
        &self,
        method: &Method,
        url: &Url,
        name: &str,
        ask: &Ask,
    ) -> Result<Seen, Unmet> {
        let mut repeats = 0;
        loop {
            let seen = self.send_once(method, url, name, ask).await?;
            let wait = seen.header("retry-after").parse().map(Duration::from_secs);
            match wait {
                Ok(wait) if seen.status == 429 && !ask.limit_is_an_answer => {
                    if repeats == REPEATS || wait > self.limits.patience {
                        let reason = format!("the target's limit is reached ({name})");
                        return Err(Unmet::Blocked(reason));
                    }
                    repeats += 1;
                    self.clock.sleep(wait).await;
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
        ask: &Ask,
    ) -> Result<Seen, Unmet> {
        self.count().await?;
        let fault = |fault: &reqwest::Error| Unmet::Differs {
            request: name.to_owned(),
            expected: "an answer with a clean end".to_owned(),
            seen: reason(fault),
        };
        let mut request = self.http.request(method.clone(), url.clone());
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &ask.body {
            request = request.body(body.clone());
        }
        let mut response = request.send().await.map_err(|error| fault(&error))?;
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut length = 0;
        while let Some(piece) = response.chunk().await.map_err(|error| fault(&error))? {
            length += piece.len();
            if length > MOST {
                break;
            }
            pieces.push(piece);
        }
        Ok(Seen {
            request: name.to_owned(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            pieces,
        })
    }

    /// Takes one request from the budget, after the pause that lies before it.
    async fn count(&self) -> Result<(), Unmet> {
        let sent = self.sent();
        if sent >= self.limits.max_requests {
            let reason = format!("the budget of {sent} requests is spent (--max-requests)");
            return Err(Unmet::Blocked(reason));
        }
        if sent > 0 {
            self.clock.sleep(self.limits.pause).await;
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// What went wrong, without the URL: that is told elsewhere, and may hold a secret.
fn reason(fault: &reqwest::Error) -> String {
    if fault.is_timeout() {
        return "no answer in time (--timeout)".to_owned();
    }
    match std::error::Error::source(fault) {
        Some(source) => format!("no answer: {}", with_sources(source)),
        None => "no answer".to_owned(),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("sent", &self.sent()).finish_non_exhaustive()
    }
}
