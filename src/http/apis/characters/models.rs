//! `GET /api/v1/models` (characters.txt, the Models API).

use axum::extract::State;
use serde::Serialize;
use serde_json::value::RawValue;

use super::auth::CharactersAccount;
use super::error::CharactersError;
use crate::domain::Credits;
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};
use crate::fixtures::FixtureHandle;
use crate::http::response::json::Json;
use crate::http::response::pages::ListQuery;
use crate::ids::{LlmId, SdModelId};
use crate::http::Shared;
use crate::http::routes::{Routes, get};

pub(super) fn routes() -> Routes<Shared> {
    Routes::new()
        .route("/api/v1/models", get(list_models))
}

/// A model in a list.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ModelItem {
    Llm { id: LlmId, name: String, max_context: u64, cost_per_1k_tokens: Option<Box<RawValue>> },
    Sd { id: SdModelId, name: String, cost_per_image: Option<Box<RawValue>> },
}

/// A price as a JSON number, digit by digit as it was written: never through a float.
fn number(price: Credits) -> Option<Box<RawValue>> {
    RawValue::from_string(price.to_string()).ok()
}

/// Models of one type, `llm` or `sd`, in the order of the fixtures.
pub(super) async fn list_models(
    CharactersAccount(_): CharactersAccount,
    State(handle): State<FixtureHandle>,
    query: ListQuery,
) -> Result<Json<Vec<ModelItem>>, CharactersError> {
    let fixtures = handle.current();
    let models = match query.one("type")?.as_deref() {
        Some("llm") => fixtures
            .llms
            .iter()
            .map(|llm| ModelItem::Llm {
                id: llm.id.clone(),
                name: llm.name.clone(),
                max_context: llm.max_context,
                cost_per_1k_tokens: number(llm.cost_per_1k_tokens),
            })
            .collect(),
        Some("sd") => fixtures
            .sd_models
            .iter()
            .map(|sd| ModelItem::Sd {
                id: sd.id.clone(),
                name: sd.name.clone(),
                cost_per_image: number(sd.cost_per_image),
            })
            .collect(),
        Some(_) => {
            let field = FieldError::new("type", FieldErrorKind::BadValue, "type must be llm or sd");
            return Err(field.in_the(FieldLocation::Query).into());
        }
        None => return Err(FieldError::missing("type").in_the(FieldLocation::Query).into()),
    };
    Ok(Json(models))
}
