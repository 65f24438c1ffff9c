//! Faults that come neither from nor through the control plane: the header, the fixtures.

use mynah::fixtures::FixturesError;
use mynah::http::{FaultHeader, route_table};
use reqwest::Method;
use serde_json::json;

use super::{
    MESSAGES, RUN, STREAM, balance, hi, post, post_undocumented, post_with_client, statuses,
};
use crate::support::{ACCOUNTS, DEPLOYMENTS, ECHO, KEY, PUBLIC, TestApp, TestResponse, text_body};

async fn request_with_fault(app: &TestApp, path: &str, fault: &str) -> TestResponse {
    let body = if path == MESSAGES { hi() } else { text_body("one two") };
    let request = app.request(Method::POST, path).key(KEY).bearer(KEY);
    let request = request.header("x-mynah-fault", fault).json(&body).undocumented();
    request.send_expecting_5xx().await
}

#[tokio::test]
async fn a_request_may_ask_for_its_own_fault_where_that_is_allowed() {
    let app = TestApp::with(|config| config.fault_header = FaultHeader::Obeyed).await;
    for path in [RUN, MESSAGES] {
        let refused = request_with_fault(&app, path, "status=503, retry_after=5").await;
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("retry-after"), Some("5"));
        assert_eq!(request_with_fault(&app, path, "body=empty").await.body, "");
        let typed = request_with_fault(&app, path, "content_type=text/html").await;
        assert_eq!(typed.header("content-type"), Some("text/html"));
    }
    assert_eq!(request_with_fault(&app, STREAM, "end_after=1").await.body, "one ");
    assert_eq!(request_with_fault(&app, STREAM, "split_character").await.body, "one two");
    assert_eq!(statuses(&app, 1).await, [200]);
}

#[tokio::test]
async fn what_a_request_asks_for_in_the_wrong_way_is_refused_in_its_apis_envelope() {
    let app = TestApp::with(|config| config.fault_header = FaultHeader::Obeyed).await;
    for (path, asked, message) in [
        (RUN, "status=200", "status must be a whole number from 400 to 599"),
        (RUN, "colour=red", "colour: unknown field `colour`"),
        (RUN, "", "must have one of"),
        (RUN, "break_after=1", "break_after is for streams"),
        (STREAM, "body=empty", "body is for answers in one piece"),
        (RUN, "status=503, status=504", "status is given more than once"),
    ] {
        let said = request_with_fault(&app, path, asked)
            .await
            .invalid_request("invalid_value", "x-mynah-fault");
        assert!(said.starts_with(&format!("x-mynah-fault: {message}")), "{said}");
    }
    let refused = request_with_fault(&app, MESSAGES, "status=200").await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"].as_str().unwrap().starts_with("x-mynah-fault: status must"));
}

#[tokio::test]
async fn the_header_means_nothing_unless_it_is_allowed() {
    let app = TestApp::start().await;
    for path in [RUN, STREAM, MESSAGES] {
        assert!(request_with_fault(&app, path, "status=503").await.status.is_success());
    }
}

/// The built-in fixtures, with `faults` written into the deployment `id`.
async fn with_deployment_faults(id: &str, faults: &str) -> TestApp {
    let line = format!("id = \"{id}\"");
    let deployments = DEPLOYMENTS.replace(&line, &format!("{line}\nfaults = {faults}"));
    let files = [("accounts.toml", ACCOUNTS), ("deployments.toml", &deployments)];
    TestApp::with_fixtures(&files).await
}

#[tokio::test]
async fn a_deployment_can_carry_faults_for_clients_that_set_neither_header_nor_key() {
    let faults = r#"[
        { when = { route = "/v1/runner/{deployment_id}" }, times = 2, effect = { status = 503 } },
        { effect = { end_after = 1 } },
    ]"#;
    let app = with_deployment_faults(PUBLIC, faults).await;
    let ask = |path: &str| {
        let request = app.request(Method::POST, path).header("origin", "https://example.com");
        request.json(&text_body("Hello there")).send_expecting_5xx()
    };
    let run = format!("/v1/runner/{PUBLIC}");
    for status in [503, 503, 200] {
        assert_eq!(ask(&run).await.status, status);
    }
    let streamed = ask(&format!("{run}/stream")).await.body;
    assert_eq!(streamed.split_whitespace().count(), 1, "{streamed}");
    assert_eq!(post(&app, RUN, &text_body("Hi")).await.status, 200, "another deployment");
}

#[tokio::test]
async fn every_account_meets_a_deployments_faults_on_its_own_count() {
    let app = with_deployment_faults(ECHO, "[{ times = 1, effect = { status = 503 } }]").await;
    let made = app.control().create_account(&json!({})).await;
    let own = made.json()["key"].as_str().unwrap().to_owned();
    let path = format!("/v1/runner/{ECHO}");
    for key in [KEY, &own] {
        for status in [503, 200] {
            let request = app.request(Method::POST, &path).key(key).json(&text_body("Hi"));
            assert_eq!(request.send_expecting_5xx().await.status, status);
        }
    }
    let reset = app.demo().reset();
    reset.await.good();
    assert_eq!(post(&app, &path, &text_body("Hi")).await.status, 503);
}

#[tokio::test]
async fn a_model_can_carry_faults() {
    let models = r#"
        [[llm]]
        id = "model_bad"
        name = "Bad"
        max_context = 1000
        cost_per_1k_tokens = "1"
        faults = [
            { times = 1, effect = { status = 503, retry_after = 7 } },
            { times = 1, effect = { drop = "before_answer" } },
            { times = 1, effect = { body = "empty" } },
        ]

        [[llm]]
        id = "model_good"
        name = "Good"
        max_context = 1000
        cost_per_1k_tokens = "1"

        [[sd_model]]
        id = "sd_bad"
        name = "Bad"
        cost_per_image = "1"
        faults = [{ times = 2, effect = { status = 502 } }]
    "#;
    let app = TestApp::with_fixtures(&[("accounts.toml", ACCOUNTS), ("models.toml", models)]).await;
    let before = balance(&app).await;
    let with = |llm: &str| json!({"llm_id": llm, "messages": [{"role": "user", "content": "Hi"}]});
    let path = "/api/v1/completions";
    let refused = post(&app, path, &with("model_bad")).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("7")));
    assert!(post_with_client(&app, path, &with("model_bad")).await.unwrap_err().is_request());
    assert_eq!(balance(&app).await, before);
    assert_eq!(post_undocumented(&app, path, &with("model_bad")).await.body, "");
    assert_ne!(balance(&app).await, before);
    post(&app, path, &with("model_bad")).await.good();
    post(&app, path, &with("model_good")).await.good();
    let image = json!({"prompt": "A cat", "sd_model_id": "sd_bad"});
    let agent = json!({"name": "A", "sd_model_id": "sd_bad"});
    assert_eq!(post(&app, "/api/v1/images", &image).await.status, 502);
    assert_eq!(post(&app, "/api/v1/agents", &agent).await.status, 502);
    assert_eq!(post(&app, "/api/v1/images", &image).await.status, 201);
}

#[test]
fn what_is_wrong_with_a_fault_in_the_fixtures_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.toml");
    let text = r#"
[[deployment]]
id = "D"
account = "demo"
model = "m"
faults = [
    { effect = { status = 200 } },
    { when = { api = "characters" }, effect = { status = 503 } },
    { when = { nth = 0 }, effect = { status = 503 } },
    { when = { route = "/v1/runner/{deployment_id}/streams" }, effect = { status = 503 } },
    { when = { route = "/v1/runner/E" }, effect = { status = 503 } },
    { when = { route = "/v1/runner/conversations" }, effect = { status = 503 } },
]

[[llm]]
id = "M"
name = "M"
max_context = 1
cost_per_1k_tokens = "0"
faults = [
    { when = { route = "/api/v1/completions" }, effect = { status = 503 } },
    { effect = { break_after = 1 } },
]
"#;
    std::fs::write(&file, format!("{ACCOUNTS}{text}")).unwrap();
    let found = mynah::fixtures::read(folder.path(), route_table()).unwrap_err();
    let FixturesError::Invalid { errors, .. } = found else { panic!("{found}") };
    let first = u32::try_from(ACCOUNTS.lines().count()).unwrap();
    let said: Vec<String> = errors
        .iter()
        .map(|error| {
            let line = u32::try_from(error.line).unwrap() - first;
            format!("{line}: {}", error.text())
        })
        .collect();
    assert_eq!(
        said,
        [
            "7: deployment[0].faults[0].effect.status: invalid value: number `200`, expected a whole \
             number from 400 to 599",
            "8: deployment[0].faults[1].when.api: is not an API that this answers to",
            "9: deployment[0].faults[2].when.nth: invalid value: number `0`, expected a whole number \
             of 1 or more",
            "10: deployment[0].faults[3].when.route: is not a route of the two APIs; closest: \
             /v1/runner/{deployment_id}/stream, /v1/runner/{deployment_id}, \
             /v1/runner/{deployment_id}/trigger",
            "11: deployment[0].faults[4].when.route: is not a route of the deployment that has this \
             fault",
            "12: deployment[0].faults[5].when.route: is not a route of the deployment that has this \
             fault",
            "21: llm[0].faults[0].when.route: is for the faults of deployments and accounts, not \
             of models",
            "22: llm[0].faults[1].effect.break_after: is for streams, and `when` lets none through",
        ]
    );
}
