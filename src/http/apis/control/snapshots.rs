//! Snapshots (docs/control.md, "Snapshots"): all state of an account as one document.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::accounts::{AccountAnswer, NewAccountBody, answer, answer_with_key};
use super::body::{ControlBody, OptionalBody};
use super::error::ControlError;
use crate::app::snapshots::{Section, Snapshot};
use crate::app::{AccountRegistry, Snapshots};
use crate::domain::error::FieldLocation;
use crate::http::extract::InPath;
use crate::http::response::json::Json;
use crate::http::response::pages::ListQuery;
use crate::ids::AccountId;

/// The largest snapshot that can be restored, in bytes.
const LARGEST: usize = 256 * 1024 * 1024;

/// The sections that `?with=rules,queue` names, if it is given.
fn sections(query: ListQuery) -> Result<Option<Vec<Section>>, ControlError> {
    let [with] = query.only(["with"])?;
    let names = |with: &str| {
        Section::named(with.split(',').filter(|name| !name.is_empty()))
            .map_err(|wrong| wrong.in_the(FieldLocation::Query))
    };
    Ok(with.as_deref().map(names).transpose()?)
}

/// `GET /_mynah/accounts/{id}/snapshot`: with every section, or those that `?with=` names.
pub(super) async fn take_snapshot(
    State(snapshots): State<Snapshots>,
    InPath(id): InPath<AccountId>,
    query: ListQuery,
) -> Result<Json<Snapshot>, ControlError> {
    let with = sections(query)?.unwrap_or_else(|| Section::ALL.to_vec());
    Ok(Json(snapshots.take(&id, &with).await?))
}

/// `PUT /_mynah/accounts/{id}/snapshot`: replaces all state of the account, except sections that the
/// snapshot does not have or that `?with=` does not name.
pub(super) async fn restore_snapshot(
    State(snapshots): State<Snapshots>,
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
    query: ListQuery,
    ControlBody(mut snapshot): ControlBody<Snapshot, LARGEST>,
) -> Result<Json<AccountAnswer>, ControlError> {
    if let Some(with) = sections(query)? {
        snapshot = snapshot.only(&with)?;
    }
    snapshots.restore(&id, snapshot).await?;
    let account = registry.require(&id)?;
    Ok(Json(answer(&registry, &account).await?))
}

/// `POST /_mynah/accounts/{id}/fork`: a new account from a copy of this one.
pub(super) async fn fork_account(
    State(snapshots): State<Snapshots>,
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
    OptionalBody(body): OptionalBody<NewAccountBody>,
) -> Result<(StatusCode, Json<AccountAnswer>), ControlError> {
    let with = body.sections()?;
    let account = snapshots.fork(&id, body.checked()?, &with).await?;
    Ok((StatusCode::CREATED, Json(answer_with_key(&registry, &account).await?)))
}
