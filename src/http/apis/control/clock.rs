//! An account's clock (docs/control.md, "Clock"): read, set, freeze, resume, advance.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::ControlBody;
use super::error::ControlError;
use crate::app::AccountRegistry;
use crate::clock::{Clock, parse_rfc3339, rfc3339};
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::http::extract::{InPath, WholeNumber};
use crate::http::response::json::Json;
use crate::ids::AccountId;

/// The most that a clock can be advanced at once: a thousand years, in seconds.
const LONGEST_STEP: u64 = 1000 * 366 * 24 * 60 * 60;

/// How to set the clock; absent fields keep their value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockBody {
    now: Option<String>,
    frozen: Option<bool>,
}

/// How far to advance the clock: seconds, milliseconds, or the sum of both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdvanceBody {
    /// A number, to three decimal places.
    seconds: Option<Value>,
    milliseconds: Option<WholeNumber>,
}

impl AdvanceBody {
    fn step(&self) -> Result<Duration, FieldError> {
        if self.seconds.is_none() && self.milliseconds.is_none() {
            return Err(FieldError::missing("seconds"));
        }
        let whole = self.seconds.as_ref().map_or(Ok(Duration::ZERO), seconds)?;
        let milliseconds = self
            .milliseconds
            .as_ref()
            .map_or(Ok(0), |given| given.within(0..=LONGEST_STEP * 1000, "milliseconds"))?;
        Ok(whole.saturating_add(Duration::from_millis(milliseconds)))
    }
}

/// The seconds in `given`, rounded to milliseconds.
fn seconds(given: &Value) -> Result<Duration, FieldError> {
    let longest = Duration::from_secs(LONGEST_STEP);
    let step = given.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let step = step.filter(|step| *step <= longest).ok_or_else(|| {
        let kind =
            if given.is_number() { FieldErrorKind::BadValue } else { FieldErrorKind::WrongType };
        let message = format!("seconds must be a number from 0 to {LONGEST_STEP}");
        FieldError::new("seconds", kind, message)
    })?;
    let milliseconds = step.saturating_add(Duration::from_micros(500)).as_millis();
    Ok(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX)))
}

/// A clock as it is.
#[derive(Serialize)]
pub(super) struct ClockAnswer {
    now: String,
    frozen: bool,
}

impl ClockAnswer {
    pub(super) fn of(clock: &Clock) -> Self {
        Self { now: rfc3339(clock.now()), frozen: clock.is_frozen() }
    }
}

/// `GET /_mynah/accounts/{id}/clock`.
pub(super) async fn get_clock(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
) -> Result<Json<ClockAnswer>, ControlError> {
    Ok(Json(ClockAnswer::of(&registry.require(&id)?.clock)))
}

/// `PUT /_mynah/accounts/{id}/clock`. Setting it back starts a fresh window of the limits.
pub(super) async fn set_clock(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
    ControlBody(body): ControlBody<ClockBody>,
) -> Result<Json<ClockAnswer>, ControlError> {
    let account = registry.require(&id)?;
    let clock = &account.clock;
    let now = body.now.map(|text| {
        parse_rfc3339(&text).ok_or_else(|| {
            let message = "now must be a time like 2026-03-24T09:00:00Z";
            FieldError::new("now", FieldErrorKind::BadValue, message)
        })
    });
    let now = now.transpose()?;
    match body.frozen {
        Some(true) => clock.freeze(),
        Some(false) => clock.run(),
        None => {}
    }
    if let Some(now) = now {
        clock.set(now);
    }
    registry.save_clock(&account).await?;
    Ok(Json(ClockAnswer::of(clock)))
}

/// `POST /_mynah/accounts/{id}/clock/advance`. Ends all waits that are over by then: a stream sends every
/// word that is due.
pub(super) async fn advance_clock(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
    ControlBody(body): ControlBody<AdvanceBody>,
) -> Result<Json<ClockAnswer>, ControlError> {
    let step = body.step()?;
    let account = registry.require(&id)?;
    account.clock.advance(step);
    registry.save_clock(&account).await?;
    Ok(Json(ClockAnswer::of(&account.clock)))
}
