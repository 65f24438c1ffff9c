//! Writes about accounts: what is queued together, and what fails.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::domain::Credits;
use crate::storage::sqlite::open;
use crate::storage::{AccountData, AccountKey, NewAccountData, NewAccountRecord, WriteScope};

/// An account whose insertion loses the transaction, as SQLite does by itself when the disk is full.
const LOST: &str = "lost";
const LOSES_THE_TRANSACTION: &str = "CREATE TEMP TRIGGER disk_full AFTER INSERT ON accounts
    WHEN NEW.id = 'lost' BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END";

async fn writer() -> Writer {
    writer_on(SqliteConnectOptions::new().in_memory(true)).await
}

async fn writer_on(options: SqliteConnectOptions) -> Writer {
    let mut connection = options.connect().await.unwrap();
    open::migrate(&mut connection, "a test").await.unwrap();
    connection.execute(LOSES_THE_TRANSACTION).await.unwrap();
    Writer::start(connection, None, None)
}

fn file(folder: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.join("accounts.db"))
        .create_if_missing(true)
        .busy_timeout(std::time::Duration::ZERO)
}

/// Creates accounts with these ids, or none.
fn create(ids: &[&str]) -> AccountWrite {
    let account = |id: &&str| {
        let balance = Credits::default();
        let record = NewAccountRecord {
            id: (*id).into(),
            balance,
            made_from: None,
            api_key: None,
            seed: None,
            ttl: None,
            profile: None,
            plan: None,
            clock: None,
        };
        let (made, conversations, agents, images, triggers, run_steps) = Default::default();
        let data =
            AccountData { balance, made, conversations, agents, images, triggers, run_steps };
        // A number for each id.
        let key = id.bytes().fold(0, |sum, byte| sum * 256 + i64::from(byte));
        NewAccountData { key: AccountKey(key), record, data, terms: None, origin: None }
    };
    AccountWrite::Create(ids.iter().map(account).collect())
}

/// Allocates so many numbers that the list of them panics, after it has stored the latest.
const PANICS: AccountWrite = AccountWrite::Allocate(u64::MAX);

async fn write(writer: &Writer, write: AccountWrite) -> Result<Allocated, StorageError> {
    writer.write_accounts(write, None).await
}

async fn ids(writer: &Writer) -> Vec<String> {
    let all = "SELECT id FROM accounts ORDER BY id";
    let ids = writer
        .read(move |db| async move { Ok(sqlx::query_scalar(all).fetch_all(db).await?) }.boxed());
    ids.await.unwrap()
}

#[tokio::test]
async fn a_write_that_fails_undoes_itself_and_no_other() {
    let writer = writer().await;
    let (one, two, three) = futures::join!(
        write(&writer, create(&["one"])),
        // The second of them exists.
        write(&writer, create(&["two", "one"])),
        write(&writer, create(&["three"])),
    );
    assert!(one.is_ok() && three.is_ok());
    assert!(matches!(two, Err(StorageError::Statement(_))), "{two:?}");
    assert_eq!(ids(&writer).await, ["one", "three"]);
    assert_eq!(writer.written().transactions, 1);
}

#[tokio::test]
async fn a_write_that_panics_undoes_itself_and_the_writer_continues() {
    let writer = writer().await;
    let (one, two, three) = futures::join!(
        write(&writer, create(&["one"])),
        write(&writer, PANICS),
        write(&writer, create(&["three"])),
    );
    assert!(one.is_ok() && three.is_ok());
    assert!(matches!(two, Err(StorageError::Panicked)), "{two:?}");
    assert_eq!(ids(&writer).await, ["one", "three"]);
    let allocated = write(&writer, AccountWrite::Allocate(2)).await.unwrap();
    assert_eq!(allocated, [AccountKey(1), AccountKey(2)]);
}

#[tokio::test]
async fn when_the_transaction_is_lost_its_writes_fail_and_nothing_is_stored() {
    let writer = writer().await;
    let (one, two, three) = futures::join!(
        write(&writer, create(&["one"])),
        write(&writer, create(&[LOST])),
        write(&writer, create(&["three"])),
    );
    assert!(matches!(one, Err(StorageError::NotCommitted(_))), "{one:?}");
    assert!(matches!(two, Err(StorageError::Statement(_))), "{two:?}");
    assert!(three.is_ok(), "{three:?}");
    assert_eq!(ids(&writer).await, ["three"]);
}

#[tokio::test]
async fn without_a_transaction_nothing_runs() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer_on(file(folder.path())).await;
    let mut other = file(folder.path()).connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = write(&writer, create(&["one"])).await;
    assert!(matches!(refused, Err(StorageError::NotCommitted(_))), "{refused:?}");
    other.execute("ROLLBACK").await.unwrap();
    write(&writer, create(&["two"])).await.unwrap();
    assert_eq!(ids(&writer).await, ["two"]);
}

#[tokio::test]
async fn a_write_is_stored_although_its_caller_is_gone() {
    let writer = writer().await;
    let mut one = Box::pin(write(&writer, create(&["one"])));
    assert!(futures::poll!(&mut one).is_pending());
    drop(one);
    // Reads are not queued behind writes, but this is.
    write(&writer, create(&["two"])).await.unwrap();
    assert_eq!(ids(&writer).await, ["one", "two"]);
}

#[tokio::test]
async fn a_read_that_panics_fails_and_the_writer_continues() {
    let writer = writer().await;
    let read = writer.read(|_| -> BoxFuture<'_, Result<(), StorageError>> { panic!("on purpose") });
    assert!(matches!(read.await, Err(StorageError::Panicked)));
    assert_eq!(ids(&writer).await, [""; 0]);
}

#[tokio::test]
async fn nothing_runs_between_a_commit_and_its_publication() {
    let writer = writer().await;
    let owner = AccountKey(1);
    let epoch_ended = CancellationToken::new();
    let scope = WriteScope { owner, epoch_ended: epoch_ended.clone(), made: Vec::new() };
    let committed = Arc::clone(&writer.committed);
    let written = Arc::new(AtomicU64::new(0));
    let noted = Arc::clone(&written);
    let publish = Box::new(move || {
        noted.store(committed.writes.load(Ordering::Relaxed), Ordering::Relaxed);
        epoch_ended.cancel();
    });
    // They are queued together, and would share a transaction otherwise.
    let (replaced, next, of_a_request) = futures::join!(
        writer.write_accounts(create(&["one"]), Some(publish)),
        write(&writer, create(&["two"])),
        writer.write(Write::charge(scope, Credits::default())),
    );
    assert!(replaced.is_ok() && next.is_ok());
    assert_eq!(written.load(Ordering::Relaxed), 1, "only the first was committed");
    assert_eq!(of_a_request.unwrap(), WriteOutcome::EpochEnded, "it saw what was published");
}

#[tokio::test]
async fn nothing_is_published_after_a_write_that_was_not_committed() {
    let writer = writer().await;
    write(&writer, create(&["one"])).await.unwrap();
    for failing in [create(&["one"]), PANICS, create(&[LOST])] {
        let called = Arc::new(AtomicU64::new(0));
        let call = Arc::clone(&called);
        let text = format!("{failing:?}");
        let publish = Box::new(move || call.store(1, Ordering::Relaxed));
        assert!(writer.write_accounts(failing, Some(publish)).await.is_err(), "{text}");
        assert_eq!(called.load(Ordering::Relaxed), 0, "{text}");
        assert_eq!(Arc::strong_count(&called), 1, "dropped: {text}");
    }
}

#[tokio::test]
async fn a_publication_that_panics_fails_its_write_only() {
    let writer = writer().await;
    let publish: Publish = Box::new(|| panic!("on purpose"));
    let published = writer.write_accounts(create(&["one"]), Some(publish)).await;
    assert!(matches!(published, Err(StorageError::Panicked)), "{published:?}");
    write(&writer, create(&["two"])).await.unwrap();
    assert_eq!(ids(&writer).await, ["one", "two"]);
}
