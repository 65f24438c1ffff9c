//! A row of the table: rounds of Mynah, its ceiling and its store in turns.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use crate::ceiling;
use crate::figures::{Figures, median};
use crate::load::{Ask, Line, Span, drive};
use crate::seed::{Bed, address};
use crate::server::{Log, Mynah, Server, ask_own};
use crate::store;
use crate::workloads::{Database, Workload};

/// What was measured of a workload over a number of connections.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The workload's name.
    pub(crate) name: &'static str,
    /// The connections.
    pub(crate) connections: usize,
    #[serde(skip)]
    workload: Workload,
    rounds: Vec<Round>,
}

/// Once each.
#[derive(Debug, Clone, Copy, Serialize)]
struct Round {
    mynah: Figures,
    ceiling: Figures,
    store: Option<Figures>,
}

/// The middle of all rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Middle {
    /// Mynah.
    pub(crate) mynah: Figures,
    /// The bare server.
    pub(crate) ceiling: Figures,
    /// Answers of Mynah for one of the bare server's; the middle of the rounds' ratios.
    pub(crate) to_ceiling: f64,
    /// The same acts a second without HTTP, and answers of Mynah for one of them.
    pub(crate) store: Option<(f64, f64)>,
}

impl Row {
    /// A row for each number of connections of `workload`, not measured yet.
    pub(crate) fn of(workload: &Workload) -> impl Iterator<Item = Self> {
        workload.connections.iter().map(|connections| Self {
            name: workload.name,
            connections: *connections,
            workload: workload.clone(),
            rounds: Vec::new(),
        })
    }

    /// Measures once more.
    pub(crate) fn measure(&mut self, mynah: &Mynah, bed: &Bed, span: Span) -> anyhow::Result<()> {
        let round = self.round(mynah, bed, span);
        let named = || format!("{} over {} connections", self.name, self.connections);
        self.rounds.push(round.with_context(named)?);
        Ok(())
    }

    fn round(&self, mynah: &Mynah, bed: &Bed, span: Span) -> anyhow::Result<Round> {
        let log = bed.file("log");
        let log = if self.workload.log_usual { Log::Usual(&log) } else { Log::Warnings };
        let server = mynah.start(&self.options(bed)?, log)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ours, spec) = runtime.block_on(self.mynah(server, span))?;
        Ok(Round {
            mynah: ours,
            ceiling: runtime.block_on(self.ceiling(&spec, span))?,
            store: self.store(bed, span)?,
        })
    }

    /// The options that Mynah is started with.
    fn options(&self, bed: &Bed) -> anyhow::Result<Vec<String>> {
        let fixtures = bed.fixtures(self.workload.rules)?.display().to_string();
        let database = self.database(bed)?;
        let options = ["--pace", "0", "--fixtures", &fixtures, "--database", &database];
        Ok(options.map(str::to_owned).to_vec())
    }

    /// Mynah's figures, and what the bare server is to answer as it did.
    async fn mynah(&self, server: Server, span: Span) -> anyhow::Result<(Figures, ceiling::Spec)> {
        let asks = self.workload.asks(&server, self.connections).await?;
        let spec = self.sample(&server, asks.first().context("no connections")?).await?;
        let status = hyper::StatusCode::from_u16(spec.status)?;
        Ok((drive(&server, &asks, status, span).await?, spec))
    }

    async fn sample(&self, server: &Server, ask: &Ask) -> anyhow::Result<ceiling::Spec> {
        let came = Line::open(server.address).await?.ask(ask.clone()).await?;
        ensure!(came.status.is_success(), "{}: {}", came.status, came.text()?);
        let text = came.text()?;
        let chunks = if self.workload.streams {
            let words: Vec<_> = mynah::domain::words::split(&text).map(str::to_owned).collect();
            ensure!(words.len() == came.chunks.len(), "{} chunks of {text}", came.chunks.len());
            words
        } else {
            vec![text]
        };
        Ok(ceiling::Spec {
            path: self.workload.route().to_owned(),
            reads: self.workload.reads,
            status: came.status.as_u16(),
            content_type: came.content_type().to_owned(),
            chunks,
            pace: self.workload.streams.then_some(0),
        })
    }

    async fn ceiling(&self, spec: &ceiling::Spec, span: Span) -> anyhow::Result<Figures> {
        let server = Server::ceiling(spec)?;
        let ask = self.workload.plain_ask()?;
        let asks = vec![ask; self.connections];
        drive(&server, &asks, hyper::StatusCode::from_u16(spec.status)?, span).await
    }

    fn store(&self, bed: &Bed, span: Span) -> anyhow::Result<Option<Figures>> {
        let Some(operation) = self.workload.store.clone() else { return Ok(None) };
        let milliseconds = |span: Duration| u64::try_from(span.as_millis());
        let spec = store::Spec {
            database: self.database(bed)?,
            fixtures: bed.fixtures(self.workload.rules)?,
            operation,
            tasks: u64::try_from(self.connections)?,
            warm_up_ms: milliseconds(span.warm_up)?,
            measured_ms: milliseconds(span.measured)?,
        };
        ask_own("store", &spec).map(Some)
    }

    /// The address of a database as the workload wants it.
    fn database(&self, bed: &Bed) -> anyhow::Result<String> {
        match self.workload.database {
            Database::Memory => Ok("sqlite::memory:".to_owned()),
            Database::Holding(count) => bed.database(count),
            Database::NewFile => {
                for behind in ["", "-wal", "-shm"] {
                    let file = bed.file(&format!("new.db{behind}"));
                    if file.exists() {
                        std::fs::remove_file(file)?;
                    }
                }
                Ok(address(&bed.file("new.db")))
            }
        }
    }

    /// The middle of what was measured.
    pub(crate) fn middle(&self) -> anyhow::Result<Middle> {
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
        Ok(Middle {
            mynah: Figures::median(&mynah)?,
            ceiling: Figures::median(&ceiling)?,
            to_ceiling: median(ratios)?,
            store,
        })
    }

    /// How much longer this one's answers take than `other`'s: the middle of the rounds' ratios.
    pub(crate) fn times_as_slow_as(&self, other: &Self) -> anyhow::Result<f64> {
        let pairs = self.rounds.iter().zip(&other.rounds);
        median(pairs.map(|(own, other)| other.mynah.per_second / own.mynah.per_second))
    }
}
