//! The wire: the routes of the rooms, and the one layer around them.
//!
//! What stands around the handlers, and in which order, is in [`pipeline`].

pub mod apis;
mod base_url;
mod connection;
mod context;
pub mod extract;
mod host;
mod large_bodies;
pub mod middleware;
mod pipeline;
pub mod response;
mod routes;
mod secrets;

use self::apis::{characters, control, docs, health, runner};
use std::sync::{Arc, LazyLock};

use axum::extract::FromRef;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};

pub use self::base_url::PublicUrl;
pub use self::connection::ConnectionAbort;
pub use self::large_bodies::LargeBodies;
pub use self::middleware::access_log::{AccessLog, ResetStyle};
pub use self::middleware::fault_injection::FaultHeader;
pub use self::middleware::metrics::Metrics;
pub use self::pipeline::Pipeline;
pub use self::response::account_end::AccountEnd;
pub(crate) use self::response::account_end::Ended;
use self::response::failure::ApiError;
use self::routes::Routes;
pub use self::secrets::Secrets;
use crate::app::{
    AccountRegistry, AgentsAndImages, Authenticator, ConversationQueries, Generation, Health,
    Snapshots,
};
use crate::domain::Api;
use crate::domain::fault_rule::{Route, RouteTable};
use crate::fixtures::FixtureHandle;

/// What rooms may ask for; each names what it needs in its signature.
pub struct Services {
    /// Who calls, and what they may use.
    pub authenticator: Authenticator,
    /// Makes answers.
    pub generation: Generation,
    /// Shows what is stored.
    pub conversations: ConversationQueries,
    /// Makes agents and pictures.
    pub agents_and_images: AgentsAndImages,
    /// The models there are.
    pub fixtures: FixtureHandle,
    /// Whether unknown fields are refused.
    pub strictness: extract::Strictness,
    /// What large bodies may take together.
    pub large_bodies: LargeBodies,
    /// Every account.
    pub registry: Arc<AccountRegistry>,
    /// Their state as documents.
    pub snapshots: Snapshots,
    /// Who may use the control plane.
    pub control: control::ControlAccess,
    /// What must stand in no log.
    pub secrets: Secrets,
    /// Whether requests may ask for faults of their own.
    pub fault_header: FaultHeader,
    /// How the Runner API renders what the documents leave open.
    pub runner: runner::Style,
    /// What the server counts of its own doings.
    pub metrics: Metrics,
    /// Whether the server can do its work.
    pub health: Health,
    /// Gives requests their ids and their log lines.
    pub access_log: AccessLog,
    /// The URL that clients reach the server under, if it is not what they send as `Host`.
    pub public_url: PublicUrl,
}

/// [`Services`] as the router carries them: handlers are given clones of it all the time.
#[derive(Clone)]
pub struct Shared(Arc<Services>);

/// Hands out each of the [`Services`] by its type.
macro_rules! hand_out {
    ($($field:ident: $service:ty,)*) => {
        $(impl FromRef<Shared> for $service {
            fn from_ref(shared: &Shared) -> Self {
                shared.0.$field.clone()
            }
        })*
    };
}

hand_out! {
    authenticator: Authenticator,
    generation: Generation,
    conversations: ConversationQueries,
    agents_and_images: AgentsAndImages,
    fixtures: FixtureHandle,
    strictness: extract::Strictness,
    large_bodies: LargeBodies,
    registry: Arc<AccountRegistry>,
    snapshots: Snapshots,
    control: control::ControlAccess,
    secrets: Secrets,
    runner: runner::Style,
    metrics: Metrics,
    health: Health,
    public_url: PublicUrl,
}

/// The routes of the two APIs, for checking what names one.
pub fn route_table() -> &'static RouteTable {
    static TABLE: LazyLock<RouteTable> = LazyLock::new(|| {
        let all = runner::routes::<Shared>().merge(characters::routes::<Shared>());
        let route = |(path, methods): &(&'static str, Vec<_>)| {
            // Without a key a request is no account's, and meets no fault.
            let api = Api::of_path(path).filter(|api| api.needs_key(path))?;
            Some(Route { api, path, methods: methods.clone() })
        };
        RouteTable::new(all.listed().iter().filter_map(route))
    });
    &TABLE
}

/// Everything the server answers.
pub fn pipeline(services: Services) -> Pipeline {
    let services = Shared(Arc::new(services));
    let routes = Routes::new()
        .merge(runner::routes())
        .merge(characters::routes())
        .merge(health::routes())
        .merge(docs::routes())
        .merge(control::routes(&services))
        .map(|router| router.fallback(nothing));
    Pipeline::new(routes.with_state(services.clone()), &services.0)
}

/// Where no route leads: the room's own answer, or that there is no such room.
async fn nothing(uri: Uri) -> Response {
    match Api::of_path(uri.path()) {
        Some(_) => ApiError::UnknownPath.into_response(),
        None => health::nothing_here(),
    }
}
