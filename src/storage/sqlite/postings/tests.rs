//! What is stored together is stored as if each had come by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chrono::DateTime;
use futures::FutureExt as _;
use futures::future::join_all;
use sqlx::ConnectOptions as _;

use super::*;
use crate::domain::conversation::{Conversation, Meta, Part, Role, Target, Variables};
use crate::ids::{AccountId, MessageId};
use crate::storage::sqlite::queries::{accounts, conversations, messages};
use crate::storage::sqlite::writer::Writer;
use crate::storage::{NewAccountRecord, PageWindow, Store, Written};

/// Conversations that the account has.
const CONVERSATIONS: u64 = 4;
const ALL: PageWindow = PageWindow { skip: 0, take: 100 };

/// A store with one account.
struct Bench {
    store: Store,
    owner: AccountKey,
    /// Ids that were drawn.
    drawn: Arc<AtomicU64>,
    /// Whether postings stand.
    stands: Arc<AtomicBool>,
}

/// A posting of the tests.
struct Draft {
    owner: AccountKey,
    cost: i64,
    conversation: Option<u64>,
    panics: bool,
    drawn: Arc<AtomicU64>,
    stands: Arc<AtomicBool>,
    /// The number of its id.
    number: u64,
}

impl Posting for Draft {
    fn owner(&self) -> AccountKey {
        self.owner
    }

    fn cost(&self) -> Credits {
        Credits::from_millionths(self.cost)
    }

    fn stands(&self) -> bool {
        self.stands.load(Ordering::Relaxed)
    }

    fn draw(&mut self) -> Drawn {
        assert!(!self.panics, "a fault of ours");
        self.number = self.drawn.fetch_add(1, Ordering::Relaxed) + 1;
        let message = |role, id: String| Message {
            id: MessageId::from(id),
            role,
            parts: vec![Part::text("said")],
            image: None,
            created_at: DateTime::UNIX_EPOCH,
            aborted: false,
            turn: 0,
        };
        let turn = self.conversation.map(|conversation| WholeTurn {
            conversation,
            activity: self.number,
            messages: vec![
                message(Role::User, format!("{} said", self.number)),
                message(Role::Assistant, format!("{} answered", self.number)),
            ],
        });
        Drawn { begins: None, turn, made: vec![(IdKind::Message, self.number)] }
    }
}

impl Bench {
    async fn new(balance: i64) -> Self {
        Self::at("sqlite::memory:", balance).await
    }

    async fn at(url: &str, balance: i64) -> Self {
        let store = Store::open(url).await.unwrap();
        let act = super::super::act(move |db| async move { account(db, balance).await }.boxed());
        let owner = store.write(act).await.unwrap();
        let (drawn, stands) = (Arc::default(), Arc::new(AtomicBool::new(true)));
        Self { store, owner, drawn, stands }
    }

    fn draft(&self) -> Draft {
        Draft {
            owner: self.owner,
            cost: 0,
            conversation: None,
            panics: false,
            drawn: Arc::clone(&self.drawn),
            stands: Arc::clone(&self.stands),
            number: 0,
        }
    }

    fn charge(&self, cost: i64) -> Draft {
        Draft { cost, ..self.draft() }
    }

    fn turn(&self, conversation: u64) -> Draft {
        Draft { conversation: Some(conversation), ..self.draft() }
    }

    /// Queues up all of `drafts` before any is stored; gives what became of each: `stored` with
    /// the number of its id, or why not.
    async fn post(&self, drafts: impl IntoIterator<Item = Draft>) -> Vec<String> {
        let posted = join_all(drafts.into_iter().map(|draft| self.store.post(draft))).await;
        posted.into_iter().map(named).collect()
    }

    async fn balance(&self) -> i64 {
        let owner = self.owner;
        let look = super::super::act(move |db| accounts::balance(db, owner).boxed());
        self.store.read(look).await.unwrap().unwrap().millionths()
    }

    async fn set_balance(&self, balance: i64) {
        let (owner, balance) = (self.owner, Credits::from_millionths(balance));
        let act = super::super::act(move |db| accounts::set_balance(db, owner, balance).boxed());
        self.store.write(act).await.unwrap();
    }

    /// The ids of the messages of `conversation`, in their places.
    async fn messages(&self, conversation: u64) -> Vec<String> {
        let owner = self.owner;
        let look =
            super::super::act(move |db| messages::read(db, owner, conversation, ALL).boxed());
        let found = self.store.read(look).await.unwrap();
        found.into_iter().map(|message| message.id.to_string()).collect()
    }

    /// What was committed since this was asked last.
    fn written_since(&self, before: Written) -> (u64, u64) {
        let now = self.store.written();
        (now.transactions - before.transactions, now.writes - before.writes)
    }
}

fn named(posted: Result<Posted<Draft>, StoreError>) -> String {
    match posted {
        Ok(Posted::Stored(draft)) => format!("stored {}", draft.number),
        Ok(Posted::NotCovered) => "not covered".to_owned(),
        Ok(Posted::Outdated) => "outdated".to_owned(),
        Err(StoreError::Statement(_)) => "failed".to_owned(),
        Err(StoreError::Panicked) => "panicked".to_owned(),
        Err(fault) => panic!("{fault:?}"),
    }
}

async fn account(db: &mut Connection, balance: i64) -> Result<AccountKey, StoreError> {
    let (owner, _) = accounts::next(db).await?;
    let new = NewAccountRecord {
        id: AccountId::from("ours"),
        balance: Credits::from_millionths(balance),
        made_from: None,
        api_key: None,
        seed: None,
        ttl: None,
        plan: None,
        clock: None,
    };
    accounts::insert(db, owner, &new).await?;
    for ordinal in 1..=CONVERSATIONS {
        let conversation = Conversation {
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
        };
        conversations::insert(db, owner, &conversation, 0).await?;
    }
    Ok(owner)
}

#[tokio::test]
async fn what_has_queued_up_is_one_transaction() {
    let bench = Bench::new(1000).await;
    let before = bench.store.written();
    let drafts = (1..=CONVERSATIONS).flat_map(|nth| {
        let paid = Draft { cost: 1, ..bench.turn(nth) };
        [bench.charge(10), bench.turn(nth), paid]
    });
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
async fn one_that_fails_undoes_itself_and_no_neighbour() {
    let bench = Bench::new(100).await;
    let nowhere = Draft { cost: 50, ..bench.turn(99) };
    let posted = bench.post([bench.charge(30), bench.turn(1), nowhere, bench.turn(1)]).await;
    assert_eq!(posted, ["stored 1", "stored 2", "failed", "stored 4"]);
    assert_eq!(bench.balance().await, 70);
    assert_eq!(bench.messages(1).await, ["2 said", "2 answered", "4 said", "4 answered"]);
}

#[tokio::test]
async fn one_that_fails_leaves_its_money_to_those_behind_it() {
    let bench = Bench::new(100).await;
    let nowhere = Draft { cost: 60, ..bench.turn(99) };
    assert_eq!(bench.post([nowhere, bench.charge(40)]).await, ["failed", "stored 2"]);
    assert_eq!(bench.post([bench.charge(61), bench.charge(60)]).await, ["not covered", "stored 3"]);
    assert_eq!(bench.balance().await, 0);
}

#[tokio::test]
async fn one_that_panics_pays_nothing_and_stores_nothing() {
    let bench = Bench::new(100).await;
    let ours = Draft { cost: 60, panics: true, ..bench.turn(1) };
    let posted = bench.post([bench.turn(1), ours, bench.charge(100)]).await;
    assert_eq!(posted, ["stored 1", "panicked", "stored 2"]);
    assert_eq!(bench.messages(1).await, ["1 said", "1 answered"]);
}

#[tokio::test]
async fn a_balance_pays_for_those_it_covers_in_the_order_of_the_queue() {
    let bench = Bench::new(10).await;
    let posted = bench.post([3, 3, 3, 3, 3].map(|cost| bench.charge(cost))).await;
    let refused = "not covered";
    assert_eq!(posted, ["stored 1", "stored 2", "stored 3", refused, refused]);
    assert_eq!(bench.balance().await, 1);
    bench.set_balance(10).await;
    // Who is refused draws no id and pays nothing; who comes behind may still be covered.
    let posted = bench.post([6, 5, 0, 4, 1].map(|cost| bench.charge(cost))).await;
    assert_eq!(posted, ["stored 4", refused, "stored 5", "stored 6", refused]);
    assert_eq!(bench.balance().await, 0);
}

#[tokio::test]
async fn after_a_reset_in_the_queue_nothing_is_stored_of_what_came_before() {
    let bench = Bench::new(10).await;
    let stands = Arc::clone(&bench.stands);
    let owner = bench.owner;
    let reset = super::super::act(move |db| {
        async move {
            stands.store(false, Ordering::Relaxed);
            accounts::set_balance(db, owner, Credits::from_millionths(5)).await
        }
        .boxed()
    });
    let (before, reset, after) = futures::join!(
        bench.post([bench.charge(1), bench.turn(1)]),
        bench.store.write(reset),
        bench.post([bench.charge(1), bench.turn(1)]),
    );
    reset.unwrap();
    assert_eq!(before, ["stored 1", "stored 2"]);
    assert_eq!(after, ["outdated", "outdated"]);
    assert_eq!(bench.balance().await, 5);
    assert_eq!(bench.messages(1).await.len(), 2);
}

#[tokio::test]
async fn a_balance_that_somebody_else_has_changed_is_read_anew() {
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
    bench.store.close().await;
}

#[tokio::test]
async fn without_a_transaction_nothing_is_stored_and_all_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("held.db");
    let bench = Bench::at(&format!("sqlite://{}", file.display()), 100).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let impatient = options.clone().busy_timeout(std::time::Duration::ZERO);
    let writer = Writer::start(impatient.connect().await.unwrap(), None, None);
    let mut other = options.connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = futures::join!(writer.post(bench.charge(10)), writer.post(bench.turn(1)));
    assert!(matches!(refused.0, Err(StoreError::NotCommitted(_))));
    assert!(matches!(refused.1, Err(StoreError::NotCommitted(_))));
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(named(writer.post(bench.charge(10)).await), "stored 3");
    assert_eq!((bench.balance().await, bench.messages(1).await.len()), (90, 0));
    writer.close().await;
    bench.store.close().await;
}
