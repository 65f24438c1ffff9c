//! The entry of a request in its account's request log.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::response::Response;

use crate::app::request_log::{
    BodyExcerpt, Entry, HeaderLines, LoggedRequest, LoggedResponse, ResponseEnd, Timing, Word,
};
use crate::domain::fault_rule::{ConnectionDrop, FaultAction};
use crate::http::context::RequestContext;

/// The request as the entry shows it; `None` for the control plane, whose requests belong to no account.
pub(super) fn logged_request(request: &Request, context: &RequestContext) -> Option<LoggedRequest> {
    let uri = request.uri();
    if uri.path().starts_with("/_mynah/") {
        return None;
    }
    let target = uri.path_and_query().map_or(uri.path(), |target| target.as_str());
    Some(LoggedRequest {
        method: method(request.method()),
        target: target.into(),
        route: context.route,
        headers: lines(request.headers(), None),
        body: None,
    })
}

fn method(method: &Method) -> Cow<'static, str> {
    match *method {
        Method::GET => "GET".into(),
        Method::POST => "POST".into(),
        _ => method.as_str().to_owned().into(),
    }
}

/// The response as the entry shows it, its body still empty.
pub(super) fn logged_response(response: &Response) -> LoggedResponse {
    let is_stream = response.body().size_hint().exact().is_none();
    LoggedResponse {
        status: response.status().as_u16(),
        // The connection adds a missing length, so responses are not compared by it.
        headers: lines(response.headers(), Some(&header::CONTENT_LENGTH)),
        body: BodyExcerpt::default(),
        words: is_stream.then(Vec::new),
    }
}

/// The lines of `headers`, without those called `except`.
fn lines(headers: &HeaderMap, except: Option<&HeaderName>) -> HeaderLines {
    let logged = || headers.iter().filter(|(name, _)| Some(*name) != except);
    HeaderLines::new(|| logged().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// Adds `data`, which was sent `at` this time after the request arrived, to the response's body.
pub(super) fn add_data(response: &mut LoggedResponse, data: &Bytes, at: Duration) {
    let before = response.body.kept_length();
    response.body.push(data);
    let end = response.body.kept_length();
    if let Some(words) = response.words.as_mut().filter(|_| end > before) {
        words.push(Word { end, at });
    }
}

/// Adds the entry to the request log of the request's account, if it is an account's.
pub(super) fn add_entry(
    context: &RequestContext,
    mut request: LoggedRequest,
    response: Option<LoggedResponse>,
    end: ResponseEnd,
    timing: Timing,
) {
    let Some(binding) = context.binding() else { return };
    request.body = context.take_body();
    let id = context.id().clone();
    let mut entry = Entry::new(request, binding.received_at, id, &context.trace);
    (entry.answer, entry.end) = (response, end);
    if let Some(FaultAction::Drop(when)) = entry.fault.as_ref().map(|fault| &fault.action) {
        let is_refused = entry.answer.as_ref().is_some_and(|answer| answer.status >= 400);
        match when {
            // The client did not receive the response.
            ConnectionDrop::BeforeAnswer => {
                (entry.answer, entry.end) = (None, ResponseEnd::Broken);
            }
            ConnectionDrop::AfterCommit if !is_refused => entry.end = ResponseEnd::Broken,
            ConnectionDrop::AfterCommit => {}
        }
    }
    entry.rate_limit = context.rate_limit().copied();
    entry.timing = Timing { delayed: entry.timing.delayed, ..timing };
    binding.account.request_log.add(binding.position, entry);
}
