//! The routes, and which of them a path takes. That is known before the router is asked, so that
//! whatever becomes of a request is told of its route: also what never reaches a handler.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;

/// Routes of a room, under their full paths.
pub(super) struct Routes<S> {
    router: Router<S>,
    paths: Vec<&'static str>,
}

/// Tells by its path which route a request takes.
#[derive(Debug, Clone)]
pub(super) struct Signposts(Arc<matchit::Router<&'static str>>);

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { router: Router::new(), paths: Vec::new() }
    }

    /// One more.
    pub(super) fn route(mut self, path: &'static str, methods: MethodRouter<S>) -> Self {
        self.paths.push(path);
        Self { router: self.router.route(path, methods), ..self }
    }

    /// These and `other`.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.paths.extend(other.paths);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// With their router changed.
    pub(super) fn map(self, change: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        Self { router: change(self.router), ..self }
    }

    /// With what their handlers ask for.
    pub(super) fn with_state(self, state: S) -> Routes<()> {
        Routes { router: self.router.with_state(state), paths: self.paths }
    }

    /// The router, and who tells its routes.
    pub(super) fn into_parts(self) -> (Router<S>, Signposts) {
        let mut signposts = matchit::Router::new();
        for path in self.paths {
            // Two paths that cannot be told apart were refused by the router already.
            let _ = signposts.insert(path, path);
        }
        (self.router, Signposts(Arc::new(signposts)))
    }
}

impl Signposts {
    /// The route that `path` takes: `/v1/runner/{deployment_id}`.
    pub(super) fn at(&self, path: &str) -> Option<&'static str> {
        self.0.at(path).ok().map(|found| *found.value)
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;

    #[test]
    fn a_path_takes_the_route_that_fits_it_best() {
        let routes = Routes::<()>::new()
            .route("/v1/{id}", get(async || ()))
            .route("/v1/{id}/words", get(async || ()))
            .merge(Routes::new().route("/v1/all", get(async || ())));
        let (_, signposts) = routes.into_parts();
        for (path, route) in [
            ("/v1/7", Some("/v1/{id}")),
            ("/v1/all", Some("/v1/all")),
            ("/v1/all/words", Some("/v1/{id}/words")),
            ("/v1/7/", None),
            ("/", None),
        ] {
            assert_eq!(signposts.at(path), route, "{path}");
        }
    }
}
