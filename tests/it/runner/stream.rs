//! Runner API, streams: what travels in which chunk, when, and what becomes of a stream that is
//! cut short on either side.

use std::time::Duration;

use mynah::clock::Stopwatch;
use mynah::config::Config;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::support::raw::{RawConnection, StreamEvent, chunk};
use crate::support::{DEPLOYMENT, ECHO, KEY, TestApp, client, continue_body, text_body};

const HOUR: Duration = Duration::from_hours(1);

/// A conversation on the echo deployment.
async fn echo_conversation(app: &TestApp) -> String {
    app.runner().start_conversation(ECHO, "Hi").await.conversation_id()
}

fn echo_path() -> String {
    format!("/v1/runner/{ECHO}/conversation/stream")
}

// --- chunks --------------------------------------------------------------------------------------

#[tokio::test]
async fn a_word_and_the_white_space_that_follows_it_are_one_chunk_at_pace_0_too() {
    let app = TestApp::start().await;
    let path = format!("/v1/runner/{ECHO}/stream");
    for (text, chunks) in [
        ("Hi  John!\n\nHow are\tyou?", vec!["Hi  ", "John!\n\n", "How ", "are\t", "you?"]),
        ("  leading and trailing \n", vec!["  leading ", "and ", "trailing \n"]),
        ("one", vec!["one"]),
        (" \n ", vec![" \n "]),
        ("wide\u{3000}space and\u{a0}none", vec!["wide\u{3000}", "space ", "and\u{a0}", "none"]),
    ] {
        assert_eq!(app.stream(&path, &text_body(text)).await, chunks);
    }
}

#[tokio::test]
async fn a_conversations_stream_is_cut_in_the_same_way() {
    let app = TestApp::start().await;
    let id = echo_conversation(&app).await;
    let chunks = app.runner().stream_conversation(ECHO, &id, "one  two\nthree").await;
    assert_eq!(chunks, ["one  ", "two\n", "three"]);
}

#[tokio::test]
async fn no_chunk_splits_a_character() {
    let app = TestApp::start().await;
    let path = format!("/v1/runner/{ECHO}/stream");
    // Longer than any buffer on the way; `RawConnection` reads each chunk as UTF-8 of its own.
    let long = "\u{1f469}\u{200d}\u{1f467}é世".repeat(20_000);
    let chunks = app.stream(&path, &text_body(&format!("{long} {long}"))).await;
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks.concat(), format!("{long} {long}"));
}

#[test]
fn the_chunks_joined_are_the_text_for_any_unicode() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::start());
    let path = format!("/v1/runner/{ECHO}/stream");
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() };
    let texts = prop_oneof!["\\PC{1,40}", "[a-zé世 \n\t\r\u{2003}]{1,60}", any::<String>()];
    let texts = texts.prop_filter("text alone may not be empty", |text| !text.is_empty());
    let outcome = TestRunner::new(config).run(&texts, |text| {
        let chunks = runtime.block_on(app.stream(&path, &text_body(&text)));
        prop_assert_eq!(chunks.concat(), text.clone());
        let words: Vec<&str> = mynah::domain::words::split(&text).collect();
        prop_assert_eq!(chunks, words);
        Ok(())
    });
    outcome.unwrap();
    runtime.block_on(app.stop());
}

#[tokio::test]
async fn the_chunks_joined_are_the_text_of_the_run() {
    let app = TestApp::start().await;
    for text in ["Your input message here.", "Tell me a story.", "Hi", "I want to track order 7"] {
        let run = app.runner().run(DEPLOYMENT, text).await.good();
        let chunks = app.runner().stream(DEPLOYMENT, text).await;
        assert_eq!(run["content"], chunks.concat());
        assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
    }
}

#[tokio::test]
async fn a_stream_is_plain_text_chunked_not_stored_and_not_buffered() {
    let app = TestApp::start().await;
    for path in [format!("/v1/runner/{DEPLOYMENT}/stream"), echo_path()] {
        let mut raw = RawConnection::connect(app.address).await;
        let body = continue_body(&echo_conversation(&app).await, "Hi");
        let headers = format!(
            "x-api-key: {KEY}\r\ncontent-type: application/json\r\naccept-encoding: gzip, br\r\n"
        );
        raw.request("POST", &path, &headers, &body.to_string()).await;
        let (status, headers) = raw.head().await;
        assert_eq!(status, 200);
        for line in [
            "content-type: text/plain; charset=utf-8",
            "transfer-encoding: chunked",
            "cache-control: no-store",
            "x-accel-buffering: no",
        ] {
            assert!(headers.contains(&line.to_owned()), "{line} in {headers:?}");
        }
        for name in ["content-encoding:", "content-length:"] {
            assert!(!headers.iter().any(|line| line.starts_with(name)), "{headers:?}");
        }
    }
}

#[tokio::test]
async fn an_empty_answer_is_a_stream_without_a_chunk() {
    let app = TestApp::with_rules("[[rule]]\nreply = [{ text = \"\" }]").await;
    let id = app.runner().start_conversation(DEPLOYMENT, "Hi").await.conversation_id();
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation/stream");
    assert!(app.stream(&path, &continue_body(&id, "Hi")).await.is_empty());
    assert_eq!(app.runner().messages(&id).await[3]["content"], "");
}

#[tokio::test]
async fn what_is_wrong_before_the_first_word_is_an_ordinary_error_answer() {
    let app = TestApp::start().await;
    let echo_conversation = echo_conversation(&app).await;
    let at = |rest: &str| format!("/v1/runner/{DEPLOYMENT}{rest}");
    for (path, body, status) in [
        (at("/stream"), json!({}), 400),
        (at("/conversation/stream"), text_body("Hi"), 400),
        (at("/conversation/stream"), continue_body("nowhere", "Hi"), 404),
        (at("/conversation/stream"), continue_body(&echo_conversation, "Hi"), 409),
        ("/v1/runner/OTHER_DEPLOYMENT_ID/stream".to_owned(), text_body("Hi"), 403),
    ] {
        let mut raw = RawConnection::connect(app.address).await;
        raw.post(&path, &body).await;
        let (answered, headers, text) = raw.response().await;
        assert_eq!(answered, status);
        assert!(headers.contains(&"content-type: application/json".to_owned()));
        assert!(serde_json::from_str::<Value>(&text).unwrap()["error"].is_object());
    }
}

// --- pace ----------------------------------------------------------------------------------------

#[tokio::test]
async fn the_first_word_comes_at_once_and_each_further_one_after_the_pace() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    let clock = app.clock("demo");
    for (path, id) in [
        (format!("/v1/runner/{ECHO}/stream"), String::new()),
        (echo_path(), echo_conversation(&app).await),
    ] {
        let mut raw = RawConnection::connect(app.address).await;
        raw.post(&path, &continue_body(&id, "one two three")).await;
        assert_eq!(raw.head().await.0, 200);
        assert_eq!(raw.next_event().await, chunk("one "));
        for (word, next) in [("one", "two "), ("two", "three")] {
            assert!(app.is_silent(&mut raw).await, "after {word}");
            clock.advance(HOUR / 2);
            assert!(app.is_silent(&mut raw).await, "half an hour after {word}");
            clock.advance(HOUR / 2);
            assert_eq!(raw.next_event().await, chunk(next));
        }
        assert_eq!(raw.next_event().await, StreamEvent::End);
    }
}

/// Without `TCP_NODELAY` a chunk waits until the one before it is acknowledged, and a client that
/// has nothing to send acknowledges after 40 ms. Half of the streams may take longer, and none of
/// them would be as fast as the bound.
#[tokio::test]
async fn at_pace_0_no_chunk_waits_for_the_acknowledgement_of_the_one_before() {
    const STREAMS: usize = 41;
    let app = TestApp::start().await;
    let path = format!("/v1/runner/{ECHO}/stream");
    // One connection: the system acknowledges the first packets of a new one at once.
    let mut raw = RawConnection::connect(app.address).await;
    let mut took = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        let stopwatch = Stopwatch::start();
        raw.post(&path, &text_body("one two three four")).await;
        assert_eq!(raw.stream().await.len(), 4);
        took.push(stopwatch.elapsed());
    }
    took.sort_unstable();
    assert!(took[STREAMS / 2] < Duration::from_millis(30), "{took:?}");
}

#[tokio::test]
async fn an_answer_in_one_piece_does_not_wait_for_the_pace() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    app.runner().run(ECHO, "one two three").await.good();
    let id = echo_conversation(&app).await;
    app.runner().continue_conversation(ECHO, &id, "one two three").await.good();
}

#[tokio::test]
async fn an_advance_past_the_end_of_a_stream_ends_it_at_once() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    let words: Vec<String> = (0..40).map(|nth| format!("word{nth} ")).collect();
    for (path, id) in [
        (format!("/v1/runner/{ECHO}/stream"), String::new()),
        (echo_path(), echo_conversation(&app).await),
    ] {
        let mut raw = RawConnection::connect(app.address).await;
        raw.post(&path, &continue_body(&id, &words.concat())).await;
        raw.head().await;
        assert_eq!(raw.next_event().await, chunk("word0 "));
        // Whether or not the next wait has begun by now.
        app.clock("demo").advance(39 * HOUR);
        for word in &words[1..] {
            assert_eq!(raw.next_event().await, chunk(word));
        }
        assert_eq!(raw.next_event().await, StreamEvent::End);
    }
}

#[tokio::test]
async fn an_advance_gives_the_words_that_are_due_by_then_and_no_others() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    let mut raw = app.runner().open_stream(ECHO, "one two three four five").await;
    assert_eq!(raw.next_event().await, chunk("one "));
    app.clock("demo").advance(2 * HOUR + HOUR / 2);
    assert_eq!(raw.next_event().await, chunk("two "));
    assert_eq!(raw.next_event().await, chunk("three "));
    assert!(app.is_silent(&mut raw).await);
    app.clock("demo").advance(HOUR / 2);
    assert_eq!(raw.next_event().await, chunk("four "));
    assert!(app.is_silent(&mut raw).await);
}

#[tokio::test]
async fn a_rule_may_set_its_own_pace() {
    let rules = r#"
        [[rule]]
        when = { contains = "slow" }
        reply = [{ text = "one two", pace = { first_ms = 1000, word_ms = 2000 } }]

        [[rule]]
        reply = [{ text = "one two", pace = { word_ms = 0 } }]
    "#;
    let app = TestApp::with_rules_and(rules, |config: &mut Config| config.pace = HOUR).await;
    let path = format!("/v1/runner/{DEPLOYMENT}/stream");
    assert_eq!(app.stream(&path, &text_body("fast")).await, ["one ", "two"]);
    let mut raw = RawConnection::connect(app.address).await;
    raw.post(&path, &text_body("slow")).await;
    // The wait before the first word is a wait before the head or after it; nothing else is said.
    app.settle().await;
    let clock = app.clock("demo");
    clock.advance(Duration::from_secs(1));
    assert_eq!(raw.head().await.0, 200);
    assert_eq!(raw.next_event().await, chunk("one "));
    assert!(app.is_silent(&mut raw).await);
    clock.advance(Duration::from_secs(2));
    assert_eq!(raw.next_event().await, chunk("two"));
}

// --- clients that go away ------------------------------------------------------------------------

#[tokio::test]
async fn when_the_client_goes_away_the_turn_is_stored_with_the_words_it_was_sent() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    let id = echo_conversation(&app).await;
    let mut raw = app.runner().open_conversation_stream(ECHO, &id, "one  two three").await;
    assert_eq!(raw.next_event().await, chunk("one  "));
    app.settle().await;
    app.clock("demo").advance(HOUR);
    assert_eq!(raw.next_event().await, chunk("two "));
    assert_eq!(app.runner().messages(&id).await.len(), 2, "nothing is stored before the end");
    drop(raw);
    app.streamed_turns_stored().await;
    let messages = app.runner().messages(&id).await;
    assert_eq!(messages.len(), 4);
    assert_eq!(
        (&messages[2]["role"], &messages[2]["content"]),
        (&json!("user"), &json!("one  two three"))
    );
    assert_eq!(
        (&messages[3]["role"], &messages[3]["content"]),
        (&json!("assistant"), &json!("one  two "))
    );
    assert_eq!(messages[3]["metadata"], json!({"finish_reason": "aborted"}));
    for complete in &messages[..3] {
        assert_eq!(complete.get("metadata"), None);
    }
    let list = app.runner().list_conversations("").await.good();
    assert_eq!(
        (&list["items"][0]["id"], &list["items"][0]["message_count"]),
        (&json!(id), &json!(4))
    );
}

#[tokio::test]
async fn a_conversation_goes_on_after_an_aborted_turn() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    let id = echo_conversation(&app).await;
    let mut raw = app.runner().open_conversation_stream(ECHO, &id, "one two").await;
    assert_eq!(raw.next_event().await, chunk("one "));
    drop(raw);
    app.streamed_turns_stored().await;
    app.runner().continue_conversation(ECHO, &id, "three").await.good();
    let messages = app.runner().messages(&id).await;
    let texts: Vec<&Value> = messages.iter().map(|message| &message["content"]).collect();
    assert_eq!(texts, ["Hi", "Hi", "one two", "one ", "three", "three"]);
    assert_eq!(messages[5].get("metadata"), None);
}

/// An answer that went on being made would keep the server busy for hours of its clock, and
/// stopping would wait for it.
#[tokio::test]
async fn when_the_client_goes_away_generation_stops_at_once() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    let mut raw = app.runner().open_stream(ECHO, "one two three").await;
    assert_eq!(raw.next_event().await, chunk("one "));
    drop(raw);
    let stopped = tokio::time::timeout(Duration::from_secs(8), app.stop()).await;
    assert!(stopped.is_ok(), "the server waits for a stream that nobody reads");
}

// --- ends and faults -----------------------------------------------------------------------------

#[tokio::test]
async fn who_saw_the_end_of_a_stream_can_rely_on_the_turn() {
    let app = TestApp::start().await;
    let id = echo_conversation(&app).await;
    for turn in 2..20 {
        app.runner().stream_conversation(ECHO, &id, "one two").await;
        assert_eq!(app.runner().messages(&id).await.len(), 2 * turn);
    }
}

/// A server whose database is a file, and a second connection to it.
async fn with_a_file() -> (TestApp, sqlx::SqliteConnection, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    let app = TestApp::with(|config| {
        config.pace = HOUR;
        config.database.clone_from(&url);
    })
    .await;
    let other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    (app, other, folder)
}

/// Streams two words, and is asked to give the second one.
async fn at_the_second_word(app: &TestApp, id: &str) -> RawConnection {
    let mut raw = app.runner().open_conversation_stream(ECHO, id, "one two").await;
    assert_eq!(raw.next_event().await, chunk("one "));
    app.settle().await;
    raw
}

#[tokio::test]
async fn the_turn_is_stored_before_the_clean_end_is_sent() {
    let (app, mut other, _folder) = with_a_file().await;
    let id = echo_conversation(&app).await;
    let mut raw = at_the_second_word(&app, &id).await;
    // Somebody else holds the database: nothing can be stored for now.
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    app.clock("demo").advance(HOUR);
    assert_eq!(raw.next_event().await, chunk("two"));
    for _ in 0..10 {
        assert!(app.is_silent(&mut raw).await, "the end came before the turn was stored");
    }
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(raw.next_event().await, StreamEvent::End);
    assert_eq!(app.runner().messages(&id).await.len(), 4);
}

#[tokio::test]
async fn a_fault_after_the_first_word_breaks_the_connection_visibly() {
    let (app, mut other, _folder) = with_a_file().await;
    let id = echo_conversation(&app).await;
    let mut raw = at_the_second_word(&app, &id).await;
    sqlx::query("DELETE FROM conversations").execute(&mut other).await.unwrap();
    app.clock("demo").advance(HOUR);
    assert_eq!(raw.next_event().await, chunk("two"));
    assert_eq!(raw.next_event().await, StreamEvent::Broken);
}

#[tokio::test]
async fn a_client_library_sees_a_broken_stream_as_an_error() {
    let (app, mut other, _folder) = with_a_file().await;
    let id = echo_conversation(&app).await;
    let request = client().request(Method::POST, app.url(&echo_path()));
    let request = request.header("x-api-key", KEY).json(&continue_body(&id, "one two"));
    let mut response = request.send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "one ");
    sqlx::query("DELETE FROM conversations").execute(&mut other).await.unwrap();
    app.settle().await;
    app.clock("demo").advance(HOUR);
    assert_eq!(response.chunk().await.unwrap().unwrap(), "two");
    assert!(response.chunk().await.is_err());
}
