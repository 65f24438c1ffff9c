//! Jobs for the writer that are functions over its connection.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::Executor as _;
use tokio::sync::oneshot;

use super::Connection;
use crate::storage::{Publish, StoreError};

/// A function in the writer's queue.
pub(super) trait Job: Send {
    /// Runs on `connection`, inside a transaction if it writes.
    fn run<'a>(&'a mut self, connection: &'a mut Connection) -> BoxFuture<'a, JobOutcome>;

    /// Whether something is to be published right after its commit. Then it is the last job of its
    /// transaction.
    fn ends_transaction(&self) -> bool;

    /// Answers the caller, given how the job's transaction ended.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// Whether what a job did is to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobOutcome {
    Succeeded,
    Failed,
}

/// A job and its caller.
pub(super) struct PendingJob<F, T> {
    /// `None` once it runs.
    function: Option<F>,
    /// Its result, kept until the commit; `None` if it did not run to its end.
    result: Option<Result<T, StoreError>>,
    publish: Option<Publish>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> PendingJob<F, T> {
    pub(super) fn new(
        function: F,
        publish: Option<Publish>,
        answer: oneshot::Sender<Result<T, StoreError>>,
    ) -> Self {
        Self { function: Some(function), result: None, publish, answer }
    }
}

impl<F, T> Job for PendingJob<F, T>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>> + Send,
{
    fn run<'a>(&'a mut self, connection: &'a mut Connection) -> BoxFuture<'a, JobOutcome> {
        Box::pin(async move {
            let Some(function) = self.function.take() else { return JobOutcome::Failed };
            let result = function(connection).await;
            let outcome = if result.is_ok() { JobOutcome::Succeeded } else { JobOutcome::Failed };
            self.result = Some(result);
            outcome
        })
    }

    fn ends_transaction(&self) -> bool {
        self.publish.is_some()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, publish, answer, .. } = *self;
        let result = match result {
            Some(Err(error)) => Err(error),
            Some(Ok(value)) => committed.and_then(|()| publish_with(publish, value)),
            // It did not run, or panicked.
            None => Err(committed.err().unwrap_or(StoreError::Panicked)),
        };
        // The caller may be gone; what is stored stays stored.
        let _ = answer.send(result);
    }
}

/// Calls `publish`; a panic in it fails this job only.
fn publish_with<T>(publish: Option<Publish>, value: T) -> Result<T, StoreError> {
    let Some(publish) = publish else { return Ok(value) };
    std::panic::catch_unwind(AssertUnwindSafe(publish)).map_err(|_| StoreError::Panicked)?;
    Ok(value)
}

/// Runs `job`; a panic in it fails this job only.
pub(super) async fn run_caught(job: &mut dyn Job, connection: &mut Connection) -> JobOutcome {
    AssertUnwindSafe(job.run(connection)).catch_unwind().await.unwrap_or(JobOutcome::Failed)
}

/// A transaction in which each job can be undone alone, by its savepoint. A savepoint is released by
/// the statement that sets the next one or commits, since each statement is a trip to the
/// connection's thread.
pub(super) struct Transaction<'c> {
    connection: &'c mut Connection,
    /// How many jobs it holds; it begins with the first.
    jobs: usize,
    /// An error means that the transaction is lost: SQLite rolls some back by itself (when the disk
    /// is full, for example), and later statements would commit by themselves.
    state: Result<(), sqlx::Error>,
}

impl<'c> Transaction<'c> {
    pub(super) fn new(connection: &'c mut Connection) -> Self {
        Self { connection, jobs: 0, state: Ok(()) }
    }

    /// How many jobs it holds.
    pub(super) fn jobs(&self) -> usize {
        self.jobs
    }

    /// Whether there is still a transaction.
    pub(super) fn is_open(&self) -> bool {
        self.state.is_ok()
    }

    /// Sets the savepoint of one more job; tells whether there is still a transaction for it.
    pub(super) async fn begin_job(&mut self) -> bool {
        let begin = match self.jobs {
            0 => "BEGIN IMMEDIATE; SAVEPOINT job",
            _ => "RELEASE job; SAVEPOINT job",
        };
        self.execute(begin).await;
        if self.is_open() {
            self.jobs += 1;
        }
        self.is_open()
    }

    /// Runs the job whose savepoint was set last.
    pub(super) async fn run(&mut self, job: &mut dyn Job) {
        if self.is_open() && run_caught(job, self.connection).await == JobOutcome::Failed {
            self.execute("ROLLBACK TO job").await;
        }
    }

    /// Commits, or rolls everything back.
    pub(super) async fn end(mut self) -> Result<(), sqlx::Error> {
        if self.jobs > 0 {
            self.execute("RELEASE job; COMMIT").await;
        }
        if !self.is_open() {
            let _ = self.connection.execute("ROLLBACK").await;
        }
        self.state
    }

    async fn execute(&mut self, statements: &'static str) {
        if self.state.is_ok() {
            self.state = self.connection.execute(statements).await.map(drop);
        }
    }
}
