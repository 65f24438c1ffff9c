//! The document of a snapshot, and its checks.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::Captured;
use super::rows::{AgentState, ConversationState, ImageState, TriggerState};
use super::runs::check_runs;
use super::sections::{FaultState, LimitsState, ProgressState, QueuedState, RuleState, Section};
use super::values::{MOST_MADE, time};
use crate::app::accounts::restored::{RestoredMemory, RestoredState};
use crate::clock::{ClockMode, exact_rfc3339};
use crate::domain::Credits;
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::domain::fault_rule::RouteTable;
use crate::ids::IdKind;
use crate::models::rules::capture::RestoredRules;
use crate::storage::AccountData;

/// The version of the document, incremented when the document changes.
const VERSION: u64 = 2;
/// The first version, which had no sections.
const WITHOUT_SECTIONS: u64 = 1;

/// All state of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    version: u64,
    pub(in crate::app) plan: String,
    pub(in crate::app) requests_per_minute: u32,
    pub(in crate::app) runner_requests_per_minute: Option<u32>,
    pub(in crate::app) balance: String,
    clock: ClockState,
    made: Made,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<RuleState>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue: Option<Vec<QueuedState>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<FaultState>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    progress: Option<ProgressState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limits: Option<LimitsState>,
    conversations: Vec<ConversationState>,
    agents: Vec<AgentState>,
    images: Vec<ImageState>,
    /// Not in snapshots of servers that had no triggers.
    #[serde(default)]
    triggers: Vec<TriggerState>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockState {
    now: String,
    frozen: bool,
}

/// How many of each kind were created.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    request: u64,
    conversation: u64,
    message: u64,
    activity: u64,
    agent: u64,
    image: u64,
    #[serde(default)]
    trigger: u64,
    #[serde(default)]
    workflow_log: u64,
    #[serde(default)]
    run: u64,
    #[serde(default)]
    tool_call: u64,
    /// Ids generated for rules without one.
    #[serde(default)]
    rule: u64,
    #[serde(default)]
    fault: u64,
}

impl Snapshot {
    pub(in crate::app) fn of(captured: Captured, data: AccountData, with: &[Section]) -> Self {
        let Captured {
            plan,
            now,
            mode,
            requests,
            workflow_logs,
            rules: captured_rules,
            faults,
            windows,
        } = captured;
        let (own_faults, attached_faults) = faults;
        let counted = |kind| data.made.iter().find(|(of, _)| *of == kind);
        let made = |kind| counted(kind).map_or(0, |(_, made)| *made);
        let wanted = |section| with.contains(&section);
        Self {
            version: VERSION,
            plan: plan.id,
            requests_per_minute: plan.requests_per_minute,
            runner_requests_per_minute: plan.runner_requests_per_minute,
            balance: data.balance.to_string(),
            clock: ClockState {
                now: exact_rfc3339(now),
                frozen: matches!(mode, ClockMode::Frozen { .. }),
            },
            made: Made {
                request: requests,
                conversation: made(IdKind::Conversation),
                message: made(IdKind::Message),
                activity: made(IdKind::Activity),
                agent: made(IdKind::Agent),
                image: made(IdKind::Image),
                trigger: made(IdKind::Trigger),
                workflow_log: workflow_logs,
                run: made(IdKind::Run),
                tool_call: made(IdKind::ToolCall),
                rule: if wanted(Section::Rules) { captured_rules.last_name() } else { 0 },
                fault: if wanted(Section::Faults) { own_faults.added } else { 0 },
            },
            rules: wanted(Section::Rules).then(|| RuleState::all(&captured_rules)),
            queue: wanted(Section::Queue).then(|| QueuedState::all(&captured_rules)),
            faults: wanted(Section::Faults).then(|| FaultState::all(own_faults)),
            progress: wanted(Section::Progress)
                .then(|| ProgressState::of(&captured_rules, attached_faults)),
            limits: wanted(Section::Limits).then(|| LimitsState::of(windows)),
            conversations: ConversationState::all(data.conversations, data.run_steps),
            agents: data.agents.into_iter().map(Into::into).collect(),
            images: data.images.into_iter().map(Into::into).collect(),
            triggers: data.triggers.into_iter().map(Into::into).collect(),
        }
    }

    /// The snapshot with only the sections `with`, all of which it must have.
    pub fn only(mut self, with: &[Section]) -> Result<Self, FieldError> {
        for section in Section::ALL {
            let has = match section {
                Section::Rules => self.rules.is_some(),
                Section::Queue => self.queue.is_some(),
                Section::Faults => self.faults.is_some(),
                Section::Progress => self.progress.is_some(),
                Section::Limits => self.limits.is_some(),
            };
            if !has && with.contains(&section) {
                let message = format!("with: the snapshot has no section `{}`", section.name());
                return Err(FieldError::new("with", FieldErrorKind::BadValue, message));
            }
            if !with.contains(&section) {
                self.drop_section(section);
            }
        }
        Ok(self)
    }

    fn drop_section(&mut self, section: Section) {
        match section {
            Section::Rules => self.rules = None,
            Section::Queue => self.queue = None,
            Section::Faults => self.faults = None,
            Section::Progress => self.progress = None,
            Section::Limits => self.limits = None,
        }
    }

    /// The snapshot with every section; missing sections are added empty.
    pub(in crate::app) fn with_every_section(mut self) -> Self {
        self.rules.get_or_insert_default();
        self.queue.get_or_insert_default();
        self.faults.get_or_insert_default();
        self.progress.get_or_insert_default();
        self.limits.get_or_insert_default();
        self
    }

    /// Checks everything and compiles the rules, which can take long.
    pub(in crate::app) fn checked(
        mut self,
        routes: &RouteTable,
    ) -> Result<RestoredState, FieldError> {
        match self.version {
            WITHOUT_SECTIONS => {
                // These have always reset the progress and the limits.
                self.progress.get_or_insert_default();
                self.limits.get_or_insert_default();
            }
            VERSION => {}
            _ => {
                let message = format!(
                    "version must be {VERSION} or {WITHOUT_SECTIONS}: this is another Mynah's \
                     snapshot"
                );
                return Err(FieldError::new("version", FieldErrorKind::BadValue, message));
            }
        }
        let now = time(&self.clock.now, "clock.now")?;
        let mut restored = RestoredRules::default();
        if let Some(rules) = self.rules.take() {
            RuleState::check_all(rules, self.made.rule, &mut restored)?;
        }
        if let Some(queue) = self.queue.take() {
            QueuedState::check_all(queue, &mut restored)?;
        }
        let made = self.made.fault;
        let faults = self.faults.take();
        let progress = self.progress.take();
        let memory = RestoredMemory {
            plan: self.plan.clone(),
            limits: (self.requests_per_minute, self.runner_requests_per_minute),
            clock: ClockMode::at(now, self.clock.frozen),
            faults: faults.map(|it| FaultState::check_all(it, made, routes)).transpose()?,
            attached_faults: progress.map(|it| it.checked(&mut restored)).transpose()?,
            windows: self.limits.take().map(LimitsState::checked).transpose()?,
            rules: restored,
        };
        Ok(RestoredState { data: self.data()?, memory })
    }

    fn data(mut self) -> Result<AccountData, FieldError> {
        let balance = Credits::parse(&self.balance).ok_or_else(|| {
            let message = "balance must be credits as decimal text, at most six places: \"12.5\"";
            FieldError::new("balance", FieldErrorKind::BadValue, message)
        })?;
        for (field, limit) in [
            ("requests_per_minute", Some(self.requests_per_minute)),
            ("runner_requests_per_minute", self.runner_requests_per_minute),
        ] {
            if limit == Some(0) {
                let message = format!("{field} must be a whole number of 1 or more");
                return Err(FieldError::new(field, FieldErrorKind::BadValue, message));
            }
        }
        let Made { request, conversation, message, activity, agent, image, .. } = self.made;
        let Made { trigger, workflow_log, run, tool_call, .. } = self.made;
        let conversations = self.conversations.iter().map(|it| (it.ordinal, it.id.as_str()));
        check_ordinals("conversations", conversations, conversation)?;
        check_ordinals("agents", self.agents.iter().map(|it| (it.ordinal, it.id.as_str())), agent)?;
        check_ordinals("images", self.images.iter().map(|it| (it.ordinal, it.id.as_str())), image)?;
        let triggers = self.triggers.iter().map(|it| (it.ordinal, it.id.as_str()));
        check_ordinals("triggers", triggers, trigger)?;
        for (field, made) in [
            ("made.request", request),
            ("made.message", message),
            ("made.activity", activity),
            ("made.workflow_log", workflow_log),
            ("made.run", run),
            ("made.tool_call", tool_call),
        ] {
            if made > MOST_MADE {
                let message = format!("{field} must be a whole number from 0 to {MOST_MADE}");
                return Err(FieldError::new(field, FieldErrorKind::BadValue, message));
            }
        }
        check_runs(&self.conversations, tool_call)?;
        let mut run_steps = Vec::new();
        for conversation in &mut self.conversations {
            let steps = std::mem::take(&mut conversation.runs);
            run_steps.extend(steps.into_iter().map(|step| (conversation.ordinal, step)));
        }
        let conversations = self.conversations.into_iter().enumerate();
        let images = self.images.into_iter().enumerate();
        Ok(AccountData {
            balance,
            run_steps,
            made: vec![
                (IdKind::Request, request),
                (IdKind::Conversation, conversation),
                (IdKind::Message, message),
                (IdKind::Activity, activity),
                (IdKind::Agent, agent),
                (IdKind::Image, image),
                (IdKind::Trigger, trigger),
                (IdKind::WorkflowLog, workflow_log),
                (IdKind::Run, run),
                (IdKind::ToolCall, tool_call),
            ],
            conversations: conversations
                .map(|(index, it)| it.checked(&format!("conversations[{index}]")))
                .collect::<Result<_, _>>()?,
            agents: self.agents.into_iter().map(AgentState::into_domain).collect(),
            images: images
                .map(|(index, it)| it.checked(&format!("images[{index}]")))
                .collect::<Result<_, _>>()?,
            triggers: TriggerState::check_all(self.triggers)?,
        })
    }
}

/// Checks that ordinals and ids are unique, and that no ordinal is higher than `made`.
fn check_ordinals<'i>(
    field: &str,
    items: impl Iterator<Item = (u64, &'i str)>,
    made: u64,
) -> Result<(), FieldError> {
    if made > MOST_MADE {
        let message = format!("made: there can be no more than {MOST_MADE} {field}");
        return Err(FieldError::new("made", FieldErrorKind::BadValue, message));
    }
    let (mut ordinals, mut ids) = (HashSet::new(), HashSet::new());
    for (index, (ordinal, id)) in items.enumerate() {
        let field = format!("{field}[{index}]");
        if !ordinals.insert(ordinal) || !ids.insert(id) {
            let message = format!("{field} has the ordinal or the id of an earlier one");
            return Err(FieldError::new(field, FieldErrorKind::BadValue, message));
        }
        if !(1..=made).contains(&ordinal) {
            let message = format!("{field}.ordinal must be from 1 to the {made} that were made");
            return Err(FieldError::new(field, FieldErrorKind::BadValue, message));
        }
    }
    Ok(())
}
