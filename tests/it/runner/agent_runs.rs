//! Runner API, agent runs: the model calls tools of the client, which resumes the run.

use mynah::config::{Profile, RunnerStyle};
use serde_json::{Value, json};

use crate::support::{DEPLOYMENT, ECHO, OTHER, PUBLIC, TestApp};

/// A weather tool in two rounds, and the other ends of a run.
const RULES: &str = r#"
    [[rule]]
    when = { tool_result = { name = "ask_user" } }
    reply = [{ text = "You said {{ tool_results[0].output.answer }}." }]
    [[rule]]
    when = { tool_result = { name = "get_weather", contains = "storm" } }
    reply = [{ text = "A storm!", tool_calls = [{ name = "ask_user", arguments = { question = "Stay?" } }] }]
    [[rule]]
    when = { tool_result = { name = "get_weather" } }
    reply = [{ text = "{{ tool_results[0].output.degrees }} degrees." }]
    [[rule]]
    when = { contains = "both" }
    reply = [{ tool_calls = [{ name = "get_weather", arguments = { city = "Oslo" } }, { name = "ask_user" }] }]
    [[rule]]
    when = { contains = "weather", capability = "get_weather" }
    reply = [{ tool_calls = [{ name = "get_weather", arguments = { city = "{{ variables.CITY or 'Oslo' }}" } }] }]
    [[rule]]
    when = { contains = "unoffered" }
    reply = [{ tool_calls = [{ name = "launch" }] }]
    [[rule]]
    when = { contains = "bye" }
    reply = [{ text = "Goodbye.", complete = true }]
    [[rule]]
    when = { contains = "later" }
    reply = [{ text = "Here it is.", run = "background", after_ms = 5000 }]
    [[rule]]
    when = { contains = "fail" }
    reply = [{ text = "out of paper", run = "failed" }]
    [[rule]]
    when = { contains = "stop" }
    reply = [{ run = "interrupted" }]
"#;

const HOUR: u64 = 60 * 60;

async fn app() -> TestApp {
    TestApp::with_rules(RULES).await
}

fn message(text: &str) -> Value {
    json!({
        "content": [{"type": "text", "text": text}],
        "client_capabilities": ["get_weather", {"name": "ask_user", "input_schema": {"type": "object"}}],
    })
}

fn next(conversation: &Value, text: &str) -> Value {
    let mut body = message(text);
    body["conversation_id"] = conversation["conversation_id"].clone();
    body
}

/// The body that resumes `answer` with an output for each of its calls, in their order.
fn results(answer: &Value, outputs: &[Value]) -> Value {
    let calls = answer["client_tool_calls"].as_array().unwrap();
    let results = calls.iter().zip(outputs);
    let results: Vec<Value> = results
        .map(|(call, output)| json!({"call_id": call["call_id"], "output": output}))
        .collect();
    json!({"conversation_id": answer["conversation_id"], "tool_results": results})
}

async fn start(app: &TestApp, text: &str) -> Value {
    app.runner().run_agent(DEPLOYMENT, &message(text)).await.good()
}

async fn send(app: &TestApp, body: &Value) -> Value {
    app.runner().run_agent(DEPLOYMENT, body).await.good()
}

async fn refused(app: &TestApp, body: &Value, status: u16, code: &str) {
    let answer = app.runner().run_agent(DEPLOYMENT, body).await;
    answer.runner_error(status, "invalid_request_error", code);
}

async fn history(app: &TestApp, conversation: &Value, query: &str) -> Value {
    let id = conversation["conversation_id"].as_str().unwrap();
    app.runner().history(DEPLOYMENT, id, query).await.good()
}

async fn advance(app: &TestApp, seconds: u64) {
    app.demo().advance_clock(&json!({"seconds": seconds})).await.good();
}

/// `type` and text, or `type`, name and status, of each item.
fn shown(history: &Value) -> Vec<String> {
    let text = |item: &Value| match item["type"].as_str().unwrap() {
        "message" => {
            format!(
                "{}: {}",
                item["role"].as_str().unwrap(),
                item["content"][0]["text"].as_str().unwrap()
            )
        }
        _ => format!("{} {}", item["name"].as_str().unwrap(), item["status"].as_str().unwrap()),
    };
    history["items"].as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn a_run_waits_for_the_client_and_is_resumed_with_its_results() {
    let app = app().await;
    let mut body = message("What is the weather?");
    body["variables"] = json!({"CITY": "Bergen"});
    let waiting = send(&app, &body).await;
    assert_eq!(waiting["run_status"], "waiting_for_client_action");
    assert_eq!(waiting["status"], "requires_client_action");
    assert_eq!(waiting["conversation_status"], "active");
    assert_eq!(waiting.get("content"), None);
    let call = &waiting["client_tool_calls"][0];
    assert_eq!(
        (&call["name"], &call["arguments"]),
        (&json!("get_weather"), &json!({"city": "Bergen"}))
    );
    assert_eq!(waiting["progress"][0]["type"], "tool_call");
    let answered = send(&app, &results(&waiting, &[json!({"degrees": 12})])).await;
    assert_eq!(answered["run_id"], waiting["run_id"]);
    assert_eq!(
        (&answered["run_status"], &answered["status"]),
        (&json!("completed"), &json!("completed"))
    );
    assert_eq!(answered["content"], "12 degrees.");
    assert_eq!(answered["client_tool_calls"], json!([]));
    let history = history(&app, &waiting, "").await;
    let items = ["user: What is the weather?", "get_weather completed", "assistant: 12 degrees."];
    assert_eq!(shown(&history), items);
    assert_eq!(history["items"][1]["summary"], r#"{"degrees":12}"#);
    assert_eq!(
        (&history["run_status"], &history["next_cursor"]),
        (&json!("completed"), &Value::Null)
    );
}

#[tokio::test]
async fn a_run_can_take_two_rounds_and_its_text_beside_calls_is_a_message() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    let again = send(&app, &results(&waiting, &[json!({"sky": "storm"})])).await;
    assert_eq!(again["run_id"], waiting["run_id"]);
    assert_eq!(again["client_tool_calls"][0]["name"], "ask_user");
    assert_ne!(
        again["client_tool_calls"][0]["call_id"],
        waiting["client_tool_calls"][0]["call_id"]
    );
    assert_eq!(again.get("content"), None);
    let kinds: Vec<_> =
        again["progress"].as_array().unwrap().iter().map(|entry| &entry["type"]).collect();
    assert_eq!(kinds, ["tool_call", "tool_result", "message", "tool_call"]);
    let answered = send(&app, &results(&again, &[json!({"answer": "yes"})])).await;
    assert_eq!(answered["content"], "You said yes.");
    assert_eq!(
        shown(&history(&app, &waiting, "").await),
        [
            "user: weather",
            "get_weather completed",
            "assistant: A storm!",
            "ask_user completed",
            "assistant: You said yes.",
        ]
    );
    let messages = app.runner().messages(waiting["conversation_id"].as_str().unwrap()).await;
    assert_eq!(messages.len(), 3);
}

#[tokio::test]
async fn every_pending_call_needs_one_result_and_the_run_goes_on_waiting() {
    let app = app().await;
    let waiting = start(&app, "both").await;
    let good = results(&waiting, &[json!({"degrees": 1}), json!({"answer": "no"})]);
    let with = |results: Value| {
        let mut body = good.clone();
        body["tool_results"] = results;
        body
    };
    let [first, second] = [&good["tool_results"][0], &good["tool_results"][1]];
    let unknown = json!({"call_id": "call_0", "output": {}});
    for (results, param, code) in [
        (json!([first]), "tool_results", "missing_required_field"),
        (json!([first, first]), "tool_results[1].call_id", "invalid_value"),
        (json!([first, second, unknown]), "tool_results[2].call_id", "invalid_value"),
        (json!([unknown]), "tool_results[0].call_id", "invalid_value"),
    ] {
        let request = app.runner().run_agent(DEPLOYMENT, &with(results)).deliberately_invalid();
        request.await.invalid_request(code, param);
    }
    for (results, code) in
        [(json!([]), "empty_array"), (json!([{"call_id": "a", "output": "text"}]), "invalid_type")]
    {
        let request = app.runner().run_agent(DEPLOYMENT, &with(results));
        request.deliberately_invalid().await.runner_error(400, "invalid_request_error", code);
    }
    let history = history(&app, &waiting, "").await;
    assert_eq!(history["pending_client_actions"], waiting["client_tool_calls"]);
    // In any order.
    let answered = send(&app, &with(json!([second, first]))).await;
    assert_eq!(answered["run_status"], "completed");
}

#[tokio::test]
async fn the_same_results_get_the_same_answer_and_others_conflict() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    let body = results(&waiting, &[json!({"degrees": 12})]);
    let answered = send(&app, &body).await;
    let mut again = send(&app, &body).await;
    assert_ne!(again["request_id"], answered["request_id"]);
    again["request_id"] = answered["request_id"].clone();
    assert_eq!(again, answered);
    refused(&app, &results(&waiting, &[json!({"degrees": 13})]), 409, "tool_results_conflict")
        .await;
    let mut unknown = body.clone();
    unknown["tool_results"][0]["call_id"] = json!("call_0");
    refused(&app, &unknown, 409, "no_pending_calls").await;
    assert_eq!(shown(&history(&app, &waiting, "").await).len(), 3);
}

#[tokio::test]
async fn a_message_is_refused_while_a_run_waits_in_both_versions() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    refused(&app, &next(&waiting, "Hello?"), 409, "client_action_required").await;
    let id = waiting["conversation_id"].as_str().unwrap();
    let answer = app.runner().continue_conversation(DEPLOYMENT, id, "Hello?").await;
    answer.runner_error(409, "invalid_request_error", "client_action_required");
    send(&app, &results(&waiting, &[json!({"degrees": 1})])).await;
    let continued = app.runner().continue_conversation(DEPLOYMENT, id, "Hello?").await.good();
    assert_eq!(continued["conversation_id"], id);
    let run = send(&app, &next(&waiting, "weather")).await;
    assert_ne!(run["run_id"], waiting["run_id"]);
    assert_eq!(run["run_status"], "waiting_for_client_action");
}

#[tokio::test]
async fn a_run_that_waits_expires_by_the_accounts_clock() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    advance(&app, 24 * HOUR - 1).await;
    assert_eq!(history(&app, &waiting, "").await["run_status"], "waiting_for_client_action");
    advance(&app, 1).await;
    let expired = history(&app, &waiting, "").await;
    assert_eq!(
        (&expired["run_status"], &expired["pending_client_actions"]),
        (&json!("expired"), &json!([]))
    );
    assert_eq!(shown(&expired), ["user: weather", "get_weather expired"]);
    refused(&app, &results(&waiting, &[json!({"degrees": 1})]), 409, "run_expired").await;
    let run = send(&app, &next(&waiting, "weather")).await;
    assert_eq!(run["run_status"], "waiting_for_client_action");
}

#[tokio::test]
async fn a_run_in_the_background_is_finished_when_the_clock_has_passed_it() {
    let app = app().await;
    let running = start(&app, "later").await;
    assert_eq!(
        (&running["run_status"], &running["status"]),
        (&json!("running"), &json!("completed"))
    );
    assert_eq!(running.get("content"), None);
    refused(&app, &next(&running, "Hi"), 409, "run_in_progress").await;
    advance(&app, 4).await;
    let polled = history(&app, &running, "").await;
    assert_eq!((&polled["run_status"], shown(&polled).len()), (&json!("running"), 1));
    advance(&app, 2).await;
    let polled = history(&app, &running, "").await;
    assert_eq!(polled["run_status"], "completed");
    assert_eq!(shown(&polled), ["user: later", "assistant: Here it is."]);
    assert_eq!(polled["items"][1]["created_at"], "2026-05-01T12:00:05.000Z");
}

#[tokio::test]
async fn a_message_to_either_version_finishes_what_is_due_first() {
    let app = app().await;
    for v1 in [true, false] {
        let running = start(&app, "later").await;
        let id = running["conversation_id"].as_str().unwrap();
        advance(&app, 10).await;
        if v1 {
            app.runner().continue_conversation(DEPLOYMENT, id, "Hi").await.good();
        } else {
            send(&app, &next(&running, "Hi")).await;
        }
        let messages = app.runner().messages(id).await;
        assert_eq!((messages.len(), &messages[1]["content"]), (4, &json!("Here it is.")));
        let model = app.demo().latest_request().await;
        assert!(!model.is_null());
    }
}

#[tokio::test]
async fn a_completed_conversation_is_closed_for_good() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    let results = results(&waiting, &[json!({"degrees": 12})]);
    send(&app, &results).await;
    let ended = send(&app, &next(&waiting, "bye")).await;
    assert_eq!(
        (&ended["conversation_status"], &ended["content"]),
        (&json!("completed"), &json!("Goodbye."))
    );
    assert_eq!(ended["completed_at"], "2026-05-01T12:00:00.000Z");
    refused(&app, &next(&waiting, "Hello?"), 409, "conversation_completed").await;
    let id = waiting["conversation_id"].as_str().unwrap();
    let answer = app.runner().continue_conversation(DEPLOYMENT, id, "Hello?").await;
    answer.runner_error(409, "invalid_request_error", "conversation_completed");
    assert_eq!(history(&app, &waiting, "").await["conversation_status"], "completed");
    // What was answered before is answered again.
    assert_eq!(send(&app, &results).await["content"], "12 degrees.");
}

#[tokio::test]
async fn a_run_that_ends_badly_says_why_in_its_progress() {
    let app = app().await;
    for (text, status, reason) in [
        ("fail", "failed", "out of paper"),
        ("stop", "interrupted", "the model gave no reason"),
        ("unoffered", "failed", "the model called `launch`, which the client does not offer"),
    ] {
        let answer = start(&app, text).await;
        assert_eq!((&answer["run_status"], answer.get("content")), (&json!(status), None));
        assert_eq!(answer["progress"], json!([{"type": status, "summary": reason}]));
        assert_eq!(shown(&history(&app, &answer, "").await), [format!("user: {text}")]);
        let next = send(&app, &next(&answer, "bye")).await;
        assert_eq!(next["content"], "Goodbye.");
    }
}

#[tokio::test]
async fn a_resume_keeps_the_capabilities_of_the_call_before() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    let mut body = results(&waiting, &[json!({"sky": "storm"})]);
    assert_eq!(send(&app, &body).await["client_tool_calls"][0]["name"], "ask_user");
    let waiting = start(&app, "weather").await;
    body = results(&waiting, &[json!({"sky": "storm"})]);
    body["client_capabilities"] = json!(["get_weather"]);
    let failed = send(&app, &body).await;
    assert_eq!(failed["run_status"], "failed");
}

#[tokio::test]
async fn fields_that_do_not_belong_together_are_refused() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    let resume = results(&waiting, &[json!({"degrees": 1})]);
    let further = next(&waiting, "Hi");
    let content = json!([{"type": "text", "text": "Hi"}]);
    for (body, field, value, code) in [
        (&resume, "content", content.clone(), "not_allowed"),
        (&resume, "variables", json!({}), "not_allowed"),
        (&resume, "trigger_id", json!("trg_123abc"), "not_allowed"),
        (&further, "variables", json!({}), "not_allowed"),
        (&further, "meta", json!({}), "not_allowed"),
        (&further, "trigger_id", json!("trg_123abc"), "not_allowed"),
        (&further, "content", json!([]), "empty_array"),
        (&message("Hi"), "content", json!([]), "empty_array"),
        (&message("Hi"), "content", Value::Null, "missing_required_field"),
        (
            &message("Hi"),
            "tool_results",
            json!([{"call_id": "a", "output": {}}]),
            "missing_required_field",
        ),
        (&message("Hi"), "client_capabilities", json!(["a b"]), "invalid_value"),
        (&message("Hi"), "client_capabilities", json!([7]), "invalid_type"),
        (&message("Hi"), "client_capabilities", json!(["a", {"name": "a"}]), "invalid_value"),
        (
            &message("Hi"),
            "client_capabilities",
            json!([{"name": "a", "input_schema": []}]),
            "invalid_type",
        ),
        (&message("Hi"), "client_capabilities", json!([{}]), "missing_required_field"),
    ] {
        let mut body = body.clone();
        body[field] = value;
        let request = app.runner().run_agent(DEPLOYMENT, &body).deliberately_invalid();
        request.await.runner_error(400, "invalid_request_error", code);
    }
    let mut accepted = resume.clone();
    accepted["run_id"] = json!("anything");
    assert_eq!(send(&app, &accepted).await["run_status"], "completed");
}

#[tokio::test]
async fn a_trigger_starts_a_run_with_its_content_alone() {
    let app = app().await;
    let trigger =
        json!({"content": [{"type": "text", "text": "weather"}], "variables": {"CITY": "Oslo"}});
    let trigger = app.runner().create_trigger(DEPLOYMENT, trigger).await.good();
    let mut body = message("");
    body["content"] = json!([]);
    body["trigger_id"] = trigger["id"].clone();
    let waiting = send(&app, &body).await;
    assert_eq!(waiting["run_status"], "waiting_for_client_action");
    assert_eq!(shown(&history(&app, &waiting, "").await), ["user: weather", "get_weather pending"]);
    let id = trigger["id"].as_str().unwrap();
    let used = app.runner().trigger(DEPLOYMENT, id).await.good();
    assert_eq!(used["conversation_id"], waiting["conversation_id"]);
    body["content"] = json!([{"type": "text", "text": "How is the weather?"}]);
    let both = send(&app, &body).await;
    let items = ["user: weather", "user: How is the weather?", "get_weather pending"];
    assert_eq!(shown(&history(&app, &both, "").await), items);
    body["trigger_id"] = json!("trg_0");
    refused(&app, &body, 404, "trigger_not_found").await;
    advance(&app, 24 * HOUR).await;
    body["trigger_id"] = trigger["id"].clone();
    let expired = app.runner().run_agent(DEPLOYMENT, &body).deliberately_invalid().await;
    expired.invalid_request("trigger_expired", "trigger_id");
}

#[tokio::test]
async fn a_history_is_read_page_by_page_while_items_are_added() {
    let app = app().await;
    let mut waiting = start(&app, "weather").await;
    for _ in 0..3 {
        send(&app, &results(&waiting, &[json!({"degrees": 1})])).await;
        waiting = send(&app, &next(&waiting, "weather")).await;
    }
    let all = shown(&history(&app, &waiting, "").await);
    assert_eq!(all.len(), 11);
    let (mut pages, mut query) = (Vec::new(), "?limit=4".to_owned());
    loop {
        let page = history(&app, &waiting, &query).await;
        pages.splice(..0, shown(&page));
        // New items do not shift the older pages.
        send(&app, &results(&waiting, &[json!({"degrees": 1})])).await;
        waiting = send(&app, &next(&waiting, "weather")).await;
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=4&cursor={cursor}");
    }
    // The item that was pending on the first page is still shown so.
    assert_eq!(pages, all);
}

#[tokio::test]
async fn a_wrong_cursor_or_limit_is_refused() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    let id = waiting["conversation_id"].as_str().unwrap();
    for query in [
        "?cursor=x",
        "?cursor=",
        "?limit=0",
        "?limit=101",
        "?limit=x",
        "?limit=1&limit=1",
        "?page=1",
    ] {
        let request = app.runner().history(DEPLOYMENT, id, query).deliberately_invalid();
        assert_eq!(request.await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn items_sort_as_the_sdk_sorts_them() {
    let app = app().await;
    let waiting = start(&app, "both").await;
    send(&app, &results(&waiting, &[json!({"degrees": 1}), json!({"answer": "x"})])).await;
    let history = history(&app, &waiting, "").await;
    let items = history["items"].as_array().unwrap();
    // By `Date.parse(created_at)`, then by `id.localeCompare`.
    let key = |item: &Value| {
        let time = item["created_at"].as_str().unwrap().to_owned();
        (time, item["id"].as_str().unwrap().to_owned())
    };
    let mut sorted = items.clone();
    sorted.reverse();
    sorted.sort_by_key(key);
    assert_eq!(&sorted, items);
    let polled = self::history(&app, &waiting, "").await;
    assert_eq!(polled["items"], history["items"], "ids are stable");
}

#[tokio::test]
async fn clients_that_resume_one_run_at_once_get_one_answer() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    let body = results(&waiting, &[json!({"degrees": 12})]);
    let resumes = (0..32).map(|_| async { send(&app, &body).await });
    let mut answers = futures::future::join_all(resumes).await;
    for answer in &mut answers {
        answer["request_id"] = Value::Null;
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
    assert_eq!(shown(&history(&app, &waiting, "").await).len(), 3);
}

#[tokio::test]
async fn runs_belong_to_their_deployment_and_account() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    let id = waiting["conversation_id"].as_str().unwrap();
    let resume = results(&waiting, &[json!({"degrees": 12})]);
    for answer in [
        app.runner().run_agent(ECHO, &resume).await,
        app.runner().history(ECHO, id, "").await,
        app.runner()
            .run_agent(
                DEPLOYMENT,
                &json!({
                    "conversation_id": "nowhere", "tool_results": resume["tool_results"],
                }),
            )
            .await,
    ] {
        answer.runner_error(404, "invalid_request_error", "conversation_not_found");
    }
    let other = app.control().create_account(&json!({})).await.json();
    let other = app.runner_as(other["key"].as_str().unwrap()).history(DEPLOYMENT, id, "").await;
    other.runner_error(404, "invalid_request_error", "conversation_not_found");
    let forbidden = app.runner().history(OTHER, id, "").await;
    forbidden.runner_error(403, "auth_error", "deployment_forbidden");
    let without_key = app.runner_without_key().history(DEPLOYMENT, id, "").await;
    without_key.runner_error(401, "auth_error", "missing_api_key");
    assert_eq!(app.runner_without_key().run_agent(PUBLIC, &message("Hi")).await.status, 403);
    let unknown = app.runner().run_agent("nowhere", &message("Hi")).await;
    unknown.runner_error(404, "invalid_request_error", "deployment_not_found");
}

#[tokio::test]
async fn a_snapshot_keeps_runs_that_wait() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    let snapshot = app.demo().snapshot().await.good();
    send(&app, &results(&waiting, &[json!({"degrees": 12})])).await;
    app.demo().restore(&snapshot).await.good();
    assert_eq!(history(&app, &waiting, "").await["run_status"], "waiting_for_client_action");
    let answered = send(&app, &results(&waiting, &[json!({"degrees": 13})])).await;
    assert_eq!(answered["content"], "13 degrees.");
    let again = app.demo().snapshot().await.good();
    app.demo().restore(&again).await.good();
    assert_eq!(shown(&history(&app, &waiting, "").await).len(), 3);
}

#[tokio::test]
async fn a_run_that_is_answered_at_once_is_a_turn() {
    let app = app().await;
    let first = start(&app, "Hi").await;
    send(&app, &next(&first, "Hi again")).await;
    send(&app, &next(&first, "weather")).await;
    assert_eq!(app.demo().latest_request().await["model"]["turn"], 3);
    let snapshot = app.demo().snapshot().await.good();
    app.demo().restore(&snapshot).await.good();
    let items = shown(&history(&app, &first, "").await);
    assert_eq!(items.len(), 6, "{items:?}");
}

#[tokio::test]
async fn the_current_profile_shows_microseconds_in_runs() {
    let app =
        TestApp::with_rules_and(RULES, |config| config.runner = RunnerStyle::of(Profile::Current))
            .await;
    let answer =
        app.runner().run_agent(DEPLOYMENT, &message("weather")).undocumented().await.good();
    assert_eq!(answer["created_at"], "2026-05-01T12:00:00.000000");
}

#[tokio::test]
async fn version_1_shows_the_latest_run_of_a_conversation() {
    let app = app().await;
    let plain = app.runner().start_conversation(DEPLOYMENT, "Hi").await.conversation_id();
    let waiting = start(&app, "both").await;
    let id = waiting["conversation_id"].as_str().unwrap();
    let listed = app.runner().list_conversations("").await.good();
    let [item, other, ..] = &listed["items"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&item["id"], &other["id"]), (&json!(id), &json!(plain)));
    let messages = app.runner().list_messages(id, "").await.good();
    for (shown, status) in [(item, "status"), (&messages, "conversation_status")] {
        assert_eq!(shown[status], "active");
        assert_eq!(shown["completed_at"], Value::Null);
        assert_eq!(shown["run_id"], waiting["run_id"]);
        assert_eq!(shown["run_status"], "waiting_for_client_action");
        assert_eq!(shown["pending_client_actions"], waiting["client_tool_calls"]);
        assert_eq!(shown["progress"], waiting["progress"]);
        let tools = json!([
            {"name": "get_weather", "status": "pending"}, {"name": "ask_user", "status": "pending"},
        ]);
        assert_eq!(shown["tool_summary"], tools);
    }
    assert_eq!((other.get("run_id"), other.get("status")), (None, None));
    advance(&app, 24 * HOUR).await;
    let expired = app.runner().list_messages(id, "").await.good();
    assert_eq!(
        (&expired["run_status"], &expired["pending_client_actions"]),
        (&json!("expired"), &json!([]))
    );
    assert_eq!(expired["tool_summary"][0]["status"], "expired");
    send(&app, &next(&waiting, "bye")).await;
    let completed = app.runner().list_conversations("").await.good();
    assert_eq!(completed["items"][0]["status"], "completed");
    assert_eq!(completed["items"][0]["completed_at"], "2026-05-02T12:00:00.000Z");
}

#[tokio::test]
async fn a_fault_can_refuse_a_history_with_409() {
    let app = app().await;
    let waiting = start(&app, "weather").await;
    let route = "/v2/runner/{deployment_id}/conversation/{conversation_id}/history";
    let fault = json!({"when": {"route": route, "nth": 1}, "effect": {"status": 409}});
    app.demo().add_fault(&fault).await.json();
    let id = waiting["conversation_id"].as_str().unwrap();
    let refused = app.runner().history(DEPLOYMENT, id, "").await;
    refused.runner_error(409, "invalid_request_error", "conflict");
    assert_eq!(history(&app, &waiting, "").await["run_status"], "waiting_for_client_action");
}

#[tokio::test]
async fn many_continuations_of_long_conversations_with_runs_do_not_wait_for_each_other_forever() {
    let app = app().await;
    let long = "word ".repeat(40_000);
    let started = send(&app, &message(&long)).await;
    let id = started["conversation_id"].as_str().unwrap();
    let continued = (0..16)
        .map(|_| async { app.runner().continue_conversation(DEPLOYMENT, id, "Hi").await.good() });
    assert_eq!(futures::future::join_all(continued).await.len(), 16);
}

#[tokio::test]
async fn the_progress_of_a_run_of_many_rounds_is_bounded() {
    let rules = r#"
        [[rule]]
        when = { tool_result = { name = "get_weather", contains = "last" } }
        reply = [{ text = "Done." }]
        [[rule]]
        when = { tool_result = { name = "get_weather" } }
        reply = [{ tool_calls = [{ name = "get_weather" }] }]
        [[rule]]
        reply = [{ tool_calls = [{ name = "get_weather" }] }]
    "#;
    let app = TestApp::with_rules(rules).await;
    let mut run = start(&app, "weather").await;
    for _ in 0..50 {
        run = send(&app, &results(&run, &[json!({})])).await;
    }
    let done = send(&app, &results(&run, &[json!({"this": "last"})])).await;
    assert_eq!(done["content"], "Done.");
    assert_eq!(done["progress"].as_array().unwrap().len(), 100);
}
