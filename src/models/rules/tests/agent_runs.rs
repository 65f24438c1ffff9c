//! Rules and replies for agent runs: which requests they answer, and what they do in the run.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::domain::agent_run::{RequestedCall, RunEnd};
use crate::models::Echo;

/// A request of an agent run: what the client offers, and the results that it sends.
fn run(text: &str, offered: &[&str], results: &[(&str, Value)]) -> Prompt {
    Prompt { tools: Some(tools_of(offered, results)), ..prompt_of(Some("d"), "m", text) }
}

fn rules_of(rules: &Value) -> Arc<AccountRules> {
    let rules: Vec<ReplyRule> = serde_json::from_value(rules.clone()).unwrap();
    Arc::new(AccountRules::new(Arc::new(RuleSet::compile(&rules).unwrap())))
}

fn request(rules: &Arc<AccountRules>, prompt: Prompt) -> ModelRequest {
    ModelRequest { prompt: Arc::new(prompt), rules: Arc::clone(rules), thoughts: false }
}

/// The rule, what the reply does in the run, and its text.
async fn ask(rules: &Arc<AccountRules>, prompt: Prompt) -> (Option<String>, RunReply, String) {
    let request = request(rules, prompt);
    let reply = match scripted_reply(&request).await.unwrap() {
        Some(reply) => reply,
        None => ReplyRules.answer(request).await.unwrap(),
    };
    let rule = reply.rule.as_ref().map(ToString::to_string);
    (rule, reply.run.clone(), reply.pieces.whole().await.unwrap().0)
}

fn requested(name: &str, arguments: &Value) -> RequestedCall {
    RequestedCall { name: name.to_owned(), arguments: arguments.as_object().cloned().unwrap() }
}

#[tokio::test]
async fn a_reply_calls_tools_with_rendered_arguments() {
    let rules = rules_of(&json!([{"reply": [{
        "text": "Let me look, {{ capabilities | join('+') }}.",
        "tool_calls": [
            {"name": "get_weather", "arguments": {
                "city": "{{ variables.CITY or 'Oslo' }}",
                "days": [1, 2.5, "{{ message.text | upper }}"],
                "options": {"unit": null, "{{ not a template }}": "{{ turn }}"},
            }},
            {"name": "ask_user"},
        ],
    }]}]));
    let (rule, reply, text) = ask(&rules, run("now", &["get_weather", "b"], &[])).await;
    assert_eq!(rule.as_deref(), Some("rule 1"));
    assert_eq!(text, "Let me look, get_weather+b.");
    let expected = r#"{"city":"Oslo","days":[1,2.5,"NOW"],
        "options":{"unit":null,"{{ not a template }}":"1"}}"#;
    let calls = vec![
        requested("get_weather", &serde_json::from_str(expected).unwrap()),
        requested("ask_user", &json!({})),
    ];
    assert_eq!(reply, RunReply { tool_calls: calls, ..RunReply::default() });
}

#[tokio::test]
async fn replies_end_runs_as_they_say() {
    for (reply, expected, text) in [
        (
            json!({"text": "Done.", "complete": true, "run": "completed"}),
            RunReply { completes: true, ..RunReply::default() },
            "Done.",
        ),
        (
            json!({"text": "Later.", "run": "background", "after_ms": 1500}),
            RunReply {
                end: RunEnd::Background,
                after: Duration::from_millis(1500),
                ..RunReply::default()
            },
            "Later.",
        ),
        (
            json!({"json": {"a": "{{ turn }}"}, "run": "background"}),
            RunReply {
                end: RunEnd::Background,
                after: Duration::from_secs(1),
                ..RunReply::default()
            },
            r#"{"a":"1"}"#,
        ),
        (json!({"run": "failed"}), RunReply { end: RunEnd::Failed, ..RunReply::default() }, ""),
        (
            json!({"run": "interrupted", "text": "Stopped in turn {{ turn }}."}),
            RunReply { end: RunEnd::Interrupted, ..RunReply::default() },
            "Stopped in turn 1.",
        ),
    ] {
        let rules = rules_of(&json!([{ "reply": [reply.clone()] }]));
        for output in [OutputMode::Text, OutputMode::Structured] {
            let prompt = Prompt { output, ..run("x", &[], &[]) };
            let (_, found, found_text) = ask(&rules, prompt).await;
            assert_eq!(found, expected, "{reply}");
            let is_wrapped =
                output == OutputMode::Structured && ["Done.", "Later."].contains(&text);
            let text = if is_wrapped { json!({ "answer": text }).to_string() } else { text.into() };
            assert_eq!(found_text, text, "{reply}");
        }
        // Such a rule passes over other requests.
        let (rule, found, _) = ask(&rules, prompt_of(None, "m", "x")).await;
        assert_eq!((rule, found), (None, RunReply::default()), "{reply}");
    }
}

#[tokio::test]
async fn a_resume_is_answered_by_rules_for_results_only() {
    let rules = rules_of(&json!([
        {"id": "call", "when": {"contains": "weather", "capability": "get_weather"},
         "reply": [{"tool_calls": [{"name": "get_weather"}]}]},
        {"id": "storm", "when": {"tool_result": {"name": "get_weather", "contains": "STORM"}},
         "reply": [{"tool_calls": [{"name": "ask_user"}]}]},
        {"id": "any", "when": {"tool_result": {"contains": "sun"}}, "reply": [{"text":
         "{% for r in tool_results %}{{ r.call_id }} {{ r.name }} {{ r.arguments.nth }} \
          {{ r.output.sky }};{% endfor %}"}]},
        {"id": "text", "reply": [{"text": "{{ tool_results | length }}{{ capabilities | length }}"}]},
    ]));
    let offered = ["get_weather"];
    let result = |name, text: &str| (name, json!({"sky": text}));
    for (prompt, rule, text) in [
        (run("The weather?", &offered, &[]), Some("call"), Some("")),
        (run("The weather?", &[], &[]), Some("text"), Some("00")),
        (prompt_of(None, "m", "The weather?"), Some("text"), Some("00")),
        (run("weather", &offered, &[result("get_weather", "a Storm")]), Some("storm"), Some("")),
        (run("weather", &offered, &[result("other", "a storm")]), None, None),
        (
            run("weather", &offered, &[result("other", "storm"), result("get_weather", "SUN")]),
            Some("any"),
            Some("call_0 other 0 storm;call_1 get_weather 1 SUN;"),
        ),
    ] {
        let (found, _, found_text) = ask(&rules, prompt).await;
        assert_eq!(found.as_deref(), rule);
        assert!(text.is_none_or(|text| text == found_text), "{found_text}");
    }
}

#[tokio::test]
async fn queued_replies_answer_resumes_and_those_for_runs_wait_for_a_run() {
    let rules = rules_of(&json!([]));
    let queued = [call("a"), reply("one"), reply("two")];
    rules.enqueue(&queued, None).unwrap();
    let (_, _, text) = ask(&rules, prompt_of(None, "m", "x")).await;
    assert_eq!(text, "one");
    let resume = || run("x", &["a"], &[("a", json!({}))]);
    let (_, found, _) = ask(&rules, resume()).await;
    assert_eq!(found.tool_calls, [requested("a", &json!({}))]);
    assert_eq!(ask(&rules, resume()).await.2, "two");
}

#[tokio::test]
async fn without_a_rule_a_resume_is_answered_with_the_results() {
    let rules = rules_of(&json!([]));
    let long = json!({ "report": "x".repeat(1 << 20) });
    let resume =
        || run("weather", &["a"], &[("get_weather", json!({"sky": "ü"})), ("b", long.clone())]);
    let (rule, found, text) = ask(&rules, resume()).await;
    assert_eq!((rule, found), (None, RunReply::default()));
    assert!(text.contains(r#"get_weather returned {"sky":"ü"}."#), "{text}");
    assert!(text.contains("b returned {\"report\":\"xxx") && text.len() < 2000, "{}", text.len());
    let structured = Prompt { output: OutputMode::Structured, ..resume() };
    let text = ask(&rules, structured).await.2;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert!(answer["answer"].as_str().unwrap().starts_with("get_weather returned"), "{text}");

    let echo = Echo.answer(request(&rules, resume())).await.unwrap();
    let (text, _) = echo.pieces.whole().await.unwrap();
    assert_eq!(text, format!("get_weather: {}\nb: {long}", json!({"sky": "ü"})));
}

#[test]
fn a_rule_whose_tool_is_missing_is_a_near_miss() {
    let rules = rules_of(&json!([
        {"id": "call", "when": {"contains": "weather", "capability": "get_weather"},
         "reply": [{"tool_calls": [{"name": "get_weather"}]}]},
        {"id": "result", "when": {"turn": 1, "tool_result": {"name": "get_weather", "contains": "storm"}},
         "reply": [{"text": "x"}]},
        {"id": "run", "when": {"turn": 1}, "reply": [{"run": "failed"}]},
    ]));
    let misses = |prompt: &Prompt| {
        let misses = rules.rules().near_misses(prompt, None, true).into_iter();
        misses
            .map(|miss| json!([&*miss.rule, miss.condition, miss.wanted, miss.found]))
            .collect::<Vec<_>>()
    };
    let capability = |found: Value| json!(["call", "capability", "get_weather", found]);
    assert_eq!(misses(&run("weather", &["b"], &[])), [capability(json!(["b"]))]);
    assert_eq!(misses(&prompt_of(None, "m", "weather")), [capability(Value::Null)]);
    let result = |name, text: &str| misses(&run("weather", &[], &[(name, json!({ "sky": text }))]));
    assert_eq!(
        result("get_weather", "sun"),
        [json!(["result", "tool_result.contains", "storm", null])]
    );
    assert_eq!(result("b", "storm"), [json!(["result", "tool_result.name", "get_weather", ["b"]])]);
    assert_eq!(result("b", "sun"), [Value::Null; 0]);
}

#[test]
fn wrong_fields_of_replies_and_conditions_are_named() {
    let call = |name: &str| json!({ "name": name, "arguments": {"a": ["{{ 1"]} });
    for (rule, path) in [
        (json!({"reply": [{"tool_calls": []}]}), "reply[0].tool_calls"),
        (json!({"reply": [{"tool_calls": [{"name": "a"}], "json": {}}]}), "reply[0].json"),
        (json!({"reply": [{"tool_calls": [{"name": "a b"}]}]}), "reply[0].tool_calls[0].name"),
        (
            json!({"reply": [{"tool_calls": [{"name": "a".repeat(65)}]}]}),
            "reply[0].tool_calls[0].name",
        ),
        (json!({"reply": [{"tool_calls": [call("a")]}]}), "reply[0].tool_calls[0].arguments"),
        (json!({"reply": [{"tool_calls": vec![json!({"name": "a"}); 33]}]}), "reply[0].tool_calls"),
        (json!({"reply": [{"tool_calls": [{"name": "a"}], "run": "failed"}]}), "reply[0].run"),
        (
            json!({"reply": [{"tool_calls": [{"name": "a"}], "complete": true}]}),
            "reply[0].complete",
        ),
        (json!({"reply": [{"json": {}, "run": "failed"}]}), "reply[0].json"),
        (json!({"reply": [{"run": "background"}]}), "reply[0]"),
        (json!({"reply": [{"complete": true}]}), "reply[0]"),
        (json!({"reply": [{"text": "x", "after_ms": 1}]}), "reply[0].after_ms"),
        (
            json!({"reply": [{"text": "x", "run": "background", "after_ms": 31_536_000_001_u64}]}),
            "reply[0].after_ms",
        ),
        (json!({"reply": [{"text": "x"}], "when": {"capability": ""}}), "when.capability"),
        (json!({"reply": [{"text": "x"}], "when": {"tool_result": {}}}), "when.tool_result"),
        (
            json!({"reply": [{"text": "x"}], "when": {"tool_result": {"name": "ä"}}}),
            "when.tool_result.name",
        ),
    ] {
        let wrong: ReplyRule = serde_json::from_value(rule.clone()).unwrap();
        let errors =
            AccountRules::new(Arc::default()).add(&wrong, &edit::Position::End).unwrap_err();
        assert_eq!(RuleError::refusal(&errors).field, path, "{rule}: {errors:?}");
        assert_eq!(errors.len(), 1, "{rule}: {errors:?}");
    }
    let most: ReplyRule = serde_json::from_value(
        json!({"reply": [{"tool_calls": vec![json!({"name": "a".repeat(64)}); 32]}]}),
    )
    .unwrap();
    AccountRules::new(Arc::default()).add(&most, &edit::Position::End).unwrap();
}

#[test]
fn long_results_are_rendered_and_matched_elsewhere() {
    let rules = rules_of(&json!([{"when": {"tool_result": {"contains": "x"}}, "reply": [
        {"text": "{{ tool_results }}{{ capabilities }}"}, {"text": "{{ turn }}"},
    ]}]));
    let replies = &rules.rules().fixtures.rules()[0].replies.clone();
    let is_quick = |output: &Value, offered: &[&str]| {
        let prompt = run("x", offered, &[("a", output.clone())]);
        let view = PromptView::new(&prompt);
        [replies[0].is_quick(&view), replies[1].is_quick(&view), view.is_within(MAX_INLINE)]
    };
    assert_eq!(is_quick(&json!({"a": 1}), &["a"]), [true; 3]);
    let long = "x".repeat(MAX_INLINE);
    let many: Vec<Value> = vec![json!(1); 2000];
    for output in [json!({ "a": &long }), json!({ &long: 1 }), json!({ "a": many })] {
        assert_eq!(is_quick(&output, &[]), [false, true, false]);
    }
    assert_eq!(is_quick(&json!({}), &vec!["a"; 2000]), [false, true, true]);
}
