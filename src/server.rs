//! The server: built from a [`Config`], it serves a listener until it is stopped.

mod connections;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::connections::Stopped;
use crate::app::accounts;
use crate::app::fixture_watch::FixtureWatch;
use crate::app::generation::GenerationOptions;
use crate::app::{
    AccountRegistry, AgentRuns, Agents, Authenticator, ConversationQueries, Generation, Health,
    Images, ModelCatalog, Snapshots, Triggers,
};
use crate::config::Config;
use crate::fixtures::{self, CheckedFixtures, FixtureHandle, Fixtures, FixturesError};
use crate::http::LargeBodies;
use crate::http::pipeline;
use crate::http::route_table;
use crate::http::{ExchangeLog, Metrics, Pipeline, PublicUrl, Secrets, Services};
use crate::storage::{self, Storage, StorageError};

/// How long a stop may take in addition to the grace.
pub const STOP_MARGIN: Duration = Duration::from_millis(1300);

/// The part of [`STOP_MARGIN`] in which tasks of closed connections may end.
const SETTLE_LIMIT: Duration = Duration::from_millis(900);

/// What a log line about a database that was not closed adds.
pub const KEPT: &str = "a database file has all that was acknowledged";

/// How a server stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// The database was closed. Work that did not stop in time may have been abandoned.
    Complete,
    /// The database could not be closed in time. Acknowledged writes are in its log.
    Incomplete,
}

/// Why a server could not be built or served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The fixtures have errors.
    #[error(transparent)]
    Fixtures(#[from] FixturesError),
    /// The database cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A server that is ready to serve.
pub struct Server {
    pipeline: Pipeline,
    generation: Generation,
    agent_runs: AgentRuns,
    storage: Arc<dyn Storage>,
    registry: Arc<AccountRegistry>,
    fixtures: FixtureHandle,
    /// Watches the folder of the fixtures; `None` for the built-in ones.
    watch: Option<FixtureWatch>,
}

impl Server {
    /// Opens the database and reads the fixtures.
    pub async fn build(config: &Config) -> Result<Self, ServerError> {
        // The watch begins before the folder is read, so that no change is missed.
        let watch = config.fixtures.as_deref().map(FixtureWatch::new);
        let checked = match &config.fixtures {
            Some(folder) => fixtures::read(folder, route_table())?,
            None => fixtures::built_in(route_table())?,
        };
        Ok(Self { watch, ..Self::build_from(config, checked).await? })
    }

    /// Builds a server with fixtures that were already read; `config.fixtures` is not used.
    pub async fn build_from(
        config: &Config,
        checked: CheckedFixtures,
    ) -> Result<Self, ServerError> {
        checked.log();
        let fixtures = FixtureHandle::new(checked.fixtures);
        let storage = storage::open(&config.database).await?;
        let settings = accounts::RegistryOptions {
            seed: config.seed,
            clock: config.clock,
            journal_max: config.journal_max,
            routes: route_table(),
        };
        let registry =
            Arc::new(AccountRegistry::open(&fixtures, Arc::clone(&storage), settings).await?);
        let settings = GenerationOptions { backend: config.backend, pace: config.pace };
        let turns = Generation::new(Arc::clone(&storage), fixtures.clone(), settings);
        let metrics = Metrics::default();
        let secrets = Secrets::new(Arc::clone(&registry), config.control.token());
        let agent_runs = AgentRuns::new(Arc::clone(&storage), turns.clone(), fixtures.clone());
        let pipeline = pipeline(Services {
            authenticator: Authenticator::new(Arc::clone(&registry), fixtures.clone()),
            generation: turns.clone(),
            conversations: ConversationQueries::new(Arc::clone(&storage)),
            agents: Agents::new(Arc::clone(&storage), fixtures.clone()),
            images: Images::new(Arc::clone(&storage), fixtures.clone()),
            triggers: Triggers::new(Arc::clone(&storage)),
            agent_runs: agent_runs.clone(),
            model_catalog: ModelCatalog::new(fixtures.clone()),
            registry: Arc::clone(&registry),
            snapshots: Snapshots::new(Arc::clone(&storage), Arc::clone(&registry)),
            control: config.control.clone(),
            secrets: secrets.clone(),
            fault_header: config.fault_header,
            strictness: config.strictness,
            large_bodies: LargeBodies::default(),
            runner: config.runner,
            metrics: metrics.clone(),
            health: Health::new(Arc::clone(&storage)),
            exchange_log: ExchangeLog::new(config.reset, metrics),
            seed: config.seed,
            public_url: PublicUrl::new(config.public_url.as_ref()),
        });
        let generation = turns;
        let watch = None;
        Ok(Self { pipeline, generation, agent_runs, storage, registry, fixtures, watch })
    }

    /// The accounts, with their clocks.
    pub fn registry(&self) -> &Arc<AccountRegistry> {
        &self.registry
    }

    /// The database.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    #[cfg(any(test, feature = "internals"))]
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// The agent runs; clones share the locks of their conversations.
    pub(crate) fn agent_runs(&self) -> &AgentRuns {
        &self.agent_runs
    }

    /// The fixtures as they are now.
    pub fn fixtures(&self) -> Arc<Fixtures> {
        self.fixtures.current()
    }

    /// The pipeline, to answer requests without a socket.
    pub fn pipeline(&self) -> Pipeline {
        self.pipeline.clone()
    }

    /// Serves `listener` until `stop` completes. Then it accepts no new connections, lets running
    /// responses and streams finish within `grace`, and stores what was acknowledged. It returns
    /// within `grace` and [`STOP_MARGIN`], even if some work does not stop.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        grace: Duration,
    ) -> Shutdown {
        let stop = async move {
            stop.await;
            grace
        };
        self.serve_until(listener, stop).await
    }

    /// Like [`Server::serve`]; `stop` returns the grace.
    pub async fn serve_until(
        self,
        listener: TcpListener,
        stop: impl Future<Output = Duration>,
    ) -> Shutdown {
        let sweeping = tokio::spawn(sweep(Arc::clone(&self.registry)));
        let registry = Arc::clone(&self.registry);
        // A client that follows a request log would keep its connection for the whole grace.
        let stop = async move {
            let grace = stop.await;
            registry.close_request_logs();
            grace
        };
        let watching = self.watch.map(|watch| tokio::spawn(watch.run(Arc::clone(&self.registry))));
        let Stopped { busy, grace, since } =
            connections::serve(listener, self.pipeline, stop).await;
        sweeping.abort();
        if let Some(watching) = watching {
            watching.abort();
        }
        settle(busy, &self.generation).await;
        let limit = grace.saturating_add(STOP_MARGIN);
        close(&*self.storage, limit.saturating_sub(since.elapsed())).await
    }
}

/// Ends the tasks of closed connections and stores the turns of their streams. Tasks that do not
/// yield are abandoned, so that the database can still be closed.
async fn settle(mut connections: JoinSet<()>, turns: &Generation) {
    let ended = tokio::time::timeout(SETTLE_LIMIT, async {
        connections.shutdown().await;
        turns.finish().await;
    });
    if ended.await.is_err() {
        let (busy, unsaved) = (connections.len(), turns.unfinished());
        tracing::warn!(
            "abandoned: {busy} connections whose work did not stop, {unsaved} streamed turns that \
             were not stored"
        );
    }
}

/// Commits the queued writes and closes the database, within `limit`.
async fn close(storage: &dyn Storage, limit: Duration) -> Shutdown {
    if tokio::time::timeout(limit, storage.close()).await.is_ok() {
        return Shutdown::Complete;
    }
    tracing::error!("abandoned: the database, which could not be closed in time; {KEPT}");
    Shutdown::Incomplete
}

/// Removes accounts whose `ttl` has passed without use, once a second.
async fn sweep(registry: Arc<AccountRegistry>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        registry.sweep().await;
    }
}
