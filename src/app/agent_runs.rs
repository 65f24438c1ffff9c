//! Agent runs: a message is answered, or the model calls tools of the client, which then resumes the run
//! with their results (agents-and-triggers.md, 1.4 to 1.7).
//!
//! A step is stored with its messages in one write. The primary key of steps decides between requests
//! that advance a run at the same time; the lock of the conversation keeps them from asking the model twice.

mod error;
mod locks;
mod new_step;

use std::fmt;
use std::sync::Arc;

pub use self::error::RunError;
use self::locks::ConversationLocks;
use self::new_step::StepDraft;
use super::Generation;
use super::accounts::{AccountSession, AccountState};
use super::auth::Caller;
use super::generation::runner::{FirstMessage, RunRequest};
pub use super::run_state::BusyError;
use super::run_state::{check_idle, current_step};
use crate::domain::Api;
use crate::domain::Part;
use crate::domain::agent_run::{
    ClientCapability, RunStatus, RunStep, ToolContext, ToolResult, match_results,
};
use crate::domain::conversation::{Conversation, Meta};
use crate::domain::error::InternalError;
use crate::fixtures::FixtureHandle;
use crate::ids::{ConversationId, RunId};
use crate::storage::{AccountKey, FoundCall, HistoryPage, LargeReadPermit, PageWindow, Storage};
pub use crate::storage::{HistoryCall, HistoryItem, HistoryPosition, StoredRun};

/// The most runs of a list.
pub const MOST_LISTED: u64 = 100;
/// How many earlier turns the model is shown of a run that is resumed in the client's place.
const HISTORY_LIMIT: u64 = 5;

/// The use cases of agent runs.
#[derive(Clone)]
pub struct AgentRuns {
    storage: Arc<dyn Storage>,
    generation: Generation,
    fixtures: FixtureHandle,
    /// By account and ordinal of the conversation.
    locks: ConversationLocks<(AccountKey, u64)>,
}

/// A run of a new conversation.
#[derive(Debug)]
pub struct StartRun {
    /// The message, variables and trigger. Without parts, the trigger's content is the message.
    pub request: RunRequest,
    /// The client's labels.
    pub meta: Meta,
    /// The tools that the client offers.
    pub capabilities: Vec<ClientCapability>,
}

/// A message to an existing conversation.
#[derive(Debug)]
pub struct ContinueRun {
    /// The conversation.
    pub conversation: ConversationId,
    /// The message.
    pub parts: Vec<Part>,
    /// How many earlier turns the model is shown.
    pub history_limit: u64,
    /// The tools that the client offers; `None` for those of the run before.
    pub capabilities: Option<Vec<ClientCapability>>,
}

/// Results of the client's tools.
#[derive(Debug)]
pub struct ResumeRun {
    /// The conversation whose latest run waits.
    pub conversation: ConversationId,
    /// The results.
    pub results: Vec<ToolResult>,
    /// How many earlier turns the model is shown.
    pub history_limit: u64,
    /// The tools that the client offers; `None` for those of the step before.
    pub capabilities: Option<Vec<ClientCapability>>,
}

/// A recorded step, and the conversation after it.
#[derive(Debug)]
pub struct RecordedStep {
    /// The conversation.
    pub conversation: Conversation,
    /// The step.
    pub step: RunStep,
}

/// A page of a conversation's history.
#[derive(Debug)]
pub struct ConversationHistory {
    /// The conversation.
    pub conversation: Conversation,
    /// The latest step of its latest run.
    pub step: Option<RunStep>,
    /// The items.
    pub page: HistoryPage,
    /// Held until the response is built.
    pub permit: LargeReadPermit,
}

impl fmt::Debug for AgentRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentRuns").finish_non_exhaustive()
    }
}

impl AgentRuns {
    /// Runs of the deployments in `fixtures`, kept in `storage` and answered by `generation`.
    pub fn new(storage: Arc<dyn Storage>, generation: Generation, fixtures: FixtureHandle) -> Self {
        Self { storage, generation, fixtures, locks: ConversationLocks::default() }
    }

    /// Starts a conversation with a run.
    pub async fn start(&self, caller: &Caller, start: StartRun) -> Result<RecordedStep, RunError> {
        let StartRun { request, meta, capabilities } = start;
        let FirstMessage { pending, trigger } =
            self.generation.first_message(caller, request, meta.clone()).await?;
        let pending = pending.with_tools(ToolContext { capabilities, resolved: Vec::new() });
        let draft = StepDraft::of_run(caller, None, pending);
        let outcome = self.generation.run_outcome(&caller.session, draft.pending()).await?;
        draft.record_first(&*self.storage, trigger, meta, outcome).await
    }

    /// Continues a conversation with a further run.
    pub async fn continue_run(
        &self,
        caller: &Caller,
        message: ContinueRun,
    ) -> Result<RecordedStep, RunError> {
        let ContinueRun { conversation: id, parts, history_limit, capabilities } = message;
        let found = self.find(caller, &id).await?;
        let key = (caller.session.row, found.ordinal);
        let Some(_guard) = self.locks.try_lock(key) else {
            return Err(BusyError::RunInProgress.into());
        };
        let latest = current_step(&*self.storage, &caller.session, found.ordinal).await?;
        check_idle(&found, latest.as_ref())?;
        let capabilities = capabilities
            .or_else(|| latest.as_ref().map(|step| step.capabilities.clone()))
            .unwrap_or_default();
        let tools = ToolContext { capabilities, resolved: Vec::new() };
        let (conversation, pending) =
            self.generation.idle_message(caller, id, parts, history_limit).await?;
        let draft = StepDraft::of_run(caller, latest.as_ref(), pending.with_tools(tools));
        let outcome = self.generation.run_outcome(&caller.session, draft.pending()).await?;
        draft.record_next(&*self.storage, conversation, outcome).await
    }

    /// Resumes the run that waits. Results that a step answered before get the same answer again.
    pub async fn resume(
        &self,
        caller: &Caller,
        resume: ResumeRun,
    ) -> Result<RecordedStep, RunError> {
        let ResumeRun { conversation: id, results, history_limit, capabilities } = resume;
        let found = self.find(caller, &id).await?;
        let _guard = self.locks.lock((caller.session.row, found.ordinal)).await;
        let latest = current_step(&*self.storage, &caller.session, found.ordinal).await?;
        if let Some(step) = self.answered(&caller.session, found.ordinal, &results).await? {
            return Ok(RecordedStep { conversation: found, step });
        }
        let Some(waiting) = latest.filter(RunStep::is_waiting) else {
            return Err(RunError::NothingPending(id));
        };
        let resolved = match_results(&waiting.calls, &results)?;
        let capabilities = capabilities.unwrap_or_else(|| waiting.capabilities.clone());
        let tools = ToolContext { capabilities, resolved };
        let (conversation, pending) =
            self.generation.resumed_message(caller, id, history_limit).await?;
        let draft = StepDraft::resumed(caller, waiting, results, pending.with_tools(tools));
        let outcome = self.generation.run_outcome(&caller.session, draft.pending()).await?;
        draft.record_next(&*self.storage, conversation, outcome).await
    }

    /// The items of a conversation's history before `before`, newest page first.
    pub async fn history(
        &self,
        caller: &Caller,
        id: ConversationId,
        before: HistoryPosition,
        limit: u64,
    ) -> Result<ConversationHistory, RunError> {
        let session = &caller.session;
        let mut conversation = self.find(caller, &id).await?;
        let ordinal = conversation.ordinal;
        let step = current_step(&*self.storage, session, ordinal).await?;
        let permit = self.storage.large_read().await;
        let page = self.storage.history(session.row, ordinal, before, limit).await;
        let page = page.map_err(InternalError::new)?;
        // A step that was due may have completed it.
        let completed = step.as_ref().and_then(RunStep::completed_conversation);
        conversation.completed_at = conversation.completed_at.or(completed);
        Ok(ConversationHistory { conversation, step, page, permit })
    }

    /// The account's latest [`MOST_LISTED`] runs, those of the latest activity first.
    pub async fn list(&self, account: &AccountState) -> Result<Vec<StoredRun>, InternalError> {
        let window = PageWindow { skip: 0, take: MOST_LISTED };
        let (runs, _) =
            self.storage.list_runs(account.row, window).await.map_err(InternalError::new)?;
        Ok(runs)
    }

    /// Resumes the account's run `id` in the client's place, and returns it.
    pub async fn resume_run(
        &self,
        account: Arc<AccountState>,
        id: RunId,
        results: Vec<ToolResult>,
    ) -> Result<StoredRun, RunError> {
        let found = self.storage.find_run(account.row, id.clone()).await;
        let run = found.map_err(InternalError::new)?.ok_or(RunError::UnknownRun(id))?;
        let deployment = self.fixtures.current().deployments.get(&run.deployment).cloned();
        let deployment =
            deployment.ok_or_else(|| RunError::UnknownDeployment(run.deployment.clone()))?;
        let session = AccountSession::new(account, &Arc::default());
        let resume = ResumeRun {
            conversation: run.conversation.clone(),
            results,
            history_limit: HISTORY_LIMIT,
            capabilities: None,
        };
        let recorded = self.resume(&Caller { session, deployment }, resume).await?;
        Ok(StoredRun { step: recorded.step, ..run })
    }

    /// The conversation `id` of the caller's deployment.
    async fn find(&self, caller: &Caller, id: &ConversationId) -> Result<Conversation, RunError> {
        let found =
            self.storage.find_conversation(caller.session.row, Api::Runner, id.clone()).await;
        let found = found.map_err(InternalError::new)?;
        found
            .filter(|found| found.target.id() == caller.deployment.id.as_str())
            .ok_or_else(|| RunError::UnknownConversation(id.clone()))
    }

    /// The step that answered `results` before; `None` if their calls are pending or unknown.
    async fn answered(
        &self,
        session: &AccountSession,
        ordinal: u64,
        results: &[ToolResult],
    ) -> Result<Option<RunStep>, RunError> {
        let Some(first) = results.first() else { return Ok(None) };
        let call = first.call_id.clone();
        let found = self.storage.find_tool_call(session.row, ordinal, call).await;
        match found.map_err(InternalError::new)? {
            Some(FoundCall { next: Some(step) }) if step.answers(results) => Ok(Some(step)),
            Some(FoundCall { next: Some(step) }) if step.status == RunStatus::Expired => {
                Err(RunError::RunExpired(step.run_id))
            }
            Some(FoundCall { next: Some(_) }) => Err(RunError::ResultsConflict),
            Some(FoundCall { next: None }) | None => Ok(None),
        }
    }
}
