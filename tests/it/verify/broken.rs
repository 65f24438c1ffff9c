//! Servers that break something: the facts about it fail, and no others.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::meddler::{Answered, Asked, Meddler, OnAnswered, OnAsked};
use super::{failing, failing_ids, not_run, report, target, with_choices};
use crate::support::TestApp;

fn as_it_is(_: &mut Asked) {}

fn as_it_was(_: &Asked, _: &mut Answered) {}

/// What is meddled with, and what fails for it.
type Case = (&'static str, OnAsked, OnAnswered, &'static [&'static str]);

const CASES: &[Case] = &[
    ("nothing", as_it_is, as_it_was, &[]),
    (
        "streams come in one piece",
        as_it_is,
        |_, answered| answered.pieces = vec![answered.pieces.concat().into()],
        &["runner.stream.pieces"],
    ),
    (
        "streams are framed",
        as_it_is,
        |asked, answered| {
            if asked.path.ends_with("/stream") && answered.status == 200 {
                answered.pieces.insert(0, "data: ".into());
            }
        },
        &["runner.stream.no_framing", "runner.conversation.stream_is_whole"],
    ),
    (
        "a run tells no tokens",
        as_it_is,
        |asked, answered| {
            if asked.path == "/v1/runner/YOUR_DEPLOYMENT_ID" {
                answered.edit(|body| drop(body.as_object_mut().unwrap().remove("input_tokens")));
            }
        },
        &["runner.run.answer"],
    ),
    (
        "messages stand newest first",
        as_it_is,
        |asked, answered| {
            if asked.path.ends_with("/messages") {
                answered.edit(|body| {
                    let list = if body.is_array() { body } else { &mut body["items"] };
                    if let Some(list) = list.as_array_mut() {
                        list.reverse();
                    }
                });
            }
        },
        &[
            "runner.conversation.stream_is_whole",
            "runner.conversation.memory",
            "runner.messages.paging",
            "characters.messages.alternate",
        ],
    ),
    (
        "history_limit is not looked at",
        |asked| {
            asked.edit(|body| {
                if let Some(body) = body.as_object_mut() {
                    body.remove("history_limit");
                }
            });
        },
        as_it_was,
        &["runner.conversation.history_limit", "runner.conversation.history_limit_range"],
    ),
    (
        "there is never more",
        as_it_is,
        |_, answered| answered.edit(|body| replace(body, "/has_more", &json!(false))),
        &["runner.messages.paging", "runner.list.paging"],
    ),
    (
        "filters are not looked at",
        |asked| {
            let kept: Vec<&str> =
                asked.query.split('&').filter(|pair| pair.starts_with("page")).collect();
            if asked.path.ends_with("/conversations") {
                asked.query = kept.join("&");
            }
        },
        as_it_was,
        &[
            "runner.list.filter",
            "runner.list.filter_all",
            "runner.list.filter_none",
            "runner.list.filter_number",
            "runner.list.paging",
            "runner.list.deployment",
            "runner.list.other_account",
        ],
    ),
    (
        "refusals have another status",
        as_it_is,
        |asked, answered| {
            if asked.path.starts_with("/v1") && answered.status == 401 {
                answered.status = 403;
            }
        },
        &["runner.key.missing", "runner.key.unknown", "runner.key.before_body"],
    ),
    (
        "errors come in another envelope",
        as_it_is,
        |_, answered| {
            if answered.status >= 400 {
                answered.say(r#"{"message": "content: no"}"#);
            }
        },
        &[
            "runner.conversation.meta_on_continuation",
            "runner.conversation.variables_on_continuation",
            "runner.conversation.history_limit_range",
            "runner.conversation.other_deployment",
            "runner.trigger.on_continuation",
            "runner.trigger.fields",
            "runner.content.required",
            "runner.content.empty",
            "runner.content.parts",
            "runner.conversation.stream_without_id",
            "runner.stream.refused",
            "runner.errors.envelope",
            "runner.errors.codes",
            "characters.key.required",
            "characters.isolation.ids",
            "characters.errors.envelope",
            "characters.models.type_required",
            "characters.completion.required",
            "characters.completion.unknown_model",
            "characters.completion.unknown_role",
            "characters.conversations.required",
            "characters.conversations.unknown",
            "characters.messages.required",
            "characters.agents.of_age",
            "characters.agents.required",
            "characters.agents.unknown",
            "characters.agents.unknown_sd_model",
            "characters.images.required",
            "characters.images.page_range",
            "characters.limits.too_many",
            "characters.balance.insufficient",
        ],
    ),
    (
        "one account sees the other's",
        |asked| {
            let own = [("x-api-key", "YOUR_API_KEY"), ("authorization", "Bearer YOUR_API_KEY")];
            for (name, own) in own {
                let sent = asked.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
                if sent.is_some_and(|value| value.ends_with("other_api_key")) {
                    asked.headers.insert(name, own.parse().unwrap());
                }
            }
        },
        as_it_was,
        &[
            "runner.messages.other_account",
            "runner.list.other_account",
            "runner.key.other_project",
            "characters.isolation.ids",
            "characters.isolation.lists",
        ],
    ),
    (
        "nothing is said of limits",
        as_it_is,
        |_, answered| {
            for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
                answered.headers.remove(name);
            }
        },
        &[
            "characters.limits.headers",
            "characters.limits.plan",
            "characters.limits.count_down",
            "characters.limits.enforced",
            "characters.limits.too_many",
        ],
    ),
    (
        "the limit is no limit",
        |asked| {
            let free =
                asked.headers.get("authorization").is_some_and(|v| v == "Bearer free_api_key");
            if free {
                asked.headers.insert("authorization", "Bearer broke_api_key".parse().unwrap());
            }
        },
        |_, answered| {
            if answered.headers.contains_key("x-ratelimit-limit") {
                answered.headers.insert("x-ratelimit-limit", "5".parse().unwrap());
                answered.headers.insert("x-ratelimit-remaining", "4".parse().unwrap());
            }
        },
        &[
            "characters.limits.count_down",
            "characters.limits.enforced",
            "characters.limits.too_many",
        ],
    ),
    (
        "pictures are none",
        as_it_is,
        |asked, answered| {
            if asked.path.starts_with("/images/") {
                answered.say("<html>");
            }
        },
        &["characters.agents.avatar", "characters.images.picture"],
    ),
    (
        "the age is left out",
        as_it_is,
        |asked, answered| {
            if asked.path.starts_with("/api/v1/agents") {
                let plain = json!("Professional, suit and tie");
                answered.edit(|body| replace(body, "/appearance_prompt", &plain));
            }
        },
        &["characters.agents.create"],
    ),
    (
        "there is never a next page",
        as_it_is,
        |_, answered| answered.edit(|body| replace(body, "/pagination/next_page", &Value::Null)),
        &["characters.images.list", "characters.images.pages"],
    ),
];

fn replace(body: &mut Value, pointer: &str, value: &Value) {
    if let Some(place) = body.pointer_mut(pointer) {
        *place = value.clone();
    }
}

#[tokio::test]
async fn who_breaks_a_promise_fails_its_facts_and_no_others() {
    for (name, on_asked, on_answered, expected) in CASES {
        let app = TestApp::start().await;
        let meddler = Meddler::before(app.address, *on_asked, *on_answered).await;
        let report = report(target(meddler.address), &with_choices()).await;
        let mut expected = expected.to_vec();
        let mut failing_ids = failing_ids(&report);
        expected.sort_unstable();
        failing_ids.sort_unstable();
        assert_eq!(failing_ids, expected, "{name}: {:#?}", failing(&report));
        assert_eq!(not_run(&report), [], "{name}");
        assert_eq!(report.exit_code(), u8::from(!expected.is_empty()), "{name}");
    }
}

#[tokio::test]
async fn what_builds_on_something_broken_is_not_run_and_says_on_what() {
    let app = TestApp::start().await;
    let on_answered: OnAnswered = |asked, answered| {
        if asked.path.ends_with("/conversation") && answered.status == 200 {
            answered.edit(|body| drop(body.as_object_mut().unwrap().remove("conversation_id")));
        }
        if answered.status == 402 {
            answered.status = 403;
        }
    };
    let meddler = Meddler::before(app.address, as_it_is, on_answered).await;
    let report = report(target(meddler.address), &with_choices()).await;
    let broken = [
        "runner.conversation.start",
        "runner.conversation.variables",
        "runner.trigger.start",
        "characters.balance.insufficient",
    ];
    assert_eq!(failing_ids(&report), broken);
    let reason = |id: &str| not_run(&report).iter().find(|row| row.0 == id).unwrap().1.to_owned();
    let memory = reason("runner.conversation.memory");
    let start = "it depends on POST /v1/runner/YOUR_DEPLOYMENT_ID/conversation: expected \
                 a string at /conversation_id";
    assert!(memory.starts_with(start), "{memory}");
    assert!(reason("characters.balance.nothing_kept").contains("status 402"));
}

#[tokio::test]
async fn a_server_that_answers_nonsense_fails_facts_and_breaks_nothing() {
    let app = TestApp::start().await;
    let nonsense: [OnAnswered; 3] = [
        |_, answered| {
            answered.status = 500;
            answered.say("<h1>Internal Server Error</h1>\u{0}");
        },
        |_, answered| {
            answered.status = 200;
            answered.say("[[[[");
        },
        |_, answered| {
            answered.status = 200;
            answered.say(r#"{"items": [1, null, {}], "data": {}, "id": 3, "pagination": []}"#);
        },
    ];
    for on_answered in nonsense {
        let meddler = Meddler::before(app.address, as_it_is, on_answered).await;
        let report = report(target(meddler.address), &with_choices()).await;
        let (held, failed, _) = report.counts();
        assert!(failed > 40 && held < 20, "{held} hold, {failed} fail");
        assert_eq!(report.exit_code(), 1);
        let xml = String::from_utf8(report.junit().unwrap()).unwrap();
        roxmltree::Document::parse(&xml).expect("the document is well-formed");
    }
}

/// How often the models were asked for.
static MET: AtomicU32 = AtomicU32::new(0);

#[tokio::test]
async fn a_limit_that_is_met_by_the_way_is_waited_for() {
    let app = TestApp::start().await;
    let on_answered: OnAnswered = |asked, answered| {
        let models = asked.path.ends_with("/models");
        if models && MET.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            answered.status = 429;
            answered.headers.insert("retry-after", "0".parse().unwrap());
        }
    };
    let meddler = Meddler::before(app.address, as_it_is, on_answered).await;
    let report = report(target(meddler.address), &super::only("characters.models.llm")).await;
    assert_eq!(failing(&report), Vec::<String>::new());
    assert_eq!((report.counts(), report.requests), ((1, 0, 0), 3));
    let on_answered: OnAnswered = |_, answered| {
        answered.status = 429;
        answered.headers.insert("retry-after", "0".parse().unwrap());
    };
    let meddler = Meddler::before(app.address, as_it_is, on_answered).await;
    let report =
        super::report(target(meddler.address), &super::only("characters.models.llm")).await;
    let reason = "the target's rate limit is reached (GET /api/v1/models?type=llm)";
    assert_eq!(not_run(&report), [("characters.models.llm", reason)]);
    assert_eq!((report.requests, report.exit_code()), (4, 2), "asked three times, and given up");
}
