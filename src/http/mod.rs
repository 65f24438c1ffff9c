//! The wire: nests the rooms under their prefixes and lays the layers around them.
//!
//! Order of layers, from the outside in, and why:
//! 1. [`observe`]: gives the request its id and writes its log line, so that even a preflight and
//!    a panic have both.
//! 2. CORS: answers preflights before anything asks for a key; its headers stand on errors too.
//! 3. [`drain`]: reads what a refused client still sends, so that it gets to see its answer.
//! 4. A room's rendering of failures: everything inside may fail without knowing an envelope.
//! 5. Panics become failures, so that they are rendered like any other.

mod drain;
pub mod extract;
mod failure;
mod observe;
mod operations;
mod pages;
pub mod runner;
mod scope;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::http::{HeaderName, Method, header};
use axum::middleware::from_fn;
use axum::response::Response;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, Any, CorsLayer, ExposeHeaders};

use self::failure::Failure;
use crate::ids::{AccountId, Minter};
use crate::service::{Access, Archive, Turns};

/// What rooms may ask for; each names what it needs in its signature.
#[derive(Clone, FromRef)]
pub struct Services {
    /// Who calls, and what they may use.
    pub access: Access,
    /// Makes answers.
    pub turns: Turns,
    /// Shows what is stored.
    pub archive: Archive,
    /// Whether unknown fields are refused.
    pub strictness: extract::Strictness,
    /// How the Runner API renders what the documents leave open.
    pub runner: runner::Style,
    /// Ids for requests that no account is known for.
    pub strangers: Arc<Minter>,
}

impl Services {
    /// Ids for requests of nobody in particular.
    pub fn strangers(seed: u64) -> Arc<Minter> {
        Arc::new(Minter::new(seed, &AccountId::from("")))
    }
}

/// Everything the server answers.
pub fn router(services: Services) -> Router {
    let observed =
        axum::middleware::from_fn_with_state(Arc::clone(&services.strangers), observe::observe);
    let runner = runner::router::<Services>(services.runner);
    let rooms = Router::new()
        .nest("/v1/runner", runner.clone())
        // `nest` leaves out the prefix with nothing but a slash behind it: a client with an empty
        // deployment id asks for it, and is to be told in the room's own envelope.
        .route_service("/v1/runner/", runner.with_state(services.clone()))
        .layer(from_fn(drain::drain))
        .layer(cors());
    Router::new()
        .merge(rooms)
        .nest("/_mynah", operations::router())
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
