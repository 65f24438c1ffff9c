use std::sync::Arc;

use http_body_util::BodyExt as _;

use super::*;
use crate::app::request_log::{LogSnapshot, MAX_BYTES, ShownPrompt};
use crate::app::{AccountRegistry, AccountState};
use crate::clock::Stopwatch;
use crate::domain::{Api, BackendName, OutputMode, Part, Prompt, Scene};
use crate::http::{ConnectionAbort, route_table};
use crate::ids::{AccountId, IdGenerator};

async fn account_and_log() -> (Arc<AccountState>, Arc<ExchangeLog>) {
    let registry = AccountRegistry::of_built_in_fixtures(route_table()).await;
    let log = Arc::new(ExchangeLog::new(ResetStyle::Unix, Metrics::default()));
    (registry.by_id(&AccountId::from("demo")).unwrap(), log)
}

fn prompt(turn: u64) -> Arc<Prompt> {
    let scene = Scene {
        api: Api::Runner,
        deployment: None,
        model: "echo".into(),
        account: AccountId::from("demo"),
        turn,
        variables: Arc::default(),
        meta: Arc::default(),
        agent: None,
        trigger: None,
    };
    Arc::new(Prompt {
        instructions: Arc::new("You are a friendly support assistant.".to_owned().into()),
        history: Vec::new(),
        message: Arc::new(vec![Part::text("Hi, I need help with billing.")]),
        output: OutputMode::Text,
        tools: None,
        scene,
    })
}

/// The resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

async fn pass(
    account: &Arc<AccountState>,
    log: Option<&Arc<ExchangeLog>>,
    nth: u64,
    sent: &Bytes,
    given: &Bytes,
) {
    let request = Request::post("/v1/runner/ECHO_DEPLOYMENT_ID/conversation")
        .header("host", "127.0.0.1:4310")
        .header("x-api-key", "YOUR_API_KEY")
        .header("user-agent", "python-httpx/0.28.1")
        .header("accept", "*/*")
        .header("accept-encoding", "gzip, deflate, br, zstd")
        .header("content-type", "application/json")
        .header("content-length", "97")
        .body(Body::empty())
        .unwrap();
    let ids = Arc::new(IdGenerator::new(1, &AccountId::from("")));
    let context = Arc::new(RequestContext::new(ConnectionAbort::default(), ids));
    let exchange = log.map(|log| Exchange::begin(log, &context, &request));
    context.bind_account(account);
    let prompt = prompt(nth);
    if log.is_some() {
        context.record_body(sent);
        context.trace.set_prompt(ShownPrompt::new(
            &prompt,
            BackendName::Echo,
            account.epoch().rules.rules(),
        ));
    }
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("x-request-id", context.id().as_str())
        .body(Body::from(given.clone()))
        .unwrap();
    let response = match exchange {
        Some(exchange) => exchange.answered(response),
        None => response,
    };
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(answer.len(), given.len());
}

/// Also prints what a request costs: `cargo test --release request_log_of -- --nocapture`.
#[tokio::test]
async fn the_request_log_of_100_000_requests_stays_within_its_limits() {
    const REQUESTS: u64 = 100_000;
    let (account, log) = account_and_log().await;
    let sent = Bytes::from_static(
        br#"{"content":[{"type":"text","text":"Hi, I need help with billing."}],"history_limit":5}"#,
    );
    let given = Bytes::from(vec![b'.'; 300]);
    let stopwatch = Stopwatch::start();
    for nth in 0..REQUESTS {
        pass(&account, None, nth, &sent, &given).await;
    }
    let unrecorded = stopwatch.elapsed().as_nanos() / u128::from(REQUESTS);
    for nth in 0..1000 {
        pass(&account, Some(&log), nth, &sent, &given).await;
    }
    let (full, resident_full) = (account.request_log.snapshot().bytes, resident());
    let stopwatch = Stopwatch::start();
    for nth in 1000..REQUESTS {
        pass(&account, Some(&log), nth, &sent, &given).await;
    }
    let each = stopwatch.elapsed().as_nanos() / u128::from(REQUESTS - 1000);
    let LogSnapshot { entries, bytes, last, dropped } = account.request_log.snapshot();
    println!(
        "after 1,000 requests {full} bytes by the log's count, {resident_full} KiB resident; \
         after {last} requests {bytes} bytes, {} KiB resident; {each} ns a \
         request, {unrecorded} ns without the log",
        resident()
    );
    assert_eq!((entries.len(), last, dropped), (1000, REQUESTS, REQUESTS - 1000));
    assert!(bytes <= MAX_BYTES && bytes < full + full / 10, "{bytes}");
    assert_eq!(entries.iter().filter(|entry| entry.end == ResponseEnd::Complete).count(), 1000);
}
