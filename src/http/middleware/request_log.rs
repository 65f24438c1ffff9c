//! Writes down for the account's journal what is sent and answered, on its way.
//!
//! A [`Recording`] begins with the request and goes into the body of the answer. Wherever it ends
//! (with the body, at a fault, or dropped because the client went away) the entry is written:
//! before the client has the end of its answer, so that who was answered finds it in the journal.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::response::Response;

use crate::app::request_log::{
    BodyExcerpt, Entry, HeaderLines, LoggedRequest, LoggedResponse, ResponseEnd, Timing, Word,
};
use crate::clock::Stopwatch;
use crate::domain::fault_rule::{ConnectionDrop as Dropped, FaultAction};
use crate::http::context::RequestContext;
use crate::http::response::account_end::AccountEnd;

/// What becomes of a request. Dropping it writes its entry.
pub(crate) struct Recording {
    scope: RequestContext,
    stopwatch: Stopwatch,
    /// Taken when the entry is written.
    request: Option<LoggedRequest>,
    head: Option<Duration>,
    /// Until the end of the answer, where it was seen.
    total: Option<Duration>,
    answer: Option<LoggedResponse>,
    end: ResponseEnd,
    /// The time spent waiting until the client took what was there.
    client: Duration,
}

impl Recording {
    /// Begins with `request`; nothing for a request that is no account's.
    pub(crate) fn begin(
        request: &Request,
        scope: &RequestContext,
        stopwatch: Stopwatch,
    ) -> Option<Self> {
        let uri = request.uri();
        if uri.path().starts_with("/_mynah/") {
            return None;
        }
        let target = uri.path_and_query().map_or(uri.path(), |target| target.as_str());
        let request = LoggedRequest {
            method: method(request.method()),
            target: target.into(),
            route: scope.route(),
            headers: lines(request.headers(), None),
            body: None,
        };
        Some(Self {
            scope: scope.clone(),
            stopwatch,
            request: Some(request),
            head: None,
            total: None,
            answer: None,
            end: ResponseEnd::HungUp,
            client: Duration::ZERO,
        })
    }

    /// Goes on with the answer's body, `head` being how long its head took.
    pub(crate) fn answered(mut self, response: Response, head: Duration) -> Response {
        if self.scope.binding().is_none() {
            return response;
        }
        let body = response.body();
        let streamed = body.size_hint().exact().is_none();
        self.head = Some(head);
        self.answer = Some(LoggedResponse {
            status: response.status().as_u16(),
            // The length is the connection's to tell, which tells it where nobody did before.
            headers: lines(response.headers(), Some(&header::CONTENT_LENGTH)),
            body: BodyExcerpt::default(),
            words: streamed.then(Vec::new),
        });
        // Nobody asks for the body of an answer to HEAD.
        let asked_for_the_head = self.request.as_ref().is_some_and(|sent| sent.method == "HEAD");
        if body.is_end_stream() || asked_for_the_head {
            self.end = ResponseEnd::Complete;
            return response;
        }
        let account_end = response.extensions().get::<AccountEnd>().cloned();
        response.map(|body| {
            Body::new(RecordedBody {
                body: Some(body),
                recording: Some(self),
                given: None,
                account_end,
            })
        })
    }

    fn note(&mut self, data: &Bytes, at: Duration) {
        let Some(answer) = &mut self.answer else { return };
        let before = answer.body.kept_length();
        answer.body.push(data);
        let end = answer.body.kept_length();
        if let Some(words) = answer.words.as_mut().filter(|_| end > before) {
            words.push(Word { end, at });
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let (Some(place), Some(mut request)) = (self.scope.binding(), self.request.take()) else {
            return;
        };
        request.body = self.scope.take_body();
        let id = self.scope.known_id();
        let mut entry = Entry::new(request, place.received_at, id, self.scope.trace());
        entry.answer = self.answer.take();
        entry.end = self.end;
        if let Some(FaultAction::Drop(when)) = entry.fault.as_ref().map(|fault| &fault.act) {
            let refused = entry.answer.as_ref().is_some_and(|answer| answer.status >= 400);
            match when {
                // What was answered was for nobody.
                Dropped::BeforeAnswer => (entry.answer, entry.end) = (None, ResponseEnd::Broken),
                Dropped::AfterCommit if !refused => entry.end = ResponseEnd::Broken,
                Dropped::AfterCommit => {}
            }
        }
        entry.verdict = self.scope.verdict().copied();
        entry.took = Timing {
            total: self.total.unwrap_or_else(|| self.stopwatch.elapsed()),
            head: self.head,
            client: self.client,
            ..entry.took
        };
        place.account.request_log.add(place.position, entry);
    }
}

fn method(method: &Method) -> Cow<'static, str> {
    match *method {
        Method::GET => "GET".into(),
        Method::POST => "POST".into(),
        _ => method.as_str().to_owned().into(),
    }
}

/// The lines of `headers`, without those called `but`.
fn lines(headers: &HeaderMap, but: Option<&HeaderName>) -> HeaderLines {
    let told = || headers.iter().filter(|(name, _)| Some(*name) != but);
    HeaderLines::new(|| told().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// The body of an answer on its way to the client.
struct RecordedBody {
    /// Nothing once it has ended.
    body: Option<Body>,
    recording: Option<Recording>,
    /// When the client was given what it has not yet taken.
    given: Option<Duration>,
    /// For a stream.
    account_end: Option<AccountEnd>,
}

impl RecordedBody {
    fn end(&mut self, end: ResponseEnd) {
        if let Some(mut recording) = self.recording.take() {
            recording.end = end;
        }
    }
}

impl HttpBody for RecordedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if let (Some(given), Some(recording)) = (this.given.take(), &mut this.recording) {
            recording.client += recording.stopwatch.elapsed().saturating_sub(given);
        }
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(&mut *body).poll_frame(context));
        let over = body.is_end_stream();
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(data), Some(recording)) = (frame.data_ref(), &mut this.recording) {
                    let at = recording.stopwatch.elapsed();
                    recording.note(data, at);
                    recording.total = over.then_some(at);
                    this.given = Some(at);
                }
                if over {
                    this.end(ResponseEnd::Complete);
                }
            }
            Some(Err(_)) => this.end(ResponseEnd::Broken),
            None => this.end(ResponseEnd::Complete),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        // First the stream, so that a wait in the middle of it is counted, then the recording.
        self.body = None;
        if self.account_end.as_ref().is_some_and(AccountEnd::has_come) {
            self.end(ResponseEnd::Broken);
        }
    }
}

#[cfg(test)]
mod tests;
