//! Turns are numbered: what a rule's `turn` and a request's `history_limit` count, in both APIs.

use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::support::{CONVERSATION, DEPLOYMENT, TestApp, continue_body};

/// Answers the number of the turn, and which rule was due by it.
const TURNS: &str = r#"
[[rule]]
when = { turn = 3 }
reply = [{ text = "the third, turn {{ turn }} after {{ history | length }}" }]

[[rule]]
reply = [{ text = "turn {{ turn }} after {{ history | length }}" }]
"#;

/// Says something in a Characters conversation; gives the answer.
async fn send_message(app: &TestApp, conversation: &str) -> String {
    let path = format!("/conversations/{conversation}/messages");
    let answer = app.characters().post(&path, &json!({"content": "Hi"})).await.created();
    answer["content"].as_str().unwrap().to_owned()
}

/// Makes an image into a conversation.
async fn image(app: &TestApp, conversation: &str) {
    let image =
        json!({"prompt": "A hill", "sd_model_id": "sd_free", "conversation_id": conversation});
    app.characters().create_image(&image).await.created();
}

async fn snapshot(app: &TestApp) -> Value {
    app.demo().snapshot().await.good()
}

async fn restore(app: &TestApp, snapshot: &Value) -> reqwest::StatusCode {
    let put = app.demo().restore(snapshot);
    put.await.status
}

#[tokio::test]
async fn images_are_no_turns() {
    let app = TestApp::with_character_rules(TURNS).await;
    let new = json!({"title": "T", "llm_id": "model_free"});
    let id = app.characters().create_conversation(&new).await.created_id();
    image(&app, &id).await;
    assert_eq!(send_message(&app, &id).await, "turn 1 after 1");
    image(&app, &id).await;
    image(&app, &id).await;
    assert_eq!(send_message(&app, &id).await, "turn 2 after 5");
    image(&app, &id).await;
    assert_eq!(send_message(&app, &id).await, "the third, turn 3 after 8");
}

#[tokio::test]
async fn messages_that_a_conversation_begins_with_are_no_turns() {
    let app = TestApp::with_character_rules(TURNS).await;
    for messages in [
        json!([{"role": "user", "content": "a"}]),
        json!([{"role": "agent", "content": "a"}, {"role": "user", "content": "b"}]),
        json!([{"role": "user", "content": "a"}, {"role": "agent", "content": "b"},
               {"role": "user", "content": "c"}, {"role": "agent", "content": "d"}]),
    ] {
        let new = json!({"title": "T", "llm_id": "model_free", "messages": messages});
        let id = app.characters().create_conversation(&new).await.created_id();
        let before = messages.as_array().unwrap().len();
        assert_eq!(send_message(&app, &id).await, format!("turn 1 after {before}"));
        assert_eq!(send_message(&app, &id).await, format!("turn 2 after {}", before + 2));
        assert_eq!(
            send_message(&app, &id).await,
            format!("the third, turn 3 after {}", before + 4)
        );
    }
}

#[tokio::test]
async fn turns_of_the_runner_go_on_after_those_of_the_fixtures() {
    let app = TestApp::with_replaced_fixture("replies.toml", TURNS).await;
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
    for (limit, expected) in [
        (0, "turn 2 after 0"),
        (1, "the third, turn 3 after 2"),
        (2, "turn 4 after 4"),
        (9, "turn 5 after 8"),
    ] {
        let mut body = continue_body(CONVERSATION, "Hi");
        body["history_limit"] = json!(limit);
        assert_eq!(app.post(&path, &body).await.good()["content"], expected);
    }
}

#[tokio::test]
async fn turns_are_numbered_one_by_one_however_many_come_at_once() {
    let app = TestApp::with_replaced_fixture("replies.toml", TURNS).await;
    let id = app.runner().start_conversation(DEPLOYMENT, "Hi").await.conversation_id();
    let answers = (0..20).map(|_| app.runner().continue_conversation(DEPLOYMENT, &id, "Hi").send());
    for answer in futures::future::join_all(answers).await {
        answer.good();
    }
    let last = app.runner().continue_conversation(DEPLOYMENT, &id, "Hi").await.good();
    assert_eq!(last["content"], "turn 22 after 10");
}

#[tokio::test]
async fn a_snapshot_keeps_the_turns() {
    let app = TestApp::with_character_rules(TURNS).await;
    let new = json!({"title": "T", "llm_id": "model_free",
                     "messages": [{"role": "user", "content": "a"}]});
    let id = app.characters().create_conversation(&new).await.created_id();
    send_message(&app, &id).await;
    image(&app, &id).await;
    let taken = snapshot(&app).await;
    assert_eq!(restore(&app, &taken).await, 200);
    assert_eq!(send_message(&app, &id).await, "turn 2 after 4");
    let wrong = |change: &dyn Fn(&mut Value)| {
        let mut wrong = taken.clone();
        change(&mut wrong["conversations"][0]["messages"]);
        wrong
    };
    for wrong in [
        wrong(&|messages| messages[0]["turn"] = json!(2)),
        wrong(&|messages| messages[1]["turn"] = json!(2)),
        wrong(&|messages| messages[2]["turn"] = json!(2)),
        wrong(&|messages| messages[3]["turn"] = json!(0)),
    ] {
        assert_eq!(restore(&app, &wrong).await, 400, "{}", wrong["conversations"][0]);
    }
}

#[tokio::test]
async fn in_a_snapshot_without_turns_each_users_message_begins_one() {
    let app = TestApp::with_character_rules(TURNS).await;
    let new = json!({"title": "T", "llm_id": "model_free"});
    let id = app.characters().create_conversation(&new).await.created_id();
    send_message(&app, &id).await;
    image(&app, &id).await;
    send_message(&app, &id).await;
    let mut taken = snapshot(&app).await;
    for message in taken["conversations"][0]["messages"].as_array_mut().unwrap() {
        assert!(message.as_object_mut().unwrap().remove("turn").is_some());
    }
    assert_eq!(restore(&app, &taken).await, 200);
    assert_eq!(send_message(&app, &id).await, "the third, turn 3 after 5");
}

/// A database of the version before turns were numbered: `0005_turns.sql` numbers what is in it.
#[tokio::test]
async fn turns_of_an_older_database_are_numbered_by_users_messages() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kept.db").display());
    let start = || {
        let database = url.clone();
        TestApp::with(move |config| config.database = database)
    };
    let app = start().await;
    let id = app.runner().start_conversation(DEPLOYMENT, "Hi").await.conversation_id();
    app.runner().continue_conversation(DEPLOYMENT, &id, "Hi").await.good();
    app.stop().await;
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    for statement in [
        "DROP INDEX messages_that_begin_turns",
        "ALTER TABLE messages DROP COLUMN turn",
        "ALTER TABLE conversations DROP COLUMN turn_count",
        "DELETE FROM _sqlx_migrations WHERE version = 5",
    ] {
        sqlx::query(statement).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
    let app = start().await;
    let snapshot = snapshot(&app).await;
    let conversations = snapshot["conversations"].as_array().unwrap();
    let grown = conversations.iter().find(|conversation| conversation["id"] == id.as_str());
    let messages = grown.unwrap()["messages"].as_array().unwrap();
    let turns: Vec<&Value> = messages.iter().map(|message| &message["turn"]).collect();
    assert_eq!(turns, [1, 1, 2, 2]);
    let rule = json!({"reply": [{"text": "turn {{ turn }}"}]});
    let replies = app.demo().add_reply_rule(&rule, "");
    assert_eq!(replies.await.status, 201);
    assert_eq!(
        app.runner().continue_conversation(DEPLOYMENT, &id, "Hi").await.good()["content"],
        "turn 3"
    );
    app.stop().await;
}
