//! The routes, and which of them a path takes. That is known before the router is asked, so that
//! whatever becomes of a request is told of its route: also what never reaches a handler.
//! The table that faults are checked against is made of the same routes.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::MethodRouter;

/// Routes of a room, under their full paths.
pub(crate) struct Routes<S> {
    router: Router<S>,
    /// Each path, and the methods that it has a handler for.
    listed: Vec<(&'static str, Vec<&'static str>)>,
}

/// The handlers of one path. axum's own type does not tell which methods it holds.
pub(super) struct Methods<S> {
    router: MethodRouter<S>,
    names: Vec<&'static str>,
}

/// Tells by its path which route a request takes.
#[derive(Debug, Clone)]
pub(super) struct RouteMatcher {
    found: Arc<matchit::Router<&'static str>>,
    listed: Arc<[(&'static str, Vec<&'static str>)]>,
}

/// Functions that begin [`Methods`].
macro_rules! begin {
    ($($method:ident: $name:literal),*) => {
        $(
            #[doc = concat!("Handles `", $name, "`.")]
            pub(super) fn $method<H, T, S>(handler: H) -> Methods<S>
            where
                H: Handler<T, S>,
                T: 'static,
                S: Clone + Send + Sync + 'static,
            {
                Methods { router: axum::routing::$method(handler), names: vec![$name] }
            }
        )*
    };
}

/// Methods that add to [`Methods`].
macro_rules! add {
    ($($method:ident: $name:literal),*) => {
        impl<S: Clone + Send + Sync + 'static> Methods<S> {
            $(
                #[doc = concat!("Handles `", $name, "`, too.")]
                pub(super) fn $method<H, T>(mut self, handler: H) -> Self
                where
                    H: Handler<T, S>,
                    T: 'static,
                {
                    self.names.push($name);
                    Self { router: self.router.$method(handler), ..self }
                }
            )*
        }
    };
}

begin!(get: "GET", post: "POST", delete: "DELETE");
add!(post: "POST", put: "PUT", patch: "PATCH", delete: "DELETE");

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { router: Router::new(), listed: Vec::new() }
    }

    /// One more.
    pub(super) fn route(mut self, path: &'static str, methods: Methods<S>) -> Self {
        self.listed.push((path, methods.names));
        Self { router: self.router.route(path, methods.router), ..self }
    }

    /// These and `other`.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.listed.extend(other.listed);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// With their router changed.
    pub(super) fn map(self, change: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        Self { router: change(self.router), ..self }
    }

    /// With what their handlers ask for.
    pub(super) fn with_state(self, state: S) -> Routes<()> {
        Routes { router: self.router.with_state(state), listed: self.listed }
    }

    /// Each path, and the methods that it has a handler for.
    pub(super) fn listed(&self) -> &[(&'static str, Vec<&'static str>)] {
        &self.listed
    }

    /// The router, and who tells its routes.
    pub(super) fn into_parts(self) -> (Router<S>, RouteMatcher) {
        let mut signposts = matchit::Router::new();
        for (path, _) in &self.listed {
            // Two paths that cannot be told apart were refused by the router already.
            let _ = signposts.insert(*path, *path);
        }
        (self.router, RouteMatcher { found: Arc::new(signposts), listed: self.listed.into() })
    }
}

impl RouteMatcher {
    /// The route that `path` takes: `/v1/runner/{deployment_id}`.
    pub(super) fn at(&self, path: &str) -> Option<&'static str> {
        self.found.at(path).ok().map(|found| *found.value)
    }

    /// Each path, and the methods that it has a handler for.
    pub(super) fn listed(&self) -> &[(&'static str, Vec<&'static str>)] {
        &self.listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_methods_of_a_path_are_listed() {
        let routes = Routes::<()>::new()
            .route("/a", get(async || ()).post(async || ()))
            .merge(Routes::new().route("/b", delete(async || ()).patch(async || ())));
        assert_eq!(routes.listed(), [("/a", vec!["GET", "POST"]), ("/b", vec!["DELETE", "PATCH"])]);
    }

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
