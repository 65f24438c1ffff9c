//! HTTP itself, as both APIs speak it.

use reqwest::Method;

use crate::verify::client::Ask;
use crate::verify::expect::{Seen, Unmet};
use crate::verify::fact::{Api, Fact, Need, characters, choice, notes};
use crate::verify::probe::{Probe, Who};

const KEY: &[Need] = &[Need::Key];

/// Of the Runner API.
pub(super) const RUNNER: &[Fact] = &[
    Fact {
        id: "runner.wire.unknown_path",
        title: "an unknown path is 404",
        source: notes("Errors"),
        needs: KEY,
        check: |probe| Box::pin(unknown_path(probe, Api::Runner)),
    },
    Fact {
        id: "runner.wire.broken_json",
        title: "a body that is no JSON is refused",
        source: notes("Errors"),
        needs: &[Need::Key, Need::Deployment],
        check: |probe| Box::pin(broken_json(probe, Api::Runner)),
    },
    Fact {
        id: "runner.wire.method",
        title: "a wrong method is 405, and Allow names the right ones",
        source: choice("Both APIs"),
        needs: KEY,
        check: |probe| Box::pin(wrong_method(probe, Api::Runner)),
    },
    Fact {
        id: "runner.wire.content_type",
        title: "a body that is not said to be JSON is 415",
        source: choice("Both APIs"),
        needs: &[Need::Key, Need::Deployment],
        check: |probe| Box::pin(content_type(probe, Api::Runner)),
    },
    Fact {
        id: "runner.wire.request_id",
        title: "every answer has an x-request-id; a client's own is kept",
        source: choice("Both APIs"),
        needs: KEY,
        check: |probe| Box::pin(request_id(probe, Api::Runner)),
    },
    Fact {
        id: "runner.wire.preflight",
        title: "a browser's preflight needs no key and is told what it asks for",
        source: choice("Both APIs"),
        needs: &[],
        check: |probe| Box::pin(preflight(probe, Api::Runner)),
    },
];

/// Of the Characters API.
pub(super) const CHARACTERS: &[Fact] = &[
    Fact {
        id: "characters.wire.unknown_path",
        title: "an unknown path is 404",
        source: characters("Errors"),
        needs: KEY,
        check: |probe| Box::pin(unknown_path(probe, Api::Characters)),
    },
    Fact {
        id: "characters.wire.broken_json",
        title: "a body that is no JSON is 400",
        source: characters("Errors"),
        needs: KEY,
        check: |probe| Box::pin(broken_json(probe, Api::Characters)),
    },
    Fact {
        id: "characters.wire.method",
        title: "a wrong method is 405, and Allow names the right ones",
        source: choice("Characters API: what both APIs share"),
        needs: KEY,
        check: |probe| Box::pin(wrong_method(probe, Api::Characters)),
    },
    Fact {
        id: "characters.wire.content_type",
        title: "a body that is not said to be JSON is 415",
        source: choice("Characters API: what both APIs share"),
        needs: KEY,
        check: |probe| Box::pin(content_type(probe, Api::Characters)),
    },
    Fact {
        id: "characters.wire.request_id",
        title: "every answer has an x-request-id; a client's own is kept",
        source: choice("Characters API: what both APIs share"),
        needs: KEY,
        check: |probe| Box::pin(request_id(probe, Api::Characters)),
    },
    Fact {
        id: "characters.wire.preflight",
        title: "a browser's preflight needs no key and is told what it asks for",
        source: choice("Characters API: what both APIs share"),
        needs: &[],
        check: |probe| Box::pin(preflight(probe, Api::Characters)),
    },
];

/// A path that answers to `GET` and costs nothing.
fn list_path(api: Api) -> &'static str {
    match api {
        Api::Runner => "/conversations?page_size=1",
        Api::Characters => "/models?type=llm",
    }
}

/// A path that takes a body.
fn post_path(probe: &Probe, api: Api) -> String {
    match api {
        Api::Runner => format!("/{}", probe.deployment()),
        Api::Characters => "/completions".to_owned(),
    }
}

async fn unknown_path(probe: &Probe, api: Api) -> Result<(), Unmet> {
    let seen = probe.get(api, Who::Own, "/no/such/path/at/all").await?;
    seen.status(&[404]).map(|_| ())
}

async fn post(probe: &Probe, api: Api, ask: Ask) -> Result<Seen, Unmet> {
    probe.send(api, Method::POST, &post_path(probe, api), ask).await
}

async fn broken_json(probe: &Probe, api: Api) -> Result<(), Unmet> {
    let seen = post(probe, api, probe.signed(api, Who::Own)?.body("{\"messages\": [")).await?;
    let allowed: &[u16] = match api {
        Api::Runner => &[400, 422],
        Api::Characters => &[400],
    };
    seen.status(allowed)?.json().map(|_| ())
}

async fn wrong_method(probe: &Probe, api: Api) -> Result<(), Unmet> {
    let ask = probe.signed(api, Who::Own)?;
    let seen = probe.send(api, Method::DELETE, list_path(api), ask).await?;
    let allow = seen.status(&[405])?.header("allow");
    seen.check(allow.contains("GET"), "Allow: GET", allow)
}

async fn content_type(probe: &Probe, api: Api) -> Result<(), Unmet> {
    let ask = probe.signed(api, Who::Own)?.text("{}");
    post(probe, api, ask).await?.status(&[415]).map(|_| ())
}

async fn request_id(probe: &Probe, api: Api) -> Result<(), Unmet> {
    let own = format!("verify-{}", probe.run);
    let ask = probe.signed(api, Who::Own)?.header("x-request-id", &own);
    let seen = probe.send(api, Method::GET, list_path(api), ask).await?;
    let kept = seen.header("x-request-id");
    seen.check(kept == own, format!("x-request-id: {own}"), kept)?;
    let seen = probe.get(api, Who::Own, list_path(api)).await?;
    let made = seen.header("x-request-id");
    seen.check(made.starts_with("req_"), "x-request-id: req_…", made)
}

async fn preflight(probe: &Probe, api: Api) -> Result<(), Unmet> {
    let wanted = match api {
        Api::Runner => "x-api-key",
        Api::Characters => "authorization",
    };
    let ask = Ask::default()
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", format!("{wanted}, content-type"));
    let seen = probe.send(api, Method::OPTIONS, list_path(api), ask).await?;
    seen.status(&[200, 204])?;
    let origin = seen.header("access-control-allow-origin");
    let open = origin == "*" || origin == "https://app.example.com";
    seen.check(open, "access-control-allow-origin", origin)?;
    let named = seen.header("access-control-allow-headers").to_ascii_lowercase();
    seen.check(named.contains(wanted), format!("{wanted} in access-control-allow-headers"), named)
}
