//! What the control plane is told and does not understand: misspelt fields and parameters, broken
//! JSON, bodies where there is no use for them. It says so and changes nothing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, TestResponse};

const DEMO: &str = "/_mynah/accounts/demo";

async fn ask(app: &TestApp, method: &Method, path: &str, body: &str) -> TestResponse {
    app.request(method.clone(), path).body(body.to_owned()).await
}

fn error(answer: &TestResponse) -> String {
    answer.json()["error"].as_str().unwrap().to_owned()
}

/// All that the control plane tells of the accounts.
async fn state(app: &TestApp) -> Vec<Value> {
    let mut state = Vec::new();
    for path in ["/_mynah/accounts".to_owned(), format!("{DEMO}/replies"), format!("{DEMO}/faults")]
    {
        state.push(app.request(Method::GET, &path).await.good());
    }
    state
}

#[tokio::test]
async fn an_unknown_field_of_any_body_is_400_by_its_name() {
    let app = TestApp::start().await;
    let before = state(&app).await;
    let mut snapshot = app.request(Method::GET, &format!("{DEMO}/snapshot")).await.good();
    snapshot["conversations"][0]["extra"] = json!(1);
    for (method, path, body, field) in [
        (Method::POST, "/_mynah/accounts", json!({"plann": "free"}), "plann"),
        (Method::PATCH, DEMO, json!({"balanse": "1"}), "balanse"),
        (Method::POST, &format!("{DEMO}/reset"), json!({"hard": true}), "hard"),
        (Method::POST, &format!("{DEMO}/fork"), json!({"plann": "free"}), "plann"),
        (Method::PUT, &format!("{DEMO}/clock"), json!({"frozn": true}), "frozn"),
        (Method::POST, &format!("{DEMO}/clock/advance"), json!({"minutes": 1}), "minutes"),
        (Method::PUT, &format!("{DEMO}/snapshot"), snapshot, "extra"),
        (
            Method::POST,
            &format!("{DEMO}/faults"),
            json!({"wen": {}, "effect": {"status": 503}}),
            "wen",
        ),
        (
            Method::POST,
            &format!("{DEMO}/faults"),
            json!({"effect": {"status": 503, "retry_aftr": 1}}),
            "retry_aftr",
        ),
        (Method::POST, &format!("{DEMO}/replies"), json!({"reply": [], "tims": 1}), "tims"),
        (Method::POST, &format!("{DEMO}/replies/queue"), json!({"txt": "Hi"}), "txt"),
        (Method::PUT, &format!("{DEMO}/replies"), json!([{"reply": [], "tims": 1}]), "tims"),
    ] {
        let answer = ask(&app, &method, path, &body.to_string()).await;
        assert_eq!(answer.status, 400, "{method} {path} {body}: {}", answer.body);
        assert!(error(&answer).contains(field), "{}", answer.body);
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn the_error_for_a_misspelt_field_lists_the_fields_there_are() {
    let app = TestApp::start().await;
    let answer = ask(&app, &Method::POST, "/_mynah/accounts", r#"{"plann": "free"}"#).await;
    let expected = "plann is not a known field, expected one of `from`, `plan`, `balance`";
    assert!(error(&answer).starts_with(expected), "{}", answer.body);
}

#[tokio::test]
async fn a_body_that_may_be_left_out_must_be_good_json_where_it_is_not() {
    let app = TestApp::start().await;
    let before = state(&app).await;
    for path in ["/_mynah/accounts".to_owned(), format!("{DEMO}/fork"), format!("{DEMO}/reset")] {
        for (body, said) in [("{", "not valid JSON"), ("[]", "an object"), ("{} {}", "not valid")] {
            let answer = ask(&app, &Method::POST, &path, body).await;
            assert_eq!(answer.status, 400, "{path} {body}");
            assert!(error(&answer).contains(said), "{}", answer.body);
        }
    }
    assert_eq!(state(&app).await, before);
    let made = ask(&app, &Method::POST, "/_mynah/accounts", "").await;
    let forked = ask(&app, &Method::POST, &format!("{DEMO}/fork"), "").await;
    let reset = ask(&app, &Method::POST, &format!("{DEMO}/reset"), "").await;
    assert_eq!([made.status, forked.status, reset.status].map(|it| it.as_u16()), [201, 201, 200]);
}

#[tokio::test]
async fn a_body_or_a_parameter_that_nobody_would_look_at_is_refused() {
    let app = TestApp::start().await;
    let fault = json!({"effect": {"status": 503}}).to_string();
    assert_eq!(ask(&app, &Method::POST, &format!("{DEMO}/faults"), &fault).await.status, 201);
    let filtered = ask(&app, &Method::DELETE, &format!("{DEMO}/faults"), r#"{"id": "x"}"#).await;
    let said = "id is not a known field, there are no fields";
    assert_eq!((filtered.status.as_u16(), error(&filtered).as_str()), (400, said));
    for (method, path) in [
        (Method::GET, "/_mynah/accounts?plan=free".to_owned()),
        (Method::DELETE, format!("{DEMO}/faults?id=x")),
        (Method::DELETE, format!("{DEMO}/requests?path=/v1/runner/*")),
        (Method::PUT, format!("{DEMO}/replies?at=0")),
        (Method::POST, format!("{DEMO}/reset?hard")),
    ] {
        let body = if method == Method::PUT { "[]" } else { "" };
        let answer = ask(&app, &method, &path, body).await;
        assert_eq!(answer.status, 400, "{method} {path}");
        assert!(error(&answer).starts_with("there is no parameter "), "{}", answer.body);
    }
    let faults = app.request(Method::GET, &format!("{DEMO}/faults")).await.good();
    assert_eq!(faults.as_array().unwrap().len(), 1, "nothing was taken away");
}
