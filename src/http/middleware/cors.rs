//! Cross-origin requests: web pages of any origin may use the APIs, with the methods that their routes
//! have.

use std::convert::Infallible;
use std::future::ready;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use futures::FutureExt as _;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::{AllowHeaders, AllowMethods, Any, CorsLayer, ExposeHeaders};

use crate::domain::Api;
use crate::domain::fault_rule::RouteTable;

/// Answers preflights, and adds headers to all other responses.
pub(crate) struct Cors {
    layer: CorsLayer,
    routes: &'static RouteTable,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Cors {
    /// Allows any origin, any request header and the methods of `routes`; exposes the headers that
    /// clients want to read.
    pub(crate) fn new(routes: &'static RouteTable) -> Self {
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
        // The headers do not depend on the request, so they are computed once.
        let answer = answer(&layer, Request::default()).now_or_never();
        let headers = answer.iter().flat_map(Response::headers);
        let headers = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { layer, routes, headers }
    }

    /// Answers a preflight for a path of `api`: every method that a route of the API has is allowed.
    pub(crate) async fn preflight(&self, api: Api, request: Request) -> Response {
        let methods = self.routes.methods_of(api).into_iter().filter_map(|name| name.parse().ok());
        let layer = self.layer.clone().allow_methods(AllowMethods::list(methods));
        answer(&layer, request).await
    }

    pub(crate) fn add_headers(&self, mut response: Response) -> Response {
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

/// What `layer` makes of an empty response to `request`.
async fn answer(layer: &CorsLayer, request: Request) -> Response {
    let empty = service_fn(|_: Request| ready(Ok::<_, Infallible>(Response::new(Body::empty()))));
    let Ok(response) = layer.layer(empty).oneshot(request).await;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fault_rule::Route;

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
            let request = Request::options("/").body(Body::empty()).unwrap();
            let answer = cors.preflight(api, request).await;
            assert_eq!(answer.headers()["access-control-allow-methods"], methods);
        }
    }
}
