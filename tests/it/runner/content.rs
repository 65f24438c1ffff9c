//! Runner API, "Content": what `content` may be, and what is said of it when it is not.

use serde_json::{Value, json};

use crate::support::{CONVERSATION, DEPLOYMENT, ECHO, TestApp, continue_body};

const IMAGE: &str = "https://example.com/image.jpg";

fn image() -> Value {
    json!({"type": "image", "mime_type": "image/jpeg", "file_uri": IMAGE})
}

/// Bodies with a wrong `content`: the code and the path that name what is wrong.
fn wrong_contents() -> Vec<(Value, &'static str, &'static str)> {
    let content = |parts: Value| json!({ "content": parts });
    let text = |text: Value| json!({"type": "text", "text": text});
    let file = |field: &str, value: Value| {
        let mut image = image();
        image[field] = value;
        content(json!([text(json!("Hi")), image]))
    };
    let lacking = |field: &str| {
        let mut image = image();
        image.as_object_mut().unwrap().remove(field);
        content(json!([text(json!("Hi")), image]))
    };
    vec![
        (json!({}), "missing_required_field", "content"),
        (content(json!([])), "empty_array", "content"),
        (content(json!(null)), "invalid_type", "content"),
        (content(json!("Hi")), "invalid_type", "content"),
        (content(json!(5)), "invalid_type", "content"),
        (content(json!({"type": "text", "text": "Hi"})), "invalid_type", "content"),
        (content(json!(["Hi"])), "invalid_type", "content[0]"),
        (content(json!([null])), "invalid_type", "content[0]"),
        (content(json!([["text", "Hi"]])), "invalid_type", "content[0]"),
        (content(json!([{}])), "missing_required_field", "content[0].type"),
        (content(json!([{"text": "Hi"}])), "missing_required_field", "content[0].type"),
        (content(json!([{"type": 5}])), "invalid_type", "content[0].type"),
        (content(json!([{"type": "gif"}])), "invalid_value", "content[0].type"),
        (content(json!([{"type": "Text", "text": "Hi"}])), "invalid_value", "content[0].type"),
        (content(json!([{"type": ""}])), "invalid_value", "content[0].type"),
        (content(json!([image(), {"type": "file"}])), "invalid_value", "content[1].type"),
        (content(json!([{"type": "text"}])), "missing_required_field", "content[0].text"),
        (content(json!([text(json!(null))])), "missing_required_field", "content[0].text"),
        (content(json!([text(json!(5))])), "invalid_type", "content[0].text"),
        (content(json!([text(json!(["Hi"]))])), "invalid_type", "content[0].text"),
        (content(json!([text(json!(""))])), "invalid_value", "content[0].text"),
        (lacking("mime_type"), "missing_required_field", "content[1].mime_type"),
        (lacking("file_uri"), "missing_required_field", "content[1].file_uri"),
        (file("mime_type", json!(5)), "invalid_type", "content[1].mime_type"),
        (file("file_uri", json!({})), "invalid_type", "content[1].file_uri"),
        (file("mime_type", json!("")), "invalid_value", "content[1].mime_type"),
        (file("mime_type", json!("image")), "invalid_value", "content[1].mime_type"),
        (file("mime_type", json!("image/")), "invalid_value", "content[1].mime_type"),
        (file("mime_type", json!("/jpeg")), "invalid_value", "content[1].mime_type"),
        (file("mime_type", json!("a/b/c")), "invalid_value", "content[1].mime_type"),
        (file("mime_type", json!("image /jpeg")), "invalid_value", "content[1].mime_type"),
        (file("file_uri", json!("")), "invalid_value", "content[1].file_uri"),
        (file("file_uri", json!("image.jpg")), "invalid_value", "content[1].file_uri"),
        (file("file_uri", json!("/image.jpg")), "invalid_value", "content[1].file_uri"),
        (file("file_uri", json!("//e.org/a.jpg")), "invalid_value", "content[1].file_uri"),
        (file("file_uri", json!("ftp://e.org/a.jpg")), "invalid_value", "content[1].file_uri"),
        (file("file_uri", json!("file:///etc/passwd")), "invalid_value", "content[1].file_uri"),
        (file("file_uri", json!("https://")), "invalid_value", "content[1].file_uri"),
        (file("file_uri", json!("data:image/png")), "invalid_value", "content[1].file_uri"),
    ]
}

#[tokio::test]
async fn a_wrong_content_is_named_by_param_and_code_in_run_and_stream() {
    let app = TestApp::start().await;
    for (body, code, param) in wrong_contents() {
        for rest in ["", "/stream"] {
            let answer = app.post(&format!("/v1/runner/{DEPLOYMENT}{rest}"), &body).await;
            let message = answer.invalid_request(code, param);
            assert!(message.contains(param), "{message} names {param}");
        }
    }
}

#[tokio::test]
async fn a_wrong_content_is_named_by_param_and_code_in_conversations() {
    let app = TestApp::start().await;
    for (mut body, code, param) in wrong_contents() {
        let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
        app.post(&path, &body).await.invalid_request(code, param);
        body["conversation_id"] = json!(CONVERSATION);
        app.post(&path, &body).await.invalid_request(code, param);
        app.post(&format!("{path}/stream"), &body).await.invalid_request(code, param);
    }
    assert_eq!(app.runner().messages(CONVERSATION).await.len(), 2, "nothing is stored");
    assert_eq!(app.runner().conversation_ids("").await.len(), 1);
}

#[tokio::test]
async fn every_type_takes_what_the_documents_give_it() {
    let app = TestApp::start().await;
    for (kind, mime_type) in [
        ("image", "image/jpeg"),
        ("video", "video/mp4"),
        ("audio", "audio/mp3"),
        ("url", "application/pdf"),
    ] {
        let part = json!({"type": kind, "mime_type": mime_type, "file_uri": IMAGE});
        let answer = app.runner().run(ECHO, json!({"content": [part]})).await;
        assert_eq!(answer.good()["content"], format!("[{kind} {mime_type} {IMAGE}]"));
    }
}

#[tokio::test]
async fn text_may_be_empty_beside_another_part() {
    let app = TestApp::start().await;
    let empty = json!({"type": "text", "text": ""});
    for content in [json!([empty, image()]), json!([image(), empty]), json!([empty, empty])] {
        let body = json!({ "content": content });
        app.runner().run(DEPLOYMENT, &body).await.good();
    }
}

#[tokio::test]
async fn mime_types_and_file_uris_of_every_allowed_form_are_taken() {
    let app = TestApp::start().await;
    for mime_type in ["image/svg+xml", "application/vnd.ms-excel", "text/plain; charset=utf-8"] {
        let mut part = image();
        part["mime_type"] = json!(mime_type);
        let body = json!({ "content": [part] });
        app.runner().run(DEPLOYMENT, &body).await.good();
    }
    for file_uri in [
        "http://example.com/a.jpg",
        "https://example.com:8443/a%20b.jpg?size=2#top",
        "HTTPS://EXAMPLE.COM/A.JPG",
        "gs://bucket/folder/a.jpg",
        "data:image/png;base64,iVBORw0KGgo=",
        "data:,Hello",
    ] {
        let mut part = image();
        part["file_uri"] = json!(file_uri);
        let body = json!({ "content": [part] });
        app.runner().run(DEPLOYMENT, &body).await.good();
    }
}

/// The name does not resolve, and nobody listens on the port: whoever fetched them would fail.
#[tokio::test]
async fn files_are_never_fetched() {
    let app = TestApp::start().await;
    for file_uri in ["http://nowhere.invalid/a.jpg", "http://127.0.0.1:1/a.jpg"] {
        let mut part = image();
        part["file_uri"] = json!(file_uri);
        let body = json!({ "content": [part] });
        app.runner().run(DEPLOYMENT, &body).await.good();
    }
}

#[tokio::test]
async fn parts_are_kept_in_order_and_to_the_letter() {
    let app = TestApp::start().await;
    let content = json!([
        {"type": "text", "text": " Look:\u{0}\r\n\u{1f469}\u{200d}\u{1f467} \u{202e}"},
        image(),
        {"type": "text", "text": "and \"this\" \\ that"},
        {"type": "url", "mime_type": "application/pdf", "file_uri": "https://e.org/%C3%A9.pdf?a=b"},
    ]);
    let mut body = continue_body(CONVERSATION, "");
    body["content"] = content.clone();
    app.runner().start_conversation(DEPLOYMENT, &body).await.good();
    assert_eq!(app.runner().messages(CONVERSATION).await[2]["content"], content);
}
