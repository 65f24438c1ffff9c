//! Servers with one fault each: the checks about it fail, and no others.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::proxy::{ChangeRequest, ChangeResponse, ProxiedRequest, ProxiedResponse, Proxy};
use super::{failing, failing_ids, not_run, report, target, with_choices};
use crate::support::TestApp;

fn unchanged_request(_: &mut ProxiedRequest) {}

fn unchanged_response(_: &ProxiedRequest, _: &mut ProxiedResponse) {}

/// The name of a case, the changes, and the ids of the checks that fail.
type Case = (&'static str, ChangeRequest, ChangeResponse, &'static [&'static str]);

const CASES: &[Case] = &[
    ("nothing", unchanged_request, unchanged_response, &[]),
    (
        "streams come in one piece",
        unchanged_request,
        |_, response| response.pieces = vec![response.pieces.concat().into()],
        &["runner.stream.pieces"],
    ),
    (
        "streams are framed",
        unchanged_request,
        |request, response| {
            if request.path.ends_with("/stream") && response.status == 200 {
                response.pieces.insert(0, "data: ".into());
            }
        },
        &["runner.stream.no_framing", "runner.conversation.stream_is_whole"],
    ),
    (
        "a run tells no tokens",
        unchanged_request,
        |request, response| {
            if request.path == "/v1/runner/YOUR_DEPLOYMENT_ID" {
                response.edit(|body| drop(body.as_object_mut().unwrap().remove("input_tokens")));
            }
        },
        &["runner.run.answer"],
    ),
    (
        "messages stand newest first",
        unchanged_request,
        |request, response| {
            if request.path.ends_with("/messages") {
                response.edit(|body| {
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
        |request| {
            request.edit(|body| {
                if let Some(body) = body.as_object_mut() {
                    body.remove("history_limit");
                }
            });
        },
        unchanged_response,
        &["runner.conversation.history_limit", "runner.conversation.history_limit_range"],
    ),
    (
        "there is never more",
        unchanged_request,
        |_, response| response.edit(|body| replace(body, "/has_more", &json!(false))),
        &["runner.messages.paging", "runner.list.paging"],
    ),
    (
        "filters are not looked at",
        |request| {
            let kept: Vec<&str> =
                request.query.split('&').filter(|pair| pair.starts_with("page")).collect();
            if request.path.ends_with("/conversations") {
                request.query = kept.join("&");
            }
        },
        unchanged_response,
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
        unchanged_request,
        |request, response| {
            if request.path.starts_with("/v1") && response.status == 401 {
                response.status = 403;
            }
        },
        &["runner.key.missing", "runner.key.unknown", "runner.key.before_body"],
    ),
    (
        "errors come in another envelope",
        unchanged_request,
        |_, response| {
            if response.status >= 400 {
                response.set_body(r#"{"message": "content: no"}"#);
            }
        },
        &[
            "runner.conversation.meta_on_continuation",
            "runner.conversation.variables_on_continuation",
            "runner.conversation.history_limit_range",
            "runner.conversation.other_deployment",
            "runner.trigger.on_continuation",
            "runner.trigger.fields",
            "runner.agent_run.results",
            "runner.agent_run.variables_on_continuation",
            "runner.agent_run.content",
            "runner.agent_run.codes",
            "runner.history.range",
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
        "conflicts are none",
        unchanged_request,
        |asked, answered| {
            if asked.path.starts_with("/v2") && answered.status == 409 {
                answered.status = 400;
            }
        },
        &["runner.agent_run.conflict", "runner.agent_run.message"],
    ),
    (
        "histories stand newest first",
        unchanged_request,
        |asked, answered| {
            if asked.path.ends_with("/history") {
                answered.edit(|body| {
                    if let Some(items) = body["items"].as_array_mut() {
                        items.reverse();
                    }
                });
            }
        },
        &["runner.history.items", "runner.history.cursor"],
    ),
    (
        "one account sees the other's",
        |request| {
            let own = [("x-api-key", "YOUR_API_KEY"), ("authorization", "Bearer YOUR_API_KEY")];
            for (name, own) in own {
                let sent =
                    request.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
                if sent.is_some_and(|value| value.ends_with("other_api_key")) {
                    request.headers.insert(name, own.parse().unwrap());
                }
            }
        },
        unchanged_response,
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
        unchanged_request,
        |_, response| {
            for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
                response.headers.remove(name);
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
        |request| {
            let free =
                request.headers.get("authorization").is_some_and(|v| v == "Bearer free_api_key");
            if free {
                request.headers.insert("authorization", "Bearer broke_api_key".parse().unwrap());
            }
        },
        |_, response| {
            if response.headers.contains_key("x-ratelimit-limit") {
                response.headers.insert("x-ratelimit-limit", "5".parse().unwrap());
                response.headers.insert("x-ratelimit-remaining", "4".parse().unwrap());
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
        unchanged_request,
        |request, response| {
            if request.path.starts_with("/images/") {
                response.set_body("<html>");
            }
        },
        &["characters.agents.avatar", "characters.images.picture"],
    ),
    (
        "the age is left out",
        unchanged_request,
        |request, response| {
            if request.path.starts_with("/api/v1/agents") {
                let plain = json!("Professional, suit and tie");
                response.edit(|body| replace(body, "/appearance_prompt", &plain));
            }
        },
        &["characters.agents.create"],
    ),
    (
        "there is never a next page",
        unchanged_request,
        |_, response| response.edit(|body| replace(body, "/pagination/next_page", &Value::Null)),
        &["characters.images.list", "characters.images.pages"],
    ),
];

fn replace(body: &mut Value, pointer: &str, value: &Value) {
    if let Some(place) = body.pointer_mut(pointer) {
        *place = value.clone();
    }
}

#[tokio::test]
async fn a_server_with_one_fault_fails_the_checks_about_it_and_no_others() {
    for (name, change_request, change_response, expected) in CASES {
        let app = TestApp::start().await;
        let proxy = Proxy::start(app.address, *change_request, *change_response).await;
        let report = report(target(proxy.address), &with_choices()).await;
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
async fn a_check_that_depends_on_a_failed_one_is_not_run_and_names_it() {
    let app = TestApp::start().await;
    let change_response: ChangeResponse = |request, response| {
        if request.path.ends_with("/conversation") && response.status == 200 {
            response.edit(|body| drop(body.as_object_mut().unwrap().remove("conversation_id")));
        }
        if response.status == 402 {
            response.status = 403;
        }
    };
    let proxy = Proxy::start(app.address, unchanged_request, change_response).await;
    let report = report(target(proxy.address), &with_choices()).await;
    let broken = [
        "runner.conversation.start",
        "runner.conversation.variables",
        "runner.trigger.start",
        "runner.agent_run.start",
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
async fn a_server_with_invalid_responses_fails_checks_and_the_report_is_valid() {
    let app = TestApp::start().await;
    let nonsense: [ChangeResponse; 3] = [
        |_, response| {
            response.status = 500;
            response.set_body("<h1>Internal Server Error</h1>\u{0}");
        },
        |_, response| {
            response.status = 200;
            response.set_body("[[[[");
        },
        |_, response| {
            response.status = 200;
            response.set_body(r#"{"items": [1, null, {}], "data": {}, "id": 3, "pagination": []}"#);
        },
    ];
    for change_response in nonsense {
        let proxy = Proxy::start(app.address, unchanged_request, change_response).await;
        let report = report(target(proxy.address), &with_choices()).await;
        let (passed, failed, _) = report.counts();
        assert!(failed > 40 && passed < 20, "{passed} pass, {failed} fail");
        assert_eq!(report.exit_code(), 1);
        let xml = String::from_utf8(report.junit().unwrap()).unwrap();
        roxmltree::Document::parse(&xml).expect("the document is well-formed");
    }
}

/// The number of requests for models.
static MODEL_REQUESTS: AtomicU32 = AtomicU32::new(0);

#[tokio::test]
async fn a_reached_rate_limit_is_waited_for() {
    let app = TestApp::start().await;
    let change_response: ChangeResponse = |request, response| {
        let models = request.path.ends_with("/models");
        if models && MODEL_REQUESTS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            response.status = 429;
            response.headers.insert("retry-after", "0".parse().unwrap());
        }
    };
    let proxy = Proxy::start(app.address, unchanged_request, change_response).await;
    let report = report(target(proxy.address), &super::only("characters.models.llm")).await;
    assert_eq!(failing(&report), Vec::<String>::new());
    assert_eq!((report.counts(), report.requests), ((1, 0, 0), 3));
    let change_response: ChangeResponse = |_, response| {
        response.status = 429;
        response.headers.insert("retry-after", "0".parse().unwrap());
    };
    let proxy = Proxy::start(app.address, unchanged_request, change_response).await;
    let report = super::report(target(proxy.address), &super::only("characters.models.llm")).await;
    let reason = "the target's rate limit is reached (GET /api/v1/models?type=llm)";
    assert_eq!(not_run(&report), [("characters.models.llm", reason)]);
    assert_eq!((report.requests, report.exit_code()), (4, 2), "requested three times in all");
}
