//! The store by itself: what a request of a workload asks of the database, without HTTP.
//!
//! The same functions of `mynah::storage` are called in the same way as the server calls them, from as many
//! tasks as the load has connections, in a process of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::FutureExt as _;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use mynah::app::World;
use mynah::domain::Credits;
use mynah::domain::conversation::Api;
use mynah::ids::Kind;
use mynah::storage::listing::{self, Filter};
use mynah::storage::{
    self, AccountRow, Drawn, History, Posted, Posting, Sought, WholeTurn, Window, conversations,
    messages,
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use crate::figures::{Figures, empty_histogram, note};
use crate::seed::{Opened, conversation_id, turn};
use crate::server::Cost;

/// What is to be driven.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The database.
    pub(crate) database: String,
    /// The fixtures that it was, or is, begun with.
    pub(crate) fixtures: PathBuf,
    /// What is done again and again.
    pub(crate) operation: Operation,
    /// By how many at once.
    pub(crate) tasks: u64,
    /// Before anything counts, in milliseconds.
    pub(crate) warm_up_ms: u64,
    /// What counts, in milliseconds.
    pub(crate) measured_ms: u64,
}

/// What a request comes to in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Operation {
    /// A further turn of a conversation, one of each task's own.
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

/// The history that the model is shown of a conversation: five turns.
const SHOWN: u64 = 5;
/// Where nobody says otherwise, a page has so many items.
const A_PAGE: Window = Window { skip: 0, take: 20 };

/// Does what standard input says, and prints the figures.
pub(crate) fn drive() -> anyhow::Result<()> {
    let spec: Spec = serde_json::from_reader(std::io::stdin())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(run(spec))?;
    crate::say(&serde_json::to_string(&figures)?)
}

async fn run(spec: Spec) -> anyhow::Result<Figures> {
    let opened = Arc::new(Opened::new(&spec.database, &spec.fixtures).await?);
    if spec.operation == Operation::Turn {
        opened.converse(spec.tasks).await?;
    }
    let begin = Instant::now() + Duration::from_millis(spec.warm_up_ms);
    let end = begin + Duration::from_millis(spec.measured_ms);
    let tasks = (0..spec.tasks).map(|n| {
        let (opened, operation) = (Arc::clone(&opened), spec.operation.clone());
        tokio::spawn(keep_on(opened, operation, n, (begin, end)))
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

async fn keep_on(
    opened: Arc<Opened>,
    operation: Operation,
    task: u64,
    (begin, end): (Instant, Instant),
) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = empty_histogram()?;
    loop {
        let asked = Instant::now();
        if asked >= end {
            return Ok(latencies);
        }
        match &operation {
            Operation::Turn => opened.go_on(task).await?,
            Operation::Charge => opened.charge().await?,
            Operation::Messages => opened.page_of_messages().await?,
            Operation::List { name, value } => opened.page_of(name, value).await?,
        }
        let done = Instant::now();
        if asked >= begin && done < end {
            note(&mut latencies, done - asked);
        }
    }
}

/// What a turn or a completion stores.
struct Entry {
    world: Arc<World>,
    cost: Credits,
    /// The ordinal of the conversation that goes on.
    conversation: Option<u64>,
}

impl Posting for Entry {
    fn owner(&self) -> AccountRow {
        self.world.row
    }

    fn cost(&self) -> Credits {
        self.cost
    }

    fn stands(&self) -> bool {
        true
    }

    fn draw(&mut self) -> Drawn {
        let epoch = self.world.epoch();
        let ids = &epoch.ids;
        let Some(conversation) = self.conversation else {
            ids.message();
            return Drawn { begins: None, turn: None, made: ids.made_each(&[Kind::Message]) };
        };
        let (activity, messages) = (ids.next(Kind::Activity), turn(&self.world));
        let turn = Some(WholeTurn { conversation, activity, messages });
        Drawn { begins: None, turn, made: ids.made_each(&[Kind::Message, Kind::Activity]) }
    }
}

impl Opened {
    /// Reads conversation `n` and its latest turns, and stores a further one.
    async fn go_on(&self, n: u64) -> anyhow::Result<()> {
        let (owner, id) = (self.world.row, conversation_id(n));
        let sought = Sought { owner, api: Api::Runner, id, latest: History::Turns(SHOWN) };
        let found = self.store.find(sought).await?.context("no such conversation")?;
        let world = Arc::clone(&self.world);
        let entry = Entry {
            world,
            cost: Credits::default(),
            conversation: Some(found.conversation.ordinal),
        };
        self.post(entry).await
    }

    async fn post(&self, entry: Entry) -> anyhow::Result<()> {
        let posted = self.store.post(entry).await?;
        ensure!(matches!(posted, Posted::Stored(_)), "the balance is used up");
        Ok(())
    }

    /// Takes a price off the balance, and counts the message that it was for.
    async fn charge(&self) -> anyhow::Result<()> {
        let world = Arc::clone(&self.world);
        let cost = Credits::from_millionths(1200);
        self.post(Entry { world, cost, conversation: None }).await
    }

    async fn page_of(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let filter = Filter { deployment: None, meta: vec![(name.to_owned(), value.to_owned())] };
        let owner = self.world.row;
        let look = storage::act(move |db| {
            async move { listing::conversations(db, owner, &filter, A_PAGE).await }.boxed()
        });
        let (items, _) = self.store.read(look).await?;
        ensure!(!items.is_empty(), "nothing has the label");
        Ok(())
    }

    async fn page_of_messages(&self) -> anyhow::Result<()> {
        let (owner, id) = (self.world.row, conversation_id(0));
        let look = storage::act(move |db| {
            async move {
                let found = conversations::find(db, owner, Api::Runner, &id).await?;
                let Some(found) = found else { return Ok(None) };
                messages::read(db, owner, found.ordinal, A_PAGE).await.map(Some)
            }
            .boxed()
        });
        self.store.read(look).await?.context("no such conversation").map(drop)
    }
}
