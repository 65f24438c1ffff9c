//! Effects on streams.

use serde_json::{Value, json};

use super::{
    CONVERSATION_STREAM, HOUR, STREAM, add_effect, delete_faults, open_stream, post_with_client,
};
use crate::support::raw::{RawConnection, StreamEvent, chunk};
use crate::support::{ECHO, KEY, TestApp, continue_body, text_body};

/// A conversation, and both streams that say `one two three` in answer.
async fn streams(app: &TestApp) -> (String, [(&'static str, Value); 2]) {
    let id = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    let text = "one two three";
    let both = [(STREAM, text_body(text)), (CONVERSATION_STREAM, continue_body(&id, text))];
    (id, both)
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_broken_for_every_client() {
    let app = TestApp::start().await;
    let (id, streams) = streams(&app).await;
    add_effect(&app, json!({ "break_after": 2 })).await;
    for (path, body) in &streams {
        let mut raw = open_stream(&app, path, body).await;
        assert_eq!(raw.next_event().await, chunk("one "));
        assert_eq!(raw.next_event().await, chunk("two "));
        assert_eq!(raw.next_event().await, StreamEvent::Broken);
        let mut response = post_with_client(&app, path, body).await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "one ");
        assert_eq!(response.chunk().await.unwrap().unwrap(), "two ");
        assert!(response.chunk().await.is_err());
    }
    app.streamed_turns_stored().await;
    let messages = app.runner().messages(&id).await;
    assert_eq!(messages.len(), 6);
    for answer in [&messages[3], &messages[5]] {
        assert_eq!(answer["content"], "one two ");
        assert_eq!(answer["metadata"], json!({"finish_reason": "aborted"}));
    }
}

/// What a client of HTTP/1.0 has of a stream, and how the connection ended.
async fn streamed_to_http_1_0(app: &TestApp) -> (String, std::io::Result<()>) {
    let body = text_body("one two three").to_string();
    let mut raw = RawConnection::connect(app.address).await;
    let head = format!(
        "POST {STREAM} HTTP/1.0\r\nx-api-key: {KEY}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    raw.send(head.as_bytes()).await;
    let (status, headers) = raw.head().await;
    assert_eq!(status, 200);
    assert!(!headers.iter().any(|line| line.starts_with("transfer-encoding")), "{headers:?}");
    raw.read_until_closed().await
}

/// HTTP/1.0 has no chunks, so a clean close would make a whole stream of half of one.
#[tokio::test]
async fn a_stream_that_breaks_off_is_a_reset_for_clients_of_http_1_0() {
    let app = TestApp::start().await;
    let (text, end) = streamed_to_http_1_0(&app).await;
    assert_eq!(text, "one two three");
    end.expect("a whole stream ends in a clean close");
    for (act, text) in [
        (json!({"break_after": 2}), "one two "),
        (json!({"break_after": 0}), ""),
        (json!({"drop": "after_commit"}), "one two three"),
    ] {
        add_effect(&app, act.clone()).await;
        let (got, end) = streamed_to_http_1_0(&app).await;
        assert_eq!(got, text, "{act}");
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "{act}");
        delete_faults(&app).await;
    }
    add_effect(&app, json!({"end_after": 1})).await;
    let (text, end) = streamed_to_http_1_0(&app).await;
    assert_eq!(text, "one ");
    end.expect("this fault ends it cleanly");
}

#[tokio::test]
async fn a_stream_can_break_off_before_its_first_word() {
    let app = TestApp::start().await;
    add_effect(&app, json!({ "break_after": 0 })).await;
    let mut raw = app.runner().open_stream(ECHO, "one two").await;
    assert_eq!(raw.next_event().await, StreamEvent::Broken);
}

#[tokio::test]
async fn a_stream_that_ends_early_ends_cleanly() {
    let app = TestApp::start().await;
    let (id, streams) = streams(&app).await;
    add_effect(&app, json!({ "end_after": 2 })).await;
    for (path, body) in &streams {
        assert_eq!(app.stream(path, body).await, ["one ", "two "]);
        assert_eq!(
            post_with_client(&app, path, body).await.unwrap().text().await.unwrap(),
            "one two "
        );
    }
    app.streamed_turns_stored().await;
    let messages = app.runner().messages(&id).await;
    assert_eq!(messages.len(), 6);
    assert_eq!(messages[3]["content"], "one two ");
    assert_eq!(messages[3]["metadata"], json!({"finish_reason": "aborted"}));
}

#[tokio::test]
async fn a_stream_shorter_than_its_fault_is_left_alone() {
    let app = TestApp::start().await;
    for name in ["break_after", "end_after", "stall_after", "repeat_chunk"] {
        add_effect(&app, json!({ name: 4 })).await;
        assert_eq!(app.runner().stream(ECHO, "one two three").await, ["one ", "two ", "three"]);
        delete_faults(&app).await;
    }
}

#[tokio::test]
async fn a_stream_stalls_until_the_client_leaves_or_an_hour_has_passed() {
    let app = TestApp::start().await;
    let (id, streams) = streams(&app).await;
    add_effect(&app, json!({ "stall_after": 2 })).await;
    for (path, body) in &streams {
        let mut raw = open_stream(&app, path, body).await;
        assert_eq!(raw.next_event().await, chunk("one "));
        assert_eq!(raw.next_event().await, chunk("two "));
        assert!(app.is_silent(&mut raw).await);
        app.clock("demo").advance(HOUR);
        assert_eq!(raw.next_event().await, chunk("three"));
        assert_eq!(raw.next_event().await, StreamEvent::End);
        let mut raw = open_stream(&app, path, body).await;
        assert_eq!(raw.next_event().await, chunk("one "));
        assert_eq!(raw.next_event().await, chunk("two "));
    }
    app.streamed_turns_stored().await;
    let messages = app.runner().messages(&id).await;
    assert_eq!(messages.len(), 6);
    assert_eq!(
        (&messages[3]["content"], messages[3].get("metadata")),
        (&json!("one two three"), None)
    );
    assert_eq!(messages[5]["content"], "one two ");
    assert_eq!(messages[5]["metadata"], json!({"finish_reason": "aborted"}));
}

#[tokio::test]
async fn a_slow_stream_waits_before_each_further_word() {
    let app = TestApp::start().await;
    let (_, streams) = streams(&app).await;
    add_effect(&app, json!({ "pace_ms": 3_600_000 })).await;
    for (path, body) in &streams {
        let mut raw = open_stream(&app, path, body).await;
        assert_eq!(raw.next_event().await, chunk("one "));
        for word in ["two ", "three"] {
            assert!(app.is_silent(&mut raw).await);
            app.clock("demo").advance(HOUR);
            assert_eq!(raw.next_event().await, chunk(word));
        }
        app.clock("demo").advance(HOUR);
        app.settle().await;
        app.clock("demo").advance(HOUR);
        assert_eq!(raw.next_event().await, StreamEvent::End);
    }
}

#[tokio::test]
async fn one_advance_passes_over_all_waits_of_a_request() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    add_effect(&app, json!({ "delay_ms": 3_600_000, "pace_ms": 7_200_000 })).await;
    let mut raw = RawConnection::connect(app.address).await;
    raw.post(STREAM, &text_body("one two three")).await;
    app.settle().await;
    // An hour of delay; before each further word two hours of the fault and one of the pace.
    app.clock("demo").advance(HOUR * 7 + HOUR / 2);
    raw.head().await;
    assert_eq!(raw.next_event().await, chunk("one "));
    assert_eq!(raw.next_event().await, chunk("two "));
    assert_eq!(raw.next_event().await, chunk("three"));
    assert!(app.is_silent(&mut raw).await, "the end waits, too");
    app.clock("demo").advance(HOUR * 3 / 2);
    assert_eq!(raw.next_event().await, StreamEvent::End);
}

#[tokio::test]
async fn a_chunk_can_come_twice_and_is_stored_once() {
    let app = TestApp::start().await;
    let (id, streams) = streams(&app).await;
    add_effect(&app, json!({ "repeat_chunk": 2 })).await;
    for (path, body) in &streams {
        assert_eq!(app.stream(path, body).await, ["one ", "two ", "two ", "three"]);
    }
    assert_eq!(app.runner().messages(&id).await[3]["content"], "one two three");
}

#[tokio::test]
async fn a_chunk_can_end_inside_a_character() {
    let app = TestApp::start().await;
    add_effect(&app, json!({ "split_character": true })).await;
    let text = "plain caf\u{e9}s \u{1f469}\u{4e16} end";
    let mut response = post_with_client(&app, STREAM, &text_body(text)).await.unwrap();
    let mut chunks = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        chunks.push(chunk.to_vec());
    }
    let expected: [&[u8]; 6] =
        [b"plain ", b"caf\xc3", b"\xa9s ", b"\xf0", b"\x9f\x91\xa9\xe4\xb8\x96 ", b"end"];
    assert_eq!(chunks, expected);
    assert_eq!(chunks.concat(), text.as_bytes());
}
