//! The storage alone: the database operations of a workload's requests, without HTTP.
//!
//! Calls the functions of `mynah::storage` as the server does, from as many tasks as the load has
//! connections, in its own process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use mynah::domain::{Api, Credits};
use mynah::storage::{ConversationFilter, ConversationKey, History, PageWindow, WriteOutcome};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use crate::figures::{Figures, empty_histogram, note};
use crate::seed::{OpenDatabase, conversation_id, new_messages};
use crate::server::Cost;

/// The configuration of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoreSpec {
    /// The URL of the database.
    pub(crate) database: String,
    /// The folder of fixtures that the database is seeded from.
    pub(crate) fixtures: PathBuf,
    /// The repeated operation.
    pub(crate) operation: StoreOperation,
    /// Number of concurrent tasks.
    pub(crate) tasks: u64,
    /// Unmeasured time in milliseconds.
    pub(crate) warm_up_ms: u64,
    /// Measured time in milliseconds.
    pub(crate) measured_ms: u64,
}

/// The database operation of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoreOperation {
    /// Adds a turn; each task has its own conversation.
    Turn,
    /// The charge for a completion.
    Charge,
    /// The first page of the messages of the first conversation.
    Messages,
    /// The first page of conversations with this label.
    List {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

/// Turns of the history that the model is shown.
const HISTORY_TURNS: u64 = 5;
/// The default page.
const PAGE: PageWindow = PageWindow { skip: 0, take: 20 };

/// Runs the [`StoreSpec`] (JSON) from standard input and prints the figures.
pub(crate) fn drive() -> anyhow::Result<()> {
    let spec: StoreSpec = serde_json::from_reader(std::io::stdin())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(run(spec))?;
    crate::print(&serde_json::to_string(&figures)?)
}

async fn run(spec: StoreSpec) -> anyhow::Result<Figures> {
    let opened = Arc::new(OpenDatabase::new(&spec.database, &spec.fixtures).await?);
    if spec.operation == StoreOperation::Turn {
        opened.add_conversations(spec.tasks).await?;
    }
    let begin = Instant::now() + Duration::from_millis(spec.warm_up_ms);
    let end = begin + Duration::from_millis(spec.measured_ms);
    let tasks = (0..spec.tasks).map(|n| {
        let (opened, operation) = (Arc::clone(&opened), spec.operation.clone());
        tokio::spawn(repeat(opened, operation, n, (begin, end)))
    });
    let tasks = try_join_all(tasks.collect::<Vec<_>>());
    let costs = async {
        sleep_until(begin).await;
        let before = Cost::own();
        sleep_until(end).await;
        (before, Cost::own())
    };
    let (tasks, (before, after)) = tokio::join!(tasks, costs);
    let mut latencies = empty_histogram()?;
    for task in tasks? {
        latencies += task?;
    }
    Figures::of(&latencies, end - begin, &before?, &after?)
}

async fn repeat(
    opened: Arc<OpenDatabase>,
    operation: StoreOperation,
    task: u64,
    (begin, end): (Instant, Instant),
) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = empty_histogram()?;
    loop {
        let started = Instant::now();
        if started >= end {
            return Ok(latencies);
        }
        match &operation {
            StoreOperation::Turn => opened.add_turn(task).await?,
            StoreOperation::Charge => opened.charge().await?,
            StoreOperation::Messages => opened.page_of_messages().await?,
            StoreOperation::List { name, value } => opened.page_of(name, value).await?,
        }
        let done = Instant::now();
        if started >= begin && done < end {
            note(&mut latencies, done - started);
        }
    }
}

impl OpenDatabase {
    /// Loads conversation `n` with its latest turns and adds a turn.
    async fn add_turn(&self, n: u64) -> anyhow::Result<()> {
        let (owner, id) = (self.world.row, conversation_id(n));
        let key =
            ConversationKey { owner, api: Api::Runner, id, latest: History::Turns(HISTORY_TURNS) };
        let found = self.storage.load_conversation(key).await?.context("no such conversation")?;
        let ordinal = found.conversation.ordinal;
        let epoch = self.world.epoch();
        let mut ids = epoch.ids.allocation();
        let turn = new_messages(&self.world, &mut ids, ordinal, 1);
        let outcome = self.storage.record_turn(self.scope(&ids), Credits::default(), turn).await?;
        ensure!(outcome == WriteOutcome::Stored, "{outcome:?}");
        Ok(())
    }

    /// Charges the price of a completion and counts its message.
    async fn charge(&self) -> anyhow::Result<()> {
        let epoch = self.world.epoch();
        let mut ids = epoch.ids.allocation();
        ids.message();
        let outcome = self.storage.charge(self.scope(&ids), Credits::from_millionths(1200)).await?;
        ensure!(outcome == WriteOutcome::Stored, "the balance is used up");
        Ok(())
    }

    async fn page_of(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let filter = ConversationFilter {
            deployment: None,
            meta: vec![(name.to_owned(), value.to_owned())],
        };
        let owner = self.world.row;
        let (items, _) = self.storage.list_runner_conversations(owner, filter, PAGE).await?;
        ensure!(!items.is_empty(), "no conversation has the label");
        Ok(())
    }

    async fn page_of_messages(&self) -> anyhow::Result<()> {
        let (owner, id) = (self.world.row, conversation_id(0));
        let page = self.storage.list_messages(owner, Api::Runner, id, PAGE).await?;
        page.context("no such conversation").map(drop)
    }
}
