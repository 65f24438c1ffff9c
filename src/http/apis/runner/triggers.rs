//! Triggers: `POST /v1/runner/{deployment_id}/trigger` and `GET …/trigger/{trigger_id}`. The API's
//! documents do not know them; docs/contract.md names the source.

use axum::extract::State;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Style;
use super::auth::DeploymentAccess;
use super::content::{ContentBody, content};
use super::error::RunnerError;
use crate::app::triggers::NewTrigger;
use crate::app::{Caller, Triggers};
use crate::domain::Trigger;
use crate::domain::conversation::Variables;
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::http::Shared;
use crate::http::extract::{Body, PairInPath};
use crate::http::response::json::Json;
use crate::http::response::trigger::TriggerAnswer;
use crate::http::routes::{Routes, get, post};
use crate::ids::{DeploymentId, TriggerId, assistant_number};

pub(super) fn routes() -> Routes<Shared> {
    Routes::new()
        .route("/v1/runner/{deployment_id}/trigger", post(create_trigger))
        .route("/v1/runner/{deployment_id}/trigger/{trigger_id}", get(get_trigger))
}

/// The life of a trigger without `ttl_hours`.
const DEFAULT_HOURS: f64 = 24.0;
/// The longest life: a hundred years.
const MOST_HOURS: f64 = 876_000.0;
/// The longest `ui_surface` in characters.
const LONGEST_SURFACE: usize = 200;

/// The body of a new trigger.
#[derive(Debug, Deserialize)]
pub(super) struct TriggerBody {
    content: ContentBody,
    variables: Option<Variables>,
    ui_surface: Option<String>,
    #[serde(default)]
    ttl_hours: TtlBody,
}

/// `ttl_hours`, not checked yet. Its absence is not `null`.
#[derive(Debug, Default)]
enum TtlBody {
    #[default]
    Absent,
    Given(Value),
}

impl<'de> Deserialize<'de> for TtlBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::Given)
    }
}

impl TriggerBody {
    fn checked(self) -> Result<NewTrigger, FieldError> {
        let content = content(self.content)?;
        if self.ui_surface.as_ref().is_some_and(|text| text.chars().count() > LONGEST_SURFACE) {
            let message = format!("ui_surface must have at most {LONGEST_SURFACE} characters");
            return Err(FieldError::new("ui_surface", FieldErrorKind::BadValue, message));
        }
        let (variables, ui_surface) = (self.variables, self.ui_surface);
        Ok(NewTrigger { content, variables, ui_surface, ttl_hours: self.ttl_hours.checked()? })
    }
}

impl TtlBody {
    /// The hours; `None` for a trigger that never expires.
    fn checked(self) -> Result<Option<f64>, FieldError> {
        let value = match self {
            Self::Absent => return Ok(Some(DEFAULT_HOURS)),
            Self::Given(Value::Null) => return Ok(None),
            Self::Given(value) => value,
        };
        let hours = value.as_f64().filter(|hours| *hours > 0.0 && *hours <= MOST_HOURS);
        hours.map(Some).ok_or_else(|| {
            let kind = if value.is_number() {
                FieldErrorKind::BadValue
            } else {
                FieldErrorKind::WrongType
            };
            let message =
                format!("ttl_hours must be a number above 0, at most {MOST_HOURS}, or null");
            FieldError::new("ttl_hours", kind, message)
        })
    }
}

/// The answer to `caller` with `trigger`.
fn answer(caller: &Caller, trigger: Trigger, style: Style) -> Json<TriggerAnswer> {
    let (assistant, now) = (assistant_number(&trigger.deployment), caller.session.clock.now());
    Json(TriggerAnswer::new(trigger, Some(assistant), now, |time| style.time(time)))
}

/// `POST /v1/runner/{deployment_id}/trigger`: stores content to start from later.
pub(super) async fn create_trigger(
    DeploymentAccess(caller): DeploymentAccess,
    style: Style,
    State(triggers): State<Triggers>,
    Body(body): Body<TriggerBody>,
) -> Result<Json<TriggerAnswer>, RunnerError> {
    let trigger = triggers.create(&caller, body.checked()?).await?;
    Ok(answer(&caller, trigger, style))
}

/// `GET /v1/runner/{deployment_id}/trigger/{trigger_id}`: a trigger of the deployment.
pub(super) async fn get_trigger(
    DeploymentAccess(caller): DeploymentAccess,
    PairInPath(_, id): PairInPath<DeploymentId, TriggerId>,
    style: Style,
    State(triggers): State<Triggers>,
) -> Result<Json<TriggerAnswer>, RunnerError> {
    let trigger = triggers.get(&caller, id).await?;
    Ok(answer(&caller, trigger, style))
}
