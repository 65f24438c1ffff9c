//! The table of routes: one look-up by path gives the route's template and its handlers.
//!
//! Handlers are axum's, but the router is not: middleware need the template of every request, also of
//! those that no handler answers, and a path is to be matched once.

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::future::BoxFuture;

use super::response::error::HttpError;
use crate::domain::Api;

/// Routes under their full paths, for handlers with the state `S`.
pub(crate) struct Routes<S>(Vec<RouteHandlers<S>>);

/// A path and its handlers.
pub(super) struct RouteHandlers<S> {
    /// The template: `/v1/runner/{deployment_id}`. A parameter is a whole segment.
    pub(super) path: &'static str,
    /// Whether it is only for those with access to the control plane.
    pub(super) guarded: bool,
    handlers: Handlers<S>,
}

/// The handlers of one path, by method.
pub(super) struct Handlers<S>(Vec<MethodHandler<S>>);

struct MethodHandler<S> {
    method: Method,
    /// The method as text.
    name: &'static str,
    call: BoxedHandler<S>,
}

type BoxedHandler<S> = Box<dyn Fn(Request, S) -> BoxFuture<'static, Response> + Send + Sync>;

/// All routes of the server.
pub(super) struct RouteMatcher<S> {
    paths: matchit::Router<RouteHandlers<S>>,
    listed: Vec<(&'static str, Vec<&'static str>)>,
}

/// Functions that begin [`Handlers`].
macro_rules! begin {
    ($($function:ident: $method:ident),*) => {
        $(
            #[doc = concat!("Handles `", stringify!($method), "`.")]
            pub(super) fn $function<H, T, S>(handler: H) -> Handlers<S>
            where
                H: Handler<T, S, Future = BoxFuture<'static, Response>>,
                T: 'static,
                S: 'static,
            {
                Handlers(Vec::new()).and(Method::$method, stringify!($method), handler)
            }
        )*
    };
}

/// Methods that add to [`Handlers`].
macro_rules! add {
    ($($function:ident: $method:ident),*) => {
        impl<S: 'static> Handlers<S> {
            $(
                #[doc = concat!("Handles `", stringify!($method), "`, too.")]
                pub(super) fn $function<H, T>(self, handler: H) -> Self
                where
                    H: Handler<T, S, Future = BoxFuture<'static, Response>>,
                    T: 'static,
                {
                    self.and(Method::$method, stringify!($method), handler)
                }
            )*
        }
    };
}

begin!(get: GET, post: POST, delete: DELETE);
add!(post: POST, put: PUT, patch: PATCH, delete: DELETE);

impl<S: 'static> Handlers<S> {
    fn and<H, T>(mut self, method: Method, name: &'static str, handler: H) -> Self
    where
        H: Handler<T, S, Future = BoxFuture<'static, Response>>,
        T: 'static,
    {
        let call = move |request, state| handler.clone().call(request, state);
        self.0.push(MethodHandler { method, name, call: Box::new(call) });
        self
    }
}

impl<S> Handlers<S> {
    /// The handler of `method`; that of `GET` also answers `HEAD`.
    fn of(&self, method: &Method) -> Option<&BoxedHandler<S>> {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.0.iter().find(|handler| handler.method == *method).map(|handler| &handler.call)
    }

    /// The methods, as `Allow` lists them: `GET,HEAD,POST`.
    fn allowed(&self) -> String {
        let names = self.0.iter().map(|handler| match handler.name {
            "GET" => "GET,HEAD",
            name => name,
        });
        names.collect::<Vec<_>>().join(",")
    }
}

impl<S> Routes<S> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn route(mut self, path: &'static str, handlers: Handlers<S>) -> Self {
        self.0.push(RouteHandlers { path, guarded: false, handlers });
        self
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// These routes, only for those with access to the control plane.
    pub(super) fn guarded(mut self) -> Self {
        for route in &mut self.0 {
            route.guarded = true;
        }
        self
    }

    /// Each path, and the methods that it has a handler for.
    pub(super) fn listed(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        let names = |route: &RouteHandlers<S>| {
            route.handlers.0.iter().map(|handler| handler.name).collect()
        };
        self.0.iter().map(|route| (route.path, names(route))).collect()
    }

    /// The table of these routes.
    #[expect(clippy::expect_used, reason = "paths are written in the program, and tests build it")]
    pub(super) fn into_matcher(self) -> RouteMatcher<S> {
        let listed = self.listed();
        let mut paths = matchit::Router::new();
        for route in self.0 {
            paths.insert(route.path, route).expect("paths of routes differ");
        }
        RouteMatcher { paths, listed }
    }
}

impl<S> RouteMatcher<S> {
    /// The route that `path` takes.
    pub(super) fn at(&self, path: &str) -> Option<&RouteHandlers<S>> {
        self.paths.at(path).ok().map(|found| found.value)
    }

    /// Each path, and the methods that it has a handler for.
    pub(super) fn listed(&self) -> &[(&'static str, Vec<&'static str>)] {
        &self.listed
    }
}

impl<S> RouteHandlers<S> {
    /// Calls the handler of the request's method.
    pub(super) async fn call(&self, request: Request, state: S) -> Response {
        let Some(handler) = self.handlers.of(request.method()) else {
            return self.wrong_method();
        };
        let is_head = *request.method() == Method::HEAD;
        let response = handler(request, state).await;
        if is_head { without_body(response) } else { response }
    }

    fn wrong_method(&self) -> Response {
        let is_of_api = self.guarded || Api::of_path(self.path).is_some();
        // The pages about the server have no envelope for errors.
        let mut response = if is_of_api {
            HttpError::WrongMethod.into_response()
        } else {
            StatusCode::METHOD_NOT_ALLOWED.into_response()
        };
        if let Ok(allowed) = HeaderValue::from_str(&self.handlers.allowed()) {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        response
    }
}

/// The response to a `HEAD`: with the length of the body in place of the body.
fn without_body(mut response: Response) -> Response {
    let length = response.body().size_hint().exact();
    if let Some(length) =
        length.filter(|_| !response.headers().contains_key(header::CONTENT_LENGTH))
    {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response.map(|_| Body::empty())
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
            .merge(Routes::new().route("/v1/all", get(async || ())))
            .into_matcher();
        for (path, route) in [
            ("/v1/7", Some("/v1/{id}")),
            ("/v1/all", Some("/v1/all")),
            ("/v1/all/words", Some("/v1/{id}/words")),
            ("/v1/7/", None),
            ("/", None),
        ] {
            assert_eq!(routes.at(path).map(|route| route.path), route, "{path}");
        }
    }

    #[tokio::test]
    async fn a_head_is_answered_by_the_handler_of_get_without_the_body() {
        let routes = Routes::<()>::new().route("/a", get(async || "five!")).into_matcher();
        let request = Request::head("/a").body(Body::empty()).unwrap();
        let response = routes.at("/a").unwrap().call(request, ()).await;
        assert_eq!(
            (response.status(), &response.headers()["content-length"]),
            (StatusCode::OK, &HeaderValue::from(5))
        );
        assert_eq!(response.body().size_hint().exact(), Some(0));
    }
}
