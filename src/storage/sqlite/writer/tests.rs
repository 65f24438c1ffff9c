//! Jobs: what is queued together, and what fails.

use futures::FutureExt as _;
use sqlx::{ConnectOptions as _, Executor as _};
use sqlx::sqlite::SqliteConnectOptions;

use super::*;

async fn writer() -> Writer {
    let options = SqliteConnectOptions::new().in_memory(true);
    let mut connection = options.connect().await.unwrap();
    connection.execute("CREATE TABLE words (word TEXT NOT NULL)").await.unwrap();
    Writer::start(connection, None, None)
}

/// Writes a word, and then does what `then` says.
async fn write(writer: &Writer, word: &'static str, then: &'static str) -> Result<(), StoreError> {
    writer
        .run(move |db| {
            async move {
                sqlx::query("INSERT INTO words VALUES ($1)").bind(word).execute(&mut *db).await?;
                match then {
                    "ends" => Ok(()),
                    "fails" => Err(StoreError::Closed),
                    "panics" => panic!("a fault of ours"),
                    sql => Ok(db.execute(sql).await.map(drop)?),
                }
            }
            .boxed()
        })
        .await
}

async fn words(writer: &Writer) -> Vec<String> {
    let all = "SELECT word FROM words ORDER BY word";
    let words = writer
        .run(move |db| async move { Ok(sqlx::query_scalar(all).fetch_all(db).await?) }.boxed());
    words.await.unwrap()
}

#[tokio::test]
async fn a_job_that_fails_undoes_itself_and_no_other() {
    let writer = writer().await;
    let (one, two, three) = futures::join!(
        write(&writer, "one", "ends"),
        write(&writer, "two", "fails"),
        write(&writer, "three", "ends"),
    );
    assert!(one.is_ok() && three.is_ok());
    assert!(matches!(two, Err(StoreError::Closed)), "{two:?}");
    assert_eq!(words(&writer).await, ["one", "three"]);
}

#[tokio::test]
async fn a_job_that_panics_undoes_itself_and_the_writer_continues() {
    let writer = writer().await;
    let (one, two, three) = futures::join!(
        write(&writer, "one", "ends"),
        write(&writer, "two", "panics"),
        write(&writer, "three", "ends"),
    );
    assert!(one.is_ok() && three.is_ok());
    assert!(matches!(two, Err(StoreError::Panicked)), "{two:?}");
    assert_eq!(words(&writer).await, ["one", "three"]);
}

#[tokio::test]
async fn when_the_transaction_is_lost_its_jobs_fail_and_nothing_is_stored() {
    let writer = writer().await;
    let (one, two, three) = futures::join!(
        write(&writer, "one", "ends"),
        // As SQLite does by itself when the disk is full.
        write(&writer, "two", "ROLLBACK"),
        write(&writer, "three", "ends"),
    );
    assert!(matches!(one, Err(StoreError::NotCommitted(_))), "{one:?}");
    assert!(matches!(two, Err(StoreError::NotCommitted(_))), "{two:?}");
    assert!(three.is_ok(), "{three:?}");
    assert_eq!(words(&writer).await, ["three"]);
}

#[tokio::test]
async fn without_a_transaction_nothing_runs() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("words.db"))
        .create_if_missing(true)
        .busy_timeout(std::time::Duration::ZERO);
    let mut other = options.connect().await.unwrap();
    other.execute("CREATE TABLE words (word TEXT NOT NULL)").await.unwrap();
    let writer = Writer::start(options.connect().await.unwrap(), None, None);
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = write(&writer, "one", "ends").await;
    assert!(matches!(refused, Err(StoreError::NotCommitted(_))), "{refused:?}");
    other.execute("ROLLBACK").await.unwrap();
    write(&writer, "two", "ends").await.unwrap();
    assert_eq!(words(&writer).await, ["two"]);
}

#[tokio::test]
async fn a_job_is_stored_although_its_caller_is_gone() {
    let writer = writer().await;
    let mut one = Box::pin(write(&writer, "one", "ends"));
    assert!(futures::poll!(&mut one).is_pending());
    drop(one);
    assert_eq!(words(&writer).await, ["one"]);
}

#[tokio::test]
async fn nothing_runs_between_a_commit_and_its_publication() {
    let writer = writer().await;
    let begun = Arc::new(AtomicU64::new(0));
    let (set, seen) = (Arc::clone(&begun), Arc::clone(&begun));
    let replace = writer.run_then(
        |db| {
            async move {
                sqlx::query("INSERT INTO words VALUES ('one')").execute(&mut *db).await?;
                Ok(())
            }
            .boxed()
        },
        Some(Box::new(move || set.store(1, Ordering::Relaxed))),
    );
    // They are queued together, and would share a transaction otherwise.
    let next = writer.run(move |_| async move { Ok(seen.load(Ordering::Relaxed)) }.boxed());
    let (replaced, next) = futures::join!(replace, next);
    assert!(replaced.is_ok());
    assert_eq!(next.unwrap(), 1, "the job behind it saw what was published");
}

#[tokio::test]
async fn nothing_is_published_after_a_job_that_was_not_committed() {
    let writer = writer().await;
    for then in ["fails", "panics", "ROLLBACK"] {
        let called = Arc::new(AtomicU64::new(0));
        let call = Arc::clone(&called);
        let act = writer.run_then(
            move |db| {
                async move {
                    match then {
                        "fails" => Err(StoreError::Closed),
                        "panics" => panic!("a fault of ours"),
                        sql => Ok(db.execute(sql).await.map(drop)?),
                    }
                }
                .boxed()
            },
            Some(Box::new(move || call.store(1, Ordering::Relaxed))),
        );
        assert!(act.await.is_err(), "{then}");
        assert_eq!(called.load(Ordering::Relaxed), 0, "{then}");
    }
}
