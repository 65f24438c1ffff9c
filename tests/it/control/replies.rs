//! Replies made at run time: an account's own rules, its queue, and fixtures that are read again.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::log::Log;
use crate::support::{ACCOUNTS, DEPLOYMENT, DEPLOYMENTS, ECHO, JSON, KEY, TestApp, TestResponse};

/// The demo account's rules and queue.
async fn shown_replies(app: &TestApp) -> Value {
    app.demo().replies().await.good()
}

/// Adds a rule; returns its id.
async fn add(app: &TestApp, rule: Value) -> String {
    app.demo().add_reply_rule(&rule, "").await.created_id()
}

/// Adds replies to the queue.
async fn queue(app: &TestApp, query: &str, replies: Value) {
    app.demo().queue_replies(&replies, query).await.created();
}

/// The ids of the rules, in order.
async fn ids(app: &TestApp) -> Vec<String> {
    let shown = shown_replies(app).await;
    let rules = shown["rules"].as_array().unwrap().iter();
    rules.map(|rule| rule["id"].as_str().unwrap().to_owned()).collect()
}

/// The content of a run.
async fn run(app: &TestApp, deployment: &str, text: &str) -> Value {
    app.runner().run(deployment, text).await.good()["content"].clone()
}

/// A completion of one message.
async fn complete(app: &TestApp, key: &str, llm: &str, text: &str) -> TestResponse {
    let body = json!({"messages": [{"role": "user", "content": text}], "llm_id": llm});
    app.characters_as(key).create_completion(&body).await
}

fn always(text: &str) -> Value {
    json!({"reply": [{"text": text}]})
}

// --- rules ---------------------------------------------------------------------------------------

#[tokio::test]
async fn a_rule_answers_before_the_fixtures_do_in_both_apis() {
    let app = TestApp::start().await;
    let fixtures = run(&app, DEPLOYMENT, "Hi").await;
    let id = add(&app, json!({"when": {"equals": "Hi"}, "reply": [{"text": "Mine."}]})).await;
    assert_eq!(run(&app, DEPLOYMENT, "Hi").await, "Mine.");
    assert_eq!(complete(&app, KEY, "model_abc123", "Hi").await.good()["content"], "Mine.");
    let stream = app.runner().stream(DEPLOYMENT, "Hi").await;
    assert_eq!(stream.concat(), "Mine.");
    let other = app.runner_as("free_api_key").run(DEPLOYMENT, "Hi").await.good();
    assert_eq!(other["content"], fixtures, "another account has rules of its own");
    let rule = json!({"id": id, "when": {"equals": "Hi"}, "reply": [{"text": "Mine."}]});
    let shown = json!({"id": id, "answered": 3, "rule": rule});
    assert_eq!(shown_replies(&app).await, json!({"rules": [shown], "queue": []}));
    assert_eq!(app.demo().delete_reply_rule(&id).await.status, 204);
    assert_eq!(run(&app, DEPLOYMENT, "Hi").await, fixtures);
}

#[tokio::test]
async fn a_rule_answers_for_a_deployment_that_echoes_too() {
    let app = TestApp::start().await;
    add(&app, json!({"when": {"contains": "mine"}, "reply": [{"text": "Mine."}]})).await;
    assert_eq!(run(&app, ECHO, "is it mine?").await, "Mine.");
    assert_eq!(run(&app, ECHO, "theirs").await, "theirs");
    assert_eq!(complete(&app, KEY, "model_echo", "mine").await.good()["content"], "Mine.");
}

#[tokio::test]
async fn a_rule_is_put_where_it_is_wanted_and_the_first_that_matches_answers() {
    let app = TestApp::start().await;
    let last = add(&app, always("last")).await;
    assert_eq!((last.as_str(), run(&app, DEPLOYMENT, "x").await), ("rule_1", json!("last")));
    let first = app.demo().add_reply_rule(&always("first"), "?at=0").await.created_id();
    assert_eq!(run(&app, DEPLOYMENT, "x").await, "first");
    let named = json!({"id": "mid", "reply": [{"text": "mid"}]});
    let named = app.demo().add_reply_rule(&named, &format!("?before={last}")).await;
    assert_eq!(named.created_id(), "mid");
    assert_eq!(ids(&app).await, [&first, "mid", &last]);
    // By id, a rule moves and keeps its count; another one is put in whole.
    let reordered = json!([last, "mid", {"id": "new", "reply": [{"text": "new"}]}]);
    let shown = app.demo().replace_reply_rules(&reordered).await.good();
    assert_eq!(shown, shown_replies(&app).await);
    assert_eq!(ids(&app).await, ["rule_1", "mid", "new"]);
    assert_eq!(shown["rules"][0]["answered"], 1);
    assert_eq!(run(&app, DEPLOYMENT, "x").await, "last");
    // What is shown can be put back as it is.
    let same: Vec<Value> =
        shown["rules"].as_array().unwrap().iter().map(|rule| rule["rule"].clone()).collect();
    let shown = app.demo().replace_reply_rules(&json!(same)).await.good();
    assert_eq!(shown["rules"][0]["answered"], 2);
}

#[tokio::test]
async fn a_rule_answers_as_often_as_it_says() {
    let app = TestApp::start().await;
    add(&app, json!({"reply": [{"text": "once"}], "times": 1})).await;
    add(&app, json!({"reply": [{"text": "one"}, {"text": "two"}], "times": 3})).await;
    add(&app, always("always")).await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(run(&app, DEPLOYMENT, "x").await);
    }
    assert_eq!(answers, ["once", "one", "two", "two", "always", "always"]);
}

#[tokio::test]
async fn a_fixture_rule_too_answers_as_often_as_it_says() {
    let rules = r#"
        [[rule]]
        times = 2
        reply = [{ text = "twice" }]

        [[rule]]
        reply = [{ text = "always" }]
    "#;
    let app = TestApp::with_rules(rules).await;
    for expected in ["twice", "twice", "always"] {
        assert_eq!(run(&app, DEPLOYMENT, "x").await, expected);
    }
    app.demo().reset().await.good();
    assert_eq!(run(&app, DEPLOYMENT, "x").await, "twice");
}

#[tokio::test]
async fn a_bad_rule_is_refused_by_the_path_of_its_field_and_nothing_changes() {
    let app = TestApp::start().await;
    add(&app, json!({"id": "mine", "reply": [{"text": "x"}]})).await;
    queue(&app, "", json!({"text": "y"})).await;
    let before = shown_replies(&app).await;
    let reply = json!([{"text": "x"}]);
    let refused = |answer: TestResponse, start: &str| {
        assert_eq!(answer.status, 400, "{}", answer.body);
        let message = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(message.starts_with(start), "{message}");
    };
    for (rule, start) in [
        (json!({"when": {"regex": "("}, "reply": reply}), "when.regex: regex parse error"),
        (json!({"reply": [{"text": "{{ x"}]}), "reply[0].text: syntax error"),
        (json!({"reply": [{"text": "x"}, {}]}), "reply[1]: a reply needs `text` or `json`"),
        (json!({"reply": [{"text": "x", "json": {}}]}), "reply[0].json: a reply has either"),
        (json!({"reply": []}), "reply: a rule needs at least one reply"),
        (json!({}), "reply: a rule needs at least one reply"),
        (json!({"reply": "x"}), "reply must be an array, not a string"),
        (json!({"reply": reply, "times": 0}), "times: a rule answers 1 time or more"),
        (json!({"reply": reply, "times": -1}), "times must be"),
        (json!({"reply": reply, "tims": 1}), "tims is not a known field, expected one of `id`"),
        (json!({"reply": [{"txt": "x"}]}), "reply[0].txt is not a known field"),
        (json!({"when": {"equal": "x"}, "reply": reply}), "when.equal is not a known field"),
        (json!({"when": {"api": "x"}, "reply": reply}), "when.api: unknown variant `x`"),
        (json!({"id": "mine", "reply": reply}), "id: there is a rule called `mine` already"),
        (json!({"id": "queue", "reply": reply}), "id: an id is neither empty nor `queue`"),
        (json!([]), "the body must be an object, not an array"),
    ] {
        refused(app.demo().add_reply_rule(&rule, "").await, start);
        // In a new list the rule would take the place of its namesake.
        if rule["id"] == "mine" {
            continue;
        }
        let list = json!([{"reply": reply}, rule]);
        refused(app.demo().replace_reply_rules(&list).await, "[1]");
    }
    for (query, message) in [
        ("at=2", "at: there are 1 rules"),
        ("at=x", "at must be a whole number"),
        ("before=x", "before: there is no rule called `x`"),
        ("at=0&before=mine", "at and before cannot both be given"),
        ("att=0", "there is no parameter att"),
    ] {
        let query = format!("?{query}");
        refused(app.demo().add_reply_rule(&always("x"), &query).await, message);
    }
    for (list, start) in [
        (json!(["mine", "mine"]), "[1]: there are two rules called `mine`"),
        (json!(["other"]), "[0]: there is no rule called `other`"),
        (json!({}), "the body must be an array, not an object"),
        (json!([1]), "[0] must be a rule or the id of one"),
    ] {
        refused(app.demo().replace_reply_rules(&list).await, start);
    }
    for (replies, start) in [
        (json!([{"text": "x"}, {"text": "{% x %}"}]), "[1].text: syntax error"),
        (json!({"text": "{% x %}"}), "text: syntax error"),
        (json!({"txt": "x"}), "txt is not a known field"),
        (json!([{"txt": "x"}]), "[0].txt is not a known field"),
        (json!("x"), "the body must be a reply or an array of replies"),
    ] {
        refused(app.demo().queue_replies(&replies, "").await, start);
    }
    let answer = app.demo().queue_replies(&json!({"text": "x"}), "?api=both").await;
    refused(answer, "api must be runner or characters");
    assert_eq!(shown_replies(&app).await, before);
    let gone = app.demo().delete_reply_rule("other").await;
    assert_eq!(
        (gone.status.as_u16(), gone.json()),
        (404, json!({"error": "there is no rule `other`"}))
    );
    let nobody = app.control().account("nobody").replies().await;
    assert_eq!(nobody.status, 404);
}

// --- queue ---------------------------------------------------------------------------------------

#[tokio::test]
async fn queued_replies_are_served_before_any_rule_one_a_request() {
    let app = TestApp::start().await;
    add(&app, always("rule")).await;
    queue(&app, "", json!([{"text": "one"}, {"text": "{{ message.text }} two"}])).await;
    queue(&app, "", json!({"text": "three"})).await;
    assert_eq!(
        shown_replies(&app).await["queue"][2],
        json!({"api": null, "reply": {"text": "three"}})
    );
    assert_eq!(run(&app, DEPLOYMENT, "x").await, "one");
    assert_eq!(complete(&app, KEY, "model_abc123", "x").await.good()["content"], "x two");
    assert_eq!(run(&app, ECHO, "x").await, "three");
    assert_eq!(run(&app, ECHO, "x").await, "rule");
    assert_eq!(shown_replies(&app).await["queue"], json!([]));
}

#[tokio::test]
async fn queued_replies_may_be_for_one_api_only() {
    let app = TestApp::start().await;
    queue(&app, "?api=characters", json!({"text": "characters"})).await;
    queue(&app, "", json!({"text": "either"})).await;
    queue(&app, "?api=runner", json!({"text": "runner"})).await;
    assert_eq!(shown_replies(&app).await["queue"][0]["api"], "characters");
    assert_eq!(run(&app, ECHO, "x").await, "either");
    assert_eq!(run(&app, ECHO, "x").await, "runner");
    assert_eq!(run(&app, ECHO, "x").await, "x");
    assert_eq!(complete(&app, KEY, "model_echo", "x").await.good()["content"], "characters");
}

#[tokio::test]
async fn a_queued_reply_can_say_all_that_a_rules_can() {
    let app = TestApp::start().await;
    let replies = json!([
        {"json": {"said": "{{ message.text }}", "n": 1}},
        {"text": "x", "name": "A name", "input_tokens": 7, "output_tokens": 8},
    ]);
    queue(&app, "", replies).await;
    assert_eq!(run(&app, JSON, "Hi").await, json!({"said": "Hi", "n": 1}));
    let first = app.runner().start_conversation(DEPLOYMENT, "Hi").await.good();
    assert_eq!(first["name"], "A name");
    assert_eq!((&first["input_tokens"], &first["output_tokens"]), (&json!(7), &json!(8)));
}

#[tokio::test]
async fn each_reply_is_served_once_however_many_ask_at_once() {
    let app = TestApp::start().await;
    let replies: Vec<Value> = (0..10).map(|nth| json!({"text": format!("queued {nth}")})).collect();
    queue(&app, "", json!(replies)).await;
    add(&app, json!({"reply": [{"text": "thrice"}], "times": 3})).await;
    let asked = (0..20).map(|_| run(&app, ECHO, "x"));
    let answers = futures::future::join_all(asked).await;
    let mut answers: Vec<&str> = answers.iter().map(|answer| answer.as_str().unwrap()).collect();
    answers.sort_unstable();
    let queued = (0..10).map(|nth| format!("queued {nth}"));
    let expected: Vec<String> = queued
        .chain(std::iter::repeat_n("thrice".to_owned(), 3))
        .chain(std::iter::repeat_n("x".to_owned(), 7))
        .collect();
    assert_eq!(answers, expected);
}

#[tokio::test]
async fn what_is_refused_takes_no_reply() {
    let app = TestApp::start().await;
    let broke = app.control().account("demo-broke");
    let once = json!({"reply": [{"text": "once"}], "times": 1});
    broke.add_reply_rule(&once, "").await.created();
    broke.queue_replies(&json!([{"text": "one"}, {"text": "two"}]), "").await.created();
    let look = || broke.replies();
    let before = look().await.good();
    let key = "broke_api_key";
    assert_eq!(complete(&app, key, "model_abc123", "x").await.status, 402);
    assert_eq!(complete(&app, key, "nothing", "x").await.status, 404);
    assert_eq!(look().await.good(), before);
    let balance = json!({"balance": "10"});
    broke.update(&balance).await.good();
    for expected in ["one", "two", "once"] {
        let answer = complete(&app, key, "model_abc123", "x").await.good();
        assert_eq!(answer["content"], expected);
    }
    broke.update(&json!({"balance": "0"})).await.good();
    let shown = look().await.good();
    assert_eq!(shown["rules"][0]["answered"], 1);
    assert_eq!(complete(&app, key, "model_abc123", "x").await.status, 402);
    assert_eq!(look().await.good(), shown);
}

#[tokio::test]
async fn rules_and_queue_can_be_removed_and_go_with_a_reset() {
    let app = TestApp::start().await;
    let fill = async || {
        add(&app, always("rule")).await;
        queue(&app, "", json!({"text": "queued"})).await;
    };
    let nothing = json!({"rules": [], "queue": []});
    fill().await;
    assert_eq!(app.demo().delete_queue().await.status, 204);
    assert_eq!(run(&app, ECHO, "x").await, "rule");
    queue(&app, "", json!({"text": "queued"})).await;
    assert_eq!(app.demo().delete_replies().await.status, 204);
    assert_eq!(shown_replies(&app).await, nothing);
    assert_eq!(run(&app, ECHO, "x").await, "x");
    fill().await;
    app.demo().reset().await.good();
    assert_eq!(shown_replies(&app).await, nothing);
    assert_eq!(run(&app, ECHO, "x").await, "x");
    assert_eq!(add(&app, always("rule")).await, "rule_1", "ids begin anew");
}

// --- fixtures that change ------------------------------------------------------------------------

/// A folder of fixtures with these rules.
fn folder(rules: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("accounts", ACCOUNTS), ("deployments", DEPLOYMENTS), ("replies", rules)] {
        save(&folder, name, text);
    }
    folder
}

fn save(folder: &TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
}

async fn serving(folder: &TempDir) -> TestApp {
    TestApp::with(|config| config.fixtures = Some(folder.path().to_owned())).await
}

fn rule(text: &str) -> String {
    format!("[[rule]]\nreply = [{{ text = '{text}' }}, {{ text = '{text} again' }}]\n")
}

#[tokio::test]
async fn a_saved_change_takes_effect_by_itself() {
    let folder = folder(&rule("old"));
    let app = serving(&folder).await;
    assert_eq!(run(&app, DEPLOYMENT, "x").await, "old");
    let (log, _logging) = Log::capture();
    // In one step, so that the server cannot read half of the change.
    let new = folder.path().join("replies.new");
    std::fs::write(&new, "[[rule]]\nreply = [{ text = 'changed' }]").unwrap();
    std::fs::rename(new, folder.path().join("replies.toml")).unwrap();
    log.wait_for("fixtures: read again from").await;
    assert_eq!(run(&app, DEPLOYMENT, "x").await, "changed");
}

#[tokio::test]
async fn changed_fixtures_change_what_accounts_may_use_and_not_what_they_hold() {
    let folder = folder(&rule("old"));
    let app = serving(&folder).await;
    let conversation = app.runner().start_conversation(DEPLOYMENT, "x").await.conversation_id();
    let run = json!({"reply": [{"text": "run time"}], "when": {"equals": "mine"}});
    add(&app, run).await;
    let accounts = ACCOUNTS.replace("\"YOUR_API_KEY\"", "\"NEW_KEY\"")
        + "\n[[account]]\nid = 'new'\nproject = 'demo'\nplan = 'pro'\nbalance = '1'\nkeys = ['k']\n";
    let accounts = accounts.replace("requests_per_minute = 100", "requests_per_minute = 7");
    let made = app.control().create_account(&json!({})).await.json();
    let (made, made_key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    save(&folder, "accounts", &accounts);
    save(&folder, "replies", &rule("new"));
    let more = "\n[[deployment]]\nid = 'MORE'\naccount = 'new'\nmodel = 'm'\nbackend = 'echo'\n";
    save(&folder, "deployments", &format!("{DEPLOYMENTS}{more}"));
    assert!(app.reload(folder.path()).await);
    let made = app.control().account(made).show().await;
    assert_eq!(made.good()["requests_per_minute"], 7);
    let unknown = app.runner_as(KEY).run(DEPLOYMENT, "x").await;
    unknown.runner_error(401, "auth_error", "invalid_api_key");
    for (key, deployment, text, expected) in [
        ("NEW_KEY", DEPLOYMENT, "x", "new"),
        ("NEW_KEY", DEPLOYMENT, "mine", "run time"),
        ("k", "MORE", "x", "x"),
        ("k", DEPLOYMENT, "x", "new"),
        (made_key, DEPLOYMENT, "x", "new"),
    ] {
        assert_eq!(app.runner_as(key).run(deployment, text).await.good()["content"], expected);
    }
    let messages = app.runner_as("NEW_KEY").list_messages(&conversation, "").await.good();
    assert_eq!(messages["total"], 2, "earlier messages are kept");
    let shown = app.demo().show().await.good();
    assert_eq!(shown["requests_per_minute"], 7);
}

#[tokio::test]
async fn rules_that_stay_the_same_keep_their_turn_and_changed_ones_begin_anew() {
    let folder = folder(&rule("one"));
    let app = serving(&folder).await;
    assert_eq!(run(&app, DEPLOYMENT, "x").await, "one");
    save(&folder, "accounts", &format!("{ACCOUNTS}\n"));
    assert!(app.reload(folder.path()).await);
    assert_eq!(run(&app, DEPLOYMENT, "x").await, "one again");
    // An editor's own files are none of ours.
    save(&folder, ".#replies", "[[broken");
    save(&folder, "replies", &rule("two"));
    assert!(app.reload(folder.path()).await);
    assert_eq!(run(&app, DEPLOYMENT, "x").await, "two");
}

#[tokio::test]
async fn an_unloaded_account_is_closed_and_reopens_with_its_data() {
    let folder = folder(&rule("x"));
    let app = serving(&folder).await;
    let account =
        "\n[[account]]\nid = 'new'\nproject = 'demo'\nplan = 'pro'\nbalance = '1'\nkeys = ['k']\n";
    save(&folder, "accounts", &format!("{ACCOUNTS}{account}"));
    assert!(app.reload(folder.path()).await);
    let start = || app.runner_as("k").start_conversation(DEPLOYMENT, "x");
    let first = start().await.good();
    save(&folder, "accounts", ACCOUNTS);
    assert!(app.reload(folder.path()).await);
    start().await.runner_error(401, "auth_error", "invalid_api_key");
    save(&folder, "accounts", &format!("{ACCOUNTS}{account}"));
    assert!(app.reload(folder.path()).await);
    assert_ne!(start().await.good()["conversation_id"], first["conversation_id"]);
    let list = app.runner_as("k").list_conversations("").await.good();
    assert_eq!(list["total"], 2);
}

#[tokio::test]
async fn every_error_in_changed_files_is_reported_and_the_last_valid_fixtures_stay() {
    let folder = folder(&rule("good"));
    let app = serving(&folder).await;
    let (log, logging) = Log::capture();
    save(
        &folder,
        "replies",
        "[[rule]]\nwhen = { regex = '(' }\nreply = [{ txt = 'x' }]\n[[rul]]\n",
    );
    save(&folder, "deployments", &DEPLOYMENTS.replace("account = \"demo\"", "account = \"x\""));
    assert!(!app.reload(folder.path()).await);
    drop(logging);
    let said = log.text();
    for fault in [
        "replies.toml:3:12: rule[0].reply[0]: unknown field `txt`",
        "replies.toml:4",
        "last good ones stay",
    ] {
        assert!(said.contains(fault), "{said}");
    }
    assert_eq!(run(&app, DEPLOYMENT, "x").await, "good");
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert!(!app.reload(folder.path()).await);
    assert_eq!(run(&app, DEPLOYMENT, "x").await, "good again");
}

#[tokio::test]
async fn an_accounts_rules_and_its_queue_are_bounded() {
    let app = TestApp::start().await;
    let replies = |count: usize, text: &str| Value::from(vec![json!({"text": text}); count]);
    queue(&app, "", replies(10_000, "x")).await;
    let refused = app.demo().queue_replies(&json!({"text": "one more"}), "").await;
    let message = "an account has at most 10000 queued replies";
    assert_eq!((refused.status.as_u16(), refused.json()["error"].clone()), (400, json!(message)));
    app.runner().run(DEPLOYMENT, "Hi").await.good();
    queue(&app, "", json!({"text": "there is room again"})).await;
    assert_eq!(app.demo().delete_queue().await.status, 204);

    let nine_mib = json!({"text": "x".repeat(9 * 1024 * 1024)});
    queue(&app, "", nine_mib.clone()).await;
    let refused = app.demo().queue_replies(&nine_mib, "").await;
    let message = "an account has at most 16 MiB of queued replies";
    assert_eq!((refused.status.as_u16(), refused.json()["error"].clone()), (400, json!(message)));
    let rule = json!({"reply": [nine_mib]});
    add(&app, rule.clone()).await;
    let refused = app.demo().add_reply_rule(&rule, "").await;
    let message = "an account has at most 16 MiB of rules";
    assert_eq!((refused.status.as_u16(), refused.json()["error"].clone()), (400, json!(message)));
    assert_eq!(app.demo().delete_replies().await.status, 204);
    add(&app, rule).await;
}
