//! The control plane: accounts made, changed, reset and removed; clocks; who may.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::control::NewAccount;
use crate::support::timeout::within;
use crate::support::{DEPLOYMENT, ECHO, KEY, TestApp, TestResponse};

/// Creates an account; returns its id and its key.
async fn create_account(app: &TestApp, body: Value) -> (String, String) {
    let account = NewAccount::of(&app.control().create_account(&body).await);
    (account.id, account.key)
}

async fn models(app: &TestApp, key: &str) -> TestResponse {
    app.characters_as(key).list_models("llm").await
}

async fn start_conversation(app: &TestApp, key: &str) -> Value {
    app.runner_as(key).start_conversation(DEPLOYMENT, "Hi").await.good()
}

async fn conversations(app: &TestApp, key: &str) -> Value {
    app.runner_as(key).list_conversations("").await.good()
}

#[tokio::test]
async fn the_key_selects_the_account_and_accounts_share_nothing() {
    let app = TestApp::start().await;
    let (_, one) = create_account(&app, json!({})).await;
    let (_, two) = create_account(&app, json!({})).await;
    assert_eq!(conversations(&app, &one).await["total"], 1, "a copy of the fixtures");
    let started = start_conversation(&app, &one).await;
    assert_eq!(conversations(&app, &one).await["total"], 2);
    assert_eq!(conversations(&app, &two).await["total"], 1);
    let id = started["conversation_id"].as_str().unwrap();
    let other = app.runner_as(&two).list_messages(id, "").await;
    other.runner_error(404, "invalid_request_error", "conversation_not_found");
}

#[tokio::test]
async fn an_account_is_made_as_it_is_asked_for() {
    let app = TestApp::start().await;
    let asked = json!({"from": "demo-free", "plan": "pro", "balance": "12.5",
                       "clock": "2030-01-01T00:00:00Z"});
    let (id, _) = create_account(&app, asked).await;
    let shown = app.control().account(&id).show().await.good();
    assert_eq!(
        shown,
        json!({"id": id, "project": "demo", "from": "demo-free", "plan": "pro",
               "requests_per_minute": 100, "runner_requests_per_minute": null,
               "balance": "12.5", "clock": {"now": "2030-01-01T00:00:00Z", "frozen": true}})
    );
}

#[tokio::test]
async fn accounts_with_one_seed_and_clock_give_the_same_bytes() {
    let app = TestApp::start().await;
    let asked = json!({"seed": 7, "clock": "2030-01-01T00:00:00Z"});
    let (_, one) = create_account(&app, asked.clone()).await;
    let (_, two) = create_account(&app, asked).await;
    assert_eq!(start_conversation(&app, &one).await, start_conversation(&app, &two).await);
}

#[tokio::test]
async fn what_is_wrong_with_a_new_account_is_named_and_nothing_is_made() {
    let app = TestApp::start().await;
    for (body, message) in [
        (json!({"from": "nobody"}), "there is no account `nobody`"),
        (json!({"plan": "gold"}), "plan must be one of the plans, and there is no `gold`"),
        (
            json!({"balance": "-1"}),
            "balance must be credits as decimal text, at most six places: \"12.5\"",
        ),
        (json!({"clock": "noon"}), "clock must be a time like 2026-03-24T09:00:00Z"),
        (json!({"ttl": 0}), "ttl must be a whole number of 1 or more"),
    ] {
        let refused = app.control().create_account(&body).await;
        assert!(refused.status.is_client_error(), "{body}");
        assert_eq!(refused.json(), json!({"error": message}));
    }
    let all = app.control().list_accounts().await.good();
    assert_eq!(all.as_array().unwrap().len(), 4);
}

/// One clock for all of it: exhaust the limit, advance 60 s, and the next request is answered,
/// with headers that agree with each other.
#[tokio::test]
async fn the_accounts_clock_drives_its_limit() {
    let app = TestApp::start().await;
    let (id, key) =
        create_account(&app, json!({"plan": "free", "clock": "2030-01-01T00:00:10Z"})).await;
    for left in (0..5).rev() {
        let answer = models(&app, &key).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left.to_string().as_str()));
    }
    let refused = models(&app, &key).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("50"));
    assert_eq!(refused.header("x-ratelimit-reset"), Some("1893456060"));
    assert_eq!(refused.header("date"), Some("Tue, 01 Jan 2030 00:00:10 GMT"));
    let clock = app.control().account(&id).advance_clock(&json!({"seconds": 60})).await.good();
    assert_eq!(clock, json!({"now": "2030-01-01T00:01:10Z", "frozen": true}));
    let answer = models(&app, &key).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("4"));
    assert_eq!(answer.header("x-ratelimit-reset"), Some("1893456120"));
    assert_eq!(answer.header("date"), Some("Tue, 01 Jan 2030 00:01:10 GMT"));
}

#[tokio::test]
async fn a_clock_set_back_inside_the_same_minute_starts_a_fresh_window() {
    let app = TestApp::start().await;
    let (id, key) =
        create_account(&app, json!({"plan": "free", "clock": "2030-01-01T00:00:30Z"})).await;
    for now in ["2030-01-01T00:00:30Z", "2030-01-01T00:00:29Z", "2030-01-01T00:00:00Z"] {
        app.control().account(&id).set_clock(&json!({ "now": now })).await.good();
        for _ in 0..5 {
            assert_eq!(models(&app, &key).await.status, 200, "{now}");
        }
        assert_eq!(models(&app, &key).await.status, 429, "{now}");
    }
    // Set to where it is, frozen, or set forward inside the minute: the window goes on.
    for change in [
        json!({"now": "2030-01-01T00:00:00Z"}),
        json!({"frozen": true}),
        json!({"now": "2030-01-01T00:00:59Z", "frozen": true}),
    ] {
        app.control().account(&id).set_clock(&change).await.good();
        assert_eq!(models(&app, &key).await.status, 429, "{change}");
    }
}

#[tokio::test]
async fn a_clock_is_advanced_by_fractions_of_a_second() {
    let app = TestApp::start().await;
    let (id, _) = create_account(&app, json!({"clock": "2030-01-01T00:00:00Z"})).await;
    for (step, now) in [
        (json!({"seconds": 0.25}), "2030-01-01T00:00:00Z"),
        (json!({"milliseconds": 749}), "2030-01-01T00:00:00Z"),
        (json!({"milliseconds": 1}), "2030-01-01T00:00:01Z"),
        (json!({"seconds": 1.5, "milliseconds": 500}), "2030-01-01T00:00:03Z"),
        (json!({"seconds": 0.0006, "milliseconds": 999.0}), "2030-01-01T00:00:04Z"),
        (json!({"seconds": 0}), "2030-01-01T00:00:04Z"),
        (json!({"seconds": 60, "milliseconds": 0}), "2030-01-01T00:01:04Z"),
    ] {
        let clock = app.control().account(&id).advance_clock(&step).await.good();
        assert_eq!(clock["now"], now, "{step}");
    }
}

#[tokio::test]
async fn what_a_clock_cannot_be_advanced_by_is_refused_by_name() {
    let app = TestApp::start().await;
    let (id, _) = create_account(&app, json!({"clock": "2030-01-01T00:00:00Z"})).await;
    for (step, field) in [
        (json!({}), "seconds"),
        (json!({"seconds": -1}), "seconds"),
        (json!({"seconds": -0.001}), "seconds"),
        (json!({"seconds": 1e300}), "seconds"),
        (json!({"seconds": 31_622_400_001_u64}), "seconds"),
        (json!({"seconds": "60"}), "seconds"),
        (json!({"milliseconds": 0.5}), "milliseconds"),
        (json!({"milliseconds": -1}), "milliseconds"),
        (json!({"seconds": 1, "milliseconds": 31_622_400_000_001_u64}), "milliseconds"),
        (json!({"milliseconds": [1]}), "milliseconds"),
    ] {
        let refused = app.control().account(&id).advance_clock(&step).await;
        assert_eq!(refused.status, 400, "{step}");
        let message = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(message.starts_with(field), "{step}: {message}");
    }
    for step in ["{\"seconds\": NaN}", "{\"seconds\": 1e999}", "{\"seconds\": Infinity}"] {
        let request = app.control().account(&id).request(Method::POST, "/clock/advance");
        assert_eq!(request.body(step).await.status, 400, "{step}");
    }
    let clock = app.control().account(&id).clock().await.good();
    assert_eq!(clock["now"], "2030-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_clock_can_be_set_frozen_and_let_run() {
    let app = TestApp::start().await;
    let (id, key) = create_account(&app, json!({"plan": "free"})).await;
    let set = json!({"now": "2031-05-05T05:05:05Z", "frozen": true});
    let clock = app.control().account(&id).set_clock(&set).await.good();
    assert_eq!(clock, set);
    assert_eq!(start_conversation(&app, &key).await["created_at"], "2031-05-05T05:05:05Z");
    let run = app.control().account(&id).set_clock(&json!({"frozen": false})).await.good();
    assert_eq!(run["frozen"], false);
    assert!(run["now"].as_str().unwrap().starts_with("2031-05-05T05:05:"), "{run}");
    let shown = app.control().account(&id).clock().await.good();
    assert_eq!(shown["frozen"], false);
}

#[tokio::test]
async fn a_clock_set_back_starts_a_fresh_window() {
    let app = TestApp::start().await;
    let (id, key) =
        create_account(&app, json!({"plan": "free", "clock": "2030-01-01T00:00:00Z"})).await;
    for _ in 0..5 {
        models(&app, &key).await.good();
    }
    assert_eq!(models(&app, &key).await.status, 429);
    app.control().account(&id).set_clock(&json!({"now": "2029-01-01T00:00:00Z"})).await.good();
    assert_eq!(models(&app, &key).await.header("x-ratelimit-remaining"), Some("4"));
}

#[tokio::test]
async fn a_change_of_plan_limit_or_balance_holds_at_once() {
    let app = TestApp::start().await;
    let (id, key) = create_account(&app, json!({})).await;
    let changed = json!({"requests_per_minute": 2, "balance": "0"});
    let shown = app.control().account(&id).update(&changed).await.good();
    assert_eq!((&shown["requests_per_minute"], &shown["balance"]), (&json!(2), &json!("0")));
    assert_eq!(models(&app, &key).await.header("x-ratelimit-limit"), Some("2"));
    let image = json!({"prompt": "A cat", "sd_model_id": "sd_model_456abc"});
    assert_eq!(app.characters_as(&key).create_image(&image).await.status, 402);
    let usual = json!({"requests_per_minute": null, "plan": "free"});
    let shown = app.control().account(&id).update(&usual).await.good();
    assert_eq!((&shown["plan"], &shown["requests_per_minute"]), (&json!("free"), &json!(5)));
}

#[tokio::test]
async fn a_reset_goes_back_to_the_beginning_and_touches_no_other_account() {
    let app = TestApp::start().await;
    let (id, key) =
        create_account(&app, json!({"balance": "1", "clock": "2030-01-01T00:00:00Z"})).await;
    let (_, other) = create_account(&app, json!({})).await;
    let first = start_conversation(&app, &key).await;
    start_conversation(&app, &other).await;
    app.control().account(&id).advance_clock(&json!({"seconds": 5})).await.good();
    let shown = app.control().account(&id).reset().await.good();
    assert_eq!(shown["balance"], "1");
    assert_eq!(conversations(&app, &key).await["total"], 1);
    assert_eq!(conversations(&app, &other).await["total"], 2);
    // Two requests were counted since the reset: listing above and this one.
    let again = start_conversation(&app, &key).await;
    assert_eq!(again["conversation_id"], first["conversation_id"]);
}

#[tokio::test]
async fn a_removed_accounts_key_is_unknown() {
    let app = TestApp::start().await;
    let (id, key) = create_account(&app, json!({})).await;
    assert_eq!(app.control().account(&id).delete().await.status, 204);
    assert_eq!(models(&app, &key).await.status, 401);
    assert_eq!(app.control().account(&id).show().await.status, 404);
    assert_eq!(app.control().account(&id).delete().await.status, 404);
    let fixture = app.demo().delete().await;
    assert_eq!(fixture.status, 409);
    app.runner_as(KEY).list_conversations("").await.good();
}

#[tokio::test]
async fn no_web_page_reaches_the_control_plane() {
    let app = TestApp::start().await;
    let rebound = app.control().list_accounts().header("host", "evil.example").await;
    assert_eq!(rebound.status, 403);
    let simple = app.demo().request(Method::POST, "/reset").untyped_body("{}");
    assert_eq!(simple.await.status, 415);
    let preflight = app.request(Method::OPTIONS, "/_mynah/accounts");
    let preflight = preflight.header("origin", "https://evil.example");
    let preflight = preflight.header("access-control-request-method", "POST").await;
    assert_eq!(preflight.header("access-control-allow-origin"), None);
    assert!(!preflight.status.is_success());
}

#[tokio::test]
async fn a_token_or_admin_open_admits_clients_from_other_machines() {
    use mynah::http::apis::control::ControlAccess;
    let closed = TestApp::with(|config| config.control = ControlAccess::Nobody).await;
    assert_eq!(closed.control().list_accounts().await.status, 403);
    let open = TestApp::with(|config| config.control = ControlAccess::Anyone).await;
    let from_elsewhere = open.control().list_accounts().header("host", "ci.example");
    assert_eq!(from_elsewhere.await.status, 200);
    let token =
        TestApp::with(|config| config.control = ControlAccess::Token("secret".into())).await;
    for (sent, status) in [(None, 401), (Some("Bearer wrong!"), 401), (Some("bearer secret"), 200)]
    {
        let mut request = token.control().list_accounts();
        if let Some(sent) = sent {
            request = request.header("authorization", sent);
        }
        assert_eq!(request.await.status, status, "{sent:?}");
    }
}

#[tokio::test]
async fn accounts_made_at_run_time_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("mynah.db").display());
    let app = TestApp::with(|config| config.database.clone_from(&database)).await;
    let (id, key) = create_account(&app, json!({"balance": "7"})).await;
    start_conversation(&app, &key).await;
    app.control().account(&id).update(&json!({"plan": "free"})).await.good();
    app.stop().await;
    let app = TestApp::with(|config| config.database = database).await;
    assert_eq!(conversations(&app, &key).await["total"], 2);
    let shown = app.control().account(&id).show().await.good();
    assert_eq!((&shown["plan"], &shown["balance"]), (&json!("free"), &json!("7")));
}

async fn snapshot(app: &TestApp, id: &str) -> Value {
    app.control().account(id).snapshot().await.good()
}

/// What the two APIs show of an account.
async fn shown(app: &TestApp, key: &str) -> Vec<Value> {
    let mut shown = vec![conversations(app, key).await];
    for path in ["/conversations", "/conversations/conv_123abc/messages", "/agents", "/images"] {
        shown.push(app.characters_as(key).get(path).await.good());
    }
    shown
}

async fn use_both_apis(app: &TestApp, key: &str) {
    start_conversation(app, key).await;
    let image = json!({"prompt": "A cat", "sd_model_id": "sd_model_456abc",
                       "conversation_id": "conv_123abc"});
    let agent = json!({"name": "Ann", "sd_model_id": "sd_model_456abc", "age": 40});
    let message = json!({"content": "Tell me about neural networks."});
    for (path, body) in
        [("/images", image), ("/agents", agent), ("/conversations/conv_123abc/messages", message)]
    {
        app.characters_as(key).post(path, &body).await.created();
    }
}

#[tokio::test]
async fn a_snapshot_puts_everything_back() {
    let app = TestApp::start().await;
    let (id, key) =
        create_account(&app, json!({"clock": "2030-01-01T00:00:00Z", "balance": "50"})).await;
    use_both_apis(&app, &key).await;
    let (before, taken) = (shown(&app, &key).await, snapshot(&app, &id).await);
    let next = start_conversation(&app, &key).await;
    use_both_apis(&app, &key).await;
    assert_ne!(shown(&app, &key).await, before);
    app.control().account(&id).restore(&taken).await.good();
    assert_eq!(shown(&app, &key).await, before);
    // What is made next is what was made next then.
    assert_eq!(start_conversation(&app, &key).await["conversation_id"], next["conversation_id"]);
    app.control().account(&id).restore(&taken).await.good();
    let mut again = snapshot(&app, &id).await;
    again["made"]["request"] = taken["made"]["request"].clone();
    assert_eq!(again, taken);
}

#[tokio::test]
async fn a_fork_is_a_copy_that_goes_its_own_way() {
    let app = TestApp::start().await;
    let (id, key) = create_account(&app, json!({"balance": "50"})).await;
    use_both_apis(&app, &key).await;
    let forked = app.control().account(&id).fork(&json!({})).await;
    assert_eq!(forked.status, 201, "{}", forked.body);
    let copy = forked.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(shown(&app, &copy).await, shown(&app, &key).await);
    start_conversation(&app, &copy).await;
    assert_ne!(conversations(&app, &copy).await, conversations(&app, &key).await);
}

#[tokio::test]
async fn a_snapshot_that_makes_no_sense_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let (id, key) = create_account(&app, json!({})).await;
    let (before, good) = (shown(&app, &key).await, snapshot(&app, &id).await);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut snapshot = good.clone();
        change(&mut snapshot);
        snapshot
    };
    for (snapshot, message) in [
        (
            changed(&|it| it["version"] = json!(9)),
            "version must be 2 or 1: this is another Mynah's snapshot",
        ),
        (
            changed(&|it| it["requests_per_minute"] = json!(0)),
            "requests_per_minute must be a whole number of 1 or more",
        ),
        (
            changed(&|it| it["made"]["conversation"] = json!(1)),
            "conversations[1].ordinal must be from 1 to the 1 that were made",
        ),
        (
            changed(&|it| it["made"]["message"] = json!(u64::MAX)),
            "made.message must be a whole number from 0 to 4611686018427387904",
        ),
        (
            changed(&|it| it["conversations"][0]["created_at"] = json!("noon")),
            "conversations[0].created_at must be a time like 2026-03-24T09:00:00Z",
        ),
        (
            changed(&|it| it["images"][1]["id"] = it["images"][0]["id"].clone()),
            "images[1] has the ordinal or the id of an earlier one",
        ),
        (
            changed(&|it| it["plan"] = json!("gold")),
            "plan must be one of the plans, and there is no `gold`",
        ),
    ] {
        let refused = app.control().account(&id).restore(&snapshot).await;
        assert_eq!((refused.status.as_u16(), refused.json()), (400, json!({"error": message})));
    }
    assert_eq!(shown(&app, &key).await, before);
}

/// Accounts come and go: the pages they took are used again.
#[tokio::test]
async fn a_thousand_accounts_leave_the_database_as_small_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mynah.db");
    let database = format!("sqlite://{}", file.display());
    let app = TestApp::with(|config| config.database = database).await;
    let size = || {
        let wal = folder.path().join("mynah.db-wal");
        std::fs::metadata(&file).unwrap().len() + std::fs::metadata(wal).map_or(0, |it| it.len())
    };
    let mut sizes = Vec::new();
    for _ in 0..4 {
        for _ in 0..250 {
            let (id, key) = create_account(&app, json!({})).await;
            start_conversation(&app, &key).await;
            assert_eq!(app.control().account(&id).delete().await.status, 204);
        }
        sizes.push(size());
    }
    let all = app.control().list_accounts().await.good();
    assert_eq!(all.as_array().unwrap().len(), 4);
    println!("database and log after 250, 500, 750 and 1,000 accounts: {sizes:?} bytes");
    let (first, last) = (sizes[0], sizes[3]);
    assert!(last <= first + first / 4, "{sizes:?}");
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_status_streams_and_writes() {
    let app = TestApp::with(|config| config.pace = std::time::Duration::from_hours(1)).await;
    app.runner().run(ECHO, "Hi").await.good();
    app.get("/v1/runner/nothing/there").await;
    app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    let _stream = app.runner().open_stream(ECHO, "two words").await;
    let metrics = app.control().metrics().await;
    let text = &metrics.body;
    let run = "mynah_requests_total{method=\"POST\",route=\"/v1/runner/{deployment_id}\",status=\"200\"} 1";
    for line in
        [run, "mynah_streams_open 1", "mynah_write_transactions_total", "mynah_journal_drops 0"]
    {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.contains(
        "mynah_request_seconds_bucket{le=\"0.001\",route=\"/v1/runner/{deployment_id}\",\
         status=\"2xx\"}"
    ));
    app.runner().run(ECHO, "").await.runner_error(400, "invalid_request_error", "invalid_value");
    let text = app.control().metrics().await.body;
    for class in ["2xx", "4xx"] {
        let count = format!(
            "mynah_request_seconds_count{{route=\"/v1/runner/{{deployment_id}}\",\
             status=\"{class}\"}} 1"
        );
        assert!(text.contains(&count), "{count}\n{text}");
    }
    assert!(text.contains("status=\"404\"}"), "{text}");
    assert!(text.ends_with("# EOF\n"));
    let elsewhere = app.control().metrics().header("host", "evil.example");
    assert_eq!(elsewhere.await.status, 403);
}

#[tokio::test]
async fn no_account_ever_gets_the_key_of_a_removed_one() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("mynah.db").display());
    let app = TestApp::with(|config| config.database.clone_from(&database)).await;
    let (id, removed) = create_account(&app, json!({})).await;
    app.control().account(&id).delete().await;
    let (_, kept) = create_account(&app, json!({})).await;
    app.stop().await;
    let app = TestApp::with(|config| config.database = database).await;
    let (_, new) = create_account(&app, json!({})).await;
    assert_eq!(models(&app, &removed).await.status, 401);
    for key in [kept, new] {
        models(&app, &key).await.good();
    }
}

#[tokio::test]
async fn a_reset_gives_back_the_first_plan_and_clock() {
    let app = TestApp::start().await;
    let (id, _) =
        create_account(&app, json!({"plan": "free", "clock": "2030-01-01T00:00:00Z"})).await;
    let first = app.control().account(&id).show().await.good();
    let changes = json!({"plan": "pro", "requests_per_minute": 7, "balance": "1"});
    app.control().account(&id).update(&changes).await.good();
    app.control().account(&id).set_clock(&json!({"frozen": false})).await.good();
    let reset = app.control().account(&id).reset().await.good();
    assert_eq!(reset, first);
}

#[tokio::test]
async fn a_fork_is_changed_as_it_is_asked_for() {
    let app = TestApp::start().await;
    let body = json!({"plan": "free", "balance": "3", "clock": "2030-01-01T00:00:00Z"});
    let fork = app.demo().fork(&body).await;
    assert_eq!(fork.status, 201, "{}", fork.body);
    let fork = fork.json();
    assert_eq!((&fork["plan"], &fork["balance"]), (&json!("free"), &json!("3")));
    assert_eq!(fork["clock"], json!({"now": "2030-01-01T00:00:00Z", "frozen": true}));
}

#[tokio::test]
async fn a_clock_stops_at_the_end_of_the_last_four_digit_year() {
    let app = TestApp::start().await;
    let (id, key) = create_account(&app, json!({})).await;
    for _ in 0..12 {
        let step = json!({"seconds": 31_622_400_000_u64});
        app.control().account(&id).advance_clock(&step).await.good();
    }
    assert_eq!(start_conversation(&app, &key).await["created_at"], "9999-12-31T23:59:59Z");
}

#[tokio::test]
async fn an_unused_account_is_removed_after_its_ttl() {
    let app = TestApp::start().await;
    let (id, _) = create_account(&app, json!({"ttl": 1})).await;
    let (lasting, _) = create_account(&app, json!({"ttl": 600})).await;
    // Requests to the control plane do not prolong the time to live. The waits are for the other account:
    // an account that a request waits for is in use, and is not removed.
    let removed = async {
        while app.control().account(&id).show().await.status == 200 {
            app.control().account(&lasting).wait_for_requests("?timeout=200ms").await;
        }
    };
    within("the end of the account", removed).await;
    assert_eq!(app.control().account(&id).show().await.status, 404);
    app.control().account(&lasting).show().await.good();
}

#[tokio::test]
async fn clocks_that_were_set_or_advanced_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("mynah.db").display());
    let start = async || {
        TestApp::with(|config| {
            config.database.clone_from(&database);
            config.clock = None;
        })
        .await
    };
    let app = start().await;
    let (advanced, _) = create_account(&app, json!({"clock": "2031-01-01T00:00:00Z"})).await;
    let (set, _) = create_account(&app, json!({})).await;
    let (ahead, _) = create_account(&app, json!({})).await;
    let (untouched, _) = create_account(&app, json!({})).await;
    let account = |id| app.control().account(id);
    let step = json!({"seconds": 86_400.25});
    account(&advanced).advance_clock(&step).await.good();
    let body = json!({"now": "2032-01-01T00:00:00Z", "frozen": true});
    account(&set).set_clock(&body).await.good();
    let body = json!({"now": "2033-01-01T00:00:00Z"});
    account(&ahead).set_clock(&body).await.good();
    let exact = app.clock(&advanced).now();
    app.stop().await;
    let app = start().await;
    assert_eq!(app.clock(&advanced).now(), exact);
    let shown = app.control().account(&set).clock().await.good();
    assert_eq!(shown, json!({"now": "2032-01-01T00:00:00Z", "frozen": true}));
    let shown = app.control().account(&ahead).clock().await.good();
    assert_eq!((&shown["frozen"], &shown["now"].as_str().unwrap()[..4]), (&json!(false), "2033"));
    assert_eq!(app.clock(&untouched).now_if_not_the_systems(), None);
    let reset = app.control().account(&advanced).reset().await.good();
    assert_eq!(reset["clock"], json!({"now": "2031-01-01T00:00:00Z", "frozen": true}));
    app.stop().await;
    let app = start().await;
    let shown = app.control().account(&advanced).clock().await.good();
    assert_eq!(shown, reset["clock"], "a reset undoes what was stored, too");
}
