//! Answers in JSON.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::failure::ApiError;
use crate::domain::error::InternalError;

/// The media type of JSON.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Room for the headers of most answers, those of the pipeline included.
const HEADERS: usize = 9;

/// An answer in JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => {
                let mut response = Response::new(bytes.into());
                let headers = response.headers_mut();
                headers.reserve(HEADERS);
                headers.insert(header::CONTENT_TYPE, JSON);
                response
            }
            Err(error) => ApiError::Internal(InternalError::new(error)).into_response(),
        }
    }
}
