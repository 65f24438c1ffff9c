//! What every request goes through on its way to a handler, and every answer on its way back.
//!
//! From the outside in, and why in this order:
//! 1. [`observe`]: gives the request its id and writes its log line, so that even a preflight and
//!    a panic have both. What the client gets goes through it into the account's journal.
//! 2. CORS: answers preflights before anything asks for a key; its headers stand on errors too.
//! 3. [`drain`]: reads what a refused client still sends, so that it gets to see its answer.
//! 4. [`faults`]: does to answers what faults say, error answers in their envelopes included.
//! 5. The room's rendering of failures: everything inside may fail without knowing an envelope.
//! 6. Panics become failures, so that they are rendered like any other.
//! 7. Who calls, as far as the room asks that of every request.
//!
//! All of it is one layer: a layer of the router costs every request several allocations, and
//! layers in layers cost their product.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::{AllowHeaders, AllowMethods, Any, CorsLayer, ExposeHeaders};

use super::drain::drain;
use super::failure::Failure;
use super::faults::{self, FaultHeader};
use super::observe::{Observer, observe};
use super::runner::ErrorStyle;
use super::{Services, characters, plain, runner};
use crate::service::Access;

/// What is asked on the way.
pub(super) struct Passage {
    observer: Observer,
    cors: CorsLayer,
    fault_header: FaultHeader,
    errors: ErrorStyle,
    access: Access,
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Runner,
    Characters,
    /// The Characters API's pictures, which need no key.
    Pictures,
}

impl Room {
    /// The room of a path; none for the control plane, and where there is nothing.
    pub(super) fn of(path: &str) -> Option<Self> {
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if below("/v1/runner") {
            Some(Self::Runner)
        } else if below("/api/v1") {
            Some(Self::Characters)
        } else if below("/images") {
            Some(Self::Pictures)
        } else {
            None
        }
    }
}

/// The layer.
pub(super) async fn pass(
    State(passage): State<Arc<Passage>>,
    request: Request,
    next: Next,
) -> Response {
    let room = Room::of(request.uri().path());
    let inside = async |request: Request| match room {
        Some(room) => passage.through(room, request, next).await,
        None => next.run(request).await,
    };
    observe(&passage.observer, request, inside).await
}

impl Passage {
    pub(super) fn new(services: &Services) -> Self {
        Self {
            observer: services.observer.clone(),
            cors: cors(),
            fault_header: services.fault_header,
            errors: services.runner.errors,
            access: services.access.clone(),
        }
    }

    async fn through(&self, room: Room, request: Request, next: Next) -> Response {
        let handled = async |request| {
            let response = caught(self.admitted(room, request, next)).await;
            self.rendered(room, response)
        };
        let befallen = async |request| faults::befall(self.fault_header, request, handled).await;
        let drained = async |request| drain(request, befallen).await;
        across_origins(&self.cors, request, drained).await
    }

    /// Asks who calls, where the room asks that of every request, and lets the handler answer.
    async fn admitted(&self, room: Room, mut request: Request, next: Next) -> Response {
        match room {
            Room::Runner => runner::attribute(&self.access, &request),
            Room::Characters => {
                if let Err(refusal) = characters::count(&self.access, &mut request) {
                    return refusal.into_response();
                }
            }
            Room::Pictures => {}
        }
        next.run(request).await
    }

    /// Gives failures the room's envelope.
    fn rendered(&self, room: Room, response: Response) -> Response {
        match room {
            Room::Runner => runner::rendered(self.errors, response),
            Room::Characters | Room::Pictures => plain::rendered(response),
        }
    }
}

/// Turns a panic of a handler into a failure.
async fn caught(handled: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(handled).catch_unwind().await.unwrap_or_else(Failure::panicked)
}

async fn across_origins(
    cors: &CorsLayer,
    request: Request,
    inside: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let mut inside = Some(inside);
    let service = cors.layer(service_fn(move |request| {
        let inside = inside.take();
        async move {
            Ok::<_, Infallible>(match inside {
                Some(inside) => inside(request).await,
                // A request is passed on once.
                None => Failure::Panicked.into_response(),
            })
        }
    }));
    let Ok(response) = service.oneshot(request).await;
    response
}

/// Any origin, any request header, and the headers that clients want to read.
fn cors() -> CorsLayer {
    const EXPOSED: [HeaderName; 5] = [
        HeaderName::from_static("x-request-id"),
        header::RETRY_AFTER,
        HeaderName::from_static("x-ratelimit-limit"),
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderName::from_static("x-ratelimit-reset"),
    ];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(AllowMethods::list([Method::GET, Method::POST]))
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(ExposeHeaders::list(EXPOSED))
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::{Value, json};

    use super::*;

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

    #[test]
    fn a_room_is_found_by_the_beginning_of_the_path() {
        for (path, room) in [
            ("/v1/runner", Some(Room::Runner)),
            ("/v1/runner/", Some(Room::Runner)),
            ("/v1/runner/a/b/c", Some(Room::Runner)),
            ("/v1/runners", None),
            ("/api/v1", Some(Room::Characters)),
            ("/api/v1/images", Some(Room::Characters)),
            ("/images/a.png", Some(Room::Pictures)),
            ("/_mynah/health", None),
            ("/", None),
        ] {
            assert_eq!(Room::of(path), room, "{path}");
        }
    }
}
