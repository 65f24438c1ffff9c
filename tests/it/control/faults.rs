//! Faults: what a client sees of each effect, when each condition lets one through, and that what
//! one account meets no other does.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::raw::{Next, Raw};
use crate::support::{Answer, KEY, Request, TestApp, client, said};

mod answers;
mod conditions;
mod elsewhere;
mod streams;

const FAULTS: &str = "/_mynah/accounts/demo/faults";
const RUN: &str = "/v1/runner/YOUR_DEPLOYMENT_ID";
const STREAM: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";
const SAY_STREAMED: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/conversation/stream";
const MESSAGES: &str = "/api/v1/conversations/conv_123abc/messages";
const HOUR: Duration = Duration::from_hours(1);

/// Adds a fault to an account; gives its id.
async fn fault_of(app: &TestApp, account: &str, rule: &Value) -> String {
    let path = format!("/_mynah/accounts/{account}/faults");
    let added = app.request(Method::POST, &path).json(rule).send().await;
    assert_eq!(added.status, 201, "{}", added.body);
    added.json()["id"].as_str().unwrap().to_owned()
}

/// Adds a fault to the demo account.
async fn fault(app: &TestApp, rule: Value) -> String {
    fault_of(app, "demo", &rule).await
}

/// Adds a fault that every request of the demo account meets.
async fn effect(app: &TestApp, effect: Value) {
    fault(app, json!({ "effect": effect })).await;
}

async fn clear(app: &TestApp) {
    assert_eq!(app.request(Method::DELETE, FAULTS).send().await.status, 204);
}

/// Asks both APIs something, with the demo account's key.
fn ask<'a>(app: &'a TestApp, method: Method, path: &str) -> Request<'a> {
    app.request(method, path).key(KEY).header("authorization", bearer(KEY))
}

async fn get(app: &TestApp, path: &str) -> Answer {
    ask(app, Method::GET, path).send_expecting_5xx().await
}

async fn post(app: &TestApp, path: &str, body: &Value) -> Answer {
    ask(app, Method::POST, path).json(body).send_expecting_5xx().await
}

/// The same where the answer may be one that the documents do not know.
async fn get_spoilt(app: &TestApp, path: &str) -> Answer {
    ask(app, Method::GET, path).beyond_the_documents().send_expecting_5xx().await
}

async fn post_spoilt(app: &TestApp, path: &str, body: &Value) -> Answer {
    ask(app, Method::POST, path).json(body).beyond_the_documents().send_expecting_5xx().await
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// The same as a client library sees it, connection and all.
async fn sent(app: &TestApp, path: &str, body: &Value) -> reqwest::Result<Response> {
    let request = client().post(app.url(path)).json(body);
    request.header("x-api-key", KEY).header("authorization", bearer(KEY)).send().await
}

fn hi() -> Value {
    json!({ "content": "Hi" })
}

async fn balance(app: &TestApp) -> String {
    let account = app.request(Method::GET, "/_mynah/accounts/demo").send().await.good();
    account["balance"].as_str().unwrap().to_owned()
}

/// The statuses of so many requests to a route of each API, in turn.
async fn statuses(app: &TestApp, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(post(app, RUN, &said("Hi")).await.status.as_u16());
    }
    statuses
}

async fn runner_stream(app: &TestApp, path: &str, body: &Value) -> Raw {
    let mut raw = Raw::connect(app.address).await;
    raw.post(path, body).await;
    assert_eq!(raw.head().await.0, 200);
    raw
}

fn chunk(text: &str) -> Next {
    Next::Chunk(text.to_owned())
}

async fn nothing_comes(app: &TestApp, raw: &mut Raw) -> bool {
    app.settle().await;
    raw.next().now_or_never().is_none()
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
    let first = fault(&app, rule.clone()).await;
    let second = fault(&app, json!({"effect": {"drop": "before_answer"}})).await;
    assert_eq!((first.as_str(), second.as_str()), ("fault_1", "fault_2"));
    let mut shown = rule;
    shown["id"] = json!("fault_1");
    (shown["matched"], shown["fired"]) = (json!(0), json!(0));
    let other = json!({"id": "fault_2", "when": {}, "effect": {"drop": "before_answer"},
                       "matched": 0, "fired": 0});
    let list = app.request(Method::GET, FAULTS).send().await.good();
    assert_eq!(list, json!([shown, other]));
    let second = format!("{FAULTS}/fault_2");
    assert_eq!(app.request(Method::DELETE, &second).send().await.status, 204);
    let gone = app.request(Method::DELETE, &second).send().await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.json(), json!({"error": "there is no fault `fault_2`"}));
    clear(&app).await;
    assert_eq!(app.request(Method::GET, FAULTS).send().await.good(), json!([]));
    let nobody = app.request(Method::GET, "/_mynah/accounts/nobody/faults").send().await;
    assert_eq!(nobody.status, 404);
}

#[tokio::test]
async fn a_reset_of_the_account_clears_its_faults() {
    let app = TestApp::start().await;
    effect(&app, json!({ "status": 503 })).await;
    let reset = app.request(Method::POST, "/_mynah/accounts/demo/reset").json(&json!({}));
    reset.send().await.good();
    assert_eq!(app.request(Method::GET, FAULTS).send().await.good(), json!([]));
    assert_eq!(statuses(&app, 1).await, [200]);
    assert_eq!(fault(&app, json!({"effect": {"status": 503}})).await, "fault_1");
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
        let refused = app.request(Method::POST, FAULTS).json(&rule).send().await;
        assert_eq!(refused.status, 400, "{rule}");
        let said = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(said.starts_with(error), "{rule}: {said}");
    }
    assert_eq!(app.request(Method::GET, FAULTS).send().await.good(), json!([]));
}

/// Each account has a clock and faults of its own: every second a status, every third a delay that
/// only its own clock ends, every other an answer as it should be.
#[tokio::test]
async fn sixty_four_clients_in_accounts_of_their_own_never_see_each_others_faults_clocks_or_rules()
{
    let app = TestApp::start().await;
    let client = async |number: usize| {
        let asked = json!({"clock": format!("20{:02}-01-01T00:00:00Z", number % 64 + 10)});
        let made = app.request(Method::POST, "/_mynah/accounts").json(&asked).send().await.json();
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        let (id, key) = (text("id"), text("key"));
        let status = 500 + u16::try_from(number).unwrap();
        let effect = match number % 3 {
            0 => json!({ "status": status }),
            1 => json!({ "delay_ms": 60_000, "status": status }),
            _ => json!({ "content_type": format!("text/x-{number}") }),
        };
        let times = 1 + number % 4;
        fault_of(&app, &id, &json!({ "times": times, "effect": effect })).await;
        let replies = format!("/_mynah/accounts/{id}/replies");
        let rule = json!({ "reply": [{ "text": format!("for client {number}.") }] });
        assert_eq!(app.request(Method::POST, &replies).json(&rule).send().await.status, 201);
        for request in 0..6 {
            let (path, body) = if request % 2 == 0 { (RUN, said("Hi")) } else { (MESSAGES, hi()) };
            let asked = app.request(Method::POST, path).key(&key);
            let asked = asked.header("authorization", bearer(&key)).json(&body);
            let asked = asked.beyond_the_documents();
            let mut answer = Box::pin(asked.send_expecting_5xx());
            let meets = request < times;
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
