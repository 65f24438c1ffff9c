//! Every sample of the Runner API's documents, sent as printed and answered as printed.
//!
//! What a sample leaves open (ids, times, fields that only the further documentation knows) is
//! taken aside by name, so that nothing else can differ. Comments inside printed bodies
//! (`// Optional`) are the documents' own, and are not sent.

use serde_json::{Value, json};

use crate::support::raw::{RawConnection, StreamEvent, chunk};
use crate::support::{CONVERSATION, DEPLOYMENT, KEY, TestApp, continue_body, without_fields};

/// What a conversation answer has besides what the samples print (notes.md, "Content and
/// variables").
const FURTHER: [&str; 4] = ["model", "request_id", "created_at", "updated_at"];

/// Takes the conversation's id out of an answer, where it is a UUID of version 4.
fn take_conversation_id(answer: &mut Value) -> String {
    let id = answer.as_object_mut().unwrap().shift_remove("conversation_id").unwrap();
    let id = id.as_str().unwrap().to_owned();
    let uuid: uuid::Uuid = id.parse().unwrap();
    assert_eq!((uuid.get_version_num(), id.len()), (4, 36));
    id
}

// --- runner-overview.txt -------------------------------------------------------------------------

/// runner-overview.txt, "Standard API": the curl command, byte by byte.
#[tokio::test]
async fn overview_standard_api() {
    let app = TestApp::start().await;
    let body =
        "{\n\"content\": [{\n\"type\": \"text\",\n\"text\": \"Your input message here.\"\n}]\n}";
    let mut raw = RawConnection::connect(app.address).await;
    let head = format!(
        "POST /v1/runner/YOUR_DEPLOYMENT_ID HTTP/1.1\r\nHost: {}\r\nUser-Agent: curl/8.5.0\r\n\
         Accept: */*\r\nContent-Type: application/json\r\nx-api-key: YOUR_API_KEY\r\n\
         Content-Length: {}\r\n\r\n",
        app.address,
        body.len()
    );
    raw.send(format!("{head}{body}").as_bytes()).await;
    let (status, _, body) = raw.response().await;
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        without_fields(answer, &["request_id"]),
        json!({
            "content": "Your AI-generated response here...",
            "model": "deepseek-chat",
            "output_tokens": 123,
            "input_tokens": 456,
        })
    );
}

/// runner-overview.txt, "Authentication".
#[tokio::test]
async fn overview_authentication() {
    let app = TestApp::start().await;
    let path = format!("/v1/runner/{DEPLOYMENT}");
    let request = || app.request(reqwest::Method::POST, &path).json(&hello());
    request().header("x-api-key", "YOUR_API_KEY").await.good();
    assert_eq!(request().await.status, 401);
}

fn hello() -> Value {
    json!({ "content": [{ "type": "text", "text": "Hello" }] })
}

/// runner-overview.txt, "Streaming API": `streamResponse(prompt)`, which reads to the end.
#[tokio::test]
async fn overview_streaming_api() {
    let app = TestApp::start().await;
    let prompt = "Your input message here.";
    let body = json!({ "content": [{ "type": "text", "text": prompt }] });
    let chunks = app.stream("/v1/runner/YOUR_DEPLOYMENT_ID/stream", &body).await;
    assert_eq!(chunks, ["Your ", "AI-generated ", "response ", "here..."]);
}

/// runner-overview.txt, "Conversation API", "Step 1: Start Your Conversation".
#[tokio::test]
async fn overview_start_your_conversation() {
    let app = TestApp::start().await;
    let body = json!({
        "content": [{ "type": "text", "text": "Hello! I need help with my order." }],
        "variables": { "customer_name": "John" }
    });
    let answer = app.post("/v1/runner/YOUR_DEPLOYMENT_ID/conversation", &body).await.good();
    let mut answer = without_fields(without_fields(answer, &FURTHER), &["name"]);
    take_conversation_id(&mut answer);
    assert_eq!(
        answer,
        json!({
            "content": "Hi John! I'd be happy to help. What can I assist you with?",
            "input_tokens": 45,
            "output_tokens": 23,
        })
    );
}

/// runner-overview.txt, "Conversation API", "Step 2: Continue the Conversation", on the
/// conversation that the documents print.
#[tokio::test]
async fn overview_continue_the_conversation() {
    let app = TestApp::start().await;
    let body = json!({
        "conversation_id": "550e8400-e29b-41d4-a716-446655440000",
        "content": [{ "type": "text", "text": "I want to track order #12345" }],
        "history_limit": 5
    });
    let chunks = app.stream("/v1/runner/YOUR_DEPLOYMENT_ID/conversation/stream", &body).await;
    assert_eq!(chunks[0], "Your ");
    assert!(chunks.contains(&"days.\n\n".to_owned()), "line breaks are right: {chunks:?}");
    let messages = app.runner().messages(CONVERSATION).await;
    assert_eq!(messages[2]["content"], "I want to track order #12345");
    assert_eq!(messages[3]["content"], chunks.concat());
}

/// runner-overview.txt, "How It Works": start, then continue with the id that came back.
#[tokio::test]
async fn overview_how_it_works() {
    let app = TestApp::start().await;
    let id = app
        .runner()
        .start_conversation(DEPLOYMENT, "Hello! I need help with my order.")
        .await
        .conversation_id();
    let body = continue_body(&id, "I want to track order #12345");
    let path = "/v1/runner/YOUR_DEPLOYMENT_ID/conversation/stream";
    assert!(!app.stream(path, &body).await.is_empty());
    assert_eq!(app.runner().messages(&id).await.len(), 4);
}

/// runner-overview.txt, "Multimodal Requests": all three APIs take it.
#[tokio::test]
async fn overview_multimodal_requests() {
    let app = TestApp::start().await;
    let body = json!({
        "content": [
            { "type": "text", "text": "Analyze this image and video." },
            {
                "type": "image",
                "mime_type": "image/jpeg",
                "file_uri": "https://example.com/image.jpg"
            },
            {
                "type": "video",
                "mime_type": "video/mp4",
                "file_uri": "https://example.com/video.mp4"
            }
        ]
    });
    let run = app.post("/v1/runner/YOUR_DEPLOYMENT_ID", &body).await.good();
    let text = run["content"].as_str().unwrap();
    assert!(text.contains("image") && text.contains("video"), "{text}");
    let streamed = app.stream("/v1/runner/YOUR_DEPLOYMENT_ID/stream", &body).await;
    assert_eq!(streamed.concat(), text);
    let said = app.post("/v1/runner/YOUR_DEPLOYMENT_ID/conversation", &body).await.good();
    assert_eq!(said["content"], text);
}

/// Sends one part through run, stream, conversation and conversation/stream, and reads it back.
async fn taken_everywhere(part: Value) {
    let app = TestApp::start().await;
    let body = json!({ "content": [part] });
    let text = app.post("/v1/runner/YOUR_DEPLOYMENT_ID", &body).await.good()["content"].take();
    let streamed = app.stream("/v1/runner/YOUR_DEPLOYMENT_ID/stream", &body).await;
    assert_eq!(streamed.concat(), text.as_str().unwrap());
    let path = "/v1/runner/YOUR_DEPLOYMENT_ID/conversation";
    let mut answer = app.post(path, &body).await.good();
    assert_eq!(answer["content"], text);
    let id = take_conversation_id(&mut answer);
    let mut further = body.clone();
    further["conversation_id"] = json!(id);
    app.stream(&format!("{path}/stream"), &further).await;
    let messages = app.runner().messages(&id).await;
    let kept = if part["type"] == "text" { part["text"].clone() } else { json!([part]) };
    assert_eq!((&messages[0]["content"], &messages[2]["content"]), (&kept, &kept));
}

/// runner-overview.txt, "Content Types", "Text".
#[tokio::test]
async fn overview_content_type_text() {
    taken_everywhere(json!({ "type": "text", "text": "Your text content here" })).await;
}

/// runner-overview.txt, "Content Types", "Image".
#[tokio::test]
async fn overview_content_type_image() {
    taken_everywhere(json!({
        "type": "image",
        "mime_type": "image/jpeg",
        "file_uri": "https://example.com/image.jpg"
    }))
    .await;
}

/// runner-overview.txt, "Content Types", "Video".
#[tokio::test]
async fn overview_content_type_video() {
    taken_everywhere(json!({
        "type": "video",
        "mime_type": "video/mp4",
        "file_uri": "https://example.com/video.mp4"
    }))
    .await;
}

/// runner-overview.txt, "Content Types", "Audio".
#[tokio::test]
async fn overview_content_type_audio() {
    taken_everywhere(json!({
        "type": "audio",
        "mime_type": "audio/mp3",
        "file_uri": "https://example.com/audio.mp3"
    }))
    .await;
}

/// runner-overview.txt, "Content Types", "PDF / Documents".
#[tokio::test]
async fn overview_content_type_document() {
    taken_everywhere(json!({
        "type": "url",
        "mime_type": "application/pdf",
        "file_uri": "https://example.com/document.pdf"
    }))
    .await;
}

// --- runner-conversation-rest.txt ----------------------------------------------------------------

/// runner-conversation-rest.txt, "POST …/conversation", "Example request" and "Example response".
#[tokio::test]
async fn rest_start_a_conversation() {
    let app = TestApp::start().await;
    let body = json!({
        "content": [{ "type": "text", "text": "Hi, I need help with billing." }]
    });
    let answer = app.post("/v1/runner/YOUR_DEPLOYMENT_ID/conversation", &body).await.good();
    let mut answer = without_fields(answer, &FURTHER);
    take_conversation_id(&mut answer);
    assert_eq!(
        answer,
        json!({
            "name": "Billing support",
            "content": "Sure. I can help with billing.",
            "input_tokens": 14,
            "output_tokens": 20,
        })
    );
}

/// runner-conversation-rest.txt, "POST …/conversation/stream", "Example request": `curl -N`.
#[tokio::test]
async fn rest_continue_in_a_stream() {
    let app = TestApp::start().await;
    let body = json!({
        "conversation_id": "550e8400-e29b-41d4-a716-446655440000",
        "content": [{ "type": "text", "text": "Please summarize in 2 bullets." }],
        "history_limit": 5
    });
    let mut raw = RawConnection::connect(app.address).await;
    raw.post("/v1/runner/YOUR_DEPLOYMENT_ID/conversation/stream", &body).await;
    let (status, headers) = raw.head().await;
    assert_eq!(status, 200);
    assert!(headers.contains(&"content-type: text/plain; charset=utf-8".to_owned()));
    assert_eq!(raw.next_event().await, chunk("- "));
    assert_eq!(raw.next_event().await, chunk("You "));
    let mut text = "- You ".to_owned();
    while let StreamEvent::Chunk(chunk) = raw.next_event().await {
        text.push_str(&chunk);
    }
    assert_eq!(text.lines().filter(|line| line.starts_with("- ")).count(), 2, "{text}");
}

/// runner-conversation-rest.txt, "GET …/messages", "Example response".
#[tokio::test]
async fn rest_messages() {
    let app = TestApp::start().await;
    let path = format!("/v1/runner/conversation/{CONVERSATION}/messages");
    assert_eq!(app.get(&path).await.good(), printed_messages());
}

fn printed_messages() -> Value {
    json!({
        "items": [
            {
                "id": "msg_1",
                "role": "user",
                "content": "Hi",
                "created_at": "2026-03-24T09:00:00Z"
            },
            {
                "id": "msg_2",
                "role": "assistant",
                "content": "Hello! How can I help?",
                "created_at": "2026-03-24T09:00:02Z"
            }
        ],
        "total": 2,
        "page": 1,
        "page_size": 20,
        "has_more": false
    })
}

/// runner-conversation-rest.txt, "GET /v1/runner/conversations", "Example response".
#[tokio::test]
async fn rest_conversations() {
    let app = TestApp::start().await;
    let answer = app.get("/v1/runner/conversations").await.good();
    assert_eq!(without_counts(answer), printed_conversations());
}

/// Takes away what only the further documentation has (notes.md, "Conversations").
fn without_counts(mut list: Value) -> Value {
    for item in list["items"].as_array_mut().unwrap() {
        *item = without_fields(item.take(), &["message_count"]);
    }
    list
}

fn printed_conversations() -> Value {
    json!({
        "items": [
            {
                "id": "550e8400-e29b-41d4-a716-446655440000",
                "name": "Billing support",
                "meta": {
                    "userId": "user_123",
                    "projectId": "project_456"
                },
                "created_at": "2026-03-24T09:00:00Z",
                "updated_at": "2026-03-24T09:01:00Z"
            }
        ],
        "total": 1,
        "page": 1,
        "page_size": 20,
        "has_more": false
    })
}

/// runner-conversation-rest.txt, "What is meta?": attached at the start, and used for filtering.
#[tokio::test]
async fn rest_what_is_meta() {
    let app = TestApp::start().await;
    let meta = json!({
        "userId": "user_123",
        "projectId": "project_456",
        "source": "web-chat"
    });
    let body = json!({
        "content": [{ "type": "text", "text": "Hi, I need help with billing." }],
        "meta": meta
    });
    app.post("/v1/runner/YOUR_DEPLOYMENT_ID/conversation", &body).await.good();
    let list = app.get("/v1/runner/conversations?source=web-chat").await.good();
    assert_eq!((&list["total"], &list["items"][0]["meta"]), (&json!(1), &meta));
}

// --- runner-conversation-sdk.txt -----------------------------------------------------------------

/// Sends a GET as the SDK does: `Content-Type` included (notes.md, "Conversations").
async fn sdk_get(app: &TestApp, path: &str) -> Value {
    let request = app.request(reqwest::Method::GET, path).key(KEY);
    request.header("content-type", "application/json").await.good()
}

/// runner-conversation-sdk.txt, "SDK surface": `conversation.start()`, then `run` and `stream`.
#[tokio::test]
async fn sdk_start_run_and_stream() {
    let app = TestApp::start().await;
    let path = "/v1/runner/YOUR_DEPLOYMENT_ID/conversation";
    let first = json!({ "content": [{ "type": "text", "text": "Hello" }] });
    let mut answer = app.post(path, &first).await.good();
    assert_eq!(answer["content"], "Hello! How can I help?");
    let id = take_conversation_id(&mut answer);
    let further = json!({
        "conversation_id": id,
        "content": [{ "type": "text", "text": "Hello" }],
    });
    let chunks = app.stream(&format!("{path}/stream"), &further).await;
    assert_eq!(chunks, ["Hello! ", "How ", "can ", "I ", "help?"]);
}

/// runner-conversation-sdk.txt, "conversation.run(options)": the first message, with `variables`
/// and `meta`; then a continuation with `historyLimit: 10`.
#[tokio::test]
async fn sdk_conversation_run() {
    let app = TestApp::start().await;
    let path = "/v1/runner/YOUR_DEPLOYMENT_ID/conversation";
    let first = json!({
        "content": [{ "type": "text", "text": "Hello" }],
        "variables": { "CUSTOMER_TIER": "pro" },
        "meta": { "userId": "user_123" },
    });
    let mut answer = app.post(path, &first).await.good();
    let id = take_conversation_id(&mut answer);
    assert_eq!(answer["name"], "Hello");
    let further = json!({
        "conversation_id": id,
        "content": [{ "type": "text", "text": "Hello" }],
        "history_limit": 10,
    });
    let answer = app.post(path, &further).await.good();
    assert_eq!(
        (&answer["conversation_id"], &answer["content"]),
        (&json!(id), &json!("Hello! How can I help?"))
    );
}

/// runner-conversation-sdk.txt, "conversation.run(options) / conversation.stream(options)":
/// `historyLimit` in a stream.
#[tokio::test]
async fn sdk_conversation_stream() {
    let app = TestApp::start().await;
    let body = json!({
        "conversation_id": CONVERSATION,
        "content": [{ "type": "text", "text": "Hello" }],
        "history_limit": 10,
    });
    let chunks = app.stream("/v1/runner/YOUR_DEPLOYMENT_ID/conversation/stream", &body).await;
    assert_eq!(chunks.concat(), "Hello! How can I help?");
}

/// runner-conversation-sdk.txt, "conversation.loadMessages(options)": `page` and `page_size`
/// always, and a `Content-Type`.
#[tokio::test]
async fn sdk_load_messages() {
    let app = TestApp::start().await;
    let path = format!("/v1/runner/conversation/{CONVERSATION}/messages?page=1&page_size=20");
    assert_eq!(sdk_get(&app, &path).await, printed_messages());
}

/// runner-conversation-sdk.txt, `conversation.start("conv_existing_123")`: an id need not be a
/// UUID for a saved conversation to be resumed and its messages loaded.
#[tokio::test]
async fn sdk_resume_an_existing_conversation() {
    let conversation = r#"
        [[conversation]]
        id = "conv_existing_123"
        deployment = "YOUR_DEPLOYMENT_ID"
        name = "Existing"
        created_at = 2026-03-24T09:00:00Z
        updated_at = 2026-03-24T09:00:00Z
    "#;
    let app = TestApp::with_rules(conversation).await;
    app.runner()
        .continue_conversation(DEPLOYMENT, "conv_existing_123", "Hello")
        .undocumented()
        .await
        .good();
    let path = "/v1/runner/conversation/conv_existing_123/messages?page=1&page_size=20";
    assert_eq!(sdk_get(&app, path).await["total"], 2);
}

/// runner-conversation-sdk.txt, "conversation.list(options)": the deployment's list, with the
/// values of the meta filters as text (notes.md, "Conversations").
#[tokio::test]
async fn sdk_conversation_list() {
    let app = TestApp::start().await;
    let path = "/v1/runner/YOUR_DEPLOYMENT_ID/conversations?page=1&page_size=20";
    assert_eq!(without_counts(sdk_get(&app, path).await), printed_conversations());
    let body = json!({
        "content": [{ "type": "text", "text": "Hello" }],
        "meta": { "userId": "user_123", "channel": "web-chat" },
    });
    app.post("/v1/runner/YOUR_DEPLOYMENT_ID/conversation", &body).await.good();
    let filtered = format!("{path}&userId=user_123&channel=web-chat");
    let list = sdk_get(&app, &filtered).await;
    assert_eq!((&list["total"], &list["items"][0]["meta"]), (&json!(1), &body["meta"]));
}

/// runner-conversation-sdk.txt, "conversation.abort()": the SDK closes the connection, and the
/// server goes on serving.
#[tokio::test]
async fn sdk_conversation_abort() {
    let app = TestApp::with(|config| config.pace = std::time::Duration::from_hours(1)).await;
    let mut raw = RawConnection::connect(app.address).await;
    let body = continue_body(CONVERSATION, "Hello");
    raw.post("/v1/runner/YOUR_DEPLOYMENT_ID/conversation/stream", &body).await;
    assert_eq!(raw.head().await.0, 200);
    drop(raw);
    sdk_get(&app, "/v1/runner/conversations").await;
}

/// runner-conversation-sdk.txt, "Error notes": "content must be a non-empty array".
#[tokio::test]
async fn sdk_error_notes_content() {
    let app = TestApp::start().await;
    let path = "/v1/runner/YOUR_DEPLOYMENT_ID/conversation";
    let said =
        app.post(path, &json!({ "content": [] })).await.invalid_request("empty_array", "content");
    assert_eq!(said, "content must be a non-empty array");
}

/// runner-conversation-sdk.txt, "Error notes": "variables and meta are rejected on continuation
/// calls".
#[tokio::test]
async fn sdk_error_notes_continuation() {
    let app = TestApp::start().await;
    for field in ["variables", "meta"] {
        let mut body = continue_body(CONVERSATION, "Hello");
        body[field] = json!({ "userId": "user_123" });
        for path in ["conversation", "conversation/stream"] {
            let path = format!("/v1/runner/YOUR_DEPLOYMENT_ID/{path}");
            app.post(&path, &body).await.invalid_request("not_allowed", field);
        }
    }
}
