//! The sections of a snapshot, which can be left out when it is taken, restored or forked.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::values::{MOST_MADE, time};
use crate::app::accounts::LimitWindows;
use crate::app::faults::{ActiveFault, AttachedFaultCounts, RunTimeFaults};
use crate::app::rate_limit::UsedWindow;
use crate::clock::exact_rfc3339;
use crate::domain::Api;
use crate::domain::error::{self, FieldError};
use crate::domain::fault_rule::{self, FaultScope, HitCount, RouteTable};
use crate::domain::reply_rule::{Reply, ReplyRule};
use crate::ids::FaultId;
use crate::models::rules::RuleError;
use crate::models::rules::account_rules::RuleListItem;
use crate::models::rules::capture::{CapturedRules, RestoredRules};
use crate::models::rules::queue::QueuedReply;

/// A section that a snapshot may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Rules added at run time, and how often they have answered.
    Rules,
    /// The queue of replies.
    Queue,
    /// Faults added at run time, and their counts.
    Faults,
    /// How often the rules and the faults of the fixtures were used.
    Progress,
    /// The requests counted in the windows of the limits.
    Limits,
}

impl Section {
    /// Every section.
    pub const ALL: [Self; 5] =
        [Self::Rules, Self::Queue, Self::Faults, Self::Progress, Self::Limits];

    /// The name in the document and in `with`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Queue => "queue",
            Self::Faults => "faults",
            Self::Progress => "progress",
            Self::Limits => "limits",
        }
    }

    /// The sections with these names, given in the parameter or the field `with`.
    pub fn named<'n>(names: impl Iterator<Item = &'n str>) -> Result<Vec<Self>, FieldError> {
        let section = |name| {
            Self::ALL.into_iter().find(|section| section.name() == name).ok_or_else(|| {
                let known = Self::ALL.map(Self::name).join(", ");
                let message = format!("with: there is no section `{name}`, only {known}");
                FieldError::new("with", error::FieldErrorKind::BadValue, message)
            })
        };
        names.map(section).collect()
    }
}

fn wrong(field: impl Into<String>, message: impl Into<String>) -> FieldError {
    FieldError::new(field, error::FieldErrorKind::BadValue, message)
}

/// One error for all `errors`, whose fields are below `section`.
fn refusal(errors: Vec<RuleError>, section: &str) -> FieldError {
    let errors: Vec<_> = errors.into_iter().map(|error| error.below(section)).collect();
    RuleError::refusal(&errors)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleState {
    id: String,
    answered: u64,
    rule: ReplyRule,
}

impl RuleState {
    pub(super) fn all(captured: &CapturedRules) -> Vec<Self> {
        let all = captured.rules().into_iter();
        all.map(|RuleListItem { id, answered, rule }| Self { id, answered, rule }).collect()
    }

    /// XX these rules, of which `named` were given their ids.
    pub(super) fn check_all(
        rules: Vec<Self>,
        named: u64,
        restored: &mut RestoredRules,
    ) -> Result<(), FieldError> {
        if named > MOST_MADE {
            let message = format!("made.rule must be a whole number from 0 to {MOST_MADE}");
            return Err(wrong("made.rule", message));
        }
        let rules: Vec<RuleListItem> = rules
            .into_iter()
            .map(|Self { id, answered, rule }| RuleListItem { id, answered, rule })
            .collect();
        restored.set_rules(&rules, named).map_err(|errors| refusal(errors, "rules"))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueuedState {
    api: Option<Api>,
    reply: Reply,
}

impl QueuedState {
    pub(super) fn all(captured: &CapturedRules) -> Vec<Self> {
        let all = captured.queue().into_iter();
        all.map(|QueuedReply { api, reply }| Self { api, reply }).collect()
    }

    /// Sets the queue of `restored`.
    pub(super) fn check_all(
        queue: Vec<Self>,
        restored: &mut RestoredRules,
    ) -> Result<(), FieldError> {
        let queue: Vec<QueuedReply> =
            queue.into_iter().map(|Self { api, reply }| QueuedReply { api, reply }).collect();
        restored.set_queue(&queue).map_err(|errors| refusal(errors, "queue"))
    }
}

/// The count of a fault.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HitState {
    since: Option<String>,
    matched: u64,
    fired: u64,
}

impl HitState {
    fn of(hits: HitCount) -> Self {
        let HitCount { since, matched, fired } = hits;
        Self { since: since.map(exact_rfc3339), matched, fired }
    }

    fn checked(self, at: &str) -> Result<HitCount, FieldError> {
        let since = self.since.map(|since| time(&since, &format!("{at}.since"))).transpose()?;
        Ok(HitCount { since, matched: self.matched, fired: self.fired })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultState {
    id: String,
    count: HitState,
    fault: fault_rule::FaultRule,
}

impl FaultState {
    pub(super) fn all(own: RunTimeFaults) -> Vec<Self> {
        let state = |ActiveFault { id, compiled, hits }: ActiveFault| Self {
            id: id.to_string(),
            count: HitState::of(hits),
            fault: compiled.rule,
        };
        own.faults.into_iter().map(state).collect()
    }

    /// Checks these faults, of `made` that were ever added.
    pub(super) fn check_all(
        faults: Vec<Self>,
        made: u64,
        routes: &RouteTable,
    ) -> Result<RunTimeFaults, FieldError> {
        let (mut active, mut ids) = (Vec::with_capacity(faults.len()), HashSet::new());
        for (index, Self { id, count, fault }) in faults.into_iter().enumerate() {
            let at = format!("faults[{index}]");
            let number = id.strip_prefix("fault_").and_then(|number| number.parse::<u64>().ok());
            if !number.is_some_and(|number| (1..=made.min(MOST_MADE)).contains(&number)) {
                let message = format!("{at}.id must be from fault_1 to the {made} that were made");
                return Err(wrong(format!("{at}.id"), message));
            }
            if !ids.insert(id.clone()) {
                return Err(wrong(
                    format!("{at}.id"),
                    format!("{at}.id is that of an earlier one"),
                ));
            }
            let compiled = fault.compile(FaultScope::Account, routes).map_err(|found| {
                let field = format!("{at}.fault.{}", found.field);
                let message = format!("{field} {}", found.message);
                wrong(field, message)
            })?;
            let hits = count.checked(&format!("{at}.count"))?;
            active.push(ActiveFault { id: FaultId::from(id), compiled, hits });
        }
        Ok(RunTimeFaults { added: made, faults: active })
    }
}

/// The counts of the rules and the faults of the fixtures.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProgressState {
    rules: Vec<AnsweredState>,
    faults: Vec<AttachedFaultState>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnsweredState {
    id: String,
    answered: u64,
}

/// A fault of a deployment or a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttachedFaultState {
    api: Api,
    by: String,
    count: HitState,
    fault: fault_rule::FaultRule,
}

impl ProgressState {
    pub(super) fn of(captured: &CapturedRules, attached: AttachedFaultCounts) -> Self {
        let answered = |(id, answered)| AnsweredState { id, answered };
        let mut faults = Vec::new();
        for ((api, by), counted) in attached {
            faults.extend(counted.into_iter().map(|(fault, hits)| AttachedFaultState {
                api,
                by: by.clone(),
                count: HitState::of(hits),
                fault,
            }));
        }
        // Maps have no order, but snapshots of the same state must be equal. The sort is stable, so the
        // faults of a deployment or model keep their order.
        faults.sort_by(|one, other| (one.api.name(), &one.by).cmp(&(other.api.name(), &other.by)));
        Self { rules: captured.answered().into_iter().map(answered).collect(), faults }
    }

    pub(super) fn checked(
        self,
        restored: &mut RestoredRules,
    ) -> Result<AttachedFaultCounts, FieldError> {
        let answered = self.rules.into_iter();
        restored
            .set_answered(answered.map(|AnsweredState { id, answered }| (id, answered)).collect());
        let mut attached = AttachedFaultCounts::new();
        for (index, AttachedFaultState { api, by, count, fault }) in
            self.faults.into_iter().enumerate()
        {
            let hits = count.checked(&format!("progress.faults[{index}].count"))?;
            attached.entry((api, by)).or_default().push((fault, hits));
        }
        Ok(attached)
    }
}

/// The windows of the limits.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsState {
    runner: Option<WindowState>,
    characters: Option<WindowState>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowState {
    begins: String,
    used: u32,
}

impl LimitsState {
    pub(super) fn of(windows: LimitWindows) -> Self {
        let state = |UsedWindow { begins, used }: UsedWindow| {
            let begins = chrono::DateTime::from_timestamp(begins, 0)?;
            Some(WindowState { begins: exact_rfc3339(begins), used })
        };
        Self {
            runner: windows.runner.and_then(state),
            characters: windows.characters.and_then(state),
        }
    }

    pub(super) fn checked(self) -> Result<LimitWindows, FieldError> {
        let window = |state: Option<WindowState>, field: &str| -> Result<_, FieldError> {
            state
                .map(|WindowState { begins, used }| {
                    let begins = time(&begins, &format!("{field}.begins"))?.timestamp();
                    Ok::<_, FieldError>(UsedWindow { begins, used })
                })
                .transpose()
        };
        Ok(LimitWindows {
            runner: window(self.runner, "limits.runner")?,
            characters: window(self.characters, "limits.characters")?,
        })
    }
}
