//! `GET /api/v1/models` (characters.txt, the Models API).

use axum::extract::State;
use serde::Serialize;
use serde_json::value::RawValue;

use super::auth::CharactersAccount;
use super::error::CharactersError;
use crate::app::ModelCatalog;
use crate::domain::Credits;
use crate::domain::catalog::{LlmModel, SdModel};
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};
use crate::http::Shared;
use crate::http::response::json::Json;
use crate::http::response::pages::ListQuery;
use crate::http::routes::{Routes, get};
use crate::ids::{LlmId, SdModelId};

pub(super) fn routes() -> Routes<Shared> {
    Routes::new().route("/api/v1/models", get(list_models))
}

/// A model in a list.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ModelItem {
    Llm { id: LlmId, name: String, max_context: u64, cost_per_1k_tokens: Box<RawValue> },
    Sd { id: SdModelId, name: String, cost_per_image: Box<RawValue> },
}

/// A price as a JSON number, digit by digit as it was written: never through a float.
#[expect(clippy::expect_used, reason = "credits as text are a JSON number")]
fn number(price: Credits) -> Box<RawValue> {
    RawValue::from_string(price.to_string()).expect("credits are a decimal number")
}

impl ModelItem {
    fn llm(llm: &LlmModel) -> Self {
        Self::Llm {
            id: llm.id.clone(),
            name: llm.name.clone(),
            max_context: llm.max_context,
            cost_per_1k_tokens: number(llm.cost_per_1k_tokens),
        }
    }

    fn sd(sd: &SdModel) -> Self {
        Self::Sd {
            id: sd.id.clone(),
            name: sd.name.clone(),
            cost_per_image: number(sd.cost_per_image),
        }
    }
}

/// `GET /api/v1/models`: models of one type, `llm` or `sd`, in the order of the fixtures.
pub(super) async fn list_models(
    CharactersAccount(_): CharactersAccount,
    State(catalog): State<ModelCatalog>,
    query: ListQuery,
) -> Result<Json<Vec<ModelItem>>, CharactersError> {
    let wrong = match query.one("type")?.as_deref() {
        Some("llm") => {
            return Ok(Json(catalog.llms().iter().map(|llm| ModelItem::llm(llm)).collect()));
        }
        Some("sd") => {
            return Ok(Json(catalog.sd_models().iter().map(|sd| ModelItem::sd(sd)).collect()));
        }
        Some(_) => FieldError::new("type", FieldErrorKind::BadValue, "type must be llm or sd"),
        None => FieldError::missing("type"),
    };
    Err(wrong.in_the(FieldLocation::Query).into())
}
