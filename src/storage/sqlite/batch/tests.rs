//! What is stored together is stored as if each write had come alone.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::DateTime;
use futures::future::join_all;
use sqlx::ConnectOptions as _;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::domain::conversation::{Message, Meta, Target, Variables};
use crate::domain::{Part, Role};
use crate::ids::{AccountId, IdKind, MessageId};
use crate::storage::sqlite::SqliteStorage;
use crate::storage::sqlite::writer::Writer;
use crate::storage::{
    AccountData, AccountUpdate, NewAccountData, NewAccountRecord, PageWindow, Storage as _, Written,
};

/// Conversations that the account has.
const CONVERSATIONS: u64 = 4;
const ALL: PageWindow = PageWindow { skip: 0, take: 100 };

/// A database with one account.
struct Bench {
    storage: SqliteStorage,
    owner: AccountKey,
    /// Ids that were allocated.
    allocated: AtomicU64,
    epoch_ended: CancellationToken,
}

/// A write of the tests: a charge, a turn or both, and its number.
struct Draft(u64, Write);

impl Draft {
    fn paid(mut self, cost: i64) -> Self {
        self.1.cost = Credits::from_millionths(cost);
        self
    }
}

impl Bench {
    async fn new(balance: i64) -> Self {
        Self::at("sqlite::memory:", balance).await
    }

    async fn at(url: &str, balance: i64) -> Self {
        let storage = SqliteStorage::open(url).await.unwrap();
        let owner = account(&storage, balance).await;
        Self { storage, owner, allocated: AtomicU64::new(0), epoch_ended: CancellationToken::new() }
    }

    fn draft(&self) -> Draft {
        let number = self.allocated.fetch_add(1, Ordering::Relaxed) + 1;
        let (owner, epoch_ended) = (self.owner, self.epoch_ended.clone());
        let scope = WriteScope { owner, epoch_ended, made: vec![(IdKind::Message, number)] };
        Draft(number, Write::charge(scope, Credits::default()))
    }

    fn charge(&self, cost: i64) -> Draft {
        self.draft().paid(cost)
    }

    fn turn(&self, conversation: u64) -> Draft {
        let Draft(number, write) = self.draft();
        let message = |role, id: String| Message {
            id: MessageId::from(id),
            role,
            parts: vec![Part::text("said")],
            image: None,
            created_at: DateTime::UNIX_EPOCH,
            aborted: false,
            turn: 1,
        };
        let messages = NewMessages {
            conversation,
            activity: number,
            at: DateTime::UNIX_EPOCH,
            messages: vec![
                message(Role::User, format!("{number} said")),
                message(Role::Assistant, format!("{number} answered")),
            ],
        };
        Draft(number, Write { messages: Some(messages), ..write })
    }

    /// Enqueues all of `drafts` before any is stored; gives the result of each: `stored` with its
    /// number, or why not.
    async fn post(&self, drafts: impl IntoIterator<Item = Draft>) -> Vec<String> {
        join_all(drafts.into_iter().map(|draft| post(&self.storage.writer, draft))).await
    }

    async fn balance(&self) -> i64 {
        self.storage.balance(self.owner).await.unwrap().unwrap().millionths()
    }

    async fn set_balance(&self, balance: i64) {
        let balance = Some(Credits::from_millionths(balance));
        let update = AccountUpdate { balance, ..AccountUpdate::default() };
        self.storage.update_account(self.owner, update, Box::new(|| ())).await.unwrap();
    }

    /// The ids of the messages of `conversation`, in their order.
    async fn messages(&self, conversation: u64) -> Vec<String> {
        let found = self.storage.more_messages(self.owner, conversation, ALL).await.unwrap();
        found.into_iter().map(|message| message.item.unwrap().id.to_string()).collect()
    }

    /// What was committed since `before`.
    fn written_since(&self, before: Written) -> (u64, u64) {
        let now = self.storage.written();
        (now.transactions - before.transactions, now.writes - before.writes)
    }
}

async fn post(writer: &Writer, Draft(number, write): Draft) -> String {
    match writer.write(write).await {
        Ok(WriteOutcome::Stored) => format!("stored {number}"),
        Ok(WriteOutcome::NotCovered) => "not covered".to_owned(),
        Ok(WriteOutcome::Superseded) => "superseded".to_owned(),
        Ok(WriteOutcome::EpochEnded) => "epoch ended".to_owned(),
        Err(StorageError::Statement(_)) => "failed".to_owned(),
        Err(StorageError::NotCommitted(_)) => "not committed".to_owned(),
        Ok(WriteOutcome::TooManyTriggers) => panic!("no trigger is created"),
        Err(error) => panic!("{error:?}"),
    }
}

async fn account(storage: &SqliteStorage, balance: i64) -> AccountKey {
    let key = *storage.allocate_accounts(1).await.unwrap().first().unwrap();
    let balance = Credits::from_millionths(balance);
    let record = NewAccountRecord {
        id: AccountId::from("ours"),
        balance,
        made_from: None,
        api_key: None,
        seed: None,
        ttl: None,
        profile: None,
        plan: None,
        clock: None,
    };
    let conversation = |ordinal| Conversation {
        id: format!("conversation {ordinal}").into(),
        ordinal,
        target: Target::Llm("model".into()),
        name: String::new(),
        meta: Meta::new(),
        variables: Variables::new(),
        system_prompt: String::new(),
        agent: None,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        message_count: 0,
        turn_count: 0,
        run_count: 0,
        completed_at: None,
    };
    let data = AccountData {
        balance,
        made: Vec::new(),
        conversations: (1..=CONVERSATIONS).map(|nth| (conversation(nth), 0, Vec::new())).collect(),
        agents: Vec::new(),
        images: Vec::new(),
        triggers: Vec::new(),
        run_steps: Vec::new(),
    };
    let new = NewAccountData { key, record, data, terms: None, origin: None };
    storage.create_accounts(vec![new], Box::new(|| ())).await.unwrap();
    key
}

#[tokio::test]
async fn what_is_queued_together_is_one_transaction() {
    let bench = Bench::new(1000).await;
    let before = bench.storage.written();
    let drafts = (1..=CONVERSATIONS)
        .flat_map(|nth| [bench.charge(10), bench.turn(nth), bench.turn(nth).paid(1)]);
    let posted = bench.post(drafts.collect::<Vec<_>>()).await;
    let wanted: Vec<String> = (1..=12).map(|nth| format!("stored {nth}")).collect();
    assert_eq!(posted, wanted);
    assert_eq!(bench.written_since(before), (1, 12));
    assert_eq!(bench.balance().await, 1000 - 44);
    let first = ["2 said", "2 answered", "3 said", "3 answered"];
    assert_eq!(bench.messages(1).await, first);
}

#[tokio::test]
async fn every_number_of_them_is_stored_whole() {
    let bench = Bench::new(1000).await;
    for count in 1..=20 {
        let posted = bench.post((0..count).map(|_| bench.turn(1))).await;
        assert!(posted.iter().all(|posted| posted.starts_with("stored")), "{posted:?}");
    }
    let wanted = (1..=210).flat_map(|nth| [format!("{nth} said"), format!("{nth} answered")]);
    assert_eq!(bench.messages(1).await, wanted.take(100).collect::<Vec<_>>());
}

#[tokio::test]
async fn turns_of_one_conversation_take_neighbouring_places_in_the_order_of_the_queue() {
    let bench = Bench::new(0).await;
    bench.post([bench.turn(1), bench.turn(2), bench.turn(1)]).await;
    assert_eq!(bench.messages(1).await, ["1 said", "1 answered", "3 said", "3 answered"]);
    bench.post([bench.turn(1)]).await;
    assert_eq!(bench.messages(1).await.len(), 6);
    assert_eq!(bench.messages(2).await, ["2 said", "2 answered"]);
}

#[tokio::test]
async fn one_that_fails_undoes_itself_and_no_other() {
    let bench = Bench::new(100).await;
    let posted =
        bench.post([bench.charge(30), bench.turn(1), bench.turn(99).paid(50), bench.turn(1)]).await;
    assert_eq!(posted, ["stored 1", "stored 2", "failed", "stored 4"]);
    assert_eq!(bench.balance().await, 70);
    assert_eq!(bench.messages(1).await, ["2 said", "2 answered", "4 said", "4 answered"]);
}

#[tokio::test]
async fn one_that_fails_leaves_its_money_to_those_behind_it() {
    let bench = Bench::new(100).await;
    let nowhere = bench.turn(99).paid(60);
    assert_eq!(bench.post([nowhere, bench.charge(40)]).await, ["failed", "stored 2"]);
    assert_eq!(bench.post([bench.charge(61), bench.charge(60)]).await, ["not covered", "stored 4"]);
    assert_eq!(bench.balance().await, 0);
}

#[tokio::test]
async fn a_balance_pays_for_those_it_covers_in_the_order_of_the_queue() {
    let bench = Bench::new(10).await;
    let posted = bench.post([3, 3, 3, 3, 3].map(|cost| bench.charge(cost))).await;
    let refused = "not covered";
    assert_eq!(posted, ["stored 1", "stored 2", "stored 3", refused, refused]);
    assert_eq!(bench.balance().await, 1);
    bench.set_balance(10).await;
    // What is refused pays nothing; what is behind it may still be covered.
    let posted = bench.post([6, 5, 0, 4, 1].map(|cost| bench.charge(cost))).await;
    assert_eq!(posted, ["stored 6", refused, "stored 8", "stored 9", refused]);
    assert_eq!(bench.balance().await, 0);
}

#[tokio::test]
async fn after_a_reset_in_the_queue_nothing_is_stored_of_what_came_before() {
    let bench = Bench::new(10).await;
    let (ended, balance) = (bench.epoch_ended.clone(), Some(Credits::from_millionths(5)));
    let update = AccountUpdate { balance, ..AccountUpdate::default() };
    let reset = bench.storage.update_account(bench.owner, update, Box::new(move || ended.cancel()));
    let (before, reset, after) = futures::join!(
        bench.post([bench.charge(1), bench.turn(1)]),
        reset,
        bench.post([bench.charge(1), bench.turn(1)]),
    );
    reset.unwrap();
    assert_eq!(before, ["stored 1", "stored 2"]);
    assert_eq!(after, ["epoch ended", "epoch ended"]);
    assert_eq!(bench.balance().await, 5);
    assert_eq!(bench.messages(1).await.len(), 2);
}

#[tokio::test]
async fn a_balance_that_another_process_changed_counts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept.db");
    let bench = Bench::at(&format!("sqlite://{}", file.display()), 100).await;
    bench.post([bench.charge(10)]).await;
    let mut other =
        sqlx::sqlite::SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    other.execute("UPDATE accounts SET balance = 25").await.unwrap();
    let posted = bench.post([bench.charge(20), bench.charge(20)]).await;
    assert_eq!(posted, ["stored 2", "not covered"]);
    other.execute("UPDATE accounts SET balance = 500").await.unwrap();
    assert_eq!(bench.post([bench.charge(400)]).await, ["stored 4"]);
    assert_eq!(bench.balance().await, 100);
    bench.storage.close().await;
}

#[tokio::test]
async fn without_a_transaction_nothing_is_stored_and_all_fail() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("held.db");
    let bench = Bench::at(&format!("sqlite://{}", file.display()), 100).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let impatient = options.clone().busy_timeout(std::time::Duration::ZERO);
    let writer = Writer::start(impatient.connect().await.unwrap(), None, None);
    let mut other = options.connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = futures::join!(post(&writer, bench.charge(10)), post(&writer, bench.turn(1)));
    assert_eq!((&*refused.0, &*refused.1), ("not committed", "not committed"));
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(post(&writer, bench.charge(10)).await, "stored 3");
    assert_eq!((bench.balance().await, bench.messages(1).await.len()), (90, 0));
    writer.close().await;
    bench.storage.close().await;
}
