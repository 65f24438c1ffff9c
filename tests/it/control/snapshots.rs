//! What snapshots and forks hold besides data: rules, queue, faults, how far each is, limits; and
//! what a reset of a fork gives back.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, DEPLOYMENT, TestApp, said};

const ACCOUNTS: &str = "/_mynah/accounts";
const TURNS: &str = r#"
[[rule]]
id = "in-turn"
when = { contains = "turn" }
reply = [{ text = "first" }, { text = "second" }, { text = "third" }]
"#;

async fn control(app: &TestApp, method: Method, path: &str, body: &Value) -> Answer {
    app.request(method, &format!("{ACCOUNTS}{path}")).json(body).send().await
}

async fn done(app: &TestApp, method: Method, path: &str, body: &Value) -> Value {
    let answer = control(app, method, path, body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.body);
    answer.json()
}

/// A new account: its path and its key.
async fn account(app: &TestApp) -> (String, String) {
    named(&done(app, Method::POST, "", &json!({"seed": 7})).await)
}

fn named(made: &Value) -> (String, String) {
    (format!("/{}", made["id"].as_str().unwrap()), made["key"].as_str().unwrap().to_owned())
}

async fn fork(app: &TestApp, path: &str, body: Value) -> (String, String) {
    named(&done(app, Method::POST, &format!("{path}/fork"), &body).await)
}

async fn snapshot(app: &TestApp, path: &str) -> Value {
    done(app, Method::GET, &format!("{path}/snapshot"), &json!({})).await
}

async fn run(app: &TestApp, key: &str, text: &str) -> Answer {
    let path = format!("/v1/runner/{DEPLOYMENT}");
    app.request(Method::POST, &path).key(key).json(&said(text)).send_expecting_5xx().await
}

async fn answered(app: &TestApp, key: &str, text: &str) -> String {
    run(app, key, text).await.good()["content"].as_str().unwrap().to_owned()
}

/// Rules, replies, faults and a limit, each of them used once.
async fn prepare(app: &TestApp, path: &str, key: &str) {
    let rule = json!({"when": {"contains": "own"}, "reply": [{"text": "one"}, {"text": "two"}]});
    done(app, Method::POST, &format!("{path}/replies"), &rule).await;
    done(app, Method::PATCH, path, &json!({"runner_requests_per_minute": 20})).await;
    assert_eq!(answered(app, key, "own").await, "one");
    assert_eq!(answered(app, key, "turn").await, "first");
    let queue = json!([{"text": "from the queue"}, {"text": "and the next"}]);
    done(app, Method::POST, &format!("{path}/replies/queue"), &queue).await;
    assert_eq!(answered(app, key, "turn").await, "from the queue");
    let fault = json!({"when": {"nth": 2}, "effect": {"status": 503}});
    done(app, Method::POST, &format!("{path}/faults"), &fault).await;
    assert_eq!(answered(app, key, "turn").await, "and the next");
    let queue = json!({"text": "still to come"});
    done(app, Method::POST, &format!("{path}/replies/queue"), &queue).await;
}

/// Goes on from what was prepared: everything is where it was left.
async fn goes_on(app: &TestApp, path: &str, key: &str) {
    assert_eq!(run(app, key, "turn").await.status, 503, "the fault's second request");
    assert_eq!(answered(app, key, "turn").await, "still to come");
    assert_eq!(answered(app, key, "own").await, "two");
    let last = run(app, key, "turn").await;
    assert_eq!(last.good()["content"], "second");
    // Four before the snapshot and four after it.
    assert_eq!(last.header("x-ratelimit-remaining"), Some("12"));
    let rule = json!({"reply": [{"text": "x"}]});
    let added = done(app, Method::POST, &format!("{path}/replies"), &rule).await;
    assert_eq!(added["id"], "rule_2", "ids of rules go on");
    let fault = json!({"effect": {"status": 503}});
    let added = done(app, Method::POST, &format!("{path}/faults"), &fault).await;
    assert_eq!(added["id"], "fault_2", "ids of faults go on");
}

#[tokio::test]
async fn rules_queue_faults_turns_and_limits_are_put_back() {
    let app = TestApp::with_rules(TURNS).await;
    let (path, key) = account(&app).await;
    prepare(&app, &path, &key).await;
    let taken = snapshot(&app, &path).await;
    goes_on(&app, &path, &key).await;
    for _ in 0..2 {
        done(&app, Method::PUT, &format!("{path}/snapshot"), &taken).await;
        assert_eq!(snapshot(&app, &path).await, taken);
    }
    goes_on(&app, &path, &key).await;
    let (other, other_key) = account(&app).await;
    done(&app, Method::PUT, &format!("{other}/snapshot"), &taken).await;
    goes_on(&app, &other, &other_key).await;
}

#[tokio::test]
async fn a_fork_takes_rules_queue_faults_turns_and_limits_along() {
    let app = TestApp::with_rules(TURNS).await;
    let (path, key) = account(&app).await;
    prepare(&app, &path, &key).await;
    let (copy, copy_key) = fork(&app, &path, json!({})).await;
    goes_on(&app, &copy, &copy_key).await;
    goes_on(&app, &path, &key).await;
}

#[tokio::test]
async fn a_fork_takes_along_what_with_names() {
    let app = TestApp::with_rules(TURNS).await;
    let (path, key) = account(&app).await;
    prepare(&app, &path, &key).await;
    let (copy, copy_key) = fork(&app, &path, json!({"with": ["rules"]})).await;
    assert_eq!(answered(&app, &copy_key, "own").await, "two");
    assert_eq!(answered(&app, &copy_key, "turn").await, "first");
    let taken = snapshot(&app, &copy).await;
    assert_eq!((&taken["queue"], &taken["faults"]), (&json!([]), &json!([])));
    let (bare, bare_key) = fork(&app, &path, json!({"with": []})).await;
    assert_ne!(answered(&app, &bare_key, "own").await, "two");
    assert_eq!(snapshot(&app, &bare).await["rules"], json!([]));
    let wrong = json!({"with": ["rulez"]});
    let refused = control(&app, Method::POST, &format!("{path}/fork"), &wrong).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("there is no section `rulez`"), "{}", refused.body);
    let refused = control(&app, Method::POST, "", &json!({"with": ["rules"]})).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
}

#[tokio::test]
async fn what_a_snapshot_is_without_stays_as_it_is() {
    let app = TestApp::with_rules(TURNS).await;
    let (path, key) = account(&app).await;
    prepare(&app, &path, &key).await;
    let document = format!("{path}/snapshot");
    let some = done(&app, Method::GET, &format!("{document}?with=queue,faults"), &json!({})).await;
    assert!(some.get("rules").is_none() && some.get("limits").is_none(), "{some}");
    let all = snapshot(&app, &path).await;
    let queue = format!("{path}/replies/queue");
    assert_eq!(control(&app, Method::DELETE, &queue, &json!({})).await.status, 204);
    assert_eq!(run(&app, &key, "own").await.status, 503, "the fault's second request");
    assert_eq!(answered(&app, &key, "own").await, "two");
    done(&app, Method::PUT, &document, &some).await;
    let again = snapshot(&app, &path).await;
    assert_eq!(again["queue"], all["queue"]);
    assert_eq!(again["rules"][0]["answered"], 2, "rules are left alone");
    done(&app, Method::PUT, &format!("{document}?with=rules"), &all).await;
    let again = snapshot(&app, &path).await;
    assert_eq!(again["rules"], all["rules"]);
    for (query, body, message) in [
        ("?with=rulez", &all, "there is no section `rulez`"),
        ("?with=rules", &some, "the snapshot has no section `rules`"),
        ("?wiht=rules", &all, "there is no parameter wiht"),
    ] {
        let refused = control(&app, Method::PUT, &format!("{document}{query}"), body).await;
        assert_eq!(refused.status, 400);
        assert!(refused.body.contains(message), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_snapshot_of_the_first_version_still_loads_and_leaves_rules_alone() {
    let app = TestApp::with_rules(TURNS).await;
    let (path, key) = account(&app).await;
    prepare(&app, &path, &key).await;
    let (taken, mut old) = (snapshot(&app, &path).await, snapshot(&app, &path).await);
    old["version"] = json!(1);
    for section in ["rules", "queue", "faults", "progress", "limits"] {
        old.as_object_mut().unwrap().shift_remove(section);
    }
    for kind in ["rule", "fault"] {
        old["made"].as_object_mut().unwrap().shift_remove(kind);
    }
    done(&app, Method::PUT, &format!("{path}/snapshot"), &old).await;
    let again = snapshot(&app, &path).await;
    for section in ["rules", "queue", "faults"] {
        assert_eq!(again[section], taken[section], "{section}");
    }
    assert_eq!(again["progress"], json!({"rules": [], "faults": []}), "turns begin again");
    assert_eq!(again["limits"], json!({"runner": null, "characters": null}), "so do windows");
}

#[tokio::test]
async fn sections_that_make_no_sense_are_refused_and_change_nothing() {
    let app = TestApp::with_rules(TURNS).await;
    let (path, key) = account(&app).await;
    prepare(&app, &path, &key).await;
    let good = snapshot(&app, &path).await;
    let twice = json!([good["rules"][0], good["rules"][0]]);
    for (section, value, message) in [
        ("/rules/0/rule/when", json!({"regex": "("}), "rules[0].rule.when.regex"),
        ("/rules", twice, "there are two rules called `rule_1`"),
        ("/rules/0/id", json!("other"), "the rule calls itself `rule_1`"),
        ("/queue/0/reply", json!({"text": "{{"}), "queue[0].reply.text"),
        ("/faults/0/fault/effect", json!({"status": 200}), "faults[0].fault.effect.status"),
        ("/faults/0/id", json!("fault_9"), "faults[0].id must be from fault_1 to the 1"),
        ("/faults/0/count/since", json!("noon"), "faults[0].count.since must be a time"),
        ("/limits/runner/begins", json!("noon"), "limits.runner.begins must be a time"),
        ("/made/rule", json!(u64::MAX), "made.rule must be a whole number"),
    ] {
        let mut wrong = good.clone();
        *wrong.pointer_mut(section).unwrap() = value;
        let refused = control(&app, Method::PUT, &format!("{path}/snapshot"), &wrong).await;
        assert_eq!(refused.status, 400, "{section}: {}", refused.body);
        assert!(refused.body.contains(message), "{section}: {}", refused.body);
    }
    assert_eq!(snapshot(&app, &path).await, good);
}

#[tokio::test]
async fn a_reset_of_a_fork_gives_back_how_the_fork_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("mynah.db").display());
    let start = async || {
        TestApp::with_rules_and(TURNS, |config| {
            config.database.clone_from(&database);
            config.clock = None;
        })
        .await
    };
    let app = start().await;
    let (path, key) = account(&app).await;
    prepare(&app, &path, &key).await;
    let conversation = format!("/v1/runner/{DEPLOYMENT}/conversation");
    let started = app.request(Method::POST, &conversation).key(&key).json(&said("turn"));
    assert_eq!(started.send_expecting_5xx().await.status, 503);
    app.request(Method::POST, &conversation).key(&key).json(&said("turn")).send().await.good();
    done(&app, Method::PATCH, &path, &json!({"plan": "free", "balance": "5"})).await;
    let frozen = json!({"now": "2030-01-01T00:00:00Z", "frozen": true});
    done(&app, Method::PUT, &format!("{path}/clock"), &frozen).await;
    let (copy, copy_key) = fork(&app, &path, json!({"balance": "7"})).await;
    let made = (snapshot(&app, &copy).await, done(&app, Method::GET, &copy, &json!({})).await);
    assert_eq!((&made.1["balance"], &made.1["plan"]), (&json!("7"), &json!("free")));
    assert_eq!(made.0["conversations"].as_array().unwrap().len(), 1);
    let spoil = async |app: &TestApp| {
        done(app, Method::PATCH, &copy, &json!({"plan": "pro", "balance": "9"})).await;
        done(app, Method::POST, &format!("{copy}/clock/advance"), &json!({"seconds": 61})).await;
        control(app, Method::DELETE, &format!("{copy}/replies"), &json!({})).await;
        let another = app.request(Method::POST, &conversation).key(&copy_key).json(&said("turn"));
        another.send().await.good();
    };
    spoil(&app).await;
    let reset = done(&app, Method::POST, &format!("{copy}/reset"), &json!({})).await;
    assert_eq!((&reset, &snapshot(&app, &copy).await), (&made.1, &made.0));
    spoil(&app).await;
    app.stop().await;
    let app = start().await;
    let reset = done(&app, Method::POST, &format!("{copy}/reset"), &json!({})).await;
    assert_eq!((&reset, &snapshot(&app, &copy).await), (&made.1, &made.0), "after a restart, too");
}
