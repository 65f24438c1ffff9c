//! The OpenAPI documents as they are served and printed, the page that shows them, and whether they
//! have the routes of the routers and no others.

use std::collections::BTreeSet;

use mynah::config::{Config, ControlAccess};
use mynah::domain::Api;
use mynah::http::Pipeline;
use mynah::openapi::{self, SERVER};
use mynah::server::Server;
use reqwest::Method;
use serde_json::Value;

use crate::support::binary::output;
use crate::support::{KEY, TestApp, TestResponse};

const APIS: [(&str, Api); 2] = [("runner", Api::Runner), ("characters", Api::Characters)];

fn document(api: Api) -> Value {
    serde_json::from_str(openapi::json(api)).unwrap()
}

fn from_yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// A document as it was served, read, with the server of the written one put back.
#[track_caller]
fn read(answer: &TestResponse, content_type: &str, server: &str) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some(content_type));
    let mut document = match content_type {
        "application/json" => answer.json(),
        _ => from_yaml(&answer.body),
    };
    assert_eq!(document["servers"].as_array().unwrap().len(), 1);
    assert_eq!(document["servers"][0]["url"], server);
    document["servers"][0]["url"] = SERVER.into();
    document
}

// The text.

#[test]
fn yaml_and_json_say_the_same_in_the_same_order() {
    for (name, api) in APIS {
        assert_eq!(from_yaml(openapi::yaml(api)).to_string(), document(api).to_string(), "{name}");
        assert_eq!(document(api)["openapi"].as_str().unwrap().split('.').next(), Some("3"));
    }
}

#[tokio::test]
async fn both_documents_are_served_in_both_forms_with_this_server_in_them() {
    let app = TestApp::start().await;
    for (name, api) in APIS {
        let path = format!("/_mynah/openapi/{name}");
        let json = app.request(Method::GET, &format!("{path}.json")).await;
        assert_eq!(read(&json, "application/json", &app.url("")), document(api));
        let yaml = app.request(Method::GET, &format!("{path}.yaml")).await;
        assert_eq!(read(&yaml, "application/yaml", &app.url("")), document(api));
    }
}

#[tokio::test]
async fn the_server_in_them_is_the_public_url_where_there_is_one_else_the_host_asked() {
    let path = "/_mynah/openapi/runner.json";
    let app = TestApp::start().await;
    let asked = app.request(Method::GET, path).header("host", "mynah.example:8080").await;
    read(&asked, "application/json", "http://mynah.example:8080");
    let public = "https://mynah.example/mock/".parse().unwrap();
    let app = TestApp::with(|config| config.public_url = Some(public)).await;
    let asked = app.request(Method::GET, path).await;
    read(&asked, "application/json", "https://mynah.example/mock");
}

#[tokio::test]
async fn documents_and_page_are_open_where_the_control_plane_is_not() {
    let app = TestApp::with(|config| config.control = ControlAccess::Nobody).await;
    assert_eq!(app.control().list_accounts().await.status, 403);
    for path in ["/_mynah/openapi/runner.json", "/_mynah/openapi/characters.yaml", "/_mynah/docs"] {
        assert_eq!(app.request(Method::GET, path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_command_line_prints_what_is_served() {
    let app = TestApp::start().await;
    for (name, api) in APIS {
        for format in ["yaml", "json"] {
            let path = format!("/_mynah/openapi/{name}.{format}");
            let served = app.request(Method::GET, &path).await.body;
            let here = app.url("/");
            let printed = output(&["openapi", name, "--format", format, "--server", &here]).await;
            assert_eq!(String::from_utf8(printed.stdout).unwrap(), served);
        }
        let printed = output(&["openapi", name]).await;
        assert!(printed.status.success());
        assert_eq!(from_yaml(&String::from_utf8(printed.stdout).unwrap()), document(api));
    }
}

// The page.

/// The files that the page asks for, as it names them.
fn named_in(page: &str) -> BTreeSet<&str> {
    let values =
        ["href=\"", "src=\""].into_iter().flat_map(|attribute| page.split(attribute).skip(1));
    let values = values.map(|rest| rest.split('"').next().unwrap());
    values.filter(|value| !value.starts_with(['?', '#']) && *value != "data:,").collect()
}

#[tokio::test]
async fn everything_the_page_asks_for_is_answered_here_and_nothing_else_may_be_asked_for() {
    let app = TestApp::start().await;
    let page = app.request(Method::GET, "/_mynah/docs").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    for directive in ["default-src 'none'", "script-src 'self'", "connect-src 'self'"] {
        assert!(policy.split("; ").any(|said| said == directive), "{directive} in {policy}");
    }
    let named = named_in(&page.body);
    assert_eq!(named.len(), 4, "{named:?}");
    for name in named {
        let file = app.request(Method::GET, &format!("/_mynah/{name}")).await;
        assert_eq!(file.status, 200, "{name}");
        let kind = if name.contains(".css") { "text/css" } else { "text/javascript" };
        assert!(file.header("content-type").unwrap().starts_with(kind), "{name}");
        if file.header("content-encoding").is_none() {
            assert!(!file.body.contains("://"), "{name} names another host");
        }
    }
    assert!(!page.body.contains("://"), "the page names another host");
}

#[tokio::test]
async fn swagger_ui_is_compressed_and_cached_without_limit_by_version() {
    let app = TestApp::start().await;
    let page = app.request(Method::GET, "/_mynah/docs").await.body;
    let script = include_str!("../../../assets/swagger-ui/fetch");
    let version = script.lines().find_map(|line| line.strip_prefix("version=")).unwrap();
    for file in ["swagger-ui.css", "swagger-ui-bundle.js"] {
        assert!(page.contains(&format!("\"docs/{file}?{version}\"")), "{file} in {page}");
        let sent = app.request(Method::GET, &format!("/_mynah/docs/{file}")).await;
        assert_eq!(sent.header("content-encoding"), Some("gzip"));
        let caching = sent.header("cache-control").unwrap();
        assert!(caching.contains("max-age=31536000") && caching.contains("immutable"));
    }
}

#[tokio::test]
async fn the_page_with_a_slash_behind_it_leads_to_the_page() {
    let app = TestApp::start().await;
    // The client follows.
    let page = app.request(Method::GET, "/_mynah/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("swagger-ui"));
}

// The routes.

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// A path with `{}` for its open parts: the Characters API's document has two names for one of them,
/// which the router cannot.
fn unnamed(path: &str) -> String {
    let open = |part: &str| part.starts_with('{');
    path.split('/').map(|part| if open(part) { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

/// `get /path` of every operation in a document.
fn operations(api: Api) -> BTreeSet<String> {
    let document = document(api);
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let methods = METHODS.into_iter().filter(|&method| item.get(method).is_some());
            methods.map(|method| format!("{method} {}", unnamed(path)))
        })
        .collect()
}

/// `get /path` of every route of an API. Pictures belong to the Characters API.
fn routes(pipeline: &Pipeline, api: Api) -> BTreeSet<String> {
    let of_api = |path: &str| match api {
        Api::Runner => Api::of_path(path) == Some(Api::Runner),
        Api::Characters => {
            path.starts_with(Api::Characters.prefix()) || path.starts_with("/images/")
        }
    };
    let routes = pipeline.routes().iter().filter(|(path, _)| of_api(path));
    routes
        .flat_map(|(path, methods)| {
            methods.iter().map(|method| format!("{} {}", method.to_lowercase(), unnamed(path)))
        })
        .collect()
}

#[tokio::test]
async fn every_route_of_the_routers_has_its_operation_and_the_other_way_round() {
    let pipeline = Server::build(&Config::default()).await.unwrap().pipeline();
    for (name, api) in APIS {
        let routes = routes(&pipeline, api);
        assert!(routes.len() >= 7, "{routes:?}");
        assert_eq!(operations(api), routes, "{name}");
    }
}

#[tokio::test]
async fn the_paths_of_the_documents_take_their_methods_and_no_others() {
    let app = TestApp::start().await;
    for (_, api) in APIS {
        for path in document(api)["paths"].as_object().unwrap().keys() {
            let here = path.replace(['{', '}'], "");
            let request = app.request(Method::DELETE, &here);
            let answer = request.key(KEY).bearer(KEY).await;
            assert_eq!(answer.status, 405, "{path}");
            let allowed: BTreeSet<&str> = answer.header("allow").unwrap().split(',').collect();
            let item = &document(api)["paths"][path];
            for method in METHODS {
                let documented = item.get(method).is_some();
                let method = method.to_uppercase();
                assert_eq!(documented, allowed.contains(method.as_str()), "{method} {path}");
            }
        }
    }
}
