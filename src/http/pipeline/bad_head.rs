//! Answers to heads that hyper refuses: broken or too large. hyper answers them with a status alone;
//! `server/connections` replaces that with the answer from here.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use futures::FutureExt as _;
use http_body_util::{BodyExt as _, Collected};

use super::{ConnectionAbort, Exchange, HttpError, Pipeline, RequestContext};
use crate::domain::Api;

/// The part of the answer that does not depend on the connection.
#[derive(Debug)]
pub struct BadHeadAnswer {
    /// Header lines, each with its line end; without length and date.
    pub headers: String,
    /// The error, in the envelope of the API that the path belongs to.
    pub body: Bytes,
}

impl Pipeline {
    /// Answers a head with `status`. Its `beginning` tells method and path. It is counted and logged like
    /// every request.
    #[expect(clippy::expect_used, reason = "the server sets only headers that are text")]
    pub fn answer_bad_head(
        &self,
        connection: &ConnectionAbort,
        status: StatusCode,
        beginning: &[u8],
    ) -> BadHeadAnswer {
        let error = match status {
            StatusCode::URI_TOO_LONG => HttpError::UriTooLong,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => HttpError::HeadTooLarge,
            _ => HttpError::BadHead,
        };
        let request = parse_beginning(beginning);
        let steps = &*self.0;
        let mut context = RequestContext::new(connection.clone(), Arc::clone(&steps.anonymous_ids));
        context.api = Api::of_path(request.uri().path());
        let context = Arc::new(context);
        let exchange = Exchange::begin(&steps.exchange_log, &context, &request);
        let response = steps.in_envelope(&context, error.into_response());
        let response = exchange.answered(steps.with_cors(context.api, response));
        let (parts, body) = response.into_parts();
        let mut headers = String::new();
        for (name, value) in &parts.headers {
            let _ = write!(headers, "{name}: {}\r\n", value.to_str().expect("the value is text"));
        }
        // The body is in memory, so this does not wait.
        let body = body.collect().now_or_never().and_then(Result::ok);
        let body = body.filter(|_| request.method() != Method::HEAD);
        let body = body.map_or_else(Bytes::new, Collected::to_bytes);
        BadHeadAnswer { headers, body }
    }
}

/// A request with the method and path that `head` begins with: `POST /v1/runner/A?key=…`.
fn parse_beginning(head: &[u8]) -> Request {
    let mut request = Request::new(Body::empty());
    let text = String::from_utf8_lossy(head);
    let mut words = text.split(' ');
    if let Some(Ok(method)) = words.next().map(|word| Method::from_bytes(word.as_bytes())) {
        *request.method_mut() = method;
    }
    let Some(target) = words.next() else { return request };
    let path = target.split_once(['?', '\r', '\n']).map_or(target, |(path, _)| path);
    // Without the slash it would be read as an authority.
    if path.starts_with('/')
        && let Ok(path) = path.parse::<Uri>()
    {
        *request.uri_mut() = path;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_and_path_are_read_from_the_beginning() {
        for (head, method, path) in [
            ("POST /v1/runner/A HTTP/1.1\r\n", "POST", "/v1/runner/A"),
            ("GET /v1/runner/conversations?a=bbbb", "GET", "/v1/runner/conversations"),
            ("GET /v1/run", "GET", "/v1/run"),
            ("", "GET", "/"),
            ("\u{0}\u{1} b", "GET", "/"),
        ] {
            let request = parse_beginning(head.as_bytes());
            assert_eq!((request.method().as_str(), request.uri().path()), (method, path), "{head}");
        }
    }
}
