//! The wire: nests the rooms under their prefixes and lays the layers around them.
//!
//! Order of layers, from the outside in, and why:
//! 1. [`observe`]: gives the request its id and writes its log line, so that even a preflight and
//!    a panic have both. What the client gets goes through it into the account's [`journal`].
//! 2. CORS: answers preflights before anything asks for a key; its headers stand on errors too.
//! 3. [`drain`]: reads what a refused client still sends, so that it gets to see its answer.
//! 4. [`faults`]: does to answers what faults say, error answers in their envelopes included.
//! 5. A room's rendering of failures: everything inside may fail without knowing an envelope.
//! 6. Panics become failures, so that they are rendered like any other.

mod base_url;
pub mod characters;
pub mod control;
mod documents;
mod drain;
pub mod extract;
mod failure;
mod faults;
mod journal;
mod metrics;
mod observe;
mod operations;
mod pages;
mod plain;
pub mod runner;
mod scope;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::http::{HeaderName, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, Any, CorsLayer, ExposeHeaders};

pub use self::base_url::PublicUrl;
use self::failure::Failure;
pub use self::faults::{FaultHeader, Line};
pub use self::metrics::Metrics;
pub use self::observe::{Observer, ResetStyle};
use crate::service::{Access, Archive, Shelf, Snapshots, Studio, Turns, Worlds};

/// What rooms may ask for; each names what it needs in its signature.
#[derive(Clone, FromRef)]
pub struct Services {
    /// Who calls, and what they may use.
    pub access: Access,
    /// Makes answers.
    pub turns: Turns,
    /// Shows what is stored.
    pub archive: Archive,
    /// Makes agents and pictures.
    pub studio: Studio,
    /// The models there are.
    pub fixtures: Shelf,
    /// Whether unknown fields are refused.
    pub strictness: extract::Strictness,
    /// Every account.
    pub worlds: Arc<Worlds>,
    /// Their state as documents.
    pub snapshots: Snapshots,
    /// Who may use the control plane.
    pub control: control::Access,
    /// Whether requests may ask for faults of their own.
    pub fault_header: FaultHeader,
    /// How the Runner API renders what the documents leave open.
    pub runner: runner::Style,
    /// What the server counts of its own doings.
    pub metrics: Metrics,
    /// Gives requests their ids and their log lines.
    pub observer: Observer,
    /// The URL that clients reach the server under, if it is not what they send as `Host`.
    pub public_url: PublicUrl,
}

/// Everything the server answers.
pub fn router(services: Services) -> Router {
    let observed = from_fn_with_state(services.observer.clone(), observe::observe);
    let runner = runner::router(&services);
    let characters = characters::router(&services);
    let rooms = Router::new()
        // `nest` leaves out the prefix with nothing but a slash behind it: a client with an empty
        // id asks for it, and is to be told in the room's own envelope.
        .route_service("/v1/runner/", runner.clone().with_state(services.clone()))
        .route_service("/api/v1/", characters.clone().with_state(services.clone()))
        .nest("/v1/runner", runner)
        .nest("/api/v1", characters)
        .nest("/images", characters::pictures())
        .layer(from_fn_with_state(services.fault_header, faults::befall))
        .layer(from_fn(drain::drain))
        .layer(cors());
    Router::new()
        .merge(rooms)
        .nest(
            "/_mynah",
            operations::router().merge(documents::router()).merge(control::router(&services)),
        )
        .fallback(operations::nothing_here)
        .with_state(services)
        .layer(observed)
}

/// Turns a panic of a handler into the room's 500.
fn catch_panics() -> CatchPanicLayer<fn(Box<dyn std::any::Any + Send>) -> Response> {
    CatchPanicLayer::custom(Failure::panicked)
}

/// Any origin, any request header, and the headers that clients want to read.
fn cors() -> CorsLayer {
    const EXPOSED: [HeaderName; 5] = [
        HeaderName::from_static("x-request-id"),
        header::RETRY_AFTER,
        HeaderName::from_static("x-ratelimit-limit"),
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderName::from_static("x-ratelimit-reset"),
    ];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(AllowMethods::list([Method::GET, Method::POST]))
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(ExposeHeaders::list(EXPOSED))
}
