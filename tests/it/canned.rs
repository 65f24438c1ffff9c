//! Canned rules: each condition, what replies can say, and the fallback where no rule answers.

use mynah::config::Config;
use serde_json::{Value, json};

use crate::support::{DEPLOYMENT, ECHO, JSON, KEY, PUBLIC, TestApp, going_on, said};

/// What is answered to this body.
async fn answer(app: &TestApp, deployment: &str, body: &Value) -> String {
    let answer = app.post(&format!("/v1/runner/{deployment}"), body).await.good();
    answer["content"].as_str().unwrap().to_owned()
}

/// What is answered to this text.
async fn answer_to(app: &TestApp, text: &str) -> String {
    answer(app, DEPLOYMENT, &said(text)).await
}

/// A server that answers `yes` under these conditions, and else `no`.
async fn yes_when(conditions: &str) -> TestApp {
    let rules = format!(
        "[[rule]]\nwhen = {{ {conditions} }}\nreply = [{{ text = 'yes' }}]\n\
         [[rule]]\nreply = [{{ text = 'no' }}]\n"
    );
    TestApp::with_rules(&rules).await
}

// --- conditions ----------------------------------------------------------------------------------

#[tokio::test]
async fn the_first_rule_whose_conditions_all_hold_answers() {
    let rules = r#"
        [[rule]]
        when = { contains = "a", regex = "b" }
        reply = [{ text = "both" }]

        [[rule]]
        when = { contains = "a" }
        reply = [{ text = "first" }]

        [[rule]]
        when = { contains = "a" }
        reply = [{ text = "second" }]

        [[rule]]
        reply = [{ text = "always" }]
    "#;
    let app = TestApp::with_rules(rules).await;
    for (text, expected) in [("a b", "both"), ("a", "first"), ("b", "always"), ("", "always")] {
        assert_eq!(answer_to(&app, &format!("{text}.")).await, expected);
    }
}

#[tokio::test]
async fn a_rule_may_ask_for_the_api() {
    assert_eq!(answer_to(&yes_when("api = 'runner'").await, "x").await, "yes");
    assert_eq!(answer_to(&yes_when("api = 'characters'").await, "x").await, "no");
}

#[tokio::test]
async fn a_rule_may_ask_for_the_deployment() {
    let app = yes_when("deployment = 'YOUR_DEPLOYMENT_ID'").await;
    assert_eq!(answer(&app, DEPLOYMENT, &said("x")).await, "yes");
    let other = app.post(&format!("/v1/runner/{JSON}"), &said("x")).await.good();
    assert_eq!(other["content"]["answer"], "no");
}

#[tokio::test]
async fn a_rule_may_ask_for_the_model() {
    assert_eq!(answer_to(&yes_when("model = 'deepseek-chat'").await, "x").await, "yes");
    assert_eq!(answer_to(&yes_when("model = 'echo'").await, "x").await, "no");
}

#[tokio::test]
async fn equals_is_to_the_letter() {
    let app = yes_when("equals = 'Hi there'").await;
    for (text, expected) in
        [("Hi there", "yes"), ("hi there", "no"), ("Hi there ", "no"), ("Hi there!", "no")]
    {
        assert_eq!(answer_to(&app, text).await, expected, "{text:?}");
    }
}

#[tokio::test]
async fn contains_is_in_any_case() {
    let app = yes_when("contains = 'Straße'").await;
    for (text, expected) in [("zur STRAßE hin", "yes"), ("straße", "yes"), ("Strasse", "no")] {
        assert_eq!(answer_to(&app, text).await, expected, "{text:?}");
    }
}

#[tokio::test]
async fn regex_matches_somewhere_and_minds_the_case() {
    let app = yes_when("regex = '#\\d+$'").await;
    for (text, expected) in [("order #12", "yes"), ("order #12.", "no"), ("#", "no")] {
        assert_eq!(answer_to(&app, text).await, expected, "{text:?}");
    }
    let app = yes_when("regex = 'Order'").await;
    assert_eq!(answer_to(&app, "order").await, "no");
}

#[tokio::test]
async fn conditions_look_at_all_texts_of_the_message() {
    let app = yes_when("equals = \"one\\ntwo\"").await;
    let text = |text: &str| json!({"type": "text", "text": text});
    let file = json!({"type": "url", "mime_type": "a/b", "file_uri": "https://e.org/a"});
    let body = json!({"content": [text("one"), file, text("two")]});
    assert_eq!(answer(&app, DEPLOYMENT, &body).await, "yes");
}

#[tokio::test]
async fn a_rule_may_ask_for_part_types() {
    let app = yes_when("parts = ['image', 'audio']").await;
    let file =
        |kind: &str| json!({"type": kind, "mime_type": "a/b", "file_uri": "https://e.org/a"});
    for (parts, expected) in [
        (json!([file("audio"), file("video"), file("image")]), "yes"),
        (json!([file("image"), file("image")]), "no"),
        (json!([{"type": "text", "text": "image audio"}]), "no"),
    ] {
        let body = json!({ "content": parts });
        assert_eq!(answer(&app, DEPLOYMENT, &body).await, expected);
    }
}

#[tokio::test]
async fn a_rule_may_ask_for_the_turn() {
    let app = yes_when("turn = 2").await;
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
    let first = app.post(&path, &said("x")).await.good();
    let id = first["conversation_id"].as_str().unwrap();
    let mut answers = vec![first["content"].clone()];
    for _ in 2..=3 {
        answers.push(app.go_on(DEPLOYMENT, id, "x").await.good()["content"].clone());
    }
    assert_eq!(answers, ["no", "yes", "no"]);
    assert_eq!(answer_to(&app, "x").await, "no");
}

#[tokio::test]
async fn a_rule_may_ask_for_variables_and_meta_by_their_text() {
    let app = yes_when("variables = { tier = 'pro' }, meta = { seats = 5, paid = true }").await;
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
    let with = |variables: Value, meta: Value| {
        let mut body = said("x");
        body["variables"] = variables;
        body["meta"] = meta;
        body
    };
    for (variables, meta, expected) in [
        (json!({"tier": "pro", "x": 1}), json!({"seats": 5, "paid": true}), "yes"),
        (json!({"tier": "pro"}), json!({"seats": "5", "paid": "true"}), "yes"),
        (json!({"tier": "pro"}), json!({"seats": 5}), "no"),
        (json!({"tier": "free"}), json!({"seats": 5, "paid": true}), "no"),
        (json!({}), json!({}), "no"),
    ] {
        let first = app.post(&path, &with(variables, meta)).await.good();
        assert_eq!(first["content"], expected);
        // A conversation keeps both.
        let id = first["conversation_id"].as_str().unwrap();
        assert_eq!(app.go_on(DEPLOYMENT, id, "x").await.good()["content"], expected);
    }
}

// --- replies -------------------------------------------------------------------------------------

const IN_TURN: &str = r#"
    [[rule]]
    when = { contains = "next" }
    reply = [{ text = "one" }, { text = "two" }, { text = "three" }]
"#;

#[tokio::test]
async fn replies_are_served_in_turn_and_the_last_one_stays() {
    let app = TestApp::with_rules(IN_TURN).await;
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(answer_to(&app, "next").await);
        let path = format!("/v1/runner/{DEPLOYMENT}/stream");
        answers.push(app.stream(&path, &said("next")).await.concat());
    }
    answers.push(answer_to(&app, "next").await);
    assert_eq!(answers, ["one", "two", "three", "three", "three"]);
}

#[tokio::test]
async fn each_account_has_its_own_turn() {
    let app = TestApp::with_rules(IN_TURN).await;
    answer_to(&app, "next").await;
    answer_to(&app, "next").await;
    let request = app.request(reqwest::Method::POST, &format!("/v1/runner/{DEPLOYMENT}"));
    let theirs = request.key("free_api_key").json(&said("next")).send().await.good();
    assert_eq!(theirs["content"], "one");
    assert_eq!(answer_to(&app, "next").await, "three");
}

#[tokio::test]
async fn templates_see_all_that_surrounds_the_message() {
    let rules = r#"
        [[rule]]
        reply = [{ text = """
        {{ message.text }}|{{ message.parts[1].file_uri }}|{{ history | length }}|\
        {% for turn in history %}{{ turn.role }}: {{ turn.text }};{% endfor %}|\
        {{ variables.A }}|{{ meta.b }}|{{ instructions }}|{{ account }}|{{ deployment }}|\
        {{ model }}|{{ turn }}|{{ variables.nothing.deeper }}""" }]

        [[deployment]]
        id = "FRAMED"
        account = "demo"
        model = "m"
        instructions = "Be {{A}}."
    "#;
    let app = TestApp::with_rules(rules).await;
    let file = json!({"type": "image", "mime_type": "a/b", "file_uri": "https://e.org/a"});
    let mut body = said("Hi");
    body["content"].as_array_mut().unwrap().push(file);
    body["variables"] = json!({"A": "kind"});
    body["meta"] = json!({"b": 7});
    let first = app.post("/v1/runner/FRAMED/conversation", &body).await.good();
    let expected = "Hi|https://e.org/a|0||kind|7|Be kind.|demo|FRAMED|m|1|";
    assert_eq!(first["content"].as_str().unwrap().trim_start(), expected);
    let id = first["conversation_id"].as_str().unwrap();
    let second = app.go_on("FRAMED", id, "Bye").await.good();
    let second = second["content"].as_str().unwrap().trim_start();
    assert!(second.starts_with("Bye||2|user: Hi;assistant: "), "{second}");
    assert!(second.ends_with(";|kind|7|Be kind.|demo|FRAMED|m|2|"), "{second}");
}

#[tokio::test]
async fn what_a_client_says_is_never_read_as_a_template() {
    let app = TestApp::with_rules("[[rule]]\nreply = [{ text = '{{ message.text }}' }]").await;
    assert_eq!(answer_to(&app, "{{ 7 * 7 }} {% x %} <b>&").await, "{{ 7 * 7 }} {% x %} <b>&");
}

#[tokio::test]
async fn a_json_reply_is_an_object_whose_strings_are_templates() {
    let rules = r#"
        [[rule]]
        reply = [{ json = { said = "{{ message.text }}", list = ["{{ turn }}", 1, true], n = 0.5 } }]
    "#;
    let app = TestApp::with_rules(rules).await;
    let tricky = "\"quoted\"\n{{ 1 }}";
    let expected = json!({"said": tricky, "list": ["1", 1, true], "n": 0.5});
    let structured = app.post(&format!("/v1/runner/{JSON}"), &said(tricky)).await.good();
    assert_eq!(structured["content"], expected);
    // On a deployment that answers with text it is the object's text.
    let text = answer_to(&app, tricky).await;
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
}

// --- fallback ------------------------------------------------------------------------------------

const TEXTS: [&str; 8] = [
    "What is a mynah?",
    "Tell me a story.",
    "How do I bake bread?",
    "Why?",
    "世界",
    "What is the capital of France, and why is it not Lyon?",
    "...",
    "x",
];

#[tokio::test]
async fn anything_else_gets_a_plausible_reply_about_what_was_asked() {
    let app = TestApp::start().await;
    let mut answers: Vec<String> = Vec::new();
    for text in TEXTS {
        let answer = answer_to(&app, text).await;
        assert!(answer.split_whitespace().count() > 10, "{answer}");
        let subject = text.trim_end_matches(['?', '.']);
        assert!(answer.contains(subject), "{answer}");
        assert!(!answers.contains(&answer));
        answers.push(answer);
    }
}

/// Two deployments of the same instructions, and no rules.
const TWINS: &str = r#"
    [[deployment]]
    id = "ONE"
    account = "demo"
    model = "one"
    instructions = "Be kind."

    [[deployment]]
    id = "TWO"
    account = "demo-free"
    model = "two"
    instructions = "Be {{HOW}}."

    [[deployment]]
    id = "THREE"
    account = "demo"
    model = "one"
    instructions = "Be brief."
"#;

#[tokio::test]
async fn the_fallback_is_a_pure_function_of_what_the_model_was_shown() {
    let app = TestApp::with_rules(TWINS).await;
    let mut other_instructions_differ = false;
    for text in TEXTS {
        let one = answer(&app, "ONE", &said(text)).await;
        app.clock("demo").advance(std::time::Duration::from_secs(1));
        let mut body = said(text);
        body["variables"] = json!({"HOW": "kind", "unused": 7});
        let request = app.request(reqwest::Method::POST, "/v1/runner/TWO").key("free_api_key");
        assert_eq!(request.json(&body).send().await.good()["content"], one);
        // A continuation that is shown no history is shown what a run is.
        let path = "/v1/runner/ONE/conversation";
        let first = app.post(path, &said("before")).await.good();
        let mut further = going_on(first["conversation_id"].as_str().unwrap(), text);
        further["history_limit"] = json!(0);
        assert_eq!(app.post(path, &further).await.good()["content"], one);
        further["history_limit"] = json!(1);
        let remembering = app.post(path, &further).await.good();
        assert_ne!(remembering["content"], one, "the history is seen");
        other_instructions_differ |= answer(&app, "THREE", &said(text)).await != one;
    }
    assert!(other_instructions_differ, "the instructions are seen");
}

#[tokio::test]
async fn the_fallback_is_the_same_on_every_server() {
    let with_seed = |seed: u64| TestApp::with(move |config: &mut Config| config.seed = seed);
    let (one, other) = (with_seed(7).await, with_seed(8).await);
    answer_to(&other, "something before").await;
    for text in TEXTS {
        assert_eq!(answer_to(&other, text).await, answer_to(&one, text).await);
    }
}

#[tokio::test]
async fn the_fallback_speaks_of_files_too() {
    let app = TestApp::start().await;
    let file = json!({"type": "url", "mime_type": "a/b", "file_uri": "https://e.org/a"});
    let text = answer(&app, DEPLOYMENT, &json!({"content": [file]})).await;
    assert!(text.contains("document"), "{text}");
}

// --- backends ------------------------------------------------------------------------------------

#[tokio::test]
async fn the_servers_backend_overrides_the_deployments() {
    let echo = mynah::domain::BackendName::Echo;
    let app = TestApp::with(|config| config.backend = Some(echo)).await;
    assert_eq!(answer_to(&app, "Your input message here.").await, "Your input message here.");
    let canned = mynah::domain::BackendName::Canned;
    let app = TestApp::with(|config| config.backend = Some(canned)).await;
    assert_eq!(answer(&app, ECHO, &said("Hi")).await, "Hello! How can I help?");
    let request = app.request(reqwest::Method::POST, &format!("/v1/runner/{PUBLIC}")).key(KEY);
    request.header("origin", "http://localhost").json(&said("Hi")).send().await.good();
}
