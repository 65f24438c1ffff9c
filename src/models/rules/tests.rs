//! Rule sets find the same rules as a linear scan. Releasing replies, near misses.

mod agent_runs;
mod lookup;

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::domain::agent_run::{ClientCapability, ResolvedCall, ToolCall, ToolContext};
use crate::domain::conversation::text_of;
use crate::domain::reply_rule::{
    PartKind, Reply, ReplyConditions, ReplyRule, ReplyToolCall, ToolResultCondition,
};
use crate::domain::{Api, OutputMode, Part, Prompt, Scene, UsedTrigger};
use crate::ids::DeploymentId;

const NAMES: [&str; 3] = ["a", "b", "c"];

fn rules() -> impl Strategy<Value = Vec<ReplyRule>> {
    let name = || of(select(&NAMES[..])).prop_map(|name| name.map(str::to_owned));
    let pattern = of(select(vec!["a|b", "^c$", "."])).prop_map(|found| found.map(str::to_owned));
    let api = of(select(vec![Api::Runner, Api::Characters]));
    let texts = (name(), name(), pattern);
    let places = (api, name(), name(), of(1_u64..3));
    let part = of(select(vec![PartKind::Text, PartKind::Image]));
    let others = (part, any::<bool>(), of(any::<bool>()));
    let tools = (name(), of((name(), name())));
    let when = (texts, places, others, tools);
    let when = when.prop_map(|(texts, places, (part, tone, trigger), tools)| ReplyConditions {
        api: places.0,
        deployment: places.1,
        model: places.2,
        turn: places.3,
        trigger,
        equals: texts.0,
        contains: texts.1,
        regex: texts.2,
        variables: tone.then(|| ("tone".to_owned(), json!("a"))).into_iter().collect(),
        meta: std::collections::BTreeMap::new(),
        parts: part.into_iter().collect(),
        capability: tools.0,
        tool_result: tools.1.map(|(name, contains)| match (name, contains) {
            (None, None) => ToolResultCondition { contains: Some(String::new()), name: None },
            (name, contains) => ToolResultCondition { name, contains },
        }),
    });
    let rule = (when, of(1_u64..3), any::<bool>()).prop_map(|(when, times, calls)| ReplyRule {
        id: None,
        when,
        reply: vec![if calls { call("a") } else { reply("x") }],
        times,
    });
    vec(rule, 0..40)
}

fn prompts() -> impl Strategy<Value = Vec<Prompt>> {
    let name = || select(&NAMES[..]);
    let result = (name(), name()).prop_map(|(name, output)| (name, json!({ "B": output })));
    let tools = of((vec(name(), 0..2), vec(result, 0..2)));
    let tools =
        tools.prop_map(|tools| tools.map(|(offered, results)| tools_of(&offered, &results)));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let prompt = (flags, of(name()), name(), 1_u64..3, name(), tools);
    let prompt =
        prompt.prop_map(|((runner, tone, trigger), deployment, model, turn, text, tools)| {
            let mut prompt = Prompt { tools, ..prompt_of(deployment, model, text) };
            prompt.scene.api = if runner { Api::Runner } else { Api::Characters };
            prompt.scene.turn = turn;
            if trigger {
                let used = UsedTrigger { id: "trg_1".into(), ui_surface: None };
                prompt.scene.trigger = Some(Arc::new(used));
            }
            if tone {
                let tone = json!({"tone": "a"}).as_object().cloned().unwrap();
                prompt.scene.variables = Arc::new(tone);
            }
            prompt
        });
    vec(prompt, 1..30)
}

fn prompt_of(deployment: Option<&str>, model: &str, text: &str) -> Prompt {
    Prompt {
        instructions: Arc::default(),
        history: Vec::new(),
        message: Arc::new(vec![Part::text(text)]),
        output: OutputMode::Text,
        tools: None,
        scene: Scene {
            api: Api::Runner,
            deployment: deployment.map(Into::into),
            model: model.into(),
            account: "demo".into(),
            turn: 1,
            variables: Arc::default(),
            meta: Arc::default(),
            agent: None,
            trigger: None,
        },
    }
}

/// The tools that a client offers, and results of calls.
fn tools_of(offered: &[&str], results: &[(&str, serde_json::Value)]) -> Arc<ToolContext> {
    let capability =
        |name: &&str| ClientCapability { name: (*name).to_owned(), input_schema: None };
    let result = |(nth, (name, output)): (usize, &(&str, serde_json::Value))| ResolvedCall {
        call: ToolCall {
            call_id: format!("call_{nth}").as_str().into(),
            ordinal: 1,
            name: (*name).to_owned(),
            arguments: json!({ "nth": nth }).as_object().cloned().unwrap(),
        },
        output: output.as_object().cloned().unwrap(),
    };
    Arc::new(ToolContext {
        capabilities: offered.iter().map(capability).collect(),
        resolved: results.iter().enumerate().map(result).collect(),
    })
}

/// Whether a rule with tools holds: a simple implementation to compare with.
fn tools_hold(rule: &ReplyRule, prompt: &Prompt) -> bool {
    let tools = prompt.tools.as_deref();
    let results = tools.map_or(&[][..], |tools| &tools.resolved);
    let meets = |condition: &ToolResultCondition| {
        results.iter().any(|ResolvedCall { call, output }| {
            let text = json!(output).to_string().to_lowercase();
            is_none_or_eq(condition.name.as_deref(), Some(&call.name))
                && condition.contains.as_ref().is_none_or(|wanted| text.contains(wanted.as_str()))
        })
    };
    let offered = |name: &str| tools.is_some_and(|tools| tools.offers(name));
    rule.when.capability.as_deref().is_none_or(offered)
        && rule.when.tool_result.as_ref().map_or(results.is_empty(), meets)
        && (tools.is_some() || rule.reply[0].tool_calls.is_none())
}

/// Whether a rule's conditions hold: a simple implementation to compare with.
fn holds(rule: &ReplyRule, prompt: &Prompt) -> bool {
    let when = &rule.when;
    let (scene, text) = (&prompt.scene, text_of(&prompt.message));
    let regex = |pattern: &str| match pattern {
        "a|b" => ["a", "b"].contains(&&*text),
        "^c$" => text == "c",
        _ => true,
    };
    tools_hold(rule, prompt)
        && when.api.is_none_or(|api| api == scene.api)
        && is_none_or_eq(
            when.deployment.as_deref(),
            scene.deployment.as_ref().map(DeploymentId::as_str),
        )
        && is_none_or_eq(when.model.as_deref(), Some(&scene.model))
        && is_none_or_eq(when.equals.as_deref(), Some(&text))
        && when.turn.is_none_or(|turn| turn == scene.turn)
        && when.trigger.is_none_or(|trigger| trigger == scene.trigger.is_some())
        && when.contains.as_ref().is_none_or(|wanted| text.contains(wanted.as_str()))
        && when.regex.as_deref().is_none_or(regex)
        && when.variables.iter().all(|(name, value)| scene.variables.get(name) == Some(value))
        && when.parts.iter().all(|kind| *kind == PartKind::Text)
}

fn is_none_or_eq(wanted: Option<&str>, found: Option<&str>) -> bool {
    wanted.is_none() || wanted == found
}

proptest! {
    /// Compares with a linear scan that counts the answers of each rule.
    #[test]
    fn the_first_rule_that_matches_and_is_not_used_up_answers(
        rules in rules(),
        prompts in prompts(),
    ) {
        let rules_of_account = AccountRules::new(Arc::new(RuleSet::compile(&rules).unwrap()));
        let mut answered = vec![0; rules.len()];
        for prompt in prompts {
            let expected = rules.iter().zip(&answered).position(|(rule, answered)| {
                rule.times.is_none_or(|times| *answered < times) && holds(rule, &prompt)
            });
            if let Some(place) = expected {
                answered[place] += 1;
            }
            let selected = rules_of_account.take_from_fixtures(&PromptView::new(&prompt));
            let name = selected.map(|selected| selected.rule.to_string());
            prop_assert_eq!(name, expected.map(|place| format!("rule {}", place + 1)));
        }
    }

    #[test]
    fn a_rule_matches_if_and_only_if_all_its_conditions_hold(rules in rules(), prompts in prompts()) {
        let set = RuleSet::compile(&rules).unwrap();
        for prompt in prompts {
            let view = PromptView::new(&prompt);
            for rule in set.rules() {
                prop_assert_eq!(rule.all_conditions_hold(&view), rule.matches(&view));
            }
        }
    }
}

#[test]
fn a_released_reply_of_the_queue_returns_to_its_place() {
    let rules_of_account = AccountRules::new(Arc::default());
    let replies = ["one", "two", "three"].map(reply);
    rules_of_account.enqueue(&replies, None).unwrap();
    let prompt = prompt_of(None, "m", "x");
    let view = PromptView::new(&prompt);
    let take = || rules_of_account.take_scripted(&view).unwrap().lease;
    let (one, two) = (take(), take());
    rules_of_account.release(two);
    rules_of_account.release(one);
    let queue: Vec<Reply> =
        rules_of_account.queue().into_iter().map(|queued| queued.reply).collect();
    assert_eq!(queue, replies);
    // A reply that was taken before the queue was cleared does not return.
    let one = take();
    rules_of_account.clear_queue();
    rules_of_account.release(one);
    assert_eq!(rules_of_account.queue(), []);
}

#[test]
fn a_released_reply_of_a_sequence_is_next_again_unless_another_was_taken() {
    let replies = ["one", "two", "three"].map(reply).to_vec();
    let rule = ReplyRule { reply: replies, times: Some(3), ..ReplyRule::default() };
    let rules_of_account = AccountRules::new(Arc::default());
    rules_of_account.add(&rule, &edit::Position::End).unwrap();
    let prompt = prompt_of(None, "m", "x");
    let view = PromptView::new(&prompt);
    let take = || rules_of_account.take_scripted(&view).map(|selected| selected.lease).unwrap();
    let answered = || rules_of_account.own_rules()[0].answered;
    rules_of_account.release(take());
    assert_eq!(answered(), 0);
    let (one, two) = (take(), take());
    rules_of_account.release(one);
    assert_eq!(answered(), 2);
    rules_of_account.release(two);
    assert_eq!(answered(), 1);
    take();
    take();
    assert!(rules_of_account.take_scripted(&view).is_none());
}

fn call(name: &str) -> Reply {
    let call = ReplyToolCall { name: name.to_owned(), ..ReplyToolCall::default() };
    Reply { tool_calls: Some(vec![call]), ..Reply::default() }
}

fn reply(text: &str) -> Reply {
    Reply { text: Some(text.to_owned()), ..Reply::default() }
}

#[test]
fn near_misses_are_found_among_the_rules_that_were_tried() {
    let fixture = ReplyRule {
        when: ReplyConditions {
            turn: Some(1),
            equals: Some("far".to_owned()),
            ..ReplyConditions::default()
        },
        reply: vec![reply("x")],
        ..ReplyRule::default()
    };
    let rules_of_account = AccountRules::new(Arc::new(RuleSet::compile(&[fixture]).unwrap()));
    let own = ReplyRule {
        id: Some("own".to_owned()),
        when: ReplyConditions {
            turn: Some(1),
            contains: Some("near".to_owned()),
            ..ReplyConditions::default()
        },
        reply: vec![reply("x")],
        times: None,
    };
    rules_of_account.add(&own, &edit::Position::End).unwrap();
    let prompt = prompt_of(None, "m", "x");
    let missed = |fixtures, answering| {
        let misses = rules_of_account.rules().near_misses(&prompt, answering, fixtures);
        misses.iter().map(|miss| miss.rule.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(missed(true, None), ["own", "rule 1"]);
    assert_eq!(missed(false, None), ["own"]);
    assert_eq!(missed(true, Some("rule 1")), ["own"]);
    assert_eq!(missed(true, Some("queue")), [""; 0]);
}
