//! Answers in JSON.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The media type of JSON.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Room for the headers of most answers, those of the pipeline included.
const HEADERS: usize = 9;

/// An answer in JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    #[expect(clippy::expect_used, reason = "answers are texts, numbers, lists and maps of texts")]
    fn into_response(self) -> Response {
        let bytes = serde_json::to_vec(&self.0).expect("every answer can be written as JSON");
        let mut response = Response::new(bytes.into());
        let headers = response.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(header::CONTENT_TYPE, JSON);
        response
    }
}
