//! Snapshots (docs/control.md, "Snapshots"): all state of an account as one document.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::accounts::{AccountAnswer, NewAccountBody, answer, fresh};
use super::body::{ControlBody, OptionalBody};
use crate::http::extract::{InPath, Json};
use crate::http::failure::Failure;
use crate::ids::AccountId;
use crate::service::snapshots::Snapshot;
use crate::service::{Snapshots, Worlds};

/// The largest snapshot that is taken back, in bytes.
const LARGEST: usize = 256 * 1024 * 1024;

/// `GET /_mynah/accounts/{id}/snapshot`.
pub(super) async fn take(
    State(snapshots): State<Snapshots>,
    InPath(id): InPath<AccountId>,
) -> Result<Json<Snapshot>, Failure> {
    Ok(Json(snapshots.take(&id).await?))
}

/// `PUT /_mynah/accounts/{id}/snapshot`: in the place of all that the account holds.
pub(super) async fn restore(
    State(snapshots): State<Snapshots>,
    State(worlds): State<Arc<Worlds>>,
    InPath(id): InPath<AccountId>,
    ControlBody(snapshot): ControlBody<Snapshot, LARGEST>,
) -> Result<Json<AccountAnswer>, Failure> {
    snapshots.restore(&id, snapshot).await?;
    let world = worlds.named(&id)?;
    Ok(Json(answer(&worlds, &world).await?))
}

/// `POST /_mynah/accounts/{id}/fork`: a new account from a copy of this one.
pub(super) async fn fork(
    State(snapshots): State<Snapshots>,
    State(worlds): State<Arc<Worlds>>,
    InPath(id): InPath<AccountId>,
    OptionalBody(body): OptionalBody<NewAccountBody>,
) -> Result<(StatusCode, Json<AccountAnswer>), Failure> {
    let world = snapshots.fork(&id, body.checked()?).await?;
    Ok((StatusCode::CREATED, Json(fresh(&worlds, &world).await?)))
}
