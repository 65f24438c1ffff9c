//! What the server knows of one request while it is answered.

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
use super::requested_fault::RequestedFault;
use crate::app::AccountState;
use crate::app::auth::Authentication;
use crate::app::rate_limit::RateLimitVerdict;
use crate::app::request_log::{BodyExcerpt, LogPosition, RequestTrace};
use crate::clock::Stopwatch;
use crate::domain::Api;
use crate::ids::{IdGenerator, RequestId};

/// The facts of one request.
///
/// Middleware take it as an argument. axum's extractors see nothing but the request, so the pipeline
/// puts the context into the request's extensions, as one value. The plain fields are set before that,
/// the others after: without a key, the Runner API finds the account only through the deployment in the
/// path, and with it the id and the limit.
#[derive(Debug)]
pub(crate) struct RequestContext {
    /// Runs since the request arrived.
    pub(crate) received: Stopwatch,
    /// The API that the path belongs to.
    pub(crate) api: Option<Api>,
    /// The route that the path takes, `/v1/runner/{deployment_id}`, if it takes one.
    pub(crate) route: Option<&'static str>,
    /// The connection of the request.
    pub(crate) connection: ConnectionAbort,
    /// The account of the request's key; `MissingKey` also if no key is needed.
    pub(crate) authentication: Authentication,
    /// The fault that the request's own header asks for.
    pub(crate) requested_fault: Option<RequestedFault>,
    /// Collects the facts that only use cases know.
    pub(crate) trace: Arc<RequestTrace>,
    /// Ids for requests without an account or an id of their own.
    anonymous_ids: Arc<IdGenerator>,
    id: OnceLock<RequestId>,
    binding: OnceLock<AccountBinding>,
    rate_limit: OnceLock<RateLimitVerdict>,
    body: Mutex<RequestBody>,
}

/// The account that a request belongs to.
#[derive(Debug)]
pub(crate) struct AccountBinding {
    pub(crate) account: Arc<AccountState>,
    /// On the account's clock.
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) position: LogPosition,
}

/// The state of a request's body.
#[derive(Debug, Default)]
struct RequestBody {
    /// What the request log keeps of it.
    excerpt: Option<BodyExcerpt>,
    /// The permit of a large body.
    permit: Option<LargeBodyPermit>,
    unread: Option<UnreadBody>,
}

/// The rest of a body that a handler did not read.
#[derive(Debug)]
pub(crate) struct UnreadBody {
    pub(crate) body: Body,
    /// Whether nothing of it was read.
    pub(crate) whole: bool,
}

impl RequestContext {
    /// The context of a request that arrives now over `connection`.
    pub(crate) fn new(connection: ConnectionAbort, anonymous_ids: Arc<IdGenerator>) -> Self {
        Self {
            received: Stopwatch::start(),
            api: None,
            route: None,
            connection,
            authentication: Authentication::MissingKey,
            requested_fault: None,
            trace: Arc::default(),
            anonymous_ids,
            id: OnceLock::new(),
            binding: OnceLock::new(),
            rate_limit: OnceLock::new(),
            body: Mutex::default(),
        }
    }

    /// The context that the pipeline has put into the request's extensions.
    #[expect(clippy::expect_used, reason = "every request passes the pipeline, which inserts it")]
    pub(crate) fn of(extensions: &Extensions) -> &Arc<Self> {
        extensions.get().expect("the pipeline inserts the context")
    }

    /// The route of a request that a handler answers.
    #[expect(clippy::expect_used, reason = "handlers belong to routes")]
    pub(crate) fn taken_route(&self) -> &'static str {
        self.route.expect("the request has a handler")
    }

    /// The id that the client sent.
    pub(crate) fn set_id(&self, id: RequestId) {
        // Called first: there is no other id yet.
        let _ = self.id.set(id);
    }

    /// The request's id: the client's, else the account's next one, else an anonymous one.
    pub(crate) fn id(&self) -> &RequestId {
        self.id.get_or_init(|| self.anonymous_ids.request())
    }

    /// Attributes the request to `account`, unless it already is to another one.
    pub(crate) fn bind_account(&self, account: &Arc<AccountState>) {
        account.touch();
        self.binding.get_or_init(|| AccountBinding {
            account: Arc::clone(account),
            received_at: account.clock.now(),
            position: account.request_log.position(),
        });
        self.id.get_or_init(|| account.epoch().ids.request());
    }

    pub(crate) fn binding(&self) -> Option<&AccountBinding> {
        self.binding.get()
    }

    pub(crate) fn account(&self) -> Option<&AccountState> {
        self.binding().map(|binding| binding.account.as_ref())
    }

    /// Keeps the verdict for the response's headers.
    pub(crate) fn set_rate_limit(&self, verdict: RateLimitVerdict) {
        // A request is counted once.
        let _ = self.rate_limit.set(verdict);
    }

    pub(crate) fn rate_limit(&self) -> Option<&RateLimitVerdict> {
        self.rate_limit.get()
    }

    /// Keeps an excerpt of the request's body, which was read, for the request log.
    pub(crate) fn record_body(&self, body: &Bytes) {
        if self.wants_body() {
            self.keep_body(BodyExcerpt::of(body));
        }
    }

    /// Whether a request log would keep the request's body and does not have it yet.
    pub(crate) fn wants_body(&self) -> bool {
        self.account().is_some_and(|account| account.request_log.max_entries() > 0)
            && self.body.lock().excerpt.is_none()
    }

    pub(crate) fn keep_body(&self, excerpt: BodyExcerpt) {
        self.body.lock().excerpt = Some(excerpt);
    }

    pub(crate) fn take_body(&self) -> Option<BodyExcerpt> {
        self.body.lock().excerpt.take()
    }

    /// Holds the permit of the request's body until the response is ready.
    pub(crate) fn hold_large_body(&self, permit: Option<LargeBodyPermit>) {
        if permit.is_some() {
            self.body.lock().permit = permit;
        }
    }

    /// Releases the permit: the body and the values read from it are dropped.
    pub(crate) fn release_large_body(&self) {
        drop(self.body.lock().permit.take());
    }

    /// The request's body was dropped before it was read to its end.
    pub(crate) fn set_unread_body(&self, unread: UnreadBody) {
        self.body.lock().unread = Some(unread);
    }

    pub(crate) fn take_unread_body(&self) -> Option<UnreadBody> {
        self.body.lock().unread.take()
    }
}

/// The id of the request, once its account is known: this must follow the account's extractor.
#[derive(Debug, Clone)]
pub(crate) struct KnownRequestId(pub(super) RequestId);

impl<S: Sync> FromRequestParts<S> for KnownRequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(RequestContext::of(&parts.extensions).id().clone()))
    }
}
