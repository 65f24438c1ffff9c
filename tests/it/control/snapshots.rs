//! What snapshots and forks hold besides data: rules, queue, faults, how far each is, limits; and
//! what a reset of a fork gives back.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::control::NewAccount;
use crate::support::{DEPLOYMENT, TestApp, TestResponse};

const TURNS: &str = r#"
[[rule]]
id = "in-turn"
when = { contains = "turn" }
reply = [{ text = "first" }, { text = "second" }, { text = "third" }]
"#;

/// Creates an account; returns its id and its key.
async fn create_account(app: &TestApp) -> (String, String) {
    let created = app.control().create_account(&json!({"seed": 7})).await;
    let NewAccount { id, key } = NewAccount::of(&created);
    (id, key)
}

/// Forks an account; returns the id and the key of the fork.
async fn fork(app: &TestApp, id: &str, body: Value) -> (String, String) {
    let NewAccount { id, key } = NewAccount::of(&app.control().account(id).fork(&body).await);
    (id, key)
}

async fn snapshot(app: &TestApp, id: &str) -> Value {
    app.control().account(id).snapshot().await.good()
}

async fn run(app: &TestApp, key: &str, text: &str) -> TestResponse {
    app.runner_as(key).run(DEPLOYMENT, text).send_expecting_5xx().await
}

async fn content(app: &TestApp, key: &str, text: &str) -> String {
    run(app, key, text).await.good()["content"].as_str().unwrap().to_owned()
}

/// Rules, replies, faults and a limit, each of them used once.
async fn prepare(app: &TestApp, id: &str, key: &str) {
    let rule = json!({"when": {"contains": "own"}, "reply": [{"text": "one"}, {"text": "two"}]});
    app.control().account(id).add_reply_rule(&rule, "").await.created();
    app.control().account(id).update(&json!({"runner_requests_per_minute": 20})).await.good();
    assert_eq!(content(app, key, "own").await, "one");
    assert_eq!(content(app, key, "turn").await, "first");
    let queue = json!([{"text": "from the queue"}, {"text": "and the next"}]);
    app.control().account(id).queue_replies(&queue, "").await.created();
    assert_eq!(content(app, key, "turn").await, "from the queue");
    let fault = json!({"when": {"nth": 2}, "effect": {"status": 503}});
    app.control().account(id).add_fault(&fault).await.created();
    assert_eq!(content(app, key, "turn").await, "and the next");
    let queue = json!({"text": "still to come"});
    app.control().account(id).queue_replies(&queue, "").await.created();
}

/// Fails unless the account continues where `prepare` left it.
async fn assert_continues(app: &TestApp, id: &str, key: &str) {
    assert_eq!(run(app, key, "turn").await.status, 503, "the fault's second request");
    assert_eq!(content(app, key, "turn").await, "still to come");
    assert_eq!(content(app, key, "own").await, "two");
    let last = run(app, key, "turn").await;
    assert_eq!(last.good()["content"], "second");
    // Four before the snapshot and four after it.
    assert_eq!(last.header("x-ratelimit-remaining"), Some("12"));
    let rule = json!({"reply": [{"text": "x"}]});
    let added = app.control().account(id).add_reply_rule(&rule, "").await.created();
    assert_eq!(added["id"], "rule_2", "ids of rules continue");
    let fault = json!({"effect": {"status": 503}});
    let added = app.control().account(id).add_fault(&fault).await.created();
    assert_eq!(added["id"], "fault_2", "ids of faults continue");
}

#[tokio::test]
async fn rules_queue_faults_turns_and_limits_are_put_back() {
    let app = TestApp::with_rules(TURNS).await;
    let (id, key) = create_account(&app).await;
    prepare(&app, &id, &key).await;
    let taken = snapshot(&app, &id).await;
    assert_continues(&app, &id, &key).await;
    for _ in 0..2 {
        app.control().account(&id).restore(&taken).await.good();
        assert_eq!(snapshot(&app, &id).await, taken);
    }
    assert_continues(&app, &id, &key).await;
    let (other, other_key) = create_account(&app).await;
    app.control().account(&other).restore(&taken).await.good();
    assert_continues(&app, &other, &other_key).await;
}

#[tokio::test]
async fn a_fork_takes_rules_queue_faults_turns_and_limits_along() {
    let app = TestApp::with_rules(TURNS).await;
    let (id, key) = create_account(&app).await;
    prepare(&app, &id, &key).await;
    let (copy, copy_key) = fork(&app, &id, json!({})).await;
    assert_continues(&app, &copy, &copy_key).await;
    assert_continues(&app, &id, &key).await;
}

#[tokio::test]
async fn a_fork_takes_along_what_with_names() {
    let app = TestApp::with_rules(TURNS).await;
    let (id, key) = create_account(&app).await;
    prepare(&app, &id, &key).await;
    let (copy, copy_key) = fork(&app, &id, json!({"with": ["rules"]})).await;
    assert_eq!(content(&app, &copy_key, "own").await, "two");
    assert_eq!(content(&app, &copy_key, "turn").await, "first");
    let taken = snapshot(&app, &copy).await;
    assert_eq!((&taken["queue"], &taken["faults"]), (&json!([]), &json!([])));
    let (bare, bare_key) = fork(&app, &id, json!({"with": []})).await;
    assert_ne!(content(&app, &bare_key, "own").await, "two");
    assert_eq!(snapshot(&app, &bare).await["rules"], json!([]));
    let wrong = json!({"with": ["rulez"]});
    let refused = app.control().account(&id).fork(&wrong).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("there is no section `rulez`"), "{}", refused.body);
    let refused = app.control().create_account(&json!({"with": ["rules"]})).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
}

#[tokio::test]
async fn what_a_snapshot_is_without_stays_as_it_is() {
    let app = TestApp::with_rules(TURNS).await;
    let (id, key) = create_account(&app).await;
    prepare(&app, &id, &key).await;
    let account = app.control().account(&id);
    let some = account.request(Method::GET, "/snapshot?with=queue,faults").await.good();
    assert!(some.get("rules").is_none() && some.get("limits").is_none(), "{some}");
    let all = snapshot(&app, &id).await;
    assert_eq!(account.delete_queue().await.status, 204);
    assert_eq!(run(&app, &key, "own").await.status, 503, "the fault's second request");
    assert_eq!(content(&app, &key, "own").await, "two");
    account.restore(&some).await.good();
    let again = snapshot(&app, &id).await;
    assert_eq!(again["queue"], all["queue"]);
    assert_eq!(again["rules"][0]["answered"], 2, "rules are left alone");
    account.request(Method::PUT, "/snapshot?with=rules").json(&all).await.good();
    let again = snapshot(&app, &id).await;
    assert_eq!(again["rules"], all["rules"]);
    for (query, body, message) in [
        ("?with=rulez", &all, "there is no section `rulez`"),
        ("?with=rules", &some, "the snapshot has no section `rules`"),
        ("?wiht=rules", &all, "there is no parameter wiht"),
    ] {
        let request = account.request(Method::PUT, &format!("/snapshot{query}"));
        let refused = request.json(body).await;
        assert_eq!(refused.status, 400);
        assert!(refused.body.contains(message), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_snapshot_of_the_first_version_still_loads_and_leaves_rules_alone() {
    let app = TestApp::with_rules(TURNS).await;
    let (id, key) = create_account(&app).await;
    prepare(&app, &id, &key).await;
    let (taken, mut old) = (snapshot(&app, &id).await, snapshot(&app, &id).await);
    old["version"] = json!(1);
    for section in ["rules", "queue", "faults", "progress", "limits"] {
        old.as_object_mut().unwrap().shift_remove(section);
    }
    for kind in ["rule", "fault"] {
        old["made"].as_object_mut().unwrap().shift_remove(kind);
    }
    app.control().account(&id).restore(&old).await.good();
    let again = snapshot(&app, &id).await;
    for section in ["rules", "queue", "faults"] {
        assert_eq!(again[section], taken[section], "{section}");
    }
    assert_eq!(again["progress"], json!({"rules": [], "faults": []}), "turns begin again");
    assert_eq!(again["limits"], json!({"runner": null, "characters": null}), "so do windows");
}

#[tokio::test]
async fn sections_that_make_no_sense_are_refused_and_change_nothing() {
    let app = TestApp::with_rules(TURNS).await;
    let (id, key) = create_account(&app).await;
    prepare(&app, &id, &key).await;
    let good = snapshot(&app, &id).await;
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
        let refused = app.control().account(&id).restore(&wrong).await;
        assert_eq!(refused.status, 400, "{section}: {}", refused.body);
        assert!(refused.body.contains(message), "{section}: {}", refused.body);
    }
    assert_eq!(snapshot(&app, &id).await, good);
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
    let (id, key) = create_account(&app).await;
    prepare(&app, &id, &key).await;
    let started = app.runner_as(&key).start_conversation(DEPLOYMENT, "turn");
    assert_eq!(started.send_expecting_5xx().await.status, 503);
    app.runner_as(&key).start_conversation(DEPLOYMENT, "turn").await.good();
    app.control().account(&id).update(&json!({"plan": "free", "balance": "5"})).await.good();
    let frozen = json!({"now": "2030-01-01T00:00:00Z", "frozen": true});
    app.control().account(&id).set_clock(&frozen).await.good();
    let (copy, copy_key) = fork(&app, &id, json!({"balance": "7"})).await;
    let made = (snapshot(&app, &copy).await, app.control().account(&copy).show().await.good());
    assert_eq!((&made.1["balance"], &made.1["plan"]), (&json!("7"), &json!("free")));
    assert_eq!(made.0["conversations"].as_array().unwrap().len(), 1);
    let spoil = async |app: &TestApp| {
        app.control().account(&copy).update(&json!({"plan": "pro", "balance": "9"})).await.good();
        app.control().account(&copy).advance_clock(&json!({"seconds": 61})).await.good();
        app.control().account(&copy).delete_replies().await;
        let another = app.runner_as(&copy_key).start_conversation(DEPLOYMENT, "turn");
        another.await.good();
    };
    spoil(&app).await;
    let reset = app.control().account(&copy).reset().await.good();
    assert_eq!((&reset, &snapshot(&app, &copy).await), (&made.1, &made.0));
    spoil(&app).await;
    app.stop().await;
    let app = start().await;
    let reset = app.control().account(&copy).reset().await.good();
    assert_eq!((&reset, &snapshot(&app, &copy).await), (&made.1, &made.0), "after a restart, too");
}
