//! Runner API, lists: messages, conversations of an account and of a deployment, pages, filters.

use std::fmt::Write as _;
use std::time::Duration;

use mynah::http::apis::runner::MessageContent;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::runner::conversation_ids;
use crate::support::{
    CONVERSATION, DEPLOYMENT, ECHO, JSON, KEY, PUBLIC, TestApp, continue_body, text_body,
};

const ALL: &str = "/v1/runner/conversations";

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What a list says of itself: `total`, `page`, `page_size`, `has_more`, and how many it gives.
fn described(list: &Value) -> (u64, u64, u64, bool, usize) {
    (
        list["total"].as_u64().unwrap(),
        list["page"].as_u64().unwrap(),
        list["page_size"].as_u64().unwrap(),
        list["has_more"].as_bool().unwrap(),
        list["items"].as_array().unwrap().len(),
    )
}

/// Every list there is.
fn lists() -> [String; 3] {
    [
        format!("/v1/runner/conversation/{CONVERSATION}/messages"),
        ALL.to_owned(),
        format!("/v1/runner/{DEPLOYMENT}/conversations"),
    ]
}

// --- pages ---------------------------------------------------------------------------------------

#[tokio::test]
async fn a_page_has_items_total_page_page_size_and_has_more() {
    let app = TestApp::start().await;
    for path in lists() {
        let list = app.get(&path).await.good();
        assert_eq!(keys(&list), ["items", "total", "page", "page_size", "has_more"]);
        let total = if path.ends_with("messages") { 2 } else { 1 };
        assert_eq!((&list["page"], &list["page_size"]), (&json!(1), &json!(20)), "{path}");
        assert_eq!((&list["total"], &list["has_more"]), (&json!(total), &json!(false)));
    }
}

#[tokio::test]
async fn pages_are_counted_from_1_and_hold_1_to_100_items() {
    let app = TestApp::start().await;
    for path in lists() {
        for (query, param) in [
            ("page=0", "page"),
            ("page=-1", "page"),
            ("page=1.5", "page"),
            ("page=x", "page"),
            ("page=", "page"),
            ("page=%201", "page"),
            ("page=1&page=2", "page"),
            ("page_size=0", "page_size"),
            ("page_size=101", "page_size"),
            ("page_size=-5", "page_size"),
            ("page_size=ten", "page_size"),
            ("page_size", "page_size"),
            ("page_size=99999999999999999999", "page_size"),
        ] {
            let answer = app.get(&format!("{path}?{query}")).await;
            let message = answer.invalid_request("invalid_value", param);
            assert!(message.contains(param), "{message}");
        }
        for size in [1, 100] {
            let list = app.get(&format!("{path}?page_size={size}")).await.good();
            assert_eq!(list["page_size"], size);
        }
    }
}

#[tokio::test]
async fn a_page_past_the_end_is_empty() {
    let app = TestApp::start().await;
    for path in lists() {
        let total = app.get(&path).await.good()["total"].as_u64().unwrap();
        for page in [3, 1000, u64::MAX] {
            let list = app.get(&format!("{path}?page={page}&page_size=1")).await.good();
            assert_eq!(described(&list), (total, page, 1, false, 0));
        }
        // Further than any number reaches.
        let list = app.get(&format!("{path}?page=99999999999999999999999")).await.good();
        assert_eq!(list["items"], json!([]));
    }
}

/// Reads a list page by page, and holds what each page says to what a list of so many has.
async fn read_in_pages(app: &TestApp, path: &str, page_size: u64, total: u64) -> Vec<Value> {
    let mut items = Vec::new();
    for page in 1.. {
        let list = app.get(&format!("{path}page={page}&page_size={page_size}")).await.good();
        let left = total.saturating_sub((page - 1) * page_size);
        let here = usize::try_from(left.min(page_size)).unwrap();
        let more = left > page_size;
        assert_eq!(described(&list), (total, page, page_size, more, here));
        items.extend(list["items"].as_array().unwrap().clone());
        if !more {
            return items;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn the_pages_joined_are_the_whole_list_whatever_their_size() {
    let app = TestApp::start().await;
    for turn in 2..=12 {
        app.runner()
            .continue_conversation(DEPLOYMENT, CONVERSATION, &turn.to_string())
            .await
            .good();
        app.runner().start_conversation(ECHO, &turn.to_string()).await.conversation_id();
    }
    let messages = format!("/v1/runner/conversation/{CONVERSATION}/messages?");
    let whole_messages = app.runner().messages(CONVERSATION).await;
    let whole_list = read_in_pages(&app, &format!("{ALL}?"), 100, 12).await;
    for page_size in 1..=25 {
        assert_eq!(read_in_pages(&app, &messages, page_size, 24).await, whole_messages);
        assert_eq!(read_in_pages(&app, &format!("{ALL}?"), page_size, 12).await, whole_list);
    }
}

// --- messages ------------------------------------------------------------------------------------

#[tokio::test]
async fn messages_come_oldest_first_with_id_role_content_and_time() {
    let app = TestApp::start().await;
    for text in ["one", "two", "three"] {
        app.runner().continue_conversation(DEPLOYMENT, CONVERSATION, text).await.good();
    }
    let messages = app.runner().messages(CONVERSATION).await;
    assert_eq!(messages.len(), 8);
    for (index, message) in messages.iter().enumerate() {
        assert_eq!(keys(message), ["id", "role", "content", "created_at"]);
        assert_eq!(message["role"], if index % 2 == 0 { "user" } else { "assistant" });
        let id = message["id"].as_str().unwrap();
        assert!(id.starts_with("msg_"), "{id}");
        assert!(messages[..index].iter().all(|earlier| earlier["id"] != id), "{id} comes twice");
    }
    assert_eq!(messages[2]["content"], "one");
    assert_eq!(messages[6]["content"], "three");
}

#[tokio::test]
async fn other_query_parameters_of_messages_change_nothing() {
    let app = TestApp::start().await;
    let path = format!("/v1/runner/conversation/{CONVERSATION}/messages");
    let filtered = app.get(&format!("{path}?role=user&x=1")).await.good();
    assert_eq!(filtered, app.get(&path).await.good());
}

#[tokio::test]
async fn messages_of_an_unknown_conversation_are_404() {
    let app = TestApp::start().await;
    for id in ["nowhere", "550e8400-e29b-41d4-a716-446655440001", "%FF", "%27--"] {
        let answer = app.runner().list_messages(id, "").await;
        answer.runner_error(404, "invalid_request_error", "conversation_not_found");
    }
}

fn image() -> Value {
    json!({"type": "image", "mime_type": "image/png", "file_uri": "https://e.org/a.png"})
}

/// Says text alone, two texts, and text with a file; gives the contents of all messages.
async fn contents(app: &TestApp) -> Vec<Value> {
    let text = |text: &str| json!({"type": "text", "text": text});
    for content in
        [json!([text("one")]), json!([text("two"), text("three")]), json!([text("four"), image()])]
    {
        let mut body = continue_body(CONVERSATION, "");
        body["content"] = content;
        app.runner().start_conversation(DEPLOYMENT, &body).await.good();
    }
    let messages = app.runner().messages(CONVERSATION).await;
    messages.iter().map(|message| message["content"].clone()).collect()
}

#[tokio::test]
async fn content_is_a_string_for_text_alone_and_parts_when_it_holds_a_file() {
    let app = TestApp::start().await;
    let contents = contents(&app).await;
    assert_eq!(contents[0], "Hi");
    assert_eq!(contents[2], "one");
    assert_eq!(contents[4], "two\nthree");
    assert_eq!(contents[6], json!([{"type": "text", "text": "four"}, image()]));
    assert!(contents[7].is_string());
}

#[tokio::test]
async fn content_is_always_parts_with_message_content_parts() {
    let app = TestApp::with(|config| config.runner.message_content = MessageContent::Parts).await;
    let contents = contents(&app).await;
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(contents[0], json!([text("Hi")]));
    assert_eq!(contents[1], json!([text("Hello! How can I help?")]));
    assert_eq!(contents[4], json!([text("two"), text("three")]));
    assert_eq!(contents[6], json!([text("four"), image()]));
    assert!(contents.iter().all(Value::is_array));
}

// --- conversations -------------------------------------------------------------------------------

/// Starts a conversation with these labels.
async fn labelled(app: &TestApp, deployment: &str, meta: Value) -> String {
    let mut body = text_body("Hi");
    body["meta"] = meta;
    let answer = app.runner().start_conversation(deployment, &body).await.good();
    answer["conversation_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_item_has_id_name_meta_times_and_message_count() {
    let app = TestApp::start().await;
    let item = &app.runner().list_conversations("").await.good()["items"][0];
    assert_eq!(keys(item), ["id", "name", "meta", "created_at", "updated_at", "message_count"]);
    assert_eq!(item["message_count"], 2);
    app.runner().continue_conversation(DEPLOYMENT, CONVERSATION, "Hi").await.good();
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation/stream");
    app.stream(&path, &continue_body(CONVERSATION, "Hi")).await;
    assert_eq!(app.runner().list_conversations("").await.good()["items"][0]["message_count"], 6);
}

#[tokio::test]
async fn meta_is_an_empty_object_where_none_was_given() {
    let app = TestApp::start().await;
    app.runner().start_conversation(DEPLOYMENT, "Hi").await.conversation_id();
    labelled(&app, DEPLOYMENT, json!(null)).await;
    let list = app.runner().list_conversations("").await.good();
    assert_eq!((&list["items"][0]["meta"], &list["items"][1]["meta"]), (&json!({}), &json!({})));
}

#[tokio::test]
async fn the_newest_activity_comes_first_within_one_second_too() {
    let app = TestApp::start().await;
    let mut expected = vec![CONVERSATION.to_owned()];
    for text in ["one", "two", "three", "four"] {
        expected.insert(0, app.runner().start_conversation(ECHO, text).await.conversation_id());
        assert_eq!(app.runner().conversation_ids("").await, expected);
    }
    for index in [2, 3, 0, 3] {
        let id = expected.remove(index);
        app.runner().continue_conversation(ECHO, &id, "again").await.good();
        expected.insert(0, id);
        assert_eq!(app.runner().conversation_ids("").await, expected);
    }
    let oldest = expected.pop().unwrap();
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation/stream");
    app.stream(&path, &continue_body(&oldest, "Hi")).await;
    expected.insert(0, oldest);
    assert_eq!(app.runner().conversation_ids("").await, expected);
}

#[tokio::test]
async fn activity_moves_updated_at_and_leaves_created_at() {
    let app = TestApp::start().await;
    let id = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    app.clock("demo").advance(Duration::from_mins(5));
    app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    app.runner().continue_conversation(ECHO, &id, "Hi").await.good();
    let item = &app.runner().list_conversations("").await.good()["items"][0];
    assert_eq!(
        (&item["id"], &item["created_at"], &item["updated_at"]),
        (&json!(id), &json!("2026-05-01T12:00:00Z"), &json!("2026-05-01T12:05:00Z"))
    );
}

#[tokio::test]
async fn a_deployments_list_has_its_own_conversations_only() {
    let app = TestApp::start().await;
    let echo = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    let json = app.runner().start_conversation(JSON, "Hi").await.conversation_id();
    for (deployment, id) in
        [(ECHO, echo.as_str()), (JSON, json.as_str()), (DEPLOYMENT, CONVERSATION)]
    {
        let list = app.runner().list_deployment_conversations(deployment, "");
        assert_eq!(conversation_ids(list).await, [id]);
    }
    assert_eq!(app.runner().conversation_ids("").await, [json.as_str(), &echo, CONVERSATION]);
    let public = app.runner_without_key().list_deployment_conversations(PUBLIC, "");
    let public = public.header("origin", "https://example.com");
    assert_eq!(public.await.good()["total"], 0);
}

// --- filters -------------------------------------------------------------------------------------

#[tokio::test]
async fn other_query_parameters_filter_by_meta_and_all_must_match() {
    let app = TestApp::start().await;
    let one = labelled(&app, ECHO, json!({"user": "a", "channel": "web"})).await;
    let two = labelled(&app, ECHO, json!({"user": "a", "channel": "app"})).await;
    let three = labelled(&app, JSON, json!({"user": "b", "channel": "web"})).await;
    for (query, expected) in [
        ("user=a", vec![&two, &one]),
        ("channel=web", vec![&three, &one]),
        ("user=a&channel=web", vec![&one]),
        ("channel=web&user=a&page=1", vec![&one]),
        ("user=a&user=b", Vec::new()),
        ("user=a&user=a", vec![&two, &one]),
        ("user=c", Vec::new()),
        ("User=a", Vec::new()),
        ("user=A", Vec::new()),
        ("user=", Vec::new()),
        ("user=a&nothing=x", Vec::new()),
        ("name=Hi", Vec::new()),
    ] {
        let listed = app.runner().conversation_ids(&format!("?{query}")).await;
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let of_echo = app.runner().list_deployment_conversations(ECHO, "?channel=web");
    assert_eq!(conversation_ids(of_echo).await, [one]);
    let list = app.runner().list_conversations("?user=a&page_size=1&page=2").await.good();
    assert_eq!(described(&list), (2, 2, 1, false, 1));
}

#[tokio::test]
async fn a_number_is_found_by_the_text_that_was_sent() {
    let app = TestApp::start().await;
    let meta = r#"{"price": 1.10, "exp": 1e2, "big": 18446744073709551616, "zero": -0.0}"#;
    let body = format!(r#"{{"content": [{{"type": "text", "text": "Hi"}}], "meta": {meta}}}"#);
    let start = app.request(Method::POST, &format!("/v1/runner/{ECHO}/conversation")).key(KEY);
    let id = start.body(body).await.good()["conversation_id"].as_str().unwrap().to_owned();
    for query in ["price=1.10", "exp=1e2", "big=18446744073709551616", "zero=-0.0"] {
        assert_eq!(
            app.runner().conversation_ids(&format!("?{query}")).await,
            [id.as_str()],
            "{query}"
        );
    }
    for query in ["price=1.1", "exp=100", "exp=100.0", "big=1.8446744073709552e19", "zero=0"] {
        assert!(app.runner().conversation_ids(&format!("?{query}")).await.is_empty(), "{query}");
    }
    let list = app.runner().list_conversations("?price=1.10").await;
    assert!(list.body.contains("\"price\":1.10") && list.body.contains("18446744073709551616"));
}

#[tokio::test]
async fn numbers_and_booleans_match_by_their_text() {
    let app = TestApp::start().await;
    let meta = json!({"n": 7, "f": 1.5, "t": true, "s": "7", "minus": -3});
    let id = labelled(&app, ECHO, meta).await;
    for query in ["n=7", "f=1.5", "t=true", "s=7", "minus=-3", "n=7&t=true&s=7"] {
        assert_eq!(
            app.runner().conversation_ids(&format!("?{query}")).await,
            [id.as_str()],
            "{query}"
        );
    }
    for query in ["n=7.0", "n=07", "f=1.50", "t=True", "t=1", "minus=3"] {
        assert!(app.runner().conversation_ids(&format!("?{query}")).await.is_empty(), "{query}");
    }
}

#[tokio::test]
async fn a_plus_in_a_query_is_a_space_and_percents_are_decoded() {
    let app = TestApp::start().await;
    let id = labelled(&app, ECHO, json!({"full name": "Ann Lee", "mail": "a+b@e.org"})).await;
    for query in
        ["full+name=Ann+Lee", "full%20name=Ann%20Lee", "mail=a%2Bb@e.org", "mail=a%2bb%40e.org"]
    {
        assert_eq!(
            app.runner().conversation_ids(&format!("?{query}")).await,
            [id.as_str()],
            "{query}"
        );
    }
    assert!(app.runner().conversation_ids("?mail=a+b@e.org").await.is_empty());
}

#[tokio::test]
async fn a_filter_is_no_sql() {
    let app = TestApp::start().await;
    let value = "' OR 1=1 --%_";
    let id = labelled(&app, ECHO, json!({"k": value})).await;
    let encoded: String =
        form_urlencoded::Serializer::new(String::new()).append_pair("k", value).finish();
    assert_eq!(app.runner().conversation_ids(&format!("?{encoded}")).await, [id]);
    assert!(app.runner().conversation_ids("?k=%25").await.is_empty());
    assert!(app.runner().conversation_ids("?k=_").await.is_empty());
}

#[tokio::test]
async fn more_filters_than_a_conversation_has_labels_are_refused() {
    let app = TestApp::start().await;
    let query = |count: usize| {
        let filters: Vec<String> = (0..count).map(|n| format!("k{n}=x")).collect();
        format!("?{}", filters.join("&"))
    };
    assert!(app.runner().conversation_ids(&query(50)).await.is_empty());
    app.runner().list_conversations(&query(51)).await.invalid_request("not_allowed", "k50");
}

/// Whichever way the store finds them: every list is what reading all of them and picking would
/// give.
#[test]
fn every_filtered_page_is_what_picking_by_hand_gives() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::start());
    let deployments = [ECHO, JSON, DEPLOYMENT];
    let labels = [("user", 40), ("kind", 3), ("rare", 11)];
    // Newest last; what `labels` says is common, rare, or missing by turns.
    let mut made: Vec<(String, &str, Value)> =
        vec![(CONVERSATION.to_owned(), DEPLOYMENT, json!({"userId": "user_123"}))];
    for n in 0..120 {
        let deployment = deployments[n * n % 3];
        let mut meta = json!({});
        for (name, of) in labels {
            if !(n / 7).is_multiple_of(of) || name == "kind" {
                meta[name] = json!(n % of % 5);
            }
        }
        let id = runtime.block_on(labelled(&app, deployment, meta.clone()));
        made.push((id, deployment, meta));
    }
    made.reverse();
    let filter = prop::collection::vec((0..labels.len(), 0_u8..6), 0..4);
    let deployment = prop::option::of(0..deployments.len());
    let query = (deployment, filter, 1_usize..8, 1_usize..=100);
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() };
    let outcome = TestRunner::new(config).run(&query, |(deployment, filter, page, page_size)| {
        let deployment = deployment.map(|index| deployments[index]);
        let filter: Vec<(&str, u8)> =
            filter.into_iter().map(|(label, value)| (labels[label].0, value)).collect();
        let matching: Vec<&String> = made
            .iter()
            .filter(|(_, of, _)| deployment.is_none_or(|deployment| deployment == *of))
            .filter(|(_, _, meta)| filter.iter().all(|(name, value)| meta[name] == *value))
            .map(|(id, _, _)| id)
            .collect();
        let wanted: Vec<&String> =
            matching.iter().skip((page - 1) * page_size).take(page_size).copied().collect();
        let mut path =
            deployment.map_or(ALL.to_owned(), |id| format!("/v1/runner/{id}/conversations"));
        write!(path, "?page={page}&page_size={page_size}").unwrap();
        for (name, value) in &filter {
            write!(path, "&{name}={value}").unwrap();
        }
        let list = runtime.block_on(app.get(&path).send()).good();
        let ids: Vec<&str> =
            list["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap()).collect();
        prop_assert_eq!(ids, wanted, "{}", path);
        prop_assert_eq!(&list["total"], matching.len());
        prop_assert_eq!(&list["has_more"], page * page_size < matching.len());
        Ok(())
    });
    outcome.unwrap();
    runtime.block_on(app.stop());
}
