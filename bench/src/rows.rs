//! A row of the table: rounds that measure Mynah, the bare server and the store alternately.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use crate::ceiling;
use crate::figures::{Figures, median};
use crate::load::{Connection, HttpRequest, Span, drive};
use crate::seed::{WorkFolder, address};
use crate::server::{Log, Mynah, Server, run_role};
use crate::store;
use crate::workloads::{Database, Workload};

/// The results of a workload with a number of connections.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The workload's name.
    pub(crate) name: &'static str,
    /// Number of connections.
    pub(crate) connections: usize,
    #[serde(skip)]
    workload: Workload,
    rounds: Vec<RoundFigures>,
}

/// The figures of one round.
#[derive(Debug, Clone, Copy, Serialize)]
struct RoundFigures {
    mynah: Figures,
    ceiling: Figures,
    store: Option<Figures>,
}

/// Medians over all rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Medians {
    /// Mynah.
    pub(crate) mynah: Figures,
    /// The bare server.
    pub(crate) ceiling: Figures,
    /// Throughput of Mynah relative to the bare server: the median of the rounds' ratios.
    pub(crate) to_ceiling: f64,
    /// Operations per second without HTTP, and the throughput of Mynah relative to them.
    pub(crate) store: Option<(f64, f64)>,
}

impl Row {
    /// An empty row for each number of connections of `workload`.
    pub(crate) fn of(workload: &Workload) -> impl Iterator<Item = Self> {
        workload.connections.iter().map(|connections| Self {
            name: workload.name,
            connections: *connections,
            workload: workload.clone(),
            rounds: Vec::new(),
        })
    }

    /// Measures one more round.
    pub(crate) fn measure(
        &mut self,
        mynah: &Mynah,
        folder: &WorkFolder,
        span: Span,
    ) -> anyhow::Result<()> {
        let round = self.round(mynah, folder, span);
        let named = || format!("{} over {} connections", self.name, self.connections);
        self.rounds.push(round.with_context(named)?);
        Ok(())
    }

    fn round(
        &self,
        mynah: &Mynah,
        folder: &WorkFolder,
        span: Span,
    ) -> anyhow::Result<RoundFigures> {
        let log = folder.file("log");
        let log = if self.workload.default_log { Log::Default(&log) } else { Log::Warnings };
        let server = mynah.start(&self.options(folder)?, log)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ours, spec) = runtime.block_on(self.mynah(server, span))?;
        Ok(RoundFigures {
            mynah: ours,
            ceiling: runtime.block_on(self.ceiling(&spec, span))?,
            store: self.store(folder, span)?,
        })
    }

    /// Mynah's command-line options.
    fn options(&self, folder: &WorkFolder) -> anyhow::Result<Vec<String>> {
        let fixtures = folder.fixtures(self.workload.rules)?.display().to_string();
        let database = self.database(folder)?;
        let options = ["--pace", "0", "--fixtures", &fixtures, "--database", &database];
        Ok(options.map(str::to_owned).to_vec())
    }

    /// Mynah's figures, and the configuration that makes the bare server send the same answer.
    async fn mynah(
        &self,
        server: Server,
        span: Span,
    ) -> anyhow::Result<(Figures, ceiling::CeilingSpec)> {
        let requests = self.workload.requests(&server, self.connections).await?;
        let spec = self.sample(&server, requests.first().context("no connections")?).await?;
        let status = hyper::StatusCode::from_u16(spec.status)?;
        Ok((drive(&server, &requests, status, span).await?, spec))
    }

    async fn sample(
        &self,
        server: &Server,
        request: &HttpRequest,
    ) -> anyhow::Result<ceiling::CeilingSpec> {
        let response = Connection::open(server.address).await?.send(request.clone()).await?;
        ensure!(response.status.is_success(), "{}: {}", response.status, response.text()?);
        let text = response.text()?;
        let chunks = if self.workload.streams {
            let words: Vec<_> = mynah::domain::words::split(&text).map(str::to_owned).collect();
            ensure!(
                words.len() == response.chunks.len(),
                "{} chunks of {text}",
                response.chunks.len()
            );
            words
        } else {
            vec![text]
        };
        Ok(ceiling::CeilingSpec {
            path: self.workload.route().to_owned(),
            body_kind: self.workload.body_kind,
            status: response.status.as_u16(),
            content_type: response.content_type().to_owned(),
            chunks,
            pace: self.workload.streams.then_some(0),
        })
    }

    async fn ceiling(&self, spec: &ceiling::CeilingSpec, span: Span) -> anyhow::Result<Figures> {
        let server = Server::ceiling(spec)?;
        let request = self.workload.plain_request()?;
        let requests = vec![request; self.connections];
        drive(&server, &requests, hyper::StatusCode::from_u16(spec.status)?, span).await
    }

    fn store(&self, folder: &WorkFolder, span: Span) -> anyhow::Result<Option<Figures>> {
        let Some(operation) = self.workload.store.clone() else { return Ok(None) };
        let milliseconds = |span: Duration| u64::try_from(span.as_millis());
        let spec = store::StoreSpec {
            database: self.database(folder)?,
            fixtures: folder.fixtures(self.workload.rules)?,
            operation,
            tasks: u64::try_from(self.connections)?,
            warm_up_ms: milliseconds(span.warm_up)?,
            measured_ms: milliseconds(span.measured)?,
        };
        run_role("store", &spec).map(Some)
    }

    /// The URL of the workload's database.
    fn database(&self, folder: &WorkFolder) -> anyhow::Result<String> {
        match self.workload.database {
            Database::Memory => Ok("sqlite::memory:".to_owned()),
            Database::Holding(count) => folder.database(count),
            Database::NewFile => {
                for behind in ["", "-wal", "-shm"] {
                    let file = folder.file(&format!("new.db{behind}"));
                    if file.exists() {
                        std::fs::remove_file(file)?;
                    }
                }
                Ok(address(&folder.file("new.db")))
            }
        }
    }

    /// Medians over the measured rounds.
    pub(crate) fn medians(&self) -> anyhow::Result<Medians> {
        let mynah: Vec<Figures> = self.rounds.iter().map(|round| round.mynah).collect();
        let ceiling: Vec<Figures> = self.rounds.iter().map(|round| round.ceiling).collect();
        let ratios = self.rounds.iter().map(|it| it.mynah.per_second / it.ceiling.per_second);
        let stores: Vec<(f64, f64)> = self
            .rounds
            .iter()
            .filter_map(|it| Some((it.mynah.per_second, it.store?.per_second)))
            .collect();
        let store = if stores.is_empty() {
            None
        } else {
            let ratio = median(stores.iter().map(|(mynah, store)| mynah / store))?;
            Some((median(stores.iter().map(|(_, store)| *store))?, ratio))
        };
        Ok(Medians {
            mynah: Figures::median(&mynah)?,
            ceiling: Figures::median(&ceiling)?,
            to_ceiling: median(ratios)?,
            store,
        })
    }

    /// Cost relative to `other`: the median of the rounds' ratios.
    pub(crate) fn times_as_slow_as(&self, other: &Self) -> anyhow::Result<f64> {
        let pairs = self.rounds.iter().zip(&other.rounds);
        median(pairs.map(|(own, other)| other.mynah.per_second / own.mynah.per_second))
    }
}
