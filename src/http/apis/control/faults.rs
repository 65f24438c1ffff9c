//! An account's faults (docs/control.md, "Faults"): listed, added, removed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::body::ControlBody;
use super::error::ControlError;
use crate::app::AccountRegistry;
use crate::app::faults::ActiveFault;
use crate::domain::error::FieldError;
use crate::domain::fault_rule::{FaultRule, FaultScope};
use crate::http::extract::{InPath, PairInPath};
use crate::http::response::json::Json;
use crate::ids::{AccountId, FaultId};

/// A fault of an account, with its counts.
#[derive(Serialize)]
pub(super) struct FaultAnswer {
    id: FaultId,
    #[serde(flatten)]
    rule: FaultRule,
    /// Requests that met its conditions, whether or not it was their turn.
    matched: u64,
    /// Requests that got its effect.
    fired: u64,
}

impl From<ActiveFault> for FaultAnswer {
    fn from(fault: ActiveFault) -> Self {
        let ActiveFault { id, compiled, hits } = fault;
        Self { id, rule: compiled.rule, matched: hits.matched, fired: hits.fired }
    }
}

/// `GET /_mynah/accounts/{id}/faults`, in the order in which they are checked.
pub(super) async fn list_faults(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
) -> Result<Json<Vec<FaultAnswer>>, ControlError> {
    let all = registry.require(&id)?.epoch().faults.all();
    Ok(Json(all.into_iter().map(FaultAnswer::from).collect()))
}

/// `POST /_mynah/accounts/{id}/faults`: adds one after the others.
pub(super) async fn add_fault(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
    ControlBody(rule): ControlBody<FaultRule>,
) -> Result<(StatusCode, Json<FaultAnswer>), ControlError> {
    let account = registry.require(&id)?;
    let compiled =
        rule.compile(FaultScope::Account, registry.routes()).map_err(FieldError::from)?;
    let fault = account.epoch().faults.add(compiled, account.clock.now());
    Ok((StatusCode::CREATED, Json(fault.into())))
}

/// `DELETE /_mynah/accounts/{id}/faults`: all of them.
pub(super) async fn clear_faults(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
) -> Result<StatusCode, ControlError> {
    registry.require(&id)?.epoch().faults.clear();
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /_mynah/accounts/{id}/faults/{fault_id}`.
pub(super) async fn delete_fault(
    State(registry): State<Arc<AccountRegistry>>,
    PairInPath(account, fault): PairInPath<AccountId, FaultId>,
) -> Result<StatusCode, ControlError> {
    registry.require(&account)?.epoch().faults.remove(&fault)?;
    Ok(StatusCode::NO_CONTENT)
}
