//! Metrics in the Prometheus form (`GET /_mynah/metrics`, docs/control.md).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use parking_lot::RwLock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::app::{AccountRegistry, Written};
use crate::domain::error::InternalError;

/// The upper ends of the latency histogram's buckets, in seconds.
const BUCKETS: [f64; 12] =
    [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// The counters of the server.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<Answered, Counter>,
    latency: Family<Timed, Histogram>,
    /// The counters of each route, which are found without building labels.
    routes: Arc<RwLock<HashMap<Box<str>, Vec<Counts>>>>,
    streams_open: Gauge,
    registry: Arc<Registry>,
}

/// The counters of a route's answers of one method and status. The histogram is shared by all
/// statuses of a class.
#[derive(Debug)]
struct Counts {
    method: &'static str,
    status: u16,
    requests: Counter,
    latency: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    route: String,
    status: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = Family::default();
        let latency = Family::<Timed, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let streams_open = Gauge::default();
        let mut registry = Registry::with_prefix("mynah");
        registry.register("requests", "Requests answered", requests.clone());
        registry.register("request_seconds", "Time until an answer began", latency.clone());
        registry.register("streams_open", "Streams being sent", streams_open.clone());
        let (routes, registry) = (Arc::default(), Arc::new(registry));
        Self { requests, latency, routes, streams_open, registry }
    }
}

impl Metrics {
    /// Counts a response whose head was ready `after` this time.
    pub(crate) fn answered(&self, method: &Method, route: &str, status: u16, after: Duration) {
        let (method, seconds) = (name_of(method), after.as_secs_f64());
        if !self.counted(method, route, status, seconds) {
            self.add_counters(method, route, status);
            self.counted(method, route, status, seconds);
        }
    }

    /// Counts a request, unless its route, method and status are new. Returns whether it did.
    fn counted(&self, method: &str, route: &str, status: u16, seconds: f64) -> bool {
        let routes = self.routes.read();
        let Some(counts) = routes.get(route) else { return false };
        let is_same = |its: &&Counts| its.method == method && its.status == status;
        let Some(counts) = counts.iter().find(is_same) else { return false };
        counts.requests.inc();
        counts.latency.observe(seconds);
        true
    }

    fn add_counters(&self, method: &'static str, route: &str, status: u16) {
        let timed = Timed { route: route.to_owned(), status: class_of(status) };
        let answered = Answered { method, route: route.to_owned(), status };
        self.routes.write().entry(route.into()).or_default().push(Counts {
            method,
            status,
            requests: self.requests.get_or_create_owned(&answered),
            latency: self.latency.get_or_create_owned(&timed),
        });
    }

    /// Counts a stream as open until the result is dropped.
    pub(crate) fn open_stream(&self) -> OpenStream {
        self.streams_open.inc();
        OpenStream(self.streams_open.clone())
    }

    /// All metrics as text, with those of the accounts and of the database.
    pub(crate) fn text(
        &self,
        registry: &AccountRegistry,
        written: Written,
    ) -> Result<String, InternalError> {
        let Written { transactions, writes: acts } = written;
        let dropped: u64 = registry.all().iter().map(|account| account.request_log.dropped()).sum();
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
        encode(&mut text, &self.registry).map_err(InternalError::new)?;
        Ok(text)
    }
}

/// Methods other than HTTP's own are counted together, because clients can invent any number of them.
pub(crate) fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The class of a status: separates refusals from answers, with few histograms.
fn class_of(status: u16) -> &'static str {
    match status {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}

fn format_counter(name: &str, help: &str, count: u64) -> String {
    format!(
        "# HELP mynah_{name} {help}.\n# TYPE mynah_{name} counter\nmynah_{name}_total {count}\n"
    )
}

/// A stream that is being sent.
pub(crate) struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}
