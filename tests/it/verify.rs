//! `mynah verify`: every check passes on Mynah and fails on a server that breaks the documentation;
//! checks that cannot run are reported with the reason.

mod broken;
mod command;
mod proxy;
mod registry;

use std::net::SocketAddr;
use std::time::Duration;

use mynah::http::apis::runner::{ErrorStyle, MessageContent};
use mynah::ids::random_seed;
use mynah_verify::{
    Key, Keys, Limits, Outcome, Pattern, Report, RunOptions, Selection, Target, VerifyError, verify,
};
use url::Url;

use crate::support::TestApp;

/// A server with the built-in fixtures.
fn target(address: SocketAddr) -> Target {
    let url = Url::parse(&format!("http://{address}")).unwrap();
    let key = |key: &str| Some(Key::new(key));
    let keys = Keys {
        own: key("YOUR_API_KEY"),
        second: key("other_api_key"),
        broke: key("broke_api_key"),
        limited: key("free_api_key"),
    };
    Target {
        runner: Some(url.clone()),
        characters: Some(url),
        runner_keys: keys.clone(),
        characters_keys: keys,
        deployment: Some("YOUR_DEPLOYMENT_ID".to_owned()),
        json_deployment: Some("JSON_DEPLOYMENT_ID".to_owned()),
        agent_deployment: Some("AGENT_DEPLOYMENT_ID".to_owned()),
        model: Some("model_abc123".to_owned()),
        sd_model: Some("sd_model_456abc".to_owned()),
        may_spend: true,
    }
}

fn run_options() -> RunOptions {
    RunOptions {
        run: format!("{:016x}", random_seed()),
        limits: Limits {
            max_requests: 500,
            pause: Duration::ZERO,
            timeout: Duration::from_secs(30),
            max_wait: Duration::ZERO,
        },
    }
}

fn with_choices() -> Selection {
    Selection { choices: true, ..Selection::default() }
}

fn only(pattern: &str) -> Selection {
    Selection { only: vec![Pattern::new(pattern).unwrap()], ..with_choices() }
}

async fn report(target: Target, selection: &Selection) -> Report {
    verify(target, selection, run_options(), |_| {}).await.unwrap()
}

/// The failed checks: id, request, expectation and observation.
fn failing(report: &Report) -> Vec<String> {
    let failing = report.findings.iter().filter_map(|finding| match &finding.outcome {
        Outcome::Failed { request, expected, seen } => {
            Some(format!("{}: {request}: {expected}: {seen}", finding.check.id))
        }
        _ => None,
    });
    failing.collect()
}

/// The ids of the failed checks.
fn failing_ids(report: &Report) -> Vec<&'static str> {
    let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
    report
        .findings
        .iter()
        .filter(|finding| failed(&finding.outcome))
        .map(|finding| finding.check.id)
        .collect()
}

/// The checks that were not run: id and reason.
fn not_run(report: &Report) -> Vec<(&'static str, &str)> {
    let not_run = report.findings.iter().filter_map(|finding| match &finding.outcome {
        Outcome::NotRun(reason) => Some((finding.check.id, reason.as_str())),
        _ => None,
    });
    not_run.collect()
}

#[tokio::test]
async fn every_check_passes_on_a_new_server() {
    let app = TestApp::start().await;
    let report = report(target(app.address), &with_choices()).await;
    assert_eq!(failing(&report), Vec::<String>::new());
    assert_eq!(not_run(&report), []);
    assert_eq!(report.counts(), (mynah_verify::checks().count(), 0, 0));
    assert_eq!(report.exit_code(), 0);
    let passed: usize = report.sections().iter().map(|section| section.passed).sum();
    assert_eq!(passed, report.findings.len());
}

#[tokio::test]
async fn two_runs_do_not_disturb_each_other() {
    let app = TestApp::start().await;
    let runner = || Target { characters: None, ..target(app.address) };
    let with_run = |run: &str| RunOptions { run: run.to_owned(), ..run_options() };
    let choices = with_choices();
    let (one, other) = tokio::join!(
        verify(runner(), &choices, with_run("one"), |_| {}),
        verify(runner(), &choices, with_run("other"), |_| {}),
    );
    for report in [one.unwrap(), other.unwrap()] {
        assert_eq!(failing(&report), Vec::<String>::new());
    }
}

#[tokio::test]
async fn choices_of_mynah_are_checked_only_with_choices() {
    let app = TestApp::with(|config| {
        config.runner.errors = ErrorStyle::FastApi;
        config.runner.message_content = MessageContent::Parts;
    })
    .await;
    let runner = || Target { characters: None, ..target(app.address) };
    let documented = report(runner(), &Selection::default()).await;
    assert_eq!(failing(&documented), Vec::<String>::new());
    assert!(documented.findings.iter().all(|finding| !finding.check.is_choice()));
    let all = report(runner(), &with_choices()).await;
    let chosen = [
        "runner.conversation.history_limit_range",
        "runner.conversation.other_deployment",
        "runner.messages.page_range",
        "runner.agent_run.codes",
        "runner.errors.codes",
    ];
    assert_eq!(failing_ids(&all), chosen);
}

#[tokio::test]
async fn checks_without_what_they_need_are_not_run_and_give_the_reason() {
    let app = TestApp::start().await;
    let without_keys = Target {
        runner_keys: Keys::default(),
        characters_keys: Keys::default(),
        json_deployment: None,
        ..target(app.address)
    };
    let keyless = report(without_keys, &with_choices()).await;
    assert_eq!(failing(&keyless), Vec::<String>::new());
    let reason = |id: &str| not_run(&keyless).iter().find(|row| row.0 == id).unwrap().1.to_owned();
    assert_eq!(reason("runner.run.answer"), "there is no key (--key, --characters-key)");
    assert!(reason("characters.balance.insufficient").contains("--broke-key"));
    assert!(reason("characters.limits.enforced").contains("--limited-key"));
    let passed = keyless.findings.iter().filter(|finding| finding.outcome == Outcome::Passed);
    let passed: Vec<&str> = passed.map(|finding| finding.check.id).collect();
    assert!(
        passed.contains(&"runner.key.missing") && passed.contains(&"characters.wire.preflight")
    );
    let no_spend = Target { may_spend: false, ..target(app.address) };
    let no_spend = report(no_spend, &with_choices()).await;
    assert_eq!(failing(&no_spend), Vec::<String>::new());
    assert!(not_run(&no_spend).iter().all(|(_, reason)| reason.contains("--no-spend")));
    let money = app.request(reqwest::Method::GET, "/_mynah/accounts/demo").await.good();
    assert_eq!(money["balance"], "1000000", "nothing was spent");
}

#[tokio::test]
async fn checks_beyond_the_budget_of_requests_are_not_run() {
    let app = TestApp::start().await;
    let limits = Limits { max_requests: 10, ..run_options().limits };
    let run_options = RunOptions { limits, ..run_options() };
    let report = verify(target(app.address), &with_choices(), run_options, |_| {}).await.unwrap();
    assert_eq!(report.requests, 10);
    assert_eq!(failing(&report), Vec::<String>::new());
    let (passed, _, not_run_count) = report.counts();
    assert!(passed > 0 && not_run_count > 50, "{passed} pass, {not_run_count} are not run");
    let reasons = not_run(&report);
    let expected = "the budget of 10 requests is spent (--max-requests)";
    assert!(reasons.iter().all(|(_, reason)| reason.contains(expected)), "{reasons:?}");
}

#[tokio::test]
async fn a_selection_runs_what_it_names() {
    let app = TestApp::start().await;
    let streams = report(target(app.address), &only("runner.stream")).await;
    assert!(streams.findings.len() > 3);
    assert!(streams.findings.iter().all(|f| f.check.id.starts_with("runner.stream.")));
    assert_eq!(streams.counts().0, streams.findings.len());
    let paging = report(target(app.address), &only("runner.*.paging")).await;
    let ids: Vec<&str> = paging.findings.iter().map(|finding| finding.check.id).collect();
    assert_eq!(ids, ["runner.messages.paging", "runner.list.paging"]);
    let none = verify(target(app.address), &only("poems"), run_options(), |_| {}).await;
    assert!(matches!(none, Err(VerifyError::NothingSelected)));
}
