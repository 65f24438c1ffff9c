//! Templates and patterns within bounds: refused when they are written, or failing for the request
//! that they were to answer, and for no other.

use std::io::Write;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, CONVERSATION, DEPLOYMENT, JSON, KEY, TestApp, said};

const REPLIES: &str = "/_mynah/accounts/demo/replies";
const QUEUE: &str = "/_mynah/accounts/demo/replies/queue";

/// A template that would loop for hours.
const ENDLESS: &str = "{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(9999) %}\
                       {% endfor %}{% endfor %}{% endfor %}";

fn refused(answer: &Answer) -> String {
    assert_eq!(answer.status, 400, "{}", answer.body);
    answer.json()["error"].as_str().unwrap_or(&answer.body).to_owned()
}

async fn post(app: &TestApp, path: &str, body: Value) -> Answer {
    app.post(path, &body).send().await
}

async fn run(app: &TestApp, text: &str) -> Value {
    app.run(DEPLOYMENT, text).await.good()["content"].clone()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, said: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(said)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_template_that_nests_too_deep_is_refused_by_its_place() {
    let app = TestApp::start().await;
    let nested = [
        format!("{{{{ {}1 }}}}", "-".repeat(7000)),
        format!("{{{{ {} }}}}", vec!["1"; 8000].join("+")),
        format!("{{{{ a{} }}}}", ".b".repeat(15000)),
        format!("{{{{ 1{} }}}}", "|e".repeat(15000)),
        format!("{{% if a %}}x{}{{% endif %}}", "{% elif b %}y".repeat(4000)),
    ];
    for template in nested {
        let reply = json!({"text": template});
        let said = refused(&post(&app, REPLIES, json!({"reply": [reply.clone()]})).await);
        assert!(said.contains("reply[0].text: line 1: the template nests deeper than"), "{said}");
        let said = refused(&post(&app, QUEUE, json!([{"text": "fine"}, reply])).await);
        assert!(said.contains("[1].text: line 1: the template nests deeper than"), "{said}");
        let reply = json!({"json": {"a": [template]}});
        let said = refused(&post(&app, QUEUE, reply).await);
        assert!(said.contains("json: line 1: the template nests deeper than"), "{said}");
    }
    let long = json!({"text": format!("{{{{ turn }}}}{}", "x".repeat(64 << 10))});
    let said = refused(&post(&app, QUEUE, long).await);
    assert!(said.contains("text: the templates of a reply are 64 KiB long at most"), "{said}");
    let shown = app.get(REPLIES).await.good();
    assert_eq!(shown, json!({"rules": [], "queue": []}));
}

#[tokio::test]
async fn names_that_a_template_cannot_use_are_refused_when_it_is_written() {
    let app = TestApp::start().await;
    for (template, expected) in [
        ("Hi\n{{ message.text|uper }}", "line 2: there is no filter called `uper`"),
        ("{{ nofunction() }}", "line 1: there is no function called `nofunction`"),
        ("{% if 1 is notest %}{% endif %}", "line 1: there is no test called `notest`"),
    ] {
        let rule = json!({"reply": [{"text": "a"}, {"text": "b", "thoughts": template}]});
        let said = refused(&post(&app, REPLIES, rule).await);
        assert!(said.contains(&format!("reply[1].thoughts: {expected}")), "{said}");
        let said = refused(&post(&app, QUEUE, json!({"text": template})).await);
        assert!(said.contains(&format!("text: {expected}")), "{said}");
    }
}

#[tokio::test]
async fn a_template_over_its_budget_fails_its_own_request_while_others_are_answered() {
    let app = TestApp::start().await;
    let rule = json!({"when": {"equals": "loop"}, "reply": [{"text": ENDLESS}]});
    assert_eq!(post(&app, REPLIES, rule).await.status, 201);
    let mut failing = Box::pin(app.run(DEPLOYMENT, "loop").send_expecting_5xx());
    let mut others = 0;
    let failed = loop {
        let other = app.request(Method::GET, "/v1/runner/conversations").key("free_api_key").send();
        tokio::select! {
            biased;
            failed = &mut failing => break failed,
            other = other => {
                other.good();
                others += 1;
            }
        }
    };
    assert!(others > 3, "{others} others were answered while it rendered");
    failed.refused(500, "api_error", "internal_error");
}

#[tokio::test]
async fn the_journal_and_the_log_say_which_rule_failed_and_why() {
    let app = TestApp::start().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    for (template, reason) in [
        (ENDLESS, "the template exceeds its budget of 1000000 steps"),
        ("{{ 'x' * 99999999 }}", "the template exceeds its budget of 32 MiB of text and values"),
    ] {
        let rule = json!({"id": "greedy", "reply": [{"text": template}]});
        assert_eq!(app.request(Method::PUT, REPLIES).json(&json!([rule])).await.status, 200);
        let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
        let begun = app.post(&path, &said("Hi")).send_expecting_5xx().await;
        begun.refused(500, "api_error", "internal_error");
        let entries = app.get("/_mynah/accounts/demo/requests").await.good();
        let entry = entries["requests"].as_array().unwrap().last().unwrap().clone();
        let told = format!("rule `greedy`: {reason}");
        assert_eq!(entry["model"]["failure"], json!(told), "{entry}");
        assert_eq!(entry["answer"]["status"], 500);
        let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(logged.contains(&told), "{logged}");
    }
    let listed = app.listed("/v1/runner/conversations").await;
    assert_eq!(listed, [CONVERSATION], "nothing is stored");
}

#[tokio::test]
async fn the_strings_of_a_json_reply_take_from_one_budget() {
    let app = TestApp::start().await;
    let string = "{% for i in range(9000) %}{{ i }}{% endfor %}";
    let few = json!({"json": {"a": string, "b": {"c": [string]}}});
    assert_eq!(post(&app, QUEUE, few).await.status, 201);
    let many = json!({"json": vec![string; 1000]});
    assert_eq!(post(&app, QUEUE, many).await.status, 201);
    let answer = app.run(JSON, "Hi").await.good();
    assert_eq!(answer["content"]["a"], answer["content"]["b"]["c"][0]);
    let failed = app.run(JSON, "Hi").send_expecting_5xx().await;
    failed.refused(500, "api_error", "internal_error");
    app.run(JSON, "Hi").await.good();
}

#[tokio::test]
async fn numbers_are_given_back_as_they_were_sent() {
    let app = TestApp::start().await;
    let template = "{{ variables.BIG }} {{ variables.PRICE }} {{ variables.EXP }} {{ meta.N }}";
    assert_eq!(post(&app, REPLIES, json!({"reply": [{"text": template}]})).await.status, 201);
    let body = r#"{"content": [{"type": "text", "text": "Hi"}],
        "variables": {"BIG": 18446744073709551616, "PRICE": 1.10, "EXP": 1e2},
        "meta": {"N": 123456789012345678901234567890, "PRICE": 1.10}}"#;
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
    let begun = app.request(Method::POST, &path).key(KEY).body(body).send().await.good();
    let expected = "18446744073709551616 1.10 1e2 123456789012345678901234567890";
    assert_eq!(begun["content"], expected);
    let listed = app.get("/v1/runner/conversations").send().await;
    assert!(listed.body.contains(r#""N":123456789012345678901234567890"#), "{}", listed.body);
    assert!(listed.body.contains(r#""PRICE":1.10"#), "{}", listed.body);
}

#[tokio::test]
async fn patterns_are_bounded_each_and_together() {
    let app = TestApp::start().await;
    let rule = |pattern: String| json!({"when": {"regex": pattern}, "reply": [{"text": "x"}]});
    for (pattern, expected) in [
        (r"\pL{300}".to_owned(), "compiles to more than 1024 KiB"),
        ("a".repeat(5000), "a pattern is 4 KiB long at most"),
        ("(".repeat(200) + &")".repeat(200), "nest"),
    ] {
        let said = refused(&post(&app, REPLIES, rule(pattern)).await);
        assert!(said.contains("when.regex: ") && said.contains(expected), "{said}");
    }
    let list: Vec<Value> = (0..200).map(|nth| rule(format!(r"\pL{{{}}}", 40 + nth % 5))).collect();
    let said = refused(&app.request(Method::PUT, REPLIES).json(&json!(list)).await);
    assert!(said.contains("].when.regex: the patterns of the rules compile to more"), "{said}");
    let list: Vec<Value> = (0..300).map(|nth| rule(format!("^order {nth}$"))).collect();
    assert_eq!(app.request(Method::PUT, REPLIES).json(&json!(list)).await.status, 200);
    assert_eq!(run(&app, "order 7").await, "x");
}

#[tokio::test]
async fn an_account_has_a_thousand_rules_of_its_own_at_most() {
    let app = TestApp::start().await;
    let rule = json!({"when": {"equals": "x"}, "reply": [{"text": "x"}]});
    let list = json!(vec![rule.clone(); 1000]);
    assert_eq!(app.request(Method::PUT, REPLIES).json(&list).await.status, 200);
    let said = refused(&post(&app, REPLIES, rule.clone()).await);
    assert!(said.contains("an account has at most 1000 rules of its own"), "{said}");
    let said = refused(&app.request(Method::PUT, REPLIES).json(&json!(vec![rule; 1001])).await);
    assert!(said.contains("an account has at most 1000 rules of its own"), "{said}");
}
