//! What whoever runs the server sees of it: its log, and its end.

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::binary::{Binary, command, file_url};
use crate::support::raw::{RawConnection, StreamEvent, chunk};
use crate::support::text_body;

// The log.

/// Sends texts and keys that the log must not contain; returns the log lines of the requests.
async fn send_secrets(server: &mut Binary) -> Vec<String> {
    let body = text_body("sesame in the body");
    let run = server.post("/v1/runner/ECHO_DEPLOYMENT_ID", &body).send().await.unwrap();
    assert_eq!(run.status(), 200);
    let mut lines = vec![server.request_line().await];
    let url = server.url("/v1/runner/ECHO_DEPLOYMENT_ID/conversation?note=sesame");
    let unknown = server.client.post(url).header("x-api-key", "sesame").json(&body);
    assert_eq!(unknown.send().await.unwrap().status(), 401);
    lines.push(server.request_line().await);
    let nowhere = server.client.get(server.url("/sesame")).send().await.unwrap();
    assert_eq!(nowhere.status(), 404);
    lines.push(server.request_line().await);
    lines
}

#[tokio::test]
async fn the_log_has_one_line_a_request_with_what_one_asks_for_and_no_secrets() {
    let mut server = Binary::start(&["--log", "trace"]).await;
    let mut lines = send_secrets(&mut server).await;
    for (line, parts) in lines.iter().zip([
        ["method=POST", r#"route="/v1/runner/{deployment_id}""#, "status=200", r#"account="demo""#],
        [
            "method=POST",
            r#"route="/v1/runner/{deployment_id}/conversation""#,
            "status=401",
            r#"account="-""#,
        ],
        ["method=GET", r#"route="-""#, "status=404", r#"account="-""#],
    ]) {
        for part in parts.into_iter().chain(["latency_us=", r#"request_id="req_"#]) {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
    lines.extend(server.stop().await);
    for line in lines {
        assert!(!line.contains("sesame") && !line.contains("YOUR_API_KEY"), "{line}");
        assert!(!line.contains('\u{1b}'), "no colours where no terminal is: {line}");
    }
}

#[tokio::test]
async fn the_log_in_json_has_the_same_fields() {
    let mut server = Binary::start(&["--log-format", "json"]).await;
    let lines = send_secrets(&mut server).await;
    for (line, (method, route, status, account)) in lines.iter().zip([
        ("POST", "/v1/runner/{deployment_id}", 200, "demo"),
        ("POST", "/v1/runner/{deployment_id}/conversation", 401, "-"),
        ("GET", "-", 404, "-"),
    ]) {
        let said: Value = serde_json::from_str(line).unwrap();
        let wanted = json!([method, route, status, account]);
        assert_eq!(json!([said["method"], said["route"], said["status"], said["account"]]), wanted);
        assert!(said["latency_us"].is_u64(), "{line}");
        assert!(said["request_id"].as_str().unwrap().starts_with("req_"), "{line}");
        assert!(!line.contains("sesame") && !line.contains("YOUR_API_KEY"), "{line}");
    }
}

#[tokio::test]
async fn a_request_whose_client_leaves_before_the_answer_has_its_line() {
    let mut server = Binary::start(&[]).await;
    let mut raw = RawConnection::connect(server.address).await;
    // The body never comes to its end.
    raw.send(
        b"POST /v1/runner/ECHO_DEPLOYMENT_ID HTTP/1.1\r\nhost: mynah\r\nx-api-key: YOUR_API_KEY\r\n\
          content-type: application/json\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n",
    )
    .await;
    let (status, _) = raw.head().await;
    assert_eq!(status, 100, "the server waits for the body");
    drop(raw);
    let line = server.request_line().await;
    assert!(line.contains("status=4"), "{line}");
    assert!(line.contains(r#"route="/v1/runner/{deployment_id}""#), "{line}");
}

/// A field of a line of the log in JSON.
fn field<'l>(line: &'l Value, name: &str) -> &'l Value {
    line.get(name).unwrap_or_else(|| panic!("{name} in {line}"))
}

#[tokio::test]
async fn a_streams_line_is_written_at_its_end_with_how_long_it_took_and_how_it_ended() {
    let mut server = Binary::start(&["--log-format", "json", "--pace", "20"]).await;
    let stream = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";
    let faults = server.url("/_mynah/accounts/demo/faults");

    let mut raw = RawConnection::connect(server.address).await;
    raw.post(stream, &text_body("one two three")).await;
    assert_eq!(raw.stream().await, ["one ", "two ", "three"]);
    let whole: Value = serde_json::from_str(&server.request_line().await).unwrap();
    assert_eq!((field(&whole, "status"), field(&whole, "end")), (&json!(200), &json!("whole")));
    assert_eq!((field(&whole, "chunks"), field(&whole, "bytes")), (&json!(3), &json!(13)));
    let [latency, duration] =
        ["latency_us", "duration_us"].map(|name| field(&whole, name).as_u64().unwrap());
    assert!(duration >= 40_000 && latency < duration, "two pauses of 20 ms: {whole}");

    let fault = json!({"times": 1, "effect": {"break_after": 1}});
    server.client.post(&faults).json(&fault).send().await.unwrap();
    server.request_line().await;
    raw.post(stream, &text_body("one two three")).await;
    assert_eq!(raw.head().await.0, 200);
    let broken: Value = serde_json::from_str(&server.request_line().await).unwrap();
    assert_eq!((field(&broken, "end"), field(&broken, "bytes")), (&json!("broken"), &json!(4)));

    let fault = json!({"times": 1, "effect": {"stall_after": 1}});
    server.client.post(&faults).json(&fault).send().await.unwrap();
    server.request_line().await;
    let mut raw = RawConnection::connect(server.address).await;
    raw.post(stream, &text_body("one two three")).await;
    assert_eq!(raw.head().await.0, 200);
    assert_eq!(raw.next_event().await, chunk("one "));
    drop(raw);
    let left: Value = serde_json::from_str(&server.request_line().await).unwrap();
    assert_eq!((field(&left, "end"), field(&left, "chunks")), (&json!("client_left"), &json!(1)));

    server.run_echo("in one piece").await;
    let whole: Value = serde_json::from_str(&server.request_line().await).unwrap();
    assert_eq!(whole.get("end"), None, "only streams have an end: {whole}");
    assert!(server.stop().await.iter().all(|line| !line.contains("request_id")), "a line each");
}

#[tokio::test]
async fn what_was_asked_for_and_what_clients_do_wrong_is_no_error_of_the_server() {
    let server = Binary::start(&["--log", "error"]).await;
    let faults = server.url("/_mynah/accounts/demo/faults");
    for effect in [
        json!({"status": 500}),
        json!({"drop": "before_answer"}),
        json!({"break_after": 1}),
        json!({"body": "malformed"}),
    ] {
        let fault = json!({"times": 1, "effect": effect});
        server.client.post(&faults).json(&fault).send().await.unwrap();
        let path = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";
        let path = if fault["effect"].get("body").is_some() { &path[..29] } else { path };
        if let Ok(answer) = server.post(path, &text_body("one two")).send().await {
            let _ = answer.text().await;
        }
    }
    let reset = server.url("/_mynah/accounts/demo/reset");
    let (server, _, raw) = {
        let fault = json!({"times": 1, "effect": {"stall_after": 1}});
        server.client.post(&faults).json(&fault).send().await.unwrap();
        begin_stream(server, "one two three").await
    };
    server.client.post(reset).json(&json!({})).send().await.unwrap();
    drop(raw);
    server.post("/v1/runner/ECHO_DEPLOYMENT_ID", &json!({})).send().await.unwrap();
    server.run_echo("and then all is well").await;
    let lines = server.stop().await;
    assert!(lines.iter().all(|line| !line.contains("ERROR")), "{lines:?}");
}

#[tokio::test]
async fn a_log_that_is_no_longer_read_does_not_affect_the_server() {
    let mut command = command(&["--port", "0", "--database", "sqlite::memory:"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stderr(writer);
    let server = Binary::spawn(command).await;
    for _ in 0..3 {
        assert_eq!(server.run_echo("hello").await["content"], "hello");
    }
}

// The end.

const STREAM: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/conversation/stream";

/// A server on `file`, a conversation in it, and a stream that has begun to answer `text`.
async fn streaming(
    file: &std::path::Path,
    pace: &str,
    text: &str,
) -> (Binary, String, RawConnection) {
    let server = Binary::on_file(file, &["--pace", pace]).await;
    begin_stream(server, text).await
}

async fn begin_stream(server: Binary, text: &str) -> (Binary, String, RawConnection) {
    let id = server.echo_conversation(None, "hello").await["conversation_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut body = text_body(text);
    body["conversation_id"] = json!(id);
    let mut raw = RawConnection::connect(server.address).await;
    raw.post(STREAM, &body).await;
    assert_eq!(raw.head().await.0, 200);
    assert_eq!(raw.next_event().await, chunk("one "));
    (server, id, raw)
}

/// Waits until the server has begun to stop.
async fn stopping(server: &mut Binary) {
    while !server.log_line().await.contains("stopping") {}
}

async fn ends_well_in_the_middle_of_a_stream(signal: Signal) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept.db");
    let (mut server, id, mut raw) = streaming(&file, "40", "one two three four").await;
    let address = server.address;
    server.signal(signal);
    stopping(&mut server).await;
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    for word in ["two ", "three ", "four"] {
        assert_eq!(raw.next_event().await, StreamEvent::Chunk(word.to_owned()));
    }
    assert_eq!(raw.next_event().await, StreamEvent::End);
    let (status, lines) = server.wait_for_exit().await;
    assert_eq!(status.code(), Some(0), "{lines:?}");

    let server = Binary::on_file(&file, &[]).await;
    let messages = server.messages(&id).await;
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[3]["content"], "one two three four");
    assert_eq!(messages[3].get("metadata"), None, "it was not cut off");
}

#[tokio::test]
async fn sigterm_lets_a_stream_finish_takes_no_new_connections_and_ends_with_0() {
    ends_well_in_the_middle_of_a_stream(Signal::TERM).await;
}

#[tokio::test]
async fn sigint_does_the_same() {
    ends_well_in_the_middle_of_a_stream(Signal::INT).await;
}

#[tokio::test]
async fn a_stream_that_takes_longer_than_grace_is_cut_off_and_stored_as_aborted() {
    const AN_HOUR: &str = "3600000";
    let folder = tempfile::tempdir().unwrap();
    for (file, by_variable) in [("flag.db", false), ("variable.db", true)] {
        let file = folder.path().join(file);
        let url = file_url(&file);
        let mut command = command(&["--port", "0", "--pace", AN_HOUR, "--database", &url]);
        if by_variable {
            command.env("MYNAH_GRACE", "0");
        } else {
            command.args(["--grace", "1"]);
        }
        let (server, id, mut raw) =
            begin_stream(Binary::spawn(command).await, "one two three").await;
        server.signal(Signal::TERM);
        assert_eq!(raw.next_event().await, StreamEvent::Broken, "no clean end");
        let (status, lines) = server.wait_for_exit().await;
        assert_eq!(status.code(), Some(0), "{lines:?}");

        let server = Binary::on_file(&file, &[]).await;
        let messages = server.messages(&id).await;
        assert_eq!(messages.len(), 4);
        assert_eq!(messages[2]["content"], "one two three");
        assert_eq!(messages[3]["content"], "one ");
        assert_eq!(messages[3]["metadata"], json!({"finish_reason": "aborted"}));
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let mut server = Binary::start(&["--grace", "3600"]).await;
    let silent = RawConnection::connect(server.address).await;
    // The client keeps this connection for its next request.
    server.run_echo("hello").await;
    server.request_line().await;
    server.stop().await;
    drop(silent);
}
