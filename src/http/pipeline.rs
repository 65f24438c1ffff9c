//! What every request goes through on its way to a handler, and every answer on its way back.
//!
//! From the outside in, and why in this order:
//! 1. [`drain`](super::middleware::unread_body): reads what a refused client still sends, so that it gets to see its
//!    answer.
//! 2. [`observe`](super::middleware::access_log): gives the request its id and writes its log line, so that even a
//!    preflight and a panic have both. What the client gets goes through it into the account's
//!    journal.
//!    A wrong `Host` is refused here.
//! 3. CORS: answers preflights before anything asks for a key; its headers stand on errors too.
//! 4. [`faults`]: does to answers what faults say, error answers in their envelopes included.
//! 5. The room's rendering of failures: everything inside may fail without knowing an envelope.
//! 6. Panics become failures, so that they are rendered like any other.
//! 7. Who calls, as far as the room asks that of every request.
//!
//! All of it stands around the router, not in it: a layer of the router costs every request
//! several allocations, and layers in layers cost their product.

mod bad_head;

use std::convert::Infallible;
use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use tower::{BoxError, Layer as _, Service as _, ServiceExt as _, service_fn};
use tower_http::cors::{AllowHeaders, AllowMethods, Any, CorsLayer, ExposeHeaders};

use super::Services;
use super::apis::characters;
use super::apis::runner;
use super::apis::runner::ErrorStyle;
use super::connection::ConnectionAbort;
use super::context::RequestContext;
use super::middleware::access_log::{AccessLog, ObservedRequest};
use super::middleware::fault_injection::{self, FaultHeader};
use super::host;
use super::middleware::unread_body::drain;
use super::middleware::unread_body::drain_on_drop;
use super::response::failure::ApiError;
use super::response::plain;
use super::route_table;
use super::routes::{RouteMatcher, Routes};
use crate::app::Authenticator;
use crate::domain::Api;
use crate::domain::fault_rule::RouteTable;

/// Everything the server answers.
#[derive(Clone)]
pub struct Pipeline(Arc<PipelineInner>);

struct PipelineInner {
    router: Router,
    signposts: RouteMatcher,
    observer: Arc<AccessLog>,
    cors: Cors,
    fault_header: FaultHeader,
    errors: ErrorStyle,
    access: Authenticator,
}

impl Pipeline {
    /// The pipeline to `rooms`, which serve with `services`.
    pub(crate) fn new(rooms: Routes<()>, services: &Services) -> Self {
        let (router, signposts) = rooms.into_parts();
        Self(Arc::new(PipelineInner {
            router,
            signposts,
            observer: Arc::new(services.access_log.clone()),
            cors: Cors::new(route_table()),
            fault_header: services.fault_header,
            errors: services.runner.errors,
            access: services.authenticator.clone(),
        }))
    }

    /// The path of every route there is, as routes are written (`/v1/runner/{deployment_id}`), and
    /// the methods that it has a handler for.
    pub fn routes(&self) -> &[(&'static str, Vec<&'static str>)] {
        self.0.signposts.listed()
    }

    /// Answers a request that came over `line`.
    pub async fn answer<B>(&self, line: &ConnectionAbort, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let inside = &*self.0;
        let path = request.uri().path();
        let (api, route) = (Api::of_path(path), inside.signposts.at(path));
        let scope = RequestContext::new(route, line.clone());
        let mut request = drain_on_drop(&scope, request);
        let observed = ObservedRequest::begin(&inside.observer, &scope, &request);
        request.extensions_mut().insert(scope.clone());
        let response = match (host::check(request.version(), request.headers()), api) {
            (Err(failure), _) => inside.refused(api, failure),
            (Ok(()), Some(api)) => inside.through(api, request, &scope).await,
            (Ok(()), None) => inside.routed(request).await,
        };
        scope.release_large_body();
        drain(&scope).await;
        observed.answered(response)
    }
}

impl PipelineInner {
    async fn through(&self, api: Api, mut request: Request, scope: &RequestContext) -> Response {
        if request.method() == Method::OPTIONS {
            return match scope.route() {
                Some(_) => self.cors.preflight(api, request).await,
                None => self.refused(Some(api), ApiError::UnknownPath),
            };
        }
        fault_injection::ask(self.fault_header, &mut request);
        let response = caught(self.admitted(api, request)).await;
        let response = fault_injection::apply_fault(self.rendered(api, response), scope).await;
        self.cors.allowed(response)
    }

    /// The answer to a request that goes no further, in the envelope that belongs to its path.
    fn refused(&self, api: Option<Api>, failure: ApiError) -> Response {
        let failure = failure.into_response();
        match api {
            Some(api) => self.cors.allowed(self.rendered(api, failure)),
            None => plain::rendered(failure),
        }
    }

    /// Asks who calls, where the API asks that of every request, and lets the handler answer.
    async fn admitted(&self, api: Api, mut request: Request) -> Response {
        match api {
            Api::Runner => runner::attribute(&self.access, &request),
            Api::Characters if api.needs_key(request.uri().path()) => {
                if let Err(refusal) = characters::count(&self.access, &mut request) {
                    return refusal.into_response();
                }
            }
            Api::Characters => {}
        }
        self.routed(request).await
    }

    /// Lets the handler answer.
    async fn routed(&self, request: Request) -> Response {
        let Ok(response) = self.router.clone().call(request).await;
        response
    }

    /// Gives failures the API's envelope.
    fn rendered(&self, api: Api, response: Response) -> Response {
        match api {
            Api::Runner => runner::rendered(self.errors, response),
            Api::Characters => plain::rendered(response),
        }
    }
}

/// Turns a panic of a handler into a failure.
async fn caught(handled: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(handled).catch_unwind().await.unwrap_or_else(ApiError::panicked)
}

/// What lets web pages of any origin use both APIs.
struct Cors {
    layer: CorsLayer,
    routes: &'static RouteTable,
    /// What it adds to every answer that is none to a preflight.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Cors {
    /// Any origin, any request header, and the headers that clients want to read.
    fn new(routes: &'static RouteTable) -> Self {
        const EXPOSED: [HeaderName; 5] = [
            HeaderName::from_static("x-request-id"),
            header::RETRY_AFTER,
            HeaderName::from_static("x-ratelimit-limit"),
            HeaderName::from_static("x-ratelimit-remaining"),
            HeaderName::from_static("x-ratelimit-reset"),
        ];
        let layer = CorsLayer::new()
            .allow_origin(Any)
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(ExposeHeaders::list(EXPOSED));
        // None of them depends on the request, so the layer is asked once and not every time.
        let answer = Self::through(&layer, Request::default()).now_or_never();
        let headers = answer.iter().flat_map(Response::headers);
        let headers = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { layer, routes, headers }
    }

    /// Answers a preflight for a path of `api`: every method that a route of the API takes is allowed.
    async fn preflight(&self, api: Api, request: Request) -> Response {
        let methods = self.routes.methods_of(api).into_iter().filter_map(|name| name.parse().ok());
        let layer = self.layer.clone().allow_methods(AllowMethods::list(methods));
        Self::through(&layer, request).await
    }

    /// What the layer makes of an empty answer.
    async fn through(layer: &CorsLayer, request: Request) -> Response {
        let empty =
            service_fn(|_: Request| ready(Ok::<_, Infallible>(Response::new(Body::empty()))));
        let Ok(response) = layer.layer(empty).oneshot(request).await;
        response
    }

    fn allowed(&self, mut response: Response) -> Response {
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::fault_rule::Route;

    /// What a client sees of a handler that panics.
    async fn panicked(render: impl FnOnce(Response) -> Response) -> (u16, Value) {
        let response = render(caught(async { panic!("the key is sesame") }).await);
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_a_500_in_its_rooms_envelope_that_tells_nothing() {
        let error = json!({
            "type": "api_error", "message": "internal error", "param": null,
            "code": "internal_error",
        });
        let open_ai = |response| runner::rendered(ErrorStyle::OpenAi, response);
        assert_eq!(panicked(open_ai).await, (500, json!({ "error": error })));
        let fast_api = |response| runner::rendered(ErrorStyle::FastApi, response);
        assert_eq!(panicked(fast_api).await, (500, json!({ "detail": "internal error" })));
        assert_eq!(panicked(plain::rendered).await, (500, json!({ "error": "Internal error" })));
    }

    #[tokio::test]
    async fn a_preflight_allows_the_methods_that_the_routes_of_the_api_have() {
        let route = |api, path, method| Route { api, path, methods: vec![method] };
        let routes = RouteTable::new([
            route(Api::Runner, "/v1/runner/{id}", "POST"),
            route(Api::Characters, "/api/v1/models", "GET"),
            route(Api::Characters, "/api/v1/conversations/{id}", "PATCH"),
        ]);
        let cors = Cors::new(Box::leak(Box::new(routes)));
        for (api, methods) in [(Api::Runner, "POST"), (Api::Characters, "GET,PATCH")] {
            let answer =
                cors.preflight(api, Request::options("/").body(Body::empty()).unwrap()).await;
            assert_eq!(answer.headers()["access-control-allow-methods"], methods);
        }
    }
}
