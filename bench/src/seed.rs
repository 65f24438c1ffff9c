//! Initial data of servers: fixtures with very high limits, and databases that already have
//! conversations.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use mynah::app::AccountState;
use mynah::clock::Stopwatch;
use mynah::config::Config;
use mynah::domain::conversation::{Conversation, Message, Meta, Target, Variables};
use mynah::domain::{Part, Role};
use mynah::fixtures;
use mynah::http::apis::control;
use mynah::ids::{AccountId, ConversationId, IdAllocation, IdKind};
use mynah::server::Server;
use mynah::storage::{NewMessages, Storage, WriteOutcome, WriteScope};
use tempfile::TempDir;

use crate::workloads::Rules;

/// The account that sends the requests.
pub(crate) const ACCOUNT: &str = "demo";
/// Conversations with the same rare label.
pub(crate) const PER_USER: u64 = 20;
/// Conversations stored in one write.
const BATCH: u64 = 1000;
/// Limits that no benchmark reaches.
const NO_LIMIT: &str = "requests_per_minute = 4000000000\nrunner_requests_per_minute = 4000000000";

/// A temporary folder for all files of the servers; removed on drop.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    folder: TempDir,
}

impl WorkFolder {
    /// Creates an empty folder among the system's temporary files.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { folder: TempDir::with_prefix("mynah-bench-")? })
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder with the built-in fixtures, very high limits (requests are counted but never refused) and
    /// the additional `rules`. Created on first use.
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

    /// The URL of a database file with `count` conversations. Created on first use; prints how long that
    /// took.
    pub(crate) fn database(&self, count: u64) -> anyhow::Result<String> {
        let file = self.file(&format!("{count}.db"));
        let url = address(&file);
        if !file.exists() {
            let watch = Stopwatch::start();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(self.fill(&url, count))?;
            let took = watch.elapsed().as_secs_f64();
            crate::progress(&format!(
                "created a database with {count} conversations in {took:.1} s"
            ))?;
        }
        Ok(url)
    }

    async fn fill(&self, url: &str, count: u64) -> anyhow::Result<()> {
        let opened = OpenDatabase::new(url, &self.fixtures(Rules::BuiltIn)?).await?;
        opened.add_conversations(count).await?;
        opened.storage.close().await;
        Ok(())
    }
}

/// The URL of the database in `file`.
pub(crate) fn address(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

/// Rules in the syntax of fixtures.
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

/// A database opened as the server does, and the account that sends the requests.
pub(crate) struct OpenDatabase {
    /// The database.
    pub(crate) storage: Arc<dyn Storage>,
    /// The account.
    pub(crate) world: Arc<AccountState>,
}

impl OpenDatabase {
    /// Opens the database at `url`; a new one is seeded from the fixtures.
    pub(crate) async fn new(url: &str, fixtures: &Path) -> anyhow::Result<Self> {
        let app = Server::build(&config(url, fixtures)).await?;
        let world = app.registry().by_id(&AccountId::from(ACCOUNT)).context("no account")?;
        Ok(Self { storage: Arc::clone(app.storage()), world })
    }

    /// Adds `count` conversations with one turn each.
    pub(crate) async fn add_conversations(&self, count: u64) -> anyhow::Result<()> {
        for begin in (0..count).step_by(usize::try_from(BATCH)?) {
            let added = (begin..count.min(begin + BATCH)).map(|n| self.add_conversation(n));
            try_join_all(added).await?;
        }
        Ok(())
    }

    /// Stores the `n`th conversation: every other one has the label `tier=gold`, and each group of
    /// [`PER_USER`] has its own `userId`.
    async fn add_conversation(&self, n: u64) -> anyhow::Result<()> {
        let now = self.world.clock.now();
        let mut meta = Meta::new();
        meta.insert("userId".to_owned(), format!("user_{}", n / PER_USER).into());
        let tier = if n.is_multiple_of(2) { "gold" } else { "basic" };
        meta.insert("tier".to_owned(), tier.into());
        let epoch = self.world.epoch();
        let mut ids = epoch.ids.allocation();
        let conversation = Conversation {
            id: conversation_id(n),
            ordinal: ids.next(IdKind::Conversation),
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
            run_count: 0,
            completed_at: None,
        };
        // The first one is longer than a page.
        let turns = if n == 0 { 50 } else { 1 };
        let messages = new_messages(&self.world, &mut ids, conversation.ordinal, turns);
        let outcome =
            self.storage.start_conversation(self.scope(&ids), conversation, messages, None).await?;
        ensure!(outcome == WriteOutcome::Stored, "{outcome:?}");
        Ok(())
    }

    /// The scope of a write with these ids.
    pub(crate) fn scope(&self, ids: &IdAllocation<'_>) -> WriteScope {
        let epoch_ended = self.world.epoch().ended().clone();
        WriteScope { owner: self.world.row, epoch_ended, made: ids.highest() }
    }
}

/// The id of the `n`th conversation.
pub(crate) fn conversation_id(n: u64) -> ConversationId {
    format!("00000000-0000-4000-8000-{n:012}").into()
}

/// `turns` turns at the end of conversation `conversation`, each a user's message and its answer.
pub(crate) fn new_messages(
    world: &AccountState,
    ids: &mut IdAllocation<'_>,
    conversation: u64,
    turns: u64,
) -> NewMessages {
    let at = world.clock.now();
    let mut message = |turn, role, text| Message {
        id: ids.message(),
        role,
        parts: vec![Part::text(text)],
        image: None,
        created_at: at,
        aborted: false,
        turn,
    };
    let turn = |turn| {
        let asked = message(turn, Role::User, crate::workloads::NEXT_MESSAGE);
        [asked, message(turn, Role::Assistant, ANSWER)]
    };
    let messages = (1..=turns).flat_map(turn).collect();
    NewMessages { conversation, activity: ids.next(IdKind::Activity), at, messages }
}

/// An answer of realistic length.
const ANSWER: &str =
    "- You said hello and asked for help.\n- I greeted you and asked what you need.";

fn config(url: &str, fixtures: &Path) -> Config {
    Config {
        database: url.to_owned(),
        fixtures: Some(fixtures.to_owned()),
        control: control::ControlAccess::Nobody,
        journal_max: 0,
        ..Config::default()
    }
}
