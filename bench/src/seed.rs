//! What servers find when they start: fixtures without a limit in the way, and databases that hold
//! something already.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use futures::FutureExt as _;
use mynah::app::World;
use mynah::clock::Stopwatch;
use mynah::domain::conversation::{Conversation, Message, Meta, Target, Variables, number_turns};
use mynah::domain::{Part, Role};
use mynah::fixtures;
use mynah::http::apis::control;
use mynah::ids::{AccountId, ConversationId, Kind};
use mynah::server::{App, Config};
use mynah::storage::{self, Connection, Store, StoreError, accounts, conversations, messages};
use tempfile::TempDir;

use crate::workloads::Rules;

/// The account that asks.
pub(crate) const ACCOUNT: &str = "demo";
/// Conversations that have the same rare label.
pub(crate) const TOGETHER: u64 = 20;
/// Conversations that one act of the store makes.
const A_BATCH: u64 = 1000;
/// Requests a minute that no benchmark comes to.
const NO_LIMIT: &str = "requests_per_minute = 4000000000\nrunner_requests_per_minute = 4000000000";

/// A folder for everything that servers read and write; it goes with this.
#[derive(Debug)]
pub(crate) struct Bed {
    folder: TempDir,
}

impl Bed {
    /// An empty one, where the system has its temporary files.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { folder: TempDir::with_prefix("mynah-bench-")? })
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder of the built-in fixtures whose plans have limits that nobody reaches, so that
    /// every request is counted and none refused, and with `rules` besides. Made when first asked for.
    pub(crate) fn fixtures(&self, rules: Rules) -> anyhow::Result<PathBuf> {
        let folder = self.file(&format!("fixtures-{rules:?}"));
        if folder.exists() {
            return Ok(folder);
        }
        fixtures::export(&folder)?;
        let accounts = folder.join("accounts.toml");
        let text = std::fs::read_to_string(&accounts)?;
        let unlimited = text.replace("requests_per_minute = 100\n", &format!("{NO_LIMIT}\n"));
        ensure!(text != unlimited, "the plan of the built-in fixtures is not found");
        std::fs::write(&accounts, unlimited)?;
        std::fs::write(folder.join("a-bench.toml"), text_of(rules)?)?;
        Ok(folder)
    }

    /// The address of a database file that holds `count` conversations. Made when first asked for;
    /// tells on standard error how long that took.
    pub(crate) fn database(&self, count: u64) -> anyhow::Result<String> {
        let file = self.file(&format!("{count}.db"));
        let url = address(&file);
        if !file.exists() {
            let watch = Stopwatch::start();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(self.fill(&url, count))?;
            let took = watch.elapsed().as_secs_f64();
            crate::tell(&format!("a database with {count} conversations, made in {took:.1} s"))?;
        }
        Ok(url)
    }

    async fn fill(&self, url: &str, count: u64) -> anyhow::Result<()> {
        let opened = Opened::new(url, &self.fixtures(Rules::BuiltIn)?).await?;
        opened.converse(count).await?;
        opened.store.close().await;
        Ok(())
    }
}

/// The address of the database in `file`.
pub(crate) fn address(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

/// Rules as fixtures write them.
fn text_of(rules: Rules) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for n in 0..rules.count() {
        let reply = format!("reply = [{{ text = \"Answer number {n}.\" }}]");
        match rules {
            Rules::BuiltIn => {}
            Rules::ByText(_) => {
                let equals = Rules::question(n);
                writeln!(text, "[[rule]]\nwhen = {{ equals = \"{equals}\" }}\n{reply}\n")?;
            }
            Rules::ByDeployment(_) => {
                let id = Rules::deployment(n);
                writeln!(text, "[[deployment]]\nid = \"{id}\"\naccount = \"{ACCOUNT}\"")?;
                writeln!(text, "model = \"deepseek-chat\"\n")?;
                writeln!(text, "[[rule]]\nwhen = {{ deployment = \"{id}\" }}\n{reply}\n")?;
            }
        }
    }
    Ok(text)
}

/// A database opened as the server opens it, and the account that asks.
pub(crate) struct Opened {
    /// The database.
    pub(crate) store: Store,
    /// The account.
    pub(crate) world: Arc<World>,
}

impl Opened {
    /// Opens the database at `url`, with what every account starts with.
    pub(crate) async fn new(url: &str, fixtures: &Path) -> anyhow::Result<Self> {
        let app = App::build(&config(url, fixtures)).await?;
        let world = app.worlds().by_id(&AccountId::from(ACCOUNT)).context("no account")?;
        Ok(Self { store: app.store().clone(), world })
    }

    /// Makes `count` conversations of one turn each.
    pub(crate) async fn converse(&self, count: u64) -> anyhow::Result<()> {
        for begin in (0..count).step_by(usize::try_from(A_BATCH)?) {
            let (world, end) = (Arc::clone(&self.world), count.min(begin + A_BATCH));
            let act = storage::act(move |db| {
                async move {
                    for n in begin..end {
                        conversation(db, &world, n).await?;
                    }
                    accounts::save_counters(db, world.row, &world.epoch().ids, &Kind::ALL).await
                }
                .boxed()
            });
            self.store.write(act).await?;
        }
        Ok(())
    }
}

/// The id of the `n`th conversation.
pub(crate) fn conversation_id(n: u64) -> ConversationId {
    format!("00000000-0000-4000-8000-{n:012}").into()
}

/// Stores the `n`th conversation: every other one has the label `tier=gold`, and
/// [`TOGETHER`] neighbours have a `userId` of their own.
async fn conversation(db: &mut Connection, world: &World, n: u64) -> Result<(), StoreError> {
    let now = world.clock.now();
    let mut meta = Meta::new();
    meta.insert("userId".to_owned(), format!("user_{}", n / TOGETHER).into());
    let tier = if n.is_multiple_of(2) { "gold" } else { "basic" };
    meta.insert("tier".to_owned(), tier.into());
    let conversation = Conversation {
        id: conversation_id(n),
        ordinal: world.epoch().ids.next(Kind::Conversation),
        target: Target::Deployment("YOUR_DEPLOYMENT_ID".into()),
        name: "Hello! I need help with my order".to_owned(),
        meta,
        variables: Variables::new(),
        system_prompt: String::new(),
        agent: None,
        created_at: now,
        updated_at: now,
        message_count: 0,
        turn_count: 0,
    };
    conversations::insert(db, world.row, &conversation, 0).await?;
    let activity = world.epoch().ids.next(Kind::Activity);
    // The first one is as long as a page and more.
    let turns = if n == 0 { 50 } else { 1 };
    let mut said: Vec<Message> = (0..turns).flat_map(|_| turn(world)).collect();
    number_turns(&mut said);
    messages::append(db, world.row, conversation.ordinal, &said, activity).await
}

/// A user's message and its answer.
pub(crate) fn turn(world: &World) -> Vec<Message> {
    let message = |role, text| Message {
        id: world.epoch().ids.message(),
        role,
        parts: vec![Part::text(text)],
        image: None,
        created_at: world.clock.now(),
        aborted: false,
        turn: 0,
    };
    vec![message(Role::User, crate::workloads::GOING_ON), message(Role::Assistant, ANSWER)]
}

/// An answer of the length that such questions get.
const ANSWER: &str =
    "- You said hello and asked for help.\n- I greeted you and asked what you need.";

fn config(url: &str, fixtures: &Path) -> Config {
    Config {
        database: url.to_owned(),
        fixtures: Some(fixtures.to_owned()),
        control: control::Access::Nobody,
        journal_max: 0,
        ..Config::default()
    }
}
