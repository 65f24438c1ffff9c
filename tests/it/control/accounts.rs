//! The control plane: accounts made, changed, reset and removed; clocks; who may.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, KEY, TestApp, said};

const ACCOUNTS: &str = "/_mynah/accounts";

async fn control(app: &TestApp, method: Method, path: &str, body: &Value) -> Answer {
    app.request(method, path).json(body).send().await
}

/// A new account: its id and its key.
async fn account(app: &TestApp, body: Value) -> (String, String) {
    let made = control(app, Method::POST, ACCOUNTS, &body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let text = |field: &str| made.json()[field].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn models(app: &TestApp, key: &str) -> Answer {
    let path = "/api/v1/models?type=llm";
    app.request(Method::GET, path).header("authorization", format!("Bearer {key}")).send().await
}

async fn say(app: &TestApp, key: &str) -> Value {
    let path = "/v1/runner/YOUR_DEPLOYMENT_ID/conversation";
    app.request(Method::POST, path).key(key).json(&said("Hi")).send().await.good()
}

async fn conversations(app: &TestApp, key: &str) -> Value {
    app.request(Method::GET, "/v1/runner/conversations").key(key).send().await.good()
}

#[tokio::test]
async fn an_account_is_a_world_of_its_own_chosen_by_its_key() {
    let app = TestApp::start().await;
    let (_, one) = account(&app, json!({})).await;
    let (_, two) = account(&app, json!({})).await;
    assert_eq!(conversations(&app, &one).await["total"], 1, "a copy of the fixtures");
    let said = say(&app, &one).await;
    assert_eq!(conversations(&app, &one).await["total"], 2);
    assert_eq!(conversations(&app, &two).await["total"], 1);
    let path =
        format!("/v1/runner/conversation/{}/messages", said["conversation_id"].as_str().unwrap());
    let other = app.request(Method::GET, &path).key(&two).send().await;
    other.refused(404, "invalid_request_error", "conversation_not_found");
}

#[tokio::test]
async fn an_account_is_made_as_it_is_asked_for() {
    let app = TestApp::start().await;
    let asked = json!({"from": "demo-free", "plan": "pro", "balance": "12.5",
                       "clock": "2030-01-01T00:00:00Z"});
    let (id, _) = account(&app, asked).await;
    let shown = app.request(Method::GET, &format!("{ACCOUNTS}/{id}")).send().await.good();
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
    let (_, one) = account(&app, asked.clone()).await;
    let (_, two) = account(&app, asked).await;
    assert_eq!(say(&app, &one).await, say(&app, &two).await);
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
        let refused = control(&app, Method::POST, ACCOUNTS, &body).await;
        assert!(refused.status.is_client_error(), "{body}");
        assert_eq!(refused.json(), json!({"error": message}));
    }
    let all = app.request(Method::GET, ACCOUNTS).send().await.good();
    assert_eq!(all.as_array().unwrap().len(), 4);
}

/// One clock for all of it: exhaust the limit, advance 60 s, and the next request is answered,
/// with headers that agree with each other.
#[tokio::test]
async fn the_accounts_clock_drives_its_limit() {
    let app = TestApp::start().await;
    let (id, key) = account(&app, json!({"plan": "free", "clock": "2030-01-01T00:00:10Z"})).await;
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
    let path = format!("{ACCOUNTS}/{id}/clock/advance");
    let clock = control(&app, Method::POST, &path, &json!({"seconds": 60})).await.good();
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
    let (id, key) = account(&app, json!({"plan": "free", "clock": "2030-01-01T00:00:30Z"})).await;
    let path = format!("{ACCOUNTS}/{id}/clock");
    for now in ["2030-01-01T00:00:30Z", "2030-01-01T00:00:29Z", "2030-01-01T00:00:00Z"] {
        control(&app, Method::PUT, &path, &json!({ "now": now })).await.good();
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
        control(&app, Method::PUT, &path, &change).await.good();
        assert_eq!(models(&app, &key).await.status, 429, "{change}");
    }
}

#[tokio::test]
async fn a_clock_is_advanced_by_fractions_of_a_second() {
    let app = TestApp::start().await;
    let (id, _) = account(&app, json!({"clock": "2030-01-01T00:00:00Z"})).await;
    let path = format!("{ACCOUNTS}/{id}/clock/advance");
    for (step, now) in [
        (json!({"seconds": 0.25}), "2030-01-01T00:00:00Z"),
        (json!({"milliseconds": 749}), "2030-01-01T00:00:00Z"),
        (json!({"milliseconds": 1}), "2030-01-01T00:00:01Z"),
        (json!({"seconds": 1.5, "milliseconds": 500}), "2030-01-01T00:00:03Z"),
        (json!({"seconds": 0.0006, "milliseconds": 999.0}), "2030-01-01T00:00:04Z"),
        (json!({"seconds": 0}), "2030-01-01T00:00:04Z"),
        (json!({"seconds": 60, "milliseconds": 0}), "2030-01-01T00:01:04Z"),
    ] {
        let clock = control(&app, Method::POST, &path, &step).await.good();
        assert_eq!(clock["now"], now, "{step}");
    }
}

#[tokio::test]
async fn what_a_clock_cannot_be_advanced_by_is_refused_by_name() {
    let app = TestApp::start().await;
    let (id, _) = account(&app, json!({"clock": "2030-01-01T00:00:00Z"})).await;
    let path = format!("{ACCOUNTS}/{id}/clock/advance");
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
        let refused = control(&app, Method::POST, &path, &step).await;
        assert_eq!(refused.status, 400, "{step}");
        let message = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(message.starts_with(field), "{step}: {message}");
    }
    for step in ["{\"seconds\": NaN}", "{\"seconds\": 1e999}", "{\"seconds\": Infinity}"] {
        assert_eq!(app.request(Method::POST, &path).body(step).send().await.status, 400, "{step}");
    }
    let clock = app.request(Method::GET, &format!("{ACCOUNTS}/{id}/clock")).send().await.good();
    assert_eq!(clock["now"], "2030-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_clock_can_be_set_frozen_and_let_run() {
    let app = TestApp::start().await;
    let (id, key) = account(&app, json!({"plan": "free"})).await;
    let path = format!("{ACCOUNTS}/{id}/clock");
    let set = json!({"now": "2031-05-05T05:05:05Z", "frozen": true});
    let clock = control(&app, Method::PUT, &path, &set).await.good();
    assert_eq!(clock, set);
    assert_eq!(say(&app, &key).await["created_at"], "2031-05-05T05:05:05Z");
    let run = control(&app, Method::PUT, &path, &json!({"frozen": false})).await.good();
    assert_eq!(run["frozen"], false);
    assert!(run["now"].as_str().unwrap().starts_with("2031-05-05T05:05:"), "{run}");
    let shown = app.request(Method::GET, &path).send().await.good();
    assert_eq!(shown["frozen"], false);
}

#[tokio::test]
async fn a_clock_set_back_starts_a_fresh_window() {
    let app = TestApp::start().await;
    let (id, key) = account(&app, json!({"plan": "free", "clock": "2030-01-01T00:00:00Z"})).await;
    for _ in 0..5 {
        models(&app, &key).await.good();
    }
    assert_eq!(models(&app, &key).await.status, 429);
    let path = format!("{ACCOUNTS}/{id}/clock");
    control(&app, Method::PUT, &path, &json!({"now": "2029-01-01T00:00:00Z"})).await.good();
    assert_eq!(models(&app, &key).await.header("x-ratelimit-remaining"), Some("4"));
}

#[tokio::test]
async fn a_change_of_plan_limit_or_balance_holds_at_once() {
    let app = TestApp::start().await;
    let (id, key) = account(&app, json!({})).await;
    let path = format!("{ACCOUNTS}/{id}");
    let changed = json!({"requests_per_minute": 2, "balance": "0"});
    let shown = control(&app, Method::PATCH, &path, &changed).await.good();
    assert_eq!((&shown["requests_per_minute"], &shown["balance"]), (&json!(2), &json!("0")));
    assert_eq!(models(&app, &key).await.header("x-ratelimit-limit"), Some("2"));
    let image = json!({"prompt": "A cat", "sd_model_id": "sd_model_456abc"});
    let broke = app.request(Method::POST, "/api/v1/images").json(&image);
    let broke = broke.header("authorization", format!("Bearer {key}")).send().await;
    assert_eq!(broke.status, 402);
    let usual = json!({"requests_per_minute": null, "plan": "free"});
    let shown = control(&app, Method::PATCH, &path, &usual).await.good();
    assert_eq!((&shown["plan"], &shown["requests_per_minute"]), (&json!("free"), &json!(5)));
}

#[tokio::test]
async fn a_reset_goes_back_to_the_beginning_and_touches_no_other_account() {
    let app = TestApp::start().await;
    let (id, key) = account(&app, json!({"balance": "1", "clock": "2030-01-01T00:00:00Z"})).await;
    let (_, other) = account(&app, json!({})).await;
    let first = say(&app, &key).await;
    say(&app, &other).await;
    let advance = format!("{ACCOUNTS}/{id}/clock/advance");
    control(&app, Method::POST, &advance, &json!({"seconds": 5})).await.good();
    let reset = format!("{ACCOUNTS}/{id}/reset");
    let shown = control(&app, Method::POST, &reset, &json!({})).await.good();
    assert_eq!(shown["balance"], "1");
    assert_eq!(conversations(&app, &key).await["total"], 1);
    assert_eq!(conversations(&app, &other).await["total"], 2);
    // Two requests were counted since the reset: listing above and this one.
    let again = say(&app, &key).await;
    assert_eq!(again["conversation_id"], first["conversation_id"]);
}

#[tokio::test]
async fn a_removed_accounts_key_is_unknown() {
    let app = TestApp::start().await;
    let (id, key) = account(&app, json!({})).await;
    let path = format!("{ACCOUNTS}/{id}");
    assert_eq!(app.request(Method::DELETE, &path).send().await.status, 204);
    assert_eq!(models(&app, &key).await.status, 401);
    assert_eq!(app.request(Method::GET, &path).send().await.status, 404);
    assert_eq!(app.request(Method::DELETE, &path).send().await.status, 404);
    let fixture = app.request(Method::DELETE, &format!("{ACCOUNTS}/demo")).send().await;
    assert_eq!(fixture.status, 409);
    app.request(Method::GET, "/v1/runner/conversations").key(KEY).send().await.good();
}

#[tokio::test]
async fn no_web_page_reaches_the_control_plane() {
    let app = TestApp::start().await;
    let rebound = app.request(Method::GET, ACCOUNTS).header("host", "evil.example").send().await;
    assert_eq!(rebound.status, 403);
    let simple = app.request(Method::POST, &format!("{ACCOUNTS}/demo/reset")).plain_body("{}");
    assert_eq!(simple.send().await.status, 415);
    let asked = app.request(Method::OPTIONS, ACCOUNTS).header("origin", "https://evil.example");
    let asked = asked.header("access-control-request-method", "POST").send().await;
    assert_eq!(asked.header("access-control-allow-origin"), None);
    assert!(!asked.status.is_success());
}

#[tokio::test]
async fn a_token_or_an_open_door_lets_in_from_elsewhere() {
    use mynah::http::apis::control::ControlAccess;
    let closed = TestApp::with(|config| config.control = ControlAccess::Nobody).await;
    assert_eq!(closed.request(Method::GET, ACCOUNTS).send().await.status, 403);
    let open = TestApp::with(|config| config.control = ControlAccess::Anyone).await;
    let from_elsewhere = open.request(Method::GET, ACCOUNTS).header("host", "ci.example");
    assert_eq!(from_elsewhere.send().await.status, 200);
    let token =
        TestApp::with(|config| config.control = ControlAccess::Token("secret".into())).await;
    for (sent, status) in [(None, 401), (Some("Bearer wrong!"), 401), (Some("bearer secret"), 200)]
    {
        let mut request = token.request(Method::GET, ACCOUNTS);
        if let Some(sent) = sent {
            request = request.header("authorization", sent);
        }
        assert_eq!(request.send().await.status, status, "{sent:?}");
    }
}

#[tokio::test]
async fn accounts_made_at_run_time_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("mynah.db").display());
    let app = TestApp::with(|config| config.database.clone_from(&database)).await;
    let (id, key) = account(&app, json!({"balance": "7"})).await;
    say(&app, &key).await;
    control(&app, Method::PATCH, &format!("{ACCOUNTS}/{id}"), &json!({"plan": "free"}))
        .await
        .good();
    app.stop().await;
    let app = TestApp::with(|config| config.database = database).await;
    assert_eq!(conversations(&app, &key).await["total"], 2);
    let shown = app.request(Method::GET, &format!("{ACCOUNTS}/{id}")).send().await.good();
    assert_eq!((&shown["plan"], &shown["balance"]), (&json!("free"), &json!("7")));
}

async fn snapshot(app: &TestApp, id: &str) -> Value {
    app.request(Method::GET, &format!("{ACCOUNTS}/{id}/snapshot")).send().await.good()
}

/// What the two APIs show of an account.
async fn shown(app: &TestApp, key: &str) -> Vec<Value> {
    let mut shown = vec![conversations(app, key).await];
    for path in ["conversations", "conversations/conv_123abc/messages", "agents", "images"] {
        let request = app.request(Method::GET, &format!("/api/v1/{path}"));
        shown.push(request.header("authorization", format!("Bearer {key}")).send().await.good());
    }
    shown
}

async fn use_both_apis(app: &TestApp, key: &str) {
    say(app, key).await;
    let image = json!({"prompt": "A cat", "sd_model_id": "sd_model_456abc",
                       "conversation_id": "conv_123abc"});
    let agent = json!({"name": "Ann", "sd_model_id": "sd_model_456abc", "age": 40});
    let message = json!({"content": "Tell me about neural networks."});
    for (path, body) in
        [("images", image), ("agents", agent), ("conversations/conv_123abc/messages", message)]
    {
        let request = app.request(Method::POST, &format!("/api/v1/{path}")).json(&body);
        let request = request.header("authorization", format!("Bearer {key}"));
        assert_eq!(request.send().await.status, 201);
    }
}

#[tokio::test]
async fn a_snapshot_puts_everything_back() {
    let app = TestApp::start().await;
    let (id, key) = account(&app, json!({"clock": "2030-01-01T00:00:00Z", "balance": "50"})).await;
    use_both_apis(&app, &key).await;
    let (before, taken) = (shown(&app, &key).await, snapshot(&app, &id).await);
    let next = say(&app, &key).await;
    use_both_apis(&app, &key).await;
    assert_ne!(shown(&app, &key).await, before);
    let path = format!("{ACCOUNTS}/{id}/snapshot");
    control(&app, Method::PUT, &path, &taken).await.good();
    assert_eq!(shown(&app, &key).await, before);
    // What is made next is what was made next then.
    assert_eq!(say(&app, &key).await["conversation_id"], next["conversation_id"]);
    control(&app, Method::PUT, &path, &taken).await.good();
    let mut again = snapshot(&app, &id).await;
    again["made"]["request"] = taken["made"]["request"].clone();
    assert_eq!(again, taken);
}

#[tokio::test]
async fn a_fork_is_a_copy_that_goes_its_own_way() {
    let app = TestApp::start().await;
    let (id, key) = account(&app, json!({"balance": "50"})).await;
    use_both_apis(&app, &key).await;
    let path = format!("{ACCOUNTS}/{id}/fork");
    let forked = control(&app, Method::POST, &path, &json!({})).await;
    assert_eq!(forked.status, 201, "{}", forked.body);
    let copy = forked.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(shown(&app, &copy).await, shown(&app, &key).await);
    say(&app, &copy).await;
    assert_ne!(conversations(&app, &copy).await, conversations(&app, &key).await);
}

#[tokio::test]
async fn a_snapshot_that_makes_no_sense_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let (id, key) = account(&app, json!({})).await;
    let (before, good) = (shown(&app, &key).await, snapshot(&app, &id).await);
    let path = format!("{ACCOUNTS}/{id}/snapshot");
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
        let refused = control(&app, Method::PUT, &path, &snapshot).await;
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
            let (id, key) = account(&app, json!({})).await;
            say(&app, &key).await;
            let path = format!("{ACCOUNTS}/{id}");
            assert_eq!(app.request(Method::DELETE, &path).send().await.status, 204);
        }
        sizes.push(size());
    }
    let all = app.request(Method::GET, ACCOUNTS).send().await.good();
    assert_eq!(all.as_array().unwrap().len(), 4);
    println!("database and log after 250, 500, 750 and 1,000 accounts: {sizes:?} bytes");
    let (first, last) = (sizes[0], sizes[3]);
    assert!(last <= first + first / 4, "{sizes:?}");
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_status_streams_and_writes() {
    let app = TestApp::with(|config| config.pace = std::time::Duration::from_hours(1)).await;
    app.run("ECHO_DEPLOYMENT_ID", "Hi").await.good();
    app.get("/v1/runner/nothing/there").await;
    app.start_conversation("ECHO_DEPLOYMENT_ID", "Hi").await;
    let mut stream = crate::support::raw::Raw::connect(app.address).await;
    stream.post("/v1/runner/ECHO_DEPLOYMENT_ID/stream", &said("two words")).await;
    assert_eq!(stream.head().await.0, 200);
    let metrics = app.request(Method::GET, "/_mynah/metrics").send().await;
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
    app.run("ECHO_DEPLOYMENT_ID", "").await.refused(400, "invalid_request_error", "invalid_value");
    let text = app.request(Method::GET, "/_mynah/metrics").send().await.body;
    for class in ["2xx", "4xx"] {
        let count = format!(
            "mynah_request_seconds_count{{route=\"/v1/runner/{{deployment_id}}\",\
             status=\"{class}\"}} 1"
        );
        assert!(text.contains(&count), "{count}\n{text}");
    }
    assert!(text.contains("status=\"404\"}"), "{text}");
    assert!(text.ends_with("# EOF\n"));
    let elsewhere = app.request(Method::GET, "/_mynah/metrics").header("host", "evil.example");
    assert_eq!(elsewhere.send().await.status, 403);
}

#[tokio::test]
async fn no_account_ever_gets_the_key_of_a_removed_one() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("mynah.db").display());
    let app = TestApp::with(|config| config.database.clone_from(&database)).await;
    let (id, removed) = account(&app, json!({})).await;
    app.request(Method::DELETE, &format!("{ACCOUNTS}/{id}")).send().await;
    let (_, kept) = account(&app, json!({})).await;
    app.stop().await;
    let app = TestApp::with(|config| config.database = database).await;
    let (_, new) = account(&app, json!({})).await;
    assert_eq!(models(&app, &removed).await.status, 401);
    for key in [kept, new] {
        models(&app, &key).await.good();
    }
}

#[tokio::test]
async fn a_reset_gives_back_the_first_plan_and_clock() {
    let app = TestApp::start().await;
    let (id, _) = account(&app, json!({"plan": "free", "clock": "2030-01-01T00:00:00Z"})).await;
    let path = format!("{ACCOUNTS}/{id}");
    let first = app.request(Method::GET, &path).send().await.good();
    let changes = json!({"plan": "pro", "requests_per_minute": 7, "balance": "1"});
    control(&app, Method::PATCH, &path, &changes).await.good();
    control(&app, Method::PUT, &format!("{path}/clock"), &json!({"frozen": false})).await.good();
    let reset = control(&app, Method::POST, &format!("{path}/reset"), &json!({})).await.good();
    assert_eq!(reset, first);
}

#[tokio::test]
async fn a_fork_is_changed_as_it_is_asked_for() {
    let app = TestApp::start().await;
    let body = json!({"plan": "free", "balance": "3", "clock": "2030-01-01T00:00:00Z"});
    let fork = control(&app, Method::POST, &format!("{ACCOUNTS}/demo/fork"), &body).await;
    assert_eq!(fork.status, 201, "{}", fork.body);
    let fork = fork.json();
    assert_eq!((&fork["plan"], &fork["balance"]), (&json!("free"), &json!("3")));
    assert_eq!(fork["clock"], json!({"now": "2030-01-01T00:00:00Z", "frozen": true}));
}

#[tokio::test]
async fn a_clock_stops_at_the_end_of_the_last_four_digit_year() {
    let app = TestApp::start().await;
    let (id, key) = account(&app, json!({})).await;
    let path = format!("{ACCOUNTS}/{id}/clock/advance");
    for _ in 0..12 {
        let step = json!({"seconds": 31_622_400_000_u64});
        control(&app, Method::POST, &path, &step).await.good();
    }
    assert_eq!(say(&app, &key).await["created_at"], "9999-12-31T23:59:59Z");
}

#[tokio::test]
async fn an_account_that_nobody_uses_goes_when_its_time_is_over() {
    let app = TestApp::start().await;
    let (id, _) = account(&app, json!({"ttl": 1})).await;
    let (lasting, _) = account(&app, json!({"ttl": 600})).await;
    let path = format!("{ACCOUNTS}/{id}");
    // Looking at an account through the control plane is no use of it.
    while app.request(Method::GET, &path).send().await.status == 200 {
        tokio::task::yield_now().await;
    }
    app.request(Method::GET, &format!("{ACCOUNTS}/{lasting}")).send().await.good();
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
    let (advanced, _) = account(&app, json!({"clock": "2031-01-01T00:00:00Z"})).await;
    let (set, _) = account(&app, json!({})).await;
    let (ahead, _) = account(&app, json!({})).await;
    let (untouched, _) = account(&app, json!({})).await;
    let clock = |id: &str| format!("{ACCOUNTS}/{id}/clock");
    let step = json!({"seconds": 86_400.25});
    control(&app, Method::POST, &format!("{}/advance", clock(&advanced)), &step).await.good();
    let body = json!({"now": "2032-01-01T00:00:00Z", "frozen": true});
    control(&app, Method::PUT, &clock(&set), &body).await.good();
    let body = json!({"now": "2033-01-01T00:00:00Z"});
    control(&app, Method::PUT, &clock(&ahead), &body).await.good();
    let exact = app.clock(&advanced).now();
    app.stop().await;
    let app = start().await;
    assert_eq!(app.clock(&advanced).now(), exact);
    let shown = app.request(Method::GET, &clock(&set)).send().await.good();
    assert_eq!(shown, json!({"now": "2032-01-01T00:00:00Z", "frozen": true}));
    let shown = app.request(Method::GET, &clock(&ahead)).send().await.good();
    assert_eq!((&shown["frozen"], &shown["now"].as_str().unwrap()[..4]), (&json!(false), "2033"));
    assert_eq!(app.clock(&untouched).now_if_not_the_systems(), None);
    let reset = format!("{ACCOUNTS}/{advanced}/reset");
    let reset = control(&app, Method::POST, &reset, &json!({})).await.good();
    assert_eq!(reset["clock"], json!({"now": "2031-01-01T00:00:00Z", "frozen": true}));
    app.stop().await;
    let app = start().await;
    let shown = app.request(Method::GET, &clock(&advanced)).send().await.good();
    assert_eq!(shown, reset["clock"], "a reset undoes what was stored, too");
}
