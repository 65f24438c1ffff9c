//! What becomes known about a request while it is answered, for the layers around it.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::ids::{Minter, RequestId};
use crate::service::World;
use crate::service::faults::Met;
use crate::service::limits::Verdict;

/// One request's notes. It travels in the request's extensions.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    id: OnceLock<RequestId>,
    world: OnceLock<Arc<World>>,
    verdict: OnceLock<Verdict>,
    met: Met,
}

impl Scope {
    /// The notes on a request that brings its own id, or none.
    pub(super) fn new(id: Option<RequestId>) -> Self {
        let scope = Self::default();
        if let Some(id) = id {
            let _ = scope.0.id.set(id);
        }
        scope
    }

    /// The request is `world`'s: it is logged so, and gets its id from there if it has none.
    pub(super) fn attribute_to(&self, world: &Arc<World>) {
        world.use_now();
        let _ = self.0.world.set(Arc::clone(world));
        self.0.id.get_or_init(|| world.ids.request());
    }

    /// The limiter has spoken.
    pub(super) fn limited(&self, verdict: Verdict) {
        let _ = self.0.verdict.set(verdict);
    }

    /// The request's id, from `strangers` if nobody gave it one so far.
    pub(super) fn id(&self, strangers: &Minter) -> &RequestId {
        self.0.id.get_or_init(|| strangers.request())
    }

    pub(super) fn world(&self) -> Option<&World> {
        self.0.world.get().map(Arc::as_ref)
    }

    pub(super) fn verdict(&self) -> Option<&Verdict> {
        self.0.verdict.get()
    }

    /// Where the fault is noted that the request meets.
    pub(super) fn met(&self) -> &Met {
        &self.0.met
    }

    /// The notes that travel with the request.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_default()
    }
}

/// The id of the request being answered, once its account is known.
#[derive(Debug, Clone)]
pub(super) struct KnownId(pub(super) RequestId);

impl<S: Sync> FromRequestParts<S> for KnownId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let scope = Scope::of(parts);
        // Extractors run in order, and every one that needs an id stands behind the caller's.
        let unattributed = || RequestId::from("");
        Ok(Self(scope.0.id.get().cloned().unwrap_or_else(unattributed)))
    }
}
