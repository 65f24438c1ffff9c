//! Metrics in the Prometheus form (`GET /_mynah/metrics`, docs/control.md).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::failure::Failure;
use crate::domain::Error;
use crate::service::Worlds;
use crate::store::{Store, Written};

/// The upper ends of the latency histogram's buckets, in seconds.
const BUCKETS: [f64; 12] =
    [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// What the server counts of its own doings.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<Answered, Counter>,
    latency: Family<Routed, Histogram>,
    streams_open: Gauge,
    registry: Arc<Registry>,
    store: Store,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Routed {
    route: String,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    /// Nothing is counted yet.
    pub fn new(store: Store) -> Self {
        let requests = Family::default();
        let latency = Family::<Routed, Histogram>::new_with_constructor(histogram);
        let streams_open = Gauge::default();
        let mut registry = Registry::with_prefix("mynah");
        registry.register("requests", "Requests answered", requests.clone());
        registry.register("request_seconds", "Time until an answer began", latency.clone());
        registry.register("streams_open", "Streams being sent", streams_open.clone());
        Self { requests, latency, streams_open, registry: Arc::new(registry), store }
    }

    /// A request was answered.
    pub(super) fn answered(&self, method: &Method, route: &str, status: u16, after: Duration) {
        // What is none of HTTP's own methods is counted as one: clients could make up any number.
        let method = match *method {
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS => method.to_string(),
            _ => "other".to_owned(),
        };
        let route = route.to_owned();
        self.latency.get_or_create(&Routed { route: route.clone() }).observe(after.as_secs_f64());
        self.requests.get_or_create(&Answered { method, route, status }).inc();
    }

    /// `stream`, counted as open for as long as it is being sent.
    pub(super) fn while_open(&self, stream: Body) -> Body {
        self.streams_open.inc();
        Body::new(Open { stream, streams_open: self.streams_open.clone() })
    }

    /// All of it as text.
    fn text(&self, worlds: &Worlds) -> Result<String, Error> {
        let Written { transactions, acts } = self.store.written();
        let dropped: u64 = worlds.all().iter().map(|world| world.journal.dropped()).sum();
        let mut text = format!(
            "# HELP mynah_journal_drops Entries that made place for others, in the journals there \
             are.\n# TYPE mynah_journal_drops gauge\nmynah_journal_drops {dropped}\n"
        );
        let counts = [
            ("write_transactions", "Transactions committed by the one writer", transactions),
            ("writes", "Acts in them: what queued up together commits together", acts),
        ];
        for (name, help, count) in counts {
            text.push_str(&format_counter(name, help, count));
        }
        encode(&mut text, &self.registry).map_err(Error::internal)?;
        Ok(text)
    }
}

fn format_counter(name: &str, help: &str, count: u64) -> String {
    format!(
        "# HELP mynah_{name} {help}.\n# TYPE mynah_{name} counter\nmynah_{name}_total {count}\n"
    )
}

/// A stream that is being sent.
struct Open {
    stream: Body,
    streams_open: Gauge,
}

impl HttpBody for Open {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.stream).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.stream.size_hint()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.streams_open.dec();
    }
}

/// `GET /_mynah/metrics`.
pub(super) async fn show(
    State(metrics): State<Metrics>,
    State(worlds): State<Arc<Worlds>>,
) -> Result<Response, Failure> {
    const TEXT: HeaderValue =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, TEXT)], metrics.text(&worlds)?).into_response())
}
