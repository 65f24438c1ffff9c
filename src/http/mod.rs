//! HTTP: the APIs ([`apis`]), and the steps around their handlers, in order ([`pipeline`]).

pub mod apis;
mod base_url;
mod connection;
mod context;
pub mod extract;
mod host;
mod large_bodies;
pub mod middleware;
mod pipeline;
mod requested_fault;
pub mod response;
mod routes;
mod secrets;

use std::sync::{Arc, LazyLock};

use axum::extract::FromRef;

use self::apis::{characters, control, docs, health, runner};
pub use self::base_url::PublicUrl;
pub use self::connection::ConnectionAbort;
pub use self::large_bodies::LargeBodies;
pub use self::middleware::exchange::ExchangeLog;
pub use self::middleware::metrics::Metrics;
pub use self::middleware::response_headers::ResetStyle;
pub use self::pipeline::Pipeline;
pub use self::requested_fault::FaultHeader;
pub use self::response::account_end::AccountEnd;
pub(crate) use self::response::account_end::Ended;
use self::routes::Routes;
pub use self::secrets::Secrets;
use crate::app::{
    AccountRegistry, AgentRuns, Agents, Authenticator, ConversationQueries, Generation, Health,
    Images, ModelCatalog, Snapshots, Triggers,
};
use crate::domain::Api;
use crate::domain::fault_rule::{Route, RouteTable};

/// What handlers use; each names what it needs in its signature.
pub struct Services {
    /// Finds the accounts of keys.
    pub authenticator: Authenticator,
    /// Asks models.
    pub generation: Generation,
    /// Reads conversations.
    pub conversations: ConversationQueries,
    /// Agents.
    pub agents: Agents,
    /// Images and pictures.
    pub images: Images,
    /// Triggers of the Runner API.
    pub triggers: Triggers,
    /// Agent runs of the Runner API.
    pub agent_runs: AgentRuns,
    /// The models of the Characters API.
    pub model_catalog: ModelCatalog,
    /// Whether unknown fields are refused.
    pub strictness: extract::Strictness,
    /// The memory that large bodies may take together.
    pub large_bodies: LargeBodies,
    /// Every account.
    pub registry: Arc<AccountRegistry>,
    /// The state of accounts as documents.
    pub snapshots: Snapshots,
    /// Who may use the control plane.
    pub control: control::ControlAccess,
    /// Keys and tokens, which must appear in no log.
    pub secrets: Secrets,
    /// Whether requests may ask for faults of their own.
    pub fault_header: FaultHeader,
    /// How the Runner API renders what the documents leave open.
    pub runner: runner::Style,
    /// Counts requests and streams.
    pub metrics: Metrics,
    /// Whether the server can do its work.
    pub health: Health,
    /// How requests and responses are written down.
    pub exchange_log: ExchangeLog,
    /// What the ids of requests without an account are drawn from.
    pub seed: u64,
    /// The URL that clients reach the server under, if it is not what they send as `Host`.
    pub public_url: PublicUrl,
}

/// [`Services`] as handlers get them: every request clones it.
#[derive(Clone)]
pub struct Shared(Arc<Services>);

/// Gives handlers each of the [`Services`] by its type.
macro_rules! impl_from_ref {
    ($($field:ident: $service:ty,)*) => {
        $(impl FromRef<Shared> for $service {
            fn from_ref(shared: &Shared) -> Self {
                shared.0.$field.clone()
            }
        })*
    };
}

impl_from_ref! {
    authenticator: Authenticator,
    generation: Generation,
    conversations: ConversationQueries,
    agents: Agents,
    images: Images,
    triggers: Triggers,
    agent_runs: AgentRuns,
    model_catalog: ModelCatalog,
    strictness: extract::Strictness,
    large_bodies: LargeBodies,
    registry: Arc<AccountRegistry>,
    snapshots: Snapshots,
    secrets: Secrets,
    runner: runner::Style,
    metrics: Metrics,
    health: Health,
    public_url: PublicUrl,
}

/// The routes of the APIs, to check what names one.
pub fn route_table() -> &'static RouteTable {
    static TABLE: LazyLock<RouteTable> = LazyLock::new(|| {
        let all = runner::routes().merge(characters::routes());
        let route = |(path, methods): (&'static str, Vec<_>)| {
            // Without a key a request is no account's, and meets no fault.
            let api = Api::of_path(path).filter(|api| api.needs_key(path))?;
            Some(Route { api, path, methods })
        };
        RouteTable::new(all.listed().into_iter().filter_map(route))
    });
    &TABLE
}

/// Everything the server answers.
pub fn pipeline(services: Services) -> Pipeline {
    let routes = Routes::new()
        .merge(runner::routes())
        .merge(characters::routes())
        .merge(health::routes())
        .merge(docs::routes())
        .merge(control::routes());
    Pipeline::new(routes, services)
}
