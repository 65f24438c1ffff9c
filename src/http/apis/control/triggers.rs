//! An account's triggers (docs/control.md, "Triggers"): listed, expired.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::body::{NoFields, OptionalBody};
use super::error::ControlError;
use crate::app::{AccountRegistry, Triggers};
use crate::clock::rfc3339;
use crate::http::extract::{InPath, PairInPath};
use crate::http::response::json::Json;
use crate::http::response::lists;
use crate::http::response::trigger::TriggerAnswer;
use crate::ids::{AccountId, TriggerId};

/// `GET /_mynah/accounts/{id}/triggers`: of all deployments, in the order of their creation.
pub(super) async fn list_triggers(
    State(registry): State<Arc<AccountRegistry>>,
    State(triggers): State<Triggers>,
    InPath(id): InPath<AccountId>,
) -> Result<Response, ControlError> {
    let account = registry.require(&id)?;
    let (items, now) = (triggers.list(&account).await?, account.clock.now());
    let item = move |trigger| TriggerAnswer::new(trigger, None, now, rfc3339);
    Ok(lists::listed(items, item, |items| items))
}

/// `POST /_mynah/accounts/{id}/triggers/{trigger_id}/expire`: has the trigger expire now.
pub(super) async fn expire_trigger(
    State(registry): State<Arc<AccountRegistry>>,
    State(triggers): State<Triggers>,
    PairInPath(account, trigger): PairInPath<AccountId, TriggerId>,
    OptionalBody(NoFields {}): OptionalBody<NoFields>,
) -> Result<Json<TriggerAnswer>, ControlError> {
    let account = registry.require(&account)?;
    let trigger = triggers.expire(&account, trigger).await?;
    Ok(Json(TriggerAnswer::new(trigger, None, account.clock.now(), rfc3339)))
}
