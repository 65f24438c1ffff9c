//! Faults: what a client sees of each effect, when each condition lets one through, and that what
//! one account meets no other does.

use std::time::Duration;

use futures::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::control::NewAccount;
use crate::support::raw::RawConnection;
use crate::support::{KEY, TestApp, TestRequest, TestResponse, client, text_body};

mod agent_runs;
mod answers;
mod conditions;
mod elsewhere;
mod streams;

const FAULTS: &str = "/_mynah/accounts/demo/faults";
const RUN: &str = "/v1/runner/YOUR_DEPLOYMENT_ID";
const STREAM: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";
const CONVERSATION_STREAM: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/conversation/stream";
const MESSAGES: &str = "/api/v1/conversations/conv_123abc/messages";
const HOUR: Duration = Duration::from_hours(1);

/// Adds a fault to the demo account; returns its id.
async fn add_fault(app: &TestApp, rule: Value) -> String {
    app.demo().add_fault(&rule).await.created_id()
}

/// Adds a fault that every request of the demo account meets.
async fn add_effect(app: &TestApp, effect: Value) {
    add_fault(app, json!({ "effect": effect })).await;
}

async fn delete_faults(app: &TestApp) {
    assert_eq!(app.demo().delete_faults().await.status, 204);
}

/// A request to either API with the demo account's key.
fn request<'a>(app: &'a TestApp, method: Method, path: &str) -> TestRequest<'a> {
    app.request(method, path).key(KEY).bearer(KEY)
}

async fn get(app: &TestApp, path: &str) -> TestResponse {
    request(app, Method::GET, path).send_expecting_5xx().await
}

async fn post(app: &TestApp, path: &str, body: &Value) -> TestResponse {
    request(app, Method::POST, path).json(body).send_expecting_5xx().await
}

/// The same where the response may be undocumented.
async fn get_undocumented(app: &TestApp, path: &str) -> TestResponse {
    request(app, Method::GET, path).undocumented().send_expecting_5xx().await
}

async fn post_undocumented(app: &TestApp, path: &str, body: &Value) -> TestResponse {
    request(app, Method::POST, path).json(body).undocumented().send_expecting_5xx().await
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// Posts with a client library, which also sees how the connection ends.
async fn post_with_client(app: &TestApp, path: &str, body: &Value) -> reqwest::Result<Response> {
    let request = client().post(app.url(path)).json(body);
    request.header("x-api-key", KEY).bearer_auth(KEY).send().await
}

fn hi() -> Value {
    json!({ "content": "Hi" })
}

async fn balance(app: &TestApp) -> String {
    let account = app.demo().show().await.good();
    account["balance"].as_str().unwrap().to_owned()
}

/// The statuses of so many runs, one after the other.
async fn statuses(app: &TestApp, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(post(app, RUN, &text_body("Hi")).await.status.as_u16());
    }
    statuses
}

async fn open_stream(app: &TestApp, path: &str, body: &Value) -> RawConnection {
    let mut raw = RawConnection::connect(app.address).await;
    raw.post(path, body).await;
    assert_eq!(raw.head().await.0, 200);
    raw
}

#[tokio::test]
async fn faults_are_listed_as_they_were_written_and_taken_away() {
    let app = TestApp::start().await;
    let rule = json!({
        "when": {"api": "runner", "route": "/v1/runner/{deployment_id}", "method": "POST",
                 "nth": 3, "every": 2, "probability": 0.25, "burst": {"every": 30, "for": 5}},
        "times": 2,
        "effect": {"status": 503, "retry_after": 5},
    });
    let first = add_fault(&app, rule.clone()).await;
    let second = add_fault(&app, json!({"effect": {"drop": "before_answer"}})).await;
    assert_eq!((first.as_str(), second.as_str()), ("fault_1", "fault_2"));
    let mut shown = rule;
    shown["id"] = json!("fault_1");
    (shown["matched"], shown["fired"]) = (json!(0), json!(0));
    let other = json!({"id": "fault_2", "when": {}, "effect": {"drop": "before_answer"},
                       "matched": 0, "fired": 0});
    let list = app.demo().faults().await.good();
    assert_eq!(list, json!([shown, other]));
    assert_eq!(app.demo().delete_fault("fault_2").await.status, 204);
    let deleted = app.demo().delete_fault("fault_2").await;
    assert_eq!(deleted.error_message(404), "there is no fault `fault_2`");
    delete_faults(&app).await;
    assert_eq!(app.demo().faults().await.good(), json!([]));
    let nobody = app.control().account("nobody").faults().await;
    assert_eq!(nobody.status, 404);
}

#[tokio::test]
async fn a_reset_of_the_account_clears_its_faults() {
    let app = TestApp::start().await;
    add_effect(&app, json!({ "status": 503 })).await;
    let reset = app.demo().reset();
    reset.await.good();
    assert_eq!(app.demo().faults().await.good(), json!([]));
    assert_eq!(statuses(&app, 1).await, [200]);
    assert_eq!(add_fault(&app, json!({"effect": {"status": 503}})).await, "fault_1");
}

#[tokio::test]
async fn what_is_wrong_with_a_fault_is_named_and_none_is_made() {
    let app = TestApp::start().await;
    for (rule, error) in [
        (json!({}), "effect is required"),
        (
            json!({"effect": {"status": 200}}),
            "effect.status must be a whole number from 400 to 599",
        ),
        (
            json!({"effect": {"status": "503"}}),
            "effect.status must be a whole number, not a string",
        ),
        (
            json!({"effect": {"status": -1}}),
            "effect.status must be a whole number, not integer `-1`",
        ),
        (
            json!({"effect": {"status": 503, "colour": 1}}),
            "effect.colour is not a known field, expected one of",
        ),
        (json!({"when": {"nht": 1}, "effect": {"status": 503}}), "when.nht is not a known field"),
        (json!({"often": 1, "effect": {"status": 503}}), "often is not a known field"),
        (
            json!({"when": {"api": "walker"}, "effect": {"status": 503}}),
            "when.api: unknown variant",
        ),
        (
            json!({"when": {"burst": {"every": 3}}, "effect": {"status": 503}}),
            "when.burst.for is required",
        ),
        (
            json!({"when": {"probability": 2}, "effect": {"status": 503}}),
            "when.probability must be a number from 0 to 1",
        ),
        (json!({"effect": {"drop": "later"}}), "effect.drop: unknown variant `later`"),
        (json!({"effect": {}}), "effect must have one of delay_ms, status, drop,"),
        (
            json!({"effect": {"status": 503, "body": "empty"}}),
            "effect.body cannot go together with status",
        ),
        (
            json!({"when": {"api": "characters"}, "effect": {"break_after": 1}}),
            "effect.break_after is for streams, and `when` lets none through",
        ),
    ] {
        let refused = app.demo().add_fault(&rule).await;
        assert_eq!(refused.status, 400, "{rule}");
        let said = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(said.starts_with(error), "{rule}: {said}");
    }
    assert_eq!(app.demo().faults().await.good(), json!([]));
}

/// Each account has a clock and faults of its own: every second a status, every third a delay that
/// only its own clock ends, every other an answer as it should be.
#[tokio::test]
async fn sixty_four_clients_in_accounts_of_their_own_never_see_each_others_faults_clocks_or_rules()
{
    let app = TestApp::start().await;
    let client = async |number: usize| {
        let clock = json!({"clock": format!("20{:02}-01-01T00:00:00Z", number % 64 + 10)});
        let created = app.control().create_account(&clock).await;
        let NewAccount { id, key } = NewAccount::of(&created);
        let account = app.control().account(&id);
        let status = 500 + u16::try_from(number).unwrap();
        let effect = match number % 3 {
            0 => json!({ "status": status }),
            1 => json!({ "delay_ms": 60_000, "status": status }),
            _ => json!({ "content_type": format!("text/x-{number}") }),
        };
        let times = 1 + number % 4;
        account.add_fault(&json!({ "times": times, "effect": effect })).await.created();
        let rule = json!({ "reply": [{ "text": format!("for client {number}.") }] });
        account.add_reply_rule(&rule, "").await.created();
        for nth in 0..6 {
            let (path, body) = if nth % 2 == 0 { (RUN, text_body("Hi")) } else { (MESSAGES, hi()) };
            let request = app.request(Method::POST, path).key(&key).bearer(&key).json(&body);
            let mut answer = Box::pin(request.undocumented().send_expecting_5xx());
            let meets = nth < times;
            if meets && number % 3 == 1 {
                for _ in 0..5 {
                    assert!(
                        futures::poll!(&mut answer).is_pending(),
                        "{number} waits for its clock"
                    );
                    app.settle().await;
                }
                app.clock(&id).advance(Duration::from_mins(1));
            }
            let answer = answer.await;
            let typed = answer.header("content-type").unwrap().to_owned();
            match (meets, number % 3) {
                (true, 0 | 1) => assert_eq!(answer.status, status, "{number}"),
                (true, _) => assert_eq!(typed, format!("text/x-{number}")),
                (false, _) => {
                    assert!(answer.status.is_success(), "{number}: {}", answer.body);
                    assert!(answer.body.contains(&format!("for client {number}.")));
                    assert_eq!(typed, "application/json");
                }
            }
        }
    };
    join_all((0..64).map(client)).await;
}
