//! A server inside a test: `mynah::Mynah`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::executor::block_on;
use mynah::Mynah;
use mynah::testing::{
    Account, AccountChanges, Api, BackendName, Credits, Effect, Error, Fault, LimitChange,
    RunStatus, StartError, Time, ToolResult,
};
use serde_json::{Map, Value, json};

use crate::support::timeout::{TIMEOUT, within};
use crate::support::{client, client_without_timeout};

/// The client of the README's test.
mod support_desk {
    use serde_json::{Value, json};

    use crate::support::client;

    pub async fn ask(url: &str, key: &str, text: &str) -> String {
        loop {
            let url = format!("{url}/YOUR_DEPLOYMENT_ID");
            let request = client().post(url).header("x-api-key", key);
            let body = json!({"content": [{"type": "text", "text": text}]});
            let answer = request.json(&body).send().await.unwrap();
            if answer.status().is_success() {
                let answer: Value = answer.json().await.unwrap();
                return answer["content"].as_str().unwrap().to_owned();
            }
        }
    }
}

const WAIT: Duration = Duration::from_secs(30);

async fn run(account: &Account, text: &str) -> reqwest::Response {
    run_with(&client(), account, text).await
}

async fn run_with(client: &reqwest::Client, account: &Account, text: &str) -> reqwest::Response {
    let url = format!("{}/YOUR_DEPLOYMENT_ID", account.runner_url());
    let body = json!({"content": [{"type": "text", "text": text}]});
    let request = client.post(url).header("x-api-key", account.key());
    request.json(&body).send().await.unwrap()
}

async fn answer_to(account: &Account, text: &str) -> Value {
    let answer = run(account, text).await.error_for_status().unwrap();
    answer.json::<Value>().await.unwrap()["content"].clone()
}

/// Sends a request with a client that blocks its thread.
fn request_and_block(address: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// What an assertion that fails says.
fn failure<T>(assertion: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(assertion)) else { panic!("it held") };
    panic.downcast_ref::<String>().unwrap().clone()
}

#[tokio::test]
async fn the_support_desk_asks_again_when_it_is_turned_away() {
    let mynah = Mynah::start().await.unwrap();
    let account = mynah.account().plan("free").await.unwrap();
    account.replies().queue("Your order is on its way.").unwrap();
    account.faults().add(json!({"times": 2, "effect": {"status": 503}})).unwrap();

    // The client under test is given a URL and a key, and knows nothing of Mynah.
    let answer = support_desk::ask(&account.runner_url(), account.key(), "Where is it?").await;

    assert_eq!(answer, "Your order is on its way.");
    account.expect_request_count(2, |request| request.status(503));
    account.expect_request(|request| request.path("/v1/runner/*").status(200).body("Where"));
}

#[test]
fn the_test_in_the_readme_is_the_one_above() {
    let readme = include_str!("../../../README.md");
    let snippet = readme.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    let (_, test) = snippet.split_at(snippet.find("#[tokio::test]").unwrap());
    assert!(include_str!("server.rs").contains(test), "{test}");
}

#[tokio::test]
async fn an_account_of_a_server_in_the_test_answers_with_scripted_replies() {
    let mynah = Mynah::start().await.unwrap();
    let account = mynah.account().plan("free").balance("12.5".parse().unwrap()).await.unwrap();
    account.replies().queue("Yes.").unwrap();
    account.replies().queue_for(Api::Characters, "Not here.").unwrap();
    let rule = json!({"when": {"contains": "refund"}, "reply": [{"text": "Please call us."}]});
    let rule = account.replies().rule(rule).unwrap();
    assert_eq!(answer_to(&account, "A refund?").await, "Yes.");
    assert_eq!(answer_to(&account, "A refund?").await, "Please call us.");
    assert_eq!(account.replies().rules()[0].answered, 1);
    assert_eq!(account.replies().queued().len(), 1);
    account.replies().remove_rule(&rule.id).unwrap();
    let unknown = account.replies().remove_rule("refunds").unwrap_err();
    assert_eq!(unknown.to_string(), "there is no rule `refunds`");

    assert_eq!(account.plan().requests_per_minute, 5);
    assert_eq!(account.balance().await.unwrap().to_string(), "12.5");
    let changes = AccountChanges {
        balance: Some(Credits::default()),
        runner_requests_per_minute: LimitChange::To(1),
        ..AccountChanges::default()
    };
    account.change(changes).await.unwrap();
    assert_eq!(account.balance().await.unwrap(), Credits::default());
    assert_eq!(run(&account, "Hi").await.status(), 200);
    assert_eq!(run(&account, "Hi").await.status(), 429);
    account.clock().advance(Duration::from_mins(1));
    assert_eq!(run(&account, "Hi").await.status(), 200);

    let demo = mynah.existing("demo").unwrap();
    assert_eq!(demo.key(), "YOUR_API_KEY");
    assert_eq!(demo.requests(), []);
    let nobody = mynah.existing("nobody").unwrap_err();
    assert_eq!(nobody.to_string(), "there is no account `nobody`");
}

#[tokio::test]
async fn faults_are_added_as_rust_or_as_json_and_are_checked() {
    let mynah = Mynah::builder().fault_header(true).await.unwrap();
    let account = mynah.account().await.unwrap();
    let effect = Effect { status: Some(503), retry_after: Some(7), ..Effect::default() };
    let fault = Fault { times: Some(1), effect, ..Fault::default() };
    let added = account.faults().add(fault.clone()).unwrap();
    let json = json!({"times": 1, "effect": {"status": 503, "retry_after": 7}});
    assert_eq!(account.faults().add(json).unwrap().fault, fault);
    assert_eq!(run(&account, "Hi").await.headers()["retry-after"], "7");
    assert_eq!(account.faults().fired(&added.id), 1);
    account.faults().remove(&added.id).unwrap();
    assert_eq!(account.faults().list().len(), 1);
    account.faults().clear();
    assert_eq!(run(&account, "Hi").await.status(), 200);
    account.expect_request(|request| request.fault("status").status("5xx"));

    for (wrong, said) in [
        (
            json!({"effect": {"status": "503"}}),
            "effect.status must be a whole number, not a string",
        ),
        (
            json!({"effect": {"status": 200}}),
            "effect.status must be a whole number from 400 to 599",
        ),
        (json!({"when": {"evry": 2}, "effect": {"status": 503}}), "when.evry is not a known field"),
        (json!([{}, null, {}]), "the body must be an object, not an array"),
    ] {
        let refused = account.faults().add(wrong).unwrap_err().to_string();
        assert!(refused.starts_with(said), "{refused}");
    }
}

#[tokio::test]
async fn an_assertion_that_fails_says_what_came_instead() {
    let mynah = Mynah::start().await.unwrap();
    let account = mynah.account().await.unwrap();
    let id = account.id().to_owned();
    let none = failure(|| account.expect_request(|any| any));
    assert_eq!(
        none,
        format!(
            "no request was like this, of {id}\nconditions:\n    none: any request\n\
             received no requests"
        )
    );
    run(&account, "Is billing open?").await;
    run(&account, "And on Sundays?").await;

    let wanted = json!({"content": [{"text": "And on Mondays?"}]});
    let said =
        failure(|| account.expect_request(|request| request.method("post").body(wanted.clone())));
    let expected = format!(
        r#"no request was like this, of {id}
conditions:
    method: post
    body: {{"content":[{{"text":"And on Mondays?"}}]}}
received 2 requests:
    1 POST /v1/runner/YOUR_DEPLOYMENT_ID → 200
        {{"content":[{{"type":"text","text":"Is billing open?"}}]}}
    2 POST /v1/runner/YOUR_DEPLOYMENT_ID → 200
        {{"content":[{{"type":"text","text":"And on Sundays?"}}]}}
nearest miss: 2 POST /v1/runner/YOUR_DEPLOYMENT_ID → 200
    body.content[0].text: wanted "And on Mondays?", found "And on Sundays?""#
    );
    assert_eq!(said, expected);
    let said = failure(|| account.expect_no_request(|request| request.path("/v1/*")));
    assert!(said.starts_with("2 requests were like this, 0 were wanted"), "{said}");

    let forgetful = Mynah::builder().journal_max(1).await.unwrap();
    let account = forgetful.account().await.unwrap();
    run(&account, "Hi").await;
    run(&account, "Hi").await;
    let said = failure(|| account.expect_request_count(1, |any| any));
    assert!(said.starts_with("1 requests were like this, but 1 are no longer"), "{said}");
}

#[tokio::test]
async fn requests_are_picked_by_everything_that_the_log_knows() {
    let mynah = Mynah::start().await.unwrap();
    let account = mynah.account().seed(5).await.unwrap();
    let list = format!("{}/conversations?page=1", account.runner_url());
    let list = client().get(list).header("x-api-key", account.key()).header("x-trace", "t 1");
    list.send().await.unwrap().error_for_status().unwrap();
    assert_eq!(account.request_log().last(), 1);
    account.replies().queue("Yes.").unwrap();
    run(&account, "Order 17, please").await;

    account.expect_request(|request| {
        request
            .api(Api::Runner)
            .method("get")
            .route("/v1/runner/conversations")
            .query("page", "1")
            .header("X-Trace", "t 1")
    });
    let asked = account.expect_request(|request| {
        request
            .since(1)
            .path("/v1/runner/YOUR_*")
            .status(200)
            .body("Order 17")
            .answer(json!({"content": "Yes."}))
            .model(json!({"rule": "queue", "turn": 1}))
            .end("complete")
            .which("names an order", |request| request.body().to_string().contains("Order"))
    });
    assert_eq!((asked.number(), asked.rule(), asked.status()), (2, Some("queue"), Some(200)));
    assert_eq!(asked.header("X-Api-Key"), Some("[redacted]"));
    assert_eq!(asked.to_string(), "2 POST /v1/runner/YOUR_DEPLOYMENT_ID → 200");
    assert!(account.report().contains("1 GET /v1/runner/conversations?page=1 → 200"));
    assert_eq!(account.requests_like(|request| request.query("page", "2")), []);
    account.request_log().clear();
    account.expect_no_request(|any| any);
}

#[tokio::test]
async fn conditions_are_compared_as_by_the_control_plane_and_predicates_where_they_hold() {
    let mynah = Mynah::start().await.unwrap();
    let account = mynah.account().await.unwrap();
    run(&account, "Order 17").await;
    run(&account, "Order 18, please").await;

    let text = |text: Value| json!({"content": [{"text": text}]});
    let please =
        account.expect_request(|request| request.body(text(json!({"regex": r"^Order \d+, p"}))));
    assert_eq!(please.number(), 2);
    account.expect_request_count(1, |request| request.body("Order").body("please"));
    account.expect_no_request(|request| request.body("Order 17").body("please"));
    let before = account.expect_request_count(1, |request| {
        request.body("Order 17").which("is of the first", |request| {
            assert_eq!(request.number(), 1, "the body of the other does not match");
            true
        })
    });
    assert_eq!(before[0].number(), 1);

    let id = account.id().to_owned();
    let said = failure(|| {
        account.expect_request(|request| {
            request.since(1).body("Order").which("names a third", |request| request.number() == 3)
        })
    });
    assert_eq!(
        said,
        format!(
            r#"no request was like this, of {id}
conditions:
    since: 1
    body: "Order"
    which: names a third
received 1 request:
    2 POST /v1/runner/YOUR_DEPLOYMENT_ID → 200
        {{"content":[{{"type":"text","text":"Order 18, please"}}]}}
nearest miss: 2 POST /v1/runner/YOUR_DEPLOYMENT_ID → 200
    which: wanted names a third, found that it is not so"#
        )
    );
}

#[tokio::test]
async fn conditions_that_can_never_hold_fail_by_name() {
    let mynah = Mynah::start().await.unwrap();
    let account = mynah.account().await.unwrap();
    let wrong = "match.status must be a status, or 2xx, 4xx and so on";
    assert_eq!(failure(|| account.expect_no_request(|request| request.status("ok"))), wrong);
    assert_eq!(failure(|| account.requests_like(|request| request.status("ok"))), wrong);
    let waited = account.wait_for_like(1, WAIT, |request| request.status("ok")).await;
    assert_eq!(waited.unwrap_err().to_string(), wrong);
    let regex = failure(|| account.expect_request(|request| request.body(json!({"regex": "("}))));
    assert!(regex.starts_with("match.body.regex: regex parse error"), "{regex}");
}

#[tokio::test(start_paused = true)]
async fn requests_of_the_background_are_waited_for_in_real_time() {
    let mynah = Mynah::start().await.unwrap();
    let account = mynah.account().await.unwrap();
    let of_background = account.clone();
    // Where time is paused, a client's limit is over at once. The wait below has a real one.
    let client = client_without_timeout();
    let background =
        tokio::spawn(async move { run_with(&client, &of_background, "Order 17").await });
    let came = account.wait_for_like(1, WAIT, |request| request.body("Order 17")).await;
    assert_eq!(came.unwrap()[0].number(), 1);
    background.await.unwrap();
    assert_eq!(account.wait_for(1, WAIT).await.unwrap().len(), 1);

    let in_vain = account.wait_for(2, Duration::from_millis(10)).await.unwrap_err();
    let said = format!("{in_vain:?}");
    assert!(said.starts_with("1 of 2 requests came within 10ms, of acct_"), "{said}");
    assert!(said.contains("    1 POST /v1/runner/YOUR_DEPLOYMENT_ID → 200"), "{said}");
}

#[tokio::test]
async fn states_are_taken_restored_copied_and_reset() {
    let mynah = Mynah::builder().backend(BackendName::Echo).await.unwrap();
    let began: Time = "2026-01-01T00:00:00Z".parse().unwrap();
    let account = mynah.account().clock(began).await.unwrap();
    let snapshot = account.snapshot().await.unwrap();
    account.clock().advance(Duration::from_mins(1));
    let fork = account.fork().await.unwrap();
    assert_eq!(fork.clock().now() - began, chrono::TimeDelta::minutes(1));
    account.restore(snapshot).await.unwrap();
    assert_eq!(account.clock().now(), began);
    account.clock().set("2027-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(answer_to(&account, "Hi").await, "Hi");
    account.reset().await.unwrap();
    assert_eq!((account.clock().now(), account.requests().len()), (began, 0));
    assert_eq!(answer_to(&fork, "Hi").await, "Hi");
    fork.remove().await.unwrap();
    assert_eq!(run(&fork, "Hi").await.status(), 401);
    assert!(matches!(fork.reset().await.unwrap_err(), Error::Refused(_)));
}

#[tokio::test]
async fn servers_of_one_process_share_nothing_and_draw_the_same() {
    let (one, other) = (Mynah::start().await.unwrap(), Mynah::start().await.unwrap());
    assert_ne!(one.address(), other.address());
    let (mine, theirs) = (one.account().await.unwrap(), other.account().await.unwrap());
    assert_eq!((mine.id(), mine.key()), (theirs.id(), theirs.key()));
    mine.replies().queue("Mine.").unwrap();
    mine.clock().freeze();
    run(&theirs, "Hi").await;
    assert_eq!(answer_to(&mine, "Hi").await, "Mine.");
    assert_eq!((mine.requests().len(), theirs.requests().len()), (1, 1));
    assert!(!theirs.clock().is_frozen());
    drop(one);
    assert_eq!(run(&theirs, "Hi").await.status(), 200);
}

#[tokio::test]
async fn a_server_is_gone_when_it_has_been_dropped() {
    let mynah = Mynah::start().await.unwrap();
    let (address, account) = (mynah.address(), mynah.account().await.unwrap());
    // A request that is never finished keeps nobody waiting.
    let mut idle = TcpStream::connect(address).unwrap();
    idle.write_all(b"GET /_mynah/health HTTP/1.1\r\n").unwrap();
    drop(mynah);
    TcpStream::connect(address).unwrap_err();
    assert!(matches!(account.balance().await.unwrap_err(), Error::Stopped));
    let in_vain = account.wait_for(1, WAIT).await.unwrap_err();
    assert_eq!(in_vain.to_string(), "the server has stopped");
    account.expect_no_request(|any| any);
}

#[tokio::test]
async fn a_server_that_is_stopped_lets_running_answers_finish() {
    let mynah = Mynah::builder().grace(WAIT).await.unwrap();
    let account = mynah.account().await.unwrap();
    let reply = json!({"text": "one two three", "pace": {"word_ms": 100}});
    account.replies().queue(reply).unwrap();
    let url = format!("{}/YOUR_DEPLOYMENT_ID/stream", account.runner_url());
    let body = json!({"content": [{"type": "text", "text": "Count."}]});
    let request = client().post(url).header("x-api-key", account.key());
    let mut stream = request.json(&body).send().await.unwrap();
    let mut text = stream.chunk().await.unwrap().unwrap().to_vec();
    let stopping = tokio::spawn(mynah.stop());
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    assert!(String::from_utf8(text).unwrap().contains("three"));
    within("the server's end", stopping).await.unwrap();
    account.expect_request(|request| request.end("complete"));
}

#[test]
fn it_serves_clients_that_block_and_tests_without_a_runtime() {
    let mynah = block_on(Mynah::start()).unwrap();
    let account = block_on(mynah.account().make()).unwrap();
    assert!(request_and_block(mynah.address(), "/_mynah/health").starts_with("HTTP/1.1 200"));
    let refused = request_and_block(mynah.address(), "/api/v1/models");
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    block_on(account.remove()).unwrap();
    block_on(mynah.stop());
}

#[tokio::test]
async fn it_starts_with_fixtures_given_as_texts_or_says_what_is_wrong_with_them() {
    let rules = "[[rule]]\nwhen = { contains = \"refund\" }\nreply = [{ text = \"Call us.\" }]\n";
    let mynah = Mynah::builder().fixture("a-refunds.toml", rules).await.unwrap();
    let account = mynah.account().await.unwrap();
    assert_eq!(answer_to(&account, "A refund?").await, "Call us.");

    let folder = tempfile::tempdir().unwrap();
    mynah::fixtures::export(folder.path()).unwrap();
    let of_folder = Mynah::builder().fixtures(folder.path()).fixture("replies.toml", rules);
    let of_folder = of_folder.await.unwrap();
    let account = of_folder.account().await.unwrap();
    assert_eq!(answer_to(&account, "A refund?").await, "Call us.");

    let wrong = "[[rule]]\nwhen = 5\nreply = [{ text = \"x\" }]\n";
    let faulty = Mynah::builder().fixture("a.toml", wrong).await.unwrap_err();
    assert!(faulty.to_string().starts_with("a.toml:2:"), "{faulty}");
    let port = mynah.address().port();
    let taken = Mynah::builder().port(port).await.unwrap_err();
    assert!(matches!(taken, StartError::Listen { port: tried, .. } if tried == port), "{taken}");
    let nowhere = Mynah::builder().database("postgres://x").await.unwrap_err();
    assert!(nowhere.to_string().contains("no SQLite address"), "{nowhere}");
}

#[tokio::test]
async fn a_database_file_is_kept_and_free_again_once_the_server_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kept.db").display());
    let mynah = Mynah::builder().database(&url).await.unwrap();
    let id = mynah.account().balance("7".parse().unwrap()).await.unwrap().id().to_owned();
    drop(mynah);
    let again = Mynah::builder().database(&url).await.unwrap();
    assert_eq!(again.existing(&id).unwrap().balance().await.unwrap().to_string(), "7");
}

#[tokio::test]
async fn triggers_are_listed_and_expired() {
    let mynah = Mynah::start().await.unwrap();
    let account = mynah.account().clock("2026-05-01T12:00:00Z".parse().unwrap()).await.unwrap();
    let [seeded] = account.triggers().list().await.unwrap().try_into().unwrap();
    assert_eq!((seeded.id.as_str(), seeded.expires_at), ("trg_123abc", None));
    let expired = account.triggers().expire("trg_123abc").await.unwrap();
    assert_eq!(expired.expires_at, Some(account.clock().now()));
    let refused = account.triggers().expire("trg_0").await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no trigger `trg_0`");
}

#[tokio::test]
async fn agent_runs_are_listed_and_resumed() {
    let mynah = Mynah::start().await.unwrap();
    let account = mynah.account().await.unwrap();
    let path = account.runner_url().replace("/v1/", "/v2/");
    let body = json!({
        "content": [{"type": "text", "text": "What is the weather in Oslo?"}],
        "client_capabilities": ["get_weather"],
    });
    let request = client().post(format!("{path}/AGENT_DEPLOYMENT_ID/conversation")).json(&body);
    request.header("x-api-key", account.key()).send().await.unwrap().error_for_status().unwrap();
    let [run] = account.runs().list().await.unwrap().try_into().unwrap();
    assert_eq!(run.step.status, RunStatus::WaitingForClientAction);
    let id = run.step.run_id.as_str();
    let output = Map::from_iter([("sky".to_owned(), json!("clear"))]);
    let results = vec![ToolResult { call_id: run.step.calls[0].call_id.clone(), output }];
    let resumed = account.runs().resume(id, results.clone()).await.unwrap();
    assert_eq!(
        (&resumed.step.run_id, resumed.step.status),
        (&run.step.run_id, RunStatus::Completed)
    );
    let refused = account.runs().resume("run_0", results).await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no run `run_0`");
}
