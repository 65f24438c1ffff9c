//! Runner API, "Content": `variables` fill the slots of the system instructions.
//!
//! Rules see the instructions as the model does, so a rule that gives them back shows them.

use serde_json::{Value, json};

use crate::support::{DEPLOYMENT, TestApp, continue_body, text_body};

const SHOWING: &str = r#"
    [[rule]]
    reply = [{ text = "{{ instructions }}" }]
"#;

/// What the model is shown as instructions, with these variables.
async fn instructions(app: &TestApp, deployment: &str, variables: Value) -> String {
    let mut body = text_body("Hi");
    body["variables"] = variables;
    let answer = app.runner().run(deployment, &body).await.good();
    answer["content"].as_str().unwrap().to_owned()
}

/// A server whose deployment `SLOTS` has these instructions.
async fn with_slots(text: &str) -> TestApp {
    let deployment = format!(
        "{SHOWING}\n[[deployment]]\nid = \"SLOTS\"\naccount = \"demo\"\nmodel = \"m\"\n\
         instructions = '''{text}'''\n"
    );
    TestApp::with_rules(&deployment).await
}

#[tokio::test]
async fn the_default_deployment_has_slots_for_the_variables_of_the_samples() {
    let app = TestApp::with_rules(SHOWING).await;
    let variables = json!({"customer_name": "John", "CUSTOMER_TIER": "pro", "TONE": "warm"});
    let shown = instructions(&app, DEPLOYMENT, variables).await;
    for value in ["name is John.", "tier is pro.", "tone: warm."] {
        assert!(shown.contains(value), "{value} in {shown}");
    }
    assert!(!shown.contains("{{"), "{shown}");
}

#[tokio::test]
async fn a_slot_without_a_value_is_left_blank() {
    let app = with_slots("[{{A}}|{{B}}|{{C}}]").await;
    assert_eq!(instructions(&app, "SLOTS", json!({"A": "1", "B": ""})).await, "[1||]");
    assert_eq!(instructions(&app, "SLOTS", json!({})).await, "[||]");
    assert_eq!(instructions(&app, "SLOTS", json!(null)).await, "[||]");
    let answer = app.runner().run("SLOTS", "Hi").await.good();
    assert_eq!(answer["content"], "[||]");
}

#[tokio::test]
async fn names_of_slots_must_match_exactly() {
    let app = with_slots("{{TONE}}|{{Tone}}|{{ TONE }}").await;
    assert_eq!(instructions(&app, "SLOTS", json!({"TONE": "warm"})).await, "warm||{{ TONE }}");
}

#[tokio::test]
async fn scalars_are_rendered_as_text_and_nested_values_as_json() {
    let app = with_slots("{{A}}|{{B}}|{{C}}|{{D}}|{{E}}|{{F}}").await;
    let variables = json!({
        "A": 7, "B": 1.5, "C": true, "D": null, "E": {"b": [1, "x"], "a": null}, "F": "{{A}}"
    });
    let shown = instructions(&app, "SLOTS", variables).await;
    assert_eq!(shown, r#"7|1.5|true||{"b":[1,"x"],"a":null}|{{A}}"#);
}

#[tokio::test]
async fn variables_must_be_an_object() {
    let app = TestApp::start().await;
    for wrong in [json!([]), json!("x"), json!(5), json!(true)] {
        let mut body = text_body("Hi");
        body["variables"] = wrong;
        for rest in ["", "/stream", "/conversation"] {
            let answer = app.post(&format!("/v1/runner/{DEPLOYMENT}{rest}"), &body).await;
            answer.invalid_request("invalid_type", "variables");
        }
    }
}

#[tokio::test]
async fn variables_work_on_run_stream_and_the_first_message() {
    let app = with_slots("Tone: {{TONE}}").await;
    let mut body = text_body("Hi");
    body["variables"] = json!({"TONE": "warm"});
    let run = app.post("/v1/runner/SLOTS", &body).await.good();
    let streamed = app.stream("/v1/runner/SLOTS/stream", &body).await;
    let first = app.post("/v1/runner/SLOTS/conversation", &body).await.good();
    for text in [&run["content"], &json!(streamed.concat()), &first["content"]] {
        assert_eq!(text, "Tone: warm");
    }
}

#[tokio::test]
async fn a_conversation_keeps_the_variables_of_its_first_message() {
    let app = with_slots("Tone: {{TONE}}").await;
    let mut body = text_body("Hi");
    body["variables"] = json!({"TONE": "warm"});
    let path = "/v1/runner/SLOTS/conversation";
    let first = app.post(path, &body).await.good();
    let id = first["conversation_id"].as_str().unwrap();
    let further = app.runner().continue_conversation("SLOTS", id, "Hi").await.good();
    assert_eq!(further["content"], "Tone: warm");
    let streamed = app.stream(&format!("{path}/stream"), &continue_body(id, "Hi")).await;
    assert_eq!(streamed.concat(), "Tone: warm");
}
