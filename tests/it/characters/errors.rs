//! What the Characters API answers to requests that are wrong in form: paths, methods, bodies; and
//! what stands on every answer: request ids and CORS.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::characters::BEARER;
use crate::support::{TestApp, TestResponse};

const LARGEST_BODY: usize = 10 * 1024 * 1024;

#[tokio::test]
async fn an_unknown_path_is_404_in_the_envelope() {
    let app = TestApp::start().await;
    for path in ["", "/", "/nothing", "/models/", "/models/x", "/conversations/a/b", "/images/x"] {
        let answer = app.characters().get(path).await;
        assert_eq!(answer.error_message(404), "there is nothing at this path", "{path}");
        assert_eq!(answer.integer_header("x-ratelimit-limit"), 100);
        let stranger = app.request(Method::GET, &format!("/api/v1{path}")).await;
        stranger.error_message(404);
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_with_what_is_allowed() {
    let app = TestApp::start().await;
    for (method, path, allowed) in [
        (Method::POST, "/models", "GET,HEAD"),
        (Method::GET, "/completions", "POST"),
        (Method::PUT, "/conversations", "GET,HEAD,POST"),
        (Method::DELETE, "/conversations/conv_123abc", "GET,HEAD"),
        (Method::PATCH, "/conversations/conv_123abc/messages", "GET,HEAD,POST"),
        (Method::DELETE, "/agents", "GET,HEAD,POST"),
        (Method::DELETE, "/agents/agent_xyz789", "GET,HEAD"),
        (Method::PUT, "/images", "GET,HEAD,POST"),
    ] {
        let answer = app.characters().request(method.clone(), path).await;
        assert_eq!(answer.error_message(405), "this path does not answer to this method", "{path}");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    let answer = app.request(Method::POST, "/images/img_123abc.png").await;
    answer.error_message(405);
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn a_body_that_is_not_said_to_be_json_is_415() {
    let app = TestApp::start().await;
    for path in ["/completions", "/conversations", "/agents", "/images"] {
        for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            let mut request = app.characters().request(Method::POST, path).untyped_body("{}");
            if let Some(kind) = kind {
                request = request.header("content-type", kind);
            }
            let said = request.await.error_message(415);
            assert_eq!(said, "the body must be sent as `Content-Type: application/json`");
        }
    }
}

#[tokio::test]
async fn the_content_type_may_have_parameters_and_any_case() {
    let app = TestApp::start().await;
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/json;x=y"] {
        let request = app.characters().request(Method::POST, "/images");
        let body = image().to_string();
        request.header("content-type", kind).untyped_body(body).await.created();
    }
}

#[tokio::test]
async fn a_body_of_10_mib_is_read_and_a_longer_one_is_413() {
    let app = TestApp::start().await;
    let body = image().to_string();
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    app.characters().post_text("/images", &padded(LARGEST_BODY)).await.created();
    let answer = app.characters().post_text("/images", &padded(LARGEST_BODY + 1)).await;
    assert_eq!(answer.error_message(413), "the body is larger than 10 MiB");
    assert_eq!(answer.integer_header("x-ratelimit-remaining"), 98);
}

#[tokio::test]
async fn a_body_that_grows_beyond_10_mib_without_announcing_it_is_413_too() {
    let app = TestApp::start().await;
    let chunks = (0..=10).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024 * 1024]));
    let body = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
    let request = app.characters().request(Method::POST, "/images").body(body);
    request.await.error_message(413);
}

#[tokio::test]
async fn broken_json_is_400_with_line_and_column() {
    let app = TestApp::start().await;
    for (body, said) in [
        ("", "EOF while parsing a value at line 1, column 1"),
        ("{\n  \"prompt\": ,\n}", "expected value at line 2, column 13"),
        ("{\"prompt\": \"A hill\"", "EOF while parsing an object at line 1, column 19"),
    ] {
        let answer = app.characters().post_text("/images", body).await;
        let error = answer.error_message(400);
        assert_eq!(error, format!("the body is not valid JSON: {said}"), "{body:?}");
    }
    let behind = format!("{}\n x", image());
    let error = app.characters().post_text("/images", &behind).await.error_message(400);
    assert_eq!(error, "the body is not valid JSON: trailing characters at line 2, column 2");
}

#[tokio::test]
async fn a_body_that_is_no_object_is_400() {
    let app = TestApp::start().await;
    for (body, found) in [
        ("[\"A hill\", \"sd_model_456abc\"]", "an array"),
        ("\"A hill\"", "a string"),
        ("null", "null"),
        ("7", "integer `7`"),
    ] {
        let error = app.characters().post_text("/images", body).await.error_message(400);
        assert_eq!(error, format!("the body must be an object, not {found}"));
    }
}

/// Path, body, and the error message.
type InvalidRequest = (&'static str, Value, &'static str);

fn invalid_texts() -> Vec<InvalidRequest> {
    let message = |message: Value| json!({"messages": [message], "llm_id": "model_abc123"});
    let title = "title must have 1 to 200 characters";
    vec![
        ("/completions", json!({}), "messages is required"),
        ("/completions", json!({"messages": []}), "llm_id is required"),
        (
            "/completions",
            json!({"messages": [], "llm_id": "model_abc123"}),
            "messages must be a non-empty array",
        ),
        (
            "/completions",
            json!({"messages": "Hi", "llm_id": "model_abc123"}),
            "messages must be an array, not a string",
        ),
        ("/completions", message(json!("Hi")), "messages[0] must be an object, not a string"),
        (
            "/completions",
            message(json!(["user", "Hi"])),
            "messages[0] must be an object, not an array",
        ),
        ("/completions", message(json!({"content": "Hi"})), "messages[0].role is required"),
        ("/completions", message(json!({"role": "user"})), "messages[0].content is required"),
        (
            "/completions",
            message(json!({"role": "bot", "content": "Hi"})),
            "messages[0].role must be one of system, user, agent, assistant",
        ),
        (
            "/completions",
            message(json!({"role": "user", "content": 7})),
            "messages[0].content must be a string, not integer `7`",
        ),
        (
            "/completions",
            message(json!({"role": "user", "content": null})),
            "messages[0].content must be a string, not null",
        ),
        ("/conversations", json!({"llm_id": "model_abc123"}), "title is required"),
        ("/conversations", json!({"title": "T"}), "llm_id is required"),
        ("/conversations", json!({"title": "", "llm_id": "model_abc123"}), title),
        ("/conversations", json!({"title": "x".repeat(201), "llm_id": "model_abc123"}), title),
        (
            "/conversations",
            json!({"title": 7, "llm_id": "model_abc123"}),
            "title must be a string, not integer `7`",
        ),
        (
            "/conversations",
            json!({"title": "T", "llm_id": "model_abc123", "system_prompt": []}),
            "system_prompt must be a string, not an array",
        ),
        (
            "/conversations",
            json!({"title": "T", "llm_id": "model_abc123", "messages": [{}]}),
            "messages[0].role is required",
        ),
        (
            "/conversations",
            json!({"title": "T", "llm_id": "model_abc123", "messages":
            [{"role": "user", "content": "a"}, {"role": "USER", "content": "b"}]}),
            "messages[1].role must be one of system, user, agent, assistant",
        ),
        ("/conversations/conv_123abc/messages", json!({}), "content is required"),
        (
            "/conversations/conv_123abc/messages",
            json!({"content": ""}),
            "content must not be empty",
        ),
        (
            "/conversations/conv_123abc/messages",
            json!({"content": ["Hi"]}),
            "content must be a string, not an array",
        ),
        (
            "/conversations/conv_123abc/messages",
            json!({"content": "Hi", "verbose": "yes"}),
            "verbose must be true or false, not a string",
        ),
        (
            "/conversations/conv_123abc/messages",
            json!({"content": "Hi", "llm_id": 4}),
            "llm_id must be a string, not integer `4`",
        ),
    ]
}

fn invalid_agents_and_images() -> Vec<InvalidRequest> {
    let agent = |field: &str, value: Value| {
        let mut agent = json!({"name": "Ada", "sd_model_id": "sd_model_456abc"});
        agent[field] = value;
        agent
    };
    let age = "age must be a whole number of 18 or more";
    vec![
        ("/agents", json!({"sd_model_id": "sd_model_456abc"}), "name is required"),
        ("/agents", json!({"name": "Ada"}), "sd_model_id is required"),
        ("/agents", agent("name", json!("")), "name must not be empty"),
        (
            "/agents",
            agent("description", json!(1)),
            "description must be a string, not integer `1`",
        ),
        ("/agents", agent("age", json!(17)), age),
        ("/agents", agent("age", json!(0)), age),
        ("/agents", agent("age", json!(-35)), age),
        ("/agents", agent("age", json!(17.0)), age),
        ("/agents", agent("age", json!(35.5)), age),
        ("/agents", agent("age", json!("35")), age),
        ("/agents", agent("age", json!(true)), age),
        ("/images", json!({"sd_model_id": "sd_model_456abc"}), "prompt is required"),
        ("/images", json!({"prompt": "A hill"}), "sd_model_id is required"),
        (
            "/images",
            json!({"prompt": " \n", "sd_model_id": "sd_model_456abc"}),
            "prompt must not be empty",
        ),
        (
            "/images",
            json!({"prompt": {}, "sd_model_id": "sd_model_456abc"}),
            "prompt must be a string, not an object",
        ),
    ]
}

#[tokio::test]
async fn a_wrong_field_is_400_that_names_it_and_what_is_wrong() {
    let app = TestApp::start().await;
    for (path, body, said) in invalid_texts().into_iter().chain(invalid_agents_and_images()) {
        assert_eq!(
            app.characters().post(path, &body).await.error_message(400),
            said,
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn a_field_given_twice_is_400() {
    let app = TestApp::start().await;
    let body = r#"{"prompt": "a", "prompt": "b", "sd_model_id": "sd_model_456abc"}"#;
    let error =
        app.characters().post_text("/images", body).deliberately_invalid().await.error_message(400);
    assert_eq!(error, "prompt is given more than once");
}

#[tokio::test]
async fn null_stands_for_an_optional_field_that_is_not_given() {
    let app = TestApp::start().await;
    let conversation = json!({"title": "T", "llm_id": "model_abc123", "system_prompt": null,
        "agent_id": null, "messages": null});
    let made = app.characters().create_conversation(&conversation).await.created();
    assert_eq!((&made["system_prompt"], &made["agent_id"]), (&json!(""), &Value::Null));
    let agent = json!({"name": "Ada", "sd_model_id": "sd_model_456abc", "age": null,
        "appearance_prompt": null, "personality_prompt": null, "description": null});
    assert_eq!(app.characters().create_agent(&agent).await.created()["appearance_prompt"], "");
    let image = json!({"prompt": "x", "sd_model_id": "sd_model_456abc", "conversation_id": null});
    app.characters().create_image(&image).await.created();
    let say = json!({"content": "Hi", "llm_id": null, "verbose": null});
    app.characters().post("/conversations/conv_123abc/messages", &say).await.created();
}

/// A right body for each route, with a field that is not documented, and that field's path.
fn with_an_unknown_field() -> [(&'static str, Value, &'static str); 7] {
    [
        (
            "/completions",
            json!({"messages": [{"role": "user", "content": "Hi"}],
            "llm_id": "model_abc123", "temperature": 1}),
            "temperature",
        ),
        (
            "/completions",
            json!({"messages": [{"role": "user", "content": "Hi", "name": "Ada"}],
            "llm_id": "model_abc123"}),
            "messages[0].name",
        ),
        (
            "/conversations",
            json!({"title": "T", "llm_id": "model_abc123", "pinned": true}),
            "pinned",
        ),
        (
            "/conversations",
            json!({"title": "T", "llm_id": "model_abc123", "messages":
            [{"role": "user", "content": "a"}, {"role": "agent", "content": "b", "id": "m"}]}),
            "messages[1].id",
        ),
        (
            "/conversations/conv_123abc/messages",
            json!({"content": "Hi", "stream": false}),
            "stream",
        ),
        (
            "/agents",
            json!({"name": "Ada", "sd_model_id": "sd_model_456abc", "gender": "f"}),
            "gender",
        ),
        ("/images", json!({"prompt": "A hill", "sd_model_id": "sd_model_456abc", "n": 2}), "n"),
    ]
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let app = TestApp::start().await;
    for (path, body, _) in with_an_unknown_field() {
        let answer = app.characters().post(path, &body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn unknown_fields_are_named_and_refused_when_strict() {
    let strict = |config: &mut mynah::config::Config| {
        config.strictness = mynah::http::extract::Strictness::Strict;
    };
    let app = TestApp::with(strict).await;
    for (path, mut body, field) in with_an_unknown_field() {
        let error =
            app.characters().post(path, &body).deliberately_invalid().await.error_message(400);
        assert_eq!(error, format!("{field} is not a documented field"));
        let top = body.as_object_mut().unwrap();
        top.shift_remove(field);
        if let Some(messages) = top.get_mut("messages").and_then(Value::as_array_mut) {
            for message in messages {
                message
                    .as_object_mut()
                    .unwrap()
                    .retain(|key, _| ["role", "content"].contains(&key.as_str()));
            }
        }
        let answer = app.characters().post(path, &body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_500_says_only_internal_error_and_is_not_charged() {
    let rule = "[[rule]]\nreply = [{ text = '{{ 1 / 0 }}' }]";
    let app = TestApp::with_character_rules(rule).await;
    let conversation = json!({"title": "T", "llm_id": "model_other"});
    let id = app.characters().create_conversation(&conversation).await.created_id();
    let path = format!("/conversations/{id}/messages");
    let say = json!({"content": "Hi"});
    let request = app.characters().request(Method::POST, &path).json(&say);
    let answer = request.send_expecting_5xx().await;
    assert_eq!(answer.error_message(500), "Internal error");
    assert_eq!(app.balance("demo").await, 1_000_000);
    assert!(app.characters().get(&path).await.array().is_empty());
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let app = TestApp::start().await;
    let own = |answer: &TestResponse| {
        let id = answer.header("x-request-id").expect("a request id").to_owned();
        let random = id.strip_prefix("req_").expect("req_…").to_owned();
        assert!(random.len() == 20 && random.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        id
    };
    let mut seen = std::collections::HashSet::new();
    let answers = [
        app.characters().list_agents().await,
        app.characters().get_agent("nobody").await,
        app.characters().get("/nothing").await,
        app.characters().post_text("/images", "{").await,
        app.characters_as("broke_api_key").create_image(&image()).await,
        app.characters_as("sk-nobody").list_agents().await,
        app.request(Method::GET, "/api/v1/agents").await,
        app.request(Method::GET, "/images/nothing.png").await,
    ];
    for answer in &answers {
        assert!(seen.insert(own(answer)), "each id is its own");
    }
}

#[tokio::test]
async fn a_clients_own_request_id_is_kept_if_it_is_a_visible_one() {
    let app = TestApp::start().await;
    let answered = async |id: &str| {
        let request = app.characters().request(Method::GET, "/agents").header("x-request-id", id);
        request.await.header("x-request-id").unwrap().to_owned()
    };
    for id in ["x", "trace/7:~!", &"y".repeat(128)] {
        assert_eq!(answered(id).await, *id);
    }
    for id in ["", "two words", &"y".repeat(129)] {
        assert!(answered(id).await.starts_with("req_"), "{id}");
    }
}

#[tokio::test]
async fn browsers_may_read_answers_and_their_headers() {
    let app = TestApp::start().await;
    let exposed = [
        "x-request-id",
        "retry-after",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ];
    for (key, path) in [(BEARER, "/agents"), (BEARER, "/agents/nobody"), ("sk-nobody", "/agents")] {
        let request = app.characters_as(key).request(Method::GET, path);
        let answer = request.header("origin", "https://app.example").await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let shown = answer.header("access-control-expose-headers").unwrap().to_lowercase();
        for name in exposed {
            assert!(shown.split(',').any(|shown| shown.trim() == name), "{name}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_preflight_needs_no_key_and_allows_the_headers_it_names() {
    let app = TestApp::start().await;
    for _ in 0..20 {
        let request = app.request(Method::OPTIONS, "/api/v1/completions");
        let answer = request
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-mine")
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let named = answer.header("access-control-allow-headers").unwrap();
        assert_eq!(named, "authorization,content-type,x-mine");
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(methods.contains("GET") && methods.contains("POST"), "{methods}");
        assert_eq!(answer.header("x-ratelimit-limit"), None);
    }
}

#[tokio::test]
async fn no_answer_shows_what_is_inside() {
    let app = TestApp::start().await;
    let nasty =
        ["'; DROP TABLE images; --", "../../etc/passwd", "%00", "%ff", "a%2fb", "\u{1f600}"];
    for id in nasty {
        for path in [format!("/conversations/{id}"), format!("/agents/{id}")] {
            let answer = app.characters().get(&path).await;
            answer.error_message(404);
            for leak in ["SELECT", "sqlx", "src/", ".rs", "panicked", BEARER] {
                assert!(!answer.body.contains(leak), "{}", answer.body);
            }
        }
    }
}

fn image() -> Value {
    json!({"prompt": "A hill", "sd_model_id": "sd_model_456abc"})
}
