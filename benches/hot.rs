//! Benchmarks of the parts of a request, in nanoseconds.
//!
//! ```sh
//! cargo bench                      # all
//! cargo bench --bench hot rules    # those with `rules` in their name
//! ```
//!
//! Only the public interface of the crate is called. Validation of a body is therefore measured as a request
//! with an error in its last part: routing, authentication, parsing and the error response are included,
//! the answer is not. docs/performance.md has the figures of whole servers.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run fails loudly")]

use std::hint::black_box;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::FutureExt as _;
use mynah::config::Config;
use mynah::domain::conversation::{Meta, Variables};
use mynah::domain::reply_rule::{Reply, ReplyConditions, ReplyRule};
use mynah::domain::{Api, OutputMode, Part, Prompt, Scene};
use mynah::http::apis::control;
use mynah::http::{ConnectionAbort, Pipeline};
use mynah::models::rules::{AccountRules, RuleSet};
use mynah::models::{Echo, ModelProvider, ModelRequest, ReplyRules};
use mynah::server::Server;
use serde_json::{Value, json};

const SHORT: &str = "Hello! I need help with my order.";
const TEMPLATE: &str = "Of course, {{ variables.customer_name or 'dear customer' }}: \
                        {{ message | upper }} in turn {{ turn }}.";

/// A prompt with the message `text`.
fn prompt(text: &str) -> Prompt {
    let mut variables = Variables::new();
    variables.insert("customer_name".to_owned(), "Ada".into());
    Prompt {
        instructions: Arc::default(),
        history: Vec::new(),
        message: Arc::new(vec![Part::text(text)]),
        output: OutputMode::Text,
        tools: None,
        scene: Scene {
            api: Api::Runner,
            deployment: Some("YOUR_DEPLOYMENT_ID".into()),
            model: "deepseek-chat".into(),
            account: "demo".into(),
            turn: 1,
            variables: Arc::new(variables),
            meta: Arc::new(Meta::new()),
            agent: None,
            trigger: None,
        },
    }
}

/// A prompt for an account with these rules.
fn ask(text: &str, rules: &[ReplyRule]) -> ModelRequest {
    let rules = RuleSet::compile(rules).expect("the rules are valid");
    let rules = Arc::new(AccountRules::new(Arc::new(rules)));
    ModelRequest { prompt: Arc::new(prompt(text)), rules, thoughts: false }
}

/// A rule that answers `text` under the condition `when`.
fn rule(when: ReplyConditions, text: &str) -> ReplyRule {
    let reply = Reply { text: Some(text.to_owned()), ..Reply::default() };
    ReplyRule { when, reply: vec![reply], ..ReplyRule::default() }
}

/// The text of an answer of `backend`, which must be ready without waiting.
fn answer(backend: &impl ModelProvider, ask: &ModelRequest) -> String {
    let answer = backend.answer(ask.clone()).now_or_never();
    let answer = answer.expect("nothing to wait for").expect("an answer");
    let (text, _) = answer.pieces.whole().now_or_never().expect("all of it").expect("a text");
    text
}

fn rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rules");
    for count in [10, 1000] {
        let text = |n| format!("What is the answer to question {n}?");
        let last = text(count - 1);
        let equals: Vec<ReplyRule> = (0..count)
            .map(|n| {
                rule(
                    ReplyConditions { equals: Some(text(n)), ..ReplyConditions::default() },
                    "Yes.",
                )
            })
            .collect();
        let by_text = ask(&last, &equals);
        assert_eq!(answer(&ReplyRules, &by_text), "Yes.");
        group.bench_function(format!("the last of {count} by text"), |bencher| {
            bencher.iter(|| answer(&ReplyRules, black_box(&by_text)));
        });
        let contains: Vec<ReplyRule> = (0..count)
            .map(|n| {
                rule(
                    ReplyConditions {
                        contains: Some(format!("question {n}?")),
                        ..ReplyConditions::default()
                    },
                    "Yes.",
                )
            })
            .collect();
        let by_part = ask(&last, &contains);
        group.bench_function(format!("the last of {count} by a part of the text"), |bencher| {
            bencher.iter(|| answer(&ReplyRules, black_box(&by_part)));
        });
    }
    group.finish();
}

fn answers(criterion: &mut Criterion) {
    let templates = ask(SHORT, &[rule(ReplyConditions::default(), TEMPLATE)]);
    assert!(answer(&ReplyRules, &templates).starts_with("Of course, Ada"));
    criterion.bench_function("answer: a template", |bencher| {
        bencher.iter(|| answer(&ReplyRules, black_box(&templates)));
    });
    let nothing = ask(SHORT, &[]);
    criterion.bench_function("answer: made up", |bencher| {
        bencher.iter(|| answer(&ReplyRules, black_box(&nothing)));
    });
    criterion.bench_function("answer: echo", |bencher| {
        bencher.iter(|| answer(&Echo, black_box(&nothing)));
    });
}

fn counting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tokens");
    let long = include_str!("../docs/ARCHITECTURE.md");
    for (name, text) in [("a sentence", SHORT), ("a page", long)] {
        group.throughput(Throughput::Bytes(u64::try_from(text.len()).unwrap_or_default()));
        group.bench_function(name, |bencher| bencher.iter(|| o200k::count(black_box(text))));
    }
    group.finish();
}

/// A server in this process, without a socket.
fn pipeline(runtime: &tokio::runtime::Runtime) -> Pipeline {
    let config = Config { control: control::ControlAccess::Nobody, ..Config::default() };
    runtime.block_on(Server::build(&config)).expect("a server").pipeline()
}

fn requests(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (pipeline, line) = (pipeline(&runtime), ConnectionAbort::default());
    let text = |text: &str| json!({"type": "text", "text": text});
    let sample = json!({"content": [text("Your input message here.")]});
    let faulty = json!({"content": [text(SHORT), text(SHORT), {"type": "colour"}]});
    let send = |body: &Value| {
        let request = Request::post("/v1/runner/YOUR_DEPLOYMENT_ID")
            .header(header::HOST, "mynah")
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-api-key", "YOUR_API_KEY")
            .body(Body::from(body.to_string()))
            .expect("a request");
        runtime.block_on(pipeline.answer(&line, request)).status()
    };
    assert_eq!(send(&sample), StatusCode::OK);
    assert_eq!(send(&faulty), StatusCode::BAD_REQUEST);
    let mut group = criterion.benchmark_group("request, without a socket");
    group.bench_function("run, canned", |bencher| bencher.iter(|| send(&sample)));
    group.bench_function("refused for its body", |bencher| bencher.iter(|| send(&faulty)));
    group.finish();
}

criterion_group!(hot, requests, rules, answers, counting);
criterion_main!(hot);
