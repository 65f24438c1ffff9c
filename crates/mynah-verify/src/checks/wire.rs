//! HTTP: paths, methods, bodies, request ids, CORS.

use reqwest::Method;

use crate::api::Api;
use crate::check::{Check, characters, choice, notes};
use crate::client::RequestOptions;
use crate::context::{Credential, TestContext};
use crate::expect::{CheckFailure, Response};
use crate::need::Need;

const KEY: &[Need] = &[Need::Key];

/// Checks of the Runner API.
pub(super) const RUNNER: &[Check] = &[
    Check {
        id: "runner.wire.unknown_path",
        title: "an unknown path is 404",
        source: notes("Errors"),
        needs: KEY,
        run: |context| Box::pin(unknown_path(context, Api::Runner)),
    },
    Check {
        id: "runner.wire.broken_json",
        title: "a body that is not JSON is refused",
        source: notes("Errors"),
        needs: &[Need::Key, Need::Deployment],
        run: |context| Box::pin(broken_json(context, Api::Runner)),
    },
    Check {
        id: "runner.wire.method",
        title: "a wrong method is 405, and Allow names the right ones",
        source: choice("Both APIs"),
        needs: KEY,
        run: |context| Box::pin(wrong_method(context, Api::Runner)),
    },
    Check {
        id: "runner.wire.content_type",
        title: "a body without a JSON content type is 415",
        source: choice("Both APIs"),
        needs: &[Need::Key, Need::Deployment],
        run: |context| Box::pin(content_type(context, Api::Runner)),
    },
    Check {
        id: "runner.wire.request_id",
        title: "every answer has an x-request-id; a client's own is kept",
        source: choice("Both APIs"),
        needs: KEY,
        run: |context| Box::pin(request_id(context, Api::Runner)),
    },
    Check {
        id: "runner.wire.preflight",
        title: "a browser's preflight needs no key and allows what it asks for",
        source: choice("Both APIs"),
        needs: &[],
        run: |context| Box::pin(preflight(context, Api::Runner)),
    },
];

/// Checks of the Characters API.
pub(super) const CHARACTERS: &[Check] = &[
    Check {
        id: "characters.wire.unknown_path",
        title: "an unknown path is 404",
        source: characters("Errors"),
        needs: KEY,
        run: |context| Box::pin(unknown_path(context, Api::Characters)),
    },
    Check {
        id: "characters.wire.broken_json",
        title: "a body that is not JSON is 400",
        source: characters("Errors"),
        needs: KEY,
        run: |context| Box::pin(broken_json(context, Api::Characters)),
    },
    Check {
        id: "characters.wire.method",
        title: "a wrong method is 405, and Allow names the right ones",
        source: choice("Characters API: what both APIs share"),
        needs: KEY,
        run: |context| Box::pin(wrong_method(context, Api::Characters)),
    },
    Check {
        id: "characters.wire.content_type",
        title: "a body without a JSON content type is 415",
        source: choice("Characters API: what both APIs share"),
        needs: KEY,
        run: |context| Box::pin(content_type(context, Api::Characters)),
    },
    Check {
        id: "characters.wire.request_id",
        title: "every answer has an x-request-id; a client's own is kept",
        source: choice("Characters API: what both APIs share"),
        needs: KEY,
        run: |context| Box::pin(request_id(context, Api::Characters)),
    },
    Check {
        id: "characters.wire.preflight",
        title: "a browser's preflight needs no key and allows what it asks for",
        source: choice("Characters API: what both APIs share"),
        needs: &[],
        run: |context| Box::pin(preflight(context, Api::Characters)),
    },
];

/// A path that accepts `GET` and is free of charge.
fn list_path(api: Api) -> &'static str {
    match api {
        Api::Runner => "/conversations?page_size=1",
        Api::Characters => "/models?type=llm",
    }
}

/// A path that accepts a body.
fn post_path(context: &TestContext, api: Api) -> String {
    match api {
        Api::Runner => format!("/{}", context.deployment()),
        Api::Characters => "/completions".to_owned(),
    }
}

async fn unknown_path(context: &TestContext, api: Api) -> Result<(), CheckFailure> {
    let response = context.get(api, Credential::Main, "/no/such/path/at/all").await?;
    response.status(&[404]).map(|_| ())
}

async fn post(
    context: &TestContext,
    api: Api,
    options: RequestOptions,
) -> Result<Response, CheckFailure> {
    context.send(api, Method::POST, &post_path(context, api), options).await
}

async fn broken_json(context: &TestContext, api: Api) -> Result<(), CheckFailure> {
    let response =
        post(context, api, context.signed(api, Credential::Main)?.body("{\"messages\": [")).await?;
    let allowed: &[u16] = match api {
        Api::Runner => &[400, 422],
        Api::Characters => &[400],
    };
    response.status(allowed)?.json().map(|_| ())
}

async fn wrong_method(context: &TestContext, api: Api) -> Result<(), CheckFailure> {
    let options = context.signed(api, Credential::Main)?;
    let response = context.send(api, Method::DELETE, list_path(api), options).await?;
    let allow = response.status(&[405])?.header("allow");
    response.check(allow.contains("GET"), "Allow: GET", allow)
}

async fn content_type(context: &TestContext, api: Api) -> Result<(), CheckFailure> {
    let options = context.signed(api, Credential::Main)?.text("{}");
    post(context, api, options).await?.status(&[415]).map(|_| ())
}

async fn request_id(context: &TestContext, api: Api) -> Result<(), CheckFailure> {
    let own = format!("verify-{}", context.run);
    let options = context.signed(api, Credential::Main)?.header("x-request-id", &own);
    let response = context.send(api, Method::GET, list_path(api), options).await?;
    let kept = response.header("x-request-id");
    response.check(kept == own, format!("x-request-id: {own}"), kept)?;
    let response = context.get(api, Credential::Main, list_path(api)).await?;
    let generated = response.header("x-request-id");
    response.check(generated.starts_with("req_"), "x-request-id: req_…", generated)
}

async fn preflight(context: &TestContext, api: Api) -> Result<(), CheckFailure> {
    let wanted = match api {
        Api::Runner => "x-api-key",
        Api::Characters => "authorization",
    };
    let options = RequestOptions::default()
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", format!("{wanted}, content-type"));
    let response = context.send(api, Method::OPTIONS, list_path(api), options).await?;
    response.status(&[200, 204])?;
    let origin = response.header("access-control-allow-origin");
    let open = origin == "*" || origin == "https://app.example.com";
    response.check(open, "access-control-allow-origin", origin)?;
    let named = response.header("access-control-allow-headers").to_ascii_lowercase();
    response.check(
        named.contains(wanted),
        format!("{wanted} in access-control-allow-headers"),
        named,
    )
}
