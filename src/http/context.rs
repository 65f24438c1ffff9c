//! What becomes known about a request while it is answered, for the layers around it.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;

use super::connection::ConnectionAbort;
use super::large_bodies::LargeBodyPermit;
use crate::app::AccountState;
use crate::app::rate_limit::RateLimitVerdict;
use crate::app::request_log::{self, BodyExcerpt, LogPosition};
use crate::ids::{IdGenerator, RequestId};

/// One request's notes. It travels in the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext(Arc<RequestFacts>);

#[derive(Debug)]
struct RequestFacts {
    route: Option<&'static str>,
    line: ConnectionAbort,
    id: OnceLock<RequestId>,
    place: OnceLock<AccountBinding>,
    verdict: OnceLock<RateLimitVerdict>,
    body: Mutex<Option<BodyExcerpt>>,
    /// The place of its body, where that is a large one.
    large: Mutex<Option<LargeBodyPermit>>,
    unread: Mutex<Option<UnreadBody>>,
    notes: Arc<request_log::RequestTrace>,
}

/// What a handler left of a request's body.
#[derive(Debug)]
pub(crate) struct UnreadBody {
    pub(crate) body: Body,
    /// Whether nothing of it was read.
    pub(crate) whole: bool,
}

/// The world that a request is in, and since when.
#[derive(Debug)]
pub(crate) struct AccountBinding {
    pub(crate) account: Arc<AccountState>,
    /// The time of the world's clock when it came.
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) position: LogPosition,
}

impl RequestContext {
    /// The notes on a request that takes `route`, if it takes one, and came over `line`.
    pub(crate) fn new(route: Option<&'static str>, line: ConnectionAbort) -> Self {
        Self(Arc::new(RequestFacts {
            route,
            line,
            id: OnceLock::new(),
            place: OnceLock::new(),
            verdict: OnceLock::new(),
            body: Mutex::new(None),
            large: Mutex::new(None),
            unread: Mutex::new(None),
            notes: Arc::default(),
        }))
    }

    /// The route that it takes: `/v1/runner/{deployment_id}`.
    pub(crate) fn route(&self) -> Option<&'static str> {
        self.0.route
    }

    /// The connection that it came over.
    pub(crate) fn connection(&self) -> &ConnectionAbort {
        &self.0.line
    }

    /// The request brings its own id.
    pub(crate) fn set_id(&self, id: RequestId) {
        let _ = self.0.id.set(id);
    }

    /// The request is `world`'s: it is logged so, and gets its id from there if it has none.
    pub(crate) fn bind_account(&self, account: &Arc<AccountState>) {
        account.touch();
        self.0.place.get_or_init(|| AccountBinding {
            account: Arc::clone(account),
            received_at: account.clock.now(),
            position: account.request_log.ticket(),
        });
        self.0.id.get_or_init(|| account.epoch().ids.request());
    }

    /// The limiter has spoken.
    pub(crate) fn set_rate_limit(&self, verdict: RateLimitVerdict) {
        let _ = self.0.verdict.set(verdict);
    }

    /// The request's id, from `strangers` if nobody gave it one so far.
    pub(crate) fn id(&self, strangers: &IdGenerator) -> &RequestId {
        self.0.id.get_or_init(|| strangers.request())
    }

    /// The request's id; empty as long as it has none.
    pub(crate) fn known_id(&self) -> RequestId {
        self.0.id.get().cloned().unwrap_or_else(|| RequestId::from(""))
    }

    pub(crate) fn binding(&self) -> Option<&AccountBinding> {
        self.0.place.get()
    }

    pub(crate) fn account(&self) -> Option<&AccountState> {
        self.binding().map(|place| place.account.as_ref())
    }

    /// Where services note for the journal what only they know.
    pub(crate) fn trace(&self) -> &Arc<request_log::RequestTrace> {
        &self.0.notes
    }

    /// The request's body was read.
    pub(crate) fn record_body(&self, body: &Bytes) {
        if self.wants_body() {
            self.keep_body(BodyExcerpt::of(body));
        }
    }

    /// The request's body has `place`, as long as it is being answered.
    pub(crate) fn hold_large_body(&self, place: Option<LargeBodyPermit>) {
        if place.is_some() {
            *self.0.large.lock() = place;
        }
    }

    /// The answer is there: what was made of the request's body is gone.
    pub(crate) fn release_large_body(&self) {
        drop(self.0.large.lock().take());
    }

    /// Whether there is a journal that would keep the request's body, and does not have it yet.
    pub(crate) fn wants_body(&self) -> bool {
        let request_log = self.binding().map(|place| &place.account.request_log);
        request_log.is_some_and(|request_log| request_log.most() > 0)
            && self.0.body.lock().is_none()
    }

    /// This is to be kept of the request's body.
    pub(crate) fn keep_body(&self, body: BodyExcerpt) {
        *self.0.body.lock() = Some(body);
    }

    /// The request's body was dropped before it was read to its end.
    pub(crate) fn set_unread_body(&self, unread: UnreadBody) {
        *self.0.unread.lock() = Some(unread);
    }

    /// What was left of the request's body.
    pub(crate) fn take_unread_body(&self) -> Option<UnreadBody> {
        self.0.unread.lock().take()
    }

    /// What the journal keeps of the request's body.
    pub(crate) fn take_body(&self) -> Option<BodyExcerpt> {
        self.0.body.lock().take()
    }

    pub(crate) fn verdict(&self) -> Option<&RateLimitVerdict> {
        self.0.verdict.get()
    }

    /// The notes that travel with the request.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let known = extensions.get::<Self>().cloned();
        known.unwrap_or_else(|| Self::new(None, ConnectionAbort::default()))
    }
}

/// The id of the request being answered, once its account is known.
#[derive(Debug, Clone)]
pub(crate) struct KnownRequestId(pub(super) RequestId);

impl<S: Sync> FromRequestParts<S> for KnownRequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Extractors run in order, and every one that needs an id stands behind the caller's.
        Ok(Self(RequestContext::of(&parts.extensions).known_id()))
    }
}
