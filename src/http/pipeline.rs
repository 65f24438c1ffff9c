//! What every request passes on its way to a handler, and every response on its way back:
//! [`Pipeline::answer`] is the list, in order.
//!
//! The steps are functions around the handler, not layers of a router: a layer costs every request
//! several allocations.

mod bad_head;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::{Bytes, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use tower::BoxError;

use super::apis::{characters, control, health, runner};
use super::connection::ConnectionAbort;
use super::context::RequestContext;
use super::middleware::cors::Cors;
use super::middleware::exchange::{Exchange, ExchangeLog};
use super::middleware::fault_injection::apply_fault;
use super::middleware::rate_limit::check_rate_limit;
use super::middleware::response_headers::client_id;
use super::middleware::unread_body::{drain, drain_on_drop};
use super::requested_fault::RequestedFault;
use super::response::error::HttpError;
use super::routes::{RouteHandlers, RouteMatcher, Routes};
use super::{Services, Shared, host, route_table};
use crate::app::auth::Authentication;
use crate::domain::Api;
use crate::ids::{AccountId, IdGenerator};

/// Answers every request to the server.
#[derive(Clone)]
pub struct Pipeline(Arc<PipelineSteps>);

struct PipelineSteps {
    routes: RouteMatcher<Shared>,
    services: Shared,
    cors: Cors,
    exchange_log: Arc<ExchangeLog>,
    /// Ids for requests without an account.
    anonymous_ids: Arc<IdGenerator>,
}

impl Pipeline {
    /// The pipeline to `routes`, whose handlers use `services`.
    pub(super) fn new(routes: Routes<Shared>, services: Services) -> Self {
        Self(Arc::new(PipelineSteps {
            routes: routes.into_matcher(),
            cors: Cors::new(route_table()),
            exchange_log: Arc::new(services.exchange_log.clone()),
            anonymous_ids: Arc::new(IdGenerator::new(services.seed, &AccountId::from(""))),
            services: Shared(Arc::new(services)),
        }))
    }

    /// The path of every route, as routes are written (`/v1/runner/{deployment_id}`), and the methods
    /// that it has a handler for.
    pub fn routes(&self) -> &[(&'static str, Vec<&'static str>)] {
        self.0.routes.listed()
    }

    /// Answers a request of `connection`.
    pub async fn answer<B>(&self, connection: &ConnectionAbort, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let steps = &*self.0;
        // On the way in. Route: the path is matched here and nowhere else.
        let route = steps.routes.at(request.uri().path());
        let mut context = steps.context(connection, &request, route);
        // `Host`, then key, account and limit.
        let admission = steps.admit(&mut context, &request);
        let context = Arc::new(context);
        // The rest of a body is read, so that a refused client receives its response.
        let mut request = drain_on_drop(&context, request);
        // From here on the access log and the request log record the request in any case.
        let exchange = Exchange::begin(&steps.exchange_log, &context, &request);
        request.extensions_mut().insert(Arc::clone(&context));
        let response = match (admission, context.api) {
            (Ok(()), Some(api)) if *request.method() == Method::OPTIONS => {
                steps.cors.preflight(api, request).await
            }
            (Ok(()), _) => {
                let response = catch_panic(steps.handle(route, request, &context)).await;
                steps.finish(response, &context).await
            }
            (Err(error), _) => steps.finish(error.into_response(), &context).await,
        };
        context.release_large_body();
        drain(&context).await;
        // Id, date and limit in the headers; line and entry once the body has ended.
        exchange.answered(response)
    }
}

impl PipelineSteps {
    fn context<B>(
        &self,
        connection: &ConnectionAbort,
        request: &Request<B>,
        route: Option<&RouteHandlers<Shared>>,
    ) -> RequestContext {
        let mut context = RequestContext::new(connection.clone(), Arc::clone(&self.anonymous_ids));
        context.api = Api::of_path(request.uri().path());
        context.route = route.map(|route| route.path);
        if let Some(id) = client_id(request.headers(), &self.services.0.secrets) {
            context.set_id(id);
        }
        context
    }

    /// Refuses requests that no handler should see, and attributes those to an API to their account.
    fn admit<B>(
        &self,
        context: &mut RequestContext,
        request: &Request<B>,
    ) -> Result<(), HttpError> {
        let (services, headers) = (&self.services.0, request.headers());
        host::check(request.version(), headers)?;
        let Some(api) = context.api else { return Ok(()) };
        // A preflight carries no key.
        if *request.method() == Method::OPTIONS {
            return context.route.map(|_| ()).ok_or(HttpError::UnknownPath);
        }
        context.requested_fault = RequestedFault::of(services.fault_header, headers);
        if !api.needs_key(request.uri().path()) {
            return Ok(());
        }
        let key = match api {
            Api::Runner => runner::key(headers),
            Api::Characters => characters::key(headers),
        };
        context.authentication = services.authenticator.authenticate(key, &context.trace);
        if let Authentication::Account(session) = &context.authentication {
            context.bind_account(&session.account());
            // The Runner API's limit counts only requests that may use their deployment: its
            // extractors check it.
            if api == Api::Characters {
                check_rate_limit(context, api, session)?;
            }
        }
        Ok(())
    }

    /// Calls the handler.
    async fn handle(
        &self,
        route: Option<&RouteHandlers<Shared>>,
        request: Request,
        context: &RequestContext,
    ) -> Response {
        let services = &self.services.0;
        let Some(route) = route else {
            return match context.api {
                Some(_) => HttpError::UnknownPath.into_response(),
                None => health::unknown_path(),
            };
        };
        if !route.guarded {
            return route.call(request, self.services.clone()).await;
        }
        match control::guard(&services.control, &services.large_bodies, request).await {
            Ok(request) => route.call(request, self.services.clone()).await,
            Err(error) => error.into_response(),
        }
    }

    /// On the way out: errors get the API's envelope, responses their fault and the headers for web
    /// pages of other origins, which the control plane does not serve.
    async fn finish(&self, response: Response, context: &RequestContext) -> Response {
        let response = self.in_envelope(context, response);
        let response = apply_fault(response, context).await;
        self.with_cors(context.api, response)
    }

    fn in_envelope(&self, context: &RequestContext, response: Response) -> Response {
        match context.api {
            Some(Api::Runner) => {
                let style = runner::Style::of_request(context, self.services.0.runner);
                runner::rendered(style.errors, response)
            }
            Some(Api::Characters) => characters::rendered(response),
            None => control::rendered(response),
        }
    }

    fn with_cors(&self, api: Option<Api>, response: Response) -> Response {
        match api {
            Some(_) => self.cors.add_headers(response),
            None => response,
        }
    }
}

/// Turns a panic of a handler into an error.
async fn catch_panic(handler: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(handler).catch_unwind().await.unwrap_or_else(HttpError::panicked)
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::{Value, json};

    use super::super::apis::runner::ErrorStyle;
    use super::*;

    /// The response to a client if its handler panics.
    async fn panicked(render: impl FnOnce(Response) -> Response) -> (u16, Value) {
        let response = render(catch_panic(async { panic!("the key is sesame") }).await);
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_a_500_in_its_apis_envelope_without_its_message() {
        let error = json!({
            "type": "api_error", "message": "internal error", "param": null,
            "code": "internal_error",
        });
        let open_ai = |response| runner::rendered(ErrorStyle::OpenAi, response);
        assert_eq!(panicked(open_ai).await, (500, json!({ "error": error })));
        let fast_api = |response| runner::rendered(ErrorStyle::FastApi, response);
        assert_eq!(panicked(fast_api).await, (500, json!({ "detail": "internal error" })));
        let plain = (500, json!({ "error": "Internal error" }));
        assert_eq!(panicked(characters::rendered).await, plain);
        assert_eq!(panicked(control::rendered).await, plain);
    }
}
